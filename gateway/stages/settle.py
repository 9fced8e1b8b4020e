"""Settle: paid, or still owed. Statuses that come meanwhile (approved, disputed, payment sent) are recorded here."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from gateway import mandatory
from gateway.lifecycle import Done, Halted, Later, Outcome, Skipped
from gateway.resources import Resources, Work
from gateway.statuses import hear
from gateway.store import receivables
from schemas.formats import cdar
from schemas.invoice import CREDIT_NOTE_TYPES

PAYMENT_SENT = cdar.status_of("211").rank
"""An inbound invoice whose payment the account has sent is settled for it."""
LOOK_AGAIN = timedelta(days=1)
"""A payment or a status wakes the document at once; this is only how long it sleeps otherwise."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Match the payments reported in the invoice's currency, and what was credited or given up, with BT-115."""
    heard = await hear(work, resources)
    if heard.ended:
        return Halted(heard.ended, heard.findings, news=heard.news)
    document = work.document
    if document.about is not None:
        return Done({"owed": False}, news=heard.news) if heard.news else Skipped("a status message owes nothing")
    reported = await mandatory.paid(work, resources)
    news, emitted = (*heard.news, *reported.news), reported.emitted
    if document.type_code in CREDIT_NOTE_TYPES:
        return (
            Skipped("a credit note is settled with what it corrects")
            if not news
            else Done({"owed": False}, news=news, emitted=emitted)
        )
    due = document.amount_due or Decimal(0)
    if due <= 0:
        return Done({"paid": True, "payments": 0, "reason": "nothing is due"}, news=news, emitted=emitted)
    said = cdar.named(heard.furthest) if document.inbound and heard.furthest else None
    if said is not None and said.rank >= PAYMENT_SENT:
        return Done({"paid": True, "payments": len(work.payments), "status": said.name}, news=news, emitted=emitted)
    paid = sum((p.amount for p in work.payments if p.currency == document.currency), Decimal(0))
    if paid >= due:
        return Done({"paid": True, "payments": len(work.payments), "overpaid": paid > due}, news=news, emitted=emitted)
    if paid + await _netted(work, resources) >= due:
        return Done({"owed": False, "payments": len(work.payments), "netted": True}, news=news, emitted=emitted)
    return Later(LOOK_AGAIN, "partly paid" if paid > 0 else "waits for payment", news, emitted)


async def _netted(work: Work, resources: Resources) -> Decimal:
    """What credit notes and write-offs have taken off an invoice of the account's own sales."""
    async with resources.pool.account(work.account.id) as connection:
        owed = await receivables.find(connection, work.document.id)
    return Decimal(0) if owed is None else owed.credited + owed.written_off
