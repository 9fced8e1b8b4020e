"""The account over HTTP: what it is, the legal entities it acts for, and its credentials."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web
from stdnum.fr import siren as french_siren

from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.fields import Fields, text
from gateway.api.keys import PEPPER, RESOURCES
from gateway.errors import NotFound
from gateway.store import accounts
from gateway.store.accounts import Scope

KINDS = ("client", "key")
_PUBLIC_ID = re.compile(r"est[ck]_[0-9a-f]{20}")


async def read(request: web.Request) -> web.Response:
    """The account of the credential."""
    queries.only(request, ())
    caller = request[CALLER]
    account = caller.account
    members = {
        "id": str(account.id),
        "name": account.name,
        "rules": "fr" if account.french else "en16931",
        "original": account.original,
        "participants": list(account.participants),
        "invalid_inbound": account.invalid_inbound,
        "scopes": sorted(caller.scopes),
    }
    return shapes.answer(members)


async def answer_invalid(request: web.Request) -> web.Response:
    """Set what is done about inbound documents that break rules."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    fields = Fields(await bodies.read_json(request), ("invalid",))
    how = fields.take("invalid", _how, expected=" or ".join(accounts.INVALID_INBOUND))
    fields.check()
    assert how is not None
    await accounts.answer_invalid(resources.pool, account.id, how)
    return shapes.answer({"invalid": how})


async def add_participant(request: web.Request) -> web.Response:
    """Let the account act for one more legal entity."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    fields = Fields(await bodies.read_json(request), ("siren", "name"))
    siren = fields.take("siren", _siren, expected="a SIREN: nine digits, the last one a check digit")
    name = fields.take("name", text(1, 200), expected="1 to 200 printable characters")
    fields.check()
    assert siren is not None
    assert name is not None
    await accounts.add_participant(resources.pool, account.id, siren=siren, name=name, now=resources.clock.now())
    return shapes.answer({"siren": siren, "name": name}, status=201, headers={"Location": "/v1/account"})


async def issue_credential(request: web.Request) -> web.Response:
    """Make a credential; its secret is shown this once."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    fields = Fields(await bodies.read_json(request), ("kind", "scopes"))
    kind = fields.take("kind", _kind, expected=" or ".join(KINDS))
    scopes = fields.take("scopes", _scopes, expected=f"a list of {', '.join(Scope)}, each at most once")
    fields.check()
    assert kind is not None
    assert scopes is not None
    made = await accounts.issue(
        resources.pool, account.id, request.app[PEPPER], kind=kind, scopes=scopes, now=resources.clock.now()
    )
    shown = (
        {"client_id": made.public_id, "client_secret": made.secret}
        if kind == "client"
        else {"api_key": f"{made.public_id}.{made.secret}"}
    )
    members = {"public_id": made.public_id, "kind": kind, "scopes": sorted(scopes), **shown}
    location = {"Location": f"/v1/account/credentials/{made.public_id}"}
    return shapes.answer(members, status=201, headers=location)


async def revoke_credential(request: web.Request) -> web.Response:
    """End a credential and its access tokens at once."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    public_id = request.match_info["public_id"]
    if not _PUBLIC_ID.fullmatch(public_id):
        raise NotFound("there is no such credential in force")
    await accounts.revoke(resources.pool, account.id, public_id, resources.clock.now())
    return web.Response(status=204)


def _siren(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9]{9}", value) or not french_siren.is_valid(value):
        raise ValueError
    return value


def _kind(value: Any) -> str:
    if value not in KINDS:
        raise ValueError
    return str(value)


def _scopes(value: Any) -> frozenset[Scope]:
    if not isinstance(value, list) or not value or len(value) > len(Scope):
        raise ValueError
    if not all(isinstance(one, str) for one in value) or len(set(value)) != len(value):
        raise ValueError
    return frozenset(Scope(one) for one in value)


def _how(value: Any) -> str:
    if not isinstance(value, str) or value not in accounts.INVALID_INBOUND:
        raise ValueError
    return value
