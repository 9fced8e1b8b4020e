"""Makers of invoices that were sold: admitted, valid and handed over through the journal, without their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from gateway.lifecycle import Done, Halted, Later, News, Stage
from gateway.sought import Sought
from gateway.store import payments
from gateway.store.identifiers import new_id
from gateway.store.journal import Step, admit, commit
from gateway.store.payments import Reported
from gateway.store.pool import Pool
from gateway.store.tasks import Claim
from signing.chain import instant
from tests.gateway.ground import submission


@dataclass(frozen=True)
class Sale:
    """What a document says."""

    number: str
    amount: str = "120.00"
    type_code: str = "380"
    issued: date = date(2026, 11, 1)
    due: date | None = date(2026, 12, 1)
    buyer: str | None = "100000207"
    currency: str = "EUR"
    names: Sequence[tuple[str, date | None]] = ()
    """Numbers and dates of the invoices it corrects."""
    buyer_name: str = "Librairie du Port"
    address: tuple[str, str] | None = None
    """Scheme and value of the buyer's electronic address."""
    seller: str = "100000108"


def found(sale: Sale) -> Done:
    """What parse finds."""
    columns = {
        "number": sale.number, "type_code": sale.type_code, "issue_date": sale.issued, "seller": sale.seller,
        "buyer": sale.buyer, "currency": sale.currency, "total": Decimal(sale.amount),
        "amount_due": Decimal(sale.amount), "due_date": sale.due,
        "buyer_scheme": sale.address[0] if sale.address else None,
        "buyer_address": sale.address[1] if sale.address else None,
    }  # fmt: skip
    preceding = [{"number": n, **({"issue_date": d.isoformat()} if d else {})} for n, d in sale.names]
    references = {"preceding": preceding} if preceding else {}
    return Done({"format": "cii"}, columns=columns, sought=Sought("Atelier", sale.buyer_name, (), references))


async def the_claim(pool: Pool, account_id: UUID, document_id: UUID) -> Claim:
    """Claim the one task of a document, whenever it is due, and no other."""
    async with pool.account(account_id) as connection:
        row = await connection.fetchrow(
            "update task set lease = lease + 1, attempts = attempts + 1, woken = false where document_id = $1 "
            "returning stage, attempts, lease, network",
            document_id,
        )
    return Claim(account_id, document_id, Stage(row["stage"]), row["attempts"], row["lease"], row["network"])


async def sold(
    pool: Pool, account_id: UUID, sale: Sale, at: datetime, *, delivered: bool = False, reached: bool = True
) -> UUID:
    """A valid document; its next task is to build it, or to see what comes of its delivery."""
    admission = await admit(pool, submission(account_id, f"{sale.number} {sale.type_code}".encode(), at=at))
    claim = await the_claim(pool, account_id, admission.document_id)
    steps = [Step(Stage.PARSED, found(sale), at), Step(Stage.VALIDATED, Done({"verdict": "valid"}), at)]
    if delivered:
        consignment, sha256 = str(admission.document_id), "00" * 32
        route = {"network": "folder", "consignment": consignment, "sha256": sha256}
        steps += [Step(stage, Done({}), at) for stage in (Stage.BUILT, Stage.SEALED, Stage.ARCHIVED)]
        steps += [Step(Stage.ROUTED, Done(route), at)]
        steps += [Step(Stage.DELIVERED, Done({**route, "network_id": f"n-{consignment}"}), at)]
    if delivered and reached:
        steps += [Step(Stage.ACKNOWLEDGED, Done({"status": "made_available"}), at)]
    await commit(pool, claim, steps, go_on=False)
    return admission.document_id


async def paid(pool: Pool, account_id: UUID, document_id: UUID, amount: str, on: datetime, *, key: str = "") -> bool:
    """Record a payment in the document's currency; whether it was there already."""
    async with pool.account(account_id) as connection:
        currency = await connection.fetchval("select currency from document where document_id = $1", document_id)
        identifier = new_id(on)
        reported = Reported(identifier, Decimal(amount), currency, on.date(), "", key or str(identifier))
        _, replayed = await payments.record(connection, account_id, document_id, reported, on)
        return replayed


async def said(
    pool: Pool, account_id: UUID, document_id: UUID, status: str, at: datetime, *, ends: bool = False
) -> None:
    """Somebody says a status of a document that waits in acknowledge."""
    claim = await the_claim(pool, account_id, document_id)
    facts = {"status": status, "furthest": status, "source": "folder", "at": instant(at)}
    news = (News("status", facts),)
    outcome = Halted(f"{status} by the other side", news=news) if ends else Later(timedelta(days=1), "waits", news)
    await commit(pool, claim, [Step(claim.stage, outcome, at)], go_on=False)
