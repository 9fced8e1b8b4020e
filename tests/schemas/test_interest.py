"""Interest for late payment: examples calculated by hand, conventions one by one, and each sum day by day anew."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.interest import Basis, Calculation, Claim, Conditions, Paid, interest
from schemas.rulebooks import fr_payment
from schemas.rulebooks.fr_payment import PaymentLaw, RatesUnreadable, RateUnknown, rates

KNOWN = rates()
BY_LAW = Conditions(KNOWN)


def shown(made: Calculation) -> list[tuple[str, str, int, str, str, str]]:
    return [
        (row["from"], row["to"], row["days"], row["rate"], row["base"], row["amount"])
        for row in made.as_json("EUR")["rows"]
    ]


def test_a_rate_that_changes_while_the_whole_is_owed() -> None:
    """12 000 due 31 May 2026, paid 20 August. 30 days: 12000 x 12.15 % x 30/365 = 43740/365. 51 days: 12000 x 12.40 %
    x 51/365 = 75888/365. Together 119628/365 = 327.7479, and 40."""
    made = interest(
        [Claim(date(2026, 5, 31), Decimal("12000.00"))],
        [Paid(date(2026, 8, 20), Decimal("12000.00"))],
        date(2026, 11, 24),
        BY_LAW,
    )
    assert shown(made) == [
        ("2026-06-01", "2026-06-30", 30, "12.15", "12000.00", "119.8356"),
        ("2026-07-01", "2026-08-20", 51, "12.40", "12000.00", "207.9123"),
    ]
    assert (made.interest, made.indemnity, made.owed) == (Decimal("327.75"), Decimal(40), Decimal("0.00"))
    assert made.as_json("EUR")["total"] == "367.75"


def test_a_partial_payment_and_a_rate_that_changes_after_it() -> None:
    """10 000 due 30 November 2024, 4 000 paid 20 December, the rest 15 February 2025. 28500/365 + 9405/365 +
    36294/365 = 74199/365 = 203.2849."""
    made = interest(
        [Claim(date(2024, 11, 30), Decimal("10000.00"))],
        [Paid(date(2025, 2, 15), Decimal("6000.00")), Paid(date(2024, 12, 20), Decimal("4000.00"))],
        date(2025, 3, 31),
        BY_LAW,
    )
    assert shown(made) == [
        ("2024-12-01", "2024-12-20", 20, "14.25", "10000.00", "78.0822"),
        ("2024-12-21", "2024-12-31", 11, "14.25", "6000.00", "25.7671"),
        ("2025-01-01", "2025-02-15", 46, "13.15", "6000.00", "99.4356"),
    ]
    assert made.interest == Decimal("203.28")


def test_an_agreed_rate_that_the_floor_raises_in_one_half_year_only() -> None:
    """5 000 due 10 June 2025, unpaid on 30 September, at 10 % agreed. Until 30 June the floor is 3 x 3.71 = 11.13 %,
    then 3 x 2.76 = 8.28 %. 11130/365 + 46000/365 = 57130/365 = 156.5205."""
    conditions = Conditions(KNOWN, agreed=Decimal("10.00"))
    made = interest([Claim(date(2025, 6, 10), Decimal("5000.00"))], [], date(2025, 9, 30), conditions)
    assert shown(made) == [
        ("2025-06-11", "2025-06-30", 20, "11.13", "5000.00", "30.4932"),
        ("2025-07-01", "2025-09-30", 92, "10.00", "5000.00", "126.0274"),
    ]
    assert [row.basis for row in made.rows] == [Basis.FLOOR, Basis.AGREED]
    assert (made.interest, made.owed) == (Decimal("156.52"), Decimal("5000.00"))
    assert made.as_json("EUR")["total"] == "5196.52"


def test_public_buyers_owe_the_rate_of_the_half_year_in_which_the_delay_began() -> None:
    """20 000 due 15 June 2025: 3.15 + 8 stays. 20000 x 11.15 % x 46/365 = 102580/365 = 281.0411."""
    conditions = Conditions(KNOWN, law=PaymentLaw.PUBLIC)
    made = interest([Claim(date(2025, 6, 15), Decimal(20000))], [], date(2025, 7, 31), conditions)
    assert shown(made) == [("2025-06-16", "2025-07-31", 46, "11.15", "20000", "281.0411")]
    assert made.interest == Decimal("281.04")


def test_rows_are_not_rounded_before_the_sum() -> None:
    """Rows of 0.0041 each would each round to nothing."""
    claim = Claim(date(2026, 1, 1), Decimal("12.30"))
    paid = [Paid(date(2026, 1, 2) + timedelta(days=n), Decimal("0.01")) for n in range(10)]
    made = interest([claim], paid, date(2026, 1, 11), BY_LAW)
    assert all(row.amount < Decimal("0.005") for row in made.rows)
    assert made.interest == Decimal("0.04")


def test_a_payment_before_the_due_date_lessens_the_base_and_one_on_it_owes_nothing() -> None:
    due = date(2026, 3, 31)
    early = [Paid(date(2026, 2, 1), Decimal(40))]
    made = interest([Claim(due, Decimal(100))], early, date(2026, 4, 10), BY_LAW)
    assert [(row.base, row.days) for row in made.rows] == [(Decimal(60), 10)]
    on_time = interest([Claim(due, Decimal(100))], [Paid(due, Decimal(100))], date(2026, 4, 10), BY_LAW)
    assert (on_time.rows, on_time.interest, on_time.indemnity) == ((), Decimal("0.00"), Decimal(0))
    assert interest([Claim(due, Decimal(100))], [], due, BY_LAW).rows == ()


def test_what_a_reversal_takes_back_bears_interest_again() -> None:
    paid = [Paid(date(2026, 4, 5), Decimal(100)), Paid(date(2026, 4, 20), Decimal(-100))]
    made = interest([Claim(date(2026, 3, 31), Decimal(100))], paid, date(2026, 4, 30), BY_LAW)
    assert [(row.first.day, row.last.day) for row in made.rows] == [(1, 5), (21, 30)]


def test_instalments_are_late_one_by_one_and_payments_settle_the_oldest_first() -> None:
    claims = [Claim(date(2026, 3, 31), Decimal(50)), Claim(date(2026, 4, 30), Decimal(50))]
    made = interest(claims, [Paid(date(2026, 4, 10), Decimal(70))], date(2026, 5, 31), BY_LAW)
    assert [(row.first, row.last, row.base) for row in made.rows] == [
        (date(2026, 4, 1), date(2026, 4, 10), Decimal(50)),
        (date(2026, 5, 1), date(2026, 5, 31), Decimal(30)),
    ]


def test_a_leap_year_has_no_day_more_in_its_divisor() -> None:
    """29 February counts as a day, and the year still has 365."""
    made = interest([Claim(date(2024, 2, 28), Decimal(36500))], [], date(2024, 2, 29), BY_LAW)
    assert made.interest == Decimal("14.50")


def test_a_half_year_that_is_in_no_table_is_told_and_not_guessed() -> None:
    with pytest.raises(RateUnknown, match="2027-01-01"):
        interest([Claim(date(2026, 11, 30), Decimal(100))], [], date(2027, 1, 1), BY_LAW)
    with pytest.raises(RateUnknown, match="2018-07-01"):
        interest([Claim(date(2018, 11, 30), Decimal(100))], [], date(2018, 12, 31), BY_LAW)


@pytest.mark.parametrize("amount", [Decimal(0), Decimal(-1)])
def test_nothing_is_calculated_on_what_is_not_owed(amount: Decimal) -> None:
    with pytest.raises(ValueError, match="positive"):
        interest([Claim(date(2026, 1, 1), amount)], [], date(2026, 2, 1), BY_LAW)


def test_the_table_has_every_half_year_once_and_the_operators_lines_go_before(tmp_path: Path) -> None:
    begins = sorted(KNOWN)
    assert begins[0] == date(2019, 1, 1)
    assert begins[-1] == date(2026, 7, 1)
    assert all(fr_payment.after(one) == other for one, other in pairwise(begins))
    assert KNOWN[date(2026, 7, 1)].default == Decimal("12.40")
    assert KNOWN[date(2026, 7, 1)].floor == Decimal("8.25")
    (tmp_path / fr_payment.RATES_FILE).write_text(
        "half_year,refinancing,legal\n2026-07-01,2.41,2.75\n2027-01-01,2.65,2.80\n"
    )
    added = rates(str(tmp_path))
    assert added[date(2027, 1, 1)].default == Decimal("12.65")
    assert added[date(2026, 7, 1)].refinancing == Decimal("2.41")
    assert KNOWN[date(2026, 7, 1)].refinancing == Decimal("2.40")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("2027-01-01,2.65", "line 2"),
        ("2027-02-01,2.65,2.80", "1 January or 1 July"),
        ("2027-01-32,2.65,2.80", "no date"),
        ("2027-01-01,2.65,-2.80", "two rates"),
        ("2027-01-01,1e3,2.80", "two rates"),
        ("2027-01-01,NaN,2.80", "two rates"),
        ("2027-01-01,2.65,2.80\n2027-01-01,2.65,2.80", "twice"),
    ],
)
def test_an_operators_table_that_is_wrong_is_refused(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / fr_payment.RATES_FILE).write_text(f"half_year,refinancing,legal\n{line}\n")
    with pytest.raises(RatesUnreadable, match=says):
        rates(str(tmp_path))


def by_days(claims: list[Claim], payments: list[Paid], until: date, conditions: Conditions) -> Decimal:
    """The same sum told another way: each day for itself, in fractions."""
    total, day = Fraction(0), min(one.due for one in claims) + timedelta(days=1)
    while day <= until:
        late = sum((one.amount for one in claims if one.due < day), Decimal(0))
        came = sum((one.amount for one in payments if one.on < day), Decimal(0))
        half = conditions.rates[date(day.year, 1 if day.month <= 6 else 7, 1)]
        rate = half.refinancing + 10 if conditions.agreed is None else max(conditions.agreed, 3 * half.legal)
        total += Fraction(max(Decimal(0), late - came)) * Fraction(rate) / 36500
        day += timedelta(days=1)
    cents = Decimal((total * 100).numerator) / Decimal((total * 100).denominator)
    return cents.quantize(Decimal(1), ROUND_HALF_UP) / 100


cents = st.integers(1, 10_000_000).map(lambda n: Decimal(n) / 100)
days = st.dates(date(2023, 1, 1), date(2026, 10, 1))


@settings(max_examples=60)
@given(
    st.lists(st.builds(Claim, days, cents), min_size=1, max_size=4),
    st.lists(st.builds(Paid, days, st.one_of(cents, cents.map(lambda one: -one))), max_size=5),
    st.one_of(st.none(), st.integers(0, 2000).map(lambda n: Decimal(n) / 100)),
    st.integers(0, 86),
)
def test_every_sum_is_what_its_days_add_up_to(
    claims: list[Claim], payments: list[Paid], agreed: Decimal | None, more: int
) -> None:
    until = min(date(2026, 12, 31), max(one.due for one in claims) + timedelta(days=more))
    conditions = Conditions(KNOWN, agreed)
    made = interest(claims, payments, until, conditions)
    assert made.interest == by_days(claims, payments, until, conditions)
    assert all(one.last < other.first for one, other in pairwise(made.rows))
