"""Status messages and e-reporting are judged by their XSD and their rules; nobody takes them for invoices."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.catalogue import MESSAGES, opened, recognise
from schemas.finding import LayerVerdict, Report, Verdict
from schemas.judge import judge
from schemas.rulebook import Rules
from schemas.rulebooks import fr
from schemas.xml import Unreadable
from tests.schemas.skeleton import Assert, Rule, stylesheet

SAMPLES = Path(__file__).parents[1] / "samples"
STATUS = (SAMPLES / "cdar/approved.xml").read_bytes()
PAYMENTS = (SAMPLES / "flux10/payments.xml").read_bytes()
TRANSACTIONS = (SAMPLES / "flux10/transactions.xml").read_bytes()
GUIDELINE = "urn.cpro.gouv.fr:1p0:CDV:invoice"


def layers(report: Report) -> list[tuple[str, str]]:
    return [(one.name, str(one.verdict)) for one in report.layers]


@pytest.mark.parametrize(
    ("data", "format_", "profile", "rules"),
    [
        (STATUS, "cdar", GUIDELINE, "br-fr-cdv"),
        (PAYMENTS, "flux10", "", "flux10"),
        (TRANSACTIONS, "flux10", "", "flux10"),
    ],
)
def test_messages_are_judged(data: bytes, format_: str, profile: str, rules: str) -> None:
    report = judge(data)
    assert (report.verdict, report.format, report.profile, report.findings) == (Verdict.VALID, format_, profile, ())
    assert layers(report) == [("xml", "passed"), ("xsd", "passed"), (rules, "passed")]
    assert all(one.edition for one in report.layers if one.name != "xml")
    assert judge(data, french=True) == report, "they are French in themselves"


def test_a_broken_rule_of_a_status_is_told_with_its_place() -> None:
    report = judge(STATUS.replace(b">BY<", b">ZZ<"))
    assert report.verdict is Verdict.INVALID
    (finding,) = report.findings
    assert (finding.rule, finding.line) == ("BR-FR-CDV-CL-03_MDT-40_23", 11)
    assert finding.path == "/rsm:CrossDomainAcknowledgementAndResponse/rsm:ExchangedDocument"
    assert layers(report)[-1] == ("br-fr-cdv", "failed")


def test_a_broken_rule_of_a_report_is_told_with_its_place() -> None:
    report = judge(PAYMENTS.replace(b">108.000000<", b">108.0000001<"))
    assert report.verdict is Verdict.INVALID
    assert [one.line for one in report.findings] == [PAYMENTS[: PAYMENTS.index(b">108.")].count(b"\n") + 1]
    assert layers(report)[-1] == ("flux10", "failed")


@pytest.mark.parametrize(("data", "rules"), [(STATUS, "br-fr-cdv"), (PAYMENTS, "flux10")])
def test_after_the_xsd_the_rules_are_skipped(data: bytes, rules: str) -> None:
    old, new = (b"rsm:ExchangedDocument>", b"rsm:Else>") if rules == "br-fr-cdv" else (b"ReportPeriod", b"Period")
    report = judge(data.replace(old, new))
    assert report.verdict is Verdict.INVALID
    assert layers(report) == [("xml", "passed"), ("xsd", "failed"), (rules, "skipped")]
    assert report.layers[-1].reason == "the layer xsd failed"


@pytest.mark.parametrize(("data", "rules"), [(STATUS, fr.BR_FR_CDV), (PAYMENTS, fr.FLUX10)])
def test_what_cannot_be_judged_is_never_valid(data: bytes, rules: Rules, tmp_path: Path) -> None:
    sheet = tmp_path / rules.artefact.file
    sheet.parent.mkdir(parents=True)
    sheet.write_text("<no/>")
    report = judge(data, folder=str(tmp_path))
    assert (report.verdict, report.layers[-1].verdict) == (Verdict.UNJUDGED, LayerVerdict.SKIPPED)
    sheet.write_bytes(stylesheet((Rule("/*", (Assert("xs:decimal(name()) > 0", "OUR-01"),)),)))
    assert judge(data, folder=str(tmp_path)).verdict is Verdict.UNJUDGED


@pytest.mark.parametrize("data", [STATUS, PAYMENTS])
def test_no_message_is_taken_as_an_invoice(data: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        recognise(data)
    assert [one.rule for one in refused.value.findings] == ["FORMAT-UNKNOWN"]
    assert opened(data, messages=True).recognised.format in MESSAGES


@pytest.mark.parametrize("data", [b"<Report/>", b"<Report><!-- --><Chapter/></Report>", b"<Report xmlns='urn:x'/>"])
def test_not_every_report_is_one(data: bytes) -> None:
    report = judge(data)
    assert (report.verdict, report.format, report.findings[0].rule) == (Verdict.INVALID, "", "FORMAT-UNKNOWN")


def test_a_report_with_a_comment_in_front_is_one() -> None:
    assert judge(PAYMENTS.replace(b"<Report>", b"<Report><!-- first -->")).verdict is Verdict.VALID
