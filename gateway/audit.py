"""The audit: recompute every chain, every hash and the tree, and reconcile what was accepted with what became of it.

The same code for the night, for the tests and for the inspector. It trusts no index and no projection: events are
hashed again from their own members, contents from their own bytes. It names what is wrong and changes nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway.lifecycle import Role, Said, Stage, event_body
from gateway.store import accounts, bank_audit, contents, ledger, payments, receivables, tree
from gateway.store.ledger import Trail
from gateway.store.pool import Connection, Pool
from signing import checkpoint
from signing.chain import GENESIS, link, salted
from signing.checkpoint import Checkpoint, NotProved, Verifier
from signing.tree import Frontier
from signing.tree import leaf as leaf_hash

Progress = Callable[[int], None]


def nobody(_done: int) -> None:
    """Nobody is told how far it is."""


SAYS_LIMIT = 10_000
"""Complaints of one account that are told in full; the others are counted."""


class Complaints:
    """What is wrong with one account, as it is found; beyond the limit it is counted."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._more = 0

    def add(self, *complaints: str) -> None:
        """Take these down."""
        room = max(0, SAYS_LIMIT - len(self._said))
        self._said += complaints[:room]
        self._more += len(complaints[room:])

    def told(self) -> tuple[str, ...]:
        """All that are told, and last how many are not."""
        return (*self._said, *([f"and {self._more} more complaints"] if self._more else []))


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Accepted = delivered + pending + halted, in count and, per currency, in the sum of the totals (BT-112)."""

    accepted: int
    """Documents whose first event says that they were received."""
    archived: int
    """Of them, those whose submission is an archive entry."""
    delivered: int
    """With a receipt of a network, and not halted before it."""
    pending: int
    """With a next task, not delivered yet."""
    halted: int
    """Ended before delivery, visibly."""
    amounts: Mapping[str, tuple[Decimal, Decimal]]
    """Per currency: the sum over all documents, and the sum over delivered, pending and halted ones taken apart."""

    @property
    def balanced(self) -> bool:
        """Whether nothing is missing and nothing is there twice."""
        return self.accepted == self.archived == self.delivered + self.pending + self.halted and all(
            whole == parts for whole, parts in self.amounts.values()
        )

    @property
    def told(self) -> str:
        """In one sentence without amounts, for a complaint that may be logged or kept."""
        differ = [currency for currency, (whole, parts) in self.amounts.items() if whole != parts]
        return (
            f"accepted {self.accepted}, archived {self.archived}, delivered {self.delivered} + pending {self.pending} "
            f"+ halted {self.halted}" + (f"; amounts in {', '.join(sorted(differ))} differ" if differ else "")
        )


class Books:
    """The reconciliation as it grows, a document at a time: no sum waits for all of them to be there."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(("accepted", "archived", "delivered", "pending", "halted"), 0)
        self._amounts: dict[str, tuple[Decimal, Decimal]] = {}

    def enter(self, trail: Trail) -> list[str]:
        """Count a document by its events on one side and by its rows on the other; what does not add up."""
        document, part = trail.document, _part(trail)
        first = trail.events[0] if trail.events else None
        self._counts["accepted"] += first is not None and (first["seq"], first["stage"]) == (1, Stage.RECEIVED)
        self._counts["archived"] += any((one["seq"], one["role"]) == (1, Role.SUBMISSION) for one in trail.entries)
        if part is not None:
            self._counts[part] += 1
        if (total := document["total"]) is not None:
            whole, parts = self._amounts.get(currency := document["currency"] or "", (Decimal(0), Decimal(0)))
            self._amounts[currency] = (whole + total, parts + (total if part is not None else 0))
        if part is None:
            return [f"document {document['document_id']}: it is neither delivered nor pending nor halted"]
        return []

    def balance(self) -> Reconciliation:
        """What it comes to."""
        return Reconciliation(**self._counts, amounts=dict(self._amounts))


def _part(trail: Trail) -> str | None:
    """Where a document stands in the books, by its rows."""
    inbound = trail.document["direction"] == "inbound"
    if trail.delivered or (inbound and Stage(trail.document["stage"]).reaches(Stage.DELIVERED)):
        return "delivered"
    if trail.document["halted"] is not None:
        return "halted"
    return "pending" if trail.waits else None


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


async def audit_account(
    pool: Pool, account_id: UUID, progress: Progress = nobody, opened: Progress = nobody
) -> AccountAudit:
    """Audit one account from its bytes. `progress` is told how many documents are done, `opened` how many contents."""
    complaints, books = Complaints(), Books()
    documents = events = 0
    async for trail in ledger.trails(pool, account_id):
        documents += 1
        events += len(trail.events)
        complaints.add(*check_trail(trail), *check_payments(trail), *check_row(trail), *books.enter(trail))
        progress(documents)
        await asyncio.sleep(0)  # a gateway that is audited serves others beside
    async for loose in ledger.loose(pool, account_id):
        complaints.add(loose)
    async for wrong in receivables.complaints(pool, account_id):
        complaints.add(wrong)
    async for wrong in bank_audit.complaints(pool, account_id):
        complaints.add(wrong)
    kept = 0
    async for seen in contents.look(pool, account_id):
        kept += seen.there
        if seen.complaint:
            complaints.add(seen.complaint)
        opened(kept)
    reconciliation = books.balance()
    if not reconciliation.balanced:
        complaints.add(f"accepted and accounted for differ: {reconciliation.told}")
    return AccountAudit(account_id, documents, events, kept, reconciliation, complaints.told())


async def audit(pool: Pool, progress: Progress = nobody, opened: Progress = nobody) -> list[AccountAudit]:
    """Audit every account. `progress` is told how many documents of all are done, `opened` how many contents."""
    found: list[AccountAudit] = []
    for account_id in await accounts.every_id(pool):
        documents = beside(sum(one.documents for one in found), progress)
        contents_ = beside(sum(one.contents for one in found), opened)
        found.append(await audit_account(pool, account_id, documents, contents_))
    return found


def beside(before: int, progress: Progress) -> Progress:
    """Tells how many of one account are done together with those of the accounts before."""
    return lambda done: progress(before + done)


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
        if bytes(event["prior"]) != prior or _hashed(prior, identifier, event, kept.pop(place, [])) != event["hash"]:
            complaints.append(f"document {identifier}: event {place} is not what was written")
            break
        prior = bytes(event["hash"])
    else:
        complaints += _check_leaves(trail)
        if trail.document["version"] != len(trail.events) or bytes(trail.document["head"]) != prior:
            complaints.append(f"document {identifier}: its row does not end where its events end")
        if kept:
            complaints.append(f"document {identifier}: archive entries without an event")
    return complaints


def _hashed(
    prior: bytes, document_id: UUID, event: Mapping[str, Any], entries: Sequence[tuple[str, str]]
) -> bytes | None:
    """The hash that an event's own members make; None when they are none that were ever written."""
    try:
        said = Said(event["at"], Stage(event["stage"]), event["outcome"], event["facts"], tuple(entries))
        return link(prior, event_body(document_id, event["seq"], said))
    except (ValueError, TypeError):
        return None


def check_payments(trail: Trail) -> list[str]:
    """Each payment an event tells of is there and is what the event vouches for: no amount was changed since."""
    identifier = trail.document["document_id"]
    held = {str(one.id): payments.digest(one) for one in trail.payments}
    complaints = []
    for event in trail.events:
        if event["outcome"] != "payment":
            continue
        name, vouched = event["facts"].get("payment"), event["facts"].get("sha256")
        if name not in held:
            complaints.append(f"document {identifier}: payment {name} is missing")
        elif vouched not in (None, held[name]):  # events of older releases hold no hash
            complaints.append(f"document {identifier}: payment {name} is not what was recorded")
    return complaints


def check_row(trail: Trail) -> list[str]:
    """The row of a document and its deliveries stand where its events say: nobody moved it in the database alone."""
    stage, halted, status = Stage.RECEIVED.value, None, None
    delivered: set[tuple[str, str]] = set()
    found: dict[str, Any] = {}
    for event in trail.events:
        facts = event["facts"]
        if event["outcome"] in ("done", "skipped", "halted"):
            found[event["stage"]] = facts
        if event["outcome"] in ("done", "skipped"):
            stage, halted = event["stage"], None
            if event["stage"] == Stage.DELIVERED and "network_id" in facts:
                delivered.add((facts["consignment"], facts["network_id"]))
        elif event["outcome"] == "halted":
            halted = facts["reason"]
        elif event["outcome"] == "status":
            status = facts.get("furthest", status)
    row = trail.document
    first = trail.events[0]["facts"] if trail.events else {}
    seen = next((event for event in trail.events if event["outcome"] == "seen"), None)
    told = {"stage": stage, "halted": halted, "status": status, "facts": found,
            "format": first.get("format"), "participant": first.get("participant"),
            "direction": "inbound" if "network_id" in first else "outbound",
            "created_at": trail.events[0]["at"] if trail.events else None,
            "seen_at": seen and seen["at"], "seen_by": seen and seen["facts"].get("by")}  # fmt: skip
    differ = [name for name, value in told.items() if row[name] != value]
    agrees = {"purge_on": _announced(trail), "updated_at": _updated(trail),
              "waits_for": row["waits_for"] is None or trail.waits}  # fmt: skip
    differ += [name for name, agreed in agrees.items() if not agreed]
    complaints = []
    if differ:
        complaints.append(f"document {row['document_id']}: its row says another {' and '.join(differ)} than its events")
    if delivered != set(trail.delivered):
        complaints.append(f"document {row['document_id']}: its deliveries are not those of its events")
    return complaints


def _announced(trail: Trail) -> bool:
    """Whether the row's day of purge is the one announced last. It may be empty while nothing is purged: a new policy
    takes back what was announced under the one before, and keeps by it."""
    said: str | None = None
    purged = False
    for event in trail.events:
        if event["outcome"] == "announced":
            said = event["facts"]["purge_on"]
        purged |= event["outcome"] == "purged"
    day = trail.document["purge_on"]
    return day.isoformat() == said if day is not None else not purged


_APART = timedelta(minutes=5)
"""The clocks of two gateways differ by so much at most."""


def _updated(trail: Trail) -> bool:
    """Whether the row was written last when its events say. A stage that waits, and an end that is met again, need not
    make an event: then it was written later, and only that it is not before all of them is known."""
    if not trail.events:
        return True
    updated: set[datetime] = {trail.events[0]["at"]}
    for event in trail.events[1:]:
        at: datetime = event["at"]
        if event["outcome"] in ("seen", "status"):  # beside the line it never goes back
            updated = {max(one, at) for one in updated} | ({at} if event["outcome"] == "status" else set())
        elif event["outcome"] in ("done", "skipped", "halted", "attempt", "payment"):
            updated = {at}
    row = trail.document
    if row["waits_for"] is None and row["halted"] is None:
        return row["updated_at"] in updated
    return bool(row["updated_at"] >= min(event["at"] for event in trail.events) - _APART)


def _check_leaves(trail: Trail) -> list[str]:
    """Each event of a sound chain has its leaf, made of its hash; `ledger.loose` finds the other way round."""
    identifier = trail.document["document_id"]
    found = {leaf["seq"]: leaf for leaf in trail.leaves}
    complaints = []
    for event in trail.events:
        leaf = found.get(event["seq"])
        if leaf is None:
            complaints.append(f"document {identifier}: event {event['seq']} has no leaf in the tree")
        elif salted(bytes(leaf["salt"]), bytes(event["hash"])) != bytes(leaf["entry"]):
            complaints.append(f"document {identifier}: the leaf of event {event['seq']} is not made of it")
    return complaints


# The tree ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TreeAudit:
    """What the audit of the tree found."""

    leaves: int
    checkpoints: int
    copies: int
    """Checkpoints kept outside that were held against the tree."""
    complaints: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.complaints


async def audit_tree(
    pool: Pool,
    keys: Sequence[Verifier],
    copies: Path | None = None,
    progress: Progress = nobody,
) -> TreeAudit:
    """Build the tree anew from its leaves and hold nodes, checkpoints and the copies outside against it.

    A checkpoint is believed when one of the `keys` has signed it. `progress` is told how many leaves are done.
    """
    said = Complaints()
    files = await asyncio.to_thread(_files, copies, said)
    async with pool.worker(snapshot=True) as connection:
        inside, outside = _Inside(connection, keys, said), _Outside(files, keys, said)
        size, wrong = await _rebuilt(connection, (inside, outside), progress)
        for held in (inside, outside):
            await held.rest(size, judged=not wrong)
        strangers = await tree.strangers(connection)
    said.add(*wrong)
    if strangers:
        said.add(f"the tree: {strangers} leaves belong to no account there is")
    if not wrong and size and inside.last != size:
        said.add("the tree: its last leaves are covered by no checkpoint")
    return TreeAudit(size, inside.read, outside.read, said.told())


_AT_ONCE = 200
"""Leaves added, and files read, before a gateway that is audited serves others."""


async def _rebuilt(connection: Connection, held: Sequence[_Held], progress: Progress) -> tuple[int, list[str]]:
    """Build the tree from its leaves, and hold checkpoints against its root on the way: how many leaves, and the first
    place that is wrong."""
    kept = _Kept(connection)
    frontier = Frontier()
    for one in held:
        await one.reached(0, frontier.root)
    async for page in tree.leaves(connection):
        for place, entry in page:
            if place != frontier.size:
                return frontier.size, [f"the tree: leaf {frontier.size} is missing"]
            for level, index, hashed in frontier.add(leaf_hash(entry)):
                if await kept.next(level) != (index, hashed):
                    return frontier.size, [f"the tree: node {level}/{index} is not what its leaves make"]
            for one in held:
                if one.next is not None and one.next.size <= frontier.size:
                    await one.reached(frontier.size, frontier.root)
            if frontier.size % _AT_ONCE == 0:
                await asyncio.sleep(0)
        progress(frontier.size)
    return frontier.size, [f"the tree: a node of level {level} has no leaves" for level in await kept.left()]


class _Held:
    """Checkpoints in the order of their sizes, each held against the root that the leaves make when they are so many:
    none stays in memory."""

    def __init__(self, said: Complaints, signed: AsyncIterator[tuple[str, Checkpoint]]) -> None:
        self._said, self._signed, self._name = said, signed, ""
        self.next: Checkpoint | None = None
        """The one that is waited for."""
        self.read = 0
        """How many could be believed."""
        self.last: int | None = None
        """Leaves of the last of them."""

    async def reached(self, size: int, root: bytes) -> None:
        """The tree has so many leaves now."""
        if self.next is None and not self.read:
            await self._go_on()
        while self.next is not None and self.next.size <= size:
            if self.next.size == size and self.next.root != root:
                self._said.add(f"{self._name}: its root is not that of the first {size} leaves")
            elif self.next.size < size:
                self._said.add(f"{self._name} goes back behind the one before")
            await self._go_on()

    async def rest(self, size: int, *, judged: bool) -> None:
        """The tree has no more leaves; `judged`: it could be built, so that they tell of leaves that are gone."""
        while self.next is not None:
            if judged and self.next.size > size:
                told = f"{self._name} tells of {self.next.size} leaves, and the tree has fewer"
                self._said.add(f"{told}: the end was cut off or an old state is back")
            await self._go_on()

    async def _go_on(self) -> None:
        found = await anext(self._signed, None)
        self._name, self.next = found if found is not None else ("", None)
        if self.next is not None:
            self.read += 1
            self.last = self.next.size


class _Inside(_Held):
    """The checkpoints of the database as their signatures tell them; what is wrong with their rows is told."""

    def __init__(self, connection: Connection, keys: Sequence[Verifier], said: Complaints) -> None:
        super().__init__(said, _inside(connection, keys, said))


class _Outside(_Held):
    """The copies outside."""

    def __init__(self, files: Sequence[Path], keys: Sequence[Verifier], said: Complaints) -> None:
        super().__init__(said, _outside(files, keys, said))


async def _inside(
    connection: Connection, keys: Sequence[Verifier], said: Complaints
) -> AsyncIterator[tuple[str, Checkpoint]]:
    number, before = 0, None
    async for page in tree.checkpoints(connection):
        for row, one in zip(page, await asyncio.to_thread(_believed, [row.note for row in page], keys), strict=True):
            number += 1
            if row.number != number:
                said.add(f"checkpoint {number} is missing")
                return
            if isinstance(one, str):
                said.add(f"checkpoint {number} cannot be believed: {one}")
                return
            if (one.size, one.root, one.at) != (row.size, row.root, row.at):
                said.add(f"checkpoint {number}: its row is not what was signed")
            if before is not None and one.at < before:
                said.add(f"checkpoint {number} goes back behind the one before")
            before = one.at
            yield f"checkpoint {number}", one


def _believed(notes: Sequence[str], keys: Sequence[Verifier]) -> list[Checkpoint | str]:
    """Each note's checkpoint, or why it cannot be believed."""
    found: list[Checkpoint | str] = []
    for note in notes:
        try:
            found.append(checkpoint.read(note, keys))
        except NotProved as wrong:
            found.append(str(wrong))
    return found


def _files(copies: Path | None, said: Complaints) -> list[Path]:
    """The copies outside in the order of their sizes, by their names, or where these tell none, by their text."""
    if copies is None:
        return []
    try:
        files = [path for path in copies.glob("*.txt") if path.is_file()]
    except OSError as unable:
        said.add(f"the copies outside cannot be read: {unable.strerror}")
        return []
    if not files:
        said.add("the copies outside: there are none where they should be")
    return sorted(files, key=lambda path: (_size_of(path), path.name))


def _size_of(path: Path) -> float:
    size = path.stem.rpartition("-")[2]
    if not size.isdecimal():
        with suppress(OSError, ValueError, IndexError):
            size = path.read_text(encoding="utf-8").split("\n")[1]
    return int(size) if size.isascii() and size.isdecimal() else math.inf


async def _outside(
    files: Sequence[Path], keys: Sequence[Verifier], said: Complaints
) -> AsyncIterator[tuple[str, Checkpoint]]:
    for start in range(0, len(files), _AT_ONCE):
        some = files[start : start + _AT_ONCE]
        for path, one in zip(some, await asyncio.to_thread(_copied, some, keys), strict=True):
            if isinstance(one, str):
                said.add(f"the copy {path.name} cannot be believed: {one}")
            else:
                yield f"the copy {path.name}", one


def _copied(files: Sequence[Path], keys: Sequence[Verifier]) -> list[Checkpoint | str]:
    found: list[Checkpoint | str] = []
    for path in files:
        try:
            found += _believed([path.read_text(encoding="utf-8")], keys)
        except (OSError, UnicodeDecodeError) as wrong:
            found.append(str(wrong))
    return found


class _Kept:
    """The kept nodes of each level, read in order beside the leaves that make them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._levels: dict[int, AsyncIterator[tuple[int, bytes]]] = {}

    async def next(self, level: int) -> tuple[int, bytes] | None:
        """The next node of a level; None when there is none."""
        if level not in self._levels:
            self._levels[level] = self._each(level)
        return await anext(self._levels[level], None)

    async def left(self) -> list[int]:
        """Levels with nodes that nothing asked for."""
        levels = range(max(self._levels, default=-1) + 2)
        return [level for level in levels if await self.next(level) is not None]

    async def _each(self, level: int) -> AsyncIterator[tuple[int, bytes]]:
        async for page in tree.nodes(self._connection, level):
            for node in page:
                yield node
