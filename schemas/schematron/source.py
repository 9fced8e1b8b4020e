"""Reads ISO Schematron as its publisher wrote it, where that is written in XPath 2.0 and in one file.

Taken are patterns of rules with their assertions, reports and variables, namespaces, and functions in XSLT. What the
standard has beside that (abstract patterns and rules, inclusions, phases, diagnostics) is refused by name and line: the
publisher's compiled form has it resolved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lxml import etree

from schemas.schematron.expression import FN, Call, Expression, Name, Refused, parse
from schemas.schematron.schema import Assertion, Let, Pattern, Rule, Schema
from schemas.schematron.sheet import XSL, children, function, line, only, root_of, unknown

SCH = "{http://purl.oclc.org/dsdl/schematron}"
BINDINGS = frozenset({"xslt2", "xslt3", "xpath2"})
"""Query languages that are XPath 2.0 here."""

_INLINE = frozenset({f"{SCH}{name}" for name in ("emph", "dir", "span")})


def read(data: bytes) -> Schema:
    """The rules in an ISO Schematron. Raises Refused, with the line, on anything it does not know."""
    root = root_of(data)
    if root.tag != f"{SCH}schema":
        raise unknown(root, f"{root.tag!s} is neither a stylesheet nor a Schematron")
    if root.get("queryBinding", "xslt") not in BINDINGS:
        raise unknown(root, f"the query binding {root.get('queryBinding', 'xslt')}")
    only(root, "queryBinding", "schemaVersion", "id", "icon", "see")
    spaces = {str(each.get("prefix")): str(each.get("uri")) for each in root.iterchildren(f"{SCH}ns")}
    patterns, variables, functions = [], [], []
    for child in children(root):
        match str(child.tag).replace(SCH, "").replace(XSL, "xsl:"):
            case "pattern":
                pattern, own = _pattern(child, spaces)
                patterns.append(pattern)
                variables += own
            case "let":
                variables.append(_let(child, spaces))
            case "xsl:function":
                functions.append(function(child))
            case "ns" | "title" | "p":
                pass
            case name:
                raise unknown(child, f"{name} in a schema")
    _once(root, variables)
    return Schema(tuple(patterns), tuple(variables), tuple(functions))


def _once(root: etree._Element, variables: list[Let]) -> None:
    names = [each.name for each in variables]
    twice = {str(name) for name in names if names.count(name) > 1}
    if twice:
        raise unknown(root, f"several variables of the whole schema called {', '.join(sorted(twice))}")


def _pattern(element: etree._Element, spaces: Mapping[str, str]) -> tuple[Pattern, list[Let]]:
    """A pattern, and its variables, which belong to the whole."""
    only(element, "id", "name", "see", "icon", "fpi")
    rules, variables = [], []
    for child in children(element):
        match str(child.tag).replace(SCH, ""):
            case "rule":
                rules.append(_rule(child, spaces))
            case "let":
                variables.append(_let(child, spaces))
            case "title" | "p":
                pass
            case name:
                raise unknown(child, f"{name} in a pattern")
    return Pattern(tuple(rules)), variables


def _rule(element: etree._Element, spaces: Mapping[str, str]) -> Rule:
    only(element, "context", "id", "see", "icon", "fpi")
    body: list[Let | Assertion] = []
    for child in children(element):
        match str(child.tag).replace(SCH, ""):
            case "let":
                body.append(_let(child, spaces))
            case "assert" | "report":
                body.append(_assertion(child, spaces))
            case "p":
                pass
            case name:
                raise unknown(child, f"{name} in a rule")
    return Rule(_expression(element, "context", spaces), tuple(body), True, line(element))


def _let(element: etree._Element, spaces: Mapping[str, str]) -> Let:
    only(element, "name", "value")
    prefix, _, local = (element.get("name") or "").strip().rpartition(":")
    if not local or (prefix and prefix not in spaces):
        raise unknown(element, "a variable without a name that can be read")
    return Let(Name(spaces[prefix] if prefix else "", local), _expression(element, "value", spaces), line(element))


def _assertion(element: etree._Element, spaces: Mapping[str, str]) -> Assertion:
    only(element, "test", "id", "flag", "role", "see", "icon", "fpi")
    return Assertion(
        id=(element.get("id") or "").strip(),
        flag=(element.get("flag") or "").strip().lower(),
        role=(element.get("role") or "").strip().lower(),
        test=_expression(element, "test", spaces),
        fires_when=element.tag == f"{SCH}report",
        message=tuple(_message(element, spaces)),
        line=line(element),
    )


def _message(element: etree._Element, spaces: Mapping[str, str]) -> Iterator[str | Expression]:
    """The pieces of a message: what is written, and what is computed."""
    yield element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            if child.tag == f"{SCH}value-of":
                yield _expression(child, "select", spaces)
            elif child.tag == f"{SCH}name":
                yield _expression(child, "path", spaces) if child.get("path") else Call(Name(FN, "name"), ())
            elif child.tag in _INLINE:
                yield from _message(child, spaces)
            else:
                raise unknown(child, f"{child.tag.replace(SCH, '')} in a message")
        yield child.tail or ""


def _expression(element: etree._Element, attribute: str, spaces: Mapping[str, str]) -> Expression:
    text = element.get(attribute)
    if text is None:
        raise unknown(element, f"{str(element.tag).replace(SCH, '')} without {attribute}")
    try:
        return parse(text, spaces)
    except Refused as refused:
        raise unknown(element, str(refused)) from None
