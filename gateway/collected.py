"""What was collected of an invoice, VAT rate by VAT rate: what a 212 states. Pure.

A payment names one amount; the law wants it by rate (CGI 290 A, G7.45). Each payment is shared out in the proportions
of what is left to collect at each rate, to the cent, by largest remainder: the parts add up to the payment, no rate
ever gets more than the invoice bears at it, and the last payment takes exactly what is left. A reversal gives back in
the proportions of what was collected. What is paid over the amount due is collected of nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from schemas.invoice import Invoice

ADVANCES = frozenset({"386", "500", "503"})
"""Types of advance-payment invoices (UNTDID 1001): their VAT falls due on receipt (CGI 269, 2-a)."""
ON_RECEIPT, ON_DEBITS = "432", frozenset({"3", "35"})
"""BT-8 in the model's words (UNTDID 2005): the VAT falls due when paid; on the invoice or on delivery."""
SERVICES, GOODS = frozenset("SM"), "B"
"""First letter of BT-23: services, or both; goods."""
DECLARED = "7"
"""Second sign of BT-23: the VAT was collected through e-reporting before."""
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Share:
    """What is collected at one rate."""

    rate: Decimal
    """Of VAT, in per cent."""
    amount: Decimal
    """VAT included, in the invoice's currency; negative: given back."""


def due_on_receipt(invoice: Invoice) -> bool:
    """Whether the VAT of an invoice falls due when it is paid, so that each payment must be told (212)."""
    if not any(part.tax_amount for part in invoice.vat_breakdown):
        return False  # no VAT, or the buyer owes it
    if invoice.process[1:2] == DECLARED:
        return False
    if invoice.type_code in ADVANCES or invoice.tax_point_code == ON_RECEIPT:
        return True
    return invoice.process[:1] in SERVICES and invoice.tax_point_code not in ON_DEBITS


def shares(
    invoice: Invoice, payments: Sequence[Decimal], said: Mapping[Decimal, Decimal] | None = None
) -> list[tuple[Share, ...]]:
    """What each payment collects at each rate, in their order; nothing for what is paid over the amount due.

    `said`: what the account told by itself as collected, by normalized rate. The first payments are those: they collect
    nothing anew until they have paid for it.
    """
    room = capacities(invoice)
    taken = {rate: max(cents((said or {}).get(rate, Decimal(0))), 0) for rate in room}
    told = sum(taken.values())
    due, balance, found = sum(room.values()), 0, list[tuple[Share, ...]]()
    for payment in payments:
        before = _within(balance, due)
        balance += cents(payment)
        change = _within(balance, due) - before
        covered = max(min(change, told), 0)
        told, change = told - covered, change - covered
        left = {rate: max(room[rate] - taken[rate], 0) for rate in room}
        parts = apportion(change, left if change > 0 else taken)
        for rate, part in parts.items():
            taken[rate] += part
        found.append(tuple(Share(rate, part * _CENT) for rate, part in parts.items() if part))
    return found


def capacities(invoice: Invoice) -> dict[Decimal, int]:
    """What the amount due (BT-115) holds at each rate, in cents: all of the invoice, less what was paid before it."""
    whole: dict[Decimal, int] = {}
    for part in invoice.vat_breakdown:
        rate = (part.rate or Decimal(0)).normalize()
        amount = (part.taxable_amount or Decimal(0)) + (part.tax_amount or Decimal(0))
        whole[rate] = whole.get(rate, 0) + cents(amount)
    return apportion(max(cents(invoice.totals.due or Decimal(0)), 0), dict(sorted(whole.items())))


def apportion(amount: int, weights: Mapping[Decimal, int]) -> dict[Decimal, int]:
    """An amount in whole cents shared out by weights, exactly, by largest remainder; the lower rate first in a tie."""
    total = sum(weights.values())
    if not amount or not total:
        return dict.fromkeys(weights, 0)
    parts = {rate: amount * weight // total for rate, weight in weights.items()}
    behind = sorted(weights, key=lambda rate: -((amount * weights[rate]) % total) if total > 0 else rate)
    for rate in behind[: amount - sum(parts.values())]:
        parts[rate] += 1
    return parts


def cents(amount: Decimal) -> int:
    """An amount in whole cents."""
    return int((amount / _CENT).to_integral_value())


def summed(found: Iterable[Share]) -> Decimal:
    """All rates together."""
    return sum((share.amount for share in found), Decimal(0))


def _within(balance: int, due: int) -> int:
    return max(0, min(balance, due))
