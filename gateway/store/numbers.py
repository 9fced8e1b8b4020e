"""Invoice numbers: taken by the first valid document that bears one, those of what comes apart from what is issued.

A number serves again only where its document ended before anything of it was handed to a network, for its correction.
"""

from __future__ import annotations

from uuid import UUID

from gateway.store.pool import Connection

Key = tuple[str, str, str, str, int]
"""Direction, seller, number, type and year."""


async def take(connection: Connection, account_id: UUID, document_id: UUID, key: Key) -> UUID | None:
    """Take a number for a document where it is free; the document that holds it now."""
    first = await holder(connection, key)
    outbound = key[0] == "outbound"
    if first is None or (outbound and first != document_id and await never_left(connection, first)):
        await connection.execute(
            """
            insert into invoice_number (account_id, direction, seller, number, type_code, issue_year, take, document_id)
            select $1, $2, $3, $4, $5, $6, coalesce(max(take), 0) + 1, $7 from invoice_number
            where direction = $2 and seller = $3 and number = $4 and type_code = $5 and issue_year = $6
            on conflict do nothing
            """,
            account_id,
            *key,
            document_id,
        )
        first = await holder(connection, key)
    return first


async def never_left(connection: Connection, document_id: UUID) -> bool:
    """Whether a document ended before anything of it was handed to a network: its number may serve its correction."""
    return bool(
        await connection.fetchval(
            """
            select halted is not null and stage not in ('delivered', 'acknowledged', 'settled')
                and not exists (select from event e where e.document_id = d.document_id and e.stage = 'delivered')
            from document d where document_id = $1
            """,
            document_id,
        )
    )


async def holder(connection: Connection, key: Key) -> UUID | None:
    """The document that holds an invoice number now, among those of its direction."""
    found: UUID | None = await connection.fetchval(
        """
        select document_id from invoice_number
        where direction = $1 and seller = $2 and number = $3 and type_code = $4 and issue_year = $5
        order by take desc limit 1
        """,
        *key,
    )
    return found
