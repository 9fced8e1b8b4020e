"""Turns an XPath expression into a Python expression with the same value.

Three questions are asked of an expression: its items (`items`), the values of its items (`values`), and whether it is
true (`truth`). Each has its own code, because a rule hardly ever needs the nodes it names: it needs to know whether
there are any, or what is written in them. What depends on the document alone is computed once per document, wherever
it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from schemas.schematron import functions, joins, operators
from schemas.schematron.code import (
    NUMBERS,
    TEXTS,
    Card,
    Code,
    Kind,
    Scope,
    any_of,
    at_most_one,
    free,
    is_light,
    mentions,
    sequence_type,
    settled,
    union,
)
from schemas.schematron.expression import (
    FN,
    XS,
    Binary,
    Call,
    Cast,
    Context,
    Expression,
    Filter,
    For,
    If,
    Literal,
    Minus,
    Name,
    Path,
    Quantified,
    Refused,
    Root,
    Sequence,
    Step,
    Test,
    Variable,
)
from schemas.schematron.walk import Walk, axis


class _Tags(dict[str, str]):
    """The names under which generated code knows the tags of elements and attributes."""

    def __missing__(self, tag: str) -> str:
        self[tag] = name = f"T{len(self)}"
        return name


TOP = Code("s.top", Kind.NODE, Card.ONE, element=True)
"""The root element as the context of a rule: what needs nothing else needs the document alone."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function of the artefact as its callers see it."""

    python: str
    parameters: tuple[str, ...]
    returns: str


class Coder:
    """Compiles the expressions of one artefact, and keeps what they share."""

    def __init__(self) -> None:
        self.tags = _Tags()
        self.constants: dict[str, str] = {}
        """Python source of a constant → its name."""
        self.documents: dict[str, str] = {}
        """File beside the artefact → the name of its tree."""
        self.signatures: dict[Name, Signature] = {}
        self.globals: dict[Name, Code] = {}
        self.memos: dict[str, int] = {}
        """Python source that needs the document alone → its number."""
        self.keys: dict[str, int] = {}
        """Python source of the values that a join finds nodes by → its number."""
        self.counter = 0

    def fresh(self, letter: str = "x") -> str:
        """A name no other generated code uses."""
        self.counter += 1
        return f"{letter}{self.counter}"

    def constant(self, source: str) -> str:
        """A value that is made once, when the program is loaded."""
        return self.constants.setdefault(source, f"K{len(self.constants)}")

    # --- the three questions ---------------------------------------------------------------------------------------

    def items(self, expression: Expression, scope: Scope) -> Code:
        """The items of an expression."""
        code = self._items(expression, scope)
        return self._once(code, expression, scope)

    def values(self, expression: Expression, scope: Scope, *, unordered: bool = False) -> Code:
        """The items atomised. `unordered`: neither their order nor twins matter to the caller."""
        return self._once(self._values(expression, scope, unordered), expression, scope)

    def truth(self, expression: Expression, scope: Scope) -> str:
        """Python that is true or false as the effective boolean value is."""
        source = self._truth(expression, scope)
        return self._once(Code(source, Kind.BOOLEAN, Card.ONE), expression, scope).source

    def _once(self, code: Code, expression: Expression, scope: Scope) -> Code:
        """The same, computed once per document, where nothing but the document is needed and there is work to do."""
        if isinstance(expression, Literal | Variable | Root | Context) or scope.foreign:
            return code
        if not self._closed(expression, scope):
            return code
        if (
            code.source.startswith(("memo(", "D"))
            or is_light(code.source)
            or not (mentions(expression, Root) or self._reads(expression))
        ):
            return code
        of_document = "." in free(expression) or mentions(expression, Root | Variable)
        return replace(code, source=self.memo(code.source, "s" if of_document else "CODES"))

    def memo(self, source: str, owner: str = "s") -> str:
        """Python that computes another piece once: per document (`s`) or, of code lists, per program (`CODES`)."""
        number = self.memos.setdefault(settled(source), len(self.memos))
        return f"memo({owner}, M{number}, {number})"

    def _closed(self, expression: Expression, scope: Scope) -> bool:
        """Whether an expression needs nothing but the document and the code lists."""
        needed = free(expression) - self._known(scope)
        return needed <= {"."} if scope.focus == TOP else not needed

    def _known(self, scope: Scope) -> frozenset[Name | str]:
        """The variables that are the same wherever in a document they are asked for."""
        return frozenset(
            [*self.globals, *(name for name, code in scope.variables.items() if code.source.startswith("memo("))]
        )

    def _reads(self, expression: Expression) -> bool:
        """Whether an expression takes anything from a document or a code list at all."""
        return bool(free(expression)) or (mentions(expression, Call) and "'document'" in repr(expression))

    # --- items -----------------------------------------------------------------------------------------------------

    def _items(self, expression: Expression, scope: Scope) -> Code:
        match expression:
            case Literal(value):
                return self._literal(value)
            case Variable(name):
                if name in scope.variables:
                    return scope.variables[name]
                if name in self.globals:
                    return self.globals[name]
                raise Refused(f"the variable ${name} is not known here")
            case Context():
                return self.focus(scope)
            case Root() | Step() | Path() | Filter():
                walk = self.walk(expression, scope)
                return Code(walk.items(), walk.kind, walk.card, walk.element)
            case Sequence(items):
                return self._sequence(items, scope)
            case Binary():
                return operators.binary(self, expression, scope)
            case Minus(operand):
                number = self.number(operand, scope)
                return Code(f"negative({number.source})", number.kind, number.card)
            case If(test, then, otherwise):
                first, second = self.items(then, scope), self.items(otherwise, scope)
                return self._either(self.truth(test, scope), first, second)
            case For(bindings, body):
                return self._for(bindings, body, scope)
            case Quantified():
                return Code(self.truth(expression, scope), Kind.BOOLEAN, Card.ONE)
            case Call(name, arguments):
                return self._call(name, arguments, scope)
            case Cast(operand, kind, optional, only_ask):
                return self._cast(operand, kind, optional, only_ask, scope)

    def _literal(self, value: str | int | Decimal | float) -> Code:
        if isinstance(value, str):
            return Code(repr(value), Kind.STRING, Card.ONE)
        if isinstance(value, Decimal):
            return Code(self.constant(f"Decimal({str(value)!r})"), Kind.DECIMAL, Card.ONE)
        return Code(repr(value), Kind.INTEGER if isinstance(value, int) else Kind.DOUBLE, Card.ONE)

    def focus(self, scope: Scope) -> Code:
        """The context item."""
        if scope.focus is None:
            raise Refused("the context item where there is none")
        return scope.focus

    def _sequence(self, items: tuple[Expression, ...], scope: Scope) -> Code:
        if not items:
            return Code("()", Kind.ATOMIC, Card.MANY)
        codes = [self.items(item, scope) for item in items]
        kind = codes[0].kind
        for code in codes[1:]:
            kind = union(kind, code.kind)
        parts = [
            f"*{as_list(self.widened(code, kind))}" if code.card is not Card.ONE else self.widened(code, kind).source
            for code in codes
        ]
        return Code(f"({', '.join(parts)},)", kind, Card.MANY)

    def widened(self, code: Code, kind: Kind) -> Code:
        """The same items where only a wider kind is known: values of the document become Untyped."""
        if code.kind is not Kind.UNTYPED or kind not in (Kind.ATOMIC, Kind.ITEM):
            return replace(code, kind=kind)
        if code.card is Card.ONE:
            source = f"Untyped({code.source})"
        elif code.card is Card.OPTIONAL:
            source = f"maybe(Untyped, {code.source})"
        else:
            source = f"[Untyped(each) for each in {code.source}]"
        return Code(source, kind, code.card)

    def _either(self, test: str, first: Code, second: Code) -> Code:
        kind, card = union(first.kind, second.kind), max(first.card, second.card)
        if first.card is Card.MANY and first.source == "()":
            kind = second.kind
        if second.card is Card.MANY and second.source == "()":
            kind = first.kind
        sources = [
            as_list(self.widened(code, kind)) if card is Card.MANY else self.widened(code, kind).source
            for code in (first, second)
        ]
        return Code(f"({sources[0]} if {test} else {sources[1]})", kind, card)

    def _loops(self, expression: For | Quantified, scope: Scope) -> tuple[str, Scope, bool]:
        """The clauses of the bindings, the scope inside, and whether there is exactly one turn."""
        clauses, once = [], True
        for binding in expression.bindings:
            source, var = self.items(binding.source, scope), self.fresh("v")
            clauses.append(f"for {var} in {as_list(source)}")
            once = once and source.card is Card.ONE
            inner = {**scope.variables, binding.name: Code(var, source.kind, Card.ONE, source.element)}
            scope = replace(scope, variables=inner)
        return " ".join(clauses), scope, once

    def _for(self, bindings: tuple[object, ...], body: Expression, scope: Scope) -> Code:
        loops, inner, once = self._loops(For(bindings, body), scope)  # type: ignore[arg-type]
        code = self.items(body, inner)
        if code.card is Card.ONE:
            made = f"[{code.source} {loops}]"
            return Code(f"{made}[0]", code.kind, Card.ONE) if once else Code(made, code.kind, Card.MANY)
        var = self.fresh("v")
        made = f"[{var} {loops} for {var} in {as_list(code)}]"
        if once and code.card is Card.OPTIONAL:
            return Code(f"first({made})", code.kind, Card.OPTIONAL)
        return Code(made, code.kind, Card.MANY)

    def _call(self, name: Name, arguments: tuple[Expression, ...], scope: Scope) -> Code:
        if name.space == XS:
            if len(arguments) != 1:
                raise Refused(f"{name} with {len(arguments)} arguments")
            return self._cast(arguments[0], name, True, False, scope)
        if name.space == FN:
            return functions.call(self, name.local, arguments, scope)
        signature = self.signatures.get(name)
        if signature is None or len(signature.parameters) != len(arguments):
            raise Refused(f"the function {name} with {len(arguments)} arguments is not known")
        passed = [
            self.converted(self.items(each, scope), type_).source
            for each, type_ in zip(arguments, signature.parameters, strict=True)
        ]
        kind, card, element = sequence_type(signature.returns)
        return Code(f"{signature.python}({', '.join(['s', *passed])})", kind, card, element)

    def _cast(self, operand: Expression, name: Name, optional: bool, only_ask: bool, scope: Scope) -> Code:
        made = {
            "decimal": ("decimal_of", "as_decimal", Kind.DECIMAL),
            "double": ("double_of", "as_double", Kind.DOUBLE),
            "integer": ("integer_of", "as_integer", Kind.INTEGER),
            "boolean": ("boolean_of", "as_boolean", Kind.BOOLEAN),
            "date": ("date_of", "as_date", Kind.DATE),
            "string": ("str", "string", Kind.STRING),
        }.get(name.local if name.space == XS else "")
        if made is None or only_ask:
            raise Refused(f"a cast to {name}" if not only_ask else "castable as")
        of_text, of_any, kind = made
        code = self.one_value(operand, scope)
        if not optional and code.card is Card.OPTIONAL:
            code = replace(code, source=f"exactly_one({code.source})", card=Card.ONE)
        if code.kind is kind:
            return code
        if code.kind is Kind.INTEGER and kind is Kind.DECIMAL and code.card is Card.ONE:
            exact = f"Decimal({code.source})"
            return Code(self.constant(exact) if code.source.isdigit() else exact, kind, Card.ONE)
        function = of_text if code.kind in TEXTS else of_any
        if code.card is Card.ONE:
            return Code(f"{function}({code.source})", kind, Card.ONE)
        return Code(f"maybe({function}, {code.source})", kind, Card.OPTIONAL)

    # --- paths -----------------------------------------------------------------------------------------------------

    def walk(self, expression: Expression, scope: Scope) -> Walk:
        """A path, or an expression that begins one, as a walk."""
        steps = expression.steps if isinstance(expression, Path) else (expression,)
        closed = 0
        if (isinstance(steps[0], Root) or _is_document(steps[0]) or scope.focus == TOP) and not scope.foreign:
            while closed < len(steps) and self._closed(Path(steps[: closed + 1]), scope):
                closed += 1
        if closed == len(steps):
            closed = next((place for place, step in enumerate(steps) if _is_asked(step)), closed)
        if 1 < closed < len(steps):
            walk, rest = self._continued(steps, closed, scope)
        else:
            walk, rest = self._begin(steps[0], scope), steps[1:]
        place = 0
        while place < len(rest):
            place += self._step(walk, rest, place, scope)
        return walk

    def _continued(
        self, steps: tuple[Expression, ...], closed: int, scope: Scope
    ) -> tuple[Walk, tuple[Expression, ...]]:
        """A walk that begins where the part of a path ends that is computed once, and the steps left to take.

        Of the step after that part, what needs nothing from outside belongs to it too: its name, and its first
        predicates up to the one that does.
        """
        head, rest = steps[:closed], steps[closed:]
        open_: tuple[Expression, ...] = ()
        step = rest[0]
        if isinstance(step, Step) and step.axis in ("child", "descendant"):
            parts = tuple(part for predicate in step.predicates for part in conjuncts(predicate))
            ready = 0
            while ready < len(parts) and not (free(parts[ready]) - {"."} - self._known(scope)):
                ready += 1
            if ready == len(parts):
                ready = 0
            if not any(map(_is_place, parts[ready:])):
                head, rest, open_ = (*head, replace(step, predicates=parts[:ready])), rest[1:], parts[ready:]
        walk = self._begin_with(self.items(Path(head), scope), scope, foreign=_is_document(steps[0]))
        self._predicates(walk, open_, scope)
        return walk, rest

    def _begin(self, step: Expression, scope: Scope) -> Walk:
        if isinstance(step, Root):
            if scope.foreign:
                raise Refused("an absolute path inside a code list")
            return Walk("s.root", Kind.NODE, self.fresh, element=False)
        if isinstance(step, Step):
            focus = self.focus(scope)
            if focus.kind is not Kind.NODE:
                raise Refused("a step from something that may be no node")
            walk = Walk(focus.source, Kind.NODE, self.fresh, element=focus.element, foreign=scope.foreign)
            self._step(walk, (step,), 0, scope)
            return walk
        base, predicates = (step.base, step.predicates) if isinstance(step, Filter) else (step, ())
        walk = self._begin_with(self.items(base, scope), scope, foreign=_is_document(base))
        self._predicates(walk, predicates, scope)
        return walk

    def _begin_with(self, code: Code, scope: Scope, *, foreign: bool = False) -> Walk:
        foreign = foreign or scope.foreign
        if code.card is Card.ONE and code.source.isidentifier():
            return Walk(code.source, code.kind, self.fresh, element=code.element, foreign=foreign)
        walk = Walk("", code.kind, self.fresh, element=code.element, foreign=foreign)
        walk.over(as_list(code), self.fresh())
        walk.flat = code.card is not Card.MANY
        return walk

    def _step(self, walk: Walk, steps: tuple[Expression, ...], place: int, scope: Scope) -> int:
        """Take one step of a path, or two that belong together; how many."""
        step = steps[place]
        last = place == len(steps) - 1
        if walk.attribute or walk.mapped:
            raise Refused("a path that goes on after an attribute or a value")
        if not isinstance(step, Step):
            self._map(walk, step, scope, last=last)
            return 1
        taken = 1
        if step == Step("descendant-or-self", Test("node")) and not last:
            after = steps[place + 1]
            if isinstance(after, Step) and after.axis == "child" and not any(map(_is_place, after.predicates)):
                step, taken = Step("descendant", after.test, after.predicates), 2
        positional = any(map(_is_place, step.predicates))
        if positional and step.axis in ("ancestor", "ancestor-or-self", "preceding", "preceding-sibling"):
            raise Refused(f"a place on the axis {step.axis}")
        axis(walk, step.axis, step.test, self.fresh(), self.tags)
        if step.predicates:
            walk.open_attribute()
        self._predicates(walk, step.predicates, scope)
        return taken

    def _map(self, walk: Walk, step: Expression, scope: Scope, *, last: bool) -> None:
        """A step that is any expression: evaluated for each item."""
        if not walk.ordered:
            walk.restart()
        alone = walk.single
        if alone and not walk.var.isidentifier():
            walk.looped()
        focus = Code(walk.var, walk.kind, Card.ONE, walk.element)
        base, predicates = (step.base, step.predicates) if isinstance(step, Filter) else (step, ())
        code = self.items(base, replace(scope, focus=focus, foreign=walk.foreign))
        if code.kind is not Kind.NODE and not last:
            raise Refused("a path that goes on after a value")
        walk.kind = code.kind
        if code.card is Card.ONE and not predicates and code.kind is not Kind.NODE:
            walk.mapped = code.source
            return
        walk.over(as_list(code), self.fresh())
        walk.element = code.element
        if code.kind is Kind.NODE:
            walk.ordered, walk.flat = alone, False
        self._predicates(walk, predicates, scope)

    def _predicates(self, walk: Walk, predicates: tuple[Expression, ...], scope: Scope) -> None:
        for number, predicate in enumerate(predicates, 1):
            if _is_place(predicate):
                assert isinstance(predicate, Literal)
                walk.at(int(predicate.value))
                continue
            walk.looped()
            focus = Code(walk.var, walk.kind, Card.ONE, walk.element)
            inner = replace(scope, focus=focus, foreign=walk.foreign)
            placed = any(map(_is_place, predicates[number:]))
            for part in conjuncts(predicate):
                self.refuse_place(part, inner)
                if not joins.narrow(self, walk, part, inner, placed=placed):
                    walk.where(self.truth(part, inner))

    def refuse_place(self, predicate: Expression, scope: Scope) -> None:
        """Raises Refused where a predicate may be a number, and so a place, that only the document tells."""
        if not isinstance(predicate, Variable | Call | Binary | If | Filter | Path | Minus | For | Cast):
            return
        kind = self.items(predicate, scope).kind
        if kind in NUMBERS or kind in (Kind.ATOMIC, Kind.ITEM):
            raise Refused("a predicate that may be a computed place")

    # --- values ----------------------------------------------------------------------------------------------------

    def _values(self, expression: Expression, scope: Scope, unordered: bool) -> Code:
        if isinstance(expression, Root | Step | Path | Filter):
            walk = self.walk(expression, scope)
            if walk.kind is Kind.NODE:
                source, card = walk.unordered_texts() if unordered else walk.texts()
                return Code(source, Kind.UNTYPED, card)
            return self.atomised(Code(walk.items(), walk.kind, walk.card))
        if unordered and isinstance(expression, Binary) and expression.operator == "|":
            parts = [self._values(each, scope, True) for each in (expression.left, expression.right)]
            return Code(f"[{', '.join(f'*{as_list(part)}' for part in parts)}]", Kind.UNTYPED, Card.MANY)
        return self.atomised(self.items(expression, scope))

    def atomised(self, code: Code) -> Code:
        """The values of items that are at hand."""
        if code.kind not in (Kind.NODE, Kind.ITEM):
            return code
        if code.kind is Kind.ITEM:
            function = "atomised" if code.card is Card.MANY else "atom"
            return Code(f"{function}({code.source})", Kind.ATOMIC, code.card)
        if code.card is Card.ONE:
            return Code(f"{code.source}.text", Kind.UNTYPED, code.card)
        if code.card is Card.OPTIONAL:
            return Code(f"text_of({code.source})", Kind.UNTYPED, code.card)
        return Code(f"[each.text for each in {code.source}]", Kind.UNTYPED, code.card)

    def one_value(self, expression: Expression, scope: Scope) -> Code:
        """The value where at most one may stand."""
        if isinstance(expression, Step) and expression.axis == "child" and not expression.predicates:
            test, focus = expression.test, self.focus(scope)
            if focus.kind is Kind.NODE and test.kind == "name" and "*" not in (test.space, test.local):
                name = self.tags[f"{test.space} {test.local}" if test.space else test.local]
                return Code(f"child_text({focus.source}, {name})", Kind.UNTYPED, Card.OPTIONAL)
        code = self.values(expression, scope)
        if code.card is Card.MANY:
            return Code(at_most_one(code.source), code.kind, Card.OPTIONAL)
        return code

    def text(self, expression: Expression, scope: Scope) -> Code:
        """The value where xs:string? is wanted."""
        code = self.one_value(expression, scope)
        if code.kind in TEXTS:
            return code
        if code.kind in (Kind.ATOMIC,):
            return Code(f"text_value({code.source})", Kind.STRING, Card.OPTIONAL)
        raise Refused(f"a value of kind {code.kind} where a string is wanted")

    def number(self, expression: Expression, scope: Scope) -> Code:
        """The value where a number is wanted: what the document gave is taken as xs:double."""
        code = self.one_value(expression, scope)
        if code.kind in NUMBERS:
            return code
        if code.kind is Kind.UNTYPED:
            made = f"double_of({code.source})" if code.card is Card.ONE else f"maybe(double_of, {code.source})"
            return Code(made, Kind.DOUBLE, code.card)
        if code.kind is Kind.ATOMIC:
            return Code(code.source, Kind.NUMBER, Card.OPTIONAL)
        raise Refused(f"a value of kind {code.kind} where a number is wanted")

    def converted(self, code: Code, declared: str) -> Code:
        """Items as a declared sequence type takes them. Raises Refused where that is not known to be right."""
        kind, card, _ = sequence_type(declared)
        if kind is Kind.STRING:
            code = self.atomised(code)
            if code.kind is Kind.ATOMIC:
                code = Code(f"text_value({one(code)})", Kind.STRING, Card.OPTIONAL)
            if code.kind not in TEXTS:
                raise Refused(f"a value of kind {code.kind} passed as {declared}")
        elif kind is not Kind.ITEM and kind is not code.kind:
            raise Refused(f"a value of kind {code.kind} passed as {declared}")
        if card is Card.MANY:
            return Code(as_list(code), kind, card)
        source = one(code)
        if card is Card.ONE and code.card is not Card.ONE:
            source = f"exactly_one({source})"
        return Code(source, kind, card)

    # --- truth -----------------------------------------------------------------------------------------------------

    def _truth(self, expression: Expression, scope: Scope) -> str:
        match expression:
            case Binary("or" | "and" as operator, left, right):
                return f"({self.truth(left, scope)} {operator} {self.truth(right, scope)})"
            case Binary("|", left, right):
                return f"({self.truth(left, scope)} or {self.truth(right, scope)})"
            case Quantified(every, _, body):
                loops, inner, _ = self._loops(expression, scope)
                source = self.truth(body, inner)
                return f"(not {any_of(f'(not {source})', loops)})" if every else any_of(source, loops)
            case If(test, then, otherwise):
                return f"({self.truth(then, scope)} if {self.truth(test, scope)} else {self.truth(otherwise, scope)})"
            case Path((Binary("|", left, right), *rest)) if all(isinstance(step, Step) for step in rest):
                return self._truth(Binary("|", _then(left, rest), _then(right, rest)), scope)
            case Root() | Step() | Path() | Filter():
                walk = self.walk(expression, scope)
                if walk.kind is Kind.NODE:
                    return walk.exists()
                return truth_of(Code(walk.items(), walk.kind, walk.card))
            case Call(Name(space, local), (argument,)) if space == FN and local in (
                "not",
                "exists",
                "empty",
                "boolean",
            ):
                return functions.asked(self, local, argument, scope)
            case _:
                return truth_of(self.items(expression, scope))


def truth_of(code: Code) -> str:
    """The effective boolean value of items that are at hand."""
    source, kind = code.source, code.kind
    if code.card is Card.MANY:
        return source if kind is Kind.NODE else f"truth({source})"
    if kind is Kind.NODE:
        return f"({source} is not None)" if code.card is Card.OPTIONAL else "True"
    if kind in TEXTS or kind is Kind.BOOLEAN:
        return source
    return f"truth({as_list(code)})"


def as_list(code: Code) -> str:
    """The items as a Python sequence."""
    if code.card is Card.MANY:
        return code.source
    return f"({code.source},)" if code.card is Card.ONE else f"listed({code.source})"


def one(code: Code) -> str:
    """The item where at most one may stand."""
    return at_most_one(code.source) if code.card is Card.MANY else code.source


def _is_place(predicate: Expression) -> bool:
    return isinstance(predicate, Literal) and isinstance(predicate.value, int)


def _then(start: Expression, steps: list[Expression]) -> Expression:
    """A path that goes on from an expression."""
    return Path((*(start.steps if isinstance(start, Path) else (start,)), *steps))


def _is_asked(step: Expression) -> bool:
    """Whether a step lets through some children or descendants by what is in them."""
    return isinstance(step, Step) and step.axis in ("child", "descendant") and bool(step.predicates)


def _is_document(base: Expression) -> bool:
    return isinstance(base, Call) and base.name == Name(FN, "document")


def conjuncts(predicate: Expression) -> list[Expression]:
    """The conditions that a predicate joins by "and"."""
    if isinstance(predicate, Binary) and predicate.operator == "and":
        return [*conjuncts(predicate.left), *conjuncts(predicate.right)]
    return [predicate]
