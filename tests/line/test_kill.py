"""RELIABILITY T1 in the test run: fifty kills under load, nothing lost, doubled or altered."""

import random

import pytest

from tests.bench.kill import run


@pytest.mark.slow
async def test_fifty_kills_lose_nothing(tmp_path):
    seed = random.SystemRandom().randrange(1 << 32)
    result = await run(tmp_path, kills=50, seed=seed)
    assert result.passed, result
    assert result.kills == 50
    assert result.acknowledged > 50, result
