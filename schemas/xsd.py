"""Whether a tree follows an XSD, and in words a person can act on, where it does not.

lxml is the gate: what it accepts has passed, what it refuses has failed. xmlschema is asked only about what was
refused, because it says what was expected instead, and is ten times slower. Where the two disagree lxml's own words are
given, so that a refusal is never without a reason. Both read schema files from disk only, never from the network, and
each file once per process: a changed file is seen by the next process. xmlschema is imported when it is asked first:
most processes never meet a document that an XSD refuses.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from lxml import etree

from schemas.finding import Finding, Severity
from schemas.xml import line_of, path_of

if TYPE_CHECKING:
    import xmlschema

BREACHES_LIMIT = 200
"""Breaches told of one document; one wrong element near the top can make thousands of others wrong."""


class Unusable(Exception):
    """The XSD itself cannot be read; no document can be judged by it."""


def check(file: str, tree: etree._ElementTree) -> tuple[Finding, ...]:
    """Every breach of the XSD in `file`, in document order; empty when the tree follows it. Raises Unusable."""
    gate = _gate(file)
    if gate.validate(tree):
        return ()
    told = tuple(_told(gate))
    return tuple(_explained(file, tree)) or told


@lru_cache(maxsize=32)
def _gate(file: str) -> etree.XMLSchema:
    try:
        return etree.XMLSchema(file=file)
    except (etree.XMLSchemaParseError, etree.XMLSyntaxError, OSError) as error:
        raise Unusable(str(error)) from error


@lru_cache(maxsize=32)
def _explainer(file: str) -> xmlschema.XMLSchema:
    import xmlschema

    return xmlschema.XMLSchema(file, allow="local", defuse="always")


def _told(gate: etree.XMLSchema) -> list[Finding]:
    """The gate's own words."""
    breaches = []
    for entry in islice(cast(Iterable[Any], gate.error_log), BREACHES_LIMIT):
        says = _plain(entry.message)
        breaches.append(Finding("XSD", Severity.FATAL, "xsd", says, line=entry.line or None, path=entry.path or ""))
    return breaches


def _explained(file: str, tree: etree._ElementTree) -> list[Finding]:
    """The same, in the words of xmlschema."""
    errors = islice(_explainer(file).iter_errors(tree), BREACHES_LIMIT)
    return [_breach(error, tree) for error in errors]


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
