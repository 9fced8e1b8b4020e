"""Kill the gateway at random points while clients submit, and count what is lost (RELIABILITY T1).

Four clients submit invoices under load and retry each with the same Idempotency-Key until it is acknowledged. The
gateway is killed with SIGKILL at random moments; now and then its PostgreSQL is killed too. At the end it runs
undisturbed until nothing is pending. Then: every acknowledged document exists; each was delivered exactly once after
deduplication by consignment id; the SHA-256 accepted, archived and delivered is the same; every chain holds and the
books balance.

    python -m tests.bench.kill --kills 1000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import aiohttp

from gateway.commands import demo_invoices
from gateway.store.placement import KEPT, discard
from tests.bench.stage import Stage, build

CLIENTS = 4
DATABASE_EVERY = 8
"""Every so many kills, the database's own server is killed first."""


@dataclass
class Tally:
    """What the clients were told."""

    seed: int
    kills: int = 0
    database_kills: int = 0
    attempts: int = 0
    acknowledged: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Document id → (invoice number, SHA-256 of the bytes sent)."""
    replayed: int = 0


@dataclass(frozen=True)
class Result:
    """What came out at the end."""

    seed: int
    kills: int
    database_kills: int
    acknowledged: int
    lost: int
    undelivered: int
    delivered_twice: int
    altered: int
    transport_duplicates: int
    unknown: int
    """Deliveries at the platform that belong to no acknowledged document: their answer was lost, then replayed."""
    audit_clean: bool
    seconds: float

    @property
    def passed(self) -> bool:
        """Nothing lost, nothing doubled, nothing altered."""
        return self.audit_clean and not (self.lost or self.undelivered or self.delivered_twice or self.altered)


async def run(folder: Path, kills: int, seed: int) -> Result:
    """Play it and count."""
    started = time.monotonic()
    chance = random.Random(seed)
    stage = await build(folder)
    try:
        await stage.gateway.start()
        account = await stage.account("Kill test", "--siren", demo_invoices.SELLER_SIREN,
                                      "--rules", "en16931", "--original", "as_submitted")  # fmt: skip
        tally = Tally(seed)
        stop = asyncio.Event()
        clients = [asyncio.create_task(_client(stage, account, tally, stop, number)) for number in range(CLIENTS)]
        for _ in range(kills):
            await _moment(chance, tally)
            if (tally.kills + 1) % DATABASE_EVERY == 0 and _kill_database(folder / "gateway"):
                tally.database_kills += 1
            await stage.gateway.kill()
            tally.kills += 1
            await stage.gateway.start()
        stop.set()
        await asyncio.gather(*clients)
        await _settle(stage, account, tally)
        return await _count(stage, account, tally, time.monotonic() - started)
    finally:
        await stage.close()
        discard(folder / "gateway")


async def _moment(chance: random.Random, tally: Tally) -> None:
    """When to kill: one time in five at once, while it starts; else at a random moment once it acknowledges again."""
    if chance.random() < 0.2:
        await asyncio.sleep(chance.uniform(0, 0.5))
        return
    before, deadline = len(tally.acknowledged), time.monotonic() + 10
    while len(tally.acknowledged) == before and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    await asyncio.sleep(chance.uniform(0, 1.0))


async def _client(stage: Stage, account: dict[str, str], tally: Tally, stop: asyncio.Event, number: int) -> None:
    """Submit one invoice after the other; the same key and bytes until acknowledged."""
    template = demo_invoices.invoice("NUMBER", demo_invoices.buyer_that_accepts())
    written = demo_invoices.written(template, "cii")
    headers = {"Authorization": f"Bearer {account['api_key']}", "Content-Type": "application/xml"}
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
        count = 0
        while not stop.is_set():
            count += 1
            name = f"K{number}-{count:06}"
            data = written.replace(b"NUMBER", name.encode())
            await _insist(session, stage.url, tally, name, data)
            await asyncio.sleep(0.05)


async def _insist(session: aiohttp.ClientSession, url: str, tally: Tally, name: str, data: bytes) -> None:
    while True:
        tally.attempts += 1
        with suppress(aiohttp.ClientError, TimeoutError, ConnectionError):
            async with session.post(f"{url}/v1/documents", data=data, headers={"Idempotency-Key": name}) as answer:
                if answer.status == 202:
                    document = (await answer.json())["id"]
                    tally.acknowledged[document] = (name, sha256(data).hexdigest())
                    tally.replayed += answer.headers.get("Idempotent-Replayed") == "true"
                    return
                if answer.status not in (429, 503):
                    raise AssertionError(f"{answer.status}: {(await answer.text())[:500]}")
        await asyncio.sleep(0.1)


def _kill_database(data: Path) -> bool:
    """SIGKILL to the postmaster of the embedded cluster, by the id in its own file."""
    elsewhere = data / KEPT
    home = Path(elsewhere.read_text().strip()) if elsewhere.exists() else data
    try:
        process = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(process, signal.SIGKILL)
    except (OSError, ValueError, IndexError):
        return False
    return True


async def _settle(stage: Stage, account: dict[str, str], tally: Tally) -> None:
    """Let it run undisturbed until every acknowledged document is delivered, or nothing moves any more."""
    headers = {"Authorization": f"Bearer {account['api_key']}"}
    deadline = time.monotonic() + 120 + 0.2 * len(tally.acknowledged)
    async with aiohttp.ClientSession(stage.url, headers=headers) as session:
        waiting = set(tally.acknowledged)
        while waiting and time.monotonic() < deadline:
            for document in list(waiting):
                async with session.get(f"/v1/documents/{document}") as answer:
                    body = await answer.json() if answer.status == 200 else {}
                if body.get("halted") or body.get("stage") in ("delivered", "acknowledged", "settled"):
                    waiting.discard(document)
                else:
                    break
            await asyncio.sleep(0.2)


async def _count(stage: Stage, account: dict[str, str], tally: Tally, seconds: float) -> Result:
    headers = {"Authorization": f"Bearer {account['api_key']}"}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{stage.platform_url}/simulator/deliveries") as answer:
            deliveries = (await answer.json())["deliveries"]
        by_hash: dict[str, list[str]] = {}
        for delivery in deliveries:
            by_hash.setdefault(delivery["sha256"], []).append(delivery["trackingId"])
        lost = undelivered = twice = altered = 0
        for document, (_, digest) in tally.acknowledged.items():
            async with session.get(
                f"{stage.url}/v1/documents/{document}/content?as=original", headers=headers
            ) as answer:
                if answer.status != 200:
                    lost += 1
                    continue
                kept = sha256(await answer.read()).hexdigest()
            altered += kept != digest
            tracks = by_hash.get(digest, [])
            undelivered += not tracks
            twice += len(set(tracks)) > 1
    known = {digest for _, digest in tally.acknowledged.values()}
    audits = [json.loads(line) for line in (await stage.once("audit", "--format", "json")).splitlines()]
    return Result(
        seed=tally.seed,
        kills=tally.kills,
        database_kills=tally.database_kills,
        acknowledged=len(tally.acknowledged),
        lost=lost,
        undelivered=undelivered,
        delivered_twice=twice,
        altered=altered,
        transport_duplicates=sum(delivery["duplicates"] for delivery in deliveries),
        unknown=len(set(by_hash) - known),
        audit_clean=all(one["clean"] for one in audits),
        seconds=round(seconds, 1),
    )


def main() -> int:
    """Run from the command line; exit 1 when anything was lost, doubled or altered."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=1000)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    given = options.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="estafette-kill-") as folder:
        result = asyncio.run(run(Path(folder), given.kills, given.seed))
    print(result)
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
