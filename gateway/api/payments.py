"""Payments over HTTP: report what was paid for a document, and read what was reported."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from aiohttp import web

from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER, idempotency_key
from gateway.api.documents import find
from gateway.api.fields import Fields, currency_code, day, text
from gateway.api.keys import RESOURCES, RING
from gateway.errors import Conflict, Malformed, Rejected
from gateway.lifecycle import Stage
from gateway.store import documents, payments
from gateway.store.documents import Document
from gateway.store.identifiers import new_id
from gateway.store.payments import Reported
from schemas.finding import Finding, Severity

OWN_KEYS = ("bank:", "notice:")
"""How the keys begin under which the gateway keeps what banks and payment providers tell: nobody else takes them."""
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,2})?")


async def record(request: web.Request) -> web.Response:
    """Keep a payment, once for its Idempotency-Key."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    key = idempotency_key(request)
    if key is not None and key.startswith(OWN_KEYS):
        raise Malformed(f"an Idempotency-Key of a payment does not begin with {' or '.join(OWN_KEYS)}")
    document = await find(resources, account, queries.document_id(request))
    now = resources.clock.now()
    reported = _reported(await bodies.read_json(request), key, new_id(now))
    _check(document, reported)
    async with resources.pool.account(account.id) as connection:
        kept, replayed = await payments.record(connection, account.id, document.id, reported, now)
    request.app[RING]()
    headers = {"Location": f"{shapes.location(document.id)}/payments"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return shapes.answer(shapes.payment(kept), status=201, headers=headers)


async def listed(request: web.Request) -> web.Response:
    """What was reported as paid for a document, oldest first."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, queries.document_id(request))
    async with resources.pool.account(account.id) as connection:
        found = await documents.payments(connection, document.id)
    return shapes.answer({"document": str(document.id), "payments": [shapes.payment(one) for one in found]})


def _reported(members: dict[str, Any], key: str | None, identifier: Any) -> Reported:
    """The payment in a body. Raises Malformed with every fault."""
    fields = Fields(members, ("amount", "currency", "paid_on", "reference"))
    amount = fields.take("amount", _amount, expected="an amount other than 0 with at most two decimals, as text")
    currency = fields.take("currency", currency_code, expected="a currency code of three capital letters (ISO 4217)")
    paid_on = fields.take("paid_on", day, expected="a date, YYYY-MM-DD")
    reference = fields.take("reference", text(0, 140), expected="at most 140 printable characters", default="")
    fields.check()
    assert amount is not None
    assert currency is not None
    assert paid_on is not None
    return Reported(identifier, amount, currency, paid_on, reference or "", key or str(identifier))


def _check(document: Document, reported: Reported) -> None:
    """What a payment must share with its document. Raises Conflict, Rejected."""
    if not document.stage.reaches(Stage.VALIDATED) or document.currency is None:
        raise Conflict("nothing is owed on this document: it has not been accepted")
    if document.halted is not None:
        raise Conflict(f"nothing is owed on this document any more: {document.halted}")
    if reported.currency != document.currency:
        finding = Finding(
            rule="HOUSE-PAYMENT-CURRENCY",
            severity=Severity.FATAL,
            layer="house",
            says="A payment is reported in the currency of its invoice.",
            terms=("BT-5",),
            path="/currency",
            found=reported.currency,
            expected=document.currency,
            fix="Report the amount in the invoice's currency.",
        )
        raise Rejected("the payment is in another currency than the document", (finding,))


def _amount(value: Any) -> Decimal:
    written = value if isinstance(value, str) else f"{value:f}" if isinstance(value, Decimal) else _whole(value)
    if not _AMOUNT.fullmatch(written) or Decimal(written) == 0:
        raise ValueError
    return Decimal(written)


def _whole(value: Any) -> str:
    """A JSON integer as text; true and false are none."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError
    return str(value)
