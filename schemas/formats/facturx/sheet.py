"""What stands on the readable page: the invoice as labelled, written-out texts, and nothing of it left out.

French law wants the readable part to hold all the information of the structured one. The layout has a place for every
term in LAID_OUT; whatever else the model holds goes to "other information" under the name of its business term, so
nothing has to be remembered when the model grows. What is told in words only: VAT category S of a line with a rate, the
scheme of a SIREN or SIRET that is called so, units that have a common sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

from schemas.formats.facturx.wording import MINUS, SPACE, Writer
from schemas.invoice import (
    CREDIT_NOTE_TYPES,
    Address,
    Attachment,
    Contact,
    Identifier,
    Invoice,
    Line,
    LineAllowanceOrCharge,
    Party,
    Payment,
    Price,
    id_of,
    shapes,
)

SELF_BILLED = frozenset({"261", "389", "471", "473", "500", "501", "502"})

REVERSE_CHARGE = "AE"
IBAN_FORM = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
"""ISO 13616, without its check digits."""

LAID_OUT = frozenset(f"BT-{number}" for number in range(1, 166))
"""Terms the layout prints whenever they are there: all that EN 16931-1 has."""

_HEAD = 80
"""Signs in the one line at the head of a further page."""
_WIDE = 60
"""Signs of figures in one line beyond which the name beside them gets too narrow to read."""
_SIREN, _SIRET = "0002", "0009"

Pairs = list[tuple[str, str]]


def title(invoice: Invoice, language: str) -> str:
    """What kind of document it is, and its number: "Avoir A-17"."""
    return f"{_kind(invoice, Writer(language, invoice.currency))} {invoice.number}".strip()


def compose(invoice: Invoice, language: str) -> dict[str, Any]:
    """Everything the template lays out, as JSON-ready texts."""
    writer = Writer(language, invoice.currency)
    words = writer.words
    credit = invoice.type_code in CREDIT_NOTE_TYPES
    return {
        "language": writer.language,
        "labels": words,
        "kind": _kind(invoice, writer),
        "number": invoice.number,
        "title": title(invoice, language),
        "head": _short(f"{invoice.seller.name} · {title(invoice, language)}"),
        "author": invoice.seller.name or "-",
        "seller": _party(invoice.seller, writer),
        "buyer": _party(invoice.buyer, writer),
        "behind_seller": list(_behind_seller(invoice, writer)),
        "behind_buyer": list(_behind_buyer(invoice, writer)),
        "facts": [*_dates(invoice, writer), *_references(invoice, writer)],
        **_table(invoice, writer),
        "net_head": writer.headed("net_amount"),
        "adjustments": _adjustments(invoice, writer),
        "vat": _vat(invoice, writer),
        "totals": _totals(invoice, writer),
        "due": [words["due_credit" if credit else "due"], writer.money(invoice.totals.due)],
        "until": f"{words['until']} {writer.date(invoice.due_date)}" if _payable(invoice) else "",
        "payment": _payment(invoice, writer),
        "mentions": _mentions(invoice, writer),
        "notes": [(writer.coded("subjects", note.subject), note.text) for note in invoice.notes],
        "attachments": [_attachment(one) for one in invoice.attachments],
        "others": _others(invoice, writer),
    }


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


def _told(rows: Iterable[tuple[str, str]]) -> Pairs:
    return [row for row in rows if row[1]]


# Who -----------------------------------------------------------------------------------------------------------------


def _address(address: Address | None, writer: Writer) -> list[str]:
    if address is None:
        return []
    town = " ".join(part for part in (address.post_code, address.city) if part)
    country = writer.known("countries", address.country) or address.country
    last = ", ".join(part for part in (town, address.subdivision, country) if part)
    lines = [address.line1, address.line2, address.line3, last]
    return [line for line in lines if line]


def _contact(contact: Contact | None) -> list[str]:
    if contact is None:
        return []
    first = " · ".join(text for text in (contact.name, contact.phone) if text)
    return [line for line in (first, contact.email) if line]


def _identifiers(found: Iterable[Identifier], writer: Writer) -> Pairs:
    words, rows = writer.words, []
    for one in found:
        siret = one.scheme == _SIRET
        rows.append((words["siret" if siret else "id"], one.value if siret else writer.identifier(one)))
    return rows


def _legal(one: Identifier | None, writer: Writer) -> tuple[str, str]:
    if one is not None and one.scheme == _SIREN:
        return writer.words["siren"], one.value
    return writer.words["legal_id"], writer.identifier(one)


def _party(party: Party, writer: Writer) -> dict[str, Any]:
    words = writer.words
    lines = [*_address(party.address, writer), *_contact(party.contact)]
    if party.legal_information:
        lines.append(party.legal_information)
    ids = [
        (words["trading_name"], party.trading_name),
        _legal(party.legal_id, writer),
        *_identifiers(party.ids, writer),
        (words["vat_id"], party.vat_id),
        (words["tax_id"], party.tax_id),
        (words["endpoint"], writer.identifier(party.endpoint)),
    ]
    return {"name": party.name, "lines": lines, "ids": _told(ids)}


def _behind_buyer(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    place = invoice.delivery
    if place is not None and (place.name or place.address or place.location_id):
        ids = _identifiers((place.location_id,) if place.location_id else (), writer)
        yield _named(writer.words["deliver_to"], place.name, _address(place.address, writer), ids)


def _behind_seller(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    words, payee, agent = writer.words, invoice.payee, invoice.tax_representative
    if payee is not None:
        ids = [*_identifiers(payee.ids, writer), _legal(payee.legal_id, writer)]
        yield _named(words["payee"], payee.name, [], ids)
    if agent is not None:
        yield _named(
            words["tax_representative"], agent.name, _address(agent.address, writer), [(words["vat_id"], agent.vat_id)]
        )


def _named(label: str, name: str, lines: list[str], ids: Pairs) -> dict[str, Any]:
    return {"label": label, "name": name, "lines": lines, "ids": _told(ids)}


# What about ----------------------------------------------------------------------------------------------------------


def _dates(invoice: Invoice, writer: Writer) -> Pairs:
    words, place = writer.words, invoice.delivery
    tax_point = " · ".join(
        text
        for text in (writer.date(invoice.tax_point_date), writer.coded("tax_points", invoice.tax_point_code))
        if text
    )
    return _told(
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
    return _told(
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


def _table(invoice: Invoice, writer: Writer) -> dict[str, Any]:
    """The table of lines; where figures would squeeze the names, quantity and price move below the name."""
    words = writer.words
    heads = [words["line"], words["item"], words["quantity"], writer.headed("unit_price"), words["vat"]]
    heads.append(writer.headed("net_amount"))
    rows = list(_lines(invoice, writer))
    widths = [max(map(len, column)) for column in zip(*(row["figures"] for row in rows), strict=True)]
    wide = sum(widths) + max((len(row["id"]) for row in rows), default=0) > _WIDE
    if wide:
        heads = [*heads[:2], *heads[4:]]
        for row in rows:
            quantity, price, *row["figures"] = row["figures"]
            row["details"].insert(0, f"{words['quantity']} {quantity} · {words['unit_price']} {price}")
    return {"columns": heads, "wide": wide, "lines": rows}


def _lines(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    running: Decimal | None = Decimal(0)
    for place, line in enumerate(invoice.lines, start=1):
        running = None if running is None or line.net_amount is None else running + line.net_amount
        yield {
            "id": line.id,
            "name": line.item.name,
            "details": [text for text in _details(line, writer) if text],
            "figures": [
                writer.quantity(line.quantity, line.unit) or writer.unit(line.unit),
                _price(line.price, line.unit, writer),
                _rate(line.vat.category, line.vat.rate, writer),
                writer.amount(line.net_amount),
            ],
            "running": writer.money(running) if place < len(invoice.lines) else "",
        }


def _details(line: Line, writer: Writer) -> Iterator[str]:
    words, item, price = writer.words, line.item, line.price
    yield item.description
    yield line.note
    yield " · ".join(
        f"{label} {value}"
        for label, value in (
            (words["reference"], item.seller_id),
            (words["buyer_item"], item.buyer_id),
            (words["standard_item"], writer.identifier(item.standard_id)),
            (words["origin"], item.origin),
            (words["order_line"], line.order_line),
            (words["object"], writer.identifier(line.object_id)),
            (words["accounting"], line.accounting_reference),
        )
        if value
    )
    for one in item.classifications:
        scheme = " ".join(part for part in (one.scheme, one.version) if part)
        yield f"{words['classification']} {one.value}{f' ({scheme})' if scheme else ''}"
    for attribute in item.attributes:
        yield f"{attribute.name} : {attribute.value}"
    if line.period:
        yield f"{words['period']} {writer.period(line.period)}"
    gross = f"{words['gross_price']} {writer.money(price.gross)}" if price.gross is not None else ""
    discount = f"{words['discount']} {writer.money(price.discount)}" if price.discount is not None else ""
    yield ", ".join(part for part in (gross, discount) if part)
    for allowance in line.allowances:
        yield f"{words['allowance']} {_adjustment(allowance, writer)}"
    for charge in line.charges:
        yield f"{words['charge']} {_adjustment(charge, writer)}"


def _price(price: Price, unit: str, writer: Writer) -> str:
    """The net price, with what it is for where that is not one unit of what is invoiced."""
    implied = price.base_quantity in (None, Decimal(1)) and price.base_unit in ("", unit)
    base = writer.quantity(price.base_quantity, price.base_unit) or writer.unit(price.base_unit)
    return writer.amount(price.net) + ("" if implied else f" / {base}")


def _rate(category: str, rate: Decimal | None, writer: Writer) -> str:
    """Rate and category; category S goes without saying where there is a rate."""
    told = category if category != "S" or rate is None else ""
    return SPACE.join(text for text in (writer.percent(rate), told) if text)


def _adjustment(one: LineAllowanceOrCharge, writer: Writer) -> str:
    code = f"({one.reason_code})" if one.reason_code else ""
    base = f"× {writer.money(one.base)}" if one.base is not None else ""
    why = " ".join(part for part in (one.reason, code, writer.percent(one.percentage), base) if part)
    return f"{writer.money(one.amount)}{' : ' + why if why else ''}"


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
                    _rate(one.vat_category, one.vat_rate, writer),
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
    return _told(rows)


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
