"""Renewals of the evidence in the database: the chain of them, and the objects of the archive hashed anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from gateway.errors import Corrupt, Gone, Misconfigured, NotFound
from gateway.lifecycle import Said, Stage, event_body
from gateway.store import accounts, contents, ledger
from gateway.store.ledger import Trail
from gateway.store.pool import Connection, Pool
from signing.evidence import Renewal, digest, material, material_json, object_entry
from signing.trust import NO_EVIDENCE, Evidence

PURGED = "purged"
"""In place of the hash of a content whose bytes are gone."""
DAMAGED = "damaged"
"""In place of the hash of a content that cannot be read."""
_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """An object hashed anew."""

    place: int
    entry: bytes
    whole: bool
    """All its contents are there; else it is hashed with their absence, and an older entry cannot be made again."""
    sound: bool = True
    """It could be read; what cannot be is not hashed anew as if it were the original."""


async def chain(connection: Connection) -> tuple[Renewal, ...]:
    """Every renewal, the first first."""
    rows = await connection.fetch("select number, value, token, material from renewal order by number")
    return tuple(
        Renewal(row["number"], bytes(row["value"]), bytes(row["token"]), material(row["material"])) for row in rows
    )


async def keep(pool: Pool, renewal: Renewal, *, checkpoint: int, at: datetime, authority: str) -> None:
    """Add a renewal to the chain."""
    told = renewal.told
    async with pool.worker() as connection:
        await connection.execute(
            """
            insert into renewal (number, kind, algorithm, checkpoint, at, authority, value, token, material)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            *(renewal.number, told["kind"], told["algorithm"], checkpoint, at, authority),
            *(renewal.value, renewal.token, material_json(renewal.material)),
        )


async def keep_entries(pool: Pool, algorithm: str, entries: Sequence[Entry]) -> None:
    """Keep objects hashed anew; one that is kept stays as it is."""
    async with pool.worker() as connection:
        await connection.execute(
            "insert into renewed (algorithm, place, entry) select $1, * from unnest($2::bigint[], $3::bytea[]) "
            "on conflict do nothing",
            *(algorithm, [one.place for one in entries], [one.entry for one in entries]),
        )


async def entries(pool: Pool, algorithm: str, begin: int, end: int) -> AsyncIterator[list[bytes]]:
    """The kept entries of these places, in order, page by page. Raises ValueError where one is missing."""
    while begin < end:
        async with pool.worker() as connection:
            rows = await connection.fetch(
                "select place, entry from renewed where algorithm = $1 and place >= $2 and place < $3 "
                "order by place limit $4",
                *(algorithm, begin, end, _PAGE),
            )
        for place, row in enumerate(rows, start=begin):
            if row["place"] != place:
                raise ValueError(f"the object at place {place} is not hashed with {algorithm}")
        if not rows:
            raise ValueError(f"the object at place {begin} is not hashed with {algorithm}")
        yield [bytes(row["entry"]) for row in rows]
        begin += len(rows)


async def entries_at(pool: Pool, algorithm: str, places: Sequence[int]) -> dict[int, bytes]:
    """The kept entries of some places; one that is not kept is not in it."""
    async with pool.worker() as connection:
        rows = await connection.fetch(
            "select place, entry from renewed where algorithm = $1 and place = any($2::bigint[])", algorithm, places
        )
    return {row["place"]: bytes(row["entry"]) for row in rows}


async def strangers(connection: Connection) -> tuple[str, ...]:
    """Objects that are said to be hashed anew where the tree has no leaf: the algorithm and the place."""
    rows = await connection.fetch(
        "select algorithm, place from renewed r where not exists (select from leaf l where l.place = r.place) "
        "order by 1, 2 limit 100"
    )
    return tuple(f"{row['algorithm']} at place {row['place']}" for row in rows)


async def vouch(pool: Pool, signer: bytes, found: Evidence, now: datetime) -> None:
    """Keep by what a certificate (its SHA-256) is judged today."""
    async with pool.worker() as connection:
        await connection.execute(
            "insert into vouched (signer, at, material) values ($1, $2, $3) on conflict do nothing",
            *(signer, now, material_json(found)),
        )


async def vouched(connection: Connection, signer: bytes) -> Evidence | None:
    """By what a certificate was judged last; None: nothing is kept."""
    row = await connection.fetchrow("select material from vouched where signer = $1 order by at desc limit 1", signer)
    return material(row["material"]) if row else None


async def every_vouched(connection: Connection) -> Evidence:
    """By what each authority's certificate was judged last: some dozens in ten years."""
    rows = await connection.fetch("select distinct on (signer) material from vouched order by signer, at desc")
    return sum((material(row["material"]) for row in rows), NO_EVIDENCE)


async def hashed(pool: Pool, algorithm: str, begin: int, end: int) -> AsyncIterator[list[Entry]]:
    """The objects of these places hashed from their bytes, a document at a time and in no order."""
    for account_id in await accounts.every_id(pool):
        async for trail in ledger.trails(pool, account_id):
            places = {leaf["seq"]: leaf for leaf in trail.leaves if leaf["place"] is not None}
            wanted = [seq for seq, leaf in places.items() if begin <= leaf["place"] < end]
            if wanted:
                yield await _document(pool, account_id, algorithm, trail, wanted)


async def _document(pool: Pool, account_id: UUID, algorithm: str, trail: Trail, wanted: Sequence[int]) -> list[Entry]:
    events = {event["seq"]: event for event in trail.events}
    leaves = {leaf["seq"]: leaf for leaf in trail.leaves}
    made: list[Entry] = []
    known: dict[str, str] = {}
    async with pool.account(account_id) as connection:
        for seq in wanted:
            event = events.get(seq)
            if event is None:
                continue
            kept = [(one["role"], bytes(one["sha256"]).hex()) for one in trail.entries if one["seq"] == seq]
            for _, sha in kept:
                if sha not in known:
                    known[sha] = await _again(connection, algorithm, sha)
            again = [(role, known[sha]) for role, sha in kept]
            try:
                said = Said(event["at"], Stage(event["stage"]), event["outcome"], event["facts"], tuple(kept))
                body = event_body(trail.document["document_id"], seq, said)
                entry = object_entry(algorithm, bytes(leaves[seq]["salt"]), body, again)
            except (ValueError, TypeError):  # it was changed into what no event can be
                entry = b""
            whole = all(hashed != PURGED for _, hashed in again)
            sound = bool(entry) and all(hashed != DAMAGED for _, hashed in again)
            made.append(Entry(leaves[seq]["place"], entry, whole, sound))
    return made


async def _again(connection: Connection, algorithm: str, sha256: str) -> str:
    try:
        return (await asyncio.to_thread(digest, algorithm, await contents.read(connection, sha256))).hex()
    except Gone:
        return PURGED
    except (Corrupt, Misconfigured, NotFound):
        return DAMAGED
