"""A conversion without a document: the invoice that is sent, in another form; nothing of it is kept.

The body is the invoice, or a readable PDF and the invoice beside it (multipart), which become one Factur-X. Where
anything would be lost there is no result, but a problem that names all of it, unless the caller accepts losses.
"""

from __future__ import annotations

import base64
from dataclasses import replace

from aiohttp import web

from gateway.api import bodies, derive, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.contents import disposition
from gateway.api.keys import RESOURCES
from gateway.api.limits import LIMITS
from gateway.errors import Malformed, Underivable, UnknownFormat
from gateway.resources import Resources
from gateway.stages.receive import Handed, refused
from gateway.store import branding
from schemas.catalogue import FACTURX
from schemas.conversion import PAGE, TARGETS, Converted, Lossy, Unwritable, Wish, convert, profile_of, told
from schemas.formats.facturx.wording import languages
from schemas.xml import Unreadable

_TAKEN = (
    "application/json",
    "application/xml",
    "text/xml",
    "application/pdf",
    "application/octet-stream",
    "multipart/form-data",
)
PAGE_OF = "Conversion-Page"
"""The header that tells whether a supplied PDF is the page (supplied), or goes along with ours (typeset)."""
_LANGUAGES = languages()
_PARAMETERS = ("to", "profile", "language", "accept_losses", "envelope")


async def create(request: web.Request) -> web.Response:
    """Convert the body; the answer is the result, or with `envelope=true` the result and what is known of it."""
    wish, envelope = _wish(request)
    if request.content_type not in _TAKEN:
        raise UnknownFormat("converted are JSON, XML and PDF, or a PDF and its data in two parts")
    resources = request.app[RESOURCES]
    if wish.to in (FACTURX, PAGE):
        wish = replace(wish, presentation=await branding.read(resources.pool, request[CALLER].account.id))
    with request.app[LIMITS].upload(request[CALLER].public_id) as budget:
        handed = await bodies.handed(request, budget)
        made = await _converted(handed, wish, resources)
    if envelope:
        return shapes.answer(
            {
                "format": made.format,
                "media_type": made.media_type,
                "profile": made.profile,
                "unchanged": made.unchanged,
                **told(made.losses),
                "preventions": [finding.as_json() for finding in made.preventions],
                "replaced": list(made.replaced),
                "content": base64.b64encode(made.data).decode("ascii"),
            }
        )
    return web.Response(
        body=made.data,
        headers={
            "Content-Type": made.media_type,
            "Content-Disposition": disposition(made.number or "invoice", wish.to, made.media_type),
            "Content-Security-Policy": "sandbox; default-src 'none'",
            **derive.headers(made.losses),
            **({PAGE_OF: "typeset" if made.preventions else "supplied"} if handed.beside is not None else {}),
        },
    )


def _wish(request: web.Request) -> tuple[Wish, bool]:
    """What the query asks for, and whether in an envelope. Raises Malformed."""
    queries.only(request, _PARAMETERS)
    resources = request.app[RESOURCES]
    to, language = request.query.get("to", ""), request.query.get("language", resources.language)
    if to not in TARGETS:
        raise Malformed(f"the parameter to must be one of {', '.join(TARGETS)}")
    if language not in _LANGUAGES:
        raise Malformed(f"the parameter language must be one of {', '.join(_LANGUAGES)}")
    try:
        profile = profile_of(request.query.get("profile", ""))
    except ValueError as unknown:
        raise Malformed(f"the parameter profile: {unknown}") from unknown
    wish = Wish(
        to,
        resources.clock.now().replace(microsecond=0),
        profile=profile,
        language=language,
        accept_losses=queries.optional(request, "accept_losses", queries.truth, says="true or false") or False,
        rules=resources.rules,
    )
    return wish, queries.optional(request, "envelope", queries.truth, says="true or false") or False


async def _converted(handed: Handed, wish: Wish, resources: Resources) -> Converted:
    """The result, made in a worker process. Raises Malformed, TooLarge, UnknownFormat, Underivable, Interrupted."""
    data = handed.data
    if handed.beside is not None:
        if wish.to != FACTURX:
            raise Malformed("a PDF and its data in two parts become a Factur-X and nothing else")
        if not handed.data.startswith(b"%PDF-"):
            raise UnknownFormat("the part pdf is no PDF")
        data, wish = handed.beside, replace(wish, supplied=handed.data)
    try:
        return await resources.compute(convert, data, wish)
    except Unwritable as unwritable:
        raise Underivable("the result would be no document that anybody takes", unwritable.findings) from unwritable
    except Unreadable as unreadable:
        raise refused(unreadable.findings) from unreadable
    except Lossy as lossy:
        raise derive.lost(lossy) from lossy
