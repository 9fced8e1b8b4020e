"""Ways to pay over HTTP: a link for a document, the notices of those who take payments, and the strays among them.

A notice comes from outside, without a credential of ours: its signature is what is checked, with the secret of the
legal entity that its address names. What is not signed gets one answer, whatever was wrong.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from adapters.port import Refused
from gateway import answers, paying
from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.documents import find
from gateway.api.keys import RESOURCES, RING
from gateway.errors import Busy, NotFound, Unauthenticated
from gateway.store import inbound, notices
from gateway.store.notices import PAGE_LIMIT, NoticeRow
from signing.chain import instant

BODY_LIMIT = 256 * 1024


async def link(request: web.Request) -> web.Response:
    """A link by which what is still owed can be paid."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, queries.document_id(request))
    invoice = await answers.read_invoice(document, account, resources)
    reference = invoice.payment.remittance if invoice and invoice.payment else ""
    asked, made = await paying.link(document, account, reference, resources)
    members = {
        "document": str(document.id),
        "provider": resources.providers[document.participant].name,
        "url": made.url,
        "expires_at": instant(made.expires_at),
        "amount": format(asked.amount, "f"),
        "currency": asked.currency,
        "reference": reference,
    }
    return shapes.answer(members, status=201, headers={"Cache-Control": "no-store"})


async def notice(request: web.Request) -> web.Response:
    """Take a notice of a payment, once."""
    queries.only(request, ())
    resources, participant = request.app[RESOURCES], request.match_info["participant"]
    body = await bodies.read(request, BODY_LIMIT)
    provider = resources.providers.get(participant)
    if provider is None:
        raise Unauthenticated("the notice is not signed as was agreed")
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        told = provider.notice(headers, body, resources.clock.now())
    except Refused as refused:
        raise Unauthenticated("the notice is not signed as was agreed") from refused
    if told is None:
        return shapes.answer({"notice": None, "outcome": "ignored"})
    owners = await inbound.accounts_of(resources.pool, participant)
    if len(owners) != 1:
        raise Busy("no one account acts for this legal entity", timedelta(minutes=10))
    kept, _ = await paying.take(provider, told, (owners[0], participant), resources)
    if kept.payment_id is not None:
        request.app[RING]()
    return shapes.answer({"notice": kept.notice_id, "outcome": "stray" if kept.stray else "reported"})


async def listed(request: web.Request) -> web.Response:
    """Notices, newest first; with stray=true those that somebody has to look at."""
    queries.only(request, ("stray", "before", "limit"))
    strays = queries.optional(request, "stray", queries.truth, says="true or false") or False
    before = queries.optional(request, "before", queries.instant, says="an ISO 8601 instant")
    limit = queries.number(request, "limit", 50, 1, PAGE_LIMIT)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = await notices.page(connection, strays=strays, before=before, limit=limit)
    return shapes.answer({"notices": [_shape(one) for one in found]})


async def looked_at(request: web.Request) -> web.Response:
    """Say that somebody has looked at a stray."""
    queries.only(request, ())
    resources, caller = request.app[RESOURCES], request[CALLER]
    told = request.match_info
    name = (told["participant"], told["provider"], told["notice"])
    if not all(part.isprintable() and len(part) <= 200 for part in name):
        raise NotFound("there is no such notice")
    async with resources.pool.account(caller.account.id) as connection:
        row = await notices.looked_at(connection, name, caller.public_id, resources.clock.now())
    return shapes.answer(_shape(row))


def _shape(one: NoticeRow) -> dict[str, Any]:
    return {
        "participant": one.participant,
        "provider": one.provider,
        "id": one.notice_id,
        "received_at": instant(one.received_at),
        "kind": one.kind,
        "document": str(one.document_id) if one.document_id else None,
        "payment": str(one.payment_id) if one.payment_id else None,
        "amount": None if one.amount is None else format(one.amount, "f"),
        "currency": one.currency or None,
        "paid_on": one.paid_on.isoformat() if one.paid_on else None,
        "reference": one.reference,
        "stray": one.stray or None,
        "remark": one.remark or None,
        "looked_at": instant(one.looked_at) if one.looked_at else None,
        "looked_by": one.looked_by,
    }
