"""The rules in process: findings come back whole, errors are never a pass, what is not known is refused by name."""

from __future__ import annotations

import datetime
import hashlib
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from schemas import rulebook, xml
from schemas.finding import LayerVerdict, Severity
from schemas.judge import judge
from schemas.rulebook import Artefact, Kind, Rules
from schemas.schematron import store, tree
from schemas.schematron.program import Fired
from schemas.schematron.values import DynamicError
from tests.schemas.skeleton import Assert, Rule, stylesheet, written

SAMPLE = Path(__file__).parents[1] / "samples" / "cii" / "invoice-simple.xml"

BOUND = Rule(
    "x:b[number(.) gt 3]",
    (Assert("@c = '2'", "OUR-01", "warning", '[OUR-01]-A b (BT-1)\n  is <xsl:value-of select="."/>.'),),
)
ALWAYS = Rule("/x:a", (Assert("true()", message="Always.", report=True),))
DIVIDES = Rule("/x:a", (Assert("10 div xs:decimal(x:b[1]) > 1", "OUR-02"),))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _rules(*only: str) -> Rules:
    artefact = Artefact(Kind.SCHEMATRON, "us", "1", "ours.xslt", datetime.date(2026, 1, 1))
    return Rules("ours", artefact, only)


def _fired(sheet: str, document: str) -> list[Fired]:
    return list(store.load(sheet).judge(tree.read(document.encode())))


def test_findings_have_severity_path_and_line(tmp_path: Path) -> None:
    written(tmp_path, (BOUND,), (ALWAYS,))
    document = xml.parse(b"<a xmlns='urn:x'>\n<b c='1'>5</b></a>")
    layer, (warning, fatal) = rulebook.apply(_rules(), document, xml.serialise(document), str(tmp_path))
    assert layer.verdict is LayerVerdict.FAILED
    assert layer.edition.startswith("operator's file for us 1 (")
    assert (warning.severity, warning.says, warning.line) == (Severity.WARNING, "A b (BT-1) is 5.", 2)
    assert warning.path == "/*:a/*:b"
    assert (fatal.severity, fatal.path, fatal.line) == (Severity.FATAL, "/*:a", 1)
    assert fatal.rule.startswith("OURS-"), "an assertion without an id gets one that stays"


def test_the_edition_names_the_bytes_that_are_compiled(tmp_path: Path) -> None:
    file = Path(written(tmp_path, (BOUND,)))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    assert digest in rulebook.find(_rules().artefact, str(tmp_path)).edition
    file.write_bytes(file.read_bytes().replace(b"OUR-01", b"OUR-09"))
    document = xml.parse(b"<a xmlns='urn:x'><b c='1'>5</b></a>")
    layer, (warning,) = rulebook.apply(_rules(), document, xml.serialise(document), str(tmp_path))
    assert (digest in layer.edition, warning.rule) == (True, "OUR-01")


def test_rules_that_do_not_count_are_left_out_but_warnings_stay(tmp_path: Path) -> None:
    written(tmp_path, (BOUND,), (ALWAYS,))
    document = xml.parse(b"<a xmlns='urn:x'><b c='1'>5</b></a>")
    layer, (warning,) = rulebook.apply(_rules("BR-"), document, xml.serialise(document), str(tmp_path))
    assert layer.verdict is LayerVerdict.PASSED
    assert warning.rule == "OUR-01"


@pytest.mark.parametrize("value", ["bad", "0", "", "1e3", "9" * 20_000])
def test_a_dynamic_error_is_never_a_pass(tmp_path: Path, value: str, capfd: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, (DIVIDES,))
    document = xml.parse(f"<a xmlns='urn:x'><b>{value}</b></a>".encode())
    layer, (finding,) = rulebook.apply(_rules(), document, xml.serialise(document), str(tmp_path))
    assert layer.verdict is LayerVerdict.SKIPPED
    assert (finding.rule, finding.severity) == ("ENGINE-ERROR", Severity.FATAL)
    assert "".join(capfd.readouterr()) == ""
    assert len(value) < 3 or value not in finding.says, "an error does not quote the document"


def test_the_engine_works_on_after_an_error(tmp_path: Path) -> None:
    written(tmp_path, (DIVIDES,))
    for value, verdict in (("x", LayerVerdict.SKIPPED), ("2", LayerVerdict.PASSED), ("20", LayerVerdict.FAILED)):
        document = xml.parse(f"<a xmlns='urn:x'><b>{value}</b></a>".encode())
        layer, _ = rulebook.apply(_rules(), document, xml.serialise(document), str(tmp_path))
        assert layer.verdict is verdict


def test_an_error_in_a_match_pattern_is_no_match(tmp_path: Path) -> None:
    sheet = written(
        tmp_path, (Rule("x:b[xs:decimal(.) > 1]", (Assert("false()", "A"),)), Rule("x:b", (Assert("false()", "B"),)))
    )
    assert [each.id for each in _fired(sheet, "<a xmlns='urn:x'><b>2</b><b>bad</b></a>")] == ["A", "B"]


def test_the_first_rule_that_matches_is_the_only_one_of_its_pattern(tmp_path: Path) -> None:
    first = Rule("x:a/x:b | x:c//x:b", (Assert("false()", "FIRST"),))
    second = Rule("x:b", (Assert("false()", "SECOND"),))
    sheet = written(tmp_path, (first, second), (second,))
    document = "<r xmlns='urn:x'><a><b/></a><c><d><b/></d></c><b/></r>"
    assert [each.id for each in _fired(sheet, document)] == ["FIRST", "FIRST", "SECOND", "SECOND", "SECOND", "SECOND"]


def test_a_rule_that_does_not_go_on_hides_what_is_inside(tmp_path: Path) -> None:
    stops = Rule("x:a[@stop]", (Assert("false()", "STOPS"),), goes_on=False)
    inside = Rule("x:b", (Assert("false()", "INSIDE"),))
    sheet = written(tmp_path, (stops, inside))
    document = "<r xmlns='urn:x'><a stop='1'><c><b/></c></a><a><b/></a></r>"
    assert [(each.id, each.location[-28:]) for each in _fired(sheet, document)] == [
        ("STOPS", "*:a[namespace-uri()='urn:x'][1]"[-28:]),
        ("INSIDE", "*:b[namespace-uri()='urn:x'][1]"[-28:]),
    ]


def test_variables_are_computed_when_needed(tmp_path: Path) -> None:
    lazy = Rule("x:b", (Assert("not(@n) or $n > 1", "LAZY"),), {"n": "xs:decimal(@n)", "unused": "xs:decimal('x')"})
    sheet = written(tmp_path, (lazy,))
    assert [each.id for each in _fired(sheet, "<a xmlns='urn:x'><b/><b n='2'/><b n='1'/></a>")] == ["LAZY"]
    function = (
        '<xsl:function name="our:lazy" as="xs:boolean"><xsl:param name="text" as="xs:string?"/>'
        '<xsl:variable name="n" select="xs:decimal($text)"/>'
        "<xsl:sequence select=\"$text = '' or $n + $n = 4\"/></xsl:function>"
    )
    lazy_too = written(tmp_path, (Rule("x:b", (Assert("our:lazy(.)", "LAZY"),)),), globals_=function)
    assert [each.id for each in _fired(lazy_too, "<a xmlns='urn:x'><b/><b>2</b><b>3</b></a>")] == ["LAZY"]
    with pytest.raises(DynamicError, match="FORG0001"):
        _fired(lazy_too, "<a xmlns='urn:x'><b/><b>x</b></a>")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("<xsl:choose>", "<xsl:for-each select='*'/><xsl:choose>"), r"line \d+: xsl:for-each in a rule"),
        (('version="2.0"', 'version="1.0"'), r"line \d+: a stylesheet of version 1\.0"),
        (("x:b[", "x:b[last() = 1 and "), r"line \d+: the function last\(\)"),
        (("x:b[", "x:b[following::x:c or "), r"line \d+: unknown axis following"),
        (("x:b[", "x:b[z:c or "), r"line \d+: the prefix z is not declared"),
        (("number(.)", "number(.) instance of xs:double"), r"line \d+: unknown operator"),
        (("number(.)", "format-number(., '0')"), r"line \d+: the function format-number\(\)"),
        (("number(.) gt 3", "number(.) + 1"), r"line \d+: a predicate that may be a computed place"),
        (("number(.) gt 3", "matches(., x:c)"), r"a computed regular expression"),
        (("number(.) gt 3", r"matches(., '\p{L}')"), r"the escape \\p in the regular expression"),
        (("number(.) gt 3", "document('http://127.0.0.1/x.xml')/a"), r"a file beside the artefact"),
        (("number(.) gt 3", "document('../x.xml')/a"), r"a file beside the artefact"),
        (("number(.) gt 3", "$nowhere = 1"), r"the variable \$nowhere"),
        (("number(.) gt 3", "string-length(.) = 'x'"), r"a comparison of integer with string"),
        (("<xsl:text>*:</xsl:text>", "<xsl:text>**</xsl:text>"), "an unknown way to write the location"),
        (('mode="M1"/></svrl:schematron-output>', 'mode="M9"/></svrl:schematron-output>'), "never applied"),
    ],
)
def test_what_the_engine_does_not_know_is_refused_by_name_and_line(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    text = stylesheet((BOUND,)).decode()
    assert change[0] in text
    (tmp_path / "ours.xslt").write_text(text.replace(*change))
    with pytest.raises(store.Unusable, match=says):
        store.load(tmp_path / "ours.xslt")
    document = xml.parse(b"<a xmlns='urn:x'/>")
    layer, (finding,) = rulebook.apply(_rules(), document, xml.serialise(document), str(tmp_path))
    assert (layer.verdict, finding.rule) == (LayerVerdict.SKIPPED, "ENGINE-UNUSABLE")


def test_a_broken_sheet_or_none_judges_nothing(tmp_path: Path) -> None:
    (tmp_path / "ours.xslt").write_text("<xsl:stylesheet/>")
    document = xml.parse(b"<a/>")
    layer, (finding,) = rulebook.apply(_rules(), document, xml.serialise(document), str(tmp_path))
    assert layer.verdict is LayerVerdict.SKIPPED
    assert finding.rule == "ENGINE-UNUSABLE"
    rulebook.prepare(_rules(), str(tmp_path))
    rulebook.prepare(_rules(), str(tmp_path / "nowhere"))
    _, (missing,) = rulebook.apply(_rules(), document, b"", str(tmp_path / "nowhere"))
    assert (missing.rule, missing.severity) == ("ENGINE-MISSING", Severity.FATAL)


def test_a_document_with_too_many_places_is_not_judged(tmp_path: Path) -> None:
    written(tmp_path, (ALWAYS,))
    many = "".join(f"<e{number}/>" for number in range(tree.PLACES_LIMIT + 1))
    document = xml.parse(f"<a xmlns='urn:x'>{many}</a>".encode())
    layer, (finding,) = rulebook.apply(_rules(), document, xml.serialise(document), str(tmp_path))
    assert (layer.verdict, finding.rule) == (LayerVerdict.SKIPPED, "ENGINE-ERROR")


def test_code_lists_are_read_beside_the_artefact(tmp_path: Path) -> None:
    listed = Rule(
        "x:b", (Assert("document('codes.xml')/codes/list[@id=1]/code[@value=$code]", "CODE"),), {"code": "@c"}
    )
    sheet = written(tmp_path, (listed,))
    with pytest.raises(store.Unusable, match=r"codes\.xml"):
        store.load(sheet)
    values = "".join(f"<code value='{number}'/>" for number in range(50))
    (tmp_path / "codes.xml").write_text(
        f"<codes><list id='1'>{values}</list><list id='2'><code value='99'/></list></codes>"
    )
    found = _fired(sheet, "<a xmlns='urn:x'><b c='7'/><b c='99'/><b/><b c=''/></a>")
    assert [each.location[-3:] for each in found] == ["[2]", "[3]", "[4]"]
    (tmp_path / "codes.xml").write_text("<!DOCTYPE codes><codes/>")
    with pytest.raises(store.Unusable, match="document type"):
        store.load(sheet)


SOURCE = """<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2">
  <title>Ours</title><ns prefix="x" uri="urn:x"/>
  <let name="most" value="count(//x:b)"/>
  <pattern id="p"><title>First</title><let name="least" value="1"/>
    <rule context="x:b[@c]"><let name="n" value="number(.)"/>
      <assert id="OUR-01" flag="warning" test="$n ge $least">A <name/> is <emph>at least</emph>
        <value-of select="$least"/>, not <value-of select="."/>.</assert>
      <report id="OUR-02" test="$n gt $most">More than all.</report></rule>
    <rule context="x:b"><assert id="OUR-03" test="@d">No d.</assert></rule>
  </pattern>
</schema>"""


def test_a_schematron_can_be_read_as_its_publisher_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "ours.sch").write_text(SOURCE)
    found = _fired(str(tmp_path / "ours.sch"), "<a xmlns='urn:x'><b c='1'>0</b><b c='1'>9</b><b/><b d=''/></a>")
    assert [(each.id, each.flag, each.text) for each in found] == [
        ("OUR-01", "warning", "A b is at least 1, not 0."),
        ("OUR-02", "", "More than all."),
        ("OUR-03", "", "No d."),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('<pattern id="p">', '<pattern id="p" is-a="q">'), "line 4: .* with the attribute is-a"),
        (("<pattern ", '<include href="x.sch"/><pattern '), "line 4: include in a schema"),
        (('<rule context="x:b[@c]">', '<rule context="x:b[@c]"><extends rule="r"/>'), "line 5: extends in a rule"),
        (("xslt2", "stx"), "line 1: the query binding stx"),
        (('name="least"', 'name="most"'), "several variables of the whole schema called most"),
        (("<name/>", "<name2/>"), "name2 in a message"),
    ],
)
def test_what_a_schematron_has_beside_rules_is_refused_by_name(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    assert change[0] in SOURCE
    (tmp_path / "ours.sch").write_text(SOURCE.replace(*change))
    with pytest.raises(store.Unusable, match=says):
        store.load(tmp_path / "ours.sch")


def _verdict(data: bytes) -> tuple[str, list[str]]:
    report = judge(data, french=True)
    return str(report.verdict), [f"{finding.rule} {finding.path}" for finding in report.findings]


def test_threads_judge_at_once(tmp_path: Path) -> None:
    data = SAMPLE.read_bytes().replace(b"<ram:TypeCode>380", b"<ram:TypeCode>999")
    alone = _verdict(data)
    assert alone[0] == "invalid"
    with ThreadPoolExecutor(8) as pool:
        assert set(map(str, pool.map(_verdict, [data] * 40))) == {str(alone)}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_processes_judge_whatever_way_they_begin(method: str) -> None:
    data = SAMPLE.read_bytes()
    before = _verdict(data)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert list(pool.map(_verdict, [data] * 4)) == [before] * 4


def test_judging_loads_no_native_engine_and_leaves_the_collector_on() -> None:
    program = (
        f"import gc, sys, schemas.judge; schemas.judge.judge(open({str(SAMPLE)!r}, 'rb').read(), french=True);"
        "sys.exit('saxonche' in sys.modules or not gc.isenabled())"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120, env=environment).returncode == 0


def test_many_findings_among_many_siblings_take_no_time(tmp_path: Path) -> None:
    written(tmp_path, (BOUND,))
    many = 15_000
    document = xml.parse(b"<a xmlns='urn:x'>" + b"\n<b c='1'>5</b><c/>" * many + b"</a>")
    started = time.perf_counter()
    _, findings = rulebook.apply(_rules(), document, xml.serialise(document), str(tmp_path))
    assert time.perf_counter() - started < 5
    assert [(one.path, one.line) for one in findings] == [(f"/*:a/*:b[{at}]", at + 1) for at in range(1, many + 1)]


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


@pytest.mark.parametrize(
    ("test", "known"),
    [
        ("x:l[xs:decimal(x:k) = 1]/x:t[. = 'S']", True),
        ("//x:l[xs:decimal(x:k) = 1]/x:t[. = 'S']", True),  # found before the value that is no number
        ("//x:l[xs:decimal(x:k) = 1]/x:t[. = 'Q']", False),  # not found, and whether it is there is not known
        ("count(//x:l[x:k = '1']/x:t[. = 'S']) = 19", True),
        ("count(//x:l[x:k = '1']/x:t[. = 'S' or . = 'Z']) = 20", True),
        ("(//x:l[x:k = '1']/x:t[. = 'Z'])/@n = '7'", True),
        ("count(//@n) = 20 and count(//x:l//@n) = 20 and count(x:l[1]//@n) = 1 and not(//@m)", True),
        ("count(x:l/x:t/(.|..)//@n) = 20", True),
    ],
)
def test_what_is_gathered_once_finds_what_a_walk_finds(tmp_path: Path, test: str, known: bool) -> None:
    sheet = written(tmp_path, (Rule("/x:a", (Assert(test, "HOLDS", report=True), Assert(test, "AGAIN", report=True))),))
    lines = [f"<l><k>1</k><t n='{number}'>{'Z' if number == 7 else 'S'}</t></l>" for number in range(20)]
    document = f"<a xmlns='urn:x'>{''.join(lines)}<l><k>one</k></l></a>"
    if known:
        assert [each.id for each in _fired(sheet, document)] == ["HOLDS", "AGAIN"]
    else:
        with pytest.raises(DynamicError):
            _fired(sheet, document)


def test_documents_of_different_shapes_are_each_asked_what_they_hold(tmp_path: Path) -> None:
    rules = (Rule("x:b", (Assert("not(x:c/x:d)", "D"), Assert("not(x:e)", "E"))), Rule("x:e", (Assert("x:f", "F"),)))
    program = store.load(written(tmp_path, rules))
    inside = {"": [], "<c/>": [], "<c><d/></c>": ["D"], "<e/>": ["E", "F"], "<e><f/></e><c><d/></c>": ["D", "E"]}
    for content in [*inside, *reversed(inside)]:
        document = tree.read(f"<a xmlns='urn:x'><b>{content}</b></a>".encode())
        assert [each.id for each in program.judge(document)] == inside[content]
