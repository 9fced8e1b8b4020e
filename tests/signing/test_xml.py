"""Seals on XML: what was sealed is what is read, the schemas take it, other programs verify it, no forgery passes."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from schemas.catalogue import FORMATS
from schemas.finding import Verdict
from schemas.judge import judge
from signing.keys import NotSealed
from signing.timestamp import NoTimestamp
from signing.trust import Trust
from signing.verdict import Indication
from signing.xml import canonical, complete, imprint, prepare, read
from signing.xml_verdict import bears_seal, verify
from tests.signing import authority
from tests.signing.authority import NOW, seal_key
from tests.signing.forgeries import OTHERS, WRAPPINGS
from tests.signing.sealed import seal_xml, token

SAMPLES = Path(__file__).parent.parent / "samples"
UBL = sorted((SAMPLES / "ubl").glob("*.xml"))
CII = sorted((SAMPLES / "cii").glob("*.xml"))
TRUST = Trust(authority.root().pem, authority.stamper_root().pem)


@pytest.fixture(scope="module")
def invoice() -> bytes:
    return (SAMPLES / "ubl" / "invoice-simple.xml").read_bytes()


@pytest.mark.parametrize("path", UBL, ids=lambda path: path.stem)
@pytest.mark.parametrize("level", ["B-B", "B-T", "B-LT"])
def test_a_ubl_is_sealed_inside_and_its_schema_takes_it(path: Path, level: str) -> None:
    data = path.read_bytes()
    sealed = seal_xml(data, level)
    reading = verify(sealed, TRUST, NOW)
    assert (reading.verdict.indication, reading.verdict.sub) == (Indication.PASSED, ""), reading
    assert reading.verdict.level == level
    assert reading.verdict.claimed_at == NOW
    assert reading.verdict.stamped_at == (None if level == "B-B" else NOW + timedelta(seconds=3))
    name = "ubl-creditnote" if "credit" in path.stem else "ubl-invoice"
    form = FORMATS[name]
    assert form.read(sealed).invoice == form.read(data).invoice
    report = judge(sealed, french=True)
    assert report.verdict is Verdict.VALID, report.findings
    before = {finding.rule for finding in judge(data, french=True).findings}
    assert {finding.rule for finding in report.findings} - before <= {"UBL-CR-001", "UBL-DT-08"}
    assert bears_seal(sealed)
    assert not bears_seal(data)


@pytest.mark.parametrize("path", UBL, ids=lambda path: path.stem)
def test_not_another_byte_of_the_document_is_touched(path: Path) -> None:
    data = path.read_bytes()
    for variant in (data, b"\xef\xbb\xbf" + data, data.replace(b"\n", b"\r\n"), data.replace(b"<?xml", b"<?xml", 1)):
        sealed = seal_xml(variant)
        begin = sealed.index(b"<ext:UBLExtension")
        end = sealed.index(b"</ext:UBLExtensions>") + len(b"</ext:UBLExtensions>")
        assert sealed[:begin] + sealed[end:] == variant
        assert verify(sealed, TRUST, NOW).verdict.indication is Indication.PASSED


def test_extensions_that_are_there_are_kept(invoice: bytes) -> None:
    ext = "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2"
    own = (
        f'<e:UBLExtensions xmlns:e="{ext}"><e:UBLExtension><e:ExtensionContent><x xmlns="urn:x"/>'
        "</e:ExtensionContent></e:UBLExtension> </e:UBLExtensions>"
    ).encode()
    root = invoice.index(b">", invoice.index(b"<ubl:Invoice" if b"<ubl:Invoice" in invoice else b"<Invoice")) + 1
    sealed = seal_xml(invoice[:root] + own + invoice[root:])
    assert b'<x xmlns="urn:x"/>' in sealed
    assert judge(sealed, french=True).verdict is Verdict.VALID
    assert verify(sealed, TRUST, NOW).verdict.indication is Indication.PASSED


@pytest.mark.parametrize("path", CII, ids=lambda path: path.stem)
def test_a_cii_is_sealed_beside(path: Path) -> None:
    data = path.read_bytes()
    seal = seal_xml(data, "B-LT")
    reading = verify(seal, TRUST, NOW, beside=data)
    assert reading.verdict.indication is Indication.PASSED, reading
    assert reading.signed == data
    other = verify(seal, TRUST, NOW, beside=data.replace(b"\n", b"\r\n", 1))
    assert (other.verdict.indication, other.verdict.sub) == (Indication.FAILED, "HASH_FAILURE")
    assert other.signed == b""
    assert verify(seal, TRUST, NOW).verdict.sub == "FORMAT_FAILURE"


def test_what_was_signed_is_given_back_without_the_seal_and_without_comments(invoice: bytes) -> None:
    at = invoice.index(b"<cbc:IssueDate")
    sealed = seal_xml(invoice[:at] + b"<!-- seen by nobody -->" + invoice[at:])
    reading = verify(sealed, TRUST, NOW)
    assert reading.verdict.indication is Indication.PASSED
    assert b"<ds:Signature" not in reading.signed
    assert b"seen by nobody" not in reading.signed
    assert canonical(read(reading.signed)) == reading.signed


def test_a_document_with_a_seal_of_somebody_else_is_sealed_beside(invoice: bytes) -> None:
    once = seal_xml(invoice)
    seal = seal_xml(once)
    assert verify(seal, TRUST, NOW, beside=once).verdict.indication is Indication.PASSED
    assert verify(once, TRUST, NOW).verdict.indication is Indication.PASSED


@pytest.mark.parametrize("kind", ["rsa", "P-384", "P-521"])
def test_other_kinds_of_keys(invoice: bytes, kind: str) -> None:
    made = {
        "rsa": lambda: rsa.generate_private_key(65537, 3072),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    }
    key = seal_key(authority.person(kind, authority.root(), key=made[kind]()))  # type: ignore[no-untyped-call]
    assert verify(seal_xml(invoice, key=key), TRUST, NOW).verdict.indication is Indication.PASSED


def test_strangers_expired_weak_and_unknown_revocation_are_indeterminate(invoice: bytes) -> None:
    listed = "http://revocations.example/list.crl"
    for one, sub in (
        (authority.person("Stranger", authority.person("Strange root")), "NO_CERTIFICATE_CHAIN_FOUND"),
        (authority.person("Expired", authority.root(), until=NOW - timedelta(days=1)), "OUT_OF_BOUNDS_NO_POE"),
        (authority.person("Listed", authority.root(), revocations=listed), "TRY_LATER"),
        (
            authority.person("Weak", authority.root(), key=rsa.generate_private_key(65537, 1024)),
            "CRYPTO_CONSTRAINTS_FAILURE",
        ),
    ):
        verdict = verify(seal_xml(invoice, key=seal_key(one)), TRUST, NOW).verdict
        assert (verdict.indication, verdict.sub) == (Indication.INDETERMINATE, sub)
    assert verify(seal_xml(invoice), Trust(), NOW).verdict.sub == "NO_CERTIFICATE_CHAIN_FOUND"
    stranger = Trust(authority.root().pem, authority.root().pem)
    assert verify(seal_xml(invoice, "B-T"), stranger, NOW).verdict.sub == "NO_POE"


def test_what_is_no_xml_is_not_sealed(invoice: bytes) -> None:
    for data in (b"", b"%PDF-1.7", invoice[:-10], b'<?xml version="1.0"?><!DOCTYPE a []><a/>'):
        with pytest.raises(NotSealed):
            prepare(data, seal_key().chain, at=NOW, name="invoice.xml")
    key = seal_key()
    room = prepare(invoice, key.chain, at=NOW, name="invoice.xml")
    signature = key.sign(room.digest)
    assert imprint(room, key.chain, signature) != bytes(32)
    with pytest.raises(NoTimestamp, match="another seal"):
        complete(room, key.chain, signature, token(bytes(32), NOW))


# Forgeries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(WRAPPINGS))
@pytest.mark.parametrize("level", ["B-B", "B-LT"])
def test_no_wrapping_passes(invoice: bytes, name: str, level: str) -> None:
    forged = WRAPPINGS[name](seal_xml(invoice, level))
    reading = verify(forged, TRUST, NOW)
    assert reading.verdict.indication is Indication.FAILED, reading
    assert reading.signed == b""


@pytest.mark.parametrize("name", list(OTHERS))
def test_no_forgery_passes(invoice: bytes, name: str) -> None:
    forge, sub = OTHERS[name]
    reading = verify(forge(seal_xml(invoice, "B-T")), TRUST, NOW)
    assert reading.verdict.indication is not Indication.PASSED
    assert re.fullmatch(sub, reading.verdict.sub), reading
    assert (reading.verdict.indication is Indication.FAILED) == (sub != "CRYPTO_CONSTRAINTS_FAILURE"), reading
    assert reading.signed == b""


def test_a_timestamp_of_another_seal_does_not_hold(invoice: bytes) -> None:
    one, two = seal_xml(invoice, "B-T"), seal_xml(invoice.replace(b"<cbc:ID>", b"<cbc:ID>X", 1), "B-T")
    mark, end = b"<xades:EncapsulatedTimeStamp>", b"</xades:EncapsulatedTimeStamp>"

    def cut(data: bytes) -> tuple[int, int]:
        return data.index(mark) + len(mark), data.index(end)

    (a, b), (c, d) = cut(one), cut(two)
    verdict = verify(one[:a] + two[c:d] + one[b:], TRUST, NOW).verdict
    assert (verdict.indication, verdict.sub) == (Indication.FAILED, "SIG_CRYPTO_FAILURE")


def test_every_byte_of_a_seal_counts(invoice: bytes) -> None:
    """One letter changed anywhere between the seal's first and last: it never passes as if nothing had been."""
    sealed = seal_xml(invoice)
    begin, end = sealed.index(b"<ds:SignedInfo"), sealed.index(b"</ds:Signature>")
    for at in range(begin, end, 37):
        changed = sealed[:at] + (b"A" if sealed[at : at + 1] != b"A" else b"B") + sealed[at + 1 :]
        reading = verify(changed, TRUST, NOW)
        if reading.verdict.indication is Indication.PASSED:  # a certificate of the chain that is not needed
            assert reading.signed == verify(sealed, TRUST, NOW).signed
            assert b"X509Certificate" in sealed[:at].rpartition(b"<ds:")[2] + sealed[at : at + 2000]


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")
@pytest.mark.parametrize("form", ["ubl", "cii"])
@pytest.mark.parametrize("level", ["B-B", "B-T", "B-LT"])
def test_a_second_implementation_agrees(tmp_path: Path, form: str, level: str) -> None:
    data = (SAMPLES / form / "invoice-simple.xml").read_bytes()
    (tmp_path / "invoice.xml").write_bytes(data)
    (tmp_path / "sealed.xml").write_bytes(seal_xml(data, level))
    (tmp_path / "root.pem").write_bytes(authority.root().pem)
    command = ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--trusted-pem", "root.pem",
               "--verification-time", f"{NOW:%Y-%m-%d %H:%M:%S}",
               "--id-attr:Id", "http://uri.etsi.org/01903/v1.3.2#:SignedProperties"]  # fmt: skip
    told = subprocess.run([*command, "sealed.xml"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "SignedInfo References (ok/all): 2/2" in told.stderr
