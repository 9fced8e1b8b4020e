"""The part of the demo between two gateways: what one sends comes in at the other, which sees, approves and pays it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from gateway.commands.demo_stage import PATIENCE, Failed, get, post, until


async def exchange(seller: aiohttp.ClientSession, buyer: aiohttp.ClientSession, sent: str) -> str:
    """Follow an invoice that the seller has submitted to the buyer's end of it; the buyer's document."""
    number = (await get(seller, f"/v1/documents/{sent}"))["number"]
    came = await _came(buyer, number)
    here = f"/v1/documents/{came['id']}"
    print(f"  in  invoice {number} at the buyer's, judged and archived: {came['stage']}")
    await post(buyer, f"{here}/seen")
    for said in ("approved", "payment_sent"):
        await post(buyer, f"{here}/statuses", {"status": said})
        await until(seller, sent, said)
        print(f"  in  {said.replace('_', ' ')}, said by the buyer, at the seller's")
    await until(buyer, str(came["id"]), "settled")
    return str(came["id"])


async def _came(buyer: aiohttp.ClientSession, number: str | None) -> dict[str, Any]:
    """The buyer's document, as its software finds it: among what came and was not seen yet."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page = await get(buyer, "/v1/documents?direction=inbound&seen=false")
        for document in page["documents"]:
            if document["halted"]:
                raise Failed(f"what came to the buyer halted: {document['halted']}")
            if document["stage"] == "routed":
                found: dict[str, Any] = document
                return found
        await asyncio.sleep(0.2)
    raise Failed(f"invoice {number} did not come to the buyer in {PATIENCE:.0f} s")
