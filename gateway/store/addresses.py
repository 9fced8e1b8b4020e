"""What a directory answered, kept with its age: one row for each account, directory and question; the newest answer.

Nothing here is proof: it is dropped when it is too old to serve. What went into the route of a document is told by the
document's own event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from adapters.directory import (
    DirectoryLine,
    DirectoryLines,
    DirectoryPlace,
    LegalUnit,
    LineStanding,
    Receiver,
    RoutingCode,
)
from gateway.store.pool import Connection

LINE, LINES, UNIT = "line", "lines", "unit"
"""Kinds of questions: one address, all lines of a company, a company."""
DROPPED_AT_ONCE = 100
"""Rows that are too old and go with one new answer, at most."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked of whom."""

    source: str
    """Host of the directory."""
    kind: str
    key: str
    """Addressing identifier, or SIREN."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    asked_at: datetime
    found: bool
    """False: the directory said that there is none."""
    members: Mapping[str, Any]


async def known(connection: Connection, question: Question) -> Answer | None:
    """The newest answer to a question; None where it was never answered, or the answer was dropped."""
    row = await connection.fetchrow(
        "select asked_at, found, answer from address_answer where source = $1 and kind = $2 and key = $3",
        question.source,
        question.kind,
        question.key,
    )
    return None if row is None else Answer(row["asked_at"], row["found"], row["answer"])


async def keep(connection: Connection, account_id: UUID, question: Question, answer: Answer, oldest: datetime) -> None:
    """Keep an answer unless a newer one is there, and drop some that were given before `oldest`."""
    await connection.execute(
        """
        insert into address_answer (account_id, source, kind, key, asked_at, found, answer)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (account_id, source, kind, key) do update
            set asked_at = excluded.asked_at, found = excluded.found, answer = excluded.answer
            where address_answer.asked_at < excluded.asked_at
        """,
        account_id,
        question.source,
        question.kind,
        question.key,
        answer.asked_at,
        answer.found,
        dict(answer.members),
    )
    await connection.execute(
        """
        delete from address_answer where (source, kind, key) in (
            select source, kind, key from address_answer where asked_at < $1 order by asked_at limit $2
            for update skip locked)
        """,
        oldest,
        DROPPED_AT_ONCE,
    )


def of_line(line: DirectoryLine) -> dict[str, Any]:
    """A line as members to keep."""
    return {
        "address": line.address,
        "standing": str(line.standing),
        "receiver": str(line.receiver),
        "siren": line.siren,
        "siret": line.siret,
        "routing_code": line.routing_code,
        "suffix": line.suffix,
        "name": line.name,
        "public": line.public,
        "begins": line.begins.isoformat() if line.begins else None,
        "ends": line.ends.isoformat() if line.ends else None,
        "code": asdict(line.code) if line.code else None,
    }


def line_of(members: Mapping[str, Any]) -> DirectoryLine:
    """The inverse of `of_line`."""
    begins, ends = (date.fromisoformat(members[name]) if members[name] else None for name in ("begins", "ends"))
    return DirectoryLine(
        members["address"],
        LineStanding(members["standing"]),
        Receiver(members["receiver"]),
        members["siren"],
        members["siret"],
        members["routing_code"],
        members["suffix"],
        members["name"],
        members["public"],
        begins,
        ends,
        _code_of(members.get("code")),
    )


def _code_of(members: Mapping[str, Any] | None) -> RoutingCode | None:
    if members is None:
        return None
    place = {**members["place"], "lines": tuple(members["place"]["lines"])}
    return RoutingCode(**{**members, "place": DirectoryPlace(**place)})


def of_lines(lines: DirectoryLines) -> dict[str, Any]:
    """Lines as members to keep."""
    return {"complete": lines.complete, "lines": [of_line(line) for line in lines.lines]}


def lines_of(members: Mapping[str, Any]) -> DirectoryLines:
    """The inverse of `of_lines`."""
    return DirectoryLines(tuple(line_of(one) for one in members["lines"]), members["complete"])


def of_unit(unit: LegalUnit) -> dict[str, Any]:
    """A company as members to keep."""
    return asdict(unit)


def unit_of(members: Mapping[str, Any]) -> LegalUnit:
    """The inverse of `of_unit`."""
    return LegalUnit(
        members["siren"], members["name"], members["public"], members["closed"], members.get("no_prospecting")
    )
