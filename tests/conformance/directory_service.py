"""Holds a running Directory Service against its published OpenAPI file (XP Z12-013 1.3.0), as `flow_service` does:
`python -m tests.conformance.directory_service FILE URL --examples 200`, with what it may use on standard input.

Most of the allowed questions are led to what is there: a company that is known, a filter that finds some. The searches
keep what was drawn of sorting, fields, relations and pages, and lose the filters that nothing meets.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conformance.flow_service import main


def published(file: Path) -> dict[str, Any]:
    """The file as published but for one bound that its own values do not keep.

    The status of a line has at most seven characters and is one of Enabled, Disabled and Upcoming: the last two have
    eight. Taken by its word the file refuses them.
    """
    description: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for name in ("directoryLineStatus", "uniqueDirectoryLineStatus"):
        del description["components"]["schemas"][name]["maxLength"]
    return description


def led(case: Any, known: Mapping[str, Any], number: int) -> None:
    """Lead a case to what is there."""
    label = case.operation.label
    if label.endswith("/search"):
        said = case.body if isinstance(case.body, dict) else {}  # the body may be left out, says the file
        filters = known["filters"][label]
        case.body = {**said, "filters": filters[number % len(filters)], "limit": 1 + number % 100, "ignore": number % 3}
    elif label in known["keys"]:
        keys = known["keys"][label]
        case.path_parameters.update(keys[number % len(keys)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], __doc__, published, led))
