"""The contract between the gateway and a directory: who is reached where in France, and the values it tells.

A directory is asked and only asked. As with networks (`adapters.port`), no answer is `Unreachable`, never "no".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Protocol


class LineStanding(StrEnum):
    """How a directory line stands now."""

    ENABLED = "enabled"
    """A platform receives at it."""
    UPCOMING = "upcoming"
    """A platform will, from a day to come."""
    DISABLED = "disabled"
    """No platform does."""


class Receiver(StrEnum):
    """Whose platform receives at a directory line (UNCL 3035, in the words of XP Z12-013)."""

    APPROVED = "WK"
    """An approved platform's."""
    STATE = "DFH"
    """The State's: Chorus Pro for public bodies."""
    UNTOLD = ""


@dataclass(frozen=True, slots=True)
class DirectoryLine:
    """One address of the French directory, as it is told."""

    address: str
    """Addressing identifier, at most 125 characters: SIREN, SIREN_SIRET, SIREN_SIRET_CODE or SIREN_SUFFIX."""
    standing: LineStanding
    receiver: Receiver = Receiver.UNTOLD
    siren: str = ""
    siret: str = ""
    """Of the facility; empty where the line is of the company."""
    routing_code: str = ""
    suffix: str = ""
    name: str = ""
    """Of the company or facility, for people."""
    public: bool | None = None
    """Whether it is a public body's; None: it is not told."""
    begins: date | None = None
    """First day it is in force; None: it is not told (XP Z12-013 1.3.0 has no word for it)."""
    ends: date | None = None
    """Last day it is in force; None: it is not told, or it has no end."""
    code: RoutingCode | None = None
    """The routing code it names; None: it names none, or nothing of it is told."""


@dataclass(frozen=True, slots=True)
class DirectoryLines:
    """Lines of one company."""

    lines: tuple[DirectoryLine, ...]
    complete: bool
    """These are all; else the first of many."""


@dataclass(frozen=True, slots=True)
class LegalUnit:
    """A company as the directory knows it."""

    siren: str
    name: str = ""
    public: bool | None = None
    """None: it is not told."""
    closed: bool = False
    no_prospecting: bool | None = None
    """Whether it may not be used for sales prospecting; None: it is not told."""


@dataclass(frozen=True, slots=True)
class DirectoryPlace:
    """Where a facility is, as the directory knows it; empty: not told."""

    lines: tuple[str, ...] = ()
    postal_code: str = ""
    locality: str = ""
    subdivision: str = ""
    country: str = ""
    country_name: str = ""


@dataclass(frozen=True, slots=True)
class Facility:
    """A facility of a company as the directory knows it."""

    siret: str
    siren: str = ""
    name: str = ""
    closed: bool = False
    needs_commitment: bool | None = None
    """Whether an invoice must bear the number of a legal commitment (BT-13); None: it is not told."""
    needs_service_code: bool | None = None
    needs_either: bool | None = None
    """One of the two."""
    main: bool | None = None
    """The main one of its company."""
    no_prospecting: bool | None = None
    works: bool | None = None
    """It receives invoices for works, too."""
    works_only: bool | None = None
    tells_payment: bool | None = None
    place: DirectoryPlace = field(default_factory=DirectoryPlace)


@dataclass(frozen=True, slots=True)
class RoutingCode:
    """A routing code of a facility as the directory knows it."""

    siret: str
    code: str
    name: str = ""
    closed: bool = False
    scheme: str = ""
    """0224: a routing code; empty: not told."""
    needs_commitment: bool | None = None
    place: DirectoryPlace = field(default_factory=DirectoryPlace)


@dataclass(frozen=True, slots=True)
class Facilities:
    """Facilities of one company."""

    facilities: tuple[Facility, ...]
    complete: bool
    """These are all; else the first of many."""


@dataclass(frozen=True, slots=True)
class RoutingCodes:
    """Routing codes of one facility."""

    codes: tuple[RoutingCode, ...]
    complete: bool
    """These are all; else the first of many."""


class Directory(Protocol):
    """Says who can be reached where in France; nothing it knows not is taken for no.

    Each operation raises Unreachable where there is no answer: None and an empty list are answers.
    """

    @property
    def name(self) -> str:
        """The host that answers, for events and for what is cached of it."""
        ...

    async def line(self, address: str) -> DirectoryLine | None:
        """The line of an addressing identifier as it stands now (one to come may be told as disabled)."""
        ...

    async def lines(self, siren: str, siret: str = "") -> DirectoryLines:
        """The lines of a company, or of one of its facilities, those to come among them."""
        ...

    async def unit(self, siren: str) -> LegalUnit | None:
        """A company."""
        ...

    async def facility(self, siret: str) -> Facility | None:
        """A facility."""
        ...

    async def routing_code(self, siret: str, code: str) -> RoutingCode | None:
        """A routing code of a facility."""
        ...

    async def facilities(self, siren: str) -> Facilities:
        """The facilities of a company."""
        ...

    async def routing_codes(self, siret: str) -> RoutingCodes:
        """The routing codes of a facility."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...
