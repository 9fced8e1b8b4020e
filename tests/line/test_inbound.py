"""What others issue comes in once, is stored before it is judged, and walks the line: two gateways, one platform."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from gateway.audit import Complaints, audit_account
from gateway.chores import collect
from gateway.lifecycle import Role, Stage
from gateway.rereading import By, reread
from gateway.store import documents, seen
from gateway.store.documents import Document, Filter
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
                    await work(line)
                found = await inbox(self.buyer, number=number)
                if found and (found[0].halted or found[0].waits_for == "the account has not seen it yet"):
                    return found[0]
                await asyncio.sleep(PACE)


async def work(line: Line) -> None:
    """Collect once and run what is due."""
    await line.worker.drain()
    for network in line.resources.networks.all:
        await collect(line.resources, network, lambda: None)
    await line.worker.drain()


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
        await work(sides.buyer)
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
