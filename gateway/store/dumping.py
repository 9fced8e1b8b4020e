"""The embedded database into a dump and back, by PostgreSQL's own programs, as streams.

A dump is of one moment: the snapshot that a transaction of ours holds meanwhile, in which other questions can be asked.
It goes into an empty database whole or not at all. What the programs say of an error is told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from gateway.errors import Misconfigured
from gateway.store import placement
from gateway.store.embedded import Cluster
from gateway.store.pool import Connection, Pool

log = logging.getLogger(__name__)

CHUNK = 1024 * 1024
STALL = 600.0
"""Seconds without a byte after which a program of PostgreSQL's is given up."""
LONGEST = 6 * 3600.0
"""Seconds that making the indices of what was put back may take."""
LOCKED = "60s"
"""How long a dump waits for a table that somebody changes, as a migration does."""
DATABASE = "postgres"
_FULL = ("No space left on device", "Disk quota exceeded")


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of the database, as long as its transaction is open."""

    connection: Connection
    """Of the owner, who sees everything; reads only."""
    snapshot: str
    """By which other sessions see the same."""


@asynccontextmanager
async def moment(pool: Pool) -> AsyncIterator[Moment]:
    """Hold one moment of the database."""
    async with pool.owner() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield Moment(connection, await connection.fetchval("select pg_export_snapshot()"))


async def dump(cluster: Cluster, at: Moment) -> AsyncIterator[bytes]:
    """The database as of that moment, in PostgreSQL's custom form, in pieces. Raises Misconfigured with its words."""
    arguments = ("--format=custom", "--compress=gzip:1", f"--lock-wait-timeout={LOCKED}", f"--snapshot={at.snapshot}")
    process = await _start("pg_dump", *arguments, *_place(cluster), DATABASE, given=asyncio.subprocess.DEVNULL)
    said = asyncio.create_task(_said(process))
    try:
        assert process.stdout is not None
        while piece := await asyncio.wait_for(process.stdout.read(CHUNK), STALL):
            yield piece
        if await asyncio.wait_for(process.wait(), STALL) != 0:
            raise Misconfigured(f"the database cannot be dumped: {await said}")
    except TimeoutError as stalled:
        raise Misconfigured(f"the database cannot be dumped: nothing came for {STALL:.0f} seconds") from stalled
    finally:
        await _end(process, said)


async def restore(cluster: Cluster, pieces: Iterator[bytes], told: Callable[[int], None]) -> None:
    """Put a dump into the empty database, whole or not at all; `told` how many bytes went in. Raises Misconfigured.

    What `pieces` raises is raised: the program is ended before its input is, so that it never takes a part for all.
    """
    arguments = ("--format=custom", "--single-transaction", "--exit-on-error", "--no-password", *_place(cluster))
    process = await _start("pg_restore", *arguments, "--dbname", DATABASE, given=asyncio.subprocess.PIPE)
    said = asyncio.create_task(_said(process))
    try:
        assert process.stdin is not None
        done = 0
        with suppress(BrokenPipeError, ConnectionResetError):  # it ended early, and says why
            while piece := await asyncio.to_thread(next, pieces, b""):
                process.stdin.write(piece)
                await asyncio.wait_for(process.stdin.drain(), STALL)
                done += len(piece)
                told(done)
            process.stdin.close()
            await process.stdin.wait_closed()
        if await asyncio.wait_for(process.wait(), LONGEST) != 0:
            raise Misconfigured(f"the backup cannot be put back: {await said}")
    except TimeoutError as stalled:
        raise Misconfigured("the backup cannot be put back: the database does not go on") from stalled
    finally:
        await _end(process, said)


async def is_empty(pool: Pool) -> bool:
    """Whether the database has no table of anybody's."""
    async with pool.owner() as connection:
        return not await connection.fetchval(
            "select exists (select from pg_class where relnamespace = 'public'::regnamespace)"
        )


async def under_way(pool: Pool) -> int:
    """Documents that were not handed over yet and may be: what became of them after the backup nobody here knows."""
    async with pool.owner() as connection:
        found: int = await connection.fetchval(
            "select count(*) from task join document d using (account_id, document_id) "
            "where d.direction = 'outbound' and d.stage not in ('delivered', 'acknowledged', 'settled')"
        )
    return found


async def refresh(pool: Pool) -> None:
    """Let the planner know what was put back."""
    async with pool.owner() as connection:
        await connection.execute("analyze", timeout=3600)


def _place(cluster: Cluster) -> tuple[str, ...]:
    at = cluster.connection()
    return ("--host", at["host"], "--port", str(at["port"]), "--username", at["user"])


async def _start(name: str, *arguments: str, given: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        placement.package() / name, *arguments, stdin=given, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env={"LC_ALL": "C", "TZ": "UTC"}, start_new_session=True,
    )  # fmt: skip


async def _said(process: asyncio.subprocess.Process) -> str:
    """What it says of an error, cut to what matters; the rest is read so that it never waits for us."""
    assert process.stderr is not None
    words = b""
    while piece := await process.stderr.read(65_536):
        words = (words + piece)[:65_536]
    text = words.decode(errors="replace")
    if any(sign in text for sign in _FULL):
        return "the disk is full"
    lines = [line for line in text.splitlines() if "error" in line.lower() or "fatal" in line.lower()]
    return " / ".join((lines or text.splitlines())[:3]) or "it ended without a word"


async def _end(process: asyncio.subprocess.Process, said: asyncio.Task[str]) -> None:
    """Leave nothing of a program: its pipes are read to their ends, or they outlive the loop that would close them."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        while process.stdout is not None and await process.stdout.read(CHUNK):
            pass
        await process.wait()
    await asyncio.gather(said, return_exceptions=True)
