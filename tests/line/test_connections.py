"""Two companies of one gateway, each with its own connection to the platform: documents go and come by their own."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

from adapters import catalogue
from gateway.chores import collect
from gateway.clock import SystemClock
from gateway.commands import demo_invoices
from gateway.compute import Compute
from gateway.lifecycle import Stage
from gateway.resources import Resources
from gateway.store import accounts
from gateway.store.pool import Pool
from gateway.worker import Worker
from tests.gateway.ground import NOTARY, open_account
from tests.line.conftest import Line, running_platform

SELLER, BUYER, OTHER = demo_invoices.SELLER_SIREN, demo_invoices.PARTNER_SIREN, "100000207"


def connect(folder: Path, url: str, name: str, siren: str) -> None:
    """Write the connection of a company, and its secret."""
    known: dict[str, Any] = json.loads((folder / f"company-{siren}.json").read_text(encoding="utf-8"))
    secret = folder / f"{name}.secret"
    secret.touch(mode=0o600)
    secret.write_text(known["client_secret"], encoding="utf-8")
    lines = {
        "url": f"{url}/afnor-flow", "token_url": f"{url}/oauth2/token", "client_id": known["client_id"],
        "client_secret_file": secret.name,
    }  # fmt: skip
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lines.items())
    (folder / f"{name}.toml").write_text(f'{text}participants = ["{siren}"]\n', encoding="utf-8")


async def test_each_company_sends_and_receives_by_its_own_connection(pool: Pool, compute: Compute, tmp_path: Path):
    folder, clock = tmp_path / "platform", SystemClock()
    async with running_platform(folder, companies=(SELLER, BUYER)) as url:
        connect(folder, url, "levant", SELLER)
        connect(folder, url, "ponant", BUYER)
        host = url.removeprefix("http://")
        given = {"ESTAFETTE_AFNOR_PLATFORMS": str(folder), "ESTAFETTE_EGRESS_ALLOW": host}
        networks, problems = catalogue.build(given, clock.now)
        assert not problems
        resources = Resources(pool, networks, clock, compute, NOTARY)
        seller = await open_account(pool, siren=SELLER, french=True)
        buyer = await open_account(pool, "Ponant", siren=BUYER, french=True)
        third = await open_account(pool, "Tiers", siren=OTHER)
        line = Line(resources, Worker(resources, 4), seller, url)
        try:
            sent = await line.until(await line.invoice("C-1", BUYER), Stage.DELIVERED)
            assert sent.halted is None, sent
            routed = next(event for event in await line.events(sent.id) if event.stage == Stage.ROUTED)
            assert routed.facts["network"] == "afnor-levant"
            came = await _came(replace(line, account=buyer))
            events = await replace(line, account=buyer).events(came)
            assert events[0].facts["network"] == "afnor-ponant"
            lost = await replace(line, account=third).until_tried(
                await replace(line, account=third).invoice("C-2", BUYER)
            )
            assert lost.halted == "no way to this participant", "nobody goes by the connection of another"
        finally:
            for network in networks.all:
                await network.close()


async def test_two_companies_of_one_account_never_go_by_each_others_connection(
    pool: Pool, compute: Compute, tmp_path: Path
):
    """The connection of the first named of both was taken for each: its company sent in the name of the other."""
    folder, clock = tmp_path / "platform", SystemClock()
    async with running_platform(folder, companies=(SELLER, BUYER)) as url:
        connect(folder, url, "levant", SELLER)
        connect(folder, url, "ponant", BUYER)
        given = {
            "ESTAFETTE_AFNOR_PLATFORMS": str(folder),
            "ESTAFETTE_EGRESS_ALLOW": url.removeprefix("http://"),
        }
        networks, problems = catalogue.build(given, clock.now)
        assert not problems
        resources = Resources(pool, networks, clock, compute, NOTARY)
        first = await open_account(pool, siren=SELLER)
        await accounts.add_participant(pool, first.id, siren=BUYER, name="Ponant", now=clock.now())
        account = await accounts.get(pool, first.id)
        assert account.participants == (SELLER, BUYER)
        line = Line(resources, Worker(resources, 4), account, url)
        try:
            for at, (siren, name) in enumerate(((SELLER, "levant"), (BUYER, "ponant"))):
                only = replace(line, account=replace(account, participants=(siren,)))
                sent = await only.until(await only.invoice(f"D-{at}", OTHER), Stage.DELIVERED)
                assert sent.participant == siren
                assert sent.facts[str(Stage.ROUTED)]["network"] == f"afnor-{name}"
        finally:
            for network in networks.all:
                await network.close()


async def _came(line: Line) -> UUID:
    """The id of the invoice that came for this account."""
    for _ in range(40):
        for network in line.resources.networks.all:
            await collect(line.resources, network, lambda: None)
        await line.worker.drain()
        async with line.pool.account(line.account.id) as connection:
            found = await connection.fetchval("select document_id from document where direction = 'inbound'")
        if found is not None:
            assert isinstance(found, UUID)
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("nothing came")
