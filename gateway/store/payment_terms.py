"""What an account agreed with its customers on paying: its own terms, and those of single customers."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from gateway.store.pool import Connection
from schemas import json_form
from schemas.payment_terms import Agreed, Terms

EVERYBODY = ""
"""Stands for the customers that have no terms of their own."""


async def agreed(connection: Connection, customers: Collection[str]) -> Agreed:
    """The account's terms, and those of the named customers that have their own, each under the name asked for.

    A customer is looked up as it is named, and else as receivables and reminders know it: a French company by SIREN,
    whether an invoice names it by VAT number or SIRET.
    """
    rows = await connection.fetch(
        """
        select named.customer, own.terms from unnest($2::text[]) as named (customer)
            cross join lateral (select t.terms from payment_terms t
                where t.customer in (named.customer, customer_of(named.customer, null, null)) and t.customer <> $1
                order by t.customer = named.customer desc limit 1) own
        union all select customer, terms from payment_terms where customer = $1
        """,
        EVERYBODY,
        list(customers),
    )
    found = {row["customer"]: _terms(row["terms"]) for row in rows}
    account = found.pop(EVERYBODY, None)
    return Agreed(account, tuple(found.items()))


async def page(connection: Connection, after: str, limit: int) -> list[tuple[str, Terms]]:
    """Customers with terms of their own, in the order of their identifiers, after one."""
    rows = await connection.fetch(
        "select customer, terms from payment_terms where customer > $1 order by customer limit $2", after, limit
    )
    return [(row["customer"], _terms(row["terms"])) for row in rows]


async def write(connection: Connection, account_id: UUID, customer: str, terms: Terms, now: datetime) -> None:
    """Set the terms of a customer, or with EVERYBODY of the account, as a whole."""
    await connection.execute(
        """
        insert into payment_terms (account_id, customer, terms, updated_at) values ($1, $2, $3, $4)
        on conflict (account_id, customer) do update set terms = excluded.terms, updated_at = excluded.updated_at
        """,
        account_id,
        customer,
        json_form.as_members(terms),
        now,
    )


async def remove(connection: Connection, customer: str) -> None:
    """Take terms back; nothing happens where none are set."""
    await connection.execute("delete from payment_terms where customer = $1", customer)


def _terms(members: Any) -> Terms:
    return json_form.form(members, Terms, partial=True)
