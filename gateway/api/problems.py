"""Errors become answers here, and only here: one table, one middleware, RFC 9457 everywhere.

A problem carries every finding, in the one shape of findings, and the two members that XP Z12-013 asks for (errorCode,
errorMessage). What we did not foresee is a bare 500 with the trace id; its detail goes to the log, never to the caller.
"""

from __future__ import annotations

import json
import logging
import math
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from aiohttp import web

from gateway.compute import Interrupted
from gateway.errors import (
    Busy,
    Conflict,
    Corrupt,
    Forbidden,
    GatewayError,
    Gone,
    KeyReused,
    Malformed,
    Misconfigured,
    NotFound,
    Rejected,
    Restored,
    TooLarge,
    TooMany,
    Unanswerable,
    Unauthenticated,
    Underivable,
    UnknownFormat,
    WithFindings,
)

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TRACE = web.RequestKey("trace", str)
"""32 hexadecimal digits that name the request in our log and in its answer."""

MEDIA_TYPE = "application/problem+json"
REALM = 'Bearer realm="estafette"'


@dataclass(frozen=True, slots=True)
class Row:
    """How one kind of problem is answered."""

    status: int
    name: str
    """Last part of its type; `GET /problems/{name}` explains it."""
    en: str
    fr: str

    @property
    def type(self) -> str:
        """Its URI reference, for RFC 9457."""
        return f"/problems/{self.name}"


TABLE: Mapping[type[GatewayError], Row] = {
    Malformed: Row(400, "malformed", "The request cannot be read", "La requête est illisible"),
    TooLarge: Row(413, "too-large", "The request is too large", "La requête est trop volumineuse"),
    UnknownFormat: Row(415, "unknown-format", "This format is not taken", "Ce format n'est pas accepté"),
    Rejected: Row(422, "rejected", "The document is refused", "Le document est refusé"),
    Unauthenticated: Row(401, "unauthenticated", "Say who you are", "Identification nécessaire"),
    Forbidden: Row(403, "forbidden", "The credential may not do this", "L'accès n'est pas autorisé"),
    NotFound: Row(404, "not-found", "There is no such thing", "Objet introuvable"),
    Gone: Row(410, "gone", "Its retention has ended", "La durée de conservation est échue"),
    Conflict: Row(409, "conflict", "This contradicts what is stored", "Contradiction avec ce qui est enregistré"),
    Restored: Row(409, "restored", "An older state was put back since", "Un état antérieur a été restauré depuis"),
    KeyReused: Row(
        422,
        "key-reused",
        "This Idempotency-Key came with another request",
        "Cette clé d'idempotence accompagnait une autre requête",
    ),
    Underivable: Row(
        422,
        "underivable",
        "The document cannot be turned into this form",
        "Le document ne peut pas prendre cette forme",
    ),
    Unanswerable: Row(
        422,
        "unanswerable",
        "The query cannot be answered as it is asked",
        "La recherche ne peut aboutir telle que formulée",
    ),
    Busy: Row(503, "busy", "Not now, try again", "Momentanément indisponible"),
    TooMany: Row(429, "too-many", "Too many requests", "Trop de requêtes"),
    Corrupt: Row(500, "corrupt", "What is stored does not match its proof", "Une preuve enregistrée ne concorde pas"),
    Misconfigured: Row(500, "misconfigured", "The gateway is not set up", "La passerelle est mal configurée"),
}
"""Each class of error and its answer; a class without its own row answers like the nearest above it."""

METHOD = Row(405, "method", "This address does not take this method", "Cette adresse n'accepte pas cette méthode")
SLOW = Row(408, "slow", "The body did not come in time", "Le contenu n'est pas arrivé à temps")
HTTP = Row(400, "http", "The request does not follow HTTP", "La requête ne respecte pas HTTP")
UNFORESEEN = Row(500, "unforeseen", "Something went wrong here", "Une erreur est survenue")

PROBLEMS: Mapping[str, Row] = {row.name: row for row in (*TABLE.values(), METHOD, SLOW, HTTP, UNFORESEEN)}

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def row_of(error: GatewayError) -> Row:
    """The row of an error's class, or of the nearest class above it."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)


def answer(request: web.Request, error: GatewayError, **members: Any) -> web.Response:
    """The problem for an error, with further members of its own."""
    if isinstance(error, WithFindings) and error.findings:
        members = {"findings": [finding.as_json() for finding in error.findings], **members}
    if isinstance(error, Underivable):
        members = {**error.losses, **members}
    if isinstance(error, Gone) and error.tombstone:
        members = {"tombstone": error.tombstone, **members}
    if isinstance(error, Restored):
        members = {"cursor": error.cursor, **members}
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = REALM
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    return _problem(request, row_of(error), type(error).__name__, error.detail, members, headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem, and name the request in its answer."""
    request[TRACE] = _trace(request)
    response = await _answered(request, handler)
    if not response.prepared:
        response.headers["Request-Id"] = str(UUID(request[TRACE]))
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cache-Control", "no-store")
    return response


async def expected(request: web.Request) -> web.StreamResponse | None:
    """Answer `Expect` before the body comes: go on, or why not (the router asks before any middleware)."""
    request[TRACE] = _trace(request)
    if request.headers["Expect"].lower() != "100-continue":
        row = Row(HTTPStatus.EXPECTATION_FAILED, HTTP.name, HTTP.en, HTTP.fr)
        return _problem(request, row, "BadRequest", "of Expect only 100-continue is known", {}, {})
    if (request.content_length or 0) > request.client_max_size:
        return answer(request, TooLarge("the body is larger than anything taken here"))
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0
    return None


async def explain(request: web.Request) -> web.Response:
    """What a type of problem means."""
    row = PROBLEMS.get(request.match_info["name"])
    if row is None:
        raise NotFound("there is no such type of problem")
    return web.json_response(
        {"type": row.type, "status": row.status, "title": {"en": row.en, "fr": row.fr}},
        headers={"Cache-Control": "public, max-age=3600"},
    )


async def _answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Corrupt as corrupt:
        log.error("a proof does not hold: %s", corrupt.detail, extra={"trace": request[TRACE]})
        return answer(request, Corrupt("what is stored does not match its own hash; the operator has been told"))
    except Misconfigured as wrong:
        log.error("misconfigured: %s", wrong.detail, extra={"trace": request[TRACE]})
        return answer(request, Misconfigured("the operator has been told"))
    except GatewayError as error:
        return answer(request, error)
    except Interrupted as interrupted:
        log.warning("%s", interrupted, extra={"trace": request[TRACE]})
        return answer(request, Busy("the work was interrupted; try again"))
    except web.HTTPException as raised:
        if raised.status < HTTPStatus.BAD_REQUEST:
            raise
        return _of_http(request, raised)
    except Exception:
        log.exception("a request failed", extra={"trace": request[TRACE]})
        return _problem(request, UNFORESEEN, "Unforeseen", "the operator finds the detail under this trace", {}, {})


def _of_http(request: web.Request, raised: web.HTTPException) -> web.Response:
    """What the router and the HTTP layer refuse."""
    if isinstance(raised, web.HTTPMethodNotAllowed):
        detail = f"it takes {', '.join(sorted(raised.allowed_methods))}"
        return _problem(request, METHOD, "MethodNotAllowed", detail, {}, {"Allow": raised.headers["Allow"]})
    if raised.status == HTTPStatus.NOT_FOUND:
        return answer(request, NotFound("there is nothing at this address"))
    if raised.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return answer(request, TooLarge("the body is larger than anything taken here"))
    if raised.status == HTTPStatus.REQUEST_TIMEOUT:
        return _problem(request, SLOW, "RequestTimeout", SLOW.en, {}, {"Connection": "close"})
    row = Row(raised.status, HTTP.name, HTTP.en, HTTP.fr)
    return _problem(request, row, "BadRequest", raised.reason, {}, {})


def _problem(
    request: web.Request, row: Row, code: str, detail: str, members: Mapping[str, Any], headers: Mapping[str, str]
) -> web.Response:
    language = language_of(request)
    shape = {
        "type": row.type,
        "title": row.fr if language == "fr" else row.en,
        "status": row.status,
        "detail": detail,
        "instance": request.rel_url.raw_path,
        "trace": request.get(TRACE, ""),
        "errorCode": code,
        "errorMessage": detail,
        **members,
    }
    return web.Response(
        status=row.status,
        body=json.dumps(shape, ensure_ascii=False).encode(),
        content_type=MEDIA_TYPE,
        headers={"Content-Language": language, "Vary": "Accept-Language", **headers},
    )


def language_of(request: web.Request) -> str:
    """fr or en, whichever the caller prefers; en when nothing is said."""
    wishes = {"en": 0.0, "fr": 0.0}
    for item in request.headers.get("Accept-Language", "").split(",")[:20]:
        name, _, weight = item.partition(";")
        name = name.strip().lower().partition("-")[0]
        if name in wishes:
            wishes[name] = max(wishes[name], _weight(weight))
    return "fr" if wishes["fr"] > wishes["en"] else "en"


def _weight(text: str) -> float:
    given = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", text)
    return float(given[1]) if given else 1.0


def _trace(request: web.Request) -> str:
    """The caller's own (W3C traceparent, or Request-Id of XP Z12-013), else a new one."""
    if given := _TRACEPARENT.fullmatch(request.headers.get("traceparent", "")):
        return given[1]
    try:
        return UUID(request.headers.get("Request-Id", "")).hex
    except ValueError:
        return secrets.token_hex(16)
