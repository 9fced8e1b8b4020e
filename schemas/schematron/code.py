"""What the compiler knows of a piece of generated Python: what kind of items it gives, how many, and from what."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum
from functools import lru_cache
from types import UnionType

from schemas.schematron.expression import (
    FN,
    Binary,
    Binding,
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
    Refused,
    Root,
    Sequence,
    Step,
    Variable,
)


class Kind(StrEnum):
    """The kind of the items of a sequence, as far as it is known before a document comes."""

    NODE = "node"
    UNTYPED = "untyped"
    """A plain str that the document gave."""
    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    """Decimal, or int: sums of nothing are integers."""
    DOUBLE = "double"
    NUMBER = "number"
    """int, Decimal or float."""
    DATE = "date"
    ATOMIC = "atomic"
    """Any value; what the document gave is wrapped as Untyped."""
    ITEM = "item"
    """Any value or node."""


TEXTS = frozenset({Kind.STRING, Kind.UNTYPED})
EXACTS = frozenset({Kind.INTEGER, Kind.DECIMAL})
NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.NUMBER})


class Card(IntEnum):
    """How many items: exactly one (the value itself), at most one (the value or None), any number (a list or tuple)."""

    ONE = 1
    OPTIONAL = 2
    MANY = 3


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression."""

    source: str
    kind: Kind
    card: Card
    element: bool = False
    """A node that is no document node, so that it has a parent."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands."""

    focus: Code | None
    """The context item; None where there is none."""
    variables: Mapping[Name, Code] = field(default_factory=dict)
    foreign: bool = False
    """Whether the context item is in a code list and not in the document."""


def union(one: Kind, other: Kind) -> Kind:
    """The narrowest kind that holds both."""
    if one is other:
        return one
    if {one, other} <= EXACTS:
        return Kind.DECIMAL
    if {one, other} <= NUMBERS:
        return Kind.NUMBER
    return Kind.ITEM if Kind.NODE in (one, other) or Kind.ITEM in (one, other) else Kind.ATOMIC


_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_LOCAL = re.compile(rf"{_QUOTED}|\b[vwx]\d+\b")
_LITERAL = re.compile(_QUOTED)


def settled(source: str) -> str:
    """The same Python with its loop variables named by their order, so that what is the same reads the same. What is
    written in quotes is a value, whatever it looks like."""
    names: dict[str, str] = {}

    def named(match: re.Match[str]) -> str:
        found = match[0]
        return found if found[0] in "'\"" else names.setdefault(found, f"y{len(names)}")

    return _LOCAL.sub(named, source)


def unquoted(source: str) -> str:
    """The same Python with nothing in its quotes, so that only names are found in it."""
    return _LITERAL.sub("''", source)


_RISKS = re.compile(
    r"\b(?:\w+_of|as_\w+|at_most_one|exactly_one|child_text|only_text|divide|modulo|arithmetic|negative|total|total_of_texts|"
    r"general|value|truth|memo|ready|chosen|stands|exact_total|round_half_up|absolute|text_value|string|f\d+|v\d+)\("
)


_LIGHT = re.compile(r"(?:memo\(\w+, \w+, \d+\)|not|and|or|[() ])+")


def is_light(source: str) -> bool:
    """Whether a piece of generated Python only puts together what is computed once already."""
    return _LIGHT.fullmatch(source) is not None


def risky(source: str) -> bool:
    """Whether a piece of generated Python may end in a dynamic error."""
    return _RISKS.search(source) is not None


def any_of(item: str, loops: str) -> str:
    """Python that asks whether an item is true in any turn of some loops: where an error may come, up to the first."""
    return f"any({item} {loops})" if risky(f"{item} {loops}") else f"any([{item} {loops}])"


_CHILDREN = r"(?: for \w+ in [\w.]+\.kids\.get\(T\d+, \(\)\))+"
_ALL_CHILDREN = re.compile(_CHILDREN)
_TEXTS_OF = re.compile(rf"\[(\w+)\.text({_CHILDREN})\]")
_LOOP = re.compile(r" for (\w+) in ([\w.]+)\.kids\.get\((T\d+), \(\)\)")


def chain(source: str) -> str | None:
    """Of Python that lists the texts at the end of a path of children, the node it begins at and the names, as
    arguments; None where it is anything else."""
    found = _TEXTS_OF.fullmatch(source)
    return found and way(found[1], found[2])


def way(end: str, clauses: str) -> str | None:
    """The node at which clauses begin that go down a path of children to a certain one, and the names, as arguments;
    None where the clauses do anything else."""
    if not _ALL_CHILDREN.fullmatch(clauses):
        return None
    names: list[str] = []
    before = None
    for loop in _LOOP.finditer(clauses):
        if before is not None and loop[2] != before:
            return None
        names += [loop[3]] if names else [loop[2], loop[3]]
        before = loop[1]
    return ", ".join(names) if before == end else None


def at_most_one(source: str) -> str:
    """Python for the one item of a sequence, or None."""
    path = chain(source)
    return f"only_text({path})" if path else f"at_most_one({source})"


_FOCUSED = frozenset({"string", "number", "normalize-space", "string-length", "name", "local-name", "namespace-uri"})


@lru_cache(maxsize=1 << 16)
def free(expression: Expression) -> frozenset[Name | str]:
    """What an expression needs from outside: variables by name, and "." for the context item.

    An absolute path needs nothing: there is one document.
    """
    match expression:
        case Literal() | Root():
            return frozenset()
        case Context() | Step():
            own = frozenset({"."})
            return own if isinstance(expression, Context) else own | _inside(*expression.predicates)
        case Variable(name):
            return frozenset({name})
        case Sequence(items):
            return _all(*items)
        case Binary(_, left, right):
            return _all(left, right)
        case Minus(operand) | Cast(operand):
            return free(operand)
        case If(test, then, otherwise):
            return _all(test, then, otherwise)
        case For(bindings, body) | Quantified(_, bindings, body):
            needed = free(body)
            for binding in reversed(bindings):
                needed = (needed - {binding.name}) | free(binding.source)
            return needed
        case Call(name, arguments):
            focused = name.space == FN and name.local in _FOCUSED and not arguments
            return _all(*arguments) | (frozenset({"."}) if focused else frozenset())
        case Filter(base, predicates):
            return free(base) | _inside(*predicates)
        case Path(steps):
            return free(steps[0]) | _inside(*steps[1:])


def mentions(expression: Expression, kinds: type[object] | UnionType) -> bool:
    """Whether an expression has a part of one of some kinds."""
    if isinstance(expression, kinds):
        return True
    return any(mentions(part, kinds) for part in _parts(expression))


def _parts(expression: object) -> Iterator[Expression]:
    for field_ in fields(expression):  # type: ignore[arg-type]  # every expression is a dataclass
        value = getattr(expression, field_.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Binding):
                yield part.source
            elif isinstance(part, Expression):
                yield part


def _all(*expressions: Expression) -> frozenset[Name | str]:
    return frozenset[Name | str]().union(*map(free, expressions))


def _inside(*expressions: Expression) -> frozenset[Name | str]:
    """What expressions need that have a context item of their own."""
    return _all(*expressions) - {"."}


_TYPES: dict[str, tuple[Kind, bool]] = {
    "xs:string": (Kind.STRING, False),
    "xs:boolean": (Kind.BOOLEAN, False),
    "xs:decimal": (Kind.DECIMAL, False),
    "xs:integer": (Kind.INTEGER, False),
    "xs:double": (Kind.DOUBLE, False),
    "xs:date": (Kind.DATE, False),
    "element()": (Kind.NODE, True),
    "node()": (Kind.NODE, False),
    "item()": (Kind.ITEM, False),
}
_CARDS = {"?": Card.OPTIONAL, "*": Card.MANY, "+": Card.MANY}


def sequence_type(declared: str) -> tuple[Kind, Card, bool]:
    """A declared type as kind, number and whether its nodes are elements."""
    name = declared.strip()
    card = _CARDS.get(name[-1:], Card.ONE)
    kind = _TYPES.get(name.rstrip("?*+").replace("xsd:", "xs:"))
    if kind is None or name.endswith("+"):
        raise Refused(f"the type {declared}")
    return kind[0], card, kind[1]
