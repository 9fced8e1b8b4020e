"""Flip bits and change rows of an archive by the thousand, as its database's superuser, and count what the audit finds.

python -m tests.bench.tamper --flips 10000 --rows 1000

RELIABILITY T19 and T20: all must be found, and named. A change that the database itself refuses (a constraint, a text
that is none) is drawn anew and not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.main import database
from gateway.settings import Settings
from tests.gateway.tampering import target

OUT = Path("bench-out") / "tamper.json"


async def measure(folder: Path, flips: int, rows: int, seed: int) -> dict[str, Any]:
    """So many flips and changes of rows, each found and undone; the counts by kind."""
    async with database(Settings(data=folder / "data")) as pool:
        made = await target(pool, folder, seed)
        start = time.perf_counter()
        await _until(made.flip, flips)
        flipped = dict(made.found)
        print(f"{sum(flipped.values())} flips, each found and named", file=sys.stderr, flush=True)
        await _until(made.rows, rows)
        clean = await made.complaints() == []
        changed = {kind: count - flipped.get(kind, 0) for kind, count in made.found.items()}
    return {
        "seed": seed,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "flips": sum(flipped.values()),
        "flips_found": sum(flipped.values()),
        "rows": sum(changed.values()),
        "rows_found": sum(changed.values()),
        "clean_afterwards": clean,
        "seconds": round(time.perf_counter() - start, 1),
        "flips_by_kind": dict(sorted(flipped.items())),
        "rows_by_kind": {kind: count for kind, count in sorted(changed.items()) if count},
    }


async def _until(change: Any, wanted: int) -> None:
    """Change until so many were found; one that is not found ends the run with its seed and what it was."""
    done = 0
    while done < wanted:
        done += await change() is not None
        if done % 100 == 0 and sys.stderr.isatty():
            print(f"\r{done} of {wanted} found", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, write JSON; exit 1 when something was not found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=19)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="estafette-bench-") as folder:
        Path(folder).chmod(0o755)
        try:
            found = asyncio.run(measure(Path(folder), options.flips, options.rows, options.seed))
        except AssertionError as missed:
            sys.exit(f"NOT FOUND (seed {options.seed}): {missed}")
    print(json.dumps(found, indent=1))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
