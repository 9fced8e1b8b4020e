"""The journal: all or nothing, once per key, one next task, a chain that any change breaks, and no late writer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway import audit
from gateway.errors import KeyReused, NotFound
from gateway.lifecycle import Done, Halted, Kept, Later, News, Role, Skipped, Stage
from gateway.store import documents, tasks
from gateway.store.journal import DUPLICATE_RULE, LostClaim, commit
from schemas.finding import Finding, Severity
from tests.gateway.ground import NOON, admitted, open_account, parsed, step, the_claim

FINDING = Finding("BR-01", Severity.FATAL, "en16931", "An invoice shall have a specification identifier.")


@pytest.fixture
async def account(pool):
    return await open_account(pool)


async def show(pool, account, document_id):
    async with pool.account(account.id) as connection:
        return await documents.get(connection, document_id)


async def count(pool, account, table: str) -> int:
    async with pool.account(account.id) as connection:
        return await connection.fetchval(f"select count(*) from {table}")


async def test_what_is_admitted_is_all_there(pool, account):
    admission = await admitted(pool, account.id, b'{"number": "F-1"}', key="one")
    document = await show(pool, account, admission.document_id)
    assert not admission.replayed
    assert (document.stage, document.halted, document.version) == (Stage.RECEIVED, None, 1)
    reference = document.content(Role.SUBMISSION)
    async with pool.account(account.id) as connection:
        assert await documents.read(connection, reference.sha256) == b'{"number": "F-1"}'
    claim = await the_claim(pool, admission.document_id)
    assert (claim.stage, claim.attempts) == (Stage.PARSED, 1)


async def test_the_same_key_and_bytes_give_the_same_document(pool, account):
    first = await admitted(pool, account.id, b"{}", key="one")
    second = await admitted(pool, account.id, b"{}", key="one")
    assert second.replayed
    assert second.document_id == first.document_id
    assert await count(pool, account, "document") == 1


async def test_the_same_key_with_other_bytes_is_refused(pool, account):
    await admitted(pool, account.id, b"{}", key="one")
    with pytest.raises(KeyReused):
        await admitted(pool, account.id, b"{ }", key="one")
    assert await count(pool, account, "document") == 1


async def test_fifty_at_once_with_one_key_make_one_document(pool, account):
    admissions = await asyncio.gather(*(admitted(pool, account.id, b"{}", key="one") for _ in range(50)))
    assert len({admission.document_id for admission in admissions}) == 1
    assert sum(not admission.replayed for admission in admissions) == 1
    assert await count(pool, account, "document") == 1


async def test_another_accounts_key_never_collides(pool, account):
    other = await open_account(pool, "Other")
    mine = await admitted(pool, account.id, b"{}", key="one")
    theirs = await admitted(pool, other.id, b"{ }", key="one")
    assert mine.document_id != theirs.document_id
    with pytest.raises(NotFound):
        await show(pool, other, mine.document_id)


async def test_steps_are_committed_together_and_chained(pool, account):
    document_id = (await admitted(pool, account.id)).document_id
    claim = await the_claim(pool, document_id)
    made = Kept(Role.ORIGINAL, "application/pdf", b"%PDF-1.7")
    done = await commit(
        pool,
        claim,
        [
            step(Stage.PARSED, parsed()),
            step(Stage.VALIDATED, Done({"verdict": "valid"})),
            step(Stage.BUILT, Done({"format": "facturx"}, (made,))),
            step(Stage.SEALED, Skipped("no key")),
        ],
        go_on=True,
    )
    assert (done.stage, done.next) == (Stage.SEALED, Stage.ARCHIVED)
    document = await show(pool, account, document_id)
    assert (document.number, document.currency, str(document.total)) == ("F-1", "EUR", "120.00")
    assert document.version == 5
    assert document.facts["sealed"]["reason"] == "no key"
    async with pool.account(account.id) as connection:
        events = await documents.events(connection, document_id)
    assert [event.outcome for event in events] == ["done", "done", "done", "done", "skipped"]
    assert (await audit.audit_account(pool, account.id)).complaints == ()


async def test_a_document_has_one_next_task_at_most(pool, account):
    document_id = (await admitted(pool, account.id)).document_id
    await commit(pool, await the_claim(pool, document_id), [step(Stage.PARSED, parsed())], go_on=False)
    assert await count(pool, account, "task") == 1
    claim = await the_claim(pool, document_id)
    assert claim.stage is Stage.VALIDATED
    halted = Halted("the document breaks rules", (FINDING,))
    ended = await commit(pool, claim, [step(Stage.VALIDATED, halted)], go_on=True)
    assert (ended.halted, ended.next) == ("the document breaks rules", None)
    assert await count(pool, account, "task") == 0


async def test_a_worker_that_lost_its_lease_writes_nothing(pool, account):
    document_id = (await admitted(pool, account.id)).document_id
    late = await the_claim(pool, document_id)
    assert await tasks.claim(pool, NOON, 10) == []
    after = NOON + tasks.LEASE + timedelta(seconds=1)
    fresh = await the_claim(pool, document_id, after)
    assert (fresh.lease, fresh.attempts) == (late.lease + 1, 2)
    with pytest.raises(LostClaim):
        await commit(pool, late, [step(Stage.PARSED, parsed())], go_on=False)
    assert (await show(pool, account, document_id)).stage is Stage.RECEIVED
    await commit(pool, fresh, [step(Stage.PARSED, parsed())], go_on=False)
    assert (await show(pool, account, document_id)).stage is Stage.PARSED


async def test_a_claim_that_is_extended_is_not_taken(pool, account):
    document_id = (await admitted(pool, account.id)).document_id
    claim = await the_claim(pool, document_id)
    later = NOON + timedelta(seconds=15)
    await tasks.extend(pool, [claim], later)
    assert await tasks.claim(pool, NOON + timedelta(seconds=30), 10) == []
    await tasks.release(pool, claim, later)
    assert (await the_claim(pool, document_id, later)).lease == claim.lease + 1


async def test_workers_never_share_a_task(pool, account):
    wanted = {(await admitted(pool, account.id, f'{{"n": {n}}}'.encode())).document_id for n in range(60)}
    batches = await asyncio.gather(*(tasks.claim(pool, NOON, 10) for _ in range(8)))
    taken = [claim.document_id for batch in batches for claim in batch]
    assert len(taken) == len(set(taken))
    rest = await tasks.claim(pool, NOON, 100)
    assert {*taken, *(claim.document_id for claim in rest)} == wanted


async def test_later_waits_and_a_ring_is_not_lost(pool, account):
    document_id = (await admitted(pool, account.id)).document_id
    claim = await the_claim(pool, document_id)
    await commit(pool, claim, [step(Stage.PARSED, Later(timedelta(hours=1), "not yet"))], go_on=False)
    document = await show(pool, account, document_id)
    assert (document.waits_for, document.version) == ("not yet", 1)
    assert await tasks.claim(pool, NOON + timedelta(minutes=59), 10) == []
    claim = await the_claim(pool, document_id, NOON + timedelta(hours=1))
    async with pool.account(account.id) as connection:
        await tasks.wake(connection, document_id, NOON)  # something arrives while the stage runs
    at = NOON + timedelta(hours=1)
    await commit(pool, claim, [step(Stage.PARSED, Later(timedelta(hours=1), "not yet"), at)], go_on=False)
    assert (await the_claim(pool, document_id, at)).stage is Stage.PARSED


async def test_attempts_count_where_something_was_tried(pool, account):
    document_id = (await admitted(pool, account.id)).document_id
    tried = Later(timedelta(0), "away", (News("attempt", {"attempt": 1}),))
    for attempt in (1, 2, 3):
        claim = await the_claim(pool, document_id)
        assert claim.attempts == attempt
        await commit(pool, claim, [step(Stage.PARSED, tried)], go_on=False)
    assert (await show(pool, account, document_id)).version == 4


async def test_a_number_is_taken_once_and_the_second_is_told_of_the_first(pool, account):
    first = (await admitted(pool, account.id, b"1")).document_id
    second = (await admitted(pool, account.id, b"2")).document_id
    steps = [step(Stage.PARSED, parsed("F-7")), step(Stage.VALIDATED, Done({"verdict": "valid"}))]
    claims = {claim.document_id: claim for claim in await tasks.claim(pool, NOON, 10)}
    await commit(pool, claims[first], steps, go_on=False)
    ended = await commit(pool, claims[second], steps, go_on=True)
    assert ended.halted == "the invoice number is already used"
    document = await show(pool, account, second)
    assert document.facts["validated"]["first"] == str(first)
    assert document.facts["validated"]["findings"][0]["rule"] == DUPLICATE_RULE
    assert document.stage is Stage.PARSED


@pytest.mark.parametrize("other", [{"number": "F-8"}, {"type_code": "381"}, {"seller": "100000207"}])
async def test_a_number_may_come_again_where_the_law_allows_it(pool, account, other):
    steps = [step(Stage.PARSED, parsed("F-7")), step(Stage.VALIDATED, Done({}))]
    first = (await admitted(pool, account.id, b"1")).document_id
    await commit(pool, await the_claim(pool, first), steps, go_on=False)
    again = parsed("F-7")
    again = Done(again.facts, columns={**again.columns, **other})
    second = (await admitted(pool, account.id, b"2")).document_id
    claim = next(c for c in await tasks.claim(pool, NOON, 10) if c.document_id == second)
    ended = await commit(pool, claim, [step(Stage.PARSED, again), step(Stage.VALIDATED, Done({}))], go_on=False)
    assert ended.halted is None


async def test_a_refused_document_does_not_burn_its_number(pool, account):
    first = (await admitted(pool, account.id, b"1")).document_id
    claim = await the_claim(pool, first)
    await commit(
        pool, claim, [step(Stage.PARSED, parsed()), step(Stage.VALIDATED, Halted("no", (FINDING,)))], go_on=False
    )
    second = (await admitted(pool, account.id, b"2")).document_id
    claim = await the_claim(pool, second)
    done = await commit(pool, claim, [step(Stage.PARSED, parsed()), step(Stage.VALIDATED, Done({}))], go_on=False)
    assert done.halted is None


TAMPERING = {
    "an event's facts": 'update event set facts = \'{"verdict": "valid"}\' where seq = 2',
    "an event's time": "update event set at = at - interval '1 day' where seq = 1",
    "an event removed": "delete from event where seq = 3",
    "the last event removed": "delete from event where seq = 4",
    "an entry's role": "update entry set role = 'receipt' where role = 'original'",
    "an entry removed": "delete from entry where role = 'original'",
    "a content's bytes": "update content_data set data = 'forged'",
    "the row's head": "update document set head = decode(repeat('00', 32), 'hex')",
}


@pytest.mark.parametrize("what", list(TAMPERING))
async def test_what_a_superuser_changes_is_found_and_named(pool, account, what):
    document_id = (await admitted(pool, account.id)).document_id
    made = Kept(Role.ORIGINAL, "application/pdf", b"%PDF-1.7")
    steps = [step(Stage.PARSED, parsed()), step(Stage.VALIDATED, Done({})), step(Stage.BUILT, Done({}, (made,)))]
    await commit(pool, await the_claim(pool, document_id), steps, go_on=False)
    assert (await audit.audit_account(pool, account.id)).clean
    async with pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        assert await connection.execute(TAMPERING[what]) not in ("UPDATE 0", "DELETE 0")
    found = await audit.audit_account(pool, account.id)
    assert not found.clean
    assert any(str(document_id) in complaint or "content" in complaint for complaint in found.complaints), found


async def test_the_books_balance_over_delivered_pending_and_halted(pool, account):
    routed = Done({"network": "afnor", "consignment": "c-1", "sha256": "00" * 32})
    delivered = Done({"consignment": "c-1", "network": "afnor", "network_id": "n-1"})
    ends = {
        b"1": [step(Stage.ROUTED, routed), step(Stage.DELIVERED, delivered)],
        b"2": [step(Stage.VALIDATED, Done({}))],
        b"3": [step(Stage.VALIDATED, Halted("no", (FINDING,)))],
    }
    for data, steps in ends.items():
        document_id = (await admitted(pool, account.id, data)).document_id
        first = step(Stage.PARSED, parsed(data.decode(), "10.00"))
        await commit(pool, await the_claim(pool, document_id), [first, *steps], go_on=False)
    books = (await audit.audit_account(pool, account.id)).reconciliation
    assert (books.accepted, books.delivered, books.pending, books.halted) == (3, 1, 1, 1)
    assert books.balanced
    async with pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute("delete from task")
    found = await audit.audit_account(pool, account.id)
    assert not found.reconciliation.balanced
    assert sum("is neither delivered nor pending nor halted" in one for one in found.complaints) == 1


MOVED = {
    "its row": ("update document set stage = 'settled'", "its row says another stage than its events"),
    "its end": ("update document set halted = 'nobody wants it'", "its row says another halted than its events"),
    "its status": ("update document set status = 'paid'", "its row says another status than its events"),
    "its delivery": ("update delivery set network_id = 'n-2'", "its deliveries are not those of its events"),
    "no delivery": ("delete from delivery", "its deliveries are not those of its events"),
    "its events alone": ("delete from document", "its row is missing, and event 1 is there"),
    "its payment": (
        "insert into payment select account_id, gen_random_uuid(), document_id, 120, 'EUR', '2026-12-01', '', now(), "
        "'forged' from document",
        "no event tells of payment",
    ),
}


@pytest.mark.parametrize("what", list(MOVED))
async def test_what_is_moved_in_the_rows_alone_is_found_and_named(pool, account, what):
    document_id = (await admitted(pool, account.id)).document_id
    routed = Done({"network": "afnor", "consignment": "c-1", "sha256": "00" * 32})
    delivered = Done({"consignment": "c-1", "network": "afnor", "network_id": "n-1"})
    steps = [step(Stage.PARSED, parsed()), step(Stage.ROUTED, routed), step(Stage.DELIVERED, delivered),
             step(Stage.ACKNOWLEDGED, Done({})), step(Stage.SETTLED, Done({"paid": True}))]  # fmt: skip
    if MOVED[what][0].startswith("update document set stage"):
        steps = steps[:-1]
    await commit(pool, await the_claim(pool, document_id), steps, go_on=False)
    assert (await audit.audit_account(pool, account.id)).clean
    async with pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        assert not (await connection.execute(MOVED[what][0])).endswith(" 0")
    found = await audit.audit_account(pool, account.id)
    assert any(one.startswith(f"document {document_id}: {MOVED[what][1]}") for one in found.complaints), found


async def test_an_archive_of_many_pages_is_audited_page_by_page(pool, account, monkeypatch):
    monkeypatch.setattr("gateway.store.ledger.PAGE", 2)
    monkeypatch.setattr("gateway.store.ledger.ROWS", 3)
    monkeypatch.setattr("gateway.store.contents._CARDS", 2)
    monkeypatch.setattr("gateway.store.contents.BYTES", 40)
    ids = [(await admitted(pool, account.id, b"x" * number)).document_id for number in range(1, 12)]
    told: list[int] = []
    found = await audit.audit_account(pool, account.id, told.append)
    assert (found.documents, found.events, found.contents, told[-1]) == (11, 11, 11, 11)
    assert found.clean
    async with pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        await connection.execute("delete from event where document_id = any($1)", ids[3:8])
        await connection.execute("delete from content where size in (2, 9)")
    found = await audit.audit_account(pool, account.id)
    assert sum("which is not there" in one for one in found.complaints) == 5
    assert len({one for one in found.complaints if one.startswith("content ")}) == 2
    monkeypatch.setattr("gateway.audit.SAYS_LIMIT", 4)
    limited = await audit.audit_account(pool, account.id)
    assert len(limited.complaints) == 5
    assert limited.complaints[-1] == f"and {len(found.complaints) - 4} more complaints"


async def take_number(pool, account, data: bytes, *more):
    """A document that is parsed as F-7, valid, and then ends as the further steps say."""
    document_id = (await admitted(pool, account.id, data)).document_id
    claim = next(c for c in await tasks.claim(pool, NOON, 100) if c.document_id == document_id)
    steps = [step(Stage.PARSED, parsed("F-7")), step(Stage.VALIDATED, Done({})), *more]
    return await commit(pool, claim, steps, go_on=False)


async def test_a_number_serves_its_correction_when_nothing_was_handed_over(pool, account):
    lost = step(Stage.ROUTED, Halted("no way to this participant"))
    assert (await take_number(pool, account, b"1", lost)).halted == "no way to this participant"
    assert (await take_number(pool, account, b"2")).halted is None
    assert (await take_number(pool, account, b"3")).halted == "the invoice number is already used"
    assert await count(pool, account, "invoice_number") == 2


@pytest.mark.parametrize("outcome", ["unknown", "unreachable"])
async def test_a_number_stays_taken_once_a_delivery_was_tried(pool, account, outcome):
    tried = News("attempt", {"attempt": 1, "outcome": outcome})
    routed = Done({"network": "afnor", "consignment": "c", "sha256": "00" * 32})
    ended = Halted("the network could not be reached for three days", news=(tried,))
    await take_number(pool, account, b"1", step(Stage.ROUTED, routed), step(Stage.DELIVERED, ended))
    assert (await take_number(pool, account, b"2")).halted == "the invoice number is already used"


async def test_what_comes_while_the_last_stage_is_committed_is_not_lost(pool, account):
    document_id = (await admitted(pool, account.id)).document_id
    claim = await the_claim(pool, document_id)
    async with pool.account(account.id) as connection:
        await tasks.reopen(connection, document_id, NOON)
    await commit(pool, claim, [step(Stage.SETTLED, Done({"paid": True}))], go_on=False)
    again = await the_claim(pool, document_id)
    await commit(pool, again, [step(Stage.SETTLED, Done({"paid": True}))], go_on=False)
    assert await tasks.claim(pool, NOON, 10) == []
    async with pool.account(account.id) as connection:
        await tasks.reopen(connection, document_id, NOON)  # a late status or payment
    late = await the_claim(pool, document_id)
    await commit(pool, late, [step(Stage.SETTLED, Later(timedelta(days=1), "waits for payment"))], go_on=False)
    assert (await the_claim(pool, document_id, NOON + timedelta(days=1))).stage is Stage.SETTLED
