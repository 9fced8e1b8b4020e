"""`estafette prove`: write the proof of a document into a file; anybody can check it without Estafette."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway import proof
from gateway.errors import GatewayError, NotFound
from gateway.main import open_gateway
from gateway.settings import Settings
from gateway.store import accounts


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "prove",
        help="write the proof of a document, which a stranger checks offline",
        description="Write one ZIP with the exact bytes kept of a document, all its events, their paths in the hash\n"
        "tree, the signed checkpoint and the program that checks it all:\n\n"
        "    estafette prove 019ab… -o proof.zip\n"
        "    python verify.py proof.zip          (verify.py is in the ZIP; it needs Python and cryptography)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("document", type=UUID, help="id of the document")
    it.add_argument("-o", "--output", type=Path, help="file to write; proof-<id>.zip by default")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Find the document in whichever account it is, and write its proof."""
    path: Path = options.output or Path(f"proof-{options.document}.zip")
    data = asyncio.run(_bundle(options.document, settings))
    try:
        path.write_bytes(data)
    except OSError as unable:
        raise GatewayError(f"{path} cannot be written: {unable.strerror}") from unable
    print(f"{path} ({len(data)} bytes): python verify.py {path}")
    return 0


async def _bundle(document_id: UUID, settings: Settings) -> bytes:
    async with open_gateway(settings, os.environ, attach=True) as gateway:
        resources = gateway.resources
        for account_id in await accounts.every_id(resources.pool):
            try:
                return await proof.bundle(resources, account_id, document_id)
            except NotFound:
                continue
    raise NotFound("there is no such document")
