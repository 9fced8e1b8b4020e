"""Responders and lists of revocations (OCSP, RFC 6960; RFC 5280) over HTTP, where certificates say they are.

What comes back is signed by its issuer and judged where the chain is (`signing.trust`), so it may come over plain http
from a public address, as nearly all of it does. An answer is kept for a few minutes: many seals have one sealer.
"""

from __future__ import annotations

import asyncio

from yarl import URL

from adapters.http import Client, Request
from adapters.port import Unreachable

KEPT_SECONDS = 600.0
"""How long an answer is given again."""
_ANSWER_LIMIT = 10_000_000
_KEPT_LIMIT = 200


class Revocations:
    """Asks responders and fetches lists."""

    def __init__(self, allow: frozenset[str] = frozenset(), seconds: float = 15.0) -> None:
        """`allow`: host:port pairs that may be private; `seconds`: time for an answer."""
        self._client = Client(allow, plain=True)
        self._seconds = seconds
        self._kept: dict[tuple[str, bytes], tuple[float, bytes]] = {}

    async def fetch(self, url: str, question: bytes) -> bytes:
        """The answer to an OCSP question (DER), or the list at the address where there is none. Raises Unreachable."""
        now = asyncio.get_running_loop().time()
        kept = self._kept.get((url, question))
        if kept is not None and now - kept[0] < KEPT_SECONDS:
            return kept[1]
        headers = {"Content-Type": "application/ocsp-request"} if question else {}
        method = "POST" if question else "GET"
        answer = await self._client.send(
            Request(method, url, headers, question, seconds=self._seconds, limit=_ANSWER_LIMIT)
        )
        if answer.status != 200:
            raise Unreachable(f"{URL(url).host}: answered {answer.status}")
        if len(self._kept) >= _KEPT_LIMIT:
            self._kept.clear()
        self._kept[url, question] = (now, answer.body)
        return answer.body

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()
