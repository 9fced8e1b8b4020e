"""A second ledger, written from the accountant's side: it reads what happened, in order, and knows nothing of the
gateway's tables. Every amount is a whole number of cents."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

CREDIT_NOTES = {"381", "396"}


@dataclass
class Paper:
    """One document in the books."""

    id: int
    number: str
    customer: str
    currency: str
    issued: date
    cents: int
    """As the document states it."""
    names: list[tuple[str, date | None]]
    is_credit: bool
    void: bool = False
    received: int = 0
    """Money that came for it; of a credit note, that went out."""
    given_up: int = 0


@dataclass
class Ledger:
    """The books of one account."""

    papers: list[Paper] = field(default_factory=list)

    def balances(self) -> dict[int, int]:
        """What is owed on each document; negative: the customer's."""
        owed = {p.id: 0 if p.void else -p.cents if p.is_credit else p.cents for p in self.papers}
        for p in self.papers:
            owed[p.id] += p.received if p.is_credit else -p.received
            owed[p.id] -= 0 if p.void else p.given_up
        for credit in (p for p in self.papers if p.is_credit and not p.void):
            left, seen = credit.cents - credit.received, set[int]()
            for number, issued in credit.names:
                invoice = self._find(credit, number, issued)
                if invoice is None or invoice.id in seen or left <= 0:
                    continue
                seen.add(invoice.id)
                part = min(left, invoice.cents)
                left -= part
                owed[credit.id] += part
                if not invoice.void:
                    owed[invoice.id] -= part
        return owed

    def _find(self, credit: Paper, number: str, issued: date | None) -> Paper | None:
        fits = [
            p for p in self.papers
            if not p.is_credit and p.cents > 0
            and (p.number, p.customer, p.currency) == (number, credit.customer, credit.currency)
            and issued in (None, p.issued)
        ]  # fmt: skip
        earlier = [p for p in fits if p.issued <= credit.issued] or fits
        standing = [p for p in earlier if not p.void] or earlier
        return max(standing, key=lambda p: (p.issued, p.id), default=None)
