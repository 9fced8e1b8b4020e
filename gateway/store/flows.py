"""Flows of XP Z12-013: what callers say of them, and all of an account's in the order in which they became visible.

A flow is a view on the journal: a document, or a status message that a network brought for one. What the standard adds
(trackingId, name, flowInfo) is kept with the admission. Searching needs an order in which nothing is lost, also for
callers that page by `updatedAfter`, which is strict: so flows are put in the feed's order once their events are final,
each with an instant of its own. Whoever searches does that first, one at a time for each account.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from gateway.errors import NotFound
from gateway.lifecycle import BY_ACCOUNT, BY_OTHER_SIDE, Kept, Stage
from gateway.store import answers
from gateway.store.arrivals import Named
from gateway.store.journal import Submission, enter
from gateway.store.numbers import never_left
from gateway.store.pool import Connection, Pool
from schemas.invoice import SELF_BILLED_TYPES

PENDING, OK, ERROR = "Pending", "Ok", "Error"
OUT, IN = "Out", "In"
UNDEFINED = "Undefined"

STATUS_MESSAGE = "cdar"
"""The format of documents that are status messages."""

EVENTS_AT_ONCE = 2_000
"""Events that one transaction puts in order."""
ROUNDS = 50
"""Transactions that one search spends on putting in order; what is left waits for the next search."""

_ANSWERS = (BY_OTHER_SIDE, BY_ACCOUNT)
"""How a halt ends that is somebody's answer to the document, told by a status message of its own."""
_TICK = timedelta(microseconds=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FlowInfo:
    """What a caller says of a flow beside its file; None: it does not say."""

    name: str
    syntax: str
    tracking_id: str | None = None
    rule: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class NewFlow:
    """A flow to take in."""

    account_id: UUID
    document_id: UUID
    """New."""
    participant: str
    format: str
    kept: Kept
    at: datetime
    info: FlowInfo


@dataclass(frozen=True, slots=True)
class About:
    """What a status message that is handed in speaks of, and what it says."""

    document_id: UUID
    version: int
    """Of that document, as it was looked at."""
    by: str
    """Public id of the credential."""
    facts: Mapping[str, Any]
    """The status event."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a flow that was handed in, after it is committed."""

    document_id: UUID
    again: bool
    """It was there before; nothing was written."""
    ours: bool
    """It was handed in as this very flow: with the same content, under the same trackingId."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow as it stands."""

    document_id: UUID
    participant: str
    """SIREN of the legal entity it is for."""
    seq: int
    """Of the status event; 0: the document itself."""
    submitted_at: datetime
    updated_at: datetime
    direction: str
    type: str
    rule: str
    ack: str
    format: str
    """Of its document."""
    number: str | None
    code: str | None
    """Of a status message: what it says, 200 to 213 and others."""
    broken: tuple[str, ...]
    """Rules that a status message breaks."""
    halted: str | None
    """Why its document ended."""
    report: str | None
    """SHA-256 of the newest report on its document; None where there is none, or no finding in it to tell."""
    parsed: Mapping[str, Any]
    info: FlowInfo | None
    """None: it was not handed in as a flow."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which flows a search shows; None and nothing in a list leave a criterion out."""

    after: datetime | None = None
    """Strictly after."""
    before: datetime | None = None
    """Strictly before."""
    rules: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()
    tracking_id: str | None = None
    ack: str | None = None
    participant: str | None = None
    """SIREN of the legal entity; not a criterion of the standard, but its header Organization-Id."""


def verdict(stage: Stage, halted: str | None) -> str:
    """The acknowledgement of a document that stands there.

    Ok: the document passed the rules, its number was free, and it is archived: nothing on our side can refuse it any
    more. Error: it ended before that, or no network would take it. What either side says later (refused, rejected) is
    told by status messages and changes no acknowledgement.
    """
    if halted is not None and not halted.endswith(_ANSWERS):
        return ERROR
    return OK if stage.reaches(Stage.ARCHIVED) else PENDING


async def admit(pool: Pool, new: NewFlow, about: About | None = None) -> Admission:
    """Take a flow in with its first task, unless the account has handed in the same bytes before.

    One whose document ended before anything of it left the gateway may be handed in again, but not under the trackingId
    it had: that is the same flow. The same bytes handed in twice at once wait for each other. A status message tells
    what it says with the document it is `about`, too. Raises Conflict when something happened to that meanwhile.
    """
    digest = sha256(new.kept.data).digest()
    async with pool.account(new.account_id) as connection:
        await _alone(connection, f"flow {new.account_id} {digest.hex()}")
        known = await _earlier(connection, digest, new.info.tracking_id)
        if known is not None:
            return known
        submission = _submission(new, digest)
        if about is None:
            await enter(connection, submission)
        else:
            origin = {**submission.origin, "about": str(about.document_id), "source": "account", "by": about.by}
            message = replace(submission, about=about.document_id, origin=origin)
            await answers.say(connection, message, about.facts, by=about.by, version=about.version)
        await connection.execute(
            """
            insert into flow_info (account_id, document_id, sha256, tracking_id, name, syntax, rule, profile)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            *(new.account_id, new.document_id, digest, new.info.tracking_id),
            *(new.info.name, new.info.syntax, new.info.rule, new.info.profile),
        )
    return Admission(new.document_id, again=False, ours=True)


async def earlier(pool: Pool, new: NewFlow) -> Admission | None:
    """The flow that these bytes are already; None: there is none, or another may take its place."""
    async with pool.account(new.account_id) as connection:
        return await _earlier(connection, sha256(new.kept.data).digest(), new.info.tracking_id)


async def named(connection: Connection, invoice: Named) -> Sequence[UUID]:
    """The invoices of the account that bear a name, two at most, in whichever direction.

    What the account issued does not count where it ended before anything left. What came counts also when it breaks
    rules, so that it can be refused, but not beside a valid one of its name, and never as the duplicate of another.
    """
    rows = await connection.fetch(
        """
        select document_id, direction = 'inbound' as inbound, stage in ('received', 'parsed') as unjudged
        from document d
        where number = $1 and replace(seller, ' ', '') = $2 and ($3 = '' or type_code = $3)
            and ($4::date is null or issue_date = $4) and format <> 'cdar'
            and not (direction = 'inbound' and exists (
                select from event e where e.document_id = d.document_id
                    and coalesce(e.facts->>'first', e.facts->>'same_bytes_as') is not null))
        order by document_id
        """,
        invoice.number,
        invoice.seller,
        invoice.type_code,
        invoice.issue_date,
    )
    valid = any(row["inbound"] and not row["unjudged"] for row in rows)
    found = []
    for row in rows:
        if row["inbound"]:
            left_out = valid and row["unjudged"]
        else:
            left_out = await never_left(connection, row["document_id"])
        if not left_out:
            found.append(row["document_id"])
    return found[:2]


async def _earlier(connection: Connection, digest: bytes, tracking_id: str | None) -> Admission | None:
    """The document that these bytes are already; None: there is none, or another may take its place."""
    rows = await connection.fetch(
        """
        select n.document_id, i.tracking_id from entry n
        join document d using (account_id, document_id) left join flow_info i using (account_id, document_id)
        where n.sha256 = $1 and n.role = 'submission' and d.direction = 'outbound'
        order by n.document_id desc
        """,
        digest,
    )
    for row in rows:
        if tracking_id is not None and row["tracking_id"] == tracking_id:
            return Admission(row["document_id"], again=True, ours=True)
    for row in rows:
        if not await never_left(connection, row["document_id"]):
            return Admission(row["document_id"], again=True, ours=False)
    return None


def _submission(new: NewFlow, digest: bytes) -> Submission:
    return Submission(
        account_id=new.account_id,
        document_id=new.document_id,
        participant=new.participant,
        format=new.format,
        kept=(new.kept,),
        at=new.at,
        key=None,
        fingerprint=digest,
        origin={"processing_rule": new.info.rule} if new.info.rule not in (None, UNDEFINED) else {},
    )


async def _alone(connection: Connection, what: str) -> None:
    """Wait until nobody else does this, and let nobody until the transaction ends."""
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", what)


# Reading -------------------------------------------------------------------------------------------------------------

_FLOWS = """
    select d.document_id, d.participant, d.direction, d.format, d.stage, d.halted, d.number, d.type_code, d.buyer,
        d.created_at, d.updated_at as document_updated_at, d.facts->'parsed' as parsed,
        coalesce((d.facts->'validated'->>'warnings')::bigint, 0) as warnings,
        a.direction as about_direction, a.type_code as about_type_code,
        f.seq, f.updated_at, f.submitted_at, f.type, f.rule, f.ack,
        i.tracking_id, i.name, i.syntax, i.rule as given, i.profile,
        e.at, e.outcome, e.facts->>'code' as code, e.facts->>'status' as status, e.facts->>'message' as message,
        e.facts->'broken' as broken,
        (select encode(n.sha256, 'hex') from entry n where n.document_id = d.document_id and n.role = 'report'
         order by n.seq desc limit 1) as report
"""
_BESIDE = """
    left join lateral (
        select direction, type_code from document
        where document_id = (d.facts->'received'->>'about')::uuid limit 1
    ) a on true
    left join lateral (
        select tracking_id, name, syntax, rule, profile from flow_info where document_id = {id} limit 1
    ) i on true
    left join lateral (
        select at, outcome, facts from event where document_id = {id} and seq = {seq} and outcome = 'status' limit 1
    ) e on true
"""
"""What is beside a document, and what its message speaks of: by key, however many the planner thinks there are."""


async def search(pool: Pool, account_id: UUID, wanted: Wanted, after: datetime | None, limit: int) -> list[Flow]:
    """Flows of the account in their order, at most `limit`; `after` is where the last page ended."""
    for _ in range(ROUNDS):
        if not await arrange(pool, account_id):
            break
    bounds = [at for at in (wanted.after, after) if at is not None]
    async with pool.account(account_id) as connection:
        rows = await connection.fetch(
            f"""
            {_FLOWS}
            from (
                select * from flow
                where updated_at > coalesce($1::timestamptz, '-infinity')
                  and updated_at < coalesce($2::timestamptz, 'infinity')
                  and ($3::text[] = '{{}}' or rule = any($3)) and ($4::text[] = '{{}}' or type = any($4))
                  and ($5::text[] = '{{}}' or direction = any($5))
                  and ($6::text is null or tracking_id = $6) and ($7::text is null or ack = $7)
                  and ($8::text is null or participant = $8)
                order by updated_at limit $9
            ) f join document d on d.document_id = f.document_id {_BESIDE.format(id="f.document_id", seq="f.seq")}
            order by f.updated_at
            """,  # noqa: S608 - only our own texts are put in
            max(bounds, default=None),
            wanted.before,
            wanted.rules,
            wanted.types,
            wanted.directions,
            wanted.tracking_id,
            wanted.ack,
            wanted.participant,
            limit,
        )
    return [_flow(row, row["seq"], row["ack"]) for row in rows]


async def get(pool: Pool, account_id: UUID, document_id: UUID, seq: int) -> Flow:
    """One flow as it stands now. Raises NotFound."""
    await arrange(pool, account_id)
    async with pool.account(account_id) as connection:
        row = await connection.fetchrow(
            f"""
            {_FLOWS}
            from document d left join flow f on f.document_id = d.document_id and f.seq = $2
            {_BESIDE.format(id="$1", seq="$2")} where d.document_id = $1
            """,
            document_id,
            seq,
        )
    if row is None or (seq and not _is_flow(row)):
        raise NotFound("there is no such flow")
    ack = verdict(Stage(row["stage"]), row["halted"]) if not seq else _status_ack(row)
    return _flow(row, seq, ack)


def _flow(row: Mapping[str, Any], seq: int, ack: str) -> Flow:
    placed = row["ack"] == ack  # else the event that changed it is not final yet, and has no place in the order
    named = row["name"] is not None and not seq
    return Flow(
        document_id=row["document_id"],
        participant=row["participant"],
        seq=seq,
        submitted_at=row["at"] if seq else row["created_at"],
        updated_at=row["updated_at"] if placed else (row["at"] if seq else row["document_updated_at"]),
        direction=_direction(row["direction"], seq),
        type=row["type"] if placed else _type(row, seq, ack),
        rule=_rule(row["given"], row["buyer"]),
        ack=ack,
        format=row["format"],
        number=row["number"],
        code=row["code"],
        broken=tuple(row["broken"] or ()),
        halted=row["halted"],
        report=row["report"] if not seq and (ack == ERROR or (ack == OK and row["warnings"])) else None,
        parsed=row["parsed"] or {},
        info=FlowInfo(row["name"], row["syntax"], row["tracking_id"], row["given"], row["profile"]) if named else None,
    )


def _is_flow(row: Mapping[str, Any]) -> bool:
    """Whether an event brought a status message: neither a network's own verdict nor one that is a document of ours."""
    said = row["code"] is not None or row["status"] == "unreadable"
    return row["outcome"] == "status" and said and row["message"] is None


def _status_ack(row: Mapping[str, Any]) -> str:
    return OK if row["code"] is not None else ERROR


def _direction(direction: str, seq: int) -> str:
    return IN if seq or direction == "inbound" else OUT


def _type(row: Mapping[str, Any], seq: int, ack: str) -> str:
    """flowType: a customer's invoice goes out, a supplier's comes in; the other way round when the buyer makes it."""
    message = row["format"] == STATUS_MESSAGE
    direction, code = (row[f"about_{name}" if message else name] for name in ("direction", "type_code"))
    if direction is None or (code is None and not (seq or message)):
        return UNDEFINED
    customer = (direction == "outbound") != (code in SELF_BILLED_TYPES)
    if seq or message:
        return ("CustomerInvoiceLC" if customer else "SupplierInvoiceLC") if message or ack == OK else UNDEFINED
    return "CustomerInvoice" if customer else "SupplierInvoice"


def _rule(given: str | None, buyer: str | None) -> str:
    """processingRule: as given; else between businesses where the buyer is known by a SIREN, and undefined."""
    if given is not None and given != UNDEFINED:
        return given
    siren = (buyer or "").replace(" ", "")
    return "B2B" if len(siren) == 9 and siren.isascii() and siren.isdigit() else UNDEFINED


# Putting in order ----------------------------------------------------------------------------------------------------

_NEW = """
    select e.document_id, e.seq, e.at, e.stage, e.outcome, e.facts->>'code' as code, e.facts->>'status' as status,
        e.facts->>'message' as message, e.facts->>'reason' as reason,
        e.generation, e.transaction::text::bigint as transaction, e.position,
        d.participant, d.direction, d.format, d.type_code, d.buyer, d.created_at, i.rule, i.tracking_id,
        a.direction as about_direction, a.type_code as about_type_code
    from (
        select * from event
        where (generation, transaction, position) > ($1, $2::bigint::text::xid8, $3)
          and (generation < present_generation() or transaction < pg_snapshot_xmin(pg_current_snapshot()))
        order by generation, transaction, position limit $4
    ) e join document d using (account_id, document_id) left join flow_info i using (account_id, document_id)
    left join lateral (
        select direction, type_code from document
        where document_id = (d.facts->'received'->>'about')::uuid limit 1
    ) a on true
    order by e.generation, e.transaction, e.position
"""


async def arrange(pool: Pool, account_id: UUID) -> bool:
    """Put what is final and has no place yet in the flows' order; tells whether there may be more."""
    async with pool.account(account_id) as connection:
        if not await connection.fetch(_NEW, *await _place(connection), 1):
            return False
        await _alone(connection, f"flows {account_id}")
        place = await _place(connection)
        rows = await connection.fetch(_NEW, *place, EVENTS_AT_ONCE)
        if not rows:
            return False
        last = await connection.fetchval("select updated_at from flow_place")
        placed = list(_placed(rows, last or _EARLIEST))
        await _write(connection, account_id, placed)
        end = rows[-1]
        await connection.execute(
            """
            insert into flow_place (account_id, generation, transaction, position, updated_at)
            values ($1, $2, $3, $4, $5) on conflict (account_id) do update set generation = excluded.generation,
            transaction = excluded.transaction, position = excluded.position, updated_at = excluded.updated_at
            """,
            *(account_id, end["generation"], end["transaction"], end["position"]),
            placed[-1].updated_at if placed else last or _EARLIEST,
        )
    return len(rows) == EVENTS_AT_ONCE


async def _place(connection: Connection) -> tuple[int, int, int]:
    row = await connection.fetchrow("select generation, transaction, position from flow_place")
    return tuple(row) if row else (0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Placed:
    document_id: UUID
    seq: int
    participant: str
    updated_at: datetime
    submitted_at: datetime
    direction: str
    type: str
    rule: str
    ack: str
    tracking_id: str | None


def _placed(rows: Iterable[Mapping[str, Any]], last: datetime) -> Iterable[_Placed]:
    """The flows that events change, each with an instant after all before it."""
    for row in rows:
        changed = _changed(row)
        if changed is None:
            continue
        seq, ack = changed
        last = max(row["at"], last + _TICK)
        yield _Placed(
            document_id=row["document_id"],
            seq=seq,
            participant=row["participant"],
            updated_at=last,
            submitted_at=row["at"] if seq else row["created_at"],
            direction=_direction(row["direction"], seq),
            type=_type(row, seq, ack),
            rule=_rule(row["rule"], row["buyer"]),
            ack=ack,
            tracking_id=None if seq else row["tracking_id"],
        )


def _changed(row: Mapping[str, Any]) -> tuple[int, str] | None:
    """Which flow an event changes, and to which acknowledgement; None: it changes nothing that a flow shows."""
    match row["outcome"]:
        case "done" | "skipped" if row["seq"] == 1:
            return 0, PENDING
        case "done" | "skipped" if row["stage"] == Stage.ARCHIVED:
            return 0, OK
        case "halted" if not (row["reason"] or "").endswith(_ANSWERS):
            return 0, ERROR
        case "status" if _is_flow(row):
            return row["seq"], _status_ack(row)
        case _:
            return None


async def _write(connection: Connection, account_id: UUID, placed: Sequence[_Placed]) -> None:
    latest = {(one.document_id, one.seq): one for one in placed}.values()
    await connection.execute(
        """
        insert into flow (account_id, document_id, seq, participant, updated_at, submitted_at, direction, type, rule,
                          ack, tracking_id)
        select $1, * from unnest($2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[],
                                 $8::text[], $9::text[], $10::text[], $11::text[])
        on conflict (account_id, document_id, seq) do update set updated_at = excluded.updated_at,
            type = excluded.type, rule = excluded.rule, ack = excluded.ack
        """,
        account_id,
        *([getattr(one, name) for one in latest] for name in _Placed.__slots__),
    )
