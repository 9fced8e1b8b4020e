"""Work on one file or on many: in this process or on all cores, in the order given, and no file stops another.

A file that kills or outruns its process is tried once more, alone, and then reported; its neighbours are done again.
The exit code follows from what was reported: 0 all good, 1 some not, 2 some could not be done.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.commands.files import Source, Unusable
from gateway.commands.terminal import Progress, Told, printable

T = TypeVar("T")

FEW = 3
"""Files that are done in this process: another would take longer to start than it saves."""
AHEAD = 16
"""Files per process that may be done while an earlier one is not; what bounds memory."""
GOOD, BAD, FAILED = 0, 1, 2
"""Exit codes."""


def add_jobs(it: argparse.ArgumentParser) -> None:
    """The option --jobs."""
    it.add_argument("--jobs", type=_positive, metavar="N", help="processes for many files; by default one per core")


def each(
    job: Callable[[Source], T],
    sources: Sequence[Source],
    take: Callable[[Source, T | Unusable], int],
    *,
    jobs: int | None = None,
    seconds: float = 120.0,
) -> int:
    """Do a picklable job on each source, give each result to `take` in the order of the sources, return the exit code.

    `take` gets what the job returned, or Unusable where it raised that, died, or took more than `seconds`; it returns
    the exit code of that one source, and may raise what ends the run. `jobs` None: one process per core.
    """
    progress = Progress(len(sources))
    worst = GOOD

    def taken(source: Source, result: T | Unusable) -> None:
        nonlocal worst
        progress.clear()
        worst = max(worst, take(source, result))
        progress.step()

    try:
        if len(sources) <= FEW:
            for source in sources:
                taken(source, attempted(job, source))
        else:
            processes = min(jobs or len(os.sched_getaffinity(0)), len(sources))
            asyncio.run(_spread(job, sources, taken, processes, seconds))
    finally:
        progress.clear()
    return worst


def attempted(job: Callable[[Source], T], source: Source) -> T | Unusable:
    """What the job returns; what it raises becomes a result, so that it crosses processes and stops nobody."""
    try:
        return job(source)
    except Unusable as unusable:
        return unusable
    except MemoryError:
        return Unusable(Told("there is not enough memory for it", "la mémoire ne suffit pas"))
    except Exception as defect:
        what = f"{type(defect).__name__}: {defect}"
        return Unusable(Told(f"a defect of Estafette ({what})", f"un défaut d'Estafette ({what})"))


def complain(source: Source, told: Told, language: str) -> int:
    """Tell on standard error that a source could not be done; returns its exit code."""
    print(f"estafette: {printable(source.name)}: {printable(told.into(language))}", file=sys.stderr)
    return FAILED


async def _spread(
    job: Callable[[Source], T],
    sources: Sequence[Source],
    taken: Callable[[Source, T | Unusable], None],
    processes: int,
    seconds: float,
) -> None:
    """Over processes; a result waits until those before it are taken."""
    from gateway.compute import Compute, Interrupted

    pool = Compute(processes, seconds)
    alone = Compute(1, seconds)

    async def one(source: Source) -> T | Unusable:
        why = ""
        for compute in (pool, alone):
            try:
                return await compute(attempted, job, source)
            except Interrupted as interrupted:
                why = str(interrupted)
        return Unusable(Told(f"its process was ended twice ({why})", f"son processus a été arrêté deux fois ({why})"))

    waiting: deque[tuple[Source, asyncio.Task[T | Unusable]]] = deque()
    try:
        for source in sources:
            if len(waiting) >= processes * AHEAD:
                first, task = waiting.popleft()
                taken(first, await task)
            waiting.append((source, asyncio.create_task(one(source))))
        while waiting:
            first, task = waiting.popleft()
            taken(first, await task)
    finally:
        for _, task in waiting:
            task.cancel()
        pool.close()
        alone.close()


def _positive(text: str) -> int:
    number = int(text)
    if not 0 < number <= 256:
        raise argparse.ArgumentTypeError("a whole number from 1 to 256")
    return number
