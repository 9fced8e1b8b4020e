"""What each nightly audit found, for the metrics, for the readiness and for whoever asks later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.store.pool import Connection, Pool

SAYS_LIMIT = 100
"""Complaints that are kept of one audit; `estafette audit` prints all."""


class State(StrEnum):
    """How an audit ended."""

    CLEAN = "clean"
    NOT_CLEAN = "not_clean"
    UNFINISHED = "unfinished"
    """It could not be brought to its end: nothing is known."""


@dataclass(frozen=True, slots=True)
class AuditRun:
    """One nightly audit."""

    began_at: datetime
    ended_at: datetime
    state: State
    complaints: int
    says: tuple[str, ...]
    """The first complaints, or why it could not be finished."""
    documents: int
    leaves: int


async def keep(pool: Pool, run: AuditRun) -> None:
    """Write down how an audit ended."""
    async with pool.worker() as connection:
        await connection.execute(
            """
            insert into audit_run (began_at, ended_at, state, complaints, says, documents, leaves)
            values ($1, $2, $3, $4, $5, $6, $7)
            """,
            *(run.began_at, run.ended_at, run.state, run.complaints),
            *(list(run.says[:SAYS_LIMIT]), run.documents, run.leaves),
        )


async def last(connection: Connection) -> AuditRun | None:
    """How the last audit ended; None before the first."""
    row = await connection.fetchrow(
        "select began_at, ended_at, state, complaints, says, documents, leaves from audit_run "
        "order by number desc limit 1"
    )
    if row is None:
        return None
    return AuditRun(**{**dict(row), "state": State(row["state"]), "says": tuple(row["says"])})
