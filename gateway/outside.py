"""Checkpoints outside: keepers get the newest one, each at its own pace, and authorities stamp it.

A keeper or authority that is away is asked again, at growing distances of at most an hour; that it is away is an error
in the log, a figure in the metrics and a line of the audit from the first failure on. It stops the line only where the
operator says that nothing leaves without a stamp (ESTAFETTE_CHECKPOINT_STAMP=required).
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from adapters.port import Custodian, Custody, Note, Refused, TimestampAuthority, Unreachable
from gateway.compute import Compute, beside
from gateway.resources import Resources
from gateway.store import custody, renewals, tasks, tree
from gateway.store.custody import Stamp
from gateway.store.pool import Pool
from gateway.store.tree import Signed
from signing.evidence import Renewal
from signing.timestamp import CLOCKS, Chains, NoTimestamp, Query, Token, accept, read, request, verify
from signing.trust import Evidence, Trust
from signing.verdict import Indication

log = logging.getLogger(__name__)

STAMP_EVERY = timedelta(minutes=1)
"""An authority is asked at most so often: one stamp covers everything before it."""
STAMP_SOON = timedelta(seconds=2)
"""The same, where nothing leaves without a stamp."""
SAYS_LIMIT = 10_000
"""Complaints of the audit that are told."""
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(hours=1)
"""Between tries while a keeper or authority is away."""

_Span = tuple[int, int | None, datetime, Evidence]


async def hand_over(resources: Resources, custodian: Custodian) -> bool | None:
    """Let a keeper have the newest checkpoint, if it is due: True when it has it, False when it failed, else None."""
    now = resources.clock.now()
    async with resources.pool.worker(snapshot=True) as connection:
        latest, kept = await tree.last(connection), await custody.last_kept(connection, custodian.name)
    if latest is None or (kept is not None and (kept.number == latest.number or now - kept.at < custodian.every)):
        return None
    if not await tasks.claim_chore(resources.pool, f"outside:{custodian.name}", now, SHORTEST):
        return None
    try:
        answered = await _kept(resources, custodian, latest, kept.size if kept else 0)
    except (Unreachable, Refused) as failed:
        await _failed(resources, custodian.name, failed.reason, f"outside:{custodian.name}")
        return False
    await custody.note_kept(resources.pool, custodian.name, latest.number, answered, resources.clock.now())
    await _again(resources, f"outside:{custodian.name}", timedelta(0))
    return True


async def stamp(resources: Resources, authority: TimestampAuthority) -> bool | None:
    """Have an authority stamp the newest checkpoint, if due: True when it did, False when it failed, else None."""
    now = resources.clock.now()
    async with resources.pool.worker(snapshot=True) as connection:
        latest, before = await tree.last(connection), await custody.last_stamp(connection, authority.name)
    every = STAMP_SOON if resources.notary.stamps_required else STAMP_EVERY
    if latest is None or (before is not None and (before.number == latest.number or now - before.at < every)):
        return None
    chore = f"stamp:{authority.name}"
    if not await tasks.claim_chore(resources.pool, chore, now, SHORTEST):
        return None
    asked = request(sha256(latest.note.encode()).digest(), secrets.randbits(62))
    try:
        token = _believable(await authority.stamp(asked.der), asked, latest, resources.clock.now())
    except (Unreachable, NoTimestamp) as failed:
        says = failed.reason if isinstance(failed, Unreachable) else f"{authority.name}: {failed}"
        await _failed(resources, chore, says, chore)
        return False
    await custody.note_stamp(resources.pool, Stamp(latest.number, authority.name, token.at, token.der))
    await _again(resources, chore, timedelta(0))
    return True


def _believable(answer: bytes, asked: Query, latest: Signed, now: datetime) -> Token:
    """The token, if its time can be: not before the checkpoint, not in the future. Raises NoTimestamp."""
    token = accept(asked, answer)
    if not latest.at - CLOCKS <= token.at <= now + CLOCKS:
        raise NoTimestamp("it tells a time that cannot be; look at the clocks of both")
    return token


async def _kept(resources: Resources, custodian: Custodian, latest: Signed, old: int) -> Custody:
    """Hand over; to one that knows another tree, again with the proof from there. Raises Unreachable, Refused."""
    answered = await custodian.keep(await _note(resources, latest, old))
    if answered.knows is None:
        return answered
    if not 0 <= answered.knows <= latest.size:
        raise Refused(f"{custodian.name}: it has seen {answered.knows} leaves, and the archive has {latest.size}")
    answered = await custodian.keep(await _note(resources, latest, answered.knows))
    if answered.knows is not None:
        raise Unreachable(f"{custodian.name}: it has seen another tree meanwhile")
    return answered


async def _note(resources: Resources, latest: Signed, old: int) -> Note:
    path: list[bytes] = []
    if 0 < old < latest.size:
        async with resources.pool.worker(snapshot=True) as connection:
            path = await tree.consistency_from(connection, old, latest.size)
    return Note(latest.number, latest.size, latest.at, latest.note, old, tuple(path))


async def _failed(resources: Resources, name: str, says: str, chore: str) -> None:
    told = await custody.note_trouble(resources.pool, name, says, resources.clock.now())
    log.error("checkpoints do not get outside: %s", says, extra={"attempts": told.attempts})
    await _again(resources, chore, min(LONGEST, SHORTEST * 2 ** min(told.attempts - 1, 12)))


async def _again(resources: Resources, chore: str, after: timedelta) -> None:
    await tasks.postpone_chore(resources.pool, chore, resources.clock.now() + after)


@dataclass(frozen=True, slots=True)
class Looked:
    """What the audit of everything outside found."""

    stamps: int
    believed: int
    """Stamps that passed; each is judged."""
    cosignatures: int
    complaints: tuple[str, ...]
    unsure: Mapping[str, int] = field(default_factory=dict)
    """Stamps that could be neither believed nor refuted, by sub-indication."""


ALARM = timedelta(days=1)
"""A keeper or authority that fails for so long is a complaint of the audit."""


async def look(
    pool: Pool,
    trust: Trust,
    now: datetime,
    compute: Compute | None = None,
    progress: Callable[[int], None] = lambda _done: None,
) -> Looked:
    """Hold every stamp against its checkpoint and judge it; tell who has been failing for more than a day.

    One that was renewed is judged at the instant of its renewal and by the data kept in that, any other now and by what
    was kept of its signer. `progress` is told how many are done.
    """
    async with pool.worker(snapshot=True) as connection:
        troubles, chain = await custody.troubles(connection), await renewals.chain(connection)
        cosignatures = await custody.count_cosignatures(connection)
        kept = await renewals.every_vouched(connection)
    complaints = [
        f"{one.name} has been failing since {one.since.isoformat()}: {one.says}"
        for one in troubles
        if now - one.since > ALARM
    ]
    done, believed, unsure = 0, 0, Counter[str]()
    for begin, end, at, by in _spans(chain, now, kept):
        async for page in custody.pages(pool, begin, end):
            found = await beside(compute, judged, page, trust, at, by)
            complaints += found.complaints[: max(0, SAYS_LIMIT - len(complaints))]
            believed += found.believed
            unsure.update(found.unsure)
            done += len(page)
            progress(done)
    return Looked(done, believed, cosignatures, tuple(complaints), unsure)


def _spans(chain: Sequence[Renewal], now: datetime, kept: Evidence) -> Iterator[_Span]:
    """Runs of checkpoints' numbers, when to judge the stamps on them, and by what.

    A renewal that cannot be read is told where the chain is judged; its stamps are judged now.
    """
    begin = 0
    for one in chain:
        try:
            end, at = one.told["stamps"]["end"], read(one.token).at
        except ValueError:
            continue
        if end > begin:
            yield begin, end, at, one.material
            begin = end
    yield begin, None, now, kept


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found of some stamps; picklable."""

    believed: int
    unsure: tuple[str, ...]
    complaints: tuple[str, ...]


def judged(page: Sequence[tuple[Stamp, str | None]], trust: Trust, at: datetime, by: Evidence) -> Judged:
    """Judge each stamp with its checkpoint's note. Pure; not for where an event loop runs."""
    believed, unsure, complaints = 0, [], []
    chains: Chains = {}
    for one, note in page:
        name = f"the stamp of {one.authority} on checkpoint {one.number}"
        digest = sha256((note or "").encode()).digest()
        try:
            token = read(one.token)
        except NoTimestamp as wrong:
            complaints.append(f"{name}: {wrong}")
            continue
        if (token.digest, token.at) != (digest, one.at):
            complaints.append(f"{name} is not of this checkpoint, or its row was changed")
            continue
        verdict = verify(one.token, digest, trust, at, by, chains)
        believed += verdict.indication is Indication.PASSED
        if verdict.indication is Indication.FAILED:
            complaints.append(f"{name} does not hold: {verdict.sub}")
        elif verdict.indication is Indication.INDETERMINATE:
            unsure.append(verdict.sub)
    return Judged(believed, tuple(unsure), tuple(complaints))
