"""The same key and the same request make one document, whatever else happens (RELIABILITY T10)."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from gateway.clock import SystemClock
from gateway.compute import Compute
from tests.conftest import Server
from tests.gateway.api.conftest import Api, answered, problem, serving, small

KEYS = st.sampled_from(["k", "K", "k-1", "~" * 255])
BODIES = st.sampled_from([small("one"), small("two"), small("three")])
BROKEN = st.sampled_from([(b"", 400), (b"<broken", 400), (b"plain", 415), (b'{"a": 1, "a": 2}', 400)])
WHO = st.sampled_from([0, 1])


async def test_fifty_at_once_make_one_document(api: Api) -> None:
    key = await api.key(await api.account())
    answers = await asyncio.gather(*(api.submit(key, small("once"), Idempotency_Key="fifty") for _ in range(50)))
    taken = [await answered(answer, 202) for answer in answers]
    assert len({document["id"] for document in taken}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    listed = await answered(await api.client.get("/v1/documents", headers=key), 200)
    assert len(listed["documents"]) == 1


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "\t"])
async def test_a_key_is_visible_ascii(api: Api, key: str) -> None:
    headers = await api.key(await api.account())
    await problem(await api.submit(headers, small("a"), Idempotency_Key=key), 400, "malformed")


async def test_without_a_key_each_submission_is_a_document(api: Api) -> None:
    key = await api.key(await api.account())
    one, two = [await answered(await api.submit(key, small("same")), 202) for _ in range(2)]
    assert one["id"] != two["id"]


class Machine(RuleBasedStateMachine):
    """Two accounts that use the same keys, well and badly; after each step the books hold what was promised."""

    runner: asyncio.Runner
    pool: Any
    compute: Compute
    folder: Path

    @initialize()
    def open(self) -> None:
        """Two new accounts on a served gateway."""
        self.stack = AsyncExitStack()
        self.known: dict[tuple[int, str], tuple[bytes, str]] = {}
        self.made: set[str] = set()
        self.run(self._serve())
        self.headers = [self.run(self._account(number)) for number in (0, 1)]

    def run(self, coroutine: Any) -> Any:
        """On the one loop of the test."""
        return self.runner.run(coroutine)

    async def _serve(self) -> None:
        self.api = await self.stack.enter_async_context(serving(self.pool, self.compute, SystemClock(), self.folder))

    async def _account(self, number: int) -> dict[str, str]:
        return await self.api.key(await self.api.account(number=number))

    @rule(who=WHO, key=KEYS, body=BODIES, times=st.sampled_from([1, 1, 1, 2, 5]))
    def submit(self, who: int, key: str, body: bytes, times: int) -> None:
        """Once, or several times at once."""
        self.run(self._submit(who, key, body, times))

    async def _submit(self, who: int, key: str, body: bytes, times: int) -> None:
        answers = await asyncio.gather(
            *(self.api.submit(self.headers[who], body, Idempotency_Key=key) for _ in range(times))
        )
        known = self.known.get((who, key))
        if known is not None and known[0] != body:
            for answer in answers:
                await problem(answer, 422, "key-reused")
            return
        ids = {(await answered(answer, 202))["id"] for answer in answers}
        assert len(ids) == 1
        if known is not None:
            assert ids == {known[1]}
            assert all(answer.headers["Idempotent-Replayed"] == "true" for answer in answers)
        else:
            assert not ids & self.made, "another account's or key's document"
            assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == times - 1
            self.known[who, key] = (body, *ids)
            self.made |= ids

    @rule(who=WHO, key=KEYS, broken=BROKEN)
    def refuse(self, who: int, key: str, broken: tuple[bytes, int]) -> None:
        """A refusal neither uses the key up nor changes what it made."""

        async def refused() -> None:
            answer = await self.api.submit(
                self.headers[who], broken[0], "application/octet-stream", Idempotency_Key=key
            )
            assert answer.status == broken[1], await answer.text()

        self.run(refused())

    @rule(who=WHO, key=KEYS, body=BODIES)
    def other_type(self, who: int, key: str, body: bytes) -> None:
        """The same bytes under another media type are another request."""
        known = self.known.get((who, key))
        if known is None or known[0] != body:
            return

        async def declared() -> None:
            await problem(
                await self.api.submit(self.headers[who], body, "text/xml", Idempotency_Key=key), 422, "key-reused"
            )

        self.run(declared())

    @rule()
    def restart(self) -> None:
        """A new gateway on the same database."""
        self.run(self.stack.aclose())
        self.stack = AsyncExitStack()
        self.run(self._serve())

    @invariant()
    def books(self) -> None:
        """Each account has the documents its keys made, and no other."""
        if not hasattr(self, "headers"):
            return

        async def listed(who: int) -> set[str]:
            answer = await self.api.client.get("/v1/documents?limit=200", headers=self.headers[who])
            return {document["id"] for document in (await answered(answer, 200))["documents"]}

        for who in (0, 1):
            promised = {document for (owner, _), (_, document) in self.known.items() if owner == who}
            assert self.run(listed(who)) == promised

    def teardown(self) -> None:
        """Stop serving."""
        if hasattr(self, "api"):
            self.run(self.stack.aclose())


@pytest.mark.slow
def test_sequences_of_submissions_keep_their_promise(server: Server, compute: Compute, tmp_path: Path) -> None:
    """500 sequences."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        name = f"estafette_idempotency_{os.getpid()}"
        runner.run(server.command(f"create database {name} template {server.template}"))
        pool = runner.run(server.pool(name))
        kind = type("Played", (Machine,), {"runner": runner, "pool": pool, "compute": compute, "folder": tmp_path})
        try:
            run_state_machine_as_test(kind, settings=settings(max_examples=500, stateful_step_count=8, deadline=None))
        finally:
            runner.run(pool.close())
            runner.run(server.command(f"drop database {name} with (force)"))
