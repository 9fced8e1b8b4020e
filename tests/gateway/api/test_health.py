"""Alive, ready and measured."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapters.port import Arrival, ArrivalKind
from gateway.api import application
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.store import arrivals, networks
from gateway.store.pool import Pool
from tests.gateway.api.conftest import Api, answered, numbered, problem, serving, small


async def test_a_healthy_gateway_is_ready(api: Api) -> None:
    await answered(await api.client.get("/health/live"), 200)
    told = await answered(await api.client.get("/health/ready"), 200, "Readiness")
    assert told == {"ready": True, "database": "ok", "workers": "ok", "stopping": "no", "audit": "none yet"}


async def test_a_gateway_without_its_database_is_not_ready(api: Api, pool: Pool) -> None:
    await pool.close()
    told = await answered(await api.client.get("/health/ready"), 503, "Readiness")
    assert told["database"] != "ok"
    assert told["workers"] == "ok"
    assert told["audit"] == "not known"
    await answered(await api.client.get("/health/live"), 200)
    busy = await api.client.get("/metrics")
    await problem(busy, 503, "busy")
    assert busy.headers["Retry-After"]


async def test_a_database_of_another_release_is_not_ready(api: Api, pool: Pool) -> None:
    async with pool.owner() as connection:
        await connection.execute("insert into migration (name, sha256) values ('9999_later', 'x')")
    told = await answered(await api.client.get("/health/ready"), 503, "Readiness")
    assert told["database"] == "the database is not migrated to this release"
    assert told["audit"] == "none yet"


async def test_a_gateway_whose_workers_are_gone_is_not_ready(pool: Pool, clock: SettableClock, tmp_path: Path) -> None:
    lost = Compute(1, 60)
    lost.close()
    async with serving(pool, lost, clock, tmp_path) as api:
        told = await answered(await api.client.get("/health/ready"), 503, "Readiness")
        assert told["workers"] != "ok"


async def test_a_gateway_whose_workers_are_busy_is_ready_and_one_whose_workers_hang_is_not(
    pool: Pool, clock: SettableClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.api.health.PATIENCE", 1.0)
    only = Compute(1, 60)
    try:
        await only(os.getpid)  # the process is there
        async with serving(pool, only, clock, tmp_path) as api:
            short = [asyncio.create_task(only(time.sleep, 0.25)) for _ in range(12)]
            await asyncio.sleep(0)
            told = await answered(await api.client.get("/health/ready"), 200, "Readiness")
            assert told["workers"] == "ok"
            await asyncio.gather(*short)
            long = asyncio.create_task(only(time.sleep, 30))
            await asyncio.sleep(0)
            await answered(await api.client.get("/health/ready"), 503, "Readiness")
            long.cancel()
            await asyncio.gather(long, return_exceptions=True)
    finally:
        only.close()


async def test_metrics_tell_of_use_and_backlog_and_of_no_account(api: Api, clock: SettableClock) -> None:
    from datetime import timedelta

    account = await api.account()
    key = await api.key(account)
    number = "SECRET-NUMBER"
    document = await answered(await api.submit(key, numbered(number), "application/json", Idempotency_Key="k"), 202)
    await api.submit(key, numbered(number), "application/json", Idempotency_Key="k")
    await api.submit(key, b"")
    await api.submit(key, small("a"))
    await api.client.get(f"/v1/documents/{document['id']}", headers=key)
    await api.client.get("/an/address/of/nobody")
    stray = Arrival("flow-1", ArrivalKind.INVOICE, clock.now(), "application/xml", b"<a/>")
    await arrivals.keep_stray(api.resources.pool, "afnor", stray, clock.now())
    await networks.did_not_take(api.resources.pool, "afnor", account.id, clock.now(), "429", timedelta(hours=1))
    await networks.conflict(api.resources.pool, "mail")
    clock.advance(timedelta(seconds=90))
    answer = await api.client.get("/metrics")
    text = await answer.text()
    assert answer.content_type == "text/plain"
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["estafette_tasks_due", (("stage", "parsed"),)] == 2
    assert found["estafette_task_oldest_due_seconds", ()] == 90
    told = ("resting", "failing_seconds", "waiting", "conflicts")
    for network, values in (("afnor", [1, 90, 0, 0]), ("mail", [0, 0, 0, 1])):
        assert [found[f"estafette_network_{name}", (("network", network),)] for name in told] == values
    assert found["estafette_strays", (("kind", "invoice"),)] == 1
    assert found["estafette_strays", (("kind", "status"),)] == 0
    assert found["estafette_submissions_total", (("answer", "admitted"),)] == 2
    assert found["estafette_submissions_total", (("answer", "replayed"),)] == 1
    assert found["estafette_submissions_total", (("answer", "malformed"),)] == 1
    read = (("method", "GET"), ("route", "/v1/documents/{id}"), ("status", "200"))
    assert found["estafette_requests_total", read] == 1
    nobody = (("method", "other"), ("route", "none"), ("status", "404"))
    assert found["estafette_requests_total", nobody] == 1
    for secret in (str(account.id), document["id"], number, account.participants[0], account.name):
        assert secret not in text


async def test_two_applications_do_not_count_into_each_other(api: Api) -> None:
    from gateway.api.metrics import METRICS

    other = application.create(api.resources, api.settings, ring=lambda: None, pepper=b"x")
    assert api.client.app is not None
    assert other[METRICS].registry is not api.client.app[METRICS].registry
