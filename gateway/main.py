"""The composition root: settings and environment become a running gateway. Nothing below this page reads either."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from adapters import catalogue
from adapters.port import Networks
from gateway.chores import Chores
from gateway.clock import SystemClock
from gateway.compute import Compute
from gateway.errors import Misconfigured
from gateway.resources import Resources
from gateway.settings import Settings, read_secret
from gateway.store import accounts, migrate
from gateway.store.embedded import Cluster
from gateway.store.pool import Pool, connect
from gateway.worker import Worker

log = logging.getLogger(__name__)

DOCUMENTS_PER_PROCESS = 4
"""Documents under way for each worker process: while one computes, others wait for the database or a network."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway whose database is open and current."""

    settings: Settings
    resources: Resources
    pepper: bytes

    def worker(self) -> Worker:
        """The worker of this process."""
        return Worker(self.resources, max(1, self.settings.workers) * DOCUMENTS_PER_PROCESS)

    def chores(self, worker: Worker) -> Chores:
        """The chores of this process; they ring the worker."""
        return Chores(self.resources, self.settings.poll_every, worker.ring)


@asynccontextmanager
async def database(settings: Settings, *, attach: bool = False) -> AsyncIterator[Pool]:
    """The database of the settings, started if it is the embedded one, migrated, checked. Raises Misconfigured.

    With `attach`, an embedded one that a gateway on this machine already runs is used as it runs.
    """
    if settings.database_url:
        password = read_secret(settings.database_password_file) if settings.database_password_file else None
        pool = await connect(settings.database_url, password=password, max_size=settings.pool_size)
        async with _closing(pool):
            await migrate.apply(pool)
            yield pool
        return
    async with Cluster(settings.data, attach=attach, account=settings.database_account or None) as cluster:
        pool = await connect(cluster, max_size=settings.pool_size)
        async with _closing(pool):
            await migrate.apply(pool)
            yield pool


@asynccontextmanager
async def open_gateway(
    settings: Settings, environment: Mapping[str, str], *, attach: bool = False
) -> AsyncIterator[Gateway]:
    """Everything a gateway needs, given back at the end. Raises Misconfigured with every complaint."""
    networks, problems = catalogue.build(environment, _now)
    if problems:
        raise Misconfigured(
            "the settings cannot be used:\n  "
            + "\n  ".join(f"{problem.setting}: {problem.says}" for problem in problems)
        )
    async with database(settings, attach=attach) as pool, _networks(networks):
        pepper = read_pepper(settings)
        await accounts.check_pepper(pool, pepper, _now())
        compute = Compute(max(1, settings.workers), settings.compute_seconds)
        rules = str(settings.rules) if settings.rules else None
        resources = Resources(pool, networks, SystemClock(), compute, language=settings.language, rules=rules)
        try:
            yield Gateway(settings, resources, pepper)
        finally:
            compute.close()


def read_pepper(settings: Settings) -> bytes:
    """The key under which secrets are hashed: the operator's file, or one made in the data folder at first start."""
    path = settings.pepper_file or settings.data / "secrets" / "pepper"
    if settings.pepper_file is None and not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, secrets.token_hex(32))
    return read_secret(path).encode()


def _write_once(path: Path, text: str) -> None:
    """Write a secret that nobody else may read, unless another process was first."""
    try:
        with open(path, "x", encoding="utf-8", opener=_private) as file:
            file.write(text + "\n")
    except FileExistsError:
        log.info("another process made %s first", path.name)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def _closing(pool: Pool) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await pool.close()


@asynccontextmanager
async def _networks(networks: Networks) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await asyncio.gather(*(network.close() for network in networks.all), return_exceptions=True)
