"""A compiled artefact, ready to judge documents.

A program knows for each place in a document (the names from the root down) which rules of each pattern can apply there
and in what order; it finds that out once per place and remembers it, because invoices have the same places. Documents
of one shape, with the same places in them, are judged by one plan: who makes invoices makes many alike. What is left
for each element are the predicates of its rules and their assertions. Programs are shared by all threads of a process:
nothing in them changes while a document is judged but that memory.
"""

from __future__ import annotations

import decimal
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from sys import intern
from types import CodeType
from typing import Any

from schemas.schematron import arithmetic, runtime, tree, values
from schemas.schematron.runtime import Run
from schemas.schematron.tree import Node, Place, Shape, Tree
from schemas.schematron.values import DynamicError

Condition = Callable[[Node, Run | None], bool]
Body = Callable[[Node, Run], None]
Sleepers = Mapping[str, tuple[tuple[Body, ...], "Sleepers"]]
"""By the name of an element inside: what is asked only where there is one, and the same for what is inside of it."""
Asked = tuple[Body | None, Sleepers]
"""What a rule asks of every node, and what only of a node with something in it."""
Entry = tuple[tuple[tuple[str, str, bool], ...], bool, Condition | None, Condition | None, Asked | None, bool]
"""Steps upward from the node, whether they begin at the document, predicates that names decide, other predicates, rule,
whether it goes on inside."""
Applicable = tuple[Condition | None, Asked | None, bool]
"""Predicates, rule, whether it goes on inside."""

_SPOTS_LIMIT = 40_000
_STRETCH = 4_096
"""Elements of a document that are asked all there is to ask before those after them."""
_FEW = 2
"""Conditions on one value that are worth looking it up for."""


@dataclass(frozen=True, slots=True)
class Fired:
    """One assertion that does not hold, or one report that fires."""

    id: str
    flag: str
    role: str
    location: str
    """An XPath 2.0 from the root, each step with its namespace and place, as the published stylesheets write it."""
    text: str
    number: int
    """The place of the assertion among those of the artefact, from 0."""
    node: Node | None = field(default=None, compare=False, repr=False)
    """Where it stands in the document, for as long as that is kept."""


@dataclass(frozen=True, slots=True)
class _Chain:
    """The rules of one pattern that can apply at one place, the strongest first."""

    rules: tuple[Applicable, ...]
    guards: tuple[tuple[int, tuple[Applicable, ...]], ...]
    """Levels up, and the rules there, where one of them keeps the pattern from going on inside."""


_Choice = tuple[_Chain | None, tuple[tuple[Condition | None, tuple[Body, ...]], ...]]
"""The rules of a pattern of which each node keeps the first it matches, with what they ask; before them the chain,
where nodes can be hidden from it."""
_Key = Callable[[Node, Run], Sequence[str]]
_Switch = tuple[_Key, Mapping[str, tuple[_Choice, ...]], tuple[_Choice, ...], tuple[_Choice, ...]]
"""Some values of a node, and the choices left by the only one of them; those that no value matters to; all."""
_Step = tuple[int, tuple[Body, ...], tuple[_Choice, ...], tuple[_Switch, ...]]
"""The number of a place, what is asked of each of its nodes, what after a choice, and choices that go by a value."""
_Plan = tuple[_Step, ...]


class _Spot(dict[str, "_Spot"]):
    """A place as one program sees it: the rules that can apply there, and the places below by name."""

    __slots__ = ("chains", "left", "program", "tags")

    def __init__(self, program: Program, tags: tuple[str, ...], left: list[int]) -> None:
        self.program = program
        self.tags = tags
        self.left = left
        self.chains = program.chains(tags)

    def __missing__(self, name: str) -> _Spot:
        self.left[0] -= 1
        self[name] = spot = _Spot(self.program, (*self.tags, name), self.left)
        return spot


class Program:
    """The rules of one artefact as Python."""

    def __init__(self, code: CodeType, documents: Mapping[str, Tree]) -> None:
        space = given(documents)
        exec(code, space)  # noqa: S102  # made by schemas.schematron.compile, see `store` for where it comes from
        assertions: tuple[tuple[str, str, str, str | None], ...] = space.pop("ASSERTIONS")
        self._assertions = tuple(map(_shared, assertions))
        self._computed = space["CODES"].computed = space["MEMOS"]
        self._keys: dict[Condition | None, tuple[_Key, str]] = space["KEYS"]
        self._patterns: tuple[tuple[Entry, ...], ...] = space["PATTERNS"]
        self._starts: tuple[int, ...] = space["STARTS"]
        self._plans: dict[Shape, _Plan] = {}
        self._room = _SPOTS_LIMIT
        self._spots = [0]
        self._root = self._plan()

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of every assertion, in the order of the artefact; empty where the publisher gave none."""
        return tuple(each[0] for each in self._assertions)

    def judge(self, document: Tree) -> tuple[Fired, ...]:
        """The assertions that fire on a document, pattern by pattern in document order. Raises DynamicError."""
        run = Run(document, self._computed)
        with decimal.localcontext(arithmetic.EXACT), tree.uncollected():
            try:
                _follow(self._drafted(document), document, run)
            except DynamicError:
                raise
            except Exception as error:  # whatever it was, no rule after it has spoken
                raise DynamicError(f"{type(error).__name__} while a rule was computed") from error
        run.found.sort(key=lambda found: (bisect_right(self._starts, found[1]), *found[:2]))
        return tuple(self._fired(*found[1:]) for found in run.found)

    def _drafted(self, document: Tree) -> _Plan:
        """The plan for documents that have the places of this one; made when the first comes."""
        plan = self._plans.get(document.shape)
        if plan is None:
            plan = tuple(self._steps(document.root.place, self._plan()))
            self._room -= len(document.places)
            if self._room < 0:
                self._plans, self._room = {}, _SPOTS_LIMIT - len(document.places)
            self._plans[document.shape] = plan
        return plan

    def _steps(self, place: Place, spot: _Spot) -> Iterator[_Step]:
        """What there is to do at a place and at those below it."""
        always: list[Body] = []
        choices: list[_Choice] = []
        for chain in spot.chains:
            rules = [(condition, _awake(asked, place)) for condition, asked, _ in chain.rules]
            while rules and not rules[-1][1]:
                rules.pop()  # a rule that asks nothing only matters to those after it
            if rules and not chain.guards and rules[0][0] is None:
                always += rules[0][1]
            elif rules:
                choices.append((chain if chain.guards else None, tuple(rules)))
        if always or choices:
            yield place.number, tuple(always), *self._switched(choices)
        for name, below in place.items():
            yield from self._steps(below, spot[name])

    def _switched(self, choices: list[_Choice]) -> tuple[tuple[_Choice, ...], tuple[_Switch, ...]]:
        """Choices, and those apart of which a value of the node leaves few: rules for each VAT category."""
        groups: dict[_Key | None, list[_Choice]] = {}
        for choice in choices:
            keys = Counter(self._keys[condition][0] for condition, _ in choice[1] if condition in self._keys)
            groups.setdefault(next((key for key, _ in keys.most_common(1)), None), []).append(choice)
        plain = groups.pop(None, [])
        switches = []
        for key, found in groups.items():
            assert key is not None
            conditions = {condition for _, rules in found for condition, _ in rules}
            wanted = [self._keys[each][1] for each in conditions if self._keys.get(each, (None,))[0] is key]
            if len(wanted) < _FEW:
                plain += found
                continue
            left = {value: self._left(found, key, value) for value in wanted}
            switches.append((key, left, self._left(found, key, None), tuple(found)))
        return tuple(plain), tuple(switches)

    def _left(self, choices: list[_Choice], key: _Key, value: str | None) -> tuple[_Choice, ...]:
        """What is left of choices for nodes that have just this value as key; None: one that nothing asks for."""
        left = []
        for chain, rules in choices:
            some = [
                rule
                for rule in rules
                if self._keys.get(rule[0], (None,))[0] is not key or self._keys[rule[0]][1] == value
            ]
            while some and not some[-1][1]:
                some.pop()
            if some:
                left.append((chain, tuple(some)))
        return tuple(left)

    def _fired(self, number: int, node: Node, message: str | None) -> Fired:
        id_, flag, role, text = self._assertions[number]
        return Fired(id_, flag, role, location(node), text or message or "", number, node)

    # --- which rules apply where -----------------------------------------------------------------------------------

    def _plan(self) -> _Spot:
        """What is known of the places that documents have; forgotten when odd documents have made it too large."""
        if self._spots[0] <= 0:
            self._spots = [_SPOTS_LIMIT]
            self._root = _Spot(self, (), self._spots)
        return self._root

    def chains(self, tags: tuple[str, ...]) -> list[_Chain]:
        """The rules that can apply at a place, pattern by pattern."""
        chains = []
        for entries in self._patterns:
            rules = _applicable(entries, tags)
            if any(asked is not None for _, asked, _ in rules):
                guards = []
                for up in range(1, len(tags) + 1):
                    above = _applicable(entries, tags[:-up])
                    if not all(goes_on for _, _, goes_on in above):
                        guards.append((up, above))
                chains.append(_Chain(rules, tuple(guards)))
        return chains


def given(documents: Mapping[str, Tree]) -> dict[str, Any]:
    """What generated code may name, with the code lists it reads."""
    return {**_GIVEN, "CODES": runtime.Codes(), **{name: document.root for name, document in documents.items()}}


def _follow(plan: _Plan, document: Tree, run: Run) -> None:
    """Ask every rule of every node it applies to.

    All of a node comes before the next, and all that is asked in one stretch of a long invoice before the next stretch,
    while it is in the processor's cache: a long invoice is not, as a whole.
    """
    ends = range(_STRETCH, document.root.last + _STRETCH, _STRETCH)
    if len(ends) <= 1:
        for step in plan:
            _ask(step, document.places[step[0]].nodes, run)
        return
    begun = [0] * len(plan)
    for end in ends:
        for place, step in enumerate(plan):
            nodes, first = document.places[step[0]].nodes, begun[place]
            if first < len(nodes) and nodes[first].order <= end:
                begun[place] = last = bisect_right(nodes, end, first, key=tree.by_order)
                _ask(step, nodes[first:last], run)


def _ask(step: _Step, nodes: Sequence[Node], run: Run) -> None:
    """Ask some nodes of one place all that is asked there."""
    _, always, choices, switches = step
    for node in nodes:
        for body in always:
            body(node, run)
        if choices:
            _choose(choices, node, run)
        for key, left, rest, all_ in switches:
            try:
                values = key(node, run)
            except DynamicError:  # where a condition ends in an error the rule is not applied
                values = ()
            _choose(all_ if len(values) > 1 else left.get(values[0], rest) if values else rest, node, run)


def _choose(choices: tuple[_Choice, ...], node: Node, run: Run) -> None:
    """Of each choice ask the first rule that a node matches."""
    for guarded, rules in choices:
        if guarded is not None and _hidden(guarded, node, run):
            continue
        for condition, bodies in rules:
            if condition is None or condition(node, run):
                for body in bodies:
                    body(node, run)
                break


def _shared(assertion: tuple[str, str, str, str | None]) -> tuple[str, str, str, str | None]:
    """An assertion whose texts are kept once: the artefacts of one publisher repeat each other's."""
    id_, flag, role, text = assertion
    return intern(id_), intern(flag), intern(role), None if text is None else intern(text)


def _awake(asked: Asked | None, place: Place) -> tuple[Body, ...]:
    """What a rule has to ask of the nodes of a place, by what there is inside them."""
    if asked is None:
        return ()
    always, sleepers = asked
    found = [] if always is None else [always]
    if place and sleepers:
        _wake(sleepers, place, found)
    return tuple(found)


def _wake(sleepers: Sleepers, place: Place, found: list[Body]) -> None:
    for name, inside in place.items():
        entry = sleepers.get(name)
        if entry is not None:
            found += [body for body in entry[0] if body not in found]
            if inside and entry[1]:
                _wake(entry[1], inside, found)


def _applicable(entries: tuple[Entry, ...], tags: tuple[str, ...]) -> tuple[Applicable, ...]:
    """The rules whose context can be at a place, down to the first that always is."""
    found = []
    for steps, anchored, named, condition, asked, goes_on in entries:
        if _stands(steps, anchored, tags) and (named is None or named(_stand_in(tags), None)):
            found.append((condition, asked, goes_on))
            if condition is None:
                break
    return tuple(found)


def _stand_in(tags: tuple[str, ...]) -> Node:
    """An element at a place, for conditions that names decide."""
    node = Node()
    node.place, node.parent = Place(None, ""), None
    for each in tags:
        inner = Node()
        inner.place, inner.parent = Place(node.place, each), node
        node = inner
    return node


def _stands(steps: tuple[tuple[str, str, bool], ...], anchored: bool, tags: tuple[str, ...]) -> bool:
    """Whether the names from the root down to a node are what the steps of a match pattern ask for."""
    if not steps:
        return not tags
    (space, local, _), *rest = steps
    if not tags or not _named(tags[-1], space, local):
        return False
    if not rest:
        return not anchored or len(tags) == 1
    loose = rest[0][2]
    levels = range(len(tags) - 1, 0, -1) if loose else (len(tags) - 1,)
    return any(_stands(tuple(rest), anchored, tags[:level]) for level in levels)


def _named(tag: str, space: str, local: str) -> bool:
    return (space == "*" or tree.space(tag) == space) and (local == "*" or tree.local(tag) == local)


def _hidden(chain: _Chain, node: Node, run: Run) -> bool:
    """Whether a rule on a node further up keeps the pattern from this one."""
    for up, rules in chain.guards:
        above = node
        for _ in range(up):
            assert above.parent is not None
            above = above.parent
        for condition, _, goes_on in rules:
            if condition is None or condition(above, run):
                if not goes_on:
                    return True
                break
    return False


def location(node: Node) -> str:
    """Where a node stands, in the words of the published stylesheets; the document node is where its root is."""
    if node.parent is None:
        (node,) = tree.children(node)
    steps = []
    while node.parent is not None:
        name, uri = tree.local(node.tag), tree.space(node.tag)
        place = bisect_left(node.parent.kids[node.tag], node.order, key=tree.by_order) + 1
        steps.append(f"/*:{name}[namespace-uri()='{uri}'][{place}]" if uri else f"/{name}[{place}]")
        node = node.parent
    return "".join(reversed(steps))


def _is_at(node: Node, place: int) -> bool:
    """Whether a node is the one at a place among the siblings of its name."""
    same = node.parent.kids[node.tag] if node.parent else []
    return place < len(same) and same[place] is node


_GIVEN: dict[str, Any] = {
    **{
        name: value
        for module in (tree, values, arithmetic, runtime)
        for name, value in vars(module).items()
        if not name.startswith("_")
    },
    "Decimal": Decimal,
    "re": re,
    "intern": intern,
    "is_at": _is_at,
    "UNSET": object(),
}
"""What generated code may name."""
