"""The Flow Service of XP Z12-013 1.3.0: hand a flow in, search, read one.

The same bytes of the same account are one flow. Handed in again under the same trackingId they are answered like the
first time; under another, or none, they are refused as AlreadyExistingFlow, with the first one's address in `instance`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from gateway.api import access, bodies, contents, derive, documents, health
from gateway.api import shapes as native
from gateway.api.afnor import messages, questions, shapes
from gateway.api.afnor.answers import BASE, Wrong, told
from gateway.api.afnor.checks import Examined, examine, hold
from gateway.api.auth import CALLER, PARTICIPANT
from gateway.api.keys import RESOURCES, RING
from gateway.api.limits import LIMITS
from gateway.api.metrics import METRICS
from gateway.compute import Interrupted
from gateway.errors import Busy, NotFound, TooLarge, UnknownFormat
from gateway.lifecycle import Kept, Role
from gateway.resources import Resources
from gateway.stages.receive import MEDIA_TYPES, SIZE_LIMIT, refused
from gateway.store import documents as stored
from gateway.store import flows
from gateway.store.accounts import Account
from gateway.store.documents import Document
from gateway.store.flows import UNDEFINED, Flow, NewFlow
from gateway.store.identifiers import new_id
from schemas.catalogue import MESSAGES
from schemas.xml import Unreadable

_PARTS = {"flowInfo": bodies.SMALL, "file": SIZE_LIMIT}
_ID = re.compile(r"([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})(?:-([1-9][0-9]{0,14}))?")


async def submit(request: web.Request) -> web.Response:
    """Take a flow in, once for its bytes, and answer after it is stored."""
    caller, counted = request[CALLER], request.app[METRICS].submissions
    try:
        with request.app[LIMITS].upload(caller.public_id) as budget:
            if request.content_type != "multipart/form-data":
                raise Wrong(400, "INVALID_CONTENT_TYPE", "a flow comes as multipart/form-data: flowInfo and file")
            parts = await bodies.form(request, budget, _PARTS)
            flow, digest, again = await _taken(request, parts)
    except BaseException:
        counted.labels("refused").inc()
        raise
    counted.labels("replayed" if again else "admitted").inc()
    request.app[RING]()
    return native.answer(shapes.full_info(flow, digest), status=202)


async def search(request: web.Request) -> web.Response:
    """Flows by criteria, oldest change first."""
    asked = questions.search(bodies.members_of(await bodies.read(request, bodies.SMALL), "the body"))
    resources, account = request.app[RESOURCES], request[CALLER].account
    wanted = replace(asked.wanted, participant=_organization(request))
    found = await flows.search(resources.pool, account.id, wanted, asked.after, asked.limit + 1)
    page = found[: asked.limit]
    reports = await reports_of(resources, account.id, page)
    shape: dict[str, Any] = {
        "limit": asked.limit,
        "filters": asked.where,
        "results": [shapes.whole(flow, reports.get(flow.report)) for flow in page],
    }
    if len(found) > len(page):
        shape["nextCursor"] = questions.cursor(page[-1].updated_at)
    return native.answer(shape)


async def read(request: web.Request) -> web.StreamResponse:
    """One flow: what is known of it, or one of its files."""
    wanted = request.query.get("docType", "Metadata")
    if wanted not in questions.DOC_TYPES or len(request.query.getall("docType", [])) > 1:
        raise Wrong(400, "INVALID_FIELD", f"docType is one of {', '.join(questions.DOC_TYPES)}")
    resources, account = request.app[RESOURCES], request[CALLER].account
    document_id, seq = _parse_id(request.match_info["flowId"])
    flow = await flows.get(resources.pool, account.id, document_id, seq)
    if _organization(request) not in (None, flow.participant):
        raise NotFound("there is no such flow of this organization")
    if wanted == "Metadata":
        reports = await reports_of(resources, account.id, (flow,))
        return native.answer(shapes.whole(flow, reports.get(flow.report)))
    document = await documents.find(resources, account, document_id)
    await access.opened(request, document, wanted)
    found = await _file(resources, account, document, flow, wanted)
    headers = {"Content-Disposition": _disposition(shapes.name(flow), found.media_type), **derive.headers(found.losses)}
    return web.Response(body=found.data, headers=headers, content_type="application/octet-stream")


async def healthcheck(request: web.Request) -> web.Response:
    """Whether requests should come here."""
    told = await health.ready(request)
    if told.status != 200:
        raise Busy("the gateway is not ready")
    return web.Response()


# Handing in ----------------------------------------------------------------------------------------------------------


async def _taken(request: web.Request, parts: dict[str, bodies.Part]) -> tuple[Flow, str, bool]:
    """The flow of a request, its hash, and whether it was there before. Raises Wrong and what readers raise."""
    for name in _PARTS:
        if name not in parts:
            raise Wrong(400, "MISSING_REQUIRED_FIELD", f"the part {name} is missing")
    asked = questions.flow_info(bodies.members_of(parts["flowInfo"].data, "flowInfo"))
    data = parts["file"].data
    digest = sha256(data).hexdigest()
    if not data:
        raise Wrong(422, "EmptyFlow", "the file is empty")
    if asked.sha256 is not None and asked.sha256 != digest:
        raise Wrong(422, "ChecksumMismatch", "the file's sha256 is not the one that flowInfo gives")
    resources, account = request.app[RESOURCES], request[CALLER].account
    examined = await _examined(data, asked.info.rule not in (None, UNDEFINED), resources)
    hold(asked.info, examined)
    if examined.format in MESSAGES and examined.format != flows.STATUS_MESSAGE:
        raise Wrong(
            422, "FlowTypeError", "e-reporting (FRR, flux 10) is not taken here; CII, UBL, Factur-X and CDAR are"
        )
    now = resources.clock.now()
    media_type = MEDIA_TYPES.get(examined.format, "application/xml")
    new = NewFlow(
        account_id=account.id,
        document_id=new_id(now),
        participant=request[PARTICIPANT],
        format=examined.format,
        kept=Kept(Role.SUBMISSION, media_type, data),
        at=now,
        info=asked.info,
    )
    if examined.format == flows.STATUS_MESSAGE:
        admission = await messages.submit(new, request[CALLER], resources)
    else:
        admission = await flows.admit(resources.pool, new)
    if not admission.ours:
        raise Wrong(
            422,
            "AlreadyExistingFlow",
            "the same content was handed in before",
            instance=f"{BASE}/v1/flows/{admission.document_id}",
        )
    return await flows.get(resources.pool, account.id, admission.document_id, 0), digest, admission.again


async def _examined(data: bytes, parties: bool, resources: Resources) -> Examined:
    try:
        found: Examined = await resources.compute(examine, data, parties)
    except Unreadable as unreadable:
        error = refused(unreadable.findings)
        if isinstance(error, TooLarge):
            raise error from unreadable
        code = "FlowTypeError" if isinstance(error, UnknownFormat) else "InvalidSchema"
        raise Wrong(422, code, error.detail, details=told(error)) from unreadable
    except Interrupted as interrupted:
        raise Busy("the flow could not be looked at; try again") from interrupted
    return found


def _organization(request: web.Request) -> str | None:
    """The legal entity named in Organization-Id; without it a search shows the flows of all of the account's."""
    return request[PARTICIPANT] if "Organization-Id" in request.headers else None


# Reading -------------------------------------------------------------------------------------------------------------


def _parse_id(text: str) -> tuple[UUID, int]:
    found = _ID.fullmatch(text)
    if found is None:
        raise NotFound("there is no such flow")
    return UUID(found[1]), int(found[2] or 0)


async def reports_of(resources: Resources, account_id: UUID, shown: Iterable[Flow]) -> dict[str | None, dict[str, Any]]:
    """The reports whose findings are told with these flows, by their hash; those whose retention has ended are gone."""
    wanted = {flow.report for flow in shown if flow.report is not None}
    found: dict[str | None, dict[str, Any]] = {}
    if wanted:
        async with resources.pool.account(account_id) as connection:
            for sha256_ in wanted:
                with suppress(NotFound):
                    found[sha256_] = json.loads(await stored.read(connection, sha256_))
    return found


async def _file(
    resources: Resources, account: Account, document: Document, flow: Flow, wanted: str
) -> contents.Content:
    """The bytes of a flow. Raises NotFound, Gone, Underivable, Corrupt."""
    if flow.seq:
        if wanted != "Original":
            raise NotFound(f"there is no {wanted} of a status message")
        return await contents.kept(resources, account, document, Role.STATUS, flow.seq)
    match wanted:
        case "Original":
            return await contents.kept(resources, account, document, _submitted(document), 0)
        case "Converted":
            original = document.content(Role.ORIGINAL)
            if original is None or original.sha256 == _digest(document, _submitted(document)):
                raise NotFound("nothing was made of this flow: it is kept as it came, or not built yet")
            return await contents.kept(resources, account, document, Role.ORIGINAL, 0)
        case _:
            if document.format in MESSAGES:
                raise NotFound("there is no ReadableView of a status message")
            return await contents.form(resources, account, document, "page", accept=True)


def _submitted(document: Document) -> Role:
    """Where the file is that the emitter gave, in a syntax that the standard knows: our JSON form is none."""
    if document.format == "json" and document.content(Role.XML) is not None:
        return Role.XML
    if document.format == "pdf" and document.content(Role.ORIGINAL) is not None:
        return Role.ORIGINAL
    return Role.SUBMISSION


def _digest(document: Document, role: Role) -> str | None:
    reference = document.content(role)
    return reference.sha256 if reference else None


def _disposition(name: str, media_type: str) -> str:
    """To be saved under the flow's name (RFC 6266), without the space that the standard's pattern has no place for."""
    ending = ".pdf" if media_type == "application/pdf" else ".xml"
    stem = name.removesuffix(".xml").removesuffix(".pdf")[:120] or "flow"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in stem)
    return f"attachment;filename=\"{plain}{ending}\";filename*=UTF-8''{quote(stem, safe='')}{ending}"
