"""The seal on an export: the organisation's own, over the hash of its manifest and what the export is (JAdES).

The manifest names every file with its hash, so the seal covers all of the ZIP, and a few lines are sealed however many
documents there are. It is made where the gateway has a sealing key; where the key or the authority is away the export
goes without, and says so: an export is evidence by its proofs already, and an inspector does not wait.
"""

from __future__ import annotations

import logging

from gateway import sealing
from gateway.compute import Interrupted
from gateway.resources import Resources
from gateway.sealing import Missing
from signing import json_seal
from signing.timestamp import NoTimestamp, Token

log = logging.getLogger(__name__)


async def sealed(resources: Resources, evidence: bytes) -> tuple[bytes | None, str]:
    """The seal over some JSON, with a timestamp where one can be had, and what it lacks; None: there is no seal."""
    sealer, lacks = resources.sealer, ""
    if sealer is None:
        return None, ""
    at = resources.clock.now().replace(microsecond=0)
    try:
        chain = await sealing.chain(sealer.key, at)
        room = json_seal.prepare(evidence, chain, at=at)
        signature = await sealing.signature(sealer.key, chain[0], room.digest)
        token: Token | None = None
        if sealer.authorities:
            try:
                token = (await sealing.stamp(json_seal.imprint(chain, signature), sealer, resources)).token
            except (Missing, Interrupted) as away:
                lacks = f"its seal has no timestamp: {away}"
        return json_seal.complete(room, chain, signature, token), lacks
    except (Missing, NoTimestamp, ValueError) as vain:  # ValueError: a key that seals PDFs and no JSON
        log.error("an export is not sealed: %s", vain)
        return None, f"it is not sealed: {vain}"
