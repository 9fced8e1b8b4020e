"""Whatever is delivered, in whatever parts and however often it is said: never more is invoiced than was ordered."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gateway.clock import SystemClock
from gateway.compute import Compute
from schemas import json_form
from tests.conftest import Server
from tests.gateway.api.conftest import sample, serving

ORDERED = {"10": Decimal(4), "20": Decimal(120), "30": Decimal("2.5")}
SAID = {
    "due_date": "2026-12-24",
    "payment": {"transfers": [{"account": "FR7630006000011234567890189"}]},
}


class Life(RuleBasedStateMachine):
    """One order, delivered by somebody who forgets, repeats and exaggerates; and what must hold meanwhile."""

    runner: asyncio.Runner
    pool: Any
    compute: Compute
    folder: Path
    number = 0

    @initialize()
    def hand_in(self) -> None:
        """An order of an account of its own."""
        self.stack = AsyncExitStack()
        self.delivered = dict.fromkeys(ORDERED, Decimal(0))
        self.keys: dict[str, tuple[Any, str]] = {}
        self.documents: list[str] = []
        self.closed = False
        self.runner.run(self._open())

    async def _open(self) -> None:
        self.api = await self.stack.enter_async_context(serving(self.pool, self.compute, SystemClock(), self.folder))
        self.key = await self.api.key(await self.api.account())
        headers = {**self.key, "Content-Type": "application/xml"}
        made = await self.api.client.post("/v1/orders", data=sample("order/order-x-comfort.xml"), headers=headers)
        assert made.status == 201
        self.order: str = (await made.json())["links"]["self"]

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, dict[str, Any]]:
        async def asked() -> tuple[int, dict[str, Any]]:
            headers = {**self.key, **({"Idempotency-Key": key} if key else {})}
            answer = await self.api.client.request(method, path, json=body, headers=headers)
            return answer.status, await answer.json()

        return self.runner.run(asked())

    @rule(
        lines=st.dictionaries(
            st.sampled_from(sorted(ORDERED)), st.sampled_from(["0.5", "1", "2.5", "40", "all"]), max_size=3
        ),
        more=st.booleans(),
        key=st.sampled_from(["", "a", "b"]),
    )
    def deliver(self, lines: dict[str, str], more: bool, key: str) -> None:
        """Deliver some lines, or with none all that remains."""
        body: dict[str, Any] = {"date": "2026-11-23", "invoice": SAID}
        if lines:
            body["lines"] = [
                {"line": line, **({} if quantity == "all" else {"quantity": quantity})}
                for line, quantity in sorted(lines.items())
            ]
        if more:
            body["allow_over_delivery"] = True
        status, told = self.ask("POST", f"{self.order}/deliveries", body, key)
        if key in self.keys:
            known, document = self.keys[key]
            assert status == (201 if known == body else 422)
            if status == 201:
                assert told["invoice"]["document"] == document
            return
        left = {line: max(Decimal(0), ORDERED[line] - done) for line, done in self.delivered.items()}
        wanted = {line: left[line] if quantity == "all" else Decimal(quantity) for line, quantity in lines.items()}
        if not lines:
            wanted = {line: rest for line, rest in left.items() if rest}
        possible = bool(wanted) and all(wanted.values()) and not self.closed
        possible = possible and (more or all(quantity <= left[line] for line, quantity in wanted.items()))
        assert status == (201 if possible else 409 if self.closed else 422), told
        if not possible:
            return
        assert {line["line"]: Decimal(line["quantity"]) for line in told["lines"]} == wanted
        for line, quantity in wanted.items():
            self.delivered[line] += quantity
        self.documents.append(told["invoice"]["document"])
        if key:
            self.keys[key] = (body, told["invoice"]["document"])

    @rule(really=st.sampled_from([False, False, False, True]))
    def close(self, really: bool) -> None:
        """Give up what remains."""
        if really:
            status, told = self.ask("POST", f"{self.order}/close")
            assert status == 200
            self.closed = told["state"] == "closed"

    @invariant()
    def the_books_hold(self) -> None:
        """What remains, what was invoiced and the numbers of the invoices follow from what was delivered."""
        if not hasattr(self, "order"):
            return
        _, whole = self.ask("GET", self.order)
        shown = {line["line"]: Decimal(line["delivered"]) for line in whole["lines"]}
        assert shown == self.delivered
        done = all(self.delivered[line] >= quantity for line, quantity in ORDERED.items())
        assert whole["state"] == ("closed" if self.closed else "delivered" if done else "open")
        assert [one["invoice"]["document"] for one in whole["deliveries"]] == self.documents
        numbers = [int(one["invoice"]["number"][-6:]) for one in whole["deliveries"]]
        assert numbers == list(range(1, len(numbers) + 1))
        invoiced = dict.fromkeys(ORDERED, Decimal(0))
        allowed = Decimal(0)
        for document in self.documents:
            invoice = json_form.read(self.runner.run(self._submitted(document)))
            allowed += invoice.totals.allowances or Decimal(0)
            for line in invoice.lines:
                invoiced[line.order_line] += line.quantity or Decimal(0)
        assert invoiced == self.delivered
        assert allowed == Decimal(100) if done else allowed <= Decimal(100)

    async def _submitted(self, document: str) -> bytes:
        path = f"/v1/documents/{document}/content?as=submission"
        return await (await self.api.client.get(path, headers=self.key)).read()

    def teardown(self) -> None:
        """Stop serving."""
        if hasattr(self, "api"):
            self.runner.run(self.stack.aclose())


def _played(kind: type[RuleBasedStateMachine], members: Sequence[tuple[str, Any]]) -> type[RuleBasedStateMachine]:
    return type("Played", (kind,), dict(members))


def test_deliveries_and_what_remains(server: Server, compute: Compute, tmp_path: Path) -> None:
    """A few lives; ESTAFETTE_TEST_LIVES makes them more."""
    lives = int(os.environ.get("ESTAFETTE_TEST_LIVES", "5"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        name = f"estafette_orders_{os.getpid()}"
        runner.run(server.command(f"create database {name} template {server.template}"))
        pool = runner.run(server.pool(name))
        members = [("runner", runner), ("pool", pool), ("compute", compute), ("folder", tmp_path)]
        try:
            run_state_machine_as_test(
                _played(Life, members), settings=settings(max_examples=lives, stateful_step_count=10, deadline=None)
            )
        finally:
            runner.run(pool.close())
            runner.run(server.command(f"drop database {name} with (force)"))
