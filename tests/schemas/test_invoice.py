"""The model holds every term of EN 16931-1, each once, each under a path that exists."""

from __future__ import annotations

import dataclasses
import re

import pytest

from schemas.invoice import Identifier, Invoice, Line, Party, Profile, french_terms, id_of, shapes, term_at, terms


def test_every_term_of_the_norm_has_one_field() -> None:
    """BT-4 does not exist in EN 16931-1:2017; BG-2 is no class, its two terms are fields of the invoice."""
    ids = set(terms())
    assert {f"BT-{number}" for number in range(1, 166)} - ids == {"BT-4"}
    assert {f"BG-{number}" for number in range(1, 33)} - ids == {"BG-2"}
    assert all(re.fullmatch(r"B[TG]-(X-)?\d+(-\d{1,2})?", one) for one in ids)
    paths = [term.path for term in terms().values()]
    assert len(paths) == len(set(paths))


def test_terms_stand_where_they_say() -> None:
    for term in terms().values():
        steps = tuple(term.path.replace("[]", "").split("."))
        assert term_at(steps) == term.id
        assert term.name
        assert re.fullmatch(r"[01]\.\.[1n]", term.cardinality)


@pytest.mark.parametrize(
    ("path", "term"),
    [
        (("seller", "address", "city"), "BT-37"),
        (("buyer", "address", "city"), "BT-52"),
        (("tax_representative", "address", "city"), "BT-66"),
        (("delivery", "address", "city"), "BT-77"),
        (("lines", 3, "item", "standard_id", "scheme"), "BT-157-1"),
        (("lines", 3, "allowances", 0, "amount"), "BT-136"),
        (("charges", 0, "vat_rate"), "BT-103"),
        (("buyer", "tax_id"), "BG-7"),
        (("sales_agent", "address", "city"), "BT-X-352"),
        (("lines", 0, "delivery", "packages", "unit"), "BT-X-47"),
        (("lines", 0, "item", "classifications", 0, "name"), "BT-X-13"),
        (("buyer", "nothing"), "BG-7"),
        ((), ""),
    ],
)
def test_a_path_leads_to_its_term(path: tuple[str | int, ...], term: str) -> None:
    assert term_at(path) == term


def test_repeating_fields_are_tuples_and_cardinality_says_so() -> None:
    def check(cls: type, group: str) -> None:
        for one in dataclasses.fields(cls):
            shape = shapes(cls)[one.name]
            if "cardinality" in one.metadata:
                assert shape.many == one.metadata["cardinality"].endswith("n"), one.name
            if shape.kind == "group":
                check(shape.cls, id_of(one, group))

    check(Invoice, "")


def test_an_invoice_cannot_be_changed() -> None:
    invoice = Invoice(number="1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        invoice.number = "2"  # type: ignore[misc]
    assert not hasattr(invoice, "__dict__")


def test_an_empty_invoice_can_be_held() -> None:
    """What breaks the norm must be readable to be judged."""
    invoice = Invoice(lines=(Line(),), seller=Party(ids=(Identifier("1"),)))
    assert invoice.number == ""
    assert invoice.issue_date is None
    assert invoice.lines[0].price.net is None


@pytest.mark.parametrize(
    ("french", "term", "path"),
    [
        ("EXT-FR-FE-BG-12", "BG-X-90", "lines[].seller"),
        ("EXT-FR-FE-167", "BT-X-572", "lines[].seller.legal_id"),
        ("EXT-FR-FE-163", "BT-X-8", "lines[].kind"),
        ("EXT-FR-FE-136", "BT-X-331", "lines[].preceding.number"),
        ("EXT-FR-FE-158", "BT-X-85", "lines[].delivery.date"),
        ("EXT-FR-FE-12", "BT-X-412", "buyer_agent.endpoint"),
        ("EXT-FR-FE-29", "BT-X-256", "payee.endpoint"),
        ("EXT-FR-FE-52", "BT-X-482", "payer.endpoint"),
        ("EXT-FR-FE-75", "BT-X-341", "sales_agent.endpoint"),
        ("EXT-FR-FE-98", "BT-X-241", "invoicee.endpoint"),
        ("EXT-FR-FE-121", "BT-X-222", "invoicer.endpoint"),
        ("EXT-FR-FE-157", "BT-X-63", "lines[].delivery.ship_to.address.country"),
        ("EXT-FR-FE-177", "BT-X-584", "lines[].seller.address.country"),
        ("EXT-FR-FE-181", "BT-X-329", "lines[].totals.vat"),
    ],
)
def test_the_french_ids_are_those_that_the_french_rules_name(french: str, term: str, path: str) -> None:
    """The contexts of BR-FR-09, BR-FR-23, BR-FR-MV and annex 1 of the DGFiP say which element has which id."""
    found = french_terms()[french]
    assert (found.id, found.path, found.profile) == (term, path, Profile.EXTENDED_CTC_FR)
