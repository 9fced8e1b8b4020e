"""What sealing asks of others: a signature of the key, a timestamp of an authority, revocation data of the issuers.

Nothing that comes back is believed before it was checked, in a worker process: a signature must be that of the
certificate, a token must answer our question, and the data to verify by must complete the chain. What cannot be had is
`Missing`, with the reasons of everybody who was asked.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import x509

from adapters.port import RevocationSource, Unreachable
from gateway.resources import Resources, Sealer
from signing import keys, revocation, timestamp
from signing.keys import SigningKey, UnusableKey
from signing.revocation import Asked, NoEvidence, Signers
from signing.timestamp import NoTimestamp, Query, Token
from signing.trust import NO_EVIDENCE, Evidence, Trust
from signing.verdict import Indication

Chain = tuple[x509.Certificate, ...]


class Missing(Exception):
    """Something that a seal needs cannot be had now; the message names everybody who was asked, and why not."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A token and who gave it."""

    token: Token
    authority: str
    """The name in the settings."""


async def chain(key: SigningKey, now: datetime) -> Chain:
    """The certificates of the sealing key. Raises Missing when it is away, or its certificate is not valid today."""
    try:
        found = await key.chain()
        keys.algorithm_of(found[0])
    except Unreachable as away:
        raise Missing(f"the sealing key cannot be reached: {away.reason}") from away
    except UnusableKey as wrong:
        raise Missing(f"the sealing key cannot be used: {wrong}") from wrong
    if not found[0].not_valid_before <= now <= found[0].not_valid_after:
        raise Missing("the certificate of the sealing key is not valid today")
    return found


async def signature(key: SigningKey, certificate: x509.Certificate, digest: bytes) -> bytes:
    """The key's signature of a digest. Raises Missing."""
    try:
        signed = await key.sign(digest)
    except Unreachable as away:
        raise Missing(f"the sealing key cannot be reached: {away.reason}") from away
    if not keys.fits(certificate, digest, signed):
        raise Missing("the sealing key gave a signature that is not that of its certificate")
    return signed


async def stamp(digest: bytes, sealer: Sealer, resources: Resources) -> Stamp:
    """A token over a digest, of the first authority that gives a good one. Raises Missing."""
    reasons = []
    asked = timestamp.request(digest, secrets.randbits(62))
    for authority in sealer.authorities:
        try:
            answer = await authority.stamp(asked.der)
            token = await resources.compute(_accepted, (asked, answer, resources.trust, resources.clock.now()))
        except Unreachable as away:
            reasons.append(away.reason)
        except NoTimestamp as vain:
            reasons.append(f"{authority.name}: {vain}")
        else:
            return Stamp(token, authority.name)
    raise Missing("; ".join(reasons) or "no timestamp authority is configured")


async def evidence(of: Sequence[Signers], sealer: Sealer, resources: Resources) -> Evidence:
    """The data to verify a seal by: the chain of its sealer (first) and those of its timestamps. Raises Missing."""
    gathered = NO_EVIDENCE
    for number, signer in enumerate(of):
        own = tuple(x509.Certificate.load(one) for one in signer.others if _is_root(one))
        roots = resources.trust.stampers if number else (resources.trust.roots or own)
        path, found = await published(signer, roots, sealer.revocations)
        lacks = await resources.compute(
            _lacks, (signer, tuple(one.dump() for one in roots), resources.clock.now(), found)
        )
        if lacks:
            raise Missing(f"{path[0].subject.human_friendly}: {lacks}")
        gathered += found
    return gathered


async def published(signer: Signers, roots: Chain, source: RevocationSource | None) -> tuple[Chain, Evidence]:
    """The chain of who signed, and it with what its issuers say today. Raises Missing where one says nothing."""
    path = revocation.path(signer, roots)
    found = Evidence(tuple(one.dump() for one in path))
    for asked in revocation.questions(path):
        found += await _looked_up(asked, source)
    return path, found


async def _looked_up(asked: Asked, source: RevocationSource | None) -> Evidence:
    """What the first place says that can be asked; nothing where none can, as the chain then tells."""
    reasons = []
    for question in asked.questions if source else ():
        assert source is not None
        try:
            return revocation.accepted(question, await source.fetch(question.url, question.body))
        except Unreachable as away:
            reasons.append(away.reason)
        except NoEvidence as vain:
            reasons.append(f"{question.url}: {vain}")
    raise Missing(f"{asked.subject}: its revocation cannot be looked up: {'; '.join(reasons) or 'nobody may ask'}")


def _is_root(der: bytes) -> bool:
    return bool(x509.Certificate.load(der).self_signed != "no")


def _accepted(made: tuple[Query, bytes, Trust, datetime]) -> Token:
    """The token of an answer. Raises NoTimestamp when it is damaged, or of an authority that is not believed."""
    asked, answer, trust, now = made
    token = timestamp.accept(asked, answer)
    verdict = timestamp.verify(token.der, asked.digest, trust, now)
    believed = verdict.indication is Indication.PASSED or verdict.sub == "TRY_LATER"
    if verdict.indication is Indication.FAILED or (trust.stampers and not believed):
        raise NoTimestamp(f"its timestamp is not believed: {verdict.sub}")
    return token


def _lacks(made: tuple[Signers, tuple[bytes, ...], datetime, Evidence]) -> str:
    """What a chain lacks to be verified for years; empty when nothing."""
    signer, roots, now, found = made
    judged = revocation.judged(signer, tuple(x509.Certificate.load(one) for one in roots), now, found)
    return "" if judged.trusted and judged.good else f"{judged.sub}, {judged.saw}"
