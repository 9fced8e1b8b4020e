"""Software that was written for approved platforms, asking our directory: pyfrctc, as it is."""

from __future__ import annotations

import asyncio

import pyfrctc
import pytest

from gateway.store import directory
from gateway.store.directory import Found, Line
from tests.gateway.api.conftest import Api
from tests.gateway.api.test_afnor_clients import platform, session_of
from tests.gateway.api.test_afnor_directory import HALL, HOST, OURS, SCHOOL, SHOP, SITE, TOWN, furnished

__all__ = ["platform"]
"""The fixture is the one of the flows."""

ABSENT = "784671695"


async def test_pyfrctc_reads_companies_and_facilities(api: Api, platform: str) -> None:
    account, _ = await furnished(api)
    session = await session_of(api, platform, account.id)
    assert await asyncio.to_thread(pyfrctc.healthcheck, session)
    assert await asyncio.to_thread(pyfrctc.get_directory_siren_parsed, session, TOWN) == {
        "name": "COMMUNE DE SAINT-ÉTIENNE",
        "closed": False,
        "entity_type": "public",
        "siren": TOWN,
    }
    assert (await asyncio.to_thread(pyfrctc.get_directory_siren_parsed, session, SHOP))["closed"]
    assert await asyncio.to_thread(pyfrctc.get_directory_siren, session, ABSENT) is False
    assert await asyncio.to_thread(pyfrctc.get_directory_siret_parsed, session, HALL) == {
        "name": "Mairie",
        "closed": False,
        "country_code": "FR",
        "zip": "42000",
        "street": "1 place de la Mairie",
        "city": "Saint-Étienne",
        "siret": HALL,
        "b2g_service_required": False,
        "b2g_commitment_required": False,
        "b2g_service_or_commitment_required": True,
    }
    assert await asyncio.to_thread(pyfrctc.get_directory_siret, session, f"{ABSENT}00087") is False
    session.close()


async def test_pyfrctc_reads_lines_of_every_kind(api: Api, platform: str) -> None:
    account, _ = await furnished(api)
    session = await session_of(api, platform, account.id)
    ours = await asyncio.to_thread(pyfrctc.get_directory_lines_parsed, session, OURS)
    assert {address: (line["type"], line["state"]) for address, line in ours.items()} == {
        OURS: ("siren", "active"),
        f"{OURS}_{SITE}": ("siret", "active"),
        f"{OURS}_{SITE}_STORE/2": ("routing_code", "active"),
        f"{OURS}_FACTURES": ("suffix", "upcoming"),
    }
    town = await asyncio.to_thread(pyfrctc.get_directory_lines_parsed, session, HALL)
    assert town[f"{TOWN}_{HALL}_SERVICE-1"] == {
        "type": "routing_code",
        "siren": TOWN,
        "siret": HALL,
        "suffix": False,
        "routing_code": "SERVICE-1",
        "routing_code_name": "Marchés",
        "commitment_required": True,
        "state": "active",
    }
    school = await asyncio.to_thread(pyfrctc.get_directory_lines_parsed, session, SCHOOL)
    assert school[f"{TOWN}_{SCHOOL}"]["state"] == "disabled"
    assert await asyncio.to_thread(pyfrctc.get_directory_lines_parsed, session, ABSENT) == {}
    session.close()


async def test_pyfrctc_pages_over_250_lines(api: Api, platform: str) -> None:
    account, _ = await furnished(api)
    lines = [Line(f"{SHOP}_{number}", SHOP, suffix=str(number)) for number in range(249)]
    async with api.resources.pool.account(account.id) as connection:
        await directory.keep(connection, account.id, Found(lines=lines), HOST, api.resources.clock.now())
    session = await session_of(api, platform, account.id)
    found = await asyncio.to_thread(pyfrctc.get_directory_lines, session, SHOP)
    assert set(found) == {SHOP, *(line.address for line in lines)}
    session.close()


async def test_pyfrctc_is_told_that_the_directory_refuses(api: Api, platform: str) -> None:
    account, _ = await furnished(api)
    session = await session_of(api, platform, account.id)
    session.token = {**session.token, "access_token": "estt_none"}
    with pytest.raises(RuntimeError, match=r"401.*INVALID_TOKEN"):
        await asyncio.to_thread(pyfrctc.get_directory_siren, session, TOWN)
    session.close()
