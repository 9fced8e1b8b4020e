"""`estafette serve`: the gateway for real, API and workers in one program."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

import uvloop
from aiohttp import web

from gateway.api import application
from gateway.commands import logs, network
from gateway.main import Gateway, open_gateway
from gateway.settings import Settings

log = logging.getLogger(__name__)

SHUTDOWN = 10.0
"""Seconds that requests under way have to end when the gateway is told to stop."""


def add(commands: Any) -> None:
    """Tell the command line about it."""
    it: argparse.ArgumentParser = commands.add_parser(
        "serve",
        description="Run the gateway. With no settings it starts its own PostgreSQL in ./estafette-data and listens on "
        "127.0.0.1:8320. Stop it with Ctrl-C or SIGTERM: requests under way end, work under way is given back.",
    )
    it.add_argument("--host", help="address to listen on (ESTAFETTE_HOST)")
    it.add_argument("--port", type=int, help="port to listen on, 0 for a free one (ESTAFETTE_PORT)")
    it.add_argument("--workers", type=int, help="worker processes; 0 serves the API alone (ESTAFETTE_WORKERS)")
    it.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until told to stop."""
    given = {name: getattr(options, name) for name in ("host", "port", "workers") if getattr(options, name) is not None}
    settings = replace(settings, **given)
    logs.configure(settings)
    uvloop.run(serve(settings))
    return 0


async def serve(settings: Settings) -> None:
    """Open the gateway, listen, work, and close again on SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_gateway(settings, os.environ, warm=True) as gateway, AsyncExitStack() as stack:
        port, running = await start(gateway, stack)
        stack.push_async_callback(_end, asyncio.create_task(network.tell(gateway.resources.networks)))
        settled()
        print(f"Estafette listens on http://{settings.host}:{port}  (API page: /docs)", flush=True)
        stopped = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        stopped.cancel()
        for task in ended - {stopped}:
            task.result()  # a worker that ended by itself: say why, and let whoever runs us start us again
            raise RuntimeError("a worker ended by itself")


def settled() -> None:
    """Everything is loaded: from now on the garbage collector passes over it.

    A full collection goes through all that is alive, and everybody waits: with the modules and rules of a gateway that
    is a fifth of a second, once in a few thousand requests, and the slowest hundredth of all answers.
    """
    gc.collect()
    gc.freeze()


async def start(gateway: Gateway, stack: AsyncExitStack) -> tuple[int, list[asyncio.Task[None]]]:
    """Start listening and working; the stack stops both. Returns the port and what works, which never ends alone."""
    worker = gateway.worker()
    app = application.create(gateway.resources, gateway.settings, ring=worker.ring, pepper=gateway.pepper)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN, auto_decompress=False)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, gateway.settings.host, gateway.settings.port)
    await site.start()
    running: list[asyncio.Task[None]] = []
    if gateway.settings.workers:
        running = [asyncio.create_task(coroutine) for coroutine in (worker.run(), gateway.chores(worker).run())]
        for task in running:
            stack.push_async_callback(_end, task)
    return int(runner.addresses[0][1]), running


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
