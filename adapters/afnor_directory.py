"""The French directory as an approved platform shows it: AFNOR XP Z12-013 Directory Service 1.3.0, read only.

Decisions:

- Only an answer is an answer. A 404 counts as "not there" where it bears an error code of the standard's shape: a wrong
  address in the settings is answered with 404, too, and would make every customer unknown. An answer that cannot be
  read, or speaks of another address than the one that was asked for, is none.
- Who is told to wait (429, 503), or reaches nobody (502, 504, a lost connection), asks nothing for that long, whoever
  the question is about: each question would otherwise wait for its own time-out, and a busy directory would get busier.
  Then one question tries, before the others go on. Any other failure is about its question alone.
- A question about one address or company that is refused (400, 422) is decided by the search for the company's lines:
  asked again it would be refused again, and the document would wait for nothing.
- Members that 1.3.0 does not have are read where a platform adds them: `startDate` and `endDate` of a line.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from yarl import URL

from adapters import http
from adapters.bearer import Bearer, Login
from adapters.directory import (
    DirectoryLine,
    DirectoryLines,
    DirectoryPlace,
    Facilities,
    Facility,
    LegalUnit,
    LineStanding,
    Receiver,
    RoutingCode,
    RoutingCodes,
)
from adapters.port import Problem, Unreachable, secret_complaint

PAGE = 100
"""Lines asked for at once: what every platform gives."""
PAGES = 5
"""Pages of one company's lines, at most; large public bodies have thousands of lines."""
ANSWER_LIMIT = 4_000_000
AT_ONCE = 8
"""Questions under way at the same time."""
REST = timedelta(seconds=15)
"""How long nothing is asked after a failure that names no time."""
TEXT_LIMIT = 200
"""Characters of a name that are kept."""
ADDRESS_LIMIT = 125

_RESTING = (429, 502, 503, 504)
_REFUSALS = (400, 422)
_LOGIN = ("TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET_FILE")
_ORDER = (LineStanding.ENABLED, LineStanding.UPCOMING, LineStanding.DISABLED)
_STANDINGS = {one.value: one for one in LineStanding}
_INCLUDE = "siren,siret,routingCode"


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach the directory of one platform."""

    url: str
    """Base of the Directory Service, up to and without /v1."""
    login: Login
    allow: frozenset[str] = frozenset()
    """host:port pairs that may be private or speak http."""
    organization: str = ""
    """Organization-Id sent with each call; empty: none."""
    seconds: float = 10.0
    """Time for one question."""


def from_environment(environment: Mapping[str, str], problems: list[Problem]) -> Settings | None:
    """Settings from ESTAFETTE_AFNOR_DIRECTORY_*; None without a directory.

    Its login is the one of ESTAFETTE_AFNOR_* where it has none of its own: a platform's token serves both services.
    """
    url = environment.get("ESTAFETTE_AFNOR_DIRECTORY_URL", "").strip()
    if not url:
        return None
    found: list[Problem] = []
    allow = http.allowed(environment)
    if complaint := http.complaint(url, allow):
        found.append(Problem("ESTAFETTE_AFNOR_DIRECTORY_URL", complaint))
    own = [f"ESTAFETTE_AFNOR_DIRECTORY_{name}" for name in _LOGIN]
    prefix = "ESTAFETTE_AFNOR_DIRECTORY_" if any(environment.get(name) for name in own) else "ESTAFETTE_AFNOR_"
    given = {f"{prefix}{name}": environment.get(f"{prefix}{name}", "").strip() for name in _LOGIN}
    found += [Problem(name, "is needed for the directory") for name, value in given.items() if not value]
    token_url, client, secret = given.values()
    if token_url and (complaint := http.complaint(token_url, allow)):
        found.append(Problem(f"{prefix}TOKEN_URL", complaint))
    if secret and (complaint := secret_complaint(Path(secret))):
        found.append(Problem(f"{prefix}CLIENT_SECRET_FILE", complaint))
    seconds = environment.get("ESTAFETTE_AFNOR_DIRECTORY_SECONDS", "") or "10"
    if not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds) <= 120):
        found.append(Problem("ESTAFETTE_AFNOR_DIRECTORY_SECONDS", "must be a whole number from 1 to 120"))
    problems.extend(found)
    if found:
        return None
    in_form = environment.get("ESTAFETTE_AFNOR_TOKEN_AUTH", "") == "form"
    return Settings(
        url=url.rstrip("/"),
        login=Login(token_url, client, Path(secret), in_form, float(seconds)),
        allow=allow,
        organization=environment.get("ESTAFETTE_AFNOR_ORGANIZATION", "").strip(),
        seconds=float(seconds),
    )


class _Refused(Unreachable):
    """A question about one thing is refused: no answer, and none will come."""


class AfnorDirectory:
    """The directory over one approved platform."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._client = http.Client(settings.allow)
        self._bearer = Bearer(settings.login, self._client, now)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._rests: tuple[datetime, str] | None = None
        """Until when nothing is asked, and why; it stays until a question is answered."""
        self._first = asyncio.Lock()
        """Held by the question that tries first after a rest."""

    @property
    def name(self) -> str:
        """Host and path: one host may have several directories, of which each remembers its own."""
        url = URL(self._settings.url)
        return f"{url.host or 'afnor'}{url.path.rstrip('/')}"

    async def line(self, address: str) -> DirectoryLine | None:
        """GET /v1/directory-line/code:{addressing-identifier}."""
        path = f"/v1/directory-line/code:{quote(address, safe='')}?include={_INCLUDE}"
        try:
            found = await self._one(path)
        except _Refused as refused:
            return await self._searched(address, refused)
        if found is None:
            return None
        line = _line(found)
        if line is None or line.address.casefold() != address.casefold():
            raise Unreachable("the directory answers with another line than the one asked for")
        return line

    async def _searched(self, address: str, refused: _Refused) -> DirectoryLine | None:
        """The line of an address by the search for its company's. Raises Unreachable; refused: not all are told."""
        told = await self.lines(address[:9])
        own = [line for line in told.lines if line.address.casefold() == address.casefold()]
        if not own and not told.complete:
            raise refused
        return min(own, key=lambda line: _ORDER.index(line.standing), default=None)

    async def lines(self, siren: str, siret: str = "") -> DirectoryLines:
        """POST /v1/directory-line/search, page by page."""
        filters = {"siren": siren, **({"siret": siret} if siret else {})}
        rows, complete = await self._pages("/v1/directory-line/search", filters, "addressingIdentifier", _INCLUDE)
        read = [line for row in rows if (line := _line(row)) is not None and line.siren == siren]
        if len(read) < len(rows):
            raise Unreachable("the directory answers with lines that cannot be read")
        found = {(line.address, line.standing): line for line in read}
        return DirectoryLines(tuple(found.values()), complete)

    async def facilities(self, siren: str) -> Facilities:
        """POST /v1/siret/search, page by page."""
        rows, complete = await self._pages("/v1/siret/search", {"siren": siren}, "siret", "siren")
        sirets = [_text(row.get("siret")) for row in rows]
        if not all(siret.startswith(siren) for siret in sirets):
            raise Unreachable("the directory answers with facilities that cannot be read")
        found = {siret: _facility(siret, row) for siret, row in zip(sirets, rows, strict=True)}
        return Facilities(tuple(found.values()), complete)

    async def routing_codes(self, siret: str) -> RoutingCodes:
        """POST /v1/routing-code/search, page by page."""
        rows, complete = await self._pages("/v1/routing-code/search", {"siret": siret}, "routingIdentifier", "")
        codes = [_text(row.get("routingIdentifier")) for row in rows]
        if not all(codes) or not all(row.get("siret", siret) == siret for row in rows):
            raise Unreachable("the directory answers with routing codes that cannot be read")
        found = {code: _code(siret, code, row) for code, row in zip(codes, rows, strict=True)}
        return RoutingCodes(tuple(found.values()), complete)

    async def unit(self, siren: str) -> LegalUnit | None:
        """GET /v1/siren/code-insee:{siren}."""
        try:
            found = await self._one(f"/v1/siren/code-insee:{quote(siren, safe='')}")
        except _Refused:
            told = await self.lines(siren)
            if told.lines or not told.complete:
                raise
            return None
        if found is None:
            return None
        if found.get("siren") != siren:
            raise Unreachable("the directory answers with another company than the one asked for")
        quiet = _truth(_members(found.get("instructions")).get("isSalesProspectingForbidden"))
        return LegalUnit(siren, _text(found.get("businessName")), _public(found), _closed(found), quiet)

    async def facility(self, siret: str) -> Facility | None:
        """GET /v1/siret/code-insee:{siret}."""
        found = await self._one(f"/v1/siret/code-insee:{quote(siret, safe='')}?include=siren")
        if found is None:
            return None
        if found.get("siret") != siret:
            raise Unreachable("the directory answers with another facility than the one asked for")
        return _facility(siret, found)

    async def routing_code(self, siret: str, code: str) -> RoutingCode | None:
        """GET /v1/routing-code/siret:{siret}/code:{routing-identifier}."""
        found = await self._one(f"/v1/routing-code/siret:{quote(siret, safe='')}/code:{quote(code, safe='')}")
        if found is None:
            return None
        if found.get("routingIdentifier") != code:
            raise Unreachable("the directory answers with another routing code than the one asked for")
        return _code(siret, code, found)

    async def close(self) -> None:
        """Give back connections."""
        await self._client.close()

    async def _one(self, path: str) -> Mapping[str, Any] | None:
        """One resource, None where the directory says that it has none. Raises Unreachable."""
        answer = await self._call("GET", path)
        body = http.members_of(answer.body)
        if answer.status == 404 and isinstance(body.get("errorCode"), str) and body["errorCode"]:
            return None
        if answer.status in _REFUSALS:
            raise _Refused(self._away(answer, body).reason)
        if answer.status != 200:
            raise self._away(answer, body)
        if not body:
            raise Unreachable("the directory answers with what cannot be read")
        return body

    async def _pages(
        self, path: str, filters: Mapping[str, str], key: str, include: str
    ) -> tuple[list[Mapping[str, Any]], bool]:
        """The rows of a search by what these are strictly, and whether these are all. Raises Unreachable."""
        found: list[Mapping[str, Any]] = []
        for _ in range(PAGES):
            question: dict[str, Any] = {
                "filters": {name: {"op": "strict", "value": value} for name, value in filters.items()},
                "sorting": [{"field": key, "order": "ascending"}],
                "limit": PAGE,
                "ignore": len(found),
            }
            if include:
                question["include"] = include.split(",")
            rows, total = self._results(await self._call("POST", path, question))
            found += rows
            if not rows or (len(found) >= total if total >= 0 else len(rows) < PAGE):
                return found, len(found) >= total
        return found, False

    def _results(self, answer: http.Answer) -> tuple[list[Mapping[str, Any]], int]:
        """The rows of a page and how many there are in all, -1 where it does not say. Raises Unreachable."""
        body = http.members_of(answer.body)
        if answer.status == 204:  # editions before 1.3.0
            return [], 0
        if answer.status not in (200, 206):
            raise self._away(answer, body)
        rows, total = body.get("results"), body.get("totalNumberOfResults", -1)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Unreachable("the directory's search answer has no results")
        return rows, total if isinstance(total, int) and not isinstance(total, bool) else -1

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> http.Answer:
        headers = {"Accept": "application/json", "Request-Id": str(uuid4())}
        if self._settings.organization:
            headers["Organization-Id"] = self._settings.organization
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = b"" if body is None else json.dumps(body).encode()
        url, seconds = f"{self._settings.url}{path}", self._settings.seconds
        request = http.Request(method, url, headers, data, seconds=seconds, limit=ANSWER_LIMIT)
        async with self._gate:
            self._check_rest()
            if self._rests is not None:
                async with self._first:
                    self._check_rest()
                    if self._rests is not None:
                        return await self._ask(request)
            return await self._ask(request)

    async def _ask(self, request: http.Request) -> http.Answer:
        """One answer; a rest begins or ends by it. Raises Unreachable."""
        try:
            answer = await self._bearer.send(request)
        except Unreachable as away:
            self._rest(away.reason, away.retry_in)
            raise
        if answer.status in _RESTING:
            self._rest(f"the directory answered {answer.status}", answer.retry_in(self._now()))
        elif self._rests is not None and self._rests[0] <= self._now():
            self._rests = None
        return answer

    def _check_rest(self) -> None:
        """Raise Unreachable while nothing is asked."""
        now = self._now()
        if self._rests is None or self._rests[0] <= now:
            return
        if self._rests[0] > now + http.RETRY_LIMIT:  # the clock was put back
            self._rests = None
            return
        raise Unreachable(self._rests[1], self._rests[0] - now)

    def _rest(self, reason: str, retry_in: timedelta | None) -> None:
        self._rests = (self._now() + (REST if retry_in is None else retry_in), reason)

    def _away(self, answer: http.Answer, body: Mapping[str, Any]) -> Unreachable:
        code = str(body.get("errorCode") or "")
        shown = f" ({code})" if code.isascii() and code.isprintable() and 0 < len(code) < 60 else ""
        return Unreachable(f"the directory answered {answer.status}{shown}", answer.retry_in(self._now()))


def _line(row: Mapping[str, Any]) -> DirectoryLine | None:
    """A directory line; None where it has no address, or does not say how it stands."""
    address, standing = row.get("addressingIdentifier"), row.get("directoryLineStatus")
    if not isinstance(address, str) or not 0 < len(address) <= ADDRESS_LIMIT or not address.isprintable():
        return None
    known = _STANDINGS.get(standing.lower()) if isinstance(standing, str) else None
    if known is None:
        return None
    unit, facility, code = (_members(row.get(name)) for name in ("legalUnit", "facility", "routingCode"))
    siren = _text(row.get("siren") or unit.get("siren")) or address[:9]
    receiver = row.get("platformType")
    siret = _text(row.get("siret") or facility.get("siret"))
    routing_code = _text(row.get("routingIdentifier") or code.get("routingIdentifier"))
    return DirectoryLine(
        address=address,
        standing=known,
        receiver=Receiver(receiver) if receiver in ("WK", "DFH") else Receiver.UNTOLD,
        siren=siren,
        siret=siret,
        routing_code=routing_code,
        suffix=_text(row.get("addressingSuffix")),
        name=_text(facility.get("name") or unit.get("businessName")),
        public=_public(unit),
        begins=_day(row.get("startDate")),
        ends=_day(row.get("endDate")),
        code=_code(siret, routing_code, code) if siret and routing_code and code else None,
    )


def _facility(siret: str, told: Mapping[str, Any]) -> Facility:
    state = _members(told.get("b2gAdditionalData"))
    return Facility(
        siret,
        _text(told.get("siren")) or siret[:9],
        _text(told.get("name")),
        _closed(told),
        _truth(state.get("managesLegalCommitmentCode")),
        _truth(state.get("serviceCodeStatus")),
        _truth(state.get("managesLegalCommitmentOrServiceCode")),
        {"P": True, "S": False}.get(_text(told.get("facilityType"))),
        _truth(_members(told.get("siretInstructions")).get("isSalesProspectingForbidden")),
        _truth(state.get("pm")),
        _truth(state.get("pmOnly")),
        _truth(state.get("managesPaymentStatus")),
        _place(told),
    )


def _code(siret: str, code: str, told: Mapping[str, Any]) -> RoutingCode:
    """A routing code; that it needs a commitment is told under one name in a line and another elsewhere."""
    needs = told.get("managesLegalCommitmentCode", told.get("managesLegalCommitment"))
    return RoutingCode(
        siret,
        code,
        _text(told.get("routingCodeName")),
        _closed(told),
        _text(told.get("routingIdentifierType")),
        _truth(needs),
        _place(told),
    )


def _place(told: Mapping[str, Any]) -> DirectoryPlace:
    """The address of a facility or a routing code."""
    members = _members(told.get("address"))
    names = ("postalCode", "locality", "countrySubdivision", "countryCode", "countryName")
    lines = tuple(_text(members.get(f"addressLine{number}")) for number in (1, 2, 3))
    return DirectoryPlace(lines if any(lines) else (), *(_text(members.get(name)) for name in names))


def _public(unit: Mapping[str, Any]) -> bool | None:
    kind = unit.get("entityType")
    return kind == "Public" if isinstance(kind, str) and kind else None


def _closed(row: Mapping[str, Any]) -> bool:
    return row.get("administrativeStatus") == "C"


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _text(value: object) -> str:
    """Text that any database keeps, of at most so many characters; empty for anything else."""
    return "".join(sign for sign in value if sign.isprintable())[:TEXT_LIMIT] if isinstance(value, str) else ""


def _members(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
