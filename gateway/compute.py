"""Pure, slow work runs in worker processes, never on the event loop.

The processes are spawned, not forked, so that they inherit no thread, lock or socket of the gateway. A process that
dies or overruns its time takes its pool with it: the pool is made anew, the call raises `Interrupted`, and the worker
tries the step again, at most twice. A child ends when its parent dies.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1


class Interrupted(Exception):
    """The process that did the work died or overran its time; the outcome is unknown, the work is pure."""


class Compute:
    """A pool of worker processes that is made anew when one of them dies."""

    def __init__(self, processes: int, timeout: float, warm: Callable[[], None] | None = None) -> None:
        """`processes` at least 1; `timeout` in seconds for one call; `warm` runs once in each new process."""
        self._processes = processes
        self._timeout = timeout
        self._warm = warm
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = asyncio.Semaphore(processes)
        self._pool = self._make()
        self.ended = 0
        """Calls that came to an end so far: while it grows, the processes work, however many calls wait."""

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a picklable function in a worker process. Raises what it raises, or Interrupted.

        No more calls are in the pool than it has processes: the time of a call starts when its work does, and a process
        that dies takes with it only what runs beside it.
        """
        async with self._turns():
            pool = self._pool
            future = asyncio.get_running_loop().run_in_executor(pool, _call, function, args, kwargs)
            try:
                answer = await asyncio.wait_for(future, self._timeout)
            except BrokenProcessPool as broken:
                self._replace(pool)
                raise Interrupted("a worker process died") from broken
            except TimeoutError as late:
                self._replace(pool)
                raise Interrupted(f"a worker process took more than {self._timeout:.0f} s") from late
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if future.cancelled() and (task is None or not task.cancelling()):
                    raise Interrupted("the worker processes were replaced") from None
                raise
            except Exception:  # the function's own
                self.ended += 1
                raise
            self.ended += 1
            return answer

    def _turns(self) -> asyncio.Semaphore:
        """As many turns as there are processes, for the loop that runs now: a semaphore belongs to one loop."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._places = loop, asyncio.Semaphore(self._processes)
        return self._places

    def close(self) -> None:
        """End the processes; work under way is given up."""
        _end(self._pool)

    def _make(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._processes, mp_context=get_context("spawn"), initializer=_prepare, initargs=(os.getpid(), self._warm)
        )

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        if broken is self._pool:
            log.warning("worker processes replaced")
            self._pool = self._make()
            _end(broken)


async def beside(compute: Compute | None, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a picklable function beside the event loop: in a worker process, or in a thread where there is none."""
    if compute is None:
        return await asyncio.to_thread(function, *args, **kwargs)
    return await compute(function, *args, **kwargs)


def _call(function: Callable[..., R], args: tuple[object, ...], kwargs: dict[str, object]) -> R:
    return function(*args, **kwargs)


def _end(pool: ProcessPoolExecutor) -> None:
    processes = list((getattr(pool, "_processes", None) or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.kill()


def _prepare(parent: int, warm: Callable[[], None] | None) -> None:
    """In a new process: leave signals to the parent, die with it, load what every call needs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    if warm is not None:
        warm()


def _follow(parent: int) -> None:
    """Where the kernel does not tell (or told another thread): look for the parent twice a second."""
    waiting = threading.Event()
    while os.getppid() == parent:
        waiting.wait(0.5)
    os._exit(1)
