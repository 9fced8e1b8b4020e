"""The only writer of what a document went through.

`admit` takes a submission in; `commit` writes the outcomes of stages. Each is one transaction that stores contents,
archive entries, events, the document's row and its one next task together: all or nothing. What is acknowledged is
committed before; what is sent is decided and committed before. Events are append-only and chained per document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from asyncpg import UniqueViolationError

from gateway.errors import KeyReused, NotFound
from gateway.lifecycle import (
    Done,
    Emitted,
    Facts,
    Halted,
    Kept,
    Later,
    Outcome,
    Role,
    Said,
    Skipped,
    Stage,
    caught_up,
    queue_after,
)
from gateway.store import archive_index, inbound, numbers
from gateway.store.documents import WaitingArrival
from gateway.store.events import Event, append, chained
from gateway.store.inbound import Came
from gateway.store.pool import Connection, Pool
from gateway.store.reports import named, refusing, reported
from gateway.store.tasks import Claim
from schemas.finding import Finding, Severity
from schemas.formats import cdar
from signing.chain import GENESIS

DUPLICATE_RULE = "HOUSE-NUMBER-USED"
"""Rule id of the finding for an invoice number that is already taken."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller hands us, ready to be admitted."""

    account_id: UUID
    document_id: UUID
    """New, sorts by time."""
    participant: str
    format: str
    kept: tuple[Kept, ...]
    """The bytes as they came."""
    at: datetime
    key: str | None
    """Idempotency-Key; None: each submission is a new document."""
    fingerprint: bytes
    """SHA-256 of method, route, media type and body."""
    origin: Facts = field(default_factory=dict)
    """What it comes from, as its first event tells it: an order and its delivery, a network."""
    came: Came | None = None
    """An inbound document: where it came from; None: it is outbound."""
    about: UUID | None = None
    """A status message: the document it speaks of; None: it is an invoice."""

    @property
    def direction(self) -> str:
        """inbound or outbound."""
        return "outbound" if self.came is None else "inbound"


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a submission, after it is committed."""

    document_id: UUID
    replayed: bool
    """The same key and request were admitted before; nothing was written now."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage that was run, and how it ended."""

    stage: Stage
    outcome: Outcome
    at: datetime
    took: tuple[WaitingArrival, ...] = ()
    """Arrivals that the stage has dealt with."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Where the document stands after a commit."""

    stage: Stage
    next: Stage | None
    """The stage to run at once under the same claim; None: the claim was given back."""
    halted: str | None


class LostClaim(Exception):
    """Another worker took the task over, or it is gone; nothing was written."""


async def admit(pool: Pool, submission: Submission) -> Admission:
    """Store a submission and its first task, once per Idempotency-Key, and once per arrival. Raises KeyReused."""
    if known := await _known(pool, submission):
        return known
    try:
        async with pool.account(submission.account_id) as connection:
            await enter(connection, submission)
    except UniqueViolationError:
        known = await _known(pool, submission)
        if known is None:
            raise
        return known
    return Admission(submission.document_id, replayed=False)


async def enter(connection: Connection, submission: Submission) -> None:
    """Write a submission, its first event and its first task inside the caller's transaction of its account.

    For what must be true together with a document: a delivery of an order and its invoice. The caller acknowledges
    after its commit. Raises the driver's UniqueViolationError when its Idempotency-Key was used meanwhile, or when its
    arrival was taken meanwhile.
    """
    if submission.came is not None and (same := await inbound.same_bytes(connection, submission.kept[0].data)):
        submission = replace(submission, origin={**submission.origin, "same_bytes_as": str(same)})
    first = chained(GENESIS, 0, document_id=submission.document_id, said=[_received(submission)])
    await _insert_document(connection, submission, first[0])
    if submission.came is not None:
        data = submission.kept[0].data
        await inbound.enter(connection, submission.account_id, submission.document_id, submission.came, data)
    if submission.key is not None:
        await connection.execute(
            "insert into idempotency (account_id, key, fingerprint, document_id, created_at) "
            "values ($1, $2, $3, $4, $5)",
            submission.account_id,
            submission.key,
            submission.fingerprint,
            submission.document_id,
            submission.at,
        )


async def known(connection: Connection, key: str, fingerprint: bytes) -> UUID | None:
    """The document that came with this Idempotency-Key and request; None when there is none. Raises KeyReused."""
    row = await connection.fetchrow("select fingerprint, document_id from idempotency where key = $1", key)
    if row is None:
        return None
    if bytes(row["fingerprint"]) != fingerprint:
        raise KeyReused("this Idempotency-Key was used with another request; a new document needs a new key")
    identifier: UUID = row["document_id"]
    return identifier


async def commit(pool: Pool, claim: Claim, steps: Sequence[Step], *, go_on: bool) -> Committed:
    """Write the outcomes of stages, in order, and set the next task; only the last may be Later or Halted.

    With `go_on` the claim is kept for the next stage when there is one to run now. Raises LostClaim when the lease
    is not ours any more: then nothing was written.
    """
    async with pool.account(claim.account_id) as connection:
        row = await connection.fetchrow(
            """
            select d.version, d.head, d.seller, d.number, d.type_code, d.issue_date, d.stage, d.direction,
                d.status, d.about, d.participant, d.halted
            from task t join document d using (account_id, document_id)
            where t.document_id = $1 and t.lease = $2 for no key update
            """,
            claim.document_id,
            claim.lease,
        )
        if row is None:
            raise LostClaim(str(claim.document_id))
        steps = await _claim_number(connection, claim, _caught_up(steps, row["status"]), row)
        events = chained(
            bytes(row["head"]),
            row["version"],
            document_id=claim.document_id,
            said=[e for s in steps for e in _said(s, row["halted"])],
        )
        await append(connection, claim.account_id, claim.document_id, events)
        stage, halted = _stands(Stage(row["stage"]), steps)
        await _project(connection, claim, steps, events, stage, halted)
        await _index(connection, claim, steps)
        await _deliveries(connection, claim, steps, row)
        await _take(connection, steps, events)
        await _emit(connection, claim, steps, row["participant"])
        following = await _next(connection, claim, steps[-1], stage, halted, go_on=go_on)
    return Committed(stage, following, halted)


# Admission -----------------------------------------------------------------------------------------------------------


async def _known(pool: Pool, submission: Submission) -> Admission | None:
    key, came = submission.key, submission.came
    if key is None and came is None:
        return None
    found: UUID | None = None
    async with pool.account(submission.account_id) as connection:
        if key is not None:
            found = await known(connection, key, submission.fingerprint)
        if found is None and came is not None:
            found = await inbound.came(connection, came.network, came.network_id)
    return None if found is None else Admission(found, replayed=True)


def _received(submission: Submission) -> tuple[datetime, Stage, str, Facts, tuple[Kept, ...]]:
    facts = {
        **submission.origin,
        "format": submission.format,
        "participant": submission.participant,
        "contents": [
            {"role": str(kept.role), "sha256": sha256(kept.data).hexdigest(), "size": len(kept.data)}
            for kept in submission.kept
        ],
    }
    return submission.at, Stage.RECEIVED, "done", facts, submission.kept


async def _insert_document(connection: Connection, submission: Submission, first: Event) -> None:
    await connection.execute(
        """
        insert into document (account_id, document_id, participant, direction, format, stage, facts,
                              created_at, updated_at, version, head, about)
        values ($1, $2, $3, $8, $4, 'received', $5, $6, $6, 1, $7, $9)
        """,
        submission.account_id,
        submission.document_id,
        submission.participant,
        submission.format,
        {str(Stage.RECEIVED): dict(first.facts)},
        submission.at,
        first.hash,
        submission.direction,
        submission.about,
    )
    await append(connection, submission.account_id, submission.document_id, [first])
    await connection.execute(
        "insert into task (account_id, document_id, stage, due) values ($1, $2, $3, $4)",
        submission.account_id,
        submission.document_id,
        Stage.PARSED,
        submission.at,
    )


# Commit --------------------------------------------------------------------------------------------------------------


def _said(step: Step, halted: str | None) -> list[tuple[datetime, Stage, str, Facts, tuple[Kept, ...]]]:
    """The events that one step makes: its news, then how it ended. A Later without news makes none, and what has ended
    before for the same reason (`halted`) does not end again."""
    news = () if isinstance(step.outcome, Skipped) else step.outcome.news
    said = [(step.at, step.stage, item.kind, item.facts, item.keep) for item in news]
    match step.outcome:
        case Done(facts=facts, keep=keep):
            said.append((step.at, step.stage, "done", facts, keep))
        case Skipped(reason=reason, facts=facts, keep=keep):
            said.append((step.at, step.stage, "skipped", {**facts, "reason": reason}, keep))
        case Halted(reason=reason, findings=findings, facts=facts, keep=keep) if reason != halted:
            facts = {**facts, "reason": reason, **named(findings)}
            said.append((step.at, step.stage, "halted", facts, reported(findings, keep)))
    return said


async def record(
    connection: Connection, account_id: UUID, document_id: UUID, said: Sequence[Said], keep: tuple[Kept, ...] = ()
) -> None:
    """Write what was done with a document beside its line, inside the caller's transaction. Raises NotFound.

    Its stage and its task stay as they are; the stage of what is said is taken from its row. `keep`: contents that
    come with the first of it.
    """
    row = await connection.fetchrow(
        "select version, head, stage from document where document_id = $1 for no key update", document_id
    )
    if row is None:
        raise NotFound("there is no such document")
    lines = [
        (one.at, Stage(row["stage"]), one.outcome, one.facts, () if place else keep) for place, one in enumerate(said)
    ]
    events = chained(bytes(row["head"]), row["version"], document_id=document_id, said=lines)
    await append(connection, account_id, document_id, events)
    await connection.execute(
        "update document set version = $2, head = $3 where document_id = $1",
        *(document_id, events[-1].seq, events[-1].hash),
    )


def _caught_up(steps: Sequence[Step], status: str | None) -> Sequence[Step]:
    """The steps with the status that counts, beginning from the one in the row."""
    found = []
    for step in steps:
        outcome, status = caught_up(step.outcome, status)
        found.append(replace(step, outcome=outcome))
    return found


async def _claim_number(
    connection: Connection, claim: Claim, steps: Sequence[Step], row: Mapping[str, Any]
) -> Sequence[Step]:
    """A valid invoice takes its number for good; if another document has it, the step becomes a refusal."""
    place = next((i for i, s in enumerate(steps) if s.stage is Stage.VALIDATED and isinstance(s.outcome, Done)), None)
    if place is None or row["about"] is not None:
        return steps
    columns = _columns(steps[:place])
    seller, number, type_code, issued = (
        columns.get(name, row[name]) for name in ("seller", "number", "type_code", "issue_date")
    )
    key, came_in = (row["direction"], seller, number, type_code, issued.year), row["direction"] == "inbound"
    first = await numbers.take(connection, claim.account_id, claim.document_id, key)
    if first == claim.document_id:
        return steps
    done = steps[place].outcome
    assert isinstance(done, Done)
    if came_in:
        return [*steps[:place], replace(steps[place], outcome=_received_twice(done, first))]
    finding = Finding(
        rule=DUPLICATE_RULE,
        severity=Severity.FATAL,
        layer="house",
        says="This seller has already issued a valid document of this type and year under this number.",
        terms=("BT-1", "BT-2", "BT-3"),
        found=number,
        expected="a number that is not used yet",
        fix=f"Look at document {first}; if this is another invoice, give it its own number.",
    )
    refusal = Halted(
        "the invoice number is already used",
        (finding,),
        facts={**done.facts, "first": str(first)},
        keep=refusing(done.keep, finding),
    )
    return [*steps[:place], replace(steps[place], outcome=refusal)]


def _received_twice(done: Done, first: UUID | None) -> Halted:
    """The end of an invoice that came before under other bytes: kept and told, never a second one to pay."""
    finding = inbound.received_twice(str(first))
    facts = {**done.facts, "first": str(first)}
    return Halted(inbound.RECEIVED_TWICE, (finding,), facts=facts, keep=refusing(done.keep, finding))


def _columns(steps: Sequence[Step]) -> dict[str, Any]:
    return {
        name: value for step in steps if isinstance(step.outcome, Done) for name, value in step.outcome.columns.items()
    }


def _stands(stage: Stage, steps: Sequence[Step]) -> tuple[Stage, str | None]:
    for step in steps:
        match step.outcome:
            case Done() | Skipped():
                stage = step.stage
            case Halted(reason=reason):
                return stage, reason
            case Later():
                pass
    return stage, None


async def _project(
    connection: Connection,
    claim: Claim,
    steps: Sequence[Step],
    events: Sequence[Event],
    stage: Stage,
    halted: str | None,
) -> None:
    last = steps[-1]
    facts = {str(event.stage): dict(event.facts) for event in events if event.outcome in ("done", "skipped", "halted")}
    columns = _columns(steps)
    status = next(
        (e.facts["furthest"] for e in reversed(events) if e.outcome == "status" and "furthest" in e.facts), None
    )
    await connection.execute(
        """
        update document set stage = $2, halted = $3, waits_for = $4, status = coalesce($5, status),
            facts = facts || $6, updated_at = $7, version = version + $8, head = coalesce($9, head),
            number = coalesce($10, number), type_code = coalesce($11, type_code),
            issue_date = coalesce($12, issue_date), seller = coalesce($13, seller), buyer = coalesce($14, buyer),
            currency = coalesce($15, currency),
            total = coalesce($16, total), amount_due = coalesce($17, amount_due), due_date = coalesce($18, due_date),
            buyer_scheme = coalesce($19, buyer_scheme), buyer_address = coalesce($20, buyer_address)
        where document_id = $1
        """,
        claim.document_id,
        stage,
        halted,
        last.outcome.reason if isinstance(last.outcome, Later) else None,
        status,
        facts,
        last.at,
        len(events),
        events[-1].hash if events else None,
        *(columns.get(name) for name in ("number", "type_code", "issue_date", "seller", "buyer", "currency")),
        *(columns.get(name) for name in ("total", "amount_due", "due_date", "buyer_scheme", "buyer_address")),
    )


async def _index(connection: Connection, claim: Claim, steps: Sequence[Step]) -> None:
    """A document that was read, or never will be, is found in the archive from now on."""
    for step in steps:
        if step.stage is Stage.PARSED and isinstance(step.outcome, Done | Halted):
            sought = step.outcome.sought if isinstance(step.outcome, Done) else None
            await archive_index.enter(connection, claim.document_id, sought or archive_index.NOTHING)


async def _emit(connection: Connection, claim: Claim, steps: Sequence[Step], participant: str) -> None:
    """What the gateway says by itself about the document becomes documents of their own, once for each cause."""
    for step in steps:
        for one in () if isinstance(step.outcome, Skipped) else step.outcome.emitted:
            await enter(connection, status_message(claim, participant, one, step.at))
            await connection.execute(
                "insert into emission (account_id, document_id, cause, message_id) values ($1, $2, $3, $4)",
                *(claim.account_id, claim.document_id, one.cause, one.id),
            )


def status_message(claim: Claim, participant: str, one: Emitted, at: datetime) -> Submission:
    """A status message that the gateway says by itself, on its way into the line."""
    return Submission(
        account_id=claim.account_id,
        document_id=one.id,
        participant=participant,
        format=cdar.FORMAT.name,
        kept=(Kept(Role.SUBMISSION, "application/xml", one.data),),
        at=at,
        key=None,
        fingerprint=sha256(one.data).digest(),
        origin={"about": str(claim.document_id), "source": "gateway", "cause": one.cause},
        about=claim.document_id,
    )


async def _deliveries(connection: Connection, claim: Claim, steps: Sequence[Step], row: Mapping[str, Any]) -> None:
    """A route that was decided opens a delivery; a receipt completes it."""
    columns = _columns(steps)
    for step in steps:
        if not isinstance(step.outcome, Done):
            continue
        facts = step.outcome.facts
        if step.stage is Stage.ROUTED:
            await connection.execute("insert into network (name) values ($1) on conflict do nothing", facts["network"])
            await connection.execute(
                """
                insert into delivery (account_id, consignment, document_id, network, sha256, decided_at,
                                      seller, number, type_code, issue_date)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing
                """,
                claim.account_id,
                facts["consignment"],
                claim.document_id,
                facts["network"],
                bytes.fromhex(facts["sha256"]),
                step.at,
                *(columns.get(name, row[name]) for name in ("seller", "number", "type_code", "issue_date")),
            )
        elif step.stage is Stage.DELIVERED and "consignment" in facts:
            await connection.execute(
                "update delivery set network_id = $2, delivered_at = $3 where consignment = $1",
                facts["consignment"],
                facts["network_id"],
                step.at,
            )


async def _take(connection: Connection, steps: Sequence[Step], events: Sequence[Event]) -> None:
    taken = [arrival for step in steps for arrival in step.took]
    if taken and events:
        await connection.execute(
            """
            update arrival set seq = $1 from unnest($2::text[], $3::text[]) as t (network, network_id)
            where arrival.network = t.network and arrival.network_id = t.network_id
            """,
            events[-1].seq,
            [arrival.network for arrival in taken],
            [arrival.network_id for arrival in taken],
        )


async def _next(
    connection: Connection, claim: Claim, last: Step, stage: Stage, halted: str | None, *, go_on: bool
) -> Stage | None:
    """Set the one next task: none at the end of the line, the same stage later, or the next stage now."""
    following = stage.next
    if isinstance(last.outcome, Later):
        tried = any(news.kind == "attempt" for news in last.outcome.news)
        await connection.execute(
            """
            update task set due = case when woken then $2::timestamptz else $3::timestamptz end, leased_until = null,
                stage = $5, attempts = case when $4 and stage = $5 then attempts when $4 then 1 else 0 end
            where document_id = $1
            """,
            claim.document_id,
            last.at,
            last.at + last.outcome.after,
            tried,
            last.stage,
        )
        return None
    if halted is not None or following is None:
        await connection.execute(
            "delete from task where document_id = $1 and (not woken or $2)", claim.document_id, halted is not None
        )
        await connection.execute(
            "update task set due = $2, attempts = 0, leased_until = null where document_id = $1",
            claim.document_id,
            last.at,
        )
        return None
    await connection.execute(
        """
        update task set stage = $2, due = $3, attempts = case when $4 then 1 else 0 end, network = $5,
            leased_until = case when $4 then leased_until end
        where document_id = $1
        """,
        claim.document_id,
        following,
        last.at,
        go_on,
        queue_after(last.stage, last.outcome),
    )
    return following if go_on else None
