"""Telling what a file is: the PDFs of the corpora as the manifest has them; odd and hostile ones raise nothing."""

from __future__ import annotations

import datetime
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pikepdf import Array, Dictionary, Encryption, Name, Pdf, String

from schemas import json_form
from schemas.catalogue import FORMATS
from schemas.formats import facturx
from schemas.formats.facturx.examination import Answer, Conformance, instant
from schemas.formats.facturx.page_text import Legible
from schemas.inspection import Inspection, Kind, inspect
from schemas.likeness import Standing
from tests.conftest import CORPUS
from tests.schemas import hybrid_pdf as made
from tests.schemas.hybrid_pdf import action, built, root
from tests.schemas.sample_invoice import invoice

AT = datetime.datetime(2026, 11, 24, 9, 30, 15, tzinfo=datetime.UTC)
CII = FORMATS["cii"].write(invoice())
FX = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
ORDER = (
    b'<rsm:SCRDMCCBDACIOMessageStructure xmlns:rsm="urn:un:unece:uncefact:data:SCRDMCCBDACIOMessageStructure:100" '
    b'xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:128">'
    b"<rsm:ExchangedDocumentContext><ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:order-x.eu:1p0:basic"
    b"</ram:ID></ram:GuidelineSpecifiedDocumentContextParameter></rsm:ExchangedDocumentContext>"
    b"</rsm:SCRDMCCBDACIOMessageStructure>"
)
ZUGFERD_1 = (
    b'<rsm:CrossIndustryDocument xmlns:rsm="urn:ferd:CrossIndustryDocument:invoice:1p0" xmlns:ram="urn:un:unece:'
    b'uncefact:data:standard:ReusableAggregateBusinessInformationEntity:12"><rsm:SpecifiedExchangedDocumentContext>'
    b"<ram:GuidelineSpecifiedDocumentContextParameter><ram:ID>urn:ferd:CrossIndustryDocument:invoice:1p0:comfort</ram:ID>"
    b"</ram:GuidelineSpecifiedDocumentContextParameter></rsm:SpecifiedExchangedDocumentContext></rsm:CrossIndustryDocument>"
)


def told(data: bytes) -> Inspection:
    """The inspection of some bytes, which must be JSON too."""
    found = inspect(data)
    assert json.loads(json.dumps(found.as_json()))["sha256"] == found.sha256
    return found


def described(**claims: str) -> made.Change:
    """An XMP packet with the properties of Factur-X."""
    usual = {
        "DocumentType": "INVOICE",
        "DocumentFileName": "factur-x.xml",
        "Version": "1.0",
        "ConformanceLevel": "EN 16931",
    }
    says = "".join(f' fx:{name}="{value}"' for name, value in {**usual, **claims}.items())
    return made.described(f'<rdf:Description xmlns:fx="{FX}"{says}/>')


def listed(*files: tuple[str, bytes]) -> made.Change:
    """Files in the name tree and in /AF."""

    def change(pdf: Pdf) -> None:
        made.in_tree(*files)(pdf)
        pdf.Root.AF = Array(list(pdf.Root.Names.EmbeddedFiles.Names)[1::2])

    return change


def test_a_factur_x_of_ours_has_nothing_against_it() -> None:
    found = told(facturx.build(invoice(), CII, created=AT))
    assert (found.kind, found.format, found.profile_name, found.number) == (
        Kind.PDF,
        "facturx",
        "EN 16931",
        "F-2026-0001",
    )
    assert (found.taken, found.refused) == (Answer.YES, ())
    assert found.content is not None
    assert (found.content.root, found.content.readable, found.content.unknown) == (
        "CrossIndustryInvoice",
        Answer.YES,
        (),
    )
    pdf, page = found.pdf, found.page
    assert pdf is not None
    assert page is not None
    assert (pdf.xml, pdf.why, pdf.mismatches) == ("factur-x.xml", "factur-x.xml, by its standard name", ())
    assert (pdf.pages, pdf.revisions, pdf.encrypted, pdf.active) == (1, 1, Answer.NO, Answer.NO)
    assert (pdf.pdfa.claim, pdf.pdfa.verdict, pdf.pdfa.reasons, pdf.pdfua) == ("PDF/A-3A", Conformance.PASSED, (), "1")
    assert pdf.signatures == ()
    assert pdf.attachments is not None
    (one,) = pdf.attachments
    assert (one.media_type, one.relationship, one.size, one.associated) == ("text/xml", "Alternative", len(CII), True)
    assert one.created == one.modified == "2026-11-24T09:30:15+00:00"
    assert page.legible is Legible.TEXT
    assert page.values is not None
    assert {each.standing for each in page.values} == {Standing.FOUND}
    assert len(page.values) == 10


@pytest.mark.parametrize(
    ("change", "mismatches"),
    [
        (described(), set()),
        (described(ConformanceLevel="BASIC"), {("level", "BASIC", "EN 16931")}),
        (described(DocumentType="ORDER"), {("type", "ORDER", "INVOICE")}),
        (described(DocumentFileName="Factur-X.xml"), {("file-name", "Factur-X.xml", "factur-x.xml")}),
        (described(Version="2p0"), {("version", "2p0", "1.0")}),
        (made.described(), {("xmp", "no properties of a hybrid document", FX)}),
        (root(), {("xmp", "", FX)}),
    ],
    ids=["agrees", "level", "type", "file", "version", "no properties", "no XMP"],
)
def test_where_xmp_and_xml_differ_is_named(change: made.Change, mismatches: set[tuple[str, str, str]]) -> None:
    pdf = told(built(listed(("factur-x.xml", CII)), change)).pdf
    assert pdf is not None
    assert pdf.mismatches is not None
    assert {(one.what, one.claimed, one.expected) for one in pdf.mismatches} == mismatches


def test_what_the_attachment_lacks_is_named() -> None:
    def bare(pdf: Pdf) -> None:
        made.in_tree(("Invoice.XML", CII))(pdf)
        filed = pdf.Root.Names.EmbeddedFiles.Names[1]
        del filed.EF.F["/Subtype"], filed["/AFRelationship"]

    pdf = told(built(bare, described(DocumentFileName="Invoice.XML"))).pdf
    assert pdf is not None
    assert {one.what for one in pdf.mismatches or ()} == {"standard-name", "relationship", "media-type", "associated"}
    assert pdf.why.startswith("Invoice.XML, named by the XMP")


@pytest.mark.parametrize(
    ("data", "name", "format_name", "profile_name"),
    [
        (ORDER, "order-x.xml", "order-x", "Order-X BASIC"),
        (ORDER, "bestellung.xml", "order-x", "Order-X BASIC"),
        (ZUGFERD_1, "ZUGFeRD-invoice.xml", "zugferd-1", "ZUGFeRD 1 COMFORT"),
        (ZUGFERD_1, "rechnung.xml", "zugferd-1", "ZUGFeRD 1 COMFORT"),
    ],
)
def test_neighbours_are_told_and_not_taken(data: bytes, name: str, format_name: str, profile_name: str) -> None:
    found = told(built(listed(("other.xml", b"<other/>"), (name, data))))
    assert (found.format, found.profile_name, found.taken) == (format_name, profile_name, Answer.NO)
    assert found.refused[0].rule == "FORMAT-UNKNOWN"
    assert found.pdf is not None
    assert found.pdf.xml == name
    assert found.page is not None
    assert found.page.values is None
    bare = told(data)
    assert (bare.format, bare.profile_name, bare.taken, bare.kind) == (format_name, profile_name, Answer.NO, Kind.XML)


def test_what_could_act_is_told_with_all_the_rest() -> None:
    found = told(
        built(listed(("factur-x.xml", CII)), described(), root(OpenAction=action("JavaScript", JS=String("x"))))
    )
    assert found.pdf is not None
    assert (found.pdf.active, found.pdf.xml, found.pdf.pages) == (Answer.YES, "factur-x.xml", 1)
    assert found.number == "F-2026-0001"
    assert (found.taken, found.refused[0].rule) == (Answer.NO, "PDF-ACTIVE")


@pytest.mark.parametrize("user", ["", "secret"])
def test_of_an_encrypted_pdf_nothing_else_is_told(user: str) -> None:
    found = told(built(listed(("factur-x.xml", CII)), encryption=Encryption(owner="owner", user=user)))
    pdf, page = found.pdf, found.page
    assert pdf is not None
    assert page is not None
    assert (pdf.encrypted, pdf.active, pdf.pages, pdf.attachments) == (Answer.YES, Answer.UNTOLD, None, None)
    assert (pdf.pdfa.claim, pdf.pdfa.verdict, pdf.pdfua) == (None, Conformance.UNTOLD, None)
    assert (pdf.signatures, pdf.mismatches) == (None, None)
    assert (page.legible, page.values) == (Legible.UNREAD, None)
    assert (found.taken, found.refused[0].rule) == (Answer.NO, "PDF-ENCRYPTED")


def test_two_invoices_are_told_and_none_is_taken() -> None:
    found = told(built(listed(("a.xml", CII), ("b.xml", CII.replace(b"F-2026-0001", b"F-2026-0002")))))
    assert found.pdf is not None
    assert found.pdf.attachments is not None
    assert (len(found.pdf.attachments), found.pdf.xml, found.format) == (2, "", "pdf")
    assert found.refused[0].rule == "PDF-AMBIGUOUS"


def _signed(tail: bytes = b"", cut: int = 0, kids: bool = False) -> bytes:
    """A PDF with a signature whose ranges are right, but for what is added after it or cut from its second range."""

    def field(pdf: Pdf) -> None:
        value = Dictionary(
            Type=Name.Sig,
            SubFilter=Name("/ETSI.CAdES.detached"),
            Name=String("Atelier"),
            M=String("D:20261124093015+01'00'"),
            ByteRange=Array([0, 1111111111, 1111111111, 1111111111]),
            Contents=String(b"\0" * 64),
        )
        named = Dictionary(T=String("Seal"), FT=Name.Sig, V=pdf.make_indirect(value))
        tree = Dictionary(T=String("form"), Kids=Array([pdf.make_indirect(named)])) if kids else named
        pdf.Root.AcroForm = Dictionary(
            Fields=Array([pdf.make_indirect(tree), pdf.make_indirect(Dictionary(FT=Name.Sig))])
        )

    data = built(field)
    gap = re.search(rb"/Contents (<0+>|\((?:\\000|\x00)+\))", data)
    assert gap is not None
    filler = b"<" + b"0" * (len(gap[1]) - 2) + b">"
    data = data.replace(gap[1], filler)
    start = data.index(filler)
    end = start + len(filler)
    ranges = b"/ByteRange [ 0 %10d %10d %10d ]" % (start, end, len(data) - end - cut)
    return re.sub(rb"/ByteRange \[ 0 1111111111 1111111111 1111111111 \]", ranges, data) + tail


@pytest.mark.parametrize(
    ("data", "covers", "name"),
    [
        (lambda: _signed(), Answer.YES, "Seal"),
        (lambda: _signed(kids=True), Answer.YES, "form.Seal"),
        (lambda: _signed(tail=b"\n"), Answer.NO, "Seal"),
        (lambda: _signed(cut=10), Answer.NO, "Seal"),
    ],
    ids=["whole", "below another field", "something after it", "something left out"],
)
def test_signatures_are_told_and_not_verified(data: Callable[[], bytes], covers: Answer, name: str) -> None:
    pdf = told(data()).pdf
    assert pdf is not None
    assert pdf.signatures is not None
    (one,) = pdf.signatures
    assert (one.field, one.kind, one.signer, one.at) == (
        name,
        "ETSI.CAdES.detached",
        "Atelier",
        "2026-11-24T09:30:15+01:00",
    )
    assert (one.covers_whole_file, one.verified) == (covers, "not verified")


def test_a_form_that_bites_its_tail_ends() -> None:
    def cyclic(pdf: Pdf) -> None:
        node = pdf.make_indirect(Dictionary(T=String("a")))
        node.Kids = Array([node] * 10)
        pdf.Root.AcroForm = Dictionary(Fields=Array([node]))

    found = told(built(cyclic)).pdf
    assert found is not None
    assert found.signatures == ()


def test_what_breaks_pdf_a_is_told_by_clause() -> None:
    pdf = told(built(made.drawn(b"1 0 0 rg 0 0 9 9 re f"), described())).pdf
    assert pdf is not None
    assert pdf.pdfa.verdict is Conformance.FAILED
    assert any(reason.clause.startswith("ISO 19005-3, 6.") for reason in pdf.pdfa.reasons)
    claimed = made.described(
        '<rdf:Description xmlns:p="http://www.aiim.org/pdfa/ns/id/" p:part="4" p:conformance="F"/>'
    )
    other = told(built(claimed)).pdf
    assert other is not None
    assert (other.pdfa.claim, other.pdfa.verdict, other.pdfa.checked) == ("PDF/A-4F", Conformance.UNTOLD, "")


def test_a_name_without_end_is_told_in_part() -> None:
    found = told(built(listed(("x" * 100_000 + ".xml", CII)))).as_json()
    assert len(json.dumps(found)) < 20_000
    assert found["pdf"]["xml"].endswith("x…")


def test_a_scan_is_a_state_of_its_own() -> None:
    found = told(built(listed(("factur-x.xml", CII)), described())).page
    assert found is not None
    assert (found.legible, found.values) == (Legible.NO_TEXT, None)


def test_a_page_of_another_invoice_is_told() -> None:
    other = replace(invoice(), number="F-2026-0009")
    page = facturx.page.typeset(other, created=AT)
    found = told(facturx.pdfa.attach(page, CII, facturx.pdfa.Description(other.profile, "t", "a", AT))).page
    assert found is not None
    assert [each.term for each in found.values or () if each.standing is not Standing.FOUND] == ["BT-1"]


def test_of_an_xml_what_the_model_does_not_hold_is_told() -> None:
    data = FORMATS["ubl-invoice"].write(invoice())
    known = told(data)
    assert (known.format, known.number, known.taken) == ("ubl-invoice", "F-2026-0001", Answer.YES)
    assert (known.pdf, known.page) == (None, None)
    assert known.content is not None
    assert known.content.unknown == ()
    assert len(known.content.namespaces) == 3
    added = data.replace(b"</cbc:ID>", b"</cbc:ID><cbc:UUID>7</cbc:UUID>", 1)
    content = told(added).content
    assert content is not None
    assert content.unknown == ("/Invoice/cbc:UUID",)


def test_a_json_invoice_is_told_with_what_is_wrong() -> None:
    found = told(json_form.write(invoice()))
    assert (found.kind, found.format, found.number, found.taken) == (Kind.JSON, "json", "F-2026-0001", Answer.YES)
    broken = told(b'{"number": "1", "colour": "red"}')
    assert (broken.format, broken.taken) == ("json", Answer.NO)
    assert broken.content is not None
    assert (broken.content.readable, broken.content.unknown) == (Answer.NO, None)
    assert broken.content.findings == broken.refused


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.EMPTY),
        (b" \n\0", Kind.EMPTY),
        (b"PK\x03\x04", Kind.OTHER),
        (b"\xff" * 2000, Kind.OTHER),
        (b"<a", Kind.XML),
        (b"<a>\xff</a>", Kind.XML),
        ("<a/>".encode("utf-16"), Kind.XML),
        (b"<!DOCTYPE a><a/>", Kind.XML),
        (b"{", Kind.JSON),
        (b"[" * 100_000, Kind.JSON),
        (b"%PDF-1.7", Kind.PDF),
        (b"junk %PDF-1.7 %%EOF", Kind.PDF),
    ],
)
def test_what_is_no_document_is_told_to_be_none(data: bytes, kind: Kind) -> None:
    found = told(data)
    assert (found.kind, found.taken) == (kind, Answer.NO)
    assert found.refused


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("D:20261124093015+01'00'", "2026-11-24T09:30:15+01:00"),
        ("D:20261124093015Z", "2026-11-24T09:30:15Z"),
        ("D:20261124", "2026-11-24"),
        ("D:202611240930", "2026-11-24T09:30:00"),
        ("yesterday", "yesterday"),
        ("", ""),
    ],
)
def test_instants_of_pdf_are_read(written: str, read: str) -> None:
    assert instant(written) == read


def test_no_mutilated_pdf_breaks_the_inspection() -> None:
    whole = built(listed(("factur-x.xml", CII)), described(), made.drawn(b"BT (Facture) Tj ET"))
    chance = random.Random(20261125)
    seen = set()
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3))):
            at = chance.randrange(len(data))
            if chance.random() < 0.7:
                data[at] = chance.randrange(256)
            else:
                del data[at : at + chance.randrange(1, 60)]
        seen.add(told(bytes(data)).format)
    assert {"pdf", "facturx"} <= seen


ATTACKS = Path(__file__).parent.parent / "samples" / "attacks"


@pytest.mark.parametrize(
    "path", sorted(path for path in ATTACKS.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_no_attack_breaks_the_inspection(path: Path) -> None:
    told(path.read_bytes())


def _rows() -> Iterator[dict[str, Any]]:
    manifest = CORPUS / "manifest.jsonl"
    for line in manifest.read_text().splitlines() if manifest.exists() else ():
        row = json.loads(line)
        if row.get("pdf") is not None:
            yield row


_VERAPDF = "verapdf-pdfa3/PDF_A-3b/6.8_Embedded_files/veraPDF_test_suite_6-8-t02-"
EXCEPTIONS = {
    "mustang/validator/corruptedV2PDF.pdf": "damaged on purpose; the manifest was made by repair",
    "mustang/validator/invalidXMP-ParseError.pdf": "a damaged object, which qpdf had to guess for the manifest",
    f"{_VERAPDF}fail-d.pdf": "its only XML is MathML: named, and told to be no invoice",
    f"{_VERAPDF}pass-d.pdf": "the same",
    "zugferd-corpus/ZUGFeRDv2/fail/python-factur-x/python-factur-x.pdf": (
        "the same embedded file under two specifications, of which /AF lists one: one file here, two in the manifest"
    ),
}
"""PDFs of which we tell something else than the manifest, and why."""


def _differences(found: Inspection, row: dict[str, Any]) -> list[str]:
    pdf, told_of = found.pdf, row["pdf"]
    assert pdf is not None
    files = [(one.name, one.size, one.relationship, one.associated, one.media_type) for one in pdf.attachments or ()]
    listed_files = [
        (one["name"], one["size"], (one["af_relationship"] or "").removeprefix("/"), one["in_af"],
         (one["subtype"] or "").removeprefix("/"))
        for one in told_of["attachments"]
    ]  # fmt: skip
    claims, says = pdf.claims, told_of["xmp"]
    part = says.get("pdfaid_part") or ""
    ours = {
        "attachments": sorted(files), "xml": pdf.xml or None, "encrypted": pdf.encrypted is Answer.YES,
        "intents": pdf.output_intents or 0, "pdfa": pdf.pdfa.claim or "", "fx_ns": claims.namespace,
        "fx_type": claims.type, "fx_file": claims.file_name, "fx_version": claims.version, "fx_level": claims.level,
    }  # fmt: skip
    theirs = {
        "attachments": sorted(listed_files), "xml": told_of["xml"], "encrypted": told_of.get("encrypted", False),
        "intents": told_of["output_intents"],
        "pdfa": f"PDF/A-{part}{(says.get('pdfaid_conformance') or '').upper()}" if part else "",
        **{key: says.get(key) or "" for key in ("fx_ns", "fx_type", "fx_file", "fx_version", "fx_level")},
    }  # fmt: skip
    return [key for key, value in ours.items() if value != theirs[key]]


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus (../shared/corpus) is not here")
def test_every_pdf_of_the_corpora_is_told_as_the_manifest_has_it() -> None:
    differing, warned, count = {}, {}, 0
    for row in _rows():
        count += 1
        found = told((CORPUS / row["path"]).read_bytes())
        if different := _differences(found, row):
            differing[row["path"]] = different
        values = found.page.values if found.page is not None else None
        if any(each.standing is not Standing.FOUND for each in values or ()):
            warned[row["path"]] = [each.term for each in values or () if each.standing is not Standing.FOUND]
    print(f"{count - len(differing)} of {count} as the manifest has them; {len(warned)} pages say other than their XML")
    assert count == 201
    assert set(differing) == set(EXCEPTIONS), differing
    assert set(warned) == set(MISTAKEN), warned


MISTAKEN = {
    "mustang/validator/invalidXRechnung.pdf": "the page is of invoice RE-20200620/508, the XML of RE-20190610/507",
    "mustang/validator/validXRechnung.pdf": "the same",
    "zugferd-corpus/ZUGFeRDv2/correct/PHP_gpFacturX/sample_inofficial_20190125_atgp_factur-x_v_1_0.pdf": (
        "the page is a German invoice over 571,04, the XML a French one over 671.15"
    ),
    "zugferd-corpus/ZUGFeRDv2/fail/ZUGFeRD_2.0_fully_compliant_complete.pdf": (
        "the page states 37.763,70 DEM with VAT, the XML 39077.22"
    ),
    "zugferd-corpus/ZUGFeRDv2/fail/ZUGFeRD_2_fully_compliant_complete.pdf": "the same",
}
"""PDFs whose page says other than their XML, each read by a person."""
