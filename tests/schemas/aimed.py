"""Small documents aimed at every rule of an artefact, made from what the rule itself says.

A rule's context is a path: its elements are made, with what its predicates ask for. Then what its assertions look at
is planted there, or left out, with values that the assertions name or that are odd. Such documents follow no XSD, but
they make most assertions fire that no real invoice ever does, on both engines alike.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from lxml import etree

from schemas.schematron.expression import (
    Binary,
    Call,
    Context,
    Expression,
    Filter,
    Literal,
    Path,
    Root,
    Sequence,
    Step,
    Variable,
    alternatives,
)
from schemas.schematron.schema import Assertion, Rule, Schema
from tests.schemas.mutants import VALUES, Mutant

DEPTH = 3
"""How deep predicates inside predicates are followed."""


def aimed(schema: Schema, roots: tuple[str, ...], seed: int, each: int) -> Iterator[Mutant]:
    """`each` documents for every alternative of every rule; `roots` are the root elements of the kind, as lxml tags."""
    dice = random.Random(seed)
    for pattern in schema.patterns:
        for rule in pattern.rules:
            for number, choice in enumerate(alternatives(rule.context)):
                for turn in range(each):
                    root = etree.Element(dice.choice(roots))
                    element = _context(dice, root, choice)
                    if element is None:
                        continue
                    if turn:
                        _furnish(dice, element, rule, 0.35 + 0.5 * (turn % 2))
                    data = etree.tostring(element.getroottree(), encoding="UTF-8", xml_declaration=True)
                    yield Mutant(f"line {rule.line}, {number}.{turn}", data)


def _context(dice: random.Random, root: etree._Element, choice: Expression) -> etree._Element | None:
    """The element a match pattern stands for, in a tree of its own."""
    steps = choice.steps if isinstance(choice, Path) else (choice,)
    at: etree._Element | None = None
    for step in steps:
        if isinstance(step, Root):
            continue
        if not isinstance(step, Step) or step.axis == "attribute":
            return at
        if step.axis != "child":
            at = root if at is None else at
            continue
        tag = _tag(step, "other")
        if at is None and not isinstance(steps[0], Root) and tag != root.tag:
            at = root
        at = etree.Element(tag) if at is None else etree.SubElement(at, tag)
        for predicate in step.predicates:
            _satisfy(dice, at, predicate, DEPTH)
    return root if at is None else at


def _tag(step: Step, other: str) -> str:
    local = other if step.test.local == "*" else step.test.local
    return f"{{{step.test.space}}}{local}" if step.test.space not in ("", "*") else local


def _satisfy(dice: random.Random, element: etree._Element, predicate: Expression, depth: int) -> None:
    """Make a predicate true of an element, where that is simple."""
    if depth == 0:
        return
    match predicate:
        case Binary("and", left, right):
            _satisfy(dice, element, left, depth)
            _satisfy(dice, element, right, depth)
        case Binary("or" | "|", left, right):
            _satisfy(dice, element, dice.choice((left, right)), depth)
        case Binary("=", left, right):
            value = _value(dice, right) or _value(dice, left)
            path = left if _value(dice, right) is not None else right
            for inner in _paths(path):
                _plant(dice, element, inner, value, depth)
        case Step() | Path() | Filter():
            _plant(dice, element, predicate, None, depth)
        case Call(_, arguments) if predicate.name.local != "not":
            for argument in arguments:
                _satisfy(dice, element, argument, depth)
        case _:
            pass


def _value(dice: random.Random, expression: Expression) -> str | None:
    """A value that an operand names."""
    if isinstance(expression, Literal):
        return str(expression.value)
    if isinstance(expression, Call) and expression.name.local in ("true", "false"):
        return expression.name.local
    if isinstance(expression, Sequence):
        values = [value for item in expression.items if (value := _value(dice, item)) is not None]
        return dice.choice(values) if values else None
    return None


def _paths(expression: object) -> Iterator[Step | Path | Filter]:
    """The paths in an expression that begin at the context item or at the document."""
    if isinstance(expression, Step | Path):
        yield expression
        return
    if isinstance(expression, tuple):
        for part in expression:
            yield from _paths(part)
    elif is_dataclass(expression) and not isinstance(expression, Literal | Variable | Context):
        for field in fields(expression):
            yield from _paths(getattr(expression, field.name))


def _plant(dice: random.Random, element: etree._Element, path: Expression, value: str | None, depth: int) -> None:
    """Make the elements and attributes of a path, and give the last a value."""
    at: etree._Element | None = element
    for step in path.steps if isinstance(path, Path) else (path,):
        if at is None:  # the first step of an absolute path
            at = element.getroottree().getroot()
            if not isinstance(step, Step) or (step.axis == "child" and _tag(step, str(at.tag)) != at.tag):
                return
            continue
        match step:
            case Root():
                at = None
            case Step("attribute", test):
                if test.local != "*":
                    at.set(_tag(step, "other"), value if value is not None else dice.choice(VALUES[:20]))
                return
            case Step("parent"):
                above = at.getparent()
                if above is None:
                    return
                at = above
            case Step("child" | "descendant", test) if test.kind == "name":
                found = at.find(_tag(step, "other")) if dice.random() < 0.8 else None
                at = etree.SubElement(at, _tag(step, "other")) if found is None else found
                for predicate in step.predicates:
                    _satisfy(dice, at, predicate, depth - 1)
            case Step():
                pass
            case _:
                inner = next(_paths(step), None)
                if inner is not None and depth:
                    _plant(dice, at, inner, value, depth - 1)
                break
    if at is not None and value is not None and not len(at):
        at.text = value


def _furnish(dice: random.Random, element: etree._Element, rule: Rule, share: float) -> None:
    """Plant what the assertions and variables of a rule look at, each with some probability."""
    tests = [part.test if isinstance(part, Assertion) else part.value for part in rule.body]
    if element.text is None and not len(element):
        element.text = dice.choice(VALUES)
    for test in tests:
        named = [str(literal) for literal in _literals(test)]
        for path in _paths(test):
            if dice.random() < share:
                value = dice.choice(named) if named and dice.random() < 0.5 else dice.choice(VALUES)
                _plant(dice, element, path, value, DEPTH)


def _literals(expression: object) -> Iterator[object]:
    if isinstance(expression, Literal):
        yield expression.value
    elif isinstance(expression, tuple):
        for part in expression:
            yield from _literals(part)
    elif is_dataclass(expression):
        for field in fields(expression):
            yield from _literals(getattr(expression, field.name))
