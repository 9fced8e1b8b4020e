"""Sealing keys: what can be used, what cannot and why, and what a certificate claims of itself."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.sign.ades.qualified_asn1 import QcStatements

from signing import keys
from signing.keys import Algorithm, UnusableKey
from signing.trust import certificates
from tests.signing import authority

DIGEST = sha256(b"what is signed").digest()


@pytest.mark.parametrize("kind", ["pem", "pkcs12", "rsa", "curve"])
def test_a_key_signs_and_its_certificate_says_so(kind: str) -> None:
    people = {
        "rsa": lambda: authority.person("RSA", authority.root(), key=rsa.generate_private_key(65537, 2048)),
        "curve": lambda: authority.person("P-384", authority.root(), key=ec.generate_private_key(ec.SECP384R1())),
    }
    if kind == "pkcs12":
        key = keys.read(authority.seal_pkcs12(b"right"), b"right")
    else:
        key = authority.seal_key(people[kind]() if kind in people else None)
    signature = key.sign(DIGEST)
    assert keys.fits(key.chain[0], DIGEST, signature)
    assert not keys.fits(key.chain[0], bytes(32), signature)
    assert not keys.fits(key.chain[1], DIGEST, signature)
    assert keys.algorithm_of(key.chain[0]) is (Algorithm.RSA if kind == "rsa" else Algorithm.EC)
    if kind != "rsa":
        assert keys.from_pair(keys.to_pair(key.chain[0], signature)) == signature
    assert "RSAPrivateKey" not in repr(key)


def test_keys_that_cannot_be_used_are_told() -> None:
    good = authority.sealer()
    other = authority.person("Other", authority.root())
    odd = ed25519.Ed25519PrivateKey.generate()
    pem = odd.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data, passphrase, says in (
        (b"no key", None, "neither PEM nor PKCS#12"),
        (authority.seal_pkcs12(b"right"), b"wrong", "its passphrase is another"),
        (good.secret, None, "no certificate"),
        (good.secret + other.pem, None, "not that of its key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None, "cannot be read"),
        (pem + good.pem, None, "neither RSA nor of an elliptic curve"),
    ):
        with pytest.raises(UnusableKey, match=says):
            keys.read(data, passphrase)


def test_a_chain_is_put_in_order_and_strangers_are_left_out() -> None:
    made = authority.Published("http://127.0.0.1:1")
    bundle = made.root.pem + authority.root().pem + made.issuer.pem + made.sealer.pem
    *_, own = found = certificates(bundle)
    told = [one.subject.human_friendly for one in keys.ordered(found, own)]
    assert told == [f"Common Name: Published {name}" for name in ("seal", "issuer", "root")]


@pytest.mark.parametrize(
    ("named", "lacks"),
    [
        ((), "QcCompliance"),
        (("qc_compliance",), "QcSSCD"),
        (("qc_sscd", "seal"), "QcCompliance"),
        (("qc_compliance", "qc_sscd", "web"), "QcType"),
        (("qc_compliance", "qc_sscd", "seal"), ""),
        (("qc_compliance", "qc_sscd"), ""),
    ],
)
def test_what_a_certificate_claims(named: tuple[str, ...], lacks: str) -> None:
    one = authority.person("Claims", authority.root(), statements=statements(*named))
    (certificate,) = certificates(one.pem)
    told = keys.claims(certificate).lacks
    assert (lacks in told) if lacks else told == ""


def test_claims_that_cannot_be_read_are_none() -> None:
    one = authority.person("Odd", authority.root(), statements=b"\x30\x03\x02\x01")
    (certificate,) = certificates(one.pem)
    assert "QcCompliance" in keys.claims(certificate).lacks


def statements(*named: str) -> bytes:
    """QcStatements with these."""
    types = {"seal": "qct_eseal", "web": "qct_web"}
    made = []
    for name in named:
        if name in types:
            made.append({"statement_id": "qc_type", "statement_info": [types[name]]})
        else:
            made.append({"statement_id": name})
    told: bytes = QcStatements(made).dump()
    return told
