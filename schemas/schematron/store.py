"""Brings an artefact to a program: from the cache on disk where it was compiled before, else by compiling it.

Compiling takes up to two seconds, loading a compiled program some milliseconds. What is kept is Python's marshalled
code, which runs when it is loaded, so it is only ever taken from a folder and a file that belong to the user this
process runs as and that nobody else can write to, below folders in which nobody but that user and root can put another
in its place; anything else is passed over and the artefact compiled. A file is named after the content of the artefact,
of this engine and of the Python that made it, holds a digest of itself, and is put in place whole, so that a torn or
stale one is never taken. What other versions of the engine left is taken away when it is a month old.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import marshal
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType

from schemas.schematron import sheet, source, tree
from schemas.schematron.compile import compile_schema
from schemas.schematron.expression import Refused
from schemas.schematron.operands import Teller, compile_operands
from schemas.schematron.program import Program
from schemas.schematron.tree import Tree

_DIGEST_SIZE = 32
_STALE = 30 * 86_400
"""Seconds after which a program of another version of the engine goes; until then two versions can share a cache."""
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a folder is opened; where there is O_PATH, one that may be gone through but not listed too."""

Compiled = tuple[CodeType, tuple[tuple[str, str], ...]]


class Unusable(Exception):
    """The artefact cannot be compiled; no document can be judged by it."""


def default_cache() -> Path | None:
    """Where programs are kept when nobody says otherwise: the user's cache, as XDG has it; None: there is no such."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return Path(base if os.path.isabs(base) else Path.home() / ".cache", "estafette", "rules")
    except RuntimeError:  # a user without a home
        return None


def load(path: str | Path, cache: Path | None = None, data: bytes | None = None) -> Program:
    """The program of the artefact in a file; `cache` is the folder for compiled ones, None: nothing is kept.

    `data` is what the file says, for who has read it already and has named it by its hash.

    Raises Unusable: the file, or a code list beside it, cannot be read, or says something this engine does not know.
    """
    return Program(*_loaded(Path(path), cache, data, compared=False))


def load_teller(path: str | Path, cache: Path | None = None, data: bytes | None = None) -> Teller:
    """What tells what the assertions of the artefact compare; arguments and errors as for `load`."""
    return Teller(*_loaded(Path(path), cache, data, compared=True))


def _loaded(path: Path, cache: Path | None, data: bytes | None, *, compared: bool) -> tuple[CodeType, dict[str, Tree]]:
    try:
        data = path.read_bytes() if data is None else data
        code, files = _compiled(data, path.name, cache, compared=compared)
        return code, {name: tree.read((path.parent / file).read_bytes()) for name, file in files}
    except (OSError, Refused) as error:
        raise Unusable(f"{path.name}: {error}") from error
    except (ArithmeticError, RecursionError, SyntaxError, ValueError) as error:
        raise Unusable(f"{path.name}: it cannot be compiled ({type(error).__name__})") from error
    except tree.Unparsable as error:
        raise Unusable(f"a code list beside {path.name}: {error}") from error


def is_kept(data: bytes, cache: Path | None) -> bool:
    """Whether the program of an artefact with these bytes is in the cache, whole, and made by this engine."""
    return cache is not None and _take(cache, _file(data, compared=False)) is not None


def _compiled(data: bytes, name: str, cache: Path | None, *, compared: bool) -> Compiled:
    if cache is None:
        return _compile(data, name, compared=compared)
    file = _file(data, compared=compared)
    kept = _take(cache, file)
    if kept is None:
        kept = _compile(data, name, compared=compared)
        _keep(cache, file, kept)
    return kept


def _compile(data: bytes, name: str, *, compared: bool) -> Compiled:
    module = (compile_operands if compared else compile_schema)(
        sheet.read(data) if sheet.is_sheet(data) else source.read(data)
    )
    return compile(module.source, f"<{name}>", "exec", dont_inherit=True), module.documents


def _file(data: bytes, *, compared: bool) -> str:
    """The name of what was compiled: what it depends on."""
    made_of = _engine() + (b"operands" if compared else b"") + hashlib.sha256(data).digest()
    return f"{_prefix()}{hashlib.sha256(made_of).hexdigest()}.program"


def _prefix() -> str:
    """How the names of programs of this engine begin."""
    return f"{_engine().hex()[:16]}-"


@lru_cache(maxsize=1)
def _engine() -> bytes:
    """The content of this package and the Python that runs it."""
    digest = hashlib.sha256(importlib.util.MAGIC_NUMBER + sys.version.encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


def _ours(state: os.stat_result) -> bool:
    """Whether only the user this process runs as can have written something."""
    return state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _firm(state: os.stat_result) -> bool:
    """Whether nobody but this user and root can put another folder in the place of one that is in this one."""
    loose = state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not state.st_mode & stat.S_ISVTX
    return state.st_uid in (0, os.geteuid()) and not loose


@contextlib.contextmanager
def _opened(cache: Path) -> Iterator[int]:
    """The folder, reached step by step from the root and held open, so that what was checked is what is used.

    Raises OSError: it is not there, is a link, or somebody else could have written to it or put it there.
    """
    at = os.open("/", _FOLDER)
    try:
        for name in (*Path(os.path.realpath(cache.parent)).parts[1:], cache.name):
            if not _firm(os.fstat(at)):
                raise PermissionError(errno.EPERM, "others can write to a folder above", str(cache))
            inner = os.open(name, _FOLDER, dir_fd=at)
            os.close(at)
            at = inner
        if not _ours(os.fstat(at)):
            raise PermissionError(errno.EPERM, "others can write to it", str(cache))
        yield at
    finally:
        os.close(at)


def _take(cache: Path, name: str) -> Compiled | None:
    """What is kept in a file; None where there is nothing that may be trusted."""
    try:
        with (
            _opened(cache) as folder,
            open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder), "rb") as opened,
        ):
            state = os.fstat(opened.fileno())
            if not stat.S_ISREG(state.st_mode) or not _ours(state):
                return None
            data = opened.read()
    except OSError:
        return None
    digest, payload = data[:_DIGEST_SIZE], data[_DIGEST_SIZE:]
    if hashlib.sha256(payload).digest() != digest:
        return None
    try:
        code, files = marshal.loads(payload)  # noqa: S302  # ours alone, see above
    except (EOFError, ValueError, TypeError):
        return None
    return (code, files) if isinstance(code, CodeType) else None


def _keep(cache: Path, name: str, compiled: Compiled) -> None:
    """Put a program in place, whole; a cache that cannot be written, or not be trusted, is no cache, and no error."""
    payload = marshal.dumps(compiled)
    with contextlib.suppress(OSError):
        for folder in (*reversed(cache.parents), cache):
            folder.mkdir(mode=0o700, exist_ok=True)  # each: `parents` would make those above as the umask has it
        with _opened(cache) as at:
            new = f".{secrets.token_hex(8)}.new"
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=at)
            try:
                with open(handle, "wb") as opened:
                    opened.write(hashlib.sha256(payload).digest() + payload)
                os.replace(new, name, src_dir_fd=at, dst_dir_fd=at)
            except OSError:
                os.unlink(new, dir_fd=at)
                raise
            _tidy(at, name)


def _tidy(at: int, newest: str) -> None:
    """Take away what other versions of the engine, and writers that died, left a month before the newest program."""
    now = os.stat(newest, dir_fd=at, follow_symlinks=False).st_mtime
    listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)  # `at` itself may not be listed
    try:
        names = os.listdir(listing)
    finally:
        os.close(listing)
    for name in names:
        if name.endswith((".program", ".new")) and not name.startswith(_prefix()):
            with contextlib.suppress(FileNotFoundError):
                if now - os.stat(name, dir_fd=at, follow_symlinks=False).st_mtime > _STALE:
                    os.unlink(name, dir_fd=at)
