"""Where a CII document is cut differently from the model: what is read there, and how it is translated both ways.

Each class is what one element of the document holds. `merge_…` takes it into what has been read so far and says whether
the model could hold it all; `spread_…` gives the elements to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.binding import Context, Scope
from schemas.invoice import Amount, Card, Code, CreditTransfer, Date, Invoice, Percentage, Text, VatBreakdown, term

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """ram:ApplicableTradeTax of the header: one part of the VAT breakdown, and BT-7 and BT-8, which stand in each."""

    taxable_amount: Amount | None = term("BT-116", "", default=None)
    tax_amount: Amount | None = term("BT-117", "", default=None)
    category: Code = term("BT-118", "")
    rate: Percentage | None = term("BT-119", "", default=None)
    exemption_reason: Text = term("BT-120", "")
    exemption_code: Code = term("BT-121", "")
    tax_point_date: Date | None = term("BT-7", "", default=None)
    tax_point_code: Code = term("BT-8", "")


def merge_tax(scope: Scope, found: Scope, _context: Context) -> bool:
    """One ApplicableTradeTax into a VAT breakdown (BG-23), and into BT-7 and BT-8, which every one of them repeats."""
    held = True
    for name in ("tax_point_date", "tax_point_code"):
        if name in found:
            value = found.pop(name)
            held = scope.setdefault(name, value) == value and held
    if found:
        scope.setdefault("vat_breakdown", []).append(VatBreakdown(**found))
    return held


def spread_tax(invoice: Invoice, _root: Invoice) -> Iterator[Tax]:
    """Each VAT breakdown (BG-23) with the invoice's BT-7 and BT-8; one of these alone where there is no breakdown."""
    for one in invoice.vat_breakdown:
        yield Tax(
            taxable_amount=one.taxable_amount,
            tax_amount=one.tax_amount,
            category=one.category,
            rate=one.rate,
            exemption_reason=one.exemption_reason,
            exemption_code=one.exemption_code,
            tax_point_date=invoice.tax_point_date,
            tax_point_code=invoice.tax_point_code,
        )
    if not invoice.vat_breakdown and (invoice.tax_point_date or invoice.tax_point_code):
        yield Tax(tax_point_date=invoice.tax_point_date, tax_point_code=invoice.tax_point_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxTotal:
    """ram:TaxTotalAmount: BT-110 in the invoice currency, BT-111 in the VAT accounting currency."""

    amount: Amount | None = term("BT-110", "", default=None)
    currency: Code = term("BT-5", "")


def merge_tax_total(scope: Scope, found: Scope, context: Context) -> bool:
    """A TaxTotalAmount into BT-110 or BT-111, told apart by its currency."""
    if "amount" not in found:
        return True
    totals = scope.setdefault("totals", {})
    currency = found.get("currency", context.currency)
    if currency == context.currency and "vat" not in totals:
        totals["vat"] = found["amount"]
        return True
    if currency == context.root.get("tax_currency") and "vat_in_tax_currency" not in totals:
        totals["vat_in_tax_currency"] = found["amount"]
        return True
    return False


def spread_tax_total(invoice: Invoice, _root: Invoice) -> Iterator[TaxTotal]:
    """BT-110 in the invoice's currency, then BT-111 in the accounting currency."""
    yield TaxTotal(amount=invoice.totals.vat, currency=invoice.currency)
    yield TaxTotal(amount=invoice.totals.vat_in_tax_currency, currency=invoice.tax_currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """ram:SpecifiedTradeSettlementPaymentMeans: one per account to pay into, each repeating BT-81 and BT-82."""

    means_code: Code = term("BT-81", "")
    means_text: Text = term("BT-82", "")
    card: Card | None = term("BG-18", "", default=None)
    debited: Text = term("BT-91", "")
    transfer: CreditTransfer | None = term("BG-17", "", default=None)


def merge_means(scope: Scope, found: Scope, _context: Context) -> bool:
    """One payment means into BG-16; several of one code are its credit transfers (BG-17)."""
    payment = scope.setdefault("payment", {})
    if "means_code" in payment and found.get("means_code") != payment["means_code"]:
        return False
    if transfer := found.pop("transfer", None):
        payment.setdefault("transfers", []).append(CreditTransfer(**transfer))
    held = True
    if debited := found.pop("debited", ""):
        held = payment.setdefault("direct_debit", {}).setdefault("account", debited) == debited
    for name, value in found.items():
        held = payment.setdefault(name, value) == value and held
    return held


def spread_means(invoice: Invoice, _root: Invoice) -> Iterator[Means]:
    """BG-16 as one payment means for each credit transfer, the first with all the rest."""
    payment = invoice.payment
    if payment is None:
        return
    debited = payment.direct_debit.account if payment.direct_debit else ""
    yield Means(
        means_code=payment.means_code,
        means_text=payment.means_text,
        card=payment.card,
        debited=debited,
        transfer=payment.transfers[0] if payment.transfers else None,
    )
    for transfer in payment.transfers[1:]:
        yield Means(means_code=payment.means_code, means_text=payment.means_text, transfer=transfer)
