"""Status messages of ours: how they stand with the document they speak of, and how one is said, once.

A message is a document of the line. It is admitted, and the document it speaks of gets its event, in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.errors import Conflict, NotFound
from gateway.lifecycle import Said, Stage
from gateway.store import contents, journal, seen, tasks
from gateway.store.journal import Submission
from gateway.store.pool import Connection
from schemas.formats import cdar

API = "api"
"""What stands for the network of a document that its account brought itself."""
MAIL = "mail"
"""The network on which nobody reads status messages."""
SILENT = frozenset({MAIL, "drop", "push", "sftp"})
"""Networks that bring no statuses, and have no way back to who sent an invoice."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A status message of ours, as its own row shows it."""

    id: UUID
    stage: Stage
    halted: str | None
    waits_for: str | None


async def network_of(connection: Connection, document_id: UUID) -> str | None:
    """The network that a document came by, or was handed to; None while it was handed to none."""
    found: str | None = await connection.fetchval(
        """
        select network from inbound where document_id = $1
        union all select network from (
            select network from delivery where document_id = $1 and delivered_at is not null
            order by delivered_at desc limit 1) as last
        limit 1
        """,
        document_id,
    )
    return found


async def sent(connection: Connection, about: UUID) -> Mapping[str, Sent]:
    """The status messages about a document, by their ids as text."""
    rows = await connection.fetch("select document_id, stage, halted, waits_for from document where about = $1", about)
    return {
        str(row["document_id"]): Sent(row["document_id"], Stage(row["stage"]), row["halted"], row["waits_for"])
        for row in rows
    }


async def messages(connection: Connection, document_id: UUID) -> dict[str, bytes]:
    """The bytes of the messages that were said of a document: ours by their document's id, others by the number of
    their event. Those that are destroyed are left out."""
    rows = await connection.fetch(
        """
        select e.seq::text as key, e.sha256 from entry e where e.document_id = $1 and e.role = 'status'
        union all
        select e.document_id::text, e.sha256 from document d join entry e using (account_id, document_id)
        where d.about = $1 and e.role = 'submission'
        """,
        document_id,
    )
    found = {}
    for row in rows:
        with suppress(NotFound):
            found[row["key"]] = await contents.read(connection, row["sha256"].hex())
    return found


async def said(connection: Connection, document_id: UUID, code: str) -> list[bytes]:
    """The messages by which the account itself said a status of a document, but those that ended on their way."""
    rows = await connection.fetch(
        """
        select e.sha256 from document d join entry e using (account_id, document_id)
        join event v on v.document_id = d.about and v.outcome = 'status'
            and v.facts->>'message' = d.document_id::text and v.facts->>'source' = 'account' and v.facts->>'code' = $2
        where d.about = $1 and d.halted is null and e.role = 'submission' order by d.document_id
        """,
        document_id,
        code,
    )
    found = []
    for row in rows:
        with suppress(NotFound):
            found.append(await contents.read(connection, row["sha256"].hex()))
    return found


async def emitted(connection: Connection, document_id: UUID) -> frozenset[str]:
    """The causes for which the gateway has said something about a document by itself."""
    rows = await connection.fetch("select cause from emission where document_id = $1", document_id)
    return frozenset(row["cause"] for row in rows)


async def say(
    connection: Connection, submission: Submission, facts: Mapping[str, Any], *, by: str, version: int
) -> None:
    """Admit a status message and tell it with the document it speaks of, in the caller's transaction of the account.

    `facts`: its status event, without what counts then; `by`: public id of the credential, or operator; `version`: of
    that document, as it was looked at. Raises Conflict when it has changed since, NotFound, and the driver's
    UniqueViolationError when the Idempotency-Key was used meanwhile.
    """
    about = submission.about
    assert about is not None
    row = await connection.fetchrow(
        "select version, status, direction, seen_at from document where document_id = $1 for no key update", about
    )
    if row is None:
        raise NotFound("there is no such document")
    if row["version"] != version:
        raise Conflict("something happened to the document meanwhile")
    await journal.enter(connection, submission)
    furthest = cdar.further(row["status"], str(facts["status"]))
    told = {**facts, "message": str(submission.document_id), **({"furthest": furthest} if furthest else {})}
    said = Said(submission.at, Stage.RECEIVED, "status", told, ())
    await journal.record(connection, submission.account_id, about, [said])
    await connection.execute(
        "update document set status = coalesce($2, status), updated_at = greatest(updated_at, $3) "
        "where document_id = $1",
        *(about, furthest, submission.at),
    )
    if row["direction"] == "inbound" and row["seen_at"] is None:
        await seen.mark(connection, submission.account_id, about, by, submission.at)
    await tasks.reopen(connection, about, submission.at)
