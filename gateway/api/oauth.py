"""Access tokens for client credentials (RFC 6749, section 4.4). Its refusals have that standard's shape, not ours."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from gateway.api import bodies, queries, shapes
from gateway.api.keys import PEPPER, RESOURCES
from gateway.api.limits import LIMITS
from gateway.errors import Malformed, Unauthenticated, UnknownFormat
from gateway.store import accounts
from gateway.store.accounts import TOKEN_LIFE, Caller, Scope

_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CLIENT = re.compile(r"estc_[0-9a-f]{20}")
_LONGEST = 8 * 1024


class Refusal(Exception):
    """A token is refused, in the words of RFC 6749, section 5.2."""

    def __init__(self, error: str, says: str) -> None:
        super().__init__(error)
        self.error = error
        self.says = says


async def token(request: web.Request) -> web.Response:
    """Exchange a client's secret for an access token."""
    try:
        queries.only(request, ())
        form = await _form(request)
        client_id, secret = _client(request, form)
        caller = await _open(request, client_id, secret)
        await request.app[LIMITS].hit(caller.public_id)
        if request.match_info.get("custId", caller.account.participants[0]) not in caller.account.participants:
            raise Refusal("invalid_client", "the client does not act for the organization in this address")
        if form.get("grant_type") != "client_credentials":
            raise Refusal("unsupported_grant_type", "the grant_type is client_credentials")
        scopes = _scopes(form.get("scope", ""), caller)
    except Refusal as refusal:
        return _refused(request, refusal)
    except (Malformed, UnknownFormat) as unreadable:
        return _refused(request, Refusal("invalid_request", unreadable.detail))
    resources = request.app[RESOURCES]
    made = await accounts.grant_token(resources.pool, caller, scopes, resources.clock.now())
    members = {
        "access_token": made,
        "token_type": "Bearer",
        "expires_in": int(TOKEN_LIFE.total_seconds()),
        "scope": " ".join(sorted(scopes)),
    }
    return shapes.answer(members, headers=_UNCACHED)


async def _form(request: web.Request) -> dict[str, str]:
    """The form, each parameter once. Raises Refusal, Malformed."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refusal("invalid_request", "the body is application/x-www-form-urlencoded")
    body = await bodies.read(request, _LONGEST)
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=20)
    except ValueError as unreadable:
        raise Refusal("invalid_request", "the form cannot be read") from unreadable
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Refusal("invalid_request", "a parameter came twice")
    return form


def _client(request: web.Request, form: dict[str, str]) -> tuple[str, str]:
    """The client's id and secret, from the one place they were given in. Raises Refusal."""
    given = request.headers.getall("Authorization", [])
    in_form = "client_secret" in form
    if len(given) + in_form > 1:
        raise Refusal("invalid_request", "the client authenticates in one way only")
    if in_form:
        return form.get("client_id", ""), form["client_secret"]
    scheme, _, code = (given[0] if given else "").partition(" ")
    if scheme.lower() != "basic":
        raise Refusal("invalid_client", "the client authenticates with HTTP Basic, or client_id and client_secret")
    try:
        client_id, colon, secret = base64.b64decode(code, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError) as unreadable:
        raise Refusal("invalid_client", "the client's secret cannot be read") from unreadable
    if not colon or form.get("client_id", client_id) != client_id:
        raise Refusal("invalid_client", "the client's id and secret do not belong together")
    return unquote_plus(client_id), unquote_plus(secret)


async def _open(request: web.Request, client_id: str, secret: str) -> Caller:
    resources = request.app[RESOURCES]
    if not _CLIENT.fullmatch(client_id):
        raise Refusal("invalid_client", "the client is unknown, or its secret is another")
    try:
        return await accounts.open_with_secret(
            resources.pool, request.app[PEPPER], client_id, secret, resources.clock.now()
        )
    except Unauthenticated as unknown:
        raise Refusal("invalid_client", "the client is unknown, or its secret is another") from unknown


def _scopes(given: str, caller: Caller) -> frozenset[Scope]:
    """The scopes asked for, all of the credential's when none are named. Raises Refusal."""
    names = set(given.split())
    if not names <= set(caller.scopes):
        raise Refusal("invalid_scope", "the client does not hold every scope asked for")
    return frozenset(Scope(name) for name in names) or caller.scopes


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    unknown = refusal.error == "invalid_client"
    headers = dict(_UNCACHED)
    if unknown:
        headers["WWW-Authenticate"] = 'Basic realm="estafette", charset="UTF-8"'
    members = {"error": refusal.error, "error_description": refusal.says}
    return shapes.answer(members, status=401 if unknown else 400, headers=headers)
