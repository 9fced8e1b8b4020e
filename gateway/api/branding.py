"""How the account's pages look, over HTTP: read, set as a whole, and back to the plain page.

What is set is typeset once before it is kept, so that no logo can keep a document from being built later.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256
from typing import Any

from aiohttp import web

from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.fields import Fields
from gateway.api.keys import RESOURCES
from gateway.errors import Malformed
from gateway.store import branding
from schemas.formats import facturx
from schemas.formats.facturx import logo
from schemas.formats.facturx.logo import Logo
from schemas.formats.facturx.presentation import ACCENT, Presentation, checked_accent, checked_link
from schemas.xml import Unreadable

BODY_LIMIT = logo.SIZE_LIMIT * 4 // 3 + 16 * 1024
"""Bytes of a body: a logo in base64, and the rest."""


async def read(request: web.Request) -> web.Response:
    """What is set; the logo by its digest."""
    queries.only(request, ())
    found = await branding.read(request.app[RESOURCES].pool, request[CALLER].account.id)
    return shapes.answer(_shape(found))


async def write(request: web.Request) -> web.Response:
    """Set colour, logo and link to pay; what is not named is as on the plain page."""
    queries.only(request, ())
    resources, account = request.app[RESOURCES], request[CALLER].account
    fields = Fields(await bodies.read_json(request, BODY_LIMIT), ("accent", "pay_link", "logo"))
    accent = fields.take("accent", _text(checked_accent), expected="# and six hexadecimal digits", default=ACCENT)
    link = fields.take(
        "pay_link",
        _text(lambda text: checked_link(text) if text else ""),
        expected="https://…, with the places {number}, {amount} and {currency} after the host, or empty",
        default="",
    )
    raw = fields.take("logo", _logo, expected="data in base64 and text", default=(b"", ""))
    fields.check()
    assert accent is not None
    assert link is not None
    assert raw is not None
    data, text = raw
    try:
        presentation = Presentation(accent, logo.read(data, text) if data else None, link)
        presentation = await resources.compute(facturx.prove, presentation)
    except Unreadable as refused:
        raise Malformed("the logo cannot stand on a page", refused.findings) from refused
    await branding.write(resources.pool, account.id, presentation, resources.clock.now())
    return shapes.answer(_shape(presentation))


async def remove(request: web.Request) -> web.Response:
    """Back to the plain page."""
    queries.only(request, ())
    await branding.remove(request.app[RESOURCES].pool, request[CALLER].account.id)
    return web.Response(status=204)


def _shape(found: Presentation) -> dict[str, Any]:
    return {"accent": found.accent, "pay_link": found.pay_link, "logo": _logo_shape(found.logo)}


def _logo_shape(one: Logo | None) -> dict[str, Any] | None:
    if one is None:
        return None
    digest = sha256(one.data).hexdigest()
    return {"media_type": one.media_type, "size": len(one.data), "sha256": digest, "text": one.text}


def _text(checked: Any) -> Any:
    def read_text(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError
        return str(checked(value))

    return read_text


def _logo(value: Any) -> tuple[bytes, str]:
    if value is None:
        return b"", ""
    if not isinstance(value, dict) or set(value) != {"data", "text"}:
        raise ValueError
    if not isinstance(value["data"], str) or not isinstance(value["text"], str) or not value["data"]:
        raise ValueError
    try:
        return base64.b64decode(value["data"].encode("ascii"), validate=True), value["text"]
    except (binascii.Error, UnicodeEncodeError) as wrong:
        raise ValueError from wrong
