"""Publishing: what was recorded gets its place in the hash tree, under a signature, with a copy outside.

Nothing leaves before its proof exists: the archive stage waits for this. One process of the installation publishes at a
time; each publication covers all that waits, so its cost is shared by the documents of that moment. Copies are made
beside, by `Copies`: a folder that is away, or that hangs, is an alarm and stops nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from datetime import datetime
from pathlib import Path

from gateway.resources import Resources
from gateway.store import custody, tree
from gateway.store.tree import Signed

log = logging.getLogger(__name__)

LATEST = "latest.txt"
FOLDER = "folder"
"""Name of the folder among those who keep checkpoints."""
COPY_EVERY = 60
"""Seconds: a copy is kept under its own name once in so long; `latest.txt` is renewed each time."""
PATIENCE = 30.0
"""Seconds that making a copy may take before it is an alarm."""


async def publish(resources: Resources) -> Signed | None:
    """Publish what waits; None when nothing does, or another process is at it. Raises Busy."""
    signed = await tree.publish(resources.pool, resources.notary.sign, resources.clock.now)
    if signed is not None:
        log.info("published", extra={"size": signed.size, "checkpoint": signed.number})
    return signed


class Copies:
    """Puts checkpoints into a folder outside the database, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        """The last checkpoint that was copied."""
        self._minute = ""
        """The name, without size, of the last copy that was kept for good."""
        self._under_way: asyncio.Future[None] | None = None

    async def keep(self, resources: Resources) -> bool:
        """Copy the latest checkpoint if it is not; whether it is there now. Raises Busy."""
        async with resources.pool.worker() as connection:
            latest = await tree.last(connection)
        if latest is None or latest.number == self._number:
            return latest is not None
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.ensure_future(asyncio.to_thread(self._copy, latest))
        try:
            await asyncio.wait_for(asyncio.shield(self._under_way), PATIENCE)
        except (OSError, TimeoutError) as unable:
            says = getattr(unable, "strerror", None) or "it takes too long"
            log.error("a checkpoint could not be copied outside: %s", says)
            await custody.note_trouble(resources.pool, FOLDER, says, resources.clock.now())
            return False
        self._number = latest.number
        await custody.works(resources.pool, FOLDER)
        return True

    def _copy(self, signed: Signed) -> None:
        """Renew `latest.txt`, never by an older one, and keep one copy a minute."""
        self._folder.mkdir(parents=True, exist_ok=True)
        if signed.size >= _size(self._folder / LATEST):
            _write(self._folder / LATEST, signed.note)
        minute = _minute(signed.at)
        if minute != self._minute:
            _write(self._folder / f"{minute}-{signed.size}.txt", signed.note)
            self._minute = minute


def _size(path: Path) -> int:
    """The leaves that the checkpoint in a file tells of; 0 when it tells nothing."""
    try:
        line = path.read_text(encoding="utf-8").split("\n")[1]
    except (OSError, UnicodeDecodeError, IndexError):
        return 0
    return int(line) if line.isascii() and line.isdigit() else 0


def _minute(at: datetime) -> str:
    """Sorts by time, one a COPY_EVERY."""
    start = int(at.timestamp()) // COPY_EVERY * COPY_EVERY
    return f"{datetime.fromtimestamp(start, at.tzinfo):%Y%m%dT%H%MZ}"


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".checkpoint-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
