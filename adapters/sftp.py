"""SFTP as a network: documents are put into a folder of somebody else's server, and fetched from one.

Decisions, each against a failure seen in the field:

- The server is known by its key, from a file that the operator fills (as ssh-keyscan writes it, compared by another
  way). There is no trust on first use. Nothing of the machine's own SSH settings, agent or keys is read.
- What is sent is written under a draft's name (`.<id>.part`) and renamed when it is whole, never over another file.
  Before anything is written it is looked whether it stands there: the same name, size and hash are the same delivery,
  anything else is an alarm. Once its reader has taken it away nobody can tell: then it is put there again under the
  same name, and the receipt does not claim that it was known.
- Only a connection lost during the rename leaves the outcome unknown; before it nobody has seen anything.
- What is fetched is complete: it closes by the end of its own form and did not change meanwhile; what has no such end
  is taken when it has been seen unchanged for a while. It is moved to `done/` only after the gateway has stored it, and
  only while it is the file that was read: one that took its place meanwhile stays, and comes next.
  Where the server does not let us move it, it stays, and is not fetched again while this process lives; later the same
  id tells.
- On a slow line a page ends when half of its time is spent, and after one that was not done in time files are fetched
  one by one: what was fetched is not thrown away for ever.
- A link, a folder or a name with a path in it is never followed; what is too big is moved to `refused/`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import asyncssh

from adapters.dropped import FILE_LIMIT, PAGE_BYTES, PAGE_FILES, arrivals, ended, is_draft, is_siren, place_of, told
from adapters.http import allowed, is_named, is_public
from adapters.port import (
    Arrival,
    Collected,
    Consignment,
    ElectronicAddress,
    Problem,
    Receipt,
    Refused,
    Route,
    Unreachable,
    read_private,
    read_secret,
)
from schemas.finding import Finding, Severity

log = logging.getLogger(__name__)
logging.getLogger("asyncssh").setLevel(logging.WARNING)  # below that it tells names of files

QUIET = timedelta(seconds=2)
"""A file without an end of its own form is complete when it was seen unchanged for so long."""
PATIENCE = timedelta(minutes=10)
"""The same for a file that should have an end and has none."""
DONE, REFUSED = "done", "refused"
"""Folders beside the files: taken, never taken."""
CONNECTIONS = 4
"""At once; servers turn away who opens many."""
TOGETHER = 5
"""Files that are fetched at once."""
SEEN_LIMIT = 10_000
"""Files that are remembered while they wait, and that may stay because they cannot be moved."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which server, which folders there, and for whom."""

    host: str
    port: int
    user: str
    known_hosts_file: Path
    """Keys of the server, as known_hosts has them."""
    key_file: Path | None = None
    """Private key of ours, without a passphrase."""
    password_file: Path | None = None
    incoming: str = ""
    """Folder that others write into; empty: nothing is collected."""
    outgoing: str = ""
    """Folder that others read from; empty: nothing is sent."""
    schemes: frozenset[str] = frozenset()
    """Schemes of electronic addresses (EAS) whose documents go into `outgoing`."""
    recipient: str = ""
    """SIREN of who receives invoices that do not tell for whom they are; empty: a person tells."""
    allow: frozenset[str] = frozenset()
    """host:port pairs that may be private."""
    seconds: float = 20.0
    """Time for a connection, and for each answer to show life."""
    patience: float = 300.0
    """Time for one delivery, or for one page."""


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_SFTP_*; None when none is set, or they cannot be used, as `problems` then tells."""
    names = ("HOST", "PORT", "USER", "KNOWN_HOSTS_FILE", "KEY_FILE", "PASSWORD_FILE", "IN", "OUT", "SCHEMES")
    given = {name: environment.get(f"ESTAFETTE_SFTP_{name}", "").strip() for name in (*names, "RECIPIENT")}
    if not any(given.values()):
        return None
    schemes = frozenset(one.strip() for one in given["SCHEMES"].split(",") if one.strip())
    port, recipient = given["PORT"] or "22", given["RECIPIENT"]
    found = [
        Problem(f"ESTAFETTE_SFTP_{name}", says)
        for wrong, name, says in (
            *((not given[name], name, "is needed for SFTP") for name in ("HOST", "USER", "KNOWN_HOSTS_FILE")),
            (not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536), "PORT", "must be a port number"),
            (bool(given["KEY_FILE"]) == bool(given["PASSWORD_FILE"]), "KEY_FILE", "or a PASSWORD_FILE is needed"),
            (not (given["IN"] or given["OUT"]), "IN", "or ESTAFETTE_SFTP_OUT names a folder of the server"),
            (bool(given["OUT"]) != bool(schemes), "SCHEMES", "goes together with ESTAFETTE_SFTP_OUT"),
            (bool(recipient) and not is_siren(recipient), "RECIPIENT", "must be a SIREN: nine digits"),
        )
        if wrong
    ]
    for name in ("KNOWN_HOSTS_FILE", "KEY_FILE", "PASSWORD_FILE"):
        if given[name] and (wrong_file := _complaint(name, Path(given[name]))):
            found.append(Problem(f"ESTAFETTE_SFTP_{name}", wrong_file))
    problems.extend(found)
    if found:
        return None
    key_file, password_file = (Path(given[name]) if given[name] else None for name in ("KEY_FILE", "PASSWORD_FILE"))
    incoming, outgoing = (given[name].rstrip("/") or given[name] for name in ("IN", "OUT"))
    return Settings(
        given["HOST"], int(port), given["USER"], Path(given["KNOWN_HOSTS_FILE"]), key_file, password_file,
        incoming, outgoing, schemes, recipient, allowed(environment),
    )  # fmt: skip


def _complaint(name: str, path: Path) -> str:
    """What is wrong with a file of the settings; empty when it can be used."""
    try:
        if name == "KEY_FILE":
            _key(path)
        elif name == "PASSWORD_FILE":
            read_secret(path)
        elif not path.read_bytes().strip():
            return "names no server"
        else:
            asyncssh.read_known_hosts(str(path))
    except (ValueError, OSError) as wrong:
        return str(wrong) if name != "KNOWN_HOSTS_FILE" else "cannot be read as known_hosts"
    return ""


def _key(path: Path) -> asyncssh.SSHKey:
    """A private key. Raises ValueError with what is wrong."""
    try:
        return asyncssh.import_private_key(read_private(path))
    except asyncssh.KeyImportError as wrong:
        raise ValueError(f"the file {path.name} holds no private key without a passphrase") from wrong


class Sftp:
    """A server of somebody else, as a network."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._gate = asyncio.Semaphore(CONNECTIONS)
        self._handed: tuple[str, dict[str, tuple[int, int]]] | None = None
        self._seen: dict[str, tuple[tuple[int, int], datetime]] = {}
        self._stuck: dict[str, tuple[int, int]] = {}
        self._slow = False
        """The page before was not done in time: the next is fetched file by file, and ends earlier."""

    @property
    def name(self) -> str:
        """sftp"""
        return "sftp"

    async def find(self, address: ElectronicAddress) -> Route | None:
        """The server's folder, for the schemes that the operator named."""
        settings = self._settings
        if not settings.outgoing or address.scheme not in settings.schemes or not address.value:
            return None
        return Route(self.name, address, f"the operator puts documents for scheme {address.scheme} on an SFTP server")

    async def send(self, consignment: Consignment) -> Receipt:
        """Put the document there, once. Raises Unreachable, Refused."""
        if not self._settings.outgoing:
            raise Unreachable("no folder is configured to put documents into")
        delivery = _Delivery(self._settings.outgoing, consignment)
        try:
            async with self._session() as session:
                again = await delivery.run(session.sftp)
                return self._receipt(consignment, delivery.path, session.host_key, again)
        except Unreachable as away:
            raise Unreachable(away.reason, away.retry_in, unknown=delivery.unknown) from away

    async def collect(self, cursor: str | None) -> Collected:
        """What is complete, the oldest first; what the page before brought is moved away. Raises Unreachable."""
        if not self._settings.incoming:
            return Collected((), cursor or "", more=False)
        try:
            async with self._session() as session:
                await self._confirm(session.sftp, cursor)
                return await self._page(session.sftp, cursor)
        except Unreachable as away:
            self._slow = isinstance(away.__cause__, TimeoutError)
            raise

    async def close(self) -> None:
        """There is nothing to give back: each look has a connection of its own."""

    # The connection --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[_Session]:
        """A connection for one thing. Raises Unreachable, also for what fails inside."""
        settings = self._settings
        try:
            async with self._gate, asyncio.timeout(settings.patience):
                sock = await _dial(settings)
                try:
                    options = await asyncio.to_thread(_options, settings)
                    async with (
                        asyncssh.connect(settings.host, settings.port, sock=sock, options=options) as connection,
                        connection.start_sftp_client(path_errors="surrogateescape") as sftp,
                    ):
                        key = connection.get_server_host_key()
                        yield _Session(sftp, key.get_fingerprint() if key is not None else "")
                finally:
                    sock.close()
        except asyncssh.HostKeyNotVerifiable as other:
            log.error("the SFTP server has another key than the one that is known")
            raise Unreachable("the SFTP server has a key that is not known") from other
        except asyncssh.PermissionDenied as refused:
            raise Unreachable("the SFTP server refuses the login") from refused
        except TimeoutError as late:
            raise Unreachable("the SFTP server took too long") from late
        except (asyncssh.Error, OSError) as away:
            raise Unreachable(f"the SFTP server: {type(away).__name__}") from away
        except ValueError as wrong:
            raise Unreachable(f"the SFTP settings cannot be used: {wrong}") from wrong

    def _receipt(self, consignment: Consignment, path: str, host_key: str, again: bool) -> Receipt:
        at = self._now()
        evidence = {
            "file": path.rpartition("/")[2],
            "sha256": consignment.sha256,
            "size": len(consignment.data),
            "host": self._settings.host,
            "host_key": host_key,
            "at": at.astimezone(UTC).isoformat(),
        }
        return Receipt(consignment.id, at, json.dumps(evidence, sort_keys=True).encode(), "application/json", again)

    # In --------------------------------------------------------------------------------------------------------------

    async def _page(self, sftp: asyncssh.SFTPClient, cursor: str | None) -> Collected:
        found: list[Arrival] = []
        marks: dict[str, tuple[int, int]] = {}
        held = 0
        waiting = await self._waiting(sftp)
        loop, together = asyncio.get_running_loop(), 1 if self._slow else TOGETHER
        half = loop.time() + self._settings.patience / 2
        while waiting and len(marks) < PAGE_FILES and held <= PAGE_BYTES and not (marks and loop.time() > half):
            some, waiting = waiting[:together], waiting[together:]
            fetched = await asyncio.gather(*(self._whole(sftp, name, mark) for _, name, mark in some))
            for (mtime, name, mark), data in zip(some, fetched, strict=True):
                if data is None:
                    continue
                held += len(data)
                marks[name] = mark
                at = min(datetime.fromtimestamp(max(mtime, 0), UTC), self._now())
                found += await asyncio.to_thread(arrivals, name, data, at, self._settings.recipient)
        if not marks:
            return Collected((), cursor or "", more=False)
        self._slow = self._slow and loop.time() > half
        page = uuid4().hex
        self._handed = (page, marks)
        return Collected(sorted(found, key=lambda one: (one.at, one.network_id)), page, more=True)

    async def _waiting(self, sftp: asyncssh.SFTPClient) -> list[tuple[int, str, tuple[int, int]]]:
        """The plain files that may be taken: time, name, and size with time; the oldest first."""
        found: list[tuple[int, str, tuple[int, int]]] = []
        stuck: dict[str, tuple[int, int]] = {}
        async for entry in sftp.scandir(self._settings.incoming):
            name = entry.filename if isinstance(entry.filename, str) else ""
            if not name or "/" in name or "\0" in name or is_draft(name):
                continue
            if not _is_plain(entry.attrs):
                continue
            mark = (entry.attrs.size or 0, entry.attrs.mtime or 0)
            if self._stuck.get(name) == mark:
                stuck[name] = mark
                continue
            if entry.attrs.size is None:
                log.warning("a file on the SFTP server is not taken: the server does not tell its size")
                continue
            if mark[0] > FILE_LIMIT:
                log.warning("a file on the SFTP server is never taken: it has more than %d bytes", FILE_LIMIT)
                await self._folder(sftp, REFUSED)
                await self._move(sftp, name, REFUSED, mark)
                stuck |= {name: mark} if name in self._stuck else {}
            else:
                found.append((mark[1], name, mark))
        self._stuck = stuck
        if len(stuck) > SEEN_LIMIT:
            raise Unreachable(f"more than {SEEN_LIMIT} files cannot be moved away: somebody must move them")
        there = {name for _, name, _ in found}
        self._seen = {name: seen for name, seen in self._seen.items() if name in there}
        return sorted(found)

    async def _whole(self, sftp: asyncssh.SFTPClient, name: str, mark: tuple[int, int]) -> bytes | None:
        """The bytes of a file that nobody writes to any more; None for one that is not there or not complete."""
        path, now = f"{self._settings.incoming}/{name}", self._now()
        known, since = self._seen.get(name, (mark, now))
        since = since if known == mark else now
        if len(self._seen) < SEEN_LIMIT:
            self._seen[name] = (mark, since)
        closes = name[-4:].lower() in (".xml", ".pdf")
        if not closes and now - since < QUIET:
            return None
        try:
            data = await _read(sftp, path)
            after = await _lstat(sftp, path)
        except asyncssh.SFTPError as unreadable:
            log.warning("a file on the SFTP server cannot be read: %s", type(unreadable).__name__)
            return None
        if _marked(after) != mark or len(data) != mark[0]:
            return None
        return data if ended(name, data) or now - since >= PATIENCE else None

    async def _confirm(self, sftp: asyncssh.SFTPClient, cursor: str | None) -> None:
        """The gateway gave back the cursor of a page: it has stored what that page brought."""
        handed, self._handed = self._handed, None
        if handed is None or handed[0] != cursor:
            return
        under = f"{DONE}/{self._now():%Y-%m-%d}"
        await self._folder(sftp, under)
        await asyncio.gather(*(self._move(sftp, name, under, mark) for name, mark in handed[1].items()))

    async def _folder(self, sftp: asyncssh.SFTPClient, under: str) -> None:
        """A folder beside the files, where the server lets us make one."""
        try:
            await sftp.makedirs(f"{self._settings.incoming}/{under}", exist_ok=True)
        except asyncssh.SFTPConnectionLost:
            raise
        except asyncssh.SFTPError as refused:
            log.info("the SFTP server gives no folder beside: %s", type(refused).__name__)

    async def _move(self, sftp: asyncssh.SFTPClient, name: str, under: str, mark: tuple[int, int]) -> None:
        """Move a file beside, over nothing, while it is the marked one; one that cannot be moved is left alone."""
        path, place = f"{self._settings.incoming}/{name}", f"{self._settings.incoming}/{under}"
        for target in (f"{place}/{name}", f"{place}/{uuid4().hex[:12]}_{name[-180:]}"):
            if _marked(await _lstat(sftp, path)) != mark:
                return
            try:
                await sftp.rename(path, target)
            except asyncssh.SFTPConnectionLost:
                raise
            except asyncssh.SFTPError:
                continue
            if _marked(await _lstat(sftp, target)) not in (mark, None):
                await self._give_back(sftp, target, name)
            return
        log.warning("a file on the SFTP server cannot be moved; it stays")
        self._stuck[name] = mark

    async def _give_back(self, sftp: asyncssh.SFTPClient, target: str, name: str) -> None:
        """Undo the move of a file that took another's place in the last moment; it goes over nothing."""
        for again in (name, f"{uuid4().hex[:12]}_{name[-180:]}"):
            path = f"{self._settings.incoming}/{again}"
            if await _lstat(sftp, path) is None:
                await sftp.rename(target, path)
                return


@dataclass(frozen=True, slots=True)
class _Session:
    """An open connection."""

    sftp: asyncssh.SFTPClient
    host_key: str
    """Fingerprint of the server's key."""


class _Delivery:
    """One attempt to put a document there."""

    def __init__(self, folder: str, consignment: Consignment) -> None:
        self._consignment = consignment
        self._draft = f"{folder}/.{consignment.id}.part"
        self.path = f"{folder}/{place_of(consignment)}"
        self.unknown = False
        """The rename was asked for, and not answered."""

    async def run(self, sftp: asyncssh.SFTPClient) -> bool:
        """Put it there; True when it stood there already. Raises asyncssh.Error, OSError, Refused."""
        if await self._stands(sftp):
            return True
        async with sftp.open(self._draft, "wb") as file:
            await file.write(self._consignment.data)
        attributes = await sftp.stat(self._draft)
        if attributes.size != len(self._consignment.data):
            raise asyncssh.SFTPFailure("the draft is not whole")
        self.unknown = True
        try:
            await sftp.rename(self._draft, self.path)
        except asyncssh.SFTPConnectionLost:
            raise
        except asyncssh.SFTPError:
            self.unknown = False  # it was answered
            if await self._stands(sftp):
                return True
            raise
        self.unknown = False
        return False

    async def _stands(self, sftp: asyncssh.SFTPClient) -> bool:
        """Whether the same bytes stand under its name. Raises Refused when something else does."""
        attributes = await _lstat(sftp, self.path)
        if attributes is None:
            return False
        same = _is_plain(attributes) and attributes.size == len(self._consignment.data)
        if same:
            with suppress(asyncssh.SFTPPermissionDenied):  # a letter box: name and size must do
                same = sha256(await _read(sftp, self.path)).hexdigest() == self._consignment.sha256
        if not same:
            log.error("the SFTP server has other content under the name of a consignment")
            says = "The SFTP server has other content under the name of this consignment."
            found = told(self.path.rpartition("/")[2])
            raise Refused("the SFTP server has other content under this name", (
                Finding("SFTP-OTHER-CONTENT", Severity.FATAL, "network", says, found=found),
            ))  # fmt: skip
        return True


async def _dial(settings: Settings) -> socket.socket:
    """A connected socket to a public address, or to one the operator named. Raises Unreachable, OSError."""
    loop, host, port = asyncio.get_running_loop(), settings.host, settings.port
    named = is_named(settings.allow, host, port)
    away: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not (named or is_public(str(address[0]))):
            continue
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(settings.seconds):
                await loop.sock_connect(sock, address)
        except OSError as refused:
            sock.close()
            away = refused
            continue
        except BaseException:
            sock.close()
            raise
        return sock
    if away is not None:
        raise away
    raise Unreachable(f"{host}: the address is not public; ESTAFETTE_EGRESS_ALLOW does not name {host}:{port}")


def _options(settings: Settings) -> asyncssh.SSHClientConnectionOptions:
    """What the connection may use: these files, and nothing of the machine's. Raises ValueError, OSError."""
    key = [_key(settings.key_file)] if settings.key_file is not None else None
    password = read_secret(settings.password_file) if settings.password_file is not None else None
    return asyncssh.SSHClientConnectionOptions(
        username=settings.user,
        known_hosts=str(settings.known_hosts_file),
        client_keys=key,
        password=password,
        agent_path=None,
        config=None,
        x509_trusted_certs=None,
        preferred_auth="publickey" if key else "password",
        host_based_auth=False,
        gss_kex=False,
        gss_auth=False,
        login_timeout=settings.seconds,
        keepalive_interval=settings.seconds,
        keepalive_count_max=1,
    )


async def _lstat(sftp: asyncssh.SFTPClient, path: str) -> asyncssh.SFTPAttrs | None:
    """What stands under a name, itself and not what it leads to; None where nothing does."""
    try:
        return await sftp.lstat(path)
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        return None


def _marked(attributes: asyncssh.SFTPAttrs | None) -> tuple[int, int] | None:
    """What a file is known by beside its name: size and time; None for none."""
    return None if attributes is None else (attributes.size or 0, attributes.mtime or 0)


def _is_plain(attributes: asyncssh.SFTPAttrs) -> bool:
    return attributes.type == asyncssh.FILEXFER_TYPE_REGULAR or stat.S_ISREG(attributes.permissions or 0)


async def _read(sftp: asyncssh.SFTPClient, path: str) -> bytes:
    """The bytes of a file, at most one more than may be."""
    async with sftp.open(path, "rb") as file:
        data: object = await file.read(FILE_LIMIT + 1)
    assert isinstance(data, bytes)
    return data
