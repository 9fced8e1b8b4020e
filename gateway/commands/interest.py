"""`estafette interest`: what late payment of a document costs, row by row."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any
from uuid import UUID

from gateway import lateness
from gateway.api.fields import day
from gateway.api.payment_terms import LEGAL, rate_of
from gateway.commands import inside, terminal
from gateway.commands.answer import find
from gateway.dunning import home_day
from gateway.lateness import Asked
from gateway.main import Gateway
from schemas.interest import Calculation

EXAMPLES = """\
examples:
  estafette interest 019ab…                        up to today, at the agreed rate or that of the law
  estafette interest 019ab… --until 2026-12-31
  estafette interest 019ab… --rate 12.00           percent a year instead
  estafette interest 019ab… --rate legal           whatever was agreed: the rate of the law

Exit code 0: calculated. 2: it could not be done: nothing can be late, or a rate is not published yet.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "interest",
        description="Late-payment interest and the fixed indemnity of a document, as a calculation.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("document", type=UUID, help="id of the document")
    it.add_argument("--until", type=day, metavar="DATE", help="last day that counts, YYYY-MM-DD; today by default")
    it.add_argument("--rate", type=rate_of, help="percent a year, or legal; what was agreed by default")
    terminal.add_format(it)
    it.set_defaults(run=inside.run, work=work)


async def work(options: argparse.Namespace, gateway: Gateway) -> int:
    """Calculate and show it. Raises NotFound, Conflict."""
    account, document = await find(options.document, gateway.resources)
    until: date = options.until or home_day(gateway.resources.clock.now())
    asked = Asked(until, None if options.rate == LEGAL else options.rate, options.rate == LEGAL)
    made = await lateness.calculated(document, account, gateway.resources, asked)
    currency = document.currency or "EUR"
    if options.format == "json":
        terminal.print_json({"document": str(options.document), **made.as_json(currency)})
    else:
        for line in _lines(made, currency):
            print(line)
    return 0


def _lines(made: Calculation, currency: str) -> list[str]:
    told = made.as_json(currency)
    head = f"{'from':<10}  {'to':<10}  {'days':>5}  {'rate':>6}  {'':<7}  {'base':>14}  {'interest':>12}"
    rows = [
        f"{row['from']}  {row['to']}  {row['days']:>5}  {row['rate']:>6}  {row['basis']:<7}  {row['base']:>14}  "
        f"{row['amount']:>12}"
        for row in told["rows"]
    ]
    total = [f"{'all together':<24} {told['total']} {currency}"] if told["total"] else []
    return [
        *([head, *rows] if rows else ["nothing was late"]),
        f"{'interest until ' + told['until']:<24} {told['interest']} {currency}",
        f"{'fixed indemnity':<24} {told['indemnity']['amount']} EUR",
        f"{'unpaid':<24} {told['owed']} {currency}",
        *total,
        f"({told['day_count']}; rounded: {told['rounding']})",
    ]
