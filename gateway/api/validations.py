"""A verdict without a document: judge what is sent, as the line would, and keep nothing of it.

Status messages (CDAR) and e-reporting (flux 10), which nobody submits as documents, are judged here too.
"""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

from gateway.api import bodies, problems, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.api.limits import LIMITS
from gateway.errors import Busy, Malformed, UnknownFormat
from gateway.stages.receive import SIZE_LIMIT
from schemas.finding import Verdict
from schemas.judge import judge

RULES = ("fr", "en16931")
_TAKEN = ("application/json", "application/xml", "text/xml", "application/pdf", "application/octet-stream")


async def validate(request: web.Request) -> web.Response:
    """Judge the body by the account's rules, or by those named; an invoice that breaks rules is an answer, no error."""
    queries.only(request, ("rules",))
    caller = request[CALLER]
    rules = request.query.get("rules", "fr" if caller.account.french else "en16931")
    if rules not in RULES:
        raise Malformed(f"the parameter rules must be one of {', '.join(RULES)}")
    if request.content_type not in _TAKEN:
        raise UnknownFormat("a verdict is given on JSON, XML or PDF")
    resources = request.app[RESOURCES]
    hybrid = caller.account.original == "facturx"
    with request.app[LIMITS].upload(caller.public_id) as budget:
        data = await bodies.read(request, SIZE_LIMIT, budget)
        if not data:
            raise Malformed("the body is empty; a verdict is given on JSON, XML or PDF")
        report = await resources.compute(judge, data, french=rules == "fr", folder=resources.rules, hybrid=hybrid)
    shape = report.as_json()
    if report.verdict is Verdict.UNJUDGED:
        busy = Busy("a layer of the rules could not run, so there is no verdict", timedelta(seconds=30))
        return problems.answer(request, busy, findings=shape["findings"], checked=shape["layers"])
    return shapes.answer(shape)
