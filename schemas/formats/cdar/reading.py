"""Reading a status message: one about one invoice, or one about several into several.

Takes what the model holds; the rest stays in the bytes, and `unheld` tells it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from lxml import etree

from schemas.formats.cdar import dates
from schemas.formats.cdar.message import GUIDELINE, NAMESPACES, ROOT, Amount, Party, Reason, StatusMessage
from schemas.formats.cdar.vocabulary import status_of
from schemas.formats.cdar.writing import written
from schemas.xml import line_of, name_of, parse, refusal

TEXT_LIMIT = 4_000
"""Characters kept of a free text; the rest stays in the bytes."""
DETAILS_LIMIT = 1_000
"""Reasons, and amounts, read of one message."""
DOCUMENTS_LIMIT = 1_000
"""Documents that one message may speak of."""

_CODE = re.compile(r"[0-9A-Za-z_.-]{1,35}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,24}(?:\.[0-9]{0,12})?")
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_IDLE = {"SequenceNumeric", "MultipleReferencesIndicator"}
"""Elements that say nothing by themselves: their parents' places tell."""


def read(data: bytes) -> StatusMessage:
    """A status message about one document, from its bytes. Raises `schemas.xml.Unreadable`: XML-…, CDAR-ROOT,
    CDAR-MULTIPLE, CDAR-MISSING, CDAR-CODE, CDAR-DATE, CDAR-AMOUNT.

    Messages about several documents are refused by name: the platforms that publish their choice accept one invoice
    and one status a message.
    """
    root = _root(data)
    references = _references(root)
    if len(references) > 1:
        says = f"The message speaks about {len(references)} documents; messages about one are read."
        raise refusal("CDAR-MULTIPLE", says, layer="cdar", line=line_of(references[1][1]))
    return _message(root, *references[0])


def read_all(data: bytes) -> tuple[StatusMessage, ...]:
    """What a message says about each of its documents, in its order. Raises the same, but for CDAR-MULTIPLE."""
    root = _root(data)
    return tuple(_message(root, *one) for one in _references(root)[:DOCUMENTS_LIMIT])


def unheld(data: bytes) -> tuple[str, ...]:
    """Paths of what stands in the bytes and not in what was read of them, sorted, each as often. Raises as `read_all`.

    It is told by writing what was read, so that nothing can be forgotten here.
    """
    source = Counter(_leaves(_root(data)))
    for message in read_all(data):
        source -= Counter(_leaves(parse(written(message)).getroot()))
    return tuple(sorted(path for path, _, _ in source.elements()))


def _leaves(root: etree._Element) -> Iterator[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Path, text and attributes of each element that holds no other."""
    for element in root.iter("*"):
        names = [name_of(one)[1] for one in (*reversed(list(element.iterancestors())), element)]
        if len(element) or _IDLE & set(names):
            continue
        attributes = tuple(sorted((str(name), str(value)) for name, value in element.attrib.items()))
        yield "/".join(names[1:]), (element.text or "").strip(), attributes


def _root(data: bytes) -> etree._Element:
    root = parse(data).getroot()
    if name_of(root) != ROOT:
        raise refusal("CDAR-ROOT", "This is no CDAR status message.", layer="cdar", line=line_of(root))
    return root


def _references(root: etree._Element) -> list[tuple[etree._Element, etree._Element]]:
    """Each document spoken of, with the acknowledgement it stands in."""
    found = [
        (acknowledgement, one)
        for acknowledgement in _all(root, "rsm:AcknowledgementDocument")
        for one in _all(acknowledgement, "ram:ReferenceReferencedDocument")
    ]
    if not found:
        raise _missing(root, "ram:ReferenceReferencedDocument")
    return found


def _message(root: etree._Element, acknowledgement: etree._Element, about: etree._Element) -> StatusMessage:
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
    at = _instant(acknowledgement, "ram:IssueDateTime/udt:DateTimeString") or issued_at
    if at is None:
        raise _missing(root, "ram:IssueDateTime (MDT-78)")
    issued = _instant(about, "ram:FormattedIssueDateTime/qdt:DateTimeString")
    reasons, amounts = _details(about)
    status = status_of(code)
    context = "rsm:ExchangedDocumentContext/ram:{}SpecifiedDocumentContextParameter/ram:ID"
    sender = root.find("rsm:ExchangedDocument/ram:SenderTradeParty", NAMESPACES)
    return StatusMessage(
        code=code,
        at=at,
        number=number,
        seller=_siren(about),
        id=_text(root, "rsm:ExchangedDocument/ram:ID"),
        issuer=_party(root.find("rsm:ExchangedDocument/ram:IssuerTradeParty", NAMESPACES)),
        reasons=reasons,
        amounts=amounts,
        issued_at=issued_at,
        type_code=_text(about, "ram:TypeCode"),
        issue_date=dates.legal(issued).date() if issued else None,
        received_at=_instant(about, "ram:ReceiptDateTime/udt:DateTimeString"),
        recipients=tuple(_party(party) for party in _all(root, "rsm:ExchangedDocument/ram:RecipientTradeParty")),
        guideline=_text(root, context.format("Guideline")) or GUIDELINE,
        process=_text(root, context.format("BusinessProcess")),
        name=_text(root, "rsm:ExchangedDocument/ram:Name"),
        sender=Party("WK") if sender is None else _party(sender),
        reference=_text(about, "ram:ReferenceTypeCode"),
        phase=_unless(_text(acknowledgement, "ram:TypeCode") or status.phase, status.phase),
        document_status=_unless(_text(about, "ram:StatusCode"), status.document_status),
        label=_unless(_text(about, "ram:ProcessCondition"), status.label_fr),
    )


def _unless(text: str, expected: str) -> str | None:
    """None for what is as expected."""
    return None if text == expected else text


def _details(about: etree._Element) -> tuple[tuple[Reason, ...], tuple[Amount, ...]]:
    """The reasons with their data, and what is stated without a reason."""
    reasons, amounts = list[Reason](), list[Amount]()
    for detail in _all(about, "ram:SpecifiedDocumentStatus")[:DETAILS_LIMIT]:
        stated = [_amount(item) for item in _all(detail, "ram:SpecifiedDocumentCharacteristic")[:DETAILS_LIMIT]]
        reason = _reason(detail, tuple(stated))
        if reason is None:
            amounts.extend(stated)
        else:
            reasons.append(reason)
    return tuple(reasons), tuple(amounts[:DETAILS_LIMIT])


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
        address_scheme="0225" if uri is None else uri.get("schemeID", ""),
    )


def _reason(detail: etree._Element, data: tuple[Amount, ...]) -> Reason | None:
    notes = [(note.text or "").strip() for note in _all(detail, "ram:IncludedNote/ram:Content")]
    reason = Reason(
        code=_text(detail, "ram:ReasonCode")[:35],
        comment="\n".join(note for note in notes if note)[:TEXT_LIMIT],
        label=_text(detail, "ram:Reason"),
        action=_text(detail, "ram:RequestedActionCode")[:35],
        action_label=_text(detail, "ram:RequestedAction"),
        subject=_text(detail, "ram:IncludedNote/ram:SubjectCode")[:35],
        data=data,
    )
    return reason if reason.code or reason.comment or reason.label or reason.action or reason.action_label else None


def _amount(item: etree._Element) -> Amount:
    value = item.find("ram:ValueAmount", NAMESPACES)
    paid_on = _instant(item, "ram:ValueDateTime/udt:DateTimeString")
    rate = _text(item, "ram:ValuePercent")
    changed = _text(item, "ram:ValueChangedIndicator/*").lower()
    return Amount(
        kind=_text(item, "ram:TypeCode")[:35],
        amount=None if value is None else _decimal(value, (value.text or "").strip()),
        currency="EUR" if value is None else value.get("currencyID", "EUR"),
        rate=_decimal(item, rate) if rate else None,
        on=dates.legal(paid_on).date() if paid_on else None,
        term=_text(item, "ram:ID"),
        changed=True if changed in _TRUE else False if changed in _FALSE else None,
        name=_text(item, "ram:Name"),
        location=_text(item, "ram:Location"),
        text=_text(item, "ram:Value"),
    )


def _decimal(element: etree._Element, text: str) -> Decimal:
    if not _DECIMAL.fullmatch(text):
        raise refusal("CDAR-AMOUNT", "An amount or a rate is no decimal number.", layer="cdar", line=line_of(element))
    return Decimal(text)


def _instant(element: etree._Element, path: str) -> datetime | None:
    """A date-time in UTC; a day alone is its first instant in France."""
    found = element.find(path, NAMESPACES)
    if found is None:
        return None
    try:
        return dates.instant((found.text or "").strip(), found.get("format", "204"))
    except (ValueError, KeyError, OverflowError):
        says = f"A date is not of format {', '.join(dates.FORMATS)} or not in the calendar."
        raise refusal("CDAR-DATE", says, layer="cdar", line=line_of(found)) from None


def _missing(element: etree._Element, what: str) -> Exception:
    return refusal("CDAR-MISSING", f"The message lacks {what}.", layer="cdar", line=line_of(element))
