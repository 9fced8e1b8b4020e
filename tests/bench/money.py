"""Measure reminders and what is owed: a year planned for many open invoices, one day's run, the report (issue 8), and
ten thousand lives in virtual time against a model (RELIABILITY T15).

python -m tests.bench.money --invoices 100000 --lives 10000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from adapters.port import Networks
from gateway import reminding
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.main import database
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.store import receivables, reminders
from gateway.store.pool import Pool
from gateway.store.reminders import Switch
from tests.gateway.ground import NOON, NOTARY, open_account
from tests.gateway.lives import Town

OUT = Path("bench-out") / "money.json"
YEAR_LIMIT, DAY_LIMIT = 30.0, 5.0
"""Seconds, on one core."""
DAYS_AHEAD = 365
CHUNK = 10_000


async def fill(pool: Pool, account_id: UUID, invoices: int) -> None:
    """Open invoices of five thousand customers, due over the coming year, without their bytes and events."""
    async with pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")  # rows as a year of work leaves them
        for table in ("document", "archive_index", "receivable"):
            await connection.execute(f"alter table {table} no force row level security")
        for start in range(0, invoices, CHUNK):
            await connection.execute(
                """
                insert into document (account_id, document_id, participant, direction, format, stage, number, type_code,
                    issue_date, seller, buyer, buyer_scheme, buyer_address, currency, amount_due, total, due_date,
                    created_at, updated_at, version, head)
                select $1, gen_random_uuid(), '100000108', 'outbound', 'cii', 'acknowledged', 'F-' || n, '380',
                    $2::date,
                    '100000108', (100000000 + n % 5000)::text, 'EM', 'c' || n % 5000 || '@example.org', 'EUR',
                    (n % 900000 + 100) / 100.0, (n % 900000 + 100) / 100.0, $2::date + (n % 365)::integer, $3, $3, 1, ''
                from generate_series($4::integer, $5::integer) as n
                """,
                *(account_id, NOON.date(), NOON, start, min(start + CHUNK, invoices) - 1),
            )
        await connection.execute(
            """
            insert into archive_index (account_id, document_id, accepted_at, day, direction, participant, seller_name,
                buyer_name, refers_to, terms, edition)
            select account_id, document_id, created_at, issue_date, direction, participant, 'Atelier',
                'Client ' || buyer, '{}', '{}', 1 from document where account_id = $1
            """,
            account_id,
        )
        await connection.execute(
            """
            insert into receivable (account_id, document_id, customer, seller, number, issue_date, due_date,
                due_assumed, currency, void, due, credited, paid, written_off)
            select account_id, document_id, buyer, seller, number, issue_date, due_date, false, currency, false,
                amount_due, 0, 0, 0 from document where account_id = $1
            """,
            account_id,
        )
        for table in ("document", "archive_index", "receivable"):
            await connection.execute(f"alter table {table} force row level security")
    async with pool.owner() as connection:
        await connection.execute("analyze")


async def plans(resources: Resources, account_id: UUID) -> dict[str, float]:
    """A year ahead, one day's run that decides on everything, and the report."""
    started, spent = time.perf_counter(), time.process_time()
    planned = await reminding.preview(resources, account_id, DAYS_AHEAD)
    year, year_spent = time.perf_counter() - started, time.process_time() - spent
    started = time.perf_counter()
    async with resources.pool.account(account_id, snapshot=True) as connection:
        of = await reminding.known(connection)
        found = await reminders.candidates(connection, NOON.date(), NOON.date() + reminding.AHEAD)
    words, _ = reminding.sort(found, of, resources.clock.now())
    groups = reminding.gather(words, of)
    day = time.perf_counter() - started
    started = time.perf_counter()
    async with resources.pool.account(account_id, snapshot=True) as connection:
        standings = await receivables.standings(connection, NOON.date())
    report = time.perf_counter() - started
    assert standings[0].counts["not_due"] > 0
    return {
        "year_seconds": year,
        "year_cpu_seconds": year_spent,
        "year_reminders": len(planned),
        "day_seconds": day,
        "day_reminders": len(words),
        "day_letters": len(groups),
        "report_seconds": report,
    }


async def lives(resources: Resources, clock: SettableClock, account_id: UUID, count: int) -> dict[str, float]:
    """Lives in virtual time; raises where a reminder or a sum differs from the model."""
    town = Town(resources.pool, resources, clock, account_id, seed=2026)
    started = time.perf_counter()
    await town.settle_in(count, channel="webhook")
    issued = time.perf_counter() - started
    started = time.perf_counter()
    await town.live(60)
    told = await town.close()
    return {"lives": told.lives, "reminders": told.reminders, "letters": told.letters, "payments": told.payments,
            "disputes": told.disputes, "issued_seconds": issued,
            "lived_seconds": time.perf_counter() - started}  # fmt: skip


async def measure(invoices: int, count: int) -> dict[str, float]:
    """Everything, each in an account of its own."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        async with database(Settings(data=Path(folder) / "data")) as pool:
            compute = Compute(1, 120)
            try:
                if invoices:
                    account = await open_account(pool, "Many")
                    await fill(pool, account.id, invoices)
                    resources = Resources(pool, Networks(()), SettableClock(NOON), compute, NOTARY)
                    found |= {"invoices": invoices, **await plans(resources, account.id)}
                if count:
                    clock = SettableClock(datetime(2026, 11, 24, 6, tzinfo=UTC))
                    account = await open_account(pool, "Lives", siren="100000207")
                    async with pool.account(account.id) as connection:
                        await reminders.turn(connection, account.id, Switch(True, "bench", clock.now()))
                    resources = Resources(pool, Networks(()), clock, compute, NOTARY)
                    found |= await lives(resources, clock, account.id, count)
            finally:
                compute.close()
    return found


def main() -> None:
    """Measure, print, keep, and hold against the limits."""
    it = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    it.add_argument("--invoices", type=int, default=100_000)
    it.add_argument("--lives", type=int, default=10_000)
    options = it.parse_args()
    found = asyncio.run(measure(options.invoices, options.lives))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name, value in found.items():
        print(f"{name:>16}  {value:,.2f}" if isinstance(value, float) else f"{name:>16}  {value:,}")
    late = [name for name, limit in (("year_seconds", YEAR_LIMIT), ("day_seconds", DAY_LIMIT))
            if found.get(name, 0) > limit]  # fmt: skip
    if late:
        raise SystemExit(f"over the limit: {', '.join(late)}")


if __name__ == "__main__":
    main()
