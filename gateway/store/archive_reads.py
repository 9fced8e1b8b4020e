"""Who read in the archive: when, what was asked for, how much was shown, and why. Append-only.

A reading is evidence of access, and says who looked: it is kept as long as the documents that could be read then, and
deleted with a trace of it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.errors import Malformed
from gateway.store.pool import Connection, Pool

SEARCH, CSV, ZIP, TAX_AUDIT, DOCUMENT = "search", "csv", "zip", "tax_audit", "document"
"""What may be read: a page of a search, an export in one of three forms, one document."""

PAGE_LIMIT = 200
_AT_ONCE = 5_000
"""Readings that are deleted in one transaction."""


@dataclass(frozen=True, slots=True)
class Read:
    """One reading."""

    id: UUID
    """New, sorts by time."""
    at: datetime
    who: str
    """Public id of the credential, or `operator:` and the account of the machine."""
    what: str
    query: Mapping[str, Any]
    """What was asked for, in the words of the API."""
    found: int
    """Documents shown."""
    whole: bool
    """Whether that was all; an export that broke off, or a page that others follow, is not."""
    reason: str
    """Why, one of `gateway.api.access.REASONS`; empty: none was given."""
    reference: str = ""
    """A case's number."""


async def record(connection: Connection, account_id: UUID, read: Read) -> None:
    """Write a reading down, inside the transaction that answers it."""
    await connection.execute(
        """
        insert into archive_read (account_id, read_id, at, who, what, query, found, whole, reason,
                                  reference)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        account_id,
        read.id,
        read.at,
        read.who,
        read.what,
        dict(read.query),
        read.found,
        read.whole,
        read.reason,
        read.reference,
    )


async def page(connection: Connection, after: str | None, limit: int) -> tuple[tuple[Read, ...], str | None]:
    """Readings of the account, newest first, and the cursor of the next page (None at the end). Raises Malformed."""
    rows = await connection.fetch(
        """
        select read_id as id, at, who, what, query, found, whole, reason, reference from archive_read
        where ($1::uuid is null or read_id < $1) order by read_id desc limit $2
        """,
        None if after is None else _read_cursor(after),
        limit + 1,
    )
    found = tuple(Read(**dict(row)) for row in rows[:limit])
    return found, _cursor(found[-1].id) if len(rows) > limit else None


async def end(pool: Pool, account_id: UUID, until: datetime, law: str, now: datetime) -> int:
    """Delete the account's readings up to an instant, some at a time; how many went. That they did is written down."""
    async with pool.account(account_id) as connection:
        oldest = await connection.fetchval("select at from archive_read order by read_id limit 1")
        if oldest is None or oldest > until:
            return 0
        await connection.execute(
            "insert into archive_read_ended (account_id, until_at, ended_at, law) values ($1, $2, $3, $4) "
            "on conflict do nothing",
            *(account_id, until, now, law),
        )
    gone = 0
    while True:
        async with pool.account(account_id) as connection:
            await connection.execute("select set_config('role', 'estafette_keeper', true)")
            told: str = await connection.execute(
                "delete from archive_read where read_id in (select read_id from archive_read where at <= $1 "
                "order by read_id limit $2)",
                *(until, _AT_ONCE),
            )
        gone += (some := int(told.rpartition(" ")[2]))
        if some < _AT_ONCE:
            return gone


def _cursor(identifier: UUID) -> str:
    return base64.urlsafe_b64encode(identifier.bytes).decode().rstrip("=")


def _read_cursor(cursor: str) -> UUID:
    try:
        identifier = UUID(bytes=base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError) as unreadable:
        raise Malformed("the cursor is not one that we gave") from unreadable
    if _cursor(identifier) != cursor:
        raise Malformed("the cursor is not one that we gave")
    return identifier
