"""RELIABILITY T12: a network may bring the same thing as often as it likes, at once or years later; it is one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.port import Arrival, ArrivalKind, Collected, Consignment, ElectronicAddress, Networks, Receipt, Route
from gateway.chores import collect
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.resources import Resources
from gateway.stages import receive
from gateway.store import arrivals, documents
from gateway.store.inbound import Taken
from gateway.store.pool import Pool
from gateway.worker import Worker
from tests.gateway.ground import NOON, NOTARY, open_account
from tests.gateway.test_arrivals import delivered
from tests.line.conftest import Line
from tests.line.test_inbound import inbox
from tests.line.test_inbound_folder import BUYER, invoice

LATER = (timedelta(minutes=10), timedelta(hours=48), timedelta(days=90), timedelta(days=3650))
"""No window after which a repetition would be taken for something new."""
TIMES = 1_000


@dataclass
class Insists:
    """A network without a memory: each collection brings everything again, however the cursor stands."""

    brings: tuple[Arrival, ...]
    name: str = "afnor"
    cursors: list[str | None] = field(default_factory=list)

    async def find(self, address: ElectronicAddress) -> Route | None:
        return None

    async def send(self, consignment: Consignment) -> Receipt:
        raise AssertionError("nothing is sent here")

    async def collect(self, cursor: str | None) -> Collected:
        self.cursors.append(cursor)
        return Collected(self.brings, str(len(self.cursors)), more=False)

    async def close(self) -> None:
        return None


@pytest.fixture
def inbound() -> Arrival:
    return Arrival("flow-1", ArrivalKind.INVOICE, NOON, "application/xml", invoice("F-1"), recipient=BUYER)


@pytest.fixture
async def line(pool: Pool, compute: Compute, clock: SettableClock) -> Line:
    """A line for the buyer, in virtual time."""
    resources = Resources(pool, Networks(), clock, compute, NOTARY)
    account = await open_account(pool, french=True, siren=BUYER)
    return Line(resources, Worker(resources, 4), account, "")


async def test_the_same_message_a_thousand_times_is_one_document(line: Line, inbound: Arrival) -> None:
    """One after the other, a hundred at once, and each time it is told as taken: no peer is in an endless loop."""
    first = await receive.take(inbound, "afnor", line.resources)
    assert isinstance(first, Taken)
    for _ in range(TIMES // 100):
        again = await asyncio.gather(*(receive.take(inbound, "afnor", line.resources) for _ in range(100)))
        assert {one.document_id for one in again if isinstance(one, Taken)} == {first.document_id}
        assert all(isinstance(one, Taken) for one in again)
    assert len(await inbox(line)) == 1


async def test_no_time_is_long_enough_to_make_it_new(
    line: Line, clock: SettableClock, compute: Compute, inbound: Arrival
) -> None:
    """After ten minutes, two days, ninety days and ten years, and after restarts that remember nothing."""
    status = Arrival("flow-2", ArrivalKind.STATUS, NOON, "application/xml", b"<a/>", consignment="c-1")
    verdict = Arrival("flow-3", ArrivalKind.ACKNOWLEDGEMENT, NOON, "application/json", b"{}", consignment="c-1")
    nobodys = Arrival("flow-4", ArrivalKind.STATUS, NOON, "application/xml", b"<a/>")
    document = await delivered(line.pool, line.account, b"1", "c-1")
    network = Insists((inbound, status, verdict, nobodys))
    for later in (timedelta(0), *LATER):
        clock.advance(later)
        restarted = Resources(line.pool, Networks((network,)), clock, compute, NOTARY)
        await asyncio.gather(*(collect(restarted, network, lambda: None) for _ in range(3)))
        await collect(restarted, network, lambda: None)
        await Worker(restarted, 2).drain()
        assert len(await inbox(line)) == 1
        async with line.pool.account(line.account.id) as connection:
            heard = [
                event.facts["network_id"]
                for event in await documents.events(connection, document)
                if event.outcome == "status"
            ]
            waiting = [one.network_id for one in await documents.arrivals(connection, document)]
        assert sorted(heard + waiting) == ["flow-2", "flow-3"]
        assert [one.network_id for one in await arrivals.waiting(line.pool, statuses=True)] == ["flow-4"]
    assert len(network.cursors) == 4 * (1 + len(LATER))
    assert await arrivals.cursor(line.pool, "afnor") == str(len(network.cursors)), "the peer is never asked the same"


async def test_what_one_process_stored_no_other_fetches(pool: Pool, tmp_path: Path) -> None:
    account = await open_account(pool)
    await delivered(pool, account, b"1", "c-1")
    owner = await arrivals.owner_of_consignment(pool, "afnor", "c-1")
    assert owner is not None
    brought = Arrival("flow-1", ArrivalKind.STATUS, NOON, "application/xml", b"<a/>")
    await arrivals.keep(pool, "afnor", owner, brought, NOON)
    await arrivals.keep_stray(pool, "afnor", Arrival("flow-2", ArrivalKind.STATUS, NOON, "application/xml", b""), NOON)
    asked = ["flow-1", "flow-2", "flow-3"]
    assert await arrivals.stored(pool, "afnor", asked) == {"flow-1", "flow-2"}
    assert await arrivals.stored(pool, "mail", asked) == frozenset()
