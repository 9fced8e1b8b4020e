"""What a rule id means to a person: title, business terms, demand and what to do about it, in English and French.

The texts are ours, in the files of `explanations/`; the publisher's own sentence stays in the finding (`says`). A rule
that has no text of its own is explained by what its family repeats: the VAT rules make the same ten demands of every
category, and the rules of the syntaxes say one of a few things about one element, which their sentence names
(`schemas.sentences`). What belongs to no family has no explanation: None, rather than a guess.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from schemas import sentences

FOLDER = Path(__file__).parent / "explanations"
"""The texts, in TOML: rule → terms, and title, demand and fix in either language."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One rule in words."""

    rule: str
    terms: tuple[str, ...]
    english: str
    french: str
    fix_english: str = ""
    """What to do, in one sentence."""
    fix_french: str = ""
    title_english: str = ""
    """What is wrong when the rule is broken, in a few words."""
    title_french: str = ""
    family: bool = False
    """It says only what all rules say whose ids begin like this one."""


_OWN = ("norm", "france", "status", "reporting", "lists", "syntax")
"""The files of rules that have a text of their own."""

_CATEGORIES = {
    "S": ("standard rate (S)", "taux normal (S)"),
    "Z": ("zero rate (Z)", "taux zéro (Z)"),
    "E": ("exempt (E)", "exonéré (E)"),
    "AE": ("reverse charge (AE)", "autoliquidation (AE)"),
    "IC": ("intra-community supply (K)", "livraison intracommunautaire (K)"),
    "G": ("export (G)", "exportation (G)"),
    "O": ("outside VAT (O)", "hors champ de TVA (O)"),
    "AF": ("IGIC, Canary Islands (L)", "IGIC, Canaries (L)"),
    "AG": ("IPSI, Ceuta and Melilla (M)", "IPSI, Ceuta et Melilla (M)"),
}

_PARTIES = ("the VAT numbers the category asks for are given", "les numéros de TVA exigés par la catégorie sont donnés")
_RATE = (
    "the rate fits the category: above 0 for S, none for O, else 0",
    "le taux est positif pour S, absent pour O, sinon 0",
)
_ALONE = ("no other VAT category stands beside it", "aucune autre catégorie ne la côtoie")
_VAT_DEMANDS: dict[str, tuple[tuple[str, ...], tuple[str, str]]] = {
    "01": (("BG-23", "BT-118"), ("a VAT breakdown of the category exists", "une ventilation de la catégorie existe")),
    "02": (("BT-31", "BT-32", "BT-63", "BT-48"), _PARTIES),
    "03": (("BT-31", "BT-32", "BT-63", "BT-48", "BT-95"), _PARTIES),
    "04": (("BT-31", "BT-32", "BT-63", "BT-48", "BT-102"), _PARTIES),
    "05": (("BT-152",), _RATE),
    "06": (("BT-96",), _RATE),
    "07": (("BT-103",), _RATE),
    "08": (
        ("BT-116", "BT-131", "BT-92", "BT-99"),
        ("the base is lines minus allowances plus charges", "la base est lignes moins remises plus charges"),
    ),
    "09": (("BT-117", "BT-116", "BT-119"), ("the tax is base times rate", "la taxe est base fois taux")),
    "10": (
        ("BT-120", "BT-121"),
        ("a reason for exemption is given where due", "un motif d'exonération est donné quand il est dû"),
    ),
    "11": (("BG-23",), _ALONE),
    "12": (("BT-151",), _ALONE),
    "13": (("BT-95",), _ALONE),
    "14": (("BT-102",), _ALONE),
}
_IC_DEMANDS = {
    "11": (
        ("BT-72", "BG-14"),
        ("a day of delivery or a period is given", "une date de livraison ou une période est donnée"),
    ),
    "12": (("BT-80",), ("the country of delivery is given", "le pays de livraison est donné")),
}
_VAT_TITLES = {
    "01": ("VAT breakdown missing", "ventilation de TVA absente"),
    "02": ("VAT number missing", "numéro de TVA absent"),
    "03": ("VAT number missing", "numéro de TVA absent"),
    "04": ("VAT number missing", "numéro de TVA absent"),
    "05": ("VAT rate of a line", "taux de TVA d'une ligne"),
    "06": ("VAT rate of an allowance", "taux de TVA d'une remise"),
    "07": ("VAT rate of a charge", "taux de TVA d'une charge"),
    "08": ("VAT base does not add up", "base de TVA inexacte"),
    "09": ("VAT amount does not add up", "montant de TVA inexact"),
    "10": ("reason for exemption", "motif d'exonération"),
    "11": ("another VAT category beside it", "autre catégorie de TVA à côté"),
    "12": ("line of another VAT category", "ligne d'une autre catégorie de TVA"),
    "13": ("allowance of another VAT category", "remise d'une autre catégorie de TVA"),
    "14": ("charge of another VAT category", "charge d'une autre catégorie de TVA"),
}
_IC_TITLES = {
    "11": ("day of delivery missing", "date de livraison absente"),
    "12": ("country of delivery missing", "pays de livraison absent"),
}
_VAT_FIX = ("Correct it, or choose another VAT category.", "Corrigez-le ou choisissez une autre catégorie de TVA.")
_VAT_RULE = re.compile(r"BR-(AE|AF|AG|IC|IG|IP|[SZEGO])-(\d\d)(?:rev|ini|[ab])?")
_TERM = re.compile(r"\b(?:BT|BG|EXT-FR-FE(?:-BG)?)-\d+(?:-\d+)?\b")
_DECIMALS = {
    "01": "BT-92",
    "02": "BT-93",
    "05": "BT-99",
    "06": "BT-100",
    "09": "BT-106",
    "10": "BT-107",
    "11": "BT-108",
    "12": "BT-109",
    "13": "BT-110",
    "14": "BT-112",
    "15": "BT-111",
    "16": "BT-113",
    "17": "BT-114",
    "18": "BT-115",
    "19": "BT-116",
    "20": "BT-117",
    "23": "BT-131",
    "24": "BT-136",
    "25": "BT-137",
    "27": "BT-141",
    "28": "BT-142",
}
"""Number of a rule BR-DEC → the amount that has at most two decimals."""
_ALIASES = {"1": "BR-FR-05_BT-22_PMT", "2": "BR-FR-05_BT-22_PMD", "3": "BR-FR-05_BT-22_AAB"}
"""UBL numbers the three notes that CII names by their subject: BR-FR-05_BT-22-1."""


def explain(rule: str, says: str = "") -> Explanation | None:
    """What a rule means. BR-FR-03_BT-9, an id with a place in it, is explained as BR-FR-03 where the place changes
    nothing; `says`, the publisher's sentence where it is known, tells which element a rule of a syntax is about.
    None: we cannot say."""
    found = _alone(rule) or _said(rule, says)
    if found is None:
        start = max((start for start in _families() if rule.startswith(start)), key=len, default=None)
        found = replace(_families()[start], family=start.endswith("-")) if start else None
    if found is None:
        return None
    return replace(found, rule=rule, terms=_named(rule, "") or found.terms)


def known() -> tuple[str, ...]:
    """Every id we can explain by itself, sorted; ids that only a family explains are not among them."""
    demands = [f"BR-{letters}-{number}" for letters in _CATEGORIES for number in _VAT_DEMANDS]
    decimals = [f"BR-DEC-{number}" for number in _DECIMALS]
    return tuple(sorted({*_texts(), *demands, *decimals, *(f"BR-IC-{number}" for number in _IC_DEMANDS)}))


def families() -> tuple[Explanation, ...]:
    """The families of rules, each under the beginning of its ids."""
    return tuple(_families().values())


def terms_of(rule: str, text: str = "") -> tuple[str, ...]:
    """The business terms a rule concerns: from its text, else from its id, else from our table; each once, in order.

    A text that has no term in common with our table has a slip (BR-FR-05 of UBL says BG-3, of notes): the table counts.
    """
    named = _named(rule, text)
    found = _alone(rule)
    if found is None or not found.terms or (named and set(named) & set(found.terms)) or (named and found.family):
        return named
    return found.terms if not named or _texts().get(_keys(rule)[0]) is found else named


def fix_of(rule: str, says: str = "") -> str | None:
    """What to do about a broken rule, in one English sentence; None where we cannot say. `says`: see `explain`."""
    found = explain(rule, says)
    return (found.fix_english or None) if found else None


def _named(rule: str, text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_TERM.findall(text) or _TERM.findall(rule.replace("_", " "))))


def _alone(rule: str) -> Explanation | None:
    """What the id alone tells: a text of the rule itself, or one of the demands of VAT and of decimals."""
    for key in _keys(rule):
        found = _texts().get(key) or _vat(key) or _decimals(key)
        if found:
            return found
    return None


@lru_cache(maxsize=4096)
def _keys(rule: str) -> tuple[str, ...]:
    """The ids under which a rule may have a text, the nearest first: without the places it adds (BR-FR-03_BT-9), and
    the extensions of the norm by their common name, then as the rule they extend (BR-FXEXT-CO-10)."""
    numbered = re.fullmatch(r"BR-FR-05_BT-22-([123])", rule)
    parts = rule.split("_")
    keys = [_ALIASES[numbered[1]]] if numbered else []
    if re.fullmatch(r"BR-FR-01_.*-2", rule):  # UBL's second rule on a number is about its signs, not its length
        keys = ["BR-FR-02"]
    keys += ["_".join(parts[:count]) for count in range(len(parts), 0, -1)]
    keys += [re.split(r"-(?=LEGALID|GLOBALID|Value|EXT|ID$)", parts[0])[0]]
    extended = re.sub(r"-(?:FXEXT|FREXT)-?", "-EXT-", parts[0])
    if "-EXT-" in extended:
        keys += [
            extended,
            extended.replace("-EXT-BR-", "-EXT-"),
            extended.replace("-EXT-", "-").replace("BR-BR-", "BR-"),
        ]
        keys += [re.sub(r"-S(\d)", r"-S-\1", keys[-1])]
    return tuple(dict.fromkeys(keys))


def _vat(rule: str) -> Explanation | None:
    """One of the ten demands that the norm repeats for every VAT category."""
    match = _VAT_RULE.fullmatch(rule)
    if not match:
        return None
    letters = {"IG": "AF", "IP": "AG"}.get(match[1], match[1])
    special = letters == "IC" and match[2] in _IC_DEMANDS
    demands = _IC_DEMANDS if special else _VAT_DEMANDS
    if match[2] not in demands:
        return None
    terms, (english, french) = demands[match[2]]
    category, title = _CATEGORIES[letters], (_IC_TITLES if special else _VAT_TITLES)[match[2]]
    demand, exigence = f"VAT, {category[0]}: {english}.", f"TVA, {category[1]} : {french}."
    titles = (f"VAT, {category[0]}: {title[0]}", f"TVA, {category[1]} : {title[1]}")
    return Explanation(rule, terms, demand, exigence, *_VAT_FIX, *titles)


def _decimals(rule: str) -> Explanation | None:
    """An amount of the norm has at most two decimals."""
    term = _DECIMALS.get(rule.removeprefix("BR-DEC-")) if rule.startswith("BR-DEC-") else None
    if term is None:
        return None
    english, french = term_names().get(term, (term, term))
    return Explanation(
        rule,
        (term,),
        f"{english} ({term}) has at most two decimals.",
        f"Au plus deux décimales pour « {french} » ({term}).",
        "Round it to two decimals.",
        "Arrondissez à deux décimales.",
        f"Too many decimals: {english}",
        f"Trop de décimales : {french}",
    )


def _said(rule: str, says: str) -> Explanation | None:
    """What the publisher's sentence tells of a rule of a regular family; of a rule of the norm it repeats, the same."""
    if not says:
        return None
    norm = sentences.alias(says)
    found = _alone(norm) if norm else None
    if found:
        return found
    said = sentences.read(rule, says)
    if said is None:
        return None
    return Explanation(rule, _named("", says), said.english, said.french, said.fix_english, said.fix_french,
                       said.title_english, said.title_french)  # fmt: skip


@lru_cache(maxsize=1)
def term_names() -> dict[str, tuple[str, str]]:
    """Business term → its name in English and in French."""
    with (FOLDER / "terms.toml").open("rb") as file:
        return {term: (english, french) for term, (english, french) in tomllib.load(file).items()}


@lru_cache(maxsize=1)
def _texts() -> dict[str, Explanation]:
    return {rule: text for name in _OWN for rule, text in _read(name).items()}


@lru_cache(maxsize=1)
def _families() -> dict[str, Explanation]:
    return _read("families")


def _read(name: str) -> dict[str, Explanation]:
    """One file of texts."""
    with (FOLDER / f"{name}.toml").open("rb") as file:
        entries = tomllib.load(file)
    read = {}
    for rule, entry in entries.items():
        title, english, fix = entry["en"]
        titre, french, remede = entry["fr"]
        terms = tuple(entry.get("terms", "").split())
        read[rule] = Explanation(rule, terms, english, french, fix, remede, title, titre)
    return read
