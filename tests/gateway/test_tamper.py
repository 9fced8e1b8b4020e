"""RELIABILITY T19 and T20: whatever bit or row of the archive a superuser changes is found, and the object is named.

Some dozens of changes here; `make bench-tamper` does ten thousand and more of each.
"""

from __future__ import annotations

from pathlib import Path

from gateway.store.pool import Pool
from tests.gateway.tampering import PROTECTED, target


async def test_random_bits_of_everything_are_found(pool: Pool, tmp_path: Path) -> None:
    made = await target(pool, tmp_path, seed=20)
    tried = 0
    while sum(made.found.values()) < 25 and tried < 100:
        await made.flip()
        tried += 1
    assert sum(made.found.values()) == 25
    assert await made.complaints() == [], "all is well again"


async def test_random_changes_of_rows_are_found(pool: Pool, tmp_path: Path) -> None:
    made = await target(pool, tmp_path, seed=21)
    tried = 0
    while sum(made.found.values()) < 20 and tried < 100:
        await made.rows()
        tried += 1
    assert sum(made.found.values()) == 20
    assert await made.complaints() == []


async def test_every_kind_of_object_is_in_the_archive_that_is_tampered_with(pool: Pool, tmp_path: Path) -> None:
    made = await target(pool, tmp_path, seed=22)
    async with made.pool.owner() as connection:
        for table in PROTECTED:
            assert await connection.fetchval(f"select count(*) from {table}") > 0, table
