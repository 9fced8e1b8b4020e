"""What a caller may ask of the simulated platform: the parts of its requests, checked as XP Z12-013 1.3.0 says."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SYNTAXES = ("CII", "UBL", "Factur-X", "CDAR", "FRR")
RULES = (
    "B2B",
    "B2BInt",
    "B2C",
    "B2G",
    "B2GInt",
    "OutOfScope",
    "B2GOutOfScope",
    "ArchiveOnly",
    "NotApplicable",
    "Undefined",
)
PROFILES = ("Basic", "CIUS", "Extended-CTC-FR", "Undefined")
TYPES = (
    "CustomerInvoice",
    "SupplierInvoice",
    "CustomerInvoiceLC",
    "SupplierInvoiceLC",
    "StateCustomerInvoiceLC",
    "StateSupplierInvoiceLC",
    "AggregatedCustomerTransactionReport",
    "UnitaryCustomerTransactionReport",
    "AggregatedCustomerPaymentReport",
    "UnitaryCustomerPaymentReport",
    "UnitarySupplierTransactionReport",
    "MultiFlowReport",
    "StateCustomerInvoice",
    "StateSupplierInvoice",
    "StateTransactionReport",
    "StateTransactionReportLC",
    "StatePaymentReport",
    "StatePaymentReportLC",
    "Undefined",
)
DOC_TYPES = ("Metadata", "Original", "Converted", "ReadableView")
NAME_LIMIT = 255
ID_LIMIT = 64
PAGE_DEFAULT, PAGE_LIMIT = 25, 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LISTS = {"processingRule": RULES, "flowType": TYPES, "flowDirection": ("In", "Out")}


class Wrong(Exception):
    """The request is not what the standard allows: a code and a sentence for the caller's developer."""

    def __init__(self, code: str, says: str) -> None:
        super().__init__(says)
        self.code, self.says = code, says


@dataclass(frozen=True, slots=True)
class Info:
    """flowInfo."""

    name: str
    syntax: str
    tracking: str | None
    rule: str | None
    profile: str | None
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """One page of a search."""

    limit: int
    cursor: tuple[datetime, str] | None
    """The last flow of the page before: when it was updated, and its id."""
    where: Mapping[str, Any]
    """As given, to be told back."""
    after: datetime | None
    before: datetime | None


def info(text: bytes) -> Info:
    """flowInfo from its JSON. Raises Wrong."""
    body = members(text)
    name = _string(body, "name", NAME_LIMIT, required=True)
    syntax = _choice(body, "flowSyntax", SYNTAXES)
    if name is None or syntax is None:
        raise Wrong("MISSING_REQUIRED_FIELD", "flowInfo needs name and flowSyntax")
    digest = _string(body, "sha256", 64)
    if digest is not None and not re.fullmatch(r"[a-f0-9]{64}", digest):
        raise Wrong("INVALID_FIELD", "sha256 is 64 lower-case hexadecimal digits")
    return Info(
        name=name,
        syntax=syntax,
        tracking=_string(body, "trackingId", ID_LIMIT),
        rule=_choice(body, "processingRule", RULES),
        profile=_choice(body, "flowProfile", PROFILES),
        sha256=digest,
    )


def search(text: bytes) -> Search:
    """A search from its JSON. Raises Wrong."""
    body = members(text)
    where = body.get("where")
    if not isinstance(where, dict):
        raise Wrong("MISSING_REQUIRED_FIELD", "where is required")
    known = {"updatedAfter", "updatedBefore", "trackingId", "ackStatus", *_LISTS}
    if not known & where.keys():
        raise Wrong("MISSING_CRITERION", "at least one criterion is required")
    for name, values in _LISTS.items():
        given = where.get(name, [])
        if not isinstance(given, list) or not all(value in values for value in given):
            raise Wrong("INVALID_FIELD", f"{name} is a list of values of the standard")
    _string(where, "trackingId", ID_LIMIT)
    _choice(where, "ackStatus", ("Pending", "Ok", "Error"))
    limit = body.get("limit", PAGE_DEFAULT)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= PAGE_LIMIT:
        raise Wrong("INVALID_FIELD", f"limit is a number from 1 to {PAGE_LIMIT}")
    cursor = _string(body, "cursor", 1_000)
    after, before = _instant(where, "updatedAfter"), _instant(where, "updatedBefore")
    return Search(limit, None if cursor is None else _read_cursor(cursor), where, after, before)


def cursor_after(updated: datetime, id: str) -> str:
    """An opaque bookmark behind a flow."""
    return base64.urlsafe_b64encode(f"{updated.isoformat()} {id}".encode()).decode()


def _read_cursor(text: str) -> tuple[datetime, str]:
    try:
        at, _, id = base64.urlsafe_b64decode(text).decode().partition(" ")
        return datetime.fromisoformat(at), id
    except (ValueError, binascii.Error):
        raise Wrong("INVALID_FIELD", "the cursor is none of ours") from None


def members(text: bytes) -> dict[str, Any]:
    """Those of a JSON object. Raises Wrong."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise Wrong("INVALID_JSON", "the body is no JSON") from None
    if not isinstance(body, dict):
        raise Wrong("INVALID_JSON", "the body is no JSON object")
    return body


def _string(body: Mapping[str, Any], name: str, limit: int, *, required: bool = False) -> str | None:
    value = body.get(name)
    if value is None and name not in body:
        return None
    if not isinstance(value, str) or len(value) > limit or (required and not value):
        raise Wrong("INVALID_FIELD", f"{name} is a text of at most {limit} characters")
    return value


def _choice(body: Mapping[str, Any], name: str, values: tuple[str, ...]) -> str | None:
    if name not in body:
        return None
    value = body[name]
    if value not in values:
        raise Wrong("INVALID_FIELD", f"{name} is one of {', '.join(values)}")
    return str(value)


def _instant(where: Mapping[str, Any], name: str) -> datetime | None:
    if name not in where:
        return None
    try:
        at = datetime.fromisoformat(where[name])
    except (TypeError, ValueError):
        raise Wrong("INVALID_FIELD", f"{name} is a date-time (RFC 3339)") from None
    return max(at.replace(tzinfo=at.tzinfo or UTC), _EPOCH)
