"""`estafette receivables` and `estafette reminders` as an accountant meets them, on a data folder of its own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from gateway import settings
from gateway.__main__ import main
from gateway.main import open_gateway
from gateway.store import accounts
from gateway.store.placement import discard
from tests.gateway.sold import Sale, sold

BUYER = "100000207"


@pytest.fixture
def account(reachable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """An account that sold something, which is ten days late."""
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    monkeypatch.chdir(reachable)
    assert main(["account", "create", "Atelier", "--siren", "100000108"]) == 0
    capsys.readouterr()
    yield asyncio.run(_sell())
    discard(reachable / "data")


async def _sell() -> str:
    async with open_gateway(settings.read(os.environ), os.environ, attach=True) as gateway:
        (account_id,) = await accounts.every_id(gateway.resources.pool)
        now = gateway.resources.clock.now()
        due = now.date() - timedelta(days=10)
        sale = Sale("F-1", due=due, issued=due - timedelta(days=30), address=("EM", "compta@example.org"))
        await sold(gateway.resources.pool, account_id, sale, now, delivered=True)
    return str(account_id)


def test_what_is_owed_and_what_would_be_said(account: str, capsys: pytest.CaptureFixture[Any], tmp_path: Path) -> None:
    def told(*words: str) -> str:
        assert main([words[0], "--account", account, *words[1:]]) == 0
        return str(capsys.readouterr().out)

    assert "EUR: 120.00 owed" in told("receivables")
    assert "1_30 days late" in told("receivables")
    listed = told("receivables", "list", "--state", "overdue")
    assert "10 days late" in listed
    document = listed.split()[0]
    (line,) = csv.DictReader(io.StringIO(told("receivables", "csv")))
    assert line["document"] == document
    told("receivables", "plot", str(tmp_path / "owed.svg"))
    assert (tmp_path / "owed.svg").read_text().startswith("<svg")
    told("receivables", "litigation", BUYER, str(tmp_path / "before.zip"))
    with ZipFile(tmp_path / "before.zip") as packed:
        (calculation,) = (name for name in packed.namelist() if name.startswith("calculations/"))
        assert json.loads(packed.read(calculation))["rows"][0]["days"] >= 9
    assert "100.00 EUR is owed" in told("receivables", "write-off", document, "20.00", "--reason", "goodwill")
    assert "nothing goes out before" in told("reminders", "preview", "--days", "20")
    assert "reminders are on" in told("reminders", "on")
    assert "compta@example.org" in told("reminders", "preview", "--days", "20")
    told("reminders", "customer", BUYER, "--segment", "strategic", "--email", "ap@example.net")
    assert "(strategic)  ap@example.net" in told("reminders", "preview", "--days", "20")
    told("reminders", "pause", document, "--reason", "a call")
    assert told("reminders", "preview").startswith("0 reminders")
    told("reminders", "resume", document)
    assert told("reminders", "cases") == "0 cases\n"
    assert "strategic" in told("reminders", "plans")
    assert main(["receivables", "--account", "00000000-0000-7000-8000-000000000000"]) == 2
    assert "account" in capsys.readouterr().err
    assert "1 documents" in told("receivables", "litigation", BUYER, str(tmp_path / "file.zip"))
    with ZipFile(tmp_path / "file.zip") as packed:
        names = set(packed.namelist())
        hashes = json.loads(packed.read("manifest.json"))["files"]
        assert {n: sha256(packed.read(n)).hexdigest() for n in names - {"manifest.json"}} == {
            n: one["sha256"] for n, one in hashes.items()
        }
        (line,) = csv.DictReader(io.StringIO(packed.read("owed.csv").decode()))
        assert line["balance"] == "100.00"
        assert any(name.startswith("proofs/F-1_") for name in names)
        assert any(name.startswith("originals/F-1_") for name in names)
        (left,) = csv.DictReader(io.StringIO(packed.read("left-out.csv").decode()))
        assert (left["document"], left["what"]) == (document, "calculation")  # the interest on what was given up
    assert main(["receivables", "--account", account, "write-off", document, "1e99", "--reason", "error"]) == 2
    capsys.readouterr()
    assert main(["receivables", "--account", account, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["currencies"][0]["owed"] == "100.00"
