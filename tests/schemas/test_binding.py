"""The engine of the tables: what it tells, what it refuses, what it escapes."""

from __future__ import annotations

import contextlib
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas.format import Format
from schemas.formats.cii import FORMAT as CII
from schemas.formats.ubl import INVOICE as UBL
from schemas.invoice import Invoice, Note
from schemas.xml import Unreadable

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
CII_BYTES = (SAMPLES / "cii" / "invoice-simple.xml").read_bytes()
UBL_BYTES = (SAMPLES / "ubl" / "invoice-simple.xml").read_bytes()


def test_elements_outside_the_table_are_told_by_path_once_and_in_order() -> None:
    extra = b"<ram:GuardianLineID>1</ram:GuardianLineID><ram:X xmlns:ram='urn:x'><ram:Y>2</ram:Y><ram:Z/></ram:X>"
    data = CII_BYTES.replace(b"</ram:LineID>", b"</ram:LineID>" + extra)
    reading = CII.read(data)
    assert reading.invoice == CII.read(CII_BYTES).invoice
    line = "/rsm:CrossIndustryInvoice/rsm:SupplyChainTradeTransaction/ram:IncludedSupplyChainTradeLineItem"
    document = f"{line}/ram:AssociatedDocumentLineDocument"
    assert reading.unknown == (f"{document}/ram:GuardianLineID", f"{document}/{{urn:x}}X/{{urn:x}}Y")


def test_attributes_outside_the_table_are_told() -> None:
    data = UBL_BYTES.replace(b"<cbc:ID>QV-2026-0142<", b'<cbc:ID schemeAgencyID="9">QV-2026-0142<')
    assert UBL.read(data).unknown == ("/Invoice/cbc:ID/@schemeAgencyID",)


def test_an_amount_in_another_currency_is_told() -> None:
    data = UBL_BYTES.replace(b'<cbc:PriceAmount currencyID="EUR">389', b'<cbc:PriceAmount currencyID="GBP">389')
    assert [path.rpartition("cac:Price/")[2] for path in UBL.read(data).unknown] == ["cbc:PriceAmount/@currencyID"]


def test_a_second_value_for_one_term_is_told_and_the_first_kept() -> None:
    again = b"<cbc:Note>Un autre texte</cbc:Note></cac:PaymentTerms>"
    reading = UBL.read(UBL_BYTES.replace(b"</cac:PaymentTerms>", again))
    assert reading.unknown == ("/Invoice/cac:PaymentTerms/cbc:Note",)
    assert reading.invoice == UBL.read(UBL_BYTES).invoice


def test_a_constant_that_differs_is_told() -> None:
    reading = CII.read(CII_BYTES.replace(b">VAT<", b">GST<"))
    assert {path.rpartition("/")[2] for path in reading.unknown} == {"ram:TypeCode"}


def test_empty_elements_are_absent() -> None:
    data = UBL_BYTES.replace(b"<cbc:BuyerReference>RAYON-JEUNESSE<", b"<cbc:BuyerReference> <")
    assert UBL.read(data).invoice == replace(UBL.read(UBL_BYTES).invoice, buyer_reference="")


def test_every_value_that_cannot_be_read_is_told_with_its_line() -> None:
    data = CII_BYTES.replace(b">20260914<", b">20260231<").replace(b">7.5<", b">7,5<")
    with pytest.raises(Unreadable) as caught:
        CII.read(data)
    date, quantity = caught.value.findings
    assert (date.rule, date.terms, date.found) == ("XML-VALUE", ("BT-2",), "20260231")
    assert (quantity.rule, quantity.terms, quantity.found) == ("XML-VALUE", ("BT-129",), "7,5")
    assert date.line == data[: data.index(b"20260231")].count(b"\n") + 1
    assert date.path.endswith("udt:DateTimeString")


@pytest.mark.parametrize("number", [b"1e3", b"NaN", b"INF", b"0x10", b"1 2", b"--1", b".", b"1" * 100])
def test_numbers_are_plain_decimals(number: bytes) -> None:
    with pytest.raises(Unreadable):
        CII.read(CII_BYTES.replace(b">7.5<", b">" + number + b"<"))


def test_another_root_is_refused() -> None:
    with pytest.raises(Unreadable) as caught:
        CII.read(UBL_BYTES)
    assert [one.rule for one in caught.value.findings] == ["XML-ROOT"]


def test_text_survives_the_rules_of_xml() -> None:
    text = "a<b> & \"c\" 'd'\r\ne\tf ]]> é 😀"
    invoice = replace(CII.read(CII_BYTES).invoice, notes=(Note(text=text),))
    for format in (CII, UBL):
        assert format.read(format.write(invoice)).invoice.notes[0].text == text


def test_a_character_that_xml_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match=r"U\+0000"):
        CII.write(Invoice(number="a\x00"))


def test_an_empty_invoice_can_be_written_and_read() -> None:
    """Nothing is invented for it either."""
    for format in (CII, UBL):
        assert format.read(format.write(Invoice())).invoice == Invoice()


@settings(max_examples=300)
@given(st.sampled_from([(CII, CII_BYTES), (UBL, UBL_BYTES)]), st.data())
def test_a_mutilated_document_is_read_or_refused_but_never_breaks_the_reader(
    case: tuple[Format, bytes], data: st.DataObject
) -> None:
    """Elements gone, doubled, emptied or swapped: the answer is an invoice or findings."""
    format, original = case
    root = etree.fromstring(original)
    for _ in range(data.draw(st.integers(1, 4))):
        elements = list(root.iter())[1:]
        if not elements:
            break
        element = data.draw(st.sampled_from(elements))
        parent = element.getparent()
        assert parent is not None
        match data.draw(st.sampled_from(["remove", "double", "empty", "text", "bare", "move"])):
            case "remove":
                parent.remove(element)
            case "double":
                parent.append(deepcopy(element))
            case "empty":
                element.text = None
            case "text":
                element.text = data.draw(st.sampled_from(["x", "-1", "2026-02-30", "#PMT#", "VAT", "EUR", " ", "0"]))
            case "bare":
                element.attrib.clear()
            case _:
                root.append(element)
    with contextlib.suppress(Unreadable):
        invoice = format.read(etree.tostring(root)).invoice
        assert isinstance(format.write(invoice), bytes)
