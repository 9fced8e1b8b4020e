"""The writer of a syntax: its table as the source text of Python functions, compiled once.

Writing an invoice of thousands of lines asks the same hundred questions of each line (has it a note, has it a price?).
As a tree of closures every question costs a call; as source text it costs one attribute and one comparison, which is
four times as fast. The text is made of the table alone, never of an invoice. What it writes: each element on a line of
its own, groups without content not at all, unless the schema demands them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from schemas.invoice import Shape, shapes
from schemas.table import CODECS, Fixed, Group, Leaf, Node, Syntax, View, attribute, beside, element, escape, unchain

_REST = "root, parts, write, money"
"""What every function gets beside the value `o`: the invoice, the texts so far, and the currency of amounts."""


@dataclass(frozen=True, slots=True)
class _At:
    """Where a node is written."""

    depth: int
    """Levels from the root of the document."""
    pad: str
    """Spaces before the statements."""
    live: str
    """The variable that says whether the element around has content."""


def writer(syntax: Syntax, nodes: tuple[Node, ...], model: type[Any]) -> Callable[[Any], str]:
    """The function that gives the text inside the root element for a value of the model."""
    source = _Source(syntax)
    source.function("everything", nodes, model, 1)
    text = "\n".join(source.lines)
    exec(compile(text, "<the table of a syntax>", "exec"), source.names)  # noqa: S102 -- see the module's docstring
    everything: Callable[..., bool] = source.names["everything"]
    unit = f' {syntax.currency_attribute}="'

    def write(value: Any) -> str:
        parts: list[str] = []
        currency = getattr(value, "currency", "")
        money = f'{unit}{attribute(currency)}"' if currency and syntax.amounts_carry_currency else ""
        everything(value, value, parts, parts.append, money)
        return "".join(parts)

    return write


class _Source:
    """The text so far, and what its names stand for."""

    __slots__ = ("_count", "_kept", "_made", "_syntax", "lines", "names")

    def __init__(self, syntax: Syntax) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {"attribute": attribute, "escape": escape}
        self._syntax = syntax
        self._count = 0
        self._made: dict[tuple[int, type[Any], int], str] = {}
        self._kept: list[tuple[Node, ...]] = []  # so that no id is given twice

    def function(self, name: str, nodes: tuple[Node, ...], cls: type[Any], depth: int) -> None:
        """A function that writes these nodes for one value of `cls`, and says whether they have content."""
        body: list[str] = []
        for node in nodes:
            self._node(node, cls, _At(depth, "    ", "live"), body)
        self.lines += [f"def {name}(o, {_REST}):", "    live = False", *body, "    return live"]

    def _name(self, value: Any, prefix: str = "c") -> str:
        """A name for a constant, a function or a variable."""
        self._count += 1
        name = f"{prefix}{self._count}"
        if value is not None:
            self.names[name] = value
        return name

    def _node(self, node: Node, cls: type[Any], at: _At, body: list[str]) -> None:
        if isinstance(node, View):
            inner = self._name(None, "view")
            self.function(inner, (node.node,), node.cls, at.depth)
            body.append(f"{at.pad}for each in {self._name(node.spread)}(o, root):")
            body.append(f"{at.pad}    {at.live} = {inner}(each, {_REST}) or {at.live}")
            return
        single = unchain(node)
        if isinstance(single, Group):
            self._group(single, cls, at, body)
        elif isinstance(single, Leaf):
            self._leaf(single, cls, at, body)
        elif single.written:
            body.append(f"{at.pad}write({element(single.tag, single.value, at.depth)!r})")

    def _group(self, node: Group, cls: type[Any], at: _At, body: list[str]) -> None:
        if not node.into:
            self._element(node, at, body, cls)
            return
        shape, value = self._reached(cls, node.into, at, body)
        inside = _At(at.depth, f"{at.pad}    ", at.live)
        if shape.many:
            body.append(f"{at.pad}for each in {value} or ():")
            self._element(node, inside, body, shape.cls)
            return
        body += [f"{at.pad}each = {value}", f"{at.pad}if each is not None:"]
        self._element(node, inside, body, shape.cls)
        if node.more:
            _, others = self._reached(cls, beside(node.into, node.more), at, body)
            body.append(f"{at.pad}for each in {others} or ():")
            self._element(node, inside, body, shape.cls)

    def _element(self, node: Group, at: _At, body: list[str], cls: type[Any]) -> None:
        """A group, taken back when nothing in it is content; its children belong to `each`, or to the scope."""
        mark, own = self._name(None, "mark"), self._name(None, "live")
        indent, pad, constant = f"\n{'  ' * at.depth}", at.pad, not _counts(replace(node, into=""))
        body += [
            f"{pad}{mark} = len(parts)",
            f"{pad}write({f'{indent}<{node.tag}>'!r})",
            f"{pad}{own} = {node.required or constant}",
        ]
        if node.into:
            body.append(f"{pad}{own} = {self._shared(node.children, cls, at.depth + 1)}(each, {_REST}) or {own}")
        else:
            for child in node.children:
                self._node(child, cls, _At(at.depth + 1, pad, own), body)
        body += [
            f"{pad}if {own}:",
            f"{pad}    if len(parts) > {mark} + 1:",
            f"{pad}        write({f'{indent}</{node.tag}>'!r})",
            f"{pad}    else:",
            f"{pad}        parts[{mark}] = {f'{indent}<{node.tag}/>'!r}",
            *([f"{pad}    {at.live} = True"] if node.into or not constant else []),
            f"{pad}else:",
            f"{pad}    del parts[{mark}:]",
        ]

    def _shared(self, nodes: tuple[Node, ...], cls: type[Any], depth: int) -> str:
        """The function for these nodes; the parties of a header, which have one shape, share theirs."""
        key = (id(nodes), cls, depth)
        if key not in self._made:
            name = self._made[key] = self._name(None, "group")
            self._kept.append(nodes)
            self.function(name, nodes, cls, depth)
        return self._made[key]

    def _leaf(self, leaf: Leaf, cls: type[Any], at: _At, body: list[str]) -> None:
        shape, value = self._reached(cls, leaf.path, at, body)
        text = self._text(leaf, shape, at.depth)
        where = f"{self._name(leaf.where)}(v)" if leaf.where else ""
        if shape.many:
            _each(value, where, text, at, body)
            return
        there = "v" if shape.kind in ("text", "code") else "v is not None"
        body += [
            f"{at.pad}v = {value}",
            f"{at.pad}if {there}{' and ' if where else ''}{where}:",
            f"{at.pad}    write({text})",
            f"{at.pad}    {at.live} = True",
        ]
        if leaf.absent:
            standing = element(leaf.tag, leaf.absent[0], at.depth)
            body += [f"{at.pad}else:", f"{at.pad}    write({standing!r})"]
        if leaf.more:
            _, others = self._reached(cls, beside(leaf.path, leaf.more), at, body)
            _each(others, where, text, at, body)

    def _text(self, leaf: Leaf, shape: Shape, depth: int) -> str:
        """The expression for the element whose value is `v`."""
        syntax = self._syntax
        codec = leaf.codec or (syntax.date if shape.kind == "date" else CODECS[shape.kind])
        encode = "escape" if codec.encode is escape else self._name(codec.encode)
        constants = "".join(f' {name}="{attribute(value)}"' for name, value in leaf.fixed.items())
        pieces = [repr(f"\n{'  ' * depth}<{leaf.tag}{constants}")]
        money = syntax.amounts_carry_currency and shape.kind in ("amount", "price")
        if money and syntax.currency_attribute not in leaf.attributes:
            pieces.append("money")
        for name, path in leaf.attributes.items():  # the groups on the way are there, as the value is
            pieces.append(f"""(f' {name}="{{attribute(a)}}"' if (a := o.{path}) else '')""")
        if shape.kind == "identifier":
            pieces.append("""(f' schemeID="{attribute(v.scheme)}"' if v.scheme else '')""")
        value = "v.value" if shape.kind == "identifier" else "v"
        return " + ".join((*pieces, "'>'", f"{encode}({value})", repr(f"</{leaf.tag}>")))

    def _reached(self, cls: type[Any], path: str, at: _At, body: list[str]) -> tuple[Shape, str]:
        """The shape of the field at a path, and the expression for it; a group on the way may be absent."""
        expression, shape = "o", Shape("group", cls, many=False, optional=False)
        for step in path.split("."):
            if shape.optional:
                held = self._name(None, "v")
                body.append(f"{at.pad}{held} = {expression}")
                expression = f"({held}.{step} if {held} is not None else None)"
            else:
                expression = f"{expression}.{step}"
            shape = shapes(shape.cls)[step]
        return shape, expression


def _each(several: str, where: str, text: str, at: _At, body: list[str]) -> None:
    """Each value of a field that repeats, where it is written here."""
    body.append(f"{at.pad}for v in {several} or ():")
    if where:
        body.append(f"{at.pad}    if not {where}: continue")
    body += [f"{at.pad}    write({text})", f"{at.pad}    {at.live} = True"]


def _counts(node: Node) -> bool:
    """Whether a node writes content: a group of constants alone is no content."""
    if isinstance(node, Group):
        return bool(node.into) or any(_counts(child) for child in node.children)
    return not isinstance(node, Fixed)
