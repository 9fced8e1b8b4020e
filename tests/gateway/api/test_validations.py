"""A verdict without a document."""

from __future__ import annotations

from gateway.store.accounts import Scope
from tests.gateway.api.conftest import Api, answered, problem, sample


async def judged(api: Api, key: dict[str, str], name: str, query: str = "", media: str = "application/xml") -> object:
    """The report on a sample."""
    answer = await api.client.post(
        f"/v1/validations{query}", data=sample(name), headers={**key, "Content-Type": media}
    )
    return await answered(answer, 200, "Report")


async def test_a_verdict_keeps_nothing(api: Api) -> None:
    key = await api.key(await api.account(french=True))
    report = await judged(api, key, "cii/invoice-simple.xml")
    assert report["verdict"] == "valid"  # type: ignore[index]
    european = await judged(api, key, "cii/invoice-simple.xml", "?rules=en16931")
    names = [{layer["name"] for layer in one["layers"]} for one in (report, european)]  # type: ignore[index]
    assert names[1] < names[0]
    listed = await answered(await api.client.get("/v1/documents", headers=key), 200)
    assert listed["documents"] == []


async def test_broken_rules_are_an_answer(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    report = await judged(api, key, "json/invoice-broken.json", media="application/json")
    assert report["verdict"] == "invalid"  # type: ignore[index]
    unreadable = await judged(api, key, "attacks/entity-bomb.xml")
    assert [finding["rule"] for finding in unreadable["findings"]] == ["XML-DOCTYPE"]  # type: ignore[index]


async def test_what_cannot_be_judged_is_refused(api: Api) -> None:
    key = await api.key(await api.account())
    xml = {**key, "Content-Type": "application/xml"}
    await problem(await api.client.post("/v1/validations", data=b"", headers=xml), 400, "malformed")
    await problem(await api.client.post("/v1/validations?rules=de", data=b"<a/>", headers=xml), 400, "malformed")
    word = {**key, "Content-Type": "application/msword"}
    await problem(await api.client.post("/v1/validations", data=b"x", headers=word), 415, "unknown-format")


async def test_where_the_rules_cannot_run_there_is_no_verdict(api: Api) -> None:
    """The operator's folder holds a rule artefact that is none."""
    from dataclasses import replace

    from gateway.api.keys import RESOURCES

    app = api.client.app
    assert app is not None
    app._state[RESOURCES] = replace(api.resources, rules="/nonexistent/folder")
    key = await api.key(await api.account())
    answer = await api.client.post(
        "/v1/validations", data=sample("cii/invoice-simple.xml"), headers={**key, "Content-Type": "application/xml"}
    )
    assert answer.status in (200, 503)
