"""The whole chain of money: a bank statement pays, the payment is told by VAT rate, reminders end; and back again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from adapters.mail import Correspondence, Settings
from gateway import banking, reminding
from gateway.audit import audit_account
from gateway.banking import Options
from gateway.clock import SettableClock
from gateway.commands import demo_invoices
from gateway.commands.demo_mail import Catcher, catching
from gateway.dunning import USUAL, Where
from gateway.lifecycle import Stage
from gateway.matching.values import Part
from gateway.resources import Resources
from gateway.store import receivables, reminders, statements
from gateway.store.reminders import Customer, Switch
from tests.line.conftest import Line
from tests.line.test_mandatory import about, collected
from tests.schemas.bank.written import Move, camt

TODAY = datetime.now(UTC).date()
SILENT = "100000231"
"""A buyer that gets its invoices and says nothing."""
PROMISES = "100000207"
"""One that accepts, and announces its payment (211)."""


@dataclass
class Money:
    """A line whose reminders have a clock of their own."""

    line: Line
    resources: Resources
    clock: SettableClock
    catcher: Catcher

    async def invoice(self, number: str, siren: str, due: date) -> UUID:
        buyer = demo_invoices.buyer_that_accepts()
        buyer["legal_id"]["value"] = buyer["endpoint"]["value"] = siren
        members = {**demo_invoices.invoice(number, buyer), "due_date": due.isoformat()}
        document_id = await self.line.submit(json.dumps(members).encode(), "json", "application/json")
        now = self.clock.now()
        async with self.line.pool.account(self.line.account.id) as connection:
            one = Customer(siren, "small", "compta@example.org", changed_by="operator", changed_at=now)
            await reminders.keep_customer(connection, self.line.account.id, one)
            await reminders.turn(connection, self.line.account.id, Switch(True, "operator", now))
        return document_id

    async def heard(self, document_id: UUID, day: date) -> list[str]:
        """What an invoice has heard when a working day, or the first after it, has begun."""
        at = Where().at(Where().working(day), USUAL["small"])
        self.clock.advance(at - self.clock.now())
        await reminding.look(self.resources, self.line.account.id)
        await reminding.send(self.resources, self.line.account.id)
        async with self.line.pool.account(self.line.account.id) as connection:
            return [one.step for one in await reminders.said_of(connection, document_id)]

    async def told(self, document_id: UUID) -> list[Decimal]:
        """What each 212 says was collected, oldest first; each is valid and speaks of both rates."""
        await self.line.worker.drain()
        found = []
        for message in await about(self.line, document_id):
            parts = await collected(self.line, message)
            assert {rate for rate, _ in parts} == {Decimal("20"), Decimal("5.5")}
            found.append(sum((amount or Decimal(0) for _, amount in parts), Decimal(0)))
        return found

    async def balance(self, document_id: UUID) -> Decimal:
        async with self.line.pool.account(self.line.account.id) as connection:
            return (await receivables.get(connection, document_id)).balance


@pytest.fixture
async def money(line: Line) -> AsyncIterator[Money]:
    """With a mail server that keeps what it is given."""
    clock = SettableClock(datetime.now(UTC))
    async with catching() as catcher:
        mail = Settings("127.0.0.1", catcher.port, "factures@example.com", tls="none", seconds=10.0)
        resources = replace(line.resources, clock=clock, messenger=Correspondence(mail, clock.now))
        yield Money(line, resources, clock, catcher)


async def test_a_statement_pays_tells_and_ends_reminders_and_undoing_it_takes_all_back(money: Money):
    line, due_date = money.line, TODAY + timedelta(days=12)
    document_id = await money.invoice("M-1", SILENT, due_date)
    due = (await line.until(document_id, Stage.ACKNOWLEDGED)).amount_due
    assert due is not None
    assert await money.heard(document_id, due_date - timedelta(days=7)) == ["before"]
    (letter,) = money.catcher.messages
    assert "M-1" in letter["Subject"]

    statement = camt([Move(TODAY, str(due), "FACTURE M-1", "REF-1", party="Boulangerie des Halles SARL")])
    for booked in (1, 0, 0):
        _, _, run = await banking.take(line.resources, line.account.id, statement, Options(), "operator:test")
        assert (run.booked, run.proposed) == (booked, 0)
    document = await line.until(document_id, Stage.SETTLED, "paid")
    assert document.halted is None
    assert await money.told(document_id) == [due]
    assert await money.balance(document_id) == 0
    assert await money.heard(document_id, due_date) == ["before"], "who has paid is not chased"

    async with line.pool.account(line.account.id) as connection:
        (shown,), _ = await statements.lines(connection, "booked", None, None, 10)
    assert shown.match_id is not None
    for _ in range(2):
        await banking.undo(line.resources, line.account.id, shown.match_id, "operator:test")
    assert await money.told(document_id) == [due, -due]
    assert await money.balance(document_id) == due
    assert await money.heard(document_id, due_date + timedelta(days=3)) == ["before", "first"], "it is owed again"
    assert len(money.catcher.messages) == 2

    part = Part(document_id, due)
    await banking.assign(line.resources, line.account.id, shown.line.id, "operator:test", [part])
    assert await money.told(document_id) == [due, -due, due]
    assert await money.balance(document_id) == 0
    assert await money.heard(document_id, due_date + timedelta(days=40)) == ["before", "first"]
    checked = await audit_account(line.pool, line.account.id)
    assert checked.clean, checked.complaints


async def test_an_announced_payment_is_waited_for_and_then_asked_for(money: Money):
    due_date = TODAY + timedelta(days=8)
    document_id = await money.invoice("M-2", PROMISES, due_date)
    await money.line.until(document_id, Stage.ACKNOWLEDGED, "payment_sent")
    assert await money.heard(document_id, due_date - timedelta(days=7)) == []
    assert await money.heard(document_id, TODAY + timedelta(days=7)) == []
    assert await money.told(document_id) == [], "what is announced is not collected"
    heard = await money.heard(document_id, TODAY + timedelta(days=14))
    assert heard == ["first"], "it did not come"
    assert await money.balance(document_id) > 0
