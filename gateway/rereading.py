"""Reading every document again from its bytes: what is shown of it, and every seal on it, is held against them.

The row of a document and its line in the archive's index are copies, and who runs the database can change a copy:
number, parties, currency and amounts are read once more from the bytes that the events vouch for, by the code of the
line, and what differs is named. Each seal is judged again, offline, by what it carries: one that was broken or taken
away is named. One whose issuer nobody here trusts can be neither believed nor refuted; it is counted and told apart.
A seal that was good when it was made stays so when its certificate has ended: the archive proves when it was there.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.compute import Compute, Interrupted, beside
from gateway.lifecycle import Role
from gateway.sought import EDITION, Sought
from gateway.stages.parse import Parsed, columns_of_message, parse
from gateway.store import contents, shown
from gateway.store.contents import BYTES
from gateway.store.pool import Pool
from gateway.store.shown import SealedEvent, Shown
from schemas.formats import cdar
from schemas.xml import Unreadable
from signing import pdf_verdict, xml_verdict
from signing.borne import verified
from signing.trust import Trust
from signing.verdict import Indication, Verdict

AT_ONCE = 25
"""Documents of one call to a worker process."""

MADE_WITHIN = timedelta(minutes=5)
"""A seal is finished so long after the instant of its event at the latest; its timestamp may be so much younger."""

_ROW = ("number", "type_code", "issue_date", "seller", "buyer", "buyer_scheme", "buyer_address", "currency", "total",
        "amount_due", "due_date")  # fmt: skip
_ERASED = ("buyer", "buyer_scheme", "buyer_address", "total", "amount_due", "due_date")
"""What a purge takes from the row."""
_CEILING = Decimal(9_000_000_000_000_000)


@dataclass(frozen=True, slots=True)
class By:
    """By what is read and judged."""

    trust: Trust = field(default_factory=Trust)
    now: datetime | None = None
    """When seals are judged; None: when they were made."""
    compute: Compute | None = None
    """Worker processes; None: a thread."""
    at_once: int = 1
    """Calls to worker processes under way at once: more than one takes them from the line."""


@dataclass(slots=True)
class Reread:
    """What reading an account's documents again found."""

    documents: int = 0
    """Read again; those that are purged, or not read by the line yet, are not."""
    seals: int = 0
    """Judged: our own, and those that submissions bear."""
    believed: int = 0
    """Of them, those that passed."""
    unsure: Counter[str] = field(default_factory=Counter)
    """Seals that could be neither believed nor refuted, by sub-indication."""
    amounts: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    """Per currency: the totals (BT-112) that the bytes say, and those that the rows show."""

    def take(self, told: Told) -> None:
        """One document more."""
        self.documents += told.read
        self.seals += told.seals
        self.believed += told.believed
        self.unsure.update(told.unsure)
        for place, (currency, amount) in ((0, told.says), (1, told.shows)):
            if amount is not None:
                sums = list(self.amounts.get(currency, (Decimal(0), Decimal(0))))
                sums[place] += amount
                self.amounts[currency] = (sums[0], sums[1])


@dataclass(frozen=True, slots=True)
class Given:
    """A document as it is shown, and its bytes by their hash; picklable."""

    shown: Shown
    contents: Mapping[str, bytes]


Amount = tuple[str, Decimal | None]
_NOTHING: Amount = ("", None)


@dataclass(slots=True)
class Told:
    """What was found of one document; picklable."""

    complaints: list[str] = field(default_factory=list)
    read: bool = False
    says: Amount = _NOTHING
    """Currency and total of its bytes."""
    shows: Amount = _NOTHING
    """The same of its row."""
    seals: int = 0
    believed: int = 0
    unsure: list[str] = field(default_factory=list)


async def reread(
    pool: Pool, account_id: UUID, by: By, complain: Callable[[str], None], progress: Callable[[int], None]
) -> Reread:
    """Read all documents of an account again. `complain` is told what is wrong, `progress` how many are done.

    As many bytes are held at once as one portion has for each call under way, and never more than a page of rows.
    """
    found, done = Reread(), 0
    under_way: deque[asyncio.Task[list[Told]]] = deque()

    async def finish(most: int) -> None:
        nonlocal done
        while len(under_way) > most:
            for told in await under_way.popleft():
                found.take(told)
                done += 1
                for complaint in told.complaints:
                    complain(complaint)
            progress(done)

    try:
        async for page in shown.documents(pool, account_id):
            for portion in _portions(page):
                await finish(max(1, by.at_once) - 1)
                given = await _given(pool, account_id, portion)
                under_way.append(asyncio.create_task(_judged(given, by)))
        await finish(0)
    finally:
        for task in under_way:
            task.cancel()
    return found


def _portions(page: Sequence[Shown]) -> Iterator[list[Shown]]:
    portion: list[Shown] = []
    size = 0
    for one in page:
        more = sum(one.sizes.get(digest, 0) for digest in _wanted(one))
        if portion and (size + more > BYTES or len(portion) == AT_ONCE):
            yield portion
            portion, size = [], 0
        portion.append(one)
        size += more
    if portion:
        yield portion


def _wanted(one: Shown) -> set[str]:
    """Hashes of what a document is read and judged by."""
    if one.purged:
        return set()
    wanted = {one.submitted} if one.parsed is not None else set()
    for event in one.sealed:
        if "form" in event.facts:
            wanted |= {event.facts.get("sha256"), event.facts.get("seal")}
        if "borne" in event.facts:
            wanted.add(one.kept.get(Role.SUBMISSION, (None, 0))[0])
    return {digest for digest in wanted if digest is not None}


async def _given(pool: Pool, account_id: UUID, portion: Sequence[Shown]) -> list[Given]:
    wanted = {one.id: _wanted(one) for one in portion}
    data = await contents.several(pool, account_id, set().union(*wanted.values()))
    lacking = [one.id for one in portion if not wanted[one.id] <= data.keys()]
    gone = await shown.purged(pool, account_id, lacking) if lacking else set()  # since its page was read
    return [
        Given(one, {name: data[name] for name in wanted[one.id] if name in data})
        for one in portion
        if one.id not in gone
    ]


async def _judged(given: Sequence[Given], by: By) -> list[Told]:
    """In a worker process. A document that ends it is tried alone, and then named: it was not looked at."""
    try:
        return await beside(by.compute, judged, given, by.trust, by.now)
    except Interrupted as interrupted:
        if len(given) == 1:
            return [Told([f"document {given[0].shown.id}: it could not be read again: {interrupted}"])]
    return [told for one in given for told in await _judged([one], by)]


# In a worker process -------------------------------------------------------------------------------------------------


def judged(given: Sequence[Given], trust: Trust, now: datetime | None) -> list[Told]:
    """What is found of each document. Pure; not to be called where an event loop runs."""
    return [_document(one, trust, now) for one in given]


def _document(given: Given, trust: Trust, now: datetime | None) -> Told:
    told = Told()
    name = f"document {given.shown.id}"
    try:
        says = _erased(given.shown) if given.shown.purged else _read(given, told)
        if not given.shown.purged:
            for event in given.shown.sealed:
                says += _seals(given, event, (trust, now), told)
    except Exception as error:  # of odd bytes: what was not looked at is not clean
        says = [f"it could not be read again: {type(error).__name__}"]
    told.complaints += [f"{name}: {one}" for one in says]
    return told


def _erased(one: Shown) -> list[str]:
    """A purged document is a tombstone: neither row nor index tell of it any more."""
    complaints = []
    if one.row["purged_at"] is None or any(one.row[name] is not None for name in _ERASED):
        complaints.append("it was purged, and its row still tells of it")
    if one.index is not None and one.index["accepted_at"] != one.came:
        complaints.append("the archive's index says that it came at another time than its first event")
    if one.index is not None and (one.index["erased_at"] is None or one.index["terms"] or one.index["seller_name"]):
        complaints.append("it was purged, and the archive's index still tells of it")
    return complaints


def _read(given: Given, told: Told) -> list[str]:
    """Row and index against the bytes."""
    one = given.shown
    complaints = ["its row says that it was purged, and no event does"] if one.row["purged_at"] is not None else []
    told.shows = (one.row["currency"] or "", one.row["total"])
    parsed: Parsed | None = None
    if one.parsed is not None:
        data = given.contents.get(one.submitted or "")
        if data is None:
            return [*complaints, "what was submitted cannot be read"]
        told.read = True
        if one.format == cdar.FORMAT.name:
            return complaints + _said(one, data)
        try:
            parsed = parse(data, inbound=one.row["direction"] == "inbound")
        except Unreadable:
            if one.parsed == "done":
                return [*complaints, "what was submitted cannot be read any more"]
    says: Mapping[str, Any] = parsed.columns if parsed is not None and one.parsed == "done" else {}
    told.says = (says.get("currency") or "", says.get("total"))
    differ = [name for name in _ROW if one.row[name] != says.get(name)]
    if differ:
        complaints.append(f"its row shows another {', '.join(differ)} than its bytes say")
    if one.parsed is not None:
        sought = parsed.sought if parsed is not None and one.parsed == "done" else None
        complaints += _indexed(one, says, sought or Sought())
    return complaints


def _said(one: Shown, data: bytes) -> list[str]:
    """A status message has nothing of an invoice, and goes to whom its bytes say."""
    says = columns_of_message(cdar.read(data))
    differ = [name for name in _ROW if one.row[name] != says.get(name)]
    return [f"its row shows another {', '.join(differ)} than its bytes say"] if differ else []


def _indexed(one: Shown, says: Mapping[str, Any], sought: Sought) -> list[str]:
    """The line of the archive's index against the bytes; names and words where this edition wrote them."""
    if one.index is None:
        return ["it is missing in the archive's index"]
    total = says.get("total")
    bounded = None if total is None else max(min(total, _CEILING), -_CEILING)
    if one.came is None:
        return ["no event says when it came"]
    expected = {
        **{name: says.get(name) for name in ("issue_date", "type_code", "number", "currency", "total")},
        "cents": None if bounded is None else math.floor(bounded * 100),
        "day": says.get("issue_date") or one.came.astimezone(UTC).date(),
        **{name: one.row[name] for name in ("direction", "participant")},
        "accepted_at": one.came,
        "erased_at": None,
    }
    if one.index["edition"] == EDITION:
        expected |= {"seller_name": sought.seller_name, "buyer_name": sought.buyer_name,
                     "refers_to": dict(sought.references), "terms": list(sought.terms)}  # fmt: skip
    differ = [name for name, value in expected.items() if one.index[name] != value]
    complaints = []
    if differ:
        complaints.append(f"the archive's index shows another {', '.join(differ)} than its bytes say")
    if one.index["found_by"] != len(one.index["terms"]):
        complaints.append("the archive's index does not find it by each of its words")
    return complaints


# Seals ---------------------------------------------------------------------------------------------------------------


def _seals(given: Given, event: SealedEvent, by: tuple[Trust, datetime | None], told: Told) -> list[str]:
    """Our own seal that an event tells of, and what it says of those that the submission bears."""
    complaints = []
    facts, made = event.facts, event.at + MADE_WITHIN
    trust, now = by
    if "form" in facts:
        verdict = _own(given, facts, trust, now or made)
        if verdict.indication is not Indication.PASSED and now is not None:
            then = _own(given, facts, trust, made)
            verdict = then if then.indication is Indication.PASSED else verdict
        wrong = _counted(verdict, told)
        if not wrong and verdict.level != facts["level"]:
            wrong = f"it is {verdict.level or 'of no level'}, and the event says {facts['level']}"
        if not wrong and verdict.sealed_by != facts["sealed_by"]:
            wrong = "it is somebody else's than the event says"
        complaints += [f"the seal of event {event.seq} does not hold: {wrong}"] if wrong else []
    if "borne" in facts:
        data = given.contents.get(given.shown.kept.get(Role.SUBMISSION, ("", 0))[0], b"")
        borne = verified(data, trust, made)
        failed = str(facts["borne"].get("indication")) == Indication.FAILED
        if failed and facts["borne"].get("sub") == "REVOKED" and borne is not None:
            _counted(borne, told)  # by the data of those days, which need not be here
        elif borne is None or failed != (borne.indication is Indication.FAILED):
            complaints.append(f"the seals it came with are not what event {event.seq} says of them")
        elif not failed:
            _counted(borne, told)
    return complaints


def _own(given: Given, facts: Mapping[str, Any], trust: Trust, at: datetime) -> Verdict:
    data = given.contents.get(facts["sha256"], b"")
    if facts["form"] == "PAdES":
        return pdf_verdict.verify(data, trust, at)
    if "seal" in facts:
        return xml_verdict.verify(given.contents.get(facts["seal"], b""), trust, at, beside=data).verdict
    return xml_verdict.verify(data, trust, at).verdict


def _counted(verdict: Verdict, told: Told) -> str:
    """Count a verdict; why it fails, empty when it does not."""
    told.seals += 1
    told.believed += verdict.indication is Indication.PASSED
    if verdict.indication is Indication.INDETERMINATE:
        told.unsure.append(verdict.sub)
    return verdict.sub if verdict.indication is Indication.FAILED else ""
