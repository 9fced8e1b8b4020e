"""The binding: one table of (element, field of the model) per syntax becomes its reader and its writer.

EN 16931-3 gives each syntax as a table of term → path, and so do we. A table is a tree of nodes in schema order:
`Leaf` (an element with a value), `Fixed` (an element whose value never changes), `Group` (an element with children) and
`View` (where document and model are cut differently, two named functions translate). It is compiled once: the reader
becomes a dictionary from tag to function for every group, the writer a tree of functions that return text.

- Read ∘ write is the identity on the model, and the same model gives the same bytes.
- What a table does not know is never dropped silently: the path of every such element or attribute that has content
  is told in `Reading.unknown`. A second value for a term that the norm allows once is unknown too.
- A value that cannot be read (a date, a number) makes the document Unreadable, with all such values in the findings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lxml import etree

from schemas.finding import Finding, Severity
from schemas.format import Reading
from schemas.invoice import Identifier, Invoice, Shape, id_of, shapes
from schemas.table import (
    CODECS,
    Codec,
    Context,
    Fixed,
    Group,
    Leaf,
    Node,
    Scope,
    Syntax,
    View,
    amount,
    attribute,
    beside,
    build,
    escape,
    first_and_more,
    getter,
    iso_date,
    number,
    put,
)
from schemas.xml import Unreadable, line_of, name_of, parse, path_of, refusal

__all__ = [
    "Binding",
    "Codec",
    "Context",
    "Fixed",
    "Group",
    "Leaf",
    "Node",
    "Scope",
    "Syntax",
    "View",
    "amount",
    "first_and_more",
    "iso_date",
    "number",
]

_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_Reader: TypeAlias = Callable[[etree._Element, Scope, Context], None]
_Writer: TypeAlias = Callable[[Any, Any], str]


def _locate(cls: type[Any], group: str, path: str) -> tuple[Shape, str]:
    """Shape of the field at a path, and the id of its term."""
    *above, name = path.split(".")
    for step in above:
        one, cls = cls.__dataclass_fields__[step], shapes(cls)[step].cls
        group = id_of(one, group)
    return shapes(cls)[name], id_of(cls.__dataclass_fields__[name], group) or group


def _unchain(node: Leaf | Fixed | Group) -> Leaf | Fixed | Group:
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


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: the class of its scope, the group it is, its path and its depth in the document."""

    cls: type[Any]
    group: str
    path: str
    depth: int


@dataclass(frozen=True, slots=True)
class _Compiled:
    tag: str
    when: Callable[[etree._Element], bool] | None
    read: _Reader
    write: _Writer
    counts: bool
    """Whether what it writes is content, so that its group must be written."""
    standing: str = ""
    """What it writes that is no content all the same."""


class Binding:
    """The reader and the writer of one syntax, compiled from its table; `model` is the class of what it binds."""

    __slots__ = ("_close", "_currency_paths", "_model", "_open", "_read", "_root", "_syntax", "_writers")

    def __init__(self, syntax: Syntax, root: str, children: tuple[Node, ...], model: type[Any] = Invoice) -> None:
        self._syntax = syntax
        self._model = model
        self._root = syntax.clark(root)
        self._currency_paths = tuple(
            "/".join(map(syntax.clark, path.split("/"))) if path else ""
            for path in (syntax.currency_path, syntax.tax_currency_path)
        )
        place = _Place(model, "", f"/{root}", 1)
        self._read, self._writers = self._children(children, place)
        spaces = "".join(f' xmlns{":" if p else ""}{p}="{uri}"' for p, uri in syntax.namespaces.items())
        self._open, self._close = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{spaces}>', f"\n</{root}>\n"

    def read(self, data: bytes) -> Reading:
        """Bytes into an invoice. Raises Unreadable when they are no XML, no document of this syntax, or hold values
        that cannot be read (XML-VALUE)."""
        return Reading(*self.values(data))

    def values(self, data: bytes) -> tuple[Any, tuple[str, ...]]:
        """Bytes into the model, and the paths of what it does not hold. Raises as `read` does."""
        element = parse(data).getroot()
        if element.tag != self._root:
            raise refusal("XML-ROOT", f"The root element is {name_of(element)[1]}, not {self._root}.", line=1)
        currency, tax_currency = self._currency_paths
        context = Context({}, _found(element, currency), _found(element, tax_currency))
        self._read(element, context.root, context)
        if context.findings:
            raise Unreadable(context.findings)
        return build(self._model, context.root), tuple(context.unknown)

    def write(self, invoice: Any) -> bytes:
        """The model as UTF-8 bytes. Raises ValueError for a character that XML cannot carry."""
        text = "".join((self._open, *(writer(invoice, invoice) for _, _, writer in self._writers), self._close))
        if found := _FORBIDDEN.search(text):
            raise ValueError(f"XML cannot carry the character U+{ord(found[0]):04X}")
        return text.encode()

    def _children(self, nodes: tuple[Node, ...], place: _Place) -> tuple[_Reader, list[tuple[bool, str, _Writer]]]:
        """One reader for all children of an element, and the writers in schema order."""
        compiled = [self._node(node, place) for node in nodes]
        by_tag: dict[str, list[_Compiled]] = {}
        for one in compiled:
            by_tag.setdefault(self._syntax.clark(one.tag), []).append(one)
        direct: dict[Any, _Reader] = {}
        for tag, several in by_tag.items():
            if len(several) == 1 and several[0].when is None:
                direct[tag] = several[0].read
            else:
                assert all(one.when for one in several[:-1]), f"{place.path}/{tag} has two meanings"
                direct[tag] = self._choice(several, f"{place.path}/{several[0].tag}")
        path, stray = place.path, self._stray

        def read(element: etree._Element, scope: Scope, context: Context) -> None:
            for child in element:
                reader = direct.get(child.tag)
                if reader is None:
                    stray(child, path, context)
                else:
                    reader(child, scope, context)

        return read, [(one.counts, one.standing, one.write) for one in compiled]

    def _choice(self, several: list[_Compiled], path: str) -> _Reader:
        """The reader of a tag with several meanings."""
        parent = path.rpartition("/")[0]

        def read(element: etree._Element, scope: Scope, context: Context) -> None:
            for one in several:
                if one.when is None or one.when(element):
                    one.read(element, scope, context)
                    return
            self._stray(element, parent, context)

        return read

    def _stray(self, element: etree._Element, parent: str, context: Context) -> None:
        """Notes this element and all below it that have content."""
        path = f"{parent}/{self._syntax.prefixed(str(element.tag))}"
        if element.text and not element.text.isspace():
            context.unknown[path] = None
        for child in element:
            self._stray(child, path, context)

    def _node(self, node: Node, place: _Place) -> _Compiled:
        if isinstance(node, View):
            return self._view(node, place)
        node = _unchain(node)
        if isinstance(node, Group):
            return self._group(node, place)
        return self._fixed(node, place) if isinstance(node, Fixed) else self._leaf(node, place)

    def _view(self, view: View, place: _Place) -> _Compiled:
        inner = self._node(view.node, _Place(view.cls, view.group, place.path, place.depth))
        path, merge, spread = f"{place.path}/{inner.tag}", view.merge, view.spread
        read_inner, write_inner = inner.read, inner.write

        def read(element: etree._Element, scope: Scope, context: Context) -> None:
            found: Scope = {}
            read_inner(element, found, context)
            if found and not merge(scope, found, context):
                context.unknown[path] = None

        def write(scope: Any, root: Any) -> str:
            return "".join([write_inner(one, root) for one in spread(scope, root)])

        return _Compiled(inner.tag, inner.when, read, write, True)

    def _fixed(self, node: Fixed, place: _Place) -> _Compiled:
        path, known = f"{place.path}/{node.tag}", {node.value, *node.also}
        text = f"\n{'  ' * place.depth}<{node.tag}>{escape(node.value)}</{node.tag}>" if node.written else ""

        def read(element: etree._Element, _scope: Scope, context: Context) -> None:
            if (element.text or "").strip() not in known:
                context.unknown[path] = None

        return _Compiled(node.tag, None, read, lambda _scope, _root: text, False)

    def _group(self, node: Group, place: _Place) -> _Compiled:
        path = f"{place.path}/{node.tag}"
        shape, group = _locate(place.cls, place.group, node.into) if node.into else (None, place.group)
        inside = _Place(shape.cls if shape else place.cls, group, path, place.depth + 1)
        read, writers = self._children(node.children, inside)
        constant = not any(counts for counts, _, _ in writers)
        opening, closing = f"\n{'  ' * place.depth}<{node.tag}>", f"\n{'  ' * place.depth}</{node.tag}>"

        def write(scope: Any, root: Any) -> str:
            parts, live = [opening], node.required or constant
            for counts, standing, writer in writers:
                if text := writer(scope, root):
                    parts.append(text)
                    live = live or (counts and text != standing)
            if len(parts) == 1:
                return f"{opening[:-1]}/>" if live else ""
            parts.append(closing)
            return "".join(parts) if live else ""

        if shape is None:
            return _Compiled(node.tag, node.when, read, write, not constant)
        get = getter(node.into)
        if shape.many:
            several = _reader_of_many(read, shape.cls, node.into)
            return _Compiled(
                node.tag,
                node.when,
                several,
                lambda scope, root: "".join([write(v, root) for v in get(scope) or ()]),
                True,
            )

        def write_one(scope: Any, root: Any) -> str:
            value = get(scope)
            return "" if value is None else write(value, root)

        if not node.more:
            return _Compiled(node.tag, node.when, _reader_of_one(read, node.into), write_one, True)
        others, reader = getter(beside(node.into, node.more)), _reader_of_first(read, shape.cls, node.into, node.more)

        def write_all(scope: Any, root: Any) -> str:
            return "".join([write_one(scope, root), *(write(value, root) for value in others(scope) or ())])

        return _Compiled(node.tag, node.when, reader, write_all, True)

    def _leaf(self, leaf: Leaf, place: _Place) -> _Compiled:
        shape, term = _locate(place.cls, place.group, leaf.path)
        path = f"{place.path}/{leaf.tag}"
        codec = leaf.codec or (self._syntax.date if shape.kind == "date" else CODECS[shape.kind])
        standing = self._standing(leaf, place.depth)
        read = _leaf_reader(leaf, shape, codec, self._attributes(leaf, shape, place), (path, term))
        return _Compiled(leaf.tag, None, read, self._leaf_writer(leaf, shape, codec, place.depth), True, standing)

    def _attributes(self, leaf: Leaf, shape: Shape, place: _Place) -> Callable[[etree._Element, Scope, Context], None]:
        """Takes the attributes of a leaf that hold a field, and notes those that say what the model does not hold."""
        path = f"{place.path}/{leaf.tag}"
        quiet = {*leaf.ignored, *(("schemeID",) if shape.kind == "identifier" else ())}
        texts = {name for name, at in leaf.attributes.items() if _locate(place.cls, "", at)[0].kind == "text"}
        money = self._syntax.currency_attribute if shape.kind in ("amount", "price") else ""

        def take(element: etree._Element, scope: Scope, context: Context) -> None:
            for raw, text in element.items():
                name, value = str(raw), str(text)
                if name in quiet or not value.strip():
                    continue
                if name not in texts:
                    value = value.strip()
                if name in leaf.attributes:
                    known = put(scope, leaf.attributes[name], value)
                elif name in leaf.fixed:
                    known = value == leaf.fixed[name]
                else:
                    known = (name == money and value == context.currency) or name.startswith(_INSTANCE)
                if not known:
                    context.unknown[f"{path}/@{name}"] = None

        return take

    @staticmethod
    def _standing(leaf: Leaf, depth: int) -> str:
        """What a leaf writes when it has no value: nothing, or what stands for that."""
        return f"\n{'  ' * depth}<{leaf.tag}>{escape(leaf.absent[0])}</{leaf.tag}>" if leaf.absent else ""

    def _leaf_writer(self, leaf: Leaf, shape: Shape, codec: Codec, depth: int) -> _Writer:
        """Element text for the value or values of a leaf; nothing for an absent one."""
        get, encode, where = getter(leaf.path), codec.encode, leaf.where
        constants = "".join(f' {name}="{attribute(value)}"' for name, value in leaf.fixed.items())
        opening, closing = f"\n{'  ' * depth}<{leaf.tag}{constants}", f"</{leaf.tag}>"
        getters = [(name, getter(path)) for name, path in leaf.attributes.items()]
        schemed, money = shape.kind == "identifier", ""
        if self._syntax.amounts_carry_currency and shape.kind in ("amount", "price"):
            money = "" if self._syntax.currency_attribute in leaf.attributes else self._syntax.currency_attribute

        def one(value: Any, scope: Any, root: Any) -> str:
            attributes = f' {money}="{attribute(root.currency)}"' if money and root.currency else ""
            for name, get_attribute in getters:
                if text := get_attribute(scope):
                    attributes += f' {name}="{attribute(text)}"'
            if schemed:
                if value.scheme:
                    attributes += f' schemeID="{attribute(value.scheme)}"'
                value = value.value
            return f"{opening}{attributes}>{encode(value)}{closing}"

        if shape.many:
            return lambda scope, root: "".join(
                [one(v, scope, root) for v in get(scope) or () if where is None or where(v)]
            )

        standing = self._standing(leaf, depth)

        def write(scope: Any, root: Any) -> str:
            value = get(scope)
            if value is None or value == "" or (where is not None and not where(value)):
                return standing
            return one(value, scope, root)

        if not leaf.more:
            return write
        others = getter(beside(leaf.path, leaf.more))

        def write_all(scope: Any, root: Any) -> str:
            more = [one(v, scope, root) for v in others(scope) or () if where is None or where(v)]
            return "".join([write(scope, root), *more])

        return write_all


def _leaf_reader(
    leaf: Leaf,
    shape: Shape,
    codec: Codec,
    take_attributes: Callable[[etree._Element, Scope, Context], None],
    place: tuple[str, str],
) -> _Reader:
    path, term = place
    *steps, name = leaf.path.split(".")
    decode, many, schemed = codec.decode, shape.many, shape.kind == "identifier"
    more, absent = leaf.more, frozenset(leaf.absent)

    def read(element: etree._Element, scope: Scope, context: Context) -> None:
        text = element.text
        if not text or text.isspace():
            return
        if element.keys():
            take_attributes(element, scope, context)
        try:
            value = decode(text)
        except ValueError as error:
            context.findings.append(_unreadable(element, term, error))
            return
        if absent and value in absent:
            return
        if schemed:
            value = Identifier(value, (element.get("schemeID") or "").strip())
        for step in steps:
            scope = scope.setdefault(step, {})
        if many:
            scope.setdefault(name, []).append(value)
        elif more and name in scope:
            scope.setdefault(more, []).append(value)
        elif scope.setdefault(name, value) != value:
            context.unknown[path] = None

    return read


def _unreadable(element: etree._Element, term: str, error: ValueError) -> Finding:
    return Finding(
        rule="XML-VALUE",
        severity=Severity.FATAL,
        layer="xml",
        says="The value cannot be read.",
        terms=(term,) if term else (),
        path=path_of(element),
        line=line_of(element),
        found=(element.text or "").strip()[:100],
        expected=str(error),
    )


def _reader_of_many(read: _Reader, cls: type[Any], path: str) -> _Reader:
    """Each element is one value of a field that repeats."""
    *steps, name = path.split(".")

    def read_each(element: etree._Element, scope: Scope, context: Context) -> None:
        inside: Scope = {}
        read(element, inside, context)
        if inside:
            for step in steps:
                scope = scope.setdefault(step, {})
            scope.setdefault(name, []).append(build(cls, inside))

    return read_each


def _reader_of_one(read: _Reader, path: str) -> _Reader:
    """The element is the value of a field; when it comes again, what it adds is taken, what differs is unknown."""
    *steps, name = path.split(".")

    def read_once(element: etree._Element, scope: Scope, context: Context) -> None:
        inside: Scope = {}
        above: Scope | None = scope
        for step in (*steps, name):
            above = above.get(step) if above is not None else None
        if above is not None:
            inside = above
        read(element, inside, context)
        if inside and above is None:
            for step in steps:
                scope = scope.setdefault(step, {})
            scope[name] = inside

    return read_once


def _reader_of_first(read: _Reader, cls: type[Any], path: str, more: str) -> _Reader:
    """The first element is the value of a field, each further one a value of the field beside it."""
    *steps, name = path.split(".")

    def read_each(element: etree._Element, scope: Scope, context: Context) -> None:
        inside: Scope = {}
        read(element, inside, context)
        if not inside:
            return
        for step in steps:
            scope = scope.setdefault(step, {})
        if name in scope:
            scope.setdefault(more, []).append(build(cls, inside))
        else:
            scope[name] = inside

    return read_each


def _found(element: etree._Element, path: str) -> str:
    """The text at a path, "" when there is none."""
    return (element.findtext(path) or "").strip() if path else ""
