"""What late payment of a document costs up to a day: its claims, its payments and its terms, put together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from gateway.answers import read_invoice
from gateway.errors import Conflict
from gateway.lifecycle import Stage
from gateway.resources import Resources
from gateway.store import documents, payment_terms, receivables
from gateway.store.accounts import Account
from gateway.store.documents import Document
from gateway.store.pool import Connection
from schemas.interest import Calculation, Claim, Conditions, Paid, interest
from schemas.invoice import CREDIT_NOTE_TYPES, Invoice
from schemas.parties import is_business
from schemas.rulebooks.fr_payment import PaymentLaw, RatesUnreadable, RateUnknown, rates

CONSUMER = (
    "no interest is calculated: the buyer has no identifier of a business (legal identifier, VAT number), and no law "
    "of ours applies to a consumer / aucun intérêt n'est calculé : l'acheteur n'a pas d'identifiant d'entreprise, et "
    "les articles L441-10 et D441-5 du code de commerce ne valent qu'entre professionnels"
)

NETTED = (
    "no interest is calculated: a credit note or a write-off has taken something off this document, and would have to "
    "be counted day by day / aucun intérêt n'est calculé : un avoir ou un abandon en a déduit une somme, qu'il "
    "faudrait compter jour par jour"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Up to when, and at which rate."""

    until: date
    rate: Decimal | None = None
    """Percent a year instead of what the terms with the buyer say; None: what they say."""
    by_law: bool = False
    """The rate of the law, whatever was agreed."""


async def calculated(document: Document, account: Account, resources: Resources, asked: Asked) -> Calculation:
    """Interest and indemnity of a document up to and with a day.

    Raises Conflict where nothing can be late: a document that was not accepted, a credit note, no due date, nothing
    due; where the buyer is a consumer; where something else than a payment has taken something off; and where a rate is
    not published yet.
    """
    if not document.stage.reaches(Stage.VALIDATED) or document.type_code in CREDIT_NOTE_TYPES:
        raise Conflict("no interest runs on this document: it is no accepted invoice")
    if document.due_date is None:
        raise Conflict("no interest can be calculated: the invoice names no due date (BT-9)")
    invoice = await read_invoice(document, account, resources)
    if invoice is not None and not is_business(invoice.buyer):
        raise Conflict(CONSUMER)
    async with resources.pool.account(account.id) as connection:
        if await _netted(connection, document):
            raise Conflict(NETTED)
        paid = await documents.payments(connection, document.id)
        agreed = await payment_terms.agreed(connection, [document.buyer] if document.buyer else [])
    terms = agreed.of(document.buyer or "")
    try:
        known = await asyncio.to_thread(rates, resources.rules)
        agreed_rate = asked.rate if asked.rate is not None else terms.late_rate if terms else None
        law = PaymentLaw(terms.law) if terms else PaymentLaw.BUSINESS
        conditions = Conditions(known, None if asked.by_law else agreed_rate, law)
        came = [Paid(one.paid_on, one.amount) for one in paid if one.currency == document.currency]
        return interest(claims(document, invoice), came, asked.until, conditions)
    except (RateUnknown, RatesUnreadable, ValueError) as unable:
        raise Conflict(f"no interest can be calculated: {unable}") from unable


async def _netted(connection: Connection, document: Document) -> bool:
    """Whether a credit note or a write-off has taken something off; of what the account itself owes nobody keeps it."""
    owed = await receivables.find(connection, document.id)
    return owed is not None and bool(owed.credited or owed.written_off)


def claims(document: Document, invoice: Invoice | None) -> list[Claim]:
    """What is due when: the instalments where the invoice tells them as values that add up, else the whole at once."""
    assert document.due_date is not None
    whole = document.amount_due or Decimal(0)
    if invoice is not None and invoice.partial_payment is not None and invoice.due_date is not None:
        further = [(one.due_date, one.partial_amount) for one in invoice.more_payment_terms]
        parts = [Claim(day, amount) for day, amount in further if day is not None and amount is not None]
        told = [Claim(invoice.due_date, invoice.partial_payment), *parts]
        if len(parts) == len(further) and sum(one.amount for one in told) == whole:
            return told
    return [Claim(document.due_date, whole)]
