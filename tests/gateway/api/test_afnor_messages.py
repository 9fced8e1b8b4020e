"""Status messages that an account's own software writes and hands in as flows."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.store import accounts
from gateway.store.accounts import Account
from gateway.store.identifiers import new_id
from tests.gateway.api.conftest import Api, sample
from tests.gateway.api.test_afnor_flows import CII, FLOWS, answered, hand_in, refused

APPROVED, REFUSED = sample("cdar/approved.xml"), sample("cdar/refused.xml")
BUYER, SELLER, OTHER = "812046373", "523847192", "404833048"


async def account_of(api: Api, siren: str) -> Account:
    """A new account of a legal entity."""
    now = api.resources.clock.now()
    made = {"name": siren, "siren": siren, "french": False, "original": "as_submitted", "now": now}
    return await accounts.create(api.resources.pool, new_id(now), **made)


async def received(api: Api, key: dict[str, str]) -> str:
    """The invoice that the messages speak of, as it came to its buyer."""
    headers = {**key, "Content-Type": "application/xml"}
    document = await answered(await api.client.post("/v1/inbound", data=CII, headers=headers), 202)
    await api.worker.drain()
    return str(document["id"])


async def say(api: Api, key: dict[str, str], data: bytes = APPROVED, **info: Any) -> Any:
    """Hand a message in."""
    return await hand_in(api, key, data, flowSyntax="CDAR", **info)


async def test_a_buyer_says_what_it_thinks(api: Api) -> None:
    key = await api.key(await account_of(api, BUYER))
    invoice = await received(api, key)
    taken = await answered(await say(api, key, trackingId="t"), 202)
    assert taken["flowSyntax"] == "CDAR"
    assert await answered(await say(api, key, trackingId="t"), 202) == taken
    await refused(await say(api, key), 422, "AlreadyExistingFlow")
    shown = await answered(await api.client.get(f"/v1/documents/{invoice}", headers=key))
    assert shown["status"] == "approved"
    await api.worker.drain()
    flow = await answered(await api.client.get(f"{FLOWS}/{taken['flowId']}", headers=key))
    assert (flow["flowType"], flow["flowDirection"]) == ("SupplierInvoiceLC", "Out")
    assert flow["acknowledgement"]["status"] == "Ok", flow
    original = await api.client.get(f"{FLOWS}/{taken['flowId']}?docType=Original", headers=key)
    assert await original.read() == APPROVED
    for wanted in ("Converted", "ReadableView"):
        answer = await api.client.get(f"{FLOWS}/{taken['flowId']}?docType={wanted}", headers=key)
        await refused(answer, 404, "MISSING_RESOURCE")
    found = await api.client.post(f"{FLOWS}/search", json={"where": {"flowType": ["SupplierInvoiceLC"]}}, headers=key)
    assert [one["flowId"] for one in (await answered(found))["results"]] == [taken["flowId"]]


async def test_what_contradicts_is_refused_with_its_reason(api: Api) -> None:
    key = await api.key(await account_of(api, BUYER))
    await refused(await say(api, key), 422, "InvoiceLCRuleError")  # nothing is known of the invoice
    await received(api, key)
    await refused(await say(api, key, sample("cdar/no-code.xml")), 422, "InvalidSchema")
    other = APPROVED.replace(b"QV-2026-0142</", b"QV-2026-0143</")
    await refused(await say(api, key, other), 422, "InvoiceLCRuleError")
    await answered(await say(api, key), 202)
    says = await refused(await say(api, key, REFUSED), 422, "InvoiceLCInvalidStatus")
    assert "approved" in says["details"]


async def test_nobody_speaks_for_the_other_side(api: Api) -> None:
    key = await api.key(await account_of(api, SELLER))
    await answered(await hand_in(api, key), 202)
    await api.worker.drain()
    await refused(await say(api, key), 422, "InvoiceLCAccessDenied")
    as_seller = APPROVED.replace(f">{BUYER}<".encode(), f">{SELLER}<".encode()).replace(b">BY<", b">SE<")
    await refused(await say(api, key, as_seller), 422, "InvoiceLCAccessDenied")


async def test_one_legal_entity_of_an_account_does_not_speak_for_another(api: Api) -> None:
    account = await account_of(api, BUYER)
    now = api.resources.clock.now()
    await accounts.add_participant(api.resources.pool, account.id, siren=OTHER, name="Other", now=now)
    key = await api.key(account)
    invoice = await received(api, key)
    as_other = APPROVED.replace(f">{BUYER}<".encode(), f">{OTHER}<".encode())
    assert as_other != APPROVED
    await refused(await say(api, key, as_other), 422, "InvoiceLCAccessDenied")
    shown = await answered(await api.client.get(f"/v1/documents/{invoice}", headers=key))
    assert shown["status"] is None
    await answered(await say(api, key), 202)


async def test_the_same_message_twice_at_once_is_said_once(api: Api) -> None:
    key = await api.key(await account_of(api, BUYER))
    invoice = await received(api, key)
    answers = await asyncio.gather(*(say(api, key, trackingId="t") for _ in range(8)))
    taken = [await answered(answer, 202) for answer in answers]
    assert len({flow["flowId"] for flow in taken}) == 1
    events = (await answered(await api.client.get(f"/v1/documents/{invoice}/events", headers=key)))["events"]
    assert [event["facts"]["status"] for event in events if event["outcome"] == "status"] == ["approved"]


async def test_an_answer_changes_no_acknowledgement(api: Api) -> None:
    """Who refuses an invoice has received it all the same; what the account says itself does not come in."""
    key = await api.key(await account_of(api, BUYER))
    invoice = await received(api, key)
    await answered(await say(api, key, REFUSED), 202)
    await api.worker.drain()
    shown = await answered(await api.client.get(f"/v1/documents/{invoice}", headers=key))
    assert shown["halted"] is not None
    found = await api.client.post(f"{FLOWS}/search", json={"where": {"flowDirection": ["In"]}}, headers=key)
    told = [(flow["flowId"], flow["acknowledgement"]["status"]) for flow in (await answered(found))["results"]]
    assert told == [(invoice, "Ok")]


async def test_an_invalid_invoice_is_refused_beside_no_valid_one(api: Api) -> None:
    """One that breaks rules can be refused; once a valid one of its name is there, a message speaks of that."""
    key = await api.key(await account_of(api, BUYER))
    headers = {**key, "Content-Type": "application/xml"}
    broken = CII.replace(b">EUR</ram:InvoiceCurrencyCode>", b">XYZ</ram:InvoiceCurrencyCode>")
    assert broken != CII
    invalid = await answered(await api.client.post("/v1/inbound", data=broken, headers=headers), 202)
    await api.worker.drain()
    shown = await answered(await api.client.get(f"/v1/documents/{invalid['id']}", headers=key))
    assert shown["halted"]["reason"] == "the document breaks rules"
    await refused(await say(api, key), 422, "InvoiceLCInvalidStatus")  # it can only be refused
    invoice = await received(api, key)
    twice = await answered(await api.client.post("/v1/inbound", data=broken + b"\n", headers=headers), 202)
    await api.worker.drain()
    await answered(await say(api, key, trackingId="a"), 202)
    told = [(await answered(await api.client.get(f"/v1/documents/{one}", headers=key)))["status"]
            for one in (invalid["id"], invoice, twice["id"])]  # fmt: skip
    assert told == [None, "approved", None]


async def test_an_invalid_invoice_alone_is_refused(api: Api) -> None:
    key = await api.key(await account_of(api, BUYER))
    headers = {**key, "Content-Type": "application/xml"}
    broken = CII.replace(b">EUR</ram:InvoiceCurrencyCode>", b">XYZ</ram:InvoiceCurrencyCode>")
    invalid = await answered(await api.client.post("/v1/inbound", data=broken, headers=headers), 202)
    await api.worker.drain()
    await answered(await say(api, key, REFUSED), 202)
    shown = await answered(await api.client.get(f"/v1/documents/{invalid['id']}", headers=key))
    assert shown["status"] == "refused"


async def test_what_is_said_over_our_own_api_is_a_flow(api: Api) -> None:
    key = await api.key(await account_of(api, BUYER))
    invoice = await received(api, key)
    said = await api.client.post(f"/v1/documents/{invoice}/statuses", json={"status": "approved"}, headers=key)
    assert said.status in (201, 202), await said.text()
    await api.worker.drain()
    found = await api.client.post(f"{FLOWS}/search", json={"where": {"flowType": ["SupplierInvoiceLC"]}}, headers=key)
    (flow,) = (await answered(found))["results"]
    assert (flow["flowDirection"], flow["flowSyntax"], flow["flowProfile"]) == ("Out", "CDAR", "Undefined")
    assert flow["name"].startswith("QV-2026-0142_205_")
