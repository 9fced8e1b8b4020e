"""What the database shows of documents, with the hashes of what it was read from: for who holds one against the other.

Lists, searches, exports and the books show a document by its row and by its line in the archive's index. Both are
copies of what its bytes say; only the bytes are vouched for by the events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.lifecycle import Role
from gateway.store.pool import Connection, Pool

PAGE = 100
"""Documents read at once."""


@dataclass(frozen=True, slots=True)
class SealedEvent:
    """What an event tells of the seals of a document."""

    seq: int
    at: datetime
    facts: Mapping[str, Any]


@dataclass(slots=True)
class Shown:
    """One document as it is shown; picklable."""

    id: UUID
    row: Mapping[str, Any]
    """Of `document`: what was read from its bytes, and when it was purged."""
    index: Mapping[str, Any] | None = None
    """Of `archive_index`, with how many of its terms it is found by; None: it is not found."""
    came: datetime | None = None
    """When it came, by its first event."""
    parsed: str | None = None
    """How reading it ended, by its event: done or halted; None: not read yet."""
    format: str = ""
    """What it was read as, by the same event."""
    purged: bool = False
    """An event says that its contents were destroyed."""
    sealed: list[SealedEvent] = field(default_factory=list)
    kept: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Hash (hexadecimal) and size of the newest content in each role that it may be read from."""
    sizes: dict[str, int] = field(default_factory=dict)
    """Size of every content, by its hash."""

    @property
    def submitted(self) -> str | None:
        """Hash of what states the invoice: the data beside a PDF, or the submission."""
        found = self.kept.get(Role.DATA) or self.kept.get(Role.SUBMISSION)
        return found[0] if found else None


async def documents(pool: Pool, account_id: UUID) -> AsyncIterator[list[Shown]]:
    """Every document of an account as it is shown, page by page; each page as of one moment."""
    after = UUID(int=0)
    while True:
        async with pool.account(account_id, snapshot=True) as connection:
            page = await _page(connection, after)
        if not page:
            return
        yield list(page.values())
        after = max(page)


async def purged(pool: Pool, account_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Those of the documents that are purged by now."""
    async with pool.account(account_id) as connection:
        rows = await connection.fetch(
            "select distinct document_id from event where document_id = any($1) and outcome = 'purged'", ids
        )
    return {row["document_id"] for row in rows}


async def _page(connection: Connection, after: UUID) -> dict[UUID, Shown]:
    rows = await connection.fetch(
        """
        select document_id, number, type_code, issue_date, seller, buyer, buyer_scheme, buyer_address, currency, total,
               amount_due, due_date, direction, participant, purged_at
        from document where document_id > $1 order by document_id limit $2
        """,
        *(after, PAGE),
    )
    page = {row["document_id"]: Shown(row["document_id"], dict(row)) for row in rows}
    ids = list(page)
    for row in await connection.fetch(
        """
        select i.*, (select count(*) from unnest(i.terms) as t where exists (
                        select from archive_term a where a.term = t and a.document_id = i.document_id)) as found_by
        from archive_index i where document_id = any($1)
        """,
        ids,
    ):
        page[row["document_id"]].index = dict(row)
    for row in await connection.fetch(
        """
        select document_id, seq, at, stage, outcome, facts from event where document_id = any($1)
            and (stage in ('parsed', 'sealed') and outcome in ('done', 'skipped', 'halted') or outcome = 'purged'
                 or seq = 1)
        order by document_id, seq
        """,
        ids,
    ):
        shown = page[row["document_id"]]
        if row["seq"] == 1:
            shown.came = row["at"]
        if row["outcome"] == "purged":
            shown.purged = True
        elif row["stage"] == "parsed":
            shown.parsed, shown.format = row["outcome"], str(row["facts"].get("format", ""))
        elif row["stage"] == "sealed":
            shown.sealed.append(SealedEvent(row["seq"], row["at"], row["facts"]))
    for row in await connection.fetch(
        """
        select n.document_id, n.role, n.sha256, c.size from entry n join content c using (account_id, sha256)
        where n.document_id = any($1) order by n.document_id, n.seq
        """,
        ids,
    ):
        shown, digest = page[row["document_id"]], bytes(row["sha256"]).hex()
        shown.kept[row["role"]] = digest, row["size"]
        shown.sizes[digest] = row["size"]
    return page
