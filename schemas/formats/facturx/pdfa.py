"""Making a Factur-X container: a PDF/A-3 that carries its invoice as XML.

What is made is checked by the rules of PDF/A-3 and read back before it is given away, and the same input gives the same
bytes. Reading containers is the business of `extract`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String, pdfa

from schemas.formats.facturx import door, mending, xmp
from schemas.formats.facturx.extract import FILES_LIMIT, NAMES, Embedded, embedded_files, extract, xmp_packet
from schemas.formats.facturx.proof import Proof, Shape, shapes

PRODUCER = "Estafette"

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
PLAIN_LIMIT = 10_000_000
"""Bytes of a PDF up to which no limit of reading is near."""

_PROOF = Proof()
_LEVELS = (("minimum", "MINIMUM"), ("basicwl", "BASIC WL"), ("basic", "BASIC"), ("extended", "EXTENDED"),
           ("extended-ctc-fr", "EXTENDED"))  # fmt: skip
_RELATIONSHIPS = frozenset(
    ("Source", "Data", "Alternative", "Supplement", "EncryptedPayload", "FormData", "Schema", "Unspecified")
)
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,80}/[A-Za-z0-9][A-Za-z0-9.+-]{0,80}")
_XRECHNUNG = re.compile(r"xrechnung_(\d+\.\d+)")


class NotPdfA(Exception):
    """What was made does not pass the rules of PDF/A-3; `violations` names them."""

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__("; ".join(violations))
        self.violations = tuple(violations)

    def __reduce__(self) -> tuple[type[NotPdfA], tuple[tuple[str, ...]]]:
        return NotPdfA, (self.violations,)


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

    Raises NotPdfA, and Unreadable (PDF-SIZE) when page, invoice and attachments together are more than we read, or
    the files are more than FILES_LIMIT, the invoice among them.

    The page's own claims of level A and PDF/UA are kept: its typesetter refuses to make what does not keep them. A page
    with nothing in it that was not checked before, in this process, is not checked in full again (see `proof`).
    """
    data = assembled(page, xml, description, attachments)
    found, carried = _taken_apart(data)
    if len(data) <= PLAIN_LIMIT and _PROOF.covers(found):
        read_back = [file.data for file in carried if file.name == file_name_of(description.profile)]
    else:
        if violations := check(data):
            raise NotPdfA(violations)
        read_back = [extract(data).xml]
        _PROOF.add(found)
    if read_back != [xml]:
        raise NotPdfA(("the invoice read back is not the one put in",))
    return data


def check(data: bytes) -> tuple[str, ...]:
    """What breaks the rules of PDF/A-3b, but for the XMP of Factur-X, which the checker does not know."""
    report = pdfa.validate_written(BytesIO(data), "3b")
    return tuple(_told(finding) for finding in report.findings if unknown_to_the_standard(finding))


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


def unknown_to_the_standard(finding: Any) -> bool:
    """Whether a finding of the checker is more than what it says of each Factur-X."""
    told = _KNOWN.get(finding.rule.rpartition(":")[2])
    return told is None or told.fullmatch(finding.message) is None


def _told(finding: Any) -> str:
    return f"{finding.rule} ({finding.kind}) at {finding.where}: {finding.message}"


def assembled(
    page: bytes,
    xml: bytes,
    description: Description,
    attachments: Sequence[Embedded],
    claims: xmp.Claims | None = None,
) -> bytes:
    """Page, invoice, attachments and metadata in one PDF, not checked. Without claims the page's own ones are kept.

    Raises Unreadable (PDF-SIZE): more attachments than any reader of ours would take out again.
    """
    if len(attachments) >= FILES_LIMIT:
        says = f"A Factur-X carries at most {FILES_LIMIT} files, the invoice among them."
        fix = "Put the supporting documents together into fewer files."
        raise door.refusal(
            "PDF-SIZE", says, found=f"{len(attachments)} attachments", expected=f"at most {FILES_LIMIT - 1}", fix=fix
        )
    profile = description.profile
    invoice = Embedded(file_name_of(profile), "text/xml", xml, relationship_of(profile), "Factur-X invoice")
    with pikepdf.open(BytesIO(page)) as pdf:
        claims = claims or xmp.read(xmp_packet(pdf))
        mending.make_strict(pdf)
        _embed(pdf, (invoice, *attachments), description.created)
        packet = xmp.write(_described(pdf, description, claims))
        pdf.Root.Metadata = Stream(pdf, packet, Type=Name.Metadata, Subtype=Name.XML)
        if "/ID" in pdf.trailer:  # another's may hold the time of its making; a new one follows from the bytes alone
            del pdf.trailer.ID
        out = BytesIO()
        pdf.save(out, **pdfa.resolve_save_kwargs("3b", deterministic_id=True))
    return out.getvalue()


def _taken_apart(data: bytes) -> tuple[frozenset[Shape], tuple[Embedded, ...]]:
    """What was made as another would read it: the shapes of all that it holds, and the files in it."""
    with pikepdf.open(BytesIO(data), attempt_recovery=False) as pdf:
        return shapes(pdf, data[:9]), tuple(embedded_files(pdf))


def _embed(pdf: Pdf, files: Sequence[Embedded], created: datetime) -> None:
    """The files, the first of them the invoice, in the name tree and as associated files of the document."""
    at = _instant(created)
    pairs: list[tuple[str, Any]] = []
    taken = dict.fromkeys((name for name in NAMES if name != files[0].name), 2)
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


def _free_name(name: str, taken: dict[str, int]) -> str:
    """A file name that no other has, upper and lower case taken as the same, and that is no path.

    `taken` holds the names in use (lower case), each with the number to try for the next of that name.
    """
    name = _clean(name.replace("\\", "/").rpartition("/")[2]).lstrip(".") or "-"
    stem, dot, suffix = name.rpartition(".")
    free = name
    while free.lower() in taken:
        number = taken[name.lower()]
        free = f"{stem or suffix}-{number}{dot if stem else ''}{suffix if stem else ''}"
        taken[name.lower()] = number + 1
    taken[free.lower()] = 2
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
