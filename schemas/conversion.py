"""Any invoice into any other form, and what that would lose, named before it is lost.

One function for the API, the line's contents and the command line. What a document is asked to become is either made
whole, or refused with everything that would be missing (`Lossy`), unless the caller says that losses are acceptable:
then it is made, and the same list comes with it. The list has four sources:

- elements of the document that our model does not know, by their path;
- values that the target syntax does not hold: what is written is read again and compared with what was to be written,
  so that no list of gaps is kept by hand;
- values that the target profile does not have;
- files of a PDF that the invoice itself does not bring along, where the target cannot carry them.

A document already in the form asked for is handed back byte for byte: it is never rewritten for nothing. Supporting
documents (BG-24) go along at every step, and files that a PDF only carries beside its invoice become supporting
documents in XML and JSON. What is written follows the XSD of its profile, or is refused with what breaks it.

The page is a view, no form of the data: it is made of every invoice, and what it does not show is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas import json_form, profiles, rulebook
from schemas.catalogue import FACTURX, FORMATS, JSON, Recognised, chain, recognise
from schemas.finding import FINDINGS_LIMIT, Finding, Severity
from schemas.formats import facturx
from schemas.formats.facturx import page
from schemas.formats.facturx.extract import Embedded, extract
from schemas.formats.facturx.presentation import PLAIN, Presentation
from schemas.invoice import CREDIT_NOTE_TYPES, Attachment, Invoice, Profile
from schemas.loss import losses
from schemas.xml import Unreadable, parse

PAGE = "page"
UBL = "ubl"
TARGETS = ("cii", UBL, FACTURX, JSON, PAGE)
"""What an invoice can become."""

PROFILES: Mapping[str, str] = {profile.lower().replace(" ", ""): urn for urn, profile in profiles.URNS.items()}
"""Short name → BT-24 of the profiles that can be asked for by name."""

_ATTACHABLE = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
}
"""Ending of a file name → media type, for those that EN 16931 allows in a supporting document (BT-125-1)."""


_LEAN = (Profile.MINIMUM, Profile.BASIC_WL)
"""Profiles whose page tells more than their data."""


class Cause(StrEnum):
    """Why something would be lost."""

    UNKNOWN = "unknown"
    SYNTAX = "syntax"
    PROFILE = "profile"
    FILE = "file"
    PAGE = "page"


_REASONS = {
    Cause.UNKNOWN: "our model of the invoice does not know this element",
    Cause.SYNTAX: "the target syntax does not hold this value",
    Cause.PROFILE: "the target profile does not have this term",
    Cause.FILE: "the target cannot carry this file",
    Cause.PAGE: "the page names this file and does not carry it",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """One thing that the result does not hold as the document does."""

    cause: Cause
    term: str = ""
    """BT-… or BG-…; empty where the norm has no term for it."""
    name: str = ""
    """The term's name, or the name of a file."""
    pointer: str = ""
    """Where it stands in the JSON form of the invoice (RFC 6901)."""
    path: str = ""
    """Where it stands in the XML of the document; only for what our model does not know."""
    changed: bool = False
    """Whether the result has another value in its place."""
    lowest: str = ""
    """The lowest profile that has a place for it; only for what a profile has none for."""

    @property
    def what(self) -> str:
        """It, in as few words as possible."""
        return self.path or " ".join(text for text in (self.term, self.name) if text)

    def as_json(self) -> dict[str, Any]:
        """The one JSON shape of a loss; empty members are left out."""
        members = {
            "cause": str(self.cause),
            "term": self.term,
            "name": self.name,
            "pointer": self.pointer,
            "path": self.path,
            "changed": self.changed,
            "lowest": self.lowest,
            "reason": _REASONS[self.cause],
        }
        return {name: value for name, value in members.items() if value not in ("", False)}


class Lossy(Exception):
    """The conversion would lose something, and nobody said that it may; `losses` names all of it. Crosses processes."""

    def __init__(self, losses: Iterable[Lost]) -> None:
        self.losses = tuple(losses)
        super().__init__(self.losses)

    def __str__(self) -> str:
        first = ", ".join(lost.what for lost in self.losses[:5])
        more = f" and {len(self.losses) - 5} more" if len(self.losses) > 5 else ""
        return f"{first}{more} would be lost"


class Unwritable(Unreadable):
    """The result would be no document that anybody takes; the findings are about it, not about the bytes read."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a document shall become; picklable."""

    to: str
    """One of TARGETS."""
    created: datetime
    """The instant a PDF says it was made, aware and to the second: the same wish gives the same bytes."""
    profile: str = ""
    """BT-24 of the result; empty: as the document has it."""
    language: str = "fr"
    """Of the readable page: one of `wording.languages`."""
    presentation: Presentation = PLAIN
    """How the account's pages look."""
    accept_losses: bool = False
    supplied: bytes | None = None
    """A PDF to put the invoice into, for facturx; None: our page."""
    attachments: tuple[Attachment, ...] = ()
    """Supporting documents to add."""
    rules: str | None = None
    """The operator's folder of rule artefacts."""


@dataclass(frozen=True, slots=True)
class Converted:
    """The result."""

    data: bytes
    media_type: str
    format: str
    """cii, ubl-invoice, ubl-creditnote, facturx, json or page."""
    profile: str
    """BT-24 of the result."""
    number: str
    """BT-1, to name a file by."""
    losses: tuple[Lost, ...] = ()
    unchanged: bool = False
    """Whether these are the bytes of the document, or of the XML in it."""
    preventions: tuple[Finding, ...] = ()
    """Why a supplied PDF is not the page of a Factur-X but goes along as an attachment of ours."""
    replaced: tuple[str, ...] = ()
    """Names of the invoices that a supplied PDF carried, in whose place this one stands."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A document that was read."""

    recognised: Recognised
    data: bytes
    invoice: Invoice
    unknown: tuple[Lost, ...]
    files: tuple[Embedded, ...]
    """Files that the PDF carries and its invoice does not."""
    touched: bool
    """Whether the invoice is another than the document's: profile changed, supporting documents added."""

    def xml(self, invoice: Invoice, syntax: str) -> bytes | None:
        """The XML of the document where it is in this syntax and says this invoice; None where it must be written."""
        same = self.recognised.xml is not None and self.recognised.syntax == syntax
        return self.recognised.xml if same and not self.touched and invoice == self.invoice else None


def convert(data: bytes, wish: Wish) -> Converted:
    """The document in the form wished for. Pure.

    Raises Unreadable where the document cannot be read, Unwritable where the result could not be read or would not
    follow its XSD (a text no XML carries, a profile that demands more than the document says), and Lossy.
    """
    if wish.to not in TARGETS:
        raise ValueError(f"no such target: {wish.to}")
    made = _made(_wanted(_take(data), wish), wish)
    if made.losses and not wish.accept_losses and wish.to != PAGE:
        raise Lossy(made.losses)
    return made


def profile_of(name: str) -> str:
    """BT-24 of a profile by its short name (minimum … extended-ctc-fr), or as it is written. Raises ValueError."""
    found = PROFILES.get(name.lower(), name if name.lower().startswith("urn:") else "")
    if name and not found:
        raise ValueError(f"no such profile: {name}; known are {', '.join(PROFILES)}, and any BT-24 (urn:…)")
    return found


def attachment_of(name: str, data: bytes) -> Attachment:
    """A supporting document (BG-24) of a file. Raises ValueError for a kind of file that EN 16931 does not allow."""
    media_type = _ATTACHABLE.get(name.lower().rpartition(".")[2])
    if media_type is None or not data:
        raise ValueError(f"{name}: EN 16931 takes PDF, PNG, JPEG, CSV, XLSX and ODS files that are not empty")
    return Attachment(id=name, content=data, media_type=media_type, filename=name)


def told(lost: Sequence[Lost]) -> dict[str, Any]:
    """The losses as members of a JSON object: as many as a report keeps, and how many more there are."""
    more = len(lost) - FINDINGS_LIMIT
    return {
        "losses": [one.as_json() for one in lost[:FINDINGS_LIMIT]],
        **({"uncounted": more} if more > 0 else {}),
    }


# Reading -------------------------------------------------------------------------------------------------------------


def _take(data: bytes) -> _Taken:
    """The document in our model, with what our model does not know. Raises Unreadable."""
    recognised = recognise(data)
    if recognised.format == JSON:
        return _Taken(recognised, data, json_form.read(data), (), (), False)
    assert recognised.xml is not None
    reading = FORMATS[recognised.syntax].read(recognised.xml)
    files: tuple[Embedded, ...] = ()
    if recognised.format == FACTURX:
        known = {attachment.content for attachment in reading.invoice.attachments}
        files = tuple(file for file in extract(data).others if file.data not in known and file.data != recognised.xml)
    unknown = tuple(Lost(Cause.UNKNOWN, path=path) for path in reading.unknown)
    return _Taken(recognised, data, reading.invoice, unknown, files, False)


def _wanted(taken: _Taken, wish: Wish) -> _Taken:
    """The invoice under the profile wished for, with the supporting documents to add."""
    invoice = taken.invoice
    if wish.profile and wish.profile != invoice.profile:
        invoice = replace(invoice, profile=wish.profile)
    if wish.attachments:
        invoice = replace(invoice, attachments=(*invoice.attachments, *wish.attachments))
    return replace(taken, invoice=invoice, touched=invoice != taken.invoice)


# Making --------------------------------------------------------------------------------------------------------------


def _made(taken: _Taken, wish: Wish) -> Converted:
    match wish.to:
        case "json":
            invoice, left = _with_files(taken, JSON)
            invoice, beyond = _fitted(invoice) if wish.profile else (invoice, ())
            lost = (*taken.unknown, *beyond, *left)
            return Converted(json_form.write(invoice), "application/json", JSON, invoice.profile, invoice.number, lost)
        case "page":
            return _page(taken, wish)
        case "facturx":
            return _facturx(taken, wish)
        case _:
            return _xml(taken, wish)


def _xml(taken: _Taken, wish: Wish) -> Converted:
    """CII or UBL: the bytes that are there where they are it, else written."""
    own = taken.recognised
    syntax = own.syntax if own.syntax.startswith(wish.to) else _syntax(wish.to, taken.invoice)
    invoice, left = _with_files(taken, wish.to)
    kept = taken.xml(invoice, syntax)
    if kept is not None:
        return Converted(kept, "application/xml", own.syntax, own.profile, invoice.number, left, unchanged=True)
    xml, _, missing = _written(invoice, syntax, wish)
    return Converted(xml, "application/xml", syntax, invoice.profile, invoice.number, (*taken.unknown, *missing, *left))


def _facturx(taken: _Taken, wish: Wish) -> Converted:
    """A Factur-X: the one that is there, else made around the XML that is there, else around one that is written.

    What our model does not know is lost even where the XML is kept, because the page would not show it.
    """
    own = taken.recognised
    if own.format == FACTURX and not taken.touched and wish.supplied is None:
        return Converted(taken.data, "application/pdf", FACTURX, own.profile, taken.invoice.number, unchanged=True)
    invoice, left = _with_files(taken, FACTURX)
    shown, missing = invoice, tuple[Lost, ...]()
    xml = taken.xml(invoice, "cii")
    if xml is None:
        xml, held, missing = _written(invoice, "cii", wish)
        shown, missing = _shown(invoice, held, missing)
    else:
        _hold(xml, "cii", invoice.profile, wish)
    lost = (*taken.unknown, *missing, *left)
    if lost and not wish.accept_losses:
        raise Lossy(lost)
    made = facturx.make(
        shown,
        xml,
        language=wish.language,
        created=wish.created,
        supplied=wish.supplied,
        presentation=wish.presentation,
    )
    return Converted(
        made.pdf,
        "application/pdf",
        FACTURX,
        invoice.profile,
        invoice.number,
        lost,
        preventions=made.preventions,
        replaced=made.replaced,
    )


def _page(taken: _Taken, wish: Wish) -> Converted:
    """The readable page alone, without the XML: a reader's copy that no software takes for a second original."""
    pdf = page.typeset(
        taken.invoice, language=wish.language, created=wish.created, presentation=wish.presentation, alone=True
    )
    carried = [
        Lost(Cause.PAGE, "BT-125", one.filename or one.id, f"/attachments/{number}/content")
        for number, one in enumerate(taken.invoice.attachments)
        if one.content
    ]
    files = [Lost(Cause.FILE, name=file.name) for file in taken.files]
    lost = (*taken.unknown, *carried, *files)
    return Converted(pdf, "application/pdf", PAGE, taken.invoice.profile, taken.invoice.number, lost)


def _shown(invoice: Invoice, held: Invoice, missing: tuple[Lost, ...]) -> tuple[Invoice, tuple[Lost, ...]]:
    """What the page of a Factur-X tells beside XML that holds less, and what is lost all the same.

    In the lean profiles the page tells everything; in the others it tells what the data does. The files of supporting
    documents are attached to the PDF whatever the profile, so they are not lost.
    """
    profile = profiles.named(invoice.profile)
    shown = invoice if profile in _LEAN else replace(held, attachments=invoice.attachments)
    if all(one.content for one in invoice.attachments):
        missing = tuple(one for one in missing if one.pointer != "/attachments")
    return shown, missing


def _fitted(invoice: Invoice) -> tuple[Invoice, tuple[Lost, ...]]:
    """The invoice as its profile can hold it, and what that has no place for.

    Values that no profile has a place for are left to the syntax: one of the two may hold them.
    """
    profile = profiles.named(invoice.profile)
    beyond = profiles.beyond(invoice, profile) if profile else ()
    if profile is None or not any(one.lowest for one in beyond):
        return invoice, ()
    gone = (Lost(Cause.PROFILE, one.term, one.name, one.pointer, lowest=one.lowest or "") for one in beyond)
    return profiles.reduced(invoice, profile), tuple(gone)


def _written(invoice: Invoice, syntax: str, wish: Wish) -> tuple[bytes, Invoice, tuple[Lost, ...]]:
    """The XML of what profile and syntax hold, what the profile holds, and what is lost. Raises Unwritable."""
    invoice, beyond = _fitted(invoice)
    try:
        xml = FORMATS[syntax].write(invoice)
        copy = FORMATS[syntax].read(xml).invoice
    except ValueError as error:  # a character that no XML carries
        says = f"A value cannot be written: {error}."
        raise Unwritable((Finding("CONVERSION-VALUE", Severity.FATAL, "conversion", says),)) from error
    except Unreadable as unreadable:
        raise Unwritable(unreadable.findings) from unreadable
    _hold(xml, syntax, invoice.profile, wish)
    missing = (
        Lost(Cause.SYNTAX, one.term, one.name, one.pointer, changed=one.changed) for one in losses(invoice, copy)
    )
    return xml, invoice, (*beyond, *missing)


def _hold(xml: bytes, syntax: str, profile: str, wish: Wish) -> None:
    """Hold what goes out against the XSD of its profile. Raises Unwritable."""
    _, findings = rulebook.apply(chain(syntax, profile, french=False)[0], parse(xml), b"", wish.rules)
    if findings:
        raise Unwritable(replace(finding, line=None) for finding in findings)


def _with_files(taken: _Taken, to: str) -> tuple[Invoice, tuple[Lost, ...]]:
    """The invoice with the files of its PDF as supporting documents, and those that cannot be one.

    XML of a profile without supporting documents has no room for them; JSON has, and a Factur-X carries them as files.
    """
    invoice, left = taken.invoice, []
    profile = profiles.named(invoice.profile)
    room = to in (JSON, FACTURX) or profile is None or profile.holds(Profile.EN16931)
    for file in taken.files:
        if room and file.media_type in _ATTACHABLE.values() and file.name:
            added = Attachment(
                id=file.name,
                description=file.description if file.description != file.name else "",
                content=file.data,
                media_type=file.media_type,
                filename=file.name,
            )
            invoice = replace(invoice, attachments=(*invoice.attachments, added))
        else:
            left.append(Lost(Cause.FILE, name=file.name))
    return invoice, tuple(left)


def _syntax(to: str, invoice: Invoice) -> str:
    """The name in FORMATS of a target."""
    if to == "cii":
        return "cii"
    return "ubl-creditnote" if invoice.type_code in CREDIT_NOTE_TYPES else "ubl-invoice"
