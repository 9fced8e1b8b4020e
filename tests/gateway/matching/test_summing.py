"""Few amounts that make a sum: the same sets in the same order as by trying every one."""

from __future__ import annotations

import random
from decimal import Decimal
from itertools import combinations

from gateway.matching.summing import sums


def test_it_finds_what_trying_every_set_finds() -> None:
    chance = random.Random(5)
    several = 0
    for _ in range(1000):
        amounts = {place * 3: Decimal(chance.randrange(1, 30)) for place in range(chance.randrange(11))}
        wanted = Decimal(chance.randrange(1, 100))
        expected = [
            chosen
            for size in range(1, 5)
            for chosen in combinations(amounts, size)
            if sum(amounts[one] for one in chosen) == wanted
        ]
        assert list(sums(amounts, wanted)) == expected
        several += len(expected) > 1
    assert several > 50
