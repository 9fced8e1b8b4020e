"""Retention over HTTP: the law is told, the restricted archive asks why, holds win, and what is purged is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway import retention
from gateway.clock import SettableClock
from gateway.lifecycle import Done, Halted, Kept, Role, Stage
from gateway.resources import digest
from gateway.store.accounts import Scope
from gateway.store.journal import Step, commit
from schemas.finding import Finding, Severity
from tests.gateway.api.conftest import Api
from tests.gateway.ground import NOON, admitted, parsed, the_claim

SECRET = b"<Invoice>of Madame Martin</Invoice>"
BACKUPS = timedelta(days=3650)


@pytest.fixture
async def settled(api: Api) -> tuple[Any, UUID]:
    """An account with a document whose line has ended."""
    account = await api.account()
    pool = api.resources.pool
    document_id = (await admitted(pool, account.id, SECRET)).document_id
    original = Kept(Role.ORIGINAL, "application/pdf", b"%PDF " + SECRET)
    routed = {"network": "folder", "consignment": "c-1", "sha256": digest(original.data)}
    made = {
        Stage.PARSED: parsed("F-1"),
        Stage.BUILT: Done({"sha256": digest(original.data), "format": "facturx"}, (original,)),
        Stage.ROUTED: Done(routed),
        Stage.DELIVERED: Done({**routed, "network_id": "n-1"}),
    }
    steps = [Step(stage, made.get(stage, Done({})), NOON) for stage in list(Stage)[1:]]
    await commit(pool, await the_claim(pool, document_id), steps, go_on=False)
    return account, document_id


async def outcomes(api: Api, headers: dict[str, str], document_id: UUID) -> list[tuple[str, Any]]:
    """What was said beside the line."""
    told = await (await api.client.get(f"/v1/documents/{document_id}/events", headers=headers)).json()
    said = ("held", "released", "announced", "purged", "read")
    return [(one["outcome"], one["facts"]) for one in told["events"] if one["outcome"] in said]


async def test_the_law_is_told_and_never_shortened(api: Api) -> None:
    headers = await api.key(await api.account())
    told = await (await api.client.get("/v1/retention", headers=headers)).json()
    assert told["periods"][0]["years"] == 10
    assert "L. 123-22" in told["periods"][0]["law"]
    for years, applied in ((6, 10), (15, 15)):
        answer = await api.client.put("/v1/retention", headers=headers, json={"invoice_years": years, "year_ends": 6})
        assert answer.status == 200
        told = await answer.json()
        assert (told["periods"][0]["years"], told["year_ends"]) == (applied, 6)
    wrong = await api.client.put("/v1/retention", headers=headers, json={"country": "France", "year_ends": 13})
    assert wrong.status == 400
    assert len((await wrong.json())["findings"]) == 2


async def test_the_restricted_archive_asks_why_and_writes_it_down(
    api: Api, settled: tuple[Any, UUID], clock: SettableClock
) -> None:
    account, document_id = settled
    everything, reader = await api.key(account), await api.key(account, Scope.READ)
    address = f"/v1/documents/{document_id}/content"
    assert (await api.client.get(address, headers=reader)).status == 200
    assert await outcomes(api, everything, document_id) == []
    clock.advance(timedelta(days=400))
    refused = await api.client.get(address, headers=reader)
    assert refused.status == 403
    assert "scope archive" in (await refused.json())["detail"]
    refused = await api.client.get(address, headers=everything)
    assert refused.status == 403
    assert "say why" in (await refused.json())["detail"]
    for wrong in ({"reason": "curiosity"}, {"reason": "court", "reference": "Madame Martin"}):
        assert (await api.client.get(address, headers=everything, params=wrong)).status == 400
    why = {"reason": "tax_audit", "reference": "2027/AB-12"}
    answer = await api.client.get(address, headers=everything, params={"as": "submission", **why})
    assert await answer.read() == SECRET
    ((outcome, facts),) = await outcomes(api, everything, document_id)
    assert outcome == "read"
    assert (facts["reason"], facts["reference"], facts["what"]) == ("tax_audit", "2027/AB-12", "submission")
    assert facts["by"].startswith("estk_")


async def test_a_hold_is_set_listed_and_released_by_another(
    api: Api, settled: tuple[Any, UUID], clock: SettableClock
) -> None:
    account, document_id = settled
    first, second = await api.key(account), await api.key(account)
    wish = {"party": "100000207", "reason": "dispute", "reference": "RG-14", "review_on": "2027-11-24"}
    answer = await api.client.post("/v1/holds", headers=first, json=wish)
    assert answer.status == 201
    made = await answer.json()
    assert made["documents"] == 1
    release = f"/v1/holds/{made['id']}/release"
    assert (await api.client.post(release, headers=first, json={})).status == 403
    clock.advance(timedelta(days=365 * 11))
    due = await (await api.client.get("/v1/retention/due", headers=first)).json()
    ((only),) = due["documents"]
    assert only["kept_by"] == "a legal hold"
    assert (await retention.run(api.resources, BACKUPS)).announced == 0
    assert (await api.client.post(release, headers=second, json={"reference": "RG-14"})).status == 200
    assert (await api.client.post(release, headers=second, json={})).status == 409
    assert (await api.client.post(f"/v1/holds/{document_id}/release", headers=second, json={})).status == 404
    told = await (await api.client.get("/v1/holds", headers=first)).json()
    assert [one["released_by"] is None for one in told["holds"]] == [False]
    told = await (await api.client.get("/v1/holds?in_force=true", headers=first)).json()
    assert told["holds"] == []
    assert [one for one, _ in await outcomes(api, first, document_id)] == ["held", "released"]


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"reason": "because", "review_on": "2027-01-01"},
        {"reason": "court", "review_on": "2020-01-01"},
        {"reason": "court", "review_on": "2027-01-01", "reference": "Madame Martin"},
        {"reason": "court", "review_on": "2027-01-01", "document": "no-id"},
        {"reason": "court", "review_on": "2027-01-01", "whom": "everybody"},
        {"reason": "court", "review_on": "2027-01-01"},
        {"reason": "court", "review_on": "2027-01-01", "all": "yes"},
        {"reason": "court", "review_on": "2027-01-01", "all": True, "party": "100000207"},
    ],
)
async def test_a_hold_that_is_wrong_is_refused(api: Api, wish: dict[str, str]) -> None:
    headers = await api.key(await api.account())
    assert (await api.client.post("/v1/holds", headers=headers, json=wish)).status == 400


async def test_a_hold_on_anothers_document_is_on_nothing(api: Api, settled: tuple[Any, UUID]) -> None:
    other = await api.key(await api.account(number=1))
    wish = {"document": str(settled[1]), "reason": "court", "review_on": "2027-01-01"}
    assert (await api.client.post("/v1/holds", headers=other, json=wish)).status == 404
    mine = await api.key(settled[0])
    made = await (await api.client.post("/v1/holds", headers=mine, json=wish)).json()
    answers = []
    for identifier in (made["id"], str(uuid4()), "not-an-id"):
        answer = await api.client.post(f"/v1/holds/{identifier}/release", headers=other, json={})
        told = await answer.json()
        answers.append((answer.status, told["type"], told["detail"]))
    assert set(answers) == {(404, "/problems/not-found", "there is no such hold")}
    assert (await (await api.client.get("/v1/holds", headers=other)).json())["holds"] == []


async def test_what_is_purged_is_gone_and_its_tombstone_is_shown(
    api: Api, settled: tuple[Any, UUID], clock: SettableClock
) -> None:
    account, document_id = settled
    headers = await api.key(account)
    clock.advance(timedelta(days=365 * 11))
    await retention.run(api.resources, BACKUPS)
    due = await (await api.client.get("/v1/retention/due?days=60", headers=headers)).json()
    assert due["documents"][0]["purge_on"] is not None
    clock.advance(timedelta(days=31))
    assert (await retention.run(api.resources, BACKUPS)).purged == 1
    for address in ("content", "content?as=submission", "content?as=json", "proof", "report"):
        answer = await api.client.get(f"/v1/documents/{document_id}/{address}", headers=headers)
        assert answer.status == 410, address
        told = await answer.json()
        assert told["type"] == "/problems/gone"
        assert digest(SECRET) in told["tombstone"]["contents"]
        assert told["tombstone"]["by"] == "retention"
    whole = await (await api.client.get(f"/v1/documents/{document_id}", headers=headers)).json()
    assert (whole["number"], whole["buyer"], whole["total"]) == ("F-1", None, None)
    assert digest(SECRET) in {one["sha256"] for one in whole["contents"]}
    assert [one for one, _ in await outcomes(api, headers, document_id)] == ["announced", "purged"]
    assert SECRET not in await (await api.client.get("/v1/events", headers=headers)).read()


async def test_a_refused_document_is_shown_without_its_findings_when_it_is_purged(
    api: Api, clock: SettableClock
) -> None:
    account = await api.account()
    headers = await api.key(account)
    finding = Finding("BR-CO-15", Severity.FATAL, "en16931", "The total is wrong.", found="Madame Martin")
    document_id = (await admitted(api.resources.pool, account.id, SECRET)).document_id
    step = Step(Stage.PARSED, Halted("it breaks the rules", (finding,)), NOON)
    await commit(api.resources.pool, await the_claim(api.resources.pool, document_id), [step], go_on=False)
    address = f"/v1/documents/{document_id}"
    assert b"Madame Martin" in await (await api.client.get(address, headers=headers)).read()
    clock.advance(timedelta(days=370))
    await retention.run(api.resources, BACKUPS)
    clock.advance(timedelta(days=31))
    assert (await retention.run(api.resources, BACKUPS)).purged == 1
    answer = await api.client.get(address, headers=headers)
    assert answer.status == 200
    whole = await answer.json()
    assert whole["halted"] == {"reason": "it breaks the rules", "stage": "parsed", "findings": []}
    assert (await api.client.get(f"{address}/report", headers=headers)).status == 410
