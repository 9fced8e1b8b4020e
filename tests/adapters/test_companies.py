"""Companies that are clients of the simulated platform reach each other: invoices there, statuses back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from hashlib import sha256

import pytest

from adapters.afnor import Afnor
from adapters.port import Arrival, ArrivalKind, Consignment, Unreachable
from schemas.formats import cdar
from tests.adapters.conftest import Running, consignment, invoice, now

BUYER, THIRD = "100000207", "100000363"
SELLER = "523847192"

Start = Callable[..., Awaitable[Running]]


async def everything(client: Afnor) -> list[Arrival]:
    """All that a client is brought, from the beginning."""
    found: list[Arrival] = []
    cursor: str | None = None
    while True:
        page = await client.collect(cursor)
        found += page.arrivals
        cursor = page.cursor
        if not page.more:
            return found


def said(code: str, number: str, seller: str, issuer: cdar.Party, to: cdar.Party) -> Consignment:
    """A status message as a gateway hands it over."""
    data = cdar.write(
        cdar.StatusMessage(
            code=code,
            at=now(),
            number=number,
            seller=seller,
            id=f"{number}_{code}",
            issuer=issuer,
            type_code="380",
            issue_date=date(2026, 11, 24),
            recipients=(to,),
        )
    )
    digest = sha256(data).hexdigest()
    return replace(
        consignment(data=data), id=f"s-{digest[:30]}", syntax="CDAR", sha256=digest, name=f"{code}.xml", profile=""
    )


def invoices(found: list[Arrival]) -> list[bytes]:
    """The invoices among what came."""
    return [one.data for one in found if one.kind is ArrivalKind.INVOICE]


def statuses(found: list[Arrival]) -> list[str]:
    """The codes of the statuses among what came, in order."""
    return [cdar.read(one.data).code for one in found if one.kind is ArrivalKind.STATUS]


async def test_an_invoice_comes_in_and_statuses_go_both_ways(start_platform: Start) -> None:
    running = await start_platform(companies=[BUYER, THIRD])
    seller, buyer, third = running.client(), running.client(BUYER), running.client(THIRD)
    sent = consignment(BUYER, "F-1")
    await seller.send(sent)
    came = await everything(buyer)
    assert invoices(came) == [sent.data]
    assert statuses(came) == []
    assert statuses(await everything(seller)) == ["200", "202", "203"]  # no script plays this buyer

    read = cdar.Party("SE", read_seller(sent.data), "0002", "", "100000108")
    me = cdar.Party("BY", BUYER, "0002", "", BUYER)
    await buyer.send(said("205", "F-1", read.id, me, read))
    assert statuses(await everything(seller)) == ["200", "202", "203", "205"]
    assert statuses(await everything(buyer)) == []
    await seller.send(said("209", "F-1", read.id, read, me))
    assert statuses(await everything(buyer)) == ["209"]
    assert statuses(await everything(seller)) == ["200", "202", "203", "205"]
    assert await everything(third) == []


def read_seller(data: bytes) -> str:
    """The seller's SIREN in an invoice, by the platform's own look-up."""
    from adapters.platform import reading

    return reading.read(data, "CII").seller


async def test_what_is_another_clients_is_not_there(start_platform: Start) -> None:
    running = await start_platform(companies=[BUYER, THIRD])
    seller, third = running.client(), running.client(THIRD)
    receipt = await seller.send(consignment(BUYER, "F-1"))
    for flow in (receipt.network_id, f"{receipt.network_id}-in", f"{receipt.network_id}-lc-0"):
        answer = await third._call("GET", f"/v1/flows/{flow}?docType=Original")
        assert answer.status == 404
    assert (await seller._call("GET", f"/v1/flows/{receipt.network_id}-in")).status == 404
    me, other = cdar.Party("BY", THIRD, "0002", "", THIRD), cdar.Party("SE", SELLER, "0002", "", SELLER)
    await third.send(said("205", "F-1", read_seller(invoice(BUYER, "F-1")), me, other))
    assert statuses(await everything(seller)) == ["200", "202", "203"]


async def test_everybody_else_is_played_by_the_script(start_platform: Start) -> None:
    running = await start_platform(companies=[THIRD])
    seller = running.client()
    await seller.send(consignment("100000215", "F-1"))
    assert statuses(await everything(seller)) == ["200", "202", "203", "210"]


async def test_what_came_stays_after_a_restart_and_secrets_too(start_platform: Start) -> None:
    running = await start_platform(companies=[BUYER])
    sent = consignment(BUYER, "F-1")
    await running.client().send(sent)
    buyer = running.client(BUYER)
    before = await everything(buyer)
    await running.stop()
    again = await start_platform(companies=[BUYER])
    assert [one.network_id for one in await everything(again.client(BUYER))] == [one.network_id for one in before]


async def test_a_wrong_secret_opens_nobody(start_platform: Start) -> None:
    running = await start_platform(companies=[BUYER])
    for client in (f"company-{BUYER}", "company-0", ""):
        with pytest.raises(Unreachable):
            await running.client(client_id=client).collect(None)


async def test_an_invoice_whose_content_cannot_be_had_now_stops_no_other(
    start_platform: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start_platform(companies=[BUYER])
    seller, buyer = running.client(), running.client(BUYER, recipient=BUYER)
    poisoned, good = consignment(BUYER, "F-1"), consignment(BUYER, "F-2")
    for one in poisoned, good:
        await seller.send(one)
    path = running.folder / "content" / poisoned.sha256
    path.rename(path.with_suffix(".away"))
    assert invoices(await everything(buyer)) == [good.data]
    path.with_suffix(".away").rename(path)
    found = await everything(buyer)
    assert invoices(found) == [poisoned.data, good.data]
    assert {one.recipient for one in found if one.kind is ArrivalKind.INVOICE} == {BUYER}


async def test_a_page_that_is_full_leaves_the_rest_for_the_next(
    start_platform: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.afnor.PAGE_BYTES", 20_000)
    monkeypatch.setattr("adapters.afnor.DOWNLOADS", 1)
    running = await start_platform(companies=[BUYER])
    seller, buyer = running.client(), running.client(BUYER)
    for number in range(12):
        await seller.send(consignment(BUYER, f"F-{number}"))
    found: dict[str, bytes] = {}
    cursor: str | None = None
    for _ in range(20):
        page = await buyer.collect(cursor)
        found |= {one.network_id: one.data for one in page.arrivals}
        cursor = page.cursor
    assert len(found) == 12
