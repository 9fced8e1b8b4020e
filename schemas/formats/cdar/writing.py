"""Writing a status message, in schema order; the same message gives the same bytes.

Refuses what BR-FR-CDV would refuse for lack of content; the official XSD and Schematron stay the judges.
"""

from __future__ import annotations

from datetime import datetime

from lxml import etree

from schemas.formats.cdar import dates
from schemas.formats.cdar.message import (
    NAMESPACES,
    PORTAL_CODES,
    ROOT,
    RSM,
    Amount,
    Party,
    Reason,
    StatusMessage,
)

_PORTAL_PROCESS_LIMIT = 3
"""Characters of MDT-2 in a message to the public portal (BR-FR-CDV-CL-01)."""


def write(message: StatusMessage) -> bytes:
    """A message as bytes.

    Raises ValueError when BR-FR-CDV would refuse it for lack of content: a reason, an issuer, a recipient, amounts.
    """
    if wrong := _wrong(message):
        raise ValueError("; ".join(wrong))
    return written(message)


def written(message: StatusMessage) -> bytes:
    """A message as bytes, whatever it lacks: what was read can be shown so."""
    root = etree.Element(f"{{{RSM}}}{ROOT[1]}", nsmap=NAMESPACES)
    context = _add(root, "rsm:ExchangedDocumentContext")
    if message.process:
        _add(_add(context, "ram:BusinessProcessSpecifiedDocumentContextParameter"), "ram:ID", message.process)
    _add(_add(context, "ram:GuidelineSpecifiedDocumentContextParameter"), "ram:ID", message.guideline)
    document = _add(root, "rsm:ExchangedDocument")
    _add(document, "ram:ID", message.id)
    if message.name:
        _add(document, "ram:Name", message.name)
    _add_instant(_add(document, "ram:IssueDateTime"), message.issued_at or message.at)
    _add_party(document, "ram:SenderTradeParty", message.sender)
    _add_party(document, "ram:IssuerTradeParty", message.issuer)
    for recipient in message.recipients:
        _add_party(document, "ram:RecipientTradeParty", recipient)
    acknowledgement = _add(root, "rsm:AcknowledgementDocument")
    _add(_add(acknowledgement, "ram:MultipleReferencesIndicator"), "udt:Indicator", "false")
    _add(acknowledgement, "ram:TypeCode", message.status.phase if message.phase is None else message.phase)
    _add_instant(_add(acknowledgement, "ram:IssueDateTime"), message.at)
    _add_reference(acknowledgement, message)
    etree.indent(root, "  ")
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _wrong(message: StatusMessage) -> list[str]:
    status = message.status
    transmission = (message.phase or status.phase) == "305"
    inadmissible = message.code == "501"
    stated = (*message.amounts, *(datum for reason in message.reasons for datum in reason.data))
    collected = [datum for datum in stated if datum.kind == "MEN"]
    return [
        says
        for lacks, says in (
            (not message.id, "the message has no id (BR-FR-CDV-03)"),
            (not message.number, "the invoice has no number (BR-FR-CDV-10)"),
            (not message.recipients, "the message has no recipient"),
            (not transmission and not message.issuer.id, "the issuer has no id (BR-FR-CDV-07)"),
            (
                transmission and bool(message.issuer.id) and not message.for_portal,
                "a platform is not named as issuer (BR-FR-CDV-07)",
            ),
            (not inadmissible and message.issue_date is None, "the invoice has no date (BR-FR-CDV-11)"),
            (not inadmissible and not message.seller, "the seller has no SIREN (BR-FR-CDV-13)"),
            (status.needs_reason and not any(r.code for r in message.reasons), "a reason is missing (BR-FR-CDV-15)"),
            (
                message.code == "212"
                and not (collected and all(d.amount is not None and d.rate is not None for d in collected)),
                "an amount collected by VAT rate is missing (BR-FR-CDV-14)",
            ),
            (
                any(p.role not in ("WK", "DFH") and not p.address for p in message.recipients),
                "a recipient has no electronic address (BR-FR-CDV-08)",
            ),
            *_wrong_for_portal(message),
        )
        if lacks
    ]


def _wrong_for_portal(message: StatusMessage) -> tuple[tuple[bool, str], ...]:
    if not message.for_portal:
        return ()
    return (
        (message.code not in PORTAL_CODES, "the public portal does not take this status (G7.44)"),
        (len(message.process) > _PORTAL_PROCESS_LIMIT, "the process is not told to the portal (BR-FR-CDV-CL-01)"),
        (
            [(p.role, p.id, p.scheme) for p in message.recipients] != [("DFH", "0000", "0238")],
            "the portal is the only recipient, as 0000 (BR-FR-CDV-02)",
        ),
    )


def _add_reference(parent: etree._Element, message: StatusMessage) -> None:
    status = message.status
    about = _add(parent, "ram:ReferenceReferencedDocument")
    _add(about, "ram:IssuerAssignedID", message.number)
    kept = status.document_status if message.document_status is None else message.document_status
    _add_texts(about, ("ram:StatusCode", kept), ("ram:TypeCode", message.type_code))
    if message.received_at:
        _add_instant(_add(about, "ram:ReceiptDateTime"), message.received_at)
    _add_texts(about, ("ram:ReferenceTypeCode", message.reference))
    if message.issue_date:
        issued = _add(_add(about, "ram:FormattedIssueDateTime"), "qdt:DateTimeString", f"{message.issue_date:%Y%m%d}")
        issued.set("format", "102")
    _add(about, "ram:ProcessConditionCode", message.code)
    _add_texts(about, ("ram:ProcessCondition", status.label_fr if message.label is None else message.label))
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
    _add_texts(
        detail,
        ("ram:ReasonCode", reason.code),
        ("ram:Reason", reason.label),
        ("ram:RequestedActionCode", reason.action),
        ("ram:RequestedAction", reason.action_label),
    )
    _add(detail, "ram:SequenceNumeric", str(place))
    if reason.comment or reason.subject:
        note = _add(detail, "ram:IncludedNote")
        _add_texts(note, ("ram:Content", reason.comment), ("ram:SubjectCode", reason.subject))
    for datum in reason.data:
        _add_amount(detail, datum)


def _add_amount(detail: etree._Element, amount: Amount) -> None:
    item = _add(detail, "ram:SpecifiedDocumentCharacteristic")
    _add_texts(item, ("ram:ID", amount.term), ("ram:TypeCode", amount.kind))
    if amount.changed is not None:
        changed = "true" if amount.changed else "false"
        _add(_add(item, "ram:ValueChangedIndicator"), "udt:IndicatorString", changed)
    _add_texts(item, ("ram:Name", amount.name), ("ram:Location", amount.location), ("ram:Value", amount.text))
    if amount.amount is not None:
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
        if party.address_scheme:
            uri.set("schemeID", party.address_scheme)


def _add_instant(parent: etree._Element, at: datetime) -> None:
    _add(parent, "udt:DateTimeString", f"{dates.legal(at):%Y%m%d%H%M%S}").set("format", "204")


def _add_texts(parent: etree._Element, *named: tuple[str, str]) -> None:
    """Those of the texts that are not empty."""
    for name, text in named:
        if text:
            _add(parent, name, text)


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    prefix, _, local = name.partition(":")
    element = etree.SubElement(parent, f"{{{NAMESPACES[prefix]}}}{local}")
    element.text = text
    return element
