"""UBL invoice and credit note: samples, the corpus, and any invoice at all, read and written without loss."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas import json_form
from schemas.format import Format
from schemas.formats.cii import FORMAT as CII
from schemas.formats.ubl import CREDIT_NOTE, INVOICE, format_for
from schemas.invoice import Invoice, Note
from tests.conftest import CORPUS, STANDARDS
from tests.schemas.strategies import invoices

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
NAMES = ("invoice-simple", "invoice-multi-vat", "credit-note", "invoice-foreign-currency")
FORMATS = {format.name: format for format in (INVOICE, CREDIT_NOTE)}


def sample(name: str) -> Invoice:
    return json_form.read((SAMPLES / "json" / f"{name}.json").read_bytes())


@pytest.fixture(scope="module")
def xsds() -> dict[str, etree.XMLSchema]:
    folder = STANDARDS / "ubl-2.1-xsd" / "maindoc"
    if not folder.is_dir():
        pytest.skip("no standards beside this checkout (../shared/standards)")
    return {
        name: etree.XMLSchema(file=str(folder / f"UBL-{format.root[1]}-2.1.xsd")) for name, format in FORMATS.items()
    }


def representable(invoice: Invoice) -> Invoice:
    """A sales order without order is "NA" in UBL; scheme SEPA marks BT-90 there."""
    return replace(invoice, purchase_order=invoice.purchase_order or invoice.sales_order)


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_written_to_the_byte_and_read_back(name: str) -> None:
    golden = (SAMPLES / "ubl" / f"{name}.xml").read_bytes()
    invoice = sample(name)
    format = format_for(invoice.type_code)
    assert format is (CREDIT_NOTE if name == "credit-note" else INVOICE)
    assert format.write(invoice) == golden
    reading = format.read(golden)
    assert reading.invoice == invoice
    assert reading.unknown == ()


@settings(max_examples=150)
@given(invoices().map(representable), st.sampled_from([INVOICE, CREDIT_NOTE]))
def test_reading_what_was_written_gives_the_same_invoice(invoice: Invoice, format: Format) -> None:
    if format is CREDIT_NOTE and invoice.payment is None:
        invoice = replace(invoice, due_date=None)
    written = format.write(invoice)
    reading = format.read(written)
    assert reading.invoice == invoice
    assert reading.unknown == ()
    assert format.write(reading.invoice) == written


@settings(max_examples=60)
@given(invoices(), st.sampled_from([INVOICE, CREDIT_NOTE]))
def test_any_invoice_is_written_in_the_order_of_the_schema(
    xsds: dict[str, etree.XMLSchema], invoice: Invoice, format: Format
) -> None:
    xsd = xsds[format.name]
    assert xsd.validate(etree.fromstring(format.write(invoice))), xsd.error_log


@settings(max_examples=100)
@given(invoices().map(representable))
def test_cii_and_ubl_say_the_same(invoice: Invoice) -> None:
    """CII → UBL → CII and back is the identity on the model."""
    through_cii = CII.read(CII.write(invoice)).invoice
    through_both = INVOICE.read(INVOICE.write(through_cii)).invoice
    assert through_both == invoice


def test_the_subject_of_a_note_stands_before_its_text() -> None:
    notes = (Note(text="40 €", subject="PMT"), Note(text="two\nlines"), Note(text="# no subject #"))
    written = INVOICE.write(replace(sample("invoice-simple"), notes=notes))
    assert "<cbc:Note>#PMT#40 €</cbc:Note>".encode() in written
    assert INVOICE.read(written).invoice.notes == notes


def test_a_credit_note_keeps_its_due_date_without_payment() -> None:
    invoice = sample("credit-note")
    assert invoice.issue_date
    invoice = replace(invoice, payment=None, due_date=invoice.issue_date)
    written = CREDIT_NOTE.write(invoice)
    assert b"<cbc:PaymentDueDate>2026-09-28<" in written
    assert CREDIT_NOTE.read(written).invoice == invoice


def test_a_sales_order_alone_is_not_taken_for_an_order() -> None:
    invoice = replace(sample("invoice-simple"), purchase_order="", sales_order="SO-9")
    written = INVOICE.write(invoice)
    assert b"<cbc:ID>NA</cbc:ID>" in written
    assert INVOICE.read(written).invoice == invoice


def test_a_gross_price_alone_gets_a_discount_of_zero() -> None:
    invoice = sample("invoice-simple")
    line = replace(invoice.lines[0], price=replace(invoice.lines[0].price, gross=Decimal("389.00")))
    invoice = replace(invoice, lines=(line,))
    assert INVOICE.read(INVOICE.write(invoice)).invoice == invoice


@pytest.mark.parametrize("discount", ["0", "0.00", "1.50"])
@pytest.mark.parametrize("gross", [None, Decimal("389.00")])
def test_a_discount_that_is_given_stays_given(discount: str, gross: Decimal | None) -> None:
    invoice = sample("invoice-simple")
    price = replace(invoice.lines[0].price, gross=gross, discount=Decimal(discount))
    invoice = replace(invoice, lines=(replace(invoice.lines[0], price=price),))
    assert INVOICE.read(INVOICE.write(invoice)).invoice == invoice


def test_a_breakdown_without_total_gets_its_sum(xsds: dict[str, etree.XMLSchema]) -> None:
    """UBL demands a total in front of the breakdown."""
    invoice = sample("invoice-multi-vat")
    written = INVOICE.write(replace(invoice, totals=replace(invoice.totals, vat=None)))
    assert xsds["ubl-invoice"].validate(etree.fromstring(written))
    assert INVOICE.read(written).invoice == invoice


@pytest.mark.parametrize("scheme", ["FC", "TAX", "Tax", "NOVAT", "???", ""])
def test_a_registration_under_any_scheme_but_vat_is_bt_32(scheme: str) -> None:
    invoice = replace(sample("invoice-simple"), seller=replace(sample("invoice-simple").seller, tax_id="DE 12/345"))
    written = INVOICE.write(invoice)
    assert b"<cbc:ID>TAX</cbc:ID>" in written
    reading = INVOICE.read(written.replace(b"<cbc:ID>TAX</cbc:ID>", f"<cbc:ID>{scheme}</cbc:ID>".encode()))
    assert reading.invoice == invoice
    assert reading.unknown == ()


def test_a_second_registration_is_told() -> None:
    invoice = replace(sample("invoice-simple"), seller=replace(sample("invoice-simple").seller, tax_id="DE 12/345"))
    written = INVOICE.write(invoice)
    start, end = written.index(b"<cac:PartyTaxScheme>"), written.index(b"<cac:PartyLegalEntity>")
    other = written[start:end].replace(b"DE 12/345", b"Foretaksregisteret")
    reading = INVOICE.read(written[:end] + other + written[end:])
    assert reading.invoice == invoice
    assert reading.unknown == ("/Invoice/cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme",)


def test_payment_without_means_says_so() -> None:
    """UBL demands a code; 1 is "instrument not defined"."""
    invoice = sample("invoice-simple")
    assert invoice.payment
    invoice = replace(invoice, payment=replace(invoice.payment, means_code=""))
    again = INVOICE.read(INVOICE.write(invoice)).invoice
    assert again.payment
    assert again.payment.means_code == "1"


@pytest.mark.corpus
def test_every_valid_document_of_the_corpus_survives(xsds: dict[str, etree.XMLSchema]) -> None:
    """Read, write, XSD, read again: equal."""
    read = unknown = 0
    for line in (CORPUS / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        format = FORMATS.get(entry["kind"])
        if format is None or entry["label"] != "valid":
            continue
        reading = format.read((CORPUS / entry["path"]).read_bytes())
        written = format.write(reading.invoice)
        xsd = xsds[format.name]
        assert xsd.validate(etree.fromstring(written)), (entry["path"], xsd.error_log)
        again = format.read(written)
        assert again.invoice == reading.invoice, entry["path"]
        assert again.unknown == (), entry["path"]
        read += 1
        unknown += bool(reading.unknown)
    print(f"\nubl: {read} read, {unknown} with elements outside EN 16931")
    assert read >= 233
