"""How values are written for people: words, numbers, dates and codes in the language of the page.

All words and forms stand in templates/<language>.json, one file per language, all files with the same keys. A code of a
list is told in words and keeps its code in brackets, so that the page says what the data say; a code without words
stands alone. Numbers keep every decimal they have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from schemas.invoice import Identifier, Period

Pairs = list[tuple[str, str]]
"""Labels and what they label."""

TEMPLATES = Path(__file__).parent / "templates"

SPACE = "\u00a0"
"""Keeps a number and its unit in one line."""
MINUS = "\u2212"
"""As long as a plus, so that nobody overlooks it."""

_DIGITS = 40
"""Numbers longer than this, which no invoice has in earnest, are written as they are stored."""


@cache
def languages() -> tuple[str, ...]:
    """The languages there are words for."""
    return tuple(sorted(path.stem for path in TEMPLATES.glob("*.json")))


@cache
def _file(language: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((TEMPLATES / f"{language}.json").read_text(encoding="utf-8"))
    return found


def told(rows: Iterable[tuple[str, str]]) -> Pairs:
    """Those that say something."""
    return [row for row in rows if row[1]]


class Writer:
    """Writes values in one language, an unknown one being French; amounts are in `currency` where no other is named."""

    def __init__(self, language: str, currency: str) -> None:
        self.language = language if language in languages() else "fr"
        self.currency = currency
        self.words = _file(self.language)["words"]
        self.formats = _file(self.language)["formats"]

    def known(self, table: str, code: str) -> str:
        """The words for a code, or an empty text."""
        return _file(self.language)[table].get(code, "")

    def coded(self, table: str, code: str) -> str:
        """The words for a code with the code in brackets; the bare code where there are no words."""
        words = self.known(table, code)
        return f"{words} ({code})" if words else code

    def named(self, name: str, text: str) -> str:
        """A name and what is said of it: "Remise : fidélité", "Allowance: loyalty"."""
        return f"{name}{self.formats['colon']}{text}" if name and text else name or text

    def table(self, name: str) -> dict[str, str]:
        """One of the tables of the language."""
        return _file(self.language)[name]

    def exemption(self, reason: str, code: str) -> str:
        """Why there is no VAT: the reason given, else what its code stands for, and the code."""
        return reason + (f" ({code})" if code else "") if reason else self.coded("exemptions", code)

    def unit(self, code: str) -> str:
        """A unit of measure (UN/ECE Recommendations 20 and 21) as people write it."""
        return self.known("units", code) or code

    def number(self, value: Decimal, least: int = 0) -> str:
        """A number as people write it, with at least so many decimals and none lost but zeros."""
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int) or len(digits) + abs(exponent) > _DIGITS:
            return str(value)
        decimals = least
        if -exponent > least:
            zeros = len(digits) - len("".join(map(str, digits)).rstrip("0")) if any(digits) else -exponent
            decimals = max(least, -(exponent + zeros), 0)
        whole, _, rest = f"{value:,.{decimals}f}".partition(".")
        whole = whole.replace(",", self.formats["thousands"]).replace("-", MINUS)
        return f"{whole}{self.formats['decimal']}{rest}" if rest else whole

    def amount(self, value: Decimal | None) -> str:
        """An amount where its currency stands elsewhere; empty when there is none."""
        return "" if value is None else self.number(value, 2)

    def money(self, value: Decimal | None, currency: str = "") -> str:
        """An amount with its currency; empty when there is none."""
        if value is None:
            return ""
        form = self.formats["euros"] if (currency or self.currency) == "EUR" else "{amount}\u00a0{currency}"
        return form.format(amount=self.number(value, 2), currency=currency or self.currency).rstrip()

    def headed(self, word: str) -> str:
        """The heading of a column of amounts, with the currency they are in."""
        symbol = "€" if self.currency == "EUR" else self.currency
        return f"{self.words[word]} ({symbol})" if symbol else self.words[word]

    def quantity(self, value: Decimal | None, unit: str) -> str:
        """A quantity with its unit; empty when there is none."""
        if value is None:
            return ""
        return f"{self.number(value)}{SPACE}{self.unit(unit)}" if unit else self.number(value)

    def percent(self, value: Decimal | None) -> str:
        """A percentage; empty when there is none."""
        return "" if value is None else f"{self.number(value)}{SPACE}%"

    def rate(self, category: str, rate: Decimal | None) -> str:
        """VAT rate and category; category S goes without saying where there is a rate."""
        shown = category if category != "S" or rate is None else ""
        return SPACE.join(text for text in (self.percent(rate), shown) if text)

    def date(self, value: date | None) -> str:
        """A date as people write it; empty when there is none."""
        if value is None:
            return ""
        month = self.known("months", str(value.month))
        return self.formats["date"].format(day=value.day, month=value.month, name=month, year=value.year)

    def period(self, value: Period | None) -> str:
        """From – to."""
        return "" if value is None else f"{self.date(value.start)} – {self.date(value.end)}"

    def identifier(self, value: Identifier | None) -> str:
        """Value and scheme."""
        if value is None or not value.value:
            return ""
        return f"{value.value} ({value.scheme})" if value.scheme else value.value
