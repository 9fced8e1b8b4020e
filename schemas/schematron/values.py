"""The values of XPath 2.0 and their casts, exactly as the oracle has them.

Values are Python's: str for xs:string, Untyped (a str) for xs:untypedAtomic where the type is only known at run time,
bool, int, Decimal and float for xs:boolean, xs:integer, xs:decimal and xs:double, Date for xs:date. None is the empty
sequence where at most one item can stand. What XPath calls a dynamic error is `DynamicError`; it ends the whole layer,
because what the rule would have said is unknown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import total_ordering
from typing import Any

DIGITS_LIMIT = 10_000
"""Characters of a number; beyond, exact arithmetic would cost a hostile document's reader too much."""

SPACE = " \t\r\n"
"""White space in XML."""

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DATE = re.compile(r"(-?(?:[1-9][0-9]{4,}|[0-9]{4}))-([0-9]{2})-([0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")


class DynamicError(Exception):
    """A rule could not be evaluated on this document."""


class Untyped(str):
    """A value read from the document, whose type nobody has declared."""

    __slots__ = ()


@total_ordering
class Date:
    """xs:date, also outside the years that Python knows. Without a time zone it is taken as UTC in comparisons."""

    __slots__ = ("day", "minutes", "month", "offset", "year")

    def __init__(self, year: int, month: int, day: int, offset: int | None) -> None:
        self.year, self.month, self.day, self.offset = year, month, day, offset
        before = year - (month <= 2)
        era, of_era = divmod(before, 400)
        of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
        days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year
        self.minutes = days * 1440 - (offset or 0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Date) and self.minutes == other.minutes

    def __lt__(self, other: Date) -> bool:
        return self.minutes < other.minutes

    def __hash__(self) -> int:
        return hash(self.minutes)

    def __str__(self) -> str:
        year = f"{'-' if self.year < 0 else ''}{abs(self.year):04d}"
        text = f"{year}-{self.month:02d}-{self.day:02d}"
        if self.offset is None:
            return text
        if self.offset == 0:
            return f"{text}Z"
        hours, minutes = divmod(abs(self.offset), 60)
        return f"{text}{'-' if self.offset < 0 else '+'}{hours:02d}:{minutes:02d}"


def _no_cast(text: Any, name: str) -> DynamicError:
    return DynamicError(f"FORG0001: a value of {len(str(text))} characters is no {name}")


class _Decimals(dict[str, Decimal]):
    """The decimals read last, by their text: the rules on one line read its amounts a dozen times."""

    def __missing__(self, text: str) -> Decimal:
        if len(text) > DIGITS_LIMIT:
            raise _no_cast(text, "xs:decimal that this engine computes with")
        trimmed = text.strip(SPACE)
        if not _DECIMAL.fullmatch(trimmed):
            raise _no_cast(text, "xs:decimal")
        value = Decimal(trimmed)
        if len(text) <= _SHORT:
            if len(self) >= _KEPT:
                self.clear()
            self[text] = value
        return value


_SHORT = 32
"""Characters of a number that is kept."""
_KEPT = 10_000

decimal_of: Callable[[str], Decimal] = _Decimals().__getitem__
"""xs:decimal of a string."""


def double_of(text: str) -> float:
    """xs:double of a string."""
    trimmed = text.strip(SPACE)
    if _DOUBLE.fullmatch(trimmed):
        return float(trimmed)
    if trimmed in ("INF", "+INF", "-INF", "NaN"):
        return float(trimmed.replace("INF", "inf"))
    raise _no_cast(text, "xs:double")


def boolean_of(text: str) -> bool:
    """xs:boolean of a string."""
    trimmed = text.strip(SPACE)
    if trimmed in ("true", "1"):
        return True
    if trimmed in ("false", "0"):
        return False
    raise _no_cast(text, "xs:boolean")


def integer_of(text: str) -> int:
    """xs:integer of a string."""
    if len(text) > DIGITS_LIMIT:
        raise _no_cast(text, "xs:integer that this engine computes with")
    trimmed = text.strip(SPACE)
    if not _INTEGER.fullmatch(trimmed):
        raise _no_cast(text, "xs:integer")
    return int(Decimal(trimmed))


def date_of(text: str) -> Date:
    """xs:date of a string."""
    match = _DATE.fullmatch(text.strip(SPACE))
    if not match:
        raise _no_cast(text, "xs:date")
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= month <= 12 or not 1 <= day <= (31, 28 + leap, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]:
        raise _no_cast(text, "xs:date")
    offset = None
    if zone := match[4]:
        offset = 0 if zone == "Z" else int(f"{zone[0]}1") * (int(zone[1:3]) * 60 + int(zone[4:]))
        if abs(offset) > 14 * 60 + 59 or (zone != "Z" and int(zone[4:]) > 59):
            raise _no_cast(text, "xs:date")
    return Date(year, month, day, offset)


def as_decimal(value: Any) -> Decimal | None:
    """xs:decimal of any one value."""
    if value is None or type(value) is Decimal:
        return value
    if isinstance(value, str):
        return decimal_of(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _no_cast(value, "xs:decimal")
        return Decimal(value)
    if isinstance(value, int):
        return Decimal(int(value))
    raise DynamicError("XPTY0004: this value cannot be cast to xs:decimal")


def as_double(value: Any) -> float | None:
    """xs:double of any one value."""
    if value is None or type(value) is float:
        return value
    if isinstance(value, str):
        return double_of(value)
    if isinstance(value, int | Decimal):
        return float(value)
    raise DynamicError("XPTY0004: this value cannot be cast to xs:double")


def as_integer(value: Any) -> int | None:
    """xs:integer of any one value."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, str):
        return integer_of(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise _no_cast(value, "xs:integer")
    if isinstance(value, int | Decimal | float):
        return int(value)
    raise DynamicError("XPTY0004: this value cannot be cast to xs:integer")


def as_boolean(value: Any) -> bool | None:
    """xs:boolean of any one value."""
    if value is None or type(value) is bool:
        return value
    if isinstance(value, str):
        return boolean_of(value)
    if isinstance(value, int | Decimal | float):
        return bool(value != 0 and value == value)  # noqa: PLR0124  # NaN is false
    raise DynamicError("XPTY0004: this value cannot be cast to xs:boolean")


def as_date(value: Any) -> Date | None:
    """xs:date of any one value."""
    if value is None or type(value) is Date:
        return value
    if isinstance(value, str):
        return date_of(value)
    raise DynamicError("XPTY0004: this value cannot be cast to xs:date")


def number(value: Any) -> float:
    """fn:number: xs:double, or NaN where that cannot be."""
    try:
        double = as_double(int(value) if isinstance(value, bool) else value)
    except DynamicError:
        return math.nan
    return math.nan if double is None else double


def string(value: Any) -> str:
    """The string form of one atomic value; of None the empty string."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double_text(value)
    if isinstance(value, Decimal):
        text = f"{value:f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    return str(value)


def _double_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    mark = "-" if sign else ""
    if 1e-6 <= abs(value) < 1e6:
        return mark + string(abs(Decimal(repr(value))))
    power = int(exponent) + len(digits) - 1
    rest = "".join(map(str, digits[1:])) or "0"
    return f"{mark}{digits[0]}.{rest}E{power}"


def atomised(items: Iterable[Any]) -> list[Any]:
    """The values of items whose kind is only known at run time."""
    return [item if isinstance(item, ATOMIC) else Untyped(item.text) for item in items]


ATOMIC = (str, bool, int, float, Decimal, Date)
"""The Python types of values; anything else is a node."""


def atom(item: Any) -> Any:
    """The value of one item, or None."""
    return item if item is None or isinstance(item, ATOMIC) else Untyped(item.text)
