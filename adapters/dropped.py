"""A file that others drop for us, or we for others, in whatever kind of folder: its name, its end, what it brings."""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256

from adapters.message import arrivals as of_message
from adapters.port import Arrival, ArrivalKind, Consignment

FILE_LIMIT = 100_000_000
"""Bytes of one file, at most; the standard's limit for one flow."""
PAGE_FILES = 100
"""Files of one page."""
PAGE_BYTES = 256_000_000
"""Bytes of one page, but for its last file."""

_DRAFTS = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".swp", "~")
_TYPES = {".pdf": "application/pdf", ".xml": "application/xml"}
_TAIL = 1_024
_ROOT = re.compile(rb"<([A-Za-z_][A-Za-z0-9_.:-]*)")


def is_draft(name: str) -> bool:
    """Whether a name says that its file is not for us, or not yet."""
    return name.startswith(".") or name.lower().endswith(_DRAFTS)


def ended(name: str, data: bytes) -> bool:
    """Whether a file is closed by the end of its own form; what has none is closed when it is not empty."""
    suffix = name[-4:].lower()
    if suffix == ".pdf":
        return b"%%EOF" in data[-_TAIL:]
    if suffix == ".xml":
        root = _ROOT.search(data)
        return root is not None and data[-_TAIL:].rstrip().endswith(b"</" + root[1] + b">")
    return bool(data)


def arrivals(name: str, data: bytes, at: datetime, recipient: str) -> list[Arrival]:
    """What a file brings: itself, or what is in a message (.eml). For a thread.

    The id is its name and its hash. `recipient`: SIREN of who it is for where it does not tell; empty: a person tells.
    """
    shown, suffix = told(name), name[-4:].lower()
    id = f"{shown}#{sha256(data).hexdigest()}"
    if suffix == ".eml":
        return of_message(data, id, at, recipient=recipient, name=shown)
    media_type = _TYPES.get(suffix, "application/octet-stream")
    return [Arrival(id, ArrivalKind.INVOICE, at, media_type, data, recipient=recipient, name=shown)]


def place_of(consignment: Consignment) -> str:
    """The name under which a consignment is dropped: its id, and what it is called in letters, digits, - _ and dots."""
    return f"{consignment.id}_{consignment.plain_name[:100]}"


def told(name: str) -> str:
    """A file name that can be shown and stored, whatever bytes it is made of."""
    shown = "".join(sign if sign.isprintable() else "_" for sign in name)
    return shown.replace("/", "_").replace("\\", "_")[:200]


def is_siren(text: str) -> bool:
    """Whether a text has the form of a SIREN."""
    return len(text) == 9 and text.isascii() and text.isdigit()
