"""Creditor references (ISO 11649): their check digits, that no slip passes, and that an invoice has one of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.iso7064 import mod_97_10

from schemas.remittance import BODY_LIMIT, checked, is_reference, reference, spaced

numbers = st.text("ABCabc019-_/+", min_size=1, max_size=35)


def test_the_references_of_the_standards_examples_hold() -> None:
    assert is_reference("RF18 5390 0754 7034")
    assert is_reference("RF18000000000539007547034")
    assert checked("539007547034") == "RF18539007547034"


@pytest.mark.parametrize(
    "text", ["", "RF", "RF18", "RF19539007547034", "RF18539007547043", "RF185390075470341234567890"]
)
def test_what_is_no_reference_is_none(text: str) -> None:
    assert not is_reference(text)


@given(numbers)
def test_a_reference_is_whole_and_bears_the_number(number: str) -> None:
    made = reference("404833048", number, 2026)
    assert is_reference(made)
    assert len(made) <= 4 + BODY_LIMIT
    assert int(mod_97_10.checksum(made[4:] + made[:4])) == 1
    plain = "".join(sign for sign in number.upper() if sign.isalnum())
    assert made[4:-6] == plain[-15:]
    assert spaced(made).replace(" ", "") == made


@given(st.lists(numbers, min_size=2, max_size=2, unique=True), st.integers(2024, 2030))
def test_other_numbers_other_years_and_other_sellers_have_others(two: list[str], year: int) -> None:
    one, other = two
    assert reference("404833048", one, year) != reference("404833048", other, year)
    assert reference("404833048", one, year) != reference("404833048", one, year + 1)
    assert reference("404833048", one, year) != reference("732829320", one, year)
    assert reference("404833048", one, year) == reference("404833048", one, year)


def test_a_hundred_thousand_numbers_that_look_alike_have_as_many_references() -> None:
    made = {
        reference("404833048", f"F-{n // 100:04d}{'-' if n % 2 else ''}{n % 100:02d}", 2026) for n in range(100_000)
    }
    assert len(made) == 100_000


@given(numbers, st.integers(0, 20), st.sampled_from("0123456789ABCXYZ"))
def test_one_wrong_sign_is_seen(number: str, at: int, sign: str) -> None:
    made = reference("404833048", number, 2026)
    at = 4 + at % (len(made) - 4)
    if made[at] != sign:
        assert not is_reference(made[:at] + sign + made[at + 1 :])


@pytest.mark.parametrize("body", ["", "a", "A-B", "A" * 22])
def test_what_is_no_body_gets_no_check_digits(body: str) -> None:
    with pytest.raises(ValueError, match="1 to 21"):
        checked(body)
