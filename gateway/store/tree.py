"""The hash tree in the database: leaves get their places, full nodes are kept, checkpoints are signed and kept.

An event's leaf is written by the journal in the event's own transaction. Publishing is one transaction too: places,
nodes and the checkpoint that covers them, so that a leaf with a place is always covered by a signature.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.store.pool import Connection, Pool
from signing.chain import salted
from signing.tree import EMPTY, Frontier, Lookup, Node, consistency, edge, inclusion, leaf

BATCH = 5_000
"""Leaves that one checkpoint adds, at most."""

LONGEST = timedelta(days=1)
"""A checkpoint is signed after so long even when nothing was added: a keeper that fell silent is noticed."""

_LOCK = 727_275
_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it is kept."""

    number: int
    size: int
    root: bytes
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document's events stand in the tree."""

    places: tuple[int | None, ...]
    """By event, from the first; None: not published yet."""

    @property
    def published(self) -> bool:
        """Whether a checkpoint covers all of them."""
        return None not in self.places


Sign = Callable[[int, bytes, datetime], str]
"""Size, root and instant into a signed note."""


async def publish(pool: Pool, sign: Sign, clock: Callable[[], datetime]) -> Signed | None:
    """Give places to what waits and sign the new tree; None when there is nothing to do, or another process does it.

    Documents that wait for their proof are woken in the same transaction. The checkpoint is never earlier than the one
    before or than an event it covers, whatever the clocks of several gateways say.
    """
    async with pool.worker() as connection:
        if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK):
            return None
        latest = await last(connection)
        waiting = await _waiting(connection)
        now = max([clock(), *(row["at"] for row in waiting), *([latest.at] if latest else [])])
        if not waiting and latest is not None and now - latest.at < LONGEST:
            return None
        size = latest.size if latest else 0
        frontier = await _frontier(connection, size)
        nodes = [node for row in waiting for node in frontier.add(leaf(bytes(row["entry"])))]
        await _keep(connection, waiting, size, nodes)
        root = frontier.root
        signed = Signed(latest.number + 1 if latest else 1, frontier.size, root, now, sign(frontier.size, root, now))
        await connection.execute(
            "insert into checkpoint (number, size, root, at, note) values ($1, $2, $3, $4, $5)",
            signed.number,
            signed.size,
            signed.root,
            signed.at,
            signed.note,
        )
        await _wake(connection, waiting, now)
    return signed


async def last(connection: Connection) -> Signed | None:
    """The latest checkpoint; None before the first."""
    row = await connection.fetchrow("select number, size, root, at, note from checkpoint order by number desc limit 1")
    return Signed(row["number"], row["size"], bytes(row["root"]), row["at"], row["note"]) if row else None


async def plant(
    connection: Connection, account_id: UUID, document_id: UUID, events: Sequence[tuple[int, datetime, bytes]]
) -> None:
    """Give each event its leaf, to be placed later; an event is its number, its instant and its hash."""
    salts = [secrets.token_bytes(32) for _ in events]
    await connection.execute(
        """
        insert into leaf (account_id, document_id, seq, salt, entry, at)
        select $1, $2, * from unnest($3::bigint[], $4::bytea[], $5::bytea[], $6::timestamptz[]) on conflict do nothing
        """,
        account_id,
        document_id,
        [seq for seq, _, _ in events],
        salts,
        [salted(salt, hashed) for salt, (_, _, hashed) in zip(salts, events, strict=True)],
        [at for _, at, _ in events],
    )


async def mend(connection: Connection, document_id: UUID) -> None:
    """Give leaves to events of a document that have none: a gateway of an older release may have written them."""
    rows = await connection.fetch(
        """
        select account_id, seq, at, hash from event e where document_id = $1
            and not exists (select from leaf l where l.document_id = e.document_id and l.seq = e.seq)
        """,
        document_id,
    )
    if rows:
        bare = [(row["seq"], row["at"], bytes(row["hash"])) for row in rows]
        await plant(connection, rows[0]["account_id"], document_id, bare)


async def place(connection: Connection, document_id: UUID) -> Place:
    """Where the events of a document of this account stand."""
    rows = await connection.fetch("select place from leaf where document_id = $1 order by seq", document_id)
    return Place(tuple(row["place"] for row in rows))


@dataclass(frozen=True, slots=True)
class Proved:
    """One event with what proves it."""

    seq: int
    at: datetime
    stage: str
    outcome: str
    facts: Mapping[str, Any]
    entries: tuple[tuple[str, str], ...]
    """Role and SHA-256 (hexadecimal) of each content kept with it."""
    hash: bytes
    salt: bytes
    place: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that happened to a document, proved against one checkpoint."""

    checkpoint: Signed
    events: tuple[Proved, ...]


async def proof(connection: Connection, document_id: UUID, *, stamped: bool = True) -> Proof | None:
    """The proof of every event of a document of this account, as of one moment; None while one is not published.

    Against the newest checkpoint that an authority stamped, where it covers all of them and `stamped` is wanted, else
    the newest of all. The transaction must be a snapshot.
    """
    rows = await connection.fetch(
        """
        select e.seq, e.at, e.stage, e.outcome, e.facts, e.hash, l.salt, l.place,
               array(select n.role || ' ' || encode(n.sha256, 'hex') from entry n
                     where n.document_id = e.document_id and n.seq = e.seq order by 1) as entries
        from event e join leaf l using (account_id, document_id, seq) where e.document_id = $1 order by e.seq
        """,
        document_id,
    )
    latest = await last(connection)
    if latest is None or not rows or any(row["place"] is None for row in rows):
        return None
    places = [row["place"] for row in rows]
    latest = (await _stamped(connection, max(places)) if stamped else None) or latest
    known = await _looked_up(connection, lambda look: [inclusion(one, latest.size, look) for one in places])
    return Proof(
        latest,
        tuple(
            Proved(
                **{name: row[name] for name in ("seq", "at", "stage", "outcome", "facts", "place")},
                entries=tuple((role, digest) for role, _, digest in (one.partition(" ") for one in row["entries"])),
                hash=bytes(row["hash"]),
                salt=bytes(row["salt"]),
                path=tuple(inclusion(row["place"], latest.size, known)),
            )
            for row in rows
        ),
    )


async def _stamped(connection: Connection, place: int) -> Signed | None:
    """The newest checkpoint that was stamped, if it covers a place."""
    row = await connection.fetchrow(
        """
        select number, size, root, at, note from checkpoint c
        where size > $1 and exists (select from stamp s where s.number = c.number) order by number desc limit 1
        """,
        place,
    )
    return Signed(row["number"], row["size"], bytes(row["root"]), row["at"], row["note"]) if row else None


async def consistency_from(connection: Connection, old: int, new: int) -> list[bytes]:
    """The proof that the tree of `new` leaves begins with that of `old`, both at least 1."""
    known = await _looked_up(connection, lambda look: consistency(old, new, look))
    return consistency(old, new, known)


async def _looked_up(connection: Connection, ask: Callable[[Lookup], object]) -> Lookup:
    """The nodes that `ask` looks up, read at once: it is asked first with a look-up that only takes notes."""
    wanted: set[tuple[int, int]] = set()

    def note(level: int, index: int) -> bytes:
        wanted.add((level, index))
        return EMPTY

    ask(note)
    return await lookup(connection, wanted)


async def leaves(connection: Connection) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Every published leaf's place and entry, in the order of places, page by page."""
    after = -1
    while True:
        rows = await connection.fetch(
            "select place, entry from leaf where place > $1 order by place limit $2", after, _PAGE
        )
        if not rows:
            return
        yield [(row["place"], bytes(row["entry"])) for row in rows]
        after = rows[-1]["place"]


async def nodes(connection: Connection, level: int) -> AsyncIterator[list[tuple[int, bytes]]]:
    """Every kept node of a level, in order, page by page."""
    after = -1
    while True:
        rows = await connection.fetch(
            "select place, hash from node where level = $1 and place > $2 order by place limit $3", level, after, _PAGE
        )
        if not rows:
            return
        yield [(row["place"], bytes(row["hash"])) for row in rows]
        after = rows[-1]["place"]


async def strangers(connection: Connection) -> int:
    """How many leaves belong to an account that is not there, so that no account's audit sees them."""
    found: int = await connection.fetchval(
        "select count(*) from leaf l where not exists (select from account a where a.account_id = l.account_id)"
    )
    return found


async def checkpoints(connection: Connection) -> AsyncIterator[list[Signed]]:
    """Every checkpoint, the first first, page by page."""
    after = 0
    while True:
        rows = await connection.fetch(
            "select number, size, root, at, note from checkpoint where number > $1 order by number limit $2",
            after,
            _PAGE,
        )
        if not rows:
            return
        yield [Signed(row["number"], row["size"], bytes(row["root"]), row["at"], row["note"]) for row in rows]
        after = rows[-1]["number"]


async def lookup(connection: Connection, wanted: set[tuple[int, int]]) -> Lookup:
    """The hashes of these nodes (level, place), read at once. Looking one up raises KeyError where there is none."""
    rows = await connection.fetch(
        "select n.level, n.place, n.hash from node n join unnest($1::smallint[], $2::bigint[]) as w (level, place) "
        "on n.level = w.level and n.place = w.place",
        [level for level, _ in wanted],
        [place for _, place in wanted],
    )
    found = {(row["level"], row["place"]): bytes(row["hash"]) for row in rows}
    return lambda level, index: found[level, index]


async def _waiting(connection: Connection) -> list[Connection]:
    """The leaves to place now: first those of documents that wait for their proof, then whatever else there is."""
    urgent = await connection.fetch(
        """
        select l.account_id, l.document_id, l.seq, l.entry, l.at
        from task t join leaf l using (account_id, document_id) where t.stage = 'archived' and l.place is null
        order by 1, 2, 3 limit $1
        """,
        BATCH,
    )
    others = await connection.fetch(
        """
        select account_id, document_id, seq, entry, at from leaf where place is null
        order by account_id, document_id, seq limit $1
        """,
        BATCH,
    )
    known = {(row["document_id"], row["seq"]) for row in urgent}
    return [*urgent, *(row for row in others if (row["document_id"], row["seq"]) not in known)][:BATCH]


async def _frontier(connection: Connection, size: int) -> Frontier:
    """The right edge of the tree of this size, to which leaves are added."""
    return edge(size, await _looked_up(connection, lambda look: edge(size, look)))


async def _keep(connection: Connection, waiting: list[Connection], size: int, made: list[Node]) -> None:
    if not waiting:
        return
    await connection.execute(
        """
        update leaf set place = p.place
        from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[]) as p (account_id, document_id, seq, place)
        where leaf.account_id = p.account_id and leaf.document_id = p.document_id and leaf.seq = p.seq
        """,
        [row["account_id"] for row in waiting],
        [row["document_id"] for row in waiting],
        [row["seq"] for row in waiting],
        list(range(size, size + len(waiting))),
    )
    await connection.execute(
        "insert into node (level, place, hash) select * from unnest($1::smallint[], $2::bigint[], $3::bytea[])",
        [level for level, _, _ in made],
        [index for _, index, _ in made],
        [hashed for _, _, hashed in made],
    )


async def _wake(connection: Connection, waiting: list[Connection], now: datetime) -> None:
    """Documents whose next stage is the archive need not wait any longer."""
    await connection.execute(
        """
        update task set due = least(due, $3), woken = true
        from (select distinct * from unnest($1::uuid[], $2::uuid[])) as p (account_id, document_id)
        where task.account_id = p.account_id and task.document_id = p.document_id and task.stage = 'archived'
        """,
        [row["account_id"] for row in waiting],
        [row["document_id"] for row in waiting],
        now,
    )
