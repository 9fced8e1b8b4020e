"""The invoice: the semantic model of EN 16931-1 (BT-1 to BT-165, BG-1 to BG-32) as immutable values.

One model for all syntaxes. Field names are the norm's English in short form; the id, name and cardinality of each
business term are metadata of its field, so that findings, syntax tables, the JSON form and the documentation take them
from here and from nowhere else.

The model can hold an invoice that breaks the norm, because such an invoice must be readable to be judged:
* a text, code or reference that is absent is the empty string; an absent number, date, value or group is None;
* groups that repeat are tuples, empty when absent; seller, buyer and totals always exist and may be empty;
* cardinalities are those of the norm, told in the metadata; the rulebooks enforce them, this module does not.

Amounts are Decimal in the invoice currency (BT-5), except BT-111, which is in the VAT accounting currency (BT-6).
A percentage is a Decimal too: 20 means 20 %. Where the norm uses one shape for several groups (an address stands in
BG-5, BG-8, BG-12 and BG-15) there is one class, and the id of a field depends on the group it stands in.
BG-2 has no class: its two terms are `process` (BT-23) and `profile` (BT-24).

Factur-X EXTENDED and EXTENDED-CTC-FR add terms to these groups: they follow at the end of each class, under a comment,
and groups of their own are in `schemas.extension`. Where EN 16931 has a term once and the extensions repeat it, the
field of EN 16931 has the first and `more_…` the others, so that an invoice without extensions looks as before.
"""

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from schemas.extension import (
    AccountingReference,
    AdvancePayment,
    CurrencyExchange,
    DeliveryTerms,
    IncludedItem,
    InvoiceReference,
    ItemInstance,
    LineDelivery,
    LineDocument,
    LineNote,
    LineReference,
    LineTotals,
    LogisticsCharge,
    ObjectReference,
    PaymentAdjustment,
    PaymentTerms,
    PriceAdjustment,
    Reference,
    Tax,
    ThirdPartyPayment,
)
from schemas.parties import Address, Contact, Party, Payee, TaxRepresentative, french_group
from schemas.terms import (
    VALUES,
    Amount,
    Binary,
    Classification,
    Code,
    Date,
    Identifier,
    Indicator,
    Measure,
    Percentage,
    Profile,
    Quantity,
    Shape,
    Text,
    UnitPrice,
    french_id_of,
    id_of,
    profile_of,
    shapes,
    term,
)

# fmt: off
__all__ = [
    "CREDIT_NOTE_TYPES", "SELF_BILLED_TYPES", "AccountingReference", "Address", "AdvancePayment", "AllowanceOrCharge",
    "Amount", "Attachment", "Attribute", "Binary", "Card", "Classification", "Code", "Contact", "CreditTransfer",
    "CurrencyExchange", "Date", "Delivery", "DeliveryTerms", "DirectDebit", "Identifier", "IncludedItem", "Indicator",
    "Invoice", "InvoiceReference", "Item", "ItemInstance", "Line", "LineAllowanceOrCharge", "LineDelivery",
    "LineDocument", "LineNote", "LineReference", "LineTotals", "LineVat", "LogisticsCharge", "Measure", "Note",
    "ObjectReference", "Party", "Payee", "Payment", "PaymentAdjustment", "PaymentTerms", "Percentage", "Period",
    "Preceding", "Price", "PriceAdjustment", "Profile", "Quantity", "Reference", "Shape", "Tax", "TaxRepresentative",
    "Term", "Text", "ThirdPartyPayment", "Totals", "UnitPrice", "VatBreakdown",
    "french_terms", "id_of", "profile_of", "shapes", "term",
    "term_at", "terms",
]
# fmt: on

CREDIT_NOTE_TYPES = frozenset(("81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "502", "503", "532"))
"""BT-3 codes (UNTDID 1001) of credit notes: the seller owes the buyer, and UBL has a root element of its own."""

SELF_BILLED_TYPES = frozenset(("261", "389", "471", "473", "500", "501", "502"))
"""BT-3 codes of invoices that the buyer issues in the seller's name (UNTDID 1001, XP Z12-012, BR-FR-21)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """BG-1: a text, and the UNTDID 4451 code of its subject."""

    text: Text = term("BT-22", "Invoice note", "1..1")
    subject: Code = term("BT-21", "Invoice note subject code")
    # Beyond EN 16931.
    code: Code = term("BT-X-5", "Invoice note content code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preceding:
    """BG-3: an earlier invoice that this one corrects or follows."""

    number: Text = term("BT-25", "Preceding Invoice number", "1..1")
    issue_date: Date | None = term("BT-26", "Preceding Invoice issue date", default=None)
    # Beyond EN 16931.
    type_code: Code = term("BT-X-555", "Preceding Invoice type code", french="EXT-FR-FE-02")


def _period(document: str, line: str) -> Mapping[str, str]:
    return {"BG-14": document, "BG-26": line}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period, both days included: BG-14 (document) or BG-26 (line)."""

    start: Date | None = term(_period("BT-73", "BT-134"), "Invoicing period start date", default=None)
    end: Date | None = term(_period("BT-74", "BT-135"), "Invoicing period end date", default=None)
    # Beyond EN 16931.
    description: Text = term({"BG-14": "BT-X-264"}, "Invoicing period description")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """BG-13: where and when the goods or services were delivered."""

    name: Text = term("BT-70", "Deliver to party name")
    location_id: Identifier | None = term("BT-71", "Deliver to location identifier", default=None)
    date: Date | None = term("BT-72", "Actual delivery date", default=None)
    period: Period | None = term("BG-14", "Invoicing period", default=None)
    address: Address | None = term("BG-15", "Deliver to address", default=None)
    # Beyond EN 16931.
    more_location_ids: tuple[Identifier, ...] = term(
        "BT-71", "Further deliver to location identifier", "0..n", (), profile=Profile.EXTENDED
    )
    legal_id: Identifier | None = term("BT-X-153", "Deliver to legal registration identifier", default=None)
    trading_name: Text = term("BT-X-154", "Deliver to trading name")
    vat_id: Text = term("BT-X-161", "Deliver to VAT identifier")
    endpoint: Identifier | None = term("BT-X-160", "Deliver to electronic address", default=None)
    contact: Contact | None = term("BG-X-26", "Deliver to contact", default=None)
    more_contacts: tuple[Contact, ...] = term(
        "BG-X-26", "Deliver to further contact", "0..n", (), profile=Profile.EXTENDED
    )
    role: Code = term("BT-X-550", "Deliver to role code")
    legal_address: Address | None = term("BG-X-67", "Deliver to address of legal registration", default=None)
    ultimate_ship_to: Party | None = term("BG-X-27", "Ultimate deliver to party", default=None)
    ship_from: Party | None = term("BG-X-30", "Ship from party", default=None)
    delivery_note: Reference | None = term("BT-X-202-00", "Delivery note", default=None)
    transport_modes: tuple[Code, ...] = term("BT-X-152", "Transport mode code", "0..n", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransfer:
    """BG-17: an account to pay into."""

    account: Text = term("BT-84", "Payment account identifier", "1..1")
    name: Text = term("BT-85", "Payment account name")
    bank: Text = term("BT-86", "Payment service provider identifier")
    # Beyond EN 16931.
    national_account: Text = term("BT-84-0", "National account number")
    """Beside an IBAN; alone it is `account`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """BG-18: the card that was used; only the last digits of its number may be told."""

    number: Text = term("BT-87", "Payment card primary account number", "1..1")
    holder: Text = term("BT-88", "Payment card holder name")
    # Beyond EN 16931.
    network: Text = term("", "Payment card network", profile=Profile.EN16931)
    """UBL demands it and no norm gives it an id; CII has no place for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectDebit:
    """BG-19: the mandate under which the seller collects."""

    mandate: Text = term("BT-89", "Mandate reference identifier")
    creditor: Text = term("BT-90", "Bank assigned creditor identifier")
    account: Text = term("BT-91", "Debited account identifier")
    # Beyond EN 16931.
    account_name: Text = term("BT-216", "Debited account name")
    bank: Text = term("BT-215", "Debited account payment service provider identifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """BG-16: how to pay."""

    means_code: Code = term("BT-81", "Payment means type code", "1..1")
    means_text: Text = term("BT-82", "Payment means text")
    remittance: Text = term("BT-83", "Remittance information")
    transfers: tuple[CreditTransfer, ...] = term("BG-17", "Credit transfer", "0..n", ())
    card: Card | None = term("BG-18", "Payment card information", default=None)
    direct_debit: DirectDebit | None = term("BG-19", "Direct debit", default=None)


def _document(allowance: str, charge: str) -> Mapping[str, str]:
    return {"BG-20": allowance, "BG-21": charge}


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowanceOrCharge:
    """An allowance (BG-20) or a charge (BG-21) on the whole document; amounts are positive in both."""

    amount: Amount | None = term(_document("BT-92", "BT-99"), "Amount", "1..1", None)
    base: Amount | None = term(_document("BT-93", "BT-100"), "Base amount", default=None)
    percentage: Percentage | None = term(_document("BT-94", "BT-101"), "Percentage", default=None)
    vat_category: Code = term(_document("BT-95", "BT-102"), "VAT category code", "1..1")
    vat_rate: Percentage | None = term(_document("BT-96", "BT-103"), "VAT rate", default=None)
    reason: Text = term(_document("BT-97", "BT-104"), "Reason")
    reason_code: Code = term(_document("BT-98", "BT-105"), "Reason code")
    # Beyond EN 16931.
    sequence: Quantity | None = term(_document("BT-X-265", "BT-X-268"), "Calculation sequence", default=None)
    base_quantity: Measure | None = term(_document("BT-X-266", "BT-X-269"), "Base quantity", default=None)
    exemption_reason: Text = term(
        _document("BT-173", "BT-175"), "VAT exemption reason text", profile=Profile.EXTENDED_CTC_FR
    )
    exemption_code: Code = term(
        _document("BT-174", "BT-176"), "VAT exemption reason code", profile=Profile.EXTENDED_CTC_FR
    )
    tax_type: Code = term(_document("", "BT-177"), "Tax type code", profile=Profile.EXTENDED_CTC_FR)
    """UNTDID 5153 of a charge that is a tax of another kind; "" for VAT."""


def _line(allowance: str, charge: str) -> Mapping[str, str]:
    return {"BG-27": allowance, "BG-28": charge}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineAllowanceOrCharge:
    """An allowance (BG-27) or a charge (BG-28) on one line; amounts are positive in both."""

    amount: Amount | None = term(_line("BT-136", "BT-141"), "Amount", "1..1", None)
    base: Amount | None = term(_line("BT-137", "BT-142"), "Base amount", default=None)
    percentage: Percentage | None = term(_line("BT-138", "BT-143"), "Percentage", default=None)
    reason: Text = term(_line("BT-139", "BT-144"), "Reason")
    reason_code: Code = term(_line("BT-140", "BT-145"), "Reason code")
    # Beyond EN 16931.
    tax_type: Code = term(_line("", "BT-193"), "Tax type code", profile=Profile.EXTENDED_CTC_FR)
    """UNTDID 5153 of a charge that is a tax of another kind; "" for VAT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """BG-22: the totals of the document."""

    lines: Amount | None = term("BT-106", "Sum of Invoice line net amount", "1..1", None)
    allowances: Amount | None = term("BT-107", "Sum of allowances on document level", default=None)
    charges: Amount | None = term("BT-108", "Sum of charges on document level", default=None)
    without_vat: Amount | None = term("BT-109", "Invoice total amount without VAT", "1..1", None)
    vat: Amount | None = term("BT-110", "Invoice total VAT amount", default=None)
    vat_in_tax_currency: Amount | None = term("BT-111", "Invoice total VAT amount in accounting currency", default=None)
    with_vat: Amount | None = term("BT-112", "Invoice total amount with VAT", "1..1", None)
    paid: Amount | None = term("BT-113", "Paid amount", default=None)
    rounding: Amount | None = term("BT-114", "Rounding amount", default=None)
    due: Amount | None = term("BT-115", "Amount due for payment", "1..1", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class VatBreakdown:
    """BG-23: what falls under one VAT category and rate."""

    taxable_amount: Amount | None = term("BT-116", "VAT category taxable amount", "1..1", None)
    tax_amount: Amount | None = term("BT-117", "VAT category tax amount", "1..1", None)
    category: Code = term("BT-118", "VAT category code", "1..1")
    rate: Percentage | None = term("BT-119", "VAT category rate", default=None)
    exemption_reason: Text = term("BT-120", "VAT exemption reason text")
    exemption_code: Code = term("BT-121", "VAT exemption reason code")
    # Beyond EN 16931.
    lines: Amount | None = term("BT-X-262", "VAT category sum of line net amounts", default=None)
    allowances_and_charges: Amount | None = term("BT-X-263", "VAT category sum of allowances and charges", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """BG-24: a supporting document, inside the invoice or at a URL."""

    id: Text = term("BT-122", "Supporting document reference", "1..1")
    description: Text = term("BT-123", "Supporting document description")
    url: Text = term("BT-124", "External document location")
    content: Binary | None = term("BT-125", "Attached document", default=None)
    media_type: Text = term("BT-125-1", "Attached document Mime code")
    filename: Text = term("BT-125-2", "Attached document Filename")
    # Beyond EN 16931.
    date: Date | None = term("BT-X-149", "Supporting document issue date", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """BG-29: the price of `base_quantity` units; without base quantity, of one."""

    net: UnitPrice | None = term("BT-146", "Item net price", "1..1", None)
    discount: UnitPrice | None = term("BT-147", "Item price discount", default=None)
    gross: UnitPrice | None = term("BT-148", "Item gross price", default=None)
    base_quantity: Quantity | None = term("BT-149", "Item price base quantity", default=None)
    base_unit: Code = term("BT-150", "Item price base quantity unit of measure code")
    # Beyond EN 16931.
    gross_base: Measure | None = term("BT-149-1", "Item gross price base quantity", default=None)
    """Only when it differs from that of the net price."""
    discount_percentage: Percentage | None = term("BT-X-34", "Item price discount percentage", default=None)
    discount_base: UnitPrice | None = term("BT-X-35", "Item price discount base amount", default=None)
    discount_reason: Text = term("BT-X-36", "Item price discount reason")
    discount_reason_code: Code = term("BT-X-313", "Item price discount reason code")
    more_discounts: tuple[PriceAdjustment, ...] = term(
        "BT-147-00", "Further item price discount", "0..n", (), profile=Profile.EXTENDED
    )
    charges: tuple[PriceAdjustment, ...] = term("BT-X-302-00", "Item price charge", "0..n", ())
    included_tax: Tax | None = term("BG-X-4", "Tax included in the item price", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineVat:
    """BG-30: the VAT category and rate of a line."""

    category: Code = term("BT-151", "Invoiced item VAT category code", "1..1")
    rate: Percentage | None = term("BT-152", "Invoiced item VAT rate", default=None)
    # Beyond EN 16931.
    amount: Amount | None = term("BT-X-95", "Invoiced item VAT amount", default=None)
    exemption_reason: Text = term("BT-X-96", "Invoiced item VAT exemption reason text")
    exemption_code: Code = term("BT-X-97", "Invoiced item VAT exemption reason code")
    tax_point_code: Code = term("BT-X-589", "Invoiced item value added tax point date code")
    """UNTDID 2005, like BT-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """BG-32: a property of the item."""

    name: Text = term("BT-160", "Item attribute name", "1..1")
    value: Text = term("BT-161", "Item attribute value", "1..1")
    # Beyond EN 16931.
    type_code: Code = term("BT-X-11", "Item attribute type code", french="EXT-FR-FE-159")
    measure: Measure | None = term("BT-X-12", "Item attribute measured value", default=None, french="EXT-FR-FE-160")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """BG-31: what is sold."""

    name: Text = term("BT-153", "Item name", "1..1")
    description: Text = term("BT-154", "Item description")
    seller_id: Text = term("BT-155", "Item Seller's identifier")
    buyer_id: Text = term("BT-156", "Item Buyer's identifier")
    standard_id: Identifier | None = term("BT-157", "Item standard identifier", default=None)
    classifications: tuple[Classification, ...] = term("BT-158", "Item classification identifier", "0..n", ())
    origin: Code = term("BT-159", "Item country of origin")
    attributes: tuple[Attribute, ...] = term("BG-32", "Item attributes", "0..n", ())
    # Beyond EN 16931.
    id: Text = term("BT-X-305", "Item identifier")
    industry_id: Text = term("BT-X-532", "Item industry identifier")
    model_id: Text = term("BT-X-533", "Item model identifier")
    batch_ids: tuple[Text, ...] = term("BT-X-534", "Item batch identifier", "0..n", ())
    brand: Text = term("BT-X-535", "Item brand name")
    model: Text = term("BT-X-536", "Item model name")
    instances: tuple[ItemInstance, ...] = term("BG-X-84", "Item instance", "0..n", ())
    manufacturer: Party | None = term("BG-X-93", "Item manufacturer", default=None)
    parts: tuple[IncludedItem, ...] = term("BG-X-1", "Included item", "0..n", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """BG-25: one line of the invoice."""

    id: Text = term("BT-126", "Invoice line identifier", "1..1")
    note: Text = term("BT-127", "Invoice line note")
    object_id: Identifier | None = term("BT-128", "Invoice line object identifier", default=None)
    quantity: Quantity | None = term("BT-129", "Invoiced quantity", "1..1", None)
    unit: Code = term("BT-130", "Invoiced quantity unit of measure code", "1..1")
    net_amount: Amount | None = term("BT-131", "Invoice line net amount", "1..1", None)
    order_line: Text = term("BT-132", "Referenced purchase order line reference")
    accounting_reference: Text = term("BT-133", "Invoice line Buyer accounting reference")
    period: Period | None = term("BG-26", "Invoice line period", default=None)
    allowances: tuple[LineAllowanceOrCharge, ...] = term("BG-27", "Invoice line allowances", "0..n", ())
    charges: tuple[LineAllowanceOrCharge, ...] = term("BG-28", "Invoice line charges", "0..n", ())
    price: Price = term("BG-29", "Price details", "1..1", Price())
    vat: LineVat = term("BG-30", "Line VAT information", "1..1", LineVat())
    item: Item = term("BG-31", "Item information", "1..1", Item())
    # Beyond EN 16931.
    parent_id: Text = term("BT-X-304", "Parent line identifier", french="EXT-FR-FE-162")
    kind: Code = term("BT-X-8", "Line subtype code", french="EXT-FR-FE-163")
    """DETAIL (or none), GROUP for a line that sums up those under it, INFORMATION for one that does not count."""
    status: Code = term("BT-X-7", "Line type code")
    note_subject: Code = term("BT-X-10", "Invoice line note subject code", french="EXT-FR-FE-183")
    note_code: Code = term("BT-X-9", "Invoice line note content code")
    more_notes: tuple[LineNote, ...] = term(
        "BT-127-00", "Further invoice line note", "0..n", (), profile=Profile.EXTENDED
    )
    more_object_ids: tuple[Identifier, ...] = term(
        "BT-128", "Further invoice line object identifier", "0..n", (), profile=Profile.EXTENDED_CTC_FR
    )
    accounting_type: Code = term("BT-X-99", "Invoice line Buyer accounting reference type code")
    more_accounting_references: tuple[AccountingReference, ...] = term(
        "BT-133-00", "Further invoice line Buyer accounting reference", "0..n", (), profile=Profile.EXTENDED
    )
    seller: Party | None = term("BG-X-90", "Line seller", default=None, french="EXT-FR-FE-BG-12")
    purchase_order: Text = term("BT-X-21", "Line purchase order reference", french="EXT-FR-FE-135")
    purchase_order_date: Date | None = term("BT-X-22", "Line purchase order issue date", default=None)
    sales_order: LineReference | None = term("BG-X-81", "Line sales order", default=None, french="EXT-FR-FE-BG-09")
    quotation: LineReference | None = term("BG-X-47", "Line quotation", default=None)
    contract: LineReference | None = term("BG-X-2", "Line contract", default=None)
    customer_orders: tuple[LineReference, ...] = term("BG-X-5", "Line ultimate customer order", "0..n", ())
    documents: tuple[LineDocument, ...] = term("BG-X-3", "Line additional document", "0..n", ())
    delivery_terms: DeliveryTerms | None = term("BG-X-87", "Line delivery terms", default=None)
    delivery: LineDelivery | None = term("BT-129-00", "Line delivery", default=None, profile=Profile.EXTENDED_CTC_FR)
    more_vat: tuple[LineVat, ...] = term("BG-30", "Further line VAT", "0..n", (), profile=Profile.EXTENDED)
    totals: LineTotals | None = term("BT-131-00", "Line totals", default=None, profile=Profile.EXTENDED_CTC_FR)
    preceding: InvoiceReference | None = term(
        "BG-X-48", "Line preceding Invoice", default=None, french="EXT-FR-FE-BG-06"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoice:
    """An invoice or credit note, whatever its syntax."""

    number: Text = term("BT-1", "Invoice number", "1..1")
    issue_date: Date | None = term("BT-2", "Invoice issue date", "1..1", None)
    type_code: Code = term("BT-3", "Invoice type code", "1..1")
    currency: Code = term("BT-5", "Invoice currency code", "1..1")
    tax_currency: Code = term("BT-6", "VAT accounting currency code")
    tax_point_date: Date | None = term("BT-7", "Value added tax point date", default=None)
    tax_point_code: Code = term("BT-8", "Value added tax point date code")
    """UNTDID 2005: 3 issue date, 35 delivery date, 432 payment date, whatever code the syntax uses."""
    due_date: Date | None = term("BT-9", "Payment due date", default=None)
    buyer_reference: Text = term("BT-10", "Buyer reference")
    project: Text = term("BT-11", "Project reference")
    contract: Text = term("BT-12", "Contract reference")
    purchase_order: Text = term("BT-13", "Purchase order reference")
    sales_order: Text = term("BT-14", "Sales order reference")
    receiving_advice: Text = term("BT-15", "Receiving advice reference")
    despatch_advice: Text = term("BT-16", "Despatch advice reference")
    tender: Text = term("BT-17", "Tender or lot reference")
    object_id: Identifier | None = term("BT-18", "Invoiced object identifier", default=None)
    accounting_reference: Text = term("BT-19", "Buyer accounting reference")
    payment_terms: Text = term("BT-20", "Payment terms")
    notes: tuple[Note, ...] = term("BG-1", "Invoice note", "0..n", ())
    process: Text = term("BT-23", "Business process type")
    profile: Text = term("BT-24", "Specification identifier", "1..1")
    preceding: tuple[Preceding, ...] = term("BG-3", "Preceding Invoice reference", "0..n", ())
    seller: Party = term("BG-4", "Seller", "1..1", Party())
    buyer: Party = term("BG-7", "Buyer", "1..1", Party())
    payee: Payee | None = term("BG-10", "Payee", default=None)
    tax_representative: TaxRepresentative | None = term("BG-11", "Seller tax representative party", default=None)
    delivery: Delivery | None = term("BG-13", "Delivery information", default=None)
    payment: Payment | None = term("BG-16", "Payment instructions", default=None)
    allowances: tuple[AllowanceOrCharge, ...] = term("BG-20", "Document level allowances", "0..n", ())
    charges: tuple[AllowanceOrCharge, ...] = term("BG-21", "Document level charges", "0..n", ())
    totals: Totals = term("BG-22", "Document totals", "1..1", Totals())
    vat_breakdown: tuple[VatBreakdown, ...] = term("BG-23", "VAT breakdown", "1..n", ())
    attachments: tuple[Attachment, ...] = term("BG-24", "Additional supporting documents", "0..n", ())
    lines: tuple[Line, ...] = term("BG-25", "Invoice line", "1..n", ())
    # Beyond EN 16931.
    is_test: Indicator | None = term("BT-X-1", "Test indicator", default=None)
    document_name: Text = term("BT-X-2", "Document name")
    is_copy: Indicator | None = term("BT-X-3", "Copy indicator", default=None)
    language: Code = term("BT-X-4", "Language code")
    contractual_due_date: Date | None = term("BT-X-6", "Contractual due date", default=None)
    issuer_reference: Text = term("BT-X-204", "Invoice issuer reference")
    project_name: Text = term("BT-11-0", "Project name")
    purchase_order_date: Date | None = term("BT-X-147", "Purchase order issue date", default=None)
    sales_order_date: Date | None = term("BT-X-146", "Sales order issue date", default=None)
    contract_date: Date | None = term("BT-X-148", "Contract issue date", default=None)
    contract_type: Code = term("BT-X-405", "Contract type code")
    receiving_advice_date: Date | None = term("BT-X-201", "Receiving advice issue date", default=None)
    despatch_advice_date: Date | None = term("BT-X-200", "Despatch advice issue date", default=None)
    tender_date: Date | None = term("BT-X-556", "Tender or lot issue date", default=None)
    more_tenders: tuple[Reference, ...] = term(
        "BT-17-00", "Further tender or lot", "0..n", (), profile=Profile.EXTENDED
    )
    object_date: Date | None = term("BT-X-557", "Invoiced object document date", default=None)
    more_objects: tuple[ObjectReference, ...] = term(
        "BT-18-00", "Further invoiced object", "0..n", (), profile=Profile.EXTENDED_CTC_FR
    )
    accounting_type: Code = term("BT-X-290", "Buyer accounting reference type code")
    more_accounting_references: tuple[AccountingReference, ...] = term(
        "BT-19-00", "Further Buyer accounting reference", "0..n", (), profile=Profile.EXTENDED
    )
    quotation: Reference | None = term("BG-X-61", "Quotation", default=None)
    customer_orders: tuple[Reference, ...] = term("BG-X-23", "Ultimate customer order", "0..n", ())
    delivery_terms: DeliveryTerms | None = term("BG-X-22", "Delivery terms", default=None)
    sales_agent: Party | None = term("BG-X-49", "Sales agent", default=None, french=french_group("BG-X-49"))
    buyer_agent: Party | None = term("BG-X-62", "Buyer agent", default=None, french=french_group("BG-X-62"))
    buyer_tax_representative: Party | None = term("BG-X-54", "Buyer tax representative", default=None)
    end_user: Party | None = term("BG-X-18", "Product end user", default=None)
    invoicer: Party | None = term("BG-X-33", "Invoicer", default=None, french=french_group("BG-X-33"))
    invoicee: Party | None = term("BG-X-36", "Invoicee", default=None, french=french_group("BG-X-36"))
    payer: Party | None = term("BG-X-73", "Payer", default=None, french=french_group("BG-X-73"))
    more_payments: tuple[Payment, ...] = term(
        "BG-16", "Further payment instructions", "0..n", (), profile=Profile.EXTENDED
    )
    partial_payment: Amount | None = term("BT-X-275", "Partial payment amount", default=None)
    penalty: PaymentAdjustment | None = term("BG-X-43", "Late payment penalty", default=None)
    discount: PaymentAdjustment | None = term("BG-X-44", "Early payment discount", default=None)
    terms_payee: Party | None = term("BG-X-77", "Payee of the payment terms", default=None)
    more_payment_terms: tuple[PaymentTerms, ...] = term(
        "BT-20-00", "Further payment terms", "0..n", (), profile=Profile.EXTENDED
    )
    exchange: CurrencyExchange | None = term("BG-X-41", "Currency exchange", default=None)
    logistics_charges: tuple[LogisticsCharge, ...] = term("BG-X-42", "Logistics service charge", "0..n", ())
    advance_payments: tuple[AdvancePayment, ...] = term("BG-X-45", "Advance payment", "0..n", ())
    third_party_payments: tuple[ThirdPartyPayment, ...] = term("BG-34", "Third party payment", "0..n", ())


@dataclass(frozen=True, slots=True)
class Term:
    """One business term or group, and where it stands in the model."""

    id: str
    name: str
    """In a shape used by several groups the name is prefixed with the group: "Seller: Name"."""
    path: str
    """Dotted field names from the invoice, `[]` after a field that repeats: lines[].price.net"""
    cardinality: str
    kind: str
    """group, identifier, classification, measure, amount, price, quantity, percentage, code, text, date, indicator or
    binary."""
    profile: Profile
    """The lowest profile that has it."""
    french: str = ""
    """Its id in EXTENDED-CTC-FR, where that has one of its own."""


def _walk(cls: type[Any], group: str, prefix: str, owner: str) -> Iterator[Term]:
    for one in fields(cls):
        term_id, shape, name = id_of(one, group), shapes(cls)[one.name], one.metadata["name"]
        path = f"{prefix}{one.name}{'[]' if shape.many else ''}"
        shared = not isinstance(one.metadata["ids"], str) and owner
        shown, cardinality = f"{owner}: {name}" if shared else name, one.metadata["cardinality"]
        profile, french = profile_of(one, group), french_id_of(one, group)
        if term_id and profile:
            yield Term(term_id, shown, path, cardinality, shape.kind, profile, french)
        if shape.kind == "group":
            yield from _walk(shape.cls, term_id, f"{path}.", f"{owner} {name.lower()}" if shared else name)
        elif shape.cls in VALUES and term_id and profile:
            for extra, extra_id in _parts(shape.cls, term_id).items():
                what = f"{name}: {extra} identifier" if shape.kind != "measure" else f"{name}: unit of measure code"
                yield Term(extra_id, what, f"{path}.{extra}", "0..1", "code", profile)


def _parts(cls: type[Any], term_id: str) -> dict[str, str]:
    """Field → id of what stands beside the value of an identifier, classification or measure."""
    parts = {}
    for number, extra in enumerate(fields(cls)[1:], start=1):
        own = id_of(extra, "")
        if own or term_id.count("-") == 1:  # what the extensions number, they number in no regular way
            parts[extra.name] = own or f"{term_id}-{number}"
    return parts


@cache
def terms() -> dict[str, Term]:
    """Every business term and group of the model by its id, in the order of the model.

    A term that the extensions repeat is told where EN 16931 has it.
    """
    found: dict[str, Term] = {}
    for one in _walk(Invoice, "", "", ""):
        found.setdefault(one.id, one)
    return found


@cache
def french_terms() -> dict[str, Term]:
    """The terms that EXTENDED-CTC-FR has an id of its own for, by that id (EXT-FR-FE-…)."""
    found: dict[str, Term] = {}
    for one in terms().values():
        if one.french:
            found.setdefault(one.french, one)
    return found


def term_at(path: tuple[str | int, ...], root: type[Any] = Invoice) -> str:
    """Id of the term at a path of field names and indices, the nearest known above it, or "" at the root."""
    cls: type[Any] = root
    found = group = ""
    for step in path:
        if isinstance(step, int):
            continue
        one = getattr(cls, "__dataclass_fields__", {}).get(step)
        if one is None:
            break
        if cls in VALUES:
            return _parts(cls, found).get(step, found) if found else found
        group = id_of(one, group)
        found, cls = group or found, shapes(cls)[step].cls
    return found
