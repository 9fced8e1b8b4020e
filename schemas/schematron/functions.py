"""Code for the functions of XPath that the official rules call. A function that is not here is refused by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from schemas.schematron import naming, regex
from schemas.schematron.code import EXACTS, NUMBERS, TEXTS, Card, Code, Kind, Scope, at_most_one
from schemas.schematron.expression import FN, Binary, Call, Expression, Filter, Literal, Name, Path, Refused, Root, Step

if TYPE_CHECKING:
    from schemas.schematron.coder import Coder

Arguments = tuple[Expression, ...]


def call(coder: Coder, name: str, arguments: Arguments, scope: Scope) -> Code:
    """The code of a call. Raises Refused for functions and arguments that are not known."""
    counts = _COUNTS.get(name)
    if counts is None or not counts[0] <= len(arguments) <= counts[1]:
        raise Refused(f"the function {name}() with {len(arguments)} arguments")
    match name:
        case "true" | "false":
            return Code(name.capitalize(), Kind.BOOLEAN, Card.ONE)
        case "not" | "exists" | "empty" | "boolean":
            source = asked(coder, name, arguments[0], scope)
            return Code(source if source.startswith("(not ") else f"bool({source})", Kind.BOOLEAN, Card.ONE)
        case "count":
            return _count(coder, arguments[0], scope)
        case "sum" | "abs" | "round" | "number":
            return _numeric(coder, name, arguments, scope)
        case "matches" | "replace" | "tokenize":
            return _pattern(coder, name, arguments, scope)
        case "name" | "local-name" | "namespace-uri":
            return _name(coder, name, arguments, scope)
        case "distinct-values":
            code = coder.values(arguments[0], scope)
            if code.kind not in TEXTS and code.kind not in EXACTS:
                raise Refused(f"distinct-values() of {code.kind}")
            return Code(f"distinct({_list(code)})", code.kind, Card.MANY)
        case "document":
            return _document(coder, arguments[0])
        case "string":
            return _string(coder, arguments, scope)
        case "concat":
            return Code(
                " + ".join(_concatenated(coder, each, scope) for each in arguments).join("()"), Kind.STRING, Card.ONE
            )
        case "string-join":
            return _join(coder, arguments, scope)
        case "ends-with" if naming.asks_end_of_name(Call(Name(FN, name), arguments)):
            return _textual(coder, name, (Call(Name(FN, "local-name"), ()), arguments[1]), scope)
        case _:
            return _textual(coder, name, arguments, scope)


_COUNTS = {
    "true": (0, 0),
    "false": (0, 0),
    "not": (1, 1),
    "exists": (1, 1),
    "empty": (1, 1),
    "boolean": (1, 1),
    "count": (1, 1),
    "sum": (1, 1),
    "abs": (1, 1),
    "round": (1, 1),
    "number": (0, 1),
    "matches": (2, 2),
    "replace": (3, 3),
    "tokenize": (2, 2),
    "name": (0, 1),
    "local-name": (0, 1),
    "namespace-uri": (0, 1),
    "distinct-values": (1, 1),
    "document": (1, 1),
    "string": (0, 1),
    "concat": (2, 99),
    "string-join": (1, 2),
    "normalize-space": (0, 1),
    "string-length": (0, 1),
    "upper-case": (1, 1),
    "lower-case": (1, 1),
    "substring": (2, 3),
    "substring-before": (2, 2),
    "substring-after": (2, 2),
    "contains": (2, 2),
    "starts-with": (2, 2),
    "ends-with": (2, 2),
    "translate": (3, 3),
}


def asked(coder: Coder, name: str, argument: Expression, scope: Scope) -> str:
    """not(), exists(), empty() and boolean() as Python that is true or false."""
    if name in ("not", "boolean"):
        source = coder.truth(argument, scope)
        return f"(not {source})" if name == "not" else source
    if isinstance(argument, Root | Step | Path | Filter) or (isinstance(argument, Binary) and argument.operator == "|"):
        walk_is_nodes = coder.items(argument, scope).kind is Kind.NODE
        source = coder.truth(argument, scope) if walk_is_nodes else _some(coder.items(argument, scope))
    else:
        source = _some(coder.items(argument, scope))
    return f"(not {source})" if name == "empty" else source


def _some(code: Code) -> str:
    """Whether there is an item at all."""
    if code.card is Card.MANY:
        return f"(len({code.source}) > 0)"
    return f"({code.source} is not None)" if code.card is Card.OPTIONAL else "True"


def _list(code: Code) -> str:
    from schemas.schematron.coder import as_list

    return as_list(code)


def _count(coder: Coder, argument: Expression, scope: Scope) -> Code:
    code = coder.items(argument, scope)
    if code.card is Card.MANY:
        return Code(f"len({code.source})", Kind.INTEGER, Card.ONE)
    if code.card is Card.OPTIONAL:
        return Code(f"len(listed({code.source}))", Kind.INTEGER, Card.ONE)
    return Code("1", Kind.INTEGER, Card.ONE)


def _numeric(coder: Coder, name: str, arguments: Arguments, scope: Scope) -> Code:
    if name == "number":
        code = coder.one_value(arguments[0], scope) if arguments else coder.atomised(coder.focus(scope))
        return Code(f"number({code.source})", Kind.DOUBLE, Card.ONE)
    if name == "sum":
        code = coder.values(arguments[0], scope)
        if code.kind is Kind.UNTYPED:
            return Code(f"total_of_texts({_list(code)})", Kind.NUMBER, Card.ONE)
        if code.kind not in NUMBERS and code.kind is not Kind.ATOMIC:
            raise Refused(f"sum() of {code.kind}")
        kind = code.kind if code.kind in EXACTS else Kind.NUMBER
        function = "exact_total" if code.kind in EXACTS else "total"
        return Code(f"{function}({_list(code)})", kind, Card.ONE)
    code = coder.number(arguments[0], scope)
    return Code(f"{'absolute' if name == 'abs' else 'round_half_up'}({code.source})", code.kind, code.card)


def _pattern(coder: Coder, name: str, arguments: Arguments, scope: Scope) -> Code:
    text, pattern = coder.text(arguments[0], scope).source, arguments[1]
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        raise Refused(f"{name}() with a computed regular expression")
    python = regex.translate(pattern.value, groups=name != "tokenize")
    compiled = coder.constant(f"re.compile({python!r})")
    if name == "matches":
        return Code(f"({compiled}.search({text} or '') is not None)", Kind.BOOLEAN, Card.ONE)
    if re.search(python, ""):
        raise Refused(f"{name}() with a regular expression that matches nothing at all")
    if name == "tokenize":
        return Code(f"split({text}, {compiled})", Kind.STRING, Card.MANY)
    substitute = arguments[2]
    if not isinstance(substitute, Literal) or not isinstance(substitute.value, str):
        raise Refused("replace() with a computed replacement")
    return Code(f"{compiled}.sub({regex.replacement(substitute.value)!r}, {text} or '')", Kind.STRING, Card.ONE)


def _name(coder: Coder, name: str, arguments: Arguments, scope: Scope) -> Code:
    code = coder.items(arguments[0], scope) if arguments else coder.focus(scope)
    if code.kind is not Kind.NODE:
        raise Refused(f"{name}() of what may be no node")
    node = at_most_one(code.source) if code.card is Card.MANY else code.source
    function = {"name": "name_of", "local-name": "local_name_of", "namespace-uri": "namespace_of"}[name]
    return Code(f"{function}({node})", Kind.STRING, Card.ONE)


def _document(coder: Coder, argument: Expression) -> Code:
    file = argument.value if isinstance(argument, Literal) else None
    if not isinstance(file, str) or not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", file):
        raise Refused("document() of anything but a file beside the artefact")
    name = coder.documents.setdefault(file, f"D{len(coder.documents)}")
    return Code(f"{name}", Kind.NODE, Card.ONE)


def _string(coder: Coder, arguments: Arguments, scope: Scope) -> Code:
    code = coder.one_value(arguments[0], scope) if arguments else coder.atomised(coder.focus(scope))
    if code.kind in TEXTS and code.card is Card.ONE:
        return Code(code.source, Kind.STRING, Card.ONE)
    if code.kind in TEXTS:
        return Code(f"({code.source} or '')", Kind.STRING, Card.ONE)
    return Code(f"string({code.source})", Kind.STRING, Card.ONE)


def _concatenated(coder: Coder, argument: Expression, scope: Scope) -> str:
    if isinstance(argument, Literal) and isinstance(argument.value, str):
        return repr(argument.value)
    return _string(coder, (argument,), scope).source


def _join(coder: Coder, arguments: Arguments, scope: Scope) -> Code:
    code = coder.values(arguments[0], scope)
    mark = coder.text(arguments[1], scope) if len(arguments) > 1 else Code("''", Kind.STRING, Card.ONE)
    if mark.card is not Card.ONE:
        raise Refused("string-join() with a computed separator")
    if code.kind in TEXTS:
        return Code(f"{mark.source}.join({_list(code)})", Kind.STRING, Card.ONE)
    return Code(f"join({_list(code)}, {mark.source})", Kind.STRING, Card.ONE)


_ONE_TEXT = {"normalize-space": "normalized", "upper-case": "upper", "lower-case": "lower"}


def _textual(coder: Coder, name: str, arguments: Arguments, scope: Scope) -> Code:
    """Functions whose first argument is xs:string?."""
    text = coder.text(arguments[0], scope) if arguments else _as_text(coder.atomised(coder.focus(scope)))
    safe = text.source if text.card is Card.ONE else f"({text.source} or '')"
    if name in _ONE_TEXT:
        return Code(f"{_ONE_TEXT[name]}({text.source})", Kind.STRING, Card.ONE)
    if name == "string-length":
        return Code(f"len({safe})", Kind.INTEGER, Card.ONE)
    if name == "substring":
        numbers = [coder.number(each, scope) for each in arguments[1:]]
        if any(each.card is not Card.ONE for each in numbers):
            raise Refused("substring() with a place that may be missing")
        passed = ", ".join([text.source, *(each.source for each in numbers)])
        return Code(f"substring({passed})", Kind.STRING, Card.ONE)
    if name == "translate":
        return _translate(coder, text, arguments)
    other = coder.text(arguments[1], scope)
    if name in ("substring-before", "substring-after"):
        return Code(f"{name.rpartition('-')[2]}({text.source}, {other.source})", Kind.STRING, Card.ONE)
    second = other.source if other.card is Card.ONE else f"({other.source} or '')"
    source = {
        "contains": f"({second} in {safe})",
        "starts-with": f"{safe}.startswith({second})",
        "ends-with": f"{safe}.endswith({second})",
    }[name]
    return Code(source, Kind.BOOLEAN, Card.ONE)


def _as_text(code: Code) -> Code:
    """The value of the context item where a string is wanted; any value has a string form."""
    return code if code.kind in TEXTS else Code(f"string({code.source})", Kind.STRING, Card.ONE)


def _translate(coder: Coder, text: Code, arguments: Arguments) -> Code:
    tables = [each.value for each in arguments[1:] if isinstance(each, Literal) and isinstance(each.value, str)]
    if len(tables) != 2:
        raise Refused("translate() with computed letters")
    table: dict[int, str | None] = {}
    for place, letter in enumerate(tables[0]):
        table.setdefault(ord(letter), tables[1][place] if place < len(tables[1]) else None)
    return Code(f"translate({text.source}, {coder.constant(repr(table))})", Kind.STRING, Card.ONE)
