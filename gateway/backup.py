"""A backup of the embedded database in one file, and what makes it believed when it is put back.

The file is a ZIP: PostgreSQL's dump of one moment, a manifest with its SHA-256, the state of the tree and a thousand
questions with their answers of the same moment (`store.questions`), and the manifest's signature. Keys are not in it,
on purpose: whoever gets hold of a backup reads no invoice, and what was purged with its key does not come back.

A dump is a program that the database runs as its superuser: only one that the key of the checkpoints signed is run.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import secrets
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from gateway.store import dumping, migrate, questions, tree
from gateway.store.dumping import CHUNK, Moment
from gateway.store.embedded import Cluster
from gateway.store.pool import Pool
from gateway.store.questions import Question
from signing import checkpoint
from signing.chain import instant
from signing.checkpoint import Signer, Verifier

FORM = "estafette-backup/1"
DUMP, MANIFEST, SIGNATURE = "database.dump", "manifest.json", "manifest.sig"
MANIFEST_LIMIT = 64 * 1024 * 1024
"""Bytes of a manifest, at most."""


class Damaged(Exception):
    """The file is no whole backup; the argument says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    release: str
    """Of the gateway that made it."""
    taken_at: datetime
    """The moment it is of, aware, UTC."""
    migrations: Mapping[str, str]
    """Name and SHA-256 of each."""
    size: int
    """Bytes of the dump."""
    sha256: str
    """Of the dump."""
    leaves: int
    """Of the tree at its last checkpoint; 0: there was none."""
    note: str
    """The last signed checkpoint; empty: there was none."""
    documents: int
    archive_keys: tuple[str, ...]
    """Names of the keys that open its contents."""
    pepper_check: str
    """By which the right pepper is known; empty: no gateway had been started."""
    seed: int
    kinds: Mapping[str, str]
    """The words of each kind of question."""
    asked: tuple[Question, ...]
    tables: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Notary:
    """Who says that a backup is of this archive, and when it was made."""

    signer: Signer
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Progress:
    """Who is told how far it is."""

    bytes: Callable[[int], None] = field(default=lambda _done: None)
    questions: Callable[[int], None] = field(default=lambda _done: None)


async def make(cluster: Cluster, pool: Pool, path: Path, notary: Notary, told: Progress) -> Manifest:
    """Write a backup of this moment, signed, to the disk. Raises Misconfigured, OSError."""
    async with dumping.moment(pool) as moment:
        about = await _about(moment, notary.now(), told)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            size, digest = await _dump(cluster, moment, archive, told)
            manifest = _manifest({**about, "database": {"file": DUMP, "size": size, "sha256": digest}})
            written = json.dumps(_members(manifest), ensure_ascii=False, indent=1).encode()
            archive.writestr(MANIFEST, written)
            archive.writestr(SIGNATURE, notary.signer.vouch(_signed(written)))
    await asyncio.to_thread(_sync, path)
    return manifest


def check(path: Path, told: Callable[[int], None]) -> Manifest:
    """Read a backup from its first byte to its last; what it says of itself. Raises Damaged, OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sorted(archive.namelist()) != [DUMP, MANIFEST, SIGNATURE]:
                raise Damaged(f"it is no backup of ours, which holds {DUMP}, {MANIFEST}, {SIGNATURE} and no more")
            manifest = _read_manifest(archive)
            digest, size = sha256(), 0
            with archive.open(DUMP) as dump:
                while piece := dump.read(CHUNK):
                    digest.update(piece)
                    size += len(piece)
                    told(size)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError) as wrong:
        raise Damaged(f"it is no whole backup: {wrong}") from wrong
    if (size, digest.hexdigest()) != (manifest.size, manifest.sha256):
        raise Damaged(f"{DUMP} is not what the manifest says: it was changed or cut")
    return manifest


def believe(path: Path, keys: Iterable[Verifier]) -> None:
    """See that one of these keys has signed a backup that was checked. Raises Damaged, OSError."""
    try:
        with zipfile.ZipFile(path) as archive:
            written, note = archive.read(MANIFEST), archive.read(SIGNATURE).decode()
        if checkpoint.vouched(note, keys) != _signed(written):
            raise Damaged(f"{MANIFEST} is not what was signed: it was changed")
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as wrong:
        raise Damaged(f"its signature cannot be read: {wrong}") from wrong
    except checkpoint.NotProved as wrong:
        raise Damaged(f"it was not made by this archive, or was changed: {wrong}") from wrong


def _signed(manifest: bytes) -> str:
    """The lines under the signature; no checkpoint, whose second line is a number."""
    return f"{FORM}\nsha256 {sha256(manifest).hexdigest()}\n"


async def put_back(cluster: Cluster, path: Path, told: Callable[[int], None]) -> None:
    """Put the dump of a backup that was checked into an empty database. Raises Misconfigured."""
    with zipfile.ZipFile(path) as archive, archive.open(DUMP) as dump:
        await dumping.restore(cluster, _pieces(dump), told)


async def compare(pool: Pool, manifest: Manifest, told: Callable[[int], None]) -> list[str]:
    """Ask every question of a backup again, before anything is migrated; each answer that differs, by its name."""
    differ = []
    async with dumping.moment(pool) as moment:
        place = 0
        for place, one in enumerate(manifest.asked, 1):
            now = await questions.answer(moment.connection, manifest.kinds[one.kind], one.about, told, place)
            if now != one.answer:
                differ.append(f"{one.kind} of document {one.about}")
        found = {
            one.about: one.answer for one in await questions.tables(moment.connection, lambda done: told(place + done))
        }
    for one in manifest.tables:
        if found.get(one.about) != one.answer:
            differ.append(f"table {one.about}: {one.answer} then, {found.get(one.about, 'not there')} now")
    return differ


@dataclass(frozen=True, slots=True)
class Known:
    """What the copies of checkpoints outside know that is not in a backup."""

    names: tuple[str, ...] = ()
    """Of the files that tell of more leaves."""
    leaves: int = 0
    """How many more, by the newest of them."""


def lost(copies: Path | None, keys: Iterable[Verifier], leaves: int) -> Known:
    """Which copies outside tell of more leaves than a tree has that was put back; what is no copy tells nothing."""
    known, believed = {}, tuple(keys)
    for path in sorted(copies.glob("*.txt")) if copies is not None else ():
        with suppress(checkpoint.NotProved, OSError, UnicodeDecodeError):
            known[path.name] = checkpoint.read(path.read_text(encoding="utf-8"), believed).size
    more = {name: size - leaves for name, size in known.items() if size > leaves}
    return Known(tuple(more), max(more.values(), default=0))


def newer(manifest: Manifest) -> list[str]:
    """The migrations of a backup that this release does not know, or knows otherwise."""
    ours = {one.name: one.digest for one in migrate.files()}
    return sorted(name for name, digest in manifest.migrations.items() if ours.get(name) != digest)


async def _about(moment: Moment, now: datetime, told: Progress) -> dict[str, Any]:
    """What the manifest says besides the dump."""
    connection = moment.connection
    last = await tree.last(connection)
    seed = secrets.randbelow(2**31)
    migrations = await connection.fetch("select name, sha256 from migration order by name")
    keys = await connection.fetch("select name from archive_key where destroyed_at is null order by since, name")
    pepper = await connection.fetchval("select pepper_check from installation")
    asked = await questions.ask(connection, seed, told.questions)
    return {
        "form": FORM,
        "release": importlib.metadata.version("estafette"),
        "taken_at": instant(now),
        "migrations": {row["name"]: row["sha256"] for row in migrations},
        "tree": {"leaves": last.size if last else 0, "note": last.note if last else ""},
        "documents": await connection.fetchval("select count(*) from document"),
        "archive_keys": [row["name"] for row in keys],
        "pepper_check": bytes(pepper).hex() if pepper else "",
        "questions": {
            "seed": seed,
            "kinds": dict(questions.KINDS),
            "asked": questions.as_json(asked),
            "tables": questions.as_json(
                await questions.tables(connection, lambda done: told.questions(len(asked) + done))
            ),
        },
    }


async def _dump(cluster: Cluster, moment: Moment, archive: zipfile.ZipFile, told: Progress) -> tuple[int, str]:
    digest, size = sha256(), 0
    with archive.open(DUMP, "w", force_zip64=True) as entry:
        async for piece in dumping.dump(cluster, moment):
            digest.update(piece)
            size += len(piece)
            await asyncio.to_thread(entry.write, piece)
            told.bytes(size)
    return size, digest.hexdigest()


def _read_manifest(archive: zipfile.ZipFile) -> Manifest:
    if archive.getinfo(MANIFEST).file_size > MANIFEST_LIMIT:
        raise Damaged("its manifest is too large")
    try:
        members = json.loads(archive.read(MANIFEST))
        if members.get("form") != FORM:
            raise Damaged(f"its form is {str(members.get('form'))[:60]!r}, and this release reads {FORM}")
        return _manifest(members)
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise Damaged("its manifest cannot be read") from wrong


def _manifest(members: Mapping[str, Any]) -> Manifest:
    asked = members["questions"]
    manifest = Manifest(
        str(members["release"]),
        datetime.fromisoformat(members["taken_at"]),
        dict(members["migrations"]),
        int(members["database"]["size"]),
        str(members["database"]["sha256"]),
        int(members["tree"]["leaves"]),
        str(members["tree"]["note"]),
        int(members["documents"]),
        tuple(map(str, members["archive_keys"])),
        str(members["pepper_check"]),
        int(asked["seed"]),
        dict(asked["kinds"]),
        tuple(questions.from_json(asked["asked"])),
        tuple(questions.from_json(asked["tables"])),
    )
    if not {one.kind for one in manifest.asked} <= set(manifest.kinds):
        raise ValueError("a question has no words")
    return manifest


def _members(manifest: Manifest) -> dict[str, Any]:
    return {
        "form": FORM,
        "release": manifest.release,
        "taken_at": instant(manifest.taken_at),
        "database": {"file": DUMP, "size": manifest.size, "sha256": manifest.sha256},
        "documents": manifest.documents,
        "tree": {"leaves": manifest.leaves, "note": manifest.note},
        "archive_keys": list(manifest.archive_keys),
        "pepper_check": manifest.pepper_check,
        "migrations": dict(manifest.migrations),
        "questions": {
            "seed": manifest.seed,
            "kinds": dict(manifest.kinds),
            "asked": questions.as_json(manifest.asked),
            "tables": questions.as_json(manifest.tables),
        },
    }


def _pieces(dump: IO[bytes]) -> Iterator[bytes]:
    while piece := dump.read(CHUNK):
        yield piece


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
