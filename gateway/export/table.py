"""The table of an export: its columns, each with what it holds, and CSV that a spreadsheet opens without acting on it.

A cell that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection); amounts are our
own numbers and stay numbers. Text is UTF-8, lines end with CR LF (RFC 4180), every cell is quoted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.store.archive import Found
from schemas.invoice import CREDIT_NOTE_TYPES
from signing.chain import instant

_ACTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")
"""What a formula begins with, also in full width, and what hides that it does."""

BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Look:
    """How the table is written."""

    comma: bool = False
    """Amounts with a decimal comma and cells apart by semicolons, as French spreadsheets expect."""
    bom: bool = False
    """Begin with a byte order mark, by which Excel knows UTF-8."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    says: str
    """What it holds."""
    read: Callable[[Found], Any]


def _joined(document: Found) -> str:
    return "; ".join(one["number"] for one in document.refers_to.get("preceding", ()))


def kind_of(document: Found) -> str | None:
    """invoice or credit_note; None while its type is not known."""
    if document.type_code is None:
        return None
    return "credit_note" if document.type_code in CREDIT_NOTE_TYPES else "invoice"


COLUMNS: tuple[Column, ...] = (
    Column("document", "id of the document", lambda it: str(it.id)),
    Column("accepted_at", "when it was accepted, UTC", lambda it: instant(it.accepted_at)),
    Column("number", "invoice number, BT-1", lambda it: it.number),
    Column("kind", "invoice or credit_note, by its type code", kind_of),
    Column("type_code", "type code, BT-3", lambda it: it.type_code),
    Column("issue_date", "issue date, BT-2", lambda it: it.issue_date),
    Column("due_date", "payment due date, BT-9", lambda it: it.due_date),
    Column("direction", "outbound: from the account; inbound: towards it", lambda it: it.direction),
    Column("participant", "SIREN of the account's legal entity", lambda it: it.participant),
    Column("seller_id", "identifier of the seller: SIREN, VAT number or other", lambda it: it.seller),
    Column("seller_name", "name of the seller, BT-27", lambda it: it.seller_name),
    Column("buyer_id", "identifier of the buyer: SIREN, VAT number or other", lambda it: it.buyer),
    Column("buyer_name", "name of the buyer, BT-44", lambda it: it.buyer_name),
    Column("currency", "currency, BT-5", lambda it: it.currency),
    Column("total", "total with VAT, BT-112, in currency", lambda it: it.total),
    Column("amount_due", "amount due, BT-115, in currency", lambda it: it.amount_due),
    Column("stage", "where it stands in the line", lambda it: str(it.stage)),
    Column("halted", "why it ended before the end of the line", lambda it: it.halted),
    Column("status", "the furthest thing a party or platform said", lambda it: it.status),
    Column("order", "number of the order it refers to, BT-13", lambda it: it.refers_to.get("order")),
    Column("despatch_advice", "number of the despatch advice, BT-16", lambda it: it.refers_to.get("despatch_advice")),
    Column("contract", "number of the contract, BT-12", lambda it: it.refers_to.get("contract")),
    Column("preceding", "numbers of the earlier invoices it refers to, BT-25, apart by semicolons", _joined),
    Column("erased_at", "when its retention ended and it was erased, UTC; then only its tombstone is left",
           lambda it: None if it.erased_at is None else instant(it.erased_at)),
)  # fmt: skip
"""Of one document."""

FILE_COLUMNS = {
    "file": "its original in this ZIP; empty: it is not in it",
    "role": "what the file is: the original, or the submission where no original was made",
    "media_type": "media type of the file",
    "size": "bytes of the file",
    "sha256": "SHA-256 of the file, hexadecimal",
    "left_out": "why it is not in this ZIP; empty: it is",
}
"""What the index of a ZIP has besides."""


def values(document: Found) -> dict[str, Any]:
    """A document as members of JSON: amounts and dates as text."""
    return {column.name: _plain(column.read(document)) for column in COLUMNS}


def header(names: Iterable[str], look: Look) -> bytes:
    """The first line."""
    return ((BOM if look.bom else "") + _line(list(names), look)).encode()


def row(cells: Sequence[Any], look: Look) -> bytes:
    """One line: numbers as numbers, everything else as text that nothing acts on."""
    return _line([_cell(cell, look) for cell in cells], look).encode()


def document_row(document: Found, look: Look, *more: Any) -> bytes:
    """The line of a document, and further cells."""
    return row([*(column.read(document) for column in COLUMNS), *more], look)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    return f"{value:f}" if isinstance(value, Decimal) else value.isoformat()


def _cell(value: Any, look: Look) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:f}".replace(".", ",") if look.comma else f"{value:f}"
    if isinstance(value, int):
        return str(value)
    return safe(value if isinstance(value, str) else value.isoformat())


def safe(text: str) -> str:
    """Text that a spreadsheet shows and does not act on; signs that cannot be shown become spaces."""
    shown = "".join(sign if sign.isprintable() or sign in "\n\t\r" else " " for sign in text)
    return f"'{shown}" if shown.lstrip(" ").startswith(_ACTS) else shown


def _line(cells: Sequence[str], look: Look) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=";" if look.comma else ",", quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(cells)
    return out.getvalue()
