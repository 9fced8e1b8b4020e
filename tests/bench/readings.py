"""What the machine, the log and the database say while the line is measured."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.store.pool import Pool

_TICK = os.sysconf("SC_CLK_TCK")


def percentiles(values: Sequence[float], *, scale: float = 1000.0) -> dict[str, float]:
    """Nearest-rank p50, p95 and p99, in milliseconds when the values are seconds; empty without values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    found = {name: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for name, share in _SHARES.items()}
    return {name: round(value * scale, 1) for name, value in found.items()}


_SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


# Processes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc."""

    pid: int
    parent: int
    cpu: float
    """Seconds of processor time, with those of its children that have ended."""
    resident: int
    """Bytes of memory in use, shared pages included."""

    def proportional(self) -> int:
        """Bytes of memory in use, each shared page counted by its share; `resident` where the kernel does not tell."""
        try:
            lines = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            return self.resident
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), self.resident)


def processes() -> dict[int, Process]:
    """Every process that can be read now."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue
        members = text[text.rindex(")") + 2 :].split()
        cpu = sum(int(members[place]) for place in (11, 12, 13, 14)) / _TICK
        resident = int(members[21]) * os.sysconf("SC_PAGE_SIZE")
        found[int(entry.name)] = Process(int(entry.name), int(members[1]), cpu, resident)
    return found


def family(root: int, all_: Mapping[int, Process]) -> list[Process]:
    """A process and all that descend from it."""
    found, wanted = [], [root]
    while wanted:
        pid = wanted.pop()
        if pid in all_:
            found.append(all_[pid])
            wanted += [one.pid for one in all_.values() if one.parent == pid]
    return found


@dataclass(frozen=True, slots=True)
class Usage:
    """What the programs have used up so far, in seconds of processor time, and hold now, in bytes."""

    cpu: Mapping[str, float]
    resident: Mapping[str, int]
    proportional: Mapping[str, int]
    """What `resident` counts several times where processes share it: the database's buffers, a forked image."""


def usage(gateways: Iterable[int], platform: int, data: Path) -> Usage:
    """Gateways (event loops), their worker processes, the embedded database, the platform, and this process."""
    all_ = processes()
    database = _postmaster(data)
    groups: dict[str, list[Process]] = {
        "gateway": [],
        "workers": [],
        "database": family(database, all_) if database else [],
        "platform": family(platform, all_),
        "load": [all_[os.getpid()]],
    }
    theirs = {one.pid for one in groups["database"]}
    for pid in gateways:
        whole = [one for one in family(pid, all_) if one.pid not in theirs]
        groups["gateway"] += [one for one in whole if one.pid == pid]
        groups["workers"] += [one for one in whole if one.pid != pid]
    return Usage(
        cpu={name: sum(one.cpu for one in members) for name, members in groups.items()},
        resident={name: sum(one.resident for one in members) for name, members in groups.items()},
        proportional={name: sum(one.proportional() for one in members) for name, members in groups.items()},
    )


def _postmaster(data: Path) -> int | None:
    try:
        return int((data / "postgres" / "postmaster.pid").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


# The log -------------------------------------------------------------------------------------------------------------


def stage_times(log: Path, offset: int) -> dict[str, list[float]]:
    """Milliseconds that each stage took, from the log lines (JSON) after a place in the file."""
    with log.open("rb") as file:
        file.seek(offset)
        lines = file.read().splitlines()
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        try:
            members = json.loads(line)
        except ValueError:
            continue
        if members.get("says") == "stage":
            found[members["stage"]].append(float(members["ms"]))
    return dict(found)


# The journal ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Journal:
    """How far the documents of an account have come, in seconds since each was received."""

    after: Mapping[str, Sequence[float]]
    """By stage: the age at which documents reached it."""
    first: float
    """When the first was received, in seconds of the epoch."""
    last: float
    """When the last was delivered."""


async def under_way(pool: Pool, account_id: UUID) -> int:
    """Documents that are neither delivered nor ended."""
    async with pool.account(account_id) as connection:
        number: int = await connection.fetchval(
            "select count(*) from document where halted is null "
            "and stage not in ('delivered', 'acknowledged', 'settled')"
        )
    return number


async def journal(pool: Pool, account_id: UUID, documents: Sequence[str]) -> Journal:
    """What the events say of these documents."""
    async with pool.account(account_id) as connection:
        rows = await connection.fetch(
            """
            select e.stage, extract(epoch from e.at - r.at)::float8 as age, extract(epoch from e.at)::float8 as at
            from event e join event r on r.document_id = e.document_id and r.seq = 1
            where e.outcome in ('done', 'skipped', 'halted') and e.document_id = any($1::uuid[])
            """,
            [UUID(document) for document in documents],
        )
    after: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        after[row["stage"]].append(row["age"])
    received = [row["at"] for row in rows if row["stage"] == "received"]
    delivered = [row["at"] for row in rows if row["stage"] == "delivered"]
    return Journal(dict(after), min(received, default=0.0), max(delivered, default=0.0))


async def present(pool: Pool, account_id: UUID, documents: Sequence[str]) -> int:
    """How many of these documents the database holds."""
    async with pool.account(account_id) as connection:
        number: int = await connection.fetchval(
            "select count(*) from document where document_id = any($1::uuid[])", [UUID(one) for one in documents]
        )
    return number


async def delivered(pool: Pool, account_id: UUID) -> list[str]:
    """SHA-256 of each original that a network took, one for each document."""
    async with pool.account(account_id) as connection:
        rows: list[Mapping[str, Any]] = await connection.fetch(
            "select sha256 from delivery where delivered_at is not null"
        )
    return [bytes(row["sha256"]).hex() for row in rows]
