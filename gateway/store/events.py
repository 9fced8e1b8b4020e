"""Events of documents: chained to the one before, and written with what they keep. Only the journal writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from gateway.lifecycle import Facts, Kept, Said, Stage, event_body
from gateway.store import contents, tree
from gateway.store.pool import Connection
from signing.chain import link


@dataclass(frozen=True, slots=True)
class Event:
    """One event before it is written."""

    seq: int
    at: datetime
    stage: Stage
    outcome: str
    facts: Facts
    keep: tuple[Kept, ...]
    prior: bytes
    hash: bytes


def chained(
    prior: bytes,
    version: int,
    *,
    document_id: UUID,
    said: Sequence[tuple[datetime, Stage, str, Facts, tuple[Kept, ...]]],
) -> list[Event]:
    """The next events of a document, each chained to the one before. `said`: when, at which stage, what, contents."""
    events = []
    for offset, (at, stage, outcome, facts, keep) in enumerate(said, start=1):
        entries = tuple(_entry(kept) for kept in keep)
        body = event_body(document_id, version + offset, Said(at, stage, outcome, facts, entries))
        digest = link(prior, body)
        events.append(Event(version + offset, at, stage, outcome, facts, keep, prior, digest))
        prior = digest
    return events


def _entry(kept: Kept) -> tuple[str, str]:
    """Role and hash of a kept content, as the event's hash covers them."""
    return str(kept.role), sha256(kept.data).hexdigest()


async def append(connection: Connection, account_id: UUID, document_id: UUID, events: Sequence[Event]) -> None:
    """Write events with the contents they keep and their leaves of the tree, inside the caller's transaction."""
    kept = [(event.seq, item, sha256(item.data).digest()) for event in events for item in event.keep]
    if kept:
        await contents.put(connection, account_id, [item for _, item, _ in kept])
    await connection.execute(
        """
        insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash)
        select $1, $2, * from unnest($3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::jsonb[],
                                     $8::bytea[], $9::bytea[])
        """,
        account_id,
        document_id,
        [event.seq for event in events],
        [event.at for event in events],
        [event.stage for event in events],
        [event.outcome for event in events],
        [dict(event.facts) for event in events],
        [event.prior for event in events],
        [event.hash for event in events],
    )
    await tree.plant(connection, account_id, document_id, [(e.seq, e.at, e.hash) for e in events])
    if kept:
        await connection.execute(
            """
            insert into entry (account_id, document_id, seq, role, sha256)
            select $1, $2, * from unnest($3::bigint[], $4::text[], $5::bytea[]) on conflict do nothing
            """,
            account_id,
            document_id,
            [seq for seq, _, _ in kept],
            [item.role for _, item, _ in kept],
            [digest for _, _, digest in kept],
        )
