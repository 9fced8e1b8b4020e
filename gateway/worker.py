"""The worker: claim a task, run its stage, commit the outcome, go on while there is something to do now.

Pure stages that follow each other are committed together; what acts on the outside, or reads back what was stored,
runs only after everything before it is committed, and its own outcome is committed at once. A worker that dies leaves
its claims to expire; one that was only slow finds its lease gone and commits nothing.

What is to be handed over waits in the queue of its network, and each queue has places of its own: a network that is
slow keeps only its own documents waiting, and one that is away (`gateway.circuit`) is handed nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from gateway.errors import Busy, Corrupt
from gateway.lifecycle import Done, Halted, Later, News, Outcome, Stage, answered_no, queue_after, wait_before
from gateway.line import LINE
from gateway.publish import publish
from gateway.resources import Resources, Work, load
from gateway.store import accounts, networks, tasks
from gateway.store.accounts import Account
from gateway.store.journal import LostClaim, Step, commit
from gateway.store.tasks import LEASE, Claim

log = logging.getLogger(__name__)

IDLE = 0.25
"""Seconds between looks at the task table when nobody rings."""

ATTEMPTS_LIMIT = 30
"""Claims of one stage after which a document is set aside; those of an unreachable network are far fewer."""

OTHER_CONTENT = "-OTHER-CONTENT"
"""How the rule ends of each network's finding that it has other bytes under the id of a consignment."""

ACCOUNT_MEMORY = timedelta(seconds=5)
"""How long a worker believes what it read of an account's policy."""


@dataclass(frozen=True, slots=True)
class _Ran:
    """How a stage went."""

    outcome: Outcome
    ended: bool
    """By itself: what waits for the document was heard."""
    ours: bool
    """It failed by an error of our own."""


class Worker:
    """Walks documents down the line, several at once."""

    def __init__(self, resources: Resources, concurrency: int) -> None:
        """`concurrency`: documents under way at once, at least 1, and as many more for each network."""
        self._resources = resources
        self._concurrency = concurrency
        self._bell = asyncio.Event()
        self._held: dict[UUID, Claim] = {}
        self._places = {"": concurrency} | {network.name: concurrency for network in resources.networks.all}
        self._accounts: dict[UUID, tuple[float, Account]] = {}

    def ring(self) -> None:
        """Something was admitted or woken in this process: look at once."""
        self._bell.set()

    async def run(self) -> None:
        """Work until cancelled; then give back what is not finished."""
        running: set[asyncio.Task[None]] = set()
        heart = asyncio.create_task(self._beat())
        try:
            while True:
                self._bell.clear()
                claims = await self._claim()
                running |= {asyncio.create_task(self.walk(claim)) for claim in claims}
                running = await self._pause(running, busy=bool(claims))
        finally:
            heart.cancel()
            for task in running:
                task.cancel()
            await asyncio.gather(heart, *running, return_exceptions=True)

    async def drain(self) -> int:
        """Run what is due now, to its end or its next wait, and tell how many claims that took; for tests and tools.

        What waits for its proof gets it on the way.
        """
        done = 0
        while True:
            while claims := await self._claim():
                await asyncio.gather(*(self.walk(claim) for claim in claims))
                done += len(claims)
            if await publish(self._resources) is None:
                return done

    async def walk(self, claim: Claim) -> None:
        """Run the stages of one document until it waits, ends or is lost; never raises but for cancellation."""
        try:
            await self._stages(claim)
        except LostClaim:
            log.warning("claim lost", extra={"document": str(claim.document_id), "stage": str(claim.stage)})
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(claim, timedelta()))
            raise
        except Busy as busy:
            log.warning("not now: %s", busy.detail, extra={"document": str(claim.document_id)})
            await self._give_back(claim, busy.retry_after)
        except Exception:
            log.exception("a claim failed", extra={"document": str(claim.document_id), "stage": str(claim.stage)})
        finally:
            self._held.pop(claim.document_id, None)

    async def _give_back(self, claim: Claim, after: timedelta) -> None:
        """Let the document be taken again soon; where even that fails, its lease ends by itself."""
        with suppress(Exception):
            await tasks.release(self._resources.pool, claim, self._resources.clock.now() + after)

    async def _stages(self, claim: Claim) -> None:
        resources = self._resources
        account = await self._account(claim.account_id)
        if claim.attempts > ATTEMPTS_LIMIT:
            await self._set_aside(claim)
            return
        work = await load(resources, account, claim.document_id, claim.attempts)
        stage, steps = claim.stage, list[Step]()
        while True:
            station = LINE[stage]
            if steps and station.commit_before:
                goes_on = self._moves(claim, queue_after(steps[-1].stage, steps[-1].outcome))
                committed = await commit(resources.pool, claim, steps, go_on=goes_on)
                if committed.next is None:  # its network has no place now, or the invoice number is already used
                    return
                steps = []
                work = await self._again(work, stage)
            ran = await self._outcome(stage, work)
            outcome = ran.outcome
            hears = stage.reaches(Stage.DELIVERED if work.document.inbound else Stage.ACKNOWLEDGED)
            took = work.arrivals if ran.ended and hears else ()
            steps.append(Step(stage, outcome, resources.clock.now(), took))
            following = stage.next
            if isinstance(outcome, Later | Halted) or following is None:
                await commit(resources.pool, claim, steps, go_on=False)
                await self._noted(stage, work, ran)
                return
            if station.commit_after:
                await commit(resources.pool, claim, steps, go_on=True)
                await self._noted(stage, work, ran)
                self._moves(claim, "")
                steps = []
                work = await self._again(work, following)
            else:
                work = work.after(stage, outcome)
            stage = following

    def _moves(self, claim: Claim, queue: str) -> bool:
        """Whether a document goes on into a queue at once: into ours always, into a network's when it has a place."""
        if queue and self._free(queue) <= 0:
            return False
        self._held[claim.document_id] = replace(claim, network=queue)
        return True

    def _free(self, queue: str) -> int:
        taken = sum(claim.network == queue for claim in self._held.values())
        return self._places.get(queue, self._concurrency) - taken

    async def _noted(self, stage: Stage, work: Work, ran: _Ran) -> None:
        """Remember, for all processes, how the network took a document; of an error of ours it knows nothing."""
        network, outcome = work.facts(Stage.ROUTED).get("network", ""), ran.outcome
        if stage is not Stage.DELIVERED or work.document.inbound or not network or ran.ours:
            return
        pool, now = self._resources.pool, self._resources.clock.now()
        if isinstance(outcome, Halted) and any(one.rule.endswith(OTHER_CONTENT) for one in outcome.findings):
            log.error("the network has other content under our id", extra={"network": network})
            await networks.conflict(pool, network)
        if isinstance(outcome, Done) or (isinstance(outcome, Halted) and answered_no(outcome.reason)):
            await networks.took(pool, network, now)
        elif isinstance(outcome, Later | Halted):
            asked = outcome.asked if isinstance(outcome, Later) else None
            await networks.did_not_take(pool, network, work.document.id, now, outcome.reason, asked)

    async def _set_aside(self, claim: Claim) -> None:
        """A stage that never ends, not even badly, waits for a person: it may be what kills the process."""
        facts = {"attempt": claim.attempts, "outcome": "failed", "reason": "no attempt came to an end"}
        step = Step(
            claim.stage, Halted("set aside: no attempt came to an end", facts=facts), self._resources.clock.now()
        )
        await commit(self._resources.pool, claim, [step], go_on=False)

    async def _again(self, before: Work, stage: Stage) -> Work:
        """The document as it is committed; what was read of it before need not be read anew, unless to archive it."""
        work = await load(self._resources, before.account, before.document.id, 1)
        return work if stage is Stage.ARCHIVED else replace(work, known=before.known)

    async def _outcome(self, stage: Stage, work: Work) -> _Ran:
        """Run one stage; what it does not foresee becomes an attempt, no loss."""
        started, ended, ours = time.perf_counter(), True, False
        try:
            outcome = await LINE[stage].run(work, self._resources)
        except Busy:
            raise
        except Corrupt as corrupt:
            outcome, ours = Halted(corrupt.detail), True
        except Exception as unforeseen:
            log.exception("stage failed", extra={"document": str(work.document.id), "stage": str(stage)})
            outcome, ended, ours = _unforeseen(work, type(unforeseen).__name__), False, True
        log.info(
            "stage",
            extra={
                "document": str(work.document.id),
                "stage": str(stage),
                "outcome": type(outcome).__name__.lower(),
                "ms": round((time.perf_counter() - started) * 1000, 1),
            },
        )
        return _Ran(outcome, ended, ours)

    async def _claim(self) -> list[Claim]:
        """Take what is due, as far as there are places."""
        try:
            pool, now = self._resources.pool, self._resources.clock.now()
            for circuit in await networks.circuits(pool):
                self._places[circuit.name] = circuit.room(now, self._concurrency)
            claims = await tasks.claim_of(pool, now, {queue: self._free(queue) for queue in self._places})
        except Busy as busy:
            log.warning("the database is away: %s", busy.detail)
        except Exception:
            log.exception("claiming failed")
        else:
            self._held |= {claim.document_id: claim for claim in claims}
            return claims
        await asyncio.sleep(1)
        return []

    async def _pause(self, running: set[asyncio.Task[None]], *, busy: bool) -> set[asyncio.Task[None]]:
        """Wait until there may be something to do: a place is free again, somebody rings, or it is time to look."""
        full = any(free and self._free(queue) <= 0 for queue, free in self._places.items())
        if full or not busy:
            bell = asyncio.create_task(self._bell.wait())
            await asyncio.wait({bell, *(running if full else ())}, timeout=IDLE, return_when=asyncio.FIRST_COMPLETED)
            bell.cancel()
        return {task for task in running if not task.done()}

    async def _beat(self) -> None:
        """Extend what is held, well before it expires."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 4)
            try:
                await tasks.extend(self._resources.pool, list(self._held.values()), self._resources.clock.now())
            except Exception:
                log.exception("claims could not be extended")

    async def _account(self, account_id: UUID) -> Account:
        known = self._accounts.get(account_id)
        if known is not None and time.monotonic() - known[0] < ACCOUNT_MEMORY.total_seconds():
            return known[1]
        account = await accounts.get(self._resources.pool, account_id)
        self._accounts[account_id] = (time.monotonic(), account)
        return account


def _unforeseen(work: Work, kind: str) -> Outcome:
    facts = {"attempt": work.attempts, "outcome": "failed", "reason": kind}
    wait = wait_before(work.attempts)
    if wait is None:
        return Halted("the stage failed at each attempt", facts=facts)
    return Later(wait, f"the stage failed: {kind}", (News("attempt", facts),))
