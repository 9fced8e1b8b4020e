"""The checks that verdicts on PDF, XML and JSON seals share: the certificate, its revocation, the timestamp."""

from __future__ import annotations

from collections.abc import Iterator

from asn1crypto import x509

from signing.trust import Chain, may_seal
from signing.verdict import Check, Indication, Verdict


def trusted(certificate: x509.Certificate, believed: Chain) -> Iterator[Check]:
    """Checks 6 and 7: whose the seal is."""
    name = "the certificate leads to a root that is trusted"
    if not may_seal(certificate):
        yield Check(6, name, False, "its key is not for seals")
    else:
        yield Check(6, name, believed.trusted, believed.saw)
    yield _revocation(certificate, believed)


def stamped(stamp: Verdict | None) -> Check:
    """Check 8: what the timestamp in the seal is worth."""
    name = "an authority says when it was there"
    if stamp is None:
        return Check(8, name, True, "no timestamp: the time is the sealer's claim")
    if stamp.indication is Indication.FAILED:
        return Check(8, name, False, f"the timestamp does not hold: {stamp.sub}")
    if stamp.stamped_at is None:
        return Check(8, name, None, f"the authority is not believed: {stamp.sub}")
    return Check(8, name, True, stamp.stamped_at.isoformat())


def _revocation(certificate: x509.Certificate, believed: Chain) -> Check:
    name = "the certificate was not revoked"
    published = bool(certificate.ocsp_urls or certificate.crl_distribution_points)
    if believed.good is False:
        return Check(7, name, False, "it was")
    if believed.good is None and (published or believed.sub == "TRY_LATER"):
        return Check(7, name, None, "its issuer publishes revocations, and none is at hand")
    return Check(7, name, True, "by the data at hand" if published else "its issuer publishes no revocations")
