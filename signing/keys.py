"""Sealing keys: the one port behind which a file, a token or a far-away signer stands, and what a certificate claims.

A key has a name, shows its chain and signs a digest: nothing else is asked of it, so a private key never leaves where
it lives. By which algorithm it signs, its certificate says. Keys in files are PKCS#12, or PEM with the key and its
certificates, the sealer's own first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from asn1crypto import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import pkcs12

from signing.trust import certificates

_SHA256 = Prehashed(hashes.SHA256())


class UnusableKey(ValueError):
    """Bytes that are no sealing key; the message says why."""


class NotSealed(ValueError):
    """A document that cannot be sealed; the message says why."""


class Algorithm(StrEnum):
    """How a key signs a SHA-256 digest."""

    RSA = "rsa"
    """RSASSA-PKCS1-v1_5 (RFC 8017)."""
    EC = "ec"
    """ECDSA (FIPS 186-5); the signature is DER."""


class SigningKey(Protocol):
    """Signs digests for a sealer."""

    @property
    def name(self) -> str:
        """The kind of key and where it is, for events."""
        ...

    async def chain(self) -> tuple[x509.Certificate, ...]:
        """The sealer's certificate, then those that lead to a root. Raises adapters' Unreachable."""
        ...

    async def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest, as `algorithm_of` the certificate says. Raises adapters' Unreachable."""
        ...

    async def close(self) -> None:
        """Give back what is held open."""
        ...


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key in our hands, with its certificates."""

    secret: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = field(repr=False)

    def sign(self, digest: bytes) -> bytes:
        """The signature of a SHA-256 digest."""
        if isinstance(self.secret, rsa.RSAPrivateKey):
            return self.secret.sign(digest, padding.PKCS1v15(), _SHA256)
        return self.secret.sign(digest, ec.ECDSA(_SHA256))


def read(data: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """A key from PKCS#12 or PEM. Raises UnusableKey."""
    if data.lstrip().startswith(b"-----BEGIN"):
        secret, chain = _from_pem(data, passphrase)
    else:
        secret, chain = _from_pkcs12(data, passphrase)
    if not isinstance(secret, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnusableKey("the key is neither RSA nor of an elliptic curve")
    if not chain:
        raise UnusableKey("the file has no certificate")
    if _public(secret) != chain[0].public_key.dump():
        raise UnusableKey("the first certificate of the file is not that of its key")
    return PrivateKey(secret, chain)


def ordered(chain: tuple[x509.Certificate, ...], own: x509.Certificate) -> tuple[x509.Certificate, ...]:
    """The sealer's own certificate, then each issuer that is there, up to the root; others are left out."""
    path = [own]
    left = [one for one in chain if one != own]
    while path[-1].self_signed == "no":
        issuer = next((one for one in left if one.subject == path[-1].issuer), None)
        if issuer is None:
            break
        path.append(issuer)
        left.remove(issuer)
    return tuple(path)


def algorithm_of(certificate: x509.Certificate) -> Algorithm:
    """How the key of a certificate signs. Raises UnusableKey."""
    try:
        return Algorithm(certificate.public_key.algorithm)
    except ValueError:
        raise UnusableKey(f"keys of the kind {certificate.public_key.algorithm} cannot seal") from None


def fits(certificate: x509.Certificate, digest: bytes, signature: bytes) -> bool:
    """Whether a signature of a SHA-256 digest is that of the certificate's key; nothing from outside is believed."""
    public = serialization.load_der_public_key(certificate.public_key.dump())
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, digest, padding.PKCS1v15(), _SHA256)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, digest, ec.ECDSA(_SHA256))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def digest_info(digest: bytes) -> bytes:
    """What an RSA token signs for a SHA-256 digest: DigestInfo (RFC 8017, 9.2)."""
    return bytes.fromhex("3031300d060960864801650304020105000420") + digest


def from_pair(signature: bytes) -> bytes:
    """An ECDSA signature as DER, from the two numbers one behind the other, as tokens and XML have it."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


def to_pair(certificate: x509.Certificate, signature: bytes) -> bytes:
    """An ECDSA signature as two numbers of the curve's length, from DER (RFC 4050, RFC 7518, 3.4)."""
    size = (certificate.public_key.bit_size + 7) // 8
    one, two = decode_dss_signature(signature)
    return one.to_bytes(size, "big") + two.to_bytes(size, "big")


# Qualified certificates ----------------------------------------------------------------------------------------------

_STATEMENTS = "1.3.6.1.5.5.7.1.3"
_COMPLIANCE, _DEVICE, _TYPE = "0.4.0.1862.1.1", "0.4.0.1862.1.4", "0.4.0.1862.1.6"
_TYPES: Mapping[str, str] = {"0.4.0.1862.1.6.1": "signature", "0.4.0.1862.1.6.2": "seal", "0.4.0.1862.1.6.3": "web"}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a certificate says of itself (QcStatements, ETSI EN 319 412-5).

    Whether its issuer may say so, the EU's trusted lists tell; they are the operator's to look at.
    """

    qualified: bool
    """QcCompliance: issued as qualified under eIDAS."""
    device: bool
    """QcSSCD: the key lives in a qualified device."""
    uses: frozenset[str]
    """QcType: signature, seal, web; signature where nothing is said."""

    @property
    def lacks(self) -> str:
        """What it lacks to be that of a qualified seal; empty when nothing."""
        if not self.qualified:
            return "it is not issued as qualified (QcCompliance)"
        if not self.device:
            return "its key is not in a qualified device (QcSSCD)"
        if not self.uses & {"seal", "signature"}:
            return "it is for neither seals nor signatures (QcType)"
        return ""


def claims(certificate: x509.Certificate) -> Claims:
    """What a certificate claims; an extension that cannot be read claims nothing."""
    from pyhanko.sign.ades.qualified_asn1 import QcStatements

    found: dict[str, object] = {}
    for extension in certificate["tbs_certificate"]["extensions"]:
        if extension["extn_id"].dotted == _STATEMENTS:
            try:
                statements = QcStatements.load(extension["extn_value"].contents, strict=True)
                found |= {one["statement_id"].dotted: one["statement_info"] for one in statements}
            except ValueError:
                return Claims(False, False, frozenset())
    uses = {"signature"}
    if _TYPE in found:
        parsed = getattr(found[_TYPE], "parsed", found[_TYPE])
        uses = {_TYPES.get(one.dotted, one.dotted) for one in parsed}  # type: ignore[attr-defined]
    return Claims(_COMPLIANCE in found, _DEVICE in found, frozenset(uses))


def _from_pem(data: bytes, passphrase: bytes | None) -> tuple[object, tuple[x509.Certificate, ...]]:
    try:
        return serialization.load_pem_private_key(data, passphrase), certificates(data)
    except (ValueError, TypeError) as wrong:
        raise UnusableKey(f"the key cannot be read: {wrong}") from wrong


def _from_pkcs12(data: bytes, passphrase: bytes | None) -> tuple[object, tuple[x509.Certificate, ...]]:
    try:
        secret, own, others = pkcs12.load_key_and_certificates(data, passphrase)
    except Exception as wrong:
        raise UnusableKey("the file is neither PEM nor PKCS#12, or its passphrase is another") from wrong
    if secret is None:
        raise UnusableKey("the file has no key")
    der = [one.public_bytes(serialization.Encoding.DER) for one in ([own] if own else []) + list(others)]
    return secret, tuple(x509.Certificate.load(one) for one in der)


def _public(secret: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return secret.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
