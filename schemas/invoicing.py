"""A delivery of an order becomes an invoice: what each term is taken from, and what each part delivery bears. Pure.

Decided here:
- What the call says of the invoice goes before what the order says; lines are the order's own, never the call's.
- Whom to invoice is the order's invoicee where it names one, else its buyer; what an invoicee of the same legal
  identity leaves out (electronic address, VAT number) is the buyer's.
- VAT of a line: what the call says of that line, the line of the order, the one VAT of the order, the call's default.
- An allowance or charge of a fixed amount is shared out by what was delivered up to and with this delivery, rounded,
  less what was shared out before: the parts add up to the whole whatever the roundings, and the last takes the rest.
  On a line the measure is quantity, on the document the value of the lines at net price. A percentage on a line is
  taken anew of each part.
- More than was ordered bears no more of a fixed amount than was agreed.
- A SIRET told as legal identifier (scheme 0002, 14 digits) becomes what the norm wants: its SIREN as BT-30 or BT-47 and
  the SIRET as an identifier of scheme 0009. The norm allows a buyer one identifier: it is the order's first, and what
  is left out is remarked.
- Notes of the order are instructions to the seller and stay there, but for those the law wants on the invoice.
- A French invoice whose business process (BT-23) nobody names is B1, goods.
"""

from __future__ import annotations

import decimal
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

from schemas import json_form
from schemas.finding import Finding, Severity
from schemas.invoice import (
    CREDIT_NOTE_TYPES,
    AllowanceOrCharge,
    Code,
    Date,
    Delivery,
    Identifier,
    Indicator,
    Invoice,
    Line,
    LineAllowanceOrCharge,
    LineVat,
    Party,
    Payment,
    Quantity,
    Text,
    term,
)
from schemas.order import Order, OrderLine
from schemas.parties import identifier_of
from schemas.payment_terms import Agreed, Filled, fill
from schemas.totals import Completion, complete, round_amount

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

LAYER = "delivery"
NUMBERLESS = "0"
"""BT-1 of an invoice whose number is given only when it is issued."""
GOODS = "B1"
"""BT-23: an invoice for goods, by the French list."""
_LAWFUL_NOTES = frozenset({"PMT", "PMD", "AAB", "BAR", "REG"})
"""Subjects (BT-21) of notes that an order may bring along for its invoices."""
_SIREN, _SIRET = "0002", "0009"
_TOTALS = {
    "lines": "BT-106",
    "allowances": "BT-107",
    "charges": "BT-108",
    "without_vat": "BT-109",
    "with_vat": "BT-112",
}
"""Totals of an order that its lines give, and their terms."""
_SUGGESTIONS, _CANDIDATES, _COMPARED = 3, 500, 40
"""How many unknown lines are told which may be meant, among how many lines, by how many characters of their names:
comparing names is quadratic, and whoever calls chooses both sides."""
_EXACT = decimal.Context(prec=100, rounding=decimal.ROUND_HALF_UP)
_ZERO = Decimal(0)

_Span: TypeAlias = tuple[Decimal, Decimal, Decimal]
"""What was delivered before, with this delivery, and what was ordered, in one measure."""
T = TypeVar("T")
_Any = TypeVar("_Any", AllowanceOrCharge, LineAllowanceOrCharge)


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLine:
    """What was delivered of one line of the order."""

    line: Text = term("BT-132", "Order line identifier", "1..1")
    quantity: Quantity | None = term("BT-129", "Delivered quantity", default=None)
    """Absent: all that remains of the line."""
    note: Text = term("BT-127", "Invoice line note")
    vat: LineVat | None = term("BG-30", "Line VAT information", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What was delivered of an order, and what its invoice says besides."""

    date: Date | None = term("BT-72", "Actual delivery date", "1..1", None)
    despatch_advice: Text = term("BT-16", "Despatch advice reference")
    lines: tuple[DispatchLine, ...] = term("", "Delivered lines", "0..n", ())
    """None: all that remains of the order."""
    vat: LineVat | None = term("BG-30", "VAT where neither line nor order tells it", default=None)
    allow_over_delivery: Indicator | None = term("", "More than was ordered may be delivered", default=None)
    invoice: Invoice | None = term("", "What the invoice says besides", default=None)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a draft depends on beside the order and the delivery."""

    before: Mapping[str, Decimal]
    """Line id → quantity delivered by the deliveries before this one."""
    today: date
    """The day of issue where the call names none."""
    french: bool
    """Whether the French rules apply."""
    agreed: Agreed = Agreed()
    """What was agreed on paying."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The invoice of a delivery, complete but for its number where the call gives none."""

    invoice: Invoice
    quantities: Mapping[str, Decimal]
    """Line id → quantity delivered now, in the order of the order."""
    whole: bool
    """Whether nothing remains of the order after it."""
    findings: tuple[Finding, ...] = ()
    """What keeps the invoice from being issued; none: nothing."""
    remarks: tuple[Finding, ...] = ()
    """What somebody should know and what nothing follows from."""


def draft(order: Order, dispatch: Dispatch, setting: Setting) -> Draft:
    """The invoice of a delivery, with everything that is wrong or missing at once.

    Paths of findings point into the call, or, below /invoice, into the invoice that would be issued.
    """
    with decimal.localcontext(_EXACT):
        return _Work(order, dispatch, setting).draft()


def numbered(data: bytes, number: str) -> bytes:
    """A drafted invoice in its JSON form (of json_form.write) with its number (BT-1) instead of NUMBERLESS.

    One that bears a number of its own stays as it is. The number is the first member: no other is touched.
    """
    head = f'{{\n  "number": "{NUMBERLESS}"'.encode()
    if not data.startswith(head):
        return data
    return f'{{\n  "number": {json.dumps(number)}'.encode() + data[len(head) :]


def over(base: T, given: T | None) -> T:
    """`base` with what `given` says: groups are joined field by field, lists and values replaced."""
    if given is None:
        return base
    changes: dict[str, Any] = {}
    for one in fields(base):  # type: ignore[arg-type]
        mine, theirs = getattr(base, one.name), getattr(given, one.name)
        if theirs == one.default:
            continue
        join = is_dataclass(mine) and is_dataclass(theirs) and not isinstance(theirs, Identifier)
        changes[one.name] = over(mine, theirs) if join else theirs
    return replace(base, **changes)  # type: ignore[type-var]


def remaining(order: Order, delivered: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Line id → what is still to be delivered of it, never below zero."""
    return {line.id: max(_ZERO, (line.quantity or _ZERO) - delivered.get(line.id, _ZERO)) for line in order.lines}


def differences(order: Order) -> tuple[Finding, ...]:
    """Amounts an order tells that its own quantities, prices, allowances and VAT do not give. Warnings.

    Its invoices follow the latter, so that somebody should know before the first delivery.
    """
    whole = draft(order, Dispatch(date=order.issue_date), Setting({}, order.issue_date or date.min, False)).invoice
    named = {line.order_line: line.net_amount for line in whole.lines}
    told: list[tuple[str, str, Decimal | None, Decimal | None]] = [
        (f"/lines/{at}/net_amount", "BT-131", line.net_amount, named.get(line.id))
        for at, line in enumerate(order.lines)
    ]
    known = all(line.vat.category for line in whole.lines)
    for name, term_id in _TOTALS.items():
        if known or name != "with_vat":
            told.append((f"/totals/{name}", term_id, getattr(order.totals, name), getattr(whole.totals, name)))
    says = "The order tells another amount than its quantities and prices give; its invoices follow these."
    return tuple(
        Finding("ORDER-AMOUNT", Severity.WARNING, "order", says, (term_id,), path, found=str(given), expected=str(due))
        for path, term_id, given, due in told
        if given is not None and due is not None and given != due
    )


@dataclass(slots=True)
class _Work:
    """One draft in progress."""

    order: Order
    dispatch: Dispatch
    setting: Setting

    def draft(self) -> Draft:
        """1. what is delivered; 2. the invoice of it; 3. its totals and payment terms; 4. what is missing."""
        # 1.
        findings = [*self._unfit(), *self._named_lines()]
        delivered = [] if any(one.path.startswith("/lines") for one in findings) else self._delivered()
        if not delivered and not findings:
            says = "Nothing of the order remains to be delivered."
            findings.append(_finding("DELIVERY-NOTHING", says, "/lines", ("BT-129",)))
        findings.extend(self._too_much(delivered))
        quantities = {line.id: quantity for line, _, quantity in delivered}
        whole = all(self._after(line.id, quantities) >= (line.quantity or _ZERO) for line in self.order.lines)
        # 2.
        lines = tuple(self._line(at, *one) for at, one in enumerate(delivered, start=1))
        invoice = self._header(lines)
        if not findings:
            invoice = replace(
                invoice,
                allowances=(*self._shares(self.order.allowances, lines, quantities), *invoice.allowances),
                charges=(*self._shares(self.order.charges, lines, quantities), *invoice.charges),
            )
        # 3.
        terms, known = self.setting.agreed.of(identifier_of(invoice.buyer)), invoice.number != NUMBERLESS
        if terms is not None and not (self.dispatch.invoice and self.dispatch.invoice.payment_terms):
            invoice = replace(invoice, payment_terms="")  # the buyer's words, which _remarks tells
        completion = complete(invoice) if lines else Completion(invoice)
        filled = fill(completion.invoice, terms, numbered=known) if lines else Filled(completion.invoice)
        # 4.
        findings.extend(_missing(filled.invoice) if lines else ())
        findings.extend(_below_invoice(one) for one in completion.findings if one.severity is Severity.FATAL)
        remarks = (*self._remarks(delivered), *self._wished(filled), *(_below_invoice(one) for one in filled.findings))
        return Draft(filled.invoice, quantities, whole, _once(findings), remarks)

    def _unfit(self) -> Iterator[Finding]:
        """What a call may not say."""
        given = self.dispatch.invoice
        if self.dispatch.date is None:
            fix = "Give date, the day on which the goods were handed over."
            yield _finding("DELIVERY-MISSING", "The day of the delivery is missing.", "/date", ("BT-72",), fix=fix)
        if given is None:
            return
        if given.lines:
            says = "The lines of the invoice are those of the order."
            fix = "Name lines and quantities in lines of the call."
            yield _finding("DELIVERY-LINES", says, "/invoice/lines", ("BG-25",), fix=fix)
        if given.type_code in CREDIT_NOTE_TYPES:
            says = "A delivery makes an invoice, not a credit note."
            yield _finding("DELIVERY-TYPE", says, "/invoice/type_code", ("BT-3",), found=given.type_code)
        if given.purchase_order and given.purchase_order != self.order.number:
            says = "The invoice refers to the order that is delivered."
            yield _finding(
                "DELIVERY-ORDER",
                says,
                "/invoice/purchase_order",
                ("BT-13",),
                found=given.purchase_order[:100],
                expected=self.order.number[:100],
            )
        if given.currency and given.currency != self.order.currency:
            says = "The invoice is in the currency of the order, as its prices are."
            found, expected = given.currency, self.order.currency
            yield _finding("DELIVERY-CURRENCY", says, "/invoice/currency", ("BT-5",), found=found, expected=expected)

    def _named_lines(self) -> Iterator[Finding]:
        """Lines that the order does not have, named twice, or of no quantity."""
        ordered, named = self.order.lines, self.dispatch.lines
        if len(named) > len(ordered):
            says, expected = "The call names more lines than the order has.", f"at most {len(ordered)}"
            yield _finding("DELIVERY-LINE", says, "/lines", ("BT-132",), found=str(len(named)), expected=expected)
            return
        known, seen, unknown = {line.id for line in ordered}, set[str](), 0
        for at, one in enumerate(named):
            path = f"/lines/{at}"
            if one.line not in known:
                unknown += 1
                fix = self._meant(one.line) if unknown <= _SUGGESTIONS else None
                says = "The order has no such line."
                yield _finding("DELIVERY-LINE", says, f"{path}/line", ("BT-132",), found=one.line[:100], fix=fix)
            elif one.line in seen:
                says = "The line is named twice; give its quantity once."
                yield _finding("DELIVERY-LINE", says, f"{path}/line", ("BT-132",), found=one.line[:100])
            seen.add(one.line)
            if one.quantity is not None and one.quantity <= 0:
                says = "A delivered quantity is more than nothing."
                where, found = f"{path}/quantity", format(one.quantity, "f")
                yield _finding("DELIVERY-QUANTITY", says, where, ("BT-129",), found=found, expected="above 0")

    def _meant(self, name: str) -> str:
        """Which line of the order an unknown name may mean."""
        known = {line.id[:_COMPARED]: line.id[:100] for line in self.order.lines[:_CANDIDATES]}
        near = difflib.get_close_matches(name[:_COMPARED], known, n=1, cutoff=0.6)
        return f"Did you mean {known[near[0]]}?" if near else f"Lines of the order: {', '.join(list(known)[:20])}."

    def _delivered(self) -> list[tuple[OrderLine, DispatchLine, Decimal]]:
        """What is delivered, in the order of the order."""
        left = remaining(self.order, self.setting.before)
        named = {one.line: one for one in self.dispatch.lines}
        found = []
        for line in self.order.lines:
            one = named.get(line.id) if named else DispatchLine(line=line.id)
            if one is None:
                continue
            quantity = left[line.id] if one.quantity is None else one.quantity
            if quantity > 0 or named:
                found.append((line, one, quantity))
        return found

    def _too_much(self, delivered: Sequence[tuple[OrderLine, DispatchLine, Decimal]]) -> Iterator[Finding]:
        """More than remains, where the call does not allow it; or nothing of a line."""
        left = remaining(self.order, self.setting.before)
        places = {one.line: at for at, one in enumerate(self.dispatch.lines)}
        for line, _, quantity in delivered:
            path = f"/lines/{places.get(line.id, 0)}/quantity"
            if quantity == 0:
                yield _finding("DELIVERY-NOTHING", "Nothing of this line remains.", path, ("BT-129",), found=line.id)
            elif quantity > left[line.id] and not self.dispatch.allow_over_delivery:
                says = "More is delivered than remains of the order's line."
                found, expected = format(quantity, "f"), f"at most {format(left[line.id], 'f')}"
                fix = "Correct the quantity, or set allow_over_delivery to true where the buyer agreed to more."
                yield _finding("DELIVERY-OVER", says, path, ("BT-129",), found=found, expected=expected, fix=fix)

    def _before(self, line: str) -> Decimal:
        return self.setting.before.get(line, _ZERO)

    def _after(self, line: str, quantities: Mapping[str, Decimal]) -> Decimal:
        return self._before(line) + quantities.get(line, _ZERO)

    # Lines --------------------------------------------------------------------------------------------------------

    def _line(self, number: int, line: OrderLine, one: DispatchLine, quantity: Decimal) -> Line:
        span: _Span = (self._before(line.id), self._before(line.id) + quantity, line.quantity or _ZERO)
        return Line(
            id=str(number),
            note=one.note,
            object_id=line.object_id,
            quantity=quantity,
            unit=line.unit or json_form.ONE,
            order_line=line.id,
            accounting_reference=line.accounting_reference,
            allowances=tuple(_line_shares(line, line.allowances, span)),
            charges=tuple(_line_shares(line, line.charges, span)),
            price=line.price,
            vat=self._vat(line, one),
            item=line.item,
        )

    def _vat(self, line: OrderLine, one: DispatchLine) -> LineVat:
        told = [vat for vat in (one.vat, line.vat, self._vat_of_order(), self.dispatch.vat) if vat is not None]
        category = next((vat.category for vat in told if vat.category), "")
        rate = next((vat.rate for vat in told if vat.rate is not None and vat.category in ("", category)), None)
        return LineVat(category=category or ("S" if rate else ""), rate=rate)

    def _vat_of_order(self) -> LineVat | None:
        """The VAT of the order, where it has one only."""
        return _only({(one.category, one.rate) for one in self.order.vat_breakdown})

    # Allowances and charges of the document ---------------------------------------------------------------------------

    def _shares(
        self, several: Sequence[AllowanceOrCharge], lines: Sequence[Line], quantities: Mapping[str, Decimal]
    ) -> Iterator[AllowanceOrCharge]:
        """What this delivery bears of each allowance or charge of the order."""
        if not several:
            return
        span = self._worth(quantities)
        base = complete(Invoice(lines=tuple(lines))).invoice.totals.lines or _ZERO
        only = _only({(line.vat.category, line.vat.rate) for line in lines})
        for one in several:
            total = one.amount if one.amount is not None else self._percentage_of(one)
            if total is None:
                yield self._with_vat(one, only)  # what is missing is told with the totals
                continue
            share = _share(total, span)
            if share == 0 and total != 0:
                continue
            yield self._with_vat(_bearing(one, share, base), only)

    def _worth(self, quantities: Mapping[str, Decimal]) -> _Span:
        """What was delivered before, what is with this delivery, and what was ordered, at net prices."""
        before = after = ordered = _ZERO
        whole = True
        for line in self.order.lines:
            value, quantity = _value(line), line.quantity or _ZERO
            before += value * min(self._before(line.id), quantity)
            after += value * min(self._after(line.id, quantities), quantity)
            ordered += value * quantity
            whole = whole and self._after(line.id, quantities) >= quantity
        if ordered == 0:  # goods without a price: all of it goes with the last delivery
            last = whole and any(self._before(line.id) < (line.quantity or _ZERO) for line in self.order.lines)
            return _ZERO, Decimal(last), Decimal(1)
        return before, after, ordered

    def _percentage_of(self, one: AllowanceOrCharge) -> Decimal | None:
        """The amount that a percentage makes of the whole order."""
        base = one.base if one.base is not None else self.order.totals.lines
        if base is None:
            lines = tuple(
                self._line(at, line, DispatchLine(line=line.id), line.quantity or _ZERO)
                for at, line in enumerate(self.order.lines, start=1)
            )
            base = complete(Invoice(lines=lines)).invoice.totals.lines
        if base is None or one.percentage is None:
            return None
        return round_amount(base * one.percentage / 100)

    def _with_vat(self, one: AllowanceOrCharge, only: LineVat | None) -> AllowanceOrCharge:
        """With the VAT of the order, of all its lines or of the call where the order's allowance tells none."""
        if one.vat_category:
            return one
        for vat in (self._vat_of_order(), only, self.dispatch.vat):
            if vat is not None and vat.category:
                return replace(one, vat_category=vat.category, vat_rate=vat.rate)
        return one

    # Header -------------------------------------------------------------------------------------------------------

    def _header(self, lines: tuple[Line, ...]) -> Invoice:
        order, given = self.order, self.dispatch.invoice
        notes = tuple(note for note in order.notes if note.subject in _LAWFUL_NOTES)
        means, buyer = order.payment, _lawful(_invoiced(order))
        base = Invoice(
            number=NUMBERLESS,
            issue_date=self.setting.today,
            type_code=json_form.INVOICE_TYPE,
            currency=order.currency,
            tax_currency=order.tax_currency,
            buyer_reference=order.buyer_reference,
            project=order.project,
            contract=order.contract,
            purchase_order=order.number,
            sales_order=order.sales_order,
            despatch_advice=self.dispatch.despatch_advice,
            tender=order.tender,
            object_id=order.object_id,
            accounting_reference=order.accounting_reference,
            payment_terms=order.payment_terms,
            notes=notes,
            process=GOODS if self.setting.french else "",
            profile=json_form.EN16931,
            seller=_lawful(order.seller),
            buyer=replace(buyer, ids=buyer.ids[:1]),
            delivery=self._delivery(),
            payment=Payment(means_code=means.means_code, means_text=means.means_text) if means else None,
        )
        return replace(over(base, given), lines=lines)

    def _delivery(self) -> Delivery:
        to = self.order.shipping.to if self.order.shipping else None
        if to is None:
            return Delivery(date=self.dispatch.date)
        place = to.ids[0] if to.ids else None
        return Delivery(name=to.name, location_id=place, date=self.dispatch.date, address=to.address)

    def _wished(self, filled: Filled) -> Iterator[Finding]:
        wished = self.order.payment_terms
        if "BT-20" in filled.terms and wished not in ("", filled.invoice.payment_terms):
            says = "The order has payment terms of its own; the invoice follows those that are set for its buyer."
            yield Finding("DELIVERY-TERMS", Severity.WARNING, LAYER, says, ("BT-20",), found=wished[:100])

    def _remarks(self, delivered: Sequence[tuple[OrderLine, DispatchLine, Decimal]]) -> Iterator[Finding]:
        day = self.dispatch.date
        if day is not None and day > self.setting.today:
            says = "The delivery lies in the future: an invoice before it is a claim for something not yet delivered."
            yield Finding("DELIVERY-DATE", Severity.WARNING, LAYER, says, ("BT-72",), "/date", found=day.isoformat())
        for one in _lawful(_invoiced(self.order)).ids[1:]:
            says = "EN 16931 allows the buyer one identifier; this one of the order is not on the invoice."
            found = f"{one.value[:100]} ({one.scheme})" if one.scheme else one.value[:100]
            yield Finding("DELIVERY-LEFT", Severity.WARNING, LAYER, says, ("BT-46",), found=found)
        left = remaining(self.order, self.setting.before)
        for line, _, quantity in delivered:
            if line.partial_delivery is False and quantity < left[line.id]:
                says = f"The buyer wants line {line.id[:100]} delivered whole; a part of it is delivered."
                yield Finding("DELIVERY-PART", Severity.WARNING, LAYER, says, ("BT-129",), found=format(quantity, "f"))
            if quantity > left[line.id]:
                says = f"More than was ordered of line {line.id[:100]} is delivered, as the call allows."
                yield Finding("DELIVERY-OVER", Severity.WARNING, LAYER, says, ("BT-129",), found=format(quantity, "f"))


def _only(found: set[tuple[Code, Decimal | None]]) -> LineVat | None:
    """The one VAT there is, None where there are several or none."""
    if len(found) != 1:
        return None
    ((category, rate),) = found
    return LineVat(category=category, rate=rate) if category else None


def _value(line: OrderLine) -> Decimal:
    """What one unit of a line is worth, at its net price."""
    price = line.price
    net = price.net
    if net is None and price.gross is not None:
        net = price.gross - (price.discount or 0)
    return (net or _ZERO) / (price.base_quantity or 1)


def _share(total: Decimal, span: _Span) -> Decimal:
    """What falls on the way from before to after, of a total that falls on the way from nothing to the whole."""
    before, after, whole = span
    until = [round_amount(total * max(_ZERO, min(point, whole)) / whole) for point in (before, after)]
    return until[1] - until[0]


def _line_shares(
    line: OrderLine, several: Sequence[LineAllowanceOrCharge], span: _Span
) -> Iterator[LineAllowanceOrCharge]:
    """What a part of a line bears of its allowances or charges."""
    full = round_amount(_value(line) * span[2])
    for one in several:
        if one.percentage is not None and one.base in (None, full):
            yield replace(one, amount=None, base=None)
        elif one.amount is None or span[2] == 0:
            yield one
        elif (share := _share(one.amount, span)) != 0 or one.amount == 0:
            yield _bearing(one, share, None)


def _bearing(one: _Any, share: Decimal, base: Decimal | None) -> _Any:
    """An allowance or charge of the share; its percentage goes along where it still gives this amount."""
    percentage = one.percentage
    if percentage is not None and base is not None and round_amount(base * percentage / 100) == share:
        return replace(one, amount=share, base=base)
    reason = one.reason
    if not reason and not one.reason_code and percentage is not None:
        reason = f"{format(percentage.normalize(), 'f')} %"
    return replace(one, amount=share, base=None, percentage=None, reason=reason)


def _invoiced(order: Order) -> Party:
    """Whom to invoice."""
    party = order.invoicee
    if party is None:
        return order.buyer
    if party.legal_id is not None and party.legal_id == order.buyer.legal_id:
        buyer = order.buyer
        return replace(party, endpoint=party.endpoint or buyer.endpoint, vat_id=party.vat_id or buyer.vat_id)
    return party


def _lawful(party: Party) -> Party:
    """A SIRET in the place of the SIREN, put where it belongs."""
    told = party.legal_id
    if told is None or told.scheme != _SIREN or len(told.value) != 14 or not told.value.isdigit():
        return party
    ids = party.ids if any(one.scheme == _SIRET for one in party.ids) else (*party.ids, Identifier(told.value, _SIRET))
    return replace(party, legal_id=Identifier(told.value[:9], _SIREN), ids=ids)


def _missing(invoice: Invoice) -> Iterator[Finding]:
    """What EN 16931 demands and neither the order nor the call tells."""
    seller, buyer = invoice.seller, invoice.buyer
    wanted: list[tuple[object, str, str, str]] = [
        (seller.name, "BT-27", "seller/name", "the seller's name"),
        (seller.address and seller.address.country, "BT-40", "seller/address/country", "the seller's country"),
        (buyer.name, "BT-44", "buyer/name", "the buyer's name"),
        (buyer.address and buyer.address.country, "BT-55", "buyer/address/country", "the buyer's country"),
        (invoice.currency, "BT-5", "currency", "the currency"),
        (invoice.due_date or invoice.payment_terms, "BT-9", "due_date", "the due date, or payment terms (BT-20)"),
    ]
    for at, line in enumerate(invoice.lines):
        wanted.append((line.vat.category, "BT-151", f"lines/{at}/vat", f"the VAT of order line {line.order_line}"))
        wanted.append((line.item.name, "BT-153", f"lines/{at}/item/name", f"the item of order line {line.order_line}"))
        price = line.price.net is not None
        wanted.append((price, "BT-146", f"lines/{at}/price/net", f"the net price of order line {line.order_line}"))
    for name, ids in (("allowances", "BT-95"), ("charges", "BT-102")):
        for at, one in enumerate(getattr(invoice, name)):
            wanted.append((one.vat_category, ids, f"{name}/{at}/vat_category", f"the VAT of {name[:-1]} {at + 1}"))
    for value, term_id, path, what in wanted:
        if not value:
            fix = "Give vat in the call, for the line or for all." if term_id in _VAT_TERMS else f"Give {what}."
            says = f"The invoice lacks {what}; neither the order nor the call tells it."
            yield _finding("DELIVERY-MISSING", says, f"/invoice/{path}", (term_id,), fix=fix)


_VAT_TERMS = ("BT-151", "BT-95", "BT-102")


def _below_invoice(finding: Finding) -> Finding:
    return replace(finding, path=f"/invoice{finding.path or ''}")


def _once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Without what is said twice of one term at one place: the first says it better."""
    seen: dict[tuple[str | None, tuple[str, ...]], Finding] = {}
    for finding in findings:
        seen.setdefault((finding.path, finding.terms), finding)
    return tuple(seen.values())


def _finding(rule: str, says: str, path: str, terms: tuple[str, ...], **more: str | None) -> Finding:
    """A fatal one; `more`: found, expected, fix."""
    return Finding(rule, Severity.FATAL, LAYER, says, terms, path, **more)  # type: ignore[arg-type]
