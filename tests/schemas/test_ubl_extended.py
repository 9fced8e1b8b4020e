"""UBL beyond EN 16931: every field of the model is written and read again, or stands in the table of what UBL lacks."""

from __future__ import annotations

import datetime
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas.format import Format, unheld
from schemas.formats.ubl import CREDIT_NOTE, INVOICE
from schemas.invoice import Invoice, id_of, shapes
from tests.conftest import STANDARDS
from tests.schemas.strategies import CODES, VALUES

CTC = "urn:cen.eu:en16931:2017#conformant#urn.cpro.gouv.fr:1p0:extended-ctc-fr"
EXAMPLES = 10_000 if os.environ.get("ESTAFETTE_TEST_WHOLE") else 30
SUBJECTS = {"BT-21", "BT-X-10"}
"""Codes of UNTDID 4451, which has three letters for each."""

NOWHERE = {
    "notes/code": "a note has its subject code in its text, and no second code",
    "is_test": "an invoice does not say that it is a test",
    "language": "an invoice has no language",
    "contractual_due_date": "one due date",
    "issuer_reference": "no reference of the issuer beside the parties'",
    "project_name": "a project reference has a number alone",
    "sales_order_date": "a sales order is a number inside the order reference",
    "quotation": "no reference to a quotation",
    "customer_orders": "no reference to the ultimate customer's order",
    "accounting_type": "a booking reference has no kind, and stands once",
    "more_accounting_references": "a booking reference has no kind, and stands once",
    "buyer_tax_representative": "the seller's alone",
    "end_user": "no such party",
    "terms_payee": "payment terms have no party",
    "more_payment_terms/payee": "payment terms have no party",
    "more_payment_terms/mandate": "the mandate stands with the payment means",
    "penalty/base": "the base of a penalty has no place",
    "discount/base": "the base of an early payment discount has no place",
    "more_payment_terms/penalty/base": "the base of a penalty has no place",
    "more_payment_terms/discount/base": "the base of an early payment discount has no place",
    "more_payments/direct_debit/creditor": "the creditor identifier (BT-90) stands once, with the party that is paid",
    "logistics_charges/taxes/amount": "a charge says the category and the rate of its tax",
    "advance_payments/taxes": "an advance payment has no tax",
    "advance_payments/invoice/issue_date": "an advance payment has an identifier alone",
    "advance_payments/invoice/type_code": "an advance payment has an identifier alone",
    "advance_payments/invoice/line": "an advance payment has an identifier alone",
    "*/transfers/national_account": "an account has one identifier",
    "delivery/trading_name": "the party delivered to has one name",
    "delivery/ultimate_ship_to": "no such party",
    "delivery/delivery_note": "no reference beside despatch and receipt",
    "delivery/transport_modes": "transport is described by shipments",
    "payee/trading_name": "the payee has one name (BT-59)",
    "tax_representative/trading_name": "the tax representative has one name (BT-62)",
    "delivery/contact/department": "the address in which a department stands is here that of the location",
    "lines/delivery/ship_to/contact/department": "the same",
    "*/contact/type_code": "a contact has no kind",
    "*/more_contacts": "a party has one contact",
    "allowances/base_quantity": "an allowance is on an amount",
    "allowances/tax_type": "an allowance is no tax",
    "charges/base_quantity": "a charge is on an amount",
    "charges/reason_code": "a charge that is a tax says which one in place of its reason",
    "vat_breakdown/lines": "the breakdown does not split its base",
    "vat_breakdown/allowances_and_charges": "the breakdown does not split its base",
    "lines/allowances/tax_type": "an allowance is no tax",
    "lines/charges/reason_code": "a charge that is a tax says which one in place of its reason",
    "lines/status": "a line has a subtype alone",
    "lines/note_code": "a note has its subject code in its text, and no second code",
    "lines/more_notes/code": "a note has its subject code in its text, and no second code",
    "lines/accounting_type": "a booking reference has no kind, and stands once",
    "lines/more_accounting_references": "a booking reference has no kind, and stands once",
    "lines/sales_order/date": "an order reference has one date, which is the purchase order's",
    "lines/quotation": "no reference to a quotation",
    "lines/contract": "no reference to a contract",
    "lines/customer_orders": "no reference to the ultimate customer's order",
    "lines/documents/line": "a document reference names no line",
    "lines/delivery/free_quantity": "a line has one quantity",
    "lines/delivery/packages": "a line has one quantity",
    "lines/delivery/per_package": "a line has one quantity",
    "lines/delivery/ultimate_ship_to": "no such party",
    "lines/delivery/delivery_note": "no reference beside despatch and receipt",
    "lines/delivery/ship_to/legal_address": "the party a line is delivered to has the address of the location",
    "lines/delivery/ship_to/legal_information": "the party a line is delivered to has no legal form",
    "lines/delivery/ship_to/tax_id": "the party a line is delivered to has a VAT identifier alone",
    "lines/more_vat/amount": "the tax of a line is one sum",
    "lines/more_vat/tax_point_code": "a line has one period, which says when its tax is due",
    "lines/vat/amount": "the tax of a line is one sum",
    "lines/totals/charges": "a line sums up its tax alone",
    "lines/totals/allowances": "a line sums up its tax alone",
    "lines/totals/with_vat": "the element for it came after UBL 2.1",
    "lines/totals/allowances_and_charges": "a line sums up its tax alone",
    "lines/price/gross_base": "net and gross price are for the same quantity",
    "lines/price/discount_base": "the base of the discount is the gross price",
    "lines/price/included_tax": "a price has no tax",
    "lines/item/id": "an item has the identifiers of seller, buyer and a standard",
    "lines/item/industry_id": "an item has the identifiers of seller, buyer and a standard",
    "lines/item/model_id": "an item has the identifiers of seller, buyer and a standard",
    "lines/item/parts": "an item has no parts",
    "lines/item/manufacturer": "in EXTENDED-CTC-FR the seller of the line stands in its place",
    "lines/seller": "outside EXTENDED-CTC-FR the manufacturer stands in its place",
    "advance_payments": "a credit note has none",
    "third_party_payments": "a credit note has none",
}
"""Fields of the model that a UBL document has no place for, and why. `*` is any party, or any payment."""
SOMETIMES = {
    ("french", "lines/item/manufacturer"),
    ("plain", "lines/seller"),
    ("ubl-creditnote", "advance_payments"),
    ("ubl-creditnote", "third_party_payments"),
}
"""Fields that have no place under some profile or in one of the two documents only."""


def whole(cls: Any, group: str = "", numbers: Iterator[int] | None = None) -> Any:
    """One instance of a dataclass of the model with every field of it, each value another."""
    numbers = numbers or itertools.count(1)
    found: dict[str, Any] = {}
    for one in fields(cls):
        shape, term, number = shapes(cls)[one.name], id_of(one, group), next(numbers)
        samples: dict[str, Any] = {
            "text": f"text {number}",
            "code": CODES.get(term) or ("SUR" if term in SUBJECTS else f"C{number}"),
            "date": datetime.date(2026, 1, 1) + datetime.timedelta(number),
            "binary": b"%d" % number,
            "indicator": True,
        }
        value = samples.get(shape.kind, Decimal(number)) if not is_dataclass(shape.cls) else None
        found[one.name] = whole(shape.cls, term, numbers) if value is None else value
        if shape.many:
            found[one.name] = (found[one.name],)
    return cls(**found)


def _told(invoice: Invoice, format: Format) -> set[str]:
    """What of an invoice UBL does not hold, as it stands in the table."""
    return {re.sub(r"/\d+", "", loss.pointer).strip("/") for loss in unheld(format, invoice)}


def _in_table(path: str) -> str:
    """How a path stands in the table."""
    return path if path in NOWHERE else re.sub(r"^.*(?=/contact/|/more_contacts|/transfers/)", "*", path)


@pytest.mark.parametrize("profile", ["plain", "french"])
@pytest.mark.parametrize("format", [INVOICE, CREDIT_NOTE], ids=lambda format: format.name)
def test_what_ubl_lacks_is_the_table_and_nothing_else(format: Format, profile: str) -> None:
    invoice = replace(whole(Invoice), profile=CTC if profile == "french" else "urn:cen.eu:en16931:2017")
    apart = {path for where, path in SOMETIMES if where not in (format.name, profile)}
    inner = {path for path in NOWHERE if path.startswith("advance_payments/") and format is CREDIT_NOTE}
    assert {_in_table(path) for path in _told(invoice, format)} == NOWHERE.keys() - apart - inner


@st.composite
def everything(draw: st.DrawFn, cls: Any, group: str = "") -> Any:
    """One instance of a dataclass of the model, any field of it present or absent, terms of extensions too."""
    found: dict[str, Any] = {}
    for one in fields(cls):
        shape, term = shapes(cls)[one.name], id_of(one, group)
        mandatory = one.metadata.get("cardinality", "").startswith("1") or one.name in ("value", "unit")
        if not mandatory and draw(st.integers(0, 3)):
            continue
        if term in CODES or term in SUBJECTS:
            value: st.SearchStrategy[Any] = st.just(CODES.get(term, "SUR"))
        elif shape.kind == "indicator":
            value = st.booleans()
        else:
            value = VALUES[shape.kind] if shape.kind in VALUES else everything(shape.cls, term)
        found[one.name] = (
            tuple(draw(st.lists(value, min_size=int(mandatory), max_size=2))) if shape.many else draw(value)
        )
    return cls(**found)


@pytest.fixture(scope="module")
def xsds() -> dict[str, etree.XMLSchema]:
    folder = STANDARDS / "ubl-2.1-xsd" / "maindoc"
    if not folder.is_dir():
        pytest.skip("no standards beside this checkout (../shared/standards)")
    return {
        format.name: etree.XMLSchema(file=str(folder / f"UBL-{format.root[1]}-2.1.xsd"))
        for format in (INVOICE, CREDIT_NOTE)
    }


@settings(max_examples=EXAMPLES)
@given(everything(Invoice), st.sampled_from([INVOICE, CREDIT_NOTE]), st.booleans())
def test_any_invoice_is_written_by_the_schema_and_what_is_read_stays(
    xsds: dict[str, etree.XMLSchema], invoice: Invoice, format: Format, french: bool
) -> None:
    """Nothing that was written is unknown when it is read; what was read once is the same for ever after."""
    written = format.write(replace(invoice, profile=CTC) if french else invoice)
    xsd = xsds[format.name]
    assert xsd.validate(etree.fromstring(written)), xsd.error_log
    reading = format.read(written)
    assert reading.unknown == ()
    again = format.write(reading.invoice)
    assert format.read(again).invoice == reading.invoice
    assert format.write(format.read(again).invoice) == again


@settings(max_examples=EXAMPLES)
@given(everything(Invoice), st.sampled_from([INVOICE, CREDIT_NOTE]), st.booleans())
def test_nothing_is_lost_beyond_the_table(invoice: Invoice, format: Format, french: bool) -> None:
    invoice = _tellable(replace(invoice, profile=CTC) if french else invoice)
    lost = {path for path in _told(invoice, format) if not _covered(path)}
    assert lost == set()


def _covered(path: str) -> bool:
    """Whether the table has this path, one above it, or all that the group at this path can have held."""
    steps = path.split("/")
    above = ["/".join(steps[:count]) for count in range(1, len(steps) + 1)]
    inside = any(one.startswith(f"{path}/") for one in NOWHERE)
    return any(_in_table(one) in NOWHERE for one in above) or inside or path.endswith("/contact")


FIRSTS = (
    ("tender", "more_tenders"),
    ("object_id", "more_objects"),
    ("object_id", "more_object_ids"),
    ("note", "more_notes"),
    ("payment", "more_payments"),
    ("payment_terms", "more_payment_terms"),
    ("discount", "more_discounts"),
)
"""Fields that have the first of several values, and those that have the others."""


def _tellable(value: Any) -> Any:
    """An invoice without what no document can tell apart: a second value without a first, a unit without a number, a
    file name without a file, a piece without a number of its own, an attribute named by its code, a line of an earlier
    invoice that has the invoice's own number and no date."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(_tellable(one) for one in value)
    if not is_dataclass(value):
        return value
    kept = {one.name: _tellable(getattr(value, one.name)) for one in fields(value)}
    for first, more in FIRSTS:
        if more in kept and first in kept and kept[first] in (None, ""):
            kept[more] = ()
    match type(value).__name__:
        case "Invoice":
            kept |= {"tax_currency": "USD", "currency": "EUR"}
            if kept["payment"] and kept["payment"].means_code == "1":
                kept["payment"] = replace(kept["payment"], means_code="30")
            kept["lines"] = tuple(
                replace(line, preceding=replace(line.preceding, number=f"earlier {line.preceding.number}"))
                if line.preceding
                else line
                for line in kept["lines"]
            )
            kept["more_payments"] = tuple(
                replace(one, means_code=f"{place}X") for place, one in enumerate(kept["more_payments"])
            )
        case "Price":
            kept["base_unit"] = kept["base_unit"] if kept["base_quantity"] is not None else ""
        case "Attachment" | "LineDocument" if kept["content"] is None:
            kept |= {"media_type": "", "filename": ""}
        case "ItemInstance":
            kept["serial_id"] = kept["serial_id"] or "1"
        case "Attribute":
            kept["name"] = f"name {kept['name']}"
    cls: Any = type(value)
    return cls(**kept)
