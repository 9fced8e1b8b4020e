"""Payment terms: when an invoice is due, what it says of it, what the law thinks, and that nothing given is changed."""

from __future__ import annotations

import calendar
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import json_form
from schemas.catalogue import FORMATS
from schemas.finding import Severity, Verdict
from schemas.formats.facturx.paying import transfer
from schemas.invoice import Delivery, Identifier, Invoice, Note, Party
from schemas.judge import judge
from schemas.payment_terms import Agreed, Terms, beyond_the_law, checked, due_date, fill, latest, remarks
from schemas.remittance import is_reference
from schemas.rulebooks.fr_payment import PaymentLaw, rates
from schemas.totals import complete
from schemas.xml import Unreadable
from tests.schemas.sample_invoice import invoice

EXTENDED = "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended"
TODAY = date(2026, 11, 25)


def terms(**members: Any) -> Terms:
    made = json_form.form(members, Terms, partial=True)
    assert checked(made) == ()
    return made


def bare(**changes: Any) -> Invoice:
    """The sample without anything that terms fill in."""
    notes = tuple(note for note in invoice().notes if note.subject == "BAR")
    return complete(replace(invoice(), due_date=None, payment_terms="", notes=notes, **changes)).invoice


@pytest.mark.parametrize(
    ("members", "start", "due"),
    [
        ({}, "2026-10-01", "2026-10-31"),
        ({"days": 60}, "2026-12-31", "2027-03-01"),
        ({"days": 45, "end_of_month": "before"}, "2026-01-10", "2026-03-17"),
        ({"days": 45, "end_of_month": "after"}, "2026-01-10", "2026-02-28"),
        ({"days": 0, "end_of_month": "after"}, "2028-02-01", "2028-02-29"),
        ({"days": 30, "month_day": 10}, "2026-10-01", "2026-11-10"),
        ({"days": 9, "month_day": 10}, "2026-10-01", "2026-10-10"),
        ({"days": 0, "month_day": 31}, "2026-02-03", "2026-02-28"),
        ({"days": 30, "end_of_month": "before", "month_day": 5}, "2026-12-07", "2027-02-05"),
    ],
)
def test_when_an_invoice_is_due(members: dict[str, Any], start: str, due: str) -> None:
    assert due_date(terms(**members), date.fromisoformat(start)) == date.fromisoformat(due)


def test_an_invoice_that_says_nothing_says_all_and_keeps_every_rule() -> None:
    before = judge(json_form.write(bare()), french=True)
    assert {f"BR-FR-05_BT-22_{subject}" for subject in ("PMT", "PMD", "AAB")} <= {one.rule for one in before.findings}
    assert before.verdict is Verdict.INVALID
    filled = fill(bare(), terms(days=45, discount={"percentage": 2, "days": 10}, languages=["fr", "en"]))
    assert filled.terms == ("BT-9", "BT-20", "PMT", "PMD", "AAB", "BT-83")
    assert filled.findings == ()
    made = filled.invoice
    assert made.due_date == date(2026, 11, 15)
    assert made.payment_terms == (
        "Paiement à 45 jours à compter de la date de facture, soit le 15/11/2026. "
        "Escompte de 2 % pour tout paiement reçu au plus tard le 11/10/2026. / "
        "Payment within 45 days from the invoice date: by 2026-11-15. "
        "A discount of 2% is granted for payment received by 2026-10-11."
    )
    notes = {note.subject: note.text for note in made.notes}
    assert "40 €" in notes["PMT"]
    assert "EUR 40" in notes["PMT"]
    assert "majoré de 10 points" in notes["PMD"]
    assert notes["AAB"].startswith("Escompte de 2 %")
    assert made.payment is not None
    assert is_reference(made.payment.remittance)
    for data in (json_form.write(made), FORMATS["cii"].write(made), FORMATS["ubl-invoice"].write(made)):
        assert judge(data, french=True).verdict is Verdict.VALID
    assert fill(made, terms(days=45)).invoice == made


def test_what_is_given_stays_and_what_differs_is_told() -> None:
    own = replace(bare(), due_date=date(2026, 12, 1), notes=(Note(subject="PMD", text="12 %."),))
    filled = fill(own, terms(days=45))
    assert filled.terms == ("PMT", "AAB", "BT-83")
    assert (filled.invoice.due_date, filled.invoice.payment_terms) == (date(2026, 12, 1), "")
    assert filled.invoice.notes[0] == own.notes[0]
    (told,) = filled.findings[:1]
    assert (told.rule, told.found, told.expected) == ("HOUSE-TERMS-DUE", "2026-12-01", "2026-11-15")
    words = fill(replace(bare(), payment_terms="Comptant."), terms(days=45))
    assert words.invoice.due_date is None
    assert [one.rule for one in words.findings] == ["HOUSE-TERMS-TEXT"]
    agree = fill(replace(bare(), due_date=date(2026, 11, 15)), terms(days=45))
    assert agree.findings == ()
    assert agree.invoice.payment_terms.startswith("Paiement à 45 jours")


def test_a_credit_note_gets_the_notes_of_the_law_alone_and_a_self_billed_invoice_nothing() -> None:
    assert fill(bare(type_code="381"), terms()).terms == ("PMT", "PMD", "AAB")
    assert fill(bare(type_code="389"), terms()).terms == ()


def test_nothing_is_due_on_what_is_paid() -> None:
    paid = complete(replace(bare(), totals=replace(invoice().totals, paid=invoice().totals.with_vat, due=None))).invoice
    assert paid.totals.due == 0
    assert fill(paid, terms()).terms == ("PMT", "PMD", "AAB")


def test_without_terms_only_the_reference_is_made() -> None:
    assert fill(bare(), None).terms == ("BT-83",)
    assert fill(bare(), terms(remittance=False)).terms == ("BT-9", "BT-20", "PMT", "PMD", "AAB")
    assert "BT-83" not in fill(bare(), terms(), numbered=False).terms
    payment = invoice().payment
    assert payment is not None
    assert fill(bare(payment=replace(payment, remittance="mine")), None).invoice.payment.remittance == "mine"  # type: ignore[union-attr]
    assert fill(bare(payment=replace(payment, means_code="49", transfers=())), None).terms == ()


def test_days_may_count_from_the_delivery() -> None:
    delivered = bare(delivery=Delivery(date=date(2026, 9, 20)))
    filled = fill(delivered, terms(days=30, counted_from="delivery"))
    assert filled.invoice.due_date == date(2026, 10, 20)
    assert "la date de livraison" in filled.invoice.payment_terms
    assert fill(bare(), terms(days=30, counted_from="delivery")).invoice.due_date == date(2026, 10, 31)


INSTALMENTS = [
    {"percentage": "33.33", "days": 0},
    {"percentage": "33.33", "days": 30},
    {"percentage": "33.34", "days": 60},
]


def test_instalments_are_words_where_the_profile_holds_no_more() -> None:
    made = fill(bare(), terms(instalments=INSTALMENTS)).invoice
    assert made.due_date == date(2026, 10, 1)
    assert made.payment_terms == (
        "Paiement en 3 échéances : 33,33 % (399,96 EUR) le 01/10/2026 ; 33,33 % (399,96 EUR) le 31/10/2026 ; "
        "33,34 % (400,08 EUR) le 30/11/2026."
    )
    assert (made.partial_payment, made.more_payment_terms) == (None, ())


def test_instalments_and_discount_are_values_in_the_extended_profile() -> None:
    filled = fill(bare(profile=EXTENDED), terms(instalments=INSTALMENTS, discount={"percentage": 1, "days": 8}))
    made = filled.invoice
    assert {"BG-X-44", "BT-X-275"} <= set(filled.terms)
    amounts = [made.partial_payment, *(one.partial_amount for one in made.more_payment_terms)]
    assert amounts == [Decimal("399.96"), Decimal("399.96"), Decimal("400.08")]
    assert sum(amounts) == made.totals.due  # type: ignore[arg-type]
    assert [one.due_date for one in made.more_payment_terms] == [date(2026, 10, 31), date(2026, 11, 30)]
    assert made.discount is not None
    assert (made.discount.percentage, made.discount.amount) == (Decimal(1), Decimal("12.00"))
    data = FORMATS["cii"].write(made)
    report = judge(data, french=True)
    assert report.verdict is Verdict.VALID, report.findings
    read = FORMATS["cii"].read(data).invoice
    assert (read.partial_payment, read.discount) == (made.partial_payment, made.discount)
    assert read.more_payment_terms == made.more_payment_terms


@pytest.mark.parametrize(
    ("members", "due", "rule"),
    [
        ({"days": 60}, "2026-11-30", ""),
        ({"days": 61}, "2026-12-01", "HOUSE-TERMS-PERIOD"),
        ({"days": 45, "end_of_month": "before"}, "2026-12-15", ""),
        ({"days": 45, "end_of_month": "after"}, "2026-11-30", ""),
        ({"days": 60, "end_of_month": "after"}, "2026-11-30", ""),
        ({"days": 50, "end_of_month": "before"}, "2026-12-20", "HOUSE-TERMS-PERIOD"),
        ({"days": 45, "law": "periodic"}, "2026-11-15", ""),
        ({"days": 46, "law": "periodic"}, "2026-11-16", "HOUSE-TERMS-PERIOD"),
        ({"days": 31, "law": "transport"}, "2026-11-01", "HOUSE-TERMS-PERIOD"),
        ({"days": 31, "law": "public"}, "2026-11-01", "HOUSE-TERMS-PERIOD"),
        ({"days": 50, "law": "public_health"}, "2026-11-20", ""),
        ({"days": 51, "law": "public_health"}, "2026-11-21", "HOUSE-TERMS-PERIOD"),
        ({"days": 60, "law": "public_undertaking"}, "2026-11-30", ""),
        ({"instalments": [{"percentage": 50, "days": 30}, {"percentage": 50, "days": 90}]}, "2026-10-31",
         "HOUSE-TERMS-PERIOD"),
    ],
)  # fmt: skip
def test_a_period_longer_than_the_law_allows_is_a_warning(members: dict[str, Any], due: str, rule: str) -> None:
    filled = fill(bare(), terms(**members))
    assert filled.invoice.due_date == date.fromisoformat(due)
    assert [one.rule for one in filled.findings] == ([rule] if rule else [])
    assert all(one.severity is Severity.WARNING and one.fix and one.expected for one in filled.findings)


@given(st.dates(date(2024, 1, 1), date(2028, 12, 31)), st.sampled_from(["before", "after"]))
def test_45_days_end_of_month_are_lawful_whichever_way_they_are_counted(issued: date, way: str) -> None:
    agreed = terms(days=45, end_of_month=way)
    assert beyond_the_law(agreed, issued, due_date(agreed, issued)) is None
    last, article = latest(PaymentLaw.BUSINESS, issued, end_of_month=True)
    assert article == "C. com. L441-10 I"
    assert issued + timedelta(days=60) <= last <= issued + timedelta(days=76)
    assert beyond_the_law(agreed, issued, last + timedelta(days=1)) is not None


def test_terms_that_the_law_does_not_like_are_remarked_when_they_are_set() -> None:
    assert remarks(terms(days=60), rates(), TODAY) == ()
    told = remarks(terms(days=90, late_rate="8.00", indemnity=50), rates(), TODAY)
    assert [one.rule for one in told] == ["HOUSE-TERMS-PERIOD", "HOUSE-TERMS-RATE", "HOUSE-TERMS-INDEMNITY"]
    assert told[1].expected == "at least 8.25"
    assert remarks(terms(days=30, late_rate="8.25"), rates(), TODAY) == ()
    assert [one.rule for one in remarks(terms(days=31, month_day=30), rates(), TODAY)] == ["HOUSE-TERMS-PERIOD"]


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"days": -1}, "/days"),
        ({"days": "30.5"}, "/days"),
        ({"days": 367}, "/days"),
        ({"month_day": 32}, "/month_day"),
        ({"end_of_month": "during"}, "/end_of_month"),
        ({"counted_from": "order"}, "/counted_from"),
        ({"law": "none"}, "/law"),
        ({"languages": ["de"]}, "/languages/0"),
        ({"languages": ["fr", "fr"]}, "/languages"),
        ({"late_rate": "10.123"}, "/late_rate"),
        ({"discount": {"percentage": 2}}, "/discount/days"),
        ({"instalments": [{"percentage": 100, "days": 1}]}, "/instalments"),
        ({"instalments": [{"percentage": 50, "days": 30}, {"percentage": 40, "days": 60}]}, "/instalments"),
        ({"instalments": [{"percentage": 50, "days": 30}, {"percentage": 50, "days": 30}]}, "/instalments"),
        ({"words": {"penalty": "x" * 1001}}, "/words/penalty"),
    ],
)
def test_what_terms_cannot_be_is_named(members: dict[str, Any], path: str) -> None:
    assert path in [one.path for one in checked(json_form.form(members, Terms, partial=True))]


def test_an_unknown_member_is_refused_with_a_suggestion() -> None:
    with pytest.raises(Unreadable) as refused:
        json_form.form({"end_of_months": "before"}, Terms, partial=True)
    assert refused.value.findings[0].fix == "Did you mean end_of_month?"


def test_a_customer_has_its_own_terms_or_the_accounts() -> None:
    agreed = Agreed(terms(days=30), (("987654324", terms(days=60)),))
    assert agreed.of("987654324") == terms(days=60)
    assert agreed.of("123456782") == terms(days=30)
    assert Agreed().of("987654324") is None


def test_a_date_at_the_end_of_time_is_left_to_the_rules() -> None:
    assert fill(bare(issue_date=date(9999, 12, 31)), terms(days=60)).terms == ()


@settings(max_examples=60)
@given(
    st.dates(date(2024, 1, 1), date(2030, 12, 31)),
    st.integers(0, 90),
    st.sampled_from(["", "before", "after"]),
    st.one_of(st.none(), st.integers(1, 31)),
)
def test_no_due_date_lies_before_its_days(start: date, days: int, end: str, month_day: int | None) -> None:
    members: dict[str, Any] = {"days": days, **({"end_of_month": end} if end else {})}
    due = due_date(terms(**members, **({"month_day": month_day} if month_day else {})), start)
    assert start + timedelta(days=days) <= due <= start + timedelta(days=days + 62)
    if month_day:
        assert due.day == min(month_day, calendar.monthrange(due.year, due.month)[1])


def test_the_code_on_the_page_carries_the_reference_that_was_made() -> None:
    """EPC069-12: a creditor reference stands in its own line, and no free text beside it."""
    made = fill(bare(), None).invoice
    assert made.payment is not None
    said = transfer(made)
    assert said is not None
    lines = said.decode().split("\n")
    assert lines[:4] == ["BCD", "002", "1", "SCT"]
    assert (lines[7], lines[9], len(lines)) == (f"EUR{made.totals.due}", made.payment.remittance, 10)
    assert is_reference(lines[9])
    given = replace(made, payment=replace(made.payment, remittance="rf18 5390 0754 7034"))
    assert (transfer(given) or b"").decode().split("\n")[9] == "RF18539007547034"
    wrong = replace(made, payment=replace(made.payment, remittance="RF19 5390 0754 7034"))
    assert (transfer(wrong) or b"").decode().split("\n")[9:] == ["", "RF19 5390 0754 7034"]


@pytest.mark.parametrize(
    ("due", "told"),
    [("2026-11-30", False), ("2026-12-15", False), ("2026-12-16", True), ("2027-06-01", True)],
)
def test_every_french_invoice_is_held_to_the_longest_period_there_is(due: str, told: bool) -> None:
    """Issued on 1 October: 60 days are 30 November, 45 days after the end of the month are 15 December."""
    late = replace(invoice(), due_date=date.fromisoformat(due))
    for data in (json_form.write(late), FORMATS["cii"].write(late), FORMATS["ubl-invoice"].write(late)):
        report = judge(data, french=True)
        found = [one for one in report.findings if one.rule == "HOUSE-TERMS-PERIOD"]
        assert (len(found), report.verdict) == (int(told), Verdict.VALID)
        assert all((one.severity, one.place, one.layer) == (Severity.WARNING, "/due_date", "house") for one in found)
        assert not [one for one in judge(data).findings if one.rule == "HOUSE-TERMS-PERIOD"]


@pytest.mark.parametrize("type_code", ["380", "381"])
def test_a_consumer_is_told_nothing_of_the_law_between_businesses(type_code: str) -> None:
    person = Party(name="Camille Martin", ids=(Identifier("C-1042", ""),), address=invoice().buyer.address)
    filled = fill(bare(buyer=person, type_code=type_code), terms(days=90, words={"penalty": "12 %."}))
    assert {"PMT", "PMD"}.isdisjoint(filled.terms)
    assert {note.subject for note in filled.invoice.notes} == {"BAR", "AAB"}
    assert filled.findings == ()
    siret = Identifier("98765432400012", "0009")
    assert {"PMT", "PMD"} <= set(fill(bare(buyer=replace(person, ids=(siret,))), terms()).terms)
