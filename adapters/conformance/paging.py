"""Going through all flows page by page: nothing is lost, nothing comes twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

from adapters.conformance import expect
from adapters.conformance.counterpart import Counterpart, fails, members
from adapters.conformance.deposits import EPOCH
from adapters.conformance.verdict import Scenario, Skips, Text

ALL = {"updatedAfter": EPOCH}
ENOUGH = 60
"""Flows that are paged through; where there are more, from the newest ones back."""


async def by_cursor(it: Counterpart) -> None:
    """A page that is not the last bears nextCursor, which leads to the next one.

    OpenAPI 1.3.0, POST /v1/flows/search: pagination with cursors; new in 1.3.0.
    """
    await _several(it, 2)
    first = await it.search(ALL, limit=1)
    found, cursor = expect.results(first), members(first).get("nextCursor")
    it.facts["cursors"] = False
    if not isinstance(cursor, str) or not cursor:
        raise fails("nextCursor", ", ".join(sorted(members(first))))
    second = expect.results(await it.search(ALL, limit=1, cursor=cursor))
    if not second or second[0].get("flowId") == found[0].get("flowId"):
        raise fails(Text("the flow after that", "le flux suivant"), Text("the same, or none", "le même, ou aucun"))
    it.facts["cursors"] = True


async def loses_nothing(it: Counterpart) -> None:
    """Page by page, with two flows a page, each flow is there once.

    OpenAPI 1.3.0, schema Cursor: a bookmark; what dates alone lose.
    """
    expected = await _several(it, 3)
    _hold(expected, await _walk(it, expected, 2))


async def loses_no_ties(it: Counterpart) -> None:
    """Flows that were updated at the same instant are all there, though a page ends between them.

    OpenAPI 1.3.0, pagination: cursors are more secure than dates.
    """
    expected = await _several(it, 2)
    times = Counter(str(one.get("updatedAt")) for one in expected)
    tied = [one for one in expected if times[str(one.get("updatedAt"))] > 1]
    if not tied:
        raise Skips(Text("no two flows were updated at the same instant", "aucun instant de mise à jour partagé"))
    _hold(tied, await _walk(it, expected, 1))


async def ends(it: Counterpart) -> None:
    """The last page bears no nextCursor.

    OpenAPI 1.3.0, nextCursor: if omitted, says that pagination is finished.
    """
    answer = await it.search({"updatedAfter": "2100-01-01T00:00:00Z"}, limit=1)
    expect.results(answer)
    if members(answer).get("nextCursor"):
        raise fails(Text("no nextCursor", "pas de nextCursor"), "nextCursor")


async def full_last_page_ends(it: Counterpart) -> None:
    """Where as many flows are left as a page has, the page after it is empty or there is none.

    OpenAPI 1.3.0, nextCursor: a full page that is the last one.
    """
    expected = await _several(it, 1)
    walked = await _walk(it, expected, min(len(expected), 100))
    _hold(expected, walked)


async def unknown_cursor(it: Counterpart) -> None:
    """A cursor that the platform did not give is refused.

    OpenAPI 1.3.0, schema Cursor: opaque.
    """
    expect.error(await it.search(ALL, cursor="none-of-yours"), 400, 422)


async def the_same_page_again(it: Counterpart) -> None:
    """A page can be asked for again under its cursor.

    OpenAPI 1.3.0, schema Cursor: acts as a bookmark; a client asks again after a lost answer.
    """
    await _several(it, 3)
    cursor = members(await it.search(ALL, limit=1)).get("nextCursor")
    if not cursor:
        raise Skips(Text("it gives no cursor", "elle ne donne pas de curseur"))
    pages = [
        [one.get("flowId") for one in expect.results(await it.search(ALL, limit=1, cursor=cursor))] for _ in (1, 2)
    ]
    expect.equal("flowId", pages[1], pages[0])


async def _several(it: Counterpart, least: int) -> list[dict[str, Any]]:
    """The flows to page through. Raises Skips when there are fewer."""
    found = await it.listing()
    if len(found) < least:
        raise Skips(Text(f"there are only {len(found)} flows", f"il n'y a que {len(found)} flux"))
    return found[-ENOUGH:]


async def _walk(it: Counterpart, expected: list[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """All flows from the oldest expected one on, by cursor. Raises Skips when there are no cursors, Fails."""
    start = EPOCH if len(expected) < ENOUGH else str(expected[0].get("updatedAt"))
    cursor: str | None = None
    found: list[dict[str, Any]] = []
    for _ in range(4 * ENOUGH + 10):
        more = {"cursor": cursor} if cursor else {}
        answer = await it.search({"updatedAfter": start}, limit=limit, **more)
        page = expect.results(answer)
        if page and all(one in found for one in page):
            raise fails(Text("the next page", "la page suivante"), Text("the same again", "la même encore"))
        found += page
        cursor = members(answer).get("nextCursor")
        if cursor is None and len(page) >= limit and len(found) < len(expected):
            raise Skips(Text("it gives no cursor", "elle ne donne pas de curseur"))
        if cursor is None:
            return found
    raise fails(Text("an end", "une fin"), f"{4 * ENOUGH + 10} pages")


def _hold(expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    """What was expected is there, and no state of a flow twice."""
    seen = Counter((str(one.get("flowId")), str(one.get("updatedAt"))) for one in found)
    if twice := [key for key, count in seen.items() if count > 1]:
        raise fails(Text("each once", "chacun une fois"), f"flowId {expect.printable(twice[0][0])} × {seen[twice[0]]}")
    ids = {str(one.get("flowId")) for one in found}
    lost = [str(one.get("flowId")) for one in expected if str(one.get("flowId")) not in ids]
    first = str(expected[0].get("flowId"))
    if lost and lost != [first]:
        raise fails(Text("none lost", "aucun perdu"), f"{len(lost)}: flowId {expect.printable(lost[0])}")


SCENARIOS = (
    Scenario(by_cursor, "Une page qui n'est pas la dernière porte nextCursor, qui mène à la suivante"),
    Scenario(loses_nothing, "Page par page, deux flux à la fois, chaque flux est là une fois"),
    Scenario(loses_no_ties, "Les flux mis à jour au même instant sont tous là, même si une page finit entre eux"),
    Scenario(ends, "La dernière page ne porte pas de nextCursor"),
    Scenario(full_last_page_ends, "S'il reste autant de flux qu'en tient la page, la suivante est vide ou absente"),
    Scenario(unknown_cursor, "Un curseur que la plateforme n'a pas donné est refusé"),
    Scenario(the_same_page_again, "Une page peut être redemandée par son curseur"),
)
