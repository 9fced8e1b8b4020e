"""What others issued to the account, over HTTP: bring it in, and say that it was seen.

An account whose software receives elsewhere brings its documents here to have them judged and archived. What can be
read is kept, valid or not: nobody can refuse to have received it.
"""

from __future__ import annotations

from aiohttp import web

from gateway.api import documents, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES, RING
from gateway.stages import receive
from gateway.store import seen


async def submit(request: web.Request) -> web.Response:
    """Take in what the account received elsewhere, once for its Idempotency-Key."""
    return await documents.taken_in(request, receive.receive_inbound, refuses=False)


async def mark_seen(request: web.Request) -> web.Response:
    """Say that the account has seen a document; the same again changes nothing."""
    queries.only(request, ())
    resources, caller = request.app[RESOURCES], request[CALLER]
    document = await documents.find(resources, caller.account, queries.document_id(request))
    async with resources.pool.account(caller.account.id) as connection:
        new = await seen.mark(connection, caller.account.id, document.id, caller.public_id, resources.clock.now())
    if new:
        request.app[RING]()
    document = await documents.find(resources, caller.account, document.id)
    return shapes.answer(shapes.summary(document))
