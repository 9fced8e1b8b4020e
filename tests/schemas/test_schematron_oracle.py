"""Every document of the corpus gets from our engine what the oracle said of it, without the oracle.

What it said is kept under tests/samples/oracle as digests of ids, flags, locations and texts; `python -m
tests.conformance.rules --freeze` asks it again. Here our engine is asked alone.
"""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path

import pytest

from schemas import rulebook
from schemas.schematron import program, store
from tests.conformance.rules import CORPUS, SHEETS, Sheet, documents, find, frozen, ours, sealed

LEAST = {"cii": 230, "ubl": 270, "cdar": 60}
"""Documents of each kind that have to be compared: a corpus that shrinks must not pass in silence."""

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the public corpus (../shared/corpus) is not here"),
]


@cache
def _documents(kind: str) -> tuple[tuple[str, bytes], ...]:
    return tuple(documents(kind))


@pytest.mark.parametrize("sheet", [sheet for sheet in SHEETS if frozen(sheet.kind)], ids=lambda sheet: sheet.name)
def test_our_engine_says_what_the_oracle_said(sheet: Sheet) -> None:
    try:
        path = find(sheet, None)
    except rulebook.Missing:
        pytest.skip("this stylesheet is not in the installed package")
    said = frozen(sheet.kind)
    compared, differing = 0, []
    for name, data in _documents(sheet.kind):
        wanted = said.get(name, {}).get(sheet.name)
        if wanted is None:
            continue
        compared += 1
        if (got := sealed(ours(path, data))) != wanted:
            differing.append((name, got, wanted))
    assert differing == []
    assert compared >= LEAST[sheet.kind]


@pytest.mark.parametrize("stretch", [1, 16])
@pytest.mark.parametrize("kind", ["cii", "ubl"])
def test_what_is_asked_in_stretches_is_answered_the_same(
    kind: str, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a long invoice is; here each document is taken for one, with its own stretches."""
    monkeypatch.setattr(program, "_STRETCH", stretch)
    said, compared, differing = frozen(kind), 0, []
    for sheet in (one for one in SHEETS if one.kind == kind):
        with contextlib.suppress(rulebook.Missing):
            path = find(sheet, None)
            for name, data in _documents(kind)[::9]:
                if (wanted := said.get(name, {}).get(sheet.name)) is not None:
                    compared += 1
                    differing += [] if sealed(ours(path, data)) == wanted else [(sheet.name, name)]
    assert differing == []
    assert compared >= 40


def test_every_installed_stylesheet_can_be_compiled(tmp_path: Path) -> None:
    for sheet in SHEETS:
        try:
            path = find(sheet, None)
        except rulebook.Missing:
            continue
        program = store.load(path, tmp_path)
        assert len(program.ids) > 40
        assert store.load(path, tmp_path).ids == program.ids, "what was kept is what was compiled"
