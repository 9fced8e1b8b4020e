"""Where a line of a UBL document is cut differently from the model, both ways; `schemas.formats.ubl.lines` binds it.

Lines in a hierarchy are flat in the model, each naming its parent. UBL has two ways to say so. EXTENDED-CTC-FR keeps
them flat and lets a line refer to a line of its own invoice (cac:BillingReference). Elsewhere lines that only break
down what their parent states (INFORMATION) stand inside it, as cac:SubInvoiceLine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from schemas.binding import Context, Scope
from schemas.formats.ubl.views import Identification, NoteText, join_note, put, split_note, typed
from schemas.formats.ubl.vocabulary import CHARGE_REASONS, EXTENDED_CTC_FR, TAX_TYPES, UNSAID
from schemas.invoice import (
    Amount,
    Attribute,
    Code,
    Date,
    Identifier,
    Invoice,
    ItemInstance,
    Line,
    LineAllowanceOrCharge,
    LineDocument,
    LineNote,
    LineReference,
    LineVat,
    Party,
    Percentage,
    PriceAdjustment,
    Text,
    UnitPrice,
    term,
)
from schemas.table import build

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

_ZERO = Decimal("0.00")
_INFORMATION = "INFORMATION"


def _french(profile: str) -> bool:
    return profile.rstrip().endswith(EXTENDED_CTC_FR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines beside each other."""

    lines: tuple[Line, ...] = term("BG-25", "", "0..n", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedLine(Line):
    """A line with the lines that stand inside it."""

    inner: tuple[NestedLine, ...] = term("BG-25", "", "0..n", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedLines:
    """Lines with lines inside them."""

    lines: tuple[NestedLine, ...] = term("BG-25", "", "0..n", ())


_LINE_FIELDS = tuple(one.name for one in fields(Line))


def merge_lines(scope: Scope, found: Scope, _context: Context) -> bool:
    """A line without lines inside."""
    scope.setdefault("lines", []).extend(found["lines"])
    return True


def spread_lines(invoice: Invoice, _root: Invoice) -> Iterator[Lines]:
    """All lines, unless some stand inside others."""
    if not _nests(invoice):
        yield Lines(lines=invoice.lines)


def merge_nested(scope: Scope, found: Scope, _context: Context) -> bool:
    """A line and the lines inside it, one after the other; those inside name their parent and count for nothing."""
    lines = scope.setdefault("lines", [])
    for outer in found["lines"]:
        lines.append(_flat(outer, {}))
        lines.extend(_inside(outer))
    return True


def _inside(outer: NestedLine) -> Iterator[Line]:
    for one in outer.inner:
        yield _flat(one, {"parent_id": outer.id, "kind": _INFORMATION})
        yield from _inside(one)


def _flat(line: NestedLine, more: dict[str, str]) -> Line:
    return Line(**{name: getattr(line, name) for name in _LINE_FIELDS} | more)


def spread_nested(invoice: Invoice, _root: Invoice) -> Iterator[NestedLines]:
    """The lines where some stand inside others."""
    if not _nests(invoice):
        return
    tops: list[_Open] = []
    stack: list[_Open] = []
    for line in invoice.lines:
        parent = _parent(line, stack) if line.kind == _INFORMATION and line.parent_id else None
        if parent is None:
            stack = [_Open(line, [])]
            tops.append(stack[0])
        else:
            stack.append(_Open(line, []))
            parent.inner.append(stack[-1])
    yield NestedLines(lines=tuple(_closed(one, top=True) for one in tops))


@dataclass(slots=True)
class _Open:
    """A line that still takes lines."""

    line: Line
    inner: list[_Open]


def _parent(line: Line, stack: list[_Open]) -> _Open | None:
    """The open line that this one names as its parent; the lines opened after it are closed."""
    for place in reversed(range(len(stack))):
        if stack[place].line.id == line.parent_id and place + 1 < NESTING:
            del stack[place + 1 :]
            return stack[place]
    return None


NESTING = 6
"""How deep lines may stand in lines."""


def _closed(one: _Open, *, top: bool) -> NestedLine:
    values: dict[str, Any] = {name: getattr(one.line, name) for name in _LINE_FIELDS}
    if not top:
        values |= {"parent_id": "", "kind": ""}
    return NestedLine(**values, inner=tuple(_closed(inner, top=False) for inner in one.inner))


def _nests(invoice: Invoice) -> bool:
    return not _french(invoice.profile) and any(line.kind == _INFORMATION and line.parent_id for line in invoice.lines)


def merge_line_note(scope: Scope, found: Scope, _context: Context) -> bool:
    """The first note of a line into BT-127 and its subject, others into the further notes."""
    text, subject = split_note(found["text"])
    if "note" in scope:
        scope.setdefault("more_notes", []).append(LineNote(text=text, subject=subject))
    else:
        scope |= {"note": text, "note_subject": subject}
    return True


def spread_line_notes(line: Line, _root: Invoice) -> Iterator[NoteText]:
    """BT-127, then the further notes, each with its subject before it."""
    if line.note or line.note_subject:
        yield NoteText(text=join_note(line.note, line.note_subject))
    for one in line.more_notes:
        yield NoteText(text=join_note(one.text, one.subject))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """cac:OrderLineReference: a line of the buyer's order, the seller's line for it, and the orders they stand in."""

    line: Text = term("BT-132", "")
    sales_line: Text = term("BT-X-538", "")
    number: Text = term("BT-X-21", "")
    sales_number: Text = term("BT-X-537", "")
    date: Date | None = term("BT-X-22", "", default=None)


def merge_order_line(scope: Scope, found: Scope, _context: Context) -> bool:
    """An OrderLineReference into BT-132, the order it is of, and the sales order line; placeholders are no values."""
    for name in ("line", "number"):
        if found.get(name) == UNSAID and len(found) > 1:
            del found[name]
    mine = {"line": "order_line", "number": "purchase_order", "date": "purchase_order_date"}
    sales = {"sales_line": "line", "sales_number": "number"}
    held = put(scope, {mine[name]: value for name, value in found.items() if name in mine})
    if others := {sales[name]: value for name, value in found.items() if name in sales}:
        held = put(scope.setdefault("sales_order", {}), others) and held
    return held


def spread_order_line(line: Line, _root: Invoice) -> Iterator[OrderLine]:
    """BT-132 with what belongs to it; UBL wants a line number, and an order number beside a date or a sales order."""
    sales = line.sales_order
    one = OrderLine(
        line=line.order_line,
        sales_line=sales.line if sales else "",
        number=line.purchase_order,
        sales_number=sales.number if sales else "",
        date=line.purchase_order_date,
    )
    if one == OrderLine():
        return
    number = one.number or (UNSAID if one.sales_number or one.date else "")
    yield OrderLine(
        line=one.line or UNSAID, sales_line=one.sales_line, number=number, sales_number=one.sales_number, date=one.date
    )


def advice(
    field: str,
) -> tuple[Callable[[Scope, Scope, Context], bool], Callable[[Line, Invoice], Iterator[LineReference]]]:
    """Reader and writer of a line of a despatch or receiving advice; UBL wants the number of the line, and the number
    of the document beside its date."""

    def merge(scope: Scope, found: Scope, _context: Context) -> bool:
        for name in ("line", "number"):
            if found.get(name) == UNSAID and len(found) > 1:
                del found[name]
        return put(scope.setdefault("delivery", {}).setdefault(field, {}), found)

    def spread(line: Line, _root: Invoice) -> Iterator[LineReference]:
        one: LineReference | None = getattr(line.delivery, field) if line.delivery else None
        if one and one != LineReference():
            number = one.number or (UNSAID if one.date else "")
            yield LineReference(line=one.line or UNSAID, number=number, date=one.date)

    return merge, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Billing:
    """cac:BillingReference of a line: to an earlier invoice, or to another line of the invoice itself."""

    number: Text = term("BT-X-331", "")
    date: Date | None = term("BT-X-333", "", default=None)
    type_code: Code = term("BT-X-332", "")
    status: Code = term("BT-X-8", "")
    line: Text = term("BT-X-540", "")


def merge_billing(scope: Scope, found: Scope, context: Context) -> bool:
    """A BillingReference into the subtype and the parent of a line where it names the invoice itself, else into the
    earlier invoice of the line (BG-X-48)."""
    own = context.root.get("number")
    earlier = found.keys() & {"date", "type_code"} or scope.keys() & {"kind", "parent_id"}
    if "status" in found or (found.get("number") == own and "line" in found and not earlier):
        mine = {"status": "kind", "line": "parent_id"}
        held = put(scope, {mine[name]: found[name] for name in mine if name in found})
        return held and found.get("number") == own and not found.keys() & {"date", "type_code"}
    if "preceding" in scope:
        return False
    mine = {"number": "number", "date": "issue_date", "type_code": "type_code", "line": "line"}
    scope["preceding"] = {mine[name]: value for name, value in found.items()}
    return True


def spread_billing(line: Line, root: Invoice) -> Iterator[Billing]:
    """The subtype and the parent of the line, then its earlier invoice."""
    if line.kind or line.parent_id:
        yield Billing(number=root.number, status=line.kind, line=line.parent_id)
    if earlier := line.preceding:
        yield Billing(number=earlier.number, date=earlier.issue_date, type_code=earlier.type_code, line=earlier.line)


def merge_line_object(scope: Scope, found: Scope, _context: Context) -> bool:
    """The first DocumentReference of type 130 into BT-128, others into the further objects."""
    if "object_id" in scope:
        scope.setdefault("more_object_ids", []).append(found["id"])
        return True
    return put(scope, {"object_id": found["id"]})


def spread_line_objects(line: Line, _root: Invoice) -> Iterator[Identification]:
    """BT-128, then the further objects."""
    if line.object_id:
        yield Identification(id=line.object_id)
    for one in line.more_object_ids:
        yield Identification(id=one)


def merge_line_document(scope: Scope, found: Scope, _context: Context) -> bool:
    """A DocumentReference of another type into BG-X-3."""
    scope.setdefault("documents", []).append(LineDocument(**found))
    return True


def spread_line_documents(line: Line, _root: Invoice) -> Iterator[LineDocument]:
    """The further documents of the line."""
    return map(typed, line.documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCharge:
    """cac:AllowanceCharge of a line that is a charge: a reason code of UNTDID 7161, or the kind of a tax (5153)."""

    code: Code = term("BT-145", "")
    code_list: Code = term("BT-145", "")
    reason: Text = term("BT-144", "")
    percentage: Percentage | None = term("BT-143", "", default=None)
    amount: Amount | None = term("BT-141", "", default=None)
    base: Amount | None = term("BT-142", "", default=None)


def merge_line_charge(scope: Scope, found: Scope, _context: Context) -> bool:
    """A charge into BG-28; a code of list 5153 says which other tax it is."""
    code, code_list = found.pop("code", ""), found.pop("code_list", "")
    kind = {"tax_type": code} if code_list == TAX_TYPES else {"reason_code": code}
    scope.setdefault("charges", []).append(LineAllowanceOrCharge(**found, **kind))
    return code_list in ("", CHARGE_REASONS, TAX_TYPES)


def spread_line_charges(line: Line, _root: Invoice) -> Iterator[LineCharge]:
    """The charges (BG-28); one that is another tax says so in place of its reason code."""
    for one in line.charges:
        code, code_list = (one.tax_type, TAX_TYPES) if one.tax_type else (one.reason_code, "")
        yield LineCharge(
            code=code,
            code_list=code_list,
            reason=one.reason,
            percentage=one.percentage,
            amount=one.amount,
            base=one.base,
        )


def _ship_to(scope: Scope) -> list[Identifier]:
    ids: list[Identifier] = scope.setdefault("delivery", {}).setdefault("ship_to", {}).setdefault("ids", [])
    return ids


def merge_ship_to_id(scope: Scope, found: Scope, _context: Context) -> bool:
    """An identifier of where a line is delivered to."""
    _ship_to(scope).append(found["id"])
    return True


def spread_first_ship_to_id(line: Line, _root: Invoice) -> Iterator[Identification]:
    """The first of them: a location has one."""
    if line.delivery and line.delivery.ship_to and line.delivery.ship_to.ids:
        yield Identification(id=line.delivery.ship_to.ids[0])


def spread_more_ship_to_ids(line: Line, _root: Invoice) -> Iterator[Identification]:
    """The others, which its party has."""
    if line.delivery and line.delivery.ship_to:
        for one in line.delivery.ship_to.ids[1:]:
            yield Identification(id=one)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTax:
    """cac:TaxTotal of a line: its VAT in the invoice currency or in the VAT accounting currency."""

    amount: Amount | None = term("BT-X-329", "", default=None)
    currency: Code = term("BT-5", "")


def merge_line_tax(scope: Scope, found: Scope, context: Context) -> bool:
    """A TaxTotal into the VAT of a line, told apart by its currency."""
    currency = found.pop("currency", context.currency)
    if currency == context.currency:
        name = "vat"
    elif currency == context.root.get("tax_currency"):
        name = "vat_in_tax_currency"
    else:
        return False
    return "amount" not in found or put(scope.setdefault("totals", {}), {name: found["amount"]})


def spread_line_tax(line: Line, root: Invoice) -> Iterator[LineTax]:
    """The VAT of a line in the one currency and in the other."""
    if line.totals:
        yield LineTax(amount=line.totals.vat, currency=root.currency)
        if root.tax_currency not in ("", root.currency):
            yield LineTax(amount=line.totals.vat_in_tax_currency, currency=root.tax_currency)


def merge_line_vat(scope: Scope, found: Scope, _context: Context) -> bool:
    """The first ClassifiedTaxCategory into BG-30, others into the further ones."""
    vat = scope.setdefault("vat", {})
    if vat.keys() - {"tax_point_code"}:
        scope.setdefault("more_vat", []).append(LineVat(**found))
    else:
        vat |= found
    return True


def spread_line_vat(line: Line, _root: Invoice) -> Iterator[LineVat]:
    """BG-30, then the further ones."""
    yield line.vat
    yield from line.more_vat


def merge_attribute(scope: Scope, found: Scope, _context: Context) -> bool:
    """An AdditionalItemProperty into BG-32; a name that only repeats the code is none."""
    if found.get("type_code") and found.get("name") == found["type_code"]:
        del found["name"]
    scope.setdefault("item", {}).setdefault("attributes", []).append(build(Attribute, found))
    return True


def spread_attributes(line: Line, _root: Invoice) -> Iterator[Attribute]:
    """The properties of the item; UBL wants a name, so one without is called by its code."""
    for one in line.item.attributes:
        if one.name:
            yield one
        else:
            yield Attribute(name=one.type_code, value=one.value, type_code=one.type_code, measure=one.measure)


def merge_manufacturer(scope: Scope, found: Scope, context: Context) -> bool:
    """A ManufacturerParty: in EXTENDED-CTC-FR the seller of the line, elsewhere who made the item."""
    if _french(context.root.get("profile", "")):
        return bool(scope.setdefault("seller", found) is found)
    return bool(scope.setdefault("item", {}).setdefault("manufacturer", found) is found)


def spread_manufacturer(line: Line, root: Invoice) -> Iterator[Party]:
    """The seller of the line in EXTENDED-CTC-FR, who made the item elsewhere."""
    party = line.seller if _french(root.profile) else line.item.manufacturer
    if party:
        yield party


def merge_instance(scope: Scope, found: Scope, _context: Context) -> bool:
    """An ItemInstance into BG-X-84; a lot without serial number is a batch of the item."""
    item = scope.setdefault("item", {})
    if "serial_id" in found:
        item.setdefault("instances", []).append(ItemInstance(**found))
    else:
        item.setdefault("batch_ids", []).append(found["batch_id"])
    return True


def spread_instances(line: Line, _root: Invoice) -> Iterator[ItemInstance]:
    """The batches of the item, then its pieces."""
    for batch in line.item.batch_ids:
        yield ItemInstance(batch_id=batch)
    yield from line.item.instances


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """cac:AllowanceCharge of a price: a discount, whose amount is mandatory, and the gross price; or a charge."""

    reason_code: Code = term("BT-X-313", "")
    reason: Text = term("BT-X-36", "")
    percentage: Percentage | None = term("BT-X-34", "", default=None)
    discount: UnitPrice | None = term("BT-147", "", default=None)
    gross: UnitPrice | None = term("BT-148", "", default=None)


_EXPLAINED = {"percentage": "discount_percentage", "reason": "discount_reason", "reason_code": "discount_reason_code"}


def merge_discount(scope: Scope, found: Scope, _context: Context) -> bool:
    """The first discount of a price into BT-147 and BT-148, where a bare 0 beside a gross price is no discount; others
    into the further ones."""
    price = scope.setdefault("price", {})
    if price.keys() & {"discount", "gross"}:
        price.setdefault("more_discounts", []).append(_adjustment(found))
        return True
    discount = found.get("discount")
    if "gross" in found and discount is not None and _bare(discount):
        del found["discount"]
    return put(price, {_EXPLAINED.get(name, name): value for name, value in found.items()})


def spread_discount(line: Line, _root: Invoice) -> Iterator[Discount]:
    """BT-147 and BT-148, then the further discounts; UBL wants a discount wherever there is a gross price, and none
    given is a bare 0."""
    price = line.price
    gross, discount = price.gross, price.discount
    told = {name: getattr(price, field) for name, field in _EXPLAINED.items()}
    if discount is None:
        if gross is not None or any(value not in (None, "") for value in told.values()):
            yield Discount(discount=Decimal(0), gross=gross, **told)
    else:
        shown = _ZERO if gross is not None and _bare(discount) else discount
        yield Discount(discount=shown, gross=gross, **told)
    for one in price.more_discounts:
        yield _shown(one)


def merge_price_charge(scope: Scope, found: Scope, _context: Context) -> bool:
    """A charge on the price."""
    scope.setdefault("price", {}).setdefault("charges", []).append(_adjustment(found))
    return True


def spread_price_charges(line: Line, _root: Invoice) -> Iterator[Discount]:
    """The charges on the price."""
    for one in line.price.charges:
        yield _shown(one)


def _adjustment(found: Scope) -> PriceAdjustment:
    names = {"discount": "amount", "gross": "base"}
    return PriceAdjustment(**{names.get(name, name): value for name, value in found.items()})


def _shown(one: PriceAdjustment) -> Discount:
    return Discount(
        discount=one.amount, gross=one.base, percentage=one.percentage, reason=one.reason, reason_code=one.reason_code
    )


def _bare(discount: Decimal) -> bool:
    """A zero without decimals."""
    return discount == 0 and "." not in format(discount, "f")
