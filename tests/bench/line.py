"""Measure the whole line at fixed arrival rates (`make bench-line`).

A gateway with its workers and embedded PostgreSQL (durable commits on), and the simulated platform, each as a program
of its own, are fed over HTTP by an open load: every rate of a ladder for some seconds, until a rate is not kept. Then
what was acknowledged is held against what the database holds, what the platform received and what `estafette audit`
says: a throughput with a lost document is void, and the program exits with 1.

    python -m tests.bench.line --rates 5,10,20,40 --seconds 8
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from gateway import settings
from gateway.commands import demo_invoices
from gateway.main import database
from gateway.store.pool import Pool
from tests.bench import load, readings
from tests.bench.load import Target
from tests.bench.readings import Usage, percentiles
from tests.bench.stage import Program, Stage, build

OUT = Path("bench-out") / "line.json"

BUYER = "100000231"
"""The simulated buyer that takes an invoice and never answers: what is measured ends with the delivery."""

KEPT = 2.0
"""A rate is kept when the last document is delivered so many seconds after the last arrival …"""

ACCEPTED = 1000.0
"""… and 99 of 100 are accepted within so many milliseconds."""

DRAIN = 60.0
"""Seconds to wait for the rest after a rate that was not kept; what is left then counts as pending."""

WARM = 20
"""Documents before the first measurement of a gateway: they load schemas, rules, fonts and connections."""


@dataclass(frozen=True)
class Scenario:
    """One way down the line."""

    name: str
    original: str
    media_type: str
    template: bytes


@dataclass(frozen=True)
class Rate:
    """What came of one arrival rate."""

    scenario: str
    rate: float
    seconds: float
    sent: int
    accepted: int
    refused: dict[str, int]
    """Answers other than 202, by status; 0: none came."""
    delivered: int
    kept: bool
    throughput: float
    """Documents a second: delivered from the first arrival to the last delivery; for accept-only, accepted."""
    accept_ms: dict[str, float]
    delivered_after_ms: dict[str, float]
    """From received to delivered, by the events."""
    stage_ms: dict[str, dict[str, float]]
    """What each stage took while it ran, by the worker's log."""
    cpu_ms: dict[str, float]
    """Processor time for each accepted document, by program."""
    resident_mb: dict[str, float]
    proportional_mb: dict[str, float]
    """The same with each shared page counted once over all who share it."""


@dataclass
class Account:
    """An account, and what the gateway acknowledged to it."""

    id: UUID
    key: str
    acknowledged: list[str] = field(default_factory=list)
    sent: int = 0


@dataclass
class Bench:
    """The stage, and what is measured on it."""

    options: argparse.Namespace
    stage: Stage
    pool: Pool
    gateways: list[Program]
    accounts: list[Account] = field(default_factory=list)
    rates: list[Rate] = field(default_factory=list)

    def usage(self) -> Usage:
        """What the programs have used so far."""
        return readings.usage(
            [program.process.pid for program in self.gateways if program.process],
            self.stage.platform.process.pid if self.stage.platform.process else 0,
            self.stage.folder / "gateway",
        )

    async def open(self, name: str, original: str) -> Account:
        """A new account."""
        opened = await self.stage.account(
            name, "--siren", demo_invoices.SELLER_SIREN, "--rules", self.options.rules, "--original", original
        )
        account = Account(UUID(opened["account"]), opened["api_key"])
        self.accounts.append(account)
        return account


def invoice(lines: int) -> dict[str, Any]:
    """An invoice with so many lines under the number NUMBER."""
    buyer = demo_invoices.buyer_that_accepts()
    buyer["legal_id"]["value"] = buyer["endpoint"]["value"] = BUYER
    members = demo_invoices.invoice("NUMBER", buyer)
    some = members["lines"]
    members["lines"] = [{**deepcopy(some[place % len(some)]), "id": str(place + 1)} for place in range(lines)]
    return members


async def ladder(bench: Bench, scenario: Scenario, rates: Sequence[float], *, whole: bool = True) -> None:
    """Feed one scenario at each rate until one is not kept. Without `whole`, only acceptance is measured."""
    account = await bench.open(scenario.name, scenario.original)
    await _feed(bench, account, scenario, WARM, 1.0)
    if whole:
        await _drained(bench, account)
    for rate in rates:
        measured = await _measure(bench, account, scenario, rate, whole=whole)
        bench.rates.append(measured)
        print(_row(measured), flush=True)
        if not measured.kept:
            return


async def _feed(bench: Bench, account: Account, scenario: Scenario, rate: float, seconds: float) -> list[load.Answer]:
    def make(number: int) -> bytes:
        return scenario.template.replace(b"NUMBER", f"B-{number:07}".encode())

    target = Target(f"{bench.stage.url}/v1/documents", account.key, scenario.media_type, make)
    answers = await load.feed(target, rate, seconds, first=account.sent)
    account.sent += len(answers)
    account.acknowledged += [answer.document for answer in answers if answer.document is not None]
    return answers


async def _measure(bench: Bench, account: Account, scenario: Scenario, rate: float, *, whole: bool) -> Rate:
    """One rate: feed, wait for the rest, and read what the log, the journal and /proc say of it."""
    logs = [(program.log, program.log.stat().st_size) for program in bench.gateways]
    before = bench.usage()
    started = time.monotonic()
    answers = await _feed(bench, account, scenario, rate, bench.options.seconds)
    fed = time.monotonic() - started
    if whole:
        await _drained(bench, account)
    after = bench.usage()
    accepted = [answer for answer in answers if answer.document is not None]
    documents = [answer.document for answer in accepted if answer.document is not None]
    journal = await readings.journal(bench.pool, account.id, documents)
    delivered = journal.after.get("delivered", ())
    took = journal.last - journal.first if whole else fed
    accept = percentiles([answer.seconds for answer in accepted])
    kept = len(accepted) == len(answers) and accept.get("p99", 0.0) <= ACCEPTED and took <= bench.options.seconds + KEPT
    number = max(1, len(accepted))
    stages: dict[str, list[float]] = {}
    for log, offset in logs:
        for stage, milliseconds in readings.stage_times(log, offset).items():
            stages.setdefault(stage, []).extend(milliseconds)
    return Rate(
        scenario=scenario.name,
        rate=rate,
        seconds=bench.options.seconds,
        sent=len(answers),
        accepted=len(accepted),
        refused={
            str(status): count
            for status, count in Counter(answer.status for answer in answers).items()
            if status != 202
        },
        delivered=len(delivered),
        kept=kept and (not whole or len(delivered) == len(accepted)),
        throughput=round((len(delivered) if whole else len(accepted)) / took, 1) if took > 0 else 0.0,
        accept_ms=accept,
        delivered_after_ms=percentiles(delivered),
        stage_ms={stage: percentiles(values, scale=1.0) for stage, values in stages.items()},
        cpu_ms={
            name: round((seconds - before.cpu.get(name, 0.0)) / number * 1000, 1) for name, seconds in after.cpu.items()
        },
        resident_mb=_megabytes(after.resident),
        proportional_mb=_megabytes(after.proportional),
    )


def _megabytes(sizes: Mapping[str, int]) -> dict[str, float]:
    return {name: round(size / 2**20, 1) for name, size in sizes.items()}


async def _drained(bench: Bench, account: Account) -> None:
    """Wait until every document is delivered or ended, or the patience is over."""
    deadline = time.monotonic() + DRAIN
    while await readings.under_way(bench.pool, account.id) and time.monotonic() < deadline:
        await asyncio.sleep(0.25)


async def validations(bench: Bench, template: bytes) -> dict[str, Any]:
    """The synchronous verdict, one request after the other, on an idle gateway."""
    account = await bench.open("validations", "as_submitted")
    target = Target(f"{bench.stage.url}/v1/validations", account.key, "application/xml", lambda _: template)
    loop = asyncio.get_running_loop()
    answers = []
    async with load.connect(account.key) as session:
        for number in range(WARM + bench.options.validations):
            answers.append(await load.send(session, target, number, loop.time()))
    wrong = [answer.status for answer in answers if answer.status != 200]
    figures = {"requests": bench.options.validations, "wrong": len(wrong)}
    return {**figures, **percentiles([answer.seconds for answer in answers[WARM:]])}


# Reconciliation ------------------------------------------------------------------------------------------------------


async def reconcile(bench: Bench) -> dict[str, Any]:
    """Acknowledged against kept, delivered against received by the platform, and the audit's own word."""
    lost, twice, missing = 0, 0, 0
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{bench.stage.platform_url}/simulator/deliveries") as answer,
    ):
        tracks: dict[str, set[str]] = {}
        for one in (await answer.json())["deliveries"]:
            tracks.setdefault(one["sha256"], set()).add(one["trackingId"])
    for account in bench.accounts:
        lost += len(account.acknowledged) - await readings.present(bench.pool, account.id, account.acknowledged)
        received = [len(tracks.get(digest, ())) for digest in await readings.delivered(bench.pool, account.id)]
        missing += received.count(0)
        twice += sum(number > 1 for number in received)
    audits, complaint = [], ""
    try:
        audits = [json.loads(line) for line in (await bench.stage.once("audit", "--format", "json")).splitlines()]
    except AssertionError as unclean:
        complaint = str(unclean)[:2000]
    acknowledged = sum(len(account.acknowledged) for account in bench.accounts)
    return {
        "acknowledged": acknowledged,
        "lost": lost,
        "delivered_but_not_at_the_platform": missing,
        "delivered_twice": twice,
        **{
            name: sum(one[name] for one in audits if one["kind"] == "account")
            for name in ("accepted", "delivered", "pending", "halted")
        },
        "audit_clean": bool(audits) and all(one["clean"] for one in audits),
        "audit_complaint": complaint,
    }


def sound(books: dict[str, Any]) -> bool:
    """Whether nothing was lost, doubled or altered; a halted document is one that the bench got wrong."""
    faults = ("lost", "delivered_but_not_at_the_platform", "delivered_twice", "halted")
    return books["audit_clean"] and not any(books[name] for name in faults)


# What is printed -----------------------------------------------------------------------------------------------------

HEAD = (
    f"{'scenario':<22}{'rate':>6}{'accepted':>10}{'delivered':>11}{'docs/s':>8}"
    f"{'accept p50/p95/p99 ms':>24}{'delivered p50/p95/p99 ms':>28}{'CPU ms/doc':>12}  kept"
)


def _row(one: Rate) -> str:
    ours = sum(one.cpu_ms.get(name, 0.0) for name in ("gateway", "workers", "database"))
    return (
        f"{one.scenario:<22}{one.rate:>6g}{one.accepted:>10}{one.delivered:>11}{one.throughput:>8.1f}"
        f"{_three(one.accept_ms):>24}{_three(one.delivered_after_ms):>28}{ours:>12.1f}  {'yes' if one.kept else 'NO'}"
    )


def _three(figures: dict[str, float]) -> str:
    return " / ".join(f"{figures[name]:.0f}" for name in ("p50", "p95", "p99")) if figures else "-"


def _details(rates: Sequence[Rate]) -> str:
    """Per stage, processor time and memory, at the highest rate that was kept (or else the lowest tried)."""
    lines = []
    for name in dict.fromkeys(one.scenario for one in rates):
        mine = [one for one in rates if one.scenario == name]
        shown = next((one for one in reversed(mine) if one.kept), mine[0])
        lines.append(f"\n{name} at {shown.rate:g} documents/s")
        if shown.stage_ms:
            lines.append("  stage p50/p95/p99 ms: " + ", ".join(f"{s} {_three(t)}" for s, t in shown.stage_ms.items()))
        lines.append("  CPU ms/document: " + ", ".join(f"{who} {value}" for who, value in shown.cpu_ms.items()))
        lines.append(
            "  resident MB (proportional): "
            + ", ".join(f"{who} {value} ({shown.proportional_mb[who]})" for who, value in shown.resident_mb.items())
        )
    return "\n".join(lines)


# The run -------------------------------------------------------------------------------------------------------------


async def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything, in order; ends what it started."""
    stage = await build(folder, workers=options.workers, settings={"ESTAFETTE_LOG_FORMAT": "json"})
    try:
        await stage.gateway.start()
        async with database(settings.read(stage.environment), attach=True) as pool:
            bench = Bench(options, stage, pool, [stage.gateway])
            for number in range(1, options.gateways):
                other = Program(("work",), stage.environment, folder / f"work-{number}.log")
                stage.programs.append(other)
                bench.gateways.append(other)
                await other.start()
            verdicts = await _scenarios(bench)
            books = await reconcile(bench)
    finally:
        await stage.close()
    return {
        "machine": _machine(),
        "options": {name: value for name, value in vars(options).items() if name != "out"},
        "rates": [asdict(one) for one in bench.rates],
        "validations": verdicts,
        "reconciliation": books,
        "sound": sound(books),
    }


async def _scenarios(bench: Bench) -> dict[str, Any]:
    members = invoice(bench.options.lines)
    as_json = json.dumps(members, ensure_ascii=False).encode()
    as_cii = demo_invoices.written(members, "cii")
    xml = Scenario("CII as submitted", "as_submitted", "application/xml", as_cii)
    facturx = Scenario("JSON to Factur-X", "facturx", "application/json", as_json)
    print(HEAD, flush=True)
    await ladder(bench, xml, bench.options.rates)
    await ladder(bench, facturx, bench.options.rates)
    verdicts = await validations(bench, as_cii)
    await _accept_only(bench, replace(xml, name="accept only"))
    print(_details(bench.rates))
    print(f"\nPOST /v1/validations, {bench.options.lines} lines: p50/p95/p99 {_three(verdicts)} ms", flush=True)
    return verdicts


async def _accept_only(bench: Bench, scenario: Scenario) -> None:
    """The same gateway, started again without workers: what comes stays pending."""
    for program in bench.gateways[1:]:
        await program.stop()
    await bench.stage.gateway.stop()
    del bench.gateways[1:]
    alone = Program(("serve", "--workers", "0"), bench.stage.environment, bench.stage.folder / "accept.log")
    bench.stage.programs.append(alone)
    bench.gateways[:] = [alone]
    await alone.start()
    await ladder(bench, scenario, bench.options.accept_rates, whole=False)


def _machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)

    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def main() -> int:
    """Run from the command line; exit 1 when anything was lost, doubled or altered."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add: Callable[..., Any] = options.add_argument
    add("--rates", type=_numbers, default=[5.0, 10.0, 20.0, 40.0, 80.0], help="documents a second, rising")
    add("--accept-rates", type=_numbers, default=[50.0, 100.0, 200.0, 400.0], help="the same for acceptance alone")
    add("--seconds", type=float, default=8.0, help="how long each rate is fed")
    add("--validations", type=int, default=150, help="synchronous verdicts to ask for")
    add("--workers", type=int, default=2, help="worker processes of the gateway")
    add(
        "--gateways", type=int, default=1, help="programs that work on the database; those after the first do not serve"
    )
    add("--lines", type=int, default=5, help="lines of each invoice")
    add("--rules", choices=("fr", "en16931"), default="fr", help="rules the documents are judged by")
    add("--out", type=Path, default=OUT, help="where the figures go, as JSON")
    given = options.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="estafette-bench-") as folder:
        Path(folder).chmod(0o755)  # the database's own account must reach its folder
        result = asyncio.run(run(given, Path(folder)))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nreconciliation: {json.dumps(result['reconciliation'])}")
    print(f"{time.monotonic() - started:.0f} s; figures in {given.out}")
    if not result["sound"]:
        print("VOID: the books do not balance", file=sys.stderr)
    return 0 if result["sound"] else 1


if __name__ == "__main__":
    sys.exit(main())
