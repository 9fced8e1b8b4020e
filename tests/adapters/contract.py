"""What every network must do, whatever it is made of: one suite, run against each adapter's real server."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from typing import Protocol

import pytest

from adapters.port import Arrival, ArrivalKind, Consignment, ElectronicAddress, Network, Refused, Unreachable


class Harness(Protocol):
    """A network, its server, and consignments that meet a given fate there."""

    network: Network
    served: ElectronicAddress
    foreign: ElectronicAddress
    recognises: bool
    """The network can tell that it has a consignment already."""

    def good(self) -> Consignment:
        """One that is taken."""

    def silent(self) -> Consignment | None:
        """One that is taken, while the answer is lost; None where no answer can be."""

    def refused(self) -> Consignment:
        """One that is refused for good."""

    def busy(self) -> Consignment | None:
        """One that is turned away for now; None where nobody does."""

    async def received(self, consignment: Consignment) -> Sequence[str]:
        """The ids under which the other side has its very bytes: each once, however often it came."""

    async def odd(self) -> Sequence[str]:
        """What the other side has got that nobody meant it to: files elsewhere, headers out of a name."""

    def twin(self) -> Network:
        """The network as another process sees it, which remembers nothing."""

    def without_server(self) -> Network:
        """The same network where nobody listens."""

    def with_mute_server(self) -> Network | None:
        """The same network, soon impatient, where somebody listens and says nothing; None where nobody could."""

    def without_secret(self) -> tuple[Network, str] | None:
        """The same network whose secret everybody can read, and the secret; None where it has none."""


async def finds_what_it_serves(harness: Harness) -> None:
    """A route names the network, keeps the address and gives a reason; a foreign address has none."""
    route = await harness.network.find(harness.served)
    assert route is not None
    assert (route.network, route.address) == (harness.network.name, harness.served)
    assert harness.served.scheme in route.reason
    assert await harness.network.find(harness.foreign) is None
    assert await harness.network.find(ElectronicAddress(harness.served.scheme, "")) is None


async def gives_a_receipt(harness: Harness) -> None:
    """A receipt has the network's id, an aware time and the network's own words."""
    sent = harness.good()
    receipt = await harness.network.send(sent)
    assert receipt.network_id
    assert receipt.at.utcoffset() == timedelta(0)
    assert receipt.evidence
    assert receipt.evidence_type
    assert not receipt.already_there
    assert len(await harness.received(sent)) == 1


async def a_repetition_is_told(harness: Harness) -> None:
    """The same consignment again, as after a crash: a receipt with the same id, and one delivery by id."""
    sent = harness.good()
    first = await harness.network.send(sent)
    twin = harness.twin()
    again = await twin.send(replace(sent, repeated=True))
    await twin.close()
    assert again.network_id == first.network_id
    assert again.already_there == harness.recognises
    assert len(set(await harness.received(sent))) == 1


async def a_lost_answer_is_unknown(harness: Harness) -> None:
    """Taken, not answered: unknown, never refused; the repetition succeeds and does not make a second delivery."""
    if (sent := harness.silent()) is None:
        return
    with pytest.raises(Unreachable) as caught:
        await harness.network.send(sent)
    assert caught.value.unknown
    receipt = await harness.network.send(replace(sent, repeated=True))
    assert receipt.network_id
    assert receipt.already_there == harness.recognises
    assert len(set(await harness.received(sent))) == 1


async def a_refusal_says_why(harness: Harness) -> None:
    """Refused for good: with findings, and nothing delivered."""
    sent = harness.refused()
    with pytest.raises(Refused) as caught:
        await harness.network.send(sent)
    assert caught.value.reason
    assert caught.value.findings
    assert caught.value.findings[0].says
    assert not await harness.received(sent)


async def turned_away_is_not_refused(harness: Harness) -> None:
    """Turned away for now: unreachable, and the outcome is known."""
    if (sent := harness.busy()) is None:
        return
    with pytest.raises(Unreachable) as caught:
        await harness.network.send(sent)
    assert not caught.value.unknown
    assert not await harness.received(sent)


async def nobody_listens(harness: Harness) -> None:
    """No connection: unreachable, and the outcome is known."""
    alone = harness.without_server()
    with pytest.raises(Unreachable) as caught:
        await alone.send(harness.good())
    assert not caught.value.unknown
    await alone.close()


async def a_mute_server_is_left(harness: Harness) -> None:
    """Somebody takes the connection and says nothing: unreachable, in time."""
    if (mute := harness.with_mute_server()) is None:
        return
    async with asyncio.timeout(10):
        with pytest.raises(Unreachable):
            await mute.send(harness.good())
    await mute.close()


async def a_secret_is_kept(harness: Harness) -> None:
    """A secret that everybody can read is not used, and no words of ours repeat it."""
    if (open_to_all := harness.without_secret()) is None:
        return
    network, secret = open_to_all
    with pytest.raises(Unreachable) as caught:
        await network.send(sent := harness.good())
    assert not caught.value.unknown
    assert secret not in repr(caught.value)
    assert not await harness.received(sent)
    await network.close()


async def names_are_data(harness: Harness) -> None:
    """What a document is called goes nowhere and says nothing."""
    for name in (
        "../../outside.xml",
        "/etc/passwd",
        "a\r\nX-Odd: yes\r\n\r\nb.xml",
        "\0\x1b[2J.xml",
        "..",
        "\u202exml.é",
        "x" * 400,
    ):
        sent = harness.good()
        receipt = await harness.network.send(replace(sent, name=name, subject=f"Facture {name}"))
        assert receipt.network_id
        assert len(await harness.received(sent)) == 1
    assert not await harness.odd()


async def many_at_once(harness: Harness) -> None:
    """Twenty together: each arrives, none twice."""
    sent = [harness.good() for _ in range(20)]
    receipts = await asyncio.gather(*(harness.network.send(one) for one in sent))
    assert len({receipt.network_id for receipt in receipts}) == len(sent)
    for one in sent:
        assert len(await harness.received(one)) == 1


async def collecting_ends_and_repeats(harness: Harness) -> None:
    """Collecting from the beginning comes to an end; the cursor then stands; again from the beginning: the same ids."""
    await harness.network.send(harness.good())
    ids, cursor = await _all(harness.network, None)
    assert len(ids) == len(set(ids))
    fresh, after = await _all(harness.network, cursor)
    assert not fresh
    assert after == cursor
    assert set((await _all(harness.twin(), None))[0]) == set(ids)


async def _all(network: Network, cursor: str | None) -> tuple[list[str], str]:
    ids: list[str] = []
    for _ in range(50):
        page = await network.collect(cursor)
        assert [a.at for a in page.arrivals] == sorted(a.at for a in page.arrivals)
        ids += [arrival.network_id for arrival in page.arrivals]
        cursor = page.cursor
        if not page.more:
            return ids, cursor
    raise AssertionError("collecting did not end")


async def closes_twice(harness: Harness) -> None:
    """Closing is harmless, also twice."""
    await harness.network.send(harness.good())
    await harness.network.close()
    await harness.network.close()


SUITE = (
    finds_what_it_serves,
    gives_a_receipt,
    a_repetition_is_told,
    a_lost_answer_is_unknown,
    a_refusal_says_why,
    turned_away_is_not_refused,
    nobody_listens,
    a_mute_server_is_left,
    a_secret_is_kept,
    names_are_data,
    many_at_once,
    collecting_ends_and_repeats,
    closes_twice,
)
"""All of it."""


# What collects -------------------------------------------------------------------------------------------------------


class Source(Protocol):
    """A network that brings, its server, and a way to lay something there as others do."""

    network: Network
    leaves: bool
    """What is stored leaves the place where it came."""
    many: int
    """More than fits on one page."""

    takes_anything: bool
    """Whatever bytes under whatever name can be put there."""

    def file(self, number: int) -> bytes:
        """What may be put there, different for each number."""

    async def put(self, name: str, data: bytes) -> None:
        """Somebody lays a file there, or sends it."""

    async def waiting(self) -> int:
        """How much lies where things come."""

    async def kept(self) -> Sequence[bytes]:
        """The bytes of all that is anywhere on the other side: nothing may ever be missing."""

    def twin(self) -> Network:
        """The network as another process sees it, which remembers nothing."""

    def without_server(self) -> Network:
        """The same network where nobody listens."""

    def with_mute_server(self) -> Network | None:
        """The same network, soon impatient, where somebody listens and says nothing; None where nobody could."""

    def without_secret(self) -> tuple[Network, str] | None:
        """The same network whose secret everybody can read, and the secret; None where it has none."""


def invoice_file(number: int) -> bytes:
    """A small XML, different for each number."""
    return f"<?xml version='1.0'?>\n<a:Invoice xmlns:a='urn:a'><b>{number}</b></a:Invoice>\n".encode()


async def brought(network: Network, cursor: str | None = None) -> tuple[list[Arrival], str]:
    """All that is collected until nothing more comes, and the cursor then; every page is stored."""
    found: list[Arrival] = []
    for _ in range(200):
        page = await network.collect(cursor)
        assert [a.at for a in page.arrivals] == sorted(a.at for a in page.arrivals)
        found += page.arrivals
        cursor = page.cursor
        if not page.more:
            return found, cursor
    raise AssertionError("collecting did not end")


async def brings_each_once(source: Source) -> None:
    """What came is brought with its bytes, once; then nothing; then what comes later."""
    for number in range(5):
        await source.put(f"f-{number}.xml", source.file(number))
    found, cursor = await brought(source.network)
    assert sorted(one.data for one in found) == [source.file(number) for number in range(5)]
    assert len({one.network_id for one in found}) == 5
    assert {one.kind for one in found} == {ArrivalKind.INVOICE}
    assert all(one.at.utcoffset() == timedelta(0) for one in found)
    assert (await source.waiting() == 0) == source.leaves
    again, cursor = await brought(source.network, cursor)
    assert not again
    await source.put("later.xml", source.file(9))
    late, _ = await brought(source.network, cursor)
    assert [one.data for one in late] == [source.file(9)]


async def killed_before_it_is_stored(source: Source) -> None:
    """A page that nobody stored comes again, under the same ids, and nothing has left its place."""
    for number in range(3):
        await source.put(f"f-{number}.xml", source.file(number))
    first = await source.network.collect(None)
    assert await source.waiting() == 3
    after, _ = await brought(twin := source.twin())
    assert {one.network_id for one in first.arrivals} <= {one.network_id for one in after}
    assert sorted(one.data for one in after) == [source.file(number) for number in range(3)]
    await twin.close()


async def killed_after_it_is_stored(source: Source) -> None:
    """The page was stored, its cursor not: the same ids again. The cursor was stored too: at most the same ids."""
    await source.put("f.xml", source.file(1))
    page = await source.network.collect(None)
    ids = {one.network_id for one in page.arrivals}
    for cursor in (None, page.cursor):
        found, _ = await brought(twin := source.twin(), cursor)
        assert {one.network_id for one in found} <= ids
        await twin.close()
    assert any(one == source.file(1) or _carries(one, source.file(1)) for one in await source.kept())


async def hostile_files_are_data(source: Source) -> None:
    """Odd names and contents are brought as they are, or stay where a person finds them; none stops the others."""
    if not source.takes_anything:
        return
    odd = {
        "bomb.zip": _bomb(),
        "..xml": b"<a></a>",
        "entities.xml": b'<!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "a\tb\x1b[2J.xml": b"<tab></tab>",
        "\u202elmx.é.xml": b"<rtl></rtl>",
        "-rf *;$(id).xml": b"<shell></shell>",
        "zeros.pdf": bytes(100_000) + b"%%EOF\n",
        "smime.p7m": b"\x30\x80\x06\x09*\x86H\x86\xf7\r\x01\x07\x03",
    }
    for name, data in odd.items():
        await source.put(name, data)
    await source.put("good.xml", source.file(1))
    found, cursor = await brought(source.network)
    assert source.file(1) in [one.data for one in found]
    for one in found:
        assert one.name.isprintable()
        assert one.network_id.isprintable()
        assert "/" not in one.name
        assert "\\" not in one.name
        assert one.media_type.isprintable()
    there = await source.kept()
    for data in odd.values():
        assert any(data in one or _carries(one, data) for one in there)
    assert not (await brought(source.network, cursor))[0]


def _carries(message: bytes, data: bytes) -> bool:
    return any(part.get_payload(decode=True) == data for part in message_from_bytes(message).walk())


def _bomb() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("invoice.xml", bytes(20_000_000))
    return held.getvalue()


async def many_come_in_pages(source: Source) -> None:
    """More than one page: all of it, each once."""
    for number in range(source.many):
        await source.put(f"f-{number}.xml", source.file(number))
    assert len((await source.twin().collect(None)).arrivals) < source.many
    found, _ = await brought(source.network)
    assert len({one.network_id for one in found}) == len(found) == source.many
    assert {one.data for one in found} == {source.file(number) for number in range(source.many)}


async def collecting_from_nobody(source: Source) -> None:
    """No connection, or no word, or no usable secret: unreachable, in time, and nothing told that must not be."""
    await source.put("f.xml", source.file(1))
    mute, open_to_all = source.with_mute_server(), source.without_secret()
    cases = [(source.without_server(), None), (mute, None), open_to_all or (None, None)]
    for network, secret in cases:
        if network is None:
            continue
        async with asyncio.timeout(10):
            with pytest.raises(Unreachable) as caught:
                await network.collect(None)
        assert secret is None or secret not in repr(caught.value)
        await network.close()
    assert await source.waiting() == 1


COLLECTING = (
    brings_each_once,
    killed_before_it_is_stored,
    killed_after_it_is_stored,
    hostile_files_are_data,
    many_come_in_pages,
    collecting_from_nobody,
)
"""All of it, for what brings."""
