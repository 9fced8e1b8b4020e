"""A document walks from submission to payment, through every kind of buyer the simulated platform plays."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from gateway import audit
from gateway.commands import demo_invoices
from gateway.lifecycle import Role, Stage
from gateway.store import payments
from gateway.store.identifiers import new_id
from gateway.store.payments import Reported
from gateway.worker import Worker
from schemas.formats.facturx import pdfa
from schemas.formats.facturx.extract import extract
from schemas.judge import judge

NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def pay(line, document_id, amount: Decimal, key: str) -> None:
    reported = Reported(new_id(NOW), amount, "EUR", date(2026, 11, 24), "VIR", key)
    async with line.pool.account(line.account.id) as connection:
        await payments.record(connection, line.account.id, document_id, reported, line.resources.clock.now())


@pytest.mark.parametrize("syntax", ["json", "cii", "ubl-invoice"])
async def test_a_document_walks_from_submission_to_payment(line, syntax):
    document_id = await line.invoice("W-1", syntax=syntax)
    document = await line.until(document_id, Stage.ACKNOWLEDGED, "payment_sent")
    assert document.halted is None, document.facts
    original = await line.read(document_id, Role.ORIGINAL)
    assert original.startswith(b"%PDF-")
    assert pdfa.check(original) == ()
    assert judge(extract(original).xml, french=True).verdict == "valid"
    [delivery] = await line.delivered()
    assert delivery["sha256"] == hashlib.sha256(original).hexdigest()
    await pay(line, document_id, document.amount_due, "p-1")
    await pay(line, document_id, document.amount_due, "p-1")
    settled = await line.until(document_id, Stage.SETTLED)
    assert settled.facts["settled"]["paid"] is True
    events = await line.events(document_id)
    said = [event.facts for event in events if event.outcome == "status" and "code" in event.facts]
    told = ["deposited", "received", "made_available", "approved", "payment_sent"]
    assert [(one["status"], one["source"]) for one in said] == [*((one, "afnor") for one in told), ("paid", "gateway")]
    assert [event.outcome for event in events].count("payment") == 1
    assert [event.stage for event in events if event.outcome in ("done", "skipped")] == list(Stage)
    assert (await audit.audit_account(line.pool, line.account.id)).clean


async def test_the_submitted_cii_goes_into_its_pdf_byte_for_byte(line):
    document_id = await line.invoice("B-1", syntax="cii")
    await line.until(document_id, Stage.DELIVERED)
    submitted = await line.read(document_id, Role.SUBMISSION)
    assert extract(await line.read(document_id, Role.ORIGINAL)).xml == submitted


async def test_a_broken_invoice_is_refused_with_all_its_findings(line):
    broken = demo_invoices.broken()
    document_id = await line.submit(broken.data, "json", broken.media_type)
    document = await line.until(document_id, Stage.DELIVERED)
    assert document.stage is Stage.PARSED
    assert document.halted == "the document breaks rules"
    rules = {finding["rule"] for finding in document.facts["validated"]["findings"]}
    assert {"BR-FR-05_BT-22_AAB", "BR-FR-08_BT-23", "BR-FR-10_BT-30", "BR-FR-12_BT-49", "BR-FR-16_BT-152"} <= rules
    assert await line.delivered() == []


@pytest.mark.parametrize(
    ("siren", "status", "halted"),
    [
        ("100000215", "refused", "refused by the other side"),
        ("100000280", "rejected", "rejected by the other side"),
    ],
)
async def test_a_refusal_ends_the_document_with_its_reason(line, siren, status, halted):
    document_id = await line.invoice("R-1", siren)
    document = await line.until(document_id, Stage.SETTLED)
    assert (document.status, document.halted) == (status, halted)
    stage = document.stage.next
    assert document.facts[str(stage)]["findings"]


@pytest.mark.parametrize(("siren", "status"), [("100000223", "disputed"), ("100000231", "made_available")])
async def test_a_dispute_and_a_silence_wait(line, siren, status):
    document_id = await line.invoice("S-1", siren)
    document = await line.until(document_id, Stage.ACKNOWLEDGED, status)
    assert document.halted is None
    assert document.stage is Stage.ACKNOWLEDGED


@pytest.mark.parametrize(
    "siren", ["100000249", "100000256", "100000264", "100000272", "100000298", "100000306", "100000348"]
)
async def test_every_kind_of_trouble_ends_in_one_delivery(line, siren):
    """Time-out after accepting, 429, 500, a reported duplicate, 500 after accepting, converted statuses, own codes."""
    document_id = await line.invoice("T-1", siren)
    async with line.pool.owner() as connection:
        for _ in range(40):
            document = await line.until_tried(document_id)
            if document.status in ("approved", "payment_sent"):
                break
            await connection.execute("update task set due = now()")
    assert document.halted is None, document.halted
    assert document.stage is Stage.ACKNOWLEDGED
    deliveries = await line.delivered()
    assert len({delivery["trackingId"] for delivery in deliveries}) == 1
    assert len(deliveries) == 1


@pytest.mark.parametrize("siren", ["100000322", "100000330"])
async def test_what_the_platform_refuses_halts_visibly(line, siren):
    document_id = await line.invoice("V-1", siren)
    document = await line.until(document_id, Stage.ACKNOWLEDGED)
    assert document.halted
    assert document.halted.startswith("refused by the")


async def test_partial_payments_settle_when_they_reach_what_is_due(line):
    document_id = await line.invoice("P-1", "100000231")
    document = await line.until(document_id, Stage.ACKNOWLEDGED)
    await pay(line, document_id, document.amount_due - Decimal("0.01"), "p-1")
    assert (await line.until_tried(document_id)).waits_for == "partly paid"
    await pay(line, document_id, Decimal("0.01"), "p-2")
    settled = await line.until(document_id, Stage.SETTLED)
    assert settled.facts["settled"] == {"paid": True, "payments": 2, "overpaid": False}


async def test_without_an_address_there_is_no_way_and_it_says_so(line):
    buyer = demo_invoices.buyer_that_accepts()
    buyer["endpoint"] = {"value": "0088:123", "scheme": "0088"}
    members = demo_invoices.invoice("N-1", buyer)
    members["notes"] = [note for note in members["notes"] if note["subject"] != "BAR"]
    document_id = await line.submit(demo_invoices.written(members, "cii"), "cii", "application/xml")
    document = await line.until(document_id, Stage.DELIVERED)
    assert document.halted == "no way to this participant"
    assert document.stage is Stage.ARCHIVED


async def test_two_workers_share_the_work_and_double_nothing(line):
    wanted = [await line.invoice(f"D-{n}") for n in range(12)]
    other = Worker(line.resources, 4)
    await asyncio.gather(line.worker.drain(), other.drain(), line.worker.drain(), other.drain())
    for document_id in wanted:
        document = await line.until(document_id, Stage.ACKNOWLEDGED)
        assert document.halted is None
    deliveries = await line.delivered()
    assert len(deliveries) == len({delivery["trackingId"] for delivery in deliveries}) == 12
    assert (await audit.audit_account(line.pool, line.account.id)).clean


async def test_what_the_rules_pass_and_no_reader_can_read_is_refused_with_the_reason(line):
    members = demo_invoices.invoice("U-1", demo_invoices.buyer_that_accepts())
    xml = demo_invoices.written(members, "cii")
    day = members["delivery"]["date"].replace("-", "")
    document_id = await line.submit(xml.replace(day.encode(), b"20260231"), "cii", "application/xml")
    document = await line.until(document_id, Stage.DELIVERED)
    assert document.halted == "the document breaks rules"
    assert document.facts["validated"]["findings"]
