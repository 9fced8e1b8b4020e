"""Route: which network, which address, which regime, and the sentence that explains the choice.

Where a directory is configured, an address of its schemes is looked up before anything is sent. A directory that is
away and remembered nothing is waited for: never is it taken for a buyer without an address.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from adapters.port import ElectronicAddress, Route, Unreachable
from gateway import addresses
from gateway.addresses import Looked
from gateway.lifecycle import Done, Halted, Later, News, Outcome, Skipped, Stage, wait_before
from gateway.reach import CIVIL_TIME, Reach, Reachability, day_of, finding, soon
from gateway.regime import regime, sentence
from gateway.resources import Resources, Work
from gateway.store import answers, documents
from schemas.finding import Finding, Severity
from schemas.invoice import SELF_BILLED_TYPES

UNSENT = timedelta(minutes=10)
"""Between looks whether the document that a status message speaks of was handed over."""
LINE_AGAIN = timedelta(hours=1)
"""Between looks whether a line that is to begin today has begun."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Ask the networks in their order of preference who reaches the buyer's electronic address (BT-49).

    Of a self-billed invoice it is the seller's (BT-34).
    """
    document = work.document
    if document.inbound:
        return Skipped("it is for the account itself")
    if document.about is not None and (decided := await _back(work, document.about, resources)) is not None:
        return decided
    if not document.buyer_address or not document.buyer_scheme:
        return _no_way(work, None, f"the invoice names no electronic address of the {_whom(work)[0]}")
    address = ElectronicAddress(document.buyer_scheme, document.buyer_address)
    looked = await addresses.of_document(document, resources)
    waiting = _unreached(work, looked, resources)
    return waiting or await _by_network(work, address, looked.reach, resources)


def _unreached(work: Work, looked: Looked, resources: Resources) -> Outcome | None:
    """What becomes of a document at whose address nobody is known to receive; None where it goes on."""
    reach, now = looked.reach, resources.clock.now()
    if reach.verdict is Reachability.UNANSWERED:
        wait = wait_before(work.attempts)
        if wait is None:
            return Halted("the directory could not be asked for three days", facts=addresses.facts_of(reach))
        attempt = News("attempt", {"attempt": work.attempts, "outcome": "unreachable", "reason": reach.reason})
        reason = f"the directory cannot be asked: {reach.reason}"
        return Later(max(looked.retry_in or wait, wait), reason, (attempt,))
    if not reach.refuses or resources.unlisted == "send":
        return None
    if soon(reach, day_of(now)) and reach.line is not None and reach.line.begins is not None:
        begins = datetime.combine(reach.line.begins, time(), CIVIL_TIME)
        return Later(max(begins - now, LINE_AGAIN), f"its line begins on {reach.line.begins}")
    found = finding(reach, day_of(now), to_seller=work.document.type_code in SELF_BILLED_TYPES)
    return Halted("no way to this participant", (found,), addresses.facts_of(reach))


async def _by_network(work: Work, address: ElectronicAddress, reach: Reach, resources: Resources) -> Outcome:
    """The first network, in their order of preference, that reaches the address."""
    away: Unreachable | None = None
    networks = resources.networks.serving((work.document.participant,))  # never by another company's connection
    for network in networks:
        try:
            route = await network.find(address)
        except Unreachable as unreachable:
            away = unreachable
            continue
        if route is not None:
            return _explained(work, route, reach)
    if away is not None:
        wait = away.retry_in or wait_before(work.attempts)
        if wait is not None:
            attempt = News("attempt", {"attempt": work.attempts, "outcome": "unreachable", "reason": away.reason})
            return Later(wait, f"the directory cannot be asked: {away.reason}", (attempt,))
    served = ", ".join(network.name for network in networks) or "none is configured"
    return _no_way(work, address, f"no network serves scheme {address.scheme} (networks: {served})")


async def _back(work: Work, about: UUID, resources: Resources) -> Outcome | None:
    """The network of the document that a status message speaks of; None where that has none: its address tells."""
    async with resources.pool.account(work.account.id) as connection:
        network = await answers.network_of(connection, about)
        halted = None if network is not None else (await documents.get(connection, about)).halted
    document = work.document
    if network is None and halted is not None:
        return Halted(f"what it speaks of never left: {halted}")
    if network is None:
        return Later(UNSENT, "what it speaks of has not been handed over yet")
    if network == answers.API or network in answers.SILENT:
        return None
    address = ElectronicAddress(document.buyer_scheme or "", document.buyer_address or "")
    return _decided(work, Route(network, address, f"the document it speaks of went by {network}"))


def _explained(work: Work, route: Route, reach: Reach) -> Done:
    """The decision with its regime and the sentence that explains it; a status message has none of its own."""
    if work.document.about is not None:
        return _decided(work, route)
    said = work.facts(Stage.RECEIVED).get("processing_rule")
    found = regime(said, work.facts(Stage.PARSED).get("marks", {}), reach)
    told = sentence(found, route.network, route.address, reach)
    done = _decided(work, replace(route, reason=told.english))
    facts = {**done.facts, "reason_fr": told.french, "rule": found.rule, "rule_by": found.by}
    return replace(done, facts=facts | {"directory": addresses.facts_of(reach)})


def _decided(work: Work, route: Route) -> Done:
    # Not of the bytes: made anew after the database was put back they may differ, and the network must know it again.
    name = f"estafette:{work.document.id}:{route.network}"
    facts = {
        "network": route.network,
        "scheme": route.address.scheme,
        "consignment": str(uuid5(NAMESPACE_URL, name)),
        "sha256": work.original,
        "reason": route.reason,
    }
    return Done(facts)


def _whom(work: Work) -> tuple[str, str]:
    """The party to which it goes, and the term of its electronic address."""
    return ("seller", "BT-34") if work.document.type_code in SELF_BILLED_TYPES else ("buyer", "BT-49")


def _no_way(work: Work, address: ElectronicAddress | None, why: str) -> Halted:
    party, term = _whom(work)
    found = Finding(
        rule="HOUSE-NO-ROUTE",
        severity=Severity.FATAL,
        layer="house",
        says=f"There is no way to the {party}: {why}.",
        terms=(term,),
        found=f"scheme {address.scheme}" if address else None,
        expected=f"an electronic address of the {party} on a configured network: "
        "0225 (French directory) or EM (e-mail)",
        fix=f"Correct the {party}'s electronic address ({term}), or configure a network that serves it.",
    )
    return Halted("no way to this participant", (found,))
