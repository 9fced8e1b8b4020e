"""Holds a running Flow Service against its published OpenAPI file (XP Z12-013 1.3.0), by Schemathesis, in a process of
its own: `python -m tests.conformance.flow_service FILE URL --examples 200`, with what it may use on standard input.

Half of the examples of an operation are what the file allows, half are what it forbids. Most of them are asked for the
caller's own organization, and most of the allowed ones are led to what is there (a flow that exists, a file that is an
invoice), so that answers of success are judged too and not only refusals. Each answer is held to the file: its code is
one of the operation's, its media type, headers and body are those of that code, and none is a server error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as held

CHECKS = [
    not_a_server_error,
    held.status_code_conformance,
    held.content_type_conformance,
    held.response_headers_conformance,
    held.response_schema_conformance,
]
EPOCH = "1970-01-01T00:00:00Z"


def published(file: Path) -> dict[str, Any]:
    """The file as published but for one schema that no answer can satisfy.

    ReasonCode is `oneOf` a list of codes and any string, described as a predefined set that may be extended. Each
    listed code is a string too, so it meets both branches where `oneOf` wants exactly one: taken by its word the schema
    refuses just the codes that the standard lists. `anyOf` is what its description says.
    """
    description: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    reason = description["components"]["schemas"]["ReasonCode"]
    reason["anyOf"] = reason.pop("oneOf")
    return description


Reader = Callable[[Path], dict[str, Any]]
Lead = Callable[[Any, Mapping[str, Any], int], None]
"""Leads a case to what is there: the case, what is known, and how many were asked before."""


def run(
    description: Mapping[str, Any],
    url: str,
    examples: int,
    known: Mapping[str, Any],
    without: list[str],
    led: Lead,
) -> dict[str, Counter[str]]:
    """Try every operation; how often each code was answered. Raises what Schemathesis finds."""
    schema = schemathesis.openapi.from_dict(dict(description))
    told: dict[str, Counter[str]] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        if any(operation.path.startswith(path) for path in without):
            continue
        counted = told.setdefault(operation.label, Counter())
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _try(operation, mode, (examples + 1) // 2, url, known, counted, led)
    return told


def _try(  # noqa: PLR0917 - a run's own members
    operation: Any,
    mode: GenerationMode,
    examples: int,
    url: str,
    known: Mapping[str, Any],
    counted: Counter[str],
    led: Lead,
) -> None:
    try:
        strategy = operation.as_strategy(generation_mode=mode)
    except Exception as impossible:
        if mode is GenerationMode.POSITIVE:
            raise
        print(f"{operation.label}: nothing is forbidden ({type(impossible).__name__})", file=sys.stderr)
        return

    @seed(13)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, lead=st.integers(0, 3))
    def one(case: Any, lead: int) -> None:
        if lead:
            case.headers = {name: value for name, value in (case.headers or {}).items() if name != "Organization-Id"}
        if lead and mode is GenerationMode.POSITIVE:
            led(case, known, sum(counted.values()))
        response = case.call(base_url=url, headers={"Authorization": known["authorization"]})
        counted[str(response.status_code)] += 1
        case.validate_response(response, checks=CHECKS)

    one()


def _led(case: Any, known: Mapping[str, Any], number: int) -> None:
    """Lead a case to what is there."""
    match case.operation.label:
        case "GET /v1/flows/{flowId}":
            case.path_parameters["flowId"] = known["flows"][number % len(known["flows"])]
        case "POST /v1/flows":
            data = known["invoice"].replace("NUMBER", f"S-{number}").encode()
            said = case.body["flowInfo"] if isinstance(case.body, dict) else {"name": "a.xml"}
            info = {**said, "flowSyntax": "CII"}
            for name in ("sha256", "flowProfile", "processingRule"):
                info.pop(name, None)
            case.body = {"flowInfo": info, "file": data}
        case "POST /v1/flows/search":
            where = {"updatedAfter": EPOCH, **(known["where"][number % len(known["where"])])}
            case.body = {"where": where, "limit": 1 + number % 100}
        case "POST /v1/webhooks":
            said = case.body if isinstance(case.body, dict) else {}  # the body may be left out, says the file
            case.body = {**said, "callbackUrl": f"https://hooks.example.org/{number}"}
        case "DELETE /v1/webhooks/{webhookUid}":
            case.path_parameters["webhookUid"] = known["webhooks"][number % len(known["webhooks"])]
        case _:
            pass


def main(arguments: list[str], about: str | None = __doc__, read: Reader = published, led: Lead = _led) -> int:
    """Run, and tell the codes of each operation as JSON."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("file", type=Path)
    parser.add_argument("url")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--without", action="append", default=[], help="paths that are not served")
    given_ = parser.parse_args(arguments)
    told = run(read(given_.file), given_.url, given_.examples, json.load(sys.stdin), given_.without, led)
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
