"""Reading what a caller sends, within its limits, before anything is made of it.

A body is refused by its declared length before a byte of it is read, and by its counted length where it declares none.
Compressed bodies are refused: a few kilobytes would become gigabytes. Documents are not parsed here, only carried.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import BodyPartReader, ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from gateway.api.limits import Budget
from gateway.errors import Malformed, TooLarge, UnknownFormat
from gateway.stages.receive import SIZE_LIMIT, Handed

SMALL = 64 * 1024
"""Bytes of a body that is no document."""

_ENVELOPE = 64 * 1024
"""Bytes that the boundaries and headers of a multipart body may add."""

_PAUSE = 30.0
"""Seconds in which the next bytes of a body must come."""

_IN_ALL = 600.0
"""Seconds in which a body must have come."""

_DIGITS = 40
"""Of one JSON number, written without an exponent; no amount comes near."""

_MULTIPART = "multipart/form-data"
_PARTS = ("pdf", "data")
_PLAIN = ("binary", "8bit", "7bit")
"""Content-Transfer-Encoding that changes nothing (RFC 2045)."""
_BROKEN = (ClientPayloadError, web.RequestPayloadError, HttpProcessingError, ConnectionError, ValueError)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart body."""

    data: bytes
    media_type: str | None
    """As declared; None when it was not."""


async def handed(request: web.Request, budget: Budget) -> Handed:
    """The submission in a request. Raises Malformed, TooLarge, UnknownFormat, Busy."""
    if request.content_type == _MULTIPART:
        return await _parts(request, budget)
    data = await read(request, SIZE_LIMIT, budget)
    if not data:
        raise Malformed("the body is empty; a submission is JSON, XML or PDF")
    return Handed(data, media_type(request))


def media_type(request: web.Request) -> str | None:
    """The declared media type without its parameters, None when there is none."""
    return request.content_type if "Content-Type" in request.headers else None


async def read(request: web.Request, limit: int, budget: Budget | None = None) -> bytes:
    """The whole body, at most `limit` bytes. Raises Malformed, TooLarge, UnknownFormat, Busy."""
    _check_head(request, limit, budget)
    body = bytearray()
    async with _within(_IN_ALL):
        while True:
            chunk = await _next(request)
            if not chunk:
                return bytes(body)
            body += chunk
            _count(len(body), limit, budget)


async def read_json(request: web.Request, limit: int = SMALL) -> dict[str, Any]:
    """A small JSON object, numbers exact. Raises Malformed, TooLarge, UnknownFormat."""
    if request.content_type != "application/json":
        raise UnknownFormat("this address takes application/json")
    return members_of(await read(request, limit), "the body")


def members_of(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object, numbers exact. Raises Malformed."""
    try:
        members = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_float=_exact,
            parse_int=_integer,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as unreadable:
        raise Malformed(f"{what} is not JSON that can be read: {_reason(unreadable)}") from unreadable
    if not isinstance(members, dict):
        raise Malformed(f"{what} is a JSON object")
    return members


async def _parts(request: web.Request, budget: Budget) -> Handed:
    """The parts `pdf` and `data` of a multipart body, each at most once."""
    found = await form(request, budget, dict.fromkeys(_PARTS, SIZE_LIMIT))
    empty = [name for name, part in found.items() if not part.data]
    if empty or not found:
        raise Malformed(f"the part {empty[0]} is empty" if empty else "the multipart body has no part pdf or data")
    if len(found) == 1:
        (only,) = found.values()
        return Handed(only.data, only.media_type)
    page, data = found["pdf"], found["data"]
    return Handed(page.data, page.media_type, data.data, data.media_type)


async def form(request: web.Request, budget: Budget, limits: Mapping[str, int]) -> dict[str, Part]:
    """The parts of a multipart body by their names, each at most once and of so many bytes; SIZE_LIMIT in all.

    Raises Malformed, TooLarge, UnknownFormat, Busy.
    """
    _check_head(request, SIZE_LIMIT + _ENVELOPE, budget)
    found: dict[str, Part] = {}
    size = 0
    async with _within(_IN_ALL):
        try:
            async for one in await request.multipart():
                name, part = _part(one, found, limits)
                data = bytearray()
                while not part.at_eof():
                    async with _within(_PAUSE):
                        data += await part.read_chunk(SMALL)
                    _count(len(data), limits[name], None)
                    _count(size + len(data), SIZE_LIMIT, budget)
                size += len(data)
                declared = part.headers.get("Content-Type", "").partition(";")[0].strip()
                found[name] = Part(bytes(data), declared or None)
        except _BROKEN as broken:
            raise Malformed("the multipart body cannot be read") from broken
    return found


def _part(part: object, found: Mapping[str, object], known: Collection[str]) -> tuple[str, BodyPartReader]:
    """The name of a part that may stand here. Raises Malformed, UnknownFormat."""
    if not isinstance(part, BodyPartReader) or (name := part.name) is None or name not in known:
        raise Malformed(f"a multipart submission has the parts {' and '.join(known)}, and no other")
    if name in found:
        raise Malformed(f"the part {name} came twice")
    if part.headers.get("Content-Encoding") or part.headers.get("Content-Transfer-Encoding", "binary") not in _PLAIN:
        raise UnknownFormat("a part comes as it is, without any encoding")
    return name, part


def _check_head(request: web.Request, limit: int, budget: Budget | None) -> None:
    """What the header alone gives away."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnknownFormat("compressed bodies are not taken")
    declared = request.content_length or 0
    _count(declared, limit, budget)


def _count(size: int, limit: int, budget: Budget | None) -> None:
    if size > limit:
        raise TooLarge(f"the body has more than {limit} bytes")
    if budget is not None:
        budget.reserve(size)


@asynccontextmanager
async def _within(seconds: float) -> AsyncIterator[None]:
    """Give up on a body that does not come in time. Raises HTTPRequestTimeout."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as late:
        raise web.HTTPRequestTimeout from late


async def _next(request: web.Request) -> bytes:
    try:
        async with _within(_PAUSE):
            return await request.content.readany()
    except _BROKEN as broken:
        raise Malformed("the body broke off") from broken


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands there twice")
    return members


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError("a number is too long")
    return int(text)


def _exact(text: str) -> Decimal:
    """A number of few digits also when it is written out: 1e300000000 would fill the memory."""
    try:
        number = Decimal(text) if len(text) <= _DIGITS else None
    except InvalidOperation:  # an exponent beyond what decimal numbers have
        number = None
    if number is None or len(number.as_tuple().digits) + abs(int(number.as_tuple().exponent)) > _DIGITS:
        raise ValueError("a number is too long")
    return number


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def _reason(error: BaseException) -> str:
    """One that repeats nothing of the body."""
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} (line {error.lineno}, column {error.colno})"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case _:
            return str(error)
