"""Invoices for property tests, made from the shapes of the model alone: every field, odd text, extreme numbers.

Left out is only what a syntax cannot tell apart, and each exclusion says what.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import Field, fields, replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from schemas.invoice import (
    AllowanceOrCharge,
    Attachment,
    DirectDebit,
    Invoice,
    Line,
    LineAllowanceOrCharge,
    Party,
    Payee,
    Price,
    Totals,
    id_of,
    shapes,
)
from schemas.totals import complete

CODES = {"BT-5": "EUR", "BT-6": "USD", "BT-8": "432", "BT-130": "C62", "BT-150": "KGM", "BT-159": "FR", "BT-21": "PMT"}
"""Codes where the schema of a syntax, or the mapping of one, knows a closed list."""

TEXTS = st.one_of(
    st.text(
        st.characters(exclude_categories=("Cc", "Cs", "Cn"), include_characters="\t\n\r<>&\"'"), min_size=1, max_size=24
    ),
    st.sampled_from(["œuvre d'été", "שלום עולם", "مرحبا", "数量 & 価格", "😀<b>", "a\r\nb\tc", " spaced "]),
).filter(lambda text: bool(text.strip()) and not text.startswith("#"))

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "code": st.from_regex(r"[A-Z0-9]{1,4}", fullmatch=True),
    "amount": st.decimals(-(10**16), 10**16, places=2),
    "price": st.decimals(Decimal("0.000001"), 10**9, places=6),
    "quantity": st.decimals(-(10**9), 10**9, places=4),
    "percentage": st.decimals(0, 100, places=2),
    "date": st.dates(datetime.date(1000, 1, 1)),
    "binary": st.binary(min_size=1, max_size=60),
}


def _of_the_norm(one: Field[Any], group: str) -> bool:
    """Whether EN 16931-1:2017 has this field, once or as often as the model."""
    if not one.metadata:
        return True
    found = re.fullmatch(r"B([TG])-([0-9]+)(-[12])?", id_of(one, group))
    return bool(
        found
        and int(found[2]) <= (165 if found[1] == "T" else 32)
        and one.name != "gross_base"
        and "profile" not in one.metadata
    )


@st.composite
def values(draw: st.DrawFn, cls: Any, group: str) -> Any:
    """One instance of a dataclass of the model as it stands in a group; mandatory terms are always there."""
    found: dict[str, Any] = {}
    for one in fields(cls):
        if not _of_the_norm(one, group):
            continue
        shape, term = shapes(cls)[one.name], id_of(one, group)
        mandatory = one.metadata.get("cardinality", "").startswith("1") or one.name == "value"
        if shape.kind in VALUES:
            value = st.just(CODES[term]) if term in CODES else VALUES[shape.kind]
        else:
            value = values(shape.cls, term)
        if shape.many:
            found[one.name] = tuple(draw(st.lists(value, min_size=int(mandatory), max_size=2)))
        elif mandatory or draw(st.booleans()):
            found[one.name] = draw(value)
    return _representable(cls(**found))


def _representable(value: Any) -> Any:
    """What XML can tell: a unit only on a quantity, a file name only on a file, a discount only of a price."""
    match value:
        case Price():
            discount = value.discount if value.gross is not None else None
            return replace(
                value, discount=discount, base_unit=value.base_unit if value.base_quantity is not None else ""
            )
        case Attachment(content=None):
            return replace(value, media_type="", filename="")
        case Attachment():
            return replace(value, media_type=value.media_type or "text/csv")
        case Party() | Payee():  # CII writes identifiers without scheme first
            return replace(value, ids=tuple(sorted(value.ids, key=lambda one: bool(one.scheme))))
        case Invoice():
            return _consistent(value)
        case _:
            return value


def _consistent(invoice: Invoice) -> Invoice:
    """BT-111 needs its currency, a VAT breakdown its total, and no optional group is empty."""
    totals = invoice.totals
    if not invoice.tax_currency:
        totals = replace(totals, vat_in_tax_currency=None)
    if totals.vat is None:
        totals = replace(totals, vat=Decimal("1.00"))
    delivery, payment = invoice.delivery, invoice.payment
    if delivery and delivery.period and delivery.period.start is None and delivery.period.end is None:
        delivery = replace(delivery, period=None)
    if payment and payment.direct_debit == DirectDebit():
        payment = replace(payment, direct_debit=None)
    if payment and payment.means_code == "1":  # in UBL: no payment means
        payment = replace(payment, means_code="30")
    return replace(
        invoice,
        totals=totals,
        payment=payment,
        delivery=None if delivery == type(delivery)() else delivery,
        seller=_contactless(invoice.seller),
        buyer=_contactless(invoice.buyer),
        lines=tuple(
            replace(one, period=None) if one.period and one.period == type(one.period)() else one
            for one in invoice.lines
        ),
    )


def _contactless(party: Party) -> Party:
    contact = party.contact
    return replace(party, contact=None) if contact is not None and contact == type(contact)() else party


def invoices() -> st.SearchStrategy[Invoice]:
    """Any invoice that has its mandatory terms; its amounts need not add up."""
    return values(Invoice, "")


def sums() -> st.SearchStrategy[Invoice]:
    """Invoices whose amounts are all calculated, with fields of every kind."""
    return invoices().map(_calculated).map(lambda invoice: complete(invoice).invoice)


def _calculated(invoice: Invoice) -> Invoice:
    return replace(
        invoice,
        totals=Totals(
            vat_in_tax_currency=invoice.totals.vat_in_tax_currency or (Decimal(1) if invoice.tax_currency else None)
        ),
        vat_breakdown=(),
        allowances=tuple(map(_plain, invoice.allowances)),
        charges=tuple(map(_plain, invoice.charges)),
        lines=tuple(map(_plain_line, invoice.lines)),
    )


def _plain(one: AllowanceOrCharge) -> AllowanceOrCharge:
    return replace(one, base=None, percentage=None, vat_rate=one.vat_rate or Decimal(0), vat_category="S")


def _plain_line(line: Line) -> Line:
    def without(several: tuple[LineAllowanceOrCharge, ...]) -> tuple[LineAllowanceOrCharge, ...]:
        return tuple(replace(one, base=None, percentage=None) for one in several)

    price = replace(line.price, gross=None, discount=None, base_quantity=Decimal(3))
    vat = replace(line.vat, category="S", rate=line.vat.rate or Decimal(0))
    return replace(
        line, price=price, vat=vat, net_amount=None, allowances=without(line.allowances), charges=without(line.charges)
    )
