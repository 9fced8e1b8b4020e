"""What a PDF is, told without taking anything of it: its files, its claims, its signatures, what in it could act.

Everything that cannot be told is told to be so: `None` where a number or a list is unknown, `Answer.UNTOLD` where a
question has no answer. Nothing here means that a PDF is taken: what it says of an active or a broken one is for people
who want to know why it was refused. It never raises.

The verdict on PDF/A is that of pikepdf's checker, which knows the rules of PDF/A-1b to 3b and approves only what it
knows. Three of its answers are put right: the extension schemas of Factur-X and its relatives are permitted where the
XMP declares them, levels A and U are read as B, and what says where and how a reader opens the file is left out of a
second look. What it does not know leaves the verdict open; broken is a file only where a rule of ISO 19005 is.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from itertools import islice
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, pdfa

from schemas.finding import Finding
from schemas.formats.facturx import door, mending, xmp
from schemas.formats.facturx.extract import Embedded, choose, embedded_files, xmp_packet
from schemas.xml import Unreadable

REASONS_LIMIT = 20
"""Reasons for a verdict on PDF/A that are told; the same reason at several places is one."""
SIGNATURES_LIMIT = 100
"""Signatures that are told."""
_FIELDS_LIMIT = 10_000

logging.getLogger("fontTools").setLevel(logging.CRITICAL)  # its complaints of fonts of others help nobody here


class Answer(StrEnum):
    """The answer to a question about a file."""

    YES = "yes"
    NO = "no"
    UNTOLD = "not told"
    """It could not be told; never to be read as a no."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside the PDF."""

    name: str
    media_type: str
    relationship: str
    """AFRelationship without its slash; empty when there is none."""
    size: int
    sha256: str
    """In hexadecimal."""
    associated: bool
    """Whether /AF of the document lists it, as PDF/A-3 asks."""
    description: str
    created: str
    """ISO 8601 where the PDF tells an instant, otherwise as it stands there."""
    modified: str


class Conformance(StrEnum):
    """The verdict on PDF/A."""

    PASSED = "passed"
    FAILED = "failed"
    """A rule of ISO 19005 is broken."""
    UNTOLD = "not told"
    """No rule is known to be broken, but the file holds what the check does not know."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a file is not PDF/A, or why it cannot be told."""

    clause: str
    """ISO 19005-3, 6.2.4.3-2; empty where no rule is broken and the check does not know something."""
    says: str
    where: str
    """The first place."""
    times: int


@dataclass(frozen=True, slots=True)
class PdfA:
    """What the PDF claims to be, and what the check says."""

    claim: str | None
    """PDF/A-3B; empty when it claims nothing, None when that is not told."""
    verdict: Conformance
    checked: str
    """The part and level whose rules were checked: 3b; empty when none were."""
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature field that is signed. What it is worth is not verified here."""

    field: str
    kind: str
    """Its SubFilter: ETSI.CAdES.detached, adbe.pkcs7.detached, ETSI.RFC3161 (a timestamp) and so on."""
    signer: str
    """As the PDF says, which anybody can write."""
    at: str
    covers_whole_file: Answer
    """Whether nothing was added after it, and nothing but itself is left out."""
    verified: str = "not verified"


@dataclass(frozen=True, slots=True)
class Examination:
    """What is told of one PDF."""

    version: str
    """1.7; empty when not told."""
    pages: int | None
    revisions: int
    """How often it was written; more than 1: it was changed after it was made."""
    encrypted: Answer
    active: Answer
    """Whether something in it could act, reach out or change what is shown."""
    active_part: str
    attachments: tuple[Attachment, ...] | None
    taken: str
    """Name of the file that is the invoice or order; empty when there is none."""
    why: str
    described: Answer
    """Whether there is an XMP packet that can be read."""
    claims: xmp.Claims
    output_intents: int | None
    signatures: tuple[Signature, ...] | None
    pdfa: PdfA
    refused: tuple[Finding, ...]
    """Why nothing was taken of it."""
    xml: bytes | None
    """What the file that was taken holds."""


def examine(data: bytes) -> Examination:
    """What can be told of a PDF."""
    try:
        with door.examined(data) as (pdf, active):
            return _examined(pdf, data, active)
    except Unreadable as unreadable:
        return _closed(data, unreadable.findings)


def _examined(pdf: Pdf, data: bytes, active: str) -> Examination:
    packet = _packet(pdf)
    claims = xmp.read(packet)
    refused: tuple[Finding, ...] = ()
    files: tuple[Embedded, ...] | None = None
    taken, why = None, ""
    try:
        files = tuple(embedded_files(pdf))
        taken, why = choose(files, claims)
    except Unreadable as unreadable:
        refused = unreadable.findings
    return Examination(
        version=pdf.pdf_version,
        pages=len(pdf.pages),
        revisions=door.revisions(data),
        encrypted=Answer.NO,
        active=Answer.YES if active else Answer.NO,
        active_part=active,
        attachments=None if files is None else tuple(map(_attachment, files)),
        taken=taken.name if taken is not None else "",
        why=why,
        described=_has_packet(packet, claims),
        claims=claims,
        output_intents=len(door.items(pdf.Root.get("/OutputIntents"))),
        signatures=tuple(islice(_signatures(pdf, data), SIGNATURES_LIMIT)),
        pdfa=_pdfa(data, claims, packet),
        refused=refused,
        xml=taken.data if taken is not None else None,
    )


def _closed(data: bytes, findings: tuple[Finding, ...]) -> Examination:
    """What is told of a PDF that cannot be opened: why, and nothing else."""
    rule = findings[0].rule
    version = re.match(rb"%PDF-(\d\.\d)", data)
    return Examination(
        version=version[1].decode() if version else "",
        pages=None,
        revisions=door.revisions(data),
        encrypted=Answer.YES if rule == "PDF-ENCRYPTED" else Answer.UNTOLD,
        active=Answer.UNTOLD,
        active_part="",
        attachments=None,
        taken="",
        why="",
        described=Answer.UNTOLD,
        claims=xmp.Claims(),
        output_intents=None,
        signatures=None,
        pdfa=PdfA(None, Conformance.UNTOLD, ""),
        refused=findings,
        xml=None,
    )


def _packet(pdf: Pdf) -> bytes:
    try:
        return xmp_packet(pdf)
    except (pikepdf.PdfError, ValueError, RuntimeError):
        return b"\xff"  # there is one, and no reader reads it


def _has_packet(packet: bytes, claims: xmp.Claims) -> Answer:
    if not packet:
        return Answer.NO
    return Answer.YES if claims != xmp.Claims() or xmp.readable(packet) else Answer.UNTOLD


def _attachment(file: Embedded) -> Attachment:
    return Attachment(
        file.name,
        file.media_type,
        file.relationship,
        len(file.data),
        hashlib.sha256(file.data).hexdigest(),
        file.associated,
        file.description,
        instant(file.created),
        instant(file.modified),
    )


_INSTANT = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:([+-])(\d\d)'?(\d\d)?'?|Z.*)?")


def instant(text: str) -> str:
    """A date as PDF writes it (D:20261124093015+01'00') in ISO 8601; what is none stays as it is."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return text
    year, month, day, hour, minute, second, sign, hours, minutes = found.groups()
    date = "-".join(part for part in (year, month, day) if part)
    if hour is None:
        return date
    zone = f"{sign}{hours}:{minutes or '00'}" if sign else "Z" if "Z" in text else ""
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}{zone}"


# PDF/A ---------------------------------------------------------------------------------------------------------------

_FLAVOURS = {"1": "1b", "2": "2b", "3": "3b", "": "3b"}
_RULE = re.compile(r"ISO_(\d+)_(\d):(.+)")
_LEVEL = re.compile("pdfaid:conformance is '[AUau]', expected 'B'")
_EXTENSION = re.compile(r"XMP (?:namespace|property) ([\w.-]+)(?:=|:).* is not permitted")
_OWN_PREFIXES = frozenset(("pdfaExtension", "pdfaSchema", "pdfaProperty", "pdfaType", "pdfaField", "pdfuaid"))


def _pdfa(data: bytes, claims: xmp.Claims, packet: bytes) -> PdfA:
    claim = f"PDF/A-{claims.part}{claims.conformance.upper()}" if claims.part else ""
    flavour = _FLAVOURS.get(claims.part, "")
    if not flavour:
        return PdfA(claim, Conformance.UNTOLD, "", (Reason("", "there is no check for this part of PDF/A", "", 1),))
    declared = _OWN_PREFIXES | xmp.declared(packet)
    unknown: list[Any] = []
    for checked in (data, _as_opened(data, flavour)):
        found = [one for one in _found(checked, flavour) if not _permitted(one, declared)]
        broken = [one for one in found if _clause(one)]
        if broken:
            return PdfA(claim, Conformance.FAILED, flavour, _reasons(broken))
        unknown = found
    return PdfA(claim, Conformance.UNTOLD if unknown else Conformance.PASSED, flavour, _reasons(unknown))


def _found(data: bytes, flavour: str) -> Sequence[Any]:
    return tuple(pdfa.validate_written(BytesIO(data), flavour).findings)


def _as_opened(data: bytes, flavour: str) -> bytes:
    """The file without what is optional and unknown to the checker, which keeps it from looking at the rest."""
    try:
        with pikepdf.open(BytesIO(data)) as pdf:
            mending.make_strict(pdf)
            mending.tidy_fonts(pdf)
            if pdf.Root.get("/PageMode") == Name.UseAttachments:
                del pdf.Root["/PageMode"]
            if isinstance(pdf.Root.get("/OpenAction"), Array):  # where a reader begins to read
                del pdf.Root["/OpenAction"]
            out = BytesIO()
            pdf.save(out, **pdfa.resolve_save_kwargs(flavour, deterministic_id=True))
            return out.getvalue()
    except (pikepdf.PdfError, ValueError, RuntimeError, TypeError, AttributeError):
        return data


def _clause(finding: Any) -> str:
    """The clause that is broken: ISO 19005-3, 6.8-4; empty where the checker only does not know something."""
    rule = _RULE.fullmatch(finding.rule)
    return f"ISO {rule[1]}-{rule[2]}, {rule[3]}" if rule is not None and str(finding.kind) == "violation" else ""


def _permitted(finding: Any, declared: frozenset[str]) -> bool:
    if _LEVEL.fullmatch(finding.message):
        return True
    extension = _EXTENSION.fullmatch(finding.message)
    return extension is not None and extension[1] in declared


def _reasons(findings: Sequence[Any]) -> tuple[Reason, ...]:
    """Each reason once, with its first place, the most frequent first."""
    places: dict[tuple[str, str], list[str]] = {}
    for one in findings:
        places.setdefault((_clause(one), str(one.message)[:300]), []).append(str(one.where)[:200])
    told = (Reason(clause, says, where[0], len(where)) for (clause, says), where in places.items())
    return tuple(sorted(told, key=lambda reason: -reason.times)[:REASONS_LIMIT])


# Signatures ----------------------------------------------------------------------------------------------------------


def _signatures(pdf: Pdf, data: bytes) -> Iterator[Signature]:
    """Every signed field of the form, in order; a tree of fields that bites its tail ends all the same."""
    form = door.dictionary(pdf.Root.get("/AcroForm"))
    todo = [(field, "", False) for field in reversed(door.items(form.get("/Fields")))] if form is not None else []
    left = _FIELDS_LIMIT
    while todo and left:
        left -= 1
        item, above, signs = todo.pop()
        field = door.dictionary(item)
        if field is None:
            continue
        name = ".".join(part for part in (above, door.text(field.get("/T"))) if part)
        signs = field.get("/FT") == Name.Sig if "/FT" in field else signs
        todo.extend((kid, name, signs) for kid in reversed(door.items(field.get("/Kids"))))
        value = door.dictionary(field.get("/V"))
        if signs and value is not None:
            yield _signature(name, value, data)


def _signature(field: str, value: Dictionary, data: bytes) -> Signature:
    return Signature(
        field,
        door.text(value.get("/SubFilter")),
        door.text(value.get("/Name")),
        instant(door.text(value.get("/M"))),
        _covers(door.items(value.get("/ByteRange")), data),
    )


def _covers(ranges: list[Any], data: bytes) -> Answer:
    """Whether two ranges of bytes are the whole file but for the signature itself, a string in hexadecimal."""
    if len(ranges) != 4 or not all(isinstance(number, int) for number in ranges):
        return Answer.UNTOLD
    first, length, second, rest = ranges
    gap = data[length:second]
    whole = first == 0 and 0 < length < second and second + rest == len(data)
    hexadecimal = gap[:1] == b"<" and gap[-1:] == b">" and re.fullmatch(rb"<[0-9A-Fa-f\s]*>", gap) is not None
    return Answer.YES if whole and hexadecimal else Answer.NO
