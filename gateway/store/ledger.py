"""Reads for the audit: what was accepted against what became of it, and every chain from its bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.store.documents import Payment
from gateway.store.pool import Pool

PAGE = 200
"""Documents read at once."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Accepted = delivered + pending + halted, in count and, per currency, in the sum of the totals (BT-112)."""

    accepted: int
    """Documents whose first event says that they were received."""
    archived: int
    """Of them, those whose submission is an archive entry."""
    delivered: int
    """With a receipt of a network, and not halted before it."""
    pending: int
    """With a next task, not delivered yet."""
    halted: int
    """Ended before delivery, visibly."""
    amounts: Mapping[str, tuple[Decimal, Decimal]]
    """Per currency: the sum over all documents, and the sum over delivered, pending and halted ones taken apart."""

    @property
    def balanced(self) -> bool:
        """Whether nothing is missing and nothing is there twice."""
        return self.accepted == self.archived == self.delivered + self.pending + self.halted and all(
            whole == parts for whole, parts in self.amounts.values()
        )

    @property
    def told(self) -> str:
        """In one sentence without amounts, for a complaint that may be logged or kept."""
        differ = [currency for currency, (whole, parts) in self.amounts.items() if whole != parts]
        return (
            f"accepted {self.accepted}, archived {self.archived}, delivered {self.delivered} + pending {self.pending} "
            f"+ halted {self.halted}" + (f"; amounts in {', '.join(sorted(differ))} differ" if differ else "")
        )


@dataclass(frozen=True, slots=True)
class Trail:
    """One document as the database holds it: its row, its events, their leaves, its entries."""

    document: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    entries: tuple[Mapping[str, Any], ...]
    leaves: tuple[Mapping[str, Any], ...]
    payments: tuple[Payment, ...] = ()


async def reconcile(pool: Pool, account_id: UUID) -> Reconciliation:
    """Count one account's documents from the journal and from the projections, apart."""
    async with pool.account(account_id, snapshot=True) as connection:
        accepted = await connection.fetchval("select count(*) from event where seq = 1 and stage = 'received'")
        archived = await connection.fetchval(
            "select count(distinct document_id) from entry where seq = 1 and role = 'submission'"
        )
        parts = await connection.fetch(
            """
            select case when exists (select from delivery v where v.document_id = d.document_id
                                     and v.network_id is not null) then 'delivered'
                        when d.halted is not null then 'halted'
                        when exists (select from task t where t.document_id = d.document_id) then 'pending'
                        else 'lost' end as part,
                   d.currency, count(*) as documents, sum(d.total) as total
            from document d group by part, d.currency
            """
        )
        whole = await connection.fetch(
            "select currency, sum(total) as total from document where total is not null group by currency"
        )
    counts = {name: sum(row["documents"] for row in parts if row["part"] == name) for name in
              ("delivered", "pending", "halted")}  # fmt: skip
    sums: dict[str, Decimal] = {}
    for row in parts:
        if row["part"] != "lost" and row["total"] is not None:
            sums[row["currency"]] = sums.get(row["currency"], Decimal(0)) + row["total"]
    amounts = {row["currency"]: (row["total"], sums.get(row["currency"], Decimal(0))) for row in whole}
    return Reconciliation(accepted, archived, counts["delivered"], counts["pending"], counts["halted"], amounts)


async def trails(pool: Pool, account_id: UUID) -> AsyncIterator[Trail]:
    """Every document of an account with all that its chain is made of, page by page."""
    after: UUID | None = None
    while True:
        async with pool.account(account_id, snapshot=True) as connection:
            rows = await connection.fetch(
                """
                select document_id, version, head from document
                where $1::uuid is null or document_id > $1 order by document_id limit $2
                """,
                after,
                PAGE,
            )
            if not rows:
                return
            ids = [row["document_id"] for row in rows]
            events = await connection.fetch(
                "select document_id, seq, at, stage, outcome, facts, prior, hash from event "
                "where document_id = any($1) order by document_id, seq",
                ids,
            )
            entries = await connection.fetch(
                "select document_id, seq, role, sha256 from entry where document_id = any($1)", ids
            )
            leaves = await connection.fetch(
                "select document_id, seq, salt, entry, place from leaf where document_id = any($1) "
                "order by document_id, seq",
                ids,
            )
            paid = await connection.fetch(
                "select document_id, payment_id as id, amount, currency, paid_on, reference, recorded_at from payment "
                "where document_id = any($1)",
                ids,
            )
        parts = [_by_document(found) for found in (events, entries, leaves, paid)]
        for row in rows:
            happened, kept, placed, told = (tuple(part.get(row["document_id"], ())) for part in parts)
            stated = ({name: value for name, value in one.items() if name != "document_id"} for one in told)
            yield Trail(dict(row), happened, kept, placed, tuple(Payment(**one) for one in stated))
        after = ids[-1]


def _by_document(rows: Sequence[Mapping[str, Any]]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["document_id"], []).append(dict(row))
    return found


async def leaves_without_event(pool: Pool, account_id: UUID) -> tuple[str, ...]:
    """Leaves of an account that stand for no event: the document's id and the event's number."""
    async with pool.account(account_id, snapshot=True) as connection:
        rows = await connection.fetch(
            """
            select l.document_id, l.seq from leaf l left join event e using (account_id, document_id, seq)
            where e.seq is null order by 1, 2
            """
        )
    return tuple(f"event {row['seq']} of document {row['document_id']}" for row in rows)
