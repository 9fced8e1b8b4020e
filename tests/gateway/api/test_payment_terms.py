"""Payment terms over HTTP: they complete what is handed in as JSON or ordered, are judged, and change nothing given."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from gateway.clock import SettableClock
from schemas import json_form
from schemas.catalogue import FORMATS
from schemas.remittance import is_reference
from tests.gateway.api.conftest import Api, answered, problem, sample
from tests.gateway.api.test_orders import PAYMENT, deliver, kept, shown

ADDRESS = "/v1/payment-terms"
BUYER = "812046373"
OWN = f"/v1/customers/{BUYER}/payment-terms"
LACKING = ("due_date", "payment_terms", "notes", "payment")


def bare(number: str = "QV-1", **more: Any) -> bytes:
    """The sample invoice without anything that terms fill in."""
    members = {name: value for name, value in json.loads(sample("json/invoice-simple.json")).items()
               if name not in LACKING}  # fmt: skip
    notes = [{"subject": "BAR", "text": "B2B"}]
    payment = {"means_code": "30", **PAYMENT}
    return json.dumps({**members, "number": number, "notes": notes, "payment": payment, **more}).encode()


async def walked(api: Api, key: dict[str, str], data: bytes) -> tuple[str, dict[str, Any]]:
    location = (await api.submit(key, data, "application/json")).headers["Location"]
    await api.worker.drain()
    return location, await shown(api, key, location, "Document")


async def told(api: Api, key: dict[str, str], location: str) -> dict[str, Any]:
    """What the event of parsing says of payment terms."""
    events = (await shown(api, key, f"{location}/events"))["events"]
    found: dict[str, Any] = next(one["facts"] for one in events if one["stage"] == "parsed").get("payment_terms", {})
    return found


async def test_terms_are_set_read_and_taken_back_by_each_account_alone(api: Api) -> None:
    key, other = await api.key(await api.account()), await api.key(await api.account(number=1))
    nothing: dict[str, Any] = {"account": None, "customers": [], "after": None}
    assert await shown(api, key, ADDRESS, "PaymentTermsList") == nothing
    wish = {"days": 45, "end_of_month": "before", "late_rate": "12.00", "discount": {"percentage": 2, "days": 8}}
    set_ = await answered(await api.client.put(ADDRESS, json=wish, headers=key), 200, "PaymentTermsSet")
    assert set_["terms"] == {
        "counted_from": "invoice", "days": "45", "end_of_month": "before", "late_rate": "12.00", "law": "business",
        "discount": {"percentage": "2", "days": "8"},
    }  # fmt: skip
    assert set_["findings"] == []
    assert (await api.client.put(OWN, json={"days": 10}, headers=key)).status == 200
    listed = await shown(api, key, ADDRESS, "PaymentTermsList")
    assert listed["account"] == set_["terms"]
    assert [one["customer"] for one in listed["customers"]] == [BUYER]
    assert (await shown(api, key, OWN, "CustomerTerms"))["own"]
    assert await shown(api, other, ADDRESS) == nothing
    await problem(await api.client.get(OWN, headers=other), 404, "not-found")
    assert (await api.client.delete(OWN, headers=key)).status == 204
    assert (await shown(api, key, OWN, "CustomerTerms"))["terms"] == set_["terms"]
    assert (await api.client.delete(ADDRESS, headers=key)).status == 204
    assert await shown(api, key, ADDRESS) == nothing


async def test_customers_are_listed_page_by_page(api: Api) -> None:
    key = await api.key(await api.account())
    for name in ("a", "b", "c"):
        assert (await api.client.put(f"/v1/customers/{name}/payment-terms", json={}, headers=key)).status == 200
    first = await shown(api, key, f"{ADDRESS}?limit=2", "PaymentTermsList")
    rest = await shown(api, key, f"{ADDRESS}?limit=2&after={first['after']}", "PaymentTermsList")
    assert [one["customer"] for one in first["customers"] + rest["customers"]] == ["a", "b", "c"]
    assert rest["after"] is None


@pytest.mark.parametrize(
    ("body", "path"),
    [({"days": 400}, "/days"), ({"day": 30}, "/day"), ({"law": "none"}, "/law"), ({"discount": 2}, "/discount")],
)
async def test_what_cannot_be_set_is_named_and_changes_nothing(api: Api, body: dict[str, Any], path: str) -> None:
    key = await api.key(await api.account())
    refused = await problem(await api.client.put(ADDRESS, json=body, headers=key), 400, "malformed")
    assert path in [one.get("path") for one in refused["findings"]]
    assert (await shown(api, key, ADDRESS))["account"] is None


async def test_terms_beyond_the_law_are_set_with_a_warning(api: Api) -> None:
    key = await api.key(await api.account())
    set_ = await answered(await api.client.put(ADDRESS, json={"days": 90, "late_rate": 5}, headers=key), 200)
    assert [one["rule"] for one in set_["findings"]] == ["HOUSE-TERMS-PERIOD", "HOUSE-TERMS-RATE"]
    assert all(one["severity"] == "warning" and one["fix"] for one in set_["findings"])


async def test_an_invoice_that_lacks_them_is_completed_and_accepted(api: Api) -> None:
    key = await api.key(await api.account(french=True))
    _, refused = await walked(api, key, bare("QV-0"))
    assert refused["halted"]["reason"] == "the document breaks rules"
    await answered(await api.client.put(ADDRESS, json={"days": 30}, headers=key), 200)
    await answered(await api.client.put(OWN, json={"days": 45, "languages": ["en"]}, headers=key), 200)
    data = bare("QV-1")
    location, document = await walked(api, key, data)
    assert document["halted"] is None
    assert document["due_date"] == "2026-10-29"
    assert await told(api, key, location) == {
        "of": "customer",
        "filled": ["BT-9", "BT-20", "PMT", "PMD", "AAB", "BT-83"],
    }
    submitted = await (await api.client.get(f"{location}/content?as=submission", headers=key)).read()
    assert submitted == data
    as_json = json.loads(await (await api.client.get(f"{location}/content?as=json", headers=key)).read())
    assert as_json["payment_terms"] == "Payment within 45 days from the invoice date: by 2026-10-29."
    cii = await (await api.client.get(f"{location}/content?as=cii", headers=key)).read()
    invoice = FORMATS["cii"].read(cii).invoice
    assert invoice.payment is not None
    assert is_reference(invoice.payment.remittance)
    assert {note.subject for note in invoice.notes} == {"BAR", "PMT", "PMD", "AAB"}


async def test_what_an_invoice_says_itself_stays_and_what_differs_is_told(api: Api) -> None:
    key = await api.key(await api.account(french=True))
    await answered(await api.client.put(ADDRESS, json={"days": 30}, headers=key), 200)
    location, document = await walked(api, key, bare("QV-2", due_date="2026-12-31"))
    assert document["due_date"] == "2026-12-31"
    facts = await told(api, key, location)
    assert "BT-9" not in facts["filled"]
    assert [(one["rule"], one["found"], one["expected"]) for one in facts["findings"]] == [
        ("HOUSE-TERMS-DUE", "2026-12-31", "2026-10-14"),
        ("HOUSE-TERMS-PERIOD", "2026-12-31", "2026-11-13 or earlier"),
    ]
    whole = sample("json/invoice-simple.json")
    location, document = await walked(api, key, whole)
    assert await told(api, key, location) == {}
    assert [one["role"] for one in document["contents"]].count("data") == 0


async def test_what_is_handed_in_as_xml_is_never_completed(api: Api) -> None:
    key = await api.key(await api.account(french=True))
    await answered(await api.client.put(ADDRESS, json={"days": 30}, headers=key), 200)
    cii = FORMATS["cii"].write(json_form.read(bare("QV-3")))
    location = (await api.submit(key, cii)).headers["Location"]
    await api.worker.drain()
    assert (await shown(api, key, location))["halted"]["reason"] == "the document breaks rules"


async def test_a_delivery_is_invoiced_by_the_terms_of_its_buyer(api: Api) -> None:
    key = await api.key(await api.account(french=True))
    order = await kept(api, key)
    said = {"payment": PAYMENT, "notes": [{"subject": "BAR", "text": "B2B"}]}
    body = {"date": "2026-11-23", "invoice": said}
    lacking = await problem(await deliver(api, key, order, body), 422, "rejected")
    assert {one["rule"] for one in lacking["findings"]} >= {"BR-FR-05_BT-22_PMT", "BR-FR-05_BT-22_PMD"}
    await answered(await api.client.put(ADDRESS, json={"days": 75}, headers=key), 200)
    made = await answered(await deliver(api, key, order, body), 201, "OrderDelivery")
    assert [one["rule"] for one in made["remarks"] if "TERMS" in one["rule"]] == [
        "DELIVERY-TERMS",
        "HOUSE-TERMS-PERIOD",
    ]
    await api.worker.drain()
    document = await shown(api, key, made["links"]["document"], "Document")
    assert document["halted"] is None
    assert document["due_date"] == "2027-02-07"
    facts = await told(api, key, made["links"]["document"])
    assert facts["filled"] == ["BT-83"]  # the rest stood in the drafted invoice already


async def test_interest_is_calculated_on_what_was_unpaid(api: Api, clock: SettableClock) -> None:
    """Due 14 October 2026: from the day after, at the rate of the second half of 2026."""
    key = await api.key(await api.account())
    location, document = await walked(api, key, sample("json/invoice-simple.json"))
    due = document["amount_due"]
    address = f"{location}/interest"
    made = await shown(api, key, f"{address}?until=2026-11-13", "Interest")
    assert [(row["from"], row["to"], row["days"], row["rate"], row["base"]) for row in made["rows"]] == [
        ("2026-10-15", "2026-11-13", 30, "12.40", due)
    ]
    assert made["indemnity"] == {"amount": "40.00", "currency": "EUR"}
    paid = {"amount": "1000.00", "currency": "EUR", "paid_on": "2026-10-24"}
    await answered(await api.client.post(f"{location}/payments", json=paid, headers=key), 201)
    made = await shown(api, key, f"{address}?until=2026-11-13&rate=10", "Interest")
    assert [(row["days"], row["rate"]) for row in made["rows"]] == [(10, "10"), (20, "10")]
    assert (await shown(api, key, f"{address}?until=2026-10-14", "Interest"))["total"] == due
    assert (await shown(api, key, address, "Interest"))["until"] == "2026-11-24"
    clock.advance(timedelta(hours=11, minutes=30))  # it is the next day in Paris, and not yet in UTC
    assert (await shown(api, key, address, "Interest"))["until"] == "2026-11-25"
    await answered(await api.client.put(OWN, json={"law": "public"}, headers=key), 200)
    public = await shown(api, key, f"{address}?until=2026-11-13", "Interest")
    assert {(row["rate"], row["basis"]) for row in public["rows"]} == {("10.40", "public")}


async def test_interest_that_cannot_be_known_is_refused(api: Api) -> None:
    key = await api.key(await api.account())
    location, _ = await walked(api, key, sample("json/invoice-simple.json"))
    refused = await problem(await api.client.get(f"{location}/interest?until=2027-01-01", headers=key), 409, "conflict")
    assert "2027-01-01" in refused["detail"]
    for query in ("until=2026-13-01", "rate=1e3", "since=2026-01-01"):
        await problem(await api.client.get(f"{location}/interest?{query}", headers=key), 400, "malformed")
    note, _ = await walked(api, key, sample("json/credit-note.json"))
    await problem(await api.client.get(f"{note}/interest", headers=key), 409, "conflict")


async def test_no_interest_is_claimed_of_a_consumer(api: Api) -> None:
    """L441-10 and D441-5 hold between professionals."""
    key = await api.key(await api.account())
    await answered(await api.client.put(ADDRESS, json={"days": 30}, headers=key), 200)
    buyer = {"name": "Camille Martin", "address": {"line1": "1 rue", "city": "Nantes", "country": "FR"}}
    location, document = await walked(api, key, bare("QV-C", buyer=buyer, notes=[]))
    assert document["due_date"] == "2026-10-14"
    assert {"PMT", "PMD"}.isdisjoint((await told(api, key, location))["filled"])
    refused = await problem(await api.client.get(f"{location}/interest", headers=key), 409, "conflict")
    assert "consumer" in refused["detail"]
    assert "professionnels" in refused["detail"]


async def test_interest_is_refused_where_something_was_given_up(api: Api) -> None:
    key = await api.key(await api.account())
    location, _ = await walked(api, key, sample("json/invoice-simple.json"))
    given_up = {"amount": "10.00", "currency": "EUR", "reason": "goodwill"}
    await answered(await api.client.post(f"{location}/write-offs", json=given_up, headers=key), 201)
    refused = await problem(await api.client.get(f"{location}/interest", headers=key), 409, "conflict")
    assert "write-off" in refused["detail"]
    taken_back = {**given_up, "amount": "-10.00"}
    await answered(await api.client.post(f"{location}/write-offs", json=taken_back, headers=key), 201)
    assert (await shown(api, key, f"{location}/interest", "Interest"))["rows"]


async def test_terms_of_a_company_hold_whatever_it_is_named_by(api: Api) -> None:
    """They are set for the SIREN, as /v1/customers shows it; an invoice may name it by VAT number or SIRET."""
    key = await api.key(await api.account())
    await answered(await api.client.put(ADDRESS, json={"days": 30}, headers=key), 200)
    await answered(await api.client.put(OWN, json={"days": 10}, headers=key), 200)
    buyer = {name: value for name, value in json.loads(sample("json/invoice-simple.json"))["buyer"].items()
             if name not in ("ids", "legal_id")}  # fmt: skip
    by_siret = {
        **{name: value for name, value in buyer.items() if name != "vat_id"},
        "ids": [{"value": f"{BUYER}00013", "scheme": "0009"}],
    }
    for number, named in (("QV-V", buyer), ("QV-S", by_siret)):
        location, document = await walked(api, key, bare(number, buyer=named))
        assert document["due_date"] == "2026-09-24", document["halted"]
        assert (await told(api, key, location))["of"] == "customer"
    vat = f"/v1/customers/{buyer['vat_id']}/payment-terms"
    await answered(await api.client.put(vat, json={"days": 20}, headers=key), 200)
    assert (await walked(api, key, bare("QV-W", buyer=buyer)))[1]["due_date"] == "2026-10-04"
    assert (await walked(api, key, bare("QV-X", buyer=by_siret)))[1]["due_date"] == "2026-09-24"


async def test_the_known_rates_are_told(api: Api) -> None:
    key = await api.key(await api.account())
    found = await shown(api, key, "/v1/late-payment-rates", "LateRates")
    assert found["rates"][0] == {
        "half_year": "2026-07-01", "refinancing": "2.40", "legal": "2.75", "default": "12.40", "floor": "8.25",
        "public": "10.40",
    }  # fmt: skip
