"""Orders over HTTP: hand one in, list them, read one with what remains of it, close it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any

from aiohttp import web

from gateway.api import bodies, drafting, queries, shapes
from gateway.api.auth import CALLER, PARTICIPANT, idempotency_key
from gateway.api.keys import RESOURCES
from gateway.api.limits import LIMITS
from gateway.compute import Interrupted
from gateway.errors import Busy, Malformed, NotFound, Rejected, TooLarge, UnknownFormat
from gateway.resources import Resources
from gateway.store import documents, orders
from gateway.store.identifiers import new_id
from gateway.store.orders import (
    OPEN,
    PAGE_LIMIT,
    STATES,
    DeliveryRow,
    Filter,
    IssuedRow,
    NewOrder,
    OrderHead,
    OrderRow,
)
from schemas.xml import Unreadable
from signing.chain import instant

SIZE_LIMIT = 50 * 1024 * 1024
"""Bytes of one order."""

_FILTERS = ("state", "number", "buyer", "participant", "created_from", "created_until", "cursor", "limit")
_MEDIA_TYPES = {
    "application/json": "application/json",
    "application/xml": "application/xml",
    "text/xml": "application/xml",
    "application/pdf": "application/pdf",
    "application/octet-stream": "application/octet-stream",
}


async def submit(request: web.Request) -> web.Response:
    """Keep an order, once for its Idempotency-Key and once for its buyer and number."""
    queries.only(request, ())
    caller, resources = request[CALLER], request.app[RESOURCES]
    key, participant = idempotency_key(request), request[PARTICIPANT]
    if request.content_type not in _MEDIA_TYPES:
        raise UnknownFormat("an order is JSON, XML (Order-X or UBL) or a PDF that carries it")
    with request.app[LIMITS].upload(caller.public_id) as budget:
        data = await bodies.read(request, SIZE_LIMIT, budget)
        if not data:
            raise Malformed("the body is empty; an order is JSON, XML or PDF")
        read = await _read(data, resources)
    if read.findings:
        raise Rejected("this is no order that can be kept and delivered", read.findings)
    now = resources.clock.now()
    order_id, order = new_id(now), read.order
    assert order.issue_date is not None
    row = OrderRow(
        account_id=caller.account.id,
        id=order_id,
        participant=participant,
        number=order.number,
        buyer=read.buyer,
        buyer_name=order.buyer.name,
        seller=read.seller,
        issue_date=order.issue_date,
        currency=order.currency,
        total=order.totals.without_vat,
        format=read.format,
        sha256=sha256(data).hexdigest(),
        form=read.form,
        unknown=read.unknown,
        remarks=tuple(remark.as_json() for remark in read.remarks),
        state=OPEN,
        version=1,
        created_at=now,
        updated_at=now,
    )
    print_ = fingerprint(request, data)
    new = NewOrder(row, data, _MEDIA_TYPES[request.content_type], key or str(order_id), print_)
    async with resources.pool.account(caller.account.id) as connection:
        kept, replayed = await orders.keep(connection, new)
        delivered = await orders.deliveries(connection, kept.id)
    headers = {"Location": location(kept.id)}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return shapes.answer(whole(kept, delivered), status=201, headers=headers)


async def listed(request: web.Request) -> web.Response:
    """Orders of the account, newest first."""
    queries.only(request, _FILTERS)
    wanted = Filter(
        state=queries.optional(request, "state", _state, says=f"one of {', '.join(STATES)}"),
        number=request.query.get("number"),
        buyer=request.query.get("buyer"),
        participant=request.query.get("participant"),
        created_from=queries.optional(request, "created_from", queries.instant, says="an ISO 8601 instant"),
        created_until=queries.optional(request, "created_until", queries.instant, says="an ISO 8601 instant"),
    )
    limit = queries.number(request, "limit", 50, 1, PAGE_LIMIT)
    account = request[CALLER].account
    async with request.app[RESOURCES].pool.account(account.id) as connection:
        found, cursor = await orders.page(connection, wanted, request.query.get("cursor"), limit)
    mine = [summary(order) for order in found if order.account_id == account.id]
    return shapes.answer({"orders": mine, "cursor": cursor})


async def read(request: web.Request) -> web.Response:
    """One order, what remains of it, and what was delivered and invoiced."""
    queries.only(request, ())
    account = request[CALLER].account
    async with request.app[RESOURCES].pool.account(account.id) as connection:
        order = await orders.get(connection, (await find(request, connection)).id)
        delivered = await orders.deliveries(connection, order.id)
    return shapes.answer(whole(order, delivered))


async def content(request: web.Request) -> web.Response:
    """The bytes as they were submitted."""
    queries.only(request, ())
    account = request[CALLER].account
    async with request.app[RESOURCES].pool.account(account.id) as connection:
        order = await find(request, connection)
        data = await documents.read(connection, order.sha256)
    media_type = {"json": "application/json"}.get(order.format, "application/xml")
    if data.startswith(b"%PDF-"):
        media_type = "application/pdf"
    headers = {"Content-Disposition": f'attachment; filename="order-{order.id}"', "ETag": f'"{order.sha256}"'}
    return web.Response(body=data, content_type=media_type, headers=headers)


async def close(request: web.Request) -> web.Response:
    """Nothing more will be delivered of this order."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    async with resources.pool.account(account.id) as connection:
        order = await find(request, connection)
        closed = await orders.close(connection, order.id, resources.clock.now())
        delivered = await orders.deliveries(connection, order.id)
    return shapes.answer(whole(closed, delivered))


async def find(request: web.Request, connection: Any) -> OrderHead:
    """The order named in the path, of this account. Raises NotFound."""
    order = await orders.head(connection, queries.named(request, "order"))
    if order.account_id != request[CALLER].account.id:
        raise NotFound("there is no such order")
    return order


def fingerprint(request: web.Request, data: bytes) -> bytes:
    """SHA-256 of what makes two requests the same."""
    head = "\n".join((request.method, request.path, request[PARTICIPANT], request.content_type))
    return sha256(head.encode() + b"\n" + sha256(data).digest()).digest()


def location(order_id: object) -> str:
    """Where an order is read."""
    return f"/v1/orders/{order_id}"


def delivered_in_all(deliveries: Sequence[DeliveryRow]) -> dict[str, Decimal]:
    """Line → quantity over all these deliveries."""
    total: dict[str, Decimal] = {}
    for delivery in deliveries:
        for line, quantity in delivery.quantities.items():
            total[line] = total.get(line, Decimal(0)) + quantity
    return total


def summary(order: OrderHead) -> dict[str, Any]:
    """An order as a list shows it."""
    here = location(order.id)
    return {
        "id": str(order.id),
        "participant": order.participant,
        "number": order.number,
        "buyer": order.buyer,
        "buyer_name": order.buyer_name,
        "seller": order.seller,
        "issue_date": order.issue_date.isoformat(),
        "currency": order.currency,
        "total": None if order.total is None else f"{order.total:f}",
        "format": order.format,
        "state": order.state,
        "created_at": instant(order.created_at),
        "updated_at": instant(order.updated_at),
        "version": order.version,
        "links": {"self": here, "content": f"{here}/content", "deliveries": f"{here}/deliveries"},
    }


def whole(order: OrderRow, deliveries: Sequence[DeliveryRow]) -> dict[str, Any]:
    """An order with its lines, what remains of each, and its deliveries."""
    delivered = delivered_in_all(deliveries)
    return {
        **summary(order),
        "unknown": list(order.unknown),
        "remarks": [dict(remark) for remark in order.remarks],
        "lines": [_line(line, delivered, order.state) for line in order.form["lines"]],
        "deliveries": [delivery(one) for one in deliveries],
        "order": dict(order.form),
    }


def delivery(one: DeliveryRow) -> dict[str, Any]:
    """A delivery and the documents that invoice it, the one in force first."""
    newest, *before = reversed(one.issued)
    return {
        "id": str(one.id),
        "order": str(one.order_id),
        "seq": one.seq,
        "date": one.delivered_on.isoformat(),
        "despatch_advice": one.despatch_advice or None,
        "lines": [{"line": line, "quantity": f"{quantity:f}"} for line, quantity in one.quantities.items()],
        "invoice": _issued(newest),
        "refused_before": [_issued(issued) for issued in before],
        "remarks": [dict(remark) for remark in one.remarks],
        "created_at": instant(one.created_at),
        "links": _links(one, newest),
    }


def _links(one: DeliveryRow, newest: IssuedRow) -> dict[str, str]:
    here = f"{location(one.order_id)}/deliveries/{one.id}"
    links = {"self": here, "order": location(one.order_id), "document": shapes.location(newest.document_id)}
    if newest.correctable:
        links["correct"] = f"{here}/corrections"
    return links


def _issued(issued: IssuedRow) -> dict[str, Any]:
    return {
        "document": str(issued.document_id),
        "number": issued.number,
        "stage": str(issued.stage),
        "halted": issued.halted,
        "status": issued.status,
        "issued_at": instant(issued.created_at),
    }


def _line(line: Mapping[str, Any], delivered: Mapping[str, Decimal], state: str) -> dict[str, Any]:
    ordered, done = Decimal(line["quantity"]), delivered.get(line["id"], Decimal(0))
    remains = max(Decimal(0), ordered - done)
    return {
        "line": line["id"],
        "name": line["item"]["name"],
        "unit": line.get("unit"),
        "ordered": f"{ordered:f}",
        "delivered": f"{done:f}",
        "remaining": "0" if state == "closed" else f"{remains:f}",
    }


async def _read(data: bytes, resources: Resources) -> drafting.Read:
    try:
        return await resources.compute(drafting.read, data, resources.rules)
    except Unreadable as unreadable:
        rule = unreadable.findings[0].rule if unreadable.findings else ""
        if rule.endswith("-SIZE"):
            raise TooLarge("the order is too large", unreadable.findings) from unreadable
        if rule in ("FORMAT-UNKNOWN", "PDF-NO-INVOICE"):
            raise UnknownFormat("the order is in no format that is taken here", unreadable.findings) from unreadable
        raise Malformed("the order cannot be read", unreadable.findings) from unreadable
    except Interrupted as interrupted:
        raise Busy("the order could not be read; try again") from interrupted


def _state(text: str) -> str:
    if text not in STATES:
        raise ValueError(text)
    return text
