"""How an account's pages look: its colour, its logo, its link to pay. Without a row, the page is plain."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from gateway.store.pool import Pool
from schemas.formats.facturx.logo import Logo
from schemas.formats.facturx.presentation import PLAIN, Presentation


async def read(pool: Pool, account_id: UUID) -> Presentation:
    """What the account has set; PLAIN where it has set nothing."""
    async with pool.account(account_id) as connection:
        row = await connection.fetchrow(
            "select accent, pay_link, logo, logo_format, logo_text from branding where account_id = $1", account_id
        )
    if row is None:
        return PLAIN
    logo = None if row["logo"] is None else Logo(bytes(row["logo"]), row["logo_format"], row["logo_text"])
    return Presentation(row["accent"], logo, row["pay_link"])


async def write(pool: Pool, account_id: UUID, presentation: Presentation, now: datetime) -> None:
    """Set it as a whole, in place of what was set before."""
    logo = presentation.logo
    async with pool.account(account_id) as connection:
        await connection.execute(
            """
            insert into branding (account_id, accent, pay_link, logo, logo_format, logo_text, updated_at)
            values ($1, $2, $3, $4, $5, $6, $7)
            on conflict (account_id) do update set accent = excluded.accent, pay_link = excluded.pay_link,
                logo = excluded.logo, logo_format = excluded.logo_format, logo_text = excluded.logo_text,
                updated_at = excluded.updated_at
            """,
            account_id,
            presentation.accent,
            presentation.pay_link,
            logo.data if logo else None,
            logo.format if logo else None,
            logo.text if logo else None,
            now,
        )


async def remove(pool: Pool, account_id: UUID) -> None:
    """Back to the plain page; nothing happens where it is plain already."""
    async with pool.account(account_id) as connection:
        await connection.execute("delete from branding where account_id = $1", account_id)
