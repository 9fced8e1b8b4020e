"""Reading what a caller sends, within its limits, before anything is made of it.

A body is refused by its declared length before a byte of it is read, and by its counted length where it declares none.
Compressed bodies are refused: a few kilobytes would become gigabytes. Documents are not parsed here, only carried.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
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

_MULTIPART = "multipart/form-data"
_PARTS = ("pdf", "data")
_BROKEN = (ClientPayloadError, web.RequestPayloadError, HttpProcessingError, ConnectionError, ValueError)


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
    data = await read(request, limit)
    try:
        members = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_members,
            parse_float=Decimal,
            parse_int=_integer,
            parse_constant=_no_constant,
        )
    except (ValueError, RecursionError) as unreadable:
        raise Malformed(f"the body is not JSON that can be read: {_reason(unreadable)}") from unreadable
    if not isinstance(members, dict):
        raise Malformed("the body is a JSON object")
    return members


async def _parts(request: web.Request, budget: Budget) -> Handed:
    """The parts `pdf` and `data` of a multipart body, each at most once."""
    _check_head(request, SIZE_LIMIT + _ENVELOPE, budget)
    found: dict[str, tuple[bytes, str | None]] = {}
    size = 0
    async with _within(_IN_ALL):
        try:
            async for one in await request.multipart():
                name, part = _part(one, found)
                data = bytearray()
                while not part.at_eof():
                    async with _within(_PAUSE):
                        data += await part.read_chunk(SMALL)
                    _count(size + len(data), SIZE_LIMIT, budget)
                size += len(data)
                found[name] = (bytes(data), part.headers.get("Content-Type", "").partition(";")[0].strip() or None)
        except _BROKEN as broken:
            raise Malformed("the multipart body cannot be read") from broken
    empty = [name for name, (data, _) in found.items() if not data]
    if empty or not found:
        raise Malformed(f"the part {empty[0]} is empty" if empty else "the multipart body has no part pdf or data")
    if len(found) == 1:
        return Handed(*next(iter(found.values())))
    return Handed(*found["pdf"], *found["data"])


def _part(part: object, found: Mapping[str, object]) -> tuple[str, BodyPartReader]:
    """The name of a part that may stand here. Raises Malformed, UnknownFormat."""
    if not isinstance(part, BodyPartReader) or part.name not in _PARTS:
        raise Malformed("a multipart submission has the parts pdf and data, and no other")
    if part.name in found:
        raise Malformed(f"the part {part.name} came twice")
    if part.headers.get("Content-Encoding") or part.headers.get("Content-Transfer-Encoding", "binary") != "binary":
        raise UnknownFormat("a part comes as it is, without any encoding")
    return part.name, part


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
    if len(text) > 40:
        raise ValueError("a number is too long")
    return int(text)


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
