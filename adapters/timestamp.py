"""Timestamp authorities (RFC 3161) over HTTP: a question goes out, an answer comes back, and nobody believes it yet.

What is asked is a hash of a signature, so nothing of a document leaves. Whether the answer belongs to the question is
checked where the seal is (`signing.timestamp`), and whether its authority is one to be trusted, by who verifies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from yarl import URL

from adapters.http import Client, Request, allowed, complaint
from adapters.port import Problem, Unreachable

_NAME = "ESTAFETTE_TIMESTAMP_URLS"
_MEDIA_TYPE = "application/timestamp-reply"
_ANSWER_LIMIT = 65_536


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's authorities."""

    urls: tuple[str, ...]
    """In order of preference."""
    allow: frozenset[str] = frozenset()
    """host:port pairs that may be private and may speak http."""
    seconds: float = 15.0
    """Time for an answer."""


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_TIMESTAMP_URLS; None when it is not set, or cannot be used, as `problems` then tells."""
    urls = tuple(environment.get(_NAME, "").replace(",", " ").split())
    if not urls:
        return None
    allow = allowed(environment)
    wrong = [f"{url}: {said}" for url in urls if (said := complaint(url, allow, plain=True))]
    problems.extend(Problem(_NAME, one) for one in wrong)
    return None if wrong else Settings(urls, allow)


class Authority:
    """One authority. Its answers are signed, so it may speak plain http on a public address, as most do."""

    def __init__(self, url: str, settings: Settings) -> None:
        """`url`: one of the settings'."""
        self._url = url
        self._settings = settings
        self._client = Client(settings.allow, plain=True)

    @property
    def name(self) -> str:
        """The host."""
        return URL(self._url).host or self._url

    async def stamp(self, query: bytes) -> bytes:
        """Ask. Raises Unreachable."""
        headers = {"Content-Type": "application/timestamp-query", "Accept": _MEDIA_TYPE}
        answer = await self._client.send(
            Request("POST", self._url, headers, query, seconds=self._settings.seconds, limit=_ANSWER_LIMIT)
        )
        if answer.status != 200 or answer.media_type != _MEDIA_TYPE:
            raise Unreachable(f"{self.name}: answered {answer.status} {answer.media_type}")
        return answer.body

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()


def authorities(settings: Settings) -> tuple[Authority, ...]:
    """The authorities of the settings, in their order."""
    return tuple(Authority(url, settings) for url in settings.urls)
