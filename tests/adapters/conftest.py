"""The simulated platform on loopback, and a gateway's view of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from adapters.afnor import Afnor, Settings
from adapters.platform import server
from adapters.port import Consignment, ElectronicAddress, Route

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
INVOICE = (SAMPLES / "cii" / "invoice-simple.xml").read_bytes()
BUYER, NUMBER = b"812046373", b"QV-2026-0142"


def now() -> datetime:
    """The time of the machine: the platform and its client share it."""
    return datetime.now(UTC)


def invoice(buyer: str = "100000207", number: str = "F-1") -> bytes:
    """A CII invoice for one of the platform's buyers."""
    assert BUYER in INVOICE
    assert NUMBER in INVOICE
    return INVOICE.replace(BUYER, buyer.encode()).replace(NUMBER, number.encode())


def consignment(
    buyer: str = "100000207", number: str = "F-1", *, repeated: bool = False, data: bytes | None = None
) -> Consignment:
    """An invoice as the line hands it over: the id is derived from what it is."""
    data = invoice(buyer, number) if data is None else data
    digest = sha256(data).hexdigest()
    return Consignment(
        id=f"c-{digest[:30]}",
        route=Route("afnor", ElectronicAddress("0225", buyer), "a test"),
        name=f"{number} é.xml",
        syntax="CII",
        media_type="application/xml",
        data=data,
        sha256=digest,
        organization="523847192",
        subject=f"Facture {number} de Menuiserie des Quatre Vents",
        repeated=repeated,
        profile="CIUS",
    )


@dataclass
class Running:
    """A platform that listens, and what a client needs to speak to it."""

    folder: Path
    url: str
    settings: Settings
    runner: web.AppRunner
    clients: list[Afnor] = field(default_factory=list)

    def client(self, company: str = "", **changes: object) -> Afnor:
        """A new client, closed with the platform; `company`: SIREN of whom it is."""
        settings = self._settings_of(company) if company else self.settings
        made = Afnor(replace(settings, **changes), now)  # type: ignore[arg-type]
        self.clients.append(made)
        return made

    def _settings_of(self, company: str) -> Settings:
        known = json.loads((self.folder / f"company-{company}.json").read_text(encoding="utf-8"))
        secret = self.folder.parent / f"{self.folder.name}-{company}"
        if not secret.exists():
            secret.touch(mode=0o600)
            secret.write_text(known["client_secret"], encoding="utf-8")
        return replace(self.settings, client_id=known["client_id"], secret_file=secret)

    async def deliveries(self) -> list[dict[str, object]]:
        """What the platform received."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/simulator/deliveries") as answer,
        ):
            return list((await answer.json())["deliveries"])

    async def stop(self) -> None:
        """End it, and its clients."""
        for client in self.clients:
            await client.close()
        await self.runner.cleanup()


async def start(
    folder: Path, manners: server.Manners, *, seconds: float = 5.0, companies: Sequence[str] = ()
) -> Running:
    """Start a platform on a free port of loopback."""
    application = server.create(folder, manners, companies=companies)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    known = json.loads((folder / "credentials.json").read_text(encoding="utf-8"))
    secret = folder.parent / f"{folder.name}-secret"
    secret.touch(mode=0o600)
    secret.write_text(known["client_secret"], encoding="utf-8")
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        url=f"{url}/afnor-flow",
        token_url=f"{url}/oauth2/token",
        client_id=known["client_id"],
        secret_file=secret,
        allow=frozenset({f"127.0.0.1:{port}"}),
        seconds=seconds,
    )
    return Running(folder, url, settings, runner)


@pytest.fixture
async def start_platform(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """Starts platforms (keyword arguments are Manners, and `seconds` the client's patience); ends them afterwards."""
    async with AsyncExitStack() as stack:

        async def begin(
            *, folder: str = "platform", seconds: float = 5.0, companies: Sequence[str] = (), **manners: object
        ) -> Running:
            turned = server.Manners(**{"pace": 0.0, "silence": 1.0, "retry_after": 7, **manners})  # type: ignore[arg-type]
            running = await start(tmp_path / folder, turned, seconds=seconds, companies=companies)
            stack.push_async_callback(running.stop)
            return running

        yield begin


@pytest.fixture
async def platform(start_platform: Callable[..., Awaitable[Running]]) -> Running:
    """A platform whose statuses come at once."""
    return await start_platform()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of its own for 127.0.0.1; key and certificate in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        [*command.split(), "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem"],
        check=True,
        capture_output=True,
    )
    return tmp_path / "certificate.pem"
