"""Finds what an assertion cannot fire without.

Most assertions speak of what most documents do not have: that a certain element must not be there, or, if it is, what
must be in it. For such an assertion the paths downward from the node are found without one of which it holds, whatever
else the document says; `program` then asks it only where a document has one of these paths. This is worked out from
what XPath says of the empty sequence. Where a part that would then not be computed could end in an error, the assertion
is asked as before, so that no error is lost.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal

from schemas.schematron.expression import (
    FN,
    XS,
    Binary,
    Call,
    Cast,
    Context,
    Expression,
    Filter,
    For,
    If,
    Literal,
    Minus,
    Name,
    Path,
    Quantified,
    Root,
    Sequence,
    Step,
    Variable,
)
from schemas.schematron.tree import tag

Paths = frozenset[tuple[str, ...]]
"""Paths of names downward from a node. Where a document has none of them, something is known."""
Lets = Mapping[Name, Expression]
"""The variables of a rule; all stand for expressions on the same node."""
Constant = tuple[Paths, str | int | Decimal]

_NOTHING: Paths = frozenset()
_GENERAL = frozenset({"=", "!=", "<", "<=", ">", ">="})
_COMPARISONS: dict[str, Callable[..., bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def truth(expression: Expression, wanted: bool, lets: Lets) -> Paths | None:
    """The paths without which an expression has a certain effective boolean value; None: it can have another."""
    match expression:
        case Binary("and" | "or" as word, left, right):
            parts = truth(left, wanted, lets), truth(right, wanted, lets)
            if wanted is (word == "and"):
                return _both(*parts)
            if parts[0] is not None:
                return parts[0]
            return parts[1] if _is_harmless(left, lets) else None
        case Binary(word, left, right) if word in _COMPARISONS:
            return _compared(word, left, right, wanted, lets)
        case Quantified(every, bindings, _):
            return empty(bindings[0].source, lets) if wanted is every else None
        case If(test, then, otherwise):
            for choice, branch in ((True, then), (False, otherwise)):
                found = _both(truth(test, choice, lets), truth(branch, wanted, lets))
                if found is not None:
                    return found
            return None
        case Call(Name(space, "not" | "boolean" | "exists" | "empty" as local), (argument,)) if space == FN:
            if local in ("not", "boolean"):
                return truth(argument, wanted is (local == "boolean"), lets)
            return empty(argument, lets) if wanted is (local == "empty") else None
        case Call(Name(space, "true" | "false" as local), ()) if space == FN:
            return _NOTHING if wanted is (local == "true") else None
        case Variable(name) if name in lets:
            return truth(lets[name], wanted, lets)
        case Step() | Path() | Filter() | Binary("|", _, _):
            return None if wanted else empty(expression, lets)
    constant = _constant(expression, lets)
    return constant[0] if constant is not None and bool(constant[1]) is wanted else None


def empty(expression: Expression, lets: Lets) -> Paths | None:
    """The paths without which an expression is the empty sequence; None: it can be another."""
    match expression:
        case Step():
            return _path((expression,))
        case Path((Binary("|", left, right), *rest)):
            return _both(*(empty(_then(start, rest), lets) for start in (left, right)))
        case Path(steps):
            return _path(steps) if isinstance(steps[0], Step | Context) else empty(steps[0], lets)
        case Filter(base, _):
            return empty(base, lets)
        case Sequence(items):
            return _both(*(empty(item, lets) for item in items))
        case Binary("|", left, right):
            return _both(empty(left, lets), empty(right, lets))
        case Binary("+" | "-" | "*" | "div" | "mod", left, right):
            return _either(left, right, lets, False)
        case For(bindings, _):
            return empty(bindings[0].source, lets)
        case Minus(operand) | Cast(operand, _, True, False):
            return empty(operand, lets)
        case Call(Name(space, local), (argument,)) if space == XS or (space == FN and local in _KEEP_NOTHING):
            return empty(argument, lets)
        case Variable(name) if name in lets:
            return empty(lets[name], lets)
    return None


_KEEP_NOTHING = frozenset({"round", "abs", "distinct-values"})
"""Functions that give nothing for nothing."""


def _then(start: Expression, steps: list[Expression]) -> Expression:
    """A path that goes on from an expression."""
    return Path((*(start.steps if isinstance(start, Path) else (start,)), *steps))


def _path(steps: tuple[Expression, ...]) -> Paths | None:
    """Of a path its names, up to the first step that looks at more than names."""
    names: list[str] = []
    for step in steps:
        if isinstance(step, Context) and not names:
            continue
        if not (isinstance(step, Step) and step.axis == "child" and step.test.kind == "name"):
            break
        if "*" in (step.test.space, step.test.local):
            break
        names.append(tag(step.test.space, step.test.local))
        if step.predicates:
            break
    return frozenset({tuple(names)}) if names else None


def _both(*parts: Paths | None) -> Paths | None:
    """What is needed where all parts must be so."""
    found: set[tuple[str, ...]] = set()
    for part in parts:
        if part is None:
            return None
        found |= part
    return frozenset(found)


def _compared(word: str, left: Expression, right: Expression, wanted: bool, lets: Lets) -> Paths | None:
    one, other = _constant(left, lets), _constant(right, lets)
    if one is not None and other is not None and isinstance(one[1], str) is isinstance(other[1], str):
        return one[0] | other[0] if _COMPARISONS[word](one[1], other[1]) is wanted else None
    return None if wanted else _either(left, right, lets, word in _GENERAL)


def _either(left: Expression, right: Expression, lets: Lets, many: bool) -> Paths | None:
    """The paths without which one of two operands is empty, where the other may be left uncomputed; `many`: whether
    that one may have several items."""
    for one, other in ((left, right), (right, left)):
        harmless = isinstance(other, Literal) or (many and _is_harmless_sequence(other, lets))
        if harmless and (found := empty(one, lets)) is not None:
            return found
    return _both(empty(left, lets), empty(right, lets))


# --- what cannot end in an error -------------------------------------------------------------------------------------


def _is_harmless(expression: Expression, lets: Lets) -> bool:
    """Whether the effective boolean value of an expression is never an error."""
    match expression:
        case Binary("and" | "or", left, right):
            return _is_harmless(left, lets) and _is_harmless(right, lets)
        case Binary("=" | "!=", left, right):
            return any(
                _are_strings(one) and _is_harmless_sequence(other, lets)
                for one, other in ((left, right), (right, left))
            )
        case Call(Name(space, "not" | "boolean"), (argument,)) if space == FN:
            return _is_harmless(argument, lets)
        case Call(Name(space, "exists" | "empty"), (argument,)) if space == FN:
            return _is_harmless_sequence(argument, lets)
        case Call(Name(space, "true" | "false"), ()) if space == FN:
            return True
        case Binary("|", left, right):
            return _is_harmless_sequence(left, lets) and _is_harmless_sequence(right, lets)
        case Variable(name) if name in lets:
            return _is_harmless(lets[name], lets)
    return isinstance(expression, Step | Path) and _is_harmless_sequence(expression, lets)


def _is_harmless_sequence(expression: Expression, lets: Lets) -> bool:
    """Whether the items of an expression, taken as they are, are never an error."""
    match expression:
        case Literal() | Root() | Context():
            return True
        case Step(_, _, predicates):
            return all(isinstance(each, Literal) or _is_harmless(each, {}) for each in predicates)
        case Path(steps):
            inside = steps[1:]
            return _is_harmless_sequence(steps[0], lets) and all(
                isinstance(step, Step) and _is_harmless_sequence(step, {}) for step in inside
            )
        case Sequence(items):
            return all(_is_harmless_sequence(item, lets) for item in items)
        case Variable(name) if name in lets:
            return _is_harmless_sequence(lets[name], lets)
    return False


def _are_strings(expression: Expression) -> bool:
    items = expression.items if isinstance(expression, Sequence) else (expression,)
    return all(isinstance(item, Literal) and isinstance(item.value, str) for item in items)


# --- values that are known -------------------------------------------------------------------------------------------


def _constant(expression: Expression, lets: Lets) -> Constant | None:
    """The one value that an expression has without some paths; None: it can have another."""
    match expression:
        case Literal(value):
            return None if isinstance(value, float) else (_NOTHING, value)
        case Variable(name) if name in lets:
            return _constant(lets[name], lets)
        case Call(Name(space, "count" | "sum"), (argument,)) if space == FN:
            found = empty(argument, lets)
            return None if found is None else (found, 0)
        case Call(Name(space, local), (argument,)) if space == FN and local in _KEEP_BLANK:
            text = _text(argument, lets)
            return text if text is not None and text[1] == "" else None
        case Call(Name(space, "string-length"), (argument,)) if space == FN:
            text = _text(argument, lets)
            return None if text is None else (text[0], len(text[1]))
        case Call(Name(space, "substring" | "substring-before" | "substring-after" | "translate"), arguments):
            text = _text(arguments[0], lets)
            known = space == FN and all(isinstance(other, Literal) for other in arguments[1:])
            return text if known and text is not None and text[1] == "" else None
    return None


def _text(expression: Expression, lets: Lets) -> tuple[Paths, str] | None:
    """The one string that an expression is without some paths, as a function takes it that wants one."""
    found = empty(expression, lets)
    if found is not None:
        return found, ""
    match _constant(expression, lets):
        case (paths, str() as text):
            return paths, text
    return None


_KEEP_BLANK = frozenset({"string", "normalize-space", "upper-case", "lower-case"})
"""Functions that give the empty string for nothing and for itself."""
