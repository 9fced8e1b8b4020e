"""Official rules known to be wrong, or disputed between publishers: what is wrong, who says so, and what is done.

A rule is entered only with a document that proves it, and only for the editions that were looked at: another edition
may have mended it, and is applied as published. What is done is seen: the finding stays, with another severity where
the entry says so, and tells why. Nothing is ever made worse, and no finding is left out.

A verdict is worth what it tells about the platforms' own. So an entry makes a finding milder where the platforms'
artefacts do not refuse; where they do, it explains only (`Effect.EXPLAINED`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from lxml import etree

from schemas.finding import Finding, Severity
from schemas.xml import PREFIXES, select


class Effect(StrEnum):
    """What is done about a finding of a rule known to be wrong."""

    EXPLAINED = "explained"
    """Nothing but saying so: the platforms apply the rule as it is published."""
    WARNING = "warning"
    """It is no longer fatal."""
    INFO = "info"
    """It asks for nothing."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One rule that is wrong in some editions of some artefacts."""

    rule: str
    artefacts: tuple[str, ...]
    """Their names: facturx-en16931, …"""
    editions: tuple[str, ...]
    """Beginnings of the SHA-256 of the editions it was seen in."""
    why: str
    """What is wrong, in half a sentence, for the finding itself."""
    english: str
    """The same at length."""
    french: str
    source: str
    """The document that proves it: an address, or what it is called."""
    since: datetime.date
    """The day of that document."""
    effect: Effect
    in_hybrid: Effect | None = None
    """What is done instead where the document is, or becomes, a Factur-X; None: the same."""
    where: str = ""
    """End of the paths it is wrong at; empty: everywhere."""
    unless: etree.XPath | None = field(default=None, compare=False)
    """Finds in a document what really breaks the rule as it is meant: there it stays as it is published."""

    def effect_on(self, *, hybrid: bool) -> Effect:
        """What is done about a finding in a document that is a Factur-X or becomes one, or is neither."""
        return self.in_hybrid if hybrid and self.in_hybrid is not None else self.effect


_BASICWL, _EN16931, _EXTENDED = "79709b4bce4e", "f246fbe53190", "0f7c659d6d37"
"""The Factur-X 1.09.2 sheets for BASIC WL, EN 16931 and EXTENDED."""
_EXTENDED_CII = "023775cdcc33"
"""The sheet of EXTENDED-CTC-FR for CII."""


def _unflagged(rule: str, term_english: str, term_french: str, artefacts: dict[str, str]) -> Wrong:
    """A rule that CEN only warns by, and that has no flag in the sheets of Factur-X."""
    return Wrong(
        rule,
        tuple(artefacts),
        tuple(artefacts.values()),
        "CEN's own edition only warns, the Factur-X sheet has no flag",
        f"{term_english} CEN's own edition for CII (1.3.16) warns by this rule and refuses nothing; the Factur-X "
        "sheets, made by a generator that writes no flags, leave its severity open. A plain CII invoice is judged by "
        "the platforms with CEN's edition, so this is a warning; a Factur-X is judged with the Factur-X sheet, where "
        "an assertion without a flag is taken as fatal, so there it stays fatal.",
        f"{term_french} L'édition du CEN pour CII (1.3.16) n'en fait qu'un avertissement et ne refuse rien ; les "
        "feuilles Factur-X, générées sans indicateur de gravité, ne tranchent pas. Une facture CII simple est "
        "contrôlée par les plateformes avec l'édition du CEN : c'est donc un avertissement ; un Factur-X l'est avec la "
        "feuille Factur-X, où une assertion sans indicateur est fatale : elle y reste donc fatale.",
        "ConnectingEurope/eInvoicing-EN16931 release validation-1.3.16 (flag=warning); "
        "https://github.com/fnfempe/France_RFE/issues/63 (no flag in Factur-X)",
        datetime.date(2026, 9, 14),
        Effect.WARNING,
        in_hybrid=Effect.EXPLAINED,
    )


_SPACES = {prefix: space for space, prefix in PREFIXES.items()}


def _misplaced(rule: str, term: str, element: str) -> Wrong:
    """A rule on one attachment (BG-24) that counts over all of them; one that has the element twice does break it."""
    return Wrong(
        rule,
        ("facturx-en16931", "facturx-extended", "extended-ctc-fr-cii"),
        (_EN16931, _EXTENDED, _EXTENDED_CII),
        "it is meant for each attachment and counts over all of them",
        f"An invoice may have many attachments (BG-24, 0..n), each with one {term}. The rule is written for one "
        f"attachment and counts over all of them, so it warns as soon as two attachments have a {term} each.",
        f"Une facture peut porter plusieurs pièces jointes (BG-24, 0..n), chacune avec un {term}. La règle, écrite "
        f"pour une pièce jointe, compte sur toutes : elle avertit dès que deux pièces jointes ont chacune un {term}.",
        "https://github.com/ConnectingEurope/eInvoicing-EN16931/issues/508; "
        "https://github.com/fnfempe/France_RFE/issues/68",
        datetime.date(2026, 6, 12),
        Effect.INFO,
        unless=etree.XPath(
            "//ram:ApplicableHeaderTradeAgreement/ram:AdditionalReferencedDocument"
            f"[normalize-space(ram:TypeCode) = '916'][count({element}) > 1]",
            namespaces=_SPACES,
        ),
    )


REGISTER: tuple[Wrong, ...] = (
    _unflagged(
        "CII-SR-465",
        "A seller's contact (BT-41) may be a person or a department, in CII two elements, of which one is wanted.",
        "Le contact du vendeur (BT-41) est une personne ou un service, en CII deux éléments dont un est attendu.",
        {"facturx-basicwl": _BASICWL, "facturx-en16931": _EN16931, "facturx-extended": _EXTENDED},
    ),
    _unflagged(
        "CII-SR-466",
        "A buyer's contact (BT-56) may be a person or a department, in CII two elements, of which one is wanted.",
        "Le contact de l'acheteur (BT-56) est une personne ou un service, en CII deux éléments dont un est attendu.",
        {"facturx-basicwl": _BASICWL, "facturx-en16931": _EN16931, "facturx-extended": _EXTENDED},
    ),
    _misplaced("CII-SR-475", "BT-123", "ram:Name"),
    _misplaced("CII-SR-476", "BT-125", "ram:AttachmentBinaryObject"),
    Wrong(
        "PEPPOL-EN16931-R008",
        ("facturx-en16931", "facturx-extended"),
        (_EN16931, _EXTENDED),
        "CII requires this element even where nothing stands in it",
        "CII requires this element even where nothing stands in it: all that it may hold is optional. The rule against "
        "empty elements comes from UBL, which has no such case.",
        "CII exige cet élément même vide : tout ce qu'il peut contenir est facultatif. La règle contre les éléments "
        "vides vient d'UBL, où ce cas n'existe pas.",
        "https://github.com/fnfempe/France_RFE/issues/64",
        datetime.date(2026, 9, 17),
        Effect.INFO,
        where="ApplicableHeaderTradeDelivery",
    ),
)
"""The rules known to be wrong."""


def of(rule: str) -> tuple[Wrong, ...]:
    """The entries of a rule."""
    return tuple(one for one in REGISTER if one.rule == rule)


def applied(
    findings: Iterable[Finding], artefact: str, sha256: str, tree: etree._ElementTree | None = None, *, hybrid: bool
) -> tuple[Finding, ...]:
    """The findings of an artefact in the edition with this SHA-256, each as the register has it for this document."""
    findings = tuple(findings)
    rules = {one.rule for one in findings}
    entries = {
        one.rule: one
        for one in REGISTER
        if one.rule in rules and artefact in one.artefacts and sha256.startswith(one.editions)
        if one.unless is None or tree is None or not select(one.unless, tree)
    }
    return tuple(_told(one, entries[one.rule], hybrid) if one.rule in entries else one for one in findings)


def _told(finding: Finding, entry: Wrong, hybrid: bool) -> Finding:
    if entry.where and not finding.path.rstrip("0123456789[]").endswith(entry.where):
        return finding
    effect = entry.effect_on(hybrid=hybrid)
    severity = finding.severity
    if effect is not Effect.EXPLAINED and _RANK.index(severity) < _RANK.index(Severity(effect)):
        severity = Severity(effect)
    state = f"disputed: {entry.why}"
    if severity is not finding.severity:
        state = f"known to be wrong, so a {_WORDS[severity]} instead of {finding.severity}: {entry.why}"
    says = f"{finding.says} [This rule is {state}; `estafette explain {finding.rule}` tells more.]"
    return replace(finding, severity=severity, says=says)


_RANK = (Severity.FATAL, Severity.WARNING, Severity.INFO)
_WORDS = {Severity.WARNING: "warning", Severity.INFO: "remark"}
