"""A caller's PDF becomes the page of a Factur-X as it looks, or what prevents it is named and it goes with ours."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String

from schemas.finding import Severity
from schemas.formats import facturx
from schemas.formats.facturx import pdfa, wrapping
from schemas.formats.facturx.extract import Embedded, extract
from schemas.formats.facturx.pdfa import Description
from schemas.xml import Unreadable
from tests.schemas import hybrid_pdf as made
from tests.schemas.hybrid_pdf import OTHER_XML, XML, Change, action, built, drawn, root
from tests.schemas.sample_invoice import invoice as sample

AT = datetime(2026, 11, 24, 9, 30, 15, tzinfo=UTC)
WHAT = Description("urn:cen.eu:en16931:2017", "Facture F-2026-0001", "Atelier des Tilleuls SARL", AT, "fr")
DRAWING = b"1 0 0 rg 10 10 50 50 re f"
TEXT = b"BT /F1 12 Tf 9 9 Td (Facture) Tj ET"


def wrapped(supplied: bytes, *attachments: Embedded) -> bytes:
    return wrapping.wrap(supplied, XML, WHAT, attachments).pdf


def test_a_plain_pdf_is_made_one_without_changing_how_it_looks() -> None:
    supplied = built(drawn(DRAWING), root(Lang=String("de")))
    data = wrapped(supplied)
    found = extract(data)
    assert (found.xml, found.claims.part, found.claims.conformance) == (XML, "3", "B")
    assert pdfa.check(data) == ()
    assert wrapped(supplied) == data
    assert wrapping.preventions(supplied) == ()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert pdf.pages[0].Contents.read_bytes() == DRAWING
        assert str(pdf.docinfo.Title) == WHAT.title


def test_what_it_carries_goes_along() -> None:
    supplied = built(drawn(DRAWING), made.in_tree(("plan.txt", b"plan"), ("data.xml", b"<data/>")))
    result = wrapping.wrap(supplied, XML, WHAT, (Embedded("plan.txt", "text/plain", b"other"),))
    found = extract(result.pdf)
    assert (found.xml, result.replaced) == (XML, ())
    assert {other.data for other in found.others} == {b"plan", b"<data/>", b"other"}
    assert len({other.name for other in found.others}) == 3


@pytest.mark.parametrize("name", ["factur-x.xml", "ZUGFeRD-invoice.xml", "rechnung.xml"])
def test_an_invoice_that_it_carries_is_replaced_and_named(name: str) -> None:
    supplied = built(drawn(DRAWING), made.in_tree((name, OTHER_XML), ("plan.txt", b"plan")))
    result = wrapping.wrap(supplied, XML, WHAT)
    found = extract(result.pdf)
    assert result.replaced == (name,)
    assert (found.name, found.xml) == ("factur-x.xml", XML)
    assert [other.name for other in found.others] == ["plan.txt"]


# Nobody sees it ------------------------------------------------------------------------------------------------------


def leftovers(pdf: Pdf) -> None:
    pdf.Root.PageMode = Name.UseAttachments
    pdf.Root.OpenAction = Array([pdf.pages[0].obj, Name.Fit])
    pdf.trailer.DocChecksum = Name.abc


def of_browsers(pdf: Pdf) -> None:
    pdf.Root.MarkInfo = Dictionary(Type=Name.MarkInfo, Marked=True)
    pdf.Root.ViewerPreferences = Dictionary(Type=Name.ViewerPreferences, DisplayDocTitle=True)
    pdf.pages[0].obj.Tabs = String("S")


def of_libraries(pdf: Pdf) -> None:
    pdf.Root.Info = Dictionary(Producer=String("x"))
    pdf.pages[0].obj.Trans = Dictionary()
    pdf.pages[0].obj.Thumb = Stream(pdf, b"")
    pdf.pages[0].obj.Resources.Pattern = Dictionary()
    pdf.pages[0].obj.Resources.Shading = Dictionary()


def empty_form(pdf: Pdf) -> None:
    pdf.Root.AcroForm = Dictionary(Fields=Array())


@pytest.mark.parametrize("change", [leftovers, of_browsers, of_libraries, empty_form])
def test_leftovers_that_nobody_sees_are_no_obstacle(change: Change) -> None:
    data = wrapped(built(drawn(DRAWING), change))
    assert extract(data).xml == XML
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert pdf.pages[0].Contents.read_bytes() == DRAWING


def test_leftovers_in_fonts_and_outlines_are_no_obstacle() -> None:
    with pikepdf.open(io.BytesIO(made.written())) as pdf:
        drawing = pdf.pages[0].Contents.read_bytes()
        fonts = [item for item in pdf.objects if isinstance(item, Dictionary) and item.get("/Type") == Name.Font]
        (composed,) = (font for font in fonts if font.Subtype == Name.Type0)
        composed.CIDToGIDMap = Name.Identity
        descendant = composed.DescendantFonts[0]
        composed.DescendantFonts = Array([Dictionary(dict(descendant.items()))])
        for key in ("/Registry", "/Ordering"):
            descendant.CIDSystemInfo[key] = pdf.make_indirect(String(str(descendant.CIDSystemInfo[key])))
        descendant.FontDescriptor.CIDSet = Stream(pdf, b"\xff")
        descendant.FontDescriptor.FontFile2.Metadata = Stream(pdf, b"<x/>")
        descendant.FontDescriptor.FontFile2.Type = Name.FontFile
        assert any("/Title" in item and "/Dest" in item for item in pdf.objects if isinstance(item, Dictionary))
        pdf.Root.OpenAction = action("GoTo", D=Array([pdf.pages[0].obj, Name.Fit]))
        out = io.BytesIO()
        pdf.save(out)
    assert pdfa.check(out.getvalue())
    with pikepdf.open(io.BytesIO(wrapped(out.getvalue()))) as pdf:
        assert pdf.pages[0].Contents.read_bytes() == drawing
        assert "/Outlines" in pdf.Root


def intent(*, subtype: str, channels: int = 3) -> Change:
    """An output intent with a profile: sRGB with another name in it, so that it is told from ours."""

    def change(pdf: Pdf) -> None:
        with pikepdf.open(io.BytesIO(wrapped(built(drawn(DRAWING))))) as other:
            data = other.Root.OutputIntents[0].DestOutputProfile.read_bytes().replace(b"sRGB", b"sRGX")
        profile = pdf.make_indirect(Stream(pdf, data, N=channels))
        named = Dictionary(
            Type=Name.OutputIntent,
            S=Name("/" + subtype),
            OutputConditionIdentifier=String("x"),
            DestOutputProfile=profile,
        )
        pdf.Root.OutputIntents = Array([named])

    return change


@pytest.mark.parametrize("subtype", ["GTS_PDFA1", "GTS_PDFX"])
def test_the_profile_that_it_names_itself_stays(subtype: str) -> None:
    with pikepdf.open(io.BytesIO(wrapped(built(drawn(DRAWING), intent(subtype=subtype))))) as pdf:
        intents = [one for one in pdf.Root.OutputIntents if one.S == Name.GTS_PDFA1]
        assert len(intents) == 1
        assert b"sRGX" in intents[0].DestOutputProfile.read_bytes()


@pytest.mark.parametrize("version", ["1.3", "1.7", "2.0"])
def test_any_version_of_pdf_is_taken(version: str) -> None:
    def also_in_the_catalog(pdf: Pdf) -> None:
        pdf.Root.Version = Name("/" + version)

    data = wrapped(built(drawn(DRAWING), also_in_the_catalog, force_version=version))
    assert data.startswith(b"%PDF-1.")
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert str(pdf.Root.get("/Version", "")) <= "/1.7"


# Forms ---------------------------------------------------------------------------------------------------------------


def form(*, appearance: bool, kind: str = "Tx", flags: int = 4, **entries: object) -> Change:
    """A page with one field."""

    def change(pdf: Pdf) -> None:
        field = Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name("/" + kind), T=String("total"), F=flags,
                           Rect=Array([10, 10, 60, 60]), **entries)  # fmt: skip
        if appearance:
            look = Stream(pdf, b"0 0 1 rg 0 0 50 50 re f", Type=Name.XObject, Subtype=Name.Form,
                          BBox=Array([0, 0, 50, 50]))  # fmt: skip
            field.AP = Dictionary(N=pdf.make_indirect(look))
        filed = pdf.make_indirect(field)
        pdf.pages[0].obj.Annots = Array([filed])
        pdf.Root.AcroForm = Dictionary(Fields=Array([filed]))

    return change


def test_fields_are_drawn_on_the_page_as_they_look() -> None:
    with pikepdf.open(io.BytesIO(wrapped(built(drawn(DRAWING), form(appearance=True))))) as pdf:
        assert "/AcroForm" not in pdf.Root
        assert not pdf.pages[0].obj.get("/Annots")
        assert any(
            isinstance(item, Stream) and item.get("/Subtype") == Name.Form and item.read_bytes().startswith(b"0 0 1 rg")
            for item in pdf.objects
        )


# What prevents it ----------------------------------------------------------------------------------------------------

CASES: dict[str, tuple[Change, str]] = {
    "font": (drawn(TEXT, Font=made.unembedded), "The font Helvetica is not embedded (page 1)."),
    "colour": (drawn(b"0 1 0 0 k 0 0 9 9 re f"), "The colour space DeviceCMYK has no profile (page 1)."),
    "field without look": (form(appearance=False), "A form field on page 1 has no appearance of its own."),
    "shown in print only": (form(appearance=True, flags=4 | 32), "Something on page 1 is printed but not shown."),
    "signature": (
        form(appearance=True, kind="Sig", V=Dictionary(Type=Name.Sig)),
        "The PDF is signed, and any change breaks the signature.",
    ),
    "shading": (
        drawn(b"/S sh", Shading=lambda pdf: Dictionary(S=Dictionary(ShadingType=2, ColorSpace=Name.DeviceRGB))),
        "shadings are not supported (page 1).",
    ),
    "blend mode": (
        drawn(b"/G gs 0 0 9 9 re f", ExtGState=lambda pdf: Dictionary(G=Dictionary(BM=Name("/Odd")))),
        "Transparency",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_prevents_it_is_named(name: str) -> None:
    change, says = CASES[name]
    supplied = built(drawn(DRAWING), change)
    with pytest.raises(Unreadable) as caught:
        wrapping.wrap(supplied, XML, WHAT)
    assert wrapping.prevented(caught.value)
    findings = caught.value.findings
    assert any(says in finding.says for finding in findings), findings
    assert all(one.severity is Severity.FATAL and one.fix and one.rule.startswith("PDFA-") for one in findings)
    assert wrapping.preventions(supplied) == findings


def test_the_same_reason_on_several_pages_is_told_once() -> None:
    def three_pages(pdf: Pdf) -> None:
        drawn(TEXT, Font=made.unembedded)(pdf)
        pdf.pages.append(pdf.pages[0])
        pdf.add_blank_page()
        pdf.pages[2].obj.Resources = pdf.pages[0].obj.Resources
        pdf.pages[2].obj.Contents = pdf.pages[0].obj.Contents

    (finding,) = wrapping.preventions(built(three_pages))
    assert (finding.says, finding.found, finding.path) == (
        "The font Helvetica is not embedded (pages 1, 2, 3).",
        "Helvetica",
        "pages 1, 2, 3",
    )


@pytest.mark.parametrize("change", [root(OpenAction=action("Launch")), root(AA=Dictionary())])
def test_what_could_act_is_passed_on_to_nobody(change: Change) -> None:
    with pytest.raises(Unreadable) as caught:
        wrapping.preventions(built(change))
    assert not wrapping.prevented(caught.value)


# Our page instead ----------------------------------------------------------------------------------------------------


def test_our_page_is_made_where_it_cannot_be_the_page_and_the_reason_is_told() -> None:
    supplied = built(drawn(TEXT, Font=made.unembedded))
    result = facturx.make(sample(), XML, created=AT, supplied=supplied)
    assert [finding.says for finding in result.preventions] == ["The font Helvetica is not embedded (page 1)."]
    found = extract(result.pdf)
    assert (found.xml, found.claims.conformance) == (XML, "A")
    (along,) = found.others
    assert (along.name, along.data) == (facturx.SUBMITTED, supplied)


def test_nothing_is_told_where_it_is_the_page() -> None:
    result = facturx.make(
        sample(), XML, created=AT, supplied=built(drawn(DRAWING), made.in_tree(("factur-x.xml", XML)))
    )
    assert (result.preventions, result.replaced) == ((), ("factur-x.xml",))
    assert extract(result.pdf).claims.conformance == "B"
    assert facturx.make(sample(), XML, created=AT) == facturx.Made(facturx.build(sample(), XML, created=AT))


# Pages of common programs --------------------------------------------------------------------------------------------

PAGES = Path(__file__).parents[1] / "samples" / "pdf"
TAKEN = sorted(PAGES.glob("wrapped-*.pdf"))
REASONS = {
    "cairo": ["shadings (sh) are not supported (page 1).", "shadings are not supported (page 1)."],
    "ghostscript": ["The colour space DeviceCMYK has no profile (page 1)."],
    "groff": ["The font Times-Bold is not embedded (page 1).", "The font Times-Roman is not embedded (page 1)."],
    "matplotlib": ["The font EYSYHB+DejaVuSans: Type 3 fonts are not supported (page 1)."],
}


def drawing_of(data: bytes) -> tuple[list[bytes], Counter[bytes]]:
    """The contents of each page, and all pictures, drawings and font programs by their bytes."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        contents = [b"".join(one.read_bytes() for one in _streams(page.obj.Contents)) for page in pdf.pages]
        kept = Counter(
            item.read_raw_bytes()
            for item in pdf.objects
            if isinstance(item, Stream) and (item.get("/Subtype") in (Name.Image, Name.Form) or "/Length1" in item)
        )
    return contents, kept


def _streams(contents: object) -> list[Stream]:
    return [contents] if isinstance(contents, Stream) else list(contents)  # type: ignore[call-overload]


@pytest.mark.parametrize("path", TAKEN, ids=lambda path: path.stem)
def test_pages_of_common_programs_are_taken_as_they_look(path: Path) -> None:
    supplied = path.read_bytes()
    data = wrapped(supplied)
    assert pdfa.check(data) == ()
    assert extract(data).xml == XML
    contents, kept = drawing_of(data)
    contents_before, kept_before = drawing_of(supplied)
    if path.stem != "wrapped-reportlab":  # its form is drawn on the page
        assert contents == contents_before
        assert kept <= kept_before
    assert wrapped(supplied) == data


@pytest.mark.parametrize("name", REASONS)
def test_pages_that_cannot_be_taken_say_why(name: str) -> None:
    found = wrapping.preventions((PAGES / f"refused-{name}.pdf").read_bytes())
    assert [finding.says for finding in found] == REASONS[name]


def test_what_no_page_uses_is_no_obstacle() -> None:
    def spare(pdf: Pdf) -> None:
        spares = Dictionary(
            Pattern=Dictionary(P=Dictionary(PatternType=2)),
            ColorSpace=Dictionary(
                C=Array([Name.Pattern, Name.DeviceRGB]), DefaultRGB=Array([Name.CalRGB, Dictionary()])
            ),
            Font=made.unembedded(pdf),
        )
        pdf.pages[0].obj.Resources = pdf.make_indirect(spares)
        pdf.pages.append(pdf.pages[0])

    found = wrapping.preventions(built(drawn(DRAWING), spare))
    assert found, "the implied colour space is used without being named"
    assert {finding.path for finding in found} == {"pages 1, 2"}
    assert not any("Pattern" in finding.says or finding.found == "Helvetica" for finding in found)
    assert wrapping.preventions(built(spare, drawn(TEXT, Font=made.unembedded)))


@pytest.mark.parametrize("name", ["/F1", "/F#31"])
def test_a_font_that_is_used_is_judged_however_its_name_is_written(name: str) -> None:
    text = TEXT.replace(b"/F1", name.encode())
    (finding,) = wrapping.preventions(built(drawn(text, Font=made.unembedded)))
    assert finding.found == "Helvetica"


def test_more_content_than_is_looked_through_prevents_it() -> None:
    def crowded(pdf: Pdf) -> None:
        drawn(b"0 0 9 9 re f\n" * 200_000)(pdf)
        for _ in range(30):
            pdf.pages.append(pdf.pages[0])

    (finding,) = wrapping.preventions(built(crowded))
    assert finding.rule == "PDFA-SIZE"


def test_flags_beyond_all_numbers_are_damage() -> None:
    with pytest.raises(Unreadable) as caught:
        wrapping.preventions(built(form(appearance=True, flags=10**12)))
    assert [finding.rule for finding in caught.value.findings] == ["PDF-SYNTAX"]


def test_links_stay_beside_fields() -> None:
    def link(pdf: Pdf) -> None:
        form(appearance=True)(pdf)
        to = Dictionary(S=Name.URI, URI=String("https://example.org/"))
        border = Array([0, 0, 0])
        made_link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=Array([1, 1, 9, 9]), Border=border, A=to)
        pdf.pages[0].obj.Annots.append(pdf.make_indirect(made_link))

    with pikepdf.open(io.BytesIO(wrapped(built(drawn(DRAWING), link)))) as pdf:
        (kept,) = pdf.pages[0].obj.Annots
        assert (kept.Subtype, kept.A.URI) == (Name.Link, "https://example.org/")
