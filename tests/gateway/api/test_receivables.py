"""What is owed and what is reminded of, over HTTP."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID
from zipfile import ZipFile

import pytest

from adapters.mail import Correspondence, Settings
from gateway import reminding
from tests.gateway.api.conftest import Api, answered, conforms, problem
from tests.gateway.sold import Sale, paid, sold

STEP = {"name": "first", "day": 3, "tone": "friendly"}
LATE = Sale("F-1", due=date(2026, 11, 10))


async def ground(api: Api, *sales: Sale) -> tuple[dict[str, str], UUID, list[UUID]]:
    """A key, its account and what it sold."""
    account = await api.account()
    now = api.resources.clock.now()
    ids = [await sold(api.resources.pool, account.id, sale, now, delivered=True) for sale in sales]
    return await api.key(account), account.id, ids


async def test_what_is_owed_page_by_page(api: Api) -> None:
    sales = [Sale(f"F-{n}", due=date(2026, 11, 20 + n)) for n in range(5)]
    key, account_id, ids = await ground(api, *sales)
    await paid(api.resources.pool, account_id, ids[0], "150.00", api.resources.clock.now())
    found, cursor = [], ""
    while cursor is not None:
        address = f"/v1/receivables?limit=2{f'&cursor={cursor}' if cursor else ''}"
        page = await answered(await api.client.get(address, headers=key), 200)
        found += page["receivables"]
        cursor = page["cursor"]
    for one in found:
        conforms(one, "Receivable")
    assert [(one["number"], one["state"], one["balance"]) for one in found] == [
        ("F-0", "overpaid", "-30.00"), ("F-1", "overdue", "120.00"), ("F-2", "overdue", "120.00"),
        ("F-3", "overdue", "120.00"), ("F-4", "open", "120.00"),
    ]  # fmt: skip
    owed = await answered(await api.client.get("/v1/receivables?state=overdue", headers=key), 200)
    assert [one["days_late"] for one in owed["receivables"]] == [3, 2, 1]
    for wrong in ("state=late", "cursor=!", "cursor=WzFd", "currency=euro", "customer=", "what=1"):
        await problem(await api.client.get(f"/v1/receivables?{wrong}", headers=key), 400, "malformed")


async def test_nobody_sees_what_others_are_owed(api: Api) -> None:
    _, _, (document,) = await ground(api, LATE)
    other = await api.key(await api.account(number=1))
    assert (await answered(await api.client.get("/v1/receivables", headers=other), 200))["receivables"] == []
    await problem(await api.client.get(f"/v1/documents/{document}/receivable", headers=other), 404, "not-found")
    wish = {"amount": "1.00", "currency": "EUR", "reason": "goodwill"}
    gone = await api.client.post(f"/v1/documents/{document}/write-offs", json=wish, headers=other)
    await problem(gone, 404, "not-found")


async def test_the_table_is_safe_in_a_spreadsheet(api: Api) -> None:
    key, _, _ = await ground(api, Sale("=1+1", due=date(2026, 11, 10), buyer_name="=cmd|' /C calc'!A0"))
    text = await (await api.client.get("/v1/receivables.csv?decimal=comma", headers=key)).text()
    (line,) = csv.DictReader(io.StringIO(text), delimiter=";")
    assert line["number"] == "'=1+1"
    assert line["customer_name"].startswith("'=")
    assert line["balance"] == "120,00"
    assert line["days_late"] == "14"


async def test_something_is_given_up(api: Api) -> None:
    key, _, (document,) = await ground(api, LATE)
    wish = {"amount": "20.00", "currency": "EUR", "reason": "goodwill", "reference": "case-7"}
    address, named = f"/v1/documents/{document}/write-offs", {**key, "Idempotency-Key": "w1"}
    made = await answered(await api.client.post(address, json=wish, headers=named), 201, "Receivable")
    assert made["balance"] == "100.00"
    again = await api.client.post(address, json=wish, headers=named)
    assert again.headers["Idempotent-Replayed"] == "true"
    whole = await answered(
        await api.client.get(f"/v1/documents/{document}/receivable", headers=key), 200, "ReceivableWhole"
    )
    assert [one["reference"] for one in whole["write_offs"]] == ["case-7"]
    await problem(await api.client.post(address, json={**wish, "amount": "100.01"}, headers=key), 409, "conflict")
    for change in ({"amount": 1}, {"amount": "0"}, {"reason": "why"}, {"reference": "M. Dupont"}, {"currency": "€"}):
        await problem(await api.client.post(address, json={**wish, **change}, headers=key), 400, "malformed")


async def test_the_report_and_its_plot(api: Api) -> None:
    key, _, _ = await ground(api, LATE, Sale("F-2", "80.00"), Sale("U-1", "5.00", currency="USD"))
    report = await answered(await api.client.get("/v1/reports/receivables", headers=key), 200, "ReceivablesReport")
    euro = report["currencies"][0]
    assert (euro["owed"], euro["dso"]) == ("200.00", "90.0")
    assert {one["days"]: one["amount"] for one in euro["ages"]}["1_30"] == "120.00"
    plot = await api.client.get("/v1/reports/receivables.svg", headers=key)
    text = await plot.text()
    assert plot.content_type == "image/svg+xml"
    assert text.startswith("<svg")
    assert "EUR: 200 owed, 120 late, DSO 90.0 days" in text
    assert text.count("<rect") == 1 + 2 + 2 + 1 + 1
    customers = await answered(await api.client.get("/v1/customers", headers=key), 200)
    for one in customers["customers"]:
        conforms(one, "CustomerBalance")
    assert [one["currency"] for one in customers["customers"]] == ["EUR", "USD"]


async def test_reminders_over_http(api: Api) -> None:
    key, account_id, (document,) = await ground(
        api, Sale("F-1", due=date(2026, 11, 10), address=("EM", "a@example.org"))
    )
    seen = await answered(await api.client.get("/v1/reminders/preview?days=30", headers=key), 200)
    assert not seen["on"]
    for one in seen["planned"]:
        conforms(one, "PlannedReminder")
    assert [one["step"] for one in seen["planned"]][:2] == ["first", "second"]
    await reminding.look(api.resources, account_id)
    assert (await answered(await api.client.get("/v1/reminders", headers=key), 200))["reminders"] == []
    on = await api.client.put("/v1/reminders/settings", json={"on": True}, headers=key)
    await answered(on, 200, "ReminderSettings")
    await answered(await api.client.get("/v1/reminders/settings", headers=key), 200, "ReminderSettings")
    mail = Settings("127.0.0.1", 1, "factures@example.com", tls="none")  # nothing is sent here
    messenger = Correspondence(mail, api.resources.clock.now)
    await reminding.look(replace(api.resources, messenger=messenger), account_id)
    (one,) = (await answered(await api.client.get("/v1/reminders", headers=key), 200))["reminders"]
    conforms(one, "Reminder")
    assert one["letter"]["state"] == "waiting"
    letter = await answered(
        await api.client.get(f"/v1/reminders/letters/{one['letter']['id']}", headers=key), 200, "LetterWhole"
    )
    assert letter["to"] == "a@example.org"
    assert letter["documents"] == [str(document)]
    of = await answered(await api.client.get(f"/v1/documents/{document}/reminders", headers=key), 200)
    assert of["reminders"] == [one]
    events = await answered(await api.client.get(f"/v1/documents/{document}/events", headers=key), 200)
    assert events["events"][-1]["outcome"] == "reminder"
    other = await api.key(await api.account(number=1))
    gone = await api.client.get(f"/v1/reminders/letters/{one['letter']['id']}", headers=other)
    await problem(gone, 404, "not-found")


async def test_an_invoice_is_paused_and_resumed(api: Api) -> None:
    key, _, (document,) = await ground(api, LATE)
    address = f"/v1/documents/{document}/reminders/pause"
    assert (await api.client.put(address, json={"reason": "a call"}, headers=key)).status == 204
    await problem(await api.client.put(address, json={"reason": "a call"}, headers=key), 409, "conflict")
    seen = await answered(await api.client.get("/v1/reminders/preview", headers=key), 200)
    assert seen["planned"] == []
    assert (await api.client.delete(address, headers=key)).status == 204
    await problem(await api.client.delete(address, headers=key), 409, "conflict")
    await problem(await api.client.put(address, json={}, headers=key), 400, "malformed")


async def test_cases_over_http(api: Api) -> None:
    key, account_id, (document,) = await ground(api, LATE)
    await api.client.put("/v1/reminders/settings", json={"on": True}, headers=key)
    await reminding.look(api.resources, account_id)
    (case,) = (await answered(await api.client.get("/v1/reminder-cases", headers=key), 200))["cases"]
    conforms(case, "ReminderCase")
    assert (case["document"], case["kind"]) == (str(document), "contact")
    address = f"/v1/documents/{document}/reminders/cases/contact/close"
    assert (await api.client.post(address, headers=key)).status == 204
    await problem(await api.client.post(address, headers=key), 404, "not-found")


async def test_plans_over_http(api: Api) -> None:
    key, _, _ = await ground(api)
    found = (await answered(await api.client.get("/v1/plans", headers=key), 200))["plans"]
    for one in found:
        conforms(one, "ReminderPlan")
    assert not any(one["own"] for one in found)
    wish = {"steps": [STEP, {"name": "fee", "day": 10, "tone": "firm", "fee": "15.00"}], "threshold": "50"}
    conforms(wish, "ReminderPlanWish")
    kept = await answered(await api.client.put("/v1/plans/small", json=wish, headers=key), 200, "ReminderPlan")
    assert kept["own"]
    again = (await answered(await api.client.get("/v1/plans", headers=key), 200))["plans"]
    assert kept in again
    usual = await answered(await api.client.delete("/v1/plans/small", headers=key), 200, "ReminderPlan")
    assert not usual["own"]
    await problem(await api.client.put("/v1/plans/tiny", json=wish, headers=key), 404, "not-found")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"steps": []},
        {"steps": ["first"]},
        {"steps": [{**STEP, "day": 400}]},
        {"steps": [{**STEP, "tone": "rude"}]},
        {"steps": [{**STEP, "name": "First!"}]},
        {"steps": [{**STEP, "fee": "-1"}]},
        {"steps": [STEP, STEP]},
        {"steps": [STEP, {**STEP, "name": "second", "day": 1}]},
        {"steps": [{**STEP, "tone": "firm"}, {"name": "second", "day": 9, "tone": "due"}]},
        {"steps": [STEP], "opens": 18, "closes": 9},
        {"steps": [STEP], "channel": "fax"},
        {"steps": [STEP], "threshold": 5},
    ],
)
async def test_a_plan_that_makes_no_sense_is_refused(api: Api, wish: dict[str, Any]) -> None:
    key, _, _ = await ground(api)
    await problem(await api.client.put("/v1/plans/small", json=wish, headers=key), 400, "malformed")


async def test_customers_over_http(api: Api) -> None:
    key, _, _ = await ground(api, LATE)
    address = "/v1/customers/100000207/reminders"
    rule = await answered(await api.client.get(address, headers=key), 200, "CustomerReminders")
    assert rule["segment"] is None
    wish = {"segment": "strategic", "email": "ap@example.net", "language": "en", "country": "DE"}
    kept = await answered(await api.client.put(address, json=wish, headers=key), 200, "CustomerReminders")
    assert (kept["segment"], kept["email"]) == ("strategic", "ap@example.net")
    seen = await answered(await api.client.get("/v1/reminders/preview", headers=key), 200)
    assert {(one["segment"], one["to"]) for one in seen["planned"]} == {("strategic", "ap@example.net")}
    back = {name: kept[name] for name in (*wish, "paused")}
    assert json.loads(json.dumps(back))["paused"] is None
    await answered(await api.client.put(address, json=back, headers=key), 200, "CustomerReminders")
    for wrong in ({"segment": "big"}, {"email": "a@b\r\nBcc: c"}, {"country": "de"}, {"paused_until": "soon"}):
        await problem(await api.client.put(address, json=wrong, headers=key), 400, "malformed")


async def test_the_file_for_a_court(api: Api) -> None:
    key, _, (document,) = await ground(api, LATE)
    answer = await api.client.get("/v1/customers/100000207/litigation.zip", headers=key)
    assert answer.status == 200
    with ZipFile(io.BytesIO(await answer.read())) as packed:
        names = packed.namelist()
        assert any(str(document) in name and name.startswith("proofs/") for name in names)
        assert "F-1" in packed.read("owed.csv").decode()
    reads = await answered(await api.client.get("/v1/archive/reads", headers=key), 200)
    assert reads["reads"][0]["query"] == {"customer": "100000207", "file": "litigation"}
    other = await api.key(await api.account(number=1))
    nothing = await api.client.get("/v1/customers/100000207/litigation.zip", headers=other)
    with ZipFile(io.BytesIO(await nothing.read())) as packed:
        assert len(packed.read("owed.csv").decode().splitlines()) == 1
