"""Seal: sign what is ours, let an authority say when, and say what the seals of others are worth.

A document may come with a seal already: it is verified, and the verdict is kept and told. One that is broken is never
sent on as ours; what was received is kept all the same, with the verdict. Then the account's own seal: a PDF gets it
inside (PAdES), a UBL among its extensions (XAdES, enveloped), a CII beside it (detached), as its schema has no place
for one. What the account asks for and cannot be had now is waited for, visibly, or gone without, as the account says:
a missing seal is told, never implied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from asn1crypto import x509

from gateway import sealing
from gateway.compute import Interrupted
from gateway.lifecycle import (
    INTERRUPTIONS_LIMIT,
    Done,
    Halted,
    Kept,
    Later,
    News,
    Outcome,
    Role,
    Skipped,
    Stage,
    wait_before,
)
from gateway.resources import Resources, Sealer, Work, digest
from gateway.sealing import Chain, Missing, Stamp
from schemas.finding import Finding, Severity
from schemas.formats.facturx import lettering
from signing import keys, pdf, revocation, xml
from signing.borne import verified
from signing.keys import NotSealed
from signing.mark import Mark
from signing.revocation import Signers
from signing.timestamp import NoTimestamp, Token
from signing.trust import NO_EVIDENCE, Evidence
from signing.verdict import Indication

PATIENCE = timedelta(minutes=1)
"""Until a look whether a key is configured now."""

REASONS = {
    "fr": "Authenticité de l'origine et intégrité du contenu de la facture",
    "en": "Authenticity of the origin and integrity of the content of the invoice",
}
"""What the seal says it is for (article 289 VII of the CGI, article 233 of the VAT directive)."""

MARKS = {"fr": "Scellé électroniquement :", "en": "Sealed electronically:", "de": "Elektronisch besiegelt:"}
"""What a mark that is seen begins with."""

ORIGINAL_NAME = "original.xml"
"""What a seal beside an XML calls it; a name, under which nothing is looked up."""

LEVELS = {"seal": "B-B", "timestamp": "B-T", "long_term": "B-LT", "archival": "B-LTA"}
"""The baseline level of what an account asks for, `_if_possible` left out."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an account asks for, read once."""

    level: str
    if_possible: bool
    """Go on at the level that can be had."""

    def asks(self, level: str) -> bool:
        """Whether it asks for this level or more."""
        order = list(LEVELS.values())
        return order.index(self.level) >= order.index(level)


@dataclass(frozen=True, slots=True)
class Made:
    """What a seal made, and what the event tells of it."""

    kept: tuple[Kept, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Means:
    """By what is sealed now."""

    resources: Resources
    sealer: Sealer
    chain: Chain
    wish: Wish
    at: datetime

    @property
    def facts(self) -> dict[str, Any]:
        """Who seals, when and with what."""
        by = self.chain[0].subject.human_friendly
        return {"sealed_by": by, "sealed_at": self.at.isoformat(), "key": self.sealer.key.name}


async def run(work: Work, resources: Resources) -> Outcome:
    """Verify what the document bears, then seal the original as the account asks."""
    try:
        return await _sealed(work, resources)
    except Interrupted as interrupted:
        if work.attempts >= INTERRUPTIONS_LIMIT:
            return Halted("could not be sealed: the process died each time", facts={"attempts": work.attempts})
        return _again(work, f"could not be sealed: {interrupted}")


async def _sealed(work: Work, resources: Resources) -> Outcome:
    borne, kept = await _borne(work, resources)
    told = {"borne": borne} if borne else {}
    if borne.get("indication") == str(Indication.FAILED) and work.document.direction == "outbound":
        return Halted("the submission bears a seal that does not hold", (_broken(borne),), told, kept)
    if work.document.direction == "inbound":
        return Done(told, kept) if borne else Skipped("it bears no seal")
    wanted = work.account.seal
    if wanted == "none":
        return Skipped("the account asks for no seal", told, kept)
    if resources.sealer is None:
        return Later(PATIENCE, "the account asks for a seal, and no sealing key is configured")
    wish = Wish(LEVELS[wanted.removesuffix("_if_possible")], wanted.endswith("_if_possible"))
    at = resources.clock.now().replace(microsecond=0)
    try:
        chain = await sealing.chain(resources.sealer.key, at)
        if work.account.seal_qualified and (lacks := keys.claims(chain[0]).lacks):
            return Later(PATIENCE, f"the account asks for a qualified certificate, and the key's is none: {lacks}")
        means = Means(resources, resources.sealer, chain, wish, at)
        made = await (_pdf if work.facts(Stage.BUILT)["format"] == "facturx" else _xml)(work, means)
    except NotSealed as unable:
        return Halted(str(unable), facts=told, keep=kept)
    except Missing as missing:
        return _again(work, str(missing))
    return Done({**told, **made.facts}, (*kept, *made.kept))


# The seals of others -------------------------------------------------------------------------------------------------


async def _borne(work: Work, resources: Resources) -> tuple[dict[str, Any], tuple[Kept, ...]]:
    """What the submission's own seals are worth: for the event, and all of it to be kept; empty without a seal."""
    data = await work.read(Role.SUBMISSION, resources)
    if not (data.startswith(b"%PDF-") or xml.DS.encode() in data):
        return {}, ()
    verdict = await resources.compute(verified, data, resources.trust, resources.clock.now())
    if verdict is None:
        return {}, ()
    kept = Kept(Role.VERDICT, "application/json", json.dumps(verdict.with_seals(), ensure_ascii=False).encode())
    facts = {
        "indication": str(verdict.indication),
        "sub": verdict.sub,
        "level": verdict.level,
        "seals": len(verdict.seals),
        "verdict": digest(kept.data),
    }
    return facts, (kept,)


def _broken(borne: Mapping[str, Any]) -> Finding:
    says = f"A seal in the document does not hold ({borne['sub']}): it was changed after it was sealed, or is no seal."
    return Finding("SEAL-BROKEN", Severity.FATAL, "seal", says, fix="Send the document as it was sealed.")


# Ours ----------------------------------------------------------------------------------------------------------------


async def _pdf(work: Work, means: Means) -> Made:
    """The sealed PDF, at the level that is asked for or, where the account says so, that can be had."""
    compute, chain = means.resources.compute, _der(means.chain)
    original = await work.read(Role.ORIGINAL, means.resources)
    reason = REASONS.get(means.resources.language, REASONS["en"])
    mark = _marked(means) if work.account.seal_visible else None
    room = await compute(prepare, original, chain, (means.at, reason), mark)
    signature = await sealing.signature(means.sealer.key, means.chain[0], room.digest)
    stamp, facts = await _stamped(sha256(signature).digest(), means)
    sealed = await compute(complete, room, chain, signature, stamp.token if stamp else None)
    level = "B-B" if stamp is None else "B-T"
    if stamp is not None and means.wish.asks("B-LT"):
        evidence, more = await _evidence(stamp, means)
        facts |= more
        if evidence is not None:
            sealed, level, more = await _for_years(sealed, evidence, stamp, means)
            facts |= more
    told = {**means.facts, **facts, "form": "PAdES", "level": level, "sha256": digest(sealed), "size": len(sealed)}
    return Made((Kept(Role.ORIGINAL, "application/pdf", sealed),), told)


async def _for_years(
    sealed: bytes, evidence: Evidence, stamp: Stamp, means: Means
) -> tuple[bytes, str, dict[str, Any]]:
    """The PDF with the data to verify it by, and a timestamp over all of it where that is asked for; the level."""
    compute = means.resources.compute
    if not means.wish.asks("B-LTA"):
        return await compute(pdf.extended, sealed, evidence), "B-LT", {}
    room = await compute(pdf.stamp_room, sealed, evidence)
    try:
        over = await sealing.stamp(room.signed, means.sealer, means.resources)
    except Missing as missing:
        if not means.wish.if_possible:
            raise Missing(f"no timestamp can be had now: {missing}") from missing
        return await compute(pdf.extended, sealed, evidence), "B-LT", {"without_archival": str(missing)}
    archived = pdf.stamped(room, over.token)
    if over.authority != stamp.authority:  # its chain is not among the data that was stamped
        more, told = await _evidence(over, means)
        if more is None:
            return await compute(pdf.extended, sealed, evidence), "B-LT", told
        archived = await compute(pdf.extended, archived, more)
    return archived, "B-LTA", {"archived_by": over.authority}


async def _xml(work: Work, means: Means) -> Made:
    """The UBL with its seal inside, or a seal beside the document; B-LT is the highest level."""
    compute, chain = means.resources.compute, _der(means.chain)
    original = await work.read(Role.ORIGINAL, means.resources)
    room = await compute(prepare_xml, original, chain, means.at)
    signature = await sealing.signature(means.sealer.key, means.chain[0], room.digest)
    stamp, facts = await _stamped(xml.imprint(room, means.chain, signature), means)
    evidence: Evidence | None = None
    if stamp is not None and means.wish.asks("B-LT"):
        evidence, more = await _evidence(stamp, means)
        facts |= more
    level = "B-B" if stamp is None else ("B-T" if evidence is None else "B-LT")
    token = stamp.token if stamp else None
    made = xml.complete(room, means.chain, signature, token, evidence or NO_EVIDENCE)
    told = {**means.facts, **facts, "form": "XAdES", "level": level, "enveloped": room.enveloped}
    if room.enveloped:
        kept = Kept(Role.ORIGINAL, "application/xml", made)
        return Made((kept,), {**told, "sha256": digest(made), "size": len(made)})
    seal = {"seal": digest(made), "sha256": digest(original), "size": len(original)}
    return Made((Kept(Role.SEAL, "application/xml", made),), {**told, **seal})


async def _stamped(imprint: bytes, means: Means) -> tuple[Stamp | None, dict[str, Any]]:
    """A timestamp where it is asked for. Raises Missing where the account does not go on without."""
    if not means.wish.asks("B-T"):
        return None, {}
    try:
        stamp = await sealing.stamp(imprint, means.sealer, means.resources)
    except Missing as missing:
        if means.wish.if_possible:
            return None, {"without_timestamp": str(missing)}
        raise Missing(f"no timestamp can be had now: {missing}") from missing
    return stamp, {"authority": stamp.authority}


async def _evidence(stamp: Stamp, means: Means) -> tuple[Evidence | None, dict[str, Any]]:
    """The data to verify by. Raises Missing where the account does not go on without."""
    own = Signers(means.chain[0].dump(), _der(means.chain[1:]))
    try:
        signers = (own, revocation.signers(stamp.token.der))
        return await sealing.evidence(signers, means.sealer, means.resources), {}
    except Missing as missing:
        if means.wish.if_possible:
            return None, {"without_evidence": str(missing)}
        raise Missing(f"the data to verify by cannot be had now: {missing}") from missing


def prepare(original: bytes, chain: tuple[bytes, ...], said: tuple[datetime, str], line: str | None) -> pdf.Room:
    """Room for a seal in a PDF; `line` is what is seen of it. Pure, for a worker process. Raises NotSealed."""
    mark = Mark((line,), lettering.regular()) if line else None
    return pdf.prepare(original, _read(chain), at=said[0], reason=said[1], mark=mark)


def _marked(means: Means) -> str:
    """What is seen of a seal, in the language of the pages."""
    subject = means.chain[0].subject.native
    name = subject.get("organization_name") or subject.get("common_name") or means.chain[0].subject.human_friendly
    return f"{MARKS.get(means.resources.language, MARKS['en'])} {name}, {means.at:%Y-%m-%d %H:%M} UTC"


def prepare_xml(original: bytes, chain: tuple[bytes, ...], at: datetime) -> xml.Room:
    """Room for a seal in or beside an XML. Pure, for a worker process. Raises NotSealed."""
    return xml.prepare(original, _read(chain), at=at, name=ORIGINAL_NAME)


def complete(room: pdf.Room, chain: tuple[bytes, ...], signature: bytes, token: Token | None) -> bytes:
    """The sealed PDF. Pure, for a worker process. Raises NotSealed where the room does not do."""
    try:
        return pdf.complete(room, _read(chain), signature, token)
    except NoTimestamp as wrong:
        raise NotSealed(str(wrong)) from wrong


def _der(chain: Chain) -> tuple[bytes, ...]:
    """Certificates as they travel between processes: read ones do not."""
    return tuple(one.dump() for one in chain)


def _read(chain: tuple[bytes, ...]) -> Chain:
    return tuple(x509.Certificate.load(one) for one in chain)


def _again(work: Work, told: str) -> Outcome:
    outcome = "interrupted" if told.startswith("could not") else "unreachable"
    attempt = News("attempt", {"attempt": work.attempts, "outcome": outcome, "reason": told})
    wait = wait_before(work.attempts)
    if wait is None:
        return Halted(f"no seal could be had: {told}", news=(attempt,))
    return Later(wait, told, (attempt,))
