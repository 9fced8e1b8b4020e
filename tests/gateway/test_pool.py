"""Transactions in the name of an account see that account, others see nothing, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from datetime import UTC, datetime
from uuid import UUID

import pytest

from gateway.errors import Busy, Misconfigured
from gateway.store import accounts, migrate
from gateway.store.embedded import Cluster
from gateway.store.identifiers import new_id
from gateway.store.pool import connect

NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def open_account(pool, name: str) -> UUID:
    identifier = new_id(NOW)
    await accounts.create(pool, identifier, name=name, siren="732829320", french=True, original="facturx", now=NOW)
    return identifier


async def test_an_account_sees_its_own_rows_only(pool):
    one, other = await open_account(pool, "One"), await open_account(pool, "Other")
    for mine in (one, other):
        async with pool.account(mine) as connection:
            assert {row["account_id"] for row in await connection.fetch("select account_id from account")} == {mine}
            assert {row["account_id"] for row in await connection.fetch("select account_id from participant")} == {mine}


async def test_without_an_account_nothing_is_seen(pool):
    await open_account(pool, "One")
    async with pool.credential("") as connection:
        assert await connection.fetchval("select count(*) from account") == 0
        assert await connection.fetchval("select count(*) from credential") == 0


async def test_nobody_writes_into_another_account(pool):
    one, other = await open_account(pool, "One"), await open_account(pool, "Other")
    from asyncpg import InsufficientPrivilegeError

    with pytest.raises(InsufficientPrivilegeError, match="row-level security"):
        async with pool.account(one) as connection:
            await connection.execute(
                "insert into participant (account_id, siren, name, created_at) values ($1, '123456782', 'x', now())",
                other,
            )


async def test_a_thousand_requests_of_fifty_accounts_never_cross(server, database):
    """RELIABILITY T33: few connections, random cancels."""
    pool = await server.pool(database)
    chance = random.Random(33)
    identifiers = [await open_account(pool, f"Account {n}") for n in range(50)]

    async def request(mine: UUID) -> None:
        async with pool.account(mine) as connection:
            await asyncio.sleep(chance.random() / 500)
            rows = await connection.fetch("select account_id from account")
            assert [row["account_id"] for row in rows] == [mine]

    tasks = [asyncio.create_task(request(chance.choice(identifiers))) for _ in range(1000)]
    for task in chance.sample(tasks, 200):
        asyncio.get_running_loop().call_later(chance.random() / 2, task.cancel)
    done = await asyncio.gather(*tasks, return_exceptions=True)
    wrong = [result for result in done if result is not None and not isinstance(result, asyncio.CancelledError)]
    assert not wrong
    async with pool.credential("") as connection:
        assert await connection.fetchval("select count(*) from account") == 0
    await pool.close()


async def test_a_server_that_may_lose_what_it_has_is_refused(reachable):
    async with Cluster(reachable / "data", options={"fsync": "off"}) as cluster:
        with pytest.raises(Misconfigured, match="fsync is off"):
            await connect(cluster)


async def _ask_until_away(pool):
    for _ in range(1000):
        async with pool.worker() as connection:
            await connection.fetchval("select 1")
        await asyncio.sleep(0.001)


async def test_a_database_that_is_away_is_busy_and_comes_back(reachable):
    async with Cluster(reachable / "data") as cluster:
        pool = await connect(cluster)
        await migrate.apply(pool)
        again = asyncio.Event()
        cluster.on_restart = again.set
        os.kill(cluster.process_id, signal.SIGKILL)
        with pytest.raises(Busy):
            await _ask_until_away(pool)
        await asyncio.wait_for(again.wait(), 60)
        for _ in range(50):
            if await pool.answers():
                break
            await asyncio.sleep(0.1)
        assert await pool.answers()
        await pool.close()
