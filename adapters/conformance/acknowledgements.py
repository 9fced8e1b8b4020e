"""The platform's own verdict on a flow: Pending, then Ok or Error with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.conformance import deposits, expect
from adapters.conformance.counterpart import Counterpart, fails
from adapters.conformance.deposits import acknowledgement
from adapters.conformance.verdict import Needs, Scenario, Skips, Text


async def of_every_flow(it: Counterpart) -> None:
    """Each flow bears an acknowledgement: Pending, Ok or Error.

    OpenAPI 1.3.0, schema Acknowledgement: status is required.
    """
    for one in await _flows(it):
        said = acknowledgement(one).get("status")
        if said not in ("Pending", "Ok", "Error"):
            raise fails("Pending, Ok, Error", f"acknowledgement.status = {expect.printable(said)}")


async def error_says_why(it: Counterpart) -> None:
    """Each Error has details.

    OpenAPI 1.3.0, schema AcknowledgementDetails: one at least; a refusal without a reason helps nobody.
    """
    for one in await _flows(it, refused=True):
        if not _details(one):
            raise fails("acknowledgement.details", f"flowId {expect.printable(one.get('flowId'))}")


async def details_are_whole(it: Counterpart) -> None:
    """Each detail has level, item, reasonCode and reasonMessage.

    OpenAPI 1.3.0, schema AcknowledgementDetail: all four are required.
    """
    for one in await _flows(it, detailed=True):
        for detail in _details(one):
            if missing := [name for name in ("level", "item", "reasonCode", "reasonMessage") if name not in detail]:
                raise fails(", ".join(missing), ", ".join(sorted(map(str, detail))))


async def level_of_details(it: Counterpart) -> None:
    """A detail is an Error or a Warning, and an Error flow has one that is an Error.

    OpenAPI 1.3.0, schema AcknowledgementDetail: level.
    """
    for one in await _flows(it, detailed=True):
        levels = [detail.get("level") for detail in _details(one)]
        if set(levels) - {"Error", "Warning"}:
            raise fails("Error, Warning", ", ".join(map(expect.printable, levels[:5])))
        if acknowledgement(one).get("status") == "Error" and levels and "Error" not in levels:
            raise fails("level = Error", "level = Warning")


async def undefined_only_until_known(it: Counterpart) -> None:
    """An accepted invoice has a processing rule and a type.

    OpenAPI 1.3.0, Undefined: not yet defined when Pending, or unable to define when Error.
    """
    flows = [one for one in await _flows(it) if acknowledgement(one).get("status") == "Ok"]
    invoices = [one for one in flows if one.get("flowSyntax") in ("CII", "UBL", "Factur-X")]
    if not invoices:
        raise Skips(Text("no invoice is accepted yet", "aucune facture n'est encore acceptée"))
    for one in invoices:
        for name in ("flowType", "processingRule"):
            if one.get(name) == "Undefined":
                raise fails(Text("a value", "une valeur"), f"{name} = Undefined")


async def says_where_the_rule_is_from(it: Counterpart) -> None:
    """Each flow says whether its processing rule was given or computed.

    OpenAPI 1.3.0, processingRuleSource: Input or Computed.
    """
    expect.each(await _flows(it), "processingRuleSource", ["Input", "Computed"])


async def comes_in_time(it: Counterpart) -> None:
    """A valid invoice is acknowledged with Ok.

    OpenAPI 1.3.0, schema FlowAckStatus: Ok when all checks have passed.
    """
    body = await deposits.judged(it, (await deposits.first(it)).flow_id)
    said = acknowledgement(body).get("status")
    if said == "Pending":
        seconds = f"{it.access.patience:.0f} s"
        raise Skips(Text(f"still Pending after {seconds}", f"encore Pending après {seconds}"))
    if said != "Ok":
        raise fails("Ok", deposits.body_shown(body))


async def moves_the_update(it: Counterpart) -> None:
    """A flow that was acknowledged was updated: a search from its submission on finds it.

    OpenAPI 1.3.0, updatedAt: updated when the acknowledgement status is changed.
    """
    deposit = await deposits.first(it)
    body = await deposits.judged(it, deposit.flow_id)
    if acknowledgement(body).get("status") == "Pending":
        raise Skips(Text("still Pending", "encore Pending"))
    where = {"trackingId": deposit.info["trackingId"], "updatedAfter": deposits.EPOCH}
    found = expect.results(await it.search(where, limit=100))
    if deposit.flow_id not in [one.get("flowId") for one in found]:
        raise fails(f"flowId {deposit.flow_id}", Text("not found", "non trouvé"))


async def _flows(it: Counterpart, *, refused: bool = False, detailed: bool = False) -> list[dict[str, Any]]:
    """The flows that are there, or only those refused, or with details. Raises Skips when there are none."""
    found = await it.listing()
    if not found:
        raise Skips(Text("there is no flow yet", "il n'y a encore aucun flux"))
    if refused:
        found = [one for one in found if acknowledgement(one).get("status") == "Error"]
    if detailed:
        found = [one for one in found if _details(one)]
    if not found:
        raise Skips(Text("no flow was refused yet", "aucun flux n'a encore été refusé"))
    return found


def _details(flow: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    details = acknowledgement(flow).get("details")
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


SCENARIOS = (
    Scenario(comes_in_time, "Une facture valide est acquittée par Ok", Needs.SUBMIT),
    Scenario(
        moves_the_update, "Un flux acquitté a été mis à jour : une recherche depuis son dépôt le trouve", Needs.SUBMIT
    ),
    Scenario(of_every_flow, "Chaque flux porte un acquittement : Pending, Ok ou Error"),
    Scenario(error_says_why, "Chaque Error a des détails"),
    Scenario(details_are_whole, "Chaque détail a level, item, reasonCode et reasonMessage"),
    Scenario(level_of_details, "Un détail est Error ou Warning, et un flux en Error en a un qui est Error"),
    Scenario(undefined_only_until_known, "Une facture acceptée a une règle de traitement et un type"),
    Scenario(says_where_the_rule_is_from, "Chaque flux dit si sa règle de traitement a été donnée ou calculée"),
)
