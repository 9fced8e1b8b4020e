"""The JSON shapes of what the API shows. Amounts are strings; instants are UTC with a Z."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from aiohttp import web

from gateway.errors import NotFound
from gateway.lifecycle import Role, Stage
from gateway.resources import Resources
from gateway.store import documents
from gateway.store.accounts import Account
from gateway.store.documents import Document, EventRow, Payment
from signing.chain import instant

_ENDS = ("done", "skipped", "halted")
"""The outcomes that an event tells; a stage that is tried again has none yet."""


_SEAL = ("form", "level", "sealed_by", "sealed_at", "key", "authority", "archived_by", "enveloped", "seal",
         "without_timestamp", "without_evidence", "without_archival")  # fmt: skip
"""What is told of a seal that was set."""


def answer(members: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    body = json.dumps(members, ensure_ascii=False).encode()
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def summary(document: Document) -> dict[str, Any]:
    """A document as a list shows it."""
    address = {"scheme": document.buyer_scheme, "value": document.buyer_address}
    return {
        "id": str(document.id),
        "participant": document.participant,
        "direction": document.direction,
        "format": document.format,
        "about": None if document.about is None else str(document.about),
        "stage": str(document.stage),
        "outcome": _outcome(document),
        "halted": {"reason": document.halted} if document.halted is not None else None,
        "waits_for": document.waits_for,
        "status": document.status,
        "number": document.number,
        "type_code": document.type_code,
        "issue_date": _day(document.issue_date),
        "due_date": _day(document.due_date),
        "seller": document.seller,
        "buyer": document.buyer,
        "buyer_address": address if document.buyer_address else None,
        "currency": document.currency,
        "total": _amount(document.total),
        "amount_due": _amount(document.amount_due),
        "created_at": instant(document.created_at),
        "updated_at": instant(document.updated_at),
        "came": _came(document),
        "seen": _seen(document),
        "version": document.version,
        "links": _links(document),
    }


async def whole(resources: Resources, account: Account, document: Document) -> dict[str, Any]:
    """A document with what it went through, its contents, deliveries and payments, and why it ended if it did."""
    async with resources.pool.account(account.id) as connection:
        events = await documents.events(connection, document.id)
        paid = await documents.payments(connection, document.id)
    delivered = await documents.delivered(resources.pool, account.id, document.id)
    shape = summary(document)
    if document.halted is not None:
        shape["halted"] = await _halt(resources, account, document, events)
    shape["stages"] = [
        {"stage": str(event.stage), "outcome": event.outcome, "at": instant(event.at), **_reason(event)}
        for event in events
        if event.outcome in _ENDS
    ]
    shape["contents"] = [
        {
            "role": str(content.role),
            "seq": content.seq,
            "sha256": content.sha256,
            "size": content.size,
            "media_type": content.media_type,
        }
        for content in document.contents
    ]
    shape["seals"] = _seals(document)
    shape["route"] = _route(document)
    shape["deliveries"] = [_delivery(row) for row in delivered]
    shape["payments"] = [payment(one) for one in paid]
    return shape


async def report(resources: Resources, account: Account, document: Document) -> dict[str, Any] | None:
    """The newest report on a document; None when there is none yet. Raises NotFound when its bytes are gone."""
    reference = document.content(Role.REPORT)
    if reference is None:
        return None
    async with resources.pool.account(account.id) as connection:
        members: dict[str, Any] = json.loads(await documents.read(connection, reference.sha256))
    return members


def event(row: EventRow) -> dict[str, Any]:
    """One line of what happened."""
    return {
        "document": str(row.document_id),
        "seq": row.seq,
        "at": instant(row.at),
        "stage": str(row.stage),
        "outcome": row.outcome,
        "facts": dict(row.facts),
        "prior": row.prior.hex(),
        "hash": row.hash.hex(),
        "cursor": row.cursor,
    }


def payment(one: Payment) -> dict[str, Any]:
    """A reported payment."""
    return {
        "id": str(one.id),
        "amount": _amount(one.amount),
        "currency": one.currency,
        "paid_on": one.paid_on.isoformat(),
        "reference": one.reference,
        "recorded_at": instant(one.recorded_at),
    }


def location(document_id: object) -> str:
    """Where a document is read."""
    return f"/v1/documents/{document_id}"


async def _halt(
    resources: Resources, account: Account, document: Document, events: Iterable[EventRow]
) -> dict[str, Any]:
    """Why a document ended, where, and each finding."""
    stage = next((row.stage for row in events if row.outcome == "halted"), Stage.RECEIVED)
    try:
        told = await report(resources, account, document) or {}
    except NotFound:
        told = {}
    return {"reason": document.halted, "stage": str(stage), "findings": told.get("findings", [])}


def _came(document: Document) -> dict[str, str] | None:
    """Which network brought an inbound document, and under which id of its own."""
    received = document.facts.get(str(Stage.RECEIVED), {})
    if not document.inbound or "network_id" not in received:
        return None
    return {"network": received["network"], "network_id": received["network_id"]}


def _seen(document: Document) -> dict[str, str | None] | None:
    """Who has seen an inbound document, and when."""
    if document.seen_at is None:
        return None
    return {"at": instant(document.seen_at), "by": document.seen_by}


def _route(document: Document) -> dict[str, Any] | None:
    """Which way a document goes and why; None where none is decided, or the decision was not explained in both."""
    facts = document.facts.get(str(Stage.ROUTED), {})
    if "reason_fr" not in facts:
        return None
    return {
        "network": facts["network"],
        "scheme": facts["scheme"],
        "rule": facts["rule"],
        "rule_by": facts["rule_by"],
        "says": {"en": facts["reason"], "fr": facts["reason_fr"]},
        "directory": facts["directory"],
    }


def _seals(document: Document) -> dict[str, Any]:
    """What the document's seals are worth, and which seal it got."""
    facts = document.facts.get(str(Stage.SEALED), {})
    given = {name: facts[name] for name in _SEAL if name in facts} if "form" in facts else None
    return {"borne": facts.get("borne"), "set": given}


def _outcome(document: Document) -> str:
    """How the stage that was tried last ended."""
    if document.halted is not None:
        return "halted"
    return "later" if document.waits_for is not None else "done"


def _links(document: Document) -> dict[str, str]:
    here = location(document.id)
    links = {"self": here, "events": f"{here}/events", "payments": f"{here}/payments",
             "statuses": f"{here}/statuses"}  # fmt: skip
    for name, there in (("report", f"{here}/report"), ("original", f"{here}/content?as=original")):
        if document.content(Role(name)) is not None:
            links[name] = there
    return links


def _reason(row: EventRow) -> dict[str, str]:
    reason = row.facts.get("reason")
    return {"reason": str(reason)} if reason else {}


def _delivery(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "consignment": row["consignment"],
        "network": row["network"],
        "network_id": row["network_id"],
        "sha256": bytes(row["sha256"]).hex(),
        "decided_at": instant(row["decided_at"]),
        "delivered_at": instant(row["delivered_at"]) if row["delivered_at"] else None,
    }


def _amount(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
