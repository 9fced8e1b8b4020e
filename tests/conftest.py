"""What all tests share: a real PostgreSQL, a fresh database for each test, a clock that can be set."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from gateway.clock import SettableClock
from gateway.store import migrate
from gateway.store.archive_keys import Keyring
from gateway.store.embedded import Cluster
from gateway.store.placement import KEPT, discard
from gateway.store.pool import Pool, connect

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
STANDARDS = Path(__file__).resolve().parents[2] / "shared" / "standards"

# A test run tries the same examples each time, so that it is red for a change and never by chance;
# new examples are looked for with ESTAFETTE_EXAMPLES=n.
settings.register_profile("estafette", deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
settings.register_profile("search", settings.get_profile("estafette"), derandomize=False)
settings.load_profile("search" if "ESTAFETTE_EXAMPLES" in os.environ else "estafette")


EXTERNAL = "ESTAFETTE_TEST_DATABASE_URL"
"""A server to use instead of embedded ones, as its superuser: some tests tamper with rows as only a superuser can."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--update` writes goldens anew; what changed is looked at before it is committed."""
    parser.addoption("--update", action="store_true", help="write the golden files of samples anew")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """One server takes one test process: the horizon below which the feed shows events is the whole server's."""
    if os.environ.get(EXTERNAL) and config.getoption("numprocesses", None):
        config.option.numprocesses = None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests over documents that do not stand beside the checkout are skipped, and say so."""
    if not CORPUS.is_dir():
        skip = pytest.mark.skip(reason="no corpus beside this checkout (../shared/corpus)")
        for item in items:
            if item.get_closest_marker("corpus"):
                item.add_marker(skip)


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server and the name of its migrated template database."""

    server: Cluster | str
    template: str
    keys: Path
    """Folder of the archive keys of all its databases."""

    async def pool(self, database: str) -> Pool:
        """A pool on one of its databases."""
        keys = Keyring(self.keys)
        return await connect(self.server, database=database, keys=keys, max_size=8, unsafe_no_fsync=True)

    async def command(self, sql: str) -> None:
        """One statement outside any transaction."""
        arguments = {"dsn": self.server} if isinstance(self.server, str) else self.server.connection()
        connection = await asyncpg.connect(**arguments)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


CLUSTERS = "estafette-test-"
"""How the folders of the tests' own clusters begin."""


def sweep() -> None:
    """Remove the folders of test runs that were killed; their servers ended with them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{CLUSTERS}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < 3600:
                continue
            with (folder / "gateway.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while its run goes on
                discard(folder)


@contextmanager
def running_loop() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """A loop that never pauses, in a thread of its own: it sees the server end whenever that happens."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(120)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The server named by ESTAFETTE_TEST_DATABASE_URL, or an embedded one of this test process."""
    url = os.environ.get(EXTERNAL)
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=CLUSTERS))
    folder.chmod(0o755)
    cluster = None if url else Cluster(folder, unsafe_no_fsync=True, connections=200)
    with running_loop() as run:
        try:
            if cluster:
                run(cluster.start())
            template = f"estafette_template_{os.getpid()}"
            made = Server(url or cluster, template, folder / "archive-keys")  # type: ignore[arg-type]
            run(made.command(f"create database {template}"))

            async def migrated() -> None:
                pool = await made.pool(template)
                await migrate.apply(pool)
                assert pool.keys is not None
                await pool.keys.renew(pool, datetime(2026, 11, 24, 12, 0, tzinfo=UTC))
                await pool.close()

            run(migrated())
            yield made
            run(made.command(f"drop database {template} with (force)"))
        finally:
            if cluster:
                run(cluster.stop())
            discard(folder)


_numbers = itertools.count(1)


@pytest.fixture
async def database(server: Server) -> AsyncIterator[str]:
    """A fresh, migrated database for one test."""
    name = f"estafette_test_{os.getpid()}_{next(_numbers)}"
    # copying files is quicker than logging them: 26 ms against 49 to make, 6 against 23 to drop
    await server.command(f"create database {name} template {server.template} strategy file_copy")
    yield name
    await server.command(f"drop database {name} with (force)")


@pytest.fixture
async def pool(server: Server, database: str) -> AsyncIterator[Pool]:
    """A pool on the test's own database."""
    opened = await server.pool(database)
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> SettableClock:
    """A clock that stands at noon of 24 November 2026 until it is moved."""
    return SettableClock(datetime(2026, 11, 24, 12, 0, tzinfo=UTC))


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that the database's own account can reach (a test's usual folder is closed to it)."""
    folder = Path(tempfile.mkdtemp(prefix="estafette-cluster-"))
    folder.chmod(0o755)
    yield folder
    for kept in folder.rglob(KEPT):
        discard(kept.parent)
    shutil.rmtree(folder, ignore_errors=True)
