"""What a network brings with texts that no database keeps stops nothing and is not lost."""

from __future__ import annotations

import json
import random
import string
import tracemalloc
from dataclasses import dataclass, replace
from uuid import UUID

import pytest

from adapters import afnor_flow
from adapters.port import Arrival, ArrivalKind, Collected, Consignment, ElectronicAddress, Networks, Receipt, Route
from gateway.chores import collect
from gateway.clock import SystemClock
from gateway.compute import Compute
from gateway.resources import Resources
from gateway.store import arrivals, documents
from gateway.store.pool import Pool
from schemas.finding import Finding, Severity
from tests.gateway.ground import NOON, NOTARY, open_account
from tests.gateway.test_arrivals import delivered

REFUSED = Finding("X", Severity.FATAL, "network", "a\0b\ud83d", terms=("BT-1\0",))
ODD = Arrival("flow-1", ArrivalKind.ACKNOWLEDGEMENT, NOON, "application/json", b"{}", "c-1", (REFUSED,))


@dataclass
class Brings:
    """A network that brings these arrivals at once, and again as long as its cursor does not move."""

    queue: tuple[Arrival, ...]
    name: str = "afnor"

    async def find(self, address: ElectronicAddress) -> Route | None:
        return None

    async def send(self, consignment: Consignment) -> Receipt:
        raise AssertionError("nothing is sent here")

    async def collect(self, cursor: str | None) -> Collected:
        return Collected(self.queue[int(cursor or 0) :], str(len(self.queue)), more=False)

    async def close(self) -> None:
        return None


async def brought(pool: Pool, compute: Compute, *queue: Arrival, times: int = 2) -> None:
    """Collect what a network brings, some times over."""
    network = Brings(queue)
    resources = Resources(pool, Networks((network,)), SystemClock(), compute, NOTARY)
    for _ in range(times):
        await collect(resources, network, lambda: None)


async def waiting(pool: Pool, account_id: UUID, document_id: UUID) -> list[str]:
    """The network ids of what waits for the document."""
    async with pool.account(account_id) as connection:
        return [one.network_id for one in await documents.arrivals(connection, document_id)]


async def test_an_odd_acknowledgement_does_not_stop_what_comes_after_it(pool, compute):
    account = await open_account(pool)
    document = await delivered(pool, account, b"1", "c-1")
    after = replace(ODD, network_id="flow-2", refused=())
    await brought(pool, compute, ODD, after)
    assert await arrivals.cursor(pool, "afnor") == "2"
    assert sorted(await waiting(pool, account.id, document)) == ["flow-1", "flow-2"]
    assert await arrivals.stray_ids(pool, "afnor") == []
    async with pool.account(account.id) as connection:
        (kept,) = [one for one in await documents.arrivals(connection, document) if one.network_id == "flow-1"]
    assert [finding.says for finding in kept.refused] == ["ab"]


@pytest.mark.parametrize(
    "odd",
    [
        replace(ODD, network_id="flow\0"),
        replace(ODD, network_id="flow" + "".join(random.Random(7).choices(string.ascii_letters, k=9_000))),
        replace(ODD, consignment="c-\0 9"),
        replace(ODD, kind=ArrivalKind.INVOICE, name="a\0b", data=b"%PDF-1.7 nothing"),
        replace(ODD, kind=ArrivalKind.STATUS, media_type="application/xml\ud83d", consignment=None),
    ],
    ids=["id", "long id", "consignment", "name of an invoice", "media type"],
)
async def test_what_the_database_refuses_is_a_stray_and_the_cursor_moves(pool, compute, odd: Arrival):
    await brought(pool, compute, odd)
    assert await arrivals.cursor(pool, "afnor") == "1"
    async with pool.worker() as connection:
        (row,) = await connection.fetch("select network_id, data from stray")
    assert bytes(row["data"]) == odd.data
    assert row["network_id"].startswith("flow")


async def test_two_odd_ids_stay_two(pool, compute):
    unknown = replace(ODD, consignment=None)
    await brought(pool, compute, *(replace(unknown, network_id=f"f{odd}") for odd in ("", "\0", "\0\0", "\ud83d")))
    async with pool.worker() as connection:
        assert await connection.fetchval("select count(*) from stray") == 4


async def test_a_stray_that_fails_does_not_stop_the_others(pool, compute):
    """One id is so long that it has room in the index of the strays, and none in that of what waits for documents."""
    account = await open_account(pool)
    document = await delivered(pool, account, b"1", "c-1")
    chance = random.Random(7)
    long = "".join(chance.choices(string.ascii_letters + string.digits, k=2_680))
    for number, id in enumerate((long, *"abcdefgh")):
        assert await arrivals.keep_stray(pool, "afnor", replace(ODD, network_id=id, refused=()), NOON), number
    await brought(pool, compute, times=1)
    assert await arrivals.cursor(pool, "afnor") == "0"
    assert sorted(await waiting(pool, account.id, document)) == list("abcdefgh")
    assert await arrivals.stray_ids(pool, "afnor") == [long]


def test_what_a_platform_says_is_plain_text():
    detail = {"reasonCode": "\0", "reasonMessage": "a\0b\ud83dc", "item": "/x\0", "level": "Error"}
    flow = {"flowId": "f1", "flowDirection": "Out", "trackingId": "c-1"}
    flow |= {"acknowledgement": {"status": "Error", "details": [detail]}}
    (finding,) = afnor_flow.findings_of(flow)
    assert (finding.rule, finding.says, finding.path) == ("PLATFORM-ERROR", "abc", "/x")
    assert json.loads(afnor_flow.dumped(flow)) == flow, "the bytes that are kept say what was said"
    assert afnor_flow.key_of(flow) == "f1#ack:Error"
    for odd in ("c\0", "c\ud83d"):
        assert afnor_flow.key_of(flow | {"trackingId": odd}) is None


async def test_strays_are_not_read_all_at_once(pool, compute):
    size = 2_000_000
    for number in range(20):
        large = replace(ODD, network_id=f"large-{number}", consignment="nobody's", refused=(), data=b"\1" * size)
        await arrivals.keep_stray(pool, "afnor", large, NOON)
    tracemalloc.start()
    try:
        await brought(pool, compute, times=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(await arrivals.stray_ids(pool, "afnor")) == 20
    assert size < peak < 8 * size, "one after the other"
