"""Retention over HTTP: how long documents are kept and by which law, what ends soon, and legal holds."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway import retention
from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.fields import Fields, matching, one_of, text, truth, whole
from gateway.api.keys import RESOURCES
from gateway.errors import Malformed
from gateway.periods import ANNOUNCED_DAYS, DocumentClass, Policy, law
from gateway.retention import Due
from gateway.store import holds
from gateway.store import retention as store
from gateway.store.holds import Hold, Scope
from gateway.store.identifiers import new_id
from signing.chain import instant

BODY_LIMIT = 4_096
DUE_LIMIT = 1_000
"""Documents that one answer lists."""
AHEAD_LIMIT = 3_660
"""Days ahead that may be asked for."""
_COUNTRY = re.compile(r"[A-Z]{2}")
_NOTHING: Any = ""
"""A criterion that is not given."""


async def read(request: web.Request) -> web.Response:
    """What the account has set, and the period of each class with its law."""
    queries.only(request, ())
    policy = await retention.policy_of(request.app[RESOURCES].pool, request[CALLER].account.id)
    return shapes.answer(_policy(policy))


async def write(request: web.Request) -> web.Response:
    """Set country, financial year, a longer period for invoices, and the active life."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    fields = Fields(
        await bodies.read_json(request, BODY_LIMIT), ("country", "year_ends", "invoice_years", "active_days")
    )
    country = fields.take("country", matching(_COUNTRY), expected="two capital letters (ISO 3166-1)", default="FR")
    ends = fields.take("year_ends", whole(1, 12), expected="a month, 1 to 12", default=12)
    years = fields.take("invoice_years", whole(0, 100), expected="years, 1 to 100; 0: as the law says", default=0)
    days = fields.take("active_days", whole(0, 36_500), expected="days, 0 to 36500", default=365)
    fields.check()
    assert country is not None
    assert ends is not None
    assert days is not None
    policy = Policy(country, ends, years or None, days)
    async with resources.pool.account(account.id) as connection:
        await store.set_policy(connection, account.id, policy, resources.clock.now())
    return shapes.answer(_policy(policy))


async def due(request: web.Request) -> web.Response:
    """The documents whose period ends within so many days, and what keeps those that stay: the dry run of a purge."""
    queries.only(request, ("days",))
    resources, account = request.app[RESOURCES], request[CALLER].account
    days = queries.number(request, "days", ANNOUNCED_DAYS, 0, AHEAD_LIMIT)
    until = resources.clock.now().date() + timedelta(days=days)
    found: list[Due] = []
    async for one in retention.due(resources.pool, account.id, until):
        found.append(one)
        if len(found) > DUE_LIMIT:
            break
    members = {"until": until.isoformat(), "documents": [_due(one) for one in found[:DUE_LIMIT]],
               "more": len(found) > DUE_LIMIT}  # fmt: skip
    return shapes.answer(members)


async def listed(request: web.Request) -> web.Response:
    """The account's holds, the newest first."""
    queries.only(request, ("in_force",))
    only = queries.optional(request, "in_force", queries.truth, says="true or false") or False
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found = await holds.listed(connection, in_force=only)
    return shapes.answer({"holds": [_hold(one) for one in found]})


async def hold(request: web.Request) -> web.Response:
    """Set a hold."""
    queries.only(request, ())
    resources, caller = request.app[RESOURCES], request[CALLER]
    names = ("document", "party", "issued_from", "issued_until", "all", "reason", "reference", "review_on")
    fields = Fields(await bodies.read_json(request, BODY_LIMIT), names)
    document = fields.take("document", _maybe(UUID), expected="the id of a document", default=_NOTHING)
    party = fields.take("party", text(0, 100), expected="identifier of seller or buyer", default="")
    issued = [
        fields.take(name, _maybe(date.fromisoformat), expected="a date", default=_NOTHING)
        for name in ("issued_from", "issued_until")
    ]
    everything = fields.take("all", truth, expected="true or false", default=False)
    reason = fields.take("reason", one_of(*holds.REASONS), expected=f"one of {', '.join(holds.REASONS)}")
    reference = _reference(fields)
    review = fields.take("review_on", _maybe(date.fromisoformat), expected="a date to come")
    fields.check()
    if not isinstance(review, date):
        raise Malformed("review_on is the day on which the hold is looked at again")
    now = resources.clock.now()
    days = [day if isinstance(day, date) else None for day in issued]
    scope = Scope(document if isinstance(document, UUID) else None, party or None, days[0], days[1], everything is True)
    made = Hold(new_id(now), scope, str(reason), str(reference), review, caller.public_id, now)
    placed = await holds.place(resources.pool, caller.account.id, made)
    headers = {"Location": "/v1/holds"}
    return shapes.answer(_hold(placed), status=201, headers=headers)


async def release(request: web.Request) -> web.Response:
    """Release a hold; another credential than the one that set it does."""
    queries.only(request, ())
    resources, caller = request.app[RESOURCES], request[CALLER]
    fields = Fields(await bodies.read_json(request, BODY_LIMIT), ("reference",))
    reference = _reference(fields)
    fields.check()
    identifier = queries.named(request, "hold")
    released = await holds.release(
        resources.pool, caller.account.id, identifier, by=caller.public_id, at=resources.clock.now(),
        reference=str(reference),
    )  # fmt: skip
    return shapes.answer(_hold(released))


def _policy(policy: Policy) -> dict[str, Any]:
    periods = []
    for kind in DocumentClass:
        found = law(kind, policy)
        periods.append({"class": str(kind), "years": found.years, "law": found.act})
    return {
        "country": policy.country,
        "year_ends": policy.year_ends,
        "invoice_years": policy.invoice_years or 0,
        "active_days": policy.active_days,
        "announced_days": ANNOUNCED_DAYS,
        "periods": periods,
    }


def _due(one: Due) -> dict[str, Any]:
    announced = one.document.purge_on
    return {
        "document": str(one.document.id),
        "number": one.document.number,
        "class": str(one.document.kind),
        "kept_until": one.until.isoformat(),
        "law": one.act,
        "purge_on": announced.isoformat() if announced else None,
        "kept_by": one.kept_by or None,
    }


def _hold(one: Hold) -> dict[str, Any]:
    scope = one.scope
    return {
        "id": str(one.id),
        "document": str(scope.document_id) if scope.document_id else None,
        "party": scope.party,
        "issued_from": scope.issued_from.isoformat() if scope.issued_from else None,
        "issued_until": scope.issued_until.isoformat() if scope.issued_until else None,
        "reason": one.reason,
        "reference": one.reference,
        "review_on": one.review_on.isoformat(),
        "set_by": one.set_by,
        "set_at": instant(one.set_at),
        "released_by": one.released_by,
        "released_at": instant(one.released_at) if one.released_at else None,
        "documents": one.told,
        "goes_on": one.goes_on,
    }


def _reference(fields: Fields) -> Any:
    """A case's number; empty where none is given."""
    says = holds.REFERENCE_SAYS
    return fields.take("reference", matching(holds.REFERENCE), expected=says, default="")


def _maybe(make: Any) -> Any:
    """Text of a form, or none where it is empty or null."""

    def read_form(value: Any) -> Any:
        if value in (None, ""):
            return ""
        if not isinstance(value, str):
            raise ValueError
        return make(value)

    return read_form
