"""Statuses over HTTP: say one of a document, and read all that was said of it, in order and with who said it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from aiohttp import web

from gateway import answers
from gateway.answers import Asked, Wanted
from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER, idempotency_key
from gateway.api.documents import find
from gateway.api.fields import Fields, day, text
from gateway.api.keys import RESOURCES, RING
from gateway.resources import Resources
from gateway.store import answers as stored
from gateway.store import documents
from gateway.store.accounts import Account
from gateway.store.documents import Document
from schemas.formats import cdar
from schemas.formats.cdar import Amount, Reason, Status
from schemas.xml import Unreadable
from signing.chain import instant

COMMENT_LIMIT = 1_000
"""Characters of a comment."""
LIMIT = 50
"""Reasons, and amounts, of one status."""

_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,2})?")
_RATE = re.compile(r"[0-9]{1,2}(\.[0-9]{1,2})?|100")
_KINDS = {"211": "MPA", "212": "MEN", "206": "MAPTTC"}
"""What an amount is of each status where the caller does not say."""


async def say(request: web.Request) -> web.Response:
    """Say a status of a document, once for its Idempotency-Key."""
    queries.only(request, ())
    caller, resources = request[CALLER], request.app[RESOURCES]
    key = idempotency_key(request)
    document = await find(resources, caller.account, queries.document_id(request))
    members = await bodies.read_json(request)
    wanted = wanted_of(members, document.currency or "EUR")
    written = json.dumps(members, sort_keys=True, default=str).encode()
    print_ = answers.fingerprint(request.method, request.path, body=written)
    asked = Asked(caller.public_id, key, print_)
    answered = await answers.answer(wanted, document.id, asked, caller.account, resources)
    request.app[RING]()
    headers = {"Location": shapes.location(answered.message)}
    if answered.replayed:
        headers["Idempotent-Replayed"] = "true"
    message = await find(resources, caller.account, answered.message)
    return shapes.answer(shapes.summary(message), status=202, headers=headers)


async def listed(request: web.Request) -> web.Response:
    """Everything that was said of a document, in the order it was heard."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, queries.document_id(request))
    told = await story(resources, account, document)
    return shapes.answer({"document": str(document.id), "status": document.status, "statuses": told})


async def story(resources: Resources, account: Account, document: Document) -> list[dict[str, Any]]:
    """All statuses of a document, with who said each, why, and how far a message of ours has come."""
    async with resources.pool.account(account.id) as connection:
        rows = [row for row in await documents.events(connection, document.id) if row.outcome == "status"]
        sent = await stored.sent(connection, document.id)
        bytes_ = await stored.messages(connection, document.id)
    read = dict(zip(bytes_, await resources.compute(details, list(bytes_.values())), strict=True)) if bytes_ else {}
    told = []
    for row in rows:
        facts = row.facts
        status = cdar.status_of(str(facts["code"])) if "code" in facts else None
        message = sent.get(str(facts.get("message")))
        shape = {
            "seq": row.seq,
            "at": facts.get("at", instant(row.at)),
            "heard_at": instant(row.at),
            "status": facts.get("status"),
            "code": facts.get("code"),
            "label": {"fr": status.label_fr, "en": status.label_en} if status else None,
            "source": facts.get("source"),
            "furthest": facts.get("furthest"),
            "verdict": facts.get("verdict"),
            "message": _message(message),
            **read.get(str(facts.get("message", row.seq)), _NOTHING),
        }
        told.append(shape)
    return told


_NOTHING: Mapping[str, Any] = {"issuer": None, "reasons": [], "amounts": []}


def details(messages: list[bytes]) -> list[dict[str, Any]]:
    """What the messages say beside their codes. Pure, for a worker process; what cannot be read says nothing."""
    return [_details(data) for data in messages]


def _details(data: bytes) -> dict[str, Any]:
    try:
        message = cdar.read(data)
    except Unreadable:
        return dict(_NOTHING)
    issuer = message.issuer
    return {
        "issuer": {"role": issuer.role, "id": issuer.id or None, "name": issuer.name or None},
        "reasons": [_reason(reason) for reason in message.reasons],
        "amounts": [_amount(one) for one in message.amounts],
    }


def _reason(reason: Reason) -> dict[str, Any]:
    word, action = cdar.REASONS.get(reason.code), cdar.ACTIONS.get(reason.action)
    return {
        "code": reason.code,
        "label": {"fr": word.label_fr, "en": word.label_en} if word else None,
        "comment": reason.comment,
        "action": reason.action or None,
        "action_label": {"fr": action.label_fr, "en": action.label_en} if action else None,
        "data": [_amount(one) for one in reason.data],
    }


def _amount(one: Amount) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "amount": None if one.amount is None else f"{one.amount:f}",
        "currency": one.currency,
        "rate": None if one.rate is None else f"{one.rate:f}",
        "paid_on": one.on.isoformat() if one.on else None,
        "term": one.term or None,
    }


def _message(message: stored.Sent | None) -> dict[str, Any] | None:
    if message is None:
        return None
    return {
        "id": str(message.id),
        "stage": str(message.stage),
        "halted": message.halted,
        "waits_for": message.waits_for,
    }


# What a caller says ---------------------------------------------------------------------------------------------------


def wanted_of(members: Mapping[str, Any], currency: str) -> Wanted:
    """The status in a body; amounts are in `currency` where they do not say. Raises Malformed with every fault."""
    fields = Fields(members, ("status", "reasons", "amounts", "comment", "action"))
    status = fields.take("status", _status, expected=f"one of {', '.join(s.name for s in cdar.STATUSES)}, or its code")
    comment = fields.take("comment", _comment, expected=f"text of at most {COMMENT_LIMIT} characters", default="")
    action = fields.take("action", text(0, 35), expected=f"one of {', '.join(cdar.ACTIONS)}", default="")
    listed_ = f"a list of at most {LIMIT} objects"
    given = fields.take("reasons", _objects, expected=listed_, default=list[Mapping[str, Any]]())
    stated = fields.take("amounts", _objects, expected=listed_, default=list[Mapping[str, Any]]())
    code = status.code if status else ""
    reasons = [_read_reason(one, place, fields) for place, one in enumerate(given or [])]
    amounts = [_read_amount(one, place, fields, _KINDS.get(code), currency) for place, one in enumerate(stated or [])]
    fields.check()
    assert status is not None
    return Wanted(status, with_comment(tuple(reasons), comment or "", action or ""), tuple(amounts))


def _read_reason(members: Mapping[str, Any], place: int, whole: Fields) -> Reason:
    fields = Fields(members, ("code", "comment", "action"), within=f"/reasons/{place}")
    code = fields.take("code", text(1, 35), expected="a code of MDT-113, such as QTE_ERR")
    comment = fields.take("comment", _comment, expected=f"text of at most {COMMENT_LIMIT} characters", default="")
    action = fields.take("action", text(0, 35), expected=f"one of {', '.join(cdar.ACTIONS)}", default="")
    whole.findings.extend(fields.findings)
    return Reason(code or "", comment or "", action=action or "")


def _read_amount(members: Mapping[str, Any], place: int, whole: Fields, kind: str | None, currency: str) -> Amount:
    fields = Fields(members, ("amount", "currency", "rate", "kind", "paid_on"), within=f"/amounts/{place}")
    amount = fields.take("amount", _decimal(_AMOUNT), expected="an amount with at most two decimals, as text")
    rate = fields.take("rate", _decimal(_RATE), expected="a VAT rate in per cent, as text", default=_NO_RATE)
    given = fields.take("currency", text(3, 3), expected="a currency code (ISO 4217)", default=currency)
    kind = fields.take("kind", text(1, 35), expected=f"one of {', '.join(cdar.KINDS)}", default=kind)
    paid_on = fields.take("paid_on", day, expected="a date, YYYY-MM-DD", default=date.max)
    whole.findings.extend(fields.findings)
    return Amount(
        kind=kind or "",
        amount=amount,
        currency=given or "",
        rate=None if rate is _NO_RATE else rate,
        on=None if paid_on == date.max else paid_on,
    )


def with_comment(reasons: tuple[Reason, ...], comment: str, action: str) -> tuple[Reason, ...]:
    """The reasons, the first of which bears what is said of all; a comment without any reason is one by itself."""
    if not (comment or action):
        return reasons
    first, *others = reasons or (Reason(""),)
    return (replace(first, comment=first.comment or comment, action=first.action or action), *others)


_NO_RATE = Decimal(-1)


def _status(value: Any) -> Status:
    """A status by our name or by its code; codes that we do not know cannot be said."""
    if not isinstance(value, str):
        raise ValueError
    status = cdar.named(value) or cdar.status_of(value)
    if cdar.named(status.name) is None:
        raise ValueError
    return status


def _comment(value: Any) -> str:
    """Text for people; lines may break."""
    if not isinstance(value, str) or len(value) > COMMENT_LIMIT:
        raise ValueError
    stripped = "\n".join(line.strip() for line in value.strip().splitlines())
    if not all(sign.isprintable() or sign == "\n" for sign in stripped):
        raise ValueError
    return stripped


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or len(value) > LIMIT or not all(isinstance(one, dict) for one in value):
        raise ValueError
    return value


def _decimal(pattern: re.Pattern[str]) -> Callable[[Any], Decimal]:
    """A reader of decimal numbers, written as text or as JSON numbers."""

    def read(value: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise ValueError
        written = value if isinstance(value, str) else f"{Decimal(value):f}"
        if not pattern.fullmatch(written):
            raise ValueError
        return Decimal(written)

    return read
