"""French law on when an invoice is to be paid and what late payment costs: periods, half-yearly rates, indemnity.

The rates are data (`fr_rates.csv`, with their sources). They are published every half-year, so an operator adds new
lines in a file of the same name in the folder of rule artefacts (`ESTAFETTE_RULES`), without a new release. A half-year
that nobody published yet has no rate: whoever asks is told so, and nothing is guessed from the one before.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path

RATES_FILE = "fr_rates.csv"
"""Name of the table, here and in the operator's folder."""
RATES_LIMIT = 100_000
"""Bytes of the operator's table."""

INDEMNITY = Decimal(40)
"""Euro per invoice paid late, between professionals (C. com. D441-5) and by public buyers (CCP D2192-35)."""
BUSINESS_POINTS = Decimal(10)
"""Added to the refinancing rate where nothing else was agreed (C. com. L441-10 II)."""
PUBLIC_POINTS = Decimal(8)
"""Added to the refinancing rate for public buyers (CCP R2192-31)."""
FLOOR_FACTOR = Decimal(3)
"""An agreed rate is at least so many times the legal rate (C. com. L441-10 II)."""

_COLUMNS = ("half_year", "refinancing", "legal")
_RATE = re.compile(r"[0-9]{1,2}\.[0-9]{1,4}")


class PaymentLaw(StrEnum):
    """Which law a payment period answers to."""

    BUSINESS = "business"
    """Between businesses: at most 60 days from the invoice's date, or 45 days end of month where so agreed."""
    PERIODIC = "periodic"
    """A periodic invoice between businesses: at most 45 days from its date."""
    TRANSPORT = "transport"
    """Transport, freight forwarding, vehicle rental: at most 30 days from the invoice's date."""
    PUBLIC = "public"
    """A public buyer: at most 30 days."""
    PUBLIC_HEALTH = "public_health"
    """A public hospital or the armed forces' health service: at most 50 days."""
    PUBLIC_UNDERTAKING = "public_undertaking"
    """A public undertaking: at most 60 days."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest period a law allows."""

    days: int
    article: str
    """Where the law says so."""
    end_of_month_days: int | None = None
    """Days of the other way to count, with an end of month; None: there is none."""


LIMITS: Mapping[PaymentLaw, Limit] = {
    PaymentLaw.BUSINESS: Limit(60, "C. com. L441-10 I", 45),
    PaymentLaw.PERIODIC: Limit(45, "C. com. L441-10 I"),
    PaymentLaw.TRANSPORT: Limit(30, "C. com. L441-11"),
    PaymentLaw.PUBLIC: Limit(30, "CCP R2192-10"),
    PaymentLaw.PUBLIC_HEALTH: Limit(50, "CCP R2192-11 1°"),
    PaymentLaw.PUBLIC_UNDERTAKING: Limit(60, "CCP R2192-11 2°"),
}
PUBLIC = frozenset({PaymentLaw.PUBLIC, PaymentLaw.PUBLIC_HEALTH, PaymentLaw.PUBLIC_UNDERTAKING})
DEFAULT_DAYS = 30
"""Days after goods or services were received, where nothing was agreed (C. com. L441-10 I)."""


@dataclass(frozen=True, slots=True)
class HalfYear:
    """The rates of a half-year, in percent a year."""

    begins: date
    """1 January or 1 July."""
    refinancing: Decimal
    legal: Decimal

    @property
    def default(self) -> Decimal:
        """What is due between businesses where nothing else was agreed (C. com. L441-10 II)."""
        return self.refinancing + BUSINESS_POINTS

    @property
    def floor(self) -> Decimal:
        """The least rate that can be agreed."""
        return self.legal * FLOOR_FACTOR

    @property
    def public(self) -> Decimal:
        """What public buyers owe for a delay that began in this half-year."""
        return self.refinancing + PUBLIC_POINTS


class RateUnknown(LookupError):
    """The rates of a half-year are in no table; `begins` is its first day."""

    def __init__(self, begins: date) -> None:
        super().__init__(
            f"the late-payment rates of the half-year from {begins.isoformat()} are not known; add its line to "
            f"{RATES_FILE} in the folder of rule artefacts once they are published"
        )
        self.begins = begins


class RatesUnreadable(ValueError):
    """A table of rates cannot be used; says which line and why."""


Rates = Mapping[date, HalfYear]


def half_year_of(day: date) -> date:
    """The first day of the half-year of a day."""
    return date(day.year, 1 if day.month < 7 else 7, 1)


def after(half_year: date) -> date:
    """The first day of the half-year after the one that begins on this day."""
    return half_year_of(half_year + timedelta(days=184))


def rate_of(rates: Rates, day: date) -> HalfYear:
    """The rates in force on a day. Raises RateUnknown."""
    begins = half_year_of(day)
    if begins not in rates:
        raise RateUnknown(begins)
    return rates[begins]


def rates(folder: str | None = None) -> Rates:
    """The known rates; lines of the operator's folder are added, and go before ours. Raises RatesUnreadable."""
    path = Path(folder) / RATES_FILE if folder else None
    if path is None or not path.is_file():
        return _own()
    with path.open("rb") as file:
        data = file.read(RATES_LIMIT + 1)
    if len(data) > RATES_LIMIT:
        raise RatesUnreadable(f"{RATES_FILE} of the operator has more than {RATES_LIMIT} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise RatesUnreadable(f"{RATES_FILE} of the operator is no UTF-8") from wrong
    return {**_own(), **read(text.splitlines())}


def read(lines: Iterable[str]) -> dict[date, HalfYear]:
    """A table of rates; lines that begin with # are comments. Raises RatesUnreadable."""
    told = [(at, line) for at, line in enumerate(lines, start=1) if line.strip() and not line.startswith("#")]
    found: dict[date, HalfYear] = {}
    for position, ((at, _), row) in enumerate(zip(told, csv.reader(line for _, line in told), strict=True)):
        if position == 0:
            if tuple(row) != _COLUMNS:
                raise RatesUnreadable(f"line {at} of {RATES_FILE}: the columns are {', '.join(_COLUMNS)}")
            continue
        one = _row(at, row)
        if one.begins in found:
            raise RatesUnreadable(f"line {at} of {RATES_FILE}: {one.begins} stands twice")
        found[one.begins] = one
    if not told:
        raise RatesUnreadable(f"{RATES_FILE} is empty; the columns are {', '.join(_COLUMNS)}")
    return found


def _row(at: int, row: list[str]) -> HalfYear:
    if len(row) != len(_COLUMNS) or not all(_RATE.fullmatch(text.strip()) for text in row[1:]):
        raise RatesUnreadable(f"line {at} of {RATES_FILE}: a line is a day and two rates such as 2.40")
    try:
        begins = date.fromisoformat(row[0].strip())
    except ValueError as wrong:
        raise RatesUnreadable(f"line {at} of {RATES_FILE}: {row[0]!r} is no date") from wrong
    if begins != half_year_of(begins):
        raise RatesUnreadable(f"line {at} of {RATES_FILE}: a half-year begins on 1 January or 1 July")
    return HalfYear(begins, Decimal(row[1].strip()), Decimal(row[2].strip()))


@cache
def _own() -> dict[date, HalfYear]:
    return read((files(__package__) / RATES_FILE).read_text("utf-8").splitlines())
