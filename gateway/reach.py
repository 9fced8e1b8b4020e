"""What an electronic address is to the French directory, and what is said of one that nobody receives at. Pure.

An address (BT-49) of scheme 0225 is a SIREN, SIREN_SIRET, SIREN_SIRET_CODE or SIREN_SUFFIX; a SIREN (0002) and a SIRET
(0009) name the line of that company or facility. Where an address has no active line, the nearest that have one are
told in the order that the directory's operator gives for choosing an address: of the facility, then its first routing
code, then of the company, then its first suffix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from adapters.directory import DirectoryLine, LegalUnit, LineStanding, Receiver
from schemas.finding import Finding, Severity
from schemas.parties import FRENCH_SCHEMES

NEAREST = 5
"""How many of the nearest lines are told."""
ADDRESS_LIMIT = 125
"""Characters of an address of scheme 0225 (BR-FR-25)."""
CIVIL_TIME = ZoneInfo("Europe/Paris")
"""Days of the directory begin in it."""
SOON = timedelta(days=3)
"""A line that begins within so long is waited for."""
OVERDUE = timedelta(days=1)
"""One that is still told to come so long after its first day is waited for no more: its directory may never move it."""
LAYER = "directory"
"""Of its findings: no edition of rules judges them, and a verdict that is made again is made without them."""
UNCHECKED_RULE = "HOUSE-ADDRESS-UNCHECKED"

_FORM = re.compile(r"([0-9]{9})(?:_([A-Za-z0-9+\-_.]+))?")


class Reachability(StrEnum):
    """Whether an address is reached."""

    ACTIVE = "active"
    """A platform receives at it."""
    UPCOMING = "upcoming"
    """A platform will, later."""
    ENDED = "ended"
    """There is such a line, and no platform receives at it."""
    NO_LINE = "no_line"
    """The company is in the directory, such a line is not."""
    NO_COMPANY = "no_company"
    """The company is not in the directory."""
    MALFORMED = "malformed"
    """It can be no address of the directory."""
    OUTSIDE = "outside"
    """It is none of the French directory's: another scheme."""
    NO_ADDRESS = "no_address"
    """None is named."""
    UNASKED = "unasked"
    """There is no directory to ask."""
    UNANSWERED = "unanswered"
    """The directory did not answer, and nothing is remembered that may be acted on. Never "no address"."""


REFUSED = (
    Reachability.UPCOMING,
    Reachability.ENDED,
    Reachability.NO_LINE,
    Reachability.NO_COMPANY,
    Reachability.MALFORMED,
)
"""Nobody receives there now."""


class Level(StrEnum):
    """What an address names."""

    COMPANY = "company"
    FACILITY = "facility"
    CODE = "code"
    SUFFIX = "suffix"


@dataclass(frozen=True, slots=True)
class Asked:
    """An address as the directory is asked about it."""

    address: str
    """Addressing identifier."""
    siren: str
    siret: str = ""

    @property
    def level(self) -> Level:
        """What it names."""
        return level_of(self.address, self.siret)

    @property
    def named(self) -> str:
        """It in words, as a finding begins."""
        match self.level:
            case Level.COMPANY:
                return f"the company (SIREN {self.siren})"
            case Level.FACILITY:
                return f"this SIRET ({self.siret})"
            case Level.CODE:
                return f"this routing code ({self.address[25:]}) of the SIRET {self.siret}"
            case Level.SUFFIX:
                return f"this address ({self.address}) of the SIREN {self.siren}"


@dataclass(frozen=True, slots=True)
class Told:
    """Who told it, and when."""

    source: str
    """Name of the directory: its host and path."""
    at: datetime
    """When it was asked; of several answers, the oldest."""
    stale: bool = False
    """It is older than it should be: the directory was away."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What was found of an address."""

    verdict: Reachability
    asked: Asked | None = None
    """None where the directory cannot be asked about it."""
    line: DirectoryLine | None = None
    nearest: tuple[DirectoryLine, ...] = ()
    """Active lines of the same company, the nearest first; only where the address has none."""
    complete: bool = True
    """All lines of the company were looked at."""
    unit: LegalUnit | None = None
    told: Told | None = None
    """None where nobody was asked, or nobody answered."""
    reason: str = ""
    """Why there is no answer."""

    @property
    def refuses(self) -> bool:
        """Whether an invoice with this address reaches nobody now: told by an answer that is not older than it may."""
        return self.verdict in REFUSED

    @property
    def public(self) -> bool:
        """Whether it is known to be a public body's."""
        line = self.line
        by_line = line is not None and (line.receiver is Receiver.STATE or line.public is True)
        return by_line or (self.unit is not None and self.unit.public is True)


def asked_of(scheme: str | None, value: str | None) -> Asked | Reach:
    """What the directory is asked about an address; a verdict where it is not asked."""
    text = (value or "").strip()
    if not text or not scheme:
        return Reach(Reachability.NO_ADDRESS)
    if scheme not in FRENCH_SCHEMES:
        return Reach(Reachability.OUTSIDE)
    digits = text.replace(" ", "")
    if scheme == "0002":
        return Asked(digits, digits) if _is(digits, 9) else Reach(Reachability.MALFORMED)
    if scheme == "0009":
        siren = digits[:9]
        return Asked(f"{siren}_{digits}", siren, digits) if _is(digits, 14) else Reach(Reachability.MALFORMED)
    form = _FORM.fullmatch(text)
    if form is None or len(text) > ADDRESS_LIMIT:
        return Reach(Reachability.MALFORMED)
    siren, rest = form[1], form[2] or ""
    facility = rest[:14] if _is(rest[:14], 14) and rest[14:15] in ("", "_") and rest.startswith(siren) else ""
    return Asked(text, siren, facility)


def day_of(at: datetime) -> date:
    """The day of the directory at an instant."""
    return at.astimezone(CIVIL_TIME).date()


def level_of(address: str, siret: str) -> Level:
    """What an address names."""
    if "_" not in address:
        return Level.COMPANY
    if not siret:
        return Level.SUFFIX
    return Level.CODE if len(address) > 24 else Level.FACILITY


def standing(line: DirectoryLine, today: date) -> LineStanding:
    """How a line stands today; the days that it is in force go before what is said of it."""
    if line.standing is LineStanding.ENABLED:
        if line.begins is not None and line.begins > today:
            return LineStanding.UPCOMING
        if line.ends is not None and line.ends < today:
            return LineStanding.DISABLED
    return line.standing


def nearest(asked: Asked, lines: Sequence[DirectoryLine], today: date) -> tuple[DirectoryLine, ...]:
    """The active lines nearest to an address that has none, each once."""
    active = {line.address: line for line in lines if standing(line, today) is LineStanding.ENABLED}
    found = sorted(active.values(), key=lambda line: _distance(asked, line))
    return tuple(found[:NEAREST])


def _distance(asked: Asked, line: DirectoryLine) -> tuple[bool, int, str]:
    order = (Level.FACILITY, Level.CODE, Level.COMPANY, Level.SUFFIX)
    same = bool(asked.siret) and line.siret == asked.siret
    level = level_of(line.address, line.siret)
    rank = order.index(level)
    if not same and asked.siret and level is Level.COMPANY:
        rank = -1  # the company's own line is nearer than another facility's
    return not same, rank, line.address


def soon(reach: Reach, today: date) -> bool:
    """Whether its line begins so soon that a document waits for it."""
    begins = reach.line.begins if reach.verdict is Reachability.UPCOMING and reach.line is not None else None
    return begins is not None and -OVERDUE <= begins - today <= SOON


def finding(reach: Reach, today: date, path: str = "", *, to_seller: bool = False) -> Finding:
    """What is wrong with an address at which nobody receives (`reach.refuses`); a warning where it is waited for.

    `to_seller`: it is the seller's (BT-34), to whom a self-billed invoice goes.
    """
    rule, says = _says(reach)
    found = Finding(
        rule=rule,
        severity=Severity.WARNING if soon(reach, today) else Severity.FATAL,
        layer=LAYER,
        says=says,
        terms=("BT-49",),
        path=path,
        found=_found(reach),
        expected="an address that has an active line in the French directory",
        fix=_fix(reach),
    )
    return _of_seller(found) if to_seller else found


def unchecked(reach: Reach, path: str = "", *, to_seller: bool = False) -> Finding:
    """A warning that the address could not be looked up."""
    found = Finding(
        rule=UNCHECKED_RULE,
        severity=Severity.WARNING,
        layer=LAYER,
        says=f"The buyer's electronic address could not be looked up: {reach.reason or 'the directory is away'}.",
        terms=("BT-49",),
        path=path,
        fix="Nothing: the document waits before it is sent until the directory answers.",
    )
    return _of_seller(found) if to_seller else found


def _of_seller(found: Finding) -> Finding:
    """The same finding on the seller's address."""
    says, fix = (text.replace("buyer", "seller").replace("BT-49", "BT-34") for text in (found.says, found.fix or ""))
    return replace(found, says=says, fix=fix, terms=("BT-34",))


def _says(reach: Reach) -> tuple[str, str]:
    asked, line = reach.asked, reach.line
    named = asked.named if asked else "this"
    match reach.verdict:
        case Reachability.MALFORMED:
            says = "This is no address of the French directory: SIREN, SIREN_SIRET, SIREN_SIRET_CODE or SIREN_SUFFIX."
            return "HOUSE-ADDRESS-FORM", says
        case Reachability.UPCOMING:
            when = f" from {line.begins}" if line is not None and line.begins is not None else " later"
            return "HOUSE-ADDRESS-UPCOMING", f"At {named} a platform receives only{when}{_other(reach)}."
        case Reachability.ENDED:
            ended = f" since {line.ends}" if line is not None and line.ends is not None else ""
            return "HOUSE-ADDRESS-INACTIVE", f"{_upper(named)} has no active line{ended}{_other(reach)}."
        case Reachability.NO_COMPANY:
            return "HOUSE-ADDRESS-UNKNOWN", f"{_upper(named)} is not in the French directory."
        case _:
            return "HOUSE-ADDRESS-UNKNOWN", f"{_upper(named)} has no line in the French directory{_other(reach)}."


def _other(reach: Reach) -> str:
    """The nearest active line, or that there is none."""
    if reach.nearest:
        first, *others = reach.nearest
        more = f" (and {len(others)} more)" if others else ""
        return f"; nearest active: {first.address}{more}"
    if reach.unit is not None and reach.unit.closed:
        return "; the company is closed"
    return (
        "; the company has no active line at all" if reach.complete else "; the company has too many lines to look at"
    )


def _found(reach: Reach) -> str | None:
    return reach.asked.address if reach.asked else None


def _fix(reach: Reach) -> str:
    if reach.verdict is Reachability.MALFORMED:
        return "Take the address from the buyer or from the directory; without a SIRET, the SIREN alone is one."
    if reach.nearest:
        lines = ", ".join(line.address for line in reach.nearest)
        return f"Ask the buyer which of its active addresses is right, and put it into BT-49 (scheme 0225): {lines}."
    if reach.verdict is Reachability.UPCOMING:
        return "Send the invoice again when the line is in force, or ask the buyer for another address."
    if reach.unit is not None and reach.unit.closed:
        return "Check the SIREN: the company is closed."
    return (
        "Check the SIREN with the buyer; a buyer without a platform gets its invoice by other means until it has one."
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()
