"""Ways to pay over HTTP: a link for what is owed, on the page too; signed notices become payments once, or strays."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pypdf import PdfReader

from adapters import pay_stripe, pay_url
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.store.pool import Pool
from tests.adapters import checkout as fake
from tests.gateway.api.conftest import SIRENS, Api, answered, numbered, problem, sample, serving
from tests.gateway.api.test_orders import shown

TEMPLATE = "https://pay.example/{number}?a={amount}&c={currency}&r={reference}&e={expires}&s={signature}"
KEY = b"k" * 24


@dataclass
class Till:
    """A gateway whose first two legal entities are paid by Stripe and by a signed address."""

    api: Api
    server: fake.Checkout
    key: dict[str, str]
    other: dict[str, str]

    @property
    def now(self) -> int:
        return int(self.api.resources.clock.now().timestamp())

    async def document(self, number: str = "PAY-1", who: str = "key") -> tuple[str, dict[str, Any]]:
        key = getattr(self, who)
        location = (await self.api.submit(key, numbered(number), "application/json")).headers["Location"]
        await self.api.worker.drain()
        return location, await shown(self.api, key, location, "Document")

    async def tell(self, body: bytes, *, siren: str = SIRENS[0], header: str | None = None) -> Any:
        headers = {"Stripe-Signature": header or fake.signature(body, self.now), "Content-Type": "application/json"}
        return await self.api.client.post(f"/payment-notices/{siren}", data=body, headers=headers)

    async def strays(self) -> list[dict[str, Any]]:
        found = await shown(self.api, self.key, "/v1/payment-notices?stray=true", "PaymentNotices")
        return list(found["notices"])


@pytest.fixture
async def till(pool: Pool, compute: Compute, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Till]:
    async with fake.checkout() as server:
        settings = pay_stripe.Settings(
            fake.KEY, fake.SECRET, "https://a.example/", "https://b.example/", server.address
        )
        stripe = pay_stripe.StripeCheckout(settings, frozenset({server.address.removeprefix("http://")}))
        url = pay_url.SignedUrl(pay_url.Settings(TEMPLATE, "the secret", notice_secret=KEY))
        async with serving(pool, compute, clock, tmp_path) as api:
            api.resources.providers.update({SIRENS[0]: stripe, SIRENS[1]: url})  # type: ignore[attr-defined]
            key = await api.key(await api.account())
            other = await api.key(await api.account(number=1, original="facturx"))
            yield Till(api, server, key, other)
        await stripe.close()


def cents(document: dict[str, Any]) -> int:
    return int(Decimal(document["amount_due"]) * 100)


async def test_a_link_asks_for_what_is_still_owed(till: Till) -> None:
    location, document = await till.document()
    made = await answered(await till.api.client.post(f"{location}/pay-link", headers=till.key), 201, "PayLink")
    assert made["url"].startswith("https://checkout.stripe.example/")
    assert (made["amount"], made["currency"], made["provider"]) == (document["amount_due"], "EUR", "stripe")
    assert made["reference"] == "QV-2026-0142"
    payment = {"amount": "100.00", "currency": "EUR", "paid_on": "2026-11-24"}
    await answered(await till.api.client.post(f"{location}/payments", json=payment, headers=till.key), 201)
    less = await answered(await till.api.client.post(f"{location}/pay-link", headers=till.key), 201)
    assert Decimal(made["amount"]) - Decimal(less["amount"]) == 100
    rest = {**payment, "amount": less["amount"]}
    await answered(await till.api.client.post(f"{location}/payments", json=rest, headers=till.key), 201)
    await problem(await till.api.client.post(f"{location}/pay-link", headers=till.key), 409, "conflict")
    await problem(await till.api.client.post(f"{location}/pay-link", headers=till.other), 404, "not-found")


async def test_what_was_given_up_is_not_asked_for(till: Till) -> None:
    location, document = await till.document()
    given_up = {"amount": "100.00", "currency": "EUR", "reason": "goodwill"}
    await answered(await till.api.client.post(f"{location}/write-offs", json=given_up, headers=till.key), 201)
    made = await answered(await till.api.client.post(f"{location}/pay-link", headers=till.key), 201, "PayLink")
    assert Decimal(document["amount_due"]) - Decimal(made["amount"]) == 100
    body = fake.event("checkout.session.completed", fake.paid(document["id"], cents(document)))
    assert (await answered(await till.tell(body), 200))["outcome"] == "reported"
    (notice,) = (await shown(till.api, till.key, "/v1/payment-notices", "PaymentNotices"))["notices"]
    assert notice["remark"] == "more than was owed"


async def test_a_provider_that_is_away_or_refuses_is_told(till: Till) -> None:
    location, _ = await till.document()
    till.server.status = 503
    await problem(await till.api.client.post(f"{location}/pay-link", headers=till.key), 503, "busy")
    till.server.status = 402
    await problem(await till.api.client.post(f"{location}/pay-link", headers=till.key), 409, "conflict")


async def test_nobody_who_takes_payments_means_no_link(till: Till) -> None:
    key = await till.api.key(await till.api.account(number=2))
    location = (await till.api.submit(key, numbered("X"), "application/json")).headers["Location"]
    await till.api.worker.drain()
    await problem(await till.api.client.post(f"{location}/pay-link", headers=key), 404, "not-found")


async def test_a_lasting_link_stands_on_the_page(till: Till) -> None:
    location, _ = await till.document(who="other")
    made = await answered(await till.api.client.post(f"{location}/pay-link", headers=till.other), 201, "PayLink")
    pdf = await (await till.api.client.get(f"{location}/content?as=original", headers=till.other)).read()
    links = {
        str(annotation.get_object()["/A"]["/URI"])
        for page in PdfReader(io.BytesIO(pdf)).pages
        for annotation in page.get("/Annots", [])
        if "/URI" in annotation.get_object().get("/A", {})
    }
    assert made["url"] in links


async def test_a_paid_session_is_one_payment_however_often_it_is_told(till: Till) -> None:
    location, document = await till.document()
    body = fake.event("checkout.session.completed", fake.paid(document["id"], cents(document)))
    for answer in await asyncio.gather(*(till.tell(body) for _ in range(5))):
        assert await answered(answer, 200, "NoticeTaken") == {"notice": "evt_1", "outcome": "reported"}
    twin = fake.event("checkout.session.async_payment_succeeded", fake.paid(document["id"], cents(document)), "evt_2")
    assert (await answered(await till.tell(twin), 200))["outcome"] == "reported"
    listed = await shown(till.api, till.key, "/v1/payment-notices", "PaymentNotices")
    remarks = {one["id"]: one["remark"] for one in listed["notices"]}
    assert remarks == {"evt_1": None, "evt_2": "the payment was told of before"}
    assert len({one["payment"] for one in listed["notices"]}) == 1
    payments = (await shown(till.api, till.key, f"{location}/payments"))["payments"]
    assert [(one["amount"], one["reference"]) for one in payments] == [(document["amount_due"], "stripe cs_test_1")]
    assert await till.strays() == []


async def test_more_than_is_owed_is_money_that_came_and_is_remarked(till: Till) -> None:
    location, document = await till.document()
    body = fake.event("checkout.session.completed", fake.paid(document["id"], cents(document) + 1))
    assert (await answered(await till.tell(body), 200))["outcome"] == "reported"
    (notice,) = (await shown(till.api, till.key, "/v1/payment-notices", "PaymentNotices"))["notices"]
    assert notice["remark"] == "more than was owed"
    assert len((await shown(till.api, till.key, f"{location}/payments"))["payments"]) == 1


async def test_what_cannot_be_booked_is_kept_for_a_person(till: Till) -> None:
    location, document = await till.document()
    _, foreign = await till.document(who="other")
    things = [
        fake.event("checkout.session.completed", fake.paid(str(uuid4())), "evt_a"),
        fake.event("checkout.session.completed", fake.paid("no id"), "evt_b"),
        fake.event("checkout.session.completed", fake.paid(foreign["id"], session="cs_c"), "evt_c"),
        fake.event("checkout.session.completed", fake.paid(document["id"], currency="usd", session="cs_d"), "evt_d"),
        fake.event("checkout.session.completed", fake.paid(document["id"], currency="kwd", session="cs_e"), "evt_e"),
        fake.event("charge.refunded", {"id": "ch_1", "metadata": {"document": document["id"]}}, "evt_f"),
    ]
    for body in things:
        assert (await answered(await till.tell(body), 200, "NoticeTaken"))["outcome"] == "stray"
    strays = await till.strays()
    assert {one["id"] for one in strays} == {f"evt_{letter}" for letter in "abcdef"}
    assert all(one["stray"] and one["payment"] is None for one in strays)
    assert {one["document"] for one in strays if one["id"] in ("evt_a", "evt_b", "evt_c")} == {None}
    assert (await shown(till.api, till.key, f"{location}/payments"))["payments"] == []
    looked = await till.api.client.post(f"/v1/payment-notices/{SIRENS[0]}/stripe/evt_a/looked-at", headers=till.key)
    assert (await answered(looked, 200, "PaymentNotice"))["looked_by"]
    assert len(await till.strays()) == 5
    unknown = await till.api.client.post(f"/v1/payment-notices/{SIRENS[0]}/stripe/evt_a/looked-at", headers=till.other)
    await problem(unknown, 404, "not-found")
    assert (await shown(till.api, till.other, "/v1/payment-notices"))["notices"] == []


async def test_the_same_payment_told_otherwise_is_a_stray(till: Till) -> None:
    location, document = await till.document()
    first = fake.event("checkout.session.completed", fake.paid(document["id"], 1_000))
    other = fake.event("checkout.session.completed", fake.paid(document["id"], 2_000), "evt_2")
    assert (await answered(await till.tell(first), 200))["outcome"] == "reported"
    assert (await answered(await till.tell(other), 200))["outcome"] == "stray"
    assert [one["amount"] for one in (await shown(till.api, till.key, f"{location}/payments"))["payments"]] == ["10.00"]


async def test_what_is_not_signed_changes_nothing_and_tells_nothing(till: Till) -> None:
    _, document = await till.document()
    body = fake.event("checkout.session.completed", fake.paid(document["id"]))
    wrong = [
        await till.tell(body, header="t=1,v1=00"),
        await till.tell(body, header=fake.signature(body, till.now - 301)),
        await till.tell(body, header=fake.signature(body, till.now, "other")),
        await till.tell(body, siren=SIRENS[1]),
        await till.tell(body, siren="000000000"),
    ]
    details = {(await problem(answer, 401, "unauthenticated"))["detail"] for answer in wrong}
    assert len(details) == 1
    assert (await shown(till.api, till.key, "/v1/payment-notices"))["notices"] == []
    assert (await answered(await till.tell(fake.event("customer.created", {"id": "c"})), 200))["outcome"] == "ignored"


async def test_a_notice_by_standard_webhooks_may_name_an_invoice_by_its_number(till: Till) -> None:
    from tests.adapters.test_pay import headers_of

    location, _ = await till.document("PAY-7", who="other")
    data = {"payment": "p_1", "number": "PAY-7", "amount": "10.00", "currency": "EUR", "paid_on": "2026-11-24"}
    body = json.dumps({"type": "payment.received", "data": data}).encode()
    for _ in range(2):
        headers = {**headers_of(body, at=till.now), "Content-Type": "application/json"}
        answer = await till.api.client.post(f"/payment-notices/{SIRENS[1]}", data=body, headers=headers)
        assert await answered(answer, 200, "NoticeTaken") == {"notice": "msg_1", "outcome": "reported"}
    payments = (await shown(till.api, till.other, f"{location}/payments"))["payments"]
    assert [(one["amount"], one["paid_on"]) for one in payments] == [("10.00", "2026-11-24")]


async def two_entities(till: Till) -> dict[str, tuple[str, dict[str, str]]]:
    """Two legal entities of one account, each with a key of its own for notices: a document of each, and the key."""
    found = {}
    for siren, name in ((SIRENS[0], "First"), (SIRENS[2], "Second")):
        if siren != SIRENS[0]:
            entity = {"siren": siren, "name": name}
            await answered(await till.api.client.post("/v1/account/participants", json=entity, headers=till.key), 201)
        settings = pay_url.Settings(TEMPLATE, "the secret", notice_secret=siren.encode() * 3)
        till.api.resources.providers[siren] = pay_url.SignedUrl(settings)  # type: ignore[index]
        key = {**till.key, "Organization-Id": siren}
        found[siren] = (
            (await till.api.submit(key, numbered(f"{name}-1"), "application/json")).headers["Location"],
            key,
        )
    await till.api.worker.drain()
    return found


async def told_as(till: Till, siren: str, **named: str) -> str:
    """What becomes of the first notice of a legal entity's provider."""
    from tests.adapters.test_pay import headers_of

    data = {"payment": "1", "amount": "10.00", "currency": "EUR", "paid_on": "2026-11-24", **named}
    body = json.dumps({"type": "payment.received", "data": data}).encode()
    headers = {**headers_of(body, "1", till.now, siren.encode() * 3), "Content-Type": "application/json"}
    answer = await till.api.client.post(f"/payment-notices/{siren}", data=body, headers=headers)
    return str((await answered(answer, 200, "NoticeTaken"))["outcome"])


async def test_two_legal_entities_of_an_account_may_number_their_notices_alike(till: Till) -> None:
    entities = await two_entities(till)
    for siren, (location, key) in entities.items():
        assert await told_as(till, siren, document=location.rpartition("/")[2]) == "reported"
        payments = (await shown(till.api, key, f"{location}/payments"))["payments"]
        assert [one["amount"] for one in payments] == ["10.00"]
    listed = (await shown(till.api, till.key, "/v1/payment-notices", "PaymentNotices"))["notices"]
    assert {one["participant"] for one in listed} == set(entities)


async def test_a_notice_pays_nothing_of_another_legal_entity(till: Till) -> None:
    entities = await two_entities(till)
    location, key = entities[SIRENS[2]]
    assert await told_as(till, SIRENS[0], document=location.rpartition("/")[2]) == "stray"
    assert await told_as(till, SIRENS[2], number="First-1") == "stray"
    assert (await shown(till.api, key, f"{location}/payments"))["payments"] == []
    strays = {one["participant"]: one["stray"] for one in await till.strays()}
    assert "another legal entity" in strays[SIRENS[0]]
    assert "no document" in strays[SIRENS[2]]


async def test_a_credit_note_is_not_paid(till: Till) -> None:
    location = (await till.api.submit(till.key, sample("json/credit-note.json"), "application/json")).headers[
        "Location"
    ]
    await till.api.worker.drain()
    await problem(await till.api.client.post(f"{location}/pay-link", headers=till.key), 409, "conflict")
    identifier = location.rpartition("/")[2]
    body = fake.event("checkout.session.completed", fake.paid(identifier))
    assert (await answered(await till.tell(body), 200))["outcome"] == "stray"
