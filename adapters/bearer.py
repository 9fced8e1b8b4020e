"""The access token of one client of a platform (OAuth 2.0 client credentials, RFC 6749 section 4.4), and calls with it.

A token that is refused is renewed once; the secret is read from its file each time, so that a changed one is taken.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

from adapters import http
from adapters.port import Unreachable, read_secret


@dataclass(frozen=True, slots=True)
class Login:
    """Where a token is asked for, and as whom."""

    token_url: str
    client_id: str
    secret_file: Path
    secret_in_form: bool = False
    """Whether the secret goes into the form of the token call; else into its Authorization header, as RFC 6749
    prefers."""
    seconds: float = 30.0
    """Time for one token call."""


class Bearer:
    """Holds the token of one client."""

    def __init__(self, login: Login, client: http.Client, now: Callable[[], datetime]) -> None:
        self._login = login
        self._client = client
        self._now = now
        self._token: tuple[str, datetime] | None = None
        self._lock = asyncio.Lock()

    async def send(self, request: http.Request) -> http.Answer:
        """Send a request with a valid token; a token that is refused (401) is renewed once. Raises Unreachable."""
        refused: str | None = None
        for _ in range(2):
            token = await self._valid(refused)
            signed = {**request.headers, "Authorization": f"Bearer {token}"}
            answer = await self._client.send(replace(request, headers=signed))
            if answer.status != 401:
                return answer
            refused = token
        raise Unreachable("the platform does not accept the access token it gave us")

    async def _valid(self, refused: str | None) -> str:
        """A token that has not ended and is not the refused one. Raises Unreachable."""
        async with self._lock:
            if self._token is not None and self._token[0] != refused and self._now() < self._token[1]:
                return self._token[0]
            answer = await self._client.send(await self._request())
            body = http.members_of(answer.body)
            token, lasts = body.get("access_token"), str(body.get("expires_in", 300))
            if answer.status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable():
                reason = f"the platform gives no access token (answered {answer.status})"
                raise Unreachable(reason, answer.retry_in(self._now()))
            seconds = int(lasts) if lasts.isascii() and lasts.isdigit() and len(lasts) < 9 else 300
            self._token = (token, self._now() + timedelta(seconds=seconds - min(30, seconds // 10)))
            return token

    async def _request(self) -> http.Request:
        login = self._login
        try:
            secret = await asyncio.to_thread(read_secret, login.secret_file)
        except ValueError as wrong:
            raise Unreachable(f"the client secret cannot be read: {wrong}") from wrong
        form = {"grant_type": "client_credentials"}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if login.secret_in_form:
            form |= {"client_id": login.client_id, "client_secret": secret}
        else:
            pair = f"{quote(login.client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749, 2.3.1
            headers["Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        return http.Request("POST", login.token_url, headers, urlencode(form).encode(), seconds=login.seconds)
