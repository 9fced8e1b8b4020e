"""Which entries of a statement are known already: told by an overlapping file, or in another format.

What tells bookings of one day and amount apart, in this order: the bank's reference, the end-to-end reference, the
text. Two references that differ are two bookings, whatever else is alike. Entries of one statement are never the same
booking, however alike they look; so of look-alikes there are as many as the statement with the most has. What stands in
the statement right before or after this one, by number and by balance, is not the same either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

END_CUT = 12
"""Signs of an end-to-end reference from which on a shorter one may be the longer one, cut off."""
_END_INDEXED = 40
"""Signs of an end-to-end reference up to which its beginnings are indexed; ISO 20022 has 35."""
TEXT_CUT = 8
"""Signs of a text from which on one inside another is the same."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An entry, by all that statements say of it."""

    entry_id: UUID
    currency: str
    booked_on: date
    amount: Decimal
    references: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()
    parties: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    """Of the statements that tell of it."""
    adjoining: bool = False
    """It stands in the statement right before or after the new one."""


@dataclass(frozen=True, slots=True)
class New:
    """An entry as a new statement says it."""

    currency: str
    booked_on: date
    amount: Decimal
    reference: str = ""
    end_to_end: str = ""
    text: str = ""
    party: str = ""
    format: str = ""


def pair(known: Sequence[Seen], entries: Sequence[New]) -> list[UUID | None]:
    """For each entry the one that it is; None: it is new."""
    groups: dict[tuple[str, date, Decimal], _Group] = defaultdict(_Group)
    for one in known:
        if not one.adjoining:
            groups[one.currency, one.booked_on, one.amount].add(one)
    found: list[UUID | None] = [None] * len(entries)
    for alike in (_by_reference, _by_end, _by_text, _by_part, _by_absence):
        missed: set[New] = set()  # what none is like, none is like later: a group only shrinks
        for place, entry in enumerate(entries):
            group = groups.get((entry.currency, entry.booked_on, entry.amount))
            if found[place] is not None or group is None or entry in missed:
                continue
            same = group.first(entry, alike)
            if same is None:
                missed.add(entry)
            else:
                found[place] = same.entry_id
    return found


class _Group:
    """Known entries of one day and amount that are not paired yet, so indexed that few are compared with a new one."""

    def __init__(self) -> None:
        self._left: dict[int, Seen] = {}
        self._count = 0
        self._references: dict[str, dict[int, None]] = defaultdict(dict)
        self._ends: dict[str, dict[int, None]] = defaultdict(dict)
        self._cuts: dict[str, dict[int, None]] = defaultdict(dict)
        self._texts: dict[str, dict[int, None]] = defaultdict(dict)

    def add(self, one: Seen) -> None:
        """One more, after the others."""
        place, self._count = self._count, self._count + 1
        self._left[place] = one
        for index in self._of(one):
            index[place] = None

    def first(self, new: New, alike: Callable[[Seen, New], bool]) -> Seen | None:
        """Take out the first that is alike."""
        few: Collection[int] = min(self._candidates(new, alike), key=_size)
        for place in sorted(few):
            one = self._left[place]
            if alike(one, new):
                del self._left[place]
                for index in self._of(one):
                    del index[place]
                return one
        return None

    def _of(self, one: Seen) -> Iterator[dict[int, None]]:
        """Where it is indexed; what has no reference or no end-to-end reference under an empty one."""
        yield from (self._references[each] for each in one.references or {""})
        yield from (self._ends[each] for each in one.ends or {""})
        yield from (self._cuts[each] for each in {end[:k] for end in one.ends for k in _cuts(end) if k < len(end)})
        yield from (self._texts[each] for each in one.texts)

    def _candidates(self, new: New, alike: Callable[[Seen, New], bool]) -> Iterator[Collection[int]]:
        """Sets of which each holds all that can be alike."""
        if alike is _by_reference:
            yield self._references.get(new.reference, {}) if new.reference else ()
            return
        yield self._left
        if new.reference:
            yield {*self._references.get(new.reference, ()), *self._references.get("", ())}
        if new.end_to_end or alike is _by_end:
            same = {place for end in self._ended(new.end_to_end) for place in end}
            yield same if alike is _by_end else {*same, *self._ends.get("", ())}
        if alike is _by_text:
            yield self._texts.get(new.text, {}) if new.text else ()

    def _ended(self, end: str) -> Iterator[Collection[int]]:
        """By the same end-to-end reference, or one of which either is the other's beginning."""
        if end:
            yield self._ends.get(end, ())
            yield self._cuts.get(end[:_END_INDEXED], ())
            yield from (self._ends.get(end[:k], ()) for k in range(END_CUT, len(end)))


def _size(places: Collection[int]) -> int:
    return len(places)


def _cuts(end: str) -> range:
    return range(END_CUT, min(len(end), _END_INDEXED) + 1)


def consecutive(one: str, other: str) -> bool:
    """Whether two numbers of statements follow each other: 7 and 8, or the pages 7/1 and 7/2."""
    first, second = _parts(one), _parts(other)
    if first is None or second is None:
        return False
    if first[0] == second[0]:
        return None not in (first[1], second[1]) and (first[1] or 0) + 1 == second[1]
    return first[0] + 1 == second[0] and second[1] in (None, 0, 1)


def _parts(number: str) -> tuple[int, int | None] | None:
    head, _, page = number.partition("/")
    if not (head.isascii() and head.isdigit() and len(head) < 10):
        return None
    return int(head), int(page) if page.isascii() and page.isdigit() and len(page) < 10 else None


def _by_reference(seen: Seen, new: New) -> bool:
    return new.reference in seen.references


def _by_end(seen: Seen, new: New) -> bool:
    return not _contradict(seen, new) and any(_same_end(one, new.end_to_end) for one in seen.ends)


def _by_text(seen: Seen, new: New) -> bool:
    return not _contradict(seen, new) and bool(new.text) and new.text in seen.texts


def _by_part(seen: Seen, new: New) -> bool:
    if new.format in seen.formats:  # which would have told it in the same words
        return False
    return not _contradict(seen, new) and any(_inside(one, new.text) for one in seen.texts)


def _by_absence(seen: Seen, new: New) -> bool:
    """One of them says nothing, or both say nothing: and no party speaks against it."""
    if _contradict(seen, new) or (new.format in seen.formats and bool(new.text) == (not seen.texts)):
        return False
    silent = not new.text or not seen.texts
    parties = not new.party or not seen.parties or any(_inside(one, new.party) for one in seen.parties)
    return silent and parties


def _contradict(seen: Seen, new: New) -> bool:
    """Whether both have a reference, and not the same."""
    if new.reference and seen.references and new.reference not in seen.references:
        return True
    return bool(new.end_to_end and seen.ends) and not any(_same_end(one, new.end_to_end) for one in seen.ends)


def _same_end(one: str, other: str) -> bool:
    if not one or not other:
        return False
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) >= END_CUT and long.startswith(short))


def _inside(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return one == other or (len(short) >= TEXT_CUT and short in long)
