"""A customer file: rows of CSV in, the same rows with what the directory says of each address out.

The columns that name an address are found by their heads, in French or English, or named by the caller. What
spreadsheets do to numbers (spaces, lost leading zeros) is undone where the check digit proves it right; a number in
scientific notation is lost, and said so. Reading does no I/O; looking up does, a few rows at a time, in their order.
"""

from __future__ import annotations

import asyncio
import csv
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from adapters.directory import DirectoryLine, Receiver
from gateway import addresses
from gateway.addresses import Looked
from gateway.errors import Malformed, TooLarge
from gateway.reach import Reach, Reachability, day_of, finding, level_of, unchecked
from gateway.regime import Sentence
from gateway.resources import Resources
from signing.chain import instant

SIZE_LIMIT = 50 * 1024 * 1024
"""Bytes of one file."""
ROWS_LIMIT = 200_000
CELLS_LIMIT = 200
"""Cells of one row."""
ALL_CELLS_LIMIT = 4_000_000
"""Cells of all rows, each as wide as the first: what a file may take in memory."""
SIGNS_LIMIT = 20_000
"""Delimiters of one row, those within quotes among them."""
AT_ONCE = 8
"""Rows looked up at the same time."""

COLUMNS = (
    "address_verdict",
    "address_line",
    "address_platform",
    "in_force_from",
    "in_force_to",
    "nearest_active",
    "told_by",
    "told_at",
    "says",
)
"""What is added to each row."""

ROLES: Mapping[str, tuple[str, ...]] = {
    "address": ("bt49", "electronicaddress", "adresseelectronique", "addressingidentifier", "identifiantadressage",
                "adresseannuaire", "adressefacturationelectronique", "adressedefacturationelectronique",
                "directoryaddress", "endpoint"),
    "scheme": ("bt491", "scheme", "schema", "eas", "addressscheme", "schemaadresse"),
    "siret": ("siret", "numerosiret", "siretclient", "customersiret", "nsiret"),
    "siren": ("siren", "numerosiren", "sirenclient", "customersiren", "nsiren"),
    "code": ("routingcode", "coderoutage", "codederoutage", "routingidentifier"),
    "suffix": ("suffix", "suffixe", "addressingsuffix", "suffixeadressage"),
    "vat": ("vat", "vatnumber", "vatid", "tva", "numerotva", "tvaintra", "tvaintracommunautaire", "bt48"),
}  # fmt: skip
"""What a column may be, and the heads by which it is known: letters and digits, without case and accents."""

_SCIENTIFIC = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+")
_PHYSICAL = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_FRENCH_VAT = re.compile(r"FR[0-9A-Z]{2}([0-9]{9})")


@dataclass(frozen=True, slots=True)
class Table:
    """A customer file that was read."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    comma: bool
    """Its cells stand apart by semicolons or tabs, as French spreadsheets write them."""
    roles: Mapping[str, int]
    """Role of a column → its place."""

    def address(self, row: Sequence[str]) -> tuple[str, str]:
        """Scheme and value of the electronic address that a row names; an empty value where it names none."""
        cell = {role: row[place].strip().lstrip("'").strip() for role, place in self.roles.items()}
        return address_of(cell)


def read(data: bytes, named: Mapping[str, str] | None = None) -> Table:
    """Read a file. `named`: role → head of its column, for heads that are not known. Raises Malformed, TooLarge."""
    if len(data) > SIZE_LIMIT:
        raise TooLarge(f"a customer file has at most {SIZE_LIMIT} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(";,\t", key=lambda sign: (first.count(sign), sign == ","))
    lines = _lines(text, delimiter)
    header = next((tuple(cell.strip() for cell in line) for _, line in lines), None)
    if header is None:
        raise Malformed("the file is empty; its first row names the columns")
    kept = [place for place, head in enumerate(header) if head not in COLUMNS]  # those of an earlier answer go
    rows = tuple(_picked(_row(line, len(header), number), kept) for number, line in lines)
    header = _picked(header, kept)
    return Table(header, rows, delimiter != ",", _roles(header, named or {}))


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that say something, one at a time, with their numbers. Raises Malformed, TooLarge.

    What has too many cells is refused before it is taken apart: an empty cell is a byte of the file, and many times
    that in memory.
    """
    filled = signs = width = 0

    def physical() -> Iterator[str]:
        nonlocal signs
        for found in _PHYSICAL.finditer(text):
            signs += found[0].count(delimiter)  # also those within quotes, so many more than cells are let pass
            if signs > SIGNS_LIMIT:
                raise Malformed(f"a row of the file has more than {CELLS_LIMIT} columns")
            yield found[0]

    try:
        for number, line in enumerate(csv.reader(physical(), delimiter=delimiter), 1):
            signs = 0
            if len(line) > CELLS_LIMIT:
                raise Malformed(f"row {number} of the file has more than {CELLS_LIMIT} columns")
            if not any(cell.strip() for cell in line):
                continue
            filled, width = filled + 1, width or len(line)
            if filled > ROWS_LIMIT + 1:
                raise TooLarge(f"a customer file has at most {ROWS_LIMIT} rows")
            if filled * width > ALL_CELLS_LIMIT:
                raise TooLarge(f"a customer file has at most {ALL_CELLS_LIMIT} cells; leave out columns")
            yield number, line
    except csv.Error as wrong:
        raise Malformed(f"the file is no CSV that can be read: {wrong}") from wrong


def address_of(cell: Mapping[str, str]) -> tuple[str, str]:
    """Scheme and value of the address that the cells of a row name, by their roles."""
    code, suffix = cell.get("code", ""), cell.get("suffix", "")
    if value := cell.get("address", ""):
        return _scheme(cell.get("scheme", ""), value), value
    if siret := cell.get("siret", ""):
        number = _number(siret, 14)
        return ("0225", f"{number[:9]}_{number}_{code}") if code and len(number) == 14 else ("0009", number)
    siren = cell.get("siren", "")
    if not siren and (french := _FRENCH_VAT.fullmatch(cell.get("vat", "").replace(" ", "").upper())):
        siren = french[1]
    number = _number(siren, 9) if siren else ""
    return ("0225", f"{number}_{suffix}") if suffix and number else ("0002", number)


async def looked_up(account_id: UUID, asked: Sequence[tuple[str, str]], resources: Resources) -> AsyncIterator[Looked]:
    """What is known of each address, in their order."""
    for start in range(0, len(asked), AT_ONCE):
        part = asked[start : start + AT_ONCE]
        for looked in await asyncio.gather(
            *(addresses.look(account_id, scheme, value, resources) for scheme, value in part)
        ):
            yield looked


def added(reach: Reach, language: str) -> tuple[str, ...]:
    """What is added to a row, in the order of COLUMNS."""
    line, told = reach.line, reach.told
    return (
        str(reach.verdict),
        line.address if line is not None else "",
        platform(line).into(language) if line is not None else "",
        line.begins.isoformat() if line is not None and line.begins else "",
        line.ends.isoformat() if line is not None and line.ends else "",
        " ".join(one.address for one in reach.nearest),
        told.source if told is not None else "",
        instant(told.at) if told is not None else "",
        says(reach).into(language),
    )


def as_json(
    scheme: str, value: str, looked: Looked, resources: Resources, *, to_seller: bool = False
) -> dict[str, Any]:
    """What is known of an address, as members; `to_seller`: it is the seller's, to whom a self-billed invoice goes."""
    reach = looked.reach
    members: dict[str, Any] = {
        "scheme": scheme,
        "value": value,
        "verdict": str(reach.verdict),
        "says": {"en": says(reach).english, "fr": says(reach).french},
        "line": None if reach.line is None else _line(reach.line),
        "nearest": [_line(line) for line in reach.nearest],
        "company": None,
        "told": None,
        "finding": None,
    }
    if reach.unit is not None:
        unit = reach.unit
        members["company"] = {"siren": unit.siren, "name": unit.name, "public": unit.public, "closed": unit.closed}
    if reach.told is not None:
        told = reach.told
        members["told"] = {"source": told.source, "at": instant(told.at), "stale": told.stale}
    if reach.refuses:
        members["finding"] = finding(reach, day_of(resources.clock.now()), to_seller=to_seller).as_json()
    elif reach.verdict is Reachability.UNANSWERED:
        members["finding"] = unchecked(reach, to_seller=to_seller).as_json()
    return members


def platform(line: DirectoryLine) -> Sentence:
    """Whose platform receives at a line, in words."""
    match line.receiver:
        case Receiver.STATE:
            return Sentence("Chorus Pro (public body)", "Chorus Pro (entité publique)")
        case Receiver.APPROVED:
            return Sentence("approved platform", "plateforme agréée")
        case _:
            return Sentence("", "")


_SAYS = {
    Reachability.ACTIVE: Sentence("reached", "joignable"),
    Reachability.UPCOMING: Sentence("not reached yet: its line is to come", "pas encore joignable : ligne à venir"),
    Reachability.ENDED: Sentence("not reached: its line is not active", "non joignable : sa ligne n'est pas active"),
    Reachability.NO_LINE: Sentence("not reached: no such line", "non joignable : aucune ligne à cette adresse"),
    Reachability.NO_COMPANY: Sentence(
        "not reached: the company is not in the directory", "non joignable : entreprise absente de l'annuaire"
    ),
    Reachability.MALFORMED: Sentence(
        "no address of the directory: SIREN, SIRET, SIREN_SIRET, SIREN_SIRET_CODE or SIREN_SUFFIX",
        "pas une adresse de l'annuaire : SIREN, SIRET, SIREN_SIRET, SIREN_SIRET_CODE ou SIREN_SUFFIXE",
    ),
    Reachability.OUTSIDE: Sentence(
        "of another scheme: the French directory does not know it", "d'un autre schéma : hors de l'annuaire français"
    ),
    Reachability.NO_ADDRESS: Sentence("names no address", "aucune adresse"),
    Reachability.UNASKED: Sentence(
        "not looked up: no directory is configured", "non vérifiée : aucun annuaire n'est configuré"
    ),
    Reachability.UNANSWERED: Sentence(
        "not known: the directory does not answer, ask again", "inconnu : l'annuaire ne répond pas, à redemander"
    ),
}


def says(reach: Reach) -> Sentence:
    """What is known of an address, in one line."""
    told = _SAYS[reach.verdict]
    english, french = told.english, told.french
    if reach.verdict is Reachability.UPCOMING and reach.line is not None and reach.line.begins is not None:
        english, french = f"{english}, on {reach.line.begins}", f"{french}, le {reach.line.begins}"
    if reach.nearest:
        line = reach.nearest[0].address
        english, french = f"{english}; nearest active: {line}", f"{french} ; la plus proche active : {line}"
    elif reach.unit is not None and reach.unit.closed:
        english, french = f"{english}; the company is closed", f"{french} ; l'entreprise est fermée"
    if reach.told is not None and reach.told.stale:
        day = reach.told.at.date()
        english, french = f"{english} (as of {day}: the directory is away)", f"{french} (au {day} : annuaire absent)"
    return Sentence(english, french)


def _line(line: DirectoryLine) -> dict[str, Any]:
    return {
        "address": line.address,
        "level": str(level_of(line.address, line.siret)),
        "standing": str(line.standing),
        "platform": str(line.receiver) or None,
        "name": line.name,
        "from": line.begins.isoformat() if line.begins else None,
        "to": line.ends.isoformat() if line.ends else None,
    }


def _roles(header: Sequence[str], named: Mapping[str, str]) -> dict[str, int]:
    """Which column is what. Raises Malformed where none names an address."""
    heads = [_folded(head) for head in header]
    found = {}
    for role, known in ROLES.items():
        wanted = named.get(role)
        places = (
            [place for place, head in enumerate(header) if head == wanted.strip()]
            if wanted
            else [place for place, head in enumerate(heads) if head in known]
        )
        if wanted and not places:
            raise Malformed(f"the file has no column {wanted[:100]!r}")
        if len(places) > 1:
            heads_ = ", ".join(repr(header[place][:50]) for place in places)
            raise Malformed(f"several columns may be the {role} ({heads_}): name the one that is")
        if places:
            found[role] = places[0]
    if not found.keys() & {"address", "siret", "siren", "vat"}:
        raise Malformed(
            "no column names an address: one with the head bt-49, siret, siren or vat is needed, or one that is named"
        )
    return found


def _row(line: Sequence[str], width: int, number: int) -> tuple[str, ...]:
    if len(line) > width and any(cell.strip() for cell in line[width:]):
        raise Malformed(f"row {number} has more cells than the first row has heads")
    return (*line[:width], *[""] * (width - len(line)))


def _picked(row: Sequence[str], places: Sequence[int]) -> tuple[str, ...]:
    return tuple(row[place] for place in places)


def _folded(head: str) -> str:
    plain = unicodedata.normalize("NFKD", head).casefold()
    return "".join(sign for sign in plain if sign.isascii() and sign.isalnum())


def _scheme(scheme: str, value: str) -> str:
    """The scheme of an address: as told, else by its form."""
    if scheme:
        return scheme.zfill(4) if scheme.isdigit() else scheme.upper()
    if "@" in value:
        return "EM"
    digits = value.replace(" ", "")
    return {9: "0002", 14: "0009"}.get(len(digits), "0225") if digits.isascii() and digits.isdigit() else "0225"


def _number(text: str, length: int) -> str:
    """A SIREN or SIRET without what people and spreadsheets put into it; as it came where it is none."""
    digits = "".join(sign for sign in text if not sign.isspace() and sign not in ".-")
    if _SCIENTIFIC.fullmatch(text) or not (digits.isascii() and digits.isdigit()):
        return text
    padded = digits.zfill(length)
    return padded if len(digits) < length and _checks(padded) else digits


def _checks(digits: str) -> bool:
    """Whether the check digit is right (Luhn)."""
    doubled = (int(d) * (1 + at % 2) for at, d in enumerate(reversed(digits)))
    return sum(sum(divmod(number, 10)) for number in doubled) % 10 == 0
