"""The Schematron engine: assertions come back whole, errors are never a pass, and a second thread is refused."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas import rulebook, saxon, xml
from schemas.finding import LayerVerdict, Severity
from schemas.rulebook import Artefact, Kind, Rules

SHEET = """<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:svrl="http://purl.oclc.org/dsdl/svrl">
  <xsl:template match="/">
    <svrl:schematron-output>
      <svrl:fired-rule context="/"/>
      <xsl:for-each select="//b[number(.) gt 3]">
        <svrl:failed-assert test="." id="OUR-01" flag="warning"
          location="/*:a[namespace-uri()='urn:x'][1]/*:b[namespace-uri()='urn:x'][{position()}]/@c">
          <svrl:text>[OUR-01]-A b (BT-1)
             is at most 3.</svrl:text>
        </svrl:failed-assert>
      </xsl:for-each>
      <xsl:if test="//b = 'bad'"><xsl:value-of select="xs:date('x')" xmlns:xs="http://www.w3.org/2001/XMLSchema"/></xsl:if>
      <svrl:successful-report test="true()" location="/*:a[namespace-uri()='urn:x'][1]">
        <svrl:text>Always.</svrl:text>
      </svrl:successful-report>
    </svrl:schematron-output>
  </xsl:template>
</xsl:stylesheet>"""


@pytest.fixture
def sheet(tmp_path: Path) -> str:
    file = tmp_path / "ours.xslt"
    file.write_text(
        SHEET.replace('select="//b', 'xpath-default-namespace="urn:x" select="//b').replace(
            'test="//b', 'xpath-default-namespace="urn:x" test="//b'
        )
    )
    return str(file)


def _rules(*only: str) -> Rules:
    import datetime

    artefact = Artefact(Kind.SCHEMATRON, "us", "1", "ours.xslt", datetime.date(2026, 1, 1))
    return Rules("ours", artefact, only)


def test_assertions_come_back_whole(sheet: str) -> None:
    first, second = saxon.run(sheet, b"<a xmlns='urn:x'><b c='1'>5</b><b>1</b></a>")
    assert (first.id, first.flag, first.text) == ("OUR-01", "warning", "[OUR-01]-A b (BT-1) is at most 3.")
    assert (second.id, second.flag) == ("", "")


def test_findings_have_severity_path_and_line(sheet: str) -> None:
    tree = xml.parse(b"<a xmlns='urn:x'>\n<b c='1'>5</b></a>")
    layer, (warning, fatal) = rulebook.apply(_rules(), tree, xml.serialise(tree), str(Path(sheet).parent))
    assert layer.verdict is LayerVerdict.FAILED
    assert layer.edition.startswith("operator's file for us 1 (")
    assert (warning.severity, warning.says, warning.line) == (Severity.WARNING, "A b (BT-1) is at most 3.", 2)
    assert warning.path == "/*:a/*:b/@c"
    assert (fatal.severity, fatal.path, fatal.line) == (Severity.FATAL, "/*:a", 1)
    assert fatal.rule.startswith("OURS-"), "an assertion without an id gets one that stays"


def test_rules_that_do_not_count_are_left_out_but_warnings_stay(sheet: str) -> None:
    tree = xml.parse(b"<a xmlns='urn:x'><b c='1'>5</b></a>")
    layer, (warning,) = rulebook.apply(_rules("BR-"), tree, xml.serialise(tree), str(Path(sheet).parent))
    assert layer.verdict is LayerVerdict.PASSED
    assert warning.rule == "OUR-01"


def test_a_dynamic_error_is_never_a_pass(sheet: str, capfd: pytest.CaptureFixture[str]) -> None:
    tree = xml.parse(b"<a xmlns='urn:x'><b>bad</b></a>")
    layer, (finding,) = rulebook.apply(_rules(), tree, xml.serialise(tree), str(Path(sheet).parent))
    assert layer.verdict is LayerVerdict.SKIPPED
    assert finding.rule == "ENGINE-ERROR"
    assert finding.severity is Severity.FATAL
    assert capfd.readouterr().err == "", "the engine's own messages quote the document"


def test_the_engine_works_on_after_an_error(sheet: str) -> None:
    with pytest.raises(saxon.DynamicError):
        saxon.run(sheet, b"<a xmlns='urn:x'><b>bad</b></a>")
    assert len(saxon.run(sheet, b"<a xmlns='urn:x'/>")) == 1


def test_an_answer_that_is_no_report_is_no_pass(tmp_path: Path) -> None:
    file = tmp_path / "silent.xslt"
    head = '<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
    for body in ("", "<other/>"):
        file.write_text(f'{head}<xsl:template match="/">{body}</xsl:template></xsl:stylesheet>')
        renamed = file.rename(tmp_path / f"silent{len(body)}.xslt")
        with pytest.raises(saxon.DynamicError):
            saxon.run(str(renamed), b"<a/>")


def test_a_broken_sheet_judges_nothing(tmp_path: Path) -> None:
    (tmp_path / "ours.xslt").write_text("<xsl:stylesheet/>")
    tree = xml.parse(b"<a/>")
    layer, (finding,) = rulebook.apply(_rules(), tree, xml.serialise(tree), str(tmp_path))
    assert layer.verdict is LayerVerdict.SKIPPED
    assert finding.rule == "ENGINE-UNUSABLE"
    rulebook.prepare(_rules(), str(tmp_path))
    rulebook.prepare(_rules(), str(tmp_path / "nowhere"))


def test_a_second_thread_is_refused(sheet: str) -> None:
    saxon.prepare(sheet)
    with ThreadPoolExecutor(1) as pool, pytest.raises(saxon.WrongThread):
        pool.submit(saxon.run, sheet, b"<a/>").result()


def test_sheets_read_local_files_and_no_network(tmp_path: Path) -> None:
    (tmp_path / "codes.xml").write_text("<codes><code>A</code></codes>")
    body = (
        '<svrl:schematron-output xmlns:svrl="http://purl.oclc.org/dsdl/svrl"><xsl:if test="%s">'
        '<svrl:failed-assert id="X" location="/"/></xsl:if></svrl:schematron-output>'
    )
    head = '<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
    near, far = tmp_path / "near.xslt", tmp_path / "far.xslt"
    near.write_text(
        head + '<xsl:template match="/">' + body % "document('codes.xml')//code" + "</xsl:template></xsl:stylesheet>"
    )
    far.write_text(
        head
        + '<xsl:template match="/">'
        + body % "doc('http://127.0.0.1:9/codes.xml')//code"
        + "</xsl:template></xsl:stylesheet>"
    )
    assert [fired.id for fired in saxon.run(str(near), b"<a/>")] == ["X"]
    with pytest.raises(saxon.DynamicError, match=r"prohibited"):
        saxon.run(str(far), b"<a/>")


def test_importing_the_judge_loads_no_engine() -> None:
    program = "import sys, schemas.judge; sys.exit('saxonche' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/*:a[namespace-uri()='urn:x'][1]/*:b[namespace-uri()='urn:x'][2]", "/*:a/*:b[2]"),
        ("/*:a[namespace-uri()='urn:x'][1]/*:b[namespace-uri()='urn:x'][9]", None),
        ("/*:z[namespace-uri()='urn:x'][1]", None),
        ("id('x')", None),
        ("", None),
    ],
)
def test_locations(location: str, path: str | None) -> None:
    element, _ = rulebook.locate(xml.parse(b"<a xmlns='urn:x'><b/><b/></a>"), location)
    assert (None if element is None else xml.path_of(element)) == path
