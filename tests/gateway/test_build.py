"""The stage that builds the original says in its event on whose page it is, and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gateway.stages.build import Order, build
from schemas.catalogue import FORMATS
from schemas.formats import facturx
from schemas.formats.facturx.extract import extract
from schemas.formats.facturx.presentation import PLAIN
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
