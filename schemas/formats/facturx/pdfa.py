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
from schemas.formats.facturx import door, mending, xmp
from schemas.xml import Unreadable, name_of, parse

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

_KNOWN = {
    "6.6.2.3.1-1": re.compile(
        rf"XMP (namespace (fx={xmp.FX}|pdfaExtension=\S+/extension/|pdfaSchema=\S+/schema#|pdfaProperty=\S+/property#)"
        r"|property (fx:(DocumentType|DocumentFileName|Version|ConformanceLevel)|pdfaExtension:schemas|pdfuaid:part))"
        r" is not permitted"
    ),
    "6.6.4-3": re.compile("pdfaid:conformance is 'A', expected 'B'"),
}
"""What the checker says of each Factur-X, of PDF/UA and of level A: it knows neither extension schemas nor level A."""
_OBJECT = re.compile(r"obj (\d+) (\d+)")
_TEXT_FIXES = (
    ("font", "Embed every font whole or as a subset, as TrueType or Type 1."),
    ("colour", "Use colours in RGB or gray, or bring the output intent of the others along."),
    ("transparen", "Flatten transparency."),
)
_LEVELS = (("minimum", "MINIMUM"), ("basicwl", "BASIC WL"), ("basic", "BASIC"), ("extended", "EXTENDED"),
           ("extended-ctc-fr", "EXTENDED"))  # fmt: skip
_RELATIONSHIPS = frozenset(
    ("Source", "Data", "Alternative", "Supplement", "EncryptedPayload", "FormData", "Schema", "Unspecified")
)
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
    rivals = [file for file in ranked[1:] if file.data != taken.data and _rivals(taken, file, claims)]
    if rivals:
        raise door.refusal(
            "PDF-AMBIGUOUS",
            "The PDF carries several files that readers could take for the invoice, and they differ.",
            found=", ".join(_described_file(file) for file in (taken, *rivals)),
            expected="one invoice",
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
            yield Embedded(
                door.text(specification.get("/UF")) or door.text(specification.get("/F")) or key,
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
    return len(NAMES), lower != claims.file_name.lower(), not _is_invoice(file), file.name


def _rivals(taken: Embedded, other: Embedded, claims: xmp.Claims) -> bool:
    """Whether a reader could take the other file: by its name, by the XMP, or because no name decides."""
    name, claimed, decided = taken.name.lower(), claims.file_name.lower(), taken.name.lower() in NAMES
    return other.name.lower() in (name, claimed) or (not decided and name != claimed and _is_invoice(other))


def _is_invoice(file: Embedded) -> bool:
    try:
        return name_of(parse(file.data).getroot())[1] == "CrossIndustryInvoice"
    except Unreadable:
        return False


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
    """A Factur-X of a PDF/A page of ours and its invoice, checked and read back.

    Raises NotPdfA, and Unreadable (PDF-SIZE) when page, invoice and attachments together are more than we read.

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
        invoice = next((one.name for one in carried if one.name.lower() in NAMES or _is_invoice(one)), None)
        if invoice is not None:
            raise door.refusal(
                "PDF-HYBRID",
                "The PDF carries an invoice already.",
                found=invoice,
                fix="Send it as it is, or send the page without the invoice in it.",
            )
        mending.make_strict(pdf)
        mending.drop_unseen(pdf)
        pdfa.prepare(pdf, "3b", output_intent=None if mending.intends_other_colours(pdf) else "sRGB")
        out = BytesIO()
        pdf.save(out, **pdfa.resolve_save_kwargs("3b", deterministic_id=True))
    prepared = out.getvalue()
    violations = [f for f in pdfa.validate_written(BytesIO(prepared), "3b").findings if not _known(f)]
    if violations:
        raise Unreadable(_preventions(prepared, violations[:50]))
    return _contained(prepared, xml, description, (*attachments, *carried), xmp.Claims(part="3", conformance="B"))


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


def _preventions(data: bytes, violations: Sequence[Any]) -> Iterator[Finding]:
    """What the checker found, told to the caller, with the name of the font or the like where the object has one."""
    with pikepdf.open(BytesIO(data)) as pdf:
        for one in violations:
            rule = f"PDFA-{one.rule.rpartition(':')[2]}"
            where, says = str(one.where), str(one.message)
            about = f"{says} {where}".lower()
            fix = next((fix for word, fix in _TEXT_FIXES if word in about), "Leave it out, or have it made as PDF/A-3.")
            yield Finding(rule, Severity.FATAL, "pdf", says, path=where, found=_name_at(pdf, where) or None, fix=fix)


def _name_at(pdf: Pdf, where: str) -> str:
    """The name of the font at a place told by the checker; empty where there is none."""
    at = _OBJECT.search(where)
    found = door.dictionary(pdf.get_object(int(at[1]), int(at[2]))) if at else None
    return door.text(found.get("/BaseFont") or found.get("/FontName")) if found is not None else ""


def _known(finding: Any) -> bool:
    told = _KNOWN.get(finding.rule.rpartition(":")[2])
    return told is not None and told.fullmatch(finding.message) is not None


def _told(finding: Any) -> str:
    return f"{finding.rule} ({finding.kind}) at {finding.where}: {finding.message}"


def _contained(
    page: bytes, xml: bytes, description: Description, attachments: Sequence[Embedded], claims: xmp.Claims
) -> bytes:
    profile = description.profile
    invoice = Embedded(file_name_of(profile), "text/xml", xml, relationship_of(profile), "Factur-X invoice")
    with pikepdf.open(BytesIO(page)) as pdf:
        claims = claims if claims.part else xmp.read(_packet(pdf))
        mending.make_strict(pdf)
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
            AFRelationship=Name("/" + _relationship(file.relationship)), EF=Dictionary(F=reference, UF=reference),
        )  # fmt: skip
        pairs.append((name, pdf.make_indirect(specification)))
    pairs_by_key = sorted(((String(name), item) for name, item in pairs), key=lambda pair: bytes(pair[0]))
    tree = Array([part for pair in pairs_by_key for part in pair])
    names = pdf.Root.get("/Names") or Dictionary()
    names["/EmbeddedFiles"] = Dictionary(Names=tree)
    pdf.Root.Names = names
    pdf.Root.AF = Array([item for _, item in pairs])


def _relationship(text: str) -> str:
    return text if text in _RELATIONSHIPS else "Unspecified"


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
    assert created.tzinfo is not None, "an instant without time zone would be another on each machine"
    return String(created.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'"))


def _clean(text: str) -> str:
    """A text on one line: white space of any kind is one space; what XML or a file name cannot hold is left out."""
    return " ".join("".join(c for c in word if c.isprintable()) for word in text.split()).strip() or "-"
