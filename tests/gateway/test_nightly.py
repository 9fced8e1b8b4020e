"""The night's audit runs by itself, is told where one looks, and never stops the gateway."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway import nightly
from gateway.chores import Chores
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.publish import publish
from gateway.store import audits
from gateway.store.audits import AuditRun, State
from tests.gateway.api.conftest import Api, answered, numbered, serving


@pytest.fixture(scope="module")
def compute():
    made = Compute(1, 120)
    yield made
    made.close()


@pytest.fixture
async def api(pool, compute, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(pool, compute, clock, tmp_path) as served:
        yield served


@asynccontextmanager
async def chores(api: Api) -> AsyncIterator[asyncio.Task[None]]:
    """The chores of a gateway, at work."""
    task = asyncio.create_task(Chores(api.resources, timedelta(hours=1), lambda: None).run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def last(api: Api) -> AuditRun | None:
    async with api.resources.pool.worker() as connection:
        return await audits.last(connection)


async def figures(api: Api) -> dict[str, float]:
    text = await (await api.client.get("/metrics")).text()
    pairs = (line.split(" ") for line in text.splitlines() if line.startswith("estafette_audit"))
    return {name: float(value) for name, value in pairs}


async def damage(api: Api) -> None:
    """A document says another instant than was written."""
    async with api.resources.pool.owner() as connection, connection.transaction():
        await connection.execute("alter table event disable trigger all")
        await connection.execute("alter table event no force row level security")
        await connection.execute("update event set at = at + interval '1 second' where seq = 1")
        await connection.execute("alter table event force row level security")
        await connection.execute("alter table event enable trigger all")


async def submitted(api: Api) -> str:
    key = await api.key(await api.account())
    document = await answered(await api.submit(key, numbered("F-SECRET"), "application/json"), 202)
    await publish(api.resources)
    return str(document["id"])


def test_the_night_is_the_next_one():
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert nightly.until_night(noon) == timedelta(hours=14)
    assert nightly.until_night(datetime(2026, 11, 24, 1, 59, tzinfo=UTC)) == timedelta(minutes=1)
    assert nightly.until_night(datetime(2026, 11, 24, 2, tzinfo=UTC)) == timedelta(days=1)


async def test_before_the_first_night_nothing_is_claimed(api: Api):
    assert await last(api) is None
    assert await figures(api) == {
        "estafette_audit_last_timestamp_seconds": 0,
        "estafette_audit_clean": 0,
        "estafette_audit_complaints": 0,
    }


async def test_a_clean_night_is_told(api: Api, clock: SettableClock):
    await submitted(api)
    told = await nightly.run(api.resources)
    assert told == await last(api)
    assert (told.state, told.complaints, told.says, told.documents) == (State.CLEAN, 0, (), 1)
    assert told.leaves == 1
    assert await figures(api) == {
        "estafette_audit_last_timestamp_seconds": clock.now().timestamp(),
        "estafette_audit_clean": 1,
        "estafette_audit_complaints": 0,
    }
    ready = await answered(await api.client.get("/health/ready"), 200, "Readiness")
    assert ready["audit"] == "ok"
    clock.advance(timedelta(days=3))
    ready = await answered(await api.client.get("/health/ready"), 200, "Readiness")
    assert ready["audit"] == "overdue: the last audit was on 2026-11-24"


async def test_damage_is_an_alarm_and_the_gateway_goes_on(api: Api, caplog: pytest.LogCaptureFixture):
    document = await submitted(api)
    await damage(api)
    with caplog.at_level(logging.ERROR, "gateway.nightly"):
        told = await nightly.run(api.resources)
    assert (told.state, told.complaints) == (State.NOT_CLEAN, 2)
    assert told.says == (
        f"document {document}: event 1 is not what was written",
        f"document {document}: its row says another created_at and updated_at than its events",
    )
    assert [record.levelname for record in caplog.records if record.name == "gateway.nightly"] == ["ERROR"]
    assert "SECRET" not in caplog.text
    ready = await answered(await api.client.get("/health/ready"), 200, "Readiness")
    assert ready["ready"] is True
    assert ready["audit"].startswith("the audit of 2026-11-24 found that something is wrong")
    found = await figures(api)
    assert (found["estafette_audit_clean"], found["estafette_audit_complaints"]) == (0, 2)


async def test_an_audit_that_cannot_end_is_no_clean_one(api: Api):
    await submitted(api)
    await nightly.run(api.resources)
    async with api.resources.pool.owner() as connection:
        await connection.execute("revoke select on checkpoint from estafette_worker")
    with pytest.raises(Exception, match="checkpoint"):
        await nightly.run(api.resources)
    told = await last(api)
    assert told is not None
    assert told.state is State.UNFINISHED
    assert (await figures(api))["estafette_audit_clean"] == 0
    ready = await answered(await api.client.get("/health/ready"), 200, "Readiness")
    assert ready["audit"] == "the audit of 2026-11-24 could not be finished: see the log"


async def test_it_runs_by_itself_once_a_night(api: Api, clock: SettableClock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway.chores.LOOK_DAILY", 0.05)
    await submitted(api)

    async def runs(count: int) -> bool:
        for _ in range(100):
            async with api.resources.pool.worker() as connection:
                if await connection.fetchval("select count(*) from audit_run") >= count:
                    return True
            await asyncio.sleep(0.05)
        return False

    async with chores(api) as task:
        assert await runs(1), "the first when the gateway starts"
        clock.advance(timedelta(hours=13))
        await asyncio.sleep(0.3)
        assert await runs(1)
        async with api.resources.pool.worker() as connection:
            assert await connection.fetchval("select count(*) from audit_run") == 1
        await damage(api)
        clock.advance(timedelta(hours=2))
        assert await runs(2), "and at night"
        assert not task.done(), "what it found stops nothing"
    told = await last(api)
    assert told is not None
    assert told.state is State.NOT_CLEAN
