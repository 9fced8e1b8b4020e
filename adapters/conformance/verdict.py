"""What a scenario is, and how one ends: passed, failed, skipped or unknown.

A scenario asks for one thing. So the first thing that is not as asked ends it, by raising `Fails`; what cannot be tried
here raises `Skips`, with the reason. A platform that does not answer makes it unknown: it is never taken for passed.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from adapters.conformance.counterpart import Counterpart


class Text(NamedTuple):
    """A sentence in both languages."""

    english: str
    french: str

    def into(self, language: str) -> str:
        """The sentence in `language`: fr, or anything else for English."""
        return self.french if language == "fr" else self.english


def same(text: str) -> Text:
    """What reads the same in both languages: codes, names, numbers."""
    return Text(text, text)


class Result(StrEnum):
    """How a scenario ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class Needs(StrEnum):
    """What an operator must have allowed for a scenario to be played."""

    NOTHING = "nothing"
    """It only reads."""
    SUBMIT = "submit"
    """It hands flows in."""
    CALLBACK = "callback"
    """It subscribes an address to events, and removes it again."""
    LARGE = "large"
    """It uploads a hundred megabytes."""
    BURST = "burst"
    """It asks faster than agreed."""
    DIRECTORY = "directory"
    """It reads the Directory Service."""


class Fails(Exception):
    """The platform does not do what the standard asks for."""

    def __init__(self, expected: Text, found: Text) -> None:
        super().__init__(f"expected {expected.english}, found {found.english}")
        self.expected = expected
        self.found = found


class Skips(Exception):
    """The scenario cannot be played here; says why."""

    def __init__(self, reason: Text) -> None:
        super().__init__(reason.english)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that the standard asks for, and how to find out."""

    play: Callable[[Counterpart], Awaitable[None]]
    """Raises Fails, Skips, Unreachable."""
    french: str
    """What is asked for, in French; in English its docstring says it."""
    needs: Needs = Needs.NOTHING

    @property
    def name(self) -> str:
        """Family and function: search.limit_of_one."""
        return f"{self.play.__module__.rpartition('.')[2]}.{self.play.__name__}"

    @property
    def says(self) -> Text:
        """What is asked for."""
        return Text(" ".join(_paragraphs(self.play)[0].split()).rstrip("."), self.french)

    @property
    def place(self) -> str:
        """Where the standard asks for it."""
        return " ".join(_paragraphs(self.play)[-1].split()).rstrip(".")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one scenario ended."""

    scenario: Scenario
    result: Result
    expected: Text | None = None
    """For one that failed."""
    found: Text | None = None
    """For one that failed; for one that was skipped or is unknown, the reason."""
    seconds: float = 0.0


def _paragraphs(play: Callable[..., object]) -> list[str]:
    return (inspect.getdoc(play) or "").split("\n\n")
