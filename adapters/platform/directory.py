"""The simulated directory: the operations of XP Z12-013 Directory Service 1.3.0, over the table of companies.

What it adds to the standard is `startDate` and `endDate` of a directory line, which 1.3.0 does not tell: a platform may
add members, and a client that reads them is tried here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web

from adapters.platform import companies
from adapters.platform.companies import Address, Company, Line, Temper
from adapters.platform.questions import Wrong, members

BASE = "/afnor-directory"
"""Where the Directory Service stands."""
OPERATORS = ("strict", "contains", "startWith")
LIMIT, DEFAULT = 100, 50
"""Results of one page, at most and where the caller names no number."""
INCLUDED = {"siren": "legalUnit", "siret": "facility", "routingCode": "routingCode"}
BODY_LIMIT = 100_000

Row = Mapping[str, Any]


@dataclass(slots=True)
class Directory:
    """What the handlers share."""

    now: Callable[[], datetime]
    refusals: int
    """How many questions about a busy company are turned away before one is answered."""
    retry_after: int
    turned_away: Counter[str] = field(default_factory=Counter)
    asked: int = 0
    """Questions so far."""


DIRECTORY: web.AppKey[Directory] = web.AppKey("directory", Directory)


def routes() -> list[web.RouteDef]:
    """The operations; the application holds a `Directory` under DIRECTORY."""
    return [
        web.post(f"{BASE}/v1/siren/search", _search_units),
        web.get(f"{BASE}/v1/siren/code-insee:{{siren}}", _unit, allow_head=False),
        web.post(f"{BASE}/v1/siret/search", _search_facilities),
        web.get(f"{BASE}/v1/siret/code-insee:{{siret}}", _facility, allow_head=False),
        web.post(f"{BASE}/v1/routing-code/search", _search_codes),
        web.get(f"{BASE}/v1/routing-code/siret:{{siret}}/code:{{code}}", _code, allow_head=False),
        web.post(f"{BASE}/v1/directory-line/search", _search_lines),
        web.get(f"{BASE}/v1/directory-line/code:{{identifier}}", _line, allow_head=False),
        web.get(f"{BASE}/v1/healthcheck", _health, allow_head=False),
    ]


def guarded(path: str) -> bool:
    """Whether a path asks for a token."""
    return path.startswith(f"{BASE}/v1/") and not path.endswith("/healthcheck")


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"status": "up"})


async def _unit(request: web.Request) -> web.Response:
    siren = request.match_info["siren"]
    _digits(siren, 9)
    company = companies.of(siren)
    if (turned := _turned(request, siren)) is not None:
        return turned
    return _one(request, _legal_unit(siren, company) if company.known else None)


async def _facility(request: web.Request) -> web.Response:
    siret = request.match_info["siret"]
    _digits(siret, 14)
    if (turned := _turned(request, siret[:9])) is not None:
        return turned
    row = next((row for row in _facilities(siret[:9]) if row["siret"] == siret), None)
    return _one(request, row and _with(row, _included(request)))


async def _code(request: web.Request) -> web.Response:
    siret, code = request.match_info["siret"], request.match_info["code"]
    _digits(siret, 14)
    if (turned := _turned(request, siret[:9])) is not None:
        return turned
    rows = (row for row in _codes(siret[:9]) if row["siret"] == siret and row["routingIdentifier"] == code)
    return _one(request, next(rows, None))


async def _line(request: web.Request) -> web.Response:
    identifier = request.match_info["identifier"]
    if len(identifier) > 125:
        raise Wrong("INVALID_FIELD", "an addressing identifier has at most 125 characters")
    siren = identifier[:9]
    if (turned := _turned(request, siren)) is not None:
        return turned
    company = companies.of(siren)
    known = next((line for line in company.lines if line.identifier == identifier), None)
    line = known or companies.anywhere(identifier)
    if line is None:
        return _one(request, None)
    row = dict(_line_row(request, line, company))
    if line.stands is Line.UPCOMING:
        row["directoryLineStatus"] = str(Line.DISABLED)  # this operation tells only what is now
    return _one(request, _with(row, _included(request)))


async def _search_units(request: web.Request) -> web.Response:
    return await _search(request, _units, ("siren", "businessName", "entityType", "administrativeStatus"))


async def _search_facilities(request: web.Request) -> web.Response:
    return await _search(request, _facilities, ("siret", "siren", "facilityType", "name", "administrativeStatus"))


async def _search_codes(request: web.Request) -> web.Response:
    return await _search(request, _codes, ("routingIdentifier", "siret", "routingCodeName", "administrativeStatus"))


async def _search_lines(request: web.Request) -> web.Response:
    def _lines(siren: str) -> Iterable[Row]:
        company = companies.of(siren)
        return [_line_row(request, line, company) for line in company.lines]

    names = ("addressingIdentifier", "siren", "siret", "routingIdentifier", "addressingSuffix")
    return await _search(request, _lines, names)


async def _search(
    request: web.Request, rows_of: Callable[[str], Iterable[Row]], filtered: Sequence[str]
) -> web.Response:
    """One search; a company outside the table is found where its number is named in full."""
    question = await _question(request)
    filters = _filters(question, filtered)
    limit, ignore = _number(question, "limit", DEFAULT), _number(question, "ignore", 0)
    named = {value[:9] for _, value in filters.values() if re.match(r"[0-9]{9}", value)}
    for siren in sorted(named):
        if (turned := _turned(request, siren)) is not None:
            return turned
    found = [
        row
        for siren in sorted(named | {siren for siren, known in companies.COMPANIES.items() if known.known})
        for row in rows_of(siren)
        if all(_holds(str(row.get(name, "")), *wanted) for name, wanted in filters.items())
    ]
    for criterion in reversed(question.get("sorting") or []):
        name, order = str(criterion.get("field", "")), criterion.get("order", "ascending")
        found.sort(key=lambda row: str(row.get(name, "")), reverse=order == "descending")
    included = [one for one in question.get("include") or [] if isinstance(one, str)]
    results = [_with(row, included) for row in found[ignore : ignore + min(limit, LIMIT)]]
    return web.json_response({"search": question, "totalNumberOfResults": len(found), "results": results})


async def _question(request: web.Request) -> dict[str, Any]:
    question = members(await request.content.read(BODY_LIMIT))
    sorting = question.get("sorting") or []
    if not isinstance(sorting, list) or not all(isinstance(one, dict) for one in sorting):
        raise Wrong("INVALID_FIELD", "sorting is a list of fields and orders")
    return question


def _filters(question: Mapping[str, Any], known: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Field → operator and value."""
    given = question.get("filters") or {}
    if not isinstance(given, dict):
        raise Wrong("INVALID_FIELD", "filters is an object")
    filters = {}
    for name, one in given.items():
        operator = one.get("op", "strict") if isinstance(one, dict) else None
        if name not in known or operator not in OPERATORS or not isinstance(one.get("value"), str):
            raise Wrong("INVALID_FIELD", f"the filter {name[:50]} is not known, or not as it should be")
        filters[name] = (str(operator), one["value"])
    return filters


def _number(question: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = question.get(name, otherwise)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Wrong("INVALID_FIELD", f"{name} is a whole number from 0")
    return value


def _holds(text: str, operator: str, value: str) -> bool:
    match operator:
        case "contains":
            return value.lower() in text.lower()
        case "startWith":
            return text.lower().startswith(value.lower())
        case _:
            return text == value


def _turned(request: web.Request, siren: str) -> web.Response | None:
    """The answer of a directory that is busy or fails; None where it answers."""
    directory = request.app[DIRECTORY]
    directory.asked += 1
    match companies.of(siren).temper:
        case Temper.FAILING:
            return _error(500, "INTERNAL_ERROR", "Simulated failure of the directory")
        case Temper.BUSY if directory.turned_away[siren] < directory.refusals:
            directory.turned_away[siren] += 1
            answer = _error(429, "TOO_MANY_REQUESTS", "Simulated overload of the directory")
            answer.headers["Retry-After"] = str(directory.retry_after)
            return answer
        case _:
            return None


def _one(request: web.Request, row: Row | None) -> web.Response:
    """The row with the fields that are asked for, and what it includes."""
    if row is None:
        return _error(404, "NOT_FOUND", "It is not in the directory")
    fields = [one for one in request.query.get("fields", "").split(",") if one]
    wanted = {*fields, *INCLUDED.values()} if fields else row.keys()
    return web.json_response({name: value for name, value in row.items() if name in wanted})


def _error(status: int, code: str, says: str) -> web.Response:
    return web.json_response({"errorCode": code, "errorMessage": says}, status=status)


def _digits(text: str, length: int) -> None:
    if len(text) != length or not (text.isascii() and text.isdigit()):
        raise Wrong("INVALID_FIELD", f"the number has {length} digits")


def _included(request: web.Request) -> list[str]:
    return [one for one in request.query.get("include", "").split(",") if one]


def _with(row: Row, included: Sequence[str]) -> Row:
    """The row with what the caller asked to be told of its company, facility and routing code."""
    wanted = {INCLUDED[one] for one in included if one in INCLUDED}
    return {name: value for name, value in row.items() if name not in INCLUDED.values() or name in wanted}


def _units(siren: str) -> Iterable[Row]:
    company = companies.of(siren)
    return [_legal_unit(siren, company)] if company.known else []


def _legal_unit(siren: str, company: Company) -> Row:
    return {
        "siren": siren,
        "businessName": company.name or f"Société {siren}",
        "entityType": "Public" if company.public else "PrivateVatRegistered",
        "administrativeStatus": "C" if company.closed else "A",
    }


def _facilities(siren: str) -> list[Row]:
    company = companies.of(siren)
    return [
        {
            "siret": f"{siren}{nic}",
            "siren": siren,
            "name": company.name,
            "facilityType": "S" if at else "P",
            "administrativeStatus": "C" if company.closed else "A",
            "address": {"addressLine1": "1 rue de la Mairie", "postalCode": "35000", "locality": "Rennes",
                        "countryCode": "FR"},
            "legalUnit": _legal_unit(siren, company),
        }
        | ({"b2gAdditionalData": {"managesLegalCommitmentCode": True}} if company.public else {})
        for at, nic in enumerate(company.facilities)
    ]  # fmt: skip


def _codes(siren: str) -> list[Row]:
    company = companies.of(siren)
    return [
        {
            "routingIdentifier": code,
            "siret": f"{siren}{company.facilities[0]}",
            "routingIdentifierType": "0224",
            "routingCodeName": name,
            "managesLegalCommitmentCode": company.public,
            "administrativeStatus": "A",
        }
        for code, name in company.codes.items()
    ]


def _line_row(request: web.Request, line: Address, company: Company) -> Row:
    siren, *parts = line.identifier.split("_", 2)
    today = request.app[DIRECTORY].now().date()
    row: dict[str, Any] = {
        "addressingIdentifier": line.identifier,
        "platformType": line.platform,
        "directoryLineStatus": str(line.stands),
        "siren": siren,
        "legalUnit": _legal_unit(siren, company),
    }
    if line.suffix:
        row["addressingSuffix"] = line.identifier[10:]
    elif parts:
        row["siret"] = parts[0]
        row["facility"] = next((one for one in _facilities(siren) if one["siret"] == parts[0]), {"siret": parts[0]})
        row["facility"] = {name: value for name, value in row["facility"].items() if name != "legalUnit"}
        if len(parts) > 1:
            code = {"routingIdentifier": parts[1], "routingIdentifierType": "0224"}
            row["routingIdentifier"] = parts[1]
            row["routingCode"] = code | {"routingCodeName": company.codes.get(parts[1], parts[1])}
    if line.begins is not None:
        row["startDate"] = companies.day(today, line.begins)
    if line.ends is not None:
        row["endDate"] = companies.day(today, line.ends)
    return row
