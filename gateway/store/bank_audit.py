"""What the audit asks of bank statements: each booking has its payments, each such payment its booking, sums add up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from gateway.store.pool import Connection, Pool

_BOOKED = """
    select m.line_id, document_id, p.amount, d.decision,
        'bank:' || m.line_id || ':%:' || document_id || case d.decision when 'undone' then ':undone' else '' end
            as key,
        case when (d.decision = 'undone') <> coalesce(is_credit_note(o.type_code), false) then -p.amount
            else p.amount end as moved
    from bank_decision d join bank_match m using (account_id, match_id)
        join bank_match_part p using (account_id, match_id) join document o using (account_id, document_id)
    where d.decision in ('booked', 'undone')
"""


async def complaints(pool: Pool, account_id: UUID) -> AsyncIterator[str]:
    """What is not as the statements and decisions say, each in words."""
    async with pool.account(account_id, snapshot=True) as connection:
        found = [*await _unpaid(connection), *await _untold(connection), *await _uneven(connection)]
    for one in found:
        yield one


async def _unpaid(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        f"""
        select b.line_id, b.document_id, b.decision from ({_BOOKED}) b
        group by b.line_id, b.document_id, b.decision, b.key, b.moved
        having count(*) > (select count(*) from payment q
            where q.document_id = b.document_id and q.key like b.key and q.amount = b.moved)
        """  # noqa: S608 - its parts are ours
    )
    return [
        f"document {row['document_id']}: bank line {row['line_id']} is {row['decision']}, and its payment is missing"
        for row in rows
    ]


async def _untold(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        f"""
        select q.payment_id, q.document_id from payment q where q.key like 'bank:%' and not exists (
            select from ({_BOOKED}) b where b.document_id = q.document_id and q.key like b.key and q.amount = b.moved)
        """  # noqa: S608 - its parts are ours
    )
    return [
        f"document {row['document_id']}: payment {row['payment_id']} is a bank's, and no decision tells of it"
        for row in rows
    ]


async def _uneven(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        """
        select e.entry_id from bank_entry e left join bank_line l on l.account_id = e.account_id
            and l.entry_id = e.entry_id and l.split_at is null
        group by e.account_id, e.entry_id, e.amount having e.amount is distinct from sum(l.amount)
        """
    )
    return [f"bank entry {row['entry_id']}: its lines do not make its amount" for row in rows]
