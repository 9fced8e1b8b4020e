"""The end of a document: announced, then purged with a tombstone, unless something keeps it.

The tombstone is an event: it names the class, the law, who, and the hash of each content that is destroyed, so that an
audit expects the hole and finds any other. The document's row loses its parties and amounts; number, type and date stay
with the tombstone, and so do all events, receipts' hashes and proofs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from gateway.errors import Conflict
from gateway.lifecycle import Said, Stage
from gateway.periods import DocumentClass, Policy
from gateway.store import contents, holds, journal
from gateway.store.pool import Connection, Pool

PAGE = 500


@dataclass(frozen=True, slots=True)
class Candidate:
    """A document as its retention sees it."""

    id: UUID
    kind: DocumentClass
    number: str | None
    issued: date | None
    received: date
    purge_on: date | None
    """Announced for; None: not announced."""
    under_way: bool
    """Its line has not ended."""
    held: bool


async def policy(connection: Connection) -> Policy:
    """What the account has set, or what stands without that."""
    row = await connection.fetchrow("select country, year_ends, invoice_years, active_days from retention_policy")
    return Policy(**dict(row)) if row else Policy()


async def set_policy(connection: Connection, account_id: UUID, wanted: Policy, now: datetime) -> None:
    """Set the account's policy; documents that were announced under the one before are announced anew."""
    await connection.execute(
        """
        insert into retention_policy (account_id, country, year_ends, invoice_years, active_days, updated_at)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (account_id) do update set country = excluded.country, year_ends = excluded.year_ends,
            invoice_years = excluded.invoice_years, active_days = excluded.active_days, updated_at = excluded.updated_at
        """,
        *(account_id, wanted.country, wanted.year_ends, wanted.invoice_years, wanted.active_days, now),
    )
    await connection.execute("update document set purge_on = null where purge_on is not null and purged_at is null")


async def candidates(
    connection: Connection, *, invoices_before: datetime, refused_before: datetime, after: UUID, limit: int = PAGE
) -> tuple[Candidate, ...]:
    """Documents that came before these instants and are not purged, in the order of their ids, after one.

    The row finds them; when they came is what their first event says, whatever the row was changed to.
    """
    rows = await connection.fetch(
        """
        select * from (
            select d.document_id, d.number, d.issue_date, first.at, d.purge_on,
                   exists (select from task t where t.document_id = d.document_id) as under_way,
                   exists (select from hold h where h.released_at is null and hold_meets(h, d)) as held,
                   d.halted is not null and d.direction = 'outbound'
                       and d.stage not in ('delivered', 'acknowledged', 'settled')
                       and not exists (select from event e where e.document_id = d.document_id
                                       and e.stage = 'delivered') as refused
            from document d join event first on first.document_id = d.document_id and first.seq = 1
            where d.document_id > $3 and d.purged_at is null and d.created_at < $2 and first.at < $2
              and (d.halted is not null or d.created_at < $1)
        ) as found
        where refused or at < $1
        order by document_id limit $4
        """,
        *(invoices_before, refused_before, after, limit),
    )
    return tuple(
        Candidate(
            row["document_id"],
            DocumentClass.REFUSED if row["refused"] else DocumentClass.INVOICE,
            row["number"],
            row["issue_date"],
            row["at"].date(),
            row["purge_on"],
            row["under_way"],
            row["held"],
        )
        for row in rows
    )


async def announce(pool: Pool, account_id: UUID, document_id: UUID, purge_on: date, said: Said) -> None:
    """Tell the account, by an event, from when on a document's contents will be destroyed."""
    async with pool.account(account_id) as connection:
        await journal.record(connection, account_id, document_id, [said])
        await connection.execute("update document set purge_on = $2 where document_id = $1", document_id, purge_on)


async def purge(
    pool: Pool, account_id: UUID, document_id: UUID, facts: Mapping[str, Any], now: datetime
) -> tuple[str, ...]:
    """Write the tombstone and destroy what only this document has; the hashes of what went. Raises Conflict.

    It looks again, under a lock, whether something keeps the document: a hold that came meanwhile wins. What decides is
    believed only where the events say it too: a row that was changed in the database alone destroys nothing.
    """
    async with pool.account(account_id) as connection:
        await holds.serialize(connection, account_id)
        row = await connection.fetchrow(
            """
            select purge_on, purged_at, exists (select from task t where t.document_id = d.document_id) as under_way,
                   (select (e.facts->>'purge_on')::date from event e where e.document_id = d.document_id
                        and e.outcome = 'announced' order by e.seq desc limit 1) as announced,
                   exists (select from event e where e.document_id = d.document_id and e.seq = 1
                               and e.at = d.created_at) as came
            from document d where document_id = $1 for no key update
            """,
            document_id,
        )
        if row is None or row["purged_at"] is not None or row["under_way"]:
            raise Conflict("the document is purged already, or its line has not ended")
        if row["purge_on"] is None or row["purge_on"] > now.date():
            raise Conflict("the purge of the document is not announced, or its day has not come")
        if row["announced"] != row["purge_on"]:
            raise Conflict("no event announces the purge of the document for the day that its row names")
        if not row["came"]:
            raise Conflict("the document did not come when its row says: its first event names another time")
        if await holds.on(connection, document_id):
            raise Conflict("the document is held")
        every = await connection.fetch("select distinct sha256 from entry where document_id = $1", document_id)
        await contents.alone(connection, [bytes(entry["sha256"]) for entry in every])
        alone, shared = await _contents(connection, document_id)
        tombstone = {**facts, "contents": [one.hex() for one in alone], "shared": [one.hex() for one in shared]}
        await journal.record(connection, account_id, document_id, [Said(now, Stage.RECEIVED, "purged", tombstone, ())])
        await connection.execute(
            """
            update document set purged_at = $2, buyer = null, buyer_scheme = null, buyer_address = null, total = null,
                amount_due = null, due_date = null where document_id = $1
            """,
            *(document_id, now),
        )
        await connection.execute("update arrival set data = '', refused = '[]' where document_id = $1", document_id)
        await contents.destroy(connection, alone, now)
    return tuple(one.hex() for one in alone)


async def _contents(connection: Connection, document_id: UUID) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """The contents that go with a document, and those that an order or another document, not purged, has too."""
    rows = await connection.fetch(
        """
        select sha256, exists (
                   select from entry o where o.sha256 = n.sha256 and o.document_id <> $1 and not exists (
                       select from event e where e.document_id = o.document_id and e.outcome = 'purged'))
               or exists (select from purchase_order p where p.sha256 = n.sha256) as shared
        from (select distinct sha256 from entry where document_id = $1) as n order by sha256
        """,
        document_id,
    )
    return (
        [bytes(row["sha256"]) for row in rows if not row["shared"]],
        [bytes(row["sha256"]) for row in rows if row["shared"]],
    )


async def tombstone(connection: Connection, document_id: UUID) -> dict[str, Any]:
    """What is left of a purged document, as its event tells it; empty when it is not purged."""
    row = await connection.fetchrow(
        "select at, seq, facts, hash from event where document_id = $1 and outcome = 'purged' order by seq limit 1",
        document_id,
    )
    if row is None:
        return {}
    return {"at": row["at"].isoformat(), "event": row["seq"], "hash": bytes(row["hash"]).hex(), **row["facts"]}


async def note_reading(
    connection: Connection, account_id: UUID, document_id: UUID, facts: Mapping[str, Any], now: datetime
) -> None:
    """Write who read a document of the restricted archive, and why."""
    await journal.record(connection, account_id, document_id, [Said(now, Stage.RECEIVED, "read", facts, ())])


async def ended(connection: Connection, document_id: UUID) -> bool:
    """Whether the line of a document has ended."""
    return not await connection.fetchval("select exists (select from task where document_id = $1)", document_id)
