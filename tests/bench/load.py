"""An open load: requests leave at fixed moments, whether or not the earlier ones were answered.

A closed load (the next request after the last answer) slows down with the server and hides its queue. Here latency is
counted from the moment a request was due, so a server that falls behind shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

CONNECTIONS = 512
"""Requests under way at once, at most; what would be more waits, and its wait counts."""

PATIENCE = aiohttp.ClientTimeout(total=60)
"""A request that is not answered by then counts as unanswered."""

UNANSWERED = 0
"""The status of a request that got no answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, as whom, and what they carry."""

    url: str
    key: str
    """API key."""
    media_type: str
    make: Callable[[int], bytes]
    """The body of the request with this number."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One request and what came of it."""

    status: int
    seconds: float
    """From when it was due until its answer was read."""
    document: str | None
    """Id of the document, when it was taken."""


def connect(key: str) -> aiohttp.ClientSession:
    """A client that opens as many connections as it needs."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        headers={"Authorization": f"Bearer {key}"},
        timeout=PATIENCE,
    )


async def feed(target: Target, rate: float, seconds: float, *, first: int = 0) -> list[Answer]:
    """Send `rate` requests a second for so long, numbered from `first`; returns when all are answered."""
    loop = asyncio.get_running_loop()
    async with connect(target.key) as session:
        started = loop.time()
        under_way = []
        for number in range(round(rate * seconds)):
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            under_way.append(asyncio.create_task(send(session, target, first + number, due)))
        return list(await asyncio.gather(*under_way))


async def send(session: aiohttp.ClientSession, target: Target, number: int, due: float) -> Answer:
    """One request; `due` in seconds of the loop's clock."""
    loop = asyncio.get_running_loop()
    document = None
    try:
        async with session.post(
            target.url, data=target.make(number), headers={"Content-Type": target.media_type}
        ) as answer:
            status = answer.status
            body = await answer.json(content_type=None)
            document = body.get("id") if status == 202 else None
    except (aiohttp.ClientError, TimeoutError):
        status = UNANSWERED
    return Answer(status, loop.time() - due, document)
