"""The verdict on the seals of a PDF, from its bytes and the roots that are trusted, offline (ETSI EN 319 102-1, 5.6.3).

Revocation data and timestamps that the document carries are judged with it, so a seal stays verifiable when its
certificate has ended and its issuer is gone. Stricter than the library's own policy in one thing: after a seal nothing
may follow but further seals, timestamps and the data to verify them; filled forms and annotations, which change what
people see, are not let through.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from asn1crypto import cms
from pyhanko.pdf_utils.decode_limits import DecodeLimits
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel, SuspiciousModification
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.generic_cms import extract_self_reported_ts, extract_tst_data_iter
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from signing import timestamp
from signing.judgement import stamped, trusted
from signing.signed_data import HASHES, Signed, look
from signing.trust import NO_EVIDENCE, Chain, Evidence, Trust, chain
from signing.verdict import Check, Indication, Verdict, one, worst

SEALS_LIMIT = 20
"""Seals and timestamps of one document that are looked at; more make the verdict indeterminate."""

_FORMS = ("/adbe.pkcs7.detached", "/ETSI.CAdES.detached")
_WHOLE = (SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION)


@dataclass(frozen=True, slots=True)
class _Given:
    """With what the seals of one document are judged."""

    pdf: bytes
    trust: Trust
    now: datetime
    evidence: Evidence
    """What was kept besides, and what the document carries itself."""


@dataclass(frozen=True, slots=True)
class _Over:
    """The timestamps over a document behind one of its seals."""

    count: int
    broken: int
    believed: bool
    """All of them; what one of a stranger says counts for nothing."""
    oldest: datetime
    """When the seal is proved to have been there at the latest: by the oldest that is believed, else now."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was seen of one seal."""

    signed: Signed
    covered: bool
    later: bool
    """What follows the seal is nothing but seals, timestamps and data to verify by."""
    said: str
    stamp: Verdict | None
    """On the timestamp in the seal."""
    over: _Over
    believed: Chain


def verify(pdf: bytes, trust: Trust, now: datetime, evidence: Evidence = NO_EVIDENCE) -> Verdict:
    """The verdict on all seals of a document: the worst of them; a document without any is FAILED, FORMAT_FAILURE.

    `evidence`: what was kept besides what the document carries. Not to be called where an event loop runs: the library
    starts one of its own.
    """
    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=True, decode_limits=DecodeLimits.for_untrusted_input())
        found = reader.embedded_regular_signatures
        stamps = reader.embedded_timestamp_signatures
        carried = _carried(reader)
    except Exception as error:
        return one(Indication.FAILED, "FORMAT_FAILURE", f"the file cannot be read: {type(error).__name__}")
    if not found:
        return one(Indication.FAILED, "FORMAT_FAILURE", "there is no seal")
    if len(found) + len(stamps) > SEALS_LIMIT:
        return one(Indication.INDETERMINATE, "GENERIC", f"there are more than {SEALS_LIMIT} seals and timestamps")
    given = _Given(pdf, trust, now, evidence + carried)
    return worst(_verified(seal, given) for seal in found)


def _carried(reader: PdfFileReader) -> Evidence:
    """What the document carries to verify by (DSS, ETSI EN 319 142-1, 5.4.2)."""
    if "/DSS" not in reader.root:
        return NO_EVIDENCE
    store = DocumentSecurityStore.read_dss(reader)
    return Evidence(
        tuple(certificate.dump() for certificate in store.load_certs()),
        *(tuple(bytes(one.get_object().data) for one in kept) for kept in (store.crls, store.ocsps)),
    )


def _verified(seal: EmbeddedPdfSignature, given: _Given) -> Verdict:
    try:
        seen = _looked_at(seal, given)
        checks = tuple(_checks(seal, seen, given))
    except Exception as error:
        return one(Indication.INDETERMINATE, "GENERIC", f"it could not be verified: {type(error).__name__}")
    told, sub = _concluded(seen, checks)
    return Verdict(
        told,
        sub,
        checks,
        sealed_by=seen.signed.certificate.subject.human_friendly,
        claimed_at=extract_self_reported_ts(seal.signer_info) or seal.self_reported_timestamp,
        stamped_at=seen.stamp.stamped_at if seen.stamp is not None else None,
        level=_level(seal, seen),
    )


def _looked_at(seal: EmbeddedPdfSignature, given: _Given) -> _Seen:
    if str(seal.sig_object["/SubFilter"]) not in _FORMS:
        raise ValueError("a form of signature that is not looked at")
    seal.compute_integrity_info()  # type: ignore[no-untyped-call]  # the library brings no types
    told = seal.summarise_integrity_info()
    signed = look(seal.signed_data, seal.compute_digest())
    over = _over(seal, given)
    stamp = _stamp(seal, signed, given, over.oldest)
    best = stamp.stamped_at if stamp is not None and stamp.stamped_at is not None else over.oldest
    believed = chain(signed.certificate, given.trust.roots, at=best, others=signed.others, evidence=given.evidence)
    return _Seen(
        signed,
        told["coverage"] in _WHOLE and _filled_with_nothing(seal),
        _harmless(seal, told["diff_result"]),
        told["coverage"].name.lower().replace("_", " "),
        stamp,
        over,
        believed,
    )


def _harmless(seal: EmbeddedPdfSignature, changes: DiffResult | SuspiciousModification | None) -> bool:
    """Whether what follows a seal is data to verify by, timestamps, and further seals that nobody sees."""
    if not isinstance(changes, DiffResult):
        return False
    if changes.modification_level <= ModificationLevel.LTA_UPDATES:
        return True
    unseen = {str(one.field_name) for one in seal.reader.embedded_signatures if _unseen(one)}
    return changes.modification_level == ModificationLevel.FORM_FILLING and changes.changed_form_fields <= unseen


def _filled_with_nothing(seal: EmbeddedPdfSignature) -> bool:
    """Whether the room behind the signature, which no signature covers, holds zeros alone."""
    room = bytes(seal.pkcs7_content)
    return not room[len(cms.ContentInfo.load(room).dump()) :].strip(b"\0")


def _unseen(seal: EmbeddedPdfSignature) -> bool:
    """Whether a seal's field takes no place on the page."""
    if "/Kids" in seal.sig_field or "/Rect" not in seal.sig_field:
        return False
    left, bottom, right, top = (float(edge) for edge in seal.sig_field["/Rect"])
    return left == right or bottom == top


def _over(seal: EmbeddedPdfSignature, given: _Given) -> _Over:
    """The timestamps over the document behind a seal, from the newest to the oldest: each is judged where the one after
    it proves it to have been, the newest now.
    """
    stamps = [one for one in seal.reader.embedded_timestamp_signatures if one.signed_revision > seal.signed_revision]
    at, broken, believed = given.now, 0, True
    for stamp in sorted(stamps, key=lambda one: -one.signed_revision):
        digest = stamp.compute_digest()
        whole = stamp.evaluate_signature_coverage() in _WHOLE and _filled_with_nothing(stamp)
        der = cms.ContentInfo.load(bytes(stamp.pkcs7_content)).dump()  # without the zeros that fill its room
        verdict = timestamp.verify(der, digest, given.trust, at, given.evidence)
        broken += not whole or verdict.indication is Indication.FAILED
        believed = believed and verdict.stamped_at is not None
        at = verdict.stamped_at or at
    return _Over(len(stamps), broken, believed, at)


def _stamp(seal: EmbeddedPdfSignature, signed: Signed, given: _Given, at: datetime) -> Verdict | None:
    """On the timestamps in the seal: the first that is believed, else the first."""
    verdicts = []
    for data in extract_tst_data_iter(seal.signer_info, signed=False):
        der = cms.ContentInfo({"content_type": "signed_data", "content": data}).dump()
        algorithm = HASHES.get(timestamp.read(der).algorithm, HASHES["sha256"])
        verdicts.append(timestamp.verify(der, algorithm(signed.signature).digest(), given.trust, at, given.evidence))
    broken = [one for one in verdicts if one.indication is Indication.FAILED]
    good = [one for one in verdicts if one.stamped_at is not None]
    return next(iter(broken + good + verdicts), None)


def ends_cleanly(pdf: bytes) -> bool:
    """Whether nothing stands behind the cross-references of the last revision but where they begin and the end mark."""
    end = re.search(rb"startxref\s+([0-9]{1,12})\s+%%EOF\s*$", pdf[-200:])
    if end is None:
        return False
    section = pdf[int(end[1]) :]
    body = section[: section.rindex(b"startxref")]
    if body.startswith(b"xref"):
        return body.count(b"trailer") == 1 and b"obj" not in body and body.rstrip().endswith(b">>")
    return body.count(b"endobj") == 1 and body.rstrip().endswith(b"endobj")


def _followed(seal: EmbeddedPdfSignature) -> bool:
    """Whether the file has a revision after the one that was sealed."""
    return bool(seal.reader.xrefs.total_revisions > seal.signed_revision + 1)


def _to_the_end(seal: EmbeddedPdfSignature, size_: int) -> bool:
    """From the first byte to the last: the library lets bytes pass that stand behind the last %%EOF."""
    first, _, after, length = seal.byte_range
    return bool(first == 0 and after + length == size_)


def _checks(seal: EmbeddedPdfSignature, seen: _Seen, given: _Given) -> Iterator[Check]:
    signed, believed = seen.signed, seen.believed
    yield Check(1, "a seal is there", True, f"in the field {seal.field_name}")
    follows = seen.later and ends_cleanly(given.pdf) if _followed(seal) else _to_the_end(seal, len(given.pdf))
    whole = seen.covered and follows
    yield Check(2, "it covers the document, and nothing that is seen was added", whole, f"covers {seen.said}")
    yield Check(3, "the document is what was sealed", signed.intact, f"digest by {signed.digest_algorithm}")
    yield Check(4, "the signature is that of the certificate's key", signed.valid, signed.mechanism)
    yield Check(5, "its algorithms are strong enough", signed.strong, signed.how)
    yield from trusted(signed.certificate, believed)
    yield stamped(seen.stamp)
    yield _archived(seen.over)


def _archived(over: _Over) -> Check:
    name = "the timestamps over the document hold"
    if not over.count:
        return Check(9, name, True, "there is none")
    if over.broken:
        return Check(9, name, False, f"{over.broken} of {over.count} does not")
    if not over.believed:
        return Check(9, name, None, "their authority is not believed")
    return Check(9, name, True, f"{over.count}, the oldest of {over.oldest.isoformat()}")


def _concluded(seen: _Seen, checks: tuple[Check, ...]) -> tuple[Indication, str]:
    """The indication that follows from the checks: what is false first, then what could not be told."""
    held = {check.number: check.held for check in checks}
    for number, sub in ((2, "FORMAT_FAILURE"), (3, "HASH_FAILURE"), (4, "SIG_CRYPTO_FAILURE"), (7, "REVOKED"),
                        (8, "SIG_CRYPTO_FAILURE"), (9, "SIG_CRYPTO_FAILURE")):  # fmt: skip
        if held[number] is False:
            return Indication.FAILED, sub
    if held[5] is not True:
        return Indication.INDETERMINATE, "CRYPTO_CONSTRAINTS_FAILURE"
    if held[6] is not True:
        return Indication.INDETERMINATE, seen.believed.sub or "CHAIN_CONSTRAINTS_FAILURE"
    if held[7] is None:
        return Indication.INDETERMINATE, "TRY_LATER"
    if held[8] is None or held[9] is None:
        return Indication.INDETERMINATE, "NO_POE"
    return Indication.PASSED, ""


def _level(seal: EmbeddedPdfSignature, seen: _Seen) -> str:
    if seen.stamp is None:
        return "B-B"
    if "/DSS" not in seal.reader.root:
        return "B-T"
    return "B-LTA" if seen.over.count else "B-LT"
