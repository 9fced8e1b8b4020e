"""Legal holds: what one meets is not purged while it is in force, whoever asks and whenever the period ended.

A hold is set with a reason and a day on which it is looked at again, and released by somebody else than who set it. It
is in force when it is set. Setting and releasing one are events of every document it meets at that time; they are
written in pages, the first at once and the others by a chore (`tell`). Later documents it holds as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from gateway.errors import Conflict, Forbidden, Malformed, NotFound
from gateway.lifecycle import Said, Stage
from gateway.sought import identifier
from gateway.store import journal
from gateway.store.pool import Connection, Pool

REASONS = ("dispute", "tax_audit", "court", "investigation", "other")
REFERENCE = re.compile(r"[A-Za-z0-9._/-]{0,60}")
"""A case's number, as events may hold it: no person's name."""
REFERENCE_SAYS = "at most 60 letters, digits, dots, dashes, underscores and slashes"

SCANNED = 1_000
"""Documents that are looked at in one transaction."""
AT_ONCE = 5
"""Such transactions before whoever sets or releases a hold gets an answer."""
_LOCK = 727_277
_FIRST = UUID(int=0)
"""Before every document."""
_ROW = """
    select h.*, coalesce(t.told, 0) as told, t.told_after, t.release_after
    from hold h left join hold_telling t using (account_id, hold_id)
"""
"""A hold with how far it has told."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a hold meets: whatever fits all criteria that are given. None: any."""

    document_id: UUID | None = None
    party: str | None = None
    """Identifier of seller or buyer."""
    issued_from: date | None = None
    issued_until: date | None = None
    """Inclusive."""
    everything: bool = False
    """It is meant to have no criterion."""

    @property
    def limited(self) -> bool:
        """Whether it has a criterion."""
        return any(one is not None for one in (self.document_id, self.party, self.issued_from, self.issued_until))


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
    told: int = 0
    """Documents that have the event that it was set."""
    goes_on: bool = False
    """Documents are still being told that it was set or released."""


async def serialize(connection: Connection, account_id: UUID) -> None:
    """Until the end of the transaction no other sets a hold on, or purges, documents of the account."""
    await connection.execute("select pg_advisory_xact_lock($1, hashtext($2))", _LOCK, str(account_id))


async def place(pool: Pool, account_id: UUID, hold: Hold) -> Hold:
    """Set a hold, in force from now on; with how many documents it has told. Raises Malformed, NotFound."""
    if hold.reason not in REASONS:
        raise Malformed(f"the reason of a hold is one of {', '.join(REASONS)}")
    if not REFERENCE.fullmatch(hold.reference):
        raise Malformed(f"a reference has {REFERENCE_SAYS}")
    if hold.review_on <= hold.set_at.date():
        raise Malformed("the day on which a hold is looked at again is in the future")
    if hold.scope.limited == hold.scope.everything:
        raise Malformed("a hold has a document, a party or a period, or says that it is on everything (all), not both")
    if hold.scope.party is not None and not identifier(hold.scope.party):
        raise Malformed("the identifier of a party has letters or digits")
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
        await connection.execute(
            "insert into hold_telling (account_id, hold_id, told_after) values ($1, $2, $3)",
            *(account_id, hold.id, _FIRST),
        )
    return await tell(pool, account_id, hold.id, AT_ONCE)


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
        await connection.execute(
            "insert into hold_telling (account_id, hold_id, release_after) values ($1, $2, $3) "
            "on conflict (account_id, hold_id) do update set release_after = excluded.release_after",
            *(account_id, hold_id, _FIRST),
        )
    return await tell(pool, account_id, hold_id, AT_ONCE)


async def listed(connection: Connection, *, in_force: bool = False) -> tuple[Hold, ...]:
    """The account's holds, the newest first; with `in_force` those that are not released."""
    rows = await connection.fetch(
        f"{_ROW} where not $1 or released_at is null order by hold_id desc",
        in_force,
    )
    return tuple(_hold(row) for row in rows)


async def on(connection: Connection, document_id: UUID) -> tuple[UUID, ...]:
    """The holds in force that meet a document."""
    rows = await connection.fetch(
        """
        select h.hold_id from hold h, document d
        where d.document_id = $1 and h.released_at is null and hold_meets(h, d)
        order by 1
        """,
        document_id,
    )
    return tuple(row["hold_id"] for row in rows)


async def unfinished(connection: Connection) -> tuple[UUID, ...]:
    """Holds of the account whose documents are not all told yet, the oldest first."""
    rows = await connection.fetch(
        "select hold_id from hold_telling where told_after is not null or release_after is not null order by hold_id"
    )
    return tuple(row["hold_id"] for row in rows)


async def tell(pool: Pool, account_id: UUID, hold_id: UUID, most: int) -> Hold:
    """Write the events that a hold was set, then that it was released, for at most so many pages of documents.

    Each page is one transaction with the place that was reached: nobody is told twice, whoever goes on.
    """
    pages = 0
    while True:
        async with pool.account(account_id) as connection:
            await connection.execute("select from hold where hold_id = $1 for no key update", hold_id)
            row = await connection.fetchrow(f"{_ROW} where hold_id = $1", hold_id)
            hold = _hold(row)
            if not hold.goes_on or pages == most:
                return hold
            if row["told_after"] is not None:
                await _page(connection, row, "told_after", _set(row))
            else:
                await _page(connection, row, "release_after", _released(row))
        pages += 1


async def _page(connection: Connection, row: Connection, reached: str, said: Said) -> None:
    """Tell the documents of one page that the hold meets, and where that got to."""
    seen = await connection.fetch(
        """
        select d.document_id, hold_meets(h, d) as met from hold h, (
            select * from document where document_id > $2 and ($3::uuid is null or document_id = $3)
                and created_at <= $4 and purged_at is null order by document_id limit $5) as page
        join document d using (document_id) where h.hold_id = $1 order by d.document_id
        """,
        *(row["hold_id"], row[reached], row["document_id"], said.at, SCANNED),
    )
    met = [one["document_id"] for one in seen if one["met"]]
    for document_id in met:
        await journal.record(connection, row["account_id"], document_id, [said])
    after = seen[-1]["document_id"] if len(seen) == SCANNED else None
    await connection.execute(
        f"update hold_telling set {reached} = $2, told = told + $3 where hold_id = $1",  # noqa: S608 - one of two columns
        *(row["hold_id"], after, len(met) if reached == "told_after" else 0),
    )


def _set(row: Connection) -> Said:
    facts = {"hold": str(row["hold_id"]), "reason": row["reason"], "reference": row["reference"], "by": row["set_by"],
             "review_on": row["review_on"].isoformat()}  # fmt: skip
    return Said(row["set_at"], Stage.RECEIVED, "held", facts, ())


def _released(row: Connection) -> Said:
    facts = {"hold": str(row["hold_id"]), "by": row["released_by"], "reference": row["release_reference"] or ""}
    return Said(row["released_at"], Stage.RECEIVED, "released", facts, ())


def _hold(row: Connection) -> Hold:
    limits = (row["document_id"], row["party"], row["issued_from"], row["issued_until"])
    names = ("reason", "reference", "review_on", "set_by", "set_at", "released_by", "released_at", "told")
    goes_on = row["told_after"] is not None or row["release_after"] is not None
    scope = Scope(*limits, everything=all(one is None for one in limits))
    return Hold(row["hold_id"], scope, **{name: row[name] for name in names}, goes_on=goes_on)
