"""The Directory Service of XP Z12-013 1.3.0: search and read legal units, facilities, routing codes, directory lines.

It is read only since 1.2.0: what an account declares of itself is written over the native face (`/v1/directory`). What
it shows is the account's own view: what it declares, and what a network's directory told this account of others
(`directory_asking` says when it is asked).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from aiohttp import web

from gateway.api import bodies, shapes
from gateway.api.afnor import directory_asking as asking
from gateway.api.afnor import directory_questions as questions
from gateway.api.afnor import directory_shapes as told
from gateway.api.afnor.directory_questions import Asked, Resource
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.errors import NotFound
from gateway.reach import day_of
from gateway.store import directory as store
from gateway.store.directory import Code, Criterion, Facility, Line, Op, Page, Search, Unit, View

Shape: TypeAlias = dict[str, Any]


async def search_units(request: web.Request) -> web.Response:
    """Legal units by criteria."""
    asked = await _asked(request, questions.UNITS)
    async with _view(request) as view:
        page = await store.units(view, asked.search)
    return _page(asked, page, [told.unit(one, asked.fields) for one in page.rows])


async def read_unit(request: web.Request) -> web.Response:
    """One legal unit."""
    siren = questions.key(request.match_info["siren"], "siren", 9)
    fields, _ = questions.cut(_query(request), questions.UNITS)
    await asking.company(request, siren)
    async with _view(request) as view:
        one = (await store.units_of(view, (siren,))).get(siren)
    return shapes.answer(told.unit(_there(one), fields))


async def search_facilities(request: web.Request) -> web.Response:
    """Facilities by criteria."""
    asked = await _asked(request, questions.FACILITIES)
    async with _view(request) as view:
        page = await store.facilities(view, asked.search)
        results = await _facilities(view, page.rows, asked.fields, asked.includes)
    return _page(asked, page, results)


async def read_facility(request: web.Request) -> web.Response:
    """One facility."""
    siret = questions.key(request.match_info["siret"], "siret", 14)
    fields, includes = questions.cut(_query(request), questions.FACILITIES)
    await asking.facility(request, siret)
    if includes:
        await asking.company(request, siret[:9])
    async with _view(request) as view:
        one = _there((await store.facilities_of(view, (siret,))).get(siret))
        (shape,) = await _facilities(view, (one,), fields, includes)
    return shapes.answer(shape)


async def search_codes(request: web.Request) -> web.Response:
    """Routing codes by criteria."""
    asked = await _asked(request, questions.CODES)
    async with _view(request) as view:
        page = await store.codes(view, asked.search)
        results = await _codes(view, page.rows, asked.fields, asked.includes)
    return _page(asked, page, results)


async def read_code(request: web.Request) -> web.Response:
    """One routing code."""
    siret = questions.key(request.match_info["siret"], "siret", 14)
    identifier = questions.identifier(request.match_info["routingIdentifier"], "routing-identifier", 100)
    fields, includes = questions.cut(_query(request), questions.CODES)
    await asking.code(request, siret, identifier)
    if "siren" in includes:
        await asking.company(request, siret[:9])
    if "siret" in includes:
        await asking.facility(request, siret)
    async with _view(request) as view:
        one = _there((await store.codes_of(view, ((siret, identifier),))).get((siret, identifier)))
        (shape,) = await _codes(view, (one,), fields, includes)
    return shapes.answer(shape)


async def search_lines(request: web.Request) -> web.Response:
    """Directory lines by criteria."""
    asked = await _asked(request, questions.LINES)
    async with _view(request) as view:
        page = await store.lines(view, asked.search)
        results = await _lines(view, page.rows, asked.fields, asked.includes, upcoming=True)
    return _page(asked, page, results)


async def read_line(request: web.Request) -> web.Response:
    """One directory line."""
    address = questions.identifier(request.match_info["addressingIdentifier"], "addressing-identifier", 125)
    fields, includes = questions.cut(_query(request), questions.LINES)
    await asking.line(request, address)
    async with _view(request) as view:
        page = await store.lines(view, Search((Criterion("address", Op.STRICT, address),)))
        _there(page.rows[0] if page.rows else None)
        (shape,) = await _lines(view, page.rows, fields, includes, upcoming=False)
    return shapes.answer(shape)


# What they have in common --------------------------------------------------------------------------------------------


async def _asked(request: web.Request, resource: Resource) -> Asked:
    """The search of a request, with what it names known; a body that is left out asks for everything.

    Raises Wrong, Busy, and what readers raise.
    """
    data = await bodies.read(request, bodies.SMALL)
    asked = questions.search(bodies.members_of(data, "the body") if data else {}, resource)
    await asking.of_search(request, resource, asked.search, asked.includes)
    return asked


@asynccontextmanager
async def _view(request: web.Request) -> AsyncIterator[View]:
    """The account's directory as of now; what was told too long ago is not shown."""
    resources, now = request.app[RESOURCES], request.app[RESOURCES].clock.now()
    async with resources.pool.account(request[CALLER].account.id, snapshot=True) as connection:
        yield View(connection, now - resources.ages.stale, day_of(now))


def _query(request: web.Request) -> dict[str, str]:
    """The parameters, one that came several times as one list."""
    return {name: ",".join(request.query.getall(name)) for name in request.query}


def _page(asked: Asked, page: Page[Any], results: Sequence[Shape]) -> web.Response:
    return shapes.answer({"search": asked.told, "totalNumberOfResults": page.total, "results": list(results)})


def _there(one: Any) -> Any:
    if one is None:
        raise NotFound("the directory knows none under this number")
    return one


# Relations -----------------------------------------------------------------------------------------------------------


async def _facilities(
    view: View, found: Sequence[Facility], fields: frozenset[str], includes: frozenset[str]
) -> list[Shape]:
    units = await _units_of(view, (one.siren for one in found), includes)
    return [told.facility(one, fields) | units(one.siren) for one in found]


async def _codes(view: View, found: Sequence[Code], fields: frozenset[str], includes: frozenset[str]) -> list[Shape]:
    units = await _units_of(view, (one.siret[:9] for one in found), includes)
    facilities = await _facilities_of(view, (one.siret for one in found), includes)
    return [told.code(one, fields) | units(one.siret[:9]) | facilities(one.siret) for one in found]


async def _lines(
    view: View, found: Sequence[Line], fields: frozenset[str], includes: frozenset[str], *, upcoming: bool
) -> list[Shape]:
    units = await _units_of(view, (one.siren for one in found), includes)
    facilities = await _facilities_of(view, (one.siret for one in found if one.siret), includes)
    pairs = [(one.siret, one.identifier) for one in found if one.siret and one.identifier]
    codes = await store.codes_of(view, pairs) if "routingCode" in includes else {}
    results = []
    for one in found:
        shape = told.line(one, fields, upcoming=upcoming) | units(one.siren)
        if one.siret:
            shape |= facilities(one.siret)
        if one.siret and one.identifier and "routingCode" in includes:
            code = codes.get((one.siret, one.identifier)) or Code(one.siret, one.identifier)
            shape["routingCode"] = told.code_included(code)
        results.append(shape)
    return results


async def _units_of(view: View, sirens: Iterable[str], includes: frozenset[str]) -> Callable[[str], Shape]:
    """What makes the legal unit that is included in a result: as much as is known of it, its SIREN at least."""
    if "siren" not in includes:
        return lambda _: {}
    known = await store.units_of(view, sirens)
    return lambda siren: {"legalUnit": told.unit(known.get(siren) or Unit(siren))}


async def _facilities_of(view: View, sirets: Iterable[str], includes: frozenset[str]) -> Callable[[str], Shape]:
    """What makes the facility that is included in a result: as much as is known of it, its SIRET at least."""
    if "siret" not in includes:
        return lambda _: {}
    known = await store.facilities_of(view, sirets)
    return lambda siret: {"facility": told.facility_included(known.get(siret) or Facility(siret))}
