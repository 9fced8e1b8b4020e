"""Texts as the fonts can draw them, so that no text makes the page fail and none of it vanishes silently.

A character that no font has becomes a visible box; so does one for private use, which means nothing to others and which
PDF/A-3a forbids. Control characters and those that turn the reading direction are removed: they could make a page show
another amount than the data hold. An accent that has no glyph beside its letter in one font is removed, the letter
stays. Words longer than a column get places where they may break.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # it has no types

FONTS = Path(__file__).parent / "fonts"
MISSING = "□"
"""Stands for a character that no font has."""
BREAK = "\u200b"
"""Zero-width space: a line may end here."""

_LONG = 24
"""Signs of one word beyond which it may break."""
_STEP = 12
"""Signs between two places where a long word may break."""
_MARKS = frozenset("-_/.:;,&?=#")
"""After these a word breaks better than elsewhere."""


_PLAIN = re.compile(f"(?:[!-~¡-\u00ac\u00ae-ſ–—‘’“”•…€\u202f\u00a0]{{1,{_LONG}}}(?: |$))*")
"""Words of letters that every font here has, none of them too long."""


_SPACES = re.compile(r"[ \t\r]*(?:\n[ \t\r]*)+|[ \t]{2,}")


def drawable(value: Any) -> Any:
    """The same value with all its texts drawable; mappings and lists are followed."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return {key: drawable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [drawable(item) for item in value]
    return value


@cache
def families() -> tuple[frozenset[int], ...]:
    """For each family of fonts, the characters that it has in regular and in bold."""
    found: dict[str, frozenset[int]] = {}
    for path in sorted(FONTS.glob("*.ttf")):
        with TTFont(path, lazy=True) as face:
            name = str(face["name"].getBestFamilyName())
            glyphs = frozenset(face.getBestCmap())
        found[name] = found.get(name, glyphs) & glyphs
    return tuple(found.values())


@cache
def regular() -> bytes:
    """The regular face that every page begins with, a TrueType font."""
    return (FONTS / "NotoSans-Regular.ttf").read_bytes()


def advance(text: str) -> int:
    """How wide a text is in the regular face, in thousandths of its size, kerning and other families left aside."""
    return sum(map(_advances().__getitem__, text))


class _Advances(dict[str, int]):
    """Of each character; one that the face has not is taken as wide."""

    def __missing__(self, character: str) -> int:
        return 1000


@cache
def _advances() -> _Advances:
    with TTFont(FONTS / "NotoSans-Regular.ttf", lazy=True) as face:
        scale, widths = face["head"].unitsPerEm, face["hmtx"]
        return _Advances({chr(code): widths[name][0] * 1000 // scale for code, name in face.getBestCmap().items()})


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    shown: list[str] = []
    word: list[str] = []
    for sign in _signs(unicodedata.normalize("NFC", _SPACES.sub(_one_space, text))):
        if sign.isspace():
            shown += [*_broken(word), sign]
            word = []
        else:
            word.append(sign)
    return "".join([*shown, *_broken(word)])


def _one_space(found: re.Match[str]) -> str:
    """What stands for white space that was made for another width: a blank line at most, a new line, or a space."""
    return "\n" * min(found[0].count("\n"), 2) or " "


def _broken(word: list[str]) -> list[str]:
    """The word with places where it may break: after marks, and where there are none for long."""
    if len(word) <= _LONG:
        return word
    parts: list[str] = []
    since = 0
    for place, sign in enumerate(word):
        since += 1
        parts.append(sign)
        if place + 1 < len(word) and (since >= _STEP or (sign in _MARKS and since > 3)):
            parts.append(BREAK)
            since = 0
    return parts


def _signs(text: str) -> list[str]:
    """Letters with their accents, each as it can be drawn."""
    signs: list[str] = []
    for character in text:
        category = unicodedata.category(character)
        if character in "\n\u2028\u2029":
            signs.append("\n")
        elif category.startswith("M"):
            if signs and not signs[-1].isspace() and _in_one_family(signs[-1] + character):
                signs[-1] += character
        elif category == "Zs" or character == "\t":
            signs.append(character if _in_one_family(character) else " ")
        elif category not in ("Cc", "Cf"):
            known = category != "Co" and _in_one_family(character)
            signs.append(character if known else MISSING)
    return signs


@lru_cache(maxsize=20_000)
def _in_one_family(sign: str) -> bool:
    """Whether one font has all of it: a letter and its accent are drawn by the same."""
    return any(all(ord(part) in family for part in sign) for family in families())
