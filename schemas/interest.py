"""Interest for late payment, shown as a calculation: from when to when, at which rate, on what, how much. Pure.

The conventions, each of which changes cents:
- The first day that counts is the day after the due date; the last is the day of payment, or the day asked for. So a
  sum due on the 31st and paid on the 10th bears ten days, and what is paid on a day bears interest for that day too.
- A year has 365 days, in leap years as well.
- The rate is that of the half-year in which a day lies: it changes on 1 January and 1 July (C. com. L441-10 II). For
  public buyers it stays that of the half-year in which the delay began (CCP R2192-31).
- An agreed rate below three times the legal rate is raised to that, half-year by half-year (C. com. L441-10 II).
- Payments settle what was due first. One before the due date lessens what is owed from the beginning; a negative one is
  a reversal, and what it takes back bears interest again from the day after.
- The base is the amount with VAT. Interest bears no interest and no VAT.
- Each row is shown to four decimals and none is rounded: the sum is rounded once, half up, to the cent.
- The indemnity of 40 euro is owed once for an invoice on which anything was paid late, in euro whatever its currency.
"""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any

from schemas.rulebooks import fr_payment
from schemas.rulebooks.fr_payment import INDEMNITY, PUBLIC, PaymentLaw, Rates, rate_of
from schemas.totals import round_amount

DAYS_OF_YEAR = 365
SPAN_LIMIT = 36_525
"""Days that one calculation goes over at most: a hundred years."""
_ZERO = Decimal(0)
_ONE_DAY = timedelta(days=1)
_SHOWN = Decimal("0.0001")
_EXACT = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_UP)
_COUNT = "from the day after the due date up to and with the day of payment; 365 days a year"
_ROUNDING = "the sum once, half up, to the cent; rows are shown to four decimals and not rounded"


class Basis(StrEnum):
    """Why a rate applies."""

    DEFAULT = "default"
    """Nothing was agreed: the refinancing rate and ten points."""
    AGREED = "agreed"
    FLOOR = "floor"
    """Less was agreed than three times the legal rate."""
    PUBLIC = "public"
    """The refinancing rate and eight points, as the delay began."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sum that is due on a day: an invoice, or one of its instalments."""

    due: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Paid:
    """What came on a day; negative: it was taken back."""

    on: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the calculation depends on beside claims and payments."""

    rates: Rates
    agreed: Decimal | None = None
    """Percent a year; None: the rate of the law."""
    law: PaymentLaw = PaymentLaw.BUSINESS


@dataclass(frozen=True, slots=True)
class Row:
    """A stretch of days over which neither rate nor base changes."""

    first: date
    last: date
    rate: Decimal
    """Percent a year."""
    basis: Basis
    base: Decimal

    @property
    def days(self) -> int:
        """Both ends count."""
        return (self.last - self.first).days + 1

    @property
    def amount(self) -> Decimal:
        """The interest of these days, as it is shown: to four decimals."""
        with decimal.localcontext(_EXACT):
            return (self.base * self.rate * self.days / (100 * DAYS_OF_YEAR)).quantize(_SHOWN)


@dataclass(frozen=True, slots=True)
class Calculation:
    """Interest and indemnity up to a day, and how they come about."""

    until: date
    rows: tuple[Row, ...]
    interest: Decimal
    """In the currency of the claims."""
    indemnity: Decimal
    """In euro."""
    owed: Decimal
    """What of the claims that are due is unpaid at the end of the day, without interest."""

    def as_json(self, currency: str) -> dict[str, Any]:
        """The one JSON shape of a calculation."""
        return {
            "until": self.until.isoformat(),
            "currency": currency,
            "rows": [
                {
                    "from": row.first.isoformat(),
                    "to": row.last.isoformat(),
                    "days": row.days,
                    "rate": format(row.rate, "f"),
                    "basis": str(row.basis),
                    "base": format(row.base, "f"),
                    "amount": format(row.amount, "f"),
                }
                for row in self.rows
            ],
            "interest": format(self.interest, "f"),
            "indemnity": {"amount": format(self.indemnity, ".2f"), "currency": "EUR"},
            "owed": format(self.owed, "f"),
            "total": format(self.owed + self.interest + self.indemnity, "f") if currency == "EUR" else None,
            "day_count": _COUNT,
            "rounding": _ROUNDING,
        }


def interest(claims: Sequence[Claim], payments: Sequence[Paid], until: date, conditions: Conditions) -> Calculation:
    """What late payment costs up to and with a day.

    Raises RateUnknown for a half-year without a rate, ValueError where a claim is not positive or the span is longer
    than SPAN_LIMIT.
    """
    if not claims or any(one.amount <= 0 for one in claims):
        raise ValueError("interest is calculated on positive amounts")
    began = min(one.due for one in claims) + _ONE_DAY
    if (until - began).days > SPAN_LIMIT:
        raise ValueError(f"interest is calculated over at most {SPAN_LIMIT} days")
    rows = tuple(_rows(claims, payments, (began, until), conditions))
    with decimal.localcontext(_EXACT):
        product = sum((row.base * row.rate * row.days for row in rows), _ZERO)
        total = round_amount(product / (100 * DAYS_OF_YEAR))
        owed = round_amount(_owed(claims, payments, until + _ONE_DAY))
    return Calculation(until, rows, total, INDEMNITY if rows else _ZERO, owed)


def _rows(
    claims: Sequence[Claim], payments: Sequence[Paid], span: tuple[date, date], conditions: Conditions
) -> list[Row]:
    """The stretches on which something is owed; neighbours of the same rate and base are one."""
    found: list[Row] = []
    late_since: date | None = None
    marks = _marks(claims, payments, span)
    for first, following in pairwise(marks):
        base = _owed(claims, payments, first)
        if base == 0:
            late_since = None
            continue
        late_since = late_since or first
        rate, basis = _rate(conditions, first, late_since)
        row = Row(first, following - _ONE_DAY, rate, basis, base)
        before = found[-1] if found else None
        if before is not None and _joins(before, row):
            found[-1] = Row(before.first, row.last, rate, basis, base)
        else:
            found.append(row)
    return found


def _marks(claims: Sequence[Claim], payments: Sequence[Paid], span: tuple[date, date]) -> list[date]:
    """The days on which rate or base may change, in order, and the day after the last."""
    began, until = span
    end = until + _ONE_DAY
    marks = {one.due + _ONE_DAY for one in claims} | {one.on + _ONE_DAY for one in payments} | {began}
    half_year = fr_payment.half_year_of(began)
    while half_year <= until:
        marks.add(half_year)
        half_year = fr_payment.after(half_year)
    return [*sorted(mark for mark in marks if began <= mark < end), end] if began <= until else []


def _owed(claims: Sequence[Claim], payments: Sequence[Paid], day: date) -> Decimal:
    """What is late on a day: due before it, less what came before it; never below zero."""
    due = sum((one.amount for one in claims if one.due < day), _ZERO)
    paid = sum((one.amount for one in payments if one.on < day), _ZERO)
    return max(_ZERO, due - paid)


def _rate(conditions: Conditions, day: date, late_since: date) -> tuple[Decimal, Basis]:
    if conditions.law in PUBLIC:
        return rate_of(conditions.rates, late_since).public, Basis.PUBLIC
    rates = rate_of(conditions.rates, day)
    if conditions.agreed is None:
        return rates.default, Basis.DEFAULT
    if conditions.agreed < rates.floor:
        return rates.floor, Basis.FLOOR
    return conditions.agreed, Basis.AGREED


def _joins(before: Row, row: Row) -> bool:
    same = (before.rate, before.basis, before.base) == (row.rate, row.basis, row.base)
    return same and before.last + _ONE_DAY == row.first
