"""Holds a JSON value against a schema as OpenAPI 3.0 writes them, and an answer against an operation's description.

Only what the two files of XP Z12-013 use is known. Two of their own contradictions are passed over: a reason code is
"one of" a list of codes and any text, which no listed code can be, so `oneOf` is read as `anyOf`; and errorMessage,
a text, is null in the examples of the file itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from adapters import http
from adapters.conformance.encoding import instant

Description = Mapping[str, Any]
"""An OpenAPI description."""

DEPTH_LIMIT = 40
_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def complaint(description: Description, method: str, path: str, answer: http.Answer) -> str | None:
    """What of an answer is not as described; None: all is, or the operation is not described."""
    operation = description.get("paths", {}).get(path, {}).get(method.lower())
    if operation is None:
        return None
    responses = operation["responses"]
    found = responses.get(str(answer.status), responses.get("default"))
    if found is None:
        return f"HTTP {answer.status} ∉ {', '.join(responses)}"
    content = _followed(description, found).get("content")
    if not content:
        return None
    if answer.media_type not in content:
        return f"HTTP {answer.status}: {answer.media_type} ∉ {', '.join(content)}"
    schema = content[answer.media_type].get("schema")
    if schema is None:
        return None
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return f"HTTP {answer.status}: no JSON"
    first = next(_complaints(description, schema, value, ""), None)
    return None if first is None else f"HTTP {answer.status}: {first}"


def _followed(description: Description, node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        target: Any = description
        for step in str(node["$ref"]).removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def _complaints(description: Description, schema: Mapping[str, Any], value: Any, at: str) -> Iterator[str]:
    """Each place where the value is not as the schema says."""
    schema = _followed(description, schema)
    if at.count("/") > DEPTH_LIMIT:
        yield f"{at}: too deep"
        return
    if value is None and (schema.get("nullable") or at.endswith("/errorMessage")):
        return
    for part in schema.get("allOf", ()):
        yield from _complaints(description, part, value, at)
    choices = (*schema.get("anyOf", ()), *schema.get("oneOf", ()))
    if choices and all(any(_complaints(description, one, value, at)) for one in choices):
        yield f"{at or '/'}: none of the allowed forms"
    kind = schema.get("type")
    if kind is not None and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield f"{at or '/'}: {type(value).__name__} ≠ {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {_short(value)} ∉ {_short(', '.join(map(str, schema['enum'])))}"
    if isinstance(value, dict):
        yield from _members(description, schema, value, at)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{at}: {len(value)} < {schema['minItems']}"
        for place, one in enumerate(value):
            yield from _complaints(description, schema.get("items", {}), one, f"{at}/{place}")
    elif isinstance(value, str):
        yield from _text(schema, value, at)
    elif isinstance(value, int | float) and not (schema.get("minimum", value) <= value <= schema.get("maximum", value)):
        yield f"{at}: {value} ∉ {schema.get('minimum', '…')}…{schema.get('maximum', '…')}"


def _members(description: Description, schema: Mapping[str, Any], value: Mapping[str, Any], at: str) -> Iterator[str]:
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at or '/'}: {name} missing"
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from _complaints(description, inner, value[name], f"{at}/{name}")


def _text(schema: Mapping[str, Any], value: str, at: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{at}: {len(value)} signs > {schema.get('maxLength')}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at}: {_short(value)} ≁ {schema['pattern']}"
    if schema.get("format") == "date-time" and instant(value) is None:
        yield f"{at}: {_short(value)} is no date-time"
    if schema.get("format") == "uuid" and not _UUID.fullmatch(value):
        yield f"{at}: {_short(value)} is no uuid"


def _short(value: object) -> str:
    text = str(value)
    shown = "".join(sign if sign.isprintable() else "?" for sign in text)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
