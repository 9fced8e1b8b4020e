"""`make check`, the one command that is the truth: format, lint, types, contracts, tests with coverage, clean tree."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COVERAGE = "85"
"""Percent of branches of schemas/ and gateway/ that the tests must reach."""

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("format", (str(BIN / "ruff"), "format", "--check", "--quiet", ".")),
    ("lint", (str(BIN / "ruff"), "check", "--quiet", ".")),
    ("types", (str(BIN / "mypy"), "--no-error-summary")),
    ("import contracts", (str(BIN / "lint-imports"), "--no-logo")),
    ("tests", (sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "--cov", "--cov-report=",
               "--durations=15")),
    ("coverage", (str(BIN / "coverage"), "report", "--include=schemas/*,gateway/*", f"--fail-under={COVERAGE}",
                  "--skip-covered", "--sort=cover")),
    ("clean tree", ("sh", "-c", 'test -z "$(git status --porcelain)" || { git status --short; exit 1; }')),
)  # fmt: skip


WITHOUT_TESTS = ("format", "lint", "types", "import contracts", "clean tree")
"""What `make lint` runs."""


def main() -> int:
    """Run every step, even after one failed, and say how each ended."""
    failed = []
    for name, command in STEPS:
        if "--without-tests" in sys.argv and name not in WITHOUT_TESTS:
            continue
        started = time.monotonic()
        print(f"== {name}", flush=True)
        ended = subprocess.run(command, cwd=ROOT, check=False)
        print(
            f"== {name}: {'ok' if ended.returncode == 0 else 'FAILED'} in {time.monotonic() - started:.1f} s",
            flush=True,
        )
        if ended.returncode != 0:
            failed.append(name)
    print(f"== {'all is well' if not failed else 'failed: ' + ', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
