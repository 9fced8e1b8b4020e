"""Do a part of a command inside the opened gateway: with its database, beside one that serves; and who does it."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.main import Gateway, open_gateway
from gateway.settings import Settings

Work = Callable[[argparse.Namespace, Gateway], Coroutine[Any, Any, int]]
"""A part of a command, which stands as `work` among the options; it gives the exit code."""


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Open the gateway's database and do the part that was asked for."""

    async def inside() -> int:
        async with open_gateway(settings, os.environ, attach=True) as gateway:
            work: Work = options.work
            return await work(options, gateway)

    return asyncio.run(inside())


def who(given: str = "") -> str:
    """Who does it, as records name an operator: the one who is named, else the account of this machine."""
    return f"operator:{given or getpass.getuser()}"
