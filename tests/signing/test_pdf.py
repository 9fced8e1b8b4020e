"""Seals on PDFs: what was sealed stays, what is verified is told check by check, and no attack passes."""

from __future__ import annotations

import io
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pikepdf
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas.formats import cii, facturx
from schemas.formats.facturx.lettering import regular
from schemas.formats.facturx.pdfa import check
from signing import keys
from signing.keys import NotSealed
from signing.mark import Mark
from signing.pdf import complete, extended, prepare, stamp_room, stamped
from signing.pdf_verdict import verify
from signing.timestamp import NoTimestamp, accept, request
from signing.trust import NO_EVIDENCE, Trust
from signing.verdict import Indication, Verdict
from tests.schemas.sample_invoice import invoice
from tests.signing import authority
from tests.signing.authority import NOW, answer, seal_key
from tests.signing.sealed import seal_pdf

TRUST = Trust(authority.root().pem, authority.stamper_root().pem)


@pytest.fixture(scope="module")
def pdf() -> bytes:
    one = invoice()
    made = facturx.build(one, cii.FORMAT.write(one), created=NOW)
    return made if isinstance(made, bytes) else made.pdf


@pytest.fixture(scope="module")
def sealed(pdf: bytes) -> bytes:
    return seal_pdf(pdf)


@pytest.fixture(scope="module")
def proved(pdf: bytes) -> bytes:
    return seal_pdf(pdf, "B-T")


def held(verdict: Verdict) -> dict[int, bool | None]:
    return {check.number: check.held for check in verdict.checks}


def test_a_seal_leaves_the_document_as_it_is_and_is_verified(pdf: bytes, sealed: bytes) -> None:
    assert sealed.startswith(pdf), "an incremental update"
    verdict = verify(sealed, TRUST, NOW)
    assert (verdict.indication, verdict.sub) == (Indication.PASSED, "")
    assert verdict.claimed_at == NOW
    assert verdict.stamped_at is None
    assert "Atelier des Tilleuls seal" in verdict.sealed_by
    assert held(verdict) == dict.fromkeys(range(1, 10), True)


def test_a_timestamp_of_a_trusted_authority_is_told(sealed: bytes, proved: bytes) -> None:
    assert len(proved) == len(sealed)
    verdict = verify(proved, TRUST, NOW)
    assert verdict.indication is Indication.PASSED
    assert verdict.stamped_at == NOW + timedelta(seconds=3)
    stranger = Trust(authority.root().pem, authority.root().pem)
    verdict = verify(proved, stranger, NOW)
    assert (verdict.indication, verdict.sub) == (Indication.INDETERMINATE, "NO_POE")


def test_a_sealed_pdf_a_is_still_one(pdf: bytes, proved: bytes) -> None:
    """The strict check knows no forms, so it cannot say; what it can judge it must not find wrong anew."""
    known = "6.6.2.3.1-1"  # the XMP of Factur-X itself, which a seal brings back before this check's eyes
    assert check(pdf) == ()
    assert [one for one in check(proved) if "violation" in one and known not in one] == []
    assert pikepdf.open(io.BytesIO(proved)).Root.get("/Version") is None


@pytest.mark.skipif(shutil.which("qpdf") is None, reason="qpdf is not installed")
def test_qpdf_finds_nothing_wrong(proved: bytes, tmp_path: Path) -> None:
    (tmp_path / "sealed.pdf").write_bytes(proved)
    subprocess.run(["qpdf", "--check", tmp_path / "sealed.pdf"], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("pdfsig") is None, reason="pdfsig is not installed")
def test_a_second_implementation_agrees(proved: bytes, tmp_path: Path) -> None:
    (tmp_path / "sealed.pdf").write_bytes(proved)
    told = subprocess.run(["pdfsig", tmp_path / "sealed.pdf"], capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" in told
    assert "Total document signed" in told
    assert "ETSI.CAdES.detached" in told


@pytest.mark.parametrize("kind", ["pkcs12", "rsa"])
def test_other_kinds_of_keys(pdf: bytes, kind: str) -> None:
    key = keys.read(authority.seal_pkcs12(b"passphrase"), b"passphrase")
    if kind == "rsa":
        key = seal_key(authority.person("RSA seal", authority.root(), key=rsa.generate_private_key(65537, 3072)))
    verdict = verify(seal_pdf(pdf, key=key), TRUST, NOW)
    assert verdict.indication is Indication.PASSED


def test_what_is_no_pdf_is_not_sealed() -> None:
    for data in (b"%PDF-1.7 nothing", b"", b"<xml/>"):
        with pytest.raises(NotSealed):
            seal_pdf(data)
        with pytest.raises(NotSealed):
            extended(data, NO_EVIDENCE)
        with pytest.raises(NotSealed):
            stamp_room(data, NO_EVIDENCE)


def test_an_answer_to_another_question_is_no_timestamp(pdf: bytes, proved: bytes) -> None:
    key = seal_key()
    room = prepare(pdf, key.chain, at=NOW, reason="test")
    signature = key.sign(room.digest)
    asked = request(sha256(signature).digest(), 1)
    with pytest.raises(NoTimestamp, match="another question"):
        accept(asked, answer(request(sha256(signature).digest(), 2).der))
    with pytest.raises(NoTimestamp, match="another question"):
        accept(asked, answer(authority.other_question(asked.der)))
    with pytest.raises(NoTimestamp, match="is no timestamp"):
        accept(asked, b"<html>not found</html>")
    given = accept(asked, answer(asked.der))
    with pytest.raises(NoTimestamp, match="another seal"):
        complete(room, key.chain, key.sign(bytes(32)), given)
    with pytest.raises(NoTimestamp, match="another document"):
        stamped(stamp_room(proved, NO_EVIDENCE), given)


def test_strangers_expired_and_unknown_revocation_are_indeterminate(pdf: bytes) -> None:
    stranger = authority.person("Stranger", authority.person("Strange root"))
    expired = authority.person("Expired", authority.root(), until=NOW - timedelta(days=1))
    listed = authority.person("Listed", authority.root(), revocations="http://revocations.example/list.crl")
    for one, sub in (
        (stranger, "NO_CERTIFICATE_CHAIN_FOUND|CERTIFICATE_CHAIN_GENERAL_FAILURE"),
        (expired, "OUT_OF_BOUNDS_NO_POE|EXPIRED"),
        (listed, "TRY_LATER"),
    ):
        verdict = verify(seal_pdf(pdf, key=seal_key(one)), TRUST, NOW)
        assert verdict.indication is Indication.INDETERMINATE, (one.certificate.subject, verdict)
        assert re.fullmatch(sub, verdict.sub), verdict.sub
    weak = authority.person("Weak", authority.root(), key=rsa.generate_private_key(65537, 1024))
    verdict = verify(seal_pdf(pdf, key=seal_key(weak)), TRUST, NOW)
    assert (verdict.indication, verdict.sub) == (Indication.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE")


# Attacks -------------------------------------------------------------------------------------------------------------


def flipped(data: bytes) -> bytes:
    at = data.index(b"stream") + 20
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def updated(data: bytes) -> bytes:
    """An incremental update: the page turned around, behind the sealed bytes."""
    from pyhanko.pdf_utils.generic import NumberObject, pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    page = writer.root["/Pages"]["/Kids"][0]
    page[pdf_name("/Rotate")] = NumberObject(180)
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def annotated(data: bytes) -> bytes:
    """An evil annotation: text laid over what was sealed."""
    from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, NumberObject, TextStringObject, pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    page = writer.root["/Pages"]["/Kids"][0]
    note = DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Rect"): ArrayObject([NumberObject(one) for one in (50, 50, 300, 90)]),
            pdf_name("/Contents"): TextStringObject("IBAN FR76 0000 0000 0000"),
        }
    )
    reference = writer.add_object(note)
    annots = page.get("/Annots", ArrayObject())
    page[pdf_name("/Annots")] = ArrayObject([*annots, reference])
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def stripped(data: bytes) -> bytes:
    """The seal taken off, the document written anew."""
    with pikepdf.open(io.BytesIO(data)) as document:
        del document.Root.AcroForm
        for page in document.pages:
            if "/Annots" in page.obj:
                del page.obj["/Annots"]
        out = io.BytesIO()
        document.save(out)
    return out.getvalue()


def cut(data: bytes) -> bytes:
    """Back to before the seal."""
    return data[: data.index(b"%%EOF") + 6]


def replayed(data: bytes) -> bytes:
    """The signature's digits of one document in another one."""
    one = invoice()
    other = replace(one, number="F-2026-0002")
    made = facturx.build(other, cii.FORMAT.write(other), created=NOW)
    second = seal_pdf(made if isinstance(made, bytes) else made.pdf)
    pattern = re.compile(rb"/Contents\s*<([0-9a-fA-F]{1000,})>")
    digits, theirs = pattern.search(data), pattern.search(second)
    assert digits
    assert theirs
    return second[: theirs.start(1)] + digits[1] + second[theirs.end(1) :]


def followed(data: bytes) -> bytes:
    """A revision that may stand behind a seal: nothing but a store for verification data, which needs no key."""
    from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    store = DictionaryObject({pdf_name("/Type"): pdf_name("/DSS"), pdf_name("/Certs"): ArrayObject()})
    writer.root[pdf_name("/DSS")] = writer.add_object(store)
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_data_to_verify_by_may_follow_a_seal(proved: bytes) -> None:
    assert verify(followed(proved), TRUST, NOW).indication is Indication.PASSED


ATTACKS: dict[str, tuple[Callable[[bytes], bytes], Indication, str]] = {
    "a bit of the document": (flipped, Indication.FAILED, "HASH_FAILURE"),
    "an incremental update": (updated, Indication.FAILED, "FORMAT_FAILURE"),
    "an evil annotation": (annotated, Indication.FAILED, "FORMAT_FAILURE"),
    "the seal stripped": (stripped, Indication.FAILED, "FORMAT_FAILURE"),
    "the seal cut off": (cut, Indication.FAILED, "FORMAT_FAILURE"),
    "a seal of another document": (replayed, Indication.FAILED, "HASH_FAILURE"),
    "bytes after the end": (lambda data: data + b"\n% more\n", Indication.FAILED, "FORMAT_FAILURE"),
    "a second end": (
        lambda data: data + b"junk\n" + data[data.rindex(b"startxref") :],
        Indication.FAILED,
        "FORMAT_FAILURE",
    ),
    "bytes after data to verify by": (lambda data: followed(data) + b"junk\n", Indication.FAILED, "FORMAT_FAILURE"),
    "objects and a second end after data to verify by": (
        lambda data: (
            (whole := followed(data))
            + b"\n1 0 obj\n<< /Evil true >>\nendobj\n" * 500
            + whole[whole.rindex(b"startxref") :]
        ),
        Indication.FAILED,
        "FORMAT_FAILURE",
    ),
    "a shadow before the first byte": (lambda data: b"%PDF-1.7\n" + data, Indication.FAILED, "FORMAT_FAILURE"),
}


@pytest.mark.parametrize("name", list(ATTACKS))
def test_no_attack_passes(proved: bytes, name: str) -> None:
    attack, indication, sub = ATTACKS[name]
    verdict = verify(attack(proved), TRUST, NOW)
    assert verdict.indication is not Indication.PASSED, verdict
    assert (verdict.indication, verdict.sub) == (indication, sub), verdict


# Shadows: a document prepared before it was sealed, so that a later revision shows what the sealer did not see


def prepared(pdf: bytes) -> bytes:
    """A page whose shown content is a copy, while other content waits in an object that nothing shows yet."""
    with pikepdf.open(io.BytesIO(pdf)) as document:
        page = document.pages[0]
        hidden = document.make_stream(b"BT /F1 40 Tf 50 700 Td (999999.00 EUR) Tj ET")
        document.Root.Shadow = document.make_indirect(pikepdf.Dictionary(Waiting=hidden, Shown=page.obj.Contents))
        out = io.BytesIO()
        document.save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    return out.getvalue()


def shown_otherwise(data: bytes) -> bytes:
    """Replace: the page shows what waited."""
    from pyhanko.pdf_utils.generic import pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    page = writer.root["/Pages"]["/Kids"][0]
    page[pdf_name("/Contents")] = writer.root["/Shadow"].raw_get("/Waiting")
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def hidden_behind(data: bytes) -> bytes:
    """Hide: content of a later revision lies over the page."""
    from pyhanko.pdf_utils.generic import ArrayObject, StreamObject, pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    page = writer.root["/Pages"]["/Kids"][0]
    over = writer.add_object(StreamObject(stream_data=b"q 1 g 0 0 600 850 re f Q"))
    page[pdf_name("/Contents")] = ArrayObject([page.raw_get("/Contents"), over])
    writer.update_container(page)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def catalogue_swapped(data: bytes) -> bytes:
    """Hide and replace: a later revision points at other pages."""
    from pyhanko.pdf_utils.generic import DictionaryObject, pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    pages = writer.root["/Pages"]
    other = writer.add_object(DictionaryObject(pages))
    writer.root[pdf_name("/Pages")] = other
    writer.update_root()
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def attachment_swapped(data: bytes) -> bytes:
    """The invoice's XML is another one, in a later revision."""
    from pyhanko.pdf_utils.generic import StreamObject, pdf_name
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    held = writer.root["/AF"][0]
    files = held["/EF"]
    files[pdf_name("/F")] = writer.add_object(StreamObject(stream_data=b"<Invoice/>"))
    writer.update_container(files)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def sealed_by_a_stranger(data: bytes) -> bytes:
    """Changed, then sealed again by somebody else whose seal holds."""
    stranger = seal_key(authority.person("Stranger", authority.person("Strange root")))
    return seal_pdf(updated(data), key=stranger)


def range_moved(data: bytes) -> bytes:
    """What the seal says it covers leaves out more than the seal itself."""
    at = data.index(b"/ByteRange")
    begin, end = data.index(b"[", at) + 1, data.index(b"]", at)
    numbers = [int(number) for number in data[begin:end].split()]
    moved = f"{numbers[0]} {numbers[1] - 100} {numbers[2]} {numbers[3]}".encode()
    return data[:begin] + moved.ljust(end - begin) + data[end:]


def room_filled(data: bytes) -> bytes:
    """Something in the room behind the signature, which no signature covers."""
    at = data.rindex(b"000000000>")
    return data[:at] + b"DEADBEEF" + data[at + 8 :]


SHADOWS = {
    "something in the room": room_filled,
    "replace": shown_otherwise,
    "hide": hidden_behind,
    "hide and replace": catalogue_swapped,
    "another attachment": attachment_swapped,
    "a stranger's seal over it": sealed_by_a_stranger,
    "a hole in what it covers": range_moved,
}


@pytest.mark.parametrize("name", list(SHADOWS))
@pytest.mark.parametrize("level", ["B-T", "B-LTA"])
def test_no_shadow_passes(pdf: bytes, name: str, level: str) -> None:
    shadowed = seal_pdf(prepared(pdf), level)
    assert verify(shadowed, TRUST, NOW).indication is Indication.PASSED, "the twin that was left alone"
    verdict = verify(SHADOWS[name](shadowed), TRUST, NOW)
    assert verdict.indication is Indication.FAILED, verdict


def test_two_sealers_may_seal_one_document(pdf: bytes) -> None:
    other = seal_key(authority.person("Second", authority.root()))
    verdict = verify(seal_pdf(seal_pdf(pdf, "B-T"), "B-LTA", other), TRUST, NOW)
    assert verdict.indication is Indication.PASSED
    assert [one.level for one in verdict.seals] == ["B-LTA", "B-LTA"]
    assert [one.sealed_by for one in verdict.seals] == [
        "Common Name: Atelier des Tilleuls seal",
        "Common Name: Second",
    ]


def test_a_mark_that_is_seen_leaves_a_pdf_a_what_it_was(pdf: bytes) -> None:
    mark = Mark(("Scellé électroniquement : Atelier des Tilleuls 漢",), regular())
    key = seal_key()
    room = prepare(pdf, key.chain, at=NOW, reason="test", mark=mark)
    sealed = complete(room, key.chain, key.sign(room.digest))
    assert verify(sealed, TRUST, NOW).indication is Indication.PASSED
    assert [one for one in check(sealed) if "violation" in one and "6.6.2.3.1-1" not in one] == []
    again = prepare(sealed, key.chain, at=NOW, reason="test", mark=mark)
    both = verify(complete(again, key.chain, key.sign(again.digest)), TRUST, NOW)
    assert both.indication is Indication.PASSED, "where a seal is, no second mark is drawn"


def test_whatever_is_changed_it_never_passes_and_never_breaks_the_verifier(pdf: bytes) -> None:
    """A hundred changes by chance, always the same: bytes flipped, cut out, doubled, and the end cut off."""
    sealed = seal_pdf(pdf, "B-T")
    digits = re.search(rb"/Contents\s*<([0-9a-fA-F]{1000,})>", sealed)
    assert digits
    covered = sealed[: digits.start(1)] + sealed[digits.end(1) :]
    chance = random.Random(16931)
    for _ in range(100):
        at, length = chance.randrange(len(sealed)), chance.randrange(1, 400)
        changed = chance.choice(
            (
                sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :],
                sealed[:at] + sealed[at + length :],
                sealed[:at] + sealed[at : at + length] + sealed[at:],
                sealed[:at],
            )
        )
        if verify(changed, TRUST, NOW).indication is Indication.PASSED:  # a certificate in the seal that is not needed
            assert digits.start(1) <= at < digits.end(1)
            assert changed[: digits.start(1)] + changed[digits.end(1) :] == covered
