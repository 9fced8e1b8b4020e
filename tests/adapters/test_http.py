"""The outbound client dials public addresses only, follows nothing, repeats nothing, and says what it does not know."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from adapters import http
from adapters.port import Unreachable
from tests.adapters.conftest import now
from tests.adapters.raw_server import RawServer


class Listener(RawServer):
    """A server that counts its connections and answers each request as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: list[bytes] = []
        self.silent = False

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(h.split(b":")[1]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length")), 0
        )
        self.requests.append(head + await reader.readexactly(length))
        if self.silent:
            await self.over.wait()
        writer.write(self.replies.pop(0) if self.replies else b"")
        await writer.drain()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    async with made.listening():
        yield made


@pytest.fixture
async def client(listener: Listener) -> AsyncIterator[http.Client]:
    made = http.Client(frozenset({listener.host}))
    yield made
    await made.close()


def post(url: str, **more: object) -> http.Request:
    return http.Request("POST", url, {}, b"{}", **{"delivers": True, "seconds": 2.0, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "127.0.0.1",
        "127.8.9.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::0808:0808",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "not-an-address",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not http.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert http.is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://example.org:8443/",
        "https://example.org:22/",
        "https://user:word@example.org/",
        "https://user@example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https:///nothing",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://10.1.2.3:8443/",
        "https://169.254.169.254/latest/meta-data/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://2130706433/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "no url at all",
        "https://[::1",
    ],
)
async def test_an_address_that_may_not_be_used_is_not_dialled(client: http.Client, url: str) -> None:
    with pytest.raises(Unreachable) as caught:
        await client.send(post(url))
    assert not caught.value.unknown


@pytest.mark.parametrize("host", ["localhost", "0x7f000001", "127.0.0.1.nip.invalid"])
async def test_a_name_is_judged_by_what_it_resolves_to(host: str) -> None:
    client = http.Client()
    with pytest.raises(OSError):  # noqa: PT011 -- Barred, or no such name
        await http._PublicResolver(client).resolve(host, 443, socket.AF_INET)


async def test_the_socket_itself_is_refused_for_a_private_address() -> None:
    client = http.Client(frozenset({"127.0.0.1:1234"}))
    for address in ("127.0.0.1", "10.0.0.1"):
        with pytest.raises(http.Barred):
            client._socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)))
    client._socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1234))).close()
    client._socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 443))).close()


async def test_a_name_may_be_private_only_with_its_port(listener: Listener) -> None:
    listener.replies = [b"HTTP/1.1 204 No Content\r\n\r\n"]
    client = http.Client(frozenset({f"localhost:{listener.port}"}))
    assert (await client.send(post(f"http://localhost:{listener.port}/"))).status == 204
    for url in (f"http://127.0.0.1:{listener.port}/", f"http://localhost:{listener.port + 1}/"):
        with pytest.raises(Unreachable):
            await client.send(post(url))
    assert listener.connections == 1
    await client.close()


async def test_a_redirect_is_an_answer(client: http.Client, listener: Listener) -> None:
    listener.replies = [
        f"HTTP/1.1 302 Found\r\nLocation: http://{listener.host}/x\r\nContent-Length: 0\r\n\r\n".encode(),
    ] * 2
    assert (await client.send(post(f"http://{listener.host}/"))).status == 302
    assert listener.connections == 1


async def test_proxy_variables_are_not_looked_at(
    client: http.Client, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    listener.replies = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    answer = await client.send(post(f"http://{listener.host}/path"))
    assert (answer.status, answer.body) == (200, b"ok")
    assert listener.requests[0].startswith(b"POST /path HTTP/1.1")


async def test_cookies_are_not_kept(client: http.Client, listener: Listener) -> None:
    listener.replies = [b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"] * 2
    for _ in range(2):
        await client.send(post(f"http://{listener.host}/"))
    assert b"cookie" not in listener.requests[1].lower()


@pytest.mark.parametrize("delivers", [True, False])
@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    ],
    ids=["closed", "half", "garbage", "too long", "compressed"],
)
async def test_a_lost_answer_is_unknown_only_for_a_delivery(
    client: http.Client, listener: Listener, reply: bytes, delivers: bool
) -> None:
    listener.replies = [reply]
    with pytest.raises(Unreachable) as caught:
        await client.send(post(f"http://{listener.host}/", delivers=delivers, limit=1000))
    assert caught.value.unknown is delivers
    assert listener.connections == 1, "it never retries"


@pytest.mark.parametrize("delivers", [True, False])
async def test_silence_is_unknown_only_for_a_delivery(client: http.Client, listener: Listener, delivers: bool) -> None:
    listener.silent = True
    with pytest.raises(Unreachable) as caught:
        await client.send(post(f"http://{listener.host}/", delivers=delivers, seconds=0.1))
    assert caught.value.unknown is delivers
    assert "too long" in caught.value.reason
    assert listener.connections == 1


async def test_what_failed_is_not_told_to_the_log(
    client: http.Client, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with pytest.raises(Unreachable):
        await client.send(
            http.Request(
                "POST", f"http://{listener.host}/secret-path?q=1", {"Authorization": "Bearer word"}, b"payload"
            )
        )
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("adapters"))
    assert "127.0.0.1" in said
    for secret in ("secret-path", "word", "payload"):
        assert secret not in said


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("99999999", timedelta(days=1)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", timedelta(0)),
        ("9" * 6_000, timedelta(days=1)),
        ("0" * 6_000 + "7", timedelta(seconds=7)),
        (f"Wed, 21 Oct {'9' * 30} 07:28:00 GMT", None),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after(said: str, wait: timedelta | None) -> None:
    assert http.Answer(429, {"retry-after": said}, b"", "").retry_in(now()) == wait


def test_the_allow_list() -> None:
    assert http.allow_list("Platform:8330, 127.0.0.1:25\n[::1]:80") == {"platform:8330", "127.0.0.1:25", "[::1]:80"}
    assert http.allow_list("") == frozenset()
    for wrong in ("platform", "http://platform:80/", "platform:", ":80", "platform:http"):
        with pytest.raises(ValueError, match="host:port"):
            http.allow_list(wrong)
