"""Renewal of the evidence in the database: before certificates end, and with a stronger hash, years on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters import catalogue
from adapters.port import Networks
from gateway import outside, renewing, retention
from gateway.clock import SettableClock
from gateway.lifecycle import Done, Kept, Role, Stage
from gateway.publish import publish
from gateway.renewing import Waits
from gateway.resources import Resources, digest
from gateway.store import custody, renewals
from gateway.store.journal import Step, commit
from gateway.store.pool import Pool
from signing.evidence import Judged, Kind
from signing.trust import Trust
from tests.gateway.ground import NOON, NOTARY, admitted, open_account, parsed, the_claim
from tests.signing.authority import Published, person, published, rsa

YEAR = timedelta(days=365)


class Ground:
    """An archive with one authority at a time."""

    def __init__(self, pool: Pool, clock: SettableClock, authority: Published, resources: Resources) -> None:
        self.pool, self.clock, self.authority, self.resources = pool, clock, authority, resources
        self.roots = [authority.stamper_root.pem]
        self.account: Any = None

    async def add(self, number: str) -> Any:
        """A settled document, published and stamped."""
        self.account = self.account or await open_account(self.pool)
        document_id = (await admitted(self.pool, self.account.id, number.encode())).document_id
        original = Kept(Role.ORIGINAL, "application/pdf", b"%PDF " + number.encode())
        made = {Stage.PARSED: parsed(number), Stage.BUILT: Done({"sha256": digest(original.data)}, (original,)),
                Stage.ROUTED: Done({"network": "n", "consignment": number, "sha256": digest(original.data)}),
                Stage.DELIVERED: Done({"network": "n", "consignment": number, "network_id": "n"})}  # fmt: skip
        steps = [Step(stage, made.get(stage, Done({})), NOON) for stage in list(Stage)[1:]]
        await commit(self.pool, await the_claim(self.pool, document_id, self.clock.now()), steps, go_on=False)
        self.clock.advance(timedelta(minutes=2))
        await publish(self.resources)
        assert await outside.stamp(self.resources, self.resources.notary.authorities[0])
        return document_id

    def succeed(self) -> None:
        """The authority is gone; another took its address, with certificates of its own."""
        since, until = self.clock.now() - timedelta(days=1), self.clock.now() + 5 * YEAR
        one = self.authority
        one.stamper_root = person(f"Root of {since:%Y}", since=since, until=until)
        one.stamper = person(
            f"Time of {since:%Y}", one.stamper_root, stamps=True, revocations=f"{one.url}/stamper.crl",
            since=since, until=until, key=rsa.generate_private_key(65537, 2048),
        )  # fmt: skip
        self.roots.append(one.stamper_root.pem)
        self.trusting()

    def leap(self, by: timedelta) -> None:
        """Time goes by, also for answers that are kept for some minutes of the machine's clock."""
        self.clock.advance(by)
        self.resources.notary.revocations._kept.clear()  # type: ignore[union-attr]

    def trusting(self) -> None:
        """Believe the authorities of all times."""
        self.resources = replace(self.resources, trust=Trust(authorities=b"".join(self.roots)))

    async def run(self, algorithm: str = "sha256") -> Any:
        """One run of the chore."""
        return await renewing.run(self.resources, algorithm)

    async def judged(self) -> Judged:
        """The audit."""
        return await renewing.audit(self.pool, self.resources.trust, self.clock.now())

    async def as_superuser(self, statement: str) -> None:
        """A statement with the triggers off."""
        async with self.pool.owner() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            assert await connection.execute(statement) not in ("UPDATE 0", "DELETE 0")


@pytest.fixture
async def ground(pool: Pool) -> AsyncIterator[Ground]:
    clock = SettableClock(NOON)
    async with published(clock.now) as authority:
        environment = {
            "ESTAFETTE_TIMESTAMP_URLS": f"{authority.url}/stamp",
            "ESTAFETTE_EGRESS_ALLOW": authority.url.removeprefix("http://"),
        }
        authorities, problems = catalogue.authorities(environment)
        assert not problems
        source = catalogue.revocations(environment)
        notary = replace(NOTARY, authorities=authorities, revocations=source)
        made = Ground(pool, clock, authority, Resources(pool, Networks(()), clock, None, notary))  # type: ignore[arg-type]
        made.trusting()
        yield made
        await source.close()
        for one in authorities:
            await one.close()


async def test_a_stamp_is_renewed_when_its_certificate_ends_in_a_year(ground: Ground) -> None:
    assert await ground.run() is None, "nothing is stamped yet"
    await ground.add("F-1")
    assert await ground.run() is None
    ground.clock.advance(timedelta(days=3))
    ground.succeed()
    made = await ground.run()
    assert made is not None
    assert made.told["kind"] == Kind.TIMESTAMP
    assert made.told["stamps"]["count"] == 1
    assert made.material.lists, "the revocation data of the authority that is renewed"
    assert await ground.run() is None
    found = await ground.judged()
    assert (found.held, found.complaints) == (1, ())


async def test_years_on_with_dead_authorities_and_stronger_hashes_every_proof_holds(ground: Ground) -> None:
    for year, algorithm in enumerate(("sha256", "sha256", "sha512", "sha512", "sha3-512", "sha3-512")):
        await ground.add(f"F-{year}")
        await renewing._vouch(
            ground.resources, await renewing._subject(ground.resources, algorithm), ground.clock.now()
        )  # type: ignore[arg-type]
        ground.leap(timedelta(days=3))
        if year % 2 == 0:
            ground.succeed()
        made = await renewing.run(ground.resources, algorithm, at_once=True)
        assert made is not None
        assert made.told["kind"] == (Kind.TIMESTAMP if algorithm == "sha256" else Kind.HASH_TREE)
        ground.leap(YEAR)
        found = await ground.judged()
        assert (found.held, found.complaints) == (year + 1, ()), year
        unsure = [one for one in found.indeterminate if f"renewal {year + 1}:" not in one]
        assert unsure == [], "all but the newest are judged by what was kept with the next"


async def test_a_hash_that_the_operator_names_is_used_at_the_next_run(ground: Ground) -> None:
    await ground.add("F-1")
    made = await ground.run("sha512")
    assert made is not None
    told = made.told
    assert (told["kind"], told["algorithm"], told["objects"]["begin"]) == (Kind.HASH_TREE, "sha512", 0)
    assert told["objects"]["count"] == told["objects"]["end"] == 10
    assert await ground.run("sha512") is None
    await ground.add("F-2")
    again = await renewing.run(ground.resources, "sha512", at_once=True)
    assert again is not None
    assert (again.told["objects"]["begin"], again.told["objects"]["end"]) == (10, 20)
    assert (await ground.judged()).complaints == ()


async def test_an_authority_or_its_list_that_is_away_is_seen_and_asked_again(ground: Ground) -> None:
    await ground.add("F-1")
    ground.clock.advance(timedelta(days=3))
    for part, says in (("stamper.crl", "revocation data cannot be had"), ("stamp", "503")):
        ground.authority.down.add(part)
        with pytest.raises(Waits, match=says):
            await ground.run()
        async with ground.pool.worker() as connection:
            assert [one.name for one in await custody.troubles(connection)] == [renewing.NAME]
        ground.authority.down.clear()
    assert await ground.run() is not None
    async with ground.pool.worker() as connection:
        assert await custody.troubles(connection) == ()


async def test_in_the_last_month_it_goes_on_without_revocation_data(ground: Ground) -> None:
    await ground.add("F-1")
    ground.clock.advance(timedelta(days=350))
    ground.authority.down.add("stamper.crl")
    made = await ground.run()
    assert made is not None
    assert not made.material.lists


async def test_what_is_purged_after_its_renewal_breaks_nothing(ground: Ground) -> None:
    await ground.add("F-1")
    await ground.run("sha512")
    ground.clock.advance(11 * YEAR)
    await retention.run(ground.resources, 99 * YEAR)
    ground.clock.advance(timedelta(days=31))
    assert (await retention.run(ground.resources, 99 * YEAR)).purged == 1
    assert (await ground.judged()).complaints == ()
    async with ground.pool.owner() as connection:
        assert await connection.fetchval("select count(*) from content_data") == 0


TAMPERING = {
    "an entry": ("update renewed set entry = sha512(entry) where place = 4", "the objects are not those|place 4"),
    "an entry removed": ("delete from renewed where place = 4", "place 4 is not hashed"),
    "an event": ("update event set facts = '{\"x\": 1}' where seq = 3", "the object at place 2"),
    "a content": ("update content_data set wrapped = wrapped || '\\x00'", "the object at place 0"),
    "a value": ("update renewal set value = value || ' '", "cannot be read"),
    "a token": ("update renewal set token = set_byte(token, length(token) - 9, 0)", "its own stamp does not hold"),
    "a stamp": ("update stamp set token = (select token from renewal)", "the stamps are not those"),
    "the material": (
        "update renewal set material = jsonb_set(material, '{certificates}', '[]')",
        "revocation data are not those",
    ),
    "a stamp removed": ("delete from stamp", "the stamps are not those"),
}


@pytest.mark.parametrize("what", list(TAMPERING))
async def test_what_a_superuser_changes_is_found_and_named(ground: Ground, what: str) -> None:
    import re

    statement, says = TAMPERING[what]
    await ground.add("F-1")
    assert await ground.run("sha512") is not None
    assert (await ground.judged()).complaints == ()
    await ground.as_superuser(statement)
    complaints = (await ground.judged()).complaints
    assert any(re.search(says, one) for one in complaints), complaints


async def test_the_chain_is_kept_once_and_in_order(ground: Ground) -> None:
    await ground.add("F-1")
    await ground.run("sha512")
    async with ground.pool.worker() as connection:
        (only,) = await renewals.chain(connection)
        assert only.told["prior"] == ""
    with pytest.raises(ValueError, match="place 10 is not hashed"):
        [page async for page in renewals.entries(ground.pool, "sha512", 0, 11)]
