"""Which line pays what: each line in its turn, by what it names, then by who pays and how much. Pure.

The order of trust: a structured reference (check digits, and a digest over the whole number); a number with its exact
amount; several numbers with their exact sum; a number with a slip; who pays and how much. What leaves two readings,
names something settled or unknown, or comes from another payer than the invoice's is proposed to a person.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from gateway.matching.naming import Index, Named, same_name, words
from gateway.matching.reversing import taken_back
from gateway.matching.summing import sums
from gateway.matching.values import Known, Line, Match, Owed, Part, Reason

CANDIDATES = 24
"""Open invoices of one customer among which sums are looked for."""
SHOWN = 10
"""Alternatives that are told."""
FEES = Decimal(50)
"""The most that is taken for fees on the way; more is a part payment."""
DISCOUNTS = tuple(Decimal(one) for one in ("0.5", "1", "1.5", "2", "2.5", "3", "4", "5"))
"""Percentages that are common for early payment."""
_CENT = Decimal("0.01")


def match(lines: Iterable[Line], owed: Sequence[Owed], known: Known) -> list[Match]:
    """What each line pays, by its day and id; a line that pays nothing known has no match.

    What is certain is taken off before the next line is looked at, so that two parts of one invoice both find it.
    """
    work = _Work(owed, known)
    return [found for line in sorted(lines, key=lambda one: (one.booked_on, one.id)) if (found := work.line(line))]


@dataclass(frozen=True, slots=True)
class _Payer:
    """Who pays a line, as far as it is known."""

    customers: frozenset[str]
    learned: bool
    """By its account; else by its name."""

    @property
    def reason(self) -> Reason:
        return Reason("payer" if self.learned else "name")


class _Work:
    """What is owed while lines take it off."""

    def __init__(self, owed: Sequence[Owed], known: Known) -> None:
        self._owed = list(owed)
        self._known = known
        self._standing = list(known.booked)
        self._index = Index.of(self._owed)
        self._of: dict[str, list[int]] = defaultdict(list)
        self._amounts: Counter[tuple[str, Decimal]] = Counter()
        self._names: dict[str, set[str]] = defaultdict(set)
        self._worded: dict[str, set[str]] = defaultdict(set)
        self._places = {one.document_id: place for place, one in enumerate(self._owed)}
        for place, one in enumerate(self._owed):
            self._of[one.customer].append(place)
            if one.name:
                self._names[one.name].add(one.customer)
                for word in words(one.name):
                    self._worded[word].add(one.name)
            if one.balance > 0:
                self._amounts[one.currency, one.balance] += 1
        self._payers: dict[tuple[str, str], _Payer] = {}

    def line(self, line: Line) -> Match | None:
        """What one line pays."""
        if line.amount < 0:
            return self._taken_back(line)
        if line.amount == 0:
            return None
        named = self._index.named(line.structured, [line.text, line.end_to_end])
        found = self._by_name(line, named) or self._by_payer(line, named) or self._a_slip_alone(line, named)
        if found is None:
            return None
        if not line.sound:
            found = replace(found, certain=False, reasons=(*found.reasons, Reason("unsound")))
        if found.certain:
            self._take_off(found)
        return found

    # --- what it names ------------------------------------------------------------------------------------------------

    def _by_name(self, line: Line, named: Named) -> Match | None:
        """By references and numbers."""
        places = self._open(named.referred | set(named.exact), line.currency)
        closed = sorted((named.referred | set(named.exact)) - set(places))
        if places and not closed and (found := self._exactly(line, named, places)):
            return found
        if slipped := self._with_slips(line, named, places if not closed else []):
            return slipped
        if places and (other := self._other_number(line, named, places)):
            return other
        if places:
            return self._inexactly(line, named, places, closed)
        if closed and self._owed[closed[0]].currency == line.currency:
            return self._closed(line, named, closed)
        return None

    def _exactly(self, line: Line, named: Named, places: list[int]) -> Match | None:
        """All that it names, to the cent."""
        if self._together(places) != line.amount:
            return None
        reasons = [*self._named_reasons(line, named, places), self._sum_reason(places)]
        payer = self._payer(line)
        doubts = [] if set(places) <= named.referred else self._doubts(line, named, places, payer)
        if payer and self._agrees(payer, places):
            reasons.append(payer.reason)
        parts = self._whole(places)
        return self._made(line, parts, [*reasons, *doubts], certain=not doubts)

    def _doubts(self, line: Line, named: Named, places: list[int], payer: _Payer | None) -> list[Reason]:
        """What speaks against taking a number at its word."""
        doubts = []
        agrees = payer is not None and self._agrees(payer, places)
        if payer is not None and not agrees:
            doubts.append(Reason("other_payer"))
        if not agrees and len(places) == 1:
            piece = named.exact[places[0]]
            twins = [
                place
                for place in self._index.near_to(piece)
                if place not in places and self._owed[place].balance == line.amount
            ]
            if twins:
                doubts.append(Reason("ambiguous", str(len(twins))))
        twice = {self._owed[place].number for place in places if self._is_twin(place)}
        if twice and not agrees:
            doubts.append(Reason("ambiguous", str(len(twice))))
        return doubts

    def _is_twin(self, place: int) -> bool:
        """Whether another invoice has the same number, but for marks: of another seller, or the year before."""
        return len(self._index.numbers.get(self._index.written[place], ())) > 1

    def _with_slips(self, line: Line, named: Named, places: list[int]) -> Match | None:
        """Numbers one slip away, or their ends, that together with the others make the amount to the cent."""
        payer = self._payer(line)
        for groups in ((("number_near", named.near),), (("number_near", named.near), ("number_end", named.ends))):
            added: list[int] = []
            reasons: list[Reason] = []
            for code, group in groups:
                for _, candidates in group:
                    one = self._only(candidates, line, payer, places + added)
                    if one is not None:
                        added.append(one)
                        reasons.append(Reason(code, self._owed[one].number))
            every = [*places, *added]
            if added and self._together(every) == line.amount:
                said = [*self._named_reasons(line, named, places), *reasons, self._sum_reason(every)]
                return self._slipped(line, named, every, said)
        return None

    def _slipped(self, line: Line, named: Named, every: list[int], said: list[Reason]) -> Match:
        """Numbers with slips whose sum fits: certain when the payer fits too, or when nothing else has the amount."""
        payer = self._payer(line)
        agrees = payer is not None and self._agrees(payer, every)
        alone = len(every) == 1 and self._amounts[line.currency, line.amount] == 1
        near_only = not any(reason.code == "number_end" for reason in said)
        doubts = [Reason("other_payer")] if payer is not None and not agrees else []
        if not agrees and not (alone and near_only):
            doubts.append(Reason("nobody"))
        if named.strangers:
            doubts.append(Reason("stranger", named.strangers[0]))
        if payer and agrees:
            said.append(payer.reason)
        return self._made(line, self._whole(every), [*said, *doubts], certain=not doubts)

    def _other_number(self, line: Line, named: Named, places: list[int]) -> Match | None:
        """The number is another customer's by a slip: the payer's own, one slip away, has the amount to the cent."""
        payer = self._payer(line)
        if payer is None or len(places) != 1 or places[0] in named.referred or self._agrees(payer, places):
            return None
        piece = named.exact[places[0]]
        own = [
            place
            for place in self._open(self._index.near_to(piece), line.currency)
            if self._owed[place].customer in payer.customers and self._owed[place].balance == line.amount
        ]
        if len(own) != 1 or named.near or named.strangers:
            return None
        one = self._owed[own[0]]
        reasons = [Reason("number_near", one.number), Reason("amount"), payer.reason]
        return self._made(line, (Part(one.document_id, line.amount),), reasons, certain=len(payer.customers) == 1)

    def _a_slip_alone(self, line: Line, named: Named) -> Match | None:
        """One number with a slip and another amount: proposed."""
        payer = self._payer(line)
        for piece, candidates in named.near:
            one = self._only(candidates, line, payer, [])
            if one is not None:
                owed = self._owed[one]
                over = line.amount - owed.balance
                short = Reason("overpaid", f"{over:f}") if over > 0 else self._short(line, owed)
                part = Part(owed.document_id, line.amount)
                return self._made(line, (part,), [Reason("number_near", piece), short], certain=False)
        return None

    def _only(self, candidates: Iterable[int], line: Line, payer: _Payer | None, taken: list[int]) -> int | None:
        """The one candidate that may be meant: open, of the payer where it is known, fitting the amount where several
        would do."""
        fit = [place for place in self._open(candidates, line.currency) if place not in taken]
        if payer is not None:
            fit = [place for place in fit if self._owed[place].customer in payer.customers] or fit
        if len(fit) > 1:
            fit = [place for place in fit if self._owed[place].balance == line.amount]
        return fit[0] if len(fit) == 1 else None

    def _inexactly(self, line: Line, named: Named, places: list[int], closed: list[int]) -> Match:
        """It names invoices, and pays more or less than they owe."""
        payer = self._payer(line)
        reasons = self._named_reasons(line, named, places)
        agrees = payer is not None and self._agrees(payer, places)
        if payer is not None:
            reasons.append(payer.reason if agrees else Reason("other_payer"))
        total = self._together(places)
        parts = self._spread(line.amount, places)
        if closed:
            reasons.append(Reason("closed", self._owed[closed[0]].number))
        if line.amount > total:
            reasons.append(Reason("overpaid", f"{line.amount - total:f}"))
            return self._made(line, parts, reasons, certain=False)
        single = len(places) == 1
        reasons.append(
            self._short(line, self._owed[places[0]]) if single else Reason("partial", f"{total - line.amount:f}")
        )
        sure = single and not closed and not named.near and not named.strangers
        if sure and places[0] not in named.referred:
            sure = agrees and not self._is_twin(places[0]) and not self._elsewhere(line, places[0])
        return self._made(line, parts, reasons, certain=sure)

    def _elsewhere(self, line: Line, place: int) -> bool:
        """Whether the amount is that of another invoice of the customer, or of several: its number may be a slip."""
        others = [one for one in self._open(self._of[self._owed[place].customer], line.currency) if one != place]
        return bool(self._subsets(others, line.amount, limit=1)) or len(others) > CANDIDATES

    def _closed(self, line: Line, named: Named, closed: list[int]) -> Match:
        """It names what is settled: paid twice, or another invoice is meant."""
        one = self._owed[closed[0]]
        reasons = [Reason("closed", one.number)]
        payer = self._payer(line)
        if payer:
            reasons.append(payer.reason if self._agrees(payer, closed) else Reason("other_payer"))
        return self._made(line, (Part(one.document_id, line.amount),), reasons, certain=False)

    def _named_reasons(self, line: Line, named: Named, places: Sequence[int]) -> list[Reason]:
        reasons = []
        ended = self._index.named((), [line.end_to_end]).exact.values() if line.end_to_end else ()
        for place in places:
            one = self._owed[place]
            if place in named.referred:
                reasons.append(Reason("reference", one.reference))
            elif place in named.exact:
                reasons.append(Reason("end_to_end" if named.exact[place] in ended else "number", one.number))
        return reasons

    # --- who pays -----------------------------------------------------------------------------------------------------

    def _by_payer(self, line: Line, named: Named) -> Match | None:
        """By who pays and how much, where it names nothing."""
        payer = self._payer(line)
        if payer is None:
            return self._by_amount(line)
        places = self._open((place for one in payer.customers for place in self._of[one]), line.currency)
        doubts = [Reason("stranger", named.strangers[0])] if named.strangers else []
        doubts += [Reason("number_near", piece) for piece, _ in named.near[:1]]
        if len(payer.customers) > 1:
            doubts.append(Reason("other_payer"))
        same = [place for place in places if self._owed[place].balance == line.amount]
        if same:
            return self._same_amount(line, payer, places, same, doubts)
        several = self._subsets(places, line.amount, limit=3)
        if several:
            return self._a_sum(line, payer, places, several, doubts)
        return self._a_little_less(line, payer, places)

    def _same_amount(
        self, line: Line, payer: _Payer, places: list[int], same: list[int], doubts: list[Reason]
    ) -> Match:
        first = min(same, key=lambda place: (self._owed[place].due_on, self._owed[place].number))
        reasons = [payer.reason, Reason("amount")]
        others = [place for place in same if place != first]
        if others:
            doubts = [*doubts, Reason("ambiguous", str(len(others)))]
        elif (
            self._subsets([place for place in places if place != first], line.amount, limit=1)
            or len(places) > CANDIDATES
        ):
            doubts = [*doubts, Reason("ambiguous", "1")]
        elif self._amounts[line.currency, line.amount] == 1:
            reasons.append(Reason("unique"))
        elif not payer.learned:
            doubts = [*doubts, Reason("ambiguous", str(self._amounts[line.currency, line.amount] - 1))]
        part = Part(self._owed[first].document_id, line.amount)
        also = [self._owed[place].document_id for place in others]
        return self._made(line, (part,), [*reasons, *doubts], certain=not doubts, alternatives=also)

    def _a_sum(
        self, line: Line, payer: _Payer, places: list[int], several: list[tuple[int, ...]], doubts: list[Reason]
    ) -> Match:
        chosen = several[0]
        every = len(chosen) == len(places)
        reasons = [payer.reason, self._sum_reason(chosen)]
        if every:
            reasons.append(Reason("all_open"))
        if len(several) > 1:
            doubts = [*doubts, Reason("ambiguous", str(len(several) - 1))]
        also = [self._owed[place].document_id for one in several[1:] for place in one]
        sure = every and payer.learned and not doubts
        return self._made(line, self._whole(chosen), [*reasons, *doubts], certain=sure, alternatives=also)

    def _a_little_less(self, line: Line, payer: _Payer, places: list[int]) -> Match | None:
        """A little less than one invoice owes: fees or a discount; never certain."""
        fits = []
        for place in places:
            short = self._short(line, self._owed[place])
            if self._owed[place].balance > line.amount and short.code in ("fees", "discount"):
                fits.append((self._owed[place].balance - line.amount, place, short))
        if not fits:
            return None
        fits.sort()
        _, place, short = fits[0]
        doubts = [Reason("ambiguous", str(len(fits) - 1))] if len(fits) > 1 else []
        also = [self._owed[other].document_id for _, other, _ in fits[1:]]
        part = Part(self._owed[place].document_id, line.amount)
        return self._made(line, (part,), [payer.reason, short, *doubts], certain=False, alternatives=also)

    def _by_amount(self, line: Line) -> Match | None:
        """Nothing but the amount: proposed, where few invoices have it."""
        if not self._amounts[line.currency, line.amount]:
            return None
        same = [
            place
            for place, one in enumerate(self._owed)
            if one.balance == line.amount and one.currency == line.currency
        ]
        first, *others = same
        count = len(others)
        doubts = [Reason("ambiguous", str(count))] if count else [Reason("unique")]
        also = [self._owed[place].document_id for place in others]
        part = Part(self._owed[first].document_id, line.amount)
        return self._made(
            line, (part,), [Reason("amount"), Reason("nobody"), *doubts], certain=False, alternatives=also
        )

    def _payer(self, line: Line) -> _Payer | None:
        """Who pays: by the account that paid before, else by the name."""
        key = (line.party_account, line.party)
        if key not in self._payers:
            learned = self._known.payers.get(line.party_account) if line.party_account else None
            alike = {name for word in words(line.party) for name in self._worded.get(word, ())}
            by_name = frozenset(
                customer for name in alike if same_name(line.party, name) for customer in self._names[name]
            )
            self._payers[key] = _Payer(learned or by_name, bool(learned))
        found = self._payers[key]
        return found if found.customers else None

    def _agrees(self, payer: _Payer, places: Iterable[int]) -> bool:
        return all(self._owed[place].customer in payer.customers for place in places)

    # --- amounts ------------------------------------------------------------------------------------------------------

    def _open(self, places: Iterable[int], currency: str) -> list[int]:
        """Those on which something is owed in that currency, the earliest due first."""
        found = (
            place for place in set(places) if self._owed[place].balance > 0 and self._owed[place].currency == currency
        )
        return sorted(found, key=lambda place: (self._owed[place].due_on, self._owed[place].number))

    def _subsets(self, places: list[int], amount: Decimal, *, limit: int) -> list[tuple[int, ...]]:
        """Sets of invoices that make the amount, at most `limit`: all of them, or few of the earliest."""
        if not places:
            return []
        balances = {place: self._owed[place].balance for place in places}
        found = [tuple(places)] if sum(balances.values(), Decimal(0)) == amount else []
        few = {place: balances[place] for place in places[:CANDIDATES]}
        for chosen in sums(few, amount):
            if chosen not in found:
                found.append(chosen)
                if len(found) >= limit:
                    break
        return found

    def _together(self, places: Iterable[int]) -> Decimal:
        """What the invoices owe together."""
        return sum((self._owed[place].balance for place in places), Decimal(0))

    def _whole(self, places: Iterable[int]) -> tuple[Part, ...]:
        """Each invoice paid in full."""
        return tuple(Part(self._owed[place].document_id, self._owed[place].balance) for place in places)

    def _spread(self, amount: Decimal, places: list[int]) -> tuple[Part, ...]:
        """The amount over the invoices, the earliest due first; what is left over goes to the last."""
        parts, left = [], amount
        for place in places:
            share = min(left, self._owed[place].balance)
            if share > 0:
                parts.append(Part(self._owed[place].document_id, share))
                left -= share
        if left and parts:
            parts[-1] = Part(parts[-1].document_id, parts[-1].amount + left)
        return tuple(parts)

    def _short(self, line: Line, one: Owed) -> Reason:
        """Why less came than is owed."""
        missing = one.balance - line.amount
        if line.booked_on <= one.due_on:
            for percent in DISCOUNTS:
                if abs(one.balance * percent / 100 - missing) < _CENT:
                    return Reason("discount", f"{percent:f}")
        if missing == line.charges or (missing <= FEES and missing * 20 <= one.balance):
            return Reason("fees", f"{missing:f}")
        return Reason("partial", f"{missing:f}")

    def _sum_reason(self, places: Sequence[int]) -> Reason:
        return Reason("amount") if len(places) == 1 else Reason("sum", str(len(places)))

    def _take_off(self, found: Match) -> None:
        owing = {part.document_id: part.amount for part in found.parts}
        for document_id, amount in owing.items():
            place = self._places[document_id]
            one = self._owed[place]
            left = one.balance - amount
            self._amounts[one.currency, one.balance] -= 1
            self._owed[place] = replace(one, balance=left)
            if left > 0:
                self._amounts[one.currency, left] += 1

    def _taken_back(self, line: Line) -> Match | None:
        """What takes an earlier payment back; where that is certain, no other line takes the same one back."""
        found = taken_back(line, self._standing)
        if found is None:
            return None
        match_, payment = found
        if match_.certain:
            self._standing = [one for one in self._standing if one.line.id != payment]
        return match_

    def _made(
        self,
        line: Line,
        parts: tuple[Part, ...],
        reasons: list[Reason],
        *,
        certain: bool,
        alternatives: Sequence[UUID] = (),
    ) -> Match:
        return Match(line.id, parts, tuple(reasons), certain, tuple(alternatives[:SHOWN]))
