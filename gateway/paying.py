"""Ways to pay a document, and what comes of the notices of those who take its payments.

A notice is signed, so it is the provider's; what it says is held against the document all the same. It becomes a
reported payment, once for the provider's payment however many notices tell of it, where the document is one on which
something can be owed and the currency is its own. All else is a stray: kept, told, and booked by nobody but a person.
More than is owed is money that came: it is reported, and remarked.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from adapters.port import Payable, PayLink, PaymentNotice, PaymentProvider, Refused, Unreachable
from gateway.errors import Busy, Conflict, KeyReused, NotFound
from gateway.lifecycle import Stage
from gateway.resources import Resources
from gateway.store import documents, notices, payments, receivables
from gateway.store.accounts import Account
from gateway.store.documents import Document
from gateway.store.identifiers import new_id
from gateway.store.notices import NoticeRow
from gateway.store.payments import Reported
from gateway.store.pool import Connection
from schemas.catalogue import FORMATS
from schemas.invoice import CREDIT_NOTE_TYPES
from schemas.xml import Unreadable

OTHER_PAYMENT = "another notice told this payment otherwise"


def payable(document: Document, amount: Decimal | None, reference: str = "") -> Payable:
    """What a customer is asked to pay of a document."""
    assert amount is not None
    return Payable(str(document.id), document.number or "", amount, document.currency or "", reference)


def reference_in(xml: bytes, format_: str) -> str:
    """The remittance reference (BT-83) of a structured invoice; empty where it has none. Pure, for a worker process."""
    try:
        payment = FORMATS[format_].read(xml).invoice.payment
    except (Unreadable, KeyError):
        return ""
    return payment.remittance if payment else ""


async def link(document: Document, account: Account, reference: str, resources: Resources) -> tuple[Payable, PayLink]:
    """A link by which what is still owed of a document can be paid.

    Raises NotFound where nobody takes payments for its legal entity, Conflict where nothing is owed or the provider
    refuses, Busy where it is away.
    """
    provider = resources.providers.get(document.participant)
    if provider is None:
        raise NotFound("nobody takes payments for this legal entity; see ESTAFETTE_PAY_FILE")
    if said := unpayable(document):
        raise Conflict(f"nothing is asked for: {said}")
    async with resources.pool.account(account.id) as connection:
        left = await _owed(connection, document)
    if left <= 0:
        raise Conflict("nothing is owed on this document any more")
    asked = payable(document, left, reference)
    try:
        return asked, await provider.link(asked, resources.clock.now())
    except Refused as refused:
        raise Conflict(refused.reason) from refused
    except Unreachable as away:
        raise Busy(f"no link can be had now: {away.reason}") from away


async def take(
    provider: PaymentProvider, told: PaymentNotice, paid: tuple[UUID, str], resources: Resources
) -> tuple[NoticeRow, bool]:
    """Keep a notice and report its payment, in one transaction; tells whether it was known.

    `paid`: the account, and its legal entity (SIREN) whose secret signed the notice.
    """
    account_id, participant = paid
    now = resources.clock.now()
    async with resources.pool.account(account_id) as connection:
        before = await notices.known(connection, (participant, provider.name, told.id))
        if before is not None:
            return before, True
        document = await _document(connection, told, participant)
        stray = told.stray or _stray(told, document, participant)
        remark, payment_id = "", None
        if not stray:
            assert document is not None
            remark, payment_id = await _reported(connection, provider.name, told, (document, account_id, now))
            stray = OTHER_PAYMENT if payment_id is None else ""
        row = NoticeRow(
            participant, provider.name, told.id, now, told.kind, document.id if document else None, payment_id,
            told.amount, told.currency, told.paid_on, told.payment, stray, remark,
        )  # fmt: skip
        await notices.keep(connection, account_id, row)
    return row, False


def unpayable(document: Document) -> str:
    """Why nothing can be paid on a document; empty where something can."""
    if document.inbound or document.about is not None:
        return "the document is not one that the account issued"
    if not document.stage.reaches(Stage.VALIDATED) or document.currency is None:
        return "the document has not been accepted"
    if document.halted is not None:
        return "the line of the document has ended"
    return "a credit note is not paid" if document.type_code in CREDIT_NOTE_TYPES else ""


async def _document(connection: Connection, told: PaymentNotice, participant: str) -> Document | None:
    """The one document that a notice names; None where it names none of the account's, or several.

    By its number only one of the legal entity whose secret signed the notice.
    """
    try:
        if told.document:
            return await documents.get(connection, UUID(told.document))
    except (ValueError, NotFound):
        return None
    found = await notices.documents_of(connection, participant, told.number) if told.number else []
    return await documents.get(connection, found[0]) if len(found) == 1 else None


def _stray(told: PaymentNotice, document: Document | None, participant: str) -> str:
    if document is None:
        return "it names no document of the account, or more than one"
    if document.participant != participant:
        return "the document is of another legal entity than the one whose secret signed the notice"
    if said := unpayable(document):
        return said
    if told.amount is None or told.amount <= 0 or told.paid_on is None:
        return "it tells no amount or no day"
    return "" if told.currency == document.currency else "it is in another currency than the document"


async def _reported(
    connection: Connection, provider: str, told: PaymentNotice, at: tuple[Document, UUID, datetime]
) -> tuple[str, UUID | None]:
    """Report the payment; a remark, and the payment's id (None: the same payment was told otherwise before)."""
    document, account_id, now = at
    assert told.amount is not None
    assert told.paid_on is not None
    left = await _owed(connection, document)
    key = f"notice:{provider}:{document.participant}:{told.payment}"
    reference = f"{provider} {told.payment}"[:140]
    report = Reported(new_id(now), told.amount, told.currency, told.paid_on, reference, key)
    try:
        kept, replayed = await payments.record(connection, account_id, document.id, report, now)
    except KeyReused:
        return "", None
    if replayed:
        return "the payment was told of before", kept.id
    return ("more than was owed" if told.amount > left else ""), kept.id


async def _owed(connection: Connection, document: Document) -> Decimal:
    """What is owed: less payments, credit notes and what was given up (the balance of the receivable)."""
    owed = await receivables.find(connection, document.id)
    if owed is not None:
        return owed.balance
    paid = await documents.payments(connection, document.id)
    came = sum((one.amount for one in paid if one.currency == document.currency), Decimal(0))
    return (document.amount_due or Decimal(0)) - came
