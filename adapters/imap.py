"""A mailbox as a network: messages are read over IMAP, and moved to a folder beside once what they brought is stored.

Decisions, each against a failure seen in the field:

- The cursor is UIDVALIDITY and the last UID that was brought. The gateway gives it back after it has stored the page,
  also after a restart; only then are those messages moved. A crash between brings them again under the same ids, which
  are made of the messages' bytes: neither a new UIDVALIDITY nor somebody who moves a message back makes a second
  document.
- Nothing is ever deleted, and nothing marked as read. A server that can neither MOVE (RFC 6851) nor expunge a single
  message (UIDPLUS, RFC 4315) keeps its messages where they are: the cursor alone goes on.
- A message that is too big, or that the server does not give, stops no other: what is known of it is brought for a
  person.
- On a slow line a page ends when half of its time is spent, and after one that was not done in time with its first
  message: what was fetched is not thrown away for ever.
- TLS is demanded, and the password is sent over nothing else, but to this machine itself. The server is the operator's
  own, known by its certificate, so it may stand on a private network.

The library is Python's own imaplib, in a thread, one connection for each look: the commands are few, and none of the
asynchronous ones has a licence that fits.
"""

from __future__ import annotations

import asyncio
import imaplib
import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from adapters.dropped import is_siren
from adapters.message import MEDIA_TYPE, SIZE_LIMIT
from adapters.message import arrivals as message_arrivals
from adapters.port import (
    Arrival,
    ArrivalKind,
    Collected,
    Consignment,
    ElectronicAddress,
    Problem,
    Receipt,
    Route,
    Unreachable,
    read_secret,
    secret_complaint,
)

log = logging.getLogger(__name__)

PAGE_MESSAGES = 50
"""Messages of one page."""
PAGE_BYTES = 100_000_000
"""Bytes of one page, but for its last message."""
HEAD_BYTES = 65_536
"""So much is brought of a message that is too big."""
LITERAL_LIMIT = SIZE_LIMIT + 1_000_000
"""Bytes of one answer, at most."""
PATIENCE = 300.0
"""Seconds for one page, at most."""

FOLDER, DONE = "INBOX", "Estafette"
"""Where messages come, and where they are moved to, when nothing else is said."""

_TLS = ("tls", "starttls", "none")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_NUMBER = re.compile(rb"\bUID ([0-9]{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE ([0-9]{1,12})\b")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{20,30})"')


@dataclass(frozen=True, slots=True)
class Settings:
    """The mailbox."""

    host: str
    port: int
    user: str
    password_file: Path
    tls: str = "tls"
    """tls (from the first byte), starttls (demanded, never optional) or none, on this machine only."""
    ca_file: Path | None = None
    """Certificates of a private authority, PEM; None: those of the machine."""
    folder: str = FOLDER
    done: str = DONE
    """Where messages are moved to."""
    recipient: str = ""
    """SIREN of who receives invoices that do not tell for whom they are; empty: a person tells."""
    domain: str = ""
    """Of the Message-IDs that we give; empty: we send no messages."""
    seconds: float = 30.0
    """Time for each answer of the server."""


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_IMAP_*; None when none is set, or they cannot be used, as `problems` then tells."""
    names = ("HOST", "PORT", "USER", "PASSWORD_FILE", "TLS", "CA_FILE", "FOLDER", "DONE", "RECIPIENT")
    given = {name: environment.get(f"ESTAFETTE_IMAP_{name}", "").strip() for name in names}
    if not any(given.values()):
        return None
    tls = given["TLS"] or "tls"
    port = given["PORT"] or ("993" if tls == "tls" else "143")
    folder, done = given["FOLDER"] or FOLDER, given["DONE"] or DONE
    siren = given["RECIPIENT"]
    found = [
        Problem(f"ESTAFETTE_IMAP_{name}", says)
        for wrong, name, says in (
            (not given["HOST"], "HOST", "is needed for the mailbox"),
            (not _is_word(given["USER"]), "USER", "is needed for the mailbox, in printable ASCII"),
            (not given["PASSWORD_FILE"], "PASSWORD_FILE", "is needed for the mailbox"),
            (tls not in _TLS, "TLS", f"must be one of {', '.join(_TLS)}"),
            (tls == "none" and given["HOST"] not in _HERE, "TLS", "must not be none but on this machine"),
            (not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536), "PORT", "must be a port number"),
            (bool(given["CA_FILE"]) and not Path(given["CA_FILE"]).is_file(), "CA_FILE", "is no file"),
            (not _is_word(folder), "FOLDER", "must be printable ASCII"),
            (not _is_word(done) or done == folder, "DONE", "must be printable ASCII, and another folder"),
            (bool(siren) and not is_siren(siren), "RECIPIENT", "must be a SIREN: nine digits"),
        )
        if wrong
    ]
    if given["PASSWORD_FILE"] and (unusable := secret_complaint(Path(given["PASSWORD_FILE"]))):
        found.append(Problem("ESTAFETTE_IMAP_PASSWORD_FILE", unusable))
    problems.extend(found)
    if found:
        return None
    ca_file = Path(given["CA_FILE"]) if given["CA_FILE"] else None
    domain = environment.get("ESTAFETTE_MAIL_FROM", "").strip().rpartition("@")[2]
    return Settings(
        given["HOST"], int(port), given["USER"], Path(given["PASSWORD_FILE"]), tls, ca_file, folder, done, siren, domain
    )


class Mailbox:
    """A mailbox, as a network that only brings."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._slow = False
        """The page before was not done in time: the next has one message."""
        self._long: dict[str, int] = {}
        """How often a message came as more than an answer may have, though the server told another size."""

    @property
    def name(self) -> str:
        """mail: what comes here speaks of what was sent by e-mail."""
        return "mail"

    async def find(self, address: ElectronicAddress) -> Route | None:
        """A mailbox sends nothing."""
        return None

    async def send(self, consignment: Consignment) -> Receipt:
        """A mailbox sends nothing. Raises Unreachable."""
        raise Unreachable("no mail server is configured to send by")

    async def collect(self, cursor: str | None) -> Collected:
        """The next messages, the oldest first; those of the page before are moved away. Raises Unreachable."""
        wire = _Wire()
        try:
            async with asyncio.timeout(PATIENCE):
                return await asyncio.to_thread(self._page, cursor, wire)
        except (imaplib.IMAP4.error, OSError, ValueError) as away:  # TimeoutError is an OSError
            self._slow = self._slow or isinstance(away, TimeoutError)
            raise Unreachable(f"the mailbox: {_told(away)}") from away
        finally:
            wire.cut()

    async def close(self) -> None:
        """There is nothing to give back: each look has a connection of its own."""

    def _page(self, cursor: str | None, wire: _Wire) -> Collected:
        with self._opened(wire) as box:
            validity, last = _place(cursor)
            now_valid = _answered(box.response("UIDVALIDITY")[1])
            if validity != now_valid:
                last = 0
            elif last:
                self._move(box, last)
            waiting = [uid for uid in _uids(box, last) if uid > last]
            sizes = _sizes(box, waiting[:PAGE_MESSAGES])
            found: list[Arrival] = []
            held, half = 0, time.monotonic() + PATIENCE / 2
            for uid in waiting[:PAGE_MESSAGES]:
                if held > PAGE_BYTES or (found and (self._slow or time.monotonic() > half)):
                    break
                size, at = sizes.get(uid, (0, None))
                brought = self._brought(box, f"{now_valid}.{uid}", uid, size, min(at or self._now(), self._now()))
                held += sum(len(one.data) for one in brought)
                found += brought
                last = uid
            self._slow = self._slow and time.monotonic() > half
            found.sort(key=lambda one: (one.at, one.network_id))
            place = f"{now_valid}:{last}" if last else cursor or ""
            return Collected(found, place, more=bool(found))

    def _brought(self, box: _Box, mark: str, uid: int, size: int, at: datetime) -> list[Arrival]:
        """What one message brings; never nothing while it is there."""
        recipient, domain = self._settings.recipient, self._settings.domain
        tried = self._long.get(mark, 0)
        big = size > SIZE_LIMIT or tried > 0
        try:
            what = f"BODY.PEEK[]<0.{HEAD_BYTES}>" if big else "BODY.PEEK[]"
            data = _fetch(box, uid, what) if tried < 2 else None
        except imaplib.IMAP4.abort:
            if box.too_long:
                log.warning("a message is longer than the mailbox told; next time only its head is fetched")
                self._long[mark] = tried + 1
            raise
        if data is None:
            if not _uids(box, uid - 1, uid):
                return []  # it was taken away meanwhile
            log.warning("a message cannot be fetched; a person looks at it")
            says = f"The message with UID {uid} of folder {self._settings.folder} cannot be fetched.".encode()
            name = f"[cannot be fetched] {uid}.txt"
            return [Arrival(mark, ArrivalKind.INVOICE, at, "text/plain", says, recipient=recipient, name=name)]
        id = f"message#{sha256(data).hexdigest()}"
        if big:
            log.warning("a message has more than %d bytes; a person looks at it", SIZE_LIMIT)
            told = str(size) if size > SIZE_LIMIT else f"more than {SIZE_LIMIT}"
            name = f"[{told} bytes] {uid}.eml"
            return [
                Arrival(
                    f"{id}/{size if size > SIZE_LIMIT else 'long'}",
                    ArrivalKind.INVOICE,
                    at,
                    MEDIA_TYPE,
                    data,
                    recipient=recipient,
                    name=name,
                )
            ]
        return message_arrivals(data, id, at, recipient=recipient, domain=domain)

    def _move(self, box: imaplib.IMAP4, last: int) -> None:
        """Move what is stored; what cannot be moved stays, and is not brought again."""
        if not {"MOVE", "UIDPLUS"} & set(box.capabilities):
            return
        if not (uids := _uids(box, 0, last)):
            return
        done = _quoted(self._settings.done)
        for start in range(0, len(uids), 200):
            which = ",".join(map(str, uids[start : start + 200]))
            if self._moved(box, which, done):
                continue
            box.create(done)
            if not self._moved(box, which, done):
                log.warning("messages cannot be moved to the folder beside; they stay")
                return

    def _moved(self, box: imaplib.IMAP4, which: str, done: str) -> bool:
        if "MOVE" in box.capabilities:
            return box.uid("MOVE", which, done)[0] == "OK"
        if box.uid("COPY", which, done)[0] != "OK":
            return False
        box.uid("STORE", which, "+FLAGS.SILENT", r"(\Deleted)")
        return box.uid("EXPUNGE", which)[0] == "OK"

    @contextmanager
    def _opened(self, wire: _Wire) -> Iterator[_Box]:
        """A connection with the folder selected. Raises Unreachable, IMAP4.error, OSError, ValueError."""
        settings = self._settings
        password = read_secret(settings.password_file)
        context = None if settings.tls == "none" else ssl.create_default_context(cafile=settings.ca_file)
        box: _Box = _SecureBox(settings, wire, context) if settings.tls == "tls" else _Box(settings, wire)
        try:
            if settings.tls == "starttls":
                box.starttls(context)
                wire.take(box.sock)
            _log_in(box, settings.user, password)
            if box.select(_quoted(settings.folder))[0] != "OK":
                raise Unreachable(f"the mailbox has no folder {settings.folder}")
            yield box
        finally:
            for end in box.logout, box.shutdown:
                with suppress(imaplib.IMAP4.error, OSError):
                    end()


@dataclass(slots=True)
class _Wire:
    """The connection of one look, so that it can be cut from outside the thread."""

    _sock: socket.socket | None = field(default=None)
    _over: bool = False

    def take(self, sock: socket.socket) -> None:
        """This is the connection now."""
        self._sock = sock
        if self._over:
            self.cut()

    def cut(self) -> None:
        """End it, whatever the thread waits for."""
        self._over = True
        if self._sock is not None:
            with suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)


class _Box(imaplib.IMAP4):
    """A connection that can be cut from outside as soon as it is there, and whose answers are bounded."""

    too_long = False
    """It ended by an answer that was longer than may be."""

    def __init__(self, settings: Settings, wire: _Wire) -> None:
        self._wire = wire
        super().__init__(settings.host, settings.port, timeout=settings.seconds)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        sock: socket.socket = super()._create_socket(timeout)  # type: ignore[misc]
        self._wire.take(sock)
        return sock

    def read(self, size: int) -> bytes:
        """So many bytes of an answer. Raises IMAP4.abort."""
        if size > LITERAL_LIMIT:
            self.too_long = True
            raise self.abort("an answer is too long")
        return super().read(size)


class _SecureBox(_Box, imaplib.IMAP4_SSL):
    """The same, TLS from the first byte."""

    def __init__(self, settings: Settings, wire: _Wire, context: ssl.SSLContext | None) -> None:
        self._wire = wire
        imaplib.IMAP4_SSL.__init__(self, settings.host, settings.port, ssl_context=context, timeout=settings.seconds)


def _log_in(box: imaplib.IMAP4, user: str, password: str) -> None:
    """Say who we are; then the capabilities may be others. Raises Unreachable, IMAP4.abort."""
    try:
        if "AUTH=PLAIN" in box.capabilities:
            box.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
        elif password.isascii():
            box.login(_quoted(user), password)
        else:
            raise Unreachable("the mailbox takes no password that is not ASCII")
        box._get_capabilities()
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        raise Unreachable("the mailbox refuses the login") from None  # its words may hold what was sent


def _place(cursor: str | None) -> tuple[str, int]:
    """UIDVALIDITY and UID of a cursor; no place for one that is none of ours."""
    validity, _, uid = (cursor or "").partition(":")
    return (validity, int(uid)) if validity and uid.isascii() and uid.isdigit() else ("", 0)


def _uids(box: imaplib.IMAP4, after: int, until: int | None = None) -> list[int]:
    """The UIDs in the folder after one, up to one, in ascending order."""
    status, answer = box.uid("SEARCH", "UID", f"{after + 1}:{until or '*'}")
    if status != "OK":
        raise box.error("the folder cannot be searched")
    found = {int(word) for line in answer if isinstance(line, bytes) for word in line.split() if word.isdigit()}
    return sorted(uid for uid in found if after < uid <= (until or uid))


def _sizes(box: imaplib.IMAP4, uids: Sequence[int]) -> dict[int, tuple[int, datetime | None]]:
    """Size and time of arrival of messages, by UID."""
    if not uids:
        return {}
    status, answer = box.uid("FETCH", ",".join(map(str, uids)), "(UID RFC822.SIZE INTERNALDATE)")
    if status != "OK":
        raise box.error("the folder cannot be listed")
    found: dict[int, tuple[int, datetime | None]] = {}
    for line in answer:
        text = line if isinstance(line, bytes) else b" ".join(line) if isinstance(line, tuple) else b""
        uid, size, date = _NUMBER.search(text), _SIZE.search(text), _DATE.search(text)
        if uid is not None and size is not None:
            found[int(uid[1])] = (int(size[1]), _instant(date[1]) if date else None)
    return found


def _fetch(box: imaplib.IMAP4, uid: int, what: str) -> bytes | None:
    """The bytes of a message; None where the server does not give them. Raises IMAP4.abort."""
    try:
        status, answer = box.uid("FETCH", str(uid), f"({what})")
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        return None
    bodies = [one[1] for one in answer if isinstance(one, tuple) and len(one) == 2 and b"BODY[]" in one[0]]
    return bodies[0] if status == "OK" and len(bodies) == 1 and bodies[0] else None


def _instant(text: bytes) -> datetime | None:
    try:
        return datetime.strptime(text.decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return None


def _answered(values: Sequence[bytes | None]) -> str:
    """The last value of an untagged answer. Raises ValueError when there is none."""
    last = values[-1] if values else None
    if last is None or not last.isdigit():
        raise ValueError("the folder has no UIDVALIDITY")
    return last.decode()


def _is_word(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _told(away: Exception) -> str:
    return (
        str(away)
        if isinstance(away, ValueError)
        else "took too long"
        if isinstance(away, TimeoutError)
        else type(away).__name__
    )
