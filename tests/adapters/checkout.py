"""A server that keeps to the documented contract of Stripe Checkout where it is used: forms, keys, errors, events."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

KEY = "sk_test_of_ours"
SECRET = "whsec_of_ours"


@dataclass
class Checkout:
    """What was asked of it, and how it misbehaves."""

    address: str = ""
    sessions: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)
    """Idempotency-Key → form and answer."""
    status: int = 200
    changes: dict[str, Any] = field(default_factory=dict)
    """Members of the answer that are other than they should be."""
    heads: list[dict[str, str]] = field(default_factory=list)

    async def make(self, request: web.Request) -> web.Response:
        """POST /v1/checkout/sessions."""
        body = await request.read()
        self.heads.append({name.lower(): value for name, value in request.headers.items()})
        if self.status != 200:
            error = {"type": "api_error", "code": "lock_timeout", "message": "account of Mrs X"}
            return web.json_response({"error": error}, status=self.status, headers={"Retry-After": "7"})
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"type": "invalid_request_error"}}, status=401)
        if request.content_type != "application/x-www-form-urlencoded":
            return web.json_response({"error": {"type": "invalid_request_error"}}, status=400)
        form = await request.post()
        key = request.headers["Idempotency-Key"]
        if key in self.sessions:
            before, answer = self.sessions[key]
            if before != body:
                return web.json_response({"error": {"type": "idempotency_error"}}, status=400)
            return web.json_response(answer, headers={"Idempotent-Replayed": "true"})
        number = len(self.sessions) + 1
        answer = {
            "id": f"cs_test_{number}",
            "object": "checkout.session",
            "url": f"https://checkout.stripe.example/c/pay/cs_test_{number}",
            "amount_total": int(str(form["line_items[0][price_data][unit_amount]"])),
            "currency": form["line_items[0][price_data][currency]"],
            "expires_at": int(str(form["expires_at"])),
            "client_reference_id": form["client_reference_id"],
            "payment_status": "unpaid",
            **self.changes,
        }
        self.sessions[key] = (body, answer)
        return web.json_response(answer)


@asynccontextmanager
async def checkout() -> AsyncIterator[Checkout]:
    """A running one."""
    made = Checkout()
    application = web.Application()
    application.router.add_post("/v1/checkout/sessions", made.make)
    async with TestServer(application, host="127.0.0.1") as server:
        made.address = f"http://127.0.0.1:{server.port}"
        yield made


def event(kind: str, thing: dict[str, Any], identifier: str = "evt_1", created: int = 1_795_600_800) -> bytes:
    """An event as Stripe posts it."""
    members = {"id": identifier, "object": "event", "type": kind, "created": created, "data": {"object": thing}}
    return json.dumps(members).encode()


def paid(document: str, amount: int = 12_000, currency: str = "eur", session: str = "cs_test_1") -> dict[str, Any]:
    """A session that is paid."""
    return {
        "id": session, "object": "checkout.session", "amount_total": amount, "currency": currency,
        "payment_status": "paid", "client_reference_id": document, "metadata": {"document": document},
    }  # fmt: skip


def signature(body: bytes, at: int, secret: str = SECRET, scheme: str = "v1") -> str:
    """The Stripe-Signature of a body."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},{scheme}={signed}"
