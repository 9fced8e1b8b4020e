"""A verdict without a document: judge what is sent, as the line would, and keep nothing of it.

Where it is asked for, the buyer's address is looked up as well, as the line does before an invoice takes its number.
Status messages (CDAR) and e-reporting (flux 10), which nobody submits as documents, are judged here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from gateway import addresses, customers
from gateway.api import bodies, problems, queries, shapes
from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.api.limits import LIMITS
from gateway.errors import Busy, Malformed, UnknownFormat
from gateway.resources import Resources
from gateway.stages import parse
from gateway.stages.receive import SIZE_LIMIT
from gateway.store.accounts import Account
from schemas.finding import Layer, LayerVerdict, Severity, Verdict
from schemas.invoice import SELF_BILLED_TYPES
from schemas.judge import judge
from schemas.xml import Unreadable

RULES = ("fr", "en16931")
_TAKEN = ("application/json", "application/xml", "text/xml", "application/pdf", "application/octet-stream")


async def validate(request: web.Request) -> web.Response:
    """Judge the body by the account's rules, or by those named; an invoice that breaks rules is an answer, no error."""
    queries.only(request, ("rules", "address"))
    looks = queries.optional(request, "address", _checked, says="check") is not None
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
        address = await _address(caller.account, data, resources) if looks else None
    shape = report.as_json()
    if report.verdict is Verdict.UNJUDGED:
        busy = Busy("a layer of the rules could not run, so there is no verdict", timedelta(seconds=30))
        return problems.answer(request, busy, findings=shape["findings"], checked=shape["layers"])
    return shapes.answer(shape if address is None else _joined(shape, address))


async def _address(account: Account, data: bytes, resources: Resources) -> dict[str, Any]:
    """What is known of the address to which an invoice goes (BT-49, self-billed BT-34); unreadable, it names none."""
    try:
        columns: Mapping[str, Any] = (await resources.compute(parse.parse, data)).columns
    except Unreadable:
        columns = {}
    scheme, value = str(columns.get("buyer_scheme") or ""), str(columns.get("buyer_address") or "")
    looked = await addresses.look(account.id, scheme, value, resources)
    to_seller = columns.get("type_code") in SELF_BILLED_TYPES
    return customers.as_json(scheme, value, looked, resources, to_seller=to_seller)


def _joined(shape: dict[str, Any], address: dict[str, Any]) -> dict[str, Any]:
    """A report with the address: one at which nobody receives makes it invalid, one that nobody answers about warns."""
    found = address["finding"]
    if found is None:
        return {**shape, "address": address}
    joined = {**shape, "findings": [*shape["findings"], found], "address": address}
    if found["severity"] != Severity.FATAL:
        return joined
    failed = Layer(found["layer"], "", LayerVerdict.FAILED).as_json()
    layers = [layer for layer in shape["layers"] if layer["name"] != found["layer"]]
    return {**joined, "verdict": str(Verdict.INVALID), "layers": [*layers, failed]}


def _checked(given: str) -> str:
    if given != "check":
        raise ValueError
    return given
