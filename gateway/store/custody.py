"""What is known of checkpoints outside: who keeps which, which authority stamped which, and who fails since when."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

from adapters.port import Custody
from gateway.store.pool import Connection, Pool

PAGE = 200
"""Stamps read at once: one has some thousand bytes."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The last checkpoint that a keeper or authority has."""

    number: int
    size: int
    at: datetime
    """When it was kept or stamped."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A keeper or authority that fails now."""

    name: str
    since: datetime
    last_at: datetime
    attempts: int
    says: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """A timestamp over a checkpoint."""

    number: int
    authority: str
    at: datetime
    token: bytes


async def last_kept(connection: Connection, custodian: str) -> Kept | None:
    """The newest checkpoint that a keeper has; None: none yet."""
    row = await connection.fetchrow(
        "select k.number, c.size, k.at from custody k join checkpoint c using (number) where custodian = $1 "
        "order by k.number desc limit 1",
        custodian,
    )
    return Kept(row["number"], row["size"], row["at"]) if row else None


async def last_stamp(connection: Connection, authority: str) -> Kept | None:
    """The newest checkpoint that an authority stamped; None: none yet."""
    row = await connection.fetchrow(
        "select s.number, c.size, s.at from stamp s join checkpoint c using (number) where authority = $1 "
        "order by s.number desc limit 1",
        authority,
    )
    return Kept(row["number"], row["size"], row["at"]) if row else None


async def stamped_size(connection: Connection) -> int:
    """Leaves of the newest checkpoint that any authority stamped; 0 before the first."""
    size: int | None = await connection.fetchval(
        "select c.size from stamp s join checkpoint c using (number) order by s.number desc limit 1"
    )
    return size or 0


async def note_kept(pool: Pool, custodian: str, number: int, custody: Custody, now: datetime) -> None:
    """A keeper has a checkpoint now, and works."""
    async with pool.worker() as connection:
        await connection.execute(
            "insert into custody (custodian, number, at, evidence, media_type) values ($1, $2, $3, $4, $5) "
            "on conflict do nothing",
            *(custodian, number, now, custody.evidence, custody.media_type),
        )
        await connection.execute("delete from trouble where name = $1", custodian)


async def note_stamp(pool: Pool, stamp: Stamp) -> None:
    """An authority stamped a checkpoint, and works."""
    async with pool.worker() as connection:
        await connection.execute(
            "insert into stamp (number, authority, at, token) values ($1, $2, $3, $4) on conflict do nothing",
            *(stamp.number, stamp.authority, stamp.at, stamp.token),
        )
        await connection.execute("delete from trouble where name = $1", f"stamp:{stamp.authority}")


async def note_trouble(pool: Pool, name: str, says: str, now: datetime) -> Trouble:
    """A keeper or authority failed; how long it has been."""
    async with pool.worker() as connection:
        row = await connection.fetchrow(
            """
            insert into trouble (name, since, last_at, attempts, says) values ($1, $2, $2, 1, $3)
            on conflict (name) do update set last_at = $2, attempts = trouble.attempts + 1, says = $3
            returning name, since, last_at, attempts, says
            """,
            *(name, now, says[:500]),
        )
    return Trouble(**dict(row))


async def works(pool: Pool, name: str) -> None:
    """A keeper works again."""
    async with pool.worker() as connection:
        await connection.execute("delete from trouble where name = $1", name)


async def troubles(connection: Connection) -> tuple[Trouble, ...]:
    """Who fails now, the longest first."""
    rows = await connection.fetch("select name, since, last_at, attempts, says from trouble order by since, name")
    return tuple(Trouble(**dict(row)) for row in rows)


async def stamps(connection: Connection, number: int) -> tuple[Stamp, ...]:
    """The stamps on one checkpoint, in the order of their authorities."""
    rows = await connection.fetch("select number, authority, at, token from stamp where number = $1 order by 2", number)
    return tuple(_stamp(row) for row in rows)


async def newest(connection: Connection) -> int:
    """The number of the newest checkpoint that is stamped; 0 before the first."""
    number: int | None = await connection.fetchval("select max(number) from stamp")
    return number or 0


async def pages(
    pool: Pool, begin: int = 0, end: int | None = None
) -> AsyncIterator[tuple[tuple[Stamp, str | None], ...]]:
    """Every stamp from one checkpoint on, up to before another, each with its checkpoint's note; page by page.

    In the order of checkpoints and authorities; the note is None where the checkpoint is not there.
    """
    after = (begin, "")
    while True:
        async with pool.worker() as connection:
            rows = await connection.fetch(
                """
                select s.number, s.authority, s.at, s.token, c.note from stamp s left join checkpoint c using (number)
                where (s.number, s.authority) > ($1, $2) and ($3::bigint is null or s.number < $3)
                order by s.number, s.authority limit $4
                """,
                *(*after, end, PAGE),
            )
        if not rows:
            return
        yield tuple((_stamp(row), row["note"]) for row in rows)
        after = (rows[-1]["number"], rows[-1]["authority"])


def _stamp(row: Connection) -> Stamp:
    return Stamp(row["number"], row["authority"], row["at"], bytes(row["token"]))


async def cosignatures(connection: Connection, number: int) -> tuple[tuple[str, str], ...]:
    """Who cosigned a checkpoint, and the line it answered."""
    rows = await connection.fetch(
        "select custodian, evidence from custody where number = $1 and custodian like 'witness:%' order by 1", number
    )
    return tuple((row["custodian"], bytes(row["evidence"]).decode("utf-8", "replace")) for row in rows)


async def count_cosignatures(connection: Connection) -> int:
    """How many cosignatures of witnesses are kept."""
    count: int = await connection.fetchval("select count(*) from custody where custodian like 'witness:%'")
    return count
