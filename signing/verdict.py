"""A verdict on a seal or a timestamp: passed, indeterminate or failed, and what each check saw (ETSI EN 319 102-1).

Never a bool: a seal of a stranger is not a false seal, and one whose revocation could not be looked up is not a good
one. Any exception of any kind, on any seal, means that it was not verified.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from signing.chain import instant


class Indication(StrEnum):
    """The three answers of EN 319 102-1."""

    PASSED = "passed"
    INDETERMINATE = "indeterminate"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One numbered check of one seal."""

    number: int
    name: str
    held: bool | None
    """None: it could not be told."""
    saw: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be held of the seals of a document, or of one of them."""

    indication: Indication
    sub: str
    """The sub-indication of EN 319 102-1, for example HASH_FAILURE; empty when passed."""
    checks: tuple[Check, ...] = ()
    sealed_by: str = ""
    """Subject of the certificate, as written in it."""
    claimed_at: datetime | None = None
    """When the sealer says it was."""
    stamped_at: datetime | None = None
    """When a trusted authority says it was there; None: no such timestamp."""
    seals: tuple[Verdict, ...] = ()
    """Of a document: the verdict on each seal, the first first."""
    level: str = ""
    """The baseline level as the seal is made: B-B, B-T, B-LT or B-LTA; empty when it cannot be told."""

    def as_json(self) -> dict[str, Any]:
        """Strings, booleans and lists, as events and the API hold it."""
        told: dict[str, Any] = {"indication": str(self.indication), "sub": self.sub}
        if self.level:
            told["level"] = self.level
        if self.sealed_by:
            told["sealed_by"] = self.sealed_by
        for name, at in (("claimed_at", self.claimed_at), ("stamped_at", self.stamped_at)):
            if at is not None:
                told[name] = instant(at)
        told["checks"] = [
            {"number": one.number, "name": one.name, "held": one.held, "saw": one.saw} for one in self.checks
        ]
        return told

    def with_seals(self) -> dict[str, Any]:
        """The same with the verdict on each seal of the document."""
        return {**self.as_json(), "seals": [seal.as_json() for seal in self.seals]}


def one(indication: Indication, sub: str, saw: str, name: str = "a seal is there") -> Verdict:
    """A verdict by its first check, which did not hold."""
    return Verdict(indication, sub, (Check(1, name, False, saw),))


def worst(seals: Iterable[Verdict]) -> Verdict:
    """The verdict on a document that bears these seals, at least one: the worst of them, with all of them inside."""
    all_ = tuple(seals)
    order = (Indication.FAILED, Indication.INDETERMINATE, Indication.PASSED)
    told = min(all_, key=lambda seal: order.index(seal.indication))
    return Verdict(
        told.indication, told.sub, told.checks, told.sealed_by, told.claimed_at, told.stamped_at, all_, told.level
    )
