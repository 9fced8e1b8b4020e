"""What every handler of one application can reach, under typed keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from gateway.resources import Resources
from gateway.settings import Settings

RESOURCES = web.AppKey("resources", Resources)
SETTINGS = web.AppKey("settings", Settings)
PEPPER = web.AppKey("pepper", bytes)
"""The key under which secrets are hashed."""
RING: web.AppKey[Callable[[], None]] = web.AppKey("ring")
"""Tells the worker of this process that something was admitted."""
EXPORTING = web.AppKey("exporting", asyncio.Semaphore)
"""Turns of those who export from the archive."""
PROVING = web.AppKey("proving", asyncio.Semaphore)
"""Turns of those who make proofs, which hold everything kept of a document in memory."""
CLOSING = web.AppKey("closing", asyncio.Event)
"""Set when the gateway is told to stop: who waits answers at once."""
