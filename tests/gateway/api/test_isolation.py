"""Whatever accounts do, no answer bears a mark of another account (RELIABILITY T31)."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvloop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from stdnum.fr import siret

from gateway.api.application import ROUTES
from gateway.clock import SystemClock
from gateway.compute import Compute
from tests.conftest import Server
from tests.gateway.api.conftest import SIRENS, digest, sample, serving, small

READS = sorted(route.path for route in ROUTES if route.method == "GET" and route.scope is not None)
WHO = st.integers(0, 2)
DIRECTORY: Mapping[str, Callable[[int], str]] = {
    "siren": lambda of: SIRENS[of],
    "siret": lambda of: next(f"{SIRENS[of]}{n:05}" for n in range(1, 99) if siret.is_valid(f"{SIRENS[of]}{n:05}")),
    "routingIdentifier": lambda _: "CODE",
    "addressingIdentifier": lambda of: SIRENS[of],
}
"""Keys of the directory, by the account whose they are."""
DECLARED = {"facilities/{siret}": True, "routing-codes/{siret}/CODE": True, "lines/{siren}_{siret}": False,
            "lines/{siren}_{siret}_CODE": False, "lines/{siren}_SUFFIX": False}  # fmt: skip
"""What is declared, and whether it has a name."""
FORMS = st.sampled_from(["", "?as=submission", "?as=cii", "?as=json", "?as=original"])
QUERY = st.sampled_from(["", "?limit=1", "?limit=200", "?halted=false", "?cursor=", "?after="])


class Life(RuleBasedStateMachine):
    """Three accounts live side by side; every answer is scanned for marks of the others."""

    runner: asyncio.Runner
    pool: Any
    compute: Compute
    folder: Path

    @initialize()
    def open(self) -> None:
        """Three new accounts on one gateway."""
        self.stack = AsyncExitStack()
        self.marks: list[set[str]] = [set(), set(), set()]
        self.ids: list[list[str]] = [[], [], []]
        self.orders: list[list[str]] = [[], [], []]
        self.cursors: list[str] = []
        self.keys = self.runner.run(self._open())

    async def _open(self) -> list[dict[str, str]]:
        self.api = await self.stack.enter_async_context(serving(self.pool, self.compute, SystemClock(), self.folder))
        keys = []
        for who in range(3):
            account = await self.api.account(number=who)
            key = await self.api.key(account)
            self.marks[who] |= {str(account.id), account.name, SIRENS[who]}
            self.marks[who].add(key["Authorization"].split()[1].split(".")[0])
            keys.append(key)
        return keys

    def ask(self, who: int, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """One request of an account; its whole answer must be free of the others."""

        async def asked() -> tuple[int, str]:
            headers = {**self.keys[who], **more.pop("headers", {})}
            answer = await self.api.client.request(method, path, headers=headers, **more)
            return (
                answer.status,
                f"{sorted(answer.headers.items())}\n{(await answer.read()).decode('utf-8', 'replace')}",
            )

        status, text = self.runner.run(asked())
        told = text
        for named in [path, *(str(value) for value in (more.get("json") or {}).values())]:
            for part in named.replace("?", "/").split("/"):
                told = told.replace(part, "") if part else told
        for other in range(3):
            if other != who:
                seen = [mark for mark in self.marks[other] if mark in told]
                assert not seen, f"account {who} reads {seen} of account {other} from {method} {path}"
        body = text.partition("\n")[2]
        return status, json.loads(body) if body.startswith("{") else {}

    def identifier(self, of: int, choice: int) -> str:
        """An id of an account, or of nobody."""
        return self.ids[of][choice % len(self.ids[of])] if self.ids[of] else str(uuid4())

    @rule(who=WHO, key=st.sampled_from(["", "shared", "other"]))
    def submit(self, who: int, key: str) -> None:
        """A document with marks of its own; keys are the same in all accounts."""
        mark = f"mark-{who}-{key or uuid4()}"
        data = small(mark)
        headers = {"Content-Type": "application/xml", **({"Idempotency-Key": key} if key else {})}
        status, told = self.ask(who, "POST", "/v1/documents", data=data, headers=headers)
        assert status == 202
        self.marks[who] |= {told["id"], digest(data), mark}
        if told["id"] not in self.ids[who]:
            self.ids[who].append(told["id"])

    @rule(who=WHO, of=WHO, path=st.sampled_from(READS), choice=st.integers(0, 9), form=FORMS, query=QUERY)
    def read(self, who: int, of: int, path: str, choice: int, form: str, query: str) -> None:
        """Read anything, of anybody."""
        owned = "{id}" in path
        end = form if path == "/v1/documents/{id}/content" else "" if owned or path == "/v1/account" else query
        if end in ("?cursor=", "?after="):
            end = end + self.cursors[choice % len(self.cursors)] if self.cursors else ""
        ids = self.orders if path.startswith("/v1/orders") else self.ids
        named = ids[of][choice % len(ids[of])] if ids[of] else str(uuid4())
        address = path.replace("{id}", named).replace("{delivery}", self.identifier(of, choice))
        address = re.sub(
            r"\{(siren|siret|routingIdentifier|addressingIdentifier)\}", lambda key: DIRECTORY[key[1]](of), address
        )
        status, told = self.ask(who, "GET", address + end)
        if (owned or "/afnor-directory/" in path) and "{" in path and of != who:
            assert status == 404
        if isinstance(told.get("cursor"), str):
            self.cursors.append(told["cursor"])
        assert status != 500

    @rule(who=WHO, of=WHO, path=st.sampled_from(list(DECLARED)), drop=st.booleans())
    def declare(self, who: int, of: int, path: str, drop: bool) -> None:
        """Declare something of anybody's legal entity, with a mark in it, or withdraw it."""
        address = "/v1/directory/" + path.format(siren=SIRENS[of], siret=DIRECTORY["siret"](of))
        if drop:
            status, _ = self.ask(who, "DELETE", address)
            assert status in ((404,) if of != who else (204, 404, 409))
            return
        mark = f"declared-{who}-{of}"
        self.marks[who].add(mark)
        status, _ = self.ask(who, "PUT", address, json={"name": mark} if DECLARED[path] else {})
        assert status in ((403,) if of != who else (200, 201, 409))

    @rule(who=WHO, kind=st.sampled_from(["siren", "siret", "routing-code", "directory-line"]))
    def directory(self, who: int, kind: str) -> None:
        """Search the whole directory: the own entities stand in it, and no other's."""
        include = [] if kind == "siren" else ["siren"]
        asked = {"limit": 1000, "include": include}
        status, told = self.ask(who, "POST", f"/afnor-directory/v1/{kind}/search", json=asked)
        assert status == 200
        assert told["totalNumberOfResults"] == len(told["results"])
        if kind == "siren":
            assert [one["siren"] for one in told["results"]] == [SIRENS[who]]

    @rule(who=WHO, key=st.sampled_from(["", "shared"]))
    def order(self, who: int, key: str) -> None:
        """An order with a mark of its own from the same buyer; keys are the same in all accounts."""
        mark = f"order-{who}-{key or uuid4()}"
        members = {**json.loads(sample("order/order.json")), "number": mark}
        headers = {"Idempotency-Key": key} if key else {}
        status, told = self.ask(who, "POST", "/v1/orders", json=members, headers=headers)
        assert status == 201
        self.marks[who] |= {told["id"], mark}
        if told["id"] not in self.orders[who]:
            self.orders[who].append(told["id"])

    @rule(who=WHO, of=WHO, choice=st.integers(0, 9))
    def close(self, who: int, of: int, choice: int) -> None:
        """Close an order, anybody's."""
        named = self.orders[of][choice % len(self.orders[of])] if self.orders[of] else str(uuid4())
        status, _ = self.ask(who, "POST", f"/v1/orders/{named}/close")
        assert status == (404 if of != who or not self.orders[of] else 200)

    @rule(who=WHO, of=WHO, choice=st.integers(0, 9))
    def pay(self, who: int, of: int, choice: int) -> None:
        """Report a payment, for anybody's document."""
        payment = {"amount": "1.00", "currency": "EUR", "paid_on": "2026-11-24"}
        status, _ = self.ask(who, "POST", f"/v1/documents/{self.identifier(of, choice)}/payments", json=payment)
        assert status == (404 if of != who or not self.ids[of] else 409)

    @rule(who=WHO, of=WHO)
    def act_for(self, who: int, of: int) -> None:
        """Submit in the name of anybody's legal entity."""
        headers = {"Organization-Id": SIRENS[of], "Content-Type": "application/xml"}
        status, told = self.ask(who, "POST", "/v1/documents", data=small(f"named-{who}"), headers=headers)
        assert status == (202 if of == who else 403)
        if status == 202:
            self.marks[who].add(told["id"])
            self.ids[who].append(told["id"])

    @rule(who=WHO, of=WHO)
    def revoke(self, who: int, of: int) -> None:
        """End a credential of another account."""
        if who != of:
            public_id = self.keys[of]["Authorization"].split()[1].split(".")[0]
            status, _ = self.ask(who, "DELETE", f"/v1/account/credentials/{public_id}")
            assert status == 404

    @rule(who=WHO)
    def books(self, who: int) -> None:
        """The own list and feed are whole."""
        _, listed = self.ask(who, "GET", "/v1/documents?limit=200")
        assert {document["id"] for document in listed["documents"]} == set(self.ids[who])
        _, kept = self.ask(who, "GET", "/v1/orders?limit=200")
        assert {order["id"] for order in kept["orders"]} == set(self.orders[who])
        _, fed = self.ask(who, "GET", "/v1/events?limit=200")
        assert {event["document"] for event in fed["events"]} == set(self.ids[who])

    def teardown(self) -> None:
        """Stop serving."""
        if hasattr(self, "api"):
            self.runner.run(self.stack.aclose())


def _played(kind: type[RuleBasedStateMachine], members: Sequence[tuple[str, Any]]) -> type[RuleBasedStateMachine]:
    return type("Played", (kind,), dict(members))


@pytest.mark.slow
def test_no_answer_bears_a_mark_of_another_account(server: Server, compute: Compute, tmp_path: Path) -> None:
    """300 lives."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        name = f"estafette_isolation_{os.getpid()}"
        runner.run(server.command(f"create database {name} template {server.template}"))
        pool = runner.run(server.pool(name))
        members = [("runner", runner), ("pool", pool), ("compute", compute), ("folder", tmp_path)]
        try:
            run_state_machine_as_test(
                _played(Life, members), settings=settings(max_examples=300, stateful_step_count=12, deadline=None)
            )
        finally:
            runner.run(pool.close())
            runner.run(server.command(f"drop database {name} with (force)"))
