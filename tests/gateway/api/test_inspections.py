"""What a file is, over the API: every file is answered, and nothing of it is kept."""

from __future__ import annotations

import datetime
from dataclasses import replace

import aiohttp
import pytest

from gateway.store.accounts import Scope
from schemas import json_form
from schemas.catalogue import FORMATS
from schemas.formats import facturx
from schemas.formats.facturx.page import typeset
from tests.gateway.api.conftest import Api, answered, problem, sample
from tests.schemas.sample_invoice import invoice


async def test_a_factur_x_is_told_whole_and_not_kept(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT, Scope.READ)
    at = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)
    data = facturx.build(invoice(), FORMATS["cii"].write(invoice()), created=at)
    answer = await api.client.post("/v1/inspections", data=data, headers={**key, "Content-Type": "application/pdf"})
    found = await answered(answer, 200, "Inspection")
    assert (found["format"], found["taken"], found["number"]) == ("facturx", "yes", "F-2026-0001")
    assert found["pdf"]["pdfa"]["verdict"] == "passed"
    assert {one["standing"] for one in found["page"]["values"]} == {"found"}
    listed = await answered(await api.client.get("/v1/documents", headers=key), 200)
    assert listed["documents"] == []


@pytest.mark.parametrize(
    ("data", "kind", "taken"),
    [
        (sample("cii/invoice-simple.xml"), "xml", "yes"),
        (sample("attacks/entity-bomb.xml"), "xml", "no"),
        (json_form.write(invoice()), "json", "yes"),
        (b"%PDF-1.7 nothing", "pdf", "no"),
        (b"PK\x03\x04", "other", "no"),
        (b" ", "empty", "no"),
    ],
)
async def test_every_file_is_an_answer_whatever_it_is_declared_to_be(
    api: Api, data: bytes, kind: str, taken: str
) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    for media in ("application/octet-stream", "image/png"):
        answer = await api.client.post("/v1/inspections", data=data, headers={**key, "Content-Type": media})
        found = await answered(answer, 200, "Inspection")
        assert (found["kind"], found["taken"]) == (kind, taken)
        assert bool(found["refused"]) == (taken == "no")


async def test_the_page_beside_data_is_held_against_them(api: Api) -> None:
    key = await api.key(await api.account())
    at = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)
    other = replace(invoice(), number="F-2026-0002")
    parts = aiohttp.FormData()
    parts.add_field("pdf", typeset(invoice(), created=at), filename="a.pdf", content_type="application/pdf")
    parts.add_field("data", json_form.write(other), filename="a.json", content_type="application/json")
    handed = await api.client.post("/v1/documents", data=parts, headers=key)
    location = handed.headers["Location"]
    await api.worker.drain()
    report = await answered(await api.client.get(f"{location}/report", headers=key), 200, "Report")
    assert report["verdict"] == "valid"
    said = [one for one in report["findings"] if one["rule"].startswith("HOUSE-PDF-")]
    assert [(one["rule"], one["severity"], one["expected"]) for one in said] == [
        ("HOUSE-PDF-BT-1", "warning", "F-2026-0002")
    ]


async def test_what_is_no_file_is_refused(api: Api) -> None:
    key = await api.key(await api.account(), Scope.SUBMIT)
    await problem(await api.client.post("/v1/inspections", data=b"", headers=key), 400, "malformed")
    await problem(await api.client.post("/v1/inspections?deep=yes", data=b"x", headers=key), 400, "malformed")
    reader = await api.key(await api.account(), Scope.READ)
    await problem(await api.client.post("/v1/inspections", data=b"x", headers=reader), 403, "forbidden")
