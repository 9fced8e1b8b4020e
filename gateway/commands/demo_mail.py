"""A mail catcher for the demo: receives what is sent to it over SMTP on loopback, and keeps it; nothing goes further.

It knows what a sender needs to hand over a message (RFC 5321) and no more: no login, no TLS, no extensions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

LIMIT = 32 * 1024 * 1024
"""Bytes of one message."""
SILENCE = 30.0
"""Seconds that a sender may say nothing."""


@dataclass(slots=True)
class Catcher:
    """What was caught."""

    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the sender leaves or says nothing any more."""
        try:
            writer.write(b"220 catcher.example\r\n")
            async with asyncio.timeout(None) as silence:
                while True:
                    silence.reschedule(asyncio.get_running_loop().time() + SILENCE)
                    line = await reader.readline()
                    if not line or not await self._answer(line, reader, writer):
                        return
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            return
        finally:
            writer.close()

    async def _answer(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a command; whether another may follow."""
        match line.split(maxsplit=1)[0].upper() if line.split() else b"":
            case b"EHLO" | b"HELO":
                said = "250 catcher.example"
            case b"MAIL" | b"RCPT" | b"RSET" | b"NOOP":
                said = "250 OK"
            case b"DATA":
                writer.write(b"354 go on\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                unstuffed = data[:-3].replace(b"\r\n..", b"\r\n.")
                message = message_from_bytes(unstuffed, policy=policy.default)
                assert isinstance(message, EmailMessage)
                self.messages.append(message)
                said = "250 caught"
            case b"QUIT":
                writer.write(b"221 bye\r\n")
                await writer.drain()
                return False
            case _:
                said = "500 not known here"
        writer.write(f"{said}\r\n".encode())
        await writer.drain()
        return True


@asynccontextmanager
async def catching() -> AsyncIterator[Catcher]:
    """A catcher on a free port of loopback."""
    catcher = Catcher()
    server = await asyncio.start_server(catcher.serve, "127.0.0.1", 0, limit=LIMIT)
    catcher.port = server.sockets[0].getsockname()[1]
    async with server:
        yield catcher
