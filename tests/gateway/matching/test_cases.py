"""Cases with known truth: what is booked is right each time, and nearly all is booked."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from gateway.matching.deciding import match
from tests.gateway.matching.cases import Case, made

RECALL = Decimal("0.90")


def judged(case: Case) -> tuple[Counter[str], Counter[str], Counter[str], list[str]]:
    """By kind: how many lines, how many booked, how many proposed; and what was booked wrongly."""
    found = {one.line_id: one for one in match(case.lines, case.owed, case.known)}
    lines, booked, proposed, wrong = Counter(), Counter(), Counter(), []
    for line in case.lines:
        kind = case.kind[line.id]
        lines[kind] += 1
        one = found.get(line.id)
        if one is None:
            continue
        if not one.certain:
            proposed[kind] += 1
            continue
        booked[kind] += 1
        if dict(one.parts) != case.truth[line.id]:
            wrong.append(f"{kind}: {line} {one.reasons}")
    return lines, booked, proposed, wrong


def check(case: Case) -> None:
    lines, booked, proposed, wrong = judged(case)
    assert wrong == []
    payable = sum(count for kind, count in lines.items() if kind != "other")
    assert Decimal(sum(booked.values())) / payable >= RECALL, (lines, booked, proposed)
    assert booked["same"] == booked["other"] == booked["twice"] == 0
    assert proposed["same"] == lines["same"]
    rest = payable - sum(booked.values())
    assert sum(count for kind, count in proposed.items() if kind != "other") >= rest * Decimal("0.8")


@pytest.mark.parametrize("seed", range(3))
def test_what_is_booked_is_right_and_most_is_booked(seed: int) -> None:
    check(made(seed, 400))


@pytest.mark.slow
def test_two_thousand_cases() -> None:
    check(made(2026, 2_000))
