"""What networks bring: tied to its document and stored once for ever, before anything is made of it.

What cannot be tied to a document, or an invoice to an account, is a stray: kept, counted, tried again at each
collection. A person assigns an invoice to an account, or drops a stray with a reason; dropped ones stay too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from adapters.port import Arrival, ArrivalKind
from gateway.errors import NotFound
from gateway.store import tasks
from gateway.store.pool import Pool
from schemas.finding import Finding

OUTBOUND, INBOUND = "outbound", "inbound"
"""The directions of a document."""

ID_LIMIT = 500
"""Characters of a network's id that are kept as they are where the whole could not be stored."""


_REPORTED_BY = {"drop": ("mail",), "sftp": ("mail",)}
"""Networks that bring what is said of consignments of others: a mail server may drop its reports into a folder."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The document an arrival speaks about."""

    account_id: UUID
    document_id: UUID


async def cursor(pool: Pool, network: str) -> str | None:
    """Where the collecting from a network stands; None at its beginning."""
    async with pool.worker() as connection:
        found: str | None = await connection.fetchval("select cursor from collection where network = $1", network)
    return found


async def advance(pool: Pool, network: str, to: str, now: datetime) -> None:
    """Remember how far a network was collected, after what it brought is stored."""
    async with pool.worker() as connection:
        await connection.execute(
            """
            insert into collection (network, cursor, collected_at) values ($1, $2, $3)
            on conflict (network) do update set cursor = excluded.cursor, collected_at = excluded.collected_at
            """,
            network,
            to,
            now,
        )


async def stored(pool: Pool, network: str, ids: Sequence[str]) -> frozenset[str]:
    """Those of a network's ids that were stored before: with a document, as a document or as a stray."""
    async with pool.worker() as connection:
        rows = await connection.fetch(
            """
            select network_id from arrival where network = $1 and network_id = any($2)
            union select network_id from inbound where network = $1 and network_id = any($2)
            union select network_id from stray where network = $1 and network_id = any($2)
            """,
            network,
            list(ids),
        )
    return frozenset(row["network_id"] for row in rows)


async def owner_of_consignment(pool: Pool, network: str, consignment: str) -> Owner | None:
    """The document a consignment carried by the network, or by e-mail: reports on that may come into a folder too."""
    async with pool.worker() as connection:
        row = await connection.fetchrow(
            "select account_id, document_id from delivery where consignment = $1 and network = any($2)",
            consignment,
            [network, *_REPORTED_BY.get(network, ())],
        )
    return Owner(row["account_id"], row["document_id"]) if row else None


@dataclass(frozen=True, slots=True)
class Named:
    """How a status message names the document it speaks about."""

    seller: str
    number: str
    type_code: str
    """Empty when it is not said."""
    issue_date: date | None
    direction: str = OUTBOUND
    """Which one is meant where the invoice went out and came in here: seller and buyer may share a gateway."""


async def owner_of_name(pool: Pool, network: str, named: Named) -> Owner | None:
    """The one document of this name that went to the network or came by it; None when there is none, or several.

    A number is a seller's own for a year, whatever the type: where none has the type that is named, it is left out
    (published examples name 380 for a corrective invoice and for a credit note). Where both sides are here, the
    direction that is named is meant; where one is, it is that one.
    """
    sides = (_SENT, _RECEIVED) if named.direction == OUTBOUND else (_RECEIVED, _SENT)
    async with pool.worker() as connection:
        for type_code in dict.fromkeys((named.type_code, "")):
            for side in sides:
                rows = await connection.fetch(side, named.seller, named.number, network, type_code, named.issue_date)
                if rows:
                    return Owner(rows[0]["account_id"], rows[0]["document_id"]) if len(rows) == 1 else None
    return None


_SENT = """
    select distinct account_id, document_id from delivery
    where seller = $1 and number = $2 and network = $3 and ($4 = '' or type_code = $4)
        and ($5::date is null or issue_date = $5)
    limit 2
"""
_RECEIVED = """
    select distinct on (account_id, type_code, extract(year from issue_date)) account_id, document_id from inbound
    where seller = $1 and number = $2 and network = $3 and ($4 = '' or type_code = $4)
        and ($5::date is null or issue_date = $5)
    order by account_id, type_code, extract(year from issue_date), document_id
    limit 2
"""
"""The first of each account, type and year: the others are its duplicates."""


async def keep(pool: Pool, network: str, owner: Owner, arrival: Arrival, now: datetime) -> bool:
    """Store an arrival for its document and wake it, once for ever; tells whether it is new."""
    async with pool.account(owner.account_id) as connection:
        new = await connection.fetchval(
            """
            insert into arrival (account_id, network, network_id, document_id, kind, at, media_type, data, refused,
                                 arrived_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing returning true
            """,
            owner.account_id,
            network,
            arrival.network_id,
            owner.document_id,
            arrival.kind,
            arrival.at,
            arrival.media_type,
            arrival.data,
            [finding.as_json() for finding in arrival.refused],
            now,
        )
        if new:
            await tasks.reopen(connection, owner.document_id, now)
    return bool(new)


async def keep_stray(
    pool: Pool, network: str, arrival: Arrival, now: datetime, *, recipient: str = "", reason: str = ""
) -> bool:
    """Store an arrival that speaks of no document we know; tells whether it is new.

    `recipient` is the SIREN an invoice names, `reason` why it could not be tied to an account.
    """
    async with pool.worker() as connection:
        new = await connection.fetchval(
            """
            insert into stray (network, network_id, kind, at, media_type, data, refused, consignment, arrived_at,
                               name, recipient, reason)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) on conflict do nothing returning true
            """,
            network,
            arrival.network_id,
            arrival.kind,
            arrival.at,
            arrival.media_type,
            arrival.data,
            [finding.as_json() for finding in arrival.refused],
            arrival.consignment,
            now,
            arrival.name[:255],
            recipient or None,
            reason,
        )
    return bool(new)


def storable(arrival: Arrival) -> Arrival:
    """The same arrival without what the database refuses in texts (NUL, half a surrogate pair); its bytes stay.

    An id that this changes, or that is too long for an index, gets a mark of what it was, so that no two become one.
    """
    network_id = _storable(arrival.network_id)[:ID_LIMIT]
    if network_id != arrival.network_id:
        was = sha256(arrival.network_id.encode(errors="surrogatepass")).hexdigest()
        network_id = f"{network_id}~{was[:16]}"
    return replace(
        arrival,
        network_id=network_id,
        media_type=_storable(arrival.media_type),
        consignment=None if arrival.consignment is None else _storable(arrival.consignment),
        refused=tuple(Finding.from_json(_storable(finding.as_json())) for finding in arrival.refused),
        recipient=_storable(arrival.recipient),
        name=_storable(arrival.name),
    )


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return "".join(sign for sign in value if sign != "\0" and not "\ud800" <= sign <= "\udfff")
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {name: _storable(one) for name, one in value.items()}
    return value


async def stray_ids(pool: Pool, network: str, limit: int = 100) -> Sequence[str]:
    """The network's ids of some of what waits to be tied to a document, by chance: none is passed over for ever,
    however many there are. Each is read alone (`stray`): together they may be larger than the memory.

    Of invoices only those whose recipient has an account now, or that were taken: the others need a person.
    """
    async with pool.worker() as connection:
        rows = await connection.fetch(
            """
            select network_id from stray where network = $1 and dropped_at is null
                and (kind <> 'invoice' or exists (select from participant where siren = stray.recipient)
                     or exists (select from inbound i where i.network = $1 and i.network_id = stray.network_id))
            order by random() limit $2
            """,
            network,
            limit,
        )
    return [row["network_id"] for row in rows]


def _arrival(row: Mapping[str, Any]) -> Arrival:
    return Arrival(
        row["network_id"],
        ArrivalKind(row["kind"]),
        row["at"],
        row["media_type"],
        bytes(row["data"]),
        row["consignment"],
        tuple(Finding.from_json(finding) for finding in row["refused"]),
        name=row["name"],
    )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stray as a person sees it."""

    kind: str
    """invoice, status or acknowledgement."""
    network: str
    network_id: str
    name: str
    recipient: str
    """SIREN; empty where it names none."""
    reason: str
    media_type: str
    size: int
    arrived_at: datetime
    dropped_at: datetime | None
    dropped_by: str | None
    dropped_reason: str | None


async def waiting(
    pool: Pool, *, dropped: bool = False, statuses: bool = False, limit: int = 1_000
) -> Sequence[Waiting]:
    """Invoices that are nobody's, the oldest first; `statuses`: what is said of documents that nobody knows, instead;
    `dropped`: those that a person dropped."""
    async with pool.worker() as connection:
        rows = await connection.fetch(
            """
            select kind, network, network_id, name, coalesce(recipient, '') as recipient, reason, media_type,
                length(data) as size, arrived_at, dropped_at, dropped_by, dropped_reason
            from stray where (kind <> 'invoice') = $3 and (dropped_at is not null) = $1
            order by arrived_at, network_id limit $2
            """,
            dropped,
            limit,
            statuses,
        )
    return [Waiting(**dict(row)) for row in rows]


async def stray(pool: Pool, network: str, network_id: str, kind: ArrivalKind | None = None) -> Arrival:
    """One stray with its bytes, also a dropped one; `kind`: it must be of this one. Raises NotFound."""
    async with pool.worker() as connection:
        row = await connection.fetchrow(
            "select * from stray where network = $1 and network_id = $2 and ($3::text is null or kind = $3)",
            *(network, network_id, kind),
        )
    if row is None:
        raise NotFound(f"there is no such {kind or 'arrival'} waiting")
    return _arrival(row)


async def drop(pool: Pool, network: str, network_id: str, *, by: str, reason: str, now: datetime) -> None:
    """Say that a stray is nobody's for good; it stays, and does not come again. Raises NotFound."""
    async with pool.worker() as connection:
        dropped = await connection.fetchval(
            """
            update stray set dropped_at = $3, dropped_by = $4, dropped_reason = $5
            where network = $1 and network_id = $2 and dropped_at is null returning true
            """,
            *(network, network_id, now, by, reason),
        )
    if not dropped:
        raise NotFound("there is no such arrival waiting")


async def forget_stray(pool: Pool, network: str, network_id: str) -> None:
    """A stray found its document and is stored there."""
    async with pool.worker() as connection:
        await connection.execute("delete from stray where network = $1 and network_id = $2", network, network_id)
