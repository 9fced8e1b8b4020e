"""Statuses over HTTP: said once, refused with every reason and a way out, told in order with who said them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.lifecycle import Stage
from tests.gateway.api.conftest import Api, answered, numbered, problem, sample, small
from tests.line.conftest import demo_invoices

BUYER = "732829320"


async def came_in(api: Api, number: str = "CAME-1") -> tuple[dict[str, str], str]:
    """The key of an account, and the address of an invoice that came for it."""
    key = await api.key(await api.account(number=1, french=True))
    buyer = demo_invoices.buyer_that_accepts()
    buyer["legal_id"]["value"] = buyer["endpoint"]["value"] = BUYER
    data = demo_invoices.written(demo_invoices.invoice(number, buyer), "cii")
    answer = await api.client.post("/v1/inbound", data=data, headers={**key, "Content-Type": "application/xml"})
    location = answer.headers["Location"]
    await api.worker.drain()
    return key, location


async def issued(api: Api) -> tuple[dict[str, str], str]:
    """The key of an account, and the address of an invoice that it has issued."""
    key = await api.key(await api.account())
    location = (await api.submit(key, numbered("SAID-1"), "application/json")).headers["Location"]
    await api.worker.drain()
    return key, location


async def test_a_status_is_said_once_and_told_in_order(api: Api) -> None:
    key, location = await came_in(api)
    dispute = {
        "status": "207",
        "reasons": [{"code": "QTE_ERR", "action": "CNP"}],
        "comment": "Dix unités facturées,\nhuit livrées.",
    }
    named = {**key, "Idempotency-Key": "d1"}
    first = await api.client.post(f"{location}/statuses", json=dispute, headers=named)
    message = await answered(first, 202, "DocumentSummary")
    assert (message["format"], message["direction"]) == ("cdar", "outbound")
    assert f"/v1/documents/{message['about']}" == location
    again = await api.client.post(f"{location}/statuses", json=dispute, headers=named)
    assert (await answered(again, 202))["id"] == message["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await api.client.post(f"{location}/statuses", json={"status": "approved"}, headers=named)
    await problem(other, 422, "key-reused")

    await answered(await api.client.post(f"{location}/statuses", json={"status": "approved"}, headers=key), 202)
    await api.worker.drain()
    told = await answered(await api.client.get(f"{location}/statuses", headers=key), 200)
    assert told["status"] == "approved"
    disputed, approved = told["statuses"]
    assert [disputed["code"], approved["code"]] == ["207", "205"]
    assert disputed["label"] == {"fr": "En litige", "en": "Disputed"}
    assert disputed["issuer"]["role"] == "BY"
    assert disputed["source"] == "account"
    (reason,) = disputed["reasons"]
    assert (reason["comment"], reason["action"]) == ("Dix unités facturées,\nhuit livrées.", "CNP")
    assert reason["label"]["en"] == "Wrong quantity invoiced"
    assert disputed["message"]["id"] == message["id"]
    assert disputed["message"]["stage"] == str(Stage.DELIVERED)
    assert disputed["message"]["waits_for"] == "the network has not said yet that it took the message"

    listed = await answered(await api.client.get("/v1/documents", headers=key), 200)
    assert [one["format"] for one in listed["documents"]] == ["cii"], "a list of documents shows invoices"
    about = await answered(await api.client.get(f"/v1/documents?about={message['about']}", headers=key), 200)
    assert len(about["documents"]) == 2
    shown = await answered(await api.client.get(f"/v1/documents/{message['id']}", headers=key), 200, "Document")
    assert shown["deliveries"][0]["network"] == "folder"


@pytest.mark.parametrize(
    ("body", "rules"),
    [
        ({"status": "refused"}, ["HOUSE-STATUS-REASON", "HOUSE-STATUS-COMMENT"]),
        ({"status": "refused", "comment": "non", "reasons": [{"code": "QTE_ERR"}]}, ["HOUSE-STATUS-REASON"]),
        ({"status": "209"}, ["HOUSE-STATUS-SPEAKER", "HOUSE-STATUS-STATE"]),
        ({"status": "206", "reasons": [{"code": "ART_ERR"}], "action": "ABC"}, ["HOUSE-STATUS-ACTION"]),
        (
            {"status": "211", "amounts": [{"amount": "1", "currency": "USD", "kind": "XYZ"}]},
            ["HOUSE-STATUS-AMOUNT", "HOUSE-STATUS-AMOUNT"],
        ),
    ],
)
async def test_what_may_not_be_said_tells_why_and_what_to_do(api: Api, body: dict[str, Any], rules: list[str]) -> None:
    key, location = await came_in(api)
    told = await problem(await api.client.post(f"{location}/statuses", json=body, headers=key), 422, "rejected")
    assert [finding["rule"] for finding in told["findings"]] == rules
    assert all(finding["says"] for finding in told["findings"])
    listed = await answered(await api.client.get(f"{location}/statuses", headers=key), 200)
    assert listed["statuses"] == []


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, ["/status"]),
        ({"status": "299"}, ["/status"]),
        ({"status": "unknown"}, ["/status"]),
        ({"status": "207", "reasons": "QTE_ERR"}, ["/reasons"]),
        ({"status": "207", "reasons": [{"code": ""}, {}]}, ["/reasons/0/code", "/reasons/1/code"]),
        ({"status": "207", "reasons": [{"code": "AUTRE", "kode": "A"}]}, ["/reasons/0/kode"]),
        ({"status": "212", "amounts": [{"amount": "1.001", "rate": "x"}]}, ["/amounts/0/amount", "/amounts/0/rate"]),
        ({"status": "207", "amounts": [{"amount": 1}]}, ["/amounts/0/kind"]),
        ({"status": "205", "comment": "a\u0007b", "more": 1}, ["/more", "/comment"]),
    ],
)
async def test_every_fault_of_the_body_is_told(api: Api, body: dict[str, Any], paths: list[str]) -> None:
    key, location = await came_in(api)
    told = await problem(await api.client.post(f"{location}/statuses", json=body, headers=key), 400, "malformed")
    assert [finding["path"] for finding in told["findings"]] == paths


async def test_the_seller_says_what_was_paid_by_rate(api: Api) -> None:
    key, location = await issued(api)
    wrong = {"status": "paid", "amounts": [{"amount": "1.00", "rate": "7.3"}]}
    told = await problem(await api.client.post(f"{location}/statuses", json=wrong, headers=key), 422, "rejected")
    assert told["findings"][0]["path"] == "/amounts/0/rate"
    more = {"status": "paid", "amounts": [{"amount": "999999.00", "rate": "20"}]}
    await problem(await api.client.post(f"{location}/statuses", json=more, headers=key), 422, "rejected")
    paid = {"status": "paid", "amounts": [{"amount": "1.20", "rate": "20.0", "paid_on": "2026-11-20"}]}
    await answered(await api.client.post(f"{location}/statuses", json=paid, headers=key), 202)
    (said,) = (await answered(await api.client.get(f"{location}/statuses", headers=key), 200))["statuses"]
    assert said["amounts"] == [
        {"kind": "MEN", "amount": "1.20", "currency": "EUR", "rate": "20.0", "paid_on": "2026-11-20", "term": None}
    ]


async def test_nothing_is_said_of_what_was_not_handed_over_or_is_no_invoice(api: Api) -> None:
    key = await api.key(await api.account())
    location = (await api.submit(key, small("a"))).headers["Location"]
    told = await problem(
        await api.client.post(f"{location}/statuses", json={"status": "220"}, headers=key), 422, "rejected"
    )
    assert {finding["rule"] for finding in told["findings"]} == {"HOUSE-STATUS-DOCUMENT", "HOUSE-STATUS-STATE"}
    other, there = await came_in(api)
    said = await api.client.post(f"{there}/statuses", json={"status": "204"}, headers=other)
    message = said.headers["Location"]
    await api.worker.drain()
    of_message = await api.client.post(f"{message}/statuses", json={"status": "204"}, headers=other)
    assert "HOUSE-STATUS-DOCUMENT" in [one["rule"] for one in (await problem(of_message, 422, "rejected"))["findings"]]
    await problem(await api.client.get(f"{there}/statuses", headers=key), 404, "not-found")
    await problem(await api.client.post(f"{there}/statuses", json={"status": "205"}, headers=key), 404, "not-found")


async def test_a_status_message_is_no_submission(api: Api) -> None:
    key = await api.key(await api.account())
    await problem(await api.submit(key, sample("cdar/approved.xml")), 415, "unknown-format")
