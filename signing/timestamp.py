"""Timestamps as bytes (RFC 3161): what to ask an authority, whether it answered that, and what a token proves.

Nothing is sent from here. That an authority answered our question is checked when its answer comes; whether it is one
to be believed is for who verifies, with the roots it trusts and the revocation data that was kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from asn1crypto import algos, cms, tsp
from pyhanko.sign.validation.generic_cms import extract_certs_for_validation

from signing.signed_data import HASHES, Signed, look
from signing.trust import NO_EVIDENCE, Chain, Evidence, Trust, chain
from signing.verdict import Check, Indication, Verdict
from signing.verdict import one as first

CLOCKS = timedelta(minutes=1)
"""How far an authority's clock may be ahead of ours."""

_BY_LENGTH = {32: "sha256", 48: "sha384", 64: "sha512"}


class NoTimestamp(ValueError):
    """An answer of a timestamp authority that is none to our question; the message says why."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to a timestamp authority."""

    der: bytes
    """TimeStampReq, to be posted as application/timestamp-query."""
    digest: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Token:
    """What an authority said: this digest was there then."""

    der: bytes
    """ContentInfo with SignedData over TSTInfo."""
    at: datetime
    digest: bytes
    algorithm: str
    """Of the digest: sha256, sha384 or sha512."""
    authority: str
    """Subject of the certificate that signed, as written in it."""


def request(digest: bytes, nonce: int) -> Query:
    """What to ask for a SHA-256, SHA-384 or SHA-512 digest; `nonce`: random, below 2^63. Raises ValueError."""
    if len(digest) not in _BY_LENGTH:
        raise ValueError("a digest of SHA-256, SHA-384 or SHA-512 is stamped")
    asked = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {
                "hash_algorithm": algos.DigestAlgorithm({"algorithm": _BY_LENGTH[len(digest)]}),
                "hashed_message": digest,
            },
            "nonce": nonce,
            "cert_req": True,
        }
    )
    return Query(asked.dump(), digest, nonce)


def accept(asked: Query, answer: bytes) -> Token:
    """The token of an answer (TimeStampResp). Raises NoTimestamp when it does not answer this question."""
    try:
        response = tsp.TimeStampResp.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise NoTimestamp(f"the authority answered {status}")
        der = response["time_stamp_token"].dump()
        nonce = _told(response["time_stamp_token"])["nonce"].native
        token = read(der)
    except NoTimestamp:
        raise
    except Exception as wrong:
        raise NoTimestamp("the answer is no timestamp") from wrong
    if (token.algorithm, token.digest, nonce) != (_BY_LENGTH[len(asked.digest)], asked.digest, asked.nonce):
        raise NoTimestamp("the authority answered another question")
    return token


def read(der: bytes) -> Token:
    """What a token says, believed or not. Raises NoTimestamp."""
    try:
        content = cms.ContentInfo.load(der, strict=True)
        told = _told(content)
        imprint = told["message_imprint"]
        signer = extract_certs_for_validation(content["content"]).signer_cert
        return Token(
            der,
            told["gen_time"].native,
            imprint["hashed_message"].native,
            imprint["hash_algorithm"]["algorithm"].native,
            signer.subject.human_friendly,
        )
    except Exception as wrong:
        raise NoTimestamp("the token cannot be read") from wrong


Chains = dict[tuple[bytes, date, datetime], Chain]
"""What was found of authorities' certificates: by certificate, day of the token, and instant of the judgement."""


def verify(
    token: bytes,
    digest: bytes,
    trust: Trust,
    now: datetime,
    evidence: Evidence = NO_EVIDENCE,
    chains: Chains | None = None,
) -> Verdict:
    """The verdict on a token over this digest, by the roots of `trust.authorities`, offline.

    `now`: when to judge: the present, or an instant at which the token is proved to have been there, for example by a
    later timestamp over it. `chains`: what was found of certificates before by the same roots and evidence, to judge
    many tokens of one authority: each signature is checked, and the certificate once for each day. Not to be called
    where an event loop runs.
    """
    try:
        return _verified(token, digest, (trust, evidence, {} if chains is None else chains), now)
    except NoTimestamp as wrong:
        return first(Indication.FAILED, "FORMAT_FAILURE", str(wrong), "a timestamp is there")
    except Exception as error:
        saw = f"it could not be verified: {type(error).__name__}"
        return first(Indication.INDETERMINATE, "GENERIC", saw, "a timestamp is there")


def _verified(der: bytes, digest: bytes, known: tuple[Trust, Evidence, Chains], now: datetime) -> Verdict:
    trust, evidence, chains = known
    token = read(der)
    signed = look(cms.ContentInfo.load(der)["content"], None)
    key = (signed.certificate.dump(), token.at.date(), now)
    believed = chains.get(key) or chain(
        signed.certificate,
        trust.stampers,
        at=now,
        used=token.at,
        others=signed.others,
        evidence=evidence,
        extended=frozenset({"time_stamping"}),
    )
    if believed.trusted:
        chains[key] = believed
    checks = tuple(_checks(token, digest, signed, believed))
    told, sub = _concluded(token, checks, believed, now)
    stamped = token.at if told is Indication.PASSED else None
    return Verdict(told, sub, checks, token.authority, token.at, stamped)


def _concluded(token: Token, checks: tuple[Check, ...], believed: Chain, now: datetime) -> tuple[Indication, str]:
    held = {check.number: check.held for check in checks}
    if not held[2]:
        return Indication.FAILED, "HASH_FAILURE"
    if not held[3]:
        return Indication.FAILED, "SIG_CRYPTO_FAILURE"
    if not held[4]:
        return Indication.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE"
    if token.at > now + CLOCKS:
        return Indication.INDETERMINATE, "TIMESTAMP_ORDER_FAILURE"
    return believed.indication, believed.sub


def _checks(token: Token, digest: bytes, signed: Signed, believed: Chain) -> Iterator[Check]:
    yield Check(1, "a timestamp is there", True, f"of {token.at.isoformat()}")
    yield Check(2, "it is over this digest", signed.intact and token.digest == digest, token.algorithm)
    yield Check(3, "the signature is that of the authority's key", signed.valid, signed.how)
    sound = signed.strong and token.algorithm in HASHES
    yield Check(4, "its algorithms are strong enough", sound, signed.how)
    yield Check(5, "the authority leads to a root that is trusted", believed.trusted, believed.saw)
    yield Check(6, "the authority was not revoked", believed.good, believed.sub or "it was not")


def _told(content: cms.ContentInfo) -> tsp.TSTInfo:
    told = content["content"]["encap_content_info"]["content"].parsed
    if not isinstance(told, tsp.TSTInfo):
        raise NoTimestamp("the token is over no TSTInfo")
    return told
