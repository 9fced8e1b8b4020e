"""What customers owe: rows that the database keeps beside documents, payments, credit notes and write-offs, read here.

The sums are made by the database itself at the end of each transaction (migration 0029); nothing here computes one that
is kept. Amounts are Decimal in the currency of their row, from the seller's side; two currencies never meet in a sum.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

from gateway.errors import Conflict, KeyReused, Malformed, NotFound
from gateway.lifecycle import Said, Stage
from gateway.store import journal
from gateway.store.pool import Connection, Pool
from signing.chain import canonical, instant

PAGE_LIMIT = 200
"""The most rows of one page."""
BANDS: tuple[int, ...] = (0, 30, 60, 90)
"""Days late up to which the bands of the ageing balance go: not due, 1 to 30, 31 to 60, 61 to 90, and more."""
BAND_NAMES = ("not_due", "1_30", "31_60", "61_90", "over_90")
DSO_DAYS = 90
"""Days of sales that what is owed is compared with."""
WEEKS = 13
"""Weeks ahead of which expected cash is told; what comes later is one sum."""
REASONS = ("insolvency", "dispute", "prescription", "goodwill", "rounding", "bank_charges", "error")
"""Why something is given up."""
HELD = ("disputed", "suspended")
"""Statuses (207, 208) under which nobody expects money by the due date."""


@dataclass(frozen=True, slots=True)
class Receivable:
    """What is owed on one document. Amounts from the seller's side: those of a credit note are negative."""

    document_id: UUID
    customer: str
    """SIREN or other identifier of the buyer, its electronic address, or document: and the id."""
    name: str
    """Of the buyer; empty where it is not known, or erased."""
    number: str
    issue_date: date
    due_date: date
    due_assumed: bool
    """The invoice says no due date (BT-9): thirty days after issue."""
    currency: str
    void: bool
    """It was refused, rejected or ended: nothing is owed on it."""
    due: Decimal
    credited: Decimal
    paid: Decimal
    written_off: Decimal
    balance: Decimal
    """What is still owed; negative: the customer's."""
    last_paid_on: date | None
    status: str | None
    """The furthest status a party or platform said."""

    def state(self, today: date) -> str:
        """void, overpaid, settled, overdue or open; partly paid shows in its amounts."""
        if self.balance < 0:
            return "credit" if self.due < 0 else "overpaid"
        if self.void and self.balance == 0:
            return "void"
        if self.balance == 0:
            return "settled"
        return "overdue" if self.due_date < today else "open"

    def days_late(self, today: date) -> int:
        """Days since the due date while something is owed; 0 before it."""
        return max(0, (today - self.due_date).days) if self.balance > 0 else 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which receivables a list shows; None leaves a criterion out."""

    today: date
    state: str | None = None
    """owed, overdue, credit (also overpaid), closed; None: all that is not closed."""
    customer: str | None = None
    currency: str | None = None


STATES = ("owed", "overdue", "credit", "closed", "all")


@dataclass(frozen=True, slots=True)
class Account:
    """What one customer owes in one currency."""

    customer: str
    name: str
    currency: str
    balance: Decimal
    overdue: Decimal
    documents: int
    """With a balance."""
    oldest_due: date | None
    """The earliest due date of what is owed; None: nothing is."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The balance of one currency as of a day."""

    currency: str
    bands: Mapping[str, Decimal]
    """What is owed, by days late."""
    counts: Mapping[str, int]
    credits: Decimal
    """What is the customers': overpaid, or credited and not taken off yet; not positive."""
    disputed: Decimal
    """Of what is owed, on documents that are disputed or suspended."""
    invoiced: Decimal
    """Invoices less credit notes with VAT of the last DSO_DAYS days."""
    weeks: tuple[tuple[date, Decimal, int], ...]
    """Expected cash by week (its Monday), with how many documents; what is disputed is not in it."""
    later: Decimal
    """Expected after the last of the weeks."""

    @property
    def owed(self) -> Decimal:
        """All that is owed."""
        return sum(self.bands.values(), Decimal(0))

    @property
    def balance(self) -> Decimal:
        """What is owed less what is the customers'."""
        return self.owed + self.credits

    @property
    def dso(self) -> Decimal | None:
        """Days of sales outstanding: what is owed by the sales of the last DSO_DAYS days; None: there were none."""
        return (self.owed * DSO_DAYS / self.invoiced).quantize(Decimal("0.1")) if self.invoiced > 0 else None


@dataclass(frozen=True, slots=True)
class WriteOff:
    """What a person gives up, or takes back (a negative amount)."""

    id: UUID
    amount: Decimal
    currency: str
    reason: str
    reference: str
    by: str
    at: datetime
    key: str


_COLUMNS = """
    r.document_id, r.customer, coalesce(i.buyer_name, '') as name, r.number, r.issue_date, r.due_date, r.due_assumed,
    r.currency, r.void, r.due, r.credited, r.paid, r.written_off, r.balance, r.last_paid_on, d.status
"""
_FROM = """
    from receivable r join document d using (account_id, document_id)
        left join archive_index i using (account_id, document_id)
"""


async def get(connection: Connection, document_id: UUID) -> Receivable:
    """What is owed on one document. Raises NotFound."""
    found = await find(connection, document_id)
    if found is None:
        raise NotFound("nothing was ever owed on this document")
    return found


async def find(connection: Connection, document_id: UUID) -> Receivable | None:
    """What is owed on one document; None where nothing can be, as on an invoice without a date or a received one."""
    row = await connection.fetchrow(f"select {_COLUMNS} {_FROM} where r.document_id = $1", document_id)
    return None if row is None else Receivable(**row)


async def page(
    connection: Connection, wanted: Wanted, after: tuple[date, UUID] | None, limit: int
) -> tuple[tuple[Receivable, ...], tuple[date, UUID] | None]:
    """Receivables by due date, the longest due first, and where the next page begins (None at the end)."""
    rows = await connection.fetch(
        f"""
        select {_COLUMNS} {_FROM}
        where (r.balance <> 0 or $1 in ('closed', 'all')) and case $1 when 'owed' then r.balance > 0
                when 'overdue' then r.balance > 0 and r.due_date < $2 when 'credit' then r.balance < 0
                when 'closed' then r.balance = 0 else true end
          and ($3::text is null or r.customer = $3) and ($4::text is null or r.currency = $4)
          and ($5::date is null or (r.due_date, r.document_id) > ($5, $6))
        order by r.due_date, r.document_id limit $7
        """,
        *(wanted.state or "", wanted.today, wanted.customer, wanted.currency),
        *(after or (None, None)),
        limit + 1,
    )
    found = tuple(Receivable(**row) for row in rows[:limit])
    return found, (found[-1].due_date, found[-1].document_id) if len(rows) > limit else None


async def everything(pool: Pool, account_id: UUID, wanted: Wanted) -> AsyncIterator[Receivable]:
    """All receivables that are wanted, page by page, as of one moment."""
    after: tuple[date, UUID] | None = None
    async with pool.account(account_id, snapshot=True) as connection:
        while True:
            found, after = await page(connection, wanted, after, 2_000)
            for one in found:
                yield one
            if after is None:
                return


async def customers(
    connection: Connection, today: date, after: tuple[str, str] | None, limit: int
) -> tuple[tuple[Account, ...], tuple[str, str] | None]:
    """What each customer owes in each currency, by customer and currency, and where the next page begins."""
    rows = await connection.fetch(
        """
        select r.customer, r.currency, sum(r.balance) as balance, count(*) as documents,
            coalesce(sum(r.balance) filter (where r.balance > 0 and r.due_date < $1), 0) as overdue,
            min(r.due_date) filter (where r.balance > 0) as oldest_due,
            coalesce((array_agg(i.buyer_name order by r.document_id desc) filter (where i.buyer_name <> ''))[1],
                '') as name
        from receivable r left join archive_index i using (account_id, document_id)
        where r.balance <> 0 and ($2::text is null or (r.customer, r.currency) > ($2, $3))
        group by r.customer, r.currency order by r.customer, r.currency limit $4
        """,
        today,
        *(after or (None, None)),
        limit + 1,
    )
    found = tuple(Account(**row) for row in rows[:limit])
    return found, (found[-1].customer, found[-1].currency) if len(rows) > limit else None


async def standings(connection: Connection, today: date) -> tuple[Standing, ...]:
    """The ageing balance, days of sales and expected cash of each currency.

    Cash is expected on the due date and the customer's usual delay (the mean of its paid invoices, never early), not
    before this week.
    """
    monday = today - timedelta(days=today.weekday())
    aged = await connection.fetch(
        """
        select r.currency,
            case when r.balance < 0 then -1 else width_bucket($1::date - r.due_date - 1, $2::integer[]) end as band,
            sum(r.balance) as sum, count(*) as count,
            coalesce(sum(r.balance) filter (where d.status = any($3)), 0) as disputed
        from receivable r join document d using (account_id, document_id) where r.balance <> 0 group by 1, 2
        """,
        today,
        list(BANDS),
        list(HELD),
    )
    invoiced = await connection.fetch(
        """
        select r.currency, sum(case when r.due < 0 then -abs(d.total) else d.total end) as sum
        from receivable r join document d using (account_id, document_id)
        where not r.void and r.issue_date > $1::date - $2::integer and r.issue_date <= $1 group by 1
        """,
        today,
        DSO_DAYS,
    )
    weeks = await connection.fetch(
        """
        with delay as (
            select customer, greatest(0, round(avg(last_paid_on - due_date)))::integer as days from receivable
            where balance = 0 and due > 0 and last_paid_on is not null group by customer)
        select r.currency, greatest(($1::date), date_trunc('week', r.due_date + coalesce(delay.days, 0))::date) as week,
            sum(r.balance) as sum, count(*) as count
        from receivable r join document d using (account_id, document_id) left join delay using (customer)
        where r.balance > 0 and (d.status is null or d.status <> all($2)) group by 1, 2 order by 1, 2
        """,
        monday,
        list(HELD),
    )
    found: dict[str, Standing] = {}
    for currency in sorted({row["currency"] for rows in (aged, invoiced, weeks) for row in rows}):
        mine = {row["band"]: row for row in aged if row["currency"] == currency}
        end = monday + timedelta(weeks=WEEKS)
        coming = [(row["week"], row["sum"], row["count"]) for row in weeks if row["currency"] == currency]
        found[currency] = Standing(
            currency,
            {name: mine[place]["sum"] if place in mine else Decimal(0) for place, name in enumerate(BAND_NAMES)},
            {name: mine[place]["count"] if place in mine else 0 for place, name in enumerate(BAND_NAMES)},
            mine[-1]["sum"] if -1 in mine else Decimal(0),
            sum((row["disputed"] for place, row in mine.items() if place >= 0), Decimal(0)),
            sum((row["sum"] for row in invoiced if row["currency"] == currency), Decimal(0)),
            tuple(week for week in coming if week[0] < end),
            sum((week[1] for week in coming if week[0] >= end), Decimal(0)),
        )
    return tuple(found.values())


def stated(document_id: UUID, one: WriteOff) -> dict[str, str]:
    """A write-off as its event vouches for it."""
    return {
        "id": str(one.id),
        "document": str(document_id),
        "amount": format(one.amount, "f"),
        "currency": one.currency,
        "reason": one.reason,
        "reference": one.reference,
        "by": one.by,
        "at": instant(one.at),
    }


async def write_off(
    connection: Connection, account_id: UUID, document_id: UUID, one: WriteOff
) -> tuple[WriteOff, bool]:
    """Give up what is owed on a document, or take that back, with its event; tells whether it was there already.

    In the caller's transaction. Raises NotFound, Malformed, Conflict when less is owed or less was given up, KeyReused.
    """
    row = await connection.fetchrow("select write_off_id from write_off where key = $1", one.key)
    if row is not None:
        return await _same(connection, document_id, one), True
    if one.reason not in REASONS:
        raise Malformed(f"the reason of a write-off is one of {', '.join(REASONS)}")
    await lock(connection, [document_id])
    owed = await get(connection, document_id)
    if owed.currency != one.currency:
        raise Conflict(f"the document is in {owed.currency}")
    if (
        owed.void
        or (one.amount > 0 and one.amount > owed.balance)
        or (one.amount < 0 and -one.amount > owed.written_off)
    ):
        raise Conflict("not more can be given up than is owed, nor more taken back than was given up")
    await connection.execute(
        "insert into write_off (account_id, write_off_id, document_id, amount, currency, reason, reference, by, at, "
        "key) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        *(
            account_id,
            one.id,
            document_id,
            one.amount,
            one.currency,
            one.reason,
            one.reference,
            one.by,
            one.at,
            one.key,
        ),
    )
    digest = sha256(canonical(stated(document_id, one))).hexdigest()
    facts = {"write_off": str(one.id), "reason": one.reason, "reference": one.reference, "by": one.by, "sha256": digest}
    await journal.record(connection, account_id, document_id, [Said(one.at, Stage.SETTLED, "written_off", facts, ())])
    return one, False


async def write_offs(connection: Connection, document_id: UUID) -> tuple[WriteOff, ...]:
    """What was given up on a document, in order."""
    rows = await connection.fetch(
        "select write_off_id as id, amount, currency, reason, reference, by, at, key from write_off "
        "where document_id = $1 order by at, write_off_id",
        document_id,
    )
    return tuple(WriteOff(**row) for row in rows)


async def _same(connection: Connection, document_id: UUID, one: WriteOff) -> WriteOff:
    for kept in await write_offs(connection, document_id):
        if kept.key == one.key and (kept.amount, kept.currency, kept.reason, kept.reference) == (
            one.amount, one.currency, one.reason, one.reference
        ):  # fmt: skip
            return kept
    raise KeyReused("this Idempotency-Key names another write-off; a new one needs a new key")


async def lock(connection: Connection, document_ids: Sequence[UUID]) -> None:
    """Until the end of the transaction no status of these documents and no sum on them changes: what is read after this
    is what is so when it commits."""
    ids = sorted(document_ids)
    await connection.execute(
        "select from document where document_id = any($1) order by document_id for no key update", ids
    )
    await connection.execute("select from receivable where document_id = any($1) order by document_id for update", ids)


async def complaints(pool: Pool, account_id: UUID) -> AsyncIterator[str]:
    """What the audit tells: sums that their parts do not make, and write-offs that no event vouches for."""
    async with pool.account(account_id, snapshot=True) as connection:
        for one in await differing(connection):
            yield f"document {one}: what is owed on it is not what its payments, credits and write-offs make"
        events = await connection.fetch(
            "select document_id, facts->>'write_off' as id, facts->>'sha256' as sha256 from event "
            "where outcome = 'written_off'"
        )
        rows = await connection.fetch(
            "select write_off_id as id, document_id, amount, currency, reason, reference, by, at, key from write_off"
        )
    told = {row["id"]: row["sha256"] for row in events}
    kept = {str(row["id"]): row for row in rows}
    for name in sorted(told.keys() - kept.keys()):
        yield f"write-off {name} is missing, and an event tells of it"
    for name, row in kept.items():
        values = dict(row)
        document_id = values.pop("document_id")
        if told.get(name) != sha256(canonical(stated(document_id, WriteOff(**values)))).hexdigest():
            yield f"document {document_id}: write-off {name} is not what an event vouches for"


async def differing(connection: Connection) -> list[UUID]:
    """Documents whose row is not what their payments, credits and write-offs add up to: none, or somebody moved it."""
    rows = await connection.fetch(
        """
        select r.document_id from receivable r join document d using (account_id, document_id)
        where r.due <> d.amount_due * case when is_credit_note(d.type_code) then -1 else 1 end
           or r.void <> (d.halted is not null)
           or r.paid <> coalesce((select sum(p.amount) from payment p where p.document_id = r.document_id
                    and p.currency = r.currency), 0) * case when is_credit_note(d.type_code) then -1 else 1 end
           or r.written_off <> coalesce((select sum(w.amount) from write_off w where w.document_id = r.document_id), 0)
           or r.credited <> coalesce((select sum(c.amount) from credit c where c.document_id = r.document_id), 0)
                - coalesce((select sum(c.amount) from credit c where c.credit_id = r.document_id), 0)
        order by r.document_id
        """
    )
    return [row["document_id"] for row in rows]
