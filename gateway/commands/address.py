"""`estafette address`: look an electronic address up in the French directory, or those of a whole customer file."""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from gateway import addresses, customers
from gateway.addresses import Looked
from gateway.commands import inside, terminal
from gateway.commands.terminal import Told
from gateway.customers import COLUMNS, ROLES, Table
from gateway.errors import Malformed, Misconfigured
from gateway.export.table import Look, header, row, safe
from gateway.main import Gateway
from gateway.reach import Reachability
from gateway.resources import Resources
from gateway.store import accounts

EXAMPLES = """\
examples:
  estafette address show 10000039700024                one address: SIREN, SIRET or the address itself (BT-49)
  estafette address check customers.csv -o checked.csv
  estafette address check customers.csv -o checked.csv --resume     go on where a run was cut off
  estafette address check customers.csv -o checked.csv --column siret="N° client"

The file is CSV with a head: columns named bt-49 (the address itself), siret, siren, code routage, suffixe or tva are
known by their heads, others are named with --column. Out come the same rows, each with what the directory says:

  address_verdict   active      a platform receives there
                    upcoming    a platform will, from in_force_from on
                    ended       there is such a line, and no platform receives there
                    no_line     the company is in the directory, this address is not: see nearest_active
                    no_company  the company is not in the directory
                    malformed   no address of the directory       outside     another scheme, such as e-mail
                    no_address  the row names none                unanswered  nobody knows: ask again, it is no "no"
  address_line, address_platform, in_force_from, in_force_to      the line and whose platform it is
  nearest_active    active addresses of the same company, the nearest first
  told_by, told_at  which directory said so, and when: answers are remembered (ESTAFETTE_DIRECTORY_FRESH_HOURS)
  says              the same in a sentence

Nothing in the file acts when a spreadsheet opens it: cells that begin like a formula get an apostrophe.
The directory is the platform's: ESTAFETTE_AFNOR_DIRECTORY_URL, with the login of the platform (estafette settings).
Exit code 0: each address is reached. 1: some are not. 2: it could not be done, or not all of it.
"""

LOST_AFTER = 3
"""Rows one after the other without an answer after which the directory is taken to be away."""
REST = 15.0
"""Seconds to wait for a directory that does not say how long."""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "address",
        help="look electronic addresses up in the French directory",
        description="Look electronic addresses (BT-49) up in the French directory before invoices go there.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = it.add_subparsers(dest="part", required=True, metavar="PART")
    show = parts.add_parser("show", help="one address")
    show.add_argument("value", help="SIREN, SIRET or address")
    show.add_argument("--scheme", default="", help="0225, 0002 or 0009; told by its form by default")
    terminal.add_format(show)
    show.set_defaults(run=inside.run, work=_show)
    check = parts.add_parser(
        "check", help="a customer file", epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    check.add_argument("file", type=Path, help="CSV with a head")
    check.add_argument("-o", "--output", type=Path, help="file to write, new unless --resume; standard output without")
    check.add_argument("--resume", action="store_true", help="go on after the rows that --output has")
    check.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="ROLE=HEAD",
        help=f"the column that is one of {', '.join(ROLES)}; may be given several times",
    )
    check.add_argument(
        "--patience",
        type=int,
        default=60,
        metavar="SECONDS",
        help="how long to wait, at most, for a directory that is busy or away, before each row is tried again",
    )
    check.set_defaults(run=inside.run, work=_check)
    for one in (show, check):
        one.add_argument("--account", type=UUID, help="whose memory of the directory; the only account by default")
        terminal.add_language(one)


async def _show(options: argparse.Namespace, gateway: Gateway) -> int:
    scheme, value = customers.address_of({"address": options.value.strip(), "scheme": options.scheme.strip()})
    account_id = await _account(options, gateway)
    looked = await addresses.look(account_id, scheme, value, gateway.resources)
    members = customers.as_json(scheme, value, looked, gateway.resources)
    if options.format == "json":
        terminal.print_json(members)
    else:
        language = terminal.language_of(options, os.environ)
        lines = [members["says"][language], *_lines(members, language)]
        print("\n".join(terminal.printable(line) for line in lines))
    return _code(Counter({looked.reach.verdict: 1}))


def _lines(members: dict[str, Any], language: str) -> list[str]:
    told = members["told"]
    titles = ("line", "nearest active") if language == "en" else ("ligne", "active la plus proche")
    lines = [(titles[0], members["line"])] if members["line"] else []
    lines += [(titles[1], line) for line in members["nearest"]]
    shown = [
        "  ".join(
            part for part in (f"{title}:", one["address"], one["standing"], one["name"], one["from"] or "") if part
        )
        for title, one in lines
    ]
    return [*shown, *([f"{told['source']}, {told['at']}"] if told else [])]


async def _check(options: argparse.Namespace, gateway: Gateway) -> int:
    if options.resume and options.output is None:
        raise Misconfigured("--resume needs the --output that was begun")
    if gateway.resources.directory is None:
        raise Misconfigured("no directory is configured: set ESTAFETTE_AFNOR_DIRECTORY_URL")
    table = customers.read(_content(options.file), dict(_named(one) for one in options.column))
    account_id = await _account(options, gateway)
    sheet = _Sheet(table, Look(comma=table.comma, bom=table.comma), terminal.language_of(options, os.environ))
    out, done = _opened(options, sheet)
    try:
        return await _run(options, gateway.resources, account_id, sheet, out, done)
    finally:
        if options.output is not None:
            out.close()


@dataclass(slots=True)
class _Sheet:
    """What is written of a table, and what was counted."""

    table: Table
    look: Look
    language: str
    counted: Counter[Reachability] = field(default_factory=Counter)

    def head(self) -> bytes:
        """The first line."""
        return header([*(safe(cell) for cell in self.table.header), *COLUMNS], self.look)

    def line(self, place: int, looked: Looked) -> bytes:
        """A row with what was found."""
        self.counted[looked.reach.verdict] += 1
        return row([*self.table.rows[place], *customers.added(looked.reach, self.language)], self.look)


async def _run(
    options: argparse.Namespace, resources: Resources, account_id: UUID, sheet: _Sheet, out: BinaryIO, done: int
) -> int:
    """Look each row up and write it; rows without an answer are written once a later one has an answer."""
    rows, drawn, held = sheet.table.rows, terminal.Progress(len(sheet.table.rows)), list[tuple[int, Looked]]()
    for _ in range(done):
        drawn.step()
    asked = [sheet.table.address(one) for one in rows[done:]]
    place = done
    async for looked in _patiently(account_id, asked, resources, options.patience):
        held.append((place, looked))
        place += 1
        drawn.step()
        lost = looked.reach.verdict is Reachability.UNANSWERED
        if lost and len(held) >= LOST_AFTER:
            break
        if not lost or place == len(rows):
            out.write(b"".join(sheet.line(at, one) for at, one in held))
            out.flush()
            held.clear()
    drawn.clear()
    written = place - len(held)
    return _end(options, sheet, written, held[-1][1].reach.reason if held else "")


def _end(options: argparse.Namespace, sheet: _Sheet, written: int, reason: str) -> int:
    total, french = len(sheet.table.rows), sheet.language == "fr"
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(sheet.counted.items()))
    print(terminal.printable(f"{written}/{total}: {counts or '-'}"), file=sys.stderr)
    if written == total:
        return _code(sheet.counted)
    again = (
        Told("run it again with --resume", "relancez avec --resume")
        if options.output
        else Told("run it again", "relancez")
    )
    says = "l'annuaire ne répond pas" if french else "the directory does not answer"
    print(terminal.printable(f"estafette: {says}: {reason}; {again.into(sheet.language)}"), file=sys.stderr)
    return 2


async def _patiently(
    account_id: UUID, asked: Sequence[tuple[str, str]], resources: Resources, patience: int
) -> AsyncIterator[Looked]:
    """What is known of each address, in their order; one without an answer is asked about once more after a wait."""
    found = customers.looked_up(account_id, asked, resources)
    place = 0
    async for looked in found:
        scheme, value = asked[place]
        place += 1
        if looked.reach.verdict is Reachability.UNANSWERED and patience > 0:
            wait = REST if looked.retry_in is None else looked.retry_in.total_seconds()
            await asyncio.sleep(min(wait, patience))
            looked = await addresses.look(account_id, scheme, value, resources)  # noqa: PLW2901
        yield looked


def _opened(options: argparse.Namespace, sheet: _Sheet) -> tuple[BinaryIO, int]:
    """The output and how many rows it has. Raises Misconfigured, Malformed."""
    if options.output is None:
        sys.stdout.buffer.write(sheet.head())
        return sys.stdout.buffer, 0
    if not options.resume:
        try:
            out = options.output.open("xb")
        except FileExistsError as there:
            raise Misconfigured(f"{options.output} is there already; --resume goes on with it") from there
        out.write(sheet.head())
        return out, 0
    out = options.output.open("r+b") if options.output.exists() else options.output.open("x+b")
    try:
        done, end = _begun(out.read(), sheet)
    except Malformed:
        out.close()
        raise
    out.seek(end)
    out.truncate()
    if not end:
        out.write(sheet.head())
    return out, done


def _begun(data: bytes, sheet: _Sheet) -> tuple[int, int]:
    """How many whole rows an output has, and where they end; what was cut off is not counted. Raises Malformed."""
    head = sheet.head()
    if not data.startswith(head):
        if head.startswith(data):
            return 0, 0
        raise Malformed("the output was not made from this file: its head is another")
    delimiter, end = ";" if sheet.look.comma else ",", len(head)
    count = 0
    for text in _rows(data[end:].decode("utf-8", "replace")):
        cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        wanted = [safe(cell) for cell in sheet.table.rows[count]] if count < len(sheet.table.rows) else None
        if wanted is None or cells[: len(wanted)] != wanted or len(cells) != len(wanted) + len(COLUMNS):
            raise Malformed(f"the output was not made from this file: row {count + 1} is another")
        sheet.counted[Reachability(cells[len(wanted)])] += 1
        end, count = end + len(text.encode()), count + 1
    return count, end


def _rows(text: str) -> Iterator[str]:
    """The whole rows of a text whose every cell is quoted; what is cut off at its end is left out."""
    start = place = quotes = 0
    while (line := text.find("\n", place)) >= 0:
        quotes += text.count('"', place, line)
        place = line + 1
        if quotes % 2 == 0:
            yield text[start:place]
            start, quotes = place, 0


def _named(text: str) -> tuple[str, str]:
    role, sign, head = text.partition("=")
    if role not in ROLES or not sign or not head.strip():
        raise Misconfigured(f"--column takes ROLE=HEAD, and the roles are {', '.join(ROLES)}")
    return role, head


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(customers.SIZE_LIMIT + 1)


async def _account(options: argparse.Namespace, gateway: Gateway) -> UUID:
    """Whose memory is used. Raises Misconfigured, NotFound."""
    pool = gateway.resources.pool
    if options.account is not None:
        return (await accounts.get(pool, options.account)).id
    known = await accounts.every_id(pool)
    if len(known) != 1:
        which = "there is no account yet: open one with estafette account create" if not known else "name the --account"
        raise Misconfigured(which)
    return known[0]


def _code(counted: Counter[Reachability]) -> int:
    if counted[Reachability.UNANSWERED] or counted[Reachability.UNASKED]:
        return 2
    good = (Reachability.ACTIVE, Reachability.OUTSIDE)
    return 0 if all(verdict in good for verdict, count in counted.items() if count) else 1
