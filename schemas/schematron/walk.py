"""A path becomes the clauses of one comprehension.

The walk keeps what it knows of the nodes it has reached: whether there is exactly one, whether they come in document
order and each once, and whether none lies inside another. Only where the order or a twin could matter and is not known
does the generated code sort.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from schemas.schematron.code import Card, Kind, any_of, risky, way
from schemas.schematron.expression import Refused, Test
from schemas.schematron.tree import tag


class Walk:
    """The nodes a path has reached so far, as Python under construction.

    Either one item (`source` is None), or the items of `source` that pass `conditions`, each called `var`.
    """

    def __init__(
        self, item: str, kind: Kind, fresh: Callable[[], str], *, element: bool, foreign: bool = False
    ) -> None:
        self.fresh = fresh
        self.clauses: list[str] = []
        self.source: str | None = None
        self.var = item
        self.conditions: list[str] = []
        self.kind = kind
        self.element = element
        self.foreign = foreign
        self.attribute: str | None = None
        self.ordered = True
        self.flat = True
        self.mapped: str | None = None

    @property
    def single(self) -> bool:
        """Whether this is one item and no loop."""
        return self.source is None and not self.clauses

    def over(self, source: str, var: str) -> None:
        """Go on to the items of a Python expression."""
        self.close()
        self.source, self.var = source, var

    def close(self) -> None:
        """Put the loop that is open among the clauses."""
        if self.source is not None:
            self.clauses.append(f"for {self.var} in {self.source}")
            self.clauses += [f"if {condition}" for condition in self.conditions]
        self.source, self.conditions = None, []

    def where(self, condition: str) -> None:
        """Let through what a condition holds for."""
        self.looped()
        self.conditions.append(condition)

    def looped(self) -> None:
        """Make a loop of one item, so that it has a name and conditions can be put to it."""
        if self.source is None:
            self.over(f"({self.var},)", self.fresh())

    def open_attribute(self) -> None:
        """Make a loop of the attribute reached, where there is one, so that conditions can be put to it."""
        if self.attribute:
            source, self.attribute = f"listed(attribute_of({self.var}, {self.attribute}))", None
            self.over(source, self.fresh())

    def restart(self) -> None:
        """Begin again from the items reached so far, in document order and each once."""
        source = self.items()
        self.clauses, self.conditions, self.source = [], [], source
        self.var, self.ordered, self.flat = self.fresh(), True, False

    def reached(self) -> str:
        """The nodes reached so far as a comprehension, in the order of the loops."""
        return self._comprehension(self.var)

    def regain(self, source: str) -> None:
        """Go on from the same nodes, under the same name, which another expression gives."""
        self.clauses, self.conditions, self.source = [], [], source

    def at(self, place: int) -> None:
        """Let through the one item at a place, counted for each turn of the loops outside."""
        self.looped()
        source = self.source
        if self.conditions:
            tests = " and ".join(f"({condition})" for condition in self.conditions)
            source = f"[{self.var} for {self.var} in {source} if {tests}]"
        elif _is_chosen(source):
            source = f"[*{source}]"
        self.source, self.conditions = f"{source}[{place - 1}:{place}]", []

    def _comprehension(self, item: str) -> str:
        if not self.clauses and not self.conditions and item == self.var and self.source is not None:
            return f"[*{self.source}]" if _is_chosen(self.source) else self.source
        loops = [*self.clauses]
        if self.source is not None:
            loops.append(f"for {self.var} in {self.source}")
            loops += [f"if {condition}" for condition in self.conditions]
        return f"[{item} {' '.join(loops)}]"

    @property
    def _item(self) -> str:
        return f"Attribute({self.var}, {self.attribute})" if self.attribute else self.mapped or self.var

    @property
    def card(self) -> Card:
        """How many items."""
        if not self.single:
            return Card.MANY
        return Card.OPTIONAL if self.attribute else Card.ONE

    def items(self) -> str:
        """The items themselves."""
        if self.card is Card.ONE:
            return self._item
        if self.card is Card.OPTIONAL:
            return f"attribute_of({self.var}, {self.attribute})"
        made = self._comprehension(self._item)
        return made if self.ordered else f"ordered({made})"

    def texts(self) -> tuple[str, Card]:
        """The string values of the nodes, and how many."""
        if self.attribute and self.single:
            return f"{self.var}.attributes.get({self.attribute})", Card.OPTIONAL
        if self.single:
            return f"{self.var}.text", Card.ONE
        if not self.ordered:
            return f"[each.text for each in {self.items()}]", Card.MANY
        return self._comprehension(self._text), Card.MANY

    @property
    def _text(self) -> str:
        return f"{self.var}.attributes[{self.attribute}]" if self.attribute else f"{self.var}.text"

    def unordered_texts(self) -> tuple[str, Card]:
        """The string values where neither their order matters nor twins."""
        if self.single:
            return self.texts()
        return self._comprehension(self._text), Card.MANY

    def exists(self) -> str:
        """Whether there is anything."""
        if self.clauses and not self.conditions and (chain := _chain([*self.clauses, f"for _ in {self.source}"])):
            return f"reaches({', '.join(chain)})"
        if self.clauses and (start := _FIRST.fullmatch(self.clauses[0])):
            return f"({start[2]} in {start[1]}.kids and {self._exists()})"
        return self._exists()

    def _exists(self) -> str:
        if self.attribute and self.single:
            return f"{self.attribute} in {self.var}.attributes"
        if self.single:
            return "True"
        if not self.clauses and not self.conditions:
            return f"stands{str(self.source)[6:]}" if _is_chosen(self.source) else _any(str(self.source))
        if self.source is None:
            return self._comprehension("1")
        if self.attribute and self.conditions == [f"{self.attribute} in {self.var}.attributes"]:
            loops = "".join(f" {each}" for each in [*self.clauses, f"for {self.var} in {self.source}"])
            if path := way(self.var, loops):
                node, _, names = path.partition(", ")
                return f"bears({node}, {self.attribute}, {names})"
        if len(self.conditions) == 1:
            loops = " ".join([*self.clauses, f"for {self.var} in {self.source}"])
            return any_of(self.conditions[0], loops)
        if not self.conditions and _any(self.source) != self.source:
            return any_of(_any(self.source), " ".join(self.clauses))
        made = self._comprehension("1")
        return f"any({made[1:-1]})" if risky(made) else made


def _is_chosen(source: str | None) -> bool:
    """Whether nodes come from an index, so that there may be no more than a way to look for them."""
    return source is not None and source.startswith("chosen(")


_KIDS = re.compile(r"([\w.]+)\.kids\.get\((T\d+), \(\)\)")
_FIRST = re.compile(r"for \w+ in ([\w.]+)\.kids\.get\((T\d+), \(\)\)")
_LOOP = re.compile(r"for (\w+) in ([\w.]+)\.kids\.get\((T\d+), \(\)\)")


def _chain(clauses: list[str]) -> list[str] | None:
    """The node and the names of a path of children without conditions; None where a path is anything else."""
    names: list[str] = []
    before = None
    for clause in clauses:
        loop = _LOOP.fullmatch(clause)
        if loop is None or (before is not None and loop[2] != before):
            return None
        names += [loop[3]] if names else [loop[2], loop[3]]
        before = loop[1]
    return names


_CHILDREN = re.compile(r"children\(([\w.]+)\)")


def _any(source: str) -> str:
    """Whether a sequence has an item, without making it where that is not needed."""
    if kids := _KIDS.fullmatch(source):
        return f"({kids[2]} in {kids[1]}.kids)"
    if all_ := _CHILDREN.fullmatch(source):
        return f"{all_[1]}.kids"
    return source


_INSIDE = re.compile(r"\(([\w.]+), \*elements_in\(\1\)\)")


def axis(walk: Walk, name: str, test: Test, var: str, tags: dict[str, str]) -> None:
    """Take a walk along one axis; `tags` gives the name under which generated code knows a tag."""
    at = walk.var
    flat = walk.flat
    match name:
        case "child":
            walk.over(_children(at, test, tags), var)
            walk.ordered = walk.ordered and flat
            walk.element = test.kind != "node"
        case "attribute":
            _attribute(walk, test, var, tags)
        case "self":
            if test.kind == "name":
                walk.looped()
                walk.where(_named(walk.var, test, tags))
            elif test.kind != "node":
                raise Refused(f"self::{test.kind}()")
        case "parent":
            alone = walk.single
            if alone and walk.element and test.kind == "node":
                walk.var = f"{at}.parent"
                walk.element = False
                return
            walk.over(f"({at}.parent,)", var)
            walk.where(f"{var} is not None")
            walk.element = False
            if test.kind == "name":
                walk.where(_named(var, test, tags))
                walk.element = True
            elif test.kind != "node":
                raise Refused(f"parent::{test.kind}()")
            walk.ordered = walk.flat = alone
        case "descendant" | "descendant-or-self":
            single = walk.single
            walk.over(_descendants(at, name, test, tags), var)
            walk.element = test.kind == "name"
            walk.ordered = walk.ordered and (single or flat)
            walk.flat = False
        case "ancestor" | "ancestor-or-self":
            beginning = f"({at}, *ancestors({at}))" if name.endswith("self") else f"ancestors({at})"
            walk.over(beginning, var)
            if test.kind == "name":
                walk.where(_named(var, test, tags))
            walk.element = test.kind == "name"
            walk.ordered = walk.flat = False
        case "preceding":
            if test.kind != "name" or "*" in (test.space, test.local):
                raise Refused(f"preceding:: with {test.kind} {test.local}")
            walk.over(f"preceding({at}, {at}.tree.named({tags[tag(test.space, test.local)]}))", var)
            walk.element, walk.ordered, walk.flat = True, False, False
        case "preceding-sibling" | "following-sibling":
            if test.kind != "name":
                raise Refused(f"{name}::{test.kind}()")
            walk.over(f"siblings({at})", var)
            walk.where(f"{var}.order {'<' if name.startswith('p') else '>'} {at}.order")
            walk.where(_named(var, test, tags))
            walk.element, walk.ordered, walk.flat = True, False, False
        case _:
            raise Refused(f"the axis {name}")


def _attribute(walk: Walk, test: Test, var: str, tags: dict[str, str]) -> None:
    walk.element = True
    if test.kind == "name" and "*" not in (test.space, test.local):
        name = tags[tag(test.space, test.local)]
        inside = None if walk.conditions else _INSIDE.fullmatch(walk.source or "")
        if inside:
            walk.source = f"bearing({inside[1]}, {name})"
        elif not walk.single:
            walk.where(f"{name} in {walk.var}.attributes")
        walk.attribute = name
    elif test.kind == "name" and (test.space, test.local) == ("*", "*"):
        walk.over(f"attributes({walk.var})", var)
    else:
        raise Refused(f"@{test.space}:{test.local}")
    walk.flat = True


def _children(at: str, test: Test, tags: dict[str, str]) -> str:
    if test.kind == "text":
        return f"texts_in({at})"
    if test.kind in ("comment", "processing-instruction"):
        return "()"
    if test.kind not in ("name", "element"):
        raise Refused(f"child::{test.kind}()")
    if test.space == test.local == "*":
        return f"children({at})"
    if "*" in (test.space, test.local):
        return f"[each for each in children({at}) if {_named('each', test, tags)}]"
    return f"{at}.kids.get({tags[tag(test.space, test.local)]}, ())"


def _descendants(at: str, name: str, test: Test, tags: dict[str, str]) -> str:
    own = name.endswith("self")
    if test.kind == "text" and not own:
        return f"all_texts({at})"
    if test.kind == "node" and own:
        return f"({at}, *elements_in({at}))"
    if test.kind != "name" or own:
        raise Refused(f"{name}::{test.kind}()")
    if test.space == test.local == "*":
        return f"elements_in({at})"
    if "*" in (test.space, test.local):
        return f"[each for each in elements_in({at}) if {_named('each', test, tags)}]"
    return f"descendants({at}, {tags[tag(test.space, test.local)]})"


def _named(var: str, test: Test, tags: dict[str, str]) -> str:
    """The condition that a node has the name a test asks for; the document node and texts have none."""
    if test.space == test.local == "*":
        return f"{var}.place.tag"
    if test.local == "*":
        return f"({var}.place.tag and {var}.place.space == {test.space!r})"
    if test.space == "*":
        return f"({var}.place.tag and {var}.place.local == {test.local!r})"
    return f"{var}.place.tag == {tags[tag(test.space, test.local)]}"
