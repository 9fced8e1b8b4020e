"""Documents over HTTP: hand one in, list them, read one and what it went through."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.api import access, bodies, problems, queries, shapes
from gateway.api.auth import CALLER, PARTICIPANT, idempotency_key
from gateway.api.keys import CLOSING, RESOURCES, RING
from gateway.api.limits import LIMITS
from gateway.api.metrics import METRICS
from gateway.errors import GatewayError, Malformed, NotFound, Rejected
from gateway.lifecycle import Stage
from gateway.resources import Resources
from gateway.stages import receive
from gateway.store import documents
from gateway.store.accounts import Account
from gateway.store.documents import PAGE_LIMIT, Document, Filter

WAIT_LIMIT = 60
"""Seconds that a caller may ask us to wait."""

_LOOKS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Seconds between looks at a document somebody waits for; the last one repeats."""

_FILTERS = ("stage", "status", "number", "halted", "participant", "created_from", "created_until", "direction", "seen",
            "about", "cursor", "limit")  # fmt: skip
_DIRECTIONS = ("outbound", "inbound")
_WAIT = re.compile(r"\bwait\s*=\s*\"?([0-9]{1,6})\"?(?![0-9])", re.IGNORECASE)


async def submit(request: web.Request) -> web.Response:
    """Take a submission in, once for its Idempotency-Key, and answer where its document stands."""
    return await taken_in(request, receive.receive, refuses=True)


async def taken_in(request: web.Request, door: receive.Door, *, refuses: bool) -> web.Response:
    """Take in what a request hands, by a door, and answer where its document stands.

    `refuses`: who waited is told of a document that breaks rules as a refusal of the request.
    """
    queries.only(request, ())
    caller, resources = request[CALLER], request.app[RESOURCES]
    key, wait = idempotency_key(request), preferred_wait(request)
    counted = request.app[METRICS].submissions
    try:
        with request.app[LIMITS].upload(caller.public_id) as budget:
            handed = await bodies.handed(request, budget)
            what = receive.Request(request[PARTICIPANT], key, request.method, request.path)
            admission = await door(handed, what, caller.account, resources)
    except GatewayError as refused:
        counted.labels(problems.row_of(refused).name).inc()
        raise
    counted.labels("replayed" if admission.replayed else "admitted").inc()
    request.app[RING]()
    waited = False
    if wait is not None:
        with request.app[LIMITS].wait() as waited:
            if waited:
                await until_decided(request.app, caller.account, admission.document_id, wait)
    headers = {"Location": shapes.location(admission.document_id)}
    if admission.replayed:
        headers["Idempotent-Replayed"] = "true"
    if waited:
        headers["Preference-Applied"] = f"wait={wait}"
    return await _where_it_stands(request, admission.document_id, headers, waited=waited and refuses)


async def listed(request: web.Request) -> web.Response:
    """Documents of the account, newest first."""
    queries.only(request, _FILTERS)
    wanted = Filter(
        stage=queries.optional(request, "stage", Stage, says=f"one of {', '.join(Stage)}"),
        status=request.query.get("status"),
        number=request.query.get("number"),
        halted=queries.optional(request, "halted", queries.truth, says="true or false"),
        participant=request.query.get("participant"),
        created_from=queries.optional(request, "created_from", queries.instant, says="an ISO 8601 instant"),
        created_until=queries.optional(request, "created_until", queries.instant, says="an ISO 8601 instant"),
        direction=queries.optional(request, "direction", _direction, says=f"one of {', '.join(_DIRECTIONS)}"),
        seen=queries.optional(request, "seen", queries.truth, says="true or false"),
        about=queries.optional(request, "about", UUID, says="the id of a document"),
    )
    limit = queries.number(request, "limit", 50, 1, PAGE_LIMIT)
    account = request[CALLER].account
    async with request.app[RESOURCES].pool.account(account.id) as connection:
        found, cursor = await documents.page(connection, wanted, request.query.get("cursor"), limit)
    mine = [shapes.summary(document) for document in found if document.account_id == account.id]
    return shapes.answer({"documents": mine, "cursor": cursor})


async def read(request: web.Request) -> web.Response:
    """One document and all that is known of it."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, queries.document_id(request))
    return shapes.answer(await shapes.whole(resources, account, document))


async def events(request: web.Request) -> web.Response:
    """What one document went through, chained by hashes."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, queries.document_id(request))
    async with resources.pool.account(account.id) as connection:
        rows = await documents.events(connection, document.id)
    return shapes.answer({"document": str(document.id), "events": [shapes.event(row) for row in rows]})


async def report(request: web.Request) -> web.Response:
    """The newest report on a document."""
    queries.only(request, access.PARAMETERS)
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, queries.document_id(request))
    await access.opened(request, document, "report")
    told = await shapes.report(resources, account, document)
    if told is None:
        raise NotFound("the document has no report yet")
    return shapes.answer(told)


async def find(resources: Resources, account: Account, document_id: UUID) -> Document:
    """A document of this account. Raises NotFound, also for another account's, whatever the database lets through."""
    async with resources.pool.account(account.id) as connection:
        document = await documents.get(connection, document_id)
    if document.account_id != account.id:
        raise NotFound("there is no such document")
    return document


def _direction(text: str) -> str:
    if text not in _DIRECTIONS:
        raise ValueError
    return text


def preferred_wait(request: web.Request) -> int | None:
    """Seconds the caller would wait (RFC 7240), at most WAIT_LIMIT; None when it does not say. Raises Malformed."""
    given = ", ".join(request.headers.getall("Prefer", []))
    if len(given) > 1_000:
        raise Malformed("the Prefer header is too long")
    found = _WAIT.search(given)
    return min(int(found[1]), WAIT_LIMIT) if found else None


def _decided(document: Document) -> bool:
    """Whether the line has said yes or no: it is archived, or it ended."""
    return document.halted is not None or document.stage.reaches(Stage.ARCHIVED)


async def until_decided(app: web.Application, account: Account, document_id: UUID, seconds: int) -> None:
    """Wait until the line has decided, the time is over, or the gateway stops."""
    loop, look = asyncio.get_running_loop(), 0
    until = loop.time() + seconds
    while not _decided(await find(app[RESOURCES], account, document_id)):
        left = until - loop.time()
        if left <= 0 or app[CLOSING].is_set():
            return
        await asyncio.sleep(min(left, _LOOKS[min(look, len(_LOOKS) - 1)]))
        look += 1


async def _where_it_stands(
    request: web.Request, document_id: UUID, headers: dict[str, str], *, waited: bool
) -> web.Response:
    """202 with the document; for a caller that waited and whose document the line refused, 422 with every finding."""
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, document_id)
    shape = await shapes.whole(resources, account, document)
    if not waited or document.halted is None or document.stage.reaches(Stage.DELIVERED):
        return shapes.answer(shape, status=202, headers=headers)
    told = await shapes.report(resources, account, document) or {}
    members: dict[str, Any] = {"findings": told.get("findings", []), "checked": told.get("layers", [])}
    if "uncounted" in told:
        members["uncounted"] = told["uncounted"]
    response = problems.answer(request, Rejected(document.halted), **members, document=shape)
    response.headers.update(headers)
    return response
