"""RELIABILITY T26: what was accepted is what is archived, comes back and is sent, for every file of the corpus.

Whatever a file is (invoice, status, bank statement, broken PDF, with CRLF, a BOM or comments), its bytes are bytes from
the moment they were taken: locked, proved, read back, handed to a network, rewrapped under another key.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

from adapters.port import Networks
from gateway import audit
from gateway.clock import SettableClock
from gateway.lifecycle import Done, Kept, Role, Stage
from gateway.resources import Resources, digest
from gateway.store import contents, documents, tasks
from gateway.store.journal import Step, admit, commit
from gateway.store.pool import Pool
from gateway.store.tasks import Claim
from gateway.worker import Worker
from tests.conftest import CORPUS
from tests.gateway.api.conftest import Folder
from tests.gateway.ground import NOON, NOTARY, open_account, parsed, submission


@pytest.mark.slow
@pytest.mark.corpus
async def test_the_same_bytes_from_the_door_to_the_network(pool: Pool, tmp_path: Path) -> None:
    paths = [CORPUS / json.loads(line)["path"] for line in (CORPUS / "manifest.jsonl").read_text().splitlines()]
    assert len(paths) >= 1_114
    account = await open_account(pool, original="as_submitted")
    clock = SettableClock(NOON)
    sent = tmp_path / "sent"
    sent.mkdir()
    resources = Resources(pool, Networks((Folder(sent, clock),)), clock, None, NOTARY)  # type: ignore[arg-type]
    accepted: dict[UUID, Path] = {}
    for path in paths:
        accepted[await _admitted(pool, account.id, path.read_bytes())] = path
    for number, claim in enumerate(await tasks.claim(pool, NOON, len(paths))):
        await _sealed(pool, claim, accepted[claim.document_id].read_bytes(), number)
    clock.advance(timedelta(minutes=1))  # the claims of the making above end
    await Worker(resources, 8).drain()
    differ = []
    for document_id, path in accepted.items():
        data = path.read_bytes()
        async with pool.account(account.id) as connection:
            document = await documents.get(connection, document_id)
            kept = [await documents.read(connection, one.sha256) for one in document.contents
                    if one.role in (Role.SUBMISSION, Role.ORIGINAL)]  # fmt: skip
        handed = (sent / document.facts["delivered"]["consignment"]).read_bytes()
        same = kept == [data, data] and handed == data
        if not same or document.facts["delivered"]["sha256"] != sha256(data).hexdigest():
            differ.append(path)
    assert differ == []
    assert len(list(sent.iterdir())) == len(paths)
    clock.advance(timedelta(days=40))
    keys = pool.keys
    assert keys is not None
    before = await contents.keys_in_use(pool, account.id)
    await keys.renew(pool, clock.now())
    for name in before:
        await contents.rewrap(pool, keys, account.id, name)
    assert not before & await contents.keys_in_use(pool, account.id)
    found = await audit.audit_account(pool, account.id)
    assert found.complaints == ()
    assert found.documents == len(paths)


async def _admitted(pool: Pool, account_id: UUID, data: bytes) -> UUID:
    """A submission of these bytes."""
    made = replace(submission(account_id, data), kept=(Kept(Role.SUBMISSION, "application/octet-stream", data),))
    return (await admit(pool, made)).document_id


async def _sealed(pool: Pool, claim: Claim, data: bytes, number: int) -> None:
    """Walk a document to where its archive begins: its original is what was submitted."""
    columns = {**parsed(f"F-{number}").columns, "buyer_scheme": "0225", "buyer_address": "100000207"}
    original = Kept(Role.ORIGINAL, "application/octet-stream", data)
    built = {"sha256": digest(data), "format": "cii"}
    steps = [
        Step(Stage.PARSED, replace(parsed(f"F-{number}"), columns=columns), NOON),
        Step(Stage.VALIDATED, Done({}), NOON),
        Step(Stage.BUILT, Done(built, (original,)), NOON),
        Step(Stage.SEALED, Done({}), NOON),
    ]
    await commit(pool, claim, steps, go_on=False)
