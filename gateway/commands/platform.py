"""`estafette platform`: the simulated approved platform, a program of its own for first runs, demos and tests."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from adapters.platform import server
from gateway.commands import logs
from gateway.errors import Misconfigured
from gateway.settings import Settings, read_secret


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "platform",
        description="Serve the sender's part of AFNOR XP Z12-013 Flow Service 1.3.0 and play buyers whose behaviour is "
        "chosen by their SIREN. It is no approved platform and says so in each answer.",
    )
    it.add_argument("--host", default="127.0.0.1", help="address to listen on")
    it.add_argument("--port", type=int, default=8330, help="port to listen on, 0 for a free one")
    it.add_argument("--data", type=Path, default=Path("estafette-platform"), help="its data folder")
    it.add_argument("--client-id", help="client to admit; made in the data folder when not given")
    it.add_argument("--client-secret-file", type=Path, help="file that holds the secret of --client-id")
    it.add_argument(
        "--company",
        metavar="SIREN",
        action="append",
        default=[],
        help="a company that is a client of its own: invoices for it come to it; its credentials are made in the data "
        "folder as company-SIREN.json; may be given several times",
    )
    it.add_argument(
        "--chaos",
        metavar="SEED",
        type=int,
        help="play what goes wrong in the field as well, drawn from this number: lost and half answers, storms of 429, "
        "500s, late, doubled and wrong statuses, a clock that is off",
    )
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until told to stop. Raises Misconfigured."""
    login = _login(options.client_id, options.client_secret_file)
    logs.configure(settings)
    companies = _companies(options.company)
    asyncio.run(server.run(options.host, options.port, options.data, login, companies, chaos=options.chaos))
    return 0


def _companies(sirens: list[str]) -> list[str]:
    if wrong := [siren for siren in sirens if not (len(siren) == 9 and siren.isascii() and siren.isdigit())]:
        raise Misconfigured(f"--company takes a SIREN of nine digits, not {wrong[0]}")
    return sirens


def _login(client: str | None, secret_file: Path | None) -> tuple[str, str] | None:
    if not client and secret_file is None:
        return None
    if not client or secret_file is None:
        raise Misconfigured("--client-id and --client-secret-file go together")
    return client, read_secret(secret_file)
