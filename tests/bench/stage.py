"""The stage on which whole programs are tried: a gateway and a simulated platform, each with its own data."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

START = 60.0
"""Seconds a program may take until it says that it listens."""


def free_port() -> int:
    """A port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Program:
    """One `estafette …` process that can be started, killed and started again."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    process: asyncio.subprocess.Process | None = None
    starts: int = 0

    async def start(self) -> None:
        """Start it and wait until it says its first line."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "gateway",
                *self.arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=dict(self.environment),
                start_new_session=True,
            )
        self.starts += 1
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), START)
        if not line:
            raise AssertionError(f"{self.arguments[0]} did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    async def kill(self) -> None:
        """SIGKILL, and reap."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when it does not end."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), 30)
        except TimeoutError:
            await self.kill()


@dataclass
class Stage:
    """A platform and one gateway (more can be added), all in one folder."""

    folder: Path
    platform: Program
    gateway: Program
    environment: Mapping[str, str]
    url: str
    platform_url: str
    programs: list[Program] = field(default_factory=list)

    async def once(self, *arguments: str, seconds: float = 120) -> str:
        """Run a command of `estafette` to its end, for at most some seconds, and give what it printed."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway", *arguments, stdout=pipe, stderr=pipe, env=dict(self.environment)
        )
        said, complaint = await asyncio.wait_for(process.communicate(), seconds)
        if process.returncode:
            raise AssertionError(
                f"{arguments}: exit {process.returncode}\n{said.decode()}\n{complaint.decode()[-3000:]}"
            )
        return said.decode()

    async def account(self, name: str, *options: str) -> dict[str, str]:
        """Open an account; its id and secrets."""
        said = await self.once("account", "create", name, *options, "--format", "json")
        opened: dict[str, str] = json.loads(said)
        return opened

    async def close(self) -> None:
        """End what was started here."""
        for program in reversed(self.programs):
            await program.stop()


async def build(
    folder: Path, *, workers: int = 1, settings: Mapping[str, str] | None = None, platform: Sequence[str] = ()
) -> Stage:
    """Start a platform (with more options) and prepare a gateway (not started) that delivers to it."""
    platform_port, port = free_port(), free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ESTAFETTE_")}
    server = Program(
        ("platform", "--port", str(platform_port), "--data", str(folder / "platform"), *platform),
        inherited,
        folder / "platform.log",
    )
    await server.start()
    credentials = json.loads((folder / "platform" / "credentials.json").read_text())
    secret = folder / "platform-secret"
    secret.touch(mode=0o600)
    secret.write_text(credentials["client_secret"])
    platform_url = f"http://127.0.0.1:{platform_port}"
    environment = inherited | {
        "ESTAFETTE_DATA": str(folder / "gateway"),
        "ESTAFETTE_PORT": str(port),
        "ESTAFETTE_WORKERS": str(workers),
        "ESTAFETTE_POLL_SECONDS": "1",
        "ESTAFETTE_REQUESTS_PER_SECOND": "100000",
        "ESTAFETTE_UPLOADS_AT_ONCE": "10000",
        "ESTAFETTE_AFNOR_URL": f"{platform_url}/afnor-flow",
        "ESTAFETTE_AFNOR_TOKEN_URL": f"{platform_url}/oauth2/token",
        "ESTAFETTE_AFNOR_CLIENT_ID": credentials["client_id"],
        "ESTAFETTE_AFNOR_CLIENT_SECRET_FILE": str(secret),
        "ESTAFETTE_EGRESS_ALLOW": f"127.0.0.1:{platform_port}",
        **(settings or {}),
    }
    gateway = Program(("serve",), environment, folder / "gateway.log")
    return Stage(folder, server, gateway, environment, f"http://127.0.0.1:{port}", platform_url, [server, gateway])
