"""Bank statements over HTTP: judged, imported once, and what they pay decided."""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from uuid import UUID

import aiohttp

from tests.gateway.api.conftest import Api, answered, conforms, problem
from tests.gateway.sold import Sale, sold
from tests.schemas.bank.written import IBAN, Move, camt, csv

DAY = date(2026, 11, 18)
MAPPING = {
    "booked_on": "Date", "amount": "Montant", "text": "Libellé", "party": "Tiers", "reference": "Référence",
    "currency": "EUR", "date_format": "%d/%m/%Y", "decimal": ",", "encoding": "windows-1252",
}  # fmt: skip


async def ground(api: Api, *sales: Sale) -> tuple[dict[str, str], list[UUID]]:
    """A key and what its account sold."""
    account = await api.account()
    now = api.resources.clock.now()
    ids = [await sold(api.resources.pool, account.id, sale, now, delivered=True) for sale in sales]
    return await api.key(account), ids


async def lines(api: Api, key: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        await answered(await api.client.get(f"/v1/statements/lines{query}", headers=key), 200)
    )["lines"]
    for one in found:
        conforms(one, "StatementLine")
    return found


async def test_from_a_file_to_a_payment_and_back(api: Api) -> None:
    key, (document,) = await ground(api, Sale("F2026-0042"))
    data = camt(
        [Move(DAY, "120.00", "F2026-0042", "R1"), Move(DAY, "7.00", "REMISE", "R2", party="", party_account="")]
    )
    checked = await answered(await api.client.post("/v1/statements/checks", data=data, headers=key), 200)
    conforms(checked, "StatementVerdict")
    assert checked["sound"] is True
    assert await lines(api, key) == []
    for replayed in (False, True):
        taken = await answered(await api.client.post("/v1/statements", data=data, headers=key), 201)
        conforms(taken, "StatementImported")
        assert [one["replayed"] for one in taken["imported"]] == [replayed]
        assert taken["booked"] == (0 if replayed else 1)
    (kept,) = (await answered(await api.client.get("/v1/statements", headers=key), 200))["statements"]
    conforms(kept, "Statement")
    assert (kept["bank_account"], kept["entries"], kept["sound"]) == (IBAN, 2, True)
    (booked,) = await lines(api, key, f"?state=booked&statement={kept['id']}")
    paid = await answered(await api.client.get(f"/v1/documents/{document}/payments", headers=key), 200)
    assert [one["amount"] for one in paid["payments"]] == ["120.00"]
    match = booked["match"]["id"]
    undone = await answered(await api.client.post(f"/v1/statements/matches/{match}/undo", headers=key), 200)
    assert undone == {"match": match, "decision": "undone"}
    await problem(await api.client.post(f"/v1/statements/matches/{match}/accept", headers=key), 409, "conflict")
    wish = {"documents": [{"document": str(document), "amount": "120.00"}]}
    address = f"/v1/statements/lines/{booked['id']}/match"
    await answered(await api.client.post(address, json=wish, headers=key), 200)
    paid = await answered(await api.client.get(f"/v1/documents/{document}/payments", headers=key), 200)
    assert sorted(one["amount"] for one in paid["payments"]) == ["-120.00", "120.00", "120.00"]


async def test_a_proposal_is_decided_by_a_person(api: Api) -> None:
    key, (first, second) = await ground(api, Sale("F2026-0042"), Sale("F2026-0051"))
    data = camt([Move(DAY, "120.00", "", "R1"), Move(DAY, "120.00", "", "R2", party="", party_account="")])
    await answered(await api.client.post("/v1/statements", data=data, headers=key), 201)
    found = await lines(api, key, "?state=proposed")
    assert len(found) == 2
    one, other = found
    french = {**key, "Accept-Language": "fr"}
    assert (await lines(api, french))[0]["match"]["reasons"] != one["match"]["reasons"]
    refused = await api.client.post(f"/v1/statements/matches/{one['match']['id']}/refuse", headers=key)
    assert (await answered(refused, 200))["decision"] == "refused"
    wish = {"documents": [{"document": str(second), "amount": "120.00"}]}
    accepted = await api.client.post(f"/v1/statements/matches/{other['match']['id']}/accept", json=wish, headers=key)
    await answered(accepted, 200)
    paid = await answered(await api.client.get(f"/v1/documents/{second}/payments", headers=key), 200)
    assert len(paid["payments"]) == 1
    assert first != second


async def test_a_csv_comes_with_its_mapping(api: Api) -> None:
    key, _ = await ground(api)
    form = aiohttp.FormData()
    form.add_field("file", csv([Move(DAY, "120.00", "F1")]), filename="operations.csv")
    form.add_field("mapping", json.dumps(MAPPING), content_type="application/json")
    taken = await answered(await api.client.post(f"/v1/statements?bank_account={IBAN}", data=form, headers=key), 201)
    assert taken["format"] == "csv"
    wrong = aiohttp.FormData()
    wrong.add_field("file", b"x", filename="x.csv")
    wrong.add_field("mapping", json.dumps({"column": 1}))
    await problem(await api.client.post("/v1/statements", data=wrong, headers=key), 400, "malformed")


async def test_what_is_refused_and_why(api: Api) -> None:
    key, _ = await ground(api)
    broken = camt([Move(DAY, "120.00")]).replace(b"<Dt>2026-11-18", b"<Dt>2026-13-18")
    refused = await problem(await api.client.post("/v1/statements", data=broken, headers=key), 422, "rejected")
    assert {one["rule"] for one in refused["findings"]} == {"BANK-DATE"}
    checked = await answered(await api.client.post("/v1/statements/checks", data=b"hello", headers=key), 200)
    assert (checked["readable"], checked["format"]) == (False, "")
    await problem(await api.client.post("/v1/statements", data=b"", headers=key), 400, "malformed")
    for query in ("state=open", "statement=1", "cursor=!", "limit=0", "what=1"):
        await problem(await api.client.get(f"/v1/statements/lines?{query}", headers=key), 400, "malformed")
    nobody = "/v1/statements/matches/019ab000-0000-7000-8000-000000000000/undo"
    await problem(await api.client.post(nobody, headers=key), 404, "not-found")
    await problem(await api.client.post("/v1/statements/matches/1/undo", headers=key), 404, "not-found")


async def test_nobody_sees_the_lines_of_others(api: Api) -> None:
    key, _ = await ground(api, Sale("F2026-0042"))
    await answered(await api.client.post("/v1/statements", data=camt([Move(DAY, "120.00", "", "R")]), headers=key), 201)
    other = await api.key(await api.account(number=1))
    assert await lines(api, other) == []
    (one,) = await lines(api, key)
    wish = {"documents": [{"document": one["match"]["documents"][0]["document"], "amount": "120.00"}]}
    addresses = {"lines/{}/match": one["id"]} | {
        f"matches/{{}}/{part}": one["match"]["id"] for part in ("accept", "refuse", "undo")
    }
    for address, there in addresses.items():
        answers = []
        for identifier in (there, "019ab000-0000-7000-8000-000000000000", "not-an-id"):
            path = f"/v1/statements/{address.format(identifier)}"
            shown = await problem(await api.client.post(path, json=wish, headers=other), 404, "not-found")
            answers.append({name: value for name, value in shown.items() if name not in ("trace", "instance")})
        assert answers[0] == answers[1] == answers[2]
    assert (await lines(api, key)) == [one]
