"""`estafette statements`: judge bank files, import them, and decide what their lines pay.

What needs no database is here; the rest is in `statements_kept`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.commands import batch, files, terminal
from gateway.commands.files import Source, Unusable
from gateway.commands.terminal import Told, printable
from gateway.matching.values import STATES
from gateway.settings import Settings
from schemas.bank.reading import read
from schemas.bank.statement import Reading, says
from schemas.bank.table import Mapping_
from schemas.finding import Finding, Severity

ENDINGS = (".xml", ".sta", ".mt940", ".940", ".942", ".cfo", ".cfonb", ".txt", ".csv")
"""Of the files in a folder, those that may be statements."""

EXAMPLES = """\
examples:
  estafette statements check november.xml                 every fault with its line; nothing is kept
  estafette statements import november.xml releve.cfonb   kept once, matched; what is certain is booked
  estafette statements import --csv mapping.json --bank-account FR76… operations.csv
  estafette statements proposals                          what waits for a person, with reasons
  estafette statements accept MATCH                       book it as proposed
  estafette statements accept MATCH --document ID=120.00  book it on what you choose instead
  estafette statements assign LINE --document ID          book a line that has no proposal
  estafette statements refuse MATCH                       it is not proposed again
  estafette statements undo MATCH                         take a booking back

camt.052, camt.053, camt.054, MT940, MT942 and CFONB 120 are recognised by their content. A CSV needs a mapping, as
  {"booked_on": "Date", "amount": "Montant", "text": "Libellé", "date_format": "%d/%m/%Y", "decimal": ",",
   "encoding": "windows-1252", "currency": "EUR"}

Exit code of check 0: it can be taken, and its balances add up. 1: it cannot, or they do not. 2: it could not be done.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "statements",
        help="bank statements: check, import, and decide what their lines pay",
        description="Bank statements: check them, import them, and decide what their lines pay.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = it.add_subparsers(dest="part", required=True, metavar="WHAT")
    check = parts.add_parser("check", help="judge files without keeping anything")
    _file_options(check)
    batch.add_jobs(check)
    check.set_defaults(run=_check)
    take = parts.add_parser("import", help="keep files once, match their lines, book what is certain")
    _file_options(take)
    _inside(take, "imported")
    listed = parts.add_parser("list", help="what was imported, or with --lines each line and what it pays")
    listed.add_argument("--lines", action="store_true", help="the lines, not the statements")
    listed.add_argument("--state", choices=STATES, help="lines in this state alone")
    listed.add_argument("--limit", type=int, default=200, help="the newest so many")
    _inside(listed, "listed")
    proposals = parts.add_parser("proposals", help="what waits for a person, with reasons")
    _inside(proposals, "proposals")
    accept = parts.add_parser("accept", help="book a proposal")
    accept.add_argument("id", type=UUID, metavar="MATCH")
    _documents(accept, "book this instead of what is proposed")
    _inside(accept, "accepted")
    assign = parts.add_parser("assign", help="book a line on documents you choose")
    assign.add_argument("id", type=UUID, metavar="LINE")
    _documents(assign, "what the line pays")
    _inside(assign, "assigned")
    for name, help_, work in (
        ("refuse", "say that a proposal is wrong", "refused"),
        ("undo", "take a booking back", "undone"),
    ):
        decide = parts.add_parser(name, help=help_)
        decide.add_argument("id", type=UUID, metavar="MATCH")
        _inside(decide, work)


def _file_options(it: argparse.ArgumentParser) -> None:
    files.add_paths(it, "a bank file")
    it.add_argument(
        "--bank-account", default="", metavar="IBAN", help="the account they are of; needed where none is named"
    )
    it.add_argument("--currency", default="", help="of the account, where the file names none")
    it.add_argument("--csv", type=Path, metavar="MAPPING", help="a JSON file: how a CSV is to be read")
    terminal.add_format(it)
    terminal.add_language(it)


def _inside(it: argparse.ArgumentParser, name: str) -> None:
    """A part that needs the database, in `statements_kept` by its name: loaded when it is run, not for a mere check."""
    it.add_argument("--account", type=UUID, help="whose; not needed where there is one account")
    it.add_argument("--by", default="", help="who does it; the account of this machine by default")
    if not any(action.dest == "format" for action in it._actions):
        terminal.add_format(it)
        terminal.add_language(it)

    def run(options: argparse.Namespace, settings: Settings) -> int:
        return int(import_module("gateway.commands.statements_kept").run(name, options, settings))

    it.set_defaults(run=run)


def _documents(it: argparse.ArgumentParser, help_: str) -> None:
    it.add_argument("--document", action="append", default=[], metavar="ID[=AMOUNT]", help=f"{help_}; may be repeated")


# --- files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Given:
    """What the command line says of the files; calling it is the job on one. Picklable."""

    account: str
    currency: str
    mapping: Mapping_ | None

    def __call__(self, source: Source) -> Reading:
        return read(source.read(), account=self.account, currency=self.currency, mapping=self.mapping)


def given(options: argparse.Namespace) -> Given:
    """What the command line says of the files. Raises Unusable."""
    mapping = None
    if options.csv is not None:
        try:
            members = json.loads(files.beside(str(options.csv)))
            mapping = Mapping_.from_json(members if isinstance(members, dict) else {})
        except (ValueError, RecursionError) as wrong:
            raise Unusable(Told(f"the mapping: {wrong}", f"la description du CSV : {wrong}")) from wrong
    return Given(options.bank_account, options.currency.upper(), mapping)


def _check(options: argparse.Namespace, settings: Settings) -> int:
    language = terminal.language_of(options, os.environ)

    def taken(source: Source, result: Reading | Unusable) -> int:
        if isinstance(result, Unusable):
            print(printable(f"{source.name}: {result.told.into(language)}"), file=sys.stderr)
            return batch.FAILED
        if options.format == "json":
            terminal.print_json({"file": source.name, **result.as_json()})
        else:
            for line in _told(source.name, result, language):
                print(printable(line))
        return batch.GOOD if result.sound else batch.BAD

    return batch.each(given(options), files.found(options.paths, ENDINGS), taken, jobs=options.jobs)


def _told(name: str, reading: Reading, language: str) -> Iterator[str]:
    french = language == "fr"
    verdict = (
        ("correct", "bon")
        if reading.sound
        else ("readable, but", "lisible, mais")
        if reading.readable
        else ("refused", "refusé")
    )
    yield f"{name}: {verdict[french]}  {reading.format}".rstrip()
    for one in reading.statements:
        balances = "" if one.opening is None or one.closing is None else f"  {one.opening:f} → {one.closing:f}"
        entries = "écritures" if french else "entries"
        yield f"  {one.account} {one.currency}  {one.number}  {len(one.entries)} {entries}{balances}"
    for finding in reading.findings:
        yield told_of(finding, language)


def told_of(finding: Finding, language: str) -> str:
    """A finding as one line: how bad, where, its rule and what it says."""
    french = language == "fr"
    where = f"{'ligne' if french else 'line'} {finding.line}: " if finding.line else ""
    found = f" {'Trouvé' if french else 'Found'}: {finding.found}." if finding.found else ""
    expected = f" {'Attendu' if french else 'Expected'}: {finding.expected}." if finding.expected else ""
    mark = "✗" if finding.severity is Severity.FATAL else "!"
    return f"  {mark} {where}{finding.rule}  {says(finding, language)}{found}{expected}"
