"""The audit of everything: accounts, documents and their seals, tree, stamps, keepers and renewals; every night by
itself, and when one asks.

What the night finds is written down, told in the metrics and in the readiness, and logged as an error. It never stops
the gateway: whether to go on with an archive that is damaged is for its operator to say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from gateway import audit, outside, renewing, rereading
from gateway.audit import AccountAudit, Complaints, TreeAudit
from gateway.compute import Compute
from gateway.outside import Looked
from gateway.rereading import By, Reread
from gateway.resources import Resources
from gateway.store import accounts, audits
from gateway.store.audits import AuditRun, State
from gateway.store.pool import Pool
from signing.checkpoint import Verifier
from signing.evidence import Judged
from signing.trust import Trust

log = logging.getLogger(__name__)

HOUR_OF_NIGHT = 2
"""In UTC: when the night's audit is due."""


@dataclass(frozen=True, slots=True)
class AccountReread:
    """What reading the documents of one account again found."""

    account_id: UUID
    found: Reread
    complaints: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong, and the totals of the rows are those of the bytes."""
        return not self.complaints and all(says == shows for says, shows in self.found.amounts.values())


@dataclass(frozen=True, slots=True)
class Whole:
    """What was found everywhere."""

    accounts: tuple[AccountAudit, ...]
    tree: TreeAudit
    looked: Looked
    judged: Judged
    reread: tuple[AccountReread, ...]

    @property
    def complaints(self) -> tuple[str, ...]:
        """All that is wrong; what nobody here can judge is no complaint."""
        books = (complaint for one in self.accounts for complaint in one.complaints)
        read = (complaint for one in self.reread for complaint in one.complaints)
        return (*self.tree.complaints, *books, *read, *self.looked.complaints, *self.judged.complaints)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        parts = (self.tree.clean, *(one.clean for one in self.accounts), *(one.clean for one in self.reread))
        return not self.complaints and all(parts)


@dataclass(frozen=True, slots=True)
class Believed:
    """By what the audit judges."""

    keys: Sequence[Verifier]
    """Whose checkpoints are believed."""
    trust: Trust
    now: datetime
    copies: Path | None = None
    """Where copies of the checkpoints are, outside."""
    compute: Compute | None = None
    """Worker processes for what is slow; None: a thread."""
    at_once: int = 1
    """How many of them at once: the night leaves the others to the line."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Who is told how many are done: leaves of the tree; documents, contents and stamps by their own counts."""

    leaves: Callable[[int], None] = field(default=audit.nobody)
    documents: Callable[[int], None] = field(default=audit.nobody)
    contents: Callable[[int], None] = field(default=audit.nobody)
    reread: Callable[[int], None] = field(default=audit.nobody)
    stamps: Callable[[int], None] = field(default=audit.nobody)


async def everything(pool: Pool, believed: Believed, progress: Progress | None = None) -> Whole:
    """Audit the installation."""
    told = progress or Progress()
    tree = await audit.audit_tree(pool, believed.keys, believed.copies, told.leaves)
    found = await audit.audit(pool, told.documents, told.contents)
    reread = [await _reread(pool, account_id, believed, told) for account_id in await accounts.every_id(pool)]
    looked = await outside.look(pool, believed.trust, believed.now, believed.compute, told.stamps)
    judged = await renewing.audit(pool, believed.trust, believed.now, believed.copies, believed.compute)
    return Whole(tuple(found), tree, looked, judged, tuple(reread))


async def _reread(pool: Pool, account_id: UUID, believed: Believed, told: Progress) -> AccountReread:
    complaints = Complaints()
    by = By(believed.trust, believed.now, believed.compute, believed.at_once)
    found = await rereading.reread(pool, account_id, by, complaints.add, told.reread)
    differ = sorted(currency for currency, (says, shows) in found.amounts.items() if says != shows)
    if differ:
        complaints.add(f"the totals of account {account_id} are not those of its documents' bytes: {', '.join(differ)}")
    return AccountReread(account_id, found, complaints.told())


def until_night(now: datetime) -> timedelta:
    """How long until the next night's audit is due."""
    tonight = now.astimezone(UTC).replace(hour=HOUR_OF_NIGHT, minute=0, second=0, microsecond=0)
    return (tonight if now < tonight else tonight + timedelta(days=1)) - now


async def run(resources: Resources) -> AuditRun:
    """The night's audit, written down and told. Raises what keeps it from its end, once that is written down."""
    began, notary = resources.clock.now(), resources.notary
    try:
        believed = Believed(notary.verifiers, resources.trust, began, notary.copies, resources.compute)
        found = await everything(resources.pool, believed)
    except Exception as unable:
        ended = resources.clock.now()
        says = f"it could not be finished: {type(unable).__name__}"
        await audits.keep(resources.pool, AuditRun(began, ended, State.UNFINISHED, 0, (says,), 0, 0))
        raise
    told = AuditRun(
        began,
        resources.clock.now(),
        State.CLEAN if found.clean else State.NOT_CLEAN,
        len(found.complaints),
        found.complaints[: audits.SAYS_LIMIT],
        sum(one.documents for one in found.accounts),
        found.tree.leaves,
    )
    await audits.keep(resources.pool, told)
    if told.state is State.CLEAN:
        log.info("the night's audit is clean", extra={"documents": told.documents, "leaves": told.leaves})
    else:
        log.error("the night's audit found %s complaints: run `estafette audit`", told.complaints)
    return told
