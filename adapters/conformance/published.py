"""Every answer of this run, held against the published OpenAPI file, or against what we know of it."""

from __future__ import annotations

from collections import Counter

from adapters.conformance.counterpart import DIRECTORY, FLOW, Counterpart, fails
from adapters.conformance.shape import complaint
from adapters.conformance.verdict import Needs, Scenario, Skips, Text

_SHOWN = 3


async def submitting(it: Counterpart) -> None:
    """Each answer to handing a flow in is as described.

    OpenAPI 1.3.0, POST /v1/flows.
    """
    _hold(it, FLOW, "/v1/flows")


async def searching(it: Counterpart) -> None:
    """Each answer to a search is as described.

    OpenAPI 1.3.0, POST /v1/flows/search.
    """
    _hold(it, FLOW, "/v1/flows/search")


async def reading(it: Counterpart) -> None:
    """Each answer to reading a flow is as described.

    OpenAPI 1.3.0, GET /v1/flows/{flowId}.
    """
    _hold(it, FLOW, "/v1/flows/{flowId}")


async def subscribing(it: Counterpart) -> None:
    """Each answer to listing webhooks and subscribing is as described.

    OpenAPI 1.3.0, GET and POST /v1/webhooks.
    """
    _hold(it, FLOW, "/v1/webhooks")


async def unsubscribing(it: Counterpart) -> None:
    """Each answer to unsubscribing is as described.

    OpenAPI 1.3.0, DELETE /v1/webhooks/{webhookUid}.
    """
    _hold(it, FLOW, "/v1/webhooks/{webhookUid}")


async def health(it: Counterpart) -> None:
    """Each answer of the health check is as described.

    OpenAPI 1.3.0, GET /v1/healthcheck.
    """
    _hold(it, FLOW, "/v1/healthcheck")


async def directory(it: Counterpart) -> None:
    """Each answer of the Directory Service is as described.

    Directory OpenAPI 1.3.0, all operations.
    """
    _hold(it, DIRECTORY, None)


def _hold(it: Counterpart, service: str, operation: str | None) -> None:
    """The answers of an operation, or of all. Raises Fails with the most frequent complaints, Skips."""
    asked = [
        one for one in it.exchanges if one.service == service and one.operation and operation in (None, one.operation)
    ]
    if not asked:
        raise Skips(Text("it was not asked", "non interrogé"))
    said = Counter(
        f"{one.method} {one.operation} {wrong}"
        for one in asked
        if (wrong := complaint(it.descriptions[service], one.method, one.operation, one.answer)) is not None
    )
    if said:
        told = "; ".join(f"{text} (× {count})" for text, count in said.most_common(_SHOWN))
        more = f" (+ {len(said) - _SHOWN})" if len(said) > _SHOWN else ""
        where = Text("as described for the operation", "conforme à la description de l'opération")
        raise fails(where, f"{told}{more}")


SCENARIOS = (
    Scenario(submitting, "Chaque réponse à un dépôt est conforme à sa description"),
    Scenario(searching, "Chaque réponse à une recherche est conforme à sa description"),
    Scenario(reading, "Chaque réponse à la lecture d'un flux est conforme à sa description"),
    Scenario(subscribing, "Chaque réponse à la liste des webhooks et à un abonnement est conforme à sa description"),
    Scenario(unsubscribing, "Chaque réponse à une résiliation est conforme à sa description"),
    Scenario(health, "Chaque réponse du contrôle de santé est conforme à sa description"),
    Scenario(directory, "Chaque réponse de l'annuaire est conforme à sa description", Needs.DIRECTORY),
)
