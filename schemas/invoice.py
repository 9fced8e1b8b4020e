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
"""

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

from __future__ import annotations

import datetime
import typing
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, TypeAlias

Amount: TypeAlias = Annotated[Decimal, "amount"]
"""Money, at most two decimals."""
UnitPrice: TypeAlias = Annotated[Decimal, "price"]
"""Money for one unit, any number of decimals."""
Quantity: TypeAlias = Annotated[Decimal, "quantity"]
Percentage: TypeAlias = Annotated[Decimal, "percentage"]
Code: TypeAlias = Annotated[str, "code"]
Text: TypeAlias = Annotated[str, "text"]
Date: TypeAlias = Annotated[datetime.date, "date"]
Binary: TypeAlias = Annotated[bytes, "binary"]
Indicator: TypeAlias = Annotated[bool, "indicator"]
"""Yes or no; no invoice has one, orders do."""

CREDIT_NOTE_TYPES = frozenset(("81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "502", "503", "532"))
"""BT-3 codes (UNTDID 1001) of credit notes: the seller owes the buyer, and UBL has a root element of its own."""

Ids: TypeAlias = str | Mapping[str, str]
"""The id of a term, or, for a shape used by several groups, group id → id of the term in that group."""


def term(ids: Ids, name: str, cardinality: str = "0..1", default: Any = "") -> Any:
    """A field that is the business term (or group) `ids` of EN 16931-1, with its name and cardinality there."""
    return field(default=default, metadata={"ids": ids, "name": name, "cardinality": cardinality})


def _address(first: str, second: str, third: str, fourth: str) -> Mapping[str, str]:
    """Ids of one address field in the four groups that have an address."""
    return {"BG-5": first, "BG-8": second, "BG-12": third, "BG-15": fourth}


def _party(seller: str, buyer: str = "") -> Mapping[str, str]:
    """Ids of one field of a party as seller (BG-4) and as buyer (BG-7); empty where the norm has no such term."""
    return {"BG-4": seller, "BG-7": buyer}


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier and the scheme that gives it meaning (an ICD or EAS code, a UNTDID 1153 code); "" for none."""

    value: Text = ""
    scheme: Code = ""


@dataclass(frozen=True, slots=True)
class Classification:
    """BT-158: a code for what the item is, the list it comes from (UNTDID 7143) and the version of that list."""

    value: Text = ""
    scheme: Code = ""
    version: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """BG-1: a text, and the UNTDID 4451 code of its subject."""

    text: Text = term("BT-22", "Invoice note", "1..1")
    subject: Code = term("BT-21", "Invoice note subject code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preceding:
    """BG-3: an earlier invoice that this one corrects or follows."""

    number: Text = term("BT-25", "Preceding Invoice number", "1..1")
    issue_date: Date | None = term("BT-26", "Preceding Invoice issue date", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address: BG-5, BG-8, BG-12 or BG-15."""

    line1: Text = term(_address("BT-35", "BT-50", "BT-64", "BT-75"), "Address line 1")
    line2: Text = term(_address("BT-36", "BT-51", "BT-65", "BT-76"), "Address line 2")
    line3: Text = term(_address("BT-162", "BT-163", "BT-164", "BT-165"), "Address line 3")
    city: Text = term(_address("BT-37", "BT-52", "BT-66", "BT-77"), "City")
    post_code: Text = term(_address("BT-38", "BT-53", "BT-67", "BT-78"), "Post code")
    subdivision: Text = term(_address("BT-39", "BT-54", "BT-68", "BT-79"), "Country subdivision")
    country: Code = term(_address("BT-40", "BT-55", "BT-69", "BT-80"), "Country code", "1..1")


def _contact(seller: str, buyer: str) -> Mapping[str, str]:
    return {"BG-6": seller, "BG-9": buyer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person or office to speak to: BG-6 or BG-9."""

    name: Text = term(_contact("BT-41", "BT-56"), "Contact point")
    phone: Text = term(_contact("BT-42", "BT-57"), "Contact telephone number")
    email: Text = term(_contact("BT-43", "BT-58"), "Contact email address")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """The seller (BG-4) or the buyer (BG-7).

    In France the SIREN is `legal_id` (scheme 0002), a SIRET is one of `ids` (scheme 0009), `endpoint` has scheme 0225.
    """

    name: Text = term(_party("BT-27", "BT-44"), "Name", "1..1")
    trading_name: Text = term(_party("BT-28", "BT-45"), "Trading name")
    ids: tuple[Identifier, ...] = term(_party("BT-29", "BT-46"), "Identifier", "0..n", ())
    legal_id: Identifier | None = term(_party("BT-30", "BT-47"), "Legal registration identifier", default=None)
    vat_id: Text = term(_party("BT-31", "BT-48"), "VAT identifier")
    tax_id: Text = term(_party("BT-32"), "Tax registration identifier")
    legal_information: Text = term(_party("BT-33"), "Additional legal information")
    endpoint: Identifier | None = term(_party("BT-34", "BT-49"), "Electronic address", default=None)
    address: Address | None = term(_party("BG-5", "BG-8"), "Postal address", "1..1", None)
    contact: Contact | None = term(_party("BG-6", "BG-9"), "Contact", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """BG-10: who is paid, when that is not the seller."""

    name: Text = term("BT-59", "Payee name", "1..1")
    ids: tuple[Identifier, ...] = term("BT-60", "Payee identifier", "0..n", ())
    legal_id: Identifier | None = term("BT-61", "Payee legal registration identifier", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRepresentative:
    """BG-11: who answers for the seller's VAT."""

    name: Text = term("BT-62", "Seller tax representative name", "1..1")
    vat_id: Text = term("BT-63", "Seller tax representative VAT identifier", "1..1")
    address: Address | None = term("BG-12", "Seller tax representative postal address", "1..1", None)


def _period(document: str, line: str) -> Mapping[str, str]:
    return {"BG-14": document, "BG-26": line}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A period, both days included: BG-14 (document) or BG-26 (line)."""

    start: Date | None = term(_period("BT-73", "BT-134"), "Invoicing period start date", default=None)
    end: Date | None = term(_period("BT-74", "BT-135"), "Invoicing period end date", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """BG-13: where and when the goods or services were delivered."""

    name: Text = term("BT-70", "Deliver to party name")
    location_id: Identifier | None = term("BT-71", "Deliver to location identifier", default=None)
    date: Date | None = term("BT-72", "Actual delivery date", default=None)
    period: Period | None = term("BG-14", "Invoicing period", default=None)
    address: Address | None = term("BG-15", "Deliver to address", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransfer:
    """BG-17: an account to pay into."""

    account: Text = term("BT-84", "Payment account identifier", "1..1")
    name: Text = term("BT-85", "Payment account name")
    bank: Text = term("BT-86", "Payment service provider identifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """BG-18: the card that was used; only the last digits of its number may be told."""

    number: Text = term("BT-87", "Payment card primary account number", "1..1")
    holder: Text = term("BT-88", "Payment card holder name")


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectDebit:
    """BG-19: the mandate under which the seller collects."""

    mandate: Text = term("BT-89", "Mandate reference identifier")
    creditor: Text = term("BT-90", "Bank assigned creditor identifier")
    account: Text = term("BT-91", "Debited account identifier")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """BG-24: a supporting document, inside the invoice or at a URL."""

    id: Text = term("BT-122", "Supporting document reference", "1..1")
    description: Text = term("BT-123", "Supporting document description")
    url: Text = term("BT-124", "External document location")
    content: Binary | None = term("BT-125", "Attached document", default=None)
    media_type: Text = term("BT-125-1", "Attached document Mime code")
    filename: Text = term("BT-125-2", "Attached document Filename")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """BG-29: the price of `base_quantity` units; without base quantity, of one."""

    net: UnitPrice | None = term("BT-146", "Item net price", "1..1", None)
    discount: UnitPrice | None = term("BT-147", "Item price discount", default=None)
    gross: UnitPrice | None = term("BT-148", "Item gross price", default=None)
    base_quantity: Quantity | None = term("BT-149", "Item price base quantity", default=None)
    base_unit: Code = term("BT-150", "Item price base quantity unit of measure code")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineVat:
    """BG-30: the VAT category and rate of a line."""

    category: Code = term("BT-151", "Invoiced item VAT category code", "1..1")
    rate: Percentage | None = term("BT-152", "Invoiced item VAT rate", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """BG-32: a property of the item."""

    name: Text = term("BT-160", "Item attribute name", "1..1")
    value: Text = term("BT-161", "Item attribute value", "1..1")


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
    """group, identifier, classification, amount, price, quantity, percentage, code, text, date or binary."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a field of the model holds, taken from its annotation."""

    kind: str
    cls: type[Any]
    """The dataclass of a group or identifier, else the Python type of the value."""
    many: bool
    optional: bool
    """Whether None may stand in it."""


_SHAPES: dict[type[Any], dict[str, Shape]] = {}


def shapes(cls: type[Any]) -> dict[str, Shape]:
    """Field name → shape, for one dataclass of the model; computed once."""
    if cls not in _SHAPES:
        hints = typing.get_type_hints(cls, include_extras=True)
        _SHAPES[cls] = {one.name: _shape(hints[one.name]) for one in fields(cls)}
    return _SHAPES[cls]


def _shape(hint: Any) -> Shape:
    many = optional = False
    kind = ""
    if typing.get_origin(hint) is tuple:
        many, hint = True, typing.get_args(hint)[0]
    for part in typing.get_args(hint) if type(None) in typing.get_args(hint) else ():
        if part is type(None):
            optional = True
        else:
            hint = part
    if typing.get_origin(hint) is Annotated:
        hint, kind = typing.get_args(hint)
    if is_dataclass(hint):
        kind = {Identifier: "identifier", Classification: "classification"}.get(typing.cast(Any, hint), "group")
    return Shape(kind=kind, cls=hint, many=many, optional=optional)


def id_of(one: Field[Any], group: str) -> str:
    """Id of the term in field `one` when its class stands in `group`; "" where the norm has no such term."""
    ids: Ids = one.metadata.get("ids", "")
    return ids if isinstance(ids, str) else ids.get(group, "")


def _walk(cls: type[Any], group: str, prefix: str, owner: str) -> Iterator[Term]:
    for one in fields(cls):
        term_id, shape, name = id_of(one, group), shapes(cls)[one.name], one.metadata["name"]
        path = f"{prefix}{one.name}{'[]' if shape.many else ''}"
        shared = not isinstance(one.metadata["ids"], str) and owner
        if term_id:
            yield Term(term_id, f"{owner}: {name}" if shared else name, path, one.metadata["cardinality"], shape.kind)
        if shape.kind == "group":
            yield from _walk(shape.cls, term_id, f"{path}.", f"{owner} {name.lower()}" if shared else name)
        elif shape.kind in ("identifier", "classification") and term_id:
            for number, extra in enumerate(fields(shape.cls)[1:], start=1):
                what = f"{name}: {extra.name} identifier"
                yield Term(f"{term_id}-{number}", what, f"{path}.{extra.name}", "0..1", "code")


@cache
def terms() -> dict[str, Term]:
    """Every business term and group of the model by its id, in the order of the model."""
    return {one.id: one for one in _walk(Invoice, "", "", "")}


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
        if cls in (Identifier, Classification):
            position = [extra.name for extra in fields(cls)].index(step)
            return f"{found}-{position}" if position and found else found
        group = id_of(one, group)
        found, cls = group or found, shapes(cls)[step].cls
    return found
