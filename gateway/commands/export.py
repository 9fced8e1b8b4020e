"""`estafette export`: the archive into a file: a table, a ZIP of originals, or all that a tax audit asks for.

The file appears when it is whole and has been checked, or not at all; the gateway may run meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.api import archive_query
from gateway.commands import criteria, files, inside, terminal
from gateway.commands.criteria import Reading
from gateway.commands.files import STANDARD, Unusable
from gateway.commands.terminal import Drawn, Told
from gateway.errors import Unanswerable
from gateway.export import check, documents, tax_audit
from gateway.export.documents import Progress, What
from gateway.export.table import Look
from gateway.main import Gateway, open_gateway
from gateway.settings import Settings
from gateway.store import archive_reads
from signing.verify import verify

EXAMPLES = """\
examples:
  estafette export --from 2026-01-01 --to 2026-12-31 -o 2026.csv
  estafette export --party 732829320 --kind credit_note --decimal comma --bom -o avoirs.csv
  estafette export --text "table chêne" --reason dispute --reference 4711 -o documents.zip
  estafette export --tax-audit --from 2026-01-01 --to 2026-12-31 --reason tax_audit -o audit.zip

Documents themselves (ZIP) are given for a reason only; it is recorded, and the account sees it (/v1/archive/reads).
Exit code 0: all of it is there, checked. 1: something could not be given; the file names it. 2: it could not be done.
"""


@dataclass(frozen=True, slots=True)
class _Made:
    """What an export came to."""

    progress: Progress
    checked: str


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "export",
        description="Export documents of the archive: a table (.csv), the originals (.zip), or with --tax-audit all\n"
        "that an inspector asks for: originals, orders, proofs, the chain from order to payment, and a checker.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "-o", "--out", "--output", required=True, metavar="FILE", help=".csv or .zip; - for a table on standard output"
    )
    it.add_argument("--force", action="store_true", help="overwrite what is there already")
    it.add_argument("--tax-audit", action="store_true", help="with proofs and the chain of each document")
    it.add_argument("--decimal", choices=("point", "comma"), default="point", help="of amounts in tables; comma: cells "
                    "apart by semicolons, as French spreadsheets expect")  # fmt: skip
    it.add_argument(
        "--bom", action="store_true", help="begin tables with a byte order mark, by which Excel knows UTF-8"
    )
    criteria.add(it)
    terminal.add_language(it)
    terminal.add_format(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Export, check, and say what came of it."""
    kind = _kind(options)
    asked = criteria.read(options)
    if kind != archive_reads.CSV and not asked.reason:
        raise Unusable(Told("documents are given for a reason only: --reason", "un motif est nécessaire : --reason"))
    if options.out == STANDARD:
        made = asyncio.run(_export(options, settings, kind, Path(STANDARD)))
        return 0 if made.progress.whole else 1
    with files.written(options.out, force=options.force) as beside:
        made = asyncio.run(_export(options, settings, kind, beside))
    _tell(options, made)
    return 0 if made.progress.whole else 1


async def _export(options: argparse.Namespace, settings: Settings, kind: str, path: Path) -> _Made:
    asked = criteria.read(options)
    async with open_gateway(settings, os.environ, attach=True) as gateway:
        pool, clock = gateway.resources.pool, gateway.resources.clock
        account = await criteria.account(pool, options.account)
        try:
            async with pool.account(account.id) as connection:
                wanted = await archive_query.spread(connection, account.id, asked)
        except Unanswerable as unanswerable:
            raise criteria.unusable(unanswerable) from unanswerable
        opened = {"by": inside.who(), "reason": asked.reason, "reference": asked.reference, "what": kind}
        what = What(account.id, wanted, asked.order, clock.now(), asked.told, opened)
        progress = Progress()
        begun = Reading(kind, {**asked.told, "export": "begins"}, 0, False, asked)
        await criteria.record(pool, account.id, begun, clock.now())
        try:
            async with aclosing(_parts(gateway, options, kind, what, progress)) as parts:
                await _write(path, parts, progress)
        finally:
            ended = "ends" if progress.ended else "broke off"
            query = {**asked.told, "export": ended, **({"manifest": progress.manifest} if progress.manifest else {})}
            said = Reading(kind, query, progress.documents, progress.whole, asked)
            await asyncio.shield(criteria.record(pool, account.id, said, clock.now()))
    checked = await asyncio.to_thread(_checked, kind, path)
    return _Made(progress, checked)


def _parts(
    gateway: Gateway, options: argparse.Namespace, kind: str, what: What, progress: Progress
) -> AsyncGenerator[bytes, None]:
    look = Look(comma=options.decimal == "comma", bom=options.bom)
    match kind:
        case archive_reads.CSV:
            return documents.as_csv(gateway.resources, what, look, progress)
        case archive_reads.ZIP:
            return documents.as_zip(gateway.resources, what, look, progress)
        case _:
            return tax_audit.as_zip(gateway.resources, what, look, progress)


async def _write(path: Path, parts: AsyncGenerator[bytes, None], progress: Progress) -> None:
    shown = Drawn()
    if str(path) == STANDARD:
        async for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
        return
    with path.open("wb") as file:
        async for part in parts:
            await asyncio.to_thread(file.write, part)
            shown.show(f"{progress.documents} documents")
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    shown.clear()


def _checked(kind: str, path: Path) -> str:
    """The file as it lies on the disk, read again and checked; what the checker says. Raises Unusable."""
    if kind == archive_reads.CSV:
        return ""
    shown = Drawn()
    try:
        return check.check(path, verify, lambda done, of: shown.show(f"checking {done}/{of}"))
    except check.Wrong as wrong:
        raise Unusable(Told(f"the export does not hold: {wrong}", f"l'export est faux : {wrong}")) from wrong
    finally:
        shown.clear()


def _kind(options: argparse.Namespace) -> str:
    """What the ending of the file and --tax-audit ask for. Raises Unusable."""
    ending = os.path.splitext(options.out)[1].lower()
    if options.tax_audit and ending == ".zip":
        return archive_reads.TAX_AUDIT
    if options.tax_audit:
        raise Unusable(Told("an export for a tax audit is a .zip", "un export pour contrôle fiscal est un .zip"))
    if ending == ".zip":
        return archive_reads.ZIP
    if ending == ".csv" or options.out == STANDARD:
        return archive_reads.CSV
    raise Unusable(Told("the file ends with .csv or .zip", "le fichier se termine par .csv ou .zip"))


def _tell(options: argparse.Namespace, made: _Made) -> None:
    progress = made.progress
    if options.format == "json":
        terminal.print_json(
            {
                "file": options.out,
                "documents": progress.documents,
                "left_out": progress.left_out,
                "whole": progress.whole,
                "goes_on": progress.goes_on or None,
                "unsealed": progress.unsealed or None,
                "manifest": progress.manifest or None,
                "checked": made.checked or None,
            }
        )
        return
    french = terminal.language_of(options, os.environ) == "fr"
    left = f"{progress.left_out} {'non fournis' if french else 'left out'}"
    print(f"{terminal.shown(options.out)}: {progress.documents} documents, {left}")
    for line in (made.checked, progress.goes_on, progress.unsealed):
        if line:
            print(f"  {line}")
