"""Validate: what the rules say, layer by layer, recorded with the document whatever they say.

Fail closed: a layer that could not run leaves the document waiting ("could not be judged"), never valid.
"""

from __future__ import annotations

import json
from dataclasses import replace

from gateway.compute import Interrupted
from gateway.lifecycle import INTERRUPTIONS_LIMIT, Done, Halted, Kept, Later, News, Outcome, Role, Stage, wait_before
from gateway.resources import Resources, Work
from schemas.finding import Finding, Report, Severity, Verdict
from schemas.judge import judge


async def run(work: Work, resources: Resources) -> Outcome:
    """Judge the structured invoice by the rules in force."""
    data = await work.read(work.submitted, resources)  # so that findings point into the bytes the caller sent
    page = await work.read(Role.SUBMISSION, resources) if work.document.format == "pdf" else None
    french = work.account.french
    try:
        report = await resources.compute(judge, data, french=french, folder=resources.rules, page=page)
    except Interrupted as interrupted:
        if work.attempts >= INTERRUPTIONS_LIMIT:
            return Halted("could not be judged: the judging process died each time", facts={"attempts": work.attempts})
        return _again(work, str(interrupted))
    if report.verdict is Verdict.VALID and work.facts(Stage.PARSED).get("unreadable"):
        report = await _unread(work, resources, report)
    kept = Kept(Role.REPORT, "application/json", json.dumps(report.as_json(), ensure_ascii=False).encode())
    facts = {
        "verdict": str(report.verdict),
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


async def _unread(work: Work, resources: Resources, report: Report) -> Report:
    """Official rules let pass what no reader can make sense of (a 31 February): what parse said of it is fatal."""
    told = json.loads(await work.read(Role.REPORT, resources))["findings"]
    findings = (*(Finding.from_json(finding) for finding in told), *report.findings)
    return replace(report, verdict=Verdict.INVALID, findings=findings)


def _again(work: Work, reason: str) -> Outcome:
    facts = {"attempt": work.attempts, "outcome": "unjudged", "reason": reason}
    wait = wait_before(work.attempts)
    if wait is None:
        return Halted("could not be judged for three days", facts=facts)
    attempt = News("attempt", facts)
    return Later(wait, f"could not be judged: {reason}", (attempt,))


def _why(report: Report) -> str:
    return next((f"{f.layer}: {f.rule}" for f in report.findings), "a layer did not run")
