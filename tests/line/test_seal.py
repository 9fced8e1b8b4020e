"""Seals on the line: set as the account asks, with a timestamp when one can be had, and never missing in silence."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from aiohttp import web

from adapters import catalogue
from adapters.key_file import KeyFile
from gateway import proof
from gateway.api import shapes
from gateway.commands import demo_invoices
from gateway.lifecycle import Role, Stage
from gateway.resources import Sealer
from gateway.worker import Worker
from schemas.formats.facturx.extract import extract
from signing import xml_verdict
from signing.keys import read
from signing.pdf_verdict import verify
from signing.trust import Trust
from signing.verdict import Indication
from signing.verify import Wrong, seals_of
from signing.verify import verify as verify_proof
from tests.bench.stage import free_port
from tests.gateway.ground import open_account
from tests.line.conftest import Line
from tests.signing import authority
from tests.signing.sealed import seal_xml
from tests.signing.test_keys import statements

TRUST = Trust(authority.root().pem, authority.stamper_root().pem)


@pytest.fixture
async def clock_tower() -> AsyncIterator[dict[str, Any]]:
    """A timestamp authority on a real socket; `mood` says how it answers."""
    tower: dict[str, Any] = {"mood": "well", "asked": 0}

    async def stamp(request: web.Request) -> web.Response:
        tower["asked"] += 1
        question = await request.read()
        if tower["mood"] == "down":
            return web.Response(status=503)
        if tower["mood"] == "lies":
            question = authority.other_question(question)
        body = authority.answer(question, datetime.now(UTC).replace(microsecond=0))
        return web.Response(body=body, content_type="application/timestamp-reply")

    application = web.Application()
    application.router.add_post("/", stamp)
    runner = web.AppRunner(application)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    environment = {
        "ESTAFETTE_TIMESTAMP_URLS": f"http://127.0.0.1:{port}/",
        "ESTAFETTE_EGRESS_ALLOW": f"127.0.0.1:{port}",
    }
    tower["authorities"], problems = catalogue.authorities(environment)
    assert not problems
    yield tower
    for one in tower["authorities"]:
        await one.close()
    await runner.cleanup()


async def sealing(line: Line, tower: dict[str, Any], policy: str, *, key: bool = True) -> Line:
    """The line with a sealing key and an account that asks for seals."""
    sealer = Sealer(KeyFile(authority.seal_key()), tower["authorities"]) if key else None
    resources = replace(line.resources, sealer=sealer)
    account = await open_account(line.pool, "Sealed", french=True, seal=policy)
    return Line(resources, Worker(resources, 4), account, line.platform_url)


@pytest.mark.parametrize(("policy", "level"), [("seal", "B-B"), ("timestamp", "B-T")])
async def test_the_original_is_sealed_as_the_account_asks(
    line: Line, clock_tower: dict[str, Any], policy: str, level: str, tmp_path: Path
) -> None:
    sealed = await sealing(line, clock_tower, policy)
    document = await sealed.until(await sealed.invoice("S-1"), Stage.DELIVERED)
    facts = document.facts[Stage.SEALED]
    assert facts["level"] == level
    original = await sealed.read(document.id, Role.ORIGINAL)
    verdict = await asyncio.to_thread(verify, original, TRUST, datetime.now(UTC))
    assert verdict.indication is Indication.PASSED, verdict
    assert (verdict.stamped_at is not None) == (policy == "timestamp")
    assert extract(original).xml == await sealed.read(document.id, Role.SUBMISSION)
    assert original.startswith(b"%PDF-1.7")
    delivered = await sealed.delivered()
    assert [one["sha256"] for one in delivered] == [facts["sha256"]]
    assert document.facts[Stage.ARCHIVED]["sha256"] == facts["sha256"]
    assert clock_tower["asked"] == (policy == "timestamp")
    path = tmp_path / "proof.zip"
    path.write_bytes(await proof.bundle(sealed.resources, sealed.account.id, document.id))
    told = dict(await asyncio.to_thread(lambda: list(verify_proof(path))))  # by the stranger's program
    assert told["seals"].startswith("sealed by CN="), told
    assert ("its timestamp of 20" in told["seals"]) == (policy == "timestamp")
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert any(name.startswith("certificates/") for name in files)
    cut = bytearray(original)
    cut[200] ^= 1
    with pytest.raises(Wrong, match="it signs other bytes"):
        list(seals_of(bytes(cut), set()))
    (*_, longer) = [said for said in seals_of(original + b"% more", set()) if said.startswith("sealed by")]
    assert longer.endswith(f"OF {len(original) + 6} BYTES ALONE"), longer
    assert list(seals_of(b"%PDF-1.7 (/ByteRange [0 9 20 3]) of a text, and no seal", set())) == []


@pytest.mark.parametrize("mood", ["down", "lies"])
async def test_without_an_authority_the_document_waits_and_says_so(
    line: Line, clock_tower: dict[str, Any], mood: str
) -> None:
    clock_tower["mood"] = mood
    sealed = await sealing(line, clock_tower, "timestamp")
    document_id = await sealed.invoice("S-2")
    document = await sealed.until_tried(document_id)
    assert document.stage is Stage.BUILT
    assert document.waits_for is not None
    assert "no timestamp can be had now" in document.waits_for
    attempts = [event for event in await sealed.events(document_id) if event.outcome == "attempt"]
    assert len(attempts) == 1
    assert not await sealed.delivered()


async def test_or_it_goes_on_and_says_so(line: Line, clock_tower: dict[str, Any]) -> None:
    clock_tower["mood"] = "down"
    sealed = await sealing(line, clock_tower, "timestamp_if_possible")
    document = await sealed.until(await sealed.invoice("S-3"), Stage.DELIVERED)
    facts = document.facts[Stage.SEALED]
    assert facts["level"] == "B-B"
    assert "503" in facts["without_timestamp"]
    original = await sealed.read(document.id, Role.ORIGINAL)
    verdict = await asyncio.to_thread(verify, original, TRUST, datetime.now(UTC))
    assert verdict.indication is Indication.PASSED


async def test_a_seal_without_a_key_is_waited_for(line: Line, clock_tower: dict[str, Any]) -> None:
    sealed = await sealing(line, clock_tower, "seal", key=False)
    document = await sealed.until_tried(await sealed.invoice("S-4"))
    assert document.stage is Stage.BUILT
    assert document.waits_for == "the account asks for a seal, and no sealing key is configured"


# Other levels, other forms, other people's seals ---------------------------------------------------------------------


@pytest.fixture
async def pki() -> AsyncIterator[authority.Published]:
    """Authorities that publish revocations and stamp, on a real socket and by the real clock."""
    async with authority.published(lambda: datetime.now(UTC).replace(microsecond=0)) as made:
        yield made


@asynccontextmanager
async def published(line: Line, pki: authority.Published, policy: str, **more: Any) -> AsyncIterator[Line]:
    """The line with the published people, and an account that asks for this."""
    port = pki.url.rpartition(":")[2]
    environment = {"ESTAFETTE_TIMESTAMP_URLS": f"{pki.url}/stamp", "ESTAFETTE_EGRESS_ALLOW": f"127.0.0.1:{port}"}
    authorities, problems = catalogue.authorities(environment)
    assert not problems
    source = catalogue.revocations(environment)
    sealer = Sealer(KeyFile(read(pki.pem)), authorities, source)
    trust = Trust(pki.root.pem, pki.stamper_root.pem)
    resources = replace(line.resources, sealer=sealer, trust=trust)
    account = await open_account(line.pool, "Published", french=True, seal=policy, **more)
    try:
        yield Line(resources, Worker(resources, 4), account, line.platform_url)
    finally:
        await asyncio.gather(source.close(), *(one.close() for one in authorities))


@pytest.mark.parametrize(("policy", "level"), [("long_term", "B-LT"), ("archival", "B-LTA")])
async def test_a_seal_for_years_is_verified_when_its_issuers_are_gone(
    line: Line, pki: authority.Published, policy: str, level: str
) -> None:
    async with published(line, pki, policy) as sealed:
        document = await sealed.until(await sealed.invoice("S-10"), Stage.DELIVERED)
        facts = document.facts[Stage.SEALED]
        assert (facts["form"], facts["level"]) == ("PAdES", level)
        original = await sealed.read(document.id, Role.ORIGINAL)
    assert pki.asked["ocsp"] == pki.asked["root.crl"] == pki.asked["stamper.crl"] == 1
    assert pki.asked["stamp"] == (2 if level == "B-LTA" else 1)
    trust = Trust(pki.root.pem, pki.stamper_root.pem)
    for later in (timedelta(0), timedelta(days=2), timedelta(days=300)):
        verdict = await asyncio.to_thread(verify, original, trust, datetime.now(UTC) + later)
        assert (verdict.indication, verdict.level) == (Indication.PASSED, level), verdict
    assert extract(original).xml is not None


@pytest.mark.parametrize("down", ["ocsp", "root.crl", "stamper.crl"])
async def test_without_revocation_data_the_document_waits(line: Line, pki: authority.Published, down: str) -> None:
    pki.down = {down}
    async with published(line, pki, "long_term") as sealed:
        document = await sealed.until_tried(await sealed.invoice("S-11"))
        assert document.stage is Stage.BUILT
        assert document.waits_for is not None
        assert "the data to verify by cannot be had now" in document.waits_for
        assert "503" in document.waits_for
    async with published(line, pki, "archival_if_possible") as sealed:
        document = await sealed.until(await sealed.invoice("S-12"), Stage.DELIVERED)
        facts = document.facts[Stage.SEALED]
        assert facts["level"] == "B-T"
        assert "503" in facts["without_evidence"]


async def test_nothing_is_sealed_for_years_by_a_certificate_that_was_revoked(
    line: Line, pki: authority.Published
) -> None:
    pki.revoked[pki.sealer.certificate.serial_number] = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    async with published(line, pki, "long_term") as sealed:
        document = await sealed.until_tried(await sealed.invoice("S-13"))
        assert document.waits_for is not None
        assert "REVOKED" in document.waits_for


@pytest.mark.parametrize("syntax", ["ubl-invoice", "cii"])
async def test_an_original_in_xml_is_sealed_inside_or_beside(line: Line, pki: authority.Published, syntax: str) -> None:
    async with published(line, pki, "archival", original="as_submitted") as sealed:
        document = await sealed.until(await sealed.invoice("S-14", syntax=syntax), Stage.DELIVERED)
        facts = document.facts[Stage.SEALED]
        assert (facts["form"], facts["level"], facts["enveloped"]) == ("XAdES", "B-LT", syntax != "cii")
        shown = (await shapes.whole(sealed.resources, sealed.account, document))["seals"]
        assert shown["borne"] is None
        assert shown["set"]["form"] == "XAdES"
        assert shown["set"]["authority"] == "127.0.0.1"
        original = await sealed.read(document.id, Role.ORIGINAL)
        beside = original if syntax == "cii" else None
        seal = original if syntax != "cii" else await sealed.read(document.id, Role.SEAL)
        assert (await sealed.delivered())[0]["sha256"] == facts["sha256"]
        bundle = await proof.bundle(sealed.resources, sealed.account.id, document.id)
        assert len(bundle) > len(original)
    trust = Trust(pki.root.pem, pki.stamper_root.pem)
    reading = await asyncio.to_thread(xml_verdict.verify, seal, trust, datetime.now(UTC), beside=beside)
    assert (reading.verdict.indication, reading.verdict.level) == (Indication.PASSED, "B-LT"), reading


@pytest.mark.parametrize("named", ["", "qualified"])
async def test_a_qualified_certificate_is_waited_for_where_it_is_asked(
    line: Line, clock_tower: dict[str, Any], named: str
) -> None:
    told = statements("qc_compliance", "qc_sscd", "seal") if named else b""
    key = authority.seal_key(authority.person("Qualified", authority.root(), statements=told))
    resources = replace(line.resources, sealer=Sealer(KeyFile(key)))
    account = await open_account(line.pool, "Qualified", french=True, seal="seal", qualified=True)
    sealed = Line(resources, Worker(resources, 4), account, line.platform_url)
    document_id = await sealed.invoice("S-15")
    if named:
        document = await sealed.until(document_id, Stage.DELIVERED)
        assert document.facts[Stage.SEALED]["level"] == "B-B"
    else:
        document = await sealed.until_tried(document_id)
        assert document.waits_for is not None
        assert "qualified certificate" in document.waits_for
        assert "QcCompliance" in document.waits_for


@pytest.mark.parametrize("mood", ["good", "stranger", "broken"])
async def test_what_the_seal_of_a_submission_is_worth_is_told(
    line: Line, clock_tower: dict[str, Any], mood: str
) -> None:
    resources = replace(line.resources, trust=TRUST if mood != "stranger" else Trust())
    own = Line(resources, Worker(resources, 4), line.account, line.platform_url)
    invoice = demo_invoices.written(demo_invoices.invoice("S-16", demo_invoices.buyer_that_accepts()), "ubl-invoice")
    data = seal_xml(invoice, at=datetime.now(UTC).replace(microsecond=0))
    if mood == "broken":
        data = data.replace(b"<cbc:ID>S-16<", b"<cbc:ID>S-17<")
    document = await own.until(await own.submit(data, "ubl-invoice", "application/xml"), Stage.DELIVERED)
    borne = document.facts[Stage.SEALED]["borne"]
    wanted = {"good": "passed", "stranger": "indeterminate", "broken": "failed"}[mood]
    assert borne["indication"] == wanted
    shown = (await shapes.whole(own.resources, own.account, document))["seals"]
    assert shown == {"borne": borne, "set": None}
    verdict = json.loads(await own.read(document.id, Role.VERDICT))
    assert verdict["indication"] == wanted
    assert [one["number"] for one in verdict["checks"]][:1] == [1]
    assert (document.halted is not None) == (mood == "broken")
    if mood == "broken":
        assert "seal that does not hold" in (document.halted or "")
        assert not await own.delivered()


async def test_a_mark_is_seen_only_where_it_is_asked_for(line: Line) -> None:
    resources = replace(line.resources, sealer=Sealer(KeyFile(authority.seal_key())))
    for visible in (False, True):
        account = await open_account(line.pool, f"Seen {visible}", french=True, seal="seal", visible=visible)
        sealed = Line(resources, Worker(resources, 4), account, line.platform_url)
        document = await sealed.until(await sealed.invoice("S-20"), Stage.DELIVERED)
        original = await sealed.read(document.id, Role.ORIGINAL)
        assert (await asyncio.to_thread(verify, original, TRUST, datetime.now(UTC))).indication is Indication.PASSED
        with pikepdf.open(io.BytesIO(original)) as opened:
            (seal,) = opened.Root.AcroForm.Fields
            left, bottom, right, top = (float(edge) for edge in seal.Rect)
        assert (right > left and top > bottom) == visible
        if visible:
            assert "Atelier des Tilleuls seal" in str(seal.TU)
