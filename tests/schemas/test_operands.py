"""What a broken rule found and what it expected, read off its own test."""

from __future__ import annotations

import pytest

from schemas.finding import Severity
from schemas.judge import judge
from schemas.schematron import store
from schemas.schematron.runtime import Run
from schemas.schematron.tree import read
from tests.schemas.test_place import SAMPLES

SCHEMA = """<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2"
  xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:f="urn:f">
<ns prefix="f" uri="urn:f"/><ns prefix="xs" uri="http://www.w3.org/2001/XMLSchema"/>
<xsl:function name="f:is-siren" as="xs:boolean">
  <xsl:param name="number" as="xs:string?"/>
  <xsl:sequence select="matches($number, '^\\d{{9}}$')"/>
</xsl:function>
<pattern><rule context="/r"><let name="sum" value="sum(i/xs:decimal(.))"/><{kind} id="T" test="{test}">t</{kind}></rule>
</pattern></schema>"""


def told(tmp_path, test: str, document: str, kind: str = "assert") -> tuple[str | None, str | None] | None:
    """What the only rule of a schema found and expected in a document that breaks it; None: it does not tell."""
    path = tmp_path / "rules.sch"
    path.write_text(SCHEMA.format(test=test.replace("<", "&lt;"), kind=kind), encoding="utf-8")
    light = read(f"<r>{document}</r>".encode())
    try:
        (fired,) = store.load(path).judge(light)
        assert fired.node is not None
        operands = store.load_teller(path).tell(fired.number, fired.node, Run(light))
    finally:
        light.discard()
    return None if operands is None else (operands.found, operands.expected)


@pytest.mark.parametrize(
    ("test", "document", "found", "expected"),
    [
        ("xs:decimal(t) = $sum", "<t>7</t><i>1</i><i>2.50</i>", "7", "3.5"),
        ("$sum = xs:decimal(t)", "<t>7</t><i>1</i>", "1", "7"),
        ("5 >= xs:decimal(t)", "<t>7</t>", "7", "at most 5"),
        ("xs:decimal(t) > 0", "<t>-1</t>", "-1", "more than 0"),
        ("abs(xs:decimal(t) - $sum) <= 0.02", "<t>7</t><i>1</i>", "7", "1, give or take 0.02"),
        ("xs:decimal(t) - 1 < $sum and xs:decimal(t) + 1 > $sum", "<t>7</t><i>1</i>", "7", "1, give or take 1"),
        ("t and (not(i) or t = 'A')", "<t>B</t><i/>", "B", "A"),
        ("not(i = 'x') or t = 'A'", "<t>B</t><i>x</i>", "B", "A"),
        ("(i = 'y' and t = '1') or (i = 'x' and t = '2')", "<t>9</t><i>x</i>", "9", "2"),
        ("every $one in i satisfies xs:decimal($one) <= 3", "<i>1</i><i>5</i><i>9</i>", "5", "at most 3"),
        ("count(i) <= 1", "<i/><i/><i/>", "3", "at most 1"),
        ("count(i) = 1", "", "0", "1"),
        ("t = ('A', 'B')", "<t>C</t>", "C", "one of A, B"),
        ("t = 'A' or t = 'B'", "<t>C</t>", "C", "one of A, B"),
        ("contains(' A B ', concat(' ', normalize-space(t), ' '))", "<t>C</t>", "C", "one of A, B"),
        ("string-length(t) le 3", "<t>abcd</t>", "abcd (4 characters)", "at most 3 characters"),
        ("string-length(substring-after(t, '.')) <= 2", "<t>1.234</t>", "1.234", "at most 2 decimals"),
        ("matches(t, '^\\d{14}$')", "<t>12</t>", "12", "14 digits"),
        ("f:is-siren(t)", "<t>12</t>", "12", "9 digits"),
        ("starts-with(t, 'FR')", "<t>DE1</t>", "DE1", "beginning with “FR”"),
        ("normalize-space(t) != ''", "<t> </t>", None, "a value"),
        ("xs:date(i) <= xs:date(t)", "<t>2026-01-01</t><i>2026-02-01</i>", "2026-02-01", "at most 2026-01-01"),
    ],
)
def test_a_comparison_that_fails_tells_both_sides(tmp_path, test, document, found, expected):
    assert told(tmp_path, test, document) == (found, expected)


def test_a_report_tells_what_would_have_kept_it_still(tmp_path):
    assert told(tmp_path, "count(i) > 1", "<i/><i/>", "report") == ("2", "at most 1")


def test_a_long_list_tells_how_many_codes_there_are_and_the_nearest(tmp_path):
    codes = " ".join(f"C{number}" for number in range(100, 160))
    said = told(tmp_path, f"contains(' {codes} ', concat(' ', t, ' '))", "<t>C1511</t>")
    assert said is not None
    assert said[1] is not None
    assert said[1].startswith("one of 60 codes; nearest: C151")


@pytest.mark.parametrize(
    ("test", "document"),
    [
        ("t", ""),
        ("not(i)", "<i/>"),
        ("t = 'A' or i = 'B'", "<t>1</t><i>2</i>"),
        ("t or i = 'B'", "<i>2</i>"),
        ("not(t = 'A') and not(i)", "<i/>"),
    ],
)
def test_what_compares_nothing_or_several_things_is_not_told(tmp_path, test, document):
    assert told(tmp_path, test, document) is None


def test_a_value_that_cannot_be_computed_is_not_told_and_changes_nothing(tmp_path):
    assert told(tmp_path, "t = 'A' or (i = 'x' and xs:decimal(t) = 1)", "<t>B</t><i>y</i>") is None


def test_long_values_are_cut(tmp_path):
    said = told(tmp_path, "t = 'A'", f"<t>{'x' * 5000}</t>")
    assert said is not None
    assert said[0] is not None
    assert len(said[0]) <= 200


def test_an_amount_of_a_real_invoice_tells_its_sum():
    data = (SAMPLES / "ubl" / "invoice-simple.xml").read_bytes()
    start = data.index(b"<cbc:LineExtensionAmount")
    at = data.index(b">", start) + 1
    end = data.index(b"<", at)
    report = judge(data[:at] + b"1.23" + data[end:])
    (finding,) = [one for one in report.findings if one.rule == "BR-CO-10"]
    assert finding.severity is Severity.FATAL
    assert finding.found == "1.23"
    assert finding.expected == data[at:end].decode()


def test_what_is_told_is_kept_for_the_next_process(tmp_path):
    path = tmp_path / "rules.sch"
    path.write_text(SCHEMA.format(test="t = 1", kind="assert"), encoding="utf-8")
    cache = tmp_path / "cache"
    for _ in range(2):
        store.load_teller(path, cache)
        assert len(list(cache.glob("*.program"))) == 1
    store.load(path, cache)
    assert len(list(cache.glob("*.program"))) == 2
