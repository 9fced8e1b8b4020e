"""A whole line for the tests: real database, real worker process, the simulated platform on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web

from adapters import catalogue
from adapters.platform import server as platform_server
from gateway.chores import collect
from gateway.clock import SystemClock
from gateway.commands import demo_invoices
from gateway.compute import Compute
from gateway.lifecycle import Kept, Role, Stage
from gateway.resources import Resources
from gateway.store import documents
from gateway.store.accounts import Account
from gateway.store.documents import Document, EventRow
from gateway.store.identifiers import new_id
from gateway.store.journal import Submission, admit
from gateway.store.pool import Pool
from gateway.worker import Worker
from tests.bench.stage import free_port
from tests.gateway.ground import NOTARY, open_account

PACE = 0.05
"""Seconds between two statuses of a simulated buyer."""


@dataclass
class Line:
    """What a test of the line plays with."""

    resources: Resources
    worker: Worker
    account: Account
    platform_url: str

    @property
    def pool(self) -> Pool:
        """The database."""
        return self.resources.pool

    async def submit(self, data: bytes, format_: str, media_type: str, *, key: str | None = None) -> UUID:
        """Admit a submission as the API does after its door."""
        now = self.resources.clock.now()
        kept = (Kept(Role.SUBMISSION, media_type, data),)
        submission = Submission(
            self.account.id, new_id(now), self.account.participants[0], format_, kept, now, key, b"\0" * 32
        )
        return (await admit(self.pool, submission)).document_id

    async def invoice(self, number: str, siren: str = "100000207", syntax: str = "cii") -> UUID:
        """Submit an invoice of the demo's seller to a simulated buyer."""
        buyer = demo_invoices.buyer_that_accepts()
        buyer["legal_id"]["value"] = buyer["endpoint"]["value"] = siren
        members = demo_invoices.invoice(number, buyer)
        if syntax == "json":
            return await self.submit(json.dumps(members).encode(), "json", "application/json")
        return await self.submit(demo_invoices.written(members, syntax), syntax, "application/xml")

    async def show(self, document_id: UUID) -> Document:
        """Where the document stands."""
        async with self.pool.account(self.account.id) as connection:
            return await documents.get(connection, document_id)

    async def events(self, document_id: UUID) -> tuple[EventRow, ...]:
        """What it went through."""
        async with self.pool.account(self.account.id) as connection:
            return await documents.events(connection, document_id)

    async def read(self, document_id: UUID, role: Role) -> bytes:
        """A content of the document."""
        reference = (await self.show(document_id)).content(role)
        assert reference is not None
        async with self.pool.account(self.account.id) as connection:
            return await documents.read(connection, reference.sha256)

    async def work(self) -> None:
        """Run what is due, collect once, run what that woke."""
        await self.worker.drain()
        for network in self.resources.networks.all:
            await collect(self.resources, network, lambda: None)
        await self.worker.drain()

    async def until(self, document_id: UUID, stage: Stage | None = None, status: str | None = None) -> Document:
        """Work and collect until the document has come there, halts, or a minute has gone."""
        async with asyncio.timeout(60):
            while True:
                await self.work()
                document = await self.show(document_id)
                reached = (stage is None or document.stage.reaches(stage)) and (
                    status is None or document.status == status
                )
                if reached or document.halted:
                    return document
                await asyncio.sleep(PACE)

    async def until_tried(self, document_id: UUID) -> Document:
        """Work and collect a few times over, then tell where the document stands."""
        for _ in range(4):
            await self.worker.drain()
            for network in self.resources.networks.all:
                await collect(self.resources, network, lambda: None)
            await asyncio.sleep(PACE)
        await self.worker.drain()
        return await self.show(document_id)

    async def delivered(self) -> list[dict[str, Any]]:
        """What the platform received."""
        address = f"{self.platform_url}/simulator/deliveries"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            found: list[dict[str, Any]] = (await answer.json())["deliveries"]
        return found


@pytest.fixture(scope="session")
def compute() -> Any:
    """Worker processes, shared by the tests of one process: they are pure."""
    made = Compute(1, timeout=60)
    yield made
    made.close()


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """The simulated platform on a real socket; its address and credentials."""
    async with running_platform(tmp_path / "platform") as url:
        yield url, json.loads((tmp_path / "platform" / "credentials.json").read_text())


@asynccontextmanager
async def running_platform(folder: Path, companies: Sequence[str] = ()) -> AsyncIterator[str]:
    """A simulated platform on a real socket, whose clients' credentials are in its folder; its address."""
    port = free_port()
    manners = platform_server.Manners(pace=PACE, silence=0.5)
    runner = web.AppRunner(platform_server.create(folder, manners, companies=companies))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def line(
    pool: Pool, compute: Compute, platform: tuple[str, dict[str, str]], tmp_path: Path
) -> AsyncIterator[Line]:
    """A line that delivers to the platform."""
    url, credentials = platform
    async with open_line(pool, compute, url, credentials, tmp_path / "secret") as opened:
        yield opened


def client_settings(url: str, credentials: dict[str, str], secret: Path) -> dict[str, str]:
    """The environment of a client of a platform's Flow Service; its secret goes into the file `secret`."""
    secret.touch(mode=0o600)
    secret.write_text(credentials["client_secret"])
    return {
        "ESTAFETTE_AFNOR_URL": f"{url}/afnor-flow",
        "ESTAFETTE_AFNOR_TOKEN_URL": f"{url}/oauth2/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": credentials["client_id"],
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(secret),
        "ESTAFETTE_EGRESS_ALLOW": url.removeprefix("http://"),
    }


@asynccontextmanager
async def open_line(
    pool: Pool, compute: Compute, url: str, credentials: dict[str, str], secret: Path, *, siren: str = "100000108"
) -> AsyncIterator[Line]:
    """A line over a database for one company, a client of a platform; its secret goes into the file `secret`."""
    environment = client_settings(url, credentials, secret)
    networks, problems = catalogue.build(environment, lambda: datetime.now(UTC))
    assert not problems
    resources = Resources(pool, networks, SystemClock(), compute, NOTARY)
    account = replace(await open_account(pool, french=True, siren=siren), participants=(siren,))
    try:
        yield Line(resources, Worker(resources, 4), account, url)
    finally:
        for network in networks.all:
            await network.close()
