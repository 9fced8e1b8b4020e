"""The contract suite, run against the simulated platform and against a real mail server."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from typing import ClassVar

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.afnor import Afnor
from adapters.mail import Mail, Settings
from adapters.port import Consignment, ElectronicAddress, Network, Route
from tests.adapters.conftest import Running, consignment, now
from tests.adapters.contract import SUITE, Harness

numbers = itertools.count(1)


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class PlatformHarness:
    """The AFNOR client and the simulated platform."""

    running: Running
    network: Network = field(init=False)
    served: ClassVar[ElectronicAddress] = ElectronicAddress("0225", "100000207")
    foreign: ClassVar[ElectronicAddress] = ElectronicAddress("EM", "buyer@example.org")

    def __post_init__(self) -> None:
        self.network = self.running.client()

    def _for(self, buyer: str) -> Consignment:
        return consignment(buyer, f"F-{next(numbers)}")

    def good(self) -> Consignment:
        return self._for("100000207")

    def silent(self) -> Consignment:
        return self._for("100000249")

    def refused(self) -> Consignment:
        return self._for("100000322")

    def busy(self) -> Consignment:
        return self._for("100000256")

    async def received(self, consignment: Consignment) -> Sequence[str]:
        return [str(d["trackingId"]) for d in await self.running.deliveries() if d["sha256"] == consignment.sha256]

    def twin(self) -> Network:
        return self.running.client()

    def without_server(self) -> Network:
        port = closed_port()
        base = f"http://127.0.0.1:{port}"
        allow = frozenset({f"127.0.0.1:{port}"})
        return Afnor(replace(self.running.settings, url=base, token_url=f"{base}/token", allow=allow), now)


class Mailbox:
    """A mail server's handler that meets each recipient with the fate its name asks for."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        fate = address.partition("@")[0]
        if fate == "refused":
            return "550 5.1.1 no such mailbox"
        if fate == "busy":
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.kept.append(bytes(envelope.content or b""))
        if envelope.rcpt_tos[0].startswith("silent@") and len(self.kept) == 1:
            assert server.transport is not None
            server.transport.abort()
        return "250 2.0.0 kept"


@dataclass
class MailHarness:
    """The mail client and a mail server."""

    port: int
    box: Mailbox
    network: Network = field(init=False)
    served: ClassVar[ElectronicAddress] = ElectronicAddress("EM", "good@example.org")
    foreign: ClassVar[ElectronicAddress] = ElectronicAddress("0225", "100000207")

    def __post_init__(self) -> None:
        self.network = self._at(self.port)

    def _at(self, port: int) -> Mail:
        return Mail(Settings("127.0.0.1", port, "factures@example.com", tls="none", seconds=5.0), now)

    def _for(self, fate: str) -> Consignment:
        route = Route("mail", ElectronicAddress("EM", f"{fate}@example.org"), "a test")
        return replace(consignment(number=f"M-{next(numbers)}"), route=route)

    def good(self) -> Consignment:
        return self._for("good")

    def silent(self) -> Consignment:
        return self._for("silent")

    def refused(self) -> Consignment:
        return self._for("refused")

    def busy(self) -> Consignment:
        return self._for("busy")

    async def received(self, consignment: Consignment) -> Sequence[str]:
        ids = [str(message_from_bytes(data)["Message-ID"]) for data in self.box.kept]
        return list(dict.fromkeys(id for id in ids if consignment.id in id))

    def twin(self) -> Network:
        return self._at(self.port)

    def without_server(self) -> Network:
        return self._at(closed_port())


@pytest.fixture(params=["afnor", "mail"])
async def harness(
    request: pytest.FixtureRequest, start_platform: Callable[..., Awaitable[Running]]
) -> AsyncIterator[Harness]:
    """Each adapter with its server."""
    if request.param == "afnor":
        yield PlatformHarness(await start_platform(silence=0.1))
        return
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    yield MailHarness(server.sockets[0].getsockname()[1], box)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("rule", SUITE, ids=lambda rule: rule.__name__)
async def test_the_network_keeps_the_contract(harness: Harness, rule: Callable[[Harness], Awaitable[None]]) -> None:
    await rule(harness)
