"""The links of an audit trail, as lines of a table and as members of JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.export.table import kind_of
from gateway.store.archive import Found
from gateway.store.trail import Related, Trail
from signing.chain import instant


class LinkRow(NamedTuple):
    """One link: from one thing to the next of the chain."""

    from_kind: str
    """order, delivery, invoice or credit_note."""
    from_id: str
    from_number: str
    to_kind: str
    """delivery, invoice, credit_note, consignment, status or payment; corrects and corrected_by for invoices."""
    to_id: str
    to_says: str
    """Number, status, network or reference."""
    on: str
    """Date or instant."""
    amount: Any
    currency: str
    evidence: str
    """The file in the ZIP, or the event that proves it."""


LINK_COLUMNS = LinkRow._fields


def links(document: Found, chain: Trail) -> list[LinkRow]:
    """Everything a document is linked to."""
    kind, me, number = kind_of(document) or "document", str(document.id), document.number or ""

    def link(to: str, identifier: str, says: str, on: str, *more: Any) -> LinkRow:
        amount, currency, evidence = more or ("", "", "")
        return LinkRow(kind, me, number, to, identifier, says, on, amount, currency, evidence)

    found = []
    if (order := chain.order) is not None:
        found.append(link("delivery", str(order.delivery_id), str(order.delivery), order.delivered_on.isoformat()))
        found.append(link("order", str(order.order_id), order.order_number, order.ordered_on.isoformat()))
    elif "order" in document.refers_to:
        found.append(link("order", "", document.refers_to["order"], "", "", "", "BT-13; the order is not kept here"))
    found += [
        link("consignment", one.network_id or "", one.network, instant(one.delivered_at or one.decided_at))
        for one in chain.deliveries
    ]
    found += [
        link("status", "", one.status, instant(one.at), "", "", f"event {one.seq} of the proof")
        for one in chain.statuses
    ]
    found += [
        link("payment", str(one.id), one.reference, one.paid_on.isoformat(), one.amount, one.currency, "")
        for one in chain.payments
    ]
    known = {one.number for one in chain.corrects}
    found += [link("corrects", str(one.id), one.number, _day(one)) for one in chain.corrects]
    found += [
        link("corrects", "", one["number"], one.get("issue_date", ""), "", "", "BT-25; the invoice is not kept here")
        for one in document.refers_to.get("preceding", ())
        if one["number"] not in known
    ]
    found += [link("corrected_by", str(one.id), one.number, _day(one)) for one in chain.corrected_by]
    return found


def trail_members(chain: Trail) -> dict[str, Any]:
    """A chain as index.json has it."""
    order = chain.order
    return {
        "order": None
        if order is None
        else {
            "order": str(order.order_id),
            "number": order.order_number,
            "ordered_on": order.ordered_on.isoformat(),
            "delivery": str(order.delivery_id),
            "delivery_number": order.delivery,
            "delivered_on": order.delivered_on.isoformat(),
            "despatch_advice": order.despatch_advice,
            "take": order.take,
        },
        "consignments": [
            {
                "network": one.network,
                "network_id": one.network_id,
                "decided_at": instant(one.decided_at),
                "delivered_at": None if one.delivered_at is None else instant(one.delivered_at),
            }
            for one in chain.deliveries
        ],
        "statuses": [
            {"event": one.seq, "at": instant(one.at), "status": one.status, "source": one.source}
            for one in chain.statuses
        ],
        "payments": [
            {
                "payment": str(one.id),
                "amount": f"{one.amount:f}",
                "currency": one.currency,
                "paid_on": one.paid_on.isoformat(),
                "reference": one.reference,
                "recorded_at": instant(one.recorded_at),
            }
            for one in chain.payments
        ],
        "corrects": [_related(one) for one in chain.corrects],
        "corrected_by": [_related(one) for one in chain.corrected_by],
    }


def _related(one: Related) -> dict[str, Any]:
    return {"document": str(one.id), "number": one.number, "issue_date": _day(one) or None, "type_code": one.type_code}


def _day(one: Related) -> str:
    return "" if one.issue_date is None else one.issue_date.isoformat()
