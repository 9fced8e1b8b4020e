"""A document as the rules see it: a light, read-only tree built for asking.

Rules ask the same few things of a node a million times: its children of one name, its attributes, its parent, its
string value. lxml answers each by making an object; here each is a slot. Names are written as the parser gives them,
"namespace local" with one space between, or the local name alone (`tag`). Trees are read from bytes that `schemas.xml`
has vetted, and from the code lists beside an artefact; a document type is refused here all the same.
"""

from __future__ import annotations

import gc
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from typing import Any
from xml.parsers import expat

_NO_KIDS: dict[str, list[Any]] = {}
_BUFFER = 1 << 16
PLACES_LIMIT = 20_000
"""Different paths of elements in one document; the widest invoice of the corpora has some hundreds."""

by_order = attrgetter("order")


class Unparsable(Exception):
    """The bytes are no document."""


def tag(space: str, local: str) -> str:
    """How this tree writes the name of an element or attribute."""
    return f"{space} {local}" if space else local


class Census:
    """What the places of one document share: how many more there may be, and the prefixes of its namespaces."""

    __slots__ = ("left", "prefixes")

    def __init__(self) -> None:
        self.left = PLACES_LIMIT
        self.prefixes: dict[str, set[str]] = defaultdict(set)


class Place(dict[str, "Place"]):
    """All elements of a document that have the same names above them, and the places below by name."""

    __slots__ = ("above", "census", "local", "name", "nodes", "space", "tag")

    local: str
    space: str
    name: str | None
    """As written in the document, with its prefix; None where the document has several for the namespace."""

    def __init__(self, above: Place | None, tag: str, census: Census) -> None:
        self.above = above
        self.tag = tag
        self.census = census
        self.nodes: list[Node] = []

    def __missing__(self, name: str) -> Place:
        self.census.left -= 1
        if self.census.left < 0:
            raise Unparsable(f"elements in more than {PLACES_LIMIT} different places")
        self[name] = place = Place(self, name, self.census)
        return place

    def __getattr__(self, name: str) -> Any:
        """The slots that are filled on demand."""
        if name not in ("local", "space", "name"):
            raise AttributeError(name)
        self.space, _, self.local = self.tag.rpartition(" ")
        prefixes = self.census.prefixes[self.space] if self.space else {""}
        prefix = next(iter(prefixes)) if len(prefixes) == 1 else None
        self.name = None if prefix is None else f"{prefix}:{self.local}" if prefix else self.local
        return getattr(self, name)

    def tags(self) -> tuple[str, ...]:
        """The names from the root element down to this place."""
        return () if self.above is None else (*self.above.tags(), self.tag)


class Node:
    """An element, or the document node above the root, whose tag is empty and whose parent is None."""

    __slots__ = ("attributes", "first", "kids", "last", "order", "parent", "place", "stop", "text", "tree")

    place: Place
    parent: Node | None
    attributes: Mapping[str, str]
    kids: dict[str, list[Node]]
    """Child elements by name, each list in document order; none may be changed."""
    order: int
    """Its place among the elements of the document; the document node has 0."""
    last: int
    """The order of the last element inside it, or its own."""
    first: int
    stop: int
    """Its pieces of text are tree.texts[first:stop]."""
    text: str
    """The string value; that of an element with children is put together when asked for."""
    tree: Tree

    @property
    def tag(self) -> str:
        """Its name, see the function of the same name."""
        return self.place.tag

    def __getattr__(self, name: str) -> Any:
        """The slots that are filled on demand."""
        if name == "text":
            self.text = "".join(self.tree.texts[self.first : self.stop])
            return self.text
        if name == "tree":
            self.tree = self.parent.tree  # type: ignore[union-attr]  # the document node has its own
            return self.tree
        raise AttributeError(name)


class Attribute:
    """An attribute, where a rule wants the node and not only its value."""

    __slots__ = ("name", "order", "parent", "text")
    tag = ""
    place = Place(None, "", Census())
    kids = _NO_KIDS
    attributes: Mapping[str, str] = {}

    def __init__(self, parent: Node, name: str) -> None:
        self.parent = parent
        self.name = name
        self.text = parent.attributes[name]
        self.order = parent.order + 0.5

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Attribute) and self.parent is other.parent and self.name == other.name

    def __hash__(self) -> int:
        return hash((self.order, self.name))


class Text:
    """A text node, where a rule wants the node."""

    __slots__ = ("order", "parent", "text")
    tag = ""
    place = Place(None, "", Census())
    kids = _NO_KIDS
    attributes: Mapping[str, str] = {}

    def __init__(self, parent: Node, after: int, place: int, text: str) -> None:
        self.parent = parent
        self.text = text
        self.order = after + 1 - 1 / (3 + place)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and self.parent is other.parent and self.order == other.order

    def __hash__(self) -> int:
        return hash(self.order)


class Tree:
    """One document: its nodes by place, and its pieces of text in order."""

    __slots__ = ("_by_name", "all", "data", "prefixes", "root", "texts")

    root: Node
    """The document node."""
    all: list[Node]
    """Every element in document order, listed when first asked for."""
    prefixes: list[str]
    """The prefix of every element in document order, for documents with two for one namespace; found on demand."""

    def __init__(self, root: Node, texts: list[str], data: bytes) -> None:
        self.root = root
        self.texts = texts
        self.data = data
        self._by_name: dict[str, list[Node]] | None = None
        root.tree = self

    def __getattr__(self, name: str) -> Any:
        if name == "all":
            self.all = sorted((node for place in self.places() for node in place.nodes), key=by_order)
            return self.all
        if name == "prefixes":
            self.prefixes = _prefixes(self.data)
            return self.prefixes
        raise AttributeError(name)

    def places(self) -> Iterator[Place]:
        """Every place in which there are elements."""
        waiting = list(self.root.place.values())
        while waiting:
            place = waiting.pop()
            yield place
            waiting.extend(place.values())

    def discard(self) -> None:
        """Take the tree apart when it is not needed any more. Its nodes know each other in circles, which only the
        collector would free, late and at the price of a walk through all memory. It cannot be asked anything after."""
        places = [self.root.place, *self.places()]
        for place in places:
            for node in place.nodes:
                node.kids = _NO_KIDS
            place.nodes.clear()
        for place in places:
            place.clear()
        self.texts.clear()
        self._by_name = None
        self.all = []

    def named(self, name: str) -> list[Node]:
        """The elements of one name, in document order."""
        if self._by_name is None:
            places: dict[str, list[Place]] = defaultdict(list)
            for place in self.places():
                places[place.tag].append(place)
            self._by_name = {tag: _merged(same) for tag, same in places.items()}
        return self._by_name.get(name, [])


def _merged(places: list[Place]) -> list[Node]:
    if len(places) == 1:
        return places[0].nodes
    return sorted((node for place in places for node in place.nodes), key=by_order)


def read(data: bytes) -> Tree:
    """A document from UTF-8 bytes. Raises Unparsable."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.buffer_size = _BUFFER
    tree = _begin(parser, data)
    parser.StartDoctypeDeclHandler = _no_document_type
    with uncollected():
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise Unparsable(str(error)) from None
    tree.root.last = sum(len(place.nodes) for place in tree.places())
    tree.root.stop = len(tree.texts)
    return tree


@contextmanager
def uncollected() -> Iterator[None]:
    """Keeps the garbage collector away while a tree grows or is asked: there is no garbage in it, and the collector
    would walk the whole of it again and again."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _no_document_type(*_: object) -> None:
    raise Unparsable("a document type")


def _begin(parser: expat.XMLParserType, data: bytes) -> Tree:
    """An empty tree that the parser will fill. The two inner functions run once per element: they are kept flat."""
    texts: list[str] = []
    new = Node.__new__
    root = current = new(Node)
    census = Census()
    root.place, root.parent, root.attributes, root.kids = Place(None, "", census), None, {}, {}
    root.place.nodes.append(root)
    root.order = root.first = order = 0
    tree = Tree(root, texts, data)

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal current, order
        node = new(Node)
        order += 1
        node.place = place = current.place[name]
        place.nodes.append(node)
        node.parent = current
        node.attributes = attributes
        node.order = order
        node.first = len(texts)
        node.kids = _NO_KIDS
        kids = current.kids
        if kids is _NO_KIDS:
            current.kids = {name: [node]}
        elif name in kids:
            kids[name].append(node)
        else:
            kids[name] = [node]
        current = node

    def end(_: str) -> None:
        nonlocal current
        node = current
        node.last = order
        node.stop = stop = len(texts)
        if node.kids is _NO_KIDS:
            first = node.first
            node.text = texts[first] if stop == first + 1 else "".join(texts[first:])
        current = node.parent  # type: ignore[assignment]  # an element has one

    def declared(prefix: str | None, space: str | None) -> None:
        census.prefixes[space or ""].add(prefix or "")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = texts.append
    parser.StartNamespaceDeclHandler = declared
    return tree


def _prefixes(data: bytes) -> list[str]:
    """The prefix of every element in document order."""
    prefixes: list[str] = []
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.namespace_prefixes = True
    parser.StartElementHandler = lambda name, _: prefixes.append("".join(name.split(" ")[2:]))
    parser.Parse(data, True)
    return prefixes


def descendants(node: Any, name: str) -> list[Node]:
    """The elements of one name inside a node, in document order."""
    if not isinstance(node, Node):
        return []
    nodes = node.tree.named(name)
    if not nodes or node.parent is None:
        return nodes
    return nodes[bisect_right(nodes, node.order, key=by_order) : bisect_right(nodes, node.last, key=by_order)]


def elements_in(node: Any) -> list[Node]:
    """All elements inside a node, in document order."""
    if not isinstance(node, Node):
        return []
    return node.tree.all[node.order : node.last]


def children(node: Any) -> list[Node]:
    """The child elements of any name, in document order."""
    lists = list(node.kids.values())
    if len(lists) == 1:
        return list(lists[0])
    return sorted((child for same in lists for child in same), key=by_order)


def texts_in(node: Any) -> list[Text]:
    """The text nodes that are children of a node, in document order."""
    if not isinstance(node, Node):
        return []
    found: list[Text] = []
    place, after = node.first, node.order
    for child in children(node):
        found += _text(node, after, place, child.first)
        place, after = child.stop, child.last
    return [*found, *_text(node, after, place, node.stop)]


def _text(node: Node, after: int, start: int, stop: int) -> list[Text]:
    text = "".join(node.tree.texts[start:stop])
    return [Text(node, after, start, text)] if text else []


def all_texts(node: Any) -> list[Text]:
    """The text nodes inside a node, in document order."""
    if not isinstance(node, Node):
        return []
    found: list[Text] = []
    place, after = node.first, node.order
    for child in children(node):
        found += _text(node, after, place, child.first)
        found += all_texts(child)
        place, after = child.stop, child.last
    return [*found, *_text(node, after, place, node.stop)]


def attributes(node: Any) -> list[Attribute]:
    """All attributes of a node."""
    return [Attribute(node, name) for name in node.attributes]


def attribute_of(node: Any, name: str) -> Attribute | None:
    """The attribute of one name."""
    return Attribute(node, name) if name in node.attributes else None


def ancestors(node: Any) -> list[Node]:
    """The elements around a node and the document node, from the inside."""
    found = []
    above = node.parent
    while above is not None:
        found.append(above)
        above = above.parent
    return found


def preceding(node: Node, nodes: Iterable[Node]) -> list[Node]:
    """Those of some nodes that end before a node begins."""
    return [other for other in nodes if other.last < node.order]


def siblings(node: Any) -> list[Node]:
    """The children of a node's parent, itself among them, in document order."""
    return children(node.parent) if isinstance(node, Node) and node.parent is not None else []


def ordered(nodes: Iterable[Any]) -> list[Any]:
    """Nodes in document order, each once."""
    unique = dict.fromkeys(nodes)
    return sorted(unique, key=by_order) if len(unique) > 1 else list(unique)


def local(name: str) -> str:
    """The local part of a tag."""
    return name.rpartition(" ")[2]


def space(name: str) -> str:
    """The namespace of a tag."""
    return name.rpartition(" ")[0]
