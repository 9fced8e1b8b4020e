"""Deliver: hand the original over to its route, once.

The consignment's id is derived from document and route and was committed before the first attempt, so that the other
side, and we after a crash, can tell a repetition. An attempt whose outcome is unknown is recorded as such and is
reconciled by that id before anything is sent again. The outcome is unknown, too, of a document that was accepted before
the database was put back to an older state: it may have been handed over since.

What came for the account is delivered when somebody says that it was seen, or answers it: that it could be fetched is
no proof that it was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters.port import Consignment, ElectronicAddress, Receipt, Refused, Route, Unreachable
from gateway.lifecycle import BY_NETWORK, Done, Halted, Kept, Later, News, Outcome, Role, Stage, wait_before
from gateway.resources import Resources, Work, digest
from gateway.statuses import hear
from gateway.store import documents
from schemas import profiles
from schemas.invoice import CREDIT_NOTE_TYPES, Profile
from signing.chain import instant

LOOK_AGAIN = timedelta(days=1)
"""Whoever says that it was seen wakes the document at once; this is only how long it sleeps otherwise."""

JITTER = 0.2
"""A wait is longer by up to this part, so that what failed together does not come again together."""

SYNTAXES = {"facturx": "Factur-X", "cii": "CII", "ubl-invoice": "UBL", "ubl-creditnote": "UBL",
            "cdar": "CDAR"}  # fmt: skip
"""Our format names in the words of XP Z12-013."""
PROFILES = {
    Profile.BASIC_WL: "Basic",
    Profile.BASIC: "Basic",
    Profile.EN16931: "CIUS",
    Profile.EXTENDED_CTC_FR: "Extended-CTC-FR",
    Profile.EXTENDED: "Extended-CTC-FR",
}
"""Profiles in the words of XP Z12-013: EXTENDED-CTC-FR travels in the EXTENDED level of Factur-X (XP Z12-012)."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Hand over. The worker has committed the route before."""
    if work.document.inbound:
        return await _picked_up(work, resources)
    consignment = await _consign(work, resources)
    network = resources.networks.named(consignment.route.network)
    if network is None:
        return _later(work, consignment, Unreachable(f"the network {consignment.route.network} is not configured"))
    try:
        receipt = await network.send(consignment)
    except Unreachable as unreachable:
        return _later(work, consignment, unreachable)
    except Refused as refused:
        facts = {"consignment": consignment.id, "network": network.name}
        return Halted(f"{BY_NETWORK}: {refused.reason}", refused.findings, facts)
    return _handed_over(work, consignment, receipt)


async def _picked_up(work: Work, resources: Resources) -> Outcome:
    """Wait until the account has seen it; what is said about it meanwhile is heard."""
    heard, document = await hear(work, resources), work.document
    if heard.ended:
        return Halted(heard.ended, heard.findings, news=heard.news)
    if document.seen_at is not None:
        return Done({"seen_at": instant(document.seen_at), "seen_by": document.seen_by}, news=heard.news)
    return Later(LOOK_AGAIN, "the account has not seen it yet", heard.news)


async def _consign(work: Work, resources: Resources) -> Consignment:
    document = work.document
    routed, built = work.facts(Stage.ROUTED), work.facts(Stage.BUILT)
    data = await work.read(Role.ORIGINAL, resources)
    repeated = work.attempts > 1 or work.lost_sight
    suffix = "pdf" if built["format"] == "facturx" else "xml"
    address = ElectronicAddress(routed["scheme"], document.buyer_address or "")
    if document.about is None:
        named = document.number or str(document.id)
        subject = f"{'Avoir' if document.type_code in CREDIT_NOTE_TYPES else 'Facture'} {document.number}"
    else:
        parsed = work.facts(Stage.PARSED)
        named, subject = parsed["message"] or str(document.id), f"Statut {parsed['code']}"
    return Consignment(
        id=routed["consignment"],
        route=Route(routed["network"], address, routed["reason"]),
        name=f"{_file_name(named)}.{suffix}",
        syntax=SYNTAXES[built["format"]],
        media_type="application/pdf" if suffix == "pdf" else "application/xml",
        data=data,
        sha256=digest(data),
        organization=document.participant,
        subject=f"{subject} de {work.account.name}",
        repeated=repeated,
        since=await _since(work, routed["consignment"], resources) if repeated else None,
        profile=flow_profile(work.facts(Stage.PARSED).get("profile", "")),
        rule=routed.get("rule") or work.facts(Stage.RECEIVED).get("processing_rule", "B2B"),
    )


async def _since(work: Work, consignment: str, resources: Resources) -> datetime | None:
    """Before when no attempt can have been made; what was decided before a database was put back is not known."""
    if work.lost_sight:
        return work.document.created_at
    async with resources.pool.account(work.account.id) as connection:
        return await documents.decided_at(connection, work.document.id, consignment)


def flow_profile(specification: str) -> str:
    """What XP Z12-013 calls a specification identifier (BT-24); empty where it has no word for it."""
    profile = profiles.named(specification)
    return PROFILES.get(profile, "") if profile is not None else ""


def _handed_over(work: Work, consignment: Consignment, receipt: Receipt) -> Done:
    facts = {
        "consignment": consignment.id,
        "network": consignment.route.network,
        "network_id": receipt.network_id,
        "network_at": instant(receipt.at),
        "sha256": consignment.sha256,
        "already_there": receipt.already_there,
    }
    news: tuple[News, ...] = ()
    if work.lost_sight and receipt.already_there:
        reason = "the database was put back since it was accepted; the network was asked, and had it"
        unknown = {"attempt": work.attempts, "outcome": "unknown", "reason": reason, "consignment": consignment.id}
        news = (News("attempt", unknown),)
    return Done(facts, (Kept(Role.RECEIPT, receipt.evidence_type, receipt.evidence),), news)


def _later(work: Work, consignment: Consignment, away: Unreachable) -> Outcome:
    wait = wait_before(work.attempts)
    facts = {
        "attempt": work.attempts,
        "outcome": "unknown" if away.unknown else "unreachable",
        "reason": away.reason,
        "consignment": consignment.id,
    }
    if wait is None:
        return Halted("the network could not be reached for three days", facts=facts)
    after = max(away.retry_in or wait, wait) * (1 + JITTER * _drawn(consignment.id, work.attempts))
    return Later(after, away.reason, (News("attempt", facts),), asked=away.retry_in)


def _drawn(consignment: str, attempt: int) -> float:
    """A number from 0 to 1, spread over consignments and attempts, the same whenever it is asked."""
    return int(digest(f"{consignment} {attempt}".encode())[:8], 16) / 0xFFFFFFFF


def _file_name(number: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in number)[:80]
