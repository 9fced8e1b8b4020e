"""Shows of an assertion that no document makes it fire, where that can be shown from the rules alone.

Three ways: a stronger rule of the same pattern takes every element that the assertion's own rule could be applied to; a
rule on an element further up keeps the pattern from going on inside; or the assertion holds whatever the document is,
which is found by trying all truth values of what it asks, given what the predicates of its context have made true.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from schemas.schematron.expression import (
    Binary,
    Call,
    Context,
    Expression,
    If,
    Literal,
    Path,
    Root,
    Step,
    alternatives,
)
from schemas.schematron.schema import Pattern
from tests.schemas.aimed import Target

ATOMS_LIMIT = 12
"""What an assertion may ask before all truth values are too many to try."""

_COMPARED = {">=": lambda count: count <= 0, "ge": lambda count: count <= 0, ">": lambda count: count < 0}
"""Comparisons of a count that hold whatever is counted, by what it is compared with."""


def is_shadowed(target: Target) -> bool:
    """Whether stronger rules of the pattern take every element of the assertion's rule."""
    return all(
        any(_covers(taker, choice) for place, taker in _rivals(target.pattern, choice) if place < _place(target))
        for choice in alternatives(target.rule.context)
    )


def _place(target: Target) -> int:
    return next(place for place, rule in enumerate(target.pattern.rules) if rule is target.rule)


def _rivals(pattern: Pattern, choice: Expression) -> list[tuple[int, Expression]]:
    """The match patterns that can be of elements of the same name, with the places of their rules, strongest first."""
    known = _named.get(id(pattern))
    if known is None or known[0] is not pattern:
        each = [(place, one) for place, rule in enumerate(pattern.rules) for one in alternatives(rule.context)]
        known = _named[id(pattern)] = (pattern, each, {})
    _, each, by_name = known
    name = _last(choice)
    if name not in by_name:
        by_name[name] = [(place, one) for place, one in each if "*" in (name, _last(one)) or _last(one) == name]
    return by_name[name]


_named: dict[int, tuple[Pattern, list[tuple[int, Expression]], dict[str, list[tuple[int, Expression]]]]] = {}


def _last(choice: Expression) -> str:
    """The local name of what a match pattern is of; empty for the document."""
    last = choice.steps[-1] if isinstance(choice, Path) else choice
    return last.test.local if isinstance(last, Step) else ""


def is_kept_out(target: Target) -> bool:
    """Whether rules of the pattern that do not go on inside an element stand above every element of the assertion's."""
    return all(_keeps_out(target, choice) for choice in alternatives(target.rule.context))


def _keeps_out(target: Target, choice: Expression) -> bool:
    steps = choice.steps if isinstance(choice, Path) else (choice,)
    for length in range(len(steps) - 1, 0, -1):
        above = Path(steps[:length])
        for place, taker in _rivals(target.pattern, above):
            goes_on = target.pattern.rules[place].goes_on
            if not goes_on and _covers(taker, above):
                return True
            if goes_on and not _is_apart(taker, above):
                break
    return False


def _is_apart(one: Expression, other: Expression) -> bool:
    """Whether no element can match both of two patterns."""
    ours, theirs = _steps(one)[0], _steps(other)[0]
    if not ours or not theirs or not isinstance(ours[-1], Step) or not isinstance(theirs[-1], Step):
        return not ours and bool(theirs)  # the document is no element
    for mine, its in zip(reversed(ours), reversed(theirs), strict=False):
        if not (isinstance(mine, Step) and isinstance(its, Step) and _is_plain(mine) and _is_plain(its)):
            break
        names = (mine.test.local, its.test.local, mine.test.space, its.test.space)
        if "*" not in names and (mine.test.local, mine.test.space) != (its.test.local, its.test.space):
            return True
    name = (theirs[-1].test.space, theirs[-1].test.local)
    return not any(all(truths) for truths in _worlds((*ours[-1].predicates, *theirs[-1].predicates), name))


def _covers(strong: Expression, weak: Expression) -> bool:
    """Whether every element that matches the weak pattern matches the strong one."""
    taken, anchored = _steps(strong)
    given, fixed = _steps(weak)
    if not all(_is_plain(step) for step in taken):
        return taken == given and anchored == fixed
    if len(taken) > len(given) or (anchored and not (fixed and len(taken) == len(given))):
        return False
    return all(
        isinstance(theirs, Step) and isinstance(ours, Step) and _admits(theirs, ours)
        for theirs, ours in zip(reversed(taken), reversed(given), strict=False)
    )


def _steps(pattern: Expression) -> tuple[tuple[Expression, ...], bool]:
    """The steps of a match pattern, and whether the first must be the root element."""
    steps = pattern.steps if isinstance(pattern, Path) else (pattern,)
    if not isinstance(steps[0], Root):
        return steps, False
    if len(steps) > 1 and not _is_plain(steps[1]):
        return steps[2:], False
    return steps[1:], True


def _is_plain(step: Expression) -> bool:
    return isinstance(step, Step) and step.axis == "child"


def _admits(strong: Step, weak: Step) -> bool:
    same = strong.axis == weak.axis and strong.test.kind == weak.test.kind
    named = strong.test.local in ("*", weak.test.local) and strong.test.space in ("*", weak.test.space)
    return same and named and set(strong.predicates) <= set(weak.predicates)


def holds_always(target: Target) -> bool:
    """Whether the assertion cannot fire on any element of its context, whatever the truth of what it asks."""
    for choice in alternatives(target.rule.context):
        last = choice.steps[-1] if isinstance(choice, Path) else choice
        given = last.predicates if isinstance(last, Step) else ()
        name = (last.test.space, last.test.local) if isinstance(last, Step) else ("", "")
        for test, *assumed in _worlds((target.assertion.test, *given), name):
            if all(assumed) and test == target.assertion.fires_when:
                return False
    return True


def _worlds(parts: tuple[Expression, ...], name: tuple[str, str]) -> Iterator[tuple[bool, ...]]:
    """The truth of some expressions for each truth of what they ask; where they ask too much, all there could be."""
    asking = [part for part in parts if not isinstance(part, Literal)]
    atoms = list(dict.fromkeys(atom for part in asking for atom in _atoms(part, name)))
    if len(atoms) > ATOMS_LIMIT:
        yield from product((False, True), repeat=len(asking))
        return
    for truths in product((False, True), repeat=len(atoms)):
        world = dict(zip(atoms, truths, strict=True))
        yield tuple(_truth(part, name, world) for part in asking)


def _parts(asked: Expression) -> tuple[Expression, ...] | None:
    """What a truth is made of; None: nothing smaller."""
    match asked:
        case Binary("and" | "or", left, right):
            return left, right
        case Call(_, arguments) if asked.name.local in ("not", "exists", "empty", "boolean"):
            return arguments
        case If(test, then, otherwise):
            return test, then, otherwise
        case _:
            return None


def _known(asked: Expression, name: tuple[str, str]) -> bool | None:
    """What is true or false of every element of a name; None: that depends."""
    match asked:
        case Context():
            return True
        case Call(_, ()) if asked.name.local in ("true", "false"):
            return asked.name.local == "true"
        case Step("self", test, ()) if test.kind == "name" and "*" not in (*name, test.local, test.space):
            return (test.space, test.local) == name
        case Binary(operator, Call(called, _), Literal(int() as number)) if called.local == "count":
            return True if operator in _COMPARED and _COMPARED[operator](number) else None
        case _:
            return None


def _atoms(asked: Expression, name: tuple[str, str]) -> Iterator[Expression]:
    if _known(asked, name) is not None:
        return
    parts = _parts(asked)
    if parts is None:
        yield asked
    for part in parts or ():
        yield from _atoms(part, name)


def _truth(asked: Expression, name: tuple[str, str], world: dict[Expression, bool]) -> bool:
    known = _known(asked, name)
    if known is not None:
        return known
    parts = _parts(asked)
    if parts is None:
        return world[asked]
    truths = [_truth(part, name, world) for part in parts]
    match asked:
        case Binary("and"):
            return all(truths)
        case Binary("or"):
            return any(truths)
        case If():
            return truths[1] if truths[0] else truths[2]
        case _:
            return not truths[0] if isinstance(asked, Call) and asked.name.local in ("not", "empty") else truths[0]
