"""`estafette inbound` as an operator meets it: what came for nobody is listed, looked at, dropped and assigned."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.port import Arrival, ArrivalKind
from gateway import settings
from gateway.__main__ import main
from gateway.main import database
from gateway.store import arrivals
from gateway.store.placement import discard

NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@pytest.fixture
def account(reachable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """The id of an account in a data folder of its own, to which nothing that waits is addressed."""
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    monkeypatch.chdir(reachable)
    assert main(["account", "create", "Atelier", "--siren", "100000108", "--format", "json"]) == 0
    asyncio.run(_strays())
    yield json.loads(capsys.readouterr().out)["account"]
    discard(reachable / "data")


async def _strays() -> None:
    async with database(settings.read(os.environ), attach=True) as pool:
        for number, data in enumerate((b"%PDF-1.7 nothing", b"<Invoice/>")):
            arrival = Arrival(f"flow-{number}", ArrivalKind.INVOICE, NOW, "application/xml", data, name=f"in-{number}")
            await arrivals.keep_stray(
                pool, "afnor", arrival, NOW, recipient="100000207", reason="no account acts for it"
            )
        status = Arrival("flow-9", ArrivalKind.STATUS, NOW, "application/xml", b"<status/>")
        await arrivals.keep_stray(pool, "afnor", status, NOW)


def listed(capsys: pytest.CaptureFixture[Any], *options: str) -> list[dict[str, Any]]:
    """What waits, or what was dropped."""
    capsys.readouterr()
    assert main(["inbound", "list", "--format", "json", *options]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_person_looks_drops_and_assigns(account: str, reachable: Path, capsys: pytest.CaptureFixture[Any]) -> None:
    waiting = listed(capsys)
    assert [(one["id"], one["recipient"], one["name"]) for one in waiting] == [
        ("flow-0", "100000207", "in-0"),
        ("flow-1", "100000207", "in-1"),
    ]
    assert main(["inbound", "list"]) == 0
    assert "for 100000207" in capsys.readouterr().out
    written = reachable / "came.pdf"
    assert main(["inbound", "show", "afnor", "flow-0", "-o", str(written)]) == 0
    assert written.read_bytes() == b"%PDF-1.7 nothing"
    assert main(["inbound", "show", "afnor", "flow-0", "-o", str(written)]) == 2  # it writes over nothing

    assert main(["inbound", "drop", "afnor", "flow-0", "--reason", " "]) == 2
    assert main(["inbound", "drop", "afnor", "flow-0", "--reason", "advertising", "--by", "accountant"]) == 0
    assert main(["inbound", "drop", "afnor", "flow-0", "--reason", "again"]) == 2
    assert [one["id"] for one in listed(capsys)] == ["flow-1"]
    (dropped,) = listed(capsys, "--dropped")
    assert (dropped["dropped_by"], dropped["dropped_reason"]) == ("operator:accountant", "advertising")

    assign = ["inbound", "assign", "afnor", "flow-1", "--account", account]
    assert main([*assign, "--participant", "100000207"]) == 2
    assert "does not act for 100000207" in capsys.readouterr().err
    assert main(assign) == 0
    assert capsys.readouterr().out.startswith("document ")
    assert main(assign) == 2
    assert listed(capsys) == []
    assert main(["inbound", "assign", "afnor", "flow-0", "--account", account]) == 0  # a drop is no end
    assert listed(capsys, "--dropped") == []
    assert main(["audit"]) == 0


def test_a_status_of_nothing_known_is_listed_and_dropped(
    account: str, reachable: Path, capsys: pytest.CaptureFixture[Any]
) -> None:
    assert [(one["kind"], one["id"]) for one in listed(capsys, "--statuses")] == [("status", "flow-9")]
    assert main(["inbound", "list", "--statuses"]) == 0
    assert "flow-9  status" in capsys.readouterr().out
    written = reachable / "status.xml"
    assert main(["inbound", "show", "afnor", "flow-9", "-o", str(written)]) == 0
    assert written.read_bytes() == b"<status/>"
    assert main(["inbound", "assign", "afnor", "flow-9", "--account", account]) == 2  # it is no invoice
    assert main(["inbound", "drop", "afnor", "flow-9", "--reason", "of our former platform"]) == 0
    assert listed(capsys, "--statuses") == []
    assert [one["id"] for one in listed(capsys, "--statuses", "--dropped")] == ["flow-9"]
    assert [one["id"] for one in listed(capsys)] == ["flow-0", "flow-1"]
