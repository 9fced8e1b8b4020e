"""Documents sealed for the tests at any level, by people of the test authority and without a network."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256

from signing import json_seal, pdf, revocation, timestamp, xml
from signing.keys import PrivateKey
from signing.timestamp import Token
from signing.trust import NO_EVIDENCE, Evidence
from tests.signing import authority
from tests.signing.authority import NOW, Person

REASON = "Authenticité et intégrité de la facture"


def token(digest: bytes, at: datetime, one: Person | None = None) -> Token:
    """A timestamp over a digest."""
    asked = timestamp.request(digest, 4711)
    return timestamp.accept(asked, authority.answer(asked.der, at, one))


def seal_pdf(
    data: bytes,
    level: str = "B-B",
    key: PrivateKey | None = None,
    *,
    at: datetime = NOW,
    evidence: Evidence = NO_EVIDENCE,
    stamper: Person | None = None,
) -> bytes:
    """The PDF sealed at that level; timestamps come three seconds after the seal, and ten over the document."""
    key = key or authority.seal_key()
    if level == "B-B":
        return pdf.seal(data, key, at=at, reason=REASON)
    room = pdf.prepare(data, key.chain, at=at, reason=REASON)
    signature = key.sign(room.digest)
    stamp = token(sha256(signature).digest(), at + timedelta(seconds=3), stamper)
    sealed = pdf.complete(room, key.chain, signature, stamp)
    if level == "B-T":
        return sealed
    evidence = evidence + Evidence(tuple(one.dump() for one in key.chain)) + certificates(stamp)
    if level == "B-LT":
        return pdf.extended(sealed, evidence)
    place = pdf.stamp_room(sealed, evidence)
    return pdf.stamped(place, token(place.signed, at + timedelta(seconds=10), stamper))


def certificates(stamp: Token) -> Evidence:
    """Those of a token's authority."""
    found = revocation.signers(stamp.der)
    return Evidence((found.certificate, *found.others))


def seal_xml(
    data: bytes,
    level: str = "B-B",
    key: PrivateKey | None = None,
    *,
    at: datetime = NOW,
    evidence: Evidence = NO_EVIDENCE,
    name: str = "invoice.xml",
    stamper: Person | None = None,
) -> bytes:
    """The UBL with its seal, or the seal of any other document, at that level."""
    key = key or authority.seal_key()
    room = xml.prepare(data, key.chain, at=at, name=name)
    signature = key.sign(room.digest)
    if level == "B-B":
        return xml.complete(room, key.chain, signature)
    stamp = token(xml.imprint(room, key.chain, signature), at + timedelta(seconds=3), stamper)
    if level == "B-T":
        return xml.complete(room, key.chain, signature, stamp)
    evidence = evidence + Evidence(tuple(one.dump() for one in key.chain)) + certificates(stamp)
    return xml.complete(room, key.chain, signature, stamp, evidence)


def seal_json(
    data: bytes,
    level: str = "B-B",
    key: PrivateKey | None = None,
    *,
    at: datetime = NOW,
    stamper: Person | None = None,
) -> bytes:
    """The evidence in its seal, at B-B or B-T."""
    key = key or authority.seal_key()
    room = json_seal.prepare(data, key.chain, at=at)
    signature = key.sign(room.digest)
    if level == "B-B":
        return json_seal.complete(room, key.chain, signature)
    stamp = token(json_seal.imprint(key.chain, signature), at + timedelta(seconds=3), stamper)
    return json_seal.complete(room, key.chain, signature, stamp)
