"""What the simulated directory knows: companies with their facilities, routing codes and lines, chosen by SIREN.

The numbers are valid by their check digit and start with 10, as those of the simulated buyers. A company that is not in
the table is active and reached by any address that begins with its SIREN, so that any invoice works in a first run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

APPROVED, STATE = "WK", "DFH"
"""Who receives for a line: an approved platform, or the State's (UNCL 3035)."""


class Line(StrEnum):
    """How a directory line stands."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"
    UPCOMING = "Upcoming"


class Temper(StrEnum):
    """How the directory answers a question about a company."""

    PLAIN = "plain"
    BUSY = "busy"
    """With 429 and Retry-After at first, then plainly."""
    FAILING = "failing"
    """With 500, each time."""


@dataclass(frozen=True, slots=True)
class Address:
    """One directory line."""

    identifier: str
    """SIREN, SIREN_SIRET, SIREN_SIRET_CODE or SIREN_SUFFIX."""
    stands: Line = Line.ENABLED
    platform: str = APPROVED
    begins: timedelta | None = None
    """From today; None: it does not say."""
    ends: timedelta | None = None
    suffix: bool = False
    """The second part is a suffix and no SIRET."""


@dataclass(frozen=True, slots=True)
class Company:
    """A legal unit of the directory."""

    title: str
    """What is special about it."""
    name: str
    lines: tuple[Address, ...] = ()
    """Those of the table; empty for a company without any."""
    facilities: tuple[str, ...] = ()
    """Their last five digits (NIC), the main one first."""
    codes: Mapping[str, str] = field(default_factory=dict)
    """Routing codes, each with its name; all belong to the main facility."""
    public: bool = False
    closed: bool = False
    known: bool = True
    temper: Temper = Temper.PLAIN


_DAYS = timedelta(days=1)

COMPANIES: Mapping[str, Company] = {
    "100000397": Company(
        "the line of one facility has ended, that of another is active",
        "Maison Fermée",
        (
            Address("100000397_10000039700024", Line.DISABLED, begins=-300 * _DAYS, ends=-25 * _DAYS),
            Address("100000397_10000039700016", begins=-25 * _DAYS),
        ),
        ("00016", "00024"),
    ),
    "100000405": Company(
        "its line begins in thirty days",
        "Atelier Prochain",
        (Address("100000405", Line.UPCOMING, begins=30 * _DAYS),),
        ("00017",),
    ),
    "100000413": Company(
        "one facility, two routing codes, no line of the facility itself",
        "Groupe Deux Services",
        (Address("100000413_10000041300011_ACHATS"), Address("100000413_10000041300011_TRAVAUX")),
        ("00011",),
        {"ACHATS": "Service des achats", "TRAVAUX": "Service des travaux"},
    ),
    "100000421": Company(
        "a public body, reached over the State's platform",
        "Commune de Test-les-Bains",
        (
            Address("100000421_10000042100014", platform=STATE),
            Address("100000421_10000042100014_SERV1", platform=STATE),
        ),
        ("00014",),
        {"SERV1": "Services techniques"},
        public=True,
    ),
    "100000439": Company(
        "in the directory, and no platform receives for it",
        "Sans Plateforme",
        (Address("100000439", Line.DISABLED),),
        ("00016",),
    ),
    "100000447": Company("not in the directory", "", known=False),
    "100000454": Company(
        "the directory is busy at first (429)",
        "Patience et Fils",
        (Address("100000454"),),
        ("00015",),
        temper=Temper.BUSY,
    ),
    "100000462": Company("the directory fails each time (500)", "", temper=Temper.FAILING),
    "100000470": Company(
        "a company that is closed", "Ancienne Maison", (Address("100000470", Line.DISABLED),), ("00011",), closed=True
    ),
    "100000488": Company(
        "a line of its facility and a suffix, none of the company",
        "Tout par Établissement",
        (Address("100000488_10000048800013"), Address("100000488_FACTURES", suffix=True)),
        ("00013",),
    ),
    "100000496": Company(
        "its line begins in two days",
        "Atelier Demain",
        (Address("100000496", Line.UPCOMING, begins=2 * _DAYS),),
        ("00016",),
    ),
}
"""By SIREN."""


def of(siren: str) -> Company:
    """The company with this SIREN; one that is not in the table has a line of its own and one of its main facility."""
    if siren in COMPANIES:
        return COMPANIES[siren]
    nic = main_facility(siren)
    return Company(
        "reached by any address", f"Société {siren}", (Address(siren), Address(f"{siren}_{siren}{nic}")), (nic,)
    )


def anywhere(identifier: str) -> Address | None:
    """The line of an address that is not in the table: an active one where its company is not in the table either."""
    siren = identifier[:9]
    if siren in COMPANIES or not _is_siren(siren) or identifier[9:10] not in ("", "_"):
        return None
    return Address(identifier, suffix=not identifier[10:24].isdigit())


def main_facility(siren: str) -> str:
    """The last five digits of the SIRET of a main facility, the last of which checks it."""
    digits = f"{siren}0001"
    total = sum(sum(divmod(int(d) * (2 - at % 2), 10)) for at, d in enumerate(reversed(digits)))
    return f"0001{-total % 10}"


def day(today: date, offset: timedelta | None) -> str | None:
    """A day told relative to today."""
    return None if offset is None else (today + offset).isoformat()


def _is_siren(text: str) -> bool:
    return len(text) == 9 and text.isascii() and text.isdigit()
