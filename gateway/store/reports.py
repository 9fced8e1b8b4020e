"""What is kept of a refusal: its report, and what its event names of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.lifecycle import Kept, Role
from gateway.reach import LAYER
from schemas.finding import FINDINGS_LIMIT, Finding, Layer, LayerVerdict, Report, Verdict

_REFUSAL_KEEPS = 200
"""Findings an event names; the whole report is a content of the document."""


def reported(findings: Sequence[Finding], keep: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """What a halt keeps: where it has findings and brings no report, one is written, so that their texts stay."""
    if not findings or any(kept.role is Role.REPORT for kept in keep):
        return keep
    names = dict.fromkeys(finding.layer for finding in findings)
    report = Report(
        Verdict.INVALID,
        layers=tuple(Layer(name, "", LayerVerdict.FAILED) for name in names),
        findings=tuple(findings[:FINDINGS_LIMIT]),
        uncounted=max(0, len(findings) - FINDINGS_LIMIT),
    )
    return (*keep, _report(report.as_json()))


def refusing(keep: Sequence[Kept], finding: Finding) -> tuple[Kept, ...]:
    """The same contents, with one more finding in their report."""
    report: dict[str, Any] = {"verdict": "", "format": "", "profile": "", "layers": [], "findings": []}
    for kept in keep:
        if kept.role is Role.REPORT:
            report = json.loads(kept.data)
    layers = [layer for layer in report["layers"] if layer["name"] != finding.layer]
    failed = Layer(finding.layer, "", LayerVerdict.FAILED).as_json()
    report |= {
        "verdict": str(Verdict.INVALID),
        "layers": [*layers, failed],
        "findings": [finding.as_json(), *report["findings"]],
    }
    return (*(kept for kept in keep if kept.role is not Role.REPORT), _report(report))


def of_the_judge(report: Mapping[str, Any]) -> Mapping[str, Any]:
    """A kept report without what the directory had to say: only what was valid until then is looked up there."""
    if all(layer["name"] != LAYER for layer in report["layers"]):
        return report
    kept = {name: [one for one in report[name] if one[key] != LAYER] for name, key in _OF_LAYER.items()}
    return {**report, **kept, "verdict": str(Verdict.VALID)}


_OF_LAYER = {"layers": "name", "findings": "layer"}
"""Members of a report → where they name their layer."""


def _report(members: Mapping[str, Any]) -> Kept:
    return Kept(Role.REPORT, "application/json", json.dumps(members, ensure_ascii=False).encode())


def named(findings: Sequence[Finding]) -> dict[str, Any]:
    """Rules and places, without the texts: an event holds no invoice text."""
    if not findings:
        return {}
    return {
        "findings": [
            {"rule": finding.rule, "severity": str(finding.severity), "path": finding.path}
            for finding in findings[:_REFUSAL_KEEPS]
        ],
        "findings_total": len(findings),
    }
