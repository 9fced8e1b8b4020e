"""What the publisher's sentence of a rule of a regular family says, in our words.

Most rules of the syntaxes say one of a few things about one element: it is not used, stands once, needs an attribute,
takes the values of a list. Which element that is, only their sentence tells; it is read when the rule is explained. A
sentence of another shape is not read at all, so that nothing is said of a rule that it does not say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Said:
    """What a sentence says, in both languages."""

    english: str
    french: str
    fix_english: str
    fix_french: str
    title_english: str
    title_french: str


_NAME = r"""(?P<name>@?[\w@][\w@:./ |()\[\]='"*-]{0,400}?)"""
_ABOUT = r"^(?:\[[\w/-]+\]\s*-?\s*)?"
_UNUSED = tuple(
    re.compile(_ABOUT + shape, re.IGNORECASE)
    for shape in (
        rf"A UBL (?:invoice|credit ?note) (?:should|shall) not include (?:the |an? )?{_NAME}\.?$",
        rf"{_NAME} ?(?:should|shall|must) not be (?:present|used)\.?$",
        rf"(?:Element|Attribute) (?:variant )?'?{_NAME}' (?:is )?marked as not used in the given context\.?$",
    )
)
_TIMES = re.compile(
    rf"^Element (?:variant )?'{_NAME}' "
    r"(?P<how>must occur exactly|may occur at maximum|must occur at least) (?P<number>\d+) times?"
)
_ONCE = tuple(
    re.compile(_ABOUT + shape, re.IGNORECASE)
    for shape in (
        rf"{_NAME} (?:shall|should|may|must|can) (?:occur|exist|be present) (?:at most|max|maximum|only) once\b.*$",
        rf"Only one {_NAME} (?:should|shall) be present\.?$",
        rf"An Invoice shall contain maximum one {_NAME}\.?$",
    )
)
_EXACTLY = re.compile(rf"{_ABOUT}{_NAME} must exist exactly once\.?$")
_NEEDED = re.compile(rf"^Attribute '{_NAME}' is required")
_VALUE = re.compile(rf"^Value of '{_NAME}' is not allowed")
_ALIAS = re.compile(r"^\[?(?P<id>(?:BR|CII|UBL|PEPPOL)-[A-Za-z0-9-]*\d[A-Za-z0-9-]*)\]?\s*-")
_LEVEL = ("FX-SCH", "FACTURX-")


def alias(says: str) -> str:
    """The rule whose sentence this is, as the sentence itself begins; empty: it names none."""
    match = _ALIAS.match(says)
    return match["id"] if match else ""


@lru_cache(maxsize=4096)
def read(rule: str, says: str) -> Said | None:
    """What the sentence of a rule of a syntax (CII-, UBL-, FX-SCH-, FACTURX-) says; None where it has another shape."""
    if not rule.startswith(("CII-", "UBL-", *_LEVEL)):
        return None
    says = " ".join(says.split())
    if match := _first(_UNUSED, says):
        return _unused(match["name"], of_level=rule.startswith(_LEVEL))
    if match := _TIMES.match(says):
        return _times(match["name"], match["how"], int(match["number"]))
    if match := _EXACTLY.match(says):
        return _times(match["name"], "must occur exactly", 1)
    if match := _first(_ONCE, says):
        return _times(match["name"], "may occur at maximum", 1)
    if match := _NEEDED.match(says):
        return _needed(match["name"])
    if match := _VALUE.match(says):
        return _value(match["name"])
    return None


def _first(shapes: tuple[re.Pattern[str], ...], says: str) -> re.Match[str] | None:
    return next((match for shape in shapes if (match := shape.match(says))), None)


def _unused(name: str, *, of_level: bool) -> Said:
    who, qui = ("The Factur-X level", "Le niveau Factur-X") if of_level else ("The norm", "La norme")
    richer, riche = (", or declare a richer level in BT-24", ", ou déclarez un niveau plus riche (BT-24)")
    return Said(
        f"{who} does not use {name} at this place.",
        f"{qui} n'utilise pas {name} à cet endroit.",
        f"Leave {name} out{richer if of_level else ''}.",
        f"Retirez {name}{riche if of_level else ''}.",
        f"{name} is not used here",
        f"{name} : inutilisé ici",
    )


def _times(name: str, how: str, number: int) -> Said:
    times = "once" if number == 1 else f"{number} times"
    limit, borne, wrong, faux = {
        "must occur exactly": ("exactly", "exactement", "missing or too often", "absent ou en trop"),
        "may occur at maximum": ("at most", "au plus", "too often", "en trop"),
        "must occur at least": ("at least", "au moins", "missing", "absent"),
    }[how]
    fix, remede = {
        "must occur exactly": (f"Give {name} {limit} {times}", f"Donnez {name} {borne} {number} fois"),
        "may occur at maximum": (
            f"Keep {name} {times}, remove the rest",
            f"Gardez {name} {number} fois, retirez le reste",
        ),
        "must occur at least": (f"Fill in {name}", f"Renseignez {name}"),
    }[how]
    return Said(
        f"{name} stands {limit} {times} at this place.",
        f"{name} figure {borne} {number} fois à cet endroit.",
        f"{fix}.",
        f"{remede}.",
        f"{name} {wrong}",
        f"{name} : {faux}",
    )


def _needed(name: str) -> Said:
    return Said(
        f"This element needs its attribute {name}.",
        f"Cet élément exige son attribut {name}.",
        f"Add the attribute {name}.",
        f"Ajoutez l'attribut {name}.",
        f"{name} missing",
        f"{name} : absent",
    )


def _value(name: str) -> Said:
    return Said(
        f"{name} holds one of the values that its list and the Factur-X level allow.",
        f"{name} contient une valeur admise par sa liste et par le niveau Factur-X.",
        f"Replace the value of {name} by one of the list.",
        f"Remplacez la valeur de {name} par une valeur de la liste.",
        f"Value of {name} not allowed",
        f"Valeur non admise : {name}",
    )
