"""`estafette statements`: judge bank files, import them, and decide what their lines pay."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway import banking
from gateway.api import statements as api
from gateway.banking import Options
from gateway.commands import batch, files, inside, terminal
from gateway.commands.files import Source, Unusable
from gateway.commands.terminal import Told, printable
from gateway.errors import GatewayError, Rejected
from gateway.main import Gateway
from gateway.matching.values import Part, told
from gateway.settings import Settings
from gateway.store import accounts, statements
from gateway.store.statements import Shown
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
    _inside(take, _imported)
    listed = parts.add_parser("list", help="what was imported, or with --lines each line and what it pays")
    listed.add_argument("--lines", action="store_true", help="the lines, not the statements")
    listed.add_argument("--state", choices=statements.STATES, help="lines in this state alone")
    listed.add_argument("--limit", type=int, default=statements.PAGE_LIMIT, help="the newest so many")
    _inside(listed, _listed)
    proposals = parts.add_parser("proposals", help="what waits for a person, with reasons")
    _inside(proposals, _proposals)
    accept = parts.add_parser("accept", help="book a proposal")
    accept.add_argument("id", type=UUID, metavar="MATCH")
    _documents(accept, "book this instead of what is proposed")
    _inside(accept, _accepted)
    assign = parts.add_parser("assign", help="book a line on documents you choose")
    assign.add_argument("id", type=UUID, metavar="LINE")
    _documents(assign, "what the line pays")
    _inside(assign, _assigned)
    for name, help_, work in (("refuse", "say that a proposal is wrong", _refused), ("undo", "take it back", _undone)):
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


def _inside(it: argparse.ArgumentParser, work: inside.Work) -> None:
    it.add_argument("--account", type=UUID, help="whose; not needed where there is one account")
    it.add_argument("--by", default="", help="who does it; the account of this machine by default")
    if not any(action.dest == "format" for action in it._actions):
        terminal.add_format(it)
        terminal.add_language(it)
    it.set_defaults(run=inside.run, work=work)


def _documents(it: argparse.ArgumentParser, help_: str) -> None:
    it.add_argument("--document", action="append", default=[], metavar="ID[=AMOUNT]", help=f"{help_}; may be repeated")


# --- files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judging:
    """The job on one file. Picklable."""

    options: Options

    def __call__(self, source: Source) -> Reading:
        given = self.options
        return read(source.read(), account=given.account, currency=given.currency, mapping=given.mapping)


def _given(options: argparse.Namespace) -> Options:
    """What the command line says of the files. Raises Unusable."""
    mapping = None
    if options.csv is not None:
        try:
            members = json.loads(files.beside(str(options.csv)))
            mapping = Mapping_.from_json(members if isinstance(members, dict) else {})
        except (ValueError, RecursionError) as wrong:
            raise Unusable(Told(f"the mapping: {wrong}", f"la description du CSV : {wrong}")) from wrong
    return Options(options.bank_account, options.currency.upper(), mapping)


def _check(options: argparse.Namespace, settings: Settings) -> int:
    language = terminal.language_of(options, os.environ)

    def taken(source: Source, result: Reading | Unusable) -> int:
        if isinstance(result, Unusable):
            print(printable(f"{source.name}: {result.told.into(language)}"), file=sys.stderr)
            return batch.FAILED
        if options.format == "json":
            terminal.print_json({"file": source.name, **api.verdict(result)})
        else:
            for line in _told(source.name, result, language):
                print(printable(line))
        return batch.GOOD if result.sound else batch.BAD

    return batch.each(_Judging(_given(options)), files.found(options.paths, ENDINGS), taken, jobs=options.jobs)


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
        yield _finding(finding, language)


def _finding(finding: Finding, language: str) -> str:
    french = language == "fr"
    where = f"{'ligne' if french else 'line'} {finding.line}: " if finding.line else ""
    found = f" {'Trouvé' if french else 'Found'}: {finding.found}." if finding.found else ""
    expected = f" {'Attendu' if french else 'Expected'}: {finding.expected}." if finding.expected else ""
    mark = "✗" if finding.severity is Severity.FATAL else "!"
    return f"  {mark} {where}{finding.rule}  {says(finding, language)}{found}{expected}"


async def _imported(options: argparse.Namespace, gateway: Gateway) -> int:
    language = terminal.language_of(options, os.environ)
    account_id, given, worst = await _account(options, gateway), _given(options), batch.GOOD
    for source in files.found(options.paths, ENDINGS):
        try:
            data = source.read()
            reading, kept, run = await banking.take(gateway.resources, account_id, data, given, _who(options))
        except Unusable as unusable:
            print(printable(f"{source.name}: {unusable.told.into(language)}"), file=sys.stderr)
            worst = batch.FAILED
            continue
        except Rejected as refused:
            print(printable(f"{source.name}: {refused.detail}"), file=sys.stderr)
            for finding in refused.findings:
                print(printable(_finding(finding, language)), file=sys.stderr)
            worst = max(worst, batch.BAD)
            continue
        new, known = sum(one.lines for one in kept), sum(one.known for one in kept)
        if options.format == "json":
            members = {"imported": [str(one.statement_id) for one in kept], "lines": new, "known": known}
            terminal.print_json(
                {"file": source.name, **api.verdict(reading), **members, "booked": run.booked, "proposed": run.proposed}
            )
            continue
        line = Told(
            f"{source.name}: {new} new lines, {known} entries known; {run.booked} booked, {run.proposed} proposed",
            f"{source.name} : {new} lignes nouvelles, {known} écritures connues ; {run.booked} comptabilisées, "
            f"{run.proposed} proposées",
        )
        print(printable(line.into(language)))
        for finding in reading.findings:
            print(printable(_finding(finding, language)))
    return worst


# --- lines and matches ------------------------------------------------------------------------------------------------


async def _listed(options: argparse.Namespace, gateway: Gateway) -> int:
    account_id = await _account(options, gateway)
    limit = max(1, options.limit)
    async with gateway.resources.pool.account(account_id) as connection:
        if options.lines or options.state:
            lines, _ = await statements.lines(connection, options.state, None, None, limit)
            _show_lines(options, lines)
            return 0
        kept, _ = await statements.listed(connection, None, limit)
    for one in kept:
        if options.format == "json":
            terminal.print_json(api.statement(one))
        else:
            span = f"{one.starts_on or '…'} – {one.ends_on or '…'}"
            state = "" if one.sound else "  (does not add up)"
            head = f"{one.statement_id}  {one.format}  {one.bank_account} {one.currency}  {one.number}"
            print(printable(f"{head}  {span}  {one.entries} entries, {one.known} known before{state}"))
    return 0


async def _proposals(options: argparse.Namespace, gateway: Gateway) -> int:
    account_id = await _account(options, gateway)
    async with gateway.resources.pool.account(account_id) as connection:
        lines, _ = await statements.lines(connection, "proposed", None, None, statements.PAGE_LIMIT)
    _show_lines(options, lines)
    return 0


def _show_lines(options: argparse.Namespace, lines: list[Shown]) -> None:
    language = terminal.language_of(options, os.environ)
    for one in lines:
        if options.format == "json":
            terminal.print_json(api.line(one, language))
            continue
        who = " ".join(part for part in (one.line.party, one.line.text.replace("\n", " ")[:80]) if part)
        print(
            printable(
                f"{one.line.id}  {one.line.booked_on}  {one.line.amount:f} {one.line.currency}  {one.state}  {who}"
            )
        )
        for document, number, amount in one.parts:
            print(printable(f"    {one.match_id}  {amount:f} → {number or document} ({document})"))
        if one.reasons:
            print(printable("    " + "; ".join(told(reason, language) for reason in one.reasons)))


async def _accepted(options: argparse.Namespace, gateway: Gateway) -> int:
    account_id = await _account(options, gateway)
    parts = await _parts(options, gateway, account_id, line_id=None)
    match_id = await banking.accept(gateway.resources, account_id, options.id, _who(options), parts)
    print(f"booked: {match_id}")
    return 0


async def _assigned(options: argparse.Namespace, gateway: Gateway) -> int:
    account_id = await _account(options, gateway)
    parts = await _parts(options, gateway, account_id, line_id=options.id)
    match_id = await banking.assign(gateway.resources, account_id, options.id, _who(options), parts)
    print(f"booked: {match_id}")
    return 0


async def _refused(options: argparse.Namespace, gateway: Gateway) -> int:
    await banking.refuse(gateway.resources, await _account(options, gateway), options.id, _who(options))
    print("refused; it is not proposed again")
    return 0


async def _undone(options: argparse.Namespace, gateway: Gateway) -> int:
    await banking.undo(gateway.resources, await _account(options, gateway), options.id, _who(options))
    print("undone: each of its payments has its reversal")
    return 0


async def _parts(
    options: argparse.Namespace, gateway: Gateway, account_id: UUID, *, line_id: UUID | None
) -> list[Part]:
    """What the command line chooses; one document without an amount gets the whole line. Raises GatewayError."""
    found = []
    for text in options.document:
        name, _, amount = text.partition("=")
        try:
            if not amount and len(options.document) > 1:
                raise GatewayError("of several documents each has its amount, ID=AMOUNT")
            if amount:
                found.append(Part(UUID(name), Decimal(amount)))
                continue
            async with gateway.resources.pool.account(account_id) as connection:
                wanted = line_id or await statements.line_of(connection, options.id)
                line = await statements.line(connection, wanted)
            found.append(Part(UUID(name), line.amount))
        except (ValueError, InvalidOperation) as wrong:
            raise GatewayError(f"{text} is no document with an amount") from wrong
    return found


async def _account(options: argparse.Namespace, gateway: Gateway) -> UUID:
    """The account that is named, or the only one. Raises GatewayError."""
    every = await accounts.every_id(gateway.resources.pool)
    if options.account is not None:
        if options.account not in every:
            raise GatewayError("there is no such account")
        return UUID(str(options.account))
    if len(every) != 1:
        raise GatewayError("name the account with --account: there is not exactly one")
    return every[0]


def _who(options: argparse.Namespace) -> str:
    return f"operator:{options.by.strip() or getpass.getuser()}"
