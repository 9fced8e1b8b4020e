"""What there is to know of a rule or of a business term, for people and programs: `estafette explain` and the API.

Of a rule: what it asks for and what to do, in both languages, the layers that apply it, each with the edition in force,
and what is known to be wrong with it. Of a term of the norm: its name, how often it may stand, the lowest profile that
has it, where it is in CII, UBL and our JSON form, and the rules that speak of it.
"""

from __future__ import annotations

import contextlib
import datetime
import difflib
from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache
from typing import Any

from schemas import editions, explain, known_wrong, rulebook
from schemas.explain import Explanation
from schemas.invoice import Invoice
from schemas.rulebook import Rules
from schemas.rulebooks import en16931, facturx, fr
from schemas.schematron.expression import Refused
from schemas.terms import french_id_of, id_of, profile_of, shapes


def rule(name: str, folder: str | None = None, day: datetime.date | None = None) -> dict[str, Any] | None:
    """All that is known of a rule, as JSON; None: there is no such rule. `day` chooses the editions, None: the newest.

    `name` is an id as findings have it, in capitals or not.
    """
    found = explained(name, folder, day)
    return None if found is None else as_json(found, layers(found.rule, folder, day))


def explained(name: str, folder: str | None = None, day: datetime.date | None = None) -> Explanation | None:
    """What a rule means; of one whose id says too little, what its publisher's sentence tells."""
    found = explain.explain(name) or explain.explain(name.upper())
    return _by_its_sentence(found, folder, day) if found is not None and found.family else found


def as_json(found: Explanation, applied_by: list[tuple[str, str]]) -> dict[str, Any]:
    """The one JSON shape of a rule."""
    return {
        "rule": found.rule,
        "title": {"en": found.title_english, "fr": found.title_french},
        "terms": list(found.terms),
        "says": {"en": found.english, "fr": found.french},
        "fix": {"en": found.fix_english, "fr": found.fix_french},
        "layers": [{"name": name, "edition": edition} for name, edition in applied_by],
        "known_wrong": [
            {
                "says": {"en": one.english, "fr": one.french},
                "effect": str(one.effect),
                "effect_in_facturx": str(one.effect_on(hybrid=True)),
                "artefacts": list(one.artefacts),
                "source": one.source,
                "since": one.since.isoformat(),
            }
            for one in known_wrong.of(found.rule)
        ],
    }


def term(name: str, folder: str | None = None, day: datetime.date | None = None) -> dict[str, Any] | None:
    """All that is known of a business term or group (BT-49, BG-23, BT-X-13, EXT-FR-FE-164), as JSON; None: our model
    has no such term."""
    name = name.upper()
    if not name.startswith(("BT-", "BG-", "EXT-FR-FE-")):
        return None
    from schemas import place  # the tables of the syntaxes take long to load

    patterns = place.patterns().get(name)
    entry = _terms().get(name)
    if patterns is None or entry is None:
        return None
    english, french = explain.term_names().get(name, (entry["name"], entry["name"]))
    return {
        "term": name,
        "name": {"en": english, "fr": french},
        "cardinality": entry["cardinality"],
        "profile": entry["profile"],
        "cii": list(place.elements(name, "cii")),
        "ubl": list(place.elements(name, "ubl")),
        "json": list(patterns),
        "rules": [rule for rule, terms in _speaking(folder, day) if name in terms],
    }


def nearest(name: str) -> list[str]:
    """The ids of rules and terms that are spelled most alike, the nearest first."""
    from schemas import place

    return difflib.get_close_matches(name.upper(), [*explain.known(), *place.patterns()], n=5, cutoff=0.6)


@lru_cache(maxsize=1)
def _terms() -> dict[str, dict[str, str]]:
    """Term → its name, cardinality and lowest profile, where it first stands in the model."""
    from schemas import place

    found: dict[str, dict[str, str]] = {}

    def walk(cls: type[Any], group: str, deep: int) -> None:
        for one in fields(cls):
            name = id_of(one, group)
            shape = shapes(cls)[one.name]
            for each in (name, french_id_of(one, group)):
                if each:
                    profile = profile_of(one, group)
                    entry = {"name": one.metadata["name"], "cardinality": one.metadata["cardinality"]}
                    found.setdefault(each, {**entry, "profile": str(profile or "")})
            if shape.kind == "group" and deep:
                walk(shape.cls, name or group, deep - 1)

    walk(Invoice, "", place.DEPTH)
    return found


@lru_cache(maxsize=4)
def _speaking(folder: str | None, day: datetime.date | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The rules of the artefacts that are here, each once, with the terms they concern."""
    from schemas import catalogue

    found: dict[str, tuple[str, ...]] = {}
    for rules in catalogue.artefacts():
        for name, says in _asserted(rules, folder, day):
            terms = explain.terms_of(name, says)
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *terms)))
    return tuple(sorted(found.items()))


def _asserted(rules: Rules, folder: str | None, day: datetime.date | None) -> Iterator[tuple[str, str]]:
    """What an artefact asserts; nothing where it is not here or cannot be read."""
    with contextlib.suppress(rulebook.Missing, Refused, OSError):
        yield from rulebook.asserted(rules, folder, day)


def _by_its_sentence(family: Explanation, folder: str | None, day: datetime.date | None) -> Explanation:
    """What the publisher's sentence tells of a rule that its id says too little of; the family where there is none, and
    where the levels of Factur-X use one id for several rules."""
    from schemas import catalogue

    told = {}
    for rules in catalogue.artefacts():
        for name, says in _asserted(rules, folder, day):
            if name == family.rule and (one := explain.explain(name, says)):
                told[one.english] = one
    return next(iter(told.values())) if len(told) == 1 else family


_OWN = {"XML": "xml", "JSON": "json", "PDF": "pdf", "FORMAT": "format", "MEDIA": "format", "HOUSE": "house"}
"""How the ids of our own rules begin → their layer, which has no edition."""


def layers(name: str, folder: str | None = None, day: datetime.date | None = None) -> list[tuple[str, str]]:
    """The layers that apply a rule, each with the edition that judges the documents of that day; ours have none."""
    rules = next((rules for start, rules in _families() if name.startswith(start)), None)
    if rules is None:
        own = _OWN.get(name.partition("-")[0])
        return [(own, "")] if own else []
    found = []
    for one in rules:
        try:
            found.append((one.layer, editions.choose(one.artefact, folder, day).loaded.edition))
        except rulebook.Missing:
            found.append((one.layer, f"{one.artefact.publisher} {one.artefact.edition} (not installed)"))
    return found


def _families() -> tuple[tuple[str, tuple[Rules, ...]], ...]:
    """How the ids of rules begin → the artefacts that have them."""
    levels = {level: facturx.chain(profile)[1] for profile, level in facturx.PROFILES.items()}
    norm, richest, every = (levels["en16931"],), (levels["extended"],), tuple(levels.values())
    return (
        ("BR-FR-CDV", (fr.BR_FR_CDV,)),
        ("F10-", (fr.FLUX10,)),
        ("FLUX10", (fr.FLUX10,)),
        ("BR-FREXT", (fr.EXTENDED_CII, fr.EXTENDED_UBL)),
        ("BR-FR", (fr.BR_FR_CII, fr.BR_FR_UBL)),
        ("BR-FXEXT", richest),
        ("BR-", (en16931.UBL, *norm)),
        ("UBL-", (en16931.UBL,)),
        ("CII-", (*norm, fr.EXTENDED_CII)),
        ("FX-SCH", every),
        ("FACTURX", every),
        ("XSD", (facturx.D22B, en16931.INVOICE_XSD, en16931.CREDIT_NOTE_XSD)),
    )
