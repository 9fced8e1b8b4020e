"""Translates the regular expressions of XPath into Python's, which differ in small and costly ways.

`$` is the end and not also the place before a last line feed, `.` lets no carriage return through, `\\s` is XML's white
space and not Unicode's, and some escapes exist on one side only. A construct without a counterpart is refused when the
artefact is loaded.
"""

from __future__ import annotations

import re

from schemas.schematron.expression import Refused

_OUTSIDE = {"^": r"\A", "$": r"\Z", ".": r"[^\n\r]"}
_CLASSES = {"s": " \\t\\n\\r", "d": r"\d"}
_PLAIN_ESCAPES = frozenset(r"\|.-^?*+{}()[]$")
_LETTERS = {"n": r"\n", "r": r"\r", "t": r"\t"}
_QUANTIFIER = re.compile(r"\{\d+(?:,\d*)?\}")


def translate(pattern: str, *, groups: bool = True) -> str:
    """A pattern for Python's re. Without `groups` nothing is captured, as splitting wants it. Raises Refused."""
    pieces: list[str] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        if sign == "\\":
            piece, at = _escape(pattern, at, inside=False)
        elif sign == "[":
            piece, at = _class(pattern, at)
        elif sign == "(":
            piece, at = _group(pattern, at, groups)
        elif sign == "{":
            quantifier = _QUANTIFIER.match(pattern, at)
            if not quantifier:
                raise _refused(pattern, "a brace that counts nothing")
            piece, at = quantifier[0], quantifier.end()
        elif sign in "}]":
            raise _refused(pattern, f"a {sign} that closes nothing")
        else:
            piece, at = _OUTSIDE.get(sign, sign), at + 1
        pieces.append(piece)
    python = "".join(pieces)
    try:
        re.compile(python)
    except re.error as error:
        raise _refused(pattern, str(error)) from None
    return python


def replacement(text: str) -> str:
    """The replacement of fn:replace as Python's re takes it: $1 stands for a group. Raises Refused."""
    if "\\" in text and re.sub(r"\\[\\$]", "", text).count("\\"):
        raise Refused(f"the replacement {text!r}")
    parts = re.split(r"(\\[\\$]|\$\d)", text)
    made = []
    for part in parts:
        if re.fullmatch(r"\$\d", part):
            made.append(rf"\g<{part[1]}>")
        elif part in (r"\\", r"\$"):
            made.append(part[1].replace("\\", r"\\"))
        elif "$" in part:
            raise Refused(f"the replacement {text!r}")
        else:
            made.append(part)
    return "".join(made)


def _refused(pattern: str, what: str) -> Refused:
    return Refused(f"{what} in the regular expression {pattern!r}")


def _group(pattern: str, at: int, groups: bool) -> tuple[str, int]:
    if pattern.startswith("(?:", at):
        return "(?:", at + 3
    if pattern.startswith("(?", at):
        raise _refused(pattern, "an unknown kind of group")
    return ("(" if groups else "(?:"), at + 1


def _escape(pattern: str, at: int, *, inside: bool) -> tuple[str, int]:
    letter = pattern[at + 1 : at + 2]
    if letter in _LETTERS:
        return _LETTERS[letter], at + 2
    if letter in _CLASSES:
        return (_CLASSES[letter] if inside else f"[{_CLASSES[letter]}]"), at + 2
    if letter.lower() in _CLASSES and letter and not inside:
        return f"[^{_CLASSES[letter.lower()]}]", at + 2
    if letter and letter in _PLAIN_ESCAPES:
        return f"\\{letter}", at + 2
    if letter.isdigit() and letter != "0" and not inside:
        return f"\\{letter}", at + 2
    raise _refused(pattern, f"the escape \\{letter}")


def _class(pattern: str, start: int) -> tuple[str, int]:
    """A class of characters from its bracket on; a class taken out of another is refused."""
    at = start + 1
    made = "["
    if pattern.startswith("^", at):
        made, at = "[^", at + 1
    empty = True
    while at < len(pattern):
        sign = pattern[at]
        if sign == "]" and not empty:
            return f"{made}]", at + 1
        if sign in "[]":
            raise _refused(pattern, "a bracket inside brackets")
        if sign == "\\":
            piece, at = _escape(pattern, at, inside=True)
        else:
            piece, at = (f"\\{sign}" if sign in "&~|^" else sign), at + 1
        made += piece
        empty = False
    raise _refused(pattern, "a bracket that is never closed")
