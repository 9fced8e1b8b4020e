"""Statuses that an account says: documents of the line, delivered once, heard by the other side, no contradiction."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from uuid import UUID

import pytest

from gateway import answers
from gateway.addressee import addressed
from gateway.answers import Answered, Asked, Wanted
from gateway.audit import Complaints, audit_account
from gateway.commands import demo_invoices
from gateway.errors import KeyReused, Rejected
from gateway.lifecycle import Kept, Role, Stage
from gateway.rereading import By, reread
from gateway.stages.receive import Incoming, admit_incoming
from gateway.store import flows
from gateway.store.documents import Document
from gateway.store.flows import About, FlowInfo, NewFlow
from gateway.store.identifiers import new_id
from schemas.finding import Verdict
from schemas.formats import cdar
from schemas.formats.cdar import Amount, Reason
from schemas.judge import judge
from tests.line.conftest import PACE, Line
from tests.line.test_inbound import BUYER, Sides, sides

__all__ = ["sides"]

DISPUTE = Reason("QTE_ERR", "Dix unités facturées, huit livrées.", action="CNP")


async def say(
    line: Line,
    document_id: UUID,
    status: str,
    *reasons: Reason,
    key: str | None = None,
    amounts: tuple[Amount, ...] = (),
) -> Answered:
    """Say a status as the API does."""
    known = cdar.named(status)
    assert known is not None
    asked = Asked("estk_1", key, answers.fingerprint(status, body=repr(reasons).encode()))
    return await answers.answer(Wanted(known, reasons, amounts), document_id, asked, line.account, line.resources)


async def refused(line: Line, document_id: UUID, status: str, *reasons: Reason, **more: tuple[Amount, ...]) -> set[str]:
    """The rules for which a status is not taken."""
    with pytest.raises(Rejected) as caught:
        await say(line, document_id, status, *reasons, **more)
    return {finding.rule for finding in caught.value.findings}


async def ends(line: Line, document_id: UUID, *others: Line) -> Document:
    """Work until a status message is settled or ended, or half a minute has gone."""
    async with asyncio.timeout(30):
        while True:
            for one in (line, *others):
                await one.work()
            document = await line.show(document_id)
            if document.stage is Stage.SETTLED or document.halted:
                return document
            await asyncio.sleep(PACE)


async def hears(line: Line, document_id: UUID, status: str, *others: Line) -> Document:
    """Work until a document has this status, or half a minute has gone."""
    async with asyncio.timeout(30):
        while True:
            for one in (line, *others):
                await one.work()
            document = await line.show(document_id)
            if document.status == status:
                return document
            await asyncio.sleep(PACE)


async def test_an_approval_walks_the_line_and_reaches_the_seller_once(sides: Sides):
    sent = await sides.seller.invoice("FA-1", BUYER)
    came = await sides.came(number="FA-1")
    answered = await say(sides.buyer, came.id, "approved", key="a")
    assert await say(sides.buyer, came.id, "approved", key="a") == Answered(answered.message, replayed=True)
    with pytest.raises(KeyReused):
        await say(sides.buyer, came.id, "disputed", DISPUTE, key="a")
    message = await ends(sides.buyer, answered.message, sides.seller)
    assert (message.format, message.direction, message.about, message.halted) == ("cdar", "outbound", came.id, None)
    told = {str(event.stage): event.outcome for event in await sides.buyer.events(message.id)}
    assert told["built"] == "skipped"
    assert told["settled"] == "skipped"
    assert message.facts["routed"]["reason"] == "the document it speaks of went by afnor"
    report = judge(await sides.buyer.read(message.id, Role.ORIGINAL))
    assert (report.verdict, report.format) == (Verdict.VALID, "cdar")

    invoice = await hears(sides.seller, sent, "approved", sides.buyer)
    assert not invoice.halted
    events = await sides.seller.events(sent)
    approved = [e for e in events if e.outcome == "status" and e.facts["status"] == "approved"]
    assert [(e.facts["source"], e.facts["verdict"]) for e in approved] == [("afnor", "valid")]
    here = await sides.buyer.show(came.id)
    assert (here.status, here.seen_by, here.stage) == ("approved", "estk_1", Stage.ACKNOWLEDGED)
    consignment = message.facts["routed"]["consignment"]
    deliveries = [one for one in await sides.buyer.delivered() if one["trackingId"] == consignment]
    assert [one["duplicates"] for one in deliveries] == [0]
    for line in sides.seller, sides.buyer:
        checked = await audit_account(line.pool, line.account.id)
        assert checked.clean, checked.complaints
        complaints = Complaints()
        await reread(line.pool, line.account.id, By(), complaints.add, lambda _done: None)
        assert complaints.told() == ()


async def test_what_contradicts_is_refused_with_every_reason(sides: Sides):
    await sides.seller.invoice("FA-2", BUYER)
    came = await sides.came(number="FA-2")
    line = sides.buyer
    assert await refused(line, came.id, "refused") == {"HOUSE-STATUS-REASON", "HOUSE-STATUS-COMMENT"}
    assert await refused(line, came.id, "refused", Reason("QTE_ERR", "Non")) == {"HOUSE-STATUS-REASON"}
    assert await refused(line, came.id, "disputed", Reason("QTE_ERR", action="XYZ")) == {"HOUSE-STATUS-ACTION"}
    assert await refused(line, came.id, "completed") == {"HOUSE-STATUS-SPEAKER", "HOUSE-STATUS-STATE"}
    assert await refused(line, came.id, "deposited") == {"HOUSE-STATUS-SPEAKER"}
    assert await refused(line, came.id, "paid") == {"HOUSE-STATUS-SPEAKER", "HOUSE-STATUS-AMOUNT"}
    await say(line, came.id, "disputed", DISPUTE)
    assert await refused(line, came.id, "in_hand") == {"HOUSE-STATUS-STATE"}
    await say(line, came.id, "approved")
    assert await refused(line, came.id, "approved") == {"HOUSE-STATUS-STATE"}
    with pytest.raises(Rejected) as caught:
        await say(line, came.id, "refused", Reason("DOUBLON", "Déjà reçue"))
    (finding,) = caught.value.findings
    assert "approved" in finding.says.lower()
    assert "207" in finding.fix
    amount = Amount("MPA", Decimal("10.00"), "EUR")
    await say(line, came.id, "payment_sent", amounts=(amount,))
    settled = await hears(line, came.id, "payment_sent")
    await line.work()
    assert (await line.show(settled.id)).stage is Stage.SETTLED


async def test_a_refusal_ends_the_invoice_on_both_sides(sides: Sides):
    sent = await sides.seller.invoice("FA-3", BUYER)
    came = await sides.came(number="FA-3")
    await say(sides.buyer, came.id, "refused", Reason("TRANSAC_INC", "Nous n'avons rien commandé."))
    invoice = await hears(sides.seller, sent, "refused", sides.buyer)
    assert invoice.halted == "refused by the other side"
    here = await sides.buyer.show(came.id)
    assert (here.status, here.halted) == ("refused", "refused by the account")
    assert await refused(sides.buyer, came.id, "approved") == {"HOUSE-STATUS-STATE"}


async def test_two_answers_at_once_are_one_after_the_other(sides: Sides):
    await sides.seller.invoice("FA-4", BUYER)
    came = await sides.came(number="FA-4")
    outcomes = await asyncio.gather(
        say(sides.buyer, came.id, "approved"),
        say(sides.buyer, came.id, "refused", Reason("DOUBLON", "Déjà reçue")),
        say(sides.buyer, came.id, "approved"),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["Answered", "Rejected", "Rejected"]


async def test_nothing_is_said_of_a_duplicate(sides: Sides):
    """Neither of the same bytes nor of other ones, valid or not: it would be heard of the first invoice."""
    sent = await sides.seller.invoice("FA-5", BUYER)
    first = await sides.came(number="FA-5")
    await say(sides.buyer, first.id, "approved")
    data = await sides.buyer.read(first.id, Role.SUBMISSION)
    other = await sides.seller.read(sent, Role.SUBMISSION)
    invalid = re.sub(rb">[SBM]1</", b">X9</", other)
    assert data != other != invalid
    for place, copy in enumerate((data, other, invalid)):
        incoming = Incoming("afnor", f"again-{place}", copy, addressed(copy), BUYER)
        came = await admit_incoming(incoming, sides.buyer.account.id, sides.buyer.resources)
        for _ in range(3):
            await sides.buyer.work()
        assert (await sides.buyer.show(came.document_id)).halted
        with pytest.raises(Rejected) as caught:
            await say(sides.buyer, came.document_id, "refused", Reason("DOUBLON", "Deux fois.", action="NOA"))
        (finding,) = caught.value.findings
        assert (finding.rule, str(first.id) in finding.fix) == ("HOUSE-STATUS-STATE", True)
    assert not (await hears(sides.seller, sent, "approved", sides.buyer)).halted


async def test_a_message_whose_address_has_no_scheme_is_read_again_as_it_was(line: Line):
    """An account's own software may leave it out: it is of the French directory for the line, and for the audit."""
    sent = await line.invoice("FA-6", "100000231")
    invoice = await line.until(sent, Stage.ACKNOWLEDGED)
    now, cancelled = line.resources.clock.now(), Wanted(cdar.status_of("220"))
    read = await answers.read_invoice(invoice, line.account, line.resources)
    assert read is not None
    message = answers.compose(cancelled, invoice, read, now, sent)
    data = re.sub(rb'(<ram:URIID) schemeID="[^"]*"', rb"\1", cdar.write(message))
    assert cdar.read(data).recipients[0].address_scheme == ""
    assert judge(data).verdict is Verdict.VALID
    kept = Kept(Role.SUBMISSION, "application/xml", data)
    new = NewFlow(line.account.id, new_id(now), line.account.participants[0], "cdar", kept, now, FlowInfo("m", "CDAR"))
    facts = answers.facts_of(cancelled, now, "account")
    await flows.admit(line.pool, new, About(sent, invoice.version, "estk_1", facts))
    await line.worker.drain()
    assert (await line.show(new.document_id)).buyer_scheme == "0225"
    complaints = Complaints()
    await reread(line.pool, line.account.id, By(), complaints.add, lambda _done: None)
    assert complaints.told() == ()


async def test_what_came_by_folder_is_answered_at_the_sellers_address(sides: Sides):
    """A folder has no way back: who approved would wait for ever, and the seller never hear of it."""
    buyer = demo_invoices.buyer_that_accepts()
    buyer["legal_id"]["value"] = buyer["endpoint"]["value"] = BUYER
    data = demo_invoices.written(demo_invoices.invoice("FA-8", buyer), "cii")
    incoming = Incoming("drop", "FA-8.xml", data, addressed(data), BUYER)
    came = await admit_incoming(incoming, sides.buyer.account.id, sides.buyer.resources)
    for _ in range(3):
        await sides.buyer.work()
    answered = await say(sides.buyer, came.document_id, "approved")
    for _ in range(3):
        await sides.buyer.work()
    message = await sides.buyer.show(answered.message)
    # it comes to the platform, which takes no message about an invoice that it never carried, and says so
    assert (message.halted, message.facts["routed"]["network"]) == ("refused by the platform", "afnor")
    assert message.stage.reaches(Stage.DELIVERED), message.waits_for
