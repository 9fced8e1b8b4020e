"""The JSON form: exact, strict, every fault at once, and its schema."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import json_form
from schemas.finding import Finding
from schemas.invoice import Identifier, Invoice
from schemas.xml import Unreadable
from tests.schemas.strategies import examples, invoices, sums

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "json"
GOOD = ("invoice-simple", "invoice-multi-vat", "credit-note", "invoice-foreign-currency")


def form(name: str = "invoice-simple") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def faults(data: object) -> list[Finding]:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(Unreadable) as caught:
        json_form.read(text)
    return list(caught.value.findings)


@pytest.mark.parametrize("name", GOOD)
def test_samples_are_read_and_written_back(name: str) -> None:
    invoice = json_form.read((SAMPLES / f"{name}.json").read_bytes())
    written = json_form.write(invoice)
    assert json_form.read(written) == invoice
    assert json_form.write(json_form.read(written)) == written
    assert invoice.totals.due is not None


def test_every_fault_of_the_broken_sample_is_told_at_once() -> None:
    found = [(one.rule, one.path, one.terms) for one in faults((SAMPLES / "invoice-broken.json").read_bytes())]
    assert sorted(found) == [
        ("JSON-MISSING", "/lines/2/item", ("BG-31",)),
        ("JSON-MISSING", "/seller/name", ("BT-27",)),
        ("JSON-TYPE", "/lines/1/quantity", ("BT-129",)),
        ("JSON-TYPE", "/payment/means_code", ("BT-81",)),
        ("JSON-UNKNOWN-FIELD", "/buyer/siren", ("BG-7",)),
        ("JSON-UNKNOWN-FIELD", "/due_dat", ()),
        ("JSON-VALUE", "/delivery/date", ("BT-72",)),
        ("JSON-VALUE", "/issue_date", ("BT-2",)),
        ("JSON-VALUE", "/lines/0/price/net", ("BT-146",)),
        ("JSON-VALUE", "/lines/1/net_amount", ("BT-131",)),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("due_dat", "due_date"),
        ("invoice_number", "number"),
        ("BT-10", "buyer_reference"),
        ("curency", "currency"),
        ("payment_due_date", "due_date"),
        ("Invoice issue date", "issue_date"),
    ],
)
def test_unknown_fields_get_a_suggestion(written: str, meant: str) -> None:
    (only,) = faults(form() | {written: "x"})
    assert (only.rule, only.found, only.fix) == ("JSON-UNKNOWN-FIELD", written, f"Did you mean {meant}?")


def test_a_field_with_no_likeness_gets_the_list() -> None:
    broken = form()
    broken["lines"][0]["qqq"] = 1
    (only,) = faults(broken)
    assert only.path == "/lines/0/qqq"
    assert only.fix is not None
    assert "quantity" in only.fix


@pytest.mark.parametrize("value", ["1.10", Decimal("1.10")])
def test_numbers_are_exact_to_the_last_digit(value: object) -> None:
    exact = "1.234567890123456789"
    text = json.dumps(form()).replace('"389.00"', f'"{exact}"' if isinstance(value, str) else exact, 1)
    invoice = json_form.read(text.encode())
    assert str(invoice.lines[0].price.net) == exact


@pytest.mark.parametrize(
    "raw", ["1e400", "1e999999999", "1.005", "true", '"1e2"', '"NaN"', '"١"', '" 1"', "[]", "null", '"1,00"']
)
def test_money_is_nothing_but_a_plain_number(raw: str) -> None:
    broken = form()
    broken["totals"] = {"paid": "@"}
    (only,) = faults(json.dumps(broken).replace('"@"', raw).encode())
    assert only.path == "/totals/paid"
    assert only.rule in ("JSON-VALUE", "JSON-TYPE")
    assert only.terms == ("BT-113",)


@pytest.mark.parametrize(
    "raw", [1767225600, "1767225600", "2026-01-31T00:00:00", "20260131", "2026-02-29", "٢٠٢٦-01-31", ""]
)
def test_dates_are_days_of_the_calendar(raw: object) -> None:
    (only,) = faults(form() | {"due_date": raw})
    assert (only.path, only.terms, only.expected) == ("/due_date", ("BT-9",), "a day of the calendar, YYYY-MM-DD")


@pytest.mark.parametrize("text", ["", " ", "a\x00b", "a\x1bb", "\ud800"])
def test_text_is_neither_blank_nor_unprintable(text: str) -> None:
    (only,) = faults(form() | {"payment_terms": text})
    assert (only.rule, only.terms) == ("JSON-VALUE", ("BT-20",))


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "JSON-SYNTAX"),
        (b'{"number": }', "JSON-SYNTAX"),
        (b'{"number": "1"} x', "JSON-SYNTAX"),
        (b"\xff{}", "JSON-ENCODING"),
        (b'{"a": NaN}', "JSON-NUMBER"),
        (b'{"a": -Infinity}', "JSON-NUMBER"),
        (b'{"a": ' + b"9" * 50 + b"}", "JSON-NUMBER"),
        (b"[" * 40 + b"]" * 40, "JSON-DEPTH"),
        (b"[" * 5_000_000, "JSON-DEPTH"),
        (b" " * (json_form.SIZE_LIMIT + 1), "JSON-SIZE"),
    ],
)
def test_bytes_that_are_no_json_are_refused(data: bytes, rule: str) -> None:
    with pytest.raises(Unreadable) as caught:
        json_form.loads(data)
    assert [one.rule for one in caught.value.findings] == [rule]


def test_every_duplicate_key_is_told() -> None:
    with pytest.raises(Unreadable) as caught:
        json_form.loads(b'{"a": 1, "a": 2, "b": {"c": 1, "d": 2, "c": 3}}')
    assert [(one.rule, one.found) for one in caught.value.findings] == [
        ("JSON-DUPLICATE-KEY", "c"),
        ("JSON-DUPLICATE-KEY", "a"),
    ]


def test_depth_counts_brackets_outside_text_only() -> None:
    assert json_form.loads(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "b": "\\"[["}')
    assert json_form.loads(b'\xef\xbb\xbf{"a": 1.10}') == {"a": Decimal("1.10")}


@pytest.mark.parametrize("data", [[], "text", 1, None, True])
def test_an_invoice_is_an_object(data: object) -> None:
    (only,) = faults(data)
    assert (only.rule, only.path, only.expected) == ("JSON-TYPE", "", "an object")


def test_short_forms_are_filled() -> None:
    short = form()
    del short["type_code"], short["lines"][2]["unit"], short["lines"][0]["vat"]["category"]
    short["seller"]["legal_id"] = "523847192"
    short["delivery"] = {}
    short["attachments"] = [{"id": "BL", "content": "QQ==", "filename": "bl.PDF"}]
    invoice = json_form.read(json.dumps(short).encode())
    assert (invoice.type_code, invoice.profile) == ("380", json_form.EN16931)
    assert [line.id for line in invoice.lines] == ["1", "2", "3"]
    assert (invoice.lines[2].unit, invoice.lines[0].vat.category) == ("C62", "S")
    assert invoice.seller.legal_id == Identifier("523847192")
    assert invoice.delivery is None
    assert (invoice.attachments[0].content, invoice.attachments[0].media_type) == (b"A", "application/pdf")


def test_an_attachment_without_media_type_is_told() -> None:
    (only,) = faults(form() | {"attachments": [{"id": "BL", "content": "QQ==", "filename": "bl"}]})
    assert (only.rule, only.path, only.terms) == ("JSON-MISSING", "/attachments/0/media_type", ("BT-125-1",))


def test_totals_that_do_not_agree_are_faults() -> None:
    (only,) = faults(form() | {"totals": {"without_vat": "3984.01"}, "lines": form()["lines"]})[:1]
    assert (only.rule, only.found, only.expected) == ("TOTALS-BT-109", "3984.01", "3984.00")


@settings(max_examples=80)
@given(sums())
def test_reading_what_was_written_gives_the_same_invoice(invoice: Invoice) -> None:
    written = json_form.write(invoice)
    assert json_form.read(written) == invoice
    assert json_form.write(json_form.read(written)) == written


@examples(60)
@given(invoices(extended=True))
def test_every_field_of_the_extensions_comes_back_from_the_form(invoice: Invoice) -> None:
    written = json_form.write(invoice)
    assert json_form.form(json_form.loads(written), Invoice) == invoice
    assert json_form.write(json_form.form(json_form.loads(written), Invoice)) == written


@examples(40)
@given(sums(extended=True))
def test_an_extended_invoice_whose_amounts_add_up_is_read_back(invoice: Invoice) -> None:
    assert json_form.read(json_form.write(invoice)) == invoice


MINIMUM = "urn:factur-x.eu:1p0:minimum"
BASIC_WL = "urn:factur-x.eu:1p0:basicwl"


def minimum() -> dict[str, Any]:
    """All that a MINIMUM invoice has: no lines, no breakdown, no address of the buyer."""
    whole = form()
    return {
        "number": whole["number"],
        "issue_date": whole["issue_date"],
        "type_code": "380",
        "currency": "EUR",
        "profile": MINIMUM,
        "seller": {"name": "Atelier", "legal_id": "523847192", "vat_id": "FR1", "address": {"country": "FR"}},
        "buyer": {"name": "Moulins"},
        "totals": {"without_vat": "100.00", "vat": "20.00", "with_vat": "120.00", "due": "120.00"},
    }


def test_an_invoice_without_lines_is_read_in_the_profiles_that_have_none() -> None:
    invoice = json_form.read(json.dumps(minimum()).encode())
    assert (invoice.lines, invoice.buyer.address, invoice.totals.due) == ((), None, Decimal("120.00"))
    assert json_form.read(json_form.write(invoice)) == invoice
    assert [one.path for one in faults(minimum() | {"profile": BASIC_WL})] == ["/buyer/address"]
    plain = [(one.rule, one.path, one.terms) for one in faults({**minimum(), "profile": None} | {"profile": "x"})]
    assert plain == [("JSON-MISSING", "/lines", ("BG-25",)), ("JSON-MISSING", "/buyer/address", ("BG-8",))]
    prepaid = json_form.read(json.dumps(minimum() | {"totals": minimum()["totals"] | {"due": "0.00"}}).encode())
    assert (prepaid.totals.due, prepaid.totals.rounding) == (Decimal("0.00"), None)
    without = {name: value for name, value in minimum()["totals"].items() if name == "due"}
    assert "TOTALS-BT-109" in [one.rule for one in faults(minimum() | {"totals": without})]


def test_a_line_needs_vat_where_it_counts_and_all_faults_come_together() -> None:
    broken = form()
    del broken["lines"][0]["vat"], broken["lines"][1]["vat"], broken["seller"]["name"]
    broken["lines"][1]["kind"] = "INFORMATION"
    found = [(one.path, one.terms) for one in faults(broken)]
    assert found == [("/seller/name", ("BT-27",)), ("/lines/0/vat", ("BG-30",))]


def test_subtotals_need_no_quantity_price_or_vat() -> None:
    nested = form()
    for line in nested["lines"]:
        line["parent_id"], line["kind"] = "all", "DETAIL"
    group = {"id": "all", "kind": "GROUP", "item": {"name": "Lot 1"}}
    invoice = json_form.read(json.dumps(nested | {"lines": [group, *nested["lines"]]}).encode())
    assert (
        invoice.lines[0].net_amount == invoice.totals.lines == json_form.read(json.dumps(form()).encode()).totals.lines
    )
    assert (invoice.lines[0].unit, invoice.lines[0].quantity) == ("", None)


def test_unknown_fields_of_the_extensions_get_a_suggestion() -> None:
    broken = form() | {"salesagent": {"name": "A"}, "test": True}
    broken["lines"][0]["delivery"] = {"packages": {"value": "2", "units": "XPP"}}
    fixes = {one.path: one.fix for one in faults(broken)}
    assert fixes["/salesagent"] == "Did you mean sales_agent?"
    assert fixes["/test"] == "Did you mean is_test?"
    assert fixes["/lines/0/delivery/packages/units"] == "Did you mean unit?"


@settings(max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["number", "lines", "seller", "ids", "x"]), x),
    )
)
def test_no_json_at_all_breaks_the_reader(value: object) -> None:
    """Whatever comes, the answer is findings."""
    assert faults(value)


def test_the_schema_takes_what_the_reader_takes() -> None:
    schema = json_form.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in GOOD:
        validator.validate(form(name))
        validator.validate(json.loads(json_form.write(json_form.read((SAMPLES / f"{name}.json").read_bytes()))))
    told = {error.json_path for error in validator.iter_errors(form("invoice-broken"))}
    assert {"$.payment.means_code", "$.lines[0].price.net", "$.lines[2]", "$.seller"} <= told
    assert schema["properties"]["number"]["description"] == "BT-1 Invoice number"
