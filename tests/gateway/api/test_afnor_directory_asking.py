"""The Directory Service asks the network's directory what it does not know: here another gateway, by our own client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyfrctc
import pytest
from pyfrctc import pyfrctc as client

from adapters.afnor_directory import AfnorDirectory, Settings
from adapters.bearer import Login
from adapters.directory import DirectoryLine, DirectoryPlace, LegalUnit, LineStanding, RoutingCode
from gateway.clock import SettableClock
from gateway.compute import Compute
from gateway.store import addresses as remembered
from gateway.store import directory
from gateway.store.accounts import Account
from gateway.store.directory import Facility, Found, Line, Status, Unit
from gateway.store.pool import Pool
from gateway.store.told import Answer, Kind, Question, take
from tests.gateway.api.conftest import SIRENS, Api, serving
from tests.gateway.api.test_afnor_clients import session_of
from tests.gateway.api.test_afnor_directory import BASE, HALL, HOST, SCHOOL, SHOP, TOWN, found, furnished, read, search
from tests.gateway.api.test_afnor_flows import issue_client, refused

US = SIRENS[3]


@dataclass(frozen=True, slots=True)
class Asking:
    """A gateway that asks another one, which knows a town and a shop."""

    api: Api
    key: dict[str, str]
    account: Account
    known: Api
    told_by: Account
    """The account of the other one that is asked."""

    async def tell(self, **entries: Any) -> None:
        """What the directory says from now on."""
        async with self.known.resources.pool.account(self.told_by.id) as connection:
            await directory.keep(connection, self.told_by.id, Found(**entries), HOST, self.known.resources.clock.now())


@asynccontextmanager
async def asked_of(known: Api, told_by: Account, folder: Path) -> AsyncIterator[AfnorDirectory]:
    """Our client of directories, pointed at a gateway of ours."""
    made = await issue_client(known, told_by.id)
    secret = folder / "directory-secret"
    secret.write_text(made["client_secret"])
    secret.chmod(0o600)
    base = str(known.client.make_url("")).rstrip("/")
    allow = frozenset((f"{known.client.host}:{known.client.port}",))
    login = Login(f"{base}/oauth2/token", made["client_id"], secret)
    asked = AfnorDirectory(Settings(f"{base}/afnor-directory", login, allow), known.resources.clock.now)
    try:
        yield asked
    finally:
        await asked.close()


@pytest.fixture
async def asking(api: Api, pool: Pool, compute: Compute, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Asking]:
    """Two gateways, one behind the other."""
    told_by, _ = await furnished(api)
    async with (
        asked_of(api, told_by, tmp_path) as asked,
        serving(pool, compute, clock, tmp_path, directory=asked) as front,
    ):
        account = await front.account(number=3)
        yield Asking(front, await front.key(account), account, api, told_by)


async def test_what_a_question_names_is_asked_for_and_kept(asking: Asking) -> None:
    api, key = asking.api, asking.key
    assert await found(api, key, "directory-line", "addressingIdentifier") == [US]
    unit = await read(api, key, f"siren/code-insee:{TOWN}")
    assert (unit["businessName"], unit["entityType"]) == ("COMMUNE DE SAINT-ÉTIENNE", "Public")
    lines = await found(api, key, "directory-line", "addressingIdentifier", siren=("strict", TOWN))
    assert lines == [f"{TOWN}_{HALL}", f"{TOWN}_{HALL}_SERVICE-1", f"{TOWN}_{SCHOOL}"]
    line = await read(api, key, f"directory-line/code:{TOWN}_{HALL}", include="siren")
    assert (line["platformType"], line["directoryLineStatus"], line["legalUnit"]) == ("DFH", "Enabled", unit)
    facility = await read(api, key, f"siret/code-insee:{HALL}", include="siren")
    assert (facility["name"], facility["legalUnit"]) == ("Mairie", unit)
    code = await read(api, key, f"routing-code/siret:{HALL}/code:SERVICE-1")
    assert code["routingCodeName"] == "Marchés"
    assert await found(api, key, "directory-line", "siren", addressingIdentifier=("strict", SHOP)) == [SHOP]
    assert await found(api, key, "siren", "siren") == [SHOP, TOWN, US]


@pytest.mark.parametrize(
    "path",
    [
        f"siren/code-insee:{TOWN}",
        f"siren/code-insee:{SHOP}",
        f"siret/code-insee:{HALL}",
        f"siret/code-insee:{SCHOOL}",
        f"routing-code/siret:{HALL}/code:SERVICE-1",
        f"directory-line/code:{TOWN}_{HALL}_SERVICE-1",
        f"directory-line/code:{SHOP}",
    ],
)
async def test_nothing_is_lost_on_the_way(asking: Asking, path: str) -> None:
    """What the other gateway tells, this one tells in the same words, remembered or not."""
    theirs = await asking.known.key(asking.told_by)
    include = "routingCode" if path.startswith("directory-line") else ""
    there = await read(asking.known, theirs, path, include=include)
    for _ in range(2):
        assert await read(asking.api, asking.key, path, include=include) == there


async def test_pyfrctc_asks_through_us(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    base = str(asking.api.client.make_url("")).rstrip("/")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # a loopback without TLS
    listed = {"afnor_base_url": base, "token_url": f"{base}/oauth2/token", "label": "Estafette"}
    monkeypatch.setitem(client.PLATFORMS, "estafette", listed)
    session = await session_of(asking.api, "estafette", asking.account.id)
    lines = await asyncio.to_thread(pyfrctc.get_directory_lines_parsed, session, TOWN)
    assert {address: line["type"] for address, line in lines.items()} == {
        f"{TOWN}_{HALL}": "siret",
        f"{TOWN}_{HALL}_SERVICE-1": "routing_code",
        f"{TOWN}_{SCHOOL}": "siret",
    }
    assert lines[f"{TOWN}_{HALL}_SERVICE-1"]["commitment_required"]
    session.close()


async def test_what_is_not_there_is_told_as_absent(asking: Asking) -> None:
    api, key = asking.api, asking.key
    for path in ("siren/code-insee:100000009", f"siret/code-insee:{SHOP}00013", f"directory-line/code:{TOWN}",
                 f"routing-code/siret:{HALL}/code:NONE"):  # fmt: skip
        await refused(await api.client.get(f"{BASE}/{path}", headers=key), 404, "NOT_FOUND")
    assert await found(api, key, "directory-line", "siren", siren=("strict", "100000009")) == []


async def test_what_is_told_no_more_goes(asking: Asking, clock: SettableClock) -> None:
    api, key = asking.api, asking.key
    assert len(await found(api, key, "directory-line", "siren", siren=("strict", TOWN))) == 3
    left = Found(lines=[Line(f"{TOWN}_{HALL}", TOWN, HALL, status=Status.DISABLED)])
    answer = Answer(HOST, asking.known.resources.clock.now() + timedelta(seconds=1), left)
    async with asking.known.resources.pool.account(asking.told_by.id) as connection:
        await take(connection, asking.told_by.id, Question(Kind.COMPANY, TOWN), answer)
    assert len(await found(api, key, "directory-line", "siren", siren=("strict", TOWN))) == 3  # not asked again yet
    clock.advance(timedelta(hours=25))
    assert await found(api, key, "directory-line", "siren", siren=("strict", TOWN)) == [TOWN]
    assert (await read(api, key, f"directory-line/code:{TOWN}_{HALL}"))["directoryLineStatus"] == "Disabled"


async def test_away_is_no_answer(asking: Asking, clock: SettableClock) -> None:
    """What was told serves; what nobody told is 503 and never "there is none"; what is declared needs nobody."""
    api, key = asking.api, asking.key
    await read(api, key, f"siren/code-insee:{TOWN}")
    await read(api, key, f"siret/code-insee:{HALL}")
    await asking.known.client.server.close()
    clock.advance(timedelta(hours=25))
    assert (await read(api, key, f"siren/code-insee:{TOWN}"))["entityType"] == "Public"
    assert (await read(api, key, f"siret/code-insee:{HALL}"))["name"] == "Mairie"
    assert len(await found(api, key, "directory-line", "siren", siren=("strict", TOWN))) == 3
    asked = {"filters": {"siren": {"op": "strict", "value": SHOP}}}
    for answer in (
        await api.client.get(f"{BASE}/siren/code-insee:{SHOP}", headers=key),
        await api.client.get(f"{BASE}/siret/code-insee:{SHOP}00013", headers=key),
        await api.client.get(f"{BASE}/directory-line/code:{SHOP}", headers=key),
        await api.client.post(f"{BASE}/directory-line/search", json=asked, headers=key),
    ):
        await refused(answer, 503, "RESOURCE_ERROR")
        assert int(answer.headers["Retry-After"]) > 0
    assert (await read(api, key, f"siren/code-insee:{US}"))["businessName"] == "Account 3"
    assert await found(api, key, "siren", "siren", businessName=("contains", "commune")) == [TOWN]
    clock.advance(timedelta(days=6))
    for path in (f"siren/code-insee:{TOWN}", f"siret/code-insee:{HALL}"):
        await refused(await api.client.get(f"{BASE}/{path}", headers=key), 503, "RESOURCE_ERROR")


async def test_a_search_by_company_or_facility_finds_all_there_is(asking: Asking) -> None:
    api, key = asking.api, asking.key
    assert await found(api, key, "siret", "siret", siren=("strict", TOWN)) == [HALL, SCHOOL]
    assert await found(api, key, "siret", "name", siret=("strict", SCHOOL)) == ["École"]
    assert await found(api, key, "routing-code", "routingIdentifier", siret=("strict", HALL)) == ["SERVICE-1"]
    assert await found(api, key, "directory-line", "siret", siret=("strict", SCHOOL)) == [SCHOOL]
    page = await search(api, key, "siret", filters={"siren": {"value": TOWN}}, include=["siren"])
    assert {one["legalUnit"]["entityType"] for one in page["results"]} == {"Public"}


async def test_a_part_is_not_told_as_all(asking: Asking) -> None:
    """The directory has more lines of the shop than are asked for at once: one is found, all are refused."""
    api, key = asking.api, asking.key
    many = [Line(f"{SHOP}_{number:04}", SHOP, suffix=f"{number:04}") for number in range(600)]
    site = f"{SHOP}00013"
    await asking.tell(
        lines=[*many, Line(f"{SHOP}_{site}", SHOP, site)],
        facilities=[Facility(f"{SHOP}{number:05}", f"Shop {number}") for number in range(600)],
    )
    for of, asked in (
        ("directory-line", {"siren": {"op": "strict", "value": SHOP}}),
        ("siret", {"siren": {"op": "strict", "value": SHOP}}),
    ):
        answer = await api.client.post(f"{BASE}/{of}/search", json={"filters": asked}, headers=key)
        await refused(answer, 422, "UNPROCESSABLE_ENTITY")
    last = f"{SHOP}_0599"
    assert (await read(api, key, f"directory-line/code:{last}"))["addressingSuffix"] == "0599"
    assert await found(api, key, "directory-line", "siren", addressingIdentifier=("strict", f"{SHOP}_0598")) == [SHOP]
    assert await found(api, key, "directory-line", "siret", siret=("strict", site)) == [site]
    assert await found(api, key, "siret", "name", siret=("strict", f"{SHOP}00599")) == ["Shop 599"]
    assert (await read(api, key, f"siren/code-insee:{SHOP}"))["administrativeStatus"] == "C"
    await refused(await api.client.get(f"{BASE}/directory-line/code:{SHOP}_none", headers=key), 404, "NOT_FOUND")


async def test_that_there_is_none_is_remembered_for_an_hour(asking: Asking, clock: SettableClock) -> None:
    api, key = asking.api, asking.key
    path = f"siret/code-insee:{TOWN}00041"
    await refused(await api.client.get(f"{BASE}/{path}", headers=key), 404, "NOT_FOUND")
    await asking.tell(facilities=[Facility(f"{TOWN}00041", "New")])
    await refused(await api.client.get(f"{BASE}/{path}", headers=key), 404, "NOT_FOUND")
    clock.advance(timedelta(minutes=61))
    assert (await read(api, key, path))["name"] == "New"


async def test_what_is_too_old_is_dropped(asking: Asking, clock: SettableClock) -> None:
    api, key = asking.api, asking.key
    await read(api, key, f"siren/code-insee:{TOWN}")
    await read(api, key, f"siret/code-insee:{HALL}")
    clock.advance(timedelta(days=8))
    await asking.tell(units=[Unit(SHOP, "Pascale")])
    assert (await read(api, key, f"siren/code-insee:{SHOP}"))["businessName"] == "Pascale"
    async with api.resources.pool.account(asking.account.id) as connection:
        tables = ("directory_unit", "directory_facility", "directory_code", "directory_line", "directory_asked")
        left = [await connection.fetchval(f"select count(*) from {table}") for table in tables]
    assert left == [2, 0, 0, 1, 1]  # the account's own and the shop, the own line, and that the shop was asked about


async def test_each_account_asks_for_itself(asking: Asking) -> None:
    api = asking.api
    await read(api, asking.key, f"siren/code-insee:{TOWN}")
    other = await api.key(await api.account(number=2))
    assert await found(api, other, "siren", "siren") == [SHOP]


async def test_many_at_once_ask_for_the_same(asking: Asking) -> None:
    told = await asyncio.gather(*(read(asking.api, asking.key, f"siren/code-insee:{TOWN}") for _ in range(20)))
    assert all(one == told[0] for one in told)
    asked = [found(asking.api, asking.key, "directory-line", "siren", siren=("strict", TOWN)) for _ in range(20)]
    assert {len(one) for one in await asyncio.gather(*asked)} == {3}


def test_what_is_remembered_is_what_was_told() -> None:
    place = DirectoryPlace(("1 rue", "", "B"), "42000", "Saint-Étienne", "Loire", "FR", "France")
    code = RoutingCode(HALL, "S", "Service", closed=True, scheme="0224", needs_commitment=False, place=place)
    line = DirectoryLine(f"{TOWN}_{HALL}_S", LineStanding.UPCOMING, siren=TOWN, siret=HALL, routing_code="S", code=code)
    assert remembered.line_of(json.loads(json.dumps(remembered.of_line(line)))) == line
    unit = LegalUnit(TOWN, "Town", public=True, closed=False, no_prospecting=True)
    assert remembered.unit_of(json.loads(json.dumps(remembered.of_unit(unit)))) == unit
