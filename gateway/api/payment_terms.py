"""Payment terms over HTTP: the account's own and those of single customers; and what late payment costs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from decimal import Decimal

from aiohttp import web

from gateway import lateness
from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.documents import find
from gateway.api.fields import day
from gateway.api.keys import RESOURCES
from gateway.dunning import home_day
from gateway.errors import Malformed, NotFound, UnknownFormat
from gateway.lateness import Asked
from gateway.resources import Resources
from gateway.store import payment_terms as store
from gateway.store.payment_terms import EVERYBODY
from schemas import json_form
from schemas.finding import Finding
from schemas.payment_terms import Terms, checked, remarks
from schemas.rulebooks.fr_payment import RatesUnreadable, rates
from schemas.xml import Unreadable

BODY_LIMIT = 16_384
PAGE_LIMIT = 200
LEGAL = Decimal(-1)
"""Stands for the rate of the law where a rate is asked for."""
_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,2})?")


async def listed(request: web.Request) -> web.Response:
    """The account's terms, and the customers that have their own."""
    queries.only(request, ("after", "limit"))
    limit = queries.number(request, "limit", 50, 1, PAGE_LIMIT)
    account = request[CALLER].account
    async with request.app[RESOURCES].pool.account(account.id) as connection:
        agreed = await store.agreed(connection, ())
        found = await store.page(connection, request.query.get("after", EVERYBODY), limit + 1)
    members = {
        "account": json_form.as_members(agreed.account) if agreed.account else None,
        "customers": [{"customer": name, "terms": json_form.as_members(terms)} for name, terms in found[:limit]],
        "after": found[limit - 1][0] if len(found) > limit else None,
    }
    return shapes.answer(members)


async def write(request: web.Request) -> web.Response:
    """Set the terms of all customers that have none of their own."""
    return await _written(request, EVERYBODY)


async def remove(request: web.Request) -> web.Response:
    """Take the account's terms back."""
    return await _removed(request, EVERYBODY)


async def read_customer(request: web.Request) -> web.Response:
    """The terms in force for a customer, and whether they are its own."""
    queries.only(request, ())
    name = queries.customer(request)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        agreed = await store.agreed(connection, [name])
    terms = agreed.of(name)
    if terms is None:
        raise NotFound("no payment terms are set for this customer, nor for all")
    return shapes.answer({"customer": name, "own": bool(agreed.customers), "terms": json_form.as_members(terms)})


async def write_customer(request: web.Request) -> web.Response:
    """Set the terms of a customer."""
    return await _written(request, queries.customer(request))


async def remove_customer(request: web.Request) -> web.Response:
    """Take a customer's terms back: the account's hold again."""
    return await _removed(request, queries.customer(request))


async def interest(request: web.Request) -> web.Response:
    """What late payment of a document costs up to a day, as a calculation."""
    queries.only(request, ("until", "rate"))
    resources, account = request.app[RESOURCES], request[CALLER].account
    until = queries.optional(request, "until", day, says="a date, YYYY-MM-DD") or home_day(resources.clock.now())
    rate = queries.optional(request, "rate", rate_of, says="percent a year with at most two decimals, or legal")
    document = await find(resources, account, queries.document_id(request))
    asked = Asked(until, None if rate == LEGAL else rate, rate == LEGAL)
    made = await lateness.calculated(document, account, resources, asked)
    return shapes.answer({"document": str(document.id), **made.as_json(document.currency or "EUR")})


async def late_rates(request: web.Request) -> web.Response:
    """The half-yearly rates that are known, newest first."""
    queries.only(request, ())
    try:
        known = await asyncio.to_thread(rates, request.app[RESOURCES].rules)
    except RatesUnreadable as wrong:
        raise Malformed(str(wrong)) from wrong
    members = [
        {
            "half_year": one.begins.isoformat(),
            "refinancing": format(one.refinancing, "f"),
            "legal": format(one.legal, "f"),
            "default": format(one.default, "f"),
            "floor": format(one.floor, "f"),
            "public": format(one.public, "f"),
        }
        for _, one in sorted(known.items(), reverse=True)
    ]
    return shapes.answer({"rates": members})


def read_terms(data: bytes) -> Terms:
    """Terms in their JSON form. Raises Malformed with every fault."""
    try:
        terms = json_form.form(json_form.loads(data), Terms, partial=True)
    except Unreadable as unreadable:
        raise Malformed("the payment terms cannot be read", unreadable.findings) from unreadable
    if wrong := checked(terms):
        raise Malformed("the payment terms cannot be set", wrong)
    return terms


async def remarked(terms: Terms, resources: Resources) -> Sequence[Finding]:
    """What the law does not like of terms; rates that cannot be read are told where they are used."""
    try:
        known = await asyncio.to_thread(rates, resources.rules)
    except RatesUnreadable:
        known = await asyncio.to_thread(rates)
    return remarks(terms, known, home_day(resources.clock.now()))


def rate_of(text: str) -> Decimal:
    """A rate in percent a year, LEGAL for that of the law. Raises ValueError."""
    if text == "legal":
        return LEGAL
    if not _RATE.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)


async def _written(request: web.Request, customer: str) -> web.Response:
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    if request.content_type != "application/json":
        raise UnknownFormat("this address takes application/json")
    terms = read_terms(await bodies.read(request, BODY_LIMIT))
    told = await remarked(terms, resources)
    async with resources.pool.account(account.id) as connection:
        await store.write(connection, account.id, customer, terms, resources.clock.now())
    members = {"terms": json_form.as_members(terms), "findings": [one.as_json() for one in told]}
    return shapes.answer(members)


async def _removed(request: web.Request, customer: str) -> web.Response:
    queries.only(request, ())
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        await store.remove(connection, customer)
    return web.Response(status=204)
