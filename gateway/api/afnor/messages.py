"""Status messages (CDAR) that an account hands in as flows: held to what may be said, judged, and sent as they came.

The message is the account's own, byte for byte. Before it is taken it is tied to the one invoice it names, held against
what was said of that before (`gateway.answers`) and judged by the official rules: what contradicts is refused at the
door with every reason, so that no half-true status is ever told.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from gateway import answers
from gateway.addressee import siren
from gateway.api.afnor.answers import Wrong, told
from gateway.compute import Interrupted
from gateway.errors import Busy, Conflict, Rejected
from gateway.resources import Resources
from gateway.stages.receive import refused
from gateway.store import documents, flows
from gateway.store.accounts import Caller
from gateway.store.arrivals import Named
from gateway.store.documents import Document
from gateway.store.flows import About, Admission, NewFlow
from schemas.finding import Finding
from schemas.formats import cdar
from schemas.formats.cdar import StatusMessage
from schemas.xml import Unreadable

CODES = {
    "HOUSE-STATUS-SPEAKER": "InvoiceLCAccessDenied",
    "HOUSE-STATUS-STATE": "InvoiceLCInvalidStatus",
    "HOUSE-STATUS-REASON": "InvoiceLCStatusError",
    "HOUSE-STATUS-ACTION": "InvoiceLCStatusError",
    "HOUSE-STATUS-COMMENT": "InvoiceLCStatusError",
    "HOUSE-STATUS-AMOUNT": "InvoiceLCAmountError",
}
"""What keeps a status from being said, in the words of XP Z12-013; anything else is InvoiceLCRuleError."""


async def submit(new: NewFlow, caller: Caller, resources: Resources) -> Admission:
    """Say what the message says, once for its bytes. Raises Wrong with each reason, Busy."""
    message = await _read(new.kept.data, resources)
    if message.issuer.id not in caller.account.participants:
        raise Wrong(422, "InvoiceLCAccessDenied", "the message's issuer (MDT-38) is no legal entity of this account")
    await _judge(new.kept.data, resources)
    for _ in range(answers.TRIES):
        known = await flows.earlier(resources.pool, new)
        if known is not None:
            return known
        document = await _about(message, caller, resources)
        wanted = answers.Wanted(cdar.status_of(message.code), message.reasons, message.amounts)
        invoice = await answers.read_invoice(document, caller.account, resources)
        own = siren(answers.own_side(document, invoice)) if invoice is not None else ""
        if own and message.issuer.id != own:
            raise Wrong(422, "InvoiceLCAccessDenied", "the message's issuer (MDT-38) is not this account's party of it")
        async with resources.pool.account(caller.account.id) as connection:
            events = await documents.events(connection, document.id)
        before = {}
        if wanted.status.code == answers.COLLECTED:
            before = await answers.collected(document, caller.account, resources)
        wrong = tuple(answers.complaints(wanted, document, events, invoice, before))
        if wrong:
            known = await flows.earlier(resources.pool, new)  # the same message may have been taken since
            if known is not None:
                return known
            raise _wrong(wrong)
        about = About(document.id, document.version, caller.public_id, answers.facts_of(wanted, message.at, "account"))
        try:
            return await flows.admit(resources.pool, new, about)
        except Conflict:  # something happened to the invoice meanwhile: look again
            continue
    raise Busy("the document changes all the time; try again")


async def _read(data: bytes, resources: Resources) -> StatusMessage:
    try:
        message: StatusMessage = await resources.compute(cdar.read, data)
    except Unreadable as unreadable:
        error = refused(unreadable.findings)
        raise Wrong(422, "InvalidSchema", "the message cannot be read", details=told(error)) from unreadable
    except Interrupted as interrupted:
        raise Busy("the message could not be read; try again") from interrupted
    return message


async def _about(message: StatusMessage, caller: Caller, resources: Resources) -> Document:
    """The one invoice of the account that a message names. Raises Wrong."""
    named = Named(message.seller, message.number, message.type_code, message.issue_date)
    async with resources.pool.account(caller.account.id) as connection:
        found: Sequence[UUID] = await flows.named(connection, named)
        if len(found) != 1:
            says = "none" if not found else "more than one"
            raise Wrong(422, "InvoiceLCRuleError", f"of the invoice that the message names, this account has {says}")
        return await documents.get(connection, found[0])


async def _judge(data: bytes, resources: Resources) -> None:
    """Raises Wrong with what the official rules say of the message, Busy when it could not be judged."""
    try:
        await answers.hold(data, resources)
    except Rejected as rejected:
        broken = any("xsd" in finding.layer for finding in rejected.findings)
        code = "InvalidSchema" if broken else "InvoiceLCRuleError"
        raise Wrong(422, code, rejected.detail, details=told(rejected)) from rejected


def _wrong(findings: Sequence[Finding]) -> Wrong:
    code = CODES.get(findings[0].rule, "InvoiceLCRuleError")
    return Wrong(422, code, findings[0].says, details=told(Rejected("it cannot be said", findings)))
