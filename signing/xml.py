"""Seals on XML: XAdES (ETSI EN 319 132-1), levels B-B, B-T and B-LT, inside a UBL or beside any other document.

A UBL has a place for seals, its first extension (OASIS UBL 2.1, 5.4); the seal is put there without another byte of the
document being touched. A CII has none, and its schema refuses one anywhere; there, and where a document bears a seal of
somebody else that would break, the seal is a document of its own over the exact bytes. A seal is made in steps: what is
to be signed is prepared, signed elsewhere, and put together with its timestamp and the data to verify by.

Everything that is signed is written in exclusive canonical form from the start, and each reference says so.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from xml.parsers import expat

from asn1crypto import x509
from cryptography import x509 as pyca
from lxml import etree

from signing.keys import Algorithm, NotSealed, algorithm_of, to_pair
from signing.timestamp import NoTimestamp, Token
from signing.trust import NO_EVIDENCE, Evidence

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = f"{DS}enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
SIGNS = {
    Algorithm.RSA: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    Algorithm.EC: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
}

_UBL = "urn:oasis:names:specification:ubl:schema:xsd:"
EXT = f"{_UBL}CommonExtensionComponents-2"
ROOTS = (f"{{{_UBL}Invoice-2}}Invoice", f"{{{_UBL}CreditNote-2}}CreditNote")
"""Documents that have a place for a seal."""
_PLACE = (
    f'<ext:UBLExtension xmlns:ext="{EXT}">'
    "<ext:ExtensionURI>urn:oasis:names:specification:ubl:dsig:enveloped:xades</ext:ExtensionURI>"
    "<ext:ExtensionContent>"
    f'<sig:UBLDocumentSignatures xmlns:sig="{_UBL}CommonSignatureComponents-2" '
    f'xmlns:sac="{_UBL}SignatureAggregateComponents-2"><sac:SignatureInformation>',
    "</sac:SignatureInformation></sig:UBLDocumentSignatures></ext:ExtensionContent></ext:UBLExtension>",
)
"""The extension around a seal (OASIS UBL 2.1, 5.4)."""


@dataclass(frozen=True, slots=True)
class Room:
    """A document with its seal, but for the signature's value and what may follow it."""

    before: bytes = field(repr=False)
    """Of the document; empty where the seal stands beside it."""
    after: bytes = field(repr=False)
    signed: bytes = field(repr=False)
    """SignedInfo in canonical form, whose SHA-256 the key signs."""
    rest: tuple[bytes, bytes] = field(repr=False)
    """KeyInfo, and the signed properties."""
    name: str
    """Of the seal's elements."""

    @property
    def digest(self) -> bytes:
        """What the key signs (SHA-256)."""
        return sha256(self.signed).digest()

    @property
    def enveloped(self) -> bool:
        """Whether the seal stands inside the document."""
        return bool(self.before)


def prepare(
    xml: bytes, chain: tuple[x509.Certificate, ...], *, at: datetime, name: str, media_type: str = "application/xml"
) -> Room:
    """Room for a seal of the owner of `chain`; `at` is the sealer's claim of the time, `name` the file's for a seal
    beside the document. Raises NotSealed.
    """
    try:
        tree = read(xml)
    except ValueError as wrong:
        raise NotSealed(f"the document cannot be sealed: {wrong}") from wrong
    mark = f"seal-{sha256(xml + at.isoformat().encode()).hexdigest()[:16]}"
    inside = tree.tag in ROOTS and next(tree.iter(f"{{{DS}}}Signature"), None) is None
    before, after = _split(xml, tree) if inside else (b"", b"")
    uri, steps = ("", (ENVELOPED, EXCLUSIVE)) if inside else (name, None)
    hashed = sha256(canonical(read(before + after)) if inside else xml).digest()
    named = _named_once(chain[0]) if inside else _named(chain[0])
    properties = _properties(named, at, mark, media_type)
    references = [
        _reference(uri, steps or (), hashed, f'Id="{mark}-document" '),
        _reference(f"#{mark}-properties", (EXCLUSIVE,), sha256(properties).digest(), f'Type="{PROPERTIES}" '),
    ]
    signed = (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        f'<ds:SignatureMethod Algorithm="{SIGNS[algorithm_of(chain[0])]}"></ds:SignatureMethod>'
        f"{''.join(references)}</ds:SignedInfo>"
    )
    return Room(before, after, canonical(etree.fromstring(signed)), (_key_info(chain), properties), mark)


def imprint(room: Room, chain: tuple[x509.Certificate, ...], signature: bytes) -> bytes:
    """What a timestamp over the signature is over: its canonical element, SHA-256 (EN 319 132-1, 5.3)."""
    return sha256(_value(room, chain, signature)).digest()


def complete(
    room: Room,
    chain: tuple[x509.Certificate, ...],
    signature: bytes,
    token: Token | None = None,
    evidence: Evidence = NO_EVIDENCE,
) -> bytes:
    """The sealed document, or the seal beside it: B-B; B-T with a token, B-LT with evidence too. Raises NoTimestamp."""
    value = _value(room, chain, signature)
    unsigned = ""
    if token is not None:
        if token.digest != sha256(value).digest():
            raise NoTimestamp("the timestamp is of another seal")
        unsigned = (
            "<xades:UnsignedProperties><xades:UnsignedSignatureProperties>"
            f"{_stamp(token)}{_evidence(evidence) if evidence != NO_EVIDENCE else ''}"
            "</xades:UnsignedSignatureProperties></xades:UnsignedProperties>"
        )
    key_info, properties = room.rest
    seal = (
        f'<ds:Signature xmlns:ds="{DS}" Id="{room.name}">'.encode()
        + room.signed
        + value
        + key_info
        + f'<ds:Object><xades:QualifyingProperties xmlns:xades="{XADES}" Target="#{room.name}">'.encode()
        + properties
        + unsigned.encode()
        + b"</xades:QualifyingProperties></ds:Object></ds:Signature>"
    )
    if not room.enveloped:
        return b'<?xml version="1.0" encoding="UTF-8"?>\n' + seal + b"\n"
    return room.before + seal + room.after


def read(xml: bytes) -> etree._Element:
    """The root of a document that declares nothing and fetches nothing. Raises ValueError."""
    if b"<!DOCTYPE" in xml:
        raise ValueError("it declares a document type")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        collect_ids=False,
    )
    try:
        return etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as wrong:
        raise ValueError("it is not well-formed XML") from wrong


def canonical(element: etree._Element) -> bytes:
    """Exclusive canonical form without comments (W3C, 2002)."""
    made: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return made


# The parts of a seal -------------------------------------------------------------------------------------------------


def _split(xml: bytes, root: etree._Element) -> tuple[bytes, bytes]:
    """The document around the place for a seal: among its extensions, or in new ones, its first element."""
    begin, end, there = _place(xml)
    if there:
        return xml[:end] + _PLACE[0].encode(), _PLACE[1].encode() + xml[end:]
    opened, closed = f'<ext:UBLExtensions xmlns:ext="{EXT}">{_PLACE[0]}', f"{_PLACE[1]}</ext:UBLExtensions>"
    return xml[:begin] + opened.encode(), closed.encode() + xml[begin:]


def _place(xml: bytes) -> tuple[int, int, bool]:
    """Where the content of the root begins, where its extensions end, and whether it has some; in bytes."""
    depth, found, mark = 0, {"begin": -1, "end": -1}, b"\xef\xbb\xbf"
    first = False
    parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")

    def began() -> None:
        if found["begin"] < 0 and depth > 0:
            found["begin"] = parser.CurrentByteIndex

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal depth, first
        began()
        depth += 1
        first = first or (depth == 2 and name == f"{EXT} UBLExtensions")

    def stop(name: str) -> None:
        nonlocal depth
        began()
        if depth == 2 and name == f"{EXT} UBLExtensions" and found["end"] < 0:
            found["end"] = parser.CurrentByteIndex
        depth -= 1

    parser.StartElementHandler, parser.EndElementHandler = start, stop
    parser.CharacterDataHandler = parser.CommentHandler = lambda _: began()
    parser.Parse(xml.removeprefix(mark), True)
    skipped = len(mark) if xml.startswith(mark) else 0
    if found["begin"] < 0 or (first and xml[skipped + found["end"] :][:2] != b"</"):
        raise NotSealed("the document has no place for a seal")
    return skipped + found["begin"], skipped + found["end"], first


def _reference(uri: str, transforms: tuple[str, ...], hashed: bytes, more: str) -> str:
    steps = "".join(f'<ds:Transform Algorithm="{one}"></ds:Transform>' for one in transforms)
    held = f"<ds:Transforms>{steps}</ds:Transforms>" if steps else ""
    return (
        f'<ds:Reference {more}URI="{_escaped(uri)}">{held}<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod>'
        f"<ds:DigestValue>{_text(hashed)}</ds:DigestValue></ds:Reference>"
    )


def _named(certificate: x509.Certificate) -> str:
    """Which certificate is the sealer's: by its digest (EN 319 132-1, 5.2.2)."""
    return f"<xades:SigningCertificateV2><xades:Cert>{_digest(certificate)}</xades:Cert></xades:SigningCertificateV2>"


def _named_once(certificate: x509.Certificate) -> str:
    """The same as it was before 2016 (ETSI TS 103 171, 6.2.1): the schemas of UBL 2.1 know no other."""
    whole = pyca.load_der_x509_certificate(certificate.dump())
    return (
        f"<xades:SigningCertificate><xades:Cert>{_digest(certificate)}<xades:IssuerSerial>"
        f"<ds:X509IssuerName>{_escaped(whole.issuer.rfc4514_string())}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{whole.serial_number}</ds:X509SerialNumber>"
        "</xades:IssuerSerial></xades:Cert></xades:SigningCertificate>"
    )


def _digest(certificate: x509.Certificate) -> str:
    return (
        f'<xades:CertDigest><ds:DigestMethod Algorithm="{SHA256}"/>'
        f"<ds:DigestValue>{_text(sha256(certificate.dump()).digest())}</ds:DigestValue></xades:CertDigest>"
    )


def _properties(named: str, at: datetime, mark: str, media_type: str) -> bytes:
    """The signed properties in canonical form: when, by whom, and what kind of document."""
    made = (
        f'<xades:SignedProperties xmlns:xades="{XADES}" xmlns:ds="{DS}" Id="{mark}-properties">'
        "<xades:SignedSignatureProperties>"
        f"<xades:SigningTime>{at.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}</xades:SigningTime>"
        f"{named}</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>"
        f'<xades:DataObjectFormat ObjectReference="#{mark}-document"><xades:MimeType>{_escaped(media_type)}'
        "</xades:MimeType></xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties>"
    )
    return canonical(etree.fromstring(made))


def _key_info(chain: tuple[x509.Certificate, ...]) -> bytes:
    held = "".join(f"<ds:X509Certificate>{_text(one.dump())}</ds:X509Certificate>" for one in chain)
    return f"<ds:KeyInfo><ds:X509Data>{held}</ds:X509Data></ds:KeyInfo>".encode()


def _value(room: Room, chain: tuple[x509.Certificate, ...], signature: bytes) -> bytes:
    """The element of the signature's value in canonical form."""
    pair = to_pair(chain[0], signature) if algorithm_of(chain[0]) is Algorithm.EC else signature
    return f'<ds:SignatureValue xmlns:ds="{DS}" Id="{room.name}-value">{_text(pair)}</ds:SignatureValue>'.encode()


def _stamp(token: Token) -> str:
    return (
        f'<xades:SignatureTimeStamp><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        f"<xades:EncapsulatedTimeStamp>{_text(token.der)}</xades:EncapsulatedTimeStamp></xades:SignatureTimeStamp>"
    )


def _evidence(evidence: Evidence) -> str:
    """Certificates, lists and answers (EN 319 132-1, 5.4)."""

    def each(tag: str, held: tuple[bytes, ...]) -> str:
        return "".join(f"<xades:{tag}>{_text(one)}</xades:{tag}>" for one in held)

    lists, answers = each("EncapsulatedCRLValue", evidence.lists), each("EncapsulatedOCSPValue", evidence.answers)
    lists = f"<xades:CRLValues>{lists}</xades:CRLValues>" if lists else ""
    answers = f"<xades:OCSPValues>{answers}</xades:OCSPValues>" if answers else ""
    kept = each("EncapsulatedX509Certificate", evidence.certificates)
    told = f"<xades:CertificateValues>{kept}</xades:CertificateValues>" if kept else ""
    if lists or answers:
        told += f"<xades:RevocationValues>{lists}{answers}</xades:RevocationValues>"
    return told


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
