"""Posts messages to the endpoints that accounts name for their own systems, behind the egress guard.

An account chooses the address, so it is held to more than an operator's: checked when it is named and again on the
address that is dialled, https to public addresses only, redirects not followed, answers read to 64 KB within 15 seconds
and not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from adapters.http import Client, Request, complaint
from adapters.port import Reply

SECONDS = 15.0
ANSWER_LIMIT = 65_536


class Post:
    """The way to the endpoints of all accounts."""

    def __init__(self, now: Callable[[], datetime], allow: frozenset[str] = frozenset()) -> None:
        """`allow`: host:port pairs that the operator names; they may be private and speak http."""
        self._now = now
        self._allow = allow
        self._client = Client(allow)

    def complaint(self, url: str) -> str:
        """Why an address cannot be posted to; empty when it can."""
        return complaint(url, self._allow)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Post a JSON message once. Raises Unreachable; any status is an answer."""
        sent = {**headers, "Content-Type": "application/json"}
        answer = await self._client.send(
            Request("POST", url, sent, body, delivers=True, seconds=SECONDS, limit=ANSWER_LIMIT)
        )
        return Reply(answer.status, answer.retry_in(self._now()))

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()
