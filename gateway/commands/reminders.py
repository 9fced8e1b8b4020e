"""estafette reminders: what would go out, what went out, what a person has to look at; on, off and paused."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any
from uuid import UUID

from gateway import reminding
from gateway.api.reminders import planned_shape
from gateway.commands import inside, terminal
from gateway.dunning import LANGUAGES, SEGMENTS, USUAL
from gateway.main import Gateway
from gateway.store import accounts, receivables, reminders
from gateway.store.reminders import Customer, Pause, Switch

EXAMPLES = """\
    estafette reminders --account ID preview --days 14      what would go out, if nothing is paid; nothing is written
    estafette reminders --account ID on                     from now on customers are reminded
    estafette reminders --account ID pause DOCUMENT --reason "they call back on Monday"
    estafette reminders --account ID customer 732829320 --segment strategic --email compta@example.org
    estafette reminders --account ID cases                  what a person has to look at
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "reminders",
        help="remind customers: preview, on, off, pause, cases",
        description="Reminders that know the life cycle: nothing to who disputes, has paid or never got the invoice.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--account", type=UUID, required=True)
    terminal.add_format(it)
    parts = it.add_subparsers(dest="part", required=True, metavar="WHAT")
    preview = parts.add_parser("preview", help="the dry run of the coming days")
    preview.add_argument("--days", type=int, default=14)
    for name, says in (("on", "remind customers from now on"), ("off", "remind nobody"),
                       ("cases", "what a person has to look at"), ("plans", "when what is said to whom")):  # fmt: skip
        parts.add_parser(name, help=says)
    pause = parts.add_parser("pause", help="stop chasing an invoice")
    pause.add_argument("document", type=UUID)
    pause.add_argument("--reason", required=True)
    pause.add_argument("--until", type=date.fromisoformat, help="until it is resumed by default")
    parts.add_parser("resume", help="go on with an invoice").add_argument("document", type=UUID)
    customer = parts.add_parser("customer", help="say how a customer is reminded; what is left out goes by rule")
    customer.add_argument("customer")
    customer.add_argument("--segment", choices=SEGMENTS)
    customer.add_argument("--email")
    customer.add_argument("--language", choices=LANGUAGES)
    customer.add_argument("--country")
    customer.add_argument("--paused", help="why nothing is said to it")
    it.set_defaults(run=inside.run, work=work)


async def work(options: argparse.Namespace, gateway: Gateway) -> int:
    """Do the part that was asked for. Raises NotFound without such an account."""
    await accounts.get(gateway.resources.pool, options.account)
    parts = {"preview": _preview, "cases": _cases, "plans": _plans, "pause": _pause, "resume": _resume,
             "customer": _customer, "on": _turn, "off": _turn}  # fmt: skip
    await parts[options.part](options, gateway)
    return 0


async def _preview(options: argparse.Namespace, gateway: Gateway) -> None:
    found = await reminding.preview(gateway.resources, options.account, max(1, min(options.days, 366)))
    async with gateway.resources.pool.account(options.account) as connection:
        on = (await reminders.switch(connection)).on
    for one in found:
        if options.format == "json":
            terminal.print_json(planned_shape(one))
            continue
        owed = one.candidate.owed
        told = f"{one.on}  {one.step.name:<8} {one.step.tone:<8} {owed.balance:>12.2f} {owed.currency}"
        to = one.recipient or ("webhook" if one.channel == "webhook" else "no address: a person will have to find it")
        who = one.candidate.name or owed.customer
        print(terminal.printable(f"{told}  {one.candidate.number}  {who} ({one.segment})  {to}"))
    if options.format != "json":
        print(f"{len(found)} reminders" + ("" if on else "; nothing goes out before: estafette reminders on"))


async def _turn(options: argparse.Namespace, gateway: Gateway) -> None:
    wanted = Switch(options.part == "on", inside.who(), gateway.resources.clock.now())
    async with gateway.resources.pool.account(options.account) as connection:
        await reminders.turn(connection, options.account, wanted)
    print(f"reminders are {options.part}")


async def _cases(options: argparse.Namespace, gateway: Gateway) -> None:
    async with gateway.resources.pool.account(options.account) as connection:
        found = await reminders.cases(connection, None, reminders.PAGE_LIMIT)
    for one in found:
        print(f"{one.opened_at:%Y-%m-%d}  {one.kind:<9} {one.document_id}")
    print(f"{len(found)} cases")


async def _plans(options: argparse.Namespace, gateway: Gateway) -> None:
    async with gateway.resources.pool.account(options.account) as connection:
        own = await reminders.plans(connection)
    for name in SEGMENTS:
        plan = own.get(name) or USUAL[name]
        steps = ", ".join(f"{step.day:+d} {step.tone}" for step in plan.steps)
        print(f"{name:<10} {'own' if name in own else 'usual':<6} {plan.channel:<8} {steps}")


async def _pause(options: argparse.Namespace, gateway: Gateway) -> None:
    one = Pause(options.reason, inside.who(), gateway.resources.clock.now(), options.until)
    async with gateway.resources.pool.account(options.account) as connection:
        await receivables.get(connection, options.document)
        await reminders.pause(connection, options.account, options.document, one)
    print(f"{options.document} is not chased")


async def _resume(options: argparse.Namespace, gateway: Gateway) -> None:
    now = gateway.resources.clock.now()
    async with gateway.resources.pool.account(options.account) as connection:
        await reminders.resume(connection, options.account, options.document, inside.who(), now)
    print(f"{options.document} is chased again")


async def _customer(options: argparse.Namespace, gateway: Gateway) -> None:
    now = gateway.resources.clock.now()
    one = Customer(
        options.customer, options.segment, options.email, options.language, options.country, options.paused, None,
        inside.who(), now,
    )  # fmt: skip
    async with gateway.resources.pool.account(options.account) as connection:
        await reminders.keep_customer(connection, options.account, one)
    print(f"{options.customer}: {options.segment or 'by rule'}")
