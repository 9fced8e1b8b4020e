"""What is owed on documents while a bank's lines are booked on them: locked, so that no payment comes in between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from gateway.store.pool import Connection


@dataclass(frozen=True, slots=True)
class Balance:
    """What is asked for, paid and owed on a document, from the seller's side: of a credit note it is negative."""

    due: Decimal
    paid: Decimal
    balance: Decimal
    currency: str

    def bears(self, amount: Decimal) -> bool:
        """Whether a part fits: no more than is owed, or, where it takes back, no more than was paid."""
        sign = -1 if self.due < 0 else 1
        if self.takes_back(amount):
            return sign * self.paid >= -sign * amount
        return sign * self.balance >= sign * amount

    def takes_back(self, amount: Decimal) -> bool:
        """Whether a part goes the other way than what pays the document."""
        return (amount < 0) != (self.due < 0)

    def after(self, amount: Decimal) -> Balance:
        """What it is when a part is booked."""
        return replace(self, paid=self.paid + amount, balance=self.balance - amount)


async def balances(connection: Connection, documents: Iterable[UUID]) -> dict[UUID, Balance]:
    """What is owed on documents, locked until the end of the transaction, so that no payment is added meanwhile; of
    those that are not in it nothing can be owed.
    """
    rows = await connection.fetch(
        "select document_id, due, paid, balance, currency from receivable where document_id = any($1::uuid[]) "
        "and not void order by document_id for update",
        list(documents),
    )
    return {row["document_id"]: Balance(row["due"], row["paid"], row["balance"], row["currency"]) for row in rows}
