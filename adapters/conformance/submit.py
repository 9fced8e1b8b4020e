"""Handing flows in that are as they should be: every syntax and profile, hash, tracking id, repetitions."""

from __future__ import annotations

import asyncio
import json

from adapters.conformance import deposits, expect
from adapters.conformance.counterpart import Counterpart, fails, members
from adapters.conformance.deposits import Deposit, hand_in, info_of, specimen
from adapters.conformance.encoding import SKEW, instant
from adapters.conformance.specimens import BASIC, EXTENDED
from adapters.conformance.verdict import Needs, Scenario, Skips, Text


async def cii(it: Counterpart) -> None:
    """An invoice in CII is taken.

    OpenAPI 1.3.0, POST /v1/flows: 202; schema FlowSyntax.
    """
    await _taken(it, "cii")


async def ubl(it: Counterpart) -> None:
    """An invoice in UBL is taken.

    OpenAPI 1.3.0, POST /v1/flows: 202; schema FlowSyntax.
    """
    await _taken(it, "ubl-invoice")


async def ubl_credit_note(it: Counterpart) -> None:
    """A credit note in UBL is taken.

    OpenAPI 1.3.0, POST /v1/flows; its root is another than the invoice's.
    """
    await _taken(it, "ubl-creditnote")


async def facturx(it: Counterpart) -> None:
    """A Factur-X is taken.

    OpenAPI 1.3.0, POST /v1/flows: application/pdf; schema FlowSyntax.
    """
    await _taken(it, "facturx")


async def profile_basic(it: Counterpart) -> None:
    """An invoice of profile Basic is taken.

    OpenAPI 1.3.0, schema FlowProfile: Basic.
    """
    _held(await hand_in(it, await specimen(it, "cii", BASIC), flowProfile="Basic"))


async def profile_cius(it: Counterpart) -> None:
    """An invoice of profile CIUS (EN 16931) is taken.

    OpenAPI 1.3.0, schema FlowProfile: CIUS.
    """
    _held(await hand_in(it, await specimen(it, "ubl-invoice"), flowProfile="CIUS"))


async def profile_extended(it: Counterpart) -> None:
    """An invoice of profile EXTENDED-CTC-FR is taken.

    OpenAPI 1.3.0, schema FlowProfile: Extended-CTC-FR.
    """
    _held(await hand_in(it, await specimen(it, "cii", EXTENDED), flowProfile="Extended-CTC-FR"))


async def tells_back(it: Counterpart) -> None:
    """The answer tells the flowInfo back, with an id and an instant.

    OpenAPI 1.3.0, FlowPostResponse: FullFlowInfo.
    """
    deposit = await deposits.first(it)
    body = members(deposit.answer)
    for name in ("trackingId", "name", "flowSyntax", "processingRule"):
        expect.equal(name, body.get(name), deposit.info[name])
    if instant(body.get("submittedAt")) is None:
        raise fails("submittedAt", expect.printable(body.get("submittedAt")))


async def tells_the_hash(it: Counterpart) -> None:
    """The answer tells the file's sha256, the one that was given.

    OpenAPI 1.3.0, FlowInfoExtension.sha256.
    """
    deposit = await deposits.first(it)
    found = members(deposit.answer).get("sha256")
    if found is None:
        raise Skips(Text("not told, and it need not be", "non rappelé, et facultatif"))
    it.facts["tells_hash"] = True
    expect.equal("sha256", found, deposit.specimen.sha256)


async def told_at_the_right_time(it: Counterpart) -> None:
    """submittedAt is the present.

    OpenAPI 1.3.0, submittedAt: the date and time when the flow was created on the system.
    """
    file = await specimen(it)
    deposit = await hand_in(it, file)
    _held(deposit)
    at = instant(members(deposit.answer).get("submittedAt"))
    if at is None or abs(at - it.now()) > SKEW:
        raise fails(
            it.now().isoformat(timespec="seconds"), expect.printable(members(deposit.answer).get("submittedAt"))
        )


async def without_hash(it: Counterpart) -> None:
    """sha256 may be left out.

    OpenAPI 1.3.0, FlowInfoExtension: if not provided it may be computed.
    """
    _held(await hand_in(it, await specimen(it), sha256=None))


async def without_tracking_id(it: Counterpart) -> None:
    """trackingId may be left out.

    OpenAPI 1.3.0, CoreFlowInfo: only name and flowSyntax are required.
    """
    _held(await hand_in(it, await specimen(it), trackingId=None))


async def without_rule(it: Counterpart) -> None:
    """processingRule may be left out.

    OpenAPI 1.3.0, processingRuleSource: Computed.
    """
    _held(await hand_in(it, await specimen(it), processingRule=None))


async def longest_tracking_id(it: Counterpart) -> None:
    """A trackingId of 64 characters is taken.

    OpenAPI 1.3.0, schema NotOnlyUuid: maxLength 64.
    """
    file = await specimen(it)
    _held(await hand_in(it, file, trackingId=file.number.ljust(64, "x")))


async def name_with_accents(it: Counterpart) -> None:
    """The file's name may have accents and spaces, and comes back unharmed.

    OpenAPI 1.3.0, CoreFlowInfo.name: text of at most 255 characters.
    """
    deposit = await hand_in(it, await specimen(it), name="Facture n° 7 – été €.xml")
    _held(deposit)
    body = members(await deposits.flow(it, deposit.flow_id))
    expect.equal("name", body.get("name"), deposit.info["name"])


async def file_before_info(it: Counterpart) -> None:
    """The parts of the form may come in any order.

    RFC 7578; OpenAPI 1.3.0, FlowPostRequest: an object, without an order.
    """
    file = await specimen(it)
    info = json.dumps(info_of(file))
    expect.status(await deposits.post(it, deposits.form(file, info, reverse=True)), 202)


async def is_found_by_tracking_id(it: Counterpart) -> None:
    """A flow that was taken is found by its trackingId.

    OpenAPI 1.3.0, SearchFlowFilters.trackingId: after a lost answer it is the only way to know.
    """
    deposit = await deposits.first(it)
    loop = asyncio.get_running_loop()
    end = loop.time() + it.access.patience
    while True:
        found = expect.results(await it.search({"trackingId": deposit.info["trackingId"]}))
        expect.each(found, "trackingId", [deposit.info["trackingId"]])
        if deposit.flow_id in [one.get("flowId") for one in found]:
            it.facts["tracking"] = True
            return
        if loop.time() > end:
            raise fails(f"flowId {deposit.flow_id}", Text(f"{len(found)} other flows", f"{len(found)} autres flux"))
        await asyncio.sleep(0.5)


async def goes_out(it: Counterpart) -> None:
    """What we hand in goes out.

    OpenAPI 1.3.0, schema FlowDirection: Out, from the OD to the platform.
    """
    body = await deposits.judged(it, (await deposits.first(it)).flow_id)
    expect.equal("flowDirection", body.get("flowDirection"), "Out")


async def is_a_customer_invoice(it: Counterpart) -> None:
    """An outgoing invoice that is not self-billed is a CustomerInvoice.

    OpenAPI 1.3.0, schema FlowType: CustomerInvoice.
    """
    body = await deposits.judged(it, (await deposits.first(it)).flow_id)
    if deposits.acknowledgement(body).get("status") == "Pending":
        raise Skips(Text("still Pending", "encore Pending"))
    expect.equal("flowType", body.get("flowType"), "CustomerInvoice")


async def same_again(it: Counterpart) -> None:
    """The same file again under the same trackingId becomes no second flow that counts.

    OpenAPI 1.3.0, ReasonCode AlreadyExistingFlow; a client repeats what it got no answer to.
    """
    deposit = await _standing(it)
    again = await hand_in(it, deposit.specimen)
    it.facts["repetition"] = f"HTTP {again.answer.status}"
    if again.answer.status == 202 and again.flow_id == deposit.flow_id:
        return
    await deposits.turned_away(it, again, "AlreadyExistingFlow")


async def same_under_another_id(it: Counterpart) -> None:
    """The same file under another trackingId is refused as AlreadyExistingFlow.

    OpenAPI 1.3.0, ReasonCode AlreadyExistingFlow: the flow has already been sent and received.
    """
    deposit = await _standing(it)
    again = await hand_in(it, deposit.specimen, trackingId=f"{deposit.specimen.number}-bis")
    said = await deposits.turned_away(it, again, "AlreadyExistingFlow")
    it.facts["duplicates"] = "door" if again.answer.status >= 400 else "acknowledgement"
    it.facts["says_duplicate"] = said


async def twice_at_once(it: Counterpart) -> None:
    """The same file handed in twice at the same moment becomes one flow that counts.

    OpenAPI 1.3.0, ReasonCode AlreadyExistingFlow, under a race.
    """
    file = await specimen(it)
    both = await asyncio.gather(hand_in(it, file), hand_in(it, file))
    ids = {one.flow_id for one in both if one.answer.status == 202}
    if not ids:
        raise fails("HTTP 202", ", ".join(f"HTTP {one.answer.status}" for one in both))
    flows = [await deposits.judged(it, id) for id in sorted(ids)]
    refused = [body for body in flows if deposits.acknowledgement(body).get("status") == "Error"]
    counted = len(flows) - len(refused)
    if not counted and not all(deposits.names_repetition(body) for body in refused):
        raise Skips(Text("it was refused for another reason", "refusé pour une autre raison"))
    if counted != 1:
        raise fails(Text("one flow", "un flux"), Text(f"{counted} flows", f"{counted} flux"))


async def _taken(it: Counterpart, format_: str) -> None:
    """The first of this format is taken, and not refused afterwards."""
    known = await deposits.handed_in(it, format_)
    _held(known)
    body = await deposits.judged(it, known.flow_id)
    if deposits.acknowledgement(body).get("status") not in ("Ok", "Pending"):
        raise fails("Ok", deposits.body_shown(body))


async def _standing(it: Counterpart) -> Deposit:
    """An invoice that was taken and not refused afterwards: a refused one may be handed in again. Raises Skips."""
    deposit = await deposits.first(it)
    body = await deposits.judged(it, deposit.flow_id)
    if deposits.acknowledgement(body).get("status") == "Error":
        says = deposits.body_shown(body)
        raise Skips(Text(f"no invoice stands: {says}", f"aucune facture ne tient : {says}"))
    return deposit


def _held(deposit: Deposit) -> None:
    expect.status(deposit.answer, 202)
    if not deposit.flow_id:
        raise fails("flowId", ", ".join(sorted(members(deposit.answer))))


SCENARIOS = tuple(
    Scenario(play, french, Needs.SUBMIT)
    for play, french in (
        (cii, "Une facture CII est prise"),
        (ubl, "Une facture UBL est prise"),
        (ubl_credit_note, "Un avoir UBL est pris"),
        (facturx, "Un Factur-X est pris"),
        (profile_basic, "Une facture de profil Basic est prise"),
        (profile_cius, "Une facture de profil CIUS (EN 16931) est prise"),
        (profile_extended, "Une facture de profil EXTENDED-CTC-FR est prise"),
        (tells_back, "La réponse rappelle flowInfo, avec un identifiant et un instant"),
        (tells_the_hash, "La réponse rappelle le sha256 du fichier, celui qui a été donné"),
        (told_at_the_right_time, "submittedAt est le présent"),
        (without_hash, "sha256 peut manquer"),
        (without_tracking_id, "trackingId peut manquer"),
        (without_rule, "processingRule peut manquer"),
        (longest_tracking_id, "Un trackingId de 64 caractères est accepté"),
        (name_with_accents, "Le nom du fichier peut avoir accents et espaces, et revient intact"),
        (file_before_info, "Les parties du formulaire viennent dans n'importe quel ordre"),
        (is_found_by_tracking_id, "Un flux pris se retrouve par son trackingId"),
        (goes_out, "Ce que nous déposons est sortant"),
        (is_a_customer_invoice, "Une facture sortante non autofacturée est une CustomerInvoice"),
        (same_again, "Le même fichier sous le même trackingId ne devient pas un second flux qui compte"),
        (same_under_another_id, "Le même fichier sous un autre trackingId est refusé : AlreadyExistingFlow"),
        (twice_at_once, "Le même fichier déposé deux fois au même instant devient un seul flux qui compte"),
    )
)
