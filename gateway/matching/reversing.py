"""Which booked payments still stand, and which one a line takes back: each is taken back once. Pure.

A bank tells of one return more than once (a notice and a statement, with other dates), and a person may have undone or
taken back by hand what the bank takes back: what is gone is never taken a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from gateway.matching.values import Booked, Line, Match, Part, Reason


def still_standing(paid: Sequence[Booked], returned: Iterable[Booked]) -> list[Booked]:
    """The payments that no booked line took back: each such line uses one up, the one it is tied to where it can."""
    left = list(paid)
    for back in returned:
        mirrored = {Part(part.document_id, -part.amount) for part in back.parts}
        same = [one for one in left if set(one.parts) == mirrored]
        if same:
            left.remove(min(same, key=lambda one: (not _by_end(back.line, one.line), not tied(back.line, one.line))))
    return left


def taken_back(line: Line, standing: Sequence[Booked]) -> tuple[Match, UUID] | None:
    """What a line takes back, and the line that paid it: certain where the bank says so and ties it to one payment by
    its end-to-end reference.
    """
    same = [one for one in standing if one.line.amount == -line.amount and tied(line, one.line)]
    if not same:
        return None
    first, *others = same
    parts = tuple(Part(part.document_id, -part.amount) for part in first.parts)
    doubts = [Reason("ambiguous", str(len(others)))] if others else []
    if not line.sound:
        doubts.append(Reason("unsound"))
    sure = line.reversal and _by_end(line, first.line) and not doubts
    return Match(line.id, parts, (Reason("reversal"), *doubts), certain=sure), first.line.id


def tied(line: Line, before: Line) -> bool:
    """Whether a line may take an earlier one back: by a reference of either, or by the payer's account and a flag."""
    if line.booked_on < before.booked_on or line.currency != before.currency:
        return False
    by_reference = bool(line.reference) and line.reference == before.reference
    by_account = line.reversal and bool(line.party_account) and line.party_account == before.party_account
    return by_reference or _by_end(line, before) or by_account


def _by_end(line: Line, before: Line) -> bool:
    return bool(line.end_to_end) and line.end_to_end == before.end_to_end
