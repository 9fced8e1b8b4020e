"""The lines of a UBL invoice or credit note: their table, in the order of the schema."""

from __future__ import annotations

from schemas.binding import Fixed, Group, Leaf, Node, View
from schemas.formats.ubl import line_views as views
from schemas.formats.ubl.parties import ADDRESS, CONTACT, PARTY, identification
from schemas.formats.ubl.views import Identification, NoteText
from schemas.formats.ubl.vocabulary import VAT, VAT_SCHEME, amount, has, has_child, is_object
from schemas.invoice import Attribute, ItemInstance, LineDocument, LineReference, LineVat, Party

DELIVERY_TERMS = Group(
    "cac:DeliveryTerms",
    (
        Leaf("cbc:ID", "code"),
        Group(
            "cac:DeliveryLocation",
            (Leaf("cbc:Name", "location"), Leaf("cac:Address/cac:Country/cbc:IdentificationCode", "country")),
        ),
    ),
    "delivery_terms",
)

ATTACHED = Group(
    "cac:Attachment",
    (
        Leaf("cbc:EmbeddedDocumentBinaryObject", "content", {"mimeCode": "media_type", "filename": "filename"}),
        Leaf("cac:ExternalReference/cbc:URI", "url"),
    ),
)
"""A file, inside the document or at a URL."""


def _allowance(spellings: tuple[str, str], code: Leaf, into: str = "") -> Group:
    """An allowance or a charge on a line: twins told apart by their indicator."""
    return Group(
        "cac:AllowanceCharge",
        (
            Fixed("cbc:ChargeIndicator", spellings[0], spellings[1:]),
            code,
            Leaf("cbc:AllowanceChargeReason", "reason"),
            Leaf("cbc:MultiplierFactorNumeric", "percentage"),
            Leaf("cbc:Amount", "amount"),
            Leaf("cbc:BaseAmount", "base"),
        ),
        into,
        when=has("cbc:ChargeIndicator", *spellings),
    )


_ALLOWANCES: tuple[Node, ...] = (
    _allowance(("false", "0"), Leaf("cbc:AllowanceChargeReasonCode", "reason_code"), "allowances"),
    View(
        _allowance(("true", "1"), Leaf("cbc:AllowanceChargeReasonCode", "code", {"listID": "code_list"})),
        views.LineCharge,
        views.merge_line_charge,
        views.spread_line_charges,
    ),
)


def _referred(tag: str, field: str) -> View:
    """A line of a despatch or receiving advice."""
    return View(
        Group(
            tag,
            (
                Leaf("cbc:LineID", "line"),
                Group("cac:DocumentReference", (Leaf("cbc:ID", "number"), Leaf("cbc:IssueDate", "date"))),
            ),
        ),
        LineReference,
        *views.advice(field),
    )


_ORDER = View(
    Group(
        "cac:OrderLineReference",
        (
            Leaf("cbc:LineID", "line"),
            Leaf("cbc:SalesOrderLineID", "sales_line"),
            Group(
                "cac:OrderReference",
                (Leaf("cbc:ID", "number"), Leaf("cbc:SalesOrderID", "sales_number"), Leaf("cbc:IssueDate", "date")),
            ),
        ),
    ),
    views.OrderLine,
    views.merge_order_line,
    views.spread_order_line,
)

_BILLING = View(
    Group(
        "cac:BillingReference",
        (
            Group(
                "cac:InvoiceDocumentReference",
                (
                    Leaf("cbc:ID", "number"),
                    Leaf("cbc:IssueDate", "date"),
                    Leaf("cbc:DocumentTypeCode", "type_code"),
                    Leaf("cbc:DocumentStatusCode", "status"),
                ),
            ),
            Leaf("cac:BillingReferenceLine/cbc:ID", "line"),
        ),
    ),
    views.Billing,
    views.merge_billing,
    views.spread_billing,
)

_DOCUMENTS: tuple[Node, ...] = (
    View(
        Group(
            "cac:DocumentReference",
            (Leaf("cbc:ID", "id"), Fixed("cbc:DocumentTypeCode", "130")),
            when=is_object,
        ),
        Identification,
        views.merge_line_object,
        views.spread_line_objects,
    ),
    View(
        Group(
            "cac:DocumentReference",
            (
                Leaf("cbc:ID", "id"),
                Leaf("cbc:IssueDate", "date"),
                Leaf("cbc:DocumentTypeCode", "type_code"),
                Leaf("cbc:DocumentType", "reference_type"),
                Leaf("cbc:DocumentDescription", "description"),
                ATTACHED,
            ),
        ),
        LineDocument,
        views.merge_line_document,
        views.spread_line_documents,
    ),
)

_DELIVERY = Group(
    "cac:Delivery",
    (
        Leaf("cbc:ActualDeliveryDate", "delivery.date"),
        Group(
            "cac:DeliveryLocation",
            (
                View(Leaf("cbc:ID", "id"), Identification, views.merge_ship_to_id, views.spread_first_ship_to_id),
                Leaf("cbc:Name", "delivery.ship_to.name"),
                Group("cac:Address", ADDRESS, "delivery.ship_to.address"),
            ),
        ),
        Group(
            "cac:DeliveryParty",
            (
                Leaf("cbc:EndpointID", "delivery.ship_to.endpoint"),
                Leaf("cbc:IndustryClassificationCode", "delivery.ship_to.role"),
                identification(views.spread_more_ship_to_ids, views.merge_ship_to_id),
                Leaf("cac:PartyName/cbc:Name", "delivery.ship_to.trading_name"),
                Group(
                    "cac:PartyTaxScheme",
                    (Leaf("cbc:CompanyID", "delivery.ship_to.vat_id"), VAT_SCHEME),
                    when=has("cac:TaxScheme/cbc:ID", VAT),
                ),
                Leaf("cac:PartyLegalEntity/cbc:CompanyID", "delivery.ship_to.legal_id"),
                Group("cac:Contact", CONTACT, "delivery.ship_to.contact"),
            ),
        ),
    ),
)

_TAX = View(
    Group("cac:TaxTotal", (amount("cbc:TaxAmount", "amount"),)),
    views.LineTax,
    views.merge_line_tax,
    views.spread_line_tax,
)

_ITEM = Group(
    "cac:Item",
    (
        Leaf("cbc:Description", "item.description"),
        Leaf("cbc:Name", "item.name"),
        Leaf("cbc:BrandName", "item.brand"),
        Leaf("cbc:ModelName", "item.model"),
        Leaf("cac:BuyersItemIdentification/cbc:ID", "item.buyer_id"),
        Leaf("cac:SellersItemIdentification/cbc:ID", "item.seller_id"),
        Leaf("cac:StandardItemIdentification/cbc:ID", "item.standard_id"),
        Leaf("cac:OriginCountry/cbc:IdentificationCode", "item.origin"),
        Group(
            "cac:CommodityClassification",
            (
                Leaf(
                    "cbc:ItemClassificationCode",
                    "value",
                    {"listID": "scheme", "listVersionID": "version", "name": "name"},
                ),
            ),
            "item.classifications",
        ),
        View(
            Group(
                "cac:ClassifiedTaxCategory",
                (
                    Leaf("cbc:ID", "category"),
                    Leaf("cbc:Percent", "rate"),
                    Leaf("cbc:TaxExemptionReasonCode", "exemption_code"),
                    Leaf("cbc:TaxExemptionReason", "exemption_reason"),
                    VAT_SCHEME,
                ),
            ),
            LineVat,
            views.merge_line_vat,
            views.spread_line_vat,
        ),
        View(
            Group(
                "cac:AdditionalItemProperty",
                (
                    Leaf("cbc:Name", "name"),
                    Leaf("cbc:NameCode", "type_code"),
                    Leaf("cbc:Value", "value"),
                    Leaf("cbc:ValueQuantity", "measure.value", {"unitCode": "measure.unit"}),
                ),
            ),
            Attribute,
            views.merge_attribute,
            views.spread_attributes,
        ),
        View(Group("cac:ManufacturerParty", PARTY), Party, views.merge_manufacturer, views.spread_manufacturer),
        View(
            Group(
                "cac:ItemInstance",
                (Leaf("cbc:SerialID", "serial_id"), Leaf("cac:LotIdentification/cbc:LotNumberID", "batch_id")),
            ),
            ItemInstance,
            views.merge_instance,
            views.spread_instances,
        ),
    ),
    required=True,
)


def _price_adjustment(charge: bool) -> Group:
    spellings = ("true", "1") if charge else ("false", "0")
    return Group(
        "cac:AllowanceCharge",
        (
            Fixed("cbc:ChargeIndicator", spellings[0], spellings[1:]),
            Leaf("cbc:AllowanceChargeReasonCode", "reason_code"),
            Leaf("cbc:AllowanceChargeReason", "reason"),
            Leaf("cbc:MultiplierFactorNumeric", "percentage"),
            Leaf("cbc:Amount", "discount"),
            Leaf("cbc:BaseAmount", "gross"),
        ),
        when=has("cbc:ChargeIndicator", *spellings),
    )


_PRICE = Group(
    "cac:Price",
    (
        Leaf("cbc:PriceAmount", "price.net"),
        Leaf("cbc:BaseQuantity", "price.base_quantity", {"unitCode": "price.base_unit"}),
        View(_price_adjustment(charge=False), views.Discount, views.merge_discount, views.spread_discount),
        View(_price_adjustment(charge=True), views.Discount, views.merge_price_charge, views.spread_price_charges),
    ),
)


def _children(credit: bool) -> tuple[Node, ...]:
    """What a line consists of, without the lines inside it."""
    return (
        Leaf("cbc:ID", "id"),
        View(Leaf("cbc:Note", "text"), NoteText, views.merge_line_note, views.spread_line_notes),
        Leaf("cbc:CreditedQuantity" if credit else "cbc:InvoicedQuantity", "quantity", {"unitCode": "unit"}),
        Leaf("cbc:LineExtensionAmount", "net_amount"),
        Leaf("cbc:AccountingCost", "accounting_reference"),
        Group(
            "cac:InvoicePeriod",
            (
                Leaf("cbc:StartDate", "period.start"),
                Leaf("cbc:EndDate", "period.end"),
                Leaf("cbc:DescriptionCode", "vat.tax_point_code"),
                Leaf("cbc:Description", "period.description"),
            ),
        ),
        _ORDER,
        _referred("cac:DespatchLineReference", "despatch_advice"),
        _referred("cac:ReceiptLineReference", "receiving_advice"),
        _BILLING,
        *_DOCUMENTS,
        _DELIVERY,
        *((_TAX, *_ALLOWANCES) if credit else (*_ALLOWANCES, _TAX)),
        _ITEM,
        _PRICE,
        DELIVERY_TERMS,
    )


def lines(credit: bool) -> tuple[Node, ...]:
    """The lines of an invoice or of a credit note: those without lines inside, and those with."""
    document, children = ("CreditNote" if credit else "Invoice"), _children(credit)
    inside = f"cac:Sub{document}Line"
    nested = children
    for _ in range(views.NESTING - 1):
        nested = (*children, Group(inside, nested, "inner"))
    line = f"cac:{document}Line"
    return (
        View(
            Group(line, nested, "lines", when=has_child(inside)),
            views.NestedLines,
            views.merge_nested,
            views.spread_nested,
        ),
        View(Group(line, children, "lines"), views.Lines, views.merge_lines, views.spread_lines),
    )
