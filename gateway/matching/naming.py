"""Which invoices a free text names: exactly, one slip away, or by the end of their numbers; and who a name is.

Banks and people drop, add and move marks and blanks inside numbers, fold lines in the middle of them, and mistake O for
0. So a text is cut at all that is no letter or digit, and neighbouring pieces are tried together, the longest first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.matching.values import Owed
from schemas.remittance import is_reference

PIECES = 6
"""Neighbouring pieces of a text that are tried as one number."""
TEXT_PIECES = 120
"""Pieces of one text that are looked at."""
NEAR_LENGTH = 6
"""Signs a number needs to be recognised with a slip."""
END_LENGTH = 3
"""Digits at the end of a number that may stand for it."""

_CONFUSED = str.maketrans("OQDILSBZG", "000115826")
_WORDS = re.compile(
    r"^(?:FACTURES?|FACT|FAC|FRA|INVOICES?|INV|RECHNUNG|RG|NUMERO|NUM|NRO|NR|NO|REF|N)(?=[A-Z]?[0-9]{2})", re.ASCII
)
_FORMS = frozenset(
    ("SA", "SAS", "SASU", "SARL", "EURL", "SNC", "SCI", "SC", "GMBH", "AG", "KG", "BV", "NV", "LTD", "LIMITED", "PLC",
     "INC", "SRL", "SPA", "STE", "SOCIETE", "ETS", "ETABLISSEMENTS", "ENTREPRISE", "EI", "MR", "MME", "M", "CIE")
)  # fmt: skip


def bare(text: str) -> str:
    """Letters and digits alone, in capitals, without accents."""
    return "".join(sign for sign in folded(text) if sign.isascii() and sign.isalnum())


@lru_cache(maxsize=65_536)
def folded(text: str) -> str:
    """In capitals, without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text.upper()) if not unicodedata.combining(sign))


def pieces(text: str) -> list[str]:
    """A text cut at all that is no letter or digit."""
    return re.findall(r"[A-Z0-9]+", folded(text))[:TEXT_PIECES]


def shape(number: str) -> str:
    """A number's form: letters stay, each digit is 9."""
    return re.sub(r"[0-9]", "9", number)


def strong(number: str) -> bool:
    """Whether a number says enough to name an invoice by itself: not a year, a quantity or a day."""
    digits = sum(sign.isdigit() for sign in number)
    return len(number) >= 5 and digits >= 2 and (digits < len(number) or digits >= 7)


@dataclass(frozen=True, slots=True)
class Named:
    """What one text names."""

    referred: frozenset[int]
    """Places of invoices whose structured reference it bears."""
    exact: dict[int, str]
    """Place of an invoice → the text that names it."""
    near: tuple[tuple[str, frozenset[int]], ...]
    """Each piece that is one slip away from numbers, with the places of those."""
    ends: tuple[tuple[str, frozenset[int]], ...]
    """Each piece that is the end of numbers, with the places of those."""
    strangers: tuple[str, ...]
    """Pieces that look like numbers and are none."""


@dataclass(slots=True)
class Index:
    """The numbers and references of invoices by all the ways they may be written."""

    references: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    near: dict[str, list[int]] = field(default_factory=dict)
    ends: dict[str, list[int]] = field(default_factory=dict)
    shapes: set[str] = field(default_factory=set)
    written: list[str] = field(default_factory=list)

    @staticmethod
    def of(invoices: Iterable[Owed]) -> Index:
        """The index of these invoices by their places."""
        made = Index()
        for place, one in enumerate(invoices):
            number = bare(one.number)
            made.written.append(number)
            if not number:
                continue
            made.references[one.reference] = place
            made.numbers.setdefault(number, []).append(place)
            if len(number) >= NEAR_LENGTH and strong(number):
                made.shapes.add(shape(number))
                for key in _deletions(number.translate(_CONFUSED)):
                    made.near.setdefault(key, []).append(place)
            end = re.search(r"[0-9]+$", number)
            if end and len(end[0].lstrip("0")) >= 1:
                made.ends.setdefault(end[0].lstrip("0"), []).append(place)
                for length in range(END_LENGTH, min(len(end[0]), 9)):
                    made.ends.setdefault(end[0][-length:], []).append(place)
        return made

    def named(self, structured: Iterable[str], texts: Iterable[str]) -> Named:
        """What structured references and texts name."""
        referred: set[int] = set()
        exact: dict[int, str] = {}
        loose: list[str] = []
        for one in structured:
            self._take(bare(one), referred, exact, loose)
        for text in texts:
            self._text(text, referred, exact, loose)
        near, ends, strangers = [], [], []
        for piece in dict.fromkeys(loose):
            if close := self.near_to(piece) - referred - set(exact):
                near.append((piece, frozenset(close)))
            elif piece.isdigit() and END_LENGTH <= len(piece) <= 9 and piece in self.ends:
                ends.append((piece, frozenset(self.ends[piece])))
            elif shape(piece) in self.shapes and not self.near_to(piece):
                strangers.append(piece)
        return Named(frozenset(referred), exact, tuple(near), tuple(ends), tuple(strangers))

    def _take(self, piece: str, referred: set[int], exact: dict[int, str], loose: list[str]) -> None:
        if piece in self.references:
            referred.add(self.references[piece])
        elif piece in self.numbers:
            exact.update(dict.fromkeys(self.numbers[piece], piece))
        elif piece:
            loose.append(piece)

    def _text(self, text: str, referred: set[int], exact: dict[int, str], loose: list[str]) -> None:
        """The longest runs of pieces first; a piece that was taken names nothing else."""
        cut = pieces(text)
        taken = [False] * len(cut)
        for length in range(min(PIECES, len(cut)), 0, -1):
            for start in range(len(cut) - length + 1):
                if any(taken[start : start + length]):
                    continue
                joined = "".join(cut[start : start + length])
                if self._knows(joined, referred, exact):
                    taken[start : start + length] = [True] * length
        loose.extend(_loose(cut, taken))

    def _knows(self, joined: str, referred: set[int], exact: dict[int, str]) -> bool:
        for piece in (joined, _WORDS.sub("", joined)):
            if piece in self.references:
                referred.add(self.references[piece])
                return True
            if piece in self.numbers and strong(piece):
                exact.update(dict.fromkeys(self.numbers[piece], piece))
                return True
        return len(joined) >= 15 and is_reference(joined)

    def near_to(self, piece: str) -> set[int]:
        """Places of numbers one slip away: a sign changed, missing, too many, or two changed places."""
        if len(piece) < NEAR_LENGTH - 1:
            return set()
        plain = piece.translate(_CONFUSED)
        found: set[int] = set()
        for key in _deletions(plain):
            for place in self.near.get(key, ()):
                if _one_slip(plain, self.written[place].translate(_CONFUSED)):
                    found.add(place)
        return found


def _loose(cut: list[str], taken: list[bool]) -> Iterator[str]:
    """Pieces that named nothing, and runs of them that hold digits: they may be a number with a slip."""
    for start in range(len(cut)):
        joined = ""
        for at in range(start, min(start + 4, len(cut))):
            if taken[at]:
                break
            joined += cut[at]
            if any(sign.isdigit() for sign in joined) and len(joined) <= 30:
                yield joined
                shorter = _WORDS.sub("", joined)
                if shorter != joined:
                    yield shorter


def _deletions(text: str) -> Iterator[str]:
    """The text and each that lacks one sign of it: two texts one slip apart share one of these."""
    yield text
    for at in range(len(text)):
        yield text[:at] + text[at + 1 :]


def _one_slip(one: str, other: str) -> bool:
    """Whether they are equal or differ by one sign changed, added or missing, or by two neighbours exchanged."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    if len(short) == len(long):
        rest = short[start + 1 :] == long[start + 1 :]
        swapped = short[start : start + 2] == long[start : start + 2][::-1] and short[start + 2 :] == long[start + 2 :]
        return rest or swapped
    return len(long) - len(short) == 1 and short[start:] == long[start + 1 :]


@lru_cache(maxsize=65_536)
def words(name: str) -> frozenset[str]:
    """The words of a name that tell who it is, without legal forms."""
    found = frozenset(pieces(name))
    return found - _FORMS or found


def same_name(line: str, customer: str) -> bool:
    """Whether a payer's name, which banks cut off, is a customer's: at least one long word, and none that differs."""
    theirs, ours = words(line), words(customer)
    if not theirs or not ours:
        return False
    if theirs == ours:
        return True
    fewer, more = sorted((theirs, ours), key=len)
    whole = len(fewer) >= 2 and fewer <= more
    cut = len(folded(line)) >= 18 and bare(customer).startswith(bare(line))
    return whole or cut
