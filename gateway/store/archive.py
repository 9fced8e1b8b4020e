"""Searching the archive: bounded work for each page, whatever is asked of however many documents.

How a page is found, in this order:
 1. each criterion with an index of its own tells at most FEW documents; when one has no more, those are looked at, all
    of them, and the page is exact;
 2. otherwise every criterion is broad: documents are looked at in the order of the page, a window at a time, at most
    LOOKED_AT of them. What they do not fill of a page, the next one goes on with: a page may be short, even empty,
    and the search is over only when there is no cursor.

So no query depends on the planner's guess of how many rows a term has, and none reads the whole archive.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from gateway.errors import Malformed
from gateway.lifecycle import Stage
from gateway.store.pool import Connection

PAGE_LIMIT = 200
"""The most documents of one page over the API."""

FEW = 1_500
"""A criterion that so few documents meet leads the search."""

WINDOWS = (400, 1_000, 3_000)
"""Documents looked at for one page when every criterion is broad: first a few, then more."""

WINDOWS_WITH_STATE = (400, 800, 2_000)
"""The same where the document's own row must be asked, too."""

COUNT_LIMIT = 3_000
"""Documents looked at to count."""

GROUPS = 8
"""Conditions on terms in one search, each met by any of its terms."""

SPREAD_LIMIT = 60
"""Words that one beginning of a word may stand for."""

_SLACK = timedelta(minutes=10)
"""An id is made before its document is accepted, by a clock that may differ."""
_LAST = "\U0010ffff"
_HIGHEST = 9 * 10**17
_FIRST_ID, _LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
_FIRST_DAY, _LAST_DAY = date.min, date.max


class Sort(StrEnum):
    """The order of a page."""

    ISSUED = "issued"
    """By issue date (BT-2); a document without one by the day it was accepted."""
    ACCEPTED = "accepted"
    """By when it was accepted."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; None leaves a criterion out. All must hold."""

    issued_from: date | None = None
    issued_to: date | None = None
    """Inclusive."""
    accepted_from: datetime | None = None
    accepted_until: datetime | None = None
    """Exclusive."""
    groups: tuple[tuple[str, ...], ...] = ()
    """Terms (`gateway.sought`): of each group at least one; at most GROUPS groups."""
    number: str | None = None
    number_prefix: str | None = None
    currency: str | None = None
    amount_min: Decimal | None = None
    amount_max: Decimal | None = None
    stage: Stage | None = None
    status: str | None = None
    halted: bool | None = None
    direction: str | None = None
    participant: str | None = None
    type_codes: tuple[str, ...] | None = None
    """Codes of BT-3 of which it has one."""
    other_type_codes: tuple[str, ...] | None = None
    """Codes of BT-3 of which it has none."""


@dataclass(frozen=True, slots=True)
class Order:
    """How pages go on."""

    sort: Sort = Sort.ISSUED
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """A document as the archive shows it."""

    account_id: UUID
    id: UUID
    accepted_at: datetime
    issue_date: date | None
    direction: str
    participant: str
    format: str
    type_code: str | None
    number: str | None
    seller: str | None
    seller_name: str
    buyer: str | None
    buyer_name: str
    currency: str | None
    total: Decimal | None
    amount_due: Decimal | None
    due_date: date | None
    stage: Stage
    halted: str | None
    status: str | None
    refers_to: Mapping[str, Any]
    erased_at: datetime | None
    """When its retention ended; then nothing of what it said is left here."""


@dataclass(frozen=True, slots=True)
class Page:
    """Documents in order, and where to go on."""

    documents: tuple[Found, ...]
    cursor: str | None
    """None: there is no more. With one, there may be more, also when the page is short."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many documents meet a search."""

    documents: int
    exact: bool
    """False: there are at least so many."""


async def search(
    connection: Connection, account_id: UUID, wanted: Wanted, order: Order, after: str | None, limit: int
) -> Page:
    """One page. Raises Malformed for a cursor that is not one of this search."""
    key = _read_cursor(after, order) if after else _start(order)
    asked = _Asked(account_id, wanted, order)
    few = await _few(connection, asked)
    if few is not None:
        keys, looked_to = await _among(connection, few.rest, few.ids, key, limit), None
    else:
        keys, looked_to = await _along(connection, asked, key, limit)
    if len(keys) > limit:
        looked_to = keys[limit - 1]
    shown = await _show(connection, account_id, [one[1] for one in keys[:limit]])
    return Page(shown, None if looked_to is None else _cursor(looked_to, order))


async def count(connection: Connection, account_id: UUID, wanted: Wanted, order: Order) -> Count:
    """How many there are: exactly, or at least, when more than COUNT_LIMIT documents would have to be looked at."""
    asked = _Asked(account_id, wanted, order)
    few = await _few(connection, asked)
    if few is not None:
        keys = await _among(connection, few.rest, few.ids, _start(order), len(few.ids))
        return Count(len(keys), exact=True)
    row = await connection.fetchrow(
        f"""
        select count(*) filter (where fits) as fitting, count(*) as looked_at
        from (select {_FITS} as fits from archive_index i where {_AFTER[order][0]}
              order by {_AFTER[order][1]} limit $29) as seen
        """,  # noqa: S608
        *_parameters(asked),
        *_stretch(asked, _start(order)),
        COUNT_LIMIT,
    )
    return Count(row["fitting"], exact=row["looked_at"] < COUNT_LIMIT)


async def spread(connection: Connection, account_id: UUID, beginning: str) -> list[str]:
    """The terms that begin so, at most SPREAD_LIMIT and one more: each is looked up once, however many bear it."""
    rows = await connection.fetch(
        """
        with recursive spread (term, number) as (
            (select term, 1 from archive_term where account_id = $1 and term >= $2 and term < $3 order by term limit 1)
            union all
            select (select t.term from archive_term t where t.account_id = $1 and t.term > spread.term and t.term < $3
                    order by t.term limit 1), spread.number + 1
            from spread where spread.term is not null and spread.number <= $4)
        select term from spread where term is not null
        """,
        account_id,
        beginning,
        beginning + _LAST,
        SPREAD_LIMIT,
    )
    return [row["term"] for row in rows]


async def unread(connection: Connection, since: datetime | None, until: datetime | None) -> list[UUID]:
    """Documents that were accepted in a period and are not in the index, as nothing has read them yet."""
    rows = await connection.fetch(
        """
        select document_id from document d
        where stage = 'received' and ($1::timestamptz is null or created_at >= $1)
          and ($2::timestamptz is null or created_at < $2)
          and not exists (select from archive_index i where i.document_id = d.document_id)
        order by document_id limit 10000
        """,
        since,
        until,
    )
    return [row["document_id"] for row in rows]


# The criteria --------------------------------------------------------------------------------------------------------

_FITS = """
    (($2::date is null or i.issue_date >= $2) and ($3::date is null or i.issue_date <= $3)
     and ($4::timestamptz is null or i.accepted_at >= $4) and ($5::timestamptz is null or i.accepted_at < $5)
     and ($6::text is null or i.direction = $6) and ($7::text is null or i.participant = $7)
     and ($8::text[] is null or i.type_code = any($8)) and ($9::text[] is null or i.type_code <> all($9))
     and ($10::text is null or i.number = $10) and ($11::text is null or starts_with(i.number, $11))
     and ($12::text is null or i.currency = $12)
     and ($13::numeric is null or i.total >= $13) and ($14::numeric is null or i.total <= $14)
     and ($15::text[] is null or i.terms && $15) and ($16::text[] is null or i.terms && $16)
     and ($17::text[] is null or i.terms && $17) and ($18::text[] is null or i.terms && $18)
     and ($19::text[] is null or i.terms && $19) and ($20::text[] is null or i.terms && $20)
     and ($21::text[] is null or i.terms && $21) and ($22::text[] is null or i.terms && $22)
     and (($23::text is null and $24::text is null and $25::boolean is null) or (
         select ($23 is null or d.stage = $23) and ($24 is null or d.status = $24)
            and ($25 is null or (d.halted is not null) = $25)
         from document d where d.account_id = i.account_id and d.document_id = i.document_id)))
    is true"""
"""Whether a row of the index meets all criteria; the same parameters stand in every search.

The document's own row is asked for a value, not whether it exists: of "exists" PostgreSQL may make one pass over all
documents of that state and keep them hashed (measured: 168 ms for the first 400 of 240,000), of a value it cannot.
"""

_AFTER = {
    Order(Sort.ISSUED, descending=True): (
        "i.account_id = $1 and i.day >= $26::date and (i.day, i.document_id) < ($27::date, $28::uuid)",
        "i.day desc, i.document_id desc",
    ),
    Order(Sort.ISSUED, descending=False): (
        "i.account_id = $1 and i.day <= $26::date and (i.day, i.document_id) > ($27::date, $28::uuid)",
        "i.day, i.document_id",
    ),
    Order(Sort.ACCEPTED, descending=True): (
        "i.account_id = $1 and i.document_id >= $26::uuid and i.document_id < $28::uuid and $27::date is not null",
        "i.document_id desc",
    ),
    Order(Sort.ACCEPTED, descending=False): (
        "i.account_id = $1 and i.document_id <= $26::uuid and i.document_id > $28::uuid and $27::date is not null",
        "i.document_id",
    ),
}
"""Of each order: the rows from a key to the far end of the period, and the order itself; each is a range of one index.

One bound at each end and no more: of two at the near end the index may begin at the farther one and read all between.
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One search."""

    account_id: UUID
    wanted: Wanted
    order: Order


def _parameters(asked: _Asked) -> list[Any]:
    """$1 to $25: the criteria."""
    wanted = asked.wanted
    groups = [list(group) for group in wanted.groups] + [None] * (GROUPS - len(wanted.groups))
    return [
        asked.account_id,
        wanted.issued_from,
        wanted.issued_to,
        wanted.accepted_from,
        wanted.accepted_until,
        wanted.direction,
        wanted.participant,
        None if wanted.type_codes is None else list(wanted.type_codes),
        None if wanted.other_type_codes is None else list(wanted.other_type_codes),
        wanted.number,
        wanted.number_prefix,
        wanted.currency,
        wanted.amount_min,
        wanted.amount_max,
        *groups,
        wanted.stage,
        wanted.status,
        wanted.halted,
    ]


def _stretch(asked: _Asked, key: tuple[date, UUID]) -> tuple[Any, date, UUID]:
    """$26 to $28: the far end of the period, and the key after which to begin, which is within the period."""
    wanted, descending = asked.wanted, asked.order.descending
    if asked.order.sort is Sort.ISSUED:
        first, last = wanted.issued_from or _FIRST_DAY, wanted.issued_to or _LAST_DAY
        near = min(key, (last, _LAST_ID)) if descending else max(key, (first, _FIRST_ID))
        return first if descending else last, *near
    earliest, latest = _ids(wanted)
    day, identifier = key
    return (earliest, day, min(identifier, latest)) if descending else (latest, day, max(identifier, earliest))


def _ids(wanted: Wanted) -> tuple[UUID, UUID]:
    """Between which ids lie the documents accepted in the period: an id begins with its milliseconds."""
    first, last = wanted.accepted_from, wanted.accepted_until
    return (
        _FIRST_ID if first is None else _id_at(first, -_SLACK),
        _LAST_ID if last is None else _id_at(last, _SLACK),
    )


def _id_at(at: datetime, slack: timedelta) -> UUID:
    milliseconds = int((at.timestamp() + slack.total_seconds()) * 1000)
    return UUID(int=max(0, min(milliseconds, 2**48 - 1)) << 80)


# The search ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Few:
    """The documents that meet one criterion, and the search that is left: what was just asked is not asked again."""

    ids: list[UUID]
    rest: _Asked


async def _few(connection: Connection, asked: _Asked) -> _Few | None:
    """The documents that meet one criterion, where these are FEW; None when every criterion is broad."""
    for met, sql, parameters in _probes(asked):
        rows = await connection.fetch(f"{sql} limit {FEW + 1}", *parameters)
        if len(rows) <= FEW:
            return _Few(list({row["document_id"] for row in rows}), replace(asked, wanted=replace(asked.wanted, **met)))
    return None


def _probes(asked: _Asked) -> list[tuple[dict[str, Any], str, tuple[Any, ...]]]:
    """A question for each criterion with an index of its own; what is selective most often comes first."""
    account_id, wanted, order = asked.account_id, asked.wanted, asked.order
    probes: list[tuple[bool, str, tuple[Any, ...]]] = [
        (
            wanted.number is not None,
            "select document_id from archive_index where account_id = $1 and number = $2",
            (account_id, wanted.number),
        ),
        (
            wanted.number_prefix is not None,
            "select document_id from archive_index where account_id = $1 and number >= $2 and number < $3",
            (account_id, wanted.number_prefix, f"{wanted.number_prefix}{_LAST}"),
        ),
        *(
            (
                True,
                "select document_id from archive_term where account_id = $1 and term = any($2)",
                (account_id, list(group)),
            )
            for group in wanted.groups
        ),
        (
            wanted.currency is not None and (wanted.amount_min is not None or wanted.amount_max is not None),
            "select document_id from archive_index where account_id = $1 and currency = $2 and cents between $3 and $4",
            (account_id, wanted.currency, *_cents(wanted)),
        ),
        (
            wanted.currency is not None and wanted.amount_min is None and wanted.amount_max is None,
            "select document_id from archive_index where account_id = $1 and currency = $2",
            (account_id, wanted.currency),
        ),
        (
            wanted.status is not None,
            "select document_id from document where account_id = $1 and status = $2",
            (account_id, wanted.status),
        ),
        (
            wanted.halted is True,
            "select document_id from document where account_id = $1 and halted is not null",
            (account_id,),
        ),
        (
            wanted.stage is not None,
            "select document_id from document where account_id = $1 and stage = $2",
            (account_id, wanted.stage),
        ),
        (
            order.sort is Sort.ACCEPTED and (wanted.issued_from is not None or wanted.issued_to is not None),
            "select document_id from archive_index where account_id = $1 and day between $2 and $3",
            (account_id, wanted.issued_from or _FIRST_DAY, wanted.issued_to or _LAST_DAY),
        ),
        (
            order.sort is Sort.ISSUED and (wanted.accepted_from is not None or wanted.accepted_until is not None),
            "select document_id from archive_index where account_id = $1 and document_id between $2 and $3",
            (account_id, *_ids(wanted)),
        ),
    ]
    states: dict[str, dict[str, Any]] = {
        "status": {"status": None},
        "halted is not null": {"halted": None},
        "stage": {"stage": None},
    }
    return [
        (next((met for state, met in states.items() if f"and {state}" in sql), {}), sql, parameters)
        for applies, sql, parameters in probes
        if applies
    ]


def _cents(wanted: Wanted) -> tuple[int, int]:
    """The range of amounts as the index has them: rounded down, within what 64 bits hold."""
    least = -_HIGHEST if wanted.amount_min is None else int((wanted.amount_min * 100).to_integral_value(ROUND_FLOOR))
    most = _HIGHEST if wanted.amount_max is None else int((wanted.amount_max * 100).to_integral_value(ROUND_CEILING))
    return max(least, -_HIGHEST), min(most, _HIGHEST)


async def _among(
    connection: Connection, asked: _Asked, few: Sequence[UUID], key: tuple[date, UUID], limit: int
) -> list[tuple[date, UUID]]:
    """The keys after `key` among few documents: one more than the page has, when there are more.

    They are fetched by their ids, whatever the planner of a prepared statement makes of their number: it would rather
    go along the order and look for them (measured: 64 ms for four documents among a million).
    """
    after, by = _AFTER[asked.order]
    rows = await connection.fetch(
        f"""
        with i as materialized (select * from archive_index where account_id = $1 and document_id = any($29::uuid[]))
        select i.day, i.document_id from i where {after} and {_FITS} order by {by} limit $30
        """,  # noqa: S608
        *_parameters(asked),
        *_stretch(asked, key),
        few,
        limit + 1,
    )
    return [(row["day"], row["document_id"]) for row in rows]


async def _along(
    connection: Connection, asked: _Asked, key: tuple[date, UUID], limit: int
) -> tuple[list[tuple[date, UUID]], tuple[date, UUID] | None]:
    """Keys after `key`, looking along the order, and how far it was looked; None when that was to the end."""
    after, by = _AFTER[asked.order]
    keys: list[tuple[date, UUID]] = []
    states = (asked.wanted.stage, asked.wanted.status, asked.wanted.halted)
    for window in WINDOWS if states == (None, None, None) else WINDOWS_WITH_STATE:
        rows = await connection.fetch(
            f"""
            select day, document_id, fits, number, looked_at from (
                select day, document_id, fits, row_number() over () as number, count(*) over () as looked_at from (
                    select i.day, i.document_id, {_FITS} as fits from archive_index i
                    where {after} order by {by} limit $29
                ) as looked
            ) as seen where fits or number = looked_at order by number limit $30
            """,  # noqa: S608
            *_parameters(asked),
            *_stretch(asked, key),
            window,
            limit + 2 - len(keys),
        )
        keys += [(row["day"], row["document_id"]) for row in rows if row["fits"]]
        if len(keys) > limit or not rows or rows[-1]["looked_at"] < window:
            return keys, None
        key = (rows[-1]["day"], rows[-1]["document_id"])
    return keys, key


async def _show(connection: Connection, account_id: UUID, ids: Sequence[UUID]) -> tuple[Found, ...]:
    """What the archive shows of these documents, in their order."""
    rows = await connection.fetch(
        """
        select i.account_id, i.document_id, i.accepted_at, i.issue_date, i.direction, i.participant, d.format,
               i.type_code, i.number, d.seller, i.seller_name, d.buyer, i.buyer_name, i.currency, i.total,
               d.amount_due, d.due_date, d.stage, d.halted, d.status, i.refers_to, i.erased_at
        from archive_index i join document d using (account_id, document_id)
        where i.account_id = $1 and i.document_id = any($2::uuid[])
        """,
        account_id,
        ids,
    )
    found = {row["document_id"]: _found(row) for row in rows}
    return tuple(found[one] for one in ids)


def _found(row: Mapping[str, Any]) -> Found:
    values = dict(row)
    if values["erased_at"] is not None:  # whatever else still stands in the document's row
        values |= dict.fromkeys(("seller", "buyer", "amount_due", "due_date"))
    return Found(id=values.pop("document_id"), stage=Stage(values.pop("stage")), **values)


# Cursors -------------------------------------------------------------------------------------------------------------


def _start(order: Order) -> tuple[date, UUID]:
    return (_LAST_DAY, _LAST_ID) if order.descending else (_FIRST_DAY, _FIRST_ID)


def _cursor(key: tuple[date, UUID], order: Order) -> str:
    text = f"{order.sort}|{'desc' if order.descending else 'asc'}|{key[0].isoformat()}|{key[1].hex}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, order: Order) -> tuple[date, UUID]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
        sort, direction, day, identifier = text.split("|")
        key = date.fromisoformat(day), UUID(identifier)
    except (binascii.Error, UnicodeDecodeError, ValueError) as unreadable:
        raise Malformed("the cursor is not one that we gave") from unreadable
    if (sort, direction) != (order.sort, "desc" if order.descending else "asc") or _cursor(key, order) != cursor:
        raise Malformed("the cursor is not one of this order")
    return key
