"""Every invoice of the public corpus gets the verdict of the official artefacts, and for the same reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from schemas.finding import LayerVerdict, Report, Severity, Verdict
from schemas.judge import judge

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"

KINDS = {"cii": 235, "ubl-invoice": 249, "ubl-creditnote": 24, "facturx-pdf": 155}
"""How many of each there are: a corpus that shrinks must not pass in silence."""

NO_DAY = (
    "the official rules let a date pass that no calendar holds (31 February, a 13th month, letters behind it); "
    "what no reader can read is invalid"
)

EXCEPTIONS = {
    "en16931-oracles/brfr/gaps-fr/cii-date-20260231.xml": NO_DAY,
    "en16931-oracles/brfr/gaps-fr/cii-date-20260431.xml": NO_DAY,
    "en16931-oracles/brfr/gaps-fr/cii-date-suffix.xml": NO_DAY,
    "en16931-oracles/gaps/CII_business_example_Z-date-20151399.xml": NO_DAY,
    "en16931-oracles/gaps/CII_business_example_Z-date-20260231.xml": NO_DAY,
    "en16931-oracles/gaps/CII_business_example_Z-date-20260431.xml": NO_DAY,
    "mustang/validator/invalidXRechnung.pdf": (
        "its source calls it invalid by the German rules of XRechnung, which no layer of ours applies; "
        "XSD, EN 16931 and the oracle accept it"
    ),
}
"""Documents whose verdict differs from the label of the manifest, with the reason."""

MILDER = {"CII-SR-465", "CII-SR-466"}
"""Rules that refuse by the Factur-X sheet, which the oracle ran on plain CII too, and only warn by CEN's edition, which
the platforms run on it: `schemas.known_wrong`."""

EARLIER = ("format", "pdf", "xml", "xsd")
"""Layers that fail before a rule is run."""

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus (../shared/corpus) is not here"),
]


@cache
def _manifest() -> tuple[dict[str, Any], ...]:
    with (CORPUS / "manifest.jsonl").open(encoding="utf-8") as lines:
        return tuple(json.loads(line) for line in lines)


def _documents(kind: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    for row in _manifest():
        if row["kind"] == kind:
            yield row, (CORPUS / row["path"]).read_bytes()


def _fatal(report: Report, layer: str | None = None) -> set[str]:
    return {
        finding.rule
        for finding in report.findings
        if finding.severity is Severity.FATAL and (layer is None or finding.layer == layer)
    }


def _milder(report: Report) -> set[str]:
    """What the register of rules known to be wrong made of fatal findings."""
    return {
        finding.rule
        for finding in report.findings
        if finding.rule in MILDER and "warning instead of fatal" in finding.says
    }


def _named(rules: set[str]) -> set[str]:
    """Without the assertions that have no id of their own, which the oracle and we name differently."""
    return {rule for rule in rules if not rule.startswith(("text:", "FACTURX-"))}


def _agrees(report: Report, row: dict[str, Any]) -> bool:
    """The label's verdict, and for a refusal one of the oracle's rules or a layer that fails earlier."""
    milder = (
        row["kind"] == "cii" and set(row["oracle"].get("failed", ())) <= MILDER and bool(row["oracle"].get("failed"))
    )
    if row["label"] == "valid" or milder:
        return report.verdict is Verdict.VALID
    if report.verdict is not Verdict.INVALID:
        return False
    early = any(layer.name in EARLIER and layer.verdict is LayerVerdict.FAILED for layer in report.layers)
    failed = set(row["oracle"]["failed"])
    unnamed = any(rule.startswith("text:") for rule in failed) and any(
        rule.startswith("FACTURX-") for rule in _fatal(report)
    )
    return early or bool(_fatal(report) & failed) or unnamed


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_verdicts_agree_with_the_labels(kind: str, record_property: pytest.RecordProperty) -> None:
    judged, differing = 0, []
    for row, data in _documents(kind):
        report = judge(data)
        judged += 1
        if not _agrees(report, row):
            differing.append((row["path"], str(report.verdict), row["label"], sorted(_fatal(report))[:5]))
    unexpected = [each for each in differing if each[0] not in EXCEPTIONS]
    record_property("agreement", f"{judged - len(differing)} of {judged}")
    print(f"{kind}: {judged - len(differing)} of {judged} agree")
    assert unexpected == []
    assert judged == KINDS[kind]


@pytest.mark.parametrize("kind", ["cii", "ubl-invoice", "ubl-creditnote"])
def test_the_rules_that_fire_are_the_oracles(kind: str) -> None:
    """Base layer and BR-FR: the set of broken rules equals the oracle's wherever both ran."""
    compared, differing = 0, []
    for row, data in _documents(kind):
        report = judge(data, french=True)
        ran = {layer.name: layer.verdict for layer in report.layers if layer.verdict is not LayerVerdict.SKIPPED}
        base = next((name for name in ("facturx", "en16931", "extended-ctc-fr") if name in ran), None)
        if base is None:
            continue
        compared += 1
        ours, oracles = _fatal(report, base) | _milder(report), set(row["oracle"]["failed"])
        french = row["oracle"].get("fr_ctc")
        if _named(ours) != _named(oracles) or bool(ours - _named(ours)) != bool(oracles - _named(oracles)):
            differing.append((row["path"], sorted(_named(ours) ^ _named(oracles))))
        if french and _fatal(report, "br-fr") != set(french["failed"]):
            differing.append((row["path"], sorted(_fatal(report, "br-fr") ^ set(french["failed"]))))
        unplaced = [finding.rule for finding in report.findings if finding.line is None]
        if unplaced:
            differing.append((row["path"], unplaced))
    print(f"{kind}: {compared} compared rule by rule")
    assert differing == []
    assert compared > 0.8 * KINDS[kind]


def test_the_exceptions_are_still_exceptions() -> None:
    for row in _manifest():
        if row["path"] in EXCEPTIONS:
            assert not _agrees(judge((CORPUS / row["path"]).read_bytes()), row), row["path"]


def test_status_messages_get_the_oracles_verdict_for_the_same_rules() -> None:
    judged, differing = 0, []
    for row, data in _documents("cdar"):
        report = judge(data)
        judged += 1
        if str(report.verdict) != row["label"] or _fatal(report) != set(row["oracle"]["failed"]):
            differing.append((row["path"], str(report.verdict), sorted(_fatal(report))))
    assert differing == []
    assert judged == 63
