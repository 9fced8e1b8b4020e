"""Where a CII document is cut differently from the model: what is read there, and how it is translated both ways.

Each class is what one element of the document holds. `merge_…` takes it into what has been read so far and says whether
the model could hold it all; `spread_…` gives the elements to write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from schemas.binding import Context, Scope
from schemas.formats.cii.syntax import iban
from schemas.invoice import (
    Amount,
    Card,
    Code,
    Contact,
    CreditTransfer,
    Date,
    Invoice,
    Line,
    Measure,
    Payment,
    Percentage,
    Price,
    Text,
    VatBreakdown,
    term,
)

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxShare:
    """ram:ApplicableTradeTax of the header: one part of the VAT breakdown, and BT-7 and BT-8, which stand in each."""

    taxable_amount: Amount | None = term("BT-116", "", default=None)
    tax_amount: Amount | None = term("BT-117", "", default=None)
    category: Code = term("BT-118", "")
    rate: Percentage | None = term("BT-119", "", default=None)
    exemption_reason: Text = term("BT-120", "")
    exemption_code: Code = term("BT-121", "")
    lines: Amount | None = term("BT-X-262", "", default=None)
    allowances_and_charges: Amount | None = term("BT-X-263", "", default=None)
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


def spread_tax(invoice: Invoice, _root: Invoice) -> Iterator[TaxShare]:
    """Each VAT breakdown (BG-23) with the invoice's BT-7 and BT-8; one of these alone where there is no breakdown."""
    for one in invoice.vat_breakdown:
        yield TaxShare(
            taxable_amount=one.taxable_amount,
            tax_amount=one.tax_amount,
            category=one.category,
            rate=one.rate,
            exemption_reason=one.exemption_reason,
            exemption_code=one.exemption_code,
            lines=one.lines,
            allowances_and_charges=one.allowances_and_charges,
            tax_point_date=invoice.tax_point_date,
            tax_point_code=invoice.tax_point_code,
        )
    if not invoice.vat_breakdown and (invoice.tax_point_date or invoice.tax_point_code):
        yield TaxShare(tax_point_date=invoice.tax_point_date, tax_point_code=invoice.tax_point_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxTotal:
    """ram:TaxTotalAmount: BT-110 in the invoice currency, BT-111 in the VAT accounting currency."""

    amount: Amount | None = term("BT-110", "", default=None)
    currency: Code = term("BT-5", "")


def merge_tax_total(scope: Scope, found: Scope, context: Context) -> bool:
    """A TaxTotalAmount of the document or of a line, told apart by its currency."""
    if "amount" not in found:
        return True
    totals = scope.setdefault("totals", {})
    currency = found.get("currency", context.currency)
    if currency == context.currency and "vat" not in totals:
        totals["vat"] = found["amount"]
        return True
    if currency == context.tax_currency and "vat_in_tax_currency" not in totals:
        totals["vat_in_tax_currency"] = found["amount"]
        return True
    return False


def spread_tax_total(one: Invoice | Line, root: Invoice) -> Iterator[TaxTotal]:
    """The VAT total in the invoice's currency, then in the accounting currency."""
    totals = one.totals
    if totals is not None:
        if totals.vat is not None:
            yield TaxTotal(amount=totals.vat, currency=root.currency)
        if totals.vat_in_tax_currency is not None:
            yield TaxTotal(amount=totals.vat_in_tax_currency, currency=root.tax_currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """ram:SpecifiedTradeSettlementPaymentMeans: one per account to pay into, each repeating BT-81 and BT-82."""

    means_code: Code = term("BT-81", "")
    means_text: Text = term("BT-82", "")
    card: Card | None = term("BG-18", "", default=None)
    debited: Text = term("BT-91", "")
    debited_name: Text = term("BT-216", "")
    debited_bank: Text = term("BT-215", "")
    transfer: CreditTransfer | None = term("BG-17", "", default=None)


_DEBITED = {"debited": "account", "debited_name": "account_name", "debited_bank": "bank"}


def merge_means(scope: Scope, found: Scope, _context: Context) -> bool:
    """One payment means into BG-16, where it agrees with what is there: several are its credit transfers (BG-17).

    Where it has another code, or says otherwise, it is a payment of its own.
    """
    transfer = found.pop("transfer", None)
    debit = {_DEBITED[name]: found.pop(name) for name in _DEBITED if name in found}
    for payment in (scope.setdefault("payment", {}), *scope.get("more_payments", ())):
        debited = payment.get("direct_debit", {})
        if (
            ("means_code" not in payment or payment["means_code"] == found.get("means_code"))
            and all(payment.get(name, value) == value for name, value in found.items())
            and all(debited.get(name, value) == value for name, value in debit.items())
        ):
            break
    else:
        payment = {}
        scope.setdefault("more_payments", []).append(payment)
    payment.update(found)
    if debit:
        payment.setdefault("direct_debit", {}).update(debit)
    if transfer:
        payment.setdefault("transfers", []).append(transfer)
    return True


def spread_means(invoice: Invoice, _root: Invoice) -> Iterator[Means]:
    """Each BG-16 as one payment means for each credit transfer, the first with all the rest."""
    if invoice.payment is not None:
        yield from _means(invoice.payment)
    for payment in invoice.more_payments:
        yield from _means(payment)


def _means(payment: Payment) -> Iterator[Means]:
    debit = payment.direct_debit
    yield Means(
        means_code=payment.means_code,
        means_text=payment.means_text,
        card=payment.card,
        debited=debit.account if debit else "",
        debited_name=debit.account_name if debit else "",
        debited_bank=debit.bank if debit else "",
        transfer=payment.transfers[0] if payment.transfers else None,
    )
    for transfer in payment.transfers[1:]:
        yield Means(means_code=payment.means_code, means_text=payment.means_text, transfer=transfer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """ram:DepartmentName: the contact point itself (BT-41) where no person is named, else beside the person."""

    name: Text = term("BT-41", "")


def merge_office(scope: Scope, found: Scope, _context: Context) -> bool:
    """A department into the contact point, or beside the person who is one."""
    if "name" not in found:
        return True
    return bool(scope.setdefault("department" if "name" in scope else "name", found["name"]) == found["name"])


def spread_office(contact: Contact, _root: Invoice) -> Iterator[Office]:
    """The department beside the person."""
    if contact.department:
        yield Office(name=contact.department)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """ram:SpecifiedLogisticsTransportMovement: by which mode of transport."""

    mode: Code = term("BT-X-152", "")


def merge_movement(scope: Scope, found: Scope, _context: Context) -> bool:
    """One transport movement into the modes of transport."""
    scope.setdefault("delivery", {}).setdefault("transport_modes", []).append(found["mode"])
    return True


def spread_movement(invoice: Invoice, _root: Invoice) -> Iterator[Movement]:
    """A movement for each mode of transport."""
    for mode in invoice.delivery.transport_modes if invoice.delivery else ():
        yield Movement(mode=mode)


def merge_gross(scope: Scope, found: Scope, _context: Context) -> bool:
    """BT-148 of the gross price."""
    return "gross" not in found or bool(
        scope.setdefault("price", {}).setdefault("gross", found["gross"]) == found["gross"]
    )


def spread_gross(line: Line, _root: Invoice) -> Iterator[Price]:
    """BT-148; CII wants a gross price wherever there is a discount, and without one it is net price and discounts."""
    price, gross = line.price, line.price.gross
    changed = price.discount is not None or price.more_discounts or price.charges or price.gross_base
    if gross is None and price.net is not None and changed:
        less = sum((one.amount or Decimal(0) for one in price.more_discounts), price.discount or Decimal(0))
        gross = price.net + less - sum((one.amount or Decimal(0) for one in price.charges), Decimal(0))
    if gross is not None:
        yield Price(gross=gross)


def merge_base_quantity(scope: Scope, found: Scope, _context: Context) -> bool:
    """BT-149 of the gross price, then of the net price; the gross price's is kept where it is another one."""
    if "value" not in found:
        return True
    price = scope.setdefault("price", {})
    if "base_quantity" in price:
        before = Measure(price["base_quantity"], price.pop("base_unit", ""))
        if before != Measure(**found):
            price["gross_base"] = before
    price["base_quantity"] = found["value"]
    if "unit" in found:
        price["base_unit"] = found["unit"]
    return True


def spread_gross_base(line: Line, _root: Invoice) -> Iterator[Measure]:
    """The base quantity of the gross price, where it is not that of the net price."""
    if line.price.gross_base is not None:
        yield line.price.gross_base


def spread_base_quantity(line: Line, _root: Invoice) -> Iterator[Measure]:
    """The base quantity of the net price."""
    price = line.price
    if price.base_quantity is not None:
        yield Measure(price.base_quantity, price.base_unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class NationalAccount:
    """ram:ProprietaryID: BT-84 where the account is no IBAN, else beside the IBAN."""

    number: Text = term("BT-84", "")


def merge_national_account(scope: Scope, found: Scope, _context: Context) -> bool:
    """A national account number as BT-84, or beside the IBAN."""
    transfer = scope.setdefault("transfer", {})
    return bool(
        transfer.setdefault("national_account" if "account" in transfer else "account", found["number"])
        == found["number"]
    )


def spread_national_account(means: Means, _root: Invoice) -> Iterator[NationalAccount]:
    """The account that is no IBAN, or the number beside one."""
    if means.transfer is not None:
        if means.transfer.account and not iban(means.transfer.account):
            yield NationalAccount(number=means.transfer.account)
        elif means.transfer.national_account:
            yield NationalAccount(number=means.transfer.national_account)
