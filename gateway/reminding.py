"""Reminders at work: who is to hear what now, the letter that says it, and its way to the customer.

A look goes over everything that is owed and decides by `dunning`. What is to be said is decided again under the locks
of its invoices, in the transaction that writes the letter and its events: stored first, then sent. A letter whose way
out is not known (the line broke after it was handed over, or its sender died) is unsure and is not sent again: a person
looks. One that waits for a mail server is looked at again before each attempt, and dropped if what it says is not so
any more, or too old; what it did not say is said anew. Without a mail server no letter is written that would wait.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from operator import attrgetter
from typing import Any
from uuid import UUID

from adapters.port import Enclosure, Refused, Unreachable
from adapters.port import Letter as Message
from gateway import lateness, letters
from gateway.dunning import (
    HOME,
    USUAL,
    Answer,
    Decision,
    Plan,
    Step,
    Where,
    country_of,
    decide,
    home_day,
    schedule,
    stopped,
)
from gateway.errors import Busy, Conflict, GatewayError
from gateway.letters import Line, Wish
from gateway.lifecycle import Role
from gateway.resources import Resources
from gateway.store import accounts, documents, receivables, reminders
from gateway.store.accounts import Account
from gateway.store.identifiers import new_id
from gateway.store.pool import Connection
from gateway.store.reminders import Became, Candidate, Customer, Letter, Saying

log = logging.getLogger(__name__)

AHEAD = timedelta(days=31)
"""How long before its due date an invoice may be spoken of, at most."""
ENCLOSED_LIMIT, ENCLOSED_SIZE = 10, 15_000_000
"""Files that go with a letter, and their bytes together, at most."""
_ENDINGS = {"application/pdf": "pdf", "application/xml": "xml", "text/xml": "xml", "application/json": "json"}
FEES = "EUR"
"""The currency in which the fees of plans are agreed."""
WAITS = (60, 300, 1_800, 7_200, 21_600, 43_200, 86_400)
"""Seconds between attempts while the mail server is away; then the letter is refused."""
FRESH = timedelta(days=3)
"""How old a letter may leave; what an older one says is said anew."""
REFUSED_AT_ONCE = 500
FRENCH_SPEAKING = frozenset({"FR", "BE", "LU", "CH", "MC"})


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an account's plans and customers."""

    plans: dict[str, Plan]
    customers: dict[str, Customer]
    bad: frozenset[str]

    def plan(self, one: Candidate) -> Plan:
        """The plan of an invoice, by its customer."""
        name = self.segment(one)
        return self.plans.get(name) or USUAL[name]

    def segment(self, one: Candidate) -> str:
        """The kind of its customer: as somebody said, else by rule."""
        said = self.customers.get(one.owed.customer)
        if said is not None and said.segment:
            return said.segment
        if one.public:
            return "public"
        if one.owed.customer in self.bad:
            return "bad_payer"
        return "small" if self.where(one).country == HOME else "foreign"

    def where(self, one: Candidate) -> Where:
        """The country of its customer."""
        said = self.customers.get(one.owed.customer)
        return _where((said.country if said else None) or country_of(one.owed.customer))

    def language(self, one: Candidate) -> str:
        """The language its customer is written to in."""
        said = self.customers.get(one.owed.customer)
        if said is not None and said.language:
            return said.language
        return "fr" if self.where(one).country in FRENCH_SPEAKING else "en"

    def recipient(self, one: Candidate) -> str:
        """Where its customer is written to; empty: nobody knows."""
        said = self.customers.get(one.owed.customer)
        return (said.email if said else None) or one.address or ""


_WHERES: dict[str, Where] = {}


def _where(country: str) -> Where:
    return _WHERES.setdefault(country, Where(country))


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be said on a day."""

    on: date
    step: Step
    candidate: Candidate
    segment: str
    channel: str
    recipient: str


@dataclass(slots=True)
class Looked:
    """What one look did."""

    invoices: int = 0
    letters: int = 0
    reminders: int = 0
    cases: int = 0


@dataclass(frozen=True, slots=True)
class _Word:
    """An invoice with what is to be said of it."""

    candidate: Candidate
    decision: Decision
    plan: Plan

    @property
    def step(self) -> Step:
        assert self.decision.step is not None
        return self.decision.step

    @property
    def fee(self) -> Decimal:
        """What its letter asks for besides: agreed in euro, so nothing of an invoice in another currency."""
        return self.step.fee if self.candidate.owed.currency == FEES else Decimal(0)


async def known(connection: Connection) -> Known:
    """What is known of the account's plans and customers."""
    return Known(
        await reminders.plans(connection), await reminders.customers(connection), await reminders.bad_payers(connection)
    )


async def preview(resources: Resources, account_id: UUID, days: int) -> list[Planned]:
    """What would go out within so many days if nothing is paid and nobody says anything, by day."""
    now = resources.clock.now()
    async with resources.pool.account(account_id, snapshot=True) as connection:
        of = await known(connection)
        found = await reminders.candidates(connection, home_day(now), home_day(now) + AHEAD + timedelta(days=days))
    return await asyncio.to_thread(plan_ahead, found, of, now, days)


def plan_ahead(found: Sequence[Candidate], of: Known, now: datetime, days: int) -> list[Planned]:
    """The same over what was read. Pure."""
    planned = []
    for one in sorted(found, key=lambda one: one.owed.customer):
        segment, where, recipient = of.segment(one), of.where(one), of.recipient(one)
        plan = of.plans.get(segment) or USUAL[segment]
        today = now.astimezone(where.zone).date()
        for on, step in schedule(one.owed, plan, where, today, today + timedelta(days=days)):
            planned.append(Planned(on, step, one, segment, plan.channel, recipient))
    planned.sort(key=attrgetter("on"))
    return planned


async def look(resources: Resources, account_id: UUID) -> Looked:
    """Write what is to be said now, and open what a person has to look at; nothing before it is switched on."""
    now, done = resources.clock.now(), Looked()
    account = await accounts.get(resources.pool, account_id)
    async with resources.pool.account(account_id, snapshot=True) as connection:
        if not (await reminders.switch(connection)).on:
            return done
        of = await known(connection)
        found = await reminders.candidates(connection, home_day(now), home_day(now) + AHEAD)
    done.invoices = len(found)
    words, cases = await asyncio.to_thread(sort, found, of, now)
    if resources.messenger is None and any(word.plan.channel == "email" for word in words):
        log.warning("no mail server is set: reminders by mail are not written", extra={"account": str(account_id)})
    async with resources.pool.account(account_id) as connection:
        cases["refused"] = await reminders.refused(connection, REFUSED_AT_ONCE)
        for kind, ids in cases.items():
            done.cases += await reminders.open_case(connection, account_id, ids, kind, now) if ids else 0
        await reminders.close_mended(connection, now)
    for group in gather(words, of):
        try:
            written = await _write(resources, account, group, of, now)
        except Busy:
            raise
        except Exception:  # of one letter; the others are written all the same
            log.exception("a reminder is not written", extra={"account": str(account_id)})
            continue
        done.letters += bool(written)
        done.reminders += written
    return done


def sort(found: Sequence[Candidate], of: Known, now: datetime) -> tuple[list[_Word], dict[str, list[UUID]]]:
    """What is to be said, and the invoices that a person has to look at, by kind. Pure."""
    words = list[_Word]()
    cases: dict[str, list[UUID]] = {"address": [], "disputed": []}
    for one in found:
        plan = of.plan(one)
        decision = decide(one.owed, plan, of.where(one), now)
        if decision.answer is Answer.SAY:
            words.append(_Word(one, decision, plan))
        elif decision.answer is Answer.MEND:
            cases["address"].append(one.owed.document_id)
        elif one.owed.said == "disputed":
            cases["disputed"].append(one.owed.document_id)
    return words, cases


def gather(words: Sequence[_Word], of: Known) -> list[list[_Word]]:
    """What goes into one letter: of one seller, customer, currency and tone, where its plan gathers. Pure."""
    groups: dict[tuple[Any, ...], list[_Word]] = {}
    for word in words:
        owed = word.candidate.owed
        alone = None if word.plan.together else owed.document_id
        one, tone = word.candidate, word.step.tone
        key = (one.seller, one.sender, owed.customer, owed.currency, word.plan.channel, tone, of.recipient(one), alone)
        groups.setdefault(key, []).append(word)
    return [group for group in groups.values() if _enough(group)]


def _enough(group: Sequence[_Word]) -> bool:
    """Whether what is asked for reaches the plan's threshold."""
    return sum(word.candidate.owed.balance for word in group) >= group[0].plan.threshold


async def _write(resources: Resources, account: Account, group: list[_Word], of: Known, now: datetime) -> int:
    """Write one letter, decided anew under the locks of its invoices; how many steps it says."""
    first = group[0]
    recipient, channel = of.recipient(first.candidate), first.plan.channel
    to = recipient if channel == "email" else ""
    ids = [word.candidate.owed.document_id for word in group]
    takes = resources.messenger is None or resources.messenger.takes(recipient)
    if channel == "email" and not (recipient and takes):
        async with resources.pool.account(account.id) as connection:
            await reminders.open_case(connection, account.id, ids, "contact", now)
        return 0
    if channel == "email" and resources.messenger is None:
        return 0
    costs = {
        word.candidate.owed.document_id: await _costs(resources, account, word.candidate, now)
        for word in group
        if _tells_costs(group)
    }
    async with resources.pool.account(account.id) as connection:
        await receivables.lock(connection, ids)
        anew = {one.owed.document_id: one for one in await reminders.again(connection, home_day(now), ids)}
        for gone in await reminders.refused_lately(connection, ids, to, now):
            anew.pop(gone, None)
        group = [word for word in group if _still(word, anew.get(word.candidate.owed.document_id), of, now)]
        if not group or not _enough(group):
            return 0
        enclosed = await _enclosed(connection, [word.candidate.owed.document_id for word in group])
        letter, text = _letter(account, group, of, now, (recipient, costs, enclosed))
        said = [
            Saying(word.candidate.owed.document_id, word.step, _day(word), word.candidate.owed.balance, word.fee)
            for word in group
        ]
        await reminders.write(connection, account.id, letter, text, said, to=to)
    return len(group)


def _day(word: _Word) -> date:
    assert word.decision.on is not None
    return word.decision.on


def _still(word: _Word, anew: Candidate | None, of: Known, now: datetime) -> bool:
    """Whether the same is to be said of an invoice as it stands under its lock, and the same is owed."""
    if anew is None or anew.owed.balance != word.candidate.owed.balance:
        return False
    decision = decide(anew.owed, word.plan, of.where(anew), now)
    return decision.answer is Answer.SAY and decision.step == word.step


def _tells_costs(group: Sequence[_Word]) -> bool:
    return any(letters.tells_costs(word.step.tone) for word in group)


_Costs = tuple[Any, Any]


async def _costs(resources: Resources, account: Account, one: Candidate, now: datetime) -> _Costs | None:
    """Interest and indemnity up to today; None where they cannot be calculated, or a credit note would have to be known
    day by day: then the letter tells none."""
    document_id = one.owed.document_id
    if one.netted:
        return None
    async with resources.pool.account(account.id) as connection:
        document = await documents.get(connection, document_id)
    try:
        found = await lateness.calculated(document, account, resources, lateness.Asked(home_day(now)))
    except Conflict as unable:
        log.info("a reminder tells no interest: %s", unable.detail, extra={"document": str(document_id)})
        return None
    return found.interest, found.indemnity


async def _enclosed(connection: Connection, document_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """The originals that go with a letter, as far as there is room."""
    found, size = list[dict[str, Any]](), 0
    for document_id in document_ids[:ENCLOSED_LIMIT]:
        document = await documents.get(connection, document_id)
        kept = document.content(Role.ORIGINAL)
        if kept is None or size + kept.size > ENCLOSED_SIZE:
            continue
        size += kept.size
        ending = _ENDINGS.get(kept.media_type, "bin")
        name = "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in document.number or "invoice")[:60]
        one = {"sha256": kept.sha256, "name": f"{name}.{ending}", "media_type": kept.media_type}
        found.append({"document": str(document_id), **one})
    return found


def _letter(
    account: Account, group: Sequence[_Word], of: Known, now: datetime,
    more: tuple[str, dict[UUID, _Costs | None], list[dict[str, Any]]],
) -> tuple[Letter, bytes]:  # fmt: skip
    """A letter and its content."""
    recipient, costs, enclosed = more
    first, tone = group[0].candidate, group[0].step.tone
    on, language = _day(group[0]), of.language(first)
    wish = Wish(first.sender or account.name, first.name, tone, language, first.owed.currency, on)
    lines = [_line(word, costs) for word in sorted(group, key=lambda word: word.candidate.owed.due_date)]
    members = {
        "to": recipient,
        "subject": letters.subject(lines, wish),
        "text": letters.text(lines, wish, len(enclosed)),
        "language": language,
        "enclosed": enclosed,
    }
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    channel = group[0].plan.channel
    letter = Letter(
        new_id(now), first.owed.customer, channel, str(tone), language, first.owed.currency,
        sha256(text).hexdigest(), now, "handed" if channel == "webhook" else "waiting", 0, None, None, None,
    )  # fmt: skip
    return letter, text


def _line(word: _Word, costs: dict[UUID, _Costs | None]) -> Line:
    one = word.candidate
    found = costs.get(one.owed.document_id)
    line = Line(one.number, one.issue_date, one.owed.due_date, one.due, one.owed.balance, fee=word.fee)
    return replace(line, interest=found[0], indemnity=found[1]) if found else line


# On their way --------------------------------------------------------------------------------------------------------


async def send(resources: Resources, account_id: UUID) -> int:
    """Send what waits, and set aside what was lost on the way; how many left."""
    if resources.messenger is None:
        return 0
    await _set_aside(resources, account_id)
    async with resources.pool.account(account_id, snapshot=True) as connection:
        of = await known(connection)
    left = 0
    while (letter := await _claimed(resources, account_id, of)) is not None:
        left += await _sent(resources, account_id, letter)
    return left


async def _set_aside(resources: Resources, account_id: UUID) -> None:
    now = resources.clock.now()
    async with resources.pool.account(account_id) as connection:
        for letter_id in await reminders.lost(connection, now):
            await _unsure(connection, account_id, letter_id, "its sender died on the way", now)


async def _unsure(connection: Connection, account_id: UUID, letter_id: UUID, reason: str, now: datetime) -> None:
    await reminders.settle(connection, account_id, letter_id, Became("unsure", reason), now)
    ids = await reminders.documents_of(connection, letter_id)
    await reminders.open_case(connection, account_id, ids, "unsure", now)


async def _claimed(resources: Resources, account_id: UUID, of: Known) -> Letter | None:
    """The next letter that is still to be sent; those that are not any more are dropped, or wait for their hour."""
    while True:
        now = resources.clock.now()
        async with resources.pool.account(account_id) as connection:
            letter = await reminders.claim(connection, now)
            if letter is None:
                return None
            asked = await reminders.asked(connection, letter.id)
            await receivables.lock(connection, list(asked))
            anew = await reminders.again(connection, home_day(now), list(asked))
            on = (await reminders.switch(connection)).on
            why = _stale(letter, asked, anew, now) if on else "reminders were switched off before it left"
            if why:
                await reminders.settle(connection, account_id, letter.id, Became("dropped", why), now)
                continue
            where, plan = of.where(anew[0]), of.plan(anew[0])
            if where.open(now, plan) is not None:
                return letter
            await reminders.put_off(connection, letter.id, where.opening(now, plan))


def _stale(letter: Letter, asked: Mapping[UUID, Decimal], anew: Sequence[Candidate], now: datetime) -> str:
    """Why what a letter says is not to be said any more; empty: it is."""
    if len(anew) != len(asked) or any(stopped(one.owed, now) is not None for one in anew):
        return "paid, announced, disputed or paused before it left"
    if any(one.owed.balance != asked[one.owed.document_id] for one in anew):
        return "something else is owed before it left"
    return "it did not leave in time" if letter.made_at < now - FRESH else ""


async def _sent(resources: Resources, account_id: UUID, letter: Letter) -> bool:
    """Hand a letter over, and write down what came of it."""
    assert resources.messenger is not None
    now = resources.clock.now()
    try:
        async with resources.pool.account(account_id) as connection:
            message = await _message(connection, letter)
        receipt = await resources.messenger.write(message)
        became = Became("sent", network_id=receipt.network_id)
    except Unreachable as away:
        became = _away(letter, away, now)
    except Refused as no:
        became = Became("refused", no.reason[:200])
    except GatewayError as gone:
        became = Became("refused", gone.detail[:200])
    async with resources.pool.account(account_id) as connection:
        if became.state == "unsure":
            await _unsure(connection, account_id, letter.id, became.reason or "", now)
        else:
            await reminders.settle(connection, account_id, letter.id, became, resources.clock.now())
        if became.state == "refused":
            ids = await reminders.documents_of(connection, letter.id)
            await reminders.open_case(connection, account_id, ids, "contact", now)
    return became.state == "sent"


def _away(letter: Letter, away: Unreachable, now: datetime) -> Became:
    if away.unknown:
        return Became("unsure", away.reason[:200])
    if letter.attempts > len(WAITS):
        return Became("refused", away.reason[:200])
    wait = timedelta(seconds=WAITS[letter.attempts - 1])
    return Became("waiting", away.reason[:200], due=now + max(wait, away.retry_in or wait))


async def _message(connection: Connection, letter: Letter) -> Message:
    members = json.loads(await documents.read(connection, letter.sha256))
    enclosed = []
    for one in members["enclosed"]:
        enclosed.append(Enclosure(one["name"], one["media_type"], await documents.read(connection, one["sha256"])))
    return Message(
        f"reminder-{letter.id}", members["to"], members["subject"], members["text"], members["language"],
        tuple(enclosed),
    )  # fmt: skip
