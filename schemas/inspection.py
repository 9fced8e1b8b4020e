"""What some bytes are: format, profile, what a PDF carries and claims, and whether its page says what its XML says.

For people who hold a file and ask. Being told here is not being taken: `taken` says whether the line would take it as
an invoice, and `refused` why not, in the words of the catalogue. What cannot be told is told to be so, part by part,
and is never to be read as fine: `None` is a number or list that is unknown, `Answer.UNTOLD` a question without answer.

Nothing raises on account of the bytes. The official rules are not run: that is the business of `schemas.judge`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any

from lxml import etree

from schemas import catalogue, json_form, likeness
from schemas.finding import Finding
from schemas.formats import cdar, orderx, ublorder
from schemas.formats.facturx import page_text
from schemas.formats.facturx.examination import Answer, Attachment, Examination, PdfA, Signature, examine
from schemas.formats.facturx.hybrid import Claimed, Mismatch, Standard, mismatches, standard_of
from schemas.formats.facturx.page_text import Legible
from schemas.invoice import Invoice
from schemas.likeness import Likeness
from schemas.order import OrderReading
from schemas.xml import Unreadable, name_of, parse

UNKNOWN_LIMIT = 200
"""Paths of unknown elements that are told; `more_unknown` counts the rest."""
TEXT_LIMIT = 2_000
"""Signs of one text of the file, such as the name of an attachment, that are told in JSON."""
_NAMESPACES_LIMIT = 30


class Kind(StrEnum):
    """What the first bytes say."""

    PDF = "pdf"
    XML = "xml"
    JSON = "json"
    EMPTY = "empty"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Content:
    """The structured part: the XML or JSON itself, or the XML that a PDF carries."""

    size: int
    lines: int
    sha256: str
    root: str
    """Local name of the root element; of JSON nothing."""
    namespace: str
    namespaces: tuple[str, ...]
    """Every namespace that is used, in the order of the document."""
    readable: Answer
    """Whether a model of ours reads it; UNTOLD where there is no model for its format."""
    unknown: tuple[str, ...] | None
    """Paths of elements that the model does not hold; None when it was not read."""
    more_unknown: int
    findings: tuple[Finding, ...]
    """Why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Page:
    """The readable page, held against the XML."""

    legible: Legible
    hidden: bool
    """Whether some of its text is drawn so that nobody sees it; a value may have been found there only."""
    reason: str
    """Why it was not read, or not compared; empty otherwise."""
    values: tuple[Likeness, ...] | None
    """What people pay by, value for value; None when it was not compared."""


@dataclass(frozen=True, slots=True)
class Pdf:
    """What is told of a PDF."""

    version: str
    pages: int | None
    revisions: int
    encrypted: Answer
    active: Answer
    active_part: str
    attachments: tuple[Attachment, ...] | None
    xml: str
    """Name of the attachment that was taken for the invoice or order; empty when none was."""
    why: str
    """Why that one."""
    described: Answer
    """Whether its XMP can be read."""
    claims: Claimed
    mismatches: tuple[Mismatch, ...] | None
    """Where XMP and attachment differ from the XML; None when it was not compared."""
    pdfa: PdfA
    pdfua: str | None
    """Part of PDF/UA that is claimed, which is not checked; empty when none is, None when that is not told."""
    output_intents: int | None
    signatures: tuple[Signature, ...] | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What some bytes are."""

    kind: Kind
    size: int
    sha256: str
    format: str
    """cii, ubl-invoice, ubl-creditnote, facturx, json, zugferd-1, order-x, ubl-order, cdar, pdf, xml, or empty."""
    title: str
    """The format for people."""
    profile: str
    """BT-24, or what stands for it in a neighbouring format; empty when there is none."""
    profile_name: str
    """Its name for people; empty when it is not known."""
    number: str
    """BT-1, or the number of an order; empty when it cannot be told."""
    taken: Answer
    """Whether the line takes it as an invoice; what the rules say of it is another question."""
    refused: tuple[Finding, ...]
    """Why it is not taken."""
    content: Content | None
    pdf: Pdf | None
    page: Page | None

    def as_json(self) -> dict[str, Any]:
        """The one JSON shape of an inspection; every member is always there, null where it is not told."""
        members = _plain(self)
        assert isinstance(members, dict)
        return members


def inspect(data: bytes) -> Inspection:
    """What the bytes are. Raises nothing on account of them."""
    kind = _kind(data)
    refused = _refused(data)
    pdf = examine(data) if kind is Kind.PDF else None
    inner = pdf.xml if pdf is not None else data if kind in (Kind.XML, Kind.JSON) else None
    read = _read(inner) if inner is not None else _Read()
    format_name = read.format or ("pdf" if kind is Kind.PDF else "")
    if pdf is not None and read.format == "cii":
        format_name = catalogue.FACTURX
    standard = standard_of(read.format, read.profile)
    return Inspection(
        kind=kind,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        format=format_name,
        title=_title(format_name),
        profile=read.profile,
        profile_name=standard.name,
        number=read.number,
        taken=Answer.NO if refused else Answer.YES,
        refused=refused,
        content=read.content,
        pdf=_pdf(pdf, standard, read) if pdf is not None else None,
        page=_page(data, pdf, read) if pdf is not None else None,
    )


def _kind(data: bytes) -> Kind:
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n\x00")
    if not start:
        return Kind.OTHER if data.strip(b" \t\r\n\x00") else Kind.EMPTY
    if b"%PDF-" in start:
        return Kind.PDF
    if start.startswith((b"{", b"[")):
        return Kind.JSON
    return Kind.XML if start.startswith((b"<", b"\xff\xfe", b"\xfe\xff")) else Kind.OTHER


def _refused(data: bytes) -> tuple[Finding, ...]:
    """Why the line would not take the bytes as an invoice; nothing when it would."""
    try:
        recognised = catalogue.recognise(data)
        if recognised.format == catalogue.JSON:
            json_form.read(data)
    except Unreadable as unreadable:
        return unreadable.findings
    return ()


# The structured part -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of the structured part."""

    format: str = ""
    profile: str = ""
    number: str = ""
    type_code: str = ""
    invoice: Invoice | None = None
    content: Content | None = None


_ZUGFERD_1 = ("urn:ferd:CrossIndustryDocument:invoice:1p0", "CrossIndustryDocument")
_NAMES = {
    **{format.root: format.name for format in catalogue.FORMATS.values()},
    _ZUGFERD_1: "zugferd-1",
    orderx.ROOT: orderx.NAME,
    ublorder.ROOT: ublorder.NAME,
    cdar.ROOT: "cdar",
}
_TITLES = {
    **{format.name: format.title for format in catalogue.FORMATS.values()},
    catalogue.FACTURX: "Factur-X / ZUGFeRD 2",
    catalogue.JSON: "JSON",
    "zugferd-1": "ZUGFeRD 1",
    orderx.NAME: orderx.TITLE,
    ublorder.NAME: ublorder.TITLE,
    "cdar": "CDAR",
    "pdf": "PDF",
    "xml": "XML",
}
_CONTEXT = etree.XPath("string(//*[local-name()='GuidelineSpecifiedDocumentContextParameter'][1]/*[local-name()='ID'])")
_KIND_OF_ORDER = etree.XPath("string(/*/*[local-name()='ExchangedDocument']/*[local-name()='TypeCode'])")


def _title(name: str) -> str:
    return _TITLES.get(name, "")


def _read(data: bytes) -> _Read:
    return _read_json(data) if _kind(data) is Kind.JSON else _read_xml(data)


def _read_xml(data: bytes) -> _Read:
    try:
        tree = parse(data)
    except Unreadable as unreadable:
        return _Read("xml", content=_content(data, findings=unreadable.findings, readable=Answer.NO))
    root = name_of(tree.getroot())
    name = _NAMES.get(root, "xml")
    profile = str(_CONTEXT(tree)).strip() or catalogue.profile_of(tree)
    read = _Read(name, profile, type_code=str(_KIND_OF_ORDER(tree)).strip())
    reader = _READERS.get(name)
    if reader is None:
        content = _content(data, tree, readable=Answer.UNTOLD)
        return _Read(name, profile, type_code=read.type_code, content=content)
    try:
        number, unknown, invoice = reader(data)
    except Unreadable as unreadable:
        content = _content(data, tree, findings=unreadable.findings, readable=Answer.NO)
        return _Read(name, profile, type_code=read.type_code, content=content)
    content = _content(data, tree, unknown=unknown, readable=Answer.YES)
    return _Read(name, profile, number, read.type_code, invoice, content)


_Reader = Callable[[bytes], tuple[str, tuple[str, ...], Invoice | None]]


def _invoice_reader(name: str) -> _Reader:
    def read(data: bytes) -> tuple[str, tuple[str, ...], Invoice | None]:
        found = catalogue.FORMATS[name].read(data)
        return found.invoice.number, found.unknown, found.invoice

    return read


def _order_reader(read_order: Callable[[bytes], OrderReading]) -> _Reader:
    def read(data: bytes) -> tuple[str, tuple[str, ...], Invoice | None]:
        found = read_order(data)
        return found.order.number, found.unknown, None

    return read


_READERS: dict[str, _Reader] = {
    **{name: _invoice_reader(name) for name in catalogue.FORMATS},
    orderx.NAME: _order_reader(orderx.read),
    ublorder.NAME: _order_reader(ublorder.read),
}


def _read_json(data: bytes) -> _Read:
    """Our own form of invoices; of an order in JSON, and of any other, what keeps it from being one is told."""
    profile = ""
    try:
        profile = catalogue.recognise(data).profile
        invoice = json_form.read(data)
    except Unreadable as unreadable:
        content = _content(data, findings=unreadable.findings, readable=Answer.NO)
        return _Read(catalogue.JSON, profile, content=content)
    return _Read(catalogue.JSON, profile, invoice.number, "", invoice, _content(data, unknown=(), readable=Answer.YES))


def _content(
    data: bytes,
    tree: etree._ElementTree | None = None,
    *,
    readable: Answer,
    unknown: tuple[str, ...] | None = None,
    findings: tuple[Finding, ...] = (),
) -> Content:
    namespace, root = name_of(tree.getroot()) if tree is not None else ("", "")
    return Content(
        size=len(data),
        lines=data.count(b"\n") + (not data.endswith(b"\n")),
        sha256=hashlib.sha256(data).hexdigest(),
        root=root,
        namespace=namespace,
        namespaces=_namespaces(tree) if tree is not None else (),
        readable=readable,
        unknown=unknown[:UNKNOWN_LIMIT] if unknown is not None else None,
        more_unknown=max(0, len(unknown or ()) - UNKNOWN_LIMIT),
        findings=findings,
    )


def _namespaces(tree: etree._ElementTree) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for element in tree.iter("{*}*"):
        found.setdefault(name_of(element)[0])
        if len(found) >= _NAMESPACES_LIMIT:
            break
    return tuple(namespace for namespace in found if namespace)


# The PDF -------------------------------------------------------------------------------------------------------------


def _pdf(found: Examination, standard: Standard, read: _Read) -> Pdf:
    taken = next((one for one in found.attachments or () if one.name == found.taken), None)
    compared = None
    if taken is not None and standard.known:
        compared = mismatches(found.claims, found.described is not Answer.NO, taken, standard, read.type_code)
    claims = found.claims
    return Pdf(
        version=found.version,
        pages=found.pages,
        revisions=found.revisions,
        encrypted=found.encrypted,
        active=found.active,
        active_part=found.active_part,
        attachments=found.attachments,
        xml=found.taken,
        why=found.why,
        described=found.described,
        claims=Claimed(claims.namespace, claims.document_type, claims.file_name, claims.version, claims.level),
        mismatches=compared,
        pdfa=found.pdfa,
        pdfua=claims.universal if found.described is not Answer.UNTOLD else None,
        output_intents=found.output_intents,
        signatures=found.signatures,
    )


def _page(data: bytes, found: Examination, read: _Read) -> Page:
    """The text of the page, and the values of the invoice in it."""
    if found.pages is None:
        return Page(Legible.UNREAD, False, "the PDF cannot be opened", None)
    text = page_text.read(data)
    if text.legible is not Legible.TEXT:
        return Page(text.legible, text.hidden, text.reason, None)
    if read.invoice is None:
        return Page(text.legible, text.hidden, "there is no invoice to hold it against", None)
    return Page(text.legible, text.hidden, "", likeness.compare(read.invoice, text.text))


# JSON ----------------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """Values as JSON knows them."""
    if isinstance(value, Finding):
        return value.as_json()
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return str(value) if len(value) <= TEXT_LIMIT else f"{value[:TEXT_LIMIT]}…"
    return value
