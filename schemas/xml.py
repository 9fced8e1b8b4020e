"""The only door to XML: bytes become a tree that holds no entities, no instructions, no comments and nothing outsized.

Everything in this project that reads XML comes through `parse`, and what passes it can be handed to XSD, XPath and
Schematron without a thought for the attacks XML knows. Decisions:

- Bytes are UTF-8, with or without a byte order mark, and say so or say nothing. Every invoice of the public corpora is;
  a second encoding would be a second way to read the same bytes.
- Document types are refused before the parser sees them, so no entity is ever declared, expanded or fetched.
- Processing instructions are refused, xml-stylesheet among them: no valid invoice we know carries one.
- A comment inside a value is refused, because readers disagree on what `12<!-- -->34` says. Elsewhere comments are
  allowed, and are taken out of the tree so that no reader meets them.

It refuses with findings (`Unreadable`), never half-reads, and swallows no other exception.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from lxml import etree

from schemas.finding import Finding, Severity

SIZE_LIMIT = 20_000_000
"""Bytes of one XML document."""
DEPTH_LIMIT = 64
"""Levels of elements; the deepest invoice of the corpora has nine."""
ATTRIBUTE_LIMIT = 50
"""Attributes of one element, namespace declarations not counted."""
NODE_LIMIT = 2_000_000
"""Elements, comments and CDATA sections together."""

XINCLUDE = "http://www.w3.org/2001/XInclude"

PREFIXES = {
    # first, because of two namespaces with one prefix the prefix alone means the last: a CII invoice's
    "urn:un:unece:uncefact:data:standard:CrossDomainAcknowledgementAndResponse:100": "rsm",
    "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100": "rsm",
    "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100": "ram",
    "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100": "udt",
    "urn:un:unece:uncefact:data:standard:QualifiedDataType:100": "qdt",
    "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2": "ubl",
    "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2": "cn",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2": "cac",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2": "cbc",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2": "ext",
}
"""The prefix that paths shown to people use for each namespace, whatever prefix the document itself uses."""

_MARK = b"\xef\xbb\xbf"
_DECLARATION = re.compile(rb"<\?xml\s[^>]*?\?>")
_ENCODING = re.compile(rb"""\sencoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00", b"\x00\x00")
_SPACE = b" \t\r\n"

_odd = etree.XPath(f"boolean({'/*' * 16}) or boolean(/descendant::*/@*[{ATTRIBUTE_LIMIT + 1}])")
"""Whether it is deeper than any invoice is, or has too many attributes: one of the next two may find something."""
_too_deep = etree.XPath("/*" * (DEPTH_LIMIT + 1))
_too_many_attributes = etree.XPath(f"//*[@*[{ATTRIBUTE_LIMIT + 1}]]")
_instructions = etree.XPath("//processing-instruction()")
_inclusions = etree.XPath("//x:*", namespaces={"x": XINCLUDE})
_torn_values = etree.XPath("//comment()[../text()[normalize-space()]]")


class Unreadable(Exception):
    """The bytes are no document we can read; `findings` says why, and each finding is fatal. Crosses processes."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(self.findings)

    def __str__(self) -> str:
        return "; ".join(f"{finding.rule}: {finding.says}" for finding in self.findings)


def refusal(rule: str, says: str, *, layer: str = "xml", line: int | None = None, path: str = "") -> Unreadable:
    """The exception for one reason, to be raised by whoever reads bytes."""
    return Unreadable((Finding(rule, Severity.FATAL, layer, says, line=line, path=path),))


def parse(data: bytes) -> etree._ElementTree:
    """Bytes into a harmless tree, comments taken out, each element knowing its line in the bytes.

    Raises Unreadable: XML-EMPTY, XML-SIZE, XML-ENCODING, XML-DOCTYPE, XML-SYNTAX, XML-DEPTH, XML-ATTRIBUTES, XML-NODES,
    XML-INSTRUCTION, XML-XINCLUDE, XML-COMMENT.
    """
    _check_bytes(data)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        collect_ids=False,
    )
    try:
        tree = etree.ElementTree(etree.fromstring(data, parser))
    except etree.XMLSyntaxError as error:
        raise _syntax(error) from None
    _check_tree(tree)
    return tree


def serialise(tree: etree._ElementTree) -> bytes:
    """The tree as UTF-8 bytes with a declaration; what other engines are given instead of a caller's bytes."""
    return etree.tostring(tree.getroot(), encoding="UTF-8", xml_declaration=True, with_tail=False)


def root_of(data: bytes) -> tuple[str, str]:
    """Namespace and local name of the root element. Raises Unreadable like `parse`."""
    return name_of(parse(data).getroot())


def name_of(element: etree._Element) -> tuple[str, str]:
    """Namespace (empty where there is none) and local name of an element."""
    name = etree.QName(element)
    return name.namespace or "", name.localname


def line_of(element: etree._Element) -> int | None:
    """The line of an element in the bytes it was parsed from, from 1; None when it was not parsed."""
    line: Any = element.sourceline  # the stubs say Ellipsis
    return int(line) if line else None


def select(query: etree.XPath, tree: etree._ElementTree) -> list[etree._Element]:
    """The elements a compiled XPath finds, in document order; nothing else it finds."""
    found = query(tree)
    return [node for node in found if isinstance(node, etree._Element)] if isinstance(found, list) else []


class Twins:
    """The children of each parent by name, counted once; for who asks for the paths of many elements of one tree.

    It is kept no longer than the tree stays as it is.
    """

    def __init__(self) -> None:
        self._children: dict[tuple[etree._Element, str], list[etree._Element]] = {}
        self._places: dict[etree._Element, int] = {}
        self._named: dict[tuple[etree._Element, str], list[etree._Element]] = {}
        self._alike: dict[tuple[etree._Element, str, Callable[[etree._Element], bool]], dict[etree._Element, int]] = {}

    def named(self, parent: etree._Element, name: str) -> list[etree._Element]:
        """The child elements of that local name, in document order; of any with a star."""
        found = self._named.get((parent, name))
        if found is None:
            children = parent.iterchildren("*")
            found = [child for child in children if name == "*" or name_of(child)[1] == name]
            self._named[parent, name] = found
        return found

    def before(self, element: etree._Element, means: Callable[[etree._Element], bool]) -> int:
        """How many twins of an element stand before it that mean what it means."""
        parent = element.getparent()
        if parent is None:
            return 0
        places = self._alike.get((parent, element.tag, means))
        if places is None:
            alike = filter(means, self.of(parent, element.tag))
            places = self._alike[parent, element.tag, means] = {one: place for place, one in enumerate(alike)}
        return places.get(element, 0)

    def of(self, parent: etree._Element, tag: str) -> list[etree._Element]:
        """The children of that name, in document order."""
        found = self._children.get((parent, tag))
        if found is None:
            found = self._children[parent, tag] = list(parent.iterchildren(tag))
            self._places.update((child, place) for place, child in enumerate(found, 1))
        return found

    def place(self, element: etree._Element) -> int | None:
        """The place of an element among its twins, from 1; None when it has none."""
        parent = element.getparent()
        if parent is None or len(self.of(parent, element.tag)) == 1:
            return None
        return self._places[element]


def path_of(element: etree._Element, attribute: str = "", twins: Twins | None = None) -> str:
    """The XPath of an element (or of its attribute), prefixes from PREFIXES; twins are told apart by their place.

    Each call counts siblings, unless it is given the `twins` that earlier calls on the same tree have counted.
    """
    counted = twins or Twins()
    steps: list[str] = []
    at: etree._Element | None = element
    while at is not None:
        steps.append(_step(at, counted.place(at)))
        at = at.getparent()
    return "/" + "/".join(reversed(steps)) + (f"/@{attribute}" if attribute else "")


_STEP = re.compile(r"(?:(?:[^:/]+):)?([^:/\[\]]+)(?:\[([0-9]+)\])?")


def element_at(tree: etree._ElementTree, path: str, twins: Twins | None = None) -> etree._Element | None:
    """The element that a path of ours, or of lxml's with stars, names: an attribute's is its element's; where the path
    goes on to what is not there, the last that is. None where it is no such path.
    """
    at: etree._Element | None = None
    counted = twins or Twins()
    for step in path.removeprefix("/").split("/"):
        if step.startswith("@"):
            break
        parts = _STEP.fullmatch(step)
        if parts is None:
            return at
        name, place = parts[1], int(parts[2] or 1)
        if at is None:
            at = tree.getroot()
            if name not in ("*", name_of(at)[1]):
                return None
            continue
        below = counted.named(at, name)[place - 1 : place]
        if not below:
            break
        (at,) = below
    return at


def _step(element: etree._Element, place: int | None) -> str:
    namespace, name = name_of(element)
    prefix = PREFIXES.get(namespace, "*" if namespace else "")
    return (f"{prefix}:" if prefix else "") + name + (f"[{place}]" if place else "")


def _check_bytes(data: bytes) -> None:
    """What can be refused before a parser is let near the bytes."""
    if not data.strip(_SPACE):
        raise refusal("XML-EMPTY", "There is nothing to read: the document is empty.")
    if len(data) > SIZE_LIMIT:
        raise refusal("XML-SIZE", f"The XML is {len(data)} bytes long; at most {SIZE_LIMIT} are read.")
    _check_encoding(data)
    if len(data) > NODE_LIMIT and (opened := data.count(b"<") - data.count(b"</")) > NODE_LIMIT:
        raise refusal("XML-NODES", f"The XML opens {opened} elements; at most {NODE_LIMIT} are read.")
    line = _doctype_line(data)
    if line is not None:
        raise refusal("XML-DOCTYPE", "The XML carries a document type (DOCTYPE); none is read.", line=line)


def _check_encoding(data: bytes) -> None:
    if data.startswith(_OTHER_MARKS):
        raise refusal("XML-ENCODING", "The bytes are UTF-16 or UTF-32; XML is read as UTF-8 only.", line=1)
    declaration = _DECLARATION.match(data.removeprefix(_MARK))
    declared = _ENCODING.search(declaration[0]) if declaration else None
    if declared and declared[1].lower() != b"utf-8":
        name = declared[1].decode("ascii")
        raise refusal("XML-ENCODING", f"The XML declares the encoding {name}; it is read as UTF-8 only.", line=1)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        says = f"Byte {error.start + 1} (0x{data[error.start]:02X}) is no UTF-8."
        raise refusal("XML-ENCODING", says, line=line) from None


def _doctype_line(data: bytes) -> int | None:
    """The line of a document type in front of the root element, where XML allows it; None when there is none."""
    at = len(_MARK) if data.startswith(_MARK) else 0
    while at < len(data):
        if data[at] in _SPACE:
            at += 1
        elif data.startswith(b"<!--", at):
            at = _after(data, b"-->", at + 4)
        elif data.startswith(b"<?", at):
            at = _after(data, b"?>", at + 2)
        else:
            return data.count(b"\n", 0, at) + 1 if data[at : at + 9].upper() == b"<!DOCTYPE" else None
    return None


def _after(data: bytes, mark: bytes, start: int) -> int:
    end = data.find(mark, start)
    return len(data) if end < 0 else end + len(mark)


def _syntax(error: etree.XMLSyntaxError) -> Unreadable:
    """What the parser stopped at; nesting so deep that the parser itself gives up is named for what it is."""
    line, column = error.position
    message = (error.msg or "not well-formed").split(", line ")[0]
    if "depth" in message.lower():
        return refusal("XML-DEPTH", f"Elements are nested deeper than {DEPTH_LIMIT} levels.", line=line or None)
    return refusal("XML-SYNTAX", f"Not well-formed: {message} (line {line}, column {column}).", line=line or None)


def _is_suspect(tree: etree._ElementTree) -> bool:
    """Whether a question of `_check_tree` may have an answer: asked first, as nearly every document says no."""
    root = tree.getroot()
    if root.getprevious() is not None or root.getnext() is not None:
        return True
    return next(root.iter(etree.Comment, etree.PI, f"{{{XINCLUDE}}}*"), None) is not None or bool(_odd(tree))


def _check_tree(tree: etree._ElementTree) -> None:
    """What only shows in the tree, every reason told at once; comments that tear no value are taken out."""
    if tree.docinfo.doctype:  # type: ignore[attr-defined]  # missing from the stubs
        raise refusal("XML-DOCTYPE", "The XML carries a document type (DOCTYPE); none is read.")
    if not _is_suspect(tree):
        return
    reasons = (
        (_too_deep, "XML-DEPTH", f"Elements are nested deeper than {DEPTH_LIMIT} levels."),
        (_too_many_attributes, "XML-ATTRIBUTES", f"An element has more than {ATTRIBUTE_LIMIT} attributes."),
        (_instructions, "XML-INSTRUCTION", "The XML carries a processing instruction; none is read."),
        (_inclusions, "XML-XINCLUDE", "The XML asks for the inclusion of another document; none is read."),
        (_torn_values, "XML-COMMENT", "A comment stands inside a value, which readers read differently."),
    )
    findings = [
        Finding(rule, Severity.FATAL, "xml", says, line=line_of(found[0]))
        for query, rule, says in reasons
        if (found := select(query, tree))
    ]
    if findings:
        raise Unreadable(findings)
    etree.strip_elements(tree, etree.Comment, with_tail=False)
