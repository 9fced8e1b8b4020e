"""Where a UBL document is cut differently from the model: what is read there, and how it is translated both ways.

Each class is what one element of the document holds. `merge_…` takes it into what has been read so far and says whether
the model could hold it all; `spread_…` gives the elements to write. `schemas.formats.ubl` says what UBL forces on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from schemas.binding import Context, Scope
from schemas.invoice import (
    Amount,
    Card,
    Code,
    CreditTransfer,
    Date,
    DirectDebit,
    Identifier,
    Invoice,
    Line,
    Note,
    Party,
    Payee,
    TaxRepresentative,
    Text,
    UnitPrice,
    VatBreakdown,
    term,
)

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

_UNDEFINED_MEANS = "1"
_NO_ORDER = "NA"
_VAT = "VAT"
_OTHER_TAX = "TAX"
_ZERO = Decimal("0.00")
_SUBJECT = re.compile(r"#([A-Z0-9]{2,3})#(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteText:
    """cbc:Note: the subject code and the text in one."""

    text: Text = term("BT-22", "")


def merge_note(scope: Scope, found: Scope, _context: Context) -> bool:
    """A note into BG-1; `#CODE#text` has a subject code (BT-21)."""
    match = _SUBJECT.fullmatch(found["text"])
    note = Note(text=match[2], subject=match[1]) if match else Note(text=found["text"])
    scope.setdefault("notes", []).append(note)
    return True


def spread_notes(invoice: Invoice, _root: Invoice) -> Iterator[NoteText]:
    """Each note (BG-1), its subject code before it as `#CODE#`."""
    for note in invoice.notes:
        yield NoteText(text=f"#{note.subject}#{note.text}" if note.subject else note.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """cac:OrderReference: its ID is mandatory even when only the sales order is known."""

    purchase_order: Text = term("BT-13", "")
    sales_order: Text = term("BT-14", "")


def merge_order(scope: Scope, found: Scope, _context: Context) -> bool:
    """An OrderReference into BT-13 and BT-14; the placeholder for a missing order is not a number."""
    if "sales_order" in found and found.get("purchase_order") == _NO_ORDER:
        del found["purchase_order"]
    scope.update(found)
    return True


def spread_order(invoice: Invoice, _root: Invoice) -> Iterator[Order]:
    """BT-13 and BT-14; UBL wants an order number wherever there is a sales order."""
    order = invoice.purchase_order or (_NO_ORDER if invoice.sales_order else "")
    yield Order(purchase_order=order, sales_order=invoice.sales_order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """cac:PartyIdentification: an identifier of the party, or (scheme SEPA) the creditor identifier BT-90."""

    id: Identifier | None = term("BT-29", "", default=None)


def merge_id(scope: Scope, found: Scope, context: Context) -> bool:
    """A party's identifier into BT-29 or its like; scheme SEPA is the creditor's (BT-90)."""
    identifier: Identifier = found["id"]
    if identifier.scheme != "SEPA":
        scope.setdefault("ids", []).append(identifier)
        return True
    debit = context.root.setdefault("payment", {}).setdefault("direct_debit", {})
    return bool(debit.setdefault("creditor", identifier.value) == identifier.value)


def spread_ids(party: Party | Payee, _root: Invoice) -> Iterator[Identification]:
    """The party's identifiers."""
    for identifier in party.ids:
        yield Identification(id=identifier)


def _creditor(invoice: Invoice) -> Iterator[Identification]:
    if invoice.payment and invoice.payment.direct_debit and invoice.payment.direct_debit.creditor:
        yield Identification(id=Identifier(invoice.payment.direct_debit.creditor, "SEPA"))


def spread_seller_ids(party: Party, root: Invoice) -> Iterator[Identification]:
    """The seller's identifiers, and BT-90 where the seller is the payee."""
    yield from spread_ids(party, root)
    if root.payee is None:
        yield from _creditor(root)


def spread_payee_ids(payee: Payee, root: Invoice) -> Iterator[Identification]:
    """The payee's identifiers, and BT-90."""
    yield from spread_ids(payee, root)
    yield from _creditor(root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """cac:PartyTaxScheme: a VAT identifier, or a registration with a tax authority under any other scheme."""

    id: Text = term("BT-31", "")
    scheme: Code = term("BT-31", "")


def merge_vat_id(scope: Scope, found: Scope, _context: Context) -> bool:
    """A PartyTaxScheme into the VAT identifier, the only registration that a tax representative has."""
    value, vat = found.get("id"), found.get("scheme", "").upper() == _VAT
    return value is None or (vat and bool(scope.setdefault("vat_id", value) == value))


def merge_registration(scope: Scope, found: Scope, context: Context) -> bool:
    """A PartyTaxScheme into the VAT identifier (BT-31, BT-48), or into BT-32 where its scheme is not VAT."""
    if found.get("scheme", "").upper() == _VAT:
        return merge_vat_id(scope, found, context)
    value = found.get("id")
    return value is None or bool(scope.setdefault("tax_id", value) == value)


def spread_vat_id(party: Party | TaxRepresentative, _root: Invoice) -> Iterator[Registration]:
    """The VAT identifier."""
    if party.vat_id:
        yield Registration(id=party.vat_id, scheme=_VAT)


def spread_registrations(party: Party, root: Invoice) -> Iterator[Registration]:
    """The party's VAT identifier, then its registration with a tax authority."""
    yield from spread_vat_id(party, root)
    if party.tax_id:
        yield Registration(id=party.tax_id, scheme=_OTHER_TAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """cac:PaymentMeans: one per account to pay into, each repeating BT-81, BT-82 and BT-83."""

    means_code: Code = term("BT-81", "")
    means_text: Text = term("BT-82", "")
    due_date: Date | None = term("BT-9", "", default=None)
    remittance: Text = term("BT-83", "")
    card: Card | None = term("BG-18", "", default=None)
    transfer: CreditTransfer | None = term("BG-17", "", default=None)
    direct_debit: DirectDebit | None = term("BG-19", "", default=None)


def merge_means(scope: Scope, found: Scope, _context: Context) -> bool:
    """One PaymentMeans into BG-16 and BT-9; several of one code are its credit transfers (BG-17)."""
    held = True
    if due := found.pop("due_date", None):
        held = bool(scope.setdefault("due_date", due) == due)
        if found == {"means_code": _UNDEFINED_MEANS}:
            return held
    if not found:
        return held
    payment = scope.setdefault("payment", {})
    if "means_code" in payment and found.get("means_code") != payment["means_code"]:
        return False
    if transfer := found.pop("transfer", None):
        payment.setdefault("transfers", []).append(CreditTransfer(**transfer))
    for name, value in found.pop("direct_debit", {}).items():
        held = payment.setdefault("direct_debit", {}).setdefault(name, value) == value and held
    for name, value in found.items():
        held = payment.setdefault(name, value) == value and held
    return held


def spread_means(invoice: Invoice, _root: Invoice) -> Iterator[Means]:
    """BG-16 as one PaymentMeans for each credit transfer, the first with all the rest and BT-9."""
    payment = invoice.payment
    if payment is None:
        if invoice.due_date:
            yield Means(means_code=_UNDEFINED_MEANS, due_date=invoice.due_date)
        return
    code = payment.means_code or _UNDEFINED_MEANS
    yield Means(
        means_code=code,
        means_text=payment.means_text,
        due_date=invoice.due_date,
        remittance=payment.remittance,
        card=payment.card,
        transfer=payment.transfers[0] if payment.transfers else None,
        direct_debit=payment.direct_debit,
    )
    for transfer in payment.transfers[1:]:
        yield Means(means_code=code, means_text=payment.means_text, remittance=payment.remittance, transfer=transfer)


def spread_means_of_invoice(invoice: Invoice, root: Invoice) -> Iterator[Means]:
    """BG-16 where there is one; an invoice has its own element for BT-9."""
    return spread_means(invoice, root) if invoice.payment else iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxTotal:
    """cac:TaxTotal: BT-110 and the breakdown in the invoice currency; BT-111 in the VAT accounting currency."""

    amount: Amount | None = term("BT-110", "", default=None)
    currency: Code = term("BT-5", "")
    breakdown: tuple[VatBreakdown, ...] = term("BG-23", "", "0..n", ())


def merge_tax_total(scope: Scope, found: Scope, context: Context) -> bool:
    """A TaxTotal into BT-110 with the breakdown (BG-23), or into BT-111, told apart by its currency."""
    totals, amount = scope.setdefault("totals", {}), found.get("amount")
    breakdown, currency = found.get("breakdown", []), found.get("currency", context.currency)
    if currency == context.currency and "vat" not in totals:
        if amount is not None:
            totals["vat"] = amount
        if breakdown:
            scope.setdefault("vat_breakdown", []).extend(breakdown)
        return True
    if currency == context.root.get("tax_currency") and "vat_in_tax_currency" not in totals and amount is not None:
        totals["vat_in_tax_currency"] = amount
        return not breakdown
    return False


def spread_tax_total(invoice: Invoice, _root: Invoice) -> Iterator[TaxTotal]:
    """BT-110 with the breakdown (BG-23), then BT-111 in the accounting currency; a breakdown alone gets its sum."""
    vat = invoice.totals.vat
    if vat is None and invoice.vat_breakdown:
        vat = sum((one.tax_amount or Decimal(0) for one in invoice.vat_breakdown), Decimal(0))
    yield TaxTotal(amount=vat, currency=invoice.currency, breakdown=invoice.vat_breakdown)
    yield TaxTotal(amount=invoice.totals.vat_in_tax_currency, currency=invoice.tax_currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """cac:AllowanceCharge of a price: the discount, which is mandatory, and the gross price."""

    discount: UnitPrice | None = term("BT-147", "", default=None)
    gross: UnitPrice | None = term("BT-148", "", default=None)


def merge_discount(scope: Scope, found: Scope, _context: Context) -> bool:
    """A price's AllowanceCharge into BT-147 and BT-148; a bare 0 beside a gross price is no discount."""
    discount = found.get("discount")
    if "gross" in found and discount is not None and _bare(discount):
        del found["discount"]
    price = scope.setdefault("price", {})
    return all(price.setdefault(name, value) == value for name, value in found.items())


def spread_discount(line: Line, _root: Invoice) -> Iterator[Discount]:
    """BT-147 and BT-148; UBL wants a discount wherever there is a gross price, and none given is a bare 0."""
    gross, discount = line.price.gross, line.price.discount
    if discount is None:
        if gross is not None:
            yield Discount(discount=Decimal(0), gross=gross)
    else:
        yield Discount(discount=_ZERO if gross is not None and _bare(discount) else discount, gross=gross)


def _bare(discount: Decimal) -> bool:
    """A zero without decimals."""
    return discount == 0 and "." not in format(discount, "f")
