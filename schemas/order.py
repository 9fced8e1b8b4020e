"""The order: what a buyer asks a seller to deliver, as immutable values, read from Order-X, UBL Order or JSON.

It is made like `schemas.invoice` and of the same shapes, because it becomes invoices: where a field becomes a term of
EN 16931-1 its metadata has the id of that term (the order's number is BT-13 of the invoice, a line's id is BT-132);
where no invoice has such a term the id is empty and the name alone tells. Absent text, numbers and groups are told as
there. An order that lacks what an order must have is readable too; `schemas.orders` says what is missing.

Responses to orders and changes of them have the same shape and are readable; they are no orders, and only an order can
be kept and delivered.
"""

# ruff: noqa: RUF009 -- term() is dataclasses.field with the metadata of the norm, not a call that makes a default

from __future__ import annotations

from dataclasses import dataclass

from schemas.invoice import (
    AllowanceOrCharge,
    Amount,
    Attachment,
    Code,
    Date,
    Identifier,
    Indicator,
    Item,
    LineAllowanceOrCharge,
    LineVat,
    Note,
    Party,
    Price,
    Quantity,
    Text,
    Totals,
    VatBreakdown,
    term,
)

ORDER_TYPE = "220"
"""UNTDID 1001: an order."""
CHANGE_TYPE = "230"
"""UNTDID 1001: a change of an order."""
RESPONSE_TYPE = "231"
"""UNTDID 1001: a response to an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When something is wanted: a day, or a first and a last day."""

    date: Date | None = term("", "Requested date", default=None)
    start: Date | None = term("", "Earliest date", default=None)
    end: Date | None = term("", "Latest date", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of delivery: an Incoterm and where it applies."""

    code: Code = term("", "Delivery terms code")
    description: Text = term("", "Delivery terms")
    function: Code = term("", "Delivery terms function code")
    place_id: Text = term("", "Delivery terms location identifier")
    place: Text = term("", "Delivery terms location")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipping:
    """Where from, where to and when the goods are wanted."""

    to: Party | None = term("", "Deliver to party", default=None)
    """Its name, identifier and address become BT-70, BT-71 and BG-15."""
    final: Party | None = term("", "Final deliver to party", default=None)
    origin: Party | None = term("", "Ship from party", default=None)
    requested: Window | None = term("", "Requested delivery", default=None)
    despatch: Window | None = term("", "Requested despatch", default=None)
    terms: Terms | None = term("", "Delivery terms", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Another document, and a line of it."""

    number: Text = term("", "Document reference")
    line: Text = term("", "Document line reference")
    date: Date | None = term("", "Document date", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPayment:
    """How the buyer means to pay."""

    means_code: Code = term("BT-81", "Payment means type code")
    means_text: Text = term("BT-82", "Payment means text")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One line of the order."""

    id: Text = term("BT-132", "Order line identifier", "1..1")
    status: Code = term("", "Order line status code")
    notes: tuple[Note, ...] = term("", "Order line note", "0..n", ())
    quantity: Quantity | None = term("", "Ordered quantity", "1..1", None)
    unit: Code = term("", "Ordered quantity unit of measure code")
    agreed_quantity: Quantity | None = term("", "Agreed quantity", default=None)
    """What the seller agreed to, in a response."""
    agreed_unit: Code = term("", "Agreed quantity unit of measure code")
    partial_delivery: Indicator | None = term("", "Partial delivery allowed", default=None)
    net_amount: Amount | None = term("BT-131", "Order line net amount", default=None)
    accounting_reference: Text = term("BT-133", "Order line Buyer accounting reference")
    order_line: Text = term("", "Referenced order line")
    """In a response or a change: the line of the order it speaks of."""
    quotation: Reference | None = term("", "Quotation", default=None)
    contract: Reference | None = term("", "Contract", default=None)
    catalogue: Reference | None = term("", "Catalogue", default=None)
    blanket_order: Reference | None = term("", "Blanket order", default=None)
    customer_order: Reference | None = term("", "Ultimate customer order", default=None)
    object_id: Identifier | None = term("BT-128", "Order line object identifier", default=None)
    documents: tuple[Attachment, ...] = term("", "Order line documents", "0..n", ())
    shipping: Shipping | None = term("", "Order line delivery", default=None)
    allowances: tuple[LineAllowanceOrCharge, ...] = term("BG-27", "Order line allowances", "0..n", ())
    charges: tuple[LineAllowanceOrCharge, ...] = term("BG-28", "Order line charges", "0..n", ())
    price: Price = term("BG-29", "Price details", "0..1", Price())
    vat: LineVat = term("BG-30", "Line VAT information", "0..1", LineVat())
    item: Item = term("BG-31", "Item information", "1..1", Item())
    substituted: Item | None = term("", "Substituted item", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order, a change of one or a response to one, whatever its syntax."""

    number: Text = term("BT-13", "Order number", "1..1")
    issue_date: Date | None = term("", "Order issue date", "1..1", None)
    type_code: Code = term("", "Order type code")
    """UNTDID 1001."""
    name: Text = term("", "Document name")
    status: Code = term("", "Order status code")
    purpose: Code = term("", "Message function code")
    """UNTDID 1225: 9 original, 1 cancellation, 5 replacement, 7 duplicate."""
    response_wanted: Code = term("", "Requested response type code")
    is_copy: Indicator | None = term("", "Copy indicator", default=None)
    is_test: Indicator | None = term("", "Test indicator", default=None)
    valid: Window | None = term("", "Validity period", default=None)
    currency: Code = term("BT-5", "Order currency code", "1..1")
    tax_currency: Code = term("BT-6", "VAT accounting currency code")
    buyer_reference: Text = term("BT-10", "Buyer reference")
    project: Text = term("BT-11", "Project reference")
    project_name: Text = term("", "Project name")
    contract: Text = term("BT-12", "Contract reference")
    sales_order: Text = term("BT-14", "Sales order reference")
    buyer_order: Text = term("", "Referenced buyer order")
    """In a response or a change: the order it speaks of."""
    tender: Text = term("BT-17", "Tender or lot reference")
    object_id: Identifier | None = term("BT-18", "Ordered object identifier", default=None)
    accounting_reference: Text = term("BT-19", "Buyer accounting reference")
    payment_terms: Text = term("BT-20", "Payment terms")
    quotation: Reference | None = term("", "Quotation", default=None)
    requisition: Reference | None = term("", "Requisition", default=None)
    catalogue: Reference | None = term("", "Catalogue", default=None)
    blanket_order: Reference | None = term("", "Blanket order", default=None)
    previous_order: Reference | None = term("", "Previous order", default=None)
    previous_change: Reference | None = term("", "Previous order change", default=None)
    previous_response: Reference | None = term("", "Previous order response", default=None)
    customer_orders: tuple[Reference, ...] = term("", "Ultimate customer order", "0..n", ())
    notes: tuple[Note, ...] = term("BG-1", "Order note", "0..n", ())
    process: Text = term("BT-23", "Business process type")
    profile: Text = term("BT-24", "Specification identifier")
    seller: Party = term("BG-4", "Seller", "1..1", Party())
    buyer: Party = term("BG-7", "Buyer", "1..1", Party())
    invoicee: Party | None = term("", "Invoicee", default=None)
    """Whom to invoice, where that is not the buyer: the buyer (BG-7) of the invoice."""
    invoicer: Party | None = term("", "Invoicer", default=None)
    requisitioner: Party | None = term("", "Buyer requisitioner", default=None)
    end_user: Party | None = term("", "Product end user", default=None)
    agent: Party | None = term("", "Buyer agent", default=None)
    shipping: Shipping | None = term("", "Delivery", default=None)
    payment: OrderPayment | None = term("BG-16", "Payment instructions", default=None)
    allowances: tuple[AllowanceOrCharge, ...] = term("BG-20", "Document level allowances", "0..n", ())
    charges: tuple[AllowanceOrCharge, ...] = term("BG-21", "Document level charges", "0..n", ())
    totals: Totals = term("BG-22", "Document totals", "0..1", Totals())
    vat_breakdown: tuple[VatBreakdown, ...] = term("BG-23", "VAT breakdown", "0..n", ())
    attachments: tuple[Attachment, ...] = term("BG-24", "Additional supporting documents", "0..n", ())
    lines: tuple[OrderLine, ...] = term("", "Order line", "1..n", ())


@dataclass(frozen=True, slots=True)
class OrderReading:
    """A document read into the model of orders."""

    order: Order
    unknown: tuple[str, ...] = ()
    """Paths of elements with content that the model does not hold, in document order, each path once."""
