"""Who stands on the page: the parties of an invoice, each with its address, its contacts and its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, TypeAlias

from schemas.formats.facturx.remaining import address, in_words, remaining
from schemas.formats.facturx.wording import SPACE, Pairs, Writer, told
from schemas.invoice import Contact, Delivery, Identifier, Invoice, Party, Payee, TaxRepresentative

Someone: TypeAlias = Party | Payee | TaxRepresentative | Delivery
"""Whoever has a name and a place."""

_SIREN, _SIRET = "0002", "0009"

_LAID_OUT = frozenset(
    ("name", "address", "contact", "more_contacts", "legal_information", "trading_name", "legal_id", "ids", "vat_id",
     "tax_id", "endpoint", "location_id", "more_location_ids")
)  # fmt: skip
_ELSEWHERE = frozenset(("date", "period", "ultimate_ship_to", "ship_from", "delivery_note", "transport_modes"))
"""Fields of the delivery that say nothing of the place: some are facts, some parties of their own."""

_FURTHER = (
    *("sales_agent", "buyer_agent", "buyer_tax_representative", "end_user", "invoicer", "invoicee", "payer"),
    "terms_payee",
)
FURTHER = frozenset(_FURTHER)
"""Fields of the invoice that are parties beside the seller, the buyer and those behind them."""


def party(found: Someone, writer: Writer, label: str = "") -> dict[str, Any]:
    """A party: its name, its address and contacts, and the numbers it is known by."""
    words = writer.words
    lines = address(found.address, writer)
    for contact in (getattr(found, "contact", None), *getattr(found, "more_contacts", ())):
        lines += _contact(contact, writer)
    if isinstance(found, Party) and found.legal_information:
        lines.append(found.legal_information)
    ids = [
        (words["trading_name"], found.trading_name),
        _legal(found.legal_id, writer),
        *identifiers(_own(found), writer),
        (words["vat_id"], found.vat_id),
        (words["tax_id"], getattr(found, "tax_id", "")),
        (words["endpoint"], writer.identifier(found.endpoint)),
        *remaining(found, _LAID_OUT | _ELSEWHERE, writer),
    ]
    return {"label": label, "name": found.name, "lines": lines, "ids": told(ids)}


def behind_buyer(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    """Where the goods went."""
    place = invoice.delivery
    if place is not None and any(getattr(place, one.name) for one in fields(place) if one.name not in _ELSEWHERE):
        yield party(place, writer, writer.words["deliver_to"])


def behind_seller(invoice: Invoice, writer: Writer) -> Iterator[dict[str, Any]]:
    """Who is paid instead of the seller, and who answers for its VAT."""
    words = writer.words
    if invoice.payee is not None:
        yield party(invoice.payee, writer, words["payee"])
    if invoice.tax_representative is not None:
        yield party(invoice.tax_representative, writer, words["tax_representative"])


def further(invoice: Invoice, writer: Writer) -> list[dict[str, Any]]:
    """All other parties of the extensions: agents, payer, invoicer and their like."""
    found = [(name, getattr(invoice, name)) for name in _FURTHER]
    if invoice.delivery is not None:
        found += [(name, getattr(invoice.delivery, name)) for name in ("ultimate_ship_to", "ship_from")]
    return [party(one, writer, writer.table("fields")[name]) for name, one in found if one is not None]


def identifiers(found: Iterable[Identifier], writer: Writer) -> Pairs:
    """Identifiers with their schemes; a SIRET is called so."""
    words, rows = writer.words, []
    for one in found:
        siret = one.scheme == _SIRET
        rows.append((words["siret" if siret else "id"], _grouped(one.value) if siret else writer.identifier(one)))
    return rows


def _grouped(number: str) -> str:
    """A SIREN or SIRET as people read it: 123 456 782 00017."""
    if not (number.isdigit() and len(number) in (9, 14)):
        return number
    return SPACE.join(part for part in (number[:3], number[3:6], number[6:9], number[9:]) if part)


def _own(found: Someone) -> tuple[Identifier, ...]:
    if isinstance(found, Delivery):
        return (*((found.location_id,) if found.location_id else ()), *found.more_location_ids)
    return found.ids


def _contact(contact: Contact | None, writer: Writer) -> list[str]:
    if contact is None:
        return []
    first = " · ".join(text for text in (contact.name, contact.department, contact.phone) if text)
    more = in_words(contact, writer, ("name", "department", "phone", "email"))
    return [line for line in (first, contact.email, more) if line]


def _legal(one: Identifier | None, writer: Writer) -> tuple[str, str]:
    if one is not None and one.scheme == _SIREN:
        return writer.words["siren"], _grouped(one.value)
    return writer.words["legal_id"], writer.identifier(one)
