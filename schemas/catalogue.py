"""What this gateway takes: the formats, one line each, how bytes are recognised, and which rules a document answers to.

Messages beside invoices (status messages, e-reporting) are no submissions: they are recognised for those who judge.

A format is told by its content: the first bytes, then the root element and its namespace. A declared media type is only
held against that, never trusted. What is not taken is refused by name, with what would have been taken: ZUGFeRD 1 and
Order-X look like invoices of ours and are none.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from schemas import json_form
from schemas.format import Format, Message
from schemas.formats import cdar, cii, flux10, ubl
from schemas.formats.facturx.extract import extract
from schemas.rulebook import Rules
from schemas.rulebooks import en16931, facturx, fr
from schemas.xml import PREFIXES, Unreadable, name_of, parse, refusal

FORMATS: Mapping[str, Format] = {format.name: format for format in (cii.FORMAT, ubl.INVOICE, ubl.CREDIT_NOTE)}
"""The syntaxes of invoices. Beside them stand their wrappings: json (our own form) and facturx (CII inside a PDF)."""

MESSAGES: Mapping[str, Message] = {message.name: message for message in (cdar.FORMAT, flux10.FORMAT)}
"""What is no invoice and judged all the same."""

JSON = "json"
FACTURX = "facturx"

_ROOTS = {format.root: format.name for format in FORMATS.values()}
_CHAINS = {"cdar": (fr.CDAR_XSD, fr.BR_FR_CDV), "flux10": (fr.FLUX10_XSD, fr.FLUX10)}
_DAYS = {
    "cii": "rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString",
    "ubl-invoice": "cbc:IssueDate",
    "ubl-creditnote": "cbc:IssueDate",
    **{message.name: message.day for message in MESSAGES.values()},
}
"""Where the day of a document stands, by its syntax: BT-2, or when a message was made."""
_DAY = re.compile(r"\s*(\d{4})-?(\d{2})-?(\d{2})")
_CONTEXT = {"cii": "rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID"}
_CUSTOMIZATION = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}CustomizationID"
_RSM = "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100"
_RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
_SPACES = {prefix: namespace for namespace, prefix in PREFIXES.items()}
_NEIGHBOURS = {
    "urn:ferd:CrossIndustryDocument:invoice:1p0": "a ZUGFeRD 1 invoice, replaced by Factur-X and not taken",
    "urn:un:unece:uncefact:data:SCRDMCCBDACIOMessageStructure:100": "an Order-X order, not an invoice",
    "urn:un:unece:uncefact:data:standard:CrossDomainAcknowledgementAndResponse:100": "a CDAR status, not an invoice",
}
_MEDIA = {
    "application/json": "JSON",
    "text/json": "JSON",
    "application/xml": "XML",
    "text/xml": "XML",
    "application/pdf": "PDF",
}
_ANYTHING = ("", "application/octet-stream", "binary/octet-stream")


@dataclass(frozen=True, slots=True)
class Recognised:
    """What some bytes are."""

    format: str
    """cii, ubl-invoice, ubl-creditnote, facturx or json; of a message its own name."""
    profile: str
    """BT-24 as found, trimmed; empty when there is none."""
    xml: bytes | None = None
    """The structured invoice as bytes: the document itself, or what the PDF carries; None for JSON."""

    @property
    def syntax(self) -> str:
        """The name in FORMATS of the structured invoice; JSON is written as CII."""
        return "cii" if self.format in (JSON, FACTURX) else self.format


@dataclass(frozen=True, slots=True)
class Opened:
    """A recognised document with its tree, for those who go on with it in the same process."""

    recognised: Recognised
    tree: etree._ElementTree | None
    """None for JSON."""


def recognise(data: bytes, media_type: str | None = None) -> Recognised:
    """What the bytes are. `media_type` is what the caller says they are; None: nothing was said.

    Raises Unreadable: FORMAT-EMPTY, FORMAT-UNKNOWN, MEDIA-TYPE, PDF-SIZE, JSON-SIZE, and what the readers of XML
    (XML-…), JSON (JSON…) and PDF (PDF-…) refuse.
    """
    return opened(data, media_type).recognised


def opened(data: bytes, media_type: str | None = None, *, messages: bool = False) -> Opened:
    """The same as `recognise`, with the tree that was parsed to know. Raises the same.

    With `messages`, what is in MESSAGES is taken too.
    """
    kind = _kind(data)
    _hold_against(media_type, kind)
    match kind:
        case "JSON":
            return Opened(Recognised(JSON, _profile_of_json(json_form.loads(data))), None)
        case "PDF":
            attached = extract(data).xml
            tree = parse(attached)
            if _format_of(tree) != "cii":
                raise _unknown(tree, "The XML in the PDF is")
            return Opened(Recognised(FACTURX, profile_of(tree), attached), tree)
        case _:
            tree = parse(data)
            if messages and (message := _message_of(tree)):
                return Opened(Recognised(message.name, _text(tree, message.name, message.profile), data), tree)
            return Opened(Recognised(_format_of(tree), profile_of(tree), data), tree)


def profile_of(tree: etree._ElementTree) -> str:
    """BT-24 of an invoice in CII or UBL, trimmed; empty when there is none."""
    root = tree.getroot()
    if name_of(root)[0] == _RSM:
        found = root.findtext(_CONTEXT["cii"], namespaces={"rsm": _RSM, "ram": _RAM})
    else:
        found = root.findtext(_CUSTOMIZATION)
    return (found or "").strip()


def day_of(tree: etree._ElementTree, syntax: str) -> datetime.date | None:
    """The day of an invoice (BT-2), or on which a message was made; None where none can be read. `syntax` is a name of
    FORMATS or MESSAGES."""
    found = _DAY.match(_text(tree, syntax, _DAYS[syntax]))
    try:
        return datetime.date(*map(int, found.groups())) if found else None
    except ValueError:
        return None


def chain(syntax: str, profile: str, french: bool) -> tuple[Rules, ...]:
    """The official layers a document answers to, in order: its XSD, its base rules, and BR-FR where asked for.

    `syntax` is a name of FORMATS or MESSAGES. BT-24 as declared decides the base layer; a wrong value is what that
    layer refuses.
    """
    if syntax in _CHAINS:
        return _CHAINS[syntax]
    if syntax == "cii":
        base = (facturx.D22B, fr.EXTENDED_CII) if profile == fr.EXTENDED_CTC_FR else facturx.chain(profile)
        return (*base, fr.BR_FR_CII) if french else base
    xsd = en16931.CREDIT_NOTE_XSD if syntax == "ubl-creditnote" else en16931.INVOICE_XSD
    rules = fr.EXTENDED_UBL if profile == fr.EXTENDED_CTC_FR else en16931.UBL
    return (xsd, rules, fr.BR_FR_UBL) if french else (xsd, rules)


def artefacts() -> tuple[Rules, ...]:
    """Every artefact that judges documents, for who lists or checks them."""
    ubl = (en16931.INVOICE_XSD, en16931.CREDIT_NOTE_XSD, en16931.UBL)
    french = (fr.EXTENDED_CII, fr.EXTENDED_UBL, fr.BR_FR_CII, fr.BR_FR_UBL)
    return (*facturx.ALL, *ubl, *french, *_CHAINS["cdar"], *_CHAINS["flux10"])


def _message_of(tree: etree._ElementTree) -> Message | None:
    root = tree.getroot()
    name = name_of(root)
    message = next((one for one in MESSAGES.values() if one.root == name), None)
    if message is None or not message.first:
        return message
    inside = next((name_of(child)[1] for child in root.iterchildren("*")), "")
    return message if inside in message.first else None


def _text(tree: etree._ElementTree, syntax: str, path: str) -> str:
    """The text at a path of _DAYS or of a profile, trimmed; empty where there is none."""
    spaces = cdar.NAMESPACES if syntax == cdar.FORMAT.name else _SPACES
    return (tree.getroot().findtext(path, namespaces=spaces) or "").strip() if path else ""


def _kind(data: bytes) -> str:
    """JSON, XML or PDF, told by the first bytes."""
    if not data.strip(b" \t\r\n\x00"):
        raise refusal("FORMAT-EMPTY", "There is nothing to read: the document is empty.", layer="format")
    start = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    if start.startswith(b"%PDF-"):
        return "PDF"
    if start.startswith((b"{", b"[")):
        return "JSON"
    if start.startswith((b"<", b"\xff\xfe", b"\xfe\xff", b"\x00<", b"\x00\x00\x00<")):
        return "XML"
    says = "The bytes are neither XML nor JSON nor PDF. " + _taken()
    raise refusal("FORMAT-UNKNOWN", says, layer="format")


def _hold_against(media_type: str | None, kind: str) -> None:
    """A declared media type must not contradict the bytes."""
    declared = (media_type or "").partition(";")[0].strip().lower()
    if declared in _ANYTHING:
        return
    suffix = {"xml": "XML", "json": "JSON"}.get(declared.rpartition("+")[2])
    means = _MEDIA.get(declared, suffix)
    if means == kind:
        return
    says = (
        f"The content is declared as {declared[:100]}, but the bytes are {kind}."
        if means
        else f"The media type {declared[:100]} is not taken. {_taken()}"
    )
    raise refusal("MEDIA-TYPE", says, layer="format")


def _format_of(tree: etree._ElementTree) -> str:
    format_name = _ROOTS.get(name_of(tree.getroot()))
    if format_name is None:
        raise _unknown(tree, "The document is")
    return format_name


def _unknown(tree: etree._ElementTree, begin: str) -> Unreadable:
    namespace, name = name_of(tree.getroot())
    where = f"in the namespace {namespace[:200]}" if namespace else "in no namespace"
    neighbour = next((text for start, text in _NEIGHBOURS.items() if namespace.startswith(start)), None)
    says = f"{begin} {neighbour}." if neighbour else f"{begin} XML with the root element {name[:100]} {where}."
    return refusal("FORMAT-UNKNOWN", f"{says} {_taken()}", layer="format", line=1)


def _taken() -> str:
    titles = ", ".join(format.title for format in FORMATS.values())
    return f"Taken are {titles}, Factur-X PDF and our JSON form."


def _profile_of_json(invoice: Any) -> str:
    profile = invoice.get("profile") if isinstance(invoice, dict) else None
    return profile.strip() if isinstance(profile, str) else ""
