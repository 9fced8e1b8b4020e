"""The platform that is held against the standard: calls to it, at a bounded rate, with everything it answered.

A 429 is an answer like any other to the scenarios that ask for it; for all others the call waits as long as it says,
and is made again, a few times at most. Nothing else is repeated.
"""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from adapters import http
from adapters.conformance.verdict import Fails, Skips, Text, same
from adapters.port import Unreachable, read_secret

FLOW, DIRECTORY, TOKEN = "flow", "directory", "token"  # the three services
FILE_LIMIT, JSON_LIMIT = 110_000_000, 8_000_000
"""Bytes of one answer, at most: a flow's file has 100 MB."""
KEPT_LIMIT = 20_000
"""Bytes that are kept of an answer that is no JSON."""
WAITS = 3
"""How often a call that was told to wait (429) is made again."""
TOKEN_SLACK = timedelta(seconds=20)
"""A token that ends sooner is renewed before it is used."""
PAGES_LIMIT = 40
"""Pages of flows that are read to know what is there."""

_OPERATIONS = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        (r"/v1/flows", "/v1/flows"),
        (r"/v1/flows/search", "/v1/flows/search"),
        (r"/v1/flows/[^/]+", "/v1/flows/{flowId}"),
        (r"/v1/webhooks", "/v1/webhooks"),
        (r"/v1/webhooks/[^/]+", "/v1/webhooks/{webhookUid}"),
        (r"/v1/healthcheck", "/v1/healthcheck"),
        (r"/v1/(siren|siret|routing-code|directory-line)/search", r"/v1/\1/search"),
        (r"/v1/siren/code-insee:[^/]+", "/v1/siren/code-insee:{siren}"),
        (r"/v1/siret/code-insee:[^/]+", "/v1/siret/code-insee:{siret}"),
        (r"/v1/routing-code/siret:[^/]+/code:[^/]+", "/v1/routing-code/siret:{siret}/code:{routing-identifier}"),
        (r"/v1/directory-line/code:[^/]+", "/v1/directory-line/code:{addressing-identifier}"),
    )
)


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the platform, and what the operator allows."""

    url: str
    """Base of the Flow Service, up to and without /v1."""
    token_url: str
    client_id: str
    secret_file: Path
    directory_url: str = ""
    """Base of the Directory Service; empty: it is not asked."""
    organization: str = ""
    """Organization-Id sent with each call."""
    secret_in_form: bool = False
    allow: frozenset[str] = frozenset()
    """host:port pairs that may be private or speak http."""
    seller: str = ""
    """SIREN in whose name invoices are handed in."""
    buyer: str = ""
    """SIREN to whom."""
    known: str = ""
    """SIREN that the directory is asked about; empty: the buyer's, or else the seller's."""
    submit: bool = False
    large: bool = False
    burst: int = 0
    """Calls made at once to see a limit; 0: it is not tried."""
    callback: str = ""
    """Address of ours that the platform can post to; empty: webhooks are not tried."""
    listen: tuple[str, int] | None = None
    """Host and port where what is posted to `callback` comes in."""
    rate: float = 5.0
    """Calls a second, at most."""
    patience: float = 30.0
    """Seconds to wait for a verdict, a status, an event, or as a 429 asks."""
    seconds: float = 30.0
    """Time for one call."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and its answer."""

    service: str
    method: str
    operation: str
    """The path as the standard writes it; empty for a path that it does not know."""
    answer: http.Answer
    at: datetime
    """When the answer was there."""
    spent: float
    """Seconds."""


@dataclass
class Counterpart:
    """One platform under test."""

    access: Access
    now: Callable[[], datetime]
    descriptions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What answers are held to, by service: an OpenAPI description."""
    exchanges: list[Exchange] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    """What scenarios found out for the summary: by name."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What scenarios made for those after them: by name."""
    submitted: int = 0
    """Files handed in."""
    unpaced: bool = False
    """Calls are made at once, as the scenario of a burst wants."""

    def __post_init__(self) -> None:
        self._client = http.Client(self.access.allow)
        self._token: tuple[str, datetime] | None = None
        self._pace = asyncio.Lock()
        self._flows: list[dict[str, Any]] | None = None

    async def close(self) -> None:
        """Give back the connections."""
        await self._client.close()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str | None] | None = None,
        *,
        service: str = FLOW,
        patient: bool = True,
    ) -> http.Answer:
        """Call with a token. `body`: members for JSON, parts of a form, or bytes; a header that is None is left out.

        Raises Unreachable when there is no answer, or none that was read whole.
        """
        given: dict[str, str | None] = {"Accept": "*/*", "Request-Id": str(uuid4())}
        if self.access.organization:
            given["Organization-Id"] = self.access.organization
        if isinstance(body, Mapping | list):
            given["Content-Type"] = "application/json"
        given |= {"Authorization": f"Bearer {await self.token()}"} if "Authorization" not in (headers or {}) else {}
        given |= headers or {}
        sent = {name: value for name, value in given.items() if value is not None}
        data = json.dumps(body).encode() if isinstance(body, Mapping | list) else body or b""
        if not isinstance(data, bytes | tuple):
            raise TypeError("a body is members, parts or bytes")
        base = self.access.directory_url if service == DIRECTORY else self.access.url
        delivers = isinstance(data, tuple)
        seconds = self.access.seconds * (4 if delivers else 1)
        limit = FILE_LIMIT if "docType=" in path else JSON_LIMIT
        request = http.Request(method, f"{base}{path}", sent, data, seconds=seconds, limit=limit)
        return await self.send(request, service, path, patient=patient)

    async def send(self, request: http.Request, service: str, path: str, *, patient: bool = True) -> http.Answer:
        """Send at the agreed rate; what asks to wait is waited for and sent again. Raises Unreachable."""
        answer = await self._once(request, service, path)
        for _ in range(WAITS):
            wait = (answer.retry_in(self.now()) or timedelta(seconds=1)).total_seconds()
            if answer.status != 429 or not patient or wait > self.access.patience:
                break
            await asyncio.sleep(wait)
            answer = await self._once(request, service, path)
        return answer

    async def _once(self, request: http.Request, service: str, path: str) -> http.Answer:
        if not self.unpaced:
            async with self._pace:
                await asyncio.sleep(1 / self.access.rate)
        began = asyncio.get_running_loop().time()
        answer = await self._client.send(request)
        spent = asyncio.get_running_loop().time() - began
        operation = operation_of(path) if service != TOKEN else TOKEN
        kept = answer if answer.media_type.endswith("json") else replace(answer, body=answer.body[:KEPT_LIMIT])
        self.exchanges.append(Exchange(service, request.method, operation, kept, self.now(), spent))
        return answer

    async def token(self) -> str:
        """An access token that has not ended. Raises Unreachable when none is given."""
        if self._token is not None and self.now() < self._token[1]:
            return self._token[0]
        answer = await self.grant(in_form=self.access.secret_in_form)
        if answer.status != 200:
            answer = await self.grant(in_form=not self.access.secret_in_form)
        body = members(answer)
        token, lasts = body.get("access_token"), body.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            raise Unreachable(f"the platform gives no access token (answered {answer.status})")
        seconds = lasts if isinstance(lasts, int) and not isinstance(lasts, bool) and 0 < lasts < 10**8 else 300
        self._token = (token, self.now() + timedelta(seconds=seconds) - TOKEN_SLACK)
        return token

    async def grant(
        self, *, in_form: bool = False, secret: str = "", client: str = "", kind: str = "client_credentials"
    ) -> http.Answer:
        """Ask for a token (RFC 6749, 4.4); what is empty is as configured. Raises Unreachable."""
        try:
            secret = secret or await asyncio.to_thread(read_secret, self.access.secret_file)
        except ValueError as wrong:
            raise Unreachable(f"the client secret cannot be read: {wrong}") from wrong
        client = client or self.access.client_id
        form = {"grant_type": kind}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if in_form:
            form |= {"client_id": client, "client_secret": secret}
        else:
            login = f"{quote(client, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = "Basic " + b64encode(login.encode()).decode()
        url, body = self.access.token_url, urlencode(form).encode()
        return await self.send(http.Request("POST", url, headers, body, seconds=self.access.seconds), TOKEN, "")

    async def search(self, where: Mapping[str, Any], **more: Any) -> http.Answer:
        """POST /v1/flows/search. Raises Unreachable."""
        return await self.call("POST", "/v1/flows/search", {"where": dict(where), **more})

    async def listing(self, *, anew: bool = False) -> list[dict[str, Any]]:
        """The flows that are there, as far as a bounded number of pages shows them. Raises Unreachable, Skips."""
        if self._flows is not None and not anew:
            return self._flows
        found: dict[str, dict[str, Any]] = {}
        after = "1970-01-01T00:00:00Z"
        cursor: str | None = None
        for _ in range(PAGES_LIMIT):
            more = {"cursor": cursor} if cursor else {}
            answer = await self.search({"updatedAfter": after}, limit=100, **more)
            body = members(answer)
            page = flows_of(body)
            if answer.status != 200:
                raise Skips(Text("the flows cannot be listed", "les flux ne peuvent pas être listés"))
            fresh = [flow for flow in page if str(flow.get("flowId")) not in found]
            found |= {str(flow.get("flowId")): flow for flow in page}
            cursor = body.get("nextCursor")
            if cursor is not None and not fresh:
                break
            if cursor is None:
                last = max((str(flow.get("updatedAt")) for flow in page), default=after)
                if len(page) < 100 or not fresh or last <= after:
                    break
                after = last
        self._flows = list(found.values())
        return self._flows

    def forget(self) -> None:
        """Flows were handed in: the next listing is made anew."""
        self._flows = None


def operation_of(path: str) -> str:
    """The path as the standard writes it; empty for one that it does not know."""
    bare = path.partition("?")[0]
    for pattern, shown in _OPERATIONS:
        if (found := pattern.fullmatch(bare)) is not None:
            return found.expand(shown) if "\\" in shown else shown
    return ""


def members(answer: http.Answer) -> dict[str, Any]:
    """A JSON object; an empty one for anything else."""
    return http.members_of(answer.body)


def flows_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The flows of a search's answer, as far as they are any."""
    found = body.get("results")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def shown(answer: http.Answer) -> str:
    """An answer in few words: its status, and of an error what it says; never what a flow holds."""
    body = members(answer)
    told = [str(body[name]) for name in ("errorCode", "errorMessage", "error") if body.get(name)]
    kind = "" if told else f" {answer.media_type}, {len(answer.body)} B"
    text = f"HTTP {answer.status}{kind}" + (f" ({': '.join(told)})" if told else "")
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:300]


def fails(expected: Text | str, found: Text | str) -> Fails:
    """The failure of a scenario; a plain text reads the same in both languages."""
    return Fails(*(same(one) if isinstance(one, str) else one for one in (expected, found)))
