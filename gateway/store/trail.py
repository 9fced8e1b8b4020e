"""The audit trail of documents: order → delivery → invoice → statuses → payments, and the invoices they correct.

Read for a batch of documents at once, in the account's transaction, for the export to a tax inspector (the French
*piste d'audit fiable*: CGI 289 VII 1°). Every link is told from both of its ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.sought import reference
from gateway.store.archive import Found
from gateway.store.pool import Connection

CORRECTIONS_LIMIT = 200
"""Documents that refer to one invoice, at most; more are told as such."""


@dataclass(frozen=True, slots=True)
class OrderLink:
    """The order and the delivery that a document invoices."""

    order_id: UUID
    order_number: str
    ordered_on: date
    order_sha256: str
    """Of the bytes of the order as submitted; its content is kept."""
    delivery_id: UUID
    delivery: int
    """Number of the delivery within its order."""
    delivered_on: date
    despatch_advice: str
    take: int
    """1: the first invoice of the delivery; more: it corrects refused ones."""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A handing over to a network."""

    network: str
    network_id: str | None
    decided_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class StatusSaid:
    """What a party or platform said."""

    seq: int
    """Of the event."""
    at: datetime
    status: str
    source: str


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment that was reported."""

    id: UUID
    amount: Decimal
    currency: str
    paid_on: date
    reference: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Related:
    """Another document of the account that this one refers to, or that refers to this one."""

    id: UUID
    number: str
    issue_date: date | None
    type_code: str | None


@dataclass(slots=True)
class Trail:
    """The chain of one document."""

    order: OrderLink | None = None
    deliveries: list[HandedOver] = field(default_factory=list)
    statuses: list[StatusSaid] = field(default_factory=list)
    payments: list[Paid] = field(default_factory=list)
    corrects: list[Related] = field(default_factory=list)
    """Earlier invoices it refers to that are documents here."""
    corrected_by: list[Related] = field(default_factory=list)
    """Documents that refer to it."""


@dataclass(frozen=True, slots=True)
class OrderWhole:
    """An order with all its deliveries and the documents that invoice them, whenever they were issued."""

    id: UUID
    number: str
    buyer_name: str
    ordered_on: date
    currency: str
    total: Decimal | None
    state: str
    media_type: str
    sha256: str
    deliveries: Sequence[Mapping[str, Any]]


async def of(connection: Connection, documents: Sequence[Found]) -> dict[UUID, Trail]:
    """The trail of each document."""
    ids = [document.id for document in documents]
    trails = {one: Trail() for one in ids}
    await _orders(connection, ids, trails)
    await _handed(connection, ids, trails)
    await _said(connection, ids, trails)
    await _paid(connection, ids, trails)
    for document in documents:
        await _related(connection, document, trails[document.id])
    return trails


async def order(connection: Connection, order_id: UUID) -> OrderWhole:
    """One order with everything that follows from it."""
    row = await connection.fetchrow(
        """
        select o.order_id, o.number, o.buyer_name, o.issue_date, o.currency, o.total, o.state, o.sha256, c.media_type
        from purchase_order o join content c using (account_id, sha256) where o.order_id = $1
        """,
        order_id,
    )
    rows = await connection.fetch(
        """
        select d.delivery_id, d.seq, d.delivered_on, d.despatch_advice, i.document_id, i.number, i.take
        from order_delivery d left join order_invoice i using (account_id, delivery_id)
        where d.order_id = $1 order by d.seq, i.take
        """,
        order_id,
    )
    deliveries: dict[UUID, dict[str, Any]] = {}
    for one in rows:
        delivery = deliveries.setdefault(
            one["delivery_id"],
            {
                "delivery": one["seq"],
                "id": str(one["delivery_id"]),
                "delivered_on": one["delivered_on"].isoformat(),
                "despatch_advice": one["despatch_advice"],
                "invoices": [],
            },
        )
        if one["document_id"] is not None:
            delivery["invoices"].append(
                {"document": str(one["document_id"]), "number": one["number"], "take": one["take"]}
            )
    return OrderWhole(
        row["order_id"], row["number"], row["buyer_name"], row["issue_date"], row["currency"], row["total"],
        row["state"], row["media_type"], bytes(row["sha256"]).hex(), tuple(deliveries.values()),
    )  # fmt: skip


async def _orders(connection: Connection, ids: Sequence[UUID], trails: Mapping[UUID, Trail]) -> None:
    rows = await connection.fetch(
        """
        select i.document_id, i.take, d.delivery_id, d.seq, d.delivered_on, d.despatch_advice, o.order_id, o.number,
               o.issue_date, o.sha256
        from order_invoice i join order_delivery d using (account_id, delivery_id)
        join purchase_order o using (account_id, order_id) where i.document_id = any($1::uuid[])
        """,
        ids,
    )
    for row in rows:
        trails[row["document_id"]].order = OrderLink(
            row["order_id"], row["number"], row["issue_date"], bytes(row["sha256"]).hex(), row["delivery_id"],
            row["seq"], row["delivered_on"], row["despatch_advice"], row["take"],
        )  # fmt: skip


async def _handed(connection: Connection, ids: Sequence[UUID], trails: Mapping[UUID, Trail]) -> None:
    rows = await connection.fetch(
        """
        select document_id, network, network_id, decided_at, delivered_at from delivery
        where document_id = any($1::uuid[]) order by decided_at
        """,
        ids,
    )
    for row in rows:
        values = (row["network"], row["network_id"], row["decided_at"], row["delivered_at"])
        trails[row["document_id"]].deliveries.append(HandedOver(*values))


async def _said(connection: Connection, ids: Sequence[UUID], trails: Mapping[UUID, Trail]) -> None:
    rows = await connection.fetch(
        """
        select document_id, seq, at, facts->>'status' as status, coalesce(facts->>'source', '') as source from event
        where document_id = any($1::uuid[]) and outcome = 'status' order by document_id, seq
        """,
        ids,
    )
    for row in rows:
        values = (row["seq"], row["at"], row["status"] or "", row["source"])
        trails[row["document_id"]].statuses.append(StatusSaid(*values))


async def _paid(connection: Connection, ids: Sequence[UUID], trails: Mapping[UUID, Trail]) -> None:
    rows = await connection.fetch(
        """
        select document_id, payment_id, amount, currency, paid_on, reference, recorded_at from payment
        where document_id = any($1::uuid[]) order by recorded_at, payment_id
        """,
        ids,
    )
    for row in rows:
        values = (row["payment_id"], row["amount"], row["currency"], row["paid_on"])
        trails[row["document_id"]].payments.append(Paid(*values, row["reference"], row["recorded_at"]))


async def _related(connection: Connection, document: Found, trail: Trail) -> None:
    """The documents of the same seller that it refers to, and that refer to it."""
    numbers = [one["number"] for one in document.refers_to.get("preceding", ())]
    if numbers:
        rows = await connection.fetch(
            """
            select i.document_id, i.number, i.issue_date, i.type_code
            from archive_index i join document d using (account_id, document_id)
            where i.number = any($1::text[]) and d.seller is not distinct from $2 and i.document_id <> $3
            order by i.document_id
            """,
            numbers,
            document.seller,
            document.id,
        )
        trail.corrects = [_relation(row) for row in rows]
    if document.number is None:
        return
    rows = await connection.fetch(
        """
        select i.document_id, i.number, i.issue_date, i.type_code
        from archive_term t join archive_index i using (account_id, document_id)
        join document d using (account_id, document_id)
        where t.term = $1 and i.refers_to->'preceding' @> jsonb_build_array(jsonb_build_object('number', $2::text))
          and d.seller is not distinct from $3 and i.document_id <> $4 order by i.document_id limit $5
        """,
        reference(document.number),
        document.number,
        document.seller,
        document.id,
        CORRECTIONS_LIMIT,
    )
    trail.corrected_by = [_relation(row) for row in rows]


def _relation(row: Mapping[str, Any]) -> Related:
    return Related(row["document_id"], row["number"] or "", row["issue_date"], row["type_code"])
