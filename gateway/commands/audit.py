"""`estafette audit`: recompute every chain, every hash and the tree, reconcile every account."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from gateway import audit
from gateway.audit import AccountAudit, TreeAudit
from gateway.main import database, read_notary, read_verifiers
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
    found, whole = asyncio.run(_audit(settings))
    for one in found:
        print(json.dumps(_members(one), ensure_ascii=False) if options.format == "json" else _lines(one))
    print(json.dumps(_tree_members(whole), ensure_ascii=False) if options.format == "json" else _tree_lines(whole))
    return 0 if whole.clean and all(one.clean for one in found) else 1


async def _audit(settings: Settings) -> tuple[list[AccountAudit], TreeAudit]:
    async with database(settings, attach=True) as pool:
        whole = await audit.audit_tree(
            pool, read_verifiers(settings, read_notary(settings)), settings.checkpoint_copies, _progress
        )
        return await audit.audit(pool), whole


def _progress(leaves: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{leaves} leaves of the tree", end="", file=sys.stderr, flush=True)


def _tree_members(whole: TreeAudit) -> dict[str, Any]:
    return {
        "kind": "tree",
        "clean": whole.clean,
        "leaves": whole.leaves,
        "checkpoints": whole.checkpoints,
        "copies": whole.copies,
        "complaints": list(whole.complaints),
    }


def _tree_lines(whole: TreeAudit) -> str:
    outside = f"{whole.copies} copies outside" if whole.copies else "no copies outside"
    head = (
        f"tree: {'clean' if whole.clean else 'NOT CLEAN'}; {whole.leaves} leaves, {whole.checkpoints} signed "
        f"checkpoints, {outside}"
    )
    return "\n".join([head, *(f"  {complaint}" for complaint in whole.complaints)])


def _members(one: AccountAudit) -> dict[str, Any]:
    books = one.reconciliation
    return {
        "kind": "account",
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
