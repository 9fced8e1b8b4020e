"""CDAR, the status message of the French life cycle (UN/CEFACT D22B), read and written.

A message says one thing (a code, MDT-105) about one invoice (its number and its seller's SIREN). Reading takes what the
gateway acts on and shows; everything else stays in the bytes, which are kept. Messages about several documents at once
(MDT-74 true) are refused by name: the platforms that publish their choice accept one invoice and one status a message.

Writing gives a message between platforms (guideline CDV:invoice). It refuses (ValueError) what BR-FR-CDV would refuse
for lack of content; the official XSD and Schematron stay the judges.

Date-times have no zone in this syntax (formats 204, 203, 102). They are read and written as legal time of mainland
France, which is what the published examples look like; no published text says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from lxml import etree

from schemas.format import Message
from schemas.formats.cdar.vocabulary import STATUSES, Status, further, named, reached_buyer, status_of
from schemas.xml import line_of, name_of, parse, refusal

__all__ = [
    "FORMAT",
    "STATUSES",
    "Amount",
    "Party",
    "Reason",
    "Status",
    "StatusMessage",
    "further",
    "named",
    "reached_buyer",
    "read",
    "status_of",
    "write",
]

RSM = "urn:un:unece:uncefact:data:standard:CrossDomainAcknowledgementAndResponse:100"
RAM = "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100"
UDT = "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"
QDT = "urn:un:unece:uncefact:data:standard:QualifiedDataType:100"
NAMESPACES = {"rsm": RSM, "ram": RAM, "udt": UDT, "qdt": QDT}
ROOT = (RSM, "CrossDomainAcknowledgementAndResponse")

FORMAT = Message(
    name="cdar",
    title="CDAR status message",
    root=ROOT,
    day="rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString",
    profile="rsm:ExchangedDocumentContext/ram:GuidelineSpecifiedDocumentContextParameter/ram:ID",
)
"""How it is recognised, and where its day (MDT-8) and its guideline (MDT-3) stand."""

GUIDELINE = "urn.cpro.gouv.fr:1p0:CDV:invoice"
"""MDT-3 of a message between platforms."""
TEXT_LIMIT = 4_000
"""Characters kept of a free text; the rest stays in the bytes."""
DETAILS_LIMIT = 1_000
"""Reasons, and amounts, read of one message."""

_CODE = re.compile(r"[0-9A-Za-z_.-]{1,35}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,24}(?:\.[0-9]{0,12})?")
_FORMATS = {"204": "%Y%m%d%H%M%S", "203": "%Y%m%d%H%M", "102": "%Y%m%d"}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why (MDG-37)."""

    code: str
    """MDT-113: DEST_ERR, TX_TVA_ERR, …; empty when only a comment is given."""
    comment: str = ""
    """MDT-126, what a person wrote; for people."""
    label: str = ""
    """MDT-114, the label of the code as the other side wrote it."""
    action: str = ""
    """MDT-121, what is asked: NOA, PIN, NIN, CNF, CNP, CNA, OTH."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount the message states (MDG-43)."""

    kind: str
    """MDT-207: MEN collected, MPA paid, …"""
    amount: Decimal
    """MDT-215, VAT included for MEN and MPA; negative for a refund."""
    currency: str
    """ISO 4217; EUR where the message names none."""
    rate: Decimal | None = None
    """MDT-224, the VAT rate in per cent."""
    on: date | None = None
    """The day of the payment."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who issued a message, or to whom it goes."""

    role: str
    """SE seller, BY buyer, WK platform, DFH the public portal, …"""
    id: str = ""
    scheme: str = ""
    """0002 SIREN, 0238 platform number."""
    name: str = ""
    address: str = ""
    """MDT-73, the electronic address."""
    address_scheme: str = "0225"


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """What a party or a platform says about one invoice."""

    code: str
    """MDT-105, kept also when `status_of` does not know it."""
    at: datetime
    """When the status was set (MDT-78), aware, UTC."""
    number: str
    """MDT-87, the invoice's number (BT-1)."""
    seller: str
    """MDT-129, the seller's SIREN (BT-30); empty when the message names none (allowed for 501)."""
    id: str
    """MDT-4, the message's own id."""
    issuer: Party
    """Who says it (MDG-10)."""
    reasons: tuple[Reason, ...] = ()
    amounts: tuple[Amount, ...] = ()
    issued_at: datetime | None = None
    """When the message was made (MDT-8), aware, UTC."""
    type_code: str = ""
    """MDT-91, the invoice's type (BT-3)."""
    issue_date: date | None = None
    """MDT-100, the invoice's date (BT-2)."""
    received_at: datetime | None = None
    """MDT-95, when the invoice was taken by the platform, aware, UTC."""
    recipients: tuple[Party, ...] = ()
    """To whom the message goes (MDG-17)."""

    @property
    def status(self) -> Status:
        """The status in our words."""
        return status_of(self.code)


def read(data: bytes) -> StatusMessage:
    """A status message from its bytes. Raises `schemas.xml.Unreadable`: XML-…, CDAR-ROOT, CDAR-MULTIPLE, CDAR-MISSING,
    CDAR-CODE, CDAR-DATE, CDAR-AMOUNT.
    """
    root = parse(data).getroot()
    if name_of(root) != ROOT:
        raise refusal("CDAR-ROOT", "This is no CDAR status message.", layer="cdar", line=line_of(root))
    references = _all(root, "rsm:AcknowledgementDocument/ram:ReferenceReferencedDocument")
    if len(references) > 1:
        says = f"The message speaks about {len(references)} documents; messages about one are read."
        raise refusal("CDAR-MULTIPLE", says, layer="cdar", line=line_of(references[1]))
    if not references:
        raise _missing(root, "ram:ReferenceReferencedDocument")
    about = references[0]
    code = _text(about, "ram:ProcessConditionCode") or _text(
        about, "ram:SpecifiedDocumentStatus/ram:ProcessConditionCode"
    )
    if not code:
        raise _missing(about, "ram:ProcessConditionCode (MDT-105)")
    if not _CODE.fullmatch(code):
        says = "The status code (MDT-105) is no code of at most 35 letters and digits."
        raise refusal("CDAR-CODE", says, layer="cdar", line=line_of(about))
    number = _text(about, "ram:IssuerAssignedID")
    if not number:
        raise _missing(about, "ram:IssuerAssignedID (MDT-87)")
    issued_at = _instant(root, "rsm:ExchangedDocument/ram:IssueDateTime/udt:DateTimeString")
    at = _instant(root, "rsm:AcknowledgementDocument/ram:IssueDateTime/udt:DateTimeString") or issued_at
    if at is None:
        raise _missing(root, "ram:IssueDateTime (MDT-78)")
    details = _all(about, "ram:SpecifiedDocumentStatus")[:DETAILS_LIMIT]
    issued = _instant(about, "ram:FormattedIssueDateTime/qdt:DateTimeString")
    return StatusMessage(
        code=code,
        at=at,
        number=number,
        seller=_siren(about),
        id=_text(root, "rsm:ExchangedDocument/ram:ID"),
        issuer=_party(root.find("rsm:ExchangedDocument/ram:IssuerTradeParty", NAMESPACES)),
        reasons=tuple(reason for detail in details if (reason := _reason(detail))),
        amounts=tuple(amount for detail in details for amount in _amounts(detail))[:DETAILS_LIMIT],
        issued_at=issued_at,
        type_code=_text(about, "ram:TypeCode"),
        issue_date=_legal(issued).date() if issued else None,
        received_at=_instant(about, "ram:ReceiptDateTime/udt:DateTimeString"),
        recipients=tuple(_party(party) for party in _all(root, "rsm:ExchangedDocument/ram:RecipientTradeParty")),
    )


def write(message: StatusMessage) -> bytes:
    """A message between platforms as bytes, in schema order; the same message gives the same bytes.

    Raises ValueError when BR-FR-CDV would refuse it for lack of content: a reason, an issuer, a recipient, amounts.
    """
    _check(message)
    status = message.status
    root = etree.Element(f"{{{RSM}}}{ROOT[1]}", nsmap=NAMESPACES)
    context = _add(root, "rsm:ExchangedDocumentContext")
    _add(_add(context, "ram:BusinessProcessSpecifiedDocumentContextParameter"), "ram:ID", "REGULATED")
    _add(_add(context, "ram:GuidelineSpecifiedDocumentContextParameter"), "ram:ID", GUIDELINE)
    document = _add(root, "rsm:ExchangedDocument")
    _add(document, "ram:ID", message.id)
    _add_instant(_add(document, "ram:IssueDateTime"), message.issued_at or message.at)
    _add(_add(document, "ram:SenderTradeParty"), "ram:RoleCode", "WK")
    _add_party(document, "ram:IssuerTradeParty", message.issuer)
    for recipient in message.recipients:
        _add_party(document, "ram:RecipientTradeParty", recipient)
    acknowledgement = _add(root, "rsm:AcknowledgementDocument")
    _add(_add(acknowledgement, "ram:MultipleReferencesIndicator"), "udt:Indicator", "false")
    _add(acknowledgement, "ram:TypeCode", "305" if status.transmission else "23")
    _add_instant(_add(acknowledgement, "ram:IssueDateTime"), message.at)
    _add_reference(acknowledgement, message, status)
    etree.indent(root, "  ")
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _check(message: StatusMessage) -> None:
    status = message.status
    wrong = [
        says
        for lacks, says in (
            (not message.id, "the message has no id (BR-FR-CDV-03)"),
            (not message.number, "the invoice has no number (BR-FR-CDV-10)"),
            (not message.recipients, "the message has no recipient"),
            (not status.transmission and not message.issuer.id, "the issuer has no id (BR-FR-CDV-07)"),
            (status.transmission and bool(message.issuer.id), "a platform is not named as issuer (BR-FR-CDV-07)"),
            (message.code != "501" and message.issue_date is None, "the invoice has no date (BR-FR-CDV-11)"),
            (message.code != "501" and not message.seller, "the seller has no SIREN (BR-FR-CDV-13)"),
            (status.needs_reason and not any(r.code for r in message.reasons), "a reason is missing (BR-FR-CDV-15)"),
            (
                message.code == "212" and not any(a.kind == "MEN" and a.rate is not None for a in message.amounts),
                "an amount collected by VAT rate is missing (BR-FR-CDV-14)",
            ),
            (
                any(p.role not in ("WK", "DFH") and not p.address for p in message.recipients),
                "a recipient has no electronic address (BR-FR-CDV-08)",
            ),
        )
        if lacks
    ]
    if wrong:
        raise ValueError("; ".join(wrong))


def _add_reference(parent: etree._Element, message: StatusMessage, status: Status) -> None:
    about = _add(parent, "ram:ReferenceReferencedDocument")
    _add(about, "ram:IssuerAssignedID", message.number)
    if status.document_status:
        _add(about, "ram:StatusCode", status.document_status)
    if message.type_code:
        _add(about, "ram:TypeCode", message.type_code)
    if message.received_at:
        _add_instant(_add(about, "ram:ReceiptDateTime"), message.received_at)
    if message.issue_date:
        issued = _add(_add(about, "ram:FormattedIssueDateTime"), "qdt:DateTimeString", f"{message.issue_date:%Y%m%d}")
        issued.set("format", "102")
    _add(about, "ram:ProcessConditionCode", message.code)
    _add(about, "ram:ProcessCondition", status.label_fr)
    if message.seller:
        _add_party(about, "ram:IssuerTradeParty", Party(role="", id=message.seller, scheme="0002"))
    for place, reason in enumerate(message.reasons, 1):
        _add_reason(about, place, reason)
    if message.amounts:
        detail = _add(about, "ram:SpecifiedDocumentStatus")
        _add(detail, "ram:SequenceNumeric", str(len(message.reasons) + 1))
        for amount in message.amounts:
            _add_amount(detail, amount)


def _add_reason(about: etree._Element, place: int, reason: Reason) -> None:
    detail = _add(about, "ram:SpecifiedDocumentStatus")
    for name, text in (
        ("ram:ReasonCode", reason.code),
        ("ram:Reason", reason.label),
        ("ram:RequestedActionCode", reason.action),
    ):
        if text:
            _add(detail, name, text)
    _add(detail, "ram:SequenceNumeric", str(place))
    if reason.comment:
        note = _add(detail, "ram:IncludedNote")
        _add(note, "ram:Content", reason.comment)


def _add_amount(detail: etree._Element, amount: Amount) -> None:
    item = _add(detail, "ram:SpecifiedDocumentCharacteristic")
    _add(item, "ram:TypeCode", amount.kind)
    _add(item, "ram:ValueAmount", f"{amount.amount:f}").set("currencyID", amount.currency)
    if amount.on:
        day = _add(_add(item, "ram:ValueDateTime"), "udt:DateTimeString", f"{amount.on:%Y%m%d}")
        day.set("format", "102")
    if amount.rate is not None:
        _add(item, "ram:ValuePercent", f"{amount.rate:f}")


def _add_party(parent: etree._Element, name: str, party: Party) -> None:
    element = _add(parent, name)
    if party.id:
        _add(element, "ram:GlobalID", party.id).set("schemeID", party.scheme or "0002")
    if party.name:
        _add(element, "ram:Name", party.name)
    if party.role:
        _add(element, "ram:RoleCode", party.role)
    if party.address:
        uri = _add(_add(element, "ram:URIUniversalCommunication"), "ram:URIID", party.address)
        uri.set("schemeID", party.address_scheme)


def _add_instant(parent: etree._Element, at: datetime) -> None:
    _add(parent, "udt:DateTimeString", f"{_legal(at):%Y%m%d%H%M%S}").set("format", "204")


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    prefix, _, local = name.partition(":")
    element = etree.SubElement(parent, f"{{{NAMESPACES[prefix]}}}{local}")
    element.text = text
    return element


def _all(element: etree._Element, path: str) -> Sequence[etree._Element]:
    return element.findall(path, NAMESPACES)


def _text(element: etree._Element, path: str) -> str:
    return (element.findtext(path, namespaces=NAMESPACES) or "").strip()[:TEXT_LIMIT]


def _siren(about: etree._Element) -> str:
    """The seller's SIREN: the id of scheme 0002, else the first nine digits of a SIRET (0009), else the only id."""
    found = {
        party.get("schemeID", ""): (party.text or "").strip()
        for party in _all(about, "ram:IssuerTradeParty/ram:GlobalID")
    }
    return (
        found.get("0002")
        or found.get("0009", "")[:9]
        or found.get("", "")
        or _text(about, "ram:IssuerTradeParty/ram:ID")
    )


def _party(element: etree._Element | None) -> Party:
    if element is None:
        return Party(role="")
    known, uri = element.find("ram:GlobalID", NAMESPACES), element.find("*/ram:URIID", NAMESPACES)
    return Party(
        role=_text(element, "ram:RoleCode"),
        id=_text(element, "ram:GlobalID"),
        scheme="" if known is None else known.get("schemeID", ""),
        name=_text(element, "ram:Name"),
        address="" if uri is None else (uri.text or "").strip(),
        address_scheme="0225" if uri is None else uri.get("schemeID", "0225"),
    )


def _reason(detail: etree._Element) -> Reason | None:
    notes = [(note.text or "").strip() for note in _all(detail, "ram:IncludedNote/ram:Content")]
    reason = Reason(
        code=_text(detail, "ram:ReasonCode")[:35],
        comment="\n".join(note for note in notes if note)[:TEXT_LIMIT],
        label=_text(detail, "ram:Reason"),
        action=_text(detail, "ram:RequestedActionCode")[:35],
    )
    return reason if reason.code or reason.comment or reason.label else None


def _amounts(detail: etree._Element) -> list[Amount]:
    found = []
    for item in _all(detail, "ram:SpecifiedDocumentCharacteristic"):
        value = item.find("ram:ValueAmount", NAMESPACES)
        if value is None:
            continue
        paid_on = _instant(item, "ram:ValueDateTime/udt:DateTimeString")
        rate = _text(item, "ram:ValuePercent")
        found.append(
            Amount(
                kind=_text(item, "ram:TypeCode")[:35],
                amount=_decimal(value, (value.text or "").strip()),
                currency=value.get("currencyID", "EUR"),
                rate=_decimal(item, rate) if rate else None,
                on=_legal(paid_on).date() if paid_on else None,
            )
        )
    return found


def _decimal(element: etree._Element, text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise refusal("CDAR-AMOUNT", "An amount or a rate is no decimal number.", layer="cdar", line=line_of(element))
    return Decimal(text)


def _instant(element: etree._Element, path: str) -> datetime | None:
    """A date-time in UTC; a day alone is its first instant in France."""
    found = element.find(path, NAMESPACES)
    if found is None:
        return None
    text, form = (found.text or "").strip(), found.get("format", "204")
    try:
        if not text.isascii() or not text.isdigit():
            raise ValueError
        legal = datetime.strptime(text, _FORMATS[form]).replace(tzinfo=UTC)
        return legal - _offset(legal, of_legal_time=True)
    except (ValueError, KeyError, OverflowError):
        says = f"A date is not of format {', '.join(_FORMATS)} or not in the calendar."
        raise refusal("CDAR-DATE", says, layer="cdar", line=line_of(found)) from None


def _legal(at: datetime) -> datetime:
    """Legal time of mainland France, as a clock there shows it."""
    utc = at.astimezone(UTC)
    return utc + _offset(utc, of_legal_time=False)


def _offset(at: datetime, *, of_legal_time: bool) -> timedelta:
    """What France is ahead of UTC: two hours from the last Sunday of March to that of October, 01:00 UTC (2000/84/EC).

    Written out, because a machine may lack the time zone database. The hour that comes twice is read as summer time.
    """
    ahead = timedelta(hours=2) if of_legal_time else timedelta(0)
    begins, ends = (_last_sunday(at.year, month) for month in (3, 10))
    summer = begins <= at - ahead < ends
    return timedelta(hours=2 if summer else 1)


def _last_sunday(year: int, month: int) -> datetime:
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)


def _missing(element: etree._Element, what: str) -> Exception:
    return refusal("CDAR-MISSING", f"The message lacks {what}.", layer="cdar", line=line_of(element))
