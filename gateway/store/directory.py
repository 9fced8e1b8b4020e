"""The directory as an account sees it: what it declares of its own entities, and what a network's directory told it.

One row for each key and account: what is declared (source `own`) stands, and nothing that is told of it from outside
moves it. What was told bears the name of who told it and when, so that its age is known. A search has one order that no
two rows share, so that pages neither lose nor double what is equal; all its questions are answered of one moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from gateway.store.pool import Connection

OWN = "own"
"""Source of what the account declares itself."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a facility is; None: not known."""

    line1: str | None = None
    line2: str | None = None
    line3: str | None = None
    postal_code: str | None = None
    locality: str | None = None
    subdivision: str | None = None
    country: str | None = None
    """ISO 3166-1, two letters."""
    country_name: str | None = None


@dataclass(frozen=True, slots=True)
class PublicBody:
    """What a public body asks of its suppliers; None: not known, or it is none."""

    project_manager: bool | None = None
    """It receives invoices for works, too."""
    project_manager_only: bool | None = None
    payment_status: bool | None = None
    """It tells when it has paid."""
    commitment: bool | None = None
    """It requires the number of a legal commitment (BT-13)."""
    commitment_or_service: bool | None = None
    service_code: bool | None = None
    """It requires a service code."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A legal unit; None: not known."""

    siren: str
    name: str | None = None
    public: bool | None = None
    """A public body; else a private one that is registered for VAT."""
    closed: bool | None = None
    no_prospecting: bool | None = None


@dataclass(frozen=True, slots=True)
class Facility:
    """A facility of a legal unit, whose SIREN its SIRET begins with; None: not known."""

    siret: str
    name: str | None = None
    main: bool | None = None
    closed: bool | None = None
    no_prospecting: bool | None = None
    address: Address = field(default_factory=Address)
    public_body: PublicBody = field(default_factory=PublicBody)

    @property
    def siren(self) -> str:
        """Of its legal unit."""
        return self.siret[:9]


@dataclass(frozen=True, slots=True)
class Code:
    """A routing code of a facility; None: not known."""

    siret: str
    identifier: str
    scheme: str | None = None
    """0224: a routing code."""
    name: str | None = None
    closed: bool | None = None
    commitment: bool | None = None
    address: Address = field(default_factory=Address)


class Status(StrEnum):
    """How a directory line stands, in the words of XP Z12-013."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    UPCOMING = "Upcoming"


@dataclass(frozen=True, slots=True)
class Line:
    """A directory line: one addressing identifier (scheme 0225)."""

    address: str
    """SIREN, SIREN_SIRET, SIREN_SIRET_CODE or SIREN_SUFFIX."""
    siren: str
    siret: str | None = None
    identifier: str | None = None
    """Of its routing code."""
    suffix: str | None = None
    status: Status = Status.ENABLED
    """Upcoming until `starts_on`, Disabled after `ends_on`, where that day is known."""
    starts_on: date | None = None
    """First day in force."""
    ends_on: date | None = None
    """Last day in force."""
    platform: str | None = None
    """WK: an approved platform; DFH: the State's (UNCL 3035)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a directory told, or what an account declares."""

    units: Sequence[Unit] = ()
    facilities: Sequence[Facility] = ()
    codes: Sequence[Code] = ()
    lines: Sequence[Line] = ()


class Op(StrEnum):
    """How a value is compared, in the words of XP Z12-013: strict is exact, the others pass over case and accents."""

    STRICT = "strict"
    CONTAINS = "contains"
    START = "startWith"


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a row must be; `name` is one of its kind's."""

    name: str
    op: Op
    value: str | bool


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to sort by; `name` is one of its kind's. What is not known comes last."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """One page of a search."""

    criteria: Sequence[Criterion] = ()
    order: Sequence[Order] = ()
    limit: int = 50
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of what was found, and how much there is in all."""

    rows: Sequence[T]
    total: int


@dataclass(frozen=True, slots=True)
class View:
    """Where a question is asked: a transaction of the account, a snapshot where it asks twice."""

    connection: Connection
    since: datetime
    """What was told before is too old to be shown; what is declared has no age."""
    today: date


_ADDRESS = "concat_ws(' - ', line1, line2, line3)"
_SIREN_OF_SIRET = "left(siret, 9)"
_UNIT = {
    "siren": "siren",
    "name": "name",
    "public": "public",
    "closed": "closed",
    "no_prospecting": "no_prospecting",
}
_FACILITY = {
    "siret": "siret",
    "siren": _SIREN_OF_SIRET,
    "name": "name",
    "main": "main",
    "secondary": "not main",
    "closed": "closed",
    "no_prospecting": "no_prospecting",
    "address": _ADDRESS,
    "postal_code": "postal_code",
    "subdivision": "subdivision",
    "locality": "locality",
    "project_manager": "project_manager",
    "project_manager_only": "project_manager_only",
    "payment_status": "payment_status",
    "commitment": "commitment",
    "commitment_or_service": "commitment_or_service",
    "service_code": "service_code",
}
_CODE = {
    "siret": "siret",
    "identifier": "identifier",
    "scheme": "scheme",
    "name": "name",
    "closed": "closed",
    "commitment": "commitment",
    "address": _ADDRESS,
    "postal_code": "postal_code",
    "locality": "locality",
}
_LINE = {"address": "address", "siren": "siren", "siret": "siret", "identifier": "identifier", "suffix": "suffix"}
_BOOLEAN = frozenset(("public", "closed", "no_prospecting", "main", "secondary", "project_manager",
                      "project_manager_only", "payment_status", "commitment", "commitment_or_service",
                      "service_code"))  # fmt: skip
_SHOWN = "(source = 'own' or known_at >= $1)"
"""What is not too old; the first value of each question is the view's `since`."""
_PLACES = ("line1", "line2", "line3", "postal_code", "locality", "subdivision", "country", "country_name")
_LONGEST = {"line1": 255, "line2": 255, "line3": 255, "postal_code": 5, "locality": 100, "subdivision": 255,
            "country": 2, "country_name": 100, "scheme": 4}  # fmt: skip
"""Characters of what is for people; what a directory tells beyond is cut off."""
_BODY = ("project_manager", "project_manager_only", "payment_status", "commitment", "commitment_or_service",
         "service_code")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kind:
    """A table and what it is asked by."""

    table: str
    key: tuple[str, ...]
    names: Mapping[str, str]


_UNITS = _Kind("directory_unit", ("siren",), _UNIT)
_FACILITIES = _Kind("directory_facility", ("siret",), _FACILITY)
_CODES = _Kind("directory_code", ("siret", "identifier"), _CODE)
_LINES = _Kind("directory_line", ("address",), _LINE)


# Searching -----------------------------------------------------------------------------------------------------------


async def units(view: View, search: Search) -> Page[Unit]:
    """Legal units: siren, name, public, closed, no_prospecting."""
    rows, total = await _search(view, _UNITS, search)
    return Page([_unit(row) for row in rows], total)


async def facilities(view: View, search: Search) -> Page[Facility]:
    """Facilities, by what they have."""
    rows, total = await _search(view, _FACILITIES, search)
    return Page([_facility(row) for row in rows], total)


async def codes(view: View, search: Search) -> Page[Code]:
    """Routing codes, by what they have."""
    rows, total = await _search(view, _CODES, search)
    return Page([_code(row) for row in rows], total)


async def lines(view: View, search: Search) -> Page[Line]:
    """Directory lines: address, siren, siret, identifier, suffix."""
    rows, total = await _search(view, _LINES, search)
    return Page([_line(row, view.today) for row in rows], total)


async def units_of(view: View, sirens: Iterable[str]) -> dict[str, Unit]:
    """Those of these legal units that are known, by their SIREN."""
    words = f"select * from directory_unit where siren = any($2) and {_SHOWN}"  # noqa: S608 - ours
    rows = await view.connection.fetch(words, view.since, list(set(sirens)))
    return {row["siren"]: _unit(row) for row in rows}


async def facilities_of(view: View, sirets: Iterable[str]) -> dict[str, Facility]:
    """Those of these facilities that are known, by their SIRET."""
    words = f"select * from directory_facility where siret = any($2) and {_SHOWN}"  # noqa: S608 - ours
    rows = await view.connection.fetch(words, view.since, list(set(sirets)))
    return {row["siret"]: _facility(row) for row in rows}


async def codes_of(view: View, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Code]:
    """Those of these routing codes that are known, by SIRET and identifier."""
    pairs = list(set(wanted))
    rows = await view.connection.fetch(
        "select c.* from directory_code c join unnest($2::text[], $3::text[]) as w (siret, identifier) "  # noqa: S608
        f"using (siret, identifier) where {_SHOWN}",
        view.since,
        [siret for siret, _ in pairs],
        [identifier for _, identifier in pairs],
    )
    return {(row["siret"], row["identifier"]): _code(row) for row in rows}


async def of_source(connection: Connection, source: str) -> Found:
    """All that is of one source, in the order of its keys; a line's status as it was told."""
    found = {}
    for kind in (_UNITS, _FACILITIES, _CODES, _LINES):
        order = ", ".join(f'{name} collate "C"' for name in kind.key)
        words = f"select * from {kind.table} where source = $1 order by {order}"  # noqa: S608 - names of ours
        found[kind.table] = await connection.fetch(words, source)
    return Found(
        [_unit(row) for row in found[_UNITS.table]],
        [_facility(row) for row in found[_FACILITIES.table]],
        [_code(row) for row in found[_CODES.table]],
        [replace(_line(row, date.min), status=Status(row["status"])) for row in found[_LINES.table]],
    )


async def _search(view: View, kind: _Kind, search: Search) -> tuple[list[Any], int]:
    connection, values = view.connection, [view.since]
    where = " and ".join([_SHOWN, *(_condition(kind, one, values) for one in search.criteria)])
    order = ", ".join([*(_sorted(kind, one) for one in search.order), *(f'{name} collate "C"' for name in kind.key)])
    total: int = await connection.fetchval(f"select count(*) from {kind.table} where {where}", *values)  # noqa: S608
    if search.skip >= total:
        return [], total
    rows = await connection.fetch(
        f"select * from {kind.table} where {where} order by {order} "  # noqa: S608 - names of ours, values beside
        f"limit ${len(values) + 1} offset ${len(values) + 2}",
        *values,
        search.limit,
        search.skip,
    )
    return list(rows), total


def _condition(kind: _Kind, one: Criterion, values: list[Any]) -> str:
    expression = kind.names[one.name]
    values.append(one.value)
    place = f"${len(values)}"
    if one.name in _BOOLEAN:
        return f"({expression}) = {place}::boolean"
    if one.op is Op.STRICT:
        return f"coalesce({expression}, '') = {place}::text" if one.value == "" else f"{expression} = {place}::text"
    text, sought = f"directory_folded(coalesce({expression}, ''))", f"directory_folded({place}::text)"
    return f"starts_with({text}, {sought})" if one.op is Op.START else f"position({sought} in {text}) > 0"


def _sorted(kind: _Kind, one: Order) -> str:
    expression = f"({kind.names[one.name]})"
    if one.name not in _BOOLEAN:
        expression += ' collate "C"'
    return f"{expression} {'desc' if one.descending else 'asc'} nulls last"


# Keeping -------------------------------------------------------------------------------------------------------------


async def keep(connection: Connection, account_id: UUID, found: Found, source: str, at: datetime) -> None:
    """Keep what a directory told (`source`: who), or what the account declares (OWN).

    What was told moves nothing that is declared, nor what was told later; told again, it takes the place. An empty text
    is one that is not known. Keys must be as the standard has them: digits of SIREN and SIRET, lengths of the others.
    """
    for unit in found.units:
        row = {name: getattr(unit, name) for name in ("siren", "name", "public", "closed", "no_prospecting")}
        await _put(connection, account_id, _UNITS, row, source, at)
    for facility in found.facilities:
        row = {name: getattr(facility, name) for name in ("siret", "name", "main", "closed", "no_prospecting")}
        row |= {name: getattr(facility.address, name) for name in _PLACES}
        row |= {name: getattr(facility.public_body, name) for name in _BODY}
        await _put(connection, account_id, _FACILITIES, row, source, at)
    for code in found.codes:
        row = {name: getattr(code, name) for name in ("siret", "identifier", "scheme", "name", "closed", "commitment")}
        row |= {name: getattr(code.address, name) for name in _PLACES}
        await _put(connection, account_id, _CODES, row, source, at)
    for line in found.lines:
        row = {name: getattr(line, name) for name in (*_LINE, "status", "starts_on", "ends_on", "platform")}
        await _put(connection, account_id, _LINES, row, source, at)


async def _put(
    connection: Connection, account_id: UUID, kind: _Kind, row: Mapping[str, Any], source: str, at: datetime
) -> None:
    longest = {**_LONGEST, "name": 150 if kind is _UNITS else 100}
    told = {
        name: (value[: longest.get(name)] or None) if isinstance(value, str) else value for name, value in row.items()
    }
    everything = {"account_id": account_id, **told, "source": source, "known_at": at}
    moved = [name for name in everything if name not in ("account_id", *kind.key)]
    places = ", ".join(f"${number}" for number in range(1, len(everything) + 1))
    taken = ", ".join(f"{name} = excluded.{name}" for name in moved)
    await connection.execute(
        f"insert into {kind.table} ({', '.join(everything)}) values ({places}) "  # noqa: S608 - names of ours
        f"on conflict (account_id, {', '.join(kind.key)}) do update set {taken} "
        f"where excluded.source = 'own' or ({kind.table}.source <> 'own' "
        f"and {kind.table}.known_at <= excluded.known_at)",
        *everything.values(),
    )


# Rows ----------------------------------------------------------------------------------------------------------------


def _unit(row: Mapping[str, Any]) -> Unit:
    return Unit(row["siren"], row["name"], row["public"], row["closed"], row["no_prospecting"])


def _facility(row: Mapping[str, Any]) -> Facility:
    body = PublicBody(**{name: row[name] for name in _BODY})
    return Facility(row["siret"], row["name"], row["main"], row["closed"], row["no_prospecting"], _address(row), body)


def _code(row: Mapping[str, Any]) -> Code:
    return Code(
        row["siret"], row["identifier"], row["scheme"], row["name"], row["closed"], row["commitment"], _address(row)
    )


def _address(row: Mapping[str, Any]) -> Address:
    return Address(**{name: row[name] for name in _PLACES})


def _line(row: Mapping[str, Any], today: date) -> Line:
    return Line(
        row["address"],
        row["siren"],
        row["siret"],
        row["identifier"],
        row["suffix"],
        _standing(Status(row["status"]), row["starts_on"], row["ends_on"], today),
        row["starts_on"],
        row["ends_on"],
        row["platform"],
    )


def _standing(status: Status, starts_on: date | None, ends_on: date | None, today: date) -> Status:
    """A line is upcoming before its first day, enabled from it on and disabled after its last; disabled stays so."""
    if status is Status.DISABLED or (ends_on is not None and ends_on < today):
        return Status.DISABLED
    if starts_on is None:
        return status
    return Status.UPCOMING if starts_on > today else Status.ENABLED
