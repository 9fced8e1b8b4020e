"""Reminders in the database: who is to be reminded of what, what was said, letters and cases.

Each invoice hears each step once, by a primary key; one whose letter was dropped or refused was not heard, and is
written anew. What is written is decided under the locks of its invoices (`receivables.lock`), in the transaction that
writes it: no payment and no status comes in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

from gateway.dunning import Owed, Plan, Step, Tone
from gateway.errors import Conflict, NotFound
from gateway.lifecycle import Kept, Role, Said, Stage
from gateway.store import contents, journal
from gateway.store.pool import Connection, Pool

LEASE = timedelta(minutes=5)
"""How long a letter may take to leave; then it is unsure whether it did."""
REFUSED = timedelta(days=7)
"""How long an address that refused a letter is not written to again about its invoices."""
PAGE_LIMIT = 200
HISTORY = 10
"""Paid invoices of a customer that its habit is judged by."""
BAD_DELAY, BAD_COUNT = 30, 3
"""A customer that paid so many of them more than so many days late is a bad payer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An invoice that may have to be reminded of, and how it is told of."""

    owed: Owed
    number: str
    issue_date: date
    due: Decimal
    """BT-115."""
    name: str
    """The buyer's; empty where it is not known."""
    address: str | None
    """The buyer's electronic address, if it is an e-mail address (scheme EM)."""
    public: bool
    """The directory says that the buyer is a public body."""
    netted: bool = False
    """A credit note or a write-off has taken something off it."""
    seller: str = ""
    """The identifier of the participant that is owed."""
    sender: str = ""
    """Its name."""


@dataclass(frozen=True, slots=True)
class Customer:
    """How one customer is reminded, where somebody said so; None: by rule."""

    customer: str
    segment: str | None = None
    email: str | None = None
    language: str | None = None
    country: str | None = None
    paused: str | None = None
    """Why nothing is said to it."""
    paused_until: date | None = None
    changed_by: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as its row shows it."""

    id: UUID
    customer: str
    channel: str
    tone: str
    language: str
    currency: str
    sha256: str
    made_at: datetime
    state: str
    attempts: int
    sent_at: datetime | None
    network_id: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Reminded:
    """One step that was written of one invoice; it heard it unless the letter was dropped or refused."""

    document_id: UUID
    step: str
    said_on: date
    balance: Decimal
    fee: Decimal
    letter: Letter


@dataclass(frozen=True, slots=True)
class Case:
    """What a person looks at instead of a reminder."""

    document_id: UUID
    kind: str
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None


@dataclass(frozen=True, slots=True)
class Saying:
    """A step that is said of an invoice now."""

    document_id: UUID
    step: Step
    on: date
    """Where the customer is."""
    balance: Decimal
    fee: Decimal
    """What its letter asks for besides."""


_CANDIDATES = r"""
    select r.document_id, r.customer, r.currency, r.due_date, r.balance, r.void, r.said, r.said_at, r.number,
        case when d.status = 'paid' and back.taken then null else d.status end as status, r.issue_date, r.due,
        d.stage in ('acknowledged', 'settled') as delivered,
        case when d.buyer_scheme = 'EM' then d.buyer_address end as address, coalesce(i.buyer_name, '') as name,
        coalesce(u.public, false) as public, r.credited <> 0 or r.written_off <> 0 as netted,
        coalesce(o.siren, r.seller) as seller, coalesce(o.name, '') as sender, heard.steps, heard.days,
        p.document_id is not null or c.paused is not null and (c.paused_until is null or c.paused_until > $2) as paused
    from receivable r join document d using (account_id, document_id)
        left join archive_index i using (account_id, document_id)
        left join participant o on o.account_id = r.account_id and o.siren = substring(
            upper(regexp_replace(r.seller, '\s', '', 'g')) from '^(?:FR[0-9A-Z]{2})?([0-9]{9})(?:[0-9]{5})?$')
        left join reminder_pause p on p.account_id = r.account_id and p.document_id = r.document_id
            and (p.until is null or p.until > $2)
        left join reminder_customer c on c.account_id = r.account_id and c.customer = r.customer
        left join directory_unit u on u.account_id = r.account_id and u.siren = r.customer
        left join lateral (
            select array_agg(step order by said_on, step) as steps, array_agg(said_on order by said_on, step) as days
            from heard m where m.account_id = r.account_id and m.document_id = r.document_id) heard on true
        left join lateral (  -- said to be paid, and then a payment was taken back: what is owed decides
            select true as taken from payment b where d.status = 'paid' and b.account_id = r.account_id
                and b.document_id = r.document_id and b.amount < 0 limit 1) back on true
    where r.due > 0 and r.balance > 0
"""


async def candidates(connection: Connection, today: date, until: date) -> list[Candidate]:
    """Invoices on which something is owed that is due by a day."""
    rows = await connection.fetch(f"{_CANDIDATES} and r.due_date <= $1", until, today)
    return [_candidate(row) for row in rows]


async def again(connection: Connection, today: date, document_ids: Sequence[UUID]) -> list[Candidate]:
    """The same of these invoices, as they stand now."""
    rows = await connection.fetch(f"{_CANDIDATES} and r.document_id = any($1)", list(document_ids), today)
    return [_candidate(row) for row in rows]


def _candidate(row: Mapping[str, Any]) -> Candidate:
    heard = tuple(zip(row["steps"] or (), row["days"] or (), strict=True))
    owed = Owed(
        row["document_id"], row["customer"], row["currency"], row["due_date"], row["balance"], row["void"],
        row["delivered"], row["status"], row["said"], row["said_at"], heard, row["paused"],
    )  # fmt: skip
    names = ("number", "issue_date", "due", "name", "address", "public", "netted", "seller", "sender")
    return Candidate(owed, *(row[name] for name in names))


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether an account has its customers reminded, and who said so."""

    on: bool = False
    changed_by: str = ""
    changed_at: datetime | None = None


async def switch(connection: Connection) -> Switch:
    """Whether the account's customers are reminded; not before somebody says so."""
    row = await connection.fetchrow("select on_, changed_by, changed_at from reminder_switch")
    return Switch(*row) if row else Switch()


async def turn(connection: Connection, account_id: UUID, wanted: Switch) -> None:
    """Switch the account's reminders on or off."""
    await connection.execute(
        """
        insert into reminder_switch (account_id, on_, changed_by, changed_at) values ($1, $2, $3, $4)
        on conflict (account_id) do update set on_ = excluded.on_, changed_by = excluded.changed_by,
            changed_at = excluded.changed_at
        """,
        *(account_id, wanted.on, wanted.changed_by, wanted.changed_at),
    )


async def plans(connection: Connection) -> dict[str, Plan]:
    """The account's own plans, by kind of customers."""
    rows = await connection.fetch("select name, plan from reminder_plan")
    return {row["name"]: plan_of(row["name"], row["plan"]) for row in rows}


def plan_of(name: str, members: Mapping[str, Any]) -> Plan:
    """A plan out of its JSON, which was checked before it was kept."""
    steps = tuple(
        Step(one["name"], one["day"], Tone(one["tone"]), Decimal(one.get("fee", "0"))) for one in members["steps"]
    )
    return Plan(
        name, steps, members["channel"], Decimal(members["threshold"]), members["together"], members["opens"],
        members["closes"],
    )  # fmt: skip


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan as JSON."""
    return {
        "steps": [{"name": s.name, "day": s.day, "tone": str(s.tone), "fee": format(s.fee, "f")} for s in plan.steps],
        "channel": plan.channel,
        "threshold": format(plan.threshold, "f"),
        "together": plan.together,
        "opens": plan.opens,
        "closes": plan.closes,
    }


async def keep_plan(connection: Connection, account_id: UUID, plan: Plan, by: str, now: datetime) -> None:
    """Make a plan the account's own for its kind of customers."""
    await connection.execute(
        """
        insert into reminder_plan (account_id, name, plan, changed_by, changed_at) values ($1, $2, $3, $4, $5)
        on conflict (account_id, name) do update set plan = excluded.plan, changed_by = excluded.changed_by,
            changed_at = excluded.changed_at
        """,
        *(account_id, plan.name, plan_json(plan), by, now),
    )


async def drop_plan(connection: Connection, name: str) -> None:
    """Let the usual plan count again."""
    await connection.execute("delete from reminder_plan where name = $1", name)


async def customers(connection: Connection) -> dict[str, Customer]:
    """Every customer that somebody said something of."""
    rows = await connection.fetch(
        "select customer, segment, email, language, country, paused, paused_until, changed_by, changed_at "
        "from reminder_customer"
    )
    return {row["customer"]: Customer(**row) for row in rows}


async def keep_customer(connection: Connection, account_id: UUID, one: Customer) -> None:
    """Say how a customer is reminded."""
    await connection.execute(
        """
        insert into reminder_customer (account_id, customer, segment, email, language, country, paused, paused_until,
                                       changed_by, changed_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (account_id, customer) do update set segment = excluded.segment, email = excluded.email,
            language = excluded.language, country = excluded.country, paused = excluded.paused,
            paused_until = excluded.paused_until, changed_by = excluded.changed_by, changed_at = excluded.changed_at
        """,
        *(account_id, one.customer, one.segment, one.email, one.language, one.country, one.paused, one.paused_until),
        *(one.changed_by, one.changed_at),
    )


async def bad_payers(connection: Connection) -> frozenset[str]:
    """Customers whose habit is to pay late, by their last paid invoices."""
    rows = await connection.fetch(
        """
        select customer from (
            select customer, last_paid_on - due_date as late,
                row_number() over (partition by customer order by due_date desc, document_id desc) as place
            from receivable where balance = 0 and due > 0 and last_paid_on is not null) as history
        where place <= $1 and late > $2 group by customer having count(*) >= $3
        """,
        *(HISTORY, BAD_DELAY, BAD_COUNT),
    )
    return frozenset(row["customer"] for row in rows)


@dataclass(frozen=True, slots=True)
class Pause:
    """A person stops chasing an invoice."""

    reason: str
    by: str
    at: datetime
    until: date | None = None
    """None: until somebody resumes it."""


async def pause(connection: Connection, account_id: UUID, document_id: UUID, one: Pause) -> None:
    """Stop chasing an invoice, with its event. Raises NotFound, Conflict when it is stopped."""
    facts = {"state": "paused", "by": one.by, **({"until": one.until.isoformat()} if one.until else {})}
    await journal.record(connection, account_id, document_id, [Said(one.at, Stage.SETTLED, "reminder", facts, ())])
    made = await connection.fetchval(
        """
        insert into reminder_pause (account_id, document_id, reason, until, by, at) values ($1, $2, $3, $4, $5, $6)
        on conflict (account_id, document_id) do update set reason = excluded.reason, until = excluded.until,
            by = excluded.by, at = excluded.at
            where reminder_pause.until <= (excluded.at at time zone 'Europe/Paris')::date
        returning document_id
        """,
        *(account_id, document_id, one.reason, one.until, one.by, one.at),
    )
    if made is None:
        raise Conflict("its reminders are paused already")


async def resume(connection: Connection, account_id: UUID, document_id: UUID, by: str, now: datetime) -> None:
    """Go on with an invoice, with its event. Raises NotFound, Conflict when it is not stopped."""
    facts = {"state": "resumed", "by": by}
    await journal.record(connection, account_id, document_id, [Said(now, Stage.SETTLED, "reminder", facts, ())])
    gone = await connection.fetchval(
        "delete from reminder_pause where document_id = $1 returning document_id", document_id
    )
    if gone is None:
        raise Conflict("its reminders are not paused")


async def refused_lately(
    connection: Connection, document_ids: Sequence[UUID], to: str, now: datetime
) -> frozenset[UUID]:
    """Those of these invoices whose letter this address refused lately: it would refuse the next, too."""
    rows = await connection.fetch(
        "select distinct document_id from reminder join letter using (account_id, letter_id) "
        "where document_id = any($1) and state = 'refused' and recipient = $2 and made_at > $3",
        *(list(document_ids), sha256(to.encode()).digest(), now - REFUSED),
    )
    return frozenset(row["document_id"] for row in rows)


async def write(
    connection: Connection, account_id: UUID, letter: Letter, text: bytes, said: Sequence[Saying], *, to: str
) -> None:
    """Keep a letter, each step it says, and an event of each of its invoices. The caller holds their locks.

    `to`: the address it goes to; empty: it goes to webhooks. Raises the driver's UniqueViolationError when a step was
    said already.
    """
    kept = Kept(Role.REMINDER, "application/json", text)
    await contents.put(connection, account_id, [kept])
    await connection.execute(
        "insert into letter (account_id, letter_id, customer, channel, tone, language, currency, sha256, made_at, "
        "state, due, recipient) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $11)",
        *(account_id, letter.id, letter.customer, letter.channel, letter.tone, letter.language, letter.currency),
        *(bytes.fromhex(letter.sha256), letter.made_at, letter.state, sha256(to.encode()).digest() if to else None),
    )
    for one in sorted(said, key=lambda one: one.document_id):
        step, on, document_id = one.step, one.on, one.document_id
        await connection.execute(
            "insert into reminder (account_id, document_id, step, letter_id, said_on, balance, fee) "
            "values ($1, $2, $3, $4, $5, $6, $7)",
            *(account_id, document_id, step.name, letter.id, on, one.balance, one.fee),
        )
        facts = {
            "letter": str(letter.id), "step": step.name, "tone": str(step.tone), "channel": letter.channel,
            "said_on": on.isoformat(), "sha256": letter.sha256, "state": letter.state,
        }  # fmt: skip
        told = Said(letter.made_at, Stage.SETTLED, "reminder", facts, ())
        await journal.record(connection, account_id, document_id, [told], (kept,))


# Letters on their way ------------------------------------------------------------------------------------------------

_LETTER = """letter_id as id, customer, channel, tone, language, currency, encode(sha256, 'hex') as sha256, made_at,
    state, attempts, sent_at, network_id, reason"""


async def claim(connection: Connection, now: datetime) -> Letter | None:
    """The next letter to send, marked as being sent; None: there is none."""
    row = await connection.fetchrow(
        f"""
        update letter set state = 'sending', attempts = attempts + 1, leased_until = $1::timestamptz + $2::interval
        where letter_id = (select letter_id from letter where state = 'waiting' and due <= $1
                           order by due, letter_id limit 1 for update skip locked)
        returning {_LETTER}
        """,  # noqa: S608
        now,
        LEASE,
    )
    return Letter(**row) if row else None


async def lost(connection: Connection, now: datetime) -> list[UUID]:
    """Letters whose sender died on the way: whether they left is not known."""
    rows = await connection.fetch(
        "select letter_id from letter where state = 'sending' and leased_until < $1 order by letter_id", now
    )
    return [row["letter_id"] for row in rows]


async def documents_of(connection: Connection, letter_id: UUID) -> list[UUID]:
    """The invoices that a letter speaks of."""
    rows = await connection.fetch("select document_id from reminder where letter_id = $1 order by 1", letter_id)
    return [row["document_id"] for row in rows]


async def asked(connection: Connection, letter_id: UUID) -> dict[UUID, Decimal]:
    """What a letter asks for on each of its invoices."""
    rows = await connection.fetch("select document_id, balance from reminder where letter_id = $1", letter_id)
    return {row["document_id"]: row["balance"] for row in rows}


async def put_off(connection: Connection, letter_id: UUID, due: datetime) -> None:
    """Let a letter that was claimed wait for its hour; that was no attempt."""
    await connection.execute(
        "update letter set state = 'waiting', attempts = attempts - 1, leased_until = null, due = $2 "
        "where letter_id = $1 and state = 'sending'",
        *(letter_id, due),
    )


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a letter."""

    state: str
    """sent, unsure, refused, dropped; waiting: it is tried again."""
    reason: str | None = None
    network_id: str | None = None
    due: datetime | None = None
    """When it is tried again."""


async def settle(connection: Connection, account_id: UUID, letter_id: UUID, became: Became, now: datetime) -> None:
    """Write down what became of a letter that was being sent, with an event of each of its invoices.

    One that waits again makes no event. What somebody else has settled meanwhile stays.
    """
    made = await connection.fetchval(
        """
        update letter set state = $2, reason = $3, network_id = $4, due = coalesce($5, due), leased_until = null,
            sent_at = case when $2 = 'sent' then $6::timestamptz end
        where letter_id = $1 and state = 'sending' returning letter_id
        """,
        *(letter_id, became.state, became.reason, became.network_id, became.due, now),
    )
    if made is None or became.state == "waiting":
        return
    facts = {"letter": str(letter_id), "state": became.state}
    for document_id in await documents_of(connection, letter_id):
        said = Said(now, Stage.SETTLED, "reminder", facts, ())
        await journal.record(connection, account_id, document_id, [said])


# Cases ---------------------------------------------------------------------------------------------------------------


async def open_case(
    connection: Connection, account_id: UUID, document_ids: Sequence[UUID], kind: str, now: datetime
) -> int:
    """Have a person look at invoices; how many are new."""
    done: str = await connection.execute(
        "insert into reminder_case (account_id, document_id, kind, opened_at) select $1, unnest($2::uuid[]), $3, $4 "
        "on conflict do nothing",
        *(account_id, sorted(document_ids), kind, now),
    )
    return int(done.rpartition(" ")[2])


async def refused(connection: Connection, limit: int) -> list[UUID]:
    """Invoices that the other side refused or rejected and that nobody was told of."""
    rows = await connection.fetch(
        """
        select r.document_id from receivable r join document d using (account_id, document_id)
        where r.void and (d.halted like '% by the other side' or d.halted like 'refused by the %')
          and not exists (select from reminder_case c where c.account_id = r.account_id
            and c.document_id = r.document_id and c.kind = 'refused')
        order by r.document_id limit $1
        """,
        limit,
    )
    return [row["document_id"] for row in rows]


async def close_mended(connection: Connection, now: datetime) -> None:
    """Close the cases whose cause is gone: delivered after all, completed or approved, or nothing is owed any more."""
    await connection.execute(
        """
        update reminder_case c set closed_at = $1 from receivable r join document d using (account_id, document_id)
        where c.closed_at is null and r.account_id = c.account_id and r.document_id = c.document_id
          and ((c.kind = 'address' and d.stage in ('acknowledged', 'settled'))
            or (c.kind = 'disputed' and r.said not in ('disputed', 'suspended'))
            or (c.kind <> 'refused' and r.balance <= 0 and not r.void))
        """,
        now,
    )


async def close_case(connection: Connection, document_id: UUID, kind: str, by: str, now: datetime) -> None:
    """A person has looked at it. Raises NotFound."""
    gone = await connection.fetchval(
        "update reminder_case set closed_at = $3, closed_by = $4 where document_id = $1 and kind = $2 "
        "and closed_at is null returning document_id",
        *(document_id, kind, now, by),
    )
    if gone is None:
        raise NotFound("there is no such open case")


async def cases(connection: Connection, after: tuple[datetime, UUID] | None, limit: int) -> list[Case]:
    """Open cases, the oldest first."""
    rows = await connection.fetch(
        "select document_id, kind, opened_at, closed_at, closed_by from reminder_case where closed_at is null "
        "and ($1::timestamptz is null or (opened_at, document_id) > ($1, $2)) order by opened_at, document_id limit $3",
        *(after or (None, None)),
        limit,
    )
    return [Case(**row) for row in rows]


# Reads ---------------------------------------------------------------------------------------------------------------


async def said_of(connection: Connection, document_id: UUID) -> list[Reminded]:
    """What was written of an invoice, in order."""
    rows = await connection.fetch(  # of the table's columns above
        f"select document_id, step, said_on, balance, fee, {_LETTER} from reminder join letter using (account_id, "  # noqa: S608
        "letter_id) where document_id = $1 order by made_at, letter_id",
        document_id,
    )
    return [_reminded(row) for row in rows]


async def page(
    connection: Connection, before: tuple[UUID, UUID] | None, limit: int
) -> tuple[list[Reminded], tuple[UUID, UUID] | None]:
    """Reminders, newest first, and where the next page begins."""
    rows = await connection.fetch(  # of the table's columns above
        f"select document_id, step, said_on, balance, fee, {_LETTER} from reminder join letter using (account_id, "  # noqa: S608
        "letter_id) where $1::uuid is null or (letter_id, document_id) < ($1, $2) "
        "order by letter_id desc, document_id desc limit $3",
        *(before or (None, None)),
        limit + 1,
    )
    found = [_reminded(row) for row in rows[:limit]]
    return found, (found[-1].letter.id, found[-1].document_id) if len(rows) > limit else None


async def letter(connection: Connection, letter_id: UUID) -> Letter:
    """One letter. Raises NotFound."""
    row = await connection.fetchrow(f"select {_LETTER} from letter where letter_id = $1", letter_id)  # noqa: S608
    if row is None:
        raise NotFound("there is no such letter")
    return Letter(**row)


def _reminded(row: Mapping[str, Any]) -> Reminded:
    values = dict(row)
    own = {name: values.pop(name) for name in ("document_id", "step", "said_on", "balance", "fee")}
    return Reminded(**own, letter=Letter(**values))


async def due_accounts(pool: Pool, now: datetime) -> list[UUID]:
    """Accounts with letters to send, or lost on the way."""
    async with pool.worker() as connection:
        rows = await connection.fetch(
            "select distinct account_id from letter where (state = 'waiting' and due <= $1) "
            "or (state = 'sending' and leased_until < $1)",
            now,
        )
    return [row["account_id"] for row in rows]
