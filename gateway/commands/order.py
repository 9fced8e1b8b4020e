"""`estafette order`: what an order says, whatever its syntax, and whether the gateway would keep it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.commands import batch, files, terminal
from gateway.commands.batch import BAD, FAILED, GOOD
from gateway.commands.files import Source, Unusable
from gateway.commands.terminal import Told, printable
from gateway.settings import Settings

if TYPE_CHECKING:
    from schemas.order import Order, OrderLine

EXAMPLES = """\
examples:
  estafette order order.xml                      Order-X or UBL, its lines and what is wrong with it
  estafette order order.pdf                      an Order-X inside a PDF
  estafette order --format json orders/          one object a line, with the whole order in our JSON form

Exit code 0: an order that the gateway keeps. 1: something is wrong with it, or it is none. 2: it could not be read.
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one file says, or why nothing. Picklable."""

    format: str = ""
    order: Order | None = None
    members: dict[str, Any] | None = None
    """The order in its JSON form."""
    unknown: tuple[str, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    """What keeps it from being kept."""
    remarks: tuple[dict[str, Any], ...] = ()


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "order",
        description="Read orders: Order-X (alone or inside a PDF), UBL Order, or our JSON form of orders.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files.add_paths(it, "an order")
    terminal.add_language(it)
    terminal.add_format(it)
    batch.add_jobs(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Show each order."""
    language = terminal.language_of(options, os.environ)

    def take(source: Source, result: Seen | Unusable) -> int:
        if isinstance(result, Unusable):
            if options.format == "json":
                terminal.print_json({"path": source.name, "outcome": "failed", "reason": result.told.english})
            else:
                batch.complain(source, result.told, language)
            return FAILED
        code = BAD if result.findings else GOOD
        if options.format == "json":
            terminal.print_json(_as_json(source, result))
        else:
            _tell(source, result, language)
        return code

    job = partial(seen, rules=str(settings.rules) if settings.rules else None)
    return batch.each(job, files.found(options.paths), take, jobs=options.jobs, seconds=settings.compute_seconds)


def seen(source: Source, rules: str | None = None) -> Seen:
    """What a file says; `rules` is the operator's folder of rule artefacts. Raises Unusable."""
    from schemas import json_form, orders
    from schemas.invoicing import differences
    from schemas.xml import Unreadable

    try:
        taken = orders.read(source.read())
    except Unreadable as unreadable:
        return Seen(findings=tuple(finding.as_json() for finding in unreadable.findings))
    findings = orders.check(taken.order)
    return Seen(
        taken.format,
        taken.order,
        json_form.as_members(taken.order),
        taken.unknown,
        tuple(finding.as_json() for finding in findings),
        () if findings else tuple(one.as_json() for one in (*differences(taken.order), *orders.official(taken, rules))),
    )


def _as_json(source: Source, found: Seen) -> dict[str, Any]:
    """One order for programs; every member is always there."""
    return {
        "path": source.name,
        "outcome": "refused" if found.findings else "done",
        "format": found.format or None,
        "order": found.members,
        "unknown": list(found.unknown),
        "findings": list(found.findings),
        "remarks": list(found.remarks),
    }


def _tell(source: Source, found: Seen, language: str) -> None:
    """One order for people."""
    if found.order is None:
        says = found.findings[0]["says"]
        batch.complain(source, Told(says, says), language)
    else:
        for line in _lines(source, found.order, found.format, language):
            print(printable(line))
        for path in found.unknown:
            print(printable(f"  {'non repris' if language == 'fr' else 'not held'}: {path}"))
    for finding in (*found.findings, *found.remarks) if found.order else found.findings[1:]:
        expected = f"; {finding['found']} / {finding['expected']}" if "expected" in finding else ""
        where = f" {finding['path']}" if finding.get("path") else ""
        print(printable(f"  {finding['rule']}{where}: {finding['says']}{expected}"), file=sys.stderr)


def _lines(source: Source, order: Order, format_: str, language: str) -> Iterator[str]:
    french = language == "fr"
    yield f"{source.name}: {'commande' if french else 'order'} {order.number} ({format_}), {order.issue_date or '-'}"
    yield f"  {'acheteur' if french else 'buyer'}: {order.buyer.name or '-'}"
    yield f"  {'vendeur' if french else 'seller'}: {order.seller.name or '-'}"
    if order.invoicee:
        yield f"  {'facturé à' if french else 'invoice to'}: {order.invoicee.name or '-'}"
    for line in order.lines:
        yield f"  {line.id:>6}  {_quantity(line):>14}  {_price(line, order):>16}  {line.item.name}"
    if order.totals.without_vat is not None:
        yield f"  {'total hors TVA' if french else 'total without VAT'}: {order.totals.without_vat:f} {order.currency}"


def _quantity(line: OrderLine) -> str:
    return f"{line.quantity:f} {line.unit}" if line.quantity is not None else "-"


def _price(line: OrderLine, order: Order) -> str:
    return f"{line.price.net:f} {order.currency}" if line.price.net is not None else "-"
