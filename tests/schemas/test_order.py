"""Orders: every syntax into one model, nothing lost silently, everything wrong told at once."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas import json_form, orders
from schemas.formats import orderx, ublorder
from schemas.invoice import shapes
from schemas.order import Order
from schemas.xml import Unreadable
from tests.conftest import CORPUS
from tests.schemas.strategies import VALUES, examples

SAMPLES = Path(__file__).parents[1] / "samples" / "order"
PROFILES = ("basic", "comfort", "extended")
OFFICIAL = sorted((CORPUS / "order-x-1.0").rglob("*.xml")) if CORPUS.is_dir() else []
CONTAINERS = sorted((CORPUS / "order-x-1.0").rglob("*.pdf")) if CORPUS.is_dir() else []
NAMES = {
    "order-x-basic.xml": "order-x",
    "order-x-comfort.xml": "order-x",
    "order-x-extended.xml": "order-x",
    "ubl-order.xml": "ubl-order",
    "order.json": "json",
}


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def refused(data: bytes) -> list[tuple[str, str]]:
    with pytest.raises(Unreadable) as caught:
        orders.read(data)
    return [(finding.rule, finding.path) for finding in caught.value.findings]


@pytest.mark.parametrize("name", NAMES)
def test_each_sample_is_read_and_can_be_kept(name):
    taken = orders.read(sample(name))
    assert taken.format == NAMES[name]
    assert taken.order.number.startswith("BC-2026-04")
    assert taken.order.buyer.name == "Boulangerie des Halles SARL"
    assert [line.quantity for line in taken.order.lines] == [Decimal(4), Decimal(120), Decimal("2.5")]
    assert [line.price.net for line in taken.order.lines] == [Decimal(1290), Decimal("18.35"), Decimal(62)]
    assert orders.check(taken.order) == ()


def test_what_the_model_does_not_hold_is_told_by_path():
    taken = orders.read(sample("order-x-extended.xml"))
    assert [path.rpartition("/")[2] for path in taken.unknown] == ["ram:BrandName"]


def test_a_comfort_order_says_all_that_its_invoices_need():
    order = orders.read(sample("order-x-comfort.xml")).order
    assert [(line.vat.category, line.vat.rate) for line in order.lines] == [
        ("S", Decimal(20)),
        ("S", Decimal("5.5")),
        ("S", Decimal(20)),
    ]
    assert order.invoicee is not None
    assert order.invoicee.name == "Halles Comptabilité"
    assert order.allowances[0].amount == Decimal(100)
    assert order.charges[0].reason == "Port"
    assert order.lines[1].quotation is not None
    assert order.lines[1].quotation.line == "2"
    assert order.shipping is not None
    assert order.shipping.to is not None
    assert order.shipping.to.ids[0].value == "FOURNIL-2"


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".xml")])
def test_writing_what_was_read_and_reading_it_again_changes_nothing(name):
    form = orderx if name.startswith("order-x") else ublorder
    order = form.read(sample(name)).order
    again = form.read(form.write(order))
    assert again.order == order
    assert again.unknown == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_json_form_holds_an_order_of_any_syntax(name):
    order = orders.read(sample(name)).order
    written = json.dumps(json_form.as_members(order)).encode()
    assert orders.read(written).order == order


@pytest.mark.corpus
@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_official_examples_are_read_whole(path):
    taken = orders.read(path.read_bytes())
    lost = {entry.rpartition("/")[2] for entry in taken.unknown}
    assert lost <= {"@format"}  # the hour of a pick-up: the model holds days
    assert orderx.read(orderx.write(taken.order)).order == taken.order
    rules = {finding.rule for finding in orders.check(taken.order)}
    assert ("ORDER-TYPE" in rules) == (taken.order.type_code == "231")
    assert rules == set() or taken.order.type_code == "231"


@pytest.mark.corpus
@pytest.mark.parametrize("path", CONTAINERS, ids=lambda path: path.stem)
def test_official_containers_are_read_as_the_xml_beside_them(path):
    taken = orders.read(path.read_bytes())
    assert taken.container
    assert taken.format == "order-x"
    beside = path.parent / "XML_for_direct_access" / f"{path.stem}.xml"
    assert taken.order == orders.read(beside.read_bytes()).order


@pytest.mark.corpus
@pytest.mark.parametrize("path", OFFICIAL, ids=lambda path: path.stem)
def test_official_examples_follow_the_official_schema_of_their_profile(path):
    assert orders.official(orders.read(path.read_bytes())) == ()


@pytest.mark.parametrize("profile", PROFILES)
def test_our_own_samples_follow_the_official_schema_of_their_profile(profile):
    assert orders.official(orders.read(sample(f"order-x-{profile}.xml"))) == ()


def test_what_the_official_schema_says_is_for_the_seller_to_know():
    data = sample("order-x-comfort.xml")
    untyped = data.replace(b"<ram:TypeCode>220</ram:TypeCode>", b"")
    (finding,) = orders.official(orders.read(untyped))
    assert (finding.rule, finding.severity, finding.expected) == ("XSD", "warning", "ram:TypeCode")
    assert orders.official(orders.read(sample("ubl-order.xml"))) == ()


def test_the_hour_of_a_moment_is_told_as_lost():
    data = sample("order-x-basic.xml").replace(
        b'<udt:DateTimeString format="102">20261120<', b'<udt:DateTimeString format="203">202611200830<'
    )
    taken = orders.read(data)
    assert taken.order.shipping is not None
    assert taken.order.shipping.requested is not None
    assert str(taken.order.shipping.requested.date) == "2026-11-20"
    assert [path.rpartition("/")[2] for path in taken.unknown] == ["@format"]


def test_freight_as_a_logistics_service_is_a_charge():
    service = (
        "<ram:SpecifiedLogisticsServiceCharge><ram:Description>Fret</ram:Description>"
        "<ram:AppliedAmount>12.50</ram:AppliedAmount><ram:AppliedTradeTax><ram:TypeCode>VAT</ram:TypeCode>"
        "<ram:CategoryCode>S</ram:CategoryCode><ram:RateApplicablePercent>20</ram:RateApplicablePercent>"
        "</ram:AppliedTradeTax></ram:SpecifiedLogisticsServiceCharge>"
    )
    data = sample("order-x-extended.xml").replace(
        b"<ram:SpecifiedTradePaymentTerms>", service.encode() + b"<ram:SpecifiedTradePaymentTerms>"
    )
    charge = orders.read(data).order.charges[-1]
    assert (charge.reason, charge.amount, charge.vat_category, charge.vat_rate) == (
        "Fret",
        Decimal("12.50"),
        "S",
        Decimal(20),
    )


def test_a_party_of_a_ubl_order_may_have_its_name_as_party_name_only():
    root = etree.fromstring(sample("ubl-order.xml"))
    spaces = {"cac": ublorder._SYNTAX.namespaces["cac"], "cbc": ublorder._SYNTAX.namespaces["cbc"]}
    entity = root.find("cac:BuyerCustomerParty/cac:Party/cac:PartyLegalEntity", spaces)
    assert entity is not None
    entity.tag = f"{{{spaces['cac']}}}PartyName"
    for child in entity:
        if child.tag.endswith("CompanyID"):
            entity.remove(child)
        else:
            child.tag = f"{{{spaces['cbc']}}}Name"
    buyer = orders.read(etree.tostring(root)).order.buyer
    assert (buyer.name, buyer.trading_name) == ("Boulangerie des Halles SARL", "")


def test_json_faults_are_told_at_once_with_pointer_and_suggestion():
    members = json.loads(sample("order.json"))
    members["lines"][0]["qantity"] = members["lines"][0].pop("quantity")
    members["lines"][1]["price"]["net"] = True
    members["issue_date"] = "02/11/2026"
    members["curency"] = members.pop("currency")
    with pytest.raises(Unreadable) as caught:
        orders.read(json.dumps(members).encode())
    told = {finding.path: finding for finding in caught.value.findings}
    assert set(told) == {"/lines/0/qantity", "/lines/1/price/net", "/issue_date", "/curency"}
    assert told["/lines/0/qantity"].fix == "Did you mean quantity?"
    assert told["/curency"].fix == "Did you mean currency?"
    assert told["/lines/1/price/net"].terms == ("BT-146",)


def test_a_json_number_is_exact():
    members = json.loads(sample("order.json"))
    text = json.dumps(members).replace('"18.35"', "18.3500000000000000001")
    assert orders.read(text.encode()).order.lines[1].price.net == Decimal("18.3500000000000000001")


def test_what_a_short_json_leaves_out_is_filled_in():
    members = json.loads(sample("order.json"))
    for line in members["lines"]:
        del line["id"], line["unit"]
    order = orders.read(json.dumps(members).encode()).order
    assert [line.id for line in order.lines] == ["1", "2", "3"]
    assert {line.unit for line in order.lines} == {"C62"}
    assert order.type_code == "220"


def test_everything_an_order_lacks_is_told_at_once():
    paths = {(finding.rule, finding.path) for finding in orders.check(Order(lines=()))}
    assert paths == {
        ("ORDER-MISSING", f"/{name}")
        for name in ("number", "issue_date", "currency", "seller/name", "buyer/name", "lines")
    }


def test_what_cannot_be_delivered_is_refused():
    order = orders.read(sample("order.json")).order
    first, second, third = order.lines
    wrong = replace(
        order,
        type_code="231",
        purpose="1",
        is_test=True,
        number="9" * 201,
        lines=(replace(first, quantity=Decimal(0)), replace(second, id="1", quantity=None), third),
    )
    assert {(finding.rule, finding.path) for finding in orders.check(wrong)} == {
        ("ORDER-TYPE", "/type_code"),
        ("ORDER-PURPOSE", "/purpose"),
        ("ORDER-TEST", "/is_test"),
        ("ORDER-LENGTH", "/number"),
        ("ORDER-QUANTITY", "/lines/0/quantity"),
        ("ORDER-LINE-TWICE", "/lines/0/id"),
        ("ORDER-LINE-TWICE", "/lines/1/id"),
        ("ORDER-MISSING", "/lines/1/quantity"),
    }


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b" \n", "FORMAT-EMPTY"),
        (b"hello", "XML-SYNTAX"),
        (b"<Order/>", "FORMAT-UNKNOWN"),
        (b"%PDF-1.7 nothing", "PDF-SYNTAX"),
        (b"[]", "JSON-TYPE"),
        (b'{"number": 1.5e999}', "JSON-TYPE"),
    ],
)
def test_what_is_no_order_is_refused_by_name(data, rule):
    assert refused(data)[0][0] == rule


def test_an_invoice_is_not_taken_as_an_order():
    invoice = (SAMPLES.parent / "cii" / "invoice-simple.xml").read_bytes()
    assert [rule for rule, _ in refused(invoice)] == ["FORMAT-UNKNOWN"]


def test_every_value_that_cannot_be_read_is_told():
    data = sample("order-x-basic.xml").replace(b">20261102<", b">20261302<").replace(b">120<", b">a dozen<")
    assert sorted(rule for rule, _ in refused(data)) == ["XML-VALUE", "XML-VALUE"]


@pytest.mark.parametrize("path", sorted((SAMPLES.parent / "attacks").iterdir()), ids=lambda path: path.name)
def test_hostile_files_are_refused(path):
    with suppress(Unreadable):  # or it is read, and no order that is kept
        assert orders.check(orders.read(path.read_bytes()).order)


@st.composite
def anything(draw, cls):
    """Any instance of a dataclass of the model of orders; half of what may be absent is."""
    made = {}
    for one in fields(cls):
        shape = shapes(cls)[one.name]
        if one.name != "value" and not draw(st.booleans()):
            continue
        values = VALUES[shape.kind] if shape.kind in VALUES else anything(shape.cls)
        made[one.name] = tuple(draw(st.lists(values, max_size=2))) if shape.many else draw(values)
    return cls(**made)


@settings(parent=examples(15))
@given(anything(Order))
@pytest.mark.parametrize("form", [orderx, ublorder], ids=["order-x", "ubl"])
def test_what_a_syntax_holds_of_any_order_it_gives_back(form, order):
    once = form.read(form.write(order))
    again = form.read(form.write(once.order))
    assert again.order == once.order
    assert once.unknown == again.unknown == ()
    assert once.order.number == order.number


@settings(parent=examples(15))
@given(anything(Order))
def test_json_holds_any_order(order):
    members = json_form.as_members(order)
    again = json_form.form(json_form.loads(json.dumps(members).encode()), Order, partial=True)
    assert json_form.as_members(again) == members


def test_every_field_of_an_order_has_a_name_and_a_cardinality():
    def walk(cls, seen):
        for name, shape in shapes(cls).items():
            metadata = cls.__dataclass_fields__[name].metadata
            if cls.__name__ not in ("Identifier", "Classification"):
                assert metadata["name"], (cls, name)
                assert metadata["cardinality"] in ("0..1", "1..1", "0..n", "1..n")
            if shape.kind == "group" and shape.cls not in seen:
                walk(shape.cls, seen | {shape.cls})

    walk(Order, {Order})
