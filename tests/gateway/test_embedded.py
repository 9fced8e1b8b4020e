"""The embedded PostgreSQL: private, durable, one gateway a folder, and it survives the death of either side."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from gateway.errors import Misconfigured
from gateway.store import embedded, placement
from gateway.store.embedded import Cluster


@pytest.fixture
def data(reachable):
    return reachable / "data"


async def ask(cluster: Cluster, question: str):
    connection = await asyncpg.connect(**cluster.connection())
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


def tell(cluster: Cluster, statement: str):
    return ask(cluster, statement)


async def test_rows_are_there_after_a_stop_and_a_start(data):
    async with Cluster(data) as cluster:
        await tell(cluster, "create table kept as select 42 as answer")
        assert await ask(cluster, "show fsync") == "on"
        assert await ask(cluster, "show data_checksums") == "on"
    async with Cluster(data) as cluster:
        assert await ask(cluster, "select answer from kept") == 42


async def test_it_listens_on_no_network_and_its_socket_is_private(data):
    async with Cluster(data) as cluster:
        assert await ask(cluster, "show listen_addresses") == ""
        sockets = Path(cluster.connection()["host"])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert not (stat.S_IMODE((data / "postgres").stat().st_mode) & 0o077)


async def test_a_long_path_gets_a_short_private_socket(data):
    async with Cluster(data / ("x" * 80) / ("y" * 80)) as cluster:
        sockets = Path(cluster.connection()["host"])
        assert len(str(sockets)) < 100
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert await ask(cluster, "select 1") == 1


async def test_the_parents_of_the_data_stay_as_closed_as_they_were(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    async with Cluster(closed / "data") as cluster:
        assert await ask(cluster, "select 1") == 1
        home = cluster.folder
        await tell(cluster, "create table kept ()")
    async with Cluster(closed / "data") as cluster:
        assert await ask(cluster, "select count(*) from kept") == 0
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    placement.discard(closed / "data")
    assert not home.exists()


async def test_the_server_that_dies_is_started_again_with_its_rows(data):
    async with Cluster(data) as cluster:
        await tell(cluster, "create table kept as select generate_series(1, 2000) as n")
        again = asyncio.Event()
        cluster.on_restart = again.set
        assert cluster.process_id is not None
        os.kill(cluster.process_id, signal.SIGKILL)
        await asyncio.wait_for(again.wait(), 60)
        assert await ask(cluster, "select count(*) from kept") == 2000


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from gateway.store.embedded import Cluster
async def main():
    async with Cluster(Path(sys.argv[1])) as cluster:
        print(cluster.process_id, flush=True)
        await asyncio.sleep(120)
asyncio.run(main())
"""


@pytest.fixture
def supervisor(data, tmp_path):
    script = tmp_path / "supervisor.py"
    script.write_text(SUPERVISOR)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen([sys.executable, script, data], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    server = int(process.stdout.readline())
    yield process, server
    process.kill()
    process.wait()
    process.stdout.close()


async def test_a_killed_gateway_leaves_no_server_behind_and_the_next_starts_clean(data, supervisor):
    process, server = supervisor
    process.kill()
    process.wait()
    async with Cluster(data) as cluster:
        assert cluster.process_id != server
        assert await ask(cluster, "select 1") == 1
        assert not alive(server)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_second_gateway_is_refused_and_a_tool_may_attach(data, supervisor):
    with pytest.raises(Misconfigured, match="another gateway"):
        await Cluster(data).start()
    async with Cluster(data, attach=True) as cluster:
        assert cluster.attached
        assert await ask(cluster, "select 1") == 1
    os.kill(supervisor[1], 0)  # detaching has not stopped it


async def test_a_stale_process_file_is_not_believed(data):
    async with Cluster(data):
        pass
    (data / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n")
    async with Cluster(data) as cluster:
        assert await ask(cluster, "select 1") == 1


async def test_a_folder_of_another_version_is_refused(data):
    async with Cluster(data):
        pass
    (data / "postgres" / "PG_VERSION").write_text("99\n")
    with pytest.raises(Misconfigured, match="PostgreSQL 99"):
        await Cluster(data).start()


async def test_a_folder_that_cannot_be_used_is_told(data):
    data.parent.mkdir(exist_ok=True)
    data.write_text("a file")
    with pytest.raises(Misconfigured, match="cannot be used"):
        await Cluster(data).start()


async def test_a_wrong_option_is_told_in_the_servers_words(data):
    with pytest.raises(Misconfigured, match="did not start"):
        await Cluster(data, options={"no_such_setting": "1"}).start()
    async with Cluster(data) as cluster:
        assert await ask(cluster, "select 1") == 1


def test_a_full_disk_is_told_in_words():
    said = "FATAL:  could not write lock file: No space left on device"
    assert "the disk is full" in embedded._why("the database did not start", said)


def python_for_everybody() -> str | None:
    """A Python that another user can run, of the version that our packages are made for."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        question = [candidate, "-c", "import sys; print(sys.version_info[:2])"]
        try:
            said = subprocess.run(question, user=65534, group=65534, extra_groups=[], capture_output=True, text=True)
        except OSError:
            continue
        if said.stdout.strip() == str(sys.version_info[:2]):
            return candidate
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_works_as_an_ordinary_user():
    python = python_for_everybody()
    if python is None:
        pytest.skip("another user can run no Python of this version here")
    folder = Path(tempfile.mkdtemp(prefix="estafette-user-"))
    try:
        os.chown(folder, 65534, 65534)
        script = folder / "user.py"
        script.write_text(SUPERVISOR.replace("await asyncio.sleep(120)", "print('works', flush=True)"))
        script.chmod(0o644)
        packages = [str(Path(__file__).resolve().parents[2]), str(Path(asyncpg.__file__).parents[1])]
        done = subprocess.run(
            [python, script, folder / "data"],
            env={"PYTHONPATH": os.pathsep.join(packages), "PATH": os.environ["PATH"]},
            user=65534,
            group=65534,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "works" in done.stdout, done.stderr
    finally:
        shutil.rmtree(folder, ignore_errors=True)
