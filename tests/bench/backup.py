"""Measure a backup of the embedded database and its restore onto an empty folder, audit and questions included (T30).

python -m tests.bench.backup --documents 10000 --size 40000

The documents are accepted and wait: each has one event, one leaf and one locked content of the given size, as random
as a PDF. The commands run as an operator runs them; the database keeps what it acknowledges (fsync on). While the
backup is made documents go on being accepted; how long that takes is measured before and meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from gateway.main import open_gateway
from gateway.publish import publish
from gateway.settings import read
from gateway.store import accounts
from gateway.store.identifiers import new_id
from gateway.store.journal import admit
from gateway.store.placement import discard
from gateway.store.pool import Pool
from tests.gateway.ground import submission

OUT = Path("bench-out") / "backup.json"
AT_ONCE = 16
PAUSE = 0.02
"""Seconds between two submissions of the load beside the backup."""


async def measure(folder: Path, count: int, size: int) -> dict[str, float]:
    """Fill a database, back it up while documents are accepted, put it back elsewhere."""
    here, there = _environment(folder / "here"), _environment(folder / "there")
    file = folder / "bench.estafette"
    async with open_gateway(read(here), here) as gateway:
        pool, now = gateway.resources.pool, gateway.resources.clock.now()
        account = await accounts.create(
            pool, new_id(now), name="Bench", siren="100000108", french=False, original="as_submitted", now=now
        )
        await _fill(pool, account.id, count, size)
        while await publish(gateway.resources) is not None:
            pass
        async with pool.owner() as connection:
            stored = await connection.fetchval("select pg_database_size(current_database())")
        quiet = await _accept(pool, account.id, size, asyncio.create_task(asyncio.sleep(5)))
        backup = asyncio.create_task(_run(here, "backup", str(file)))
        beside = await _accept(pool, account.id, size, backup)
        while await publish(gateway.resources) is not None:
            pass
    checking = await _run(here, "backup", "--check", str(file))
    shutil.copytree(folder / "here" / "secrets", folder / "there" / "secrets")
    restoring = await _run(there, "restore", str(file))
    return {
        "documents": count,
        "database_megabytes": round(stored / 1e6),
        "file_megabytes": round(file.stat().st_size / 1e6),
        "backup_seconds": round(await backup, 1),
        "check_seconds": round(checking, 1),
        "restore_seconds": round(restoring, 1),
        "accepted_beside": len(beside),
        "accept_ms_before": round(statistics.median(quiet) * 1000, 1),
        "accept_ms_beside": round(statistics.median(beside) * 1000, 1),
    }


async def _fill(pool: Pool, account_id: UUID, count: int, size: int) -> None:
    chance, gate, done = random.Random(7), asyncio.Semaphore(AT_ONCE), 0

    async def one(data: bytes) -> None:
        nonlocal done
        async with gate:
            await admit(pool, submission(account_id, data))
        done += 1
        if done % 500 == 0:
            print(f"\r{done} of {count} documents", end="", flush=True)

    for _ in range(0, count, 500):
        await asyncio.gather(*(one(chance.randbytes(size)) for _ in range(500)))
    print()


async def _accept(pool: Pool, account_id: UUID, size: int, until: asyncio.Task[object]) -> list[float]:
    """Accept documents until the task has ended; seconds that each took."""
    took = []
    while not until.done():
        begun = time.perf_counter()
        await admit(pool, submission(account_id, os.urandom(size)))
        took.append(time.perf_counter() - begun)
        await asyncio.sleep(PAUSE)
    return took


async def _run(environment: Mapping[str, str], *arguments: str) -> float:
    """Run a command to its end; the seconds it took. Raises AssertionError with what it said."""
    begun, pipe = time.perf_counter(), asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, stdout=pipe, stderr=pipe, env=dict(environment)
    )
    said, complaint = await process.communicate()
    assert process.returncode == 0, f"{arguments[0]}: exit {process.returncode}\n{said.decode()}{complaint.decode()}"
    print(said.decode(), end="")
    return time.perf_counter() - begun


def _environment(data: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ESTAFETTE_")}
    return inherited | {"ESTAFETTE_DATA": str(data), "ESTAFETTE_WORKERS": "1", "ESTAFETTE_LANGUAGE": "en"}


def main() -> None:
    """Measure, print, keep."""
    it = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    it.add_argument("--documents", type=int, default=10_000)
    it.add_argument("--size", type=int, default=40_000, help="bytes of each document")
    options = it.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="estafette-bench-"))
    folder.chmod(0o755)
    try:
        found = asyncio.run(measure(folder, options.documents, options.size))
    finally:
        for data in ("here", "there"):
            discard(folder / data)
        shutil.rmtree(folder, ignore_errors=True)
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
