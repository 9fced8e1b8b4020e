"""`estafette network check`: each configured network is asked what it can do, and nothing is changed by it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.platform.server import Manners
from gateway.__main__ import main
from gateway.commands.network import tell
from gateway.main import read_networks
from tests.adapters.conftest import Running, start
from tests.gateway.console import estafette


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[Running]:
    running = await start(tmp_path / "platform", Manners(pace=0.0))
    yield running
    await running.stop()


def environment(platform: Running, folder: Path) -> dict[str, str]:
    """A connection for one company, a dead one for another, and mail for everybody."""
    known = platform.settings
    folder.mkdir()
    for name, url, siren in (("levant", known.url, "100000108"), ("ponant", "http://127.0.0.1:9/x", "100000389")):
        lines = {
            "url": url, "token_url": known.token_url, "client_id": known.client_id,
            "client_secret_file": str(known.secret_file),
        }  # fmt: skip
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
        (folder / f"{name}.toml").write_text(f'{text}participants = ["{siren}"]\n', encoding="utf-8")
    return {
        "ESTAFETTE_AFNOR_PLATFORMS": str(folder),
        "ESTAFETTE_EGRESS_ALLOW": ",".join((*known.allow, "127.0.0.1:9")),
        "ESTAFETTE_MAIL_HOST": "mail.example",
        "ESTAFETTE_MAIL_FROM": "factures@example.com",
    }


async def test_each_network_is_asked(simulated: Running, tmp_path: Path):
    given = environment(simulated, tmp_path / "connections")
    ended = await asyncio.to_thread(estafette, "network", "check", "--format", "json", env=given)
    assert ended.code == 1, ended.err
    told = {line["network"]: line for line in map(json.loads, ended.text.splitlines())}
    assert list(told) == ["afnor-levant", "afnor-ponant", "mail"]
    assert told["afnor-levant"] == {
        "network": "afnor-levant", "participants": ["100000108"], "well": True, "away": None, "healthy": True,
        "edition": "1.3.0", "tracking": True, "webhooks": False,
    }  # fmt: skip
    assert "127.0.0.1" in told["afnor-ponant"]["away"]
    assert (told["mail"]["well"], told["mail"]["edition"], told["mail"]["participants"]) == (True, None, [])
    assert not await simulated.deliveries()
    (tmp_path / "connections" / "ponant.toml").unlink()
    ended = await asyncio.to_thread(estafette, "network", "check", "--language", "fr", env=given)
    assert ended.code == 0
    assert "édition 1.3.0; retrouve un dépôt par notre identifiant; pas de webhooks : elle est interrogée" in ended.text


async def test_a_gateway_says_at_its_start_what_its_networks_can_do(
    simulated: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    networks = read_networks(environment(simulated, tmp_path / "connections"))
    with caplog.at_level(logging.INFO, "gateway.commands.network"):
        await tell(networks)
    told = [(record.levelname, record.getMessage()) for record in caplog.records if "network" in record.name]
    assert told[0] == (
        "INFO", "network afnor-levant: edition 1.3.0; finds a delivery by our id; no webhooks: it is polled",
    )  # fmt: skip
    assert told[1][0] == "WARNING"
    assert told[1][1].startswith("network afnor-ponant: does not answer: ")
    for network in networks.all:
        await network.close()


def test_without_a_network_there_is_nothing_to_ask(monkeypatch, capsys):
    assert main(["network", "check"]) == 2
    assert "no network is configured" in capsys.readouterr().err
    monkeypatch.setenv("ESTAFETTE_AFNOR_PLATFORMS", "/nonexistent")
    assert main(["network", "check"]) == 2
    assert "ESTAFETTE_AFNOR_PLATFORMS: names a folder" in capsys.readouterr().err
