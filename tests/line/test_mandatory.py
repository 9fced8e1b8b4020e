"""What the gateway says by itself: each payment by VAT rate, once, whatever dies; refusals where the account wants."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from gateway import answers, mandatory
from gateway.addressee import addressed
from gateway.audit import audit_account
from gateway.lifecycle import Later, Role, Stage
from gateway.resources import Work
from gateway.stages.receive import Incoming, admit_incoming
from gateway.store import documents, payments
from gateway.store.documents import Document, Filter
from gateway.store.identifiers import new_id
from gateway.store.journal import LostClaim, Step, commit
from gateway.store.payments import Reported
from gateway.store.tasks import Claim
from gateway.worker import Worker
from schemas.finding import Verdict
from schemas.formats import cdar
from schemas.formats.cdar import Amount
from schemas.judge import judge
from tests.line.conftest import Line
from tests.line.test_inbound import BUYER, Sides, sides
from tests.line.test_statuses import refused, say

__all__ = ["sides"]


async def pay(line: Line, document_id: UUID, amount: str, key: str) -> None:
    """Report a payment as the API does."""
    reported = Reported(new_id(line.resources.clock.now()), Decimal(amount), "EUR", date(2026, 11, 24), "VIR", key)
    async with line.pool.account(line.account.id) as connection:
        await payments.record(connection, line.account.id, document_id, reported, line.resources.clock.now())


async def about(line: Line, document_id: UUID) -> list[Document]:
    """The status messages of ours about a document, oldest first."""
    async with line.pool.account(line.account.id) as connection:
        found, _ = await documents.page(connection, Filter(about=document_id), None, 100)
    return list(reversed(found))


async def collected(line: Line, message: Document) -> list[tuple[Decimal | None, Decimal | None]]:
    """Rate and amount of what a message says was collected; it is valid."""
    data = await line.read(message.id, Role.SUBMISSION)
    report = judge(data)
    assert report.verdict is Verdict.VALID, report.findings
    read = cdar.read(data)
    assert read.code == "212"
    assert cdar.PORTAL in read.recipients
    return [(one.rate, one.amount) for one in read.amounts]


async def test_each_payment_is_told_once_and_taken_back_by_its_reversal(line: Line):
    document_id = await line.invoice("P-1", "100000231")
    document = await line.until(document_id, Stage.ACKNOWLEDGED)
    due = document.amount_due
    assert due is not None
    await pay(line, document_id, "100.00", "first")
    await pay(line, document_id, "100.00", "first")
    await line.worker.drain()
    (first,) = await about(line, document_id)
    assert sum(amount or 0 for _, amount in await collected(line, first)) == Decimal("100.00")
    document = await line.show(document_id)
    assert document.status == "made_available", "a part of the price does not make it paid"
    await pay(line, document_id, "-40.00", "back")
    await line.worker.drain()
    _, back = await about(line, document_id)
    parts = await collected(line, back)
    assert sum(amount or 0 for _, amount in parts) == Decimal("-40.00")
    assert all(amount is not None and amount < 0 for _, amount in parts)
    await pay(line, document_id, str(due), "rest")
    await line.worker.drain()
    *_, rest = await about(line, document_id)
    assert sum(amount or 0 for _, amount in await collected(line, rest)) == due - Decimal("60.00"), (
        "never above the due"
    )
    await pay(line, document_id, "5.00", "too much")
    await line.until(document_id, Stage.SETTLED, "paid")
    assert len(await about(line, document_id)) == 3
    events = await line.events(document_id)
    assert [e.facts["status"] for e in events if e.outcome == "status" and e.facts["source"] == "gateway"] == [
        "partly_paid", "partly_paid", "paid",
    ]  # fmt: skip
    assert [e.outcome for e in events].count("payment") == 4
    for message in await about(line, document_id):
        ended = await line.until(message.id, Stage.SETTLED)
        assert ended.halted is None
    tracked = [one["trackingId"] for one in await line.delivered() if one["trackingId"]]
    assert len(tracked) == len(set(tracked)) == 4
    checked = await audit_account(line.pool, line.account.id)
    assert checked.clean, checked.complaints


async def test_what_the_account_said_by_itself_is_not_told_again(line: Line):
    """Neither by a second message of the account, nor by the gateway when the payment is reported."""
    document_id = await line.invoice("P-0", "100000231")
    document = await line.until(document_id, Stage.ACKNOWLEDGED)
    invoice = await answers.read_invoice(document, line.account, line.resources)
    assert invoice is not None
    assert document.amount_due is not None
    first = invoice.vat_breakdown[0]
    part = (first.taxable_amount or Decimal(0)) + (first.tax_amount or Decimal(0))
    amount = Amount("MEN", part, "EUR", first.rate, date(2026, 11, 24), changed=False)
    await say(line, document_id, "paid", amounts=(amount,))
    assert await refused(line, document_id, "paid", amounts=(amount,)) == {"HOUSE-STATUS-AMOUNT"}
    await line.worker.drain()
    await pay(line, document_id, str(part), "p1")
    await line.worker.drain()
    assert len(await about(line, document_id)) == 1
    await pay(line, document_id, str(document.amount_due - part), "p2")
    await line.worker.drain()
    told = [await collected(line, message) for message in await about(line, document_id)]
    assert sum(amount or 0 for parts in told for _, amount in parts) == document.amount_due


async def test_a_payment_and_its_message_are_there_together_whatever_dies(line: Line, monkeypatch: pytest.MonkeyPatch):
    """The process dies before, in and after the commit that tells the payment."""
    document_id = await line.invoice("P-2", "100000231")
    await line.until(document_id, Stage.ACKNOWLEDGED)
    real, died = commit, list[str]()

    async def dies(pool, claim: Claim, steps: list[Step], *, go_on: bool):
        emits = any(not isinstance(s.outcome, Later) or s.outcome.emitted for s in steps if s.stage is Stage.SETTLED)
        if not emits or len(died) == 2:
            return await real(pool, claim, steps, go_on=go_on)
        if not died:
            died.append("before")
            raise LostClaim(str(claim.document_id))
        died.append("after")
        await real(pool, claim, steps, go_on=go_on)
        raise LostClaim(str(claim.document_id))

    monkeypatch.setattr("gateway.worker.commit", dies)
    await pay(line, document_id, "10.00", "p")
    async with asyncio.timeout(30):
        while len(died) < 2:
            async with line.pool.owner() as connection:
                await connection.execute("update task set leased_until = null, due = now() - interval '1 minute'")
            await Worker(line.resources, 1).drain()
    await line.worker.drain()
    assert died == ["before", "after"]
    assert len(await about(line, document_id)) == 1
    events = await line.events(document_id)
    assert [e.outcome for e in events].count("payment") == 1


async def test_who_is_not_under_french_rules_tells_nobody(line: Line):
    document_id = await line.invoice("P-3", "100000231")
    await line.until(document_id, Stage.ACKNOWLEDGED)
    await pay(line, document_id, "10.00", "p")
    async with line.pool.account(line.account.id) as connection:
        document = await documents.get(connection, document_id)
        paid = await documents.payments(connection, document_id)
    whole = Work(document, line.account, 1, (), paid, ())
    assert len((await mandatory.paid(whole, line.resources)).emitted) == 1
    foreign = replace(whole, account=replace(line.account, french=False))
    said = await mandatory.paid(foreign, line.resources)
    assert (len(said.news), said.emitted) == (1, ())


async def test_an_invalid_invoice_is_refused_where_the_account_wants_it(sides: Sides):
    async with sides.buyer.pool.owner() as connection:
        await connection.execute("update account set invalid_inbound = 'send'")
    first = await sides.seller.invoice("FA-7", BUYER)
    await sides.came(number="FA-7")
    data = (await sides.seller.read(first, Role.SUBMISSION)).replace(b"FA-7", b"FA-8")
    data = re.sub(rb">[SBM]1</", b">X9</", data)
    assert b"X9" in data

    incoming = Incoming("afnor", "by-hand", data, addressed(data), BUYER)
    came = await admit_incoming(incoming, sides.buyer.account.id, sides.buyer.resources)
    for _ in range(3):
        await sides.buyer.work()
    document = await sides.buyer.show(came.document_id)
    assert (document.halted, document.status) == ("the document breaks rules", "refused")
    (message,) = await about(sides.buyer, came.document_id)
    read = cdar.read(await sides.buyer.read(message.id, Role.SUBMISSION))
    assert (read.code, [reason.code for reason in read.reasons]) == ("210", ["NON_CONFORME"])
    assert "BR-FR-08" in read.reasons[0].comment
    assert message.stage.reaches(Stage.DELIVERED), message.waits_for
