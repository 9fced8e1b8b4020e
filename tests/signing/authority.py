"""A little public key infrastructure made for one test run: a root, a sealer, a timestamp authority that answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from asn1crypto import keys, tsp, x509
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps import DummyTimeStamper

from signing.seal import SealKey

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
    revocations: bool = False,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
    until: datetime = NOW + timedelta(days=365),
) -> Person:
    """A new certificate; without issuer, a root."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, name)])
    root = issuer is None
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
        .not_valid_before(NOW - timedelta(days=365))
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
        place = pyca.UniformResourceIdentifier("http://revocations.example/list.crl")
        point = pyca.DistributionPoint([place], None, None, None)
        builder = builder.add_extension(pyca.CRLDistributionPoints([point]), critical=False)
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


def seal_key(one: Person | None = None) -> SealKey:
    """The key as PEM with its certificates."""
    one = one or sealer()
    return SealKey(one.secret + one.pem + root().pem)


def seal_key_pkcs12(passphrase: bytes) -> SealKey:
    """The same as PKCS#12."""
    one = sealer()
    encryption = serialization.BestAvailableEncryption(passphrase)
    data = pkcs12.serialize_key_and_certificates(b"seal", one.key, one.certificate, [root().certificate], encryption)
    return SealKey(data, passphrase)


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
