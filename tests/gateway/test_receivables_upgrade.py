"""What stood in a database before what is owed was kept: the migration makes its rows, netted as ever."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gateway.store import migrate
from tests.gateway.ground import NOON

ACCOUNT, INVOICE, CREDIT, STATUS = (UUID(int=n) for n in range(1, 5))


@pytest.fixture
async def old(server: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """A database as the release before left it."""
    name = f"estafette_upgrade_{os.getpid()}"
    await server.command(f"create database {name}")
    pool = await server.pool(name)
    for file in sorted(migrate.FOLDER.glob("*.sql")):
        if file.name < "0029":
            shutil.copy(file, tmp_path / file.name)
    await migrate.apply(pool, tmp_path)
    yield pool
    await pool.close()
    await server.command(f"drop database {name} with (force)")


async def test_the_rows_are_made(old: Any) -> None:
    async with old.owner() as connection:
        await connection.execute(
            "insert into account (account_id, name, french, original, created_at) "
            "values ($1, 'Atelier', false, 'facturx', $2)",
            *(ACCOUNT, NOON),
        )
        for id, number, type_code, amount, about in (
            (INVOICE, "F-1", "380", 120, None), (CREDIT, "A-1", "381", 20, None), (STATUS, None, None, None, INVOICE)
        ):  # fmt: skip
            await connection.execute(
                """
                insert into document (account_id, document_id, participant, direction, format, stage, number,
                    type_code, issue_date, seller, buyer, currency, amount_due, total, created_at, updated_at, version,
                    head, about)
                values ($1, $2, '100000108', 'outbound', 'cii', 'acknowledged', $3, $4, $5, '100000108',
                    'FR 12 100000207', 'EUR', $6, $6, $7, $7, 1, '', $8)
                """,
                *(ACCOUNT, id, number, type_code, NOON.date(), amount, NOON, about),
            )
        await connection.execute(
            "insert into archive_index (account_id, document_id, accepted_at, day, direction, participant, "
            "seller_name, buyer_name, refers_to, terms, edition) values ($1, $2, $3, $4, 'outbound', '100000108', "
            "'Atelier', 'Port', $5, '{}', 1)",
            *(ACCOUNT, CREDIT, NOON, NOON.date(), {"preceding": [{"number": "F-1"}]}),
        )
        await connection.execute(
            "insert into payment (account_id, payment_id, document_id, amount, currency, paid_on, reference, "
            "recorded_at, key) values ($1, $2, $2, 30, 'EUR', $3, '', $4, 'k')",
            *(ACCOUNT, INVOICE, NOON.date(), NOON),
        )
        for seq, status in ((1, "disputed"), (2, "completed")):
            await connection.execute(
                "insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash) "
                "values ($1, $2, $3, $4, 'settled', 'status', $5, '', '')",
                *(ACCOUNT, INVOICE, seq, NOON + timedelta(hours=seq), {"status": status}),
            )
    await migrate.apply(old)
    async with old.account(ACCOUNT) as connection:
        rows = await connection.fetch("select * from receivable order by document_id")
    invoice, credit = rows
    assert (invoice["customer"], invoice["due"], invoice["credited"], invoice["paid"], invoice["balance"]) == (
        "100000207", 120, 20, 30, 70,
    )  # fmt: skip
    assert (invoice["due_date"], invoice["due_assumed"]) == (NOON.date() + timedelta(days=30), True)
    assert invoice["said"] == "completed"
    assert (credit["document_id"], credit["balance"]) == (CREDIT, 0)
