"""`estafette answer` as an accountant meets it, on a data folder of its own."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway import settings
from gateway.__main__ import main
from gateway.addressee import addressed
from gateway.commands import demo_invoices
from gateway.main import open_gateway
from gateway.stages.receive import API, Incoming, admit_incoming
from gateway.store import accounts
from gateway.store.placement import discard
from gateway.worker import Worker

BUYER = "100000207"


@pytest.fixture
def came(reachable: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    """The id of an invoice that came for an account in a data folder of its own."""
    monkeypatch.setenv("ESTAFETTE_DATA", str(reachable / "data"))
    monkeypatch.chdir(reachable)
    assert main(["account", "create", "Librairie", "--siren", BUYER]) == 0
    capsys.readouterr()
    yield asyncio.run(_bring())
    discard(reachable / "data")


async def _bring() -> str:
    async with open_gateway(settings.read(os.environ), os.environ, attach=True) as gateway:
        (account_id,) = await accounts.every_id(gateway.resources.pool)
        buyer = demo_invoices.buyer_that_accepts()
        buyer["legal_id"]["value"] = buyer["endpoint"]["value"] = BUYER
        data = demo_invoices.written(demo_invoices.invoice("CLI-1", buyer), "cii")
        incoming = Incoming(API, "", data, addressed(data), BUYER)
        admission = await admit_incoming(incoming, account_id, gateway.resources)
        await Worker(gateway.resources, 1).drain()
    return str(admission.document_id)


def test_statuses_are_said_refused_and_shown(came: str, capsys: pytest.CaptureFixture[Any]) -> None:
    assert main(["answer", came]) == 0
    assert capsys.readouterr().out == ""
    assert main(["answer", came, "refused", "--reason", "QTE_ERR"]) == 1
    said = capsys.readouterr().err
    assert "BR-FR-CDV-CL-09" in said
    assert "G7.25" in said
    assert "TRANSAC_INC" in said
    assert main(["answer", came, "nonsense"]) == 1
    assert "approved" in capsys.readouterr().err
    dispute = ["answer", came, "207", "--reason", "QTE_ERR", "--comment", "Huit livrées.", "--key", "once"]
    assert main(dispute) == 0
    assert "said: disputed (207)" in capsys.readouterr().out
    assert main(dispute) == 0
    assert "said already" in capsys.readouterr().out
    assert main(["answer", came, "approved", "--format", "json"]) == 0
    message = json.loads(capsys.readouterr().out)["message"]
    assert main(["answer", came]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "disputed (207)  by account  [received]  QTE_ERR Huit livrées." in first
    assert "approved (205)" in second
    assert main(["answer", came, "--format", "json"]) == 0
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert shown[1]["message"]["id"] == message
    assert main(["answer", "019ab000-0000-7000-8000-000000000000"]) == 2
