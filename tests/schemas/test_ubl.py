"""UBL invoice and credit note: samples, the corpus, and any invoice at all, read and written without loss."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas import json_form
from schemas.format import Format, unheld
from schemas.formats.cii import FORMAT as CII
from schemas.formats.ubl import CREDIT_NOTE, INVOICE, format_for
from schemas.invoice import (
    AdvancePayment,
    AllowanceOrCharge,
    Card,
    CreditTransfer,
    Identifier,
    Invoice,
    InvoiceReference,
    Line,
    LogisticsCharge,
    Note,
    Party,
    Payment,
    PaymentTerms,
    Tax,
    ThirdPartyPayment,
)
from schemas.rulebooks.fr import EXTENDED_CTC_FR
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


def extended(**changes: object) -> Invoice:
    return replace(sample("invoice-multi-vat"), **changes)  # type: ignore[arg-type]


def lined(*kinds: tuple[str, str, str]) -> tuple[Line, ...]:
    line = sample("invoice-simple").lines[0]
    return tuple(replace(line, id=number, parent_id=parent, kind=kind) for number, parent, kind in kinds)


def test_in_extended_ctc_fr_a_line_names_its_subtype_and_its_parent_by_the_invoice_itself() -> None:
    lines = lined(("1", "", "GROUP"), ("1.1", "1", "DETAIL"), ("1.2", "1", "INFORMATION"))
    invoice = replace(sample("invoice-simple"), profile=EXTENDED_CTC_FR, lines=lines)
    root = etree.fromstring(INVOICE.write(invoice))
    references = root.findall(".//{*}InvoiceLine/{*}BillingReference")
    assert {one.findtext("{*}InvoiceDocumentReference/{*}ID") for one in references} == {invoice.number}
    assert [one.findtext(".//{*}DocumentStatusCode") for one in references] == ["GROUP", "DETAIL", "INFORMATION"]
    assert [one.findtext("{*}BillingReferenceLine/{*}ID") for one in references] == [None, "1", "1"]
    assert not root.findall(".//{*}SubInvoiceLine")
    assert INVOICE.read(INVOICE.write(invoice)).invoice == invoice


def test_a_line_may_refer_to_an_earlier_invoice_of_the_same_number() -> None:
    invoice = sample("invoice-simple")
    line = replace(invoice.lines[0], preceding=InvoiceReference(number=invoice.number))
    invoice = replace(invoice, profile=EXTENDED_CTC_FR, lines=(line,))
    assert INVOICE.read(INVOICE.write(invoice)).invoice == invoice


def test_elsewhere_lines_that_only_break_down_stand_inside_their_parent() -> None:
    lines = lined(
        ("1", "", ""),
        ("1.1", "1", "INFORMATION"),
        ("1.1.1", "1.1", "INFORMATION"),
        ("1.2", "1", "INFORMATION"),
        ("2", "", ""),
        ("3", "", "GROUP"),
        ("3.1", "3", "DETAIL"),
        ("9.1", "9", "INFORMATION"),
    )
    invoice = replace(sample("invoice-simple"), lines=lines)
    root = etree.fromstring(INVOICE.write(invoice))
    assert [one.findtext("{*}ID") for one in root.findall("{*}InvoiceLine")] == ["1", "2", "3", "3.1", "9.1"]
    assert root.findtext("{*}InvoiceLine/{*}SubInvoiceLine/{*}SubInvoiceLine/{*}ID") == "1.1.1"
    assert INVOICE.read(INVOICE.write(invoice)).invoice == invoice


def test_lines_nested_deeper_than_we_follow_are_told() -> None:
    lines = lined(("1", "", ""), *((f"{number}", f"{number - 1}", "INFORMATION") for number in range(2, 10)))
    invoice = replace(sample("invoice-simple"), lines=lines)
    written = INVOICE.write(invoice)
    assert INVOICE.read(written).invoice == invoice  # the deepest refer to their parents
    root = etree.fromstring(written)
    deepest = root.find("{*}InvoiceLine" + "/{*}SubInvoiceLine" * 5)
    assert deepest is not None
    deepest.append(copy.deepcopy(deepest))
    reading = INVOICE.read(etree.tostring(root))
    assert reading.invoice == invoice
    assert f"/Invoice/cac:InvoiceLine{'/cac:SubInvoiceLine' * 6}/cbc:ID" in reading.unknown


def test_means_of_another_kind_are_further_payments_and_repeated_ones_are_none() -> None:
    transfer, other = Payment(means_code="58", remittance="R"), Payment(means_code="48", card=Card(number="1234"))
    invoice = extended(payment=transfer, more_payments=(other,))
    written = INVOICE.write(invoice)
    assert INVOICE.read(written).invoice == invoice
    start, end = written.index(b"<cac:PaymentMeans>"), written.index(b"</cac:PaymentMeans>") + 19
    assert INVOICE.read(written[:end] + written[start:end] + written[end:]).invoice == invoice


def test_thousands_of_accounts_are_read_in_a_moment() -> None:
    transfers = tuple(CreditTransfer(account=f"FR{number}") for number in range(20_000))
    invoice = extended(more_payments=(Payment(means_code="31", transfers=transfers),))
    written = INVOICE.write(invoice)
    start = time.perf_counter()
    assert INVOICE.read(written).invoice == invoice
    assert time.perf_counter() - start < 20


def test_the_network_of_a_card_is_kept_and_its_placeholder_is_none() -> None:
    named = extended(payment=Payment(means_code="48", card=Card(number="1234", network="VISA")))
    unnamed = extended(payment=Payment(means_code="48", card=Card(number="1234")))
    assert b"<cbc:NetworkID>VISA</cbc:NetworkID>" in INVOICE.write(named)
    assert b"<cbc:NetworkID>NA</cbc:NetworkID>" in INVOICE.write(unnamed)
    assert [INVOICE.read(INVOICE.write(one)).invoice for one in (named, unnamed)] == [named, unnamed]


@pytest.mark.parametrize("first", ["30 days net", "2 % within 10 days\n30 days net", ""])
def test_all_payment_terms_share_one_note_and_come_apart_again(first: str) -> None:
    more = (
        PaymentTerms(text="half at delivery\nby transfer", due_date=date(2026, 12, 1)),
        PaymentTerms(partial_amount=Decimal("10.00")),
        PaymentTerms(text="rest later", due_date=date(2027, 1, 1)),
    )
    invoice = extended(payment_terms=first, more_payment_terms=more, partial_payment=Decimal("5.00"))
    written = INVOICE.write(invoice)
    assert written.count(b"half at delivery\nby transfer\nrest later</cbc:Note>") == 1
    assert len(etree.fromstring(written).findall("{*}PaymentTerms/{*}Note")) == 1
    assert INVOICE.read(written).invoice == invoice


def test_lines_of_a_note_that_are_not_there_are_told() -> None:
    invoice = extended(more_payment_terms=(PaymentTerms(text="rest later", due_date=date(2027, 1, 1)),))
    written = INVOICE.write(invoice).replace(b"note lines 2 to 2", b"note lines 2 to 5")
    assert "/Invoice/cac:PaymentTerms" in INVOICE.read(written).unknown


def test_an_identifier_of_payment_terms_is_told() -> None:
    invoice = extended(more_payment_terms=(PaymentTerms(text="rest later", due_date=date(2027, 1, 1)),))
    written = INVOICE.write(invoice)
    for foreign in (b"T-7", b"note lines 1 to 99999"):
        reading = INVOICE.read(written.replace(b"note lines 2 to 2", foreign))
        assert reading.unknown == ("/Invoice/cac:PaymentTerms",)
        assert reading.invoice.more_payment_terms == (PaymentTerms(due_date=date(2027, 1, 1)),)


def test_a_long_note_is_not_taken_apart_again_and_again() -> None:
    terms = b"<cac:PaymentTerms><cbc:ID>note lines 1 to 1</cbc:ID></cac:PaymentTerms>" * 20_000
    written = INVOICE.write(extended(payment_terms="x"))
    long = b"<cbc:Note>" + b"a\n" * 500_000 + b"</cbc:Note>"
    odd = written.replace(b"<cbc:Note>x</cbc:Note>", long).replace(
        b"</cac:PaymentTerms>", b"</cac:PaymentTerms>" + terms
    )
    start = time.perf_counter()
    assert "/Invoice/cac:PaymentTerms" in INVOICE.read(odd).unknown
    assert time.perf_counter() - start < 20


def test_a_logistics_charge_counts_as_a_charge_and_stays_what_it_is() -> None:
    charge = LogisticsCharge(
        description="Freight", amount=Decimal("5.80"), taxes=(Tax(category="S", rate=Decimal("20")),)
    )
    invoice = extended(logistics_charges=(charge,))
    written = INVOICE.write(invoice)
    assert b"<cbc:AllowanceChargeReason>Freight</cbc:AllowanceChargeReason>" in written
    assert INVOICE.read(written).invoice == invoice
    plain = INVOICE.read(written.replace(b"<cbc:ID>logistics service charge</cbc:ID>", b"<cbc:ID>F-1</cbc:ID>"))
    assert plain.invoice.logistics_charges == ()
    assert plain.invoice.charges[-1].reason == "Freight"
    assert plain.unknown == ("/Invoice/cac:AllowanceCharge",)


def test_the_manufacturer_is_the_seller_of_the_line_in_extended_ctc_fr_only() -> None:
    party = Party(name="Atelier du Lac", legal_id=Identifier("123456782", "0002"))
    line = sample("invoice-simple").lines[0]
    french = replace(sample("invoice-simple"), profile=EXTENDED_CTC_FR, lines=(replace(line, seller=party),))
    other = replace(sample("invoice-simple"), lines=(replace(line, item=replace(line.item, manufacturer=party)),))
    for invoice in (french, other):
        assert b"<cac:ManufacturerParty>" in INVOICE.write(invoice)
        assert INVOICE.read(INVOICE.write(invoice)).invoice == invoice
    assert [loss.term for loss in unheld(INVOICE, replace(french, profile=other.profile))] == ["BG-X-90"]


def test_a_charge_that_is_another_tax_says_which() -> None:
    charge = AllowanceOrCharge(amount=Decimal("2.00"), vat_category="S", vat_rate=Decimal("20"), tax_type="ENV")
    invoice = extended(charges=(charge,))
    written = INVOICE.write(invoice)
    assert b'<cbc:AllowanceChargeReasonCode listID="5153">ENV<' in written
    assert INVOICE.read(written).invoice == invoice
    assert INVOICE.read(written.replace(b'listID="5153"', b'listID="7161"')).invoice.charges[0].reason_code == "ENV"


def test_advance_payments_and_payments_for_others_are_told_apart() -> None:
    invoice = extended(
        advance_payments=(
            AdvancePayment(
                amount=Decimal("50.00"), date=date(2026, 9, 1), invoice=InvoiceReference(number="F-2026-0001")
            ),
        ),
        third_party_payments=(ThirdPartyPayment(description="Stamp duty", amount=Decimal("7.00")),),
    )
    assert INVOICE.read(INVOICE.write(invoice)).invoice == invoice
