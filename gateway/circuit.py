"""When a network is left alone: the circuit breaker of each, as a value. Pure.

A network that does not take several documents in a row, or asks to be left alone, rests: nothing is handed over until
the rest is over, and no document's attempts are used up meanwhile. Then one document tries (half open); when it is
taken, all go on, and those that failed before are tried at once. One document that fails again and again says nothing
about its network: it is other documents that count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

ASKED_LIMIT = timedelta(hours=1)
"""A network is left alone for so long at most on its own word: one answer keeps the documents of all companies."""
FAILURES = 5
"""So many documents in a row that it did not take, and a network rests."""
RESTS = (5, 15, 30, 60, 120, 300, 600)
"""Seconds of the rests in a row; the last for all more: so late it is noticed, at most, that a network is back."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a network takes what is handed over."""

    name: str
    failures: int = 0
    """Documents in a row that it did not take, each once."""
    tried: tuple[UUID, ...] = ()
    """The first of them, as many as open the circuit."""
    since: datetime | None = None
    """When the first of them failed; None: it works."""
    rest_until: datetime | None = None
    """Nothing is handed over before; None: the circuit is closed."""
    rests: int = 0
    """Rests in a row."""
    reason: str = ""
    """What it said last."""
    conflicts: int = 0
    """Consignments under whose id it has other bytes."""

    def room(self, now: datetime, usual: int) -> int:
        """How many documents may be handed over at the same time."""
        if self.rest_until is None:
            return usual
        return 0 if now < self.rest_until else min(1, usual)


def failed(circuit: Circuit, document: UUID, now: datetime, reason: str, asked: timedelta | None) -> Circuit:
    """The circuit after a document was not taken; `asked`: how long the network asks to be left alone."""
    failures, tried = circuit.failures, circuit.tried
    if document not in tried:
        failures, tried = failures + 1, (*tried, document)[:FAILURES]
    resting = circuit.rest_until is not None and now < circuit.rest_until
    until, rests = circuit.rest_until, circuit.rests
    if failures >= FAILURES and not resting:
        until, rests = now + timedelta(seconds=RESTS[min(rests, len(RESTS) - 1)]), rests + 1
    if asked is not None:
        until = max(until or now, now + min(asked, ASKED_LIMIT))
    since = circuit.since or now
    return replace(circuit, failures=failures, tried=tried, since=since, rest_until=until, rests=rests, reason=reason)
