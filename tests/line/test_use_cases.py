"""The use cases of the standard (XP Z12-014, UC1 to UC5) replayed over the line: each ends where its text says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.port import Arrival, ArrivalKind, Collected, Consignment, ElectronicAddress, Networks, Receipt, Route
from gateway.audit import audit_account
from gateway.chores import collect
from gateway.clock import SystemClock
from gateway.resources import Resources
from gateway.store.documents import Document
from gateway.worker import Worker
from tests.conftest import CORPUS
from tests.gateway.ground import NOTARY, open_account
from tests.line.conftest import Line

CASES = CORPUS / "afnor-xp-z12-014-v1.3"
START = datetime(2025, 7, 1, tzinfo=UTC)
SELLER = "100000009"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CASES.is_dir(), reason="no published use cases beside this checkout (../shared/corpus)"),
]


@dataclass
class Replayed:
    """A network that takes everything, and brings what a test puts into it, in that order."""

    name: str = "replayed"
    queue: list[bytes] = field(default_factory=list)

    async def find(self, address: ElectronicAddress) -> Route | None:
        return Route(self.name, address, "everything is taken")

    async def send(self, consignment: Consignment) -> Receipt:
        return Receipt(consignment.id, START, b"{}", "application/json")

    async def collect(self, cursor: str | None) -> Collected:
        start = int(cursor or 0)
        found = [
            Arrival(str(place), ArrivalKind.STATUS, START + timedelta(seconds=place), "application/xml", data)
            for place, data in enumerate(self.queue[start : start + 2], start)
        ]
        end = start + len(found)
        return Collected(found, str(end), end < len(self.queue))

    async def close(self) -> None:
        return None


@dataclass
class Replay:
    """A line of the seller of the use cases, and its network."""

    line: Line
    network: Replayed

    async def invoice(self, path: Path) -> UUID:
        """Submit an official invoice and deliver it."""
        document_id = await self.line.submit(path.read_bytes(), "cii", "application/xml")
        await self.line.worker.drain()
        document = await self.line.show(document_id)
        assert document.halted is None, document.facts
        return document_id

    async def hear(self, document_id: UUID, messages: Sequence[bytes], *, together: int = 1) -> Document:
        """Bring messages, so many at a time, and work after each."""
        for place in range(0, len(messages), together):
            self.network.queue.extend(messages[place : place + together])
            await collect(self.line.resources, self.network, lambda: None)
            await self.line.worker.drain()
        return await self.line.show(document_id)


@pytest.fixture
async def replay(pool, compute) -> Replay:
    network = Replayed()
    resources = Resources(pool, Networks((network,)), SystemClock(), compute, NOTARY)
    account = replace(
        await open_account(pool, french=True, original="as_submitted", siren=SELLER), participants=(SELLER,)
    )
    return Replay(Line(resources, Worker(resources, 4), account, ""), network)


def messages(folder: Path, *patterns: str) -> list[bytes]:
    """The status messages between platforms of a case, in their order."""
    found = sorted({path for pattern in patterns for path in folder.glob(pattern) if "POUR_PPF" not in path.name},
                   key=lambda path: path.name.partition("_F")[2][11:])  # fmt: skip
    assert found, (folder, patterns)
    return [path.read_bytes() for path in found]


USES: list[tuple[str, str, tuple[str, ...], str, str | None]] = [
    ("UC1", "UC1_F202500003_00-INV_20250701_CII*", ("*CDV*",), "paid", None),
    ("UC2", "UC2_F202500004_00-INV_20250701_CII*", ("*CDV*",), "rejected", "rejected by the other side"),
    ("UC3", "UC3_F202500005_00-INV_20250701_CII*", ("*CDV*",), "refused", "refused by the other side"),
    ("UC4", "UC4_F202500006_00-INV_20250701_CII*", ("UC4_*CDV*",), "disputed", None),
    ("UC4", "UC4_F202500006_00-INV_20250701_CII*", ("*CDV*",), "cancelled", "cancelled by the other side"),
    ("UC4/UC4b_F202500010_00-INVCORR", "*CII*.xml", ("*CDV*",), "paid", None),
    ("UC5", "UC5_F202500007_00-INV_20250702_CII*", ("UC5_*CDV*",), "disputed", None),
    ("UC5", "UC5_F202500007_00-INV_20250702_CII*", ("*CDV*",), "paid", None),
    ("UC5/UC5b_F202500011_00-CN_20250703", "*CII*.xml", ("*CDV*",), "paid", None),
    ("UC5/UC5c_F202500012_00-INV_20250705", "*CII*.xml", ("*CDV*",), "paid", None),
]
"""Folder, invoice, messages; the status that counts at the end, and why the document ends there."""


@pytest.mark.parametrize(("folder", "named", "patterns", "status", "halted"), USES)
async def test_a_use_case_ends_where_its_text_says(
    replay: Replay, folder: str, named: str, patterns: tuple[str, ...], status: str, halted: str | None
) -> None:
    invoice = next(iter(sorted((CASES / folder).glob(named))))
    document_id = await replay.invoice(invoice)
    said = messages(CASES / folder, *patterns)
    document = await replay.hear(document_id, said)
    assert (document.status, document.halted) == (status, halted)
    told = [event for event in await replay.line.events(document_id) if event.outcome == "status"]
    assert len(told) == len(said), "each message has its event"
    assert all(event.facts["source"] == "replayed" for event in told)
    shuffled = random.Random(7).sample(said, len(said)) + said[:2]
    document = await replay.hear(document_id, shuffled, together=2)
    assert (document.status, document.halted) == (status, halted), "late and twice without harm"
    checked = await audit_account(replay.line.pool, replay.line.account.id)
    assert checked.clean, checked.complaints


@pytest.mark.parametrize("seed", range(4))
async def test_the_order_of_hearing_changes_nothing(replay: Replay, seed: int) -> None:
    chance = random.Random(seed)
    folder = CASES / "UC3"
    document_id = await replay.invoice(next(iter(folder.glob("*CII*.xml"))))
    said = messages(folder, "*CDV*")
    other: dict[bytes, Any] = {b">210<": b">213<", b">50<": b">8<"}
    rejected = said[-1]
    for old, new in other.items():
        rejected = rejected.replace(old, new)
    everything = [*said, rejected, chance.choice(said)]
    chance.shuffle(everything)
    document = await replay.hear(document_id, everything, together=chance.randint(1, 3))
    assert (document.status, document.halted) == ("rejected", "rejected by the other side")
    told = [event for event in await replay.line.events(document_id) if event.outcome == "status"]
    assert len(told) == len(everything)
