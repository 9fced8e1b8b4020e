"""What a rule or a business term is: what findings name, for programs that show it to people."""

from __future__ import annotations

from aiohttp import web

from gateway.api import queries, shapes
from gateway.api.keys import RESOURCES
from gateway.errors import NotFound
from schemas import reference


async def rule(request: web.Request) -> web.Response:
    """A rule by its id, in both languages, with the editions in force today."""
    queries.only(request, ())
    resources = request.app[RESOURCES]
    name = request.match_info["id"]
    found = await resources.compute(reference.rule, name, resources.rules, resources.clock.now().date())
    if found is None:
        raise NotFound(_unknown("rule", name))
    return shapes.answer(found)


async def term(request: web.Request) -> web.Response:
    """A business term or group by its id: where it is in each syntax, and the rules that speak of it."""
    queries.only(request, ())
    resources = request.app[RESOURCES]
    name = request.match_info["id"]
    found = await resources.compute(reference.term, name, resources.rules, resources.clock.now().date())
    if found is None:
        raise NotFound(_unknown("business term", name))
    return shapes.answer(found)


def _unknown(kind: str, name: str) -> str:
    """Which there is none of, and what is spelled most alike."""
    near = reference.nearest(name[:100])
    return f"there is no {kind} of this id" + (f"; nearest: {', '.join(near)}" if near else "")
