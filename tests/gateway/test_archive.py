"""The archive's index and its search: what is found, in which order, and never more work than a page may make."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from adapters.port import Networks
from gateway import indexing
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.errors import Malformed
from gateway.lifecycle import Halted, Kept, Role, Stage
from gateway.resources import Resources
from gateway.sought import Sought, sought, words
from gateway.store import archive, archive_index, contents, migrate
from gateway.store.accounts import Account
from gateway.store.archive import Found, Order, Sort, Wanted
from gateway.store.identifiers import new_id
from gateway.store.journal import commit
from gateway.store.pool import Pool
from schemas import json_form
from tests.conftest import Server
from tests.gateway.api.conftest import sample
from tests.gateway.ground import NOON, NOTARY, admitted, open_account, parsed, step, the_claim

EVERY = [Order(sort, descending) for sort in Sort for descending in (True, False)]


async def read(pool: Pool, account: Account, number: str, terms: Sequence[str] = (), **columns: Any) -> UUID:
    """A document that was parsed, with these terms."""
    admission = await admitted(pool, account.id, number.encode())
    claim = await the_claim(pool, admission.document_id)
    outcome = parsed(number)
    outcome = replace(outcome, columns={**outcome.columns, **columns}, sought=Sought("Nom", "Acheteur", tuple(terms)))
    await commit(pool, claim, [step(Stage.PARSED, outcome)], go_on=False)
    return admission.document_id


async def filled(pool: Pool, account: Account, count: int, seed: int = 1) -> list[dict[str, Any]]:
    """Many rows at once, as the line would have made them; what they say is returned."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        at = NOON + timedelta(minutes=number)
        issued = None if number % 17 == 0 else date(2026, 1, 1) + timedelta(days=chance.randrange(200))
        rows.append(
            {
                "id": new_id(at),
                "at": at,
                "issued": issued,
                "number": f"F-{number % 40:03}-{number}",
                "currency": chance.choice(("EUR", "EUR", "EUR", "CHF")),
                "total": None if number % 23 == 0 else Decimal(chance.randrange(-50_000, 200_000)) / 100,
                "stage": chance.choice(("settled", "settled", "delivered", "parsed")),
                "status": chance.choice((None, "approved", "refused")),
                "halted": "broken" if number % 31 == 0 else None,
                "terms": sorted({chance.choice(("table", "chaise", "lampe", "s#1", "s#2")) for _ in range(2)}),
                "type_code": chance.choice(("380", "380", "381")),
            }
        )
    async with pool.account(account.id) as connection:
        await connection.executemany(
            """
            insert into document (account_id, document_id, participant, direction, format, stage, halted, status,
                number, type_code, issue_date, currency, total, created_at, updated_at, version, head)
            values ($1, $2, '100000108', 'outbound', 'cii', $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, 1, $12)
            """,
            [
                (account.id, r["id"], r["stage"], r["halted"], r["status"], r["number"], r["type_code"], r["issued"],
                 r["currency"], r["total"], r["at"], bytes(32))
                for r in rows
            ],
        )  # fmt: skip
        for row in rows:
            await archive_index.enter(connection, row["id"], Sought(terms=tuple(row["terms"])))
    return rows


async def everything(pool: Pool, account: Account, wanted: Wanted, order: Order, limit: int = 7) -> list[Found]:
    """All pages of a search."""
    found: list[Found] = []
    cursor = None
    async with pool.account(account.id) as connection:
        while True:
            page = await archive.search(connection, account.id, wanted, order, cursor, limit)
            assert len(page.documents) <= limit
            found += page.documents
            cursor = page.cursor
            if cursor is None:
                return found


def expected(rows: list[dict[str, Any]], wanted: Wanted, order: Order) -> list[UUID]:
    """What a search must give, told by plain Python."""

    def meets(row: dict[str, Any]) -> bool:
        issued, total = row["issued"], row["total"]
        return (
            (wanted.issued_from is None or (issued is not None and issued >= wanted.issued_from))
            and (wanted.issued_to is None or (issued is not None and issued <= wanted.issued_to))
            and (wanted.accepted_from is None or row["at"] >= wanted.accepted_from)
            and (wanted.accepted_until is None or row["at"] < wanted.accepted_until)
            and all(set(group) & set(row["terms"]) for group in wanted.groups)
            and wanted.number in (None, row["number"])
            and row["number"].startswith(wanted.number_prefix or "")
            and wanted.currency in (None, row["currency"])
            and (wanted.amount_min is None or (total is not None and total >= wanted.amount_min))
            and (wanted.amount_max is None or (total is not None and total <= wanted.amount_max))
            and wanted.stage in (None, row["stage"])
            and wanted.status in (None, row["status"])
            and (wanted.halted is None or (row["halted"] is not None) == wanted.halted)
            and (wanted.type_codes is None or row["type_code"] in wanted.type_codes)
            and (wanted.other_type_codes is None or row["type_code"] not in wanted.other_type_codes)
        )

    def key(row: dict[str, Any]) -> tuple[date, UUID]:
        day = row["issued"] or row["at"].date()
        return (day if order.sort is Sort.ISSUED else date.min, row["id"])

    return [row["id"] for row in sorted(filter(meets, rows), key=key, reverse=order.descending)]


WANTED = [
    Wanted(),
    Wanted(issued_from=date(2026, 2, 1), issued_to=date(2026, 3, 15)),
    Wanted(accepted_from=NOON + timedelta(minutes=30), accepted_until=NOON + timedelta(minutes=90)),
    Wanted(groups=(("table",), ("chaise", "lampe"))),
    Wanted(groups=(("s#1",),), issued_from=date(2026, 3, 1)),
    Wanted(groups=(("nobody",),)),
    Wanted(number="F-007-47"),
    Wanted(number_prefix="F-01"),
    Wanted(currency="CHF"),
    Wanted(currency="EUR", amount_min=Decimal("-10.005"), amount_max=Decimal("300")),
    Wanted(currency="EUR", amount_min=Decimal("1999.99")),
    Wanted(stage=Stage.DELIVERED, status="approved"),
    Wanted(halted=True),
    Wanted(halted=False, type_codes=("381",)),
    Wanted(other_type_codes=("381",), groups=(("lampe",),), stage=Stage.SETTLED, currency="EUR"),
]


@pytest.mark.parametrize("few", [0, 25, 2_000])
async def test_every_search_finds_what_it_must_in_its_order(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """The same answers whether a criterion leads the search or the order does."""
    monkeypatch.setattr(archive, "FEW", few)
    monkeypatch.setattr(archive, "WINDOWS", (3, 10))
    monkeypatch.setattr(archive, "WINDOWS_WITH_STATE", (2, 7))
    account, other = await open_account(pool), await open_account(pool, "Other")
    rows = await filled(pool, account, 150)
    await filled(pool, other, 40, seed=2)
    for wanted in WANTED:
        for order in EVERY:
            found = await everything(pool, account, wanted, order)
            assert [one.id for one in found] == expected(rows, wanted, order), (wanted, order)
            async with pool.account(account.id) as connection:
                counted = await archive.count(connection, account.id, wanted, order)
            assert (counted.documents, counted.exact) == (len(found), True)


async def test_a_count_says_when_it_stopped(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await open_account(pool)
    rows = await filled(pool, account, 30)
    monkeypatch.setattr(archive, "COUNT_LIMIT", 10)
    monkeypatch.setattr(archive, "FEW", 5)
    async with pool.account(account.id) as connection:
        counted = await archive.count(connection, account.id, Wanted(other_type_codes=("381",)), Order())
    assert counted.documents <= 10 < len([row for row in rows if row["type_code"] != "381"])
    assert not counted.exact


async def test_pages_stay_while_documents_come(pool: Pool) -> None:
    """What was there is shown once each, whatever comes in between."""
    account = await open_account(pool)
    rows = await filled(pool, account, 30)
    for order in EVERY:
        seen: list[UUID] = []
        cursor, turn = None, 0
        while True:
            async with pool.account(account.id) as connection:
                page = await archive.search(connection, account.id, Wanted(), order, cursor, 5)
            seen += [one.id for one in page.documents]
            if page.cursor is None:
                break
            cursor, turn = page.cursor, turn + 1
            await read(pool, account, f"{order}-{turn}", issue_date=date(2026, 1, 1) + timedelta(days=turn))
        assert len(seen) == len(set(seen))
        assert {row["id"] for row in rows} <= set(seen)


async def test_a_cursor_is_of_its_order_and_ours(pool: Pool) -> None:
    account = await open_account(pool)
    await filled(pool, account, 10)
    async with pool.account(account.id) as connection:
        page = await archive.search(connection, account.id, Wanted(), EVERY[0], None, 3)
        for wrong in ("", "x", "bm9uZQ", f"{page.cursor}A", str(page.cursor)[:-2], "é"):
            with pytest.raises(Malformed):
                await archive.search(connection, account.id, Wanted(), EVERY[0], wrong or "-", 3)
        for order in EVERY[1:]:
            with pytest.raises(Malformed):
                await archive.search(connection, account.id, Wanted(), order, page.cursor, 3)


async def test_an_account_sees_its_own(pool: Pool) -> None:
    one, other = await open_account(pool), await open_account(pool, "Other")
    mine, theirs = await read(pool, one, "F-1", ["table"]), await read(pool, other, "F-1", ["table"])
    for account, owned in ((one, mine), (other, theirs)):
        found = await everything(pool, account, Wanted(groups=(("table",),)), Order())
        assert [(doc.account_id, doc.id) for doc in found] == [(account.id, owned)]
        async with pool.account(account.id) as connection:
            assert await connection.fetchval("select count(*) from archive_term") == 1
            assert await archive.spread(connection, account.id, "ta") == ["table"]


async def test_what_cannot_be_read_is_found_too(pool: Pool) -> None:
    account = await open_account(pool)
    admission = await admitted(pool, account.id)
    async with pool.account(account.id) as connection:
        assert await archive.unread(connection, None, None) == [admission.document_id]
    claim = await the_claim(pool, admission.document_id)
    await commit(pool, claim, [step(Stage.PARSED, Halted("the submission cannot be read"))], go_on=False)
    (found,) = await everything(pool, account, Wanted(halted=True), Order())
    assert (found.id, found.number, found.seller_name, found.issue_date) == (admission.document_id, None, "", None)
    async with pool.account(account.id) as connection:
        assert await archive.unread(connection, None, None) == []


async def test_a_tombstone_erases_what_the_index_says(pool: Pool) -> None:
    account = await open_account(pool)
    gone, stays = await read(pool, account, "F-1", ["table", "s#1"]), await read(pool, account, "F-2", ["table"])
    async with pool.account(account.id) as connection:
        await connection.execute(
            """
            insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash)
            values ($1, $2, 99, $3, 'settled', 'purged', '{}', $4, $4)
            """,
            account.id,
            gone,
            NOON,
            bytes(32),
        )
        row = await connection.fetchrow("select * from archive_index where document_id = $1", gone)
        left = await connection.fetch("select term, document_id from archive_term")
        await archive_index.enter(connection, gone, Sought("Nom", terms=("table",)))
        await archive_index.renew(connection, gone, Sought("Nom", terms=("table",)))
        assert await archive_index.outdated(connection, UUID(int=0), 10) == []
    assert (row["total"], row["currency"], row["seller_name"], row["terms"], row["refers_to"]) == (
        None,
        None,
        "",
        [],
        {},
    )
    assert [(one["term"], one["document_id"]) for one in left] == [("table", stays)]
    assert [one.id for one in await everything(pool, account, Wanted(groups=(("table",),)), Order())] == [stays]
    (tombstone,) = await everything(pool, account, Wanted(number="F-1"), Order())
    assert (tombstone.id, tombstone.erased_at) == (gone, NOON)
    assert (tombstone.seller, tombstone.seller_name, tombstone.total) == (None, "", None)


async def test_a_row_is_made_anew(pool: Pool) -> None:
    account = await open_account(pool)
    document_id = await read(pool, account, "F-1", ["table", "s#1"])
    async with pool.account(account.id) as connection:
        assert await archive_index.outdated(connection, UUID(int=0), 10) == []
        assert await archive_index.forget_edition(connection) == 1
        assert await archive_index.outdated(connection, UUID(int=0), 10) == [document_id]
        await archive_index.enter(connection, document_id, Sought("Nul", terms=("nul",)))
        await archive_index.renew(connection, document_id, Sought("Neuf", terms=("chaise", "s#1")))
        assert await archive_index.outdated(connection, UUID(int=0), 10) == []
        terms = await connection.fetch("select term from archive_term order by term")
    assert [row["term"] for row in terms] == ["chaise", "s#1"]
    assert [one.seller_name for one in await everything(pool, account, Wanted(), Order())] == ["Neuf"]


async def test_what_was_there_before_the_index_is_in_it_and_read_again(server: Server) -> None:
    """A database of an older release: found at once by what its rows say, by words once its bytes were read."""
    name = f"estafette_older_{os.getpid()}"
    await server.command(f"create database {name}")
    older, compute = await server.pool(name), Compute(1, 60)
    try:
        with tempfile.TemporaryDirectory() as folder:
            for file in migrate.files():
                if file.name < "0009":
                    (Path(folder) / f"{file.name}.sql").write_text(file.sql, encoding="utf-8")
            await migrate.apply(older, Path(folder))
        account = Account(new_id(NOON), "Atelier", french=False, original="as_submitted", participants=())
        ids = [new_id(NOON), new_id(NOON), new_id(NOON)]
        async with older.account(account.id) as connection:  # with the columns that release had
            await connection.execute(
                "insert into account (account_id, name, french, original, created_at) values ($1, $2, false, $3, $4)",
                *(account.id, account.name, account.original, NOON),
            )
            for number, document_id in enumerate(ids):
                await connection.execute(
                    """
                    insert into document (account_id, document_id, participant, direction, format, stage, number,
                        type_code, issue_date, seller, currency, total, created_at, updated_at, version, head)
                    values ($1, $2, '100000108', 'outbound', 'json', 'settled', $3, '380', $4, '100 000 108', 'EUR',
                        12.345, $5, $5, 1, $6)
                    """,
                    *(account.id, document_id, f"F-{number}", date(2026, 3, 1), NOON, bytes(32)),
                )
                await connection.execute(
                    """
                    insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash)
                    values ($1, $2, 1, $3, 'received', 'done', '{}', $4, $4)
                    """,
                    *(account.id, document_id, NOON, bytes(32)),
                )
        assert "0009_the_archive_index" in await migrate.apply(older)
        await older.keys.renew(older, NOON)
        data = sample("json/invoice-simple.json")
        async with older.account(account.id) as connection:
            for number, document_id in enumerate(ids):
                kept = Kept(Role.SUBMISSION, "application/json", data if number else b"not read")
                await contents.put(connection, account.id, [kept])
                await connection.execute(
                    "insert into entry values ($1, $2, 1, 'submission', $3)",
                    *(account.id, document_id, sha256(kept.data).digest()),
                )
        by_siren = Wanted(groups=(("s#100000108",),))
        narrow = Wanted(currency="EUR", amount_min=Decimal("12.345"), amount_max=Decimal("12.345"))
        for wanted in (by_siren, narrow, Wanted(number_prefix="F-")):
            assert {one.id for one in await everything(older, account, wanted, Order())} == set(ids)
        resources = Resources(older, Networks(()), SettableClock(NOON), compute, NOTARY)
        done = await indexing.renew(resources, account.id)
        assert (done.documents, done.troubles) == (3, [])
        assert (await indexing.renew(resources, account.id)).documents == 0
        name_word = f"s~{words(json_form.read(data).seller.name)[0]}"
        found = await everything(older, account, Wanted(groups=((name_word,),)), Order())
        assert {one.id for one in found} == set(ids[1:])
        assert {one.seller_name for one in found} == {json_form.read(data).seller.name}
    finally:
        compute.close()
        await older.close()
        await server.command(f"drop database {name} with (force)")


async def test_the_beginning_of_a_word_spreads_to_its_words(pool: Pool) -> None:
    account = await open_account(pool)
    await read(pool, account, "F-1", ["tab", "table", "tableau", "tard"])
    await read(pool, account, "F-2", ["table", *(f"w{number:03}" for number in range(100))])
    async with pool.account(account.id) as connection:
        assert await archive.spread(connection, account.id, "tab") == ["tab", "table", "tableau"]
        assert await archive.spread(connection, account.id, "x") == []
        assert len(await archive.spread(connection, account.id, "w")) == archive.SPREAD_LIMIT + 1


PLANS = [
    (Wanted(), EVERY[0], "archive_index_day"),
    (Wanted(issued_from=date(2026, 3, 1), issued_to=date(2026, 3, 31)), EVERY[1], "archive_index_day"),
    (Wanted(accepted_from=NOON), EVERY[2], "archive_index_pkey"),
    (Wanted(groups=(("table",),)), EVERY[0], "archive_term_pkey"),
    (Wanted(number="F-001-1"), EVERY[0], "archive_index_number"),
    (Wanted(number_prefix="F-001"), EVERY[0], "archive_index_number"),
    (Wanted(currency="EUR", amount_min=Decimal(10), amount_max=Decimal(900)), EVERY[0], "archive_index_amount"),
    (Wanted(stage=Stage.PARSED), EVERY[0], "document_stage"),
    (Wanted(status="refused"), EVERY[0], "document_status"),
    (Wanted(halted=True), EVERY[0], "document_halted"),
]


@pytest.mark.parametrize(("wanted", "order", "index"), PLANS)
async def test_each_search_uses_its_index(pool: Pool, wanted: Wanted, order: Order, index: str) -> None:
    """The plans of all that a search asks, as the application's role has them: no scan of a whole table."""
    plans = await planned(pool, wanted, order)
    assert any(index in plan for plan in plans), plans


@pytest.mark.parametrize(
    "wanted", [Wanted(status="refused"), Wanted(stage=Stage.PARSED), Wanted(halted=False), Wanted(halted=True)]
)
async def test_a_state_of_many_is_asked_of_each_document_alone(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, wanted: Wanted
) -> None:
    """And never of all documents of that state, to be kept hashed: that grows with the archive."""
    monkeypatch.setattr(archive, "FEW", 0)
    plans = await planned(pool, wanted, EVERY[0])
    (along,) = [plan for plan in plans if "WindowAgg" in plan]
    assert "hashed" not in along, along
    assert "document_pkey" in along, along


async def planned(pool: Pool, wanted: Wanted, order: Order) -> list[str]:
    """The plans of all that one search asks."""
    account = await open_account(pool)
    await filled(pool, account, 60)
    async with pool.owner() as connection:
        await connection.execute("vacuum analyze archive_index, archive_term, document")
    plans: list[str] = []
    async with pool.account(account.id) as connection:
        await connection.execute("set local enable_seqscan = off")
        await connection.execute("set local enable_bitmapscan = off")
        await connection.execute("set local plan_cache_mode = force_generic_plan")

        class Explained:
            """The connection, which keeps the plan of each question."""

            async def fetch(self, sql: str, *parameters: Any) -> Any:
                asked = await connection.fetch(f"explain {sql}", *parameters)
                plans.append("\n".join(row[0] for row in asked))
                return await connection.fetch(sql, *parameters)

        found = await archive.search(Explained(), account.id, wanted, order, None, 5)
    assert found.documents
    assert not any("Seq Scan" in plan for plan in plans), plans
    return plans


async def test_the_application_never_changes_who_read(pool: Pool) -> None:
    account = await open_account(pool)
    async with pool.account(account.id) as connection:
        await connection.execute(
            "insert into archive_read values ($1, $2, $3, 'estk_1', 'search', '{}', 1, true, '', '')",
            account.id, new_id(NOON), NOON,
        )  # fmt: skip
    for change in ("update archive_read set found = 2", "delete from archive_read"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with pool.account(account.id) as connection:
                await connection.execute(change)


def test_words_are_folded() -> None:
    assert words("Société «L'Œuf d'Or», n° 12-bis") == ["societe", "l", "oeuf", "d", "or", "n", "12", "bis"]
    assert words("STRASSE straße ÉTÉ ete\u0301 ﬁn") == ["strasse", "strasse", "ete", "ete", "fin"]
    assert words("") == words("… — !") == []


def test_an_invoice_is_found_by_what_it_says() -> None:
    invoice = json_form.read(sample("json/invoice-simple.json"))
    found = sought(invoice)
    assert found.seller_name == invoice.seller.name
    assert {f"s~{word}" for word in words(invoice.seller.name)} <= set(found.terms)
    assert {f"b~{word}" for word in words(invoice.buyer.name)} <= set(found.terms)
    assert invoice.seller.legal_id
    assert f"s#{invoice.seller.legal_id.value}" in found.terms
    assert {word for line in invoice.lines for word in words(line.item.name)} <= set(found.terms)
    assert len(set(found.terms)) == len(found.terms)
    long = replace(invoice, lines=tuple(replace(invoice.lines[0], item=replace(invoice.lines[0].item,
                   name=f"w{number}")) for number in range(2_000)))  # fmt: skip
    assert len(sought(long).terms) == 400
