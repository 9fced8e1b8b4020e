"""The verdict on the seals of a PDF: passed, indeterminate or failed, why, and what each check saw (ETSI EN 319 102-1).

Never a bool: a seal of a stranger is not a false seal, and one whose revocation could not be looked up is not a good
one. Everything is checked offline, from the bytes and from the roots the operator trusts. Stricter than the library's
own policy in one thing: after a seal nothing may follow but further seals, timestamps and the data to verify them;
filled forms and annotations, which change what people see, are not let through.

Any exception of any kind, on any seal, means that it was not verified.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from asn1crypto import x509
from pyhanko.pdf_utils.decode_limits import DecodeLimits
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESStatus
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from signing.seal import certificates

SEALS_LIMIT = 20
"""Seals of one document that are looked at; more make the verdict indeterminate."""

_DIGESTS = ("sha256", "sha384", "sha512")


class Indication(StrEnum):
    """The three answers of EN 319 102-1."""

    PASSED = "passed"
    INDETERMINATE = "indeterminate"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered check of one seal."""

    number: int
    name: str
    held: bool | None
    """None: it could not be told."""
    saw: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be held of the seals of a document, or of one of them."""

    indication: Indication
    sub: str
    """The sub-indication of EN 319 102-1, for example HASH_FAILURE; empty when passed."""
    checks: tuple[Check, ...] = ()
    sealed_by: str = ""
    """Subject of the certificate, as written in it."""
    claimed_at: datetime | None = None
    """When the sealer says it was."""
    stamped_at: datetime | None = None
    """When a trusted authority says it was there; None: no such timestamp."""
    seals: tuple[Verdict, ...] = ()
    """Of a document: the verdict on each seal, the first first."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are believed: PEM bundles."""

    sealers: bytes = b""
    authorities: bytes = b""
    """Roots of timestamp authorities."""
    roots: tuple[x509.Certificate, ...] = field(init=False, repr=False)
    stampers: tuple[x509.Certificate, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "roots", certificates(self.sealers))
        object.__setattr__(self, "stampers", certificates(self.authorities))


def verify(pdf: bytes, trust: Trust, now: datetime) -> Verdict:
    """The verdict on all seals of a document: the worst of them; a document without any is FAILED, FORMAT_FAILURE.

    Not to be called where an event loop runs: the library starts one of its own.
    """
    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=True, decode_limits=DecodeLimits.for_untrusted_input())
        found = reader.embedded_regular_signatures
    except Exception as error:
        return _one(Indication.FAILED, "FORMAT_FAILURE", f"the file cannot be read: {type(error).__name__}")
    if not found:
        return _one(Indication.FAILED, "FORMAT_FAILURE", "there is no seal")
    if len(found) > SEALS_LIMIT:
        return _one(Indication.INDETERMINATE, "GENERIC", f"there are more than {SEALS_LIMIT} seals")
    seals = tuple(_verified(seal, trust, now, pdf) for seal in found)
    order = (Indication.FAILED, Indication.INDETERMINATE, Indication.PASSED)
    worst = min(seals, key=lambda seal: order.index(seal.indication))
    return Verdict(
        worst.indication, worst.sub, worst.checks, worst.sealed_by, worst.claimed_at, worst.stamped_at, seals
    )


def _one(indication: Indication, sub: str, saw: str) -> Verdict:
    return Verdict(indication, sub, (Check(1, "a seal is there", False, saw),))


def _verified(seal: EmbeddedPdfSignature, trust: Trust, now: datetime, pdf: bytes) -> Verdict:
    try:
        status = validate_pdf_signature(
            seal, _context(trust.roots, now), _context(trust.stampers, now) if trust.stampers else None
        )
        checks = tuple(_checks(seal, status, trust, len(pdf), clean_end=ends_cleanly(pdf)))
    except Exception as error:
        return _one(Indication.INDETERMINATE, "GENERIC", f"it could not be verified: {type(error).__name__}")
    stamp = status.timestamp_validity
    stamped = stamp is not None and stamp.valid and stamp.intact and stamp.trusted
    indication, sub = _concluded(status, checks)
    return Verdict(
        indication,
        sub,
        checks,
        sealed_by=status.signing_cert.subject.human_friendly,
        claimed_at=status.signer_reported_dt,
        stamped_at=stamp.timestamp if stamped and stamp is not None else None,
    )


def _context(roots: tuple[x509.Certificate, ...], now: datetime) -> ValidationContext:
    return ValidationContext(trust_roots=list(roots), moment=now, allow_fetching=False, revocation_mode="soft-fail")


def ends_cleanly(pdf: bytes) -> bool:
    """Whether nothing stands behind the cross-references of the last revision but where they begin and the end mark."""
    end = re.search(rb"startxref\s+([0-9]{1,12})\s+%%EOF\s*$", pdf[-200:])
    if end is None:
        return False
    section = pdf[int(end[1]) :]
    body = section[: section.rindex(b"startxref")]
    if body.startswith(b"xref"):
        return body.count(b"trailer") == 1 and b"obj" not in body and body.rstrip().endswith(b">>")
    return body.count(b"endobj") == 1 and body.rstrip().endswith(b"endobj")


def _followed(seal: EmbeddedPdfSignature) -> bool:
    """Whether the file has a revision after the one that was sealed."""
    return bool(seal.reader.xrefs.total_revisions > seal.signed_revision + 1)


def _to_the_end(seal: EmbeddedPdfSignature, size: int) -> bool:
    """From the first byte to the last: the library lets bytes pass that stand behind the last %%EOF."""
    first, _, after, length = seal.byte_range
    return bool(first == 0 and after + length == size)


def _checks(
    seal: EmbeddedPdfSignature, status: PdfSignatureStatus, trust: Trust, size: int, clean_end: bool
) -> Iterator[Check]:
    yield Check(1, "a seal is there", True, f"in the field {seal.field_name}")
    level = status.modification_level
    later = level is not None and level <= ModificationLevel.LTA_UPDATES
    covered = status.coverage in (SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION)
    whole = covered and (later and clean_end if _followed(seal) else _to_the_end(seal, size))
    said = status.coverage.name.lower().replace("_", " ") if status.coverage else "nothing"
    yield Check(2, "it covers the document, and nothing that is seen was added", whole, f"covers {said}")
    yield Check(3, "the document is what was sealed", status.intact, f"digest by {status.md_algorithm}")
    yield Check(4, "the signature is that of the certificate's key", status.valid, status.pkcs7_signature_mechanism)
    strong = status.md_algorithm in _DIGESTS and _strong(status.signing_cert)
    yield Check(5, "its algorithms are strong enough", strong, f"{status.md_algorithm}, {_size(status.signing_cert)}")
    problem = status.trust_problem_indic
    yield Check(
        6,
        "the certificate leads to a root that is trusted",
        status.trusted if trust.roots else None,
        problem.standard_name if problem else "it does",
    )
    yield _revocation(status)
    yield _timestamp(status, trust)


def _revocation(status: PdfSignatureStatus) -> Check:
    name = "the certificate was not revoked"
    if status.revoked:
        return Check(7, name, False, "it was")
    certificate = status.signing_cert
    published = certificate.ocsp_urls or certificate.crl_distribution_points
    if not published:
        return Check(7, name, True, "its issuer publishes no revocations")
    return Check(7, name, None, "its issuer publishes revocations, and none is at hand")


def _timestamp(status: PdfSignatureStatus, trust: Trust) -> Check:
    name, stamp = "an authority says when it was there", status.timestamp_validity
    if stamp is None:
        return Check(8, name, True, "no timestamp: the time is the sealer's claim")
    if not (stamp.valid and stamp.intact):
        return Check(8, name, False, "the timestamp is damaged")
    if not trust.stampers or not stamp.trusted:
        return Check(8, name, None, "the authority is not among those that are trusted")
    return Check(8, name, True, stamp.timestamp.isoformat())


def _concluded(status: PdfSignatureStatus, checks: tuple[Check, ...]) -> tuple[Indication, str]:
    """The indication that follows from the checks: what is false first, then what could not be told."""
    held = {check.number: check.held for check in checks}
    problem = status.trust_problem_indic
    for number, sub in ((2, "FORMAT_FAILURE"), (3, "HASH_FAILURE"), (4, "SIG_CRYPTO_FAILURE"), (7, "REVOKED")):
        if held[number] is False:
            return Indication.FAILED, sub
    if held[8] is False:
        return Indication.FAILED, "SIG_CRYPTO_FAILURE"
    if held[5] is not True:
        return Indication.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE"
    if held[6] is not True:
        if problem is not None and problem.status is AdESStatus.FAILED:
            return Indication.FAILED, problem.standard_name
        return Indication.INDETERMINATE, problem.standard_name if problem else "NO_CERTIFICATE_CHAIN_FOUND"
    if held[7] is None:
        return Indication.INDETERMINATE, "TRY_LATER"
    if held[8] is None:
        return Indication.INDETERMINATE, "NO_POE"
    return Indication.PASSED, ""


def _strong(certificate: x509.Certificate) -> bool:
    """RSA from 2,048 bits, elliptic curves from 256."""
    key = certificate.public_key
    return bool(key.bit_size >= (2048 if key.algorithm in ("rsa", "rsassa_pss") else 256))


def _size(certificate: x509.Certificate) -> str:
    key = certificate.public_key
    return f"{key.algorithm} {key.bit_size}"
