"""CDAR, the status message of the French life cycle (UN/CEFACT D22B), read and written.

A message says one thing (a code, MDT-105) about one invoice (its number and its seller's SIREN), between platforms or
to the public portal. Reading takes what the gateway acts on and shows; what the model does not hold is told by
`unheld` and stays in the bytes, which are kept.

Date-times have no zone in this syntax (formats 204, 203, 102). They are read and written as legal time of mainland
France, which is what the published examples look like; no published text says so.
"""

from __future__ import annotations

from schemas.format import Message
from schemas.formats.cdar.message import (
    GUIDELINE,
    NAMESPACES,
    PORTAL,
    PORTAL_CODES,
    PORTAL_GUIDELINE,
    ROOT,
    Amount,
    Party,
    Reason,
    StatusMessage,
    to_portal,
)
from schemas.formats.cdar.reading import read, read_all, unheld
from schemas.formats.cdar.reasons import ACTIONS, ALLOWED, KINDS, REASONS
from schemas.formats.cdar.vocabulary import STATUSES, Speaker, Status, further, named, reached_buyer, status_of
from schemas.formats.cdar.writing import write, written

__all__ = [
    "ACTIONS",
    "ALLOWED",
    "FORMAT",
    "GUIDELINE",
    "KINDS",
    "NAMESPACES",
    "PORTAL",
    "PORTAL_CODES",
    "PORTAL_GUIDELINE",
    "REASONS",
    "ROOT",
    "STATUSES",
    "Amount",
    "Party",
    "Reason",
    "Speaker",
    "Status",
    "StatusMessage",
    "further",
    "named",
    "reached_buyer",
    "read",
    "read_all",
    "status_of",
    "to_portal",
    "unheld",
    "write",
    "written",
]

FORMAT = Message(
    name="cdar",
    title="CDAR status message",
    root=ROOT,
    day="rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString",
    profile="rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID",
)
"""How it is recognised, and where its day (MDT-8) and its guideline (MDT-3) stand."""
