"""Orders, what was delivered of them, and the documents that invoice their deliveries.

What remains of an order is never stored: it follows from its deliveries, which are append-only. A delivery, its invoice
and the invoice's number are written in one transaction under the order's lock, and only if the order still stands as it
stood when the invoice was drafted: so never more is invoiced than was checked, whoever delivers at the same time.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from asyncpg import UniqueViolationError

from gateway.errors import Conflict, KeyReused, Malformed, NotFound
from gateway.lifecycle import Kept, Role, Stage, answered_no
from gateway.store import contents
from gateway.store.journal import Submission, enter, known
from gateway.store.numbers import never_left
from gateway.store.pool import Connection, Pool
from schemas.invoicing import numbered

OPEN, DELIVERED, CLOSED = "open", "delivered", "closed"
STATES = (OPEN, DELIVERED, CLOSED)
PAGE_LIMIT = 200
_DIGITS = 6
"""Digits of a number in a series, at least."""


@dataclass(frozen=True, slots=True)
class OrderHead:
    """An order as a list shows it."""

    account_id: UUID
    id: UUID
    participant: str
    number: str
    buyer: str
    buyer_name: str
    seller: str
    issue_date: date
    currency: str
    total: Decimal | None
    format: str
    sha256: str
    state: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class OrderRow(OrderHead):
    """An order as it is kept."""

    form: Mapping[str, Any]
    """The order in its JSON form."""
    unknown: tuple[str, ...]
    remarks: tuple[Mapping[str, Any], ...]
    """Findings that refused nothing."""


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order to keep."""

    row: OrderRow
    data: bytes
    """The bytes as submitted."""
    media_type: str
    key: str
    """Idempotency-Key, or the order's own id."""
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class IssuedRow:
    """A document that invoices a delivery, and where it stands."""

    take: int
    document_id: UUID
    number: str
    created_at: datetime
    stage: Stage
    halted: str | None
    status: str | None

    @property
    def correctable(self) -> bool:
        """Whether another invoice may take its place: it ended before any network had it, or with somebody's refusal.

        One that ended otherwise after it was routed may lie with a network: another would invoice the goods twice.
        """
        return self.halted is not None and (not self.stage.reaches(Stage.ROUTED) or answered_no(self.halted))


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery of an order."""

    id: UUID
    order_id: UUID
    seq: int
    delivered_on: date
    despatch_advice: str
    remarks: tuple[Mapping[str, Any], ...]
    created_at: datetime
    quantities: Mapping[str, Decimal]
    """Line → quantity."""
    issued: tuple[IssuedRow, ...]
    """Its documents, the one in force last."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders a list shows; None leaves a criterion out."""

    state: str | None = None
    number: str | None = None
    buyer: str | None = None
    participant: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to record."""

    seq: int
    delivered_on: date
    despatch_advice: str
    quantities: Mapping[str, Decimal]
    whole: bool
    """Whether nothing remains after it."""
    remarks: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Issue:
    """An invoice to issue for a delivery."""

    order: OrderRow
    """As it stood when the invoice was drafted."""
    delivery_id: UUID
    document_id: UUID
    take: int
    invoice: bytes
    """Its JSON form, numbered or numberless."""
    number: str
    """BT-1; empty: the next of the series."""
    series: str
    call: Mapping[str, Any]
    at: datetime
    key: str | None
    fingerprint: bytes


class Changed(Exception):
    """The order does not stand any more as it stood when the invoice was drafted; nothing was written."""


_HEAD = (
    "account_id, order_id, participant, number, buyer, buyer_name, seller, issue_date, currency, total, format, "
    "sha256, state, version, created_at, updated_at"
)
_COLUMNS = f"{_HEAD}, form, unknown, remarks"
"""With what may be large: an order of thousands of lines is read only by whom it concerns."""


async def keep(connection: Connection, new: NewOrder) -> tuple[OrderRow, bool]:
    """Keep an order once; tells whether it was there already.

    Raises KeyReused when its key came with another request, Conflict when the buyer's number has other content: an
    order that changed is kept again when the one before is closed.
    """
    row = new.row
    digest = sha256(new.data).digest()
    if there := await _there_already(connection, new, digest):
        return there, True
    await contents.put(connection, row.account_id, [Kept(Role.SUBMISSION, new.media_type, new.data)])
    made = await connection.fetchval(
        """
        insert into purchase_order (account_id, order_id, participant, number, buyer, buyer_name, seller, issue_date,
            currency, total, format, sha256, form, unknown, remarks, state, version, key, fingerprint,
            created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 1, $17, $18, $19, $19)
        on conflict do nothing returning order_id
        """,
        row.account_id,
        row.id,
        row.participant,
        row.number,
        row.buyer,
        row.buyer_name,
        row.seller,
        row.issue_date,
        row.currency,
        row.total,
        row.format,
        digest,
        dict(row.form),
        list(row.unknown),
        [dict(remark) for remark in row.remarks],
        row.state,
        new.key,
        new.fingerprint,
        row.created_at,
    )
    if made is not None:
        return await get(connection, row.id), False
    there = await _there_already(connection, new, digest)
    if there is None:
        raise Conflict("the order came twice at the same time; send it again")
    return there, True


async def _there_already(connection: Connection, new: NewOrder, digest: bytes) -> OrderRow | None:
    """The order that was kept before for this key, or for this buyer and number with the same content."""
    same_key = await connection.fetchrow("select order_id, fingerprint from purchase_order where key = $1", new.key)
    if same_key is not None:
        if bytes(same_key["fingerprint"]) != new.fingerprint:
            raise KeyReused("this Idempotency-Key was used with another request; a new order needs a new key")
        return await get(connection, same_key["order_id"])
    row = new.row
    named = await connection.fetch(
        """
        select order_id, state, sha256 = $4 or form = $5 as same from purchase_order
        where participant = $1 and buyer = $2 and number = $3
        """,
        row.participant,
        row.buyer,
        row.number,
        digest,
        dict(row.form),
    )
    for there in named:
        if there["same"]:
            return await get(connection, there["order_id"])
    for there in named:
        if there["state"] != CLOSED:
            raise Conflict(
                f"order {row.number} of this buyer is kept as /v1/orders/{there['order_id']} with other content; "
                "close that one first if this one takes its place"
            )
    return None


async def get(connection: Connection, order_id: UUID) -> OrderRow:
    """One order of the account. Raises NotFound."""
    row = await connection.fetchrow(f"select {_COLUMNS} from purchase_order where order_id = $1", order_id)  # noqa: S608
    if row is None:
        raise NotFound("there is no such order")
    values = dict(row)
    unknown, remarks = tuple(values.pop("unknown")), tuple(values.pop("remarks"))
    return OrderRow(**_named(values), unknown=unknown, remarks=remarks)


async def head(connection: Connection, order_id: UUID) -> OrderHead:
    """One order of the account without its lines. Raises NotFound."""
    row = await connection.fetchrow(f"select {_HEAD} from purchase_order where order_id = $1", order_id)  # noqa: S608
    if row is None:
        raise NotFound("there is no such order")
    return OrderHead(**_named(row))


async def page(
    connection: Connection, wanted: Filter, after: str | None, limit: int
) -> tuple[tuple[OrderHead, ...], str | None]:
    """Orders of the account, newest first, and the cursor of the next page (None at the end). Raises Malformed."""
    before_at, before_id = _split(after) if after else (None, None)
    rows = await connection.fetch(
        f"""
        select {_HEAD} from purchase_order
        where ($1::timestamptz is null or (created_at, order_id) < ($1, $2::uuid))
          and ($3::text is null or state = $3) and ($4::text is null or number = $4)
          and ($5::text is null or buyer = $5) and ($6::text is null or participant = $6)
          and ($7::timestamptz is null or created_at >= $7) and ($8::timestamptz is null or created_at < $8)
        order by created_at desc, order_id desc limit $9
        """,  # noqa: S608
        before_at,
        before_id,
        wanted.state,
        wanted.number,
        wanted.buyer,
        wanted.participant,
        wanted.created_from,
        wanted.created_until,
        limit + 1,
    )
    found = tuple(OrderHead(**_named(row)) for row in rows[:limit])
    return found, _join(found[-1]) if len(rows) > limit else None


async def deliveries(connection: Connection, order_id: UUID) -> tuple[DeliveryRow, ...]:
    """The deliveries of an order, oldest first, each with its lines and documents."""
    rows = await connection.fetch(
        """
        select delivery_id, order_id, seq, delivered_on, despatch_advice, remarks, created_at from order_delivery
        where order_id = $1 order by seq
        """,
        order_id,
    )
    ids = [row["delivery_id"] for row in rows]
    lines = await connection.fetch(
        "select delivery_id, line, quantity from order_delivery_line where delivery_id = any($1)", ids
    )
    issued = await connection.fetch(
        """
        select i.delivery_id, i.take, i.document_id, i.number, i.created_at, d.stage, d.halted, d.status
        from order_invoice i join document d using (account_id, document_id)
        where i.delivery_id = any($1) order by i.take
        """,
        ids,
    )
    quantities: dict[UUID, dict[str, Decimal]] = {}
    for line in lines:
        quantities.setdefault(line["delivery_id"], {})[line["line"]] = line["quantity"]
    documents: dict[UUID, list[IssuedRow]] = {}
    for one in issued:
        documents.setdefault(one["delivery_id"], []).append(_issued(one))
    return tuple(
        DeliveryRow(
            row["delivery_id"],
            row["order_id"],
            row["seq"],
            row["delivered_on"],
            row["despatch_advice"],
            tuple(row["remarks"]),
            row["created_at"],
            quantities[row["delivery_id"]],
            tuple(documents[row["delivery_id"]]),
        )
        for row in rows
    )


async def issued_for(connection: Connection, key: str, fingerprint: bytes) -> UUID | None:
    """The delivery whose invoice came of this Idempotency-Key and request; None: none. Raises KeyReused."""
    document_id = await known(connection, key, fingerprint)
    if document_id is None:
        return None
    found: UUID | None = await connection.fetchval(
        "select delivery_id from order_invoice where document_id = $1", document_id
    )
    return found


async def said(connection: Connection, document_id: UUID) -> Mapping[str, Any]:
    """What the calls that made this invoice said."""
    call: Mapping[str, Any] = await connection.fetchval(
        "select call from order_invoice where document_id = $1", document_id
    )
    return call


async def number_is_free(connection: Connection, document_id: UUID) -> bool:
    """Whether the number of a refused document may serve its correction: nothing of it was handed to a network."""
    return await never_left(connection, document_id)


async def issue(pool: Pool, what: Issue, delivery: NewDelivery | None) -> str:
    """Issue the invoice of a delivery, new or (with None) recorded before; its number.

    One transaction: delivery, number, document and its first task. Raises Changed, NotFound.
    """
    order = what.order
    try:
        async with pool.account(order.account_id) as connection:
            version = await connection.fetchval(
                "select version from purchase_order where order_id = $1 for no key update", order.id
            )
            if version is None:
                raise NotFound("there is no such order")
            if version != order.version:
                raise Changed
            if delivery is not None:
                await _record(connection, what, delivery)
            number = what.number or await _next_number(connection, what)
            await enter(connection, _submission(what, numbered(what.invoice, number)))
            await connection.execute(
                """
                insert into order_invoice (account_id, delivery_id, take, document_id, number, call, created_at)
                values ($1, $2, $3, $4, $5, $6, $7)
                """,
                order.account_id,
                what.delivery_id,
                what.take,
                what.document_id,
                number,
                dict(what.call),
                what.at,
            )
            state = DELIVERED if delivery is not None and delivery.whole else order.state
            await _move(connection, order.id, state, what.at)
    except UniqueViolationError as meanwhile:  # its key was used while we drafted
        raise Changed from meanwhile
    return number


async def close(connection: Connection, order_id: UUID, now: datetime) -> OrderRow:
    """Nothing more will be delivered of an order, and its number is free for another; one that was delivered whole is
    closed too. Closing it again changes nothing. Raises NotFound.
    """
    row = await connection.fetchrow("select state from purchase_order where order_id = $1 for no key update", order_id)
    if row is None:
        raise NotFound("there is no such order")
    if row["state"] != CLOSED:
        await _move(connection, order_id, CLOSED, now)
    return await get(connection, order_id)


async def _move(connection: Connection, order_id: UUID, state: str, now: datetime) -> None:
    await connection.execute(
        "update purchase_order set state = $2, version = version + 1, updated_at = $3 where order_id = $1",
        order_id,
        state,
        now,
    )


async def _record(connection: Connection, what: Issue, delivery: NewDelivery) -> None:
    account_id = what.order.account_id
    await connection.execute(
        """
        insert into order_delivery (account_id, delivery_id, order_id, seq, delivered_on, despatch_advice, remarks,
                                    created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        account_id,
        what.delivery_id,
        what.order.id,
        delivery.seq,
        delivery.delivered_on,
        delivery.despatch_advice,
        [dict(remark) for remark in delivery.remarks],
        what.at,
    )
    await connection.execute(
        """
        insert into order_delivery_line (account_id, delivery_id, line, quantity)
        select $1, $2, * from unnest($3::text[], $4::numeric[])
        """,
        account_id,
        what.delivery_id,
        list(delivery.quantities),
        list(delivery.quantities.values()),
    )


async def _next_number(connection: Connection, what: Issue) -> str:
    """The next number of a series that no invoice of the legal entity bears; its row stays locked until the commit."""
    while True:
        count = await connection.fetchval(
            """
            insert into invoice_series (account_id, participant, series, next) values ($1, $2, $3, 2)
            on conflict (account_id, participant, series) do update set next = invoice_series.next + 1
            returning next - 1
            """,
            what.order.account_id,
            what.order.participant,
            what.series,
        )
        number = f"{what.series}{count:0{_DIGITS}}"
        used = await connection.fetchval(
            """
            select exists (select from invoice_number where number = $1 and seller = any($2))
                or exists (select from order_invoice i join order_delivery d using (account_id, delivery_id)
                           join purchase_order o using (account_id, order_id)
                           where i.number = $1 and o.participant = $3)
            """,
            number,
            [what.order.participant, what.order.seller],
            what.order.participant,
        )
        if not used:
            return number


def _submission(what: Issue, data: bytes) -> Submission:
    return Submission(
        account_id=what.order.account_id,
        document_id=what.document_id,
        participant=what.order.participant,
        format="json",
        kept=(Kept(Role.SUBMISSION, "application/json", data),),
        at=what.at,
        key=what.key,
        fingerprint=what.fingerprint,
        origin={"order": str(what.order.id), "delivery": str(what.delivery_id), "take": what.take},
    )


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row by the names of our fields."""
    values = dict(row)
    return {"id": values.pop("order_id"), "sha256": bytes(values.pop("sha256")).hex(), **values}


def _issued(row: Mapping[str, Any]) -> IssuedRow:
    return IssuedRow(
        row["take"],
        row["document_id"],
        row["number"],
        row["created_at"],
        Stage(row["stage"]),
        row["halted"],
        row["status"],
    )


def _join(order: OrderHead) -> str:
    return base64.urlsafe_b64encode(f"{order.created_at.isoformat()}|{order.id}".encode()).decode().rstrip("=")


def _split(cursor: str) -> tuple[datetime, UUID]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        at, _, identifier = text.partition("|")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(identifier)
    except (binascii.Error, UnicodeDecodeError, ValueError, OverflowError) as unreadable:
        raise Malformed("the cursor is not one that we gave") from unreadable
