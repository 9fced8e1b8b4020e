"""Reading the members of a small JSON body: every fault is gathered and told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import date
from typing import Any, TypeVar

from gateway.errors import Malformed
from schemas.finding import Finding, Severity

T = TypeVar("T")

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Fields:
    """The members of one JSON object, and what is wrong with them so far."""

    def __init__(self, members: Mapping[str, Any], known: Collection[str], *, within: str = "") -> None:
        """`known`: the members there may be; `within`: where the object stands in the body, as a JSON pointer."""
        self._members = members
        self._within = within
        self._findings = [
            self._finding(name, "There is no such member.", expected=", ".join(sorted(known)))
            for name in members
            if name not in known
        ]

    def take(self, name: str, read: Callable[[Any], T], *, expected: str, default: T | None = None) -> T | None:
        """A member as `read` makes it, which raises ValueError; None when it is wrong, which `check` tells."""
        if name not in self._members:
            if default is None:
                self._findings.append(self._finding(name, "This member is missing.", expected=expected))
            return default
        try:
            return read(self._members[name])
        except ValueError:
            self._findings.append(self._finding(name, "This member has a wrong value.", expected=expected))
            return None

    @property
    def findings(self) -> list[Finding]:
        """What is wrong so far; what is wrong inside of a member is added to it."""
        return self._findings

    def check(self) -> None:
        """Raises Malformed when anything is wrong."""
        if self._findings:
            raise Malformed("members of the body are wrong", self._findings)

    def _finding(self, name: str, says: str, *, expected: str) -> Finding:
        path = f"{self._within}/" + name[:100].replace("~", "~0").replace("/", "~1")
        return Finding("JSON", Severity.FATAL, "json", says, path=path, expected=expected)


def text(least: int, most: int) -> Callable[[Any], str]:
    """A reader of text of so many printable characters."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
            raise ValueError
        return value

    return read


def matching(pattern: re.Pattern[str]) -> Callable[[Any], str]:
    """A reader of text that is of this form from its beginning to its end."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        return value

    return read


currency_code = matching(re.compile(r"[A-Z]{3}"))
"""A reader of currency codes: three capital letters (ISO 4217)."""


def one_of(*known: str) -> Callable[[Any], str]:
    """A reader of one of these words."""

    def read(value: Any) -> str:
        if value not in known:
            raise ValueError
        return str(value)

    return read


def whole(least: int, most: int) -> Callable[[Any], int]:
    """A reader of whole numbers within bounds; true and false are none."""

    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError
        return value

    return read


def truth(value: Any) -> bool:
    """true or false. Raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError
    return value


def day(value: Any) -> date:
    """A date as YYYY-MM-DD, and in no other form of ISO 8601. Raises ValueError."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError
    return date.fromisoformat(value)
