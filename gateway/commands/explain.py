"""`estafette explain`: what a rule means, in both languages, and what to do when an invoice breaks it; what a business
term is, and where."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.clock import SystemClock
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
  estafette explain BT-49                      a business term: where it is in CII, UBL and JSON, and its rules
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
    it.add_argument(
        "rules", nargs="*", metavar="RULE", help="ids of rules, as findings name them, or of business terms"
    )
    terminal.add_format(it)
    terminal.add_language(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Explain each rule; without any, list the families."""
    language = terminal.language_of(options, os.environ)
    if not options.rules:
        _families(options.format, language)
        return GOOD
    from schemas import reference

    folder = str(settings.rules) if settings.rules else None
    today = SystemClock().now().date()
    worst = GOOD
    for number, rule in enumerate(options.rules):
        term = reference.term(rule, folder, today)
        explanation = reference.explained(rule, folder, today) if term is None else None
        if term is None and explanation is None:
            worst = BAD
            _unknown(rule, options.format, language)
            continue
        if number and options.format == "text":
            print()
        if explanation is not None:
            layers = reference.layers(explanation.rule, folder, today)
            if options.format == "json":
                terminal.print_json(reference.as_json(explanation, layers))
            else:
                _tell(explanation, layers, language)
        elif term is not None:
            if options.format == "json":
                terminal.print_json(term)
            else:
                _tell_term(term, language)
    return worst


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


_OF_TERMS = {
    "en": {"cardinality": "Cardinality", "profile": "Lowest profile", "json": "In JSON", "rules": "Rules"},
    "fr": {"cardinality": "Cardinalité", "profile": "Profil minimal", "json": "En JSON", "rules": "Règles"},
}


def _tell_term(term: Mapping[str, Any], language: str) -> None:
    """A business term, in the reader's language."""
    labels = {**_OF_TERMS[language], "cii": "CII", "ubl": "UBL"}
    print(f"{term['term']}  {term['name'][language]}")
    for key in ("cardinality", "profile"):
        print(f"  {labels[key]}: {term[key] or '-'}")
    for key in ("cii", "ubl", "json"):
        for one in term[key] or ("-",):
            print(f"  {labels[key]}: {one}")
    print(f"  {labels['rules']} ({len(term['rules'])}): {', '.join(term['rules']) or '-'}")


def _unknown(rule: str, form: str, language: str) -> None:
    """No explanation: the nearest ids, rather than a guess."""
    from schemas import reference

    near = reference.nearest(rule)
    if form == "json":
        terminal.print_json({"rule": terminal.shown(rule), "nearest": near})
        return
    name = terminal.printable(terminal.shown(rule))
    says = f"estafette: no rule or term {name} is known." + (f" Nearest: {', '.join(near)}." if near else "")
    dit = f"estafette : la règle ou le terme {name} est inconnu." + (f" Proches : {', '.join(near)}." if near else "")
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
