"""`estafette retention` as an operator meets it, on a data folder of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.store.placement import discard


@pytest.fixture
def account(reachable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """The id of an account in a data folder of its own."""
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    monkeypatch.chdir(reachable)
    assert main(["account", "create", "Atelier", "--siren", "100000108", "--format", "json"]) == 0
    yield json.loads(capsys.readouterr().out)["account"]
    discard(reachable / "data")


def test_holds_are_set_and_released_by_two_and_a_purge_needs_two(
    account: str, reachable: Path, capsys: pytest.CaptureFixture[Any]
) -> None:
    folder = reachable / "data" / "secrets" / "archive"
    (key,) = folder.glob("*.key")
    assert key.stat().st_mode & 0o077 == 0
    assert os.stat(folder).st_mode & 0o077 == 0
    assert main(["retention", "due", "--days", "60"]) == 0
    assert capsys.readouterr().out == ""
    hold = ["retention", "hold", "--account", account, "--party", "732829320", "--reason", "dispute",
            "--review-on", "2999-06-30", "--by", "accountant"]  # fmt: skip
    assert main(hold) == 0
    said = capsys.readouterr().out
    assert said.endswith(": 0 documents\n")
    identifier = said.split()[1].rstrip(":")
    assert main(["retention", "release", identifier, "--account", account, "--by", "accountant"]) == 2
    assert "somebody else" in capsys.readouterr().err
    assert main(["retention", "release", identifier, "--account", account, "--by", "controller"]) == 0
    assert main(["retention", "holds", "--account", account]) == 0
    assert "released by operator:controller" in capsys.readouterr().out
    purge = ["retention", "purge", "--account", account, "--asked-by", "accountant", "--approved-by"]
    assert main([*purge, "accountant"]) == 2
    assert "approved by another" in capsys.readouterr().err
    assert main([*purge, "controller"]) == 0
    assert "0 documents are purged" in capsys.readouterr().out
    assert main(["retention", "renew"]) == 1
    assert "nothing is stamped yet" in capsys.readouterr().out
    assert main(["audit"]) == 0


def test_without_its_keys_a_database_is_not_opened_and_the_files_are_named(
    account: str, reachable: Path, capsys: pytest.CaptureFixture[Any]
) -> None:
    folder = reachable / "data" / "secrets" / "archive"
    (key,) = folder.glob("*.key")
    away = reachable / key.name
    key.rename(away)
    assert main(["audit"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert str(key) in said.err
    assert "put the folder of keys back" in said.err
    assert list(folder.iterdir()) == [], "no other key is made in its place"
    key.write_text("00" * 32)
    key.chmod(0o600)
    assert main(["audit"]) == 2
    assert "holds another key" in capsys.readouterr().err
    away.rename(key)
    assert main(["audit"]) == 0
