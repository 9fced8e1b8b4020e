"""The XPath 2.0 of the official rules, as a tree.

A hand-written parser for the part of XPath 2.0 that official rules use, which is most of the language without its
schema-aware parts. It keeps every name expanded, so that nothing after it needs prefixes. What it does not know is
refused by name with the place in the expression (`Refused`), never guessed: a rule read wrongly would be worse than a
rule not read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

FN = "http://www.w3.org/2005/xpath-functions"
XS = "http://www.w3.org/2001/XMLSchema"

AXES = frozenset(
    {
        "child",
        "descendant",
        "descendant-or-self",
        "parent",
        "ancestor",
        "ancestor-or-self",
        "self",
        "attribute",
        "preceding",
        "preceding-sibling",
        "following-sibling",
    }
)
NODE_TESTS = frozenset({"node", "text", "comment", "processing-instruction", "element", "document-node"})


class Refused(Exception):
    """An expression, or a part of an artefact, that this engine does not know."""


@dataclass(frozen=True, slots=True)
class Name:
    """An expanded name."""

    space: str
    local: str

    def __str__(self) -> str:
        return f"{{{self.space}}}{self.local}" if self.space else self.local


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, an integer, a decimal or a double as written."""

    value: str | int | Decimal | float


@dataclass(frozen=True, slots=True)
class Variable:
    """$name"""

    name: Name


@dataclass(frozen=True, slots=True)
class Context:
    """The dot."""


@dataclass(frozen=True, slots=True)
class Root:
    """The document node above the context: the slash that begins an absolute path."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """(a, b, c), also the empty one."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Binary:
    """An operator between two operands: or and = != < <= > >= eq ne lt le gt ge is + - * div idiv mod to | except."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Minus:
    """The minus sign in front of an operand."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class If:
    """if (test) then … else …"""

    test: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Binding:
    """$name in …"""

    name: Name
    source: Expression


@dataclass(frozen=True, slots=True)
class For:
    """for … return …"""

    bindings: tuple[Binding, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class Quantified:
    """some … satisfies …, every … satisfies …"""

    every: bool
    bindings: tuple[Binding, ...]
    body: Expression


@dataclass(frozen=True, slots=True)
class Call:
    """A function call, of the language's own functions, constructors of types, and functions of the artefact."""

    name: Name
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """cast as and castable as."""

    operand: Expression
    type: Name
    optional: bool
    only_ask: bool = False


@dataclass(frozen=True, slots=True)
class Test:
    """What a step lets through: a name ('*' for any space or any local name), or a kind of node."""

    kind: str
    """element or attribute by name: "name"; else a member of NODE_TESTS."""
    space: str = "*"
    local: str = "*"


@dataclass(frozen=True, slots=True)
class Step:
    """axis::test[predicate]…"""

    axis: str
    test: Test
    predicates: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """An expression in front of predicates."""

    base: Expression
    predicates: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """Steps one after the other; the first may be any expression, and so may the last."""

    steps: tuple[Expression, ...]


Expression = (
    Literal
    | Variable
    | Context
    | Root
    | Sequence
    | Binary
    | Minus
    | If
    | For
    | Quantified
    | Call
    | Cast
    | Step
    | Filter
    | Path
)


def parse(text: str, spaces: Mapping[str, str]) -> Expression:
    """An expression as a tree; `spaces` are the namespaces its prefixes stand for. Raises Refused."""
    parser = _Parser(text, spaces)
    tree = parser.expression()
    parser.end()
    return tree


def alternatives(pattern: Expression) -> tuple[Expression, ...]:
    """The patterns that a match pattern offers, from left to right: a union inside a path is multiplied out."""
    if isinstance(pattern, Binary) and pattern.operator == "|":
        return alternatives(pattern.left) + alternatives(pattern.right)
    if isinstance(pattern, Filter):
        return tuple(_narrowed(choice, pattern.predicates) for choice in alternatives(pattern.base))
    if not isinstance(pattern, Path):
        return (pattern,)
    products: list[tuple[Expression, ...]] = [()]
    for step in pattern.steps:
        choices = (step,) if isinstance(step, Step) else alternatives(step)
        products = [
            (*product, *(choice.steps if isinstance(choice, Path) else (choice,)))
            for product in products
            for choice in choices
        ]
    return tuple(Path(product) if len(product) > 1 else product[0] for product in products)


def _narrowed(pattern: Expression, predicates: tuple[Expression, ...]) -> Expression:
    """A match pattern with more predicates on the node itself; they may not be places, which a union counts over."""
    if any(isinstance(predicate, Literal) for predicate in predicates):
        raise Refused("a match pattern with a place in a union")
    *before, last = pattern.steps if isinstance(pattern, Path) else (pattern,)
    if not isinstance(last, Step):
        raise Refused("a match pattern with predicates on what is no step")
    narrowed = Step(last.axis, last.test, last.predicates + predicates)
    return Path((*before, narrowed)) if before else narrowed


_NCNAME = r"[^\W\d][\w.\-\u00b7]*"
_TOKEN = re.compile(
    rf"""
      (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<string>"(?:[^"]|"")*"|'(?:[^']|'')*')
    | (?P<name>\*:{_NCNAME}|{_NCNAME}:\*|{_NCNAME}(?::(?!:){_NCNAME})?)
    | (?P<symbol>//|::|:=|!=|<=|>=|<<|>>|\|\||\.\.|[/@|()\[\],$+\-*=<>?.!#{{}}:])
    """,
    re.VERBOSE,
)
_BLANK = re.compile(r"[ \t\r\n]+|\(:[^:()]*(?::(?!\))[^:()]*)*:\)")
_GENERAL = frozenset({"=", "!=", "<", "<=", ">", ">="})
_VALUE = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "is"})
_OTHER_WORDS = frozenset({"treat", "instance", "intersect", "except"})


def _tokens(text: str) -> list[tuple[str, str, int]]:
    found = []
    at = 0
    while at < len(text):
        if blank := _BLANK.match(text, at):
            at = blank.end()
            continue
        token = _TOKEN.match(text, at)
        if token is None:
            raise Refused(f"cannot read {text[at : at + 20]!r} in the expression {_short(text)}")
        found.append((str(token.lastgroup), token[0], at))
        at = token.end()
    found.append(("end", "", at))
    return found


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, spaces: Mapping[str, str]) -> None:
        self.text = text
        self.spaces = spaces
        self.tokens = _tokens(text)
        self.at = 0

    def refuse(self, what: str) -> Refused:
        kind, token, place = self.tokens[self.at]
        here = f"{token!r} at character {place + 1}" if kind != "end" else "the end"
        return Refused(f"{what}, before {here}, in the expression {_short(self.text)}")

    def peek(self, *tokens: str, ahead: int = 0) -> bool:
        """Whether the next token is one of these, and no string literal."""
        place = min(self.at + ahead, len(self.tokens) - 1)
        kind, token, _ = self.tokens[place]
        return kind in ("name", "symbol") and token in tokens

    def take(self, *tokens: str) -> str:
        """The next token if it is one of these, else ""."""
        if self.peek(*tokens):
            self.at += 1
            return self.tokens[self.at - 1][1]
        return ""

    def need(self, token: str) -> None:
        if not self.take(token):
            raise self.refuse(f"{token!r} expected")

    def end(self) -> None:
        if self.tokens[self.at][0] != "end":
            raise self.refuse("unknown construct")

    def expression(self) -> Expression:
        items = [self.single()]
        while self.take(","):
            items.append(self.single())
        return items[0] if len(items) == 1 else Sequence(tuple(items))

    def single(self) -> Expression:
        if self.peek("for") and self.peek("$", ahead=1):
            self.at += 1
            bindings = self.bindings()
            self.need("return")
            return For(bindings, self.single())
        if self.peek("some", "every") and self.peek("$", ahead=1):
            every = self.take("some", "every") == "every"
            bindings = self.bindings()
            self.need("satisfies")
            return Quantified(every, bindings, self.single())
        if self.peek("if") and self.peek("(", ahead=1):
            self.at += 2
            test = self.expression()
            self.need(")")
            self.need("then")
            then = self.single()
            self.need("else")
            return If(test, then, self.single())
        return self.either()

    def bindings(self) -> tuple[Binding, ...]:
        found: list[Binding] = []
        while not found or self.take(","):
            self.need("$")
            name = self.name("")
            if self.peek("as"):
                raise self.refuse("a type declared for a bound variable")
            self.need("in")
            found.append(Binding(name, self.single()))
        return tuple(found)

    def either(self) -> Expression:
        left = self.both()
        while self.take("or"):
            left = Binary("or", left, self.both())
        return left

    def both(self) -> Expression:
        left = self.comparison()
        while self.take("and"):
            left = Binary("and", left, self.comparison())
        return left

    def comparison(self) -> Expression:
        left = self.range()
        operator = self.take(*_GENERAL, *_VALUE)
        return Binary(operator, left, self.range()) if operator else left

    def range(self) -> Expression:
        left = self.additive()
        return Binary("to", left, self.additive()) if self.take("to") else left

    def additive(self) -> Expression:
        left = self.multiplicative()
        while operator := self.take("+", "-"):
            left = Binary(operator, left, self.multiplicative())
        return left

    def multiplicative(self) -> Expression:
        left = self.union()
        while operator := self.take("*", "div", "idiv", "mod"):
            left = Binary(operator, left, self.union())
        return left

    def union(self) -> Expression:
        left = self.cast()
        while self.take("|", "union"):
            left = Binary("|", left, self.cast())
        if self.peek(*_OTHER_WORDS):
            raise self.refuse("unknown operator")
        return left

    def cast(self) -> Expression:
        operand = self.unary()
        while (asked := self.peek("castable")) or self.peek("cast"):
            self.at += 1
            self.need("as")
            operand = Cast(operand, self.name(""), bool(self.take("?")), asked)
        return operand

    def unary(self) -> Expression:
        if self.take("-"):
            return Minus(self.unary())
        if self.take("+"):
            raise self.refuse("a plus sign in front of an operand")
        return self.path()

    def path(self) -> Expression:
        steps: list[Expression] = []
        if self.take("/"):
            steps.append(Root())
            if not self.step_begins():
                return steps[0]
        elif self.take("//"):
            steps += [Root(), Step("descendant-or-self", Test("node"))]
        steps.append(self.step())
        while separator := self.take("//", "/"):
            if separator == "//":
                steps.append(Step("descendant-or-self", Test("node")))
            steps.append(self.step())
        return steps[0] if len(steps) == 1 else Path(tuple(steps))

    def step_begins(self) -> bool:
        kind, token, _ = self.tokens[self.at]
        if kind == "name":
            return token not in {"or", "and", "div", "mod", "idiv", *_VALUE, "to", "union", "cast", "castable"}
        return kind in ("number", "string") or token in {"*", "@", ".", "..", "(", "$"}

    def step(self) -> Expression:
        kind, token, _ = self.tokens[self.at]
        if self.take(".."):
            return self.filtered(Step("parent", Test("node")))
        if self.take("@"):
            return self.filtered(Step("attribute", self.test("attribute")))
        if self.take("*"):
            return self.filtered(Step("child", Test("name")))
        if kind == "name":
            if self.peek("::", ahead=1):
                if token not in AXES:
                    raise self.refuse(f"unknown axis {token}")
                self.at += 2
                return self.filtered(Step(token, self.test(token)))
            if not self.peek("(", ahead=1):
                return self.filtered(Step("child", self.test("child")))
            if token in NODE_TESTS:
                return self.filtered(Step("child", self.test("child")))
        return self.filtered(self.primary())

    def test(self, axis: str) -> Test:
        kind, token, _ = self.tokens[self.at]
        if self.take("*"):
            return Test("name")
        if kind != "name":
            raise self.refuse("a name or a kind of node expected")
        self.at += 1
        if self.take("("):
            if token not in NODE_TESTS or not self.take(")"):
                raise self.refuse(f"unknown kind of node {token}")
            return Test(token)
        prefix, colon, local = token.rpartition(":")
        if prefix == "*":
            return Test("name", "*", local)
        space = self.space(prefix) if colon else ""
        return Test("name", space, local)

    def filtered(self, base: Expression) -> Expression:
        predicates = []
        while self.take("["):
            predicates.append(self.expression())
            self.need("]")
        if not predicates:
            return base
        if isinstance(base, Step):
            return Step(base.axis, base.test, tuple(predicates))
        return Filter(base, tuple(predicates))

    def primary(self) -> Expression:
        kind, token, _ = self.tokens[self.at]
        if kind == "number":
            self.at += 1
            return Literal(float(token) if "e" in token.lower() else Decimal(token) if "." in token else int(token))
        if kind == "string":
            self.at += 1
            return Literal(token[1:-1].replace(token[0] * 2, token[0]))
        if self.take("$"):
            return Variable(self.name(""))
        if self.take("."):
            return Context()
        if self.take("("):
            if self.take(")"):
                return Sequence(())
            inner = self.expression()
            self.need(")")
            return inner
        if kind == "name" and self.peek("(", ahead=1):
            return self.call()
        raise self.refuse("unknown construct")

    def call(self) -> Call:
        name = self.name(FN)
        self.need("(")
        arguments: list[Expression] = []
        if not self.take(")"):
            arguments.append(self.single())
            while self.take(","):
                arguments.append(self.single())
            self.need(")")
        return Call(name, tuple(arguments))

    def name(self, default: str) -> Name:
        kind, token, _ = self.tokens[self.at]
        if kind != "name" or "*" in token:
            raise self.refuse("a name expected")
        self.at += 1
        prefix, colon, local = token.rpartition(":")
        return Name(self.space(prefix) if colon else default, local)

    def space(self, prefix: str) -> str:
        known = {"xml": "http://www.w3.org/XML/1998/namespace", "fn": FN, **self.spaces}
        if prefix not in known:
            raise self.refuse(f"the prefix {prefix} is not declared")
        return known[prefix]
