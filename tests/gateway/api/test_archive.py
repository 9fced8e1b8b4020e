"""The archive over HTTP: found by what invoices say, every fault told, every read recorded."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from gateway.clock import SettableClock
from gateway.store.accounts import Scope
from tests.gateway.api.conftest import Api, answered, problem, sample, small


async def kept(api: Api, headers: dict[str, str], number: str, **more: Any) -> str:
    """An invoice that walked as far as it can now; its id."""
    members = {**json.loads(sample("json/invoice-simple.json")), "number": number, **more}
    told = await answered(await api.submit(headers, json.dumps(members).encode(), "application/json"), 202)
    await api.worker.drain()
    identifier: str = told["id"]
    return identifier


async def asked(api: Api, headers: dict[str, str], **query: str) -> list[str]:
    """The numbers that a search finds."""
    answer = await api.client.get("/v1/archive", headers=headers, params=query)
    page = await answered(answer, 200, "ArchivePage")
    assert page["cursor"] is None
    return sorted(str(document["number"]) for document in page["documents"])


async def test_a_document_is_found_by_what_it_says(api: Api) -> None:
    account = await api.account()
    headers = await api.key(account)
    simple = json.loads(sample("json/invoice-simple.json"))
    buyer = {**simple["buyer"], "name": "Société L'Œuf d'Or"}
    identifier = await kept(api, headers, "A-1", purchase_order="CMD 2026/7")
    await kept(api, headers, "A-2", buyer=buyer)
    await kept(api, headers, "B-1", issue_date="2026-10-02")
    unread = await answered(await api.submit(headers, small("nothing")), 202)
    await api.worker.drain()
    siren, everything = simple["seller"]["legal_id"]["value"], ["A-1", "A-2", "B-1"]
    found = {
        (): [*everything, "None"],
        (("number", "A-1"),): ["A-1"],
        (("number", "A-1 "),): [],
        (("number_prefix", "A-"),): ["A-1", "A-2"],
        (("seller", siren),): everything,
        (("party", f"{siren[:3]} {siren[3:6]} {siren[6:]}"),): everything,
        (("buyer", siren),): [],
        (("party", "societe oeuf"),): ["A-2"],
        (("buyer", "Œuf"), ("number_prefix", "A")): ["A-2"],
        (("seller", "oeuf"),): [],
        (("text", "OEUF or"),): ["A-2"],
        (("text", "soci*"), ("party", "oeuf")): ["A-2"],
        (("text", "zzz*"),): [],
        (("refers_to", "cmd-2026-7"),): ["A-1"],
        (("issued_from", "2026-10-02"), ("issued_to", "2026-10-02")): ["B-1"],
        (("accepted_from", "2026-11-24"), ("accepted_until", "2026-11-25")): [*everything, "None"],
        (("accepted_from", "2026-11-25"),): [],
        (("currency", "EUR"), ("amount_min", "0.01")): everything,
        (("currency", "EUR"), ("amount_max", "0")): [],
        (("currency", "USD"),): [],
        (("halted", "true"),): ["None"],
        (("kind", "invoice"),): everything,
        (("kind", "credit_note"),): [],
        (("type_code", simple["type_code"]),): everything,
        (("direction", "inbound"),): [],
        (("participant", account.participants[0]),): [*everything, "None"],
    }
    for query, numbers in found.items():
        assert await asked(api, headers, **dict(query)) == numbers, query
    page = await (await api.client.get("/v1/archive?number=A-1", headers=headers)).json()
    (shown,) = page["documents"]
    assert shown["id"] == identifier
    assert shown["seller"] == {"id": siren, "name": simple["seller"]["name"]}
    assert shown["refers_to"] == {"order": "CMD 2026/7"}
    halted = await (await api.client.get("/v1/archive?halted=true", headers=headers)).json()
    assert halted["documents"][0]["id"] == unread["id"]


async def test_pages_and_counts(api: Api, clock: SettableClock) -> None:
    headers = await api.key(await api.account())
    for number in range(5):
        clock.advance(timedelta(seconds=1))
        await kept(api, headers, f"F-{number}")
    seen: list[str] = []
    query = {"limit": "2", "sort": "accepted", "order": "asc", "count": "true"}
    while True:
        page = await answered(await api.client.get("/v1/archive", headers=headers, params=query), 200, "ArchivePage")
        assert page["count"] == {"documents": 5, "exact": True}
        seen += [document["number"] for document in page["documents"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert seen == [f"F-{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"issued_from": "24.11.2026", "issued_to": "2026-13-01"}, ["issued_from", "issued_to"]),
        ({"issued_from": "2026-11-24", "issued_to": "2026-11-23"}, ["issued_to"]),
        ({"accepted_from": "2026-11-24T12:00:00", "accepted_until": "x"}, ["accepted_from", "accepted_until"]),
        ({"accepted_from": "2026-11-24", "accepted_until": "2026-11-24"}, ["accepted_until"]),
        ({"amount_min": "10", "amount_max": "1,5"}, ["amount_max", "currency"]),
        ({"amount_min": "1e9", "currency": "eur"}, ["amount_min", "currency"]),
        ({"amount_min": "10", "amount_max": "9", "currency": "EUR"}, ["amount_max"]),
        ({"stage": "sent", "status": "X Y", "halted": "1"}, ["stage", "status", "halted"]),
        ({"direction": "in", "participant": "1 2"}, ["direction", "participant"]),
        ({"kind": "credit_note", "type_code": "380"}, ["type_code"]),
        ({"kind": "order", "sort": "total", "order": "up"}, ["kind", "order", "sort"]),
        ({"text": "a b c d e f g h i"}, ["text"]),
        ({"text": "… a*"}, ["text", "text"]),
        ({"party": "--", "number": ""}, ["number", "party"]),
        ({"reason": "curiosity", "reference": "Madame Martin"}, ["reason", "reference"]),
    ],
)  # fmt: skip
async def test_every_fault_of_a_query_is_told(api: Api, query: dict[str, str], wrong: list[str]) -> None:
    headers = await api.key(await api.account())
    told = await problem(await api.client.get("/v1/archive", headers=headers, params=query), 422, "unanswerable")
    assert sorted(finding["path"] for finding in told["findings"]) == sorted(wrong)
    reads = await (await api.client.get("/v1/archive/reads", headers=headers)).json()
    assert reads["reads"] == []


async def test_a_beginning_of_too_many_words_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.api.archive_query.SPREAD_LIMIT", 1)
    headers = await api.key(await api.account())
    simple = json.loads(sample("json/invoice-simple.json"))
    line = {**simple["lines"][0], "item": {**simple["lines"][0]["item"], "name": "zinc zingue zircon"}}
    await kept(api, headers, "F-1", lines=[line, *simple["lines"][1:]])
    assert await asked(api, headers, text="zing*") == ["F-1"]
    told = await problem(await api.client.get("/v1/archive?text=zi*", headers=headers), 422, "unanswerable")
    assert told["findings"][0]["path"] == "text"


@pytest.mark.parametrize("query", ["page=2", "text=a&text=b", "limit=0", "limit=201", "cursor=x", "number=a%00"])
async def test_what_cannot_be_read_is_malformed(api: Api, query: str) -> None:
    headers = await api.key(await api.account())
    await problem(await api.client.get(f"/v1/archive?{query}", headers=headers), 400, "malformed")


async def test_each_read_is_recorded_with_its_reason(api: Api, clock: SettableClock) -> None:
    account = await api.account()
    headers, inspector = await api.key(account), await api.key(account, Scope.ARCHIVE)
    for number in range(3):
        await kept(api, headers, f"F-{number}")
    query = {"text": "nothing", "reason": "court", "reference": "24/117"}
    await answered(await api.client.get("/v1/archive", headers=inspector, params=query), 200)
    clock.advance(timedelta(seconds=1))
    page = await answered(await api.client.get("/v1/archive?limit=2", headers=headers), 200)
    assert page["cursor"]
    told = await answered(await api.client.get("/v1/archive/reads", headers=inspector), 200)
    newest, oldest = told["reads"]
    public = {name: key["Authorization"].split()[1].split(".")[0] for name, key in
              (("owner", headers), ("inspector", inspector))}  # fmt: skip
    assert (newest["who"], newest["found"], newest["whole"], newest["reason"]) == (public["owner"], 2, False, "")
    assert (oldest["who"], oldest["found"], oldest["whole"]) == (public["inspector"], 0, True)
    assert oldest["query"] == {"text": "nothing"}
    assert (oldest["reason"], oldest["reference"]) == ("court", "24/117")
    first = await answered(await api.client.get("/v1/archive/reads?limit=1", headers=headers), 200)
    second = await answered(
        await api.client.get(f"/v1/archive/reads?limit=1&cursor={first['cursor']}", headers=headers), 200
    )
    assert [first["reads"], second["reads"], second["cursor"]] == [[newest], [oldest], None]
    await problem(await api.client.get("/v1/archive/reads?cursor=zzz", headers=headers), 400, "malformed")


async def test_the_archive_has_its_own_scope(api: Api) -> None:
    account = await api.account()
    for path in ("/v1/archive", "/v1/archive/reads"):
        for scope in (Scope.READ, Scope.SUBMIT, Scope.ADMIN):
            await problem(await api.client.get(path, headers=await api.key(account, scope)), 403, "forbidden")
        assert (await api.client.get(path, headers=await api.key(account, Scope.ARCHIVE))).status == 200
