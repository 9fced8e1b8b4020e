"""What the clock asks for: collect what networks bring, publish what was recorded and put it outside, and once a day
renew the evidence, end what is past its retention and audit everything.

Each run has one runner in the installation (the chore's row moves its due date). What is collected is stored before
the cursor moves, each arrival once for ever; one that cannot be read, tied to a document or stored with it is kept as a
stray and never blocks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from adapters.port import (
    Arrival,
    ArrivalKind,
    Collected,
    Custodian,
    Network,
    Selective,
    TimestampAuthority,
    Unreachable,
)
from gateway import indexing, nightly, outside, reminding, renewing, retention, webhooks
from gateway.compute import Interrupted
from gateway.errors import Busy, NotFound
from gateway.publish import Copies, publish
from gateway.resources import Resources
from gateway.stages import receive
from gateway.statuses import direction_of
from gateway.store import accounts, arrivals, reminders, tasks
from gateway.store.webhooks import Claimed
from gateway.webhooks import Telling
from schemas.formats import cdar
from schemas.xml import Unreadable

log = logging.getLogger(__name__)

PAGES = 1_000
"""Pages collected in one go, at most."""

STORED_AT_ONCE = 4
"""Arrivals of one page that are stored at the same time."""

UNREADABLE = "the process that read it died"
"""Why an invoice is nobody's that could not even be looked at."""
UNSTORED = "it could not be stored with its account"
"""Why an invoice waits whose account is known: none blocks those behind it."""

LOOK = 0.15
"""Seconds between looks for what is to be published."""

COPY = 1.0
"""Seconds between looks for a checkpoint to put outside."""

TELL = 0.3
"""Seconds between looks for what webhooks are to be told."""

HOLDS = 5.0
"""Seconds between looks for documents that are to be told of a hold."""

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

REMINDERS = timedelta(minutes=15)
"""How often everything that is owed is looked over for reminders."""

LETTERS = 5.0
"""Seconds between looks for letters to send."""

LOOK_DAILY = 60.0
"""Seconds between looks for what runs once a day."""

GATHER = 0.35
"""Seconds after a publication before the next: under load one signature covers what came meanwhile."""


class Chores:
    """Runs each chore when it is due, until cancelled."""

    def __init__(
        self,
        resources: Resources,
        every: timedelta,
        ring: Callable[[], None],
        *,
        backups: timedelta = timedelta(days=35),
        renewal_hash: str = "sha256",
        telling: Telling | None = None,
    ) -> None:
        """`every`: how often each network is asked; `ring` tells the worker that something arrived; `backups`: how long
        backups are kept; `renewal_hash`: with what evidence is renewed; `telling`: what posting to webhooks
        needs, None: this process posts none.
        """
        self._resources = resources
        self._every = every
        self._backups = backups
        self._renewal_hash = renewal_hash
        self._ring = ring
        self._telling = telling

    async def run(self) -> None:
        """Collect and publish, each at its own pace."""
        async with asyncio.TaskGroup() as group:
            for network in self._resources.networks.all:
                group.create_task(self._collect(network))
            group.create_task(self._publish())
            if (folder := self._resources.notary.copies) is not None:
                group.create_task(self._copy(Copies(folder)))
            for custodian in self._resources.notary.custodians:
                group.create_task(self._outside(custodian))
            for authority in self._resources.notary.authorities:
                group.create_task(self._stamp(authority))
            if self._telling is not None and self._resources.courier is not None:
                group.create_task(self._tell(self._telling))
            group.create_task(self._daily("webhooks", lambda: webhooks.forget(self._resources)))
            group.create_task(self._holds())
            group.create_task(self._remind())
            group.create_task(self._daily("retention", self._retention))
            group.create_task(self._daily("archive-index", self._index))
            group.create_task(self._daily("renewal", self._renewal))
            group.create_task(self._daily("audit", self._audit, nightly.until_night))

    async def _publish(self) -> None:
        """Publish soon after something was recorded, and then let the next ones gather."""
        while True:
            try:
                if await publish(self._resources) is not None:
                    self._ring()
                    await asyncio.sleep(GATHER)
            except Busy as busy:
                log.warning("publishing waits: %s", busy.detail)
            except Exception:
                log.exception("publishing failed")
            await asyncio.sleep(LOOK)

    async def _copy(self, copies: Copies) -> None:
        """Put what was published outside, at its own pace: it may be slow, and nothing waits for it."""
        while True:
            try:
                await copies.keep(self._resources)
            except Busy as busy:
                log.warning("copying checkpoints waits: %s", busy.detail)
            except Exception:
                log.exception("copying checkpoints failed")
            await asyncio.sleep(COPY)

    async def _holds(self) -> None:
        """Tell the documents of a hold that meets many; a hold is in force before."""
        while True:
            try:
                await retention.tell_holds(self._resources.pool)
            except Busy as busy:
                log.warning("telling of holds waits: %s", busy.detail)
            except Exception:
                log.exception("telling of holds failed")
            await asyncio.sleep(HOLDS)

    async def _remind(self) -> None:
        """Write the reminders that are due, for all accounts, and send the letters that wait."""
        while True:
            try:
                resources, now = self._resources, self._resources.clock.now()
                if await tasks.claim_chore(resources.pool, "reminders", now, REMINDERS):
                    for account_id in await accounts.every_id(resources.pool):
                        await self._look(account_id)
                for account_id in await reminders.due_accounts(resources.pool, now):
                    await reminding.send(resources, account_id)
            except Busy as busy:
                log.warning("reminders wait: %s", busy.detail)
            except Exception:
                log.exception("reminders failed")
            await asyncio.sleep(LETTERS)

    async def _look(self, account_id: UUID) -> None:
        """Of one account; the others get their turn whatever happens to it."""
        try:
            done = await reminding.look(self._resources, account_id)
            if done.letters or done.cases:
                log.info("reminders", extra={"account": str(account_id), "letters": done.letters, "cases": done.cases})
        except Busy:
            raise
        except Exception:
            log.exception("an account's reminders failed", extra={"account": str(account_id)})

    async def _outside(self, custodian: Custodian) -> None:
        """Let a keeper have the newest checkpoint, at its own pace."""
        while True:
            try:
                await outside.hand_over(self._resources, custodian)
            except Busy as busy:
                log.warning("checkpoints wait to get outside: %s", busy.detail)
            except Exception:
                log.exception("checkpoints do not get outside", extra={"custodian": custodian.name})
            await asyncio.sleep(COPY)

    async def _stamp(self, authority: TimestampAuthority) -> None:
        """Have an authority stamp the newest checkpoint, at its own pace."""
        while True:
            try:
                if await outside.stamp(self._resources, authority):
                    self._ring()
            except Busy as busy:
                log.warning("stamping checkpoints waits: %s", busy.detail)
            except Exception:
                log.exception("checkpoints are not stamped", extra={"authority": authority.name})
            await asyncio.sleep(COPY)

    async def _tell(self, telling: Telling) -> None:
        """Make the messages of webhooks, and post what is due, several at once."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                claimed: list[Claimed] = []
                try:
                    await webhooks.spread(self._resources)
                    claimed = await webhooks.due(self._resources, webhooks.AT_ONCE - len(under_way))
                except Busy as busy:
                    log.warning("webhooks wait: %s", busy.detail)
                except Exception:
                    log.exception("webhooks are not told")
                under_way |= {asyncio.create_task(self._post(one, telling)) for one in claimed}
                if len(under_way) >= webhooks.AT_ONCE:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                elif not claimed:
                    await asyncio.sleep(TELL)
                under_way = {task for task in under_way if not task.done()}
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _post(self, claimed: Claimed, telling: Telling) -> None:
        """Post one message; what fails here is posted again when its lease ends."""
        try:
            await webhooks.post(self._resources, claimed, telling)
        except Busy as busy:
            log.warning("a webhook's attempt is not written down: %s", busy.detail)
        except Exception:
            log.exception("a webhook's message failed", extra={"webhook": str(claimed.webhook_id)})

    async def _daily(
        self,
        name: str,
        chore: Callable[[], Awaitable[object]],
        until: Callable[[datetime], timedelta] = lambda _now: DAY,
    ) -> None:
        """Run a chore once a day in the installation, or after what `until` says; what fails is tried in an hour."""
        while True:
            try:
                now = self._resources.clock.now()
                if await tasks.claim_chore(self._resources.pool, name, now, until(now)):
                    try:
                        await chore()
                    except BaseException:
                        await tasks.postpone_chore(self._resources.pool, name, now + HOUR)
                        raise
            except Busy as busy:
                log.warning("%s waits: %s", name, busy.detail)
            except Exception:
                log.exception("%s failed", name)
            await asyncio.sleep(LOOK_DAILY)

    async def _audit(self) -> None:
        await nightly.run(self._resources)

    async def _renewal(self) -> None:
        await renewing.run(self._resources, self._renewal_hash)

    async def _index(self) -> None:
        """Rows of the archive's index that an older release made."""
        for account_id in await accounts.every_id(self._resources.pool):
            await indexing.renew(self._resources, account_id)

    async def _retention(self) -> None:
        await retention.run(self._resources, self._backups)

    async def _collect(self, network: Network) -> None:
        """Collect, wait, collect again; each network at its own pace."""
        while True:
            try:
                if await tasks.claim_chore(
                    self._resources.pool, f"collect:{network.name}", self._resources.clock.now(), self._every
                ):
                    await collect(self._resources, network, self._ring)
            except Busy as busy:
                log.warning("collecting waits: %s", busy.detail)
            except Exception:
                log.exception("collecting failed", extra={"network": network.name})
            await asyncio.sleep(self._every.total_seconds())


async def collect(resources: Resources, network: Network, ring: Callable[[], None]) -> int:
    """Take everything a network brings now; tells how many arrivals were new."""
    new = 0
    for stray in await arrivals.stray_ids(resources.pool, network.name):
        new += await _tied(resources, network.name, stray)
    for _ in range(PAGES):
        cursor = await arrivals.cursor(resources.pool, network.name)
        try:
            page = await _page(resources, network, cursor)
        except Unreachable as away:
            log.warning("nothing collected: %s", away.reason, extra={"network": network.name})
            if away.retry_in is not None:
                until = resources.clock.now() + away.retry_in
                await tasks.leave_alone(resources.pool, f"collect:{network.name}", until)
            break
        kept = await _all_kept(resources, network.name, page)
        new += kept.count(True)
        if None in kept:
            break  # the page is collected anew; what is stored already stays once
        if page.cursor != cursor:
            await arrivals.advance(resources.pool, network.name, page.cursor, resources.clock.now())
        if not page.more:
            break
    if new:
        ring()
    return new


async def _page(resources: Resources, network: Network, cursor: str | None) -> Collected:
    """The next page; what this gateway or another has stored is not fetched where the network can tell it."""
    if isinstance(network, Selective):
        return await network.collect_unstored(cursor, partial(arrivals.stored, resources.pool, network.name))
    return await network.collect(cursor)


async def _tied(resources: Resources, network: str, stray: str) -> bool:
    """Whether a stray found its document now; one that fails stays, and the next ones get their turn."""
    try:
        if not await _tie(resources, network, await arrivals.stray(resources.pool, network, stray)):
            return False
        await arrivals.forget_stray(resources.pool, network, stray)
    except Busy:
        raise
    except NotFound:
        return False  # a person has just assigned it
    except Exception:
        log.exception("a stray could not be tied", extra={"network": network})
        return False
    return True


async def _all_kept(resources: Resources, network: str, page: Collected) -> list[bool | None]:
    """What became of each arrival of a page, in its order; several are stored at the same time."""
    gate = asyncio.Semaphore(STORED_AT_ONCE)

    async def one(arrival: Arrival) -> bool | None:
        async with gate:
            return await _kept(resources, network, arrival)

    found = await asyncio.gather(*(one(arrival) for arrival in page.arrivals), return_exceptions=True)
    for failed in found:
        if isinstance(failed, BaseException):
            raise failed
    return [became for became in found if not isinstance(became, BaseException)]


async def _kept(resources: Resources, network: str, arrival: Arrival) -> bool | None:
    """Store an arrival: True with its document, False as a stray, None when it could not be stored now.

    One whose texts the database refuses would be refused at every collection: it is kept without what is refused.
    """
    try:
        if arrival.kind is ArrivalKind.INVOICE:
            return await _taken(resources, network, arrival)
        if await _tie(resources, network, arrival):
            return True
        await arrivals.keep_stray(resources.pool, network, arrival, resources.clock.now())
    except Busy:
        raise
    except Exception:
        log.exception("an arrival could not be stored as it came", extra={"network": network})
        return await _set_aside(resources, network, arrival)
    return False


async def _set_aside(resources: Resources, network: str, arrival: Arrival) -> bool | None:
    """Keep as a stray what could not be stored as it came: False, or None when that fails too."""
    kept, now = arrivals.storable(arrival), resources.clock.now()
    reason = UNSTORED if arrival.kind is ArrivalKind.INVOICE else ""
    try:
        await arrivals.keep_stray(resources.pool, network, kept, now, recipient=kept.recipient, reason=reason)
    except Busy:
        raise
    except Exception:
        log.exception("an arrival could not be stored", extra={"network": network})
        return None
    return False


async def _taken(resources: Resources, network: str, arrival: Arrival) -> bool:
    """Store an invoice that somebody else issued: True as a document, False as a stray. One that kills the process
    that reads it is a stray too: a person looks at it."""
    recipient, reason = "", UNREADABLE
    try:
        taken = await receive.take(arrival, network, resources)
        if not isinstance(taken, receive.Nobodys):
            return True
        recipient, reason = taken.recipient, taken.reason
    except Interrupted:
        log.warning("an arrival killed the process that read it", extra={"network": network})
    except Busy:
        raise
    except Exception:
        log.exception("an invoice could not be stored with its account", extra={"network": network})
        reason = UNSTORED
    await arrivals.keep_stray(
        resources.pool, network, arrival, resources.clock.now(), recipient=recipient, reason=reason
    )
    return False


async def _tie(resources: Resources, network: str, arrival: Arrival) -> bool:
    """Store an arrival with its document; False when no document is known for it."""
    if arrival.kind is ArrivalKind.INVOICE:
        try:
            return not isinstance(await receive.take(arrival, network, resources), receive.Nobodys)
        except Interrupted:
            return False
    owner = None
    if arrival.consignment is not None:
        owner = await arrivals.owner_of_consignment(resources.pool, network, arrival.consignment)
    if owner is None and arrival.kind is ArrivalKind.STATUS:
        try:
            message = await resources.compute(cdar.read, arrival.data)
        except (Unreadable, Interrupted):
            return False
        named = arrivals.Named(
            message.seller, message.number, message.type_code, message.issue_date, direction_of(message)
        )
        owner = await arrivals.owner_of_name(resources.pool, network, named)
    if owner is None:
        return False
    await arrivals.keep(resources.pool, network, owner, arrival, resources.clock.now())
    return True
