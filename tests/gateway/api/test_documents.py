"""Documents over HTTP: in, along the line, and out again byte for byte."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

import aiohttp
import pytest

from gateway.chores import Chores
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.store.accounts import Scope
from gateway.store.pool import Pool
from tests.gateway.api.conftest import Api, answered, conforms, digest, numbered, problem, sample, serving, small


@pytest.mark.parametrize(
    ("name", "media_type", "format_"),
    [
        ("json/invoice-simple.json", "application/json", "json"),
        ("cii/invoice-simple.xml", "application/xml", "cii"),
        ("ubl/invoice-simple.xml", "text/xml; charset=utf-8", "ubl-invoice"),
        ("ubl/credit-note.xml", "application/octet-stream", "ubl-creditnote"),
    ],
)
async def test_a_document_goes_in_and_comes_out_as_it_was(api: Api, name: str, media_type: str, format_: str) -> None:
    key = await api.key(await api.account())
    data = sample(name)
    response = await api.submit(key, data, media_type)
    taken = await answered(response, 202, "Document")
    assert taken["stage"] == "received"
    assert taken["format"] == format_
    assert response.headers["Location"] == f"/v1/documents/{taken['id']}"
    assert api.rung
    kept = await api.client.get(f"{response.headers['Location']}/content?as=submission", headers=key)
    assert await kept.read() == data
    assert await api.worker.drain() == 2  # to the proof, and from there on
    document = await answered(await api.client.get(response.headers["Location"], headers=key), 200, "Document")
    assert document["stage"] == "delivered", document
    assert [stage["stage"] for stage in document["stages"]][:6] == [
        "received",
        "parsed",
        "validated",
        "built",
        "sealed",
        "archived",
    ]
    assert document["number"]
    assert document["total"].count(".") == 1
    assert document["deliveries"][0]["network"] == "folder"
    original = await api.client.get(document["links"]["original"], headers=key)
    body = await original.read()
    assert digest(body) == next(c["sha256"] for c in document["contents"] if c["role"] == "original")
    assert document["deliveries"][0]["sha256"] == digest(body)


async def test_contents_carry_their_hash_and_their_name(api: Api) -> None:
    key = await api.key(await api.account())
    data = sample("cii/invoice-simple.xml")
    location = (await api.submit(key, data)).headers["Location"]
    await api.worker.drain()
    got = await api.client.get(f"{location}/content?as=original", headers=key)
    assert await got.read() == data
    assert got.headers["ETag"] == f'"{digest(data)}"'
    assert got.headers["Digest"] == "sha-256=" + base64.b64encode(sha256(data).digest()).decode()
    number = (await answered(await api.client.get(location, headers=key), 200))["number"]
    assert got.headers["Content-Disposition"].startswith(f'attachment; filename="{number}-original.xml"')
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    again = await api.client.get(
        f"{location}/content?as=original", headers={**key, "If-None-Match": got.headers["ETag"]}
    )
    assert again.status == 304
    assert await again.read() == b""
    head = await api.client.head(f"{location}/content?as=original", headers=key)
    assert head.headers["ETag"] == got.headers["ETag"]


async def test_other_forms_are_kept_ones_or_derived(api: Api) -> None:
    key = await api.key(await api.account())
    data = sample("ubl/invoice-simple.xml")
    location = (await api.submit(key, data)).headers["Location"]
    early = await api.client.get(f"{location}/content?as=cii", headers=key)
    await problem(early, 422, "underivable")
    await problem(await api.client.get(f"{location}/content", headers=key), 404, "not-found")
    await api.worker.drain()
    ubl = await api.client.get(f"{location}/content?as=ubl", headers=key)
    assert await ubl.read() == data
    cii = await api.client.get(f"{location}/content?as=cii", headers=key)
    assert b"CrossIndustryInvoice" in await cii.read()
    as_json = await api.client.get(f"{location}/content?as=json", headers=key)
    conforms(await as_json.json(), "Invoice")
    for form in ("facturx", "page"):
        pdf = await api.client.get(f"{location}/content?as={form}", headers=key)
        assert pdf.content_type == "application/pdf", await pdf.text()
        assert (await pdf.read()).startswith(b"%PDF-")
    receipt = await api.client.get(f"{location}/content?as=receipt", headers=key)
    assert await receipt.json() == {"kept": True}
    await problem(await api.client.get(f"{location}/content?as=status", headers=key), 404, "not-found")
    await problem(await api.client.get(f"{location}/content?as=word", headers=key), 400, "malformed")
    await problem(await api.client.get(f"{location}/content?as=report&seq=1", headers=key), 404, "not-found")


async def test_what_would_be_lost_is_not_derived(api: Api) -> None:
    key = await api.key(await api.account())
    text = sample("ubl/invoice-simple.xml").decode()
    stranger = "<cbc:UUID>3e8b9a0c-0000-4000-8000-000000000001</cbc:UUID><cbc:IssueDate>"
    location = (await api.submit(key, text.replace("<cbc:IssueDate>", stranger, 1).encode())).headers["Location"]
    await api.worker.drain()
    refused = await problem(await api.client.get(f"{location}/content?as=json", headers=key), 422, "underivable")
    assert "UUID" in refused["detail"]


async def test_who_waits_learns_that_it_is_archived(api: Api) -> None:
    key = await api.key(await api.account())
    chores = Chores(api.resources, timedelta(seconds=30), api.worker.ring)
    working = asyncio.gather(api.worker.run(), chores.run())
    try:
        response = await api.submit(key, numbered("WAIT-1"), "application/json", Prefer="respond-async, wait=50")
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    document = await answered(response, 202, "Document")
    assert response.headers["Preference-Applied"] == "wait=50"
    assert document["stage"] in ("archived", "routed", "delivered"), document


async def test_who_waits_learns_everything_that_is_wrong(api: Api) -> None:
    key = await api.key(await api.account())
    working = asyncio.create_task(api.worker.run())
    try:
        broken = sample("json/invoice-broken.json")
        response = await api.submit(key, broken, "application/json", Prefer="wait=50", Accept_Language="fr")
        refused = await problem(response, 422, "rejected")
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert refused["title"] == "Le document est refusé"
    assert any(finding["severity"] == "fatal" for finding in refused["findings"])
    assert refused["findings"] == refused["document"]["halted"]["findings"]
    assert all(finding["says"] for finding in refused["findings"])
    assert response.headers["Location"] == f"/v1/documents/{refused['document']['id']}"
    report = await api.client.get(f"{response.headers['Location']}/report", headers=key)
    shown = await answered(report, 200, "Report")
    assert shown["findings"] == refused["findings"]
    assert shown["layers"] == refused["checked"]


async def test_waiting_ends_with_the_time(api: Api) -> None:
    key = await api.key(await api.account())
    response = await api.submit(key, small("later"), Prefer="wait=1")
    assert (await answered(response, 202))["stage"] == "received"


async def test_a_pdf_and_its_data_are_one_submission(api: Api) -> None:
    key = await api.key(await api.account())

    def form() -> aiohttp.FormData:
        parts = aiohttp.FormData()
        parts.add_field("pdf", b"%PDF-1.7\nreadable\n%%EOF", filename="a.pdf", content_type="application/pdf")
        parts.add_field("data", numbered("TWO-1"), filename="a.json", content_type="application/json")
        return parts

    headers = {**key, "Idempotency-Key": "two"}
    response = await api.client.post("/v1/documents", data=form(), headers=headers)
    document = await answered(response, 202, "Document")
    assert document["format"] == "pdf"
    assert [content["role"] for content in document["contents"]] == ["data", "submission"]
    data = await api.client.get(f"{response.headers['Location']}/content?as=data", headers=key)
    assert await data.read() == numbered("TWO-1")
    again = await api.client.post("/v1/documents", data=form(), headers=headers)
    assert (await again.json())["id"] == document["id"]
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_lists_are_filtered_and_paged(api: Api, clock: SettableClock) -> None:
    from datetime import timedelta

    account = await api.account()
    key = await api.key(account)
    ids = []
    for number in range(7):
        ids.append((await (await api.submit(key, small(str(number)))).json())["id"])
        clock.advance(timedelta(minutes=1))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "3", **({"cursor": cursor} if cursor else {})}
        page = await answered(await api.client.get("/v1/documents", params=query, headers=key), 200)
        for document in page["documents"]:
            conforms(document, "DocumentSummary")
        seen += [document["id"] for document in page["documents"]]
        cursor = page["cursor"]
    assert seen == ids[::-1]

    async def found(**query: str) -> list[str]:
        page = await answered(await api.client.get("/v1/documents", params=query, headers=key), 200)
        return [document["id"] for document in page["documents"]]

    assert await found(stage="received") == ids[::-1]
    assert await found(stage="settled") == []
    assert await found(halted="true") == []
    assert await found(participant=account.participants[0], limit="1") == ids[-1:]
    assert await found(created_from="2026-11-24T12:05:00Z") == [ids[6], ids[5]]
    assert await found(created_until="2026-11-24T13:01:00+01:00") == [ids[0]]
    assert await found(number="none", status="approved") == []


@pytest.mark.parametrize(
    "query",
    [
        "stage=lost",
        "halted=perhaps",
        "limit=0",
        "limit=201",
        "limit=%D9%A1",
        "created_from=yesterday",
        "created_from=2026-11-24T12:00:00",
        "number=a&number=b",
        "numbr=1",
        "number=%00",
        "cursor=x",
        "cursor=" + base64.urlsafe_b64encode(b"2026-11-24T12:00:00|not-an-id").decode(),
        "cursor=" + base64.urlsafe_b64encode(b"a|b|c").decode(),
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused(api: Api, query: str) -> None:
    key = await api.key(await api.account())
    await problem(await api.client.get(f"/v1/documents?{query}", headers=key), 400, "malformed")


async def test_a_naive_instant_in_a_cursor_is_no_crash(api: Api) -> None:
    key = await api.key(await api.account())
    crafted = base64.urlsafe_b64encode(f"2026-11-24T12:00:00|{UUID(int=1)}".encode()).decode()
    assert (await api.client.get(f"/v1/documents?cursor={crafted}", headers=key)).status == 200


async def test_the_timeline_is_chained(api: Api) -> None:
    key = await api.key(await api.account())
    location = (await api.submit(key, sample("cii/invoice-simple.xml"))).headers["Location"]
    await api.worker.drain()
    told = await answered(await api.client.get(f"{location}/events", headers=key), 200)
    for event in told["events"]:
        conforms(event, "Event")
    assert [event["seq"] for event in told["events"]] == list(range(1, len(told["events"]) + 1))
    assert told["events"][0]["prior"] == "0" * 64
    chain = [event["hash"] for event in told["events"]]
    assert [event["prior"] for event in told["events"][1:]] == chain[:-1]


async def test_the_organisation_must_be_one_of_the_account(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    wrong = {**key, "Organization-Id": "732829320"}
    await problem(await api.submit(wrong, small("a")), 403, "forbidden")
    await problem(await api.client.get("/v1/documents", headers=wrong), 403, "forbidden")
    added = await api.client.post(
        "/v1/account/participants", json={"siren": "732829320", "name": "Second"}, headers=key
    )
    await answered(added, 201, "Participant")
    document = await answered(await api.submit(wrong, small("a")), 202)
    assert document["participant"] == "732829320"
    assert (await answered(await api.submit(key, small("a")), 202))["participant"] == account.participants[0]


async def test_limits_are_told_with_the_time_to_come_back(
    pool: Pool, compute: Compute, clock: SettableClock, tmp_path: object
) -> None:
    from pathlib import Path

    async with serving(pool, compute, clock, Path(str(tmp_path)), requests_per_second=5, uploads_at_once=1) as api:
        account = await api.account()
        one, other = await api.key(account), await api.key(account)
        answers = [await api.client.get("/v1/account", headers=one) for _ in range(12)]
        late = [answer for answer in answers if answer.status == 429]
        assert late
        assert (await problem(late[0], 429, "too-many"))["errorCode"] == "TooMany"
        assert int(late[0].headers["Retry-After"]) >= 1
        assert (await api.client.get("/v1/account", headers=other)).status == 200
        release = asyncio.Event()

        async def slowly() -> object:
            yield b"<slow"
            await release.wait()

        slow = asyncio.create_task(api.client.post("/v1/documents", data=slowly(), headers=other))
        await asyncio.sleep(0.3)
        await problem(await api.submit(other, small("a")), 429, "too-many")
        release.set()
        await problem(await slow, 400, "malformed")
        assert (await api.submit(other, small("a"))).status == 202


async def test_a_number_is_used_once(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    key = await api.key(await api.account())
    first = await answered(await api.submit(key, numbered("ONCE-1"), "application/json"), 202)
    await api.worker.drain()
    other = json.dumps({**json.loads(numbered("ONCE-1")), "buyer_reference": "another"}).encode()
    working = asyncio.create_task(api.worker.run())
    try:
        refused = await problem(await api.submit(key, other, "application/json", Prefer="wait=50"), 422, "rejected")
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert [record.getMessage() for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []
    finding = refused["findings"][0]
    assert finding["rule"] == "HOUSE-NUMBER-USED"
    assert first["id"] in finding["fix"]
    assert {"name": "house", "edition": "", "verdict": "failed"} in refused["checked"]
    report = await answered(
        await api.client.get(f"/v1/documents/{refused['document']['id']}/report", headers=key), 200, "Report"
    )
    assert report["verdict"] == "invalid"


async def test_reading_needs_no_right_to_submit(api: Api) -> None:
    account = await api.account()
    reader, writer = await api.key(account, Scope.READ), await api.key(account, Scope.SUBMIT)
    await problem(await api.submit(reader, small("a")), 403, "forbidden")
    location = (await api.submit(writer, small("a"))).headers["Location"]
    await problem(await api.client.get(location, headers=writer), 403, "forbidden")
    assert (await api.client.get(location, headers=reader)).status == 200


async def test_forms_that_are_kept_come_as_they_are_kept(api: Api) -> None:
    """A JSON becomes a Factur-X, which is then handed in again as it is by another account."""
    one = await api.key(await api.account(number=0, original="facturx"))
    other = await api.key(await api.account(number=1))

    async def get(location: str, form: str, key: dict[str, str]) -> bytes:
        answer = await api.client.get(f"{location}/content?as={form}", headers=key)
        assert answer.status == 200, await answer.text()
        return await answer.read()

    location = (await api.submit(one, numbered("FORMS-1"), "application/json")).headers["Location"]
    await api.worker.drain()
    pdf = await get(location, "original", one)
    assert pdf.startswith(b"%PDF-")
    assert await get(location, "facturx", one) == await get(location, "page", one) == pdf
    assert await get(location, "json", one) == numbered("FORMS-1")
    xml = await get(location, "cii", one)
    assert xml == await get(location, "xml", one)
    again = (await api.submit(other, pdf, "application/pdf")).headers["Location"]
    await api.worker.drain()
    assert (await answered(await api.client.get(again, headers=other), 200))["format"] == "facturx"
    assert await get(again, "facturx", other) == await get(again, "page", other) == pdf
    assert await get(again, "original", other) == pdf
    assert await get(again, "cii", other) == xml
    conforms(json.loads(await get(again, "json", other)), "Invoice")


async def test_the_data_beside_a_pdf_is_its_json(api: Api) -> None:
    key = await api.key(await api.account())
    parts = aiohttp.FormData()
    parts.add_field("pdf", b"%PDF-1.7\nreadable\n%%EOF", filename="a.pdf", content_type="application/pdf")
    parts.add_field("data", numbered("BESIDE-1"), filename="a.json", content_type="application/json")
    location = (await api.client.post("/v1/documents", data=parts, headers=key)).headers["Location"]
    got = await api.client.get(f"{location}/content?as=json", headers=key)
    assert await got.read() == numbered("BESIDE-1")
