"""RELIABILITY T8 and T14: bad receivers cost the good ones nothing, and a bad line between loses and orders nothing.

Real sockets; the days in which a message is tried again pass in virtual time. `ESTAFETTE_EXAMPLES` makes T14 longer.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import count, islice
from typing import Any

import pytest
from aiohttp import web

from adapters import webhook as courier
from adapters.webhook import Post
from gateway import webhooks
from gateway.api.afnor.webhooks import flow_body
from gateway.api.keys import RESOURCES
from gateway.clock import SettableClock
from gateway.resources import Resources
from tests.gateway.api.conftest import PEPPER, Api, answered, numbered

GOOD = 94
EACH = 3
"""Documents of each account in one measurement."""
KINDS = ("dead", "drip", "busy", "failing", "certificate", "drops")
"""One bad endpoint of each."""


@dataclass
class Receivers:
    """Endpoints of every kind on loopback, and what came to them."""

    ports: dict[str, int] = field(default_factory=dict)
    came: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    """Endpoint → id of each message and when it came."""

    def url(self, kind: str, number: int = 0) -> str:
        """Where an endpoint of this kind is."""
        scheme = "https" if kind == "certificate" else "http"
        return f"{scheme}://127.0.0.1:{self.ports[kind]}/{kind}/{number}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Take it, or behave."""
        kind = request.match_info["kind"]
        self.came.setdefault(request.path, []).append((request.headers["webhook-id"], time.monotonic()))
        if kind == "busy":
            return web.Response(status=429, headers={"Retry-After": "600"})
        return web.Response(status=500 if kind == "failing" else 204)

    async def misbehave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a byte a moment, never to an end; or, when asked at /drops, take it and say nothing."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            path = head.split(" ")[1]
            self.came.setdefault(path, []).append((lines["webhook-id"], time.monotonic()))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" if "drip" in path else b"")
            while "drip" in path:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        writer.close()


@pytest.fixture
async def receivers(unused_tcp_port: int) -> AsyncIterator[Receivers]:
    made = Receivers()
    app = web.Application()
    app.router.add_post("/{kind}/{number}", made.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    raw = await asyncio.start_server(made.misbehave, "127.0.0.1", 0)
    plain, odd = runner.addresses[0][1], raw.sockets[0].getsockname()[1]
    made.ports = {
        **dict.fromkeys(("good", "busy", "failing"), plain),
        **dict.fromkeys(("drip", "drops"), odd),
        "certificate": plain,  # it speaks no TLS at all, which is as wrong as a certificate can be
        "dead": unused_tcp_port,
    }
    yield made
    raw.close()
    await runner.cleanup()


@pytest.fixture
async def told(api: Api, receivers: Receivers) -> AsyncIterator[Resources]:
    """The resources of the gateway, with a way to the endpoints."""
    post = Post(api.resources.clock.now, frozenset(f"127.0.0.1:{port}" for port in receivers.ports.values()))
    resources = replace(api.resources, courier=post)
    assert api.client.app is not None
    api.client.app._state[RESOURCES] = resources
    yield resources
    await post.close()


async def posted(resources: Resources) -> int:
    """Make the messages and post all that is due, as many at once as a gateway does; tells how many were posted."""
    telling, done = webhooks.Telling(PEPPER, partial(flow_body, resources)), 0
    await webhooks.spread(resources)
    under_way: set[asyncio.Task[None]] = set()
    while True:
        claimed = await webhooks.due(resources, webhooks.AT_ONCE - len(under_way))
        under_way |= {asyncio.create_task(webhooks.post(resources, one, telling)) for one in claimed}
        done += len(claimed)
        if not under_way:
            return done
        _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)


async def measured(api: Api, told: Resources, receivers: Receivers, keys: list[dict[str, str]], name: str) -> float:
    """The 95th percentile of the seconds until a good endpoint has its messages."""
    for number in range(EACH):
        for key in keys:
            assert (await api.submit(key, numbered(f"{name}-{number}"), "application/json")).status == 202
    before = {path: len(came) for path, came in receivers.came.items()}
    began = time.monotonic()
    posting = asyncio.create_task(posted(told))
    wanted, took = GOOD * EACH, list[float]()
    async with asyncio.timeout(60):
        while len(took) < wanted:
            await asyncio.sleep(0.02)
            took = [
                at - began
                for path, came in receivers.came.items()
                if path.startswith("/good")
                for _, at in came[before.get(path, 0) :]
            ]
    await posting
    return statistics.quantiles(took, n=20)[18]


@pytest.mark.slow
async def test_bad_receivers_cost_the_good_ones_nothing(
    api: Api, told: Resources, receivers: Receivers, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "SECONDS", 1.5)
    keys = [await api.key(await api.account()) for _ in range(5)]
    wanted = {"events": ["document.received"]}
    for number in range(GOOD):
        body = {"url": receivers.url("good", number), **wanted}
        await answered(await api.client.post("/v1/webhooks", json=body, headers=keys[number % 5]), 201)
    await measured(api, told, receivers, keys, "WARM")
    baseline = await measured(api, told, receivers, keys, "ALONE")
    bad = {}
    owners = {kind: keys[min(number, 4)] for number, kind in enumerate(KINDS)}
    for kind, key in owners.items():
        body = {"url": receivers.url(kind), **wanted}
        bad[kind] = (await answered(await api.client.post("/v1/webhooks", json=body, headers=key), 201))["id"]
    beside = await measured(api, told, receivers, keys, "BESIDE")
    assert beside <= 2 * baseline + 0.2, (beside, baseline)
    monkeypatch.setattr(courier, "SECONDS", 0.2)
    began, two_hours = clock.now(), {}
    while clock.now() - began < timedelta(days=3, hours=2):
        clock.advance(timedelta(minutes=20) if clock.now() - began < timedelta(hours=3) else timedelta(hours=2))
        await posted(told)
        if clock.now() - began >= timedelta(hours=2) and not two_hours:
            two_hours = {kind: await attempts(api, owners[kind], id) for kind, id in bad.items()}
    for kind in KINDS:
        assert max(Counter(one["document"] for one in two_hours[kind]).values()) >= 3, kind
        log = await attempts(api, owners[kind], bad[kind])
        assert not any(one["delivered"] for one in log), kind
        shown = await answered(await api.client.get(f"/v1/webhooks/{bad[kind]}", headers=owners[kind]), 200)
        assert shown["waiting"] == 0, f"{kind}: after three days each is given up, and that is seen"
        if kind not in ("dead", "certificate"):
            assert len({id for id, _ in receivers.came[f"/{kind}/0"]}) == EACH, "the same id at each attempt"
    for number in range(GOOD):
        came = [id for id, _ in receivers.came[f"/good/{number}"]]
        assert len(came) == len(set(came)) == 3 * EACH, "nothing is lost, nothing comes twice"


async def attempts(api: Api, key: dict[str, str], webhook: str) -> list[dict[str, Any]]:
    """The delivery log of a webhook."""
    found, after = list[dict[str, Any]](), ""
    while True:
        path = f"/v1/webhooks/{webhook}/attempts?limit=100{after}"
        page = await answered(await api.client.get(path, headers=key), 200)
        found += page["attempts"]
        if not page["more"]:
            return found
        after = f"&after={page['cursor']}"


# T14 -----------------------------------------------------------------------------------------------------------------


@dataclass
class Books:
    """An account's own system: it keeps what each document went through, and hears over a bad line."""

    chance: random.Random
    seen: set[str] = field(default_factory=set)
    lives: dict[str, dict[int, str]] = field(default_factory=dict)
    """Document → seq → what happened."""
    requests: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        """One message: lost before it is heard, lost after, answered late, or taken."""
        self.requests += 1
        fate = self.chance.random()
        if fate < 0.15:
            return web.Response(status=self.chance.choice((400, 500, 502, 503)))
        if fate > 0.8:
            await asyncio.sleep(self.chance.uniform(0, 0.03))
        body = await request.json()
        if request.headers["webhook-id"] not in self.seen:
            self.seen.add(request.headers["webhook-id"])
            data = body["data"]
            life = self.lives.setdefault(data["document"], {})
            assert data["seq"] not in life, "two messages of one event"
            life[data["seq"]] = data["hash"]
        if 0.15 < fate < 0.3 and request.transport is not None:
            request.transport.abort()
        return web.Response(status=204)


async def test_ten_thousand_messages_over_a_bad_line_end_in_the_same_state(
    api: Api, clock: SettableClock, tmp_path: Any
) -> None:
    """Loss, repeats and reordering: after the last retry the receiver has what the feed has, without a hole."""
    books = Books(random.Random(14))
    app = web.Application()
    app.router.add_post("/books", books.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    told = replace(api.resources, courier=Post(clock.now, frozenset({host})))
    assert api.client.app is not None
    api.client.app._state[RESOURCES] = told
    key = await api.key(await api.account())
    body = {"url": f"http://{host}/books", "events": sorted(webhooks.TYPES)}
    made = await answered(await api.client.post("/v1/webhooks", json=body, headers=key), 201)
    wanted = 10_000 if "ESTAFETTE_EXAMPLES" in os.environ else 200
    numbers = count(1)
    happened: dict[str, dict[int, str]] = {}
    while sum(map(len, happened.values())) < wanted:
        for number in islice(numbers, 10):
            assert (await api.submit(key, numbered(f"T-{number}"), "application/json")).status == 202
        await api.worker.drain()
        await posted(told)
        clock.advance(timedelta(seconds=7))
        happened = await lives(api, key)
    for _ in range(60):
        clock.advance(timedelta(hours=1))
        await posted(told)
        shown = await answered(await api.client.get(f"/v1/webhooks/{made['id']}", headers=key), 200)
        if not shown["waiting"]:
            break
    assert shown["waiting"] == 0
    assert books.lives == happened
    assert all(sorted(life) == list(range(1, len(life) + 1)) for life in books.lives.values()), "no hole"
    assert books.requests > 1.2 * len(books.seen), "the line was bad: the test can fail"
    await told.courier.close()  # type: ignore[union-attr]
    await runner.cleanup()


async def lives(api: Api, key: dict[str, str]) -> dict[str, dict[int, str]]:
    """What the feed says of each document."""
    found: dict[str, dict[int, str]] = {}
    cursor, more = "", True
    while more:
        page = await answered(await api.client.get(f"/v1/events?limit=200&after={cursor}", headers=key), 200)
        for event in page["events"]:
            found.setdefault(event["document"], {})[event["seq"]] = event["hash"]
        cursor, more = page["cursor"], page["more"]
    return found
