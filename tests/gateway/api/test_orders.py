"""Orders over HTTP: kept once; what is delivered is invoiced in the same moment, never twice and never too much."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from adapters.port import Refused, Unreachable
from gateway.api import deliveries
from gateway.api.limits import LIMITS
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.lifecycle import WAITS, Role
from gateway.store import documents
from gateway.store.pool import Pool
from schemas import json_form
from schemas.invoice import Invoice
from tests.gateway.api.conftest import Api, answered, conforms, numbered, problem, sample, serving

ORDER = "order/order-x-comfort.xml"
PAYMENT = {"transfers": [{"account": "FR7630006000011234567890189"}]}
SAID = {"due_date": "2026-12-24", "payment": PAYMENT}
NOTES = [
    {"subject": "PMT", "text": "Indemnité forfaitaire de recouvrement : 40 €."},
    {"subject": "PMD", "text": "Pénalités de retard : taux de la BCE majoré de 10 points."},
    {"subject": "AAB", "text": "Pas d'escompte."},
    {"subject": "BAR", "text": "B2B"},
]


async def hand_in(api: Api, key: Mapping[str, str], data: bytes, kind: str = "xml", **headers: str) -> Any:
    named = {**key, "Content-Type": f"application/{kind}", **{n.replace("_", "-"): v for n, v in headers.items()}}
    return await api.client.post("/v1/orders", data=data, headers=named)


async def kept(api: Api, key: Mapping[str, str], name: str = ORDER) -> str:
    """The address of a sample order that is kept."""
    kind = "json" if name.endswith("json") else "xml"
    shape = await answered(await hand_in(api, key, sample(name), kind), 201, "OrderWhole")
    address: str = shape["links"]["self"]
    return address


def call(*lines: tuple[str, str], note: str = "", said: Mapping[str, Any] = SAID, **more: Any) -> dict[str, Any]:
    body = {"date": "2026-11-23", "invoice": dict(said), **more}
    if note:
        body["despatch_advice"] = note
    if lines:
        body["lines"] = [{"line": line, "quantity": quantity} for line, quantity in lines]
    return body


async def deliver(api: Api, key: Mapping[str, str], order: str, body: Any, **headers: str) -> aiohttp.ClientResponse:
    named = {**key, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await api.client.post(f"{order}/deliveries", json=body, headers=named)


async def shown(api: Api, key: Mapping[str, str], address: str, schema: str | None = None) -> dict[str, Any]:
    return await answered(await api.client.get(address, headers=key), 200, schema)


async def invoice_of(api: Api, key: Mapping[str, str], delivery: Mapping[str, Any]) -> Invoice:
    """The invoice of a delivery as it was submitted to the line."""
    address = f"{delivery['links']['document']}/content?as=submission"
    return json_form.read(await (await api.client.get(address, headers=key)).read())


def rules(told: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(finding["rule"], finding.get("path", "")) for finding in told["findings"]}


async def count(api: Api, table: str) -> int:
    async with api.resources.pool.owner() as connection:
        number: int = await connection.fetchval(f"select count(*) from {table}")
        return number


# Orders ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "format_"),
    [
        ("order/order-x-basic.xml", "xml", "order-x"),
        ("order/order-x-comfort.xml", "xml", "order-x"),
        ("order/order-x-extended.xml", "xml", "order-x"),
        ("order/ubl-order.xml", "xml", "ubl-order"),
        ("order/order.json", "json", "json"),
    ],
)
async def test_an_order_is_kept_as_it_came(api: Api, name: str, kind: str, format_: str) -> None:
    key = await api.key(await api.account())
    made = await hand_in(api, key, sample(name), kind)
    whole = await answered(made, 201, "OrderWhole")
    assert made.headers["Location"] == whole["links"]["self"]
    assert (whole["format"], whole["state"], whole["version"]) == (format_, "open", 1)
    assert [line["remaining"] for line in whole["lines"]] == ["4", "120", "2.5"]
    assert whole["buyer"] == "100000207"
    assert await shown(api, key, whole["links"]["self"], "OrderWhole") == whole
    content = await api.client.get(whole["links"]["content"], headers=key)
    assert await content.read() == sample(name)
    assert content.content_type == f"application/{kind}"
    assert bool(whole["unknown"]) == name.endswith("extended.xml")


async def test_an_order_is_kept_once(api: Api) -> None:
    key = await api.key(await api.account())
    first = await answered(await hand_in(api, key, sample(ORDER), Idempotency_Key="o1"), 201)
    again = await hand_in(api, key, sample(ORDER), Idempotency_Key="o1")
    assert (await answered(again, 201))["id"] == first["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await hand_in(api, key, sample("order/ubl-order.xml"), Idempotency_Key="o1")
    await problem(other, 422, "key-reused")
    unkeyed = await hand_in(api, key, sample(ORDER))
    assert (await answered(unkeyed, 201))["id"] == first["id"]
    changed = sample(ORDER).replace(b">120<", b">121<")
    told = await problem(await hand_in(api, key, changed), 409, "conflict")
    assert first["id"] in told["detail"]
    assert "BC-2026-0418" in told["detail"]
    assert await count(api, "purchase_order") == 1


@pytest.mark.parametrize("lines", [[("10", "1")], []], ids=["in part", "whole"])
async def test_a_changed_order_takes_the_place_of_a_closed_one(api: Api, lines: list[tuple[str, str]]) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    await answered(await deliver(api, key, order, call(*lines)), 201)
    changed = sample(ORDER).replace(b">120<", b">121<")
    await problem(await hand_in(api, key, changed), 409, "conflict")
    closed = await answered(await api.client.post(f"{order}/close", headers=key), 200, "OrderWhole")
    assert closed["state"] == "closed"
    again = await hand_in(api, key, sample(ORDER))
    assert (await answered(again, 201))["links"]["self"] == order
    assert again.headers["Idempotent-Replayed"] == "true"
    made = await hand_in(api, key, changed)
    whole = await answered(made, 201, "OrderWhole")
    assert "Idempotent-Replayed" not in made.headers
    assert (whole["state"], whole["lines"][1]["remaining"]) == ("open", "121")
    assert len((await shown(api, key, "/v1/orders?number=BC-2026-0418"))["orders"]) == 2


async def test_many_at_once_keep_one_order(api: Api) -> None:
    key = await api.key(await api.account())
    answers = await asyncio.gather(*(hand_in(api, key, sample(ORDER)) for _ in range(8)))
    assert len({(await answered(answer, 201))["id"] for answer in answers}) == 1
    assert await count(api, "purchase_order") == 1


async def test_what_is_no_order_is_refused_with_all_that_is_wrong(api: Api) -> None:
    key = await api.key(await api.account())
    response = sample(ORDER).replace(b"<ram:TypeCode>220<", b"<ram:TypeCode>231<").replace(b">120<", b">0<")
    told = await problem(await hand_in(api, key, response), 422, "rejected")
    assert rules(told) == {("ORDER-TYPE", "/type_code"), ("ORDER-QUANTITY", "/lines/1/quantity")}
    members = json.loads(sample("order/order.json"))
    members["lines"][0]["qantity"] = members["lines"][0].pop("quantity")
    told = await problem(await hand_in(api, key, json.dumps(members).encode(), "json"), 400, "malformed")
    assert told["findings"][0]["path"] == "/lines/0/qantity"
    assert told["findings"][0]["fix"] == "Did you mean quantity?"
    await problem(await hand_in(api, key, sample("cii/invoice-simple.xml")), 415, "unknown-format")
    await problem(await hand_in(api, key, b""), 400, "malformed")
    await problem(await hand_in(api, key, b"x", "zip"), 415, "unknown-format")
    assert await count(api, "purchase_order") == 0


async def test_amounts_that_do_not_agree_are_remarked(api: Api) -> None:
    key = await api.key(await api.account())
    data = sample(ORDER).replace(b">5160.00<", b">5150.00<").replace(b">8635.11<", b">8600.00<")
    whole = await answered(await hand_in(api, key, data), 201, "OrderWhole")
    assert {(one["path"], one["found"], one["expected"]) for one in whole["remarks"]} == {
        ("/lines/0/net_amount", "5150.00", "5160.00"),
        ("/totals/with_vat", "8600.00", "8635.11"),
    }


def test_our_json_follows_the_published_schema() -> None:
    conforms(json.loads(sample("order/order.json")), "Order")
    conforms(call(("10", "1"), note="BL-1", vat={"category": "S", "rate": "20"}), "Dispatch")


async def test_a_list_of_orders_is_filtered_and_paged(api: Api) -> None:
    key = await api.key(await api.account())
    for name in ("order/order-x-basic.xml", "order/order-x-comfort.xml", "order/ubl-order.xml"):
        await kept(api, key, name)
    first = await shown(api, key, "/v1/orders?limit=2")
    second = await shown(api, key, f"/v1/orders?limit=2&cursor={first['cursor']}")
    assert second["cursor"] is None
    found = [one["number"] for one in (*first["orders"], *second["orders"])]
    assert sorted(found) == ["BC-2026-0417", "BC-2026-0418", "BC-2026-0420"]
    for one in first["orders"]:
        conforms(one, "OrderSummary")
    assert len((await shown(api, key, "/v1/orders?number=BC-2026-0418&state=open"))["orders"]) == 1
    assert (await shown(api, key, "/v1/orders?state=closed"))["orders"] == []
    assert len((await shown(api, key, "/v1/orders?buyer=100000207&participant=404833048"))["orders"]) == 3
    await problem(await api.client.get("/v1/orders?state=shut", headers=key), 400, "malformed")
    await problem(await api.client.get("/v1/orders?cursor=YWJj", headers=key), 400, "malformed")


async def test_orders_of_another_account_are_not_there(api: Api) -> None:
    mine, other = await api.key(await api.account()), await api.key(await api.account(number=1))
    order = await kept(api, mine)
    made = await answered(await deliver(api, mine, order, call(("10", "1"))), 201)
    delivery = made["links"]["self"].removeprefix(order)
    for method, path in (
        ("GET", ""),
        ("GET", "/content"),
        ("POST", "/close"),
        ("POST", "/deliveries"),
        ("GET", delivery),
        ("POST", f"{delivery}/corrections"),
    ):
        told = []
        for there in (order, f"/v1/orders/{uuid4()}", "/v1/orders/not-an-id"):
            body = {"json": call()} if method == "POST" and path != "/close" else {}
            answer = await api.client.request(method, there + path, headers=other, **body)
            shape = await problem(answer, 404, "not-found")
            told.append({name: value for name, value in shape.items() if name not in ("trace", "instance")})
        assert told[0] == told[1] == told[2]
    await problem(await api.client.get(f"{order}/deliveries/{uuid4()}", headers=mine), 404, "not-found")
    assert (await shown(api, other, "/v1/orders"))["orders"] == []


# Deliveries -----------------------------------------------------------------------------------------------------------


async def test_two_deliveries_make_two_invoices_that_add_up(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    first = await deliver(api, key, order, call(("10", "3"), ("20", "50"), note="BL-1"))
    one = await answered(first, 201, "OrderDelivery")
    assert first.headers["Location"] == one["links"]["self"]
    assert one["invoice"]["number"] == "F2026-000001"
    assert api.rung
    whole = await shown(api, key, order, "OrderWhole")
    assert [line["remaining"] for line in whole["lines"]] == ["1", "70", "2.5"]
    assert (whole["state"], whole["version"]) == ("open", 2)
    two = await answered(await deliver(api, key, order, call(note="BL-2")), 201, "OrderDelivery")
    assert two["lines"] == [
        {"line": "10", "quantity": "1"},
        {"line": "20", "quantity": "70"},
        {"line": "30", "quantity": "2.5"},
    ]
    whole = await shown(api, key, order, "OrderWhole")
    assert whole["state"] == "delivered"
    assert {line["remaining"] for line in whole["lines"]} == {"0"}
    assert [delivery["invoice"]["number"] for delivery in whole["deliveries"]] == ["F2026-000001", "F2026-000002"]
    await api.worker.drain()
    invoices = [await invoice_of(api, key, delivery) for delivery in (one, two)]
    for invoice, note in zip(invoices, ("BL-1", "BL-2"), strict=True):
        assert (invoice.purchase_order, invoice.despatch_advice) == ("BC-2026-0418", note)
        assert invoice.delivery is not None
        assert str(invoice.delivery.date) == "2026-11-23"
    assert sum(invoice.totals.with_vat or 0 for invoice in invoices) == Decimal("8635.11")
    assert sum(invoice.totals.allowances or 0 for invoice in invoices) == Decimal("100.00")
    for delivery in (one, two):
        document = await shown(api, key, delivery["links"]["document"], "Document")
        assert document["halted"] is None, document["halted"]
        assert document["stage"] == "delivered"
    events = await shown(api, key, f"{one['links']['document']}/events")
    assert events["events"][0]["facts"]["order"] == whole["id"]
    assert events["events"][0]["facts"]["delivery"] == one["id"]
    await problem(await deliver(api, key, order, call()), 422, "rejected")


async def test_the_same_key_gives_the_same_invoice(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    body = call(("10", "1"))
    answers = await asyncio.gather(*(deliver(api, key, order, body, Idempotency_Key="d1") for _ in range(6)))
    made = [await answered(answer, 201) for answer in answers]
    assert len({one["id"] for one in made}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 5
    assert await count(api, "document") == await count(api, "order_delivery") == 1
    other = await deliver(api, key, order, call(("10", "2")), Idempotency_Key="d1")
    await problem(other, 422, "key-reused")
    refused = await deliver(api, key, order, call(("10", "9")), Idempotency_Key="d2")
    await problem(refused, 422, "rejected")
    await answered(await deliver(api, key, order, call(("10", "2")), Idempotency_Key="d2"), 201)


async def test_never_more_is_invoiced_than_was_ordered_whoever_delivers(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    answers = await asyncio.gather(*(deliver(api, key, order, call(("10", "1"))) for _ in range(12)))
    done = [await answered(answer, 201) for answer in answers if answer.status == 201]
    assert len(done) == 4
    for answer in answers:
        if answer.status != 201:
            told = await problem(answer, 422, "rejected")
            assert {rule for rule, _ in rules(told)} <= {"DELIVERY-OVER", "DELIVERY-NOTHING"}
    assert sorted(one["invoice"]["number"] for one in done) == [f"F2026-{count:06}" for count in range(1, 5)]
    assert sorted(one["seq"] for one in done) == [1, 2, 3, 4]
    assert await count(api, "document") == 4
    whole = await shown(api, key, order)
    assert whole["lines"][0]["remaining"] == "0"
    shares = [(await invoice_of(api, key, one)).totals.allowances or Decimal(0) for one in done]
    assert sum(shares) <= Decimal(100)


async def test_more_than_remains_is_refused_unless_the_call_allows_it(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    told = await problem(await deliver(api, key, order, call(("10", "5"))), 422, "rejected")
    assert rules(told) == {("DELIVERY-OVER", "/lines/0/quantity")}
    assert told["findings"][0]["expected"] == "at most 4"
    assert await count(api, "order_delivery") == 0
    made = await answered(await deliver(api, key, order, call(("10", "5"), allow_over_delivery=True)), 201)
    assert [remark["rule"] for remark in made["remarks"] if remark["layer"] == "delivery"] == ["DELIVERY-OVER"]
    assert (await shown(api, key, order))["lines"][0]["remaining"] == "0"


async def test_what_the_invoice_lacks_is_told_at_once_and_may_come_with_the_call(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key, "order/order-x-basic.xml")
    told = await problem(await deliver(api, key, order, {"date": "2026-11-23"}), 422, "rejected")
    assert rules(told) >= {
        ("DELIVERY-MISSING", "/invoice/lines/0/vat"),
        ("DELIVERY-MISSING", "/invoice/lines/2/vat"),
        ("DELIVERY-MISSING", "/invoice/due_date"),
    }
    assert told["invoice"]["lines"][0]["order_line"] == "1"
    assert {term for finding in told["findings"] for term in finding["terms"]} >= {"BT-151", "BT-9"}
    assert await count(api, "document") == await count(api, "order_delivery") == 0
    body = call(vat={"category": "S", "rate": "20"}, said={"due_date": "2026-12-24"})
    body["lines"] = [{"line": "1"}, {"line": "2", "vat": {"category": "S", "rate": "5.5"}}, {"line": "3"}]
    made = await answered(await deliver(api, key, order, body), 201, "OrderDelivery")
    invoice = await invoice_of(api, key, made)
    assert [line.vat.rate for line in invoice.lines] == [Decimal(20), Decimal("5.5"), Decimal(20)]


async def test_the_rules_are_asked_before_anything_is_recorded(api: Api) -> None:
    key = await api.key(await api.account(french=True))
    order = await kept(api, key)
    told = await problem(await deliver(api, key, order, call(("10", "1"))), 422, "rejected")
    assert any(finding["rule"].startswith("BR-FR-05") for finding in told["findings"])
    assert {layer["name"] for layer in told["checked"]} >= {"xsd", "br-fr"}
    assert await count(api, "order_delivery") == 0
    assert await count(api, "invoice_series") == 0
    made = await answered(await deliver(api, key, order, call(("10", "1"), said={**SAID, "notes": NOTES})), 201)
    await api.worker.drain()
    assert (await shown(api, key, made["links"]["self"]))["invoice"]["stage"] == "delivered"


async def test_a_call_that_says_half_of_a_group_is_told_so_beside_what_the_rules_say(api: Api) -> None:
    key = await api.key(await api.account(french=True))
    order = await kept(api, key, "order/order-x-basic.xml")
    body = call(vat={"category": "S", "rate": "20"})  # transfers without their means (BT-81)
    told = await problem(await deliver(api, key, order, body), 422, "rejected")
    found = {finding["rule"]: finding for finding in told["findings"]}
    assert found["JSON-MISSING"]["path"] == "/invoice/payment/means_code"
    assert any(rule.startswith("BR-FR-05") for rule in found) or "XSD" in found
    assert told["errorCode"] == "Rejected"


@pytest.mark.parametrize(
    ("body", "status", "name", "path"),
    [
        ({"date": "23/11/2026"}, 400, "malformed", "/date"),
        ({"dat": "2026-11-23"}, 400, "malformed", "/dat"),
        ({"date": "2026-11-23", "lines": [{"line": "10", "quantity": "many"}]}, 400, "malformed", "/lines/0/quantity"),
        ({"date": "2026-11-23", "lines": [{"line": "99"}]}, 422, "rejected", "/lines/0/line"),
        ({"date": "2026-11-23", "lines": [{"line": "10", "quantity": 0}]}, 422, "rejected", "/lines/0/quantity"),
        ({"lines": [{"line": "10"}]}, 422, "rejected", "/date"),
        ({"date": "2026-11-23", "allow_over_delivery": "yes"}, 400, "malformed", "/allow_over_delivery"),
    ],
)
async def test_a_call_that_cannot_be_followed_changes_nothing(
    api: Api, body: Any, status: int, name: str, path: str
) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    told = await problem(await deliver(api, key, order, body), status, name)
    assert path in {finding["path"] for finding in told["findings"]}
    assert await count(api, "order_delivery") == 0


async def test_a_call_counts_as_an_upload_until_it_is_issued(
    pool: Pool, compute: Compute, clock: SettableClock, tmp_path: Path
) -> None:
    async with serving(pool, compute, clock, tmp_path, uploads_at_once=1) as api:
        key = await api.key(await api.account())
        order = await kept(api, key)
        assert api.client.app is not None
        limits = api.client.app[LIMITS]
        async with deliveries.alone(UUID(order.rpartition("/")[2])):
            queued = asyncio.create_task(deliver(api, key, order, call(("10", "1"))))
            await asyncio.sleep(0.5)
            assert limits.held > 0
            await problem(await deliver(api, key, order, call(("10", "1"))), 429, "too-many")
        await answered(await queued, 201)
        assert limits.held == 0
        await answered(await deliver(api, key, order, call(("10", "1"))), 201)


async def test_a_despatch_advice_is_delivered_once(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    first = await answered(await deliver(api, key, order, call(("10", "1"), note="BL-1")), 201)
    told = await problem(await deliver(api, key, order, call(("10", "1"), note="BL-1")), 422, "rejected")
    assert rules(told) == {("DELIVERY-NOTE-USED", "/despatch_advice")}
    assert first["id"] in told["findings"][0]["fix"]


async def test_a_number_of_ones_own_and_the_series_beside_it(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    await answered(await deliver(api, key, order, call(("10", "1"))), 201)
    own = call(("10", "1"), said={**SAID, "number": "F2026-000002"})
    assert (await answered(await deliver(api, key, order, own), 201))["invoice"]["number"] == "F2026-000002"
    third = await answered(await deliver(api, key, order, call(("10", "1"))), 201)
    assert third["invoice"]["number"] == "F2026-000003"


async def test_each_legal_entity_has_a_series_of_its_own(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    added = await api.client.post(
        "/v1/account/participants", json={"siren": "732829320", "name": "Filiale"}, headers=key
    )
    assert added.status == 201, await added.text()
    for siren in ("404833048", "732829320"):
        named = {**key, "Organization-Id": siren}
        made = await answered(await hand_in(api, named, sample(ORDER)), 201)
        assert made["participant"] == siren
        delivered = await answered(await deliver(api, named, made["links"]["self"], call(("10", "1"))), 201)
        assert delivered["invoice"]["number"] == "F2026-000001"


async def test_a_closed_order_is_delivered_no_more(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    await answered(await deliver(api, key, order, call(("10", "1"))), 201)
    for _ in range(2):
        closed = await answered(await api.client.post(f"{order}/close", headers=key), 200, "OrderWhole")
        assert (closed["state"], closed["version"]) == ("closed", 3)
    assert {line["remaining"] for line in closed["lines"]} == {"0"}
    await problem(await deliver(api, key, order, call(("10", "1"))), 409, "conflict")


# Corrections ----------------------------------------------------------------------------------------------------------


async def test_a_refused_invoice_is_corrected_for_the_same_delivery(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    taken = json.loads(numbered("OWN-1"))
    taken["seller"] = json.loads(json.dumps((await shown(api, key, order))["order"]["seller"]))
    await api.submit(key, json.dumps(taken).encode(), "application/json")
    await api.worker.drain()
    body = call(("10", "3"), note="BL-1", said={**SAID, "number": "OWN-1"})
    made = await answered(await deliver(api, key, order, body), 201)
    await problem(await api.client.post(f"{made['links']['self']}/corrections", json={}, headers=key), 409, "conflict")
    await api.worker.drain()
    refused = await shown(api, key, made["links"]["self"], "OrderDelivery")
    assert refused["invoice"]["halted"] == "the invoice number is already used"
    assert (await shown(api, key, order))["lines"][0]["remaining"] == "1"
    correct = refused["links"]["correct"]
    many = {"lines": [{"line": "10"}, {"line": "20"}]}
    told = await problem(await api.client.post(correct, json=many, headers=key), 422, "rejected")
    assert rules(told) == {("DELIVERY-SAME", "/lines")}
    other = {"date": "2026-11-22", "despatch_advice": "BL-2", "lines": [{"line": "10", "quantity": "2"}]}
    told = await problem(await api.client.post(correct, json=other, headers=key), 422, "rejected")
    assert rules(told) == {("DELIVERY-SAME", f"/{path}") for path in ("date", "despatch_advice", "lines/0")}
    named = {**key, "Idempotency-Key": "c1"}
    mended = await api.client.post(correct, json={"invoice": {"number": "OWN-2"}}, headers=named)
    mended_shape = await answered(mended, 201, "OrderDelivery")
    assert mended_shape["invoice"]["number"] == "OWN-2"
    assert [one["number"] for one in mended_shape["refused_before"]] == ["OWN-1"]
    again = await api.client.post(correct, json={"invoice": {"number": "OWN-2"}}, headers=named)
    assert (await answered(again, 201))["invoice"]["document"] == mended_shape["invoice"]["document"]
    await api.worker.drain()
    found = await shown(api, key, made["links"]["self"])
    assert (found["invoice"]["stage"], found["invoice"]["halted"]) == ("delivered", None)
    invoice = await invoice_of(api, key, found)
    assert (invoice.despatch_advice, invoice.lines[0].quantity) == ("BL-1", Decimal(3))
    assert str(invoice.due_date) == "2026-12-24"
    whole = await shown(api, key, order, "OrderWhole")
    assert whole["lines"][0]["remaining"] == "1"
    assert len(whole["deliveries"]) == 1


async def test_a_number_that_never_left_serves_the_correction(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    network: Any = api.resources.networks.all[0]
    found, network.find = network.find, _nobody
    made = await answered(await deliver(api, key, order, call(("10", "1"))), 201)
    await api.worker.drain()
    network.find = found
    refused = await shown(api, key, made["links"]["self"])
    assert refused["invoice"]["halted"] is not None
    next_one = await answered(await deliver(api, key, order, call(("10", "1"))), 201)
    assert next_one["invoice"]["number"] == "F2026-000002"
    endpoint = {"invoice": {"buyer": {"endpoint": {"value": "100000363", "scheme": "0225"}}}}
    mended = await answered(await api.client.post(refused["links"]["correct"], json=endpoint, headers=key), 201)
    assert mended["invoice"]["number"] == "F2026-000001"
    await api.worker.drain()
    assert (await shown(api, key, made["links"]["self"]))["invoice"]["stage"] == "delivered"
    invoice = await invoice_of(api, key, mended)
    assert invoice.buyer.endpoint is not None
    assert invoice.buyer.endpoint.value == "100000363"
    assert invoice.buyer.name == "Halles Comptabilité"


@pytest.mark.parametrize("unknown", [True, False])
async def test_an_invoice_that_a_network_may_hold_is_not_corrected(
    api: Api, clock: SettableClock, unknown: bool
) -> None:
    """Three days of attempts without an answer: another invoice might be the second one for the same goods."""

    async def away(consignment: object) -> None:
        raise Unreachable("no answer", unknown=unknown)

    key = await api.key(await api.account())
    order = await kept(api, key)
    network: Any = api.resources.networks.all[0]
    network.send = away
    made = await answered(await deliver(api, key, order, call(("10", "1"))), 201)
    for seconds in (0, *WAITS):  # each wait may be a fifth longer than it is said
        clock.advance(timedelta(seconds=seconds * 1.25))
        await api.worker.drain()
    ended = await shown(api, key, made["links"]["self"], "OrderDelivery")
    assert ended["invoice"]["halted"] == "the network could not be reached for three days"
    assert "correct" not in ended["links"]
    told = await problem(
        await api.client.post(f"{made['links']['self']}/corrections", json={}, headers=key), 409, "conflict"
    )
    assert "three days" in told["detail"]
    assert made["invoice"]["document"] in told["detail"]
    assert await count(api, "order_invoice") == 1


async def test_what_the_network_refuses_is_corrected_under_another_number(api: Api) -> None:
    async def no(consignment: object) -> None:
        raise Refused("not like this")

    key = await api.key(await api.account())
    order = await kept(api, key)
    network: Any = api.resources.networks.all[0]
    send, network.send = network.send, no
    made = await answered(await deliver(api, key, order, call(("10", "1"))), 201)
    await api.worker.drain()
    network.send = send
    refused = await shown(api, key, made["links"]["self"])
    assert refused["invoice"]["halted"] == "refused by the network: not like this"
    mended = await answered(await api.client.post(refused["links"]["correct"], json={}, headers=key), 201)
    assert mended["invoice"]["number"] == "F2026-000002"


async def _nobody(address: object) -> None:
    """No route to anybody."""


async def test_who_waits_is_told_what_the_line_says(api: Api) -> None:
    key = await api.key(await api.account())
    order = await kept(api, key)
    waiting = asyncio.create_task(deliver(api, key, order, call(("10", "1")), Prefer="wait=20"))
    while not waiting.done():
        await api.worker.drain()
        await asyncio.sleep(0.01)
    answer = await waiting
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert (await answered(answer, 201))["invoice"]["stage"] in ("archived", "routed", "delivered")


async def test_the_audit_is_content_with_what_orders_leave(api: Api) -> None:
    from gateway.audit import audit

    account = await api.account()
    key = await api.key(account)
    order = await kept(api, key)
    made = await answered(await deliver(api, key, order, call()), 201)
    await api.worker.drain()
    (found,) = await audit(api.resources.pool)
    assert found.complaints == ()
    async with api.resources.pool.account(account.id) as connection:
        document = await documents.get(connection, made["invoice"]["document"])
    assert document.content(Role.SUBMISSION) is not None
