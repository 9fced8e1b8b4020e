"""A little public key infrastructure made for one test run: roots, sealers, timestamps, lists and responders."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from aiohttp import web
from asn1crypto import keys, tsp, x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps import DummyTimeStamper

from signing.keys import PrivateKey, read
from tests.bench.stage import free_port

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Person:
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    certificate: pyca.Certificate

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def secret(self) -> bytes:
        """The key, PEM, not encrypted."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def person(
    name: str,
    issuer: Person | None = None,
    *,
    stamps: bool = False,
    revocations: str = "",
    answers: str = "",
    statements: bytes = b"",
    authority: bool = False,
    since: datetime = NOW - timedelta(days=365),
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    until: datetime = NOW + timedelta(days=365),
) -> Person:
    """A new certificate; without issuer, a root. `revocations` is where its list is, `answers` where its responder is,
    `statements` its QcStatements; `authority` makes it one that issues others.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, name)])
    root = issuer is None or authority
    usage = pyca.KeyUsage(
        digital_signature=not root, content_commitment=not root and not stamps, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=root, crl_sign=root, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
    builder = (
        pyca.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(pyca.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(pyca.BasicConstraints(ca=root, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(pyca.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer:
        identifier = pyca.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    if stamps:
        builder = builder.add_extension(pyca.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    if revocations:
        place = pyca.UniformResourceIdentifier(revocations)
        point = pyca.DistributionPoint([place], None, None, None)
        builder = builder.add_extension(pyca.CRLDistributionPoints([point]), critical=False)
    if answers:
        place = pyca.UniformResourceIdentifier(answers)
        access = pyca.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
        builder = builder.add_extension(pyca.AuthorityInformationAccess([access]), critical=False)
    if statements:
        oid = pyca.ObjectIdentifier("1.3.6.1.5.5.7.1.3")
        builder = builder.add_extension(pyca.UnrecognizedExtension(oid, statements), critical=False)
    return Person(key, builder.sign(issuer.key if issuer else key, hashes.SHA256()))


@cache
def root() -> Person:
    """The root of the sealers."""
    return person("Root of the tests")


@cache
def sealer() -> Person:
    """Who seals."""
    return person("Atelier des Tilleuls seal", root())


@cache
def stamper_root() -> Person:
    """The root of the timestamp authority."""
    return person("Root of the authority")


@cache
def stamper() -> Person:
    """The timestamp authority."""
    return person(
        "Timestamp authority of the tests", stamper_root(), stamps=True, key=rsa.generate_private_key(65537, 2048)
    )


def seal_pem(one: Person | None = None) -> bytes:
    """The key as PEM with its certificates."""
    one = one or sealer()
    return one.secret + one.pem + root().pem


def seal_pkcs12(passphrase: bytes) -> bytes:
    """The same as PKCS#12."""
    one = sealer()
    encryption = serialization.BestAvailableEncryption(passphrase)
    return pkcs12.serialize_key_and_certificates(b"seal", one.key, one.certificate, [root().certificate], encryption)


def seal_key(one: Person | None = None) -> PrivateKey:
    """The key with its certificates."""
    return read(seal_pem(one))


def answer(question: bytes, at: datetime = NOW, one: Person | None = None) -> bytes:
    """What the authority answers to a question."""
    one = one or stamper()
    authority = DummyTimeStamper(
        tsa_cert=x509.Certificate.load(one.certificate.public_bytes(serialization.Encoding.DER)),
        tsa_key=keys.PrivateKeyInfo.load(
            one.key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        ),
        fixed_dt=at,
    )
    told: bytes = authority.request_tsa_response(tsp.TimeStampReq.load(question)).dump()
    return told


def other_question(question: bytes) -> bytes:
    """A question like this one, about something else."""
    asked = tsp.TimeStampReq.load(question)
    asked["message_imprint"]["hashed_message"] = bytes(32)
    told: bytes = asked.dump(force=True)
    return told


def revocation_list(issuer: Person, revoked: Mapping[int, datetime], at: datetime = NOW) -> bytes:
    """The issuer's list (DER) of that day, good for a day."""
    builder = (
        pyca.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(at)
        .next_update(at + timedelta(days=1))
        .add_extension(pyca.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
        .add_extension(pyca.CRLNumber(1), critical=False)
    )
    for serial, since in revoked.items():
        one = pyca.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
        builder = builder.add_revoked_certificate(one)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def ocsp_answer(
    issuer: Person, asked: bytes, known: Mapping[int, Person], revoked: Mapping[int, datetime], at: datetime = NOW
) -> bytes:
    """What the issuer's responder answers (DER) to a question about one of the known."""
    question = ocsp.load_der_ocsp_request(asked)
    one = known.get(question.serial_number)
    if one is None:
        told = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        return told.public_bytes(serialization.Encoding.DER)
    since = revoked.get(question.serial_number)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=one.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),
        cert_status=ocsp.OCSPCertStatus.REVOKED if since else ocsp.OCSPCertStatus.GOOD,
        this_update=at,
        next_update=at + timedelta(days=1),
        revocation_time=since,
        revocation_reason=pyca.ReasonFlags.key_compromise if since else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer.certificate)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@dataclass
class Published:
    """Authorities that publish on a real socket: a root with an issuing authority of sealers, and one of timestamps.

    The issuing authority is on the root's list, the sealer with the issuing authority's responder, the timestamp
    authority on its own root's list.
    """

    url: str
    clock: Callable[[], datetime] = lambda: NOW
    revoked: dict[int, datetime] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    down: set[str] = field(default_factory=set)
    """Which of stamp, ocsp, root.crl and stamper.crl do not answer."""

    def __post_init__(self) -> None:
        """Make everybody."""
        self.root = person("Published root")
        self.issuer = person("Published issuer", self.root, authority=True, revocations=f"{self.url}/root.crl")
        self.sealer = person("Published seal", self.issuer, answers=f"{self.url}/ocsp")
        self.stamper_root = person("Published root of time")
        self.stamper = person(
            "Published time",
            self.stamper_root,
            stamps=True,
            revocations=f"{self.url}/stamper.crl",
            key=rsa.generate_private_key(65537, 2048),
        )

    @property
    def pem(self) -> bytes:
        """The sealer's key with its certificates."""
        return self.sealer.secret + self.sealer.pem + self.issuer.pem + self.root.pem

    async def answer(self, request: web.Request) -> web.Response:
        """One answer."""
        what = request.match_info["what"]
        self.asked[what] += 1
        if what in self.down:
            return web.Response(status=503)
        body = await request.read()
        if what == "stamp":
            told, kind = answer(body, self.clock().replace(microsecond=0), self.stamper), "application/timestamp-reply"
        elif what == "ocsp":
            known = {self.sealer.certificate.serial_number: self.sealer}
            at = self.clock().replace(microsecond=0)
            told, kind = ocsp_answer(self.issuer, body, known, self.revoked, at), "application/ocsp-response"
        else:
            issuer = self.root if what == "root.crl" else self.stamper_root
            told, kind = revocation_list(issuer, self.revoked, self.clock()), "application/pkix-crl"
        return web.Response(body=told, content_type=kind)


@asynccontextmanager
async def published(clock: Callable[[], datetime] = lambda: NOW) -> AsyncIterator[Published]:
    """The authorities, on a free port of the loopback."""
    port = free_port()
    made = Published(f"http://127.0.0.1:{port}", clock)
    application = web.Application()
    application.router.add_route("*", "/{what}", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield made
    finally:
        await runner.cleanup()
