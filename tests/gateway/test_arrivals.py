"""What networks bring finds its document by what it names, once, and what names none is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from adapters.port import Arrival, ArrivalKind
from gateway.errors import NotFound
from gateway.lifecycle import Done, Stage
from gateway.store import arrivals, documents, tasks
from gateway.store.arrivals import INBOUND, OUTBOUND, Named
from gateway.store.inbound import Came
from gateway.store.journal import admit, commit
from tests.gateway.ground import NOON, admitted, open_account, parsed, step, submission

ARRIVAL = Arrival("flow-1", ArrivalKind.STATUS, NOON, "application/xml", b"<a/>")
TODAY = date(2026, 11, 24)


async def delivered(pool, account, data: bytes, consignment: str, **columns):
    """A document on its way, under the number F-7."""
    document_id = (await admitted(pool, account.id, data)).document_id
    claim = next(c for c in await tasks.claim(pool, NOON, 100) if c.document_id == document_id)
    found = parsed("F-7")
    found = Done(found.facts, columns={**found.columns, **columns})
    routed = Done({"network": "afnor", "consignment": consignment, "sha256": "00" * 32})
    await commit(pool, claim, [step(Stage.PARSED, found), step(Stage.ROUTED, routed)], go_on=False)
    return document_id


async def test_a_name_is_seller_number_type_and_date(pool):
    account = await open_account(pool)
    invoice = await delivered(pool, account, b"1", "c-1")
    note = await delivered(pool, account, b"2", "c-2", type_code="381")
    older = await delivered(pool, account, b"3", "c-3", issue_date=TODAY - timedelta(days=365))
    named = Named("100000108", "F-7", "380", TODAY)
    for one, document_id in (
        (named, invoice),
        (replace(named, type_code="381"), note),
        (replace(named, issue_date=TODAY - timedelta(days=365)), older),
    ):
        owner = await arrivals.owner_of_name(pool, "afnor", one)
        assert owner is not None
        assert owner.document_id == document_id
    assert await arrivals.owner_of_name(pool, "afnor", replace(named, type_code="", issue_date=None)) is None
    assert await arrivals.owner_of_name(pool, "mail", named) is None
    assert (await arrivals.owner_of_consignment(pool, "afnor", "c-2")).document_id == note


async def came(pool, account, data: bytes, *, type_code: str = "380", issue_date: date = TODAY):
    """A document that came under the number F-7."""
    came = Came("afnor", f"in-{data.decode()}", "100000108", "F-7", type_code, issue_date)
    return (
        await admit(pool, replace(submission(account.id, data, at=NOON + timedelta(seconds=int(data))), came=came))
    ).document_id


async def test_seller_and_buyer_on_one_gateway_are_told_apart(pool):
    seller = await open_account(pool)
    buyer = await open_account(pool, "Buyer", siren="100000207")
    sent = await delivered(pool, seller, b"1", "c-1")
    received = await came(pool, buyer, b"1")
    named = Named("100000108", "F-7", "380", TODAY)
    for direction, document_id in ((OUTBOUND, sent), (INBOUND, received)):
        for type_code in ("380", "384", ""):
            owner = await arrivals.owner_of_name(
                pool, "afnor", replace(named, direction=direction, type_code=type_code)
            )
            assert owner is not None
            assert owner.document_id == document_id


async def test_where_one_side_is_here_it_is_that_one(pool):
    buyer = await open_account(pool, "Buyer", siren="100000207")
    received = await came(pool, buyer, b"1")
    owner = await arrivals.owner_of_name(pool, "afnor", Named("100000108", "F-7", "380", TODAY, OUTBOUND))
    assert owner == arrivals.Owner(buyer.id, received)


async def test_the_first_of_a_number_is_meant_only_within_one_account_type_and_year(pool):
    buyer = await open_account(pool, "Buyer", siren="100000207")
    named = Named("100000108", "F-7", "380", None, INBOUND)
    first = await came(pool, buyer, b"1")
    await came(pool, buyer, b"2")  # its duplicate
    owner = await arrivals.owner_of_name(pool, "afnor", named)
    assert owner == arrivals.Owner(buyer.id, first)
    note = await came(pool, buyer, b"3", type_code="381")
    assert await arrivals.owner_of_name(pool, "afnor", replace(named, type_code="")) is None
    owner = await arrivals.owner_of_name(pool, "afnor", replace(named, type_code="381"))
    assert owner == arrivals.Owner(buyer.id, note)
    other = await open_account(pool, "Other", siren="100000231")
    elsewhere = await came(pool, other, b"4", issue_date=TODAY - timedelta(days=365))
    assert await arrivals.owner_of_name(pool, "afnor", named) is None
    owner = await arrivals.owner_of_name(pool, "afnor", replace(named, issue_date=TODAY - timedelta(days=365)))
    assert owner == arrivals.Owner(other.id, elsewhere)
    await came(pool, buyer, b"5", issue_date=TODAY - timedelta(days=365))
    assert await arrivals.owner_of_name(pool, "afnor", replace(named, issue_date=TODAY - timedelta(days=365))) is None


async def test_an_arrival_is_kept_once_and_wakes_its_document(pool):
    account = await open_account(pool)
    document_id = await delivered(pool, account, b"1", "c-1")
    await tasks.claim(pool, NOON, 10)
    owner = arrivals.Owner(account.id, document_id)
    assert await arrivals.keep(pool, "afnor", owner, ARRIVAL, NOON)
    assert not await arrivals.keep(pool, "afnor", owner, ARRIVAL, NOON)
    async with pool.account(account.id) as connection:
        waiting = await documents.arrivals(connection, document_id)
        assert await connection.fetchval("select woken from task where document_id = $1", document_id)
    assert [one.network_id for one in waiting] == ["flow-1"]


@pytest.mark.parametrize("times", [1, 3])
async def test_a_stray_is_kept_once_until_it_finds_its_document(pool, times):
    kept = [await arrivals.keep_stray(pool, "afnor", ARRIVAL, NOON) for _ in range(times)]
    assert kept.count(True) == 1
    assert await arrivals.stray_ids(pool, "afnor") == ["flow-1"]
    assert (await arrivals.stray(pool, "afnor", "flow-1")).data == ARRIVAL.data
    with pytest.raises(NotFound):
        await arrivals.stray(pool, "afnor", "flow-1", ArrivalKind.INVOICE)
    await arrivals.forget_stray(pool, "afnor", "flow-1")
    assert await arrivals.stray_ids(pool, "afnor") == []


async def test_the_cursor_of_a_network_is_remembered(pool):
    assert await arrivals.cursor(pool, "afnor") is None
    await arrivals.advance(pool, "afnor", "a", NOON)
    await arrivals.advance(pool, "afnor", "b", NOON)
    assert await arrivals.cursor(pool, "afnor") == "b"
