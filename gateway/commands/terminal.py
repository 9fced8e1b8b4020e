"""How the commands speak: in French or English, to a person or to a program, and never in a file's own voice.

Texts that come from a document or from the name of a file may hold characters that steer a terminal; `printable` shows
them instead of sending them. Machine output (`--format json`) is UTF-8 whatever the locale says, one object a line.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, TextIO

LANGUAGES = ("fr", "en")
"""What the commands speak; the page speaks more (`schemas.formats.facturx.wording`)."""


class Told(NamedTuple):
    """One sentence in both languages."""

    english: str
    french: str

    def into(self, language: str) -> str:
        """The sentence in `language`: fr, or anything else for English."""
        return self.french if language == "fr" else self.english


def add_language(it: argparse.ArgumentParser, *, page: bool = False) -> None:
    """The option --language; `page`: it decides the language of the readable page too, which may be another."""
    if page:
        says = "language of the readable page (by default ESTAFETTE_LANGUAGE, else fr) and of what is told: fr, en, de"
        it.add_argument("--language", help=says)
    else:
        says = "language of what is told; by default ESTAFETTE_LANGUAGE, then LANG"
        it.add_argument("--language", choices=LANGUAGES, help=says)


def add_format(it: argparse.ArgumentParser) -> None:
    """The option --format."""
    it.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="text for people, json for programs: one object a line",
    )


def language_of(options: argparse.Namespace, environment: Mapping[str, str]) -> str:
    """The language to speak: as asked for, else as set for Estafette, else as the machine's locale says."""
    asked = getattr(options, "language", None) or environment.get("ESTAFETTE_LANGUAGE")
    if asked:
        return "fr" if asked == "fr" else "en"
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "fr" if locale.lower().startswith("fr") else "en"


def printable(text: str) -> str:
    """The text on one line, with what a terminal would act on, or no output could carry, shown as an escape."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def shown(path: str) -> str:
    """A path of the file system as text that any output carries: bytes that are no UTF-8 become escapes (\\xe9)."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def prepare() -> None:
    """Make standard output and error carry any text: what the locale's encoding lacks becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_json(members: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """One object on one line of UTF-8, at once, so that a reader of the pipe sees each as it comes."""
    out = stream or sys.stdout
    if out is None:  # closed by whoever started us
        return
    line = json.dumps(members, ensure_ascii=False) + "\n"
    buffer = getattr(out, "buffer", None)
    if buffer is None:
        out.write(line)
    else:
        out.flush()
        buffer.write(line.encode("utf-8", "backslashreplace"))
    out.flush()


class Drawn:
    """How far a long run is, in one line on standard error that is drawn anew, where a person is looking."""

    PAUSE = 0.1
    """Seconds between two showings."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._last = 0.0
        self._drawn = False

    def show(self, text: str, *, at_once: bool = False) -> None:
        """At most ten times a second, unless it must be seen at once."""
        now = time.monotonic()
        if (at_once or now - self._last >= self.PAUSE) and self._stream.isatty():
            self._last, self._drawn = now, True
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()

    def clear(self) -> None:
        """Take the line away, before something else is said and at the end."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False


class Progress(Drawn):
    """The same of so many files; with a few, nothing is shown."""

    FEW = 3

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._total = total
        self._done = 0

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if self._total > self.FEW:
            self.show(f"{self._done}/{self._total}", at_once=self._done >= self._total)
