"""Seals on JSON evidence: JAdES (ETSI TS 119 182-1) as compact JWS (RFC 7515), levels B-B and B-T, and their verdict.

What is sealed is the exact bytes of the evidence, carried in the seal or beside it (detached, RFC 7797 is not used: the
payload is hashed as base64url). The timestamp of B-T needs the flattened form, whose unsigned header holds it. Tiny
enough to be written here: the key port signs digests, which no JOSE library lets somebody else do.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from asn1crypto import x509

from signing import timestamp
from signing.judgement import stamped, trusted
from signing.keys import Algorithm, algorithm_of, fits, from_pair, to_pair
from signing.signed_data import HASHES, size, strong
from signing.timestamp import NoTimestamp, Token
from signing.trust import NO_EVIDENCE, Chain, Evidence, Trust, chain
from signing.verdict import Check, Indication, Verdict, one

_HEADER_LIMIT = 65_536
_KNOWN = frozenset({"alg", "typ", "cty", "x5c", "x5t#S256", "iat", "crit", "b64"})
"""Members of a protected header that are understood; another that says it is critical makes the seal unreadable."""


@dataclass(frozen=True, slots=True)
class Room:
    """Evidence with its seal, but for the signature."""

    payload: str = field(repr=False)
    protected: str

    @property
    def digest(self) -> bytes:
        """What the key signs (SHA-256 of the JWS signing input)."""
        return sha256(f"{self.protected}.{self.payload}".encode()).digest()


def prepare(evidence: bytes, certificates: tuple[x509.Certificate, ...], *, at: datetime) -> Room:
    """Room for a seal of the owner of `certificates`; `at` is the sealer's claim of the time."""
    own = certificates[0]
    header = {
        "alg": _name(own),
        "cty": "application/json",
        "iat": int(at.timestamp()),
        "typ": "jose+json",
        "x5c": [b64encode(item.dump()).decode() for item in certificates],
        "x5t#S256": _text(sha256(own.dump()).digest()),
    }
    protected = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    return Room(_text(evidence), _text(protected))


def imprint(certificates: tuple[x509.Certificate, ...], signature: bytes) -> bytes:
    """What a timestamp over the signature is over: its base64url text, SHA-256 (TS 119 182-1, 5.3.4)."""
    return sha256(_value(certificates, signature).encode()).digest()


def complete(
    room: Room, certificates: tuple[x509.Certificate, ...], signature: bytes, token: Token | None = None
) -> bytes:
    """The seal with the evidence inside: flattened JSON, B-B, or B-T with a token. Raises NoTimestamp."""
    value = _value(certificates, signature)
    made: dict[str, Any] = {"payload": room.payload, "protected": room.protected, "signature": value}
    if token is not None:
        if token.digest != sha256(value.encode()).digest():
            raise NoTimestamp("the timestamp is of another seal")
        stamp = {"sigTst": {"tstTokens": [{"val": b64encode(token.der).decode()}]}}
        made["header"] = {"etsiU": [_text(json.dumps(stamp, separators=(",", ":")).encode())]}
    return json.dumps(made, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a seal on evidence is worth, and the evidence."""

    verdict: Verdict
    evidence: bytes = b""
    """The bytes that were sealed; empty unless the signature holds."""


@dataclass(frozen=True, slots=True)
class _Seal:
    """The parts of a seal."""

    signed: bytes
    payload: bytes
    header: Mapping[str, Any]
    value: str
    certificates: tuple[x509.Certificate, ...]
    token: bytes | None


def verify(seal: bytes, trust: Trust, now: datetime, evidence: Evidence = NO_EVIDENCE) -> Reading:
    """The verdict on a seal, offline, and what it seals. Not to be called where an event loop runs."""
    try:
        parts = _read(seal)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as wrong:  # of foreign shapes
        return Reading(one(Indication.FAILED, "FORMAT_FAILURE", f"it is no seal: {wrong}"))
    try:
        return _verified(parts, trust, now, evidence)
    except Exception as error:
        return Reading(one(Indication.INDETERMINATE, "GENERIC", f"it could not be verified: {type(error).__name__}"))


def _read(seal: bytes) -> _Seal:
    """Its parts; members that are there twice, unknown critical ones and other forms are refused. Raises ValueError."""
    members = json.loads(seal, object_pairs_hook=_once)
    if not isinstance(members, dict) or set(members) - {"payload", "protected", "signature", "header"}:
        raise ValueError("it is not flattened JWS")
    if len(members["protected"]) > _HEADER_LIMIT:
        raise ValueError("its header is too long")
    header = json.loads(_bytes(members["protected"]), object_pairs_hook=_once)
    if not isinstance(header, dict) or set(header.get("crit", ())) - _KNOWN or header.get("b64", True) is not True:
        raise ValueError("its header asks for what is not understood")
    certificates = tuple(x509.Certificate.load(b64decode(item, validate=True)) for item in header["x5c"])
    if header["x5t#S256"] != _text(sha256(certificates[0].dump()).digest()):
        raise ValueError("it names another certificate than it brings")
    token = None
    for item in members.get("header", {}).get("etsiU", ()):
        stamp = json.loads(_bytes(item), object_pairs_hook=_once).get("sigTst")
        if stamp is not None and token is None:
            token = b64decode(stamp["tstTokens"][0]["val"], validate=True)
    signed = f"{members['protected']}.{members['payload']}".encode("ascii")
    return _Seal(signed, _bytes(members["payload"]), header, members["signature"], certificates, token)


def _verified(seal: _Seal, trust: Trust, now: datetime, evidence: Evidence) -> Reading:
    certificate, *others = seal.certificates
    stamp = None
    if seal.token is not None:
        algorithm = HASHES.get(timestamp.read(seal.token).algorithm, sha256)
        stamp = timestamp.verify(seal.token, algorithm(seal.value.encode()).digest(), trust, now, evidence)
    best = stamp.stamped_at if stamp is not None and stamp.stamped_at is not None else now
    believed = chain(certificate, trust.roots, at=best, others=others, evidence=evidence)
    valid = seal.header["alg"] == _name(certificate) and fits(
        certificate, sha256(seal.signed).digest(), _der(certificate, _bytes(seal.value))
    )
    checks = (
        Check(1, "a seal is there", True, "flattened JWS"),
        Check(2, "it covers the evidence", True, "all of it"),
        Check(3, "the evidence is what was sealed", valid, "sha256"),
        Check(4, "the signature is that of the certificate's key", valid, str(seal.header["alg"])),
        Check(5, "its algorithms are strong enough", strong(certificate), size(certificate)),
        *trusted(certificate, believed),
        stamped(stamp),
    )
    told, sub = _concluded(checks, believed)
    claimed = seal.header.get("iat")
    verdict = Verdict(
        told,
        sub,
        checks,
        sealed_by=certificate.subject.human_friendly,
        claimed_at=datetime.fromtimestamp(claimed, UTC) if isinstance(claimed, int) else None,
        stamped_at=stamp.stamped_at if stamp is not None else None,
        level="B-B" if stamp is None else "B-T",
    )
    return Reading(verdict, seal.payload if valid else b"")


def _concluded(checks: tuple[Check, ...], believed: Chain) -> tuple[Indication, str]:
    held = {check.number: check.held for check in checks}
    for number, sub in ((4, "SIG_CRYPTO_FAILURE"), (7, "REVOKED"), (8, "SIG_CRYPTO_FAILURE")):
        if held[number] is False:
            return Indication.FAILED, sub
    for number, sub in ((5, "CRYPTO_CONSTRAINTS_FAILURE"), (6, believed.sub or "CHAIN_CONSTRAINTS_FAILURE"),
                        (7, "TRY_LATER"), (8, "NO_POE")):  # fmt: skip
        if held[number] is not True:
            return Indication.INDETERMINATE, sub
    return Indication.PASSED, ""


def _name(certificate: x509.Certificate) -> str:
    """RS256 or ES256 (RFC 7518): a digest of SHA-256 is what the key port signs, so curves other than P-256 cannot."""
    if algorithm_of(certificate) is Algorithm.RSA:
        return "RS256"
    if certificate.public_key.bit_size != 256:
        raise ValueError("evidence is sealed by RSA keys and those of the curve P-256")
    return "ES256"


def _value(certificates: tuple[x509.Certificate, ...], signature: bytes) -> str:
    own = certificates[0]
    return _text(to_pair(own, signature) if algorithm_of(own) is Algorithm.EC else signature)


def _der(certificate: x509.Certificate, value: bytes) -> bytes:
    return from_pair(value) if algorithm_of(certificate) is Algorithm.EC else value


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """base64url without fill; another way to write the same bytes is refused. Raises ValueError."""
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _text(data) != text:
        raise ValueError("it is not written as base64url")
    return data


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse members that are there twice: readers would not agree. Raises ValueError."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a member is there twice")
    return made
