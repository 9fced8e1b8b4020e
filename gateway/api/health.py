"""Alive and ready, for whoever starts, stops and balances gateways. Both are open to everybody and tell no secrets."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta

from aiohttp import web

from gateway.api import shapes
from gateway.api.keys import CLOSING, RESOURCES
from gateway.compute import Interrupted
from gateway.errors import GatewayError
from gateway.resources import Resources
from gateway.store import audits, migrate
from gateway.store.audits import State

PATIENCE = 5.0
"""Seconds a part has to answer."""

OVERDUE = timedelta(days=2)
"""An audit that long ago says nothing of today."""


async def live(request: web.Request) -> web.Response:
    """The event loop turns."""
    return shapes.answer({"alive": True})


async def ready(request: web.Request) -> web.Response:
    """Whether requests should come here: the database answers and is current, the worker processes work."""
    resources = request.app[RESOURCES]
    parts = {
        "database": await _database(resources),
        "workers": await _workers(resources),
        "stopping": "no" if not request.app[CLOSING].is_set() else "the gateway is stopping",
    }
    fit = parts == {"database": "ok", "workers": "ok", "stopping": "no"}
    parts["audit"] = await _audit(resources)  # an alarm for the operator; requests are served all the same
    return shapes.answer({"ready": fit, **parts}, status=200 if fit else 503, headers={"Cache-Control": "no-store"})


async def _database(resources: Resources) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            current = await migrate.current(resources.pool)
    except (GatewayError, TimeoutError):
        return "the database does not answer"
    return "ok" if current else "the database is not migrated to this release"


async def _audit(resources: Resources) -> str:
    """How the last nightly audit ended."""
    try:
        async with asyncio.timeout(PATIENCE), resources.pool.worker() as connection:
            run = await audits.last(connection)
    except (GatewayError, TimeoutError):
        return "not known"
    if run is None:
        return "none yet"
    day = run.ended_at.date().isoformat()
    if run.state is State.UNFINISHED:
        return f"the audit of {day} could not be finished: see the log"
    if run.state is State.NOT_CLEAN:
        return f"the audit of {day} found that something is wrong: run `estafette audit`"
    if resources.clock.now() - run.ended_at > OVERDUE:
        return f"overdue: the last audit was on {day}"
    return "ok"


async def _workers(resources: Resources) -> str:
    """A worker process answers, or other work ends meanwhile: a long queue is no reason to send requests elsewhere."""
    before = resources.compute.ended
    try:
        async with asyncio.timeout(PATIENCE):
            await resources.compute(os.getpid)
    except (Interrupted, TimeoutError, RuntimeError) as silent:  # RuntimeError: their pool is closed
        if isinstance(silent, TimeoutError) and resources.compute.ended > before:
            return "ok"
        return "the worker processes do not answer"
    return "ok"
