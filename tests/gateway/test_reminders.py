"""Reminders over a real database and a real mail server: each step once, none once paid or disputed is committed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID

import pytest
from asyncpg.exceptions import RestrictViolationError, UniqueViolationError

from adapters.mail import Correspondence, Settings
from adapters.port import Networks
from gateway import reminding
from gateway.audit import audit_account
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.dunning import USUAL, Step, Tone, home_day
from gateway.errors import Conflict, NotFound
from gateway.resources import Resources
from gateway.store import accounts, payments, receivables, reminders
from gateway.store.identifiers import new_id
from gateway.store.payments import Reported
from gateway.store.pool import Pool
from gateway.store.reminders import Customer, Pause, Switch
from tests.adapters.harnesses import Mailbox
from tests.gateway.ground import NOTARY, open_account
from tests.gateway.lives import Town
from tests.gateway.sold import Sale, paid, said, sold

DUE = date(2026, 12, 1)
MAIL = ("EM", "compta@example.org")


@dataclass
class Ground:
    """An account that reminds, and what its customers find in their mail."""

    pool: Pool
    resources: Resources
    clock: SettableClock
    box: Mailbox
    account_id: UUID

    async def invoice(self, number: str = "F-1", **more: Any) -> UUID:
        reached = more.pop("reached", True)
        sale = replace(Sale(number, due=DUE, address=MAIL), **more)
        return await sold(self.pool, self.account_id, sale, self.clock.now(), delivered=True, reached=reached)

    async def live(self, first: date, days: int) -> None:
        """Look and send once a day at eleven, as two gateways do at once."""
        for place in range(days):
            self.at(first + timedelta(days=place))
            await asyncio.gather(*(self.turn() for _ in range(2)))

    async def turn(self) -> None:
        await reminding.look(self.resources, self.account_id)
        await reminding.send(self.resources, self.account_id)

    def at(self, day: date, hour: int = 11) -> None:
        self.clock.advance(datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - self.clock.now())

    def letters(self) -> list[Any]:
        return [message_from_bytes(one, policy=policy.default) for one in self.box.kept]

    async def heard(self, document_id: UUID) -> list[str]:
        async with self.pool.account(self.account_id) as connection:
            return [one.step for one in await reminders.said_of(connection, document_id)]

    async def states(self) -> list[str]:
        async with self.pool.account(self.account_id) as connection:
            rows = await connection.fetch("select state from letter order by letter_id")
        return [row["state"] for row in rows]

    async def cases(self) -> list[tuple[UUID, str]]:
        async with self.pool.account(self.account_id) as connection:
            return [(one.document_id, one.kind) for one in await reminders.cases(connection, None, 100)]


@pytest.fixture(scope="module")
def compute() -> Iterator[Compute]:
    made = Compute(1, 60)
    yield made
    made.close()


@pytest.fixture
async def ground(pool: Pool, clock: SettableClock, compute: Compute) -> AsyncIterator[Ground]:
    """A mail server without TLS, and an account."""
    box = Mailbox()
    async with box.serving() as port:
        settings = Settings("127.0.0.1", port, "factures@example.com", tls="none", seconds=5.0)
        messenger = Correspondence(settings, clock.now)
        account = await open_account(pool)
        resources = Resources(pool, Networks(()), clock, compute, NOTARY, messenger=messenger)
        async with pool.account(account.id) as connection:
            await reminders.turn(connection, account.id, Switch(True, "operator", clock.now()))
        yield Ground(pool, resources, clock, box, account.id)


async def test_a_life_without_payment_hears_each_step_once(ground: Ground) -> None:
    invoice = await ground.invoice()
    await ground.live(date(2026, 11, 22), 45)
    assert await ground.heard(invoice) == ["before", "due", "first", "second", "third", "notice"]
    told = ground.letters()
    assert [one["To"] for one in told] == ["compta@example.org"] * 6
    assert len({one["Message-ID"] for one in told}) == 6
    assert await ground.states() == ["sent"] * 6
    assert told[0]["Subject"] == "Atelier : échéance à venir, F-1"
    assert "120,00 EUR" in told[5].get_content()
    assert "mettons en demeure" in told[5].get_content()
    async with ground.pool.account(ground.account_id) as connection:
        rows = await connection.fetch("select facts from event where outcome = 'reminder' order by seq")
        kept = await connection.fetch("select sha256 from entry where role = 'reminder'")
    assert [row["facts"]["state"] for row in rows] == ["waiting", "sent"] * 6
    assert "120" not in json.dumps([row["facts"]["step"] for row in rows if "step" in row["facts"]])
    assert (await audit_account(ground.pool, ground.account_id)).complaints == ()
    assert {row["sha256"].hex() for row in kept} == {r["facts"]["sha256"] for r in rows if "sha256" in r["facts"]}


async def test_nothing_is_said_before_it_is_switched_on(ground: Ground) -> None:
    await ground.invoice()
    async with ground.pool.account(ground.account_id) as connection:
        await reminders.turn(connection, ground.account_id, Switch(False, "operator", ground.clock.now()))
    await ground.live(DUE, 5)
    assert ground.box.kept == []
    assert await ground.states() == []


async def test_invoices_of_one_customer_go_into_one_letter(ground: Ground) -> None:
    first, second = await ground.invoice("F-1"), await ground.invoice("F-2", amount="30.00")
    other = await ground.invoice("F-3", buyer="552100554")
    await ground.live(DUE, 1)
    told = ground.letters()
    assert len(told) == 2
    both = next(one.get_content() for one in told if "F-1" in one.get_content())
    assert "F-2" in both
    assert "F-3" not in both
    assert "150,00 EUR" in both
    assert [await ground.heard(one) for one in (first, second, other)] == [["due"]] * 3


async def test_each_seller_and_each_tone_has_a_letter_of_its_own(ground: Ground) -> None:
    now = ground.clock.now()
    await accounts.add_participant(ground.pool, ground.account_id, siren="100000116", name="Scierie", now=now)
    await ground.invoice("F-1")
    await ground.invoice("F-2", seller="FR 32 100000116")
    ground.at(DUE)
    await ground.turn()
    told = {one["Subject"]: one.get_content() for one in ground.letters()}
    assert set(told) == {"Atelier : échéance ce jour, F-1", "Scierie : échéance ce jour, F-2"}
    assert all("Total à payer : 120,00 EUR" in one for one in told.values())
    assert "Scierie" in told["Scierie : échéance ce jour, F-2"]
    await ground.live(date(2026, 12, 4), 1)
    await ground.invoice("F-3", due=date(2026, 12, 8))
    await ground.invoice("F-4", due=date(2026, 12, 7))
    ground.at(date(2026, 12, 11))  # the second of F-1, the first of those that never heard anything
    await ground.turn()
    last = [one["Subject"] for one in ground.letters()[4:]]
    assert sorted(last) == [
        "Atelier : deuxième rappel, F-1", "Atelier : rappel, F-4, F-3", "Scierie : deuxième rappel, F-2",
    ]  # fmt: skip


async def test_a_fee_is_in_euro(ground: Ground) -> None:
    plan = replace(USUAL["small"], steps=(Step("fee", 0, Tone.FRIENDLY, Decimal("15.00")),))
    async with ground.pool.account(ground.account_id) as connection:
        await reminders.keep_plan(connection, ground.account_id, plan, "operator", ground.clock.now())
    await ground.invoice("F-1")
    await ground.invoice("F-2", currency="USD")
    await ground.live(DUE, 1)
    euro, dollar = sorted((one.get_content() for one in ground.letters()), key=lambda text: "USD" in text)
    assert "Total à payer : 135,00 EUR" in euro
    assert "Total à payer : 120,00 USD" in dollar
    async with ground.pool.account(ground.account_id) as connection:
        fees = await connection.fetch("select fee from reminder order by fee")
    assert [row["fee"] for row in fees] == [0, 15]


async def test_a_pause_ends_with_the_french_day(ground: Ground) -> None:
    invoice = await ground.invoice()
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)  # the first of December in Paris
    async with ground.pool.account(ground.account_id) as connection:
        await reminders.pause(connection, ground.account_id, invoice, Pause("a call", "operator", late, DUE))
        (one,) = await reminders.again(connection, home_day(late), [invoice])
        assert not one.owed.paused
        await reminders.pause(connection, ground.account_id, invoice, Pause("again", "operator", late))


async def test_ten_workers_say_it_once(ground: Ground) -> None:
    invoices = [await ground.invoice(f"F-{place}", buyer=f"10000020{place % 3}") for place in range(9)]
    ground.at(DUE)
    await asyncio.gather(*(ground.turn() for _ in range(10)))
    assert len(ground.box.kept) == 3
    assert [await ground.heard(one) for one in invoices] == [["due"]] * 9
    await asyncio.gather(*(ground.turn() for _ in range(10)))
    assert len(ground.box.kept) == 3


async def test_a_payment_that_is_being_committed_is_waited_for(ground: Ground) -> None:
    invoice = await ground.invoice()
    ground.at(DUE)
    now = ground.clock.now()
    reported = Reported(new_id(now), Decimal("120.00"), "EUR", now.date(), "", "k")
    async with ground.pool.account(ground.account_id) as connection:
        await payments.record(connection, ground.account_id, invoice, reported, now)
        await connection.execute("set constraints all immediate")
        looking = asyncio.create_task(reminding.look(ground.resources, ground.account_id))
        done, _ = await asyncio.wait({looking}, timeout=0.5)
        assert not done  # it has read that something is owed, and waits for the lock
    await looking
    assert await ground.heard(invoice) == []
    assert await ground.states() == []


async def test_a_dispute_that_is_being_committed_is_waited_for(ground: Ground) -> None:
    invoice = await ground.invoice()
    ground.at(DUE)
    async with ground.pool.account(ground.account_id) as connection:
        await receivables.lock(connection, [invoice])
        looking = asyncio.create_task(reminding.look(ground.resources, ground.account_id))
        done, _ = await asyncio.wait({looking}, timeout=0.5)
        assert not done
        await connection.execute("update receivable set said = 'disputed' where document_id = $1", invoice)
    await looking
    assert await ground.states() == []


async def test_the_life_cycle_is_obeyed(ground: Ground) -> None:
    invoice = await ground.invoice()
    await said(ground.pool, ground.account_id, invoice, "disputed", ground.clock.now())
    await ground.live(date(2026, 11, 24), 20)
    assert await ground.heard(invoice) == []
    assert await ground.cases() == [(invoice, "disputed")]
    earlier = datetime(2026, 11, 20, tzinfo=UTC)
    await said(ground.pool, ground.account_id, invoice, "completed", earlier)  # it came late, and is older
    await ground.live(date(2026, 12, 14), 1)
    assert await ground.heard(invoice) == []
    await said(ground.pool, ground.account_id, invoice, "completed", ground.clock.now())
    await ground.live(date(2026, 12, 15), 1)
    assert await ground.heard(invoice) == ["first"]
    assert await ground.cases() == []
    await said(ground.pool, ground.account_id, invoice, "payment_sent", ground.clock.now())
    await ground.live(date(2026, 12, 16), 9)
    assert await ground.heard(invoice) == ["first"]
    await ground.live(date(2026, 12, 28), 3)
    assert await ground.heard(invoice) == ["first", "second"]
    await said(ground.pool, ground.account_id, invoice, "refused", ground.clock.now(), ends=True)
    await ground.live(date(2026, 12, 30), 30)
    assert await ground.heard(invoice) == ["first", "second"]
    assert await ground.cases() == [(invoice, "refused")]


async def test_what_was_never_delivered_is_mended_and_not_chased(ground: Ground) -> None:
    invoice = await ground.invoice(reached=False)
    await ground.live(DUE, 3)
    assert ground.box.kept == []
    assert await ground.cases() == [(invoice, "address")]
    async with ground.pool.account(ground.account_id) as connection:
        await reminders.close_case(connection, invoice, "address", "operator", ground.clock.now())
        with pytest.raises(NotFound):
            await reminders.close_case(connection, invoice, "address", "operator", ground.clock.now())
    await ground.live(DUE + timedelta(days=6), 1)
    assert await ground.cases() == []  # a person has looked at it


async def test_money_ends_it_and_a_reversal_begins_it_again(ground: Ground) -> None:
    invoice = await ground.invoice()
    await ground.live(DUE, 1)
    await paid(ground.pool, ground.account_id, invoice, "100.00", ground.clock.now())
    await ground.live(date(2026, 12, 4), 1)
    assert "20,00 EUR (sur 120,00 EUR)" in ground.letters()[-1].get_content()
    await paid(ground.pool, ground.account_id, invoice, "20.00", ground.clock.now())
    await ground.live(date(2026, 12, 5), 20)
    assert await ground.heard(invoice) == ["due", "first"]
    await paid(ground.pool, ground.account_id, invoice, "-20.00", ground.clock.now())
    await ground.live(date(2026, 12, 28), 1)
    assert await ground.heard(invoice) == ["due", "first", "second"]


async def test_a_person_pauses_an_invoice_or_a_customer(ground: Ground) -> None:
    invoice = await ground.invoice()
    now = ground.clock.now()
    async with ground.pool.account(ground.account_id) as connection:
        await reminders.pause(connection, ground.account_id, invoice, Pause("a call", "operator", now, DUE))
        with pytest.raises(Conflict):
            await reminders.pause(connection, ground.account_id, invoice, Pause("again", "operator", now))
    await ground.live(date(2026, 11, 24), 7)
    assert await ground.heard(invoice) == []
    async with ground.pool.account(ground.account_id) as connection:
        await reminders.resume(connection, ground.account_id, invoice, "operator", now)
        customer = Customer("100000207", paused="insolvent", changed_by="operator", changed_at=now)
        await reminders.keep_customer(connection, ground.account_id, customer)
    await ground.live(date(2026, 12, 1), 7)
    assert await ground.heard(invoice) == []
    async with ground.pool.account(ground.account_id) as connection:
        customer = Customer("100000207", language="en", email="ap@example.net", changed_by="operator", changed_at=now)
        await reminders.keep_customer(connection, ground.account_id, customer)
    await ground.live(date(2026, 12, 8), 1)
    (letter,) = ground.letters()
    assert letter["To"] == "ap@example.net"
    assert letter["Subject"] == "Atelier: reminder, F-1"


@pytest.mark.parametrize(("fate", "state", "case"), [("refused", "refused", "contact"), ("silent", "unsure", "unsure")])
async def test_what_the_mail_server_says_is_kept(ground: Ground, fate: str, state: str, case: str) -> None:
    invoice = await ground.invoice(address=("EM", f"{fate}@example.org"))
    await ground.live(DUE, 1)
    assert await ground.states() == [state]
    assert await ground.cases() == [(invoice, case)]
    before = len(ground.box.kept)
    await ground.turn()
    assert len(ground.box.kept) == before  # it may have left, so it is not sent again


async def test_while_the_mail_server_is_away_a_payment_takes_the_letter_back(ground: Ground) -> None:
    invoice = await ground.invoice(address=("EM", "busy@example.org"))
    await ground.live(DUE, 1)
    assert await ground.states() == ["waiting"]
    await paid(ground.pool, ground.account_id, invoice, "120.00", ground.clock.now())
    ground.at(DUE, 12)
    await reminding.send(ground.resources, ground.account_id)
    assert await ground.states() == ["dropped"]


async def test_what_a_dropped_letter_did_not_say_is_said_anew(ground: Ground) -> None:
    invoices = [await ground.invoice(f"F-{place}", address=("EM", "busy@example.org")) for place in range(5)]
    await ground.live(DUE, 1)
    assert await ground.states() == ["waiting"]
    await paid(ground.pool, ground.account_id, invoices[0], "120.00", ground.clock.now())
    async with ground.pool.account(ground.account_id) as connection:
        customer = Customer("100000207", email="ap@example.net", changed_by="operator", changed_at=ground.clock.now())
        await reminders.keep_customer(connection, ground.account_id, customer)
    ground.at(DUE, 12)
    await reminding.send(ground.resources, ground.account_id)
    assert await ground.states() == ["dropped"]
    await ground.live(DUE + timedelta(days=1), 1)
    await ground.live(DUE + timedelta(days=1), 1)
    assert await ground.states() == ["dropped", "sent"]
    (letter,) = ground.letters()
    assert [f"F-{place}" in letter.get_content() for place in range(5)] == [False, True, True, True, True]
    assert (await audit_account(ground.pool, ground.account_id)).complaints == ()


async def test_a_refused_letter_is_written_anew_to_another_address(ground: Ground) -> None:
    await ground.invoice(address=("EM", "refused@example.org"))
    await ground.live(DUE, 3)
    assert await ground.states() == ["refused"]  # the same address is not asked again and again
    async with ground.pool.account(ground.account_id) as connection:
        customer = Customer("100000207", email="ap@example.net", changed_by="operator", changed_at=ground.clock.now())
        await reminders.keep_customer(connection, ground.account_id, customer)
    await ground.live(date(2026, 12, 4), 1)
    assert await ground.states() == ["refused", "sent"]
    assert len(ground.box.kept) == 1


async def test_what_was_heard_is_never_unheard(ground: Ground) -> None:
    await ground.invoice()
    await ground.live(DUE, 1)
    async with ground.pool.account(ground.account_id) as connection:
        with pytest.raises(RestrictViolationError):
            await connection.execute("delete from heard")
    async with ground.pool.account(ground.account_id) as connection:
        with pytest.raises(UniqueViolationError):
            await connection.execute(
                "insert into heard select account_id, document_id, step, letter_id, said_on from reminder"
            )


async def test_without_a_mail_server_no_letter_is_written_that_would_wait(ground: Ground) -> None:
    invoice = await ground.invoice()
    ground.at(DUE)
    await reminding.look(replace(ground.resources, messenger=None), ground.account_id)
    assert await ground.states() == []
    await ground.live(DUE, 1)
    assert await ground.heard(invoice) == ["due"]


@pytest.mark.parametrize("what", ["off", "part", "announced", "old"])
async def test_a_letter_that_waits_leaves_only_while_all_it_says_is_so(ground: Ground, what: str) -> None:
    invoice = await ground.invoice()
    ground.at(DUE)
    await reminding.look(ground.resources, ground.account_id)
    now = ground.clock.now()
    if what == "off":
        async with ground.pool.account(ground.account_id) as connection:
            await reminders.turn(connection, ground.account_id, Switch(False, "operator", now))
    elif what == "part":
        await paid(ground.pool, ground.account_id, invoice, "20.00", now)
    elif what == "announced":
        await said(ground.pool, ground.account_id, invoice, "payment_sent", now)
    else:
        ground.at(DUE + timedelta(days=6))
    await reminding.send(ground.resources, ground.account_id)
    assert await ground.states() == ["dropped"]
    assert ground.box.kept == []
    if what in ("part", "old"):
        await ground.turn()
        assert sorted(await ground.states()) == ["dropped", "sent"]  # of one millisecond, in any order
        assert ("100,00 EUR" if what == "part" else "120,00 EUR") in ground.letters()[0].get_content()


async def test_a_letter_that_waits_leaves_in_the_customers_hours(ground: Ground) -> None:
    await ground.invoice()
    ground.at(DUE, 15)
    await reminding.look(ground.resources, ground.account_id)
    ground.at(DUE, 22)
    await reminding.send(ground.resources, ground.account_id)
    async with ground.pool.account(ground.account_id) as connection:
        row = await connection.fetchrow("select state, due, attempts from letter")
    assert tuple(row) == ("waiting", datetime(2026, 12, 2, 8, tzinfo=UTC), 0)  # nine o'clock in Paris
    ground.at(DUE + timedelta(days=1), 8)
    await reminding.send(ground.resources, ground.account_id)
    assert await ground.states() == ["sent"]


async def test_a_sender_that_died_leaves_an_unsure_letter(ground: Ground) -> None:
    invoice = await ground.invoice()
    ground.at(DUE)
    await reminding.look(ground.resources, ground.account_id)
    async with ground.pool.account(ground.account_id) as connection:
        assert await reminders.claim(connection, ground.clock.now()) is not None
    await reminding.send(ground.resources, ground.account_id)
    assert await ground.states() == ["sending"]
    ground.at(DUE, 12)
    assert await reminders.due_accounts(ground.pool, ground.clock.now()) == [ground.account_id]
    await reminding.send(ground.resources, ground.account_id)
    assert await ground.states() == ["unsure"]
    assert await ground.cases() == [(invoice, "unsure")]
    assert ground.box.kept == []


async def test_without_an_address_a_person_finds_one(ground: Ground) -> None:
    invoice = await ground.invoice(address=None)
    await ground.live(DUE, 1)
    assert await ground.cases() == [(invoice, "contact")]
    assert await ground.heard(invoice) == []


async def test_a_plan_of_ones_own(ground: Ground) -> None:
    steps = (Step("gentle", 1, Tone.FRIENDLY), Step("fee", 8, Tone.FIRM, Decimal("15.00")))
    plan = replace(USUAL["small"], steps=steps, channel="webhook", threshold=Decimal(50), together=False)
    async with ground.pool.account(ground.account_id) as connection:
        await reminders.keep_plan(connection, ground.account_id, plan, "operator", ground.clock.now())
        assert await reminders.plans(connection) == {"small": plan}
    first = await ground.invoice("F-1")
    second = await ground.invoice("F-2")
    small = await ground.invoice("F-3", amount="49.99")
    await ground.live(DUE, 20)
    assert await ground.heard(first) == await ground.heard(second) == ["gentle", "fee"]
    assert await ground.heard(small) == []
    assert await ground.states() == ["handed"] * 4
    assert ground.box.kept == []


async def test_the_kind_of_customer_decides_the_plan(ground: Ground) -> None:
    for number in range(3):
        old = await ground.invoice(f"O-{number}", buyer="552100554", due=date(2026, 6, 1 + number))
        await paid(ground.pool, ground.account_id, old, "120.00", ground.clock.now())
    await ground.invoice("F-1", buyer="552100554")
    await ground.invoice("F-2", buyer="DE136695976")
    await ground.invoice("F-3")
    async with ground.pool.account(ground.account_id) as connection:
        await connection.execute(
            "insert into directory_unit (account_id, siren, source, known_at, public) "
            "values ($1, '130025265', 'own', $2, true)",
            *(ground.account_id, ground.clock.now()),
        )
    await ground.invoice("F-4", buyer="13002526500013")
    planned = await reminding.preview(ground.resources, ground.account_id, 14)
    kinds = {one.candidate.number: one.segment for one in planned}
    assert kinds == {"F-1": "bad_payer", "F-2": "foreign", "F-3": "small", "F-4": "public"}
    assert all(one.on <= date(2026, 12, 8) for one in planned)
    assert await ground.states() == []  # a preview says nothing


async def test_a_preview_says_what_then_happens(ground: Ground) -> None:
    invoices = [await ground.invoice(f"F-{place}", due=DUE + timedelta(days=place)) for place in range(8)]
    planned = [(one.on, one.candidate.owed.document_id, one.step.name)
               for one in await reminding.preview(ground.resources, ground.account_id, 30)]  # fmt: skip
    await ground.live(ground.clock.now().date(), 31)
    async with ground.pool.account(ground.account_id) as connection:
        rows = await connection.fetch("select said_on, document_id, step from reminder")
    assert {tuple(row) for row in rows} == set(planned)
    assert len(rows) == len(planned) > len(invoices) * 3


async def test_five_hundred_lives(ground: Ground) -> None:
    town = Town(ground.pool, ground.resources, ground.clock, ground.account_id, seed=15)
    await town.settle_in(500, channel="webhook")
    await town.live(30)
    told = await town.close()
    assert told.reminders > 900
    assert told.payments > 300
    assert told.disputes > 60


async def test_thirty_lives_by_mail(ground: Ground) -> None:
    town = Town(ground.pool, ground.resources, ground.clock, ground.account_id, seed=16)
    await town.settle_in(30, channel="email")
    await town.live(35)
    told = await town.close(lambda: len({one["Message-ID"] for one in ground.letters()}))
    assert len(ground.box.kept) == told.letters > 20
