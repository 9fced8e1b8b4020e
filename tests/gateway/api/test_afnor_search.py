"""Searching flows: the criteria of the standard, and that no page loses a flow, whatever falls on one instant."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.clock import SettableClock
from gateway.lifecycle import Kept, Role
from gateway.store import flows
from gateway.store.accounts import Account
from gateway.store.identifiers import new_id
from gateway.store.journal import Submission, enter
from tests.gateway.api.conftest import Api, small
from tests.gateway.api.test_afnor_flows import CII, FLOWS, answered, hand_in, refused

EPOCH = "1970-01-01T00:00:00Z"


async def search(api: Api, key: dict[str, str], **asked: Any) -> dict[str, Any]:
    """One page."""
    return await answered(await api.client.post(f"{FLOWS}/search", json=asked, headers=key))


async def ids(api: Api, key: dict[str, str], **where: Any) -> set[str]:
    """The flows that meet some criteria, each told once."""
    found = [flow["flowId"] for flow in (await search(api, key, where=where, limit=100))["results"]]
    assert len(set(found)) == len(found)
    return set(found)


async def at_one_instant(api: Api, account: Account, many: int, mark: str = "") -> set[str]:
    """So many documents in one transaction, all at the same instant."""
    now = api.resources.clock.now()
    made = [new_id(now) for _ in range(many)]
    async with api.resources.pool.account(account.id) as connection:
        for number, document_id in enumerate(made):
            data = small(f"{mark}{number}")
            kept = (Kept(Role.SUBMISSION, "application/xml", data),)
            await enter(
                connection,
                Submission(account.id, document_id, account.participants[0], "cii", kept, now, None, b"f" * 32),
            )
    return {str(document_id) for document_id in made}


async def every_page(api: Api, key: dict[str, str], limit: int, cursor: str | None = None) -> list[list[str]]:
    """All pages by cursor."""
    pages = []
    while True:
        asked = {"cursor": cursor} if cursor else {}
        page = await search(api, key, where={"updatedAfter": EPOCH}, limit=limit, **asked)
        pages.append([flow["flowId"] for flow in page["results"]])
        cursor = page.get("nextCursor")
        if cursor is None:
            return pages


async def test_the_criteria(api: Api, clock: SettableClock) -> None:
    account = await api.account()
    key = await api.key(account)
    good = (await answered(await hand_in(api, key, trackingId="good", processingRule="B2B"), 202))["flowId"]
    bad_data = CII.replace(b"<ram:TypeCode>380", b"<ram:TypeCode>999")
    bad = (await answered(await hand_in(api, key, bad_data, processingRule="OutOfScope"), 202))["flowId"]
    await api.worker.drain()
    clock.advance(timedelta(hours=1))
    late = (await answered(await hand_in(api, key, small("late")), 202))["flowId"]
    assert await ids(api, key, trackingId="good") == {good}
    assert await ids(api, key, trackingId="goo") == set()
    assert await ids(api, key, ackStatus="Ok") == {good}
    assert await ids(api, key, ackStatus="Error") == {bad}
    assert await ids(api, key, ackStatus="Pending") == {late}
    assert await ids(api, key, flowType=["CustomerInvoice"]) == {good, bad}
    assert await ids(api, key, flowType=["Undefined", "CustomerInvoice"]) == {good, bad, late}
    assert await ids(api, key, flowType=["StateInvoice"]) == set()
    assert await ids(api, key, processingRule=["B2B"]) == {good}
    assert await ids(api, key, processingRule=["Undefined", "OutOfScope"]) == {bad, late}
    assert await ids(api, key, flowDirection=["In"]) == set()
    assert await ids(api, key, flowDirection=["In", "Out"], ackStatus="Ok") == {good}
    assert await ids(api, key, updatedAfter="2026-11-24T12:30:00Z") == {late}
    assert await ids(api, key, updatedAfter="2026-11-24T13:30:00+01:00") == {late}
    assert await ids(api, key, updatedBefore="2026-11-24T12:30:00Z") == {good, bad}
    assert await ids(api, key, updatedAfter="9999-12-31T23:59:59-23:59") == set()
    at = (await search(api, key, where={"trackingId": "good"}))["results"][0]["updatedAt"]
    assert good not in await ids(api, key, updatedAfter=at)
    assert good not in await ids(api, key, updatedBefore=at)
    stranger = await api.key(await api.account(number=1))
    assert await ids(api, stranger, updatedAfter=EPOCH) == set()


async def test_the_answer_tells_what_was_asked(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    await at_one_instant(api, account, 30)
    where = {"updatedAfter": EPOCH, "flowDirection": ["Out"]}
    page = await search(api, key, where={**where, "unknown": [1.5, "\ud800"]})
    assert (page["limit"], page["filters"], len(page["results"])) == (25, where, 25)
    rest = await search(api, key, where=where, cursor=page["nextCursor"])
    assert len(rest["results"]) == 5
    assert "nextCursor" not in rest


async def test_a_question_that_is_none_is_refused(api: Api) -> None:
    key = await api.key(await api.account())
    where = {"updatedAfter": EPOCH}
    for body, code in (
        ({}, "MISSING_REQUIRED_FIELD"),
        ({"where": {}}, "MISSING_REQUIRED_FIELD"),
        ({"where": {"flowType": []}}, "MISSING_REQUIRED_FIELD"),
        ({"where": {"unknown": 1}}, "MISSING_REQUIRED_FIELD"),
        ({"where": []}, "MISSING_REQUIRED_FIELD"),
        ({"where": where, "limit": 0}, "INVALID_FIELD"),
        ({"where": where, "limit": 101}, "INVALID_FIELD"),
        ({"where": where, "limit": True}, "INVALID_FIELD"),
        ({"where": where, "limit": "5"}, "INVALID_FIELD"),
        ({"where": where, "cursor": "!"}, "INVALID_FIELD"),
        ({"where": where, "cursor": "é"}, "INVALID_FIELD"),
        ({"where": where, "cursor": 5}, "INVALID_FIELD"),
        ({"where": {"updatedAfter": "yesterday"}}, "INVALID_FIELD"),
        ({"where": {"updatedAfter": "2026-01-01"}}, "INVALID_FIELD"),
        ({"where": {"updatedAfter": "2026-13-01T00:00:00Z"}}, "INVALID_FIELD"),
        ({"where": {"updatedAfter": None}}, "INVALID_FIELD"),
        ({"where": {"flowType": "CustomerInvoice"}}, "INVALID_FIELD"),
        ({"where": {"flowType": ["Invoice"]}}, "INVALID_FIELD"),
        ({"where": {"flowType": [[]]}}, "INVALID_FIELD"),
        ({"where": {"ackStatus": ["Ok"]}}, "INVALID_FIELD"),
        ({"where": {"trackingId": "t" * 65}}, "INVALID_FIELD"),
        ({"where": {"trackingId": "\u0000"}}, "INVALID_FIELD"),
    ):
        await refused(await api.client.post(f"{FLOWS}/search", json=body, headers=key), 400, code)
    for data in (b"", b"[]", b"{", b'{"where": {}, "where": {}}', b"\xff"):
        headers = {**key, "Content-Type": "application/json"}
        answer = await api.client.post(f"{FLOWS}/search", data=data, headers=headers)
        await refused(answer, 400, "INVALID_REQUEST")


@pytest.mark.parametrize("limit", [100, 7])
async def test_flows_of_one_instant_are_all_on_some_page(api: Api, limit: int) -> None:
    account = await api.account()
    key = await api.key(account)
    made = await at_one_instant(api, account, 250)
    pages = await every_page(api, key, limit)
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    seen = [one for page in pages for one in page]
    assert len(seen) == 250
    assert set(seen) == made


async def test_who_pages_by_instants_loses_none_of_one_instant(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    made = await at_one_instant(api, account, 250)
    after, seen = EPOCH, list[str]()
    while True:
        page = (await search(api, key, where={"updatedAfter": after}, limit=100))["results"]
        seen += [flow["flowId"] for flow in page]
        if len(page) < 100:
            break
        after = max(flow["updatedAt"] for flow in page)
    assert len(seen) == 250
    assert set(seen) == made


async def test_none_is_lost_while_others_are_written(api: Api) -> None:
    """Transactions that end in another order than they began, at the same instant, under a reader of either kind."""
    account = await api.account()
    key = await api.key(account)
    made: set[str] = set()
    done = asyncio.Event()

    async def write(number: int) -> None:
        for round_ in range(6):
            made.update(await at_one_instant(api, account, 1 + (number * 7 + round_) % 9, f"{number}-{round_}-"))
            await asyncio.sleep(0.003 * (number % 3))

    async def follow(asked: dict[str, Any], step: Any) -> set[str]:
        seen: set[str] = set()
        while True:
            last = done.is_set()
            page = await search(api, key, limit=10, **asked)
            seen |= {flow["flowId"] for flow in page["results"]}
            if page["results"]:
                step(asked, page)
            elif last:
                return seen

    def by_instant(asked: dict[str, Any], page: dict[str, Any]) -> None:
        asked["where"] = {"updatedAfter": page["results"][-1]["updatedAt"]}

    def by_cursor(asked: dict[str, Any], page: dict[str, Any]) -> None:
        if "nextCursor" in page:
            asked["cursor"] = page["nextCursor"]
        else:  # the last page of the moment: go on behind its last flow
            asked.pop("cursor", None)
            by_instant(asked, page)

    readers = [
        asyncio.create_task(follow({"where": {"updatedAfter": EPOCH}}, step)) for step in (by_instant, by_cursor)
    ]
    await asyncio.gather(*(write(number) for number in range(8)))
    done.set()
    for seen in await asyncio.gather(*readers):
        assert seen == made


async def test_a_flow_that_commits_late_comes_behind_what_was_shown(api: Api, clock: SettableClock) -> None:
    """RELIABILITY T13 for flows: begun earlier, with an earlier instant, committed after another was read."""
    account = await api.account()
    key = await api.key(account)
    now = clock.now()
    late = new_id(now)
    kept = (Kept(Role.SUBMISSION, "application/xml", small("late")),)
    submission = Submission(account.id, late, account.participants[0], "cii", kept, now, None, b"f" * 32)
    async with api.resources.pool.account(account.id) as connection:
        await enter(connection, submission)
        clock.advance(timedelta(seconds=5))
        early = await at_one_instant(api, account, 1)
        shown = await search(api, key, where={"updatedAfter": EPOCH})
        assert shown["results"] == []  # not final while the other may still commit
    page = await search(api, key, where={"updatedAfter": EPOCH}, limit=1)
    first = page["results"][0]
    rest = await search(api, key, where={"updatedAfter": first["updatedAt"]})
    assert {first["flowId"], *(flow["flowId"] for flow in rest["results"])} == {str(late), *early}


async def test_flows_in_order_can_be_made_anew(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    await at_one_instant(api, account, 20)
    before = (await search(api, key, where={"updatedAfter": EPOCH}, limit=100))["results"]
    async with api.resources.pool.owner() as connection:
        await connection.execute("truncate flow, flow_place")
    assert (await search(api, key, where={"updatedAfter": EPOCH}, limit=100))["results"] == before


async def test_many_events_are_put_in_order_in_several_goes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await api.account()
    key = await api.key(account)
    made = await at_one_instant(api, account, 50)
    monkeypatch.setattr(flows, "EVENTS_AT_ONCE", 7)
    assert {one for page in await every_page(api, key, 100) for one in page} == made


async def test_the_name_and_the_tracking_id_go_with_the_document(api: Api) -> None:
    """What a caller named it may say who was invoiced: it is erased when the retention ends."""
    account = await api.account()
    key = await api.key(account)
    flow_id = (await answered(await hand_in(api, key, trackingId="t", name="Dupont.xml"), 202))["flowId"]
    assert await ids(api, key, trackingId="t") == {flow_id}
    async with api.resources.pool.account(account.id) as connection:
        await connection.execute(
            """
            insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash)
            select account_id, document_id, 99, at, stage, 'purged', '{}', prior, hash from event where seq = 1
            """
        )
    assert await ids(api, key, trackingId="t") == set()
    async with api.resources.pool.account(account.id) as connection:
        row = await connection.fetchrow("select tracking_id, name from flow_info")
    assert tuple(row) == (None, "")
