"""The one verdict: which layers ran, what each broken rule tells, and that nothing unjudged is ever valid."""

from __future__ import annotations

import datetime
import io
import multiprocessing
import pickle
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pikepdf
import pytest

from schemas import explain, json_form
from schemas.catalogue import FORMATS
from schemas.finding import FINDINGS_LIMIT, Finding, LayerVerdict, Report, Severity, Verdict
from schemas.formats import facturx as hybrid
from schemas.formats.facturx.page import typeset
from schemas.invoice import Card, Identifier, Invoice
from schemas.judge import judge, warm
from schemas.rulebooks import facturx, fr
from tests.schemas.sample_invoice import invoice
from tests.schemas.skeleton import Assert, Rule, stylesheet

ATTACKS = Path(__file__).parent.parent / "samples" / "attacks"

Break = Callable[[Invoice], Invoice]


def _credit(syntax: str) -> str:
    return "381" if syntax == "ubl-creditnote" else "380"


def _judge(broken: Invoice, syntax: str = "cii", french: bool = False) -> Report:
    return judge(FORMATS[syntax].write(broken), french=french)


def _fatal(report: Report) -> dict[str, Finding]:
    return {finding.rule: finding for finding in report.findings if finding.severity is Severity.FATAL}


def _of_house(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.layer == "house"]


def _layers(report: Report) -> dict[str, LayerVerdict]:
    return {layer.name: layer.verdict for layer in report.layers}


@pytest.mark.parametrize("syntax", sorted(FORMATS))
def test_our_invoice_keeps_every_rule(syntax: str) -> None:
    whole = replace(invoice(), type_code=_credit(syntax))
    report = _judge(whole, syntax)
    assert (report.verdict, _fatal(report)) == (Verdict.VALID, {})
    assert (report.format, report.profile) == (syntax, whole.profile)
    base = "facturx" if syntax == "cii" else "en16931"
    assert list(_layers(report)) == ["xml", "xsd", base, "house"]
    assert set(_layers(report).values()) == {LayerVerdict.PASSED}
    assert all(layer.edition for layer in report.layers if layer.name in ("xsd", base))


@pytest.mark.parametrize("syntax", ["cii", "ubl-invoice"])
def test_our_invoice_keeps_the_french_rules(syntax: str) -> None:
    report = _judge(invoice(), syntax, french=True)
    assert (report.verdict, _layers(report)["br-fr"]) == (Verdict.VALID, LayerVerdict.PASSED)


@pytest.mark.parametrize(
    ("profile", "layer"),
    [
        *(
            (profile, "facturx")
            for profile in facturx.PROFILES
            if profile.endswith((":2017", "#urn:factur-x.eu:1p0:basic", "#urn:factur-x.eu:1p0:extended"))
        ),
        ("urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0", "facturx"),
        (fr.EXTENDED_CTC_FR, "extended-ctc-fr"),
    ],
)
def test_every_profile_that_can_hold_our_invoice_is_judged(profile: str, layer: str) -> None:
    report = _judge(replace(invoice(), profile=profile))
    assert (report.verdict, report.profile, _layers(report)[layer]) == (Verdict.VALID, profile, LayerVerdict.PASSED)


def test_a_profile_too_small_for_the_invoice_refuses_it() -> None:
    assert _judge(replace(invoice(), profile="urn:factur-x.eu:1p0:minimum")).verdict is Verdict.INVALID


def _totals(**amounts: str) -> Break:
    values = {name: Decimal(value) for name, value in amounts.items()}
    return lambda whole: replace(whole, totals=replace(whole.totals, **values))


SUMS = {
    "BR-CO-10": (_totals(lines="999.00"), "999.00", "1000.00"),
    "BR-CO-13": (_totals(without_vat="999.00"), "999.00", "1000.00"),
    "BR-CO-14": (_totals(vat="199.00"), "199.00", "200.00"),
    "BR-CO-15": (_totals(with_vat="1201.00"), "1201.00", "1200.00"),
    "BR-CO-16": (_totals(due="1199.00"), "1199.00", "1200.00"),
}


@pytest.mark.parametrize("syntax", ["cii", "ubl-invoice"])
@pytest.mark.parametrize("rule", sorted(SUMS))
def test_a_wrong_sum_tells_found_and_expected(rule: str, syntax: str) -> None:
    broken, found, expected = SUMS[rule]
    report = _judge(broken(invoice()), syntax)
    finding = _fatal(report)[rule]
    assert report.verdict is Verdict.INVALID
    assert (Decimal(finding.found or 0), Decimal(finding.expected or 0)) == (Decimal(found), Decimal(expected))
    assert explain.terms_of(rule)[0] in finding.terms
    assert finding.fix
    assert not finding.says.startswith(("[", rule))


BREAKS: dict[str, Break] = {
    "BR-02": lambda whole: replace(whole, number=" "),
    "BR-06": lambda whole: replace(whole, seller=replace(whole.seller, name=" ")),
    "BR-CO-09": lambda whole: replace(whole, seller=replace(whole.seller, vat_id="123456782")),
    "BR-S-02": lambda whole: replace(whole, seller=replace(whole.seller, vat_id="")),
    "BR-61": lambda whole: replace(whole, payment=replace(whole.payment, transfers=())) if whole.payment else whole,
}


@pytest.mark.parametrize("rule", sorted(BREAKS))
def test_a_broken_rule_is_found(rule: str) -> None:
    report = _judge(BREAKS[rule](invoice()), "ubl-invoice")
    assert report.verdict is Verdict.INVALID
    assert rule in _fatal(report)


FRENCH: dict[str, Break] = {
    "BR-FR-01_BT-1": lambda whole: replace(whole, number="F" * 36),
    "BR-FR-02_BT-1": lambda whole: replace(whole, number="F 2026"),
    "BR-FR-05_BT-22_PMT": lambda whole: replace(whole, notes=whole.notes[1:]),
    "BR-FR-08_BT-23": lambda whole: replace(whole, process="X1"),
    "BR-FR-10_BT-30": lambda whole: replace(whole, seller=replace(whole.seller, legal_id=None)),
    "BR-FR-12_BT-49": lambda whole: replace(whole, buyer=replace(whole.buyer, endpoint=None)),
    "BR-FR-21_BT-49": lambda whole: replace(
        whole, buyer=replace(whole.buyer, endpoint=Identifier("732829320", "0225"))
    ),
}


@pytest.mark.parametrize("rule", sorted(FRENCH))
def test_a_broken_french_rule_is_found_only_when_asked_for(rule: str) -> None:
    broken = FRENCH[rule](invoice())
    assert _judge(broken).verdict is Verdict.VALID
    report = _judge(broken, french=True)
    assert report.verdict is Verdict.INVALID
    finding = _fatal(report)[rule]
    assert finding.layer == "br-fr"
    assert finding.terms
    assert finding.fix


def test_base_and_french_rules_are_told_together() -> None:
    broken = replace(SUMS["BR-CO-15"][0](invoice()), process="X1")
    assert {"BR-CO-15", "BR-FR-08_BT-23"} <= set(_fatal(_judge(broken, french=True)))


def test_path_and_line_point_into_the_submitted_bytes() -> None:
    data = FORMATS["cii"].write(SUMS["BR-CO-15"][0](invoice()))
    finding = _fatal(judge(data))["BR-CO-15"]
    assert finding.line is not None
    named = finding.path.rpartition(":")[2].partition("[")[0]
    assert f":{named}>".encode() in data.splitlines()[finding.line - 1]


def test_after_a_failed_xsd_the_rules_are_skipped() -> None:
    data = FORMATS["ubl-invoice"].write(invoice()).replace(b"2026-10-01", b"2026-02-31")
    report = judge(data, french=True)
    assert report.verdict is Verdict.INVALID
    assert [layer.verdict for layer in report.layers if layer.name in ("en16931", "br-fr", "house")] == [
        LayerVerdict.SKIPPED
    ] * 3
    assert all("xsd failed" in layer.reason for layer in report.layers if layer.verdict is LayerVerdict.SKIPPED)


@pytest.mark.parametrize("name", sorted(file.name for file in ATTACKS.iterdir() if file.name != "mark-and-comment.xml"))
def test_every_attack_ends_in_a_report(name: str) -> None:
    report = judge((ATTACKS / name).read_bytes())
    assert report.verdict is Verdict.INVALID
    assert report.findings[0].severity is Severity.FATAL
    assert report.layers[0].verdict is LayerVerdict.FAILED
    assert report.layers[1].verdict is LayerVerdict.SKIPPED
    assert explain.explain(report.findings[0].rule), "each has its explanation"


def test_json_is_judged_as_the_xml_it_becomes() -> None:
    report = judge(json_form.write(invoice()), french=True)
    assert (report.verdict, report.format, report.profile) == (Verdict.VALID, "json", invoice().profile)
    assert list(_layers(report)) == ["json", "xml", "xsd", "facturx", "br-fr", "house"]


def test_findings_on_json_have_terms_and_no_line() -> None:
    finding = _fatal(judge(json_form.write(replace(invoice(), process="X1")), french=True))["BR-FR-08_BT-23"]
    assert finding.terms
    assert finding.path.startswith("/rsm:CrossIndustryInvoice/")
    assert finding.line is None


def test_unreadable_json_is_told_whole() -> None:
    report = judge(b'{"number": "1", "issue_date": "yesterday", "unheard": 1}')
    assert (report.verdict, report.format) == (Verdict.INVALID, "json")
    assert len(report.findings) > 1
    assert _layers(report)["xsd"] is LayerVerdict.SKIPPED


def _pdf(attached: bytes, name: str = "factur-x.xml") -> bytes:
    pdf = pikepdf.new()
    pdf.add_blank_page()
    file = pikepdf.AttachedFileSpec(
        pdf, attached, filename=name, mime_type="text/xml" if name.endswith(".xml") else "text/plain"
    )
    file.relationship = pikepdf.Name("/Alternative")
    pdf.attachments[name] = file
    pdf.Root.AF = pdf.make_indirect(pikepdf.Array([file.obj]))
    written = io.BytesIO()
    pdf.save(written)
    return written.getvalue()


def test_of_a_pdf_its_xml_is_judged() -> None:
    report = judge(_pdf(FORMATS["cii"].write(invoice())), french=True)
    assert (report.verdict, report.format, report.profile) == (Verdict.VALID, "facturx", invoice().profile)
    assert list(_layers(report)) == ["pdf", "xml", "xsd", "facturx", "br-fr", "house"]
    data = FORMATS["cii"].write(SUMS["BR-CO-15"][0](invoice()))
    *others, scan = judge(_pdf(data)).findings
    assert tuple(others) == judge(data).findings
    assert (scan.rule, scan.severity) == ("HOUSE-PDF-SCAN", Severity.INFO)


def test_a_page_that_says_other_than_its_xml_is_a_warning() -> None:
    made_at = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)
    page = typeset(invoice(), created=made_at)
    other = replace(invoice(), number="F-2026-0002", due_date=datetime.date(2026, 11, 30))
    built = hybrid.build(other, FORMATS["cii"].write(other), created=made_at)
    assert _of_house(judge(built, french=True)) == []
    for submitted in (FORMATS["cii"].write(other), FORMATS["ubl-invoice"].write(other), json_form.write(other)):
        assert _of_house(judge(submitted, french=True)) == []
        report = judge(submitted, french=True, page=page)
        assert report.verdict is Verdict.VALID
        assert [(one.rule, one.severity, one.found, one.expected) for one in _of_house(report)] == [
            ("HOUSE-PDF-BT-1", Severity.WARNING, None, "F-2026-0002"),
            ("HOUSE-PDF-BT-9", Severity.WARNING, "2026-10-31", "2026-11-30"),
        ]
        assert all(one.fix and one.terms for one in _of_house(report))
    (unread,) = _of_house(judge(FORMATS["cii"].write(other), page=b"%PDF-1.7"))
    assert (unread.rule, unread.severity) == ("HOUSE-PDF-UNREAD", Severity.WARNING)


def test_what_the_rules_pass_and_no_reader_can_read_is_invalid() -> None:
    data = FORMATS["cii"].write(invoice()).replace(b"20261031", b"20159999")
    report = judge(data)
    assert report.verdict is Verdict.INVALID
    assert set(_fatal(report)) == {"XML-VALUE"}
    finding = report.findings[0]
    assert (finding.rule, finding.terms) == ("XML-VALUE", ("BT-9",))
    assert finding.line is not None
    assert b"20159999" in data.splitlines()[finding.line - 1]
    failed = {name for name, verdict in _layers(report).items() if verdict is LayerVerdict.FAILED}
    assert failed == {"xml"}
    assert judge(_pdf(data)).verdict is Verdict.INVALID


def test_a_page_beside_data_that_cannot_be_read_is_told_as_not_compared() -> None:
    page = typeset(invoice(), created=datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC))
    data = FORMATS["cii"].write(invoice()).replace(b"20261031", b"20159999")
    report = judge(data, page=page)
    assert set(_fatal(report)) == {"XML-VALUE"}
    assert [finding.rule for finding in _of_house(report)] == ["HOUSE-PDF-UNREAD"]
    broken = FORMATS["cii"].write(SUMS["BR-CO-15"][0](invoice())).replace(b"20261031", b"20159999")
    report = judge(broken, page=page)
    assert "BR-CO-15" in _fatal(report)
    assert [finding.rule for finding in _of_house(report)] == ["HOUSE-PDF-UNREAD"]


@pytest.mark.parametrize(
    ("attached", "rule"),
    [
        (b"<a/>", "FORMAT-UNKNOWN"),
        ((ATTACKS / "entity-bomb.xml").read_bytes(), "XML-DOCTYPE"),
        (FORMATS["ubl-invoice"].write(invoice()), "FORMAT-UNKNOWN"),
    ],
    ids=["nothing known", "bomb", "ubl"],
)
def test_what_a_pdf_carries_comes_through_the_same_door(attached: bytes, rule: str) -> None:
    assert set(_fatal(judge(_pdf(attached)))) == {rule}


def test_a_pdf_without_an_invoice_is_refused() -> None:
    (finding,) = judge(_pdf(b"plain", "notes.txt")).findings
    assert finding.rule.startswith("PDF-")


HOUSE: dict[str, tuple[Break, str]] = {
    "HOUSE-SIREN": (
        lambda whole: replace(whole, seller=replace(whole.seller, legal_id=Identifier("123456789", "0002"))),
        "BT-30",
    ),
    "HOUSE-SIRET": (
        lambda whole: replace(whole, buyer=replace(whole.buyer, ids=(Identifier("98765432400010", "0009"),))),
        "BT-46",
    ),
    "HOUSE-VAT": (lambda whole: replace(whole, buyer=replace(whole.buyer, vat_id="FR99987654324")), "BT-48"),
    "HOUSE-IBAN": (
        lambda whole: replace(
            whole,
            payment=whole.payment
            and replace(
                whole.payment, transfers=(replace(whole.payment.transfers[0], account="FR7630006000011234567890188"),)
            ),
        ),
        "BT-84",
    ),
}


@pytest.mark.parametrize("syntax", ["cii", "ubl-invoice"])
@pytest.mark.parametrize("rule", sorted(HOUSE))
def test_a_wrong_check_digit_is_a_warning(rule: str, syntax: str) -> None:
    broken, term = HOUSE[rule]
    report = _judge(broken(invoice()), syntax)
    assert report.verdict is Verdict.VALID
    (finding,) = [finding for finding in report.findings if finding.layer == "house"]
    assert (finding.rule, finding.severity, finding.terms) == (rule, Severity.WARNING, (term,))
    assert finding.found
    assert finding.line


@pytest.mark.parametrize(
    ("syntax", "amount", "path"),
    [
        ("ubl-invoice", "PayableAmount", "/ubl:Invoice/cac:LegalMonetaryTotal/cbc:PayableAmount/@currencyID"),
        ("cii", "TaxTotalAmount", "ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:TaxTotalAmount/@currencyID"),
        ("cii", "DuePayableAmount", "ram:DuePayableAmount/@currencyID"),
    ],
)
def test_an_amount_in_another_currency_is_a_warning(syntax: str, amount: str, path: str) -> None:
    data = re.sub(rf'{amount}( currencyID="EUR")?>(?=\d)', f'{amount} currencyID="USD">', _text(invoice(), syntax))
    findings = [one for one in judge(data.encode()).findings if one.rule == "HOUSE-CURRENCY"]
    assert [(one.severity, one.found, one.expected) for one in findings] == [(Severity.WARNING, "USD", "EUR")]
    assert findings[0].path.endswith(path)
    assert findings[0].line
    assert findings[0].fix


@pytest.mark.parametrize("syntax", ["cii", "ubl-invoice"])
def test_the_total_of_vat_may_be_in_the_currency_of_accounting(syntax: str) -> None:
    totals = replace(invoice().totals, vat_in_tax_currency=Decimal("220.00"))
    data = _text(replace(invoice(), tax_currency="USD", totals=totals), syntax)
    assert data.count('currencyID="USD"') == 1
    assert not _of_house(judge(data.encode()))
    (warning,) = _of_house(judge(data.replace('currencyID="USD"', 'currencyID="GBP"').encode()))
    assert (warning.rule, warning.found) == ("HOUSE-CURRENCY", "GBP")


def _text(whole: Invoice, syntax: str) -> str:
    return FORMATS[syntax].write(whole).decode()


def _spoilt(folder: Path, text: str) -> str:
    sheet = folder / facturx.chain(invoice().profile)[1].artefact.file
    sheet.parent.mkdir(parents=True)
    sheet.write_text(text)
    return str(folder)


def test_an_artefact_that_cannot_be_used_leaves_unjudged(tmp_path: Path) -> None:
    report = judge(FORMATS["cii"].write(invoice()), folder=_spoilt(tmp_path, "<no/>"))
    assert report.verdict is Verdict.UNJUDGED
    assert _layers(report)["facturx"] is LayerVerdict.SKIPPED
    assert set(_fatal(report)) == {"ENGINE-UNUSABLE"}


def test_what_is_broken_for_certain_is_invalid_even_if_a_layer_could_not_run(tmp_path: Path) -> None:
    broken = FORMATS["cii"].write(replace(invoice(), process="X1"))
    assert judge(broken, french=True, folder=_spoilt(tmp_path, "<no/>")).verdict is Verdict.INVALID


def test_a_schema_that_cannot_be_used_skips_all_and_leaves_unjudged(tmp_path: Path) -> None:
    schema = tmp_path / facturx.chain(invoice().profile)[0].artefact.file
    schema.parent.mkdir(parents=True)
    schema.write_text("<no/>")
    report = judge(FORMATS["cii"].write(invoice()), folder=str(tmp_path))
    assert report.verdict is Verdict.UNJUDGED
    assert _layers(report)["facturx"] is LayerVerdict.SKIPPED


def test_a_rule_that_errs_leaves_unjudged(tmp_path: Path) -> None:
    sheet = stylesheet((Rule("/*", (Assert("xs:decimal(name()) > 0", "OUR-01"),)),)).decode()
    report = judge(FORMATS["cii"].write(invoice()), folder=_spoilt(tmp_path, sheet))
    assert (report.verdict, set(_fatal(report))) == (Verdict.UNJUDGED, {"ENGINE-ERROR"})


def test_findings_beyond_the_limit_are_counted() -> None:
    line = invoice().lines[0]
    lines = tuple(replace(line, id=str(place), unit="NO") for place in range(1, FINDINGS_LIMIT + 200))
    report = _judge(replace(invoice(), lines=lines))
    assert len(report.findings) == FINDINGS_LIMIT
    assert report.uncounted > 0
    assert report.verdict is Verdict.INVALID
    assert report.as_json()["uncounted"] == report.uncounted


def test_same_document_same_report() -> None:
    data = FORMATS["cii"].write(SUMS["BR-CO-15"][0](invoice()))
    assert judge(data, french=True) == judge(data, french=True)


def test_the_verdict_crosses_processes() -> None:
    data = FORMATS["cii"].write(invoice())
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=warm) as pool:
        report = pool.submit(judge, data, french=True).result(timeout=120)
    assert report.verdict is Verdict.VALID
    assert pickle.loads(pickle.dumps(report)) == report


def test_explanations_speak_both_languages() -> None:
    rules = [
        *(f"BR-{number:02}" for number in [*range(1, 34), 36, 37, 38, *range(41, 58), *range(61, 66)]),
        *(f"BR-CO-{number:02}" for number in [3, 4, *range(9, 21), 25, 26]),
        *(f"BR-{letter}-{number:02}" for letter in ("S", "Z", "E", "AE", "IC", "G", "O") for number in range(1, 11)),
        *(f"BR-FR-{number:02}" for number in range(1, 33) if number not in (7, 14, 19)),
        "BR-FR-03_BT-9", "BR-FR-32-LEGALID", "BR-FR-MV-03_EXT-FR-FE-164", "BR-FXEXT-CO-10", "BR-FXEXT-E-08rev",
        "BR-IC-12", "BR-O-14", "BR-CL-10", "BR-DEC-01", "UBL-CR-001", "CII-SR-465", "FX-SCH-A-000588", "XSD",
        "XML-DOCTYPE", "JSON-SYNTAX", "PDF-BROKEN", "FORMAT-UNKNOWN", "MEDIA-TYPE", "HOUSE-IBAN", "ENGINE-ERROR",
        "HOUSE-CURRENCY", "HOUSE-PDF-BT-112", "HOUSE-PDF-SCAN", "HOUSE-PDF-UNREAD", "HOUSE-PDF-HIDDEN",
    ]  # fmt: skip
    for rule in rules:
        told = explain.explain(rule)
        assert told, rule
        assert told.rule == rule
        assert told.english
        assert told.french
        assert told.english != told.french
        assert bool(told.fix_english) == bool(told.fix_french)
    assert explain.explain("NO-SUCH-RULE") is None
    assert explain.fix_of("NO-SUCH-RULE") is None
    assert explain.terms_of("BR-FR-09_EXT-FR-FE-06") == ("EXT-FR-FE-06",)
    assert explain.terms_of("BR-CO-15") == ("BT-112", "BT-109", "BT-110")


@pytest.mark.parametrize("ending", ["", ":minimum", ":basicwl", ":basic", ":extended", ":en16931"])
def test_no_ending_of_an_unknown_profile_switches_the_rules_of_the_norm_off(ending: str) -> None:
    one = replace(invoice(), profile=f"urn:x{ending}", vat_breakdown=())
    report = judge(FORMATS["cii"].write(one))
    assert report.verdict is Verdict.INVALID
    assert any(finding.rule.startswith("BR-") and finding.severity is Severity.FATAL for finding in report.findings)


def test_what_a_json_invoice_says_and_its_xml_cannot_is_told() -> None:
    one = invoice()
    carded = replace(one, payment=replace(one.payment, card=Card(number="1234", network="VISA")))
    report = judge(json_form.write(carded))
    assert report.verdict is Verdict.VALID
    (told,) = [finding for finding in report.findings if finding.rule == "HOUSE-NOT-IN-CII"]
    assert (told.severity, told.path) == (Severity.WARNING, "/payment/card/network")
    assert "HOUSE-NOT-IN-CII" not in {finding.rule for finding in judge(json_form.write(one)).findings}
