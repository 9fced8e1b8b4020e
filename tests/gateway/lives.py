"""Lives of invoices in virtual time (RELIABILITY T15), drawn from a seed: payments that are partial, told again, out of
order, too much and taken back; disputes, completions, refusals, credit notes and announced payments. After each day
every reminder is held against a model that knows nothing of the gateway's tables."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from gateway import reminding
from gateway.clock import SettableClock
from gateway.dunning import USUAL
from gateway.resources import Resources
from gateway.store import receivables, reminders
from gateway.store.pool import Pool
from gateway.worker import Worker
from tests.gateway.ledger import Ledger, Paper
from tests.gateway.sold import Sale, paid, said, sold

START = date(2026, 11, 24)
AT_ONCE = 6


@dataclass
class Life:
    """One invoice and what is to happen to it."""

    paper: Paper
    document_id: UUID
    script: list[tuple[date, str, int]]
    """Day, what, and cents."""
    chance: random.Random
    doubted: bool = False
    promised: date | None = None


@dataclass
class Told:
    """What came of it."""

    lives: int
    reminders: int
    letters: int
    payments: int
    disputes: int


def script(chance: random.Random, cents: int, due: date) -> list[tuple[date, str, int]]:
    """What happens to an invoice, in the order of its days."""

    def on(least: int, most: int) -> date:
        return max(START, due + timedelta(days=chance.randrange(least, most)))

    found: list[tuple[date, str, int]] = []
    kind = chance.random()
    if kind < 0.3:
        found.append((on(-10, 15), "pay", cents))
    elif kind < 0.5:
        first = chance.randrange(1, cents)
        parts = [first, cents - first]
        found += [(on(-8, 25), "pay", part) for part in parts]
    elif kind < 0.6:
        found += [(on(-8, 6), "pay", cents), (on(7, 12), "pay", -cents)]
        found += [(on(13, 25), "pay", cents)] if chance.random() < 0.5 else []
    elif kind < 0.65:
        found.append((on(-5, 10), "pay", cents + chance.randrange(1, 500)))
    if chance.random() < 0.25:
        begins = chance.randrange(-8, 12)
        found.append((on(begins, begins + 1), "disputed", 0))
        if chance.random() < 0.6:
            found.append((on(begins + 2, begins + 15), "completed", 0))
    if chance.random() < 0.05:
        found.append((on(-5, 20), "refused", 0))
    if chance.random() < 0.08:
        found.append((on(-5, 12), "credit", chance.randrange(1, cents + 1)))
    if chance.random() < 0.05:
        found.append((on(-3, 12), "payment_sent", 0))
    return sorted(found, key=lambda one: one[0])


class Town:
    """An account, its customers' invoices, and their days."""

    def __init__(self, pool: Pool, resources: Resources, clock: SettableClock, account_id: UUID, seed: int) -> None:
        self.pool, self.resources, self.clock, self.account_id = pool, resources, clock, account_id
        self.chance = random.Random(seed)
        self.ledger = Ledger()
        self.lives: list[Life] = []
        self.ids: dict[int, UUID] = {}
        self.payments = self.disputes = 0

    async def settle_in(self, count: int, *, channel: str) -> None:
        """Plan the reminders and issue the invoices."""
        self._at(START, 6)
        async with self.pool.account(self.account_id) as connection:
            plan = replace(USUAL["small"], channel=channel)
            await reminders.keep_plan(connection, self.account_id, plan, "operator", self.clock.now())
        gate, chance = asyncio.Semaphore(AT_ONCE), self.chance

        async def one(paper: Paper, due: date, happens: list[tuple[date, str, int]]) -> Life:
            async with gate:
                sale = Sale(paper.number, str(Decimal(paper.cents) / 100), due=due, buyer=paper.customer,
                            address=("EM", f"c{paper.customer}@example.org"))  # fmt: skip
                document_id = await sold(self.pool, self.account_id, sale, self.clock.now(), delivered=True)
                return Life(paper, document_id, happens, random.Random(paper.id))

        drawn = []
        for number in range(count):
            cents, due = chance.randrange(100, 900_000), START + timedelta(days=chance.randrange(0, 11))
            customer = f"1{chance.randrange(count // 8 + 1):08}"
            paper = Paper(number, f"F-{number}", customer, "EUR", date(2026, 11, 1), cents, [], False)
            drawn.append((paper, due, script(chance, cents, due)))
        self.lives = list(await asyncio.gather(*(one(*each) for each in drawn)))
        self.ledger.papers = [life.paper for life in self.lives]
        self.ids = {life.paper.id: life.document_id for life in self.lives}

    async def live(self, days: int) -> None:
        """Day after day; what falls on a week-end happens on Monday."""
        for place in range(days):
            day = START + timedelta(days=place)
            if day.weekday() < 5:
                await self.day(day)

    async def day(self, day: date) -> None:
        """What happens this day, then reminders by two gateways at once, each held against the model."""
        self._at(day, 9)
        gate = asyncio.Semaphore(AT_ONCE)

        async def live(life: Life) -> None:
            async with gate:
                while life.script and life.script[0][0] <= day:
                    _, what, cents = life.script.pop(0)
                    await self._happens(life, what, cents, day)

        await asyncio.gather(*(live(life) for life in self.lives if life.script and life.script[0][0] <= day))
        self._at(day, 11)
        await asyncio.gather(*(self._gateway() for _ in range(2)))
        await self._check(day)

    async def _gateway(self) -> None:
        await reminding.look(self.resources, self.account_id)
        await reminding.send(self.resources, self.account_id)

    async def _happens(self, life: Life, what: str, cents: int, day: date) -> None:
        paper, now = life.paper, self.clock.now()
        if what == "pay":
            key = f"{paper.number} {day} {len(life.script)}"
            for _ in range(life.chance.choice((1, 1, 3))):  # the bank's line comes again
                await paid(self.pool, self.account_id, life.document_id, str(Decimal(cents) / 100), now, key=key)
            paper.received += cents
            self.payments += 1
        elif what == "credit":
            number = paper.id + 1_000_000
            note = Paper(number, f"A-{paper.number}", paper.customer, "EUR", day, cents, [(paper.number, None)], True)
            sale = Sale(note.number, str(Decimal(cents) / 100), "381", day, None, note.customer, "EUR", note.names)
            self.ids[number] = await sold(self.pool, self.account_id, sale, now, delivered=True)
            self.ledger.papers.append(note)
        elif paper.void:
            return
        else:
            await said(self.pool, self.account_id, life.document_id, what, now, ends=what == "refused")
            paper.void |= what == "refused"
            life.doubted = what == "disputed"
            life.promised = day if what == "payment_sent" else None
            self.disputes += what == "disputed"

    async def _check(self, day: date) -> None:
        """No reminder of this day is about what is paid, disputed or void; each asks for what is owed, to the cent."""
        async with self.pool.account(self.account_id) as connection:
            rows = await connection.fetch("select document_id, balance from reminder where said_on = $1", day)
        owed = self.ledger.balances()
        lives = {life.document_id: life for life in self.lives}
        for row in rows:
            life = lives[row["document_id"]]
            assert not life.doubted, life
            assert not life.paper.void, life
            assert owed[life.paper.id] > 0, life
            assert int(row["balance"] * 100) == owed[life.paper.id], life
            assert life.promised is None or day >= life.promised + timedelta(days=10), life

    async def close(self, letters: Callable[[], int] | None = None) -> Told:
        """Settle the line, and hold all against the books; `letters`: how many came by mail, None: by webhook."""
        await Worker(self.resources, 4).drain()
        async with self.pool.account(self.account_id) as connection:
            rows = await connection.fetch("select document_id, balance from receivable")
            assert await receivables.differing(connection) == []
            counts = await connection.fetchrow(
                "select (select count(*) from reminder) as reminders, (select count(*) from letter) as letters, "
                "(select count(*) from heard) as steps, "
                "(select count(*) from payment) as payments, "
                "(select count(*) from event where outcome = 'payment') as told, "
                "(select count(distinct facts->>'payment') from event where outcome = 'payment') as once"
            )
            states = {row["state"] for row in await connection.fetch("select distinct state from letter")}
        kept = {row["document_id"]: int(row["balance"] * 100) for row in rows}
        assert kept == {self.ids[paper]: cents for paper, cents in self.ledger.balances().items()}
        assert counts["reminders"] == counts["steps"]
        assert counts["payments"] == self.payments
        assert counts["told"] == counts["once"]
        assert states == {"sent" if letters else "handed"}
        assert letters is None or letters() == counts["letters"]
        return Told(len(self.lives), counts["reminders"], counts["letters"], self.payments, self.disputes)

    def _at(self, day: date, hour: int) -> None:
        self.clock.advance(datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - self.clock.now())
