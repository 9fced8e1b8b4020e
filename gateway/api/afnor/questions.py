"""What a caller may ask of the Flow Service: flowInfo and the search, checked as XP Z12-013 1.3.0 says.

Members that the standard does not know are passed over, as its clients are of several editions; those it knows are held
to its lists.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.api.afnor.answers import Wrong
from gateway.store.flows import FlowInfo, Wanted

SYNTAXES = ("CII", "UBL", "Factur-X", "CDAR", "FRR")
RULES = (
    "B2B", "B2BInt", "B2C", "B2G", "B2GInt", "OutOfScope", "B2GOutOfScope", "ArchiveOnly", "NotApplicable", "Undefined",
)  # fmt: skip
PROFILES = ("Basic", "CIUS", "Extended-CTC-FR", "Undefined")
TYPES = (
    "CustomerInvoice", "SupplierInvoice", "CustomerInvoiceLC", "SupplierInvoiceLC", "StateCustomerInvoiceLC",
    "StateSupplierInvoiceLC", "AggregatedCustomerTransactionReport", "UnitaryCustomerTransactionReport",
    "AggregatedCustomerPaymentReport", "UnitaryCustomerPaymentReport", "UnitarySupplierTransactionReport",
    "MultiFlowReport", "StateCustomerInvoice", "StateSupplierInvoice", "StateTransactionReport",
    "StateTransactionReportLC", "StatePaymentReport", "StatePaymentReportLC", "Undefined",
)  # fmt: skip
DIRECTIONS = ("In", "Out")
ACKNOWLEDGEMENTS = ("Pending", "Ok", "Error")
DOC_TYPES = ("Metadata", "Original", "Converted", "ReadableView")
CRITERIA = (
    "updatedAfter", "updatedBefore", "processingRule", "flowType", "flowDirection", "trackingId", "ackStatus",
)  # fmt: skip

FORMER_TYPES = ("StateInvoice",)
"""flowType values of editions before 1.3.0: nothing is of them, and who still asks for them is not refused."""

NAME_LIMIT, ID_LIMIT = 255, 64
PAGE_DEFAULT, PAGE_LIMIT = 25, 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?")


@dataclass(frozen=True, slots=True)
class Asked:
    """flowInfo as given."""

    info: FlowInfo
    sha256: str | None
    """What the file's hash should be; None: it was not said."""


@dataclass(frozen=True, slots=True)
class Search:
    """One page of a search."""

    limit: int
    after: datetime | None
    """Where the page before ended."""
    wanted: Wanted
    where: Mapping[str, Any]
    """The criteria that the standard knows, as given, to be told back."""


def flow_info(body: Mapping[str, Any]) -> Asked:
    """flowInfo from its members. Raises Wrong."""
    for name in ("name", "flowSyntax"):
        if name not in body:
            raise Wrong(400, "MISSING_REQUIRED_FIELD", f"flowInfo needs {name}")
    digest = _text(body, "sha256", ID_LIMIT)
    if digest is not None and not re.fullmatch(r"[a-f0-9]{64}", digest):
        raise Wrong(400, "INVALID_FIELD", "sha256 is 64 lower-case hexadecimal digits")
    info = FlowInfo(
        name=_text(body, "name", NAME_LIMIT) or "",
        syntax=_one_of(body, "flowSyntax", SYNTAXES) or "",
        tracking_id=_text(body, "trackingId", ID_LIMIT),
        rule=_one_of(body, "processingRule", RULES),
        profile=_one_of(body, "flowProfile", PROFILES),
    )
    return Asked(info, digest)


def search(body: Mapping[str, Any]) -> Search:
    """A search from its members. Raises Wrong."""
    where = body.get("where")
    if not isinstance(where, dict):
        raise Wrong(400, "MISSING_REQUIRED_FIELD", "a search needs where, with one criterion at least")
    wanted = Wanted(
        after=_instant(where, "updatedAfter", up=False),
        before=_instant(where, "updatedBefore", up=True),
        rules=_list(where, "processingRule", RULES),
        types=_list(where, "flowType", (*TYPES, *FORMER_TYPES)),
        directions=_list(where, "flowDirection", DIRECTIONS),
        tracking_id=_text(where, "trackingId", ID_LIMIT),
        ack=_one_of(where, "ackStatus", ACKNOWLEDGEMENTS),
    )
    if wanted == Wanted():
        raise Wrong(400, "MISSING_REQUIRED_FIELD", "a search needs one criterion at least")
    limit = body.get("limit", PAGE_DEFAULT)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= PAGE_LIMIT:
        raise Wrong(400, "INVALID_FIELD", f"limit is a whole number from 1 to {PAGE_LIMIT}")
    cursor = _text(body, "cursor", 200)
    known = {name: where[name] for name in CRITERIA if name in where}
    return Search(limit, None if cursor is None else _place(cursor), wanted, known)


def cursor(at: datetime) -> str:
    """The bookmark behind the flow of this instant: no two flows of an account share one."""
    return base64.urlsafe_b64encode(str((at - _EPOCH) // _TICK).encode()).decode().rstrip("=")


def _place(text: str) -> datetime:
    try:
        number = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        if not number.isascii() or not number.isdigit() or len(number) > 18:
            raise ValueError
        return _EPOCH + int(number) * _TICK
    except (ValueError, OverflowError, binascii.Error) as unknown:
        raise Wrong(400, "INVALID_FIELD", "the cursor is not one that we gave") from unknown


def text(value: object, name: str, limit: int) -> str:
    """A text of so many characters that can be kept and looked for. Raises Wrong."""
    if not isinstance(value, str) or len(value) > limit or any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        raise Wrong(400, "INVALID_FIELD", f"{name} is a text of at most {limit} characters, none of them a control")
    return value


def _text(body: Mapping[str, Any], name: str, limit: int) -> str | None:
    """The same of a member; None when it is not there."""
    return text(body[name], name, limit) if name in body else None


def _one_of(body: Mapping[str, Any], name: str, values: tuple[str, ...]) -> str | None:
    if name not in body:
        return None
    value = body[name]
    if value not in values:
        raise Wrong(400, "INVALID_FIELD", f"{name} is one of {', '.join(values)}")
    return str(value)


def _list(where: Mapping[str, Any], name: str, values: tuple[str, ...]) -> tuple[str, ...]:
    given = where.get(name, [])
    if not isinstance(given, list) or not all(value in values for value in given):
        raise Wrong(400, "INVALID_FIELD", f"{name} is a list of: {', '.join(values)}")
    return tuple(dict.fromkeys(given))


def _instant(where: Mapping[str, Any], name: str, *, up: bool) -> datetime | None:
    """A date-time in UTC, one without an offset as UTC. What is finer than a microsecond is rounded away from the flows
    asked for, so that none is left out by it.
    """
    if name not in where:
        return None
    value = where[name]
    try:
        if not isinstance(value, str) or not (found := _DATE_TIME.fullmatch(value)):
            raise ValueError
        at = datetime.fromisoformat(value.upper())
        at = at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
        finer = up and found[1] is not None and found[1][7:].strip("0") != ""
        return min(max(at + (_TICK if finer else timedelta()), _EPOCH), _LATEST)
    except OverflowError:
        return _LATEST if str(value)[:4] > "5000" else _EPOCH
    except ValueError as wrong:
        raise Wrong(400, "INVALID_FIELD", f"{name} is a date-time (RFC 3339)") from wrong
