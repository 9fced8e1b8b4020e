"""The feed of events: every event of the account in one order, each once, none missed, with long polling.

The order and the horizon are `store.documents.feed`'s. Those who wait share one poller per account: it asks the
database once for each place they wait at, however many they are.
"""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from aiohttp import web

from gateway.api import queries, shapes
from gateway.api.auth import CALLER
from gateway.api.documents import WAIT_LIMIT
from gateway.api.limits import LIMITS
from gateway.errors import Busy, Restored
from gateway.store import documents
from gateway.store.documents import PAGE_LIMIT, FeedPage
from gateway.store.pool import Pool

log = logging.getLogger(__name__)

EVERY = 0.4
"""Seconds between two looks while somebody waits."""


class Feed:
    """Reads pages of events and lets callers wait for the next one."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._waiters: dict[UUID, dict[str, set[asyncio.Future[None]]]] = {}
        self._pollers: dict[UUID, asyncio.Task[None]] = {}
        self._closed = False

    async def page(self, account_id: UUID, after: str | None, limit: int, wait: float) -> FeedPage:
        """Events after a cursor, waiting up to `wait` seconds for the first. Raises Malformed."""
        found = await self._read(account_id, after, limit)
        if found.events or wait <= 0 or self._closed:
            return found
        await self._wait(account_id, found.cursor, wait)
        return await self._read(account_id, found.cursor, limit)

    async def close(self) -> None:
        """Let everybody go who waits."""
        self._closed = True
        for places in list(self._waiters.values()):
            for waiters in places.values():
                _release(waiters)
        pollers = list(self._pollers.values())
        for poller in pollers:
            poller.cancel()
        await asyncio.gather(*pollers, return_exceptions=True)

    async def _read(self, account_id: UUID, after: str | None, limit: int) -> FeedPage:
        async with self._pool.account(account_id) as connection:
            return await documents.feed(connection, after, limit)

    async def _wait(self, account_id: UUID, cursor: str, seconds: float) -> None:
        """Until something stands after the cursor, or the time is over."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        places = self._waiters.setdefault(account_id, {})
        places.setdefault(cursor, set()).add(waiter)
        if account_id not in self._pollers:
            self._pollers[account_id] = asyncio.create_task(self._poll(account_id))
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            waiter.cancel()
            places[cursor].discard(waiter)
            if not places[cursor]:
                del places[cursor]

    async def _stirs(self, account_id: UUID, cursor: str) -> bool:
        """Whether who waits at a place has an answer to get: an event, or that the place is gone."""
        try:
            return bool((await self._read(account_id, cursor, 1)).events)
        except Restored:
            return True

    async def _poll(self, account_id: UUID) -> None:
        """Look at each place somebody waits at, until nobody does."""
        places = self._waiters[account_id]
        try:
            while places:
                await asyncio.sleep(EVERY)
                try:
                    for cursor in list(places):
                        if await self._stirs(account_id, cursor):
                            _release(places.get(cursor, set()))
                except Busy as busy:
                    log.warning("the feed waits: %s", busy.detail)
        finally:
            del self._pollers[account_id]
            if not places:
                del self._waiters[account_id]


FEED = web.AppKey("feed", Feed)


async def events(request: web.Request) -> web.Response:
    """Events of the account after a cursor; with `wait`, the answer comes with the first one."""
    queries.only(request, ("after", "wait", "limit"))
    after = request.query.get("after") or None
    wait = queries.number(request, "wait", 0, 0, WAIT_LIMIT)
    limit = queries.number(request, "limit", 100, 1, PAGE_LIMIT)
    with request.app[LIMITS].wait() as may:
        page = await request.app[FEED].page(request[CALLER].account.id, after, limit, wait if may else 0)
    shown = [shapes.event(row) for row in page.events]
    return shapes.answer({"events": shown, "cursor": page.cursor, "more": page.more})


def _release(waiters: set[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
