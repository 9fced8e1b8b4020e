"""`estafette rules add`: official files into the operator's folder, beside the editions known already.

Nothing is written before every file has been compiled, and the manifest is only ever added to: what judged a document
last year stays, so that its verdict can be replayed. A file lies in a folder named after its SHA-256 with all it reads
beside itself. Running gateways see the new edition with the next document.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.commands.files import Unusable
from gateway.commands.terminal import Told
from schemas import editions, rulebook
from schemas.catalogue import artefacts
from schemas.editions import MANIFEST, Artefact, Kind, Loaded, Missing

LOCK = ".adding"
"""The file in the operator's folder that who adds to it locks."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator says about the files; None: it is taken from their names, or from a manifest beside them."""

    name: str | None
    publisher: str | None
    edition: str | None
    since: datetime.date | None
    until: datetime.date | None
    replace: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A file to be added."""

    artefact: Artefact
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a file."""

    artefact: Artefact
    path: Path
    fault: str = ""
    """Why it was refused."""
    known: bool = False
    """The same bytes were there already under the same name and edition."""


def found(paths: Sequence[str], wish: Wish) -> tuple[Found, ...]:
    """The official files at the paths. Raises Unusable where there is none, or the wish says too little."""
    return tuple(one for path in paths for one in _found(Path(path), wish))


def installed() -> tuple[Found, ...]:
    """The editions of the installed packages, but for those this version of Estafette cannot name."""
    found = []
    for rules in artefacts():
        try:
            loaded = editions.find(rules.artefact)
        except Missing:
            continue
        if loaded.sha256 == rules.artefact.sha256:
            found.append(Found(replace(rules.artefact, package=""), Path(loaded.path), loaded.sha256))
    return tuple(found)


def add(found: Sequence[Found], wish: Wish, folder: Path) -> tuple[Added, ...]:
    """Add the files, all or nothing. Raises Unusable where the folder's manifest cannot be read.

    They are compiled first, which takes long, and held against what is there once more when nobody else can add."""
    results = _all_checked(found, folder, wish)
    if _new(found, results):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            results = _all_checked(found, folder, wish)
            if new := _new(found, results):
                _write(folder, new)
    return results


def _all_checked(found: Sequence[Found], folder: Path, wish: Wish) -> tuple[Added, ...]:
    """What would become of each file."""
    there = list(_there(folder)) if folder.exists() else []
    results = []
    for one in found:
        results.append(_checked(one, there, wish))
        there.append(one.artefact)  # two files of one release can be of one edition
    return tuple(results)


def _new(found: Sequence[Found], results: Sequence[Added]) -> list[Found]:
    """The files to write: none where one is refused."""
    if any(result.fault for result in results):
        return []
    return [one for one, result in zip(found, results, strict=True) if not result.known]


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While nobody else adds to the folder; the lock goes with the process that holds it."""
    handle = os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def names() -> tuple[str, ...]:
    """The names under which editions can be added."""
    return tuple(rules.artefact.name for rules in artefacts())


def _there(folder: Path) -> tuple[Artefact, ...]:
    try:
        return editions.listed(str(folder))
    except Missing as wrong:
        raise Unusable(Told(str(wrong), f"le manifeste est illisible : {wrong}")) from wrong


def _found(path: Path, wish: Wish) -> Iterator[Found]:
    """The files at a path: it, what its manifest names, or what has the name of an official file."""
    if not path.exists():
        raise Unusable(Told(f"{path}: no such file", f"{path} : fichier introuvable"))
    if path.is_file():
        yield _one(path, wish)
        return
    if (path / MANIFEST).is_file():
        for artefact in _there(path):
            yield _hashed(replace(artefact, until=wish.until or artefact.until), path / artefact.file)
        return
    files = {Path(rules.artefact.file).name for rules in artefacts()}
    official = sorted(file for file in path.rglob("*") if file.name in files and file.is_file())
    if not official:
        raise Unusable(
            Told(
                f"{path}: no file there has the name of an official one; name one and say --name",
                f"{path} : aucun fichier n'y porte le nom d'un fichier officiel ; désignez-en un avec --name",
            )
        )
    yield from (_one(file, replace(wish, name=None)) for file in official)


def _one(path: Path, wish: Wish) -> Found:
    """One file, with what the wish says. Raises Unusable where that is too little."""
    like = [rules.artefact for rules in artefacts() if _is(rules.artefact, path, wish.name)]
    if len({one.name for one in like}) != 1:
        raise Unusable(
            Told(
                f"{path}: which artefact is it an edition of? Say --name, one of: {', '.join(names())}",
                f"{path} : de quel artefact est-ce une édition ? Précisez --name, parmi : {', '.join(names())}",
            )
        )
    if wish.edition is None or wish.since is None:
        raise Unusable(
            Told(
                f"{path}: say its --edition and --since, the first day it is in force",
                f"{path} : précisez --edition et --since, son premier jour d'application",
            )
        )
    publisher = wish.publisher or like[0].publisher
    artefact = replace(like[0], publisher=publisher, edition=wish.edition, since=wish.since, until=wish.until)
    return _hashed(artefact, path)


def _is(artefact: Artefact, path: Path, name: str | None) -> bool:
    return artefact.name == name if name else Path(artefact.file).name == path.name


def _hashed(artefact: Artefact, path: Path) -> Found:
    """The file under the place it will have in the folder."""
    try:
        sha256 = editions.digest(path)
    except OSError as error:
        raise Unusable(Told(f"{path}: {error.strerror}", f"{path} : illisible")) from error
    if not artefact.package and artefact.sha256 and artefact.sha256 != sha256:
        raise Unusable(Told(f"{path} is not what its {MANIFEST} says", f"{path} diffère de ce que dit son {MANIFEST}"))
    return Found(replace(artefact, package="", sha256=sha256), path, sha256)


def _checked(one: Found, there: Sequence[Artefact], wish: Wish) -> Added:
    """Whether a file can be added: it compiles, and does not take the place of another unasked."""
    artefact, path = one.artefact, one.path
    if artefact.name not in names():
        return Added(artefact, path, f"no artefact is called {artefact.name}")
    same = [other for other in there if (other.name, other.edition) == (artefact.name, artefact.edition)]
    if any(other.sha256 == one.sha256 for other in same):
        return Added(artefact, path, known=True)
    if same and not wish.replace:
        return Added(artefact, path, "this edition is there with other bytes; --replace puts these in force instead")
    if same and artefact.since < same[-1].since:
        return Added(artefact, path, f"it would not come in force: the other is in force from {same[-1].since}")
    data = path.read_bytes()
    loaded = Loaded(str(path), "", zlib.compress(data) if artefact.kind is Kind.SCHEMATRON else b"")
    return Added(artefact, path, rulebook.fault(artefact, loaded))


def _write(folder: Path, new: Sequence[Found]) -> None:
    """Copy the files, each with what it reads beside itself, then add their entries to the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for one in new:
        parts = editions.parts_of(one.path)
        base = Path(os.path.commonpath([part.parent for part in parts]))
        inside = Path(one.artefact.name, one.sha256[:12])
        for part, data in parts.items():
            target = folder / inside / part.relative_to(base)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        entries.append(_entry(replace(one.artefact, file=str(inside / one.path.relative_to(base)))))
    manifest = folder / MANIFEST
    before = manifest.read_text(encoding="utf-8") if manifest.exists() else _HEAD
    _put(manifest, before.rstrip("\n") + "\n\n" + "\n".join(entries))


_HEAD = "# Editions of official rules beside those of the installed packages: see `estafette rules --help`.\n"


def _entry(artefact: Artefact) -> str:
    """One [[edition]] of the manifest."""
    texts = {
        "name": artefact.name,
        "kind": str(artefact.kind),
        "publisher": artefact.publisher,
        "edition": artefact.edition,
        "file": artefact.file,
        "sha256": artefact.sha256,
    }
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in texts.items()]
    lines.append(f"since = {artefact.since.isoformat()}")
    if artefact.until is not None:
        lines.append(f"until = {artefact.until.isoformat()}")
    return "\n".join(["[[edition]]", *lines, ""])


def _put(path: Path, text: str) -> None:
    """Write a file whole: a gateway that reads meanwhile sees the old or the new."""
    new = path.with_name(f".{path.name}.new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
