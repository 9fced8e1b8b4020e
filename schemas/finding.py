"""What is wrong with a document: one finding per broken rule and place, and the report that gathers them.

Findings are values. They are collected, never raised, and a report says which layers ran, failed or were skipped,
so that a check that did not run can never be read as a pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FINDINGS_LIMIT = 1_000
"""A report keeps this many findings; the rest is counted in `uncounted`."""


class Severity(StrEnum):
    """How bad a finding is."""

    FATAL = "fatal"
    """The document may not go on."""
    WARNING = "warning"
    """The document goes on and carries the finding along."""
    INFO = "info"
    """Worth knowing, asks for nothing."""


class LayerVerdict(StrEnum):
    """What one layer of validation said."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It was not run; `reason` says why. Never a pass."""


class Verdict(StrEnum):
    """What all layers together say."""

    VALID = "valid"
    INVALID = "invalid"
    UNJUDGED = "unjudged"
    """A layer that had to run could not; the document is not accepted and is judged again later."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where one rule does not hold."""

    rule: str
    """Stable id: BR-CO-15, BR-FR-05_BT-22, XSD, XML-DOCTYPE, JSON, HOUSE-…"""
    severity: Severity
    layer: str
    """Name of the layer that found it: xml, xsd, json, en16931, facturx, extended-ctc-fr, br-fr, br-fr-cdv, house, …"""
    says: str
    """The rule's own text, for people."""
    terms: tuple[str, ...] = ()
    """Business terms concerned: BT-112, BG-23, …"""
    path: str = ""
    """Where: an XPath into the submitted XML, or a JSON pointer into the submitted JSON."""
    line: int | None = None
    """Line in the submitted bytes, from 1; None where there is none."""
    place: str = ""
    """Where in the JSON form of the invoice, as a JSON pointer; empty for the document as a whole."""
    found: str | None = None
    expected: str | None = None
    fix: str | None = None
    """What to do about it, in one sentence."""

    def as_json(self) -> dict[str, Any]:
        """The one JSON shape of a finding, everywhere; empty members are left out."""
        members = {
            "rule": self.rule,
            "severity": str(self.severity),
            "layer": self.layer,
            "terms": list(self.terms),
            "path": self.path,
            "line": self.line,
            "place": self.place,
            "found": self.found,
            "expected": self.expected,
            "says": self.says,
            "fix": self.fix,
        }
        return {name: value for name, value in members.items() if value not in (None, "", [])}

    @staticmethod
    def from_json(members: Mapping[str, Any]) -> Finding:
        """The inverse of `as_json`."""
        return Finding(
            rule=members["rule"],
            severity=Severity(members["severity"]),
            layer=members["layer"],
            says=members.get("says", ""),
            terms=tuple(members.get("terms", ())),
            path=members.get("path", ""),
            line=members.get("line"),
            place=members.get("place", ""),
            found=members.get("found"),
            expected=members.get("expected"),
            fix=members.get("fix"),
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of validation and what it said."""

    name: str
    edition: str
    """Publisher's edition of the artefact, with the first digits of its SHA-256; empty for layers of our own."""
    verdict: LayerVerdict
    reason: str = ""
    """Why it was skipped, or which edition was taken where none is in force on the day; empty otherwise."""

    def as_json(self) -> dict[str, Any]:
        """The JSON shape of a layer; an empty reason is left out."""
        shape = {"name": self.name, "edition": self.edition, "verdict": str(self.verdict), "reason": self.reason}
        return {name: value for name, value in shape.items() if value != "" or name == "edition"}


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of validating one document."""

    verdict: Verdict
    format: str = ""
    """cii, ubl-invoice, ubl-creditnote, facturx, json, cdar, flux10; empty when not recognised."""
    profile: str = ""
    """BT-24 as found; empty when there is none."""
    layers: tuple[Layer, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    uncounted: int = 0
    """Findings beyond FINDINGS_LIMIT."""

    def as_json(self) -> dict[str, Any]:
        """The one JSON shape of a validation report, in the API, the CLI and the archive."""
        return {
            "verdict": str(self.verdict),
            "format": self.format,
            "profile": self.profile,
            "layers": [layer.as_json() for layer in self.layers],
            "findings": [finding.as_json() for finding in self.findings],
            **({"uncounted": self.uncounted} if self.uncounted else {}),
        }
