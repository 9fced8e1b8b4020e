"""What a rule compared when it did not hold: its operands, read off its own test.

A test is taken apart into the comparisons it is made of. Where an assertion fails, the first comparison of an `and`
that does not hold is the one to tell, and of an `or`, of which nothing holds, the one that came furthest: its value is
what was found, the other side what was expected. They are computed by a program of their own, which is made and loaded
when a document first breaks a rule; valid documents never pay for it. A value that cannot be computed, and a test that
compares several things at once, are not told: rather nothing than a guess. No verdict depends on any of this.
"""

from __future__ import annotations

import decimal
import difflib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import CodeType
from typing import Any

from schemas.schematron import arithmetic, tree
from schemas.schematron import expression as xpath
from schemas.schematron.code import Scope
from schemas.schematron.coder import as_list
from schemas.schematron.compile import Compiler, Module, at_line, needed
from schemas.schematron.expression import (
    FN,
    Binary,
    Call,
    Expression,
    Filter,
    For,
    If,
    Literal,
    Name,
    Path,
    Quantified,
    Refused,
    Root,
    Step,
    Variable,
    alternatives,
)
from schemas.schematron.program import given
from schemas.schematron.runtime import Run
from schemas.schematron.schema import Assertion, Function, Let, Rule, Schema
from schemas.schematron.tree import Node, Tree
from schemas.schematron.values import DynamicError, atom, string

_NEGATED = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_FLIPPED = {"=": "=", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_SPELLED = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_OPPOSITE = {"form": "other form", "contains": "lacks", "begins": "begins not", "ends": "ends not", "in": "not in"}
_NOTHING = xpath.Sequence(())
_DEEP = 12
"""Comparisons inside others that are followed."""
_MOST = 24
"""Comparisons of one test that are told apart; a test with more says nothing."""
_LONG = 200
"""Characters of a value that are shown."""
_FEW = 12
"""Values of a list that are all named."""


@dataclass(frozen=True, slots=True)
class Operands:
    """What a broken rule found and what it expected, in words."""

    found: str | None
    expected: str | None


@dataclass(frozen=True, slots=True)
class _Compared:
    """One comparison that does not hold."""

    sense: str
    unit: str
    certain: bool
    passed: int
    subject: str
    """The same for comparisons of the same value."""
    found: list[str]
    expected: list[str]
    tolerance: str


class Teller:
    """The comparisons of one artefact as Python."""

    def __init__(self, code: CodeType, documents: Mapping[str, Tree]) -> None:
        space = given(documents)
        exec(code, space)  # noqa: S102  # made by `compile_operands`, see `store` for where it comes from
        self._comparisons: dict[int, Callable[[Node, Run], tuple[Any, ...]]] = space["COMPARISONS"]

    def knows(self, number: int) -> bool:
        """Whether the assertion of that number compares anything."""
        return number in self._comparisons

    def tell(self, number: int, node: Node, run: Run) -> Operands | None:
        """What the assertion of that number, which does not hold of a node, compared; None where that is not known."""
        comparisons = self._comparisons.get(number)
        if comparisons is None:
            return None
        with decimal.localcontext(arithmetic.EXACT), tree.uncollected():
            told = [one for entry in comparisons(node, run) if (one := _computed(entry)) is not None]
        return _worded(told)


def compile_operands(schema: Schema) -> Module:
    """The program that tells what each assertion compares, by its number. Raises Refused as `compile_schema` does."""
    return _Operands(schema).module()


class _Operands(Compiler):
    """Compiles, in the place of each rule, what its assertions compare."""

    def module(self) -> Module:
        """The whole source: what `Compiler` makes, and the table of comparisons by the number of the assertion."""
        self.known = {one.name: one for one in self.schema.functions}
        self.table: list[str] = []
        made = super().module()
        return replace(made, source=f"{made.source}\nCOMPARISONS = {{{', '.join(self.table)}}}\n")

    def rule(self, rule: Rule) -> list[str]:
        """The functions of what a rule compares; it has no entry in the table of places."""
        with at_line(rule.line):
            document = any(isinstance(choice, Root) for choice in alternatives(rule.context))
            focus = self.document if document else self.element
            variables = self.variables(rule, focus)
            scope = Scope(focus, {name: code for name, (code, _) in variables.items()})
            lets = {part.name: part.value for part in rule.body if isinstance(part, Let)}
            for part in rule.body:
                if isinstance(part, Assertion):
                    number = len(self.assertions)
                    self.assertions.append(repr((part.id, "", "", "")))
                    entries = self.comparisons(part, scope)
                    if entries:
                        used = needed([part], lets)
                        lines = [line for name, (_, made) in variables.items() if name in used for line in made]
                        name = self.coder.fresh("o")
                        lines.append(f"return ({' '.join(f'({one}),' for one in entries)})")
                        self.blocks.append("\n".join([f"def {name}(n, s):", *(f"    {line}" for line in lines)]))
                        self.table.append(f"{number}: {name}")
        return []

    def comparisons(self, assertion: Assertion, scope: Scope) -> list[str]:
        """What an assertion compares, an entry each; none where there is nothing, or more than anybody could tell."""
        leaves = list(_leaves(assertion.test, not assertion.fires_when, self.known, _DEEP))
        if len(leaves) > _MOST or not any(leaf.sense for leaf in leaves):
            return []
        entries = []
        for leaf in leaves:
            try:
                codes = [
                    self.coder.values(_inside(leaf, value), scope)
                    for value in (Literal("1"), leaf.found, leaf.expected, leaf.tolerance)
                ]
            except Refused:
                return []
            later = ", ".join(f"lambda: {as_list(code)}" for code in codes)
            subject = repr(_digest(leaf.found))
            entries.append(f"{leaf.sense!r}, {leaf.unit!r}, {leaf.certain}, {leaf.passed}, {subject}, {later}")
        return entries


def _digest(value: Expression) -> str:
    """The same for the same expression."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def _computed(entry: tuple[Any, ...]) -> _Compared | None:
    """A comparison with its values, where it is one that does not hold; None elsewhere, or where one is an error."""
    sense, unit, certain, passed, subject, meant, *values = entry
    try:
        if not list(meant()):
            return None
        found, expected, tolerance = ([string(atom(one)) for one in value()] for value in values)
    except (DynamicError, ArithmeticError, ValueError):
        return None
    return _Compared(sense, unit, certain, passed, subject, found, expected, " ".join(tolerance))


# --- words ------------------------------------------------------------------------------------------------------------


def _worded(told: list[_Compared]) -> Operands | None:
    """The comparison to tell, of those that do not hold: a demand before a condition, the one that came furthest, and
    of several about one value the first that can be computed. Of several values none is told."""
    best = max(((one.certain, one.passed) for one in told), default=None)
    choice = [one for one in told if (one.certain, one.passed) == best and one.sense]
    if not choice or any(not one.sense for one in told if (one.certain, one.passed) == best):
        return None
    if len({one.subject for one in choice}) > 1:
        return None
    choice = [one for one in choice if not (one.unit and one.expected == ["0"])] or choice  # absent, or as follows
    if len(choice) > 1 and all(one.sense in ("=", "in") and not (one.tolerance or one.unit) for one in choice):
        lists = list(dict.fromkeys(value for one in choice for value in one.expected))
        return _told(replace(choice[0], sense="in", expected=lists))
    return next((one for one in map(_told, choice) if one is not None), None)


def _told(one: _Compared) -> Operands | None:
    found = ", ".join(map(_short, dict.fromkeys(one.found)))
    expected = _expectation(one)
    if expected is None or (not found and one.sense in ("lacks", "begins not", "ends not", "!=", "not in", "given")):
        return Operands(None, expected) if expected else None
    if one.unit == "characters" and found:
        found = f"{found} ({len(''.join(one.found))} characters)"
    return Operands(_short(found) or None, expected)


_WORDS = {
    "<": "less than {}", "<=": "at most {}", ">": "more than {}", ">=": "at least {}", "contains": "with “{}” in it",
    "lacks": "without “{}”", "begins": "beginning with “{}”", "begins not": "not beginning with “{}”",
    "ends": "ending with “{}”", "ends not": "not ending with “{}”",
}  # fmt: skip


def _expectation(one: _Compared) -> str | None:
    """What was expected, in words; None: it is not known."""
    values = list(one.expected)
    if not values:
        return None
    text = _short(", ".join(values))
    match one.sense:
        case "=" if one.unit:
            return f"exactly {text} {one.unit}"
        case "=":
            tolerance = _plain(one.tolerance)
            return f"{text}, give or take {tolerance}" if tolerance not in ("", "0") else text or "nothing"
        case "!=":
            return "a value" if text == "" else f"not {text}"
        case "in":
            return _one_of(values, one.found)
        case "not in":
            return f"none of {_one_of(values, [])}".replace("one of ", "", 1)
        case "form":
            return _form(values[0])
        case "other form":
            return None
        case "lacks" if not text.strip():
            return "without spaces"
    words = _WORDS[one.sense].format(text) if one.sense in _WORDS else None
    return f"{words} {one.unit}" if words and one.unit else words


def _one_of(values: Sequence[str], found: Sequence[str]) -> str:
    """A list in words: all of a short one, of a long one how many and the nearest."""
    if len(values) == 1:
        return _short(values[0])
    if len(values) <= _FEW:
        return _short(f"one of {', '.join(values)}")
    near = difflib.get_close_matches(" ".join(found)[:_LONG], values, n=3, cutoff=0.5) if found else []
    more = f"; nearest: {', '.join(near)}" if near else f": {', '.join(values[:3])} …"
    return _short(f"one of {len(values)} codes{more}")


_FORMS = (
    (re.compile(r"\\d\{(\d+)\}"), "{} digits"),
    (re.compile(r"\[0-9\]\{(\d+)\}"), "{} digits"),
    (re.compile(r"\[A-Z\]\{(\d+)\}"), "{} capital letters"),
)


def _form(pattern: str) -> str:
    """What a regular expression asks for: in words where it is a plain one, else itself."""
    bare = pattern.removeprefix("^").removesuffix("$").removeprefix("\\s*").removesuffix("\\s*")
    for shape, words in _FORMS:
        if match := shape.fullmatch(bare):
            return words.format(match[1])
    return _short(f"text of the form {bare}")


def _plain(number: str) -> str:
    """A number without the noughts that computing has left."""
    try:
        return f"{Decimal(number).normalize():f}" if number else ""
    except decimal.InvalidOperation:
        return number


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A comparison in a test, with the conditions under which it is the one that fails."""

    sense: str = ""
    unit: str = ""
    found: Expression = _NOTHING
    expected: Expression = _NOTHING
    tolerance: Expression = _NOTHING
    certain: bool = True
    passed: int = 0
    """How many conditions of an `and` come before it."""
    guards: tuple[Expression, ...] = ()
    bindings: tuple[tuple[tuple[xpath.Binding, ...], Expression | None], ...] = ()
    """Loops around it, from inside, and the condition that holds in the turn that is meant."""


def _inside(leaf: _Leaf, value: Expression) -> Expression:
    """A value of a leaf where it is the one that fails; nothing elsewhere."""
    for guard in reversed(leaf.guards):
        value = If(guard, value, _NOTHING)
    for bindings, condition in leaf.bindings:
        value = value if condition is None else If(condition, value, _NOTHING)
        value = Filter(For(bindings, value), (Literal(1),))
    return value


# --- what a test is made of -------------------------------------------------------------------------------------------


def _leaves(test: Expression, wanted: bool, functions: dict[Name, Function], deep: int) -> Iterator[_Leaf]:
    """The comparisons of a test that has not the truth value that is wanted."""
    if deep == 0:
        yield _Leaf()
        return
    match test:
        case Binary("and" | "or" as operator, left, right):
            first, second = (list(_leaves(one, wanted, functions, deep - 1)) for one in (left, right))
            if (operator == "and") is wanted:  # one alone may fail
                held = left if wanted else _not(left)
                yield from (replace(one, guards=(_not(held), *one.guards)) for one in first)
                yield from (replace(one, passed=one.passed + 1, guards=(held, *one.guards)) for one in second)
            else:
                yield from (*first, *second)
        case Call(Name(space, "not"), (inner,)) if space == FN:
            for one in _leaves(inner, not wanted, functions, deep - 1):
                yield replace(one, certain=not one.certain)
        case Call(Name(space, "boolean"), (inner,)) if space == FN:
            yield from _leaves(inner, wanted, functions, deep - 1)
        case If(condition, then, otherwise):
            for held, branch in ((condition, then), (_not(condition), otherwise)):
                for one in _leaves(branch, wanted, functions, deep - 1):
                    yield replace(one, guards=(held, *one.guards))
        case Quantified(True, bindings, body) | For(bindings, body) if wanted:
            for one in _leaves(body, True, functions, deep - 1):
                yield replace(one, bindings=(*one.bindings, (bindings, _not(body))))
        case Quantified(False, (binding,), Binary("=" | "eq", left, right)) if wanted:
            bound = Variable(binding.name)
            if bound in (left, right):
                yield _Leaf("in", "", right if left == bound else left, binding.source)
            else:
                yield _Leaf()
        case Binary(operator, left, right) if _SPELLED.get(operator, operator) in _NEGATED:
            sense = _SPELLED.get(operator, operator)
            yield _compared(sense if wanted else _NEGATED[sense], left, right)
        case Call():
            yield _called(test, wanted, functions, deep)
        case Path() if wanted and (leaf := _listed(test)):
            yield leaf
        case _:
            yield _Leaf()


def _not(test: Expression) -> Expression:
    return Call(Name(FN, "not"), (test,))


def _compared(sense: str, left: Expression, right: Expression) -> _Leaf:
    """A comparison, turned so that what is found comes first."""
    if _written(left) is not None and _written(right) is None:
        sense, left, right = _FLIPPED[sense], right, left
    if sense in ("<", "<=", ">", ">="):
        match left:
            case Call(Name(_, "abs"), (Binary("+" | "-") as sum_,)) if sense in ("<", "<="):
                first = _leftmost(sum_)
                return _Leaf("=", "", first, Binary("-", first, sum_), right)
            case Binary("+" | "-", value, Literal() as tolerance):
                return _Leaf("=", "", value, right, tolerance)
    match left:
        case Call(Name(_, "string-length"), (Call(Name(_, "substring-after"), (value, Literal("."))),)):
            return _Leaf(sense, "decimals", value, right)
        case Call(Name(_, "string-length"), (Call(Name(_, "translate"), (value, _, _)),)):
            return _Leaf(sense, "digits", value, right)
        case Call(Name(_, "string-length"), arguments):
            return _Leaf(sense, "characters", arguments[0] if arguments else xpath.Context(), right)
    several = isinstance(right, xpath.Sequence) or _first_is_document(right)
    return _Leaf({"=": "in", "!=": "not in"}.get(sense, sense) if several else sense, "", left, right)


def _leftmost(sum_: Expression) -> Expression:
    while isinstance(sum_, Binary) and sum_.operator in ("+", "-"):
        sum_ = sum_.left
    return sum_


def _called(call: Call, wanted: bool, functions: dict[Name, Function], deep: int) -> _Leaf:
    """A function that asks for a form, or one of the artefact, told by what it asks for itself."""
    arguments = call.arguments
    if call.name in functions and arguments and wanted:
        inner = [one for one in _leaves(functions[call.name].result, True, functions, deep - 1) if one.sense]
        own = inner[0] if len({(one.sense, one.expected) for one in inner}) == 1 else _Leaf()
        known = own.sense and _written(own.expected) is not None
        return replace(own, found=arguments[0], guards=(), bindings=()) if known else _Leaf("given", "", arguments[0])
    sense = {"matches": "form", "contains": "contains", "starts-with": "begins", "ends-with": "ends"}.get(
        call.name.local if call.name.space == FN else ""
    )
    if not sense or len(arguments) != 2:
        return _Leaf()
    value, sought = arguments
    if sense == "contains" and isinstance(value, Literal) and (codes := _codes(str(value.value))):
        sought = _bare(sought)
        list_ = xpath.Sequence(tuple(Literal(code) for code in codes))
        return _Leaf("in" if wanted else "not in", "", sought, list_)
    if not isinstance(sought, Literal):
        return _Leaf()
    return _Leaf(sense if wanted else _OPPOSITE[sense], "", value, sought)


def _codes(text: str) -> list[str]:
    """The codes in a text that is a list of them, with the mark that parts them on either side."""
    mark = text[:1]
    if len(text) < 3 or mark.isalnum() or text[-1:] != mark:
        return []
    return [code for code in text.split(mark) if code.strip()]


def _bare(sought: Expression) -> Expression:
    """The value in concat(' ', value, ' ')."""
    match sought:
        case Call(Name(_, "concat"), (Literal(), value, Literal())):
            return value
    return sought


def _listed(path: Path) -> _Leaf | None:
    """A code sought in a list beside the artefact: document('…')//…/x[@value = code]."""
    *before, last = path.steps
    match last:
        case Step(_, _, (*others, Binary("=", Step("attribute") as key, code))) if _first_is_document(path):
            whole = Path((*before, replace(last, predicates=tuple(others)), key))
            return _Leaf("in", "", code, whole)
    return None


def _first_is_document(path: Expression) -> bool:
    first = path.steps[0] if isinstance(path, Path) else path
    return isinstance(first, Call) and first.name == Name(FN, "document")


def _written(value: Expression) -> list[str] | None:
    """The values that an expression spells out; None where it has to be computed."""
    match value:
        case Literal(one):
            return [str(one)]
        case xpath.Minus(Literal(one)):
            return [f"-{one}"]
        case xpath.Sequence(items) if items:
            each = [_written(item) for item in items]
            return None if any(one is None for one in each) else [text for one in each for text in one or ()]
    return None
