"""What can be seen of the deposits at an instant: flows in the shape of XP Z12-013, verdicts and status messages.

All of it is a function of the ledger and the time. A deposit is Pending for half a pace, then Ok or Error; each status
of its buyer follows one pace after the other. A restart therefore changes nothing, and no timer can be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from adapters.platform import buyers
from adapters.platform.ledger import Deposit
from schemas.formats import cdar

INVOICES = ("Factur-X", "CII", "UBL")
"""The flowSyntax values of invoices."""
_STATUS_MARK = "-lc-"
"""Between a deposit's id and the place of the status, in the id of a status flow."""
ODD_MARK = "-odd-"
"""Between a status flow's id and what is odd about it, in the id of a flow that no honest platform would bring."""
_IN_MARK = "-in"
"""Behind a deposit's id, in the id of the flow that its recipient sees."""
_AVAILABLE = 3
"""Paces until an invoice lies before the client who acts for its buyer: deposited, received, made available."""
CARRIED = (buyers.Step("200"), buyers.Step("202"), buyers.Step("203"))
"""What the platform itself says of an invoice for one of its clients; the buyer's side says the rest."""
_WORDS = {
    "AlreadyExistingFlow": "The same content was received before.",
    "InvalidSchema": "The content is no invoice of the declared syntax with a number and a French seller.",
    "VirusFound": "The content was recognised as harmful (simulated).",
    "InvoiceLCRuleError": "The content is no status message about an invoice that was carried here.",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One flow as it stands at an instant."""

    id: str
    updated: datetime
    deposit: Deposit
    step: int | None
    """Place of the status in the buyer's steps; None for the deposit itself."""
    body: dict[str, Any]
    """The flow in the shape of XP Z12-013."""
    odd: str = ""
    """What is odd about it; empty when the platform is honest."""


def verdict(deposit: Deposit) -> str | None:
    """The reason code for which the platform refuses the deposit; None when it is in order."""
    if deposit.twin is not None:
        return "AlreadyExistingFlow"
    if deposit.syntax == "CDAR" and deposit.about is None:
        return "InvoiceLCRuleError"
    if deposit.syntax not in INVOICES:
        return None
    invoice = deposit.delivered
    if invoice is None or not invoice.number or not invoice.seller:
        return "InvalidSchema"
    if deposit.recipient is not None:
        return None
    return None if buyers.of(invoice.buyer).acknowledged else "VirusFound"


def steps(deposit: Deposit) -> tuple[buyers.Step, ...]:
    """What is said of an invoice, in order: all that its scripted buyer says, or the carrying of it."""
    if deposit.delivered is None:
        return ()
    return buyers.of(deposit.delivered.buyer).steps if deposit.recipient is None else CARRIED


def longest(pace: float) -> timedelta:
    """How long after a deposit something can still happen to it."""
    steps = max(len(buyer.steps) for buyer in (*buyers.BUYERS.values(), buyers.PAYS))
    return timedelta(seconds=pace * (steps + 1))


def seen(deposit: Deposit, now: datetime, client: str) -> Iterator[Seen]:
    """The flows of a client that follow from a deposit, as far as they have come about."""
    if client == deposit.recipient:
        yield from _seen_by_recipient(deposit, now)
    if client == deposit.client:
        yield from _seen_by_sender(deposit, now)


def _seen_by_recipient(deposit: Deposit, now: datetime) -> Iterator[Seen]:
    """What came in: an invoice once it is made available, a status once it is judged."""
    at = deposit.at + timedelta(seconds=deposit.pace * (_AVAILABLE if deposit.syntax in INVOICES else 1))
    if at > now or verdict(deposit) is not None:
        return
    invoice = deposit.syntax in INVOICES
    body = {
        "flowId": deposit.id + _IN_MARK,
        "submittedAt": stamp(deposit.at),
        "updatedAt": stamp(at),
        "name": deposit.name,
        "flowSyntax": deposit.syntax,
        "flowProfile": deposit.profile or "Undefined",
        "flowType": "SupplierInvoice" if invoice else _other_side(deposit),
        "flowDirection": "In",
        "processingRule": deposit.rule or "B2B",
        "processingRuleSource": "Computed",
        "acknowledgement": {"status": "Ok"},
    }
    yield Seen(deposit.id + _IN_MARK, at, deposit, None, body)


def _seen_by_sender(deposit: Deposit, now: datetime) -> Iterator[Seen]:
    """The deposit and what is said of it."""
    judged = deposit.at + timedelta(seconds=deposit.pace / 2)
    updated = judged if now >= judged else deposit.at
    yield Seen(deposit.id, updated, deposit, None, _flow(deposit, updated, judged <= now))
    if deposit.delivered is None or verdict(deposit) is not None:
        return
    for place in range(len(steps(deposit))):
        at = _step_at(deposit, place)
        if at > now:
            return
        id = f"{deposit.id}{_STATUS_MARK}{place}"
        yield Seen(id, at, deposit, place, _status_flow(deposit, id, place))


def owner(flow_id: str) -> str:
    """Id of the deposit that a flow is or follows from."""
    return flow_id.partition(_STATUS_MARK)[0].removesuffix(_IN_MARK)


def status_message(deposit: Deposit, place: int) -> bytes:
    """The CDAR of one status about a deposit; the same bytes each time."""
    return cdar.write(message(deposit, place))


def message(deposit: Deposit, place: int) -> cdar.StatusMessage:
    """What one status says about a deposit."""
    invoice = deposit.delivered
    assert invoice is not None, "only an invoice gets statuses"
    step = steps(deposit)[place]
    at = _step_at(deposit, place)
    transmission = cdar.status_of(step.code).transmission
    seller = cdar.Party("SE", invoice.seller, "0002", invoice.seller_name, invoice.seller_address or invoice.seller)
    issuer = cdar.Party("WK") if transmission else cdar.Party("BY", invoice.buyer, "0002", invoice.buyer_name)
    return cdar.StatusMessage(
        code=step.code,
        at=at,
        number=invoice.number,
        seller=invoice.seller,
        id=f"{invoice.number}_{step.code}_{at:%Y%m%d%H%M%S}#{invoice.type_code}_{invoice.issue_date}",
        issuer=issuer,
        reasons=(cdar.Reason(step.reason, step.comment),) if step.reason else (),
        amounts=_amounts(step.code, deposit, at),
        issued_at=at,
        type_code=invoice.type_code,
        issue_date=_day(invoice.issue_date) or deposit.at.date(),
        received_at=deposit.at,
        recipients=(seller,),
    )


def stamp(at: datetime) -> str:
    """An instant as RFC 3339 with microseconds, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def full_info(deposit: Deposit) -> dict[str, Any]:
    """FullFlowInfo: what the delivering call is answered with."""
    optional = {"trackingId": deposit.tracking, "processingRule": deposit.rule, "flowProfile": deposit.profile}
    return {
        "flowId": deposit.id,
        "submittedAt": stamp(deposit.at),
        "name": deposit.name,
        "flowSyntax": deposit.syntax,
        "sha256": deposit.sha256,
    } | {name: value for name, value in optional.items() if value is not None}


def _flow(deposit: Deposit, updated: datetime, judged: bool) -> dict[str, Any]:
    reason = verdict(deposit)
    kind = _type_of(deposit)
    body = full_info(deposit) | {
        "updatedAt": stamp(updated),
        "flowType": kind if judged and reason is None else "Undefined",
        "flowDirection": "Out",
        "processingRule": deposit.rule or "B2B",
        "processingRuleSource": "Input" if deposit.rule else "Computed",
        "flowProfile": deposit.profile or "Undefined",
        "acknowledgement": _acknowledgement(reason) if judged else {"status": "Pending"},
    }
    del body["sha256"]  # the published schema of a Flow does not have it, only that of a FullFlowInfo
    return body


def _type_of(deposit: Deposit) -> str:
    """What a deposit is to who sent it."""
    if deposit.syntax in INVOICES:
        return "CustomerInvoice"
    if deposit.about is None:
        return "Undefined"
    return "CustomerInvoiceLC" if deposit.by_seller else "SupplierInvoiceLC"


def _other_side(deposit: Deposit) -> str:
    """What a status message is to who it comes to."""
    return "SupplierInvoiceLC" if deposit.by_seller else "CustomerInvoiceLC"


def _acknowledgement(reason: str | None) -> dict[str, Any]:
    if reason is None:
        return {"status": "Ok"}
    detail = {"level": "Error", "item": "file", "reasonCode": reason, "reasonMessage": _WORDS[reason]}
    return {"status": "Error", "details": [detail]}


def _status_flow(deposit: Deposit, id: str, place: int) -> dict[str, Any]:
    assert deposit.delivered is not None, "only an invoice gets statuses"
    at = stamp(_step_at(deposit, place))
    code = steps(deposit)[place].code
    return {
        "flowId": id,
        "submittedAt": at,
        "updatedAt": at,
        "name": f"{deposit.id}_{code}.xml",
        "flowSyntax": "CDAR",
        "flowProfile": "Undefined",
        "flowType": "CustomerInvoiceLC",
        "flowDirection": "In",
        "processingRule": deposit.rule or "B2B",
        "processingRuleSource": "Computed",
        "acknowledgement": {"status": "Ok"},
    }


def _step_at(deposit: Deposit, place: int) -> datetime:
    return deposit.at + timedelta(seconds=deposit.pace * (place + 1))


def _amounts(code: str, deposit: Deposit, at: datetime) -> tuple[cdar.Amount, ...]:
    """What 211 says was paid: all of it."""
    assert deposit.delivered is not None, "only an invoice gets statuses"
    if code != "211":
        return ()
    try:
        total = Decimal(deposit.delivered.total)
    except InvalidOperation:
        return ()
    return (cdar.Amount("MPA", total, deposit.delivered.currency or "EUR", on=at.date()),)


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
