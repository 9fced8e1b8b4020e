"""Writing the archive's index: one row for each document, in the transaction that read it, and made anew.

A tombstone erases the row, by a trigger of the database, so that no purge can forget it.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from gateway.sought import EDITION, Sought
from gateway.store.pool import Connection

NOTHING = Sought()
"""Of a document that could not be read: it is found by when it came, and by where it stands."""


_ROW = """
    insert into archive_index (account_id, document_id, accepted_at, day, issue_date, direction, participant,
        type_code, number, currency, total, cents, seller_name, buyer_name, refers_to, terms, edition)
    select account_id, document_id, created_at, coalesce(issue_date, (created_at at time zone 'UTC')::date),
           issue_date, direction, participant, type_code, number, currency, total,
           floor(greatest(least(total, 9e15), -9e15) * 100)::bigint, $2, $3, $4, $5, $6
    from document where document_id = $1
"""
"""The row of a document, from its own row and what it is found by."""


def _values(document_id: UUID, sought: Sought) -> tuple[Any, ...]:
    names = (sought.seller_name, sought.buyer_name)
    return (document_id, *names, dict(sought.references), list(sought.terms), EDITION)


async def enter(connection: Connection, document_id: UUID, sought: Sought) -> None:
    """Put a document into the index, in one statement: the line waits for it. One that is in it stays as it is."""
    await connection.execute(
        f"""
        with put as ({_ROW} on conflict do nothing returning account_id, document_id, terms)
        insert into archive_term (account_id, term, document_id)
        select account_id, unnest(terms), document_id from put on conflict do nothing
        """,  # noqa: S608
        *_values(document_id, sought),
    )


async def renew(connection: Connection, document_id: UUID, sought: Sought) -> None:
    """Make the row of a document anew, or make it. A document that was erased stays erased."""
    known = await connection.fetchrow(
        "select terms, erased_at from archive_index where document_id = $1 for update", document_id
    )
    if known is not None and known["erased_at"] is not None:
        return
    if known is not None:
        await connection.execute(
            "delete from archive_term where document_id = $1 and term = any($2)", document_id, known["terms"]
        )
    await connection.execute(
        f"""
        with put as ({_ROW}
            on conflict (account_id, document_id) do update set day = excluded.day, issue_date = excluded.issue_date,
                type_code = excluded.type_code, number = excluded.number, currency = excluded.currency,
                total = excluded.total, cents = excluded.cents, seller_name = excluded.seller_name,
                buyer_name = excluded.buyer_name, refers_to = excluded.refers_to, terms = excluded.terms,
                edition = excluded.edition
            returning account_id, document_id, terms)
        insert into archive_term (account_id, term, document_id)
        select account_id, unnest(terms), document_id from put on conflict do nothing
        """,  # noqa: S608
        *_values(document_id, sought),
    )


async def outdated(connection: Connection, after: UUID, limit: int) -> list[UUID]:
    """Documents whose row an older edition of the rules made, in the order of their ids, after one."""
    rows = await connection.fetch(
        """
        select document_id from archive_index where edition < $1 and erased_at is null and document_id > $2
        order by document_id limit $3
        """,
        EDITION,
        after,
        limit,
    )
    return [row["document_id"] for row in rows]


async def forget_edition(connection: Connection) -> int:
    """Have every row made anew: mark it as made by no edition. How many there are."""
    count: str = await connection.execute("update archive_index set edition = 0 where erased_at is null")
    return int(count.rpartition(" ")[2])
