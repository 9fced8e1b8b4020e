"""The audit of everything: accounts, tree, stamps, keepers and renewals; every night by itself, and when one asks.

What the night finds is written down, told in the metrics and in the readiness, and logged as an error. It never stops
the gateway: whether to go on with an archive that is damaged is for its operator to say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway import audit, outside, renewing
from gateway.audit import AccountAudit, TreeAudit
from gateway.outside import Looked
from gateway.resources import Resources
from gateway.store import audits
from gateway.store.audits import AuditRun, State
from gateway.store.pool import Pool
from signing.checkpoint import Verifier
from signing.evidence import Judged
from signing.trust import Trust

log = logging.getLogger(__name__)

HOUR_OF_NIGHT = 2
"""In UTC: when the night's audit is due."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What was found everywhere."""

    accounts: tuple[AccountAudit, ...]
    tree: TreeAudit
    looked: Looked
    judged: Judged

    @property
    def complaints(self) -> tuple[str, ...]:
        """All that is wrong; what nobody here can judge is no complaint."""
        books = (complaint for one in self.accounts for complaint in one.complaints)
        return (*self.tree.complaints, *books, *self.looked.complaints, *self.judged.complaints)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.complaints and self.tree.clean and all(one.clean for one in self.accounts)


@dataclass(frozen=True, slots=True)
class Believed:
    """By what the audit judges."""

    keys: Sequence[Verifier]
    """Whose checkpoints are believed."""
    trust: Trust
    now: datetime
    copies: Path | None = None
    """Where copies of the checkpoints are, outside."""


async def everything(
    pool: Pool,
    believed: Believed,
    leaves: Callable[[int], None] = lambda _done: None,
    documents: Callable[[int], None] = lambda _done: None,
) -> Whole:
    """Audit the installation. `leaves` and `documents` are told how many are done."""
    tree = await audit.audit_tree(pool, believed.keys, believed.copies, leaves)
    found = await audit.audit(pool, documents)
    looked = await outside.look(pool, believed.trust, believed.now)
    judged = await renewing.audit(pool, believed.trust, believed.now, believed.copies)
    return Whole(tuple(found), tree, looked, judged)


def until_night(now: datetime) -> timedelta:
    """How long until the next night's audit is due."""
    tonight = now.astimezone(UTC).replace(hour=HOUR_OF_NIGHT, minute=0, second=0, microsecond=0)
    return (tonight if now < tonight else tonight + timedelta(days=1)) - now


async def run(resources: Resources) -> AuditRun:
    """The night's audit, written down and told. Raises what keeps it from its end, once that is written down."""
    began, notary = resources.clock.now(), resources.notary
    try:
        found = await everything(resources.pool, Believed(notary.verifiers, resources.trust, began, notary.copies))
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
