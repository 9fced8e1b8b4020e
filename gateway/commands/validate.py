"""`estafette validate`: the one verdict of the line and the API (`schemas.judge`), on files, without a gateway."""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gateway.commands import batch, files, terminal
from gateway.commands.batch import BAD, FAILED, GOOD
from gateway.commands.files import Source, Unusable
from gateway.commands.terminal import Told, printable
from gateway.settings import Settings

EXAMPLES = """\
examples:
  estafette validate invoice.xml                         one document: CII, UBL, Factur-X PDF or JSON
  estafette validate status.xml report.xml               status messages (CDAR) and e-reporting (flux 10) too
  estafette validate --french invoices/                  a folder with its folders, by the French rules too
  curl -s URL | estafette validate -                     standard input
  estafette validate --format json invoices/ | jq -r 'select(.verdict != "valid") | .path'

With --format json one object a line: path, format, profile, verdict (valid, invalid, unjudged), layers (name, edition,
verdict, reason) and findings (rule, severity, layer, terms, path, line, found, expected, says, fix, place: where in the
JSON form, as a pointer). Every member is always there.

A layer is judged by the edition of its rules in force on the day of the document, which `edition` names; where none is,
`reason` says which was taken. `estafette rules list` shows the editions, `estafette explain RULE` what a rule means.

Exit code 0: all are valid. 1: some are not. 2: some could not be read or judged. A layer that could not run never
counts as passed.
"""

_VERDICTS = {
    "valid": Told("valid", "valide"),
    "invalid": Told("INVALID", "INVALIDE"),
    "unjudged": Told("NOT JUDGED", "NON JUGÉ"),
}
_CODES = {"valid": GOOD, "invalid": BAD}
_SEVERITIES = {
    "fatal": Told("fatal", "fatal"),
    "warning": Told("warning", "avertissement"),
    "info": Told("info", "info"),
}
_OF_OURS = ("xsd", "xml", "json", "pdf", "format", "file", "house")
"""Layers whose sentences are about this document, not about a rule."""
_LAYER = {"name": "", "edition": "", "verdict": "", "reason": ""}
_FINDING: dict[str, Any] = {
    "rule": "", "severity": "", "layer": "", "terms": [], "path": "", "line": None, "found": None, "expected": None,
    "says": "", "fix": None, "place": "",
}  # fmt: skip
"""The members of each shape in their order, with what stands where there is nothing to say."""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "validate",
        description="Judge invoices as the gateway does: recognised, well-formed, XSD, the official European or "
        "Factur-X rules, the French rules where asked for, and the house's own checks. Status messages and e-reporting "
        "are judged by their XSD and rules. No server is needed.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files.add_paths(it, "a file")
    it.add_argument("--french", action="store_true", help="by the rules between French businesses too (BR-FR)")
    it.add_argument("--facturx", action="store_true", help="CII: as the Factur-X that will be made of it")
    it.add_argument("--quiet", action="store_true", help="text: only what is not valid")
    terminal.add_format(it)
    terminal.add_language(it)
    batch.add_jobs(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Judge each file and print its verdict."""
    language = terminal.language_of(options, os.environ)
    sources = files.found(options.paths)
    count: Counter[str] = Counter()
    folder = str(settings.rules) if settings.rules else None
    job = partial(report, french=options.french, folder=folder, hybrid=options.facturx)

    def take(source: Source, result: dict[str, Any] | Unusable) -> int:
        members = unjudged(source, result.told) if isinstance(result, Unusable) else result
        count[members["verdict"]] += 1
        if options.format == "json":
            terminal.print_json(members)
        elif isinstance(result, Unusable):
            word = _VERDICTS["unjudged"].into(language)
            print(printable(f"{word:<8} {source.name}: {result.told.into(language)}"))
        elif not options.quiet or members["verdict"] != "valid":
            _tell(members, language)
        return _CODES.get(members["verdict"], FAILED)

    code = batch.each(job, sources, take, jobs=options.jobs, seconds=settings.compute_seconds)
    if options.format == "text" and len(sources) > 1:
        _tell_count(count, language)
    return code


def report(source: Source, *, french: bool, folder: str | None, hybrid: bool) -> dict[str, Any]:
    """The verdict on one source in the shape of the command. Raises Unusable."""
    from schemas.judge import judge

    data = source.read()
    return shape(source.name, judge(data, french=french, folder=folder, hybrid=hybrid).as_json())


def shape(path: str, report: Mapping[str, Any]) -> dict[str, Any]:
    """The object of one document: each member is there, whether or not there is something to say."""
    more = {"uncounted": report["uncounted"]} if report.get("uncounted") else {}
    return {
        "path": path,
        "format": report["format"],
        "profile": report["profile"],
        "verdict": report["verdict"],
        "layers": [{**_LAYER, **layer} for layer in report["layers"]],
        "findings": [{**_FINDING, **finding} for finding in report["findings"]],
        **more,
    }


def unjudged(source: Source, told: Told) -> dict[str, Any]:
    """The object of a file that could not even be handed to the judge."""
    finding = {
        "rule": "ENGINE-FILE",
        "severity": "fatal",
        "layer": "file",
        "says": f"Could not be judged: {told.english}.",
    }
    layer = {"name": "file", "verdict": "skipped", "reason": told.english}
    said = {"format": "", "profile": "", "verdict": "unjudged", "layers": [layer], "findings": [finding]}
    return shape(source.name, said)


def _tell(members: Mapping[str, Any], language: str) -> None:
    """One document for people: its verdict, what did not run, and each finding."""
    verdict = _VERDICTS[members["verdict"]].into(language)
    what = ", ".join(text for text in (members["format"], members["profile"]) if text)
    print(printable(f"{verdict:<8} {members['path']}" + (f"  ({what})" if what else "")))
    for reason, layers in _reasons(members["layers"]).items():
        said = _into_french(reason) if language == "fr" else reason
        print(printable(f"         {', '.join(layers)}: {said}"))
    for finding in members["findings"]:
        _tell_finding(finding, language)
    if left := members.get("uncounted"):
        print(f"         … {left} autres" if language == "fr" else f"         … and {left} more")


def _reasons(layers: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What is said about layers that did not run, or ran in an edition of another day: reason → their names."""
    reasons: dict[str, list[str]] = {}
    for layer in layers:
        if layer["reason"]:
            skipped = "skipped: " if layer["verdict"] == "skipped" else ""
            reasons.setdefault(f"{skipped}{layer['reason']}", []).append(layer["name"])
    return reasons


_FRENCH = (
    (r"skipped: the layer (\S+) failed", r"non appliquée : la couche \1 a échoué"),
    (r"skipped: the layer (\S+) could not be judged", r"non appliquée : la couche \1 n'a pu être jugée"),
    (r"skipped: could not be judged", "non appliquée : n'a pu être jugée"),
    (
        r"no edition known here is in force on (\S+); the first after it, from (\S+), judged",
        r"aucune édition connue ici n'est en vigueur le \1 ; jugée par la première qui suit, du \2",
    ),
    (
        r"no edition known here is in force on (\S+); the last before it, until (\S+), judged",
        r"aucune édition connue ici n'est en vigueur le \1 ; jugée par la dernière qui précède, jusqu'au \2",
    ),
)
"""What `schemas.judge` and `schemas.editions` say, and how that is said in French; what they say otherwise stays."""


def _into_french(reason: str) -> str:
    for english, french in _FRENCH:
        reason = re.sub(f"^{english}", french, reason)
    return reason


_VALUES_IN_FRENCH = (
    (r"^one of (\d+) codes; nearest: ", r"un des \1 codes ; proches : "),
    (r"^one of (\d+) codes: ", r"un des \1 codes : "),
    (r"^one of ", "une valeur parmi "),
    (r"^none of ", "aucune valeur parmi "),
    (r"^at most ", "au plus "),
    (r"^at least ", "au moins "),
    (r"^more than ", "plus de "),
    (r"^less than ", "moins de "),
    (r"^exactly ", "exactement "),
    (r"^a value$", "une valeur"),
    (r"^nothing$", "rien"),
    (r"^without spaces$", "sans espaces"),
    (r"^text of the form ", "texte de la forme "),
    (r"^with “(.*)” in it$", r"« \1 » dans le texte"),
    (r"^not (beginning|ending) with ", r"ne pas \1 with "),
    (r"beginning with “(.*)”$", r"commençant par « \1 »"),
    (r"ending with “(.*)”$", r"finissant par « \1 »"),
    (r", give or take (\S+)$", r", à \1 près"),
    (r"(\d) characters(\)?)$", r"\1 caractères\2"),
    (r"(\d) decimals$", r"\1 décimales"),
    (r"(\d) digits$", r"\1 chiffres"),
    (r"(\d) capital letters$", r"\1 lettres capitales"),
)
"""How `schemas.schematron.operands` says what was found and expected, in French; other values stay as they are."""


def _value(text: str | None, language: str) -> str:
    """What was found or expected, in words; a dash for nothing."""
    for english, french in _VALUES_IN_FRENCH if language == "fr" and text else ():
        text = re.sub(english, french, text or "")
    return text or "-"


def _tell_finding(finding: Mapping[str, Any], language: str) -> None:
    """In French our own words go before the publisher's, which are kept: they are what a platform will cite."""
    from schemas.explain import explain

    known = explain(finding["rule"], finding["says"]) if language == "fr" else None
    says, fix = finding["says"], finding["fix"]
    if known is not None:
        fix = known.fix_french or fix
        if finding["layer"] not in _OF_OURS:  # those say themselves what is wrong here, better than their family does
            says = f"{known.french} [{says}]"
    severity = _SEVERITIES[finding["severity"]].into(language)
    line = f" ({'ligne' if language == 'fr' else 'line'} {finding['line']})" if finding["line"] else ""
    terms = f" {', '.join(finding['terms'])}" if finding["terms"] else ""
    print(printable(f"  {severity:<7} {finding['rule']}{terms}{line}: {says}"))
    if finding["path"]:
        print(printable(f"          {'où' if language == 'fr' else 'at'} {finding['path']}"))
    if finding["place"] and finding["place"] != finding["path"]:
        print(printable(f"          {'en JSON' if language == 'fr' else 'in JSON'} {finding['place']}"))
    if finding["found"] is not None or finding["expected"] is not None:
        names = ("trouvé", "attendu") if language == "fr" else ("found", "expected")
        found, expected = _value(finding["found"], language), _value(finding["expected"], language)
        print(printable(f"          {names[0]} {found}, {names[1]} {expected}"))
    if fix:
        print(printable(f"          → {fix}"))


def _tell_count(count: Mapping[str, int], language: str) -> None:
    total = sum(count.values())
    parts = [f"{count[name]} {_VERDICTS[name].into(language).lower()}" for name in _VERDICTS if count.get(name)]
    print(f"{total} {'documents' if total > 1 else 'document'}: {', '.join(parts)}")
