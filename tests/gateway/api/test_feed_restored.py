"""The feed of events goes on across a restore, and says so where it cannot."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from uuid import UUID

from gateway.store import generations
from gateway.store.accounts import Account
from gateway.store.pool import Pool
from tests.gateway.api.conftest import Api, problem
from tests.gateway.api.test_feed import AT, document_of, read, write


async def restore(pool: Pool, account: Account, *, lost: int = 0, older: int = 0) -> None:
    """What is there after a dump was restored into another cluster: it says another name of itself, the last `lost`
    events were not in the dump, and the others bear transactions that this cluster reaches in `older` more.
    """
    gone = (
        "select document_id, seq from event where account_id = $1 order by event.transaction desc, position desc "
        "limit $2"
    )
    async with pool.owner() as connection, connection.transaction():
        for table in ("event", "leaf"):
            await connection.execute(f"alter table {table} disable trigger all")
            await connection.execute(f"alter table {table} no force row level security")
        await connection.execute(f"delete from event where (document_id, seq) in ({gone})", account.id, lost)
        await connection.execute(
            "update event set transaction = (transaction::text::bigint + $1)::text::xid8 where account_id = $2",
            *(older, account.id),
        )
        for table in ("event", "leaf"):
            await connection.execute(f"alter table {table} force row level security")
            await connection.execute(f"alter table {table} enable trigger all")
        await connection.execute(
            "create or replace function present_cluster() returns text language sql stable as "
            "$$ select 'another cluster' $$"
        )


async def written(pool: Pool, account: Account, document: UUID, *numbers: int) -> None:
    """One event a transaction."""
    for number in numbers:
        async with pool.account(account.id) as connection:
            await write(connection, account, document, range(number, number + 1))


def cursor(text: str) -> str:
    """A cursor as it is given."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


async def test_the_feed_goes_on_after_a_dump_was_restored_elsewhere(api: Api) -> None:
    account = await api.account()
    key, pool = await api.key(account), api.resources.pool
    document = await document_of(pool, account)
    await written(pool, account, document, 1, 2, 3)
    await restore(pool, account, older=10**9)
    assert (await read(api, key))["events"] == [], "above this cluster's horizon: what generations are for"
    opened = await generations.present(pool, AT)
    assert opened == int(AT.timestamp())
    assert await generations.present(pool, AT + timedelta(hours=1)) == opened, "once for each cluster"
    await written(pool, account, document, 4, 5)
    shown = await read(api, key, limit="2")
    rest = await read(api, key, shown["cursor"])
    assert shown["more"] is True
    assert [event["seq"] for event in (*shown["events"], *rest["events"])] == [1, 2, 3, 4, 5]
    nothing = await read(api, key, rest["cursor"])
    assert (nothing["events"], nothing["cursor"]) == ([], rest["cursor"])


async def test_a_late_commit_holds_the_later_ones_back_in_the_new_generation_too(api: Api) -> None:
    account = await api.account()
    key, pool = await api.key(account), api.resources.pool
    first, slow, fast = [await document_of(pool, account) for _ in range(3)]
    await written(pool, account, first, 1)
    await restore(pool, account, older=10**9)
    await generations.present(pool, AT)
    async with pool.account(account.id) as early:
        await write(early, account, slow, range(1, 2))
        await written(pool, account, fast, 1)
        held = await read(api, key)
        assert [event["document"] for event in held["events"]] == [str(first)]
    rest = await read(api, key, held["cursor"])
    assert [event["document"] for event in rest["events"]] == [str(slow), str(fast)]


async def test_cursors_of_before_there_were_generations_stay_good(api: Api) -> None:
    account = await api.account()
    key, pool = await api.key(account), api.resources.pool
    await written(pool, account, await document_of(pool, account), 1, 2, 3)
    page = await read(api, key, limit="1")
    generation, *place = base64.urlsafe_b64decode(page["cursor"] + "==").decode().split("|")
    assert generation == "1"
    assert [event["seq"] for event in (await read(api, key, cursor("|".join(place))))["events"]] == [2, 3]
    assert [event["seq"] for event in (await read(api, key, cursor("0|0")))["events"]] == [1, 2, 3]


async def test_a_cursor_at_an_event_that_a_restore_lost_is_told_where_to_go_on(api: Api) -> None:
    account = await api.account()
    key, pool = await api.key(account), api.resources.pool
    document = await document_of(pool, account)
    await written(pool, account, document, 1, 2, 3, 4, 5)
    places = [""]
    for _ in range(5):
        places.append((await read(api, key, places[-1], limit="1"))["cursor"])
    await restore(pool, account, lost=2)
    await generations.present(pool, AT)
    await written(pool, account, document, 4, 5, 6)
    for lost in (places[4], places[5], cursor("3|1|1")):
        answer = await api.client.get("/v1/events", params={"after": lost, "wait": "5"}, headers=key)
        assert (await problem(answer, 409, "restored"))["cursor"] == places[3]
    assert [event["seq"] for event in (await read(api, key, places[3]))["events"]] == [4, 5, 6]
    assert [event["seq"] for event in (await read(api, key, places[1]))["events"]] == [2, 3, 4, 5, 6]


async def test_a_generation_is_not_closed_before_its_last_event_stands(api: Api) -> None:
    account = await api.account()
    key, pool = await api.key(account), api.resources.pool
    document = await document_of(pool, account)
    await restore(pool, account)
    async with pool.account(account.id) as connection:
        await write(connection, account, document, range(1, 2))
        opening = asyncio.create_task(generations.present(pool, AT))
        await asyncio.sleep(0.3)
        assert not opening.done()
    assert await opening == int(AT.timestamp())
    await written(pool, account, document, 2)
    assert [event["seq"] for event in (await read(api, key))["events"]] == [1, 2]
    async with pool.account(account.id) as connection:
        kept = await connection.fetch("select generation from event order by seq")
    assert [row["generation"] for row in kept] == [1, int(AT.timestamp())]
