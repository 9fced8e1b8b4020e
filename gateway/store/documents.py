"""Reading documents: where one stands, what it went through, its contents; lists and the feed of events."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from adapters.port import ArrivalKind
from gateway.errors import Malformed, NotFound, Restored
from gateway.lifecycle import Role, Stage
from gateway.store import contents
from gateway.store.pool import Connection, Pool
from schemas.finding import Finding

PAGE_LIMIT = 200
"""The most rows one page of a list or of the feed has."""


@dataclass(frozen=True, slots=True)
class ContentReference:
    """A kept content, without its bytes."""

    role: Role
    seq: int
    sha256: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class WaitingArrival:
    """Something a network brought for this document that no stage has taken yet."""

    network: str
    network_id: str
    kind: ArrivalKind
    at: datetime
    media_type: str
    data: bytes
    refused: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that somebody reported for a document."""

    id: UUID
    amount: Decimal
    currency: str
    paid_on: date
    reference: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Document:
    """A document as its row and its archive entries show it."""

    account_id: UUID
    id: UUID
    participant: str
    direction: str
    format: str
    stage: Stage
    halted: str | None
    waits_for: str | None
    status: str | None
    number: str | None
    type_code: str | None
    issue_date: date | None
    seller: str | None
    buyer: str | None
    buyer_scheme: str | None
    buyer_address: str | None
    currency: str | None
    total: Decimal | None
    amount_due: Decimal | None
    due_date: date | None
    facts: Mapping[str, Mapping[str, Any]]
    """What each stage found, by its name."""
    created_at: datetime
    updated_at: datetime
    version: int
    purge_on: date | None = None
    """From when on its contents are destroyed, as its account was told; None: not announced."""
    purged_at: datetime | None = None
    """When its contents were destroyed at the end of their retention; None: they are there."""
    seen_at: datetime | None = None
    """When somebody said that the account has seen it, for an inbound document; None: nobody did yet."""
    seen_by: str | None = None
    """Who said so: public id of the credential, or operator."""
    about: UUID | None = None
    """The document that a status message of ours speaks of; None: it is an invoice."""
    contents: tuple[ContentReference, ...] = ()

    @property
    def inbound(self) -> bool:
        """Whether somebody else issued it to the account."""
        return self.direction == "inbound"

    def content(self, role: Role) -> ContentReference | None:
        """The newest content in this role, None when there is none."""
        return next((content for content in reversed(self.contents) if content.role is role), None)


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of what happened to a document."""

    document_id: UUID
    seq: int
    at: datetime
    stage: Stage
    outcome: str
    facts: Mapping[str, Any]
    prior: bytes
    hash: bytes
    cursor: str
    """Where a reader of the feed goes on after this event."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which documents a list shows; None leaves a criterion out."""

    stage: Stage | None = None
    status: str | None = None
    number: str | None = None
    halted: bool | None = None
    participant: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None
    direction: str | None = None
    seen: bool | None = None
    """For inbound documents: whether the account has seen them."""
    about: UUID | None = None
    """The status messages of ours about this document; None: invoices."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of the feed of events."""

    events: tuple[EventRow, ...]
    cursor: str
    """Where to go on: after the last event of the page, or where the reader already was."""
    more: bool


COLUMNS = (
    "account_id, document_id, participant, direction, format, stage, halted, waits_for, status, number, type_code, "
    "issue_date, seller, buyer, buyer_scheme, buyer_address, currency, total, amount_due, due_date, facts, "
    "created_at, updated_at, version, purge_on, purged_at, seen_at, seen_by, about"
)


async def get(connection: Connection, document_id: UUID) -> Document:
    """One document of the account with its contents. Raises NotFound."""
    row = await connection.fetchrow(f"select {COLUMNS} from document where document_id = $1", document_id)  # noqa: S608
    if row is None:
        raise NotFound("there is no such document")
    contents = await connection.fetch(
        """
        select e.role, e.seq, e.sha256, c.media_type, c.size
        from entry e join content c using (account_id, sha256) where e.document_id = $1 order by e.seq, e.role
        """,
        document_id,
    )
    return _document(
        row,
        tuple(
            ContentReference(Role(c["role"]), c["seq"], c["sha256"].hex(), c["media_type"], c["size"]) for c in contents
        ),
    )


async def read(connection: Connection, sha256: str) -> bytes:
    """The bytes of a content of the account. Raises NotFound, Gone, Corrupt when they are not what their hash says."""
    return await contents.read(connection, sha256)


async def events(connection: Connection, document_id: UUID) -> tuple[EventRow, ...]:
    """Everything that happened to one document, in order. Raises NotFound."""
    rows = await connection.fetch(
        """
        select document_id, seq, at, stage, outcome, facts, prior, hash,
               generation, transaction::text::bigint as transaction, position
        from event where document_id = $1 order by seq
        """,
        document_id,
    )
    if not rows:
        raise NotFound("there is no such document")
    return tuple(_event(row) for row in rows)


async def event(connection: Connection, document_id: UUID, seq: int) -> EventRow:
    """One thing that happened to a document. Raises NotFound."""
    row = await connection.fetchrow(
        """
        select document_id, seq, at, stage, outcome, facts, prior, hash,
               generation, transaction::text::bigint as transaction, position
        from event where document_id = $1 and seq = $2
        """,
        document_id,
        seq,
    )
    if row is None:
        raise NotFound("there is no such event")
    return _event(row)


async def arrivals(connection: Connection, document_id: UUID) -> tuple[WaitingArrival, ...]:
    """What networks brought for the document and no stage has taken, oldest first."""
    rows = await connection.fetch(
        """
        select network, network_id, kind, at, media_type, data, refused from arrival
        where document_id = $1 and seq is null order by at, network_id
        """,
        document_id,
    )
    return tuple(
        WaitingArrival(
            row["network"],
            row["network_id"],
            ArrivalKind(row["kind"]),
            row["at"],
            row["media_type"],
            bytes(row["data"]),
            tuple(Finding.from_json(finding) for finding in row["refused"]),
        )
        for row in rows
    )


async def payments(connection: Connection, document_id: UUID) -> tuple[Payment, ...]:
    """What was reported as paid for the document, oldest first."""
    rows = await connection.fetch(
        """
        select payment_id, amount, currency, paid_on, reference, recorded_at from payment
        where document_id = $1 order by recorded_at, payment_id
        """,
        document_id,
    )
    return tuple(
        Payment(row["payment_id"], row["amount"], row["currency"], row["paid_on"], row["reference"], row["recorded_at"])
        for row in rows
    )


async def payments_told(connection: Connection, document_id: UUID) -> tuple[str, ...]:
    """Ids of the payments of a document that have their event, in the order of these."""
    rows = await connection.fetch(
        "select facts->>'payment' as payment from event where document_id = $1 and outcome = 'payment' order by seq",
        document_id,
    )
    return tuple(row["payment"] for row in rows)


async def page(
    connection: Connection, wanted: Filter, after: str | None, limit: int
) -> tuple[tuple[Document, ...], str | None]:
    """Documents of the account, newest first, and the cursor of the next page (None at the end). Raises Malformed."""
    before_at, before_id = _split(after, 2) if after else (None, None)
    rows = await connection.fetch(
        f"""
        select {COLUMNS} from document
        where ($1::timestamptz is null or (created_at, document_id) < ($1, $2::uuid))
          and ($3::text is null or stage = $3) and ($4::text is null or status = $4)
          and ($5::text is null or number = $5) and ($6::boolean is null or (halted is not null) = $6)
          and ($7::text is null or participant = $7)
          and ($8::timestamptz is null or created_at >= $8) and ($9::timestamptz is null or created_at < $9)
          and ($11::text is null or direction = $11)
          and ($12::boolean is null or (direction = 'inbound' and (seen_at is not null) = $12))
          and about is not distinct from $13::uuid
        order by created_at desc, document_id desc limit $10
        """,  # noqa: S608
        _instant(before_at),
        _uuid(before_id),
        wanted.stage,
        wanted.status,
        wanted.number,
        wanted.halted,
        wanted.participant,
        wanted.created_from,
        wanted.created_until,
        limit + 1,
        wanted.direction,
        wanted.seen,
        wanted.about,
    )
    documents = tuple(_document(row) for row in rows[:limit])
    more = len(rows) > limit
    last = documents[-1] if documents else None
    return documents, _join(last.created_at.isoformat(), str(last.id)) if more and last else None


async def feed(connection: Connection, after: str | None, limit: int) -> FeedPage:
    """Events of the account in their one order, each once, none missed, below the horizon of open transactions.

    The order is (generation, transaction, position): a sequence alone, or an id below the horizon, misses events of
    transactions that commit late (measured: RELIABILITY T13), and transactions are numbered by the cluster. Everything
    before `cursor` is complete and final. Raises Malformed, Restored when the event the cursor stands at is gone.
    """
    place = _place(after)
    if place != _START and not await _stands_at(connection, place):
        raise Restored(
            "the event that this cursor stands at is not here: an older state of the database was put back, and what "
            "was shown after it did not last; go on from the last good cursor, which is the member `cursor`",
            await _last_good(connection, place),
        )
    rows = await connection.fetch(
        """
        select document_id, seq, at, stage, outcome, facts, prior, hash,
               generation, transaction::text::bigint as transaction, position
        from event
        where (generation, transaction, position) > ($1, $2::bigint::text::xid8, $3)
          and (generation < present_generation() or transaction < pg_snapshot_xmin(pg_current_snapshot()))
        order by generation, transaction, position limit $4
        """,
        *place,
        limit + 1,
    )
    found = tuple(_event(row) for row in rows[:limit])
    cursor = found[-1].cursor if found else after or _join(*map(str, _START))
    return FeedPage(found, cursor, len(rows) > limit)


async def newest(connection: Connection) -> str:
    """The cursor of the account's last event that is final: what a feed read from there shows is yet to come."""
    return await _last_good(connection, _END)


_START = (0, 0, 0)
"""Before the first event."""
_END = (2**62, 2**62, 2**62)
"""Behind every event."""


def _place(cursor: str | None) -> tuple[int, int, int]:
    """Generation, transaction and position of a cursor; releases before there were generations gave the last two."""
    if not cursor:
        return _START
    numbers = [_number(part) for part in _split(cursor, 2, 3)]
    if len(numbers) == 2:
        numbers.insert(0, 1 if any(numbers) else 0)
    return numbers[0], numbers[1], numbers[2]


async def _stands_at(connection: Connection, place: tuple[int, int, int]) -> bool:
    """Whether the event that a cursor was given with is there: none is ever deleted, so only a restore takes one."""
    return bool(
        await connection.fetchval(
            "select exists (select from event where (generation, transaction, position) = "
            "($1, $2::bigint::text::xid8, $3))",
            *place,
        )
    )


async def _last_good(connection: Connection, place: tuple[int, int, int]) -> str:
    """The cursor of the account's last event before a place."""
    row = await connection.fetchrow(
        """
        select generation, transaction::text::bigint as transaction, position from event
        where (generation, transaction, position) < ($1, $2::bigint::text::xid8, $3)
          and (generation < present_generation() or transaction < pg_snapshot_xmin(pg_current_snapshot()))
        order by generation desc, event.transaction desc, position desc limit 1
        """,
        *place,
    )
    return _join(*(str(number) for number in (tuple(row) if row else _START)))


async def decided_at(connection: Connection, document_id: UUID, consignment: str) -> datetime | None:
    """When it was decided first how a document goes, under this id; None: it was not."""
    at: datetime | None = await connection.fetchval(
        "select min(decided_at) from delivery where document_id = $1 and consignment = $2", document_id, consignment
    )
    return at


async def delivered(pool: Pool, account_id: UUID, document_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The consignments of a document: network, the network's own id, hash, when."""
    async with pool.account(account_id) as connection:
        rows = await connection.fetch(
            """
            select consignment, network, network_id, sha256, decided_at, delivered_at from delivery
            where document_id = $1 order by decided_at
            """,
            document_id,
        )
    return [dict(row) for row in rows]


def _document(row: Mapping[str, Any], contents: tuple[ContentReference, ...] = ()) -> Document:
    values = dict(row)
    identifier = values.pop("document_id")
    stage = Stage(values.pop("stage"))
    return Document(id=identifier, stage=stage, contents=contents, **values)


def _event(row: Mapping[str, Any]) -> EventRow:
    return EventRow(
        row["document_id"],
        row["seq"],
        row["at"],
        Stage(row["stage"]),
        row["outcome"],
        row["facts"],
        bytes(row["prior"]),
        bytes(row["hash"]),
        _join(str(row["generation"]), str(row["transaction"]), str(row["position"])),
    )


def _join(*parts: str) -> str:
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode().rstrip("=")


def _split(cursor: str, *counts: int) -> list[str]:
    try:
        parts = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode().split("|")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        parts = []
    if len(parts) not in counts or not all(parts):
        raise Malformed("the cursor is not one that we gave")
    return parts


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Malformed("the cursor is not one that we gave")
    return int(text)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as unreadable:
        raise Malformed("the cursor is not one that we gave") from unreadable


def _uuid(text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError as unreadable:
        raise Malformed("the cursor is not one that we gave") from unreadable
