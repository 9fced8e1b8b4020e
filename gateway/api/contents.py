"""The bytes of a document: what is kept, exactly as kept; other forms, derived from it when they can be."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from aiohttp import web

from gateway.api import access, queries
from gateway.api.auth import CALLER
from gateway.api.derive import FORMS, derive, headers
from gateway.api.documents import find
from gateway.api.keys import RESOURCES
from gateway.errors import Malformed, NotFound, Underivable
from gateway.lifecycle import Role, Stage
from gateway.resources import Resources
from gateway.store import branding, documents
from gateway.store.accounts import Account
from gateway.store.documents import Document
from schemas.conversion import Converted, Lost, Wish

KEPT = tuple(str(role) for role in Role)
"""What is kept of a document can be asked for by its role."""

_ENDINGS = {"application/pdf": "pdf", "application/xml": "xml", "application/json": "json"}


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to hand out."""

    media_type: str
    data: bytes
    losses: tuple[Lost, ...] = ()
    """What it lacks of the document."""


async def content(request: web.Request) -> web.Response:
    """The document in the form named by `as`; `seq` chooses among several kept in one role.

    A form that would lack something is given only with `accept_losses=true`, and names it in a header.
    """
    queries.only(request, ("as", "seq", "accept_losses", *access.PARAMETERS))
    wanted = request.query.get("as", "original")
    if wanted not in (*KEPT, *FORMS):
        raise Malformed(f"the parameter as must be one of {', '.join((*KEPT, *FORMS))}")
    seq = queries.number(request, "seq", 0, 1, 2**62)
    accept = queries.optional(request, "accept_losses", queries.truth, says="true or false") or False
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, queries.document_id(request))
    await access.opened(request, document, wanted)
    if wanted in KEPT:
        found = await kept(resources, account, document, Role(wanted), seq)
    else:
        found = await form(resources, account, document, wanted, accept)
    return _answer(request, document, wanted, found)


async def kept(resources: Resources, account: Account, document: Document, role: Role, seq: int) -> Content:
    """What is kept in a role: of an event when it is named, else the newest. Raises NotFound, Corrupt."""
    references = [one for one in document.contents if one.role is role and seq in (0, one.seq)]
    if not references:
        raise NotFound(f"nothing is kept of this document as {role}" + (f" with event {seq}" if seq else ""))
    async with resources.pool.account(account.id) as connection:
        data = await documents.read(connection, references[-1].sha256)
    return Content(references[-1].media_type, data)


async def form(resources: Resources, account: Account, document: Document, form: str, accept: bool) -> Content:
    """Another form: the kept bytes where they are in it, else derived. Raises Underivable, NotFound, Corrupt."""
    role = _kept_form(document, form)
    if role is not None:
        return await kept(resources, account, document, role, 0)
    if document.facts.get(Stage.PARSED, {}).get("format") is None:
        raise Underivable("the document has not been read yet, or cannot be")
    xml = await kept(resources, account, document, _structured(document), 0)
    created = document.created_at.replace(microsecond=0)
    look = await branding.read(resources.pool, account.id)
    wish = Wish(
        form,
        created,
        language=resources.language,
        accept_losses=accept,
        rules=resources.rules,
        presentation=look,
    )
    derived: Converted = await resources.compute(derive, xml.data, wish)
    return Content(derived.media_type, derived.data, derived.losses)


def _kept_form(document: Document, form: str) -> Role | None:
    """The role in which a form is kept already; None when it must be derived."""
    built = document.facts.get(Stage.BUILT, {}).get("format")
    parsed = str(document.facts.get(Stage.PARSED, {}).get("format"))
    match form:
        case "facturx" if built == "facturx":
            return Role.ORIGINAL
        case "page" if built == "facturx":
            return Role.ORIGINAL
        case "facturx" | "page" if document.format == "facturx":
            return Role.SUBMISSION
        case "json" if (beside := document.content(Role.DATA)) and beside.media_type == "application/json":
            return Role.DATA
        case "json" if document.format == "json":
            return Role.SUBMISSION
        case "cii" if parsed == "cii":
            return _structured(document)
        case "ubl" if parsed.startswith("ubl"):
            return _structured(document)
        case _:
            return None


def _structured(document: Document) -> Role:
    """Where the structured invoice is kept."""
    return next((role for role in (Role.XML, Role.DATA) if document.content(role) is not None), Role.SUBMISSION)


def _answer(request: web.Request, document: Document, wanted: str, found: Content) -> web.Response:
    digest = sha256(found.data)
    tag = f'"{digest.hexdigest()}"'
    code = base64.b64encode(digest.digest()).decode()
    named = {
        "ETag": tag,
        "Digest": f"sha-256={code}",
        "Repr-Digest": f"sha-256=:{code}:",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": disposition(document.number or str(document.id), wanted, found.media_type),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Type": found.media_type,
        **headers(found.losses),
    }
    if tag in request.headers.get("If-None-Match", ""):
        named.pop("Content-Type")
        return web.Response(status=304, headers=named)
    return web.Response(body=found.data, headers=named)


def disposition(number: str, wanted: str, media_type: str) -> str:
    """To be saved under the document's number (RFC 6266)."""
    ending = _ENDINGS.get(media_type.partition(";")[0].strip(), "bin")
    named = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in number)
    name = f"{named[:80]}-{wanted}.{ending}"
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
