"""The verdict on the seal of an XML document, and the bytes it covers: nothing else of the document may be believed.

Strict where readers are tricked (RELIABILITY rule 22): one seal, in the place where it belongs, over the whole
document and its own properties and nothing else, by steps and algorithms of a short list, with names that are there
once, and no comment inside a value. Only then the library computes; and what was signed is given back as it was signed.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from asn1crypto import x509
from cryptography import x509 as pyca
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import InvalidDigest, InvalidInput, InvalidSignature
from signxml.verifier import SignatureConfiguration, XMLVerifier

from signing import timestamp
from signing.judgement import stamped, trusted
from signing.signed_data import HASHES, size, strong
from signing.trust import NO_EVIDENCE, Chain, Evidence, Trust, chain
from signing.verdict import Check, Indication, Verdict, one
from signing.xml import DS, ENVELOPED, EXCLUSIVE, EXT, PROPERTIES, ROOTS, XADES, read

_DS, _XADES, _EXT = f"{{{DS}}}", f"{{{XADES}}}", f"{{{EXT}}}"
_SIG = "{urn:oasis:names:specification:ubl:schema:xsd:CommonSignatureComponents-2}"
_SAC = "{urn:oasis:names:specification:ubl:schema:xsd:SignatureAggregateComponents-2}"
_AMONG = (f"{_EXT}UBLExtensions", f"{_EXT}UBLExtension", f"{_EXT}ExtensionContent")
_PLACES = (_AMONG, (*_AMONG, f"{_SIG}UBLDocumentSignatures", f"{_SAC}SignatureInformation"))
"""Where in a UBL a seal belongs, below the root: the place of UBL 2.1 and that of its first users."""
_CANONICAL = (
    EXCLUSIVE,
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/2006/12/xml-c14n11",
)
_METHODS = frozenset(
    {
        SignatureMethod.RSA_SHA256, SignatureMethod.RSA_SHA384, SignatureMethod.RSA_SHA512,
        SignatureMethod.ECDSA_SHA256, SignatureMethod.ECDSA_SHA384, SignatureMethod.ECDSA_SHA512,
    }
)  # fmt: skip
_DIGESTS = frozenset({DigestAlgorithm.SHA256, DigestAlgorithm.SHA384, DigestAlgorithm.SHA512})
_HASHED = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}

_torn = etree.XPath("//comment()[../text()[normalize-space()]]")
_named = etree.XPath("//@*[local-name() = 'Id' or local-name() = 'ID' or local-name() = 'id']")


class _Odd(Exception):
    """The seal is not built as seals are; the message says where."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What an XML document's seal is worth, and what it covers."""

    verdict: Verdict
    signed: bytes = b""
    """The document as it was signed, without the seal; empty unless its digest and its signature hold."""


@dataclass(frozen=True, slots=True)
class _Seal:
    """The parts of one seal, by their places and never by their names."""

    element: etree._Element
    root: etree._Element
    certificates: tuple[x509.Certificate, ...]
    """The sealer's own first."""
    properties: etree._Element | None


def bears_seal(xml: bytes) -> bool:
    """Whether a document bears a seal, or may bear one that cannot be read: then its verdict must be told."""
    if DS.encode() not in xml:
        return False
    try:
        return next(read(xml).iter(f"{_DS}Signature"), None) is not None
    except ValueError:
        return True


def verify(
    xml: bytes, trust: Trust, now: datetime, *, beside: bytes | None = None, evidence: Evidence = NO_EVIDENCE
) -> Reading:
    """The verdict on the seal of a document, offline. `beside`: the document, where `xml` is a seal that stands alone.

    A document without a seal is FAILED, FORMAT_FAILURE. Not to be called where an event loop runs.
    """
    try:
        seal = _found(read(xml), alone=beside is not None)
        _built(seal, alone=beside is not None)
    except (_Odd, ValueError) as wrong:
        return Reading(one(Indication.FAILED, "FORMAT_FAILURE", str(wrong)))
    except Exception as error:
        return Reading(one(Indication.INDETERMINATE, "GENERIC", f"it could not be read: {type(error).__name__}"))
    try:
        return _verified(seal, (trust, evidence), now, beside)
    except Exception as error:
        return Reading(one(Indication.INDETERMINATE, "GENERIC", f"it could not be verified: {type(error).__name__}"))


# How a seal is built -------------------------------------------------------------------------------------------------


def _found(root: etree._Element, *, alone: bool) -> _Seal:
    """The one seal, in its place. Raises _Odd."""
    seals = list(root.iter(f"{_DS}Signature"))
    if len(seals) != 1:
        raise _Odd("there is no seal" if not seals else f"there are {len(seals)} seals")
    (seal,) = seals
    above = tuple(element.tag for element in seal.iterancestors())[::-1]
    if alone:
        if above:
            raise _Odd("the seal does not stand alone")
    elif root.tag not in ROOTS or above[1:] not in _PLACES:
        raise _Odd("the seal is not where a seal belongs")
    names = [str(name) for name in _named(root)]  # type: ignore[union-attr]  # a list, as the path finds attributes
    if len(names) != len(set(names)):
        raise _Odd("an Id is there twice")
    if _torn(root):
        raise _Odd("a comment stands inside a value")
    held = seal.findall(f"{_DS}KeyInfo/{_DS}X509Data/{_DS}X509Certificate")
    certificates = tuple(x509.Certificate.load(b64decode(item.text or "")) for item in held)
    if not certificates:
        raise _Odd("the seal has no certificate")
    properties = seal.findall(f"{_DS}Object/{_XADES}QualifyingProperties/{_XADES}SignedProperties")
    if len(properties) > 1:
        raise _Odd("the seal has properties twice")
    return _Seal(seal, root, _own_first(certificates, properties), next(iter(properties), None))


def _own_first(
    certificates: tuple[x509.Certificate, ...], properties: list[etree._Element]
) -> tuple[x509.Certificate, ...]:
    """The certificate that the properties name before the others; the first, where they name none."""
    digests = [_certificate_digest(item) for item in properties]
    for certificate in certificates:
        if any(found == HASHES[name](certificate.dump()).digest() for name, found in filter(None, digests)):
            return (certificate, *(other for other in certificates if other != certificate))
    return certificates


def _certificate_digest(properties: etree._Element) -> tuple[str, bytes] | None:
    where = f"{_XADES}SignedSignatureProperties"
    for tag in ("SigningCertificateV2", "SigningCertificate"):
        found = properties.find(f"{where}/{_XADES}{tag}/{_XADES}Cert/{_XADES}CertDigest")
        if found is not None:
            method, value = found.find(f"{_DS}DigestMethod"), found.findtext(f"{_DS}DigestValue")
            name = _HASHED.get(method.get("Algorithm", "")) if method is not None else None
            return (name, b64decode(value)) if name and value else None
    return None


def _built(seal: _Seal, *, alone: bool) -> None:
    """One reference to the document, one to the seal's own properties, perhaps one to its KeyInfo. Raises _Odd."""
    info = seal.element.find(f"{_DS}SignedInfo")
    if info is None or len(seal.element.findall(f"{_DS}SignedInfo")) != 1:
        raise _Odd("the seal has no SignedInfo, or two")
    if _algorithm(info, "CanonicalizationMethod") not in _CANONICAL:
        raise _Odd("SignedInfo is canonical in a way that is not taken")
    own = {"": "the document"}
    if seal.properties is not None and (name := seal.properties.get("Id")):
        own[f"#{name}"] = "the properties"
    key_info = seal.element.find(f"{_DS}KeyInfo")
    if key_info is not None and (name := key_info.get("Id")):
        own[f"#{name}"] = "KeyInfo"
    covered = []
    for reference in info.findall(f"{_DS}Reference"):
        uri = reference.get("URI")
        what = "the document" if alone and uri and not uri.startswith("#") else own.get("?" if uri is None else uri)
        if what is None or (alone and uri == ""):
            raise _Odd("it covers something that is not the document")
        covered.append(what)
        _steps(reference, what, alone=alone)
    if covered.count("the document") != 1 or len(covered) != len(set(covered)):
        raise _Odd("it does not cover the document, and once")
    if seal.properties is not None and "the properties" not in covered:
        raise _Odd("it does not cover its own properties")


def _steps(reference: etree._Element, what: str, *, alone: bool) -> None:
    steps = [step.get("Algorithm", "") for step in reference.findall(f"{_DS}Transforms/{_DS}Transform")]
    if what == "the document" and not alone:
        if steps[:1] != [ENVELOPED]:
            raise _Odd("it is not taken out of what it covers")
        steps = steps[1:]
    if len(steps) > 1 or any(step not in _CANONICAL for step in steps) or (steps and alone and what == "the document"):
        raise _Odd(f"{what} is changed before it is hashed in a way that is not taken")
    if any(len(step) for step in reference.iter(f"{_DS}Transform")):
        raise _Odd("a step has more to it than is looked at")
    kind = reference.get("Type", "")
    if (what == "the properties") != (kind == PROPERTIES) and kind:
        raise _Odd("a reference is of another kind than it says")


def _algorithm(parent: etree._Element, tag: str) -> str:
    found = parent.find(f"{_DS}{tag}")
    return found.get("Algorithm", "") if found is not None else ""


# What it is worth ----------------------------------------------------------------------------------------------------


def _verified(seal: _Seal, known: tuple[Trust, Evidence], now: datetime, beside: bytes | None) -> Reading:
    trust, evidence = known
    certificate, *others = seal.certificates
    signed, intact, valid, sound = _computed(seal, certificate, beside)
    evidence = evidence + _carried(seal)
    stamp = _stamp(seal, trust, now, evidence)
    best = stamp.stamped_at if stamp is not None and stamp.stamped_at is not None else now
    believed = chain(certificate, trust.roots, at=best, others=others, evidence=evidence)
    named = _named_certificate(seal)
    checks = (
        Check(1, "a seal is there", True, "beside the document" if beside is not None else "in the document"),
        Check(2, "it covers the document, and nothing that is read was added", True, "all but the seal itself"),
        Check(3, "the document is what was sealed", intact, _method(seal)),
        Check(4, "the signature is that of the certificate's key", valid, _method(seal)),
        Check(5, "its algorithms are strong enough", sound and strong(certificate), size(certificate)),
        *trusted(certificate, believed),
        stamped(stamp),
        Check(9, "the certificate is the one that was signed with it", named, "by its digest"),
    )
    told, sub = _concluded(checks, believed)
    verdict = Verdict(
        told,
        sub,
        checks,
        sealed_by=certificate.subject.human_friendly,
        claimed_at=_claimed(seal),
        stamped_at=stamp.stamped_at if stamp is not None else None,
        level=_level(seal, stamp),
    )
    return Reading(verdict, signed if intact and valid else b"")


def _computed(
    seal: _Seal, certificate: x509.Certificate, beside: bytes | None
) -> tuple[bytes, bool, bool | None, bool]:
    """What was signed, whether the digests hold, whether the signature does, and whether all methods are taken."""
    own = pyca.load_der_x509_certificate(certificate.dump())
    config = SignatureConfiguration(
        location=".//",
        expect_references=True,
        signature_methods=_METHODS,
        digest_algorithms=_DIGESTS,
        verification_time=own.not_valid_before_utc,
    )
    try:
        found = XMLVerifier().verify(
            etree.tostring(seal.root.getroottree()),
            x509_cert=own,
            expect_config=config,
            uri_resolver=(lambda _: beside) if beside is not None else None,
            validate_schema=False,
        )
    except InvalidDigest:
        return b"", False, True, True
    except InvalidSignature:
        return b"", True, False, True
    except (InvalidInput, ValueError):
        return b"", False, None, False
    results = found if isinstance(found, list) else [found]
    uris = [item.get("URI", "") for item in seal.element.iterfind(f"{_DS}SignedInfo/{_DS}Reference")]
    at = next(place for place, uri in enumerate(uris) if not uri.startswith("#"))
    return results[at].signed_data, True, True, True


def _carried(seal: _Seal) -> Evidence:
    """What the seal carries to verify by."""
    where = f"{_DS}Object/{_XADES}QualifyingProperties/{_XADES}UnsignedProperties/{_XADES}UnsignedSignatureProperties"
    unsigned = seal.element.find(where)

    def each(tag: str) -> tuple[bytes, ...]:
        found = unsigned.iter(f"{_XADES}{tag}") if unsigned is not None else ()
        return tuple(b64decode(item.text or "") for item in found)

    return Evidence(*(each(f"Encapsulated{kind}") for kind in ("X509Certificate", "CRLValue", "OCSPValue")))


def _stamp(seal: _Seal, trust: Trust, now: datetime, evidence: Evidence) -> Verdict | None:
    """On the timestamp over the signature; one that is not over it as XAdES says does not hold."""
    stamps = list(seal.element.iter(f"{_XADES}SignatureTimeStamp"))
    if not stamps:
        return None
    value = seal.element.find(f"{_DS}SignatureValue")
    token = b64decode(stamps[0].findtext(f"{_XADES}EncapsulatedTimeStamp") or "")
    method = _algorithm(stamps[0], "CanonicalizationMethod") or _CANONICAL[1]
    if value is None or method not in _CANONICAL:
        raise _Odd("the timestamp is over something else")
    hashed = etree.tostring(value, method="c14n", exclusive=method == EXCLUSIVE, with_comments=False, with_tail=False)
    try:
        algorithm = HASHES.get(timestamp.read(token).algorithm, sha256)
    except timestamp.NoTimestamp:
        algorithm = sha256
    return timestamp.verify(token, algorithm(hashed).digest(), trust, now, evidence)


def _named_certificate(seal: _Seal) -> bool | None:
    found = _certificate_digest(seal.properties) if seal.properties is not None else None
    if found is None:
        return None
    return HASHES[found[0]](seal.certificates[0].dump()).digest() == found[1]


def _method(seal: _Seal) -> str:
    info = seal.element.find(f"{_DS}SignedInfo")
    return _algorithm(info, "SignatureMethod").rpartition("#")[2] if info is not None else ""


def _claimed(seal: _Seal) -> datetime | None:
    if seal.properties is None:
        return None
    text = seal.properties.findtext(f"{_XADES}SignedSignatureProperties/{_XADES}SigningTime") or ""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _level(seal: _Seal, stamp: Verdict | None) -> str:
    if seal.properties is None:
        return ""
    if stamp is None:
        return "B-B"
    kept = next(_revocations(seal), None)
    return "B-LT" if kept is not None else "B-T"


def _revocations(seal: _Seal) -> Iterator[etree._Element]:
    yield from seal.element.iter(f"{_XADES}CertificateValues", f"{_XADES}RevocationValues")


def _concluded(checks: tuple[Check, ...], believed: Chain) -> tuple[Indication, str]:
    held = {check.number: check.held for check in checks}
    if held[5] is False and held[4] is None:
        return Indication.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE"
    for number, sub in ((4, "SIG_CRYPTO_FAILURE"), (3, "HASH_FAILURE"), (7, "REVOKED"), (8, "SIG_CRYPTO_FAILURE"),
                        (9, "SIG_CONSTRAINTS_FAILURE")):  # fmt: skip
        if held[number] is False:
            return Indication.FAILED, sub
    for number, sub in ((5, "CRYPTO_CONSTRAINTS_FAILURE"), (6, believed.sub or "CHAIN_CONSTRAINTS_FAILURE"),
                        (7, "TRY_LATER"), (8, "NO_POE"), (9, "SIG_CONSTRAINTS_FAILURE")):  # fmt: skip
        if held[number] is not True:
            return Indication.INDETERMINATE, sub
    return Indication.PASSED, ""
