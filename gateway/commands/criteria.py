"""What the commands of the archive share: whose archive it is, what is looked for, and who looks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.api import archive_query
from gateway.api.access import PARAMETERS, REASONS
from gateway.api.archive_query import CRITERIA, Asked
from gateway.commands import inside
from gateway.commands.files import Unusable
from gateway.commands.terminal import Told
from gateway.errors import Unanswerable
from gateway.store import accounts, archive_reads
from gateway.store.accounts import Account
from gateway.store.archive_reads import Read
from gateway.store.identifiers import new_id
from gateway.store.pool import Pool

_SHORT = {"issued_from": "--from", "issued_to": "--to"}
"""The period that people mean has a short name too."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading to write down."""

    what: str
    query: Mapping[str, Any]
    found: int
    whole: bool
    asked: Asked


def add(it: argparse.ArgumentParser) -> None:
    """The options that choose an account and its documents; they are the parameters of `GET /v1/archive`."""
    it.add_argument("--account", help="id of the account, or a SIREN of it; not needed where there is one account")
    group = it.add_argument_group("documents", "all that is given must hold; /docs explains each")
    for name in CRITERIA:
        flags = [f"--{name.replace('_', '-')}", *([_SHORT[name]] if name in _SHORT else [])]
        group.add_argument(*flags, dest=name, metavar="X")
    group.add_argument("--sort", metavar="X", help="issued (by default) or accepted")
    group.add_argument("--order", metavar="X", help="desc (by default) or asc")
    it.add_argument("--reason", choices=REASONS, help="why the archive is read; recorded")
    it.add_argument("--reference", help="a case's number, recorded with the reason; no person's name")


def read(options: argparse.Namespace) -> Asked:
    """What is asked for. Raises Unusable with every fault."""
    names = (*CRITERIA, "sort", "order", *PARAMETERS)
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    try:
        return archive_query.read(given)
    except Unanswerable as unanswerable:
        raise unusable(unanswerable) from unanswerable


def unusable(unanswerable: Unanswerable) -> Unusable:
    """The faults of a query, by their options."""
    lines = [
        f"--{finding.path.replace('_', '-')}: {finding.says} ({finding.expected})" for finding in unanswerable.findings
    ]
    return Unusable(Told("; ".join(lines), "; ".join(lines)))


async def account(pool: Pool, given: str | None) -> Account:
    """The account that is named by its id or a SIREN of it, or the only one. Raises Unusable."""
    every = [await accounts.get(pool, account_id) for account_id in await accounts.every_id(pool)]
    named = [
        one for one in every if given is None or given == str(one.id) or given.replace(" ", "") in one.participants
    ]
    if len(named) == 1:
        return named[0]
    if not named:
        raise Unusable(Told("there is no such account", "ce compte n'existe pas"))
    ids = ", ".join(f"{one.id} ({one.name})" for one in named)
    raise Unusable(
        Told(f"name one of the accounts with --account: {ids}", f"indiquez un compte avec --account : {ids}")
    )


async def record(pool: Pool, account_id: UUID, reading: Reading, now: datetime) -> None:
    """Write down who read, as whoever works at this machine."""
    asked = reading.asked
    read_ = Read(
        new_id(now), now, inside.who(), reading.what, reading.query, reading.found, reading.whole, asked.reason,
        asked.reference,
    )  # fmt: skip
    async with pool.account(account_id) as connection:
        await archive_reads.record(connection, account_id, read_)
