"""The audit: recompute every chain and every hash, and reconcile what was accepted with what became of it.

The same code for the night, for the tests and for the inspector. It trusts no index and no projection: events are
hashed again from their own members, contents from their own bytes. It names what is wrong and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from gateway.lifecycle import Said, Stage, event_body
from gateway.store import accounts, ledger
from gateway.store.ledger import Reconciliation, Trail
from gateway.store.pool import Pool
from signing.chain import GENESIS, link


@dataclass(frozen=True, slots=True)
class AccountAudit:
    """What the audit of one account found."""

    account_id: UUID
    documents: int
    events: int
    contents: int
    reconciliation: Reconciliation
    complaints: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.complaints and self.reconciliation.balanced


async def audit_account(pool: Pool, account_id: UUID) -> AccountAudit:
    """Audit one account from its bytes."""
    complaints: list[str] = []
    documents = events = 0
    async for trail in ledger.trails(pool, account_id):
        documents += 1
        events += len(trail.events)
        complaints += check_trail(trail)
    contents, damaged = await ledger.damaged_contents(pool, account_id)
    complaints += [f"content {digest} does not match its hash" for digest in damaged]
    reconciliation = await ledger.reconcile(pool, account_id)
    if not reconciliation.balanced:
        complaints.append(f"accepted and accounted for differ: {reconciliation}")
    return AccountAudit(account_id, documents, events, contents, reconciliation, tuple(complaints))


async def audit(pool: Pool) -> list[AccountAudit]:
    """Audit every account."""
    return [await audit_account(pool, account_id) for account_id in await accounts.every_id(pool)]


def check_trail(trail: Trail) -> list[str]:
    """What is wrong with one document's chain: a gap, a hash that does not follow, a head that is not its end."""
    identifier = trail.document["document_id"]
    kept: dict[int, list[tuple[str, str]]] = {}
    for entry in trail.entries:
        kept.setdefault(entry["seq"], []).append((entry["role"], bytes(entry["sha256"]).hex()))
    complaints = []
    prior = GENESIS
    for place, event in enumerate(trail.events, start=1):
        if event["seq"] != place:
            complaints.append(f"document {identifier}: event {place} is missing")
            break
        said = Said(event["at"], Stage(event["stage"]), event["outcome"], event["facts"], tuple(kept.pop(place, ())))
        if bytes(event["prior"]) != prior or link(prior, event_body(identifier, place, said)) != bytes(event["hash"]):
            complaints.append(f"document {identifier}: event {place} is not what was written")
            break
        prior = bytes(event["hash"])
    else:
        if trail.document["version"] != len(trail.events) or bytes(trail.document["head"]) != prior:
            complaints.append(f"document {identifier}: its row does not end where its events end")
        if kept:
            complaints.append(f"document {identifier}: archive entries without an event")
    return complaints
