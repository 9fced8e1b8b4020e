"""`estafette audit`: recompute every chain, every hash and the tree, reconcile every account."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from gateway import nightly
from gateway.audit import AccountAudit, TreeAudit
from gateway.clock import SystemClock
from gateway.main import database, read_notary, read_trust, read_verifiers
from gateway.nightly import Believed, Whole
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
    everything = asyncio.run(_audit(settings))
    as_json = options.format == "json"
    if sys.stderr.isatty():
        print(file=sys.stderr)
    for one in everything.accounts:
        print(json.dumps(_members(one), ensure_ascii=False) if as_json else _lines(one))
    print(json.dumps(_tree_members(everything.tree), ensure_ascii=False) if as_json else _tree_lines(everything.tree))
    outer = _outer_members(everything)
    print(json.dumps(outer, ensure_ascii=False) if as_json else _outer_lines(outer))
    return 0 if everything.clean else 1


def _outer_members(everything: Whole) -> dict[str, Any]:
    """What was found of stamps, of those who keep checkpoints, and of the renewals; what nobody here can judge is told
    and is no fault."""
    looked, judged = everything.looked, everything.judged
    complaints = [*looked.complaints, *judged.complaints]
    return {
        "kind": "outside",
        "clean": not complaints,
        "stamps": looked.stamps,
        "stamps_believed": looked.believed,
        "cosignatures": looked.cosignatures,
        "renewals": judged.held,
        "indeterminate": list(judged.indeterminate),
        "complaints": complaints,
    }


async def _audit(settings: Settings) -> Whole:
    trust, now, copies = read_trust(settings), SystemClock().now(), settings.checkpoint_copies
    async with database(settings, attach=True) as pool:
        believed = Believed(read_verifiers(settings, read_notary(settings)), trust, now, copies)
        return await nightly.everything(pool, believed, _leaves, _documents)


def _outer_lines(told: Mapping[str, Any]) -> str:
    head = (
        f"outside: {'clean' if told['clean'] else 'NOT CLEAN'}; {told['stamps']} stamps, {told['cosignatures']} "
        f"cosignatures, {told['renewals']} renewals"
    )
    unsure = [f"  cannot be judged here: {one}" for one in told["indeterminate"]]
    return "\n".join([head, *unsure, *(f"  {complaint}" for complaint in told["complaints"])])


def _leaves(done: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} leaves of the tree", end="", file=sys.stderr, flush=True)


def _documents(done: int) -> None:
    if sys.stderr.isatty() and done % 50 == 0:
        print(f"\r{done} documents        ", end="", file=sys.stderr, flush=True)


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
