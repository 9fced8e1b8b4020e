"""Small documents aimed at every assertion of an artefact, made from what the rule itself says.

A rule's context is a path: its elements are made in an empty document, or found in a sample of ours, with what its
predicates ask for and what rules before it in the same pattern do not. Then its assertion is made to fail
(`tests.schemas.solving`). Such documents follow no XSD, but they make nearly every assertion fire that no real invoice
ever does, on both engines alike. What was found once is cut down to what it takes (`shrunk`).
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from lxml import etree

from schemas.schematron.expression import Call, Expression, Literal, Path, Root, Step, alternatives
from schemas.schematron.schema import Assertion, Let, Pattern, Rule, Schema
from tests.schemas.mutants import Mutant
from tests.schemas.solving import DEPTH, Solver
from tests.schemas.spots import Scope, Spot, scope_of


@dataclass(frozen=True, slots=True)
class Target:
    """One assertion, with what its document must be made of."""

    number: int
    """Its place among those of the artefact."""
    pattern: Pattern
    rule: Rule
    assertion: Assertion


def targets(schema: Schema) -> tuple[Target, ...]:
    """Every assertion of an artefact, in its order."""
    found = [
        (pattern, rule, part)
        for pattern in schema.patterns
        for rule in pattern.rules
        for part in rule.body
        if isinstance(part, Assertion)
    ]
    return tuple(Target(number, *each) for number, each in enumerate(found))


def aimed(schema: Schema, bases: Sequence[bytes], seed: int, each: int) -> Iterator[Mutant]:
    """`each` documents for every assertion; `bases` are samples of the kind, whose roots are its roots."""
    dice = random.Random(seed)
    for target in targets(schema):
        for turn in range(each):
            data = attempt(schema, target, bases, dice)
            if data is not None:
                yield Mutant(f"line {target.assertion.line}, {target.number}.{turn}", data)


def attempt(schema: Schema, target: Target, bases: Sequence[bytes], dice: random.Random) -> bytes | None:
    """A document that may make an assertion fire; None where its context cannot be made."""
    base = etree.fromstring(dice.choice(bases))
    if dice.random() < 0.6:
        base = etree.Element(base.tag, nsmap=base.nsmap)
    choice = dice.choice(alternatives(target.rule.context))
    path = _path(base, choice, dice)
    if path is None:
        return None
    element = path[-1][0]
    solver = Solver(dice, schema, element)
    at = Spot(element)
    _meet(solver, path)
    if dice.random() < 0.3:
        _avoid(solver, target, element)
    scope = scope_of(tuple(part for part in target.rule.body if isinstance(part, Let)), at, {})
    solver.holds(target.assertion.test, at, scope, target.assertion.fires_when)
    if dice.random() < 0.3:
        solver.holds(target.assertion.test, at, scope, target.assertion.fires_when)
    if dice.random() < 0.5:
        _meet(solver, path)
    if dice.random() < 0.15:
        _salt(solver, target.rule, at, scope)
    if dice.random() < 0.5:
        _fill(element.getroottree().getroot(), dice)
    try:
        return etree.tostring(element.getroottree(), encoding="UTF-8", xml_declaration=True)
    except (UnicodeError, ValueError):
        return None


def _meet(solver: Solver, path: list[tuple[etree._Element, Step | None]]) -> None:
    """Make true what the steps of a context ask for."""
    nothing: Scope = {}
    for element, step in path:
        for predicate in step.predicates if step else ():
            solver.holds(predicate, Spot(element), nothing, True)


def _avoid(solver: Solver, target: Target, element: etree._Element) -> None:
    """Make false what would let a stronger rule of the same pattern take the element."""
    for rule in target.pattern.rules[: target.pattern.rules.index(target.rule)]:
        for choice in alternatives(rule.context):
            last = choice.steps[-1] if isinstance(choice, Path) else choice
            if isinstance(last, Step) and last.test.local == etree.QName(element).localname and last.predicates:
                solver.holds(solver.dice.choice(last.predicates), Spot(element), {}, False, DEPTH)


def _salt(solver: Solver, rule: Rule, at: Spot, scope: Scope) -> None:
    """Write what the rule names, once or more, where the rule reads something."""
    read = [part.test if isinstance(part, Assertion) else part.value for part in rule.body]
    paths = [path for each in read for path in within(each, Step | Path)]
    names = [str(literal.value) for each in read for literal in within(each, Literal)]
    if paths and names:
        text = "".join(solver.dice.choice(names) for _ in range(solver.dice.choice((1, 2, 3))))
        solver.written(solver.dice.choice(paths), at, scope, text * solver.dice.choice((1, 2)), DEPTH)


def within(expression: object, kind: Any) -> Iterator[Any]:
    """The parts of an expression that are of a kind, itself too."""
    if isinstance(expression, kind):
        yield expression
    elif isinstance(expression, tuple):
        for part in expression:
            yield from within(part, kind)
    elif is_dataclass(expression):
        for field in fields(expression):
            yield from within(getattr(expression, field.name), kind)


def _fill(root: etree._Element, dice: random.Random) -> None:
    """Give what has no value one that most rules can compute with."""
    value = dice.choice(("1", "100.00", "2025-06-15"))
    for element in root.iter(etree.Element):
        if not len(element) and not (element.text or "").strip():
            element.text = value


def _path(
    base: etree._Element, choice: Expression, dice: random.Random
) -> list[tuple[etree._Element, Step | None]] | None:
    """The elements that the steps of a match pattern stand for, found in a document or made there."""
    steps = choice.steps if isinstance(choice, Path) else (choice,)
    if isinstance(steps[-1], Root):
        return [(base, None)]
    named = [step for step in steps if isinstance(step, Step) and step.axis == "child"]
    if not named:
        return None
    anchored = isinstance(steps[0], Root) and isinstance(steps[1], Step) and steps[1].axis == "child"
    if dice.random() < 0.8 and (there := _standing(base, named, anchored)):
        return dice.choice(there)
    first = _tag(named[0], base)
    if first == base.tag:
        made: list[tuple[etree._Element, Step | None]] = [(base, named[0])]
        rest = named[1:]
    elif anchored:
        made, rest = [(etree.Element(first, nsmap=base.nsmap), named[0])], named[1:]
    else:
        around = base
        for _ in range(dice.choice((0, 0, 0, 1, 2, 3))):
            around = etree.SubElement(around, dice.choice([str(each.tag) for each in base.iter(etree.Element)]))
        made, rest = [(around, None)], named
    for step in rest:
        parent = made[-1][0]
        made.append((etree.SubElement(parent, _tag(step, base)), step))
    return made


def _standing(
    base: etree._Element, named: list[Step], anchored: bool
) -> list[list[tuple[etree._Element, Step | None]]]:
    """Where a document has elements of these names below each other."""
    found = []
    for element in base.iter(etree.Element):
        line = [element, *element.iterancestors()][: len(named)]
        if len(line) < len(named) or (anchored and line[-1] is not base):
            continue
        pairs = list(zip(reversed(line), named, strict=True))
        if all(_tag(step, each) == each.tag for each, step in pairs):
            found.append([(each, step) for each, step in pairs])
    return found


def _tag(step: Step, like: etree._Element) -> str:
    """The name of an element for a step; any name is that of another element, or one that a predicate asks for."""
    if step.test.local == "*":
        space = step.test.space if step.test.space != "*" else etree.QName(like).namespace or ""
        for call in within(step.predicates, Call):
            if call.name.local == "ends-with" and isinstance(call.arguments[1], Literal):
                return f"{{{space}}}{call.arguments[1].value}"
        return str(like.tag)
    return f"{{{step.test.space}}}{step.test.local}" if step.test.space not in ("", "*") else step.test.local


def shrunk(data: bytes, enough: Callable[[bytes], bool]) -> bytes:
    """A document without what it does not need for `enough` to hold."""
    root = etree.fromstring(data)
    again = True
    while again:
        again = False
        for element in list(root.iter(etree.Element)):
            parent = element.getparent()
            if parent is None or element.getroottree().getroot() is not root:
                continue
            place = parent.index(element)
            parent.remove(element)
            if enough(_bytes(root)):
                again = True
                continue
            parent.insert(place, element)
            for name in list(element.attrib):
                value = element.attrib.pop(name)
                if not enough(_bytes(root)):
                    element.set(name, value)
    return _bytes(root)


def _bytes(root: etree._Element) -> bytes:
    cleaned = copy.deepcopy(root)
    etree.cleanup_namespaces(cleaned)
    return etree.tostring(cleaned, encoding="UTF-8", xml_declaration=True)


def merged(one: bytes, other: bytes) -> Iterator[bytes]:
    """Documents with what stands in either of two: laid over each other, or one beside the other."""
    for laid in (True, False):
        root, more = etree.fromstring(one), etree.fromstring(other)
        if root.tag == more.tag:
            _lay(root, more, laid)
            yield _bytes(root)


def _lay(root: etree._Element, more: etree._Element, laid: bool) -> None:
    """Put the attributes and children of an element to those of another; the same names once where `laid`."""
    for name, value in more.attrib.items():
        if name not in root.attrib:
            root.set(name, value)
    for child in list(more):
        there = root.find(str(child.tag)) if laid else None
        if there is None or not len(child):
            root.append(child)
        else:
            _lay(there, child, laid)
