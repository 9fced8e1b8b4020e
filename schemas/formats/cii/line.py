"""The line of a CII document (ram:IncludedSupplyChainTradeLineItem), in the order of the D22B schema."""

from __future__ import annotations

from schemas.binding import Fixed, Group, Leaf, Node, View, first_and_more
from schemas.formats.cii.parties import PARTY, line_reference
from schemas.formats.cii.syntax import (
    DELIVERY_TERMS,
    PERIOD,
    TAX,
    TAX_POINT,
    VAT,
    accounting,
    allowance,
    day,
    has,
    issued,
    measure,
)
from schemas.formats.cii.views import (
    TaxTotal,
    merge_base_quantity,
    merge_gross,
    merge_tax_total,
    spread_base_quantity,
    spread_gross,
    spread_gross_base,
    spread_tax_total,
)
from schemas.invoice import LineNote, Measure, Price, PriceAdjustment

_CHARGE_INDICATOR = "ram:ChargeIndicator/udt:Indicator"

_NOTES = View(
    Group(
        "ram:IncludedNote",
        (Leaf("ram:ContentCode", "code"), Leaf("ram:Content", "text"), Leaf("ram:SubjectCode", "subject")),
    ),
    LineNote,
    *first_and_more(LineNote, {"text": "note", "subject": "note_subject", "code": "note_code"}, "more_notes"),
    group="BT-127-00",
)

_DOCUMENT_LINE = Group(
    "ram:AssociatedDocumentLineDocument",
    (
        Leaf("ram:LineID", "id"),
        Leaf("ram:ParentLineID", "parent_id"),
        Leaf("ram:LineStatusCode", "status"),
        Leaf("ram:LineStatusReasonCode", "kind"),
        _NOTES,
    ),
    required=True,
)

_PRODUCT = Group(
    "ram:SpecifiedTradeProduct",
    (
        Leaf("ram:ID", "id"),
        Leaf("ram:GlobalID", "standard_id"),
        Leaf("ram:SellerAssignedID", "seller_id"),
        Leaf("ram:BuyerAssignedID", "buyer_id"),
        Leaf("ram:IndustryAssignedID", "industry_id"),
        Leaf("ram:ModelID", "model_id"),
        Leaf("ram:Name", "name"),
        Leaf("ram:Description", "description"),
        Leaf("ram:BatchID", "batch_ids"),
        Leaf("ram:BrandName", "brand"),
        Leaf("ram:ModelName", "model"),
        Group(
            "ram:ApplicableProductCharacteristic",
            (
                Leaf("ram:TypeCode", "type_code"),
                Leaf("ram:Description", "name"),
                measure("ram:ValueMeasure", "measure"),
                Leaf("ram:Value", "value"),
            ),
            "attributes",
        ),
        Group(
            "ram:DesignatedProductClassification",
            (
                Leaf("ram:ClassCode", "value", {"listID": "scheme", "listVersionID": "version"}),
                Leaf("ram:ClassName", "name"),
            ),
            "classifications",
        ),
        Group(
            "ram:IndividualTradeProductInstance",
            (Leaf("ram:BatchID", "batch_id"), Leaf("ram:SupplierAssignedSerialID", "serial_id")),
            "instances",
        ),
        Leaf("ram:OriginTradeCountry/ram:ID", "origin"),
        Group("ram:ManufacturerTradeParty", PARTY, "manufacturer"),
        Group(
            "ram:IncludedReferencedProduct",
            (
                Leaf("ram:ID", "id"),
                Leaf("ram:GlobalID", "standard_ids"),
                Leaf("ram:SellerAssignedID", "seller_id"),
                Leaf("ram:BuyerAssignedID", "buyer_id"),
                Leaf("ram:IndustryAssignedID", "industry_id"),
                Leaf("ram:Name", "name"),
                Leaf("ram:Description", "description"),
                measure("ram:UnitQuantity", "quantity"),
            ),
            "parts",
        ),
    ),
    "item",
    required=True,
)

_ADJUSTMENT = (
    Leaf("ram:CalculationPercent", "percentage"),
    Leaf("ram:BasisAmount", "base"),
    Leaf("ram:ActualAmount", "amount"),
    Leaf("ram:ReasonCode", "reason_code"),
    Leaf("ram:Reason", "reason"),
)

_DISCOUNTS = View(
    Group("ram:AppliedTradeAllowanceCharge", (Fixed(_CHARGE_INDICATOR, "false", ("0",)), *_ADJUSTMENT)),
    PriceAdjustment,
    *first_and_more(
        PriceAdjustment,
        {
            "amount": "price.discount",
            "percentage": "price.discount_percentage",
            "base": "price.discount_base",
            "reason": "price.discount_reason",
            "reason_code": "price.discount_reason_code",
        },
        "price.more_discounts",
    ),
    group="BT-147-00",
)

_GROSS_PRICE = Group(
    "ram:GrossPriceProductTradePrice",
    (
        View(Leaf("ram:ChargeAmount", "gross"), Price, merge_gross, spread_gross),
        View(Leaf("ram:BasisQuantity", "value", {"unitCode": "unit"}), Measure, merge_base_quantity, spread_gross_base),
        Group(
            "ram:AppliedTradeAllowanceCharge",
            (Fixed(_CHARGE_INDICATOR, "true", ("1",)), *_ADJUSTMENT),
            "price.charges",
            when=has(_CHARGE_INDICATOR, "true", "1"),
        ),
        _DISCOUNTS,
    ),
)

_NET_PRICE = Group(
    "ram:NetPriceProductTradePrice",
    (
        Leaf("ram:ChargeAmount", "price.net"),
        View(
            Leaf("ram:BasisQuantity", "value", {"unitCode": "unit"}),
            Measure,
            merge_base_quantity,
            spread_base_quantity,
        ),
        Group("ram:IncludedTradeTax", TAX, "price.included_tax"),
    ),
)

_AGREEMENT = Group(
    "ram:SpecifiedLineTradeAgreement",
    (
        Group("ram:ApplicableTradeDeliveryTerms", DELIVERY_TERMS, "delivery_terms"),
        line_reference("ram:SellerOrderReferencedDocument", "sales_order"),
        Group(
            "ram:BuyerOrderReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "purchase_order"),
                Leaf("ram:LineID", "order_line"),
                issued("purchase_order_date"),
            ),
        ),
        line_reference("ram:QuotationReferencedDocument", "quotation"),
        line_reference("ram:ContractReferencedDocument", "contract"),
        Group(
            "ram:AdditionalReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "id"),
                Leaf("ram:URIID", "url"),
                Leaf("ram:LineID", "line"),
                Leaf("ram:TypeCode", "type_code"),
                Leaf("ram:Name", "description"),
                Leaf("ram:AttachmentBinaryObject", "content", {"mimeCode": "media_type", "filename": "filename"}),
                Leaf("ram:ReferenceTypeCode", "reference_type"),
                issued("date"),
            ),
            "documents",
        ),
        _GROSS_PRICE,
        _NET_PRICE,
        Group("ram:ItemSellerTradeParty", PARTY, "seller"),
        line_reference("ram:UltimateCustomerOrderReferencedDocument", "customer_orders"),
    ),
    required=True,
)

_DELIVERY = Group(
    "ram:SpecifiedLineTradeDelivery",
    (
        Leaf("ram:BilledQuantity", "quantity", {"unitCode": "unit"}),
        measure("ram:ChargeFreeQuantity", "delivery.free_quantity"),
        measure("ram:PackageQuantity", "delivery.packages"),
        measure("ram:PerPackageUnitQuantity", "delivery.per_package"),
        Group("ram:ShipToTradeParty", PARTY, "delivery.ship_to"),
        Group("ram:UltimateShipToTradeParty", PARTY, "delivery.ultimate_ship_to"),
        Group("ram:ActualDeliverySupplyChainEvent", (day("ram:OccurrenceDateTime", "delivery.date"),)),
        line_reference("ram:DespatchAdviceReferencedDocument", "delivery.despatch_advice"),
        line_reference("ram:ReceivingAdviceReferencedDocument", "delivery.receiving_advice"),
        line_reference("ram:DeliveryNoteReferencedDocument", "delivery.delivery_note"),
    ),
    required=True,
)

_TAX_OF_ANOTHER_KIND = Group("ram:CategoryTradeTax", (Leaf("ram:TypeCode", "tax_type"),))

_SETTLEMENT = Group(
    "ram:SpecifiedLineTradeSettlement",
    (
        Group(
            "ram:ApplicableTradeTax",
            (
                Leaf("ram:CalculatedAmount", "amount"),
                VAT,
                Leaf("ram:ExemptionReason", "exemption_reason"),
                Leaf("ram:CategoryCode", "category"),
                Leaf("ram:ExemptionReasonCode", "exemption_code"),
                Leaf("ram:DueDateTypeCode", "tax_point_code", codec=TAX_POINT),
                Leaf("ram:RateApplicablePercent", "rate"),
            ),
            "vat",
            more="more_vat",
        ),
        Group("ram:BillingSpecifiedPeriod", PERIOD, "period"),
        allowance("allowances", False, (), header=False),
        allowance("charges", True, (_TAX_OF_ANOTHER_KIND,), header=False),
        Group(
            "ram:SpecifiedTradeSettlementLineMonetarySummation",
            (
                Leaf("ram:LineTotalAmount", "net_amount"),
                Leaf("ram:ChargeTotalAmount", "totals.charges"),
                Leaf("ram:AllowanceTotalAmount", "totals.allowances"),
                View(
                    Leaf("ram:TaxTotalAmount", "amount", {"currencyID": "currency"}),
                    TaxTotal,
                    merge_tax_total,
                    spread_tax_total,
                ),
                Leaf("ram:GrandTotalAmount", "totals.with_vat"),
                Leaf("ram:TotalAllowanceChargeAmount", "totals.allowances_and_charges"),
            ),
        ),
        Group(
            "ram:InvoiceReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "number"),
                Leaf("ram:LineID", "line"),
                Leaf("ram:TypeCode", "type_code"),
                issued("issue_date"),
            ),
            "preceding",
        ),
        Group(
            "ram:AdditionalReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "value"),
                Fixed("ram:TypeCode", "130"),
                Leaf("ram:ReferenceTypeCode", "scheme"),
            ),
            "object_id",
            when=has("ram:TypeCode", "130"),
            more="more_object_ids",
        ),
        accounting("BT-133-00"),
    ),
    required=True,
)

LINE: Node = Group(
    "ram:IncludedSupplyChainTradeLineItem",
    (_DOCUMENT_LINE, _PRODUCT, _AGREEMENT, _DELIVERY, _SETTLEMENT),
    "lines",
)
