"""Legal holds: what one meets is not purged while it is in force, whoever asks and whenever the period ended.

A hold is set with a reason and a day on which it is looked at again, and released by somebody else than who set it.
Setting and releasing one are events of every document it meets at that time; later documents it holds as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from gateway.errors import Conflict, Forbidden, Malformed, NotFound
from gateway.lifecycle import Said, Stage
from gateway.store import journal
from gateway.store.pool import Connection, Pool

REASONS = ("dispute", "tax_audit", "court", "investigation", "other")
REFERENCE = re.compile(r"[A-Za-z0-9._/-]{0,60}")
"""A case's number, as events may hold it: no person's name."""
REFERENCE_SAYS = "at most 60 letters, digits, dots, dashes, underscores and slashes"

_BATCH = 200
_LOCK = 727_277


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold meets: whatever fits all criteria that are given. None: any."""

    document_id: UUID | None = None
    party: str | None = None
    """Identifier of seller or buyer."""
    issued_from: date | None = None
    issued_until: date | None = None
    """Inclusive."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it is kept."""

    id: UUID
    scope: Scope
    reason: str
    reference: str
    review_on: date
    set_by: str
    set_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None


async def serialize(connection: Connection, account_id: UUID) -> None:
    """Until the end of the transaction no other sets a hold on, or purges, documents of the account."""
    await connection.execute("select pg_advisory_xact_lock($1, hashtext($2))", _LOCK, str(account_id))


async def place(pool: Pool, account_id: UUID, hold: Hold) -> int:
    """Set a hold; how many documents it meets now. Raises Malformed, NotFound when its document is not there."""
    if hold.reason not in REASONS:
        raise Malformed(f"the reason of a hold is one of {', '.join(REASONS)}")
    if not REFERENCE.fullmatch(hold.reference):
        raise Malformed(f"a reference has {REFERENCE_SAYS}")
    if hold.review_on <= hold.set_at.date():
        raise Malformed("the day on which a hold is looked at again is in the future")
    async with pool.account(account_id) as connection:
        await serialize(connection, account_id)
        if hold.scope.document_id is not None and not await connection.fetchval(
            "select exists (select from document where document_id = $1)", hold.scope.document_id
        ):
            raise NotFound("there is no such document")
        await connection.execute(
            """
            insert into hold (account_id, hold_id, document_id, party, issued_from, issued_until, reason, reference,
                              review_on, set_by, set_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
            """,
            *(account_id, hold.id, hold.scope.document_id, hold.scope.party),
            *(hold.scope.issued_from, hold.scope.issued_until, hold.reason, hold.reference),
            *(hold.review_on, hold.set_by, hold.set_at),
        )
    facts = {"hold": str(hold.id), "reason": hold.reason, "reference": hold.reference, "by": hold.set_by,
             "review_on": hold.review_on.isoformat()}  # fmt: skip
    return await _tell(pool, account_id, hold.scope, Said(hold.set_at, Stage.RECEIVED, "held", facts, ()))


async def release(pool: Pool, account_id: UUID, hold_id: UUID, *, by: str, at: datetime, reference: str = "") -> Hold:
    """Release a hold. Raises NotFound, Conflict when it is released already, Forbidden for who set it."""
    if not REFERENCE.fullmatch(reference):
        raise Malformed(f"a reference has {REFERENCE_SAYS}")
    async with pool.account(account_id) as connection:
        row = await connection.fetchrow("select * from hold where hold_id = $1 for no key update", hold_id)
        if row is None:
            raise NotFound("there is no such hold")
        if row["released_at"] is not None:
            raise Conflict("the hold was released already")
        if row["set_by"] == by:
            raise Forbidden("a hold is released by somebody else than who set it")
        await connection.execute(
            "update hold set released_by = $2, released_at = $3, release_reference = $4 where hold_id = $1",
            *(hold_id, by, at, reference),
        )
    hold = _hold({**dict(row), "released_by": by, "released_at": at})
    facts = {"hold": str(hold_id), "by": by, "reference": reference}
    await _tell(pool, account_id, hold.scope, Said(at, Stage.RECEIVED, "released", facts, ()))
    return hold


async def listed(connection: Connection, *, in_force: bool = False) -> tuple[Hold, ...]:
    """The account's holds, the newest first; with `in_force` those that are not released."""
    rows = await connection.fetch(
        "select * from hold where not $1 or released_at is null order by hold_id desc", in_force
    )
    return tuple(_hold(dict(row)) for row in rows)


async def on(connection: Connection, document_id: UUID) -> tuple[UUID, ...]:
    """The holds in force that meet a document."""
    rows = await connection.fetch(
        """
        select h.hold_id from hold h, document d where d.document_id = $1 and h.released_at is null
            and (h.document_id is null or h.document_id = d.document_id)
            and (h.party is null or h.party in (d.seller, d.buyer))
            and (h.issued_from is null or coalesce(d.issue_date, d.created_at::date) >= h.issued_from)
            and (h.issued_until is null or coalesce(d.issue_date, d.created_at::date) <= h.issued_until)
        order by 1
        """,
        document_id,
    )
    return tuple(row["hold_id"] for row in rows)


async def _tell(pool: Pool, account_id: UUID, scope: Scope, said: Said) -> int:
    """Write an event for each document that a hold meets now, a batch at a time; how many."""
    told, after = 0, UUID(int=0)
    while True:
        async with pool.account(account_id) as connection:
            rows = await connection.fetch(
                """
                select document_id from document where document_id > $1 and purged_at is null
                    and ($2::uuid is null or document_id = $2) and ($3::text is null or $3 in (seller, buyer))
                    and ($4::date is null or coalesce(issue_date, created_at::date) >= $4)
                    and ($5::date is null or coalesce(issue_date, created_at::date) <= $5)
                order by document_id limit $6
                """,
                *(after, scope.document_id, scope.party, scope.issued_from, scope.issued_until, _BATCH),
            )
            for row in rows:
                await journal.record(connection, account_id, row["document_id"], [said])
        told += len(rows)
        if len(rows) < _BATCH:
            return told
        after = rows[-1]["document_id"]


def _hold(row: Connection) -> Hold:
    scope = Scope(row["document_id"], row["party"], row["issued_from"], row["issued_until"])
    told = {name: row[name] for name in ("reason", "reference", "review_on", "set_by", "set_at")}
    return Hold(row["hold_id"], scope, **told, released_by=row["released_by"], released_at=row["released_at"])
