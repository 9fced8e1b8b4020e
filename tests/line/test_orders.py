"""From order to delivery to invoice, through the whole line: two part deliveries leave as two Factur-X."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.api import application
from gateway.lifecycle import Role, Stage
from gateway.settings import Settings
from gateway.store import accounts
from gateway.store.accounts import Scope
from schemas.formats import cii
from schemas.formats.facturx import extract
from tests.line.conftest import Line

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "order"
PEPPER = b"the pepper of the tests"
SAID = {
    "due_date": "2026-12-24",
    "payment": {"transfers": [{"account": "FR7630006000011234567890189"}]},
    "notes": [
        {"subject": "PMT", "text": "Indemnité forfaitaire de recouvrement : 40 €."},
        {"subject": "PMD", "text": "Pénalités de retard : taux de la BCE majoré de 10 points."},
        {"subject": "AAB", "text": "Pas d'escompte."},
        {"subject": "BAR", "text": "B2B"},
    ],
}


async def served(line: Line) -> tuple[TestClient[Any, Any], dict[str, str]]:
    """The API over the line, and the header of a key."""
    app = application.create(line.resources, Settings(), ring=lambda: None, pepper=PEPPER)
    made = await accounts.issue(
        line.pool,
        line.account.id,
        PEPPER,
        kind="key",
        scopes=frozenset((Scope.SUBMIT, Scope.READ)),
        now=line.resources.clock.now(),
    )
    return TestClient(TestServer(app)), {"Authorization": f"Bearer {made.public_id}.{made.secret}"}


async def test_a_refused_invoice_that_had_left_keeps_its_number(line: Line) -> None:
    api, key = await served(line)
    async with api as client:
        data = (SAMPLES / "order-x-comfort.xml").read_bytes()
        order = await client.post("/v1/orders", data=data, headers={**key, "Content-Type": "application/xml"})
        address = order.headers["Location"]
        body = {
            "date": "2026-11-20",
            "lines": [{"line": "10", "quantity": "3"}],
            "invoice": {**SAID, **to("100000215")},
        }
        made = await client.post(f"{address}/deliveries", json=body, headers=key)
        assert made.status == 201, await made.text()
        delivery = await made.json()
        document = await line.until(delivery["invoice"]["document"], Stage.SETTLED)
        assert document.halted == "refused by the other side"
        shown = await (await client.get(delivery["links"]["self"], headers=key)).json()
        assert (shown["invoice"]["halted"], shown["invoice"]["status"]) == ("refused by the other side", "refused")
        corrections = shown["links"]["correct"]
        mended = await client.post(corrections, json={"invoice": to("100000207")}, headers=key)
        assert mended.status == 201, await mended.text()
        again = await mended.json()
        assert (delivery["invoice"]["number"], again["invoice"]["number"]) == ("F2026-000001", "F2026-000002")
        document = await line.until(again["invoice"]["document"], Stage.ACKNOWLEDGED, "payment_sent")
        assert document.halted is None
        whole = await (await client.get(address, headers=key)).json()
    assert [entry["remaining"] for entry in whole["lines"]] == ["1", "120", "2.5"]
    assert [entry["number"] for entry in whole["deliveries"][0]["refused_before"]] == ["F2026-000001"]


def to(siren: str) -> dict[str, Any]:
    """The buyer of a simulated participant."""
    return {
        "buyer": {
            "legal_id": {"value": siren, "scheme": "0002"},
            "endpoint": {"value": siren, "scheme": "0225"},
        }
    }


@pytest.mark.parametrize("name", ["order-x-comfort.xml", "ubl-order.xml"])
async def test_an_order_leaves_as_the_invoices_of_its_deliveries(line: Line, name: str) -> None:
    api, key = await served(line)
    async with api as client:
        data = (SAMPLES / name).read_bytes()
        order = await client.post("/v1/orders", data=data, headers={**key, "Content-Type": "application/xml"})
        assert order.status == 201, await order.text()
        address = order.headers["Location"]
        parts = [{"line": "10", "quantity": "3"}, {"line": "20", "quantity": "50"}]
        bodies = (
            {"date": "2026-11-20", "despatch_advice": "BL-1", "lines": parts, "invoice": SAID},
            {"date": "2026-11-23", "despatch_advice": "BL-2", "invoice": SAID},
        )
        deliveries = []
        for body in bodies:
            answer = await client.post(f"{address}/deliveries", json=body, headers=key)
            assert answer.status == 201, await answer.text()
            deliveries.append(await answer.json())
    invoices = []
    for one, body in zip(deliveries, bodies, strict=True):
        document = await line.until(one["invoice"]["document"], Stage.ACKNOWLEDGED, "payment_sent")
        assert document.halted is None, document.halted
        pdf = await line.read(one["invoice"]["document"], Role.ORIGINAL)
        extracted = extract.extract(pdf)
        assert extracted.name == "factur-x.xml"
        invoice = cii.FORMAT.read(extracted.xml).invoice
        invoices.append(invoice)
        assert invoice.number == one["invoice"]["number"]
        assert invoice.purchase_order.startswith("BC-2026-04")
        assert invoice.despatch_advice == body["despatch_advice"]
        assert invoice.delivery is not None
        assert str(invoice.delivery.date) == body["date"]
        assert {entry.order_line for entry in invoice.lines} <= {"10", "20", "30"}
    assert [[str(entry.quantity) for entry in invoice.lines] for invoice in invoices] == [
        ["3", "50"],
        ["1", "70", "2.5"],
    ]
    assert sum(invoice.totals.with_vat or 0 for invoice in invoices) == Decimal("8635.11")
    assert sum(invoice.totals.allowances or 0 for invoice in invoices) == Decimal(100)
    assert sum(invoice.totals.charges or 0 for invoice in invoices) == Decimal(45)
    assert len(await line.delivered()) == 2
