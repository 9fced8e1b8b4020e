"""Answers that are files and are sent while they are made: whose turn it is, how a table looks, and their head."""

from __future__ import annotations

import asyncio

from aiohttp import web

from gateway.api import queries
from gateway.api.fields import one_of
from gateway.api.keys import EXPORTING
from gateway.errors import Busy
from gateway.export.table import Look


def turn(request: web.Request) -> asyncio.Semaphore:
    """What is held while an export is made. Raises Busy at once where too many are: nobody waits in line for one."""
    turns = request.app[EXPORTING]
    if turns.locked():
        raise Busy("as many exports as this gateway makes at once are under way")
    return turns


def look(request: web.Request) -> Look:
    """How a table is to be written, as the parameters decimal and bom say. Raises Malformed."""
    decimal = queries.optional(request, "decimal", one_of("point", "comma"), says="point or comma")
    bom = queries.optional(request, "bom", queries.truth, says="true or false") or False
    return Look(comma=decimal == "comma", bom=bom)


def file(media_type: str, name: str) -> web.StreamResponse:
    """An answer that is saved under this name, kept by no cache and taken for nothing else."""
    return web.StreamResponse(
        headers={
            "Content-Type": media_type,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }
    )
