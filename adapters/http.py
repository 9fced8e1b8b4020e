"""The one outbound HTTP client: https to public addresses, bounded in time and size; it never retries.

An address that an operator configures is still an address that can point inward, by mistake or by a changed DNS record.
So the check is made on the address that is actually dialled, at the moment it is dialled: names are resolved by a
resolver that drops every address that is not public, and the socket itself is refused for any other. Redirects are
answers, not orders; cookies and proxy variables are not looked at. What must be reached on a private network (tests, a
demo, a platform in the same data centre) is named by the operator as host:port in ESTAFETTE_EGRESS_ALLOW.

A request that carries something (`delivers`) and fails after it may have been read raises Unreachable with `unknown`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from string import hexdigits
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from adapters.port import Unreachable

log = logging.getLogger(__name__)

PORTS = frozenset({443, 8443})
"""Ports of https servers that are dialled without being named by the operator."""
CONNECT_SECONDS = 10.0
"""How long to wait for a connection, TLS included."""
RETRY_LIMIT = timedelta(days=1)
"""A Retry-After beyond this is cut to this."""
CHUNK = 65_536
ALLOW_NAME = "ESTAFETTE_EGRESS_ALLOW"

_WRAPPED = tuple(ipaddress.ip_network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))
"""IPv6 networks that carry IPv4 addresses: NAT64, also of a network's own (RFC 8215), and IPv4-compatible."""
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")
"""Protocol assignments (RFC 6890), public to older Pythons; a cloud's metadata are served at one of them."""
_CLOSED = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "metadata.google.internal"})


class Barred(OSError):
    """The address is not public and not named by the operator. An OSError, so that aiohttp ends the dialling on it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, wholly read."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of repeated headers the last."""
    body: bytes
    media_type: str

    def retry_in(self, now: datetime) -> timedelta | None:
        """What Retry-After says, as seconds or as a date; None when it says nothing readable."""
        said = self.headers.get("retry-after", "").strip()
        if said.isascii() and said.isdigit():  # of many digits the first tell enough; int() refuses thousands
            wait = timedelta(seconds=min(int(said.lstrip("0")[:9] or "0"), int(RETRY_LIMIT.total_seconds())))
        else:
            try:
                date = parsedate_to_datetime(said)
            except (ValueError, OverflowError):
                return None
            wait = date.replace(tzinfo=date.tzinfo or UTC) - now
        return min(max(wait, timedelta(0)), RETRY_LIMIT)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart form."""

    name: str
    data: bytes
    media_type: str
    file_name: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request, to be sent once."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | tuple[Part, ...] = b""
    """Bytes as they are, or the parts of a multipart/form-data."""
    delivers: bool = False
    """It hands something over, so that a failure after sending leaves the outcome unknown."""
    seconds: float = 30.0
    """Time for all of it."""
    limit: int = 1_000_000
    """Bytes of the answer, at most."""


class Client:
    """Sends requests and keeps connections open between them."""

    def __init__(
        self, allow: frozenset[str] = frozenset(), *, plain: bool = False, calls_per_second: float = 0.0
    ) -> None:
        """`allow`: host:port pairs that may be private and may speak http; `plain`: port 80 of public addresses may
        speak http, for answers that are signed themselves; `calls_per_second`: requests wait for their turn; 0: none
        does.
        """
        self._allow = allow
        self._plain = plain
        self._dialled: frozenset[tuple[str, int]] = frozenset()
        self._session: aiohttp.ClientSession | None = None
        self._pause = 1 / calls_per_second if calls_per_second else 0.0
        self._next = 0.0

    async def send(self, request: Request) -> Answer:
        """Send once and read the answer. Raises Unreachable; any status is an answer."""
        url = self.check(request.url)
        await self._turn()
        started = asyncio.get_running_loop().time()
        try:
            answer = await self._exchange(request, url)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as away:
            raise self._away(request, url, away, unknown=False) from away
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError) as wrong:
            raise Unreachable(f"{url.host}: the address cannot be used") from wrong
        except (aiohttp.ClientError, TimeoutError, OSError) as lost:
            raise self._away(request, url, lost, unknown=request.delivers) from lost
        spent = int((asyncio.get_running_loop().time() - started) * 1000)
        log.debug("%s %s answered %d in %d ms", request.method, url.host, answer.status, spent)
        return answer

    async def close(self) -> None:
        """Give back the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _turn(self) -> None:
        """Wait until the next request is due; those that wait go in the order they came."""
        if not self._pause:
            return
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next)
        self._next = turn + self._pause
        await asyncio.sleep(turn - now)

    async def _exchange(self, request: Request, url: URL) -> Answer:
        timeout = aiohttp.ClientTimeout(total=request.seconds, sock_connect=CONNECT_SECONDS)
        body: Any = request.body if isinstance(request.body, bytes) else _form(request.body)
        async with self._opened().request(
            request.method,
            url,
            headers=dict(request.headers),
            data=body or None,
            timeout=timeout,
            allow_redirects=False,
        ) as response:
            content = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK):
                content += chunk
                if len(content) > request.limit:
                    raise aiohttp.ClientPayloadError(f"the answer is longer than {request.limit} bytes")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise aiohttp.ClientPayloadError("the answer is compressed, which was not asked for")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, bytes(content), response.content_type)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_PublicResolver(self),
                use_dns_cache=False,
                socket_factory=self._socket,
                limit=100,
                limit_per_host=20,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "Estafette"},
            )
        return self._session

    def check(self, text: str) -> URL:
        """The address as a URL when its form is allowed. Raises Unreachable."""
        try:
            url = URL(text)
            host, port = url.host or "", url.port or 0
        except ValueError:
            raise Unreachable("the address of the other side is no URL") from None
        if not host or url.user is not None or url.password is not None:
            raise Unreachable("the address of the other side has no host, or carries a password")
        if not _is_name(host):
            raise Unreachable(f"{host[:60]}: this is no name of a host")
        if self.allows(host, port):
            return url
        plain = self._plain and url.scheme == "http" and port == 80
        if url.scheme != "https" and not plain:
            raise Unreachable(f"{host}: only https is spoken with addresses that ESTAFETTE_EGRESS_ALLOW does not name")
        if port not in PORTS and not plain:
            raise Unreachable(f"{host}: port {port} is not dialled unless ESTAFETTE_EGRESS_ALLOW names {host}:{port}")
        if host.rstrip(".").lower() in _CLOSED or (_is_literal(host) and not is_public(host)):
            raise Unreachable(f"{host}: the address is not public")
        return url

    def allows(self, host: str, port: int) -> bool:
        """Whether the operator named this host and port."""
        return is_named(self._allow, host, port)

    def permit(self, address: str, port: int) -> None:
        """Remember that an address belongs to a name that the operator gave."""
        self._dialled |= {(address, port)}

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The socket for one dialled address, refused when the address is neither public nor allowed."""
        family, kind, protocol, _, address = info
        host, port = str(address[0]), int(address[1])
        if not (is_public(host) or self.allows(host, port) or (host, port) in self._dialled):
            raise Barred(f"{host} is not public")
        return socket.socket(family, kind, protocol)

    def _away(self, request: Request, url: URL, cause: BaseException, *, unknown: bool) -> Unreachable:
        kind = "took too long" if isinstance(cause, TimeoutError) else type(cause).__name__
        if isinstance(cause, aiohttp.ClientConnectorError) and isinstance(cause.os_error, Barred):
            kind = "the address is not public"
        log.info("%s %s: %s", request.method, url.host, kind)
        return Unreachable(f"{url.host}: {kind}", unknown=unknown)


class _PublicResolver(AbstractResolver):
    """Resolves names, and drops every address that is not public unless the operator named host and port."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name that may be dialled. Raises Barred when none is left."""
        found = await self._inner.resolve(host, port, family)
        if self._client.allows(host, port):
            for result in found:
                self._client.permit(result["host"], port)
            return found
        public = [result for result in found if is_public(result["host"])]
        if not public:
            raise Barred(f"{host} has no public address")
        return public

    async def close(self) -> None:
        """Give back the inner resolver."""
        await self._inner.close()


def is_public(address: str) -> bool:
    """Whether an IP address, and any address wrapped in it (mapped, 6to4, Teredo, NAT64), is on the public internet."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip.sixtofour is not None or ip.teredo is not None or any(ip in one for one in _WRAPPED):
            return False
    elif ip in _PROTOCOLS:
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not ip.is_unspecified


def _is_name(host: str) -> bool:
    """Whether a host is an address, or a name that can be asked for: labels of 1 to 63 characters, 253 in all."""
    labels = host.removesuffix(".").split(".")
    return ":" in host or (len(host) <= 253 and all(_is_label(label) for label in labels))


def _is_label(label: str) -> bool:
    plain = all(sign.isalnum() or sign in "-_" for sign in label)
    return plain and 0 < len(label) <= 63 and "-" not in (label[0], label[-1])


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # 2130706433, 0x7f000001, 127.1 and 0177.0.0.1 are addresses to the C library: literals too, and no public ones.
        last = host.rstrip(".").rsplit(".", maxsplit=1)[-1].lower()
        return last.isdigit() or (last.startswith("0x") and all(sign in hexdigits for sign in last[2:]))
    return True


def _form(parts: tuple[Part, ...]) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("form-data")
    for part in parts:
        payload = aiohttp.BytesPayload(part.data, content_type=part.media_type)
        if part.file_name:
            payload.set_content_disposition("form-data", name=part.name, filename=part.file_name)
        else:
            payload.set_content_disposition("form-data", name=part.name)
        writer.append_payload(payload)
    return writer


def members_of(body: bytes) -> dict[str, Any]:
    """The members of a JSON object; none where a body is anything else, or cannot be read."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def complaint(url: str, allow: frozenset[str], *, plain: bool = False) -> str:
    """What is wrong with an address in the settings; empty when it may be used. `plain`: as for `Client`."""
    try:
        Client(allow, plain=plain).check(url)
    except Unreachable as wrong:
        return wrong.reason
    return ""


def allow_list(text: str) -> frozenset[str]:
    """What ESTAFETTE_EGRESS_ALLOW says: host:port pairs, apart by commas or spaces. Raises ValueError."""
    pairs = frozenset(pair.lower() for pair in text.replace(",", " ").split())
    for pair in pairs:
        host, _, port = pair.rpartition(":")
        if not host or not port.isdigit() or "/" in pair:
            raise ValueError(f"{pair!r} is no host:port")
    return pairs


def is_named(allow: frozenset[str], host: str, port: int) -> bool:
    """Whether an allow list names this host and port."""
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}".lower() in allow


def allowed(environment: Mapping[str, str]) -> frozenset[str]:
    """What ESTAFETTE_EGRESS_ALLOW names; nothing where it cannot be read, which the catalogue tells once for all."""
    try:
        return allow_list(environment.get(ALLOW_NAME, ""))
    except ValueError:
        return frozenset()
