"""Reminders over HTTP: what was said and what would be, plans, customers, pauses, and cases for a person."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway import reminding
from gateway.api import bodies, cursors, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.documents import find
from gateway.api.fields import Fields, day, matching, one_of, text, truth, whole
from gateway.api.keys import RESOURCES, RING
from gateway.dunning import CHANNELS, LANGUAGES, SEGMENTS, STEPS_LIMIT, USUAL, Plan, Step, Tone
from gateway.errors import Malformed, NotFound
from gateway.store import documents, receivables, reminders
from gateway.store.reminders import Case, Customer, Letter, Pause, Reminded, Switch
from signing.chain import instant

PREVIEW_LIMIT = 366
"""Days ahead that a preview goes, at most."""
PREVIEW_ROWS = 10_000
DAYS = (-31, 365)
"""Days relative to the due date that a step may stand on."""
_STEP = re.compile(r"[a-z0-9_]{1,30}")
_MONEY = re.compile(r"[0-9]{1,9}(\.[0-9]{1,2})?")
_COUNTRY = re.compile(r"[A-Z]{2}")
_EMAIL = re.compile(r"[!-?A-~]{1,64}@[A-Za-z0-9.-]{1,189}")
_NOTHING = ""


async def listed(request: web.Request) -> web.Response:
    """What was said, newest first."""
    queries.only(request, ("cursor", "limit"))
    limit = queries.number(request, "limit", 50, 1, reminders.PAGE_LIMIT)
    before = cursors.read(request.query.get("cursor"), lambda letter, document: (UUID(letter), UUID(document)))
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found, place = await reminders.page(connection, before, limit)
    members = [shape(one) for one in found]
    return shapes.answer({"reminders": members, "cursor": cursors.write(*place) if place else None})


async def preview(request: web.Request) -> web.Response:
    """What would go out within so many days, if nothing is paid and nobody says anything. Nothing is written."""
    queries.only(request, ("days",))
    resources = request.app[RESOURCES]
    days = queries.number(request, "days", 14, 1, PREVIEW_LIMIT)
    account_id = request[CALLER].account.id
    found = await reminding.preview(resources, account_id, days)
    async with resources.pool.account(account_id) as connection:
        on = (await reminders.switch(connection)).on
    planned = [planned_shape(one) for one in found[:PREVIEW_ROWS]]
    return shapes.answer({"on": on, "planned": planned, "more": len(found) > PREVIEW_ROWS})


async def read_settings(request: web.Request) -> web.Response:
    """Whether customers are reminded."""
    queries.only(request, ())
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = await reminders.switch(connection)
    return shapes.answer(_switch(found))


async def write_settings(request: web.Request) -> web.Response:
    """Have customers reminded from now on, or not any more."""
    queries.only(request, ())
    resources, caller = request.app[RESOURCES], request[CALLER]
    fields = Fields(await bodies.read_json(request), ("on",))
    on = fields.take("on", truth, expected="true or false")
    fields.check()
    wanted = Switch(on is True, caller.public_id, resources.clock.now())
    async with resources.pool.account(caller.account.id) as connection:
        await reminders.turn(connection, caller.account.id, wanted)
    return shapes.answer(_switch(wanted))


async def letter(request: web.Request) -> web.Response:
    """One letter with its text."""
    queries.only(request, ())
    letter_id = queries.named(request, "letter")
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = await reminders.letter(connection, letter_id)
        content = json.loads(await documents.read(connection, found.sha256))
        about = await reminders.documents_of(connection, letter_id)
    members = {**_letter(found), **content, "documents": [str(one) for one in about]}
    return shapes.answer(members)


async def of_document(request: web.Request) -> web.Response:
    """What an invoice has heard, in order."""
    queries.only(request, ())
    document_id = queries.document_id(request)
    await find(request.app[RESOURCES], request[CALLER].account, document_id)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        await receivables.get(connection, document_id)
        found = await reminders.said_of(connection, document_id)
    return shapes.answer({"document": str(document_id), "reminders": [shape(one) for one in found]})


async def pause(request: web.Request) -> web.Response:
    """Stop chasing an invoice, for a reason."""
    queries.only(request, ())
    resources, caller, document_id = request.app[RESOURCES], request[CALLER], queries.document_id(request)
    await find(resources, caller.account, document_id)
    fields = Fields(await bodies.read_json(request), ("reason", "until"))
    reason = fields.take("reason", text(1, 200), expected="why, in at most 200 printable characters")
    until = fields.take("until", day, expected="a date, YYYY-MM-DD", default=_NEVER)
    fields.check()
    one = Pause(str(reason), caller.public_id, resources.clock.now(), None if until == _NEVER else until)
    async with resources.pool.account(caller.account.id) as connection:
        await receivables.get(connection, document_id)
        await reminders.pause(connection, caller.account.id, document_id, one)
    request.app[RING]()
    return web.Response(status=204)


async def resume(request: web.Request) -> web.Response:
    """Go on with an invoice."""
    queries.only(request, ())
    resources, caller, document_id = request.app[RESOURCES], request[CALLER], queries.document_id(request)
    await find(resources, caller.account, document_id)
    async with resources.pool.account(caller.account.id) as connection:
        now = resources.clock.now()
        await reminders.resume(connection, caller.account.id, document_id, caller.public_id, now)
    return web.Response(status=204)


async def cases(request: web.Request) -> web.Response:
    """What a person has to look at, the oldest first."""
    queries.only(request, ("cursor", "limit"))
    limit = queries.number(request, "limit", 50, 1, reminders.PAGE_LIMIT)
    after = cursors.read(request.query.get("cursor"), lambda at, id: (queries.instant(at), UUID(id)))
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = await reminders.cases(connection, after, limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    cursor = cursors.write(last.opened_at.isoformat(), last.document_id) if last else None
    return shapes.answer({"cases": [_case(one) for one in found[:limit]], "cursor": cursor})


async def close_case(request: web.Request) -> web.Response:
    """A person has looked at it."""
    queries.only(request, ())
    resources, caller, document_id = request.app[RESOURCES], request[CALLER], queries.document_id(request)
    await find(resources, caller.account, document_id)
    kind = request.match_info["kind"]
    async with resources.pool.account(caller.account.id) as connection:
        now = resources.clock.now()
        await reminders.close_case(connection, document_id, kind, caller.public_id, now)
    return web.Response(status=204)


async def plans(request: web.Request) -> web.Response:
    """The plan of each kind of customers."""
    queries.only(request, ())
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        own = await reminders.plans(connection)
    return shapes.answer({"plans": [_plan(own.get(name) or USUAL[name], own=name in own) for name in SEGMENTS]})


async def write_plan(request: web.Request) -> web.Response:
    """Give one kind of customers a plan of the account's own."""
    queries.only(request, ())
    resources, caller, name = request.app[RESOURCES], request[CALLER], _segment(request)
    plan = plan_of(name, await bodies.read_json(request))
    async with resources.pool.account(caller.account.id) as connection:
        await reminders.keep_plan(connection, caller.account.id, plan, caller.public_id, resources.clock.now())
    return shapes.answer(_plan(plan, own=True))


async def drop_plan(request: web.Request) -> web.Response:
    """Let the usual plan count again."""
    queries.only(request, ())
    name = _segment(request)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        await reminders.drop_plan(connection, name)
    return shapes.answer(_plan(USUAL[name], own=False))


async def read_customer(request: web.Request) -> web.Response:
    """How a customer is reminded, where somebody said so."""
    queries.only(request, ())
    name = queries.customer(request)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = (await reminders.customers(connection)).get(name)
    return shapes.answer(_customer_shape(found or Customer(name)))


async def write_customer(request: web.Request) -> web.Response:
    """Say how a customer is reminded; what is left out goes by rule."""
    queries.only(request, ())
    resources, caller, name = request.app[RESOURCES], request[CALLER], queries.customer(request)
    known = ("segment", "email", "language", "country", "paused", "paused_until")
    given = {key: value for key, value in (await bodies.read_json(request)).items() if value is not None}
    fields = Fields(given, known)
    segment = fields.take("segment", one_of(*SEGMENTS), expected=f"one of {', '.join(SEGMENTS)}", default=_NOTHING)
    email = fields.take("email", matching(_EMAIL), expected="an e-mail address", default=_NOTHING)
    language = fields.take("language", one_of(*LANGUAGES), expected="fr or en", default=_NOTHING)
    country = fields.take("country", matching(_COUNTRY), expected="a country code of two letters", default=_NOTHING)
    paused = fields.take("paused", text(1, 200), expected="why nothing is said to it", default=_NOTHING)
    until = fields.take("paused_until", day, expected="a date, YYYY-MM-DD", default=_NEVER)
    fields.check()
    now = resources.clock.now()
    one = Customer(
        name, segment or None, email or None, language or None, country or None, paused or None,
        None if until == _NEVER else until, caller.public_id, now,
    )  # fmt: skip
    async with resources.pool.account(caller.account.id) as connection:
        await reminders.keep_customer(connection, caller.account.id, one)
    return shapes.answer(_customer_shape(one))


# Shapes --------------------------------------------------------------------------------------------------------------


def shape(one: Reminded) -> dict[str, Any]:
    """One step that one invoice heard."""
    return {
        "document": str(one.document_id),
        "step": one.step,
        "said_on": one.said_on.isoformat(),
        "balance": format(one.balance, "f"),
        "fee": format(one.fee, "f"),
        "letter": _letter(one.letter),
    }


def planned_shape(one: reminding.Planned) -> dict[str, Any]:
    """What would be said, as JSON."""
    owed = one.candidate.owed
    return {
        "on": one.on.isoformat(),
        "document": str(owed.document_id),
        "number": one.candidate.number,
        "customer": owed.customer,
        "customer_name": one.candidate.name or None,
        "segment": one.segment,
        "step": one.step.name,
        "tone": str(one.step.tone),
        "channel": one.channel,
        "to": one.recipient or None,
        "balance": format(owed.balance, "f"),
        "currency": owed.currency,
    }


def _letter(one: Letter) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "customer": one.customer,
        "channel": one.channel,
        "tone": one.tone,
        "language": one.language,
        "currency": one.currency,
        "made_at": instant(one.made_at),
        "state": one.state,
        "attempts": one.attempts,
        "sent_at": instant(one.sent_at) if one.sent_at else None,
        "network_id": one.network_id,
        "reason": one.reason,
        "sha256": one.sha256,
    }


def _switch(one: Switch) -> dict[str, Any]:
    at = instant(one.changed_at) if one.changed_at else None
    return {"on": one.on, "changed_by": one.changed_by or None, "changed_at": at}


def _case(one: Case) -> dict[str, Any]:
    return {"document": str(one.document_id), "kind": one.kind, "opened_at": instant(one.opened_at)}


def _plan(plan: Plan, *, own: bool) -> dict[str, Any]:
    return {"name": plan.name, "own": own, **reminders.plan_json(plan)}


def _customer_shape(one: Customer) -> dict[str, Any]:
    return {
        "customer": one.customer,
        "segment": one.segment,
        "email": one.email,
        "language": one.language,
        "country": one.country,
        "paused": one.paused,
        "paused_until": one.paused_until.isoformat() if one.paused_until else None,
        "changed_by": one.changed_by or None,
        "changed_at": instant(one.changed_at) if one.changed_at else None,
    }


# Bodies --------------------------------------------------------------------------------------------------------------


def plan_of(name: str, members: dict[str, Any]) -> Plan:
    """The plan in a body. Raises Malformed with every fault."""
    usual = Plan(name, ())
    fields = Fields(members, ("steps", "channel", "threshold", "together", "opens", "closes"))
    steps = fields.take("steps", _list, expected=f"a list of 1 to {STEPS_LIMIT} steps")
    channel = fields.take("channel", one_of(*CHANNELS), expected="email or webhook", default=usual.channel)
    threshold = fields.take("threshold", _money, expected="an amount, as text", default=usual.threshold)
    together = fields.take("together", truth, expected="true or false", default=usual.together)
    opens = fields.take("opens", whole(0, 23), expected="an hour, 0 to 23", default=usual.opens)
    closes = fields.take("closes", whole(1, 24), expected="an hour, 1 to 24, after opens", default=usual.closes)
    found = [_step(one, place, fields) for place, one in enumerate(steps or ())]
    fields.check()
    assert threshold is not None
    assert opens is not None
    assert closes is not None
    plan = Plan(name, tuple(one for one in found if one), str(channel), threshold, together is True, opens, closes)
    _sound(plan)
    return plan


def _sound(plan: Plan) -> None:
    """A plan says each thing once, in order, ever sterner. Raises Malformed."""
    order = list(Tone)
    days = [step.day for step in plan.steps]
    tones = [order.index(step.tone) for step in plan.steps]
    if len({step.name for step in plan.steps}) != len(plan.steps) or sorted(set(days)) != days:
        raise Malformed("the steps of a plan have names and days of their own, in the order of their days")
    if sorted(tones) != tones:
        raise Malformed("a later step of a plan is not gentler than an earlier one")
    if plan.opens >= plan.closes:
        raise Malformed("a plan opens before it closes")


def _step(value: Any, place: int, fields: Fields) -> Step | None:
    within = Fields(value if isinstance(value, dict) else {}, ("name", "day", "tone", "fee"), within=f"/steps/{place}")
    name = within.take("name", matching(_STEP), expected="1 to 30 of a-z, 0-9 and _")
    day = within.take("day", whole(*DAYS), expected=f"days after the due date, {DAYS[0]} to {DAYS[1]}")
    tone = within.take("tone", Tone, expected=f"one of {', '.join(Tone)}")
    fee = within.take("fee", _money, expected="an amount, as text", default=Decimal(0))
    fields.findings.extend(within.findings)
    return None if name is None or day is None or tone is None or fee is None else Step(name, day, tone, fee)


_NEVER = date.max


def _segment(request: web.Request) -> str:
    name = request.match_info["name"]
    if name not in SEGMENTS:
        raise NotFound(f"there is no such plan; there are {', '.join(SEGMENTS)}")
    return name


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= STEPS_LIMIT:
        raise ValueError(value)
    return value


def _money(value: Any) -> Decimal:
    if not isinstance(value, str) or not _MONEY.fullmatch(value):
        raise ValueError(value)
    return Decimal(value)
