"""The contract as it is served: openapi.yaml with the invoice's schema put in, and a page to read and try it.

The page is ours because the Swagger UI that PyPI carries (4.15) cannot show OpenAPI 3.1. It comes from this package,
loads nothing from elsewhere and runs under a policy that would stop it from doing so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import yaml
from aiohttp import web

from gateway.api.problems import Handler
from schemas import json_form
from schemas.invoicing import Dispatch
from schemas.order import Order
from schemas.payment_terms import Terms

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = {
    "page.html": "text/html; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
}
_FORMS: Mapping[str, tuple[type[Any], str]] = {
    "Order": (Order, "An order. What its invoices need and it does not say, the calls that deliver it may."),
    "Dispatch": (Dispatch, "What was delivered of an order, and what its invoice says besides; invoice has no lines."),
    "PaymentTerms": (Terms, "What was agreed on paying; what is left out is as the law has it."),
}
"""Dataclasses whose JSON form an address takes, beside the invoice."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text that never changes while the process lives."""

    media_type: str
    data: bytes
    tag: str


def contract() -> dict[str, Any]:
    """The hand-written description as it stands in the file."""
    written: dict[str, Any] = yaml.safe_load((files("gateway.api") / "openapi.yaml").read_text(encoding="utf-8"))
    return written


def described() -> dict[str, Any]:
    """The description with the JSON forms of invoices, orders and deliveries as the components it refers to."""
    description = contract()
    schemas = description["components"]["schemas"]
    schemas.update(_components("Invoice", json_form.json_schema()))
    for name, (cls, says) in _FORMS.items():
        schemas.update(_components(name, json_form.form_schema(cls, says, partial=True)))
    return description


async def as_json(request: web.Request) -> web.Response:
    """The description as JSON."""
    return _answer(request, _json())


async def as_yaml(request: web.Request) -> web.Response:
    """The description as YAML."""
    return _answer(request, _yaml())


async def invoice_schema(request: web.Request) -> web.Response:
    """The JSON Schema of the JSON form of an invoice, as it stands by itself."""
    return _answer(request, _invoice_schema())


async def page(request: web.Request) -> web.Response:
    """The page to read and try it."""
    return _answer(request, _file("page.html"))


def part(name: str) -> Handler:
    """A handler for a script or style of the page."""

    async def handler(request: web.Request) -> web.Response:
        return _answer(request, _file(name))

    return handler


def _components(of: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema with definitions of its own as components of OpenAPI."""
    root = {name: value for name, value in schema.items() if name not in ("$schema", "$id", "$defs")}
    named = {f"{of}.{name}": value for name, value in schema.get("$defs", {}).items()}
    return {name: _redirected(of, value) for name, value in {of: root, **named}.items()}


def _redirected(of: str, value: Any) -> Any:
    match value:
        case {"$ref": str() as reference, **others} if reference.startswith("#/$defs/"):
            name = reference.removeprefix("#/$defs/")
            return {"$ref": f"#/components/schemas/{of}.{name}", **{k: _redirected(of, v) for k, v in others.items()}}
        case dict():
            # A default of null where null is not allowed means that the member may be left out, which `required` says.
            members = {name: member for name, member in value.items() if name != "default" or member is not None}
            return {name: _redirected(of, member) for name, member in members.items()}
        case list():
            return [_redirected(of, member) for member in value]
        case _:
            return value


@cache
def _json() -> Shown:
    return _shown("application/json", json.dumps(described(), ensure_ascii=False, default=str).encode())


@cache
def _invoice_schema() -> Shown:
    return _shown("application/schema+json", json.dumps(json_form.json_schema(), ensure_ascii=False).encode())


@cache
def _yaml() -> Shown:
    text = yaml.safe_dump(described(), allow_unicode=True, sort_keys=False, width=120)
    return _shown("application/yaml", text.encode())


@cache
def _file(name: str) -> Shown:
    return _shown(_PAGE[name], (files("gateway.api") / "page" / name).read_bytes())


def _shown(media_type: str, data: bytes) -> Shown:
    return Shown(media_type, data, f'"{sha256(data).hexdigest()[:32]}"')


def _answer(request: web.Request, shown: Shown) -> web.Response:
    headers = {
        "ETag": shown.tag,
        "Cache-Control": "no-cache",
        "Content-Security-Policy": _POLICY,
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if shown.tag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=shown.data, headers={**headers, "Content-Type": shown.media_type})
