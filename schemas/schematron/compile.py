"""Turns a schema into the source of one Python module.

The module holds a function for each rule, a function for each match pattern with predicates, and a table that says, for
each pattern of the schema, which rules come first and what places in a document they apply to. Where an element stands
is compared once per place and document by `program`; only predicates are left to be asked of each element.

Variables of a rule and of a function are computed when first needed, because one may hold an error that no assertion
ever comes to: a date that is empty is no date, whatever its year would be. SaxonC does the same until it has called a
function some times; from then on it computes at once what it has seen used, and a document that it has judged before
ends in an error. The verdict on a document may not depend on those before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from schemas.schematron import naming, quiet
from schemas.schematron.code import TEXTS, Card, Code, Kind, Scope, free, sequence_type, settled
from schemas.schematron.coder import TOP, Coder, Signature, as_list, conjuncts
from schemas.schematron.expression import (
    Binary,
    Expression,
    Literal,
    Name,
    Path,
    Refused,
    Root,
    Step,
    Test,
    Variable,
    alternatives,
)
from schemas.schematron.quiet import Paths
from schemas.schematron.schema import Assertion, Function, Let, Pattern, Rule, Schema

_MEMO = re.compile(r"\bmemo\((s|CODES), M(\d+), \2\)")
"""How the coder asks for what is computed once; a run looks it up itself, which is quicker than a call."""

_ANYWHERE = Step("descendant-or-self", Test("node"))
_ELEMENT = Code("n", Kind.NODE, Card.ONE, element=True)
_DOCUMENT = Code("n", Kind.NODE, Card.ONE)


@dataclass(frozen=True, slots=True)
class Module:
    """A compiled schema."""

    source: str
    documents: tuple[tuple[str, str], ...]
    """Names in the module that have to be set to trees, and the files beside the artefact they are read from."""


def compile_schema(schema: Schema) -> Module:
    """The schema as Python. Raises Refused, with the line, where it says something that is not known here."""
    module = Compiler(schema).module()
    return replace(module, source=_MEMO.sub(r"\1[\2]", module.source))


@contextmanager
def at_line(line: int) -> Iterator[None]:
    """Names the line of the artefact in a refusal."""
    try:
        yield
    except Refused as refused:
        raise Refused(f"line {line}: {refused}") from None


class Compiler:
    """One schema being compiled."""

    element, document = _ELEMENT, _DOCUMENT
    """What a rule is asked of."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.coder = Coder()
        self.blocks: list[str] = []
        self.assertions: list[str] = []
        self.conditions: dict[str, str] = {}
        self.asked: dict[str, list[_Key]] = {}
        """Function of the conditions on a node → what they want some of its values to be."""
        self.starts: list[int] = []
        """The number of the first assertion of each pattern."""

    def module(self) -> Module:
        """The whole source."""
        coder = self.coder
        for function in self.schema.functions:
            python = coder.fresh("f")
            coder.signatures[function.name] = Signature(
                python, tuple(each.type for each in function.parameters), function.returns
            )
        for let in self.schema.variables:
            with at_line(let.line):
                code = coder.items(let.value, Scope(Code("s.root", Kind.NODE, Card.ONE)))
                coder.globals[let.name] = replace(code, source=coder.memo(code.source))
        for function in self.schema.functions:
            with at_line(function.line):
                self.function(function)
        patterns = [self.pattern(pattern) for pattern in self.schema.patterns]
        table = "\n".join(f"    ({' '.join(entry for rule in rules for entry in rule)})," for rules in patterns)
        tags = [f"{name} = intern({tag!r})" for tag, name in coder.tags.items()]
        constants = [f"{name} = {source}" for source, name in coder.constants.items()]
        memos = [f"M{number} = lambda s: {source}" for source, number in coder.memos.items()]
        memos.append(f"MEMOS = ({''.join(f'M{number}, ' for number in coder.memos.values())})")
        memos += [f"J{number} = lambda n, s: {source}" for source, number in coder.keys.items()]
        assertions = "\n".join(f"    {each}," for each in self.assertions)
        source = "\n".join(
            [
                *tags,
                *constants,
                *memos,
                *self.blocks,
                f"KEYS = {{{self.switch()}}}",
                f"ASSERTIONS = (\n{assertions}\n)",
                f"PATTERNS = (\n{table}\n)",
                f"STARTS = {tuple(self.starts)!r}",
                "",
            ]
        )
        return Module(source, tuple((name, file) for file, name in coder.documents.items()))

    # --- functions -------------------------------------------------------------------------------------------------

    def function(self, function: Function) -> None:
        """A function of the artefact."""
        signature = self.coder.signatures[function.name]
        variables, names = {}, ["s"]
        for parameter in function.parameters:
            kind, card, element = sequence_type(parameter.type)
            names.append(self.coder.fresh("a"))
            variables[parameter.name] = Code(names[-1], kind, card, element)
        scope, lines = Scope(None, variables), []
        for place, (let, declared) in enumerate(zip(function.variables, function.types, strict=True)):
            code = self.coder.items(let.value, scope)
            if declared:
                code = self.coder.converted(code, declared)
            later = [each.value for each in function.variables[place + 1 :]]
            uses = sum(_uses(each, let.name) for each in (*later, function.result))
            if uses > 1:
                own: list[str] = []
                code = self.lazy(code, own)
                lines += [f"    {line}" for line in own]
            scope = replace(scope, variables={**scope.variables, let.name: code})
        result = self.coder.converted(self.coder.items(function.result, scope), function.returns)
        self.blocks.append(
            "\n".join([f"def {signature.python}({', '.join(names)}):", *lines, f"    return {result.source}"])
        )

    # --- rules -----------------------------------------------------------------------------------------------------

    def pattern(self, pattern: Pattern) -> list[list[str]]:
        """The entries of the rules of a pattern."""
        self.starts.append(len(self.assertions))
        return [self.rule(rule) for rule in pattern.rules]

    def rule(self, rule: Rule) -> list[str]:
        """The function of a rule, and its entries in the table: one for each alternative of its context."""
        with at_line(rule.line):
            choices = alternatives(rule.context)
            document = [choice for choice in choices if isinstance(choice, Root)]
            top = all(map(_is_top, choices))
            name = self.body(rule, _DOCUMENT if document else TOP if top else _ELEMENT)
            return [f"({self.place(choice)}, {name}, {rule.goes_on})," for choice in choices]

    def body(self, rule: Rule, focus: Code) -> str:
        """What applies a rule to a node, as Python: the function of the assertions that are always asked, and those of
        the others by the paths that they need; "None" where the rule asserts nothing."""
        variables = self.variables(rule, focus)
        scope = Scope(focus, {name: code for name, (code, _) in variables.items()})
        lets = {part.name: part.value for part in rule.body if isinstance(part, Let)}
        grouped: dict[Paths | None, list[Assertion]] = {}
        tests: dict[Paths | None, list[str]] = {}
        for part in rule.body:
            if isinstance(part, Assertion):
                paths = quiet.truth(part.test, not part.fires_when, lets)
                with at_line(part.line):
                    tests.setdefault(paths, []).extend(self.assertion(part, scope))
                grouped.setdefault(paths, []).append(part)
        if not grouped:
            return "None"
        always = "None"
        sleepers: dict[Paths, str] = {}
        for paths, lines in tests.items():
            used = needed(grouped[paths], lets)
            before = [line for name, (_, made) in variables.items() if name in used for line in made]
            name = self.coder.fresh("r")
            if paths is None:
                always = name
            else:
                sleepers[paths] = name
            self.blocks.append("\n".join([f"def {name}(n, s):", *(f"    {line}" for line in (*before, *lines))]))
        return f"({always}, {self.index(sleepers)})"

    def variables(self, rule: Rule, focus: Code) -> dict[Name, tuple[Code, list[str]]]:
        """The variables of a rule: how they are named, and the lines that make them."""
        found: dict[Name, tuple[Code, list[str]]] = {}
        for part in rule.body:
            if isinstance(part, Let):
                with at_line(part.line):
                    lines: list[str] = []
                    known = {name: code for name, (code, _) in found.items()}
                    code = self.lazy(self.coder.items(part.value, Scope(focus, known)), lines)
                    found[part.name] = (code, lines)
        return found

    def index(self, functions: Mapping[Paths, str]) -> str:
        """Functions by the paths that each needs one of, name below name, as Python."""
        top: _Index = ({}, [])
        for paths, function in functions.items():
            for path in paths:
                at = top
                for name in path:
                    at = at[0].setdefault(self.coder.tags[name], ({}, []))
                at[1].append(function)
        return _written(top[0])

    def lazy(self, code: Code, lines: list[str]) -> Code:
        """A variable that is computed when first used."""
        if code.source.startswith("memo(") or code.source.isidentifier():
            return code
        name = self.coder.fresh("v")
        lines += [
            f"{name}_ = UNSET",
            f"def {name}():",
            f"    nonlocal {name}_",
            f"    if {name}_ is UNSET:",
            f"        {name}_ = {code.source}",
            f"    return {name}_",
        ]
        return replace(code, source=f"{name}()")

    def assertion(self, assertion: Assertion, scope: Scope) -> list[str]:
        """The lines that test an assertion."""
        number = len(self.assertions)
        constant = all(isinstance(part, str) for part in assertion.message)
        text = " ".join("".join(str(part) for part in assertion.message).split()) if constant else None
        self.assertions.append(repr((assertion.id, assertion.flag, assertion.role, text)))
        test = self.coder.truth(assertion.test, scope)
        message = "" if constant else f", {self.message(assertion, scope)}"
        return [f"if {test if assertion.fires_when else f'not {test}'}:", f"    s.fail({number}, n{message})"]

    def message(self, assertion: Assertion, scope: Scope) -> str:
        """The text of a message with what is computed in it."""
        parts = []
        for part in assertion.message:
            if isinstance(part, str):
                parts.append(repr(part))
            else:
                code = self.coder.items(part, scope)
                parts.append(f"strings({as_list(code)})")
        return f"' '.join(({' + '.join(parts)}).split())"

    # --- match patterns --------------------------------------------------------------------------------------------

    def place(self, choice: Expression) -> str:
        """One alternative of a match pattern as an entry of the table: its steps from the node upward, whether they
        begin at the document, the function that asks those of its predicates that names decide, and the one that asks
        the others (None: it has none)."""
        if isinstance(choice, Root):
            return "(), True, None, None"
        steps = list(choice.steps if isinstance(choice, Path) else (choice,))
        anchored = isinstance(steps[0], Root) and steps[1] != _ANYWHERE
        if isinstance(steps[0], Root):
            steps = steps[1:] if anchored else steps[2:]
        above: list[tuple[str, str, bool]] = []
        conditions: list[tuple[str, bool]] = []
        keys: list[_Key] = []
        loose, owner = False, "n"
        for step in reversed(steps):
            if step == _ANYWHERE:
                loose = True
                continue
            if not isinstance(step, Step) or step.axis != "child" or step.test.kind != "name":
                raise Refused("a match pattern with a step that is no child element")
            if step.predicates and (loose or any(gap for _, _, gap in above)):
                raise Refused("a match pattern with a predicate above //")
            above.append((step.test.space, step.test.local, loose))
            conditions += self.predicates(step, owner)
            if owner == "n":
                keys += self.keys(step)
            loose, owner = False, f"{owner}.parent"
        named = self.condition([source for source, by_names in conditions if by_names])
        others = self.condition([source for source, by_names in conditions if not by_names])
        if others != "None":
            self.asked[others] = keys
        return f"{tuple(above)!r}, {anchored}, {named}, {others}"

    def predicates(self, step: Step, owner: str) -> Iterator[tuple[str, bool]]:
        """The predicates of one step of a match pattern as conditions on the node it stands for, and whether names
        decide them."""
        scope = Scope(Code(owner, Kind.NODE, Card.ONE, element=True))
        for place, predicate in enumerate(step.predicates):
            if self.is_place(predicate):
                if place or "*" in (step.test.space, step.test.local):
                    raise Refused("a match pattern with a place after another predicate")
                yield f"is_at({owner}, {int(predicate.value) - 1})", False  # type: ignore[union-attr]
                continue
            self.coder.refuse_place(predicate, scope)
            for part in conjuncts(predicate):
                yield self.coder.truth(part, scope), naming.by_names(part)

    def keys(self, step: Step) -> Iterator[_Key]:
        """What a step of a match pattern wants the values of its node to be: each as the number of the function that
        gives the values, and the one that must be among them. What ends in an error is not there. What names decide
        is no part of the function that asks the other predicates, which steps of other names may share."""
        scope = Scope(_ELEMENT)
        for part in (part for predicate in step.predicates for part in conjuncts(predicate)):
            if naming.by_names(part):
                continue
            match part:
                case Binary("=", key, Literal(str() as wanted)) if free(key) == {"."}:
                    code = self.coder.values(key, scope, unordered=True)
                    if code.kind in TEXTS:
                        source = settled(as_list(code))
                        yield self.coder.keys.setdefault(source, len(self.coder.keys)), wanted

    def switch(self) -> str:
        """For functions of conditions the value that tells most nodes apart, as Python."""
        values: dict[int, set[str]] = {}
        for number, wanted in (key for keys in self.asked.values() for key in keys):
            values.setdefault(number, set()).add(wanted)
        best = {name: max(keys, key=lambda key: len(values[key[0]])) for name, keys in self.asked.items() if keys}
        return "".join(f"{name}: (J{number}, {wanted!r}), " for name, (number, wanted) in best.items())

    @staticmethod
    def is_place(predicate: Expression) -> bool:
        """Whether a predicate is a literal number."""
        return isinstance(getattr(predicate, "value", None), int)

    def condition(self, conditions: list[str]) -> str:
        """The function that asks conditions of a node. An error in a match pattern is no match."""
        if not conditions:
            return "None"
        source = " and ".join(f"({each})" for each in conditions)
        if source not in self.conditions:
            self.conditions[source] = name = self.coder.fresh("c")
            lines = ["    try:", f"        return {source}", "    except DynamicError:", "        return False"]
            self.blocks.append("\n".join([f"def {name}(n, s):", *lines]))
        return self.conditions[source]


def _is_top(choice: Expression) -> bool:
    """Whether an alternative of a match pattern lets through root elements only."""
    return isinstance(choice, Path) and len(choice.steps) == 2 and isinstance(choice.steps[0], Root)


_Key = tuple[int, str]

_Index = tuple[dict[str, Any], list[str]]
"""Further names, and the functions that need the path up to here."""


def _written(index: Mapping[str, _Index]) -> str:
    """An index as Python."""
    entries = (
        f"{name}: (({''.join(f'{each}, ' for each in found)}), {_written(below)})"
        for name, (below, found) in index.items()
    )
    return f"{{{', '.join(entries)}}}"


def needed(assertions: Iterable[Assertion], lets: Mapping[Name, Expression]) -> set[Name]:
    """The variables of a rule that some assertions need, also by way of others."""
    waiting: list[Expression] = []
    for assertion in assertions:
        waiting += [assertion.test, *(part for part in assertion.message if not isinstance(part, str))]
    needed: set[Name] = set()
    while waiting:
        names = {name for name in free(waiting.pop()) if isinstance(name, Name) and name in lets} - needed
        needed |= names
        waiting += [lets[name] for name in names]
    return needed


def _uses(expression: object, name: Name) -> int:
    """How often an expression names a variable."""
    if isinstance(expression, Variable):
        return int(expression.name == name)
    if isinstance(expression, tuple):
        return sum(_uses(each, name) for each in expression)
    if is_dataclass(expression):
        return sum(_uses(getattr(expression, field.name), name) for field in fields(expression))
    return 0
