"""Whose word a status message is: for which side of the invoice it comes, and whether who says it may say it."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from adapters.port import Arrival, ArrivalKind, Collected
from gateway import answers
from gateway.addressee import addressed
from gateway.answers import Wanted
from gateway.audit import audit_account
from gateway.chores import collect
from gateway.lifecycle import Role, Stage
from gateway.stages.receive import Incoming, admit_incoming
from gateway.statuses import NO_PARTY, NOT_THEIRS, direction_of
from gateway.store import documents
from gateway.store.arrivals import INBOUND, OUTBOUND
from schemas.formats import cdar
from schemas.formats.cdar import Party, Reason, StatusMessage
from tests.gateway.ground import NOON, open_account
from tests.line.conftest import Line
from tests.line.test_odd_arrivals import Brings


class Once(Brings):
    """The platform bringing one arrival more, wherever its cursor stands."""

    def __init__(self, arrival: Arrival) -> None:
        super().__init__((arrival,))

    async def collect(self, cursor: str | None) -> Collected:
        """The arrival; the cursor stays."""
        return Collected(self.queue, cursor or "", more=False)


SELLER, BUYER, SILENT = "100000108", "100000207", "100000231"
"""The last one is a buyer of the simulated platform that says nothing by itself."""
BY_SELLER, BY_BUYER = Party("SE", SELLER, "0002"), Party("BY", BUYER, "0002")
PLATFORM = Party("WK")


@pytest.mark.parametrize(
    ("issuer", "recipients", "type_code", "direction"),
    [
        (BY_BUYER, (BY_SELLER,), "380", OUTBOUND),
        (BY_SELLER, (BY_BUYER,), "380", INBOUND),
        (BY_SELLER, (BY_BUYER,), "389", OUTBOUND),
        (BY_BUYER, (BY_SELLER,), "389", INBOUND),
        (PLATFORM, (BY_SELLER, BY_BUYER), "380", OUTBOUND),
        (PLATFORM, (BY_SELLER, cdar.PORTAL), "380", OUTBOUND),
        (PLATFORM, (BY_BUYER,), "380", INBOUND),
        (PLATFORM, (), "389", OUTBOUND),
        (Party("WK", "0003", "0238"), (cdar.PORTAL,), "380", OUTBOUND),
        (Party("SE", "10000010800012", "0009"), (), "380", INBOUND),
        (Party("", SELLER, "0002"), (BY_BUYER,), "380", INBOUND),
    ],
)
def test_a_message_is_for_who_did_not_say_it(issuer: Party, recipients: tuple[Party, ...], type_code, direction):
    message = StatusMessage("205", NOON, "F-1", SELLER, "m-1", issuer, recipients=recipients, type_code=type_code)
    assert direction_of(message) == direction


async def spoken(line: Line, document_id: UUID, code: str, issuer: Party, *reasons: Reason) -> StatusMessage:
    """A message about a document of the line, as this issuer says it."""
    document = await line.show(document_id)
    invoice = await answers.read_invoice(document, line.account, line.resources)
    assert invoice is not None
    wanted = Wanted(cdar.status_of(code), reasons)
    message = answers.compose(wanted, document, invoice, line.resources.clock.now(), document_id)
    to = (BY_BUYER if issuer.role == "SE" else BY_SELLER,) if issuer.id else (BY_SELLER, BY_BUYER)
    return replace(message, issuer=issuer, recipients=to)


async def brought(line: Line, *messages: StatusMessage) -> None:
    """Let the network bring messages, each once, and work."""
    at = line.resources.clock.now()
    for message in messages:
        id = f"{message.id}-{message.code}-{message.issuer.role}-{message.issuer.id}"
        arrival = Arrival(id, ArrivalKind.STATUS, at, "application/xml", cdar.written(message))
        assert await collect(line.resources, Once(arrival), lambda: None) == 1
        await line.worker.drain()


async def test_each_side_on_one_gateway_hears_the_other(line: Line):
    sent = await line.invoice("WS-1", SILENT)
    await line.until(sent, Stage.ACKNOWLEDGED)
    data = await line.read(sent, Role.ORIGINAL)
    buyer = await open_account(line.pool, "Buyer", siren=SILENT, french=True)
    incoming = Incoming("afnor", "in-1", data, addressed(data), SILENT)
    came = (await admit_incoming(incoming, buyer.id, line.resources)).document_id
    await line.worker.drain()
    await brought(line, await spoken(line, sent, "205", Party("BY", SILENT, "0002")))
    assert (await line.show(sent)).status == "approved"
    await brought(line, await spoken(line, sent, "212", BY_SELLER))
    async with line.pool.account(buyer.id) as connection:
        received = await documents.get(connection, came)
        strays = await connection.fetchval("select count(*) from arrival where document_id = $1", came)
    assert (received.status, strays) == ("paid", 1)
    assert (await line.show(sent)).status == "approved"


STRANGER = Party("BY", "999999999", "0002")
REFUSAL = Reason("NON_CONFORME", "Ce n'est pas ce que nous avons commandé.")


async def unproved(line: Line, document_id: UUID) -> list[tuple[str, str]]:
    """What was said of a document without proof, and why it does not count."""
    return [
        (event.facts["claimed"], event.facts["why"])
        for event in await line.events(document_id)
        if event.facts.get("status") == "unproved"
    ]


async def test_nobody_else_ends_an_invoice(line: Line):
    sent = await line.invoice("WS-2", SILENT)
    before = (await line.until(sent, Stage.ACKNOWLEDGED)).status
    buyer = Party("BY", SILENT, "0002")
    odd = [
        await spoken(line, sent, "210", STRANGER, REFUSAL),
        await spoken(line, sent, "205", STRANGER),
        await spoken(line, sent, "213", STRANGER, REFUSAL),
        await spoken(line, sent, "210", replace(STRANGER, id=""), REFUSAL),
        await spoken(line, sent, "210", PLATFORM, REFUSAL),
        await spoken(line, sent, "210", Party("WK", "0003", "0238"), REFUSAL),
        await spoken(line, sent, "210", BY_SELLER, REFUSAL),
        await spoken(line, sent, "212", buyer),
    ]
    await brought(line, *odd)
    document = await line.show(sent)
    assert (document.status, document.halted) == (before, None)
    assert await unproved(line, sent) == [
        *((status, NO_PARTY) for status in ("refused", "approved", "rejected", "refused", "refused", "refused")),
        ("refused", NOT_THEIRS),
        ("paid", NOT_THEIRS),
    ]
    checked = await audit_account(line.pool, line.account.id)
    assert checked.clean, checked.complaints
    await brought(line, await spoken(line, sent, "205", replace(buyer, id=f"{SILENT}00012", scheme="0009")))
    assert (await line.show(sent)).status == "approved"
    await brought(line, await spoken(line, sent, "210", buyer, REFUSAL))
    document = await line.show(sent)
    assert (document.status, document.halted) == ("refused", "refused by the other side")


@pytest.mark.parametrize("issuer", [PLATFORM, Party("WK", "0003", "0238"), Party(""), Party("DFH", "0000", "0238")])
async def test_a_platform_says_what_is_its_to_say(line: Line, issuer: Party):
    sent = await line.invoice("WS-3", SILENT)
    await line.until(sent, Stage.ACKNOWLEDGED)
    await brought(line, await spoken(line, sent, "213", issuer, REFUSAL))
    document = await line.show(sent)
    assert (document.status, document.halted) == ("rejected", "rejected by the other side")
    assert await unproved(line, sent) == []
