"""Places in a document that is being made, what variables stand for there, and what the steps of a path reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lxml import etree

from schemas.schematron.expression import Expression, Name, Step
from schemas.schematron.schema import Let


@dataclass(frozen=True, slots=True)
class Spot:
    """An element, or one of its attributes."""

    element: etree._Element
    attribute: str = ""

    @property
    def text(self) -> str:
        """Its string value."""
        if self.attribute:
            return str(self.element.get(self.attribute, ""))
        return "".join(str(piece) for piece in self.element.itertext())

    def write(self, text: str) -> None:
        """Give it a value; an element with children keeps them."""
        if self.attribute:
            self.element.set(self.attribute, text)
        elif not len(self.element):
            self.element.text = text


@dataclass(frozen=True, slots=True)
class Bound:
    """What a variable stands for: an expression at its place, or an item."""

    expression: Expression | None
    at: Spot
    scope: Scope


Scope = Mapping[Name, Bound]


def scope_of(variables: tuple[Let, ...], at: Spot, scope: Scope) -> Scope:
    """A scope with more variables, each seeing those before it."""
    for let in variables:
        scope = {**scope, let.name: Bound(let.value, at, scope)}
    return scope


def tag_of(step: Step) -> str:
    """The name of the element or attribute that a step makes."""
    local = "other" if step.test.local == "*" and step.axis != "attribute" else step.test.local
    return f"{{{step.test.space}}}{local}" if step.test.space not in ("", "*") else local


def is_named(element: etree._Element, step: Step) -> bool:
    """Whether a step lets an element through by its name."""
    if step.test.kind != "name":
        return True
    name = etree.QName(element)
    return step.test.local in ("*", name.localname) and step.test.space in ("*", name.namespace or "")


def is_anywhere(step: Expression) -> bool:
    """Whether a step is the double slash."""
    return isinstance(step, Step) and step.axis == "descendant-or-self"


def below(element: etree._Element, step: Step, *, deep: bool) -> list[etree._Element]:
    """The children of a name, or all that stand anywhere below."""
    candidates = element.iterdescendants(etree.Element) if deep else element.iterchildren(etree.Element)
    return [each for each in candidates if is_named(each, step)]


def reached(step: Step, at: Spot, *, deep: bool) -> Iterator[Spot]:
    """The nodes that a step reaches from a place, whatever its predicates."""
    element = at.element
    match step.axis:
        case "child" | "descendant" if step.test.kind in ("name", "element"):
            yield from map(Spot, below(element, step, deep=deep or step.axis == "descendant"))
        case "attribute":
            bearers = [element, *element.iterdescendants(etree.Element)] if deep else [element]
            yield from (Spot(each, tag_of(step)) for each in bearers if tag_of(step) in each.attrib)
        case "parent":
            above = element if at.attribute else element.getparent()
            if above is not None:
                yield Spot(above)
        case "ancestor" | "ancestor-or-self":
            yield from (Spot(each) for each in element.iterancestors() if is_named(each, step))
        case "preceding" | "preceding-sibling":
            yield from (Spot(each) for each in element.itersiblings(preceding=True) if is_named(each, step))
        case "following-sibling":
            yield from (Spot(each) for each in element.itersiblings() if is_named(each, step))
        case "self" if not is_named(element, step):
            return
        case _:
            yield at
