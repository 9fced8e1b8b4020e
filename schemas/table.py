"""What the table of a syntax is written with: its nodes, its codecs, and how a document cut differently is translated.

A table is a tree of nodes in schema order: `Leaf` (an element with a value), `Fixed` (an element whose value never
changes), `Group` (an element with children) and `View` (where document and model are cut differently, two functions
translate). `schemas.binding` makes a reader and a writer of it.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, make_dataclass, replace
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias

from lxml import etree

from schemas.finding import Finding
from schemas.invoice import Invoice, shapes
from schemas.xml import Twins

Scope: TypeAlias = dict[str, Any]
"""What has been read for one group so far: field → value, dict (a group that is still open) or list."""

_is_number = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})", re.ASCII).fullmatch


@dataclass(slots=True)
class Context:
    """What one reading gathers beside the model."""

    root: Scope
    currency: str
    """BT-5; an amount in another currency is another amount than the one the model means."""
    tax_currency: str = ""
    """BT-6, known before the lines are read."""
    unknown: dict[str, None] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    twins: Twins = field(default_factory=Twins)
    """Siblings counted for the paths of what cannot be read."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How a value is written in a syntax. `decode` raises ValueError saying what it expects."""

    decode: Callable[[str], Any]
    encode: Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element with a value. `tag` may be a chain (a/b), `path` names fields from the scope (payment.remittance)."""

    tag: str
    path: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Attribute → path of the field it holds."""
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Attribute → the value it always has."""
    ignored: tuple[str, ...] = ()
    """Attributes that say nothing beyond what the table says."""
    codec: Codec | None = None
    where: Callable[[Any], bool] | None = None
    """Which values are written here, where a field has two elements (ram:ID, ram:GlobalID)."""
    more: str = ""
    """Where an element that repeats has its first value in `path`: the field beside it that has the others."""
    absent: tuple[str, ...] = ()
    """Texts that stand for no value; the first is written where the schema demands the element."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """An element whose value never changes; it is written where its group is, and read without effect."""

    tag: str
    value: str
    also: tuple[str, ...] = ()
    """Other spellings of the same value."""
    written: bool = True
    """Whether we write it; if not, it is only known."""


@dataclass(frozen=True, slots=True)
class Group:
    """An element with children; `into` is the field whose value they make up, "" when they belong to the scope."""

    tag: str
    children: tuple[Node, ...]
    into: str = ""
    when: Callable[[etree._Element], bool] | None = None
    """Which elements of this tag are meant, where one tag has several meanings."""
    required: bool = False
    """The schema demands the element even when nothing is in it."""
    more: str = ""
    """Where a group that repeats has its first value in `into`: the field beside it that has the others."""


@dataclass(frozen=True, slots=True)
class View:
    """A node read into a scope of its own (a dataclass of the table's module), which two functions translate."""

    node: Leaf | Group
    cls: type[Any]
    merge: Callable[[Scope, Scope, Context], bool]
    """Takes what was read into the scope; False when the model cannot hold it."""
    spread: Callable[[Any, Invoice], Iterable[Any]]
    """The values of `cls` to write for the value of the scope."""
    group: str = ""
    """The group that `cls` is, where it stands in several."""


Node: TypeAlias = Leaf | Fixed | Group | View


@dataclass(frozen=True, slots=True)
class Syntax:
    """What all elements of a syntax have in common."""

    namespaces: Mapping[str, str]
    """Prefix → namespace; "" is the default namespace."""
    date: Codec
    currency_path: str
    """Where BT-5 stands, from the root."""
    currency_attribute: str
    """The attribute in which amounts repeat BT-5."""
    amounts_carry_currency: bool
    """Whether that attribute is written."""
    tax_currency_path: str = ""
    """Where BT-6 stands, in a syntax whose lines have amounts in it."""

    def clark(self, tag: str) -> str:
        """prefix:name as lxml spells it."""
        prefix, _, name = tag.rpartition(":")
        return f"{{{self.namespaces[prefix]}}}{name}"

    def prefixed(self, tag: str) -> str:
        """lxml's spelling as prefix:name; unchanged for a namespace that is not ours."""
        space, _, name = tag[1:].rpartition("}")
        for prefix, namespace in self.namespaces.items():
            if namespace == space:
                return f"{prefix}:{name}" if prefix else name
        return tag

    def has(self, path: str, *values: str) -> Callable[[etree._Element], bool]:
        """The test whether a child (a/b) or an attribute of it (a/b@c) has one of the values."""
        tags, _, attribute = path.partition("@")
        query, chain = "/".join(self.clark(tag) for tag in tags.split("/")), "/" in tags

        def test(element: etree._Element) -> bool:
            child = element.find(query) if chain else next(element.iterchildren(query), None)
            if child is None:
                return False
            return ((child.get(attribute) if attribute else child.text) or "").strip() in values

        return test


def escape(text: str) -> str:
    """Text as element content; a carriage return survives the line-end rules of XML."""
    if "&" in text or "<" in text or ">" in text or "\r" in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text


def attribute(text: str) -> str:
    """Text as the value of an attribute between double quotes; line ends and tabs survive."""
    return escape(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")


def _decimal(text: str) -> Decimal:
    if not _is_number(text) and not _is_number(text := text.strip()):
        raise ValueError("a decimal number, with a dot and without exponent")
    return Decimal(text)


def number(value: Decimal) -> str:
    """A number as it was given, without exponent."""
    text = str(value)
    return format(value, "f") if "E" in text else text


def amount(value: Decimal) -> str:
    """An amount with two decimals, or with as many as it has when they are not zeros."""
    text = number(value)
    if text[-3:-2] == ".":
        return text
    whole, dot, decimals = text.partition(".")
    if not dot:
        return f"{text}.00"
    return text if len(decimals) == 2 else f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("Base64") from None


def _indicator(text: str) -> bool:
    if (text := text.strip()) not in ("true", "1", "false", "0"):
        raise ValueError("true or false")
    return text in ("true", "1")


def iso_date(text: str) -> datetime.date:
    """YYYY-MM-DD as a date. Raises ValueError for anything else."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text := text.strip()):
        try:
            return datetime.date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError("a day of the calendar, YYYY-MM-DD")


CODECS = {
    "text": Codec(str, escape),
    "code": Codec(str.strip, escape),
    "identifier": Codec(str, escape),
    "amount": Codec(_decimal, amount),
    "price": Codec(_decimal, number),
    "quantity": Codec(_decimal, number),
    "percentage": Codec(_decimal, number),
    "indicator": Codec(_indicator, lambda value: "true" if value else "false"),
    "binary": Codec(_binary, lambda data: base64.b64encode(data).decode("ascii")),
}


def build(cls: type[Any], values: Scope) -> Any:
    """The dataclass of a scope, with the groups that are still open inside it."""
    for name, value in values.items():
        kind = type(value)
        if kind is dict:
            values[name] = build(shapes(cls)[name].cls, value)
        elif kind is list:
            inner = shapes(cls)[name].cls if type(value[0]) is dict else None
            values[name] = tuple(value) if inner is None else tuple([build(inner, one) for one in value])
    if (make := _MAKERS.get(cls)) is None:
        make = _MAKERS[cls] = _maker(cls)
    made = make(**values)
    if made.__class__ is not cls:
        made.__class__ = cls
    return made


_MAKERS: dict[type[Any], Callable[..., Any]] = {}


def _maker(cls: type[Any]) -> Callable[..., Any]:
    """What makes a value of a dataclass fastest: its twin that is not frozen, whose values are closed by their class.

    The constructor of a frozen class sets each field through `object.__setattr__`, which takes five times as long for
    the forty fields of a line. Python allows to give a value another class when both have the same slots; a class that
    inherits slots has them cut differently from its twin, and makes its values itself.
    """
    assert is_dataclass(cls)
    assert not hasattr(cls, "__post_init__"), f"{cls} checks its values, which its twin would not"
    if cls.__base__ is not object:
        return cls
    return make_dataclass(
        cls.__name__,
        [(one.name, one.type, field(default=one.default, default_factory=one.default_factory)) for one in fields(cls)],
        slots=True,
        kw_only=True,
    )


def getter(path: str) -> Callable[[Any], Any]:
    """The value at a path of the model, None when a group on the way is absent."""
    if "." not in path:
        return attrgetter(path)
    steps = path.split(".")

    def get(value: Any) -> Any:
        for step in steps:
            value = getattr(value, step)
            if value is None:
                return None
        return value

    return get


def put(scope: Scope, path: str, value: Any) -> bool:
    """Stores a value that a document has once; False when another one is already there."""
    if "." in path:
        *above, path = path.split(".")
        for step in above:
            scope = scope.setdefault(step, {})
    return bool(scope.setdefault(path, value) == value)


def beside(path: str, name: str) -> str:
    """The path of a field beside the one at `path`."""
    return ".".join((*path.split(".")[:-1], name))


def first_and_more(
    cls: type[Any], first: Mapping[str, str], more: str
) -> tuple[Callable[[Scope, Scope, Context], bool], Callable[[Any, Any], Iterator[Any]]]:
    """The two functions of a View whose element repeats, where the first one's values are fields of the scope.

    `first` tells where the fields of `cls` stand in the scope for the first element; the others are in `more`.
    """
    places = [path.split(".") for path in first.values()]
    *above, last = more.split(".")
    getters = [(name, getter(path)) for name, path in first.items()]
    others, defaults = getter(more), {one.name: one.default for one in fields(cls)}

    def merge(scope: Scope, found: Scope, _context: Context) -> bool:
        if not any(_has(scope, place) for place in places):
            for name, value in found.items():
                put(scope, first[name], value)
            return True
        for step in above:
            scope = scope.setdefault(step, {})
        scope.setdefault(last, []).append(build(cls, found))
        return True

    def spread(scope: Any, _root: Any) -> Iterator[Any]:
        values = {name: value for name, get in getters if (value := get(scope)) not in (None, defaults[name])}
        if values:
            yield cls(**values)
        yield from others(scope) or ()

    return merge, spread


def _has(scope: Scope, place: list[str]) -> bool:
    for step in place:
        if step not in scope:
            return False
        scope = scope[step]
    return True


def unchain(node: Leaf | Fixed | Group) -> Leaf | Fixed | Group:
    """A node whose tag is a chain as groups of one child each."""
    first, slash, rest = node.tag.partition("/")
    if not slash:
        return node
    if isinstance(node, Group):
        inner: Node = Group(rest, node.children, node.into, required=node.required, more=node.more)
        return Group(first, (inner,), when=node.when, required=node.required)
    if isinstance(node, Fixed):
        return Group(first, (Fixed(rest, node.value, node.also, node.written),))
    return Group(first, (replace(node, tag=rest),))


def element(tag: str, text: str, depth: int) -> str:
    """An element with a text, on a line of its own."""
    return f"\n{'  ' * depth}<{tag}>{escape(text)}</{tag}>"
