"""How each network takes what is handed over: one row for all processes, so that one finds out for all."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from gateway.circuit import Circuit, failed
from gateway.store.pool import Pool

log = logging.getLogger(__name__)

REASON_LIMIT = 500
"""Characters of what a network said that are kept."""
WOKEN_UNTIL = timedelta(days=3)
"""A document that is on its way for so long waits for its own time when its network is back, so that it ends."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A network as an operator sees it."""

    circuit: Circuit
    waiting: int
    """Documents that wait to be handed over to it."""


async def circuits(pool: Pool) -> Sequence[Circuit]:
    """Of every network that was ever handed something."""
    async with pool.worker() as connection:
        rows = await connection.fetch("select * from network order by name")
    return [_circuit(row) for row in rows]


async def standing(pool: Pool) -> Sequence[Standing]:
    """The same, with what waits for each."""
    async with pool.worker() as connection:
        rows = await connection.fetch(
            "select n.*, (select count(*) from task t where t.network = n.name) as waiting from network n order by name"
        )
    return [Standing(_circuit(row), row["waiting"]) for row in rows]


async def took(pool: Pool, name: str, now: datetime) -> None:
    """A network took a document, or refused it by its own judgement: it works. What failed before is tried now."""
    async with pool.worker() as connection:
        row = await connection.fetchrow("select since from network where name = $1", name)
        if row is None:
            await connection.execute("insert into network (name) values ($1) on conflict do nothing", name)
        if row is None or row["since"] is None:  # as nearly always: nothing is locked, and nothing written
            return
        row = await connection.fetchrow("select since, rest_until from network where name = $1 for no key update", name)
        if row is None or row["since"] is None:
            return
        await connection.execute(
            """
            update network set failures = 0, tried = '{}', since = null, rest_until = null, rests = 0, reason = ''
            where name = $1
            """,
            name,
        )
        if row["rest_until"] is None:
            return
        # An attempt of its own is given back: a network that comes and goes uses up nobody's three days. That of the
        # first stays, by which a repetition is told.
        woken = await connection.execute(
            """
            update task set due = $2, attempts = greatest(attempts - 1, 1)
            where network = $1 and due > $2 and leased_until is null and exists (
                select from delivery d where d.account_id = task.account_id and d.document_id = task.document_id
                    and d.decided_at > $3)
            """,
            name,
            now,
            now - WOKEN_UNTIL,
        )
    log.warning("the network takes documents again; %s tried now", woken.split()[-1], extra={"network": name})


async def did_not_take(
    pool: Pool, name: str, document: UUID, now: datetime, reason: str, asked: timedelta | None
) -> None:
    """A network did not take a document now; `asked`: how long it asks to be left alone."""
    async with pool.worker() as connection:
        await connection.execute("insert into network (name) values ($1) on conflict do nothing", name)
        row = await connection.fetchrow("select * from network where name = $1 for no key update", name)
        before = _circuit(row)
        after = failed(before, document, now, reason[:REASON_LIMIT], asked)
        await connection.execute(
            """
            update network set failures = $2, tried = $3, since = $4, rest_until = $5, rests = $6, reason = $7
            where name = $1
            """,
            *(name, after.failures, list(after.tried), after.since, after.rest_until, after.rests, after.reason),
        )
    if after.rest_until != before.rest_until and after.rest_until is not None:
        seconds = (after.rest_until - now).total_seconds()
        log.warning("the network is left alone for %d s: %s", seconds, after.reason, extra={"network": name})


async def conflict(pool: Pool, name: str) -> None:
    """A network has other bytes under the id of a consignment: somebody must look."""
    async with pool.worker() as connection:
        await connection.execute(
            """
            insert into network (name, conflicts) values ($1, 1)
            on conflict (name) do update set conflicts = network.conflicts + 1
            """,
            name,
        )


def _circuit(row: Mapping[str, Any]) -> Circuit:
    values = {name: row[name] for name in Circuit.__slots__}
    return Circuit(**values | {"tried": tuple(row["tried"])})
