"""`estafette account`: open accounts and their credentials; how their pages look is set by `branding`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from typing import Any

from stdnum.fr import siren as french_siren

from gateway.clock import SystemClock
from gateway.commands import branding
from gateway.main import database, read_pepper
from gateway.settings import Settings
from gateway.store import accounts
from gateway.store.accounts import Scope
from gateway.store.identifiers import new_id

ALL_SCOPES = ",".join(Scope)


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "account",
        description="Accounts are opened on the machine of the database, with the gateway running or not.",
    )
    actions = it.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create",
        help="open an account and print its client_id, client_secret and api_key",
        description="Open an account for a legal entity. The client_secret and the api_key are printed once.",
    )
    create.add_argument("name", help="name of the company")
    create.add_argument("--siren", required=True, help="its SIREN, nine digits")
    create.add_argument(
        "--rules",
        choices=("fr", "en16931"),
        default="fr",
        help="judge by the French rules too, or by the European only",
    )
    create.add_argument(
        "--original",
        choices=("facturx", "as_submitted"),
        default="facturx",
        help="make a Factur-X of each document, or deliver it in the syntax it came in",
    )
    create.add_argument(
        "--seal",
        choices=tuple(accounts.SEALS),
        default="none",
        help="; ".join(f"{name}: {says}" for name, says in accounts.SEALS.items()),
    )
    create.add_argument(
        "--seal-qualified",
        action="store_true",
        help="seal by a qualified certificate only, whose key is in a qualified device; documents wait without one",
    )
    create.add_argument("--seal-visible", action="store_true", help="put a mark that is seen on the first page")
    create.add_argument("--scopes", default=ALL_SCOPES, help=f"comma-separated, of {ALL_SCOPES}")
    create.add_argument("--format", choices=("text", "json"), default="text", help="how to print the answer")
    create.set_defaults(run=run)
    branding.add(actions)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Open the account and print its secrets, once."""
    siren = options.siren.replace(" ", "")
    if not french_siren.is_valid(siren):
        print(f"estafette: {options.siren} is not a SIREN: nine digits, the last one a check digit", file=sys.stderr)
        return 2
    unknown = set(options.scopes.split(",")) - set(Scope)
    if unknown:
        print(f"estafette: no such scope: {', '.join(sorted(unknown))} (of {ALL_SCOPES})", file=sys.stderr)
        return 2
    answer = asyncio.run(_create(options, settings, siren))
    if options.format == "json":
        print(json.dumps(answer, ensure_ascii=False))
    else:
        for name, value in answer.items():
            print(f"{name:<14} {value}")
        print("Keep the secrets now: they are not shown again.")
    return 0


async def _create(options: argparse.Namespace, settings: Settings, siren: str) -> dict[str, str]:
    now = SystemClock().now()
    scopes = frozenset(Scope(scope) for scope in options.scopes.split(","))
    async with database(settings, attach=True) as pool:
        pepper = read_pepper(settings)
        await accounts.check_pepper(pool, pepper, now)
        account = await accounts.create(
            pool,
            new_id(now),
            name=options.name,
            siren=siren,
            french=options.rules == "fr",
            original=options.original,
            now=now,
            seal=options.seal,
            seal_qualified=options.seal_qualified,
            seal_visible=options.seal_visible,
        )
        client = await accounts.issue(pool, account.id, pepper, kind="client", scopes=scopes, now=now)
        key = await accounts.issue(pool, account.id, pepper, kind="key", scopes=scopes, now=now)
    return {
        "account": str(account.id),
        "name": account.name,
        "siren": siren,
        "client_id": client.public_id,
        "client_secret": client.secret,
        "api_key": f"{key.public_id}.{key.secret}",
    }
