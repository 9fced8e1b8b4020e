"""Other forms of a document: `schemas.conversion` over what is kept of it. Pure, for a worker process.

What is kept is never derived again, it is handed out byte for byte (`contents`).
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import Underivable
from schemas.conversion import TARGETS, Converted, Lossy, Lost, Wish, convert, told
from schemas.xml import Unreadable

FORMS = TARGETS
"""What a document can be asked for beside what is kept of it."""


def derive(xml: bytes, wish: Wish) -> Converted:
    """The form wished for of a structured invoice that is kept. Raises Underivable with the reason, all of it."""
    try:
        return convert(xml, wish)
    except Unreadable as unreadable:
        raise Underivable(f"it cannot be made: {unreadable.findings[0].says}", unreadable.findings) from unreadable
    except Lossy as lossy:
        raise lost(lossy) from lossy


def lost(lossy: Lossy) -> Underivable:
    """The error that names all that would be lost."""
    detail = f"{lossy}; accept_losses=true makes it all the same"
    return Underivable(detail, losses=told(lossy.losses))


LOSSES = "Conversion-Losses"
"""The header that tells what a form lacks: a list of strings (RFC 8941), as many as fit."""
_ROOM = 3_000
"""Characters of that header."""


def headers(losses: Sequence[Lost]) -> dict[str, str]:
    """The header of an answer that lacks something; none where nothing is lost."""
    items: list[str] = []
    for number, one in enumerate(losses):
        plain = "".join(sign if " " <= sign <= "~" else "_" for sign in one.what)[:200]
        item = '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if sum(map(len, items)) + 2 * number + len(item) > _ROOM:
            items.append(f'"and {len(losses) - number} more"')
            break
        items.append(item)
    return {LOSSES: ", ".join(items)} if items else {}
