"""Networks apart: one that is slow or away keeps its own documents waiting, one poisoned document keeps none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import pytest

from adapters.port import Collected, Consignment, ElectronicAddress, Networks, Receipt, Refused, Route, Unreachable
from gateway.chores import collect
from gateway.circuit import FAILURES, Circuit
from gateway.commands import demo_invoices
from gateway.errors import Corrupt
from gateway.lifecycle import Kept, Role
from gateway.publish import publish
from gateway.resources import Resources
from gateway.store import networks, tasks
from gateway.store.identifiers import new_id
from gateway.store.journal import Submission, admit
from gateway.worker import OTHER_CONTENT, Worker
from schemas.finding import Finding, Severity
from tests.gateway.ground import NOON, NOTARY, open_account


@dataclass
class Moody:
    """A network that answers as it is told; it serves one scheme."""

    name: str
    scheme: str
    mood: Exception | None = None
    hangs: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[str] = field(default_factory=list)
    asked: int = 0
    given: list[Consignment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hangs.set()

    async def find(self, address: ElectronicAddress) -> Route | None:
        return Route(self.name, address, "a test") if address.scheme == self.scheme else None

    async def send(self, consignment: Consignment) -> Receipt:
        self.asked += 1
        self.given.append(consignment)
        await self.hangs.wait()
        if self.mood is not None:
            raise self.mood
        self.sent.append(consignment.id)
        return Receipt(consignment.id, NOON, b"{}", "application/json")

    async def collect(self, cursor: str | None) -> Collected:
        if self.mood is not None:
            raise self.mood
        return Collected((), cursor or "", more=False)

    async def close(self) -> None:
        return None


@pytest.fixture
def moods(pool, clock, compute) -> tuple[Moody, Moody, Worker]:
    """Two networks, and a worker with two places."""
    slow, quick = Moody("slow", "0225"), Moody("quick", "EM")
    resources = Resources(pool, Networks((slow, quick)), clock, compute, NOTARY)
    return slow, quick, Worker(resources, 2)


async def submitted(line_pool, account, number: int, scheme: str, clock) -> UUID:
    """An invoice for a buyer who is reached under this scheme."""
    buyer = demo_invoices.buyer_that_accepts()
    buyer["endpoint"] = {"value": "a@example.org" if scheme == "EM" else "100000207", "scheme": scheme}
    data = demo_invoices.written(demo_invoices.invoice(f"M-{number}", buyer), "cii")
    kept = (Kept(Role.SUBMISSION, "application/xml", data),)
    now = clock.now()
    sent = Submission(account.id, new_id(now), account.participants[0], "cii", kept, now, None, b"\0" * 32)
    return (await admit(line_pool, sent)).document_id


async def proved(worker: Worker) -> None:
    """Publish what was archived, as the chore does."""
    while True:
        if await publish(worker._resources) is not None:
            worker.ring()
        await asyncio.sleep(0.05)


async def test_a_network_that_hangs_starves_no_other(pool, clock, moods) -> None:
    """Six documents for one that never answers come first; those of the other go by them."""
    slow, quick, worker = moods
    slow.hangs.clear()
    account = await open_account(pool, original="as_submitted")
    for number in range(6):
        await submitted(pool, account, number, "0225", clock)
    for number in range(6, 10):
        await submitted(pool, account, number, "EM", clock)
    running = asyncio.gather(worker.run(), proved(worker))
    async with asyncio.timeout(30):
        while len(quick.sent) < 4:
            await asyncio.sleep(0.02)
    assert not slow.sent
    assert slow.asked == 2, "it takes its own places only"
    slow.hangs.set()
    async with asyncio.timeout(30):
        while len(set(slow.sent)) < 6:
            await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(slow.sent) == len(set(slow.sent)) == 6


async def test_a_repetition_tells_when_it_was_first_on_its_way(pool, clock, moods) -> None:
    slow, _, worker = moods
    slow.mood = Unreachable("no answer", unknown=True)
    account = await open_account(pool, original="as_submitted")
    began = clock.now()
    await submitted(pool, account, 0, "0225", clock)
    await worker.drain()
    clock.advance(timedelta(hours=1))
    await worker.drain()
    assert [(one.repeated, one.since) for one in slow.given[:2]] == [(False, None), (True, began)]


async def test_a_network_that_is_away_uses_up_no_attempts_and_is_found_again(pool, clock, moods) -> None:
    """Away for a day with thirty documents waiting: few calls, none given up, all delivered once when it is back."""
    slow, _, worker = moods
    slow.mood = Unreachable("away")
    account = await open_account(pool, original="as_submitted")
    documents = [await submitted(pool, account, number, "0225", clock) for number in range(30)]
    for _ in range(24 * 3):
        await worker.drain()
        clock.advance(timedelta(minutes=20))
    assert slow.asked < 100, "one tries at a time; each of them for itself would have been two hundred"
    async with pool.worker() as connection:
        assert await connection.fetchval("select count(*) from task where stage = 'delivered'") == len(documents)
    slow.mood = None
    for _ in range(3):
        await worker.drain()
        clock.advance(timedelta(minutes=10))
    assert len(slow.sent) == len(set(slow.sent)) == len(documents)


async def test_a_network_is_left_alone_as_long_as_it_asks(pool, clock, moods) -> None:
    slow, quick, worker = moods
    slow.mood = Unreachable("429", timedelta(minutes=55))
    account = await open_account(pool, original="as_submitted")
    for number in range(3):
        await submitted(pool, account, number, "0225", clock)
    await submitted(pool, account, 3, "EM", clock)
    await worker.drain()
    asked = slow.asked
    assert asked <= 2
    assert len(quick.sent) == 1
    for _ in range(3):
        clock.advance(timedelta(minutes=17))
        await worker.drain()
    assert slow.asked == asked
    clock.advance(timedelta(minutes=11))
    slow.mood = None
    await worker.drain()
    clock.advance(timedelta(hours=1))
    await worker.drain()
    assert len(set(slow.sent)) == len(slow.sent) == 3


async def test_one_poisoned_document_is_tried_for_three_days_and_delays_nobody(pool, clock, moods) -> None:
    slow, _, worker = moods
    account = await open_account(pool, original="as_submitted")
    slow.mood = Unreachable("no answer", unknown=True)
    poisoned = await submitted(pool, account, 0, "0225", clock)
    await worker.drain()
    began, halted = clock.now(), None
    for number in range(1, 400):
        slow.mood = None
        document = await submitted(pool, account, number, "0225", clock) if number % 40 == 1 else None
        async with pool.worker() as connection:
            await connection.execute("update task set due = due + interval '100 days' where document_id = $1", poisoned)
        await worker.drain()
        if document is not None:
            assert len(slow.sent) == len(set(slow.sent)) == (number + 39) // 40
        async with pool.worker() as connection:
            await connection.execute("update task set due = due - interval '100 days' where document_id = $1", poisoned)
        slow.mood = Unreachable("no answer", unknown=True)
        await worker.drain()
        async with pool.account(account.id) as connection:
            halted = await connection.fetchval("select halted from document where document_id = $1", poisoned)
        if halted:
            break
        clock.advance(timedelta(minutes=30))
    assert halted == "the network could not be reached for three days"
    assert timedelta(days=3) <= clock.now() - began <= timedelta(days=4)


@pytest.mark.parametrize("name", ["PLATFORM", "SFTP", "FOLDER", "PUSH"])
async def test_other_bytes_under_our_id_are_an_alarm(pool, clock, moods, name) -> None:
    slow, _, worker = moods
    finding = Finding(name + OTHER_CONTENT, Severity.FATAL, "network", "The platform has other content.")
    slow.mood = Refused("the platform has other content under this id", (finding,))
    account = await open_account(pool, original="as_submitted")
    document = await submitted(pool, account, 1, "0225", clock)
    await worker.drain()
    async with pool.account(account.id) as connection:
        halted = await connection.fetchval("select halted from document where document_id = $1", document)
    assert halted == "refused by the network: the platform has other content under this id"
    circuits = {one.name: one for one in await networks.circuits(pool)}
    assert circuits["slow"] == replace(Circuit("slow"), conflicts=1)


@pytest.mark.parametrize("error", [ValueError("a mistake of ours"), Corrupt("its bytes are not those of its hash")])
async def test_an_error_of_our_own_is_no_failure_of_the_network(pool, clock, moods, error) -> None:
    slow, _, worker = moods
    slow.mood = error
    account = await open_account(pool, original="as_submitted")
    for number in range(FAILURES + 1):
        await submitted(pool, account, number, "0225", clock)
    await worker.drain()
    assert slow.asked == FAILURES + 1
    assert [one for one in await networks.circuits(pool) if one.failures] == []


async def test_collecting_is_put_off_as_long_as_the_network_asks(pool, clock, moods) -> None:
    slow, _, worker = moods
    resources, every = worker._resources, timedelta(seconds=60)
    assert await tasks.claim_chore(pool, "collect:slow", clock.now(), every)
    slow.mood = Unreachable("429", timedelta(hours=1))
    await collect(resources, slow, lambda: None)
    clock.advance(timedelta(minutes=59))
    assert not await tasks.claim_chore(pool, "collect:slow", clock.now(), every)
    clock.advance(timedelta(minutes=2))
    assert await tasks.claim_chore(pool, "collect:slow", clock.now(), every)
