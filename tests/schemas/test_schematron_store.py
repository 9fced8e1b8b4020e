"""Compiled rules are kept safely: only what this user wrote and nobody else could have is ever run."""

from __future__ import annotations

import hashlib
import marshal
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.schematron import store, tree
from schemas.schematron.expression import Refused, parse
from tests.schemas.skeleton import Assert, Rule, written

RULES = (Rule("x:b", (Assert(". = '1'", "OUR-01"),)),)
DOCUMENT = b"<a xmlns='urn:x'><b>2</b></a>"


@pytest.fixture
def sheet(tmp_path: Path) -> str:
    return written(tmp_path, RULES)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "rules"


def _kept(cache: Path) -> Path:
    (file,) = cache.iterdir()
    return file


def _ids(sheet: str, cache: Path) -> list[str]:
    return [fired.id for fired in store.load(sheet, cache).judge(tree.read(DOCUMENT))]


def _harmful(path: Path) -> bytes:
    """A program in the right form that leaves a trace when it is run."""
    source = f"open({str(path)!r}, 'w').close()\nASSERTIONS = ()\nPATTERNS = ()"
    payload = marshal.dumps((compile(source, "x", "exec"), ()))
    return hashlib.sha256(payload).digest() + payload


def test_what_is_kept_is_taken_again(sheet: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _ids(sheet, cache) == ["OUR-01"]
    assert _kept(cache).stat().st_mode & 0o077 == 0
    monkeypatch.setattr(store, "compile_schema", lambda _: pytest.fail("compiled again"))
    assert _ids(sheet, cache) == ["OUR-01"]


def test_another_artefact_is_another_program(sheet: str, cache: Path) -> None:
    assert _ids(sheet, cache) == ["OUR-01"]
    Path(sheet).write_bytes(Path(sheet).read_bytes().replace(b"OUR-01", b"OUR-02"))
    assert _ids(sheet, cache) == ["OUR-02"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-1],
        lambda data: data[:40] + b"\x00" + data[41:],
        lambda data: hashlib.sha256(b"junk").digest() + b"junk",
        lambda data: hashlib.sha256(marshal.dumps(1)).digest() + marshal.dumps(1),
        lambda data: hashlib.sha256(marshal.dumps((1, 2))).digest() + marshal.dumps((1, 2)),
    ],
)
def test_a_torn_file_is_made_anew(sheet: str, cache: Path, spoil: Callable[[bytes], bytes]) -> None:
    assert _ids(sheet, cache) == ["OUR-01"]
    good = _kept(cache).read_bytes()
    _kept(cache).write_bytes(spoil(good))
    assert _ids(sheet, cache) == ["OUR-01"]
    assert _kept(cache).stat().st_size == len(good)


@pytest.mark.parametrize("loose", ["file", "folder", "above", "link", "folder link"])
def test_what_others_could_have_written_is_never_run(sheet: str, cache: Path, tmp_path: Path, loose: str) -> None:
    assert _ids(sheet, cache) == ["OUR-01"]
    trace, file = tmp_path / "trace", _kept(cache)
    file.write_bytes(_harmful(trace))
    match loose:
        case "file":
            file.chmod(0o666)
        case "folder":
            cache.chmod(0o777)
        case "above":
            cache.parent.chmod(0o777)
        case "link":
            elsewhere = file.rename(tmp_path / "elsewhere")
            file.symlink_to(elsewhere)
        case _:
            cache.rename(tmp_path / "moved")
            cache.symlink_to(tmp_path / "moved")
    planted = file.read_bytes()
    assert _ids(sheet, cache) == ["OUR-01"]
    assert not trace.exists()
    if loose in ("folder", "above", "folder link"):
        assert file.read_bytes() == planted, "something was kept where others can write"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_none_of_ours(sheet: str, cache: Path, tmp_path: Path) -> None:
    assert _ids(sheet, cache) == ["OUR-01"]
    _kept(cache).write_bytes(_harmful(tmp_path / "trace"))
    os.chown(cache.parent, 12345, -1)
    assert _ids(sheet, cache) == ["OUR-01"]
    assert not (tmp_path / "trace").exists()


def test_a_folder_for_all_where_each_keeps_his_own_is_taken(
    sheet: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As /tmp: sticky. And a link above leads to where it leads."""
    assert _ids(sheet, cache) == ["OUR-01"]
    cache.parent.chmod(0o1777)
    (cache.parent.parent / "link").symlink_to(cache.parent)
    monkeypatch.setattr(store, "compile_schema", lambda _: pytest.fail("compiled again"))
    assert _ids(sheet, cache) == ["OUR-01"]
    assert _ids(sheet, cache.parent.parent / "link" / "rules") == ["OUR-01"]


def test_no_umask_makes_the_cache_one_that_is_not_trusted(
    sheet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)
    try:
        assert _ids(sheet, tmp_path / "a" / "b" / "c") == ["OUR-01"]
    finally:
        os.umask(before)
    monkeypatch.setattr(store, "compile_schema", lambda _: pytest.fail("compiled again"))
    assert _ids(sheet, tmp_path / "a" / "b" / "c") == ["OUR-01"]


def test_where_nothing_can_be_kept_rules_run_all_the_same(sheet: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert _ids(sheet, tmp_path / "file" / "rules") == ["OUR-01"]


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.default_cache() == tmp_path / "estafette" / "rules"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", os.fspath(tmp_path / "home"))
    assert store.default_cache() == tmp_path / "home" / ".cache" / "estafette" / "rules"


def test_odd_expressions_are_refused_or_read() -> None:
    dice = random.Random(3)
    parts = [
        "a",
        "/",
        "//",
        "[",
        "]",
        "(",
        ")",
        "@",
        "*",
        "'x'",
        "1",
        "1.5",
        ",",
        "or",
        "$v",
        "=",
        "..",
        ".",
        "if",
        "for",
    ]
    for _ in range(3000):
        text = "".join(dice.choice(parts) + dice.choice(("", " ")) for _ in range(dice.randint(1, 12)))
        try:
            parse(text, {})
        except Refused:
            continue
