"""What a platform can do, asked without changing anything: health, edition, and whether a search by trackingId counts.

The standard has no call that tells its edition. So it is told by what is new in 1.3.0 and refused before: flow types,
and identifiers of 64 characters; a platform that takes any value of a list has none. Nothing a probe says is needed to
deliver: the client sees with each answer what it has to do, and the probe tells it, and people, before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from adapters import http
from adapters.port import Capabilities

Call = Callable[[str, str, Mapping[str, Any] | None], Awaitable[http.Answer]]
"""Method, path and members of the body; raises Unreachable."""

FAR = "2100-01-01T00:00:00Z"
LATEST, FORMER = "1.3.0", "1.2.0"
_NOBODY = "estafette-probe-nobody-gave-this"


async def probe(call: Call, now: datetime) -> Capabilities:
    """Ask a platform what it can do. Raises Unreachable."""
    health = await call("GET", "/v1/healthcheck", None)
    nobody = await _search(call, {"trackingId": _NOBODY})
    long = await _search(call, {"trackingId": _NOBODY.ljust(64, "-")})
    nonsense = await _search(call, {"flowType": ["LoveLetter"], "updatedAfter": FAR})
    new = await _search(call, {"flowType": ["StatePaymentReport"], "updatedAfter": FAR})
    hooks = await call("GET", "/v1/webhooks", None)
    news = [answer.status == 200 for answer in (long, new)]
    edition = "" if nonsense.status == 200 or new.status >= 500 else LATEST if all(news) else FORMER
    return Capabilities(
        at=now,
        healthy=health.status == 200,
        edition=edition,
        tracking=nobody.status == 200 and http.members_of(nobody.body).get("results") == [],
        webhooks=hooks.status == 200 and "count" in http.members_of(hooks.body),
        answers=nobody.status,
    )


async def _search(call: Call, where: Mapping[str, Any]) -> http.Answer:
    return await call("POST", "/v1/flows/search", {"limit": 1, "where": where})
