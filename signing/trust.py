"""Whose certificates are believed, what is known of revocations, and whether a certificate leads to a root (RFC 5280).

Everything is told from bytes at hand: nothing is fetched. A certificate whose issuer publishes revocations is not
believed before such data is at hand; the data may come from the document itself, which is how a seal stays verifiable
when its issuer is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from asn1crypto import crl, ocsp, pem, x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import (
    ExpiredError,
    InsufficientRevinfoError,
    NotYetValidError,
    PathBuildingError,
    RevokedError,
)
from pyhanko_certvalidator.policy_decl import (
    NO_REVOCATION,
    CertRevTrustPolicy,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)

from signing.verdict import Indication

T = TypeVar("T")

_DECLARED = RevocationCheckingPolicy(RevocationCheckingRule.CHECK_IF_DECLARED, RevocationCheckingRule.CHECK_IF_DECLARED)


def certificates(bundle: bytes) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM bundle, whatever else is in it. Raises ValueError."""
    if not bundle.strip():
        return ()
    return tuple(
        x509.Certificate.load(der) for kind, _, der in pem.unarmor(bundle, multiple=True) if kind == "CERTIFICATE"
    )


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are believed: PEM bundles."""

    sealers: bytes = b""
    authorities: bytes = b""
    """Roots of timestamp authorities."""
    roots: tuple[x509.Certificate, ...] = field(init=False, repr=False)
    stampers: tuple[x509.Certificate, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the bundles. Raises ValueError."""
        object.__setattr__(self, "roots", certificates(self.sealers))
        object.__setattr__(self, "stampers", certificates(self.authorities))

    def __reduce__(self) -> tuple[type[Trust], tuple[bytes, bytes]]:
        """As its two bundles: read certificates do not travel between processes."""
        return Trust, (self.sealers, self.authorities)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is kept to verify by: certificates of the chain, revocation lists and answers, each DER."""

    certificates: tuple[bytes, ...] = ()
    lists: tuple[bytes, ...] = ()
    """CertificateList (RFC 5280, 5)."""
    answers: tuple[bytes, ...] = ()
    """OCSPResponse (RFC 6960)."""

    def __add__(self, other: Evidence) -> Evidence:
        """Both, each thing once."""
        return Evidence(
            *(
                tuple(dict.fromkeys((*mine, *theirs)))
                for mine, theirs in (
                    (self.certificates, other.certificates),
                    (self.lists, other.lists),
                    (self.answers, other.answers),
                )
            )
        )


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class Chain:
    """Whether a certificate is believed, and why not."""

    trusted: bool | None
    """It leads to a root; None: no root is known at all."""
    good: bool | None
    """Nothing of it was revoked; None: it could not be told."""
    sub: str
    """Sub-indication of EN 319 102-1; empty when both hold."""
    saw: str
    path: tuple[x509.Certificate, ...] = ()
    """From the certificate to the root."""

    @property
    def indication(self) -> Indication:
        """What follows for a seal whose cryptography holds."""
        if self.trusted and self.good:
            return Indication.PASSED
        return Indication.FAILED if self.sub == "REVOKED" else Indication.INDETERMINATE


def chain(  # noqa: PLR0913 - what a certificate is judged by
    certificate: x509.Certificate,
    roots: tuple[x509.Certificate, ...],
    *,
    at: datetime,
    used: datetime | None = None,
    others: Iterable[x509.Certificate] = (),
    evidence: Evidence = NO_EVIDENCE,
    extended: frozenset[str] = frozenset(),
) -> Chain:
    """Whether a certificate was good at an instant at which its use is proved, or is now.

    `used`: when it was used by its own word, for timestamps: where no revocation data is fresh at `at`, that which was
    kept of that time counts while the certificate has not ended. `extended`: extended key usages that it must have.
    Revocation data may be younger than the instant: it is collected after the sealing. Not to be called where an event
    loop runs.
    """
    if not roots:
        return Chain(None, None, "NO_CERTIFICATE_CHAIN_FOUND", "no root is trusted here")
    order = _Order(certificate, roots, tuple(others), evidence, extended)
    told = _judged(order, at, _DECLARED)
    if told.sub == "TRY_LATER" and used is not None and used < at:
        then = _judged(order, used, _DECLARED)
        if then.good is not None and _judged(order, at, NO_REVOCATION).trusted:
            return replace(then, saw=f"{then.saw}, by revocation data of its time")
    return told


@dataclass(frozen=True, slots=True)
class _Order:
    """What is judged, and by what."""

    certificate: x509.Certificate
    roots: tuple[x509.Certificate, ...]
    others: tuple[x509.Certificate, ...]
    evidence: Evidence
    extended: frozenset[str]


def _judged(order: _Order, at: datetime, policy: RevocationCheckingPolicy) -> Chain:
    context = ValidationContext(
        trust_roots=list(order.roots),
        other_certs=[*order.others, *(x509.Certificate.load(one) for one in order.evidence.certificates)],
        moment=at,
        best_signature_time=at,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(policy, retroactive_revinfo=True),
        crls=[crl.CertificateList.load(one) for one in order.evidence.lists],
        ocsps=[ocsp.OCSPResponse.load(one) for one in order.evidence.answers],
    )
    validator = CertificateValidator(order.certificate, validation_context=context)
    usage = validator.async_validate_usage(set(), set(order.extended), extended_optional=not order.extended)  # type: ignore[no-untyped-call]
    try:
        path = run(usage)
    except RevokedError as told:
        return Chain(True, False, "REVOKED", str(told))
    except InsufficientRevinfoError as told:
        return Chain(True, None, "TRY_LATER", str(told))
    except (ExpiredError, NotYetValidError) as told:
        return Chain(False, None, "OUT_OF_BOUNDS_NO_POE", str(told))
    except PathBuildingError as told:
        return Chain(False, None, "NO_CERTIFICATE_CHAIN_FOUND", str(told))
    except Exception as told:
        return Chain(False, None, "CERTIFICATE_CHAIN_GENERAL_FAILURE", f"{type(told).__name__}: {told}")
    found = tuple(path.iter_certs(include_root=True))
    return Chain(
        True, True, "", "it does", (order.certificate, *(one for one in found[::-1] if one != order.certificate))
    )


def may_seal(certificate: x509.Certificate) -> bool:
    """Whether the certificate's key is for signatures or seals, as far as it says (key usage, RFC 5280, 4.2.1.3)."""
    usage = certificate.key_usage_value
    return usage is None or bool({"digital_signature", "non_repudiation"} & usage.native)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine of the library gives. It waits for nothing, as nothing is fetched."""
    return asyncio.run(coroutine)
