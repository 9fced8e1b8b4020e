"""A witness of transparency logs, written from C2SP tlog-witness and tlog-cosignature: it keeps what it saw of a tree,
checks consistency by a recursion of its own, and cosigns.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signing import checkpoint
from signing.checkpoint import NotProved, Verifier, Witness
from tests.bench.stage import free_port

TIME = 1_795_608_000
"""Seconds; 25 November 2026."""


@dataclass
class Observer:
    """The witness."""

    url: str
    host: str
    logs: tuple[Verifier, ...]
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    seen: tuple[int, bytes] = (0, b"")
    """Leaves and root it cosigned last."""
    status: int = 0

    @property
    def public(self) -> Witness:
        """Its public key."""
        return Witness("witness.example.org", self.key.public_key().public_bytes_raw())

    async def answer(self, request: web.Request) -> web.Response:
        """add-checkpoint."""
        text = await request.text()
        if self.status:
            return web.Response(status=self.status)
        head, _, note = text.partition("\n\n")
        first, *proof = head.split("\n")
        old = int(first.removeprefix("old "))
        try:
            told = checkpoint.read(note, self.logs)
        except NotProved:
            return web.Response(status=403)
        if old > told.size:
            return web.Response(status=400)
        size, root = self.seen
        if old != size:
            return web.Response(status=409, text=f"{size}\n", content_type="text/x.tlog.size")
        if old == told.size and root != told.root:
            return web.Response(status=409)
        steps = [base64.b64decode(line) for line in proof]
        if 0 < old < told.size and not _begins(old, told.size, (root, told.root), steps):
            return web.Response(status=422)
        self.seen = told.size, told.root
        return web.Response(text=self._cosigned(note.partition("\n\n")[0] + "\n") + "\n")

    def _cosigned(self, body: str) -> str:
        signature = self.key.sign(f"cosignature/v1\ntime {TIME}\n{body}".encode())
        raw = self.public.key_id + TIME.to_bytes(8, "big") + signature
        return f"— {self.public.name} {base64.b64encode(raw).decode()}"


def _begins(old: int, new: int, roots: tuple[bytes, bytes], proof: list[bytes]) -> bool:
    """Whether the tree of `new` leaves begins with that of `old`: the recursion of RFC 6962, 2.1.2, from the bottom."""
    left = list(proof)

    def sub(m: int, n: int, whole: bool) -> tuple[bytes, bytes]:
        """The roots of the first m and of all n leaves of a part; the whole old tree's root is known."""
        if m == n:
            node = roots[0] if whole else left.pop(0)
            return node, node
        k = 1
        while k * 2 < n:
            k *= 2
        if m <= k:
            before, after = sub(m, k, whole)
            return before, _join(after, left.pop(0))
        before, after = sub(m - k, n - k, False)
        node = left.pop(0)
        return _join(node, before), _join(node, after)

    try:
        return sub(old, new, True) == roots and not left
    except IndexError:
        return False


def _join(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@asynccontextmanager
async def observer(*logs: Verifier) -> AsyncIterator[Observer]:
    """A witness on a free port of the loopback."""
    port = free_port()
    made = Observer(f"http://127.0.0.1:{port}/w", f"127.0.0.1:{port}", logs)
    application = web.Application()
    application.router.add_post("/w/add-checkpoint", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield made
    finally:
        await runner.cleanup()
