"""What an e-mail message brings: attachments that may be invoices, or a report on a message of ours.

A message is hostile until proven otherwise. It is read with the plain policy, which takes no header apart; depth,
bytes, headers, and the parts while they are read, are bounded; nothing in it is opened. What is packed or sealed (an
archive, S/MIME, PGP, TNEF) stays so, and the message as a whole waits for a person then, under a name that says why:
never is a part of it lost in silence.

A report is a delivery status notification (RFC 3464, 6533) or a disposition notification (RFC 8098). It is tied to a
consignment by the Message-ID or the envelope id that we gave. So is a message that holds one of ours: our own invoice
that comes back is not an invoice to pay, though what stands beside it may be one; and an answer without files to one of
ours: it belongs with the document.
"""

from __future__ import annotations

import email
import email.errors
import email.policy
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.header import decode_header, make_header
from email.message import Message

from adapters.port import Arrival, ArrivalKind, one_line
from schemas.finding import Finding, Severity

SIZE_LIMIT = 50_000_000
"""Bytes of one message."""
LINES_LIMIT = 1_500_000
"""Lines of one message: the library holds each on its own for a while."""
PARTS_LIMIT = 200
"""Parts of one message that are looked at."""
DEPTH_LIMIT = 20
"""How deep parts may stand in each other."""
HEADER_LIMIT = 64_000
"""Signs of one header."""
PARAMETERS_LIMIT = 4_000
"""The same for one that describes content: the library takes its parameters apart in quadratic time."""
NAME_LIMIT = 200
TEXT_LIMIT = 2_000
MEDIA_TYPE = "message/rfc822"

_TYPES = {"application/pdf": "application/pdf", "application/xml": "application/xml", "text/xml": "application/xml"}
_ENDS = {".pdf": "application/pdf", ".xml": "application/xml"}
_SEALED = {
    "multipart/encrypted": "PGP",
    "application/pgp-encrypted": "PGP",
    "application/pkcs7-mime": "S/MIME",
    "application/x-pkcs7-mime": "S/MIME",
    "application/ms-tnef": "TNEF",
    "application/vnd.ms-tnef": "TNEF",
}
_SIGNATURES = frozenset({"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"})
_PACKED_TYPES = frozenset(
    f"application/{name}"
    for name in ("zip", "x-zip-compressed", "gzip", "x-gzip", "x-7z-compressed", "x-rar-compressed", "vnd.rar", "x-tar")
)
_PACKED_ENDS = (".zip", ".7z", ".rar", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst")
_SEALED_ENDS = {".p7m": "S/MIME", ".pgp": "PGP", ".gpg": "PGP", "winmail.dat": "TNEF"}
_REPORTS = ("message/delivery-status", "message/global-delivery-status")
_RECEIPTS = ("message/disposition-notification", "message/global-disposition-notification")
_MESSAGE_ID = re.compile(r"<?([0-9A-Za-z-]{1,36})@([^<>@\s]{1,255})>?")
_ID = re.compile(r"[0-9A-Za-z-]{1,36}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CODE = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_ADDRESS = re.compile(r"[^\s<>]{1,64}@[^\s<>]{1,255}")
_BODIES = ("text", "multipart", "message")
_BEGIN_PGP = b"-----BEGIN PGP MESSAGE-----"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file that a message carries."""

    name: str
    """Printable, without folders; empty where it has none."""
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """What a message says of one of ours."""

    consignment: str | None
    """Id of what we sent; None where it does not say, or names something that is not ours."""
    findings: tuple[Finding, ...]
    """Why it was not delivered (fatal), or why that is not known yet (info); empty: it was."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A message that was looked into."""

    name: str
    """A file name for it, from its subject and from what keeps it shut."""
    attachments: tuple[Attachment, ...] = ()
    """What may be an invoice, in order; a file that stands there twice, once."""
    report: Report | None = None
    waits: bool = False
    """Something in it is not among the attachments: a person looks at the whole."""


class NotTaken(Exception):
    """The message is none, or more than is looked at; says why."""


def arrivals(
    data: bytes, id: str, at: datetime, *, recipient: str = "", name: str = "", domain: str = ""
) -> list[Arrival]:
    """What a message brings, whole or in parts; never nothing. For a thread: a big message takes its time.

    `id`: of the message, unique in the network for ever; `name`: of its file; `domain`: of our Message-IDs; without it,
    a report's that look like ours are taken for ours, and a message that holds one is like any other.
    """
    try:
        opened = open_message(data, domain)
    except NotTaken as why:
        opened = Opened(_file_name("", str(why)), waits=True)
    shown, report = name or opened.name, opened.report
    found = [
        Arrival(
            f"{id}/{number}", ArrivalKind.INVOICE, at, one.media_type, one.data,
            recipient=recipient, name=one.name or name,
        )
        for number, one in enumerate(opened.attachments, 1)
    ]  # fmt: skip
    if opened.waits or not (found or report):
        own = id if report is None else f"{id}/0"
        found.append(Arrival(own, ArrivalKind.INVOICE, at, MEDIA_TYPE, data, recipient=recipient, name=shown))
    if report is not None:
        told = report.consignment, report.findings
        found.insert(0, Arrival(id, ArrivalKind.ACKNOWLEDGEMENT, at, MEDIA_TYPE, data, *told, name=shown))
    return found


def open_message(data: bytes, domain: str = "") -> Opened:
    """Look into a message. Raises NotTaken."""
    if len(data) > SIZE_LIMIT:
        raise NotTaken(f"more than {SIZE_LIMIT} bytes")
    if max(data.count(b"\n"), data.count(b"\r")) > LINES_LIMIT:
        raise NotTaken(f"more than {LINES_LIMIT} lines")
    try:
        message = _read(data)
        parts = list(_parts(message))
        subject = _decoded(message.get("Subject", ""))
        if (told := _report(parts, domain)) is not None:
            return Opened(_file_name(subject), report=told)
        ours: list[Message] = []
        returned = _returned(parts, domain)
        if returned is not None:
            parts, ours = _apart(parts, domain)
        looked_at = [(part, _shut(part), _attachment(part)) for part in parts]
        shut = sorted({why for _, why, _ in looked_at if why})
        known = {one.data for one in map(_attachment, ours) if one is not None}
        found = [one for _, _, one in looked_at if one is not None and one.data not in known]
        left = any(one is None and not why and _is_file(part) for part, why, one in looked_at)
        alone = not (returned or found or shut or left)
        report = _answer(message, domain) if alone else returned
    except NotTaken:
        raise
    except Exception as wrong:  # whatever the parser does not foresee: a message that raises would block all behind it
        raise NotTaken("cannot be read") from wrong
    attachments = tuple({one.data: one for one in reversed(found)}.values())[::-1]
    reasons = shut or (["other files"] if left and found else [])
    return Opened(_file_name(subject, *reasons), attachments, report, waits=bool(shut) or left)


class _Bounded(email.policy.Compat32):
    """The plain policy, but for headers that nobody writes."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Name and value of a header. Raises ValueError when it is too long."""
        limit = PARAMETERS_LIMIT if sourcelines[0][:8].lower() == "content-" else HEADER_LIMIT
        if sum(map(len, sourcelines)) > limit:
            raise ValueError("a header is too long")
        return super().header_source_parse(sourcelines)


_POLICY = _Bounded()


class _Part(Message):
    """A message, or a part that knows how deep it stands: every level is asked about every line inside."""

    depth = 0

    def attach(self, payload: Message) -> None:  # type: ignore[override]
        """A part comes into this one. Raises NotTaken."""
        if isinstance(payload, _Part):
            payload.depth = self.depth + 1
            if payload.depth > DEPTH_LIMIT:
                raise NotTaken("more parts than are looked at")
        super().attach(payload)


def _read(data: bytes) -> Message:
    """A message and its parts, counted as they are found. Raises NotTaken, ValueError."""
    made = 0

    def part(policy: email.policy.Policy[Message] = _POLICY) -> Message:
        nonlocal made
        made += 1
        if made > PARTS_LIMIT + 1:  # the parser makes one to see whether it can
            raise NotTaken("more parts than are looked at")
        return _Part(policy=policy)

    return email.message_from_bytes(data, part, policy=_POLICY)


def _parts(message: Message) -> Iterator[Message]:
    """The message and all its parts, in order."""
    waiting = [message]
    while waiting:
        part = waiting.pop()
        yield part
        inside = part.get_payload()
        if isinstance(inside, list):
            waiting += [one for one in reversed(inside) if isinstance(one, Message)]


def _attachment(part: Message) -> Attachment | None:
    """The file in a part, when it is a PDF or an XML by what it says it is, or by its name, or a PDF by its bytes."""
    if part.is_multipart():
        return None
    name = _name(part)
    media_type = _TYPES.get(part.get_content_type()) or _ENDS.get(name[-4:].lower())
    if media_type is None and part.get_content_maintype() in _BODIES:
        return None
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes) or not data:
        return None
    if media_type is None and data.startswith(b"%PDF-"):
        media_type = "application/pdf"
    return Attachment(name, media_type, data) if media_type is not None else None


def _is_file(part: Message) -> bool:
    """Whether a part is a file: any but text, a signature, or a picture of the letter itself."""
    kind = part.get_content_maintype()
    if part.is_multipart() or kind in _BODIES or part.get_content_type() in _SIGNATURES:
        return False
    attached = part.get_content_disposition() == "attachment"
    if kind == "image" and not attached and part.get("Content-ID"):
        return False
    return bool(attached or _name(part))


def _shut(part: Message) -> str:
    """What keeps a part from being looked into; empty where nothing does."""
    kind, name = part.get_content_type(), _name(part).lower()
    if kind in _SEALED:
        return _SEALED[kind]
    if part.is_multipart():
        return ""
    sealed = next((why for end, why in _SEALED_ENDS.items() if name.endswith(end)), "")
    if sealed or kind in _PACKED_TYPES or name.endswith(_PACKED_ENDS):
        return sealed or "archive"
    if kind == "text/plain":
        text = part.get_payload(decode=True)
        return "PGP" if isinstance(text, bytes) and _BEGIN_PGP in text[:TEXT_LIMIT] else ""
    return ""


def _name(part: Message) -> str:
    """The file name of a part: printable, and without the folders it may name."""
    name = _decoded(part.get_filename() or "", TEXT_LIMIT)
    return name.replace("\\", "/").rpartition("/")[2][-NAME_LIMIT:]


def _decoded(value: object, limit: int = NAME_LIMIT) -> str:
    """A header's text, decoded as far as it can be, on one line."""
    text = str(value)[:TEXT_LIMIT]
    with suppress(ValueError, LookupError, email.errors.MessageError):  # as it stands, then
        text = str(make_header(decode_header(text)))
    return one_line(text)[:limit]


def _file_name(subject: str, *shut: str) -> str:
    told = f"[{', '.join(shut)}] " if shut else ""
    return f"{told}{subject or 'message'}".replace("/", "_").replace("\\", "_")[: NAME_LIMIT - 4] + ".eml"


# Reports -------------------------------------------------------------------------------------------------------------


def _report(parts: list[Message], domain: str) -> Report | None:
    """What a message that is a report says; None where it is none."""
    root = parts[0]
    if root.get_content_type() != "multipart/report" or not root.is_multipart():
        return None
    for part in parts[1:4]:
        kind, blocks = part.get_content_type(), list(_blocks(part))
        if kind in _REPORTS:
            envelope = next((one_line(block.get("Original-Envelope-Id", "")) for block in blocks), "")
            named = _enclosed(parts, domain) or (envelope if _ID.fullmatch(envelope) else None)
            return Report(named, _delivery(blocks))
        if kind in _RECEIPTS:
            said = next((block for block in blocks if block.get("Disposition")), None)
            if said is None:
                return Report(_enclosed(parts, domain), (_info("MDN-UNKNOWN", "The receipt says nothing."),))
            return Report(_ours(said.get("Original-Message-ID", ""), domain), _disposition(said))
    return None


def _returned(parts: list[Message], domain: str) -> Report | None:
    """A message that holds one of ours, and is no report: bounced in no form that can be read, or sent back."""
    consignment = _enclosed(parts, domain) if domain else None
    if consignment is None or not _UUID.fullmatch(consignment):
        return None
    says = "A message that holds ours came back; it does not say in a readable form what became of it."
    return Report(consignment, (_info("MAIL-RETURNED", says),))


def _apart(parts: list[Message], domain: str) -> tuple[list[Message], list[Message]]:
    """The parts outside of messages of ours, and those inside."""
    ours = [part for part in parts[1:] if _ours(_headers(part).get("Message-ID", ""), domain) is not None]
    inside = {id(one) for part in ours for one in part.walk()}
    return [one for one in parts if id(one) not in inside], [one for one in parts if id(one) in inside]


def _answer(message: Message, domain: str) -> Report | None:
    """A message without files that answers one of ours: the buyer's own words, or those of a program on its behalf."""
    consignment = _ours(one_line(message.get("In-Reply-To", "")).partition(" ")[0], domain) if domain else None
    if consignment is None or not _UUID.fullmatch(consignment):
        return None
    automatic = one_line(message.get("Auto-Submitted", "no")).lower() != "no"
    if automatic:
        return Report(consignment, (_info("MAIL-ANSWERED-AUTOMATICALLY", "A program answered: somebody is away."),))
    return Report(consignment, (_info("MAIL-ANSWERED", "Somebody answered; a person reads what they wrote."),))


def _enclosed(parts: list[Message], domain: str) -> str | None:
    """The id of our consignment whose message, or its headers, are enclosed."""
    for part in parts[1:]:
        if (found := _ours(_headers(part).get("Message-ID", ""), domain)) is not None:
            return found
    return None


def _headers(part: Message) -> Message:
    """A part itself, or the headers that it holds as text."""
    if part.get_content_type() not in ("text/rfc822-headers", "message/global-headers") or part.is_multipart():
        return part
    data = part.get_payload(decode=True)
    return _read(data if isinstance(data, bytes) else b"")


def _ours(message_id: object, domain: str) -> str | None:
    """The id of the consignment in a Message-ID that we gave; None where it is somebody else's."""
    found = _MESSAGE_ID.fullmatch(one_line(message_id))
    if found is None:
        return None
    ours = found[2].lower() == domain.lower() if domain else _UUID.fullmatch(found[1]) is not None
    return found[1] if ours else None


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields of a report, parsed by the library or as text."""
    inside = part.get_payload()
    blocks = inside if isinstance(inside, list) else [part]
    for block in blocks:
        if not isinstance(block, Message):
            continue
        if block is not part:
            yield block
        rest = block.get_payload(decode=True)
        texts = rest.replace(b"\r\n", b"\n").split(b"\n\n", PARTS_LIMIT) if isinstance(rest, bytes) else []
        if len(texts) > PARTS_LIMIT:
            raise NotTaken("more parts than are looked at")
        for text in texts:
            if text.strip():
                yield _read(text.strip() + b"\n\n")


def _delivery(blocks: list[Message]) -> tuple[Finding, ...]:
    """Why it was not delivered, or is not yet; empty where it was. One of several recipients is enough."""
    groups = [block for block in blocks if block.get("Action")]
    if any(one_line(block["Action"]).lower() == "delivered" for block in groups):
        return ()
    return tuple(_action(block) for block in groups) or (_info("DSN-UNKNOWN", "The report says nothing."),)


def _action(block: Message) -> Finding:
    action, status = one_line(block["Action"]).lower(), one_line(block.get("Status", "")).partition(" ")[0]
    code = status if _CODE.fullmatch(status) else ""
    said = one_line(block.get("Diagnostic-Code", "")).partition(";")[2].strip()
    says = masked(said)[:TEXT_LIMIT]
    if action == "failed":
        return Finding(
            f"DSN-{code or 'FAILED'}", Severity.FATAL, "network", says or "The message could not be delivered.",
            terms=("BT-49",), found=code or None,
            fix="Correct the buyer's e-mail address (BT-49), or ask the buyer for another way to reach them.",
        )  # fmt: skip
    if action == "delayed":
        return _info("DSN-DELAYED", says or "The message is not delivered yet; it is tried again.", code)
    if action in ("relayed", "expanded"):
        return _info("DSN-RELAYED", says or "The message was handed on to a system that does not report.", code)
    return _info("DSN-UNKNOWN", says or "The report says what it does not explain.", code)


def _disposition(block: Message) -> tuple[Finding, ...]:
    """Nothing where the message was shown to somebody, or dealt with: then it arrived."""
    kind = one_line(block["Disposition"]).rpartition(";")[2].strip().lower()
    if kind.partition("/")[0] in ("displayed", "processed", "dispatched"):
        return ()
    if kind.partition("/")[0] == "deleted":
        return (_info("MDN-DELETED", "The message arrived, and was deleted without having been shown."),)
    return (_info("MDN-UNKNOWN", "The receipt does not say that the message was shown."),)


def _info(rule: str, says: str, found: str = "") -> Finding:
    return Finding(rule, Severity.INFO, "network", says, found=found or None)


def masked(text: str) -> str:
    """A text of a mail server without the addresses in it: they are somebody's."""
    return _ADDRESS.sub("<address>", text)
