"""The end of a document: kept by law and hold, announced, purged with a tombstone, and gone from every backup.

Against a real database; a backup is a copy of the whole database, made before.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from asyncpg import RestrictViolationError

from adapters.port import Networks
from gateway import audit, retention
from gateway.clock import SettableClock
from gateway.errors import Conflict, Corrupt, Forbidden, Gone, Malformed, Misconfigured
from gateway.lifecycle import Done, Kept, Role, Stage
from gateway.periods import DocumentClass, Policy, kept_until, law, readings_until
from gateway.publish import publish
from gateway.resources import Resources, digest
from gateway.sought import Sought
from gateway.store import archive_reads, contents, documents, holds
from gateway.store import retention as store
from gateway.store.archive_keys import Keyring, check_unlocked
from gateway.store.archive_reads import Read
from gateway.store.holds import Hold, Scope
from gateway.store.identifiers import new_id
from gateway.store.inbound import Came
from gateway.store.journal import Step, admit, commit
from gateway.store.pool import Pool, connect
from tests.gateway.ground import NOON, NOTARY, admitted, open_account, parsed, submission, the_claim

BACKUPS = timedelta(days=35)
SECRET = b"Facture de Madame Martin, 12 rue des Lilas"


class Ground:
    """An account, a clock, a database."""

    def __init__(self, pool: Pool, account: Any, clock: SettableClock) -> None:
        self.pool, self.account, self.clock = pool, account, clock
        self.resources = Resources(pool, Networks(()), clock, None, NOTARY)  # type: ignore[arg-type]

    async def settled(self, data: bytes = SECRET, number: str = "F-1") -> UUID:
        """A document whose line has ended."""
        document_id = (await admitted(self.pool, self.account.id, data)).document_id
        await self._walk(document_id, data, number, list(Stage)[1:])
        return document_id

    async def _walk(self, document_id: UUID, data: bytes, number: str, stages: list[Stage]) -> None:
        original = Kept(Role.ORIGINAL, "application/pdf", b"%PDF " + data)
        routed = {"network": "afnor", "consignment": f"c-{document_id}"[:36], "sha256": digest(original.data)}
        made: dict[Stage, Done] = {
            Stage.PARSED: parsed(number),
            Stage.BUILT: Done({"sha256": digest(original.data)}, (original,)),
            Stage.ROUTED: Done(routed),
            Stage.DELIVERED: Done({**routed, "network_id": "n"}),
        }
        steps = [Step(stage, made.get(stage, Done({})), NOON) for stage in stages]
        await commit(self.pool, await the_claim(self.pool, document_id), steps, go_on=False)

    async def run(self) -> retention.Ran:
        """One run of the chore."""
        return await retention.run(self.resources, BACKUPS)

    async def purged(self) -> None:
        """Wait until everything due is announced and gone; the keys are not destroyed yet."""
        self.clock.advance(timedelta(days=365 * 11))
        assert (await self.run()).announced
        self.clock.advance(timedelta(days=31))
        assert (await self.run()).purged

    async def complaints(self) -> tuple[str, ...]:
        """What both audits say."""
        while await publish(self.resources) is not None:
            pass
        whole = await audit.audit_tree(self.pool, (NOTARY.signer.verifier,))
        return (*whole.complaints, *(await audit.audit_account(self.pool, self.account.id)).complaints)

    async def read(self, sha256: str) -> bytes:
        """A content."""
        async with self.pool.account(self.account.id) as connection:
            return await documents.read(connection, sha256)

    async def events(self, document_id: UUID) -> list[tuple[str, dict[str, Any]]]:
        """Outcome and facts of what was said beside the line."""
        async with self.pool.account(self.account.id) as connection:
            rows = await documents.events(connection, document_id)
        said = ("held", "released", "announced", "purged", "read")
        return [(row.outcome, dict(row.facts)) for row in rows if row.outcome in said]

    async def as_superuser(self, statement: str) -> None:
        """A statement with the triggers off."""
        async with self.pool.owner() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(statement)


@pytest.fixture
async def ground(server: Any, database: str, tmp_path: Path) -> AsyncIterator[Ground]:
    keys = Keyring(tmp_path / "keys")
    pool = await connect(server.server, keys=keys, database=database, max_size=8, unsafe_no_fsync=True)
    async with pool.owner() as connection:
        await connection.execute("delete from archive_key")
    await keys.renew(pool, NOON)
    yield Ground(pool, await open_account(pool), SettableClock(NOON))
    await pool.close()


# The law -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issued", "received", "policy", "until"),
    [
        (date(2026, 11, 24), date(2026, 11, 24), Policy(), date(2036, 12, 31)),
        (date(2026, 12, 31), date(2027, 1, 2), Policy(), date(2037, 12, 31)),
        (None, date(2026, 1, 1), Policy(), date(2036, 12, 31)),
        (date(2026, 6, 30), date(2026, 6, 30), Policy(year_ends=6), date(2036, 6, 30)),
        (date(2026, 7, 1), date(2026, 7, 1), Policy(year_ends=6), date(2037, 6, 30)),
        (date(2026, 2, 1), date(2026, 2, 1), Policy(year_ends=2), date(2036, 2, 29)),
        (date(2026, 2, 1), date(2026, 2, 1), Policy(invoice_years=30), date(2056, 12, 31)),
        (date(2026, 2, 1), date(2026, 2, 1), Policy(invoice_years=3), date(2036, 12, 31)),
        (date(2026, 2, 1), date(2026, 2, 1), Policy(country="BE"), date(2036, 12, 31)),
    ],
)
def test_an_invoice_is_kept_ten_years_from_the_end_of_its_financial_year(
    issued: date | None, received: date, policy: Policy, until: date
) -> None:
    assert kept_until(DocumentClass.INVOICE, issued, received, policy) == until


def test_the_law_is_named() -> None:
    assert "L. 123-22" in law(DocumentClass.INVOICE, Policy()).act
    assert "L. 102 B" in law(DocumentClass.INVOICE, Policy()).act
    assert kept_until(DocumentClass.REFUSED, None, date(2028, 2, 29), Policy()) == date(2029, 3, 1)


# The bytes -----------------------------------------------------------------------------------------------------------


async def test_bytes_are_locked_in_the_database_and_come_back_exactly(ground: Ground) -> None:
    await ground.settled()
    async with ground.pool.owner() as connection:
        rows = await connection.fetch("select data, wrapped from content_data")
        assert await connection.fetchval("select count(*) from content where data is not null") == 0
    assert rows
    assert not any(SECRET in bytes(row["data"]) for row in rows)
    assert await ground.read(digest(SECRET)) == SECRET
    assert await ground.complaints() == ()


@pytest.mark.parametrize(
    "statement",
    [
        "update content_data set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)",
        "update content_data set data = set_byte(data, 20, get_byte(data, 20) # 1)",
        "update content_data a set wrapped = b.wrapped, data = b.data from content_data b where a.sha256 < b.sha256",
    ],
)
async def test_locked_bytes_that_were_changed_or_swapped_do_not_open(ground: Ground, statement: str) -> None:
    await ground.settled()
    await ground.as_superuser(statement)
    complaints = await ground.complaints()
    assert any("does not match its hash" in one for one in complaints)


async def test_without_the_folder_of_keys_nothing_opens_and_the_complaint_names_it(
    ground: Ground, server: Any, tmp_path: Path
) -> None:
    await ground.settled()
    for keys in (Keyring(tmp_path / "elsewhere"), None):
        name = await _name_of(ground.pool)
        pool = await connect(server.server, keys=keys, database=name, max_size=2, unsafe_no_fsync=True)
        with pytest.raises(Misconfigured, match="ESTAFETTE_ARCHIVE_KEYS"):
            async with pool.account(ground.account.id) as connection:
                await documents.read(connection, digest(SECRET))
        await pool.close()


async def test_at_the_start_every_key_must_be_there_but_those_that_were_destroyed(
    ground: Ground, tmp_path: Path
) -> None:
    await ground.settled()
    keys = ground.pool.keys
    assert keys is not None
    first = next((tmp_path / "keys").glob("*.key"))
    second = await keys.renew(ground.pool, NOON, at_once=True)
    fresh = Keyring(tmp_path / "keys")
    await fresh.check(ground.pool)
    first.rename(tmp_path / "away")
    with pytest.raises(Misconfigured, match=first.name) as told:
        await Keyring(tmp_path / "keys").check(ground.pool)
    assert second not in told.value.detail
    with pytest.raises(Misconfigured, match="ESTAFETTE_ARCHIVE_KEYS"):
        await check_unlocked(ground.pool)
    (tmp_path / "away").rename(first)
    await keys.destroy(first.stem)  # of an older copy of the database, which does not know it yet
    await Keyring(tmp_path / "keys").check(ground.pool)
    async with ground.pool.owner() as connection:
        await connection.execute("delete from archive_key")
    await check_unlocked(ground.pool)


async def test_a_key_file_that_is_another_key_or_open_to_all_is_refused(ground: Ground, tmp_path: Path) -> None:
    await ground.settled()
    (path,) = (tmp_path / "keys").glob("*.key")
    good = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    for text, error in (("00" * 32, Corrupt), ("nonsense", Corrupt)):
        path.write_text(text)
        ground.pool.keys._known.clear()  # type: ignore[union-attr]
        with pytest.raises(error):
            await ground.read(digest(SECRET))
    path.write_text(good)
    path.chmod(0o604)
    with pytest.raises(Misconfigured, match="everybody"):
        await ground.read(digest(SECRET))


async def test_what_an_older_release_kept_open_is_locked(ground: Ground) -> None:
    await ground.settled()
    await ground.as_superuser(f"update content set data = '\\x{SECRET.hex()}' where sha256 = '\\x{digest(SECRET)}'")
    await ground.as_superuser(f"delete from content_data where sha256 = '\\x{digest(SECRET)}'")
    assert await ground.read(digest(SECRET)) == SECRET
    assert await ground.complaints() == ()
    assert (await ground.run()).locked == 1
    async with ground.pool.owner() as connection:
        assert await connection.fetchval("select count(*) from content where data is not null") == 0
    assert await ground.read(digest(SECRET)) == SECRET
    assert await ground.complaints() == ()


async def test_a_gateway_without_keys_keeps_contents_open_until_one_with_keys_locks_them(
    ground: Ground, server: Any
) -> None:
    open_ = await connect(server.server, database=await _name_of(ground.pool), max_size=2, unsafe_no_fsync=True)
    await admitted(open_, ground.account.id, b"kept open")
    async with open_.account(ground.account.id) as connection:
        assert await documents.read(connection, digest(b"kept open")) == b"kept open"
    await open_.close()
    assert await ground.read(digest(b"kept open")) == b"kept open"
    assert (await ground.run()).locked == 1
    assert await ground.read(digest(b"kept open")) == b"kept open"


# The purge -----------------------------------------------------------------------------------------------------------


async def test_a_document_is_announced_and_purged_and_its_tombstone_stays(ground: Ground) -> None:
    document_id = await ground.settled()
    ground.clock.advance(timedelta(days=365 * 10))
    assert (await ground.run()).announced == 0
    await ground.purged()
    with pytest.raises(Gone):
        await ground.read(digest(SECRET))
    (announced, purged) = await ground.events(document_id)
    assert announced[0] == "announced"
    assert purged[0] == "purged"
    assert digest(SECRET) in purged[1]["contents"]
    assert purged[1]["kept_until"] == "2036-12-31"
    assert "L. 123-22" in purged[1]["law"]
    async with ground.pool.account(ground.account.id) as connection:
        document = await documents.get(connection, document_id)
        assert (await store.tombstone(connection, document_id))["contents"] == purged[1]["contents"]
    assert document.purged_at == ground.clock.now()
    assert (document.buyer, document.total, document.number) == (None, None, "F-1")
    assert {one.sha256 for one in document.contents} == set(purged[1]["contents"])
    assert await ground.complaints() == ()
    again = await ground.run()
    assert (again.announced, again.purged) == (0, 0)


async def test_a_row_that_was_changed_in_the_database_alone_destroys_nothing(ground: Ground) -> None:
    document_id = await ground.settled()
    eleven_years = "update document set created_at = created_at - interval '11 years', purge_on = "
    await ground.as_superuser(f"{eleven_years} '2020-01-01', issue_date = '2015-01-01'")
    ran = await ground.run()
    assert (ran.announced, ran.purged) == (0, 0), "its first event says when it came"
    with pytest.raises(Conflict, match="no event announces"):
        await store.purge(ground.pool, ground.account.id, document_id, {}, ground.clock.now())
    assert any("another created_at and purge_on than" in one for one in await ground.complaints())
    await ground.as_superuser("update document set created_at = created_at + interval '11 years', purge_on = null")
    ground.clock.advance(timedelta(days=365 * 11))
    assert (await ground.run()).announced == 1
    assert await ground.complaints() == ()
    ground.clock.advance(timedelta(days=31))
    await ground.as_superuser("update document set purge_on = purge_on - 1")
    assert (await ground.run()).purged == 0
    await ground.as_superuser(f"{eleven_years} purge_on + 1")
    with pytest.raises(Conflict, match="did not come when its row says"):
        await store.purge(ground.pool, ground.account.id, document_id, {}, ground.clock.now())
    assert await ground.read(digest(SECRET)) == SECRET


async def test_what_was_purged_cannot_be_had_from_a_backup_either(ground: Ground, server: Any, tmp_path: Path) -> None:
    """The whole database as it was before the purge, with every key that still exists and all rights."""
    await ground.settled()
    survivor = await ground.settled(b"of a document under hold", "F-2")
    await _hold(ground, Scope(document_id=survivor))
    name = await _name_of(ground.pool)
    backup = f"{name}_backup"
    await ground.pool.close()
    await server.command(f"create database {backup} template {name} strategy file_copy")
    keys = Keyring(tmp_path / "keys")
    ground.pool = await connect(server.server, keys=keys, database=name, max_size=8, unsafe_no_fsync=True)
    ground.resources = Resources(ground.pool, Networks(()), ground.clock, None, NOTARY)  # type: ignore[arg-type]
    try:
        await ground.purged()
        assert await _found_in(server, backup, ground, tmp_path) == {SECRET, b"of a document under hold"}
        ground.clock.advance(BACKUPS)
        assert (await ground.run()).destroyed == 1
        assert await _found_in(server, backup, ground, tmp_path) == set()
        assert await ground.read(digest(b"of a document under hold")) == b"of a document under hold"
        assert await ground.complaints() == ()
        assert not list((tmp_path / "keys").glob("202611*.key"))
        restored = Ground(await _opened(server, backup, tmp_path), ground.account, ground.clock)
        told = await restored.complaints()
        assert sum("an old state is back" in one for one in told) == 4, told
        await restored.pool.close()
    finally:
        await server.command(f"drop database {backup} with (force)")


async def _opened(server: Any, database: str, folder: Path) -> Pool:
    """A pool on a database with the keys of a folder."""
    keys = Keyring(folder / "keys")
    return await connect(server.server, keys=keys, database=database, max_size=4, unsafe_no_fsync=True)


async def _found_in(server: Any, database: str, ground: Ground, folder: Path) -> set[bytes]:
    """The submissions that can be read in a database with the keys that are in the folder now."""
    pool = await _opened(server, database, folder)
    found = set()
    for data in (SECRET, b"of a document under hold"):
        try:
            async with pool.account(ground.account.id) as connection:
                found.add(await documents.read(connection, digest(data)))
        except Gone:
            continue
    async with pool.owner() as connection:
        rows = await connection.fetch("select data, wrapped from content_data")
    assert not any(SECRET in bytes(row["data"]) + bytes(row["wrapped"]) for row in rows)
    await pool.close()
    return found


async def test_a_content_of_two_documents_goes_with_the_last(ground: Ground) -> None:
    first = await ground.settled()
    second = await ground.settled(SECRET, "F-2")
    hold = await _hold(ground, Scope(document_id=second))
    await ground.purged()
    assert await ground.read(digest(SECRET)) == SECRET
    purged = (await ground.events(first))[-1]
    assert digest(SECRET) in purged[1]["shared"]
    assert await ground.complaints() == ()
    await holds.release(ground.pool, ground.account.id, hold, by="estk_2", at=ground.clock.now())
    await ground.run()
    ground.clock.advance(timedelta(days=31))
    assert (await ground.run()).purged == 1
    with pytest.raises(Gone):
        await ground.read(digest(SECRET))
    assert await ground.complaints() == ()


async def test_the_same_bytes_may_come_again_after_their_purge(ground: Ground) -> None:
    await ground.settled()
    await ground.purged()
    again = await ground.settled(SECRET, "F-9")
    assert await ground.read(digest(SECRET)) == SECRET
    async with ground.pool.account(ground.account.id) as connection:
        assert (await documents.get(connection, again)).purged_at is None
    assert await ground.complaints() == ()


async def test_a_purge_waits_for_who_is_keeping_the_same_bytes(ground: Ground) -> None:
    """What is admitted but not committed cannot be seen: without a lock its bytes went with the older document's."""
    await ground.settled()
    ground.clock.advance(timedelta(days=365 * 11))
    await ground.run()
    ground.clock.advance(timedelta(days=31))
    async with ground.pool.account(ground.account.id) as connection:
        await contents.put(connection, ground.account.id, [Kept(Role.SUBMISSION, "application/xml", SECRET)])
        purge = asyncio.create_task(ground.run())
        done, _ = await asyncio.wait({purge}, timeout=0.5)
        assert not done
    assert (await purge).purged == 1


async def test_what_is_not_settled_stays(ground: Ground) -> None:
    document_id = (await admitted(ground.pool, ground.account.id, SECRET)).document_id
    await ground._walk(document_id, SECRET, "F-1", list(Stage)[1:-1])
    ground.clock.advance(timedelta(days=365 * 12))
    ran = await ground.run()
    assert (ran.announced, ran.kept) == (0, 1)
    (only,) = [one async for one in retention.due(ground.pool, ground.account.id, ground.clock.now().date())]
    assert "has not ended" in only.kept_by


async def test_a_clock_that_jumps_purges_nothing_at_once(ground: Ground) -> None:
    await ground.settled()
    ground.clock.advance(timedelta(days=365 * 30))
    ran = await ground.run()
    assert (ran.announced, ran.purged) == (1, 0)
    ground.clock.advance(timedelta(days=-365 * 30))
    assert (await ground.run()).purged == 0
    assert await ground.read(digest(SECRET)) == SECRET


async def test_a_refused_submission_goes_after_a_year(ground: Ground) -> None:
    from gateway.lifecycle import Halted

    document_id = (await admitted(ground.pool, ground.account.id, SECRET)).document_id
    await commit(
        ground.pool, await the_claim(ground.pool, document_id), [Step(Stage.PARSED, Halted("unreadable"), NOON)],
        go_on=False,
    )  # fmt: skip
    ground.clock.advance(timedelta(days=334))
    assert (await ground.run()).announced == 0
    ground.clock.advance(timedelta(days=2))
    assert (await ground.run()).announced == 1
    ground.clock.advance(timedelta(days=31))
    assert (await ground.run()).purged == 1
    assert await ground.complaints() == ()


async def test_what_came_in_is_kept_as_an_invoice_even_when_it_breaks_rules(ground: Ground) -> None:
    from gateway.lifecycle import Halted

    origin = {"network": "folder", "network_id": "f-1"}
    came = replace(submission(ground.account.id, SECRET), came=Came("folder", "f-1"), origin=origin)
    document_id = (await admit(ground.pool, came)).document_id
    halted = [Step(Stage.PARSED, parsed(), NOON), Step(Stage.VALIDATED, Halted("the document breaks rules"), NOON)]
    await commit(ground.pool, await the_claim(ground.pool, document_id), halted, go_on=False)
    ground.clock.advance(timedelta(days=365 * 9))
    assert (await ground.run()).announced == 0
    await ground.purged()
    assert await ground.complaints() == ()


@pytest.mark.parametrize(
    ("today", "policy", "until"),
    [
        (date(2037, 1, 1), Policy(), date(2026, 12, 31)),
        (date(2036, 12, 31), Policy(), date(2025, 12, 31)),
        (date(2037, 7, 1), Policy(year_ends=6), date(2027, 6, 30)),
        (date(2037, 6, 30), Policy(year_ends=6), date(2026, 6, 30)),
        (date(2057, 1, 1), Policy(invoice_years=30), date(2026, 12, 31)),
    ],
)
def test_readings_go_with_the_last_document_that_could_be_read_then(today: date, policy: Policy, until: date) -> None:
    assert readings_until(today, policy) == until
    assert kept_until(DocumentClass.INVOICE, None, until, policy) < today
    assert kept_until(DocumentClass.INVOICE, None, until + timedelta(days=1), policy) >= today


async def test_who_read_is_kept_as_long_as_what_could_be_read(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.archive_reads._AT_ONCE", 2)

    async def look_in(days: int) -> None:
        at = NOON + timedelta(days=days)
        one = Read(new_id(at), at, "estk_1", archive_reads.SEARCH, {}, 1, True, "")
        async with ground.pool.account(ground.account.id) as connection:
            await archive_reads.record(connection, ground.account.id, one)

    async def kept() -> int:
        async with ground.pool.account(ground.account.id) as connection:
            return len((await archive_reads.page(connection, None, 100))[0])

    for days in (0, 1, 2, 3, 4, 365):
        await look_in(days)
    async with ground.pool.owner() as connection:
        with pytest.raises(RestrictViolationError, match="period of a reading has not ended"):
            await connection.execute("delete from archive_read")
    ground.clock.advance(timedelta(days=365 * 10))
    assert (await ground.run()).readings == 0
    hold = await _hold(ground, Scope(party="100000306"))
    ground.clock.advance(timedelta(days=60))
    assert (await ground.run()).readings == 0, "a hold keeps them"
    await holds.release(ground.pool, ground.account.id, hold, by="estk_2", at=ground.clock.now())
    assert ((await ground.run()).readings, await kept()) == (5, 1)
    assert (await ground.run()).readings == 0
    async with ground.pool.account(ground.account.id) as connection:
        (trace,) = await connection.fetch("select until_at, law from archive_read_ended")
    assert trace["until_at"].date() == date(2026, 12, 31)
    assert "L. 123-22" in trace["law"]


async def test_a_purge_by_hand_needs_two_persons(ground: Ground) -> None:
    document_id = await ground.settled()
    ground.clock.advance(timedelta(days=365 * 11))
    await ground.run()
    ground.clock.advance(timedelta(days=31))
    for asked, approved in (("a", "a"), ("a", ""), ("", "b")):
        with pytest.raises(Conflict, match="approved by another"):
            await retention.purge_now(ground.resources, ground.account.id, asked_by=asked, approved_by=approved)
    gone = await retention.purge_now(ground.resources, ground.account.id, asked_by="a", approved_by="b")
    assert gone == (document_id,)
    assert (await ground.events(document_id))[-1][1]["approved_by"] == "b"


# Holds ---------------------------------------------------------------------------------------------------------------


def _new(ground: Ground, scope: Scope, by: str = "estk_1") -> Hold:
    now = ground.clock.now()
    return Hold(new_id(now), scope, "dispute", "RG-2026/14", now.date() + timedelta(days=365), by, now)


async def _hold(ground: Ground, scope: Scope, by: str = "estk_1") -> UUID:
    hold = _new(ground, scope, by)
    await holds.place(ground.pool, ground.account.id, hold)
    return hold.id


SCOPES = {
    "everything": Scope(everything=True),
    "the buyer": Scope(party="100000207"),
    "the buyer, as people write it": Scope(party="100 000.207"),
    "the buyer, by its VAT number": Scope(party="FR 98 100000207"),
    "the seller": Scope(party="100000108"),
    "the period": Scope(issued_from=date(2026, 11, 24), issued_until=date(2026, 11, 24)),
}


@pytest.mark.parametrize("what", list(SCOPES))
async def test_a_hold_wins_over_a_thousand_runs(ground: Ground, what: str) -> None:
    document_id = await ground.settled()
    await _hold(ground, SCOPES[what])
    ground.clock.advance(timedelta(days=365 * 11))
    for _ in range(5):
        ground.clock.advance(timedelta(days=200))
        ran = await ground.run()
        assert (ran.announced, ran.purged, ran.kept) == (0, 0, 1)
    assert await ground.read(digest(SECRET)) == SECRET
    ((outcome, facts),) = await ground.events(document_id)
    assert outcome == "held"
    assert (facts["reason"], facts["reference"]) == ("dispute", "RG-2026/14")


async def test_a_party_is_known_by_any_identifier_that_its_document_says(ground: Ground) -> None:
    document_id = (await admitted(ground.pool, ground.account.id, SECRET)).document_id
    found = Sought("Vendeur", "Acheteur", ("s#DE123456789", "b#0088123", "s~vendeur"))
    done = replace(parsed("F-1"), sought=found, columns={**parsed("F-1").columns, "buyer": "Müller & Söhne"})
    await commit(ground.pool, await the_claim(ground.pool, document_id), [Step(Stage.PARSED, done, NOON)], go_on=False)
    for party, meets in (("de 123.456.789", 1), ("0088:123", 1), ("0088", 0), ("DE12345678", 0), ("vendeur", 0),
                         ("müller söhne", 1)):  # fmt: skip
        hold = await holds.place(ground.pool, ground.account.id, _new(ground, Scope(party=party)))
        assert (hold.told, hold.goes_on) == (meets, False), party
        async with ground.pool.account(ground.account.id) as connection:
            assert (hold.id in await holds.on(connection, document_id)) == bool(meets)


@pytest.mark.parametrize("scope", [Scope(), Scope(party="100000207", everything=True), Scope(party=" - ")])
async def test_a_hold_on_everything_says_so(ground: Ground, scope: Scope) -> None:
    with pytest.raises(Malformed):
        await holds.place(ground.pool, ground.account.id, _new(ground, scope))


async def test_a_hold_on_many_is_in_force_at_once_and_told_page_by_page(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.holds.SCANNED", 2)
    monkeypatch.setattr("gateway.store.holds.AT_ONCE", 1)
    ids = [await ground.settled(str(number).encode(), f"F-{number}") for number in range(7)]
    ground.clock.advance(timedelta(days=1))
    hold = await holds.place(ground.pool, ground.account.id, _new(ground, Scope(everything=True)))
    assert (hold.told, hold.goes_on) == (2, True)
    later = await ground.settled(b"later", "F-later")
    await ground.as_superuser(f"update document set created_at = '2026-11-26' where document_id = '{later}'")
    async with ground.pool.account(ground.account.id) as connection:
        assert [await holds.on(connection, one) for one in (ids[0], ids[6], later)] == [(hold.id,)] * 3
    released = await holds.release(ground.pool, ground.account.id, hold.id, by="estk_2", at=ground.clock.now())
    assert (released.told, released.goes_on) == (4, True), "the one is told before the other"
    assert await retention.tell_holds(ground.pool) == 1
    assert await retention.tell_holds(ground.pool) == 0
    for one in ids:
        assert [outcome for outcome, _ in await ground.events(one)] == ["held", "released"]
    async with ground.pool.account(ground.account.id) as connection:
        (listed,) = await holds.listed(connection)
    assert (listed.told, listed.goes_on) == (7, False)
    assert await ground.events(later) == []
    await ground.as_superuser(
        "update document d set created_at = e.at from event e where e.document_id = d.document_id and e.seq = 1"
    )
    assert await ground.complaints() == ()


@pytest.mark.parametrize(
    "scope", [Scope(party="100000306"), Scope(issued_from=date(2026, 11, 25)), Scope(issued_until=date(2026, 11, 23))]
)
async def test_a_hold_meets_only_what_fits_it(ground: Ground, scope: Scope) -> None:
    document_id = await ground.settled()
    await _hold(ground, scope)
    assert await ground.events(document_id) == []
    await ground.purged()


async def test_a_hold_that_comes_after_the_announcement_wins(ground: Ground) -> None:
    document_id = await ground.settled()
    ground.clock.advance(timedelta(days=365 * 11))
    await ground.run()
    ground.clock.advance(timedelta(days=31))
    await _hold(ground, Scope(document_id=document_id))
    with pytest.raises(Conflict, match="held"):
        await store.purge(ground.pool, ground.account.id, document_id, {}, ground.clock.now())
    assert (await ground.run()).purged == 0


async def test_a_hold_is_not_released_by_who_set_it(ground: Ground) -> None:
    document_id = await ground.settled()
    hold = await _hold(ground, Scope(document_id=document_id), "estk_1")
    with pytest.raises(Forbidden):
        await holds.release(ground.pool, ground.account.id, hold, by="estk_1", at=NOON)
    await holds.release(ground.pool, ground.account.id, hold, by="estk_2", at=NOON)
    with pytest.raises(Conflict):
        await holds.release(ground.pool, ground.account.id, hold, by="estk_3", at=NOON)
    assert [one for one, _ in await ground.events(document_id)] == ["held", "released"]
    await ground.purged()
    async with ground.pool.owner() as connection:
        for statement in ("delete from hold", "update hold set released_at = null, released_by = null"):
            with pytest.raises(RestrictViolationError):
                await connection.execute(statement)


# Tampering -----------------------------------------------------------------------------------------------------------


async def test_a_hole_without_a_tombstone_is_tampering(ground: Ground) -> None:
    await ground.settled()
    await ground.as_superuser(f"delete from content_data where sha256 = '\\x{digest(SECRET)}'")
    with pytest.raises(Corrupt, match="no tombstone"):
        await ground.read(digest(SECRET))
    assert f"content {digest(SECRET)} is missing, and no tombstone says why" in await ground.complaints()


async def test_bytes_that_are_back_after_their_purge_are_told(ground: Ground, server: Any) -> None:
    await ground.settled()
    async with ground.pool.owner() as connection:
        await connection.execute("create table kept_aside as select * from content_data")
    await ground.purged()
    await ground.as_superuser("insert into content_data select * from kept_aside")
    assert any("was purged and is there again" in one for one in await ground.complaints())


async def test_the_database_lets_no_bytes_go_without_a_tombstone(ground: Ground) -> None:
    await ground.settled()
    async with ground.pool.owner() as connection:
        with pytest.raises(RestrictViolationError, match="is not purged"):
            await connection.execute("delete from content_data")
        with pytest.raises(RestrictViolationError, match="only its key is wrapped anew"):
            await connection.execute("update content_data set data = 'x'")
    with pytest.raises(RestrictViolationError):
        async with ground.pool.account(ground.account.id) as connection:
            await contents.destroy(connection, [bytes.fromhex(digest(SECRET))], NOON)
    assert await ground.read(digest(SECRET)) == SECRET


async def test_a_forged_tombstone_is_found_in_the_chain(ground: Ground) -> None:
    """A superuser without the key makes a hole and writes a tombstone for it."""
    document_id = await ground.settled()
    await ground.complaints()  # publishes
    await ground.as_superuser(
        "insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash) "
        f"select account_id, document_id, 99, at, stage, 'purged', '{{}}', hash, sha256(hash) from event "
        f"where document_id = '{document_id}' and seq = 1"
    )
    await ground.as_superuser(f"delete from content_data where sha256 = '\\x{digest(SECRET)}'")
    assert any(re.search(f"document {document_id}: event", one) for one in await ground.complaints())


async def _name_of(pool: Pool) -> str:
    async with pool.owner() as connection:
        name: str = await connection.fetchval("select current_database()")
    return name
