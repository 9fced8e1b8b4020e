"""A page like others is not checked in full again; whatever is new in one is."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String

from schemas.formats.facturx import page, pdfa
from schemas.formats.facturx.pdfa import Description, Embedded, NotPdfA
from schemas.formats.facturx.proof import SHAPES_LIMIT, Proof, Shape, shapes
from schemas.invoice import Invoice, Item, Price
from tests.schemas.hybrid_pdf import XML, Change, action, root
from tests.schemas.sample_invoice import invoice as sample

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
WHAT = Description("urn:cen.eu:en16931:2017", "Facture", "Atelier", AT)


def shapes_of(data: bytes) -> frozenset[Shape]:
    with pikepdf.open(io.BytesIO(data)) as pdf:
        return shapes(pdf, data[:9])


def typeset(invoice: Invoice) -> bytes:
    return page.typeset(invoice, language="fr", created=AT)


def other() -> Invoice:
    """The sample with other texts and numbers and more lines, all of the same kind."""
    line = replace(sample().lines[0], price=Price(net=Decimal("12345.678901")), item=Item(name="Tout autre chose (2)"))
    seller = replace(sample().seller, name="Établissements Garnier & Fils")
    return replace(sample(), number="F-2027-123456", seller=seller, lines=(line,) * 4)


def changed(*changes: Change) -> bytes:
    with pikepdf.open(io.BytesIO(typeset(sample()))) as pdf:
        for change in changes:
            change(pdf)
        out = io.BytesIO()
        pdf.save(out)
        return out.getvalue()


def test_pages_of_the_same_kind_have_the_same_shapes() -> None:
    proof = Proof()
    first = shapes_of(pdfa.attach(typeset(sample()), XML, WHAT))
    assert not proof.covers(first)
    proof.add(first)
    later = shapes_of(pdfa.attach(typeset(other()), XML + b"<!-- other -->", WHAT))
    assert len(later - first) < len(first) / 10
    proof.add(later)
    number = replace(other(), number="F-2028-99", issue_date=datetime(2031, 1, 31, tzinfo=UTC).date())
    assert proof.covers(shapes_of(pdfa.attach(typeset(number), XML, WHAT)))


def appended(content: bytes) -> Change:
    def change(pdf: Pdf) -> None:
        pdf.pages[0].contents_add(content)

    return change


def page_key(**keys: object) -> Change:
    def change(pdf: Pdf) -> None:
        for key, value in keys.items():
            pdf.pages[0].obj[f"/{key}"] = value

    return change


def unembed(pdf: Pdf) -> None:
    for item in pdf.objects:
        if isinstance(item, Dictionary) and "/FontFile2" in item:
            del item["/FontFile2"]


def without_table(pdf: Pdf) -> None:
    """The fonts lose the widths of their glyphs."""
    for item in pdf.objects:
        if isinstance(item, Dictionary) and "/FontFile2" in item:
            item.FontFile2.write(item.FontFile2.read_bytes().replace(b"hmtx", b"hmtz", 1))


def other_profile(pdf: Pdf) -> None:
    profile = pdf.Root.OutputIntents[0].DestOutputProfile
    data = bytearray(profile.read_bytes())
    data[8] = 9
    profile.write(bytes(data))


def long_number(pdf: Pdf) -> None:
    pdf.Root.PieceInfo = Dictionary(X=Dictionary(LastModified=String("D:2026"), Private=99_999_999_999))


BREAKING = {
    "font not embedded": unembed,
    "font without widths": without_table,
    "colour of a press": appended(b"\nq 0 1 0 0 k 0 0 9 9 re f Q\n"),
    "operator that is none": appended(b"\n1 2 frob\n"),
    "profile of another version": other_profile,
    "states nested too deep": appended(b"\n" + b"q 1 0 0 1 0 0 cm\n" * 40 + b"Q\n" * 40),
    "action": root(OpenAction=action("Named", N=Name.Print)),
    "page action": page_key(AA=Dictionary(O=action("Named", N=Name.Print))),
    "annotation": page_key(Annots=Array([Dictionary(Type=Name.Annot, Subtype=Name.Sound, Rect=Array([0, 0, 1, 1]))])),
    "long string": root(Legal=Dictionary(Attestation=String("x" * 40_000))),
    "long number": long_number,
    "optional content": root(OCProperties=Dictionary(D=Dictionary(AS=Array([Dictionary(Event=Name.View)])))),
    "external stream": lambda pdf: pdf.Root.__setitem__(
        "/Extra", pdf.make_indirect(Stream(pdf, b"", F=String("elsewhere")))
    ),
}


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_the_rules_is_found_however_many_pages_passed(name: str) -> None:
    pdfa.attach(typeset(sample()), XML, WHAT)
    with pytest.raises(NotPdfA):
        pdfa.attach(changed(BREAKING[name]), XML, WHAT)
    pdfa.attach(typeset(sample()), XML, WHAT)


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_the_rules_has_shapes_of_its_own(name: str) -> None:
    known = shapes_of(changed()) | shapes_of(changed(appended(b"\nq 1 0 0 1 0 0 cm\n 0 0 9 9 re f\n Q\n")))
    assert shapes_of(changed(BREAKING[name])) - known


def test_attachments_are_seen() -> None:
    known = shapes_of(pdfa.attach(typeset(sample()), XML, WHAT))
    text = Embedded("note.txt", "text/plain", b"note")
    assert shapes_of(pdfa.attach(typeset(sample()), XML, WHAT, (text,))) - known
    other_text = replace(text, name="autre.txt", data=b"another")
    assert shapes_of(pdfa.attach(typeset(sample()), XML, WHAT, (other_text,))) <= shapes_of(
        pdfa.attach(typeset(sample()), XML, WHAT, (text,))
    )


def test_a_hybrid_that_is_too_large_is_read_in_full() -> None:
    pdfa.attach(typeset(sample()), XML, WHAT, (Embedded("a.bin", "application/x", b"a"),))
    large = Embedded("a.bin", "application/x", random.Random(1).randbytes(11_000_000))
    assert len(pdfa.attach(typeset(sample()), XML, WHAT, (large,))) > pdfa.PLAIN_LIMIT


def test_what_is_remembered_is_bounded() -> None:
    proof = Proof()
    for start in range(0, 5 * SHAPES_LIMIT, SHAPES_LIMIT // 2):
        found = frozenset(b"%d" % number for number in range(start, start + SHAPES_LIMIT // 2))
        proof.add(found)
        assert proof.covers(found)
    assert not proof.covers(frozenset((b"0",)))
