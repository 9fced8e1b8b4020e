"""A link to pay on any page that takes one: a template of a URL, filled, dated and signed; and notices of payments.

The signature keeps a customer, or anybody else, from changing what is asked for: HMAC-SHA256 in hexadecimal over
number, amount, currency, reference and expiry (seconds since 1970), each as it stands in the link before it is
escaped, joined by line feeds. The page that takes the payment calculates it again with the same secret, and refuses
what is too old.

A notice is a POST signed as Standard Webhooks 1.0.0 has it, with a body such as
`{"type": "payment.received", "data": {"payment": "p_1", "document": "…", "amount": "120.00", "currency": "EUR",
"paid_on": "2026-11-25"}}`; instead of `document` it may name the invoice by its `number`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from adapters.port import Payable, PayLink, PaymentNotice, Problem, Refused, read_secret
from signing import webhook

NAME = "url"
PLACES = ("number", "amount", "currency", "reference", "document", "expires", "signature")
DAYS = 365
"""How long a link lasts where nothing else is set."""
TOLERANCE = timedelta(minutes=5)
"""How far the clocks of the two sides may be apart, and how old a notice may be."""
RECEIVED = "payment.received"
LINK_LIMIT = 500
_PLACE = re.compile(r"\{([a-z]+)\}")
_BEGIN = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/")
_AMOUNT = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,2})?")
_TEXT_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Settings:
    """One legal entity's page."""

    template: str
    """https://…/ with places such as {number}; {expires} and {signature} are among them."""
    secret: str
    days: int = DAYS
    notice_secret: bytes = b""
    """Key of its notices; empty: it sends none."""


class SignedUrl:
    """A template and its secret."""

    name = NAME

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def printed(self, payable: Payable, now: datetime) -> PayLink | None:
        """The link; its expiry is the end of a day, so that the same invoice has the same one all day."""
        day = (
            (now + timedelta(days=self._settings.days))
            .astimezone(UTC)
            .replace(hour=0, minute=0, second=0, microsecond=0)
        )
        values = {
            "number": payable.number,
            "amount": format(payable.amount, ".2f"),
            "currency": payable.currency,
            "reference": payable.reference,
            "expires": str(int(day.timestamp())),
        }
        signed = hmac.new(self._settings.secret.encode(), "\n".join(values.values()).encode(), hashlib.sha256)
        values |= {"document": payable.document, "signature": signed.hexdigest()}
        url = _PLACE.sub(lambda place: quote(values[place[1]], safe=""), self._settings.template)
        return PayLink(url, day)

    async def link(self, payable: Payable, now: datetime) -> PayLink:
        """The same link as on the page."""
        made = self.printed(payable, now)
        assert made is not None
        return made

    def notice(self, headers: Mapping[str, str], body: bytes, now: datetime) -> PaymentNotice | None:
        """A notice by Standard Webhooks. Raises Refused."""
        identifier = verified(self._settings.notice_secret, headers, body, now)
        members = _object(body)
        if members.get("type") != RECEIVED:
            return None
        data = members.get("data")
        if not isinstance(data, dict):
            raise Refused("the notice has no data")
        amount, paid_on = _amount(data.get("amount")), _day(data.get("paid_on"))
        unread = [name for name, value in (("amount", amount), ("paid_on", paid_on)) if value is None]
        return PaymentNotice(
            id=identifier,
            kind=RECEIVED,
            payment=_text(data, "payment") or identifier,
            document=_text(data, "document"),
            number=_text(data, "number"),
            amount=amount,
            currency=_text(data, "currency")[:3],
            paid_on=paid_on,
            stray=f"it tells no {' and no '.join(unread)} that can be read" if unread else "",
        )

    async def close(self) -> None:
        """Nothing is held."""


def verified(secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    """The id of a message signed by Standard Webhooks. Raises Refused."""
    identifier, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not secret:
        raise Refused("no secret of notices is set for this legal entity")
    if not 0 < len(identifier) <= _TEXT_LIMIT or not identifier.isascii() or not re.fullmatch(r"[0-9]{1,12}", at):
        raise Refused("the notice lacks webhook-id or webhook-timestamp")
    if abs(now.timestamp() - int(at)) > TOLERANCE.total_seconds():
        raise Refused("the notice is too old, or the clocks differ")
    wanted = webhook.signature(identifier, at, body, secret)
    given = headers.get("webhook-signature", "").split(" ")
    # What is no ASCII is a wrong signature like another: neither hexadecimal nor base64 has a question mark.
    if not any(hmac.compare_digest(wanted.encode(), one.encode("ascii", "replace")) for one in given):
        raise Refused("the notice is not signed with the secret of this legal entity")
    return identifier


def from_members(members: Mapping[str, Any], folder: Path, problem: str, problems: list[Problem]) -> SignedUrl | None:
    """The provider that an entry of the file names; `folder`: where its secrets are; `problem`: what it is called."""
    found = [f"{name} is no member of it" for name in members if name not in _MEMBERS]
    template, days = members.get("template"), members.get("days", DAYS)
    if said := complaint(template):
        found.append(said)
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= 3650:
        found.append("days is a whole number, 1 to 3650")
    secret, notice_secret = "", b""
    try:
        secret = read_secret(folder / str(members.get("secret_file", "")))
        if "notice_secret_file" in members:
            notice_secret = key_of(read_secret(folder / str(members["notice_secret_file"])))
    except ValueError as wrong:
        found.append(str(wrong))
    if found:
        problems.extend(Problem(problem, one) for one in found)
        return None
    return SignedUrl(Settings(str(template), secret, days, notice_secret))


_MEMBERS = frozenset(("participant", "provider", "template", "days", "secret_file", "notice_secret_file"))


def complaint(template: object) -> str:
    """Why a template cannot be used; empty when it can."""
    if not isinstance(template, str) or len(template) > LINK_LIMIT or not _BEGIN.match(template):
        return f"template is https:// with a host and a path, at most {LINK_LIMIT} characters, no place in the host"
    named = _PLACE.findall(template)
    if set(named) - set(PLACES) or set(_PLACE.sub("", template)) & set("{} "):
        return f"the places of a template are {', '.join('{' + name + '}' for name in PLACES)}"
    if missing := [name for name in ("amount", "currency", "expires", "signature") if name not in named]:
        return f"template lacks {{{missing[0]}}}"
    return ""


def key_of(secret: str) -> bytes:
    """The key in a secret as Standard Webhooks writes it: whsec_ and base64. Raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix(webhook.PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(webhook.PREFIX) or len(key) < 24:
        raise ValueError("the secret of notices is whsec_ and at least 24 bytes in base64")
    return key


def _object(body: bytes) -> dict[str, Any]:
    try:
        members = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError) as wrong:
        raise Refused("the notice is no JSON") from wrong
    if not isinstance(members, dict):
        raise Refused("the notice is no JSON object")
    return members


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) and len(value) <= _TEXT_LIMIT and value.isprintable() else ""


def _amount(value: object) -> Decimal | None:
    text = value if isinstance(value, str) else format(value, "f") if isinstance(value, Decimal) else ""
    if isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    return Decimal(text) if _AMOUNT.fullmatch(text) else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None
