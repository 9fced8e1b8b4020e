"""Migrations: each once, in order, under a lock; what does not fit is refused in words."""

from __future__ import annotations

import asyncio
import itertools
import os

import pytest

from gateway.errors import Misconfigured
from gateway.store import migrate

_numbers = itertools.count(1)


@pytest.fixture
async def empty(server):
    """A pool on a database without any table."""
    name = f"estafette_empty_{os.getpid()}_{next(_numbers)}"
    await server.command(f"create database {name}")
    pool = await server.pool(name)
    yield pool
    await pool.close()
    await server.command(f"drop database {name} with (force)")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "0001_one.sql").write_text("create table one (n int); insert into one values (1);")
    (tmp_path / "0002_two.sql").write_text(
        "create function two() returns text language plpgsql as $$ begin return 'a;b -- c'; end $$;"
    )
    return tmp_path


async def test_they_are_applied_in_order_and_once(empty, folder):
    assert await migrate.apply(empty, folder) == ["0001_one", "0002_two"]
    assert await migrate.apply(empty, folder) == []
    assert await migrate.current(empty, folder)
    async with empty.owner() as connection:
        assert await connection.fetchval("select count(*) from one") == 1
        assert await connection.fetchval("select two()") == "a;b -- c"


async def test_four_starts_at_once_apply_them_once(empty, folder):
    applied = await asyncio.gather(*(migrate.apply(empty, folder) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, 2]


async def test_two_databases_of_one_server_may_start_at_once(server, folder):
    names = [f"estafette_twin_{os.getpid()}_{number}" for number in range(4)]
    for name in names:
        await server.command(f"create database {name}")
    pools = [await server.pool(name) for name in names]
    applied = await asyncio.gather(*(migrate.apply(pool, folder) for pool in pools))
    assert [len(each) for each in applied] == [2] * 4
    for pool, name in zip(pools, names, strict=True):
        await pool.close()
        await server.command(f"drop database {name} with (force)")


async def test_one_that_fails_leaves_nothing_behind(empty, folder):
    (folder / "0003_three.sql").write_text("create table three (n int); select nonsense();")
    with pytest.raises(Misconfigured, match=r"0003_three could not be applied: function nonsense\(\) does not exist"):
        await migrate.apply(empty, folder)
    async with empty.owner() as connection:
        assert await connection.fetchval("select to_regclass('three')") is None
    (folder / "0003_three.sql").write_text("create table three (n int);")
    assert await migrate.apply(empty, folder) == ["0003_three"]


async def test_a_file_that_changed_after_it_was_applied_is_refused(empty, folder):
    await migrate.apply(empty, folder)
    (folder / "0001_one.sql").write_text("create table one (n bigint);")
    with pytest.raises(Misconfigured, match="0001_one was applied and its file has changed"):
        await migrate.apply(empty, folder)


async def test_a_database_newer_than_the_code_is_refused(empty, folder):
    await migrate.apply(empty, folder)
    (folder / "0002_two.sql").unlink()
    with pytest.raises(Misconfigured, match="newer than this gateway"):
        await migrate.apply(empty, folder)


async def test_one_that_comes_too_late_is_refused(empty, folder):
    await migrate.apply(empty, folder)
    (folder / "0001_zero.sql").write_text("select 1;")
    with pytest.raises(Misconfigured, match="comes before"):
        await migrate.apply(empty, folder)


async def test_the_real_ones_are_current(pool):
    assert await migrate.current(pool)
    assert await migrate.apply(pool) == []


async def test_events_of_before_get_their_leaves_whoever_owns_the_database(server, pool):
    """An owner without superuser's rights sees no account's rows either, while row-level security is forced."""
    name, owner = f"estafette_owned_{os.getpid()}", f"plain_{os.getpid()}"
    await server.command(f"create role {owner} nologin")
    await server.command(f"create database {name} owner {owner}")
    made = await server.pool(name)
    try:
        async with made.owner() as connection:
            await connection.execute(f"set session authorization {owner}")
            files = {file.name: file.sql for file in migrate.files()}
            for before in ("0001_the_line", "0002_branding", "0003_orders"):
                await connection.execute(files[before])
            await connection.execute("reset session authorization")
            await connection.execute(
                """
                insert into account (account_id, name, french, original, created_at)
                values ('00000000-0000-0000-0000-000000000001', 'Old', true, 'facturx', now());
                insert into document (account_id, document_id, participant, direction, format, stage, created_at,
                                      updated_at, version, head)
                select account_id, account_id, '1', 'outbound', 'cii', 'received', now(), now(), 1, sha256('head')
                from account;
                insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash)
                select account_id, account_id, 1, now(), 'received', 'done', '{}', sha256('p'), sha256('h') from account
                """
            )
            await connection.execute(f"set session authorization {owner}")
            await connection.execute(files["0004_the_tree"])
            await connection.execute("reset session authorization")
            row = await connection.fetchrow("select entry = sha256(salt || sha256('h')) as right, place from leaf")
            assert row["right"]
            assert row["place"] is None
            assert await connection.fetchval("select relforcerowsecurity from pg_class where relname = 'event'")
    finally:
        await made.close()
        await server.command(f"drop database {name} with (force)")
        await server.command(f"drop role {owner}")
