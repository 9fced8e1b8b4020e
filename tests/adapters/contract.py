"""What every network must do, whatever it is made of: one suite, run against each adapter's real server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import pytest

from adapters.port import Consignment, ElectronicAddress, Network, Refused, Unreachable


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
