"""RELIABILITY T48: whatever address somebody names, and whatever the other side does, nothing inside is dialled.

The addresses go through each door of the client; the servers behave as hostile ones do, and each costs its bounds only.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from itertools import cycle

import pytest
from aiohttp.abc import ResolveResult

from adapters import catalogue, http, webhook
from adapters.port import Problem, Unreachable
from tests.adapters.conftest import now
from tests.adapters.raw_server import RawServer

INSIDE = (
    "127.0.0.1", "127.1.2.3", "127.255.255.254", "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254",
    "192.168.0.1", "192.168.255.254", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "0.0.0.0",
    "0.0.0.1", "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "[::]", "[::1]", "[fe80::1]", "[fc00::1]",
    "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]", "[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2002:a00:1::1]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[::127.0.0.1]", "[0:0:0:0:0:0:0:1]", "[::ffff:7f00:1]",
)  # fmt: skip
"""Hosts that are addresses and not public."""
WRITTEN = (
    "2130706433", "017700000001", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.1", "127.0.1", "0x7f.1", "127.0x0.1",
    "3232235521", "0xc0a80001", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "10.1", "0", "127.0.0.1.",
)  # fmt: skip
"""The same, as C libraries read them."""
NAMES = (
    "localhost", "LOCALHOST", "localhost.", "LocalHost.", "localhost.localdomain", "ip6-localhost",
    "metadata.google.internal", "METADATA.google.internal.", "a..b.example", ".example", "-", "",
)  # fmt: skip
FORMS = (
    "http://example.org/", "http://example.org:8443/", "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/",
    "dict://example.org:11211/", "ldap://example.org/", "javascript:alert(1)", "data:text/plain,x", "https:///x", "https://",
    "https:example.org", "//example.org/x", "/x", "", "example.org", "https://user@example.org/",
    "https://user:word@example.org/", "https://example.org@127.0.0.1/", "https://127.0.0.1#@example.org/",
    "https://127.0.0.1?@example.org/", "https://[::1", "https://[::1%25lo]/", "https://example.org:0/",
    "https://example.org:22/", "https://example.org:25/", "https://example.org:80/", "https://example.org:6379/",
    "https://example.org:65536/", "https://example.org:-1/", "https://example.org:x/", "https://exam ple.org/",
    "https://" + "a" * 64 + ".example/", "https://" + "a." * 130 + "example/", "wss://example.org/", "HTTP://127.0.0.1/",
    "unix:///var/run/docker.sock", "https+unix://%2Fvar%2Frun/",
)  # fmt: skip
"""Addresses whose form is not taken, whatever they point at."""
BARRED = (
    *(f"https://{host}/" for host in (*INSIDE, *WRITTEN, *NAMES)),
    *(f"https://{host}:8443/latest/meta-data/" for host in INSIDE[:6]),
    *FORMS,
)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every address a socket was asked for; none is ever connected outside loopback."""
    asked: list[object] = []

    async def connect(loop: object, sock: socket.socket, address: object) -> None:
        asked.append(address)
        raise OSError("the test dials nobody")

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", connect)
    return asked


async def test_no_address_inside_is_dialled(dialled: list[object]) -> None:
    assert len(BARRED) >= 114
    client = http.Client()
    for url in BARRED:
        with pytest.raises(Unreachable) as caught:
            await client.send(http.Request("POST", url, {}, b"{}", delivers=True, seconds=5.0))
        assert not caught.value.unknown, url
    await client.close()
    assert not dialled


def test_it_is_told_when_the_address_is_named() -> None:
    """By the door through which accounts name addresses, and by the one for operators' settings."""
    post = webhook.Post(now)
    assert [url for url in BARRED if not post.complaint(url)] == []
    assert [url for url in BARRED if not http.complaint(url, frozenset())] == []
    assert not post.complaint("https://example.org/hook")
    assert not post.complaint("https://example.org:8443/hook?x=1")


class Rebinding:
    """A name server that answers another way each time: public first, when the form is looked at, then inside."""

    def __init__(self, answers: list[list[str]]) -> None:
        self._answers = cycle(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int, family: int) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=one, port=port, family=socket.AF_INET6 if ":" in one else socket.AF_INET,
                          proto=0, flags=0)
            for one in next(self._answers)
        ]  # fmt: skip

    async def close(self) -> None:
        return None


async def test_a_thousand_names_that_are_rebound_reach_nobody_inside(dialled: list[object]) -> None:
    """The address that was judged is the one that is dialled; there is no second question."""
    inside = [host.strip("[]") for host in INSIDE]
    for number in range(1_000):
        answers = [[inside[number % len(inside)]], ["8.8.8.8"], [inside[(number + 7) % len(inside)], "1.1.1.1"]]
        client, names = http.Client(), Rebinding(answers[number % 3 :] + answers[: number % 3])
        session = client._opened()
        session.connector._resolver._inner = names  # type: ignore[union-attr]
        for _ in range(2):
            with pytest.raises(Unreachable):
                await client.send(http.Request("POST", "https://rebound.example/", {}, b"{}", seconds=5.0))
        assert names.asked == 2
        await client.close()
    hosts = {str(address[0]) for address in dialled if isinstance(address, tuple)}
    assert hosts <= {"8.8.8.8", "1.1.1.1"}
    assert hosts, "what is public is dialled: the test can fail"


# Hostile servers -----------------------------------------------------------------------------------------------------

Play = Callable[[asyncio.StreamWriter], "asyncio.Future[None] | None"]
SECONDS, LIMIT = 0.5, 65_536
"""What each may cost: the real bounds are 15 seconds and the same length."""


def answer(head: bytes, body: bytes = b"") -> bytes:
    """A response."""
    return b"HTTP/1.1 " + head + b"\r\n\r\n" + body


LENGTH = b"\r\nContent-Length: "
ONCE: dict[str, bytes] = {
    **{
        f"redirect {code}": answer(b"%d X\r\nLocation: http://127.0.0.1:HERE/inside%s0" % (code, LENGTH))
        for code in (300, 301, 302, 303, 305, 307, 308)
    },
    "redirect by refresh": answer(b"200 OK\r\nRefresh: 0; url=http://127.0.0.1:HERE/inside" + LENGTH + b"0"),
    "redirect by alt-svc": answer(b'200 OK\r\nAlt-Svc: h2="127.0.0.1:HERE"; ma=9' + LENGTH + b"0"),
    "proxy wanted": answer(b"407 X\r\nProxy-Authenticate: Basic" + LENGTH + b"0"),
    "password wanted": answer(b"401 X\r\nWWW-Authenticate: Negotiate" + LENGTH + b"0"),
    "cookies": answer(b"200 OK\r\nSet-Cookie: a=b; Domain=.example" + LENGTH + b"0"),
    "nothing": b"",
    "no http": b"SSH-2.0-OpenSSH\r\n\r\n",
    "old http": b"HTTP/0.9 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 \r\n\r\n",
    "two lengths": answer(b"200 OK\r\nContent-Length: 1\r\nContent-Length: 2", b"xy"),
    "negative length": answer(b"200 OK\r\nContent-Length: -1", b"x"),
    "length and chunks": answer(b"200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9", b"0\r\n\r\n"),
    "half": answer(b"200 OK" + LENGTH + b"100", b"half"),
    "long": answer(b"200 OK" + LENGTH + b"200000", b"x" * 200_000),
    "endless length": answer(b"200 OK" + LENGTH + b"99999999999", b"x" * 200_000),
    "gzip bomb": answer(b"200 OK\r\nContent-Encoding: gzip" + LENGTH + b"20", b"\x1f\x8b\x08" + b"\0" * 17),
    "bad chunk": answer(b"200 OK\r\nTransfer-Encoding: chunked", b"zz\r\nx\r\n"),
    "endless chunk": answer(b"200 OK\r\nTransfer-Encoding: chunked", b"fffffff\r\n" + b"x" * 200_000),
    "long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000 + b"\r\n",
    "header with a null": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
    "continue for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000,
    "switching": answer(b"101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade"),
}
SLOW = ("silent", "dripping body", "dripping head")


class Hostile(RawServer):
    """A server that plays one of them, and counts who comes."""

    def __init__(self) -> None:
        super().__init__()
        self.play = ""

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        if self.play in ONCE:
            writer.write(ONCE[self.play].replace(b"HERE", str(self.port).encode()))
            await writer.drain()
        elif self.play == "silent":
            await self.over.wait()
        else:
            writer.write(answer(b"200 OK" + LENGTH + b"1000") if "body" in self.play else b"HTTP/1.1 200 OK\r\nX: ")
            while not self.over.is_set():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    made = Hostile()
    async with made.listening():
        yield made


async def test_a_hostile_server_costs_its_bounds_and_is_asked_once(hostile: Hostile) -> None:
    plays = (*ONCE, *SLOW)
    assert len(plays) >= 30
    url = f"http://127.0.0.1:{hostile.port}/hook"
    for number, hostile.play in enumerate(plays, 1):
        client, began = http.Client(frozenset({f"127.0.0.1:{hostile.port}"})), time.monotonic()
        said = await _told(client, url)
        assert len(said.body) <= LIMIT if isinstance(said, http.Answer) else said.unknown, hostile.play
        assert time.monotonic() - began < SECONDS + 2, hostile.play
        assert len(hostile.requests) == number, f"{hostile.play}: asked once"
        assert b"cookie" not in hostile.requests[-1].lower()
        assert hostile.requests[-1].startswith(b"POST /hook "), "nothing but what was to be sent"
        await client.close()


async def _told(client: http.Client, url: str) -> http.Answer | Unreachable:
    try:
        return await client.send(http.Request("POST", url, {}, b"{}", delivers=True, seconds=SECONDS, limit=LIMIT))
    except Unreachable as away:
        return away


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"ESTAFETTE_TIMESTAMP_URLS": "https://stamp.example/"},
        {"ESTAFETTE_MAIL_HOST": "mail.example", "ESTAFETTE_MAIL_FROM": "factures@example.com"},
        {"ESTAFETTE_AFNOR_URL": "https://platform.example/", "ESTAFETTE_AFNOR_CLIENT_ID": "us"},
    ],
)
def test_an_allow_list_that_cannot_be_read_is_told_once_whatever_is_configured(given: dict[str, str]) -> None:
    problems = catalogue.build(given | {"ESTAFETTE_EGRESS_ALLOW": "no-port"}, now)[1]
    told = [problem for problem in problems if problem.setting == "ESTAFETTE_EGRESS_ALLOW"]
    assert told == [Problem("ESTAFETTE_EGRESS_ALLOW", "'no-port' is no host:port")]
    assert http.allowed({"ESTAFETTE_EGRESS_ALLOW": "no-port"}) == frozenset()
