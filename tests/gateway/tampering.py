"""Tampering with an archive as a superuser of its database would: bits of any kind of row, rows, tables, files outside.

Whatever is done is undone from a copy of the table, so that thousands follow each other in one database.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg

from adapters.port import Networks
from gateway import audit, outside, renewing
from gateway.clock import SettableClock
from gateway.lifecycle import Done, Halted, Kept, Role, Stage
from gateway.publish import Copies, publish
from gateway.resources import Notary, Resources, digest
from gateway.store.journal import Step, commit
from gateway.store.pool import Pool
from signing.trust import Trust
from tests.gateway.ground import NOON, NOTARY, admitted, open_account, parsed, the_claim
from tests.signing.authority import answer, person, rsa

KEYS = (NOTARY.signer.verifier,)

PROTECTED: dict[str, dict[str, str]] = {
    "event": {"seq": "int", "at": "time", "stage": "text", "outcome": "text", "facts": "json", "prior": "bytes",
              "hash": "bytes"},
    "entry": {"seq": "int", "role": "text", "sha256": "bytes"},
    "leaf": {"salt": "bytes", "entry": "bytes", "place": "int", "seq": "int"},
    "node": {"hash": "bytes", "place": "int"},
    "checkpoint": {"size": "int", "root": "bytes", "at": "time", "note": "text", "number": "int"},
    "content": {"sha256": "bytes", "size": "int"},
    "content_data": {"data": "bytes", "wrapped": "bytes", "sha256": "bytes", "archive_key": "text"},
    "document": {"version": "int", "head": "bytes", "stage": "text", "format": "text", "participant": "text"},
    "stamp": {"token": "bytes", "at": "time", "number": "int"},
    "renewal": {"value": "bytes", "token": "bytes", "number": "int"},
    "renewed": {"entry": "bytes", "place": "int"},
}  # fmt: skip
"""What the proofs cover, by table and column. Not covered, and shown to nobody as proved: media types, the order of the
feed, and the leaf's copy of its event's time. What a document's row and its line in the archive's index show of its
bytes is held against them elsewhere (tests/line/test_reread.py), as the bytes here are no invoices.
"""

_DOCUMENT = r"document [0-9a-f]{8}-[0-9a-f-]{27}"
NAMES = {
    "event": _DOCUMENT,
    "entry": rf"{_DOCUMENT}|content [0-9a-f]{{64}}",
    "leaf": rf"leaf \d+|node \d+/\d+|{_DOCUMENT}|leaves belong|last leaves",
    "node": r"node \d+/\d+|a node of level \d+",
    "checkpoint": r"checkpoint \d+|last leaves|the copy \S+",
    "content": r"content [0-9a-f]{64}",
    "content_data": r"content [0-9a-f]{64}",
    "document": rf"{_DOCUMENT}|accepted and accounted for",
    "stamp": r"the stamp of \S+ on checkpoint \d+|renewal \d+: the stamps",
    "renewal": r"renewal[ -]\d+",
    "renewed": r"object .*at place \d+|renewal \d+: the object",
    "copy": r"the copy \S+|the copies outside",
}
"""How the audit names what was changed, by where it was changed."""


class Authority:
    """A timestamp authority in this process: the real answers of a real key, without a socket."""

    name = "time.example.org"

    def __init__(self, clock: SettableClock) -> None:
        self._clock = clock
        since, until = NOON - timedelta(days=1), NOON + timedelta(days=3650)
        self.root = person("Root of tampering", since=since, until=until)
        self._stamper = person("Time", self.root, stamps=True, since=since, until=until,
                               key=rsa.generate_private_key(65537, 2048))  # fmt: skip

    async def stamp(self, query: bytes) -> bytes:
        """The answer."""
        return answer(query, self._clock.now(), self._stamper)

    async def close(self) -> None:
        """Nothing."""


@dataclass
class Target:
    """An archive with every kind of object, whole."""

    pool: Pool
    account: Any
    resources: Resources
    clock: SettableClock
    copies: Path
    chance: random.Random
    found: dict[str, int] = field(default_factory=dict)
    """Flips and changes that were found, by kind."""

    async def complaints(self, *, copies: bool = True) -> list[str]:
        """What all audits say."""
        trust, now = self.resources.trust, self.clock.now()
        whole = await audit.audit_tree(self.pool, KEYS, self.copies if copies else None)
        one = await audit.audit_account(self.pool, self.account.id)
        away = await outside.look(self.pool, trust, now)
        renewed = await renewing.audit(self.pool, trust, now, self.copies if copies else None)
        return [*whole.complaints, *one.complaints, *away.complaints, *renewed.complaints]

    async def flip(self) -> str | None:
        """Flip a bit of something, look, and flip it back; what was found. None: the database refused such a value."""
        table = self.chance.choice([*PROTECTED, "copy"])
        if table == "copy":
            return await self._flip_copy()
        column, kind = self.chance.choice(list(PROTECTED[table].items()))
        async with self.pool.owner() as connection:
            rows = await connection.fetch(f"select ctid::text as at, {column} as value from {table}")
        row = self.chance.choice(rows)
        flipped = FLIPS[kind](self.chance, row["value"])
        if flipped is None:
            return None
        if not await self._write(f"update {table} set {column} = $1 where ctid = '{row['at']}'", flipped):
            return None
        await self.expect(f"{table}.{column}", f"{table}.{column} {row['value']!r} -> {flipped!r}")
        await self.restore(table)
        return f"{table}.{column}"

    async def _flip_copy(self) -> str:
        path = self.chance.choice(sorted(self.copies.iterdir()))
        data = path.read_bytes()
        place, bit = self.chance.randrange(len(data)), self.chance.randrange(8)
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :])
        await self.expect("copy", f"{path.name} byte {place} bit {bit}")
        path.write_bytes(data)
        return "copy"

    async def rows(self) -> str | None:
        """Delete, double, swap or renumber rows of a table, look, and undo it; what was found."""
        table = self.chance.choice([*PROTECTED, "copies"])
        if table == "copies":
            return await self._removed_copies()
        what = self.chance.choice(list(ROWS))
        statements = ROWS[what](self.chance, table)
        changed = False
        for statement in statements:
            changed = await self._write(statement) or changed
        if not changed:
            await self.restore(table)
            return None
        await self.expect(f"{table} {what}", "; ".join(statements))
        await self.restore(table)
        return f"{table} {what}"

    async def _removed_copies(self) -> str:
        kept = {path: path.read_bytes() for path in self.copies.iterdir()}
        for path in kept:
            path.unlink()
        await self.expect("copies removed", "")
        for path, data in kept.items():
            path.write_bytes(data)
        return "copies removed"

    async def expect(self, kind: str, told: str) -> None:
        """Something is found, and it is named: a complaint says which object."""
        complaints = await self.complaints()
        wanted = NAMES[re.split(r"[. ]", kind)[0].replace("copies", "copy")]
        assert any(re.search(wanted, one) for one in complaints), (kind, told, complaints)
        self.found[kind] = self.found.get(kind, 0) + 1

    async def keep(self) -> None:
        """Copy every table aside, to be put back."""
        async with self.pool.owner() as connection:
            for table in PROTECTED:
                await connection.execute(f"drop table if exists aside_{table}")
                await connection.execute(f"create table aside_{table} as select * from {table}")

    async def restore(self, table: str) -> None:
        """Put a table back as it was."""
        async with self.pool.owner() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(f"delete from {table}")
            clause = "overriding system value" if table == "event" else ""
            await connection.execute(f"insert into {table} {clause} select * from aside_{table}")

    async def _write(self, statement: str, *values: Any) -> bool:
        """Run a statement with the triggers off; whether it changed anything, which a constraint may refuse."""
        try:
            async with self.pool.owner() as connection, connection.transaction():
                await connection.execute("set local session_replication_role = replica")
                told: str = await connection.execute(statement, *values)
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError):
            return False
        return not told.endswith(" 0")


def _bytes(chance: random.Random, value: bytes) -> bytes:
    place, bit = chance.randrange(len(value)), chance.randrange(8)
    return value[:place] + bytes([value[place] ^ 1 << bit]) + value[place + 1 :]


def _text(chance: random.Random, value: str) -> str | None:
    try:
        made = _bytes(chance, value.encode()).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in made else made


def _json(chance: random.Random, value: Any) -> Any:
    """Flip a bit of the written form, if what comes is JSON and says something else."""
    text = _text(chance, json.dumps(value))
    try:
        made = json.loads(text) if text is not None else None
    except ValueError:
        return None
    return made if isinstance(made, dict) and made != value else None


FLIPS: dict[str, Callable[[random.Random, Any], Any]] = {
    "bytes": _bytes,
    "text": _text,
    "json": _json,
    "int": lambda chance, value: value ^ 1 << chance.randrange(20),
    "time": lambda chance, value: value + timedelta(microseconds=chance.choice((-1, 1)) << chance.randrange(40)),
}

ROWS: dict[str, Callable[[random.Random, str], list[str]]] = {
    "deleted": lambda chance, table: [f"delete from {table} where ctid = (select ctid from {table} {_one(chance)})"],
    "doubled": lambda chance, table: [
        f"insert into {table} {'overriding user value' if table == 'event' else ''} "
        f"select {_moved(table)} from {table} x {_one(chance)}",
    ],
    "swapped": lambda chance, table: [_swap(chance, table)],
    "renumbered": lambda _chance, table: [_renumbered(table)],
    "cut": lambda chance, table: [f"delete from {table} where ctid >= (select ctid from {table} {_one(chance)})"],
    "emptied": lambda _chance, table: [f"delete from {table}"],
}
"""What may be done with rows: statements for a table."""

_ORDER = {"event": "seq", "entry": "seq", "leaf": "place", "node": "place", "checkpoint": "number",
          "document": "version", "stamp": "number", "renewal": "number", "renewed": "place"}  # fmt: skip
_SWAPPED = {"event": "facts", "entry": "role", "leaf": "entry", "node": "hash", "checkpoint": "note",
            "content": "size", "content_data": "data", "document": "head", "stamp": "token", "renewal": "value",
            "renewed": "entry"}  # fmt: skip


def _one(chance: random.Random) -> str:
    return f"order by md5(ctid::text || '{chance.random()}') limit 1"


def _moved(table: str) -> str:
    """Every column of a row, its number or hash moved on so that it is a row of its own."""
    columns = {
        "event": "account_id, document_id, seq + 1000, at, stage, outcome, facts, prior, hash, transaction, position",
        "entry": "account_id, document_id, seq, role || 'x', sha256",
        "leaf": "account_id, document_id, seq + 1000, salt, entry, at, place + 1000000",
        "node": "level, place + 1000000, hash",
        "checkpoint": "number + 1000, size, root, at, note",
        "content": "account_id, sha256(sha256), media_type, size, data",
        "content_data": "account_id, sha256(sha256), archive_key, wrapped, data",
        "document": "*",
        "stamp": "number + 1000, authority, at, token",
        "renewal": "number + 1000, kind, algorithm, checkpoint, at, authority, value, token, material",
        "renewed": "algorithm, place + 1000000, entry",
    }
    return columns[table]


def _swap(chance: random.Random, table: str) -> str:
    column = _SWAPPED[table]
    return (
        f"with two as (select ctid, {column} as was, row_number() over () as n from "
        f"(select ctid, {column} from {table} {_one(chance).replace('limit 1', 'limit 2')}) x) "
        f"update {table} t set {column} = o.was from two s, two o where t.ctid = s.ctid and o.n = 3 - s.n "
        f"and o.was is distinct from s.was"
    )


def _renumbered(table: str) -> str:
    column = _ORDER.get(table)
    return f"update {table} set {column} = {column} + 1" if column else f"delete from {table}"


async def target(pool: Pool, folder: Path, seed: int, documents: int = 5) -> Target:
    """An archive of so many documents, published twice, copied, stamped and renewed with another hash."""
    clock = SettableClock(NOON)
    authority = Authority(clock)
    copies = folder / "copies"
    notary = Notary(NOTARY.signer, copies, authorities=(authority,))
    trust = Trust(authorities=authority.root.pem)
    resources = Resources(pool, Networks(()), clock, None, notary, trust=trust)  # type: ignore[arg-type]
    account = await open_account(pool)
    made = Target(pool, account, resources, clock, copies, random.Random(seed))
    outlet = Copies(copies)
    for number in range(documents):
        document_id = (await admitted(pool, account.id, f"<invoice>{number}</invoice>".encode())).document_id
        original = Kept(Role.ORIGINAL, "application/pdf", b"%PDF " + str(number).encode() * 50)
        steps = [Step(Stage.PARSED, parsed(f"F-{number}"), NOON), Step(Stage.VALIDATED, Done({}), NOON)]
        if number == documents - 1:
            steps = [Step(Stage.PARSED, Halted("it cannot be read"), NOON)]
        else:
            steps.append(Step(Stage.BUILT, Done({"sha256": digest(original.data)}, (original,)), NOON))
        await commit(pool, await the_claim(pool, document_id), steps, go_on=False)
        if number in (documents // 2, documents - 1):
            await publish(resources)
            assert await outlet.keep(resources)
            assert await outside.stamp(resources, authority)
            clock.advance(timedelta(minutes=2))
    assert await renewing.run(resources, "sha512", at_once=True)
    assert await made.complaints() == []
    await made.keep()
    return replace(made)
