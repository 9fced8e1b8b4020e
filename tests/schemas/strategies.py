"""Invoices for property tests, made from the shapes of the model alone: every field, odd text, extreme numbers.

Left out is only what a syntax cannot tell apart, and each exclusion says what.
"""

from __future__ import annotations

import datetime
import os
import re
from dataclasses import Field, dataclass, fields, replace
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from schemas.formats.cii.syntax import iban
from schemas.invoice import (
    AllowanceOrCharge,
    Attachment,
    Contact,
    CreditTransfer,
    Delivery,
    DirectDebit,
    Identifier,
    Invoice,
    Line,
    LineAllowanceOrCharge,
    LineDocument,
    LineTotals,
    Measure,
    Party,
    Payee,
    Price,
    TaxRepresentative,
    Totals,
    id_of,
    shapes,
)
from schemas.totals import complete

CODES = {
    "BT-5": "EUR",
    "BT-6": "USD",
    "BT-8": "432",
    "BT-X-589": "35",
    "BT-130": "C62",
    "BT-150": "KGM",
    "BT-159": "FR",
    "BT-21": "PMT",
}
"""Codes where the schema of a syntax, or the mapping of one, knows a closed list."""

ODD_TEXTS = (
    *("0", "œuvre d'été", "שלום עולם", "مرحبا بالعالم", "שלום 12 abc مرحبا", "数量 & 価格", "Ärger über Öl", "Ñandú"),
    *(
        "😀<b>",
        "👩‍👩‍👧‍👦",
        "🇫🇷 ☕️",
        "e\u0301 é",
        "a\r\nb\tc",
        "a\rb",
        " spaced ",
        "\u00a0nbsp\u00a0",
        "\u200bzero\u200b",
        "\u202eabc",
    ),
    *(
        "]]>",
        "<![CDATA[x]]>",
        "&amp;",
        "&#13;",
        '"',
        "'",
        "<",
        ">",
        "a--b",
        "<!-- c -->",
        "<?x?>",
        "%s {0} ${x}",
        "\\n",
    ),
    *("\U0010fffd", "\ue000", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "x" * 2000, "1E400", "null"),
)
TEXTS = st.one_of(
    st.sampled_from(ODD_TEXTS),
    st.sampled_from(ODD_TEXTS),
    st.text(
        st.characters(exclude_categories=("Cc", "Cs", "Cn"), include_characters="\t\n\r<>&\"'"), min_size=1, max_size=12
    ).filter(lambda text: bool(text.strip()) and not text.startswith("#")),
)


def numbers(least: int, most: int, decimals: int) -> st.SearchStrategy[Decimal]:
    """Decimals between two bounds: any, and those at the edge of what is read."""
    scale = 10**decimals
    edges = sorted({least, most, least + 1, *((1, 10, 99, scale) if least < scale < most else ())})
    exact = st.one_of(st.integers(least, most), st.sampled_from(edges))
    return exact.map(lambda number: Decimal(number).scaleb(-decimals))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "code": st.one_of(
        st.sampled_from(("0", "A1", "Z9Z9", "380", "VAT", "GROUP")), st.from_regex(r"[A-Z0-9]{1,4}", fullmatch=True)
    ),
    "amount": numbers(-(10**18), 10**18, 2),
    "price": numbers(1, 10**15, 6),
    "quantity": numbers(-(10**13), 10**13, 4),
    "percentage": numbers(0, 10**4, 2),
    "date": st.dates(datetime.date(1000, 1, 1)),
    "binary": st.binary(min_size=1, max_size=60),
    "indicator": st.booleans(),
}

EXAMPLES = int(os.environ.get("ESTAFETTE_EXAMPLES", "0"))
"""Examples of each round trip; many are for a run by hand, few for every run."""


def examples(few: int) -> settings:
    """So many examples, or ESTAFETTE_EXAMPLES; an invoice with all its groups is large, and may take its time."""
    slow = (
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.large_base_example,
    )
    return settings(max_examples=EXAMPLES or few, deadline=None, suppress_health_check=slow)


_NOWHERE = frozenset({"network"})
"""Fields that CII has no place for."""


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


@dataclass(frozen=True)
class _Plan:
    """How the values of one class in one group are drawn, prepared once, as drawing is what takes the time."""

    mandatory: tuple[tuple[str, st.SearchStrategy[Any]], ...]
    optional: tuple[tuple[str, st.SearchStrategy[Any]], ...]
    beyond: tuple[tuple[str, st.SearchStrategy[Any]], ...]
    """Fields of the extensions."""


@cache
def _plan(cls: Any, group: str, extended: bool) -> _Plan:
    mandatory: list[tuple[str, st.SearchStrategy[Any]]] = []
    optional: list[tuple[str, st.SearchStrategy[Any]]] = []
    beyond: list[tuple[str, st.SearchStrategy[Any]]] = []
    for one in fields(cls):
        shape, term = shapes(cls)[one.name], id_of(one, group)
        needed = one.metadata.get("cardinality", "").startswith("1") or one.name == "value"
        norm = _of_the_norm(one, group)
        if one.name in _NOWHERE or not (norm or extended):
            continue
        if shape.kind in VALUES:
            value = st.just(CODES[term]) if term in CODES else VALUES[shape.kind]
        else:
            value = values(shape.cls, term, extended).filter(_says_something)
        if shape.many:
            value = st.lists(value, min_size=int(needed or not norm), max_size=2).map(tuple)
        (mandatory if needed else optional if norm else beyond).append((one.name, value))
    return _Plan(tuple(mandatory), tuple(optional), tuple(beyond))


@st.composite
def values(draw: st.DrawFn, cls: Any, group: str, extended: bool) -> Any:
    """One instance of a dataclass of the model as it stands in a group; mandatory terms are always there.

    Of the extensions a few fields at a time, as they are many and each brings a group of its own.
    """
    plan = _plan(cls, group, extended)
    found = {name: draw(value) for name, value in plan.mandatory}
    there = draw(st.integers(0, (1 << len(plan.optional)) - 1)) if plan.optional else 0
    found |= {name: draw(value) for at, (name, value) in enumerate(plan.optional) if there >> at & 1}
    few = draw(st.lists(st.integers(0, len(plan.beyond) - 1), max_size=3)) if plan.beyond else []
    found |= {name: draw(value) for name, value in (plan.beyond[at] for at in few)}
    return _representable(cls(**found))


def _says_something(group: Any) -> bool:
    return bool(group != type(group)())


def _representable(value: Any) -> Any:
    """What XML can tell: a unit only on a quantity, a file name only on a file, a discount only of a price."""
    match value:
        case Price():
            return _price(value)
        case Attachment(content=None) | LineDocument(content=None):
            return replace(value, media_type="", filename="")
        case Attachment() | LineDocument():
            return replace(value, media_type=value.media_type or "text/csv", filename=value.filename or "a.csv")
        case Contact(name=""):  # a department without a person is the contact point
            return replace(value, department="")
        case CreditTransfer() if not iban(value.account):  # a national number is the account, or beside an IBAN
            return replace(value, national_account="")
        case DirectDebit(account=""):
            return replace(value, account_name="")
        case AllowanceOrCharge(tax_type="VAT") | LineAllowanceOrCharge(tax_type="VAT"):
            return replace(value, tax_type="")
        case Party() | Payee() | TaxRepresentative():  # CII writes identifiers without scheme first
            more = value.more_contacts if value.contact else ()
            return replace(value, ids=tuple(sorted(value.ids, key=lambda one: bool(one.scheme))), more_contacts=more)
        case Delivery():
            return _delivery(value)
        case Line():
            return _line(value)
        case Invoice():
            return _consistent(value)
        case _:
            return value


def _price(price: Price) -> Price:
    """A discount, a charge or a base quantity of the gross price only where there is one."""
    if price.base_quantity is None:
        price = replace(price, base_unit="", gross_base=None)
    if price.gross_base == Measure(price.base_quantity, price.base_unit):
        price = replace(price, gross_base=None)
    if price.gross is None:
        price = replace(price, discount=None, charges=(), gross_base=None)
    if price.discount is None:
        return replace(
            price,
            discount_percentage=None,
            discount_base=None,
            discount_reason="",
            discount_reason_code="",
            more_discounts=(),
        )
    return price


def _delivery(delivery: Delivery) -> Delivery:
    """The first identifier is the location, those without scheme come before those with one."""
    locations: list[Identifier] = []
    if delivery.location_id is not None:
        locations = sorted([delivery.location_id, *delivery.more_location_ids], key=lambda one: bool(one.scheme))
    return replace(
        delivery,
        location_id=locations[0] if locations else None,
        more_location_ids=tuple(locations[1:]),
        more_contacts=delivery.more_contacts if delivery.contact else (),
    )


def _line(line: Line) -> Line:
    """Further values only after a first."""
    return replace(
        line,
        more_notes=line.more_notes if line.note or line.note_code or line.note_subject else (),
        more_object_ids=line.more_object_ids if line.object_id else (),
        accounting_type=line.accounting_type if line.accounting_reference else "",
        more_accounting_references=line.more_accounting_references if line.accounting_reference else (),
        allowances=tuple(replace(one, tax_type="") for one in line.allowances),
    )


def _consistent(invoice: Invoice) -> Invoice:
    """An amount in BT-6 needs that currency, a VAT breakdown its total, and further values come after a first."""
    totals = invoice.totals
    lines = invoice.lines
    if not invoice.tax_currency:
        totals = replace(totals, vat_in_tax_currency=None)
        lines = tuple(replace(one, totals=_in_one_currency(one.totals)) for one in lines)
    if totals.vat is None:
        totals = replace(totals, vat=Decimal("1.00"))
    project_name = "" if invoice.project_name in ("Project reference", "?") or not invoice.project else None
    return replace(
        _payments(invoice),
        totals=totals,
        lines=lines,
        project_name=invoice.project_name if project_name is None else "",
        allowances=tuple(replace(one, tax_type="") for one in invoice.allowances),
        more_tenders=invoice.more_tenders if invoice.tender or invoice.tender_date else (),
        more_objects=invoice.more_objects if invoice.object_id or invoice.object_date else (),
        accounting_type=invoice.accounting_type if invoice.accounting_reference else "",
        more_accounting_references=invoice.more_accounting_references if invoice.accounting_reference else (),
    )


def _in_one_currency(totals: LineTotals | None) -> LineTotals | None:
    if totals is None or totals == LineTotals(vat_in_tax_currency=totals.vat_in_tax_currency):
        return None
    return replace(totals, vat_in_tax_currency=None)


def _payments(invoice: Invoice) -> Invoice:
    """Each payment has a code of its own; remittance, mandate and creditor are told once; terms after a first."""
    payment = invoice.payment
    if payment and payment.means_code == "1":  # in UBL: no payment means
        payment = replace(payment, means_code="30")
    more, codes = [], {payment.means_code} if payment else set()
    for one in invoice.more_payments if payment else ():
        if one.means_code not in codes:
            codes.add(one.means_code)
            debit = replace(one.direct_debit, mandate="", creditor="") if one.direct_debit else None
            more.append(replace(one, remittance="", direct_debit=None if debit == DirectDebit() else debit))
    first = (
        invoice.payment_terms,
        invoice.due_date,
        payment and payment.direct_debit and payment.direct_debit.mandate,
        invoice.partial_payment,
        invoice.penalty,
        invoice.discount,
        invoice.terms_payee,
    )
    terms = invoice.more_payment_terms if any(one not in (None, "") for one in first) else ()
    return replace(invoice, payment=payment, more_payments=tuple(more), more_payment_terms=terms)


def invoices(*, extended: bool = False) -> st.SearchStrategy[Invoice]:
    """Any invoice that has its mandatory terms, with those of the extensions or without; amounts need not add up."""
    return values(Invoice, "", extended)


def sums(*, extended: bool = False) -> st.SearchStrategy[Invoice]:
    """Invoices whose amounts are all calculated, with fields of every kind."""
    return invoices(extended=extended).map(_calculated).map(lambda invoice: complete(invoice).invoice)


def _calculated(invoice: Invoice) -> Invoice:
    return replace(
        invoice,
        totals=Totals(
            vat_in_tax_currency=invoice.totals.vat_in_tax_currency or (Decimal(1) if invoice.tax_currency else None)
        ),
        vat_breakdown=(),
        allowances=tuple(map(_plain, invoice.allowances)),
        charges=tuple(map(_plain, invoice.charges)),
        logistics_charges=tuple(
            replace(one, taxes=tuple(replace(tax, rate=tax.rate or Decimal(0)) for tax in one.taxes[:1]))
            for one in invoice.logistics_charges
        ),
        lines=tuple(map(_plain_line, invoice.lines)),
    )


def _plain(one: AllowanceOrCharge) -> AllowanceOrCharge:
    return replace(one, base=None, percentage=None, vat_rate=one.vat_rate or Decimal(0), vat_category="S")


def _plain_line(line: Line) -> Line:
    def without(several: tuple[LineAllowanceOrCharge, ...]) -> tuple[LineAllowanceOrCharge, ...]:
        return tuple(replace(one, base=None, percentage=None) for one in several)

    price = Price(net=line.price.net, base_quantity=Decimal(3), base_unit=line.price.base_unit)
    vat = replace(line.vat, category="S", rate=line.vat.rate or Decimal(0))
    return replace(
        line,
        kind="",
        price=replace(price, included_tax=line.price.included_tax),
        vat=vat,
        net_amount=None,
        allowances=without(line.allowances),
        charges=without(line.charges),
    )
