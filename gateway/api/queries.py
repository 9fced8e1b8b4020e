"""Reading the query of a request: each parameter once, of its type, and none that the address does not know.

A misspelt filter that is silently left out shows too much; here it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from aiohttp import web

from gateway.errors import Malformed, NotFound

T = TypeVar("T")

LONGEST = 512
"""Characters of one parameter."""
CUSTOMER_LIMIT = 200
"""Characters of a customer's identifier."""


def only(request: web.Request, known: Collection[str]) -> None:
    """Refuse parameters that are not known, come twice, or cannot be text. Raises Malformed."""
    for name in request.query:
        if name not in known:
            raise Malformed(f"this address knows the parameters {', '.join(sorted(known)) or 'none'}, and no other")
        values = request.query.getall(name)
        if len(values) > 1:
            raise Malformed(f"the parameter {name} came twice")
        if len(values[0]) > LONGEST or not values[0].isprintable():
            raise Malformed(f"the parameter {name} is too long or holds characters that cannot be printed")


def optional(request: web.Request, name: str, read: Callable[[str], T], *, says: str) -> T | None:
    """A parameter, None when it is not given; `says` is what it must be. Raises Malformed."""
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return read(text)
    except (ValueError, OverflowError) as wrong:
        raise Malformed(f"the parameter {name} must be {says}") from wrong


def number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number within bounds. Raises Malformed."""

    def within(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError
        return int(text)

    given = optional(request, name, within, says=f"a whole number from {least} to {most}")
    return default if given is None else given


def instant(text: str) -> datetime:
    """An aware instant in ISO 8601; a date alone is its beginning in UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        if len(text) != len("2026-01-31"):
            raise ValueError("an instant names its offset")
        at = at.replace(tzinfo=UTC)
    return at.astimezone(UTC)


def truth(text: str) -> bool:
    """true or false. Raises ValueError."""
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def named(request: web.Request, what: str) -> UUID:
    """The id in the path, which is of a `what`. Raises NotFound, as for any id that does not exist."""
    try:
        return UUID(request.match_info["id"])
    except ValueError as unknown:
        raise NotFound(f"there is no such {what}") from unknown


def document_id(request: web.Request) -> UUID:
    """The document named in the path. Raises NotFound."""
    return named(request, "document")


def customer(request: web.Request) -> str:
    """The customer named in the path, whom nobody needs to know yet. Raises NotFound for what no identifier can be."""
    name: str = request.match_info["customer"]
    if not 1 <= len(name) <= CUSTOMER_LIMIT or not name.isprintable():
        raise NotFound("there is no such customer")
    return name
