"""The stage that builds the original says in its event on whose page it is, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.stages.build import Order, build
from schemas.catalogue import FORMATS
from schemas.formats import facturx
from schemas.formats.facturx.extract import extract
from schemas.formats.facturx.presentation import PLAIN
from schemas.invoice import Card, CreditTransfer, Invoice, Note, Payment
from schemas.xml import Unreadable
from tests.schemas import hybrid_pdf as made
from tests.schemas.hybrid_pdf import OTHER_XML, built, drawn
from tests.schemas.sample_invoice import invoice

AT = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
XML = FORMATS["cii"].write(invoice())
DRAWING = b"1 0 0 rg 10 10 50 50 re f"


def order(submission: bytes) -> Order:
    return Order(submission, "pdf", XML, "cii", "facturx", True, None, "fr", AT, PLAIN)


def test_a_submitted_pdf_is_the_page_where_it_can_be() -> None:
    original = build(order(built(drawn(DRAWING))))
    assert (original.format, original.reason) == ("facturx", "made from pdf")
    assert extract(original.data).xml == XML


def test_why_it_is_not_the_page_is_told() -> None:
    submitted = built(drawn(b"BT /F1 12 Tf 9 9 Td (Facture) Tj ET", Font=made.unembedded))
    original = build(order(submitted))
    assert original.reason == (
        "made from pdf; on our own page, the PDF going along as submitted.pdf: "
        "The font Helvetica is not embedded (page 1)."
    )
    (along,) = extract(original.data).others
    assert (along.name, along.data) == (facturx.SUBMITTED, submitted)


def test_an_invoice_that_it_carried_is_named() -> None:
    original = build(order(built(drawn(DRAWING), made.in_tree(("zugferd-invoice.xml", OTHER_XML)))))
    assert original.reason == "made from pdf; the invoice it carried is replaced: zugferd-invoice.xml"
    assert extract(original.data).xml == XML


def test_without_a_pdf_nothing_of_one_is_told() -> None:
    assert build(replace(order(XML), format="cii")).reason == "made from cii"


CARD = replace(invoice(), payment=Payment(means_code="48", card=Card(number="1234", network="VISA")))
FIRST = Payment(means_code="30", remittance="12115118", transfers=(CreditTransfer(account="NL57RABO0107307510"),))
SECOND = Payment(means_code="30", transfers=(CreditTransfer(account="NL03INGB0004489902"),))

LOST: dict[str, tuple[Invoice, str]] = {
    "the network of a card": (CARD, "BG-18 network (/payment/card/network)"),
    "a second way to pay": (
        replace(invoice(), payment=FIRST, more_payments=(SECOND,)),
        "BG-16 Payment instructions (/more_payments/0)",
    ),
    "a note of only spaces": (
        replace(invoice(), notes=(*invoice().notes, Note(subject="AAI", text="  "))),
        "BT-22 Invoice note (/notes/4/text)",
    ),
}


@pytest.mark.parametrize("what", sorted(LOST))
def test_a_ubl_of_which_cii_would_lose_a_value_stays_as_submitted(what: str) -> None:
    rich, told = LOST[what]
    xml = FORMATS["ubl-invoice"].write(rich)
    original = build(replace(order(xml), format="ubl-invoice", xml=xml, xml_format="ubl-invoice"))
    assert (original.format, original.data) == ("ubl-invoice", xml)
    assert original.reason == f"kept as submitted: its translation into CII would lose {told}"
    with pytest.raises(Unreadable) as refused:
        build(replace(order(built(drawn(DRAWING))), xml=xml, xml_format="ubl-invoice"))
    (finding,) = refused.value.findings
    assert finding.rule == "HOUSE-PDF-DATA"
    assert told in finding.says


def test_a_ubl_of_which_cii_loses_nothing_is_built() -> None:
    xml = FORMATS["ubl-invoice"].write(invoice())
    original = build(replace(order(xml), format="ubl-invoice", xml=xml, xml_format="ubl-invoice"))
    assert (original.format, original.reason) == ("facturx", "made from ubl-invoice")
