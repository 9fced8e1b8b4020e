"""The fuzz target itself: some of its inputs in each test run, and that it sees what it is there to see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.rules import CDAR, CII, FLUX10, UBL
from tests.fuzz import rules


@pytest.mark.parametrize("kind", [CII, UBL, CDAR, FLUX10])
def test_mutated_inputs_end_as_they_may(kind: str) -> None:
    given = rules.inputs(kind, "a test", rules.EXPLAINED - 1)  # none that the slow words of an XSD are asked about
    ends = [rules.one(data, number) for number, data in enumerate(given, 1)]
    assert "unreadable" in ends
    assert any("judged" in end for end in ends)
    assert any("refused by the XSD" in end for end in ends)


def test_the_same_seed_makes_the_same_inputs() -> None:
    one, other = (list(rules.inputs(FLUX10, "a seed", 30)) for _ in range(2))
    assert one == other
    assert len(set(one)) > 20
    assert list(rules.inputs(FLUX10, "another", 30)) != one


def test_blocks_of_every_kind_come_round() -> None:
    assert set(rules.SHARES) == {CII, UBL, CDAR, FLUX10}


@pytest.mark.parametrize(
    "says",
    [
        "Could not be judged. A rule could not be evaluated: TypeError while a rule was computed",
        "Could not be judged. A rule could not be evaluated: RecursionError while a rule was computed",
        "Could not be judged. The official file cannot be used: it is broken",
    ],
)
def test_an_error_of_our_own_inside_a_rule_is_a_failure(says: str) -> None:
    """The engine turns any exception of a rule into a finding, which is right for a server and hides nothing here."""
    with pytest.raises(rules.Failure):
        rules.end_of(iter([says]))


def test_an_error_that_the_document_caused_is_none() -> None:
    document = "Could not be judged. A rule could not be evaluated: FORG0001: a value of 3 characters is no xs:decimal"
    division = "Could not be judged. A rule could not be evaluated: DivisionByZero while a rule was computed"
    assert rules.end_of(iter([document, division])) == "not evaluated"
    assert rules.end_of(iter([])) == "judged"


def test_a_run_goes_on_where_it_was_broken_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    row = {"seed": 7, "block": 0, "ends": {"judged": rules.BLOCK}, "failures": [], "resident": 1, "after": 0}
    log.write_text(json.dumps(row) + "\n" + json.dumps(row | {"block": 1, "ends": {"failed": 1}, "failures": ["x"]}))
    assert rules.main(["--count", str(2 * rules.BLOCK), "--seed", "7", "--log", str(log)]) == 1
    said = capsys.readouterr().out
    assert f"'judged': {rules.BLOCK}" in said
    assert "1 failed" in said
