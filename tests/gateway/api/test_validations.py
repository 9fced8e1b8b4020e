"""A verdict without a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.store.accounts import Scope
from gateway.store.pool import Pool
from tests.gateway.api.conftest import Api, answered, problem, sample, serving


async def judged(
    api: Api, key: dict[str, str], name: str, query: str = "", media: str = "application/xml"
) -> dict[str, Any]:
    """The report on a sample."""
    answer = await api.client.post(f"/v1/validations{query}", data=sample(name), headers={**key, "Content-Type": media})
    return await answered(answer, 200, "Report")


async def test_a_verdict_keeps_nothing(api: Api) -> None:
    key = await api.key(await api.account(french=True))
    report = await judged(api, key, "cii/invoice-simple.xml")
    assert report["verdict"] == "valid"
    european = await judged(api, key, "cii/invoice-simple.xml", "?rules=en16931")
    names = [{layer["name"] for layer in one["layers"]} for one in (report, european)]
    assert names[1] < names[0]
    listed = await answered(await api.client.get("/v1/documents", headers=key), 200)
    assert listed["documents"] == []


async def test_broken_rules_are_an_answer(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    report = await judged(api, key, "json/invoice-broken.json", media="application/json")
    assert report["verdict"] == "invalid"
    unreadable = await judged(api, key, "attacks/entity-bomb.xml")
    assert [finding["rule"] for finding in unreadable["findings"]] == ["XML-DOCTYPE"]


async def test_messages_beside_invoices_are_judged_too(api: Api) -> None:
    key = await api.key(await api.account())
    for name, format_, layer in (
        ("cdar/approved.xml", "cdar", "br-fr-cdv"),
        ("flux10/payments.xml", "flux10", "flux10"),
    ):
        report = await judged(api, key, name)
        assert (report["format"], report["verdict"]) == (format_, "valid")
        assert [one["name"] for one in report["layers"]] == ["xml", "xsd", layer]
        headers = {**key, "Content-Type": "application/xml", "Idempotency-Key": name}
        refused = await api.client.post("/v1/documents", data=sample(name), headers=headers)
        await problem(refused, 415, "unknown-format")


async def test_a_verdict_is_that_of_what_the_account_will_send(api: Api) -> None:
    """By CEN's edition two names of a contact only earn a warning; by the Factur-X sheet they refuse."""
    from tests.schemas.test_known_wrong import two_names

    for number, original, verdict in ((0, "as_submitted", "valid"), (1, "facturx", "invalid")):
        key = {**await api.key(await api.account(number=number, original=original)), "Content-Type": "application/xml"}
        report = await answered(await api.client.post("/v1/validations", data=two_names(), headers=key), 200, "Report")
        assert report["verdict"] == verdict
        assert "CII-SR-465" in {one["rule"] for one in report["findings"]}


async def test_what_cannot_be_judged_is_refused(api: Api) -> None:
    key = await api.key(await api.account())
    xml = {**key, "Content-Type": "application/xml"}
    await problem(await api.client.post("/v1/validations", data=b"", headers=xml), 400, "malformed")
    await problem(await api.client.post("/v1/validations?rules=de", data=b"<a/>", headers=xml), 400, "malformed")
    word = {**key, "Content-Type": "application/msword"}
    await problem(await api.client.post("/v1/validations", data=b"x", headers=word), 415, "unknown-format")


async def test_where_the_rules_cannot_run_there_is_no_verdict(
    pool: Pool, compute: Compute, clock: SettableClock, tmp_path: Path
) -> None:
    """The operator's folder, which goes before the installed package, holds a broken artefact."""
    from schemas.rulebooks.fr import BR_FR_CII

    broken = tmp_path / "rules" / BR_FR_CII.artefact.file
    broken.parent.mkdir(parents=True)
    broken.write_text("<no-stylesheet/>")
    async with serving(pool, compute, clock, tmp_path, rules=str(tmp_path / "rules")) as api:
        key = {**await api.key(await api.account(french=True)), "Content-Type": "application/xml"}
        data = sample("cii/invoice-simple.xml")
        answer = await api.client.post("/v1/validations", data=data, headers=key)
        told = await problem(answer, 503, "busy")
        assert int(answer.headers["Retry-After"]) > 0
        assert told["findings"][0]["rule"].startswith("ENGINE-")
        assert "skipped" in [layer["verdict"] for layer in told["checked"]]
        european = await api.client.post("/v1/validations?rules=en16931", data=data, headers=key)
        assert (await answered(european, 200, "Report"))["verdict"] == "valid"
