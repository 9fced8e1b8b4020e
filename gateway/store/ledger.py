"""Reads for the audit, in pages: documents with all that their chains are made of, and rows that belong to nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from gateway.store.documents import Payment
from gateway.store.pool import Pool

PAGE = 200
"""Documents read at once."""
ROWS = 10_000
"""Rows looked through at once where only those that are wrong are read."""


@dataclass(frozen=True, slots=True)
class Trail:
    """One document as the database holds it: its row, its events, their leaves, its entries."""

    document: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    entries: tuple[Mapping[str, Any], ...]
    leaves: tuple[Mapping[str, Any], ...]
    payments: tuple[Payment, ...] = ()
    delivered: tuple[tuple[str, str], ...] = ()
    """Consignment and the network's own id of each delivery that has one."""
    waits: bool = False
    """It has a next task."""


async def trails(pool: Pool, account_id: UUID) -> AsyncIterator[Trail]:
    """Every document of an account with all that its chain is made of, page by page."""
    after: UUID | None = None
    while True:
        async with pool.account(account_id, snapshot=True) as connection:
            rows = await connection.fetch(
                """
                select document_id, version, head, stage, halted, status, format, participant, currency, total,
                       direction, seen_at, seen_by, created_at, updated_at, purge_on, waits_for, facts,
                       exists (select from task t where t.document_id = d.document_id) as waits
                from document d where $1::uuid is null or document_id > $1 order by document_id limit $2
                """,
                after,
                PAGE,
            )
            if not rows:
                return
            ids = [row["document_id"] for row in rows]
            events = await connection.fetch(
                "select document_id, seq, at, stage, outcome, facts, prior, hash from event "
                "where document_id = any($1) order by document_id, seq",
                ids,
            )
            entries = await connection.fetch(
                "select document_id, seq, role, sha256 from entry where document_id = any($1)", ids
            )
            leaves = await connection.fetch(
                "select document_id, seq, salt, entry, place from leaf where document_id = any($1) "
                "order by document_id, seq",
                ids,
            )
            paid = await connection.fetch(
                "select document_id, payment_id as id, amount, currency, paid_on, reference, recorded_at from payment "
                "where document_id = any($1)",
                ids,
            )
            handed = await connection.fetch(
                "select document_id, consignment, network_id from delivery "
                "where document_id = any($1) and network_id is not null order by 1, 2",
                ids,
            )
        parts = [_by_document(found) for found in (events, entries, leaves, paid, handed)]
        for row in rows:
            happened, kept, placed, told, out = (tuple(part.get(row["document_id"], ())) for part in parts)
            stated = ({name: value for name, value in one.items() if name != "document_id"} for one in told)
            delivered = tuple((one["consignment"], one["network_id"]) for one in out)
            paid_ = tuple(Payment(**one) for one in stated)
            yield Trail(dict(row), happened, kept, placed, paid_, delivered, row["waits"])
        after = ids[-1]


def _by_document(rows: Sequence[Mapping[str, Any]]) -> dict[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["document_id"], []).append(dict(row))
    return found


@dataclass(frozen=True, slots=True)
class _Tie:
    """Rows that stand for something, and must have it."""

    key: str
    """The columns of a row's own key but for the account."""
    says: str
    """What is told of one without it: SQL over the row `p`."""
    wanted: str
    """What it must have: SQL over the row `p`."""
    more: str = ""
    """Further columns that are told."""


_TIES = {
    "leaf": _Tie(
        "document_id, seq",
        "'the tree has a leaf of event ' || p.seq || ' of document ' || p.document_id || ', which is not there'",
        "select from event e where e.document_id = p.document_id and e.seq = p.seq",
    ),
    "event": _Tie(
        "document_id, seq",
        "'document ' || p.document_id || ': its row is missing, and event ' || p.seq || ' is there'",
        "select from document d where d.document_id = p.document_id",
    ),
    "entry": _Tie(
        "document_id, seq, role, sha256",
        "'content ' || encode(p.sha256, 'hex') || ' is missing, and no tombstone says why'",
        "select from content c where c.sha256 = p.sha256",
    ),
    "content_data": _Tie(
        "sha256",
        "'content ' || encode(p.sha256, 'hex') || ' is missing, and no tombstone says why'",
        "select from content c where c.sha256 = p.sha256",
    ),
    "payment": _Tie(
        "payment_id",
        "'document ' || p.document_id || ': no event tells of payment ' || p.payment_id",
        "select from event e where e.document_id = p.document_id and e.outcome = 'payment' "
        "and e.facts->>'payment' = p.payment_id::text union all "  # or its stage comes, or never comes any more
        "select from task t where t.document_id = p.document_id union all "
        "select from document d where d.document_id = p.document_id and (d.stage <> 'settled' or d.halted is not null)",
        more=", document_id",
    ),
    "reminder": _Tie(
        "document_id, step, letter_id",
        "'document ' || p.document_id || ': no event tells of its reminder ' || p.step",
        "select from event e where e.document_id = p.document_id and e.outcome = 'reminder' "
        "and e.facts->>'step' = p.step and e.facts->>'letter' = p.letter_id::text",
    ),
}
_TYPES = {"document_id": "uuid", "seq": "bigint", "role": "text", "sha256": "bytea", "payment_id": "uuid",
          "step": "text", "letter_id": "uuid"}  # fmt: skip


async def loose(pool: Pool, account_id: UUID) -> AsyncIterator[str]:
    """Rows of an account that stand for something which is not there, each in words; page by page over every table."""
    for table, tie in _TIES.items():
        names = tie.key.split(", ")
        after: list[Any] = []
        values = ", ".join(f"${number}::{_TYPES[name]}" for number, name in enumerate(names, start=1))
        begin = f"where ({tie.key}) > ({values})"
        while True:
            query = f"""
                with p as materialized (
                    select {tie.key}{tie.more} from {table} {begin if after else ""} order by {tie.key} limit {ROWS})
                select null as says, {tie.key} from (select * from p order by {_backwards(tie.key)} limit 1) as last
                union all select {tie.says}, {tie.key} from p where not exists ({tie.wanted})
                """  # noqa: S608 - of the table above
            async with pool.account(account_id, snapshot=True) as connection:
                rows = await connection.fetch(query, *after)
            if not rows:
                break
            for row in rows:
                if row["says"] is None:
                    after = [row[name] for name in names]
                else:
                    yield row["says"]


def _backwards(key: str) -> str:
    return ", ".join(f"{name} desc" for name in key.split(", "))
