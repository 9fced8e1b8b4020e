"""What is owed over HTTP: by document, by customer, by age and week; as a table and a plot; and what is given up."""

from __future__ import annotations

import re
from contextlib import aclosing
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.api import bodies, cursors, downloads, queries, shapes
from gateway.api.auth import CALLER, idempotency_key
from gateway.api.documents import find
from gateway.api.fields import Fields, currency_code, matching, one_of
from gateway.api.keys import RESOURCES
from gateway.dunning import home_day
from gateway.errors import Malformed
from gateway.export import cash
from gateway.export.litigation import Given, as_zip
from gateway.store import archive_reads, receivables
from gateway.store.archive_reads import Read
from gateway.store.identifiers import new_id
from gateway.store.receivables import Account, Receivable, Standing, Wanted, WriteOff
from signing.chain import instant

_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,2})?")
_REFERENCE = re.compile(r"[A-Za-z0-9._/-]{0,60}")


async def listed(request: web.Request) -> web.Response:
    """What is owed, the longest due first."""
    queries.only(request, ("state", "customer", "currency", "cursor", "limit"))
    limit = queries.number(request, "limit", 50, 1, receivables.PAGE_LIMIT)
    wanted = _wanted(request)
    after = cursors.read(request.query.get("cursor"), lambda day, id: (date.fromisoformat(day), UUID(id)))
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found, place = await receivables.page(connection, wanted, after, limit)
    members = [shape(one, wanted.today) for one in found]
    return shapes.answer({"receivables": members, "cursor": cursors.write(*place) if place else None})


async def as_csv(request: web.Request) -> web.StreamResponse:
    """The same as a table, all of it."""
    queries.only(request, ("state", "customer", "currency", "decimal", "bom"))
    wanted, resources = _wanted(request), request.app[RESOURCES]
    look, turns = downloads.look(request), downloads.turn(request)
    response = downloads.file("text/csv; charset=utf-8", "receivables.csv")
    async with turns:
        found = receivables.everything(resources.pool, request[CALLER].account.id, wanted)
        lines = cash.table(found, wanted.today, look)
        if request.method == "HEAD":
            return response
        first = await anext(lines)
        await response.prepare(request)
        await response.write(first)
        async for line in lines:
            await response.write(line)
        await response.write_eof()
    return response


async def read(request: web.Request) -> web.Response:
    """What is owed on one document, and what was given up on it."""
    queries.only(request, ())
    resources, document_id = request.app[RESOURCES], queries.document_id(request)
    await find(resources, request[CALLER].account, document_id)
    async with resources.pool.account(request[CALLER].account.id) as connection:
        one = await receivables.get(connection, document_id)
        given_up = await receivables.write_offs(connection, document_id)
    members = {**shape(one, home_day(resources.clock.now())), "write_offs": [_write_off(each) for each in given_up]}
    return shapes.answer(members)


async def write_off(request: web.Request) -> web.Response:
    """Give up what is owed, or take that back, once for its Idempotency-Key."""
    queries.only(request, ())
    resources, caller, document_id = request.app[RESOURCES], request[CALLER], queries.document_id(request)
    await find(resources, caller.account, document_id)
    key, now = idempotency_key(request), resources.clock.now()
    fields = Fields(await bodies.read_json(request), ("amount", "currency", "reason", "reference"))
    given_up = fields.take("amount", amount, expected="an amount other than 0 with at most two decimals, as text")
    currency = fields.take("currency", currency_code, expected="a currency code of three capital letters")
    reason = fields.take("reason", one_of(*receivables.REASONS), expected=f"one of {', '.join(receivables.REASONS)}")
    reference = fields.take("reference", matching(_REFERENCE), expected="a case's number; no name", default="")
    fields.check()
    assert given_up is not None
    identifier = new_id(now)
    one = WriteOff(
        identifier, given_up, str(currency), str(reason), reference or "", caller.public_id, now, key or str(identifier)
    )
    async with resources.pool.account(caller.account.id) as connection:
        _, replayed = await receivables.write_off(connection, caller.account.id, document_id, one)
    async with resources.pool.account(caller.account.id) as connection:
        members = shape(await receivables.get(connection, document_id), home_day(now))
    headers = {"Location": f"{shapes.location(document_id)}/receivable"}
    return shapes.answer(members, status=201, headers=headers | ({"Idempotent-Replayed": "true"} if replayed else {}))


async def customers(request: web.Request) -> web.Response:
    """What each customer owes in each currency."""
    queries.only(request, ("cursor", "limit"))
    resources = request.app[RESOURCES]
    limit = queries.number(request, "limit", 50, 1, receivables.PAGE_LIMIT)
    after = cursors.read(request.query.get("cursor"), lambda customer, currency: (customer, currency))
    async with resources.pool.account(request[CALLER].account.id) as connection:
        found, place = await receivables.customers(connection, home_day(resources.clock.now()), after, limit)
    members = [_customer(one) for one in found]
    return shapes.answer({"customers": members, "cursor": cursors.write(*place) if place else None})


async def report(request: web.Request) -> web.Response:
    """The ageing balance, days of sales and expected cash of each currency."""
    queries.only(request, ())
    found, day = await _standings(request)
    return shapes.answer({"on": day.isoformat(), "currencies": [standing(one) for one in found]})


async def plot(request: web.Request) -> web.Response:
    """The same as a picture."""
    queries.only(request, ())
    found, day = await _standings(request)
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return web.Response(text=cash.plot(found, day), content_type="image/svg+xml", headers=headers)


async def litigation(request: web.Request) -> web.StreamResponse:
    """The file of a customer for a court; that it was taken is recorded."""
    queries.only(request, ())
    resources, caller, customer = request.app[RESOURCES], request[CALLER], queries.customer(request)
    turns, now, given = downloads.turn(request), resources.clock.now(), Given()
    response = downloads.file("application/zip", "litigation.zip")
    async with turns, aclosing(as_zip(resources, caller.account.id, customer, home_day(now), given)) as parts:
        if request.method == "HEAD":
            return response
        query = {"customer": customer, "file": "litigation"}
        read_ = Read(new_id(now), now, caller.public_id, archive_reads.ZIP, query, 0, False, "dispute")
        async with resources.pool.account(caller.account.id) as connection:
            await archive_reads.record(connection, caller.account.id, read_)
        first = await anext(parts)
        await response.prepare(request)
        await response.write(first)
        async for part in parts:
            await response.write(part)
        await response.write_eof()
    return response


async def _standings(request: web.Request) -> tuple[tuple[Standing, ...], date]:
    resources = request.app[RESOURCES]
    day = home_day(resources.clock.now())
    async with resources.pool.account(request[CALLER].account.id, snapshot=True) as connection:
        return await receivables.standings(connection, day), day


def shape(one: Receivable, day: date) -> dict[str, Any]:
    """What is owed on a document, as JSON."""
    return {
        "document": str(one.document_id),
        "number": one.number,
        "customer": one.customer,
        "customer_name": one.name or None,
        "issue_date": one.issue_date.isoformat(),
        "due_date": one.due_date.isoformat(),
        "due_assumed": one.due_assumed,
        "currency": one.currency,
        **{name: format(getattr(one, name), "f") for name in ("due", "credited", "paid", "written_off", "balance")},
        "state": one.state(day),
        "days_late": one.days_late(day),
        "status": one.status,
        "last_paid_on": one.last_paid_on.isoformat() if one.last_paid_on else None,
    }


def standing(one: Standing) -> dict[str, Any]:
    """The balance of a currency, as JSON."""
    return {
        "currency": one.currency,
        "owed": format(one.owed, "f"),
        "credits": format(one.credits, "f"),
        "balance": format(one.balance, "f"),
        "disputed": format(one.disputed, "f"),
        "ages": [
            {"days": name, "amount": format(owed, "f"), "documents": one.counts[name]}
            for name, owed in one.bands.items()
        ],
        "invoiced": format(one.invoiced, "f"),
        "invoiced_days": receivables.DSO_DAYS,
        "dso": None if one.dso is None else format(one.dso, "f"),
        "expected": [
            {"week": week.isoformat(), "amount": format(owed, "f"), "documents": count}
            for week, owed, count in one.weeks
        ],
        "expected_later": format(one.later, "f"),
    }


def _customer(one: Account) -> dict[str, Any]:
    return {
        "customer": one.customer,
        "customer_name": one.name or None,
        "currency": one.currency,
        "balance": format(one.balance, "f"),
        "overdue": format(one.overdue, "f"),
        "documents": one.documents,
        "oldest_due": one.oldest_due.isoformat() if one.oldest_due else None,
    }


def _write_off(one: WriteOff) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "amount": format(one.amount, "f"),
        "currency": one.currency,
        "reason": one.reason,
        "reference": one.reference,
        "by": one.by,
        "at": instant(one.at),
    }


def _wanted(request: web.Request) -> Wanted:
    states = receivables.STATES
    state = queries.optional(request, "state", one_of(*states), says=f"one of {', '.join(states)}")
    currency = queries.optional(request, "currency", currency_code, says="a currency code")
    customer = request.query.get("customer")
    if customer is not None and not customer:
        raise Malformed("the parameter customer names one")
    return Wanted(home_day(request.app[RESOURCES].clock.now()), state, customer, currency)


def amount(value: Any) -> Decimal:
    """An amount other than 0 with at most two decimals, of its text. Raises ValueError."""
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value) or Decimal(value) == 0:
        raise ValueError(value)
    return Decimal(value)
