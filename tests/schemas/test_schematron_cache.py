"""The cache of compiled rules does not grow for ever, and tells what it holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas.schematron import store
from tests.schemas.skeleton import Assert, Rule, written


@pytest.fixture
def sheet(tmp_path: Path) -> str:
    return written(tmp_path, (Rule("x:b", (Assert(". = '1'", "OUR-01"),)),))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "rules"


def test_programs_of_other_engines_go_when_they_are_old(sheet: str, cache: Path) -> None:
    store.load(sheet, cache)
    (kept,) = cache.glob("*.program")
    month = 31 * 86_400
    now = kept.stat().st_mtime
    for name, age in (("a" * 64, month), ("b" * 64, 60), ("note", month)):
        file = cache / (f"{name}.program" if name != "note" else "note.txt")
        file.write_bytes(b"x")
        os.utime(file, (now - age, now - age))
    kept.write_bytes(b"torn")
    store.load(sheet, cache)
    assert sorted(path.name for path in cache.iterdir()) == sorted([kept.name, f"{'b' * 64}.program", "note.txt"])


def test_whether_a_program_is_kept_is_told(sheet: str, cache: Path) -> None:
    data = Path(sheet).read_bytes()
    assert not store.is_kept(data, cache)
    store.load(sheet, cache)
    assert store.is_kept(data, cache)
    assert not store.is_kept(data + b" ", cache)
    assert not store.is_kept(data, None)
