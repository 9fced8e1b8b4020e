"""Seals for years: revocation data and timestamps in the document, judged at the instants that are proved, offline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from schemas.formats import cii, facturx
from signing import pdf
from signing.pdf_verdict import verify
from signing.revocation import NoEvidence, Question, accepted, questions
from signing.trust import NO_EVIDENCE, Evidence, Trust, certificates
from signing.verdict import Indication
from signing.xml_verdict import verify as verify_xml
from tests.schemas.sample_invoice import invoice
from tests.signing import authority
from tests.signing.authority import NOW, Person, Published, ocsp_answer, person, revocation_list, seal_key
from tests.signing.sealed import certificates as stamper_certificates
from tests.signing.sealed import seal_pdf, seal_xml, token

HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)


@pytest.fixture(scope="module")
def document() -> bytes:
    one = invoice()
    made = facturx.build(one, cii.FORMAT.write(one), created=NOW)
    return made if isinstance(made, bytes) else made.pdf


@pytest.fixture(scope="module")
def people() -> Published:
    """People with lists and a responder, which nobody asks here."""
    return Published("http://127.0.0.1:1")


def known(people: Published, revoked: dict[int, object] | None = None, after: timedelta = timedelta(0)) -> Evidence:
    """What their issuers say, so long after the sealing."""
    off: dict[int, object] = revoked or {}
    (sealer,), (issuer,) = certificates(people.sealer.pem), certificates(people.issuer.pem)
    (asked,) = questions((sealer, issuer))
    held = {people.sealer.certificate.serial_number: people.sealer}
    at = NOW + after
    return Evidence(
        tuple(one.dump() for one in certificates(people.sealer.pem + people.issuer.pem + people.root.pem)),
        (revocation_list(people.root, off, at), revocation_list(people.stamper_root, off, at)),  # type: ignore[arg-type]
        (ocsp_answer(people.issuer, asked.questions[0].body, held, off, at),),  # type: ignore[arg-type]
    )


def trust(people: Published) -> Trust:
    return Trust(people.root.pem, people.stamper_root.pem)


@pytest.mark.parametrize("level", ["B-LT", "B-LTA"])
@pytest.mark.parametrize("later", [HOUR, 30 * DAY, 300 * DAY])
def test_nobody_needs_to_be_asked(document: bytes, people: Published, level: str, later: timedelta) -> None:
    key = seal_key_of(people)
    sealed = seal_pdf(document, level, key, evidence=known(people), stamper=people.stamper)
    assert sealed.startswith(document)
    verdict = verify(sealed, trust(people), NOW + later)
    assert (verdict.indication, verdict.sub, verdict.level) == (Indication.PASSED, "", level), verdict


def test_without_the_data_it_cannot_be_told(document: bytes, people: Published) -> None:
    key = seal_key_of(people)
    sealed = seal_pdf(document, "B-T", key, stamper=people.stamper)
    verdict = verify(sealed, trust(people), NOW + HOUR)
    assert (verdict.indication, verdict.sub) == (Indication.INDETERMINATE, "TRY_LATER")
    kept = known(people)
    assert verify(sealed, trust(people), NOW + HOUR, kept).indication is Indication.PASSED
    for lacking in (
        Evidence(kept.certificates, kept.lists[1:], kept.answers),
        Evidence(kept.certificates, kept.lists, ()),
        Evidence(kept.certificates, kept.lists[:1], kept.answers),
    ):
        assert verify(sealed, trust(people), NOW + HOUR, lacking).indication is Indication.INDETERMINATE


@pytest.mark.parametrize(("when", "passes"), [(-HOUR, False), (HOUR, True)])
def test_a_revocation_counts_from_its_day(document: bytes, people: Published, when: timedelta, passes: bool) -> None:
    """Revoked before it was sealed: no seal. Revoked after the timestamp over it: it was good when it was made."""
    off: dict[int, object] = {people.sealer.certificate.serial_number: NOW + when}
    level, kept = ("B-LT", known(people)) if passes else ("B-T", NO_EVIDENCE)
    sealed = seal_pdf(document, level, seal_key_of(people), evidence=kept, stamper=people.stamper)
    verdict = verify(sealed, trust(people), NOW + 3 * HOUR, known(people, off, 2 * HOUR))
    if passes:
        assert verdict.indication is Indication.PASSED, verdict
    else:
        assert (verdict.indication, verdict.sub) == (Indication.FAILED, "REVOKED")
    bare = seal_pdf(document, "B-B", seal_key_of(people))
    verdict = verify(bare, trust(people), NOW + 3 * HOUR, known(people, off, 2 * HOUR))
    assert (verdict.indication, verdict.sub) == (Indication.FAILED, "REVOKED"), "nothing proves when it was there"


def test_an_authority_of_time_that_was_revoked_proves_nothing(document: bytes, people: Published) -> None:
    off: dict[int, object] = {people.stamper.certificate.serial_number: NOW - HOUR}
    sealed = seal_pdf(document, "B-LTA", seal_key_of(people), evidence=known(people, off), stamper=people.stamper)
    verdict = verify(sealed, trust(people), NOW + HOUR)
    assert verdict.indication is Indication.FAILED
    assert verdict.stamped_at is None


def renewed(sealed: bytes, at: timedelta, stamper: Person, evidence: Evidence = NO_EVIDENCE) -> bytes:
    """The document under one more timestamp."""
    room = pdf.stamp_room(sealed, evidence)
    given = token(room.signed, NOW + at, stamper)
    return pdf.extended(pdf.stamped(room, given), stamper_certificates(given))


def test_ten_years_by_new_timestamps(document: bytes) -> None:
    """Authorities last two years more than they are used; a new one stamps what the last one stamped, in time."""
    roots = [person(f"Root of time {year}", since=NOW - YEAR, until=NOW + 30 * YEAR) for year in range(0, 11, 2)]
    stampers = [
        person(
            f"Time {year}",
            root,
            stamps=True,
            key=rsa.generate_private_key(65537, 2048),
            since=NOW + (2 * year - 1) * YEAR,
            until=NOW + (2 * year + 2) * YEAR,
        )
        for year, root in enumerate(roots)
    ]
    believed = Trust(authority.root().pem, b"".join(root.pem for root in roots))
    sealed = seal_pdf(document, "B-LTA", stamper=stampers[0])
    for number, stamper in enumerate(stampers[1:], 1):
        ends = 2 * number * YEAR
        assert number == 1 or verify(sealed, believed, NOW + ends).indication is Indication.PASSED, number
        sealed = renewed(sealed, ends - DAY, stamper)
    last = verify(sealed, believed, NOW + 11 * YEAR)
    assert (last.indication, last.sub) == (Indication.PASSED, ""), last
    assert last.stamped_at == NOW + timedelta(seconds=3)
    late = verify(sealed, believed, NOW + 13 * YEAR)
    assert late.indication is Indication.INDETERMINATE, "the last timestamp was not renewed"


def test_a_timestamp_that_came_too_late_proves_nothing(document: bytes) -> None:
    """A certificate that had ended before anybody stamped its seal."""
    old = person("Ended", authority.root(), until=NOW + DAY)
    sealed = seal_pdf(document, "B-LTA", seal_key(old), at=NOW + 2 * DAY)
    verdict = verify(sealed, Trust(authority.root().pem, authority.stamper_root().pem), NOW + 3 * DAY)
    assert (verdict.indication, verdict.sub) == (Indication.INDETERMINATE, "OUT_OF_BOUNDS_NO_POE")


FORGERIES: dict[str, Callable[[bytes], bytes]] = {
    "a bit of the last timestamp": lambda data: flipped(data, data.rindex(b"/DocTimeStamp") - 40_000),
    "a bit of the document": lambda data: flipped(data, data.index(b"stream") + 20),
    "a bit of the data to verify by": lambda data: flipped(data, data.index(b"%%EOF") + 2_000),
    "bytes behind": lambda data: data + b"\n%more",
}


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("name", list(FORGERIES))
def test_no_forgery_of_a_seal_for_years_passes(document: bytes, people: Published, name: str) -> None:
    sealed = seal_pdf(document, "B-LTA", seal_key_of(people), evidence=known(people), stamper=people.stamper)
    verdict = verify(FORGERIES[name](sealed), trust(people), NOW + HOUR)
    assert verdict.indication is not Indication.PASSED, verdict


def test_an_xml_seal_for_years(people: Published) -> None:
    one = invoice()
    for data, beside in ((cii.FORMAT.write(one), True),):
        seal = seal_xml(data, "B-LT", seal_key_of(people), evidence=known(people))
        believed = Trust(people.root.pem, authority.stamper_root().pem)
        for later in (HOUR, 300 * DAY):
            verdict = verify_xml(seal, believed, NOW + later, beside=data if beside else None).verdict
            assert (verdict.indication, verdict.level) == (Indication.PASSED, "B-LT"), verdict


def test_answers_that_are_none_are_told(people: Published) -> None:
    for question, data in (
        (Question("http://x.example/list", b""), b"<html>"),
        (Question("http://x.example/ocsp", b"question"), b""),
        (Question("http://x.example/ocsp", b"question"), bytes.fromhex("30030a0106")),
        (Question("http://x.example/list", b""), known(people).answers[0]),
    ):
        with pytest.raises(NoEvidence):
            accepted(question, data)


def seal_key_of(people: Published):  # type: ignore[no-untyped-def]
    """The published sealer's key."""
    from signing.keys import read

    return read(people.pem)
