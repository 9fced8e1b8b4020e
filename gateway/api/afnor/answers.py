"""Errors of the national face, in the shape its two services publish: application/json with errorCode, errorMessage.

The members of RFC 9457 that the standard knows too (type, instance) stand beside them. Only codes that the standard
names for an operation are answered: what we would refuse with 409, 410 or 415 elsewhere has its nearest one here. The
Directory Service names 408, too, and has a form for all that it does not name: the same as application/problem+json.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from gateway.api import problems, shapes
from gateway.api.problems import TRACE, Handler
from gateway.compute import Interrupted
from gateway.errors import (
    Busy,
    Corrupt,
    Forbidden,
    GatewayError,
    Malformed,
    Misconfigured,
    NotFound,
    TooLarge,
    TooMany,
    Unauthenticated,
    Underivable,
    WithFindings,
)

log = logging.getLogger(__name__)

BASE = "/afnor-flow"
"""Where the Flow Service stands; its own paths begin with /v1."""

DIRECTORY = "/afnor-directory"
"""Where the Directory Service stands; its own paths begin with /v1."""

DETAILS_LIMIT = 20
"""Findings that an error names."""

_CODES: Mapping[type[GatewayError], tuple[int, str]] = {
    TooLarge: (413, "FileSizeExceeded"),
    Malformed: (400, "INVALID_REQUEST"),
    Unauthenticated: (401, "INVALID_TOKEN"),
    Forbidden: (403, "FORBIDDEN_ACCESS"),
    NotFound: (404, "MISSING_RESOURCE"),
    Underivable: (404, "MISSING_RESOURCE"),
    TooMany: (429, "TOO_MANY_REQUESTS"),
    Busy: (503, "RESOURCE_ERROR"),
}
"""Each class of error that a caller can do something about; all others are INTERNAL_ERROR."""

_ABSENT = "NOT_FOUND"
"""What the Directory Service calls what is not there: clients of platforms take this code alone for an answer."""
_OF_DIRECTORY = frozenset((400, 401, 403, 404, 408, 422, 429, 500, 501, 503))
"""What the Directory Service names; anything else is a problem there."""


class Wrong(Exception):
    """A flow or a question is not what the standard, or this gateway, takes: its code and a sentence."""

    def __init__(self, status: int, code: str, says: str, **members: str) -> None:
        super().__init__(says)
        self.status = status
        self.code = code
        self.says = says
        self.members = members


@web.middleware
async def answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the errors of the two services their shape; other addresses keep problems."""
    if not request.path.startswith((f"{BASE}/", f"{DIRECTORY}/")):
        return await handler(request)
    try:
        return await handler(request)
    except Wrong as wrong:
        return _error(request, wrong.status, wrong.code, wrong.says, wrong.members)
    except (Corrupt, Misconfigured) as broken:
        log.error("the gateway is not sound: %s", broken.detail, extra={"trace": request[TRACE]})
        return _error(request, 500, "INTERNAL_ERROR", "the operator has been told", {})
    except GatewayError as error:
        return _of(request, error)
    except Interrupted as interrupted:
        log.warning("%s", interrupted, extra={"trace": request[TRACE]})
        return _of(request, Busy("the work was interrupted; try again"))
    except web.HTTPException as raised:
        return _of_http(request, raised)
    except Exception:
        log.exception("a request failed", extra={"trace": request[TRACE]})
        return _error(request, 500, "INTERNAL_ERROR", "the operator finds the detail under this trace", {})


def _of(request: web.Request, error: GatewayError) -> web.Response:
    known = next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), None)
    if known is None:
        log.error("unexpected here: %s", error.detail, extra={"trace": request[TRACE]})
        return _error(request, 500, "INTERNAL_ERROR", "the operator finds the detail under this trace", {})
    status, code = known
    if code == "MISSING_RESOURCE" and _of_directory(request):
        code = _ABSENT
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = problems.REALM
        code = code if "Authorization" in request.headers else "MISSING_TOKEN"
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    members = {"details": told(error)} if isinstance(error, WithFindings) and error.findings else {}
    return _error(request, status, code, error.detail, members, headers)


def _of_http(request: web.Request, raised: web.HTTPException) -> web.Response:
    if raised.status < HTTPStatus.BAD_REQUEST:
        raise raised
    if isinstance(raised, web.HTTPMethodNotAllowed):
        says = f"this address takes {', '.join(sorted(raised.allowed_methods))}"
        return _error(request, 405, "METHOD_NOT_ALLOWED", says, {}, {"Allow": raised.headers["Allow"]})
    if raised.status == HTTPStatus.NOT_FOUND:
        return _of(request, NotFound("there is nothing at this address"))
    if raised.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _of(request, TooLarge("the body is larger than anything taken here"))
    if raised.status == HTTPStatus.REQUEST_TIMEOUT:
        says = "the body did not come in time"
        if _of_directory(request):
            return _error(request, 408, "REQUEST_TIMEOUT", says, {}, {"Connection": "close"})
        return _error(request, 400, "INVALID_REQUEST", says, {}, {"Connection": "close"})
    return _error(request, 400, "INVALID_REQUEST", raised.reason, {})


def told(error: WithFindings) -> str:
    """The findings of an error as one text."""
    says = [f"{finding.rule}: {finding.says}" for finding in error.findings[:DETAILS_LIMIT]]
    more = len(error.findings) - DETAILS_LIMIT
    return "\n".join([*says, *([f"and {more} more"] if more > 0 else [])])


def _error(
    request: web.Request,
    status: int,
    code: str,
    says: str,
    members: Mapping[str, Any],
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    shape = {
        "errorCode": code,
        "errorMessage": says,
        "type": "about:blank",
        "instance": request.rel_url.raw_path,
        "trace": request[TRACE],
        **members,
    }
    if _of_directory(request) and status not in _OF_DIRECTORY:
        body = json.dumps({**shape, "status": status, "detail": says}, ensure_ascii=False).encode()
        return web.Response(status=status, body=body, content_type=problems.MEDIA_TYPE, headers=headers)
    return shapes.answer(shape, status=status, headers=headers)


def _of_directory(request: web.Request) -> bool:
    return request.path.startswith(f"{DIRECTORY}/")
