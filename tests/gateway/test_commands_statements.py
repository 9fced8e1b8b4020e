"""`estafette statements`: judging files without a gateway, importing them, and deciding."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.store.placement import discard
from tests.schemas.bank.written import IBAN, Move, camt, csv, mt940

DAY = date(2026, 11, 18)
MOVES = [Move(DAY, "120.00", "F2026-0042", "R1"), Move(DAY, "-7.00", "frais", "R2")]
Capture = pytest.CaptureFixture[str]


def test_check_tells_the_verdict_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.xml").write_bytes(camt(MOVES))
    (tmp_path / "good.sta").write_bytes(mt940(MOVES))
    (tmp_path / "wrong.xml").write_bytes(camt(MOVES, closing="1.00"))
    (tmp_path / "broken.xml").write_bytes(camt(MOVES).replace(b"120.00", b"12O.00"))
    assert main(["statements", "check", "good.xml", "good.sta"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.count("1000.00 → 1113.00") == 2
    assert main(["statements", "check", "--language", "fr", "wrong.xml", "broken.xml"]) == 1
    said = capsys.readouterr()
    assert "BANK-BALANCE  Le solde initial" in said.out
    assert "✗ ligne 1: BANK-AMOUNT" in said.out
    assert main(["statements", "check", "--format", "json", "broken.xml"]) == 1
    assert "BANK-AMOUNT" in {one["rule"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert main(["statements", "check", "nowhere.xml"]) == 2
    assert len(list(tmp_path.iterdir())) == 4


def test_check_of_a_csv_needs_its_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "operations.csv").write_bytes(csv(MOVES))
    mapping = {"booked_on": "Date", "amount": "Montant", "currency": "EUR", "date_format": "%d/%m/%Y", "decimal": ","}
    (tmp_path / "mapping.json").write_text(json.dumps({**mapping, "encoding": "windows-1252"}))
    (tmp_path / "wrong.json").write_text('{"column": 1}')
    assert main(["statements", "check", "operations.csv"]) == 1
    assert "BANK-FORMAT" in capsys.readouterr().out
    known = ["statements", "check", "--bank-account", IBAN, "operations.csv", "--csv"]
    assert main([*known, "mapping.json"]) == 0
    assert main([*known, "wrong.json"]) == 2
    assert "a mapping has no column" in capsys.readouterr().err


def test_import_list_and_decide(reachable: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    monkeypatch.chdir(reachable)
    (reachable / "november.xml").write_bytes(camt(MOVES))
    (reachable / "hello.txt").write_text("hello")
    assert main(["account", "create", "Atelier", "--siren", "404833048"]) == 0
    capsys.readouterr()
    assert main(["statements", "import", "november.xml", "november.xml", "hello.txt"]) == 1
    said = capsys.readouterr()
    assert [line.partition(":")[2].split()[:2] for line in said.out.splitlines()] == [["2", "new"], ["0", "new"]]
    assert "BANK-FORMAT" in said.err
    assert main(["statements", "list", "--lines", "--format", "json"]) == 0
    assert [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()] == ["unmatched", "unmatched"]
    assert main(["statements", "undo", "019ab000-0000-7000-8000-000000000000"]) == 2
    assert "there is no such match" in capsys.readouterr().err
    discard(reachable / "data")


@pytest.mark.parametrize("part", ["check", "import", "list", "proposals", "accept", "assign", "refuse", "undo"])
def test_each_part_has_help(part: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["statements", part, "--help"])
    assert ended.value.code == 0
    assert "--" in capsys.readouterr().out
