"""Addresses over HTTP against the simulated directory: one, a list, a customer file, and before an invoice is sent."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.afnor_directory import AfnorDirectory, Settings
from adapters.bearer import Login
from adapters.platform import server
from gateway import customers
from gateway.api import addresses
from gateway.clock import SettableClock
from gateway.commands import demo_invoices
from gateway.compute import Compute
from gateway.store.accounts import Scope
from gateway.store.pool import Pool
from tests.adapters.conftest import Running, start
from tests.gateway.api.conftest import Api, answered, sample, serving
from tests.gateway.api.test_orders import ORDER, call, deliver, hand_in, rules, shown

CLOSED, OPEN = "100000397_10000039700024", "100000397_10000039700016"


@pytest.fixture
async def platform(clock: SettableClock, tmp_path: Path) -> AsyncIterator[Running]:
    running = await start(tmp_path / "platform", server.Manners(pace=0.0, now=clock.now, refusals=1, retry_after=40))
    yield running
    await running.stop()


@pytest.fixture
async def directed(
    pool: Pool, compute: Compute, clock: SettableClock, tmp_path: Path, platform: Running
) -> AsyncIterator[Api]:
    """A gateway that looks addresses up at the platform's directory."""
    known = platform.settings
    login = Login(known.token_url, known.client_id, known.secret_file)
    directory = AfnorDirectory(Settings(f"{platform.url}/afnor-directory", login, known.allow, seconds=5.0), clock.now)
    (tmp_path / "out").mkdir()
    async with serving(pool, compute, clock, tmp_path / "out", directory=directory) as api:
        yield api
    await directory.close()


def invoice(address: str, number: str = "F-1") -> bytes:
    """An invoice to this address, as JSON."""
    buyer = demo_invoices.buyer_that_accepts()
    buyer["legal_id"]["value"], buyer["endpoint"]["value"] = address[:9], address
    return json.dumps(demo_invoices.invoice(number, buyer)).encode()


async def test_one_address(directed: Api) -> None:
    key = await directed.key(await directed.account(), Scope.SUBMIT)
    async with directed.client.get("/v1/addresses/10000039700024", headers=key) as answer:
        assert answer.status == 200
        told = await answer.json()
    assert (told["scheme"], told["verdict"]) == ("0009", "ended")
    assert told["line"]["address"] == CLOSED
    assert (told["line"]["level"], told["line"]["standing"]) == ("facility", "disabled")
    assert [line["address"] for line in told["nearest"]] == [OPEN]
    assert told["company"] == {"siren": "100000397", "name": "Maison Fermée", "public": False, "closed": False}
    assert told["told"] == {"source": "127.0.0.1/afnor-directory", "at": "2026-11-24T12:00:00.000000Z", "stale": False}
    assert told["finding"]["rule"] == "HOUSE-ADDRESS-INACTIVE"
    assert told["says"]["fr"].startswith("non joignable : sa ligne n'est pas active")
    async with directed.client.get("/v1/addresses/812046373?scheme=0225", headers=key) as answer:
        told = await answer.json()
    assert (told["verdict"], told["finding"], told["nearest"]) == ("active", None, [])
    async with directed.client.get("/v1/addresses/100000462", headers=key) as answer:
        told = await answer.json()
    assert (told["verdict"], told["told"]) == ("unanswered", None)
    assert (told["finding"]["rule"], told["finding"]["severity"]) == ("HOUSE-ADDRESS-UNCHECKED", "warning")
    async with directed.client.get("/v1/addresses/a%40b.example", headers=key) as answer:
        assert (await answer.json())["verdict"] == "outside"
    async with directed.client.get(f"/v1/addresses/{'1' * 300}", headers=key) as answer:
        assert answer.status == 400


async def test_a_list(directed: Api) -> None:
    key = await directed.key(await directed.account())
    asked = [{"value": OPEN, "scheme": "0225"}, {"value": "100000447"}, {"value": "x"}]
    async with directed.client.post("/v1/addresses/checks", json={"addresses": asked}, headers=key) as answer:
        assert answer.status == 200
        told = await answer.json()
    assert [one["verdict"] for one in told["checks"]] == ["active", "no_company", "malformed"]
    assert told["verdicts"] == {"active": 1, "malformed": 1, "no_company": 1}
    wrong: list[Any] = [{}, {"addresses": []}, {"addresses": [1]}, {"addresses": [{}]}, {"addresses": asked, "x": 1}]
    wrong += [{"addresses": [{"value": "1"}] * 201}, {"addresses": [{"value": "1", "scheme": "02251"}]}]
    for body in wrong:
        async with directed.client.post("/v1/addresses/checks", json=body, headers=key) as answer:
            assert answer.status == 400, body
    async with directed.client.post("/v1/addresses/checks", data=b"x", headers=key) as answer:
        assert answer.status == 415


async def checked(api: Api, key: dict[str, str], data: bytes, query: str = "") -> aiohttp.ClientResponse:
    """The answer to a customer file."""
    headers = {**key, "Content-Type": "text/csv"}
    return await api.client.post(f"/v1/addresses/checks{query}", data=data, headers=headers)


async def test_a_customer_file(directed: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await directed.key(await directed.account())
    data = b'Nom;SIRET\r\n"=1+1";10000039700024\r\nB;10000039700016\r\nC;\r\n'
    answer = await checked(directed, key, data, "?language=fr")
    assert (answer.status, answer.content_type, answer.headers["Rows-Left"]) == (200, "text/csv", "0")
    whole = await answer.read()
    rows = list(csv.DictReader(io.StringIO(whole.decode(), newline=""), delimiter=";"))
    assert [row["address_verdict"] for row in rows] == ["ended", "active", "no_address"]
    assert rows[0]["Nom"] == "'=1+1"
    assert rows[0]["nearest_active"] == OPEN
    assert rows[1]["says"] == "joignable"
    monkeypatch.setattr(addresses, "ROWS_LIMIT", 2)
    first = await checked(directed, key, data, "?language=fr")
    assert first.headers["Rows-Left"] == "1"
    second = await checked(directed, key, data, "?language=fr&after=2")
    assert second.headers["Rows-Left"] == "0"
    assert await first.read() + await second.read() == whole


async def test_a_customer_file_that_is_none(directed: Api) -> None:
    key = await directed.key(await directed.account())
    for data, query in (
        (b"", ""),
        (b"name\nA\n", ""),
        (b"name\nA\n", "?siren=nobody"),
        (b"siren\n1\n", "?after=-1"),
        (b"siren\n1\n", "?language=de"),
    ):
        assert (await checked(directed, key, data, query)).status == 400, (data, query)
    assert (await checked(directed, key, b"name\n812046373\n", "?siren=name")).status == 200
    assert len(customers.COLUMNS) == 9


async def test_a_verdict_with_the_address(directed: Api) -> None:
    account = await directed.account(french=True)
    key = await directed.key(account)
    headers = {**key, "Content-Type": "application/json"}
    for address, verdict, reached in (
        (OPEN, "valid", "active"),
        (CLOSED, "invalid", "ended"),
        ("100000462", "valid", "unanswered"),
    ):
        async with directed.client.post(
            "/v1/validations?address=check", data=invoice(address), headers=headers
        ) as answer:
            assert answer.status == 200
            told = await answer.json()
        assert (told["verdict"], told["address"]["verdict"]) == (verdict, reached), told["findings"]
        rules = {one["rule"] for one in told["findings"] if one["rule"].startswith("HOUSE-ADDRESS")}
        assert (
            rules
            == {
                "active": set(),
                "ended": {"HOUSE-ADDRESS-INACTIVE"},
                "unanswered": {"HOUSE-ADDRESS-UNCHECKED"},
            }[reached]
        )
        assert (verdict == "invalid") == any(
            layer["name"] == "directory" and layer["verdict"] == "failed" for layer in told["layers"]
        )
    async with directed.client.post("/v1/validations", data=invoice(CLOSED), headers=headers) as answer:
        told = await answer.json()
    assert (told["verdict"], "address" in told) == ("valid", False)
    async with directed.client.post("/v1/validations?address=yes", data=invoice(CLOSED), headers=headers) as answer:
        assert answer.status == 400


async def test_without_a_directory_that_is_said(api: Api) -> None:
    key = await api.key(await api.account())
    async with api.client.get("/v1/addresses/812046373", headers=key) as answer:
        told = await answer.json()
    assert (told["verdict"], told["finding"]) == ("unasked", None)


async def test_a_delivery_takes_no_number_where_nobody_receives(directed: Api) -> None:
    account = await directed.account()
    key = await directed.key(account)

    async def ordered(siren: bytes) -> str:
        made = await hand_in(directed, key, sample(ORDER).replace(b"100000207", siren))
        assert made.status == 201, await made.text()
        address: str = (await made.json())["links"]["self"]
        return address

    lost = await ordered(b"100000439")
    answer = await deliver(directed, key, lost, call(("10", "1")))
    told = await answer.json()
    assert (answer.status, rules(told)) == (
        422,
        {("HOUSE-ADDRESS-INACTIVE", "/invoice/buyer/endpoint/value")},
    ), told
    assert (await shown(directed, key, lost))["deliveries"] == []
    waits = await ordered(b"100000462")
    answer = await deliver(directed, key, waits, call(("10", "1")))
    told = await answer.json()
    assert answer.status == 201, told
    assert [one["rule"] for one in told["remarks"] if one["rule"].startswith("HOUSE-ADDRESS")] == [
        "HOUSE-ADDRESS-UNCHECKED"
    ]


async def test_a_document_tells_its_route_in_both_languages(directed: Api) -> None:
    key = await directed.key(await directed.account())
    headers = {**key, "Content-Type": "application/json"}
    async with directed.client.post("/v1/documents", data=invoice(OPEN), headers=headers) as answer:
        address = answer.headers["Location"]
    await directed.worker.drain()
    whole = await answered(await directed.client.get(address, headers=key), 200, "Document")
    route = whole["route"]
    assert (route["network"], route["rule"], route["rule_by"]) == ("folder", "B2B", "directory")
    assert route["says"]["en"].startswith("Invoice between businesses in France (B2B)")
    assert route["says"]["fr"].startswith("Facture entre entreprises en France (B2B)")
    assert (route["directory"]["verdict"], route["directory"]["stale"]) == ("active", False)
    assert any(stage.get("reason") == route["says"]["en"] for stage in whole["stages"])


@pytest.mark.parametrize(
    ("country", "vat", "bar", "rule", "says"),
    [
        ("DE", "DE123456789", "", "B2BInt", "l'acheteur est une entreprise à l'étranger (DE)"),
        ("FR", "", "", "B2C", "l'acheteur n'a pas de SIREN : un consommateur"),
        ("DE", "", "", "B2C", "l'acheteur n'a pas de SIREN : un consommateur"),
        ("FR", "", "OUTOFSCOPE", "OutOfScope", "la facture le dit (note BAR)"),
    ],
    ids=["foreign business", "consumer", "foreign consumer", "out of scope"],
)
async def test_who_is_not_in_the_directory_has_a_regime_and_a_sentence_too(
    directed: Api, country: str, vat: str, bar: str, rule: str, says: str
) -> None:
    key = await directed.key(await directed.account())
    members = json.loads(invoice("812046373"))
    buyer = members["buyer"]
    del buyer["legal_id"]
    buyer["endpoint"], buyer["vat_id"] = {"scheme": "EM", "value": "a@b.example"}, vat
    if not vat:
        del buyer["vat_id"]
    buyer["address"]["country"] = country
    members["notes"] = [note for note in members["notes"] if note["subject"] != "BAR"]
    members["notes"] += [{"subject": "BAR", "text": bar}] if bar else []
    headers = {**key, "Content-Type": "application/json"}
    async with directed.client.post("/v1/documents", data=json.dumps(members).encode(), headers=headers) as answer:
        address = answer.headers["Location"]
    await directed.worker.drain()
    whole = await answered(await directed.client.get(address, headers=key), 200, "Document")
    assert whole["route"] is not None, whole["halted"]
    assert (whole["route"]["rule"], whole["route"]["scheme"]) == (rule, "EM")
    assert says in whole["route"]["says"]["fr"]
    assert whole["route"]["says"]["fr"].endswith("son adresse électronique est un courriel")
    assert whole["route"]["directory"] == {"verdict": "outside"}
