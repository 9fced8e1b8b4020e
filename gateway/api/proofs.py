"""Proofs over HTTP: the ZIP a stranger checks offline, the latest checkpoint, and that it only adds to an older one."""

from __future__ import annotations

import base64

from aiohttp import web

from gateway import proof
from gateway.api import access, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.documents import find
from gateway.api.keys import PROVING, RESOURCES
from gateway.errors import Malformed, NotFound
from gateway.store import tree
from signing.chain import instant

LARGEST = 2**62


async def bundle(request: web.Request) -> web.Response:
    """Everything kept of the document, its events, their paths in the tree, the checkpoint, and the verifier."""
    queries.only(request, access.PARAMETERS)
    resources, account = request.app[RESOURCES], request[CALLER].account
    document = await find(resources, account, queries.document_id(request))
    await access.opened(request, document, "proof")
    async with request.app[PROVING]:
        data = await proof.bundle(resources, account.id, document.id)
    headers = {
        "Content-Disposition": f'attachment; filename="proof-{document.id}.zip"',
        "Cache-Control": "private, no-store",
    }
    return web.Response(body=data, content_type="application/zip", headers=headers)


async def checkpoint(request: web.Request) -> web.Response:
    """The latest checkpoint, and the public line of the key that signs now. Raises NotFound before the first."""
    queries.only(request, ("from",))
    resources = request.app[RESOURCES]
    old = queries.number(request, "from", 0, 1, LARGEST)
    async with resources.pool.account(request[CALLER].account.id, snapshot=True) as connection:
        latest = await tree.last(connection)
        if latest is None:
            raise NotFound("nothing has been published yet")
        if old > latest.size:
            raise Malformed(f"the tree has {latest.size} leaves: a checkpoint of {old} is not one of this archive")
        path = await tree.consistency_from(connection, old, latest.size) if old else None
    members = {
        "size": latest.size,
        "root": base64.b64encode(latest.root).decode(),
        "at": instant(latest.at),
        "note": latest.note,
        "key": resources.notary.signer.verifier.line(),
    }
    if path is not None:
        members |= {"from": old, "consistency": [base64.b64encode(one).decode() for one in path]}
    return shapes.answer(members, headers={"Cache-Control": "no-store"})
