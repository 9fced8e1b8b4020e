"""Measure the hash tree in the database: leaves published a second, and the audit of a large tree (RELIABILITY T22).

python -m tests.bench.tree --leaves 1000000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from gateway import audit
from gateway.main import database
from gateway.resources import Notary
from gateway.settings import Settings
from gateway.store import tree
from gateway.store.pool import Pool
from signing import checkpoint

OUT = Path("bench-out") / "tree.json"

CHUNK = 50_000


async def measure(pool: Pool, leaves: int) -> dict[str, float]:
    """Fill a tree, publish it, audit it."""
    notary = Notary(checkpoint.signer("bench.example.org", checkpoint.generate()))
    await _fill(pool, leaves)
    start = time.perf_counter()
    published = 0
    while True:
        signed = await tree.publish(pool, notary.sign, lambda: datetime.now(UTC))
        if signed is None:
            break
        published = signed.size
        print(f"\r{published} leaves published", end="", flush=True)
    publishing = time.perf_counter() - start
    start = time.perf_counter()
    found = await audit.audit_tree(pool, [notary.signer.verifier])
    auditing = time.perf_counter() - start
    assert found.complaints == (f"the tree: {leaves} leaves belong to no account there is",), found.complaints
    assert found.leaves == published == leaves
    return {
        "leaves": leaves,
        "publish_seconds": publishing,
        "publish_rate": leaves / publishing,
        "audit_seconds": auditing,
    }


async def _fill(pool: Pool, leaves: int) -> None:
    """Leaves without their events: the tree does not look at those."""
    account, document = UUID(int=1), UUID(int=2)
    async with pool.owner() as connection:
        for start in range(0, leaves, CHUNK):
            async with connection.transaction():
                await connection.execute("set local session_replication_role = replica")
                await connection.execute(
                    """
                    insert into leaf (account_id, document_id, seq, salt, entry, at)
                    select $1, $2, n, sha256(n::text::bytea), sha256(('x' || n)::bytea), now()
                    from generate_series($3::bigint, $4::bigint) as n
                    """,
                    account,
                    document,
                    start + 1,
                    min(start + CHUNK, leaves),
                )
        await connection.execute("analyze leaf")


async def _run(leaves: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="estafette-bench-") as folder:
        Path(folder).chmod(0o755)
        async with database(Settings(data=Path(folder) / "data")) as pool:
            return await measure(pool, leaves)


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    found = asyncio.run(_run(parser.parse_args().leaves))
    print("\n" + "\n".join(f"{name:16} {value:,.1f}" for name, value in found.items()))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
