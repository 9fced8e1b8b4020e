"""Seal: sign what is ours, and let an authority say when, as the account asks.

Only a PDF is sealed here (PAdES). A document whose account asks for a seal that cannot be set now waits, visibly; one
that is delivered in XML, or whose account asks for none, says so: a missing seal is told, never implied. A timestamp
is asked of the authorities in their order. Where none answers, the document waits or goes on, as the account says, and
each vain attempt is an event.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from adapters.port import Unreachable
from gateway.lifecycle import Done, Halted, Kept, Later, News, Outcome, Role, Skipped, Stage, wait_before
from gateway.resources import Resources, Sealer, Work, digest
from signing.seal import NoTimestamp, NotSealed, Query, SealKey, query, seal, stamped

PATIENCE = timedelta(minutes=1)
"""Until a look whether a key is configured now."""

REASONS = {
    "fr": "Authenticité de l'origine et intégrité du contenu de la facture",
    "en": "Authenticity of the origin and integrity of the content of the invoice",
}
"""What the seal says it is for (article 289 VII of the CGI, article 233 of the VAT directive)."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to seal; picklable."""

    pdf: bytes
    key: SealKey
    at: datetime
    reason: str
    nonce: int


async def run(work: Work, resources: Resources) -> Outcome:
    """Seal the original as the account asks."""
    wanted = work.account.seal
    if wanted == "none":
        return Skipped("the account asks for no seal")
    if work.facts(Stage.BUILT)["format"] != "facturx":
        return Skipped("the original is XML, and only PDFs are sealed")
    if resources.sealer is None:
        return Later(PATIENCE, "the account asks for a seal, and no sealing key is configured")
    order = Order(
        pdf=await work.read(Role.ORIGINAL, resources),
        key=resources.sealer.key,
        at=resources.clock.now().replace(microsecond=0),
        reason=REASONS.get(resources.language, REASONS["en"]),
        nonce=secrets.randbits(62),
    )
    try:
        sealed, asked, sealer = await resources.compute(sign, order)
    except NotSealed as unable:
        return Halted(str(unable))
    facts = {"sealed_by": sealer, "sealed_at": order.at.isoformat()}
    if wanted == "seal":
        return _done(sealed, {**facts, "level": "B-B"})
    return await _stamp(work, resources, resources.sealer, (sealed, asked, facts))


def sign(order: Order) -> tuple[bytes, Query, str]:
    """The sealed PDF, what to ask an authority for it, and whose seal it is. Pure, for a worker process."""
    sealed = seal(order.pdf, order.key, at=order.at, reason=order.reason)
    return sealed, query(sealed, order.nonce), order.key.certificate().subject.human_friendly


async def _stamp(
    work: Work, resources: Resources, sealer: Sealer, made: tuple[bytes, Query, Mapping[str, Any]]
) -> Outcome:
    """Ask the authorities in turn; without an answer wait, or go on where the account says so."""
    sealed, asked, facts = made
    reasons = []
    for authority in sealer.authorities:
        try:
            answer = await authority.stamp(asked.der)
            whole = await resources.compute(_put, (sealed, asked, answer))
        except (Unreachable, NoTimestamp) as vain:
            reasons.append(vain.reason if isinstance(vain, Unreachable) else f"{authority.name}: {vain}")
            continue
        return _done(whole, {**facts, "level": "B-T", "authority": authority.name})
    told = "; ".join(reasons) or "no timestamp authority is configured"
    if work.account.seal == "timestamp_if_possible":
        return _done(sealed, {**facts, "level": "B-B", "without_timestamp": told})
    attempt = News("attempt", {"attempt": work.attempts, "outcome": "unreachable", "reason": told})
    wait = wait_before(work.attempts)
    if wait is None:
        return Halted(f"no timestamp could be had: {told}", news=(attempt,))
    return Later(wait, f"no timestamp can be had now: {told}", (attempt,))


def _put(made: tuple[bytes, Query, bytes]) -> bytes:
    return stamped(*made)


def _done(sealed: bytes, facts: Mapping[str, Any]) -> Done:
    made = {**facts, "sha256": digest(sealed), "size": len(sealed)}
    return Done(made, (Kept(Role.ORIGINAL, "application/pdf", sealed),))
