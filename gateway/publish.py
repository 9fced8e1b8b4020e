"""Publishing: what was recorded gets its place in the hash tree, under a signature, with a copy outside.

Nothing leaves before its proof exists: the archive stage waits for this. One process of the installation publishes at a
time; each publication covers all that waits, so its cost is shared by the documents of that moment.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from gateway.resources import Resources
from gateway.store import tree
from gateway.store.tree import Signed

log = logging.getLogger(__name__)

LATEST = "latest.txt"
COPY_EVERY = timedelta(minutes=1)
"""A copy is kept under its own name once in so long; `latest.txt` is renewed with each publication."""


async def publish(resources: Resources) -> Signed | None:
    """Publish what waits; None when nothing does, or another process is at it. Raises Busy."""
    now = resources.clock.now()
    notary = resources.notary
    signed = await tree.publish(resources.pool, lambda size, root: notary.sign(size, root, now), now)
    if signed is not None:
        log.info("published", extra={"size": signed.size, "checkpoint": signed.number})
        if notary.copies is not None:
            await asyncio.to_thread(_copy, notary.copies, signed)
    return signed


def _copy(folder: Path, signed: Signed) -> None:
    """Put a checkpoint outside. A folder that is away is an alarm in the log, and stops nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / LATEST, signed.note)
        name = folder / _name(signed.at, signed.size)
        if not any(folder.glob(f"{name.name.partition('-')[0]}-*")):
            _write(name, signed.note)
    except OSError as unable:
        log.error("a checkpoint could not be copied outside: %s", unable.strerror)


def _name(at: datetime, size: int) -> str:
    """The copy's name: sorts by time, one a COPY_EVERY."""
    minutes = int(at.timestamp() // COPY_EVERY.total_seconds() * COPY_EVERY.total_seconds())
    return f"{datetime.fromtimestamp(minutes, at.tzinfo):%Y%m%dT%H%MZ}-{size}.txt"


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
