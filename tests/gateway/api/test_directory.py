"""What an account declares of itself in the directory: held to its entities, and shown by the Directory Service."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from gateway.clock import SettableClock
from gateway.store import declarations, directory
from gateway.store.accounts import Scope
from gateway.store.directory import Facility, Found, Line
from tests.gateway.api.conftest import SIRENS, Api, conforms
from tests.gateway.api.test_afnor_directory import HOST, OURS, SITE, TOWN, read

DAY = "2026-12-01"


async def put(api: Api, key: dict[str, str], path: str, status: int = 201, **members: Any) -> dict[str, Any]:
    """Declare something."""
    answer = await api.client.put(f"/v1/directory/{path}", json=members, headers=key)
    told: dict[str, Any] = await answer.json()
    assert answer.status == status, told
    return told


async def drop(api: Api, key: dict[str, str], path: str) -> int:
    """Withdraw something."""
    return (await api.client.delete(f"/v1/directory/{path}", headers=key)).status


async def declared(api: Api, key: dict[str, str]) -> dict[str, Any]:
    """All that is declared."""
    answer = await api.client.get("/v1/directory", headers=key)
    told: dict[str, Any] = await answer.json()
    conforms(told, "DirectoryDeclared")
    return told


async def test_what_is_declared_is_served(api: Api) -> None:
    key = await api.key(await api.account())
    place = {"line1": "1 rue du Port", "postal_code": "59000", "locality": "Lille"}
    conforms(await put(api, key, f"facilities/{SITE}", name="North", main=True, address=place), "DirectoryFacility")
    conforms(await put(api, key, f"routing-codes/{SITE}/AP-1", name="Accounts payable"), "DirectoryRoutingCode")
    conforms(await put(api, key, f"lines/{OURS}_{SITE}_AP-1"), "DirectoryLine")
    await put(api, key, f"lines/{OURS}_{SITE}", begins=DAY, ends="2027-12-31")
    await put(api, key, f"lines/{OURS}_INVOICES.2", enabled=False)
    told = await declared(api, key)
    assert [one["address"] for one in told["lines"]] == [
        OURS,
        f"{OURS}_{SITE}",
        f"{OURS}_{SITE}_AP-1",
        f"{OURS}_INVOICES.2",
    ]
    assert (told["lines"][1]["enabled"], told["lines"][1]["begins"], told["lines"][3]["enabled"]) == (True, DAY, False)
    assert told["facilities"][0]["address"] == {**place, "line2": "", "line3": "", "subdivision": "", "country": "FR"}
    line = await read(api, key, f"directory-line/code:{OURS}_{SITE}_AP-1", include="siret,routingCode")
    assert line["routingCode"]["routingIdentifierType"] == "0224"
    assert line["facility"]["address"] == {
        "addressLine1": "1 rue du Port",
        "postalCode": "59000",
        "locality": "Lille",
        "countryCode": "FR",
    }


async def test_a_line_ends_after_its_last_day(api: Api, clock: SettableClock) -> None:
    key = await api.key(await api.account())
    await put(api, key, f"lines/{OURS}_A", ends="2026-11-25")
    for moved, status in ((timedelta(), "Enabled"), (timedelta(hours=34), "Enabled"), (timedelta(hours=1), "Disabled")):
        clock.advance(moved)
        assert (await read(api, key, f"directory-line/code:{OURS}_A"))["directoryLineStatus"] == status
    await put(api, key, f"lines/{OURS}_A", 200)
    assert (await read(api, key, f"directory-line/code:{OURS}_A"))["directoryLineStatus"] == "Enabled"
    assert (await declared(api, key))["lines"][1]["ends"] is None


async def test_what_others_stand_on_is_not_withdrawn(api: Api) -> None:
    key = await api.key(await api.account())
    await put(api, key, f"lines/{OURS}_{SITE}", 409)
    await put(api, key, f"routing-codes/{SITE}/A", 409, name="A")
    await put(api, key, f"facilities/{SITE}", name="North")
    await put(api, key, f"lines/{OURS}_{SITE}_A", 409)
    await put(api, key, f"routing-codes/{SITE}/A", name="A")
    await put(api, key, f"lines/{OURS}_{SITE}_A")
    assert await drop(api, key, f"facilities/{SITE}") == 409
    assert await drop(api, key, f"routing-codes/{SITE}/A") == 409
    assert await drop(api, key, f"lines/{OURS}_{SITE}_A") == 204
    assert await drop(api, key, f"lines/{OURS}_{SITE}_A") == 404
    assert await drop(api, key, f"facilities/{SITE}") == 409
    assert await drop(api, key, f"routing-codes/{SITE}/A") == 204
    assert await drop(api, key, f"facilities/{SITE}") == 204
    assert await drop(api, key, f"facilities/{SITE}") == 404
    assert await drop(api, key, f"lines/{OURS}") == 204
    assert await declared(api, key) == {
        "legal_units": [{"siren": OURS, "name": "Account 0"}],
        "facilities": [],
        "routing_codes": [],
        "lines": [],
    }


async def test_nothing_is_declared_of_others(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    async with api.resources.pool.account(account.id) as connection:
        told = Found(facilities=[Facility(f"{TOWN}00025", "Told")], lines=[Line(TOWN, TOWN)])
        await directory.keep(connection, account.id, told, HOST, api.resources.clock.now())
    await put(api, key, f"facilities/{TOWN}00025", 403, name="x")
    await put(api, key, f"lines/{TOWN}_A", 403)
    assert await drop(api, key, f"lines/{TOWN}") == 404
    assert await drop(api, key, f"facilities/{TOWN}00025") == 404
    other = await api.key(await api.account(number=1))
    await put(api, other, f"facilities/{TOWN}00025", name="Ours")
    assert (await read(api, key, f"siret/code-insee:{TOWN}00025"))["name"] == "Told"
    assert await drop(api, other, f"lines/{OURS}") == 404
    reader = await api.key(account, Scope.READ)
    await put(api, reader, f"lines/{OURS}_A", 403)
    assert [one["siren"] for one in (await declared(api, reader))["legal_units"]] == [OURS]


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (f"facilities/{OURS}00015", {"name": "wrong check digit"}),
        ("facilities/1", {"name": "x"}),
        (f"facilities/{SITE}", {}),
        (f"facilities/{SITE}", {"name": "x" * 101}),
        (f"facilities/{SITE}", {"name": "a\u0000"}),
        (f"facilities/{SITE}", {"name": "x", "main": 1}),
        (f"facilities/{SITE}", {"name": "x", "adress": {}}),
        (f"facilities/{SITE}", {"name": "x", "address": {"postal_code": "A1"}}),
        (f"facilities/{SITE}", {"name": "x", "address": {"country": "France"}}),
        (f"facilities/{SITE}", {"name": "x", "address": {"street": "x"}}),
        (f"routing-codes/{SITE}/a%2Fb", {"name": "x"}),
        (f"routing-codes/{SITE}/{'a' * 101}", {"name": "x"}),
        (f"routing-codes/{SITE}/a", {"name": " "}),
        (f"lines/{OURS}x", {}),
        (f"lines/{OURS}_", {}),
        (f"lines/{OURS}_a%20b", {}),
        (f"lines/{OURS}_é", {}),
        (f"lines/{OURS}_{SIRENS[1]}00025", {}),
        (f"lines/{OURS}_{'a' * 101}", {}),
        (f"lines/{OURS}_a", {"begins": "2026-13-01"}),
        (f"lines/{OURS}_a", {"begins": "2026-12-02", "ends": "2026-12-01"}),
        (f"lines/{OURS}_a", {"standing": "Enabled"}),
    ],
)
async def test_what_is_malformed_is_refused(api: Api, path: str, members: dict[str, Any]) -> None:
    key = await api.key(await api.account())
    assert (await put(api, key, path, 400, **members))["errorCode"] == "Malformed"
    assert len((await declared(api, key))["lines"]) == 1


async def test_two_callers_at_once(api: Api) -> None:
    """The last facility there is room for is declared once, and none is withdrawn under a line that comes."""
    account = await api.account()
    key = await api.key(account)
    await put(api, key, f"facilities/{SITE}", name="North")
    for _ in range(10):
        answers: tuple[aiohttp.ClientResponse, aiohttp.ClientResponse] = await asyncio.gather(
            api.client.put(f"/v1/directory/lines/{OURS}_{SITE}", json={}, headers=key),
            api.client.delete(f"/v1/directory/facilities/{SITE}", headers=key),
        )
        assert {one.status for one in answers} in ({201, 409}, {204, 409})
        told = await declared(api, key)
        assert len(told["lines"]) - 1 == len(told["facilities"])
        await drop(api, key, f"lines/{OURS}_{SITE}")
        await put(api, key, f"facilities/{SITE}", 200 if told["facilities"] else 201, name="North")
    full = [Line(f"{OURS}_{number}", OURS, suffix=str(number)) for number in range(declarations.LIMIT - 2)]
    async with api.resources.pool.account(account.id) as connection:
        await directory.keep(connection, account.id, Found(lines=full), "own", api.resources.clock.now())
    last = await asyncio.gather(
        *(api.client.put(f"/v1/directory/lines/{OURS}_x{number}", json={}, headers=key) for number in range(4))
    )
    assert sorted(one.status for one in last) == [201, 409, 409, 409]
    assert len((await declared(api, key))["lines"]) == declarations.LIMIT
