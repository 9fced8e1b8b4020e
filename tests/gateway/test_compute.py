"""Worker processes: pure work off the loop; a death or an overrun is told and survived; no orphans."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from gateway.compute import Compute, Interrupted


def double(number: int) -> int:
    return number * 2


def fail() -> None:
    raise ValueError("as it is")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


@pytest.fixture
def compute():
    pool = Compute(1, timeout=20)
    yield pool
    pool.close()


async def test_work_is_done_in_another_process(compute):
    assert await compute(double, 21) == 42
    assert await compute(os.getpid) != os.getpid()


async def test_what_the_work_raises_is_raised(compute):
    with pytest.raises(ValueError, match="as it is"):
        await compute(fail)


async def test_a_dead_process_is_told_and_replaced(compute):
    with pytest.raises(Interrupted):
        await compute(die)
    assert await compute(double, 2) == 4


async def test_a_call_that_overruns_its_time_is_given_up_and_its_process_ended():
    pool = Compute(1, timeout=2)
    try:
        assert await pool(double, 1) == 2
        started = time.monotonic()
        with pytest.raises(Interrupted):
            await pool(sleep, 60)
        assert time.monotonic() - started < 30
        assert await pool(double, 3) == 6
    finally:
        pool.close()


PARENT = """
import asyncio, os, sys
from gateway.compute import Compute
async def main():
    pool = Compute(1, timeout=60)
    print(await pool(os.getpid), flush=True)
    await asyncio.sleep(60)
if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_a_child_dies_with_its_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not _alive(child):
            return
        await asyncio.sleep(0.1)
    pytest.fail("the child outlived its parent")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{process}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


async def test_those_who_wait_for_their_turn_are_served_after_a_neighbour_overran_or_died():
    pool = Compute(1, timeout=2)
    try:
        assert await pool(double, 1) == 2
        calls = [asyncio.create_task(pool(sleep, 60)), asyncio.create_task(pool(die))]
        calls += [asyncio.create_task(pool(double, number)) for number in range(4)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(one) for one in ended[:2]] == [Interrupted, Interrupted]
        assert ended[2:] == [0, 2, 4, 6]
    finally:
        pool.close()


async def test_a_caller_that_is_cancelled_is_cancelled(compute):
    call = asyncio.create_task(compute(sleep, 1))
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await compute(double, 2) == 4
