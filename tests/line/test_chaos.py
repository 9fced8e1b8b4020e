"""Exactly once under chaos, in the test run: a platform that does everything wrong, in virtual time, from a seed.

The whole bench (ten thousand documents, workers killed with SIGKILL) is `make bench-chaos`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import web

from adapters import catalogue
from adapters.platform import server
from adapters.platform.chaos import CHANCES, LIMIT, Chaos, Fault
from gateway.audit import audit_account
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.lifecycle import Role, Stage
from gateway.resources import Resources
from gateway.store import tasks
from gateway.store.pool import Pool
from gateway.worker import Worker
from schemas.formats import cdar
from tests.bench.chaos import ENDS, POISON, SELLERS
from tests.gateway.ground import NOTARY, open_account
from tests.line.conftest import Line, client_settings

STEP = timedelta(seconds=4)
"""Virtual time between two rounds of work."""


@dataclass
class Chaotic:
    """A line, a platform of chaos, and the clock that both go by."""

    line: Line
    clock: SettableClock
    chaos: Chaos
    folder: Path

    async def round(self, step: timedelta = STEP) -> None:
        """Work, collect, and let time pass."""
        await self.line.work()
        self.clock.advance(step)

    async def taken(self) -> dict[str, set[str]]:
        """SHA-256 of each content that the platform has → the ids it came under."""
        found: dict[str, set[str]] = {}
        for one in await self.line.delivered():
            found.setdefault(one["sha256"], set()).add(one["trackingId"])
        return found


@pytest.fixture
async def chaotic(
    pool: Pool, compute: Compute, tmp_path: Path, clock: SettableClock, request: pytest.FixtureRequest
) -> AsyncIterator[Chaotic]:
    chaos = Chaos(request.param, silence=0.02)
    manners = server.Manners(pace=1.0, now=clock.now, silence=0.02, token_seconds=30, chaos=chaos)
    runner = web.AppRunner(server.create(tmp_path / "platform", manners), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    credentials = json.loads((tmp_path / "platform" / "credentials.json").read_text())
    environment = client_settings(url, credentials, tmp_path / "secret") | {"ESTAFETTE_AFNOR_SECONDS": "5"}
    networks, problems = catalogue.build(environment, clock.now)
    assert not problems
    resources = Resources(pool, networks, clock, compute, NOTARY)
    account = await open_account(pool, original="as_submitted", siren=SELLERS[0])
    yield Chaotic(Line(resources, Worker(resources, 4), account, url), clock, chaos, tmp_path)
    for network in networks.all:
        await network.close()
    await runner.cleanup()


@pytest.mark.slow
@pytest.mark.parametrize("chaotic", [7, 2026], indirect=True)
async def test_nothing_is_lost_doubled_or_misreported(chaotic: Chaotic) -> None:
    line = chaotic.line
    buyers = [siren for siren in ENDS for _ in range(2)]
    sent: dict[UUID, str] = {}
    for number, siren in enumerate(buyers):
        sent[await line.invoice(f"C-{number}", siren)] = siren
        if number == len(buyers) // 3:
            poisoned = await line.invoice("C-POISON", POISON)
        if number % 8 == 0:  # a worker that dies with what it took: its leases run out
            await tasks.claim(line.pool, chaotic.clock.now(), 3)
        await chaotic.round()
    for _ in range(200):
        shown = {document: await line.show(document) for document in sent}
        if all(_at_its_end(shown[one].status, shown[one].halted, siren) for one, siren in sent.items()):
            break
        await chaotic.round(10 * STEP)
    taken = await chaotic.taken()
    for document, siren in sent.items():
        now, (_, end) = shown[document], ENDS[siren]
        assert _at_its_end(now.status, now.halted, siren), (siren, now.stage, now.status, now.halted)
        assert (now.halted or "").startswith(end.halted) if end.halted else now.halted is None, (siren, now.halted)
        original = now.content(Role.ORIGINAL)
        assert original is not None
        assert (original.sha256 in taken) == end.delivered, siren
        assert now.stage.reaches(Stage.DELIVERED) <= (original.sha256 in taken), siren
    assert all(len(ids) == 1 for ids in taken.values()), "each content bears one id, however often it came"
    waiting = await line.show(poisoned)
    assert (waiting.stage, waiting.halted) == (Stage.ROUTED, None), "the poisoned one waits, and nobody for it"
    assert sum(chaotic.chaos.struck.values()) > 50, chaotic.chaos.struck
    audited = await audit_account(line.pool, line.account.id)
    assert audited.clean, audited


def _at_its_end(status: str | None, halted: str | None, siren: str) -> bool:
    end = ENDS[siren][1]
    return halted is not None if end.halted else status == cdar.status_of(end.code).name


def test_a_seed_meets_the_same_faults_in_whatever_order() -> None:
    asked = [(fault, f"thing {n % 50}") for fault in Fault for n in range(200)]
    first, second = Chaos(11), Chaos(11)
    told = {one: first.strikes(*one) for one in dict.fromkeys(asked)}
    assert told == {one: second.strikes(*one) for one in reversed(dict.fromkeys(asked))}
    other = Chaos(12)
    assert told != {one: other.strikes(*one) for one in dict.fromkeys(asked)}
    for fault, thing in asked:
        first.strikes(fault, thing)
    always = Chaos(1, dict.fromkeys(CHANCES, 1.0))
    assert sum(always.strikes(Fault.CUT, "one") for _ in range(20)) == LIMIT, "who goes on gets through"
