"""What lists and searches show is read again from the documents' bytes, and every seal is judged again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Set
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from adapters.key_file import KeyFile
from gateway import rereading
from gateway.audit import Complaints, audit_account
from gateway.commands import demo_invoices
from gateway.lifecycle import Stage
from gateway.nightly import Believed, everything
from gateway.publish import publish
from gateway.rereading import By, Given, Reread, Told
from gateway.resources import Sealer
from gateway.store import contents, shown
from gateway.store.pool import Pool
from gateway.worker import Worker
from signing.trust import Trust
from tests.gateway.ground import NOTARY, open_account
from tests.line.conftest import Line
from tests.signing import authority
from tests.signing.sealed import seal_xml

TRUST = Trust(authority.root().pem, authority.stamper_root().pem)


async def read(line: Line, by: By | None = None) -> tuple[Reread, tuple[str, ...]]:
    """What reading all documents of the account again finds."""
    complaints = Complaints()
    found = await rereading.reread(line.pool, line.account.id, by or By(TRUST), complaints.add, lambda _done: None)
    return found, complaints.told()


async def as_superuser(line: Line, statement: str) -> None:
    """A statement with the triggers off."""
    async with line.pool.owner() as connection, connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        assert not (await connection.execute(statement)).endswith(" 0"), statement


CHANGED = {
    "update document set total = total - 1": "its row shows another total than its bytes say",
    "update document set amount_due = 0": "its row shows another amount_due than its bytes say",
    "update document set number = 'S-9', seller = '1'": "its row shows another number, seller than its bytes say",
    "update document set currency = 'USD'": "its row shows another currency than its bytes say",
    "update document set purged_at = now()": "its row says that it was purged, and no event does",
    "update archive_index set total = 1": "the archive's index shows another total than its bytes say",
    "update archive_index set cents = cents + 1": "the archive's index shows another cents than its bytes say",
    "update archive_index set buyer_name = 'Ami'": "the archive's index shows another buyer_name than its bytes say",
    "update archive_index set accepted_at = now()": "the archive's index shows another accepted_at than its bytes say",
    "update document set created_at = to_timestamp(0)": "its row says another created_at than its events",
    "update document set updated_at = to_timestamp(0)": "its row says another updated_at than its events",
    "update document set facts = '{}'": "its row says another facts than its events",
    "update document set seen_by = 'estk_1'": "its row says another seen_by than its events",
    "update document set purge_on = '2020-01-01'": "its row says another purge_on than its events",
    "update archive_index set day = day - 400": "the archive's index shows another day than its bytes say",
    "delete from archive_term where term like 'b%'": "the archive's index does not find it by each of its words",
    "delete from archive_index": "it is missing in the archive's index",
}
OWED = "what is owed on it is not what its payments, credits and write-offs make"
"""What the books say besides, where the amount due was changed."""


@pytest.mark.parametrize("syntax", ["json", "ubl-invoice"])
async def test_whatever_is_shown_is_what_the_bytes_say_or_is_named(line: Line, syntax: str) -> None:
    document = await line.until(await line.invoice("S-1", syntax=syntax), Stage.DELIVERED)
    found, complaints = await read(line)
    assert complaints == ()
    assert found.documents == 1
    assert found.amounts == {"EUR": (document.total, document.total)}
    tables = ("document", "archive_index", "archive_term")
    async with line.pool.owner() as connection:
        for table in tables:
            await connection.execute(f"create table aside_{table} as select * from {table}")
    for statement, says in CHANGED.items():
        await as_superuser(line, statement)
        _, complaints = await read(line)
        complaints += (await audit_account(line.pool, line.account.id)).complaints
        said = (says, OWED) if "amount_due" in statement else (says,)
        assert complaints == tuple(f"document {document.id}: {each}" for each in said), statement
        table = next(name for name in tables if f" {name}" in statement)
        async with line.pool.owner() as connection, connection.transaction():
            await connection.execute("set local session_replication_role = replica")
            await connection.execute(f"delete from {table}")
            await connection.execute(f"insert into {table} select * from aside_{table}")
    assert (await read(line))[1] == ()
    assert (await audit_account(line.pool, line.account.id)).clean


async def test_an_operator_who_changes_an_amount_is_named_by_the_whole_audit(line: Line) -> None:
    one = await line.until(await line.invoice("S-1"), Stage.DELIVERED)
    await line.until(await line.invoice("S-2"), Stage.DELIVERED)
    while await publish(line.resources) is not None:
        pass
    believed = Believed((NOTARY.signer.verifier,), TRUST, datetime.now(UTC), None, line.resources.compute, 2)
    whole = await everything(line.pool, believed)
    assert whole.clean, whole.complaints
    await as_superuser(line, f"update document set total = total + 1000 where document_id = '{one.id}'")
    whole = await everything(line.pool, believed)
    assert not whole.clean
    assert whole.accounts[0].clean, "rows agree with themselves; only the bytes tell"
    assert [one_ for one_ in whole.complaints if str(one.id) in one_] == [
        f"document {one.id}: its row shows another total than its bytes say"
    ]
    says, shows = whole.reread[0].found.amounts["EUR"]
    assert shows - says == Decimal(1000)
    assert any(one_.endswith("are not those of its documents' bytes: EUR") for one_ in whole.complaints)
    assert not any("1000" in one_ for one_ in whole.complaints), "no amount in what may be logged"


async def test_what_is_purged_is_a_tombstone_and_no_error(line: Line) -> None:
    document = await line.until(await line.invoice("S-1"), Stage.DELIVERED)
    (page,) = [page async for page in shown.documents(line.pool, line.account.id)]
    erased = dict.fromkeys(("buyer", "buyer_scheme", "buyer_address", "total", "amount_due", "due_date"))
    row = {**page[0].row, **erased, "purged_at": datetime.now(UTC)}
    index = {**(page[0].index or {}), "erased_at": datetime.now(UTC), "terms": [], "seller_name": ""}
    gone = replace(page[0], purged=True, row=row, index=index)
    assert rereading.judged([Given(gone, {})], TRUST, None)[0].complaints == []
    for kept in (replace(gone, row={**row, "total": Decimal(1)}), replace(gone, index=page[0].index)):
        (told,) = rereading.judged([Given(kept, {})], TRUST, None)
        assert len(told.complaints) == 1
        assert told.complaints[0].startswith(f"document {document.id}: it was purged, and ")


async def test_a_purge_that_runs_beside_is_no_complaint(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    document = await line.until(await line.invoice("S-1"), Stage.DELIVERED)
    several = contents.several

    async def purging(pool: Pool, account_id: UUID, digests: Set[str]) -> dict[str, bytes]:
        """The purge comes between the page and its bytes."""
        await as_superuser(line, "delete from content_data")
        await as_superuser(
            line,
            "insert into event (account_id, document_id, seq, at, stage, outcome, facts, prior, hash) "
            "select account_id, document_id, 99, now(), stage, 'purged', '{}', hash, hash from event where seq = 1",
        )
        return await several(pool, account_id, digests)

    monkeypatch.setattr(contents, "several", purging)
    found, complaints = await read(line)
    assert (found.documents, complaints) == (0, ()), document.id


async def test_bytes_that_are_not_there_are_told_and_not_passed_over(line: Line) -> None:
    document = await line.until(await line.invoice("S-1"), Stage.DELIVERED)
    await as_superuser(line, "delete from content_data")
    _, complaints = await read(line)
    assert complaints == (f"document {document.id}: what was submitted cannot be read",)


async def _sealed(line: Line, syntax: str) -> Line:
    resources = replace(line.resources, sealer=Sealer(KeyFile(authority.seal_key())), trust=TRUST)
    original = "facturx" if syntax == "json" else "as_submitted"
    account = await open_account(line.pool, "Sealed", french=True, seal="seal", original=original)
    return Line(resources, Worker(resources, 4), account, line.platform_url)


async def _given(line: Line) -> Given:
    (page,) = [page async for page in shown.documents(line.pool, line.account.id)]
    return Given(page[0], await contents.several(line.pool, line.account.id, set(page[0].sizes)))


def _told(given: Given, changed: Mapping[str, bytes], trust: Trust = TRUST, now: datetime | None = None) -> Told:
    (told,) = rereading.judged([Given(given.shown, {**given.contents, **changed})], trust, now)
    return told


@pytest.mark.parametrize("syntax", ["json", "ubl-invoice", "cii"])
async def test_every_seal_is_judged_again_and_a_broken_one_is_named(line: Line, syntax: str) -> None:
    sealed = await _sealed(line, syntax)
    document = await sealed.until(await sealed.invoice("S-1", syntax=syntax), Stage.DELIVERED)
    found, complaints = await read(sealed)
    assert (complaints, found.seals, found.believed) == ((), 1, 1)
    given = await _given(sealed)
    facts = given.shown.sealed[0].facts
    name = facts.get("seal", facts["sha256"])
    seal = given.contents[name]
    nobody = await asyncio.to_thread(_told, given, {}, Trust())
    assert (nobody.complaints, nobody.believed, nobody.unsure) == ([], 0, ["NO_CERTIFICATE_CHAIN_FOUND"])
    years = await asyncio.to_thread(_told, given, {}, TRUST, datetime.now(UTC) + timedelta(days=365 * 40))
    assert (years.complaints, years.believed) == ([], 1), "it was good when it was made, as the archive proves"
    broken = {facts["sha256"]: given.contents[facts["sha256"]].replace(b"S-1", b"S-2", 1)} if syntax != "json" else {
        name: seal[:300] + bytes([seal[300] ^ 1]) + seal[301:]
    }  # fmt: skip
    for changed in (broken, {name: b"%PDF-1.7" if syntax == "json" else b"<nothing/>"}, {name: b""}):
        told = await asyncio.to_thread(_told, given, changed)
        assert any(one.startswith(f"document {document.id}: the seal of event ") for one in told.complaints), changed


async def test_what_was_said_of_the_seals_of_a_submission_is_judged_again(line: Line) -> None:
    own = Line(replace(line.resources, trust=TRUST), Worker(replace(line.resources, trust=TRUST), 4), line.account,
               line.platform_url)  # fmt: skip
    invoice = demo_invoices.written(demo_invoices.invoice("S-3", demo_invoices.buyer_that_accepts()), "ubl-invoice")
    data = seal_xml(invoice, at=datetime.now(UTC).replace(microsecond=0))
    await own.until(await own.submit(data, "ubl-invoice", "application/xml"), Stage.DELIVERED)
    found, complaints = await read(own)
    assert (complaints, found.seals, found.believed) == ((), 1, 1)
    given = await _given(own)
    submitted = given.shown.submitted or ""
    for other in (invoice, data.replace(b"<cbc:ID>S-3<", b"<cbc:ID>S-4<")):
        told = await asyncio.to_thread(_told, given, {submitted: other})
        assert any("the seals it came with are not what event" in one for one in told.complaints)


async def test_a_thousand_bytes_are_a_portion_and_a_dead_process_is_no_clean_document(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.shown.PAGE", 2)
    monkeypatch.setattr("gateway.rereading.BYTES", 1000)
    buyer = demo_invoices.buyer_that_accepts()
    for number in range(5):
        data = json.dumps(demo_invoices.invoice(f"S-{number}", buyer)).encode()
        await line.until(await line.submit(data, "json", "application/json"), Stage.DELIVERED)
    found, complaints = await read(line, By(TRUST, None, line.resources.compute, 2))
    assert (found.documents, complaints) == (5, ())
    monkeypatch.setattr(line.resources.compute, "_timeout", 0.0)
    found, complaints = await read(line, By(TRUST, None, line.resources.compute, 2))
    assert found.documents == 0
    assert len(complaints) == 5
    assert all("could not be read again: a worker process took more than" in one for one in complaints)
