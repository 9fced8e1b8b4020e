"""How values are written for people: words, numbers, dates and codes in the language of the page.

All words stand in templates/<language>.json, one file per language, all files with the same keys. A code of a list is
told in words and keeps its code in brackets, so that the page says what the data say; a code without words stands
alone. Numbers keep every decimal they have.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

from schemas.invoice import Identifier, Period

TEMPLATES = Path(__file__).parent / "templates"

NARROW = "\u202f"
SPACE = "\u00a0"

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


class Writer:
    """Writes values in one language, an unknown one being French; amounts are in `currency` where no other is named."""

    def __init__(self, language: str, currency: str) -> None:
        self.language = language if language in languages() else "fr"
        self.currency = currency
        self.words = _file(self.language)["words"]

    def known(self, table: str, code: str) -> str:
        """The words for a code, or an empty text."""
        return _file(self.language)[table].get(code, "")

    def coded(self, table: str, code: str) -> str:
        """The words for a code with the code in brackets; the bare code where there are no words."""
        words = self.known(table, code)
        return f"{words} ({code})" if words else code

    def unit(self, code: str) -> str:
        """A unit of measure (UN/ECE Recommendations 20 and 21) as people write it."""
        return self.known("units", code) or code

    def number(self, value: Decimal, least: int = 0) -> str:
        """A number as people write it, with at least so many decimals and none lost."""
        _, digits, exponent = value.as_tuple()
        if not isinstance(exponent, int) or len(digits) + abs(exponent) > _DIGITS:
            return str(value)
        zeros = len(digits) - len("".join(map(str, digits)).rstrip("0")) if any(digits) else 0
        decimals = max(least, -(exponent + zeros), 0)
        text = f"{value:,.{decimals}f}"
        if self.language == "fr":
            return text.replace(",", NARROW).replace(".", ",")
        return text

    def money(self, value: Decimal | None, currency: str = "") -> str:
        """An amount with its currency; empty when there is none."""
        if value is None:
            return ""
        currency = currency or self.currency
        return f"{self.number(value, 2)}{SPACE}{'€' if currency == 'EUR' else currency}".rstrip()

    def quantity(self, value: Decimal | None, unit: str) -> str:
        """A quantity with its unit; empty when there is none."""
        if value is None:
            return ""
        return f"{self.number(value)}{SPACE}{self.unit(unit)}" if unit else self.number(value)

    def percent(self, value: Decimal | None) -> str:
        """A percentage; empty when there is none."""
        return "" if value is None else f"{self.number(value)}{SPACE}%"

    def date(self, value: date | None) -> str:
        """A date as people write it; empty when there is none."""
        if value is None:
            return ""
        if self.language == "fr":
            return f"{value.day:02}/{value.month:02}/{value.year:04}"
        return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"

    def period(self, value: Period | None) -> str:
        """From – to."""
        return "" if value is None else f"{self.date(value.start)} – {self.date(value.end)}"

    def identifier(self, value: Identifier | None) -> str:
        """Value and scheme."""
        if value is None or not value.value:
            return ""
        return f"{value.value} ({value.scheme})" if value.scheme else value.value


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
