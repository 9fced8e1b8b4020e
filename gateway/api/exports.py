"""Exports over HTTP: they are sent while they are made. What breaks off is cut, so that nobody takes a part for all.

Each export is written down twice: when it begins, so that none goes unseen, and when it ends, with what it gave. Those
that hold documents themselves need a reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from gateway.api import access, archive_query, downloads, queries
from gateway.api.archive_query import Asked
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.api.problems import TRACE
from gateway.errors import GatewayError, Unanswerable
from gateway.export import documents, tax_audit
from gateway.export.documents import Progress, What
from gateway.export.table import Look
from gateway.store import archive_reads
from gateway.store.archive_reads import Read
from gateway.store.identifiers import new_id
from schemas.finding import Finding, Severity

log = logging.getLogger(__name__)

PARAMETERS = (*archive_query.CRITERIA, "sort", "order", *access.PARAMETERS, "decimal", "bom")


@dataclass(frozen=True, slots=True)
class _Export:
    """One export that is asked for."""

    kind: str
    """As the record of readings names it."""
    asked: Asked
    what: What
    look: Look
    progress: Progress


async def as_csv(request: web.Request) -> web.StreamResponse:
    """What a search finds, as a table."""
    export = await _export(request, archive_reads.CSV)
    parts = documents.as_csv(request.app[RESOURCES], export.what, export.look, export.progress)
    return await _send(request, export, parts, "text/csv; charset=utf-8", "documents.csv")


async def as_zip(request: web.Request) -> web.StreamResponse:
    """The originals of what a search finds, with their index."""
    export = await _export(request, archive_reads.ZIP)
    parts = documents.as_zip(request.app[RESOURCES], export.what, export.look, export.progress)
    return await _send(request, export, parts, "application/zip", "documents.zip")


async def for_tax_audit(request: web.Request) -> web.StreamResponse:
    """Documents with their proofs and the chains that link them, for an inspector."""
    export = await _export(request, archive_reads.TAX_AUDIT)
    parts = tax_audit.as_zip(request.app[RESOURCES], export.what, export.look, export.progress)
    return await _send(request, export, parts, "application/zip", "tax-audit.zip")


async def _export(request: web.Request, kind: str) -> _Export:
    """What is asked for. Raises Malformed, Unanswerable."""
    queries.only(request, PARAMETERS)
    look = downloads.look(request)
    asked = archive_query.read(request.query)
    if kind != archive_reads.CSV and not asked.reason:
        says = "Documents themselves are given only for a reason, which is recorded."
        expected = f"one of {', '.join(access.REASONS)}"
        finding = Finding("QUERY", Severity.FATAL, "query", says, path="reason", expected=expected)
        raise Unanswerable("the export needs a reason", (finding,))
    resources, account_id = request.app[RESOURCES], request[CALLER].account.id
    async with resources.pool.account(account_id) as connection:
        wanted = await archive_query.spread(connection, account_id, asked)
    opened = {"by": request[CALLER].public_id, "reason": asked.reason, "reference": asked.reference, "what": kind}
    what = What(account_id, wanted, asked.order, resources.clock.now(), asked.told, opened)
    return _Export(kind, asked, what, look, Progress())


async def _send(
    request: web.Request, export: _Export, parts: AsyncGenerator[bytes, None], media_type: str, name: str
) -> web.StreamResponse:
    turns, response = downloads.turn(request), downloads.file(media_type, name)
    async with turns, aclosing(parts):
        await _record(request, export, {"export": "begins"})
        if request.method == "HEAD":
            return response
        first = await anext(parts)  # what cannot even begin is a problem like any other
        try:
            await response.prepare(request)
            await response.write(first)
            async for part in parts:
                if part:
                    await response.write(part)
            await response.write_eof()
        except (ConnectionError, asyncio.CancelledError):
            export.progress.ended = False
            raise
        except Exception as broken:
            export.progress.ended = False
            _cut(request, broken)
        finally:
            ended = "ends" if export.progress.ended else "broke off"
            more = {"manifest": export.progress.manifest} if export.progress.manifest else {}
            await asyncio.shield(_record(request, export, {"export": ended, **more}))
    return response


def _cut(request: web.Request, broken: Exception) -> None:
    """The answer began and cannot be taken back: the connection ends without its last chunk, as every client sees."""
    detail = broken.detail if isinstance(broken, GatewayError) else "see the trace"
    log.error("an export broke off: %s", detail, exc_info=broken, extra={"trace": request[TRACE]})
    if request.transport is not None:
        request.transport.abort()


async def _record(request: web.Request, export: _Export, more: Mapping[str, Any]) -> None:
    resources, caller = request.app[RESOURCES], request[CALLER]
    now = resources.clock.now()
    read = Read(
        new_id(now), now, caller.public_id, export.kind, {**export.asked.told, **more}, export.progress.documents,
        export.progress.whole, export.asked.reason, export.asked.reference,
    )  # fmt: skip
    async with resources.pool.account(caller.account.id) as connection:
        await archive_reads.record(connection, caller.account.id, read)
