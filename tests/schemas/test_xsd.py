"""The XSD gate: what it refuses is told with line, path and what was expected."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from schemas import rulebook, xml, xsd
from schemas.catalogue import FORMATS, chain
from schemas.finding import LayerVerdict, Severity, Verdict
from schemas.judge import judge
from schemas.rulebooks import en16931, facturx
from tests.schemas.sample_invoice import invoice


def _file(syntax: str) -> str:
    return rulebook.find(chain(syntax, invoice().profile, french=False)[0].artefact).path


@pytest.mark.parametrize("syntax", sorted(FORMATS))
def test_our_invoice_passes(syntax: str) -> None:
    assert xsd.check(_file(syntax), xml.parse(FORMATS[syntax].write(invoice()))) == ()


def test_a_wrong_order_is_told_with_its_place() -> None:
    data = FORMATS["cii"].write(invoice()).decode()
    assert "<ram:CountryID>" in data
    head, tail = data.split("<ram:CountryID>FR</ram:CountryID>", 1)
    place = head.rindex("<ram:PostcodeCode>")
    broken = head[:place] + "<ram:CountryID>FR</ram:CountryID>" + head[place:] + tail
    findings = xsd.check(_file("cii"), xml.parse(broken.encode()))
    assert findings
    assert findings[0].rule == "XSD"
    assert findings[0].path.endswith("ram:SellerTradeParty/ram:PostalTradeAddress/ram:PostcodeCode")
    assert findings[0].line == broken[: broken.index("<ram:PostcodeCode>")].count("\n") + 1
    assert findings[0].found == "ram:PostcodeCode"


def test_a_missing_element_says_what_was_expected() -> None:
    data = FORMATS["ubl-invoice"].write(invoice()).decode()
    start, end = data.index("<cac:LegalMonetaryTotal>"), data.index("</cac:LegalMonetaryTotal>")
    broken = data[:start] + data[end + len("</cac:LegalMonetaryTotal>") :]
    findings = xsd.check(_file("ubl-invoice"), xml.parse(broken.encode()))
    assert "cac:LegalMonetaryTotal" in (findings[0].expected or "")
    assert findings[0].path == "/ubl:Invoice/cac:InvoiceLine"


def test_a_wrong_value_says_what_was_found() -> None:
    data = FORMATS["ubl-invoice"].write(invoice()).replace(b"2026-10-01", b"2026-02-31")
    (finding,) = xsd.check(_file("ubl-invoice"), xml.parse(data))
    assert finding.found == "2026-02-31"
    assert finding.path == "/ubl:Invoice/cbc:IssueDate"


def test_an_unknown_root_is_refused() -> None:
    (finding,) = xsd.check(_file("cii"), xml.parse(b"<a/>"))
    assert finding.line == 1


def test_breaches_are_counted_out() -> None:
    many = b"<a/>" * 1000
    data = (
        FORMATS["cii"].write(invoice()).replace(b"</ram:SpecifiedTradeProduct>", many + b"</ram:SpecifiedTradeProduct>")
    )
    assert 1 <= len(xsd.check(_file("cii"), xml.parse(data))) <= xsd.BREACHES_LIMIT


def test_a_type_that_does_not_exist_is_told_by_the_gate() -> None:
    """xmlschema raises on it."""
    named = b'<rsm:ExchangedDocument xmlns:q="http://www.w3.org/2001/XMLSchema-instance" q:type="foo">'
    data = FORMATS["cii"].write(invoice()).replace(b"<rsm:ExchangedDocument>", named)
    assert named in data
    findings = xsd.check(_file("cii"), xml.parse(data))
    assert "foo" in findings[0].says
    assert findings[0].line
    assert judge(data).verdict is Verdict.INVALID


def test_a_refusal_without_words_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = xml.parse(FORMATS["ubl-invoice"].write(invoice()).replace(b"2026-10-01", b"2026-02-31"))
    monkeypatch.setattr(xsd, "BREACHES_LIMIT", 0)
    (finding,) = xsd.check(_file("ubl-invoice"), tree)
    assert (finding.rule, finding.severity) == ("XSD", Severity.FATAL)
    assert finding.says


def test_what_only_the_gate_refuses_is_told_in_its_words() -> None:
    """A space that XML Schema does not know before an amount: xmlschema takes it away and reads on."""
    data = FORMATS["ubl-invoice"].write(invoice()).replace(b'"EUR">1200.00', '"EUR">\u00a01200.00'.encode())
    assert "\u00a0".encode() in data
    assert "1200.00" in xsd.check(_file("ubl-invoice"), xml.parse(data))[0].says


def test_threads_do_not_take_the_words_of_each_other() -> None:
    file = _file("ubl-invoice")
    good = FORMATS["ubl-invoice"].write(invoice())
    trees = [xml.parse(good), xml.parse(good.replace(b"2026-10-01", b"2026-02-31"))] * 100
    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(lambda tree: len(xsd.check(file, tree)), trees))
    assert counts == [0, 1] * 100


@pytest.mark.parametrize(
    ("syntax", "end", "many"),
    [
        ("cii", b"</rsm:CrossIndustryInvoice>", b"<x/>"),
        ("ubl-invoice", b"<cbc:DueDate>", b'<cbc:Note x=""/>'),
    ],
)
def test_a_large_tree_is_refused_soon(syntax: str, end: bytes, many: bytes) -> None:
    data = FORMATS[syntax].write(invoice())
    assert end in data
    tree = xml.parse(data.replace(end, many * 40_000 + end))
    started = time.perf_counter()
    findings = xsd.check(_file(syntax), tree)
    assert time.perf_counter() - started < 4
    assert 1 <= len(findings) <= xsd.BREACHES_LIMIT


def test_of_a_large_tree_too_many_breaches_are_told_without_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xsd, "STEPS_LIMIT", 1)
    line = replace(invoice().lines[0], note="n")
    wide = replace(invoice(), lines=tuple(replace(line, id=str(place)) for place in range(1, 1_900)))
    data = FORMATS["ubl-invoice"].write(wide).replace(b"<cbc:Note>n<", b'<cbc:Note x="">n<')
    findings = xsd.check(_file("ubl-invoice"), xml.parse(data))
    assert len(findings) == xsd.BREACHES_LIMIT
    assert {(one.rule, one.line, one.path) for one in findings} == {("XSD", None, "")}


def test_a_wide_tree_that_is_right_passes_and_its_breaches_have_places() -> None:
    line = invoice().lines[0]
    lines = tuple(replace(line, id=str(place)) for place in range(1, xsd.CHILDREN_LIMIT + 100))
    data = FORMATS["ubl-invoice"].write(replace(invoice(), lines=lines))
    assert xsd.check(_file("ubl-invoice"), xml.parse(data)) == ()
    (finding,) = xsd.check(_file("ubl-invoice"), xml.parse(data.replace(b"<cbc:ID>2050<", b'<cbc:ID x="">2050<')))
    assert finding.line == data[: data.index(b"<cbc:ID>2050<")].count(b"\n") + 1
    assert "InvoiceLine[2050]" in finding.path


def test_a_broken_schema_judges_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "broken.xsd"
    broken.write_text("<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'><xs:nothing/></xs:schema>")
    with pytest.raises(xsd.Unusable):
        xsd.check(str(broken), xml.parse(b"<a/>"))
    rules = en16931.INVOICE_XSD
    there = tmp_path / rules.artefact.file
    there.parent.mkdir(parents=True)
    there.write_text("no schema")
    layer, (finding,) = rulebook.apply(rules, xml.parse(b"<a/>"), b"", str(tmp_path))
    assert layer.verdict is LayerVerdict.SKIPPED
    assert finding.rule == "ENGINE-UNUSABLE"


def test_a_missing_schema_judges_nothing() -> None:
    artefact = replace(facturx.D22B.artefact, file="nowhere/nothing.xsd")
    layer, (finding,) = rulebook.apply(replace(facturx.D22B, artefact=artefact), xml.parse(b"<a/>"), b"")
    assert layer.verdict is LayerVerdict.SKIPPED
    assert "could not be judged" in layer.reason
    assert finding.rule == "ENGINE-MISSING"


def test_the_edition_names_the_bytes() -> None:
    assert rulebook.find(facturx.D22B.artefact).edition.startswith("UN/CEFACT CII D22B (")
    assert facturx.D22B.artefact.in_force(facturx.D22B.artefact.since)
    assert not replace(facturx.D22B.artefact, until=facturx.D22B.artefact.since).in_force(
        facturx.D22B.artefact.since.replace(year=2100)
    )
