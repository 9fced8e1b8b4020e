"""Orders in the database: whoever issues at the same time, an invoice follows the order as it stood, or is not."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from gateway.errors import Conflict, KeyReused, NotFound
from gateway.lifecycle import Stage
from gateway.store import orders
from gateway.store.accounts import Account
from gateway.store.identifiers import new_id
from gateway.store.orders import Changed, DeliveryRow, Issue, IssuedRow, NewDelivery, NewOrder, OrderRow
from gateway.store.pool import Pool
from tests.conftest import Server
from tests.gateway.ground import NOON, open_account

FORM = {"number": "B-1", "lines": [{"id": "1", "quantity": "10", "item": {"name": "Table"}}]}


def new_order(account: Account, number: str = "B-1", *, data: bytes = b"order", key: str = "") -> NewOrder:
    identifier = new_id(NOON)
    row = OrderRow(
        account_id=account.id,
        id=identifier,
        participant="100000108",
        number=number,
        buyer="100000207",
        buyer_name="Halles",
        seller="100000108",
        issue_date=date(2026, 11, 2),
        currency="EUR",
        total=None,
        format="json",
        sha256="",
        form={**FORM, "number": number, "name": data.decode()},
        unknown=(),
        remarks=(),
        state="open",
        version=1,
        created_at=NOON,
        updated_at=NOON,
    )
    return NewOrder(row, data, "application/json", key or str(identifier), sha256(data).digest())


async def kept(pool: Pool, account: Account) -> OrderRow:
    async with pool.account(account.id) as connection:
        row, _ = await orders.keep(connection, new_order(account))
    return row


async def found(pool: Pool, order: OrderRow) -> tuple[OrderRow, tuple[DeliveryRow, ...]]:
    async with pool.account(order.account_id) as connection:
        return await orders.get(connection, order.id), await orders.deliveries(connection, order.id)


def issue(order: OrderRow, **more: Any) -> Issue:
    wanted = {
        "order": order,
        "delivery_id": new_id(NOON),
        "document_id": new_id(NOON),
        "take": 1,
        "invoice": json.dumps({"number": "0"}, indent=2).encode(),
        "number": "",
        "series": "F2026-",
        "call": {"date": "2026-11-23"},
        "at": NOON,
        "key": None,
        "fingerprint": b"f" * 32,
    }
    return Issue(**{**wanted, **more})


def delivery(seq: int = 1, quantity: str = "1", *, whole: bool = False) -> NewDelivery:
    return NewDelivery(seq, date(2026, 11, 23), "", {"1": Decimal(quantity)}, whole, ())


async def test_of_many_that_saw_the_same_order_one_issues(server: Server, database: str, pool: Pool) -> None:
    account = await open_account(pool)
    order = await kept(pool, account)
    others = [await server.pool(database) for _ in range(3)]
    try:
        told = await asyncio.gather(
            *(orders.issue(one, issue(order), delivery()) for one in (pool, *others) for _ in range(4)),
            return_exceptions=True,
        )
    finally:
        for other in others:
            await other.close()
    assert [one for one in told if not isinstance(one, Changed)] == ["F2026-000001"]
    now, delivered = await found(pool, order)
    assert now.version == 2
    assert [one.quantities for one in delivered] == [{"1": Decimal(1)}]


async def test_a_number_is_used_up_by_an_invoice_only(pool: Pool) -> None:
    """A series has no gap: a number that was taken for nothing goes back with its transaction."""
    account = await open_account(pool)
    order = await kept(pool, account)
    assert await orders.issue(pool, issue(order), delivery()) == "F2026-000001"
    with pytest.raises(Changed):
        await orders.issue(pool, issue(order), delivery(2))
    now, _ = await found(pool, order)
    broken = replace(delivery(2), quantities={"1": Decimal(-1)})
    with pytest.raises(Exception, match="order_delivery_line"):
        await orders.issue(pool, issue(now), broken)
    now, delivered = await found(pool, order)
    assert len(delivered) == 1
    assert await orders.issue(pool, issue(now), delivery(2)) == "F2026-000002"


@pytest.mark.parametrize("table", ["document", "task", "event", "order_delivery_line", "order_invoice"])
async def test_a_delivery_and_its_invoice_are_recorded_together_or_not_at_all(pool: Pool, table: str) -> None:
    account = await open_account(pool)
    order = await kept(pool, account)
    async with pool.owner() as connection:
        await connection.execute(
            "create function fail() returns trigger language plpgsql as $$ begin raise exception 'broken'; end $$;"
            f"create trigger fail before insert on {table} for each row execute function fail()"
        )
    with pytest.raises(Exception, match="broken"):
        await orders.issue(pool, issue(order, key="k"), delivery())
    async with pool.owner() as connection:
        await connection.execute(f"drop trigger fail on {table}")
        await connection.execute("set row_security = off")
        for name in ("document", "order_delivery", "order_invoice", "invoice_series", "idempotency", "task"):
            assert await connection.fetchval(f"select count(*) from {name}") == 0, name
    assert (await found(pool, order))[0].version == 1
    assert await orders.issue(pool, issue(order, key="k"), delivery()) == "F2026-000001"


async def test_series_are_apart_for_years_and_legal_entities(pool: Pool) -> None:
    account = await open_account(pool)
    order = await kept(pool, account)
    assert await orders.issue(pool, issue(order), delivery()) == "F2026-000001"
    order, _ = await found(pool, order)
    assert await orders.issue(pool, issue(order, series="F2027-"), delivery(2)) == "F2027-000001"
    order, _ = await found(pool, order)
    other = replace(order, participant="100000207")
    assert await orders.issue(pool, issue(other, number="OWN"), delivery(3)) == "OWN"


async def test_a_key_that_was_used_meanwhile_changes_nothing(pool: Pool) -> None:
    account = await open_account(pool)
    order = await kept(pool, account)
    await orders.issue(pool, issue(order, key="k"), delivery())
    order, _ = await found(pool, order)
    with pytest.raises(Changed):
        await orders.issue(pool, issue(order, key="k"), delivery(2))
    async with pool.account(account.id) as connection:
        assert await orders.issued_for(connection, "k", b"f" * 32) is not None
        assert await orders.issued_for(connection, "none", b"f" * 32) is None
        with pytest.raises(KeyReused):
            await orders.issued_for(connection, "k", b"g" * 32)
    _, delivered = await found(pool, order)
    assert len(delivered) == 1


async def test_the_state_follows_the_deliveries(pool: Pool) -> None:
    account = await open_account(pool)
    order = await kept(pool, account)
    await orders.issue(pool, issue(order), delivery(whole=True))
    order, _ = await found(pool, order)
    assert order.state == "delivered"
    async with pool.account(account.id) as connection:
        for _ in range(2):
            closed = await orders.close(connection, order.id, NOON)
            assert (closed.state, closed.version) == ("closed", order.version + 1)
        with pytest.raises(NotFound):
            await orders.close(connection, UUID(int=1), NOON)
    with pytest.raises(NotFound):
        await orders.issue(pool, issue(replace(order, id=UUID(int=1))), delivery(2))


@pytest.mark.parametrize(
    ("stage", "halted", "correctable"),
    [
        (Stage.VALIDATED, None, False),
        (Stage.PARSED, "the document breaks rules", True),
        (Stage.ARCHIVED, "no way to this participant", True),
        (Stage.ARCHIVED, "set aside: no attempt came to an end", True),
        (Stage.ROUTED, "refused by the network: too large", True),
        (Stage.ROUTED, "the network could not be reached for three days", False),
        (Stage.ROUTED, "set aside: no attempt came to an end", False),
        (Stage.DELIVERED, "refused by the platform", True),
        (Stage.DELIVERED, "the stage failed at each attempt", False),
        (Stage.ACKNOWLEDGED, "refused by the other side", True),
    ],
)
def test_another_invoice_takes_the_place_only_of_one_that_nobody_holds(
    stage: Stage, halted: str | None, correctable: bool
) -> None:
    row = IssuedRow(1, new_id(NOON), "F-1", NOON, stage, halted, None)
    assert row.correctable is correctable


async def test_an_order_is_one_for_its_buyer_and_number(pool: Pool) -> None:
    account = await open_account(pool)
    async with pool.account(account.id) as connection:
        first, there = await orders.keep(connection, new_order(account, key="k"))
        assert not there
        again, there = await orders.keep(connection, new_order(account, key="k"))
        assert (again.id, there) == (first.id, True)
        with pytest.raises(KeyReused):
            await orders.keep(connection, new_order(account, "B-2", data=b"other", key="k"))
        with pytest.raises(Conflict, match=str(first.id)):
            await orders.keep(connection, new_order(account, data=b"other"))


async def test_pages_hold_every_order_once(pool: Pool) -> None:
    account = await open_account(pool)
    async with pool.account(account.id) as connection:
        for number in range(7):
            made = new_order(account, f"B-{number}", data=b"%d" % number)
            at = datetime(2026, 11, 24, 12, number // 3, tzinfo=UTC)
            await orders.keep(connection, replace(made, row=replace(made.row, created_at=at)))
        seen, cursor = [], None
        while True:
            rows, cursor = await orders.page(connection, orders.Filter(), cursor, 2)
            seen.extend(row.number for row in rows)
            if cursor is None:
                break
    assert sorted(seen) == [f"B-{number}" for number in range(7)]
    assert seen[0] == "B-6"


async def test_what_may_be_large_is_read_only_where_it_is_needed(pool: Pool) -> None:
    account = await open_account(pool)
    order = await kept(pool, account)
    made = issue(order, call={"date": "2026-11-23", "large": "x" * 1_000})
    await orders.issue(pool, made, delivery())
    read: list[str] = []

    def noted(text: str) -> Any:
        read.append(text)
        return json.loads(text)

    async with pool.account(account.id) as connection:
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=noted)
        (listed,), _ = await orders.page(connection, orders.Filter(), None, 200)
        assert (listed.id, listed.number) == (order.id, "B-1")
        assert (await orders.head(connection, order.id)).sha256 == order.sha256
        await orders.deliveries(connection, order.id)
        assert read == ["[]"]  # the remarks of the delivery
        assert await orders.said(connection, made.document_id) == made.call


@pytest.mark.parametrize("table", ["order_delivery", "order_delivery_line", "order_invoice"])
async def test_what_was_delivered_and_invoiced_is_append_only(pool: Pool, table: str) -> None:
    account = await open_account(pool)
    await orders.issue(pool, issue(await kept(pool, account)), delivery())
    async with pool.owner() as connection:
        for role in ("estafette_app", "estafette_worker"):
            for right in ("UPDATE", "DELETE", "TRUNCATE"):
                assert not await connection.fetchval("select has_table_privilege($1, $2, $3)", role, table, right)
        await connection.execute("set row_security = off")
        for statement in (f"delete from {table}", f"truncate {table} cascade"):
            with pytest.raises(Exception, match="append-only"):
                await connection.execute(statement)
