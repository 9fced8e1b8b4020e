"""Validate: what the rules say, layer by layer, recorded with the document whatever they say.

What came in and breaks rules is kept with its findings, and its refusal is proposed or sent as the account says; never
that of a duplicate, because a status message names an invoice by its number, and would refuse the first one with it.

Fail closed: a layer that could not run leaves the document waiting ("could not be judged"), never valid.

The report is kept as canonical JSON beside what was asked, so that it can be replayed: the same bytes, judged by the
same editions, give the same report to the byte (`estafette rules replay`).
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from gateway import addresses, mandatory
from gateway.compute import Interrupted
from gateway.lifecycle import INTERRUPTIONS_LIMIT, Done, Halted, Kept, Later, News, Outcome, Role, Stage, wait_before
from gateway.reach import Reachability, day_of, finding, soon
from gateway.resources import Resources, Work
from gateway.store import inbound, numbers
from gateway.store.reports import refusing
from schemas.finding import Report, Severity, Verdict
from schemas.invoice import SELF_BILLED_TYPES
from schemas.judge import judge
from signing.chain import canonical

FRENCH_NETWORK = "afnor"
"""The network whose documents, by whichever of its connections, answer to the French rules, whoever issued them."""
REFUSED = "210"
"""What is proposed to be said of an inbound document that breaks rules."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Judge the structured invoice by the rules in force; one that came before under another id is not judged again."""
    if (first := work.facts(Stage.RECEIVED).get("same_bytes_as")) is not None:
        return Halted(inbound.RECEIVED_TWICE, (inbound.received_twice(first),), {"first": first})
    data = await work.read(work.submitted, resources)  # so that findings point into the bytes the caller sent
    page = await work.read(Role.SUBMISSION, resources) if work.document.format == "pdf" else None
    french, hybrid = _asked(work, page is not None)
    try:
        report = await resources.compute(judge, data, french=french, hybrid=hybrid, folder=resources.rules, page=page)
    except Interrupted as interrupted:
        if work.attempts >= INTERRUPTIONS_LIMIT:
            return Halted("could not be judged: the judging process died each time", facts={"attempts": work.attempts})
        return _again(work, str(interrupted))
    kept = Kept(Role.REPORT, "application/json", canonical(report.as_json()))
    facts = {
        "verdict": str(report.verdict),
        "asked": {"french": french, "hybrid": hybrid},
        "layers": [layer.as_json() for layer in report.layers],
        "warnings": sum(finding.severity is not Severity.FATAL for finding in report.findings),
    }
    match report.verdict:
        case Verdict.UNJUDGED:
            return _again(work, _why(report))
        case Verdict.INVALID:
            said = mandatory.Said()
            if work.document.inbound and (first := await _of_its_number(work, resources)) is not None:
                facts["first"] = str(first)
            elif work.document.inbound:
                facts["answer"] = _answer("NON_CONFORME", work)
                said = await mandatory.refusal(work, "NON_CONFORME", _broken(report), resources)
            return Halted("the document breaks rules", report.findings, facts, (kept,), said.news, said.emitted)
        case Verdict.VALID:
            return await _addressed(work, facts, kept, resources)


async def _addressed(work: Work, facts: dict[str, Any], kept: Kept, resources: Resources) -> Outcome:
    """A valid invoice takes its number only if somebody may receive it: its address is looked up before.

    That is the buyer's (BT-49), of a self-billed invoice the seller's (BT-34).

    What the directory does not answer is no reason to refuse: the document waits before it is sent (`route`).
    """
    if resources.directory is None:
        return Done(facts, (kept,))
    reach = (await addresses.of_document(work.document, resources)).reach
    if reach.verdict is Reachability.UNASKED:
        return Done(facts, (kept,))
    facts["address"] = addresses.facts_of(reach)
    today = day_of(resources.clock.now())
    if not reach.refuses or resources.unlisted == "send" or soon(reach, today):
        return Done(facts, (kept,))
    to_seller = work.document.type_code in SELF_BILLED_TYPES
    found = finding(reach, today, to_seller=to_seller)
    whose = "seller" if to_seller else "buyer"
    return Halted(f"nobody receives at the {whose}'s address", (found,), facts, refusing((kept,), found))


def _asked(work: Work, page: bool) -> tuple[bool, bool]:
    """Whether French rules are asked for, and those of a hybrid.

    What came is judged as it is; the French rules bind French sellers, and what a French platform brings.
    """
    account, document = work.account, work.document
    if document.about is not None:
        return False, False
    if not document.inbound:
        return account.french, page or account.original == "facturx"
    platform = str(work.facts(Stage.RECEIVED).get("network")).partition("-")[0] == FRENCH_NETWORK
    seller = document.seller or ""
    return account.french and (platform or (len(seller) == 9 and seller.isdigit())), page


async def _of_its_number(work: Work, resources: Resources) -> UUID | None:
    """The valid document that came before under the same seller, number, type and year.

    A refusal names no more than these: it would end that one for its seller.
    """
    document = work.document
    if not document.seller or not document.number or not document.type_code or document.issue_date is None:
        return None
    key = ("inbound", document.seller, document.number, document.type_code, document.issue_date.year)
    async with resources.pool.account(work.account.id) as connection:
        return await numbers.holder(connection, key)


def _answer(reason: str, work: Work) -> dict[str, Any]:
    """What the account would say to the seller: refused (210), with a reason of the French list (MDT-113)."""
    return {"code": REFUSED, "reason": reason, "policy": work.account.invalid_inbound}


def _broken(report: Report) -> tuple[str, ...]:
    """The rules that a report finds broken, each once."""
    return tuple(dict.fromkeys(one.rule for one in report.findings if one.severity is Severity.FATAL))


def _again(work: Work, reason: str) -> Outcome:
    facts = {"attempt": work.attempts, "outcome": "unjudged", "reason": reason}
    wait = wait_before(work.attempts)
    if wait is None:
        return Halted("could not be judged for three days", facts=facts)
    attempt = News("attempt", facts)
    return Later(wait, f"could not be judged: {reason}", (attempt,))


def _why(report: Report) -> str:
    return next((f"{f.layer}: {f.rule}" for f in report.findings), "a layer did not run")
