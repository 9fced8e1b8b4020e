"""How soon a worker can judge, what it holds in memory, and how long the whole chain takes (`make bench-rules`).

    python -m tests.bench.rules_start [--folder FOLDER] [--rounds 5]

The worker is the gateway's own, spawned as the gateway spawns it, with the cache of compiled rules warm. Told are the
seconds from asking for it to its first answer, by the clock and of the processor; its resident memory then, with every
rulebook loaded (each stylesheet and each XSD there is), and at its highest after documents of all sizes; and the
processor time of the whole chain, from bytes to verdict: recognised, parsed, XSD, both layers of rules, the house's.
Times are the best of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.compute import Compute
from schemas import judge, rulebook, xsd
from schemas.catalogue import artefacts
from schemas.finding import Verdict
from tests.bench.rules import invoice
from tests.conformance.rules import CII, FRENCH, UBL

OUT = Path("bench-out") / "rules-start.json"
_TURNS = 300
_TIMEOUT = 300.0
SIZES = (5, 500, 5_000)


def spent() -> float:
    """Seconds of processor time that the process that is asked has taken since it began."""
    return time.process_time()


def memory() -> tuple[float, float]:
    """Of the process that is asked: megabytes resident now, and at most so far."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    now, most = (int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def everything(folder: str | None) -> tuple[int, float]:
    """Load every rulebook there is: how many, and the memory then."""
    loaded = 0
    for rules in artefacts():
        try:
            found = rulebook.find(rules.artefact, folder)
        except rulebook.Missing:
            continue
        if rules.artefact.kind is rulebook.Kind.XSD:
            xsd.load(found.path)
        else:
            rulebook.prepare(rules, folder)
        loaded += 1
    return loaded, memory()[0]


def chain(kind: str, lines: int, turns: int) -> float:
    """Milliseconds of processor time for the whole chain on a valid French invoice, the best of some turns."""
    data = invoice(kind, lines)
    best = float("inf")
    for _ in range(turns):
        began = time.thread_time()
        report = judge.judge(data, french=True)
        best = min(best, time.thread_time() - began)
        assert report.verdict is Verdict.VALID, report.findings
    return best * 1000


async def worker(folder: str | None) -> Mapping[str, float]:
    """What one new worker shows."""
    began = time.perf_counter()
    compute = Compute(1, _TIMEOUT, judge.warm)
    try:
        cpu = await compute(spent)
        figures = {"start_seconds": time.perf_counter() - began, "start_cpu_seconds": cpu}
        figures["ready_mb"], _ = await compute(memory)
        count, figures["all_mb"] = await compute(everything, folder)
        figures["rulebooks"] = count
        for kind in (CII, UBL):
            for lines in SIZES:
                turns = max(3, _TURNS // lines)
                figures[f"chain_{kind}_{lines}_ms"] = await compute(chain, kind, lines, turns)
        _, figures["peak_mb"] = await compute(memory)
    finally:
        compute.close()
    return figures


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(prog="rules_start", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", default=FRENCH, help="where the artefacts of CDAR and flux 10 are")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args(arguments)
    asyncio.run(worker(asked.folder))  # so that the cache is warm
    rounds = [asyncio.run(worker(asked.folder)) for _ in range(asked.rounds)]
    figures = {name: min(one[name] for one in rounds) for name in rounds[0]}
    figures |= {name: max(one[name] for one in rounds) for name in figures if name.endswith("_mb")}
    for name, value in figures.items():
        print(f"{name:24}{value:10.2f}")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
