"""`estafette answer`: say a status of a document, or show all that was said of it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Any
from uuid import UUID

from gateway import answers
from gateway.answers import Asked
from gateway.api import statuses
from gateway.commands import inside, terminal
from gateway.errors import NotFound, WithFindings
from gateway.main import open_gateway
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.store import accounts, documents
from gateway.store.accounts import Account
from gateway.store.documents import Document
from schemas.finding import Finding

EXAMPLES = """\
examples:
  estafette answer 019ab…                                   all that was said of it, and by whom
  estafette answer 019ab… approved
  estafette answer 019ab… refused --reason TRANSAC_INC --comment 'Nous n'avons rien commandé.'
  estafette answer 019ab… 207 --reason QTE_ERR --comment 'Huit livrées.' --action CNP
  estafette answer 019ab… payment_sent --amount 175.00
  estafette answer 019ab… paid --amount 120.00@20 --amount 55.00@10

The message is judged by the official rules and leaves by the network of the document, as soon as a gateway runs.
Exit code 0: said. 1: it cannot be said of this document, and why. 2: it could not be done.
"""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "answer",
        help="say a status of a document: approved, refused, disputed, paid …",
        description="Say a status of a document: to the seller of what came in, to the buyer of what was issued.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("document", type=UUID, help="id of the document")
    it.add_argument("status", nargs="?", help="name or code; without it, what was said is shown")
    it.add_argument("--reason", action="append", default=[], metavar="CODE", help="MDT-113; may be given again")
    it.add_argument("--comment", default="", help="for people; goes with the first reason")
    it.add_argument("--action", default="", metavar="CODE", help="what is asked for: NIN, CNF, CNP, PIN, …")
    it.add_argument("--amount", action="append", default=[], metavar="AMOUNT[@RATE]", help="may be given again")
    it.add_argument("--key", help="says it once, however often the command is run")
    it.add_argument("--by", default="", help="who says it; the account of this machine by default")
    terminal.add_format(it)
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Say it, or show what was said."""
    return asyncio.run(_inside(options, settings))


async def _inside(options: argparse.Namespace, settings: Settings) -> int:
    async with open_gateway(settings, os.environ, attach=True) as gateway:
        account, document = await find(options.document, gateway.resources)
        if options.status is None:
            return await _show(options, account, document, gateway.resources)
        try:
            return await _say(options, account, document, gateway.resources)
        except WithFindings as refused:
            print(f"estafette: {refused.detail}", file=sys.stderr)
            for finding in refused.findings:
                print(terminal.printable(f"  {_line(finding)}"), file=sys.stderr)
            return 1


async def find(document_id: UUID, resources: Resources) -> tuple[Account, Document]:
    """The document, in whichever account it is. Raises NotFound."""
    for account_id in await accounts.every_id(resources.pool):
        async with resources.pool.account(account_id) as connection:
            try:
                document = await documents.get(connection, document_id)
            except NotFound:
                continue
        return await accounts.get(resources.pool, account_id), document
    raise NotFound("there is no such document")


async def _say(options: argparse.Namespace, account: Account, document: Document, resources: Resources) -> int:
    amounts = [text.partition("@") for text in options.amount]
    members: dict[str, Any] = {
        "status": options.status,
        "reasons": [{"code": code} for code in options.reason],
        "comment": options.comment,
        "action": options.action,
        "amounts": [{"amount": amount, **({"rate": rate} if rate else {})} for amount, _, rate in amounts],
    }
    wanted = statuses.wanted_of(members, document.currency or "EUR")
    printed = answers.fingerprint("answer", str(document.id), body=repr(members).encode())
    by = options.by.strip() or inside.who()
    answered = await answers.answer(wanted, document.id, Asked(by, options.key, printed), account, resources)
    if options.format == "json":
        message, replayed = str(answered.message), answered.replayed
        terminal.print_json({"document": str(document.id), "message": message, "replayed": replayed})
    else:
        again = " already" if answered.replayed else ""
        print(f"said{again}: {wanted.status.name} ({wanted.status.code}), message {answered.message}")
    return 0


async def _show(options: argparse.Namespace, account: Account, document: Document, resources: Resources) -> int:
    for one in await statuses.story(resources, account, document):
        if options.format == "json":
            terminal.print_json(one)
            continue
        code = f" ({one['code']})" if one["code"] else ""
        reasons = "; ".join(" ".join(part for part in (r["code"], r["comment"]) if part) for r in one["reasons"])
        message = one["message"]
        where = f"  [{message['halted'] or message['stage']}]" if message else ""
        told = f"{one['at'][:16].replace('T', ' ')}  {one['status']}{code}  by {one['source']}{where}"
        print(terminal.printable(f"{told}  {reasons}".rstrip()))
    return 0


def _line(finding: Finding) -> str:
    return " ".join(part for part in (finding.says, _expected(finding), finding.fix) if part)


def _expected(finding: Finding) -> str:
    return f"Expected: {finding.expected}." if finding.expected else ""
