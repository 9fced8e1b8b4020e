"""A conversion without a document: whole, or refused with all that would be lost."""

from __future__ import annotations

import base64
import json

import aiohttp
import pytest

from gateway.store.accounts import Scope
from schemas.formats.facturx.extract import extract
from tests.gateway.api.conftest import Api, answered, conforms, numbered, problem, sample

XML = {"Content-Type": "application/xml"}
STRANGER = "<cbc:UUID>3e8b9a0c-0000-4000-8000-000000000001</cbc:UUID><cbc:IssueDate>"


def with_stranger() -> bytes:
    """A UBL invoice with an element that the model does not know."""
    return sample("ubl/invoice-simple.xml").decode().replace("<cbc:IssueDate>", STRANGER, 1).encode()


async def test_any_form_becomes_any_other_and_nothing_is_kept(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT, Scope.READ)
    made: dict[str, bytes] = {}
    for to, begins in (
        ("cii", b"<"),
        ("ubl", b"<"),
        ("facturx", b"%PDF-"),
        ("json", b"{"),
        ("page", b"%PDF-"),
    ):
        answer = await api.client.post(
            f"/v1/conversions?to={to}", data=numbered("CONV-1"), headers={**key, "Content-Type": "application/json"}
        )
        made[to] = await answer.read()
        assert answer.status == 200, made[to]
        assert made[to].startswith(begins)
        assert "Conversion-Losses" not in answer.headers or to == "page"
        assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="CONV-1-{to}.')
    conforms(json.loads(made["json"]), "Invoice")
    assert extract(made["facturx"]).xml == made["cii"]
    for data, media in ((made["ubl"], "application/xml"), (made["facturx"], "application/pdf")):
        again = await api.client.post("/v1/conversions?to=cii", data=data, headers={**key, "Content-Type": media})
        assert await again.read() == made["cii"]
    listed = await answered(await api.client.get("/v1/documents", headers=key), 200)
    assert listed["documents"] == []


async def test_an_envelope_tells_what_is_known_of_the_result(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    data = sample("ubl/invoice-simple.xml")
    same = await api.client.post("/v1/conversions?to=ubl&envelope=true", data=data, headers={**key, **XML})
    told = await answered(same, 200, "Conversion")
    assert (told["format"], told["unchanged"], told["losses"]) == ("ubl-invoice", True, [])
    assert base64.b64decode(told["content"]) == data


async def test_what_would_be_lost_is_all_named_and_given_only_when_accepted(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    headers = {**key, **XML}
    refused = await problem(
        await api.client.post("/v1/conversions?to=cii", data=with_stranger(), headers=headers), 422, "underivable"
    )
    assert refused["losses"] == [
        {
            "cause": "unknown",
            "path": "/Invoice/cbc:UUID",
            "reason": "our model of the invoice does not know this element",
        }
    ]
    for lost in refused["losses"]:
        conforms(lost, "Loss")
    taken = await api.client.post("/v1/conversions?to=cii&accept_losses=true", data=with_stranger(), headers=headers)
    assert taken.status == 200
    assert taken.headers["Conversion-Losses"] == '"/Invoice/cbc:UUID"'
    assert b"CrossIndustryInvoice" in await taken.read()
    envelope = await api.client.post(
        "/v1/conversions?to=json&accept_losses=true&envelope=true", data=with_stranger(), headers=headers
    )
    assert (await answered(envelope, 200, "Conversion"))["losses"] == refused["losses"]


async def test_a_profile_is_asked_for_by_name(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    data = json.dumps({**json.loads(numbered("PROFILE")), "project": "Pier 4"}).encode()
    headers = {**key, "Content-Type": "application/json"}
    url = "/v1/conversions?to=cii&profile=basic"
    refused = await problem(await api.client.post(url, data=data, headers=headers), 422, "underivable")
    (project,) = [lost for lost in refused["losses"] if lost.get("term") == "BT-11"]
    assert (project["cause"], project["lowest"], project["pointer"]) == ("profile", "EN 16931", "/project")
    for lost in refused["losses"]:
        conforms(lost, "Loss")
    given = await api.client.post(f"{url}&accept_losses=true&envelope=true", data=data, headers=headers)
    told = await answered(given, 200, "Conversion")
    assert told["profile"].endswith(":basic")
    assert told["losses"] == refused["losses"]


async def test_a_pdf_and_its_data_become_one_factur_x(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    page = await api.client.post(
        "/v1/conversions?to=page", data=numbered("TWO"), headers={**key, "Content-Type": "application/json"}
    )
    readable = await page.read()

    def form() -> aiohttp.FormData:
        parts = aiohttp.FormData()
        parts.add_field("pdf", readable, filename="a.pdf", content_type="application/pdf")
        parts.add_field("data", numbered("TWO"), filename="a.json", content_type="application/json")
        return parts

    made = await api.client.post("/v1/conversions?to=facturx", data=form(), headers=key)
    assert made.status == 200, await made.text()
    assert b"CrossIndustryInvoice" in extract(await made.read()).xml
    assert made.headers["Conversion-Page"] == "supplied"
    await problem(await api.client.post("/v1/conversions?to=ubl", data=form(), headers=key), 400, "malformed")


@pytest.mark.parametrize(
    ("query", "data", "media", "status", "name"),
    [
        ("", b"<a/>", "application/xml", 400, "malformed"),
        ("?to=word", b"<a/>", "application/xml", 400, "malformed"),
        ("?to=cii&language=tlh", b"<a/>", "application/xml", 400, "malformed"),
        ("?to=cii&loss=yes", b"<a/>", "application/xml", 400, "malformed"),
        ("?to=cii&accept_losses=1", b"<a/>", "application/xml", 400, "malformed"),
        ("?to=cii&profile=luxury", b"<a/>", "application/xml", 400, "malformed"),
        ("?to=cii", b"", "application/xml", 400, "malformed"),
        ("?to=cii", b"<a/>", "application/xml", 415, "unknown-format"),
        ("?to=cii", b"<a/>", "application/msword", 415, "unknown-format"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused(
    api: Api, query: str, data: bytes, media: str, status: int, name: str
) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    answer = await api.client.post(f"/v1/conversions{query}", data=data, headers={**key, "Content-Type": media})
    await problem(answer, status, name)


async def test_every_finding_of_an_unreadable_invoice_is_told(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    headers = {**key, "Content-Type": "application/json"}
    broken = await api.client.post("/v1/conversions?to=cii", data=sample("json/invoice-broken.json"), headers=headers)
    told = await problem(broken, 400, "malformed")
    assert len(told["findings"]) > 1
    bomb = await api.client.post(
        "/v1/conversions?to=page", data=sample("attacks/entity-bomb.xml"), headers={**key, **XML}
    )
    assert [finding["rule"] for finding in (await problem(bomb, 400, "malformed"))["findings"]] == ["XML-DOCTYPE"]


async def test_a_kept_document_is_derived_with_losses_only_when_accepted(api: Api) -> None:
    key = await api.key(await api.account())
    location = (await api.submit(key, with_stranger())).headers["Location"]
    await api.worker.drain()
    refused = await problem(await api.client.get(f"{location}/content?as=json", headers=key), 422, "underivable")
    assert [lost["path"] for lost in refused["losses"]] == ["/Invoice/cbc:UUID"]
    given = await api.client.get(f"{location}/content?as=json&accept_losses=true", headers=key)
    assert given.headers["Conversion-Losses"] == '"/Invoice/cbc:UUID"'
    conforms(json.loads(await given.read()), "Invoice")
    page = await api.client.get(f"{location}/content?as=page", headers=key)
    assert (await page.read()).startswith(b"%PDF-")
    assert "UUID" in page.headers["Conversion-Losses"]
    await problem(await api.client.get(f"{location}/content?as=ubl&accept_losses=maybe", headers=key), 400, "malformed")
