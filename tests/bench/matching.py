"""How many lines of a bank are booked, and whether each rightly: `python -m tests.bench.matching [CASES] [SEEDS]`.

Of each kind: lines, booked, proposed, booked wrongly; then precision and recall over all that pay something.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from tests.gateway.matching.cases import made
from tests.gateway.matching.test_cases import judged


def main(cases: int = 2_000, seeds: int = 5) -> int:
    """Print the figures; the exit code is 1 where anything was booked wrongly."""
    lines, booked, proposed = Counter[str](), Counter[str](), Counter[str]()
    wrong: list[str] = []
    took = 0.0
    for seed in range(seeds):
        case = made(seed, cases)
        started = time.perf_counter()
        found = judged(case)
        took += time.perf_counter() - started
        lines, booked, proposed = lines + found[0], booked + found[1], proposed + found[2]
        wrong += found[3]
    for kind, count in sorted(lines.items()):
        print(f"{kind:14} {count:6} lines  {booked[kind]:6} booked  {proposed[kind]:6} proposed")
    payable = sum(count for kind, count in lines.items() if kind != "other")
    total = sum(booked.values())
    print(f"precision {100 * (total - len(wrong)) / total:.2f} %  recall {100 * total / payable:.2f} %  "
          f"{1000 * took / sum(lines.values()):.2f} ms a line")  # fmt: skip
    print("\n".join(wrong[:20]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
