"""Measure the search of the archive over a million documents: p50 and p99 of each kind of query, over HTTP, with plans.

python -m tests.bench.archive --documents 1000000

The rows of documents are made by SQL alone: five accounts of very different size, five years, thirty thousand buyers
and twenty thousand words whose frequencies follow Zipf's law, 5 % credit notes, few documents under way, few refused.
The server keeps what it acknowledges (fsync on), and each page that is read is recorded, as in operation.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any
from uuid import UUID

from aiohttp import ClientSession

from gateway.api import archive_query
from gateway.clock import SystemClock
from gateway.commands.serve import settled
from gateway.compute import Compute
from gateway.export.documents import Progress, What, as_csv
from gateway.export.table import Look
from gateway.main import database
from gateway.resources import Resources
from gateway.settings import Settings
from gateway.store import accounts, archive
from gateway.store.accounts import Account
from gateway.store.archive import Order, Sort, Wanted
from gateway.store.pool import Pool
from tests.gateway.api.conftest import SIRENS, serving

OUT = Path("bench-out")
AIM = 50.0
"""Milliseconds that 99 of 100 searches may take."""

SHARES = (0.6, 0.2, 0.12, 0.06, 0.02)
"""Of the documents, by account."""

BEGIN = datetime(2022, 1, 1, tzinfo=UTC)
YEARS = timedelta(days=5 * 365)
CHUNK = 100_000
BUYERS, WORDS, NAMES = 30_000, 20_000, 6_000

Query = dict[str, str]


@dataclass(frozen=True)
class Figures:
    """What one kind of query took, in milliseconds."""

    kind: str
    queries: int
    p50: float
    p99: float
    worst: float
    cpu_p99: float
    """Of processor time, of the gateway, the asking client and the database together: it does not move with what else
    the machine does meanwhile."""
    shown: float
    """Documents of a page, on average."""


# The documents -------------------------------------------------------------------------------------------------------

_ROWS = """
insert into document (account_id, document_id, participant, direction, format, stage, halted, status, number, type_code,
    issue_date, seller, buyer, currency, total, amount_due, due_date, created_at, updated_at, version, head)
select $1, id, $2, case when u1 < 0.2 then 'inbound' else 'outbound' end, 'cii',
       case when u2 < 0.0005 then 'built' when u2 < 0.004 then 'delivered' when u2 < 0.3 then 'acknowledged'
            else 'settled' end,
       case when u3 < 0.004 then 'the document breaks rules' end,
       case when u4 < 0.003 then 'refused' when u4 < 0.01 then 'disputed' when u4 < 0.6 then 'paid'
            when u4 < 0.9 then 'approved' end,
       'F' || to_char(at, 'YYYY') || '-' || lpad(n::text, 7, '0'), case when u5 < 0.05 then '381' else '380' end,
       (at - u6 * interval '6 days')::date, '100000108', buyer_siren,
       case when u7 < 0.9 then 'EUR' when u7 < 0.97 then 'USD' else 'CHF' end,
       round(exp(4 + 3.2 * u8)::numeric, 2), round(exp(4 + 3.2 * u8)::numeric, 2), (at + interval '30 days')::date,
       at, at, 8, sha256(id::text::bytea)
from made
"""

_INDEX = """
insert into archive_index (account_id, document_id, accepted_at, day, issue_date, direction, participant, type_code,
    number, currency, total, cents, seller_name, buyer_name, refers_to, terms, edition)
select $1, id, d.created_at, d.issue_date, d.issue_date, d.direction, $2, d.type_code, d.number, d.currency, d.total,
       floor(d.total * 100)::bigint, 'Atelier du Nord', buyer_name,
       case when u9 < 0.4 then jsonb_build_object('order', 'CMD' || n) else '{}' end,
       array(select distinct term from (
           select unnest(array['s#100000108', 's~atelier', 's~nord', 'b#' || buyer_siren,
                               'b#FR12' || buyer_siren, 'b#0225' || buyer_siren]) as term
           union all select 'b~' || unnest(string_to_array(buyer_name, ' '))
           union all select 'r#CMD' || n where u9 < 0.4
           union all select 'w' || floor(exp(ln(@WORDS@) * chance(n, 100 + k)))::int
           from generate_series(1, 6 + (n % 7)::int) as k) as all_terms),
       1
from made join document d on d.account_id = $1 and d.document_id = made.id
"""

_MADE = """
create temporary table made as
select n, at, (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
          || '8' || substr(md5(n || 'x'), 1, 15))::uuid as id,
       lpad((200000000 + buyer)::text, 9, '0') as buyer_siren,
       'n' || (chance(buyer, 51) * @NAMES@)::int || ' n' || floor(exp(ln(@NAMES@) * chance(buyer, 52)))::int
           || ' sarl' as buyer_name,
       chance(n, 1) as u1, chance(n, 2) as u2, chance(n, 3) as u3, chance(n, 4) as u4, chance(n, 5) as u5,
       chance(n, 6) as u6, chance(n, 7) as u7, chance(n, 8) as u8, chance(n, 9) as u9
from (select n, $3::timestamptz + n * $4::interval as at,
             floor(exp(ln(@BUYERS@) * chance(n, 50)))::bigint as buyer
      from generate_series($1::bigint, $2::bigint) as n) as numbered
"""


def _sized(sql: str) -> str:
    return sql.replace("@WORDS@", str(WORDS)).replace("@NAMES@", str(NAMES)).replace("@BUYERS@", str(BUYERS))


async def fill(pool: Pool, documents: int) -> list[Account]:
    """The accounts and their documents."""
    owners = []
    for number, siren in enumerate((*SIRENS, "100000108")[: len(SHARES)]):
        owners.append(
            await accounts.create(
                pool, UUID(int=1000 + number), name=f"Account {number}", siren=siren, french=True,
                original="facturx", now=BEGIN,
            )
        )  # fmt: skip
    async with pool.owner() as connection:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            "set maintenance_work_mem = '1GB'; set work_mem = '256MB'; set synchronous_commit = off"
        )
        await connection.execute("set statement_timeout = 0")
        await connection.execute(
            "create function pg_temp.chance(bigint, bigint) returns double precision language sql immutable as "
            "$$ select (hashint8extended($1, $2) & 1048575)::double precision / 1048576 $$"
        )
        await connection.execute("alter table archive_term drop constraint archive_term_pkey")
        for account, share in zip(owners, SHARES, strict=True):
            count = round(documents * share)
            for first in range(1, count + 1, CHUNK):
                last = min(first + CHUNK - 1, count)
                await _chunk(connection, account, first, last, YEARS / count)
                print(f"\r{account.name}: {last} of {count} documents  ", end="", flush=True)
        await connection.execute(
            "insert into archive_term select account_id, unnest(terms), document_id from archive_index", timeout=3600
        )
        await connection.execute(
            "alter table archive_term add primary key (account_id, term, document_id)", timeout=3600
        )
        print("\rterms are there; vacuum", end="", flush=True)
        for table in ("document", "archive_index", "archive_term"):
            await connection.execute(f"vacuum analyze {table}", timeout=3600)
        await connection.execute("set session_replication_role = origin")
        print()
    return owners


async def _chunk(connection: Any, account: Account, first: int, last: int, each: timedelta) -> None:
    siren = account.participants[0]
    async with connection.transaction():
        named = _sized(_MADE).replace("chance(", "pg_temp.chance(")
        await connection.execute("drop table if exists made")
        # a utility statement takes no parameters: they are our own numbers
        text = named.replace("$1", str(first)).replace("$2", str(last)).replace("$3", f"'{BEGIN.isoformat()}'")
        await connection.execute(text.replace("$4", f"'{each.total_seconds()} seconds'"), timeout=600)
        await connection.execute(_ROWS, account.id, siren, timeout=600)
        await connection.execute(_sized(_INDEX).replace("chance(", "pg_temp.chance("), account.id, siren, timeout=600)


# The queries ---------------------------------------------------------------------------------------------------------


class Asking:
    """Makes queries of each kind, by chance that is the same in each run."""

    def __init__(self, documents: int) -> None:
        self.chance = random.Random(7)
        self.documents = documents

    def _day(self) -> date:
        return (BEGIN + self.chance.random() * YEARS).date()

    def _word(self, least: int, most: int) -> str:
        return f"w{self.chance.randrange(least, most)}"

    def _siren(self, least: int, most: int) -> str:
        return f"{200_000_000 + self.chance.randrange(least, most)}"

    def _cursor(self, sort: str, order: str) -> str:
        day = self._day()
        milliseconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
        text = f"{sort}|{order}|{day.isoformat()}|{UUID(int=milliseconds << 80).hex}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def kinds(self) -> Iterator[tuple[str, Callable[[], Query]]]:
        """Name and maker of each kind of query."""
        one = self.chance
        wide = {"issued_from": "2022-02-01", "issued_to": "2026-11-01"}
        yield "first page", dict
        yield "first page, 200, oldest first", lambda: {"limit": "200", "order": "asc"}
        yield "deep page", lambda: {"cursor": self._cursor("issued", "desc")}
        yield (
            "deep page by acceptance",
            lambda: {"sort": "accepted", "order": "asc", "cursor": self._cursor("accepted", "asc")},
        )
        yield "a month", lambda: self._period(30)
        yield "accepted in a month, by issue date", lambda: self._accepted(30)
        yield "number", lambda: {"number": f"F{one.randrange(2022, 2027)}-{one.randrange(1, self.documents // 2):07}"}
        yield "beginning of a number, few", lambda: {"number_prefix": f"F2024-{one.randrange(1000):04}"}
        yield "beginning of a number, many", lambda: {"number_prefix": "F2024"}
        yield "party by SIREN, rare", lambda: {"party": self._siren(5_000, BUYERS)}
        yield "party by SIREN, frequent", lambda: {"buyer": self._siren(1, 20)}
        yield "party by name", lambda: {"party": f"n{one.randrange(1, 200)} sarl"}
        yield "our own name, all", lambda: {"seller": "atelier nord"}
        yield "text, rare word", lambda: {"text": self._word(8_000, WORDS)}
        yield "text, frequent word", lambda: {"text": self._word(1, 20)}
        yield "text, two words", lambda: {"text": f"{self._word(20, 400)} {self._word(20, 400)}"}
        yield "text, beginning of a word", lambda: {"text": f"{self._word(1_000, 2_000)}*"}
        yield "text, no such word", lambda: {"text": "introuvable"}
        yield "amount, narrow", lambda: self._amount(1.0001)
        yield "amount, wide", lambda: self._amount(3)
        yield "status, rare", lambda: {"status": "refused"}
        yield "status, frequent", lambda: {"status": "paid"}
        yield "stage, rare", lambda: {"stage": "built"}
        yield "halted", lambda: {"halted": "true"}
        yield "credit notes", lambda: {"kind": "credit_note"}
        yield (
            "combined: buyer, year, amount, kind",
            lambda: {"buyer": self._siren(1, 200), **self._period(365), **self._amount(4), "kind": "invoice"},
        )
        yield (
            "combined: text, status, currency",
            lambda: {"text": self._word(1, 200), "status": "disputed", "currency": "USD"},
        )
        yield "worst: rare word, wide period", lambda: {"text": self._word(15_000, WORDS), **wide}
        yield (
            "worst: two frequent words, wide period",
            lambda: {"text": f"{self._word(2, 60)} {self._word(2, 60)}", **wide},
        )
        yield (
            "worst: four criteria, none selective",
            lambda: {
                "text": self._word(10, 60),
                "kind": "credit_note",
                "currency": "CHF",
                "direction": "inbound",
                **wide,
            },
        )
        yield (
            "worst: no document meets it, all broad",
            lambda: {"currency": "CHF", "amount_min": "1400", "text": "w1 w2", "status": "approved", **wide},
        )
        yield "counted, all", lambda: {"count": "true", **wide}
        yield "counted, frequent word", lambda: {"count": "true", "text": self._word(1, 20)}

    def _period(self, days: int) -> Query:
        first = self._day()
        return {"issued_from": first.isoformat(), "issued_to": (first + timedelta(days=days)).isoformat()}

    def _accepted(self, days: int) -> Query:
        first = self._day()
        return {"accepted_from": first.isoformat(), "accepted_until": (first + timedelta(days=days)).isoformat()}

    def _amount(self, factor: float) -> Query:
        least = 60 * 20 ** self.chance.random()
        return {"currency": "EUR", "amount_min": f"{least:.2f}", "amount_max": f"{least * factor + 0.05:.2f}"}


async def measure(
    ask: Callable[[Query], Awaitable[int]], name: str, make: Callable[[], Query], queries: int, backends: Sequence[int]
) -> Figures:
    """Run one kind of query."""
    for _ in range(8):  # past the first plans of a statement
        await ask(make())
    took, spent, shown = [], [], []
    for _ in range(queries):
        query = make()
        start, before = time.perf_counter(), _processor(backends)
        shown.append(await ask(query))
        took.append((time.perf_counter() - start) * 1000)
        spent.append(_processor(backends) - before)
    return Figures(name, queries, statistics.median(took), _p99(took), max(took), _p99(spent), statistics.mean(shown))


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, round(0.99 * len(values)))]


def _processor(backends: Sequence[int]) -> float:
    """Milliseconds of processor time of this process and the database's."""
    of_backends = 0
    for pid in backends:
        with suppress(OSError):  # a connection that was idle for long is closed
            of_backends += int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    return (time.process_time_ns() + of_backends) / 1e6


class Explained:
    """A connection that keeps the plan of each question it is asked."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.plans: list[str] = []

    async def fetch(self, sql: str, *parameters: Any) -> Any:
        """Ask, and keep how it was answered."""
        rows = await self._connection.fetch(f"explain (analyze, buffers, costs off) {sql}", *parameters)
        self.plans.append("\n".join(row[0] for row in rows))
        return await self._connection.fetch(sql, *parameters)

    async def fetchrow(self, sql: str, *parameters: Any) -> Any:
        """The same for one row."""
        return (await self.fetch(sql, *parameters))[0]


async def explain(pool: Pool, account_id: UUID, query: Query) -> str:
    """The plans of a search."""
    asked = archive_query.read(query)
    async with pool.account(account_id) as connection:
        watched = Explained(connection)
        wanted = await archive_query.spread(watched, account_id, asked)
        if query.get("count"):
            await archive.count(watched, account_id, wanted, asked.order)
        await archive.search(
            watched, account_id, wanted, asked.order, query.get("cursor"), int(query.get("limit", "50"))
        )
    return "\n\n".join(watched.plans)


async def run(documents: int, queries: int, only: str) -> tuple[list[Figures], dict[str, float]]:
    """Fill, ask, export, tell."""
    found, plans = [], []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="estafette-bench-")))
        folder.chmod(0o755)
        compute = Compute(1, 60)
        stack.callback(compute.close)
        async with database(replace(Settings(), data=folder / "data")) as pool:
            start = time.perf_counter()
            owners = await fill(pool, documents)
            size = await _size(pool)
            print(f"{documents} documents in {time.perf_counter() - start:.0f} s; {size}", flush=True)
            async with serving(pool, compute, SystemClock(), folder) as api, AsyncExitStack() as closing:
                # a client of its own: that of aiohttp's test tools keeps every answer, and the collector walks them
                keys = [await api.key(owner) for owner in owners[:2]]
                client = await closing.enter_async_context(ClientSession(api.client.make_url("/")))

                async def ask(query: Query) -> int:
                    async with client.get("/v1/archive", params=query, headers=keys[asked[0] % 4 == 3]) as answer:
                        asked[0] += 1
                        told = await answer.json()
                        assert answer.status == 200, told
                        return len(told["documents"])

                asked = [0]
                asking = Asking(documents)
                settled()  # as `estafette serve` does
                for name, make in asking.kinds():
                    if only not in name:
                        continue
                    await ask(make())
                    async with pool.owner() as connection:
                        rows = await connection.fetch(
                            "select pid from pg_stat_activity where backend_type = 'client backend'"
                        )
                    figures = await measure(ask, name, make, queries, [row["pid"] for row in rows])
                    found.append(figures)
                    print(
                        f"{name:44} p50 {figures.p50:6.1f}  p99 {figures.p99:6.1f}  worst {figures.worst:6.1f} ms"
                        f"  processor p99 {figures.cpu_p99:5.1f} ms  {figures.shown:5.1f} shown", flush=True,
                    )  # fmt: skip
                    query = make()
                    plans.append(f"== {name}: {query}\n\n{await explain(pool, owners[0].id, query)}")
                table = await export(api.resources, owners[0].id)
                print(", ".join(f"{name} {value:,.0f}" for name, value in table.items()))
    OUT.mkdir(exist_ok=True)
    (OUT / "archive-plans.txt").write_text("\n\n\n".join(plans) + "\n")
    return found, table


async def export(resources: Resources, account_id: UUID) -> dict[str, float]:
    """The whole archive of an account as a table: rows a second, and by how much memory grew."""
    what = What(account_id, Wanted(), Order(Sort.ACCEPTED, descending=False), datetime.now(UTC))
    progress, size, before = Progress(), 0, _memory()
    start = time.perf_counter()
    async for part in as_csv(resources, what, Look(), progress):
        size += len(part)
    took = time.perf_counter() - start
    assert progress.ended
    return {
        "rows": progress.documents,
        "seconds": took,
        "rows_a_second": progress.documents / took,
        "megabytes": size / 1e6,
        "memory_grew_megabytes": (_memory() - before) / 1e6,
    }


def _memory() -> int:
    """The most bytes this process has held so far."""
    return getrusage(RUSAGE_SELF).ru_maxrss * 1024


async def _size(pool: Pool) -> str:
    async with pool.owner() as connection:
        rows = await connection.fetch(
            "select relname, pg_size_pretty(pg_total_relation_size(oid)) as size, reltuples::bigint as rows "
            "from pg_class where relname in ('document', 'archive_index', 'archive_term') order by relname"
        )
    return ", ".join(f"{row['relname']} {row['rows']} rows {row['size']}" for row in rows)


def main() -> None:
    """Measure, print, write JSON; ends with 1 when a kind of query misses the aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=200, help="of each kind")
    parser.add_argument("--only", default="", help="kinds whose name has this")
    options = parser.parse_args()
    found, table = asyncio.run(run(options.documents, options.queries, options.only))
    members = [{name: getattr(one, name) for name in Figures.__dataclass_fields__} for one in found]
    (OUT / "archive.json").write_text(
        json.dumps({"documents": options.documents, "kinds": members, "table": table}, indent=1) + "\n"
    )
    missed = [one.kind for one in found if one.p99 > AIM]
    print(f"p99 over {AIM:.0f} ms: {', '.join(missed) or 'none'}")
    raise SystemExit(1 if missed else 0)


if __name__ == "__main__":
    main()
