"""What others issue comes in once, is stored before it is judged, and walks the line: two gateways, one platform."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from adapters.port import ArrivalKind, Consignment, ElectronicAddress, Route
from gateway import answers
from gateway.answers import Asked, Wanted
from gateway.audit import Complaints, audit_account
from gateway.commands import demo_invoices
from gateway.lifecycle import Role, Stage
from gateway.rereading import By, reread
from gateway.store import accounts, arrivals, documents, seen
from gateway.store.documents import Document, Filter
from schemas.formats import cdar
from tests.line.conftest import PACE, Line, open_line, running_platform

BUYER = "100000207"


@dataclass
class Sides:
    """The seller's gateway and the buyer's, each with its own database, clients of one platform."""

    seller: Line
    buyer: Line

    async def came(self, *, number: str) -> Document:
        """Work on both sides until the buyer has an invoice of this number, or half a minute has gone."""
        async with asyncio.timeout(30):
            while True:
                for line in (self.seller, self.buyer):
                    await line.work()
                found = await inbox(self.buyer, number=number)
                if found and (found[0].halted or found[0].waits_for == "the account has not seen it yet"):
                    return found[0]
                await asyncio.sleep(PACE)


async def inbox(line: Line, *, number: str | None = None, unseen: bool | None = None) -> tuple[Document, ...]:
    """The inbound documents of a line, newest first."""
    async with line.pool.account(line.account.id) as connection:
        wanted = Filter(direction="inbound", number=number, seen=None if unseen is None else not unseen)
        return (await documents.page(connection, wanted, None, 100))[0]


async def look_at(line: Line, document_id: UUID, by: str = "estk_1") -> bool:
    """Say that the account has seen a document."""
    async with line.pool.account(line.account.id) as connection:
        return await seen.mark(connection, line.account.id, document_id, by, line.resources.clock.now())


@asynccontextmanager
async def _database(server) -> AsyncIterator[object]:
    name = f"{server.template}_other"
    await server.command(f"create database {name} template {server.template} strategy file_copy")
    pool = await server.pool(name)
    try:
        yield pool
    finally:
        await pool.close()
        await server.command(f"drop database {name} with (force)")


@pytest.fixture
async def sides(server, pool, compute, tmp_path: Path) -> AsyncIterator[Sides]:
    """Two gateways."""
    folder = tmp_path / "platform"
    async with running_platform(folder, [BUYER]) as url, _database(server) as other:
        mine = json.loads((folder / "credentials.json").read_text())
        theirs = json.loads((folder / f"company-{BUYER}.json").read_text())
        async with (
            open_line(pool, compute, url, mine, tmp_path / "mine") as seller,
            open_line(other, compute, url, theirs, tmp_path / "theirs", siren=BUYER) as buyer,
        ):
            yield Sides(seller, buyer)


@pytest.mark.parametrize("syntax", ["cii", "ubl-invoice"])
async def test_what_one_gateway_sends_comes_in_at_the_other(sides: Sides, syntax: str):
    sent = await sides.seller.invoice("FA-1", BUYER, syntax)
    document = await sides.came(number="FA-1")
    assert (document.direction, document.participant, document.seller) == ("inbound", BUYER, "100000108")
    assert document.stage is Stage.ROUTED
    assert await sides.buyer.read(document.id, Role.ORIGINAL) == await sides.seller.read(sent, Role.ORIGINAL)
    events = await sides.buyer.events(document.id)
    told = {str(event.stage): (event.outcome, event.facts.get("reason")) for event in events}
    assert told["built"] == ("skipped", "what is received is never rewritten")
    assert told["archived"][0] == "done"
    assert told["routed"] == ("skipped", "it is for the account itself")
    assert events[0].facts["network"] == "afnor"

    assert (await sides.seller.until(sent, status="made_available")).status == "made_available"
    for _ in range(3):
        await sides.buyer.work()
    assert len(await inbox(sides.buyer)) == 1

    assert [one.id for one in await inbox(sides.buyer, unseen=True)] == [document.id]
    assert await look_at(sides.buyer, document.id)
    assert not await look_at(sides.buyer, document.id)
    await sides.buyer.worker.drain()
    document = await sides.buyer.show(document.id)
    assert (document.stage, document.seen_by) == (Stage.DELIVERED, "estk_1")
    assert document.waits_for == "the account has not decided on it yet"
    assert await inbox(sides.buyer, unseen=True) == ()
    for line in sides.seller, sides.buyer:
        checked = await audit_account(line.pool, line.account.id)
        assert checked.clean, checked.complaints
        complaints = Complaints()
        found = await reread(line.pool, line.account.id, By(), complaints.add, lambda _done: None)
        assert (found.documents, complaints.told()) == (1, ())


async def say(line: Line, document_id: UUID, code: str) -> UUID:
    """Say a status of a document, as the API does."""
    wanted, asked = Wanted(cdar.status_of(code)), Asked("estk_1", None, b"\0" * 32)
    return (await answers.answer(wanted, document_id, asked, line.account, line.resources)).message


async def both_until(sides: Sides, sent: UUID, status: str) -> Document:
    """Work on both sides until the seller's document shows a status, or half a minute has gone."""
    async with asyncio.timeout(30):
        while True:
            for line in (sides.buyer, sides.seller):
                await line.work()
            document = await sides.seller.show(sent)
            if document.status == status:
                return document
            await asyncio.sleep(PACE)


async def test_the_buyer_approves_and_pays_and_the_seller_is_told(sides: Sides):
    sent = await sides.seller.invoice("FA-2", BUYER)
    came = await sides.came(number="FA-2")
    for code, status in (("205", "approved"), ("211", "payment_sent")):
        message = await say(sides.buyer, came.id, code)
        await both_until(sides, sent, status)
        assert (await sides.buyer.show(message)).halted is None
    came = await sides.buyer.show(came.id)
    assert (came.stage, came.status, came.seen_by) == (Stage.SETTLED, "payment_sent", "estk_1")
    told = [
        (event.facts.get("code"), event.facts["source"])
        for event in await sides.seller.events(sent)
        if event.outcome == "status" and event.facts.get("code", "") > "203"
    ]
    assert told == [("205", "afnor"), ("211", "afnor")]
    for line in sides.seller, sides.buyer:
        checked = await audit_account(line.pool, line.account.id)
        assert checked.clean, checked.complaints


async def test_a_refusal_ends_the_document_on_both_sides(sides: Sides):
    sent = await sides.seller.invoice("FA-3", BUYER)
    came = await sides.came(number="FA-3")
    wanted = Wanted(cdar.status_of("210"), (cdar.Reason("TRANSAC_INC", "Nous n'avons rien commandé."),))
    await answers.answer(wanted, came.id, Asked("estk_1", None, b"\0" * 32), sides.buyer.account, sides.buyer.resources)
    document = await both_until(sides, sent, "refused")
    assert document.halted == "refused by the other side"
    came = await sides.buyer.show(came.id)
    assert came.status == "refused"
    assert came.halted == "refused by the account"


@pytest.mark.parametrize("policy", ["propose", "send"])
async def test_what_breaks_rules_is_answered_as_the_account_says(sides: Sides, policy: str):
    await accounts.answer_invalid(sides.buyer.pool, sides.buyer.account.id, policy)
    members = demo_invoices.invoice("FA-4", demo_invoices.buyer_that_accepts())
    members["notes"] = []
    data = demo_invoices.written(members, "cii")
    route = Route("afnor", ElectronicAddress("0225", BUYER), "a test")
    (network,) = sides.seller.resources.networks.all
    await network.send(
        Consignment(
            "c-4", route, "f.xml", "CII", "application/xml", data, sha256(data).hexdigest(), "1", "F", False, ""
        )
    )
    document = await sides.came(number="FA-4")
    assert document.halted == "the document breaks rules"
    async with asyncio.timeout(30):
        for _ in range(20):
            await sides.buyer.work()
            await sides.seller.work()
            pool = sides.seller.pool  # the seller's gateway knows no such document
            strays = [await arrivals.stray(pool, "afnor", id) for id in await arrivals.stray_ids(pool, "afnor")]
            codes = [cdar.read(one.data).code for one in strays if one.kind is ArrivalKind.STATUS]
            if "210" in codes:
                break
            await asyncio.sleep(PACE)
    assert ("210" in codes) == (policy == "send")
    assert (await sides.buyer.show(document.id)).status == ("refused" if policy == "send" else None)
