"""What compiled rules call while they run: cardinality, comparisons, strings, names, and the findings of one run.

A list or tuple is a sequence, None the empty sequence where at most one item can stand; see `values` for the rest.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from types import GeneratorType
from typing import Any

from schemas.schematron.arithmetic import round_half_up
from schemas.schematron.tree import Attribute, Node, Text, Tree, local, ordered, space
from schemas.schematron.values import (
    ATOMIC,
    SPACE,
    Date,
    DynamicError,
    Untyped,
    atom,
    boolean_of,
    date_of,
    double_of,
    string,
)

_SPACES = re.compile(r"[ \t\r\n]+")


def at_most_one(items: list[Any]) -> Any:
    """The one item of a sequence, None of an empty one; more are an error."""
    if not items:
        return None
    if len(items) > 1:
        raise DynamicError("XPTY0004: more than one item where at most one may stand")
    return items[0]


def exactly_one(item: Any) -> Any:
    """The item itself; none is an error."""
    if item is None:
        raise DynamicError("XPTY0004: no item where one must stand")
    return item


def child_text(node: Any, name: str) -> str | None:
    """The string value of the one child of a name, None where there is none; more are an error."""
    kids = node.kids.get(name)
    if kids is None:
        return None
    if len(kids) > 1:
        raise DynamicError("XPTY0004: more than one item where at most one may stand")
    text: str = kids[0].text
    return text


def only_text(node: Any, *names: str) -> str | None:
    """The string value of the one node at the end of a path of children, None where there is none; more are an
    error."""
    at = node
    for name in names:
        kids = at.kids.get(name)
        if kids is None:
            return None
        if len(kids) > 1:
            text: str | None = at_most_one([each.text for each in _inner(node, names)])
            return text
        at = kids[0]
    found: str = at.text
    return found


def says(node: Any, wanted: str, *names: str) -> bool:
    """Whether a node at the end of a path of children has a certain string value."""
    at = node
    for name in names:
        kids = at.kids.get(name)
        if kids is None:
            return False
        if len(kids) > 1:
            return wanted in [each.text for each in _inner(node, names)]
        at = kids[0]
    return bool(at.text == wanted)


def says_other(node: Any, wanted: str, *names: str) -> bool:
    """Whether a node at the end of a path of children has another string value than this."""
    at = node
    for name in names:
        kids = at.kids.get(name)
        if kids is None:
            return False
        if len(kids) > 1:
            return any(each.text != wanted for each in _inner(node, names))
        at = kids[0]
    return bool(at.text != wanted)


def bears(node: Any, attribute: str, *names: str) -> bool:
    """Whether a node at the end of a path of children has a certain attribute."""
    at = node
    for name in names:
        kids = at.kids.get(name)
        if kids is None:
            return False
        if len(kids) > 1:
            return any(attribute in each.attributes for each in _inner(node, names))
        at = kids[0]
    return attribute in at.attributes


def _inner(node: Any, names: Iterable[str]) -> list[Any]:
    """The nodes at the end of a path of children."""
    nodes = [node]
    for name in names:
        nodes = [child for each in nodes for child in each.kids.get(name, ())]
    return nodes


def truth(items: list[Any]) -> bool:
    """The effective boolean value of a sequence."""
    if not items:
        return False
    first = items[0]
    if not isinstance(first, ATOMIC):
        return True
    if len(items) > 1 or isinstance(first, Date):
        raise DynamicError("FORG0006: this sequence has no truth value")
    return bool(first == first and first)  # noqa: PLR0124  # NaN is false


def same(one: Any, other: Any) -> bool:
    """Whether two values that may be missing are there and equal."""
    return one is not None and bool(one == other)


def different(one: Any, other: Any) -> bool:
    """Whether two values that may be missing are there and not equal."""
    return one is not None and other is not None and bool(one != other)


def found_in(one: Any, values: Any) -> bool:
    """Whether a value is there and among some values."""
    return one is not None and one in values


def other_in(one: Any, values: Any) -> bool:
    """Whether a value is there and some value differs from it."""
    return one is not None and any(each != one for each in values)


def shared(some: Any, others: Any) -> bool:
    """Whether two sequences have a value in common."""
    if len(some) == 1:
        return some[0] in others
    if len(others) == 1:
        return others[0] in some
    return not set(some).isdisjoint(others)


def any_different(some: Any, others: Any) -> bool:
    """Whether a value of one sequence differs from one of the other."""
    if not some or not others:
        return False
    first = some[0]
    return any(each != first for each in others) or any(each != first for each in some)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def general(symbol: str, left: list[Any], right: list[Any]) -> bool:
    """A general comparison of values whose types are only known at run time."""
    compare = _OPERATORS[symbol]
    return any(compare(*_alike(one, other, general=True)) for one in left for other in right)


def value(symbol: str, left: Any, right: Any) -> bool | None:
    """A value comparison of values whose types are only known at run time."""
    if left is None or right is None:
        return None
    return _OPERATORS[symbol](*_alike(left, right, general=False))


def _alike(left: Any, right: Any, *, general: bool) -> tuple[Any, Any]:
    """Two values brought to the type they are compared in."""
    if general:
        if isinstance(left, Untyped) and not isinstance(right, str):
            left = _like(left, right)
        elif isinstance(right, Untyped) and not isinstance(left, str):
            right = _like(right, left)
    for kind in (str, bool, Date):
        if isinstance(left, kind) or isinstance(right, kind):
            if isinstance(left, kind) and isinstance(right, kind):
                return left, right
            raise DynamicError("XPTY0004: values of different types are compared")
    if isinstance(left, float) or isinstance(right, float):
        return float(left), float(right)
    return left, right


def _like(untyped: str, other: Any) -> Any:
    if isinstance(other, bool):
        return boolean_of(untyped)
    return date_of(untyped) if isinstance(other, Date) else double_of(untyped)


def filled(text: str | None) -> bool:
    """Whether there is more in a text than white space: whether fn:normalize-space leaves anything."""
    return text is not None and text.strip(SPACE) != ""


def normalized(text: str | None) -> str:
    """fn:normalize-space."""
    if not text:
        return ""
    stripped = text.strip(SPACE)
    if " " not in stripped and "\n" not in stripped and "\t" not in stripped and "\r" not in stripped:
        return stripped
    return _SPACES.sub(" ", stripped)


def upper(text: str | None) -> str:
    """fn:upper-case."""
    return text.upper() if text else ""


def lower(text: str | None) -> str:
    """fn:lower-case, letter by letter."""
    if not text:
        return ""
    return text.lower() if text.isascii() else "".join(letter.lower() for letter in text)


def substring(text: str | None, start: float, length: float = math.inf) -> str:
    """fn:substring, by the positions that rounding gives."""
    if not text:
        return ""
    first = round_half_up(float(start))
    last = first + round_half_up(float(length))
    if math.isnan(first) or math.isnan(last):
        return ""
    begin = max(1.0, first)
    if begin > len(text) or last <= begin:
        return ""
    return text[int(begin) - 1 : len(text) if last > len(text) else int(last) - 1]


def before(text: str | None, mark: str | None) -> str:
    """fn:substring-before."""
    head, found, _ = (text or "").partition(mark) if mark else ("", "", "")
    return head if found else ""


def after(text: str | None, mark: str | None) -> str:
    """fn:substring-after."""
    return (text or "").partition(mark)[2] if mark else text or ""


def translate(text: str | None, table: dict[int, str | None]) -> str:
    """fn:translate with a table made when the rule was compiled."""
    return (text or "").translate(table)


def split(text: str | None, pattern: re.Pattern[str]) -> list[str]:
    """fn:tokenize."""
    return pattern.split(text) if text else []


def join(items: Iterable[Any], mark: str) -> str:
    """fn:string-join of values whose types are only known at run time."""
    return mark.join(map(string, items))


def distinct(values: Iterable[Any]) -> list[Any]:
    """fn:distinct-values of strings or of exact numbers."""
    return list(dict.fromkeys(values))


class _Memory(dict[int, Any]):
    """What is computed once, by its number."""

    __slots__ = ("computed",)

    computed: tuple[Callable[[Any], Any], ...]
    """What computes each."""

    def __missing__(self, number: int) -> Any:
        self[number] = found = self.computed[number](self)
        return found


class Run(_Memory):
    """One document being judged by one program."""

    __slots__ = ("found", "indexes", "root", "top", "tree")

    def __init__(self, tree: Tree, computed: tuple[Callable[[Any], Any], ...] = ()) -> None:
        super().__init__()
        self.computed = computed
        self.tree = tree
        self.root = tree.root
        (self.top,) = next(iter(tree.root.kids.values()))
        self.indexes: dict[tuple[int, int], tuple[Any, dict[Any, list[Any]] | None]] = {}
        self.found: list[tuple[float, int, Node, str | None]] = []

    def fail(self, assertion: int, node: Node, message: str | None = None) -> None:
        """An assertion does not hold of a node, or a report fires; a message only where it was computed."""
        self.found.append((node.order, assertion, node, message))


class Codes(_Memory):
    """What is found in the code lists of one program: they do not change from document to document."""

    __slots__ = ("indexes",)

    def __init__(self) -> None:
        super().__init__()
        self.indexes: dict[tuple[int, int], tuple[Any, dict[Any, list[Any]] | None]] = {}


_UNSET = object()
_SMALL = 8
"""Sequences so short are searched, not indexed."""


def narrowed(owner: Run | Codes, number: int, nodes: Any, key: Callable[[Any, Any], Any], wanted: Any) -> Any:
    """Those of some nodes that can have a wanted value as key, or all; whoever asks tests each once more.

    `nodes` is a sequence that stays the same while the owner lives, so it is indexed once. `wanted` is a list of
    values, or a function that gives it. Where a key is an error the nodes are left as they are, for the test to meet
    it or not.
    """
    if type(nodes) is GeneratorType or len(nodes) < _SMALL:
        return nodes
    place = (number, id(nodes))
    entry = owner.indexes.get(place)
    if entry is None:
        entry = owner.indexes[place] = (nodes, _index(nodes, key, owner))
    index = entry[1]
    if index is None:
        return nodes
    if callable(wanted):
        wanted = wanted()
    if len(wanted) == 1:
        return index.get(wanted[0], ())
    return ordered([node for each in wanted for node in index.get(each, ())])


def chosen(owner: Run | Codes, number: int, nodes: Any, key: Callable[[Any, Any], Any], wanted: Any) -> Iterable[Any]:
    """Those of some nodes that have a wanted value as key, to be gone through once.

    As `narrowed`, but what comes is all that is wanted: where there is no index, because a key is an error or it would
    not be worth while, each node is tested when its turn comes.
    """
    if type(nodes) is GeneratorType or (callable(wanted) and len(nodes) < _SMALL):
        return _matching(owner, nodes, key, wanted)
    if not nodes:
        return ()
    place = (number, id(nodes))
    entry = owner.indexes.get(place)
    if entry is None:
        entry = owner.indexes[place] = (nodes, _index(nodes, key, owner))
    index = entry[1]
    if index is None:
        return _matching(owner, nodes, key, wanted)
    if callable(wanted):
        wanted = wanted()
    if len(wanted) == 1:
        return index.get(wanted[0], ())
    return ordered([node for each in wanted for node in index.get(each, ())])


def _matching(owner: Run | Codes, nodes: Any, key: Callable[[Any, Any], Any], wanted: Any) -> Iterator[Any]:
    for node in nodes:
        if callable(wanted):
            wanted = wanted()
        if shared(wanted, key(node, owner)):
            yield node


def stands(owner: Run | Codes, number: int, nodes: Any, key: Callable[[Any, Any], Any], wanted: Any) -> bool:
    """Whether any of some nodes has a wanted value as key."""
    found = chosen(owner, number, nodes, key, wanted)
    return any(True for _ in found) if type(found) is GeneratorType else bool(found)


def _index(nodes: Any, key: Callable[[Any, Any], Any], owner: Run | Codes) -> dict[Any, list[Any]] | None:
    index: dict[Any, list[Any]] = {}
    try:
        for node in nodes:
            for each in dict.fromkeys(key(node, owner)):
                index.setdefault(each, []).append(node)
    except DynamicError:
        return None
    return index


def memo(run: Run | Codes, compute: Callable[[Any], Any], number: int) -> Any:
    """What needs the document alone, computed when first asked for."""
    found = run.get(number, _UNSET)
    if found is _UNSET:
        found = run[number] = compute(run)
    return found


def ready(run: Run, walk: Callable[[Run], Iterator[Any]], number: int) -> Any:
    """The nodes of a walk that needs the document alone, gathered when first asked for. Where it ends in an error the
    walk is taken anew by each who asks, to meet the error or to have found enough before it."""
    found = run.get(number, _UNSET)
    if found is _UNSET:
        try:
            found = list(walk(run))
        except DynamicError:
            found = walk
        run[number] = found
    return found if type(found) is list else found(run)


def reaches(node: Any, *names: str) -> bool:
    """Whether a node has a child of the first name that has a child of the second, and so on.

    Where there are many on the way, the places of the document mostly tell it without a look at any of them.
    """
    at = node
    for name in names:
        kids = at.kids.get(name)
        if kids is None:
            return False
        if len(kids) > 1:
            break
        at = kids[0]
    else:
        return True
    place = node.place
    for name in names:
        place = place.get(name)
        if place is None:
            return False
    return len(node.place.nodes) == 1 or bool(_inner(node, names))


def listed(item: Any) -> tuple[Any, ...]:
    """One item or None as a sequence."""
    return () if item is None else (item,)


def first(items: list[Any]) -> Any:
    """The first item, or None."""
    return items[0] if items else None


def maybe(function: Callable[[Any], Any], item: Any) -> Any:
    """A function of an item; None of None."""
    return None if item is None else function(item)


def text_of(node: Any) -> str | None:
    """The string value of a node; None of None."""
    return None if node is None else node.text


def text_value(value: Any) -> str | None:
    """A value whose type is only known at run time, where a string is wanted."""
    if value is None or isinstance(value, str):
        return value
    raise DynamicError("XPTY0004: a value that is no string where a string is wanted")


def strings(items: Iterable[Any]) -> str:
    """Items of any kind as a message shows them; text nodes side by side are one."""
    pieces: list[str] = []
    before: Any = None
    for item in items:
        if isinstance(item, Text) and isinstance(before, Text):
            pieces[-1] += item.text
        else:
            pieces.append(string(atom(item)))
        before = item
    return " ".join(pieces)


def local_name_of(node: Any) -> str:
    """fn:local-name."""
    if isinstance(node, Attribute):
        return local(node.name)
    return "" if node is None else str(node.place.local)


def namespace_of(node: Any) -> str:
    """fn:namespace-uri."""
    if isinstance(node, Attribute):
        return space(node.name)
    return "" if node is None else str(node.place.space)


def name_of(node: Any) -> str:
    """fn:name, with the prefix that the document uses."""
    if isinstance(node, Attribute):
        if space(node.name):
            raise DynamicError("the prefix of an attribute is not known")
        return node.name
    if node is None or not node.place.tag:
        return ""
    prefix = node.tree.prefixes[node.order - 1]
    return f"{prefix}:{node.place.local}" if prefix else str(node.place.local)
