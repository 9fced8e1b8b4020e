"""The structured remittance reference of an invoice (BT-83): a creditor reference (ISO 11649) of its number. Pure.

`RF`, two check digits and at most 21 letters and digits: what a bank carries from the payer's form to the payee's
statement without a slip, in a field of its own. It begins with what people know of the number, without marks, and ends
with six signs of a digest over seller, year and the whole number. So two numbers of one seller that differ only in case
or marks, or only before their last 15 signs, still have two references (but for one chance in a thousand million), and
the same invoice has the same one however often it is made.
"""

from __future__ import annotations

import re
from hashlib import sha256

BODY_LIMIT = 21
"""Signs after the check digits (ISO 11649)."""
TAIL = 6
"""Signs of the digest, 30 bits."""

_FORM = re.compile(r"RF[0-9]{2}[A-Z0-9]{1,21}")
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of Crockford: without I, L, O and U, which are misread."""


def reference(seller: str, number: str, year: int) -> str:
    """The creditor reference of a seller's invoice; without spaces."""
    known = "".join(sign for sign in number.upper() if sign.isascii() and sign.isalnum())[-(BODY_LIMIT - TAIL) :]
    digest = int.from_bytes(sha256(f"{seller}\n{year}\n{number}".encode()).digest()[:4], "big") >> 2
    tail = "".join(_ALPHABET[digest >> shift & 31] for shift in range(5 * (TAIL - 1), -1, -5))
    return checked(f"{known}{tail}")


def checked(body: str) -> str:
    """A body with `RF` and its check digits (ISO 7064, MOD 97-10). Raises ValueError where it is no body."""
    if not 0 < len(body) <= BODY_LIMIT or not re.fullmatch(r"[A-Z0-9]+", body):
        raise ValueError("a creditor reference has 1 to 21 capital letters and digits after its check digits")
    return f"RF{98 - remainder(f'RF00{body}'):02d}{body}"


def is_reference(text: str) -> bool:
    """Whether it is a creditor reference, by form and check digits; spaces between its signs do not matter."""
    compact = text.replace(" ", "").upper()
    return _FORM.fullmatch(compact) is not None and remainder(compact) == 1


def spaced(text: str) -> str:
    """In groups of four, as it is printed and read out."""
    compact = text.replace(" ", "")
    return " ".join(compact[at : at + 4] for at in range(0, len(compact), 4))


def remainder(text: str) -> int:
    """By 97, as ISO 7064 counts: the first four signs last, letters as 10 to 35."""
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97
