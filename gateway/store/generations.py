"""Which cluster writes events: a generation is opened when the database finds itself in another cluster than before.

The feed orders events by their transactions, and transactions are numbered by the cluster. A dump that was restored
elsewhere, or an older state that was put back, begins those numbers anew: without generations the feed would hide the
old events above its horizon, or show new ones before them.
"""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from gateway.store.pool import Connection, Pool

log = logging.getLogger(__name__)


async def present(pool: Pool, now: datetime) -> int:
    """The generation of the events that are written from now on, opened if this is another cluster than the last.

    Waits until no transaction writes events of the generation before, so that a closed generation is complete.
    """
    async with pool.owner() as connection:
        if (known := await connection.fetchval(_SAME)) is not None:
            return int(known)
        async with connection.transaction():
            await connection.execute("lock table event in share row exclusive mode")
            if (known := await connection.fetchval(_SAME)) is not None:
                return int(known)  # another gateway was first
            opened: int = await connection.fetchval(
                """
                insert into generation (number, cluster, at)
                select greatest(max(number) + 1, extract(epoch from $1::timestamptz)::bigint), present_cluster(), $1
                from generation returning number
                """,
                now,
            )
    log.warning("the database was restored or moved: the feed of events goes on in generation %s", opened)
    return opened


async def lost_sight_of(connection: Connection, document_id: UUID) -> bool:
    """Whether the database was put back or moved since a document of this account was accepted.

    What became of the document meanwhile, in the database that was lost, nobody here knows.
    """
    older: bool | None = await connection.fetchval(
        "select generation < present_generation() from event where document_id = $1 and seq = 1", document_id
    )
    return bool(older)


_SAME = """
select number from generation where number = present_generation() and cluster = present_cluster()
"""
