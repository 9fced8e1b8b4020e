"""Reminders as decisions: given a plan, what is owed and what was said, whether to say something now, and what. Pure.

A plan is data: steps on days relative to the due date, each with its tone. A reminder is not a clock alone:

- What was never delivered is not chased: somebody mends the address.
- What the buyer disputes (207) or suspends (208) is left alone until it is completed (209) or approved (205).
- What is refused (210) or rejected (213) is over, and a person looks at it. An announced payment (211) is waited for.
- Money, a credit note that covers it, or a person's pause ends or stops it.

Each step is said once for ever. What was missed is not made up in one day: after a reminder the next step comes no
sooner than the plan's own distance, and a first reminder is never sterner than the first step after the due date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import holidays

SEGMENTS = ("public", "large", "small", "foreign", "strategic", "bad_payer")
"""Kinds of customers, each with a plan of its own."""
CHANNELS = ("email", "webhook")
LANGUAGES = ("fr", "en")
PROMISED = timedelta(days=10)
"""How long an announced payment (211) is waited for."""
STEPS_LIMIT = 12
"""Steps of a plan, at most."""

ZONES: Mapping[str, str] = {
    "AT": "Europe/Vienna", "BE": "Europe/Brussels", "BG": "Europe/Sofia", "CH": "Europe/Zurich", "CY": "Asia/Nicosia",
    "CZ": "Europe/Prague", "DE": "Europe/Berlin", "DK": "Europe/Copenhagen", "EE": "Europe/Tallinn",
    "ES": "Europe/Madrid", "FI": "Europe/Helsinki", "FR": "Europe/Paris", "GB": "Europe/London", "GR": "Europe/Athens",
    "HR": "Europe/Zagreb", "HU": "Europe/Budapest", "IE": "Europe/Dublin", "IT": "Europe/Rome", "LT": "Europe/Vilnius",
    "LU": "Europe/Luxembourg", "LV": "Europe/Riga", "MT": "Europe/Malta", "NL": "Europe/Amsterdam",
    "NO": "Europe/Oslo", "PL": "Europe/Warsaw", "PT": "Europe/Lisbon", "RO": "Europe/Bucharest",
    "SE": "Europe/Stockholm", "SI": "Europe/Ljubljana", "SK": "Europe/Bratislava",
}  # fmt: skip
"""Time zone of a customer's country; one that is not named here is written to in French hours."""
HOME = "FR"


class Tone(StrEnum):
    """How a letter speaks, from a service to a formal notice."""

    ADVANCE = "advance"
    """Before the due date: is everything in order?"""
    DUE = "due"
    FRIENDLY = "friendly"
    FIRM = "firm"
    LAST = "last"
    FORMAL = "formal"
    """Formal notice (mise en demeure)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to say."""

    name: str
    """Its name in the plan; each invoice hears a name once, whatever plan it comes from."""
    day: int
    """Days after the due date; negative: before it."""
    tone: Tone
    fee: Decimal = Decimal(0)
    """What the letter asks for besides, in euro, as agreed; nothing of an invoice in another currency."""


@dataclass(frozen=True, slots=True)
class Plan:
    """When to say what to one kind of customers."""

    name: str
    steps: tuple[Step, ...]
    """In the order of their days."""
    channel: str = "email"
    threshold: Decimal = Decimal(0)
    """Less than this is not chased; all that one letter asks for counts."""
    together: bool = True
    """Invoices of one customer that are due for a word on one day go into one letter."""
    opens: int = 9
    """Hour from which letters leave, in the customer's country."""
    closes: int = 17
    """Hour from which they leave no more."""


def _usual(name: str, *days: int, **more: Any) -> Plan:
    tones = (Tone.ADVANCE, Tone.DUE, Tone.FRIENDLY, Tone.FIRM, Tone.LAST, Tone.FORMAL)
    names = ("before", "due", "first", "second", "third", "notice")
    steps = tuple(Step(names[place], day, tones[place]) for place, day in enumerate(days) if day < _NEVER)
    return Plan(name, steps, **more)


_NEVER = 10_000
USUAL: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        _usual("public", -10, _NEVER, 5, 20, 40, 60),
        _usual("large", -10, 0, 5, 12, 25, 40),
        _usual("small", -7, 0, 3, 10, 20, 30),
        _usual("foreign", -10, 0, 5, 12, 25, 45),
        _usual("strategic", -7, _NEVER, 7, 20, _NEVER, _NEVER),
        _usual("bad_payer", -5, 0, 3, 10, 20, 25),
    )
}
"""The plan of each kind of customers while the account has none of its own."""


@dataclass(frozen=True, slots=True)
class Owed:
    """An invoice as its reminders see it."""

    document_id: UUID
    customer: str
    currency: str
    due_date: date
    balance: Decimal
    void: bool
    delivered: bool
    """The recipient's side has it."""
    status: str | None
    """The furthest status."""
    said: str | None
    """What was said last that bears on chasing: disputed, suspended, completed, approved, payment_sent."""
    said_at: datetime | None
    heard: tuple[tuple[str, date], ...]
    """Steps that were said, with their days."""
    paused: bool
    """A person stopped it, or its customer's."""


class Answer(StrEnum):
    """What to do about an invoice now."""

    SAY = "say"
    WAIT = "wait"
    """Not yet, or not by now; `on` may tell when."""
    LEAVE = "leave"
    """Nothing more is to be said: paid, or all is said."""
    MEND = "mend"
    """It was not delivered: somebody mends the address."""
    LOOK = "look"
    """It ended badly: a person looks at it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about an invoice now, and why."""

    answer: Answer
    why: str
    step: Step | None = None
    on: date | None = None
    """SAY: the business day; WAIT: the day to come, None: not by the calendar."""


@dataclass(frozen=True, slots=True)
class Where:
    """A customer's country, with what the calendar needs of it."""

    country: str = HOME

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(ZONES.get(self.country, ZONES[HOME]))

    def working(self, day: date) -> date:
        """The day, or the first working day after it."""
        return _working(self.country, day)

    def at(self, day: date, plan: Plan) -> datetime:
        """When letters of a day begin to leave, UTC."""
        return datetime.combine(day, time(plan.opens), self.zone).astimezone(UTC)

    def open(self, now: datetime, plan: Plan) -> date | None:
        """Today where the customer is, if it is a working day and within hours; else None."""
        local = now.astimezone(self.zone)
        today = local.date()
        return today if plan.opens <= local.hour < plan.closes and self.working(today) == today else None

    def opening(self, now: datetime, plan: Plan) -> datetime:
        """When letters begin to leave next, UTC."""
        today = now.astimezone(self.zone).date()
        at = self.at(self.working(today), plan)
        return at if at > now else self.at(self.working(today + timedelta(days=1)), plan)


def home_day(now: datetime) -> date:
    """The day in France: what a person set until a day ends with the French day."""
    return now.astimezone(Where().zone).date()


def country_of(customer: str) -> str:
    """The country that a customer's identifier tells: of a VAT number its prefix; else France."""
    prefix = customer[:2]
    return {"EL": "GR"}.get(prefix, prefix) if prefix in ZONES or prefix == "EL" else HOME


def decide(owed: Owed, plan: Plan, where: Where, now: datetime) -> Decision:
    """What to do about an invoice now."""
    why = stopped(owed, now)
    if why is not None:
        return why
    coming = following(owed.due_date, owed.heard, plan, where, now.astimezone(where.zone).date())
    if coming is None:
        return Decision(Answer.LEAVE, "all is said")
    step, on = coming
    today = where.open(now, plan)
    if today is None or today < on:
        return Decision(Answer.WAIT, "its day comes", step, on)
    if not owed.delivered:
        return Decision(Answer.MEND, "it was not delivered", step, on)
    return Decision(Answer.SAY, "its day has come", step, today)


def stopped(owed: Owed, now: datetime) -> Decision | None:
    """Why nothing is said whatever the day; None: the calendar decides."""
    if owed.void:
        return Decision(Answer.LOOK, "refused or rejected")
    if owed.balance <= 0 or owed.status == "paid":
        return Decision(Answer.LEAVE, "nothing is owed")
    if owed.said in ("disputed", "suspended"):
        return Decision(Answer.WAIT, owed.said)
    if owed.paused:
        return Decision(Answer.WAIT, "paused by hand")
    if owed.said == "payment_sent" and owed.said_at is not None and now < owed.said_at + PROMISED:
        return Decision(Answer.WAIT, "the payment is announced", on=(owed.said_at + PROMISED).date())
    return None


Heard = tuple[tuple[str, date], ...]
"""Names of steps with the days on which they were said."""
APART = 3
"""Days after a reminder that this plan does not know, at least."""


def following(due: date, heard: Heard, plan: Plan, where: Where, today: date) -> tuple[Step, date] | None:
    """The step to say next, and the working day from which it may be said; None: all is said.

    Of steps whose day is past the later is said and the earlier are passed over, but none sterner than the first after
    the due date, or than the next after the last that was said. One that was said late moves what follows.
    """
    last = _last(heard, plan)
    if last + 1 >= len(plan.steps):
        return None
    place = last + 1
    while (
        plan.steps[place].day <= 0
        and place + 1 < len(plan.steps)
        and where.working(due + timedelta(days=plan.steps[place + 1].day)) <= today
    ):
        place += 1
    step = plan.steps[place]
    on = where.working(due + timedelta(days=step.day))
    if not heard:
        return step, on
    said = max(day for _, day in heard)
    if last < 0:
        return step, max(on, where.working(said + timedelta(days=APART)))
    before = plan.steps[last]
    late = said > where.working(due + timedelta(days=before.day))
    return step, max(on, where.working(said + timedelta(days=step.day - before.day if late else 1)))


def _last(heard: Heard, plan: Plan) -> int:
    """The place of the last step that was said; -1: none of this plan."""
    names = {name for name, _ in heard}
    return max((place for place, step in enumerate(plan.steps) if step.name in names), default=-1)


def schedule(owed: Owed, plan: Plan, where: Where, today: date, until: date) -> tuple[tuple[date, Step], ...]:
    """What would be said from a day to another, if nothing is paid and nobody says anything."""
    if stopped(owed, where.at(today, plan)) is not None or not owed.delivered:
        return ()
    return _days(owed.due_date, owed.heard, plan, where, (today, until))


@lru_cache(maxsize=65_536)
def _days(due: date, heard: Heard, plan: Plan, where: Where, span: tuple[date, date]) -> tuple[tuple[date, Step], ...]:
    """The days of all invoices that stand alike: there are few kinds of them among many."""
    found, day = [], where.working(span[0])
    while day <= span[1] and (coming := following(due, heard, plan, where, day)):
        step, on = coming
        if on > day:  # by then another may have overtaken it
            day = on
            continue
        found.append((day, step))
        heard = (*heard, (step.name, day))
    return tuple(found)


@lru_cache(maxsize=65_536)
def _working(country: str, day: date) -> date:
    calendar = _calendar(country)
    while not _works(calendar, day):
        day += timedelta(days=1)
    return day


def _works(calendar: holidays.HolidayBase | None, day: date) -> bool:
    return day.weekday() < 5 if calendar is None else bool(calendar.is_working_day(day))


@lru_cache(maxsize=256)
def _calendar(country: str) -> holidays.HolidayBase | None:
    """The public holidays of a country; None where nobody listed them: then only week-ends are kept."""
    try:
        return holidays.country_holidays(country)
    except NotImplementedError:
        return None
