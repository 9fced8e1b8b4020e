"""What is told of a rule and of a business term."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from gateway.commands.rules_add import Wish, add, found
from schemas import place, reference
from tests.schemas.skeleton import Assert, Rule, stylesheet


@pytest.mark.parametrize(
    ("term", "cii", "ubl", "pointer", "rule"),
    [
        ("BT-49", "BuyerTradeParty/ram:URIUniversalCommunication/ram:URIID", "cac:Party/cbc:EndpointID",
         "/buyer/endpoint", "BR-FR-12_BT-49"),
        ("BT-112", "ram:GrandTotalAmount", "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount", "/totals/with_vat",
         "BR-CO-15"),
        ("BG-23", "ApplicableHeaderTradeSettlement/ram:ApplicableTradeTax", "cac:TaxTotal/cac:TaxSubtotal",
         "/vat_breakdown/*", "BR-CO-18"),
        ("BT-31", "SellerTradeParty/ram:SpecifiedTaxRegistration/ram:ID", "cac:PartyTaxScheme/cbc:CompanyID",
         "/seller/vat_id", "BR-CO-09"),
    ],
)  # fmt: skip
def test_a_term_is_told_with_its_places_and_rules(term: str, cii: str, ubl: str, pointer: str, rule: str) -> None:
    told = reference.term(term)
    assert told is not None
    assert any(one.endswith(cii) for one in told["cii"]), told["cii"]
    assert any(one.endswith(ubl) for one in told["ubl"]), told["ubl"]
    assert told["json"][0] == pointer
    assert rule in told["rules"]
    assert told["name"]["en"] != told["name"]["fr"]


def test_every_term_of_the_norm_has_a_cardinality_a_profile_and_a_place_in_both_syntaxes() -> None:
    nowhere = []
    for term in place.patterns():
        if term.startswith("BT-") and term[3:].isdigit() and int(term[3:]) <= 165:
            entry = reference._terms()[term]
            assert entry["cardinality"]
            assert entry["profile"]
            nowhere += [(term, syntax) for syntax in ("cii", "ubl") if not place.elements(term, syntax)]
    assert nowhere == []


def test_the_edition_told_is_the_one_in_force_that_day(tmp_path: Path) -> None:
    file = tmp_path / "BR-FR-Flux2-Schematron-CII.xslt"
    file.write_bytes(stylesheet((Rule("/*", (Assert("true()", "BR-FR-OURS", "fatal"),)),)))
    wish = Wish(None, "us", "9", datetime.date(2030, 1, 1), None, False)
    folder = tmp_path / "rules"
    assert not any(one.fault for one in add(found([str(file)], wish), wish, folder))
    before, after = (reference.rule("BR-FR-01", str(folder), datetime.date(year, 6, 1)) for year in (2029, 2031))
    assert before is not None
    assert after is not None
    assert before["layers"][0]["edition"].startswith("FNFE-MPE")
    assert after["layers"][0]["edition"].startswith("us 9 (")


def test_nothing_is_told_of_what_is_not_there() -> None:
    assert reference.rule("NO-SUCH") is None
    assert reference.term("BT-4") is None
    assert "BT-49" in reference.nearest("BT-490")
