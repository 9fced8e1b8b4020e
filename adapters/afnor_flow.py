"""A flow of XP Z12-013 1.3.0 as a platform shows it: what it is to us, and its members, read with patience.

Platforms leave members out, add their own and speak older editions: nothing here raises, and what cannot be read is
nothing. No text it gives has what a database refuses (NUL, half a surrogate pair).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from schemas.finding import Finding, Severity

ALREADY_THERE = "alreadyexist"
"""What a platform's code for a repetition has in it, in small letters."""
_INVOICES = {"Factur-X": "application/pdf", "CII": "application/xml", "UBL": "application/xml"}
_INVOICE_TYPES = ("SupplierInvoice", "CustomerInvoice", "StateSupplierInvoice", "StateCustomerInvoice", "Undefined")
_STATUS_TYPES = ("CustomerInvoiceLC", "SupplierInvoiceLC", "Undefined")


_ROOT = re.compile(rb"<([A-Za-z_][^\s<>/]*)")


def looks_whole(data: bytes) -> bool:
    """Whether a content ends as it begins: a PDF with its end mark, an XML with the end of its first element.

    What is neither, or is written in UTF-16, is not judged here and taken for whole.
    """
    if data.startswith(b"%PDF-"):
        return b"%%EOF" in data[-1024:]
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    root = _ROOT.search(text) if text.startswith(b"<") and b"\0" not in text[:4] else None
    if root is None:
        return True
    end = b"</" + root[1]
    closed = end in text[-len(end) - 20 :] and text.endswith(b">")
    return closed or (text.endswith(b"/>") and text.count(b"<", root.start()) == 1)


def plain(value: object, limit: int, otherwise: str = "") -> str:
    """A member as text of at most so many characters that any database keeps; `otherwise` where it is empty."""
    text = str(value or otherwise)[:limit]
    return "".join(sign for sign in text if sign != "\0" and not "\ud800" <= sign <= "\udfff") or otherwise


def findings_of(flow: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Why the platform refuses, from the details of its acknowledgement; never empty."""
    acknowledgement = flow.get("acknowledgement")
    details = acknowledgement.get("details") if isinstance(acknowledgement, dict) else None
    found = tuple(
        Finding(
            rule=plain(detail.get("reasonCode"), 100, "PLATFORM-ERROR"),
            severity=Severity.WARNING if detail.get("level") == "Warning" else Severity.FATAL,
            layer="network",
            says=plain(detail.get("reasonMessage"), 2000, "The platform gives no reason."),
            path=plain(detail.get("item"), 500),
        )
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict)
    )
    return found or (Finding("PLATFORM-ERROR", Severity.FATAL, "network", "The platform gives no reason."),)


def says_already_there(body: Mapping[str, Any]) -> bool:
    """Whether an error says that the platform has this content already."""
    said = " ".join(str(body.get(name) or "") for name in ("errorCode", "details", "type"))
    return ALREADY_THERE in "".join(c for c in said.lower() if c.isalnum())


def key_of(flow: Mapping[str, Any]) -> str | None:
    """The network id of what a flow brings us; None when it brings nothing (yet)."""
    id, said = id_of(flow), verdict_of(flow)
    if not id or said == "Pending":
        return None
    if invoice_of(flow) is not None:
        return id if said != "Error" else None  # the platform has turned it away, and says so to the seller
    if flow.get("flowDirection") == "In":
        ours = flow.get("flowType") in (*_STATUS_TYPES, None) and flow.get("flowSyntax") == "CDAR"
        return id if ours else None
    tracking = flow.get("trackingId")
    tracked = isinstance(tracking, str) and tracking and tracking.isprintable()  # no other can be one of ours
    return f"{id}#ack:{said}" if tracked and said in ("Ok", "Error") else None


def invoice_of(flow: Mapping[str, Any]) -> str | None:
    """The media type of an invoice that somebody else issued; None for every other flow."""
    if flow.get("flowDirection") != "In" or flow.get("flowType") not in (*_INVOICE_TYPES, None):
        return None
    return _INVOICES.get(str(flow.get("flowSyntax") or ""))


def name_of(flow: Mapping[str, Any]) -> str:
    """The file name, printable, at most 255 characters; empty when there is none."""
    return "".join(sign for sign in str(flow.get("name") or "") if sign.isprintable())[:255]


def verdict_of(flow: Mapping[str, Any]) -> str:
    """The platform's own verdict: Pending, Ok or Error; empty when it says none."""
    acknowledgement = flow.get("acknowledgement")
    return str(acknowledgement.get("status") or "") if isinstance(acknowledgement, dict) else ""


def id_of(flow: Mapping[str, Any]) -> str:
    """flowId, as text of at most 200 characters; empty when there is none."""
    value = flow.get("flowId")
    text = str(value)[:200] if isinstance(value, str | int) else ""
    return text if text.isprintable() else ""


def instant(value: object) -> datetime | None:
    """An instant as platforms write it, in UTC; None for anything else."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if at is None else at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def stamp(at: datetime) -> str:
    """An instant as RFC 3339 with microseconds, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def dumped(flow: Mapping[str, Any]) -> bytes:
    """The flow as bytes to keep, the same for the same members; half a surrogate pair stays escaped, as it came."""
    return json.dumps(flow, ensure_ascii=False, sort_keys=True).encode(errors="backslashreplace")
