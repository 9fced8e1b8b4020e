"""Stripe Checkout: a page to pay by card and more, made for one invoice, and what Stripe tells of its payments.

By the documented contract: POST /v1/checkout/sessions, a form, with an Idempotency-Key that is the same for the same
invoice and amount within half a day, so that who follows a link twice comes to one page; the session ends at the latest
a day after it was made. Notices bear `Stripe-Signature: t=…,v1=…`, HMAC-SHA256 over time and body, and are believed for
five minutes. Only a session that is paid is a payment; refunds and disputes wait for a person.

A session lives for a day, so its link stands in answers and letters and never on the page of an invoice.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from adapters.http import Client, Request, complaint, members_of
from adapters.port import Payable, PayLink, PaymentNotice, Problem, Refused, Unreachable, read_secret

NAME = "stripe"
URL = "https://api.stripe.com"
VERSION = "2024-06-20"
"""Of the API, as its documentation names it: answers and notices keep their shape."""
TOLERANCE = timedelta(minutes=5)
HALF_DAY = timedelta(hours=12)
LASTS = timedelta(hours=23)
"""From the beginning of the half-day: so between 11 and 23 hours from the making, within the day that Stripe allows."""
WHOLE = frozenset(
    ("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF")
)
"""Currencies whose amounts Stripe takes as they are; of others it takes hundredths."""
THOUSANDTHS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))
_COMPLETED = frozenset(("checkout.session.completed", "checkout.session.async_payment_succeeded"))
_STRAY = {
    "charge.refunded": "money was paid back",
    "charge.dispute.created": "the payer disputes the payment",
    "charge.dispute.funds_withdrawn": "the provider took a disputed payment back",
    "checkout.session.async_payment_failed": "a payment that was under way failed",
}
_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Settings:
    """One legal entity's account with Stripe."""

    key: str
    notice_secret: str
    success_url: str
    cancel_url: str
    url: str = URL


class StripeCheckout:
    """Makes sessions, and reads what is told of them."""

    name = NAME

    def __init__(self, settings: Settings, allow: frozenset[str] = frozenset()) -> None:
        self._settings = settings
        self._client = Client(allow)

    def printed(self, payable: Payable, now: datetime) -> PayLink | None:
        """Its links end within a day."""
        return None

    async def link(self, payable: Payable, now: datetime) -> PayLink:
        """A session for this invoice and amount. Raises Unreachable, Refused."""
        ends = _half_day(now) + LASTS
        body = urlencode(self._form(payable, ends)).encode()
        headers = {
            "Authorization": f"Bearer {self._settings.key}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": hashlib.sha256(body).hexdigest(),
            "Stripe-Version": VERSION,
        }
        answer = await self._client.send(Request("POST", f"{self._settings.url}/v1/checkout/sessions", headers, body))
        members = members_of(answer.body)
        if answer.status == 429 or answer.status >= 500 or answer.status == 409:
            raise Unreachable(f"the payment provider answers {answer.status}", answer.retry_in(now))
        if answer.status != 200:
            raise Refused(_why(answer.status, members))
        url, amount, currency = members.get("url"), members.get("amount_total"), members.get("currency")
        if not isinstance(url, str) or not url.startswith("https://") or len(url) > 5_000:
            raise Refused("the payment provider made a session without an address")
        if (amount, currency) != (minor(payable.amount, payable.currency), payable.currency.lower()):
            raise Refused("the payment provider asks for another amount than it was told")
        return PayLink(url, ends)

    def _form(self, payable: Payable, ends: datetime) -> dict[str, str]:
        item = "line_items[0]"
        return {
            "mode": "payment",
            "client_reference_id": payable.document,
            "success_url": self._settings.success_url,
            "cancel_url": self._settings.cancel_url,
            "expires_at": str(int(ends.timestamp())),
            f"{item}[quantity]": "1",
            f"{item}[price_data][currency]": payable.currency.lower(),
            f"{item}[price_data][unit_amount]": str(minor(payable.amount, payable.currency)),
            f"{item}[price_data][product_data][name]": payable.number,
            "metadata[document]": payable.document,
            "metadata[reference]": payable.reference,
            "payment_intent_data[metadata][document]": payable.document,
        }

    def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> PaymentNotice | None:
        """An event of Stripe. Raises Refused."""
        verify(self._settings.notice_secret, headers.get("stripe-signature", ""), body, now)
        event = members_of(body)
        kind, data = _text(event, "type"), event.get("data")
        thing = data.get("object") if isinstance(data, dict) else None
        if not (identifier := _text(event, "id")) or not kind or not isinstance(thing, dict):
            raise Refused("the notice is no event of the provider")
        metadata = thing.get("metadata")
        document = _text(metadata, "document") if isinstance(metadata, dict) else ""
        if kind in _STRAY:
            payment = _text(thing, "payment_intent") or _text(thing, "id")
            return PaymentNotice(identifier, kind, payment, document, stray=_STRAY[kind])
        if kind not in _COMPLETED or thing.get("payment_status") != "paid":
            return None
        currency = _text(thing, "currency").upper()
        amount = major(thing.get("amount_total"), currency)
        created = event.get("created")
        whole = isinstance(created, int) and not isinstance(created, bool) and 0 < created < 10**11
        return PaymentNotice(
            id=identifier,
            kind=kind,
            payment=_text(thing, "id") or identifier,
            document=document or _text(thing, "client_reference_id"),
            amount=amount,
            currency=currency[:3],
            paid_on=datetime.fromtimestamp(created, UTC).date() if whole else now.date(),  # type: ignore[arg-type]
            stray="" if amount is not None else "it tells no amount that can be read",
        )

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()


def verify(secret: str, header: str, body: bytes, now: datetime) -> None:
    """Hold a body against its Stripe-Signature, scheme v1. Raises Refused."""
    parts = [part.strip().partition("=") for part in header[:4_000].split(",")]
    times = [value for name, _, value in parts if name == "t"]
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]):
        raise Refused("the notice is not signed")
    if abs(now.timestamp() - int(times[0])) > TOLERANCE.total_seconds():
        raise Refused("the notice is too old, or the clocks differ")
    wanted = hmac.new(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
    given = [value for name, _, value in parts if name == "v1"]
    # What is no ASCII is a wrong signature like another: neither hexadecimal nor base64 has a question mark.
    if not any(hmac.compare_digest(wanted.encode(), one.encode("ascii", "replace")) for one in given):
        raise Refused("the notice is not signed with the secret of this legal entity")


def minor(amount: Decimal, currency: str) -> int:
    """An amount in the provider's smallest unit. Raises Refused where it has no whole number of them."""
    if currency in THOUSANDTHS:
        raise Refused(f"amounts in {currency} are not asked for by this provider here")
    units = amount if currency in WHOLE else amount * 100
    if units != units.to_integral_value() or units <= 0:
        raise Refused(f"{currency} has no such amount")
    return int(units)


def major(units: object, currency: str) -> Decimal | None:
    """An amount out of the provider's smallest unit; None where it cannot be told."""
    if isinstance(units, bool) or not isinstance(units, int) or units <= 0 or units >= 10**15:
        return None
    if currency in THOUSANDTHS or not re.fullmatch(r"[A-Z]{3}", currency):
        return None
    return Decimal(units) if currency in WHOLE else Decimal(units).scaleb(-2)


_MEMBERS = frozenset(("participant", "provider", "key_file", "notice_secret_file", "success_url", "cancel_url", "url"))


def from_members(
    members: Mapping[str, Any], folder: Path, problem: str, problems: list[Problem], allow: frozenset[str]
) -> StripeCheckout | None:
    """The provider that an entry of the file names; `folder`: where its secrets are; `problem`: what it is called."""
    found = [f"{name} is no member of it" for name in members if name not in _MEMBERS]
    url = str(members.get("url", URL)).rstrip("/")
    if said := complaint(url, allow):
        found.append(f"url: {said}")
    for name in ("success_url", "cancel_url"):
        if not str(members.get(name, "")).startswith("https://"):
            found.append(f"{name} is an address of yours, https://…")
    secrets = {"key_file": "", "notice_secret_file": ""}
    for name in secrets:
        try:
            secrets[name] = read_secret(folder / str(members.get(name, "")))
        except ValueError as wrong:
            found.append(f"{name}: {wrong}")
    if found:
        problems.extend(Problem(problem, one) for one in found)
        return None
    back = str(members["success_url"]), str(members["cancel_url"])
    return StripeCheckout(Settings(secrets["key_file"], secrets["notice_secret_file"], *back, url), allow)


def _half_day(now: datetime) -> datetime:
    """The beginning of the half-day of an instant."""
    utc = now.astimezone(UTC)
    return utc.replace(hour=0 if utc.hour < 12 else 12, minute=0, second=0, microsecond=0)


def _why(status: int, members: Mapping[str, Any]) -> str:
    """The provider's own words for people are not repeated: they may name an account."""
    error = members.get("error")
    told = [_text(error, name) for name in ("type", "code")] if isinstance(error, dict) else []
    return " ".join(
        [f"the payment provider refuses ({status})", *(one for one in told if re.fullmatch(r"\w{1,60}", one))]
    )


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) and len(value) <= _LIMIT and value.isprintable() else ""
