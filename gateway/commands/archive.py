"""`estafette archive`: search it, see who read in it, and make its index anew."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any

from gateway import indexing
from gateway.api import archive as shown
from gateway.api import archive_query
from gateway.commands import criteria, terminal
from gateway.commands.criteria import Reading
from gateway.commands.terminal import printable
from gateway.errors import Unanswerable
from gateway.main import database, open_gateway
from gateway.settings import Settings
from gateway.store import accounts, archive, archive_reads
from gateway.store.archive import PAGE_LIMIT, Found
from gateway.store.archive_reads import Read
from signing.chain import instant

EXAMPLES = """\
examples:
  estafette archive search --party "Boulangerie des Halles" --from 2026-10-01
  estafette archive search --text "table chên*" --currency EUR --amount-min 1000
  estafette archive reads                  who searched and exported, and why
  estafette archive reindex --all          make the index anew from the documents' own bytes
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "archive",
        description="Search the archive, see who read in it, make its index anew. The gateway may run meanwhile.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = it.add_subparsers(dest="action", required=True, metavar="ACTION")
    search = actions.add_parser("search", help="find documents; what `GET /v1/archive` finds")
    search.add_argument("--limit", type=int, default=50, help="documents to show at most; 50 by default")
    criteria.add(search)
    reads = actions.add_parser("reads", help="who read in the archive, newest first")
    reads.add_argument("--account", help="id of the account, or a SIREN of it; not needed where there is one account")
    reads.add_argument("--limit", type=int, default=50, help="readings to show at most; 50 by default")
    reindex = actions.add_parser("reindex", help="make rows of the index anew that an older release made")
    reindex.add_argument("--all", action="store_true", help="make every row anew")
    for action, chosen in ((search, _search), (reads, _reads), (reindex, _reindex)):
        terminal.add_language(action)
        terminal.add_format(action)
        action.set_defaults(run=run, chosen=chosen)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Do what was chosen."""
    return int(asyncio.run(options.chosen(options, settings)))


async def _search(options: argparse.Namespace, settings: Settings) -> int:
    """Exit 0 when something is found, 1 when nothing is."""
    asked = criteria.read(options)
    async with open_gateway(settings, os.environ, attach=True) as gateway:
        pool, clock = gateway.resources.pool, gateway.resources.clock
        account = await criteria.account(pool, options.account)
        found: list[Found] = []
        cursor = None
        while True:
            try:
                async with pool.account(account.id) as connection:
                    wanted = await archive_query.spread(connection, account.id, asked)
                    limit = max(1, min(PAGE_LIMIT, options.limit - len(found)))
                    page = await archive.search(connection, account.id, wanted, asked.order, cursor, limit)
            except Unanswerable as unanswerable:
                raise criteria.unusable(unanswerable) from unanswerable
            found += page.documents
            cursor = page.cursor
            if cursor is None or len(found) >= options.limit:
                break
        reading = Reading(archive_reads.SEARCH, asked.told, len(found), cursor is None, asked)
        await criteria.record(pool, account.id, reading, clock.now())
    for one in found:
        if options.format == "json":
            terminal.print_json(shown.shape(one))
        else:
            print(printable(_line(one)))
    return 0 if found else 1


async def _reads(options: argparse.Namespace, settings: Settings) -> int:
    async with database(settings, attach=True) as pool:
        account = await criteria.account(pool, options.account)
        async with pool.account(account.id) as connection:
            found, _ = await archive_reads.page(connection, None, max(1, options.limit))
    for read in found:
        if options.format == "json":
            terminal.print_json(shown.read_shape(read))
        else:
            print(printable(_read_line(read)))
    return 0


async def _reindex(options: argparse.Namespace, settings: Settings) -> int:
    troubles = 0
    async with open_gateway(settings, os.environ, attach=True) as gateway:
        for account_id in await accounts.every_id(gateway.resources.pool):
            done = await indexing.renew(gateway.resources, account_id, every=options.all, tell=_progress)
            troubles += len(done.troubles)
            if options.format == "json":
                members = {"account": str(account_id), "documents": done.documents, "troubles": done.troubles}
                terminal.print_json(members)
            else:
                print(f"{account_id}: {done.documents} documents")
                for trouble in done.troubles:
                    print(printable(f"  {trouble}"), file=sys.stderr)
    return 1 if troubles else 0


def _progress(done: int) -> None:
    if sys.stderr.isatty() and done % 100 == 0:
        print(f"\r{done} documents", end="", file=sys.stderr, flush=True)


def _line(one: Found) -> str:
    day = one.issue_date.isoformat() if one.issue_date else one.accepted_at.date().isoformat()
    if one.erased_at is not None:
        return f"{one.id}  {day}  {one.number or '-':<20}  (erased {instant(one.erased_at)})"
    amount = "" if one.total is None else f"{one.total:f} {one.currency or ''}"
    stands = "halted" if one.halted is not None else str(one.status or one.stage)
    return f"{one.id}  {day}  {one.number or '-':<20}  {amount:>16}  {stands:<12}  {one.seller_name} → {one.buyer_name}"


def _read_line(read: Read) -> str:
    query = " ".join(f"{name}={value}" for name, value in read.query.items())
    why = f"  {read.reason} {read.reference}" if read.reason else ""
    return (
        f"{instant(read.at)}  {read.who}  {read.what}  {read.found} documents{'' if read.whole else ' +'}  {query}{why}"
    )
