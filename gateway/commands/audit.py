"""`estafette audit`: recompute every chain, every hash and the tree, reconcile every account."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from typing import Any

from gateway import nightly
from gateway.audit import AccountAudit, TreeAudit
from gateway.clock import SystemClock
from gateway.main import database, read_notary, read_trust, read_verifiers
from gateway.nightly import Believed, Whole
from gateway.outside import Looked
from gateway.settings import Settings
from signing.evidence import Judged


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
    found, whole, outer = everything.accounts, everything.tree, Outer(everything.looked, everything.judged)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    for one in found:
        print(json.dumps(_members(one), ensure_ascii=False) if options.format == "json" else _lines(one))
    print(json.dumps(_tree_members(whole), ensure_ascii=False) if options.format == "json" else _tree_lines(whole))
    print(json.dumps(outer.members, ensure_ascii=False) if options.format == "json" else _outer_lines(outer))
    return 0 if whole.clean and outer.clean and all(one.clean for one in found) else 1


@dataclass(frozen=True, slots=True)
class Outer:
    """What was found of stamps, of those who keep checkpoints, and of the renewals."""

    looked: Looked
    judged: Judged

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong; what nobody here can judge is told and is no fault."""
        return not self.looked.complaints and not self.judged.complaints

    @property
    def members(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": "outside",
            "clean": self.clean,
            "stamps": self.looked.stamps,
            "stamps_believed": self.looked.believed,
            "cosignatures": self.looked.cosignatures,
            "renewals": self.judged.held,
            "indeterminate": list(self.judged.indeterminate),
            "complaints": [*self.looked.complaints, *self.judged.complaints],
        }


async def _audit(settings: Settings) -> Whole:
    trust, now, copies = read_trust(settings), SystemClock().now(), settings.checkpoint_copies
    async with database(settings, attach=True) as pool:
        believed = Believed(read_verifiers(settings, read_notary(settings)), trust, now, copies)
        return await nightly.everything(pool, believed, _leaves, _documents)


def _outer_lines(outer: Outer) -> str:
    told = outer.members
    head = (
        f"outside: {'clean' if outer.clean else 'NOT CLEAN'}; {told['stamps']} stamps, {told['cosignatures']} "
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
