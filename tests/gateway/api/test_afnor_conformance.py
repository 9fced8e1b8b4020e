"""The Flow Service as served, held against its published OpenAPI file by Schemathesis.

A few examples here; `make conformance-flows` asks for 200 of each operation (ESTAFETTE_FLOW_EXAMPLES).
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from adapters.port import Arrival, ArrivalKind
from adapters.webhook import Post
from gateway.api import application
from gateway.api.keys import RESOURCES
from gateway.store import arrivals
from gateway.store.arrivals import Owner
from tests.conformance.service_run import service_run
from tests.conftest import STANDARDS
from tests.gateway.api.conftest import Api, sample
from tests.gateway.api.test_afnor_flows import CII, answered, hand_in

PUBLISHED = STANDARDS / "xp-z12-013" / "flow-service-1.3.0.json"
EXAMPLES = int(os.environ.get("ESTAFETTE_FLOW_EXAMPLES", "16"))
WEBHOOKS = "/afnor-flow/v1/webhooks"


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="no published OpenAPI file beside this checkout")
async def test_every_answer_is_as_published(api: Api) -> None:
    account = await api.account(original="facturx")
    key = await api.key(account)
    good = (await answered(await hand_in(api, key, trackingId="good", processingRule="B2B"), 202))["flowId"]
    bad = CII.replace(b"<ram:TypeCode>380", b"<ram:TypeCode>999")
    ended = (await answered(await hand_in(api, key, bad), 202))["flowId"]
    shapeless = CII.replace(b"<ram:IssueDateTime>", b"<ram:Unknown/><ram:IssueDateTime>")
    broken = (await answered(await hand_in(api, key, shapeless), 202))["flowId"]
    await api.worker.drain()
    now = api.resources.clock.now()
    for name in ("approved", "no-code"):
        arrival = Arrival(name, ArrivalKind.STATUS, now, "application/xml", sample(f"cdar/{name}.xml"))
        await arrivals.keep(api.resources.pool, "folder", Owner(account.id, UUID(good)), arrival, now)
    await api.worker.drain()
    waits = (await answered(await hand_in(api, key, CII + b"\n"), 202))["flowId"]
    known = {
        "authorization": key["Authorization"],
        "flows": [good, ended, broken, waits, f"{good}-{await _status_of(api, key)}"],
        "where": [{}, {"ackStatus": "Error"}, {"flowDirection": ["In"]}, {"trackingId": "good"}],
        "invoice": sample("cii/invoice-multi-vat.xml").decode().replace(_number(), "NUMBER"),
    }
    async with _with_webhooks(api, key) as made:
        known["webhooks"] = made
        url, without = str(api.client.make_url("/afnor-flow")), () if made else ("/v1/webhooks",)
        told = await service_run("flow_service", PUBLISHED, url, known, EXAMPLES, without=without)
    for operation, codes in told.items():
        assert any(code.startswith("2") for code in codes), (operation, codes)
        assert sum(codes.values()) >= min(EXAMPLES // 2, 1), operation
    assert {"200", "404"} <= set(told["GET /v1/flows/{flowId}"])
    assert {"202", "400"} <= set(told["POST /v1/flows"])
    print(json.dumps(told, indent=2))


@asynccontextmanager
async def _with_webhooks(api: Api, key: dict[str, str]) -> AsyncIterator[list[str]]:
    """A way to post messages, and webhooks to remove; none where they are not served."""
    if WEBHOOKS not in {route.path for route in application.ROUTES}:
        yield []
        return
    courier = Post(api.resources.clock.now, frozenset())
    assert api.client.app is not None
    api.client.app._state[RESOURCES] = replace(api.resources, courier=courier)  # one that runs refuses to be changed
    asked = {"callbackUrl": "https://hooks.example.org/hook"}
    made = [await api.client.post(WEBHOOKS, json=asked, headers=key) for _ in range(4)]
    yield [(await answered(one, 201))["webhookId"] for one in made]
    await courier.close()


async def _status_of(api: Api, key: dict[str, str]) -> str:
    asked = {"where": {"flowType": ["CustomerInvoiceLC"]}}
    found = await answered(await api.client.post("/afnor-flow/v1/flows/search", json=asked, headers=key))
    return str(found["results"][0]["flowId"]).rpartition("-")[2]


def _number() -> str:
    """The invoice number of the sample."""
    text = sample("cii/invoice-multi-vat.xml").decode()
    return text.partition("<rsm:ExchangedDocument>")[2].partition("<ram:ID>")[2].partition("</ram:ID>")[0]
