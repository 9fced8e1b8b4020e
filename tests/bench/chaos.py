"""Exactly once under chaos: a platform that does everything wrong, workers that are killed, and then a count.

Two gateways take invoices from clients that retry with the same Idempotency-Key; two worker programs beside them walk
the documents down the line and are killed with SIGKILL in between, by turns; the platform plays every fault of
`adapters.platform.chaos`, drawn from the seed. Among the documents one is poisoned: its delivery is never answered.

Then it is counted, from outside: what clients were told, what the platform holds, what the API shows, and what
`estafette audit` says of all of it. Every document but the poisoned one must be at its end, and the right one.

    python -m tests.bench.chaos --documents 10000 --kills 50
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from gateway.commands import demo_invoices
from gateway.store.embedded import Cluster
from schemas.formats import cdar
from tests.bench.stage import Program, Stage, build, free_port

OUT = Path("bench-out") / "chaos.json"
CLIENTS = 6
AHEAD = 200
"""Documents that are admitted and not delivered, at most: clients wait, so that delays mean something."""
SELLERS = (demo_invoices.SELLER_SIREN, "100000116")
"""Each is an account of its own."""
POISON = "100000355"
"""The buyer whose deliveries are never answered."""
NEIGHBOURS = 20
"""Documents admitted right after the poisoned one, whose delay is held against that of all."""
PATIENCE = 1_200.0
"""Seconds that the last documents have to come to their end."""

REFUSED, BY_PLATFORM = "refused by the network", "refused by the platform"


@dataclass(frozen=True, slots=True)
class End:
    """How a document must end."""

    code: str
    """The status that counts; empty: there is none."""
    halted: str = ""
    """How the reason begins for which it ends; empty: it goes on."""
    delivered: bool = True


ENDS: Mapping[str, tuple[int, End]] = {
    "100000207": (20, End("211")),
    "100000215": (4, End("210", "refused by the other side")),
    "100000223": (4, End("207")),
    "100000231": (4, End("203")),
    "100000249": (1, End("211")),
    "100000256": (0, End("211")),
    "100000264": (0, End("211")),
    "100000272": (2, End("211")),
    "100000280": (2, End("213", "rejected by the other side")),
    "100000298": (2, End("211")),
    "100000306": (4, End("211")),
    "100000322": (1, End("", REFUSED, delivered=False)),
    "100000330": (1, End("", BY_PLATFORM)),
    "100000348": (2, End("205")),
}
"""By the buyer's SIREN: how often it is drawn, and how its documents end.

Those that turn each call away twice are never drawn: chaos does the same to anybody, and their third attempts, ten
minutes later, would be most of the time this takes.
"""


@dataclass
class Tally:
    """What was sent, and what the clients were told."""

    seed: int
    documents: int
    buyers: list[str]
    """The buyer of each document, by its place."""
    poisoned: int
    """The place of the poisoned one."""
    accounts: list[dict[str, str]] = field(default_factory=list)
    acknowledged: dict[str, int] = field(default_factory=dict)
    """Document id → its place."""
    digests: dict[int, str] = field(default_factory=dict)
    """Place → SHA-256 of the bytes sent."""
    attempts: int = 0
    delivered: int = 0
    kills: int = 0

    def account(self, place: int) -> dict[str, str]:
        """Whose document this is."""
        return self.accounts[place % len(self.accounts)]


@dataclass(frozen=True)
class Result:
    """What came out."""

    seed: int
    documents: int
    kills: int
    acknowledged: int
    lost: int
    """Acknowledged, and not there, or with other bytes, or never handed over though it should have been."""
    delivered_twice: int
    """Content that stands at the platform under more than one id."""
    said_delivered: int
    """Shown as delivered, and the platform has it not."""
    not_final: int
    """Still on its way when patience ended, the poisoned one left out."""
    wrong: int
    """At an end that is not the right one."""
    uncalled: int
    """At the platform, though nobody was told that it was taken."""
    poisoned_waits: bool
    delay: Mapping[str, float]
    """Seconds from received to delivered: of all (p50, p95, max), and the median of those behind the poisoned one."""
    transport_duplicates: int
    struck: Mapping[str, int]
    """How often each fault struck."""
    audit_clean: bool
    seconds: float
    examples: Sequence[str] = ()
    """A few of what is wrong."""

    @property
    def passed(self) -> bool:
        """Nothing lost, doubled or misreported, everything at its right end, and nobody waited for the poisoned one."""
        faults = self.lost, self.delivered_twice, self.said_delivered, self.not_final, self.wrong, self.uncalled
        whole = self.acknowledged == self.documents and self.poisoned_waits and self.audit_clean
        return whole and not any(faults) and self.delay["behind the poisoned"] <= self.delay["p95"]


async def run(folder: Path, documents: int, kills: int, seed: int) -> Result:
    """Play it and count."""
    started, chance = time.monotonic(), random.Random(seed)
    async with Cluster(folder / "database", connections=120) as cluster:
        stage, workers = await _stage(folder, cluster, seed)
        database = await asyncpg.connect(**cluster.connection())
        try:
            await asyncio.gather(*(program.start() for program in (stage.gateway, *stage.programs[2:])))
            tally = _drawn(chance, documents, seed)
            for siren in SELLERS:
                options = ("--siren", siren, "--rules", "en16931", "--original", "as_submitted")
                tally.accounts.append(await stage.account(f"Chaos {siren}", *options))
            watch = asyncio.create_task(_watch(database, tally))
            killer = asyncio.create_task(_kill(workers, tally, kills, chance))
            await _feed(stage, tally)
            await killer
            await _settle(tally, watch)
            return await _count(stage, database, tally, time.monotonic() - started)
        finally:
            await database.close()
            await stage.close()


async def _stage(folder: Path, cluster: Cluster, seed: int) -> tuple[Stage, list[Program]]:
    """A platform of chaos, two gateways that only take, two programs that only work."""
    place = cluster.connection()
    url = f"postgresql://{place['user']}@/{place['database']}?host={place['host']}&port={place['port']}"
    pepper = folder / "pepper"
    pepper.touch(mode=0o600)
    pepper.write_text("0" * 64)
    settings = {
        "ESTAFETTE_DATABASE_URL": url,
        "ESTAFETTE_PEPPER_FILE": str(pepper),
        "ESTAFETTE_WORKERS": "0",
        "ESTAFETTE_AFNOR_SECONDS": "3",
    }
    stage = await build(folder, settings=settings, platform=("--chaos", str(seed)))
    second = replace(
        stage.gateway,
        environment={**stage.environment, "ESTAFETTE_PORT": str(free_port())},
        log=folder / "second.log",
    )
    workers = [
        Program(("work", "--workers", "1"), stage.environment, folder / f"work-{number}.log") for number in range(2)
    ]
    stage.programs += [second, *workers]
    return stage, workers


def _drawn(chance: random.Random, documents: int, seed: int) -> Tally:
    weights = [weight for weight, _ in ENDS.values()]
    buyers = chance.choices(list(ENDS), weights, k=documents)
    poisoned = documents // 3
    buyers[poisoned] = POISON
    return Tally(seed, documents, buyers, poisoned)


async def _feed(stage: Stage, tally: Tally) -> None:
    """All documents, from several clients, to both gateways."""
    urls = (stage.url, f"http://127.0.0.1:{stage.programs[2].environment['ESTAFETTE_PORT']}")
    template = demo_invoices.invoice("NUMBER", demo_invoices.buyer_that_accepts())
    written = demo_invoices.written(template, "cii")
    places = iter(range(tally.documents))

    async def client() -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for place in places:
                while len(tally.acknowledged) - tally.delivered > AHEAD:
                    await asyncio.sleep(0.05)
                data = _invoice(written, tally, place)
                tally.digests[place] = sha256(data).hexdigest()
                await _insist(session, urls, tally, place, data)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


def _invoice(written: bytes, tally: Tally, place: int) -> bytes:
    buyer = demo_invoices.buyer_that_accepts()["legal_id"]["value"].encode()
    seller = SELLERS[place % len(SELLERS)].encode()
    data = written.replace(buyer, tally.buyers[place].encode()).replace(SELLERS[0].encode(), seller)
    return data.replace(b"NUMBER", f"C-{place:06}".encode())


async def _insist(session: aiohttp.ClientSession, urls: Sequence[str], tally: Tally, place: int, data: bytes) -> None:
    """The same key and bytes until acknowledged, at either gateway."""
    headers = {
        "Authorization": f"Bearer {tally.account(place)['api_key']}",
        "Content-Type": "application/xml",
        "Idempotency-Key": f"C-{place}",
    }
    while True:
        url = urls[tally.attempts % len(urls)]
        tally.attempts += 1
        with suppress(aiohttp.ClientError, TimeoutError, ConnectionError):
            async with session.post(f"{url}/v1/documents", data=data, headers=headers) as answer:
                if answer.status == 202:
                    tally.acknowledged[(await answer.json())["id"]] = place
                    return
                if answer.status not in (429, 503):
                    raise AssertionError(f"{answer.status}: {(await answer.text())[:500]}")
        await asyncio.sleep(0.1)


async def _watch(database: asyncpg.Connection[Any], tally: Tally) -> int:
    """Count what is delivered or ended until all is at its end; tells how many are not when nothing moves any more."""
    wanted = {code: cdar.status_of(code).name for code in {end.code for _, end in ENDS.values()} if code}
    deadline = time.monotonic() + 1e9
    while True:
        rows = await database.fetch("select document_id::text as id, stage, status, halted from document")
        tally.delivered = sum(_left(row) for row in rows)
        known = [(row, tally.acknowledged.get(row["id"])) for row in rows]
        ended = sum(place is not None and _ended(row, tally.buyers[place], wanted) for row, place in known)
        open_ = tally.documents - 1 - ended
        if len(tally.acknowledged) == tally.documents and deadline > 1e9:
            deadline = time.monotonic() + PATIENCE
        if open_ <= 0 or time.monotonic() > deadline:
            return open_
        told = f"{len(tally.acknowledged)} admitted, {tally.delivered} handed over, {ended} ended, {tally.kills} kills"
        print(f"\r{told}", end="", file=sys.stderr, flush=True)
        await asyncio.sleep(0.5 + len(rows) / 10_000)


def _left(row: Mapping[str, Any]) -> bool:
    return row["halted"] is not None or row["stage"] in ("delivered", "acknowledged", "settled")


def _ended(row: Mapping[str, Any], buyer: str, wanted: Mapping[str, str]) -> bool:
    """Whether nothing more is expected of a document."""
    if row["halted"] is not None or buyer == POISON:
        return buyer != POISON
    code = ENDS[buyer][1].code
    return bool(code) and row["status"] == wanted[code]


async def _kill(workers: Sequence[Program], tally: Tally, kills: int, chance: random.Random) -> None:
    """Kill by turns while the documents pass, at random moments of their work and of their start."""
    for number in range(kills):
        due = (number + 1) * tally.documents // (kills + 1)
        while tally.delivered < due and len(tally.acknowledged) < tally.documents:
            await asyncio.sleep(0.05)
        await asyncio.sleep(chance.uniform(0, 0.5))
        worker = workers[number % len(workers)]
        await worker.kill()
        tally.kills += 1
        await worker.start()


AUDIT = 3600.0
"""Seconds for the audit: it reads every document again."""


async def _settle(tally: Tally, watch: asyncio.Task[int]) -> None:
    left = await watch
    print(f"\n{left} left", file=sys.stderr)


async def _count(stage: Stage, database: asyncpg.Connection[Any], tally: Tally, seconds: float) -> Result:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{stage.platform_url}/simulator/deliveries") as answer:
            told = await answer.json()
        shown = {id: await _shown(session, stage.url, tally, id) for id in tally.acknowledged}
    tracks: dict[str, set[str]] = {}
    for delivery in told["deliveries"]:
        tracks.setdefault(delivery["sha256"], set()).add(delivery["trackingId"])
    complaints: dict[str, list[str]] = {
        name: [] for name in ("lost", "twice", "said_delivered", "not_final", "wrong", "uncalled")
    }
    for id, place in tally.acknowledged.items():
        if (name := _judged(shown[id], tally, place, tracks)) is not None:
            complaints[name].append(f"{name}: C-{place:06} {id} buyer {tally.buyers[place]} {shown[id]}")
    known = {tally.digests[place] for place in tally.acknowledged.values()}
    complaints["uncalled"] = [f"uncalled: {digest}" for digest in tracks if digest not in known]
    complaints["twice"] = [f"twice: {digest} {ids}" for digest, ids in tracks.items() if len(ids) > 1]
    print({name: len(found) for name, found in complaints.items()}, "and now the audit", flush=True)
    audited = await stage.once("audit", "--format", "json", seconds=AUDIT)
    audits = [json.loads(line) for line in audited.splitlines()]
    poisoned = next((shown[id] for id, place in tally.acknowledged.items() if place == tally.poisoned), {})
    return Result(
        seed=tally.seed,
        documents=tally.documents,
        kills=tally.kills,
        acknowledged=len(tally.acknowledged),
        lost=len(complaints["lost"]),
        delivered_twice=len(complaints["twice"]),
        said_delivered=len(complaints["said_delivered"]),
        not_final=len(complaints["not_final"]),
        wrong=len(complaints["wrong"]),
        uncalled=len(complaints["uncalled"]),
        poisoned_waits=poisoned.get("stage") == "routed" and not poisoned.get("halted"),
        delay=await _delay(database, tally),
        transport_duplicates=sum(delivery["duplicates"] for delivery in told["deliveries"]),
        struck=told["struck"],
        audit_clean=all(one["clean"] for one in audits),
        seconds=round(seconds, 1),
        examples=[one for found in complaints.values() for one in found[:3]],
    )


async def _shown(session: aiohttp.ClientSession, url: str, tally: Tally, id: str) -> dict[str, Any]:
    """What the API shows of a document: its stage, status and end, and the hash of its bytes."""
    headers = {"Authorization": f"Bearer {tally.account(tally.acknowledged[id])['api_key']}"}
    async with session.get(f"{url}/v1/documents/{id}", headers=headers) as answer:
        body: dict[str, Any] = await answer.json() if answer.status == 200 else {}
    async with session.get(f"{url}/v1/documents/{id}/content?as=original", headers=headers) as answer:
        digest = sha256(await answer.read()).hexdigest() if answer.status == 200 else ""
    halted = (body.get("halted") or {}).get("reason", "")
    return {"stage": body.get("stage"), "status": body.get("status"), "halted": halted, "sha256": digest}


def _judged(shown: Mapping[str, Any], tally: Tally, place: int, tracks: Mapping[str, set[str]]) -> str | None:
    """What is wrong with a document; None when nothing is."""
    digest, buyer = tally.digests[place], tally.buyers[place]
    if shown["sha256"] != digest:
        return "lost"
    there = digest in tracks
    if shown["stage"] in ("delivered", "acknowledged", "settled") and not there:
        return "said_delivered"
    if buyer == POISON:
        return "wrong" if there else None
    end = ENDS[buyer][1]
    if end.delivered and not there:
        return "lost" if shown["halted"] else "not_final"
    status = cdar.status_of(end.code).name if end.code else None
    halted = shown["halted"]
    if halted and not end.halted:
        return "wrong"
    if (end.code and shown["status"] != status) or (end.halted and not halted):
        return "not_final"
    return None if halted.startswith(end.halted) and there == end.delivered else "wrong"


async def _delay(database: asyncpg.Connection[Any], tally: Tally) -> dict[str, float]:
    """From received to delivered, by the journal."""
    rows = await database.fetch(
        """
        select r.document_id::text as id, extract(epoch from d.at - r.at)::float8 as seconds
        from event r join event d using (account_id, document_id)
        where r.stage = 'received' and r.outcome = 'done' and d.stage = 'delivered' and d.outcome = 'done'
        """
    )
    taken = {tally.acknowledged[row["id"]]: row["seconds"] for row in rows if row["id"] in tally.acknowledged}
    if len(taken) < 2:
        return {"p50": 0.0, "p95": 0.0, "max": 0.0, "behind the poisoned": 0.0}
    cuts = statistics.quantiles(taken.values(), n=20)
    behind = [taken[n] for n in range(tally.poisoned + 1, tally.poisoned + 1 + NEIGHBOURS) if n in taken]
    found = {
        "p50": cuts[9],
        "p95": cuts[18],
        "max": max(taken.values()),
        "behind the poisoned": statistics.median(behind),
    }
    return {name: round(value, 2) for name, value in found.items()}


def main() -> int:
    """Run from the command line; exit 1 when anything is lost, doubled, misreported or not at its right end."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--documents", type=int, default=10_000)
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    given = options.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="estafette-chaos-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        result = asyncio.run(run(folder, given.documents, given.kills, given.seed))
        OUT.parent.mkdir(exist_ok=True)
        for path in folder.glob("*.log") if not result.passed else ():
            shutil.copy(path, OUT.parent / f"chaos-{path.name}")
    for name, value in asdict(result).items():
        print(f"{name}: {dict(Counter(value)) if isinstance(value, Mapping) else value}")
    OUT.write_text(json.dumps(asdict(result) | {"passed": result.passed}, indent=1) + "\n")
    print("passed" if result.passed else "FAILED", f"(written to {OUT})")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
