"""`estafette terms`: show or set what an account agreed with its customers on paying."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.api import payment_terms as faces
from gateway.clock import SystemClock
from gateway.commands import terminal
from gateway.commands.files import Unusable
from gateway.commands.terminal import Told
from gateway.dunning import home_day
from gateway.errors import Malformed
from gateway.main import database
from gateway.settings import Settings
from gateway.store import accounts, payment_terms
from gateway.store.payment_terms import EVERYBODY
from schemas import json_form
from schemas.payment_terms import Terms, remarks
from schemas.rulebooks.fr_payment import rates

EXAMPLES = """\
examples:
  estafette terms 019ab…                                          all terms of an account
  estafette terms 019ab… --set terms.json                         those of customers that have none of their own
  estafette terms 019ab… --customer 812046373 --set terms.json    those of one customer (SIREN, else VAT number)
  estafette terms 019ab… --customer 812046373 --remove

terms.json, all of it optional:
  {"days": 45, "end_of_month": "before", "discount": {"percentage": 2, "days": 8}, "late_rate": "12.00",
   "law": "business", "languages": ["fr", "en"]}

Exit code 0: done. 1: set, and the law does not like it. 2: it could not be done.
"""
FILE_LIMIT = faces.BODY_LIMIT


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "terms",
        description="Payment terms of an account and of its customers: they complete invoices that lack them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("account", type=UUID, help="id of the account")
    it.add_argument("--customer", default=EVERYBODY, help="identifier of one customer; without it, all others")
    action = it.add_mutually_exclusive_group()
    action.add_argument("--set", type=Path, metavar="FILE", help="JSON with the terms; - for standard input")
    action.add_argument("--remove", action="store_true", help="take the terms back")
    terminal.add_format(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Show, set or take back."""
    wish = _read(options.set) if options.set else None
    found = asyncio.run(_done(options, settings, wish))
    for name, terms in found:
        if options.format == "json":
            terminal.print_json({"customer": name or None, "terms": json_form.as_members(terms)})
        else:
            print(terminal.printable(f"{name or '(all others)':<22} {_told(terms)}"))
    if wish is None:
        return 0
    told = remarks(wish, rates(str(settings.rules) if settings.rules else None), home_day(SystemClock().now()))
    for one in told:
        print(terminal.printable(f"  {one.rule}: {one.says} {one.found} / {one.expected}"), file=sys.stderr)
    return 1 if told else 0


async def _done(options: argparse.Namespace, settings: Settings, wish: Terms | None) -> list[tuple[str, Terms]]:
    """What is asked for; the terms there are then. Raises NotFound."""
    async with database(settings, attach=True) as pool:
        account = await accounts.get(pool, options.account)
        async with pool.account(account.id) as connection:
            if wish is not None:
                await payment_terms.write(connection, account.id, options.customer, wish, SystemClock().now())
            elif options.remove:
                await payment_terms.remove(connection, options.customer)
            agreed = await payment_terms.agreed(connection, [options.customer] if options.customer else [])
            if options.customer:
                return list(agreed.customers)
            found = [(EVERYBODY, agreed.account)] if agreed.account else []
            after = EVERYBODY
            while page := await payment_terms.page(connection, after, 1_000):
                found += page
                after = page[-1][0]
            return found


def _read(path: Path) -> Terms:
    """The terms in a file. Raises Unusable."""
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(FILE_LIMIT + 1)
        else:
            with path.open("rb") as file:
                data = file.read(FILE_LIMIT + 1)
    except OSError as unable:
        says = f"{path}: {unable.strerror}"
        raise Unusable(Told(says, says)) from unable
    if len(data) > FILE_LIMIT:
        raise Unusable(Told(f"{path}: more than {FILE_LIMIT} bytes", f"{path} : plus de {FILE_LIMIT} octets"))
    try:
        return faces.read_terms(data)
    except Malformed as wrong:
        lines = [f"{one.path} {one.says} {one.expected or one.fix or ''}".strip() for one in wrong.findings]
        says = "; ".join([f"{path}: {wrong.detail}", *lines])
        raise Unusable(Told(says, says)) from wrong


def _told(terms: Terms) -> str:
    return json.dumps(json_form.as_members(terms), ensure_ascii=False)
