"""Arithmetic as XPath 2.0 has it, on exact decimals, on integers and on doubles.

Decimals are exact: a rounding that XPath does not ask for raises. Division, which must round, and the sum of doubles,
whose order shows in its last digit, follow the oracle.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from schemas.schematron.values import DynamicError, Untyped, double_of

EXACT = decimal.Context(
    prec=100_000,
    Emax=999_999,
    Emin=-999_999,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
"""The context in which rules compute."""

_DIVISION_PLACES = 18
_LONG = 1 << 63
_POWERS = {Decimal(10): 1, Decimal(100): 2, Decimal(1000): 3}


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
    if left and (power := _POWERS.get(right)) and type(left) is Decimal and int(left.as_tuple().exponent) <= 0:
        return left.scaleb(-power)  # the same number as below, and like it one whose places do not count
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


def exact_total(values: Sequence[Any]) -> Any:
    """fn:sum of decimals and integers."""
    return sum(values[1:], values[0]) if values else 0


def total_of_texts(texts: Iterable[str]) -> float | int:
    """fn:sum of values read from the document: doubles."""
    result: float | int | None = None
    for text in texts:
        result = double_of(text) if result is None else result + double_of(text)
    return 0 if result is None else result
