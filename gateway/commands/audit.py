"""`estafette audit`: recompute every chain and hash, reconcile every account."""

from __future__ import annotations

import argparse
import asyncio
import json
from typing import Any

from gateway import audit
from gateway.audit import AccountAudit
from gateway.main import database
from gateway.settings import Settings


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "audit",
        description="Read everything from its bytes and name what is wrong. Exit 0: all is well; 1: it is not.",
    )
    it.add_argument("--format", choices=("text", "json"), default="text", help="how to print the answer")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Audit and report."""
    found = asyncio.run(_audit(settings))
    for one in found:
        print(json.dumps(_members(one), ensure_ascii=False) if options.format == "json" else _lines(one))
    return 0 if all(one.clean for one in found) else 1


async def _audit(settings: Settings) -> list[AccountAudit]:
    async with database(settings, attach=True) as pool:
        return await audit.audit(pool)


def _members(one: AccountAudit) -> dict[str, Any]:
    books = one.reconciliation
    return {
        "account": str(one.account_id),
        "clean": one.clean,
        "documents": one.documents,
        "events": one.events,
        "contents": one.contents,
        "accepted": books.accepted,
        "archived": books.archived,
        "delivered": books.delivered,
        "pending": books.pending,
        "halted": books.halted,
        "amounts": {currency: [str(whole), str(parts)] for currency, (whole, parts) in books.amounts.items()},
        "complaints": list(one.complaints),
    }


def _lines(one: AccountAudit) -> str:
    books = one.reconciliation
    head = (
        f"account {one.account_id}: {'clean' if one.clean else 'NOT CLEAN'}; {one.documents} documents, "
        f"{one.events} events, {one.contents} contents; accepted {books.accepted} = delivered {books.delivered} "
        f"+ pending {books.pending} + halted {books.halted}"
    )
    return "\n".join([head, *(f"  {complaint}" for complaint in one.complaints)])
