"""estafette receivables: what is owed, by whom, how late, when it is expected; and what is given up."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.api.receivables import amount, shape, standing
from gateway.commands import inside, terminal
from gateway.dunning import home_day
from gateway.export import cash
from gateway.export.litigation import Given, as_zip
from gateway.export.table import Look
from gateway.main import Gateway
from gateway.store import accounts, archive_reads, receivables
from gateway.store.archive_reads import Read
from gateway.store.identifiers import new_id
from gateway.store.receivables import REASONS, STATES, Standing, Wanted, WriteOff

EXAMPLES = """\
    estafette receivables --account ID                          what is owed by age, and expected by week
    estafette receivables --account ID list --state overdue     the documents, the longest due first
    estafette receivables --account ID csv > owed.csv           the same for a spreadsheet
    estafette receivables --account ID plot owed.svg            the picture
    estafette receivables --account ID litigation 732829320 file.zip
    estafette receivables --account ID write-off DOCUMENT 12.50 --reason rounding
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "receivables",
        help="what is owed: by age, by customer, by week; give something up",
        description="What customers owe, derived from invoices, credit notes, payments and write-offs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--account", type=UUID, required=True)
    terminal.add_format(it)
    it.set_defaults(run=inside.run, work=work, part=None)
    parts = it.add_subparsers(dest="part", metavar="WHAT")
    for name, says in (("list", "the documents on which something is owed"), ("csv", "the same as a table")):
        part = parts.add_parser(name, help=says)
        part.add_argument("--state", choices=STATES, help="all that is not closed by default")
        part.add_argument("--customer")
        part.add_argument("--currency")
    plot = parts.add_parser("plot", help="draw it as SVG")
    plot.add_argument("file", type=Path)
    file = parts.add_parser("litigation", help="write the file of a customer for a court")
    file.add_argument("customer")
    file.add_argument("file", type=Path)
    given = parts.add_parser("write-off", help="give up what is owed; a negative amount takes it back")
    given.add_argument("document", type=UUID)
    given.add_argument("amount")
    given.add_argument("--reason", choices=REASONS, required=True)
    given.add_argument("--reference", default="", help="a case's number; no person's name")
    given.add_argument("--by", default="", help="who decides; the account of this machine by default")


async def work(options: argparse.Namespace, gateway: Gateway) -> int:
    """Do the part that was asked for. Raises NotFound without such an account."""
    await accounts.get(gateway.resources.pool, options.account)
    parts = {
        "list": _listed,
        "csv": _csv,
        "plot": _plot,
        "write-off": _write_off,
        "litigation": _litigation,
        None: _balance,
    }
    return await parts[options.part](options, gateway)


async def _standings(options: argparse.Namespace, gateway: Gateway) -> tuple[Standing, ...]:
    day = home_day(gateway.resources.clock.now())
    async with gateway.resources.pool.account(options.account, snapshot=True) as connection:
        return await receivables.standings(connection, day)


async def _balance(options: argparse.Namespace, gateway: Gateway) -> int:
    found = await _standings(options, gateway)
    if options.format == "json":
        terminal.print_json({"currencies": [standing(one) for one in found]})
        return 0
    if not found:
        print("nothing is owed")
    for one in found:
        dso = "" if one.dso is None else f", DSO {one.dso} days"
        print(
            f"{one.currency}: {one.owed:.2f} owed, {one.credits:.2f} the customers', {one.disputed:.2f} disputed{dso}"
        )
        for name, owed in one.bands.items():
            print(f"  {name:>8} days late  {owed:>14.2f}  {one.counts[name]:>6} documents")
        for week, owed, count in one.weeks:
            print(f"  expected in the week of {week}  {owed:>14.2f}  {count:>6} documents")
        if one.later:
            print(f"  expected later  {one.later:>14.2f}")
    return 0


def _wanted(options: argparse.Namespace, gateway: Gateway) -> Wanted:
    return Wanted(home_day(gateway.resources.clock.now()), options.state, options.customer, options.currency)


async def _listed(options: argparse.Namespace, gateway: Gateway) -> int:
    wanted = _wanted(options, gateway)
    async for one in receivables.everything(gateway.resources.pool, options.account, wanted):
        if options.format == "json":
            terminal.print_json(shape(one, wanted.today))
            continue
        late = f"{one.days_late(wanted.today)} days late" if one.days_late(wanted.today) else ""
        who = one.name or one.customer
        line = f"{one.document_id}  {one.due_date}  {one.balance:>12.2f} {one.currency}  {one.state(wanted.today):<9}"
        print(terminal.printable(f"{line} {one.number}  {who}  {late}".rstrip()))
    return 0


async def _csv(options: argparse.Namespace, gateway: Gateway) -> int:
    wanted = _wanted(options, gateway)
    found = receivables.everything(gateway.resources.pool, options.account, wanted)
    async for line in cash.table(found, wanted.today, Look()):
        sys.stdout.buffer.write(line)
    sys.stdout.flush()
    return 0


async def _plot(options: argparse.Namespace, gateway: Gateway) -> int:
    drawn = cash.plot(await _standings(options, gateway), home_day(gateway.resources.clock.now()))
    await asyncio.to_thread(options.file.write_text, drawn, encoding="utf-8")
    print(options.file)
    return 0


async def _write_off(options: argparse.Namespace, gateway: Gateway) -> int:
    pool, now = gateway.resources.pool, gateway.resources.clock.now()
    try:
        given_up = amount(options.amount)
    except ValueError:
        print("estafette: the amount is a number other than 0 with at most two decimals", file=sys.stderr)
        return 2
    identifier = new_id(now)
    async with pool.account(options.account) as connection:
        currency = (await receivables.get(connection, options.document)).currency
        by = inside.who(options.by)
        one = WriteOff(identifier, given_up, currency, options.reason, options.reference, by, now, str(identifier))
        await receivables.write_off(connection, options.account, options.document, one)
    async with pool.account(options.account) as connection:
        left = await receivables.get(connection, options.document)
    print(f"{options.document}: {left.balance:.2f} {left.currency} is owed")
    return 0


async def _litigation(options: argparse.Namespace, gateway: Gateway) -> int:
    """The file, and that it was taken out of the archive."""
    resources, given = gateway.resources, Given()
    now = resources.clock.now()
    with options.file.open("xb") as out:
        async for part in as_zip(resources, options.account, options.customer, home_day(now), given):
            out.write(part)
    query = {"customer": options.customer, "file": "litigation"}
    who = inside.who()
    read = Read(new_id(now), now, who, archive_reads.ZIP, query, given.documents, not given.left_out, "dispute")
    async with resources.pool.account(options.account) as connection:
        await archive_reads.record(connection, options.account, read)
    for document, what, why in given.left_out:
        print(terminal.printable(f"left out: {what} of {document}: {why}"), file=sys.stderr)
    print(f"{options.file}: {given.documents} documents")
    return 0
