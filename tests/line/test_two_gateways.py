"""Two gateways and a worker of its own on one PostgreSQL behave as one; they share nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from gateway.commands import demo_invoices
from gateway.store.embedded import Cluster
from tests.bench.stage import Program, build, free_port


async def _delivered(session: aiohttp.ClientSession, url: str, wanted: set[str]) -> None:
    deadline = time.monotonic() + 60
    while wanted and time.monotonic() < deadline:
        for document in list(wanted):
            async with session.get(f"{url}/v1/documents/{document}") as answer:
                body = await answer.json()
            assert not body.get("halted"), body
            if body["stage"] in ("delivered", "acknowledged", "settled"):
                wanted.discard(document)
        await asyncio.sleep(0.2)
    assert not wanted


@pytest.mark.slow
async def test_two_gateways_and_a_worker_behave_as_one(reachable: Path):
    async with Cluster(reachable / "database") as cluster:
        place = cluster.connection()
        url = f"postgresql://{place['user']}@/{place['database']}?host={place['host']}&port={place['port']}"
        pepper = reachable / "pepper"
        pepper.touch(mode=0o600)
        pepper.write_text("0" * 64)
        settings = {"ESTAFETTE_DATABASE_URL": url, "ESTAFETTE_PEPPER_FILE": str(pepper), "ESTAFETTE_WORKERS": "0"}
        stage = await build(reachable, settings=settings)
        port = free_port()
        second = replace(
            stage.gateway,
            environment=dict(stage.gateway.environment) | {"ESTAFETTE_PORT": str(port), "ESTAFETTE_WORKERS": "1"},
            log=reachable / "second.log",
        )
        work = Program(("work", "--workers", "1"), stage.environment, reachable / "work.log")
        stage.programs += [second, work]
        try:
            await asyncio.gather(*(program.start() for program in (stage.gateway, second, work)))
            urls = (stage.url, f"http://127.0.0.1:{port}")
            account = await stage.account("Two gateways", "--siren", demo_invoices.SELLER_SIREN)
            headers = {"Authorization": f"Bearer {account['api_key']}", "Content-Type": "application/json"}
            async with aiohttp.ClientSession(headers=headers) as session:

                async def submit(place: str, number: str) -> str:
                    members = demo_invoices.invoice(number, demo_invoices.buyer_that_accepts())
                    key = {"Idempotency-Key": number}
                    async with session.post(f"{place}/v1/documents", data=json.dumps(members), headers=key) as answer:
                        assert answer.status == 202, await answer.text()
                        return str((await answer.json())["id"])

                twice = await asyncio.gather(*(submit(urls[n % 2], f"TWO-{n // 2}") for n in range(16)))
                assert len(set(twice)) == 8
                await _delivered(session, urls[0], set(twice))
                feeds = []
                for place in urls:
                    async with session.get(f"{place}/v1/events?limit=200") as answer:
                        feeds.append([event["hash"] for event in (await answer.json())["events"]])
                shorter = min(map(len, feeds))
                assert shorter > 60
                assert feeds[0][:shorter] == feeds[1][:shorter]
                async with session.get(f"{stage.platform_url}/simulator/deliveries") as answer:
                    deliveries = (await answer.json())["deliveries"]
            assert len(deliveries) == len({one["trackingId"] for one in deliveries}) == 8
            assert sum(one["duplicates"] for one in deliveries) == 0
            audits = [json.loads(line) for line in (await stage.once("audit", "--format", "json")).splitlines()]
            assert {"account", "tree"} <= {one["kind"] for one in audits}
            assert all(one["clean"] for one in audits), audits
        finally:
            await stage.close()
