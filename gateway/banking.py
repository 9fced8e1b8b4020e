"""From a bank's file to payments: read, kept once, matched, booked where it is certain, proposed where it is not.

What is booked is a payment on the invoice's document, under a key made of the line: what follows (status 212, the end
of the line) comes by itself. What a person refused or undid is never booked again by the gateway.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID
from weakref import WeakValueDictionary

from gateway.compute import beside
from gateway.errors import Conflict, Malformed, Rejected
from gateway.matching.deciding import match
from gateway.matching.telling import told
from gateway.matching.values import Match, Part, Reason
from gateway.resources import Resources
from gateway.store import bank_balances, statements
from gateway.store.bank_balances import Balance
from gateway.store.pool import Connection
from gateway.store.statements import Imported
from schemas.bank.reading import read
from schemas.bank.statement import Reading
from schemas.bank.table import Mapping_

GATEWAY = "gateway"
"""Who books what is certain."""


_TURNS: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
"""One run of matching at a time for each account."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says of a file: whose it is, and how a CSV is to be read."""

    account: str = ""
    currency: str = ""
    mapping: Mapping_ | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of matching did."""

    booked: int
    proposed: int


async def check(resources: Resources, data: bytes, options: Options) -> Reading:
    """Judge a file; nothing is kept."""
    return await beside(
        resources.compute, read, data, account=options.account, currency=options.currency, mapping=options.mapping
    )


async def take(
    resources: Resources, account_id: UUID, data: bytes, options: Options, by: str
) -> tuple[Reading, list[Imported], Run]:
    """Import a file, all of it or nothing, and match. Raises Rejected with every finding."""
    reading = await check(resources, data, options)
    if not reading.readable:
        raise Rejected("the file is no bank statement that can be taken", reading.findings)
    compared = [await asyncio.to_thread(told, one) for one in reading.statements]
    async with resources.pool.account(account_id) as connection:
        await statements.lock(connection, account_id)
        now = resources.clock.now()
        kept = [await statements.keep(connection, account_id, one, by, now) for one in compared]
    return reading, kept, await settle(resources, account_id)


async def settle(resources: Resources, account_id: UUID) -> Run:
    """Match what is open, book what is certain, propose the rest.

    Matching takes seconds where much is open: no transaction or lock of the database is held meanwhile, one run for an
    account at a time in this process, and what is certain is held against what is owed by then.
    """
    async with _TURNS.setdefault(account_id, asyncio.Lock()):
        async with resources.pool.account(account_id) as connection:
            lines = await statements.open_lines(connection)
            if not lines:
                return Run(0, 0)
            owed = await statements.owed(connection, resources.clock.now().date())
            known = await statements.known(connection)
        found = {one.line_id: one for one in await beside(resources.compute, match, lines, owed, known)}
        async with resources.pool.account(account_id) as connection:
            await statements.lock(connection, account_id)
            return await _kept(connection, account_id, [line.id for line in lines], found, resources.clock.now())


async def _kept(
    connection: Connection, account_id: UUID, lines: Sequence[UUID], found: Mapping[UUID, Match], now: datetime
) -> Run:
    """Book or propose what was found for lines that are open still. Under the lock."""
    booked = proposed = 0
    against = await statements.decided_against(connection)
    standing = await statements.proposed(connection)
    still = await statements.still_open(connection, lines)
    sure = [part.document_id for one in found.values() if one.certain for part in one.parts]
    balances = await bank_balances.balances(connection, sure)
    for line_id in lines:
        one = found.get(line_id)
        if line_id not in still:
            continue
        if one is not None and line_id in against:
            one = None if frozenset(one.parts) in against[line_id] else replace(one, certain=False)
        if one is None:
            if line_id in standing:
                await statements.withdraw(connection, account_id, line_id, now)
            continue
        if one.certain and not _still(balances, one):
            one = replace(one, certain=False)
        match_id, new = await statements.propose(connection, account_id, one, now)
        if one.certain:
            await statements.decide(connection, account_id, match_id, "booked", by=GATEWAY, now=now)
            balances |= {part.document_id: balances[part.document_id].after(part.amount) for part in one.parts}
            booked += 1
        else:
            proposed += new
    return Run(booked, proposed)


def _still(balances: Mapping[UUID, Balance], one: Match) -> bool:
    """Whether each part is still owed, or still paid where it takes back: somebody may have reported it meanwhile."""
    return all(part.document_id in balances and balances[part.document_id].bears(part.amount) for part in one.parts)


async def _settle_after(resources: Resources, account_id: UUID) -> None:
    """Match after a decision, which stands whatever becomes of this: the next run makes up for it."""
    try:
        await settle(resources, account_id)
    except Exception:
        log.exception("matching after a decision failed; the decision stands")


async def accept(resources: Resources, account_id: UUID, match_id: UUID, by: str, parts: Sequence[Part] = ()) -> UUID:
    """Book a proposal as it is, or the parts a person chose instead; the match that is booked.

    Raises NotFound, Conflict, Malformed.
    """
    async with resources.pool.account(account_id) as connection:
        await statements.lock(connection, account_id)
        now = resources.clock.now()
        if parts:
            line_id = await statements.line_of(connection, match_id)
            match_id = await _chosen(connection, account_id, line_id, parts, resources)
        await _book(connection, account_id, match_id, by, now)
    await _settle_after(resources, account_id)
    return match_id


async def _book(connection: Connection, account_id: UUID, match_id: UUID, by: str, now: datetime) -> None:
    """Book what a person decided: it may be more than is owed, and never takes back more than was paid."""
    parts = await statements.parts(connection, match_id)
    balances = await bank_balances.balances(connection, [part.document_id for part in parts])
    for part in parts:
        found = balances.get(part.document_id)
        if found is not None and found.takes_back(part.amount) and not found.bears(part.amount):
            raise Conflict("a line cannot take back more than was paid on the document")
    await statements.decide(connection, account_id, match_id, "booked", by=by, now=now)


async def assign(resources: Resources, account_id: UUID, line_id: UUID, by: str, parts: Sequence[Part]) -> UUID:
    """Book a line on the documents a person chose. Raises NotFound, Conflict, Malformed."""
    async with resources.pool.account(account_id) as connection:
        await statements.lock(connection, account_id)
        match_id = await _chosen(connection, account_id, line_id, parts, resources)
        await _book(connection, account_id, match_id, by, resources.clock.now())
    await _settle_after(resources, account_id)
    return match_id


async def refuse(resources: Resources, account_id: UUID, match_id: UUID, by: str) -> None:
    """Say that a proposal is wrong; it is not made again. Raises NotFound, Conflict."""
    await _decide(resources, account_id, match_id, "refused", by)


async def undo(resources: Resources, account_id: UUID, match_id: UUID, by: str) -> None:
    """Take a booking back: each of its payments gets its reversal. Raises NotFound, Conflict."""
    await _decide(resources, account_id, match_id, "undone", by)


async def _decide(resources: Resources, account_id: UUID, match_id: UUID, decision: str, by: str) -> None:
    async with resources.pool.account(account_id) as connection:
        await statements.lock(connection, account_id)
        await statements.decide(connection, account_id, match_id, decision, by=by, now=resources.clock.now())
    await _settle_after(resources, account_id)


async def _chosen(
    connection: Connection, account_id: UUID, line_id: UUID, parts: Sequence[Part], resources: Resources
) -> UUID:
    """A match made by a person."""
    line = await statements.line(connection, line_id)
    if len({part.document_id for part in parts}) < len(parts) or not parts:
        raise Malformed("name each document once, and at least one")
    total = sum((part.amount for part in parts), Decimal(0))
    if any(part.amount * line.amount <= 0 for part in parts) or abs(total) > abs(line.amount):
        raise Malformed("the parts have the line's sign, and are not more than the line together")
    balances = await bank_balances.balances(connection, [part.document_id for part in parts])
    for part in parts:
        owed = balances.get(part.document_id)
        if owed is None:
            raise Conflict("nothing can be owed on one of the documents")
        if owed.currency != line.currency:
            raise Conflict("a line pays documents in its own currency")
    one = Match(line_id, tuple(parts), (Reason("chosen"),), certain=False)
    match_id, _ = await statements.propose(connection, account_id, one, resources.clock.now())
    return match_id
