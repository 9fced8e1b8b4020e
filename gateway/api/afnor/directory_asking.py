"""Asking the network's directory what an account's own view does not know yet, before the Directory Service answers.

A question that names a company, a facility or a routing code is asked there, unless it was not long ago; what is told
is kept in the account's view, and the answer is made from that. A search that names none is answered from the view
alone. Of the account's own legal entities nobody is asked: what it declares stands. While the directory is away, what
was told in the last days serves; where nothing was, the answer is 503, never that there is none.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from aiohttp import web

from adapters import directory as outside
from adapters.directory import LineStanding
from adapters.port import Unreachable
from gateway import addresses
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.errors import Busy
from gateway.store import directory as store
from gateway.store.directory import Address, Code, Facility, Found, Line, Op, PublicBody, Search, Status, Unit

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


async def of_search(request: web.Request, search: Search) -> None:
    """Ask about what a search names. Raises Busy."""
    for one in search.criteria:
        if one.op is Op.STRICT and isinstance(one.value, str) and one.name in ("siren", "siret", "address"):
            await company(request, one.value[:9])
            if one.name == "siret":
                await facility(request, one.value)


async def company(request: web.Request, siren: str) -> None:
    """Ask about a legal unit and its lines. Raises Busy."""
    resources, account = request.app[RESOURCES], request[CALLER].account
    if resources.directory is None or not _SIREN.fullmatch(siren) or siren in account.participants:
        return
    try:
        unit, lines, at = await addresses.company(account.id, siren, resources)
    except Unreachable as away:
        raise _busy(away) from away
    units = () if unit is None else (Unit(siren, unit.name, unit.public, unit.closed, unit.no_prospecting),)
    codes = [_code_told(one.code) for one in lines.lines if one.code is not None and _is_sound(one)]
    found = Found(units, codes=codes, lines=_lines(lines.lines))
    source = resources.directory.name
    async with resources.pool.account(account.id) as connection:
        await store.take_company(connection, account.id, siren, found, source, at, whole=lines.complete)
        await store.drop_told(connection, resources.clock.now() - resources.ages.stale)


async def facility(request: web.Request, siret: str) -> None:
    """Ask about a facility. Raises Busy."""
    directory = request.app[RESOURCES].directory
    if directory is not None and _SIRET.fullmatch(siret):
        await _once(request, (siret,), lambda: directory.facility(siret), _facility)


async def code(request: web.Request, siret: str, identifier: str) -> None:
    """Ask about a routing code. Raises Busy."""
    directory = request.app[RESOURCES].directory
    if directory is not None and _SIRET.fullmatch(siret) and _CODE.fullmatch(identifier):
        await _once(request, (siret, identifier), lambda: directory.routing_code(siret, identifier), _code)


async def _once(
    request: web.Request,
    key: tuple[str] | tuple[str, str],
    ask: Callable[[], Awaitable[outside.Facility | outside.RoutingCode | None]],
    read: Callable[[outside.Facility | outside.RoutingCode], Found],
) -> None:
    """Ask about a facility (by SIRET) or a routing code of one, when nothing young enough is known."""
    resources, account = request.app[RESOURCES], request[CALLER].account
    if resources.directory is None or key[0][:9] in account.participants:
        return
    source, now = resources.directory.name, resources.clock.now()
    async with resources.pool.account(account.id) as connection:
        at = await store.told_at(connection, key)
    if at is not None and timedelta(0) <= now - at <= resources.ages.fresh:
        return
    try:
        answered = await ask()
    except Unreachable as away:
        if at is None or now - at > resources.ages.stale:
            raise _busy(away) from away
        return
    async with resources.pool.account(account.id) as connection:
        if answered is None:
            await store.forget(connection, key)
        else:
            await store.keep(connection, account.id, read(answered), source, now)


def _busy(away: Unreachable) -> Busy:
    return Busy(f"the directory cannot be asked now: {away.reason}", away.retry_in or AWAY)


def _lines(told: Iterable[outside.DirectoryLine]) -> list[Line]:
    """Lines of a company by their addresses; one whose keys are not as the standard has them is none."""
    best: dict[str, outside.DirectoryLine] = {}
    for one in told:
        known = best.get(one.address)
        if known is None or _MOST.index(known.standing) < _MOST.index(one.standing):
            best[one.address] = one
    return [_line(one) for _, one in sorted(best.items()) if _SIREN.fullmatch(one.siren) and _is_sound(one)]


def _is_sound(one: outside.DirectoryLine) -> bool:
    keys = (one.siret == "" or _SIRET.fullmatch(one.siret)) and (
        one.routing_code == "" or _CODE.fullmatch(one.routing_code)
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


def _facility(one: outside.Facility | outside.RoutingCode) -> Found:
    assert isinstance(one, outside.Facility)
    body = PublicBody(
        one.works, one.works_only, one.tells_payment, one.needs_commitment, one.needs_either, one.needs_service_code
    )
    told = Facility(one.siret, one.name, one.main, one.closed, one.no_prospecting, _address(one.place), body)
    return Found(facilities=(told,))


def _code(one: outside.Facility | outside.RoutingCode) -> Found:
    assert isinstance(one, outside.RoutingCode)
    return Found(codes=(_code_told(one),))


def _code_told(one: outside.RoutingCode) -> Code:
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
