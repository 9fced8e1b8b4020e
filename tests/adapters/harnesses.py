"""Each network with a real server of its own on loopback, for the contract suite."""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import asyncssh
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from adapters.dropped import place_of
from adapters.folder import Folder
from adapters.folder import Settings as FolderSettings
from adapters.imap import Mailbox as ImapMailbox
from adapters.imap import Settings as ImapSettings
from adapters.mail import Mail, Settings
from adapters.port import Consignment, ElectronicAddress, Network, Route
from adapters.push import Push
from adapters.push import Settings as PushSettings
from adapters.sftp import Settings as SftpSettings
from adapters.sftp import Sftp
from tests.adapters.conftest import Running, consignment, invoice, now
from tests.adapters.contract import invoice_file
from tests.adapters.imap_server import Box, serve

numbers = itertools.count(1)


def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def mute() -> AsyncIterator[int]:
    """The port of a server that takes connections and says nothing."""
    over = asyncio.Event()

    async def _listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(_listen, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()
        await server.wait_closed()


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    """A secret's file."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


class _Listening(ABC):
    """A network whose server listens on a port, so that nobody may listen there, or somebody who says nothing."""

    mute_port: int
    impatient: ClassVar[Mapping[str, object]] = {"seconds": 0.3}
    """Settings by which it soon leaves a server that says nothing."""

    @abstractmethod
    def _at(self, port: int, **changes: object) -> Network:
        """The same network at another port of loopback, with other settings."""

    def without_server(self) -> Network:
        return self._at(closed_port())

    def with_mute_server(self) -> Network:
        return self._at(self.mute_port, **self.impatient)


class _Fated(ABC):
    """A server that meets each consignment with the fate its recipient stands for."""

    @abstractmethod
    def _for(self, fate: str) -> Consignment:
        """One for the recipient of that fate."""

    def good(self) -> Consignment:
        return self._for("good")

    def silent(self) -> Consignment:
        return self._for("silent")

    def refused(self) -> Consignment:
        return self._for("refused")

    def busy(self) -> Consignment:
        return self._for("busy")


@dataclass
class _OnPlatform(_Listening):
    """The simulated platform and a client of it."""

    running: Running
    mute_port: int
    network: Network = field(init=False)
    company: ClassVar[str] = ""
    """SIREN of whom the client is; empty: the platform's first."""

    def __post_init__(self) -> None:
        self.network = self.twin()

    def twin(self) -> Network:
        return self.running.client(self.company)

    def _at(self, port: int, **changes: object) -> Network:
        base = f"http://127.0.0.1:{port}"
        place = {"url": base, "token_url": f"{base}/token", "allow": frozenset({f"127.0.0.1:{port}"})}
        return self.running.client(self.company, **place | changes)

    def without_secret(self) -> tuple[Network, str]:
        secret = self.running.settings.secret_file.read_text(encoding="utf-8")
        path = written(self.running.folder.parent / "open-to-all", secret, 0o644)
        return self.running.client(self.company, secret_file=path), secret


@dataclass
class PlatformHarness(_OnPlatform, _Fated):
    """The AFNOR client and the simulated platform."""

    served: ClassVar[ElectronicAddress] = ElectronicAddress("0225", "100000207")
    foreign: ClassVar[ElectronicAddress] = ElectronicAddress("EM", "buyer@example.org")
    recognises: ClassVar[bool] = True
    buyers: ClassVar[Mapping[str, str]] = {
        "good": "100000207",
        "silent": "100000249",
        "refused": "100000322",
        "busy": "100000256",
    }

    def _for(self, fate: str) -> Consignment:
        return consignment(self.buyers[fate], f"F-{next(numbers)}")

    async def received(self, consignment: Consignment) -> Sequence[str]:
        return [str(d["trackingId"]) for d in await self.running.deliveries() if d["sha256"] == consignment.sha256]

    async def odd(self) -> Sequence[str]:
        return ()


class Mailbox:
    """A mail server's handler that meets each recipient with the fate its name asks for."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        fate = address.partition("@")[0]
        if fate == "refused":
            return "550 5.1.1 no such mailbox"
        if fate == "busy":
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.kept.append(bytes(envelope.content or b""))
        if envelope.rcpt_tos[0].startswith("silent@") and len(self.kept) == 1:
            assert server.transport is not None
            server.transport.abort()
        return "250 2.0.0 kept"

    @asynccontextmanager
    async def serving(self, protocol: Callable[..., SMTP] = SMTP, **limits: int) -> AsyncIterator[int]:
        """The port of a mail server without TLS that hands everything to this mailbox."""
        server = await asyncio.get_running_loop().create_server(lambda: protocol(self, **limits), "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            await server.wait_closed()


@dataclass
class MailHarness(_Listening, _Fated):
    """The mail client and a mail server."""

    port: int
    box: Mailbox
    mute_port: int
    folder: Path
    network: Network = field(init=False)
    served: ClassVar[ElectronicAddress] = ElectronicAddress("EM", "good@example.org")
    foreign: ClassVar[ElectronicAddress] = ElectronicAddress("0225", "100000207")
    recognises: ClassVar[bool] = False

    def __post_init__(self) -> None:
        self.network = self.twin()

    def _at(self, port: int, **changes: object) -> Mail:
        settings = Settings("127.0.0.1", port, "factures@example.com", tls="none", seconds=5.0)
        return Mail(replace(settings, **changes), now)  # type: ignore[arg-type]

    def _for(self, fate: str) -> Consignment:
        route = Route("mail", ElectronicAddress("EM", f"{fate}@example.org"), "a test")
        return replace(consignment(number=f"M-{next(numbers)}"), route=route)

    async def received(self, consignment: Consignment) -> Sequence[str]:
        messages = [message_from_bytes(data) for data in self.box.kept]
        ids = [
            str(one["Message-ID"])
            for one in messages
            if consignment.id in str(one["Message-ID"])
            and any(part.get_payload(decode=True) == consignment.data for part in one.walk())
        ]
        return list(dict.fromkeys(ids))

    async def odd(self) -> Sequence[str]:
        return [str(one["X-Odd"]) for data in self.box.kept if (one := message_from_bytes(data))["X-Odd"]]

    def twin(self) -> Network:
        return self._at(self.port)

    def without_secret(self) -> tuple[Network, str]:
        path = written(self.folder / "open-to-all", "a-secret-word", 0o644)
        return self._at(self.port, user="me", password_file=path), "a-secret-word"


class Receiver:
    """A system that takes pushes: it checks signature and digest by itself, and keeps one body for each key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.kept: dict[str, bytes] = {}
        self.heads: list[dict[str, str]] = []
        self.requests = 0

    async def take(self, request: web.Request) -> web.StreamResponse:
        """One push; its fate is the value of the recipient's address."""
        self.requests += 1
        body = await request.read()
        self.heads.append({name.lower(): value for name, value in request.headers.items()})
        signed = b".".join([request.headers[f"webhook-{one}"].encode() for one in ("id", "timestamp")] + [body])
        signature = base64.b64encode(hmac.new(self._key, signed, sha256).digest()).decode()
        if request.headers["webhook-signature"] != f"v1,{signature}":
            return web.json_response({"title": "the signature does not hold"}, status=401)
        digest = base64.b64encode(sha256(body).digest()).decode()
        assert request.headers["Content-Digest"] == f"sha-256=:{digest}:"
        key, fate = request.headers["Idempotency-Key"], request.headers["Estafette-Recipient"].partition(":")[2]
        if fate == "busy":
            return web.Response(status=429, headers={"Retry-After": "7"})
        if fate == "refused":
            says = {"title": "not ours", "errors": [{"code": "B-1", "detail": "the buyer is unknown", "pointer": "/b"}]}
            return web.json_response(says, status=422, content_type="application/problem+json")
        if key in self.kept:
            if self.kept[key] != body:
                return web.json_response({"title": "other content under this key"}, status=422)
            return web.json_response({"id": key}, headers={"Idempotency-Replayed": "true"})
        self.kept[key] = body
        if fate == "silent":
            assert request.transport is not None
            request.transport.abort()  # type: ignore[attr-defined]
        return web.json_response({"id": key}, status=201)


@dataclass
class PushHarness(_Listening, _Fated):
    """The push and a system that takes it."""

    settings: PushSettings
    receiver: Receiver
    mute_port: int
    network: Network = field(init=False)
    served: ClassVar[ElectronicAddress] = ElectronicAddress("0088", "good")
    foreign: ClassVar[ElectronicAddress] = ElectronicAddress("0225", "100000207")
    recognises: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.network = self.twin()

    def _for(self, fate: str) -> Consignment:
        return replace(
            consignment(number=f"P-{next(numbers)}"), route=Route("push", ElectronicAddress("0088", fate), "a test")
        )

    async def received(self, consignment: Consignment) -> Sequence[str]:
        return [key for key, body in self.receiver.kept.items() if body == consignment.data]

    async def odd(self) -> Sequence[str]:
        return [name for head in self.receiver.heads for name in head if name == "x-odd"]

    def twin(self) -> Network:
        return Push(self.settings, now)

    def _at(self, port: int, **changes: object) -> Network:
        place = {"url": f"http://127.0.0.1:{port}/in", "allow": frozenset({f"127.0.0.1:{port}"})}
        return Push(replace(self.settings, **place | changes), now)  # type: ignore[arg-type]

    def without_secret(self) -> tuple[Network, str]:
        secret = self.settings.secret_file.read_text(encoding="utf-8")
        path = written(self.settings.secret_file.with_name("open-to-all"), secret, 0o644)
        return Push(replace(self.settings, secret_file=path), now), secret


@asynccontextmanager
async def push_server(folder: Path, mute_port: int) -> AsyncIterator[PushHarness]:
    """A system that takes pushes, and the network that pushes to it."""
    key = b"k" * 24
    secret = written(folder / "push-secret", "whsec_" + base64.b64encode(key).decode())
    receiver = Receiver(key)
    application = web.Application(client_max_size=200_000_000)
    application.router.add_post("/in", receiver.take)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    allow = frozenset({f"127.0.0.1:{port}"})
    settings = PushSettings(f"http://127.0.0.1:{port}/in", secret, frozenset({"0088"}), allow, seconds=5.0)
    harness = PushHarness(settings, receiver, mute_port)
    try:
        yield harness
    finally:
        await harness.network.close()
        await runner.cleanup()


@dataclass
class FolderHarness:
    """Two folders: nobody there keeps silent, is busy or has a secret."""

    folder: Path
    network: Network = field(init=False)
    served: ClassVar[ElectronicAddress] = ElectronicAddress("0225", "100000207")
    foreign: ClassVar[ElectronicAddress] = ElectronicAddress("EM", "buyer@example.org")
    recognises: ClassVar[bool] = True

    def __post_init__(self) -> None:
        (self.folder / "out").mkdir()
        self.network = self.twin()

    def good(self) -> Consignment:
        return replace(consignment(number=f"D-{next(numbers)}"), route=Route("drop", self.served, "a test"))

    def silent(self) -> None:
        return None

    def busy(self) -> None:
        return None

    def refused(self) -> Consignment:
        sent = self.good()
        (self.folder / "out" / f"{sent.id}_{sent.name.replace(' ', '_').replace('é', '_')}").write_bytes(b"other")
        return sent

    async def received(self, consignment: Consignment) -> Sequence[str]:
        return [
            path.name.partition("_")[0]
            for path in (self.folder / "out").glob(f"{consignment.id}_*")
            if path.read_bytes() == consignment.data
        ]

    async def odd(self) -> Sequence[str]:
        return [path.name for path in self.folder.iterdir() if path.name != "out"]

    def twin(self) -> Network:
        return Folder(FolderSettings(outgoing=self.folder / "out", schemes=frozenset({"0225"})), now)

    def without_server(self) -> Network:
        return Folder(FolderSettings(outgoing=self.folder / "gone", schemes=frozenset({"0225"})), now)

    def with_mute_server(self) -> None:
        return None

    def without_secret(self) -> None:
        return None


# What brings ---------------------------------------------------------------------------------------------------------


def message(*files: tuple[str, str, bytes], subject: str = "Facture") -> EmailMessage:
    """A message with attachments: name, media type, bytes."""
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = subject, "a@example.org", "b@example.org"
    made["Message-ID"] = f"<{next(numbers)}@example.org>"
    made.set_content("Veuillez trouver ci-joint notre facture.")
    for name, media_type, data in files:
        main, _, sub = media_type.partition("/")
        made.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return made


@dataclass
class FolderSource:
    """A folder that others write into."""

    folder: Path
    network: Network = field(init=False)
    leaves: ClassVar[bool] = True
    takes_anything: ClassVar[bool] = True
    many: ClassVar[int] = 130

    def __post_init__(self) -> None:
        (self.folder / "in").mkdir()
        self.network = self.twin()

    def file(self, number: int) -> bytes:
        return invoice_file(number)

    async def put(self, name: str, data: bytes) -> None:
        (self.folder / "in" / name).write_bytes(data)

    async def waiting(self) -> int:
        return sum(1 for path in (self.folder / "in").iterdir() if path.is_file())

    async def kept(self) -> Sequence[bytes]:
        return [path.read_bytes() for path in (self.folder / "in").rglob("*") if path.is_file()]

    def twin(self) -> Network:
        return Folder(FolderSettings(incoming=self.folder / "in"), lambda: now() + timedelta(hours=1))

    def without_server(self) -> Network:
        return Folder(FolderSettings(incoming=self.folder / "gone"), now)

    def with_mute_server(self) -> None:
        return None

    def without_secret(self) -> None:
        return None


@dataclass
class PlatformSource(_OnPlatform):
    """The simulated platform, where another company sends to ours."""

    leaves: ClassVar[bool] = False
    takes_anything: ClassVar[bool] = False
    many: ClassVar[int] = 25
    company: ClassVar[str] = "100000207"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._seller = self.running.client()

    def file(self, number: int) -> bytes:
        return invoice(self.company, f"F-{number}")

    async def put(self, name: str, data: bytes) -> None:
        await self._seller.send(consignment(self.company, data=data))

    async def waiting(self) -> int:
        return len(await self.running.deliveries())

    async def kept(self) -> Sequence[bytes]:
        return [path.read_bytes() for path in (self.running.folder / "content").iterdir()]


@dataclass
class MailboxSource(_Listening):
    """A mailbox, read by the network that sends by e-mail too."""

    settings: ImapSettings
    box: Box
    mute_port: int
    network: Network = field(init=False)
    leaves: ClassVar[bool] = True
    takes_anything: ClassVar[bool] = True
    many: ClassVar[int] = 70

    def __post_init__(self) -> None:
        self.network = self.twin()

    def file(self, number: int) -> bytes:
        return invoice_file(number)

    async def put(self, name: str, data: bytes) -> None:
        self.box.put(bytes(message((name, "application/octet-stream", data))))

    async def waiting(self) -> int:
        return len(self.box.folders["INBOX"])

    async def kept(self) -> Sequence[bytes]:
        return self.box.everything()

    def _of(self, **changes: object) -> Network:
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        smtp = Settings("127.0.0.1", 25, "factures@example.com", tls="none")
        return Mail(smtp, now, ImapMailbox(settings, now))

    def _at(self, port: int, **changes: object) -> Network:
        return self._of(port=port, **changes)

    def twin(self) -> Network:
        return self._of()

    def without_secret(self) -> tuple[Network, str]:
        path = written(self.settings.password_file.with_name("open-to-all"), self.box.password, 0o644)
        return self._of(password_file=path), self.box.password


@asynccontextmanager
async def mail_source(folder: Path, mute_port: int, box: Box | None = None) -> AsyncIterator[MailboxSource]:
    """A mailbox that is served."""
    box = box or Box()
    async with serve(box) as port:
        secret = written(folder / "imap-password", box.password)
        settings = ImapSettings("127.0.0.1", port, "me", secret, tls="none", domain="example.com", seconds=5.0)
        yield MailboxSource(settings, box, mute_port)


# SFTP ----------------------------------------------------------------------------------------------------------------


class Jail(asyncssh.SFTPServer):
    """A server's folder, and what goes wrong there by a file's name."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], root: Path) -> None:
        super().__init__(channel, chroot=str(root).encode())
        self._connection = channel.get_connection()
        self._line = asyncio.Lock()

    def _is(self, state: str) -> bool:
        return Path(os.fsdecode(self.map_path(b"/" + state.encode()))).exists()

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if self._is("slow"):  # one after the other
            async with self._line:
                await asyncio.sleep(0.5)
        if self._is("full") and pflags & asyncssh.FXF_WRITE:
            raise asyncssh.SFTPFailure("no space left")
        return super().open(path, pflags, attrs)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        async for entry in super().scandir(path):
            if self._is("sizeless"):
                entry.attrs.size = None
            yield entry

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> None:
        if self._is("no-folders"):
            raise asyncssh.SFTPPermissionDenied("no folders")
        super().mkdir(path, attrs)

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        if self._is("read-only"):
            raise asyncssh.SFTPPermissionDenied("read only")
        if Path(os.fsdecode(self.map_path(newpath))).exists() and not self._is("overwriting"):
            raise asyncssh.SFTPFailure("it is there")
        super().rename(oldpath, newpath)
        if self._is("silent"):
            Path(os.fsdecode(self.map_path(b"/silent"))).unlink()
            self._connection.abort()
            raise asyncssh.SFTPConnectionLost("gone")


@dataclass
class SftpServer:
    """A running server."""

    root: Path
    settings: SftpSettings


@asynccontextmanager
async def sftp_server(folder: Path) -> AsyncIterator[SftpServer]:
    """An SFTP server with the folders in and out, a key of its own, and one user with a key."""
    root = folder / "sftp"
    for name in ("in", "out"):
        (root / name).mkdir(parents=True)
    host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key_file = written(folder / "id_ed25519", user_key.export_private_key().decode())
    authorized = written(folder / "authorized_keys", user_key.export_public_key().decode())
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=str(authorized),
        sftp_factory=lambda channel: Jail(channel, root), allow_scp=False,
    )  # fmt: skip
    port = server.sockets[0].getsockname()[1]
    known = written(folder / "known_hosts", f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}")
    settings = SftpSettings(
        "127.0.0.1", port, "estafette", known, key_file, incoming="/in", outgoing="/out",
        schemes=frozenset({"0225"}), allow=frozenset({f"127.0.0.1:{port}"}), seconds=5.0, patience=8.0,
    )  # fmt: skip
    try:
        yield SftpServer(root, settings)
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class _OnSftp(_Listening):
    """An SFTP server and a client of it."""

    server: SftpServer
    mute_port: int
    network: Network = field(init=False)
    impatient: ClassVar[Mapping[str, object]] = {"seconds": 0.3, "patience": 0.5}

    def __post_init__(self) -> None:
        self.network = self.twin()

    def _now(self) -> datetime:
        return now()

    def _of(self, **changes: object) -> Network:
        return Sftp(replace(self.server.settings, **changes), self._now)  # type: ignore[arg-type]

    def _at(self, port: int, **changes: object) -> Network:
        return self._of(port=port, allow=frozenset({f"127.0.0.1:{port}"}), **changes)

    def twin(self) -> Network:
        return self._of()

    def without_secret(self) -> tuple[Network, str]:
        assert self.server.settings.key_file is not None
        secret = self.server.settings.key_file.read_text(encoding="utf-8")
        return self._of(key_file=written(self.server.root.parent / "open-to-all", secret, 0o644)), secret


@dataclass
class SftpHarness(_OnSftp):
    """The SFTP client and a server."""

    served: ClassVar[ElectronicAddress] = ElectronicAddress("0225", "100000207")
    foreign: ClassVar[ElectronicAddress] = ElectronicAddress("EM", "buyer@example.org")
    recognises: ClassVar[bool] = True

    @property
    def _out(self) -> Path:
        return self.server.root / "out"

    def good(self) -> Consignment:
        return replace(consignment(number=f"S-{next(numbers)}"), route=Route("sftp", self.served, "a test"))

    def silent(self) -> Consignment:
        (self.server.root / "silent").touch()
        return self.good()

    def busy(self) -> Consignment:
        (self.server.root / "full").touch()
        return self.good()

    def refused(self) -> Consignment:
        sent = self.good()
        (self._out / place_of(sent)).write_bytes(b"other")
        return sent

    async def received(self, consignment: Consignment) -> Sequence[str]:
        return [
            path.name.partition("_")[0]
            for path in self._out.iterdir()
            if not path.name.startswith(".") and path.read_bytes() == consignment.data
        ]

    async def odd(self) -> Sequence[str]:
        odd = [path.name for path in self._out.iterdir() if path.name.startswith(".")]
        return odd + [path.name for path in self.server.root.iterdir() if path.name not in ("in", "out")]


@dataclass
class SftpSource(_OnSftp):
    """A folder of an SFTP server that others write into."""

    leaves: ClassVar[bool] = True
    takes_anything: ClassVar[bool] = True
    many: ClassVar[int] = 25

    def __post_init__(self) -> None:
        self._ticks = itertools.count()
        super().__post_init__()

    @property
    def _in(self) -> Path:
        return self.server.root / "in"

    def file(self, number: int) -> bytes:
        return invoice_file(number)

    async def put(self, name: str, data: bytes) -> None:
        (self._in / name).write_bytes(data)

    async def waiting(self) -> int:
        return sum(1 for path in self._in.iterdir() if path.is_file())

    async def kept(self) -> Sequence[bytes]:
        return [path.read_bytes() for path in self._in.rglob("*") if path.is_file()]

    def _now(self) -> datetime:
        """A clock that goes on by a second at each look: what has no end of its own is taken at the next page."""
        return now() + timedelta(seconds=next(self._ticks))
