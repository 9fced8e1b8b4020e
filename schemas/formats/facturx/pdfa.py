"""The Factur-X container: a PDF/A-3 that carries its invoice as XML.

`extract` reads containers of others, however odd, and says what it took; what could run, hide or reach out is refused.
`attach` makes ours, checks it by the rules of PDF/A-3 before it gives it away, and gives the same bytes for the same
input. Received files are never repaired or rewritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String, pdfa

from schemas.finding import Finding, Severity
from schemas.formats.facturx import xmp
from schemas.xml import Unreadable

SIZE_LIMIT = 50_000_000
"""Bytes of one PDF."""

PRODUCER = "Estafette"

NAMES = ("factur-x.xml", "xrechnung.xml", "zugferd-invoice.xml", "order-x.xml")
"""Names the standards give the embedded XML, the current one first."""

DATA_ONLY = ("urn:factur-x.eu:1p0:minimum", "urn:factur-x.eu:1p0:basicwl")
"""Profiles whose XML holds less than the page, and is attached as /Data; all others as /Alternative."""

_ACTIONS = frozenset(
    "/JavaScript /Launch /SubmitForm /ImportData /GoToR /GoToE /Rendition /RichMediaExecute /Movie /Sound".split()
)
_KEYS = frozenset(("/JS", "/XFA", "/RichMediaContent", "/RichMediaSettings"))
_XMP_RULE = "6.6.2.3.1-1"
_LEVEL_RULE = "6.6.4-3"
_NAMESPACES = ("pdfaExtension:", "pdfaSchema:", "pdfaProperty:", "fx:", "pdfuaid:", xmp.FX, "/pdfa/ns/", "/pdfua/ns/")

pikepdf.settings.set_qpdf_limits(
    parser_max_nesting=100, max_stream_filters=4, parser_max_container_size=200_000, doc_max_warnings=50
)


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
    xmp: bytes
    """The XMP packet; empty when there is none."""


class NotPdfA(Exception):
    """What was made does not pass the rules of PDF/A-3; `violations` names them."""

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__("; ".join(violations))
        self.violations = tuple(violations)

    def __reduce__(self) -> tuple[type[NotPdfA], tuple[tuple[str, ...]]]:
        return NotPdfA, (self.violations,)


# Reading -------------------------------------------------------------------------------------------------------------


def extract(data: bytes) -> Extracted:
    """The invoice inside a PDF. Raises Unreadable: PDF-SIZE, PDF-SYNTAX, PDF-ENCRYPTED, PDF-ACTIVE, PDF-NO-INVOICE."""
    with open_pdf(data) as pdf:
        files = list(_files(pdf))
        candidates = [file for file in files if file.name.lower().endswith(".xml") or "xml" in file.media_type]
        ranked = sorted(candidates, key=lambda file: _rank(file.name))
        if not ranked:
            found = ", ".join(file.name for file in files) or "no attachment at all"
            raise refusal(
                "PDF-NO-INVOICE",
                "The PDF carries no invoice as XML.",
                found=found,
                expected="an attachment named factur-x.xml",
                fix="Send a Factur-X, or send the PDF and its data as two parts of one request.",
            )
        taken = ranked[0]
        return Extracted(
            taken.name,
            taken.data,
            taken.relationship,
            _why(taken, ranked),
            tuple(file for file in files if file is not taken),
            _packet(pdf),
        )


def open_pdf(data: bytes) -> Pdf:
    """A PDF that was looked through. Raises Unreadable: PDF-SIZE, PDF-SYNTAX, PDF-ENCRYPTED, PDF-ACTIVE."""
    if len(data) > SIZE_LIMIT:
        raise refusal("PDF-SIZE", f"A PDF has at most {SIZE_LIMIT} bytes.", found=str(len(data)))
    if not data.startswith(b"%PDF-"):
        raise refusal("PDF-SYNTAX", "The bytes do not start as a PDF does.", expected="%PDF- at the very beginning")
    try:
        pdf = pikepdf.open(BytesIO(data), attempt_recovery=False, suppress_warnings=True)
    except pikepdf.PasswordError:
        raise refusal("PDF-ENCRYPTED", "The PDF is protected by a password.", fix="Send it unprotected.") from None
    except (pikepdf.PdfError, ValueError, RuntimeError) as broken:
        raise refusal("PDF-SYNTAX", "The PDF is damaged or incomplete.", fix="Send it again, whole.") from broken
    if pdf.is_encrypted:
        pdf.close()
        raise refusal("PDF-ENCRYPTED", "The PDF is encrypted.", fix="Send it without encryption.")
    active = _active(pdf)
    if active:
        pdf.close()
        raise refusal("PDF-ACTIVE", "The PDF holds something that could act or reach out.", found=active)
    return pdf


def refusal(
    rule: str, says: str, *, found: str | None = None, expected: str | None = None, fix: str | None = None
) -> Unreadable:
    """A PDF that is not taken, as one fatal finding."""
    return Unreadable((Finding(rule, Severity.FATAL, "pdf", says, found=found, expected=expected, fix=fix),))


def _active(pdf: Pdf) -> str:
    for item in pdf.objects:
        dictionary = item.stream_dict if isinstance(item, Stream) else item
        found = _active_in(dictionary, 0)
        if found:
            return found
    return ""


def _active_in(item: Any, depth: int) -> str:
    """Direct objects are looked through to a depth; indirect ones come by themselves."""
    if depth > 8:
        return ""
    if isinstance(item, Dictionary):
        for key, value in item.items():
            if key in _KEYS:
                return key.removeprefix("/")
            if key == "/S" and isinstance(value, Name) and str(value) in _ACTIONS:
                return str(value).removeprefix("/")
            if not getattr(value, "is_indirect", False) and (found := _active_in(value, depth + 1)):
                return found
    elif isinstance(item, Array):
        for value in item:
            if not getattr(value, "is_indirect", False) and (found := _active_in(value, depth + 1)):
                return found
    return ""


def _files(pdf: Pdf) -> Iterator[Embedded]:
    """Every embedded file once: the name tree first, then /AF, then annotations."""
    seen: set[tuple[int, int]] = set()
    for specification in _specifications(pdf):
        if not isinstance(specification, Dictionary):
            continue
        files = specification.get("/EF")
        stream = (files.get("/UF") or files.get("/F")) if isinstance(files, Dictionary) else None
        if not isinstance(stream, Stream) or stream.objgen in seen:
            continue
        seen.add(stream.objgen)
        try:
            data = stream.read_bytes()
        except pikepdf.PdfError as broken:
            raise refusal("PDF-SYNTAX", "An attachment of the PDF is damaged.") from broken
        name = specification.get("/UF") or specification.get("/F") or ""
        yield Embedded(
            str(name),
            str(stream.get("/Subtype", "")).removeprefix("/"),
            data,
            str(specification.get("/AFRelationship", "")).removeprefix("/"),
            str(specification.get("/Desc", "")),
        )


def _specifications(pdf: Pdf) -> Iterator[Any]:
    names = pdf.Root.get("/Names")
    tree = names.get("/EmbeddedFiles") if isinstance(names, Dictionary) else None
    if isinstance(tree, Dictionary):
        yield from _leaves(tree, 0)
    associated = pdf.Root.get("/AF")
    if isinstance(associated, Array):
        yield from associated
    for page in pdf.pages:
        for annotation in page.obj.get("/Annots", Array()):
            if isinstance(annotation, Dictionary) and annotation.get("/Subtype") == Name.FileAttachment:
                yield annotation.get("/FS")


def _leaves(node: Dictionary, depth: int) -> Iterator[Any]:
    if depth > 20:
        return
    pairs = node.get("/Names", Array())
    yield from list(pairs)[1::2]
    for kid in node.get("/Kids", Array()):
        if isinstance(kid, Dictionary):
            yield from _leaves(kid, depth + 1)


def _rank(name: str) -> tuple[int, str]:
    lower = name.lower()
    return (NAMES.index(lower) if lower in NAMES else len(NAMES), name)


def _why(taken: Embedded, ranked: Sequence[Embedded]) -> str:
    others = [file.name for file in ranked[1:]]
    beside = f"; passed over: {', '.join(others)}" if others else ""
    if taken.name in NAMES:
        return f"{taken.name}, by its standard name{beside}"
    if taken.name.lower() in NAMES:
        return f"{taken.name}, by its name in another case{beside}"
    return f"{taken.name}, the XML among the attachments{beside}"


def _packet(pdf: Pdf) -> bytes:
    metadata = pdf.Root.get("/Metadata")
    return metadata.read_bytes() if isinstance(metadata, Stream) else b""


# Making --------------------------------------------------------------------------------------------------------------


def attach(  # noqa: PLR0913 - what a container says of itself
    page: bytes,
    xml: bytes,
    *,
    profile: str,
    title: str,
    author: str,
    created: datetime,
    language: str,
    attachments: Sequence[Embedded] = (),
) -> bytes:
    """A Factur-X of a PDF/A page and its invoice, checked. Raises NotPdfA."""
    with pikepdf.open(BytesIO(page)) as pdf:
        _make_strict(pdf)
        name = file_name_of(profile)
        relationship = "Data" if profile in DATA_ONLY else "Alternative"
        invoice = Embedded(name, "text/xml", xml, relationship, "Factur-X invoice")
        _embed(pdf, [invoice, *attachments], created)
        packet = _described(pdf, profile, title, author, created, language)
        pdf.Root.Metadata = Stream(pdf, xmp.write(packet), Type=Name.Metadata, Subtype=Name.XML)
        return _written(pdf)


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
    for ending, level in (("minimum", "MINIMUM"), ("basicwl", "BASIC WL"), ("basic", "BASIC"), ("extended", "EXTENDED"),
                          ("extended-ctc-fr", "EXTENDED")):  # fmt: skip
        if lower.endswith(ending):
            return level
    return "XRECHNUNG" if "xrechnung" in lower else "EN 16931"


def _known(finding: Any) -> bool:
    """What the checker says of every Factur-X and of level A: it knows no extension schemas, no PDF/UA id, only level B."""
    if finding.rule.endswith(_LEVEL_RULE):
        return "'A', expected 'B'" in finding.message
    return finding.rule.endswith(_XMP_RULE) and any(word in finding.message for word in _NAMESPACES)


def _told(finding: Any) -> str:
    return f"{finding.rule} ({finding.kind}) at {finding.where}: {finding.message}"


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
    at = String(created.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'"))
    pairs: list[tuple[str, Any]] = []
    taken: set[str] = set()
    for file in files:
        name = _free_name(file.name, taken)
        digest = hashlib.md5(file.data, usedforsecurity=False).digest()
        stream = Stream(pdf, file.data, Type=Name.EmbeddedFile, Subtype=Name("/" + file.media_type))
        stream.Params = Dictionary(Size=len(file.data), CreationDate=at, ModDate=at, CheckSum=String(digest))
        reference = pdf.make_indirect(stream)
        specification = Dictionary(
            Type=Name.Filespec, F=String(name), UF=String(name), Desc=String(file.description or name),
            AFRelationship=Name("/" + file.relationship), EF=Dictionary(F=reference, UF=reference),
        )  # fmt: skip
        pairs.append((name, pdf.make_indirect(specification)))
    tree = Array([part for name, item in sorted(pairs, key=lambda pair: pair[0].encode()) for part in (String(name), item)])
    names = pdf.Root.get("/Names") or Dictionary()
    names["/EmbeddedFiles"] = Dictionary(Names=tree)
    pdf.Root.Names = names
    pdf.Root.AF = Array([item for _, item in pairs])
    pdf.Root.PageMode = Name.UseAttachments if len(pairs) > 1 else pdf.Root.get("/PageMode", Name.UseNone)


def _free_name(name: str, taken: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".")
    free, number = name, 2
    while free in taken:
        free = f"{stem or suffix}-{number}{dot if stem else ''}{suffix if stem else ''}"
        number += 1
    taken.add(free)
    return free


def _described(  # noqa: PLR0913
    pdf: Pdf, profile: str, title: str, author: str, created: datetime, language: str
) -> xmp.Packet:
    """Set the document information to what the XMP says, and keep what the page claims of itself."""
    claims = _packet(pdf)
    conformance = next((c for c in "AUB" if f"conformance>{c}<".encode() in claims), "B")
    at = String(created.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'"))
    title, author = _clean(title), _clean(author)
    pdf.trailer.Info = pdf.make_indirect(
        Dictionary(
            Title=String(title), Author=String(author), Producer=String(PRODUCER), Creator=String(PRODUCER),
            CreationDate=at, ModDate=at,
        )  # fmt: skip
    )
    return xmp.Packet(
        title,
        author,
        language,
        PRODUCER,
        created.astimezone(UTC),
        conformance,
        b"pdfuaid" in claims,
        file_name_of(profile),
        level_of(profile),
    )


def _clean(text: str) -> str:
    """XML takes no control characters, and neither do we in a title."""
    return "".join(c for c in text if c.isprintable()) or "-"


def _written(pdf: Pdf) -> bytes:
    options = pdfa.resolve_save_kwargs("3b", deterministic_id=True)
    out = BytesIO()
    pdf.save(out, **options)
    data = out.getvalue()
    violations = check(data)
    if violations:
        raise NotPdfA(violations)
    return data


def wrap(  # noqa: PLR0913 - what a container says of itself
    supplied: bytes,
    xml: bytes,
    *,
    profile: str,
    title: str,
    author: str,
    created: datetime,
    language: str,
    attachments: Sequence[Embedded] = (),
) -> bytes:
    """A Factur-X around a PDF that the caller supplies, when that can be PDF/A-3 without changing how it looks.

    Raises Unreadable with PDFA-* findings that name what prevents it.
    """
    with open_pdf(supplied) as pdf:
        pdfa.prepare(pdf, "3b")
        out = BytesIO()
        pdf.save(out, **pdfa.resolve_save_kwargs("3b", deterministic_id=True))
    violations = [f for f in pdfa.validate_written(BytesIO(out.getvalue()), "3b").findings if not _known(f)]
    if violations:
        raise Unreadable(
            tuple(
                Finding(
                    f"PDFA-{one.rule}", Severity.FATAL, "pdf", one.message, path=str(one.where),
                    fix="Embed all fonts, use RGB or gray, leave out transparency; or let our own page be used.",
                )  # fmt: skip
                for one in violations[:50]
            )
        )
    return attach(
        out.getvalue(), xml, profile=profile, title=title, author=author, created=created, language=language,
        attachments=attachments,
    )  # fmt: skip
