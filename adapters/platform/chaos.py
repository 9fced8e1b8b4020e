"""What goes wrong at the simulated platform when it is told to: every fault seen in the field, drawn from a seed.

A fault is drawn from the seed, its kind, what it strikes and how often that was asked for, and never from the order in
which calls come: a document meets the same faults in each run of a seed, however the machine divides its time. Whatever
is struck is struck so often at most, so that a client that goes on gets through, and what is lost then is lost by it.

No fault touches what the platform keeps. It lies about it: late, twice, in another order, by halves or not at all.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from aiohttp import web

from adapters.platform import flows
from adapters.platform.ledger import Deposit
from schemas.formats import cdar


class Fault(StrEnum):
    """What may go wrong."""

    STORM = "storm"
    """For some seconds every call is answered 429 with Retry-After."""
    FAILING = "failing"
    """500, and the call is not served."""
    UNAVAILABLE = "unavailable"
    """503 with Retry-After, and the call is not served."""
    SILENT = "silent"
    """The call is served; no answer comes, and the connection is cut after a while."""
    CUT = "cut"
    """The call is served; the connection is cut at once."""
    HALF = "half"
    """The call is served; the connection is cut in the middle of the answer."""
    FAILING_AFTER = "failing-after"
    """The call is served, and answered with 500 all the same."""
    NO_ID = "no-id"
    """A deposit is taken and answered 202, without a flowId."""
    SAYS_TWIN = "says-twin"
    """A deposit is taken, and answered that it was there already."""
    FORGOTTEN = "forgotten"
    """The access token is no longer known."""
    LATE = "late"
    """A flow is listed long after the time it bears."""
    TWICE = "twice"
    """A flow stands twice in a page."""
    SHUFFLED = "shuffled"
    """A page is in no order."""
    JUNK = "junk"
    """A page holds things that are no flows."""
    BOOKMARK = "bookmark"
    """The bookmark of a search is no longer known."""
    SHORTENED = "shortened"
    """A content is downloaded without its second half, and nothing says so."""
    AGAIN = "again"
    """A status message comes again as another flow."""
    STRANGER = "stranger"
    """A status message refuses the invoice in the name of a company that has no part in it."""
    NOBODYS = "nobodys"
    """A status message is about an invoice that nobody sent."""
    UNREADABLE = "unreadable"
    """A status message is none."""


CHANCES: Mapping[Fault, float] = {
    Fault.STORM: 0.08,
    Fault.FAILING: 0.02,
    Fault.UNAVAILABLE: 0.01,
    Fault.SILENT: 0.01,
    Fault.CUT: 0.01,
    Fault.HALF: 0.01,
    Fault.FAILING_AFTER: 0.01,
    Fault.NO_ID: 0.005,
    Fault.SAYS_TWIN: 0.01,
    Fault.FORGOTTEN: 0.01,
    Fault.LATE: 0.1,
    Fault.TWICE: 0.05,
    Fault.SHUFFLED: 0.3,
    Fault.JUNK: 0.05,
    Fault.BOOKMARK: 0.02,
    Fault.SHORTENED: 0.02,
    Fault.AGAIN: 0.05,
    Fault.STRANGER: 0.03,
    Fault.NOBODYS: 0.02,
    Fault.UNREADABLE: 0.02,
}
"""How often each strikes where it can."""

ODD = (Fault.AGAIN, Fault.STRANGER, Fault.NOBODYS, Fault.UNREADABLE)
"""Status messages that an honest platform would not bring."""
LIMIT = 2
"""How often one fault strikes the same thing, at most."""
STORM_SECONDS = 4.0
"""How long a storm lasts."""
SILENCE = 2.0
"""Seconds until a silent call is cut."""
LATEST = timedelta(seconds=20)
"""How late a flow is listed, at most."""
TIE = timedelta(seconds=1)
"""All that happens within it bears the same time."""
SKEW = timedelta(seconds=37)
"""How far the platform's clock is off …"""
WOBBLE = timedelta(seconds=3)
"""… and by how much it goes to and fro."""
ELSEWHERE = "100000967"
"""SIREN of the company that has no part in any invoice."""
_JUNK: tuple[Any, ...] = (None, "flow", 7, [], {}, {"flowId": ""}, {"flowId": "junk", "flowDirection": "In"})


class Chaos:
    """The faults of one seed, and how often each struck."""

    def __init__(self, seed: int, chances: Mapping[Fault, float] = CHANCES, silence: float = SILENCE) -> None:
        """`silence`: seconds until a silent call is cut."""
        self.seed = seed
        self._silence = silence
        self.struck: Counter[Fault] = Counter()
        self._chances = chances
        self._asked: Counter[tuple[Fault, str]] = Counter()
        self._began: datetime | None = None

    def strikes(self, fault: Fault, what: str) -> bool:
        """Whether a fault strikes this thing this time."""
        times = self._asked[fault, what]
        self._asked[fault, what] += 1
        struck = times < LIMIT and self._drawn(fault, f"{what} {times}") < self._chances.get(fault, 0.0)
        self.struck[fault] += struck
        return struck

    def shown(self, now: datetime) -> datetime:
        """What the platform's clock shows: it is off, and is set now and then."""
        turn = int(now.timestamp() // 30)
        return now + SKEW + WOBBLE * (2 * self._drawn(Fault.STORM, f"clock {turn}") - 1)

    def before(self, what: str, now: datetime) -> web.Response | None:
        """The answer of a call that is not served; None when it is. `what` is what the call is about."""
        self._began = self._began or now
        slot = int((now - self._began).total_seconds() // STORM_SECONDS)
        if self._drawn(Fault.STORM, str(slot)) < self._chances.get(Fault.STORM, 0.0):
            self.struck[Fault.STORM] += 1
            return _problem(429, {"Retry-After": str(1 + slot % 3)})
        if self.strikes(Fault.FAILING, what):
            return _problem(500)
        return _problem(503, {"Retry-After": "1"}) if self.strikes(Fault.UNAVAILABLE, what) else None

    async def after(self, request: web.Request, what: str, answer: web.StreamResponse) -> web.StreamResponse:
        """What becomes of the answer of a call that was served."""
        if self.strikes(Fault.SILENT, what):
            await asyncio.sleep(self._silence)
            return _cut(request, answer)
        if self.strikes(Fault.CUT, what):
            return _cut(request, answer)
        if self.strikes(Fault.HALF, what):
            return await _half(request, answer)
        return _problem(500) if self.strikes(Fault.FAILING_AFTER, what) else answer

    def page(self, results: Sequence[Mapping[str, Any]], number: int) -> list[Any]:
        """A page of a search, as it is told."""
        told: list[Any] = list(results)
        told += [one for one in results if self.strikes(Fault.TWICE, str(one["flowId"]))]
        if self.strikes(Fault.JUNK, f"page {number}"):
            told.insert(len(told) // 2, _JUNK[number % len(_JUNK)])
        if self.strikes(Fault.SHUFFLED, f"page {number}"):
            order = [self._drawn(Fault.SHUFFLED, f"{number} {place}") for place in range(len(told))]
            told = [told[place] for place in sorted(range(len(told)), key=order.__getitem__)]
        return told

    def seen(self, deposit: Deposit, now: datetime, client: str) -> Iterator[flows.Seen]:
        """The flows that follow from a deposit, as they are listed: late, at tied times, with odd ones among them."""
        honest = list(flows.seen(deposit, now, client))
        for one in (*honest, *self._odd(deposit, honest)):
            late = self._drawn(Fault.LATE, one.id)
            chance = self._chances.get(Fault.LATE, 0.0)
            if late < chance and one.updated + LATEST * (late / chance) > now:
                continue
            updated = one.updated.replace(microsecond=0)
            yield replace(one, updated=updated, body=one.body | {"updatedAt": flows.stamp(updated)})

    def content(self, data: bytes, id: str) -> bytes:
        """A download as it is given."""
        return data[: len(data) // 2] if self.strikes(Fault.SHORTENED, id) else data

    def _odd(self, deposit: Deposit, honest: Sequence[flows.Seen]) -> Iterator[flows.Seen]:
        """Each comes at the time of an honest status message."""
        for one in honest:
            if one.step is None:
                continue
            for fault in ODD:
                if self._drawn(fault, one.id) < self._chances.get(fault, 0.0):
                    id = f"{one.id}{flows.ODD_MARK}{fault}"
                    yield replace(one, id=id, odd=fault, body=one.body | {"flowId": id})

    def _drawn(self, fault: Fault, what: str) -> float:
        """A number from 0 to 1, always the same for the same."""
        digest = sha256(f"{self.seed} {fault} {what}".encode()).digest()
        return int.from_bytes(digest[:7]) / (1 << 56)


def odd_message(seen: flows.Seen) -> bytes:
    """The content of an odd status message; the same bytes each time."""
    assert seen.step is not None, "an odd flow is made of a status"
    message = flows.message(seen.deposit, seen.step)
    match seen.odd:
        case Fault.AGAIN:
            return flows.status_message(seen.deposit, seen.step)
        case Fault.STRANGER:
            reasons = (cdar.Reason("TRANSAC_INC", "Nous ne connaissons pas cette facture."),)
            issuer = cdar.Party("BY", ELSEWHERE, "0002", "Une autre entreprise")
            return cdar.write(replace(message, code="210", issuer=issuer, reasons=reasons, amounts=()))
        case Fault.NOBODYS:
            return cdar.write(replace(message, number=f"{message.number}-{seen.deposit.id[:8]}"))
        case _:
            return b"<rsm:CrossDomainAcknowledgementAndResponse>" + seen.id.encode()


def shortened_answer(answer: Mapping[str, Any]) -> web.Response:
    """The answer of a deposit without what it is asked for."""
    return web.json_response({name: value for name, value in answer.items() if name != "flowId"}, status=202)


def _problem(status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"errorCode": "CHAOS", "errorMessage": "Simulated trouble", "type": "about:blank"}
    return web.json_response(body, status=status, headers=headers)


def _cut(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return answer


async def _half(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """The head and half of the body, then nothing."""
    body = (
        answer.body if isinstance(answer, web.Response) and isinstance(answer.body, bytes) else json.dumps({}).encode()
    )
    headers = {"Content-Type": answer.content_type, "Content-Length": str(len(body))}
    started = web.StreamResponse(status=answer.status, headers=headers)
    await started.prepare(request)
    await started.write(body[: len(body) // 2])
    return _cut(request, started)
