"""Reading hybrid PDFs: the invoice is found wherever it is; what is damaged, hostile or unclear is refused."""

from __future__ import annotations

import io
import json
import pickle
import random
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pypdf
import pytest
from pikepdf import Array, Dictionary, Encryption, Name, Pdf, Stream, String

from schemas.finding import Severity
from schemas.formats.facturx import door, pdfa, xmp
from schemas.formats.facturx.extract import FILES_LIMIT, Embedded, embedded_files, extract
from schemas.formats.facturx.pdfa import Description, NotPdfA
from schemas.xml import Unreadable
from tests.conftest import CORPUS
from tests.schemas import hybrid_pdf as made
from tests.schemas.hybrid_pdf import AS_PACKED, IN_STREAMS, OTHER_XML, XML, action, built, root

AT = datetime(2026, 11, 24, 9, 30, 15, tzinfo=UTC)
EN16931 = "urn:cen.eu:en16931:2017"
WHAT = Description(EN16931, "Facture F-2026-0001", "Atelier des Tilleuls SARL", AT, "fr")
FX = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
ORDER = b'<r:SCRDMCCBDACIOMessageStructure xmlns:r="urn:un:unece:uncefact:data:SCRDMCCBDACIOMessageStructure:100"/>'
ZUGFERD_1 = b'<r:CrossIndustryDocument xmlns:r="urn:ferd:CrossIndustryDocument:invoice:1p0"/>'
GOOD = made.in_tree(("factur-x.xml", XML))


def refused(data: bytes) -> tuple[str, str]:
    """Rule and what was found, of a PDF that must be refused."""
    with pytest.raises(Unreadable) as caught:
        extract(data)
    finding = caught.value.findings[0]
    assert finding.severity is Severity.FATAL
    assert finding.says
    return finding.rule, finding.found or ""


@pytest.mark.parametrize(
    "place",
    [
        made.in_tree(("factur-x.xml", XML)),
        made.in_branches(("annexe.txt", b"x"), ("factur-x.xml", XML)),
        made.associated(("factur-x.xml", XML)),
        made.annotated("factur-x.xml"),
        lambda pdf: setattr(pdf.pages[0].obj, "AF", Array([made.specification(pdf)])),
    ],
    ids=["name tree", "branches", "/AF", "annotation", "/AF of a page"],
)
def test_the_invoice_is_found_wherever_a_reader_would_find_it(place: made.Change) -> None:
    found = extract(built(place))
    assert (found.name, found.xml, found.relationship) == ("factur-x.xml", XML, "Data")
    assert found.taken == "factur-x.xml, by its standard name"


def test_one_file_in_several_places_is_one_file() -> None:
    def everywhere(pdf: Pdf) -> None:
        GOOD(pdf)
        pdf.Root.AF = Array([pdf.Root.Names.EmbeddedFiles.Names[1]])

    found = extract(built(everywhere))
    assert (found.xml, found.others) == (XML, ())


@pytest.mark.parametrize(
    ("files", "taken"),
    [
        (("Factur-X.XML",), "Factur-X.XML, by its standard name, in another case"),
        (("xrechnung.xml",), "xrechnung.xml, by its standard name"),
        (("ZUGFeRD-invoice.xml", "factur-x.xml"), "factur-x.xml, by its standard name"),
        (("invoice.xml",), "invoice.xml, the XML among the attachments"),
    ],
)
def test_what_is_taken_and_why_is_told(files: tuple[str, ...], taken: str) -> None:
    found = extract(built(made.in_tree(*((name, XML) for name in files))))
    assert found.taken.startswith(taken)
    assert len(found.others) == len(files) - 1
    assert all(other.name in found.taken for other in found.others if other.name.lower().endswith(".xml"))


def test_a_name_of_its_own_is_taken_when_the_xmp_gives_it() -> None:
    says = f'<rdf:Description xmlns:fx="{FX}" fx:DocumentFileName="b.xml"/>'
    found = extract(built(made.in_tree(("a.xml", XML), ("b.xml", OTHER_XML)), made.described(says)))
    assert (found.name, found.xml) == ("b.xml", OTHER_XML)
    assert found.taken.startswith("b.xml, named by the XMP")


def test_an_invoice_is_told_from_other_xml_by_its_root() -> None:
    found = extract(built(made.in_tree(("a.xml", b"<delivery/>"), ("b.xml", XML))))
    assert found.name == "b.xml"
    assert [(one.name, one.media_type, len(one.data)) for one in found.others] == [("a.xml", "text/xml", 11)]


def test_the_xmp_is_read_in_elements_and_in_attributes() -> None:
    elements = f"""<rdf:Description rdf:about="" xmlns:fx="{FX}"><fx:DocumentType>INVOICE</fx:DocumentType>
      <fx:Version>1.0</fx:Version><fx:ConformanceLevel> EN 16931 </fx:ConformanceLevel></rdf:Description>"""
    attributes = '<rdf:Description xmlns:p="http://www.aiim.org/pdfa/ns/id/" p:part="3" p:conformance="U"/>'
    claims = extract(built(GOOD, made.described(elements, attributes))).claims
    assert (claims.part, claims.conformance, claims.universal) == ("3", "U", "")
    assert (claims.namespace, claims.document_type, claims.version, claims.level) == (FX, "INVOICE", "1.0", "EN 16931")


@pytest.mark.parametrize(
    "data",
    [b"", b"no xml", b"<a", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"\xff\xfe<\x00a", b"<a>\xff</a>"],
)
def test_xmp_that_cannot_be_read_claims_nothing(data: bytes) -> None:
    assert extract(built(GOOD, made.packet(data))).claims == xmp.Claims()


def test_odd_structures_are_no_obstacle() -> None:
    def odd(pdf: Pdf) -> None:
        GOOD(pdf)
        pdf.Root.AF = Dictionary(a=1)
        pdf.Root.Metadata = Array([1])
        pdf.pages[0].obj.Annots = Array([1, Dictionary(Subtype=Name.FileAttachment)])
        pdf.Root.Names.EmbeddedFiles.Kids = Array([1, Name.x, Dictionary(Names=Array([String("odd")]))])

    assert extract(built(odd)).xml == XML


def test_what_the_parser_has_to_guess_is_refused() -> None:
    rule, found = refused(built(GOOD, lambda pdf: setattr(pdf.pages[0].obj, "Annots", Name.nothing)))
    assert rule == "PDF-SYNTAX"
    assert "Annots is not an array" in found


def test_a_file_without_a_name_has_that_of_its_place() -> None:
    def nameless(pdf: Pdf) -> None:
        GOOD(pdf)
        filed = pdf.Root.Names.EmbeddedFiles.Names[1]
        del filed["/F"], filed["/UF"], filed.EF["/UF"], filed.EF.F["/Subtype"]

    assert extract(built(nameless)).name == "factur-x.xml"


def test_appended_updates_are_counted() -> None:
    once = built(GOOD)
    start = re.findall(rb"startxref\s+(\d+)", once)[-1]
    size = re.search(rb"/Size (\d+)", once)
    assert size is not None
    root_at = re.search(rb"/Root \d+ 0 R", once)
    assert root_at is not None
    update = b"xref\n0 0\ntrailer << /Size %s %s /Prev %s >>\nstartxref\n%d\n%%%%EOF\n"
    twice = once + update % (size[1], root_at[0], start, len(once))
    assert (extract(once).revisions, extract(twice).revisions) == (1, 2)
    assert extract(twice).xml == XML


def test_a_name_tree_that_bites_its_tail_ends() -> None:
    def cyclic(pdf: Pdf) -> None:
        node = pdf.make_indirect(Dictionary())
        node.Kids = Array([node] * 1000)
        pdf.Root.Names = Dictionary(EmbeddedFiles=node)

    assert refused(built(cyclic)) == ("PDF-NO-INVOICE", "no attachment at all")


def test_a_pdf_without_invoice_is_refused_by_what_it_carries() -> None:
    rule, found = refused(built(made.in_tree(("a.txt", b"12345"), ("plan.png", b"123"))))
    assert rule == "PDF-NO-INVOICE"
    assert "a.txt" in found
    assert "plan.png" in found


@pytest.mark.parametrize(
    "files",
    [
        (("factur-x.xml", XML), ("factur-x.xml", OTHER_XML)),
        (("factur-x.xml", XML), ("FACTUR-X.xml", OTHER_XML)),
        (("a.xml", XML), ("b.xml", OTHER_XML)),
        (("factur-x.xml", XML), ("xrechnung.xml", OTHER_XML)),
        (("factur-x.xml", XML), ("ZUGFeRD-invoice.xml", OTHER_XML)),
        (("factur-x.xml", XML), ("xrechnung.xml", b"<no XML")),
        (("xrechnung.xml", XML), ("zugferd-invoice.xml", OTHER_XML)),
        (("factur-x.xml", ORDER), ("order-x.xml", ORDER + b" ")),
    ],
)
def test_two_invoices_that_differ_are_none(files: tuple[tuple[str, bytes], ...]) -> None:
    rule, found = refused(built(made.in_tree(*files)))
    assert rule == "PDF-AMBIGUOUS"
    assert all(name in found for name, _ in files)


def test_the_xmp_must_not_name_another_invoice() -> None:
    says = f'<rdf:Description xmlns:fx="{FX}" fx:DocumentFileName="other.xml"/>'
    files = made.in_tree(("factur-x.xml", XML), ("other.xml", OTHER_XML))
    assert refused(built(files, made.described(says)))[0] == "PDF-AMBIGUOUS"
    assert extract(built(files)).name == "factur-x.xml"


def test_the_same_invoice_twice_is_one() -> None:
    for one, other in (("a.xml", "b.xml"), ("factur-x.xml", "xrechnung.xml")):
        assert extract(built(made.in_tree((one, XML), (other, XML)))).xml == XML


@pytest.mark.parametrize(("name", "data"), [("order-x.xml", ORDER), ("ZUGFeRD-invoice.xml", ZUGFERD_1)])
def test_what_is_of_another_standard_is_no_second_invoice(name: str, data: bytes) -> None:
    found = extract(built(made.in_tree((name, data), ("factur-x.xml", XML))))
    assert (found.name, found.taken) == ("factur-x.xml", f"factur-x.xml, by its standard name; passed over: {name}")


def test_two_files_behind_one_name_are_none() -> None:
    def torn(pdf: Pdf) -> None:
        GOOD(pdf)
        pdf.Root.Names.EmbeddedFiles.Names[1].EF.F = pdf.make_indirect(Stream(pdf, OTHER_XML))

    assert refused(built(torn))[0] == "PDF-AMBIGUOUS"


def _good(**options: Any) -> bytes:
    return built(GOOD, **options)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: _good()[:-400], "PDF-SYNTAX"),
        (lambda: b"", "PDF-SYNTAX"),
        (lambda: b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"%%EOF", "PDF-SYNTAX"),
        (lambda: b"\n" + _good(), "PDF-SYNTAX"),
        (lambda: _good().replace(b"startxref\n", b"startxref\n9"), "PDF-SYNTAX"),
        (lambda: _good() + b"<script/>", "PDF-TRAILING"),
        (lambda: _good(encryption=Encryption(owner="a", user="b")), "PDF-ENCRYPTED"),
        (lambda: _good(encryption=Encryption(owner="a", user="")), "PDF-ENCRYPTED"),
        (lambda: _good() + b"\n" * door.SIZE_LIMIT, "PDF-SIZE"),
    ],
    ids=["cut", "empty", "garbage", "late header", "wrong xref", "trailing", "password", "encrypted", "size"],
)
def test_what_is_no_whole_open_pdf_is_refused(make: Any, rule: str) -> None:
    assert refused(make())[0] == rule


SCRIPT = "app.alert(1)"
ACTIVE = {
    **{
        kind: root(OpenAction=action(kind))
        for kind in (
            "Launch",
            "SubmitForm",
            "ImportData",
            "GoToR",
            "GoToE",
            "GoTo3DView",
            "Rendition",
            "Movie",
            "Sound",
        )
    },
    "JavaScript": root(OpenAction=action("JavaScript", JS=String(SCRIPT))),
    "an indirect name": root(OpenAction=lambda pdf: Dictionary(S=pdf.make_indirect(Name.JavaScript))),
    "scripts by name": root(Names=Dictionary(JavaScript=Dictionary(Names=Array()))),
    "additional actions": root(AA=Dictionary(WC=action("Named", N=Name.Print))),
    "a next action": root(OpenAction=action("GoTo", D=String("x"), Next=Array([action("Launch")]))),
    "XFA": root(AcroForm=Dictionary(Fields=Array(), XFA=String("x"))),
    "out of reach": root(Nothing=Array([Array([Dictionary(deep=Array([action("Launch", F=String("x"))]))])])),
    "rich media": root(X=Dictionary(Type=Name.Annot, Subtype=Name.RichMedia)),
    "3D": root(X=Dictionary(Type=Name.Annot, Subtype=Name("/3D"))),
    "a stream elsewhere": root(X=lambda pdf: Stream(pdf, b"", F=String("http://example.org/"))),
    "an address as file": root(X=Dictionary(Type=Name.Filespec, FS=Name.URL, F=String("http://example.org/"))),
}


@pytest.mark.parametrize("change", ACTIVE.values(), ids=ACTIVE.keys())
@pytest.mark.parametrize("options", [{}, IN_STREAMS], ids=["plain", "in object streams"])
def test_what_could_act_is_refused_and_named(change: made.Change, options: dict[str, Any]) -> None:
    rule, found = refused(built(GOOD, change, **options))
    assert rule == "PDF-ACTIVE"
    assert found


def test_what_stands_in_no_reach_of_the_catalog_is_looked_through_too() -> None:
    data = built(GOOD, root(X=lambda pdf: pdf.make_indirect(action("JavaScript", JS=String(SCRIPT)))))
    orphaned, count = re.subn(rb"/X \d+ 0 R", lambda found: b" " * len(found[0]), data)
    assert count == 1
    assert refused(orphaned) == ("PDF-ACTIVE", "JS")


@pytest.mark.parametrize(
    "change",
    [
        root(OpenAction=action("GoTo", D=Array([Name.Fit]))),
        root(X=action("URI", URI=String("https://example.org/"))),
        root(X=action("Named", N=Name.NextPage)),
    ],
)
def test_jumps_and_links_are_let_through(change: made.Change) -> None:
    assert extract(built(GOOD, change)).xml == XML


def test_an_attachment_that_unpacks_to_too_much_is_refused() -> None:
    def heavy(pdf: Pdf) -> None:
        pdf.Root.AF = Array([Dictionary(F=String("factur-x.xml"), EF=Dictionary(F=made.bomb(pdf, 200_000_000)))])

    assert refused(built(heavy, **AS_PACKED))[0] in ("PDF-SIZE", "PDF-SYNTAX")


def test_too_many_attachments_are_refused() -> None:
    files = [(f"{number}.xml", XML) for number in range(FILES_LIMIT + 1)]
    assert refused(built(made.in_tree(*files)))[0] == "PDF-SIZE"


LIMITED = """
import pathlib, re, resource, sys, time
from schemas.formats.facturx.extract import extract
from schemas.xml import Unreadable
data = sys.stdin.buffer.read()
resource.setrlimit(resource.RLIMIT_AS, (2_000_000_000, 2_000_000_000))
start = time.process_time()
try:
    extract(data)
except Unreadable as refused:
    peak = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]  # ours, not the parent's
    print(refused.findings[0].rule, time.process_time() - start, peak)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured as Linux does")
@pytest.mark.parametrize(
    "data",
    [
        made.crowded(1, 30_000_000),
        made.crowded(40, 3_000_000),
        built(GOOD, root(Metadata=lambda pdf: made.bomb(pdf, 400_000_000)), **AS_PACKED),
    ],
    ids=["one crowd", "many crowds", "XMP"],
)
def test_a_small_file_cannot_fill_the_memory(data: bytes) -> None:
    assert len(data) < 600_000
    done = subprocess.run([sys.executable, "-c", LIMITED], input=data, capture_output=True, timeout=120, check=True)
    rule, seconds, kilobytes = done.stdout.split()
    assert rule.decode().startswith("PDF-S")
    assert float(seconds) < 20
    assert int(kilobytes) < 900_000


def test_no_mutilated_pdf_breaks_the_reader() -> None:
    whole = pdfa.attach(made.page(), XML, WHAT, (Embedded("a.txt", "text/plain", b"x" * 99),))
    chance = random.Random(20261124)
    outcomes = set()
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randrange(1, 200)]
                case _:
                    data[at:at] = data[(start := chance.randrange(len(data))) : start + chance.randrange(300)]
        try:
            outcomes.add(extract(bytes(data)).name)
        except Unreadable as unreadable:
            outcomes.update(finding.rule for finding in unreadable.findings)
    assert {"factur-x.xml", "PDF-SYNTAX"} <= outcomes


def test_refusals_cross_processes() -> None:
    with pytest.raises(Unreadable) as caught:
        extract(b"%PDF-")
    assert pickle.loads(pickle.dumps(caught.value)).findings == caught.value.findings
    assert pickle.loads(pickle.dumps(NotPdfA(("a", "b")))).violations == ("a", "b")


def _corpus() -> list[dict[str, Any]]:
    manifest = CORPUS / "manifest.jsonl"
    rows = map(json.loads, manifest.read_text().splitlines()) if manifest.exists() else []
    return [row for row in rows if row.get("pdf") is not None]


def _independently(data: bytes, name: str) -> bytes:
    """The attachment as another library reads it."""
    (content,) = {bytes(one) for one in pypdf.PdfReader(io.BytesIO(data)).attachments[name]}
    return content


def _by_command(path: Path, name: str) -> bytes:
    return subprocess.run(["qpdf", f"--show-attachment={name}", str(path)], capture_output=True, check=True).stdout


@pytest.mark.corpus
@pytest.mark.parametrize(("folder", "count"), [("fnfe-facturx-1.08", 40), ("ferd-zugferd-2.4", 23)])
def test_the_official_examples_give_the_same_bytes_as_other_readers(folder: str, count: int) -> None:
    paths = sorted(path for path in (CORPUS / folder).rglob("*") if path.suffix.lower() == ".pdf")
    if not CORPUS.is_dir():
        pytest.skip("the public corpus (../shared/corpus) is not here")
    assert len(paths) == count
    for path in paths:
        data = path.read_bytes()
        found = extract(data)
        assert found.xml == _independently(data, found.name), path
        if shutil.which("qpdf"):
            assert found.xml == _by_command(path, found.name), path


def test_an_order_and_a_zugferd_1_are_read_under_any_name() -> None:
    for data, standard in (
        (ORDER, "order-x.xml"),
        (ZUGFERD_1, "ZUGFeRD-invoice.xml"),
        (ZUGFERD_1, "zugferd-invoice.xml"),
    ):
        assert extract(built(made.in_tree(("a.xml", b"<a/>"), (standard, data)))).name == standard
        assert extract(built(made.in_tree(("a.xml", b"<a/>"), ("z.xml", data)))).xml == data
    assert refused(built(made.in_tree(("a.xml", ORDER), ("b.xml", ZUGFERD_1))))[0] == "PDF-AMBIGUOUS"


def test_what_the_document_lists_and_when_a_file_was_made_is_told() -> None:
    def change(pdf: Pdf) -> None:
        made.in_tree(("factur-x.xml", XML), ("plan.txt", b"x"))(pdf)
        listed = pdf.Root.Names.EmbeddedFiles.Names[1]
        listed.EF.F.Params = Dictionary(CreationDate=String("D:20261124"), ModDate=String("D:20261125"))
        pdf.Root.AF = Array([listed])

    with door.opened(built(change)) as pdf:
        first, second = embedded_files(pdf)
    assert (first.associated, first.created, first.modified) == (True, "D:20261124", "D:20261125")
    assert (second.name, second.associated, second.created) == ("plan.txt", False, "")


@pytest.mark.corpus
def test_every_valid_hybrid_is_taken_as_the_manifest_describes_it() -> None:
    valid = [row for row in _corpus() if row["kind"] == "facturx-pdf" and row["label"] == "valid"]
    assert len(valid) >= 115
    fields = {
        "pdfaid_part": "part",
        "pdfaid_conformance": "conformance",
        "fx_ns": "namespace",
        "fx_type": "document_type",
        "fx_file": "file_name",
        "fx_version": "version",
        "fx_level": "level",
    }
    for row in valid:
        found = extract((CORPUS / row["path"]).read_bytes())
        told = row["pdf"]
        assert found.name == told["xml"], row["path"]
        for key, field in fields.items():
            assert getattr(found.claims, field) == (told["xmp"].get(key) or ""), (row["path"], key)
        files = [(found.name, len(found.xml), found.relationship)]
        files += [(other.name, len(other.data), other.relationship) for other in found.others]
        expected = [(one["name"], one["size"], one["af_relationship"].removeprefix("/")) for one in told["attachments"]]
        assert sorted(files) == sorted(expected), row["path"]


@pytest.mark.corpus
def test_every_other_pdf_is_taken_or_refused_with_a_reason() -> None:
    for row in _corpus():
        try:
            outcome = extract((CORPUS / row["path"]).read_bytes()).xml.lstrip(b"\xef\xbb\xbf \r\n\t")[:1].decode()
        except Unreadable as unreadable:
            outcome = unreadable.findings[0].rule
        assert outcome == "<" or outcome.startswith("PDF-"), row["path"]


def test_the_limits_of_qpdf_are_set() -> None:
    before = pikepdf.settings.set_qpdf_limits(parser_max_nesting=door.NESTING_LIMIT)
    assert before["parser_max_nesting"] == door.NESTING_LIMIT
