"""Route: which network, which address, and the sentence that explains the choice."""

from __future__ import annotations

from datetime import timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from adapters.port import ElectronicAddress, Route, Unreachable
from gateway.lifecycle import Done, Halted, Later, News, Outcome, Skipped, wait_before
from gateway.resources import Resources, Work
from gateway.store import answers, documents
from schemas.finding import Finding, Severity

UNSENT = timedelta(minutes=10)
"""Between looks whether the document that a status message speaks of was handed over."""
AGAIN = timedelta(seconds=30)
"""When a network does not say how long to wait."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Ask the networks in their order of preference who reaches the buyer's electronic address (BT-49)."""
    document = work.document
    if document.inbound:
        return Skipped("it is for the account itself")
    if document.about is not None and (decided := await _back(work, document.about, resources)) is not None:
        return decided
    if not document.buyer_address or not document.buyer_scheme:
        return _no_way(None, "the invoice names no electronic address of the buyer")
    address = ElectronicAddress(document.buyer_scheme, document.buyer_address)
    away: Unreachable | None = None
    for network in resources.networks.all:
        try:
            route = await network.find(address)
        except Unreachable as unreachable:
            away = unreachable
            continue
        if route is not None:
            return _decided(work, route)
    if away is not None:
        wait = away.retry_in or wait_before(work.attempts)
        if wait is not None:
            attempt = News("attempt", {"attempt": work.attempts, "outcome": "unreachable", "reason": away.reason})
            return Later(wait, f"the directory cannot be asked: {away.reason}", (attempt,))
    served = ", ".join(network.name for network in resources.networks.all) or "none is configured"
    return _no_way(address, f"no network serves scheme {address.scheme} (networks: {served})")


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


def _no_way(address: ElectronicAddress | None, why: str) -> Halted:
    finding = Finding(
        rule="HOUSE-NO-ROUTE",
        severity=Severity.FATAL,
        layer="house",
        says=f"There is no way to the buyer: {why}.",
        terms=("BT-49",),
        found=f"scheme {address.scheme}" if address else None,
        expected="an electronic address of the buyer on a configured network: 0225 (French directory) or EM (e-mail)",
        fix="Correct the buyer's electronic address (BT-49), or configure a network that serves it.",
    )
    return Halted("no way to this participant", (finding,))
