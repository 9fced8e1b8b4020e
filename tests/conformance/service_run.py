"""Runs `flow_service` or `directory_service` against a served gateway, in a process of its own, for the tests."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


async def service_run(
    module: str, published: Path, url: str, known: Mapping[str, Any], examples: int, *, without: tuple[str, ...] = ()
) -> dict[str, dict[str, int]]:
    """How often each operation answered each code; what Schemathesis finds fails the test.

    `module`: the one of tests.conformance that is run. `known`: what it may use. `without`: paths that are not served.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.conformance.{module}", str(published), url, "--examples", str(examples),
        *(word for path in without for word in ("--without", path)), cwd=ROOT, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60 + 2 * examples):
            out, err = await process.communicate(json.dumps(known).encode())
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, (out + err).decode()[-8000:]
    told: dict[str, dict[str, int]] = json.loads(out)
    return told
