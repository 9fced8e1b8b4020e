"""The Directory Service of XP Z12-013: what is read, what a search finds, and that no page loses what ties."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from gateway.clock import SettableClock
from gateway.store import accounts, directory
from gateway.store.accounts import Account, Scope
from gateway.store.directory import OWN, Address, Code, Facility, Found, Line, PublicBody, Status, Unit
from gateway.store.told import Answer, Kind, Question, take
from tests.gateway.api.conftest import SIRENS, Api
from tests.gateway.api.test_afnor_flows import answered, refused

BASE = "/afnor-directory/v1"
OURS, TOWN, SHOP = SIRENS[0], SIRENS[1], SIRENS[2]
SITE = f"{OURS}00014"
HALL, SCHOOL = f"{TOWN}00025", f"{TOWN}00033"
HOST = "directory.example.org"

DECLARED = Found(
    facilities=(
        Facility(SITE, "Dépôt Nord", main=True, closed=False, address=Address("1 rue de l'Œuvre", postal_code="59000",
                 locality="Lille", country="FR")),
    ),
    codes=(Code(SITE, "STORE/2", "0224", "Second store", closed=False, commitment=False),),
    lines=(
        Line(f"{OURS}_{SITE}", OURS, SITE, platform="WK"),
        Line(f"{OURS}_{SITE}_STORE/2", OURS, SITE, "STORE/2", platform="WK"),
        Line(f"{OURS}_FACTURES", OURS, suffix="FACTURES", starts_on=date(2026, 12, 1), platform="WK"),
    ),
)  # fmt: skip
TOLD = Found(
    units=(
        Unit(TOWN, "COMMUNE DE SAINT-ÉTIENNE", public=True, closed=False, no_prospecting=True),
        Unit(SHOP, "BOULANGERIE PASCALE", public=False, closed=True),
    ),
    facilities=(
        Facility(HALL, "Mairie", main=True, closed=False, no_prospecting=True,
                 address=Address("1 place de la Mairie", "CEDEX 1", "", "42000", "Saint-Étienne", "Loire", "FR",
                                 "France"),
                 public_body=PublicBody(True, False, True, False, True, False)),
        Facility(SCHOOL, "École", main=False, closed=False, public_body=PublicBody(commitment=True)),
    ),
    codes=(Code(HALL, "SERVICE-1", "0224", "Marchés", closed=False, commitment=True, address=Address("2e étage")),),
    lines=(
        Line(f"{TOWN}_{HALL}", TOWN, HALL, platform="DFH"),
        Line(f"{TOWN}_{HALL}_SERVICE-1", TOWN, HALL, "SERVICE-1", platform="DFH"),
        Line(f"{TOWN}_{SCHOOL}", TOWN, SCHOOL, status=Status.DISABLED),
        Line(SHOP, SHOP, status=Status.UPCOMING),
    ),
)  # fmt: skip


async def furnished(api: Api, number: int = 0) -> tuple[Account, dict[str, str]]:
    """An account with a directory: its own entries, and what a directory told it of a town and a shop."""
    account = await api.account(number=number)
    async with api.resources.pool.account(account.id) as connection:
        now = api.resources.clock.now()
        await directory.keep(connection, account.id, DECLARED, OWN, now)
        await directory.keep(connection, account.id, TOLD, HOST, now)
    return account, await api.key(account)


async def read(api: Api, key: dict[str, str], path: str, status: int = 200, **query: str) -> dict[str, Any]:
    """One thing of the directory."""
    return await answered(await api.client.get(f"{BASE}/{path}", params=query, headers=key), status)


async def search(api: Api, key: dict[str, str], of: str, **asked: Any) -> dict[str, Any]:
    """One page."""
    return await answered(await api.client.post(f"{BASE}/{of}/search", json=asked, headers=key))


async def found(api: Api, key: dict[str, str], of: str, member: str, **filters: Any) -> list[str]:
    """What some filters find, each (op, value); the total is what there is."""
    asked = {name: {"op": op, "value": value} for name, (op, value) in filters.items()}
    page = await search(api, key, of, filters=asked)
    assert page["totalNumberOfResults"] == len(page["results"])
    return [one[member] for one in page["results"]]


# Reading -------------------------------------------------------------------------------------------------------------


async def test_a_legal_entity_stands_in_its_account_s_directory(api: Api) -> None:
    account = await api.account()
    key = await api.key(account, Scope.READ)
    unit = await read(api, key, f"siren/code-insee:{OURS}")
    assert unit == {
        "siren": OURS,
        "businessName": "Account 0",
        "entityType": "PrivateVatRegistered",
        "administrativeStatus": "A",
    }
    line = await read(api, key, f"directory-line/code:{OURS}", include="siren")
    assert line == {
        "addressingIdentifier": OURS,
        "siren": OURS,
        "platformType": "WK",
        "directoryLineStatus": "Enabled",
        "legalUnit": unit,
    }
    await accounts.add_participant(
        api.resources.pool, account.id, siren=SHOP, name="Second", now=api.resources.clock.now()
    )
    assert (await read(api, key, f"siren/code-insee:{SHOP}"))["businessName"] == "Second"


async def test_a_facility_is_read_with_its_legal_unit(api: Api) -> None:
    _, key = await furnished(api)
    assert await read(api, key, f"siret/code-insee:{HALL}", include="siren") == {
        "siret": HALL,
        "siren": TOWN,
        "name": "Mairie",
        "facilityType": "P",
        "administrativeStatus": "A",
        "siretInstructions": {"isSalesProspectingForbidden": True},
        "address": {
            "addressLine1": "1 place de la Mairie",
            "addressLine2": "CEDEX 1",
            "postalCode": "42000",
            "countrySubdivision": "Loire",
            "locality": "Saint-Étienne",
            "countryCode": "FR",
            "countryName": "France",
        },
        "b2gAdditionalData": {
            "pm": True,
            "pmOnly": False,
            "managesPaymentStatus": True,
            "managesLegalCommitmentCode": False,
            "managesLegalCommitmentOrServiceCode": True,
            "serviceCodeStatus": False,
        },
        "legalUnit": {
            "siren": TOWN,
            "businessName": "COMMUNE DE SAINT-ÉTIENNE",
            "entityType": "Public",
            "administrativeStatus": "A",
            "instructions": {"isSalesProspectingForbidden": True},
        },
    }


async def test_a_routing_code_may_bear_a_slash(api: Api) -> None:
    _, key = await furnished(api)
    code = await read(api, key, f"routing-code/siret:{SITE}/code:STORE%2F2", include="siren,siret")
    assert (code["routingIdentifier"], code["routingCodeName"]) == ("STORE/2", "Second store")
    assert code["facility"]["name"] == "Dépôt Nord"
    assert code["legalUnit"]["siren"] == OURS
    line = await read(api, key, f"directory-line/code:{OURS}_{SITE}_STORE%2F2", include="routingCode,siret")
    assert line["routingCode"] == {
        "routingIdentifier": "STORE/2",
        "routingIdentifierType": "0224",
        "routingCodeName": "Second store",
        "administrativeStatus": "A",
        "managesLegalCommitment": False,
        "managesLegalCommitmentCode": False,
    }


async def test_a_relation_that_is_not_known_is_what_its_key_says(api: Api) -> None:
    account = await api.account()
    key = await api.key(account)
    lone = Found(lines=(Line(f"{TOWN}_{HALL}_X", TOWN, HALL, "X"),))
    async with api.resources.pool.account(account.id) as connection:
        await directory.keep(connection, account.id, lone, HOST, api.resources.clock.now())
    line = await read(api, key, f"directory-line/code:{TOWN}_{HALL}_X", include="siren,siret,routingCode")
    assert (line["legalUnit"], line["facility"], line["routingCode"]) == (
        {"siren": TOWN},
        {"siret": HALL, "siren": TOWN},
        {"routingIdentifier": "X"},
    )


async def test_a_line_is_upcoming_until_its_first_day(api: Api, clock: SettableClock) -> None:
    _, key = await furnished(api)
    address = f"{OURS}_FACTURES"

    async def told() -> tuple[str, str]:
        one = await read(api, key, f"directory-line/code:{address}")
        asked = {"addressingIdentifier": {"op": "strict", "value": address}}
        (result,) = (await search(api, key, "directory-line", filters=asked))["results"]
        return one["directoryLineStatus"], result["directoryLineStatus"]

    assert await told() == ("Disabled", "Upcoming")
    clock.advance(timedelta(days=6, hours=10, minutes=59))  # 30 November, 23:59 in Paris
    assert await told() == ("Disabled", "Upcoming")
    clock.advance(timedelta(minutes=1))
    assert await told() == ("Enabled", "Enabled")


async def test_only_the_fields_that_are_asked_for_are_told(api: Api) -> None:
    _, key = await furnished(api)
    assert await read(api, key, f"siren/code-insee:{TOWN}", fields="siren,entityType") == {
        "siren": TOWN,
        "entityType": "Public",
    }
    assert await read(api, key, f"siret/code-insee:{HALL}", fields="businessName,managesLegalCommitment") == {
        "name": "Mairie",
        "b2gAdditionalData": {"managesLegalCommitmentCode": False},
    }
    assert await read(api, key, f"directory-line/code:{SHOP}", fields="siren", include="siren") == {
        "siren": SHOP,
        "directoryLineStatus": "Disabled",
        "legalUnit": {
            "siren": SHOP,
            "businessName": "BOULANGERIE PASCALE",
            "entityType": "PrivateVatRegistered",
            "administrativeStatus": "C",
        },
    }
    page = await search(api, key, "routing-code", fields=["siret", "managesLegalCommitment"], include=["siren"])
    assert page["search"]["fields"] == ["siret", "managesLegalCommitmentCode"]
    assert [set(one) for one in page["results"]] == [{"siret", "managesLegalCommitmentCode", "legalUnit"}] * 2


# Searching -----------------------------------------------------------------------------------------------------------


async def test_filters_of_legal_units(api: Api) -> None:
    _, key = await furnished(api)

    async def ask(**filters: Any) -> list[str]:
        return await found(api, key, "siren", "siren", **filters)

    assert await ask() == [OURS, SHOP, TOWN]
    assert await ask(siren=("strict", TOWN)) == [TOWN]
    assert await ask(businessName=("contains", "saint-etienne")) == [TOWN]
    assert await ask(businessName=("startWith", "boulangerie")) == [SHOP]
    assert await ask(businessName=("startWith", "pascale")) == []
    assert await ask(businessName=("strict", "boulangerie pascale")) == []
    assert await ask(businessName=("strict", "BOULANGERIE PASCALE")) == [SHOP]
    assert await ask(businessName=("contains", "%")) == []
    assert await ask(entityType=("strict", "Public")) == [TOWN]
    assert await ask(administrativeStatus=("strict", "C")) == [SHOP]
    assert await ask(administrativeStatus=("strict", "C"), siren=("strict", TOWN)) == []


async def test_filters_of_facilities_and_codes(api: Api) -> None:
    _, key = await furnished(api)

    async def ask(of: str = "siret", **filters: Any) -> list[str]:
        return await found(api, key, of, "siret", **filters)

    assert await ask(siren=("strict", TOWN)) == [HALL, SCHOOL]
    assert await ask(siret=("strict", SITE)) == [SITE]
    assert await ask(facilityType=("strict", "S")) == [SCHOOL]
    assert await ask(name=("contains", "DEPOT")) == [SITE]
    assert await ask(addressLines=("contains", "mairie - cedex")) == [HALL]
    assert await ask(addressLines=("startWith", "1 rue de l'oeuvre")) == [SITE]
    assert await ask(postalCode=("startWith", "42")) == [HALL]
    assert await ask(postalCode=("strict", "42")) == []
    assert await ask(locality=("strict", "Lille")) == [SITE]
    assert await ask(countrySubdivision=("strict", "Loire")) == [HALL]
    assert await ask("routing-code", routingIdentifier=("contains", "service")) == [HALL]
    assert await ask("routing-code", routingCodeName=("strict", "Second store")) == [SITE]
    assert await ask("routing-code", addressLines=("contains", "etage")) == [HALL]


async def test_filters_of_lines(api: Api) -> None:
    _, key = await furnished(api)

    async def ask(**filters: Any) -> list[str]:
        return await found(api, key, "directory-line", "addressingIdentifier", **filters)

    assert len(await ask()) == 8
    assert await ask(siret=("strict", HALL)) == [f"{TOWN}_{HALL}", f"{TOWN}_{HALL}_SERVICE-1"]
    assert await ask(siret=("strict", HALL), routingIdentifier=("strict", "")) == [f"{TOWN}_{HALL}"]
    assert await ask(addressingSuffix=("contains", "fact")) == [f"{OURS}_FACTURES"]
    assert await ask(addressingIdentifier=("contains", "service-1")) == [f"{TOWN}_{HALL}_SERVICE-1"]
    assert await ask(addressingIdentifier=("strict", TOWN)) == []


async def test_what_the_standard_does_not_know_is_refused_and_not_passed_over(api: Api) -> None:
    key = await api.key(await api.account())
    wrong: list[tuple[str, Any]] = [
        ("siren", {"filters": {"name": {"op": "strict", "value": "x"}}}),
        ("siren", {"filters": {"siren": {"op": "contains", "value": "4"}}}),
        ("siren", {"filters": {"siren": {"op": "strict", "value": "4048330480"}}}),
        ("siren", {"filters": {"businessName": {"op": "strict", "value": "a\u0000"}}}),
        ("siren", {"filters": {"entityType": {"value": "public"}}}),
        ("siren", {"filters": []}),
        ("siren", {"fields": ["name"]}),
        ("siren", {"sorting": [{"field": "siret"}]}),
        ("siren", {"sorting": [{"field": "siren", "order": "up"}]}),
        ("siren", {"sorting": [{"field": "siren"}] * 21}),
        ("siren", {"limit": 0}),
        ("siren", {"limit": 1001}),
        ("siren", {"limit": True}),
        ("siren", {"ignore": -1}),
        ("siren", {"ignore": 2**31}),
        ("siret", {"include": ["siret"]}),
        ("routing-code", {"filters": {"routingIdentifier": {"value": " "}}}),
        ("directory-line", {"filters": {"platformType": {"value": "WK"}}}),
    ]
    for of, asked in wrong:
        await refused(await api.client.post(f"{BASE}/{of}/search", json=asked, headers=key), 400, "INVALID_FIELD")
    for path in ("siren/code-insee:40483304", "siret/code-insee:4048330480001x", f"siren/code-insee:{OURS}?fields=x"):
        await refused(await api.client.get(f"{BASE}/{path}", headers=key), 400, "INVALID_FIELD")


@pytest.mark.parametrize("order", ["ascending", "descending"])
async def test_pages_neither_lose_nor_double_what_is_equal(api: Api, order: str) -> None:
    account = await api.account()
    key = await api.key(account)
    same = [Facility(f"{TOWN}{number:05}", "The same" if number % 3 else None, closed=False) for number in range(250)]
    async with api.resources.pool.account(account.id) as connection:
        await directory.keep(connection, account.id, Found(facilities=same), HOST, api.resources.clock.now())
    sorting = [{"field": "name", "order": order}, {"field": "administrativeStatus", "order": order}]
    seen: list[str] = []
    for skip in range(0, 300, 30):
        page = await search(api, key, "siret", sorting=sorting, limit=30, ignore=skip, fields=["siret"])
        assert page["totalNumberOfResults"] == 250
        assert len(page["results"]) == max(0, min(30, 250 - skip))
        seen += [one["siret"] for one in page["results"]]
    known = [facility.siret for facility in same]
    assert seen == [siret for siret in known if int(siret[9:]) % 3] + [
        siret for siret in known if not int(siret[9:]) % 3
    ]


async def test_sorting(api: Api) -> None:
    _, key = await furnished(api)

    async def ask(*sorting: dict[str, str]) -> list[str]:
        return [one["siren"] for one in (await search(api, key, "siren", sorting=list(sorting)))["results"]]

    assert await ask({"field": "businessName"}) == [OURS, SHOP, TOWN]
    assert await ask({"field": "businessName", "order": "descending"}) == [TOWN, SHOP, OURS]
    assert await ask({"field": "siren", "sortingOrder": "descending"}) == [TOWN, SHOP, OURS]
    assert await ask({"field": "entityType", "order": "descending"}, {"field": "siren"}) == [TOWN, OURS, SHOP]
    assert await ask({"field": "administrativeStatus"}, {"field": "siren", "order": "descending"}) == [TOWN, OURS, SHOP]
    assert await ask({"order": "descending"}) == [OURS, SHOP, TOWN]


async def test_a_search_tells_back_what_it_was_asked(api: Api) -> None:
    key = await api.key(await api.account())
    everything = await answered(await api.client.post(f"{BASE}/siren/search", headers=key))
    assert everything["search"] == {"limit": 50, "ignore": 0}
    asked = {
        "filters": {"siren": {"op": "strict", "value": OURS}, "businessName": {}},
        "sorting": [{"field": "siren", "order": "descending"}],
        "fields": ["siren"],
        "limit": 10,
        "ignore": 0,
    }
    page = await search(api, key, "siren", **asked, unknown=1)
    assert (page["search"], page["results"]) == (asked, [{"siren": OURS}])


# Whose ---------------------------------------------------------------------------------------------------------------


async def test_each_account_sees_its_own_directory(api: Api) -> None:
    await furnished(api)
    other = await api.key(await api.account(number=3))
    assert await found(api, other, "siren", "siren") == [SIRENS[3]]
    assert await found(api, other, "directory-line", "addressingIdentifier") == [SIRENS[3]]
    for path in (f"siren/code-insee:{TOWN}", f"siret/code-insee:{HALL}", f"directory-line/code:{TOWN}_{HALL}"):
        await refused(await api.client.get(f"{BASE}/{path}", headers=other), 404, "NOT_FOUND")


async def test_what_is_told_moves_nothing_that_is_declared(api: Api) -> None:
    account, key = await furnished(api)
    now = api.resources.clock.now()
    told = Found(
        units=(Unit(OURS, "Another name", closed=True), Unit(TOWN, "Told again")),
        lines=(Line(OURS, OURS, status=Status.DISABLED), Line(f"{TOWN}_{HALL}", TOWN, HALL, status=Status.DISABLED)),
    )
    async with api.resources.pool.account(account.id) as connection:
        later = now + timedelta(seconds=1)
        for siren in (TOWN, OURS):
            await take(connection, account.id, Question(Kind.COMPANY, siren), Answer(HOST, later, told))
        await take(connection, account.id, Question(Kind.COMPANY, TOWN), Answer(HOST, now, TOLD))  # late, and older
    assert (await read(api, key, f"siren/code-insee:{OURS}"))["administrativeStatus"] == "A"
    assert (await read(api, key, f"siren/code-insee:{TOWN}")) == {"siren": TOWN, "businessName": "Told again"}
    assert (await read(api, key, f"directory-line/code:{OURS}"))["directoryLineStatus"] == "Enabled"
    assert (await read(api, key, f"directory-line/code:{TOWN}_{HALL}"))["directoryLineStatus"] == "Disabled"
    lines = await found(api, key, "directory-line", "addressingIdentifier", siren=("strict", TOWN))
    assert lines == [f"{TOWN}_{HALL}"]
    await accounts.add_participant(api.resources.pool, account.id, siren=SHOP, name="Ours now", now=now)
    line = await read(api, key, f"directory-line/code:{SHOP}")
    assert (line["directoryLineStatus"], line["platformType"]) == ("Enabled", "WK")


async def test_what_was_told_long_ago_is_not_shown(api: Api, clock: SettableClock) -> None:
    _, key = await furnished(api)
    clock.advance(timedelta(days=7))
    assert len(await found(api, key, "directory-line", "siren")) == 8
    clock.advance(timedelta(seconds=1))
    assert await found(api, key, "directory-line", "siren") == [OURS] * 4
    assert await found(api, key, "siren", "siren") == [OURS]
    assert await found(api, key, "siret", "siret") == [SITE]
    assert await found(api, key, "routing-code", "siret") == [SITE]
    for path in (f"siren/code-insee:{TOWN}", f"siret/code-insee:{HALL}", f"directory-line/code:{TOWN}_{HALL}",
                 f"routing-code/siret:{HALL}/code:SERVICE-1"):  # fmt: skip
        await refused(await api.client.get(f"{BASE}/{path}", headers=key), 404, "NOT_FOUND")


async def test_pages_are_of_one_moment(api: Api) -> None:
    """A page and its total agree, whatever is written meanwhile."""
    account, key = await furnished(api)

    async def write() -> None:
        for turn in range(40):
            async with api.resources.pool.account(account.id) as connection:
                lines = [Line(f"{SHOP}_T{number}", SHOP, suffix=f"T{number}") for number in range(turn % 2 * 30)]
                at = api.resources.clock.now() + timedelta(milliseconds=turn + 1)
                await take(connection, account.id, Question(Kind.COMPANY, SHOP), Answer(HOST, at, Found(lines=lines)))

    async def look() -> None:
        asked = {"siren": {"op": "strict", "value": SHOP}}
        for _ in range(40):
            page = await search(api, key, "directory-line", filters=asked, limit=100)
            assert len(page["results"]) == page["totalNumberOfResults"]
            assert page["totalNumberOfResults"] in (0, 1, 30)

    await asyncio.gather(write(), look())


# Errors --------------------------------------------------------------------------------------------------------------


async def test_errors_have_the_published_shape(api: Api) -> None:
    account = await api.account()
    key, submitter = await api.key(account), await api.key(account, Scope.SUBMIT)
    url = f"{BASE}/siren/code-insee:{OURS}"
    missing = await refused(await api.client.get(url), 401, "MISSING_TOKEN")
    assert missing["instance"] == url
    await refused(await api.client.get(url, headers={"Authorization": "Bearer x"}), 401, "INVALID_TOKEN")
    await refused(await api.client.get(url, headers=submitter), 403, "FORBIDDEN_ACCESS")
    await refused(await api.client.get(f"{BASE}/nothing", headers=key), 404, "NOT_FOUND")
    await refused(await api.client.get(f"{BASE}/siren/code-insee:{TOWN}", headers=key), 404, "NOT_FOUND")
    for data in (b"[]", b"{", b'{"limit": 1, "limit": 2}', b"\xff"):
        answer = await api.client.post(f"{BASE}/siren/search", data=data, headers=key)
        await refused(answer, 400, "INVALID_REQUEST")
    for answer, status, code in (
        (await api.client.post(f"{BASE}/siren/search", data=b" " * 100_000, headers=key), 413, "FileSizeExceeded"),
        (await api.client.delete(url, headers=key), 405, "METHOD_NOT_ALLOWED"),
    ):
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        assert (await answer.json())["errorCode"] == code
    assert (await api.client.get(f"{BASE}/healthcheck")).status == 200
