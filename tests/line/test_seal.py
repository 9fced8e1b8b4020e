"""Seals on the line: set as the account asks, with a timestamp when one can be had, and never missing in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from adapters import catalogue
from adapters.key_file import KeyFile
from gateway import proof
from gateway.lifecycle import Role, Stage
from gateway.resources import Sealer
from gateway.worker import Worker
from schemas.formats.facturx.extract import extract
from signing.pdf_verdict import verify
from signing.trust import Trust
from signing.verdict import Indication
from tests.bench.stage import free_port
from tests.gateway.ground import open_account
from tests.line.conftest import Line
from tests.signing import authority

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
    line: Line, clock_tower: dict[str, Any], policy: str, level: str
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
    assert len(await proof.bundle(sealed.resources, sealed.account.id, document.id)) > len(original)


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
