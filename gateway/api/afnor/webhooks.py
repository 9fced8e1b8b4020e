"""Webhooks of XP Z12-013 1.3.0: subscribe, list, unsubscribe, and the body that tells of a flow.

What is posted is the flow as it stands when it is posted, signed as the standard says and as Standard Webhooks say; the
native face shows and posts its own. A flow that changes again meanwhile is told again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway import webhooks
from gateway.api import bodies
from gateway.api import shapes as native
from gateway.api.afnor import questions, shapes
from gateway.api.afnor.answers import Wrong
from gateway.api.afnor.flows import reports_of
from gateway.api.auth import CALLER
from gateway.api.keys import PEPPER, RESOURCES
from gateway.errors import Busy, Conflict, NotFound
from gateway.resources import Resources
from gateway.store import flows
from gateway.store import webhooks as store
from gateway.store.documents import EventRow
from gateway.store.identifiers import new_id
from gateway.store.webhooks import AFNOR, Webhook
from signing import webhook as signature

_URL_LIMIT = 2000


async def create(request: web.Request) -> web.Response:
    """Subscribe; the answer shows the signing key, this once."""
    resources, account = request.app[RESOURCES], request[CALLER].account
    members = bodies.members_of(await bodies.read(request, bodies.SMALL), "the body")
    url, wanted = _url(members, resources), _filter(members)
    now = resources.clock.now()
    webhook = Webhook(new_id(now), url, webhooks.OF_FLOWS, "", 1, None, now, 0, None, face=AFNOR, filter=wanted)
    try:
        async with resources.pool.account(account.id) as connection:
            await store.create(connection, account.id, webhook)
    except Conflict as full:
        raise Wrong(400, "INVALID_REQUEST", full.detail) from full
    key = base64.b64encode(signature.key(request.app[PEPPER], webhook.id, webhook.secret)).decode()
    return native.answer({**_id_shape(webhook), "signingKey": key}, status=201)


async def listed(request: web.Request) -> web.Response:
    """The account's subscriptions; their keys are not shown again."""
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = await store.listed(connection, AFNOR)
    shown = [{**_id_shape(one), "callbackUrl": one.url, **one.filter} for one in found]
    return native.answer({"count": len(found), "webhookIds": [str(one.id) for one in found], "webhooks": shown})


async def remove(request: web.Request) -> web.Response:
    """Unsubscribe."""
    resources = request.app[RESOURCES]
    try:
        webhook_id = UUID(request.match_info["webhookUid"])
    except ValueError as unknown:
        raise NotFound("there is no such webhook") from unknown
    async with resources.pool.account(request[CALLER].account.id) as connection:
        await store.remove(connection, webhook_id, resources.clock.now(), AFNOR)
    return web.Response(status=204)


async def flow_body(resources: Resources, account_id: UUID, event: EventRow, wanted: Mapping[str, Any]) -> bytes | None:
    """The flow that an event changed, as it stands; None when it changed none, or the filter does not ask for it."""
    try:
        seq = event.seq if event.outcome == "status" else 0
        flow = await flows.get(resources.pool, account_id, event.document_id, seq)
    except NotFound:
        return None
    types, direction, ack = (wanted.get(name) for name in ("flowTypes", "flowDirection", "ackStatus"))
    if (types and flow.type not in types) or direction not in (None, flow.direction) or ack not in (None, flow.ack):
        return None
    reports = await reports_of(resources, account_id, (flow,))
    return json.dumps(shapes.whole(flow, reports.get(flow.report)), ensure_ascii=False).encode()


def _id_shape(webhook: Webhook) -> dict[str, Any]:
    return {"webhookId": str(webhook.id), "createdAt": shapes.stamp(webhook.created_at)}


def _url(members: Mapping[str, Any], resources: Resources) -> str:
    """The callback's address, when the egress guard would post there."""
    url = members.get("callbackUrl")
    if url is None:
        raise Wrong(400, "MISSING_REQUIRED_FIELD", "callbackUrl is missing")
    if not isinstance(url, str) or not 1 <= len(url) <= _URL_LIMIT or not url.isprintable():
        raise Wrong(400, "INVALID_FIELD", f"callbackUrl is an address of at most {_URL_LIMIT} characters")
    if resources.courier is None:
        raise Busy("this gateway posts no messages")
    if said := resources.courier.complaint(url):
        raise Wrong(400, "INVALID_FIELD", f"nothing is posted to callbackUrl: {said}")
    return url


def _filter(members: Mapping[str, Any]) -> dict[str, Any]:
    """Which flows are asked for, held to the standard's lists."""
    found: dict[str, Any] = {}
    if (types := members.get("flowTypes")) is not None:
        if not isinstance(types, list) or not all(one in questions.TYPES for one in types):
            raise Wrong(400, "INVALID_FIELD", f"flowTypes is a list of {', '.join(questions.TYPES)}")
        found["flowTypes"] = types
    for name, known in (("flowDirection", questions.DIRECTIONS), ("ackStatus", questions.ACKNOWLEDGEMENTS)):
        value = members.get(name)
        if value is not None and (not isinstance(value, str) or value not in known):
            raise Wrong(400, "INVALID_FIELD", f"{name} is one of {', '.join(known)}")
        if value is not None:
            found[name] = value
    return found
