"""What came from others: where from, whose it is, whether the same came before. Read here, written by the journal.

An arrival makes one document for ever, by the network's own id of it. The same bytes under another id, and another
document under the same seller, number, type and year, are kept as documents of their own that end as duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from uuid import UUID

from gateway.store.pool import Connection, Pool
from schemas.finding import Finding, Severity

RECEIVED_TWICE = "a duplicate: this invoice came before"
"""The reason of the halt of an invoice that came before."""
RECEIVED_TWICE_RULE = "HOUSE-RECEIVED-TWICE"
"""Rule id of its finding."""


@dataclass(frozen=True, slots=True)
class Came:
    """Where an inbound document came from, and how a status message names it."""

    network: str
    """Name of the adapter, or api."""
    network_id: str
    """Of the arrival, the network's own: the same for ever."""
    seller: str = ""
    """SIREN, or other identifier; empty, as the next ones, where it could not be read."""
    number: str = ""
    type_code: str = ""
    issue_date: date | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The document that an arrival became."""

    account_id: UUID
    document_id: UUID


async def taken(pool: Pool, network: str, network_id: str) -> Taken | None:
    """What an arrival became, in whatever account; None when it was not taken yet."""
    async with pool.worker() as connection:
        row = await connection.fetchrow(
            "select account_id, document_id from inbound where network = $1 and network_id = $2", network, network_id
        )
    return Taken(row["account_id"], row["document_id"]) if row else None


async def accounts_of(pool: Pool, siren: str) -> list[UUID]:
    """The accounts that act for a legal entity; more than one is no answer."""
    async with pool.worker() as connection:
        rows = await connection.fetch("select account_id from participant where siren = $1 order by account_id", siren)
    return [row["account_id"] for row in rows]


async def came(connection: Connection, network: str, network_id: str) -> UUID | None:
    """The account's document that an arrival became; None when it was not taken yet."""
    found: UUID | None = await connection.fetchval(
        "select document_id from inbound where network = $1 and network_id = $2", network, network_id
    )
    return found


async def same_bytes(connection: Connection, data: bytes) -> UUID | None:
    """The account's first inbound document of these bytes; two that come at once are looked at one after the other."""
    digest = sha256(data).digest()
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", digest.hex())
    first: UUID | None = await connection.fetchval(
        "select document_id from inbound where sha256 = $1 order by document_id limit 1", digest
    )
    return first


async def enter(connection: Connection, account_id: UUID, document_id: UUID, came: Came, data: bytes) -> None:
    """Write down where a document came from, in the transaction of its admission."""
    await connection.execute(
        """
        insert into inbound (account_id, document_id, network, network_id, sha256,
                             seller, number, type_code, issue_date)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        *(account_id, document_id, came.network, came.network_id, sha256(data).digest()),
        *(came.seller or None, came.number or None, came.type_code or None, came.issue_date),
    )


def received_twice(first: str) -> Finding:
    """What is wrong with an invoice that came before, as the document `first`."""
    return Finding(
        rule=RECEIVED_TWICE_RULE,
        severity=Severity.FATAL,
        layer="house",
        says="An invoice of this seller, number, type and year came before; this one is not to be paid again.",
        terms=("BT-1", "BT-2", "BT-3"),
        fix=f"Look at document {first}; if the seller means another invoice, it needs a number of its own.",
    )
