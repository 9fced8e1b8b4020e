"""Files and folders of the command line: which are read, where results go, and in which words it is told when it fails.

How a command uses it:

    sources = files.found(options.paths)                       # PATH... or -, folders looked through, sorted
    places = files.destinations(sources, options.output, ".pdf")
    batch.each(job, sources, take, ...)                        # job(source) calls source.read(), in another process
    files.write(place, data, force=options.force, sources=files.identities(sources))

- A folder is looked through with its folders, in the order of names; of its files those with a known ending are taken,
  hidden ones and links to folders are passed over. A file that is named itself is taken whatever its ending.
- Nothing is overwritten without --force, and never a file that is read, now or later. A file
  appears whole or not at all.
- What cannot be read or written is `Unusable`, with its reason in both languages; one such file stops no other.
"""

from __future__ import annotations

import argparse
import errno
import os
import secrets
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.commands.terminal import Told, shown

ENDINGS = (".xml", ".json", ".pdf")
"""Of the files in a folder, those that may be documents."""
LIMIT = 100 * 1024 * 1024
"""Bytes of one file, as of a submission; what reads XML, JSON and PDF stops much earlier."""
STANDARD = "-"
"""Standard input among paths, standard output as a destination."""

Identity = tuple[int, int]
"""Device and number of a file."""


class Unusable(Exception):
    """A file cannot be read or written, or the command line asks for what cannot be; `told` says why."""

    def __init__(self, told: Told) -> None:
        super().__init__(told)
        self.told = told


@dataclass(frozen=True, slots=True)
class Source:
    """One file to work on, or standard input. Picklable, so that another process reads it."""

    path: str
    """As it is opened; `-` is standard input."""
    folder: str = ""
    """The folder of the command line in which it was found; empty when it was named itself."""
    data: bytes | None = None
    """What came on standard input; None for a file, which is read when it is its turn."""
    trouble: Told | None = None
    """Why there is nothing to read, known before."""

    @property
    def name(self) -> str:
        """Its path as text that any output carries."""
        return shown(self.path)

    def read(self) -> bytes:
        """Its bytes. Raises Unusable."""
        if self.trouble is not None:
            raise Unusable(self.trouble)
        if self.data is not None:
            return self.data
        try:
            with Path(self.path).open("rb") as file:
                return _limited(file.read(LIMIT + 1))
        except OSError as error:
            raise Unusable(reason(error)) from error
        except ValueError as error:  # a null byte in the path
            raise Unusable(Told("the name cannot be a file's", "ce nom ne peut être celui d'un fichier")) from error


def add_paths(it: argparse.ArgumentParser, what: str) -> None:
    """The arguments PATH..."""
    it.add_argument("paths", nargs="+", metavar="PATH", help=f"{what}; a folder with all in it; - for standard input")


def add_output(it: argparse.ArgumentParser, what: str) -> None:
    """The options --output and --force."""
    it.add_argument(
        "-o", "--output", metavar="PATH", help=f"{what}: a file, or a folder for many (made when it is not there)"
    )
    it.add_argument("--force", action="store_true", help="overwrite what is there already")


def found(paths: Sequence[str], endings: Sequence[str] = ENDINGS) -> list[Source]:
    """What the paths of a command line name, folders looked through. Raises Unusable when `-` comes twice."""
    if paths.count(STANDARD) > 1:
        raise Unusable(Told("standard input can be read once", "l'entrée standard ne se lit qu'une fois"))
    sources: list[Source] = []
    for path in paths:
        if path == STANDARD:
            sources.append(_standard_input())
        elif os.path.isdir(path):
            sources.extend(_below(path, tuple(endings)))
        else:
            sources.append(Source(path))
    return sources


def beside(path: str) -> bytes:
    """The bytes of a file that an option names. Raises Unusable, with its name."""
    try:
        return Source(path).read()
    except Unusable as unusable:
        told, name = unusable.told, shown(path)
        raise Unusable(Told(f"{name}: {told.english}", f"{name} : {told.french}")) from unusable


def destinations(sources: Sequence[Source], output: str | None, ending: str) -> list[str]:
    """Where the result of each source goes, in their order; `-` is standard output. Raises Unusable.

    One file without --output goes to standard output. In a folder a result is named after its source, with another
    ending; where two sources would meet there, each keeps its whole name before the new ending.
    """
    many = len(sources) > 1 or any(source.folder for source in sources)
    if not many and output in (None, STANDARD):
        return [STANDARD] * len(sources)
    if output is None or output == STANDARD:
        raise Unusable(
            Told("name a folder for the results with --output", "indiquez un dossier de sortie avec --output")
        )
    there = os.path.isdir(output)
    if not many and not there and not output.endswith("/"):
        return [output]
    if os.path.lexists(output) and not there:
        says = f"{shown(output)} is a file; many results need a folder"
        dit = f"{shown(output)} est un fichier ; plusieurs résultats demandent un dossier"
        raise Unusable(Told(says, dit))
    bare = [_relative(source) for source in sources]
    names = [os.path.splitext(name)[0] + ending for name in bare]
    count = Counter(name.casefold() for name in names)
    chosen = [one if count[one.casefold()] == 1 else whole + ending for one, whole in zip(names, bare, strict=True)]
    if len({name.casefold() for name in chosen}) < len(chosen):
        says, dit = "two of the files would have the same result", "deux des fichiers auraient le même résultat"
        raise Unusable(Told(says, dit))
    return [os.path.join(output, name) for name in chosen]


def identities(sources: Sequence[Source]) -> frozenset[Identity]:
    """What the system knows the sources by, whatever their names and the links to them; for `write`."""
    return frozenset(found for source in sources if source.data is None and (found := _identity(source.path)))


def write(place: str, data: bytes, *, force: bool = False, sources: Set[Identity] = frozenset()) -> None:
    """Put the bytes in their place, whole or not at all. Raises Unusable; never overwrites one of `sources`.

    Bytes for standard output that are a PDF are not sent to a terminal.
    """
    if place == STANDARD:
        _to_standard_output(data)
        return
    try:
        if _identity(place) in sources:
            raise Unusable(Told("a source is never overwritten", "une source n'est jamais écrasée"))
        if _is_special(place):
            Path(place).write_bytes(data)
            return
        os.makedirs(os.path.dirname(place) or ".", exist_ok=True)
        _replace(place, data, force)
    except FileExistsError as error:
        says = f"{shown(place)} is there already; --force overwrites it"
        raise Unusable(Told(says, f"{shown(place)} existe déjà ; --force l'écrase")) from error
    except OSError as error:
        told = reason(error)
        raise Unusable(Told(f"{shown(place)}: {told.english}", f"{shown(place)} : {told.french}")) from error


@contextmanager
def written(place: str, *, force: bool = False) -> Iterator[Path]:
    """A file beside the place, for what is too large to be held: it gets the place's name when the block ends well, and
    goes when it does not. Raises Unusable.
    """
    folder, name = os.path.split(place)
    beside = os.path.join(folder, f".{_cut(name, 100)}.{secrets.token_hex(4)}.part")
    try:
        os.makedirs(folder or ".", exist_ok=True)
        if not force and os.path.lexists(place):
            raise FileExistsError(place)
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield Path(beside)
        if force or not _linked(beside, place):
            os.replace(beside, place)
    except FileExistsError as error:
        says = f"{shown(place)} is there already; --force overwrites it"
        raise Unusable(Told(says, f"{shown(place)} existe déjà ; --force l'écrase")) from error
    except OSError as error:
        told = reason(error)
        raise Unusable(Told(f"{shown(place)}: {told.english}", f"{shown(place)} : {told.french}")) from error
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)


def reason(error: OSError) -> Told:
    """Why the system refused, in both languages."""
    known = {
        errno.ENOENT: Told("there is no such file", "fichier introuvable"),
        errno.EACCES: Told("permission denied", "accès refusé"),
        errno.EPERM: Told("permission denied", "accès refusé"),
        errno.EISDIR: Told("it is a folder", "c'est un dossier"),
        errno.ENOTDIR: Told("a part of its path is no folder", "une partie du chemin n'est pas un dossier"),
        errno.ENOSPC: Told("the disk is full", "le disque est plein"),
        errno.EROFS: Told("the disk is read-only", "le disque est en lecture seule"),
        errno.ENAMETOOLONG: Told("the name is too long", "le nom est trop long"),
        errno.ELOOP: Told("its links lead in a circle", "ses liens tournent en rond"),
    }
    told = known.get(error.errno or 0)
    return told or Told(error.strerror or type(error).__name__, error.strerror or type(error).__name__)


def safe_name(name: str, taken: dict[str, int]) -> str:
    """A file name for what a document brings along: no path, not hidden, short, and free among `taken`.

    `taken` holds the names given away (lower case), each with the number to try for the next of that name, so that
    thousands of one name do not count up anew each time.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = "".join(sign if sign.isprintable() and sign not in '<>:"|?*' else "_" for sign in last)
    clean = clean.strip(" .") or "attachment"
    stem, ending = os.path.splitext(clean)
    stem, ending = _cut(stem, 150), _cut(ending, 20)
    free = wanted = stem + ending
    while free.lower() in taken:
        number = taken[wanted.lower()]
        free, taken[wanted.lower()] = f"{stem}-{number}{ending}", number + 1
    taken[free.lower()] = 2
    return free


def _cut(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8, no character cut in two."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


def _standard_input() -> Source:
    if sys.stdin is None:  # closed by whoever started us
        return Source(STANDARD, trouble=Told("standard input is closed", "l'entrée standard est fermée"))
    try:
        return Source(STANDARD, data=_limited(sys.stdin.buffer.read(LIMIT + 1)))
    except Unusable as unusable:
        return Source(STANDARD, trouble=unusable.told)
    except OSError as error:
        return Source(STANDARD, trouble=reason(error))


def _limited(data: bytes) -> bytes:
    if len(data) > LIMIT:
        says, dit = f"it has more than {LIMIT} bytes", f"il dépasse {LIMIT} octets"
        raise Unusable(Told(says, dit))
    return data


def _below(folder: str, endings: tuple[str, ...]) -> Iterator[Source]:
    """The documents of a folder and its folders, or one source that tells that there are none."""
    refused: list[Source] = []

    def note(error: OSError) -> None:
        refused.append(Source(str(error.filename), folder, trouble=reason(error)))

    files: list[str] = []
    for at, folders, names in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        taken = (name for name in names if not name.startswith(".") and name.lower().endswith(endings))
        files.extend(path for path in (os.path.join(at, name) for name in taken) if os.path.isfile(path))
    if not files and not refused:
        kinds = ", ".join(endings)
        refused.append(
            Source(folder, folder, trouble=Told(f"no document in it ({kinds})", f"aucun document dedans ({kinds})"))
        )
    yield from sorted([*(Source(path, folder) for path in files), *refused], key=_order)


def _order(source: Source) -> list[bytes]:
    return os.fsencode(source.path).split(os.sep.encode())


def _relative(source: Source) -> str:
    if source.path == STANDARD:
        return "stdin"
    return os.path.relpath(source.path, source.folder) if source.folder else os.path.basename(source.path)


def _identity(path: str) -> Identity | None:
    """The file that a path leads to; None where there is none."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null byte in it
        return None
    return state.st_dev, state.st_ino


def _is_special(place: str) -> bool:
    """Whether it is a device or a pipe, which is written to and never replaced."""
    try:
        mode = os.stat(place).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _replace(place: str, data: bytes, force: bool) -> None:
    """Write beside the place, then give it its name in one act. Raises FileExistsError where something is there."""
    if not force and os.path.lexists(place):
        raise FileExistsError(place)
    folder, name = os.path.split(place)
    beside = os.path.join(folder, f".{_cut(name, 100)}.{secrets.token_hex(4)}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        if force or not _linked(beside, place):
            os.replace(beside, place)
    finally:
        if os.path.lexists(beside):
            os.unlink(beside)


def _linked(beside: str, place: str) -> bool:
    """Give the file its name unless another has it. False where the file system knows no links."""
    try:
        os.link(beside, place)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _to_standard_output(data: bytes) -> None:
    if sys.stdout is None:  # closed by whoever started us
        raise Unusable(Told("standard output is closed", "la sortie standard est fermée"))
    if data.startswith(b"%PDF-") and sys.stdout.isatty():
        raise Unusable(
            Told("a PDF is not sent to a terminal; use --output", "un PDF ne s'affiche pas ; utilisez --output")
        )
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unusable(reason(error)) from error
