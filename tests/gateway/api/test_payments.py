"""Payments over HTTP: kept once, in the document's currency, and they settle it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.api.conftest import Api, answered, numbered, problem, small

PAYMENT = {"amount": "10.00", "currency": "EUR", "paid_on": "2026-11-24", "reference": "VIR 42"}


async def walked(api: Api, key: dict[str, str]) -> str:
    """The address of a document that was accepted."""
    location = (await api.submit(key, numbered("PAID-1"), "application/json")).headers["Location"]
    await api.worker.drain()
    return location


async def test_a_payment_is_kept_once(api: Api) -> None:
    key = await api.key(await api.account())
    location = await walked(api, key)
    named = {**key, "Idempotency-Key": "p1"}
    first = await api.client.post(f"{location}/payments", json=PAYMENT, headers=named)
    kept = await answered(first, 201, "Payment")
    assert kept["amount"] == "10.00"
    again = await api.client.post(f"{location}/payments", json=PAYMENT, headers=named)
    assert await answered(again, 201) == kept
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await api.client.post(f"{location}/payments", json={**PAYMENT, "amount": "11.00"}, headers=named)
    await problem(other, 422, "key-reused")
    for _ in range(2):
        await answered(await api.client.post(f"{location}/payments", json=PAYMENT, headers=key), 201)
    listed = await answered(await api.client.get(f"{location}/payments", headers=key), 200)
    assert len(listed["payments"]) == 3
    shown = await answered(await api.client.get(location, headers=key), 200, "Document")
    assert shown["payments"] == listed["payments"]


@pytest.mark.parametrize("own", ["bank:1:0:2", "notice:stripe:1"])
async def test_the_keys_of_banks_and_providers_are_nobody_elses(api: Api, own: str) -> None:
    """Else a payment could stand in the place of one that a statement tells of later."""
    key = await api.key(await api.account())
    location = await walked(api, key)
    headers = {**key, "Idempotency-Key": own}
    await problem(await api.client.post(f"{location}/payments", json=PAYMENT, headers=headers), 400, "malformed")


async def test_a_payment_is_in_the_currency_of_its_document(api: Api) -> None:
    key = await api.key(await api.account())
    location = await walked(api, key)
    refused = await problem(
        await api.client.post(f"{location}/payments", json={**PAYMENT, "currency": "USD"}, headers=key), 422, "rejected"
    )
    assert refused["findings"][0]["path"] == "/currency"
    assert refused["findings"][0]["expected"] == "EUR"


async def test_nothing_is_owed_on_what_was_not_accepted(api: Api) -> None:
    key = await api.key(await api.account())
    location = (await api.submit(key, small("a"))).headers["Location"]
    await problem(await api.client.post(f"{location}/payments", json=PAYMENT, headers=key), 409, "conflict")


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"amount": "0"}, ["/amount"]),
        ({"amount": "1.001"}, ["/amount"]),
        ({"amount": "1e3"}, ["/amount"]),
        ({"amount": True}, ["/amount"]),
        ({"amount": None, "currency": "euro"}, ["/amount", "/currency"]),
        ({"paid_on": "2026-02-30"}, ["/paid_on"]),
        ({"paid_on": "20260201"}, ["/paid_on"]),
        ({"reference": "x" * 141}, ["/reference"]),
        ({"Amount": "1"}, ["/Amount"]),
    ],
)
async def test_every_fault_is_told(api: Api, change: dict[str, Any], paths: list[str]) -> None:
    key = await api.key(await api.account())
    location = await walked(api, key)
    told = await problem(
        await api.client.post(f"{location}/payments", json={**PAYMENT, **change}, headers=key), 400, "malformed"
    )
    assert [finding["path"] for finding in told["findings"]] == paths


async def test_numbers_are_taken_exactly(api: Api) -> None:
    key = await api.key(await api.account())
    location = await walked(api, key)
    for written, amount in ((b"12", "12"), (b"12.10", "12.10"), (b'"-3.5"', "-3.5")):
        body = b'{"amount": ' + written + b', "currency": "EUR", "paid_on": "2026-11-24"}'
        headers = {**key, "Content-Type": "application/json"}
        kept = await answered(await api.client.post(f"{location}/payments", data=body, headers=headers), 201)
        assert kept["amount"] == amount
