"""What stands on the readable page: the invoice as labelled, written-out texts, and nothing of it left out.

French law wants the readable part to hold all the information of the structured one. The layout has a place for every
term in LAID_OUT; whatever else the model holds goes to "other information" under the name of its business term, so
nothing has to be remembered when the model grows. What is told in words only: VAT category S of a line with a rate, the
scheme of a SIREN or SIRET that is called so, units that have a common sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

from schemas.formats.facturx import parties
from schemas.formats.facturx.lines import table
from schemas.formats.facturx.wording import MINUS, Pairs, Writer, told
from schemas.invoice import (
    CREDIT_NOTE_TYPES,
    Attachment,
    Invoice,
    Payment,
    id_of,
    shapes,
)

SELF_BILLED = frozenset({"261", "389", "471", "473", "500", "501", "502"})

REVERSE_CHARGE = "AE"
IBAN_FORM = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
"""ISO 13616, without its check digits."""

LAID_OUT = frozenset(f"BT-{number}" for number in range(1, 166))
"""Terms the layout prints whenever they are there: all that EN 16931-1 has."""

_FEW = 12
"""Lines beyond which an invoice is not called short."""
_PAGE = 264
"""Millimetres of a page between its margins."""
_HEAD = 80
"""Signs in the one line at the head of a further page."""


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
        "about": "",
        "title": title(invoice, language),
        "head": _short(f"{invoice.seller.name} · {title(invoice, language)}"),
        "author": invoice.seller.name or "-",
        "seller": parties.party(invoice.seller, writer),
        "buyer": parties.party(invoice.buyer, writer),
        "behind_seller": list(parties.behind_seller(invoice, writer)),
        "behind_buyer": list(parties.behind_buyer(invoice, writer)),
        "further": [],
        "facts": [*_dates(invoice, writer), *_references(invoice, writer)],
        **table(invoice, writer),
        "net_head": writer.headed("net_amount"),
        "adjustments": _adjustments(invoice, writer),
        "vat": _vat(invoice, writer),
        "totals": _totals(invoice, writer),
        "due": [words["due_credit" if credit else "due"], writer.money(invoice.totals.due)],
        "until": f"{words['until']} {writer.date(invoice.due_date)}" if _payable(invoice) else "",
        "payment": [rows] if (rows := _payment(invoice, writer)) else [],
        "mentions": _mentions(invoice, writer),
        "notes": [(writer.coded("subjects", note.subject), note.text) for note in invoice.notes],
        "attachments": [_attachment(one) for one in invoice.attachments],
        "others": [{"name": "", "rows": rows}] if (rows := _others(invoice, writer)) else [],
        "technical": [],
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
    currency = invoice.currency
    if invoice.tax_currency:
        currency = f"{currency} · {words['vat_currency']} {invoice.tax_currency}"
    preceding = [
        f"{one.number}{' · ' + writer.date(one.issue_date) if one.issue_date else ''}" for one in invoice.preceding
    ]
    nature = writer.known("natures", invoice.process[:1]) if re.fullmatch(r"[BSM]\d", invoice.process) else ""
    process = f"{nature} ({invoice.process})" if nature else invoice.process
    return told(
        (
            (words["kind"], writer.coded("kinds", invoice.type_code)),
            (words["nature" if nature else "process"], process),
            (words["currency"], currency),
            (words["purchase_order"], invoice.purchase_order),
            (words["sales_order"], invoice.sales_order),
            (words["contract"], invoice.contract),
            (words["buyer_reference"], invoice.buyer_reference),
            (words["project"], invoice.project),
            (words["tender"], invoice.tender),
            (words["object"], writer.identifier(invoice.object_id)),
            (words["accounting"], invoice.accounting_reference),
            (words["despatch_advice"], invoice.despatch_advice),
            (words["receiving_advice"], invoice.receiving_advice),
            (words["preceding"], ", ".join(preceding)),
            (words["profile"], invoice.profile),
        )
    )


# How much ------------------------------------------------------------------------------------------------------------


def _adjustments(invoice: Invoice, writer: Writer) -> list[list[str]]:
    """Allowances and charges on the whole: what for, of how much, at what percentage, VAT, amount with its sign."""
    words, rows = writer.words, []
    for label, sign, found in (
        (words["allowance"], MINUS, invoice.allowances),
        (words["charge"], "", invoice.charges),
    ):
        for one in found:
            code = f" ({one.reason_code})" if one.reason_code else ""
            rows.append(
                [
                    f"{label} : {one.reason}{code}" if one.reason else f"{label}{code}",
                    writer.amount(one.base),
                    writer.percent(one.percentage),
                    writer.rate(one.vat_category, one.vat_rate),
                    f"{sign}{writer.amount(one.amount)}"
                    if one.amount and one.amount > 0
                    else writer.amount(one.amount),
                ]
            )
    return rows


def _vat(invoice: Invoice, writer: Writer) -> list[list[str]]:
    rows = []
    for one in invoice.vat_breakdown:
        why = " · ".join(text for text in (one.exemption_reason, one.exemption_code) if text)
        name = f"{writer.coded('vat_categories', one.category)}{' : ' + why if why else ''}"
        rows.append([name, writer.percent(one.rate), writer.amount(one.taxable_amount), writer.amount(one.tax_amount)])
    return rows


def _totals(invoice: Invoice, writer: Writer) -> list[tuple[str, str, bool]]:
    words, totals = writer.words, invoice.totals
    in_tax_currency = writer.money(totals.vat_in_tax_currency, invoice.tax_currency)
    rows = [
        (words["sum_lines"], writer.money(totals.lines), False),
        (words["sum_allowances"], writer.money(totals.allowances), False),
        (words["sum_charges"], writer.money(totals.charges), False),
        (words["without_vat"], writer.money(totals.without_vat), False),
        (words["total_vat"], writer.money(totals.vat), False),
        (f"{words['vat_in']} {invoice.tax_currency or invoice.currency}", in_tax_currency, False),
        (words["with_vat"], writer.money(totals.with_vat), True),
        (words["paid"], writer.money(totals.paid), False),
        (words["rounding"], writer.money(totals.rounding), False),
    ]
    return [row for row in rows if row[1]]


# How to pay, and the rest --------------------------------------------------------------------------------------------


def _payment(invoice: Invoice, writer: Writer) -> Pairs:
    words, payment = writer.words, invoice.payment
    rows: Pairs = [(words["terms"], invoice.payment_terms)]
    if payment is not None:
        means, text = writer.coded("means", payment.means_code), payment.means_text
        same = text == writer.known("means", payment.means_code)
        rows.append((words["means"], means if same or not text else f"{text} ({payment.means_code})"))
        for transfer in payment.transfers:
            iban = IBAN_FORM.fullmatch(transfer.account.replace(" ", ""))
            rows += [
                (words["account" if iban else "other_account"], grouped(transfer.account)),
                (words["account_name"], transfer.name),
                (words["bank"], transfer.bank),
            ]
        rows += [(words["remittance"], payment.remittance), *_collected(payment, writer)]
    return told(rows)


def _collected(payment: Payment, writer: Writer) -> Iterator[tuple[str, str]]:
    words, card, debit = writer.words, payment.card, payment.direct_debit
    if card is not None:
        yield words["card"], " ".join(part for part in (card.number, card.holder) if part)
    if debit is not None:
        yield words["mandate"], debit.mandate
        yield words["creditor"], debit.creditor
        yield words["debited"], grouped(debit.account)


def grouped(account: str) -> str:
    """An IBAN in groups of four; another account as it is."""
    compact = account.replace(" ", "")
    if not IBAN_FORM.fullmatch(compact):
        return account
    return " ".join(compact[place : place + 4] for place in range(0, len(compact), 4))


def _mentions(invoice: Invoice, writer: Writer) -> list[str]:
    """Words the law asks for that the data hold as codes."""
    categories = {one.category for one in invoice.vat_breakdown} | {line.vat.category for line in invoice.lines}
    mentions = []
    if invoice.type_code in SELF_BILLED:
        mentions.append(writer.words["self_billing"])
    if REVERSE_CHARGE in categories:
        mentions.append(writer.words["reverse_charge"])
    return mentions


def _attachment(one: Attachment) -> str:
    return " · ".join(text for text in (one.id, one.description, one.filename, one.media_type, one.url) if text)


# Nothing left out ----------------------------------------------------------------------------------------------------


def _others(invoice: Invoice, writer: Writer) -> Pairs:
    return [
        (f"{name} ({identifier})" if identifier else name, _plain(value, writer))
        for identifier, name, value in leaves(invoice)
        if _term(identifier) not in LAID_OUT and not isinstance(value, bytes)
    ]


def _term(identifier: str) -> str:
    """The term of an id, without the number of its part: BT-125-1 is of BT-125."""
    return "-".join(identifier.split("-")[:2])


def _plain(value: Any, writer: Writer) -> str:
    if isinstance(value, Decimal):
        return writer.number(value)
    return writer.date(value) if isinstance(value, date) else str(value)


def leaves(value: Any, group: str = "", owner: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every value of the model that is there: id of its term, name of the term with those of its groups, value."""
    for one in fields(value):
        shape, found = shapes(type(value))[one.name], getattr(value, one.name)
        identifier, name = id_of(one, group), f"{owner}{one.metadata['name']}"
        for item in found if shape.many else (found,):
            if item in (None, "", b""):
                continue
            if shape.kind == "group":
                yield from leaves(item, identifier, f"{one.metadata['name']} {getattr(item, 'id', '')}".strip() + " · ")
            elif shape.kind in ("identifier", "classification"):
                yield from ((identifier, name, part) for part in _parts(item))
            else:
                yield identifier, name, item


def _parts(item: Any) -> list[Any]:
    return [part for part in (getattr(item, one.name) for one in fields(item)) if part]
