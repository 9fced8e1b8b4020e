"""Webhooks: each event told once to who asked, signed, for three days, and no endpoint in another's way."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.webhook import Post
from gateway import webhooks
from gateway.api.afnor.webhooks import flow_body
from gateway.chores import Chores
from gateway.resources import Resources
from gateway.store import webhooks as store
from tests.gateway.api.conftest import PEPPER, Api, answered, numbered, problem, sample, small


@dataclass
class Endpoint:
    """A system of an account that is told things: it answers what it is set to."""

    server: TestServer
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/hook"))

    @property
    def events(self) -> list[tuple[str, int]]:
        """Document and seq of each message, as they came."""
        data = [json.loads(body)["data"] for _, body in self.got]
        return [(one["document"], one["seq"]) for one in data if "seq" in one]


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    app = web.Application()
    made = Endpoint(TestServer(app))

    async def hook(request: web.Request) -> web.Response:
        made.got.append(({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        return web.Response(status=made.status, headers=made.headers)

    app.router.add_post("/hook", hook)
    async with made.server:
        yield made


@pytest.fixture
async def told(api: Api, endpoint: Endpoint) -> AsyncIterator[Resources]:
    """The resources of the gateway, with a way to the endpoint."""
    port = endpoint.server.port
    courier = Post(api.resources.clock.now, frozenset({f"127.0.0.1:{port}"}))
    resources = replace(api.resources, courier=courier)
    from gateway.api.keys import RESOURCES

    assert api.client.app is not None
    api.client.app._state[RESOURCES] = resources  # an application that runs refuses to be changed
    yield resources
    await courier.close()


def telling(resources: Resources) -> webhooks.Telling:
    """What posting needs, as a gateway has it."""
    return webhooks.Telling(PEPPER, partial(flow_body, resources))


async def deliver(resources: Resources) -> int:
    """Make the messages and post what is due now; tells how many were posted."""
    await webhooks.spread(resources)
    claimed = await webhooks.due(resources, 50)
    await asyncio.gather(*(webhooks.post(resources, one, telling(resources)) for one in claimed))
    return len(claimed)


async def subscribed(api: Api, key: dict[str, str], url: str, **more: Any) -> dict[str, Any]:
    answer = await api.client.post("/v1/webhooks", json={"url": url, **more}, headers=key)
    return await answered(answer, 201, "WebhookWithSecret")


def holds(secret: str, headers: dict[str, str], body: bytes) -> int:
    """How many signatures of a message this secret made, by the words of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mine = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    return headers["webhook-signature"].split(" ").count(f"v1,{mine}")


async def test_what_happens_from_now_on_is_told_once_and_signed(api, told, endpoint):
    key = await api.key(await api.account())
    await api.submit(key, numbered("BEFORE"), "application/json")
    await api.worker.drain()
    made = await subscribed(api, key, endpoint.url)
    submitted = await api.submit(key, numbered("AFTER"), "application/json")
    await api.worker.drain()
    while await deliver(told):
        pass
    document = submitted.headers["Location"].rpartition("/")[2]
    bodies = [json.loads(body) for _, body in endpoint.got]
    assert {one["data"]["document"] for one in bodies} == {document}
    assert Counter(one["type"] for one in bodies) == {"document.validated": 1, "document.delivered": 1}
    for headers, body in endpoint.got:
        assert holds(made["secret"], headers, body) == 1
        assert headers["webhook-id"] == "{document}-{seq}".format(**json.loads(body)["data"])
        assert headers["webhook-timestamp"] == str(int(api.resources.clock.now().timestamp()))
        assert b"AFTER" not in body
    feed = await answered(await api.client.get("/v1/events", headers=key), 200)
    shown = {(one["document"], one["seq"]): one for one in feed["events"]}
    for one in bodies:
        assert shown[one["data"]["document"], one["data"]["seq"]]["cursor"] == one["data"]["cursor"]
    await webhooks.spread(told)
    assert not await deliver(told)


async def test_no_event_is_passed_over_or_told_twice_while_many_write(api, told, endpoint):
    """Ten writers, and two gateways that make messages of what they write."""
    key = await api.key(await api.account())
    await subscribed(api, key, endpoint.url, events=sorted(webhooks.TYPES))
    writing = asyncio.gather(*(api.submit(key, numbered(f"N-{n}"), "application/json") for n in range(40)))
    while not writing.done():
        await asyncio.gather(webhooks.spread(told), webhooks.spread(told))
    await writing
    await api.worker.drain()
    while await deliver(told):
        pass
    cursor, happened = "", []
    while page := await answered(await api.client.get(f"/v1/events?limit=200&after={cursor}", headers=key), 200):
        happened += [(one["document"], one["seq"]) for one in page["events"]]
        cursor = page["cursor"]
        if not page["more"]:
            break
    assert Counter(endpoint.events) == Counter(happened)
    assert len(happened) > 40 * 5


async def test_of_two_gateways_one_posts(api, told, endpoint):
    key = await api.key(await api.account())
    await subscribed(api, key, endpoint.url, events=["document.received"])
    for n in range(8):
        await api.submit(key, numbered(f"N-{n}"), "application/json")
    await asyncio.gather(*(deliver(told) for _ in range(4)))
    assert len(endpoint.events) == len(set(endpoint.events)) == 8


async def test_a_refused_message_is_tried_for_three_days_and_can_be_asked_for_again(api, told, endpoint, clock):
    key = await api.key(await api.account())
    made = await subscribed(api, key, endpoint.url, events=["document.received"])
    await api.submit(key, numbered("N"), "application/json")
    endpoint.status = 500
    began = clock.now()
    waiting = 1
    while waiting:
        await deliver(told)
        clock.advance(timedelta(minutes=30))
        shown = await answered(await api.client.get(f"/v1/webhooks/{made['id']}", headers=key), 200, "Webhook")
        waiting = shown["waiting"]
        assert clock.now() - began < timedelta(days=4)
    assert timedelta(days=3) <= clock.now() - began <= timedelta(days=3, hours=1)
    assert len({headers["webhook-id"] for headers, _ in endpoint.got}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in endpoint.got}) == len(endpoint.got) >= 9
    log = await answered(await api.client.get(f"/v1/webhooks/{made['id']}/attempts", headers=key), 200)
    assert len(log["attempts"]) == len(endpoint.got)
    assert {one["reason"] for one in log["attempts"]} == {"answered 500"}
    endpoint.status = 204
    again = await api.client.post(f"/v1/webhooks/{made['id']}/again", json={}, headers=key)
    assert (await answered(again, 202)) == {"messages": 1}
    assert await deliver(told) == 1
    newest = await answered(await api.client.get(f"/v1/webhooks/{made['id']}/attempts?limit=1", headers=key), 200)
    assert newest["attempts"][0]["delivered"]
    assert newest["more"]
    document, seq = endpoint.events[0]
    named = {"document": document, "seq": seq}
    again = await api.client.post(f"/v1/webhooks/{made['id']}/again", json=named, headers=key)
    assert (await answered(again, 202)) == {"messages": 1}
    assert await deliver(told) == 1


async def test_an_endpoint_that_is_away_holds_up_nobody(api, told, endpoint, clock, unused_tcp_port):
    key = await api.key(await api.account())
    silent = f"http://127.0.0.1:{unused_tcp_port}/hook"
    told.courier._allow |= {f"127.0.0.1:{unused_tcp_port}"}
    told.courier._client._allow = told.courier._allow
    away = await subscribed(api, key, silent, events=["document.received"])
    await subscribed(api, key, endpoint.url, events=["document.received"])
    for n in range(12):
        await api.submit(key, numbered(f"N-{n}"), "application/json")
    await deliver(told)
    await deliver(told)
    assert len(set(endpoint.events)) == 12
    shown = await answered(await api.client.get(f"/v1/webhooks/{away['id']}", headers=key), 200, "Webhook")
    assert shown["state"] == "away"
    assert (shown["waiting"], shown["failures"]) == (12, 1)
    assert not await deliver(told), "it is left alone for a while"
    clock.advance(timedelta(seconds=6))
    assert await deliver(told) > 0


async def test_an_endpoint_that_asks_to_be_left_alone_is(api, told, endpoint, clock):
    key = await api.key(await api.account())
    await subscribed(api, key, endpoint.url, events=["document.received"])
    await api.submit(key, numbered("N-1"), "application/json")
    endpoint.status, endpoint.headers = 429, {"Retry-After": "900"}
    assert await deliver(told) == 1
    await api.submit(key, numbered("N-2"), "application/json")
    clock.advance(timedelta(seconds=890))
    assert not await deliver(told)
    clock.advance(timedelta(seconds=20))
    endpoint.status, endpoint.headers = 200, {}
    assert await deliver(told) == 2


async def test_an_endpoint_that_is_gone_is_told_nothing_until_the_account_asks(api, told, endpoint):
    key = await api.key(await api.account())
    made = await subscribed(api, key, endpoint.url, events=["document.received"])
    await api.submit(key, numbered("N-1"), "application/json")
    endpoint.status = 410
    await deliver(told)
    await api.submit(key, numbered("N-2"), "application/json")
    assert not await deliver(told)
    shown = await answered(await api.client.get("/v1/webhooks", headers=key), 200)
    assert [one["state"] for one in shown["webhooks"]] == ["gone"]
    endpoint.status = 200
    await answered(await api.client.post(f"/v1/webhooks/{made['id']}/again", json={}, headers=key), 202)
    assert await deliver(told) >= 1, "what came while it was gone is told too"


async def test_a_redirect_is_no_success_and_is_not_followed(api, told, endpoint):
    key = await api.key(await api.account())
    made = await subscribed(api, key, endpoint.url, events=["document.received"])
    await api.submit(key, numbered("N-1"), "application/json")
    endpoint.status, endpoint.headers = 302, {"Location": endpoint.url}
    await deliver(told)
    assert len(endpoint.got) == 1
    log = await answered(await api.client.get(f"/v1/webhooks/{made['id']}/attempts", headers=key), 200)
    assert log["attempts"][0]["reason"] == "answered 302"


@pytest.mark.parametrize(
    "url",
    ["http://example.org/hook", "https://127.0.0.1/hook", "https://[::1]/hook", "https://169.254.169.254/latest",
     "https://localhost/hook", "https://2130706433/hook", "https://example.org:22/hook", "ftp://example.org/hook",
     "https://user:secret@example.org/hook", "https://10.0.0.1/hook", "hook", "https://a..example.org/hook",
     "https://.example.org/hook", f"https://{'a' * 64}.example.org/hook"],
)  # fmt: skip
async def test_no_address_inside_is_taken(api, told, url):
    """RELIABILITY rule 26; the address that is dialled is checked again (tests/adapters/test_http.py)."""
    key = await api.key(await api.account())
    refused = await problem(await api.client.post("/v1/webhooks", json={"url": url}, headers=key), 422, "rejected")
    assert refused["findings"][0]["rule"] == "HOUSE-WEBHOOK-ADDRESS"
    assert not (await answered(await api.client.get("/v1/webhooks", headers=key), 200))["webhooks"]


async def test_a_secret_is_changed_without_a_gap(api, told, endpoint, clock):
    key = await api.key(await api.account())
    made = await subscribed(api, key, endpoint.url, events=["document.received"])
    renewed = await answered(
        await api.client.post(f"/v1/webhooks/{made['id']}/secret", headers=key), 200, "WebhookWithSecret"
    )
    assert renewed["secret"] != made["secret"]
    await api.submit(key, numbered("N-1"), "application/json")
    await deliver(told)
    assert [holds(one["secret"], *endpoint.got[0]) for one in (made, renewed)] == [1, 1]
    clock.advance(webhooks.OVERLAP + timedelta(seconds=1))
    await api.submit(key, numbered("N-2"), "application/json")
    await deliver(told)
    assert [holds(one["secret"], *endpoint.got[1]) for one in (made, renewed)] == [0, 1]


async def test_a_test_message_shows_whether_the_endpoint_answers(api, told, endpoint):
    key = await api.key(await api.account())
    made = await subscribed(api, key, endpoint.url)
    shown = await answered(await api.client.post(f"/v1/webhooks/{made['id']}/test", headers=key), 200, "WebhookAttempt")
    assert shown["delivered"]
    headers, body = endpoint.got[0]
    assert json.loads(body)["type"] == "webhook.test"
    assert holds(made["secret"], headers, body) == 1


async def test_one_account_knows_nothing_of_another_s(api, told, endpoint):
    mine, theirs = await api.key(await api.account()), await api.key(await api.account(number=1))
    made = await subscribed(api, mine, endpoint.url, events=["document.received"])
    address = f"/v1/webhooks/{made['id']}"
    await problem(await api.client.get(address, headers=theirs), 404, "not-found")
    await problem(await api.client.delete(address, headers=theirs), 404, "not-found")
    await problem(await api.client.post(f"{address}/secret", headers=theirs), 404, "not-found")
    await problem(await api.client.post(f"{address}/again", json={}, headers=theirs), 404, "not-found")
    await problem(await api.client.get(f"{address}/attempts", headers=theirs), 404, "not-found")
    await api.submit(theirs, numbered("N-1"), "application/json")
    assert not await deliver(told)


async def test_what_is_removed_is_told_nothing(api, told, endpoint):
    key = await api.key(await api.account())
    made = await subscribed(api, key, endpoint.url, events=["document.received"])
    await api.submit(key, numbered("N-1"), "application/json")
    await webhooks.spread(told)
    removed = await api.client.delete(f"/v1/webhooks/{made['id']}", headers=key)
    assert removed.status == 204
    assert not await deliver(told)
    await problem(await api.client.get(f"/v1/webhooks/{made['id']}", headers=key), 404, "not-found")


async def test_wrong_members_are_all_told(api, told):
    key = await api.key(await api.account())
    body = {"url": "", "events": ["document.devoured"], "colour": "blue"}
    told_ = await problem(await api.client.post("/v1/webhooks", json=body, headers=key), 400, "malformed")
    assert {one["path"] for one in told_["findings"]} == {"/url", "/events", "/colour"}


async def test_the_chore_makes_posts_and_forgets(api, told, endpoint, clock):
    key = await api.key(await api.account())
    made = await subscribed(api, key, endpoint.url, events=["document.received"])
    chores = asyncio.create_task(Chores(told, timedelta(seconds=60), lambda: None, telling=telling(told)).run())
    await api.submit(key, numbered("N-1"), "application/json")
    async with asyncio.timeout(20):
        while not endpoint.got:
            await asyncio.sleep(0.05)
    chores.cancel()
    await asyncio.gather(chores, return_exceptions=True)
    clock.advance(timedelta(days=31))
    await webhooks.forget(told)
    log = await answered(await api.client.get(f"/v1/webhooks/{made['id']}/attempts", headers=key), 200)
    assert log["attempts"] == []


async def test_flows_are_told_as_the_standard_says(api, told, endpoint):
    key = await api.key(await api.account())
    asked = {"callbackUrl": endpoint.url, "flowDirection": "Out", "ackStatus": "Ok"}
    made = await answered(await api.client.post("/afnor-flow/v1/webhooks", json=asked, headers=key), 201)
    await api.submit(key, sample("cii/invoice-simple.xml"))
    await api.submit(key, small("not an invoice that any rule likes"))
    await api.worker.drain()
    while await deliver(told):
        pass
    bodies = [json.loads(body) for _, body in endpoint.got]
    assert {(one["flowDirection"], one["acknowledgement"]["status"]) for one in bodies} == {("Out", "Ok")}
    shown = await answered(await api.client.get(f"/afnor-flow/v1/flows/{bodies[-1]['flowId']}", headers=key), 200)
    assert bodies[-1] == shown
    headers, body = endpoint.got[0]
    fingerprint = sha256(body + b"@" + headers["afnor-signature-timestamp"].encode()).digest()
    signed = hmac.new(base64.b64decode(made["signingKey"]), fingerprint, sha256).digest()
    assert headers["afnor-signature"] == base64.b64encode(signed).decode()


async def test_the_two_faces_keep_their_webhooks_apart(api, told, endpoint):
    key = await api.key(await api.account())
    native = await subscribed(api, key, endpoint.url)
    made = await answered(
        await api.client.post("/afnor-flow/v1/webhooks", json={"callbackUrl": endpoint.url}, headers=key), 201
    )
    ours = await answered(await api.client.get("/v1/webhooks", headers=key), 200)
    assert [one["id"] for one in ours["webhooks"]] == [native["id"]]
    theirs = await answered(await api.client.get("/afnor-flow/v1/webhooks", headers=key), 200)
    assert theirs["webhookIds"] == [made["webhookId"]]
    assert "signingKey" not in theirs["webhooks"][0]
    assert (await api.client.delete(f"/afnor-flow/v1/webhooks/{native['id']}", headers=key)).status == 404
    for method, address in (("DELETE", ""), ("POST", "/secret"), ("POST", "/again")):
        wrong = await api.client.request(method, f"/v1/webhooks/{made['webhookId']}{address}", json={}, headers=key)
        assert wrong.status == 404
    assert (await api.client.delete(f"/afnor-flow/v1/webhooks/{made['webhookId']}", headers=key)).status == 204
    assert (await answered(await api.client.get("/afnor-flow/v1/webhooks", headers=key), 200))["count"] == 0


@pytest.mark.parametrize(
    "asked",
    [{}, {"callbackUrl": 1}, {"callbackUrl": "https://10.0.0.1/"}, {"callbackUrl": "OK", "flowTypes": ["Invoice"]},
     {"callbackUrl": "OK", "flowDirection": "Up"}, {"callbackUrl": "OK", "ackStatus": ["Ok"]}],
)  # fmt: skip
async def test_a_subscription_that_cannot_be_is_told_in_the_standards_shape(api, told, endpoint, asked):
    key = await api.key(await api.account())
    body = {**asked, **({"callbackUrl": endpoint.url} if asked.get("callbackUrl") == "OK" else {})}
    refused = await answered(await api.client.post("/afnor-flow/v1/webhooks", json=body, headers=key), 400)
    assert refused["errorCode"] in ("MISSING_REQUIRED_FIELD", "INVALID_FIELD")


async def test_the_slow_endpoints_of_one_account_hold_up_no_other(api, told, endpoint):
    many, one = await api.key(await api.account()), await api.key(await api.account(number=1))
    for n in range(4):
        await subscribed(api, many, f"{endpoint.url}?{n}", events=["document.received"])
    made = await subscribed(api, one, endpoint.url, events=["document.received"])
    for n in range(20):
        await api.submit(many, numbered(f"M-{n}"), "application/json")
    await api.submit(one, numbered("O-1"), "application/json")
    await webhooks.spread(told)
    first = await webhooks.due(told, 10)
    assert made["id"] in {str(claimed.webhook_id) for claimed in first}, "accounts take turns"
    more = [claimed for _ in range(10) for claimed in await webhooks.due(told, 50)]
    assert len([one for one in (*first, *more) if str(one.webhook_id) != made["id"]]) == store.OF_ONE_ACCOUNT


async def test_what_nobody_foresaw_is_an_attempt_in_the_log(api, told, endpoint, clock):
    account = await api.account()
    key = await api.key(account)
    made = await answered(
        await api.client.post("/afnor-flow/v1/webhooks", json={"callbackUrl": endpoint.url}, headers=key), 201
    )
    await api.submit(key, numbered("N-1"), "application/json")

    async def broken(*_: Any) -> bytes:
        raise ZeroDivisionError

    await webhooks.spread(told)
    for one in await webhooks.due(told, 50):
        await webhooks.post(told, one, webhooks.Telling(PEPPER, broken))
    async with told.pool.account(account.id) as connection:
        logged, _ = await store.attempts(connection, UUID(made["webhookId"]), None, 10)
    assert [one.reason for one, _, _ in logged] == ["failed: ZeroDivisionError"]
    clock.advance(timedelta(minutes=1))
    assert await deliver(told) == 1


async def test_an_account_has_so_many_webhooks_also_with_those_that_are_gone(api, told, endpoint):
    key = await api.key(await api.account())
    for n in range(store.LIMIT):
        await subscribed(api, key, f"{endpoint.url}?{n}", events=["document.received"])
    await api.submit(key, numbered("N-1"), "application/json")
    endpoint.status = 410
    while await deliver(told):
        pass
    shown = await answered(await api.client.get("/v1/webhooks", headers=key), 200)
    assert {one["state"] for one in shown["webhooks"]} == {"gone"}
    await problem(await api.client.post("/v1/webhooks", json={"url": endpoint.url}, headers=key), 409, "conflict")
