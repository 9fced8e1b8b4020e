"""Signed data (CMS, RFC 5652) of a seal or a timestamp: whether the cryptography holds, before anybody is believed."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256, sha384, sha512

from asn1crypto import cms, core, x509
from pyhanko.sign.validation.generic_cms import extract_certs_for_validation, validate_sig_integrity

HASHES = {"sha256": sha256, "sha384": sha384, "sha512": sha512}
"""The digests that are strong enough."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What was seen of a signature."""

    intact: bool
    """The digest in it is that of the data."""
    valid: bool
    """The signature is that of the certificate's key."""
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    digest_algorithm: str
    mechanism: str
    signature: bytes
    strong: bool
    """Digest and key are strong enough."""

    @property
    def how(self) -> str:
        """Digest, kind of key and its bits."""
        return f"{self.digest_algorithm}, {size(self.certificate)}"


def look(data: cms.SignedData, digest: bytes | None) -> Signed:
    """Check a signature over a digest, or over what the data holds itself (None). Raises the library's errors."""
    (signer,) = data["signer_infos"]
    found = extract_certs_for_validation(data)
    algorithm = signer["digest_algorithm"]["algorithm"].native
    content = data["encap_content_info"]["content"]
    if digest is None:
        digest = HASHES[algorithm](bytes(content)).digest() if algorithm in HASHES else b""
    elif content is not core.VOID and content.native is not None:
        raise ValueError("a seal holds no content of its own")
    expected = data["encap_content_info"]["content_type"].native
    intact, valid = validate_sig_integrity(signer, found.signer_cert, expected, digest)
    return Signed(
        intact,
        valid,
        found.signer_cert,
        tuple(found.other_certs),
        algorithm,
        signer["signature_algorithm"]["algorithm"].native,
        signer["signature"].native,
        algorithm in HASHES and strong(found.signer_cert),
    )


def strong(certificate: x509.Certificate) -> bool:
    """RSA from 2,048 bits, elliptic curves from 256."""
    key = certificate.public_key
    return bool(key.bit_size >= (2048 if key.algorithm in ("rsa", "rsassa_pss") else 256))


def size(certificate: x509.Certificate) -> str:
    """The kind of a certificate's key and its bits."""
    key = certificate.public_key
    return f"{key.algorithm} {key.bit_size}"
