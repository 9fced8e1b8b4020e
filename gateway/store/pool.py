"""The only way to the tables: a transaction in the name of one account, of the worker, or of a credential.

Each opens a transaction, takes the role with the least rights and names the account inside it, so that row-level
security holds whatever the query says and nothing of it survives the transaction.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import asyncpg

from gateway.errors import Busy, Misconfigured
from gateway.store.embedded import Cluster

if TYPE_CHECKING:
    from gateway.store.archive_keys import Keyring

Connection: TypeAlias = Any
"""A connection of asyncpg inside a transaction (the driver brings no types); its `keys` are the pool's."""

OLDEST_SERVER = 160000
"""PostgreSQL 16."""

WAIT = 30.0
"""Seconds to wait for a free connection, and for one statement."""

_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is not yet in charge
    asyncpg.TransactionRollbackError,  # a deadlock: the other went on, the same request may now succeed
    asyncpg.IdleInTransactionSessionTimeoutError,
    ConnectionError,
    OSError,
    TimeoutError,
)


class Pool:
    """Connections to one database."""

    def __init__(self, pool: asyncpg.Pool, keys: Keyring | None = None) -> None:
        self._pool = pool
        self._keys = keys

    @property
    def keys(self) -> Keyring | None:
        """What locks and opens the contents; None: they are kept open."""
        return self._keys

    @asynccontextmanager
    async def account(self, account_id: UUID, *, snapshot: bool = False) -> AsyncIterator[Connection]:
        """A transaction that sees one account's rows. Raises Busy when the database is away.

        With `snapshot`, all its questions are answered as of one moment.
        """
        level = "repeatable_read" if snapshot else None
        async with self._transaction("estafette_app", account=str(account_id), level=level) as connection:
            yield connection

    @asynccontextmanager
    async def credential(self, public_id: str) -> AsyncIterator[Connection]:
        """A transaction that sees the one credential or token that is presented, before its account is known."""
        async with self._transaction("estafette_app", credential=public_id) as connection:
            yield connection

    @asynccontextmanager
    async def worker(self, *, snapshot: bool = False) -> AsyncIterator[Connection]:
        """A transaction that sees the tasks and leaves of all accounts, and what belongs to none.

        With `snapshot`, all its questions are answered as of one moment.
        """
        level = "repeatable_read" if snapshot else None
        async with self._transaction("estafette_worker", level=level) as connection:
            yield connection

    @asynccontextmanager
    async def keeper(self) -> AsyncIterator[Connection]:
        """A transaction that sees the archive keys' names and nothing of any account."""
        async with self._transaction("estafette_keeper") as connection:
            yield connection

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[Connection]:
        """A connection of the owner, outside any transaction: for migrations and for looking at the catalogue."""
        async with self._connection() as connection:
            try:
                yield connection
            finally:
                await connection.reset()
                await connection.execute("reset role")  # which "reset all" leaves as it is

    async def answers(self) -> bool:
        """Whether the database answers now."""
        try:
            async with self.worker() as connection:
                return bool(await connection.fetchval("select true"))
        except Busy:
            return False

    async def close(self) -> None:
        """Give the connections back; those that hang are cut."""
        try:
            async with asyncio.timeout(10):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def _transaction(
        self, role: str, *, account: str = "", credential: str = "", level: str | None = None
    ) -> AsyncIterator[Connection]:
        async with self._connection() as connection, connection.transaction(isolation=level):
            await connection.execute(
                "select set_config('role', $1, true), set_config('estafette.account', $2, true), "
                "set_config('estafette.credential', $3, true)",
                role,
                account,
                credential,
            )
            yield connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """One that is free; the driver's ways of saying that the database is away become Busy."""
        with _translated():
            async with self._pool.acquire(timeout=WAIT) as connection:
                try:
                    yield connection
                except asyncpg.InternalClientError:  # or it would be given out again until its line is seen to end
                    connection.terminate()
                    raise


async def connect(
    server: Cluster | str,
    *,
    keys: Keyring | None = None,
    database: str | None = None,
    password: str | None = None,
    max_size: int = 20,
    unsafe_no_fsync: bool = False,
) -> Pool:
    """Open a pool on the embedded cluster or on the server of a URL. Raises Misconfigured when it cannot be trusted.

    Without `keys` contents are kept open, and those that are locked cannot be read.
    """
    arguments: dict[str, Any] = (
        {"dsn": server} if isinstance(server, str) else server.connection(database or "postgres")
    )
    if isinstance(server, str) and database is not None:
        arguments["database"] = database
    if password is not None:
        arguments["password"] = password
    unsafe = unsafe_no_fsync or (isinstance(server, Cluster) and server.unsafe_no_fsync)
    try:
        pool = await asyncpg.create_pool(
            **arguments, min_size=0, max_size=max_size, command_timeout=WAIT, init=_prepare, reset=_nothing_to_reset,
            server_settings={"application_name": "estafette", "timezone": "UTC"},
            connection_class=type("Keyed", (asyncpg.Connection,), {"keys": keys}),
        )  # fmt: skip
        try:
            async with pool.acquire() as connection:
                await _trust(connection, unsafe=unsafe)
        except BaseException:
            pool.terminate()
            raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as unable:
        raise Misconfigured(f"the database cannot be reached: {unable}") from unable
    return Pool(pool, keys)


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_to_json, decoder=_from_json)


async def _nothing_to_reset(_: object) -> None:
    """One round trip less a transaction: role and settings are local to it, and `owner` resets by itself."""


def _to_json(value: Any) -> str:
    """As JSON; a Decimal is refused (an amount goes in as text or into a column of its own), so is not-a-number."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _from_json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


async def _trust(connection: asyncpg.Connection, *, unsafe: bool) -> None:
    """Refuse a server that is too old, or that may lose what it said it has (RELIABILITY T52)."""
    complaints = []
    if connection.get_server_version().major * 10_000 < OLDEST_SERVER:
        complaints.append("PostgreSQL 16 or later is needed")
    if not unsafe:
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            value = await connection.fetchval("select current_setting($1)", name)
            if value == "off":
                complaints.append(f"{name} is off: what is acknowledged could be lost; switch it on")
    if complaints:
        raise Misconfigured("the database cannot be used:\n  " + "\n  ".join(complaints))


class _translated:
    """The driver's ways of saying that the database is away become Busy; nothing of the driver crosses this page."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        closed = isinstance(error, asyncpg.InterfaceError) and "clos" in str(error)
        # The server has said that it goes, and its end of the line is still open.
        leaving = isinstance(error, asyncpg.InternalClientError) and "cannot switch to state" in str(error)
        if closed or leaving or isinstance(error, _AWAY):
            raise Busy("the database is away for now", timedelta(seconds=2)) from error
