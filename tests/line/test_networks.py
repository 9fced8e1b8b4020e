"""The networks beside the platform, through the whole line: what goes out is told of, what comes in is kept once."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from uuid import UUID

import pytest

from adapters import catalogue
from gateway.clock import SystemClock
from gateway.commands import demo_invoices
from gateway.compute import Compute
from gateway.lifecycle import Role, Stage
from gateway.resources import Resources
from gateway.store import arrivals
from gateway.store.pool import Pool
from gateway.worker import Worker
from tests.adapters.harnesses import Mailbox, message, push_server, sftp_server, written
from tests.adapters.imap_server import Box, serve
from tests.adapters.test_message import delivery, report
from tests.gateway.ground import NOTARY, open_account
from tests.line.conftest import Line
from tests.line.test_inbound import inbox
from tests.line.test_inbound_folder import ATTACKS, bomb
from tests.line.test_inbound_folder import invoice as incoming

BUYER = "100000207"


@pytest.fixture
async def opened(pool: Pool, compute: Compute) -> AsyncIterator[Callable[..., Awaitable[Line]]]:
    """Opens lines over the networks of an environment; closes them afterwards."""
    async with AsyncExitStack() as stack:

        async def start(environment: dict[str, str], siren: str = "100000108", *, french: bool = False) -> Line:
            ahead = timedelta(seconds=3)
            networks, problems = catalogue.build(environment, lambda: datetime.now(UTC) + ahead)
            assert not problems
            for network in networks.all:
                stack.push_async_callback(network.close)
            resources = Resources(pool, networks, SystemClock(), compute, NOTARY)
            account = await open_account(pool, french=french, siren=siren)
            return Line(resources, Worker(resources, 4), account, "")

        yield start


@pytest.fixture
async def smtp() -> AsyncIterator[tuple[Mailbox, dict[str, str]]]:
    """A mail server, and the settings for it."""
    kept = Mailbox()
    async with kept.serving() as port:
        settings = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "none", "FROM": "factures@example.com"}
        yield kept, {f"ESTAFETTE_MAIL_{name}": value for name, value in settings.items()}


@pytest.fixture
async def imap(tmp_path: Path) -> AsyncIterator[tuple[Box, dict[str, str]]]:
    """A mailbox, and the settings for it."""
    box = Box()
    async with serve(box) as port:
        secret = written(tmp_path / "imap-password", box.password)
        settings = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "none", "USER": "me", "PASSWORD_FILE": str(secret)}
        yield box, {f"ESTAFETTE_IMAP_{name}": value for name, value in settings.items()}


async def sent_to(line: Line, scheme: str, value: str, number: str = "F-1") -> UUID:
    """An invoice for a buyer at this address."""
    buyer = demo_invoices.buyer_that_accepts()
    buyer["endpoint"] = {"scheme": scheme, "value": value}
    return await line.submit(
        demo_invoices.written(demo_invoices.invoice(number, buyer), "cii"), "cii", "application/xml"
    )


async def statuses(line: Line, document: UUID) -> list[tuple[str, str, tuple[str, ...]]]:
    """What was said of a document: status, by whom, why."""
    return [
        (one.facts["status"], one.facts["source"], tuple(one.facts.get("reasons", ())))
        for one in await line.events(document)
        if one.outcome == "status"
    ]


async def test_a_bounce_ends_the_document_with_its_code(opened, smtp, imap):
    (kept, out), (box, back) = smtp, imap
    line = await opened(out | back)
    document = await sent_to(line, "EM", "good@example.org")
    await line.work()
    assert (await line.show(document)).stage.reaches(Stage.DELIVERED)
    mailed = message_from_bytes(kept.kept[0])
    head = f"Message-ID: {mailed['Message-ID']}\r\nSubject: x\r\n".encode()
    box.put(bounce := report("message/delivery-status", delivery("failed", "5.1.1", "550 no", envelope=""), third=head))
    await line.work()
    shown = await line.show(document)
    assert shown.halted == "refused by the platform"
    assert await statuses(line, document) == [("not_admitted", "mail", ("DSN-5.1.1",))]
    assert await line.read(document, Role.STATUS) == bounce
    await line.work()
    assert len(await statuses(line, document)) == 1
    assert len(box.folders["Estafette"]) == 1


async def test_delayed_then_delivered_is_told_and_ends_nothing(opened, smtp, imap):
    (kept, out), (box, back) = smtp, imap
    line = await opened(out | back)
    document = await sent_to(line, "EM", "good@example.org")
    await line.work()
    id = str(message_from_bytes(kept.kept[0])["Message-ID"]).strip("<>").partition("@")[0]
    for action, code in (("delayed", "4.4.1"), ("delivered", "2.0.0")):
        box.put(report("message/delivery-status", delivery(action, code, envelope=id)))
        await line.work()
    receipt = f"Original-Message-ID: <{id}@example.com>\nDisposition: manual-action/MDN-sent-manually; displayed\n"
    box.put(report("message/disposition-notification", receipt))
    await line.work()
    assert await statuses(line, document) == [
        ("pending", "mail", ("DSN-DELAYED",)),
        ("admitted", "mail", ()),
        ("admitted", "mail", ()),
    ]
    assert (await line.show(document)).halted is None


async def test_a_report_on_nothing_of_ours_waits_for_a_person(opened, smtp, imap):
    (_, out), (box, back) = smtp, imap
    line = await opened(out | back)
    box.put(report("message/delivery-status", delivery("failed", "5.1.1", envelope=str(UUID(int=7)))))
    box.put(report("message/delivery-status", delivery("failed", "5.1.1", envelope="")))
    await line.work()
    assert len(await arrivals.waiting(line.pool, statuses=True)) == 2
    assert await arrivals.waiting(line.pool) == []


async def test_a_report_in_a_folder_is_told_with_the_document(opened, smtp, tmp_path):
    kept, out = smtp
    (tmp_path / "in").mkdir()
    line = await opened(out | {"ESTAFETTE_FOLDER_IN": str(tmp_path / "in")})
    document = await sent_to(line, "EM", "good@example.org")
    await line.work()
    id = str(message_from_bytes(kept.kept[0])["Message-ID"]).strip("<>").partition("@")[0]
    (tmp_path / "in" / "bounce.eml").write_bytes(
        report("message/delivery-status", delivery("failed", "5.7.1", "550 spam", envelope=id))
    )
    await line.work()
    assert await statuses(line, document) == [("not_admitted", "drop", ("DSN-5.7.1",))]


async def test_invoices_by_e_mail_come_once_and_hostile_ones_wait(opened, imap):
    box, back = imap
    line = await opened(back, BUYER)
    attacks = sorted(path for path in ATTACKS.iterdir() if path.is_file())
    for path in attacks:
        box.put(bytes(message((f"../../{path.name}", "application/xml", path.read_bytes()))))
    box.put(bytes(message(("bomb.zip", "application/zip", bomb()))))
    box.put(bytes(message(("smime.p7m", "application/pkcs7-mime", b"\x30\x80"))))
    box.put(bytes(message(("F-1.xml", "application/xml", incoming("F-1")), ("F-2.xml", "text/xml", incoming("F-2")))))
    await line.work()
    await line.work()
    assert sorted(one.number or "" for one in await inbox(line)) == ["F-1", "F-2"]
    waiting = await arrivals.waiting(line.pool)
    assert len(waiting) == len(attacks) + 2
    assert {"[archive] Facture.eml", "[S_MIME] Facture.eml"} <= {one.name for one in waiting}
    assert not box.folders["INBOX"]
    assert len(box.folders["Estafette"]) == len(attacks) + 3


async def test_there_and_back_over_sftp(opened, tmp_path):
    async with sftp_server(tmp_path) as server:
        settings = server.settings
        line = await opened(
            {
                "ESTAFETTE_SFTP_HOST": settings.host,
                "ESTAFETTE_SFTP_PORT": str(settings.port),
                "ESTAFETTE_SFTP_USER": settings.user,
                "ESTAFETTE_SFTP_KEY_FILE": str(settings.key_file),
                "ESTAFETTE_SFTP_KNOWN_HOSTS_FILE": str(settings.known_hosts_file),
                "ESTAFETTE_SFTP_IN": "/in",
                "ESTAFETTE_SFTP_OUT": "/out",
                "ESTAFETTE_SFTP_SCHEMES": "0225",
                "ESTAFETTE_EGRESS_ALLOW": f"127.0.0.1:{settings.port}",
            }
        )
        document = await sent_to(line, "0225", BUYER)
        (server.root / "in" / "F-9.xml").write_bytes(incoming("F-9", siren="100000108"))
        (server.root / "in" / "bomb.zip").write_bytes(bomb())
        await line.work()
        await line.work()
        shown = await line.show(document)
        assert (shown.stage, shown.halted) == (Stage.ACKNOWLEDGED, None)
        (path,) = (server.root / "out").iterdir()
        assert path.read_bytes() == await line.read(document, Role.ORIGINAL)
        assert [one.number for one in await inbox(line)] == ["F-9"]
        assert (server.root / "in" / "done").exists()


async def test_a_push_is_a_delivery_with_its_receipt(opened, tmp_path):
    async with push_server(tmp_path, 0) as harness:
        line = await opened(
            {
                "ESTAFETTE_PUSH_URL": harness.settings.url,
                "ESTAFETTE_PUSH_SECRET_FILE": str(harness.settings.secret_file),
                "ESTAFETTE_PUSH_SCHEMES": "0088",
                "ESTAFETTE_EGRESS_ALLOW": ",".join(harness.settings.allow),
            }
        )
        taken, refused = await sent_to(line, "0088", "3700000000011"), await sent_to(line, "0088", "refused", "F-2")
        await line.work()
        assert list(harness.receiver.kept.values()) == [await line.read(taken, Role.ORIGINAL)]
        assert (await line.show(taken)).stage is Stage.ACKNOWLEDGED
        assert base64.b64decode(harness.receiver.heads[0]["content-digest"][9:-1])
        shown = await line.show(refused)
        assert (shown.halted or "").startswith("refused by the network")
