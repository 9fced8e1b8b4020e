"""What an e-mail message carries that may be an invoice: its attachments, taken out and never opened.

A message is hostile until proven otherwise. It is read with the plain policy, which takes no header apart; depth, parts
and bytes are counted; what is packed (an archive, a sealed envelope of another program) stays packed, and the message
as a whole waits for a person then.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

SIZE_LIMIT = 50_000_000
"""Bytes of one message."""
PARTS_LIMIT = 200
"""Parts of one message that are looked at."""
DEPTH_LIMIT = 20
"""How deep parts may stand in each other."""
NAME_LIMIT = 200

_TYPES = {"application/pdf": "application/pdf", "application/xml": "application/xml", "text/xml": "application/xml"}
_ENDS = {".pdf": "application/pdf", ".xml": "application/xml"}


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file that a message carries."""

    name: str
    """Printable; empty where it has none."""
    media_type: str
    data: bytes


class NotTaken(Exception):
    """The message is none, or more than is looked at; says why."""


def attachments(data: bytes) -> tuple[Attachment, ...]:
    """What in a message may be an invoice, in order; a file that stands there twice, once. Raises NotTaken.

    For a thread: a big message takes its time.
    """
    if len(data) > SIZE_LIMIT:
        raise NotTaken(f"the message has more than {SIZE_LIMIT} bytes")
    try:
        message = email.message_from_bytes(data, policy=email.policy.compat32)
        found = [one for part in _parts(message) if (one := _attachment(part)) is not None]
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError) as wrong:
        raise NotTaken("the message cannot be read") from wrong
    return tuple({one.data: one for one in reversed(found)}.values())[::-1]


def _parts(message: Message) -> Iterator[Message]:
    """The parts that hold no others, in order. Raises NotTaken."""
    waiting: list[tuple[Message, int]] = [(message, 0)]
    seen = 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > PARTS_LIMIT or depth > DEPTH_LIMIT:
            raise NotTaken("the message has more parts than are looked at")
        inside = part.get_payload()
        if isinstance(inside, list):
            waiting += [(one, depth + 1) for one in reversed(inside) if isinstance(one, Message)]
        else:
            yield part


def _attachment(part: Message) -> Attachment | None:
    """The file in a part, when it is a PDF or an XML by what it says it is, or by its name."""
    name = "".join(sign for sign in str(part.get_filename() or "") if sign.isprintable())[:NAME_LIMIT]
    media_type = _TYPES.get(part.get_content_type()) or _ENDS.get(name[-4:].lower())
    if media_type is None:
        return None
    data = part.get_payload(decode=True)
    return Attachment(name, media_type, data) if isinstance(data, bytes) and data else None
