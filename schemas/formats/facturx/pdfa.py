"""The Factur-X container: a PDF/A-3 that carries its invoice as XML.

`extract` reads containers of others, however odd, and says what it took; where two files could be the invoice and say
different things it takes none. `attach` makes ours, checks it by the rules of PDF/A-3 before it gives it away, and
gives the same bytes for the same input. Received files are never repaired or rewritten.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String, pdfa

from schemas.finding import Finding, Severity
from schemas.formats.facturx import door, xmp
from schemas.xml import Unreadable

SIZE_LIMIT = door.SIZE_LIMIT
"""Bytes of one PDF."""
FILES_LIMIT = 100
"""Attachments of one PDF."""
FILES_SIZE_LIMIT = 50_000_000
"""Bytes of all attachments together."""

PRODUCER = "Estafette"

NAMES = ("factur-x.xml", "xrechnung.xml", "zugferd-invoice.xml", "order-x.xml")
"""Names the standards give the embedded XML, the current one first."""

DATA_ONLY = ("MINIMUM", "BASIC WL")
"""Levels whose XML holds less than the page, and is attached as /Data; all others as /Alternative."""

_XMP_RULE = "6.6.2.3.1-1"
_LEVEL_RULE = "6.6.4-3"
_NAMESPACES = ("pdfaExtension:", "pdfaSchema:", "pdfaProperty:", "fx:", "pdfuaid:", xmp.FX, "/pdfa/ns/", "/pdfua/ns/")
_LEVELS = (("minimum", "MINIMUM"), ("basicwl", "BASIC WL"), ("basic", "BASIC"), ("extended", "EXTENDED"),
           ("extended-ctc-fr", "EXTENDED"))  # fmt: skip
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,80}/[A-Za-z0-9][A-Za-z0-9.+-]{0,80}")
_XRECHNUNG = re.compile(r"xrechnung_(\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class Embedded:
    """A file inside a PDF."""

    name: str
    media_type: str
    data: bytes
    relationship: str = "Unspecified"
    """AFRelationship without its slash."""
    description: str = ""


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


class NotPdfA(Exception):
    """What was made does not pass the rules of PDF/A-3; `violations` names them."""

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__("; ".join(violations))
        self.violations = tuple(violations)

    def __reduce__(self) -> tuple[type[NotPdfA], tuple[tuple[str, ...]]]:
        return NotPdfA, (self.violations,)


# Reading -------------------------------------------------------------------------------------------------------------


def extract(data: bytes) -> Extracted:
    """The invoice inside a PDF.

    Raises Unreadable: PDF-NO-INVOICE, PDF-AMBIGUOUS, and what the door refuses (PDF-SIZE, PDF-SYNTAX, PDF-TRAILING,
    PDF-ENCRYPTED, PDF-ACTIVE).
    """
    with door.opened(data) as pdf:
        files = tuple(_files(pdf))
        claims = xmp.read(_packet(pdf))
    ranked = sorted((file for file in files if _may_be_invoice(file)), key=lambda file: _rank(file, claims))
    if not ranked:
        found = ", ".join(_described_file(file) for file in files) or "no attachment at all"
        raise door.refusal(
            "PDF-NO-INVOICE",
            "The PDF carries no invoice as XML.",
            found=found,
            expected="an attachment named factur-x.xml",
            fix="Send a Factur-X, or send the PDF and its data as two parts of one request.",
        )
    taken = ranked[0]
    rivals = [file for file in ranked[1:] if file.name.lower() == taken.name.lower() and file.data != taken.data]
    if rivals:
        raise door.refusal(
            "PDF-AMBIGUOUS",
            "The PDF carries several invoices under one name, and they say different things.",
            found=", ".join(_described_file(file) for file in (taken, *rivals)),
            expected="one attachment of that name",
            fix="Make the PDF again with one invoice in it.",
        )
    return Extracted(
        taken.name,
        taken.data,
        taken.relationship,
        _why(taken, ranked, claims),
        tuple(file for file in files if file is not taken),
        claims,
        door.revisions(data),
    )


def _described_file(file: Embedded) -> str:
    return f"{file.name} ({file.media_type or 'no media type'}, {len(file.data)} bytes)"


def _files(pdf: Pdf) -> Iterator[Embedded]:
    """Every embedded file once: the name tree first, then /AF, then annotations. Raises Unreadable."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for found in _specifications(pdf):
        specification = door.dictionary(found)
        if specification is None:
            continue
        for stream in _streams(specification):
            if stream.objgen in seen:
                continue
            seen.add(stream.objgen)
            data = _unpacked(stream)
            total += len(data)
            if len(seen) > FILES_LIMIT or total > FILES_SIZE_LIMIT:
                says = f"A PDF carries at most {FILES_LIMIT} files of {FILES_SIZE_LIMIT} bytes together."
                raise door.refusal("PDF-SIZE", says)
            yield Embedded(
                door.text(specification.get("/UF")) or door.text(specification.get("/F")),
                door.text(stream.get("/Subtype")),
                data,
                door.text(specification.get("/AFRelationship")),
                door.text(specification.get("/Desc")),
            )


def _streams(specification: Dictionary) -> Iterator[Stream]:
    """The file of a specification; two where its entries disagree, which `extract` then sees."""
    entries = door.dictionary(specification.get("/EF"))
    for key in ("/UF", "/F"):
        stream = entries.get(key) if entries is not None else None
        if isinstance(stream, Stream):
            yield stream


def _unpacked(stream: Stream) -> bytes:
    try:
        return stream.read_bytes()
    except pikepdf.PdfError as broken:
        says = f"An attachment of the PDF is damaged, or unpacks to more than {door.UNPACKED_LIMIT} bytes."
        raise door.refusal("PDF-SYNTAX", says) from broken


def _specifications(pdf: Pdf) -> Iterator[Any]:
    found: list[Any] = []
    names = door.dictionary(pdf.Root.get("/Names"))
    if names is not None:
        door.leaves(names.get("/EmbeddedFiles"), found.append)
    yield from found
    yield from door.items(pdf.Root.get("/AF"))
    for page in pdf.pages:
        for each in door.items(page.obj.get("/Annots")):
            annotation = door.dictionary(each)
            if annotation is not None and annotation.get("/Subtype") == Name.FileAttachment:
                yield annotation.get("/FS")


def _may_be_invoice(file: Embedded) -> bool:
    return file.name.lower().endswith(".xml") or "xml" in file.media_type.lower()


def _rank(file: Embedded, claims: xmp.Claims) -> tuple[int, bool, bool, str]:
    """Standard names first, then the name that the XMP gives, then what is an invoice by its root, then by name."""
    lower = file.name.lower()
    standard = NAMES.index(lower) if lower in NAMES else len(NAMES)
    return standard, lower != claims.file_name.lower(), b"CrossIndustryInvoice" not in file.data[:4000], file.name


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
        why = "the XML among the attachments" if not others else "the first XML that is an invoice"
    return f"{taken.name}, {why}{beside}"


def _packet(pdf: Pdf) -> bytes:
    metadata = pdf.Root.get("/Metadata")
    return metadata.read_bytes() if isinstance(metadata, Stream) else b""


# Making --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Description:
    """What a container says of itself."""

    profile: str
    """BT-24; name, relationship and level of the XML follow from it."""
    title: str
    author: str
    created: datetime
    """The only instant that goes into the file, so that the same input gives the same bytes."""
    language: str = "fr"


def attach(page: bytes, xml: bytes, description: Description, attachments: Sequence[Embedded] = ()) -> bytes:
    """A Factur-X of a PDF/A page of ours and its invoice, checked and read back. Raises NotPdfA.

    The page's own claims of level A and PDF/UA are kept: its typesetter refuses to make what does not keep them.
    """
    return _contained(page, xml, description, attachments, xmp.Claims())


def wrap(supplied: bytes, xml: bytes, description: Description, attachments: Sequence[Embedded] = ()) -> bytes:
    """A Factur-X around a PDF that the caller supplies, when that can be PDF/A-3 without changing how it looks.

    Its own attachments are kept. Only level B is claimed, because only that was checked. Raises NotPdfA, and
    Unreadable: PDFA-… for each rule of PDF/A-3b that prevents it, PDF-HYBRID where it carries an invoice already, and
    what the door refuses.
    """
    with door.opened(supplied) as pdf:
        carried = tuple(_files(pdf))
        invoice = next((file.name for file in carried if file.name.lower() in NAMES), None)
        if invoice is not None:
            raise door.refusal("PDF-HYBRID", "The PDF carries an invoice already.", found=invoice)
        if pdf.Root.get("/PageMode") == Name.UseAttachments:  # allowed, but the checker does not know it
            del pdf.Root.PageMode
        pdfa.prepare(pdf, "3b")
        out = BytesIO()
        pdf.save(out, **pdfa.resolve_save_kwargs("3b", deterministic_id=True))
    violations = [f for f in pdfa.validate_written(BytesIO(out.getvalue()), "3b").findings if not _known(f)]
    if violations:
        raise Unreadable(_prevention(finding) for finding in violations[:50])
    return _contained(out.getvalue(), xml, description, (*attachments, *carried), xmp.Claims(part="3", conformance="B"))


def check(data: bytes) -> tuple[str, ...]:
    """What breaks the rules of PDF/A-3b, but for the XMP of Factur-X, which the checker does not know."""
    report = pdfa.validate_written(BytesIO(data), "3b")
    return tuple(_told(finding) for finding in report.findings if not _known(finding))


def file_name_of(profile: str) -> str:
    """The standard's name for the embedded XML."""
    return "xrechnung.xml" if "xrechnung" in profile.lower() else "factur-x.xml"


def level_of(profile: str) -> str:
    """ConformanceLevel of a BT-24."""
    lower = profile.lower()
    level = next((level for ending, level in _LEVELS if lower.endswith(ending)), "")
    return level or ("XRECHNUNG" if "xrechnung" in lower else "EN 16931")


def relationship_of(profile: str) -> str:
    """AFRelationship of the XML, without its slash."""
    return "Data" if level_of(profile) in DATA_ONLY else "Alternative"


def version_of(profile: str) -> str:
    """Version of the standard of the XML as the XMP tells it."""
    found = _XRECHNUNG.search(profile.lower())
    return found.group(1) if found else "1.0"


def _prevention(finding: Any) -> Finding:
    says, fix = (
        finding.message,
        "Embed all fonts, use RGB or gray, leave out transparency; or let our own page be used.",
    )
    return Finding(f"PDFA-{finding.rule}", Severity.FATAL, "pdf", says, path=str(finding.where), fix=fix)


def _known(finding: Any) -> bool:
    """What the checker says of each Factur-X and of level A: it knows no extension schemas, no PDF/UA, only level B."""
    if finding.rule.endswith(_LEVEL_RULE):
        return "'A', expected 'B'" in finding.message
    return finding.rule.endswith(_XMP_RULE) and any(word in finding.message for word in _NAMESPACES)


def _told(finding: Any) -> str:
    return f"{finding.rule} ({finding.kind}) at {finding.where}: {finding.message}"


def _contained(
    page: bytes, xml: bytes, description: Description, attachments: Sequence[Embedded], claims: xmp.Claims
) -> bytes:
    profile = description.profile
    invoice = Embedded(file_name_of(profile), "text/xml", xml, relationship_of(profile), "Factur-X invoice")
    with pikepdf.open(BytesIO(page)) as pdf:
        claims = claims if claims.part else xmp.read(_packet(pdf))
        _make_strict(pdf)
        _embed(pdf, (invoice, *attachments), description.created)
        packet = xmp.write(_described(pdf, description, claims))
        pdf.Root.Metadata = Stream(pdf, packet, Type=Name.Metadata, Subtype=Name.XML)
        out = BytesIO()
        pdf.save(out, **pdfa.resolve_save_kwargs("3b", deterministic_id=True))
    data = out.getvalue()
    violations = check(data)
    if violations:
        raise NotPdfA(violations)
    if extract(data).xml != xml:
        raise NotPdfA(("the invoice read back is not the one put in",))
    return data


def _make_strict(pdf: Pdf) -> None:
    """What Typst writes and the strict check refuses: optional CIDSets, indirect outline destinations."""
    for item in pdf.objects:
        if not isinstance(item, Dictionary):
            continue
        if item.get("/Type") == Name.FontDescriptor and "/CIDSet" in item:
            del item["/CIDSet"]
        if "/Dest" in item and "/Title" in item:
            destination = item["/Dest"]
            if isinstance(destination, Array):
                item["/Dest"] = Array(list(destination))


def _embed(pdf: Pdf, files: Sequence[Embedded], created: datetime) -> None:
    """The files, the first of them the invoice, in the name tree and as associated files of the document."""
    at = _instant(created)
    pairs: list[tuple[str, Any]] = []
    taken = set(NAMES) - {files[0].name}
    for file in files:
        name = _free_name(file.name, taken)
        digest = hashlib.md5(file.data, usedforsecurity=False).digest()
        stream = Stream(pdf, file.data, Type=Name.EmbeddedFile, Subtype=Name("/" + _media_type(file.media_type)))
        stream.Params = Dictionary(Size=len(file.data), CreationDate=at, ModDate=at, CheckSum=String(digest))
        reference = pdf.make_indirect(stream)
        specification = Dictionary(
            Type=Name.Filespec, F=String(name), UF=String(name), Desc=String(_clean(file.description or name)),
            AFRelationship=Name("/" + (file.relationship or "Unspecified")), EF=Dictionary(F=reference, UF=reference),
        )  # fmt: skip
        pairs.append((name, pdf.make_indirect(specification)))
    tree = Array(
        [part for name, item in sorted(pairs, key=lambda pair: pair[0].encode()) for part in (String(name), item)]
    )
    names = pdf.Root.get("/Names") or Dictionary()
    names["/EmbeddedFiles"] = Dictionary(Names=tree)
    pdf.Root.Names = names
    pdf.Root.AF = Array([item for _, item in pairs])


def _media_type(text: str) -> str:
    return text if _MEDIA_TYPE.fullmatch(text) else "application/octet-stream"


def _free_name(name: str, taken: set[str]) -> str:
    """A file name that no other has, upper and lower case taken as the same, and that is no path."""
    name = _clean(name.replace("\\", "/").rpartition("/")[2]).lstrip(".") or "-"
    stem, dot, suffix = name.rpartition(".")
    free, number = name, 2
    while free.lower() in taken:
        free = f"{stem or suffix}-{number}{dot if stem else ''}{suffix if stem else ''}"
        number += 1
    taken.add(free.lower())
    return free


def _described(pdf: Pdf, description: Description, claims: xmp.Claims) -> xmp.Packet:
    """Set the document information to what the XMP says, and keep what the page claims of itself."""
    at = _instant(description.created)
    title, author = _clean(description.title), _clean(description.author)
    information = Dictionary(
        Title=String(title),
        Author=String(author),
        Producer=String(PRODUCER),
        Creator=String(PRODUCER),
        CreationDate=at,
        ModDate=at,
    )
    pdf.trailer.Info = pdf.make_indirect(information)
    return xmp.Packet(
        title,
        author,
        description.language,
        PRODUCER,
        description.created.astimezone(UTC),
        claims.conformance or "B",
        claims.universal == "1",
        file_name_of(description.profile),
        level_of(description.profile),
        version_of(description.profile),
    )


def _instant(created: datetime) -> String:
    return String(created.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'"))


def _clean(text: str) -> str:
    """XML takes no control characters, and neither do we in a title."""
    return "".join(c for c in text if c.isprintable()) or "-"
