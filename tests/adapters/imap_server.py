"""A small IMAP server of the tests (RFC 3501, 4315, 6851), so far as a mailbox is read and tidied up.

It keeps messages in memory and speaks over a real socket, with or without TLS. What it is asked beyond that it answers
with BAD, so that a client that asks for more is found out.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_SET = re.compile(r"([0-9]+|\*)(?::([0-9]+|\*))?")
_WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"|(\([^)]*\))|(\S+)')


@dataclass
class Box:
    """What the server has, and how it behaves."""

    password: str = "word"
    abilities: tuple[str, ...] = ("IMAP4rev1", "AUTH=PLAIN", "MOVE", "UIDPLUS")
    validity: int = 7
    folders: dict[str, dict[int, bytes]] = field(default_factory=lambda: {"INBOX": {}})
    deleted: set[int] = field(default_factory=set)
    next: int = 1
    broken: set[int] = field(default_factory=set)
    """UIDs that are refused when they are fetched."""
    sizes: dict[int, int] = field(default_factory=dict)
    """Sizes that are told instead of the true ones, by UID."""
    whole: bool = False
    """Who asks for a part of a message gets all of it."""
    slow: dict[int, float] = field(default_factory=dict)
    """Seconds that a message takes, by UID."""
    cut_after: int | None = None
    """So many commands are answered; then the connection is cut."""
    commands: list[str] = field(default_factory=list)
    context: ssl.SSLContext | None = None

    def put(self, data: bytes, folder: str = "INBOX") -> int:
        """A message comes; its UID."""
        uid, self.next = self.next, self.next + 1
        self.folders[folder][uid] = data
        return uid

    def everything(self) -> list[bytes]:
        """All messages there are, wherever."""
        return [data for messages in self.folders.values() for data in messages.values()]


@asynccontextmanager
async def serve(box: Box, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server of the box; TLS from the first byte with a context."""
    tasks: set[asyncio.Task[None]] = set()

    async def _accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _Session(box, reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(_accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


class _Session:
    """One connection."""

    def __init__(self, box: Box, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._box, self._reader, self._writer = box, reader, writer
        self._folder: str | None = None
        self._known = False

    async def run(self) -> None:
        """Until LOGOUT or the end of the connection."""
        self._say("* OK here")
        answered = 0
        while line := await self._reader.readline():
            tag, _, rest = line.decode().rstrip("\r\n").partition(" ")
            word, _, rest = rest.partition(" ")
            uid = word.upper() == "UID"
            if uid:
                word, _, rest = rest.partition(" ")
            word = word.upper()
            self._box.commands.append(word)
            if self._box.cut_after is not None and answered >= self._box.cut_after:
                transport = self._writer.transport
                assert transport is not None
                transport.abort()  # type: ignore[attr-defined]
                return
            answered += 1
            self._say(f"{tag} {await self._answer(tag, word, [_word(one) for one in _WORDS.finditer(rest)], uid=uid)}")
            if word == "STARTTLS" and self._box.context is not None:
                await self._writer.drain()
                await self._writer.start_tls(self._box.context)
            await self._writer.drain()
            if word == "LOGOUT":
                return

    def _say(self, line: str | bytes) -> None:
        self._writer.write((line.encode() if isinstance(line, str) else line) + b"\r\n")

    async def _answer(self, tag: str, word: str, words: list[str], *, uid: bool) -> str:
        box = self._box
        if word == "CAPABILITY":
            self._say(f"* CAPABILITY {' '.join(box.abilities)}")
            return "OK done"
        if word in ("NOOP", "STARTTLS"):
            return "OK done"
        if word == "LOGOUT":
            self._say("* BYE good bye")
            return "OK done"
        if word == "AUTHENTICATE" and words == ["PLAIN"]:
            self._say("+ ")
            await self._writer.drain()
            said = base64.b64decode((await self._reader.readline()).strip())
            self._known = said == f"\0me\0{box.password}".encode()
            return "OK done" if self._known else f"NO {said!r} is wrong"
        if word == "LOGIN":
            self._known = words == ["me", box.password]
            return "OK done" if self._known else f"NO {words} is wrong"
        if not self._known:
            return "BAD not yet"
        if word == "SELECT":
            return self._select(words[0])
        if word == "CREATE":
            return (
                "NO there"
                if words[0] in box.folders
                else "OK done"
                if box.folders.setdefault(words[0], {}) == {}
                else "NO"
            )
        if self._folder is None or not uid:
            return "BAD not here"
        if word == "FETCH" and "BODY" in words[1]:
            await asyncio.sleep(box.slow.get(int(words[0]), 0))
        return self._on_messages(word, words, box.folders[self._folder])

    def _select(self, folder: str) -> str:
        if folder not in self._box.folders:
            return "NO there is no such folder"
        self._folder = folder
        self._say(f"* {len(self._box.folders[folder])} EXISTS")
        self._say(f"* OK [UIDVALIDITY {self._box.validity}] valid")
        return "OK [READ-WRITE] done"

    def _on_messages(self, word: str, words: list[str], messages: dict[int, bytes]) -> str:
        box = self._box
        if word == "SEARCH" and words[0] == "UID":
            self._say(f"* SEARCH {' '.join(map(str, _chosen(words[1], messages)))}".rstrip())
            return "OK done"
        chosen = _chosen(words[0], messages)
        if word == "FETCH":
            return self._fetch(chosen, words[1], messages)
        if word in ("MOVE", "COPY"):
            if word == "MOVE" and "MOVE" not in box.abilities:
                return "BAD unknown"
            if words[1] not in box.folders:
                return "NO [TRYCREATE] there is no such folder"
            for one in chosen:
                box.put(messages[one] if word == "COPY" else messages.pop(one), words[1])
            return "OK done"
        if word == "STORE" and words[1:] == ["+FLAGS.SILENT", r"(\Deleted)"]:
            box.deleted |= set(chosen)
            return "OK done"
        if word == "EXPUNGE" and "UIDPLUS" in box.abilities:
            for one in chosen:
                if one in box.deleted:
                    del messages[one]
            return "OK done"
        return "BAD unknown"

    def _fetch(self, chosen: Iterable[int], what: str, messages: dict[int, bytes]) -> str:
        for place, one in enumerate(chosen, 1):
            data = messages[one]
            if "RFC822.SIZE" in what:
                date = '"25-Nov-2026 09:30:00 +0100"'
                size = self._box.sizes.get(one, len(data))
                self._say(f"* {place} FETCH (UID {one} RFC822.SIZE {size} INTERNALDATE {date})")
                continue
            if one in self._box.broken:
                return "NO [SERVERBUG] it cannot be read"
            part = re.search(r"<0\.([0-9]+)>", what)
            shown = data[: int(part[1])] if part and not self._box.whole else data
            name = "BODY[]<0>" if part else "BODY[]"
            self._say(f"* {place} FETCH (FLAGS ())")  # what nobody asked for may come in between
            self._say(f"* {place} FETCH (UID {one} {name} {{{len(shown)}}}\r\n".encode() + shown + b")")
        return "OK done"


def _word(found: re.Match[str]) -> str:
    return re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2] or found[3]


def _chosen(text: str, messages: dict[int, bytes]) -> list[int]:
    """The UIDs of a set that are there; the last message for `*`, also where the range begins after it."""
    last = max(messages, default=0)
    chosen: set[int] = set()
    for one in text.split(","):
        found = _SET.fullmatch(one)
        assert found is not None, text
        ends = [last if end == "*" else int(end) for end in (found[1], found[2] or found[1])]
        chosen |= {uid for uid in messages if min(ends) <= uid <= max(ends)}
    return sorted(chosen)
