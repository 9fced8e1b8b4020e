"""Whether a tree follows an XSD, and in words a person can act on, where it does not.

lxml is the gate: what it accepts has passed, what it refuses has failed. xmlschema is asked only about what was
refused, because it says what was expected instead, and is ten times slower. Where the two disagree, where xmlschema
cannot answer or the tree is too large for it, lxml's own words are given, so that a refusal is never without a reason.
Both read schema files from disk only, never from the network, and each file once per process and thread: a changed
file is seen by the next process. xmlschema is imported when it is asked first: most processes never meet a document
that an XSD refuses.

For each breach of a tree lxml counts the siblings in front of it. A tree in which this could take long is first given
to the gate as a stream, which knows no places and stops when there are too many breaches to ask for theirs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from lxml import etree

from schemas.finding import Finding, Severity
from schemas.xml import line_of, path_of, serialise

if TYPE_CHECKING:
    import xmlschema

BREACHES_LIMIT = 200
"""Breaches told of one document; one wrong element near the top can make thousands of others wrong."""
ELEMENTS_LIMIT = 20_000
"""Elements of a tree that is not large: xmlschema is asked about it, which is slow and cannot always be stopped."""
CHILDREN_LIMIT = 2_000
"""Children of one element of such a tree: each of them may be wrong, and its place looked up."""
STEPS_LIMIT = 50_000_000
"""Siblings passed while the places of breaches are looked up; about a second."""

_is_large = etree.XPath(f"boolean(/descendant::*[{ELEMENTS_LIMIT + 1}])")
_is_wide = etree.XPath(f"boolean(/descendant::*/*[{CHILDREN_LIMIT + 1}])")
_PIECE = 1 << 16


class Unusable(Exception):
    """The XSD itself cannot be read; no document can be judged by it."""


def check(file: str, tree: etree._ElementTree) -> tuple[Finding, ...]:
    """Every breach of the XSD in `file`, in document order; empty when the tree follows it. Raises Unusable."""
    gate = _gate(file, threading.get_ident())
    large = bool(_is_large(tree) or _is_wide(tree))
    if large and (told := _too_many(gate, tree)):
        return told
    if gate.validate(tree):
        return ()
    told = tuple(_told(gate.error_log))
    explained = () if large else _explained(file, tree)
    return explained or told or (Finding("XSD", Severity.FATAL, "xsd", "The document does not follow the XSD."),)


def load(file: str) -> None:
    """Load a schema before its first document comes. Raises Unusable."""
    _gate(file, threading.get_ident())


@lru_cache(maxsize=64)
def _gate(file: str, thread: int) -> etree.XMLSchema:
    """The gate of one thread: a gate has one list of breaches, which the next document empties."""
    try:
        return etree.XMLSchema(file=file)
    except (etree.XMLSchemaParseError, etree.XMLSyntaxError, OSError) as error:
        raise Unusable(str(error)) from error


@lru_cache(maxsize=32)
def _explainer(file: str) -> xmlschema.XMLSchema:
    import xmlschema

    return xmlschema.XMLSchema(file, allow="local", defuse="always")


def _too_many(gate: etree.XMLSchema, tree: etree._ElementTree) -> tuple[Finding, ...]:
    """The first breaches of a large tree, without places; empty where they are so few that the places can be told."""
    widest = max(len(element) for element in tree.iter())
    limit = max(BREACHES_LIMIT, STEPS_LIMIT // widest)
    parser = etree.XMLParser(schema=gate, resolve_entities=False, no_network=True)
    data = serialise(tree)
    try:
        for start in range(0, len(data), _PIECE):
            parser.feed(data[start : start + _PIECE])
            if len(cast(Any, parser).feed_error_log) > limit:
                return tuple(_told(cast(Any, parser).feed_error_log))
    except etree.XMLSyntaxError:  # the tree itself is then asked, as always
        pass
    return ()


def _told(log: Any) -> list[Finding]:
    """The gate's own words."""
    breaches = []
    for entry in islice(cast(Iterable[Any], log), BREACHES_LIMIT):
        says = _plain(entry.message)
        breaches.append(Finding("XSD", Severity.FATAL, "xsd", says, line=entry.line or None, path=entry.path or ""))
    return breaches


def _explained(file: str, tree: etree._ElementTree) -> tuple[Finding, ...]:
    """The same, in the words of xmlschema; none where it stumbles over the document itself."""
    try:
        return tuple(_breach(error, tree) for error in islice(_explainer(file).iter_errors(tree), BREACHES_LIMIT))
    except Exception:  # the document is refused whatever happens here, and the gate has said why
        return ()


def _breach(error: Any, tree: etree._ElementTree) -> Finding:
    import xmlschema

    element = error.elem if error.elem is not None else tree.getroot()
    wanted, found = None, None
    if isinstance(error, xmlschema.XMLSchemaChildrenValidationError):
        wanted = ", ".join(sorted({_name(tag) for tag in error.expected or ()})) or None
        if error.invalid_tag is not None and error.index < len(element):
            element = element[error.index]
            found = path_of(element).rpartition("/")[2].partition("[")[0]
    elif not len(element) and element.text:
        found = element.text.strip()[:100]
    says = " ".join(str(error.reason or error.message).split())
    return Finding(
        "XSD",
        Severity.FATAL,
        "xsd",
        says[:500],
        path=path_of(element),
        line=line_of(element),
        found=found,
        expected=wanted,
    )


def _name(wanted: Any) -> str:
    """The prefixed name of an element xmlschema expected; wildcards by their own text."""
    return str(getattr(wanted, "prefixed_name", None) or wanted)


def _plain(message: str) -> str:
    """libxml2's message without the namespaces in braces."""
    parts = message.split("{")
    return parts[0] + "".join(part.partition("}")[2] for part in parts[1:])
