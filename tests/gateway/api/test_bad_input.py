"""Bad input gets a clear problem, loses nothing and crashes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.stages.receive import SIZE_LIMIT
from tests.gateway.api.conftest import Api, answered, numbered, problem, sample, small

XML, JSON, PDF = "application/xml", "application/json", "application/pdf"

ENTITY = "attacks/entity-bomb.xml"


def no_invoice() -> bytes:
    """A whole PDF of one empty page that carries nothing."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<<>>>>",
    ]
    out, places = b"%PDF-1.7\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    return out + b"xref\n0 4\n0000000000 65535 f \n%btrailer\n<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        table,
        start,
    )


@pytest.mark.parametrize(
    ("data", "media_type", "status", "name", "rule"),
    [
        (b"", XML, 400, "malformed", None),
        (b" \n ", XML, 400, "malformed", "FORMAT-EMPTY"),
        (b"plain text", "text/plain", 415, "unknown-format", "FORMAT-UNKNOWN"),
        (small("a"), JSON, 415, "unknown-format", "MEDIA-TYPE"),
        (numbered("A"), XML, 415, "unknown-format", "MEDIA-TYPE"),
        (small("a"), "application/msword", 415, "unknown-format", "MEDIA-TYPE"),
        (sample("attacks/truncated.pdf"), PDF, 400, "malformed", "PDF-"),
        (no_invoice(), PDF, 415, "unknown-format", "PDF-NO-INVOICE"),
        (sample(ENTITY), XML, 400, "malformed", "XML-DOCTYPE"),
        (sample("attacks/external-entity.xml"), XML, 400, "malformed", "XML-DOCTYPE"),
        (sample("attacks/nested-3000.xml"), XML, 400, "malformed", "XML-"),
        (sample("attacks/truncated.xml"), XML, 400, "malformed", "XML-SYNTAX"),
        (sample("attacks/unknown-namespace.xml"), XML, 415, "unknown-format", "FORMAT-UNKNOWN"),
        (sample("attacks/order-x.xml"), XML, 415, "unknown-format", "FORMAT-UNKNOWN"),
        (sample("attacks/duplicate-keys.json"), JSON, 400, "malformed", "JSON"),
        (sample("attacks/malformed.json"), JSON, 400, "malformed", "JSON"),
        (b"<a>" + b"x" * 20_000_001 + b"</a>", XML, 413, "too-large", "XML-SIZE"),
    ],
)
async def test_what_is_no_document_is_refused_at_the_door(
    api: Api, data: bytes, media_type: str, status: int, name: str, rule: str | None
) -> None:
    key = await api.key(await api.account())
    told = await problem(await api.submit(key, data, media_type, Idempotency_Key="bad"), status, name)
    if rule:
        assert told["findings"][0]["rule"].startswith(rule), told
        assert told["findings"][0]["says"]
    listed = await answered(await api.client.get("/v1/documents", headers=key), 200)
    assert listed["documents"] == []
    assert (await api.submit(key, small("good"), Idempotency_Key="bad")).status == 202


@pytest.mark.parametrize("number", ["1e300000000", "-1e-300000000", "0e300000000", "1e9999999999999999999", "1" * 50])
async def test_a_number_that_would_fill_the_memory_is_refused(api: Api, number: str) -> None:
    key = await api.key(await api.account())
    document = await answered(await api.submit(key, numbered("A"), JSON), 202)
    bodies = {
        "statuses": f'{{"status": "paid", "amounts": [{{"amount": {number}, "rate": "20"}}]}}',
        "payments": f'{{"amount": {number}, "currency": "EUR", "paid_on": "2026-01-01"}}',
    }
    headers = {**key, "Content-Type": JSON}
    for path, body in bodies.items():
        answer = await api.client.post(f"/v1/documents/{document['id']}/{path}", data=body, headers=headers)
        found = await problem(answer, 400, "malformed")
        assert found["detail"].endswith("a number is too long")


@pytest.mark.parametrize("declared", [True, False])
async def test_101_megabytes_are_refused_without_being_kept(api: Api, declared: bool) -> None:
    key = await api.key(await api.account())
    piece = b" " * 1_000_000

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(106):
            yield piece

    headers = {**key, "Content-Type": XML, **({"Content-Length": str(106 * len(piece))} if declared else {})}
    try:
        answer = await api.client.post("/v1/documents", data=pieces(), headers=headers)
        await problem(answer, 413, "too-large")
    except aiohttp.ClientOSError:
        assert not declared, "the connection may be cut in the middle only of a body that declares no length"
    expecting = {**key, "Content-Type": XML, "Content-Length": str(SIZE_LIMIT * 2), "Expect": "100-continue"}
    await problem(await api.client.post("/v1/documents", data=pieces(), headers=expecting), 413, "too-large")
    from gateway.api.limits import LIMITS

    assert api.client.app is not None
    assert api.client.app[LIMITS].held == 0
    assert (await api.submit(key, small("good"))).status == 202


async def test_a_body_of_zero_bytes_in_a_part_is_refused(api: Api) -> None:
    key = await api.key(await api.account())
    for name in ("pdf", "data"):
        form = aiohttp.FormData()
        form.add_field(name, b"", filename="empty", content_type=PDF)
        told = await problem(await api.client.post("/v1/documents", data=form, headers=key), 400, "malformed")
        assert name in told["detail"]


def form(*parts: tuple[str, bytes, str]) -> aiohttp.FormData:
    """A multipart body."""
    made = aiohttp.FormData(default_to_multipart=True)
    for name, data, media_type in parts:
        made.add_field(name, data, filename="a", content_type=media_type)
    return made


@pytest.mark.parametrize(
    ("parts", "status", "name"),
    [
        ([("file", small("a"), XML)], 400, "malformed"),
        ([("data", small("a"), XML), ("data", small("a"), XML)], 400, "malformed"),
        ([("pdf", small("a"), PDF), ("data", small("a"), XML)], 415, "unknown-format"),
        ([("pdf", b"%PDF-1.7", PDF), ("data", b"%PDF-1.7", PDF)], 400, "malformed"),
        ([("pdf", b"%PDF-1.7", PDF), ("data", small("a"), JSON)], 415, "unknown-format"),
    ],
)
async def test_parts_that_are_no_submission_are_refused(
    api: Api, parts: list[tuple[str, bytes, str]], status: int, name: str
) -> None:
    key = await api.key(await api.account())
    await problem(await api.client.post("/v1/documents", data=form(*parts), headers=key), status, name)


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=a", b""),
        ("multipart/form-data; boundary=a", b"--a\r\nContent-Disposition: form-data; name=data\r\n\r\n<x"),
        ("multipart/form-data; boundary=a", b"--a--\r\n"),
        ("multipart/form-data; boundary=a", b"--a\r\n" + b"X: y\r\n" * 500 + b"\r\nx\r\n--a--\r\n"),
        ("multipart/form-data; boundary=" + "a" * 300, b"--a--\r\n"),
    ],
)
async def test_multipart_that_breaks_off_is_refused(api: Api, content_type: str, data: bytes) -> None:
    key = await api.key(await api.account())
    await problem(await api.submit(key, data, content_type), 400, "malformed")


async def test_compressed_bodies_are_not_taken(api: Api) -> None:
    import gzip

    key = await api.key(await api.account())
    bomb = gzip.compress(b"<" * 10_000_000)
    for encoding in ("gzip", "deflate", "br", "x"):
        await problem(await api.submit(key, bomb, XML, Content_Encoding=encoding), 415, "unknown-format")


async def test_a_caller_that_goes_away_leaves_nothing(api: Api) -> None:
    key = await api.key(await api.account())
    host, port = api.client.host, api.client.port
    head = f"POST /v1/documents HTTP/1.1\r\nHost: {host}\r\nAuthorization: {key['Authorization']}\r\n"
    for _ in range(3):
        _, writer = await asyncio.open_connection(host, port)
        writer.write(f"{head}Content-Type: {XML}\r\nContent-Length: 1000\r\n\r\n<half".encode())
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
    from gateway.api.limits import LIMITS

    assert api.client.app is not None
    limits: Any = api.client.app[LIMITS]
    for _ in range(50):
        if limits.held == 0:
            break
        await asyncio.sleep(0.05)
    assert limits.held == 0
    listed = await answered(await api.client.get("/v1/documents", headers=key), 200)
    assert listed["documents"] == []


@pytest.mark.parametrize(
    "path", ["/v1/documents/%00", "/v1/documents/..%2f..%2fetc", "/v1/documents/%ff", "/v1/documents/" + "9" * 4000]
)
async def test_odd_addresses_are_not_found(api: Api, path: str) -> None:
    from yarl import URL

    key = await api.key(await api.account())
    answer = await api.client.get(URL(path, encoded=True), headers=key)
    await problem(answer, 404, "not-found")


async def test_a_body_that_does_not_come_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.api import bodies

    monkeypatch.setattr(bodies, "_PAUSE", 0.2)
    key = await api.key(await api.account())
    release = asyncio.Event()

    async def slowly(begin: bytes) -> AsyncIterator[bytes]:
        yield begin
        await release.wait()

    for media_type, begin in (
        (XML, b"<slow"),
        (
            "multipart/form-data; boundary=a",
            b"--a\r\nContent-Disposition: form-data; name=data\r\n\r\n<x" + b"x" * 70_000,
        ),
    ):
        headers = {**key, "Content-Type": media_type}
        await problem(await api.client.post("/v1/documents", data=slowly(begin), headers=headers), 408, "slow")
    release.set()


async def test_a_gateway_that_holds_enough_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.api import limits

    key = await api.key(await api.account())
    monkeypatch.setattr(limits, "BYTES_AT_ONCE", 1_000)
    answer = await api.submit(key, small("x" * 1_000))
    await problem(answer, 503, "busy")
    assert int(answer.headers["Retry-After"]) >= 1
    assert (await api.submit(key, small("a"))).status == 202
    monkeypatch.setattr(limits, "WAITERS_AT_ONCE", 0)
    unwaited = await api.submit(key, small("b"), Prefer="wait=30")
    assert unwaited.status == 202
    assert "Preference-Applied" not in unwaited.headers


async def test_who_asks_before_sending_is_told_to_go_on(api: Api) -> None:
    key = {**await api.key(await api.account()), "Content-Type": XML}
    answer = await api.client.post("/v1/documents", data=small("asked"), headers=key, expect100=True)
    await answered(answer, 202, "Document")
