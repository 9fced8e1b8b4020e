"""What compiled rules call while they run: the values of XPath 2.0 and its functions, exactly as the oracle has them.

Values are Python's: str for xs:string, Untyped (a str) for xs:untypedAtomic where the type is only known at run time,
bool, int, Decimal and float for xs:boolean, xs:integer, xs:decimal and xs:double, Date for xs:date, nodes of
`schemas.schematron.tree`. None is the empty sequence where at most one item can stand, a list is a sequence.

Decimals are exact: a rounding that XPath does not ask for raises. What XPath calls a dynamic error is `DynamicError`;
it ends the whole layer, because what the rule would have said is unknown.
"""

from __future__ import annotations

import decimal
import math
import operator
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import total_ordering
from typing import Any

EXACT = decimal.Context(
    prec=100_000,
    Emax=999_999,
    Emin=-999_999,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
"""The context in which rules compute."""

DIGITS_LIMIT = 10_000
"""Characters of a number; beyond, exact arithmetic would cost a hostile document's reader too much."""

_DIVISION_PLACES = 18
_LONG = 1 << 63
_SPACE = " \t\r\n"
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DATE = re.compile(r"(-?(?:[1-9][0-9]{4,}|[0-9]{4}))-([0-9]{2})-([0-9]{2})(Z|[+-][0-9]{2}:[0-9]{2})?")
_SPACES = re.compile(r"[ \t\r\n]+")


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


# --- cardinality ---------------------------------------------------------------------------------------------------


def at_most_one(items: list[Any]) -> Any:
    """The one item of a sequence, None of an empty one; more are an error."""
    if not items:
        return None
    if len(items) > 1:
        raise DynamicError("XPTY0004: more than one item where at most one may stand")
    return items[0]


def exactly_one(item: Any) -> Any:
    """The item itself; none is an error."""
    if item is None:
        raise DynamicError("XPTY0004: no item where one must stand")
    return item


def child_text(node: Any, name: str) -> str | None:
    """The string value of the one child of a name, None where there is none; more are an error."""
    kids = node.kids.get(name)
    if kids is None:
        return None
    if len(kids) > 1:
        raise DynamicError("XPTY0004: more than one item where at most one may stand")
    text: str = kids[0].text
    return text


# --- casts ---------------------------------------------------------------------------------------------------------


def _no_cast(text: Any, name: str) -> DynamicError:
    return DynamicError(f"FORG0001: a value of {len(str(text))} characters is no {name}")


def decimal_of(text: str) -> Decimal:
    """xs:decimal of a string."""
    if len(text) > DIGITS_LIMIT:
        raise _no_cast(text, "xs:decimal that this engine computes with")
    trimmed = text.strip(_SPACE)
    if not _DECIMAL.fullmatch(trimmed):
        raise _no_cast(text, "xs:decimal")
    return Decimal(trimmed)


def double_of(text: str) -> float:
    """xs:double of a string."""
    trimmed = text.strip(_SPACE)
    if _DOUBLE.fullmatch(trimmed):
        return float(trimmed)
    if trimmed in ("INF", "+INF", "-INF", "NaN"):
        return float(trimmed.replace("INF", "inf"))
    raise _no_cast(text, "xs:double")


def boolean_of(text: str) -> bool:
    """xs:boolean of a string."""
    trimmed = text.strip(_SPACE)
    if trimmed in ("true", "1"):
        return True
    if trimmed in ("false", "0"):
        return False
    raise _no_cast(text, "xs:boolean")


def integer_of(text: str) -> int:
    """xs:integer of a string."""
    if len(text) > DIGITS_LIMIT:
        raise _no_cast(text, "xs:integer that this engine computes with")
    trimmed = text.strip(_SPACE)
    if not _INTEGER.fullmatch(trimmed):
        raise _no_cast(text, "xs:integer")
    return int(Decimal(trimmed))


def date_of(text: str) -> Date:
    """xs:date of a string."""
    match = _DATE.fullmatch(text.strip(_SPACE))
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
    return [item if isinstance(item, _ATOMIC) else Untyped(item.text) for item in items]


_ATOMIC = (str, bool, int, float, Decimal, Date)


def atom(item: Any) -> Any:
    """The value of one item, or None."""
    return item if item is None or isinstance(item, _ATOMIC) else Untyped(item.text)


# --- truth and comparison ------------------------------------------------------------------------------------------


def truth(items: list[Any]) -> bool:
    """The effective boolean value of a sequence."""
    if not items:
        return False
    first = items[0]
    if not isinstance(first, _ATOMIC):
        return True
    if len(items) > 1 or isinstance(first, Date):
        raise DynamicError("FORG0006: this sequence has no truth value")
    return bool(first == first and first)  # noqa: PLR0124  # NaN is false


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def general(symbol: str, left: list[Any], right: list[Any]) -> bool:
    """A general comparison of values whose types are only known at run time."""
    compare = _OPERATORS[symbol]
    return any(compare(*_alike(one, other, general=True)) for one in left for other in right)


def value(symbol: str, left: Any, right: Any) -> bool | None:
    """A value comparison of values whose types are only known at run time."""
    if left is None or right is None:
        return None
    return _OPERATORS[symbol](*_alike(left, right, general=False))


def _alike(left: Any, right: Any, *, general: bool) -> tuple[Any, Any]:
    """Two values brought to the type they are compared in."""
    if general:
        if isinstance(left, Untyped) and not isinstance(right, str):
            left = _like(left, right)
        elif isinstance(right, Untyped) and not isinstance(left, str):
            right = _like(right, left)
    for kind in (str, bool, Date):
        if isinstance(left, kind) or isinstance(right, kind):
            if isinstance(left, kind) and isinstance(right, kind):
                return left, right
            raise DynamicError("XPTY0004: values of different types are compared")
    if isinstance(left, float) or isinstance(right, float):
        return float(left), float(right)
    return left, right


def _like(untyped: str, other: Any) -> Any:
    if isinstance(other, bool):
        return boolean_of(untyped)
    return date_of(untyped) if isinstance(other, Date) else double_of(untyped)


# --- arithmetic ----------------------------------------------------------------------------------------------------


def _operand(value: Any) -> Any:
    if isinstance(value, Untyped):
        return double_of(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise DynamicError("XPTY0004: arithmetic on a value that is no number")
    return value


def arithmetic(symbol: str, left: Any, right: Any) -> Any:
    """+, - and * of two values, None where one is missing."""
    if left is None or right is None:
        return None
    left, right = _operand(left), _operand(right)
    if isinstance(left, float) or isinstance(right, float):
        left, right = float(left), float(right)
    return left + right if symbol == "+" else left - right if symbol == "-" else left * right


def divide(left: Any, right: Any) -> Any:
    """div: of decimals with 18 places more than the dividend has over the divisor, and never fewer than 18."""
    if left is None or right is None:
        return None
    left, right = _operand(left), _operand(right)
    if isinstance(left, float) or isinstance(right, float):
        return _divide_doubles(float(left), float(right))
    if right == 0:
        raise DynamicError("FOAR0001: division by zero")
    places = max(_DIVISION_PLACES, _scale(left) - _scale(right) + _DIVISION_PLACES)
    numerator, denominator = _fraction(left, right)
    numerator *= 10**places
    quotient, rest = divmod(abs(numerator), abs(denominator))
    if 2 * rest > abs(denominator):
        quotient += 1
    if (numerator < 0) != (denominator < 0):
        quotient = -quotient
    return Decimal(quotient).scaleb(-places)


def _divide_doubles(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def _scale(value: int | Decimal) -> int:
    """How many places the oracle holds a number with; negative where it ends in zeros."""
    if isinstance(value, int):
        if -_LONG <= value < _LONG:
            return 0
        value = Decimal(value).normalize()
    elif value.as_tuple().exponent == 0:
        return 0
    else:
        value = value.normalize()
    return -int(value.as_tuple().exponent)


def _fraction(left: int | Decimal, right: int | Decimal) -> tuple[int, int]:
    first, second = Decimal(left).as_integer_ratio(), Decimal(right).as_integer_ratio()
    return first[0] * second[1], first[1] * second[0]


def modulo(left: Any, right: Any) -> Any:
    """mod: the rest has the sign of the dividend."""
    if left is None or right is None:
        return None
    left, right = _operand(left), _operand(right)
    if isinstance(left, float) or isinstance(right, float):
        left, right = float(left), float(right)
        if right == 0 or math.isinf(left) or math.isnan(left) or math.isnan(right):
            return math.nan
        return math.fmod(left, right)
    if right == 0:
        raise DynamicError("FOAR0001: division by zero")
    rest = Decimal(left) % Decimal(right)
    return int(rest) if isinstance(left, int) and isinstance(right, int) else rest


def negative(value: Any) -> Any:
    """The minus sign."""
    return None if value is None else -_operand(value)


def round_half_up(value: Any) -> Any:
    """fn:round: to the nearest whole number, and of two the greater."""
    if value is None:
        return None
    value = _operand(value)
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal):
        floor = value.to_integral_value(decimal.ROUND_FLOOR)
        return floor + 1 if value - floor >= Decimal("0.5") else floor
    if not math.isfinite(value) or abs(value) >= 2**53:
        return value
    floor = math.floor(value)
    return math.copysign(float(floor + 1 if value - floor >= 0.5 else floor), value)


def absolute(value: Any) -> Any:
    """fn:abs."""
    return None if value is None else abs(_operand(value))


def total(values: Iterable[Any]) -> Any:
    """fn:sum, added from the first to the last; of nothing the integer 0. Doubles are added as the oracle does, which
    is not how Python's own sum adds them."""
    result: Any = None
    for each in values:
        addend = double_of(each) if isinstance(each, str) and isinstance(each, Untyped) else _operand(each)
        if result is None:
            result = addend
        elif isinstance(result, float) or isinstance(addend, float):
            result = float(result) + float(addend)
        else:
            result = result + addend
    return 0 if result is None else result


def total_of_texts(texts: Iterable[str]) -> float | int:
    """fn:sum of values read from the document: doubles."""
    result: float | int | None = None
    for text in texts:
        result = double_of(text) if result is None else result + double_of(text)
    return 0 if result is None else result


# --- strings -------------------------------------------------------------------------------------------------------


def normalized(text: str | None) -> str:
    """fn:normalize-space."""
    if not text:
        return ""
    stripped = text.strip(_SPACE)
    if " " not in stripped and "\n" not in stripped and "\t" not in stripped and "\r" not in stripped:
        return stripped
    return _SPACES.sub(" ", stripped)


def upper(text: str | None) -> str:
    """fn:upper-case."""
    return text.upper() if text else ""


def lower(text: str | None) -> str:
    """fn:lower-case, letter by letter."""
    if not text:
        return ""
    return text.lower() if text.isascii() else "".join(letter.lower() for letter in text)


def substring(text: str | None, start: float, length: float = math.inf) -> str:
    """fn:substring, by the positions that rounding gives."""
    if not text:
        return ""
    first = round_half_up(float(start))
    last = first + round_half_up(float(length))
    if math.isnan(first) or math.isnan(last):
        return ""
    begin = max(1.0, first)
    if begin > len(text) or last <= begin:
        return ""
    return text[int(begin) - 1 : len(text) if last > len(text) else int(last) - 1]


def before(text: str | None, mark: str | None) -> str:
    """fn:substring-before."""
    head, found, _ = (text or "").partition(mark) if mark else ("", "", "")
    return head if found else ""


def after(text: str | None, mark: str | None) -> str:
    """fn:substring-after."""
    return (text or "").partition(mark)[2] if mark else text or ""


def translate(text: str | None, table: dict[int, str | None]) -> str:
    """fn:translate with a table made when the rule was compiled."""
    return (text or "").translate(table)


def split(text: str | None, pattern: re.Pattern[str]) -> list[str]:
    """fn:tokenize."""
    return pattern.split(text) if text else []


def join(items: Iterable[Any], mark: str) -> str:
    """fn:string-join of values whose types are only known at run time."""
    return mark.join(map(string, items))


def distinct(values: Iterable[Any]) -> list[Any]:
    """fn:distinct-values of strings or of exact numbers."""
    return list(dict.fromkeys(values))
