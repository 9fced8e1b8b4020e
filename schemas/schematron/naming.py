"""Tells which conditions the names of an element and of those around it decide, whatever document they stand in.

Official rules ask of every element whether its name ends with "Amount". Such a condition has one answer for a place in
documents, and `program` asks it once for each place.
"""

from __future__ import annotations

from schemas.schematron.expression import FN, Binary, Call, Expression, Literal, Name, Path, Step

_AROUND = frozenset({"self", "parent", "ancestor", "ancestor-or-self"})
_LOGICAL = frozenset({"not", "exists", "empty", "boolean"})


def by_names(condition: Expression) -> bool:
    """Whether the names of the context node and of the nodes around it decide the truth of a condition."""
    match condition:
        case Binary("and" | "or", left, right):
            return by_names(left) and by_names(right)
        case Call(Name(space, local), (argument,)) if space == FN and local in _LOGICAL:
            return by_names(argument)
        case Call(Name(space, "ends-with"), (text, Literal(str()))) if space == FN:
            return _is_local(text) or asks_end_of_name(condition)
        case Binary("=" | "!=", left, Literal(str())):
            return _is_local(left)
        case Step(axis, _, ()):
            return axis in _AROUND
        case Path(steps):
            return all(isinstance(step, Step) and by_names(step) for step in steps)
    return False


def asks_end_of_name(expression: Expression) -> bool:
    """Whether this is ends-with(name(), …) with letters that cannot reach into the prefix."""
    match expression:
        case Call(Name(space, "ends-with"), (Call(Name(own, "name"), ()), Literal(str() as end))):
            return space == own == FN and ":" not in end
    return False


def _is_local(expression: Expression) -> bool:
    return expression in (Call(Name(FN, "local-name"), ()), Call(Name(FN, "namespace-uri"), ()))
