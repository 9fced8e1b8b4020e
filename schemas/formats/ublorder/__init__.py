"""OASIS UBL 2.1 Order, as plain UBL and as Peppol BIS Ordering 3: its table, and the format made of it.

Tag names and order are the schema's; field names are those of `schemas.order`. Where the document is cut differently
from the model, the classes here say how:

- the subject of a note is written in front of its text, as #DEL#text;
- a gross price without discount is written with a discount of zero, and a discount of zero is read as none;
- a line of UBL is an order line with a line item inside it, and has its notes in either.

An order tells its parties by PartyName where an invoice tells RegistrationName; both are read, and a party that has
only a PartyName is called by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from schemas.binding import Binding, Codec, Context, Fixed, Group, Leaf, Node, Scope, Syntax, View, iso_date
from schemas.invoice import Note, Party, Text, UnitPrice, term
from schemas.order import Order, OrderLine, OrderReading

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

NAME = "ubl-order"
TITLE = "OASIS UBL 2.1 order"
_OASIS = "urn:oasis:names:specification:ubl:schema:xsd"
_SUBJECT = re.compile(r"#([A-Z0-9]{2,3})#(.*)", re.DOTALL)

_SYNTAX = Syntax(
    namespaces={
        "": f"{_OASIS}:Order-2",
        "cac": f"{_OASIS}:CommonAggregateComponents-2",
        "cbc": f"{_OASIS}:CommonBasicComponents-2",
    },
    date=Codec(iso_date, lambda day: day.isoformat()),
    currency_path="cbc:DocumentCurrencyCode",
    currency_attribute="currencyID",
    amounts_carry_currency=True,
)
_has = _SYNTAX.has

ROOT = (_SYNTAX.namespaces[""], "Order")
"""Namespace and local name of the root element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _NoteText:
    """cbc:Note: the subject code and the text in one."""

    text: Text = term("BT-22", "")


def _merge_note(scope: Scope, found: Scope, _context: Context) -> bool:
    match = _SUBJECT.fullmatch(found["text"])
    note = Note(text=match[2], subject=match[1]) if match else Note(text=found["text"])
    scope.setdefault("notes", []).append(note)
    return True


def _spread_notes(scope: Order | OrderLine, _root: object) -> Iterator[_NoteText]:
    for note in scope.notes:
        yield _NoteText(text=f"#{note.subject}#{note.text}" if note.subject else note.text)


def _no_notes(_scope: object, _root: object) -> Iterator[_NoteText]:
    """The notes of a line are written in its line item."""
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Discount:
    """cac:AllowanceCharge of a price: the discount, which is mandatory, and the gross price."""

    discount: UnitPrice | None = term("BT-147", "", default=None)
    gross: UnitPrice | None = term("BT-148", "", default=None)


def _merge_discount(scope: Scope, found: Scope, _context: Context) -> bool:
    if "gross" in found and found.get("discount") == 0:
        del found["discount"]
    price = scope.setdefault("price", {})
    return all(price.setdefault(name, value) == value for name, value in found.items())


def _spread_discount(line: OrderLine, _root: object) -> Iterator[_Discount]:
    price = line.price
    if price.gross is not None or price.discount is not None:
        yield _Discount(discount=price.discount if price.discount is not None else Decimal(0), gross=price.gross)


def _never(_value: object) -> bool:
    """Of two elements for one field the other one is written."""
    return False


_VAT = Fixed("cac:TaxScheme/cbc:ID", "VAT")
_NOTE = View(Leaf("cbc:Note", "text"), _NoteText, _merge_note, _spread_notes)

_ADDRESS = (
    Leaf("cbc:StreetName", "line1"),
    Leaf("cbc:AdditionalStreetName", "line2"),
    Leaf("cbc:CityName", "city"),
    Leaf("cbc:PostalZone", "post_code"),
    Leaf("cbc:CountrySubentity", "subdivision"),
    Leaf("cac:AddressLine/cbc:Line", "line3"),
    Leaf("cac:Country/cbc:IdentificationCode", "country"),
)

_PARTY: tuple[Node, ...] = (
    Leaf("cbc:EndpointID", "endpoint"),
    Leaf("cac:PartyIdentification/cbc:ID", "ids"),
    Leaf("cac:PartyName/cbc:Name", "trading_name"),
    Group("cac:PostalAddress", _ADDRESS, "address"),
    Group(
        "cac:PartyTaxScheme",
        (Leaf("cbc:CompanyID", "vat_id"), _VAT),
        when=_has("cac:TaxScheme/cbc:ID", "VAT"),
    ),
    Group("cac:PartyTaxScheme", (Leaf("cbc:CompanyID", "tax_id"), Fixed("cac:TaxScheme/cbc:ID", "TAX"))),
    Group(
        "cac:PartyLegalEntity",
        (
            Leaf("cbc:RegistrationName", "name"),
            Leaf("cbc:CompanyID", "legal_id"),
            Leaf("cbc:CompanyLegalForm", "legal_information"),
        ),
    ),
    Group(
        "cac:Contact",
        (Leaf("cbc:Name", "name"), Leaf("cbc:Telephone", "phone"), Leaf("cbc:ElectronicMail", "email")),
        "contact",
    ),
)


def _party(tag: str, into: str, *, required: bool = False) -> Group:
    return Group(f"{tag}/cac:Party", _PARTY, into, required=required)


def _reference(tag: str, into: str) -> Group:
    return Group(tag, (Leaf("cbc:ID", "number"), Leaf("cbc:IssueDate", "date")), into)


def _line_reference(tag: str, document: str, into: str) -> Group:
    return Group(tag, (Leaf("cbc:LineID", "line"), Leaf(f"cac:{document}/cbc:ID", "number")), into)


def _window(tag: str, into: str) -> Group:
    return Group(tag, (Leaf("cbc:StartDate", "start"), Leaf("cbc:EndDate", "end")), into)


_DELIVERY = Group(
    "cac:Delivery",
    (
        Group(
            "cac:DeliveryLocation",
            (Leaf("cbc:ID", "shipping.to.ids"), Group("cac:Address", _ADDRESS, "shipping.to.address")),
        ),
        _window("cac:RequestedDeliveryPeriod", "shipping.requested"),
        Group(
            "cac:DeliveryParty",
            (
                Leaf("cac:PartyIdentification/cbc:ID", "shipping.to.ids", where=_never),
                Leaf("cac:PartyName/cbc:Name", "shipping.to.name"),
                Group(
                    "cac:Contact",
                    (
                        Leaf("cbc:Name", "shipping.to.contact.name"),
                        Leaf("cbc:Telephone", "shipping.to.contact.phone"),
                        Leaf("cbc:ElectronicMail", "shipping.to.contact.email"),
                    ),
                ),
            ),
        ),
    ),
)

_ALLOWANCE_VAT = Group("cac:TaxCategory", (Leaf("cbc:ID", "vat_category"), Leaf("cbc:Percent", "vat_rate"), _VAT))


def _allowance(into: str, charge: bool, tax: tuple[Node, ...]) -> Group:
    """An allowance or a charge: twins told apart by their indicator."""
    spellings = ("true", "1") if charge else ("false", "0")
    return Group(
        "cac:AllowanceCharge",
        (
            Fixed("cbc:ChargeIndicator", spellings[0], spellings[1:]),
            Leaf("cbc:AllowanceChargeReasonCode", "reason_code"),
            Leaf("cbc:AllowanceChargeReason", "reason"),
            Leaf("cbc:MultiplierFactorNumeric", "percentage"),
            Leaf("cbc:Amount", "amount"),
            Leaf("cbc:BaseAmount", "base"),
            *tax,
        ),
        into,
        when=_has("cbc:ChargeIndicator", *spellings),
    )


def _attached(tag: str, into: str) -> Group:
    return Group(
        tag,
        (
            Leaf("cbc:ID", "id"),
            Fixed("cbc:DocumentTypeCode", "916", written=False),
            Leaf("cbc:DocumentType", "description"),
            Group(
                "cac:Attachment",
                (
                    Leaf(
                        "cbc:EmbeddedDocumentBinaryObject",
                        "content",
                        {"mimeCode": "media_type", "filename": "filename"},
                    ),
                    Leaf("cac:ExternalReference/cbc:URI", "url"),
                ),
            ),
        ),
        into,
    )


_ITEM = Group(
    "cac:Item",
    (
        Leaf("cbc:Description", "item.description"),
        Leaf("cbc:Name", "item.name"),
        Leaf("cac:BuyersItemIdentification/cbc:ID", "item.buyer_id"),
        Leaf("cac:SellersItemIdentification/cbc:ID", "item.seller_id"),
        Leaf("cac:StandardItemIdentification/cbc:ID", "item.standard_id"),
        Leaf("cac:OriginCountry/cbc:IdentificationCode", "item.origin"),
        Group(
            "cac:CommodityClassification",
            (Leaf("cbc:ItemClassificationCode", "value", {"listID": "scheme", "listVersionID": "version"}),),
            "item.classifications",
        ),
        Group("cac:ClassifiedTaxCategory", (Leaf("cbc:ID", "vat.category"), Leaf("cbc:Percent", "vat.rate"), _VAT)),
        Group("cac:AdditionalItemProperty", (Leaf("cbc:Name", "name"), Leaf("cbc:Value", "value")), "item.attributes"),
    ),
)

_PRICE = Group(
    "cac:Price",
    (
        Leaf("cbc:PriceAmount", "price.net"),
        Leaf("cbc:BaseQuantity", "price.base_quantity", {"unitCode": "price.base_unit"}),
        View(
            Group(
                "cac:AllowanceCharge",
                (
                    Fixed("cbc:ChargeIndicator", "false", ("0",)),
                    Leaf("cbc:Amount", "discount"),
                    Leaf("cbc:BaseAmount", "gross"),
                ),
            ),
            _Discount,
            _merge_discount,
            _spread_discount,
        ),
    ),
)

_LINE = Group(
    "cac:OrderLine",
    (
        View(Leaf("cbc:Note", "text"), _NoteText, _merge_note, _no_notes),
        Group(
            "cac:LineItem",
            (
                Leaf("cbc:ID", "id"),
                _NOTE,
                Leaf("cbc:LineStatusCode", "status"),
                Leaf("cbc:Quantity", "quantity", {"unitCode": "unit"}),
                Leaf("cbc:LineExtensionAmount", "net_amount"),
                Leaf("cbc:PartialDeliveryIndicator", "partial_delivery"),
                Leaf("cbc:AccountingCost", "accounting_reference"),
                _DELIVERY,
                _allowance("allowances", False, ()),
                _allowance("charges", True, ()),
                _PRICE,
                _ITEM,
            ),
        ),
        _line_reference("cac:CatalogueLineReference", "DocumentReference", "catalogue"),
        _line_reference("cac:QuotationLineReference", "DocumentReference", "quotation"),
        _attached("cac:DocumentReference", "documents"),
    ),
    "lines",
)

_TABLE: tuple[Node, ...] = (
    Fixed("cbc:UBLVersionID", "2.1", written=False),
    Leaf("cbc:CustomizationID", "profile"),
    Leaf("cbc:ProfileID", "process"),
    Leaf("cbc:ID", "number"),
    Leaf("cbc:SalesOrderID", "sales_order"),
    Leaf("cbc:CopyIndicator", "is_copy"),
    Leaf("cbc:IssueDate", "issue_date"),
    Leaf("cbc:OrderTypeCode", "type_code"),
    _NOTE,
    Leaf("cbc:RequestedInvoiceCurrencyCode", "currency", where=_never),
    Leaf("cbc:DocumentCurrencyCode", "currency"),
    Leaf("cbc:PricingCurrencyCode", "currency", where=_never),
    Leaf("cbc:TaxCurrencyCode", "tax_currency"),
    Leaf("cbc:CustomerReference", "buyer_reference"),
    Leaf("cbc:AccountingCost", "accounting_reference"),
    _window("cac:ValidityPeriod", "valid"),
    _reference("cac:QuotationDocumentReference", "quotation"),
    _reference("cac:OrderDocumentReference", "previous_order"),
    Leaf("cac:OriginatorDocumentReference/cbc:ID", "tender"),
    _reference("cac:CatalogueReference", "catalogue"),
    Group(
        "cac:AdditionalDocumentReference",
        (Leaf("cbc:ID", "object_id"), Fixed("cbc:DocumentTypeCode", "130")),
        when=_has("cbc:DocumentTypeCode", "130"),
    ),
    _attached("cac:AdditionalDocumentReference", "attachments"),
    Leaf("cac:Contract/cbc:ID", "contract"),
    Group("cac:ProjectReference", (Leaf("cbc:ID", "project"),)),
    _party("cac:BuyerCustomerParty", "buyer", required=True),
    _party("cac:SellerSupplierParty", "seller", required=True),
    _party("cac:OriginatorCustomerParty", "requisitioner"),
    _party("cac:AccountingCustomerParty", "invoicee"),
    _DELIVERY,
    Group(
        "cac:DeliveryTerms",
        (
            Leaf("cbc:ID", "shipping.terms.code"),
            Leaf("cbc:SpecialTerms", "shipping.terms.description"),
            Leaf("cac:DeliveryLocation/cbc:ID", "shipping.terms.place_id"),
        ),
    ),
    Group(
        "cac:PaymentMeans",
        (Leaf("cbc:PaymentMeansCode", "means_code", {"name": "means_text"}),),
        "payment",
    ),
    Leaf("cac:PaymentTerms/cbc:Note", "payment_terms"),
    _allowance("allowances", False, (_ALLOWANCE_VAT,)),
    _allowance("charges", True, (_ALLOWANCE_VAT,)),
    Group(
        "cac:TaxTotal",
        (
            Leaf("cbc:TaxAmount", "totals.vat"),
            Group(
                "cac:TaxSubtotal",
                (
                    Leaf("cbc:TaxableAmount", "taxable_amount"),
                    Leaf("cbc:TaxAmount", "tax_amount"),
                    Group(
                        "cac:TaxCategory",
                        (
                            Leaf("cbc:ID", "category"),
                            Leaf("cbc:Percent", "rate"),
                            Leaf("cbc:TaxExemptionReasonCode", "exemption_code"),
                            Leaf("cbc:TaxExemptionReason", "exemption_reason"),
                            _VAT,
                        ),
                    ),
                ),
                "vat_breakdown",
            ),
        ),
    ),
    Group(
        "cac:AnticipatedMonetaryTotal",
        (
            Leaf("cbc:LineExtensionAmount", "totals.lines"),
            Leaf("cbc:TaxExclusiveAmount", "totals.without_vat"),
            Leaf("cbc:TaxInclusiveAmount", "totals.with_vat"),
            Leaf("cbc:AllowanceTotalAmount", "totals.allowances"),
            Leaf("cbc:ChargeTotalAmount", "totals.charges"),
            Leaf("cbc:PrepaidAmount", "totals.paid"),
            Leaf("cbc:PayableRoundingAmount", "totals.rounding"),
            Leaf("cbc:PayableAmount", "totals.due"),
        ),
    ),
    _LINE,
)

_BINDING = Binding(_SYNTAX, "Order", _TABLE, Order)


def read(data: bytes) -> OrderReading:
    """A UBL order into the model. Raises Unreadable with its findings."""
    order, unknown = _BINDING.values(data)
    named = {name: _named(getattr(order, name)) for name in ("seller", "buyer", "invoicee", "requisitioner")}
    return OrderReading(replace(order, **named), unknown)


def _named(party: Party | None) -> Party | None:
    """A party that has no other name is called by its trading name."""
    if party is None or party.name:
        return party
    return replace(party, name=party.trading_name, trading_name="")


def write(order: Order) -> bytes:
    """The model as UBL: UTF-8, in the order of the schema. Raises ValueError for what XML cannot carry."""
    return _BINDING.write(order)
