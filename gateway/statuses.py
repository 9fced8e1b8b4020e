"""What parties and platforms say about a document, turned into news for its journal.

A status never walks a document back: `furthest` is the status that counts, by the ranks of the vocabulary, whatever the
order of arrival. Unknown codes are kept and shown. A message that cannot be read is kept and shown too.

What somebody says who is no party of the invoice, or that is not his to say, is kept and shown as `unproved`, and does
not count: else whoever knows an invoice's number could end it. Platforms say what is theirs: their roles are believed.

A status message is judged by its XSD and BR-FR-CDV, and the verdict told with it; what it says counts whatever the
verdict, because the other side has said it. Where it could not be judged, that is told: never that it is valid.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.port import ArrivalKind
from gateway.compute import Interrupted
from gateway.lifecycle import BY_ACCOUNT, BY_OTHER_SIDE, BY_PLATFORM, Kept, News, Role
from gateway.resources import Resources, Work
from gateway.store.arrivals import INBOUND, OUTBOUND
from gateway.store.documents import Document, WaitingArrival
from schemas.finding import Finding, Severity, Verdict
from schemas.formats import cdar
from schemas.formats.cdar import Speaker
from schemas.invoice import SELF_BILLED_TYPES
from schemas.judge import judge
from schemas.parties import FRENCH_SCHEMES
from schemas.xml import Unreadable
from signing.chain import instant

PLATFORMS = frozenset({"WK", "DFH", ""})
"""Roles of an issuer that is a platform or the public portal; empty: it says no role."""
_PLATFORMS = frozenset({Speaker.ISSUING_PLATFORM, Speaker.RECEIVING_PLATFORM, Speaker.PORTAL})
_PARTIES = frozenset({Speaker.SELLER, Speaker.BUYER})
NO_PARTY, NOT_THEIRS = "said by somebody who is no party to it", "said by the party that does not say this"
"""Why a status is not proved."""
REFUSES_A_MESSAGE = frozenset({"501", "601"})
"""What ends a status message of ours: it is inadmissible, or rejected by the public portal."""
_FRENCH = re.compile(r"(?:FR[0-9A-Z]{2})?([0-9]{9})(?:[0-9]{5})?")
_BROKEN_LIMIT = 50
"""Rules named with the verdict on a status message."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the waiting arrivals say, all together."""

    news: tuple[News, ...]
    furthest: str | None
    """Name of the status that counts now; None when nothing was said yet."""
    ended: str | None
    """Why the document ends here: refused or rejected; None when it goes on."""
    findings: tuple[Finding, ...] = ()
    """The reasons the other side gives, for `ended`."""


async def hear(work: Work, resources: Resources) -> Heard:
    """Read what waits for the document, in the order it came about."""
    news: list[News] = []
    before = work.document.status
    furthest, ended = before, work.document.halted
    findings: tuple[Finding, ...] = ()
    for arrival in work.arrivals:
        if arrival.kind is ArrivalKind.ACKNOWLEDGEMENT:
            item, refused = _acknowledgement(arrival, furthest)
            news.append(item)
            if refused:
                ended, findings = BY_PLATFORM, refused
            continue
        try:
            message = await resources.compute(cdar.read, arrival.data)
        except Unreadable as unreadable:
            news.append(_unreadable(arrival, unreadable.findings))
            continue
        status = cdar.status_of(message.code)
        if (why := _unproved(message, work.document)) is not None:
            news.append(_doubted(arrival, message, why, await _judged(arrival.data, resources)))
            continue
        furthest = cdar.further(furthest, status.name)
        news.append(_status(arrival, message, furthest, await _judged(arrival.data, resources)))
        refuses = work.document.about is not None and status.code in REFUSES_A_MESSAGE
        if refuses or (status.ends and furthest == status.name != before):
            ended, findings = f"{status.name} {BY_OTHER_SIDE}", _reasons(message)
    said = cdar.named(before) if before else None
    if ended is None and said is not None and said.ends:
        ended = f"{said.name} {BY_ACCOUNT}"
    return Heard(tuple(news), furthest, ended, findings)


def direction_of(message: cdar.StatusMessage) -> str:
    """Which side of its invoice a message is for, outbound or inbound: that of who did not say it.

    A platform's is for its recipients; one for both is for who issued the invoice, who waits for it.
    """
    if message.issuer.id and message.issuer.role not in PLATFORMS:
        to_seller = _siren(message.issuer.id) != _siren(message.seller) and message.issuer.role != "SE"
    else:
        roles = {party.role for party in message.recipients}
        both = {"SE", "BY"} <= roles or not {"SE", "BY"} & roles
        if both:
            return OUTBOUND
        to_seller = "SE" in roles
    return OUTBOUND if to_seller != (message.type_code in SELF_BILLED_TYPES) else INBOUND


def _unproved(message: cdar.StatusMessage, document: Document) -> str | None:
    """Why a message does not count: who says it may not; None when it does."""
    status, issuer = cdar.status_of(message.code), message.issuer
    speakers = frozenset(status.speakers)
    if not speakers or Speaker.THIRD in speakers:
        return None  # a code of partners, or a third party's: it ends nothing
    if (not issuer.id or issuer.role in PLATFORMS) and speakers & _PLATFORMS:
        return None
    sides = _sides(_siren(issuer.id), document) if issuer.id else frozenset[Speaker]()
    if not sides:
        return NO_PARTY
    theirs = speakers & _PARTIES
    return None if not theirs or sides & theirs or document.type_code in SELF_BILLED_TYPES else NOT_THEIRS


def _sides(siren: str, document: Document) -> frozenset[Speaker]:
    """Which parties of an invoice bear a SIREN: by their identifiers (BT-30, BT-47), the buyer's French address (BT-49)
    and the participant of the account."""
    own_is_seller = document.inbound == (document.type_code in SELF_BILLED_TYPES)
    sellers, buyers = {_siren(document.seller or "")}, {_siren(document.buyer or "")}
    if document.buyer_scheme in FRENCH_SCHEMES:  # of a self-billed invoice that was sent it is the seller's (BT-34)
        to_seller = not document.inbound and document.type_code in SELF_BILLED_TYPES
        (sellers if to_seller else buyers).add((document.buyer_address or "")[:9])
    (sellers if own_is_seller else buyers).add(document.participant)
    return frozenset(
        side for side, known in ((Speaker.SELLER, sellers), (Speaker.BUYER, buyers)) if siren and siren in known
    )


def _siren(text: str) -> str:
    """The SIREN of a SIREN, a SIRET or a French VAT number; of anything else the text itself."""
    found = _FRENCH.fullmatch("".join(text.split()).upper())
    return found[1] if found else text


async def _judged(data: bytes, resources: Resources) -> dict[str, Any]:
    """What the official rules say of a status message: the verdict, the layers, and the rules it breaks."""
    try:
        report = await resources.compute(judge, data, folder=resources.rules)
    except Interrupted:
        return {"verdict": str(Verdict.UNJUDGED), "layers": []}
    broken = sorted({finding.rule for finding in report.findings if finding.severity is Severity.FATAL})
    told: dict[str, Any] = {"verdict": str(report.verdict), "layers": [layer.as_json() for layer in report.layers]}
    return {**told, "broken": broken[:_BROKEN_LIMIT]} if broken else told


def _status(arrival: WaitingArrival, message: cdar.StatusMessage, furthest: str | None, judged: dict[str, Any]) -> News:
    facts: dict[str, Any] = {
        "status": cdar.status_of(message.code).name,
        "code": message.code,
        "at": instant(message.at),
        "source": arrival.network,
        "network_id": arrival.network_id,
        "furthest": furthest,
        **judged,
    }
    if message.reasons:
        facts["reasons"] = [reason.code for reason in message.reasons]
    return News("status", facts, (Kept(Role.STATUS, arrival.media_type, arrival.data),))


def _doubted(arrival: WaitingArrival, message: cdar.StatusMessage, why: str, judged: dict[str, Any]) -> News:
    facts: dict[str, Any] = {
        "status": "unproved",
        "claimed": cdar.status_of(message.code).name,
        "why": why,
        "at": instant(message.at),
        "source": arrival.network,
        "network_id": arrival.network_id,
        **judged,
    }
    return News("status", facts, (Kept(Role.STATUS, arrival.media_type, arrival.data),))


def _acknowledgement(arrival: WaitingArrival, furthest: str | None) -> tuple[News, tuple[Finding, ...]]:
    """What a network says of what we handed over, and why it refuses it."""
    undecided = all(finding.severity is Severity.INFO for finding in arrival.refused)
    facts: dict[str, Any] = {
        "status": "admitted" if not arrival.refused else "pending" if undecided else "not_admitted",
        "at": instant(arrival.at),
        "source": arrival.network,
        "network_id": arrival.network_id,
    }
    if furthest is not None:
        facts["furthest"] = furthest
    if arrival.refused:
        facts["reasons"] = [finding.rule for finding in arrival.refused]
    return News("status", facts, (Kept(Role.STATUS, arrival.media_type, arrival.data),)), (
        () if undecided else arrival.refused
    )


def _unreadable(arrival: WaitingArrival, findings: Sequence[Finding]) -> News:
    facts = {
        "status": "unreadable",
        "at": instant(arrival.at),
        "source": arrival.network,
        "network_id": arrival.network_id,
        "reasons": [finding.rule for finding in findings],
    }
    return News("status", facts, (Kept(Role.STATUS, arrival.media_type, arrival.data),))


def _reasons(message: cdar.StatusMessage) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            rule=reason.code or f"STATUS-{message.code}",
            severity=Severity.FATAL,
            layer="status",
            says=reason.comment or cdar.status_of(message.code).label_en,
        )
        for reason in message.reasons
    )
