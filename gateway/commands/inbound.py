"""`estafette inbound`: what came and is nobody's; a person gives an invoice to an account, or drops it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from uuid import UUID

from adapters.port import ArrivalKind
from gateway.commands import inside, terminal
from gateway.errors import GatewayError
from gateway.main import Gateway
from gateway.stages import receive
from gateway.store import accounts, arrivals
from gateway.store.arrivals import Waiting

REASON_LIMIT = 200
"""Characters of the reason for dropping one."""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "inbound",
        help="invoices that came for nobody known: list, look, assign to an account, or drop",
        description="What a network brings is stored first. An invoice that names no participant of an account, or\n"
        "that cannot be read, waits here for a person; nothing is ever thrown away.\n\n"
        "    estafette inbound list\n"
        "    estafette inbound show afnor FLOW -o invoice.pdf     the bytes as they came\n"
        "    estafette inbound assign afnor FLOW --account ID     it walks the line of that account\n"
        "    estafette inbound drop afnor FLOW --reason 'advertising'\n\n"
        "Statuses of documents that nobody here knows wait too, and are tried again: `list --statuses` shows them,\n"
        "and they are looked at and dropped in the same way.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = it.add_subparsers(dest="part", required=True, metavar="WHAT")
    listed = parts.add_parser("list", help="what waits, the oldest first")
    listed.add_argument("--dropped", action="store_true", help="what was dropped, by whom and why")
    listed.add_argument("--statuses", action="store_true", help="statuses of documents nobody knows, not invoices")
    terminal.add_format(listed)
    listed.set_defaults(run=inside.run, work=_listed)
    show = _one(parts, "show", "write the bytes as they came")
    show.add_argument("-o", "--output", type=Path, required=True, help="file to write; must not exist")
    show.set_defaults(run=inside.run, work=_shown)
    assign = _one(parts, "assign", "give it to an account")
    assign.add_argument("--account", type=UUID, required=True)
    assign.add_argument("--participant", default="", help="SIREN it is for; the account's first one by default")
    assign.add_argument("--by", default="", help="who decides; the account of this machine by default")
    assign.set_defaults(run=inside.run, work=_assigned)
    drop = _one(parts, "drop", "say that it is nobody's; it stays, and is told no more")
    drop.add_argument("--reason", required=True)
    drop.add_argument("--by", default="", help="who decides; the account of this machine by default")
    drop.set_defaults(run=inside.run, work=_dropped)


def _one(parts: Any, name: str, says: str) -> argparse.ArgumentParser:
    it: argparse.ArgumentParser = parts.add_parser(name, help=says)
    it.add_argument("network", help="as the list says")
    it.add_argument("id", help="the network's own id, as the list says")
    return it


async def _listed(options: argparse.Namespace, gateway: Gateway) -> int:
    found = await arrivals.waiting(gateway.resources.pool, dropped=options.dropped, statuses=options.statuses)
    for one in found:
        if options.format == "json":
            terminal.print_json(_as_json(one))
        else:
            print(terminal.printable(_line(one)))
    return 0


def _line(one: Waiting) -> str:
    whose = f"for {one.recipient}" if one.recipient else "for nobody named"
    if one.kind != ArrivalKind.INVOICE:
        whose = one.kind
    end = (
        f"dropped by {one.dropped_by}: {one.dropped_reason}"
        if one.dropped_at
        else one.reason or "nothing here is known by this name"
    )
    name = f"  {one.name}" if one.name else ""
    return f"{one.arrived_at:%Y-%m-%d %H:%M}  {one.network}  {one.network_id}  {whose}  {one.size} bytes{name}  ({end})"


def _as_json(one: Waiting) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "network": one.network,
        "id": one.network_id,
        "name": one.name,
        "recipient": one.recipient or None,
        "reason": one.reason,
        "media_type": one.media_type,
        "size": one.size,
        "arrived_at": one.arrived_at.isoformat(),
        "dropped_at": one.dropped_at.isoformat() if one.dropped_at else None,
        "dropped_by": one.dropped_by,
        "dropped_reason": one.dropped_reason,
    }


async def _shown(options: argparse.Namespace, gateway: Gateway) -> int:
    arrival = await arrivals.stray(gateway.resources.pool, options.network, options.id)
    try:
        with options.output.open("xb") as file:
            file.write(arrival.data)
    except FileExistsError as there:
        raise GatewayError(f"{options.output} is there already: nothing is written over it") from there
    return 0


async def _assigned(options: argparse.Namespace, gateway: Gateway) -> int:
    account = await accounts.get(gateway.resources.pool, options.account)
    participant = options.participant.replace(" ", "") or account.participants[0]
    name = (options.network, options.id)
    admission = await receive.assign(name, account, participant, inside.who(options.by), gateway.resources)
    print(f"document {admission.document_id}")
    return 0


async def _dropped(options: argparse.Namespace, gateway: Gateway) -> int:
    reason = options.reason.strip()
    if not reason or len(reason) > REASON_LIMIT or not reason.isprintable():
        raise GatewayError(f"a reason is a line of at most {REASON_LIMIT} characters")
    resources = gateway.resources
    now, by = resources.clock.now(), inside.who(options.by)
    await arrivals.drop(resources.pool, options.network, options.id, by=by, reason=reason, now=now)
    print("it is dropped")
    return 0
