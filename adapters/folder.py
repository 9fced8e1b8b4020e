"""A folder as a network: invoices are collected from one that others write into, and put into one that others read.

Decisions, each against a failure seen in the field:

- A file is taken when it is complete: not named as a draft, unchanged for a while by the clock of the machine, closed
  by the end of its own form (`%%EOF`, the end of its root); one without that end is waited for much longer, and then
  taken as it is.
- It is moved to `done/` only after the gateway has stored what it brought, and only while it is the file that was read:
  one that took its place meanwhile stays, and comes next. A crash between makes it come again under the same id, which
  is its name and its hash: one document for ever.
- What is no plain file, or too big, is never opened: it is moved to `refused/`, and the log tells. A link leads
  nowhere.
- A message (.eml) brings its attachments, each as an arrival of its own; one without any, or with something that is
  packed or sealed, is an arrival itself, for a person. A delivery notification is told with the document it is about.
  Archives are not unpacked.
- What is sent appears under its name at once and whole, and never over another file. That it was put there is written
  down beside, so that a repetition after the reader took it away is told.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from adapters.dropped import FILE_LIMIT, PAGE_BYTES, PAGE_FILES, arrivals, ended, is_draft, is_siren, place_of, told
from adapters.port import (
    Arrival,
    Collected,
    Consignment,
    ElectronicAddress,
    Problem,
    Receipt,
    Refused,
    Route,
    Unreachable,
)
from schemas.finding import Finding, Severity

log = logging.getLogger(__name__)

QUIET = timedelta(seconds=2)
"""A file that ends as its form does is complete when nobody wrote to it for so long."""
PATIENCE = timedelta(minutes=10)
"""The same for a file that does not."""
DONE, REFUSED, SENT = "done", "refused", ".sent"
"""Folders beside the files: taken, never taken, and what was put there."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Which folders, and for whom."""

    incoming: Path | None = None
    """Others write into it; None: nothing is collected."""
    outgoing: Path | None = None
    """Others read from it; None: nothing is sent."""
    schemes: frozenset[str] = frozenset()
    """Schemes of electronic addresses (EAS) whose documents go into `outgoing`."""
    recipient: str = ""
    """SIREN of who receives invoices that do not tell for whom they are; empty: a person tells."""


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_FOLDER_*; None when none is set, or they cannot be used, as `problems` then tells."""
    names = ("IN", "OUT", "SCHEMES", "RECIPIENT")
    given = {name: environment.get(f"ESTAFETTE_FOLDER_{name}", "").strip() for name in names}
    if not any(given.values()):
        return None
    recipient = given["RECIPIENT"]
    schemes = frozenset(one.strip() for one in given["SCHEMES"].split(",") if one.strip())
    found = [
        Problem(f"ESTAFETTE_FOLDER_{name}", says)
        for wrong, name, says in (
            (not (given["IN"] or given["OUT"]), "IN", "or ESTAFETTE_FOLDER_OUT names a folder"),
            (bool(given["OUT"]) != bool(schemes), "SCHEMES", "goes together with ESTAFETTE_FOLDER_OUT"),
            (bool(recipient) and not is_siren(recipient), "RECIPIENT", "must be a SIREN: nine digits"),
            *((bool(given[name]) and not _usable(given[name]), name, "is no folder to write in") for name in names[:2]),
        )
        if wrong
    ]
    problems.extend(found)
    if found:
        return None
    incoming, outgoing = (Path(given[name]) if given[name] else None for name in ("IN", "OUT"))
    return Settings(incoming, outgoing, schemes, recipient)


class Folder:
    """Two folders, as a network."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._handed: tuple[str, dict[str, _Mark]] | None = None

    @property
    def name(self) -> str:
        """drop"""
        return "drop"

    async def find(self, address: ElectronicAddress) -> Route | None:
        """The folder, for the schemes that the operator named."""
        if self._settings.outgoing is None or address.scheme not in self._settings.schemes or not address.value:
            return None
        return Route(self.name, address, f"the operator puts documents for scheme {address.scheme} into a folder")

    async def send(self, consignment: Consignment) -> Receipt:
        """Put the document there, once. Raises Unreachable, Refused."""
        try:
            return await asyncio.to_thread(self._put, consignment)
        except OSError as away:
            raise Unreachable(f"the folder cannot be written to ({away.strerror})") from away

    async def collect(self, cursor: str | None) -> Collected:
        """What is complete, the oldest first; what the page before brought is moved away. Raises Unreachable."""
        try:
            return await asyncio.to_thread(self._page, cursor)
        except OSError as away:
            raise Unreachable(f"the folder cannot be read ({away.strerror})") from away

    async def close(self) -> None:
        """Nothing is held."""

    # Out -------------------------------------------------------------------------------------------------------------

    def _put(self, consignment: Consignment) -> Receipt:
        """A draft beside, linked under its name, and a note that it was: in this order, each on disk."""
        folder = self._settings.outgoing
        if folder is None:
            raise Unreachable("no folder is configured to put documents into")
        notes = folder / SENT
        notes.mkdir(exist_ok=True)
        name = place_of(consignment)
        note = notes / f"{consignment.id}.json"
        if note.exists():
            return self._there(note, consignment)
        draft = notes / f"{consignment.id}.{uuid4().hex[:8]}"
        try:
            _write(draft, consignment.data)
            again = self._link(draft, folder / name, consignment)
        finally:
            draft.unlink(missing_ok=True)
        try:
            _sync(folder)
            said = {"file": name, "sha256": consignment.sha256, "at": self._now().astimezone(UTC).isoformat()}
            _write(draft, json.dumps(said, sort_keys=True).encode())
            draft.rename(note)
            _sync(notes)
        except OSError as full:
            raise Unreachable(f"the folder may have it ({full.strerror})", unknown=True) from full
        return Receipt(consignment.id, self._now(), note.read_bytes(), "application/json", again)

    def _link(self, draft: Path, path: Path, consignment: Consignment) -> bool:
        """Give a draft its name; True when it stands there already. Raises Refused when something else does."""
        try:
            os.link(draft, path)
        except FileExistsError:
            self._same(path, consignment)
            return True
        return False

    def _there(self, note: Path, consignment: Consignment) -> Receipt:
        """The receipt of an earlier attempt. Raises Refused when that put other bytes there."""
        evidence = note.read_bytes()
        said = json.loads(evidence)
        if said["sha256"] != consignment.sha256:
            raise _other_content(said["file"])
        return Receipt(consignment.id, datetime.fromisoformat(said["at"]), evidence, "application/json", True)

    def _same(self, path: Path, consignment: Consignment) -> None:
        if sha256(path.read_bytes()).hexdigest() != consignment.sha256:
            raise _other_content(path.name)

    # In --------------------------------------------------------------------------------------------------------------

    def _page(self, cursor: str | None) -> Collected:
        folder = self._settings.incoming
        if folder is None:
            return Collected((), cursor or "", more=False)
        self._confirm(cursor)
        found: list[Arrival] = []
        marks: dict[str, _Mark] = {}
        size = 0
        for name in self._complete(folder):
            if len(marks) >= PAGE_FILES or size > PAGE_BYTES:
                break
            read = self._read(folder, name)
            if read is None:
                continue
            data, marks[name] = read
            size += len(data)
            at = min(datetime.fromtimestamp(marks[name].mtime_ns / 1e9, UTC), self._now())
            found += arrivals(name, data, at, self._settings.recipient)
        if not marks:
            return Collected((), cursor or "", more=False)
        mark = uuid4().hex
        self._handed = (mark, marks)
        return Collected(sorted(found, key=lambda one: (one.at, one.network_id)), mark, more=True)

    def _confirm(self, cursor: str | None) -> None:
        """The gateway gave back the cursor of a page: it has stored what that page brought."""
        handed, self._handed = self._handed, None
        if handed is None or handed[0] != cursor:
            return
        assert self._settings.incoming is not None
        for name, mark in handed[1].items():
            _move(self._settings.incoming, name, f"{DONE}/{self._now():%Y-%m-%d}", mark)

    def _complete(self, folder: Path) -> list[str]:
        """Names of the files that may be taken, the oldest first; what never will be is moved away."""
        now = self._now().timestamp()
        found: list[tuple[float, str]] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_draft(entry.name):
                    continue
                seen = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(seen.st_mode):
                    continue
                if not stat.S_ISREG(seen.st_mode) or seen.st_nlink != 1:
                    _refuse(folder, entry.name, "it is no plain file")
                elif seen.st_size > FILE_LIMIT:
                    _refuse(folder, entry.name, f"it has more than {FILE_LIMIT} bytes")
                elif now - seen.st_ctime >= QUIET.total_seconds():
                    found.append((seen.st_ctime, entry.name))
        return [name for _, name in sorted(found)]

    def _read(self, folder: Path, name: str) -> tuple[bytes, _Mark] | None:
        """A file that nobody writes to any more, and what it is known by; None for one not there or not complete."""
        try:
            handle = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            log.warning("a file cannot be opened")
            return None
        with os.fdopen(handle, "rb") as file:
            before = os.fstat(handle)
            if not stat.S_ISREG(before.st_mode):
                return None
            data = file.read(FILE_LIMIT + 1)
            after = os.fstat(handle)
        if _marked(before) != _marked(after) or len(data) != after.st_size:
            return None
        waited = self._now().timestamp() - after.st_ctime >= PATIENCE.total_seconds()
        return (data, _marked(after)) if waited or ended(name, data) else None


@dataclass(frozen=True, slots=True)
class _Mark:
    """What a file is known by, beside its name; not its inode: some shares make up another for each look."""

    size: int
    mtime_ns: int


def _marked(seen: os.stat_result) -> _Mark:
    return _Mark(seen.st_size, seen.st_mtime_ns)


def _refuse(folder: Path, name: str, why: str) -> None:
    log.warning("a file in the folder is never taken: %s", why)
    _move(folder, name, REFUSED)


def _move(folder: Path, name: str, under: str, mark: _Mark | None = None) -> None:
    """Move a file beside, over nothing; one that is gone meanwhile is gone, another than the marked one stays."""
    place = folder / under
    place.mkdir(parents=True, exist_ok=True)
    target = place / name
    if target.is_symlink() or target.exists():
        target = place / f"{uuid4().hex[:12]}_{name[-180:]}"
    try:
        if mark is not None and _marked((folder / name).lstat()) != mark:
            return
        (folder / name).rename(target)
        if mark is not None and _marked(target.lstat()) != mark:
            _give_back(target, folder / name)
    except FileNotFoundError:
        log.warning("a file was taken away from the folder")


def _give_back(target: Path, path: Path) -> None:
    """Undo the move of a file that took another's place in the last moment; it goes over nothing."""
    if path.is_symlink() or path.exists():
        path = path.with_name(f"{uuid4().hex[:12]}_{path.name[-180:]}")
    target.rename(path)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _other_content(name: str) -> Refused:
    says = "The folder has other content under the id of this consignment."
    return Refused("the folder has other content under this id", (
        Finding("FOLDER-OTHER-CONTENT", Severity.FATAL, "network", says, found=told(name)),
    ))  # fmt: skip


def _usable(text: str) -> bool:
    return Path(text).is_dir() and os.access(text, os.R_OK | os.W_OK | os.X_OK)
