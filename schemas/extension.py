"""What Factur-X EXTENDED 1.09 and EXTENDED-CTC-FR add to EN 16931-1: groups of terms that the norm does not have.

They are values like those of `schemas.invoice`, which has the fields they stand in. Terms that the extensions add to a
group of EN 16931 are fields at the end of its class there. Where one shape serves several groups (a reference to a
line of another document stands in seven), there is one class, and the ids depend on the group.
"""

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

from __future__ import annotations

from dataclasses import dataclass

from schemas.parties import Party
from schemas.terms import (
    Amount,
    Binary,
    Code,
    Date,
    Identifier,
    Measure,
    Percentage,
    Profile,
    Quantity,
    Text,
    UnitPrice,
    term,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A document referred to from the header: a quotation, an order of the ultimate customer, a delivery note."""

    number: Text = term(
        {"BG-X-61": "BT-X-403", "BG-X-23": "BT-X-150", "BT-X-202-00": "BT-X-202", "BT-17-00": "BT-17"},
        "Reference",
        "1..1",
    )
    date: Date | None = term(
        {"BG-X-61": "BT-X-404", "BG-X-23": "BT-X-151", "BT-X-202-00": "BT-X-203", "BT-17-00": "BT-X-556"},
        "Issue date",
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectReference:
    """A further invoiced object (BT-18) and the date of the document about it."""

    id: Identifier | None = term("BT-18", "Invoiced object identifier", "1..1", None, profile=Profile.EXTENDED)
    date: Date | None = term("BT-X-557", "Invoiced object document date", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountingReference:
    """A further accounting reference of the buyer (BT-19, BT-133) and what kind of account it is."""

    id: Text = term({"BT-19-00": "BT-19", "BT-133-00": "BT-133"}, "Buyer accounting reference", "1..1")
    type_code: Code = term({"BT-19-00": "BT-X-290", "BT-133-00": "BT-X-99"}, "Buyer accounting reference type code")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineReference:
    """A line of another document, referred to from a line: BG-X-2, 5, 13, 47, 81, 82, 83."""

    number: Text = term(
        {
            "BG-X-81": "BT-X-537",
            "BG-X-47": "BT-X-310",
            "BG-X-2": "BT-X-24",
            "BG-X-5": "BT-X-43",
            "BG-X-13": "BT-X-86",
            "BG-X-82": "BT-X-89",
            "BG-X-83": "BT-X-92",
        },
        "Reference",
        "1..1",
        french={"BG-X-81": "EXT-FR-FE-144", "BG-X-13": "EXT-FR-FE-142", "BG-X-82": "EXT-FR-FE-140"},
    )
    line: Text = term(
        {
            "BG-X-81": "BT-X-538",
            "BG-X-47": "BT-X-311",
            "BG-X-2": "BT-X-25",
            "BG-X-5": "BT-X-44",
            "BG-X-13": "BT-X-87",
            "BG-X-82": "BT-X-90",
            "BG-X-83": "BT-X-93",
        },
        "Line reference",
        french={"BG-X-81": "EXT-FR-FE-145", "BG-X-13": "EXT-FR-FE-143", "BG-X-82": "EXT-FR-FE-141"},
    )
    date: Date | None = term(
        {
            "BG-X-81": "BT-X-539",
            "BG-X-47": "BT-X-312",
            "BG-X-2": "BT-X-26",
            "BG-X-5": "BT-X-45",
            "BG-X-13": "BT-X-88",
            "BG-X-82": "BT-X-91",
            "BG-X-83": "BT-X-94",
        },
        "Issue date",
        default=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InvoiceReference:
    """An earlier invoice that a line (BG-X-48) or an advance payment (BG-X-85) refers to."""

    number: Text = term(
        {"BG-X-48": "BT-X-331", "BG-X-85": "BT-X-558"},
        "Preceding Invoice number",
        "1..1",
        french={"BG-X-48": "EXT-FR-FE-136"},
    )
    issue_date: Date | None = term(
        {"BG-X-48": "BT-X-333", "BG-X-85": "BT-X-560"},
        "Preceding Invoice issue date",
        default=None,
        french={"BG-X-48": "EXT-FR-FE-138"},
    )
    type_code: Code = term(
        {"BG-X-48": "BT-X-332", "BG-X-85": "BT-X-559"},
        "Preceding Invoice type code",
        french={"BG-X-48": "EXT-FR-FE-137"},
    )
    line: Text = term({"BG-X-48": "BT-X-540"}, "Preceding Invoice line identifier", french={"BG-X-48": "EXT-FR-FE-139"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDocument:
    """BG-X-3: a further document that a line refers to."""

    id: Text = term("BT-X-27", "Line document reference", "1..1")
    url: Text = term("BT-X-28", "Line document location")
    line: Text = term("BT-X-29", "Line document line reference")
    type_code: Code = term("BT-X-30", "Line document type code")
    description: Text = term("BT-X-299", "Line document name")
    content: Binary | None = term("BT-X-31", "Line document attached", default=None)
    media_type: Text = term("BT-X-31-1", "Line document attached Mime code")
    filename: Text = term("BT-X-31-2", "Line document attached Filename")
    reference_type: Code = term("BT-X-32", "Line document reference type code")
    date: Date | None = term("BT-X-33", "Line document issue date", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTerms:
    """Under which terms is delivered (UNTDID 4053, Incoterms): BG-X-22, on a line BG-X-87."""

    code: Code = term({"BG-X-22": "BT-X-145", "BG-X-87": "BT-X-562"}, "Delivery terms code", "1..1")
    country: Code = term({"BG-X-22": "BT-X-563", "BG-X-87": "BT-X-565"}, "Delivery terms location country code")
    location: Text = term({"BG-X-22": "BT-X-564", "BG-X-87": "BT-X-566"}, "Delivery terms location name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """VAT within an amount: in a price (BG-X-4), an advance payment (BG-X-46), a logistics charge (BT-X-273-00)."""

    category: Code = term(
        {"BG-X-4": "BT-X-40", "BG-X-46": "BT-X-296", "BT-X-273-00": "BT-X-273"}, "VAT category code", "1..1"
    )
    rate: Percentage | None = term(
        {"BG-X-4": "BT-X-42", "BG-X-46": "BT-X-298", "BT-X-273-00": "BT-X-274"}, "VAT rate", default=None
    )
    amount: Amount | None = term({"BG-X-4": "BT-X-37", "BG-X-46": "BT-X-293"}, "VAT amount", default=None)
    exemption_reason: Text = term(
        {"BG-X-4": "BT-X-39", "BG-X-46": "BT-X-295", "BT-X-273-00": "BT-X-591"}, "VAT exemption reason text"
    )
    exemption_code: Code = term(
        {"BG-X-4": "BT-X-41", "BG-X-46": "BT-X-297", "BT-X-273-00": "BT-X-592"}, "VAT exemption reason code"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceAdjustment:
    """A further discount on the gross price (BT-147-00) or a charge on it (BT-X-302-00)."""

    amount: UnitPrice | None = term({"BT-147-00": "BT-147", "BT-X-302-00": "BT-X-302"}, "Amount", "1..1", None)
    percentage: Percentage | None = term(
        {"BT-147-00": "BT-X-34", "BT-X-302-00": "BT-X-300"}, "Percentage", default=None
    )
    base: UnitPrice | None = term({"BT-147-00": "BT-X-35", "BT-X-302-00": "BT-X-301"}, "Base amount", default=None)
    reason: Text = term({"BT-147-00": "BT-X-36", "BT-X-302-00": "BT-X-303"}, "Reason")
    reason_code: Code = term({"BT-147-00": "BT-X-313", "BT-X-302-00": "BT-X-314"}, "Reason code")


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemInstance:
    """BG-X-84: one piece of the item, told by its serial number."""

    batch_id: Text = term("BT-X-306", "Item instance batch identifier")
    serial_id: Text = term("BT-X-307", "Item instance serial identifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludedItem:
    """BG-X-1: an item that the item of the line consists of."""

    id: Text = term("BT-X-308", "Included item identifier")
    standard_ids: tuple[Identifier, ...] = term("BT-X-15", "Included item standard identifier", "0..n", ())
    seller_id: Text = term("BT-X-16", "Included item Seller's identifier")
    buyer_id: Text = term("BT-X-17", "Included item Buyer's identifier")
    industry_id: Text = term("BT-X-309", "Included item industry identifier")
    name: Text = term("BT-X-18", "Included item name", "1..1")
    description: Text = term("BT-X-19", "Included item description")
    quantity: Measure | None = term("BT-X-20", "Included item quantity", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineNote:
    """A further note on a line; the first stands in the line itself."""

    text: Text = term("BT-127", "Invoice line note", profile=Profile.EXTENDED)
    subject: Code = term("BT-X-10", "Invoice line note subject code", french="EXT-FR-FE-183")
    code: Code = term("BT-X-9", "Invoice line note content code")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineDelivery:
    """What is delivered for one line, where and when."""

    free_quantity: Measure | None = term("BT-X-46", "Quantity free of charge", default=None)
    packages: Measure | None = term("BT-X-47", "Number of packages", default=None)
    per_package: Measure | None = term("BT-X-561", "Quantity per package", default=None)
    ship_to: Party | None = term("BG-X-7", "Line deliver to party", default=None, french="EXT-FR-FE-BG-10")
    ultimate_ship_to: Party | None = term("BG-X-10", "Line ultimate deliver to party", default=None)
    date: Date | None = term("BT-X-85", "Line actual delivery date", default=None, french="EXT-FR-FE-158")
    despatch_advice: LineReference | None = term(
        "BG-X-13", "Line despatch advice", default=None, french="EXT-FR-FE-BG-08"
    )
    receiving_advice: LineReference | None = term(
        "BG-X-82", "Line receiving advice", default=None, french="EXT-FR-FE-BG-07"
    )
    delivery_note: LineReference | None = term("BG-X-83", "Line delivery note", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LineTotals:
    """The totals of a line beside its net amount; those of a GROUP line sum up the lines under it."""

    charges: Amount | None = term("BT-X-327", "Line sum of charges", default=None)
    allowances: Amount | None = term("BT-X-328", "Line sum of allowances", default=None)
    vat: Amount | None = term("BT-X-329", "Line total VAT amount", default=None, french="EXT-FR-FE-181")
    vat_in_tax_currency: Amount | None = term(
        "BT-X-590", "Line total VAT amount in accounting currency", default=None, french="EXT-FR-FE-182"
    )
    with_vat: Amount | None = term("BT-X-330", "Line total amount with VAT", default=None, french="EXT-FR-FE-184")
    allowances_and_charges: Amount | None = term("BT-X-98", "Line sum of allowances and charges", default=None)


def _adjustment(penalty: str, discount: str) -> dict[str, str]:
    return {"BG-X-43": penalty, "BG-X-44": discount}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAdjustment:
    """What late payment costs (BG-X-43) or early payment saves (BG-X-44)."""

    reference_date: Date | None = term(_adjustment("BT-X-276", "BT-X-282"), "Reference date", default=None)
    period: Measure | None = term(_adjustment("BT-X-277", "BT-X-283"), "Period", default=None)
    base: Amount | None = term(_adjustment("BT-X-279", "BT-X-285"), "Base amount", default=None)
    percentage: Percentage | None = term(_adjustment("BT-X-280", "BT-X-286"), "Percentage", default=None)
    amount: Amount | None = term(_adjustment("BT-X-281", "BT-X-287"), "Amount", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentTerms:
    """Further payment terms, such as an instalment; the first stand in the invoice itself (BT-20, BT-9, BT-89)."""

    text: Text = term("BT-20", "Payment terms", profile=Profile.EXTENDED)
    due_date: Date | None = term("BT-9", "Payment due date", default=None, profile=Profile.EXTENDED)
    mandate: Text = term("BT-89", "Mandate reference identifier", profile=Profile.EXTENDED)
    partial_amount: Amount | None = term("BT-X-275", "Partial payment amount", default=None)
    penalty: PaymentAdjustment | None = term("BG-X-43", "Late payment penalty", default=None)
    discount: PaymentAdjustment | None = term("BG-X-44", "Early payment discount", default=None)
    payee: Party | None = term("BG-X-77", "Payee of these terms", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrencyExchange:
    """BG-X-41: the rate by which amounts in the invoice currency become amounts in the VAT accounting currency."""

    source: Code = term("BT-X-258", "Invoice currency code", "1..1")
    target: Code = term("BT-X-259", "VAT accounting currency code", "1..1")
    rate: Quantity | None = term("BT-X-260", "Exchange rate", "1..1", None)
    date: Date | None = term("BT-X-261", "Exchange rate date", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogisticsCharge:
    """BG-X-42: a charge for packing, freight or the like, part of the sum of charges (BT-108)."""

    description: Text = term("BT-X-271", "Logistics service charge description", "1..1")
    amount: Amount | None = term("BT-X-272", "Logistics service charge amount", "1..1", None)
    taxes: tuple[Tax, ...] = term("BT-X-273-00", "Logistics service charge VAT", "1..n", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvancePayment:
    """BG-X-45: what was paid before."""

    amount: Amount | None = term("BT-X-291", "Advance payment amount", "1..1", None)
    date: Date | None = term("BT-X-292", "Advance payment date", default=None)
    taxes: tuple[Tax, ...] = term("BG-X-46", "Advance payment VAT", "1..n", ())
    invoice: InvoiceReference | None = term("BG-X-85", "Advance payment invoice", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThirdPartyPayment:
    """BG-34: an amount collected for somebody else, due with the invoice and no part of its totals."""

    description: Text = term("BT-180", "Third party payment description", "1..1")
    amount: Amount | None = term("BT-179", "Third party payment amount", "1..1", None)
