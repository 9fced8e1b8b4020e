"""A delivery becomes an invoice: right references, right amounts, and parts that add up to the whole."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import json_form, orders
from schemas.invoice import (
    AllowanceOrCharge,
    Identifier,
    Invoice,
    Item,
    LineAllowanceOrCharge,
    LineVat,
    Note,
    Price,
    Totals,
    VatBreakdown,
)
from schemas.invoicing import Dispatch, DispatchLine, Draft, Setting, differences, draft, numbered, over, remaining
from schemas.judge import judge
from schemas.order import Order, OrderLine
from schemas.totals import round_amount
from tests.conftest import CORPUS

SAMPLES = Path(__file__).parents[1] / "samples" / "order"
TODAY = date(2026, 11, 24)
DAY = date(2026, 11, 23)
COMFORT: Order = orders.read((SAMPLES / "order-x-comfort.xml").read_bytes()).order
BASIC: Order = orders.read((SAMPLES / "order-x-basic.xml").read_bytes()).order
NOTES = (Note(text="40 €", subject="PMT"), Note(text="BCE + 10", subject="PMD"), Note(text="Néant", subject="AAB"))


def part(*lines: tuple[str, str], **more) -> Dispatch:
    named = tuple(DispatchLine(line=name, quantity=Decimal(quantity)) for name, quantity in lines)
    return Dispatch(**{"date": DAY, "despatch_advice": "BL-1", "lines": named, **more})


def drafted(order: Order, dispatch: Dispatch, before: dict[str, str] | None = None, *, french: bool = False) -> Draft:
    known = {name: Decimal(quantity) for name, quantity in (before or {}).items()}
    return draft(order, dispatch, Setting(known, TODAY, french))


def told(found: Draft) -> set[tuple[str, str]]:
    return {(finding.rule, finding.path) for finding in found.findings}


def test_the_invoice_of_a_part_refers_to_all_it_comes_from():
    found = drafted(COMFORT, part(("10", "3"), ("20", "50")))
    invoice = found.invoice
    assert found.findings == ()
    assert not found.whole
    assert (invoice.purchase_order, invoice.despatch_advice, invoice.buyer_reference) == (
        "BC-2026-0418",
        "BL-1",
        "SERVICE-4",
    )
    assert invoice.contract == "CADRE-7"
    assert invoice.payment_terms == "30 jours fin de mois"
    assert invoice.delivery is not None
    assert (invoice.delivery.date, invoice.delivery.name) == (DAY, "Boulangerie des Halles, fournil")
    assert invoice.delivery.location_id == Identifier("FOURNIL-2")
    assert invoice.issue_date == TODAY
    assert [(line.id, line.order_line, line.quantity) for line in invoice.lines] == [
        ("1", "10", Decimal(3)),
        ("2", "20", Decimal(50)),
    ]
    assert [line.net_amount for line in invoice.lines] == [Decimal("3870.00"), Decimal("917.50")]
    assert invoice.payment is not None
    assert invoice.payment.means_code == "30"
    assert invoice.notes == ()  # how to deliver is not the invoice's business


def test_whom_to_invoice_is_the_invoicee_reached_as_its_buyer_is():
    invoice = drafted(COMFORT, part(("10", "1"))).invoice
    assert invoice.buyer.name == "Halles Comptabilité"
    assert invoice.buyer.endpoint == Identifier("100000207", "0225")
    other = replace(COMFORT, invoicee=replace(COMFORT.invoicee, legal_id=Identifier("100000363", "0002")))
    assert drafted(other, part(("10", "1"))).invoice.buyer.endpoint is None


def test_two_parts_make_the_whole_to_the_cent():
    first = drafted(COMFORT, part(("10", "3"), ("20", "50")))
    second = drafted(COMFORT, Dispatch(date=DAY), {"10": "3", "20": "50"})
    assert second.whole
    assert {name: str(quantity) for name, quantity in second.quantities.items()} == {"10": "1", "20": "70", "30": "2.5"}
    for name, total in (("allowances", Decimal("100.00")), ("charges", Decimal("45.00"))):
        assert sum(getattr(one.invoice.totals, name) for one in (first, second)) == total
    assert sum(one.invoice.totals.without_vat for one in (first, second)) == COMFORT.totals.without_vat
    assert sum(one.invoice.totals.with_vat for one in (first, second)) == COMFORT.totals.with_vat


def test_nothing_remains_after_all_was_delivered():
    found = drafted(COMFORT, Dispatch(date=DAY), {"10": "4", "20": "120", "30": "2.5"})
    assert told(found) == {("DELIVERY-NOTHING", "/lines")}


def test_more_than_remains_is_refused_and_may_be_allowed():
    over_it = part(("10", "3"))
    refused = drafted(COMFORT, over_it, {"10": "2"})
    assert told(refused) == {("DELIVERY-OVER", "/lines/0/quantity")}
    assert refused.findings[0].expected == "at most 2"
    allowed = drafted(COMFORT, replace(over_it, allow_over_delivery=True), {"10": "2"})
    assert allowed.findings == ()
    assert [remark.rule for remark in allowed.remarks] == ["DELIVERY-OVER"]
    assert remaining(COMFORT, {"10": Decimal(5)})["10"] == 0


def test_what_the_call_names_wrongly_is_told_at_once():
    found = drafted(COMFORT, Dispatch(lines=(DispatchLine(line="010"), *part(("10", "-1"), ("10", "1")).lines)))
    assert told(found) == {
        ("DELIVERY-MISSING", "/date"),
        ("DELIVERY-LINE", "/lines/0/line"),
        ("DELIVERY-QUANTITY", "/lines/1/quantity"),
        ("DELIVERY-LINE", "/lines/2/line"),
    }
    assert found.findings[1].fix == "Did you mean 10?"


def test_however_many_and_long_the_names_only_a_few_are_compared():
    names = [f"{at:>5}".replace(" ", "x") + "abcdefghij" * 20 for at in range(200)]
    order = replace(COMFORT, lines=tuple(replace(COMFORT.lines[0], id=name) for name in names))
    found = drafted(order, part(*((name.replace("j", "k"), "1") for name in names)))
    assert [one.rule for one in found.findings] == ["DELIVERY-LINE"] * 200
    assert [one.fix for one in found.findings[:3]] == [f"Did you mean {name[:100]}?" for name in names[:3]]
    assert {one.fix for one in found.findings[3:]} == {None}
    strange = drafted(order, part(("?", "1"))).findings[0].fix
    assert strange is not None
    assert len(strange) < 1_000


def test_more_lines_than_the_order_has_are_not_looked_at():
    found = drafted(COMFORT, part(*((f"{at}", "1") for at in range(4))))
    assert told(found) == {("DELIVERY-LINE", "/lines")}
    assert (found.findings[0].found, found.findings[0].expected) == ("4", "at most 3")


def test_an_order_without_vat_is_completed_by_the_call():
    assert told(drafted(BASIC, part(("1", "1"), ("2", "5")))) == {
        ("DELIVERY-MISSING", "/invoice/lines/0/vat"),
        ("DELIVERY-MISSING", "/invoice/lines/1/vat"),
        ("DELIVERY-MISSING", "/invoice/due_date"),
    }
    lines = (
        DispatchLine(line="1", quantity=Decimal(1)),
        DispatchLine(line="2", quantity=Decimal(5), vat=LineVat(rate=Decimal("5.5"))),
    )
    said = Invoice(due_date=date(2026, 12, 24))
    found = drafted(BASIC, Dispatch(date=DAY, lines=lines, vat=LineVat(category="S", rate=Decimal(20)), invoice=said))
    assert found.findings == ()
    assert [(line.vat.category, line.vat.rate) for line in found.invoice.lines] == [
        ("S", Decimal(20)),
        ("S", Decimal("5.5")),
    ]


def test_everything_that_is_missing_is_told_at_once_with_its_terms():
    bare = Order(number="B-1", currency="EUR", lines=(OrderLine(id="1", quantity=Decimal(2), item=Item(name="Table")),))
    found = drafted(bare, Dispatch(date=DAY))
    terms = {term for finding in found.findings for term in finding.terms}
    assert {"BT-27", "BT-40", "BT-44", "BT-55", "BT-9", "BT-151", "BT-146"} <= terms


def test_the_call_may_not_say_what_is_the_orders():
    lines = drafted(COMFORT, part(("10", "1"))).invoice.lines
    said = Invoice(purchase_order="B-2", currency="USD", type_code="381", lines=lines)
    found = drafted(COMFORT, part(("10", "1"), invoice=said))
    assert told(found) >= {
        ("DELIVERY-LINES", "/invoice/lines"),
        ("DELIVERY-TYPE", "/invoice/type_code"),
        ("DELIVERY-ORDER", "/invoice/purchase_order"),
        ("DELIVERY-CURRENCY", "/invoice/currency"),
    }


def test_what_the_call_says_of_the_invoice_goes_first_and_joins_groups():
    said = json_form.form(
        {
            "number": "F-9",
            "due_date": "2026-12-31",
            "buyer": {"contact": {"email": "facture@halles.example"}},
            "notes": [{"text": "40 €", "subject": "PMT"}],
            "charges": [{"amount": "12.00", "reason": "Hayon", "vat_category": "S", "vat_rate": "20"}],
        },
        Invoice,
        partial=True,
    )
    invoice = drafted(COMFORT, part(("10", "4"), ("20", "120"), ("30", "2.5"), invoice=said)).invoice
    assert invoice.number == "F-9"
    assert invoice.buyer.name == "Halles Comptabilité"
    assert invoice.buyer.contact is not None
    assert invoice.buyer.contact.email == "facture@halles.example"
    assert [note.subject for note in invoice.notes] == ["PMT"]
    assert [one.reason for one in invoice.charges] == ["Port", "Hayon"]
    assert over(invoice, None) is invoice


def test_a_siret_in_the_place_of_the_siren_is_put_where_it_belongs():
    seller = replace(COMFORT.seller, legal_id=Identifier("10000010800017", "0002"))
    invoice = drafted(replace(COMFORT, seller=seller), part(("10", "1"))).invoice
    assert invoice.seller.legal_id == Identifier("100000108", "0002")
    assert Identifier("10000010800017", "0009") in invoice.seller.ids


def test_a_buyer_has_one_identifier_and_what_is_left_out_is_remarked():
    buyer = replace(COMFORT.buyer, ids=(Identifier("1", "0088"), Identifier("2", "0060")))
    found = drafted(replace(COMFORT, buyer=buyer, invoicee=None), part(("10", "1")))
    assert found.invoice.buyer.ids == (Identifier("1", "0088"),)
    assert [(one.rule, one.found) for one in found.remarks] == [("DELIVERY-LEFT", "2 (0060)")]


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["EX07_ORDER_DELIVERED", "EX11_ORDER_PICK-UP"])
@pytest.mark.parametrize("profile", ["BASIC", "COMFORT"])
def test_the_official_examples_become_invoices_that_pass_the_french_rules(name, profile):
    path = next((CORPUS / "order-x-1.0").rglob(f"ORDER-X_{name}-{profile}.xml"))
    members = {
        "date": "2026-11-23",
        "vat": {"category": "S", "rate": "20"},
        "invoice": {
            "due_date": "2026-12-24",
            "payment": {"means_code": "30", "transfers": [{"account": "FR7630006000011234567890189"}]},
            "notes": [
                {"subject": note.subject, "text": note.text} for note in (*NOTES, Note(text="B2B", subject="BAR"))
            ],
            "seller": {"endpoint": {"value": "508102159", "scheme": "0225"}},
            "buyer": {"endpoint": {"value": "572141885", "scheme": "0225"}},
        },
    }
    order = orders.read(path.read_bytes()).order
    found = drafted(order, json_form.form(members, Dispatch, partial=True), french=True)
    assert found.findings == ()
    assert found.invoice.totals.lines == order.totals.lines
    report = judge(json_form.write(found.invoice), french=True)
    assert [finding.rule for finding in report.findings if finding.severity == "fatal"] == []
    assert report.verdict == "valid"


def test_an_allowance_without_vat_takes_that_of_the_lines_when_there_is_one():
    order = replace(COMFORT, allowances=(AllowanceOrCharge(amount=Decimal(10), reason="x"),), charges=())
    assert drafted(order, part(("10", "1"))).invoice.allowances[0].vat_rate == Decimal(20)
    both = drafted(order, part(("10", "1"), ("20", "60")))
    assert told(both) == {("DELIVERY-MISSING", "/invoice/allowances/0/vat_category")}
    one = replace(order, vat_breakdown=(VatBreakdown(category="S", rate=Decimal(20)),))
    assert drafted(one, part(("10", "1"), ("20", "60"))).findings == ()


def test_a_percentage_goes_along_where_it_still_gives_the_amount():
    order = replace(
        COMFORT,
        allowances=(AllowanceOrCharge(percentage=Decimal(10), vat_category="S", vat_rate=Decimal(20)),),
        charges=(),
        totals=Totals(),
    )
    one = drafted(order, part(("10", "1"))).invoice.allowances[0]
    assert (one.amount, one.base, one.percentage) == (Decimal("129.00"), Decimal("1290.00"), Decimal(10))


def test_a_line_with_a_fixed_allowance_shares_it_and_a_percentage_is_taken_anew():
    first, *others = COMFORT.lines
    fixed = LineAllowanceOrCharge(amount=Decimal("10.00"), reason="lot")
    rate = LineAllowanceOrCharge(amount=Decimal("258.00"), base=Decimal("5160.00"), percentage=Decimal(5), reason="5 %")
    order = replace(COMFORT, lines=(replace(first, allowances=(fixed, rate)), *others))
    amounts = []
    for done in range(4):
        line = drafted(order, part(("10", "1")), {"10": str(done)}).invoice.lines[0]
        amounts.append(line.allowances[0].amount)
        assert line.allowances[1].amount == Decimal("64.50")
    assert sum(amounts) == Decimal("10.00")


def test_goods_without_a_price_take_the_charge_with_the_last_delivery():
    free = replace(
        COMFORT,
        lines=tuple(replace(line, price=Price(net=Decimal(0))) for line in COMFORT.lines),
        allowances=(),
        totals=Totals(),
    )
    assert drafted(free, part(("10", "1"))).invoice.charges == ()
    last = drafted(free, Dispatch(date=DAY), {"10": "1"})
    assert [one.amount for one in last.invoice.charges] == [Decimal("45.00")]


def test_a_part_of_what_is_wanted_whole_is_remarked_not_refused():
    first, *others = COMFORT.lines
    order = replace(COMFORT, lines=(replace(first, partial_delivery=False), *others))
    found = drafted(order, part(("10", "1")))
    assert found.findings == ()
    assert [remark.rule for remark in found.remarks] == ["DELIVERY-PART"]


def test_an_order_that_agrees_with_itself_is_not_remarked():
    assert differences(COMFORT) == ()
    assert differences(BASIC) == ()
    wrong = replace(COMFORT, totals=replace(COMFORT.totals, without_vat=Decimal("7000.00"), allowances=Decimal(1)))
    assert {finding.path for finding in differences(wrong)} == {"/totals/without_vat", "/totals/allowances"}
    priceless = replace(COMFORT, lines=tuple(replace(line, price=Price()) for line in COMFORT.lines))
    assert "/lines/0/net_amount" not in {finding.path for finding in differences(priceless)}


@pytest.mark.corpus
def test_the_official_examples_agree_with_themselves():
    folder = CORPUS / "order-x-1.0"
    for path in sorted(folder.rglob("*EX07*.xml")) + sorted(folder.rglob("*EX11*.xml")):
        assert differences(orders.read(path.read_bytes()).order) == (), path


def test_a_delivery_in_the_future_is_remarked():
    found = drafted(COMFORT, Dispatch(date=date(2026, 11, 25)))
    assert [remark.rule for remark in found.remarks] == ["DELIVERY-DATE"]


def test_the_number_is_put_in_when_it_is_given():
    invoice = drafted(COMFORT, part(("10", "1"))).invoice
    data = numbered(json_form.write(invoice), 'F-"1"')
    assert json.loads(data)["number"] == 'F-"1"'
    assert json_form.read(data) == replace(invoice, number='F-"1"')


@pytest.mark.parametrize("own", ["0", "OWN-1"])
def test_only_the_invoices_own_number_is_put_in(own: str):
    said = json_form.form(
        {"number": own, "preceding": [{"number": "0"}], "payment": {"card": {"number": "0"}}}, Invoice, partial=True
    )
    invoice = drafted(COMFORT, part(("10", "1"), invoice=said)).invoice
    data = numbered(json_form.write(invoice), "F-1")
    assert json_form.read(data) == replace(invoice, number="F-1" if own == "0" else "OWN-1")


def test_the_invoice_of_a_comfort_order_passes_the_french_rules():
    said = Invoice(due_date=date(2026, 12, 24), notes=(*NOTES, Note(text="B2B", subject="BAR")))
    seller = json_form.form(
        {"payment": {"transfers": [{"account": "FR7630006000011234567890189"}]}}, Invoice, partial=True
    )
    found = drafted(COMFORT, part(("10", "3"), invoice=over(said, seller)), french=True)
    assert found.findings == ()
    report = judge(numbered(json_form.write(found.invoice), "F-2026-1"), french=True)
    assert [(one.rule, one.says) for one in report.findings if one.severity == "fatal"] == []


amounts = st.decimals(Decimal("0.00"), Decimal("999.99"), places=2)
quantities = st.decimals(Decimal("0.001"), Decimal("500"), places=3)


@st.composite
def ordered(draw) -> Order:
    """An order of a few lines with allowances and charges of fixed amounts."""
    lines = tuple(
        OrderLine(
            id=str(number),
            quantity=draw(quantities),
            price=Price(net=draw(st.decimals(Decimal(0), Decimal(5000), places=4))),
            vat=LineVat(category="S", rate=Decimal(20)),
            item=Item(name="x"),
            allowances=tuple(
                LineAllowanceOrCharge(amount=amount, reason="r") for amount in draw(st.lists(amounts, max_size=1))
            ),
        )
        for number in range(draw(st.integers(1, 4)))
    )
    on_document = tuple(
        AllowanceOrCharge(amount=amount, vat_category="S", vat_rate=Decimal(20), reason="r")
        for amount in draw(st.lists(amounts, max_size=2))
    )
    return replace(
        COMFORT, lines=lines, allowances=on_document, charges=on_document[:1], totals=Totals(), vat_breakdown=()
    )


@settings(max_examples=60)
@given(ordered(), st.data())
def test_however_an_order_is_cut_its_parts_bear_all_of_its_allowances(order: Order, data):
    before: dict[str, str] = {}
    drafts: list[Draft] = []
    for _ in range(data.draw(st.integers(0, 5))):
        left = {name: rest for name, rest in remaining(order, _exact(before)).items() if rest > 0}
        if not left:
            break
        name = data.draw(st.sampled_from(sorted(left)))
        quantity = (left[name] * data.draw(st.sampled_from([Decimal("0.1"), Decimal("0.5"), Decimal(1)]))).quantize(
            Decimal("0.0001")
        )
        if quantity == 0:
            continue
        drafts.append(drafted(order, part((name, str(quantity))), before))
        before[name] = str(Decimal(before.get(name, "0")) + quantity)
    if any(rest > 0 for rest in remaining(order, _exact(before)).values()):
        drafts.append(drafted(order, Dispatch(date=DAY), before))
    assert drafts[-1].whole
    assert [finding for one in drafts for finding in one.findings] == []
    for name in ("allowances", "charges"):
        wanted = sum((one.amount for one in getattr(order, name)), Decimal(0))
        assert sum((one.amount for it in drafts for one in getattr(it.invoice, name)), Decimal(0)) == wanted
    shared = sum((one.amount for it in drafts for line in it.invoice.lines for one in line.allowances), Decimal(0))
    assert shared == sum((one.amount for line in order.lines for one in line.allowances), Decimal(0))
    for it in drafts:
        for line in it.invoice.lines:
            gross = round_amount(line.quantity * line.price.net)
            assert line.net_amount == gross - sum((one.amount for one in line.allowances), Decimal(0))


def _exact(before: dict[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(quantity) for name, quantity in before.items()}


@pytest.mark.parametrize("quantity", ["0.3333", "1E+2"])
def test_a_quantity_of_any_precision_is_kept(quantity):
    found = drafted(COMFORT, part(("20", quantity)))
    assert found.invoice.lines[0].quantity == Decimal(quantity)
