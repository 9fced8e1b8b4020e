"""What a copy of an invoice lacks is named by term, name and pointer, and nothing else is."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import FORMATS
from schemas.format import unheld
from schemas.formats.ubl import INVOICE
from schemas.invoice import Identifier, Invoice, Note, Payee
from schemas.loss import Loss, losses
from tests.schemas.sample_invoice import invoice
from tests.schemas.strategies import invoices


def test_nothing_is_lost_in_an_equal_copy() -> None:
    assert losses(invoice(), invoice()) == ()
    assert [unheld(format, invoice()) for format in FORMATS.values()] == [()] * len(FORMATS)


def test_an_absent_value_and_a_changed_one_are_told_apart() -> None:
    whole = replace(invoice(), buyer_reference="R-7")
    copy = replace(whole, buyer_reference="", number="F-2026-0002")
    assert losses(whole, copy) == (
        Loss("BT-1", "Invoice number", "/number", changed=True),
        Loss("BT-10", "Buyer reference", "/buyer_reference", changed=False),
    )


def test_a_group_that_is_gone_is_one_loss_and_one_that_lost_a_value_names_that() -> None:
    whole = replace(invoice(), payee=Payee(name="Affacturage du Port", legal_id=Identifier("55210055400013", "0009")))
    assert losses(whole, invoice()) == (Loss("BG-10", "Payee", "/payee", changed=False),)
    poorer = replace(whole, payee=Payee(name="Affacturage du Port", legal_id=Identifier("55210055400013")))
    assert [loss.pointer for loss in losses(whole, poorer)] == ["/payee/legal_id/scheme"]


def test_values_in_another_order_are_not_lost_and_a_missing_one_is() -> None:
    ids = (Identifier("A", "0088"), Identifier("B"), Identifier("C", "0060"))
    whole = replace(invoice(), seller=replace(invoice().seller, ids=ids))
    turned = replace(invoice(), seller=replace(invoice().seller, ids=tuple(reversed(ids))))
    assert losses(whole, turned) == ()
    two = replace(invoice(), seller=replace(invoice().seller, ids=(ids[0], ids[2])))
    assert losses(whole, two) == (Loss("BT-29", "Seller: Identifier", "/seller/ids/1", changed=False),)


def test_the_place_of_a_changed_value_among_many_is_told() -> None:
    line = invoice().lines[0]
    lines = tuple(replace(line, id=str(number), quantity=Decimal(number)) for number in range(1, 4))
    whole = replace(invoice(), lines=lines)
    copy = replace(whole, lines=(lines[0], replace(lines[1], quantity=Decimal(9)), lines[2]))
    assert losses(whole, copy) == (Loss("BT-129", "Invoiced quantity", "/lines/1/quantity", changed=True),)


def test_what_a_copy_has_beyond_the_invoice_is_no_loss() -> None:
    assert (
        losses(invoice(), replace(invoice(), buyer_reference="R-7", notes=(*invoice().notes, Note(text="more")))) == ()
    )


@settings(max_examples=100)
@given(invoices(), invoices(), st.sampled_from([one.name for one in fields(Invoice)]))
def test_no_difference_goes_unnamed(one: Invoice, other: Invoice, name: str) -> None:
    """Whatever field differs, one side lacks something of the other, and it is told under that field."""
    copy = replace(one, **{name: getattr(other, name)})
    named = (*losses(one, copy), *losses(copy, one))
    assert {loss.pointer.split("/")[1] for loss in named} == ({name} if _sorted(one) != _sorted(copy) else set())


def _sorted(value: Invoice) -> Invoice:
    return replace(
        value,
        seller=replace(value.seller, ids=tuple(sorted(value.seller.ids, key=repr))),
        buyer=replace(value.buyer, ids=tuple(sorted(value.buyer.ids, key=repr))),
    )


def test_ubl_names_what_it_has_no_place_for() -> None:
    """A note that begins like a subject code is read as one; that change is told."""
    odd = replace(invoice(), notes=(Note(text="#AB# is a part number"),))
    assert [(loss.term, loss.pointer, loss.changed) for loss in unheld(INVOICE, odd)] == [
        ("BT-22", "/notes/0/text", True)
    ]
