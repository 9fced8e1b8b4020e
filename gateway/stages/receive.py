"""Receive: take the bytes, once.

The door looks at the bytes in a worker process (format, well-formedness, limits, hostile content) and refuses at once
what can never be a document. What passes is stored with its first event and its first task in one transaction, before
it is acknowledged; whether it is valid is judged down the line.

What others issued comes by networks: nobody waits for an answer at that door, so nothing is refused there. It is tied
to the account of the participant it is for, and stored as it came, even where it cannot be read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeAlias
from uuid import UUID

from adapters.port import Arrival, ArrivalKind
from gateway.addressee import UNKNOWN, Addressed, addressed
from gateway.compute import Interrupted
from gateway.errors import Busy, Conflict, Malformed, TooLarge, UnknownFormat
from gateway.lifecycle import Kept, Role
from gateway.resources import Resources
from gateway.store import arrivals, inbound
from gateway.store.accounts import Account
from gateway.store.identifiers import new_id
from gateway.store.inbound import Came, Taken
from gateway.store.journal import Admission, Submission, admit
from schemas.catalogue import recognise
from schemas.finding import Finding
from schemas.xml import Unreadable
from signing.chain import instant

SIZE_LIMIT = 100 * 1024 * 1024
"""Bytes of one submission, all parts together (XP Z12-013, BR-FR-19)."""

API = "api"
"""What stands for the network where an account brings a document itself."""

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


async def receive_inbound(handed: Handed, request: Request, account: Account, resources: Resources) -> Admission:
    """Take in what an account received elsewhere. Raises Malformed, TooLarge, UnknownFormat, KeyReused, Busy."""
    if len(handed.data) > SIZE_LIMIT:
        raise TooLarge(f"a submission has at most {SIZE_LIMIT} bytes")
    if handed.beside is not None:
        raise UnknownFormat("what was received is one file: a Factur-X, or an XML")
    format_ = await look(handed.data, handed.media_type, resources)
    if format_ == "json":
        raise UnknownFormat("what was received is a Factur-X, a CII or a UBL; our JSON form is for what is issued")
    try:
        found = await resources.compute(addressed, handed.data)
    except Interrupted as interrupted:
        raise Busy("the document could not be looked at; try again") from interrupted
    participant = found.recipient if found.recipient in account.participants else request.participant
    incoming = Incoming(
        API, "", handed.data, found, participant, key=request.key, fingerprint=_fingerprint(handed, request)
    )
    return await admit_incoming(incoming, account.id, resources)


@dataclass(frozen=True, slots=True)
class Nobodys:
    """An arrival that cannot be tied to an account."""

    recipient: str
    """SIREN of who it is for; empty where it names nobody."""
    reason: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """An inbound document on its way to its account."""

    network: str
    network_id: str
    data: bytes
    addressed: Addressed
    participant: str
    """SIREN of the legal entity it is for."""
    key: str | None = None
    """Idempotency-Key of who brings it; a network brings none."""
    fingerprint: bytes = b""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the first event tells besides: when the network had it, who assigned it."""


async def take(arrival: Arrival, network: str, resources: Resources) -> Taken | Nobodys:
    """Store an invoice that a network brings with the account it is for, once for ever. Raises Interrupted, Busy."""
    if (before := await inbound.taken(resources.pool, network, arrival.network_id)) is not None:
        return before
    found = await resources.compute(addressed, arrival.data)
    recipient = found.recipient
    owners = await inbound.accounts_of(resources.pool, recipient) if recipient else []
    if not owners and arrival.recipient:
        recipient, owners = arrival.recipient, await inbound.accounts_of(resources.pool, arrival.recipient)
    if len(owners) != 1:
        return Nobodys(found.recipient, _why(found, len(owners)))
    told = {"network_at": instant(arrival.at)}
    incoming = Incoming(network, arrival.network_id, arrival.data, found, recipient, told=told)
    admission = await admit_incoming(incoming, owners[0], resources)
    return Taken(owners[0], admission.document_id)


async def assign(name: tuple[str, str], account: Account, participant: str, by: str, resources: Resources) -> Admission:
    """Give an invoice that is nobody's to an account, also one that was dropped, and one that nobody can read.

    `name`: network and the network's id; `by`: who decided so. Raises NotFound, Conflict, Busy.
    """
    if participant not in account.participants:
        raise Conflict(f"the account does not act for {participant}")
    arrival = await arrivals.stray(resources.pool, *name, ArrivalKind.INVOICE)
    try:
        found = await resources.compute(addressed, arrival.data)
    except Interrupted:
        found = Addressed(UNKNOWN)
    told = {"network_at": instant(arrival.at), "assigned_by": by}
    incoming = Incoming(*name, arrival.data, found, participant, told=told)
    admission = await admit_incoming(incoming, account.id, resources)
    await arrivals.forget_stray(resources.pool, *name)
    return admission


async def admit_incoming(incoming: Incoming, account_id: UUID, resources: Resources) -> Admission:
    """Store what came for an account as an inbound document. Raises KeyReused, Busy."""
    named, now = incoming.addressed, resources.clock.now()
    document_id = new_id(now)
    came = Came(
        incoming.network,
        incoming.network_id or str(document_id),
        named.seller,
        named.number,
        named.type_code,
        named.issue_date,
    )
    media_type = MEDIA_TYPES.get(named.format) or (
        "application/octet-stream" if named.format == UNKNOWN else "application/xml"
    )
    submission = Submission(
        account_id=account_id,
        document_id=document_id,
        participant=incoming.participant,
        format=named.format,
        kept=(Kept(Role.SUBMISSION, media_type, incoming.data),),
        at=now,
        key=incoming.key,
        fingerprint=incoming.fingerprint,
        origin={"network": came.network, "network_id": came.network_id, **incoming.told},
        came=came,
    )
    return await admit(resources.pool, submission)


def _why(found: Addressed, owners: int) -> str:
    if owners > 1:
        return "several accounts act for its recipient"
    if found.recipient:
        return "no account acts for its recipient"
    return "it cannot be read" if found.format == UNKNOWN else "it names no French recipient"


Door: TypeAlias = Callable[[Handed, Request, Account, Resources], Awaitable[Admission]]
"""Takes what a caller hands us: `receive` or `receive_inbound`."""


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
