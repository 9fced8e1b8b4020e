"""What a file is, told without taking it: format, container, claims against contents, page against XML."""

from __future__ import annotations

from aiohttp import web

from gateway.api import bodies, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.api.limits import LIMITS
from gateway.errors import Malformed
from gateway.stages.receive import SIZE_LIMIT
from schemas.inspection import inspect


async def create(request: web.Request) -> web.Response:
    """Inspect the body, whatever it is declared to be; a broken or hostile file is an answer, no error."""
    queries.only(request, ())
    with request.app[LIMITS].upload(request[CALLER].public_id) as budget:
        data = await bodies.read(request, SIZE_LIMIT, budget)
        if not data:
            raise Malformed("the body is empty; send the bytes of one file")
        found = await request.app[RESOURCES].compute(inspect, data)
    return shapes.answer(found.as_json())
