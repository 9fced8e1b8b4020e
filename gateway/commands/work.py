"""`estafette work`: workers and chores without the API, beside any number of gateways on the same database."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from dataclasses import replace
from typing import Any

import uvloop

from gateway.commands import logs
from gateway.main import open_gateway
from gateway.settings import Settings


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "work",
        description="Walk documents down the line without serving the API. Any number of these and of gateways share "
        "only the database: ESTAFETTE_DATABASE_URL, or the embedded one of a gateway running on this machine.",
    )
    it.add_argument("--workers", type=int, help="worker processes, at least 1 (ESTAFETTE_WORKERS)")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Work until told to stop."""
    settings = replace(settings, workers=max(1, options.workers or settings.workers))
    logs.configure(settings)
    uvloop.run(_work(settings))
    return 0


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_gateway(settings, os.environ, attach=True, warm=True) as gateway:
        worker = gateway.worker()
        running = [asyncio.create_task(worker.run()), asyncio.create_task(gateway.chores(worker).run())]
        print(f"Estafette works with {settings.workers} processes", flush=True)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, *running):
            task.cancel()
        await asyncio.gather(stopped, *running, return_exceptions=True)
