"""Seals on PDFs: PAdES (ETSI EN 319 142-1), baseline level B-B, and B-T with a timestamp of an authority (RFC 3161).

A seal is an incremental update: the bytes of the document stay as they are, in front, and an invisible signature field
is added behind them. So what was PDF/A-3 stays PDF/A-3 (ISO 19005-3, 6.4.3), and anybody can cut the seal off to see
what was sealed. Room is left for the timestamp, which is asked for over the seal's own signature value and put into the
place kept for it; fetching it is not the business of this page.

Keys are PKCS#12, or PEM with the key and its certificates, the sealer's own first.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from asn1crypto import algos, cms, keys, pem, tsp, x509
from cryptography.hazmat.primitives import serialization
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, SimpleSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

FIELD = "Seal"
"""Name of the signature field."""
RESERVED = 32_768
"""Hexadecimal digits kept for the signature, its certificates and its timestamp."""


class UnusableKey(ValueError):
    """Bytes that are no sealing key; the message says why."""


class NotSealed(ValueError):
    """A document that cannot be sealed, or whose seal cannot be found; the message says why."""


class NoTimestamp(ValueError):
    """An answer of a timestamp authority that is none to our question; the message says why."""


@dataclass(frozen=True, slots=True)
class SealKey:
    """A private key with its certificates, as the operator keeps them."""

    data: bytes = field(repr=False)
    """PKCS#12, or PEM."""
    passphrase: bytes | None = field(default=None, repr=False)

    def certificate(self) -> x509.Certificate:
        """The sealer's own certificate. Raises UnusableKey."""
        return _signer(self).signing_cert


@dataclass(frozen=True, slots=True)
class Query:
    """A question to a timestamp authority."""

    der: bytes
    """TimeStampReq, to be posted as application/timestamp-query."""
    digest: bytes
    nonce: int


def seal(pdf: bytes, key: SealKey, *, at: datetime, reason: str) -> bytes:
    """The sealed document, level B-B; `at` is the sealer's claim of the time. Raises UnusableKey, NotSealed."""
    signer = _signer(key)
    described = PdfSignatureMetadata(
        field_name=FIELD, subfilter=SigSeedSubFilter.PADES, md_algorithm="sha256", reason=reason
    )
    try:
        sealer = _Sealer(described, signer=signer)
        sealer.at = at
        out = io.BytesIO()
        sealer.sign_pdf(_Writer(io.BytesIO(pdf)), bytes_reserved=RESERVED, output=out)
    except (PdfReadError, SigningError, ValueError) as unable:
        raise NotSealed(f"the document cannot be sealed: {unable}") from unable
    return out.getvalue()


def query(sealed: bytes, nonce: int) -> Query:
    """What to ask an authority for the seal of a document; `nonce`: random, below 2^63. Raises NotSealed."""
    _, _, message = _contents(sealed)
    digest = sha256(message["content"]["signer_infos"][0]["signature"].native).digest()
    asked = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {
                "hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
                "hashed_message": digest,
            },
            "nonce": nonce,
            "cert_req": True,
        }
    )
    return Query(asked.dump(), digest, nonce)


def stamped(sealed: bytes, asked: Query, answer: bytes) -> bytes:
    """The document with the authority's answer in its seal: level B-T. Raises NoTimestamp, NotSealed.

    Whether the authority is one to be trusted is for who verifies; here it must have answered this question.
    """
    token = _token(asked, answer)
    begin, end, message = _contents(sealed)
    signer = message["content"]["signer_infos"][0]
    if sha256(signer["signature"].native).digest() != asked.digest:
        raise NoTimestamp("the question was asked for another seal")
    signer["unsigned_attrs"] = cms.CMSAttributes(
        [cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [token]})]
    )
    digits: bytes = message.dump(force=True).hex().encode()
    if len(digits) > end - begin:
        raise NoTimestamp("the timestamp is longer than the room that was kept for it")
    return sealed[:begin] + digits.ljust(end - begin, b"0") + sealed[end:]


class _Sealer(PdfSigner):
    """Takes the time from the caller, where the library would look at the clock."""

    at: datetime

    def init_signing_session(self, pdf_out: Any, existing_fields_only: bool = False) -> Any:
        """The library's, with our time."""
        session = super().init_signing_session(pdf_out, existing_fields_only=existing_fields_only)
        session.system_time = self.at
        return session


class _Writer(IncrementalPdfFileWriter):
    """Leaves the version of the document alone: PDF/A-3 is PDF 1.7, and the library would write 2.0."""

    output_version = (1, 7)

    def ensure_output_version(self, version: tuple[int, int]) -> None:
        """Nothing: PAdES needs no more than PDF 1.7 with the subfilter's name."""


def _token(asked: Query, answer: bytes) -> cms.ContentInfo:
    try:
        response = tsp.TimeStampResp.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise NoTimestamp(f"the authority answered {status}")
        token = response["time_stamp_token"]
        told = token["content"]["encap_content_info"]["content"].parsed
        imprint = told["message_imprint"]
        answered = (
            imprint["hash_algorithm"]["algorithm"].native,
            imprint["hashed_message"].native,
            told["nonce"].native,
        )
    except NoTimestamp:
        raise
    except Exception as wrong:
        raise NoTimestamp("the answer is no timestamp") from wrong
    if answered != ("sha256", asked.digest, asked.nonce):
        raise NoTimestamp("the authority answered another question")
    return token


def _contents(sealed: bytes) -> tuple[int, int, cms.ContentInfo]:
    """Where the digits of our seal begin and end in the file, and the signature they write. Raises NotSealed."""
    try:
        found = [one for one in PdfFileReader(io.BytesIO(sealed)).embedded_signatures if one.field_name == FIELD]
        if len(found) != 1:
            raise NotSealed("the document bears no seal of ours")
        first, length, after, _ = found[0].byte_range
        message = cms.ContentInfo.load(bytes(found[0].pkcs7_content))
    except NotSealed:
        raise
    except Exception as wrong:
        raise NotSealed("the seal of the document cannot be read") from wrong
    return first + length + 1, after - 1, message


@lru_cache(maxsize=4)
def _signer(key: SealKey) -> SimpleSigner:
    if key.data.lstrip().startswith(b"-----BEGIN"):
        return _from_pem(key)
    try:
        signer = SimpleSigner.load_pkcs12_data(key.data, [], key.passphrase)
    except Exception as wrong:
        raise UnusableKey("the file is neither PEM nor PKCS#12, or its passphrase is another") from wrong
    if not isinstance(signer, SimpleSigner) or signer.signing_cert is None:
        raise UnusableKey("the file is neither PEM nor PKCS#12, or its passphrase is another")
    return signer


def _from_pem(key: SealKey) -> SimpleSigner:
    try:
        private = serialization.load_pem_private_key(key.data, key.passphrase)
        found = certificates(key.data)
    except (ValueError, TypeError) as wrong:
        raise UnusableKey(f"the key cannot be read: {wrong}") from wrong
    if not found:
        raise UnusableKey("the file has no certificate")
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = keys.PrivateKeyInfo.load(der)
    if (
        private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        != found[0].public_key.dump()
    ):
        raise UnusableKey("the first certificate of the file is not that of its key")
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # the library brings no types
    store.register_multiple(found[1:])
    return SimpleSigner(signing_cert=found[0], signing_key=info, cert_registry=store)


def certificates(bundle: bytes) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM bundle, whatever else is in it. Raises ValueError."""
    if not bundle.strip():
        return ()
    return tuple(
        x509.Certificate.load(der) for kind, _, der in pem.unarmor(bundle, multiple=True) if kind == "CERTIFICATE"
    )
