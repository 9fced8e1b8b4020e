"""Webhooks over HTTP: who of the account's own systems is told what, the log of what was told, and telling again.

A secret is shown when it is made and never again; whoever lost it makes another, and for a day messages bear both
signatures.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiohttp import web

from gateway import webhooks
from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.fields import Fields, text
from gateway.api.keys import PEPPER, RESOURCES
from gateway.errors import Busy, Malformed, Rejected
from gateway.resources import Resources
from gateway.store import webhooks as store
from gateway.store.identifiers import new_id
from gateway.store.webhooks import Attempt, Webhook
from schemas.finding import Finding, Severity
from signing.chain import instant

PAGE_LIMIT = 200


async def create(request: web.Request) -> web.Response:
    """Tell an endpoint what happens from now on; the answer shows the secret, this once."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    fields = Fields(await bodies.read_json(request), ("url", "events", "description"))
    url = fields.take("url", text(1, 2000), expected="an https address of at most 2000 characters")
    usual = webhooks.USUAL
    events = fields.take("events", _events, expected=f"a list of {', '.join(sorted(webhooks.TYPES))}", default=usual)
    description = fields.take("description", text(0, 200), expected="at most 200 printable characters", default="")
    fields.check()
    assert url is not None
    assert events is not None
    _check(resources, url)
    now = resources.clock.now()
    webhook = Webhook(new_id(now), url, events, description or "", 1, None, now, 0, None)
    async with resources.pool.account(account.id) as connection:
        await store.create(connection, account.id, webhook)
    members = {**_shape(webhook), "secret": webhooks.secret(webhook, request.app[PEPPER])}
    return shapes.answer(members, status=201, headers={"Location": f"/v1/webhooks/{webhook.id}"})


async def listed(request: web.Request) -> web.Response:
    """The account's webhooks, the oldest first."""
    queries.only(request, ())
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = await store.listed(connection)
    return shapes.answer({"webhooks": [_shape(one) for one in found]})


async def read(request: web.Request) -> web.Response:
    """One webhook."""
    queries.only(request, ())
    return shapes.answer(_shape(await _find(request)))


async def remove(request: web.Request) -> web.Response:
    """Tell it nothing any more."""
    queries.only(request, ())
    resources = request.app[RESOURCES]
    async with resources.pool.account(request[CALLER].account.id) as connection:
        await store.remove(connection, queries.named(request, "webhook"), resources.clock.now())
    return web.Response(status=204)


async def renew_secret(request: web.Request) -> web.Response:
    """Another secret, shown this once; the former one's signature stands beside for a day."""
    queries.only(request, ())
    resources = request.app[RESOURCES]
    until = resources.clock.now() + webhooks.OVERLAP
    async with resources.pool.account(request[CALLER].account.id) as connection:
        webhook = await store.renew_secret(connection, queries.named(request, "webhook"), until)
    return shapes.answer({**_shape(webhook), "secret": webhooks.secret(webhook, request.app[PEPPER])})


async def test(request: web.Request) -> web.Response:
    """Post a test message now and tell what came of it."""
    queries.only(request, ())
    resources = request.app[RESOURCES]
    webhook = await _find(request)
    if resources.courier is None:
        raise Busy("this gateway posts no messages")
    attempt = await webhooks.test(resources, webhook, request.app[PEPPER])
    return shapes.answer(_attempt(attempt))


async def again(request: web.Request) -> web.Response:
    """Tell again: the event named in the body, or everything that was given up."""
    queries.only(request, ())
    resources = request.app[RESOURCES]
    fields = Fields(await bodies.read_json(request), ("document", "seq"))
    document = fields.take("document", _uuid, expected="the id of a document, with seq", default=UUID(int=0))
    seq = fields.take("seq", _seq, expected="the seq of its event, with document", default=0)
    fields.check()
    if bool(document and document.int) != bool(seq):
        raise Malformed("an event is named by its document and its seq, or not at all")
    message = (document, seq) if document and seq else None
    async with resources.pool.account(request[CALLER].account.id) as connection:
        count = await store.again(connection, queries.named(request, "webhook"), resources.clock.now(), message)
    return shapes.answer({"messages": count}, status=202)


async def attempts(request: web.Request) -> web.Response:
    """The delivery log of 30 days, the newest attempt first."""
    queries.only(request, ("before", "limit"))
    before = queries.optional(request, "before", UUID, says="the id of an attempt")
    limit = queries.number(request, "limit", 50, 1, PAGE_LIMIT)
    webhook = await _find(request)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found, more = await store.attempts(connection, webhook.id, before, limit)
    shown = [{**_attempt(one), "document": str(document), "seq": seq} for one, document, seq in found]
    return shapes.answer({"attempts": shown, "more": more})


async def _find(request: web.Request) -> Webhook:
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        return await store.get(connection, queries.named(request, "webhook"))


def _check(resources: Resources, url: str) -> None:
    """Whether the egress guard would post there. Raises Rejected, Busy."""
    if resources.courier is None:
        raise Busy("this gateway posts no messages")
    if said := resources.courier.complaint(url):
        finding = Finding(
            rule="HOUSE-WEBHOOK-ADDRESS",
            severity=Severity.FATAL,
            layer="house",
            says=f"Nothing is posted to this address: {said}.",
            path="/url",
            expected="https, port 443 or 8443, and a public address",
            fix="Name a public https address, or have the operator allow host:port in ESTAFETTE_EGRESS_ALLOW.",
        )
        raise Rejected("nothing is posted to this address", (finding,))


def _shape(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": str(webhook.id),
        "url": webhook.url,
        "events": list(webhook.events),
        "description": webhook.description,
        "created_at": instant(webhook.created_at),
        "state": webhook.ended or ("away" if webhook.failures else "in_use"),
        "failures": webhook.failures,
        "waiting": webhook.waiting,
    }


def _attempt(one: Attempt) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "at": instant(one.at),
        "delivered": not one.reason,
        "status": one.status,
        "reason": one.reason or None,
        "milliseconds": one.milliseconds,
    }


def _events(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError
    if not set(value) <= set(webhooks.TYPES):
        raise ValueError
    return tuple(sorted(set(value)))


def _uuid(value: Any) -> UUID:
    if not isinstance(value, str):
        raise ValueError
    return UUID(value)


def _seq(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or value > 2**31:
        raise ValueError
    return value
