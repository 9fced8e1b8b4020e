"""What payment providers told each legal entity: each once by the provider's id; strays wait for a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.errors import NotFound
from gateway.store.pool import Connection

PAGE_LIMIT = 200
_COLUMNS = ("participant, provider, notice_id, received_at, kind, document_id, payment_id, amount, currency, paid_on, "
            "reference, stray, remark, looked_at, looked_by")  # fmt: skip


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice as it is kept."""

    participant: str
    """SIREN of the legal entity that was paid."""
    provider: str
    notice_id: str
    received_at: datetime
    kind: str
    """The provider's word for what happened."""
    document_id: UUID | None
    payment_id: UUID | None
    amount: Decimal | None
    currency: str
    paid_on: date | None
    reference: str
    """The provider's id of the payment."""
    stray: str
    """Why a person has to look; empty: nobody has to."""
    remark: str
    looked_at: datetime | None = None
    looked_by: str | None = None


Name = tuple[str, str, str]
"""Legal entity (SIREN), provider, and the provider's id of the notice."""


async def known(connection: Connection, name: Name) -> NoticeRow | None:
    """The notice of this name; None when it is new."""
    row = await connection.fetchrow(
        f"select {_COLUMNS} from payment_notice where participant = $1 and provider = $2 and notice_id = $3",  # noqa: S608
        *name,
    )
    return NoticeRow(**row) if row is not None else None


async def keep(connection: Connection, account_id: UUID, notice: NoticeRow) -> None:
    """Keep a notice; one that came meanwhile stays as it is."""
    await connection.execute(
        """
        insert into payment_notice (account_id, participant, provider, notice_id, received_at, kind, document_id,
            payment_id, amount, currency, paid_on, reference, stray, remark)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) on conflict do nothing
        """,
        account_id,
        notice.participant,
        notice.provider,
        notice.notice_id,
        notice.received_at,
        notice.kind,
        notice.document_id,
        notice.payment_id,
        notice.amount,
        notice.currency,
        notice.paid_on,
        notice.reference,
        notice.stray,
        notice.remark,
    )


async def page(connection: Connection, *, strays: bool, before: datetime | None, limit: int) -> list[NoticeRow]:
    """Notices, newest first, that came before an instant; with `strays` those that nobody has looked at."""
    rows = await connection.fetch(
        f"""
        select {_COLUMNS} from payment_notice
        where (not $1 or (stray <> '' and looked_at is null)) and ($2::timestamptz is null or received_at < $2)
        order by received_at desc, participant, provider, notice_id limit $3
        """,  # noqa: S608
        strays,
        before,
        limit,
    )
    return [NoticeRow(**row) for row in rows]


async def looked_at(connection: Connection, name: Name, by: str, now: datetime) -> NoticeRow:
    """Write that somebody has looked at a stray, once. Raises NotFound."""
    await connection.execute(
        """
        update payment_notice set looked_at = $4, looked_by = $5
        where participant = $1 and provider = $2 and notice_id = $3 and stray <> '' and looked_at is null
        """,
        *name,
        now,
        by,
    )
    row = await known(connection, name)
    if row is None:
        raise NotFound("there is no such notice")
    return row


async def documents_of(connection: Connection, participant: str, number: str) -> list[Any]:
    """Ids of a legal entity's issued documents of a number (BT-1): two are enough to know that it names none."""
    rows = await connection.fetch(
        """
        select document_id from document where participant = $1 and number = $2 and direction = 'outbound'
          and about is null and halted is null limit 2
        """,
        participant,
        number,
    )
    return [row["document_id"] for row in rows]
