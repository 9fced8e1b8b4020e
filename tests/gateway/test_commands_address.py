"""`estafette address` as a person meets it: one address, a customer file, a run that was cut off."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.platform import directory as platform_directory
from adapters.platform import server
from gateway.__main__ import main
from gateway.store.placement import discard
from tests.adapters.conftest import Running, start
from tests.conftest import running_loop

FILE = (
    "Client;SIRET;Code routage;Téléphone\r\n"
    "Maison Fermée;10000039700024;;+33 1\r\n"
    '=HYPERLINK("http://x");10000039700016;;@2\r\n'
    "Commune;10000042100014;SERV1;3\r\n"
    "Personne;;;4\r\n"
    "Inconnue;10000044700019;;5\r\n"
    "Deux services;10000041300011;;6\r\n"
)


@pytest.fixture
def platform(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A platform with a directory, in a thread of its own, and a gateway that knows it."""
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    monkeypatch.setenv("ESTAFETTE_LANGUAGE", "en")
    monkeypatch.chdir(reachable)
    with running_loop() as run:
        running: Running = run(start(reachable / "platform", server.Manners(pace=0.0, refusals=1, retry_after=0)))
        known = running.settings
        for name, value in {
            "URL": known.url,
            "TOKEN_URL": known.token_url,
            "CLIENT_ID": known.client_id,
            "CLIENT_SECRET_FILE": str(known.secret_file),
            "DIRECTORY_URL": f"{running.url}/afnor-directory",
        }.items():
            monkeypatch.setenv(f"ESTAFETTE_AFNOR_{name}", value)
        monkeypatch.setenv("ESTAFETTE_EGRESS_ALLOW", next(iter(known.allow)))
        assert main(["account", "create", "Atelier", "--siren", "100000108", "--format", "json"]) == 0
        yield running
        run(running.stop())
    discard(reachable / "data")


def table(data: bytes) -> list[dict[str, str]]:
    """What was written."""
    text = data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=";"))


def test_one_address_and_a_customer_file(
    platform: Running, reachable: Path, capsys: pytest.CaptureFixture[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test, because a gateway of one's own is slow to start."""
    capsys.readouterr()
    _one_address(capsys)
    _a_customer_file(platform, reachable, capsys)
    _away(reachable, capsys, monkeypatch)
    _busy(reachable, capsys)


def _one_address(capsys: pytest.CaptureFixture[Any]) -> None:
    assert main(["address", "show", "10000039700024"]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("not reached: its line is not active; nearest active: 100000397_10000039700016")
    assert shown[1].startswith("line:  100000397_10000039700024  disabled")
    assert main(["address", "show", "812046373", "--format", "json"]) == 0
    members = json.loads(capsys.readouterr().out)
    assert (members["verdict"], members["line"]["platform"]) == ("active", "WK")
    assert main(["address", "show", "100000462"]) == 2  # it fails: nobody knows
    assert main(["address", "show", "812046373", "--account", "019ab000-0000-7000-8000-000000000000"]) == 2


def _a_customer_file(platform: Running, reachable: Path, capsys: pytest.CaptureFixture[Any]) -> None:
    file, out = reachable / "customers.csv", reachable / "checked.csv"
    file.write_text(FILE, encoding="utf-8", newline="")
    assert main(["address", "check", str(file), "-o", str(out), "--language", "fr"]) == 1
    told = capsys.readouterr().err
    assert "6/6: 2 active, 1 ended, 1 no_address, 1 no_company, 1 no_line" in told
    rows = table(out.read_bytes())
    assert [row["address_verdict"] for row in rows] == [
        "ended",
        "active",
        "active",
        "no_address",
        "no_company",
        "no_line",
    ]
    assert [row["Client"] for row in rows][:2] == ["Maison Fermée", '\'=HYPERLINK("http://x")']
    assert [row["Téléphone"] for row in rows] == ["'+33 1", "'@2", "3", "4", "5", "6"]
    first, second, third, _, _, last = rows
    assert first["nearest_active"] == "100000397_10000039700016"
    assert first["says"] == (
        "non joignable : sa ligne n'est pas active ; la plus proche active : 100000397_10000039700016"
    )
    assert (first["in_force_to"] < second["in_force_from"]) or first["in_force_to"] == second["in_force_from"]
    assert third["address_platform"] == "Chorus Pro (entité publique)"
    assert last["nearest_active"] == "100000413_10000041300011_ACHATS 100000413_10000041300011_TRAVAUX"
    assert all(row["told_by"] == "127.0.0.1/afnor-directory" for row in rows if row["address_verdict"] != "no_address")

    whole = out.read_bytes()
    assert main(["address", "check", str(file), "-o", str(out)]) == 2  # it writes over nothing
    state = platform.runner.app[platform_directory.DIRECTORY]
    for cut in (0, 3, len(whole) // 2, len(whole) - 1, len(whole)):
        out.write_bytes(whole[:cut])
        assert main(["address", "check", str(file), "-o", str(out), "--resume", "--language", "fr"]) == 1
        assert out.read_bytes() == whole, cut
    asked = state.asked
    assert main(["address", "check", str(file), "-o", str(out), "--resume", "--language", "fr"]) == 1
    assert state.asked == asked  # nothing was left to ask
    other = reachable / "other.csv"
    other.write_text(FILE.replace("Maison", "Autre"), encoding="utf-8", newline="")
    capsys.readouterr()
    assert main(["address", "check", str(other), "-o", str(out), "--resume"]) == 2
    assert "was not made from this file: row 1" in capsys.readouterr().err
    assert out.read_bytes() == whole


def _away(reachable: Path, capsys: pytest.CaptureFixture[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that is away stops the run, which goes on where it was."""
    file, out = reachable / "sirens.csv", reachable / "sirens-checked.csv"
    sirens = ["812046373", "784671695", "732829320", "552100554", "404833048"]
    file.write_text("siren\n" + "\n".join(sirens[:2]) + "\n")
    check = ["address", "check", str(file), "-o", str(out), "--patience", "0"]
    assert main(check) == 0
    file.write_text("siren\n" + "\n".join(sirens) + "\n")
    gone = {"ESTAFETTE_AFNOR_DIRECTORY_URL": "http://127.0.0.1:9/d", "ESTAFETTE_EGRESS_ALLOW": "127.0.0.1:9"}
    with monkeypatch.context() as without:
        without.delenv("ESTAFETTE_AFNOR_DIRECTORY_URL")
        capsys.readouterr()
        assert main(check) == 2
        assert "no directory is configured" in capsys.readouterr().err
    assert main(["address", "check", str(file), "--resume"]) == 2
    with monkeypatch.context() as away:
        for name, value in gone.items():
            away.setenv(name, value)
        away.delenv("ESTAFETTE_AFNOR_URL")
        away.setenv("ESTAFETTE_AFNOR_TOKEN_URL", "http://127.0.0.1:9/token")
        away.setenv("ESTAFETTE_AFNOR_URL", "http://127.0.0.1:9/f")
        capsys.readouterr()
        assert main([*check, "--resume"]) == 2
        told = capsys.readouterr().err
        assert "the directory does not answer" in told
        assert "--resume" in told
    assert out.read_bytes().count(b"\r\n") == 3
    assert main([*check, "--resume"]) == 0
    text = out.read_bytes().decode()
    assert [row["siren"] for row in csv.DictReader(io.StringIO(text, newline=""))] == sirens


def _busy(reachable: Path, capsys: pytest.CaptureFixture[Any]) -> None:
    file = reachable / "customers.csv"
    file.write_text("siren\n100000454\n812046373\n")
    capsys.readouterr()
    assert main(["address", "check", str(file), "--patience", "1"]) == 0
    out = capsys.readouterr().out
    assert out.count('"active"') == 2
