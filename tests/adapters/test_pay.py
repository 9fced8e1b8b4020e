"""Ways to pay: a signed address, Stripe Checkout by its documented contract, and what they tell of payments."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters import catalogue, pay_stripe, pay_url
from adapters.port import Payable, Refused, Unreachable
from tests.adapters import checkout as fake

NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
DOCUMENT = "01a212f7-e40a-7e85-895e-e9edf581760d"
ASKED = Payable(DOCUMENT, "F 2026/1&x", Decimal("1234.5"), "EUR", "RF18F2026")
TEMPLATE = "https://pay.example/i/{number}?a={amount}&c={currency}&r={reference}&d={document}&e={expires}&s={signature}"
KEY = b"k" * 24


def signed_url(**more: Any) -> pay_url.SignedUrl:
    return pay_url.SignedUrl(pay_url.Settings(TEMPLATE, "the secret", **{"notice_secret": KEY, **more}))


def headers_of(body: bytes, identifier: str = "msg_1", at: int = AT, key: bytes = KEY) -> dict[str, str]:
    signed = hmac.new(key, f"{identifier}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": identifier,
        "webhook-timestamp": str(at),
        "webhook-signature": "v1,AAAA v1," + base64.b64encode(signed).decode(),
    }


async def test_a_link_bears_what_is_asked_for_and_a_signature_over_it() -> None:
    made = await signed_url(days=30).link(ASKED, NOW)
    assert made.expires_at == datetime(2026, 12, 25, tzinfo=UTC)
    parts = urlsplit(made.url)
    assert parts.path == "/i/F%202026%2F1%26x"
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (query["a"], query["c"], query["r"], query["d"]) == ("1234.50", "EUR", "RF18F2026", DOCUMENT)
    said = "\n".join(("F 2026/1&x", query["a"], query["c"], query["r"], query["e"]))
    assert query["s"] == hmac.new(b"the secret", said.encode(), hashlib.sha256).hexdigest()
    assert int(query["e"]) == int(made.expires_at.timestamp())
    assert await signed_url(days=30).link(ASKED, NOW + timedelta(hours=3)) == made
    assert signed_url(days=30).printed(replace(ASKED, amount=Decimal(1)), NOW) != made


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("http://pay.example/{amount}", "https://"),
        ("https://{number}.example/", "https://"),
        ("https://me@pay.example/", "https://"),
        ("https://pay.example/{iban}", "places"),
        ("https://pay.example/{amount}{currency}{expires}", "signature"),
        (3, "https://"),
    ],
)
def test_a_template_that_could_mislead_is_refused(template: object, says: str) -> None:
    assert says in pay_url.complaint(template)
    assert pay_url.complaint(TEMPLATE) == ""


def notice(**data: Any) -> bytes:
    members = {"payment": "p_1", "document": DOCUMENT, "amount": "120.00", "currency": "EUR", "paid_on": "2026-11-25"}
    return json.dumps({"type": "payment.received", "data": {**members, **data}}).encode()


def test_a_signed_notice_is_read_and_another_kind_is_no_payment() -> None:
    body = notice()
    told = signed_url().notice(headers_of(body), body, NOW)
    assert told is not None
    assert (told.id, told.payment, told.document, told.amount, told.currency, told.paid_on, told.stray) == (
        "msg_1", "p_1", DOCUMENT, Decimal("120.00"), "EUR", date(2026, 11, 25), "",
    )  # fmt: skip
    other = b'{"type": "customer.created", "data": {}}'
    assert signed_url().notice(headers_of(other), other, NOW) is None


@pytest.mark.parametrize("value", ["-1", "1e3", "NaN", "1.234", None, [], True, "", "120,00"])
def test_an_amount_that_cannot_be_read_makes_a_stray(value: object) -> None:
    body = notice(amount=value)
    told = signed_url().notice(headers_of(body), body, NOW)
    assert told is not None
    assert (told.amount, bool(told.stray)) == (None, True)


BODY = notice()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**headers_of(BODY), "webhook-signature": "v1,AAAA"},
        {**headers_of(BODY), "webhook-signature": "v1,\udcff v1,é"},
        {**headers_of(BODY), "webhook-id": "msg_\udcff"},
        {**headers_of(BODY), "webhook-timestamp": "\udcff"},
        {**headers_of(BODY), "webhook-id": "msg_2"},
        {**headers_of(BODY), "webhook-timestamp": str(AT + 1)},
        headers_of(BODY, at=AT - 301),
        headers_of(BODY, at=AT + 301),
        headers_of(BODY, key=b"x" * 24),
        {**headers_of(BODY), "webhook-signature": headers_of(BODY)["webhook-signature"].replace("v1,", "v2,")},
    ],
)
def test_what_is_not_signed_as_agreed_is_refused(headers: Mapping[str, str]) -> None:
    with pytest.raises(Refused):
        signed_url().notice(headers, BODY, NOW)
    with pytest.raises(Refused):
        signed_url(notice_secret=b"").notice(headers_of(BODY), BODY, NOW)


# Stripe ---------------------------------------------------------------------------------------------------------------


def stripe(server: fake.Checkout) -> pay_stripe.StripeCheckout:
    back = ("https://us.example/paid", "https://us.example/later")
    settings = pay_stripe.Settings(fake.KEY, fake.SECRET, *back, server.address)
    return pay_stripe.StripeCheckout(settings, frozenset({server.address.removeprefix("http://")}))


async def test_a_session_is_made_once_for_the_same_invoice_and_amount() -> None:
    async with fake.checkout() as server:
        provider = stripe(server)
        made = await provider.link(ASKED, NOW)
        again = await provider.link(ASKED, NOW + timedelta(hours=9))
        assert made == again
        assert made.url == "https://checkout.stripe.example/c/pay/cs_test_1"
        assert timedelta(minutes=30) <= made.expires_at - NOW <= timedelta(hours=24)
        assert len(server.sessions) == 1
        ((body, _),) = server.sessions.values()
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        assert form["mode"] == "payment"
        assert form["client_reference_id"] == form["metadata[document]"] == DOCUMENT
        assert form["line_items[0][price_data][unit_amount]"] == "123450"
        assert form["line_items[0][price_data][currency]"] == "eur"
        assert form["line_items[0][quantity]"] == "1"
        assert server.heads[0]["stripe-version"] == pay_stripe.VERSION
        await provider.link(replace(ASKED, amount=Decimal(5)), NOW)
        await provider.link(ASKED, NOW + timedelta(hours=12))
        assert len(server.sessions) == 3
        assert provider.printed(ASKED, NOW) is None
        await provider.close()


@pytest.mark.parametrize(("status", "kind"), [(401, Refused), (402, Refused), (409, Unreachable), (429, Unreachable),
                                              (500, Unreachable), (503, Unreachable)])  # fmt: skip
async def test_what_the_provider_answers_is_never_or_not_now(status: int, kind: type[Exception]) -> None:
    async with fake.checkout() as server:
        server.status = status
        provider = stripe(server)
        with pytest.raises(kind) as raised:
            await provider.link(ASKED, NOW)
        assert "Mrs X" not in str(raised.value)
        if isinstance(raised.value, Unreachable):
            assert raised.value.retry_in == timedelta(seconds=7)
        await provider.close()


@pytest.mark.parametrize(
    "changes", [{"amount_total": 1}, {"currency": "usd"}, {"url": "http://x.example/"}, {"url": None}]
)
async def test_a_session_that_asks_for_something_else_is_not_handed_on(changes: dict[str, Any]) -> None:
    async with fake.checkout() as server:
        server.changes = changes
        provider = stripe(server)
        with pytest.raises(Refused):
            await provider.link(ASKED, NOW)
        await provider.close()


def told(body: bytes, header: str | None = None, now: datetime = NOW) -> Any:
    provider = pay_stripe.StripeCheckout(pay_stripe.Settings(fake.KEY, fake.SECRET, "https://a/", "https://b/"))
    return provider.notice({"stripe-signature": fake.signature(body, AT) if header is None else header}, body, now)


def test_a_paid_session_is_a_payment_and_an_unpaid_one_is_not_yet() -> None:
    body = fake.event("checkout.session.completed", fake.paid(DOCUMENT))
    found = told(body)
    assert (found.id, found.payment, found.document, found.amount, found.currency) == (
        "evt_1", "cs_test_1", DOCUMENT, Decimal("120.00"), "EUR",
    )  # fmt: skip
    assert found.paid_on == datetime.fromtimestamp(1_795_600_800, UTC).date()
    unpaid = {**fake.paid(DOCUMENT), "payment_status": "unpaid"}
    assert told(fake.event("checkout.session.completed", unpaid)) is None
    assert told(fake.event("customer.created", {"id": "cus_1"})) is None
    later = fake.event("checkout.session.async_payment_succeeded", fake.paid(DOCUMENT), "evt_2")
    assert told(later).payment == "cs_test_1"


@pytest.mark.parametrize("kind", ["charge.refunded", "charge.dispute.created", "checkout.session.async_payment_failed"])
def test_money_that_goes_back_waits_for_a_person(kind: str) -> None:
    found = told(fake.event(kind, {"id": "ch_1", "payment_intent": "pi_1", "metadata": {"document": DOCUMENT}}))
    assert (found.document, found.payment, bool(found.stray)) == (DOCUMENT, "pi_1", True)


@pytest.mark.parametrize(
    ("units", "currency", "amount"),
    [(12345, "eur", "123.45"), (12345, "jpy", "12345"), (12345, "kwd", None), (True, "eur", None), (-5, "eur", None),
     ("12345", "eur", None), (10**18, "eur", None), (12345, "", None)],
)  # fmt: skip
def test_the_smallest_units_of_currencies_are_not_all_hundredths(units: Any, currency: str, amount: str | None) -> None:
    thing = {**fake.paid(DOCUMENT), "amount_total": units, "currency": currency}
    found = told(fake.event("checkout.session.completed", thing))
    assert found.amount == (None if amount is None else Decimal(amount))
    assert bool(found.stray) == (amount is None)


def test_an_amount_that_a_currency_does_not_have_is_not_asked_for() -> None:
    assert pay_stripe.minor(Decimal("12.34"), "EUR") == 1234
    assert pay_stripe.minor(Decimal(12), "JPY") == 12
    for amount, currency in (
        (Decimal("0.5"), "JPY"),
        (Decimal(0), "EUR"),
        (Decimal("1.001"), "EUR"),
        (Decimal(1), "KWD"),
    ):
        with pytest.raises(Refused):
            pay_stripe.minor(amount, currency)


EVENT = fake.event("checkout.session.completed", fake.paid(DOCUMENT))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1",
        fake.signature(EVENT, AT, "other"),
        fake.signature(EVENT, AT, scheme="v0"),
        fake.signature(EVENT, AT - 301),
        fake.signature(EVENT, AT + 301),
        fake.signature(EVENT + b" ", AT),
        fake.signature(EVENT, AT).replace(f"t={AT}", f"t={AT + 1}"),
        f"t={AT},{fake.signature(EVENT, AT)}",
        f"t={AT},v1=\udcff{fake.signature(EVENT, AT)[-63:]}",
        f"t={AT},v1=é",
        "t=\udcff,v1=\udcff",
    ],
)
def test_an_event_that_is_not_signed_or_too_old_is_refused(header: str) -> None:
    with pytest.raises(Refused):
        told(EVENT, header)


def test_one_right_signature_among_several_is_enough_while_a_secret_is_rolled() -> None:
    old = fake.signature(EVENT, AT, "former").partition(",")[2]
    assert told(EVENT, f"{fake.signature(EVENT, AT)},{old}").id == "evt_1"
    for body in (b"", b"[]", b"{}", b'{"id": "e", "type": "t", "data": 3}'):
        with pytest.raises(Refused):
            told(body)


# The operator's file --------------------------------------------------------------------------------------------------


def written(folder: Path, entries: object) -> dict[str, str]:
    for name, text in (
        ("url.secret", "s" * 32),
        ("stripe.key", fake.KEY),
        ("notices", "whsec_" + base64.b64encode(KEY).decode()),
    ):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    (folder / "pay.json").write_text(json.dumps(entries))
    return {catalogue.PAY_NAME: str(folder / "pay.json")}


URL_ENTRY = {"participant": "404833048", "provider": "url", "template": TEMPLATE, "secret_file": "url.secret",
             "notice_secret_file": "notices"}  # fmt: skip
STRIPE_ENTRY = {"participant": "732829320", "provider": "stripe", "key_file": "stripe.key",
                "notice_secret_file": "notices", "success_url": "https://us.example/paid",
                "cancel_url": "https://us.example/"}  # fmt: skip


def test_each_legal_entity_has_its_own_provider(tmp_path: Path) -> None:
    found, problems = catalogue.providers(written(tmp_path, [URL_ENTRY, STRIPE_ENTRY]))
    assert problems == ()
    assert {siren: one.name for siren, one in found.items()} == {"404833048": "url", "732829320": "stripe"}
    assert catalogue.providers({}) == ({}, ())


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({}, "a list"),
        ([3], "a list"),
        ([{**URL_ENTRY, "participant": "x"}], "SIREN"),
        ([URL_ENTRY, URL_ENTRY], "once"),
        ([{**URL_ENTRY, "provider": "cash"}], "provider is"),
        ([{**URL_ENTRY, "days": 0}], "days"),
        ([{**URL_ENTRY, "colour": 1}], "colour"),
        ([{**URL_ENTRY, "secret_file": "none"}], "cannot be read"),
        ([{**URL_ENTRY, "notice_secret_file": "url.secret"}], "whsec_"),
        ([{**STRIPE_ENTRY, "success_url": "http://x"}], "success_url"),
        ([{**STRIPE_ENTRY, "url": "http://10.0.0.1"}], "url"),
        ([{**STRIPE_ENTRY, "key_file": "none"}], "key_file"),
    ],
)
def test_every_fault_of_the_file_is_told_at_start(tmp_path: Path, entries: object, says: str) -> None:
    _, problems = catalogue.providers(written(tmp_path, entries))
    assert any(says in one.says for one in problems)
    assert all(one.setting.startswith("ESTAFETTE_PAY_FILE") for one in problems)
