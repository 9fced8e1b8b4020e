"""What all tables of UBL invoices have in common: namespaces, the form of dates, placeholders, tax schemes."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from schemas.binding import Codec, Fixed, Leaf, Syntax, iso_date

OASIS = "urn:oasis:names:specification:ubl:schema:xsd"
UNSAID = "NA"
"""Written where UBL demands an identifier that the invoice does not have, and read as none."""
VAT = "VAT"
VAT_SCHEME = Fixed("cac:TaxScheme/cbc:ID", VAT)
ANY_MEDIA = "application/octet-stream"
"""Written for a file whose media type the invoice does not say."""
TAX_TYPES = "5153"
"""UNTDID list of taxes: a reason code from it makes a charge a tax of another kind than VAT."""
CHARGE_REASONS = "7161"
EXTENDED_CTC_FR = "extended-ctc-fr"
"""How BT-24 ends in the French extension, which gives some elements a meaning of its own."""


def syntax(document: str) -> Syntax:
    """The syntax of one of the two documents: Invoice or CreditNote."""
    return Syntax(
        namespaces={
            "": f"{OASIS}:{document}-2",
            "cac": f"{OASIS}:CommonAggregateComponents-2",
            "cbc": f"{OASIS}:CommonBasicComponents-2",
        },
        date=Codec(iso_date, lambda day: day.isoformat()),
        currency_path="cbc:DocumentCurrencyCode",
        currency_attribute="currencyID",
        amounts_carry_currency=True,
    )


_COMMON = syntax("Invoice")
has = _COMMON.has
"""Tests for elements of the common components, the same in both documents."""


def has_child(tag: str) -> Callable[[etree._Element], bool]:
    """The test whether an element has a child of the common aggregate components."""
    clark = _COMMON.clark(tag)
    return lambda element: next(element.iterchildren(clark), None) is not None


def is_object(element: etree._Element) -> bool:
    """The test whether a document reference of a line is an invoiced object (BT-128): of type 130, and no more."""
    known = {_COMMON.clark("cbc:ID"), _COMMON.clark("cbc:DocumentTypeCode")}
    return has("cbc:DocumentTypeCode", "130")(element) and all(child.tag in known for child in element)


def amount(tag: str, path: str) -> Leaf:
    """An amount that names a currency of its own."""
    return Leaf(tag, path, {"currencyID": "currency"})
