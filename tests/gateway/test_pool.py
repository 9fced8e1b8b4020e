"""Transactions in the name of an account see that account, others see nothing, and nothing of it stays behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from asyncpg import DataError

from gateway.errors import Busy, Misconfigured
from gateway.store import accounts, migrate
from gateway.store.embedded import Cluster
from gateway.store.identifiers import new_id
from gateway.store.pool import connect

NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def open_account(pool, name: str) -> UUID:
    identifier = new_id(NOW)
    await accounts.create(pool, identifier, name=name, siren="100000108", french=True, original="facturx", now=NOW)
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


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes", "synchronous_commit"])
async def test_a_server_that_may_lose_what_it_has_is_refused(reachable, setting):
    """RELIABILITY T52."""
    async with Cluster(reachable / "data", options={setting: "off"}) as cluster:
        with pytest.raises(Misconfigured, match=f"{setting} is off"):
            await connect(cluster)


async def test_nothing_that_the_owner_sets_stays_on_the_connection(server, database):
    pool = await connect(server.server, database=database, max_size=1, unsafe_no_fsync=True)
    async with pool.owner() as connection:
        process = connection.get_server_pid()
        await connection.execute("set role estafette_worker; set estafette.account = 'x'")
        await connection.execute("select pg_advisory_lock(1)")
    async with pool.owner() as connection:
        assert connection.get_server_pid() == process
        assert await connection.fetchval("select current_setting('role')") == "none"
        assert await connection.fetchval("select coalesce(current_setting('estafette.account', true), '')") == ""
        assert await connection.fetchval("select count(*) from pg_locks where locktype = 'advisory'") == 0
    await pool.close()


async def test_nothing_of_a_transaction_stays_on_the_connection(server, database):
    pool = await connect(server.server, database=database, max_size=1, unsafe_no_fsync=True)
    async with pool.account(new_id(NOW)) as connection:
        assert await connection.fetchval("select current_user::text") == "estafette_app"
    with pytest.raises(ZeroDivisionError):
        async with pool.account(new_id(NOW)):
            raise ZeroDivisionError
    async with pool.owner() as connection:
        assert await connection.fetchval("select current_setting('role')") == "none"
        assert await connection.fetchval("select current_setting('estafette.account', true)") == ""
    async with pool.worker() as connection:
        assert await connection.fetchval("select current_user::text") == "estafette_worker"
    await pool.close()


async def test_no_amount_passes_through_a_float(pool):
    async with pool.worker() as connection:
        read = await connection.fetchval("""select '{"amount": 0.10000000000000000001}'::jsonb""")
        assert read == {"amount": Decimal("0.10000000000000000001")}
        assert await connection.fetchval("select $1::jsonb", {"é": [1, None, True]}) == {"é": [1, None, True]}
    for refused in (Decimal("1.10"), float("nan")):
        with pytest.raises(DataError):
            async with pool.worker() as connection:
                await connection.fetchval("select $1::jsonb", {"amount": refused})


@pytest.fixture
async def external(reachable):
    """A server reached over TCP with a password, and one database of a user without special rights."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"listen_addresses": "127.0.0.1", "port": str(port)}
    async with Cluster(reachable / "data", options=options) as cluster:
        rules = cluster.folder / "pg_hba.conf"
        rules.write_text(rules.read_text().replace("reject", "scram-sha-256"))
        administrator = await connect(cluster)
        async with administrator.owner() as connection:
            await connection.execute("create role gateway login createrole password 'of-a-test'")
            await connection.execute("create database invoices owner gateway")
            await connection.execute("select pg_reload_conf()")
        yield f"postgresql://gateway@127.0.0.1:{port}/invoices", administrator
        await administrator.close()


async def test_an_external_server_with_a_password_and_an_ordinary_user(external):
    url, _ = external
    with pytest.raises(Misconfigured, match="cannot be reached"):
        await connect(url, password="another")
    pool = await connect(url, password="of-a-test")
    assert await migrate.apply(pool)
    one, other = await open_account(pool, "One"), await open_account(pool, "Other")
    for mine in (one, other):
        async with pool.account(mine) as connection:
            assert [row["account_id"] for row in await connection.fetch("select account_id from account")] == [mine]
    async with pool.owner() as connection:
        assert await connection.fetchval("select count(*) from account") == 0, "the owner sees none either"
    await pool.close()


async def test_a_user_who_may_not_make_roles_is_told_what_to_run(external):
    url, administrator = external
    async with administrator.owner() as connection:
        await connection.execute("alter role gateway nocreaterole")
    pool = await connect(url, password="of-a-test")
    with pytest.raises(
        Misconfigured, match="create role estafette_app nologin; grant estafette_app to that user with inherit false"
    ):
        await migrate.apply(pool)
    async with administrator.owner() as connection:
        for role in migrate.ROLES:
            await connection.execute(f"create role {role} nologin; grant {role} to gateway")
    assert await migrate.apply(pool)
    await pool.close()


async def test_a_role_that_sees_past_the_rules_is_refused(external):
    url, administrator = external
    async with administrator.owner() as connection:
        await connection.execute("create role estafette_app nologin bypassrls; grant estafette_app to gateway")
    pool = await connect(url, password="of-a-test")
    with pytest.raises(Misconfigured, match="estafette_app must be without superuser, bypassrls and login"):
        await migrate.apply(pool)
    await pool.close()


async def test_an_address_that_is_none_is_told():
    with pytest.raises(Misconfigured, match="cannot be reached"):
        await connect("nonsense://somewhere")


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


@asynccontextmanager
async def _lingering(cluster):
    """A line to the cluster that stays open for the client when the server's end is closed; gives its port."""
    at, lines = cluster.connection(), []
    address = f"{at['host']}/.s.PGSQL.{at['port']}"

    async def carry(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)

    async def serve(reader, writer):
        from_server, to_server = await asyncio.open_unix_connection(address)
        lines.append(writer)
        await asyncio.gather(carry(reader, to_server), carry(from_server, writer), return_exceptions=True)
        to_server.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]
        for line in lines:
            line.close()


async def test_a_connection_whose_server_said_good_bye_is_given_up(reachable):
    """The driver has read the farewell of an idle connection and not yet the end of its line."""
    async with Cluster(reachable / "data") as cluster, _lingering(cluster) as port:
        direct = await connect(cluster)
        await migrate.apply(direct)
        pool = await connect(f"postgresql://{cluster.connection()['user']}@127.0.0.1:{port}/postgres", max_size=1)
        async with pool.worker() as connection:
            process = connection.get_server_pid()
        async with direct.owner() as owner:
            await owner.execute("select pg_terminate_backend($1, 10000)", process)
        await asyncio.sleep(0.2)
        with pytest.raises(Busy):
            async with pool.worker():
                pytest.fail("the database was there")
        assert await pool.answers(), "another connection was opened"
        await pool.close()
        await direct.close()
