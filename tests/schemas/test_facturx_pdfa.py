"""Making hybrid PDFs: ours are PDF/A-3, say so and are the same each time; a caller's PDF becomes one or is refused."""

from __future__ import annotations

import hashlib
import io
import pickle
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone

import pikepdf
import pytest
from lxml import etree
from pikepdf import Name
from pikepdf import pdfa as checker

from schemas.formats.facturx import pdfa
from schemas.formats.facturx.extract import FILES_LIMIT, NAMES, Embedded, extract
from schemas.formats.facturx.pdfa import Description, NotPdfA
from schemas.xml import Unreadable
from tests.schemas import hybrid_pdf as made
from tests.schemas.hybrid_pdf import XML, action, root

AT = datetime(2026, 11, 24, 9, 30, 15, tzinfo=UTC)
EN16931 = "urn:cen.eu:en16931:2017"
WHAT = Description(EN16931, "Facture F-2026-0001", "Atelier des Tilleuls SARL", AT, "fr")
FX = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
GOOD = made.in_tree(("factur-x.xml", XML))


def test_the_invoice_is_attached_as_the_standard_says() -> None:
    data = pdfa.attach(made.page(), XML, WHAT)
    with pikepdf.open(io.BytesIO(data)) as pdf:
        names = list(pdf.Root.Names.EmbeddedFiles.Names)
        assert str(names[0]) == "factur-x.xml"
        assert [one.objgen for one in pdf.Root.AF] == [names[1].objgen]
        filed = names[1]
        assert (str(filed.F), str(filed.UF), filed.AFRelationship) == ("factur-x.xml", "factur-x.xml", Name.Alternative)
        stream = filed.EF.F
        assert filed.EF.UF.objgen == stream.objgen
        assert str(stream.Subtype) == "/text/xml"
        assert stream.read_bytes() == XML
        assert int(stream.Params.Size) == len(XML)
        assert bytes(stream.Params.CheckSum) == hashlib.md5(XML).digest()
        assert str(stream.Params.ModDate) == "D:20261124093015+00'00'"


@pytest.mark.parametrize(
    ("profile", "level", "name", "relationship", "version"),
    [
        ("urn:factur-x.eu:1p0:minimum", "MINIMUM", "factur-x.xml", "Data", "1.0"),
        ("urn:factur-x.eu:1p0:basicwl", "BASIC WL", "factur-x.xml", "Data", "1.0"),
        (f"{EN16931}#compliant#urn:factur-x.eu:1p0:basic", "BASIC", "factur-x.xml", "Alternative", "1.0"),
        (EN16931, "EN 16931", "factur-x.xml", "Alternative", "1.0"),
        (f"{EN16931}#conformant#urn:factur-x.eu:1p0:extended", "EXTENDED", "factur-x.xml", "Alternative", "1.0"),
        (
            f"{EN16931}#conformant#urn.cpro.gouv.fr:1p0:extended-ctc-fr",
            "EXTENDED",
            "factur-x.xml",
            "Alternative",
            "1.0",
        ),
        (
            f"{EN16931}#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0",
            "XRECHNUNG",
            "xrechnung.xml",
            "Alternative",
            "3.0",
        ),
    ],
)
def test_name_relationship_and_level_follow_the_profile(
    profile: str, level: str, name: str, relationship: str, version: str
) -> None:
    found = extract(pdfa.attach(made.page(), XML, Description(profile, "t", "a", AT)))
    assert (found.name, found.relationship) == (name, relationship)
    claims = found.claims
    assert (claims.document_type, claims.file_name, claims.version, claims.level) == ("INVOICE", name, version, level)
    assert claims.namespace == FX
    assert claims.part == "3"


@pytest.mark.parametrize(
    ("standards", "conformance", "universal"), [(("a-3b",), "B", ""), (("a-3a", "ua-1"), "A", "1")]
)
def test_the_claims_of_the_page_are_kept_and_nothing_else_is_found(
    standards: tuple[str, ...], conformance: str, universal: str
) -> None:
    data = pdfa.attach(made.page(*standards), XML, WHAT)
    claims = extract(data).claims
    assert (claims.part, claims.conformance, claims.universal) == ("3", conformance, universal)
    assert pdfa.check(data) == ()
    found = checker.validate_written(io.BytesIO(data), "3b").findings
    by_rule = [finding.rule.partition(":")[2] for finding in found]
    assert by_rule.count("6.6.2.3.1-1") == 9 + bool(universal)
    assert by_rule.count("6.6.4-3") == (conformance == "A")
    assert len(found) == by_rule.count("6.6.2.3.1-1") + by_rule.count("6.6.4-3")


def test_the_extension_schema_describes_each_property() -> None:
    with pikepdf.open(io.BytesIO(pdfa.attach(made.page("a-3a", "ua-1"), XML, WHAT))) as pdf:
        tree = etree.fromstring(pdf.Root.Metadata.read_bytes())
    spaces = {
        "e": "http://www.aiim.org/pdfa/ns/extension/",
        "s": "http://www.aiim.org/pdfa/ns/schema#",
        "p": "http://www.aiim.org/pdfa/ns/property#",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    }
    schemas = {}
    for schema in tree.iterfind(".//e:schemas/rdf:Bag/rdf:li", spaces):
        assert schema.findtext("s:schema", namespaces=spaces)
        properties = [
            tuple(item.findtext(f"p:{key}", namespaces=spaces) for key in ("name", "valueType", "category"))
            for item in schema.iterfind("s:property/rdf:Seq/rdf:li", spaces)
        ]
        assert all(
            item.findtext("p:description", namespaces=spaces)
            for item in schema.iterfind("s:property/rdf:Seq/rdf:li", spaces)
        )
        key = schema.findtext("s:prefix", namespaces=spaces), schema.findtext("s:namespaceURI", namespaces=spaces)
        schemas[key] = sorted(properties)
    names = ("ConformanceLevel", "DocumentFileName", "DocumentType", "Version")
    assert schemas == {
        ("fx", FX): [(name, "Text", "external") for name in names],
        ("pdfuaid", "http://www.aiim.org/pdfua/ns/id/"): [("part", "Integer", "internal")],
    }
    used = {etree.QName(element).localname for element in tree.iter(f"{{{FX}}}*")}
    assert used == set(names)


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("Facture F-1", "Facture F-1"),
        ("A & B <c> \"d\" 'e' ]]>", "A & B <c> \"d\" 'e' ]]>"),
        ("Société\u00a0d’Été – œuvre €", "Société d’Été – œuvre €"),
        ("請求書 №1 \U0001f600", "請求書 №1 \U0001f600"),
        ("a\x00b\x1f c\ufffed\ud800e", "ab cde"),
        ("two\nlines\tand tabs ", "two lines and tabs"),
        ("\x01", "-"),
        ("", "-"),
    ],
)
def test_document_information_and_xmp_say_the_same(title: str, kept: str) -> None:
    data = pdfa.attach(made.page(), XML, Description(EN16931, title, title, AT))
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert (str(pdf.docinfo.Title), str(pdf.docinfo.Author)) == (kept, kept)
        assert str(pdf.docinfo.CreationDate) == str(pdf.docinfo.ModDate) == "D:20261124093015+00'00'"
        metadata = pdf.open_metadata()
        assert metadata["dc:title"] == kept
        assert metadata["dc:creator"] == [kept]
        assert metadata["pdf:Producer"] == str(pdf.docinfo.Producer)
        assert metadata["xmp:CreateDate"] == metadata["xmp:ModifyDate"] == "2026-11-24T09:30:15+00:00"


def test_the_same_input_gives_the_same_bytes_in_every_process() -> None:
    files = (Embedded("é.pdf", "application/pdf", b"%PDF-x"), Embedded("a.txt", "text/plain", b""))
    here = pdfa.attach(made.page("a-3a", "ua-1"), XML, WHAT, files)
    elsewhere = Description(EN16931, WHAT.title, WHAT.author, AT.astimezone(timezone(timedelta(hours=2))), "fr")
    assert pdfa.attach(made.page("a-3a", "ua-1"), XML, elsewhere, files) == here
    code = (
        "import pickle, sys; from schemas.formats.facturx import pdfa;"
        "sys.stdout.buffer.write(pdfa.attach(*pickle.load(sys.stdin.buffer)))"
    )
    argument = pickle.dumps((made.page("a-3a", "ua-1"), XML, WHAT, files))
    there = subprocess.run([sys.executable, "-c", code], input=argument, capture_output=True, timeout=60, check=True)
    assert there.stdout == here
    later = Description(EN16931, WHAT.title, WHAT.author, AT + timedelta(seconds=1), "fr")
    assert pdfa.attach(made.page("a-3a", "ua-1"), XML, later, files) != here


def test_an_instant_without_time_zone_is_a_mistake() -> None:
    with pytest.raises(AssertionError):
        pdfa.attach(made.page(), XML, Description(EN16931, "t", "a", AT.replace(tzinfo=None)))


def test_attachments_go_along_under_names_no_reader_confuses() -> None:
    files = (
        Embedded("plan.pdf", "application/pdf", b"1", "Supplement", "Plan du chantier"),
        Embedded("Plan.pdf", "application/pdf", b"2"),
        Embedded("factur-x.xml", "text/xml", b"<no/>"),
        Embedded("ZUGFeRD-invoice.xml", "text/xml", b"<no/>"),
        Embedded("../../etc/passwd", "text/plain", b"3"),
        Embedded("c:\\temp\\\x07", "not a media type", b"4"),
        Embedded("ß €.csv", "text/csv", b"5", "", ""),
        Embedded("", "", b"6"),
    )
    data = pdfa.attach(made.page(), XML, WHAT, files)
    found = extract(data)
    assert found.xml == XML
    names = [other.name for other in found.others]
    assert len({name.lower() for name in names}) == len(files)
    assert not {name.lower() for name in names} & set(NAMES)
    assert not any("/" in name or "\\" in name or not name.isprintable() for name in names)
    assert sorted(other.data for other in found.others) == sorted(file.data for file in files)
    (plan,) = (other for other in found.others if other.data == b"1")
    assert (plan.name, plan.media_type, plan.relationship, plan.description) == (
        "plan.pdf",
        "application/pdf",
        "Supplement",
        "Plan du chantier",
    )
    assert all(other.media_type.count("/") == 1 and other.relationship for other in found.others)
    with pikepdf.open(io.BytesIO(data)) as pdf:
        keys = [bytes(key) for key in list(pdf.Root.Names.EmbeddedFiles.Names)[::2]]
        assert keys == sorted(keys)
        assert len(pdf.Root.AF) == len(files) + 1


def test_as_many_files_go_along_as_are_read_and_no_more() -> None:
    """Also when all are called the same; what is too much is refused before any work is done for it."""
    files = tuple(Embedded("Plan.pdf", "application/pdf", b"%d" % number) for number in range(FILES_LIMIT))
    found = extract(pdfa.attach(made.page(), XML, WHAT, files[:-1]))
    assert found.xml == XML
    assert [other.data for other in found.others if other.name == "Plan-99.pdf"] == [b"98"]
    assert len({other.name.lower() for other in found.others}) == FILES_LIMIT - 1
    start = time.process_time()
    for many in (files, files * 200):
        with pytest.raises(Unreadable) as caught:
            pdfa.attach(made.page(), XML, WHAT, many)
        (finding,) = caught.value.findings
        assert (finding.rule, finding.found) == ("PDF-SIZE", f"{len(many)} attachments")
        assert finding.expected == f"at most {FILES_LIMIT - 1}"
    assert time.process_time() - start < 5


def test_a_large_attachment_goes_through_unharmed() -> None:
    large = random.Random(1).randbytes(12_000_000) + bytes(12_000_000)
    found = extract(pdfa.attach(made.page(), XML, WHAT, (Embedded("plan.bin", "application/x", large),)))
    assert found.others[0].data == large


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (made.drawn(b"BT /F1 12 Tf 9 9 Td (Facture) Tj ET", Font=made.unembedded), "6.2.11.4.1"),
        (made.drawn(b"0 1 0 0 k 0 0 9 9 re f"), "6.2.4.3"),
        (root(OpenAction=action("Named", N=Name.Print)), "OpenAction"),
    ],
    ids=["font", "colour", "action"],
)
def test_a_page_that_breaks_the_rules_is_never_given_away(change: made.Change, rule: str) -> None:
    with pikepdf.open(io.BytesIO(made.page())) as pdf:
        change(pdf)
        out = io.BytesIO()
        pdf.save(out)
    with pytest.raises(NotPdfA) as caught:
        pdfa.attach(out.getvalue(), XML, WHAT)
    assert any(rule in violation for violation in caught.value.violations)
