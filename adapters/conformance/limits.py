"""Limits: what says "too many" says for how long, and the agreed rate is never too many."""

from __future__ import annotations

import asyncio

from adapters.conformance import expect
from adapters.conformance.counterpart import Counterpart, fails, shown
from adapters.conformance.verdict import Needs, Scenario, Skips, Text

SEARCH = {"where": {"updatedAfter": "2100-01-01T00:00:00Z"}, "limit": 1}


async def hold_at_the_agreed_rate(it: Counterpart) -> None:
    """At the rate of this run nothing was refused as too many.

    OpenAPI 1.3.0, Error429Response: the client emitted too many requests.
    """
    many = [one for one in it.exchanges if one.answer.status == 429]
    it.facts["too_many"] = len(many)
    if many:
        rate = f"{it.access.rate:g}/s"
        raise fails(Text(f"no 429 at {rate}", f"pas de 429 à {rate}"), f"{len(many)} × 429")


async def say_how_long(it: Counterpart) -> None:
    """Each 429 says for how long to wait.

    RFC 9110, 10.2.3: Retry-After; OpenAPI 1.3.0, Error429Response.
    """
    many = [one for one in it.exchanges if one.answer.status == 429]
    if not many:
        raise Skips(Text("nothing was too many (--burst tries it)", "rien n'a dépassé (--burst l'essaie)"))
    for one in many:
        if one.answer.retry_in(it.now()) is None:
            raise fails("Retry-After", shown(one.answer))


async def hold_against_a_burst(it: Counterpart) -> None:
    """Many calls at once are answered or refused with 429, never with a breakdown.

    OpenAPI 1.3.0, Error429Response, Error503Response.
    """
    token = await it.token()
    quick = Counterpart(it.access, it.now, unpaced=True)
    headers: dict[str, str | None] = {"Authorization": f"Bearer {token}"}
    try:
        calls = (quick.call("POST", "/v1/flows/search", SEARCH, headers, patient=False) for _ in range(it.access.burst))
        answers = await asyncio.gather(*calls)
    finally:
        await quick.close()
    it.exchanges += quick.exchanges
    it.facts["burst"] = sum(answer.status == 200 for answer in answers)
    for answer in answers:
        expect.status(answer, 200, 429, 503)


SCENARIOS = (
    Scenario(hold_at_the_agreed_rate, "À la cadence de cet essai, rien n'a été refusé comme trop fréquent"),
    Scenario(hold_against_a_burst, "Beaucoup d'appels à la fois : réponse ou 429, jamais de panne", Needs.BURST),
    Scenario(say_how_long, "Chaque 429 dit combien de temps attendre"),
)
