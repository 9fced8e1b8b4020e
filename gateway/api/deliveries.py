"""Deliveries of orders over HTTP: tell what was delivered, and its invoice is issued in the same moment.

The invoice is drafted and judged without a lock, and issued only if the order still stands as it stood then; else it is
drafted anew. Deliveries of one order are drafted one after the other in this process, so that they rarely disturb each
other; what keeps them right is the order's version in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID
from weakref import WeakValueDictionary

from aiohttp import web

from gateway import addresses
from gateway.api import bodies, documents, drafting, orders, problems, queries, shapes
from gateway.api.auth import CALLER, idempotency_key
from gateway.api.keys import RESOURCES, RING
from gateway.api.limits import LIMITS, Budget
from gateway.compute import Interrupted
from gateway.errors import Busy, Conflict, Malformed, NotFound, Rejected, UnknownFormat
from gateway.reach import Reachability, day_of, finding, soon, unchecked
from gateway.store import orders as store
from gateway.store import payment_terms
from gateway.store.identifiers import new_id
from gateway.store.orders import CLOSED, Changed, DeliveryRow, Issue, NewDelivery, OrderRow
from schemas.finding import Finding, Severity
from schemas.xml import Unreadable

SIZE_LIMIT = 4 * 1024 * 1024
"""Bytes of one call."""
ATTEMPTS = 10
"""How often an invoice is drafted anew because other deliveries came between."""

_ORDERS: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
"""Orders that somebody delivers in this process now."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A request to deliver or to correct."""

    request: web.Request
    body: bytes
    key: str | None
    fingerprint: bytes


class _Uninvoiced(Exception):
    """The delivery cannot be invoiced; carries the draft."""

    def __init__(self, draft: drafting.Answer) -> None:
        super().__init__("the delivery cannot be invoiced")
        self.draft = draft


_Act: TypeAlias = Callable[[_Call, OrderRow, Sequence[DeliveryRow]], Awaitable[UUID]]
"""What is done with the order as it stands now; the delivery that came of it."""


async def deliver(request: web.Request) -> web.Response:
    """Record a delivery and issue its invoice, once for its Idempotency-Key."""
    return await _issued(request, _deliver)


async def correct(request: web.Request) -> web.Response:
    """Issue another invoice for a delivery whose invoice was refused."""
    return await _issued(request, _correct)


async def read(request: web.Request) -> web.Response:
    """One delivery, and where its invoice stands."""
    queries.only(request, ())
    account = request[CALLER].account
    async with request.app[RESOURCES].pool.account(account.id) as connection:
        order = await orders.find(request, connection)
        found = _named(request, await store.deliveries(connection, order.id))
    return shapes.answer(orders.delivery(found))


async def _issued(request: web.Request, act: _Act) -> web.Response:
    """Issue an invoice and answer where its delivery stands.

    The call counts as an upload until it is issued, as its bytes are held while it waits for its turn and is drafted.
    """
    wait = documents.preferred_wait(request)
    try:
        with request.app[LIMITS].upload(request[CALLER].public_id) as budget:
            call = await _call(request, budget)
            order_id, delivery_id, replayed = await _recorded(call, act)
    except _Uninvoiced as refused:
        return _refusal(request, refused.draft)
    request.app[RING]()
    return await _answer(request, order_id, delivery_id, replayed=replayed, wait=wait)


async def _call(request: web.Request, budget: Budget) -> _Call:
    queries.only(request, ())
    if request.content_type != "application/json":
        raise UnknownFormat("this address takes application/json")
    body = await bodies.read(request, SIZE_LIMIT, budget)
    if not body.strip():
        raise Malformed("the body is empty; a delivery has at least its date")
    return _Call(request, body, idempotency_key(request), orders.fingerprint(request, body))


async def _recorded(call: _Call, act: _Act) -> tuple[UUID, UUID, bool]:
    """Try until the order stands still: the order, the delivery, and whether the call was answered before."""
    request = call.request
    account, resources = request[CALLER].account, request.app[RESOURCES]
    async with resources.pool.account(account.id) as connection:
        order_id = (await orders.find(request, connection)).id
    async with alone(order_id):
        for _ in range(ATTEMPTS):
            async with resources.pool.account(account.id, snapshot=True) as connection:
                order = await store.get(connection, order_id)
                before = await store.deliveries(connection, order_id)
                known = await store.issued_for(connection, call.key, call.fingerprint) if call.key else None
            if known is not None:
                return order_id, known, True
            try:
                return order_id, await act(call, order, before), False
            except Changed:
                continue
    raise Busy("the order is being delivered by others; try again", timedelta(seconds=1))


def _refusal(request: web.Request, draft: drafting.Answer) -> web.Response:
    """Every finding, and the invoice as it would be, into which they point."""
    error = Rejected("the delivery cannot be invoiced; nothing was recorded", draft.findings)
    return problems.answer(request, error, checked=list(draft.checked), invoice=dict(draft.shown))


async def _answer(
    request: web.Request, order_id: UUID, delivery_id: UUID, *, replayed: bool, wait: int | None
) -> web.Response:
    account = request[CALLER].account
    found = await _one(request, order_id, delivery_id)
    headers = {"Location": f"{orders.location(order_id)}/deliveries/{delivery_id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    if wait is not None:
        with request.app[LIMITS].wait() as may:
            if may:
                await documents.until_decided(request.app, account, found.issued[-1].document_id, wait)
                headers["Preference-Applied"] = f"wait={wait}"
                found = await _one(request, order_id, delivery_id)
    return shapes.answer(orders.delivery(found), status=201, headers=headers)


async def _one(request: web.Request, order_id: UUID, delivery_id: UUID) -> DeliveryRow:
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = await store.deliveries(connection, order_id)
    return next(one for one in found if one.id == delivery_id)


async def _deliver(call: _Call, order: OrderRow, before: Sequence[DeliveryRow]) -> UUID:
    if order.state == CLOSED:
        raise Conflict("the order is closed: nothing more is delivered of it")
    resources = call.request.app[RESOURCES]
    now = resources.clock.now()
    async with resources.pool.account(order.account_id) as connection:
        agreed = await payment_terms.agreed(connection, drafting.customers(order.form))
    question = drafting.Question(
        order=order.form,
        body=call.body,
        before=orders.delivered_in_all(before),
        today=now.date(),
        french=call.request[CALLER].account.french,
        rules=resources.rules,
        agreed=agreed,
    )
    answer = await _drafted(call, question)
    _check_note(answer.despatch_advice, before)
    assert answer.delivered_on is not None
    delivery = NewDelivery(
        seq=len(before) + 1,
        delivered_on=answer.delivered_on,
        despatch_advice=answer.despatch_advice,
        quantities=answer.quantities,
        whole=answer.whole,
        remarks=[remark.as_json() for remark in answer.remarks],
    )
    delivery_id = new_id(now)
    await store.issue(resources.pool, _issue(call, order, answer, delivery_id, 1), delivery)
    return delivery_id


async def _correct(call: _Call, order: OrderRow, before: Sequence[DeliveryRow]) -> UUID:
    resources, account = call.request.app[RESOURCES], call.request[CALLER].account
    found = _named(call.request, before)
    refused = found.issued[-1]
    if refused.halted is None:
        raise Conflict(f"invoice {refused.number} of this delivery was not refused; there is nothing to correct")
    if not refused.correctable:
        raise Conflict(
            f"invoice {refused.number} of this delivery ended after it was on its way to a network ({refused.halted}), "
            "and nobody refused it: it may have arrived, and another one would invoice the same goods twice; "
            f"ask the network about document {refused.document_id}"
        )
    async with resources.pool.account(account.id) as connection:
        free = await store.number_is_free(connection, refused.document_id)
        said = await store.said(connection, refused.document_id)
        agreed = await payment_terms.agreed(connection, drafting.customers(order.form))
    question = drafting.Question(
        order=order.form,
        body=call.body,
        before=orders.delivered_in_all([one for one in before if one.seq < found.seq]),
        today=resources.clock.now().date(),
        french=account.french,
        rules=resources.rules,
        previous=said,
        quantities=found.quantities,
        keep_number=free,
        agreed=agreed,
    )
    answer = await _drafted(call, question)
    issue = _issue(call, order, answer, found.id, refused.take + 1, keep=refused.number if free else "")
    await store.issue(resources.pool, issue, None)
    return found.id


def _issue(
    call: _Call, order: OrderRow, answer: drafting.Answer, delivery_id: UUID, take: int, *, keep: str = ""
) -> Issue:
    now = call.request.app[RESOURCES].clock.now()
    return Issue(
        order=order,
        delivery_id=delivery_id,
        document_id=new_id(now),
        take=take,
        invoice=answer.invoice,
        number=answer.number or keep,
        series=f"F{answer.issue_date.year}-",
        call=answer.call,
        at=now,
        key=call.key,
        fingerprint=call.fingerprint,
    )


async def _drafted(call: _Call, question: drafting.Question) -> drafting.Answer:
    """The draft. Raises Malformed when the call cannot be read, _Uninvoiced when its invoice cannot be issued."""
    try:
        answer: drafting.Answer = await call.request.app[RESOURCES].compute(drafting.answer, question)
    except Unreadable as unreadable:
        raise Malformed("the delivery cannot be read", unreadable.findings) from unreadable
    except Interrupted as interrupted:
        raise Busy("the invoice could not be drafted; try again") from interrupted
    if not answer.findings:
        answer = await _addressed(call, answer)
    if answer.findings:
        raise _Uninvoiced(answer)
    return answer


async def _addressed(call: _Call, answer: drafting.Answer) -> drafting.Answer:
    """The draft with what is known of the buyer's address: a number is taken of the series only if it is reached."""
    resources, account = call.request.app[RESOURCES], call.request[CALLER].account
    address = answer.shown.get("buyer", {}).get("endpoint") or {}
    reach = (await addresses.look(account.id, address.get("scheme"), address.get("value"), resources)).reach
    today, path = day_of(resources.clock.now()), "/invoice/buyer/endpoint/value"
    if reach.verdict is Reachability.UNANSWERED:
        return replace(answer, remarks=(*answer.remarks, unchecked(reach, path)))
    if not reach.refuses:
        return answer
    found = finding(reach, today, path)
    if resources.unlisted == "send" or soon(reach, today):
        return replace(answer, remarks=(*answer.remarks, replace(found, severity=Severity.WARNING)))
    return replace(answer, findings=(found,))


def _check_note(note: str, before: Sequence[DeliveryRow]) -> None:
    """One despatch advice is one delivery of an order; the same again is most likely the same again."""
    twin = next((one for one in before if note and one.despatch_advice == note), None)
    if twin is None:
        return
    finding = Finding(
        rule="DELIVERY-NOTE-USED",
        severity=Severity.FATAL,
        layer="delivery",
        says="A delivery of this order with this despatch advice is recorded already.",
        terms=("BT-16",),
        path="/despatch_advice",
        found=note[:100],
        fix=f"Look at delivery {twin.id}; if this is another one, give it the number of its own despatch advice.",
    )
    raise Rejected("the delivery was recorded before; nothing was recorded now", (finding,))


def _named(request: web.Request, found: Sequence[DeliveryRow]) -> DeliveryRow:
    """The delivery named in the path. Raises NotFound."""
    for one in found:
        if str(one.id) == request.match_info["delivery"].lower():
            return one
    raise NotFound("the order has no such delivery")


@asynccontextmanager
async def alone(order_id: UUID) -> AsyncIterator[None]:
    """Hold other deliveries of the same order back, in this process."""
    lock = _ORDERS.setdefault(order_id, asyncio.Lock())
    async with lock:
        yield
