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
from gateway.lifecycle import Done, Halted, Kept, Later, News, Outcome, Role, Skipped, Stage, wait_before
from gateway.resources import Resources, Sealer, Work, digest
from gateway.sealing import Chain, Missing, Stamp
from schemas.finding import Finding, Severity
from signing import keys, pdf, pdf_verdict, revocation
from signing.pdf import NotSealed, Room
from signing.timestamp import NoTimestamp, Token
from signing.trust import Trust
from signing.verdict import Indication, Verdict

PATIENCE = timedelta(minutes=1)
"""Until a look whether a key is configured now."""

REASONS = {
    "fr": "Authenticité de l'origine et intégrité du contenu de la facture",
    "en": "Authenticity of the origin and integrity of the content of the invoice",
}
"""What the seal says it is for (article 289 VII of the CGI, article 233 of the VAT directive)."""

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
    """A sealed original, and what the event tells of the seal."""

    data: bytes
    facts: Mapping[str, Any]


async def run(work: Work, resources: Resources) -> Outcome:
    """Verify what the document bears, then seal the original as the account asks."""
    borne, kept = await _borne(work, resources)
    told = {"borne": borne} if borne else {}
    if borne.get("indication") == str(Indication.FAILED) and work.document.direction == "outbound":
        return Halted("the submission bears a seal that does not hold", (_broken(borne),), told, kept)
    if work.document.direction == "inbound":
        return Done(told, kept) if borne else Skipped("it bears no seal")
    wanted = work.account.seal
    if wanted == "none":
        return Skipped("the account asks for no seal", told, kept)
    if work.facts(Stage.BUILT)["format"] != "facturx":
        return Skipped("the original is XML, and only PDFs are sealed", told, kept)
    if resources.sealer is None:
        return Later(PATIENCE, "the account asks for a seal, and no sealing key is configured")
    wish = Wish(LEVELS[wanted.removesuffix("_if_possible")], wanted.endswith("_if_possible"))
    try:
        chain = await sealing.chain(resources.sealer.key, resources.clock.now())
        if work.account.seal_qualified and (lacks := keys.claims(chain[0]).lacks):
            return Later(
                PATIENCE, f"the account asks for a qualified certificate, and that of the key is none: {lacks}"
            )
        made = await _pdf(work, resources, resources.sealer, chain, wish)
    except NotSealed as unable:
        return Halted(str(unable), facts=told, keep=kept)
    except Missing as missing:
        return _again(work, str(missing))
    facts = {**told, **made.facts, "sha256": digest(made.data), "size": len(made.data)}
    return Done(facts, (*kept, Kept(Role.ORIGINAL, "application/pdf", made.data)))


# The seals of others -------------------------------------------------------------------------------------------------


async def _borne(work: Work, resources: Resources) -> tuple[dict[str, Any], tuple[Kept, ...]]:
    """What the submission's own seals are worth: for the event, and all of it to be kept; empty without a seal."""
    data = await work.read(Role.SUBMISSION, resources)
    verdict = await resources.compute(verified, data, resources.trust, resources.clock.now())
    if verdict is None:
        return {}, ()
    whole = {**verdict.as_json(), "seals": [one.as_json() for one in verdict.seals]}
    kept = Kept(Role.VERDICT, "application/json", json.dumps(whole, ensure_ascii=False).encode())
    facts = {
        "indication": str(verdict.indication),
        "sub": verdict.sub,
        "level": verdict.level,
        "seals": len(verdict.seals),
        "verdict": digest(kept.data),
    }
    return facts, (kept,)


def verified(data: bytes, trust: Trust, now: datetime) -> Verdict | None:
    """The verdict on the seals that a document bears; None when it bears none. Pure, for a worker process."""
    if data.startswith(b"%PDF-"):
        return pdf_verdict.verify(data, trust, now) if pdf.bears_seal(data) else None
    return None


def _broken(borne: Mapping[str, Any]) -> Finding:
    says = f"A seal in the document does not hold ({borne['sub']}): it was changed after it was sealed, or is no seal."
    return Finding("SEAL-BROKEN", Severity.FATAL, "seal", says, fix="Send the document as it was sealed.")


# Ours ----------------------------------------------------------------------------------------------------------------


async def _pdf(work: Work, resources: Resources, sealer: Sealer, chain: Chain, wish: Wish) -> Made:
    """The sealed PDF, at the level that is asked for or, where the account says so, that can be had."""
    at = resources.clock.now().replace(microsecond=0)
    original = await work.read(Role.ORIGINAL, resources)
    reason = REASONS.get(resources.language, REASONS["en"])
    room = await resources.compute(prepare, original, _der(chain), at, reason)
    signature = await sealing.signature(sealer.key, chain[0], room.digest)
    facts = {"sealed_by": chain[0].subject.human_friendly, "sealed_at": at.isoformat(), "key": sealer.key.name}
    stamp: Stamp | None = None
    if wish.asks("B-T"):
        try:
            stamp = await sealing.stamp(sha256(signature).digest(), sealer, resources)
        except Missing as missing:
            if not wish.if_possible:
                raise Missing(f"no timestamp can be had now: {missing}") from missing
            facts["without_timestamp"] = str(missing)
    sealed = await resources.compute(complete, room, _der(chain), signature, stamp.token if stamp else None)
    if stamp is None:
        return Made(sealed, {**facts, "level": "B-B"})
    facts["authority"] = stamp.authority
    if not wish.asks("B-LT"):
        return Made(sealed, {**facts, "level": "B-T"})
    try:
        return await _for_years(sealed, (chain, stamp), facts, wish, (sealer, resources))
    except Missing as missing:
        if not wish.if_possible:
            raise Missing(f"the data to verify by cannot be had now: {missing}") from missing
        return Made(sealed, {**facts, "level": "B-T", "without_evidence": str(missing)})


async def _for_years(
    sealed: bytes, by: tuple[Chain, Stamp], facts: Mapping[str, Any], wish: Wish, means: tuple[Sealer, Resources]
) -> Made:
    """The sealed PDF with the data to verify it by, and a timestamp over all of it where that is asked for."""
    sealer, resources = means
    own = revocation.Signers(by[0][0].dump(), _der(by[0][1:]))
    evidence = await sealing.evidence((own, revocation.signers(by[1].token.der)), sealer, resources)
    if not wish.asks("B-LTA"):
        return Made(await resources.compute(pdf.extended, sealed, evidence), {**facts, "level": "B-LT"})
    room = await resources.compute(pdf.stamp_room, sealed, evidence)
    try:
        over = await sealing.stamp(room.signed, sealer, resources)
    except Missing as missing:
        if not wish.if_possible:
            raise
        long = await resources.compute(pdf.extended, sealed, evidence)
        return Made(long, {**facts, "level": "B-LT", "without_archival": str(missing)})
    archived = pdf.stamped(room, over.token)
    if over.authority != by[1].authority:  # its chain is not among the data that was stamped
        more = await sealing.evidence((own, revocation.signers(over.token.der)), sealer, resources)
        archived = await resources.compute(pdf.extended, archived, more)
    return Made(archived, {**facts, "level": "B-LTA", "archived_by": over.authority})


def prepare(original: bytes, chain: tuple[bytes, ...], at: datetime, reason: str) -> Room:
    """Room for a seal. Pure, for a worker process. Raises NotSealed."""
    return pdf.prepare(original, _read(chain), at=at, reason=reason)


def complete(room: Room, chain: tuple[bytes, ...], signature: bytes, token: Token | None) -> bytes:
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
    attempt = News("attempt", {"attempt": work.attempts, "outcome": "unreachable", "reason": told})
    wait = wait_before(work.attempts)
    if wait is None:
        return Halted(f"no seal could be had: {told}", news=(attempt,))
    return Later(wait, told, (attempt,))
