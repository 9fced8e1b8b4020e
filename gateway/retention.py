"""The retention chore: announce what ends, purge what was announced, and destroy the keys that locked it.

Once a day, for every account: contents that an older release kept open are locked; documents whose period ends within
thirty days are announced by an event; announced ones whose day has come, whose line has ended and that nothing holds
are purged. A key under which something was purged is emptied (what must stay is rewrapped), retired, and destroyed when
the last backup that needs it has ended: from then on no backup, however old, opens what was purged.

A clock that jumps purges nothing at once: the announcement stands between, and its thirty days.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from gateway.errors import Conflict, Corrupt, Gone, Misconfigured
from gateway.lifecycle import Said, Stage
from gateway.periods import ANNOUNCED_DAYS, DocumentClass, Policy, kept_until, law, readings_until
from gateway.resources import Resources
from gateway.store import accounts, archive_keys, archive_reads, contents, holds, retention
from gateway.store.pool import Pool
from gateway.store.retention import Candidate

log = logging.getLogger(__name__)

AUTOMATIC = "retention"
"""Who purges when nobody is named."""


@dataclass(frozen=True, slots=True)
class Due:
    """A document whose period ends, and what becomes of it."""

    account_id: UUID
    document: Candidate
    until: date
    """The last day on which it must be there."""
    act: str
    """The law."""
    kept_by: str
    """Why it stays although its period ends; empty when it goes."""


@dataclass(slots=True)
class Ran:
    """What one run did."""

    locked: int = 0
    """Contents of an older release that were locked."""
    announced: int = 0
    purged: int = 0
    kept: int = 0
    """Documents past their period that something keeps."""
    destroyed: int = 0
    """Archive keys."""
    readings: int = 0
    """Who read in the archive, when all that could be read then is past its period."""
    troubles: list[str] = field(default_factory=list)


async def due(pool: Pool, account_id: UUID, until: date) -> AsyncIterator[Due]:
    """Every document of an account whose period ends by a day: the dry run of a purge on the next."""
    async with pool.account(account_id) as connection:
        policy = await retention.policy(connection)
    after = UUID(int=0)
    while True:
        async with pool.account(account_id) as connection:
            page = await retention.candidates(
                connection,
                invoices_before=_came_before(until, law(DocumentClass.INVOICE, policy).years),
                refused_before=_came_before(until, law(DocumentClass.REFUSED, policy).years),
                after=after,
            )
        for one in page:
            ends = kept_until(one.kind, one.issued, one.received, policy)
            if ends <= until:
                yield Due(account_id, one, ends, law(one.kind, policy).act, _keeps(one))
        if len(page) < retention.PAGE:
            return
        after = page[-1].id


async def run(resources: Resources, backup_life: timedelta) -> Ran:
    """Do what is due, for every account. What fails for one document or account is told and stops no other."""
    ran, now = Ran(), resources.clock.now()
    for account_id in await accounts.every_id(resources.pool):
        try:
            ran.locked += await contents.lock_old(resources.pool, account_id)
            await _account(resources.pool, account_id, now, ran)
            ran.readings += await _readings(resources.pool, account_id, now)
        except (Corrupt, Gone, Misconfigured) as wrong:
            ran.troubles.append(f"account {account_id}: {wrong.detail}")
    await _keys(resources.pool, now, backup_life, ran)
    for trouble in ran.troubles:
        log.error("retention: %s", trouble)
    log.info("retention", extra={"announced": ran.announced, "purged": ran.purged, "kept": ran.kept})
    return ran


async def purge_now(resources: Resources, account_id: UUID, *, asked_by: str, approved_by: str) -> tuple[UUID, ...]:
    """Purge at once what is announced and due; two persons are needed. The documents that went. Raises Conflict."""
    if not asked_by or not approved_by or asked_by == approved_by:
        raise Conflict("a purge by hand is asked for by one person and approved by another")
    now = resources.clock.now()
    gone = []
    async for one in due(resources.pool, account_id, now.date() - timedelta(days=1)):
        if not one.kept_by and one.document.purge_on is not None and one.document.purge_on <= now.date():
            await _purge(resources.pool, one, now, {"by": asked_by, "approved_by": approved_by})
            gone.append(one.document.id)
    return tuple(gone)


async def _account(pool: Pool, account_id: UUID, now: datetime, ran: Ran) -> None:
    today = now.date()
    async for one in due(pool, account_id, today + timedelta(days=ANNOUNCED_DAYS)):
        ends = one.document.purge_on
        if one.kept_by:
            ran.kept += one.until < today
        elif ends is None:
            await _announce(pool, one, now)
            ran.announced += 1
        elif ends <= today and one.until < today:
            try:
                await _purge(pool, one, now, {"by": AUTOMATIC})
                ran.purged += 1
            except Conflict as kept:
                log.info("not purged: %s", kept.detail, extra={"document": str(one.document.id)})
                ran.kept += 1


async def _readings(pool: Pool, account_id: UUID, now: datetime) -> int:
    """End the readings of the archive; while any hold is in force they stay, as they may be what it is about."""
    async with pool.account(account_id) as connection:
        policy, held = await retention.policy(connection), await holds.listed(connection, in_force=True)
    if held:
        return 0
    day = readings_until(now.date(), policy)
    until = datetime.fromisoformat(f"{day.isoformat()}T23:59:59.999999+00:00")
    return await archive_reads.end(pool, account_id, until, law(DocumentClass.INVOICE, policy).act, now)


async def _announce(pool: Pool, one: Due, now: datetime) -> None:
    """The day after its last, and never sooner than thirty days from now."""
    day = max(one.until + timedelta(days=1), now.date() + timedelta(days=ANNOUNCED_DAYS))
    facts = {"class": str(one.document.kind), "kept_until": one.until.isoformat(), "law": one.act,
             "purge_on": day.isoformat()}  # fmt: skip
    said = Said(now, Stage.RECEIVED, "announced", facts, ())
    await retention.announce(pool, one.account_id, one.document.id, day, said)


async def _purge(pool: Pool, one: Due, now: datetime, by: dict[str, str]) -> None:
    facts = {"class": str(one.document.kind), "kept_until": one.until.isoformat(), "law": one.act, **by}
    gone = await retention.purge(pool, one.account_id, one.document.id, facts, now)
    log.info("purged", extra={"document": str(one.document.id), "contents": len(gone)})


def _keeps(one: Candidate) -> str:
    if one.held:
        return "a legal hold"
    return "its line has not ended: it is not paid, or a next step waits" if one.under_way else ""


def _came_before(until: date, years: int) -> datetime:
    """Documents that came later cannot have ended by then."""
    day = date(until.year - years, until.month, min(until.day, 28)) + timedelta(days=4)
    return datetime.fromisoformat(f"{day.isoformat()}T00:00:00+00:00")


async def _keys(pool: Pool, now: datetime, backup_life: timedelta, ran: Ran) -> None:
    """Empty, retire and destroy the keys under which something was purged."""
    keys = pool.keys
    if keys is None:
        return
    await keys.renew(pool, now)
    every = await accounts.every_id(pool)
    for name in await keys.spent(pool, now):
        try:
            for account_id in every:
                await contents.rewrap(pool, keys, account_id, name)
        except (Corrupt, Gone, Misconfigured) as wrong:
            ran.troubles.append(f"archive key {name}: {wrong.detail}")
            continue
        await keys.retire(pool, name, now)
    for name in await keys.retired(pool, now - max(backup_life, timedelta(seconds=2 * archive_keys.MEMORY))):
        used = [account_id for account_id in every if name in await contents.keys_in_use(pool, account_id)]
        for account_id in used:  # a gateway that had not heard of the new key yet
            await contents.rewrap(pool, keys, account_id, name)
        if not used:
            await keys.destroyed(pool, name, now)
            ran.destroyed += 1


async def tell_holds(pool: Pool) -> int:
    """Tell the documents of holds that were set or released and are not told yet; how many holds that were.

    Two gateways may do it at once: each page of documents is told by one of them.
    """
    busy = 0
    for account_id in await accounts.every_id(pool):
        async with pool.account(account_id) as connection:
            waiting = await holds.unfinished(connection)
        for hold_id in waiting:
            while (await holds.tell(pool, account_id, hold_id, holds.AT_ONCE)).goes_on:
                pass
            busy += 1
    return busy


async def policy_of(pool: Pool, account_id: UUID) -> Policy:
    """What an account has set of retention, or what stands without that."""
    async with pool.account(account_id) as connection:
        return await retention.policy(connection)
