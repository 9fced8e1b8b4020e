"""The schema: plain SQL files in their order, each applied once, in one transaction, under a lock.

Not pogo-core: it takes no lock (four starts at once gave three errors) and hashes names, not contents; what would be
left of it is the loop below. A file that was applied and changed since, one that is missing, or a database that is
newer than this code stop the start with a clear message.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from gateway.errors import Misconfigured
from gateway.store.pool import Connection, Pool

FOLDER = Path(__file__).parent / "migrations"

ROLES = {
    "estafette_app": ("create role estafette_app nologin", "grant estafette_app to current_user with inherit false"),
    "estafette_worker": (
        "create role estafette_worker nologin",
        "grant estafette_worker to current_user with inherit false",
    ),
    "estafette_keeper": (
        "create role estafette_keeper nologin",
        "grant estafette_keeper to current_user with inherit false",
    ),
}
"""Roles of the whole server: they own nothing and cannot log in; a transaction takes one. With what makes each.

Nothing of a role is inherited: outside a transaction that took one, the owner too sees no account's rows.
"""

LONGEST = 3600.0
"""Seconds one migration may take; an index over many documents takes its time."""

_LOCK = 727_274
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    name: str
    sql: str

    @property
    def digest(self) -> str:
        """SHA-256 of its content."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def files(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The migrations of this code, in order of their numbers."""
    return tuple(
        Migration(path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    )


async def apply(pool: Pool, folder: Path = FOLDER) -> list[str]:
    """Bring the database to this code's schema; the names that were applied now. Raises Misconfigured."""
    async with pool.owner() as connection:
        await _lock(connection)
        try:
            await connection.execute(
                "create table if not exists public.migration (name text primary key, sha256 text not null, "
                "applied_at timestamptz not null default now())"
            )
            await _roles(connection)
            waiting = await _waiting(connection, files(folder))
            for migration in waiting:
                await _apply(connection, migration)
        except asyncpg.InsufficientPrivilegeError as refused:
            raise Misconfigured(f"the database's user must own the database: {refused}") from refused
        finally:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):  # a lost connection has no lock
                await connection.execute("select pg_advisory_unlock($1)", _LOCK)
        return [migration.name for migration in waiting]


async def roles(pool: Pool) -> None:
    """Make the roles that a dump of the database speaks of. Raises Misconfigured."""
    async with pool.owner() as connection:
        await _roles(connection)


async def _roles(connection: Connection) -> None:
    for role in ROLES:
        await _role(connection, role)


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql, timeout=LONGEST)
            await connection.execute(
                "insert into public.migration (name, sha256) values ($1, $2)", migration.name, migration.digest
            )
    except (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError):
        raise
    except asyncpg.PostgresError as unable:
        raise Misconfigured(f"the migration {migration.name} could not be applied: {unable}") from unable


async def current(pool: Pool, folder: Path = FOLDER) -> bool:
    """Whether the database has exactly this code's schema."""
    async with pool.owner() as connection:
        known = {
            row["name"]: row["sha256"] for row in await connection.fetch("select name, sha256 from public.migration")
        }
    return known == {migration.name: migration.digest for migration in files(folder)}


async def _lock(connection: Connection) -> None:
    """Polled, not waited for: a waiter's snapshot would block an index that is built concurrently."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK):
        if asyncio.get_running_loop().time() > deadline:
            raise Misconfigured("another gateway has been migrating the database for two minutes; look at it first")
        await asyncio.sleep(0.05)


async def _role(connection: Connection, role: str) -> None:
    """A role belongs to the server, not to the database: another database's start may be making it right now."""
    create, grant = ROLES[role]
    try:
        with suppress(asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
            if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", role):
                await connection.execute(create)
        with suppress(asyncpg.UniqueViolationError, asyncpg.InternalServerError):
            if not await connection.fetchval("select pg_has_role(current_user, $1, 'SET')", role):
                await connection.execute(grant)
    except asyncpg.InsufficientPrivilegeError as refused:
        raise Misconfigured(
            f"the database's user may not make the role {role}; as administrator, run: {create}; "
            f"{grant.replace('current_user', 'that user')}"
        ) from refused
    if await connection.fetchval(
        "select rolsuper or rolbypassrls or rolcanlogin from pg_roles where rolname = $1", role
    ):
        raise Misconfigured(f"the role {role} must be without superuser, bypassrls and login, or accounts could mix")


async def _waiting(connection: Connection, known: tuple[Migration, ...]) -> list[Migration]:
    applied = {
        row["name"]: row["sha256"] for row in await connection.fetch("select name, sha256 from public.migration")
    }
    names = {migration.name for migration in known}
    if newer := sorted(set(applied) - names):
        raise Misconfigured(
            f"the database is newer than this gateway: it knows {', '.join(newer)}; install that release"
        )
    if changed := [m.name for m in known if m.name in applied and applied[m.name] != m.digest]:
        raise Misconfigured(f"the migration {', '.join(changed)} was applied and its file has changed since")
    waiting = [migration for migration in known if migration.name not in applied]
    if applied and waiting and waiting[0].name < max(applied):
        raise Misconfigured(f"the migration {waiting[0].name} comes before one that was applied already")
    return waiting
