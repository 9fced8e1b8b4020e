"""The next step of each document: claimed, extended, released.

Why our own table and not PgQueuer: its acknowledgement is written apart from the handler's transaction, a job taken
over from a dead worker keeps attempts = 0, and its row carries no fencing token that our commit could check. Here the
task row is the lock of its document: there is at most one, a claim raises `lease`, and `journal.commit` writes only
while that lease is still the one it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.lifecycle import Stage
from gateway.store.pool import Connection, Pool
from schemas.formats.cdar.vocabulary import STATUSES

LEASE = timedelta(seconds=20)
"""A claim that is not extended for so long may be taken by another worker."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run the next stage of one document."""

    account_id: UUID
    document_id: UUID
    stage: Stage
    """The stage to reach."""
    attempts: int
    """Tries of this stage, this one included."""
    lease: int
    """Fencing token."""
    network: str = ""
    """The queue it stands in: the network that is to take the document; empty: ours."""


async def claim(pool: Pool, now: datetime, limit: int) -> list[Claim]:
    """Take up to `limit` tasks that are due, of whatever queue, the longest overdue first, past those others hold."""
    async with pool.worker() as connection:
        rows = await connection.fetch(_CLAIM.format(due=_DUE), now, LEASE, limit)
    return [_claim(row) for row in rows]


async def claim_of(pool: Pool, now: datetime, room: Mapping[str, int]) -> list[Claim]:
    """The same, from each queue as many as there is room for: no queue waits for another."""
    async with pool.worker() as connection:
        rows = await connection.fetch(
            _CLAIM.format(due=_DUE_OF_QUEUES), now, LEASE, list(room), [max(0, free) for free in room.values()]
        )
    return [_claim(row) for row in rows]


_CLAIM = """
    update task set lease = lease + 1, leased_until = $1::timestamptz + $2::interval, attempts = attempts + 1,
        woken = false
    where (account_id, document_id) in ({due})
    returning account_id, document_id, stage, attempts, lease, network
"""
_DUE = """
    select account_id, document_id from task
    where due <= $1 and (leased_until is null or leased_until < $1)
    order by due limit $3 for update skip locked
"""
_DUE_OF_QUEUES = """
    select due.account_id, due.document_id
    from unnest($3::text[], $4::bigint[]) as queue (network, free) cross join lateral (
        select account_id, document_id from task
        where task.network = queue.network and due <= $1 and (leased_until is null or leased_until < $1)
        order by due limit queue.free for update skip locked) as due
"""


def _claim(row: Mapping[str, Any]) -> Claim:
    stage = Stage(row["stage"])
    return Claim(row["account_id"], row["document_id"], stage, row["attempts"], row["lease"], row["network"])


async def extend(pool: Pool, claims: list[Claim], now: datetime) -> None:
    """Keep claims for another LEASE while their stages run; those that were lost stay lost."""
    async with pool.worker() as connection:
        await connection.execute(
            """
            update task set leased_until = $1::timestamptz + $2::interval
            from unnest($3::uuid[], $4::bigint[]) as held (document_id, lease)
            where task.document_id = held.document_id and task.lease = held.lease
            """,
            now,
            LEASE,
            [claim.document_id for claim in claims],
            [claim.lease for claim in claims],
        )


async def release(pool: Pool, claim: Claim, due: datetime) -> None:
    """Give a claim back unworked, to be taken again at `due`."""
    async with pool.worker() as connection:
        await connection.execute(
            "update task set leased_until = null, due = $1 where document_id = $2 and lease = $3",
            due,
            claim.document_id,
            claim.lease,
        )


async def wake(connection: Connection, document_id: UUID, now: datetime) -> None:
    """Something came for the document: its next stage runs at once, or again when it is running now."""
    await connection.execute("update task set due = $2, woken = true where document_id = $1", document_id, now)


async def reopen(connection: Connection, document_id: UUID, now: datetime) -> None:
    """The same, and a document that was settled, or ended by what was said, is looked at again: what comes late has
    its event too."""
    await connection.execute(
        """
        insert into task (account_id, document_id, stage, due)
        select account_id, document_id, case stage when 'delivered' then 'acknowledged' else 'settled' end, $2
        from document where document_id = $1 and (
            (stage = 'settled' and halted is null)
            or (halted is not null and status = any($3) and stage in ('delivered', 'acknowledged', 'settled')))
        on conflict do nothing
        """,
        document_id,
        now,
        [status.name for status in STATUSES if status.ends],
    )
    await wake(connection, document_id, now)


async def claim_chore(pool: Pool, name: str, now: datetime, every: timedelta) -> bool:
    """Take a chore that is due for one run; nobody else gets it before `every` has passed."""
    async with pool.worker() as connection:
        mine = await connection.fetchval(
            """
            insert into chore (name, due) values ($1, $2::timestamptz + $3::interval)
            on conflict (name) do update set due = excluded.due where chore.due <= $2
            returning true
            """,
            name,
            now,
            every,
        )
    return bool(mine)


async def postpone_chore(pool: Pool, name: str, due: datetime) -> None:
    """Say when a chore that was claimed may run again."""
    async with pool.worker() as connection:
        await connection.execute("update chore set due = $2 where name = $1", name, due)


async def leave_alone(pool: Pool, name: str, until: datetime) -> None:
    """Say that a chore that was claimed may not run before; one that is due later stays so."""
    async with pool.worker() as connection:
        await connection.execute("update chore set due = greatest(due, $2) where name = $1", name, until)
