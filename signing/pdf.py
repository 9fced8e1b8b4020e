"""Seals on PDFs: PAdES (ETSI EN 319 142-1), baseline levels B-B, B-T, B-LT and B-LTA, each by an incremental update.

The bytes of the document stay as they are, in front, and a signature field is added behind them. So what was PDF/A-3
stays PDF/A-3 (ISO 19005-3, 6.4.3), and anybody can cut the seal off to see what was sealed. A seal is made in steps,
as the key and the timestamp authority may be far away: what is to be signed is prepared, signed elsewhere, and put into
the room kept for it; the data to verify by and a timestamp over all of it follow, level by level.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

from asn1crypto import cms, crl, ocsp, x509
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers import ExternalSigner, PdfSignatureMetadata, PdfSigner
from pyhanko.sign.signers.cms_embedder import PdfCMSEmbedder, SigIOSetup, SigObjSetup
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp, PreparedByteRangeDigest
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko_certvalidator.registry import SimpleCertificateStore

from signing.keys import NotSealed, PrivateKey
from signing.mark import Mark, drawn
from signing.timestamp import NoTimestamp, Token
from signing.trust import Evidence, run

T = TypeVar("T")

FIELD, STAMP_FIELD = "Seal", "Timestamp"
"""Names of the fields; where a document has one of that name already, a number follows."""
RESERVED = 32_768
"""Hexadecimal digits kept for the signature, its certificates and its timestamp."""


@dataclass(frozen=True, slots=True)
class Room:
    """A document with room for a signature or a timestamp, and what must be signed or stamped for it."""

    data: bytes = field(repr=False)
    begin: int
    """Where the room begins: its opening bracket."""
    end: int
    """Behind its closing bracket."""
    signed: bytes
    """For a seal: the signed attributes (DER), whose SHA-256 the key signs. For a timestamp: the digest to stamp."""

    @property
    def digest(self) -> bytes:
        """What the key signs (SHA-256)."""
        return sha256(self.signed).digest()


def prepare(
    pdf: bytes, chain: tuple[x509.Certificate, ...], *, at: datetime, reason: str, mark: Mark | None = None
) -> Room:
    """Room for a seal of the owner of `chain`; `at` is the sealer's claim of the time. Raises NotSealed.

    `mark`: what is to be seen of it on the first page; None: nothing. A document that bears a seal already gets none,
    as whoever verifies that seal must not find anything added that is seen.

    Runs coroutines of the library, so it is for a worker process.
    """
    return _guarded(lambda: _prepared(pdf, chain, (at, reason), mark))


def complete(room: Room, chain: tuple[x509.Certificate, ...], signature: bytes, token: Token | None = None) -> bytes:
    """The sealed document: level B-B, or B-T with a token over the signature. Raises NotSealed, NoTimestamp."""
    if token is not None and token.digest != sha256(signature).digest():
        raise NoTimestamp("the timestamp is of another seal")
    signer = _signer(chain, signature, token)
    attributes = cms.CMSAttributes.load(room.signed)
    message = run(signer.async_sign_prescribed_attributes("sha256", attributes))
    return _filled(room, message.dump())


def seal(pdf: bytes, key: PrivateKey, *, at: datetime, reason: str) -> bytes:
    """The document sealed at level B-B by a key in our hands. Raises NotSealed."""
    room = prepare(pdf, key.chain, at=at, reason=reason)
    return complete(room, key.chain, key.sign(room.digest))


def extended(sealed: bytes, evidence: Evidence) -> bytes:
    """The document with the data to verify its seals by (DSS) behind it: level B-LT from B-T. Raises NotSealed."""

    def made() -> bytes:
        writer = _Writer(io.BytesIO(sealed))
        _store(writer, evidence)
        out = io.BytesIO()
        writer.write(out)  # type: ignore[no-untyped-call]  # the library brings no types
        return out.getvalue()

    return _guarded(made)


def stamp_room(sealed: bytes, evidence: Evidence) -> Room:
    """Room for a timestamp over the whole document and the data to verify by. Raises NotSealed."""

    def made() -> Room:
        writer = _Writer(io.BytesIO(sealed))
        _store(writer, evidence)
        writer.register_extension(_esic())
        name = _free(writer.prev, STAMP_FIELD)
        embedder = PdfCMSEmbedder(new_field_spec=SigFieldSpec(name)).write_cms(field_name=name, writer=writer)
        next(embedder)
        place = DocumentTimestamp(bytes_reserved=RESERVED)  # type: ignore[no-untyped-call]  # the same
        embedder.send(SigObjSetup(sig_placeholder=place))
        prepared, out = embedder.send(SigIOSetup(md_algorithm="sha256"))
        return _room(prepared, out, prepared.document_digest)

    return _guarded(made)


def stamped(room: Room, token: Token) -> bytes:
    """The document under its timestamp: level B-LTA from B-LT. Raises NoTimestamp when it is over something else."""
    if token.digest != room.signed:
        raise NoTimestamp("the timestamp is of another document")
    return _filled(room, token.der)


def bears_seal(pdf: bytes) -> bool:
    """Whether a PDF bears a seal, or may bear one that cannot be read: then its verdict must be told."""
    if b"/ByteRange" not in pdf and b"/ObjStm" not in pdf and b"/Sig" not in pdf:
        return False
    try:
        return bool(PdfFileReader(io.BytesIO(pdf), strict=False).embedded_signatures)
    except Exception:
        return b"/ByteRange" in pdf


class _Sealer(PdfSigner):
    """Takes the time from the caller, where the library would look at the clock."""

    at: datetime

    def init_signing_session(self, pdf_out: Any, existing_fields_only: bool = False) -> Any:
        """The library's, with our time."""
        session = super().init_signing_session(pdf_out, existing_fields_only=existing_fields_only)
        session.system_time = self.at
        return session


class _Writer(IncrementalPdfFileWriter):
    """Leaves the version of the document alone: PDF/A-3 is PDF 1.7, and the library would write 2.0."""

    output_version = (1, 7)

    def ensure_output_version(self, version: tuple[int, int]) -> None:
        """Nothing: PAdES needs no more than PDF 1.7 with the subfilter's name."""


def _prepared(pdf: bytes, chain: tuple[x509.Certificate, ...], said: tuple[datetime, str], mark: Mark | None) -> Room:
    (at, reason), writer = said, _Writer(io.BytesIO(pdf))
    seen = mark is not None and not writer.prev.embedded_signatures
    described = PdfSignatureMetadata(
        field_name=_free(writer.prev, FIELD),
        subfilter=SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        reason=reason,
    )
    signer = _signer(chain)
    sealer = _Sealer(described, signer=signer, **(_visible(writer, mark) if seen and mark else {}))
    sealer.at = at
    session = sealer.init_signing_session(writer)
    document = session.prepare_tbs_document(validation_info=None, bytes_reserved=RESERVED)
    prepared, out = document.digest_tbs_document()
    attributes = run(
        signer.signed_attrs(
            prepared.document_digest,
            "sha256",
            attr_settings=PdfCMSSignedAttributes(signing_time=at),
            use_pades=True,
        )
    )
    return _room(prepared, out, attributes.dump())


def _visible(writer: IncrementalPdfFileWriter, mark: Mark) -> dict[str, Any]:
    """The field on the first page, and its appearance."""
    made = drawn(mark)
    page = writer.prev.root["/Pages"]["/Kids"][0]
    while "/Kids" in page:
        page = page["/Kids"][0]
    while "/MediaBox" not in page:
        page = page["/Parent"]
    left, _, right, _ = (float(edge) for edge in page["/MediaBox"])
    field_ = SigFieldSpec(
        _free(writer.prev, FIELD), on_page=0, box=made.box(right - left), readable_field_name=" ".join(mark.lines)
    )
    return {"new_field_spec": field_, "stamp_style": made.style()}


def _room(prepared: PreparedByteRangeDigest, out: Any, signed: bytes) -> Room:
    data = out.getvalue() if isinstance(out, io.BytesIO) else out.read()
    return Room(data, prepared.reserved_region_start, prepared.reserved_region_end, signed)


class _Signer(ExternalSigner):
    """Puts a signature and a timestamp into their places, both made elsewhere."""

    token: Token | None = None

    async def unsigned_attrs(self, *arguments: Any, **more: Any) -> cms.CMSAttributes | None:
        """The timestamp."""
        if self.token is None:
            return None
        stamp = {"type": "signature_time_stamp_token", "values": [cms.ContentInfo.load(self.token.der)]}
        return cms.CMSAttributes([cms.CMSAttribute(stamp)])


def _signer(chain: tuple[x509.Certificate, ...], signature: bytes | None = None, token: Token | None = None) -> _Signer:
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]  # the library brings no types
    store.register_multiple(chain[1:])
    signer = _Signer(chain[0], store, signature_value=signature)
    signer.token = token
    return signer


def _filled(room: Room, der: bytes) -> bytes:
    digits = der.hex().encode()
    space = room.end - room.begin - 2
    if len(digits) > space:
        raise NoTimestamp("the signature and its timestamp are longer than the room that was kept for them")
    return room.data[: room.begin + 1] + digits.ljust(space, b"0") + room.data[room.end - 1 :]


def _store(writer: IncrementalPdfFileWriter, evidence: Evidence) -> None:
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        None,
        certs=[x509.Certificate.load(one) for one in evidence.certificates],
        ocsps=[ocsp.OCSPResponse.load(one) for one in evidence.answers],
        crls=[crl.CertificateList.load(one) for one in evidence.lists],
    )


def _free(reader: PdfFileReader, name: str) -> str:
    """A name that no field of the document has."""
    taken = _names(_member(_member(reader.root, "/AcroForm", {}), "/Fields", ()))
    return next(one for one in (name, *(f"{name}{number}" for number in range(2, 10_000))) if one not in taken)


def _member(holder: Any, name: str, default: Any) -> Any:
    """A member of a dictionary, itself and not the reference to it, which the library's `get` would give."""
    return holder[name] if name in holder else default  # noqa: SIM401


def _names(fields: Iterable[Any]) -> frozenset[str]:
    found = (one.get_object() for one in fields)
    return frozenset(str(one["/T"]) for one in found if "/T" in one)


def _esic() -> Any:
    from pyhanko.sign.signers.constants import ESIC_EXTENSION_1

    return ESIC_EXTENSION_1


def _guarded(make: Callable[[], T]) -> T:
    try:
        return make()
    except (PdfReadError, SigningError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as unable:
        raise NotSealed(f"the document cannot be sealed: {unable}") from unable
