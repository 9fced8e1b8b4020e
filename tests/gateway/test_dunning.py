"""When to say what: by the plan, the calendar of the customer and what was said of the invoice; each step once."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest

from gateway import dunning
from gateway.dunning import USUAL, Answer, Owed, Where, country_of, decide, schedule

PLAN = USUAL["small"]
FRANCE = Where("FR")
DUE = date(2026, 12, 1)  # a Tuesday
OWED = Owed(UUID(int=1), "732829320", "EUR", DUE, Decimal("120.00"), False, True, None, None, None, (), False)


def at(day: date, hour: int = 11) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def lived(owed: Owed, first: date, days: int, plan: dunning.Plan = PLAN, where: Where = FRANCE) -> Owed:
    """What is heard when somebody looks once a day and nothing is paid."""
    for place in range(days):
        day = first + timedelta(days=place)
        found = decide(owed, plan, where, at(day))
        if found.answer is Answer.SAY:
            assert found.step is not None
            owed = replace(owed, heard=(*owed.heard, (found.step.name, day)))
    return owed


def test_a_life_hears_each_step_on_its_working_day() -> None:
    heard = lived(OWED, DUE - timedelta(days=30), 120).heard
    assert heard == (
        ("before", date(2026, 11, 24)), ("due", date(2026, 12, 1)), ("first", date(2026, 12, 4)),
        ("second", date(2026, 12, 11)), ("third", date(2026, 12, 21)), ("notice", date(2026, 12, 31)),
    )  # fmt: skip


def test_the_schedule_says_what_a_life_hears() -> None:
    chance = random.Random(3)
    for name in dunning.SEGMENTS:
        for _ in range(40):
            due, where = DUE + timedelta(days=chance.randrange(365)), Where(chance.choice(("FR", "DE", "GB", "SE")))
            owed, plan = replace(OWED, due_date=due), USUAL[name]
            first = due + timedelta(days=chance.randrange(-20, 60))
            told = tuple((s.name, d) for d, s in schedule(owed, plan, where, first, first + timedelta(days=200)))
            assert told == lived(owed, first, 201, plan, where).heard, (name, due, where, first)
            assert len({step for step, _ in told}) == len(told)


def test_who_comes_late_is_not_met_with_a_formal_notice() -> None:
    heard = lived(OWED, DUE + timedelta(days=100), 60).heard
    assert [name for name, _ in heard] == ["first", "second", "third", "notice"]
    days = [day for _, day in heard]
    assert all(b - a >= timedelta(days=7) for a, b in pairwise(days))


def test_nothing_leaves_on_holidays_weekends_or_at_night() -> None:
    owed = replace(OWED, due_date=date(2026, 12, 25))
    assert decide(owed, replace(PLAN, steps=PLAN.steps[1:]), FRANCE, at(date(2026, 12, 25))).answer is Answer.WAIT
    found = decide(owed, replace(PLAN, steps=PLAN.steps[1:]), FRANCE, at(date(2026, 12, 28)))
    assert (found.answer, found.on) == (Answer.SAY, date(2026, 12, 28))
    assert decide(OWED, PLAN, FRANCE, at(date(2026, 11, 24), 7)).answer is Answer.WAIT  # 8 o'clock in Paris
    assert decide(OWED, PLAN, FRANCE, at(date(2026, 11, 24), 8)).answer is Answer.SAY
    assert decide(OWED, PLAN, Where("GB"), at(date(2026, 11, 24), 8)).answer is Answer.WAIT
    assert Where("DE").working(date(2026, 10, 3)) == date(2026, 10, 5)  # national day, then a Sunday
    assert Where("ZZ").working(date(2026, 12, 25)) == date(2026, 12, 25)  # nobody lists its holidays


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"balance": Decimal(0)}, Answer.LEAVE),
        ({"balance": Decimal(-5)}, Answer.LEAVE),
        ({"status": "paid"}, Answer.LEAVE),
        ({"said": "disputed"}, Answer.WAIT),
        ({"said": "suspended"}, Answer.WAIT),
        ({"said": "completed"}, Answer.SAY),
        ({"said": "approved"}, Answer.SAY),
        ({"void": True}, Answer.LOOK),
        ({"paused": True}, Answer.WAIT),
        ({"delivered": False}, Answer.MEND),
        ({"said": "payment_sent", "said_at": at(DUE - timedelta(days=2))}, Answer.WAIT),
        ({"said": "payment_sent", "said_at": at(DUE - timedelta(days=12))}, Answer.SAY),
    ],
)
def test_the_life_cycle_decides(change: dict[str, object], answer: Answer) -> None:
    assert decide(replace(OWED, **change), PLAN, FRANCE, at(DUE)).answer is answer  # type: ignore[arg-type]


def test_the_country_of_a_customer() -> None:
    assert [country_of(one) for one in ("732829320", "DE123456789", "EL123456789", "document:x", "US12")] == [
        "FR", "DE", "GR", "FR", "FR",
    ]  # fmt: skip


def test_every_usual_plan_grows_sterner() -> None:
    order = list(dunning.Tone)
    for plan in USUAL.values():
        days, tones = [s.day for s in plan.steps], [order.index(s.tone) for s in plan.steps]
        assert days == sorted(days)
        assert tones == sorted(tones)
        assert len({s.name for s in plan.steps}) == len(plan.steps)
        assert -10 <= days[0] <= -5
