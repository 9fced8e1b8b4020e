"""PDFs built piece by piece for the tests of the Factur-X container: odd ones, hostile ones, pages to attach to."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import typst
from pikepdf import Array, Dictionary, Name, ObjectStreamMode, Pdf, Stream, StreamDecodeLevel, String

from schemas.formats import facturx

CII = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
XML = f'<rsm:CrossIndustryInvoice xmlns:rsm="{CII}"/>'.encode()
OTHER_XML = XML + b"<!-- another -->"

_PACKET = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{}</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""

Change = Callable[[Pdf], object]


def built(*changes: Change, **options: Any) -> bytes:
    """A PDF of one blank page after some changes; `options` go to pikepdf's save."""
    with Pdf.new() as pdf:
        pdf.add_blank_page()
        for change in changes:
            change(pdf)
        out = io.BytesIO()
        pdf.save(out, **{"fix_metadata_version": False, **options})
        return out.getvalue()


_TYPES = {"xml": "text/xml", "txt": "text/plain", "png": "image/png"}


def specification(pdf: Pdf, name: str = "factur-x.xml", data: bytes = XML) -> Any:
    """A file specification with its embedded file, its media type by its ending."""
    media_type = _TYPES.get(name.lower().rpartition(".")[2], "application/octet-stream")
    stream = pdf.make_indirect(Stream(pdf, data, Type=Name.EmbeddedFile, Subtype=Name("/" + media_type)))
    made = Dictionary(Type=Name.Filespec, F=String(name), UF=String(name), EF=Dictionary(F=stream, UF=stream))
    made.AFRelationship = Name.Data
    return pdf.make_indirect(made)


def in_tree(*files: tuple[str, bytes]) -> Change:
    """Files in the name tree, all in one leaf."""

    def change(pdf: Pdf) -> None:
        pairs = [part for name, data in files for part in (String(name), specification(pdf, name, data))]
        pdf.Root.Names = Dictionary(EmbeddedFiles=Dictionary(Names=Array(pairs)))

    return change


def in_branches(*files: tuple[str, bytes]) -> Change:
    """Files in the name tree, each in a leaf of its own two branches down."""

    def change(pdf: Pdf) -> None:
        kids = Array()
        for name, data in files:
            leaf = Dictionary(Names=Array([String(name), specification(pdf, name, data)]))
            kids.append(pdf.make_indirect(Dictionary(Kids=Array([pdf.make_indirect(leaf)]))))
        pdf.Root.Names = Dictionary(EmbeddedFiles=pdf.make_indirect(Dictionary(Kids=kids)))

    return change


def associated(*files: tuple[str, bytes]) -> Change:
    """Files in /AF of the catalog only."""

    def change(pdf: Pdf) -> None:
        pdf.Root.AF = Array([specification(pdf, name, data) for name, data in files])

    return change


def annotated(name: str, data: bytes = XML) -> Change:
    """A file in an annotation of the page only."""

    def change(pdf: Pdf) -> None:
        note = Dictionary(Type=Name.Annot, Subtype=Name.FileAttachment, Rect=Array([0, 0, 9, 9]))
        note.FS = specification(pdf, name, data)
        pdf.pages[0].obj.Annots = Array([pdf.make_indirect(note)])

    return change


def root(**entries: Any) -> Change:
    """Entries of the catalog; a callable gets the PDF."""

    def change(pdf: Pdf) -> None:
        for key, value in entries.items():
            pdf.Root["/" + key] = value(pdf) if callable(value) else value

    return change


def action(kind: str, **entries: Any) -> Dictionary:
    """An action dictionary."""
    return Dictionary(S=Name("/" + kind), **entries)


def described(*descriptions: str) -> Change:
    """An XMP packet of the given rdf:Description elements."""
    return packet(_PACKET.format("".join(descriptions)).encode())


def packet(data: bytes) -> Change:
    """An XMP packet as it is."""
    return root(Metadata=lambda pdf: Stream(pdf, data, Type=Name.Metadata, Subtype=Name.XML))


def bomb(pdf: Pdf, size: int) -> Any:
    """A stream of a few bytes that unpacks to `size` zeros."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)) + packer.flush()
    return pdf.make_indirect(Stream(pdf, packed, Filter=Name.FlateDecode, Type=Name.EmbeddedFile))


AS_PACKED = {"compress_streams": False, "stream_decode_level": StreamDecodeLevel.none}
"""Options to save with when streams must stay as they are."""
IN_STREAMS = {"object_stream_mode": ObjectStreamMode.generate}


def crowded(streams: int, size: int) -> bytes:
    """A small PDF whose object streams unpack to `size` bytes each of nothing but tiny arrays."""
    body = b"[" + (b"[" + b"[]" * 100 + b"]") * (size // 202) + b"]"
    parts = [b"%PDF-1.7\n"]
    places: dict[int, tuple[int, int, int]] = {}

    def add(number: int, text: bytes) -> None:
        places[number] = (1, sum(map(len, parts)), 0)
        parts.append(b"%d 0 obj\n%s\nendobj\n" % (number, text))

    add(1, b"<</Type/Catalog/Pages 2 0 R>>")
    add(2, b"<</Type/Pages/Kids[3 0 R]/Count 1>>")
    add(3, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>")
    for index in range(streams):
        inner, outer = 1000 + index, 10 + index
        start = b"%d 0 " % inner
        packed = zlib.compress(start + body, 9)
        head = b"<</Type/ObjStm/N 1/First %d/Filter/FlateDecode/Length %d>>" % (len(start), len(packed))
        add(outer, head + b"stream\n" + packed + b"\nendstream")
        places[inner] = (2, outer, 0)
    begin = sum(map(len, parts))
    places[4] = (1, begin, 0)
    count = max(places) + 1
    rows = [places.get(number, (0, 0, 0)) for number in range(count)]
    table = b"".join(bytes([kind]) + at.to_bytes(4, "big") + last.to_bytes(2, "big") for kind, at, last in rows)
    head = b"<</Type/XRef/Size %d/W[1 4 2]/Root 1 0 R/Length %d>>" % (count, len(table))
    parts.append(b"4 0 obj\n%sstream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (head, table, begin))
    return b"".join(parts)


@cache
def page(standard: str = "a-3b", *more: str) -> bytes:
    """A page by Typst without text, and so without fonts."""
    source = '#set document(title: "Page")\n#set text(lang: "fr")\n#rect(fill: blue, width: 3cm, height: 2cm)'
    made = typst.compile(source.encode(), format="pdf", pdf_standards=[standard, *more], timestamp=0)
    assert isinstance(made, bytes)
    return made


@cache
def written() -> bytes:
    """A page by Typst with text in a font of ours, and an outline."""
    folder = Path(facturx.__file__).parent / "fonts"
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder)])
    source = f'#set document(title: "Page")\n#set text(lang: "fr", font: "{sorted(fonts.families())[0]}")\n= Facture'
    standards = {"pdf_standards": ["a-3b"], "timestamp": 0}
    made = typst.compile(source.encode(), format="pdf", font_paths=fonts, ignore_system_fonts=True, **standards)
    assert isinstance(made, bytes)
    return made


def drawn(content: bytes, **resources: Any) -> Change:
    """Content on the page."""

    def change(pdf: Pdf) -> None:
        pdf.pages[0].obj.Contents = Stream(pdf, content)
        pdf.pages[0].obj.Resources = Dictionary(**{k: v(pdf) if callable(v) else v for k, v in resources.items()})

    return change


def unembedded(pdf: Pdf) -> Dictionary:
    """Fonts of the page: Helvetica, which is not embedded."""
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding)
    return Dictionary(F1=pdf.make_indirect(font))
