"""Validate: what the rules say, layer by layer, recorded with the document whatever they say.

Fail closed: a layer that could not run leaves the document waiting ("could not be judged"), never valid.

The report is kept as canonical JSON beside what was asked, so that it can be replayed: the same bytes, judged by the
same editions, give the same report to the byte (`estafette rules replay`).
"""

from __future__ import annotations

from gateway.compute import Interrupted
from gateway.lifecycle import INTERRUPTIONS_LIMIT, Done, Halted, Kept, Later, News, Outcome, Role, wait_before
from gateway.resources import Resources, Work
from schemas.finding import Report, Severity, Verdict
from schemas.judge import judge
from signing.chain import canonical


async def run(work: Work, resources: Resources) -> Outcome:
    """Judge the structured invoice by the rules in force."""
    data = await work.read(work.submitted, resources)  # so that findings point into the bytes the caller sent
    page = await work.read(Role.SUBMISSION, resources) if work.document.format == "pdf" else None
    french, hybrid = work.account.french, page is not None or work.account.original == "facturx"
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
            return Halted("the document breaks rules", report.findings, facts, (kept,))
        case Verdict.VALID:
            return Done(facts, (kept,))


def _again(work: Work, reason: str) -> Outcome:
    facts = {"attempt": work.attempts, "outcome": "unjudged", "reason": reason}
    wait = wait_before(work.attempts)
    if wait is None:
        return Halted("could not be judged for three days", facts=facts)
    attempt = News("attempt", facts)
    return Later(wait, f"could not be judged: {reason}", (attempt,))


def _why(report: Report) -> str:
    return next((f"{f.layer}: {f.rule}" for f in report.findings), "a layer did not run")
