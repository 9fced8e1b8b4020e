"""What the account declares of its legal entities in the directory: facilities, routing codes and lines, over HTTP.

The Directory Service of XP Z12-013 (`/afnor-directory`) shows it and is read only; here it is written. A legal entity
stands in it, with the line that is its SIREN, from when the account acts for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from stdnum.fr import siret as french_siret

from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.fields import Fields, day, text, truth
from gateway.api.keys import RESOURCES
from gateway.errors import Forbidden, Malformed, NotFound
from gateway.store import declarations as store
from gateway.store.accounts import Account
from gateway.store.directory import Address, Code, Facility, Line, Status, Unit

BODY_LIMIT = 4_096
SCHEME = "0224"
"""Of a routing code (ISO 6523 ICD list, French CTC)."""
PLATFORM = "WK"
"""An account's own lines are received at over an approved platform (UNCL 3035)."""

_ADDRESS = re.compile(r"[A-Za-z0-9+\-_.]{9,125}")
"""What an electronic address of scheme 0225 may be made of (BR-FR-23, BR-FR-25)."""
_PARTS = re.compile(r"(?P<siren>[0-9]{9})(?:_(?P<siret>[0-9]{14})(?:_(?P<code>.+))?|_(?P<suffix>.+))?")
_CODE = re.compile(r"[-_a-zA-Z0-9]{1,100}")
"""A routing code (G1.95); a slash, which XP Z12-013 has beside, can stand in no address."""
_SUFFIX_LIMIT = 100
_NOTHING: Any = ""
"""A member that is not given."""
_PLACES = {"line1": 255, "line2": 255, "line3": 255, "postal_code": 5, "locality": 100, "subdivision": 255}


async def read(request: web.Request) -> web.Response:
    """All that the account declares."""
    queries.only(request, ())
    async with request.app[RESOURCES].pool.account(request[CALLER].account.id, snapshot=True) as connection:
        found = await store.declared(connection)
    members = {
        "legal_units": [_unit(one) for one in found.units],
        "facilities": [_facility(one) for one in found.facilities],
        "routing_codes": [_code(one) for one in found.codes],
        "lines": [_line(one) for one in found.lines],
    }
    return shapes.answer(members)


async def put_facility(request: web.Request) -> web.Response:
    """Declare a facility."""
    resources, account = _asked(request)
    siret = _siret(request, account)
    known = ("name", "main", "closed", "no_prospecting", "address")
    fields = Fields(await bodies.read_json(request, BODY_LIMIT), known)
    name = fields.take("name", text(1, 100), expected="1 to 100 printable characters")
    main, closed, quiet = (
        fields.take(member, truth, expected="true or false", default=False)
        for member in ("main", "closed", "no_prospecting")
    )
    address = fields.take("address", _place, expected=f"an object of {', '.join(_PLACES)}, country", default=Address())
    fields.check()
    assert address is not None
    facility = Facility(siret, name, main, closed, quiet, address)
    async with resources.pool.account(account.id) as connection:
        new = await store.put_facility(connection, account.id, facility, resources.clock.now())
    return shapes.answer(_facility(facility), status=201 if new else 200)


async def put_code(request: web.Request) -> web.Response:
    """Declare a routing code of a facility."""
    resources, account = _asked(request)
    siret, identifier = _siret(request, account), request.match_info["code"]
    if not _CODE.fullmatch(identifier):
        raise Malformed("a routing code has 1 to 100 letters and digits without accents, - and _")
    fields = Fields(await bodies.read_json(request, BODY_LIMIT), ("name", "closed", "commitment"))
    name = fields.take("name", text(1, 100), expected="1 to 100 printable characters")
    closed, commitment = (
        fields.take(member, truth, expected="true or false", default=False) for member in ("closed", "commitment")
    )
    fields.check()
    assert name is not None
    if name.isspace():
        raise Malformed("the name of a routing code is not of spaces alone")
    code = Code(siret, identifier, SCHEME, name, closed, commitment)
    async with resources.pool.account(account.id) as connection:
        new = await store.put_code(connection, account.id, code, resources.clock.now())
    return shapes.answer(_code(code), status=201 if new else 200)


async def put_line(request: web.Request) -> web.Response:
    """Declare a directory line; what it is of, its address says."""
    resources, account = _asked(request)
    parts = _parts(request.match_info["address"], account)
    fields = Fields(await bodies.read_json(request, BODY_LIMIT), ("enabled", "begins", "ends"))
    enabled = fields.take("enabled", truth, expected="true or false", default=True)
    begins, ends = (
        fields.take(member, day, expected="a date, 2026-01-31", default=_NOTHING) for member in ("begins", "ends")
    )
    fields.check()
    if begins and ends and ends < begins:
        raise Malformed("a line does not end before it begins")
    line = Line(
        address=parts.address,
        siren=parts.siren,
        siret=parts.siret,
        identifier=parts.code,
        suffix=parts.suffix,
        status=Status.ENABLED if enabled else Status.DISABLED,
        starts_on=begins or None,
        ends_on=ends or None,
        platform=PLATFORM,
    )
    async with resources.pool.account(account.id) as connection:
        new = await store.put_line(connection, account.id, line, resources.clock.now())
    return shapes.answer(_line(line), status=201 if new else 200)


async def withdraw_facility(request: web.Request) -> web.Response:
    """Declare a facility no more."""
    resources, account = _asked(request)
    async with resources.pool.account(account.id) as connection:
        await store.withdraw_facility(connection, account.id, _withdrawn(request, "siret"))
    return web.Response(status=204)


async def withdraw_code(request: web.Request) -> web.Response:
    """Declare a routing code no more."""
    resources, account = _asked(request)
    siret, code = _withdrawn(request, "siret"), _withdrawn(request, "code")
    async with resources.pool.account(account.id) as connection:
        await store.withdraw_code(connection, account.id, siret, code)
    return web.Response(status=204)


async def withdraw_line(request: web.Request) -> web.Response:
    """Declare a line no more."""
    resources, account = _asked(request)
    async with resources.pool.account(account.id) as connection:
        await store.withdraw_line(connection, account.id, _withdrawn(request, "address"))
    return web.Response(status=204)


# Reading what is asked -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Parts:
    """An addressing identifier, taken apart."""

    address: str
    siren: str
    siret: str | None
    code: str | None
    suffix: str | None


def _asked(request: web.Request) -> tuple[Any, Account]:
    queries.only(request, ())
    return request.app[RESOURCES], request[CALLER].account


def _parts(address: str, account: Account) -> _Parts:
    """What an address is made of. Raises Malformed, Forbidden."""
    found = _PARTS.fullmatch(address)
    if found is None or not _ADDRESS.fullmatch(address):
        raise Malformed(
            "an address is SIREN, SIREN_SIRET, SIREN_SIRET_CODE or SIREN_SUFFIX, of at most 125 letters and digits "
            "without accents, + - _ and ."
        )
    siren, siret, code, suffix = found["siren"], found["siret"], found["code"], found["suffix"]
    _own(siren, account)
    if siret is not None and not siret.startswith(siren):
        raise Malformed("the SIRET of an address is one of its SIREN; a suffix does not look like a SIRET")
    if code is not None and not _CODE.fullmatch(code):
        raise Malformed("a routing code has 1 to 100 letters and digits without accents, - and _")
    if suffix is not None and len(suffix) > _SUFFIX_LIMIT:
        raise Malformed(f"a suffix has at most {_SUFFIX_LIMIT} characters")
    return _Parts(address, siren, siret, code, suffix)


def _siret(request: web.Request, account: Account) -> str:
    """The SIRET of the path, which is of an own legal entity. Raises Malformed, Forbidden."""
    siret = request.match_info["siret"]
    if not re.fullmatch("[0-9]{14}", siret) or not french_siret.is_valid(siret):
        raise Malformed("a SIRET has 14 digits, the last one a check digit")
    _own(siret[:9], account)
    return siret


def _own(siren: str, account: Account) -> None:
    if siren not in account.participants:
        raise Forbidden("the account does not act for this legal entity")


def _withdrawn(request: web.Request, name: str) -> str:
    """A key of the path, whatever it looks like. Raises NotFound for what no key can be."""
    value = request.match_info[name]
    if not value.isprintable():
        raise NotFound("the account declares no such entry")
    return value


def _place(value: Any) -> Address:
    if not isinstance(value, dict) or not set(value) <= {*_PLACES, "country"}:
        raise ValueError
    readers: dict[str, Callable[[Any], str]] = {name: text(0, most) for name, most in _PLACES.items()}
    found = {name: read_(value[name]) for name, read_ in readers.items() if name in value}
    if found.get("postal_code", "").strip("0123456789"):
        raise ValueError
    country = value.get("country", "FR")
    if not isinstance(country, str) or not re.fullmatch("[A-Z]{2}", country):
        raise ValueError
    return Address(**{name: told or None for name, told in found.items()}, country=country)


# Shapes --------------------------------------------------------------------------------------------------------------


def _unit(one: Unit) -> dict[str, Any]:
    return {"siren": one.siren, "name": one.name}


def _facility(one: Facility) -> dict[str, Any]:
    places = {name: getattr(one.address, name) or "" for name in (*_PLACES, "country")}
    return {
        "siret": one.siret,
        "name": one.name,
        "main": bool(one.main),
        "closed": bool(one.closed),
        "no_prospecting": bool(one.no_prospecting),
        "address": places if one.address.country else None,
    }


def _code(one: Code) -> dict[str, Any]:
    return {
        "siret": one.siret,
        "code": one.identifier,
        "name": one.name,
        "closed": bool(one.closed),
        "commitment": bool(one.commitment),
    }


def _line(one: Line) -> dict[str, Any]:
    return {
        "address": one.address,
        "siren": one.siren,
        "siret": one.siret,
        "routing_code": one.identifier,
        "suffix": one.suffix,
        "enabled": one.status is not Status.DISABLED,
        "begins": one.starts_on.isoformat() if one.starts_on else None,
        "ends": one.ends_on.isoformat() if one.ends_on else None,
    }
