"""Makes an expression of a rule true, or false, of an element, by changing the document around it.

It works backwards from what is wanted: for a conjunction that must fail one of its parts must fail; for a comparison
two values are chosen that stand as they must, and each is written where its operand reads it, through the functions in
between; a path that must be there is planted, one that must not is taken out. Nothing is proved: choices are drawn, an
operand can undo what another did. Whoever uses it tries many times and looks at what the engines say.
"""

from __future__ import annotations

import random
from decimal import Decimal, InvalidOperation

from lxml import etree

from schemas.schematron.expression import (
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
    Root,
    Sequence,
    Step,
    Variable,
)
from schemas.schematron.schema import Function, Schema
from tests.schemas.mutants import VALUES
from tests.schemas.patterned import written_by
from tests.schemas.spots import Bound, Scope, Spot, below, is_anywhere, is_named, reached, scope_of, tag_of

DEPTH = 24
"""How deep expressions are followed through variables, functions and predicates."""

_ORDER = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "=", "ne": "!="}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_THROUGH = frozenset(
    {"normalize-space", "string", "upper-case", "lower-case", "number", "data", "abs", "round", "translate", "replace",
     "sum", "max", "min", "avg", "tokenize", "distinct-values", "string-join", "zero-or-one", "exactly-one", "decimal",
     "date", "double", "integer", "boolean", "floor", "ceiling"}
)  # fmt: skip
_LIKENESS = frozenset({"contains", "starts-with", "ends-with"})
_TRUTHS = frozenset({"not", "exists", "empty", "matches", "true", "false", *_LIKENESS})
_DATE = "2025-06-15"
_NUMBERS = ("0", "1", "2", "3", "10", "20", "100", "1.5", "-1", "0.01", "12.345", "99.99")


class Solver:
    """One attempt at one document."""

    def __init__(self, dice: random.Random, schema: Schema, context: etree._Element) -> None:
        self.dice = dice
        self.functions: dict[tuple[Name, int], Function] = {
            (each.name, len(each.parameters)): each for each in schema.functions
        }
        self.kept = {context, *context.iterancestors()}
        """What must not be taken out: the element that is meant, and those it stands in."""
        root = Spot(context.getroottree().getroot())
        self.globals = scope_of(schema.variables, root, {})

    def some(self, chance: float) -> bool:
        """Yes, with a probability."""
        return self.dice.random() < chance

    # --- truth -----------------------------------------------------------------------------------------------------

    def holds(self, wish: Expression, at: Spot, scope: Scope, truth: bool, depth: int = DEPTH) -> None:
        """Try to make an expression true or false at a place."""
        if depth <= 0:
            return
        deeper = depth - 1
        match wish:
            case Binary("and" | "or" as operator, left, right):
                parts = (
                    (left, right)
                    if (operator == "and") == truth or self.some(0.15)
                    else (self.dice.choice((left, right)),)
                )
                for part in parts:
                    self.holds(part, at, scope, truth, deeper)
            case Binary("|", left, right):
                for part in (left, right) if not truth else (self.dice.choice((left, right)),):
                    self.holds(part, at, scope, truth, deeper)
            case Binary(operator, left, right) if _ORDER.get(operator, operator) in _OPPOSITE:
                self.compares(_ORDER.get(operator, operator), (left, right), at, scope, truth, deeper)
            case Call():
                self.answers(wish, at, scope, truth, deeper)
            case Quantified() | For():
                self.quantified(wish, at, scope, truth, deeper)
            case If(test, then, otherwise):
                branch = self.some(0.5)
                self.holds(test, at, scope, branch, deeper)
                self.holds(then if branch else otherwise, at, scope, truth, deeper)
            case Variable(name):
                bound = scope.get(name) or self.globals.get(name)
                if bound and bound.expression is not None:
                    self.holds(bound.expression, bound.at, bound.scope, truth, deeper)
                elif bound and not truth:
                    bound.at.write("")
            case Step() | Path() | Filter():
                if truth:
                    self.planted(wish, at, scope, deeper)
                else:
                    self.removed(wish, at, scope, deeper)
            case Cast(operand, _, _, _):
                self.written(operand, at, scope, "20" if truth else "abc", deeper)
            case Sequence(items):
                for item in items:
                    self.holds(item, at, scope, truth, deeper)
            case _:
                self.written(wish, at, scope, "1" if truth else "0", deeper)

    def answers(self, wish: Call, at: Spot, scope: Scope, truth: bool, depth: int) -> None:
        """A function call that must be true or false."""
        arguments = wish.arguments
        function = self.functions.get((wish.name, len(arguments)))
        if function:
            inner = self.inside(function, arguments, at, scope)
            self.holds(function.result, at, inner, truth, depth)
            return
        match wish.name.local:
            case "not" | "empty":
                self.holds(arguments[0], at, scope, not truth, depth)
            case "exists" | "boolean":
                self.holds(arguments[0], at, scope, truth, depth)
            case "matches":
                pattern = self.constant(arguments[1], at, scope, depth)
                text = written_by(self.dice, self.dice.choice(pattern or ["x"])) if truth else self.other("")
                self.written(arguments[0], at, scope, text, depth)
            case local if local in _LIKENESS:
                self.resembles(local, arguments, at, scope, truth, depth)
            case local if local in _THROUGH and arguments:
                if not truth and self.some(0.4):
                    self.holds(arguments[0], at, scope, False, depth)
                else:
                    self.written(
                        wish, at, scope, self.dice.choice(("1", "x")) if truth else self.dice.choice(("", "0")), depth
                    )
            case _:
                self.written(wish, at, scope, "1" if truth else "", depth)

    def resembles(
        self, how: str, arguments: tuple[Expression, ...], at: Spot, scope: Scope, truth: bool, depth: int
    ) -> None:
        """contains, starts-with, ends-with."""
        whole, part = arguments
        wholes, parts = self.constant(whole, at, scope, depth), self.constant(part, at, scope, depth)
        if wholes and not parts:
            tokens = self.dice.choice(wholes).replace("|", " ").split() or [""]
            self.written(part, at, scope, self.dice.choice(tokens) if truth else self.other(tokens[0]), depth)
            return
        text = self.dice.choice(parts) if parts else self.dice.choice(VALUES[:40]).strip() or "7"
        if not parts:
            self.written(part, at, scope, text, depth)
        filler = self.dice.choice(("1", "x", "a b"))
        made = {
            "contains": self.dice.choice((text, filler + text, text + filler, filler + text + filler)),
            "starts-with": text + filler,
            "ends-with": filler + text,
        }[how]
        self.written(whole, at, scope, made if truth else self.other(text), depth)

    def quantified(self, wish: Quantified | For, at: Spot, scope: Scope, truth: bool, depth: int) -> None:
        """some, every, and for."""
        every, body = isinstance(wish, Quantified) and wish.every, wish.body
        inner = dict(scope)
        for binding in wish.bindings:
            name, source = binding.name, binding.source
            if every == truth and self.some(0.3):
                self.removed(source, at, inner, depth)
            spots = self.found(source, at, inner, depth)
            spot = self.dice.choice(spots) if spots and self.some(0.7) else None
            if spot is None and (every != truth or self.some(0.5)):
                spot = self.planted(source, at, inner, depth)
            if spot is None:
                texts = self.constant(source, at, inner, depth)
                if not texts:
                    return
                inner[name] = Bound(Literal(self.dice.choice(texts)), at, {})
            else:
                inner[name] = Bound(None, spot, {})
        self.holds(body, at, inner, truth, depth)

    # --- values ----------------------------------------------------------------------------------------------------

    def compares(
        self, operator: str, sides: tuple[Expression, Expression], at: Spot, scope: Scope, truth: bool, depth: int
    ) -> None:
        """A comparison that must be true or false."""
        left, right = sides
        if not truth and self.some(0.2):
            self.removed(self.dice.choice(sides), at, scope, depth)
            return
        wanted = operator if truth else _OPPOSITE[operator]
        consts = self.constant(right, at, scope, depth)
        if not consts and self.constant(left, at, scope, depth):
            left, right, wanted = right, left, _MIRROR[wanted]
            consts = self.constant(right, at, scope, depth)
        if consts:
            self.written(left, at, scope, self.standing(wanted, self.dice.choice(consts)), depth)
            return
        base = self.dice.choice((self.dice.choice(_NUMBERS), _DATE, self.dice.choice((*VALUES, *_NUMBERS))))
        pair = [(right, base), (left, self.standing(wanted, base))]
        if self.some(0.3):
            pair.reverse()
        if self.some(0.25):
            pair = pair[1:]
        for side, text in pair:
            self.written(side, at, scope, text, depth)

    def standing(self, operator: str, other: str) -> str:
        """A value that stands to another as an operator says."""
        if operator == "=":
            return other
        if other == _DATE:
            return {"<": "2020-01-31", "<=": "2020-01-31"}.get(operator, "2030-12-01")
        try:
            number = Decimal(other)
            step = Decimal(self.dice.choice(("1", "0.01", "2", "10", "1000")))
            if number == number.to_integral() and self.some(0.7):
                step = Decimal(self.dice.choice((1, 1, 2, 20)))
            lower, higher = str(number - step), str(number + step)
        except (InvalidOperation, ValueError):
            lower, higher = "", other + "z"
        match operator:
            case "<" | "<=":
                return lower
            case ">" | ">=":
                return higher
            case _:
                return self.other(other)

    def other(self, text: str) -> str:
        """Any value but this one."""
        drawn = self.dice.choice(
            (*VALUES, *_NUMBERS, " x  y ", "20250230", "19991231", "x" * 130, f"{text} ", f"1{text}", text[:-1])
        )
        return drawn if drawn != text else drawn + "9"

    def constant(self, expression: Expression, at: Spot, scope: Scope, depth: int) -> list[str]:
        """The texts that an expression names, when it reads nothing from the document."""
        if depth <= 0:
            return []
        match expression:
            case Literal(value):
                return [str(value)]
            case Minus(Literal(value)):
                return [f"-{value}"]
            case Sequence(items):
                each = [self.constant(item, at, scope, depth - 1) for item in items]
                return [text for texts in each for text in texts] if all(each) else []
            case Variable(name):
                bound = scope.get(name) or self.globals.get(name)
                if bound and bound.expression is not None:
                    return self.constant(bound.expression, bound.at, bound.scope, depth - 1)
                return []
            case Call(Name(_, "true" | "false" as truth), ()):
                return [truth]
            case Call(Name(_, "tokenize"), (source, *_)):
                return [token for text in self.constant(source, at, scope, depth - 1) for token in text.split()]
            case Call(Name(_, local), (source, *_)) if local in _THROUGH:
                return self.constant(source, at, scope, depth - 1)
            case Call(Name(_, "concat"), parts):
                each = [self.constant(part, at, scope, depth - 1) for part in parts]
                return ["".join(texts[0] for texts in each)] if all(each) else []
            case _:
                return []

    def written(self, target: Expression, at: Spot, scope: Scope, text: str, depth: int) -> None:
        """Try to give an expression a value, by writing what it reads."""
        if depth <= 0:
            return
        deeper = depth - 1
        match target:
            case Context():
                at.write(text)
            case Variable(name):
                bound = scope.get(name) or self.globals.get(name)
                if bound and bound.expression is None:
                    bound.at.write(text)
                elif bound and bound.expression is not None:
                    self.written(bound.expression, bound.at, bound.scope, text, deeper)
            case Step() | Path() | Filter():
                spots = self.found(target, at, scope, deeper) if self.some(0.3) else []
                for spot in spots or [self.planted(target, at, scope, deeper, text)]:
                    if spot is not None:
                        spot.write(text)
            case Call():
                self.given(target, at, scope, text, deeper)
            case Binary("|", left, right):
                self.written(self.dice.choice((left, right)), at, scope, text, deeper)
            case Binary("+" | "-" | "*" | "div" | "idiv" | "mod", _, _):
                self.computed(target, at, scope, text, deeper)
            case Binary() | Quantified():
                self.holds(target, at, scope, text not in ("false", "0", ""), deeper)
            case If(test, then, otherwise):
                branch = self.some(0.5)
                self.holds(test, at, scope, branch, deeper)
                self.written(then if branch else otherwise, at, scope, text, deeper)
            case For(bindings, body):
                inner = dict(scope)
                for binding in bindings:
                    spot = self.planted(binding.source, at, inner, deeper)
                    if spot is None:
                        return
                    inner[binding.name] = Bound(None, spot, {})
                self.written(body, at, inner, text, deeper)
            case Minus(operand):
                self.written(operand, at, scope, text[1:] if text.startswith("-") else f"-{text}", deeper)
            case Cast(operand, _, _, _):
                self.written(operand, at, scope, text, deeper)
            case Sequence(items) if items:
                self.written(self.dice.choice(items), at, scope, text, deeper)
            case _:
                pass

    def given(self, call: Call, at: Spot, scope: Scope, text: str, depth: int) -> None:
        """A function call that must have a value."""
        arguments = call.arguments
        function = self.functions.get((call.name, len(arguments)))
        if function:
            self.written(function.result, at, self.inside(function, arguments, at, scope), text, depth)
            return
        local = call.name.local
        first = arguments[0] if arguments else Context()
        literal = [self.constant(each, at, scope, depth) for each in arguments]
        match local:
            case "count":
                self.counted(first, at, scope, text, depth)
            case "string-length":
                length = int(Decimal(text)) if text.lstrip("-").replace(".", "", 1).isdigit() else 0
                self.written(first, at, scope, self.dice.choice(("1", "x")) * min(max(length, 0), 5000), depth)
            case "substring":
                start = int(Decimal(literal[1][0])) if len(literal) > 1 and literal[1] else 1
                kept = next((spot.text for spot in self.found(first, at, scope, depth)), "1" * 20)
                kept = kept if len(kept) >= start - 1 else "1" * 20
                tail = kept[start - 1 + len(text) :]
                self.written(first, at, scope, kept[: start - 1] + text + tail, depth)
            case "substring-before":
                self.written(first, at, scope, text + (literal[1] or ["."])[0] + self.dice.choice(("9", "x")), depth)
            case "substring-after":
                self.written(first, at, scope, self.dice.choice(("1", "")) + (literal[1] or ["."])[0] + text, depth)
            case "concat":
                self.joined(arguments, literal, at, scope, text, depth)
            case _ if local in _TRUTHS:
                self.holds(call, at, scope, text not in ("false", "0", ""), depth)
            case _ if local in _THROUGH or arguments:
                self.written(first, at, scope, text, depth)
            case _:
                pass

    def joined(
        self, parts: tuple[Expression, ...], literal: list[list[str]], at: Spot, scope: Scope, text: str, depth: int
    ) -> None:
        """concat(…): what is not given is written into one of the others."""
        open_ = [place for place, texts in enumerate(literal) if not texts]
        if not open_:
            return
        place = self.dice.choice(open_)
        before = "".join(texts[0] for texts in literal[:place] if texts)
        after = "".join(texts[0] for texts in literal[place + 1 :] if texts)
        self.written(parts[place], at, scope, text.removeprefix(before).removesuffix(after), depth)

    def computed(self, target: Binary, at: Spot, scope: Scope, text: str, depth: int) -> None:
        """A sum, difference, product or quotient that must have a value: one side takes it, the other is neutral."""
        neutral = "0" if target.operator in ("+", "-") else "1"
        left, right = self.constant(target.left, at, scope, depth), self.constant(target.right, at, scope, depth)
        try:
            wanted = Decimal(text)
            if right:
                by = Decimal(right[0])
                made = {"+": wanted - by, "-": wanted + by, "*": wanted / by, "div": wanted * by}.get(
                    target.operator, wanted
                )
                self.written(target.left, at, scope, f"{made:f}", depth)
                return
            if left:
                by = Decimal(left[0])
                made = {"+": wanted - by, "-": by - wanted, "*": wanted / by}.get(target.operator, wanted)
                self.written(target.right, at, scope, f"{made:f}", depth)
                return
        except (ArithmeticError, ValueError):
            pass
        if self.some(0.5):
            self.written(target.right, at, scope, neutral, depth)
        self.written(target.left, at, scope, text, depth)

    def counted(self, path: Expression, at: Spot, scope: Scope, text: str, depth: int) -> None:
        """So many nodes at a path; their values differ, or do not."""
        number = text.lstrip("-").partition(".")[0]
        if isinstance(path, Call) and path.name.local == "tokenize":
            between = (self.constant(path.arguments[1], at, scope, depth) or [" "])[0]
            pieces = ["a"] * min(int(number) if number.isdigit() else 1, 12)
            self.written(path.arguments[0], at, scope, between.join(pieces), depth)
            return
        count = min(int(number) if number.isdigit() and not text.startswith("-") else 0, 12)
        spots = self.found(path, at, scope, depth)
        for spot in spots[count:]:
            self.cut(spot)
        for _ in range(count - len(spots)):
            spot = self.planted(path, at, scope, depth, fresh=True)
            if spot is not None and not spot.text and not len(spot.element):
                spot.write(self.dice.choice(_NUMBERS))

    def inside(self, function: Function, arguments: tuple[Expression, ...], at: Spot, scope: Scope) -> Scope:
        """The scope in which the result of a function is computed."""
        inner = {
            parameter.name: Bound(argument, at, scope)
            for parameter, argument in zip(function.parameters, arguments, strict=True)
        }
        return scope_of(function.variables, at, inner)

    # --- paths -----------------------------------------------------------------------------------------------------

    def planted(
        self, path: Expression, at: Spot, scope: Scope, depth: int, text: str | None = None, *, fresh: bool = False
    ) -> Spot | None:
        """Make a path be there, and what its predicates ask for; where it ends."""
        if depth <= 0:
            return None
        match path:
            case Filter(base, predicates):
                spot = self.planted(base, at, scope, depth - 1, text, fresh=fresh)
                return self.narrowed(spot, predicates, scope, depth)
            case Variable(name):
                bound = scope.get(name) or self.globals.get(name)
                if bound is None or bound.expression is None:
                    return bound.at if bound else None
                return self.planted(bound.expression, bound.at, bound.scope, depth - 1, text, fresh=fresh)
            case Binary("|", left, right):
                return self.planted(self.dice.choice((left, right)), at, scope, depth - 1, text, fresh=fresh)
            case Sequence(items) if items:
                return self.planted(self.dice.choice(items), at, scope, depth - 1, text, fresh=fresh)
            case Context():
                return at
            case If(test, then, otherwise):
                branch = self.some(0.5)
                self.holds(test, at, scope, branch, depth - 1)
                return self.planted(then if branch else otherwise, at, scope, depth - 1, text, fresh=fresh)
            case Call(_, (first, *_)) if path.name.local in _THROUGH:
                return self.planted(first, at, scope, depth - 1, text, fresh=fresh)
            case Step():
                return self.stepped(path, at, scope, depth, fresh)
            case Path(steps):
                return self.walked(steps, at, scope, depth, text, fresh)
            case _:
                return None

    def walked(
        self, steps: tuple[Expression, ...], at: Spot, scope: Scope, depth: int, text: str | None, fresh: bool
    ) -> Spot | None:
        """The steps of a path, one after the other."""
        spot: Spot | None = at
        document = False
        for place, step in enumerate(steps):
            if spot is None:
                return None
            last = place == len(steps) - 1
            if isinstance(step, Root):
                spot, document = Spot(spot.element.getroottree().getroot()), True
                continue
            if document and isinstance(step, Step) and step.axis == "child":
                tag = tag_of(step)
                if "*" not in tag and tag != spot.element.tag:
                    return None
                spot = self.narrowed(spot, step.predicates, scope, depth)
            elif isinstance(step, Step):
                anywhere = place > 0 and is_anywhere(steps[place - 1])
                spot = self.stepped(step, spot, scope, depth, fresh and last, anywhere=anywhere)
            elif isinstance(step, Call) and last:
                self.written(step, spot, scope, text if text is not None else "1", depth - 1)
            else:
                spot = self.planted(step, spot, scope, depth - 1, text, fresh=fresh and last)
            document = False
        return spot

    def stepped(
        self, step: Step, at: Spot, scope: Scope, depth: int, fresh: bool, *, anywhere: bool = False
    ) -> Spot | None:
        """One step, made where it is not there."""
        element = at.element
        match step.axis:
            case "child" | "descendant" if step.test.kind in ("name", "element"):
                there = below(element, step, deep=anywhere or step.axis == "descendant")
                if there and not fresh and self.some(0.85):
                    return self.narrowed(Spot(self.dice.choice(there)), step.predicates, scope, depth)
                if there and fresh:
                    parent = there[0].getparent()
                    element = element if parent is None else parent
                elif len(element) == 0:
                    element.text = None
                return self.narrowed(Spot(etree.SubElement(element, tag_of(step))), step.predicates, scope, depth)
            case "attribute":
                name = tag_of(step)
                if "*" not in name and name not in element.attrib:
                    element.set(name, self.dice.choice(VALUES))
                return self.narrowed(Spot(element, name), step.predicates, scope, depth)
            case "parent":
                above = element if at.attribute else element.getparent()
                return None if above is None else self.narrowed(Spot(above), step.predicates, scope, depth)
            case "ancestor" | "ancestor-or-self":
                above_ = [each for each in element.iterancestors() if is_named(each, step)]
                return self.narrowed(Spot(above_[0]), step.predicates, scope, depth) if above_ else None
            case "preceding" | "preceding-sibling" | "following-sibling" if element.getparent() is not None:
                made = etree.Element(tag_of(step) if step.test.kind == "name" else element.tag)
                (element.addnext if step.axis == "following-sibling" else element.addprevious)(made)
                return self.narrowed(Spot(made), step.predicates, scope, depth)
            case _:
                return self.narrowed(at, step.predicates, scope, depth)

    def narrowed(self, spot: Spot | None, predicates: tuple[Expression, ...], scope: Scope, depth: int) -> Spot | None:
        """A place at which predicates have been made true."""
        if spot is not None:
            for predicate in predicates:
                if not isinstance(predicate, Literal):
                    self.holds(predicate, spot, scope, True, depth - 1)
        return spot

    def found(self, path: Expression, at: Spot, scope: Scope, depth: int) -> list[Spot]:
        """What stands at a path now, whatever its predicates."""
        if depth <= 0:
            return []
        match path:
            case Filter(base, _):
                return self.found(base, at, scope, depth - 1)
            case Variable(name):
                bound = scope.get(name) or self.globals.get(name)
                if bound is None or bound.expression is None:
                    return [bound.at] if bound else []
                return self.found(bound.expression, bound.at, bound.scope, depth - 1)
            case Binary("|", left, right):
                return [*self.found(left, at, scope, depth - 1), *self.found(right, at, scope, depth - 1)]
            case Sequence(items):
                return [spot for item in items for spot in self.found(item, at, scope, depth - 1)]
            case Context():
                return [at]
            case Call(_, (first, *_)) if path.name.local in _THROUGH:
                return self.found(first, at, scope, depth - 1)
            case Step():
                return list(reached(path, at, deep=False))
            case Path(steps):
                return self.traced(steps, at, scope, depth)
            case _:
                return []

    def traced(self, steps: tuple[Expression, ...], at: Spot, scope: Scope, depth: int) -> list[Spot]:
        """What stands at the end of the steps of a path."""
        spots, document = [at], False
        for place, step in enumerate(steps):
            if isinstance(step, Root):
                spots, document = [Spot(at.element.getroottree().getroot())], True
                continue
            if document and isinstance(step, Step) and step.axis == "child":
                spots = [spot for spot in spots if is_named(spot.element, step)]
            elif isinstance(step, Step):
                deep = place > 0 and is_anywhere(steps[place - 1])
                spots = [one for spot in spots for one in reached(step, spot, deep=deep)]
            elif not isinstance(step, Call):
                spots = [one for spot in spots for one in self.found(step, spot, scope, depth - 1)]
            document = False
        return spots

    def removed(self, path: Expression, at: Spot, scope: Scope, depth: int) -> None:
        """Take out what stands at a path, or make its predicates false."""
        if isinstance(path, Step) and path.axis == "self":
            return
        predicates = path.steps[-1] if isinstance(path, Path) else path
        for spot in self.found(path, at, scope, depth):
            if isinstance(predicates, Step | Filter) and predicates.predicates and self.some(0.4):
                self.holds(self.dice.choice(predicates.predicates), spot, scope, False, depth - 1)
            else:
                self.cut(spot)

    def cut(self, spot: Spot) -> None:
        """Take one node out, or its value where it must stay."""
        parent = spot.element.getparent()
        if spot.attribute:
            spot.element.attrib.pop(spot.attribute, None)
        elif spot.element in self.kept or parent is None:
            spot.write("")
        else:
            parent.remove(spot.element)
