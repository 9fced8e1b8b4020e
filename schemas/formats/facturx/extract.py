"""Reading a hybrid PDF: which of the files inside is the invoice, and why.

Containers of others are read however odd they are, and what was taken is told; where two files could be the invoice and
say different things none is taken. Received files are never repaired or rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pikepdf import Dictionary, Name, Pdf, Stream

from schemas.formats.facturx import door, xmp
from schemas.xml import Unreadable, name_of, parse

SIZE_LIMIT = door.SIZE_LIMIT
"""Bytes of one PDF."""
FILES_LIMIT = 100
"""Attachments of one PDF."""
FILES_SIZE_LIMIT = 50_000_000
"""Bytes of all attachments together."""

NAMES = ("factur-x.xml", "xrechnung.xml", "zugferd-invoice.xml", "order-x.xml")
"""Names the standards give the embedded XML, the current one first."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file inside a PDF."""

    name: str
    media_type: str
    data: bytes
    relationship: str = "Unspecified"
    """AFRelationship without its slash."""
    description: str = ""
    associated: bool = False
    """Whether /AF of the document lists it, as PDF/A-3 asks; told of what was read."""
    created: str = ""
    """As its parameters tell it, D:20261124…; told of what was read."""
    modified: str = ""


@dataclass(frozen=True, slots=True)
class Extracted:
    """The invoice of a hybrid PDF, and what the PDF says of it."""

    name: str
    xml: bytes
    relationship: str
    """AFRelationship as found, without its slash; empty when there is none."""
    taken: str
    """Which attachment was taken and why."""
    others: tuple[Embedded, ...]
    """The other attachments."""
    claims: xmp.Claims
    """What the XMP says: PDF/A part and conformance, Factur-X level and version."""
    revisions: int
    """How often the file was written; more than 1: it was changed after it was made."""


def extract(data: bytes) -> Extracted:
    """The invoice or order inside a PDF: the XML of Factur-X, ZUGFeRD 1 and 2, XRechnung or Order-X.

    Whether it is taken for an invoice is another question (`schemas.catalogue`).

    Raises Unreadable: PDF-NO-INVOICE, PDF-AMBIGUOUS, and what the door refuses (PDF-SIZE, PDF-SYNTAX, PDF-TRAILING,
    PDF-ENCRYPTED, PDF-ACTIVE).
    """
    with door.opened(data) as pdf:
        files = tuple(embedded_files(pdf))
        claims = xmp.read(xmp_packet(pdf))
    taken, why = choose(files, claims)
    return Extracted(
        taken.name,
        taken.data,
        taken.relationship,
        why,
        tuple(file for file in files if file is not taken),
        claims,
        door.revisions(data),
    )


def choose(files: Sequence[Embedded], claims: xmp.Claims) -> tuple[Embedded, str]:
    """Which of the files is the invoice or order, and why. Raises Unreadable: PDF-NO-INVOICE, PDF-AMBIGUOUS."""
    ranked = sorted((file for file in files if _may_be_invoice(file)), key=lambda file: _rank(file, claims))
    if not ranked:
        found = ", ".join(map(_described_file, files)) or "no attachment at all"
        raise door.refusal(
            "PDF-NO-INVOICE",
            "The PDF carries no invoice as XML.",
            found=found,
            expected="an attachment named factur-x.xml",
            fix="Send a Factur-X, or send the PDF and its data as two parts of one request.",
        )
    taken = ranked[0]
    rivals = [file for file in ranked[1:] if file.data != taken.data and _rivals(taken, file, claims)]
    if rivals:
        raise door.refusal(
            "PDF-AMBIGUOUS",
            "The PDF carries several files that readers could take for the invoice, and they differ.",
            found=", ".join(map(_described_file, (taken, *rivals))),
            expected="one invoice",
            fix="Make the PDF again with one invoice in it.",
        )
    return taken, _why(taken, ranked, claims)


def _described_file(file: Embedded) -> str:
    return f"{file.name} ({file.media_type or 'no media type'}, {len(file.data)} bytes)"


def embedded_files(pdf: Pdf) -> Iterator[Embedded]:
    """Every embedded file once: the name tree first, then /AF, then annotations. Raises Unreadable."""
    seen: set[tuple[int, int]] = set()
    total = 0
    associated = _associated(pdf)
    for key, found in _specifications(pdf):
        specification = door.dictionary(found)
        if specification is None:
            continue
        for stream in _streams(specification):
            if stream.objgen in seen:
                continue
            seen.add(stream.objgen)
            data = door.unpacked(stream)
            total += len(data)
            if len(seen) > FILES_LIMIT or total > FILES_SIZE_LIMIT:
                says = f"A PDF carries at most {FILES_LIMIT} files of {FILES_SIZE_LIMIT} bytes together."
                raise door.refusal("PDF-SIZE", says)
            parameters = door.dictionary(stream.get("/Params"))
            created, modified = (
                door.text(parameters.get(key)) if parameters is not None else ""
                for key in ("/CreationDate", "/ModDate")
            )
            yield Embedded(
                door.text(specification.get("/UF")) or door.text(specification.get("/F")) or key,
                door.text(stream.get("/Subtype")),
                data,
                door.text(specification.get("/AFRelationship")),
                door.text(specification.get("/Desc")),
                stream.objgen in associated,
                created,
                modified,
            )


def _associated(pdf: Pdf) -> frozenset[tuple[int, int]]:
    """The files that /AF of the document lists."""
    listed = map(door.dictionary, door.items(pdf.Root.get("/AF")))
    return frozenset(stream.objgen for one in listed if one is not None for stream in _streams(one))


def _streams(specification: Dictionary) -> Iterator[Stream]:
    """The file of a specification; two where its entries disagree, which `extract` then sees."""
    entries = door.dictionary(specification.get("/EF"))
    for key in ("/UF", "/F"):
        stream = entries.get(key) if entries is not None else None
        if isinstance(stream, Stream):
            yield stream


def _specifications(pdf: Pdf) -> Iterator[tuple[str, Any]]:
    """What may be a file specification, with its key in the name tree where it has one."""
    names = door.dictionary(pdf.Root.get("/Names"))
    if names is not None:
        yield from door.leaves(names.get("/EmbeddedFiles"))
    yield from (("", one) for one in door.items(pdf.Root.get("/AF")))
    for page in pdf.pages:
        yield from (("", one) for one in door.items(page.obj.get("/AF")))
        for each in door.items(page.obj.get("/Annots")):
            annotation = door.dictionary(each)
            if annotation is not None and annotation.get("/Subtype") == Name.FileAttachment:
                yield "", annotation.get("/FS")


def _may_be_invoice(file: Embedded) -> bool:
    return file.name.lower().endswith(".xml") or "xml" in file.media_type.lower()


def _rank(file: Embedded, claims: xmp.Claims) -> tuple[int, bool, bool, str]:
    """Standard names first, then the name that the XMP gives, then what is an invoice by its root, then by name."""
    lower = file.name.lower()
    if lower in NAMES:
        return NAMES.index(lower), False, False, file.name
    return len(NAMES), lower != claims.file_name.lower(), not is_invoice(file), file.name


def _rivals(taken: Embedded, other: Embedded, claims: xmp.Claims) -> bool:
    """Whether a reader could take the other file: by its name, by the XMP, or because no name decides.

    A standard name makes no rival of what is by its root of another standard: an order beside its invoice, or the
    ZUGFeRD 1 that some put beside their Factur-X for readers of old.
    """
    name, claimed, rival = taken.name.lower(), claims.file_name.lower(), other.name.lower()
    if rival in (name, claimed):
        return True
    if name in NAMES:
        return rival in NAMES and _root(other) not in _ROOTS - {_root(taken)}
    return name != claimed and is_invoice(other)


_ROOTS = frozenset(("CrossIndustryInvoice", "CrossIndustryDocument", "SCRDMCCBDACIOMessageStructure"))
"""Of Factur-X and ZUGFeRD 2, of ZUGFeRD 1, of Order-X."""


def is_invoice(file: Embedded) -> bool:
    """Whether a file is an invoice or order by its root element, whatever its name."""
    return _root(file) in _ROOTS


def _root(file: Embedded) -> str:
    """The local name of the root element; empty where the file is no XML that is read."""
    try:
        return name_of(parse(file.data).getroot())[1]
    except Unreadable:
        return ""


def _why(taken: Embedded, ranked: Sequence[Embedded], claims: xmp.Claims) -> str:
    others = [file.name for file in ranked[1:]]
    beside = f"; passed over: {', '.join(others)}" if others else ""
    if taken.name in NAMES:
        why = "by its standard name"
    elif taken.name.lower() in NAMES:
        why = "by its standard name, in another case"
    elif claims.file_name and taken.name.lower() == claims.file_name.lower():
        why = "named by the XMP"
    else:
        why = "the XML among the attachments" if not others else "the invoice among the XML attachments"
    return f"{taken.name}, {why}{beside}"


def xmp_packet(pdf: Pdf) -> bytes:
    """The XMP packet of the document; nothing where there is none."""
    metadata = pdf.Root.get("/Metadata")
    return metadata.read_bytes() if isinstance(metadata, Stream) else b""
