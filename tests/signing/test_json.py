"""Seals on JSON evidence: the bytes that were sealed come back, RFC 7515 holds them, no forgery passes."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from signing import json_seal
from signing.json_seal import prepare, verify
from signing.timestamp import NoTimestamp
from signing.trust import Trust
from signing.verdict import Indication
from tests.signing import authority
from tests.signing.authority import NOW, seal_key
from tests.signing.sealed import seal_json, token

TRUST = Trust(authority.root().pem, authority.stamper_root().pem)
EVIDENCE = '{"verdict": "valid",  "who": "Crêperie"}\r\n'.encode()


@pytest.mark.parametrize("kind", ["ec", "rsa"])
@pytest.mark.parametrize("level", ["B-B", "B-T"])
def test_the_very_bytes_come_back(kind: str, level: str) -> None:
    made = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    sealed = seal_json(EVIDENCE, level, seal_key(authority.person("Evidence", authority.root(), key=made)))
    reading = verify(sealed, TRUST, NOW)
    assert (reading.verdict.indication, reading.verdict.sub) == (Indication.PASSED, ""), reading
    assert reading.verdict.level == level
    assert reading.evidence == EVIDENCE
    assert reading.verdict.claimed_at == NOW
    assert reading.verdict.stamped_at == (NOW + timedelta(seconds=3) if level == "B-T" else None)


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_the_words_of_rfc_7515_hold_it(kind: str) -> None:
    """Written from the RFC's text, 5.2: signing input, base64url, RS256 and ES256 of RFC 7518."""
    made = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    sealed = json.loads(seal_json(EVIDENCE, key=seal_key(authority.person("RFC", authority.root(), key=made))))
    signed = f"{sealed['protected']}.{sealed['payload']}".encode()
    signature = urlsafe_b64decode(sealed["signature"] + "==")
    header = json.loads(urlsafe_b64decode(sealed["protected"] + "=="))
    public = made.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        assert header["alg"] == "RS256"
        public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert header["alg"] == "ES256"
        assert len(signature) == 64
        pair = [int.from_bytes(signature[at : at + 32], "big") for at in (0, 32)]
        public.verify(encode_dss_signature(*pair), signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("path", sorted((Path(__file__).parent.parent / "samples" / "json").glob("*.json")), ids=str)
def test_samples(path: Path) -> None:
    assert verify(seal_json(path.read_bytes()), TRUST, NOW).evidence == path.read_bytes()


def header(members: dict[str, Any], **more: Any) -> None:
    """Change the protected header; the signature stays."""
    found = json.loads(urlsafe_b64decode(members["protected"] + "=="))
    found.update(more)
    members["protected"] = urlsafe_b64encode(json.dumps(found).encode()).rstrip(b"=").decode()


def forged(change: Callable[[dict[str, Any]], None]) -> bytes:
    members = json.loads(seal_json(EVIDENCE, "B-T"))
    change(members)
    return json.dumps(members).encode()


def another_payload(members: dict[str, Any]) -> None:
    members["payload"] = urlsafe_b64encode(b'{"verdict": "valid"}').rstrip(b"=").decode()


def another_timestamp(members: dict[str, Any]) -> None:
    members["header"] = json.loads(seal_json(b"other", "B-T"))["header"]


def another_certificate(members: dict[str, Any]) -> None:
    other = json.loads(seal_json(EVIDENCE, key=seal_key(authority.person("Other", authority.root()))))
    members["protected"] = other["protected"]


FORGERIES: dict[str, tuple[bytes, str]] = {
    "other evidence": (forged(another_payload), "SIG_CRYPTO_FAILURE"),
    "no algorithm": (forged(lambda members: header(members, alg="none")), "SIG_CRYPTO_FAILURE"),
    "a shared secret": (forged(lambda members: header(members, alg="HS256")), "SIG_CRYPTO_FAILURE"),
    "another algorithm": (forged(lambda members: header(members, alg="RS256")), "SIG_CRYPTO_FAILURE"),
    "another time": (forged(lambda members: header(members, iat=0)), "SIG_CRYPTO_FAILURE"),
    "something critical": (forged(lambda members: header(members, crit=["x"])), "FORMAT_FAILURE"),
    "an unencoded payload": (forged(lambda members: header(members, b64=False)), "FORMAT_FAILURE"),
    "another certificate": (forged(another_certificate), "SIG_CRYPTO_FAILURE"),
    "another timestamp": (forged(another_timestamp), "SIG_CRYPTO_FAILURE"),
    "no signature": (forged(lambda members: members.update(signature="")), "SIG_CRYPTO_FAILURE"),
    "a member twice": (seal_json(EVIDENCE).replace(b'{"payload"', b'{"payload":"e30","payload"', 1), "FORMAT_FAILURE"),
    "several signatures": (forged(lambda members: members.update(signatures=[])), "FORMAT_FAILURE"),
    "fill": (forged(lambda members: members.update(payload=members["payload"] + "==")), "FORMAT_FAILURE"),
    "a list for a header": (forged(lambda members: members.update(header=[])), "FORMAT_FAILURE"),
    "a list among what is unsigned": (
        forged(lambda members: members.update(header={"etsiU": ["W10"]})),
        "FORMAT_FAILURE",
    ),
    "no JSON": (b"<xml/>", "FORMAT_FAILURE"),
    "nothing": (b"", "FORMAT_FAILURE"),
}


@pytest.mark.parametrize("name", list(FORGERIES))
def test_no_forgery_passes(name: str) -> None:
    data, sub = FORGERIES[name]
    reading = verify(data, TRUST, NOW)
    assert (reading.verdict.indication, reading.verdict.sub) == (Indication.FAILED, sub), reading
    assert reading.evidence == b"" or name == "another timestamp"


def test_strangers_are_indeterminate_and_odd_curves_refused() -> None:
    assert verify(seal_json(EVIDENCE), Trust(), NOW).verdict.sub == "NO_CERTIFICATE_CHAIN_FOUND"
    assert verify(seal_json(EVIDENCE, "B-T"), Trust(authority.root().pem), NOW).verdict.sub == "NO_POE"
    wide = seal_key(authority.person("Wide", authority.root(), key=ec.generate_private_key(ec.SECP384R1())))
    with pytest.raises(ValueError, match="P-256"):
        prepare(EVIDENCE, wide.chain, at=NOW)
    key = seal_key()
    room = prepare(EVIDENCE, key.chain, at=NOW)
    with pytest.raises(NoTimestamp, match="another seal"):
        json_seal.complete(room, key.chain, key.sign(room.digest), token(bytes(32), NOW))
