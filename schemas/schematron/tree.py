"""A document as the rules see it: a light, read-only tree built for asking.

Rules ask the same few things of a node a million times: its children of one name, its attributes, its parent, its
string value. lxml answers each by making an object; here each is a slot. Names are written as "namespace local" with
one space between, or the local name alone (`tag`). The tree is made in one walk through lxml's, which is the fastest
parser that Python has and has mostly parsed the document already; what few rules ask (text beside elements, prefixes)
is looked up there when it is asked. A tree with anything but elements and text is refused, and so is a document type.
"""

from __future__ import annotations

import gc
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from sys import intern
from typing import Any

from lxml import etree

_NO_KIDS: dict[str, Sequence[Any]] = {}
_NO_ATTRIBUTES: Mapping[str, str] = {}
_NAMES_LIMIT = 20_000
PLACES_LIMIT = 20_000
"""Different paths of elements in one document; the widest invoice of the corpora has some hundreds."""

Shape = tuple[int | str, ...]
"""Of every place the number of the one above and the name."""

by_order = attrgetter("order")


class Unparsable(Exception):
    """The bytes are no document."""


def tag(space: str, local: str) -> str:
    """How this tree writes the name of an element or attribute."""
    return f"{space} {local}" if space else local


class _Names(dict[Any, str]):
    """The names that documents have, as lxml writes them and as they are written here; the same for all documents."""

    def __missing__(self, name: Any) -> str:
        if not isinstance(name, str):
            raise Unparsable("something that is neither an element nor text")
        if len(self) >= _NAMES_LIMIT:
            self.clear()
        space, _, local = name.rpartition("}")
        self[name] = written = intern(tag(space[1:], local))
        return written


_NAMES = _Names()


class _Attributes(dict[tuple[tuple[str, str], ...], Mapping[str, str]]):
    """The attributes that elements of one document have, by what lxml says of them: most are those of many others."""

    def __missing__(self, attributes: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
        self[attributes] = written = {_NAMES[name]: value for name, value in attributes}
        return written


class Place(dict[str, "Place"]):
    """All elements of a document that have the same names above them, and the places below by name."""

    __slots__ = ("above", "local", "nodes", "number", "space", "tag", "tree")

    above: Place | None
    tag: str
    number: int
    """Its place among those of the document."""
    nodes: list[Node]
    local: str
    space: str
    tree: Tree

    def __init__(self, above: Place | None, tag: str) -> None:
        self.above = above
        self.tag = tag
        self.number = 0
        self.nodes = []

    def __getattr__(self, name: str) -> Any:
        """The slots that are filled on demand."""
        if name == "tree" and self.above is not None:
            self.tree = self.above.tree
            return self.tree
        if name not in ("local", "space"):
            raise AttributeError(name)
        self.space, _, self.local = self.tag.rpartition(" ")
        return getattr(self, name)

    def tags(self) -> tuple[str, ...]:
        """The names from the root element down to this place."""
        return () if self.above is None else (*self.above.tags(), self.tag)


class Node:
    """An element, or the document node above the root, whose tag is empty and whose parent is None."""

    __slots__ = ("attributes", "kids", "last", "order", "parent", "place", "text")

    place: Place
    parent: Node | None
    attributes: Mapping[str, str]
    kids: dict[str, Sequence[Node]]
    """Child elements by name, in document order; mostly there is one of a name."""
    order: int
    """Its place among the elements of the document; the document node has 0."""
    last: int
    """The order of the last element inside it, or its own."""
    text: str
    """The string value; that of an element with children is put together when asked for."""

    @property
    def tag(self) -> str:
        """Its name, see the function of the same name."""
        return self.place.tag

    @property
    def tree(self) -> Tree:
        """The document it is in."""
        return self.place.tree

    def __getattr__(self, name: str) -> Any:
        """The slots that are filled on demand."""
        if name == "text":
            self.text = str(_string(self.tree.elements[max(self.order - 1, 0)]))
            return self.text
        if name == "last":  # only an element without children is left without it
            self.last = self.order
            return self.last
        raise AttributeError(name)


_string = etree.XPath("string()", smart_strings=False)


class Attribute:
    """An attribute, where a rule wants the node and not only its value."""

    __slots__ = ("name", "order", "parent", "text")
    tag = ""
    place = Place(None, "")
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
    place = Place(None, "")
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
    """One document: its nodes by place, and what lxml parsed."""

    __slots__ = (
        "_bearers",
        "_by_attribute",
        "_by_name",
        "all",
        "elements",
        "parsed",
        "places",
        "prefixes",
        "root",
        "shape",
    )

    places: list[Place]
    """In which there are elements, by number; before them that of the document node."""
    shape: Shape
    """The same for documents with the same places, numbered alike, and for no others."""
    root: Node
    """The document node."""
    all: list[Node]
    """Every element in document order, listed when first asked for."""
    elements: list[etree._Element]
    """The same in lxml's tree, listed when first asked for."""
    prefixes: list[str]
    """The prefix of every element in document order, listed when first asked for."""

    def __init__(self, parsed: etree._Element) -> None:
        self.parsed = parsed
        self._by_name: dict[str, list[Node]] | None = None
        self._bearers: list[Node] = []
        self._by_attribute: dict[str, list[Node]] | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "all":
            self.all = sorted((node for place in self.places[1:] for node in place.nodes), key=by_order)
        elif name == "elements":
            self.elements = list(self.parsed.iter())
        elif name == "prefixes":
            self.prefixes = [element.prefix or "" for element in self.elements]
        else:
            raise AttributeError(name)
        return getattr(self, name)

    def discard(self) -> None:
        """Take the tree apart when it is not needed any more. Its nodes know each other in circles, which only the
        collector would free, late and at the price of a walk through all memory. It cannot be asked anything after."""
        for place in self.places:
            if place:
                place.clear()
                for node in place.nodes:
                    node.kids = _NO_KIDS
            place.nodes.clear()
        self.places.clear()
        del self.root
        self._by_name = self._by_attribute = None
        self._bearers = []
        self.all = []
        self.elements = []

    def named(self, name: str) -> list[Node]:
        """The elements of one name, in document order."""
        if self._by_name is None:
            places: dict[str, list[Place]] = defaultdict(list)
            for place in self.places[1:]:
                places[place.tag].append(place)
            self._by_name = {tag: _merged(same) for tag, same in places.items()}
        return self._by_name.get(name, [])

    def bearing(self, name: str) -> list[Node]:
        """The elements that have an attribute of a name, in document order."""
        if self._by_attribute is None:
            bearers: dict[str, list[Node]] = defaultdict(list)
            for node in self._bearers:
                for each in node.attributes:
                    bearers[each].append(node)
            self._by_attribute = bearers
        return self._by_attribute.get(name, [])


def _merged(places: list[Place]) -> list[Node]:
    if len(places) == 1:
        return places[0].nodes
    return sorted((node for place in places for node in place.nodes), key=by_order)


def read(data: bytes) -> Tree:
    """A document from its bytes. Raises Unparsable."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        parsed = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Unparsable(error.msg or "not well-formed") from None
    return of(parsed)


def of(parsed: etree._Element) -> Tree:
    """A document from the root element that lxml made of it, which may not be changed after. Raises Unparsable."""
    if parsed.getroottree().docinfo.internalDTD is not None:
        raise Unparsable("a document type")
    with uncollected():
        return _grown(parsed)


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


def _grown(parsed: etree._Element) -> Tree:
    """The walk: once through all elements in document order, kept flat, as its body runs once for each.

    `left` counts the children of `parent` that are still to come; those around it wait in `around`.
    """
    tree = Tree(parsed)
    names, new, new_place, bearers = _NAMES, Node.__new__, Place.__new__, tree._bearers
    tree.root = parent = new(Node)
    places = parent.place = Place(None, "")
    places.tree = tree
    parent.parent, parent.attributes, parent.order, parent.last = None, _NO_ATTRIBUTES, 0, 0
    kids: dict[str, Sequence[Node]] = {}
    parent.kids = kids
    places.nodes.append(parent)
    tree.places = all_places = [places]
    shape: list[int | str] = []
    order, count, left = 0, 1, 2  # never none: the document node is not left by the walk
    around: list[tuple[Node, int]] = []
    same_text = {"": ""}.setdefault
    same_attributes = _Attributes()
    for element in parsed.iter():
        name = names[element.tag]
        order += 1
        node = new(Node)
        place = places.get(name)
        if place is None:
            place = places[name] = new_place(Place)
            place.above, place.tag, place.number, place.nodes = places, name, count, [node]
            all_places.append(place)
            shape.append(places.number)
            shape.append(name)
            count += 1
            if count > PLACES_LIMIT:
                raise Unparsable(f"elements in more than {PLACES_LIMIT} different places")
        else:
            place.nodes.append(node)
        node.place = place
        node.parent = parent
        node.order = order
        attributes: Any = element.items()  # the stubs allow bytes
        if attributes:
            node.attributes = same_attributes[tuple(attributes)]
            bearers.append(node)
        else:
            node.attributes = _NO_ATTRIBUTES
        same = kids.get(name)
        if same is None:
            kids[name] = (node,)
        elif type(same) is list:
            same.append(node)
        else:
            kids[name] = [*same, node]
        left -= 1
        if inside := len(element):
            around.append((parent, left))
            parent, left, places = node, inside, place
            node.kids = kids = {}
        else:
            node.kids = _NO_KIDS
            text = element.text or ""
            node.text = same_text(text, text)
            if not left:
                while not left:
                    parent.last = order
                    parent, left = around.pop()
                places, kids = parent.place, parent.kids
    tree.root.last = order
    tree.shape = tuple(shape)
    return tree


def descendants(node: Any, name: str) -> list[Node]:
    """The elements of one name inside a node, in document order."""
    if not isinstance(node, Node):
        return []
    nodes = node.tree.named(name)
    if not nodes or node.parent is None:
        return nodes
    return nodes[bisect_right(nodes, node.order, key=by_order) : bisect_right(nodes, node.last, key=by_order)]


def bearing(node: Any, name: str) -> list[Node]:
    """A node and the elements inside it, those that have an attribute of a name, in document order."""
    if not isinstance(node, Node):
        return [node] if name in node.attributes else []
    nodes = node.tree.bearing(name)
    if not nodes or node.parent is None:
        return nodes
    return nodes[bisect_left(nodes, node.order, key=by_order) : bisect_right(nodes, node.last, key=by_order)]


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
    return _texts(node, inner=False) if isinstance(node, Node) else []


def all_texts(node: Any) -> list[Text]:
    """The text nodes inside a node, in document order."""
    return _texts(node, inner=True) if isinstance(node, Node) else []


def _texts(node: Node, *, inner: bool) -> list[Text]:
    """The text nodes of a node, and of those inside it too."""
    found: list[Text] = []
    if node.parent is None:  # there is no text beside the root element
        return _texts(children(node)[0], inner=True) if inner else found
    elements = node.tree.elements
    if text := elements[node.order - 1].text:
        found.append(Text(node, node.order, 0, text))
    for child in children(node):
        if inner:
            found += _texts(child, inner=True)
        if text := elements[child.order - 1].tail:
            found.append(Text(node, child.last, _ended(child), text))
    return found


def _ended(node: Node) -> int:
    """How many elements end where a node ends, from the innermost to it."""
    ended = 1
    while node.kids:
        node, ended = max((same[-1] for same in node.kids.values()), key=by_order), ended + 1
    return ended


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
