"""Where in our model a finding belongs: the pointer leads to the value that is wrong, whatever the syntax."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas import json_form
from schemas.catalogue import FORMATS
from schemas.judge import judge
from schemas.place import patterns, place
from schemas.xml import Twins, element_at, parse, path_of
from tests.conftest import CORPUS

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
JSON = sorted((SAMPLES / "json").glob("invoice-*.json"))


def at(members: Any, pointer: str) -> Any:
    """The value at a JSON pointer. Raises KeyError, IndexError."""
    for step in pointer.split("/")[1:]:
        members = members[int(step)] if isinstance(members, list) else members[step]
    return members


def read_samples() -> list[tuple[str, Any]]:
    """Our samples in JSON form, by name, that can be read."""
    return [(path.stem, json_form.read(path.read_bytes())) for path in JSON if "broken" not in path.stem]


@pytest.mark.parametrize("syntax", ["cii", "ubl-invoice"])
def test_each_element_with_a_value_leads_to_a_value_like_it(syntax):
    """Of every leaf that we write, the place holds the value that stands there, or a group that holds it."""
    led = 0
    for name, invoice in read_samples():
        if syntax == "ubl-invoice" and invoice.type_code == "381":
            continue
        data = FORMATS[syntax].write(invoice)
        form = json.loads(json_form.write(FORMATS[syntax].read(data).invoice))
        tree, twins = parse(data), Twins()
        for element in tree.getroot().iter("*"):
            if len(element) or not (element.text or "").strip() or _says_what(element, invoice.currency):
                continue
            pointer = place(tree, path_of(element, twins=twins), (), twins)
            there = at(form, pointer)
            if isinstance(there, str):
                alike = there == element.text or _alike(there, element.text)
                assert alike, (name, path_of(element), pointer, there, element.text)
                led += 1
    assert led > 150


def _says_what(element: etree._Element, currency: str) -> bool:
    """Whether an element tells what another means (the kind of a tax or a code), or repeats the VAT in BT-6."""
    parent = element.getparent()
    kind = parent is not None and etree.QName(parent).localname == "TaxScheme"
    return kind or element.text in ("VAT", "true", "false") or element.get("currencyID", currency) != currency


def _alike(there: str, text: str) -> bool:
    """Whether two spellings say the same: a day, a number, a code of another list."""
    digits = "".join(filter(str.isdigit, text))
    return there.replace("-", "") == text or digits.strip("0") == "".join(filter(str.isdigit, there)).strip("0")


@pytest.mark.parametrize(
    ("member", "value", "pointer"),
    [
        ("/lines/1/vat/category", "X", "/lines/1/vat/category"),
        ("/seller/address/country", "XX", "/seller/address/country"),
        ("/currency", "XXY", "/currency"),
        ("/buyer/address/country", "ZZ", "/buyer/address/country"),
        ("/buyer/endpoint/scheme", "9999", "/buyer/endpoint"),
        ("/lines/0/unit", "ZZZZ", "/lines/0/quantity"),
    ],
)
def test_who_sent_json_is_told_the_pointer_of_his_own_member(member, value, pointer):
    members = json.loads((SAMPLES / "json" / "invoice-multi-vat.json").read_bytes())
    *above, last = member.split("/")
    holder = at(members, "/".join(above))
    assert holder[last] != value
    holder[last] = value
    report = judge(json.dumps(members).encode())
    places = {one.place for one in report.findings}
    assert pointer in places, [(one.rule, one.place, one.path) for one in report.findings]


def test_a_rule_about_something_absent_says_what_is_meant():
    members = json.loads((SAMPLES / "json" / "invoice-multi-vat.json").read_bytes())
    tree = parse(FORMATS["cii"].write(json_form.read(json.dumps(members).encode())))
    root = tree.getroot()
    for name in root.iter("{*}SellerTradeParty"):
        for child in name.iterchildren("{*}Name"):
            name.remove(child)
    report = judge(etree.tostring(root))
    assert {one.place for one in report.findings if "BT-27" in one.terms} == {"/seller/name"}


def test_json_that_cannot_be_read_is_told_by_its_own_pointers():
    report = judge((SAMPLES / "json" / "invoice-broken.json").read_bytes())
    assert report.findings
    assert all(one.place == one.path for one in report.findings)


@given(st.text(max_size=40))
def test_no_path_is_too_odd(path):
    tree = parse((SAMPLES / "cii" / "invoice-simple.xml").read_bytes())
    found = element_at(tree, path)
    assert found is None or found.getroottree() is not None
    assert place(tree, path, ("BT-112",), Twins()) is not None


def test_paths_lead_back_to_their_elements():
    for folder, name in (("cii", "invoice-simple.xml"),):
        tree, twins = parse((SAMPLES / folder / name).read_bytes()), Twins()
        for element in tree.getroot().iter("*"):
            assert element_at(tree, path_of(element, twins=twins)) is element
            assert element_at(tree, tree.getpath(element).replace("ns:", "")) is not None


def test_every_term_of_the_norm_has_a_pattern():
    known = patterns()
    missing = [f"BT-{n}" for n in range(1, 166) if f"BT-{n}" not in known]
    assert missing == ["BT-4"], "the norm gave that number to nothing"


@pytest.mark.corpus
def test_nearly_every_finding_about_an_element_has_a_place():
    placed = whole = 0
    for line in (CORPUS / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if one["kind"] not in ("cii", "ubl-invoice") or one.get("label") != "invalid" or whole > 400:
            continue
        for finding in judge((CORPUS / one["path"]).read_bytes(), french=True).findings:
            if finding.path.count("/") > 2 and finding.layer not in ("xsd", "xml"):
                whole += 1
                placed += bool(finding.place)
    assert whole > 200
    assert placed / whole > 0.95
