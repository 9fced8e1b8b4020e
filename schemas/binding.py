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

import base64
import binascii
import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias

from lxml import etree

from schemas.finding import Finding, Severity
from schemas.format import Reading
from schemas.invoice import Identifier, Invoice, Shape, id_of, shapes
from schemas.xml import Unreadable, line_of, name_of, parse, path_of, refusal

Scope: TypeAlias = dict[str, Any]
"""What has been read for one group so far: field → value, dict (a group that is still open) or list."""

_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})", re.ASCII)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(slots=True)
class Context:
    """What one reading gathers beside the model."""

    root: Scope
    currency: str
    """BT-5; an amount in another currency is another amount than the one the model means."""
    unknown: dict[str, None] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


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


@dataclass(frozen=True, slots=True)
class View:
    """A node read into a scope of its own (a dataclass of the table's module), which two functions translate."""

    node: Leaf | Group
    cls: type[Any]
    merge: Callable[[Scope, Scope, Context], bool]
    """Takes what was read into the scope; False when the model cannot hold it."""
    spread: Callable[[Any, Invoice], Iterable[Any]]
    """The values of `cls` to write for the value of the scope."""


Node: TypeAlias = Leaf | Fixed | Group | View
_Reader: TypeAlias = Callable[[etree._Element, Scope, Context], None]
_Writer: TypeAlias = Callable[[Any, Invoice], str]


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
        query = "/".join(self.clark(tag) for tag in tags.split("/"))

        def test(element: etree._Element) -> bool:
            child = element.find(query)
            if child is None:
                return False
            return ((child.get(attribute) if attribute else child.text) or "").strip() in values

        return test


def escape(text: str) -> str:
    """Text as element content; a carriage return survives the line-end rules of XML."""
    if "&" in text or "<" in text or ">" in text or "\r" in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text


def _attribute(text: str) -> str:
    return escape(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")


def _decimal(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text := text.strip()):
        raise ValueError("a decimal number, with a dot and without exponent")
    return Decimal(text)


def number(value: Decimal) -> str:
    """A number as it was given, without exponent."""
    return format(value, "f")


def amount(value: Decimal) -> str:
    """An amount with two decimals, or with as many as it has when they are not zeros."""
    text = format(value, "f")
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


_CODECS = {
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


def _build(cls: type[Any], values: Scope) -> Any:
    """The dataclass of a scope, with the groups that are still open inside it."""
    for name, value in values.items():
        if type(value) is dict:
            values[name] = _build(shapes(cls)[name].cls, value)
        elif type(value) is list:
            values[name] = tuple(value)
    return cls(**values)


def _getter(path: str) -> Callable[[Any], Any]:
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


def _put(scope: Scope, path: str, value: Any) -> bool:
    """Stores a value that a document has once; False when another one is already there."""
    *above, name = path.split(".")
    for step in above:
        scope = scope.setdefault(step, {})
    return bool(scope.setdefault(name, value) == value)


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
        inner: Node = Group(rest, node.children, node.into, required=node.required)
        return Group(first, (inner,), when=node.when, required=node.required)
    if isinstance(node, Fixed):
        return Group(first, (Fixed(rest, node.value, node.also, node.written),))
    return Group(first, (Leaf(rest, node.path, node.attributes, node.fixed, node.ignored, node.codec, node.where),))


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


class Binding:
    """The reader and the writer of one syntax, compiled from its table; `model` is the class of what it binds."""

    __slots__ = ("_close", "_model", "_open", "_read", "_root", "_syntax", "_writers")

    def __init__(self, syntax: Syntax, root: str, children: tuple[Node, ...], model: type[Any] = Invoice) -> None:
        self._syntax = syntax
        self._model = model
        self._root = syntax.clark(root)
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
        currency = element.find("/".join(map(self._syntax.clark, self._syntax.currency_path.split("/"))))
        context = Context({}, (currency.text or "").strip() if currency is not None else "")
        self._read(element, context.root, context)
        if context.findings:
            raise Unreadable(context.findings)
        return _build(self._model, context.root), tuple(context.unknown)

    def write(self, invoice: Any) -> bytes:
        """The model as UTF-8 bytes. Raises ValueError for a character that XML cannot carry."""
        text = "".join((self._open, *(writer(invoice, invoice) for _, writer in self._writers), self._close))
        if found := _FORBIDDEN.search(text):
            raise ValueError(f"XML cannot carry the character U+{ord(found[0]):04X}")
        return text.encode()

    def _children(self, nodes: tuple[Node, ...], place: _Place) -> tuple[_Reader, list[tuple[bool, _Writer]]]:
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

        return read, [(one.counts, one.write) for one in compiled]

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
        inner = self._node(view.node, _Place(view.cls, "", place.path, place.depth))
        path, merge, spread = f"{place.path}/{inner.tag}", view.merge, view.spread
        read_inner, write_inner = inner.read, inner.write

        def read(element: etree._Element, scope: Scope, context: Context) -> None:
            found: Scope = {}
            read_inner(element, found, context)
            if found and not merge(scope, found, context):
                context.unknown[path] = None

        def write(scope: Any, root: Invoice) -> str:
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
        constant = not any(counts for counts, _ in writers)
        opening, closing = f"\n{'  ' * place.depth}<{node.tag}>", f"\n{'  ' * place.depth}</{node.tag}>"

        def write(scope: Any, root: Invoice) -> str:
            parts, live = [opening], node.required or constant
            for counts, writer in writers:
                if text := writer(scope, root):
                    parts.append(text)
                    live = live or counts
            if len(parts) == 1:
                return f"{opening[:-1]}/>" if live else ""
            parts.append(closing)
            return "".join(parts) if live else ""

        if shape is None:
            return _Compiled(node.tag, node.when, read, write, not constant)
        get = _getter(node.into)
        if shape.many:
            several = _reader_of_many(read, shape.cls, node.into)
            return _Compiled(
                node.tag,
                node.when,
                several,
                lambda scope, root: "".join([write(v, root) for v in get(scope) or ()]),
                True,
            )

        def write_one(scope: Any, root: Invoice) -> str:
            value = get(scope)
            return "" if value is None else write(value, root)

        return _Compiled(node.tag, node.when, _reader_of_one(read, node.into), write_one, True)

    def _leaf(self, leaf: Leaf, place: _Place) -> _Compiled:
        shape, term = _locate(place.cls, place.group, leaf.path)
        path = f"{place.path}/{leaf.tag}"
        codec = leaf.codec or (self._syntax.date if shape.kind == "date" else _CODECS[shape.kind])
        read = _leaf_reader(leaf, shape, codec, self._attributes(leaf, shape, place), (path, term))
        return _Compiled(leaf.tag, None, read, self._leaf_writer(leaf, shape, codec, place.depth), True)

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
                    known = _put(scope, leaf.attributes[name], value)
                elif name in leaf.fixed:
                    known = value == leaf.fixed[name]
                else:
                    known = (name == money and value == context.currency) or name.startswith(_INSTANCE)
                if not known:
                    context.unknown[f"{path}/@{name}"] = None

        return take

    def _leaf_writer(self, leaf: Leaf, shape: Shape, codec: Codec, depth: int) -> _Writer:
        """Element text for the value or values of a leaf; nothing for an absent one."""
        get, encode, where = _getter(leaf.path), codec.encode, leaf.where
        constants = "".join(f' {name}="{_attribute(value)}"' for name, value in leaf.fixed.items())
        opening, closing = f"\n{'  ' * depth}<{leaf.tag}{constants}", f"</{leaf.tag}>"
        getters = [(name, _getter(path)) for name, path in leaf.attributes.items()]
        schemed, money = shape.kind == "identifier", ""
        if self._syntax.amounts_carry_currency and shape.kind in ("amount", "price"):
            money = "" if self._syntax.currency_attribute in leaf.attributes else self._syntax.currency_attribute

        def one(value: Any, scope: Any, root: Invoice) -> str:
            attributes = f' {money}="{_attribute(root.currency)}"' if money and root.currency else ""
            for name, getter in getters:
                if text := getter(scope):
                    attributes += f' {name}="{_attribute(text)}"'
            if schemed:
                if value.scheme:
                    attributes += f' schemeID="{_attribute(value.scheme)}"'
                value = value.value
            return f"{opening}{attributes}>{encode(value)}{closing}"

        if shape.many:
            return lambda scope, root: "".join(
                [one(v, scope, root) for v in get(scope) or () if where is None or where(v)]
            )

        def write(scope: Any, root: Invoice) -> str:
            value = get(scope)
            if value is None or value == "" or (where is not None and not where(value)):
                return ""
            return one(value, scope, root)

        return write


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
        if schemed:
            value = Identifier(value, (element.get("schemeID") or "").strip())
        for step in steps:
            scope = scope.setdefault(step, {})
        if many:
            scope.setdefault(name, []).append(value)
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
            scope.setdefault(name, []).append(_build(cls, inside))

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
