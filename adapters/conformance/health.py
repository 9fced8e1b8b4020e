"""The health check, and the addresses of the service."""

from __future__ import annotations

from adapters.conformance import expect
from adapters.conformance.counterpart import Counterpart
from adapters.conformance.verdict import Scenario, Skips, Text


async def is_up(it: Counterpart) -> None:
    """The health check answers 200 when the service is up.

    OpenAPI 1.3.0, GET /v1/healthcheck.
    """
    answer = await it.call("GET", "/v1/healthcheck")
    it.facts["healthcheck"] = answer.status == 200
    expect.status(answer, 200)


async def needs_no_token(it: Counterpart) -> None:
    """The health check can be asked without a token, as monitors do.

    OpenAPI 1.3.0 says no 401 for GET /v1/healthcheck.
    """
    answer = await it.call("GET", "/v1/healthcheck", headers={"Authorization": None})
    if answer.status in (401, 403):
        says = Text(
            "it asks for a token, as the general rule allows", "il demande un jeton, ce que permet la règle générale"
        )
        raise Skips(says)
    expect.status(answer, 200)


async def takes_a_request_id(it: Counterpart) -> None:
    """A Request-Id that is no UUID breaks nothing.

    OpenAPI 1.3.0, header Request-Id: uuid, for logs only.
    """
    expect.no_breakdown(await it.call("GET", "/v1/healthcheck", headers={"Request-Id": "not-a-uuid"}))


SCENARIOS = (
    Scenario(is_up, "Le contrôle de santé répond 200 quand le service est disponible"),
    Scenario(needs_no_token, "Le contrôle de santé s'interroge sans jeton, comme font les outils de surveillance"),
    Scenario(takes_a_request_id, "Un Request-Id qui n'est pas un UUID ne casse rien"),
)
