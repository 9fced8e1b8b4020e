"""Checkpoints outside: stamped, kept and cosigned; who fails is seen, asked again, and stops nothing unless it must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters import catalogue
from adapters.port import Networks
from gateway import outside
from gateway.chores import Chores
from gateway.clock import SettableClock
from gateway.lifecycle import Done, Later, Stage
from gateway.publish import FOLDER, Copies, publish
from gateway.resources import Resources, load
from gateway.stages import archive
from gateway.store import custody, tree
from gateway.store.journal import commit
from gateway.store.pool import Pool
from signing.chain import salted
from signing.tree import included, leaf
from signing.trust import Trust
from tests.adapters.object_store import ACCESS_KEY, REGION, SECRET, object_store
from tests.adapters.overseer import observer
from tests.gateway.ground import NOON, NOTARY, admitted, open_account, parsed, step, the_claim
from tests.signing.authority import published


class Ground:
    """An archive with two authorities, an object store and a witness."""

    def __init__(self, pool: Pool, clock: SettableClock, made: dict[str, Any]) -> None:
        self.pool, self.clock = pool, clock
        self.first, self.second, self.store, self.seer = (made[n] for n in ("first", "second", "store", "seer"))
        notary = replace(NOTARY, custodians=made["custodians"], authorities=made["authorities"])
        self.resources = Resources(pool, Networks(()), clock, None, notary)  # type: ignore[arg-type]
        self.trust = Trust(authorities=self.first.stamper_root.pem + self.second.stamper_root.pem)

    async def add(self, number: str) -> Any:
        """A document on its way, published."""
        account = self.account = getattr(self, "account", None) or await open_account(self.pool)
        document_id = (await admitted(self.pool, account.id, number.encode())).document_id
        steps = [step(Stage.PARSED, parsed(number)), step(Stage.VALIDATED, Done({}))]
        await commit(self.pool, await the_claim(self.pool, document_id), steps, go_on=False)
        assert await publish(self.resources) is not None
        return document_id

    async def each(self) -> list[bool | None]:
        """Everybody once: the authorities, then the keepers."""
        notary = self.resources.notary
        return [
            *[await outside.stamp(self.resources, one) for one in notary.authorities],
            *[await outside.hand_over(self.resources, one) for one in notary.custodians],
        ]

    async def troubles(self) -> list[str]:
        """Who fails."""
        async with self.pool.worker() as connection:
            return [one.name for one in await custody.troubles(connection)]


@pytest.fixture
async def ground(pool: Pool, tmp_path: Path) -> AsyncIterator[Ground]:
    clock = SettableClock(NOON)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(published(clock.now))
        second = await stack.enter_async_context(published(clock.now))
        store = await stack.enter_async_context(object_store())
        seer = await stack.enter_async_context(observer(NOTARY.signer.verifier))
        (tmp_path / "secret").write_text(SECRET)
        (tmp_path / "secret").chmod(0o600)
        (tmp_path / "witnesses").write_text(seer.public.line())
        hosts = [one.url.removeprefix("http://") for one in (first, second)]
        environment = {
            "ESTAFETTE_TIMESTAMP_URLS": f"{first.url}/stamp {second.url.replace('127.0.0.1', 'localhost')}/stamp",
            "ESTAFETTE_S3_URL": store.url,
            "ESTAFETTE_S3_REGION": REGION,
            "ESTAFETTE_S3_ACCESS_KEY": ACCESS_KEY,
            "ESTAFETTE_S3_SECRET_FILE": str(tmp_path / "secret"),
            "ESTAFETTE_WITNESS_URLS": seer.url,
            "ESTAFETTE_WITNESS_KEYS": str(tmp_path / "witnesses"),
            "ESTAFETTE_EGRESS_ALLOW": " ".join(
                [*hosts, hosts[1].replace("127.0.0.1", "localhost"), store.host, seer.host]
            ),
        }
        custodians, wrong = catalogue.custodians(environment, clock.now)
        authorities, also = catalogue.authorities(environment)
        assert not wrong
        assert not also
        made = {"first": first, "second": second, "store": store, "seer": seer}
        yield Ground(pool, clock, {**made, "custodians": custodians, "authorities": authorities})
        for one in (*custodians, *authorities):
            await one.close()


async def test_a_checkpoint_is_stamped_twice_locked_away_and_cosigned(ground: Ground) -> None:
    await ground.add("F-1")
    assert await ground.each() == [True] * 4
    assert await ground.each() == [None] * 4, "nothing new"
    async with ground.pool.worker() as connection:
        latest = await tree.last(connection)
        assert latest is not None
        assert len(await custody.stamps(connection, latest.number)) == 2
        ((name, line),) = await custody.cosignatures(connection, latest.number)
    assert name.startswith("witness:")
    assert ground.seer.public.name in line
    ((version,),) = ground.store.kept.values()
    assert version.data.decode() == latest.note
    looked = await outside.look(ground.pool, ground.trust, ground.clock.now())
    assert (looked.stamps, looked.cosignatures, looked.complaints) == (2, 1, ())


async def test_a_proof_is_against_the_newest_checkpoint_that_is_stamped(ground: Ground) -> None:
    first = await ground.add("F-1")
    await ground.each()
    second = await ground.add("F-2")
    async with ground.pool.account(ground.account.id, snapshot=True) as connection:
        stamped, bare = await tree.proof(connection, first), await tree.proof(connection, second)
    assert stamped is not None
    assert bare is not None
    assert (stamped.checkpoint.number, bare.checkpoint.number) == (1, 2)
    for proved in (*stamped.events, *bare.events):
        of = stamped if proved in stamped.events else bare
        path, size, root = proved.path, of.checkpoint.size, of.checkpoint.root
        assert included(leaf(salted(proved.salt, proved.hash)), proved.place, size, path, root)


async def test_under_load_one_stamp_a_minute_covers_what_came(ground: Ground) -> None:
    await ground.add("F-1")
    await ground.each()
    await ground.add("F-2")
    assert await ground.each() == [None] * 4
    ground.clock.advance(timedelta(minutes=1))
    assert await ground.each() == [True] * 4
    assert ground.seer.seen[0] == 6


async def test_who_is_away_is_seen_asked_again_and_stops_nobody_else(ground: Ground) -> None:
    await ground.add("F-1")
    ground.first.down.add("stamp")
    ground.store.status = ground.seer.status = 503
    assert await ground.each() == [False, True, False, False]
    assert len(await ground.troubles()) == 3
    assert await ground.each() == [None] * 4, "not at once"
    ground.clock.advance(timedelta(seconds=31))
    assert await ground.each() == [False, None, False, False]
    ground.clock.advance(timedelta(seconds=31))
    assert await ground.each() == [None] * 4, "the pause grows"
    ground.clock.advance(timedelta(days=2))
    looked = await outside.look(ground.pool, ground.trust, ground.clock.now())
    assert len(looked.complaints) == 3
    assert any("answered 503" in one and "failing since" in one for one in looked.complaints)
    ground.first.down.clear()
    ground.store.status = ground.seer.status = 0
    assert await ground.each() == [True, None, True, True]
    assert await ground.troubles() == []
    assert (await outside.look(ground.pool, ground.trust, ground.clock.now())).complaints == ()


async def test_seven_days_without_an_authority_lose_and_block_nothing(ground: Ground) -> None:
    """T23: a queue, an alarm at 24 hours, and one stamp that covers all when it is back."""
    ground.first.down.add("stamp")
    for day in range(7):
        await ground.add(f"F-{day}")
        ground.clock.advance(timedelta(days=1))
        await ground.each()
    assert any("stamp:127.0.0.1" in one for one in await ground.troubles())
    ground.first.down.clear()
    ground.clock.advance(timedelta(hours=2))
    assert (await ground.each())[0]
    async with ground.pool.worker() as connection:
        assert await custody.stamped_size(connection) == 21


async def test_where_the_operator_says_so_nothing_leaves_without_a_stamp(ground: Ground) -> None:
    strict = replace(ground.resources, notary=replace(ground.resources.notary, stamps_required=True))
    document_id = await ground.add("F-1")
    work = await load(strict, ground.account, document_id, 1)
    waits = await archive.run(work, strict)
    assert isinstance(waits, Later)
    assert "stamped" in waits.reason
    ground.resources = strict
    await ground.each()
    from gateway.errors import NotFound

    with pytest.raises(NotFound):  # there is no original yet: it went past the wait
        await archive.run(await load(strict, ground.account, document_id, 1), strict)


async def test_a_past_rewritten_with_the_key_is_not_cosigned(ground: Ground) -> None:
    """T21: the operator has the key, and signs another past; the witness has seen the true one."""
    await ground.add("F-1")
    await ground.add("F-2")
    await ground.each()
    async with ground.pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        for statement in (
            "update leaf set salt = sha256(salt) where seq = 1",
            "update leaf l set entry = sha256(l.salt || e.hash), place = null from event e "
            "where e.document_id = l.document_id and e.seq = l.seq",
            "delete from node", "delete from custody", "delete from stamp", "delete from checkpoint",
        ):  # fmt: skip
            await connection.execute(statement)
    await publish(ground.resources)
    ground.clock.advance(timedelta(minutes=2))
    assert (await ground.each())[3] is False
    async with ground.pool.worker() as connection:
        (told,) = await custody.troubles(connection)
    assert "rewritten" in told.says


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("update stamp set token = set_byte(token, length(token) - 9, get_byte(token, length(token) - 9) # 1)",
         "does not hold"),
        ("update stamp set token = set_byte(token, 3, 0)", "cannot be read"),
        ("update stamp set at = at - interval '1 day'", "its row was changed"),
        ("update stamp a set token = b.token from stamp b where a.authority < b.authority and a.number <> b.number",
         "is not of this checkpoint"),
    ],
)  # fmt: skip
async def test_stamps_that_were_changed_are_named(ground: Ground, statement: str, says: str) -> None:
    await ground.add("F-1")
    await ground.each()
    ground.clock.advance(timedelta(minutes=2))
    await ground.add("F-2")
    await ground.each()
    async with ground.pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(statement)
    looked = await outside.look(ground.pool, ground.trust, ground.clock.now())
    assert any(says in one for one in looked.complaints), looked


async def test_each_stamp_is_judged_and_not_the_newest_alone(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.custody.PAGE", 3)
    for number in range(4):
        await ground.add(f"F-{number}")
        await ground.each()
        ground.clock.advance(timedelta(minutes=2))
    told: list[int] = []
    looked = await outside.look(ground.pool, ground.trust, ground.clock.now(), progress=told.append)
    assert (looked.stamps, looked.complaints, told) == (8, (), [3, 6, 8])
    assert looked.believed + sum(looked.unsure.values()) == 8
    unknown = await outside.look(ground.pool, Trust(), ground.clock.now())
    assert (unknown.believed, unknown.unsure) == (0, {"NO_CERTIFICATE_CHAIN_FOUND": 8})
    async with ground.pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        changed = await connection.execute(
            "update stamp set token = set_byte(token, length(token) - 9, get_byte(token, length(token) - 9) # 1) "
            "where number = (select min(number) from stamp)"
        )
    assert changed == "UPDATE 2"
    looked = await outside.look(ground.pool, ground.trust, ground.clock.now())
    assert sum(one.endswith("does not hold: SIG_CRYPTO_FAILURE") for one in looked.complaints) == 2, looked


async def test_an_authority_whose_clock_is_wrong_is_not_believed(ground: Ground) -> None:
    await ground.add("F-1")
    ground.first.clock = lambda: NOON - timedelta(days=1)
    ground.second.clock = lambda: NOON + timedelta(hours=1)
    assert (await ground.each())[:2] == [False, False]
    async with ground.pool.worker() as connection:
        assert all("look at the clocks" in one.says for one in await custody.troubles(connection))


async def test_a_folder_that_is_away_is_a_trouble_until_it_works(ground: Ground, tmp_path: Path) -> None:
    await ground.add("F-1")
    (tmp_path / "file").write_text("no folder")
    assert not await Copies(tmp_path / "file" / "below").keep(ground.resources)
    assert await ground.troubles() == [FOLDER]
    assert await Copies(tmp_path / "copies").keep(ground.resources)
    assert await ground.troubles() == []


async def test_the_chores_do_it_by_themselves(ground: Ground) -> None:
    """Nobody calls anything: what is recorded gets published, stamped, kept and cosigned; the daily chores run."""
    account = ground.account = await open_account(ground.pool)
    await admitted(ground.pool, account.id, b"F-1")
    running = asyncio.create_task(Chores(ground.resources, timedelta(seconds=30), lambda: None).run())
    try:
        async with asyncio.timeout(20):
            while True:
                async with ground.pool.worker() as connection:
                    done = await connection.fetchval(
                        "select (select count(*) from stamp) = 2 and (select count(*) from custody) = 2 and "
                        "(select count(*) from chore where name in ('retention', 'renewal')) = 2"
                    )
                if done:
                    break
                await asyncio.sleep(0.1)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await ground.troubles() == []
