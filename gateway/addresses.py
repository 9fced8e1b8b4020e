"""Looking up electronic addresses: what is remembered while it is young enough, else the directory, else what is older.

That an address has a line is believed for a day, that it has none for an hour: a directory shows changes the next day,
and a buyer who was just told to get a platform is not to wait for it. When the directory is away, an answer up to a
week old serves, and says that it is old; an old *no* refuses nobody: the document waits. Where nothing is remembered
the answer is "unanswered", never "no address".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from adapters.directory import Directory, DirectoryLine, DirectoryLines, LegalUnit, LineStanding
from adapters.port import Unreachable
from gateway.reach import Asked, Reach, Reachability, Told, asked_of, day_of, nearest, standing
from gateway.resources import Resources
from gateway.store import addresses as store
from gateway.store.addresses import LINE, LINES, UNIT, Answer, Question
from gateway.store.documents import Document
from schemas.parties import FRENCH_SCHEMES
from signing.chain import instant

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found, and how long to wait where nobody answered."""

    reach: Reach
    retry_in: timedelta | None = None
    """As the directory asks; None: it does not say."""


class _Away(Exception):
    """Neither the directory nor memory answers."""

    def __init__(self, away: Unreachable) -> None:
        super().__init__(away.reason)
        self.away = away


@dataclass(slots=True)
class _Search:
    """The questions about one address, and the oldest answer among those that served."""

    account_id: UUID
    directory: Directory
    resources: Resources
    now: datetime
    oldest: datetime
    stale: bool = False

    async def line(self, address: str) -> DirectoryLine | None:
        """The line of an address."""
        question = Question(self.directory.name, LINE, address)
        return await self._ask(
            question, lambda: self.directory.line(address), store.of_line, store.line_of, self._is_active
        )

    async def lines(self, siren: str) -> DirectoryLines:
        """The lines of a company."""
        question = Question(self.directory.name, LINES, siren)
        found = await self._ask(
            question, lambda: self.directory.lines(siren), store.of_lines, store.lines_of, lambda _: False
        )
        return found or DirectoryLines((), complete=True)

    async def unit(self, siren: str) -> LegalUnit | None:
        """A company."""
        question = Question(self.directory.name, UNIT, siren)
        return await self._ask(
            question, lambda: self.directory.unit(siren), store.of_unit, store.unit_of, lambda _: False
        )

    def told(self) -> Told:
        """Who told it, and when."""
        return Told(self.directory.name, self.oldest, self.stale)

    def _is_active(self, line: DirectoryLine) -> bool:
        return standing(line, day_of(self.now)) is LineStanding.ENABLED

    async def _ask(
        self,
        question: Question,
        ask: Callable[[], Awaitable[T | None]],
        write: Callable[[T], Mapping[str, Any]],
        read: Callable[[Mapping[str, Any]], T],
        good: Callable[[T], bool],
    ) -> T | None:
        """An answer that is young enough, from memory or from the directory; else an old one. Raises _Away."""
        ages = self.resources.ages
        async with self.resources.pool.account(self.account_id) as connection:
            known = await store.known(connection, question)
        value = read(known.members) if known is not None and known.found else None
        if known is not None:
            limit = ages.fresh if value is not None and good(value) else ages.none
            if timedelta(0) <= self.now - known.asked_at <= limit:
                return self._counted(value, known.asked_at, stale=False)
        try:
            answered = await ask()
        except Unreachable as away:
            if known is None or self.now - known.asked_at > ages.stale:
                raise _Away(away) from away
            return self._counted(value, known.asked_at, stale=True)
        members = {} if answered is None else write(answered)
        new = Answer(self.now, answered is not None, members)
        async with self.resources.pool.account(self.account_id) as connection:
            await store.keep(connection, self.account_id, question, new, self.now - ages.stale)
        return self._counted(answered, self.now, stale=False)

    def _counted(self, value: T | None, asked_at: datetime, *, stale: bool) -> T | None:
        self.oldest, self.stale = min(self.oldest, asked_at), self.stale or stale
        return value


async def look(account_id: UUID, scheme: str | None, value: str | None, resources: Resources) -> Looked:
    """What the directory says of an address; without a directory, that nobody was asked."""
    asked = asked_of(scheme, value)
    if resources.directory is None and scheme in FRENCH_SCHEMES:
        reason = "no directory is configured (ESTAFETTE_AFNOR_DIRECTORY_URL)"
        return Looked(Reach(Reachability.UNASKED, None if isinstance(asked, Reach) else asked, reason=reason))
    if isinstance(asked, Reach) or resources.directory is None:
        return Looked(asked if isinstance(asked, Reach) else Reach(Reachability.UNASKED, asked))
    now = resources.clock.now()
    search = _Search(account_id, resources.directory, resources, now, now)
    try:
        return Looked(await _reach(asked, search))
    except _Away as nobody:
        reach = Reach(Reachability.UNANSWERED, asked, reason=nobody.away.reason)
        return Looked(reach, nobody.away.retry_in)


async def of_document(document: Document, resources: Resources) -> Looked:
    """What is known of the address to which an invoice of the account goes; nobody is asked about other documents.

    Of a self-billed invoice its row has the seller's (`gateway.stages.parse`): the buyer's is the account's own.
    """
    if document.inbound or document.about is not None:
        return Looked(Reach(Reachability.UNASKED))
    return await look(document.account_id, document.buyer_scheme, document.buyer_address, resources)


async def company(
    account_id: UUID, siren: str, resources: Resources
) -> tuple[LegalUnit | None, DirectoryLines, datetime]:
    """A company, its lines, and when the older of both was told. Raises Unreachable where nobody answers."""
    if resources.directory is None:
        raise Unreachable("no directory is configured")
    now = resources.clock.now()
    search = _Search(account_id, resources.directory, resources, now, now)
    try:
        return await search.unit(siren), await search.lines(siren), search.oldest
    except _Away as nobody:
        raise nobody.away from nobody


def facts_of(reach: Reach) -> dict[str, Any]:
    """What an event tells of a look-up: verdict, how the line stands, who told it and when. No address."""
    facts: dict[str, Any] = {"verdict": str(reach.verdict)}
    if reach.asked is not None:
        facts["level"] = str(reach.asked.level)
    if reach.line is not None:
        line = reach.line
        facts |= {"line": str(line.standing), "platform": str(line.receiver)}
        facts |= {name: day.isoformat() for name, day in (("from", line.begins), ("to", line.ends)) if day}
    if reach.told is not None:
        facts |= {"source": reach.told.source, "asked_at": instant(reach.told.at), "stale": reach.told.stale}
    return facts


async def _reach(asked: Asked, search: _Search) -> Reach:
    today = day_of(search.now)
    line = await search.line(asked.address)
    if line is not None and standing(line, today) is LineStanding.ENABLED:
        return Reach(Reachability.ACTIVE, asked, line, told=search.told())
    found = await search.lines(asked.siren)
    own = [one for one in found.lines if one.address.casefold() == asked.address.casefold()]
    best = min(own, key=lambda one: _ORDER.index(standing(one, today)), default=line)
    unit = await search.unit(asked.siren)
    verdict = _verdict(best, unit, found, search)
    if search.stale and verdict is not Reachability.ACTIVE:
        told = search.told()
        reason = f"{told.source} is away, and on {told.at.date()} it told of no active line"
        return Reach(Reachability.UNANSWERED, asked, best, unit=unit, told=told, reason=reason)
    others = () if verdict is Reachability.ACTIVE else nearest(asked, found.lines, today)
    return Reach(verdict, asked, best, others, found.complete, unit, search.told())


_ORDER = (LineStanding.ENABLED, LineStanding.UPCOMING, LineStanding.DISABLED)


def _verdict(
    best: DirectoryLine | None, unit: LegalUnit | None, found: DirectoryLines, search: _Search
) -> Reachability:
    if best is None:
        return Reachability.NO_LINE if unit is not None or found.lines else Reachability.NO_COMPANY
    match standing(best, day_of(search.now)):
        case LineStanding.ENABLED:
            return Reachability.ACTIVE
        case LineStanding.UPCOMING:
            return Reachability.UPCOMING
        case _:
            return Reachability.ENDED
