"""Bank statements over HTTP: judge a file, import it, and decide what its lines pay."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway import banking
from gateway.api import bodies, cursors, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.fields import Fields
from gateway.api.keys import RESOURCES, RING
from gateway.api.limits import LIMITS
from gateway.api.problems import language_of
from gateway.banking import Options
from gateway.errors import Malformed
from gateway.matching.values import STATES, Part, told
from gateway.resources import Resources
from gateway.store import statements
from gateway.store.statements import Kept, Shown
from schemas.bank.statement import SIZE_LIMIT
from schemas.bank.table import Mapping_
from signing.chain import instant

_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,5})?")
_PARTS = 100
"""Documents that one line may pay."""


async def check(request: web.Request) -> web.Response:
    """Judge a file; nothing is kept."""
    data, options = await _file(request)
    return shapes.answer((await banking.check(request.app[RESOURCES], data, options)).as_json())


async def submit(request: web.Request) -> web.Response:
    """Import a file; the same one again changes nothing."""
    data, options = await _file(request)
    caller = request[CALLER]
    reading, kept, run = await banking.take(request.app[RESOURCES], caller.account.id, data, options, caller.public_id)
    request.app[RING]()
    members = {
        **reading.as_json(),
        "imported": [
            {"id": str(one.statement_id), "replayed": one.replayed, "entries": one.entries, "known": one.known,
             "lines": one.lines}
            for one in kept
        ],
        "booked": run.booked,
        "proposed": run.proposed,
    }  # fmt: skip
    return shapes.answer(members, status=201)


async def listed(request: web.Request) -> web.Response:
    """What was imported, the newest first."""
    queries.only(request, ("cursor", "limit"))
    limit = queries.number(request, "limit", 50, 1, statements.PAGE_LIMIT)
    after = cursors.read(request.query.get("cursor"), UUID)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found, place = await statements.listed(connection, after, limit)
    cursor = cursors.write(place) if place else None
    return shapes.answer({"statements": [statement(one) for one in found], "cursor": cursor})


async def lines(request: web.Request) -> web.Response:
    """Lines with what stands of them, the newest first."""
    queries.only(request, ("state", "statement", "cursor", "limit"))
    limit = queries.number(request, "limit", 50, 1, statements.PAGE_LIMIT)
    state = queries.optional(request, "state", _state, says=f"one of {', '.join(STATES)}")
    of = queries.optional(request, "statement", UUID, says="the id of a statement")
    after = cursors.read(request.query.get("cursor"), UUID)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found, place = await statements.lines(connection, state, of, after, limit)
    language = language_of(request)
    cursor = cursors.write(place) if place else None
    return shapes.answer({"lines": [line(one, language) for one in found], "cursor": cursor})


async def assign(request: web.Request) -> web.Response:
    """Book a line on the documents that are named."""
    queries.only(request, ())
    line_id, caller = queries.named(request, "line"), request[CALLER]
    async with request.app[RESOURCES].pool.account(caller.account.id) as connection:
        await statements.line(connection, line_id)
    parts = await _parts(request)
    if not parts:
        raise Malformed("name at least one document")
    match_id = await banking.assign(request.app[RESOURCES], caller.account.id, line_id, caller.public_id, parts)
    return _decided(request, match_id, "booked")


async def accept(request: web.Request) -> web.Response:
    """Book a proposal as it is, or on the documents that are named instead."""
    queries.only(request, ())
    named, caller = queries.named(request, "match"), request[CALLER]
    async with request.app[RESOURCES].pool.account(caller.account.id) as connection:
        await statements.line_of(connection, named)
    parts = await _parts(request)
    match_id = await banking.accept(request.app[RESOURCES], caller.account.id, named, caller.public_id, parts)
    return _decided(request, match_id, "booked")


async def refuse(request: web.Request) -> web.Response:
    """Say that a proposal is wrong; it is not made again."""
    return await _decide(request, banking.refuse, "refused")


async def undo(request: web.Request) -> web.Response:
    """Take a booking back; each of its payments gets its reversal."""
    return await _decide(request, banking.undo, "undone")


async def _decide(
    request: web.Request, decide: Callable[[Resources, UUID, UUID, str], Awaitable[None]], decision: str
) -> web.Response:
    queries.only(request, ())
    named, caller = queries.named(request, "match"), request[CALLER]
    await decide(request.app[RESOURCES], caller.account.id, named, caller.public_id)
    return _decided(request, named, decision)


def _decided(request: web.Request, match_id: UUID, decision: str) -> web.Response:
    request.app[RING]()
    return shapes.answer({"match": str(match_id), "decision": decision})


async def _file(request: web.Request) -> tuple[bytes, Options]:
    """The file in a body, and what the caller says of it. Raises Malformed, TooLarge, UnknownFormat, Busy."""
    queries.only(request, ("bank_account", "currency"))
    account = request.query.get("bank_account", "")
    currency = request.query.get("currency", "")
    if currency and not re.fullmatch("[A-Z]{3}", currency):
        raise Malformed("the parameter currency must be a code of three capital letters")
    mapping = None
    with request.app[LIMITS].upload(request[CALLER].public_id) as budget:
        if request.content_type == "multipart/form-data":
            found = await bodies.form(request, budget, {"file": SIZE_LIMIT, "mapping": bodies.SMALL})
            if "file" not in found:
                raise Malformed("the multipart body has no part file")
            data = found["file"].data
            if "mapping" in found:
                mapping = _mapping(found["mapping"].data)
        else:
            data = await bodies.read(request, SIZE_LIMIT, budget)
    if not data:
        raise Malformed("the body is empty; it is a bank's file")
    return data, Options(account, currency, mapping)


def _mapping(data: bytes) -> Mapping_:
    try:
        return Mapping_.from_json(bodies.members_of(data, "the part mapping"))
    except ValueError as wrong:
        raise Malformed(f"the mapping cannot be used: {wrong}") from wrong


async def _parts(request: web.Request) -> list[Part]:
    """The documents that a body names, in which each has its amount; none without a body. Raises Malformed."""
    if not request.can_read_body:
        return []
    fields = Fields(await bodies.read_json(request), ("documents",))
    expected = "a list of objects, each with document and amount"
    given = fields.take("documents", _documents, expected=expected)
    fields.check()
    assert given is not None
    return given


def _documents(value: Any) -> list[Part]:
    if not isinstance(value, list) or not 1 <= len(value) <= _PARTS:
        raise ValueError
    found = []
    for one in value:
        if not isinstance(one, dict) or set(one) != {"document", "amount"}:
            raise ValueError
        amount, document = one["amount"], one["document"]
        if not isinstance(amount, str) or not isinstance(document, str) or not _AMOUNT.fullmatch(amount):
            raise ValueError
        found.append(Part(UUID(document), Decimal(amount)))
    return found


def _state(text: str) -> str:
    if text not in STATES:
        raise ValueError(text)
    return text


def statement(one: Kept) -> dict[str, Any]:
    """A statement as it was imported."""
    return {
        "id": str(one.statement_id),
        "format": one.format,
        "bank_account": one.bank_account,
        "currency": one.currency,
        "number": one.number,
        "starts_on": one.starts_on.isoformat() if one.starts_on else None,
        "ends_on": one.ends_on.isoformat() if one.ends_on else None,
        "opening": None if one.opening is None else f"{one.opening:f}",
        "closing": None if one.closing is None else f"{one.closing:f}",
        "sound": one.sound,
        "entries": one.entries,
        "known": one.known,
        "imported_at": instant(one.imported_at),
        "by": one.by,
    }


def line(one: Shown, language: str) -> dict[str, Any]:
    """A line, and what stands of it, as the API and the command show it."""
    it = one.line
    match = None
    if one.match_id is not None:
        match = {
            "id": str(one.match_id),
            "documents": [
                {"document": str(document), "number": number, "amount": f"{amount:f}"}
                for document, number, amount in one.parts
            ],
            "reasons": [{"code": each.code, "value": each.value, "says": told(each, language)} for each in one.reasons],
            "alternatives": [str(each) for each in one.alternatives],
        }
    return {
        "id": str(it.id),
        "statement": str(one.statement_id),
        "bank_account": one.bank_account,
        "booked_on": it.booked_on.isoformat(),
        "amount": f"{it.amount:f}",
        "currency": it.currency,
        "party": it.party,
        "party_account": it.party_account,
        "end_to_end": it.end_to_end,
        "structured": list(it.structured),
        "text": it.text,
        "reference": it.reference,
        "reversal": it.reversal,
        "state": one.state,
        "unassigned": f"{one.unassigned:f}",
        "match": match,
    }
