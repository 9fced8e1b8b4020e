"""The one door to XML: every attack is refused by its own rule, and what is harmless passes."""

from __future__ import annotations

import pickle
import time
from pathlib import Path

import pytest

from schemas import xml
from schemas.finding import Severity

ATTACKS = Path(__file__).parent.parent / "samples" / "attacks"

REFUSED = {
    "attributes-51.xml": "XML-ATTRIBUTES",
    "comment-in-value.xml": "XML-COMMENT",
    "declared-latin-1.xml": "XML-ENCODING",
    "declared-utf-7.xml": "XML-ENCODING",
    "doctype-after-comment.xml": "XML-DOCTYPE",
    "empty.bin": "XML-EMPTY",
    "entity-bomb.xml": "XML-DOCTYPE",
    "external-entity.xml": "XML-DOCTYPE",
    "external-subset.xml": "XML-DOCTYPE",
    "instruction-inside.xml": "XML-INSTRUCTION",
    "nested-3000.xml": "XML-DEPTH",
    "nested-65.xml": "XML-DEPTH",
    "null-byte.xml": "XML-SYNTAX",
    "only-spaces.bin": "XML-EMPTY",
    "overlong-utf-8.xml": "XML-ENCODING",
    "parameter-entity.xml": "XML-DOCTYPE",
    "plain-text.txt": "XML-SYNTAX",
    "stylesheet-instruction.xml": "XML-INSTRUCTION",
    "truncated.xml": "XML-SYNTAX",
    "two-roots.xml": "XML-SYNTAX",
    "undeclared-entity.xml": "XML-SYNTAX",
    "utf-16-without-mark.xml": "XML-ENCODING",
    "utf-16.xml": "XML-ENCODING",
    "xinclude.xml": "XML-XINCLUDE",
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_attack_is_refused_by_its_rule(name: str) -> None:
    started = time.perf_counter()
    with pytest.raises(xml.Unreadable) as refused:
        xml.parse((ATTACKS / name).read_bytes())
    assert time.perf_counter() - started < 1
    assert REFUSED[name] in [finding.rule for finding in refused.value.findings]
    assert all(finding.severity is Severity.FATAL and finding.says for finding in refused.value.findings)


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"<a>" + b" " * xml.SIZE_LIMIT + b"</a>", "XML-SIZE"),
        (b"<a>" + b"<a/>" * (xml.NODE_LIMIT + 1) + b"</a>", "XML-NODES"),
        (b"<a>" + b"x" * 11_000_000 + b"</a>", "XML-SYNTAX"),
        (b"<a>" * 1_000_000, "XML-DEPTH"),
    ],
    ids=["size", "nodes", "long text", "a million levels"],
)
def test_outsized_is_refused_quickly(data: bytes, rule: str) -> None:
    started = time.perf_counter()
    with pytest.raises(xml.Unreadable) as refused:
        xml.parse(data)
    assert refused.value.findings[0].rule == rule
    assert time.perf_counter() - started < 2


def test_limits_are_met_exactly() -> None:
    deepest = xml.DEPTH_LIMIT
    assert xml.parse(b"<a>" * deepest + b"</a>" * deepest).getroot().tag == "a"
    attributes = " ".join(f'a{place}="1"' for place in range(xml.ATTRIBUTE_LIMIT))
    assert len(xml.parse(f"<a {attributes}/>".encode()).getroot().attrib) == xml.ATTRIBUTE_LIMIT


def test_syntax_errors_tell_line_and_column() -> None:
    with pytest.raises(xml.Unreadable) as refused:
        xml.parse(b"<a>\n <b></a>")
    (finding,) = refused.value.findings
    assert finding.line == 2
    assert "line 2, column 9" in finding.says


def test_doctype_tells_its_line() -> None:
    with pytest.raises(xml.Unreadable) as refused:
        xml.parse(b"\n<!-- one\n -->\n<!DOCTYPE a><a/>")
    assert refused.value.findings[0].line == 4


def test_several_reasons_are_told_at_once() -> None:
    with pytest.raises(xml.Unreadable) as refused:
        xml.parse(b"<a><?x y?><b>1<!-- -->2</b></a>")
    assert {finding.rule for finding in refused.value.findings} == {"XML-INSTRUCTION", "XML-COMMENT"}


def test_mark_and_comments_are_harmless() -> None:
    tree = xml.parse((ATTACKS / "mark-and-comment.xml").read_bytes())
    assert b"<!--" not in xml.serialise(tree)


def test_a_word_that_looks_like_a_doctype_is_a_word() -> None:
    assert xml.parse(b"<a><![CDATA[<!DOCTYPE b>]]></a>").getroot().text == "<!DOCTYPE b>"


def test_unreadable_crosses_processes() -> None:
    error = xml.refusal("XML-SYNTAX", "no", line=3)
    assert pickle.loads(pickle.dumps(error)).findings == error.findings
    assert "XML-SYNTAX" in str(error)


def test_names_paths_and_lines() -> None:
    ram = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
    tree = xml.parse(f'<x:a xmlns:x="{ram}">\n<x:b/>\n<x:b><c xmlns="urn:other"/></x:b></x:a>'.encode())
    second = tree.getroot()[1]
    assert xml.name_of(second) == (ram, "b")
    assert xml.path_of(second, "currencyID") == "/ram:a/ram:b[2]/@currencyID"
    assert xml.path_of(second[0]) == "/ram:a/ram:b[2]/*:c"
    twins = xml.Twins()
    assert [xml.path_of(one, twins=twins) for one in tree.iter()] == [xml.path_of(one) for one in tree.iter()]
    assert xml.line_of(second) == 3
    assert xml.root_of(b"<a/>") == ("", "a")
