"""Tell the account's own systems what happened: made from the feed, posted until it is taken.

There are two faces: our own, Standard Webhooks of events, and that of XP Z12-013, which posts a flow as it stands.

A message says what the feed says of the event: ids, codes, dates and hashes, never the invoice. A receiver that misses
one finds it in the feed, at the cursor each message bears; a webhook only tells it to look sooner. Messages of one
endpoint go out several at once and may overtake each other: `seq` orders what one document went through.

An endpoint that cannot be reached, or asks to be left alone, is left alone, all its messages with it; an answer that is
no success puts off that message only. After three days a message is given up, which the log shows, and can be asked for
again. An endpoint that answers 410 is told nothing more until the account asks.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.port import Courier, Reply, Unreachable
from gateway.errors import Busy
from gateway.lifecycle import Stage
from gateway.resources import Resources
from gateway.store import accounts, webhooks
from gateway.store.documents import EventRow
from gateway.store.identifiers import new_id
from gateway.store.webhooks import Attempt, Claimed, Webhook
from signing import webhook as signature
from signing.chain import instant

log = logging.getLogger(__name__)

_SAID = ("halted", "status", "payment", "attempt", "seen", "held", "released", "announced", "read", "purged",
         "reminder", "written_off")  # fmt: skip
"""Outcomes of events that no reached stage stands for."""

TYPES = frozenset(f"document.{name}" for name in (*Stage, *_SAID))
"""The types of events."""

USUAL: tuple[str, ...] = (
    "document.delivered", "document.halted", "document.payment", "document.settled", "document.status",
    "document.validated",
)  # fmt: skip
"""What a webhook is told of that names no types."""

TEST = "webhook.test"
"""The type of the message that is posted to see whether an endpoint answers."""

WAITS = (5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds between attempts: a moment, then as for networks."""
GIVE_UP_AFTER = timedelta(days=3)
OVERLAP = timedelta(days=1)
"""How long the former secret signs too after it was renewed."""
AWAY = (5, 30, 120, 600, 1_800, 3_600)
"""Seconds for which an endpoint that cannot be reached is left alone, by attempts in a row; the last for all more."""
OF_FLOWS = ("document.archived", "document.halted", "document.received", "document.status")
"""The types of events that change a flow of XP Z12-013."""

FlowOf = Callable[[UUID, EventRow, Mapping[str, Any]], Awaitable[bytes | None]]
"""The body that tells of the flow an event of an account changed; None when none is meant, or the filter has it not."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What posting needs besides the resources."""

    pepper: bytes
    """What the secrets are derived from."""
    flow_of: FlowOf
    """Makes the messages of XP Z12-013."""


AT_ONCE = 50
"""Messages that one process posts at the same time, of all endpoints together."""


async def spread(resources: Resources) -> int:
    """Make messages of everything new; tells how many."""
    made = 0
    for account_id, webhook_id in await webhooks.in_use(resources.pool):
        try:
            more = True
            while more:
                now = resources.clock.now()
                count, more = await webhooks.spread(resources.pool, account_id, webhook_id, now, type_of)
                made += count
        except Busy:
            raise
        except Exception:  # of one webhook; the others are told all the same
            log.exception("a webhook's messages are not made", extra={"webhook": str(webhook_id)})
    return made


async def due(resources: Resources, limit: int) -> list[Claimed]:
    """Messages to post now, claimed for this process."""
    return await webhooks.claim(resources.pool, resources.clock.now(), limit)


async def post(resources: Resources, claimed: Claimed, telling: Telling) -> None:
    """Post one message and write down what came of it."""
    assert resources.courier is not None
    found = await webhooks.told(resources.pool, claimed)
    if found is None:
        return
    webhook, event = found
    now = resources.clock.now()
    try:
        message = await _made(claimed, webhook, event, telling)
        if message is None:
            await webhooks.drop(resources.pool, claimed)
            return
        attempt, reply = await _attempt(resources.courier, webhook, message, telling.pepper, now)
    except Busy:
        raise
    except Exception as unforeseen:  # it counts as an attempt, or it would be tried for ever and nobody would know
        log.exception("a webhook's message failed", extra={"webhook": str(webhook.id)})
        attempt, reply = Attempt(new_id(now), now, None, f"failed: {type(unforeseen).__name__}", 0), None
    again = _again(claimed, now, reply) if attempt.reason else None
    await webhooks.settle(resources.pool, claimed, attempt, again)
    async with resources.pool.account(claimed.account_id) as connection:
        if reply is None or reply.status in (429, 503):
            await webhooks.away(connection, webhook.id, now, now + _rest(webhook, reply))
        elif reply.status == 410:
            await webhooks.gone(connection, webhook.id, now)
        else:
            await webhooks.found(connection, webhook.id)


async def forget(resources: Resources) -> None:
    """Drop what is older than the delivery log goes back."""
    for account_id in await accounts.every_id(resources.pool):
        await webhooks.forget(resources.pool, account_id, resources.clock.now())


async def test(resources: Resources, webhook: Webhook, pepper: bytes) -> Attempt:
    """Post a message that tells nothing, once; it is not in the log."""
    assert resources.courier is not None
    now = resources.clock.now()
    body = json.dumps({"type": TEST, "timestamp": instant(now), "data": {"webhook": str(webhook.id)}}).encode()
    attempt, _ = await _attempt(resources.courier, webhook, (f"test-{new_id(now)}", body), pepper, now)
    return attempt


def type_of(event: EventRow) -> str:
    """The type under which webhooks are told of an event."""
    name = str(event.stage) if event.outcome in ("done", "skipped") else event.outcome
    return f"document.{name}"


def secret(webhook: Webhook, pepper: bytes) -> str:
    """What the account checks signatures with: whsec_ and 32 bytes in base64."""
    return signature.written(signature.key(pepper, webhook.id, webhook.secret))


async def _made(claimed: Claimed, webhook: Webhook, event: EventRow, telling: Telling) -> tuple[str, bytes] | None:
    """The message of a webhook's face: its id and its body; None when there is nothing to tell."""
    message = _message(event)
    if webhook.face != webhooks.AFNOR:
        return message
    body = await telling.flow_of(claimed.account_id, event, webhook.filter)
    return (message[0], body) if body is not None else None


def _message(event: EventRow) -> tuple[str, bytes]:
    """Id and body: both the same at every attempt, whatever the time."""
    data = {
        "document": str(event.document_id),
        "seq": event.seq,
        "at": instant(event.at),
        "stage": str(event.stage),
        "outcome": event.outcome,
        "facts": dict(event.facts),
        "hash": event.hash.hex(),
        "cursor": event.cursor,
    }
    body = {"type": type_of(event), "timestamp": instant(event.at), "data": data}
    return f"{event.document_id}-{event.seq}", json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


async def _attempt(
    courier: Courier, webhook: Webhook, message: tuple[str, bytes], pepper: bytes, now: datetime
) -> tuple[Attempt, Reply | None]:
    identifier, body = message
    numbers = [webhook.secret]
    if webhook.overlap_until is not None and now < webhook.overlap_until:
        numbers.append(webhook.secret - 1)
    keys = [signature.key(pepper, webhook.id, number) for number in numbers]
    headers = signature.headers(identifier, now, body, keys)
    if webhook.face == webhooks.AFNOR:
        headers |= signature.afnor_headers(now, body, keys[0])
    started = time.monotonic()
    try:
        reply = await courier.post(webhook.url, headers, body)
        status, reason = reply.status, "" if 200 <= reply.status < 300 else f"answered {reply.status}"
    except Unreachable as away:
        reply, status, reason = None, None, away.reason
    spent = round((time.monotonic() - started) * 1000)
    return Attempt(new_id(now), now, status, reason, spent), reply


def _again(claimed: Claimed, now: datetime, reply: Reply | None) -> datetime | None:
    """When to try again, for the last time when three days are over; None: they are."""
    end = claimed.made_at + GIVE_UP_AFTER
    if now >= end:
        return None
    wait = timedelta(seconds=WAITS[min(claimed.attempts, len(WAITS)) - 1])
    if reply is not None and reply.retry_in is not None:
        wait = max(wait, reply.retry_in)
    return min(now + wait, end)


def _rest(webhook: Webhook, reply: Reply | None) -> timedelta:
    wait = timedelta(seconds=AWAY[min(webhook.failures, len(AWAY) - 1)])
    return max(wait, reply.retry_in) if reply is not None and reply.retry_in is not None else wait
