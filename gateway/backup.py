"""A backup of the embedded database in one file, and what makes it believed when it is put back.

The file is a ZIP: PostgreSQL's dump of one moment, a manifest with its SHA-256, the state of the tree and a thousand
questions with their answers of the same moment (`store.questions`), and the manifest's signature. Keys are not in it,
on purpose: whoever gets hold of a backup reads no invoice, and what was purged with its key does not come back.

A dump is a program that the database runs as its superuser: only one that the key of the checkpoints signed is run.
Between the check and the run the file may be swapped, and what a superuser did outside the database no rollback undoes:
so each piece is compared again with what was checked before PostgreSQL gets a byte of it.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import secrets
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
SIGNATURE_LIMIT = 64 * 1024
"""Bytes of its signature, at most."""
_ENCRYPTED = 0x1
"""The flag of an entry that has a password (APPNOTE 4.4.4)."""


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
class Checked:
    """What was read of a backup, once: nothing is believed or put back that is read otherwise later."""

    manifest: Manifest
    signed: str
    """The lines that its signature must be of."""
    signature: bytes
    pieces: tuple[bytes, ...]
    """SHA-256 of each CHUNK of the dump, in order: all of them together are what the manifest tells the hash of."""


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
        made = await _write(cluster, moment, path, about, notary, told)
    if isinstance(made, OSError):
        raise made
    await asyncio.to_thread(_sync, path)
    return made


async def _write(
    cluster: Cluster, moment: Moment, path: Path, about: dict[str, Any], notary: Notary, told: Progress
) -> Manifest | OSError:
    """An error of the file is given back: raised inside the moment it would be taken for one of the database."""
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            size, digest = await _dump(cluster, moment, archive, told)
            manifest = _manifest({**about, "database": {"file": DUMP, "size": size, "sha256": digest}})
            written = json.dumps(_members(manifest), ensure_ascii=False, indent=1).encode()
            archive.writestr(MANIFEST, written)
            archive.writestr(SIGNATURE, notary.signer.vouch(_signed(written)))
    except OSError as error:
        return error
    return manifest


def check(path: Path, told: Callable[[int], None]) -> Checked:
    """Read a backup from its first byte to its last; `told` how many were read. Raises Damaged, OSError."""
    whole, size, pieces = sha256(), 0, []
    with _opened(path) as archive:
        written = _part(archive, MANIFEST, MANIFEST_LIMIT)
        signature = _part(archive, SIGNATURE, SIGNATURE_LIMIT)
        manifest = _read_manifest(written)
        with archive.open(DUMP) as dump:
            for piece in _pieces(dump):
                whole.update(piece)
                pieces.append(sha256(piece).digest())
                size += len(piece)
                told(size)
    if (size, whole.hexdigest()) != (manifest.size, manifest.sha256):
        raise Damaged(f"{DUMP} is not what the manifest says: it was changed or cut")
    return Checked(manifest, _signed(written), signature, tuple(pieces))


def believe(checked: Checked, keys: Iterable[Verifier]) -> None:
    """See that one of these keys has signed a backup that was checked. Raises Damaged."""
    try:
        if checkpoint.vouched(checked.signature.decode(), keys) != checked.signed:
            raise Damaged(f"{MANIFEST} is not what was signed: it was changed")
    except ValueError as wrong:
        raise Damaged(f"its signature cannot be read: {wrong}") from wrong
    except checkpoint.NotProved as wrong:
        raise Damaged(f"it was not made by this archive, or was changed: {wrong}") from wrong


def _signed(manifest: bytes) -> str:
    """The lines under the signature; no checkpoint, whose second line is a number."""
    return f"{FORM}\nsha256 {sha256(manifest).hexdigest()}\n"


async def put_back(cluster: Cluster, path: Path, checked: Checked, told: Callable[[int], None]) -> None:
    """Put the dump that was checked into an empty database, and no other byte. Raises Damaged, Misconfigured, OSError.

    A file that was swapped or changed since is told as Damaged, and the database stays empty.
    """
    with _opened(path) as archive, archive.open(DUMP) as dump:
        await dumping.restore(cluster, _same(dump, checked.pieces), told)


async def compare(pool: Pool, manifest: Manifest, told: Callable[[int], None]) -> list[str]:
    """Ask every question of a backup again, before anything is migrated; each answer that differs, by its name."""
    differ = []
    async with dumping.moment(pool) as moment:
        for place, one in enumerate(manifest.asked, 1):
            if await questions.answer(moment.connection, manifest.kinds[one.kind], one.about) != one.answer:
                differ.append(f"{one.kind} of document {one.about}")
            told(place)
        tables = await questions.tables(moment.connection, lambda done: told(len(manifest.asked) + done))
        found = {one.about: one.answer for one in tables}
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


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """A file that holds what a backup holds, as we write it: plain. Raises Damaged, also for what is read of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sorted(entry.filename for entry in entries) != [DUMP, MANIFEST, SIGNATURE]:
                raise Damaged(f"it is no backup of ours, which holds {DUMP}, {MANIFEST}, {SIGNATURE} and no more")
            if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & _ENCRYPTED for entry in entries):
                raise Damaged("it is no backup of ours, in which nothing is compressed or encrypted once more")
            yield archive
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError) as wrong:
        raise Damaged(f"it is no whole backup: {wrong}") from wrong


def _part(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    if archive.getinfo(name).file_size > limit:
        raise Damaged(f"{name} is too large: more than {limit} bytes")
    return archive.read(name)


def _read_manifest(written: bytes) -> Manifest:
    try:
        members = json.loads(written)
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


def _same(dump: IO[bytes], checked: tuple[bytes, ...]) -> Iterator[bytes]:
    """The pieces of a dump, each seen to be the one that was checked before it is given. Raises Damaged."""
    swapped = f"{DUMP} is not what was checked: the file was changed or swapped meanwhile"
    place = 0
    for place, piece in enumerate(_pieces(dump), 1):
        if place > len(checked) or sha256(piece).digest() != checked[place - 1]:
            raise Damaged(swapped)
        yield piece
    if place != len(checked):
        raise Damaged(swapped)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
