"""Who has seen an inbound document: said once, told by its event, and its line goes on."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from gateway.errors import Conflict, NotFound
from gateway.lifecycle import Said, Stage
from gateway.store import journal, tasks
from gateway.store.pool import Connection


async def mark(connection: Connection, account_id: UUID, document_id: UUID, by: str, now: datetime) -> bool:
    """Write down that the account has seen a document; False when somebody did before. Raises NotFound, Conflict.

    `by`: public id of the credential, or operator. In the caller's transaction of the account.
    """
    row = await connection.fetchrow(
        "select direction, seen_at from document where document_id = $1 for no key update", document_id
    )
    if row is None:
        raise NotFound("there is no such document")
    if row["direction"] != "inbound":
        raise Conflict("only a document that came in can be seen: this one was issued by the account")
    if row["seen_at"] is not None:
        return False
    said = Said(now, Stage.RECEIVED, "seen", {"by": by}, ())
    await journal.record(connection, account_id, document_id, [said])
    await connection.execute(
        "update document set seen_at = $2, seen_by = $3, updated_at = greatest(updated_at, $2) where document_id = $1",
        document_id,
        now,
        by,
    )
    await tasks.wake(connection, document_id, now)
    return True
