"""Webhooks: who is told of an account's events, what is still to be told, and what came of each attempt.

Messages are made from the feed in its order, at the place that each webhook keeps, in one transaction with moving it:
an event becomes one message of a webhook, never two, and none is passed over. A message is claimed with a lease, so
that of several gateways one posts it; after a crash it is posted again, under the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.errors import Conflict, NotFound, Restored
from gateway.store import documents
from gateway.store.documents import EventRow
from gateway.store.pool import Connection, Pool

LIMIT = 20
"""Webhooks of one account, those among them whose endpoint is gone."""
BATCH = 500
"""Events read for one webhook in one transaction."""
TOGETHER = 10
"""Messages of one webhook under way at once: a slow endpoint holds up its own alone."""
OF_ONE_ACCOUNT = 20
"""Messages of one account under way at once: the slow endpoints of one hold up no other's."""
LEASE = timedelta(seconds=60)
"""Longer than one attempt may take."""
NATIVE, AFNOR = "native", "afnor"
"""Faces of the API: our own, and XP Z12-013."""
KEPT = timedelta(days=30)
"""How long the delivery log goes back."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One endpoint and what it is told of."""

    id: UUID
    url: str
    events: tuple[str, ...]
    """Types of events, sorted."""
    description: str
    secret: int
    """Number of its secret."""
    overlap_until: datetime | None
    """Until when the secret before signs too."""
    created_at: datetime
    failures: int
    """Attempts in a row that found nobody."""
    ended: str | None
    """removed, or gone: its endpoint answered 410; None: in use."""
    waiting: int = 0
    """Messages that are still to be delivered."""
    face: str = NATIVE
    """Whose messages it is sent: NATIVE or AFNOR."""
    filter: Mapping[str, Any] = field(default_factory=dict)
    """Which flows it is told of, in the words of XP Z12-013."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message to post now, under a claim."""

    account_id: UUID
    webhook_id: UUID
    document_id: UUID
    seq: int
    attempts: int
    """Of this message, this one included."""
    lease: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver a message."""

    id: UUID
    at: datetime
    status: int | None
    """Of the answer; None: there was none."""
    reason: str
    """Why it did not succeed; empty: it did."""
    milliseconds: int


async def create(connection: Connection, account_id: UUID, webhook: Webhook) -> None:
    """Keep a new webhook; it is told of what happens from now on. Raises Conflict."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 24))", f"webhooks of {account_id}")
    if await connection.fetchval("select count(*) from webhook where ended is distinct from 'removed'") >= LIMIT:
        raise Conflict(f"an account has at most {LIMIT} webhooks; remove one that is not needed")
    await connection.execute(
        "insert into webhook (account_id, webhook_id, url, events, description, cursor, created_at, resume_at, face, "
        "filter) values ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)",
        account_id,
        webhook.id,
        webhook.url,
        list(webhook.events),
        webhook.description,
        await documents.newest(connection),
        webhook.created_at,
        webhook.face,
        dict(webhook.filter),
    )


async def listed(connection: Connection, face: str = NATIVE) -> Sequence[Webhook]:
    """The account's webhooks of a face that were not removed, the oldest first, each with what waits for it."""
    rows = await connection.fetch(
        """
        select w.*, (select count(*) from webhook_message m where m.account_id = w.account_id
                         and m.webhook_id = w.webhook_id and m.state = 'waiting') as waiting
        from webhook w where face = $1 and (ended_at is null or ended = 'gone') order by webhook_id
        """,
        face,
    )
    return [_webhook(row) for row in rows]


async def get(connection: Connection, webhook_id: UUID, face: str = NATIVE) -> Webhook:
    """One webhook of a face that was not removed. Raises NotFound."""
    found = next((one for one in await listed(connection, face) if one.id == webhook_id), None)
    if found is None:
        raise NotFound("there is no such webhook")
    return found


async def remove(connection: Connection, webhook_id: UUID, now: datetime, face: str = NATIVE) -> None:
    """Tell one of a face nothing any more; what was under way may still arrive. Raises NotFound."""
    await get(connection, webhook_id, face)
    await _changed(
        connection,
        "update webhook set ended = 'removed', ended_at = $2 "
        "where webhook_id = $1 and ended is distinct from 'removed'",
        webhook_id,
        now,
    )
    await connection.execute("delete from webhook_message where webhook_id = $1 and state = 'waiting'", webhook_id)


async def renew_secret(connection: Connection, webhook_id: UUID, overlap_until: datetime) -> Webhook:
    """Give it another secret; messages bear the former one's signature too until then. Raises NotFound."""
    await get(connection, webhook_id)
    await _changed(
        connection,
        "update webhook set secret = secret + 1, overlap_until = $2 where webhook_id = $1 and ended_at is null",
        webhook_id,
        overlap_until,
    )
    return await get(connection, webhook_id)


async def again(connection: Connection, webhook_id: UUID, now: datetime, message: tuple[UUID, int] | None) -> int:
    """Tell again: one message, or all that were given up; wakes an endpoint that was away or gone. Raises NotFound."""
    await get(connection, webhook_id)
    await _changed(
        connection,
        "update webhook set ended = null, ended_at = null, failures = 0, resume_at = $2 "
        "where webhook_id = $1 and ended is distinct from 'removed'",
        webhook_id,
        now,
    )
    document_id, seq = message or (None, None)
    rows = await connection.fetch(
        """
        update webhook_message set state = 'waiting', due = $2, made_at = $2, attempts = 0, leased_until = null
        where webhook_id = $1 and (document_id = $3 and seq = $4 or $3::uuid is null and state = 'given_up')
        returning seq
        """,
        webhook_id,
        now,
        document_id,
        seq,
    )
    if message is not None and not rows:
        raise NotFound("the webhook was not told of this event")
    return len(rows)


async def attempts(
    connection: Connection, webhook_id: UUID, before: UUID | None, limit: int
) -> tuple[list[tuple[Attempt, UUID, int]], bool]:
    """The delivery log, the newest first: attempt, document and event; and whether there is more."""
    rows = await connection.fetch(
        "select * from webhook_attempt where webhook_id = $1 and ($2::uuid is null or attempt_id < $2) "
        "order by attempt_id desc limit $3",
        webhook_id,
        before,
        limit + 1,
    )
    found = [(_attempt(row), row["document_id"], row["seq"]) for row in rows[:limit]]
    return found, len(rows) > limit


async def in_use(pool: Pool) -> Sequence[tuple[UUID, UUID]]:
    """Account and id of every webhook in use."""
    async with pool.worker() as connection:
        rows = await connection.fetch("select account_id, webhook_id from webhook where ended_at is null")
    return [(row["account_id"], row["webhook_id"]) for row in rows]


async def spread(
    pool: Pool, account_id: UUID, webhook_id: UUID, now: datetime, type_of: Callable[[EventRow], str]
) -> tuple[int, bool]:
    """Make the messages of the next events; tells how many, and whether there may be more."""
    async with pool.account(account_id) as connection:
        row = await connection.fetchrow(
            "select cursor, events from webhook where webhook_id = $1 and ended_at is null for update skip locked",
            webhook_id,
        )
        if row is None:
            return 0, False
        try:
            page = await documents.feed(connection, row["cursor"], BATCH)
        except Restored as restored:  # an older state of the database was put back: what it holds is told from there
            await _advance(connection, webhook_id, restored.cursor)
            return 0, True
        if not page.events:
            return 0, False
        told = [event for event in page.events if type_of(event) in row["events"]]
        await connection.executemany(
            "insert into webhook_message (account_id, webhook_id, document_id, seq, made_at, due, state) "
            "values ($1, $2, $3, $4, $5, $5, 'waiting') on conflict do nothing",
            [(account_id, webhook_id, event.document_id, event.seq, now) for event in told],
        )
        await _advance(connection, webhook_id, page.cursor)
    return len(told), page.more


async def claim(pool: Pool, now: datetime, limit: int) -> list[Claimed]:
    """Take messages that are due, past those that others hold: accounts by turns, the longest overdue first.

    Of one endpoint at most TOGETHER are under way, of one account at most OF_ONE_ACCOUNT.
    """
    async with pool.worker() as connection:
        rows = await connection.fetch(
            """
            update webhook_message m set lease = lease + 1, attempts = attempts + 1,
                leased_until = $1::timestamptz + $2::interval
            from (
                select account_id, webhook_id, document_id, seq from (
                    select w.account_id, w.webhook_id, d.document_id, d.seq, d.due, held.messages
                        + row_number() over (partition by w.account_id order by d.due, w.webhook_id) as turn
                    from webhook w
                    cross join lateral (
                        select count(*) as messages from webhook_message h
                        where h.account_id = w.account_id and h.state = 'waiting' and h.leased_until >= $1) held
                    cross join lateral (
                        select document_id, seq, due from webhook_message
                        where account_id = w.account_id and webhook_id = w.webhook_id and state = 'waiting'
                            and due <= $1 and (leased_until is null or leased_until < $1)
                        order by due
                        limit greatest(0, $3 - (
                            select count(*) from webhook_message h
                            where h.account_id = w.account_id and h.webhook_id = w.webhook_id
                                and h.state = 'waiting' and h.leased_until >= $1))) d
                    where w.ended_at is null and w.resume_at <= $1) waiting
                where turn <= $4 order by turn, due limit $5) due
            where (m.account_id, m.webhook_id, m.document_id, m.seq)
                = (due.account_id, due.webhook_id, due.document_id, due.seq)
                and m.state = 'waiting' and (m.leased_until is null or m.leased_until < $1)
            returning m.account_id, m.webhook_id, m.document_id, m.seq, m.attempts, m.lease, m.made_at
            """,
            now,
            LEASE,
            TOGETHER,
            OF_ONE_ACCOUNT,
            limit,
        )
    return [Claimed(*row.values()) for row in rows]


async def told(pool: Pool, claimed: Claimed) -> tuple[Webhook, EventRow] | None:
    """The webhook and the event of a claim; None when the webhook was removed meanwhile."""
    async with pool.account(claimed.account_id) as connection:
        row = await connection.fetchrow(
            "select *, 0 as waiting from webhook where webhook_id = $1 and ended_at is null", claimed.webhook_id
        )
        if row is None:
            return None
        return _webhook(row), await documents.event(connection, claimed.document_id, claimed.seq)


async def drop(pool: Pool, claimed: Claimed) -> None:
    """There is nothing to tell: the message is done with, unsent."""
    async with pool.account(claimed.account_id) as connection:
        await _leave(connection, claimed, "delivered", None)


async def settle(pool: Pool, claimed: Claimed, attempt: Attempt, again_at: datetime | None) -> None:
    """Write an attempt down: delivered when it has no reason, else due again, or given up when `again_at` is None.

    Nothing but the log is written when another gateway took the message over.
    """
    state = "delivered" if not attempt.reason else "waiting" if again_at else "given_up"
    async with pool.account(claimed.account_id) as connection:
        await connection.execute(
            "insert into webhook_attempt (account_id, webhook_id, attempt_id, document_id, seq, at, status, reason, "
            "milliseconds) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            claimed.account_id,
            claimed.webhook_id,
            attempt.id,
            claimed.document_id,
            claimed.seq,
            attempt.at,
            attempt.status,
            attempt.reason,
            attempt.milliseconds,
        )
        await _leave(connection, claimed, state, again_at)


async def _leave(connection: Connection, claimed: Claimed, state: str, again_at: datetime | None) -> None:
    await connection.execute(
        "update webhook_message set state = $5, due = coalesce($6, due), leased_until = null "
        "where webhook_id = $1 and document_id = $2 and seq = $3 and lease = $4",
        claimed.webhook_id,
        claimed.document_id,
        claimed.seq,
        claimed.lease,
        state,
        again_at,
    )


async def found(connection: Connection, webhook_id: UUID) -> None:
    """Its endpoint answers."""
    await connection.execute("update webhook set failures = 0 where webhook_id = $1 and failures > 0", webhook_id)


async def away(connection: Connection, webhook_id: UUID, tried_at: datetime, resume_at: datetime) -> None:
    """Its endpoint does not answer, or asks to be left alone: post nothing before `resume_at`.

    Attempts that were under way together count as one.
    """
    await connection.execute(
        "update webhook set failures = failures + 1, resume_at = $3 where webhook_id = $1 and resume_at <= $2",
        webhook_id,
        tried_at,
        resume_at,
    )


async def gone(connection: Connection, webhook_id: UUID, now: datetime) -> None:
    """Its endpoint says that it is no more (410)."""
    await connection.execute(
        "update webhook set ended = 'gone', ended_at = $2 where webhook_id = $1 and ended_at is null", webhook_id, now
    )


async def forget(pool: Pool, account_id: UUID, now: datetime) -> None:
    """Drop what is older than the log goes back; what still waits stays."""
    async with pool.account(account_id) as connection:
        await connection.execute("delete from webhook_attempt where at < $1", now - KEPT)
        await connection.execute(
            "delete from webhook_message where state <> 'waiting' and made_at < $1 and due < $1", now - KEPT
        )


async def _advance(connection: Connection, webhook_id: UUID, cursor: str) -> None:
    await connection.execute("update webhook set cursor = $2 where webhook_id = $1", webhook_id, cursor)


async def _changed(connection: Connection, statement: str, webhook_id: UUID, at: datetime) -> None:
    """Run an update of one webhook. Raises NotFound when there was none."""
    if await connection.execute(statement, webhook_id, at) == "UPDATE 0":
        raise NotFound("there is no such webhook")


def _webhook(row: Mapping[str, Any]) -> Webhook:
    return Webhook(
        row["webhook_id"],
        row["url"],
        tuple(row["events"]),
        row["description"],
        row["secret"],
        row["overlap_until"],
        row["created_at"],
        row["failures"],
        row["ended"],
        row["waiting"],
        row["face"],
        row["filter"],
    )


def _attempt(row: Mapping[str, Any]) -> Attempt:
    return Attempt(row["attempt_id"], row["at"], row["status"], row["reason"], row["milliseconds"])
