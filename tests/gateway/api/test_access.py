"""Nobody reaches anything without a credential, the right scope, and owning it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway.api.application import ROUTES
from gateway.api.auth import Route
from gateway.clock import SettableClock
from gateway.store import accounts
from gateway.store.accounts import Scope
from tests.gateway.api.conftest import PEPPER, Api, answered, numbered, problem, small

GUARDED = [
    (method, route)
    for route in ROUTES
    if route.scope is not None
    for method in ([route.method, "HEAD"] if route.method == "GET" else [route.method])
]
SHOWN = [f"{method} {route.path}" for method, route in GUARDED]

OPEN = {
    "/oauth2/token",
    "/auth-service/{custId}/token",
    "/afnor-flow/v1/healthcheck",
    "/afnor-directory/v1/healthcheck",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/problems/{name}",
    "/openapi.json",
    "/v1/schemas/invoice.json",
    "/openapi.yaml",
    "/docs",
    "/docs/page.js",
    "/docs/page.css",
    "/payment-notices/{participant}",  # a provider's; it is signed
}


def address(route: Route, identifier: str) -> str:
    """The route with its names filled in."""
    return re.sub(r"\{\w+\}", identifier, route.path)


async def ask(api: Api, method: str, path: str, headers: dict[str, str]) -> tuple[int, str, Any]:
    """Status, type and body of an answer."""
    said = next((said for ending, said in SAID.items() if path.endswith(ending)), PAYMENT)
    body = {} if method in ("GET", "HEAD", "DELETE") else {"json": said}
    answer = await api.client.request(method, path, headers=headers, **body)
    return answer.status, answer.headers.get("Content-Type", ""), await answer.read()


PAYMENT = {"amount": "1.00", "currency": "EUR", "paid_on": "2026-11-24"}
SAID = {
    "/statuses": {"status": "completed"},
    "/again": {},
    "/write-offs": {"amount": "1.00", "reason": "rounding"},
    "/pause": {"reason": "they call back"},
    "/pay-link": {},
}
"""Bodies of other calls, by how their addresses end."""

ELSEWHERE = {
    "orders", "holds", "rules", "terms", "test", "directory", "afnor-directory", "statements",
    "addresses", "customers", "letters", "payment-notices", "plans",
}  # fmt: skip
"""Steps of addresses that have tests of their own, belong to nobody, are named in the caller's own words, or would dial
out."""


NONE_YET = {"/v1/documents/{id}/receivable"}
"""Their owner, too, is told that there is nothing: HEAD cannot say of what."""


def test_what_is_open_is_known() -> None:
    assert {route.path for route in ROUTES if route.scope is None} == OPEN


def test_the_router_holds_nothing_beside_the_table(api: Api) -> None:
    known = {(route.method, route.path) for route in ROUTES}
    known |= {("HEAD", route.path) for route in ROUTES if route.method == "GET"}
    app = api.client.app
    assert app is not None
    there = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource is not None}
    assert there == known


async def test_without_a_credential_nothing_opens(api: Api) -> None:
    account = await api.account()
    key = (await api.key(account))["Authorization"]
    presented: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic " + b64encode(b"estc_00000000000000000000:x").decode()},
        {"Authorization": f"Bearer estk_{'0' * 20}.{'A' * 43}"},
        {"Authorization": f"Bearer estt_{'A' * 43}"},
        {"Authorization": key[:-1] + ("A" if key[-1] != "A" else "B")},
        {"Authorization": key + "A"},
    ]
    opened = []
    for method, route in GUARDED:
        for headers in presented:
            status, _, body = await ask(api, method, address(route, str(uuid4())), headers)
            opened += [] if status == 401 else [(method, route.path, headers, status, body)]
    assert opened == []
    assert len(GUARDED) > 150


async def test_with_every_other_scope_nothing_opens(api: Api) -> None:
    account = await api.account()
    others = {scope: await api.key(account, *(each for each in Scope if each is not scope)) for scope in Scope}
    opened = []
    for method, route in GUARDED:
        assert route.scope is not None
        status, _, body = await ask(api, method, address(route, str(uuid4())), others[route.scope])
        opened += [] if status == 403 else [(method, route.path, status, body)]
    assert opened == []


@pytest.mark.parametrize(
    ("method", "route"),
    [(method, route) for method, route in GUARDED if "{" in route.path and not ELSEWHERE & set(route.path.split("/"))],
    ids=[name for name in SHOWN if "{" in name and not ELSEWHERE & set(name.split("/"))],
)
async def test_what_is_another_accounts_answers_like_what_is_not(api: Api, method: str, route: Route) -> None:
    owner, stranger = await api.account(number=0), await api.account(number=1)
    theirs, mine = await api.key(owner), await api.key(stranger)
    await api.submit(theirs, numbered("THEIRS"), "application/json")
    await api.worker.drain()
    listed = await (await api.client.get("/v1/documents", headers=theirs)).json()
    if "public_id" in route.path:
        there, nowhere = theirs["Authorization"].split()[1].split(".")[0], "estk_" + "0" * 20
    elif "webhooks" in route.path:
        there, nowhere = await webhook(api, route, theirs), str(uuid4())
    else:
        there, nowhere = listed["documents"][0]["id"], str(uuid4())
    answers = []
    for identifier in (there, nowhere, "not-an-id"):
        status, kind, body = await ask(api, method, address(route, identifier), mine)
        shown = json.loads(body or b"{}")
        for member in ("trace", "instance"):
            shown.pop(member, None)
        answers.append((status, kind, shown))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 404
    status, _, body = await ask(api, method, address(route, there), theirs)
    found = status < 300 or status in (409, 422)  # whatever can be done with it now
    assert found or (body and json.loads(body)["detail"] != answers[0][2].get("detail")) or route.path in NONE_YET, body


async def webhook(api: Api, route: Route, theirs: dict[str, str]) -> str:
    """The id of a webhook of theirs, of the face that the route is of."""
    base = route.path.partition("/webhooks")[0] + "/webhooks"
    url = "https://hooks.example.org/"
    made = await answered(await api.client.post(base, json={"url" if base.startswith("/v1") else "callbackUrl": url},
                                                headers=theirs), 201)  # fmt: skip
    return str(made.get("id") or made["webhookId"])


async def test_lists_and_feeds_show_the_own_account_only(api: Api) -> None:
    one, other = await api.key(await api.account(number=0)), await api.key(await api.account(number=1))
    mine = await answered(await api.submit(one, small("mine")), 202)
    await answered(await api.submit(other, small("theirs")), 202)
    listed = await answered(await api.client.get("/v1/documents", headers=one), 200)
    assert [document["id"] for document in listed["documents"]] == [mine["id"]]
    fed = await answered(await api.client.get("/v1/events", headers=one), 200)
    assert {event["document"] for event in fed["events"]} == {mine["id"]}


async def test_the_code_refuses_what_the_database_would_let_through(api: Api) -> None:
    """The second layer alone: a document of another account is read past row-level security."""
    from gateway.api.documents import find
    from gateway.errors import NotFound

    owner, stranger = await api.account(number=0), await api.account(number=1)
    taken = await answered(await api.submit(await api.key(owner), small("a")), 202)

    class Unguarded:
        """A pool that opens every account's transaction as the owner's."""

        def account(self, _: object) -> Any:
            return api.resources.pool.account(owner.id)

    from dataclasses import replace
    from uuid import UUID

    bypassed = replace(api.resources, pool=Unguarded())  # type: ignore[arg-type]
    assert (await find(bypassed, owner, UUID(taken["id"]))).id == UUID(taken["id"])
    with pytest.raises(NotFound):
        await find(bypassed, stranger, UUID(taken["id"]))


# OAuth2 --------------------------------------------------------------------------------------------------------------


async def client_of(api: Api, *scopes: Scope) -> tuple[str, str]:
    """A new OAuth2 client: id and secret."""
    account = await api.account()
    made = await accounts.issue(
        api.resources.pool,
        account.id,
        PEPPER,
        kind="client",
        scopes=frozenset(scopes),
        now=api.resources.clock.now(),
    )
    return made.public_id, made.secret


async def test_a_client_gets_a_token_that_opens_what_it_may(api: Api, clock: SettableClock) -> None:
    client_id, secret = await client_of(api, Scope.READ, Scope.SUBMIT)
    basic = aiohttp.encode_basic_auth(client_id, secret)
    answer = await api.client.post(
        "/oauth2/token", data={"grant_type": "client_credentials", "scope": "read"}, headers={"Authorization": basic}
    )
    told = await answered(answer, 200)
    assert told["token_type"] == "Bearer"
    assert told["expires_in"] == 3600
    assert told["scope"] == "read"
    assert answer.headers["Cache-Control"] == "no-store"
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    assert (await api.client.get("/v1/account", headers=bearer)).status == 200
    await problem(await api.submit(bearer, small("a")), 403, "forbidden")
    clock.advance(timedelta(minutes=61))
    await problem(await api.client.get("/v1/account", headers=bearer), 401, "unauthenticated")
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    every = await answered(await api.client.post("/oauth2/token", data=form), 200)
    assert every["scope"] == "read submit"


@pytest.mark.parametrize(
    ("form", "basic", "error"),
    [
        ({}, "right", "unsupported_grant_type"),
        ({"grant_type": "password"}, "right", "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "admin"}, "right", "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "everything"}, "right", "invalid_scope"),
        ({"grant_type": "client_credentials"}, "wrong", "invalid_client"),
        ({"grant_type": "client_credentials"}, None, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "estc_" + "0" * 20}, "right", "invalid_client"),
        ({"grant_type": "client_credentials", "client_secret": "x"}, "right", "invalid_request"),
        ("grant_type=client_credentials&grant_type=client_credentials", "right", "invalid_request"),
        ("&&&", "right", "invalid_request"),
    ],
)
async def test_tokens_are_refused_in_the_words_of_the_standard(
    api: Api, form: Any, basic: str | None, error: str
) -> None:
    client_id, secret = await client_of(api, Scope.READ)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if basic:
        headers["Authorization"] = aiohttp.encode_basic_auth(client_id, secret if basic == "right" else "wrong")
    answer = await api.client.post("/oauth2/token", data=form, headers=headers)
    told = await answered(answer, 401 if error == "invalid_client" else 400)
    assert told["error"] == error
    assert told["error_description"]
    assert (answer.status == 401) == ("WWW-Authenticate" in answer.headers)
    plain = await api.client.post("/oauth2/token", json={"grant_type": "client_credentials"})
    assert (await answered(plain, 400))["error"] == "invalid_request"


async def test_a_key_is_no_client_and_a_client_is_no_key(api: Api) -> None:
    client_id, secret = await client_of(api, Scope.READ)
    bearer = {"Authorization": f"Bearer {client_id}.{secret}"}
    await problem(await api.client.get("/v1/account", headers=bearer), 401, "unauthenticated")
    public_id, key = (await api.key(await api.account(number=1)))["Authorization"].split()[1].split(".")
    form = {"grant_type": "client_credentials", "client_id": public_id, "client_secret": key}
    assert (await answered(await api.client.post("/oauth2/token", data=form), 401))["error"] == "invalid_client"


# The account ---------------------------------------------------------------------------------------------------------


async def test_an_account_manages_its_entities_and_credentials(api: Api) -> None:
    key = await api.key(await api.account())
    shown = await answered(await api.client.get("/v1/account", headers=key), 200, "Account")
    assert shown["participants"] == ["404833048"]
    second = {"siren": "552100554", "name": "Second"}
    await answered(await api.client.post("/v1/account/participants", json=second, headers=key), 201, "Participant")
    await problem(await api.client.post("/v1/account/participants", json=second, headers=key), 409, "conflict")
    made = await api.client.post("/v1/account/credentials", json={"kind": "key", "scopes": ["read"]}, headers=key)
    credential = await answered(made, 201, "Credential")
    bearer = {"Authorization": f"Bearer {credential['api_key']}"}
    assert (await answered(await api.client.get("/v1/account", headers=bearer), 200))["scopes"] == ["read"]
    await problem(await api.client.delete(made.headers["Location"], headers=bearer), 403, "forbidden")
    ended = await api.client.delete(made.headers["Location"], headers=key)
    assert ended.status == 204
    assert await ended.read() == b""
    await problem(await api.client.get("/v1/account", headers=bearer), 401, "unauthenticated")
    await problem(await api.client.delete(made.headers["Location"], headers=key), 404, "not-found")
    client = await api.client.post(
        "/v1/account/credentials", json={"kind": "client", "scopes": ["read", "submit"]}, headers=key
    )
    assert {"client_id", "client_secret"} <= set(await answered(client, 201, "Credential"))


@pytest.mark.parametrize(
    ("path", "body", "paths"),
    [
        ("participants", {"siren": "552100555", "name": ""}, ["/siren", "/name"]),
        ("participants", {"siren": 552100554}, ["/siren", "/name"]),
        ("participants", {"siren": "552100554", "name": "a\nb", "more": 1}, ["/more", "/name"]),
        ("credentials", {"kind": "root", "scopes": []}, ["/kind", "/scopes"]),
        ("credentials", {"kind": "key", "scopes": ["read", "read"]}, ["/scopes"]),
        ("credentials", {"kind": "key", "scopes": ["everything"]}, ["/scopes"]),
        ("credentials", {"kind": ["key"], "scopes": [{}]}, ["/kind", "/scopes"]),
        ("credentials", {}, ["/kind", "/scopes"]),
    ],
)
async def test_every_fault_of_a_body_is_told(api: Api, path: str, body: Any, paths: list[str]) -> None:
    key = await api.key(await api.account())
    told = await problem(await api.client.post(f"/v1/account/{path}", json=body, headers=key), 400, "malformed")
    assert [finding["path"] for finding in told["findings"]] == paths


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"", 400, "malformed"),
        (b"[]", 400, "malformed"),
        (b'{"siren": "1", "siren": "2"}', 400, "malformed"),
        (b'{"siren": NaN}', 400, "malformed"),
        (b'{"siren": ' + b"9" * 5000 + b"}", 400, "malformed"),
        (b"[" * 60_000, 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b" " * 70_000, 413, "too-large"),
    ],
)
async def test_a_body_that_is_no_small_json_object_is_refused(api: Api, body: bytes, status: int, name: str) -> None:
    key = await api.key(await api.account())
    headers = {**key, "Content-Type": "application/json"}
    await problem(await api.client.post("/v1/account/participants", data=body, headers=headers), status, name)
    text = await api.client.post("/v1/account/participants", data="x", headers={**key, "Content-Type": "text/plain"})
    await problem(text, 415, "unknown-format")
