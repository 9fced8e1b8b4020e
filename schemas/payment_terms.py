"""Payment terms as data: what an account agreed with its customers, and what follows of it for an invoice. Pure.

Terms say when an invoice is to be paid, what early payment saves and what late payment costs. For an invoice they give
its due date (BT-9), its payment terms in words (BT-20), the notes that French law wants (PMT, PMD, AAB) and, where its
profile has a place for it (Factur-X EXTENDED), instalments and discount as values. Its remittance reference (BT-83) is
made of its number (`schemas.remittance`).

What the invoice says already is never overwritten; where it says something else than the terms, that is a finding.
A due date is not filled in beside payment terms in the caller's own words, since nobody can tell whether they agree.

Periods longer than the law allows are warnings: the law fines them and does not make them void (C. com. L441-16).
"""

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from schemas import payment_wording as wording
from schemas import remittance
from schemas.finding import Finding, Severity
from schemas.invoice import (
    CREDIT_NOTE_TYPES,
    SELF_BILLED_TYPES,
    Code,
    Indicator,
    Invoice,
    Note,
    Payment,
    PaymentAdjustment,
    PaymentTerms,
    Percentage,
    Profile,
    Quantity,
    Text,
    term,
)
from schemas.parties import is_business
from schemas.payment_wording import DISCOUNT_NOTE, INDEMNITY_NOTE, LANGUAGES, PENALTY_NOTE, Saying
from schemas.profiles import named
from schemas.rulebooks.fr_payment import DEFAULT_DAYS, INDEMNITY, LIMITS, Limit, PaymentLaw, Rates, half_year_of
from schemas.terms import Measure
from schemas.totals import round_amount

LAYER = "house"
INVOICE, DELIVERY = "invoice", "delivery"
"""What the days are counted from: the invoice's date (BT-2), or the delivery's (BT-72)."""
BEFORE, AFTER = "before", "after"
"""Where the end of the month comes: before the days are counted, or after them."""
DAYS_LIMIT = 366
INSTALMENTS_LIMIT = 24
LAST_YEAR = 9_000
"""Of a date that is counted from; a later one is a slip, which the rules tell."""
TEXT_LIMIT = 1_000
"""Characters of a note in the account's own words."""
PERIOD, DUE, TEXT_DIFFERS, RATE, SUM = (
    "HOUSE-TERMS-PERIOD", "HOUSE-TERMS-DUE", "HOUSE-TERMS-TEXT", "HOUSE-TERMS-RATE", "HOUSE-TERMS-INDEMNITY",
)  # fmt: skip
_TRANSFERS = frozenset({"30", "31", "42", "58", "ZZZ"})
"""Means of payment (UNTDID 4461) by which the buyer transfers the money, and may give a reference."""
_DAY = "DAY"
"""UN/ECE Recommendation 20: a day."""
_SPOKEN = (INDEMNITY_NOTE, PENALTY_NOTE, DISCOUNT_NOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instalment:
    """A part of what is due, and when."""

    percentage: Percentage | None = term("", "Share in percent", "1..1", None)
    days: Quantity | None = term("", "Days", "1..1", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyDiscount:
    """What is granted for payment within so many days of the invoice's date."""

    percentage: Percentage | None = term("", "Discount in percent", "1..1", None)
    days: Quantity | None = term("", "Days", "1..1", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The account's own words instead of ours."""

    terms: Text = term("", "Payment terms (BT-20)")
    indemnity: Text = term("", "Note PMT")
    penalty: Text = term("", "Note PMD")
    discount: Text = term("", "Note AAB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What was agreed; `checked` holds it to what it can be."""

    counted_from: Code = term("", "invoice or delivery", default=INVOICE)
    days: Quantity | None = term("", "Days", default=None)
    """None: 30, as the law has it where nothing was agreed."""
    end_of_month: Code = term("", "before or after the days; absent: none")
    month_day: Quantity | None = term("", "Day of the month on or after that", default=None)
    """31: the last day of a month that has fewer."""
    instalments: tuple[Instalment, ...] = term("", "Instalments", "0..n", ())
    discount: EarlyDiscount | None = term("", "Early payment discount", default=None)
    late_rate: Percentage | None = term("", "Agreed late-payment rate in percent a year", default=None)
    """None: the rate of the law."""
    indemnity: Percentage | None = term("", "Fixed indemnity in euro", default=None)
    """None: what the law says, 40."""
    law: Code = term("", "Law of the payment period", default=str(PaymentLaw.BUSINESS))
    languages: tuple[Code, ...] = term("", "Languages of the texts", "0..n", ())
    """None: French."""
    words: Words | None = term("", "Own words", default=None)
    remittance: Indicator | None = term("", "Whether a remittance reference is made", default=None)
    """None: it is."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """The terms that may hold for an invoice; picklable."""

    account: Terms | None = None
    """For every customer that has none of its own; None: nothing is set."""
    customers: tuple[tuple[str, Terms], ...] = ()
    """Identifier of a customer → its own terms."""

    def of(self, customer: str) -> Terms | None:
        """The terms of a customer."""
        return next((terms for name, terms in self.customers if name == customer), self.account)


@dataclass(frozen=True, slots=True)
class Filled:
    """An invoice with what its terms say, and what was filled in."""

    invoice: Invoice
    terms: tuple[str, ...] = ()
    """Business terms that were filled in: BT-9, BT-20, BT-22 (as PMT, PMD, AAB), BT-83, BG-X-44, BT-X-275."""
    findings: tuple[Finding, ...] = ()
    """Warnings: where the invoice says something else than its terms, or its period is longer than the law allows."""


def checked(terms: Terms) -> tuple[Finding, ...]:
    """What keeps terms from being set; empty when nothing does. Paths are those of the terms' JSON form."""
    return tuple(_wrong(terms))


def due_date(terms: Terms, start: date, days: int | None = None) -> date:
    """When what was invoiced (or delivered) on a day is to be paid; `days`: of an instalment."""
    count = timedelta(days=_whole(terms.days, DEFAULT_DAYS) if days is None else days)
    day = start
    if terms.end_of_month == BEFORE:
        day = _month_end(day) + count
    elif terms.end_of_month == AFTER:
        day = _month_end(day + count)
    else:
        day += count
    return day if terms.month_day is None else _month_day(day, int(terms.month_day))


def fill(invoice: Invoice, terms: Terms | None, *, numbered: bool = True) -> Filled:
    """The invoice with what it lacks and its terms say; what it says itself stays.

    Only its reference is made where no terms are set. `numbered`: its number is known. An invoice that its buyer issues
    answers to the seller's terms and is left as it is; a credit note gets the notes of the law alone. A consumer is
    told neither penalties nor indemnity: C. com. L441-10 and D441-5 hold between professionals alone.
    """
    if invoice.type_code in SELF_BILLED_TYPES or any(day.year > LAST_YEAR for day in _days_of(invoice)):
        return Filled(invoice)
    work = _Filling(invoice)
    owed = invoice.type_code not in CREDIT_NOTE_TYPES and (invoice.totals.due or Decimal(0)) > 0
    if terms is not None:
        if owed:
            work.period(terms)
        work.notes(terms)
    if owed and numbered and (terms is None or terms.remittance is not False):
        work.remittance()
    return Filled(work.invoice, tuple(work.filled), tuple(work.findings))


def latest(law: PaymentLaw, issued: date, *, end_of_month: bool) -> tuple[date, str]:
    """The last day on which an invoice of this day may be due, and the article that says so.

    With `end_of_month`, by the better of the two ways to count 45 days end of month, which must have been agreed.
    """
    limit = LIMITS[law]
    day = issued + timedelta(days=limit.days)
    if end_of_month and limit.end_of_month_days is not None:
        day = max(day, *_end_of_month_ways(issued, limit.end_of_month_days))
    return day, limit.article


def beyond_the_law(terms: Terms, issued: date, due: date) -> Finding | None:
    """The warning that an invoice of one day, due on another, is due later than the law allows; None: it is not."""
    law = PaymentLaw(terms.law)
    last, article = latest(law, issued, end_of_month=bool(terms.end_of_month))
    if due <= last:
        return None
    limit = LIMITS[law]
    return Finding(
        PERIOD, Severity.WARNING, LAYER,
        f"The payment period is longer than the law allows ({article}): {_allowed(limit)}.",
        ("BT-9", "BT-2"), "/due_date", found=due.isoformat(), expected=f"{last.isoformat()} or earlier",
        fix="Agree a shorter period; the buyer can be fined for a longer one (C. com. L441-16).",
    )  # fmt: skip


def beyond_any_law(invoice: Invoice) -> tuple[Finding, ...]:
    """The warning that an invoice between French addresses is due later than any agreement between businesses allows.

    What was agreed is not known here: 45 days end of month may have been, the shorter periods need not apply.
    """
    issued, due = invoice.issue_date, invoice.due_date
    countries = [party.address.country if party.address else "" for party in (invoice.seller, invoice.buyer)]
    if issued is None or due is None or issued.year > LAST_YEAR or countries != ["FR", "FR"]:
        return ()
    if invoice.type_code in CREDIT_NOTE_TYPES or not is_business(invoice.buyer):
        return ()
    late = beyond_the_law(Terms(end_of_month=AFTER), issued, due)
    return (replace(late, path="", place="/due_date"),) if late else ()


def remarks(terms: Terms, rates: Rates, today: date) -> tuple[Finding, ...]:
    """Warnings on terms that can be set and are not as the law has it: their period, late rate and indemnity."""
    return tuple(_remarks(terms, rates, today))


def saying(terms: Terms, invoice: Invoice) -> Saying:
    """What is to be said of terms on this invoice."""
    issued, start = invoice.issue_date, _start(terms, invoice)
    discount = None
    if terms.discount is not None:
        days = _whole(terms.discount.days, 0)
        until = issued + timedelta(days=days) if issued else None
        discount = (terms.discount.percentage or Decimal(0), until, days)
    return Saying(
        law=PaymentLaw(terms.law),
        late_rate=terms.late_rate,
        indemnity=INDEMNITY if terms.indemnity is None else terms.indemnity,
        discount=discount,
        parts=tuple(_parts(terms, start, invoice.totals.due)) if start else (),
        due=due_date(terms, start) if start else None,
        days=_whole(terms.days, DEFAULT_DAYS),
        end_of_month=terms.end_of_month,
        month_day=None if terms.month_day is None else int(terms.month_day),
        from_delivery=terms.counted_from == DELIVERY and start != issued,
        currency=invoice.currency,
    )


@dataclass(slots=True)
class _Filling:
    """One invoice in progress."""

    invoice: Invoice
    filled: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def period(self, terms: Terms) -> None:
        """BT-9 and BT-20, and instalments and discount as values where the profile holds them."""
        invoice, start = self.invoice, _start(terms, self.invoice)
        if start is None:
            return
        said = saying(terms, invoice)
        due = said.parts[0][2] if said.parts else due_date(terms, start)
        text = (terms.words.terms if terms.words else "") or wording.in_languages(
            lambda language: wording.terms(said, language), terms.languages
        )
        given, own = invoice.due_date, invoice.payment_terms
        if given is None and own:
            self._differs(TEXT_DIFFERS, "BT-20", "/payment_terms", "The invoice has payment terms in its own words, so "
                          "its due date was not filled in: nobody can tell whether they agree with those set.",
                          expected=due.isoformat())  # fmt: skip
            return
        if given is not None and given != due:
            self._differs(DUE, "BT-9", "/due_date", "The invoice is due on another day than its payment terms say.",
                          found=given.isoformat(), expected=due.isoformat())  # fmt: skip
        if given is None:
            self._set("BT-9", due_date=due)
        if not own and given in (None, due):
            self._set("BT-20", payment_terms=text)
            self._structured(terms, said)
        if invoice.issue_date and self.invoice.due_date and is_business(invoice.buyer):
            last = max((day for _, _, day in said.parts), default=self.invoice.due_date)
            late = beyond_the_law(terms, invoice.issue_date, max(last, self.invoice.due_date))
            self.findings.extend([late] if late else [])

    def notes(self, terms: Terms) -> None:
        """The notes that are not there; those that are stay as they are."""
        said, words = saying(terms, self.invoice), terms.words or Words()
        own = {INDEMNITY_NOTE: words.indemnity, PENALTY_NOTE: words.penalty, DISCOUNT_NOTE: words.discount}
        there = {note.subject.strip().upper() for note in self.invoice.notes}
        spoken = _SPOKEN if is_business(self.invoice.buyer) else (DISCOUNT_NOTE,)
        for subject in spoken:
            if subject in there:
                continue
            text = own[subject] or _note(said, subject, terms.languages)
            self._set(subject, notes=(*self.invoice.notes, Note(text=text, subject=subject)))

    def remittance(self) -> None:
        """BT-83, where the buyer transfers the money and the caller gave no reference."""
        payment, invoice = self.invoice.payment, self.invoice
        if payment is None or payment.remittance or not invoice.number or invoice.issue_date is None:
            return
        if payment.direct_debit is not None or not (payment.transfers or payment.means_code in _TRANSFERS):
            return
        seller = next((one for one in (_legal(invoice), invoice.seller.vat_id, invoice.seller.name) if one), "")
        made = remittance.reference(seller, invoice.number, invoice.issue_date.year)
        changed: Payment = replace(payment, remittance=made)
        self._set("BT-83", payment=changed)

    def _structured(self, terms: Terms, said: Saying) -> None:
        """Instalments (BT-X-275, BT-9) and discount (BG-X-44) as values, where there is a place for them."""
        invoice, due = self.invoice, self.invoice.totals.due
        if not (profile := named(invoice.profile)) or not profile.holds(Profile.EXTENDED) or due is None:
            return
        if said.discount is not None and invoice.discount is None and invoice.issue_date is not None:
            percentage, _, days = said.discount
            saved = round_amount(due * percentage / 100)
            measure = Measure(Decimal(days), _DAY)
            adjustment = PaymentAdjustment(
                reference_date=invoice.issue_date, period=measure, base=due, percentage=percentage, amount=saved
            )
            self._set("BG-X-44", discount=adjustment)
        if said.parts and invoice.partial_payment is None and not invoice.more_payment_terms:
            (amount, _, _), *others = said.parts
            further = tuple(PaymentTerms(due_date=day, partial_amount=part) for part, _, day in others)
            self._set("BT-X-275", partial_payment=amount, more_payment_terms=further)

    def _set(self, what: str, **changes: Any) -> None:
        self.invoice = replace(self.invoice, **changes)
        self.filled.append(what)

    def _differs(self, rule: str, term_id: str, path: str, says: str, **more: str) -> None:
        self.findings.append(Finding(rule, Severity.WARNING, LAYER, says, (term_id,), path, **more))  # type: ignore[arg-type]


def _note(said: Saying, subject: str, languages: tuple[str, ...]) -> str:
    return wording.in_languages(lambda language: wording.note(said, subject, language), languages)


def _start(terms: Terms, invoice: Invoice) -> date | None:
    """The day from which is counted; without a day of delivery, the invoice's."""
    if terms.counted_from == DELIVERY and invoice.delivery is not None and invoice.delivery.date is not None:
        return invoice.delivery.date
    return invoice.issue_date


def _days_of(invoice: Invoice) -> list[date]:
    delivered = invoice.delivery.date if invoice.delivery else None
    return [day for day in (invoice.issue_date, delivered) if day is not None]


def _parts(terms: Terms, start: date, due: Decimal | None) -> Iterator[tuple[Decimal | None, Decimal, date]]:
    """Amount, share and day of each instalment; the last takes what the roundings leave."""
    left = due
    for at, one in enumerate(terms.instalments):
        share = one.percentage or Decimal(0)
        last = at == len(terms.instalments) - 1
        amount = left if last or due is None else round_amount(due * share / 100)
        left = None if left is None or amount is None else left - amount
        yield amount, share, due_date(terms, start, _whole(one.days, 0))


def _legal(invoice: Invoice) -> str:
    return invoice.seller.legal_id.value if invoice.seller.legal_id else ""


def _whole(value: Decimal | None, default: int) -> int:
    return default if value is None else int(value)


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _month_day(day: date, wanted: int) -> date:
    """The first day of this number on or after a day; the last of a month that has fewer."""
    here = day.replace(day=min(wanted, _month_end(day).day))
    if here >= day:
        return here
    following = _month_end(day) + timedelta(days=1)
    return following.replace(day=min(wanted, _month_end(following).day))


def _end_of_month_ways(issued: date, days: int) -> tuple[date, date]:
    count = timedelta(days=days)
    return _month_end(issued) + count, _month_end(issued + count)


def _allowed(limit: Limit) -> str:
    told = f"at most {limit.days} days from the date of the invoice"
    if limit.end_of_month_days is None:
        return told
    return f"{told}, or {limit.end_of_month_days} days end of month where that was expressly agreed"


def _remarks(terms: Terms, rates: Rates, today: date) -> Iterator[Finding]:
    """The longest period is tried over a year of days, as months are of different lengths."""
    days = [today + timedelta(days=more) for more in range(365)]
    for issued in days if terms.counted_from == INVOICE else ():
        ends = [day for _, _, day in _parts(terms, issued, None)] or [due_date(terms, issued)]
        late = beyond_the_law(terms, issued, max(ends))
        if late is not None:
            yield replace(late, path="/days", found=f"{issued.isoformat()} to {late.found}")
            break
    known = rates.get(half_year_of(today))
    if terms.late_rate is not None and known is not None and terms.late_rate < known.floor:
        yield Finding(
            RATE, Severity.WARNING, LAYER,
            "The agreed late-payment rate is below three times the legal interest rate (C. com. L441-10 II); interest "
            "is calculated at that floor.",
            ("BT-22",), "/late_rate", found=format(terms.late_rate, "f"), expected=f"at least {known.floor:f}",
            fix="Agree a higher rate, or leave it to the law.",
        )  # fmt: skip
    if terms.indemnity is not None and terms.indemnity != INDEMNITY:
        yield Finding(
            SUM, Severity.WARNING, LAYER,
            "The fixed indemnity for recovery costs is 40 euro (C. com. D441-5).",
            ("BT-22",), "/indemnity", found=format(terms.indemnity, "f"), expected=format(INDEMNITY, "f"),
            fix="Leave it out; higher costs are claimed one by one, with proof.",
        )  # fmt: skip


def _wrong(terms: Terms) -> Iterator[Finding]:
    """What is no value of its member."""
    choices: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("counted_from", terms.counted_from, (INVOICE, DELIVERY)),
        ("end_of_month", terms.end_of_month, ("", BEFORE, AFTER)),
        ("law", terms.law, tuple(PaymentLaw)),
        *((f"languages/{at}", one, LANGUAGES) for at, one in enumerate(terms.languages)),
    )
    for path, value, allowed in choices:
        if value not in allowed:
            expected = ", ".join(one for one in allowed if one)
            yield _fault(path, "This is none of the values there are.", found=value[:100], expected=expected)
    yield from _wrong_numbers(terms)
    for name in ("terms", "indemnity", "penalty", "discount") if terms.words else ():
        if len(getattr(terms.words, name)) > TEXT_LIMIT:
            yield _fault(f"words/{name}", "The text is too long.", expected=f"at most {TEXT_LIMIT} characters")
    if len(terms.languages) != len(set(terms.languages)):
        yield _fault("languages", "A language stands twice.")


def _wrong_numbers(terms: Terms) -> Iterator[Finding]:
    numbers: list[tuple[str, Decimal | None, int, int]] = [
        ("days", terms.days, 0, DAYS_LIMIT),
        ("month_day", terms.month_day, 1, 31),
        *((f"instalments/{at}/days", one.days, 0, DAYS_LIMIT) for at, one in enumerate(terms.instalments)),
    ]
    shares = [(f"instalments/{at}/percentage", one.percentage) for at, one in enumerate(terms.instalments)]
    rates: list[tuple[str, Decimal | None]] = [*shares, ("late_rate", terms.late_rate), ("indemnity", terms.indemnity)]
    demanded = {path for path, _, _, _ in numbers if path.startswith("instal")} | {path for path, _ in shares}
    if terms.discount is not None:
        numbers.append(("discount/days", terms.discount.days, 0, DAYS_LIMIT))
        rates.append(("discount/percentage", terms.discount.percentage))
        demanded |= {"discount/days", "discount/percentage"}
    for path, value, least, most in numbers:
        expected = f"a whole number, {least} to {most}"
        if value is None and path in demanded:
            yield _fault(path, "This member is missing.", expected=expected)
        elif value is not None and not (value == value.to_integral_value() and least <= value <= most):
            yield _fault(path, "This is no number there can be.", found=format(value, "f")[:40], expected=expected)
    for path, value in rates:
        if value is None and path in demanded:
            yield _fault(path, "This member is missing.", expected="a number")
        elif value is not None and not (0 <= value <= 1000 and _decimals(value) <= 2):
            expected = "0 to 1000, with at most two decimals"
            yield _fault(path, "This is no number there can be.", found=format(value, "f")[:40], expected=expected)
    if terms.instalments:
        total = sum((one.percentage or Decimal(0) for one in terms.instalments), Decimal(0))
        order = [one.days or Decimal(0) for one in terms.instalments]
        if total != 100 or not 2 <= len(terms.instalments) <= INSTALMENTS_LIMIT:
            expected = f"2 to {INSTALMENTS_LIMIT} instalments of 100 percent together"
            yield _fault("instalments", "The instalments are no whole.", found=format(total, "f"), expected=expected)
        if any(not one.percentage for one in terms.instalments) or order != sorted(set(order)):
            yield _fault("instalments", "Each instalment is a part above nothing, due after the one before it.")


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def _fault(path: str, says: str, *, found: str | None = None, expected: str | None = None) -> Finding:
    return Finding("TERMS", Severity.FATAL, "json", says, path=f"/{path}", found=found, expected=expected)
