"""Who asks, for which account and legal entity, and with which right.

Every route names the scope it needs in the route table and is wrapped by `guarded`: a handler runs only for a caller
that is known, within its rate, and holds the scope. Row-level security keeps the accounts apart a second time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from gateway.api.keys import PEPPER, RESOURCES
from gateway.api.limits import LIMITS
from gateway.api.problems import Handler
from gateway.errors import Forbidden, Malformed, Unauthenticated
from gateway.store import accounts
from gateway.store.accounts import Caller, Scope

CALLER = web.RequestKey("caller", Caller)
PARTICIPANT = web.RequestKey("participant", str)
"""SIREN of the legal entity the request is for."""

_KEY = re.compile(r"(estk_[0-9a-f]{20})\.([A-Za-z0-9_-]{43})")
_TOKEN = re.compile(r"estt_[A-Za-z0-9_-]{43}")
_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the route table."""

    method: str
    path: str
    handler: Handler
    scope: Scope | None
    """What the credential must carry; None: open to everybody."""


def guarded(route: Route) -> Handler:
    """The handler of a route behind its guard."""
    scope = route.scope
    if scope is None:
        return route.handler

    async def handler(request: web.Request) -> web.StreamResponse:
        caller = await identify(request)
        await request.app[LIMITS].hit(caller.public_id)
        if scope not in caller.scopes:
            raise Forbidden(f"the credential does not carry the scope {scope}")
        request[CALLER] = caller
        request[PARTICIPANT] = _participant(request, caller)
        return await route.handler(request)

    return handler


async def identify(request: web.Request) -> Caller:
    """Who presents the Authorization header. Raises Unauthenticated."""
    given = request.headers.getall("Authorization", [])
    if len(given) != 1:
        raise Unauthenticated("one Authorization header is needed: Bearer, with an API key or an access token")
    scheme, _, presented = given[0].partition(" ")
    if scheme.lower() == "bearer":
        resources = request.app[RESOURCES]
        now = resources.clock.now()
        if key := _KEY.fullmatch(presented):
            return await accounts.open_with_secret(resources.pool, request.app[PEPPER], key[1], key[2], now)
        if _TOKEN.fullmatch(presented):
            return await accounts.open_with_token(resources.pool, presented, now)
    raise Unauthenticated("the credential is unknown, expired or revoked")


def idempotency_key(request: web.Request) -> str | None:
    """The Idempotency-Key, None when there is none. Raises Malformed."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    if len(given) > 1 or not _VISIBLE.fullmatch(given[0]):
        raise Malformed("an Idempotency-Key has 1 to 255 visible ASCII characters, and there is one of it")
    return given[0]


def _participant(request: web.Request, caller: Caller) -> str:
    """The legal entity named by Organization-Id, else the first of the account. Raises Forbidden."""
    given = request.headers.getall("Organization-Id", [])
    if not given:
        return caller.account.participants[0]
    if len(given) > 1 or given[0] not in caller.account.participants:
        raise Forbidden("the account does not act for the legal entity named in Organization-Id")
    return given[0]
