"""What the page shows that the invoice does not hold: the account's logo, its colour and its link to pay.

The colour is taken as it is where it only fills or rules; where it bears text, or is text, it is held to the contrast
that WCAG 2 asks for at level AA: a light colour is darkened until it can be read. The link is a template, so that one
setting serves all invoices; an invoice can only fill its path and query, never the host that is asked for money.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from schemas.formats.facturx.logo import Logo
from schemas.invoice import CREDIT_NOTE_TYPES, Invoice

ACCENT = "#1b4870"
"""The colour of a page whose account has chosen none."""
CONTRAST = 4.5
"""Least contrast of text on its ground (WCAG 2, 1.4.3)."""
LINK_LIMIT = 500
"""Characters of a link to pay, before it is filled."""

COLLECTED = frozenset({"49", "59"})
"""Means of payment (UNTDID 4461) by which the seller collects: nobody has to follow a link."""

_COLOUR = re.compile("#[0-9a-f]{6}")
_PLACE = re.compile(r"\{(number|amount|currency)\}")
_SIGNS = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%{}-]+")
_LINK = re.compile(r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:[/?#].*)?")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_WHITE, _BLACK, _TINT = "#ffffff", "#000000", 6


@dataclass(frozen=True, slots=True)
class Presentation:
    """How the pages of an account look; picklable. `checked` holds its values to what the page can show."""

    accent: str = ACCENT
    """#rrggbb, lower case."""
    logo: Logo | None = None
    pay_link: str = ""
    """https://… with the places {number}, {amount} and {currency}; empty: there is none."""


PLAIN = Presentation()
"""The page of an account that has set nothing."""


def checked_accent(text: str) -> str:
    """A colour in the one form it is kept in. Raises ValueError with the reason."""
    colour = text.strip().lower()
    if not _COLOUR.fullmatch(colour):
        raise ValueError("a colour is # and six hexadecimal digits")
    return colour


def checked_link(text: str) -> str:
    """A template of a link to pay. Raises ValueError with the reason."""
    if len(text) > LINK_LIMIT or not _SIGNS.fullmatch(text):
        raise ValueError(f"a link has at most {LINK_LIMIT} characters, those of a URL (RFC 3986)")
    if set(_PLACE.sub("", text)) & set("{}"):
        raise ValueError("the places of a link are {number}, {amount} and {currency}")
    if not _LINK.fullmatch(text):
        raise ValueError("a link begins with https:// and the name of a host, without a user and without a place in it")
    return text


def pay_link(invoice: Invoice, presentation: Presentation) -> str:
    """The link by which this invoice can be paid; empty where there is none or nothing is to be paid."""
    due, payment = invoice.totals.due, invoice.payment
    if not presentation.pay_link or due is None or due <= 0 or invoice.type_code in CREDIT_NOTE_TYPES:
        return ""
    if payment is not None and (payment.means_code in COLLECTED or payment.direct_debit is not None):
        return ""
    filled = {"number": invoice.number, "amount": f"{due:.2f}", "currency": invoice.currency}
    return _PLACE.sub(lambda place: _escaped(filled[place[1]]), presentation.pay_link)


def _escaped(text: str) -> str:
    """A text as part of a URL (RFC 3986, section 2.1)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def colours(presentation: Presentation) -> dict[str, str]:
    """The colours of the page: `accent` for rules and fills, `on_accent` for text on it, `ink` for coloured text."""
    accent = presentation.accent
    tint = _mixed(accent, _WHITE, _TINT)
    ink = next(
        (
            colour
            for percent in range(100, -1, -2)
            if contrast(colour := _mixed(accent, _BLACK, percent), tint) >= CONTRAST
        ),
        _BLACK,
    )
    on_accent = _WHITE if contrast(_WHITE, accent) >= CONTRAST else _BLACK
    return {"accent": accent, "on_accent": on_accent, "ink": ink, "tint": tint}


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2, relative luminance)."""
    first, second = sorted((_luminance(one), _luminance(other)))
    return (second + 0.05) / (first + 0.05)


def _luminance(colour: str) -> float:
    shares = [part / 255 for part in _parts(colour)]
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4) for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(colour: str, ground: str, percent: int) -> str:
    """So much of the colour, the rest of the ground."""
    mixed = (
        (part * percent + under * (100 - percent)) // 100
        for part, under in zip(_parts(colour), _parts(ground), strict=True)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
