"""Receive: take the bytes, once.

The door looks at the bytes in a worker process (format, well-formedness, limits, hostile content) and refuses at once
what can never be a document. What passes is stored with its first event and its first task in one transaction, before
it is acknowledged; whether it is valid is judged down the line.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from gateway.compute import Interrupted
from gateway.errors import Busy, Malformed, TooLarge, UnknownFormat
from gateway.lifecycle import Kept, Role
from gateway.resources import Resources
from gateway.store.accounts import Account
from gateway.store.identifiers import new_id
from gateway.store.journal import Admission, Submission, admit
from schemas.catalogue import recognise
from schemas.finding import Finding
from schemas.xml import Unreadable

SIZE_LIMIT = 100 * 1024 * 1024
"""Bytes of one submission, all parts together (XP Z12-013, BR-FR-19)."""

MEDIA_TYPES = {"json": "application/json", "facturx": "application/pdf", "pdf": "application/pdf"}
"""Of a submission, by format; all others are XML."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What a caller hands us."""

    data: bytes
    media_type: str | None
    """As declared; None when it was not."""
    beside: bytes | None = None
    """The structured invoice that came beside a readable PDF in one request."""
    beside_type: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The request that hands it."""

    participant: str
    """SIREN of the legal entity it is for."""
    key: str | None
    """Idempotency-Key."""
    method: str
    route: str


async def receive(handed: Handed, request: Request, account: Account, resources: Resources) -> Admission:
    """Look, store, acknowledge. Raises Malformed, TooLarge, UnknownFormat, KeyReused, Busy."""
    if len(handed.data) + len(handed.beside or b"") > SIZE_LIMIT:
        raise TooLarge(f"a submission has at most {SIZE_LIMIT} bytes")
    format_, kept = await _look(handed, resources)
    submission = Submission(
        account_id=account.id,
        document_id=new_id(resources.clock.now()),
        participant=request.participant,
        format=format_,
        kept=kept,
        at=resources.clock.now(),
        key=request.key,
        fingerprint=_fingerprint(handed, request),
    )
    return await admit(resources.pool, submission)


async def look(data: bytes, media_type: str | None, resources: Resources) -> str:
    """The format of the bytes. Raises Malformed, TooLarge, UnknownFormat with findings, Busy."""
    try:
        recognised = await resources.compute(recognise, data, media_type)
    except Unreadable as unreadable:
        raise refused(unreadable.findings) from unreadable
    except Interrupted as interrupted:
        raise Busy("the submission could not be looked at; try again") from interrupted
    return recognised.format


async def _look(handed: Handed, resources: Resources) -> tuple[str, tuple[Kept, ...]]:
    if handed.beside is None:
        format_ = await look(handed.data, handed.media_type, resources)
        return format_, (Kept(Role.SUBMISSION, MEDIA_TYPES.get(format_, "application/xml"), handed.data),)
    if not handed.data.startswith(b"%PDF-"):
        raise UnknownFormat("the readable part of a submission in two parts is a PDF")
    inner = await look(handed.beside, handed.beside_type, resources)
    if inner == "facturx":
        raise UnknownFormat("the data part of a submission in two parts is JSON, CII or UBL")
    return "pdf", (
        Kept(Role.SUBMISSION, "application/pdf", handed.data),
        Kept(Role.DATA, MEDIA_TYPES.get(inner, "application/xml"), handed.beside),
    )


def _fingerprint(handed: Handed, request: Request) -> bytes:
    parts = [request.method, request.route, request.participant, handed.media_type or "", handed.beside_type or ""]
    total = sha256("\n".join(parts).encode())
    total.update(sha256(handed.data).digest())
    total.update(sha256(handed.beside or b"").digest())
    return total.digest()


def refused(findings: tuple[Finding, ...]) -> Malformed:
    """The error for bytes that cannot be read: too large, in no format we take, or malformed."""
    rule = findings[0].rule if findings else ""
    if rule.endswith("-SIZE"):
        return TooLarge("the submission is too large", findings)
    if rule in ("FORMAT-UNKNOWN", "MEDIA-TYPE", "PDF-NO-INVOICE"):
        return UnknownFormat("the submission is in no format that is taken here", findings)
    return Malformed("the submission cannot be read", findings)
