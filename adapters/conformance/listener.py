"""Where the platform posts events while webhooks are tried: a small server that keeps what comes, and answers 200."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

BODY_LIMIT = 1_000_000
KEPT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Posted:
    """One event as it came."""

    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Mailbox:
    """What was posted so far."""

    posted: list[Posted] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, count: int, seconds: float) -> bool:
        """Whether so many came in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while len(self.posted) < count and (left := end - loop.time()) > 0:
            self.came.clear()
            try:
                await asyncio.wait_for(self.came.wait(), left)
            except TimeoutError:
                break
        return len(self.posted) >= count


@asynccontextmanager
async def listening(host: str, port: int) -> AsyncIterator[Mailbox]:
    """Take what is posted to this address, under any path. Raises OSError when nobody can listen there."""
    mailbox = Mailbox()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        if len(mailbox.posted) < KEPT_LIMIT:
            headers = {name.lower(): value for name, value in request.headers.items()}
            mailbox.posted.append(Posted(headers, body))
        mailbox.came.set()
        return web.Response()

    application = web.Application(client_max_size=BODY_LIMIT)
    application.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield mailbox
    finally:
        await runner.cleanup()
