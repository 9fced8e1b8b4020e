"""Bank statements, their entries and lines, and what was decided of matches: each booking once, whoever tells it.

All writing happens under one lock for each account, so that two imports at once, or an import and a decision, are one
after the other. A statement that says the same was imported already; of any other, entries that are known are not added
again (`gateway.matching.pairing`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.errors import Conflict, NotFound
from gateway.matching.pairing import New, Seen, consecutive, pair
from gateway.matching.reversing import still_standing
from gateway.matching.telling import Told
from gateway.matching.values import Booked, Known, Line, Match, Owed, Part, Reason
from gateway.store import payments
from gateway.store.identifiers import new_id
from gateway.store.payments import Reported
from gateway.store.pool import Connection
from schemas.bank.statement import Entry, Statement

PAGE_LIMIT = 200
"""The most rows of one page."""
LINES_AT_ONCE = 20_000
"""Open lines that one run of matching looks at, the newest."""
CLOSED_DAYS = 400
"""Days since issue in which a settled invoice is still known by its number."""

_STATE = """
    coalesce((select case when b.decision is null then 'proposed' else 'booked' end
        from bank_match m left join bank_decision b on b.account_id = m.account_id and b.match_id = m.match_id
            and b.decision = 'booked'
        where m.account_id = l.account_id and m.line_id = l.line_id and not exists (
            select from bank_decision d where d.account_id = m.account_id and d.match_id = m.match_id
                and d.decision in ('refused', 'withdrawn', 'undone'))
        order by b.decision nulls last limit 1), 'unmatched')
"""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one statement."""

    statement_id: UUID
    replayed: bool
    """It was imported before, word for word."""
    entries: int
    known: int
    """Entries that another statement told before."""
    lines: int
    """Lines that are new."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement as a list shows it."""

    statement_id: UUID
    format: str
    bank_account: str
    currency: str
    number: str
    starts_on: date | None
    ends_on: date | None
    opening: Decimal | None
    closing: Decimal | None
    sound: bool
    entries: int
    known: int
    imported_at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A line with its state, and the match that stands, if one does."""

    line: Line
    statement_id: UUID
    bank_account: str
    state: str
    """One of gateway.matching.values.STATES."""
    match_id: UUID | None
    parts: tuple[tuple[UUID, str, Decimal], ...]
    """Document, its number, amount."""
    reasons: tuple[Reason, ...]
    alternatives: tuple[UUID, ...]

    @property
    def unassigned(self) -> Decimal:
        """What of the line is booked on no document."""
        booked = self.parts if self.state == "booked" else ()
        return self.line.amount - sum((amount for _, _, amount in booked), Decimal(0))


async def lock(connection: Connection, account_id: UUID) -> None:
    """One after the other, until the end of the transaction."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended('bank ' || $1::text, 0))", str(account_id))


# --- importing --------------------------------------------------------------------------------------------------------


async def keep(connection: Connection, account_id: UUID, told: Told, by: str, now: datetime) -> Imported:
    """Import one statement: what it adds, and nothing twice. In the caller's transaction, under `lock`."""
    statement, printed, news = told.statement, told.digest, told.news
    row = await connection.fetchrow(
        "select statement_id, entries, known from bank_statement where digest = $1", printed
    )
    if row is not None:
        return Imported(row["statement_id"], True, row["entries"], row["entries"], 0)
    statement_id = new_id(now)
    known = await _seen(connection, statement, news)
    paired = await asyncio.to_thread(pair, known, news)
    count = sum(one is not None for one in paired)
    await connection.execute(
        """
        insert into bank_statement (account_id, statement_id, digest, format, bank_account, currency, number, starts_on,
            ends_on, opening, closing, sound, entries, known, imported_at, by)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
        """,
        *(account_id, statement_id, printed, statement.format, statement.account, statement.currency),
        *(statement.number, statement.starts_on, statement.ends_on, statement.opening, statement.closing),
        *(statement.balanced is not False, len(news), count, now, by),
    )
    ids = [found or new_id(now) for found in paired]
    fresh = [(ids[place], entry) for place, entry in enumerate(statement.entries) if paired[place] is None]
    await _entries(connection, account_id, statement, fresh)
    await connection.executemany(
        "insert into bank_sighting (account_id, statement_id, place, entry_id, reference, end_to_end, text, party) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            (account_id, statement_id, place, ids[place - 1], one.reference, one.end_to_end, one.text, one.party)
            for place, one in enumerate(news, 1)
        ],
    )
    lines = await _lines(connection, account_id, statement_id, fresh, now)
    detailed = [
        (found, entry)
        for found, entry in zip(paired, statement.entries, strict=True)
        if found is not None and len(entry.transactions) > 1
    ]
    for entry_id, entry in detailed:
        lines += await _split(connection, account_id, statement_id, entry_id, entry, now)
    return Imported(statement_id, False, len(news), count, lines)


async def _seen(connection: Connection, statement: Statement, news: Sequence[New]) -> list[Seen]:
    """What is known of the account on the days of the new entries."""
    rows = await connection.fetch(
        """
        select e.entry_id, e.currency, e.booked_on, e.amount, array_agg(s.reference) as references,
            array_agg(s.end_to_end) as ends, array_agg(s.text) as texts, array_agg(s.party) as parties,
            array_agg(s.statement_id) as statements, array_agg(t.format) as formats
        from bank_entry e join bank_sighting s using (account_id, entry_id)
            join bank_statement t using (account_id, statement_id)
        where e.bank_account = $1 and e.booked_on = any($2::date[])
        group by e.account_id, e.entry_id order by e.entry_id
        """,
        statement.account,
        list({one.booked_on for one in news}),
    )
    beside = await _adjoining(connection, statement)
    return [
        Seen(
            row["entry_id"], row["currency"], row["booked_on"], row["amount"], frozenset(row["references"]) - {""},
            frozenset(row["ends"]) - {""}, frozenset(row["texts"]) - {""}, frozenset(row["parties"]) - {""},
            frozenset(row["formats"]), not beside.isdisjoint(row["statements"]),
        )
        for row in rows
    ]  # fmt: skip


async def _adjoining(connection: Connection, statement: Statement) -> set[UUID]:
    """Statements right before or after this one: by number, and each begins where the other ends."""
    if not statement.balanced or statement.opening == statement.closing:
        return set()
    rows = await connection.fetch(
        "select statement_id, number, opening, closing from bank_statement where bank_account = $1 and currency = $2 "
        "and format = $5 and sound and opening <> closing and (closing = $3 or opening = $4)",
        *(statement.account, statement.currency, statement.opening, statement.closing, statement.format),
    )
    return {
        row["statement_id"]
        for row in rows
        if (row["closing"] == statement.opening and consecutive(row["number"], statement.number))
        or (row["opening"] == statement.closing and consecutive(statement.number, row["number"]))
    }


async def _entries(
    connection: Connection, account_id: UUID, statement: Statement, fresh: Iterable[tuple[UUID, Entry]]
) -> None:
    await connection.executemany(
        "insert into bank_entry (account_id, entry_id, bank_account, currency, booked_on, value_on, amount, reversal) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            (account_id, entry_id, statement.account, one.currency or statement.currency, one.booked_on, one.value_on,
             one.amount, one.reversal)
            for entry_id, one in fresh
        ],
    )  # fmt: skip


async def _lines(
    connection: Connection, account_id: UUID, statement_id: UUID, fresh: Iterable[tuple[UUID, Entry]], now: datetime
) -> int:
    rows = [
        (account_id, new_id(now), entry_id, statement_id, part, one.amount, one.end_to_end, list(one.structured),
         one.text, one.party, one.party_account, entry.reference, one.charges)
        for entry_id, entry in fresh
        for part, one in enumerate(entry.transactions, 0 if len(entry.transactions) == 1 else 1)
    ]  # fmt: skip
    await connection.executemany(
        "insert into bank_line (account_id, line_id, entry_id, statement_id, part, amount, end_to_end, structured, "
        "text, party, party_account, reference, charges) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
        "$13)",
        rows,
    )
    return len(rows)


async def _split(
    connection: Connection, account_id: UUID, statement_id: UUID, entry_id: UUID, entry: Entry, now: datetime
) -> int:
    """The transactions of a batch that was known whole, unless the whole was booked."""
    row = await connection.fetchrow(
        f"select l.line_id, {_STATE} as state from bank_line l where l.entry_id = $1 and l.part = 0 "  # noqa: S608
        "and l.split_at is null",
        entry_id,
    )
    if row is None or row["state"] == "booked":
        return 0
    await withdraw(connection, account_id, row["line_id"], now)
    await connection.execute("update bank_line set split_at = $2 where line_id = $1", row["line_id"], now)
    return await _lines(connection, account_id, statement_id, [(entry_id, entry)], now)


# --- what matching is given -------------------------------------------------------------------------------------------

_LINE = """
    l.line_id as id, l.amount, e.currency, e.booked_on, l.end_to_end, l.structured, l.text, l.party, l.party_account,
    l.reference, e.reversal, l.charges, s.sound
"""
_LINE_FROM = """
    from bank_line l join bank_entry e using (account_id, entry_id)
    join bank_statement s on s.account_id = l.account_id and s.statement_id = l.statement_id
"""


def _line(row: Any) -> Line:
    names = ("id", "amount", "currency", "booked_on", "end_to_end", "text", "party", "party_account", "reference")
    rest = {name: row[name] for name in (*names, "reversal", "charges", "sound")}
    return Line(structured=tuple(row["structured"]), **rest)


async def open_lines(connection: Connection) -> list[Line]:
    """Lines that are not booked, the newest LINES_AT_ONCE; of those that go out what may take a payment back, and what
    is proposed.
    """
    rows = await connection.fetch(
        f"select {_LINE} {_LINE_FROM} where l.split_at is null and l.amount <> 0 and {_STATE} <> 'booked' "  # noqa: S608
        "and (l.amount > 0 or exists (select from bank_match n where n.line_id = l.line_id) or exists (select from "
        "bank_line o join bank_match n using (account_id, line_id) where o.account_id = l.account_id "
        "and o.amount = -l.amount)) order by l.line_id desc limit $1",
        LINES_AT_ONCE,
    )
    return [_line(row) for row in rows]


async def still_open(connection: Connection, lines: Sequence[UUID]) -> set[UUID]:
    """Those that are neither booked nor split."""
    rows = await connection.fetch(
        f"select l.line_id from bank_line l where l.line_id = any($1::uuid[]) and l.split_at is null "  # noqa: S608
        f"and {_STATE} <> 'booked'",
        list(lines),
    )
    return {row["line_id"] for row in rows}


async def owed(connection: Connection, today: date) -> list[Owed]:
    """Invoices on which something is owed, and those settled not long ago."""
    rows = await connection.fetch(
        """
        select r.document_id, r.number, r.customer, coalesce(i.buyer_name, '') as name, r.seller, r.currency,
            greatest(r.balance, 0) as balance, r.issue_date as issued_on, r.due_date as due_on
        from receivable r left join archive_index i using (account_id, document_id)
        where not r.void and r.due > 0 and (r.balance > 0 or r.issue_date > $1::date - $2::integer)
        order by r.document_id
        """,
        today,
        CLOSED_DAYS,
    )
    return [Owed(**row) for row in rows]


async def known(connection: Connection) -> Known:
    """What matches taught that a person decided, or that a reference or a number made certain."""
    rows = await connection.fetch(
        """
        select l.party_account, array_agg(distinct r.customer) as customers
        from bank_decision d join bank_match m using (account_id, match_id)
            join bank_line l using (account_id, line_id)
            join bank_match_part p using (account_id, match_id)
            join receivable r on r.account_id = p.account_id and r.document_id = p.document_id
        where d.decision = 'booked' and l.party_account <> '' and l.amount > 0
            and (d.by <> 'gateway' or m.reasons @> '[{"code": "reference"}]' or m.reasons @> '[{"code": "number"}]')
            and not exists (select from bank_decision u where u.account_id = d.account_id
                and u.match_id = d.match_id and u.decision = 'undone')
        group by l.party_account
        """
    )
    return Known(
        {row["party_account"]: frozenset(row["customers"]) for row in rows}, tuple(await _payments_standing(connection))
    )


async def _payments_standing(connection: Connection) -> list[Booked]:
    """Booked lines that came in, that a line may take back and that none has."""
    rows = await connection.fetch(
        f"""
        select {_LINE}, array_agg(p.document_id) as documents, array_agg(p.amount) as amounts {_LINE_FROM}
            join bank_match m on m.account_id = l.account_id and m.line_id = l.line_id
            join bank_decision d on d.account_id = m.account_id and d.match_id = m.match_id and d.decision = 'booked'
            join bank_match_part p on p.account_id = m.account_id and p.match_id = m.match_id
        where not exists (select from bank_decision u where u.account_id = d.account_id
            and u.match_id = d.match_id and u.decision = 'undone')
            and (l.amount < 0 or exists (select from bank_line o join bank_entry f using (account_id, entry_id)
                where o.account_id = l.account_id and o.amount = -l.amount and f.booked_on >= e.booked_on))
        group by l.account_id, l.line_id, e.account_id, e.entry_id, s.account_id, s.statement_id
        order by l.line_id
        """  # noqa: S608 - its parts are ours
    )
    booked = [Booked(_line(row), tuple(map(Part, row["documents"], row["amounts"]))) for row in rows]
    returned = [one for one in booked if one.line.amount < 0]
    return still_standing([one for one in booked if one.line.amount > 0], returned)


async def decided_against(connection: Connection) -> dict[UUID, list[frozenset[tuple[UUID, Decimal]]]]:
    """Of each line what a person refused or undid: it is not proposed again, and nothing of it booked at once."""
    rows = await connection.fetch(
        """
        select m.line_id, array_agg(p.document_id) as documents, array_agg(p.amount) as amounts
        from bank_match m join bank_match_part p using (account_id, match_id)
        where exists (select from bank_decision d where d.account_id = m.account_id and d.match_id = m.match_id
            and d.decision in ('refused', 'undone'))
        group by m.account_id, m.match_id, m.line_id
        """
    )
    found: dict[UUID, list[frozenset[tuple[UUID, Decimal]]]] = {}
    for row in rows:
        found.setdefault(row["line_id"], []).append(frozenset(zip(row["documents"], row["amounts"], strict=True)))
    return found


# --- matches ----------------------------------------------------------------------------------------------------------


async def propose(connection: Connection, account_id: UUID, one: Match, now: datetime) -> tuple[UUID, bool]:
    """Keep a match, unless it stands already as the line's proposal; what stood instead is withdrawn. Tells whether it
    is new. Under `lock`.
    """
    shape = [{"code": reason.code, "value": reason.value} for reason in one.reasons]
    standing = await connection.fetchrow(
        """
        select m.match_id, m.reasons, m.certain, array_agg(p.document_id) as documents, array_agg(p.amount) as amounts
        from bank_match m join bank_match_part p using (account_id, match_id)
        where m.line_id = $1 and not exists (select from bank_decision d
            where d.account_id = m.account_id and d.match_id = m.match_id)
        group by m.account_id, m.match_id
        """,
        one.line_id,
    )
    if standing is not None:
        same = set(zip(standing["documents"], standing["amounts"], strict=True)) == set(one.parts)
        if same and standing["reasons"] == shape and standing["certain"] == one.certain:
            return standing["match_id"], False
        await withdraw(connection, account_id, one.line_id, now)
    match_id = new_id(now)
    await connection.execute(
        "insert into bank_match (account_id, match_id, line_id, certain, reasons, alternatives, made_at) "
        "values ($1, $2, $3, $4, $5, $6, $7)",
        *(account_id, match_id, one.line_id, one.certain, shape, list(one.alternatives), now),
    )
    await connection.executemany(
        "insert into bank_match_part (account_id, match_id, document_id, amount) values ($1, $2, $3, $4)",
        [(account_id, match_id, part.document_id, part.amount) for part in one.parts],
    )
    return match_id, True


async def proposed(connection: Connection) -> set[UUID]:
    """Lines with a proposal that waits for a decision."""
    rows = await connection.fetch(
        "select m.line_id from bank_match m where not exists (select from bank_decision d "
        "where d.account_id = m.account_id and d.match_id = m.match_id)"
    )
    return {row["line_id"] for row in rows}


async def withdraw(connection: Connection, account_id: UUID, line_id: UUID, now: datetime) -> None:
    """Take the proposal of a line back, if there is one."""
    await connection.execute(
        """
        insert into bank_decision (account_id, match_id, decision, by, at)
        select $1, m.match_id, 'withdrawn', 'gateway', $3 from bank_match m where m.line_id = $2
            and not exists (select from bank_decision d where d.account_id = m.account_id and d.match_id = m.match_id)
        """,
        *(account_id, line_id, now),
    )


async def decide(
    connection: Connection, account_id: UUID, match_id: UUID, decision: str, *, by: str, now: datetime
) -> None:
    """Book, refuse or undo a match, once. Under `lock`. Raises NotFound; Conflict where it was decided otherwise."""
    row = await connection.fetchrow(
        """
        select m.line_id, l.reference, l.end_to_end, l.amount, e.currency, e.booked_on, l.split_at,
            array(select decision from bank_decision d where d.match_id = m.match_id) as decisions,
            (select count(*) from bank_match o join bank_decision d using (account_id, match_id)
                where o.line_id = m.line_id and o.match_id <> m.match_id and d.decision = 'undone') as times,
            exists (select from bank_match o join bank_decision d using (account_id, match_id)
                where o.line_id = m.line_id and o.match_id <> m.match_id and d.decision = 'booked'
                and not exists (select from bank_decision u where u.account_id = d.account_id
                    and u.match_id = d.match_id and u.decision = 'undone')) as taken
        from bank_match m join bank_line l using (account_id, line_id) join bank_entry e using (account_id, entry_id)
        where m.match_id = $1
        """,
        match_id,
    )
    if row is None:
        raise NotFound("there is no such match")
    if decision in row["decisions"] and (decision == "undone" or "undone" not in row["decisions"]):
        return
    _allowed(decision, row)
    if decision == "undone" and row["amount"] > 0 and await _returned(connection, row["line_id"]):
        raise Conflict("the bank took this payment back, and that is booked; undo that first")
    await connection.execute(
        "insert into bank_decision (account_id, match_id, decision, by, at) values ($1, $2, $3, $4, $5)",
        *(account_id, match_id, decision, by, now),
    )
    if decision == "refused":
        return
    sign = -1 if decision == "undone" else 1
    parts = await connection.fetch(
        "select p.document_id, case when is_credit_note(d.type_code) then -p.amount else p.amount end as amount "
        "from bank_match_part p join document d using (account_id, document_id) where p.match_id = $1 "
        "order by p.document_id",  # money that goes back on a credit note pays it: it is positive there
        match_id,
    )
    reference = (row["reference"] or row["end_to_end"])[:140]
    for part in parts:
        key = f"bank:{row['line_id']}:{row['times']}:{part['document_id']}" + (":undone" if sign < 0 else "")
        # A booking that was wrong never was: its reversal bears its day, so that the period it was in is made good.
        reported = Reported(new_id(now), sign * part["amount"], row["currency"], row["booked_on"], reference, key)
        await payments.record(connection, account_id, part["document_id"], reported, now)


def _allowed(decision: str, row: Any) -> None:
    """Raises Conflict where a decision cannot follow what was decided."""
    decided = set(row["decisions"])
    if decision == "undone":
        if "booked" not in decided:
            raise Conflict("only a match that is booked can be undone")
        return
    if decided:
        raise Conflict(f"the match is {sorted(decided)[-1]} already")
    if row["taken"]:
        raise Conflict("the line is booked by another match; undo that first")
    if row["split_at"] is not None:
        raise Conflict("the line was split into its transactions since")


async def _returned(connection: Connection, line_id: UUID) -> bool:
    """Whether a booked line takes back what this one paid."""
    mirrored = await connection.fetchval(
        "select exists (select from bank_line l join bank_line o on o.account_id = l.account_id "
        "and o.amount = -l.amount where l.line_id = $1)",
        line_id,
    )
    return mirrored and all(one.line.id != line_id for one in await _payments_standing(connection))


async def parts(connection: Connection, match_id: UUID) -> list[Part]:
    """What a match is said to pay."""
    rows = await connection.fetch("select document_id, amount from bank_match_part where match_id = $1", match_id)
    return [Part(row["document_id"], row["amount"]) for row in rows]


# --- reads ------------------------------------------------------------------------------------------------------------


async def line(connection: Connection, line_id: UUID) -> Line:
    """One line. Raises NotFound."""
    row = await connection.fetchrow(f"select {_LINE} {_LINE_FROM} where l.line_id = $1", line_id)
    if row is None:
        raise NotFound("there is no such line")
    return _line(row)


async def line_of(connection: Connection, match_id: UUID) -> UUID:
    """The line of a match. Raises NotFound."""
    found: UUID | None = await connection.fetchval("select line_id from bank_match where match_id = $1", match_id)
    if found is None:
        raise NotFound("there is no such match")
    return found


async def listed(connection: Connection, after: UUID | None, limit: int) -> tuple[list[Kept], UUID | None]:
    """Statements, the newest first, and where the next page begins."""
    rows = await connection.fetch(
        "select statement_id, format, bank_account, currency, number, starts_on, ends_on, opening, closing, sound, "
        "entries, known, imported_at, by from bank_statement where $1::uuid is null or statement_id < $1 "
        "order by statement_id desc limit $2",
        *(after, limit + 1),
    )
    found = [Kept(**row) for row in rows[:limit]]
    return found, found[-1].statement_id if len(rows) > limit else None


async def lines(
    connection: Connection, state: str | None, statement_id: UUID | None, after: UUID | None, limit: int
) -> tuple[list[Shown], UUID | None]:
    """Lines with what stands of them, the newest first, and where the next page begins."""
    rows = await connection.fetch(
        f"""
        select * from (select {_LINE}, l.statement_id, s.bank_account, {_STATE} as state {_LINE_FROM}
            where l.split_at is null and ($1::uuid is null or l.line_id < $1)
              and ($3::uuid is null or exists (select from bank_sighting w
                where w.account_id = l.account_id and w.entry_id = l.entry_id and w.statement_id = $3))) found
        where $2::text is null or state = $2 order by id desc limit $4
        """,  # noqa: S608 - its parts are ours
        *(after, state, statement_id, limit + 1),
    )
    standing = await _standing(connection, [row["id"] for row in rows[:limit]])
    found = [_shown(row, standing.get(row["id"])) for row in rows[:limit]]
    return found, found[-1].line.id if len(rows) > limit else None


async def _standing(connection: Connection, lines: Sequence[UUID]) -> dict[UUID, Any]:
    rows = await connection.fetch(
        """
        select m.line_id, m.match_id, m.reasons, m.alternatives, array_agg(p.document_id) as documents,
            array_agg(coalesce(d.number, '')) as numbers, array_agg(p.amount) as amounts
        from bank_match m join bank_match_part p using (account_id, match_id)
            join document d on d.account_id = p.account_id and d.document_id = p.document_id
        where m.line_id = any($1::uuid[]) and not exists (select from bank_decision x where x.account_id = m.account_id
            and x.match_id = m.match_id and x.decision in ('refused', 'withdrawn', 'undone'))
        group by m.account_id, m.match_id
        """,
        list(lines),
    )
    return {row["line_id"]: row for row in rows}


def _shown(row: Any, standing: Any) -> Shown:
    if standing is None:
        return Shown(_line(row), row["statement_id"], row["bank_account"], row["state"], None, (), (), ())
    parts = tuple(zip(standing["documents"], standing["numbers"], standing["amounts"], strict=True))
    reasons = tuple(Reason(one["code"], one["value"]) for one in standing["reasons"])
    return Shown(
        _line(row), row["statement_id"], row["bank_account"], row["state"], standing["match_id"], parts, reasons,
        tuple(standing["alternatives"]),
    )  # fmt: skip
