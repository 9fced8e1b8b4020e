"""Revocation data: what to ask the issuers of a chain (OCSP, RFC 6960; lists, RFC 5280), and what came of it.

Nothing is sent from here. What comes back is signed by its issuer, so it may come over any wire; it is believed only
where the chain is judged. A chain is complete when nothing of it can be told revoked and nothing is left untold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from asn1crypto import cms, crl, ocsp, x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.ocsp import OCSPRequestBuilder
from pyhanko.sign.validation.generic_cms import extract_certs_for_validation

from signing.trust import NO_EVIDENCE, Chain, Evidence, chain


class NoEvidence(ValueError):
    """An answer that is no revocation data; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask for: an OCSP question to be posted, or a list to be fetched."""

    url: str
    body: bytes
    """OCSPRequest, DER; empty: fetch the list."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A certificate and where its revocation can be looked up, in order: one answer is enough."""

    subject: str
    questions: tuple[Question, ...]


def questions(path: tuple[x509.Certificate, ...]) -> tuple[Asked, ...]:
    """What to ask about each certificate of a path (the sealer's first, a root last) whose issuer publishes."""
    return tuple(
        Asked(certificate.subject.human_friendly, found)
        for certificate, issuer in pairwise(path)
        if (found := tuple(_questions(certificate, issuer)))
    )


def accepted(question: Question, answer: bytes) -> Evidence:
    """The answer as evidence. Raises NoEvidence when it is neither list nor answer, whatever it says."""
    try:
        if question.body:
            response = ocsp.OCSPResponse.load(answer, strict=True)
            if response["response_status"].native != "successful":
                raise NoEvidence(f"the responder answered {response['response_status'].native}")
            response.basic_ocsp_response["tbs_response_data"].native  # noqa: B018 - read all of it now
            return Evidence(answers=(answer,))
        certificates = crl.CertificateList.load(answer, strict=True)
        certificates["tbs_cert_list"].native  # noqa: B018 - the same
        return Evidence(lists=(answer,))
    except NoEvidence:
        raise
    except Exception as wrong:
        raise NoEvidence("the answer is no revocation data") from wrong


@dataclass(frozen=True, slots=True)
class Signers:
    """Who signed a seal or a token, as DER; picklable."""

    certificate: bytes
    others: tuple[bytes, ...]


def signers(token: bytes) -> Signers:
    """Who signed a timestamp token. Raises the library's errors."""
    found = extract_certs_for_validation(cms.ContentInfo.load(token)["content"])
    return Signers(found.signer_cert.dump(), tuple(one.dump() for one in found.other_certs))


def path(of: Signers, roots: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    """From a certificate to its root, as far as it can be built from what is at hand."""
    found = [x509.Certificate.load(of.certificate)]
    left = [*(x509.Certificate.load(one) for one in of.others), *roots]
    while found[-1].self_signed == "no":
        issuer = next((one for one in left if one.subject == found[-1].issuer and one not in found), None)
        if issuer is None:
            break
        found.append(issuer)
    return tuple(found)


def judged(of: Signers, roots: tuple[x509.Certificate, ...], at: datetime, evidence: Evidence = NO_EVIDENCE) -> Chain:
    """Whether the chain is complete with this evidence. Runs a coroutine of the library: for a worker process."""
    others = [x509.Certificate.load(one) for one in of.others]
    return chain(x509.Certificate.load(of.certificate), roots, at=at, others=others, evidence=evidence)


def _questions(certificate: x509.Certificate, issuer: x509.Certificate) -> Iterator[Question]:
    urls = [url for url in certificate.ocsp_urls if _web(url)]
    if urls:
        body = _ocsp_request(certificate, issuer)
        yield from (Question(url, body) for url in urls)
    for point in certificate.crl_distribution_points:
        yield from (Question(url, b"") for url in [point.url] if url and _web(url))


def _web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """By SHA-1 of the issuer's name and key, as responders expect it (RFC 5019, 2.1.1): a name, not a seal."""
    one, two = (pyca.load_der_x509_certificate(each.dump()) for each in (certificate, issuer))
    request = OCSPRequestBuilder().add_certificate(one, two, hashes.SHA1()).build()  # noqa: S303
    return request.public_bytes(serialization.Encoding.DER)
