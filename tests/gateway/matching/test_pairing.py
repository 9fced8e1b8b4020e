"""Entries that are known are found through indexes: the same ones as by comparing each with each, and at once."""

from __future__ import annotations

import random
import time
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest

from gateway.matching import pairing
from gateway.matching.pairing import New, Seen, pair

DAY = date(2026, 11, 18)


def by_comparing(known: list[Seen], entries: list[New]) -> list[UUID | None]:
    """What the rules say, each entry compared with each."""
    left, found = list(known), [None] * len(entries)  # type: list[Seen], list[UUID | None]
    for alike in (pairing._by_reference, pairing._by_end, pairing._by_text, pairing._by_part, pairing._by_absence):
        for place, entry in enumerate(entries):
            same = None if found[place] else next((one for one in left if alike(one, entry)), None)
            if same is not None:
                found[place] = same.entry_id
                left.remove(same)
    return found


def made(chance: random.Random) -> tuple[list[Seen], list[New]]:
    """Some of one day and amount, that share references, beginnings of them, and texts."""
    base = "E2EREFERENCE2026" * 4
    ends = ["", "", "E1", *(base[:n] for n in (11, 12, 13, 30, 39, 40, 41, 50)), base[:20] + "X"]
    references, texts = ["", "", "R1", "R2"], ["", "LOYER", "LOYERDENOVEMBRE", "ABONNEMENT"]

    def some(values: list[str]) -> frozenset[str]:
        return frozenset(chance.choices(values, k=chance.randrange(3))) - {""}

    known = [
        Seen(UUID(int=n), "EUR", DAY, Decimal(1), some(references), some(ends), some(texts), some(["A", "B"]),
             frozenset({chance.choice(("mt940", "csv"))}))
        for n in range(1, chance.randrange(2, 9))
    ]  # fmt: skip
    entries = [
        New("EUR", DAY, Decimal(1), chance.choice(references), chance.choice(ends), chance.choice(texts),
            chance.choice(["", "A", "B"]), chance.choice(("mt940", "csv")))
        for _ in range(chance.randrange(1, 9))
    ]  # fmt: skip
    return known, entries


def test_indexes_find_what_comparing_finds() -> None:
    chance = random.Random(7)
    several = 0
    for _ in range(3000):
        known, entries = made(chance)
        found = pair(known, entries)
        assert found == by_comparing(known, entries)
        several += sum(one is not None for one in found) > 1
    assert several > 500


@pytest.mark.parametrize("said", ["reference", "end_to_end", "text"])
def test_thousands_of_one_day_and_amount_are_told_apart_at_once(said: str) -> None:
    names = [f"PRELEVEMENT2026{n:06d}" for n in range(5000)]
    plural = {"reference": "references", "end_to_end": "ends", "text": "texts"}[said]
    known = [
        Seen(UUID(int=n), "EUR", DAY, Decimal(1), formats=frozenset({"csv"}), **{plural: frozenset({name})})  # type: ignore[arg-type]
        for n, name in enumerate(names)
    ]
    entries = [New("EUR", DAY, Decimal(1), format="csv", **{said: name}) for name in reversed(names)]
    began = time.process_time()
    assert pair(known, entries) == [UUID(int=n) for n in reversed(range(5000))]
    assert time.process_time() - began < 5
