"""What stands on the readable page: the invoice as labelled, written-out texts, and nothing of it left out.

French law wants the readable part to hold all the information of the structured one. Each part of the layout prints the
fields it has a place for and `remaining` ones under the names of their terms, so nothing has to be remembered when the
model grows. What is told in words only: VAT category S of a line with a rate, the scheme of a SIREN or SIRET that is
called so, units that have a common sign; and by its place, the parent of a line that stands below it.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from schemas.formats.facturx import parties, settling
from schemas.formats.facturx.lines import table
from schemas.formats.facturx.remaining import details, in_words, remaining
from schemas.formats.facturx.wording import MINUS, Pairs, Writer, told
from schemas.invoice import (
    CREDIT_NOTE_TYPES,
    SELF_BILLED_TYPES,
    AllowanceOrCharge,
    Attachment,
    Invoice,
    LogisticsCharge,
    Note,
    Preceding,
)

CORRECTED = frozenset({"384", "471", "472", "473"})
REVERSE_CHARGE = "AE"
HANDLING = "BAR"
"""Subject of a note that is for machines (BR-FR): it goes where the codes stand."""

_FEW = 12
"""Lines beyond which an invoice is not called short."""
_PAGE = 225
"""Millimetres that what is called short fills at most, of the 264 of a page between its margins."""
_HEAD = 80
"""Signs in the one line at the head of a further page."""

_LAID_OUT = (
    frozenset(
        ("number", "issue_date", "type_code", "currency", "tax_currency", "tax_point_date", "tax_point_code",
         "due_date", "buyer_reference", "project", "project_name", "contract", "contract_date", "purchase_order",
         "purchase_order_date", "sales_order", "sales_order_date", "receiving_advice", "receiving_advice_date",
         "despatch_advice", "despatch_advice_date", "tender", "tender_date", "object_id", "object_date",
         "accounting_reference", "notes", "process", "profile", "preceding", "seller", "buyer", "payee",
         "tax_representative", "delivery", "allowances", "charges", "totals", "vat_breakdown", "attachments", "lines",
         "logistics_charges", "is_test", "is_copy")
    )
    | parties.FURTHER
    | settling.LAID_OUT
)  # fmt: skip

_ADJUSTMENT = frozenset(
    ("amount", "base", "percentage", "vat_category", "vat_rate", "reason", "reason_code", "exemption_reason",
     "exemption_code")
)  # fmt: skip
_BREAKDOWN = frozenset(("taxable_amount", "tax_amount", "category", "rate", "exemption_reason", "exemption_code"))
_TOTALS = frozenset(
    ("lines", "allowances", "charges", "without_vat", "vat", "vat_in_tax_currency", "with_vat", "paid", "rounding",
     "due")
)  # fmt: skip
_CASE = re.compile(r"[BSM]\d")
"""A case of BR-FR (BT-23): its letter says what was delivered."""


def title(invoice: Invoice, language: str) -> str:
    """What kind of document it is, and its number: "Avoir A-17"."""
    return f"{_kind(invoice, Writer(language, invoice.currency))} {invoice.number}".strip()


def compose(invoice: Invoice, language: str) -> dict[str, Any]:
    """Everything the template lays out, as JSON-ready texts."""
    writer = Writer(language, invoice.currency)
    words = writer.words
    credit = invoice.type_code in CREDIT_NOTE_TYPES
    sheet = {
        "language": writer.language,
        "labels": words,
        "kind": _kind(invoice, writer),
        "number": invoice.number,
        "about": _about(invoice, writer),
        "title": title(invoice, language),
        "head": _short(f"{invoice.seller.name} · {title(invoice, language)}"),
        "author": invoice.seller.name or "-",
        "seller": parties.party(invoice.seller, writer),
        "buyer": parties.party(invoice.buyer, writer),
        "behind_seller": list(parties.behind_seller(invoice, writer)),
        "behind_buyer": list(parties.behind_buyer(invoice, writer)),
        "further": parties.further(invoice, writer),
        "facts": [*_dates(invoice, writer), *_references(invoice, writer), *_rest(invoice, writer)],
        **table(invoice, writer),
        "net_head": writer.headed("net_amount"),
        "adjustments": _adjustments(invoice, writer),
        "vat": _vat(invoice, writer),
        "totals": _totals(invoice, writer),
        "due": [words["due_credit" if credit else "due"], writer.money(invoice.totals.due)],
        "until": f"{words['until']} {writer.date(invoice.due_date)}" if _payable(invoice) else "",
        "extras": settling.extras(invoice, writer),
        "payment": settling.payment(invoice, writer),
        "mentions": _mentions(invoice, writer),
        "notes": [_note(note, writer) for note in invoice.notes if note.subject != HANDLING],
        "attachments": [_attachment(one, writer) for one in invoice.attachments],
        "technical": _technical(invoice, writer),
    }
    return sheet | {"short": _fits(sheet)}


def _fits(sheet: dict[str, Any]) -> bool:
    """Whether all as far as the totals stands on one page without doubt, counted in millimetres and rounded up."""
    if len(sheet["lines"]) > _FEW or sheet["further"]:
        return False
    columns = [[sheet[one], *sheet[f"behind_{one}"]] for one in ("seller", "buyer")]
    blocks = [
        sum(14 + 4.4 * _rows([*it["lines"], *map("".join, it["ids"])], 55) for it in column) for column in columns
    ]
    facts = (
        14
        + 9 * (len(sheet["facts"]) + 3) / 4
        + 3.5 * _rows([value for _, value in sheet["facts"] if len(value) > 28], 28)
    )
    lines = sum(4 + 4.4 * _rows([line["name"]], 45) + 3.4 * _rows(line["details"], 60) for line in sheet["lines"])
    totals = max(14 + 6 * _rows([row[0] for row in sheet["vat"]], 30), 18 + 4.5 * len(sheet["totals"]))
    adjustments = 12 + 6 * len(sheet["adjustments"]) if sheet["adjustments"] else 0
    return 45 + max(blocks) + facts + lines + totals + adjustments < _PAGE


def _rows(texts: list[str], signs: int) -> int:
    """Rows of so many signs that texts take."""
    return sum(len(part) // signs + 1 for text in texts for part in text.split("\n"))


def _kind(invoice: Invoice, writer: Writer) -> str:
    credit = invoice.type_code in CREDIT_NOTE_TYPES
    return writer.known("kinds", invoice.type_code) or writer.known("kinds", "381" if credit else "380")


def _payable(invoice: Invoice) -> bool:
    """Whether the buyer has something to pay by a day."""
    credit, due = invoice.type_code in CREDIT_NOTE_TYPES, invoice.totals.due
    return invoice.due_date is not None and due is not None and due > 0 and not credit


def _short(text: str) -> str:
    """For the head of each further page, which has one line; the whole stands on the first."""
    line = " ".join(text.split())
    return line if len(line) <= _HEAD else f"{line[: _HEAD - 1]}…"


# What about ----------------------------------------------------------------------------------------------------------


def _dates(invoice: Invoice, writer: Writer) -> Pairs:
    words, place = writer.words, invoice.delivery
    tax_point = " · ".join(
        text
        for text in (writer.date(invoice.tax_point_date), writer.coded("tax_points", invoice.tax_point_code))
        if text
    )
    return told(
        (
            (words["issue_date"], writer.date(invoice.issue_date)),
            (words["due_date"], writer.date(invoice.due_date)),
            (words["delivery_date"], writer.date(place.date) if place else ""),
            (words["period"], writer.period(place.period) if place else ""),
            (words["tax_point"], tax_point),
        )
    )


def _references(invoice: Invoice, writer: Writer) -> Pairs:
    words = writer.words
    nature = writer.known("natures", invoice.process[:1]) if _CASE.fullmatch(invoice.process) else ""
    note = invoice.delivery.delivery_note if invoice.delivery else None
    return told(
        (
            (words["nature"], nature),
            (words["vat_currency"], invoice.tax_currency),
            (words["purchase_order"], _dated(invoice.purchase_order, invoice.purchase_order_date, writer)),
            (words["sales_order"], _dated(invoice.sales_order, invoice.sales_order_date, writer)),
            (words["contract"], _dated(invoice.contract, invoice.contract_date, writer)),
            (words["buyer_reference"], invoice.buyer_reference),
            (words["project"], " · ".join(part for part in (invoice.project, invoice.project_name) if part)),
            (words["tender"], _dated(invoice.tender, invoice.tender_date, writer)),
            (words["object"], _dated(writer.identifier(invoice.object_id), invoice.object_date, writer)),
            (words["accounting"], invoice.accounting_reference),
            (words["despatch_advice"], _dated(invoice.despatch_advice, invoice.despatch_advice_date, writer)),
            (words["receiving_advice"], _dated(invoice.receiving_advice, invoice.receiving_advice_date, writer)),
            (words["delivery_note"], _dated(note.number, note.date, writer) if note else ""),
            *((words[_preceding_word(invoice)], _preceding(one, writer)) for one in invoice.preceding),
        )
    )


def _about(invoice: Invoice, writer: Writer) -> str:
    """What a credit note or a correction is about, told under its title."""
    corrects = invoice.type_code in CREDIT_NOTE_TYPES or invoice.type_code in CORRECTED
    if not corrects or len(invoice.preceding) != 1:
        return ""
    (one,) = invoice.preceding
    day = writer.date(one.issue_date)
    return writer.formats["about_dated" if day else "about"].format(number=one.number, date=day)


def _preceding_word(invoice: Invoice) -> str:
    """How the invoices before it are called: that of a credit note is another thing than that of a final invoice."""
    corrects = invoice.type_code in CREDIT_NOTE_TYPES or invoice.type_code in CORRECTED
    return "original" if corrects else "preceding"


def _preceding(one: Preceding, writer: Writer) -> str:
    number = _dated(one.number, one.issue_date, writer)
    return " · ".join(part for part in (number, writer.coded("kinds", one.type_code)) if part)


def _dated(reference: str, day: date | None, writer: Writer) -> str:
    if day is None:
        return reference
    return writer.formats["dated"].format(reference=reference, date=writer.date(day)).strip()


def _rest(invoice: Invoice, writer: Writer) -> Pairs:
    """Facts for which only the extensions have a term."""
    place = invoice.delivery
    codes = [(writer.table("fields")["transport_modes"], code) for code in (place.transport_modes if place else ())]
    period = place.period.description if place and place.period else ""
    return told([(writer.words["period"], period), *codes, *remaining(invoice, _LAID_OUT, writer)])


def _technical(invoice: Invoice, writer: Writer) -> Pairs:
    """What machines are told by codes, and the page tells by its title, its amounts and its mentions."""
    words = writer.words
    handling = " · ".join(note.text for note in invoice.notes if note.subject == HANDLING)
    return told(
        (
            (words["kind"], writer.coded("kinds", invoice.type_code)),
            (words["process"], invoice.process),
            (words["currency"], invoice.currency),
            (writer.coded("subjects", HANDLING), handling),
            (words["profile"], invoice.profile),
        )
    )


# How much ------------------------------------------------------------------------------------------------------------


def _adjustments(invoice: Invoice, writer: Writer) -> list[list[str]]:
    """Allowances and charges on the whole: what for, of how much, at what percentage, VAT, amount with its sign."""
    words = writer.words
    rows = [_adjustment(words["allowance"], MINUS, one, writer) for one in invoice.allowances]
    rows += [_adjustment(words["charge"], "", one, writer) for one in invoice.charges]
    rows += [_logistics(one, writer) for one in invoice.logistics_charges]
    return rows


def _adjustment(label: str, sign: str, one: AllowanceOrCharge, writer: Writer) -> list[str]:
    code = f" ({one.reason_code})" if one.reason_code else ""
    more = [writer.exemption(one.exemption_reason, one.exemption_code), details(one, _ADJUSTMENT, writer)]
    name = writer.named(label, f"{one.reason}{code}") if one.reason else f"{label}{code}"
    return [
        " · ".join(part for part in (name, *more) if part),
        writer.amount(one.base),
        writer.percent(one.percentage),
        writer.rate(one.vat_category, one.vat_rate),
        f"{sign}{writer.amount(one.amount)}" if one.amount and one.amount > 0 else writer.amount(one.amount),
    ]


def _logistics(one: LogisticsCharge, writer: Writer) -> list[str]:
    name = writer.named(writer.words["charge"], one.description)
    if len(one.taxes) != 1:
        return [
            " · ".join((name, *(in_words(tax, writer) for tax in one.taxes))),
            "",
            "",
            "",
            writer.amount(one.amount),
        ]
    (tax,) = one.taxes
    name = " · ".join(part for part in (name, details(tax, ("category", "rate"), writer)) if part)
    return [name, "", "", writer.rate(tax.category, tax.rate), writer.amount(one.amount)]


def _vat(invoice: Invoice, writer: Writer) -> list[list[str]]:
    rows = []
    for one in invoice.vat_breakdown:
        why = writer.exemption(one.exemption_reason, one.exemption_code)
        name = writer.named(writer.coded("vat_categories", one.category), why)
        name = " · ".join(part for part in (name, details(one, _BREAKDOWN, writer)) if part)
        rows.append([name, writer.percent(one.rate), writer.amount(one.taxable_amount), writer.amount(one.tax_amount)])
    return rows


def _totals(invoice: Invoice, writer: Writer) -> list[tuple[str, str, bool]]:
    words, totals = writer.words, invoice.totals
    in_tax_currency = writer.money(totals.vat_in_tax_currency, invoice.tax_currency)
    rows = [
        (words["sum_lines"], writer.money(totals.lines), False),
        (words["sum_allowances"], _taken_off(totals.allowances, writer), False),
        (words["sum_charges"], writer.money(totals.charges), False),
        (words["without_vat"], writer.money(totals.without_vat), False),
        (words["total_vat"], writer.money(totals.vat), False),
        (f"{words['vat_in']} {invoice.tax_currency or invoice.currency}", in_tax_currency, False),
        (words["with_vat"], writer.money(totals.with_vat), True),
        (words["paid"], _taken_off(totals.paid, writer), False),
        (words["rounding"], writer.money(totals.rounding), False),
    ]
    more = [(label, text, False) for label, text in remaining(totals, _TOTALS, writer)]
    return [row for row in (*rows, *more) if row[1]]


def _taken_off(amount: Decimal | None, writer: Writer) -> str:
    return f"{MINUS}{writer.money(amount)}" if amount is not None and amount > 0 else writer.money(amount)


# The rest ------------------------------------------------------------------------------------------------------------


def _mentions(invoice: Invoice, writer: Writer) -> list[str]:
    """Words the law asks for, or the reader must not overlook, that the data hold as codes."""
    words = writer.words
    categories = {one.category for one in invoice.vat_breakdown} | {line.vat.category for line in invoice.lines}
    found = (
        (invoice.is_test, words["test"]),
        (invoice.is_copy, words["copy"]),
        (invoice.type_code in SELF_BILLED_TYPES, words["self_billing"]),
        (REVERSE_CHARGE in categories, words["reverse_charge"]),
    )
    return [text for holds, text in found if holds]


def _note(note: Note, writer: Writer) -> tuple[str, str]:
    more = details(note, ("text", "subject"), writer)
    return writer.coded("subjects", note.subject), " · ".join(part for part in (note.text, more) if part)


def _attachment(one: Attachment, writer: Writer) -> str:
    more = details(one, ("id", "description", "filename", "media_type", "url", "content"), writer)
    shown = (one.id, one.description, one.filename, one.media_type, one.url, more)
    return " · ".join(text for text in shown if text)
