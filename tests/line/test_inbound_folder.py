"""What is dropped into a folder: invoices become inbound documents once, hostile files wait harmless for a person."""

from __future__ import annotations

import asyncio
import io
import os
import zipfile
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from adapters import catalogue
from adapters.folder import PATIENCE
from adapters.port import Arrival, ArrivalKind
from gateway.audit import audit_account
from gateway.chores import collect
from gateway.clock import SystemClock
from gateway.commands import demo_invoices
from gateway.errors import Conflict, NotFound
from gateway.lifecycle import Role, Stage
from gateway.resources import Resources
from gateway.stages import receive
from gateway.store import accounts, arrivals, inbound
from gateway.store.documents import Document
from gateway.store.inbound import RECEIVED_TWICE, Taken
from gateway.worker import Worker
from tests.gateway.ground import NOON, NOTARY, open_account
from tests.line.conftest import Line
from tests.line.test_inbound import inbox

ATTACKS = Path(__file__).parent.parent / "samples" / "attacks"
BUYER = "100000207"


class Box:
    """A line whose network is a folder, for the buyer's gateway."""

    def __init__(self, line: Line, place: Path) -> None:
        self.line, self.place = line, place

    def drop(self, name: str, data: bytes) -> None:
        """Put a file there."""
        (self.place / name).write_bytes(data)

    async def work(self) -> None:
        """Collect, and run what is due."""
        for network in self.line.resources.networks.all:
            await collect(self.line.resources, network, lambda: None)
        await self.line.worker.drain()

    async def inbox(self) -> tuple[Document, ...]:
        """The inbound documents, newest first."""
        return await inbox(self.line)

    async def waiting(self) -> list[str]:
        """Names of what is nobody's."""
        return [one.name for one in await arrivals.waiting(self.line.pool)]


@pytest.fixture
async def box(pool, compute, tmp_path: Path) -> Box:
    """The buyer's gateway over a folder in which everything is old enough, whole or not."""
    place = tmp_path / "in"
    place.mkdir()
    ahead = PATIENCE + timedelta(seconds=1)
    networks, problems = catalogue.build({"ESTAFETTE_FOLDER_IN": str(place)}, lambda: datetime.now(UTC) + ahead)
    assert not problems
    resources = Resources(pool, networks, SystemClock(), compute, NOTARY)
    account = await open_account(pool, french=True, siren=BUYER)
    return Box(Line(resources, Worker(resources, 4), account, ""), place)


def invoice(number: str, syntax: str = "cii", siren: str = BUYER, **changes: object) -> bytes:
    """An invoice of the demo's seller."""
    buyer = demo_invoices.buyer_that_accepts()
    buyer["legal_id"]["value"] = buyer["endpoint"]["value"] = siren
    return demo_invoices.written({**demo_invoices.invoice(number, buyer), **changes}, syntax)


async def test_files_and_messages_become_inbound_documents_once(box: Box):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.org", "b@example.org", "Facture"
    message.set_content("Bonjour")
    message.add_attachment(invoice("F-2", "ubl-invoice"), maintype="application", subtype="xml", filename="F-2.xml")
    box.drop("F-1.xml", invoice("F-1"))
    box.drop("mail.eml", bytes(message))
    await box.work()
    await box.work()
    found = await box.inbox()
    assert {(one.number, one.stage, one.halted) for one in found} == {
        ("F-1", Stage.ROUTED, None),
        ("F-2", Stage.ROUTED, None),
    }
    assert await box.line.read(found[0].id, Role.ORIGINAL) in (invoice("F-1"), invoice("F-2", "ubl-invoice"))
    assert sorted(path.name for path in (box.place / "done").rglob("*.*")) == ["F-1.xml", "mail.eml"]


async def test_a_duplicate_is_told_whatever_its_bytes_and_its_validity(box: Box):
    box.drop("first.xml", invoice("F-1"))
    box.drop("broken.xml", invoice("F-2", currency="XXZ"))
    await box.work()
    box.drop("same-bytes.xml", invoice("F-1"))
    box.drop("broken-again.xml", invoice("F-2", currency="XXZ"))
    box.drop("same-number.xml", invoice("F-1", "ubl-invoice"))
    await box.work()
    found = await box.inbox()
    assert len(found) == 5
    assert [one.halted for one in found].count(RECEIVED_TWICE) == 3
    assert sorted(one.halted or "" for one in found if one.halted != RECEIVED_TWICE) == [
        "",
        "the document breaks rules",
    ]
    for one in found:
        halted = next((event for event in await box.line.events(one.id) if event.outcome == "halted"), None)
        if one.halted:
            assert halted is not None
            proposed = {"code": "210", "reason": "NON_CONFORME", "policy": "propose"}
            assert halted.facts.get("answer") == (None if one.halted == RECEIVED_TWICE else proposed)
        assert await box.line.read(one.id, Role.SUBMISSION)
    checked = await audit_account(box.line.pool, box.line.account.id)
    assert checked.clean, checked.complaints


async def test_a_duplicate_is_never_refused_because_that_would_refuse_the_first(box: Box):
    await accounts.answer_invalid(box.line.pool, box.line.account.id, "send")
    box.drop("first.xml", invoice("F-1"))
    await box.work()
    box.drop("same-bytes.xml", invoice("F-1"))
    box.drop("same-number.xml", invoice("F-1", "ubl-invoice"))
    box.drop("same-number-broken.xml", invoice("F-1", currency="XXZ"))
    await box.work()
    found = await box.inbox()
    assert [one.halted is None for one in found].count(True) == 1
    assert [one.status for one in found] == [None] * 4
    assert await said(box) == 0
    box.drop("broken.xml", invoice("F-2", currency="XXZ"))
    await box.work()
    assert await said(box) == 1
    assert {one.number for one in await box.inbox() if one.status == "refused"} == {"F-2"}


async def said(box: Box) -> int:
    """How many status messages the gateway has made by itself."""
    async with box.line.pool.account(box.line.account.id) as connection:
        return int(await connection.fetchval("select count(*) from emission"))


def bomb() -> bytes:
    """An archive of a hundred million zeros."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("invoice.xml", bytes(100_000_000))
    return packed.getvalue()


async def test_hostile_files_are_harmless_and_wait_for_a_person(box: Box):
    names = sorted(path.name for path in ATTACKS.iterdir() if path.is_file())
    for name in names:
        box.drop(name, (ATTACKS / name).read_bytes())
    box.drop("bomb.zip", bomb())
    box.drop("bomb.pdf", bomb())
    box.drop("nul\x01.xml", b"<a>\x00</a>")
    os.symlink("/etc/passwd", box.place / "passwd.xml")
    box.drop("good.xml", invoice("F-1"))
    await box.work()
    assert [one.number for one in await box.inbox()] == ["F-1"]  # none of the others delays it
    waiting = await box.waiting()
    assert len(waiting) == len(set(waiting)) >= len(names)
    assert "bomb.zip" in waiting
    assert "passwd.xml" not in waiting
    await box.work()
    assert await box.waiting() == waiting


async def test_a_person_assigns_what_cannot_be_read_and_it_ends_with_its_findings(box: Box):
    box.drop("entity-bomb.xml", (ATTACKS / "entity-bomb.xml").read_bytes())
    await box.work()
    (stray,) = await arrivals.waiting(box.line.pool)
    name = (stray.network, stray.network_id)
    with pytest.raises(Conflict):
        await receive.assign(name, box.line.account, "100000108", "operator:test", box.line.resources)
    await receive.assign(name, box.line.account, BUYER, "operator:test", box.line.resources)
    await box.line.worker.drain()
    (document,) = await box.inbox()
    assert (document.format, document.halted) == ("unknown", "the submission cannot be read")
    assert (await box.line.events(document.id))[0].facts["assigned_by"] == "operator:test"
    assert await box.waiting() == []
    with pytest.raises(NotFound):
        await receive.assign(name, box.line.account, BUYER, "operator:test", box.line.resources)


async def test_what_came_for_nobody_finds_its_account_when_there_is_one(box: Box):
    box.drop("F-1.xml", invoice("F-1", siren="100000363"))
    await box.work()
    (stray,) = await arrivals.waiting(box.line.pool)
    assert (stray.recipient, stray.reason) == ("100000363", "no account acts for its recipient")
    account = await open_account(box.line.pool, "Menuiserie", siren="100000363")
    await box.work()
    assert await box.waiting() == []
    taken = await inbound.taken(box.line.pool, stray.network, stray.network_id)
    assert taken is not None
    assert taken.account_id == account.id
    assert await box.inbox() == ()  # nothing of it in the other account


async def test_two_accounts_for_one_entity_are_no_answer(box: Box):
    await open_account(box.line.pool, "Another", siren=BUYER)
    box.drop("F-1.xml", invoice("F-1"))
    await box.work()
    (stray,) = await arrivals.waiting(box.line.pool)
    assert stray.reason == "several accounts act for its recipient"


async def test_a_self_billed_invoice_goes_to_its_seller(box: Box):
    members = demo_invoices.invoice("AF-1", demo_invoices.buyer_that_accepts())
    members["seller"], members["buyer"] = members["buyer"], members["seller"]
    members["type_code"] = "389"
    box.drop("AF-1.xml", demo_invoices.written(members, "cii"))
    await box.work()
    (document,) = await box.inbox()
    assert (document.seller, document.participant, document.type_code) == (BUYER, BUYER, "389")


async def test_one_arrival_makes_one_document_however_often_and_at_once_it_comes(box: Box):
    arrival = Arrival("flow-1", ArrivalKind.INVOICE, NOON, "application/xml", invoice("F-1"))
    taken = await asyncio.gather(
        *(receive.take(arrival, "afnor", box.line.resources) for _ in range(20)), return_exceptions=True
    )
    assert {one for one in taken if isinstance(one, Taken)}
    assert not [one for one in taken if not isinstance(one, Taken)]
    assert len({one.document_id for one in taken if isinstance(one, Taken)}) == 1
    for _ in range(3):
        await receive.take(arrival, "afnor", box.line.resources)
    assert len(await box.inbox()) == 1
