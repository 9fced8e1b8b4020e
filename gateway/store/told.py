"""What a network's directory told an account: kept in its own view, with what was asked and when.

A question has a scope: the rows that an answer to it speaks of. What was told of them before and is told no more goes,
where the answer is complete. Nothing that the account declares is in any scope.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from gateway.store import directory
from gateway.store.directory import Found
from gateway.store.pool import Connection

DROPPED_AT_ONCE = 100
"""Rows of a table that are too old and go at once, at most."""


class Kind(StrEnum):
    """What may be asked."""

    COMPANY = "company"
    """A legal unit and its lines, by SIREN."""
    FACILITIES = "facilities"
    """Those of a company, by SIREN."""
    FACILITY = "facility"
    """By SIRET."""
    CODES = "codes"
    """Routing codes of a facility, by SIRET."""
    CODE = "code"
    """By SIRET and identifier, with a colon between."""
    LINES = "lines"
    """Those of a facility, by SIRET."""
    LINE = "line"
    """By address."""


_SCOPES = {
    Kind.COMPANY: ("directory_line", "siren = $1"),
    Kind.FACILITIES: ("directory_facility", "left(siret, 9) = $1"),
    Kind.FACILITY: ("directory_facility", "siret = $1"),
    Kind.CODES: ("directory_code", "siret = $1"),
    Kind.CODE: ("directory_code", "siret || ':' || identifier = $1"),
    Kind.LINES: ("directory_line", "siret = $1"),
    Kind.LINE: ("directory_line", "address = $1"),
}
_KEYS = {
    "directory_unit": "siren",
    "directory_facility": "siret",
    "directory_code": "siret, identifier",
    "directory_line": "address",
    "directory_asked": "question",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    kind: Kind
    key: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.key}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, by whom and when."""

    source: str
    at: datetime
    found: Found
    complete: bool = True
    """All was told; else the first of many."""


@dataclass(frozen=True, slots=True)
class Memory:
    """That a question was answered."""

    at: datetime
    found: bool
    """False: the directory said that there is none."""
    complete: bool


async def memory(connection: Connection, question: Question) -> Memory | None:
    """When a question was answered last; None: never, or too long ago."""
    row = await connection.fetchrow(
        "select asked_at, found, complete from directory_asked where question = $1", str(question)
    )
    return None if row is None else Memory(row["asked_at"], row["found"], row["complete"])


async def take(connection: Connection, account_id: UUID, question: Question, answer: Answer) -> bool:
    """Keep an answer, unless it or a newer one is kept; whether it was new."""
    known = await connection.fetchval(
        """
        insert into directory_asked (account_id, question, source, asked_at, found, complete)
        values ($1, $2, $3, $4, $5, $6)
        on conflict (account_id, question) do update set source = excluded.source, asked_at = excluded.asked_at,
            found = excluded.found, complete = excluded.complete
            where directory_asked.asked_at < excluded.asked_at
        returning true
        """,
        account_id,
        str(question),
        answer.source,
        answer.at,
        answer.found != Found(),
        answer.complete,
    )
    if not known:
        return False
    await directory.keep(connection, account_id, answer.found, answer.source, answer.at)
    scopes = [_SCOPES[question.kind]] if answer.complete else []
    if question.kind is Kind.COMPANY:
        scopes.append(("directory_unit", "siren = $1"))
    for table, scope in scopes:
        words = f"delete from {table} where {scope} and source <> 'own' and known_at < $2"  # noqa: S608 - ours
        await connection.execute(words, question.key, answer.at)
    return True


async def drop(connection: Connection, before: datetime) -> None:
    """Drop some of what was told too long ago to be shown."""
    for table, key in _KEYS.items():
        at = "asked_at" if table == "directory_asked" else "known_at"
        await connection.execute(
            f"delete from {table} where ({key}) in (select {key} from {table} "  # noqa: S608 - names of ours
            f"where source <> 'own' and {at} < $1 limit $2 for update skip locked)",
            before,
            DROPPED_AT_ONCE,
        )
