"""Electronic addresses over HTTP: what the directory says of one, of a list, or of a whole customer file.

A customer file is answered while it is looked up, row by row; who was cut off asks for the rows `after` those it has.
What the directory does not answer is told as `unanswered`, never as "no address".
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from aiohttp import web

from gateway import addresses, customers
from gateway.api import bodies, downloads, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.fields import Fields, one_of, text
from gateway.api.keys import RESOURCES
from gateway.api.limits import LIMITS
from gateway.errors import Malformed, UnknownFormat
from gateway.export.table import Look, header, row, safe
from gateway.resources import Resources

log = logging.getLogger(__name__)

LIST_LIMIT = 200
"""Addresses of one list."""
ROWS_LIMIT = 10_000
"""Rows of a customer file that one call looks up; `after` gives the next."""
LANGUAGES = ("en", "fr")
_BODY_LIMIT = 200_000
_TEXT_LIMIT = 200


async def read(request: web.Request) -> web.Response:
    """What the directory says of one address."""
    queries.only(request, ("scheme",))
    value, scheme = request.match_info["value"], request.query.get("scheme", "")
    if len(value) > _TEXT_LIMIT or not value.isprintable():
        raise Malformed("an address has at most 200 characters, all of which can be printed")
    asked = customers.address_of({"address": value.strip(), "scheme": scheme.strip()})
    resources = request.app[RESOURCES]
    looked = await addresses.look(request[CALLER].account.id, *asked, resources)
    return shapes.answer(customers.as_json(*asked, looked, resources))


async def check(request: web.Request) -> web.StreamResponse:
    """What the directory says of each address of a list (JSON) or of a customer file (CSV)."""
    if request.content_type == "text/csv":
        return await _file(request)
    if request.content_type == "application/json":
        return await _list(request)
    raise UnknownFormat("this address takes application/json or text/csv")


async def _list(request: web.Request) -> web.Response:
    queries.only(request, ())
    members = await bodies.read_json(request, _BODY_LIMIT)
    given = members.get("addresses")
    if set(members) != {"addresses"} or not isinstance(given, list) or not 1 <= len(given) <= LIST_LIMIT:
        raise Malformed(f"the body has the member addresses: a list of 1 to {LIST_LIMIT}")
    asked = [_asked(one, place) for place, one in enumerate(given)]
    resources, counted = request.app[RESOURCES], Counter[str]()
    checks: list[dict[str, Any]] = []
    found = customers.looked_up(request[CALLER].account.id, asked, resources)
    async for looked in found:
        counted[str(looked.reach.verdict)] += 1
        checks.append(customers.as_json(*asked[len(checks)], looked, resources))
    return shapes.answer({"checks": checks, "verdicts": dict(sorted(counted.items()))})


def _asked(members: Any, place: int) -> tuple[str, str]:
    if not isinstance(members, dict):
        raise Malformed(f"addresses[{place}] is an object")
    fields = Fields(members, ("scheme", "value"), within=f"/addresses/{place}")
    value = fields.take("value", text(1, _TEXT_LIMIT), expected=f"text of 1 to {_TEXT_LIMIT} characters")
    scheme = fields.take(
        "scheme", text(1, 4), expected="0225, 0002, 0009 or another scheme of the EAS list", default=""
    )
    fields.check()
    return customers.address_of({"address": str(value).strip(), "scheme": str(scheme).strip()})


async def _file(request: web.Request) -> web.StreamResponse:
    """The rows of a customer file with what was found, as they are found."""
    roles = tuple(customers.ROLES)
    queries.only(request, ("after", "language", *roles))
    after = queries.number(request, "after", 0, 0, customers.ROWS_LIMIT)
    language = queries.optional(request, "language", one_of(*LANGUAGES), says="one of en, fr") or "en"
    named = {role: request.query[role] for role in roles if role in request.query}
    with request.app[LIMITS].upload(request[CALLER].public_id) as budget:
        data = await bodies.read(request, customers.SIZE_LIMIT, budget)
        table = await asyncio.to_thread(customers.read, data, named)
        rows = table.rows[after : after + ROWS_LIMIT]
        left = max(0, len(table.rows) - after - ROWS_LIMIT)
        response = downloads.file("text/csv; charset=utf-8", "addresses.csv")
        response.headers["Rows-Left"] = str(left)
        parts = _lines(request, table, rows, language, head=after == 0)
        async with aclosing(parts):
            await response.prepare(request)
            try:
                async for part in parts:
                    await response.write(part)
                await response.write_eof()
            except (ConnectionError, asyncio.CancelledError):
                raise
            except Exception:
                log.exception("a customer file broke off")
                if request.transport is not None:  # the answer began: its end is cut, as every client sees
                    request.transport.abort()
    return response


async def _lines(
    request: web.Request, table: customers.Table, rows: tuple[tuple[str, ...], ...], language: str, *, head: bool
) -> AsyncGenerator[bytes, None]:
    resources: Resources = request.app[RESOURCES]
    look = Look(comma=table.comma)
    if head:
        yield header([*(safe(cell) for cell in table.header), *customers.COLUMNS], look)
    asked = [table.address(one) for one in rows]
    place = 0
    async for looked in customers.looked_up(request[CALLER].account.id, asked, resources):
        yield row([*rows[place], *customers.added(looked.reach, language)], look)
        place += 1
