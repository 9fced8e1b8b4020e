"""Payments that somebody reports for a document: kept once, append-only; the settle stage decides what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from gateway.errors import KeyReused
from gateway.store import tasks
from gateway.store.documents import Payment
from gateway.store.pool import Connection
from signing.chain import canonical, instant


@dataclass(frozen=True, slots=True)
class Reported:
    """A payment as it is reported."""

    id: UUID
    amount: Decimal
    """In currency; negative is a reversal."""
    currency: str
    paid_on: date
    reference: str
    key: str
    """Idempotency-Key, or the payment's own id."""


def stated(payment: Payment) -> dict[str, str]:
    """A payment as its event vouches for it: texts only, in one form."""
    return {
        "id": str(payment.id),
        "amount": format(payment.amount, "f"),
        "currency": payment.currency,
        "paid_on": payment.paid_on.isoformat(),
        "reference": payment.reference,
        "recorded_at": instant(payment.recorded_at),
    }


def digest(payment: Payment) -> str:
    """SHA-256 of what was stated, as the payment's event holds it: the event itself bears no amount."""
    return sha256(canonical(stated(payment))).hexdigest()


async def record(
    connection: Connection, account_id: UUID, document_id: UUID, reported: Reported, now: datetime
) -> tuple[Payment, bool]:
    """Keep a payment once per key and wake its document; tells whether it was there already.

    Raises KeyReused when the key names another payment or another document.
    """
    made = await connection.fetchval(
        """
        insert into payment (account_id, payment_id, document_id, amount, currency, paid_on, reference, recorded_at,
                             key)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing returning payment_id
        """,
        account_id,
        reported.id,
        document_id,
        reported.amount,
        reported.currency,
        reported.paid_on,
        reported.reference,
        now,
        reported.key,
    )
    row = await connection.fetchrow(
        "select payment_id, document_id, amount, currency, paid_on, reference, recorded_at from payment where key = $1",
        reported.key,
    )
    kept = Payment(
        row["payment_id"], row["amount"], row["currency"], row["paid_on"], row["reference"], row["recorded_at"]
    )
    if row["document_id"] != document_id or (kept.amount, kept.currency, kept.paid_on, kept.reference) != (
        reported.amount,
        reported.currency,
        reported.paid_on,
        reported.reference,
    ):
        raise KeyReused("this Idempotency-Key names another payment; a new payment needs a new key")
    if made is not None:
        await tasks.reopen(connection, document_id, now)
    return kept, made is None
