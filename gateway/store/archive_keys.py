"""The archive keys: one file a month in a folder that is not the database, so that a backup of the database alone
opens nothing, and destroying a file destroys every copy of what it locked, in any backup.

The database knows the names of the keys and nothing of them. Under one key are locked the contents of a month; what
must outlive a key is rewrapped under the present one first. The folder needs a copy of its own, apart from the
database's: without it the archive is lost, and a copy of a destroyed key that is kept undoes the destruction. Several
gateways of one archive share the folder.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from gateway.errors import Corrupt, Gone, Misconfigured
from gateway.store.pool import Connection, Pool
from signing.locking import KEY_SIZE, new_key

log = logging.getLogger(__name__)

LIFE = timedelta(days=31)
"""How long new contents are locked under one key."""
DESTROYED = ".destroyed"
"""Ending of the empty file that stays in place of a destroyed key."""
MEMORY = 3600.0
"""Seconds a process believes what it read about the present key."""
_LOCK = 727_276


@dataclass(frozen=True, slots=True)
class ArchiveKey:
    """A key and its name."""

    name: str
    """Year and month it was made in, and the first 8 bytes of its SHA-256."""
    secret: bytes


class Keyring:
    """The keys of one folder, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        """`folder`: made when the first key is."""
        self._folder = folder
        self._known: dict[str, ArchiveKey] = {}
        self._present: tuple[float, str] | None = None

    async def present(self, connection: Connection) -> ArchiveKey:
        """The key that locks what is kept now. Raises Misconfigured when there is none, or its file is missing."""
        if self._present is None or time.monotonic() - self._present[0] > MEMORY:
            name = await connection.fetchval(
                "select name from archive_key where retired_at is null order by since desc, name limit 1"
            )
            if name is None:
                raise Misconfigured(
                    "the archive has no key yet: start the gateway once, or run a command that opens it"
                )
            self._present = time.monotonic(), name
        return await self.named(self._present[1])

    async def named(self, name: str) -> ArchiveKey:
        """A key by its name. Raises Misconfigured without its file, Gone when destroyed, Corrupt when another's."""
        if name not in self._known:
            self._known[name] = await asyncio.to_thread(self._read, name)
        return self._known[name]

    async def renew(self, pool: Pool, now: datetime, *, at_once: bool = False) -> str:
        """See to it that the present key is younger than LIFE; its name. With `at_once` a new one is made anyway."""
        self._present = None
        async with pool.keeper() as connection:
            await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
            row = await connection.fetchrow(
                "select name, since from archive_key where retired_at is null order by since desc, name limit 1"
            )
            if row is not None and not at_once and now - row["since"] < LIFE:
                name: str = row["name"]
                return name
            made = await asyncio.to_thread(self._make, now)
            await connection.execute("insert into archive_key (name, since) values ($1, $2)", made.name, now)
        self._known[made.name] = made
        log.info("the archive has a new key", extra={"archive_key": made.name})
        return made.name

    async def check(self, pool: Pool) -> None:
        """See that every key that is not destroyed is in the folder, and is itself. Raises Misconfigured with each.

        For the start of a gateway: a database that was put back without its keys neither takes nor opens anything, and
        says so before anybody relies on it. A key that was destroyed since the database was copied is no complaint.
        """
        async with pool.keeper() as connection:
            rows = await connection.fetch(
                "select name from archive_key where destroyed_at is null order by since, name"
            )
        complaints = await self.unusable([row["name"] for row in rows])
        if complaints:
            raise Misconfigured(
                "contents are locked under archive keys that cannot be used; put the folder of keys back:\n  "
                + "\n  ".join(complaints)
            )

    async def unusable(self, names: Sequence[str]) -> list[str]:
        """The files of these keys that are missing or not what they should be, and why; a destroyed one is no fault."""
        complaints = []
        for name in names:
            try:
                await self.named(name)
            except Gone:
                continue
            except (Misconfigured, Corrupt) as wrong:
                complaints.append(f"{self._path(name)}: {wrong.detail}")
        return complaints

    async def spent(self, pool: Pool, now: datetime) -> tuple[str, ...]:
        """Keys under which something was purged and others may still be locked; the present one is replaced first."""
        async with pool.keeper() as connection:
            rows = await connection.fetch(
                "select name, since from archive_key where spent_at is not null and retired_at is null"
            )
            newest = await connection.fetchval("select max(since) from archive_key where retired_at is null")
        if any(row["since"] == newest for row in rows):
            await self.renew(pool, now, at_once=True)
        return tuple(row["name"] for row in rows)

    async def retire(self, pool: Pool, name: str, now: datetime) -> None:
        """Note that nothing is locked under a key any more."""
        async with pool.keeper() as connection:
            await connection.execute(
                "update archive_key set retired_at = $2 where name = $1 and retired_at is null", name, now
            )

    async def retired(self, pool: Pool, before: datetime) -> tuple[str, ...]:
        """Keys that were retired before an instant and are not destroyed yet."""
        async with pool.keeper() as connection:
            rows = await connection.fetch(
                "select name from archive_key where retired_at <= $1 and destroyed_at is null", before
            )
        return tuple(row["name"] for row in rows)

    async def destroyed(self, pool: Pool, name: str, now: datetime) -> None:
        """Destroy a retired key's file, then note it: a crash between the two destroys nothing twice."""
        await self.destroy(name)
        async with pool.keeper() as connection:
            await connection.execute("update archive_key set destroyed_at = $2 where name = $1", name, now)
        log.info("an archive key is destroyed", extra={"archive_key": name})

    async def destroy(self, name: str) -> None:
        """Overwrite and remove a key's file, and forget it. What it locked, wherever it is kept, stays locked.

        Its name stays, so that a database that was put back to an older state is understood.
        """
        self._known.pop(name, None)
        await asyncio.to_thread(self._destroy, name)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    def _read(self, name: str) -> ArchiveKey:
        path = self._path(name)
        try:
            if path.stat().st_mode & 0o007:
                raise Misconfigured(f"the archive key {name} can be read by everybody; take that right away")
            secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except OSError as missing:
            if path.with_suffix(DESTROYED).exists():
                raise Gone(
                    f"the archive key {name} was destroyed at the end of a retention; what it locked cannot be read"
                ) from missing
            raise Misconfigured(
                f"the archive key {name} is not in its folder (ESTAFETTE_ARCHIVE_KEYS): {missing.strerror}"
            ) from missing
        except ValueError as unreadable:
            raise Corrupt(f"the file of archive key {name} is damaged") from unreadable
        if len(secret) != KEY_SIZE or _name(name[:6], secret) != name:
            raise Corrupt(f"the file of archive key {name} holds another key")
        return ArchiveKey(name, secret)

    def _make(self, now: datetime) -> ArchiveKey:
        """On the disk before anything is locked under it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret = new_key()
        made = ArchiveKey(_name(f"{now:%Y%m}", secret), secret)
        handle = os.open(self._path(made.name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        _sync(self._folder)
        return made

    def _destroy(self, name: str) -> None:
        path = self._path(name)
        try:
            with path.open("r+b") as file:
                file.write(b"\0" * path.stat().st_size)
                file.flush()
                os.fsync(file.fileno())
            path.with_suffix(DESTROYED).touch(mode=0o600)
            path.unlink()
            _sync(self._folder)
        except FileNotFoundError:
            log.warning("the file of a key that is to be destroyed is gone already", extra={"archive_key": name})


async def check_unlocked(pool: Pool) -> None:
    """For a gateway that is given no folder of keys: see that there are none. Raises Misconfigured with each."""
    async with pool.keeper() as connection:
        rows = await connection.fetch("select name from archive_key where retired_at is null order by since, name")
    if rows:
        names = ", ".join(f"{row['name']}.key" for row in rows)
        raise Misconfigured(
            f"contents are locked under archive keys: name the folder that has {names} (ESTAFETTE_ARCHIVE_KEYS)"
        )


def _name(month: str, secret: bytes) -> str:
    return f"{month}-{sha256(b'estafette archive key' + secret).hexdigest()[:16]}"


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
