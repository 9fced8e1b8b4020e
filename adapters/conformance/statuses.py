"""Life-cycle messages (CDAR): those that come about our invoices, and one that we send."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.conformance import deposits, expect, specimens
from adapters.conformance.counterpart import Counterpart, fails
from adapters.conformance.deposits import acknowledgement, hand_in
from adapters.conformance.verdict import Needs, Scenario, Skips, Text
from schemas.formats import cdar
from schemas.xml import Unreadable

LOOKED_AT = 10
"""Messages that are read, at most."""


async def come_in(it: Counterpart) -> None:
    """Messages about our invoices come in as flows of syntax CDAR, of type CustomerInvoiceLC.

    OpenAPI 1.3.0, schema FlowType: CustomerInvoiceLC, a lifecycle (CDAR) related to a customer invoice.
    """
    await deposits.first(it)
    loop = asyncio.get_running_loop()
    end = loop.time() + it.access.patience
    while not (found := [one for one in await it.listing(anew=True) if _is_message(one)]):
        if loop.time() > end:
            seconds = f"{it.access.patience:.0f} s"
            raise Skips(Text(f"none came in {seconds}", f"aucun en {seconds}"))
        await asyncio.sleep(1)
    expect.each(found, "flowType", ["CustomerInvoiceLC", "SupplierInvoiceLC", "Undefined"])


async def can_be_read(it: Counterpart) -> None:
    """Each message that came can be had and read.

    OpenAPI 1.3.0, docType Original, else Converted; CDAR D22B (XP Z12-012).
    """
    for one in await _messages(it):
        _read(await _content(it, one), one)


async def bear_known_codes(it: Counterpart) -> None:
    """The code of each message is one of XP Z12-012.

    XP Z12-012, life cycle: 200 to 213 and further ones, 500, 501 (MDT-105).
    """
    for one in await _messages(it):
        message = _read(await _content(it, one), one)
        if message.status.name == "unknown":
            raise fails("200 … 213, 220 …, 500, 501", f"MDT-105 = {expect.printable(message.code)}")


async def name_the_invoice(it: Counterpart) -> None:
    """Each message names the invoice it speaks of: its number and the seller's SIREN.

    XP Z12-012, MDT-87 and MDT-129: how an answer finds its invoice.
    """
    for one in await _messages(it):
        message = _read(await _content(it, one), one)
        if not message.number or (not message.seller and message.code != "501"):
            raise fails("MDT-87, MDT-129", f"{expect.printable(message.number)} / {expect.printable(message.seller)}")


async def go_out(it: Counterpart) -> None:
    """A message of ours that an invoice was paid (212) is taken.

    OpenAPI 1.3.0, POST /v1/flows with flowSyntax CDAR; XP Z12-012, 212 is said by the seller.
    """
    deposit = await deposits.first(it)
    body = await deposits.judged(it, deposit.flow_id)
    if acknowledgement(body).get("status") != "Ok":
        raise Skips(Text("the invoice is not accepted yet", "la facture n'est pas encore acceptée"))
    message = specimens.paid(deposit.specimen, deposits.parties(it), it.now())
    sent = await hand_in(it, message)
    it.kept["paid"] = sent
    expect.status(sent.answer, 202)
    said = await deposits.judged(it, sent.flow_id)
    if acknowledgement(said).get("status") == "Error":
        raise fails("Ok", deposits.body_shown(said))


async def are_told_as_sent(it: Counterpart) -> None:
    """A message of ours is shown with flowSyntax CDAR, going out.

    OpenAPI 1.3.0, schema Flow: flowSyntax, flowDirection.
    """
    sent = it.kept.get("paid")
    if not isinstance(sent, deposits.Deposit) or not sent.flow_id:
        raise Skips(Text("none was taken", "aucun n'a été pris"))
    body = await deposits.judged(it, sent.flow_id)
    expect.equal("flowSyntax", body.get("flowSyntax"), "CDAR")
    expect.equal("flowDirection", body.get("flowDirection"), "Out")


async def about_nothing(it: Counterpart) -> None:
    """A message about an invoice that nobody knows is refused.

    OpenAPI 1.3.0, ReasonCode InvoiceLCRuleError and others, at the door or by the acknowledgement.
    """
    about = await deposits.specimen(it)
    await deposits.turned_away(it, await hand_in(it, specimens.paid(about, deposits.parties(it), it.now())))


async def no_message(it: Counterpart) -> None:
    """An invoice that is said to be a message is refused.

    OpenAPI 1.3.0, ReasonCode FlowTypeError, InvalidSchema.
    """
    await deposits.turned_away(
        it, await hand_in(it, await deposits.specimen(it), flowSyntax="CDAR", processingRule=None)
    )


def _is_message(flow: dict[str, Any]) -> bool:
    return flow.get("flowSyntax") == "CDAR" and flow.get("flowDirection") == "In"


async def _messages(it: Counterpart) -> list[dict[str, Any]]:
    """The newest messages that came. Raises Skips when there are none."""
    found = [one for one in await it.listing() if _is_message(one)]
    if not found:
        raise Skips(Text("no message has come yet", "aucun message n'est encore arrivé"))
    return found[-LOOKED_AT:]


async def _content(it: Counterpart, flow: dict[str, Any]) -> bytes:
    """The file of a message, kept for the scenarios after. Raises Fails."""
    key = f"message {flow['flowId']}"
    if key not in it.kept:
        answer = await deposits.flow(it, flow["flowId"], "Original")
        if answer.status == 404:
            answer = await deposits.flow(it, flow["flowId"], "Converted")
        expect.status(answer, 200)
        it.kept[key] = answer.body
    found = it.kept[key]
    assert isinstance(found, bytes)
    return found


def _read(data: bytes, flow: dict[str, Any]) -> cdar.StatusMessage:
    try:
        return cdar.read(data)
    except Unreadable as unreadable:
        said = expect.printable(unreadable)
        raise fails("CDAR D22B", f"flowId {expect.printable(flow['flowId'])}: {said}") from unreadable


SCENARIOS = (
    Scenario(come_in, "Les messages sur nos factures arrivent en flux CDAR, de type CustomerInvoiceLC", Needs.SUBMIT),
    Scenario(can_be_read, "Chaque message arrivé s'obtient et se lit"),
    Scenario(bear_known_codes, "Le code de chaque message est de XP Z12-012"),
    Scenario(name_the_invoice, "Chaque message nomme sa facture : numéro et SIREN du vendeur"),
    Scenario(go_out, "Notre message qu'une facture est encaissée (212) est pris", Needs.SUBMIT),
    Scenario(are_told_as_sent, "Notre message est montré avec flowSyntax CDAR, sortant", Needs.SUBMIT),
    Scenario(about_nothing, "Un message sur une facture que personne ne connaît est refusé", Needs.SUBMIT),
    Scenario(no_message, "Une facture annoncée comme message est refusée", Needs.SUBMIT),
)
