"""Of thousands of mutants of real invoices and messages our engine says what SaxonC said of them, without SaxonC.

What it said is kept under tests/samples/oracle/mutants (`python -m tests.conformance.mutations --freeze` asks again).
The mutants are made anew, each from its document's name: whoever changes how they are made asks SaxonC anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from tests.conformance.mutations import EACH, LETTERS, kept, letters, mutants_of, originals
from tests.conformance.rules import CDAR, CII, CORPUS, FLUX10, SHEETS, UBL, Sheet, find, let_pass, ours, sealed
from tests.schemas.mutants import Mutant

LEAST = {CII: 1_300, UBL: 1_500, CDAR: 1_500, FLUX10: 1_000}
"""Mutants of each kind that have to be compared: a corpus that shrinks must not pass in silence."""
MOST_LET_PASS = 0.02
"""The share of mutants on which one engine may end in an error that the other does not come upon. Its XSD accepts none
of them, so no rule ever sees one; in which order the parts of a rule are computed is free."""

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus (../shared/corpus) is not here"),
]


@cache
def _mutants(kind: str) -> tuple[tuple[str, tuple[Mutant, ...]], ...]:
    return tuple((name, tuple(mutants_of(kind, name, data))) for name, data in originals(kind))


def test_the_mutants_are_as_many_as_promised() -> None:
    assert sum(LEAST.values()) >= 5_000
    for kind, least in LEAST.items():
        assert len(originals(kind)) * EACH[kind] >= least


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_our_engine_says_of_mutants_what_the_oracle_said(sheet: Sheet) -> None:
    path, said = find(sheet), kept(sheet)
    compared, passed, differing = 0, 0, []
    for name, made in _mutants(sheet.kind):
        for mutant, wanted in zip(made, _each(said.get(name, "")), strict=name in said):
            compared += 1
            own = ours(path, mutant.data)
            if letters(sealed(own)) == wanted:
                continue
            if let_pass(sheet, mutant.data, "error" if wanted == letters("error") else Counter(), own):
                passed += 1
            else:
                differing.append((name, mutant.name))
    assert differing == []
    assert compared >= LEAST[sheet.kind]
    assert passed <= compared * MOST_LET_PASS


def _each(verdicts: str) -> Iterator[str]:
    for place in range(0, len(verdicts), LETTERS):
        yield verdicts[place : place + LETTERS]
