"""What stands on the readable page: the invoice as labelled, formatted texts, and nothing of it left out.

French law wants the readable part to hold all the information of the structured one. So the layout takes what it has a
place for, and whatever value of the model is then not among the printed texts goes to "other information", by the name
its business term has. Nothing has to be remembered when the model grows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from schemas.invoice import (
    Address,
    AllowanceOrCharge,
    Identifier,
    Invoice,
    Line,
    LineAllowanceOrCharge,
    Party,
    Period,
    id_of,
    shapes,
)

TEMPLATES = Path(__file__).parent / "templates"

LANGUAGES = ("fr", "en")

CREDIT_NOTES = frozenset({"261", "381", "396", "502", "503"})
PREPAYMENTS = frozenset({"386", "500"})
CORRECTIONS = frozenset({"384", "471", "472", "473"})

_NARROW = "\u202f"
_SPACE = "\u00a0"

UNITS = {
    "fr": {
        "H87": "u",
        "C62": "u",
        "HUR": "h",
        "DAY": "j",
        "KGM": "kg",
        "MTR": "m",
        "MTK": "m²",
        "LTR": "l",
        "MON": "mois",
    },
    "en": {
        "H87": "pc",
        "C62": "pc",
        "HUR": "h",
        "DAY": "d",
        "KGM": "kg",
        "MTR": "m",
        "MTK": "m²",
        "LTR": "l",
        "MON": "mo",
    },
}
"""Units of measure (UN/ECE Recommendation 20) that people write otherwise; others are shown by their code."""

Pairs = list[tuple[str, str]]


class Writer:
    """Formats values in one language."""

    def __init__(self, language: str, currency: str) -> None:
        self.language = language if language in LANGUAGES else "fr"
        self.labels = labels(self.language)
        self.currency = currency

    def number(self, value: Decimal, least: int = 0) -> str:
        """A number as people write it, with at least so many decimals and none lost."""
        decimals = max(least, -int(value.normalize().as_tuple().exponent))
        text = f"{value:,.{decimals}f}"
        if self.language == "fr":
            return text.replace(",", _NARROW).replace(".", ",")
        return text

    def money(self, value: Decimal | None, currency: str = "") -> str:
        """An amount with its currency; empty when there is none."""
        if value is None:
            return ""
        currency = currency or self.currency
        return f"{self.number(value, 2)}{_SPACE}{'€' if currency == 'EUR' else currency}"

    def percent(self, value: Decimal | None) -> str:
        """A percentage; empty when there is none."""
        return "" if value is None else f"{self.number(value)}{_SPACE}%"

    def date(self, value: date | None) -> str:
        """A date as people write it; empty when there is none."""
        return "" if value is None else value.strftime("%d/%m/%Y" if self.language == "fr" else "%d %b %Y")

    def period(self, value: Period | None) -> str:
        """From – to."""
        return "" if value is None else f"{self.date(value.start)} – {self.date(value.end)}"

    def identifier(self, value: Identifier | None) -> str:
        """Value and scheme."""
        if value is None or not value.value:
            return ""
        return f"{value.value} ({value.scheme})" if value.scheme else value.value


@cache
def labels(language: str) -> dict[str, str]:
    """The words of the page; one file per language."""
    found: dict[str, str] = json.loads((TEMPLATES / f"{language}.json").read_text(encoding="utf-8"))
    return found


def compose(invoice: Invoice, language: str) -> dict[str, Any]:
    """Everything the template lays out, as JSON-ready texts."""
    writer = Writer(language, invoice.currency)
    words = writer.labels
    sheet: dict[str, Any] = {
        "language": writer.language,
        "labels": words,
        "accent": "#1d4f7c",
        "kind": _kind(invoice, words),
        "number": invoice.number,
        "title": f"{_kind(invoice, words)} {invoice.number}".strip(),
        "author": invoice.seller.name or "-",
        "seller": _party(invoice.seller, writer),
        "buyer": _party(invoice.buyer, writer),
        "parties": list(_parties(invoice, writer)),
        "facts": _facts(invoice, writer),
        "lines": [_line(line, writer) for line in invoice.lines],
        "adjustments": _adjustments(invoice, writer),
        "vat": _vat(invoice, writer),
        "totals": _totals(invoice, writer),
        "due": [words["due"], writer.money(invoice.totals.due)],
        "payment": _payment(invoice, writer),
        "notes": [(f"{note.subject}" if note.subject else "", note.text) for note in invoice.notes],
        "attachments": _attachments(invoice),
        "footer": f"{words['structured']} {invoice.profile}".strip(),
    }
    sheet["others"] = _others(invoice, writer, sheet)
    return sheet


def _kind(invoice: Invoice, words: dict[str, str]) -> str:
    if invoice.type_code in CREDIT_NOTES:
        return words["credit_note"]
    if invoice.type_code in PREPAYMENTS:
        return words["prepayment"]
    return words["corrected"] if invoice.type_code in CORRECTIONS else words["invoice"]


def _address(address: Address | None) -> list[str]:
    if address is None:
        return []
    town = " ".join(part for part in (address.post_code, address.city) if part)
    country = f"({address.country})" if address.country else ""
    lines = [address.line1, address.line2, address.line3, address.subdivision, f"{town} {country}".strip()]
    return [line for line in lines if line]


def _party(party: Party, writer: Writer) -> dict[str, Any]:
    words = writer.labels
    contact = party.contact
    lines = [*_address(party.address)]
    if contact is not None:
        lines.append(" · ".join(text for text in (contact.name, contact.phone, contact.email) if text))
    if party.legal_information:
        lines.append(party.legal_information)
    legal = party.legal_id
    ids: Pairs = []
    if legal is not None and legal.value:
        siren = legal.scheme == "0002"
        ids.append((words["siren" if siren else "legal_id"], legal.value if siren else writer.identifier(legal)))
    ids += [(words["vat_id"], party.vat_id), (words["tax_id"], party.tax_id)]
    ids += [(words["id"], writer.identifier(one)) for one in party.ids]
    ids += [(words["trading_name"], party.trading_name), (words["endpoint"], writer.identifier(party.endpoint))]
    return {"name": party.name, "lines": lines, "ids": _told(ids)}


def _parties(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    words = writer.labels
    if invoice.payee is not None:
        ids = [(words["id"], writer.identifier(one)) for one in invoice.payee.ids]
        ids.append((words["legal_id"], writer.identifier(invoice.payee.legal_id)))
        yield {"label": words["payee"], "name": invoice.payee.name, "lines": [], "ids": _told(ids)}
    agent = invoice.tax_representative
    if agent is not None:
        yield {
            "label": words["tax_representative"],
            "name": agent.name,
            "lines": _address(agent.address),
            "ids": _told([(words["vat_id"], agent.vat_id)]),
        }
    place = invoice.delivery
    if place is not None and (place.name or place.address or place.location_id):
        yield {
            "label": words["deliver_to"],
            "name": place.name,
            "lines": _address(place.address),
            "ids": _told([(words["id"], writer.identifier(place.location_id))]),
        }


def _facts(invoice: Invoice, writer: Writer) -> list[Pairs]:
    words = writer.labels
    place = invoice.delivery
    preceding = [
        f"{one.number}{' · ' + writer.date(one.issue_date) if one.issue_date else ''}" for one in invoice.preceding
    ]
    dates = [
        (words["number"], invoice.number),
        (words["issue_date"], writer.date(invoice.issue_date)),
        (words["due_date"], writer.date(invoice.due_date)),
        (words["delivery_date"], writer.date(place.date) if place else ""),
        (words["period"], writer.period(place.period) if place else ""),
        (words["tax_point"], writer.date(invoice.tax_point_date)),
    ]
    references = [
        (words["purchase_order"], invoice.purchase_order),
        (words["sales_order"], invoice.sales_order),
        (words["contract"], invoice.contract),
        (words["buyer_reference"], invoice.buyer_reference),
        (words["project"], invoice.project),
        (words["despatch_advice"], invoice.despatch_advice),
        (words["receiving_advice"], invoice.receiving_advice),
        (words["preceding"], ", ".join(preceding)),
        (words["process"], " · ".join(code for code in (invoice.process, invoice.type_code, invoice.currency) if code)),
    ]
    return [_told(dates), _told(references)]


def _line(line: Line, writer: Writer) -> dict[str, Any]:
    words, item, price = writer.labels, line.item, line.price
    unit = UNITS[writer.language].get(line.unit, line.unit)
    details = [item.description, line.note]
    ids = [item.seller_id, item.buyer_id, writer.identifier(item.standard_id)]
    details += [f"{words['reference']} {' · '.join(one for one in ids if one)}" if any(ids) else ""]
    details += [f"{one.name} : {one.value}" for one in item.attributes]
    details += [f"{words['origin']} {item.origin}" if item.origin else ""]
    details += [f"{words['period']} {writer.period(line.period)}" if line.period else ""]
    if price.gross is not None:
        discount = f", {words['discount']} {writer.money(price.discount)}" if price.discount is not None else ""
        details.append(f"{words['gross_price']} {writer.money(price.gross)}{discount}")
    details += [_adjustment(words["allowance"], one, writer) for one in line.allowances]
    details += [_adjustment(words["charge"], one, writer) for one in line.charges]
    base = ""
    if price.base_quantity is not None and price.base_quantity != 1:
        base = f" / {writer.number(price.base_quantity)} {price.base_unit}".rstrip()
    return {
        "id": line.id,
        "name": item.name,
        "details": [text for text in details if text],
        "quantity": f"{writer.number(line.quantity)}{_SPACE + unit if unit else ''}"
        if line.quantity is not None
        else "",
        "price": f"{writer.money(price.net)}{base}",
        "vat": writer.percent(line.vat.rate) or line.vat.category,
        "net": writer.money(line.net_amount),
    }


def _adjustment(label: str, one: AllowanceOrCharge | LineAllowanceOrCharge, writer: Writer) -> str:
    code = f"({one.reason_code})" if one.reason_code else ""
    parts = [one.reason, code, writer.percent(one.percentage)]
    if one.base is not None:
        parts.append(f"× {writer.money(one.base)}")
    why = " ".join(part for part in parts if part)
    return f"{label} {writer.money(one.amount)}{' : ' + why if why else ''}"


def _adjustments(invoice: Invoice, writer: Writer) -> Pairs:
    words = writer.labels
    rows: Pairs = []
    for label, found in ((words["allowance"], invoice.allowances), (words["charge"], invoice.charges)):
        for one in found:
            rate = writer.percent(one.vat_rate) or one.vat_category
            text = _adjustment("", one, writer).strip()
            rows.append((label, f"{text} ({words['vat']} {rate})"))
    return rows


def _vat(invoice: Invoice, writer: Writer) -> list[list[str]]:
    rows = []
    for one in invoice.vat_breakdown:
        why = " · ".join(text for text in (one.exemption_reason, one.exemption_code) if text)
        name = f"{one.category}{' : ' + why if why else ''}"
        rows.append([name, writer.percent(one.rate), writer.money(one.taxable_amount), writer.money(one.tax_amount)])
    return rows


def _totals(invoice: Invoice, writer: Writer) -> list[tuple[str, str, bool]]:
    words, totals = writer.labels, invoice.totals
    rows = [
        (words["sum_lines"], writer.money(totals.lines), False),
        (words["sum_allowances"], writer.money(totals.allowances), False),
        (words["sum_charges"], writer.money(totals.charges), False),
        (words["without_vat"], writer.money(totals.without_vat), False),
        (words["total_vat"], writer.money(totals.vat), False),
        (
            f"{words['vat_in']} {invoice.tax_currency}",
            writer.money(totals.vat_in_tax_currency, invoice.tax_currency),
            False,
        ),
        (words["with_vat"], writer.money(totals.with_vat), True),
        (words["paid"], writer.money(totals.paid), False),
        (words["rounding"], writer.money(totals.rounding), False),
    ]
    return [row for row in rows if row[1]]


def _payment(invoice: Invoice, writer: Writer) -> Pairs:
    words, payment = writer.labels, invoice.payment
    rows: Pairs = [(words["due_date"], writer.date(invoice.due_date)), (words["terms"], invoice.payment_terms)]
    if payment is not None:
        rows.append((words["means"], payment.means_text))
        for transfer in payment.transfers:
            rows += [
                (words["account"], _grouped(transfer.account)),
                (words["account_name"], transfer.name),
                (words["bank"], transfer.bank),
            ]
        rows.append((words["remittance"], payment.remittance))
        if payment.card is not None:
            rows.append((words["card"], " ".join(part for part in (payment.card.number, payment.card.holder) if part)))
        if payment.direct_debit is not None:
            rows += [
                (words["mandate"], payment.direct_debit.mandate),
                (words["creditor"], payment.direct_debit.creditor),
                (words["debited"], payment.direct_debit.account),
            ]
    return _told(rows)


def _grouped(account: str) -> str:
    """An IBAN in groups of four."""
    compact = account.replace(" ", "")
    return (
        " ".join(compact[place : place + 4] for place in range(0, len(compact), 4))
        if compact[:2].isalpha()
        else account
    )


def _attachments(invoice: Invoice) -> list[str]:
    return [
        " · ".join(text for text in (one.id, one.description, one.filename, one.url) if text)
        for one in invoice.attachments
    ]


def _told(rows: Pairs) -> Pairs:
    return [row for row in rows if row[1]]


# Nothing left out ----------------------------------------------------------------------------------------------------


def _others(invoice: Invoice, writer: Writer, sheet: dict[str, Any]) -> Pairs:
    printed = _squeezed(json.dumps(sheet | {"labels": {}}, ensure_ascii=False))
    rows: Pairs = []
    for name, value in leaves(invoice):
        if "(BT-130)" in name and value in UNITS[writer.language]:
            continue  # stands in the line, in words
        forms = _forms(value, writer)
        if forms and not any(_squeezed(form) in printed for form in forms):
            rows.append((name, forms[0]))
    return rows


def leaves(value: Any, group: str = "", owner: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of the model with the name of its business term."""
    for one in fields(value):
        shape, found = shapes(type(value))[one.name], getattr(value, one.name)
        identifier, name = id_of(one, group), f"{owner}{one.metadata['name']}"
        for item in found if shape.many else (found,):
            if item in (None, "", b""):
                continue
            if shape.kind == "group":
                yield from leaves(item, identifier, f"{one.metadata['name']} {getattr(item, 'id', '')}".strip() + " · ")
            elif shape.kind in ("identifier", "classification"):
                for part in fields(item):
                    yield f"{name} ({identifier})", getattr(item, part.name)
            else:
                yield f"{name} ({identifier})", item


def _forms(value: Any, writer: Writer) -> list[str]:
    """How a value may stand on the page; the first is how it is printed when it does not yet."""
    if value in (None, "") or isinstance(value, bytes):
        return []
    if isinstance(value, Decimal):
        return [writer.number(value), writer.number(value, 2)]
    if isinstance(value, date):
        return [writer.date(value)]
    return [str(value), json.dumps(str(value), ensure_ascii=False)[1:-1]]


def _squeezed(text: str) -> str:
    """White space does not count: the layout breaks lines where it likes."""
    return "".join(text.split())
