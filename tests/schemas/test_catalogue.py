"""What bytes are: told by their content, held against the declared type, and refused by name when not taken."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from schemas import json_form
from schemas.catalogue import FORMATS, chain, recognise
from schemas.finding import Severity
from schemas.formats.facturx import door
from schemas.rulebooks import facturx, fr
from schemas.xml import Unreadable
from tests.schemas.sample_invoice import invoice
from tests.schemas.test_xml import REFUSED

ATTACKS = Path(__file__).parent.parent / "samples" / "attacks"

NOT_TAKEN = {
    "empty.bin": "FORMAT-EMPTY",
    "only-spaces.bin": "FORMAT-EMPTY",
    "plain-text.txt": "FORMAT-UNKNOWN",
    "unknown-namespace.xml": "FORMAT-UNKNOWN",
    "no-namespace.xml": "FORMAT-UNKNOWN",
    "right-name-wrong-namespace.xml": "FORMAT-UNKNOWN",
    "zugferd-1.xml": "FORMAT-UNKNOWN",
    "order-x.xml": "FORMAT-UNKNOWN",
}


@pytest.mark.parametrize("syntax", sorted(FORMATS))
def test_syntax_and_profile_are_found(syntax: str) -> None:
    data = FORMATS[syntax].write(replace(invoice(), profile=" urn:cen.eu:en16931:2017 "))
    found = recognise(data, "application/xml; charset=utf-8")
    assert (found.format, found.profile, found.xml, found.syntax) == (syntax, "urn:cen.eu:en16931:2017", data, syntax)
    assert pickle.loads(pickle.dumps(found)) == found


def test_json_is_found() -> None:
    found = recognise(b' {"profile": "urn:x", "number": "1"}', "application/json")
    assert (found.format, found.profile, found.xml, found.syntax) == ("json", "urn:x", None, "cii")


def test_without_a_profile_there_is_none() -> None:
    assert recognise(FORMATS["ubl-invoice"].write(replace(invoice(), profile=""))).profile == ""


@pytest.mark.parametrize("name", sorted(NOT_TAKEN))
def test_what_is_not_taken_is_named(name: str) -> None:
    with pytest.raises(Unreadable) as refused:
        recognise((ATTACKS / name).read_bytes())
    (finding,) = refused.value.findings
    assert (finding.rule, finding.severity) == (NOT_TAKEN[name], Severity.FATAL)
    if finding.rule == "FORMAT-UNKNOWN":
        assert all(format.title in finding.says for format in FORMATS.values()), "and what is taken is named too"


def test_neighbours_are_called_by_name() -> None:
    with pytest.raises(Unreadable, match="ZUGFeRD 1"):
        recognise((ATTACKS / "zugferd-1.xml").read_bytes())
    with pytest.raises(Unreadable, match="urn:example:invoice:1"):
        recognise((ATTACKS / "unknown-namespace.xml").read_bytes())


@pytest.mark.parametrize("name", sorted(name for name in REFUSED if name.endswith(".xml")))
def test_attacks_on_xml_are_refused_here_too(name: str) -> None:
    with pytest.raises(Unreadable) as refused:
        recognise((ATTACKS / name).read_bytes())
    assert REFUSED[name] in {finding.rule for finding in refused.value.findings}


def test_broken_json_tells_where() -> None:
    with pytest.raises(Unreadable) as refused:
        recognise((ATTACKS / "malformed.json").read_bytes())
    (finding,) = refused.value.findings
    assert (finding.rule, finding.line) == ("JSON-SYNTAX", 3)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(Unreadable) as refused:
        recognise((ATTACKS / "duplicate-keys.json").read_bytes())
    (finding,) = refused.value.findings
    assert (finding.rule, finding.found) == ("JSON-DUPLICATE-KEY", "number")


def test_a_truncated_pdf_is_refused() -> None:
    with pytest.raises(Unreadable) as refused:
        recognise((ATTACKS / "truncated.pdf").read_bytes(), "application/pdf")
    assert refused.value.findings[0].rule.startswith("PDF-")


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("application/json", b"<a/>"),
        ("application/pdf", b"<a/>"),
        ("text/xml", b"%PDF-1.7"),
        ("application/problem+json", b"<a/>"),
        ("image/png", b"{}"),
        ("nonsense", b"{}"),
    ],
)
def test_a_media_type_that_lies_is_refused(media_type: str, data: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        recognise(data, media_type)
    assert refused.value.findings[0].rule == "MEDIA-TYPE"


@pytest.mark.parametrize("media_type", [None, "", "application/octet-stream", "TEXT/XML", "application/vnd.our+xml"])
def test_a_media_type_that_says_little_is_no_lie(media_type: str | None) -> None:
    assert recognise(FORMATS["cii"].write(invoice()), media_type).format == "cii"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"%PDF-1.7" + b" " * door.SIZE_LIMIT, "PDF-SIZE"),
        (b"{" + b" " * json_form.SIZE_LIMIT + b"}", "JSON-SIZE"),
        (b"<a>" + b" " * 20_000_000 + b"</a>", "XML-SIZE"),
    ],
    ids=["pdf", "json", "xml"],
)
def test_the_outsized_is_refused_unread(data: bytes, rule: str) -> None:
    with pytest.raises(Unreadable) as refused:
        recognise(data)
    assert refused.value.findings[0].rule == rule


def test_the_chain_of_each_profile() -> None:
    def layers(syntax: str, profile: str, french: bool = False) -> list[str]:
        return [f"{rules.layer}:{Path(rules.artefact.file).parent}" for rules in chain(syntax, profile, french)]

    assert layers("cii", "urn:cen.eu:en16931:2017", french=True) == [
        "xsd:facturx-en16931",
        "facturx:facturx-en16931",
        "br-fr:cii-schematron-fr-ctc",
    ]
    assert layers("cii", "urn:cen.eu:en16931:2017#conformant#urn:factur-x.eu:1p0:extended")[1:] == [
        "facturx:facturx-extended"
    ]
    assert layers("cii", fr.EXTENDED_CTC_FR)[1:] == ["extended-ctc-fr:cii-extended-ctc-fr"]
    assert layers("ubl-invoice", fr.EXTENDED_CTC_FR)[1:] == ["extended-ctc-fr:ubl-2.1"]
    assert layers("ubl-creditnote", "", french=True) == ["xsd:ubl-2.1/maindoc", "en16931:ubl-2.1", "br-fr:ubl-2.1"]


def test_a_foreign_profile_is_judged_by_the_norm_alone() -> None:
    xsd, rules = facturx.chain("urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0")
    assert xsd is facturx.D22B
    assert rules.only == ("BR-",)
    assert (
        "facturx-extended"
        in facturx.chain("urn:cen.eu:en16931:2017#conformant#urn:zugferd.de:2p0:extended")[1].artefact.file
    )
    assert facturx.chain("")[1].only == ("BR-",)


def test_every_artefact_is_installed() -> None:
    from schemas import rulebook

    syntaxes = [(syntax, profile) for syntax in FORMATS for profile in (*facturx.PROFILES, fr.EXTENDED_CTC_FR, "")]
    for syntax, profile in syntaxes:
        for rules in chain(syntax, profile, french=True):
            assert rulebook.find(rules.artefact).path
