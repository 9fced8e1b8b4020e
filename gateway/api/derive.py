"""Other forms of a document: pure, for a worker process.

A derivation never loses silently: where the form asked for would not hold everything, there is none, and it says what
would be lost. What is kept is never derived again, it is handed out byte for byte (`contents`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.errors import Underivable
from schemas import json_form
from schemas.catalogue import FORMATS
from schemas.formats import facturx
from schemas.invoice import CREDIT_NOTE_TYPES, Invoice
from schemas.xml import Unreadable

FORMS = ("cii", "ubl", "facturx", "json", "page")
"""What a document can be asked for beside what is kept of it."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to derive, and from what."""

    form: str
    """One of FORMS."""
    xml: bytes
    """The structured invoice."""
    format: str
    """Its name in FORMATS."""
    language: str
    """Of the readable page: fr or en."""
    created: datetime
    """When the document was received, to the second."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived form."""

    media_type: str
    data: bytes


def derive(order: Order) -> Derived:
    """The form asked for. Raises Underivable with the reason."""
    try:
        reading = FORMATS[order.format].read(order.xml)
    except Unreadable as unreadable:
        raise Underivable(f"its structured invoice cannot be read: {unreadable.findings[0].says}") from unreadable
    if reading.unknown and order.form != "page":
        lost = ", ".join(reading.unknown[:5])
        raise Underivable(f"{len(reading.unknown)} of its elements would be lost, first {lost}")
    try:
        return _written(order, reading.invoice)
    except Unreadable as unreadable:
        raise Underivable(unreadable.findings[0].says) from unreadable


def _written(order: Order, invoice: Invoice) -> Derived:
    match order.form:
        case "cii":
            return Derived("application/xml", FORMATS["cii"].write(invoice))
        case "ubl":
            name = "ubl-creditnote" if invoice.type_code in CREDIT_NOTE_TYPES else "ubl-invoice"
            return Derived("application/xml", FORMATS[name].write(invoice))
        case "json":
            return Derived("application/json", json_form.write(invoice))
        case _:
            xml = order.xml if order.format == "cii" else FORMATS["cii"].write(invoice)
            pdf = facturx.build(invoice, xml, language=order.language, created=order.created)
            return Derived("application/pdf", pdf)
