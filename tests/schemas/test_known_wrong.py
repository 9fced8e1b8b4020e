"""Official rules known to be wrong: what is done is seen, and done only where it was proved."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas import editions
from schemas.catalogue import FORMATS, artefacts
from schemas.finding import Finding, Report, Severity, Verdict
from schemas.judge import judge
from schemas.known_wrong import REGISTER, Effect, applied, of
from schemas.xml import parse
from tests.schemas.sample_invoice import invoice

CII = FORMATS["cii"]
CONTACT = (
    b"<ram:DefinedTradeContact><ram:PersonName>A</ram:PersonName><ram:DepartmentName>B</ram:DepartmentName>"
    b"</ram:DefinedTradeContact>"
)


def two_names() -> bytes:
    """Our invoice, its seller's contact named as a person and as a department."""
    end = b"</ram:SpecifiedLegalOrganization>"
    return CII.write(invoice()).replace(end, end + CONTACT, 1)


def found(report: Report, rule: str) -> Finding:
    (finding,) = [one for one in report.findings if one.rule == rule]
    return finding


def test_every_entry_names_an_edition_that_is_here_and_a_source() -> None:
    here = {rules.artefact.name: editions.find(rules.artefact).sha256 for rules in artefacts()}
    for entry in REGISTER:
        assert entry.artefacts
        assert all(here[name].startswith(entry.editions) for name in entry.artefacts), entry.rule
        assert all(len(one) >= 12 for one in entry.editions)
        assert "github.com" in entry.source
        assert entry.english.endswith(".")
        assert entry.french.endswith(".")
        assert of(entry.rule) == (entry,)


def test_a_disputed_rule_warns_of_plain_cii_and_refuses_a_factur_x() -> None:
    plain = judge(two_names())
    assert plain.verdict is Verdict.VALID
    finding = found(plain, "CII-SR-465")
    assert finding.severity is Severity.WARNING
    assert "warning instead of fatal" in finding.says
    assert "estafette explain CII-SR-465" in finding.says
    assert "CEN's own edition only warns" in finding.says
    becomes = judge(two_names(), hybrid=True)
    assert becomes.verdict is Verdict.INVALID
    assert found(becomes, "CII-SR-465").severity is Severity.FATAL
    assert "disputed: " in found(becomes, "CII-SR-465").says


def test_an_entry_is_for_its_editions_alone() -> None:
    finding = Finding("CII-SR-465", Severity.FATAL, "facturx", "Text.")
    (entry,) = of("CII-SR-465")
    here = entry.editions[1] + "0" * 52
    (milder,) = applied([finding], "facturx-en16931", here, hybrid=False)
    assert milder.severity is Severity.WARNING
    assert applied([finding], "facturx-en16931", "0" * 64, hybrid=False) == (finding,)
    assert applied([finding], "extended-ctc-fr-cii", here, hybrid=False) == (finding,)


@pytest.mark.parametrize("severity", list(Severity))
def test_no_finding_is_made_worse_or_left_out(severity: Severity) -> None:
    rank = list(Severity)
    for entry in REGISTER:
        for hybrid in (True, False):
            finding = Finding(entry.rule, severity, "facturx", "Text.", path=f"/a/ram:{entry.where}[2]")
            (told,) = applied([finding], entry.artefacts[0], entry.editions[0] + "0" * 52, hybrid=hybrid)
            assert rank.index(told.severity) >= rank.index(severity)
            assert told.says.startswith("Text. [")
            assert (told.severity is severity) or entry.effect_on(hybrid=hybrid) is not Effect.EXPLAINED


def test_an_entry_for_one_place_leaves_others_alone() -> None:
    (entry,) = of("PEPPOL-EN16931-R008")
    here = entry.editions[0] + "0" * 52
    empty = Finding(entry.rule, Severity.WARNING, "facturx", "Empty.", path="/rsm:CrossIndustryInvoice/ram:Name")
    assert applied([empty], entry.artefacts[0], here, hybrid=False) == (empty,)
    mandatory = replace(empty, path="/rsm:CrossIndustryInvoice/ram:ApplicableHeaderTradeDelivery")
    assert applied([mandatory], entry.artefacts[0], here, hybrid=False)[0].severity is Severity.INFO


ATTACHMENT = (
    b"<ram:AdditionalReferencedDocument><ram:IssuerAssignedID>%d</ram:IssuerAssignedID>"
    b"<ram:TypeCode>916</ram:TypeCode>%s</ram:AdditionalReferencedDocument>"
)
ONE = b"<ram:Name>A</ram:Name>"


@pytest.mark.parametrize(("names", "severity"), [((ONE, ONE), Severity.INFO), ((ONE + ONE,), Severity.WARNING)])
def test_a_rule_that_counts_over_all_attachments_stays_where_one_breaks_it(
    names: tuple[bytes, ...], severity: Severity
) -> None:
    """Two attachments with a name each are no mistake; one attachment with two names is, and is told as published."""
    end = b"</ram:ApplicableHeaderTradeAgreement>"
    attachments = b"".join(ATTACHMENT % (number, name) for number, name in enumerate(names))
    tree = parse(CII.write(invoice()).replace(end, attachments + end, 1))
    (entry,) = of("CII-SR-475")
    published = Finding("CII-SR-475", Severity.WARNING, "facturx", "Only one.")
    (told,) = applied([published], entry.artefacts[0], entry.editions[0] + "0" * 52, tree, hybrid=True)
    assert told.severity is severity
    assert (told == published) is (severity is Severity.WARNING)


def test_two_attachments_with_a_name_each_are_no_warning_of_an_invoice() -> None:
    end = b"</ram:ApplicableHeaderTradeAgreement>"
    both = ATTACHMENT % (1, ONE) + ATTACHMENT % (2, ONE)
    report = judge(CII.write(invoice()).replace(end, both + end, 1))
    said = [one for one in report.findings if one.rule == "CII-SR-475"]
    assert [one.severity for one in said] == [Severity.INFO], report.findings
