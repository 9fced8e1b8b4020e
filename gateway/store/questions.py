"""A thousand questions to the database, chosen by a seed and answered by a hash each, and a sum over every table.

They are asked in the moment of a backup and again of what was put back. Both times in the same words, which the backup
holds, and before anything is migrated: so what differs is a loss, and not another release.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from gateway.store.pool import Connection

COUNT = 1_000
SAMPLE = 250
"""Documents that questions are about, at most."""

KINDS: Mapping[str, str] = {
    "document": "select * from document where document_id = $1::uuid",
    "events": "select * from event where document_id = $1::uuid order by seq",
    "contents": "select e.*, c.media_type, c.size from entry e join content c using (account_id, sha256) "
    "where e.document_id = $1::uuid order by e.seq, e.role, e.sha256",
    "bytes": "select e.role, e.seq, sha256(coalesce(d.data, c.data, '')) as kept, d.archive_key, d.wrapped "
    "from entry e join content c using (account_id, sha256) left join content_data d using (account_id, sha256) "
    "where e.document_id = $1::uuid order by e.seq, e.role, e.sha256",
    "proof": "select * from leaf where document_id = $1::uuid order by seq",
    "archive": "select * from archive_index where document_id = $1::uuid",
    "terms": "select * from archive_term where document_id = $1::uuid order by term",
    "deliveries": "select * from delivery where document_id = $1::uuid order by consignment",
    "arrivals": "select * from arrival where document_id = $1::uuid order by network, network_id",
    "payments": "select * from payment where document_id = $1::uuid order by payment_id",
    "owed": "select * from receivable where document_id = $1::uuid",
    "taken off": "select * from credit where $1::uuid in (document_id, credit_id) order by credit_id, document_id",
    "given up": "select * from write_off where document_id = $1::uuid order by write_off_id",
    "reminders": "select m.*, l.state, l.network_id from reminder m join letter l using (account_id, letter_id) "
    "where m.document_id = $1::uuid order by m.step",
    "cases": "select * from reminder_case where document_id = $1::uuid order by kind",
    "paid by": "select p.*, m.line_id, m.reasons, d.decision, d.at from bank_match_part p join bank_match m using "
    "(account_id, match_id) left join bank_decision d using (account_id, match_id) where p.document_id = $1::uuid "
    "order by p.match_id, d.decision",
    "next": "select * from task where document_id = $1::uuid",
    "around": "select document_id, stage, halted, status, total from document where account_id = "
    "(select account_id from document where document_id = $1::uuid) and document_id >= $1::uuid "
    "order by document_id limit 50",
    "party": "select document_id from archive_term where (account_id, term) in (select account_id, term from "
    "archive_term where document_id = $1::uuid order by term limit 1) order by document_id limit 1000",
    "day": "select i.currency, count(*), sum(i.total) from archive_index i join archive_index mine using (account_id, "
    "day) where mine.document_id = $1::uuid group by i.currency order by i.currency",
    "order": "select o.* from order_invoice o where o.document_id = $1::uuid",
    "number": "select n.* from invoice_number n where n.document_id = $1::uuid order by take",
}
"""What is asked of a document, by its name."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question and its answer."""

    kind: str
    about: str
    """The document; of a table, its name."""
    answer: str
    """SHA-256 of the rows as JSON; of a table, how many rows and the sum of their hashes."""


async def ask(connection: Connection, seed: int, told: Callable[[int], None]) -> list[Question]:
    """COUNT questions about documents that the seed chooses, fewer where there are no documents."""
    rows = await connection.fetch(
        "select document_id::text from document order by hashtextextended(document_id::text, $1), document_id limit $2",
        seed,
        SAMPLE,
    )
    documents = [row["document_id"] for row in rows]
    pairs = [(kind, document) for document in documents for kind in KINDS]
    random.Random(seed).shuffle(pairs)  # noqa: S311 - a choice that is repeated, not a secret
    asked = []
    for kind, document in pairs[:COUNT]:
        asked.append(Question(kind, document, await answer(connection, KINDS[kind], document)))
        told(len(asked))
    return asked


async def answer(connection: Connection, words: str, document: str) -> str:
    """What the database answers now, as a hash."""
    rows: str = await connection.fetchval(
        f"select coalesce(jsonb_agg(to_jsonb(found)), '[]')::text from ({words}) found",  # noqa: S608 - ours, or a backup's
        document,
    )
    return sha256(rows.encode()).hexdigest()


async def tables(connection: Connection, told: Callable[[int], None]) -> list[Question]:
    """Every table of ours with how many rows it has and what they add up to, whatever their order."""
    rows = await connection.fetch(
        "select relname::text as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace "
        "order by relname"
    )
    summed = []
    for row in rows:
        summed.append(Question("table", row["name"], await sum_of(connection, row["name"])))
        told(len(summed))
    return summed


async def sum_of(connection: Connection, table: str) -> str:
    """How many rows a table has, and the sum of their hashes."""
    quoted: str = await connection.fetchval("select quote_ident($1)", table)
    row = await connection.fetchrow(
        f"select count(*) as rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text as sum "  # noqa: S608
        f"from only public.{quoted} t",
        timeout=86_400,
    )
    return f"{row['rows']} rows, {row['sum']}"


def as_json(questions: Sequence[Question]) -> list[list[str]]:
    """For a manifest."""
    return [[one.kind, one.about, one.answer] for one in questions]


def from_json(members: Any) -> list[Question]:
    """From a manifest. Raises ValueError."""
    try:
        return [Question(*map(_text, one)) for one in members]
    except TypeError as wrong:
        raise ValueError("its questions cannot be read") from wrong


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("its questions cannot be read")
    return value
