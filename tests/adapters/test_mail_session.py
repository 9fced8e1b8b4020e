"""RELIABILITY T49: whatever stands in an invoice, the mail server hears one sender, one recipient and one message.

The session is recorded byte for byte and read again in two ways: as a strict server does, and as one that takes a bare
line feed for the end of a line. Both must see the same commands, and the same one message. (The project signs no mail
with DKIM: that is the operator's mail server's.)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy

import pytest

from adapters.mail import Mail, Settings
from adapters.port import ElectronicAddress, Refused, Route
from tests.adapters.conftest import consignment, now

SENDER, RECIPIENT = "factures@example.com", "good@example.org"
HEADERS = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "MIME-Version"}
ENDS = (
    "\r\n",
    "\n",
    "\r",
    "\n\r",
    "\r\n\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
)
"""What some program takes for the end of a line."""
SMUGGLED = (
    "{e}Bcc: other@example.org", "{e}.{e}MAIL FROM:<x@example.org>{e}RCPT TO:<y@example.org>{e}DATA{e}",
    "{e}To: other@example.org{e}{e}another body", "{e} folded{e}\tand folded",
)  # fmt: skip
CASES = (
    *(f"Facture 12{one.format(e=end)}" for end in ENDS for one in SMUGGLED),
    "", ".", "..", "=?utf-8?q?=0d=0aBcc:_x=40example=2eorg?=", "=?utf-8?b?DQpCY2M6IHhAZXhhbXBsZS5vcmc=?=", "é" * 500,
    "x" * 5_000, "\u202egnp.exe", '"; filename="a.exe', 'name=\\"x', "a/b\\c:d", "😀" * 60, "\ud83d",
    "-- \r\nsignature", "==??utf-8?q?=0d=0aBcc:_x?=", "=\0?utf-8?q?=0d=0aBcc:_x?=", "=?utf-8*en?q?=0d=0aBcc:_x?=",
)  # fmt: skip


@dataclass
class Session:
    """What one client said, in bytes."""

    said: bytearray = field(default_factory=bytearray)
    data: list[bytes] = field(default_factory=list)
    """Each message, as a strict server ends it."""
    commands: list[bytes] = field(default_factory=list)


@pytest.fixture
async def recorded() -> AsyncIterator[tuple[list[Session], Mail]]:
    """A server of a few lines that keeps every byte, and the client for it."""
    sessions: list[Session] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session()
        sessions.append(session)
        writer.write(b"220 mx.example ESMTP\r\n")
        while line := await reader.readline():
            session.said += line
            command = line.rstrip(b"\r\n")
            session.commands.append(command)
            if command.upper() == b"DATA":
                writer.write(b"354 go\r\n")
                message = await reader.readuntil(b"\r\n.\r\n")
                session.said += message
                session.data.append(message[: -len(b".\r\n")])
                writer.write(b"250 2.0.0 kept\r\n")
            elif command.upper().startswith(b"EHLO"):
                writer.write(b"250-mx.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            else:
                writer.write(b"221 bye\r\n" if command.upper() == b"QUIT" else b"250 ok\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield sessions, Mail(Settings("127.0.0.1", port, SENDER, tls="none", seconds=5.0), now)
    server.close()
    await server.wait_closed()


def lenient(said: bytes) -> list[bytes]:
    """The commands that a server hears which takes a bare line feed, or a bare return, for the end of a line."""
    commands, inside = [], False
    for line in re.split(rb"\r\n|\n|\r", said):
        if inside:
            inside = line != b"."
        elif line:
            commands.append(line)
            inside = line.upper() == b"DATA"
    return commands


@pytest.mark.parametrize("place", ["subject", "name"])
async def test_nothing_in_an_invoice_says_anything_to_the_server(
    recorded: tuple[list[Session], Mail], place: str
) -> None:
    sessions, network = recorded
    assert len(CASES) >= 57
    sent = replace(consignment(), route=Route("mail", ElectronicAddress("EM", RECIPIENT), "a test"))
    for number, case in enumerate(CASES, 1):
        await network.send(replace(sent, **{place: case}))  # type: ignore[arg-type]
        assert len(sessions) == number
        session = sessions[-1]
        spoken = [command.split(b" ")[0].upper() for command in session.commands]
        assert [verb for verb in spoken if verb != b"QUIT"] == [b"EHLO", b"MAIL", b"RCPT", b"DATA"], case
        assert session.commands[1].startswith(f"MAIL FROM:<{SENDER}>".encode()), case
        assert session.commands[2].startswith(f"RCPT TO:<{RECIPIENT}>".encode()), case
        assert lenient(bytes(session.said)) == session.commands, f"a lenient server hears more: {case!r}"
        (data,) = session.data
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data), "no bare line end"
        assert data.isascii()
        assert max(map(len, data.split(b"\r\n"))) <= 998
        message = message_from_bytes(data, policy=policy.default)
        assert set(message.keys()) == HEADERS, case
        assert len(message.keys()) == len(HEADERS), f"each header once: {case!r}"
        assert (message["From"], message["To"]) == (SENDER, RECIPIENT)
        (attached,) = message.iter_attachments()
        assert attached.get_content() in (sent.data, sent.data.decode()), case
        assert len(list(message.walk())) == 3, f"one text and one attachment: {case!r}"


@pytest.mark.parametrize(
    "address", [f"a{end}@example.org" for end in ENDS] + [f"a@example.org{end}RCPT TO:<b@c.de>" for end in ENDS]
)  # fmt: skip
async def test_an_address_with_more_in_it_opens_no_session(recorded: tuple[list[Session], Mail], address: str) -> None:
    sessions, network = recorded
    with pytest.raises(Refused):
        await network.send(replace(consignment(), route=Route("mail", ElectronicAddress("EM", address), "a test")))
    assert not sessions
    assert await network.find(ElectronicAddress("EM", address)) is None
