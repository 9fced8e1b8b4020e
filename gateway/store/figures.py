"""Figures of the whole installation that belong to no account: what is due, and since when; what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapters.port import ArrivalKind
from gateway.lifecycle import Stage
from gateway.store.pool import Pool


@dataclass(frozen=True, slots=True)
class Backlog:
    """Tasks whose time has come."""

    due: Mapping[Stage, int]
    """How many, by the stage to run; stages without any are left out."""
    oldest: timedelta
    """How long the longest overdue one has been due; zero when there is none."""


async def strays(pool: Pool) -> Mapping[ArrivalKind, int]:
    """What networks brought that is nobody's and was not dropped, by its kind; kinds without any are 0."""
    async with pool.worker() as connection:
        rows = await connection.fetch(
            "select kind, count(*) as strays from stray where dropped_at is null group by kind"
        )
    return {kind: next((row["strays"] for row in rows if row["kind"] == kind), 0) for kind in ArrivalKind}


async def backlog(pool: Pool, now: datetime) -> Backlog:
    """What is due now; cheap as long as the line keeps up, because it reads the index of due tasks only."""
    async with pool.worker() as connection:
        rows = await connection.fetch(
            "select stage, count(*) as tasks, min(due) as oldest from task where due <= $1 group by stage", now
        )
    oldest = min((row["oldest"] for row in rows), default=now)
    return Backlog({Stage(row["stage"]): row["tasks"] for row in rows}, now - oldest)
