"""Looking addresses up at the simulated directory: what is remembered, how long, and what serves when it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.afnor_directory import AfnorDirectory, Settings
from adapters.bearer import Login
from adapters.platform import directory as platform_directory
from adapters.platform import server
from adapters.port import Networks
from gateway import addresses
from gateway.addresses import Looked
from gateway.clock import SettableClock
from gateway.reach import Reachability
from gateway.resources import Ages, Resources
from gateway.store.accounts import Account
from gateway.store.pool import Pool
from tests.adapters.conftest import Running, start
from tests.gateway.ground import NOON, NOTARY, open_account


@dataclass
class Ground:
    """A directory on a real socket, and a gateway's memory of it in virtual time."""

    platform: Running
    resources: Resources
    account: Account
    clock: SettableClock
    directory: AfnorDirectory
    state: platform_directory.Directory

    async def look(self, value: str, scheme: str = "0225", account: Account | None = None) -> Looked:
        """What is known of an address."""
        return await addresses.look((account or self.account).id, scheme, value, self.resources)

    async def verdict(self, value: str) -> Reachability:
        """Only the verdict."""
        return (await self.look(value)).reach.verdict

    async def away(self) -> None:
        """The directory stops listening."""
        await self.platform.runner.cleanup()


@pytest.fixture
async def ground(pool: Pool, tmp_path: Path) -> AsyncIterator[Ground]:
    clock = SettableClock(NOON)
    manners = server.Manners(pace=0.0, now=clock.now, refusals=1, retry_after=40)
    running = await start(tmp_path / "platform", manners)
    known = running.settings
    login = Login(known.token_url, known.client_id, known.secret_file)
    directory = AfnorDirectory(Settings(f"{running.url}/afnor-directory", login, known.allow, seconds=5.0), clock.now)
    resources = Resources(pool, Networks(()), clock, None, NOTARY, directory=directory)  # type: ignore[arg-type]
    state = running.runner.app[platform_directory.DIRECTORY]
    yield Ground(running, resources, await open_account(pool), clock, directory, state)
    await directory.close()
    await running.stop()


@pytest.mark.parametrize(
    ("value", "verdict", "near"),
    [
        ("812046373", Reachability.ACTIVE, []),
        ("812046373_81204637300017", Reachability.ACTIVE, []),
        ("100000397_10000039700024", Reachability.ENDED, ["100000397_10000039700016"]),
        ("100000397_10000039700016", Reachability.ACTIVE, []),
        ("100000397", Reachability.NO_LINE, ["100000397_10000039700016"]),
        ("100000405", Reachability.UPCOMING, []),
        (
            "100000413_10000041300011",
            Reachability.NO_LINE,
            ["100000413_10000041300011_ACHATS", "100000413_10000041300011_TRAVAUX"],
        ),
        ("100000413_10000041300011_ACHATS", Reachability.ACTIVE, []),
        ("100000421_10000042100014_SERV1", Reachability.ACTIVE, []),
        ("100000439", Reachability.ENDED, []),
        ("100000447", Reachability.NO_COMPANY, []),
        ("100000462", Reachability.UNANSWERED, []),
        ("100000470", Reachability.ENDED, []),
        ("100000488", Reachability.NO_LINE, ["100000488_10000048800013", "100000488_FACTURES"]),
        ("100000488_FACTURES", Reachability.ACTIVE, []),
    ],
)
async def test_what_is_found(ground: Ground, value: str, verdict: Reachability, near: list[str]) -> None:
    reach = (await ground.look(value)).reach
    assert reach.verdict is verdict
    assert [line.address for line in reach.nearest] == near
    assert reach.public == value.startswith("100000421")


async def test_a_siret_and_a_siren_name_their_lines(ground: Ground) -> None:
    assert (await ground.look("10000048800013", "0009")).reach.verdict is Reachability.ACTIVE
    assert (await ground.look("100000488", "0002")).reach.verdict is Reachability.NO_LINE
    assert (await ground.look("81204637300017", "0009")).reach.verdict is Reachability.ACTIVE


async def test_a_closed_company_is_told(ground: Ground) -> None:
    reach = (await ground.look("100000470")).reach
    assert reach.unit is not None
    assert reach.unit.closed


async def test_that_there_is_a_line_is_believed_for_a_day(ground: Ground) -> None:
    first = (await ground.look("812046373")).reach
    assert ground.state.asked == 1
    ground.clock.advance(timedelta(hours=24))
    again = (await ground.look("812046373")).reach
    assert ground.state.asked == 1
    assert again == first
    ground.clock.advance(timedelta(seconds=1))
    anew = (await ground.look("812046373")).reach
    assert ground.state.asked == 2
    assert anew.told is not None
    assert first.told is not None
    assert anew.told.at > first.told.at


async def test_that_there_is_none_is_believed_for_an_hour(ground: Ground) -> None:
    await ground.look("100000397")
    asked = ground.state.asked
    ground.clock.advance(timedelta(hours=1))
    await ground.look("100000397")
    assert ground.state.asked == asked
    ground.clock.advance(timedelta(seconds=1))
    await ground.look("100000397")
    assert ground.state.asked == asked + 3


async def test_a_line_to_come_is_found_active_when_it_has_come(ground: Ground) -> None:
    assert await ground.verdict("100000405") is Reachability.UPCOMING
    line = (await ground.look("100000405")).reach.line
    assert line is not None
    assert line.begins == (NOON + timedelta(days=30)).date()


async def test_while_it_is_away_an_old_yes_serves_and_says_that_it_is_old(ground: Ground) -> None:
    await ground.look("812046373")
    await ground.away()
    ground.clock.advance(timedelta(days=6))
    looked = (await ground.look("812046373")).reach
    assert looked.verdict is Reachability.ACTIVE
    assert looked.told is not None
    assert (looked.told.at, looked.told.stale) == (NOON, True)
    facts = addresses.facts_of(looked)
    assert facts == {
        "verdict": "active",
        "level": "company",
        "line": "enabled",
        "platform": "WK",
        "source": "127.0.0.1/afnor-directory",
        "asked_at": "2026-11-24T12:00:00.000000Z",
        "stale": True,
    }
    ground.clock.advance(timedelta(days=1, seconds=1))
    assert await ground.verdict("812046373") is Reachability.UNANSWERED


async def test_while_it_is_away_an_old_no_refuses_nobody(ground: Ground) -> None:
    assert await ground.verdict("100000397") is Reachability.NO_LINE
    await ground.away()
    assert await ground.verdict("100000397") is Reachability.NO_LINE
    ground.clock.advance(timedelta(hours=2))
    looked = (await ground.look("100000397")).reach
    assert looked.verdict is Reachability.UNANSWERED
    assert "is away, and on 2026-11-24 it told of no active line" in looked.reason


async def test_away_with_nothing_remembered_is_no_answer_at_all(ground: Ground) -> None:
    await ground.away()
    looked = await ground.look("812046373")
    assert looked.reach.verdict is Reachability.UNANSWERED
    assert not looked.reach.refuses
    assert looked.reach.told is None


async def test_busy_tells_how_long_to_wait(ground: Ground) -> None:
    looked = await ground.look("100000454")
    assert looked.reach.verdict is Reachability.UNANSWERED
    assert looked.retry_in == timedelta(seconds=40)
    ground.clock.advance(timedelta(seconds=41))
    assert await ground.verdict("100000454") is Reachability.ACTIVE


async def test_each_account_remembers_for_itself(ground: Ground, pool: Pool) -> None:
    other = await open_account(pool, "Autre", siren="100000116")
    await ground.look("812046373")
    await ground.away()
    assert (await ground.look("812046373", account=other)).reach.verdict is Reachability.UNANSWERED


async def test_what_is_too_old_is_dropped(ground: Ground, pool: Pool) -> None:
    await ground.look("812046373")
    ground.clock.advance(timedelta(days=8))
    await ground.look("784671695")
    async with pool.account(ground.account.id) as connection:
        assert [row["key"] for row in await connection.fetch("select key from address_answer")] == ["784671695"]


async def test_ages_are_settings(ground: Ground) -> None:
    short = Ages(timedelta(0), timedelta(0), timedelta(0))
    resources = replace(ground.resources, ages=short)
    for _ in range(2):
        await addresses.look(ground.account.id, "0225", "812046373", resources)
        ground.clock.advance(timedelta(seconds=1))
    assert ground.state.asked == 2
    await ground.away()
    gone = await addresses.look(ground.account.id, "0225", "812046373", resources)
    assert gone.reach.verdict is Reachability.UNANSWERED


async def test_without_a_directory_nobody_is_asked(ground: Ground) -> None:
    resources: Any = replace(ground.resources, directory=None)
    for value in ("812046373", "no address"):
        looked = await addresses.look(ground.account.id, "0225", value, resources)
        assert looked.reach.verdict is Reachability.UNASKED
    assert ground.state.asked == 0
