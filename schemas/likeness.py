"""Whether the page says what the invoice says: each thing a person would pay by, looked for in the text of the page.

The law takes the XML; people pay by the page. Where the two differ, one of them is wrong or somebody was deceived. The
text may come from any page, so the search is tolerant: of how amounts, dates and account numbers are written in the
languages of Europe, of letters that stand apart or flow together, of lines that break, of right-to-left writing. It is
strict in one thing: a value counts as contradicted only where the page names the term and states another value there.

What it cannot see: whether the text is visible, and whether an amount has the right sign. It looks at the text alone,
opens nothing and cannot fail.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cache
from itertools import islice, pairwise

from stdnum import iban

from schemas import wordings
from schemas.invoice import Invoice

TEXT_LIMIT = 1_000_000
"""Signs of a page's text that are looked at; the longest invoice of the public corpora has 60,000."""


class Standing(StrEnum):
    """Where one value stands on the page."""

    FOUND = "found"
    NOT_FOUND = "not found"
    """The page says neither this value nor, where it names the term, another."""
    CONTRADICTED = "contradicted"
    """The page names the term and states another value."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """One value of the invoice, held against the page."""

    term: str
    """BT-1, BT-2, …"""
    name: str
    """The norm's name of the term."""
    value: str
    """As the invoice has it."""
    standing: Standing
    instead: str = ""
    """What the page states instead, where it contradicts."""


@dataclass(frozen=True, slots=True)
class _Page:
    """The text of all pages in the forms that the searches need."""

    lines: tuple[str, ...]
    """One sign for one, small letters, each white space a single space."""
    flat: str
    """The lines with a space between them."""
    letters: str
    """Letters and digits only, without accents."""
    written: str
    """The text as it came, to tell what stands there as it stands there."""


def compare(invoice: Invoice, text: str) -> tuple[Likeness, ...]:
    """Each value a person would check, held against the text of the page; values that are absent are left out."""
    page = _page(text)
    return tuple(_compared(invoice, page))


def _compared(invoice: Invoice, page: _Page) -> Iterator[Likeness]:
    totals = invoice.totals
    if invoice.number:
        yield _reference("BT-1", "Invoice number", invoice.number, page)
    for term, name, day in (
        ("BT-2", "Invoice issue date", invoice.issue_date),
        ("BT-9", "Payment due date", invoice.due_date),
    ):
        if day is not None:
            yield _day(term, name, day, page)
    for term, name, party in (
        ("BT-27", "Seller name", invoice.seller.name),
        ("BT-44", "Buyer name", invoice.buyer.name),
    ):
        if party:
            yield _party(term, name, party, page)
    for term, name, amount in (
        ("BT-109", "Invoice total amount without VAT", totals.without_vat),
        ("BT-110", "Invoice total VAT amount", totals.vat),
        ("BT-112", "Invoice total amount with VAT", totals.with_vat),
        ("BT-115", "Amount due for payment", totals.due),
    ):
        if amount is not None:
            yield _amount(term, name, amount, page)
    for transfer in invoice.payment.transfers if invoice.payment is not None else ():
        if transfer.account:
            yield _account("BT-84", "Payment account identifier", transfer.account, page)


# The page ------------------------------------------------------------------------------------------------------------

_DROPPED = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_ALIKE = str.maketrans({
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2018\u2019\u02bc\u00b4`\u2032", "'"),
    "\u066b": ".",
    "\u066c": ",",
    "\u060c": ",",
})  # fmt: skip


def _page(text: str) -> _Page:
    lines = tuple(line for line in map(_plain, re.split(r"[\r\n\f\v\u2028\u2029]+", text[:TEXT_LIMIT])) if line)
    flat = " ".join(lines)
    return _Page(lines, flat, _letters(flat), " ".join(text[:TEXT_LIMIT].split()))


def _plain(text: str) -> str:
    """Ligatures and wide forms undone, one dash and one apostrophe, western digits, single spaces, small letters."""
    plain = unicodedata.normalize("NFKC", _DROPPED.sub("", text)).translate(_ALIKE)
    if not plain.isascii():
        plain = "".join(str(unicodedata.digit(sign)) if sign.isdecimal() else sign for sign in plain)
    return " ".join(plain.casefold().split())


def _bare(text: str) -> str:
    """Without accents."""
    return (
        text
        if text.isascii()
        else "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    )


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, _bare(_plain(text))))


# References and names ------------------------------------------------------------------------------------------------


def _reference(term: str, name: str, value: str, page: _Page) -> Likeness:
    """A number that has to stand there as it is, and not as a part of a longer one."""
    wanted = "".join(_plain(value).split())
    if not wanted or _stands(wanted, page.flat):
        return Likeness(term, name, value, Standing.FOUND)
    others = filter(None, map(_token, _near_label(term, page)))
    return _otherwise(term, name, value, (_as_written(other, page) for other in others))


_LONG = 200
"""Signs beyond which a number is looked for as it is, not by a pattern, whose memory and time would grow with it."""


def _stands(wanted: str, text: str) -> bool:
    """Whether it stands in a text, next to no sign of its own kind: a reader of pages may have lost the spaces."""
    found = wanted in "".join(text.split())
    if not found or len(wanted) > _LONG:
        return found
    pattern = r"\s?".join(map(re.escape, wanted))
    before = r"(?<!\d)" if wanted[0].isdigit() else r"(?<![^\W\d_])"
    after = r"(?!\d)" if wanted[-1].isdigit() else r"(?![^\W\d_])"
    return re.search(before + pattern + after, text) is not None


def _token(text: str) -> str:
    """The first word after a label, if it has a digit; what has none is no number of an invoice."""
    found = re.match(r"[\s:.#°º-]*([a-z]{0,6}[\w./-]*\d[\w./-]*)", text)
    return found[1].rstrip(".") if found else ""


def _party(term: str, name: str, value: str, page: _Page) -> Likeness:
    wanted = _letters(value)
    if wanted in page.letters or wanted[::-1] in page.letters:
        return Likeness(term, name, value, Standing.FOUND)
    near = _nearest(_bare(_plain(value)), page)
    return _otherwise(term, name, value, [_as_written(near, page)] if near else [])


def _as_written(found: str, page: _Page) -> str:
    """What was found, in the letters of the page where it stands there in one piece."""
    match = re.search(re.escape(found), page.written, re.IGNORECASE)
    return match[0] if match is not None else found


_NEAR = 0.86
"""How alike two names are when one is likely the other, misspelt."""
_NEAR_LINES = 2_000
"""Lines that are looked through for a misspelt name."""


def _nearest(wanted: str, page: _Page) -> str:
    """A name on the page that is nearly the one looked for; empty where there is none."""
    count = len(wanted.split())
    best, found = _NEAR, ""
    for line in page.lines[:_NEAR_LINES]:
        words = _bare(line).split()[:40]
        for start in range(max(1, len(words) - count + 1)):
            tried = " ".join(words[start : start + count])[:200]
            matcher = SequenceMatcher(None, wanted[:200], tried, autojunk=False)
            if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and matcher.ratio() > best:
                best, found = matcher.ratio(), tried
    return found


# Accounts ------------------------------------------------------------------------------------------------------------

_ACCOUNT = re.compile(r"(?<![^\W_])[a-z]{2}\s?[0-9]{2}(?:\s?[a-z0-9]){11,30}")
_SHAPE = re.compile(r"[a-z]{2}[0-9]{2}[a-z0-9]{11,30}")
"""Of an IBAN, whether or not its check digits are right."""
_ACCOUNTS = 100
"""Runs of letters and digits that are tried for being an IBAN."""


def _account(term: str, name: str, value: str, page: _Page) -> Likeness:
    """An IBAN as one run of signs; an account in a country's own form by its parts, which a page may set apart."""
    wanted = _letters(value)
    known = _SHAPE.fullmatch(wanted) is not None
    whole = known or len(value) > _LONG
    if all(part in page.letters for part in ([wanted] if whole else map(_letters, value.split()))):
        return Likeness(term, name, value, Standing.FOUND)
    return _otherwise(term, name, value, _accounts(page) if known else ())


def _is_account(text: str) -> bool:
    return bool(iban.is_valid(text, check_country=False))


def _accounts(page: _Page) -> Iterator[str]:
    """The IBANs that the page states: each run of letters and digits that is one by its length and check digits."""
    for match in islice(_ACCOUNT.finditer(page.flat), _ACCOUNTS):
        run = "".join(match[0].split())
        found = next((run[:length] for length in range(len(run), 14, -1) if _is_account(run[:length])), "")
        if found:
            yield found.upper()


# Amounts -------------------------------------------------------------------------------------------------------------

_MONEY = re.compile(r"(?<![\w.,])(?:[0-9]{1,3}(?:[ .,'][0-9]{3})+|[0-9]+)[.,][0-9]{2,4}(?![0-9])(?!\s?%)")
"""An amount as it stands after a label: with its decimals, so that no number of anything else is taken for one."""


def _amount(term: str, name: str, value: Decimal, page: _Page) -> Likeness:
    pattern = _spellings(value.copy_abs())
    near = [match[0] for rest in _near_label(term, page) if (match := _MONEY.search(rest))]
    named = term in _PAID_BY and any(map(_MONEY.search, _labelled(term, page)))
    if any(map(pattern.search, near)) or (not named and pattern.search(page.flat)):
        return Likeness(term, name, str(value), Standing.FOUND)
    return _otherwise(term, name, str(value), near)


_DIGITS = 40
"""Digits beyond which an amount is not looked for: no page states one, and the pattern would grow with it."""
_NOWHERE = re.compile(r"(?!)")
"""Matches no text."""


def _spellings(value: Decimal) -> re.Pattern[str]:
    """Every way an amount without its sign may be written: groups, either decimal sign, zeros kept or left out."""
    if value.adjusted() >= _DIGITS:
        return _NOWHERE
    whole, _, decimals = f"{value:f}".partition(".")
    decimals = decimals.rstrip("0")
    if len(whole) + len(decimals) > _DIGITS:
        return _NOWHERE
    digits = whole[0] + "".join(_between(len(whole) - at) + sign for at, sign in enumerate(whole[1:], 1))
    round_amount = r"(?:\s?[.,]\s?(?:0+|-+))?"
    rest = r"\s?[.,]\s?" + r"\s?".join(decimals) + "0*" if decimals else round_amount
    return re.compile(rf"(?<![0-9])(?<![0-9][.,']){digits}{rest}(?![0-9])(?![.,'][0-9])")


def _between(left: int) -> str:
    """What may stand where so many digits are left: a mark between groups of three, or of two as in India."""
    grouped = left % 3 == 0 or (left > 3 and left % 2 == 1)
    return "[ .,']?" if grouped else " ?"


# Dates ---------------------------------------------------------------------------------------------------------------


def _day(term: str, name: str, value: date, page: _Page) -> Likeness:
    american = value.day > 12 or _is_english(page)
    near = [days for rest in _near_label(term, page) if (days := _days(rest, american))]
    named = term in _PAID_BY and any(_days(rest, american) for rest in _labelled(term, page))
    if any(value in days for days in near) or (not named and _is_written(value, page, american)):
        return Likeness(term, name, value.isoformat(), Standing.FOUND)
    return _otherwise(term, name, value.isoformat(), (days[0].isoformat() for days in near))


def _is_english(page: _Page) -> bool:
    """Whether the month may stand before the day in figures, as in America."""
    return "invoice" in page.flat and "facture" not in page.flat and "rechnung" not in page.flat


def _is_written(value: date, page: _Page, american: bool) -> bool:
    return any(pattern.search(page.flat) for pattern in _writings(value, american))


def _writings(value: date, american: bool) -> Iterator[re.Pattern[str]]:
    """Every way a day may be written: in figures, the order of Europe or of ISO 8601; in words of many languages."""
    day, month = rf"0?\s?{_split(value.day)}", rf"0?\s?{_split(value.month)}"
    year = rf"(?:{_split(value.year)}|{_split(f'{value.year % 100:02}')})"
    mark = r"\s?[./ -]\s?"
    yield re.compile(rf"(?<!\d){day}{mark}{month}{mark}{year}(?!\d)")
    yield re.compile(rf"(?<!\d){_split(value.year)}{mark}{month}{mark}{day}(?!\d)")
    yield re.compile(rf"(?<!\d){value:%Y%m%d}(?!\d)")
    if american:
        yield re.compile(rf"(?<!\d){month}/{day}/{year}(?!\d)")
    words = rf"(?:{'|'.join(map(re.escape, _month_words(value.month)))})"
    after = r"(?:er|st|nd|rd|th|\.|º|°)?\s?(?:de |of |-|/)?"
    yield re.compile(rf"(?<!\d){day}{after}{words}\.?,?\s?(?:de |del |-|/)?{year}(?!\d)")
    yield re.compile(rf"(?<!\w){words}\.?\s?{day}(?:st|nd|rd|th)?,?\s?{year}(?!\d)")


def _split(number: object) -> str:
    return r"\s?".join(str(number))


@cache
def _month_words(month: int) -> tuple[str, ...]:
    """The names of a month and what they are shortened to, the longest first."""
    names = {form for name in wordings.MONTHS[month - 1].split() for form in (name, _bare(name))}
    short = {name[:length] for name in names for length in (3, 4) if len(name) > length}
    return tuple(sorted(names | short, key=lambda name: (-len(name), name)))


_FIGURES = re.compile(r"(?<!\d)(?:(\d{1,2})([./-])(\d{1,2})\2(\d{4})|(\d{4})-(\d{2})-(\d{2}))(?!\d)")


def _days(text: str, american: bool) -> tuple[date, ...]:
    """What the first date in figures may mean; a day that no calendar has is none."""
    match = _FIGURES.search(text)
    if match is None:
        return ()
    readings = [(match[5], match[6], match[7])] if match[5] else [(match[4], match[3], match[1])]
    if american and match[2] == "/":
        readings.append((match[4], match[1], match[3]))
    return tuple(day for reading in readings if (day := _date(*map(int, reading))) is not None)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


# Where the page names a term -----------------------------------------------------------------------------------------

_PAID_BY = ("BT-9", "BT-109", "BT-112", "BT-115")
"""Terms whose labels mean one value of the page only: what the label names counts, wherever else the value stands."""


_REACH = 120
"""Signs after a label in which its value stands."""


def _labelled(term: str, page: _Page) -> Iterator[str]:
    """What follows each label of a term on its line."""
    label = _label(term)
    for line in page.lines:
        for match in label.finditer(line):
            yield line[match.end() : match.end() + _REACH]


def _near_label(term: str, page: _Page) -> Iterator[str]:
    """The same, and the next line where nothing follows on the line of the label; not to be trusted as much: the value
    below may be that of another label beside it."""
    label = _label(term)
    yield from _labelled(term, page)
    for line, below in pairwise(page.lines):
        if (match := label.search(line)) is not None and not any(map(str.isalnum, line[match.end() :])):
            yield below[:_REACH]


@cache
def _label(term: str) -> re.Pattern[str]:
    words = sorted(map(_plain, wordings.LABELS[term]), key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, words)) + r")(?!\w)")


_OTHERS = 5
"""Values told that stand in the place of one."""


def _otherwise(term: str, name: str, value: str, others: Iterable[str]) -> Likeness:
    """A value that is not there: contradicted by what stands in its place, or simply not found."""
    found = sorted(set(others))
    if not found:
        return Likeness(term, name, value, Standing.NOT_FOUND)
    return Likeness(term, name, value, Standing.CONTRADICTED, ", ".join(found[:_OTHERS])[:200])
