"""The feed of events misses nothing, repeats nothing, and waits when asked to (RELIABILITY T13)."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.api.feed import FEED
from gateway.store.accounts import Account
from gateway.store.pool import Pool
from tests.conftest import Server
from tests.gateway.api.conftest import Api, answered, conforms, problem, small

WRITERS = 8
EVENTS = 20_000
AT = datetime(2026, 11, 24, tzinfo=UTC)


async def read(api: Api, key: dict[str, str], after: str = "", **query: str) -> dict[str, Any]:
    """One page of the feed."""
    wanted = {**query, **({"after": after} if after else {})}
    return await answered(await api.client.get("/v1/events", params=wanted, headers=key), 200)


async def document_of(pool: Pool, account: Account) -> UUID:
    """A bare document to write events of."""
    identifier = uuid4()
    async with pool.account(account.id) as connection:
        await connection.execute(
            "insert into document (account_id, document_id, participant, direction, format, stage, created_at, "
            "updated_at, version, head) values ($1, $2, '404833048', 'outbound', 'cii', 'received', $3, $3, 0, $4)",
            account.id,
            identifier,
            AT,
            bytes(32),
        )
    return identifier


async def write(connection: Any, account: Account, document: UUID, numbers: range) -> None:
    """Events of a document, in the transaction of the connection."""
    await connection.execute(
        """
        insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash)
        select $1, $2, number, $3, 'received', 'done', '{}', $4, $4 from unnest($5::bigint[]) as number
        """,
        account.id,
        document,
        AT,
        bytes(32),
        list(numbers),
    )


async def writer(pool: Pool, account: Account, share: int, seed: int) -> set[tuple[str, int]]:
    """Write a share of the events in transactions that commit after a random delay."""
    dice = random.Random(seed)
    document = await document_of(pool, account)
    seq = 1
    while seq <= share:
        size = min(dice.choice((1, 3, 10, 25)), share - seq + 1)
        async with pool.account(account.id) as connection:
            await write(connection, account, document, range(seq, seq + size))
            await asyncio.sleep(dice.random() * 0.02)
        seq += size
    return {(str(document), number) for number in range(1, share + 1)}


async def test_a_reader_beside_eight_writers_misses_nothing(server: Server, database: str, api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    writing = await server.pool(database)
    tasks = [asyncio.create_task(writer(writing, account, EVENTS // WRITERS, seed)) for seed in range(WRITERS)]
    found: list[tuple[str, int]] = []
    cursor, quiet, started = "", False, time.monotonic()
    while True:
        done = all(task.done() for task in tasks)
        page = await read(api, key, cursor, limit="200")
        found += [(event["document"], event["seq"]) for event in page["events"]]
        cursor = page["cursor"]
        if done and not page["events"]:
            if quiet:
                break
            quiet = True
        assert time.monotonic() - started < 60
    written = set().union(*[await task for task in tasks])
    await writing.close()
    assert len(written) == EVENTS
    assert len(found) == len(set(found)), "an event came twice"
    assert set(found) == written, f"{len(written - set(found))} events were missed"
    for document in {name for name, _ in found}:
        assert [seq for name, seq in found if name == document] == list(range(1, EVENTS // WRITERS + 1))


async def test_a_late_commit_holds_the_later_ones_back(server: Server, database: str, api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    pool = await server.pool(database)
    slow, fast = await document_of(pool, account), await document_of(pool, account)
    async with pool.account(account.id) as early:
        await write(early, account, slow, range(1, 2))
        async with pool.account(account.id) as late:
            await write(late, account, fast, range(1, 2))
        assert (await read(api, key))["events"] == []
    shown = await read(api, key)
    assert [event["document"] for event in shown["events"]] == [str(slow), str(fast)]
    assert (await read(api, key, shown["events"][0]["cursor"]))["events"] == shown["events"][1:]
    await pool.close()


async def test_who_waits_is_answered_with_the_first_event(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    other = await api.key(await api.account(number=1))
    started = time.monotonic()
    waiting = [asyncio.create_task(read(api, key, wait="30")) for _ in range(20)]
    stranger = asyncio.create_task(read(api, other, wait="5"))
    assert api.client.app is not None
    for _ in range(80):
        if len(api.client.app[FEED]._pollers) == 2:
            break
        await asyncio.sleep(0.05)
    assert len(api.client.app[FEED]._pollers) == 2, "one poller for each account, not for each waiter"
    document = await answered(await api.submit(key, small("a")), 202)
    for page in await asyncio.gather(*waiting):
        assert [event["document"] for event in page["events"]] == [document["id"]]
        conforms(page["events"][0], "Event")
    assert time.monotonic() - started < 20
    nothing = await stranger
    assert nothing["events"] == []
    assert nothing["more"] is False
    assert (await read(api, other, nothing["cursor"]))["cursor"] == nothing["cursor"]
    for _ in range(50):
        if not api.client.app[FEED]._pollers:
            break
        await asyncio.sleep(0.05)
    assert api.client.app[FEED]._pollers == {}
    assert api.client.app[FEED]._waiters == {}


async def test_a_gateway_that_stops_keeps_nobody_waiting(api: Api) -> None:
    key = await api.key(await api.account())
    waiting = asyncio.create_task(read(api, key, wait="60"))
    await asyncio.sleep(0.3)
    started = time.monotonic()
    assert api.client.app is not None
    await api.client.app.shutdown()
    assert (await waiting)["events"] == []
    assert time.monotonic() - started < 2
    ready = await api.client.get("/health/ready")
    assert ready.status == 503


async def test_pages_go_on_where_they_ended(api: Api) -> None:
    key = await api.key(await api.account())
    ids = [(await answered(await api.submit(key, small(str(n))), 202))["id"] for n in range(5)]
    first = await read(api, key, limit="2")
    assert first["more"] is True
    rest = await read(api, key, first["cursor"], limit="3")
    assert rest["more"] is False
    assert [event["document"] for event in (*first["events"], *rest["events"])] == ids


@pytest.mark.parametrize("cursor", ["x", "a|b", "-1|2", "1|", "99999999999999999999|1", "1|2|3|4", "1|-2|3", "١|٢"])
async def test_a_cursor_that_is_not_ours_is_refused(api: Api, cursor: str) -> None:
    key = await api.key(await api.account())
    made = base64.urlsafe_b64encode(cursor.encode()).decode()
    for after in (made, cursor):
        await problem(await api.client.get("/v1/events", params={"after": after}, headers=key), 400, "malformed")
    for query in ("wait=61", "wait=-1", "limit=0", "limit=201", "since=1"):
        await problem(await api.client.get(f"/v1/events?{query}", headers=key), 400, "malformed")
