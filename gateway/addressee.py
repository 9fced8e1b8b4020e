"""Whose an invoice is that somebody else issued, by what it says itself. Pure.

The buyer (BG-7) receives an invoice, the seller (BG-4) a self-billed one. A participant is known by its SIREN: the
legal identifier (BT-47), else the beginning of its French electronic address (BT-49), else its French VAT number
(BT-48).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from schemas.catalogue import FORMATS, recognise
from schemas.invoice import SELF_BILLED_TYPES, Invoice, Party
from schemas.parties import FRENCH_SCHEMES
from schemas.xml import Unreadable

UNKNOWN = "unknown"
"""The format of bytes that cannot be read."""

TEXT_LIMIT = 200
"""Characters of what names an invoice; a status message has no more."""

_SIREN = re.compile(r"[0-9]{9}")
_FRENCH_VAT = re.compile(r"FR[0-9A-Z]{2}([0-9]{9})")


@dataclass(frozen=True, slots=True)
class Addressed:
    """What is told of an invoice before it has an account."""

    format: str
    """Of the bytes: cii, ubl-invoice, ubl-creditnote, facturx, pdf or unknown."""
    recipient: str = ""
    """SIREN of who receives it; empty when it names none."""
    seller: str = ""
    number: str = ""
    type_code: str = ""
    issue_date: date | None = None


def addressed(data: bytes) -> Addressed:
    """Whose the bytes are. For a worker process; what cannot be read is nobody's."""
    try:
        recognised = recognise(data)
    except Unreadable:
        return Addressed(UNKNOWN)
    name = "cii" if recognised.format == "facturx" else recognised.format
    if name not in FORMATS:
        return Addressed(UNKNOWN)
    try:
        invoice = FORMATS[name].read(recognised.xml or data).invoice
    except Unreadable:
        return Addressed(recognised.format)
    return Addressed(
        recognised.format,
        siren(recipient(invoice)),
        siren(invoice.seller) or invoice.seller.name[:TEXT_LIMIT],
        invoice.number[:TEXT_LIMIT],
        invoice.type_code[:TEXT_LIMIT],
        invoice.issue_date,
    )


def recipient(invoice: Invoice) -> Party:
    """The party to which an invoice goes."""
    return invoice.seller if invoice.type_code in SELF_BILLED_TYPES else invoice.buyer


def siren(party: Party) -> str:
    """The SIREN of a French party; empty for others."""
    legal = party.legal_id
    texts = [legal.value] if legal is not None and legal.scheme in ("0002", "0009", "", None) else []
    if party.endpoint is not None and party.endpoint.scheme in FRENCH_SCHEMES:
        texts.append(party.endpoint.value)
    for text in texts:
        if found := _SIREN.match(text.replace(" ", "")):
            return found[0]
    french = _FRENCH_VAT.fullmatch(party.vat_id.replace(" ", "").upper())
    return french[1] if french else ""
