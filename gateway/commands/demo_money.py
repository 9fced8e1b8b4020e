"""The part of the demo about money: ordered, invoiced on delivery, reminded of before it is due, paid, told, reported.

Two deliveries of one order become two invoices. The buyer disputes the second. The clock that decides on reminders is
moved to the day before which nothing is said, and both are looked at: a letter goes to a mail catcher about the first,
none about the second. A bank statement pays the first; the gateway matches it, tells the payment by VAT rate (212) and
shows what is still owed. The clock is moved once more, by three weeks: nobody is chased for what is paid or disputed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp

from gateway import reminding, settings
from gateway.clock import SettableClock
from gateway.commands import demo_bank, demo_invoices
from gateway.commands.demo_mail import Catcher, catching
from gateway.commands.demo_stage import PATIENCE, Failed, get, post, short, until
from gateway.dunning import USUAL, Where
from gateway.main import open_gateway
from gateway.resources import Resources
from gateway.store import accounts

TERMS = 10
"""Days to pay."""
MAIL = "compta@ponant.example"
CHASED = USUAL["small"]
"""The plan of the demo's customer."""
LATER = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo's money part happens."""

    seller: aiohttp.ClientSession
    buyer: aiohttp.ClientSession
    environment: Mapping[str, str]
    """Of the seller's gateway."""
    out: Path


async def money(place: Place) -> None:
    """Show it."""
    print("From order to paid\n")
    paid, disputed = await _invoiced(place)
    await _disputed(place, disputed)
    async with _reminding(place.environment) as (resources, catcher):
        day = await _reminded(place, resources, catcher, (paid, disputed))
        await _settled(place, paid, day)
        await _reported(place)
        await _left_alone(place, resources, (paid, disputed))


async def _invoiced(place: Place) -> tuple[str, str]:
    """An order, and an invoice for each of its two deliveries; their documents, which the buyer has."""
    seller = place.seller
    await _put(seller, "/v1/payment-terms", {"days": TERMS})
    order = await post(seller, "/v1/orders", demo_invoices.order())
    print(f"  order {order['number']} of {order['buyer_name']}: services and handbooks")
    documents = []
    for lines in (("1", "3"), ("2",)):
        body = demo_invoices.dispatch(lines)
        delivery = await post(seller, f"/v1/orders/{order['id']}/deliveries", body)
        issued = delivery["invoice"]
        documents.append(str(issued["document"]))
        terms = f"{TERMS} days by the account's terms"
        print(f"  delivery {delivery['seq']}, lines {', '.join(lines)}: invoice {issued['number']} at once, {terms}")
    for document in documents:
        await until(seller, document, "made_available")
    first, second = documents
    return first, second


async def _disputed(place: Place, document: str) -> None:
    """The buyer disputes what it got, over its own gateway."""
    number = (await get(place.seller, f"/v1/documents/{document}"))["number"]
    came = await _came(place.buyer, number)
    reason = {"code": "QTE_ERR", "comment": "Trois heures facturées, deux faites.", "action": "CNP"}
    said = {"status": "disputed", "reasons": [reason]}
    await post(place.buyer, f"/v1/documents/{came}/statuses", said)
    await until(place.seller, document, "disputed")
    print(f"  {number} is disputed by the buyer (207, {reason['code']}): {reason['comment']}\n")


async def _came(buyer: aiohttp.ClientSession, number: str) -> str:
    """The buyer's document of an invoice, once it is there."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page = await get(buyer, "/v1/documents?direction=inbound&seen=false")
        for one in page["documents"]:
            if one["number"] == number and one["stage"] == "routed":
                return str(one["id"])
        await asyncio.sleep(0.2)
    raise Failed(f"invoice {number} did not come to the buyer in {PATIENCE:.0f} s")


@asynccontextmanager
async def _reminding(environment: Mapping[str, str]) -> AsyncIterator[tuple[Resources, Catcher]]:
    """What reminders need, beside the gateway that serves: its database, a mail server, a clock that can be moved."""
    async with catching() as catcher:
        mail = {
            "ESTAFETTE_MAIL_HOST": "127.0.0.1", "ESTAFETTE_MAIL_PORT": str(catcher.port),
            "ESTAFETTE_MAIL_FROM": "factures@levant.example", "ESTAFETTE_MAIL_TLS": "none",
        }  # fmt: skip
        theirs = {**environment, **mail}
        async with open_gateway(settings.read(theirs), theirs, attach=True) as gateway:
            yield replace(gateway.resources, clock=SettableClock(datetime.now(UTC))), catcher


async def _reminded(place: Place, resources: Resources, catcher: Catcher, documents: tuple[str, str]) -> date:
    """Before the first is due its customer gets a letter, about it alone; the day of that letter."""
    seller, (paid, disputed) = place.seller, documents
    await _put(seller, f"/v1/customers/{demo_invoices.PARTNER_SIREN}/reminders", {"segment": "small", "email": MAIL})
    await _put(seller, "/v1/reminders/settings", {"on": True})
    planned = (await get(seller, "/v1/reminders/preview?days=14"))["planned"]
    mine = [one for one in planned if one["document"] in documents]
    print("  What would go out within 14 days, if nobody paid:")
    for one in mine:
        print(
            f"    {one['on']}  {one['number']}  {one['tone']:<8}  {one['balance']:>8} {one['currency']}  to {one['to']}"
        )
    if not mine or {one["document"] for one in mine} != {paid}:
        raise Failed("the preview is not of the undisputed invoice alone")
    day = date.fromisoformat(mine[0]["on"])
    await _on(resources, Where().at(day, CHASED))
    if len(catcher.messages) != 1:
        raise Failed(f"{len(catcher.messages)} letters were caught on {day}, not one")
    await _shown(place, catcher, day)
    cases = [one for one in (await get(seller, "/v1/reminder-cases"))["cases"] if one["document"] == disputed]
    number = (await get(seller, f"/v1/documents/{disputed}"))["number"]
    if [one["kind"] for one in cases] != ["disputed"]:
        raise Failed("the disputed invoice is no case for a person")
    print(f"  {number} is not chased: its buyer disputes it (207). A person has it as a case until it is completed.\n")
    return day


async def _on(resources: Resources, at: datetime) -> None:
    """Move the clock, and let reminders be written and sent as the gateway does every quarter of an hour."""
    clock = resources.clock
    assert isinstance(clock, SettableClock)
    clock.advance(at - clock.now())
    (account_id,) = await accounts.every_id(resources.pool)
    await reminding.look(resources, account_id)
    await reminding.send(resources, account_id)


async def _shown(place: Place, catcher: Catcher, day: date) -> None:
    """Keep the letter, and show how it begins."""
    letter = catcher.messages[-1]
    kept = place.out / "reminder.eml"
    await asyncio.to_thread(kept.write_bytes, letter.as_bytes())
    body = letter.get_body(("plain",))
    files = ", ".join(str(part.get_filename()) for part in letter.iter_attachments())
    print(f"\n  The clock is moved to {day}, 9 in the morning. To {letter['To']}, {short(kept)}:")
    print(f"    {letter['Subject']}   (with {files})")
    for line in (body.get_content() if body is not None else "").strip().splitlines()[:9]:
        print(f"    | {line[:110]}")
    print()


async def _settled(place: Place, document: str, day: date) -> None:
    """A bank statement pays the invoice; the gateway finds out which, and tells the payment by rate."""
    owed = await get(place.seller, f"/v1/documents/{document}/receivable")
    came = (
        demo_bank.Received(Decimal(owed["balance"]), demo_invoices.PARTNER, f"FACTURE {owed['number']}", "PONANT-77"),
        demo_bank.Received(Decimal("89.90"), "Assurances du Vieux Port", "REMBOURSEMENT SINISTRE 4471", "AVP-4471"),
    )
    data, file = demo_bank.statement(came, day), place.out / "statement.camt053.xml"
    await asyncio.to_thread(file.write_bytes, data)
    for turn in ("first", "again"):
        said = await _imported(place.seller, data)
        sound = "adds up" if said["sound"] else "does not add up"
        new, known = (sum(one[name] for one in said["imported"]) for name in ("lines", "known"))
        told = f"{new} new lines, {known} known, {said['booked']} booked, {said['proposed']} proposed"
        print(f"  The bank's statement ({said['format']}, {sound}), {turn}: {told}")
        if turn == "first":
            await _explained(place.seller, file)
    await until(place.seller, document, "settled")
    told = (await get(place.seller, f"/v1/documents/{document}/statuses"))["statuses"]
    paid = [one for one in told if one["code"] == "212" and one["source"] == "gateway"]
    if len(paid) != 1 or not paid[0]["amounts"]:
        raise Failed(f"the payment was told {len(paid)} times by the gateway, not once")
    rates = ", ".join(f"{one['amount']} {one['currency']} at {one['rate']} %" for one in paid[0]["amounts"])
    if sum(Decimal(one["amount"]) for one in paid[0]["amounts"]) != Decimal(owed["balance"]):
        raise Failed("the parts of the payment by VAT rate are not the payment")
    print(f"  {owed['number']} is paid; 212 said by the gateway itself, once: {rates}\n")


async def _imported(session: aiohttp.ClientSession, data: bytes) -> dict[str, Any]:
    async with session.post("/v1/statements", data=data, headers={"Content-Type": "application/xml"}) as answer:
        said: dict[str, Any] = await answer.json()
        if answer.status != 201 or not said["sound"]:
            raise Failed(f"the bank statement was answered {answer.status}: {str(said)[:2000]}")
        return said


async def _explained(session: aiohttp.ClientSession, file: Path) -> None:
    """What each line of the statement pays, and why the gateway thinks so."""
    print(f"    {short(file)}")
    for line in (await get(session, "/v1/statements/lines"))["lines"]:
        amount = f"{line['amount']:>8} {line['currency']}"
        print(f"    {line['booked_on']}  {amount}  {line['party']}, {line['text']}: {line['state']}")
        if line["match"]:
            print(f"      because: {'; '.join(one['says'] for one in line['match']['reasons'])}")


async def _reported(place: Place) -> None:
    """What is owed now, as figures, table and picture."""
    report = await get(place.seller, "/v1/reports/receivables")
    print(f"  What is owed on {report['on']}:")
    for one in report["currencies"]:
        print(f"    {one['owed']} {one['currency']} owed, {one['disputed']} of it disputed")
        for age in one["ages"]:
            if age["documents"]:
                print(f"    {age['days']:>8}  {age['amount']:>10}  {age['documents']} documents")
        for week in one["expected"]:
            print(f"    expected in the week of {week['week']}  {week['amount']:>10}")
    for address, name in (
        ("/v1/reports/receivables.svg", "receivables.svg"),
        ("/v1/receivables.csv", "receivables.csv"),
    ):
        async with place.seller.get(address) as answer:
            if answer.status != 200:
                raise Failed(f"GET {address} was answered {answer.status}")
            await asyncio.to_thread((place.out / name).write_bytes, await answer.read())
    print(
        f"  As a picture and a table: {short(place.out / 'receivables.svg')}, {short(place.out / 'receivables.csv')}\n"
    )


async def _left_alone(place: Place, resources: Resources, documents: tuple[str, str]) -> None:
    """Three weeks later neither invoice is chased: one is paid, the other disputed."""
    at = resources.clock.now() + LATER
    await _on(resources, Where().at(Where().working(at.date()), CHASED))
    numbers = []
    for document, letters in zip(documents, (1, 0), strict=True):
        said = (await get(place.seller, f"/v1/documents/{document}/reminders"))["reminders"]
        if len(said) != letters:
            raise Failed("somebody was chased for what is paid or disputed")
        numbers.append((await get(place.seller, f"/v1/documents/{document}"))["number"])
    print(
        "  The clock is moved three weeks on: "
        f"no letter about {numbers[0]} (paid), none about {numbers[1]} (disputed).\n"
    )


async def _put(session: aiohttp.ClientSession, path: str, body: Mapping[str, Any]) -> None:
    async with session.put(path, json=body) as answer:
        if answer.status not in (200, 201):
            raise Failed(f"PUT {path} was answered {answer.status}: {(await answer.text())[:2000]}")
