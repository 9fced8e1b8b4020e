"""Running `estafette` as a person does: a process of its own, real files, real pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "samples"
PATIENCE = 120.0
"""Seconds that any one command of these tests may take."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command said and how it ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        """Its standard output as text."""
        return self.out.decode()


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """No settings and no language but those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ESTAFETTE_", "LC_", "LANG"))}
    return {**kept, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **(more or {})}


def command(arguments: Sequence[str | bytes | Path]) -> list[str | bytes]:
    """The command line of `estafette` with these arguments."""
    return [sys.executable, "-m", "gateway", *(one if isinstance(one, bytes) else str(one) for one in arguments)]


def estafette(
    *arguments: str | bytes | Path, stdin: bytes = b"", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Ended:
    """Run one command to its end."""
    done = subprocess.run(
        command(arguments),
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment(env),
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
