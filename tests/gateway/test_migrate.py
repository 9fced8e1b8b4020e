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
