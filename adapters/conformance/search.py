"""Searching flows: each criterion, limits, and what is no question."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from adapters.conformance import expect
from adapters.conformance.counterpart import Counterpart, fails, members
from adapters.conformance.deposits import EPOCH, acknowledgement
from adapters.conformance.encoding import instant
from adapters.conformance.verdict import Scenario, Skips, Text

ALL: dict[str, Any] = {"updatedAfter": EPOCH}
FAR = "2100-01-01T00:00:00Z"
LONGEST = "x" * 64
"""trackingId has at most 64 characters since 1.3.0; 36 before."""


async def answers_a_page(it: Counterpart) -> None:
    """A search by updatedAfter answers 200 with results.

    OpenAPI 1.3.0, POST /v1/flows/search, SearchFlowContent.
    """
    expect.results(await it.search(ALL))


async def default_limit(it: Counterpart) -> None:
    """Without a limit a page has at most 25 flows.

    OpenAPI 1.3.0, schema Limit: default 25.
    """
    found = expect.results(await it.search(ALL))
    if len(found) > 25:
        raise fails("≤ 25", str(len(found)))


async def limit_of_one(it: Counterpart) -> None:
    """A limit of 1 gives one flow at most.

    OpenAPI 1.3.0, schema Limit: maximum number of results.
    """
    found = expect.results(await it.search(ALL, limit=1))
    if len(found) > 1:
        raise fails("≤ 1", str(len(found)))


async def limit_of_a_hundred(it: Counterpart) -> None:
    """A limit of 100 is taken.

    OpenAPI 1.3.0, schema Limit: maximum 100.
    """
    expect.results(await it.search(ALL, limit=100))


async def limit_beyond(it: Counterpart) -> None:
    """A limit of 101 is refused.

    OpenAPI 1.3.0, schema Limit: maximum 100.
    """
    expect.error(await it.search(ALL, limit=101), 400, 422)


async def limit_in_words(it: Counterpart) -> None:
    """A limit that is no number is refused.

    OpenAPI 1.3.0, schema Limit: integer.
    """
    expect.error(await it.search(ALL, limit="ten"), 400, 422)


async def negative_limit(it: Counterpart) -> None:
    """A negative limit is no breakdown.

    OpenAPI 1.3.0 states no minimum: refused or not, never a 5xx.
    """
    expect.no_breakdown(await it.search(ALL, limit=-1))


async def tells_limit_and_filters(it: Counterpart) -> None:
    """The answer tells limit and filters back.

    OpenAPI 1.3.0, SearchFlowContent: limit, filters.
    """
    answer = await it.search({"flowDirection": ["In"], **ALL}, limit=7)
    expect.results(answer)
    body = members(answer)
    if "limit" not in body and "filters" not in body:
        raise Skips(Text("told neither, and neither is required", "non rappelés, et facultatifs"))
    expect.equal("limit", body.get("limit"), 7)
    filters = body.get("filters")
    expect.equal("filters.flowDirection", filters.get("flowDirection") if isinstance(filters, dict) else None, ["In"])


async def without_where(it: Counterpart) -> None:
    """A search without where is refused.

    OpenAPI 1.3.0, SearchFlowParams: where is required.
    """
    expect.error(await it.call("POST", "/v1/flows/search", {"limit": 1}), 400, 422)


async def without_criterion(it: Counterpart) -> None:
    """A search without any criterion is refused.

    OpenAPI 1.3.0, SearchFlowFilters: at least one is required.
    """
    expect.error(await it.search({}), 400, 422)


async def broken_json(it: Counterpart) -> None:
    """A body that is no JSON is refused with 400.

    OpenAPI 1.3.0, FlowSearchRequest: application/json.
    """
    answer = await it.call("POST", "/v1/flows/search", b'{"where": {', {"Content-Type": "application/json"})
    expect.error(answer, 400)


async def a_list_as_body(it: Counterpart) -> None:
    """A body that is no object is refused.

    OpenAPI 1.3.0, SearchFlowParams: object.
    """
    expect.error(await it.call("POST", "/v1/flows/search", [ALL]), 400, 422)


async def deep_body(it: Counterpart) -> None:
    """A body of a thousand brackets is refused without a breakdown.

    OpenAPI 1.3.0, Error400Response.
    """
    body = b'{"where": ' + b"[" * 1_000 + b"]" * 1_000 + b"}"
    answer = await it.call("POST", "/v1/flows/search", body, {"Content-Type": "application/json"})
    expect.refused(answer)


async def unknown_member(it: Counterpart) -> None:
    """A member that the standard does not know is passed over or refused, and is no breakdown.

    OpenAPI 1.3.0, SearchFlowFilters forbids no further members.
    """
    expect.no_breakdown(await it.search({"estafette": True, **ALL}))


async def unknown_type(it: Counterpart) -> None:
    """A flowType that is none is refused.

    OpenAPI 1.3.0, schema FlowType: enum.
    """
    answer = await it.search({"flowType": ["LoveLetter"], **ALL})
    it.facts["holds_types"] = answer.status in (400, 422)
    expect.error(answer, 400, 422)


async def unknown_direction(it: Counterpart) -> None:
    """A flowDirection that is none is refused.

    OpenAPI 1.3.0, schema FlowDirection: In, Out.
    """
    expect.error(await it.search({"flowDirection": ["Up"], **ALL}), 400, 422)


async def unknown_ack_status(it: Counterpart) -> None:
    """An ackStatus that is none is refused.

    OpenAPI 1.3.0, schema FlowAckStatus: Pending, Ok, Error.
    """
    expect.error(await it.search({"ackStatus": "Perhaps", **ALL}), 400, 422)


async def unknown_rule(it: Counterpart) -> None:
    """A processingRule that is none is refused.

    OpenAPI 1.3.0, schema ProcessingRule: enum.
    """
    expect.error(await it.search({"processingRule": ["B4B"], **ALL}), 400, 422)


async def no_date(it: Counterpart) -> None:
    """An updatedAfter that is no date is refused.

    OpenAPI 1.3.0, SearchFlowFilters.updatedAfter: date-time.
    """
    expect.error(await it.search({"updatedAfter": "yesterday"}), 400, 422)


async def of_the_future(it: Counterpart) -> None:
    """Nothing was updated after the year 2100: an empty list, with 200.

    OpenAPI 1.3.0, SearchFlowContent; 206 and the like are gone since 1.1.0.
    """
    _empty(await it.search({"updatedAfter": FAR}))


async def before_the_beginning(it: Counterpart) -> None:
    """Nothing was updated before 1970: an empty list.

    OpenAPI 1.3.0, SearchFlowFilters.updatedBefore.
    """
    _empty(await it.search({"updatedBefore": EPOCH}))


async def by_direction(it: Counterpart) -> None:
    """A search by flowDirection gives flows of that direction only.

    OpenAPI 1.3.0, SearchFlowFilters.flowDirection.
    """
    await _filtered(it, "flowDirection", ("In", "Out"))


async def by_both_directions(it: Counterpart) -> None:
    """Values of one criterion are alternatives.

    OpenAPI 1.3.0, POST /v1/flows/search: logical OR for criteria allowing a list of values.
    """
    both = {one.get("flowId") for one in await _page(it, flowDirection=["In", "Out"])}
    single = {one.get("flowId") for way in ("In", "Out") for one in await _page(it, flowDirection=[way])}
    if not single:
        raise Skips(Text("there is no flow yet", "il n'y a encore aucun flux"))
    if len(both) < 100 and (lost := single - both):
        raise fails(f"{len(single)}", Text(f"{len(lost)} not among them", f"{len(lost)} n'en sont pas"))


async def by_type(it: Counterpart) -> None:
    """A search by flowType gives flows of that type only.

    OpenAPI 1.3.0, SearchFlowFilters.flowType.
    """
    await _filtered(it, "flowType", sorted({str(one.get("flowType")) for one in await _some(it)}))


async def by_types_of_this_edition(it: Counterpart) -> None:
    """The flow types of edition 1.3.0 are taken.

    OpenAPI 1.3.0, schema FlowType: StatePaymentReport, StateTransactionReportLC, Undefined and others are new.
    """
    answer = await it.search({"flowType": ["StatePaymentReport", "StateTransactionReportLC"], **ALL})
    it.facts["new_types"] = answer.status == 200
    expect.status(answer, 200)


async def by_ack_status(it: Counterpart) -> None:
    """A search by ackStatus gives flows of that status only.

    OpenAPI 1.3.0, SearchFlowFilters.ackStatus.
    """
    found = {}
    for wanted in ("Pending", "Ok", "Error"):
        found[wanted] = await _page(it, ackStatus=wanted)
        for one in found[wanted]:
            expect.equal("acknowledgement.status", acknowledgement(one).get("status"), wanted)
    ended = {str(acknowledgement(one).get("status")) for one in await _some(it)} & {"Ok", "Error"}
    for wanted in sorted(ended):
        if not found[wanted]:
            raise fails(f"ackStatus = {wanted}", Text("no flow", "aucun flux"))


async def by_rule(it: Counterpart) -> None:
    """A search by processingRule gives flows of that rule only.

    OpenAPI 1.3.0, SearchFlowFilters.processingRule.
    """
    await _filtered(it, "processingRule", sorted({str(one.get("processingRule")) for one in await _some(it)}))


async def by_tracking_id(it: Counterpart) -> None:
    """A search by trackingId gives the flows that bear it, and all of them bear it.

    OpenAPI 1.3.0, SearchFlowFilters.trackingId: by it an unknown outcome is cleared up.
    """
    known = next((str(one["trackingId"]) for one in await _some(it) if one.get("trackingId")), None)
    if known is None:
        raise Skips(Text("no flow bears a trackingId", "aucun flux ne porte de trackingId"))
    found = expect.results(await it.search({"trackingId": known}))
    it.facts["tracking"] = bool(found) and all(one.get("trackingId") == known for one in found)
    expect.each(found, "trackingId", [known])
    if not found:
        raise fails(f"trackingId = {expect.printable(known)}", Text("no flow", "aucun flux"))


async def by_unknown_tracking_id(it: Counterpart) -> None:
    """A trackingId that nobody gave finds nothing.

    OpenAPI 1.3.0, SearchFlowFilters.trackingId. A platform that passes the criterion over shows all flows instead.
    """
    answer = await it.search({"trackingId": "estafette-nobody-gave-this"})
    found = expect.results(answer)
    it.facts["tracking"] = not found and it.facts.get("tracking", True)
    if found:
        raise fails(Text("no flow", "aucun flux"), Text(f"{len(found)} flows", f"{len(found)} flux"))


async def by_longest_tracking_id(it: Counterpart) -> None:
    """A trackingId may have 64 characters.

    OpenAPI 1.3.0, schema NotOnlyUuid: maxLength 64; 36 in 1.2.0.
    """
    answer = await it.search({"trackingId": LONGEST})
    it.facts["long_ids"] = answer.status == 200
    expect.results(answer)


async def by_too_long_tracking_id(it: Counterpart) -> None:
    """A trackingId of 65 characters is refused.

    OpenAPI 1.3.0, schema NotOnlyUuid: maxLength 64.
    """
    expect.error(await it.search({"trackingId": f"{LONGEST}x"}), 400, 422)


async def by_all_together(it: Counterpart) -> None:
    """Several criteria must all be met.

    OpenAPI 1.3.0, POST /v1/flows/search: logical AND when combining criteria.
    """
    one = (await _some(it))[0]
    where = {"flowDirection": [one.get("flowDirection")], "flowType": [one.get("flowType")]}
    found = await _page(it, **where)
    expect.each(found, "flowDirection", where["flowDirection"])
    expect.each(found, "flowType", where["flowType"])
    _empty(await it.search({**where, "updatedAfter": FAR}))


async def after_is_strict(it: Counterpart) -> None:
    """A flow is not among those updated after its own updatedAt.

    OpenAPI 1.3.0, SearchFlowFilters.updatedAfter: the comparison is strict.
    """
    one, at = await _settled(it)
    found = expect.results(
        await it.search({"updatedAfter": str(one["updatedAt"]), "updatedBefore": _at(at, 1)}, limit=100)
    )
    if any(each["flowId"] == one["flowId"] and each.get("updatedAt") == one["updatedAt"] for each in found):
        stamp = expect.printable(one["updatedAt"])
        raise fails(f"updatedAt > {stamp}", f"updatedAt = {stamp}")


async def just_after_is_found(it: Counterpart) -> None:
    """A flow is among those updated after the instant just before its updatedAt.

    OpenAPI 1.3.0, SearchFlowFilters.updatedAfter: nothing is lost when one asks from there on.
    """
    one, at = await _settled(it)
    await _found(it, one, {"updatedAfter": _at(at, -0.002), "updatedBefore": _at(at, 1)})


async def in_another_time_zone(it: Counterpart) -> None:
    """An instant means the same in every time zone.

    RFC 3339, 4: date-time with an offset (OpenAPI 1.3.0, format date-time).
    """
    one, at = await _settled(it)
    paris = timezone(timedelta(hours=2))
    after, before = ((at + timedelta(seconds=s)).astimezone(paris).isoformat() for s in (-0.002, 1))
    await _found(it, one, {"updatedAfter": after, "updatedBefore": before})


async def without_fractions(it: Counterpart) -> None:
    """An instant may be given in whole seconds.

    RFC 3339, 5.6: the fraction is optional.
    """
    one, at = await _settled(it)
    second = at.replace(microsecond=0)
    where = {
        "updatedAfter": _whole(second - timedelta(seconds=1)),
        "updatedBefore": _whole(second + timedelta(seconds=2)),
    }
    await _found(it, one, where)


async def with_accents(it: Counterpart) -> None:
    """A trackingId with accents is a question like any other.

    OpenAPI 1.3.0, NotOnlyUuid: string; RFC 8259, 8.1: UTF-8.
    """
    expect.results(await it.search({"trackingId": "référence n° 7 – €"}))


async def with_a_zero_byte(it: Counterpart) -> None:
    """A NUL in a trackingId is no breakdown.

    RFC 8259, 7: any character may be escaped; databases refuse this one.
    """
    expect.no_breakdown(await it.search({"trackingId": "a\0b"}))


def _empty(answer: Any) -> None:
    found = expect.results(answer)
    if found:
        raise fails(Text("an empty list", "une liste vide"), Text(f"{len(found)} flows", f"{len(found)} flux"))


async def _page(it: Counterpart, **where: Any) -> list[dict[str, Any]]:
    return expect.results(await it.search({**where, **ALL}, limit=100))


async def _filtered(it: Counterpart, name: str, values: Iterable[str]) -> None:
    """For each value the search gives flows of it only, and some where there are any. Raises Skips without flows."""
    found = {}
    for value in values:
        found[value] = await _page(it, **{name: [value]})
        expect.each(found[value], name, [value])
    for value in {str(one.get(name)) for one in await _some(it)} & found.keys():
        if not found[value]:
            raise fails(f"{name} = {value}", Text("no flow", "aucun flux"))


async def _some(it: Counterpart) -> list[dict[str, Any]]:
    """The flows that are there. Raises Skips when there are none."""
    found = await it.listing()
    if not found:
        raise Skips(Text("there is no flow yet", "il n'y a encore aucun flux"))
    return found


async def _settled(it: Counterpart) -> tuple[dict[str, Any], datetime]:
    """A flow that has ended and the instant of its last update. Raises Skips."""
    done = [
        (one, at)
        for one in await _some(it)
        if (at := instant(one.get("updatedAt"))) and acknowledgement(one).get("status") in ("Ok", "Error")
    ]
    if not done:
        raise Skips(Text("no flow has a verdict yet", "aucun flux n'a encore d'acquittement"))
    return min(done, key=lambda pair: pair[1])


async def _found(it: Counterpart, one: dict[str, Any], where: dict[str, Any]) -> None:
    found = expect.results(await it.search(where, limit=100))
    if len(found) < 100 and one["flowId"] not in [each.get("flowId") for each in found]:
        says = Text("not found", "non trouvé")
        raise fails(f"flowId = {expect.printable(one['flowId'])}", says)


def _at(at: datetime, seconds: float) -> str:
    return (at + timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _whole(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


SCENARIOS = (
    Scenario(answers_a_page, "Une recherche par updatedAfter répond 200 avec results"),
    Scenario(default_limit, "Sans limite, une page a au plus 25 flux"),
    Scenario(limit_of_one, "Une limite de 1 donne au plus un flux"),
    Scenario(limit_of_a_hundred, "Une limite de 100 est acceptée"),
    Scenario(limit_beyond, "Une limite de 101 est refusée"),
    Scenario(limit_in_words, "Une limite qui n'est pas un nombre est refusée"),
    Scenario(negative_limit, "Une limite négative ne provoque pas de panne"),
    Scenario(tells_limit_and_filters, "La réponse rappelle limit et filters"),
    Scenario(without_where, "Une recherche sans where est refusée"),
    Scenario(without_criterion, "Une recherche sans aucun critère est refusée"),
    Scenario(broken_json, "Un corps qui n'est pas du JSON est refusé par 400"),
    Scenario(a_list_as_body, "Un corps qui n'est pas un objet est refusé"),
    Scenario(deep_body, "Un corps de mille crochets est refusé sans panne"),
    Scenario(unknown_member, "Un membre inconnu est ignoré ou refusé, sans panne"),
    Scenario(unknown_type, "Un flowType inexistant est refusé"),
    Scenario(unknown_direction, "Un flowDirection inexistant est refusé"),
    Scenario(unknown_ack_status, "Un ackStatus inexistant est refusé"),
    Scenario(unknown_rule, "Un processingRule inexistant est refusé"),
    Scenario(no_date, "Un updatedAfter qui n'est pas une date est refusé"),
    Scenario(of_the_future, "Rien n'est mis à jour après 2100 : liste vide, avec 200"),
    Scenario(before_the_beginning, "Rien n'est mis à jour avant 1970 : liste vide"),
    Scenario(by_direction, "La recherche par flowDirection ne donne que ce sens"),
    Scenario(by_both_directions, "Les valeurs d'un même critère sont des alternatives"),
    Scenario(by_type, "La recherche par flowType ne donne que ce type"),
    Scenario(by_types_of_this_edition, "Les types de flux de l'édition 1.3.0 sont acceptés"),
    Scenario(by_ack_status, "La recherche par ackStatus ne donne que cet état"),
    Scenario(by_rule, "La recherche par processingRule ne donne que cette règle"),
    Scenario(by_tracking_id, "La recherche par trackingId donne les flux qui le portent, et eux seuls"),
    Scenario(by_unknown_tracking_id, "Un trackingId que personne n'a donné ne trouve rien"),
    Scenario(by_longest_tracking_id, "Un trackingId peut avoir 64 caractères"),
    Scenario(by_too_long_tracking_id, "Un trackingId de 65 caractères est refusé"),
    Scenario(by_all_together, "Plusieurs critères doivent être tous remplis"),
    Scenario(after_is_strict, "Un flux n'est pas de ceux mis à jour après son propre updatedAt"),
    Scenario(just_after_is_found, "Un flux est de ceux mis à jour après l'instant juste avant son updatedAt"),
    Scenario(in_another_time_zone, "Un instant a le même sens dans tous les fuseaux"),
    Scenario(without_fractions, "Un instant peut être donné en secondes entières"),
    Scenario(with_accents, "Un trackingId accentué est une question comme une autre"),
    Scenario(with_a_zero_byte, "Un NUL dans un trackingId ne provoque pas de panne"),
)
