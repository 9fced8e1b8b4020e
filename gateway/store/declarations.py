"""What an account declares in its directory of its own legal entities: facilities, routing codes, lines.

A line of a facility or a routing code stands on what is declared of that, so what others stand on is not withdrawn, and
of two callers at once the second sees what the first one did.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.errors import Conflict, NotFound
from gateway.store import directory
from gateway.store.directory import OWN, Code, Facility, Found, Line
from gateway.store.pool import Connection

LIMIT = 1_000
"""Facilities, routing codes and lines of one account, of each."""

_LOCK = "select pg_advisory_xact_lock(hashtextextended($1, 26))"


async def declared(connection: Connection) -> Found:
    """All that the account declares, its legal units too; a line's status as it was declared."""
    return await directory.of_source(connection, OWN)


async def put_facility(connection: Connection, account_id: UUID, facility: Facility, at: datetime) -> bool:
    """Declare a facility, or declare it otherwise; True: it is a new one. Raises Conflict."""
    await _alone(connection, account_id)
    new = await _room(connection, "directory_facility", {"siret": facility.siret})
    await directory.keep(connection, account_id, Found(facilities=(facility,)), OWN, at)
    return new


async def put_code(connection: Connection, account_id: UUID, code: Code, at: datetime) -> bool:
    """Declare a routing code, or declare it otherwise; True: it is a new one. Raises Conflict."""
    await _alone(connection, account_id)
    if not await _is_there(connection, "directory_facility", {"siret": code.siret}):
        raise Conflict(f"the facility {code.siret} is not declared; declare it first")
    new = await _room(connection, "directory_code", {"siret": code.siret, "identifier": code.identifier})
    await directory.keep(connection, account_id, Found(codes=(code,)), OWN, at)
    return new


async def put_line(connection: Connection, account_id: UUID, line: Line, at: datetime) -> bool:
    """Declare a line, or declare it otherwise; True: it is a new one. Raises Conflict."""
    await _alone(connection, account_id)
    if line.siret and not await _is_there(connection, "directory_facility", {"siret": line.siret}):
        raise Conflict(f"the facility {line.siret} is not declared; declare it first")
    code = {"siret": line.siret, "identifier": line.identifier}
    if line.identifier and not await _is_there(connection, "directory_code", code):
        raise Conflict(f"the routing code {line.identifier} of {line.siret} is not declared; declare it first")
    new = await _room(connection, "directory_line", {"address": line.address})
    await directory.keep(connection, account_id, Found(lines=(line,)), OWN, at)
    return new


async def withdraw_facility(connection: Connection, account_id: UUID, siret: str) -> None:
    """Declare a facility no more. Raises NotFound, Conflict while codes or lines are declared of it."""
    await _alone(connection, account_id)
    if await _is_there(connection, "directory_code", {"siret": siret}) or await _is_there(
        connection, "directory_line", {"siret": siret}
    ):
        raise Conflict("routing codes or lines of this facility are declared; withdraw them first")
    await _withdraw(connection, "directory_facility", {"siret": siret})


async def withdraw_code(connection: Connection, account_id: UUID, siret: str, identifier: str) -> None:
    """Declare a routing code no more. Raises NotFound, Conflict while a line is declared of it."""
    await _alone(connection, account_id)
    key = {"siret": siret, "identifier": identifier}
    if await _is_there(connection, "directory_line", key):
        raise Conflict("a line of this routing code is declared; withdraw it first")
    await _withdraw(connection, "directory_code", key)


async def withdraw_line(connection: Connection, account_id: UUID, address: str) -> None:
    """Declare a line no more. Raises NotFound."""
    await _alone(connection, account_id)
    await _withdraw(connection, "directory_line", {"address": address})


async def _alone(connection: Connection, account_id: UUID) -> None:
    await connection.execute(_LOCK, f"directory of {account_id}")


async def _room(connection: Connection, table: str, key: dict[str, Any]) -> bool:
    """Whether it is a new one, for which there is room. Raises Conflict."""
    if await _is_there(connection, table, key):
        return False
    many = await connection.fetchval(f"select count(*) from {table} where source = 'own'")  # noqa: S608 - ours
    if many >= LIMIT:
        raise Conflict(f"an account declares at most {LIMIT} of these")
    return True


async def _is_there(connection: Connection, table: str, key: dict[str, Any]) -> bool:
    where = " and ".join(f"{name} = ${number}" for number, name in enumerate(key, 1))
    words = f"select exists (select from {table} where source = 'own' and {where})"  # noqa: S608 - names of ours
    return bool(await connection.fetchval(words, *key.values()))


async def _withdraw(connection: Connection, table: str, key: dict[str, Any]) -> None:
    where = " and ".join(f"{name} = ${number}" for number, name in enumerate(key, 1))
    words = f"delete from {table} where source = 'own' and {where} returning true"  # noqa: S608 - names of ours
    if not await connection.fetchval(words, *key.values()):
        raise NotFound("the account declares no such entry")
