"""Asking the network's directory what an account's own view does not know yet, before the Directory Service answers.

A question that names a company, a facility or an address is asked there, unless it was not long ago; what is told is
kept in the account's view, and the answer is made from that. A search that names none is answered from the view alone;
one that names more than the directory tells at once is refused, as a part would look like all of it. Of the account's
own legal entities nobody is asked: what it declares stands. While the directory is away, what was told in the last days
serves; where nothing was, the answer is 503, never that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta

from aiohttp import web

from adapters import directory as outside
from adapters.directory import LineStanding
from adapters.port import Unreachable
from gateway import addresses
from gateway.api.afnor import directory_questions as questions
from gateway.api.afnor.answers import Wrong
from gateway.api.afnor.directory_questions import Resource
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.errors import Busy
from gateway.store import told
from gateway.store.directory import Address, Code, Facility, Found, Line, Op, PublicBody, Search, Status, Unit
from gateway.store.told import Answer, Kind, Question

AWAY = timedelta(seconds=15)
"""When to come back where the directory does not say."""

_SIREN, _SIRET = re.compile("[0-9]{9}"), re.compile("[0-9]{14}")
_CODE = re.compile("[-_/a-zA-Z0-9]{1,100}")
_STATUS = {
    LineStanding.DISABLED: Status.DISABLED,
    LineStanding.UPCOMING: Status.UPCOMING,
    LineStanding.ENABLED: Status.ENABLED,
}
"""From the least to the most: an address that is told twice is shown as the most that is told of it."""
_MOST = tuple(_STATUS)


async def of_search(request: web.Request, resource: Resource, search: Search, includes: frozenset[str]) -> None:
    """Ask about what a search names. Raises Busy, and Wrong where that is more than is asked for."""
    named = {one.name: str(one.value) for one in search.criteria if one.op is Op.STRICT}
    siren, siret, address = (named.get(name, "") for name in ("siren", "siret", "address"))
    if resource is questions.LINES:
        await _lines_named(request, siren, siret, address)
    elif resource is questions.FACILITIES:
        if siret:
            await facility(request, siret)
        elif siren:
            _check(await facilities(request, siren))
    elif resource is questions.CODES and siret:
        _check(await codes(request, siret))
    if "siren" in includes or resource is questions.UNITS:
        await company(request, siren or siret[:9])


async def company(request: web.Request, siren: str) -> bool:
    """Ask about a legal unit and its lines; whether all of them are told. Raises Busy."""
    resources, account = request.app[RESOURCES], request[CALLER].account
    directory = _directory(request, siren)
    if directory is None or not _SIREN.fullmatch(siren):
        return True
    try:
        unit, lines, at = await addresses.company(account.id, siren, resources)
    except Unreachable as away:
        raise _busy(away) from away
    units = () if unit is None else (Unit(siren, unit.name, unit.public, unit.closed, unit.no_prospecting),)
    answer = Answer(directory.name, at, _of_lines(lines.lines, units), lines.complete)
    async with resources.pool.account(account.id) as connection:
        if await told.take(connection, account.id, Question(Kind.COMPANY, siren), answer):
            await told.drop(connection, resources.clock.now() - resources.ages.stale)
    return lines.complete


async def line(request: web.Request, address: str) -> None:
    """Ask about a directory line: with all of its company, or by itself where those are too many. Raises Busy."""
    directory = _directory(request, address)
    if directory is None or await company(request, address[:9]):
        return

    async def ask() -> tuple[Found, bool]:
        one = await directory.line(address)
        return _of_lines(() if one is None else (one,)), True

    await _once(request, Question(Kind.LINE, address), ask)


async def facility(request: web.Request, siret: str) -> None:
    """Ask about a facility. Raises Busy."""
    directory = _directory(request, siret)
    if directory is None or not _SIRET.fullmatch(siret):
        return

    async def ask() -> tuple[Found, bool]:
        one = await directory.facility(siret)
        return Found(facilities=() if one is None else (_facility(one),)), True

    await _once(request, Question(Kind.FACILITY, siret), ask)


async def facilities(request: web.Request, siren: str) -> bool:
    """Ask about the facilities of a company; whether all are told. Raises Busy."""
    directory = _directory(request, siren)
    if directory is None or not _SIREN.fullmatch(siren):
        return True

    async def ask() -> tuple[Found, bool]:
        all_ = await directory.facilities(siren)
        return Found(
            facilities=[_facility(one) for one in all_.facilities if _SIRET.fullmatch(one.siret)]
        ), all_.complete

    return await _once(request, Question(Kind.FACILITIES, siren), ask)


async def code(request: web.Request, siret: str, identifier: str) -> None:
    """Ask about a routing code. Raises Busy."""
    directory = _directory(request, siret)
    if directory is None or not (_SIRET.fullmatch(siret) and _CODE.fullmatch(identifier)):
        return

    async def ask() -> tuple[Found, bool]:
        one = await directory.routing_code(siret, identifier)
        return Found(codes=() if one is None else (_code(one),)), True

    await _once(request, Question(Kind.CODE, f"{siret}:{identifier}"), ask)


async def codes(request: web.Request, siret: str) -> bool:
    """Ask about the routing codes of a facility; whether all are told. Raises Busy."""
    directory = _directory(request, siret)
    if directory is None or not _SIRET.fullmatch(siret):
        return True

    async def ask() -> tuple[Found, bool]:
        all_ = await directory.routing_codes(siret)
        return Found(codes=[_code(one) for one in all_.codes if _CODE.fullmatch(one.code)]), all_.complete

    return await _once(request, Question(Kind.CODES, siret), ask)


async def _lines_named(request: web.Request, siren: str, siret: str, address: str) -> None:
    """Ask about the lines that a search names: one, those of a facility, or those of a company."""
    if address:
        await line(request, address)
    elif siret:
        directory = _directory(request, siret)
        if directory is None or not _SIRET.fullmatch(siret) or await company(request, siret[:9]):
            return

        async def ask() -> tuple[Found, bool]:
            all_ = await directory.lines(siret[:9], siret)
            return _of_lines(all_.lines), all_.complete

        _check(await _once(request, Question(Kind.LINES, siret), ask))
    elif siren:
        _check(await company(request, siren))


async def _once(request: web.Request, question: Question, ask: Callable[[], Awaitable[tuple[Found, bool]]]) -> bool:
    """Ask a question that was not answered not long ago; whether the answer is complete. Raises Busy."""
    resources, account = request.app[RESOURCES], request[CALLER].account
    assert resources.directory is not None, "who is asked was looked at before"
    now, ages = resources.clock.now(), resources.ages
    async with resources.pool.account(account.id) as connection:
        known = await told.memory(connection, question)
    if known is not None and timedelta(0) <= now - known.at <= (ages.fresh if known.found else ages.none):
        return known.complete
    try:
        found, complete = await ask()
    except Unreachable as away:
        if known is None or now - known.at > ages.stale:
            raise _busy(away) from away
        return known.complete
    async with resources.pool.account(account.id) as connection:
        await told.take(connection, account.id, question, Answer(resources.directory.name, now, found, complete))
    return complete


def _directory(request: web.Request, key: str) -> outside.Directory | None:
    """Who is asked; None: nobody, as none is configured, or the key is of an own legal entity."""
    return None if key[:9] in request[CALLER].account.participants else request.app[RESOURCES].directory


def _check(complete: bool) -> None:
    """Raises Wrong: a part of what was asked for would look like all of it."""
    if not complete:
        raise Wrong(
            422,
            "UNPROCESSABLE_ENTITY",
            "the directory has more of these than are asked for at once; name the facility, the code or the address",
        )


def _busy(away: Unreachable) -> Busy:
    return Busy(f"the directory cannot be asked now: {away.reason}", away.retry_in or AWAY)


def _of_lines(told_: Iterable[outside.DirectoryLine], units: Sequence[Unit] = ()) -> Found:
    """Lines by their addresses, and their routing codes; one whose keys are not as the standard has them is none."""
    best: dict[str, outside.DirectoryLine] = {}
    for one in told_:
        known = best.get(one.address)
        if _is_sound(one) and (known is None or _MOST.index(known.standing) < _MOST.index(one.standing)):
            best[one.address] = one
    lines = [one for _, one in sorted(best.items())]
    return Found(units, codes=[_code(one.code) for one in lines if one.code], lines=[_line(one) for one in lines])


def _is_sound(one: outside.DirectoryLine) -> bool:
    keys = (
        _SIREN.fullmatch(one.siren)
        and (one.siret == "" or _SIRET.fullmatch(one.siret))
        and (one.routing_code == "" or _CODE.fullmatch(one.routing_code))
    )
    return bool(keys) and len(one.suffix) <= 100


def _line(one: outside.DirectoryLine) -> Line:
    return Line(
        one.address,
        one.siren,
        one.siret or None,
        one.routing_code or None,
        one.suffix or None,
        _STATUS[one.standing],
        one.begins,
        one.ends,
        str(one.receiver) or None,
    )


def _facility(one: outside.Facility) -> Facility:
    body = PublicBody(
        one.works, one.works_only, one.tells_payment, one.needs_commitment, one.needs_either, one.needs_service_code
    )
    return Facility(one.siret, one.name, one.main, one.closed, one.no_prospecting, _address(one.place), body)


def _code(one: outside.RoutingCode) -> Code:
    return Code(one.siret, one.code, one.scheme, one.name, one.closed, one.needs_commitment, _address(one.place))


def _address(place: outside.DirectoryPlace) -> Address:
    line1, line2, line3 = (*place.lines, "", "", "")[:3]
    return Address(
        line1,
        line2,
        line3,
        place.postal_code,
        place.locality,
        place.subdivision,
        place.country,
        place.country_name,
    )
