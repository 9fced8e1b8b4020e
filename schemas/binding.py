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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
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
    build,
    first_and_more,
    iso_date,
    number,
    put,
    unchain,
)
from schemas.writing import writer
from schemas.xml import Twins, Unreadable, line_of, name_of, parse, path_of, refusal

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


def _locate(cls: type[Any], group: str, path: str) -> tuple[Shape, str]:
    """Shape of the field at a path, and the id of its term."""
    *above, name = path.split(".")
    for step in above:
        one, cls = cls.__dataclass_fields__[step], shapes(cls)[step].cls
        group = id_of(one, group)
    return shapes(cls)[name], id_of(cls.__dataclass_fields__[name], group) or group


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: the class of its scope, the group it is, and its path in the document."""

    cls: type[Any]
    group: str
    path: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    tag: str
    when: Callable[[etree._Element], bool] | None
    read: _Reader


class Binding:
    """The reader and the writer of one syntax, compiled from its table; `model` is the class of what it binds."""

    __slots__ = (
        "_close",
        "_currency",
        "_model",
        "_open",
        "_read",
        "_root",
        "_syntax",
        "_table",
        "_tax_currency",
        "_write",
    )

    def __init__(self, syntax: Syntax, root: str, children: tuple[Node, ...], model: type[Any] = Invoice) -> None:
        self._syntax = syntax
        self._model = model
        self._root = syntax.clark(root)
        self._currency, self._tax_currency = map(self._text_at, (syntax.currency_path, syntax.tax_currency_path))
        place = _Place(model, "", f"/{root}")
        self._read = self._children(children, place)
        self._table = children
        self._write: Callable[[Any], str] | None = None
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
        context = Context({}, self._currency(element), self._tax_currency(element))
        self._read(element, context.root, context)
        if context.findings:
            raise Unreadable(context.findings)
        return build(self._model, context.root), tuple(context.unknown)

    def write(self, invoice: Any) -> bytes:
        """The model as UTF-8 bytes. Raises ValueError for a character that XML cannot carry."""
        if self._write is None:  # made when first needed, as many only read
            self._write = writer(self._syntax, self._table, self._model)
        text = "".join((self._open, self._write(invoice), self._close))
        if found := _FORBIDDEN.search(text):
            raise ValueError(f"XML cannot carry the character U+{ord(found[0]):04X}")
        return text.encode()

    def _text_at(self, path: str) -> Callable[[etree._Element], str]:
        """The text at a path from the root, "" when there is none."""
        if not path:
            return lambda _root: ""
        names = {prefix or "_": uri for prefix, uri in self._syntax.namespaces.items()}
        steps = (step if ":" in step else f"_:{step}" for step in path.split("/"))
        query = etree.XPath(f"normalize-space({'/'.join(steps)})", namespaces=names, smart_strings=False)
        return lambda root: str(query(root))

    def _children(self, nodes: tuple[Node, ...], place: _Place) -> _Reader:
        """One reader for all children of an element."""
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
        path, stray, reader_of = place.path, self._stray, direct.get

        def read(element: etree._Element, scope: Scope, context: Context) -> None:
            for child in element[:]:  # type: ignore[index]  # not in the stubs; takes half the time of an iterator
                reader = reader_of(child.tag)
                if reader is None:
                    stray(child, path, context)
                else:
                    reader(child, scope, context)

        return read

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
        node = unchain(node)
        if isinstance(node, Group):
            return self._group(node, place)
        return self._fixed(node, place) if isinstance(node, Fixed) else self._leaf(node, place)

    def _view(self, view: View, place: _Place) -> _Compiled:
        inner = self._node(view.node, _Place(view.cls, view.group, place.path))
        path, merge, read_inner = f"{place.path}/{inner.tag}", view.merge, inner.read

        def read(element: etree._Element, scope: Scope, context: Context) -> None:
            found: Scope = {}
            read_inner(element, found, context)
            if found and not merge(scope, found, context):
                context.unknown[path] = None

        return _Compiled(inner.tag, inner.when, read)

    def _fixed(self, node: Fixed, place: _Place) -> _Compiled:
        path, known = f"{place.path}/{node.tag}", {node.value, *node.also}

        def read(element: etree._Element, _scope: Scope, context: Context) -> None:
            if (element.text or "").strip() not in known:
                context.unknown[path] = None

        return _Compiled(node.tag, None, read)

    def _group(self, node: Group, place: _Place) -> _Compiled:
        path = f"{place.path}/{node.tag}"
        shape, group = _locate(place.cls, place.group, node.into) if node.into else (None, place.group)
        read = self._children(node.children, _Place(shape.cls if shape else place.cls, group, path))
        if shape is None:
            return _Compiled(node.tag, node.when, read)
        if shape.many:
            return _Compiled(node.tag, node.when, _reader_of_many(read, shape.cls, node.into))
        if node.more:
            return _Compiled(node.tag, node.when, _reader_of_first(read, shape.cls, node.into, node.more))
        return _Compiled(node.tag, node.when, _reader_of_one(read, node.into))

    def _leaf(self, leaf: Leaf, place: _Place) -> _Compiled:
        shape, term = _locate(place.cls, place.group, leaf.path)
        path = f"{place.path}/{leaf.tag}"
        codec = leaf.codec or (self._syntax.date if shape.kind == "date" else CODECS[shape.kind])
        return _Compiled(
            leaf.tag, None, _leaf_reader(leaf, shape, codec, self._attributes(leaf, shape, place), (path, term))
        )

    def _attributes(self, leaf: Leaf, shape: Shape, place: _Place) -> Callable[[Iterable[Any], Scope, Context], None]:
        """Takes the attributes of a leaf that hold a field, and notes those that say what the model does not hold."""
        path = f"{place.path}/{leaf.tag}"
        quiet = {*leaf.ignored, *(("schemeID",) if shape.kind == "identifier" else ())}
        texts = {name for name, at in leaf.attributes.items() if _locate(place.cls, "", at)[0].kind == "text"}
        money = self._syntax.currency_attribute if shape.kind in ("amount", "price") else ""
        held, fixed = leaf.attributes, leaf.fixed

        def take(attributes: Iterable[Any], scope: Scope, context: Context) -> None:
            for name, value in attributes:
                if name in quiet or not value or value.isspace():
                    continue
                if name in held:
                    known = put(scope, held[name], value if name in texts else value.strip())
                elif name in fixed:
                    known = value.strip() == fixed[name]
                else:
                    known = (name == money and value.strip() == context.currency) or name.startswith(_INSTANCE)
                if not known:
                    context.unknown[f"{path}/@{name}"] = None

        return take


def _plain_reader(
    name: str,
    decode: Callable[[str], Any],
    take_attributes: Callable[[Iterable[Any], Scope, Context], None],
    place: tuple[str, str],
) -> _Reader:
    """The reader of one value right in the scope, which is what most leaves are."""
    path, term = place

    def read_text(element: etree._Element, scope: Scope, context: Context) -> None:
        """A text, as it is."""
        text = element.text
        if not text or text.isspace():
            return
        if attributes := element.items():
            take_attributes(attributes, scope, context)
        if scope.setdefault(name, text) != text:
            context.unknown[path] = None

    def read_code(element: etree._Element, scope: Scope, context: Context) -> None:
        """A code, without the blanks around it."""
        if not (code := (element.text or "").strip()):
            return
        if attributes := element.items():
            take_attributes(attributes, scope, context)
        if scope.setdefault(name, code) != code:
            context.unknown[path] = None

    def read_plain(element: etree._Element, scope: Scope, context: Context) -> None:
        text = element.text
        if not text or text.isspace():
            return
        if attributes := element.items():
            take_attributes(attributes, scope, context)
        try:
            value = decode(text)
        except ValueError as error:
            context.findings.append(_unreadable(element, term, error, context.twins))
            return
        if scope.setdefault(name, value) != value:
            context.unknown[path] = None

    return {str: read_text, str.strip: read_code}.get(decode, read_plain)


def _leaf_reader(
    leaf: Leaf,
    shape: Shape,
    codec: Codec,
    take_attributes: Callable[[Iterable[Any], Scope, Context], None],
    place: tuple[str, str],
) -> _Reader:
    path, term = place
    *steps, name = leaf.path.split(".")
    decode, many, schemed = codec.decode, shape.many, shape.kind == "identifier"
    more, absent = leaf.more, frozenset(leaf.absent)
    if not (steps or many or schemed or more or absent):
        return _plain_reader(name, decode, take_attributes, place)

    def read(element: etree._Element, scope: Scope, context: Context) -> None:
        text = element.text
        if not text or text.isspace():
            return
        if attributes := element.items():
            take_attributes(attributes, scope, context)
        try:
            value = decode(text)
        except ValueError as error:
            context.findings.append(_unreadable(element, term, error, context.twins))
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


def _unreadable(element: etree._Element, term: str, error: ValueError, twins: Twins) -> Finding:
    return Finding(
        rule="XML-VALUE",
        severity=Severity.FATAL,
        layer="xml",
        says="The value cannot be read.",
        terms=(term,) if term else (),
        path=path_of(element, twins=twins),
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
    *steps, name = way = path.split(".")

    def read_once(element: etree._Element, scope: Scope, context: Context) -> None:
        inside: Scope = {}
        above: Scope | None = scope
        for step in way:
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
