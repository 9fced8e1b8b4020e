"""What `build`, `convert` and `page` share: each source becomes one file, and it is told what became of it.

The report goes to standard output; where the result itself goes there, to standard error. What would be lost, what is
wrong and what cannot be read is named in full, and then nothing is written.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

from gateway.clock import SystemClock
from gateway.commands import batch, files, terminal
from gateway.commands.batch import BAD, FAILED, GOOD
from gateway.commands.files import STANDARD, Source, Unusable
from gateway.commands.terminal import Told, printable, shown
from gateway.settings import Settings

if TYPE_CHECKING:
    from schemas.conversion import Converted, Wish

ENDINGS = {"cii": ".xml", "ubl": ".xml", "facturx": ".pdf", "json": ".json", "page": ".pdf"}
"""Of a result, by what it was asked to be."""

_SHOWN = 50
"""Losses or findings of one document that are told to a person; programs get all."""
_FRENCH = {
    "unknown": "notre modèle de facture ne connaît pas cet élément",
    "syntax": "la syntaxe visée n'a pas de place pour cette valeur",
    "profile": "le profil visé n'a pas ce terme",
    "file": "la cible ne peut pas porter ce fichier",
    "page": "la page nomme ce fichier sans le porter",
}
"""Why something would be lost."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a job hands back: bytes to write, or why there are none. Picklable."""

    data: bytes | None = None
    members: Mapping[str, Any] = field(default_factory=dict)
    """format, media_type, profile, unchanged, losses, uncounted."""
    findings: tuple[Mapping[str, Any], ...] = ()
    reason: Told | None = None
    """Why nothing was made."""
    notes: tuple[Told, ...] = ()
    """What else was done."""
    code: int = GOOD


def add_options(it: argparse.ArgumentParser, what: str, *, lossy: bool = True) -> None:
    """The arguments and options that all three take; `lossy`: whether losing something is asked about."""
    files.add_paths(it, "an invoice")
    files.add_output(it, what)
    if lossy:
        it.add_argument(
            "--allow-loss",
            action="store_true",
            help="make the result although it lacks something, which is named; else nothing is made",
        )
    terminal.add_language(it, page=True)
    terminal.add_format(it)
    batch.add_jobs(it)


def wish_of(options: argparse.Namespace, settings: Settings, to: str) -> Wish:
    """What the options ask for. Raises Unusable."""
    from schemas.conversion import Wish, profile_of
    from schemas.formats.facturx.wording import languages

    try:
        profile = profile_of(getattr(options, "profile", None) or "")
    except ValueError as unknown:
        raise Unusable(Told(str(unknown), f"profil inconnu : {options.profile}")) from unknown
    language = options.language or settings.language
    if language not in languages():
        known = ", ".join(languages())
        raise Unusable(Told(f"the page speaks {known}, not {language}", f"la page parle {known}, pas {language}"))
    return Wish(
        to,
        _instant(os.environ),
        profile=profile,
        language=language,
        accept_losses=getattr(options, "allow_loss", False),
        rules=str(settings.rules) if settings.rules else None,
    )


def _instant(environment: Mapping[str, str]) -> datetime:
    """When a PDF says it was made: now, or what SOURCE_DATE_EPOCH says, for those who want the same bytes again."""
    given = environment.get("SOURCE_DATE_EPOCH", "")
    if not given:
        return SystemClock().now().replace(microsecond=0)
    if not given.isascii() or not given.isdigit() or len(given) > 10:
        told = "SOURCE_DATE_EPOCH must be seconds since 1970", "SOURCE_DATE_EPOCH : des secondes depuis 1970"
        raise Unusable(Told(*told))
    return datetime.fromtimestamp(int(given), UTC)


def make(source: Source, *, wish: Wish, check: Callable[[bytes], Made | None] | None = None) -> Made:
    """Convert one source; what `check` says against the result is told instead of it. Raises Unusable."""
    from schemas.conversion import Lossy, Unwritable, convert, told
    from schemas.xml import Unreadable

    try:
        made = convert(source.read(), wish)
    except Unwritable as unwritable:
        says, dit = "the result would break its schema", "le résultat enfreindrait son schéma"
        return _refused(Told(says, dit), findings=unwritable.findings)
    except Unreadable as unreadable:
        return _refused(Told("it cannot be read", "lecture impossible"), findings=unreadable.findings)
    except Lossy as lossy:
        count = len(lossy.losses)
        says = f"{count} {'thing' if count == 1 else 'things'} would be lost; --allow-loss makes it all the same"
        dit = (
            f"{count} {'élément serait perdu' if count == 1 else 'éléments seraient perdus'} ; --allow-loss passe outre"
        )
        return replace(_refused(Told(says, dit)), members=told(lossy.losses))
    if check is not None and (against := check(made.data)):
        return against
    members = {
        "format": made.format,
        "media_type": made.media_type,
        "profile": made.profile,
        "unchanged": made.unchanged,
        **told(made.losses),
    }
    return Made(made.data, members, notes=tuple(_around(made)) if wish.supplied is not None else ())


def run(
    options: argparse.Namespace, settings: Settings, sources: Sequence[Source], to: str, job: Callable[[Source], Made]
) -> int:
    """Do the job on every source, write what it made, tell what became of each; returns the exit code."""
    places = dict(zip(map(id, sources), files.destinations(sources, options.output, ENDINGS[to]), strict=True))
    read = files.identities(sources)
    report = _Report(options, terminal.language_of(options, os.environ), STANDARD in places.values())

    def take(source: Source, result: Made | Unusable) -> int:
        place = places[id(source)]
        if isinstance(result, Unusable):
            result = Made(reason=result.told, code=FAILED)
        elif result.data is not None:
            try:
                files.write(place, result.data, force=options.force, sources=read)
            except Unusable as unusable:
                result = Made(reason=unusable.told, code=FAILED)
        report.tell(source, place, result)
        return result.code

    return batch.each(job, sources, take, jobs=options.jobs, seconds=settings.compute_seconds)


class _Report:
    """Tells what became of each source, as text or JSON."""

    def __init__(self, options: argparse.Namespace, language: str, aside: bool) -> None:
        self._json = options.format == "json"
        self._language = language
        self._aside = aside
        self._stream: TextIO = sys.stderr if aside else sys.stdout

    def tell(self, source: Source, place: str, made: Made) -> None:
        """One source."""
        if self._json:
            terminal.print_json(_as_json(source, place, made), self._stream)
        elif made.data is None:
            assert made.reason is not None
            batch.complain(source, made.reason, self._language)
            self._details(made, sys.stderr)
        else:
            self._written(source, place, made)

    def _written(self, source: Source, place: str, made: Made) -> None:
        """Where it is and what it is; a result on standard output is told of only where there is more to say."""
        members = made.members
        if not self._aside:
            what = ", ".join(text for text in (members["format"], members["profile"]) if text)
            same = {"fr": ", tel quel", "en": ", unchanged"}[self._language] if members["unchanged"] else ""
            line = f"{source.name} → {shown(place)}  ({what}{same}, {len(made.data or b'')} bytes)"
            print(printable(line.replace("bytes", "octets") if self._language == "fr" else line))
        self._details(made, self._stream)

    def _details(self, made: Made, stream: TextIO) -> None:
        for note in made.notes:
            print(printable(f"  {note.into(self._language)}"), file=stream)
        lost = made.members.get("losses", ())
        word = ("perdu" if self._language == "fr" else "lost") if made.data is not None else "-"
        lines = [f"{word} {_loss(one, self._language)}" for one in lost]
        lines += [_finding(one) for one in made.findings]
        for line in lines[:_SHOWN]:
            print(printable(f"  {line}"), file=stream)
        if len(lines) > _SHOWN:
            more = len(lines) - _SHOWN
            print(f"  … {more} autres" if self._language == "fr" else f"  … and {more} more", file=stream)


def _as_json(source: Source, place: str, made: Made) -> dict[str, Any]:
    """One source for programs; every member is always there."""
    empty = {"format": "", "media_type": "", "profile": "", "unchanged": False, "losses": []}
    return {
        "path": source.name,
        "outcome": {GOOD: "made", BAD: "refused"}.get(made.code, "failed"),
        "output": shown(place) if made.data is not None else None,
        "size": len(made.data) if made.data is not None else None,
        **empty,
        **made.members,
        "reason": made.reason.english if made.reason else None,
        "findings": list(made.findings),
        "notes": [note.english for note in made.notes],
    }


def refused_by(findings: Sequence[Any], reason: Told, code: int = BAD) -> Made:
    """Nothing is made, for these findings."""
    return _refused(reason, findings=findings, code=code)


def _refused(reason: Told, *, findings: Sequence[Any] = (), code: int = BAD) -> Made:
    return Made(findings=tuple(finding.as_json() for finding in findings), reason=reason, code=code)


def _around(made: Converted) -> Iterator[Told]:
    """What became of a supplied PDF: it is the page, or it goes along with ours, and why; what it carried before."""
    if made.preventions:
        why = " ".join(dict.fromkeys(finding.says for finding in made.preventions))
        yield Told(
            f"the supplied PDF cannot be PDF/A-3 as it looks, and goes along as an attachment of our page: {why}",
            f"le PDF fourni ne peut être PDF/A-3 tel quel et accompagne notre page en pièce jointe : {why}",
        )
    else:
        yield Told("around the supplied PDF", "autour du PDF fourni")
    for name in made.replaced:
        yield Told(f"in place of {name}, which the supplied PDF carried", f"à la place de {name}, que portait le PDF")


def _loss(members: Mapping[str, Any], language: str) -> str:
    what = " ".join(members.get(name, "") for name in ("term", "name", "path") if members.get(name))
    where = f" ({members['pointer']})" if members.get("pointer") else ""
    why = _FRENCH[members["cause"]] if language == "fr" else members["reason"]
    if members.get("lowest"):
        has = "présent dès" if language == "fr" else "first in"
        why += f" ({has} {members['lowest']})"
    return f"{what}{where}: {why}"


def _finding(members: Mapping[str, Any]) -> str:
    terms = f" {', '.join(members['terms'])}" if members.get("terms") else ""
    where = f" ({members['path']})" if members.get("path") else ""
    wanted = f" [{members.get('found', '-')} ≠ {members['expected']}]" if members.get("expected") else ""
    return f"{members['severity']} {members['rule']}{terms}: {members['says']}{where}{wanted}"


def job_of(wish: Wish, check: Callable[[bytes], Made | None] | None = None) -> Callable[[Source], Made]:
    """The job of one run, for `run`; `check` is picklable."""
    return partial(make, wish=wish, check=check)
