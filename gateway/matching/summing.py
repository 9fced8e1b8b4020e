"""Which few amounts make a sum: pairs are kept by what they make, so that four cost a look-up for each pair. Pure.

Trying every four of twenty-four takes 10,626 sums for each line that fits nothing; this takes 300 look-ups.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal


def sums(amounts: Mapping[int, Decimal], wanted: Decimal) -> Iterator[tuple[int, ...]]:
    """Each set of one to four of the amounts that makes the sum: smaller sets first, then in the order given."""
    keys, values = list(amounts), list(amounts.values())
    pairs: dict[Decimal, list[tuple[int, int]]] = defaultdict(list)
    count = len(values)
    yield from ((keys[one],) for one in range(count) if values[one] == wanted)
    for one in range(count):
        for other in range(one + 1, count):
            pairs[values[one] + values[other]].append((one, other))
    yield from ((keys[one], keys[other]) for one, other in pairs.get(wanted, ()))
    for one in range(count):
        for pair in _from(pairs.get(wanted - values[one], ()), one + 1):
            yield (keys[one], *(keys[each] for each in pair))
    for one in range(count):
        for other in range(one + 1, count):
            for pair in _from(pairs.get(wanted - values[one] - values[other], ()), other + 1):
                yield (keys[one], keys[other], *(keys[each] for each in pair))


def _from(pairs: Sequence[tuple[int, int]], start: int) -> Iterator[tuple[int, int]]:
    """The pairs of a list in order that begin at `start` or later."""
    yield from pairs[bisect_left(pairs, (start, 0)) :]
