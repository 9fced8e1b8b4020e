"""The parts of `estafette statements` that need the database: import, list, and decide."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from uuid import UUID

from gateway import banking
from gateway.api import statements as api
from gateway.banking import Options
from gateway.commands import batch, files, inside, terminal
from gateway.commands.files import Unusable
from gateway.commands.statements import ENDINGS, given, told_of
from gateway.commands.terminal import Told, printable
from gateway.errors import GatewayError, Rejected
from gateway.main import Gateway
from gateway.matching.values import Part, told
from gateway.settings import Settings
from gateway.store import accounts, statements
from gateway.store.statements import Shown


def run(name: str, options: argparse.Namespace, settings: Settings) -> int:
    """Do one part inside the opened gateway."""
    options.work = PARTS[name]
    return inside.run(options, settings)


async def imported(options: argparse.Namespace, gateway: Gateway) -> int:
    """Keep files once, match, and tell what is new."""
    language = terminal.language_of(options, os.environ)
    account_id, worst, said = await _account(options, gateway), batch.GOOD, given(options)
    whose = Options(said.account, said.currency, said.mapping)
    for source in files.found(options.paths, ENDINGS):
        try:
            data = source.read()
            reading, kept, run = await banking.take(gateway.resources, account_id, data, whose, _who(options))
        except Unusable as unusable:
            print(printable(f"{source.name}: {unusable.told.into(language)}"), file=sys.stderr)
            worst = batch.FAILED
            continue
        except Rejected as refused:
            print(printable(f"{source.name}: {refused.detail}"), file=sys.stderr)
            for finding in refused.findings:
                print(printable(told_of(finding, language)), file=sys.stderr)
            worst = max(worst, batch.BAD)
            continue
        new, known = sum(one.lines for one in kept), sum(one.known for one in kept)
        if options.format == "json":
            members = {"imported": [str(one.statement_id) for one in kept], "lines": new, "known": known}
            terminal.print_json(
                {"file": source.name, **reading.as_json(), **members, "booked": run.booked, "proposed": run.proposed}
            )
            continue
        line = Told(
            f"{source.name}: {new} new lines, {known} entries known; {run.booked} booked, {run.proposed} proposed",
            f"{source.name} : {new} lignes nouvelles, {known} écritures connues ; {run.booked} comptabilisées, "
            f"{run.proposed} proposées",
        )
        print(printable(line.into(language)))
        for finding in reading.findings:
            print(printable(told_of(finding, language)))
    return worst


# --- lines and matches ------------------------------------------------------------------------------------------------


async def listed(options: argparse.Namespace, gateway: Gateway) -> int:
    """The newest statements, or lines."""
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


async def proposals(options: argparse.Namespace, gateway: Gateway) -> int:
    """What waits for a person."""
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
        if one.state == "booked" and one.unassigned:
            left = Told("{} are booked on no document", "{} ne sont imputés sur aucun document")
            print(printable("    " + left.into(language).replace("{}", f"{one.unassigned:f} {one.line.currency}")))
        if one.reasons:
            print(printable("    " + "; ".join(told(reason, language) for reason in one.reasons)))


async def accepted(options: argparse.Namespace, gateway: Gateway) -> int:
    """Book a proposal, or what was chosen instead."""
    account_id = await _account(options, gateway)
    parts = await _parts(options, gateway, account_id, line_id=None)
    match_id = await banking.accept(gateway.resources, account_id, options.id, _who(options), parts)
    print(f"booked: {match_id}")
    return 0


async def assigned(options: argparse.Namespace, gateway: Gateway) -> int:
    """Book a line on what was chosen."""
    account_id = await _account(options, gateway)
    parts = await _parts(options, gateway, account_id, line_id=options.id)
    match_id = await banking.assign(gateway.resources, account_id, options.id, _who(options), parts)
    print(f"booked: {match_id}")
    return 0


async def refused(options: argparse.Namespace, gateway: Gateway) -> int:
    """Say that a proposal is wrong."""
    await banking.refuse(gateway.resources, await _account(options, gateway), options.id, _who(options))
    print("refused; it is not proposed again")
    return 0


async def undone(options: argparse.Namespace, gateway: Gateway) -> int:
    """Take a booking back."""
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
    return inside.who(options.by.strip())


PARTS: Mapping[str, inside.Work] = {
    "imported": imported,
    "listed": listed,
    "proposals": proposals,
    "accepted": accepted,
    "assigned": assigned,
    "refused": refused,
    "undone": undone,
}
"""What each part of the command line does."""
