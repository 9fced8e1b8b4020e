"""The header of a CII document: trade agreement, delivery and settlement, in the order of the D22B schema."""

from __future__ import annotations

from schemas.binding import Fixed, Group, Leaf, View, first_and_more
from schemas.formats.cii.parties import PARTY, REDUCED_PARTY, SHIP_TO, reference
from schemas.formats.cii.syntax import (
    DELIVERY_TERMS,
    PERIOD,
    TAX,
    TAX_POINT,
    VAT,
    accounting,
    allowance,
    day,
    document,
    has,
    iban,
    issued,
    measure,
)
from schemas.formats.cii.views import (
    Means,
    Movement,
    NationalAccount,
    TaxShare,
    TaxTotal,
    merge_means,
    merge_movement,
    merge_national_account,
    merge_tax,
    merge_tax_total,
    spread_means,
    spread_movement,
    spread_national_account,
    spread_tax,
    spread_tax_total,
)
from schemas.invoice import ObjectReference, PaymentTerms, Reference

_TENDERS = View(
    Group(
        "ram:AdditionalReferencedDocument",
        (Leaf("ram:IssuerAssignedID", "number"), Fixed("ram:TypeCode", "50"), issued("date")),
        when=has("ram:TypeCode", "50"),
    ),
    Reference,
    *first_and_more(Reference, {"number": "tender", "date": "tender_date"}, "more_tenders"),
    group="BT-17-00",
)

_OBJECTS = View(
    Group(
        "ram:AdditionalReferencedDocument",
        (
            Leaf("ram:IssuerAssignedID", "id.value"),
            Fixed("ram:TypeCode", "130"),
            Leaf("ram:ReferenceTypeCode", "id.scheme"),
            issued("date"),
        ),
        when=has("ram:TypeCode", "130"),
    ),
    ObjectReference,
    *first_and_more(ObjectReference, {"id": "object_id", "date": "object_date"}, "more_objects"),
    group="BT-18-00",
)

_ATTACHMENTS = Group(
    "ram:AdditionalReferencedDocument",
    (
        Leaf("ram:IssuerAssignedID", "id"),
        Leaf("ram:URIID", "url"),
        Fixed("ram:TypeCode", "916"),
        Leaf("ram:Name", "description"),
        Leaf("ram:AttachmentBinaryObject", "content", {"mimeCode": "media_type", "filename": "filename"}),
        issued("date"),
    ),
    "attachments",
    when=has("ram:TypeCode", "916"),
)

AGREEMENT = Group(
    "ram:ApplicableHeaderTradeAgreement",
    (
        Leaf("ram:BuyerReference", "buyer_reference"),
        Group("ram:SellerTradeParty", PARTY, "seller", required=True),
        Group("ram:BuyerTradeParty", PARTY, "buyer", required=True),
        Group("ram:SalesAgentTradeParty", PARTY, "sales_agent"),
        Group("ram:BuyerTaxRepresentativeTradeParty", PARTY, "buyer_tax_representative"),
        Group("ram:SellerTaxRepresentativeTradeParty", REDUCED_PARTY, "tax_representative"),
        Group("ram:ProductEndUserTradeParty", PARTY, "end_user"),
        Group("ram:ApplicableTradeDeliveryTerms", DELIVERY_TERMS, "delivery_terms"),
        document("ram:SellerOrderReferencedDocument", "sales_order", issued("sales_order_date")),
        document("ram:BuyerOrderReferencedDocument", "purchase_order", issued("purchase_order_date")),
        reference("ram:QuotationReferencedDocument", "quotation"),
        document(
            "ram:ContractReferencedDocument",
            "contract",
            Leaf("ram:TypeCode", "contract_type"),
            issued("contract_date"),
        ),
        _TENDERS,
        _OBJECTS,
        _ATTACHMENTS,
        Group("ram:BuyerAgentTradeParty", PARTY, "buyer_agent"),
        Group(
            "ram:SpecifiedProcuringProject",
            (Leaf("ram:ID", "project"), Leaf("ram:Name", "project_name", absent=("Project reference", "?"))),
        ),
        reference("ram:UltimateCustomerOrderReferencedDocument", "customer_orders"),
    ),
    required=True,
)

DELIVERY = Group(
    "ram:ApplicableHeaderTradeDelivery",
    (
        Group(
            "ram:RelatedSupplyChainConsignment",
            (
                View(
                    Group("ram:SpecifiedLogisticsTransportMovement", (Leaf("ram:ModeCode", "mode"),)),
                    Movement,
                    merge_movement,
                    spread_movement,
                ),
            ),
        ),
        Group("ram:ShipToTradeParty", SHIP_TO),
        Group("ram:UltimateShipToTradeParty", PARTY, "delivery.ultimate_ship_to"),
        Group("ram:ShipFromTradeParty", PARTY, "delivery.ship_from"),
        Group("ram:ActualDeliverySupplyChainEvent", (day("ram:OccurrenceDateTime", "delivery.date"),)),
        document("ram:DespatchAdviceReferencedDocument", "despatch_advice", issued("despatch_advice_date")),
        document("ram:ReceivingAdviceReferencedDocument", "receiving_advice", issued("receiving_advice_date")),
        reference("ram:DeliveryNoteReferencedDocument", "delivery.delivery_note"),
    ),
    required=True,
)

_PAYMENT_MEANS = View(
    Group(
        "ram:SpecifiedTradeSettlementPaymentMeans",
        (
            Leaf("ram:TypeCode", "means_code"),
            Leaf("ram:Information", "means_text"),
            Group(
                "ram:ApplicableTradeSettlementFinancialCard",
                (Leaf("ram:ID", "card.number"), Leaf("ram:CardholderName", "card.holder")),
            ),
            Group(
                "ram:PayerPartyDebtorFinancialAccount",
                (Leaf("ram:IBANID", "debited"), Leaf("ram:AccountName", "debited_name")),
            ),
            Group(
                "ram:PayeePartyCreditorFinancialAccount",
                (
                    Leaf("ram:IBANID", "transfer.account", where=iban),
                    Leaf("ram:AccountName", "transfer.name"),
                    View(
                        Leaf("ram:ProprietaryID", "number"),
                        NationalAccount,
                        merge_national_account,
                        spread_national_account,
                    ),
                ),
            ),
            Leaf("ram:PayerSpecifiedDebtorFinancialInstitution/ram:BICID", "debited_bank"),
            Leaf("ram:PayeeSpecifiedCreditorFinancialInstitution/ram:BICID", "transfer.bank"),
        ),
    ),
    Means,
    merge_means,
    spread_means,
)

_VAT_BREAKDOWN = View(
    Group(
        "ram:ApplicableTradeTax",
        (
            Leaf("ram:CalculatedAmount", "tax_amount"),
            VAT,
            Leaf("ram:ExemptionReason", "exemption_reason"),
            Leaf("ram:BasisAmount", "taxable_amount"),
            Leaf("ram:LineTotalBasisAmount", "lines"),
            Leaf("ram:AllowanceChargeBasisAmount", "allowances_and_charges"),
            Leaf("ram:CategoryCode", "category"),
            Leaf("ram:ExemptionReasonCode", "exemption_code"),
            Leaf("ram:TaxPointDate/udt:DateString", "tax_point_date", fixed={"format": "102"}),
            Leaf("ram:DueDateTypeCode", "tax_point_code", codec=TAX_POINT),
            Leaf("ram:RateApplicablePercent", "rate"),
        ),
    ),
    TaxShare,
    merge_tax,
    spread_tax,
)


def _vat_of(kind: Fixed | Leaf) -> tuple[Group]:
    """The VAT of an allowance or a charge on the document."""
    return (
        Group(
            "ram:CategoryTradeTax",
            (
                kind,
                Leaf("ram:ExemptionReason", "exemption_reason"),
                Leaf("ram:CategoryCode", "vat_category"),
                Leaf("ram:ExemptionReasonCode", "exemption_code"),
                Leaf("ram:RateApplicablePercent", "vat_rate"),
            ),
        ),
    )


def _adjustment(tag: str, into: str, amount: str) -> Group:
    """The terms of a penalty or a discount."""
    return Group(
        tag,
        (
            day("ram:BasisDateTime", "reference_date"),
            measure("ram:BasisPeriodMeasure", "period"),
            Leaf("ram:BasisAmount", "base"),
            Leaf("ram:CalculationPercent", "percentage"),
            Leaf(amount, "amount"),
        ),
        into,
    )


_PAYMENT_TERMS = View(
    Group(
        "ram:SpecifiedTradePaymentTerms",
        (
            Leaf("ram:Description", "text"),
            day("ram:DueDateDateTime", "due_date"),
            Leaf("ram:DirectDebitMandateID", "mandate"),
            Leaf("ram:PartialPaymentAmount", "partial_amount"),
            _adjustment("ram:ApplicableTradePaymentPenaltyTerms", "penalty", "ram:ActualPenaltyAmount"),
            _adjustment("ram:ApplicableTradePaymentDiscountTerms", "discount", "ram:ActualDiscountAmount"),
            Group("ram:PayeeTradeParty", PARTY, "payee"),
        ),
    ),
    PaymentTerms,
    *first_and_more(
        PaymentTerms,
        {
            "text": "payment_terms",
            "due_date": "due_date",
            "mandate": "payment.direct_debit.mandate",
            "partial_amount": "partial_payment",
            "penalty": "penalty",
            "discount": "discount",
            "payee": "terms_payee",
        },
        "more_payment_terms",
    ),
)

_TOTALS = Group(
    "ram:SpecifiedTradeSettlementHeaderMonetarySummation",
    (
        Leaf("ram:LineTotalAmount", "totals.lines"),
        Leaf("ram:ChargeTotalAmount", "totals.charges"),
        Leaf("ram:AllowanceTotalAmount", "totals.allowances"),
        Leaf("ram:TaxBasisTotalAmount", "totals.without_vat"),
        View(
            Leaf("ram:TaxTotalAmount", "amount", {"currencyID": "currency"}),
            TaxTotal,
            merge_tax_total,
            spread_tax_total,
        ),
        Leaf("ram:RoundingAmount", "totals.rounding"),
        Leaf("ram:GrandTotalAmount", "totals.with_vat"),
        Leaf("ram:TotalPrepaidAmount", "totals.paid"),
        Leaf("ram:DuePayableAmount", "totals.due"),
    ),
)

_ADVANCE_PAYMENTS = Group(
    "ram:SpecifiedAdvancePayment",
    (
        Leaf("ram:PaidAmount", "amount"),
        day("ram:FormattedReceivedDateTime", "date", "qdt"),
        Group("ram:IncludedTradeTax", TAX, "taxes"),
        Group(
            "ram:InvoiceSpecifiedReferencedDocument",
            (
                Leaf("ram:IssuerAssignedID", "number"),
                Leaf("ram:LineID", "line"),
                Leaf("ram:TypeCode", "type_code"),
                issued("issue_date"),
            ),
            "invoice",
        ),
    ),
    "advance_payments",
)

SETTLEMENT = Group(
    "ram:ApplicableHeaderTradeSettlement",
    (
        Leaf("ram:CreditorReferenceID", "payment.direct_debit.creditor"),
        Leaf("ram:PaymentReference", "payment.remittance"),
        Leaf("ram:TaxCurrencyCode", "tax_currency"),
        Leaf("ram:InvoiceCurrencyCode", "currency"),
        Leaf("ram:InvoiceIssuerReference", "issuer_reference"),
        Group("ram:InvoicerTradeParty", PARTY, "invoicer"),
        Group("ram:InvoiceeTradeParty", PARTY, "invoicee"),
        Group("ram:PayeeTradeParty", REDUCED_PARTY, "payee"),
        Group("ram:PayerTradeParty", PARTY, "payer"),
        Group(
            "ram:TaxApplicableTradeCurrencyExchange",
            (
                Leaf("ram:SourceCurrencyCode", "source"),
                Leaf("ram:TargetCurrencyCode", "target"),
                Leaf("ram:ConversionRate", "rate"),
                day("ram:ConversionRateDateTime", "date"),
            ),
            "exchange",
        ),
        _PAYMENT_MEANS,
        _VAT_BREAKDOWN,
        Group("ram:BillingSpecifiedPeriod", PERIOD, "delivery.period"),
        allowance("allowances", False, _vat_of(VAT), header=True),
        allowance("charges", True, _vat_of(Leaf("ram:TypeCode", "tax_type", absent=("VAT",))), header=True),
        Group(
            "ram:SpecifiedLogisticsServiceCharge",
            (
                Leaf("ram:Description", "description"),
                Leaf("ram:AppliedAmount", "amount"),
                Group("ram:AppliedTradeTax", TAX, "taxes"),
            ),
            "logistics_charges",
        ),
        _PAYMENT_TERMS,
        _TOTALS,
        Group(
            "ram:SpecifiedFinancialAdjustment",
            (Leaf("ram:Reason", "description"), Leaf("ram:ActualAmount", "amount")),
            "third_party_payments",
        ),
        Group(
            "ram:InvoiceReferencedDocument",
            (Leaf("ram:IssuerAssignedID", "number"), Leaf("ram:TypeCode", "type_code"), issued("issue_date")),
            "preceding",
        ),
        accounting("BT-19-00"),
        _ADVANCE_PAYMENTS,
    ),
    required=True,
)
