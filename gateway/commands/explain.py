"""`estafette explain`: what a rule means, in both languages, and what to do when an invoice breaks it."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import sys
from collections.abc import Sequence
from typing import Any

from gateway.commands import terminal
from gateway.commands.batch import BAD, GOOD
from gateway.commands.rules import effect_of
from gateway.settings import Settings
from schemas import explain, known_wrong
from schemas.explain import Explanation

EXAMPLES = """\
examples:
  estafette explain BR-CO-15                   what the rule asks for, and what to do
  estafette explain BR-FR-03_BT-9 BR-S-08      several, also ids that name a place
  estafette explain                            the families of rules
  estafette explain --format json BR-01        for programs: rule, terms, says and fix in both languages, layers
  estafette explain CII-SR-465                 a rule known to be wrong: what is, who says so, what is done about it

Exit code 0; 1 when a rule is not known, with the nearest ids.
"""

_LABELS = {
    "en": ("Concerns", "Asked for by", "To do"),
    "fr": ("Concerne", "Exigée par", "À faire"),
}


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "explain",
        description="Say in French and English what a rule asks for, which business terms it concerns, which layer of "
        "the rules in force asks for it, and what to do about a finding.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("rules", nargs="*", metavar="RULE", help="ids of rules, as findings name them")
    terminal.add_format(it)
    terminal.add_language(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Explain each rule; without any, list the families."""
    language = terminal.language_of(options, os.environ)
    if not options.rules:
        _families(options.format, language)
        return GOOD
    folder = str(settings.rules) if settings.rules else None
    worst = GOOD
    for number, rule in enumerate(options.rules):
        explanation = _found(rule)
        if explanation is None:
            worst = BAD
            _unknown(rule, options.format, language)
            continue
        if explanation.family:
            explanation = _by_its_sentence(explanation, folder)
        layers = _layers(explanation.rule, folder)
        if options.format == "json":
            terminal.print_json(_as_json(explanation, layers))
            continue
        if number:
            print()
        _tell(explanation, layers, language)
    return worst


def _found(rule: str) -> Explanation | None:
    """The explanation of an id as typed, or as it is meant when typed in small letters."""
    return explain.explain(rule) or explain.explain(rule.upper())


def _by_its_sentence(family: Explanation, folder: str | None) -> Explanation:
    """What the publisher's sentence tells of a rule that its id says too little of; the family where there is none, and
    where the levels of Factur-X use one id for several rules."""
    from schemas import catalogue, rulebook
    from schemas.schematron.expression import Refused

    told = {}
    for rules in catalogue.artefacts():
        with contextlib.suppress(rulebook.Missing, Refused, OSError):
            for rule, says in rulebook.asserted(rules, folder):
                if rule == family.rule and (one := explain.explain(rule, says)):
                    told[one.english] = one
    return next(iter(told.values())) if len(told) == 1 else family


def _as_json(explanation: Explanation, layers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "rule": explanation.rule,
        "title": {"en": explanation.title_english, "fr": explanation.title_french},
        "terms": list(explanation.terms),
        "says": {"en": explanation.english, "fr": explanation.french},
        "fix": {"en": explanation.fix_english, "fr": explanation.fix_french},
        "layers": [{"name": name, "edition": edition} for name, edition in layers],
        "known_wrong": [
            {
                "says": {"en": one.english, "fr": one.french},
                "effect": str(one.effect),
                "effect_in_facturx": str(one.effect_on(hybrid=True)),
                "artefacts": list(one.artefacts),
                "source": one.source,
                "since": one.since.isoformat(),
            }
            for one in known_wrong.of(explanation.rule)
        ],
    }


def _tell(explanation: Explanation, layers: Sequence[tuple[str, str]], language: str) -> None:
    """Both languages, the reader's own first."""
    concerns, asked, _ = _LABELS[language]
    print(explanation.rule)
    for one in (language, "en" if language == "fr" else "fr"):
        title, says, fix = {
            "en": (explanation.title_english, explanation.english, explanation.fix_english),
            "fr": (explanation.title_french, explanation.french, explanation.fix_french),
        }[one]
        print(f"  {one}  {title}")
        print(f"      {says}")
        if fix:
            print(f"      → {fix}")
    if explanation.terms:
        print(f"  {concerns}: {', '.join(explanation.terms)}")
    for name, edition in layers:
        print(f"  {asked}: {name}" + (f", {edition}" if edition else ""))
    for wrong in known_wrong.of(explanation.rule):
        print(f"  {'Réputée fausse' if language == 'fr' else 'Known to be wrong'} ({', '.join(wrong.artefacts)}):")
        print(f"      {wrong.french if language == 'fr' else wrong.english}")
        print(f"      {effect_of(wrong.effect, wrong.effect_on(hybrid=True), language)}")
        print(f"      {wrong.source}, {wrong.since}")


def _unknown(rule: str, form: str, language: str) -> None:
    """No explanation: the nearest ids, rather than a guess."""
    near = difflib.get_close_matches(rule.upper(), explain.known(), n=5, cutoff=0.6)
    if form == "json":
        terminal.print_json({"rule": terminal.shown(rule), "nearest": near})
        return
    name = terminal.printable(terminal.shown(rule))
    says = f"estafette: no rule {name} is known." + (f" Nearest: {', '.join(near)}." if near else "")
    dit = f"estafette : la règle {name} est inconnue." + (f" Proches : {', '.join(near)}." if near else "")
    print(dit if language == "fr" else says, file=sys.stderr)


def _families(form: str, language: str) -> None:
    for one in explain.families():
        if form == "json":
            terminal.print_json(
                {"family": one.rule, "says": {"en": one.english, "fr": one.french},
                 "fix": {"en": one.fix_english, "fr": one.fix_french}}
            )  # fmt: skip
        else:
            print(f"{one.rule + '…' if one.rule.endswith('-') else one.rule:<12} "
                  f"{one.french if language == 'fr' else one.english}")  # fmt: skip
    if form == "text":
        count = len(explain.known())
        says = f"\n{count} rules have a text of their own; `estafette explain RULE` shows it."
        dit = f"\n{count} règles ont leur propre texte ; `estafette explain RÈGLE` le montre."
        print(dit if language == "fr" else says)


def _layers(rule: str, folder: str | None) -> list[tuple[str, str]]:
    """The layers that apply a rule, each with the edition installed here; ours have none."""
    from schemas import rulebook
    from schemas.rulebooks import en16931, facturx, fr

    levels = {level: facturx.chain(profile)[1] for profile, level in facturx.PROFILES.items()}
    norm, richest, every = (levels["en16931"],), (levels["extended"],), tuple(levels.values())
    table = (
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
    rules = next((rules for start, rules in table if rule.startswith(start)), None)
    if rules is None:
        own = {"XML": "xml", "JSON": "json", "PDF": "pdf", "FORMAT": "format", "MEDIA": "format", "HOUSE": "house"}
        name = own.get(rule.partition("-")[0])
        return [(name, "")] if name else []
    layers = []
    for one in rules:
        try:
            layers.append((one.layer, rulebook.find(one.artefact, folder).edition))
        except rulebook.Missing:
            layers.append((one.layer, f"{one.artefact.publisher} {one.artefact.edition} (not installed)"))
    return layers
