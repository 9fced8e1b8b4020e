"""How much one credential, and all of them together, may ask of this process.

The counters live in this process's memory: several gateways on one database each grant the full rate. That is meant as
protection of a process, not as a tariff; a shared counter would cost every request a write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from aiohttp import web
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from gateway.errors import Busy, TooMany
from gateway.settings import Settings

BYTES_AT_ONCE = 1024 * 1024 * 1024
"""Bytes of bodies that this process holds at once, over all callers: ten submissions of the largest size."""

WAITERS_AT_ONCE = 500
"""Requests that wait for news at once in this process; the next one is answered without waiting."""


class Budget:
    """The bytes that one request holds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.taken = 0

    def reserve(self, total: int) -> None:
        """Hold `total` bytes in all. Raises Busy when this process holds too many."""
        more = total - self.taken
        if more <= 0:
            return
        if self._limits.held + more > BYTES_AT_ONCE:
            raise Busy("this gateway takes no more bytes for the moment")
        self._limits.held += more
        self.taken = total


class Limits:
    """Counts requests, submissions under way, bytes held and waiters."""

    def __init__(self, settings: Settings) -> None:
        self._rate = RateLimitItemPerSecond(settings.requests_per_second)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._uploads_at_once = settings.uploads_at_once
        self._uploads: Counter[str] = Counter()
        self._waiters = 0
        self.held = 0
        """Bytes of bodies held now."""

    async def hit(self, credential: str) -> None:
        """Count one request of a credential. Raises TooMany."""
        if not await self._limiter.hit(self._rate, credential):
            raise TooMany(f"at most {self._rate.amount} requests a second", timedelta(seconds=1))

    @contextmanager
    def upload(self, credential: str) -> Iterator[Budget]:
        """A submission is under way. Raises TooMany when the credential has as many as it may."""
        if self._uploads[credential] >= self._uploads_at_once:
            raise TooMany(f"at most {self._uploads_at_once} submissions at once", timedelta(seconds=1))
        self._uploads[credential] += 1
        budget = Budget(self)
        try:
            yield budget
        finally:
            self.held -= budget.taken
            self._uploads[credential] -= 1
            if not self._uploads[credential]:
                del self._uploads[credential]

    @contextmanager
    def wait(self) -> Iterator[bool]:
        """A request would like to wait; tells whether it may."""
        may = self._waiters < WAITERS_AT_ONCE
        self._waiters += may
        try:
            yield may
        finally:
            self._waiters -= may


LIMITS = web.AppKey("limits", Limits)
