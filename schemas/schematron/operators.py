"""Code for the operators of XPath: comparisons, arithmetic, unions.

A comparison is where XPath's types matter most. What the document gave is compared as text with text, as xs:double with
any number, as xs:boolean with a boolean, as xs:date with a date; the code for each case is chosen here, once, so that
nothing is left to be found out at run time but the values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.schematron import functions
from schemas.schematron.code import EXACTS, NUMBERS, TEXTS, Card, Code, Kind, Scope, any_of, chain
from schemas.schematron.expression import FN, Binary, Call, Expression, Literal, Name, Refused, Sequence

if TYPE_CHECKING:
    from schemas.schematron.coder import Coder

_PYTHON = {"=": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_VALUE = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def binary(coder: Coder, expression: Binary, scope: Scope) -> Code:
    """The code of an operator and its operands."""
    operator, left, right = expression.operator, expression.left, expression.right
    if operator in ("and", "or"):
        return Code(f"bool({coder.truth(expression, scope)})", Kind.BOOLEAN, Card.ONE)
    if operator in _PYTHON:
        return Code(_general(coder, operator, left, right, scope), Kind.BOOLEAN, Card.ONE)
    if operator in _VALUE:
        return _value(coder, _VALUE[operator], left, right, scope)
    if operator in ("+", "-", "*", "div", "mod"):
        return _arithmetic(coder, operator, left, right, scope)
    if operator == "|":
        return _union(coder, left, right, scope)
    raise Refused(f"the operator {operator}")


def _union(coder: Coder, left: Expression, right: Expression, scope: Scope) -> Code:
    from schemas.schematron.coder import as_list

    codes = [coder.items(left, scope), coder.items(right, scope)]
    if any(code.kind is not Kind.NODE for code in codes):
        raise Refused("a union of what may be no nodes")
    both = ", ".join(f"*{as_list(code)}" for code in codes)
    return Code(f"ordered(({both},))", Kind.NODE, Card.MANY, all(code.element for code in codes))


def _general(coder: Coder, operator: str, left: Expression, right: Expression, scope: Scope) -> str:
    """= and its like: true when any value on the left and any on the right compare so."""
    asked = _counted(coder, operator, left, right, scope) or _filled(coder, operator, left, right, scope)
    if asked is not None:
        return asked
    if operator == "=" and (texts := _texts(right)) is not None:
        code = coder.values(left, scope, unordered=True)
        if code.kind in TEXTS:
            return _among(coder, code, texts)
    one, other = coder.values(left, scope, unordered=True), coder.values(right, scope, unordered=True)
    kind = _compared(one.kind, other.kind)
    if kind is None:
        return _dynamic(coder, operator, one, other)
    first, before = _prepared(coder, one, kind)
    second, after = _prepared(coder, other, kind)
    test = f"{first} {_PYTHON[operator]} {second}"
    if not before and not after:
        return f"({test})"
    if operator in ("=", "!=") and _as_they_are(one, other, kind):
        return _equal(operator, one, other)
    loops = " ".join(f"for {name} in {source}" for name, source in (*before, *after))
    return any_of(test, loops)


_NONE = frozenset({("=", 0), ("<", 1), ("<=", 0)})
_SOME = frozenset({("!=", 0), (">", 0), (">=", 1)})


def _counted(coder: Coder, operator: str, left: Expression, right: Expression, scope: Scope) -> str | None:
    """Whether there is anything, where that is what a comparison asks: count(…) > 0."""
    if not (isinstance(right, Literal) and type(right.value) is int):
        return None
    asked = (operator, right.value)
    if asked not in _NONE | _SOME or not (isinstance(left, Call) and left.name == Name(FN, "count")):
        return None
    return functions.asked(coder, "empty" if asked in _NONE else "exists", left.arguments[0], scope)


def _filled(coder: Coder, operator: str, left: Expression, right: Expression, scope: Scope) -> str | None:
    """Whether a text is more than white space, where that is what a comparison asks: normalize-space(…) != ''."""
    if operator not in ("=", "!=") or right != Literal(""):
        return None
    if not (isinstance(left, Call) and left.name == Name(FN, "normalize-space") and len(left.arguments) == 1):
        return None
    asked = f"filled({coder.text(left.arguments[0], scope).source})"
    return asked if operator == "!=" else f"(not {asked})"


def _as_they_are(one: Code, other: Code, kind: Kind) -> bool:
    """Whether both sides are compared without being converted first."""
    if kind is Kind.STRING:
        return True
    if kind is Kind.DOUBLE:
        return False  # not a number is not even equal to itself, which Python's "in" does not know
    return one.kind is other.kind or (kind is Kind.DECIMAL and {one.kind, other.kind} <= EXACTS)


def _equal(operator: str, one: Code, other: Code) -> str:
    """= and != of values that Python compares as they are. None, for no value, is equal to none of them."""
    first, second = sorted((one, other), key=lambda code: code.card)
    cards = (first.card, second.card)
    if operator == "!=":
        if cards == (Card.ONE, Card.MANY) and first.kind is Kind.STRING and (path := chain(second.source)):
            return f"says_other({_after(path, first.source)})"
        return f"{_UNEQUAL[cards]}({first.source}, {second.source})"
    if cards == (Card.ONE, Card.OPTIONAL):
        return f"({first.source} == {second.source})"
    if cards == (Card.ONE, Card.MANY):
        if (path := chain(second.source)) and first.kind in TEXTS:
            return f"says({_after(path, first.source)})"
        return f"({first.source} in {second.source})"
    return f"{_EQUAL[cards]}({first.source}, {second.source})"


def _after(path: str, wanted: str) -> str:
    """A path as arguments, with what is wanted after the node it begins at."""
    node, _, names = path.partition(", ")
    return f"{node}, {wanted}, {names}"


_EQUAL = {
    (Card.OPTIONAL, Card.OPTIONAL): "same",
    (Card.OPTIONAL, Card.MANY): "found_in",
    (Card.MANY, Card.MANY): "shared",
}
_UNEQUAL = {
    (Card.ONE, Card.OPTIONAL): "different",
    (Card.OPTIONAL, Card.OPTIONAL): "different",
    (Card.ONE, Card.MANY): "other_in",
    (Card.OPTIONAL, Card.MANY): "other_in",
    (Card.MANY, Card.MANY): "any_different",
}


def _texts(expression: Expression) -> list[str] | None:
    """The strings of a literal or of a sequence of literals."""
    items = expression.items if isinstance(expression, Sequence) else (expression,)
    texts = [item.value for item in items if isinstance(item, Literal) and isinstance(item.value, str)]
    return texts if len(texts) == len(items) else None


def _among(coder: Coder, code: Code, texts: list[str]) -> str:
    """Whether any value is one of some strings."""
    if len(texts) == 1:
        if code.card is Card.MANY:
            path = chain(code.source)
            return f"says({_after(path, repr(texts[0]))})" if path else f"({texts[0]!r} in {code.source})"
        return f"({code.source} == {texts[0]!r})"
    choices = coder.constant(f"frozenset(({', '.join(map(repr, texts))},))")
    if code.card is Card.MANY:
        return f"(not {choices}.isdisjoint({code.source}))"
    return f"({code.source} in {choices})"


def _compared(one: Kind, other: Kind) -> Kind | None:
    """The kind two values are compared as; None where only their values tell."""
    if one in TEXTS and other in TEXTS:
        return Kind.STRING
    if Kind.ATOMIC in (one, other) or Kind.ITEM in (one, other):
        return None
    if one in EXACTS and other in EXACTS:
        return Kind.DECIMAL
    if one in NUMBERS and other in NUMBERS:
        return None if Kind.NUMBER in (one, other) else Kind.DOUBLE
    if Kind.UNTYPED in (one, other):
        typed = other if one is Kind.UNTYPED else one
        return Kind.DOUBLE if typed in NUMBERS else typed
    if one is other:
        return one
    raise Refused(f"a comparison of {one} with {other}")


def _prepared(coder: Coder, code: Code, kind: Kind) -> tuple[str, list[tuple[str, str]]]:
    """One side of a comparison: the value as the kind it is compared in, and the loop it stands in, if any."""
    source, loops = code.source, []
    if code.card is not Card.ONE:
        name = coder.fresh("w")
        loops = [(name, source if code.card is Card.MANY else f"listed({source})")]
        source = name
    if code.kind is kind or kind is Kind.STRING or kind is Kind.DECIMAL:
        return source, loops
    if code.kind is Kind.UNTYPED:
        functions = {Kind.DOUBLE: "double_of", Kind.BOOLEAN: "boolean_of", Kind.DATE: "date_of"}
        return f"{functions[kind]}({source})", loops
    return (f"{float(source)}" if source.isdigit() else f"float({source})"), loops


def _dynamic(coder: Coder, operator: str, one: Code, other: Code) -> str:
    from schemas.schematron.coder import as_list

    left, right = (as_list(coder.widened(code, Kind.ATOMIC)) for code in (one, other))
    return f"general({operator!r}, {left}, {right})"


def _value(coder: Coder, operator: str, left: Expression, right: Expression, scope: Scope) -> Code:
    """eq and its like: of one value and another; what the document gave counts as a string."""
    one, other = coder.one_value(left, scope), coder.one_value(right, scope)
    card = max(one.card, other.card)
    kinds = [Kind.STRING if code.kind is Kind.UNTYPED else code.kind for code in (one, other)]
    kind = _compared(*kinds)
    if kind is not None and card is Card.ONE:
        first, second = (_prepared(coder, code, kind)[0] for code in (one, other))
        return Code(f"({first} {_PYTHON[operator]} {second})", Kind.BOOLEAN, Card.ONE)
    return Code(f"value({operator!r}, {one.source}, {other.source})", Kind.BOOLEAN, card)


def _arithmetic(coder: Coder, operator: str, left: Expression, right: Expression, scope: Scope) -> Code:
    one, other = coder.number(left, scope), coder.number(right, scope)
    card = max(one.card, other.card)
    if Kind.DOUBLE in (one.kind, other.kind):
        kind = Kind.DOUBLE
    elif Kind.NUMBER in (one.kind, other.kind):
        kind = Kind.NUMBER
    else:
        whole = one.kind is other.kind is Kind.INTEGER and operator != "div"
        kind = Kind.INTEGER if whole else Kind.DECIMAL
    if operator in ("div", "mod"):
        return Code(f"{'divide' if operator == 'div' else 'modulo'}({one.source}, {other.source})", kind, card)
    if card is Card.ONE and (kind in EXACTS or (one.kind is other.kind is Kind.DOUBLE)):
        return Code(f"({one.source} {operator} {other.source})", kind, card)
    return Code(f"arithmetic({operator!r}, {one.source}, {other.source})", kind, card)
