"""The errors of the gateway: a request cannot be served. No HTTP in here; `api/problems.py` gives each leaf its status.

GatewayError
├── Malformed            the request cannot be read
│   ├── TooLarge         it passes a limit of size
│   └── UnknownFormat    it is no format we take
├── Rejected             the document breaks rules; carries all findings
├── Unauthenticated      we do not know who asks
├── Forbidden            we know, and it may not
├── NotFound             there is no such thing, for this account
│   └── Gone             it was there; its retention has ended and its bytes are destroyed
├── Conflict             it contradicts what is stored
│   └── Restored         an older state of the database was put back since; says where to go on
├── KeyReused            the same Idempotency-Key came with other bytes
├── Underivable          the document exists, but not in the form asked for, and cannot be turned into it
├── Unanswerable         a query contradicts itself or asks for too much; carries all findings
├── Busy                 a limit is reached or a part is down for now; says when to come back
│   └── TooMany          the caller's own limit is reached
├── Corrupt              our own proof does not hold
└── Misconfigured        the settings or the data folder keep the gateway from starting
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from schemas.finding import Finding


class GatewayError(Exception):
    """A request cannot be served. `detail` is one sentence for the caller, free of payload, paths and queries."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class WithFindings(GatewayError):
    """An error that tells each thing that is wrong."""

    def __init__(self, detail: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(detail)
        self.findings = tuple(findings)


class Malformed(WithFindings):
    """The request or its document cannot be read."""


class TooLarge(Malformed):
    """The request passes a limit of size."""


class UnknownFormat(Malformed):
    """The bytes are in no format we take, or contradict their declared media type."""


class Rejected(WithFindings):
    """The document breaks rules."""


class Unanswerable(WithFindings):
    """A query contradicts itself, or its parameters cannot be read; each fault is told."""


class Unauthenticated(GatewayError):
    """No credential, or one that is unknown, expired or revoked."""


class Forbidden(GatewayError):
    """The credential does not carry the scope, or may not act for the organisation named."""


class NotFound(GatewayError):
    """There is no such thing for this account; another account's thing answers the same."""


class Gone(NotFound):
    """The retention of the thing has ended; its bytes are destroyed, and its hash, events and proofs stay."""

    def __init__(self, detail: str, tombstone: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__(detail)
        self.tombstone = dict(tombstone)
        """What is left, as members of the problem."""


class Conflict(GatewayError):
    """The request contradicts what is stored."""


class Restored(Conflict):
    """The place in the feed is not there any more: an older state of the database was put back."""

    def __init__(self, detail: str, cursor: str) -> None:
        super().__init__(detail)
        self.cursor = cursor
        """The last place before it that is there, as a member of the problem."""


class KeyReused(GatewayError):
    """The same Idempotency-Key came with another method, route or body."""


class Underivable(WithFindings):
    """The document cannot be turned into the form asked for; `detail` says why. Crosses processes."""

    def __init__(
        self, detail: str, findings: Sequence[Finding] = (), losses: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        super().__init__(detail, findings)
        self.losses = dict(losses)
        """What would be lost, as members of the problem; empty when that is not the reason."""

    def __reduce__(self) -> tuple[type[Underivable], tuple[str, tuple[Finding, ...], dict[str, Any]]]:
        return Underivable, (self.detail, self.findings, self.losses)


class Busy(GatewayError):
    """A part is down or a limit of ours is reached; the same request may succeed later."""

    def __init__(self, detail: str, retry_after: timedelta = timedelta(seconds=2)) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class TooMany(Busy):
    """The caller's own limit is reached."""


class Corrupt(GatewayError):
    """What is stored does not match its own proof."""


class Misconfigured(GatewayError):
    """The settings, the data folder or the database keep the gateway from starting; `detail` lists every reason."""
