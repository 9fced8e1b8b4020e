"""Where a UBL document is cut differently from the model: what is read there, and how it is translated both ways.

Each class is what one element of the document holds. `merge_…` takes it into what has been read so far and says whether
the model could hold it all; `spread_…` gives the elements to write. `schemas.formats.ubl` says what UBL forces on them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import TypeVar

from schemas.binding import Context, Scope
from schemas.formats.ubl.vocabulary import ANY_MEDIA, CHARGE_REASONS, TAX_TYPES, UNSAID, VAT
from schemas.invoice import (
    AdvancePayment,
    AllowanceOrCharge,
    Amount,
    Attachment,
    Card,
    Code,
    CreditTransfer,
    Date,
    DirectDebit,
    Identifier,
    Invoice,
    InvoiceReference,
    LineDocument,
    LogisticsCharge,
    Note,
    ObjectReference,
    Party,
    Payee,
    PaymentAdjustment,
    PaymentTerms,
    Percentage,
    Quantity,
    Reference,
    Tax,
    TaxRepresentative,
    Text,
    ThirdPartyPayment,
    VatBreakdown,
    term,
)
from schemas.table import build

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

_UNDEFINED_MEANS = "1"
_OTHER_TAX = "TAX"
_SUBJECT = re.compile(r"#([A-Z0-9]{2,3})#(.*)", re.DOTALL)

File = TypeVar("File", Attachment, LineDocument)


def put(scope: Scope, found: Scope) -> bool:
    """Takes values a document has once into a scope; False when another one is already there."""
    held = True
    for name, value in found.items():
        held = scope.setdefault(name, value) == value and held
    return held


def split_note(text: str) -> tuple[str, str]:
    """A cbc:Note as text and subject code: `#CODE#text` has one, any other has none."""
    match = _SUBJECT.fullmatch(text)
    return (match[2], match[1]) if match else (text, "")


def join_note(text: str, subject: str) -> str:
    """The two in one."""
    return f"#{subject}#{text}" if subject else text


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteText:
    """cbc:Note: the subject code and the text in one."""

    text: Text = term("BT-22", "")


def merge_note(scope: Scope, found: Scope, _context: Context) -> bool:
    """A note into BG-1; `#CODE#text` has a subject code (BT-21)."""
    text, subject = split_note(found["text"])
    scope.setdefault("notes", []).append(Note(text=text, subject=subject))
    return True


def spread_notes(invoice: Invoice, _root: Invoice) -> Iterator[NoteText]:
    """Each note (BG-1), its subject code before it as `#CODE#`."""
    for note in invoice.notes:
        yield NoteText(text=join_note(note.text, note.subject))


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """cac:OrderReference: its ID is mandatory even when only the sales order is known."""

    purchase_order: Text = term("BT-13", "")
    sales_order: Text = term("BT-14", "")
    purchase_order_date: Date | None = term("BT-X-147", "", default=None)


def merge_order(scope: Scope, found: Scope, _context: Context) -> bool:
    """An OrderReference into BT-13 and BT-14; the placeholder for a missing order is not a number."""
    if len(found) > 1 and found.get("purchase_order") == UNSAID:
        del found["purchase_order"]
    return put(scope, found)


def spread_order(invoice: Invoice, _root: Invoice) -> Iterator[Order]:
    """BT-13 and BT-14; UBL wants an order number wherever there is a sales order or a date."""
    order, date = invoice.purchase_order, invoice.purchase_order_date
    if not order and (invoice.sales_order or date):
        order = UNSAID
    yield Order(purchase_order=order, sales_order=invoice.sales_order, purchase_order_date=date)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReference:
    """A reference to another document, whose ID is mandatory."""

    number: Text = term("BT-16", "")
    date: Date | None = term("BT-X-200", "", default=None)
    kind: Text = term("BT-X-405", "")


def merge_tender(scope: Scope, found: Scope, _context: Context) -> bool:
    """The first OriginatorDocumentReference into BT-17, others into the further tenders."""
    if len(found) > 1 and found.get("number") == UNSAID:
        del found["number"]
    if "tender" in scope or "tender_date" in scope:
        scope.setdefault("more_tenders", []).append(Reference(**found))
        return True
    return put(scope, {{"number": "tender", "date": "tender_date"}[name]: value for name, value in found.items()})


def spread_tenders(invoice: Invoice, _root: Invoice) -> Iterator[DocumentReference]:
    """BT-17, then the further tenders."""
    for number, date in (
        (invoice.tender, invoice.tender_date),
        *((one.number, one.date) for one in invoice.more_tenders),
    ):
        if number or date:
            yield DocumentReference(number=number or UNSAID, date=date)


def merge_object(scope: Scope, found: Scope, _context: Context) -> bool:
    """The first AdditionalDocumentReference of type 130 into BT-18, others into the further objects."""
    if "object_id" in scope:
        scope.setdefault("more_objects", []).append(ObjectReference(**found))
        return True
    return put(scope, {{"id": "object_id", "date": "object_date"}[name]: value for name, value in found.items()})


def spread_objects(invoice: Invoice, _root: Invoice) -> Iterator[ObjectReference]:
    """BT-18, then the further objects."""
    if invoice.object_id or invoice.object_date:
        yield ObjectReference(id=invoice.object_id or Identifier(UNSAID), date=invoice.object_date)
    yield from invoice.more_objects


def merge_attachment(scope: Scope, found: Scope, _context: Context) -> bool:
    """An AdditionalDocumentReference of another type into BG-24."""
    scope.setdefault("attachments", []).append(Attachment(**found))
    return True


def spread_attachments(invoice: Invoice, _root: Invoice) -> Iterator[Attachment]:
    """The supporting documents (BG-24)."""
    return map(typed, invoice.attachments)


def typed(file: File) -> File:
    """UBL wants a media type for a file."""
    return file if file.content is None or file.media_type else replace(file, media_type=ANY_MEDIA)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    """cac:PartyIdentification: an identifier of the party, or (scheme SEPA) the creditor identifier BT-90."""

    id: Identifier | None = term("BT-29", "", default=None)


def merge_id(scope: Scope, found: Scope, _context: Context) -> bool:
    """A party's identifier into BT-46 or its like."""
    scope.setdefault("ids", []).append(found["id"])
    return True


def merge_payee_id(scope: Scope, found: Scope, context: Context) -> bool:
    """An identifier of the seller or the payee into BT-29 or BT-60; scheme SEPA is the creditor's (BT-90)."""
    identifier: Identifier = found["id"]
    if identifier.scheme != "SEPA":
        return merge_id(scope, found, context)
    debit = context.root.setdefault("payment", {}).setdefault("direct_debit", {})
    return bool(debit.setdefault("creditor", identifier.value) == identifier.value)


def merge_location_id(scope: Scope, found: Scope, _context: Context) -> bool:
    """An identifier of the party delivered to into the further ones beside BT-71."""
    scope.setdefault("delivery", {}).setdefault("more_location_ids", []).append(found["id"])
    return True


def spread_ids(party: Party | Payee | TaxRepresentative, _root: Invoice) -> Iterator[Identification]:
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


def spread_location_ids(invoice: Invoice, _root: Invoice) -> Iterator[Identification]:
    """The further identifiers of where is delivered to."""
    for identifier in invoice.delivery.more_location_ids if invoice.delivery else ():
        yield Identification(id=identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """cac:PartyTaxScheme: a VAT identifier, or a registration with a tax authority under any other scheme."""

    id: Text = term("BT-31", "")
    scheme: Code = term("BT-31", "")


def merge_vat_id(scope: Scope, found: Scope, _context: Context) -> bool:
    """A PartyTaxScheme into the VAT identifier, the only registration that some parties have."""
    value, vat = found.get("id"), found.get("scheme", "").upper() == VAT
    return value is None or (vat and bool(scope.setdefault("vat_id", value) == value))


def merge_registration(scope: Scope, found: Scope, context: Context) -> bool:
    """A PartyTaxScheme into the VAT identifier (BT-31, BT-48), or into BT-32 where its scheme is not VAT."""
    if found.get("scheme", "").upper() == VAT:
        return merge_vat_id(scope, found, context)
    value = found.get("id")
    return value is None or bool(scope.setdefault("tax_id", value) == value)


def spread_vat_id(party: Party | Payee | TaxRepresentative, _root: Invoice) -> Iterator[Registration]:
    """The VAT identifier."""
    if party.vat_id:
        yield Registration(id=party.vat_id, scheme=VAT)


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
    payer: Party | None = term("BG-X-73", "", default=None)


def merge_means(scope: Scope, found: Scope, _context: Context) -> bool:
    """One PaymentMeans into BG-16 and BT-9; several that differ in their accounts alone are one with credit transfers
    (BG-17), others are further payment instructions."""
    beside: Scope = {name: found.pop(name) for name in ("due_date", "payer") if name in found}
    held = put(scope, beside)
    if not found or (beside and found == {"means_code": _UNDEFINED_MEANS}):
        return held
    if found.get("card", {}).get("network") == UNSAID:
        del found["card"]["network"]
    transfer = found.pop("transfer", None)
    transfers = [CreditTransfer(**transfer)] if transfer else []
    first, others = scope.get("payment", {}), scope.setdefault("more_payments", [])
    last = others[-1] if others else first
    if not first.keys() - {"direct_debit"} and not (first.get("direct_debit", {}).keys() - {"creditor"}):
        held = _first_means(scope.setdefault("payment", {}), found, transfers) and held
    elif found == {name: last[name] for name in _REPEATED if name in last}:
        if transfers:
            last.setdefault("transfers", []).extend(transfers)
    else:
        others.append(found | ({"transfers": transfers} if transfers else {}))
    if not others:
        del scope["more_payments"]
    return held


_REPEATED = ("means_code", "means_text", "remittance")
"""What each PaymentMeans of one payment says again."""


def _first_means(payment: Scope, found: Scope, transfers: list[CreditTransfer]) -> bool:
    debit = found.pop("direct_debit", {})
    payment.update(found)
    if transfers:
        payment["transfers"] = transfers
    return not debit or put(payment.setdefault("direct_debit", {}), debit)


def spread_means(invoice: Invoice, _root: Invoice) -> Iterator[Means]:
    """BG-16 and the further payment instructions, each as one PaymentMeans for each of its credit transfers; the very
    first has BT-9 and the payer."""
    payments = (*((invoice.payment,) if invoice.payment else ()), *invoice.more_payments)
    if not invoice.payment and (invoice.due_date or invoice.payer):
        yield Means(means_code=_UNDEFINED_MEANS, due_date=invoice.due_date, payer=invoice.payer)
    for place, payment in enumerate(payments):
        first = place == 0 and invoice.payment is not None
        card = payment.card and replace(payment.card, network=payment.card.network or UNSAID)
        means = Means(
            means_code=payment.means_code or _UNDEFINED_MEANS,
            means_text=payment.means_text,
            remittance=payment.remittance,
        )
        yield replace(
            means,
            due_date=invoice.due_date if first else None,
            payer=invoice.payer if first else None,
            card=card,
            transfer=payment.transfers[0] if payment.transfers else None,
            direct_debit=payment.direct_debit,
        )
        for transfer in payment.transfers[1:]:
            yield replace(means, transfer=transfer)


def spread_means_of_invoice(invoice: Invoice, root: Invoice) -> Iterator[Means]:
    """The same in an invoice, which has its own element for BT-9."""
    return spread_means(replace(invoice, due_date=None) if invoice.due_date else invoice, root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """cac:PaymentTerms: the text BT-20, and what early or late payment changes."""

    id: Text = term("BT-20", "")
    text: Text = term("BT-20", "")
    partial_amount: Amount | None = term("BT-X-275", "", default=None)
    due_date: Date | None = term("BT-9", "", default=None)
    penalty: PaymentAdjustment | None = term("BG-X-43", "", default=None)
    discount: PaymentAdjustment | None = term("BG-X-44", "", default=None)


_NOTE_LINES = re.compile(r"note lines ([0-9]{1,6}) to ([0-9]{1,6})", re.ASCII)
_LONGEST_NOTE = 100_000
_MOST_TERMS = 200
_FIRST_TERMS = {"text": "payment_terms", "partial_amount": "partial_payment"}


def merge_terms(scope: Scope, found: Scope, _context: Context) -> bool:
    """The first PaymentTerms into BT-20 and what belongs to it, others into the further payment terms."""
    number = found.pop("id", "")
    place = _NOTE_LINES.fullmatch(number)
    known = not number
    if place and "text" not in found:
        known = _take_lines(scope, found, int(place[1]), int(place[2]))
    mine = {_FIRST_TERMS.get(name, name): value for name, value in found.items()}
    later = "due_date" in found and scope.get("due_date", found["due_date"]) != found["due_date"]
    if place or later or scope.keys() & {*_FIRST_TERMS.values(), "penalty", "discount", "more_payment_terms"}:
        scope.setdefault("more_payment_terms", []).append(build(PaymentTerms, found))
        return known
    return put(scope, mine) and known


def _take_lines(scope: Scope, found: Scope, first: int, last: int) -> bool:
    """Moves lines of the note of the first PaymentTerms to the later ones whose text they are; a note or a number of
    terms that nobody writes by hand is left as it is."""
    text, others = scope.get("payment_terms", ""), scope.get("more_payment_terms", ())
    if len(text) > _LONGEST_NOTE or len(others) > _MOST_TERMS:
        return False
    lines = text.split("\n")
    taken = sum(one.text.count("\n") + 1 for one in others if one.text)
    start, end = first - 1 - taken, last - taken
    if not 0 <= start < end <= len(lines):
        return False
    found["text"] = "\n".join(lines[start:end])
    if rest := "\n".join((*lines[:start], *lines[end:])):
        scope["payment_terms"] = rest
    else:
        del scope["payment_terms"]
    return True


def spread_terms(invoice: Invoice, _root: Invoice) -> Iterator[Terms]:
    """BT-20 with what belongs to it, then the further payment terms. The rules of UBL allow one note for all of them:
    it has all texts, and the later ones say which of its lines are theirs."""
    texts = [one.text for one in invoice.more_payment_terms if one.text]
    yield Terms(
        text="\n".join((*((invoice.payment_terms,) if invoice.payment_terms else ()), *texts)),
        partial_amount=invoice.partial_payment,
        penalty=_measured(invoice.penalty),
        discount=_measured(invoice.discount),
    )
    line = invoice.payment_terms.count("\n") + 1 if invoice.payment_terms else 0
    for one in invoice.more_payment_terms:
        first, line = line + 1, line + (one.text.count("\n") + 1 if one.text else 0)
        yield Terms(
            id=f"note lines {first} to {line}" if one.text else "",
            partial_amount=one.partial_amount,
            due_date=one.due_date,
            penalty=_measured(one.penalty),
            discount=_measured(one.discount),
        )


def _measured(one: PaymentAdjustment | None) -> PaymentAdjustment | None:
    """Without a period that does not say in which unit it is: UBL wants one."""
    return replace(one, period=None) if one and one.period and not one.period.unit else one


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepaid:
    """cac:PrepaidPayment: an advance payment, or (with an instruction) a payment for somebody else."""

    id: Text = term("BT-X-558", "")
    amount: Amount | None = term("BT-X-291", "", default=None)
    date: Date | None = term("BT-X-292", "", default=None)
    instruction: Text = term("BT-180", "")


def merge_prepaid(scope: Scope, found: Scope, _context: Context) -> bool:
    """A PrepaidPayment into BG-X-45, its ID being the invoice of the advance payment; or into BG-34."""
    number, amount = found.get("id", ""), found.get("amount")
    if "instruction" in found:
        one = ThirdPartyPayment(description=found["instruction"], amount=amount)
        scope.setdefault("third_party_payments", []).append(one)
        return not number and "date" not in found
    invoice = InvoiceReference(number=number) if number else None
    payment = AdvancePayment(amount=amount, date=found.get("date"), invoice=invoice)
    scope.setdefault("advance_payments", []).append(payment)
    return True


def spread_prepaid(invoice: Invoice, _root: Invoice) -> Iterator[Prepaid]:
    """The advance payments (BG-X-45), then the payments for others (BG-34)."""
    for one in invoice.advance_payments:
        yield Prepaid(id=one.invoice.number if one.invoice else "", amount=one.amount, date=one.date)
    for other in invoice.third_party_payments:
        yield Prepaid(amount=other.amount, instruction=other.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """cac:AllowanceCharge that is a charge: its reason code is of UNTDID 7161, or the kind of a tax (5153)."""

    id: Text = term("BG-X-42", "")
    code: Code = term("BT-105", "")
    code_list: Code = term("BT-105", "")
    reason: Text = term("BT-104", "")
    percentage: Percentage | None = term("BT-101", "", default=None)
    sequence: Quantity | None = term("BT-X-268", "", default=None)
    amount: Amount | None = term("BT-99", "", default=None)
    base: Amount | None = term("BT-100", "", default=None)
    vat_category: Code = term("BT-102", "")
    vat_rate: Percentage | None = term("BT-103", "", default=None)
    exemption_code: Code = term("BT-176", "")
    exemption_reason: Text = term("BT-175", "")


_LOGISTICS = "logistics service charge"
_SHARED = tuple(one.name for one in fields(Charge) if one.name not in ("id", "code", "code_list"))
_TAX = {
    "vat_category": "category",
    "vat_rate": "rate",
    "exemption_code": "exemption_code",
    "exemption_reason": "exemption_reason",
}


def merge_charge(scope: Scope, found: Scope, _context: Context) -> bool:
    """A charge into BG-21; a code of list 5153 says which other tax it is (BT-177). What we wrote for a logistics
    service charge (BG-X-42) is one again."""
    number, code, code_list = (found.pop(name, "") for name in ("id", "code", "code_list"))
    if number == _LOGISTICS:
        tax = {_TAX[name]: found.pop(name) for name in _TAX if name in found}
        charge = LogisticsCharge(
            description=found.pop("reason", ""), amount=found.pop("amount", None), taxes=(Tax(**tax),) if tax else ()
        )
        scope.setdefault("logistics_charges", []).append(charge)
        return not found and not code
    kind = {"tax_type": code} if code_list == TAX_TYPES else {"reason_code": code}
    scope.setdefault("charges", []).append(AllowanceOrCharge(**found, **kind))
    return not number and code_list in ("", CHARGE_REASONS, TAX_TYPES)


def spread_charges(invoice: Invoice, _root: Invoice) -> Iterator[Charge]:
    """The charges (BG-21); one that is another tax says so in place of its reason code. Then the logistics service
    charges, which are part of the sum of charges, too."""
    for one in invoice.charges:
        code, code_list = (one.tax_type, TAX_TYPES) if one.tax_type else (one.reason_code, "")
        yield Charge(code=code, code_list=code_list, **{name: getattr(one, name) for name in _SHARED})
    for service in invoice.logistics_charges:
        tax = {name: getattr(service.taxes[0], field) for name, field in _TAX.items()} if service.taxes else {}
        yield Charge(id=_LOGISTICS, reason=service.description, amount=service.amount, **tax)


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
    if invoice.tax_currency not in ("", invoice.currency):
        yield TaxTotal(amount=invoice.totals.vat_in_tax_currency, currency=invoice.tax_currency)
