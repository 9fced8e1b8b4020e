"""What a payment collects at each VAT rate: exact to the cent, never above the invoice, given back by reversals."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.collected import apportion, capacities, cents, due_on_receipt, shares, summed
from schemas.invoice import Invoice, Totals, VatBreakdown

_AMOUNTS = st.integers(-50_000, 50_000).map(lambda amount: Decimal(amount) / 100)


def invoice(*parts: tuple[str, str], paid: str = "0", **more: str) -> Invoice:
    """An invoice of these rates and amounts VAT included, of which something was paid before."""
    breakdown = []
    for rate, whole in parts:
        net = (Decimal(whole) / (1 + Decimal(rate) / 100)).quantize(Decimal("0.01"))
        vat = Decimal(whole) - net
        breakdown.append(VatBreakdown(taxable_amount=net, tax_amount=vat, category="S", rate=Decimal(rate)))
    due = sum((Decimal(whole) for _, whole in parts), Decimal(0)) - Decimal(paid)
    given = {"process": "S1", "type_code": "380", **more}
    return Invoice(totals=Totals(due=due), vat_breakdown=tuple(breakdown), **given)  # type: ignore[arg-type]


def told(found: Invoice, *payments: str) -> list[dict[str, str]]:
    """What each payment collects, as text."""
    each = shares(found, [Decimal(one) for one in payments])
    return [{f"{share.rate:f}": f"{share.amount:f}" for share in parts} for parts in each]


def test_the_example_of_the_standard() -> None:
    """UC5 of XP Z12-014: 720 at 20 %, 440 at 10 %, in one payment."""
    assert told(invoice(("20", "720"), ("10", "440")), "1160") == [{"10": "440.00", "20": "720.00"}]


def test_a_payment_in_parts_a_reversal_and_an_overpayment() -> None:
    whole = invoice(("20", "120.00"), ("10", "55.00"), ("5.5", "0.01"))
    assert told(whole, "100.00", "75.01") == [
        {"10": "31.43", "20": "68.57"},
        {"5.5": "0.01", "10": "23.57", "20": "51.43"},
    ]
    assert told(whole, "175.01", "-175.01") == [
        {"5.5": "0.01", "10": "55.00", "20": "120.00"},
        {"5.5": "-0.01", "10": "-55.00", "20": "-120.00"},
    ]
    assert told(whole, "200.00", "5.00", "-29.99", "-0.01")[1:] == [{}, {}, {"20": "-0.01"}]
    assert told(whole, "-10.00") == [{}]
    assert told(invoice(("20", "120.00"), paid="60"), "60.00", "1.00") == [{"20": "60.00"}, {}]
    assert told(invoice(("20", "120.00"), ("20", "-20.00")), "100.00") == [{"20": "100.00"}]


def test_what_the_account_said_by_itself_is_not_told_again() -> None:
    whole, said = invoice(("20", "120.00"), ("10", "55.00")), {Decimal(20): Decimal("60.00")}

    def new(*payments: str) -> list[dict[str, str]]:
        each = shares(whole, [Decimal(one) for one in payments], said)
        return [{f"{share.rate.normalize():f}": f"{share.amount:f}" for share in parts} for parts in each]

    assert new("60.00", "115.00", "1.00") == [{}, {"10": "55.00", "20": "60.00"}, {}]
    assert new("175.00") == [{"10": "55.00", "20": "60.00"}]
    assert new("40.00", "20.00", "-60.00") == [{}, {}, {"20": "-60.00"}]
    assert shares(whole, [Decimal("175.00")], {Decimal(20): Decimal("120"), Decimal(10): Decimal("55")}) == [()]


@given(
    st.dictionaries(st.sampled_from(["0", "2.1", "5.5", "10", "20"]), st.integers(0, 30_000), min_size=1),
    st.lists(_AMOUNTS.filter(bool), max_size=8),
    st.integers(0, 5_000),
)
def test_nothing_is_lost_and_nothing_is_told_twice(rates: dict[str, int], payments: list[Decimal], before: int) -> None:
    parts = [(rate, str(Decimal(amount) / 100)) for rate, amount in rates.items()]
    whole = invoice(*parts, paid=str(Decimal(min(before, sum(rates.values()))) / 100))
    room, taken = capacities(whole), dict.fromkeys(capacities(whole), 0)
    due, balance = cents(whole.totals.due or Decimal(0)), 0
    assert sum(room.values()) == due
    for payment, found in zip(payments, shares(whole, payments), strict=True):
        was, balance = max(0, min(balance, due)), balance + cents(payment)
        assert cents(summed(found)) == max(0, min(balance, due)) - was, "the parts add up"
        for share in found:
            assert (share.amount > 0) == (payment > 0)
            taken[share.rate] += cents(share.amount)
        assert all(0 <= taken[rate] <= room[rate] for rate in room), "never above what the invoice bears"
    again = shares(whole, [*payments, Decimal(1)])
    assert again[: len(payments)] == shares(whole, payments), "a later payment changes nothing told before"


@given(st.integers(-9_999, 9_999), st.lists(st.integers(0, 9_999), min_size=1, max_size=5))
def test_an_apportioned_amount_is_exact(amount: int, weights: list[int]) -> None:
    named = {Decimal(place): weight for place, weight in enumerate(weights)}
    total = sum(weights)
    parts = apportion(amount, named)
    assert sum(parts.values()) == (amount if total else 0)
    assert all(abs(part * total - amount * named[rate]) < total for rate, part in parts.items() if total)


@pytest.mark.parametrize(
    ("more", "due"),
    [
        ({}, True),
        ({"process": "M1"}, True),
        ({"process": "B1"}, False),
        ({"process": ""}, False),
        ({"process": "S7"}, False),
        ({"tax_point_code": "3"}, False),
        ({"tax_point_code": "432", "process": "B1"}, True),
        ({"type_code": "386", "process": "B1"}, True),
        ({"type_code": "386", "tax_point_code": "3"}, True),
    ],
)
def test_when_the_vat_falls_due_on_receipt(more: dict[str, str], due: bool) -> None:
    assert due_on_receipt(invoice(("20", "120"), **more)) is due
    assert not due_on_receipt(invoice(("0", "120"), **more)), "without VAT nothing falls due"
