"""Holds an answer against the published OpenAPI description of a service, where that is at hand."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker

PUBLISHED = Path(__file__).resolve().parents[3] / "shared" / "standards" / "xp-z12-013" / "flow-service-1.3.0.json"

_formats = FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    datetime.fromisoformat(value)
    return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value) is not None


class Published:
    """The description, ready to judge."""

    def __init__(self, published: Path = PUBLISHED) -> None:
        self.description: dict[str, Any] = json.loads(published.read_text(encoding="utf-8"))
        # As published, a reason code matches exactly one of "a listed code" and "any text", which no listed code can.
        reason = self.description["components"]["schemas"].get("ReasonCode")
        if reason is not None:
            reason["anyOf"] = reason.pop("oneOf")

    def judge(self, method: str, path: str, status: int, media_type: str, body: bytes) -> None:
        """Assert that the operation may answer like this. `path` as the description writes it."""
        operation = self.description["paths"][path][method.lower()]
        assert str(status) in operation["responses"], f"{method} {path} may not answer {status}"
        response = self._followed(operation["responses"][str(status)])
        if "content" not in response:
            return
        assert media_type in response["content"], f"{method} {path} may not answer {media_type}"
        schema = response["content"][media_type].get("schema")
        if schema is not None:
            whole = {"allOf": [schema], "components": self.description["components"]}
            Draft4Validator(whole, format_checker=_formats).validate(json.loads(body))

    def _followed(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self.description
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node
