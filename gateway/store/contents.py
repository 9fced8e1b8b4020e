"""The bytes of contents: the one place that writes, reads and destroys them.

A content's card (hash, media type, size) stays for ever; its bytes are locked (`signing.locking`) and go when the
retention of every document that has them has ended. A gateway that was given no folder for archive keys keeps them
open, as older releases did; `lock_old` locks those once there is one.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.errors import Corrupt, Gone, Misconfigured, NotFound
from gateway.lifecycle import Kept
from gateway.store.archive_keys import Keyring
from gateway.store.pool import Connection, Pool
from signing.locking import LockedContent, WrongKey, lock, rewrapped, unlock

_CARDS = 500
"""Contents looked up at once by those who go through all of them."""
BYTES = 8 << 20
"""Of their bytes that are read at once, unless one content alone has more."""


def _locks(digests: Sequence[bytes]) -> list[int]:
    """One lock for each content: shared by who keeps it, alone for who purges it. An entry that is not committed is not
    seen, and without the lock a purge would take the bytes of a new document away."""
    return [int.from_bytes(digest[:8], "big", signed=True) for digest in digests]


async def alone(connection: Connection, digests: Sequence[bytes]) -> None:
    """Wait until nobody else is keeping these contents, and let nobody until the transaction ends."""
    await connection.execute("select pg_advisory_xact_lock(k) from unnest($1::bigint[]) as k", _locks(sorted(digests)))


def _about(account_id: UUID, digest: bytes) -> bytes:
    """What a locked content is authenticated with."""
    return account_id.bytes + digest


async def put(connection: Connection, account_id: UUID, kept: Sequence[Kept]) -> None:
    """Keep contents of the account, each once, inside the caller's transaction."""
    if not kept:
        return
    found = {hashlib.sha256(one.data).digest(): one for one in kept}
    digests = sorted(found)  # in one order, or two transactions with the same contents could wait for each other
    open_ = connection.keys is None
    await connection.execute("select pg_advisory_xact_lock_shared(k) from unnest($1::bigint[]) as k", _locks(digests))
    await connection.execute(
        """
        insert into content (account_id, sha256, media_type, size, data)
        select $1, * from unnest($2::bytea[], $3::text[], $4::bigint[], $5::bytea[]) on conflict do nothing
        """,
        account_id,
        digests,
        [found[digest].media_type for digest in digests],
        [len(found[digest].data) for digest in digests],
        [found[digest].data if open_ else None for digest in digests],
    )
    if open_:
        await _refuse_to_revive(connection, digests)
        return
    key = await connection.keys.present(connection)
    locked = [lock(found[digest].data, key.secret, _about(account_id, digest)) for digest in digests]
    await connection.execute(
        """
        insert into content_data (account_id, sha256, archive_key, wrapped, data)
        select $1, u.sha256, $2, u.wrapped, u.data
        from unnest($3::bytea[], $4::bytea[], $5::bytea[]) as u (sha256, wrapped, data)
        where not exists (select from content c where c.sha256 = u.sha256 and c.data is not null)
        on conflict do nothing
        """,
        account_id,
        key.name,
        digests,
        [one.wrapped for one in locked],
        [one.data for one in locked],
    )


async def _refuse_to_revive(connection: Connection, digests: Sequence[bytes]) -> None:
    """Bytes that were purged come again only under a key. Raises Misconfigured."""
    if await connection.fetchval(
        """
        select exists (select from content c left join content_data d using (account_id, sha256)
                       where c.sha256 = any($1) and c.data is null and d.sha256 is null)
        """,
        digests,
    ):
        raise Misconfigured("a content that was purged came again, and there is no archive key to keep it under")


async def read(connection: Connection, sha256: str) -> bytes:
    """The bytes of a content of the account. Raises NotFound, Gone, Corrupt when they are not what their hash says."""
    row = await connection.fetchrow(
        """
        select c.account_id, c.sha256, c.data as open, d.archive_key, d.wrapped, d.data
        from content c left join content_data d using (account_id, sha256) where c.sha256 = $1
        """,
        bytes.fromhex(sha256),
    )
    if row is None:
        raise NotFound("there is no such content")
    if row["data"] is None and row["open"] is None:
        raise await _absent(connection, sha256)
    data = await _opened(connection.keys, row)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Corrupt(f"content {sha256} does not match its hash")
    return data


async def _absent(connection: Connection, sha256: str) -> Exception:
    """What to say of a content without bytes: a tombstone says why, or nothing does."""
    purged = await connection.fetchval(
        """
        select exists (select from entry n join event e using (account_id, document_id)
                       where n.sha256 = $1 and e.outcome = 'purged')
        """,
        bytes.fromhex(sha256),
    )
    if purged:
        return Gone("the retention of this content has ended, and its bytes and their key are destroyed")
    return Corrupt(f"content {sha256} is not there, and no tombstone says why")


async def _opened(keys: Keyring | None, row: Connection) -> bytes:
    if row["data"] is None:
        return bytes(row["open"])
    if keys is None:
        raise Misconfigured("the archive's contents are locked: name the folder of its keys (ESTAFETTE_ARCHIVE_KEYS)")
    key = await keys.named(row["archive_key"])
    locked = LockedContent(bytes(row["wrapped"]), bytes(row["data"]))
    try:
        return unlock(locked, key.secret, _about(row["account_id"], bytes(row["sha256"])))
    except WrongKey as wrong:
        raise Corrupt(f"content {bytes(row['sha256']).hex()} does not open under its key") from wrong


async def destroy(connection: Connection, digests: Sequence[bytes], now: datetime) -> int:
    """Destroy the bytes and the data keys of contents whose documents are all purged; how many went.

    Inside the transaction that wrote the last tombstone; the database refuses it without one.
    """
    await connection.execute("select set_config('role', 'estafette_keeper', true)")
    gone = await connection.fetch("delete from content_data where sha256 = any($1) returning archive_key", digests)
    open_ = await connection.fetch(
        "update content set data = null where sha256 = any($1) and data is not null returning sha256", digests
    )
    await connection.execute(
        "update archive_key set spent_at = $2 where name = any($1) and spent_at is null",
        list({row["archive_key"] for row in gone}),
        now,
    )
    await connection.execute("select set_config('role', 'estafette_app', true)")
    return len(gone) + len(open_)


@dataclass(frozen=True, slots=True)
class Seen:
    """What looking at one content found."""

    there: bool
    """Its bytes are there."""
    complaint: str
    """What is wrong with it; empty: nothing."""


async def look(pool: Pool, account_id: UUID) -> AsyncIterator[Seen]:
    """Open every content of an account and hash it again; tombstones are expected, holes are not.

    Some hundred cards at a time, and of their bytes no more at once than BYTES or one content. Raises Misconfigured
    where a key of the archive is not at hand: then nothing could be told.
    """
    async with pool.account(account_id) as connection:
        known = {row["name"] for row in await connection.fetch("select name from archive_key")}
    after = b""
    while True:
        cards = await _cards(pool, account_id, after)
        if not cards:
            return
        after = bytes(cards[-1]["sha256"])
        there = [card for card in cards if card["there"]]
        wrong: dict[bytes, str] = {}
        for some in _portions([(bytes(card["sha256"]), card["stored"]) for card in there]):
            wrong |= await _wrong(pool, account_id, some, known)
        for card in cards:
            yield Seen(card["there"], wrong.get(bytes(card["sha256"]), "") or _held(card))


async def _cards(pool: Pool, account_id: UUID, after: bytes) -> list[Connection]:
    """The next contents, and who has them."""
    async with pool.account(account_id, snapshot=True) as connection:
        rows: list[Connection] = await connection.fetch(
            """
            with page as (select * from content where sha256 > $1 order by sha256 limit $2)
            select c.sha256, c.data is not null or d.sha256 is not null as there,
                   coalesce(octet_length(c.data), octet_length(d.data), 0) as stored,
                   exists (select from entry n where n.sha256 = c.sha256) as had,
                   exists (select from purchase_order p where p.sha256 = c.sha256)
                   or exists (select from entry n where n.sha256 = c.sha256 and not exists (
                       select from event e where e.document_id = n.document_id and e.outcome = 'purged')) as wanted
            from page c left join content_data d using (account_id, sha256) order by c.sha256
            """,
            *(after, _CARDS),
        )
    return rows


def _held(card: Mapping[str, Any]) -> str:
    """Whether a content is there as long as somebody has it, and no longer."""
    name = f"content {bytes(card['sha256']).hex()}"
    if not card["there"] and (card["wanted"] or not card["had"]):
        return f"{name} is missing, and no tombstone says why"
    if card["there"] and card["had"] and not card["wanted"]:
        return f"{name} was purged and is there again: an old state is back"
    return ""


def _portions(contents: Sequence[tuple[bytes, int]]) -> Iterator[list[bytes]]:
    """Contents (hash and bytes stored) in portions of at most BYTES, or of one."""
    portion: list[bytes] = []
    size = 0
    for digest, stored in contents:
        if portion and size + stored > BYTES:
            yield portion
            portion, size = [], 0
        portion.append(digest)
        size += stored
    if portion:
        yield portion


async def _wrong(pool: Pool, account_id: UUID, digests: Sequence[bytes], known: Set[str]) -> dict[bytes, str]:
    """What is wrong with the bytes of contents, by their hash."""
    found: dict[bytes, str] = {}
    for row in await _rows(pool, account_id, digests):
        digest = bytes(row["sha256"])
        name = f"content {digest.hex()}"
        try:
            data = await _opened(pool.keys, row)
            hashed = await asyncio.to_thread(hashlib.sha256, data)
            sound = hashed.digest() == digest and len(data) == row["size"]
        except Gone:
            found[digest] = f"{name} was purged and is there again: an old state is back"
            continue
        except (Corrupt, Misconfigured) as wrong:
            if row["archive_key"] in known and isinstance(wrong, Misconfigured):
                raise  # the whole folder is another: nothing could be told of any content
            sound = False
        if not sound:
            found[digest] = f"{name} does not match its hash"
    return found


async def several(pool: Pool, account_id: UUID, digests: Set[str]) -> dict[str, bytes]:
    """The bytes of contents by their hashes: those that are there and are what their hash says. `look` names others."""
    found: dict[str, bytes] = {}
    for row in await _rows(pool, account_id, [bytes.fromhex(one) for one in digests]):
        with suppress(Corrupt, Gone):
            data = await _opened(pool.keys, row)
            if (await asyncio.to_thread(hashlib.sha256, data)).digest() == bytes(row["sha256"]):
                found[bytes(row["sha256"]).hex()] = data
    return found


async def _rows(pool: Pool, account_id: UUID, digests: Sequence[bytes]) -> list[Connection]:
    async with pool.account(account_id) as connection:
        rows: list[Connection] = await connection.fetch(
            """
            select c.account_id, c.sha256, c.size, c.data as open, d.archive_key, d.wrapped, d.data
            from content c left join content_data d using (account_id, sha256)
            where c.sha256 = any($1) and (c.data is not null or d.data is not null)
            """,
            digests,
        )
    return rows


async def lock_old(pool: Pool, account_id: UUID) -> int:
    """Lock what an older release kept open; how many contents that were. Raises Corrupt, and leaves those as they are.

    Backups and the write-ahead log from before still have them open, until they end.
    """
    done = 0
    while pool.keys is not None:
        async with pool.account(account_id) as connection:
            rows = await connection.fetch(
                "select sha256, data from content where data is not null order by sha256 limit 20"
            )
            if not rows:
                break
            key = await pool.keys.present(connection)
            for row in rows:
                digest, data = bytes(row["sha256"]), bytes(row["data"])
                if hashlib.sha256(data).digest() != digest:
                    raise Corrupt(f"content {digest.hex()} does not match its hash")
                locked = lock(data, key.secret, _about(account_id, digest))
                await connection.execute(
                    "insert into content_data (account_id, sha256, archive_key, wrapped, data) "
                    "values ($1, $2, $3, $4, $5) on conflict do nothing",
                    *(account_id, digest, key.name, locked.wrapped, locked.data),
                )
            await connection.execute("select set_config('role', 'estafette_keeper', true)")
            await connection.execute(
                "update content set data = null where sha256 = any($1)", [bytes(row["sha256"]) for row in rows]
            )
            done += len(rows)
    return done


async def keys_in_use(pool: Pool, account_id: UUID) -> frozenset[str]:
    """The archive keys under which contents of the account are locked."""
    async with pool.account(account_id) as connection:
        rows = await connection.fetch("select distinct archive_key from content_data")
    return frozenset(row["archive_key"] for row in rows)


async def rewrap(pool: Pool, keys: Keyring, account_id: UUID, name: str) -> int:
    """Put what a key still locks for an account under the present one; how many contents that were. Raises Corrupt."""
    done = 0
    old = await keys.named(name)
    while True:
        async with pool.account(account_id) as connection:
            present = await keys.present(connection)
            if present.name == name:
                return done
            rows = await connection.fetch(
                "select sha256, wrapped from content_data where archive_key = $1 order by sha256 limit 500", name
            )
            if not rows:
                return done
            digests = [bytes(row["sha256"]) for row in rows]
            try:
                wrapped = [
                    rewrapped(bytes(row["wrapped"]), old.secret, present.secret, _about(account_id, digest))
                    for row, digest in zip(rows, digests, strict=True)
                ]
            except WrongKey as wrong:
                raise Corrupt(f"a content of account {account_id} does not open under its key {name}") from wrong
            await connection.execute("select set_config('role', 'estafette_keeper', true)")
            await connection.execute(
                """
                update content_data set archive_key = $1, wrapped = w.wrapped
                from unnest($2::bytea[], $3::bytea[]) as w (sha256, wrapped)
                where content_data.sha256 = w.sha256 and archive_key = $4
                """,
                *(present.name, digests, wrapped, name),
            )
            done += len(rows)
