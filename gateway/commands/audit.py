"""`estafette audit`: recompute every chain, hash, seal and timestamp and the tree, and reconcile every account."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from gateway import nightly
from gateway.audit import AccountAudit, TreeAudit
from gateway.clock import SystemClock
from gateway.commands.terminal import Drawn
from gateway.compute import Compute
from gateway.main import database, read_notary, read_trust, read_verifiers
from gateway.nightly import AccountReread, Believed, Progress, Whole
from gateway.settings import Settings


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "audit",
        description="Read everything from its bytes and name what is wrong: every hash, chain, seal and timestamp,\n"
        "the tree, what lists and searches show against what the documents say, what was accepted against\n"
        "what became of it. Exit 0: all is well; 1: it is not; 2: it could not be done.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="worker processes; one for each processor"
    )
    it.add_argument("--format", choices=("text", "json"), default="text", help="how to print the answer")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Audit and report."""
    drawn = Drawn()
    everything = asyncio.run(_audit(settings, max(1, options.processes), _progress(drawn)))
    drawn.clear()
    as_json = options.format == "json"
    for one, read in zip(everything.accounts, everything.reread, strict=True):
        members = _members(one, read)
        print(json.dumps(members, ensure_ascii=False) if as_json else _lines(members))
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
        "stamps_unsure": dict(sorted(looked.unsure.items())),
        "cosignatures": looked.cosignatures,
        "renewals": judged.held,
        "indeterminate": list(judged.indeterminate),
        "complaints": complaints,
    }


async def _audit(settings: Settings, processes: int, progress: Progress) -> Whole:
    trust, now, copies = read_trust(settings), SystemClock().now(), settings.checkpoint_copies
    compute = Compute(processes, settings.compute_seconds)
    try:
        async with database(settings, attach=True) as pool:
            keys = read_verifiers(settings, read_notary(settings))
            believed = Believed(keys, trust, now, copies, compute, processes)
            return await nightly.everything(pool, believed, progress)
    finally:
        compute.close()


def _outer_lines(told: Mapping[str, Any]) -> str:
    head = (
        f"outside: {'clean' if told['clean'] else 'NOT CLEAN'}; {told['stamps']} stamps, {told['cosignatures']} "
        f"cosignatures, {told['renewals']} renewals"
    )
    unsure = [f"  cannot be judged here: {one}" for one in told["indeterminate"]]
    unsure += _unsure(told["stamps_unsure"], "stamps")
    return "\n".join([head, *unsure, *(f"  {complaint}" for complaint in told["complaints"])])


def _progress(drawn: Drawn) -> Progress:
    """How far it is, on standard error, where a person is looking."""

    def telling(what: str) -> Callable[[int], None]:
        return lambda done: drawn.show(f"{done} {what}")

    return Progress(
        telling("leaves of the tree"),
        telling("documents with their events"),
        telling("contents opened"),
        telling("documents read again"),
        telling("stamps judged"),
    )


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


def _members(one: AccountAudit, read: AccountReread) -> dict[str, Any]:
    books, found = one.reconciliation, read.found
    return {
        "kind": "account",
        "account": str(one.account_id),
        "clean": one.clean and read.clean,
        "documents": one.documents,
        "events": one.events,
        "contents": one.contents,
        "accepted": books.accepted,
        "archived": books.archived,
        "delivered": books.delivered,
        "pending": books.pending,
        "halted": books.halted,
        "amounts": {currency: [str(whole), str(parts)] for currency, (whole, parts) in books.amounts.items()},
        "read_again": found.documents,
        "amounts_read": {currency: str(says) for currency, (says, _) in found.amounts.items()},
        "seals": found.seals,
        "seals_believed": found.believed,
        "seals_unsure": dict(sorted(found.unsure.items())),
        "complaints": [*one.complaints, *read.complaints],
    }


def _lines(told: Mapping[str, Any]) -> str:
    head = (
        f"account {told['account']}: {'clean' if told['clean'] else 'NOT CLEAN'}; {told['documents']} documents, "
        f"{told['events']} events, {told['contents']} contents, {told['seals']} seals; accepted {told['accepted']} = "
        f"delivered {told['delivered']} + pending {told['pending']} + halted {told['halted']}; "
        f"{told['read_again']} read again"
    )
    sums = [
        f"  {currency}: {read} by the documents' bytes, {told['amounts'].get(currency, ['0', '0'])[1]} delivered, "
        "pending and halted"
        for currency, read in sorted(told["amounts_read"].items())
    ]
    return "\n".join(
        [head, *sums, *_unsure(told["seals_unsure"], "seals"), *(f"  {one}" for one in told["complaints"])]
    )


def _unsure(told: Mapping[str, int], what: str) -> list[str]:
    return [f"  {count} {what} cannot be judged here: {sub}" for sub, count in told.items()]
