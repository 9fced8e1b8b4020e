"""Reads a Schematron that its publisher compiled to XSLT with the ISO skeleton, back into the rules it was made from.

The skeleton writes a handful of shapes: one template per rule, in one mode per pattern, each ending by going on to the
children; a choice around each assertion; a variable for each let. This reader takes exactly these shapes. Whatever else
stands in the stylesheet changes what it says in a way this engine does not know, so it is refused by name and line.
Two shapes are recognised as wholes: the templates that write the location of a finding, by their digest, and those
that only other tools call.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal

from lxml import etree

from schemas.schematron.expression import Expression, Name, Refused, parse
from schemas.schematron.schema import Assertion, Function, Let, Parameter, Pattern, Rule, Schema
from schemas.xml import line_of

XSL = "{http://www.w3.org/1999/XSL/Transform}"
SVRL = "{http://purl.oclc.org/dsdl/svrl}"

_LOCATION = "schematron-select-full-path"
_LOCATION_MODES = frozenset({_LOCATION, "schematron-get-full-path"})
_LOCATION_DIGEST = "9e7e03e635f9db99e94e938017e7df6fcfd9e60c08c348bec3e9c5a35ba40afd"
_UNUSED_MODES = frozenset(
    {"schematron-get-full-path-2", "schematron-get-full-path-3", "generate-id-from-path", "generate-id-2"}
)
_ONWARD = frozenset({"*", "@*|*", "*|comment()|processing-instruction()", "node()|@*", "@*|node()"})
_ELEMENTS_ONLY = frozenset({"*", "*|comment()|processing-instruction()"})
_ENVIRONMENT = frozenset({"archiveDirParameter", "archiveNameParameter", "fileNameParameter", "fileDirParameter"})


def read(data: bytes) -> Schema:
    """The rules in a compiled Schematron. Raises Refused, with the line, on anything it does not know."""
    return _Sheet(root_of(data)).schema()


def is_sheet(data: bytes) -> bool:
    """Whether the bytes are a stylesheet at all."""
    return str(root_of(data).tag).startswith(XSL)


def root_of(data: bytes) -> etree._Element:
    """The root of an artefact; comments are kept, nothing outside is read. Raises Refused."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_pis=True, huge_tree=True)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Refused(f"not well-formed: {error.msg}") from None


def line(element: etree._Element) -> int:
    """The line of an element, 0 where it is not known."""
    return line_of(element) or 0


def unknown(element: etree._Element, what: str) -> Refused:
    """The refusal of something, with its line."""
    return Refused(f"line {line(element)}: {what}")


def _name(element: etree._Element) -> str:
    return str(element.tag).replace(XSL, "xsl:").replace(SVRL, "svrl:")


def children(element: etree._Element) -> list[etree._Element]:
    """The elements in an element; comments say nothing."""
    return list(element.iterchildren(etree.Element))


def _text(element: etree._Element) -> bool:
    """Whether an element has text of its own that is more than white space."""
    pieces = [element.text or "", *(child.tail or "" for child in element)]
    return any(piece.strip(" \t\r\n") for piece in pieces)


def only(element: etree._Element, *allowed: str) -> None:
    """Raises Refused where an element has other attributes."""
    for name in element.attrib:
        if str(name) not in allowed:
            raise unknown(element, f"{_name(element)} with the attribute {name!s}")


def expression(element: etree._Element, attribute: str) -> Expression:
    """The expression in an attribute. Raises Refused, with the line."""
    text = element.get(attribute)
    if text is None:
        raise unknown(element, f"{_name(element)} without {attribute}")
    spaces = {prefix: uri for prefix, uri in element.nsmap.items() if prefix}
    try:
        return parse(text, spaces)
    except Refused as refused:
        raise unknown(element, str(refused)) from None


def _qname(element: etree._Element, attribute: str = "name") -> Name:
    prefix, colon, local = (element.get(attribute) or "").strip().rpartition(":")
    spaces: Mapping[str | None, str] = element.nsmap
    if not local or (colon and prefix not in spaces):
        raise unknown(element, f"{_name(element)} without a name that can be read")
    return Name(spaces[prefix] if colon else "", local)


class _Sheet:
    """One stylesheet being read."""

    def __init__(self, root: etree._Element) -> None:
        self.root = root
        self.rules: dict[str, list[tuple[Decimal, int, Rule]]] = defaultdict(list)
        self.onward: dict[str, set[str]] = defaultdict(set)
        self.modes: list[str] = []
        self.variables: list[Let] = []
        self.functions: list[Function] = []
        self.location: list[etree._Element] = []

    def schema(self) -> Schema:
        """Everything in the stylesheet."""
        if self.root.tag not in (f"{XSL}stylesheet", f"{XSL}transform"):
            raise unknown(self.root, f"{_name(self.root)} is no stylesheet")
        if self.root.get("version") not in ("2.0", "3.0"):
            raise unknown(self.root, f"a stylesheet of version {self.root.get('version')}, which computes otherwise")
        for element in self.root.iter(etree.Element):
            for attribute in ("xpath-default-namespace", "default-collation", f"{XSL}xpath-default-namespace"):
                if element.get(attribute) is not None:
                    raise unknown(element, f"the attribute {attribute}")
        for element in children(self.root):
            self.declaration(element)
        self.check()
        patterns = []
        for mode in self.modes:
            ranked = sorted(self.rules[mode], key=lambda entry: entry[:2], reverse=True)
            patterns.append(Pattern(tuple(rule for _, _, rule in ranked)))
        return Schema(tuple(patterns), tuple(self.variables), tuple(self.functions))

    def check(self) -> None:
        """What only shows when all is read."""
        if not self.modes:
            raise unknown(self.root, "no pattern is applied to the document")
        canonical = b"".join(
            re.sub(rb"\s+", b"", etree.tostring(each, method="c14n", exclusive=True, with_comments=False))
            for each in self.location
        )
        digest = hashlib.sha256(canonical).hexdigest()
        if digest != _LOCATION_DIGEST:
            raise unknown(self.root, "an unknown way to write the location of a finding")
        for mode in self.rules:
            if mode not in self.modes:
                raise unknown(self.root, f"the pattern {mode} is never applied")

    def declaration(self, element: etree._Element) -> None:
        """One child of the stylesheet."""
        match _name(element):
            case "xsl:template":
                self.template(element)
            case "xsl:function":
                self.functions.append(function(element))
            case "xsl:variable":
                if element.get("select") is not None:
                    self.variables.append(let(element))
                elif element.get("name") != "document-uri":
                    raise unknown(element, "xsl:variable without select")
            case "xsl:param":
                if element.get("name") not in _ENVIRONMENT:
                    raise unknown(element, f"xsl:param {element.get('name')}")
            case "xsl:output":
                pass
            case name:
                if name.startswith("xsl:"):
                    raise unknown(element, name)

    def template(self, element: etree._Element) -> None:
        """One template: of a rule, of the whole, or of the skeleton's own."""
        only(element, "match", "mode", "priority")
        mode, match = element.get("mode"), " ".join((element.get("match") or "").split())
        if mode is None and match == "/":
            self.modes = list(_modes(element))
        elif mode is None and match == "text()":
            if children(element) or _text(element):
                raise unknown(element, "a template that writes the text of the document")
        elif mode in _LOCATION_MODES:
            self.location.append(element)
        elif mode is None:
            raise unknown(element, f"a template for {match} without a mode")
        elif mode not in _UNUSED_MODES:
            self.rule(element, mode, match.replace(" ", ""))

    def rule(self, element: etree._Element, mode: str, match: str) -> None:
        """A template in the mode of a pattern."""
        parts = children(element)
        if match == "text()" and not parts and not _text(element):
            return
        if match in ("@*|node()", "node()|@*") and len(parts) == 1:
            _goes_on(parts[0], mode)
            return
        if element.get("priority") is None:
            raise unknown(element, "a rule without a priority")
        if _text(element):
            raise unknown(element, "text in a rule")
        goes_on = bool(parts) and _name(parts[-1]) == "xsl:apply-templates"
        if goes_on:
            _goes_on(parts.pop(), mode)
        body = tuple(part for child in parts for part in _statement(child))
        rule = Rule(expression(element, "match"), body, goes_on, line(element))
        self.rules[mode].append((Decimal(element.get("priority") or ""), len(self.rules[mode]), rule))


def _goes_on(element: etree._Element, mode: str) -> None:
    """The instruction that takes a pattern on to the children."""
    select = "".join((element.get("select") or "").split())
    if _name(element) != "xsl:apply-templates" or element.get("mode") != mode or select not in _ONWARD:
        raise unknown(element, "a rule that does not go on to the children of its own pattern")


def _modes(template: etree._Element) -> Iterator[str]:
    """The modes of the patterns in the order in which the whole applies them."""
    (output,) = children(template) or (template,)
    if _name(output) != "svrl:schematron-output":
        raise unknown(output, "a stylesheet that writes no Schematron report")
    for element in children(output):
        match _name(element):
            case "xsl:apply-templates":
                if element.get("select") != "/" or not element.get("mode"):
                    raise unknown(element, "a pattern that is not applied to the whole document")
                yield str(element.get("mode"))
            case "xsl:comment" | "svrl:ns-prefix-in-attribute-values" | "svrl:text" | "xsl:attribute":
                pass
            case "svrl:active-pattern":
                for child in children(element):
                    if _name(child) not in ("xsl:attribute", "xsl:apply-templates", "svrl:text"):
                        raise unknown(child, f"{_name(child)} in svrl:active-pattern")
            case name:
                raise unknown(element, f"{name} in the report")


def _statement(element: etree._Element) -> Iterator[Let | Assertion]:
    """One instruction in a rule."""
    match _name(element):
        case "svrl:fired-rule":
            pass
        case "xsl:variable":
            only(element, "name", "select")
            yield let(element)
        case "xsl:choose":
            yield _assert(element)
        case "xsl:if":
            only(element, "test")
            (report,) = children(element) or (element,)
            if _name(report) != "svrl:successful-report":
                raise unknown(report, f"{_name(report)} in xsl:if")
            yield _assertion(report, expression(element, "test"), fires_when=True)
        case name:
            raise unknown(element, f"{name} in a rule")


def let(element: etree._Element) -> Let:
    """xsl:variable with select."""
    if children(element) or _text(element):
        raise unknown(element, "xsl:variable with content")
    return Let(_qname(element), expression(element, "select"), line(element))


def _assert(choose: etree._Element) -> Assertion:
    parts = children(choose)
    if [_name(part) for part in parts] != ["xsl:when", "xsl:otherwise"] or children(parts[0]) or _text(parts[0]):
        raise unknown(choose, "xsl:choose that is no assertion")
    failed = children(parts[1])
    if len(failed) != 1 or _name(failed[0]) != "svrl:failed-assert" or _text(parts[1]):
        raise unknown(parts[1], "xsl:otherwise that is no assertion")
    return _assertion(failed[0], expression(parts[0], "test"), fires_when=False)


def _assertion(element: etree._Element, test: Expression, *, fires_when: bool) -> Assertion:
    """svrl:failed-assert or svrl:successful-report."""
    said = {str(name): str(value) for name, value in element.attrib.items()}
    message: tuple[str | Expression, ...] = ()
    for child in children(element):
        match _name(child):
            case "xsl:attribute" if child.get("name") == "location":
                if not _is_location(child):
                    raise unknown(child, "a location written in an unknown way")
            case "xsl:attribute":
                if children(child):
                    raise unknown(child, f"a computed attribute {child.get('name')}")
                said[child.get("name") or ""] = child.text or ""
            case "svrl:text":
                message = tuple(_message(child))
            case name:
                raise unknown(child, f"{name} in {_name(element)}")
    return Assertion(
        id=said.get("id", "").strip(),
        flag=said.get("flag", "").strip().lower(),
        role=said.get("role", "").strip().lower(),
        test=test,
        fires_when=fires_when,
        message=message,
        line=line(element),
    )


def _is_location(attribute: etree._Element) -> bool:
    (call,) = children(attribute) or (attribute,)
    asked = (_name(call), call.get("mode"), call.get("select"), len(call.attrib))
    return asked == ("xsl:apply-templates", _LOCATION, ".", 2)


def _message(element: etree._Element) -> Iterator[str | Expression]:
    """The pieces of a message: what is written, and what is computed."""
    if element.text and (element.text.strip(" \t\r\n") or not len(element)):
        yield element.text
    for child in element:
        match "" if isinstance(child, etree._Comment) else _name(child):
            case "xsl:text":
                yield child.text or ""
            case "xsl:value-of":
                only(child, "select")
                yield expression(child, "select")
            case "":
                pass
            case name if not name.startswith("xsl:"):
                yield from _message(child)
            case name:
                raise unknown(child, f"{name} in a message")
        if child.tail and child.tail.strip(" \t\r\n"):
            yield child.tail


def function(element: etree._Element) -> Function:
    """xsl:function with parameters, variables and one result."""
    only(element, "name", "as")
    parameters, variables, types = [], [], []
    *declarations, result = children(element) or (element,)
    if _name(result) != "xsl:sequence" or _text(element):
        raise unknown(element, "xsl:function that does not end with xsl:sequence")
    for child in declarations:
        match _name(child):
            case "xsl:param":
                only(child, "name", "as")
                parameters.append(Parameter(_qname(child), child.get("as", "item()*")))
            case "xsl:variable":
                only(child, "name", "select", "as")
                variables.append(let(child))
                types.append(child.get("as", ""))
            case name:
                raise unknown(child, f"{name} in xsl:function")
    return Function(
        _qname(element),
        tuple(parameters),
        tuple(variables),
        tuple(types),
        expression(result, "select"),
        element.get("as", "item()*"),
        line(element),
    )
