"""How one layer of validation applies an official artefact to a document, and what it says.

Which editions of the artefact there are, and which of them judges a document of its day, is found by
`schemas.editions`; what was applied is named by edition and SHA-256. Rules known to be wrong are told as
`schemas.known_wrong` has them.

Compiled rules are kept in the user's cache (`schemas.schematron.store`) and in the memory of the process; they may be
applied from any thread and after any fork. An artefact that is missing or broken, and a rule that fails with an error,
leave the document unjudged: the finding is fatal, and its rule id starts with ENGINE-.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from lxml import etree

from schemas import editions, known_wrong, xml, xsd
from schemas.editions import Artefact, Kind, Loaded, Missing, find
from schemas.finding import Finding, Layer, LayerVerdict, Severity
from schemas.schematron import sheet, store
from schemas.schematron.operands import Operands, Teller
from schemas.schematron.program import Fired, Program
from schemas.schematron.runtime import Run
from schemas.schematron.tree import Tree, Unparsable, read
from schemas.schematron.values import DynamicError

__all__ = [
    "ENGINE",
    "Artefact",
    "Case",
    "Kind",
    "Loaded",
    "Missing",
    "Rules",
    "apply",
    "asserted",
    "fault",
    "find",
    "is_compiled",
    "locate",
    "nameless",
    "prepare",
]

log = logging.getLogger(__name__)

ENGINE = "ENGINE-"
"""How the rule ids of findings begin that say: this could not be judged."""


@dataclass(frozen=True, slots=True)
class Rules:
    """One layer of validation: an artefact, and which of its assertions count."""

    layer: str
    artefact: Artefact
    only: tuple[str, ...] = ()
    """How ids of assertions begin that may refuse a document; empty: all. Warnings are kept whatever their id."""


@dataclass(frozen=True, slots=True)
class Case:
    """What decides, besides the document itself, how it is judged."""

    day: datetime.date | None = None
    """The day of the document, which chooses the edition; None: it states none that can be read."""
    pinned: tuple[str, ...] = ()
    """Beginnings of the SHA-256 of editions that are applied whatever the day."""
    hybrid: bool = False
    """It is a Factur-X, or becomes one."""


def apply(
    rules: Rules,
    tree: etree._ElementTree,
    document: bytes | Tree,
    folder: str | None = None,
    case: Case = Case(),
) -> tuple[Layer, tuple[Finding, ...]]:
    """What one layer says about a document: `tree` from `schemas.xml.parse`, `document` the same, serialised from it,
    or already read for the rules (`schemas.schematron.tree`) by who applies several layers. An XSD does not look at it.

    A layer that could not be run comes back as skipped, with its reason and a fatal finding ENGINE-…; it never passes.
    """
    try:
        chosen = editions.choose(rules.artefact, folder, case.day, case.pinned)
    except Missing as missing:
        return _unjudged(rules, "", "ENGINE-MISSING", str(missing))
    loaded, artefact = chosen.loaded, chosen.artefact
    try:
        findings = tuple(_breaches(rules, artefact, loaded, tree, document))
    except (xsd.Unusable, store.Unusable) as error:
        return _unjudged(rules, loaded.edition, "ENGINE-UNUSABLE", f"The official file cannot be used: {error}")
    except (DynamicError, Unparsable) as error:
        return _unjudged(rules, loaded.edition, "ENGINE-ERROR", f"A rule could not be evaluated: {error}")
    if findings:
        findings = known_wrong.applied(findings, artefact.name, loaded.sha256, tree, hybrid=case.hybrid)
    fatal = any(finding.severity is Severity.FATAL for finding in findings)
    verdict = LayerVerdict.FAILED if fatal else LayerVerdict.PASSED
    return Layer(rules.layer, loaded.edition, verdict, chosen.note), findings


def prepare(rules: Rules, folder: str | None = None) -> None:
    """Load what a layer needs before its first document comes, in every edition that may judge one; what is missing
    shows then, as a finding."""
    with contextlib.suppress(Missing):
        for artefact in editions.known(rules.artefact, folder):
            with contextlib.suppress(Missing, store.Unusable):
                if artefact.kind is Kind.SCHEMATRON:
                    loaded = find(artefact, folder)
                    _program(loaded)
                    _keep_teller(loaded)


def fault(artefact: Artefact, loaded: Loaded) -> str:
    """Why no document can be judged by an artefact that is there; empty: it can. A Schematron is compiled, and kept."""
    try:
        if artefact.kind is Kind.SCHEMATRON:
            store.load(loaded.path, store.default_cache(), loaded.rules)
            _keep_teller(loaded)
        else:
            xsd.load(loaded.path)
    except (xsd.Unusable, store.Unusable) as error:
        return str(error)
    return ""


def _keep_teller(loaded: Loaded) -> None:
    """Have what tells what the rules compare compiled and kept, so that the first broken rule does not wait for it."""
    if store.default_cache() is not None:
        with contextlib.suppress(store.Unusable):
            store.load_teller(loaded.path, store.default_cache(), loaded.rules)


def is_compiled(loaded: Loaded) -> bool | None:
    """Whether the compiled rules of a Schematron are kept for the next process; None for an XSD."""
    return store.is_kept(loaded.rules, store.default_cache()) if loaded.rules else None


@lru_cache(maxsize=512)
def _program(loaded: Loaded) -> Program:
    """The compiled rules of a file, once per process."""
    return store.load(loaded.path, store.default_cache(), loaded.rules)


def _unjudged(rules: Rules, edition: str, rule: str, reason: str) -> tuple[Layer, tuple[Finding, ...]]:
    finding = Finding(rule, Severity.FATAL, rules.layer, f"Could not be judged. {reason}")
    return Layer(rules.layer, edition, LayerVerdict.SKIPPED, f"could not be judged: {reason}"), (finding,)


def _breaches(
    rules: Rules, artefact: Artefact, loaded: Loaded, tree: etree._ElementTree, document: bytes | Tree
) -> Iterator[Finding]:
    if artefact.kind is Kind.XSD:
        yield from xsd.check(loaded.path, tree)
        return
    twins = xml.Twins()
    for assertion, compared in _fired(loaded, document):
        finding = _finding(rules, assertion, tree, twins)
        if compared is not None:
            finding = replace(finding, found=compared.found, expected=compared.expected)
        if finding.severity is Severity.FATAL and rules.only and not finding.rule.startswith(rules.only):
            continue
        yield finding


TOLD_LIMIT = 100
"""Findings of one layer of which it is told what was compared: it takes as long as the rule itself."""


def _fired(loaded: Loaded, document: bytes | Tree) -> list[tuple[Fired, Operands | None]]:
    """The assertions that fire, each with what it compared."""
    if isinstance(document, Tree):
        return _with_operands(loaded, document, _program(loaded).judge(document))
    light = read(document)
    try:
        return _with_operands(loaded, light, _program(loaded).judge(light))
    finally:
        light.discard()


def _with_operands(loaded: Loaded, document: Tree, fired: tuple[Fired, ...]) -> list[tuple[Fired, Operands | None]]:
    """Fatal ones are told first, and as many as compare anything up to TOLD_LIMIT."""
    teller = _teller(loaded) if fired else None
    if teller is None:
        return [(one, None) for one in fired]
    run = Run(document)
    comparing = [place for place, one in enumerate(fired) if teller.knows(one.number)]
    comparing.sort(key=lambda place: fired[place].flag in _NOT_FATAL)
    told = {place: _told(teller, fired[place], run) for place in comparing[:TOLD_LIMIT]}
    return [(one, told.get(place)) for place, one in enumerate(fired)]


_NOT_FATAL = ("warning", "information", "info")


def _told(teller: Teller, one: Fired, run: Run) -> Operands | None:
    """What an assertion compared; whatever goes wrong here, the verdict does not depend on it."""
    try:
        return teller.tell(one.number, one.node, run) if one.node is not None else None
    except Exception:
        log.exception("it cannot be told what a rule compared", extra={"rule": one.id})
        return None


@lru_cache(maxsize=64)
def _teller(loaded: Loaded) -> Teller | None:
    """What tells what the rules of a file compare, once per process and only where one is broken; None where it cannot
    be told, which no verdict depends on."""
    try:
        return store.load_teller(loaded.path, store.default_cache(), loaded.rules)
    except store.Unusable:
        return None


def _finding(rules: Rules, assertion: Fired, tree: etree._ElementTree, twins: xml.Twins) -> Finding:
    """An assertion as a finding. No flag means fatal, as the platforms take it."""
    severity = {"warning": Severity.WARNING, "information": Severity.INFO, "info": Severity.INFO}
    text = _clean(assertion.text, assertion.id)
    element, attribute = locate(tree, assertion.location, twins)
    return Finding(
        rule=assertion.id or nameless(rules.layer, text),
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


_SVRL, _XSL, _ISO = (
    "{http://purl.oclc.org/dsdl/svrl}",
    "{http://www.w3.org/1999/XSL/Transform}",
    "{http://purl.oclc.org/dsdl/schematron}",
)


def asserted(rules: Rules, folder: str | None = None, day: datetime.date | None = None) -> Iterator[tuple[str, str]]:
    """What the artefact of a layer asserts in the edition for that day: the id that a finding has, and the publisher's
    sentence, without the values that a document would put into it. An XSD asserts nothing. Raises Missing where the
    artefact is not installed, and OSError or schemas.schematron's Refused where it cannot be read."""
    loaded = editions.choose(rules.artefact, folder, day).loaded
    if rules.artefact.kind is Kind.XSD:
        return
    root = sheet.root_of(Path(loaded.path).read_bytes())
    tags = (f"{_SVRL}failed-assert", f"{_SVRL}successful-report", f"{_ISO}assert", f"{_ISO}report")
    for element in root.iter(*tags):
        given = {one.get("name"): one.text or "" for one in element.findall(f"{_XSL}attribute")}
        said = element.find(f"{_SVRL}text")
        text = " ".join("".join(map(str, (element if said is None else said).itertext())).split())
        rule = element.get("id") or given.get("id") or nameless(rules.layer, text)
        yield rule, _clean(text, rule)


_PUBLISHED = re.compile(r"^\s*\[(?P<label>[A-Z]\d+\.\d+)\]")


def nameless(layer: str, text: str) -> str:
    """A stable id for an assertion whose publisher gave it none: the label its sentence begins with (`[G1.53] …`), as
    the rest of that sentence may hold values of the document; without one, a digest of the sentence, which is the same
    for ever."""
    label = _PUBLISHED.match(text)
    return f"{layer.upper()}-{label['label'] if label else hashlib.sha256(text.encode()).hexdigest()[:8]}"


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
