"""What is owed: netted, partial, overpaid, void and written off, equal to an independent ledger to the cent."""

from __future__ import annotations

import asyncio
import random
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from adapters.port import Networks
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.errors import Conflict, KeyReused, NotFound
from gateway.lifecycle import Said, Stage
from gateway.resources import Resources
from gateway.store import documents, receivables, retention
from gateway.store.identifiers import new_id
from gateway.store.pool import Pool
from gateway.store.receivables import Wanted, WriteOff
from gateway.worker import Worker
from tests.gateway.ground import NOON, NOTARY, open_account
from tests.gateway.ledger import Ledger, Paper
from tests.gateway.sold import Sale, paid, said, sold

TODAY = NOON.date()


async def balance(pool: Pool, account_id: UUID, document_id: UUID) -> Decimal:
    async with pool.account(account_id) as connection:
        return (await receivables.get(connection, document_id)).balance


async def write_off(pool: Pool, account_id: UUID, document_id: UUID, amount: str, key: str = "") -> bool:
    identifier = new_id(NOON)
    one = WriteOff(identifier, Decimal(amount), "EUR", "goodwill", "", "operator", NOON, key or str(identifier))
    async with pool.account(account_id) as connection:
        return (await receivables.write_off(connection, account_id, document_id, one))[1]


async def test_a_credit_note_is_netted_with_the_invoice_it_names(pool: Pool) -> None:
    account = await open_account(pool)
    invoice = await sold(pool, account.id, Sale("F-1"), NOON)
    assert await balance(pool, account.id, invoice) == 120
    credit = await sold(pool, account.id, Sale("A-1", "20.00", "381", names=[("F-1", None)]), NOON)
    assert await balance(pool, account.id, invoice) == 100
    assert await balance(pool, account.id, credit) == 0
    await paid(pool, account.id, invoice, "60.00", NOON)
    await paid(pool, account.id, invoice, "50.00", NOON)
    assert await balance(pool, account.id, invoice) == -10


@pytest.mark.parametrize(
    ("buyer", "customer"),
    [
        ("732 829 320", "732829320"),
        ("73282932000074", "732829320"),
        ("fr44732829320", "732829320"),
        ("35600000000048", "356000000"),
        ("35600000049837", "356000000"),  # of La Poste, which checks otherwise
        ("73282932000075", "73282932000075"),
        ("40123450000010", "40123450000010"),
        ("FR44732829321", "FR44732829321"),
        ("DE136695976", "DE136695976"),
    ],
)
async def test_a_french_company_is_one_customer_and_other_digits_are_not_one(
    pool: Pool, buyer: str, customer: str
) -> None:
    async with pool.owner() as connection:
        assert await connection.fetchval("select customer_of($1, null, $2)", buyer, new_id(NOON)) == customer


@pytest.mark.parametrize("first", ["invoice", "credit"])
async def test_what_a_purge_erases_leaves_the_other_side_as_it_was(pool: Pool, first: str) -> None:
    account = await open_account(pool)
    ids = {"invoice": await sold(pool, account.id, Sale("F-1", "60.00"), NOON)}
    other = await sold(pool, account.id, Sale("F-2", "50.00"), NOON)
    names = [("F-1", None), ("F-2", None)]
    ids["credit"] = await sold(pool, account.id, Sale("A-1", "80.00", "381", names=names), NOON)
    left = ids["credit" if first == "invoice" else "invoice"]
    assert (await balance(pool, account.id, left), await balance(pool, account.id, other)) == (Decimal(0), Decimal(30))
    await purged(pool, account.id, ids[first])
    for amount in ("5.00", "-5.00"):  # each makes its row anew
        await paid(pool, account.id, left, amount, NOON)
    assert (await balance(pool, account.id, left), await balance(pool, account.id, other)) == (Decimal(0), Decimal(30))
    await purged(pool, account.id, left)
    await paid(pool, account.id, other, "30.00", NOON)
    assert await balance(pool, account.id, other) == 0
    async with pool.account(account.id) as connection:
        assert await receivables.differing(connection) == []
        assert await connection.fetchval("select count(*) from credit") == 1  # of the invoice that is still there


async def purged(pool: Pool, account_id: UUID, document_id: UUID) -> None:
    """Purge a document whose day has come."""
    async with pool.account(account_id) as connection:
        await connection.execute("delete from task where document_id = $1", document_id)
    told = Said(NOON, Stage.RECEIVED, "announced", {"purge_on": TODAY.isoformat()}, ())
    await retention.announce(pool, account_id, document_id, TODAY, told)
    await retention.purge(pool, account_id, document_id, {"by": "operator"}, NOON)


async def test_the_line_ends_where_a_credit_note_and_a_write_off_leave_nothing(
    pool: Pool, clock: SettableClock
) -> None:
    account = await open_account(pool)
    invoice = await sold(pool, account.id, Sale("F-1"), NOON, delivered=True)
    await sold(pool, account.id, Sale("A-1", "100.00", "381", names=[("F-1", None)]), NOON, delivered=True)
    compute = Compute(1, 60)
    worker = Worker(Resources(pool, Networks(()), clock, compute, NOTARY), 2)
    clock.advance(timedelta(days=2))
    await worker.drain()
    async with pool.account(account.id) as connection:
        assert (await documents.get(connection, invoice)).waits_for == "waits for payment"
    await write_off(pool, account.id, invoice, "20.00")
    clock.advance(timedelta(days=2))
    await worker.drain()
    async with pool.account(account.id) as connection:
        found = await documents.get(connection, invoice)
    compute.close()
    assert found.stage is Stage.SETTLED
    assert found.facts["settled"] == {"owed": False, "payments": 0, "netted": True}


async def test_a_credit_note_that_comes_first_waits_for_its_invoice(pool: Pool) -> None:
    account = await open_account(pool)
    credit = await sold(pool, account.id, Sale("A-1", "200.00", "381", names=[("F-1", date(2026, 11, 1))]), NOON)
    assert await balance(pool, account.id, credit) == -200
    invoice = await sold(pool, account.id, Sale("F-1"), NOON)
    assert await balance(pool, account.id, invoice) == 0
    assert await balance(pool, account.id, credit) == -80
    await paid(pool, account.id, credit, "150.00", NOON)  # given back in money: it is not taken off as well
    assert await balance(pool, account.id, credit) == 0
    assert await balance(pool, account.id, invoice) == 70


@pytest.mark.parametrize(
    "change", [{"buyer": "552100554"}, {"currency": "USD"}, {"names": [("F-1", date(2026, 1, 1))]}]
)
async def test_nothing_is_taken_off_what_another_owes(pool: Pool, change: dict[str, object]) -> None:
    account = await open_account(pool)
    invoice = await sold(pool, account.id, Sale("F-1"), NOON)
    fields = {"names": [("F-1", None)], **change}
    await sold(pool, account.id, Sale("A-1", "20.00", "381", **fields), NOON)  # type: ignore[arg-type]
    assert await balance(pool, account.id, invoice) == 120


async def test_an_invoice_and_its_credit_note_at_one_time_see_each_other(pool: Pool) -> None:
    account = await open_account(pool)
    for turn in range(8):
        invoice, _ = await asyncio.gather(
            sold(pool, account.id, Sale(f"F-{turn}"), NOON),
            sold(pool, account.id, Sale(f"A-{turn}", "20.00", "381", names=[(f"F-{turn}", None)]), NOON),
        )
        assert await balance(pool, account.id, invoice) == 100


async def test_on_what_was_refused_nothing_is_owed_and_what_was_paid_goes_back(pool: Pool) -> None:
    account = await open_account(pool)
    invoice = await sold(pool, account.id, Sale("F-1"), NOON, delivered=True)
    await paid(pool, account.id, invoice, "30.00", NOON)
    await said(pool, account.id, invoice, "refused", NOON, ends=True)
    assert await balance(pool, account.id, invoice) == -30
    credit = await sold(pool, account.id, Sale("A-1", "120.00", "381", names=[("F-1", None)]), NOON)
    assert await balance(pool, account.id, credit) == 0  # it undoes what was undone already
    assert await balance(pool, account.id, invoice) == -30
    with pytest.raises(Conflict):
        await write_off(pool, account.id, invoice, "10.00")


async def test_a_person_gives_up_what_is_owed_and_no_more(pool: Pool) -> None:
    account = await open_account(pool)
    invoice = await sold(pool, account.id, Sale("F-1"), NOON)
    assert not await write_off(pool, account.id, invoice, "20.00", "k")
    assert await write_off(pool, account.id, invoice, "20.00", "k")
    with pytest.raises(KeyReused):
        await write_off(pool, account.id, invoice, "21.00", "k")
    for wrong in ("100.01", "-20.01"):
        with pytest.raises(Conflict):
            await write_off(pool, account.id, invoice, wrong)
    assert await balance(pool, account.id, invoice) == 100
    await write_off(pool, account.id, invoice, "-20.00")
    assert await balance(pool, account.id, invoice) == 120
    async with pool.account(account.id) as connection:
        events = await connection.fetch("select facts from event where outcome = 'written_off'")
        assert len(events) == 2
        assert "20.00" not in str([dict(one) for one in events])
        assert len(await receivables.write_offs(connection, invoice)) == 2
        with pytest.raises(NotFound):
            await receivables.get(connection, new_id(NOON))


async def test_two_who_give_up_the_same_at_once_give_it_up_once(pool: Pool) -> None:
    account = await open_account(pool)
    invoice = await sold(pool, account.id, Sale("F-1"), NOON)
    ends = await asyncio.gather(
        *(write_off(pool, account.id, invoice, "120.00") for _ in range(6)), return_exceptions=True
    )
    assert sum(one is False for one in ends) == 1
    assert sum(isinstance(one, Conflict) for one in ends) == 5
    assert await balance(pool, account.id, invoice) == 0


async def test_the_balance_by_age_and_the_list_agree(pool: Pool) -> None:
    account = await open_account(pool)
    late = {"not_due": (-5, 0), "1_30": (1, 30), "31_60": (31, 60), "61_90": (61, 90), "over_90": (91, 400)}
    for name, edges in late.items():
        for days in edges:
            due = TODAY - timedelta(days=days)
            await sold(pool, account.id, Sale(f"{name}{days}", "10.01", due=due, issued=date(2026, 10, 1)), NOON)
    await sold(pool, account.id, Sale("U-1", "7.00", currency="USD", due=None), NOON)
    over = await sold(pool, account.id, Sale("O-1", "7.00"), NOON)
    await paid(pool, account.id, over, "9.00", NOON)
    async with pool.account(account.id) as connection:
        euro, dollar = await receivables.standings(connection, TODAY)
        assert dict(euro.bands) == dict.fromkeys(late, Decimal("20.02"))
        assert (euro.owed, euro.credits, euro.balance) == (Decimal("100.10"), -2, Decimal("98.10"))
        assert euro.dso == (Decimal("100.10") * 90 / Decimal("107.10")).quantize(Decimal("0.1"))
        assert dollar.bands["not_due"] == 7
        seen, after = [], None
        while True:
            found, after = await receivables.page(connection, Wanted(TODAY, "owed"), after, 3)
            seen += found
            if after is None:
                break
        assert len(seen) == len({one.document_id for one in seen}) == 11
        assert [one.due_date for one in seen] == sorted(one.due_date for one in seen)
        overdue, _ = await receivables.page(connection, Wanted(TODAY, "overdue", currency="EUR"), None, 100)
        assert sum(one.balance for one in overdue) == euro.owed - euro.bands["not_due"]
        (credit,), _ = await receivables.page(connection, Wanted(TODAY, "credit"), None, 100)
        assert (credit.document_id, credit.state(TODAY)) == (over, "overpaid")
        (first, second), _ = await receivables.customers(connection, TODAY, None, 10)
        assert (first.currency, first.balance, first.name) == ("EUR", Decimal("98.10"), "Librairie du Port")
        assert second.currency == "USD"
        assert (await receivables.customers(connection, TODAY, ("100000207", "EUR"), 10))[0] == (second,)


async def test_cash_is_expected_when_this_customer_usually_pays(pool: Pool) -> None:
    account = await open_account(pool)
    done = await sold(pool, account.id, Sale("F-1", due=TODAY - timedelta(days=30)), NOON)
    await paid(pool, account.id, done, "120.00", NOON - timedelta(days=20))  # ten days late
    await sold(pool, account.id, Sale("F-2", "50.00", due=date(2026, 12, 1)), NOON)
    await sold(pool, account.id, Sale("F-3", "7.00", due=TODAY - timedelta(days=300)), NOON)
    held = await sold(pool, account.id, Sale("F-4", "9.00", due=date(2026, 12, 1)), NOON, delivered=True)
    await said(pool, account.id, held, "disputed", NOON)
    async with pool.account(account.id) as connection:
        (euro,) = await receivables.standings(connection, TODAY)
    assert euro.weeks == ((date(2026, 11, 23), Decimal(7), 1), (date(2026, 12, 7), Decimal(50), 1))
    assert euro.disputed == 9
    assert euro.later == 0


async def test_it_equals_an_independent_ledger_to_the_cent(pool: Pool) -> None:
    account = await open_account(pool)
    chance, ledger, ids = random.Random(8), Ledger(), dict[int, UUID]()
    for turn in range(260):
        at = NOON + timedelta(seconds=turn)
        what = chance.random()
        if what < 0.3 or len(ids) < 4:
            number = f"F-{chance.randrange(30)}"
            paper = Paper(turn, number, chance.choice(("100000207", "552100554")), chance.choice(("EUR", "EUR", "USD")),
                          date(2020 + turn % 12, 3, 1 + turn % 28), chance.randrange(1, 50_000), [], False)  # fmt: skip
        elif what < 0.45:
            names = [(f"F-{chance.randrange(30)}", None) for _ in range(chance.randrange(4))]
            paper = Paper(turn, f"A-{turn}", chance.choice(("100000207", "552100554")), "EUR",
                          date(2020 + turn % 12, 4, 1), chance.randrange(1, 60_000), list(names), True)  # fmt: skip
        else:
            await _money(pool, account.id, chance, ledger, ids, at)
            continue
        if any(p.number == paper.number and p.issued.year == paper.issued.year for p in ledger.papers):
            continue
        ledger.papers.append(paper)
        sale = Sale(paper.number, str(Decimal(paper.cents) / 100), "381" if paper.is_credit else "380", paper.issued,
                    None, paper.customer, paper.currency, paper.names)  # fmt: skip
        ids[paper.id] = await sold(pool, account.id, sale, at, delivered=True)
        if turn % 7 == 0:
            await _equal(pool, account.id, ledger, ids)
    await _equal(pool, account.id, ledger, ids)
    assert len(ids) > 80
    assert sum(p.void for p in ledger.papers) > 3


async def _money(pool, account_id, chance, ledger, ids, at) -> None:  # type: ignore[no-untyped-def]
    paper = chance.choice(ledger.papers)
    document_id, what = ids[paper.id], chance.random()
    if what < 0.1 and not paper.void:
        paper.void = True
        await said(pool, account_id, document_id, "refused", at, ends=True)
    elif what < 0.2 and not paper.void and not paper.is_credit and ledger.balances()[paper.id] > 0:
        cents = chance.randrange(1, ledger.balances()[paper.id] + 1)
        amount = Decimal(cents) / 100
        one = WriteOff(new_id(at), amount, paper.currency, "rounding", "", "operator", at, str(new_id(at)))
        async with pool.account(account_id) as connection:
            await receivables.write_off(connection, account_id, document_id, one)
        paper.given_up += cents
    else:
        cents = chance.choice((paper.cents, chance.randrange(1, 60_000), -chance.randrange(1, 20_000)))
        for _ in range(chance.choice((1, 1, 3))):  # the bank's line is often told again
            await paid(pool, account_id, document_id, str(Decimal(cents) / 100), at, key=f"{at}")
        paper.received += cents


async def _equal(pool: Pool, account_id: UUID, ledger: Ledger, ids: dict[int, UUID]) -> None:
    async with pool.account(account_id) as connection:
        rows = await connection.fetch("select document_id, balance from receivable")
        assert await receivables.differing(connection) == []
    kept = {row["document_id"]: int(row["balance"] * 100) for row in rows}
    assert kept == {ids[paper]: cents for paper, cents in ledger.balances().items()}
