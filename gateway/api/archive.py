"""The archive over HTTP: search it, and see who did. Every page that is read is recorded with it, or is not given."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.api import access, archive_query, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.export.table import kind_of
from gateway.store import archive, archive_reads
from gateway.store.archive import PAGE_LIMIT, Found
from gateway.store.archive_reads import Read
from gateway.store.identifiers import new_id
from signing.chain import instant

PARAMETERS = (*archive_query.CRITERIA, "sort", "order", "cursor", "limit", "count", *access.PARAMETERS)


async def search(request: web.Request) -> web.Response:
    """One page of the documents that meet the query."""
    queries.only(request, PARAMETERS)
    asked = archive_query.read(request.query)
    limit = queries.number(request, "limit", 50, 1, PAGE_LIMIT)
    counting = queries.optional(request, "count", queries.truth, says="true or false") or False
    resources, caller = request.app[RESOURCES], request[CALLER]
    now, account_id = resources.clock.now(), caller.account.id
    async with resources.pool.account(account_id) as connection:
        wanted = await archive_query.spread(connection, account_id, asked)
        page = await archive.search(connection, account_id, wanted, asked.order, request.query.get("cursor"), limit)
        counted = await archive.count(connection, account_id, wanted, asked.order) if counting else None
        shown = [document for document in page.documents if document.account_id == account_id]
        read = Read(
            new_id(now), now, caller.public_id, archive_reads.SEARCH, asked.told, len(shown), page.cursor is None,
            asked.reason, asked.reference,
        )  # fmt: skip
        await archive_reads.record(connection, account_id, read)
    members: dict[str, Any] = {"documents": [shape(document) for document in shown], "cursor": page.cursor}
    if counted is not None:
        members["count"] = {"documents": counted.documents, "exact": counted.exact}
    return shapes.answer(members)


async def reads(request: web.Request) -> web.Response:
    """Who read in the archive, newest first."""
    queries.only(request, ("cursor", "limit"))
    limit = queries.number(request, "limit", 50, 1, archive_reads.PAGE_LIMIT)
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id) as connection:
        found, cursor = await archive_reads.page(connection, request.query.get("cursor"), limit)
    return shapes.answer({"reads": [read_shape(read) for read in found], "cursor": cursor})


def read_shape(read: Read) -> dict[str, Any]:
    """A reading as it is told."""
    return {
        "id": str(read.id),
        "at": instant(read.at),
        "who": read.who,
        "what": read.what,
        "query": dict(read.query),
        "found": read.found,
        "whole": read.whole,
        "reason": read.reason,
        "reference": read.reference,
    }


def shape(document: Found) -> dict[str, Any]:
    """A document as the archive shows it; of one that was erased, its tombstone."""
    here = shapes.location(document.id)
    return {
        "id": str(document.id),
        "accepted_at": instant(document.accepted_at),
        "issue_date": None if document.issue_date is None else document.issue_date.isoformat(),
        "direction": document.direction,
        "participant": document.participant,
        "format": document.format,
        "kind": kind_of(document),
        "type_code": document.type_code,
        "number": document.number,
        "seller": _party(document.seller, document.seller_name),
        "buyer": _party(document.buyer, document.buyer_name),
        "currency": document.currency,
        "total": _amount(document.total),
        "amount_due": _amount(document.amount_due),
        "due_date": None if document.due_date is None else document.due_date.isoformat(),
        "stage": str(document.stage),
        "halted": None if document.halted is None else {"reason": document.halted},
        "status": document.status,
        "refers_to": dict(document.refers_to),
        "erased_at": None if document.erased_at is None else instant(document.erased_at),
        "links": {"self": here, "events": f"{here}/events", "proof": f"{here}/proof"},
    }


def _party(known_by: str | None, name: str) -> dict[str, str] | None:
    return {"id": known_by or "", "name": name} if known_by or name else None


def _amount(amount: Any) -> str | None:
    return None if amount is None else f"{amount:f}"
