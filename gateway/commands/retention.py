"""`estafette retention`: what ends and why, legal holds, the purge by hand, and the renewal of the evidence."""

from __future__ import annotations

import argparse
import json
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from gateway import renewing, retention
from gateway.commands import inside
from gateway.errors import GatewayError, NotFound
from gateway.main import Gateway
from gateway.renewing import Waits
from gateway.store import accounts, holds
from gateway.store.holds import Hold, Scope
from gateway.store.identifiers import new_id
from signing.evidence import HASHES


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "retention",
        help="how long documents are kept: what ends, legal holds, purge, renewal of the evidence",
        description="Documents are kept as long as the law asks (ten years from the end of the financial year in\n"
        "France), announced thirty days ahead, and purged with a tombstone. The gateway does it every day.\n\n"
        "    estafette retention due --days 60                   what ends within sixty days, and what stays\n"
        "    estafette retention hold --account ID --party 732829320 --reason dispute --review-on 2027-06-30\n"
        "    estafette retention release HOLD --account ID --by somebody.else\n"
        "    estafette retention purge --account ID --asked-by accountant --approved-by controller\n"
        "    estafette retention renew --hash sha512             a younger stamp and a stronger hash, now",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = it.add_subparsers(dest="part", required=True, metavar="WHAT")
    _due(parts)
    _holds(parts)
    _purge(parts)
    renew = parts.add_parser("renew", help="renew the stamps on the archive now, and hash it anew where asked")
    renew.add_argument("--hash", choices=tuple(HASHES), help="ESTAFETTE_RENEWAL_HASH where not given")
    renew.set_defaults(run=inside.run, work=_renewed)


def _due(parts: Any) -> None:
    due = parts.add_parser("due", help="list what ends soon, and what keeps the rest: the dry run of a purge")
    due.add_argument("--account", type=UUID, help="one account only")
    due.add_argument("--days", type=int, default=30, help="days ahead; 30 by default")
    due.add_argument("--format", choices=("text", "json"), default="text", help="how to print")
    due.set_defaults(run=inside.run, work=_listed)


def _holds(parts: Any) -> None:
    hold = parts.add_parser("hold", help="set a legal hold: what it meets is not purged")
    hold.add_argument("--account", type=UUID, required=True)
    hold.add_argument("--document", type=UUID, help="one document")
    hold.add_argument("--party", help="identifier of seller or buyer")
    hold.add_argument("--issued-from", type=date.fromisoformat, help="first day of issue")
    hold.add_argument("--issued-until", type=date.fromisoformat, help="last day of issue")
    hold.add_argument("--all", action="store_true", help="on everything; then no criterion is given")
    hold.add_argument("--reason", choices=holds.REASONS, required=True)
    hold.add_argument("--reference", default="", help="a case's number; no person's name")
    hold.add_argument("--review-on", type=date.fromisoformat, required=True, help="when somebody looks at it again")
    hold.add_argument("--by", default="", help="who sets it; the account of this machine by default")
    hold.set_defaults(run=inside.run, work=_hold)
    release = parts.add_parser("release", help="release a hold; somebody else than who set it does")
    release.add_argument("hold", type=UUID)
    release.add_argument("--account", type=UUID, required=True)
    release.add_argument("--reference", default="")
    release.add_argument("--by", default="", help="who releases it; the account of this machine by default")
    release.set_defaults(run=inside.run, work=_release)
    listed = parts.add_parser("holds", help="list the holds of an account")
    listed.add_argument("--account", type=UUID, required=True)
    listed.set_defaults(run=inside.run, work=_holds_listed)


def _purge(parts: Any) -> None:
    purge = parts.add_parser("purge", help="purge now what is announced and due; two persons are needed")
    purge.add_argument("--account", type=UUID, required=True)
    purge.add_argument("--asked-by", required=True)
    purge.add_argument("--approved-by", required=True)
    purge.set_defaults(run=inside.run, work=_purged)


async def _listed(options: argparse.Namespace, gateway: Gateway) -> int:
    resources = gateway.resources
    until = resources.clock.now().date() + timedelta(days=max(0, options.days))
    for account_id in [options.account] if options.account else await accounts.every_id(resources.pool):
        async for one in retention.due(resources.pool, account_id, until):
            announced = one.document.purge_on
            told = {
                "account": str(account_id),
                "document": str(one.document.id),
                "number": one.document.number,
                "class": str(one.document.kind),
                "kept_until": one.until.isoformat(),
                "law": one.act,
                "purge_on": announced.isoformat() if announced else None,
                "kept_by": one.kept_by or None,
            }
            if options.format == "json":
                print(json.dumps(told, ensure_ascii=False))
            else:
                fate = f"kept by {one.kept_by}" if one.kept_by else f"purged on {announced or 'a day to be announced'}"
                print(f"{one.document.id}  {one.document.kind}  until {one.until}  {fate}  ({one.act})")
    return 0


async def _hold(options: argparse.Namespace, gateway: Gateway) -> int:
    now = gateway.resources.clock.now()
    limits = (options.document, options.party, options.issued_from, options.issued_until)
    scope = Scope(*limits, everything=options.all)
    hold = Hold(new_id(now), scope, options.reason, options.reference, options.review_on, inside.who(options.by), now)
    placed = await _told(gateway, options.account, await holds.place(gateway.resources.pool, options.account, hold))
    print(f"hold {hold.id}: {placed.told} documents")
    return 0


async def _told(gateway: Gateway, account_id: UUID, hold: Hold) -> Hold:
    """Go on until every document is told; whoever breaks off leaves the rest to the gateway."""
    while hold.goes_on:
        hold = await holds.tell(gateway.resources.pool, account_id, hold.id, holds.AT_ONCE)
    return hold


async def _release(options: argparse.Namespace, gateway: Gateway) -> int:
    resources = gateway.resources
    released = await holds.release(
        resources.pool, options.account, options.hold, by=inside.who(options.by), at=resources.clock.now(),
        reference=options.reference,
    )  # fmt: skip
    await _told(gateway, options.account, released)
    print(f"hold {options.hold} is released")
    return 0


async def _holds_listed(options: argparse.Namespace, gateway: Gateway) -> int:
    if options.account not in await accounts.every_id(gateway.resources.pool):
        raise NotFound("there is no such account")
    async with gateway.resources.pool.account(options.account) as connection:
        for one in await holds.listed(connection):
            state = f"released by {one.released_by}" if one.released_by else f"in force, look again on {one.review_on}"
            print(f"{one.id}  {one.reason} {one.reference}  set by {one.set_by} on {one.set_at.date()}  {state}")
    return 0


async def _purged(options: argparse.Namespace, gateway: Gateway) -> int:
    gone = await retention.purge_now(
        gateway.resources, options.account, asked_by=options.asked_by, approved_by=options.approved_by
    )
    for document_id in gone:
        print(document_id)
    print(f"{len(gone)} documents are purged")
    return 0


async def _renewed(options: argparse.Namespace, gateway: Gateway) -> int:
    try:
        made = await renewing.run(gateway.resources, options.hash or gateway.settings.renewal_hash, at_once=True)
    except Waits as waits:
        raise GatewayError(f"the evidence cannot be renewed now: {waits}") from waits
    if made is None:
        print("nothing is stamped yet, so there is nothing to renew")
        return 1
    told = made.told
    print(f"renewal {made.number}: {told['kind']} with {told['algorithm']}, {told['stamps']['count']} stamps")
    return 0
