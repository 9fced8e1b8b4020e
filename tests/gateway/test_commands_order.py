"""`estafette order` as a process: what an order says, and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import CORPUS
from tests.gateway.console import estafette

SAMPLES = Path(__file__).parents[1] / "samples" / "order"


def test_orders_of_every_syntax_are_told() -> None:
    told = estafette("order", "--language", "en", SAMPLES)
    assert told.code == 0, told
    for number in ("0417", "0418", "0419", "0420", "0421"):
        assert f"order BC-2026-{number}" in told.text
    assert "1290.00 EUR" in told.text
    assert "not held: " in told.text


def test_programs_get_the_whole_order() -> None:
    told = estafette("order", "--format", "json", SAMPLES / "ubl-order.xml")
    shown = json.loads(told.text)
    assert (told.code, shown["outcome"], shown["format"]) == (0, "done", "ubl-order")
    assert shown["order"]["lines"][1]["price"]["net"] == "18.35"


def test_what_is_no_order_ends_with_one_and_what_is_not_there_with_two(tmp_path: Path) -> None:
    invoice = SAMPLES.parent / "cii" / "invoice-simple.xml"
    assert estafette("order", invoice).code == 1
    wrong = tmp_path / "wrong.json"
    members = json.loads((SAMPLES / "order.json").read_text())
    wrong.write_text(json.dumps({**members, "number": None, "type_code": "231"}))
    told = estafette("order", "--format", "json", wrong)
    assert told.code == 1
    del members["number"]
    wrong.write_text(json.dumps({**members, "type_code": "231"}))
    found = json.loads(estafette("order", "--format", "json", wrong).text)
    assert {finding["rule"] for finding in found["findings"]} == {"ORDER-MISSING", "ORDER-TYPE"}
    assert estafette("order", tmp_path / "none.xml").code == 2


@pytest.mark.corpus
def test_a_pdf_is_read() -> None:
    pdf = next((CORPUS / "order-x-1.0").rglob("*EX07*COMFORT.pdf"))
    told = estafette("order", "--language", "fr", pdf)
    assert told.code == 0
    assert "commande 1861727 (order-x)" in told.text
