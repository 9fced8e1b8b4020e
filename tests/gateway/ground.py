"""Small makers that the gateway's tests share: an account, a submission, a claim."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from gateway.lifecycle import Done, Kept, Outcome, Role, Stage
from gateway.resources import Notary
from gateway.store import accounts, tasks
from gateway.store.accounts import Account
from gateway.store.identifiers import new_id
from gateway.store.journal import Admission, Step, Submission, admit
from gateway.store.pool import Pool
from gateway.store.tasks import Claim
from signing import checkpoint

NOTARY = Notary(checkpoint.signer("archive.example.org", checkpoint.generate()))
"""Signs the checkpoints of the tests."""

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


async def open_account(
    pool: Pool,
    name: str = "Atelier",
    *,
    french: bool = False,
    original: str = "facturx",
    seal: str = "none",
    qualified: bool = False,
    visible: bool = False,
    siren: str = "100000108",
) -> Account:
    """A new account of one legal entity."""
    return await accounts.create(
        pool,
        new_id(NOON),
        name=name,
        siren=siren,
        french=french,
        original=original,
        now=NOON,
        seal=seal,
        seal_qualified=qualified,
        seal_visible=visible,
    )


def submission(account_id: UUID, data: bytes = b"{}", *, key: str | None = None, at: datetime = NOON) -> Submission:
    """A submission of these bytes."""
    return Submission(
        account_id=account_id,
        document_id=new_id(at),
        participant="100000108",
        format="json",
        kept=(Kept(Role.SUBMISSION, "application/json", data),),
        at=at,
        key=key,
        fingerprint=sha256(data).digest(),
    )


async def admitted(pool: Pool, account_id: UUID, data: bytes = b"{}", *, key: str | None = None) -> Admission:
    """Admit a submission."""
    return await admit(pool, submission(account_id, data, key=key))


async def the_claim(pool: Pool, document_id: UUID, now: datetime = NOON) -> Claim:
    """Claim the one task of a document."""
    for claim in await tasks.claim(pool, now, 1000):
        if claim.document_id == document_id:
            return claim
    raise AssertionError("the document has no task that is due")


def parsed(number: str = "F-1", total: str = "120.00") -> Done:
    """What parse finds of an invoice."""
    columns = {
        "number": number,
        "type_code": "380",
        "issue_date": date(2026, 11, 24),
        "seller": "100000108",
        "buyer": "100000207",
        "currency": "EUR",
        "total": Decimal(total),
        "amount_due": Decimal(total),
    }
    return Done({"format": "cii", "profile": "urn:cen.eu:en16931:2017"}, columns=columns)


def step(stage: Stage, outcome: Outcome, at: datetime = NOON) -> Step:
    """One stage that was run."""
    return Step(stage, outcome, at)
