"""What may become of a document: the stages, the four outcomes of a stage, and what follows what. Pure.

Three words that must not be mixed: a *stage* is where the document stands in our line; an *outcome* is how a stage
ended; a *status* is what a party or a platform says about the document (200 deposited … 213 rejected).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from gateway.sought import Sought
from schemas.finding import Finding
from schemas.formats.cdar.vocabulary import further
from signing.chain import instant

Facts = Mapping[str, Any]
"""Ids, codes, dates and hashes of an event: strings, integers, booleans, lists and maps of them; never invoice text."""


class Stage(StrEnum):
    """Where a document stands: the participle of the stage it has passed last."""

    RECEIVED = "received"
    PARSED = "parsed"
    VALIDATED = "validated"
    BUILT = "built"
    SEALED = "sealed"
    ARCHIVED = "archived"
    ROUTED = "routed"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    SETTLED = "settled"

    @property
    def next(self) -> Stage | None:
        """The stage after this one; None at the end of the line."""
        order = list(Stage)
        place = order.index(self) + 1
        return order[place] if place < len(order) else None

    def reaches(self, other: Stage) -> bool:
        """Whether a document that stands here has passed the other stage."""
        order = list(Stage)
        return order.index(self) >= order.index(other)


class Role(StrEnum):
    """What a kept content is to its document."""

    SUBMISSION = "submission"
    """The bytes as accepted."""
    DATA = "data"
    """The structured invoice that came beside a readable PDF in one submission, or the JSON of one as payment terms
    completed it."""
    XML = "xml"
    """The structured invoice that was judged: taken out of the submission, or written from its JSON."""
    REPORT = "report"
    """The validation report."""
    ORIGINAL = "original"
    """What is sealed, archived and delivered."""
    SEAL = "seal"
    """The seal of an original that has no place for it inside."""
    VERDICT = "verdict"
    """What the seals that a submission bears are worth."""
    RECEIPT = "receipt"
    """The network's proof of delivery."""
    STATUS = "status"
    """A status message as it came."""
    REMINDER = "reminder"
    """A letter to the customer that asks for payment, with what is enclosed named by hash."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that a stage made or took, to be stored with its event."""

    role: Role
    media_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class News:
    """Something said about the document meanwhile; becomes an event of its own."""

    kind: str
    """status, payment or attempt."""
    facts: Facts
    keep: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True)
class Emitted:
    """A status message that the gateway says by itself about the document; becomes a document of its own."""

    id: UUID
    """Of that document; new, sorts by time."""
    cause: str
    """Why it is said; each cause says one message for ever."""
    data: bytes
    """CDAR."""


@dataclass(frozen=True, slots=True)
class Done:
    """The stage is reached."""

    facts: Facts = field(default_factory=dict)
    keep: tuple[Kept, ...] = ()
    news: tuple[News, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    """What the document's row shows besides: parties, dates and amounts; not part of the journal."""
    sought: Sought | None = None
    """How the document is found in the archive; not part of the journal either."""
    emitted: tuple[Emitted, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """The stage does not concern this document."""

    reason: str
    facts: Facts = field(default_factory=dict)
    keep: tuple[Kept, ...] = ()


@dataclass(frozen=True, slots=True)
class Later:
    """Not yet; the same stage runs again."""

    after: timedelta
    reason: str
    news: tuple[News, ...] = ()
    emitted: tuple[Emitted, ...] = ()
    asked: timedelta | None = None
    """How long a network asks to be left alone; None: it does not say."""


@dataclass(frozen=True, slots=True)
class Halted:
    """It ends here; a person or a new submission acts."""

    reason: str
    findings: tuple[Finding, ...] = ()
    facts: Facts = field(default_factory=dict)
    keep: tuple[Kept, ...] = ()
    news: tuple[News, ...] = ()
    emitted: tuple[Emitted, ...] = ()


Outcome = Done | Skipped | Later | Halted


def queue_after(stage: Stage, outcome: Outcome) -> str:
    """The network that is to take the document next, in whose queue it stands then; empty: ours."""
    return str(outcome.facts.get("network", "")) if stage is Stage.ROUTED and isinstance(outcome, Done) else ""


def caught_up(outcome: Outcome, status: str | None) -> tuple[Outcome, str | None]:
    """An outcome whose news tell the status that counts, and that status, beginning from the one the document has now.

    Somebody may have said one since the stage began, and a document never walks back.
    """
    if isinstance(outcome, Skipped):
        return outcome, status
    news = []
    for item in outcome.news:
        said = further(status, str(item.facts.get("status", ""))) if item.kind == "status" else None
        status = said or status
        news.append(item if said is None else replace(item, facts={**item.facts, "furthest": said}))
    return replace(outcome, news=tuple(news)), status


BY_NETWORK, BY_PLATFORM, BY_OTHER_SIDE = "refused by the network", "refused by the platform", "by the other side"
BY_ACCOUNT = "by the account"
"""Reasons of a halt that are somebody's answer: the first begins with these words, the last two end with them."""


def answered_no(halted: str) -> bool:
    """Whether a halt of this reason is the answer of a network, a platform or the buyer: nobody keeps the document."""
    return halted.startswith(f"{BY_NETWORK}: ") or halted == BY_PLATFORM or halted.endswith(f" {BY_OTHER_SIDE}")


INTERRUPTIONS_LIMIT = 3
"""A document whose judging or building killed its process so often is set aside for a person."""

WAITS = (30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between attempts when a network is away: three tries in the first quarter of an hour, three days in all."""


def wait_before(attempt: int) -> timedelta | None:
    """How long to wait after the given attempt (from 1) failed; None when the attempts are used up."""
    return timedelta(seconds=WAITS[attempt - 1]) if attempt <= len(WAITS) else None


@dataclass(frozen=True, slots=True)
class Said:
    """One thing to write into the journal."""

    at: datetime
    stage: Stage
    outcome: str
    facts: Facts
    entries: tuple[tuple[str, str], ...]
    """Role and hash of each content kept with it."""


def event_body(document_id: UUID, seq: int, said: Said) -> Mapping[str, Any]:
    """What an event's hash covers."""
    return {
        "document": str(document_id),
        "seq": seq,
        "at": instant(said.at),
        "stage": str(said.stage),
        "outcome": said.outcome,
        "facts": said.facts,
        "entries": sorted([role, digest] for role, digest in said.entries),
    }
