"""`estafette backup` beside a gateway that accepts documents, and `estafette restore` onto an empty machine (T30)."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest

from adapters import folder
from gateway import backup, settings
from gateway.__main__ import main
from gateway.commands.restore import advice
from gateway.lifecycle import Role
from gateway.main import Gateway, database, open_gateway
from gateway.publish import Copies, publish
from gateway.stages import receive
from gateway.stages.receive import Handed, Request
from gateway.store import accounts, documents, dumping, migrate
from gateway.store.accounts import Account
from gateway.store.embedded import Cluster
from gateway.store.identifiers import new_id
from gateway.store.placement import discard
from gateway.store.pool import connect
from signing import checkpoint
from tests.gateway.api.conftest import numbered
from tests.gateway.console import ROOT, environment

WALKED, WAITING = 4, 66
"""Documents that went down the line before the backup, and documents that were only accepted: a thousand questions."""


@dataclass(frozen=True)
class Made:
    """A gateway's data with a backup of it."""

    folder: Path
    file: Path
    account: UUID
    document: UUID
    """One that went down the line."""
    beside: int
    """Documents accepted while the backup was made."""
    hidden: tuple[int, ...]
    """How many of them the feed did not show yet, each time that one was accepted."""
    full: tuple[int | None, str]
    """How a backup ended whose disk was full, and what it said."""
    killed: Path
    """What a backup left that was killed."""

    @property
    def secrets(self) -> Path:
        """The keys, which no backup holds."""
        return self.folder / "here" / "secrets"


async def accept(gateway: Gateway, account: Account, number: str) -> UUID:
    handed = Handed(numbered(number), "application/json")
    asked = Request(account.participants[0], None, "POST", "/v1/documents")
    return (await receive.receive(handed, asked, account, gateway.resources)).document_id


async def run(*arguments: str, before: Callable[[], None] | None = None) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    mine = {name: value for name, value in os.environ.items() if name.startswith("ESTAFETTE_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, stdout=pipe, stderr=pipe, env=environment(mine), preexec_fn=before
    )


def little_room() -> None:
    """No file of this process grows beyond 64 kB, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))


async def killed(folder: Path) -> Path:
    """What lies there after a backup was killed."""
    folder.mkdir()
    process = await run("backup", str(folder / "killed.estafette"))
    async with asyncio.timeout(30):
        while not list(folder.iterdir()):
            await asyncio.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    [left] = folder.iterdir()
    return left


async def make(folder: Path) -> Made:
    file = folder / "one.estafette"
    async with open_gateway(settings.read(os.environ), os.environ) as gateway:
        now, pool = gateway.resources.clock.now(), gateway.resources.pool
        account = await accounts.create(
            pool, new_id(now), name="Atelier", siren="100000108", french=False, original="as_submitted", now=now
        )
        walked = [await accept(gateway, account, f"W-{number}") for number in range(WALKED)]
        await gateway.worker().drain()
        for number in range(WAITING):
            await accept(gateway, account, f"A-{number}")
        await publish(gateway.resources)
        await Copies(folder / "copies").keep(gateway.resources)
        full = await run("backup", str(folder / "full.estafette"), before=little_room)
        _, says = await full.communicate()
        left = await killed(folder / "killed")
        process, beside = await run("backup", str(file)), 0
        ended, hidden = asyncio.create_task(process.communicate()), []
        async with pool.account(account.id) as connection:
            cursor = await documents.newest(connection)
        shown = 0
        while not ended.done():
            await accept(gateway, account, f"B-{beside}")
            beside += 1
            async with pool.account(account.id) as connection:
                page = await documents.feed(connection, cursor, 200)
            cursor, shown = page.cursor, shown + len(page.events)
            hidden.append(beside - shown)
        assert process.returncode == 0, await ended
        await publish(gateway.resources)
        later = Copies(folder / "copies")
        await later.keep(gateway.resources)
    return Made(folder, file, account.id, walked[0], beside, tuple(hidden), (full.returncode, says.decode()), left)


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    folder = Path(tempfile.mkdtemp(prefix="estafette-cluster-"))
    folder.chmod(0o755)
    (folder / "copies").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESTAFETTE_DATA", str(folder / "here"))
        patch.setenv("ESTAFETTE_CHECKPOINT_COPIES", str(folder / "copies"))
        patch.setenv("ESTAFETTE_WORKERS", "1")
        patch.setenv("ESTAFETTE_LANGUAGE", "en")
        yield asyncio.run(make(folder))
    for data in folder.iterdir():
        discard(data)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty(made: Made, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an empty machine on which the keys were put back."""
    data = made.folder / str(request.node.name)[:40]
    shutil.copytree(made.secrets, data / "secrets")
    monkeypatch.setenv("ESTAFETTE_DATA", str(data))
    return data


def signer(made: Made) -> checkpoint.Signer:
    """The archive's own key."""
    pem = (made.secrets / "checkpoint.pem").read_bytes().strip()
    public = checkpoint.signer("estafette", pem).verifier.public
    return checkpoint.signer(f"estafette-{public.hex()[:16]}", pem)


def signed(
    made: Made,
    place: Path,
    change: Callable[[dict[str, Any]], None],
    *,
    cut: int | None = None,
    source: Path | None = None,
) -> Path:
    """A backup that was changed by somebody who has the archive's key: its manifest, or the end of its dump."""
    with zipfile.ZipFile(source or made.file) as old, zipfile.ZipFile(place, "w") as new:
        members, dump = json.loads(old.read(backup.MANIFEST)), old.read(backup.DUMP)[:cut]
        members["database"] |= {"size": len(dump), "sha256": sha256(dump).hexdigest()}
        change(members)
        written = json.dumps(members).encode()
        new.writestr(backup.DUMP, dump)
        new.writestr(backup.MANIFEST, written)
        new.writestr(backup.SIGNATURE, signer(made).vouch(f"{backup.FORM}\nsha256 {sha256(written).hexdigest()}\n"))
    return place


async def submitted(document_id: UUID, account_id: UUID) -> bytes:
    async with (
        open_gateway(settings.read(os.environ), os.environ) as gateway,
        gateway.resources.pool.account(account_id) as connection,
    ):
        document = await documents.get(connection, document_id)
        assert document.content(Role.ORIGINAL) is not None
        reference = document.content(Role.SUBMISSION)
        assert reference is not None
        return await documents.read(connection, reference.sha256)


def test_a_backup_beside_a_gateway_is_put_back_on_an_empty_machine(
    made: Made, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made.beside > 5, "nothing was accepted beside"
    assert sorted(made.hidden)[len(made.hidden) // 2] == 0, "the feed waited for the backup"
    assert main(["backup", "--check", str(made.file), "--format", "json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert held["signature_checked"] is True
    assert WALKED + WAITING <= held["documents"] <= WALKED + WAITING + made.beside
    assert (held["questions"], held["leaves"] > WALKED + WAITING) == (1000, True)

    broken = signed(made, made.folder / "broken.estafette", lambda _: None, cut=-20_000)
    assert main(["restore", str(broken)]) == 2
    assert "cannot be put back" in capsys.readouterr().err
    assert main(["restore", str(made.file), "--format", "json"]) == 0  # nothing of the broken one is there
    told = json.loads(capsys.readouterr().out)
    assert (told["sound"], told["differ"], told["audit"]["complaints"]) == (True, [], [])
    assert (told["documents"], told["questions"], told["tables"]) == (held["documents"], 1000, held["tables"])
    assert told["under_way"] >= WAITING
    assert told["lost"]["events"] > 0
    assert "latest.txt" in told["lost"]["copies"]

    assert asyncio.run(submitted(made.document, made.account)) == numbered("W-0")
    assert main(["restore", str(made.file)]) == 2  # it is not empty any more
    assert "not empty" in capsys.readouterr().err
    again = made.folder / "again.estafette"  # no gateway runs now
    assert main(["backup", str(again)]) == 0
    assert "keep apart" in capsys.readouterr().out
    assert main(["backup", str(again)]) == 2  # never overwrites
    assert again.stat().st_mode & 0o077 == 0


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def packed(parts: Mapping[str, bytes], how: int = zipfile.ZIP_STORED) -> Callable[[Path], None]:
    def write(place: Path) -> None:
        with zipfile.ZipFile(place, "w", how) as archive:
            for name, data in parts.items():
                archive.writestr(name, data)

    return write


def damages(made: Made) -> Iterator[tuple[str, Callable[[Path], object], str]]:
    """What somebody, or a disk, may do to a backup, and how it is told."""
    with zipfile.ZipFile(made.file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    whole, dump = made.file.read_bytes(), parts[backup.DUMP]
    members = json.loads(parts[backup.MANIFEST])
    yield "bit", lambda place: place.write_bytes(flipped(whole, len(whole) // 2)), "no whole backup"
    yield "cut", lambda place: place.write_bytes(whole[: len(whole) // 2]), "no whole backup"
    yield "nothing", lambda place: place.write_bytes(b""), "no whole backup"
    yield "dump", packed({**parts, backup.DUMP: flipped(dump, 5000)}), f"{backup.DUMP} is not what"
    without = {name: data for name, data in parts.items() if name != backup.SIGNATURE}
    yield "unsigned", packed(without), "no backup of ours"
    yield "more", packed({**parts, "more": b""}), "no backup of ours"
    evil = dump + b"--"
    forged = {**members, "database": {**members["database"], "size": len(evil), "sha256": sha256(evil).hexdigest()}}
    rewritten = {**parts, backup.DUMP: evil, backup.MANIFEST: json.dumps(forged).encode()}
    yield "forged", packed(rewritten), "is not what was signed"
    stranger = checkpoint.signer("estafette", checkpoint.generate())
    text = f"{backup.FORM}\nsha256 {sha256(rewritten[backup.MANIFEST]).hexdigest()}\n"
    yield "stranger", packed({**rewritten, backup.SIGNATURE: stranger.vouch(text).encode()}), "not made by this archive"
    other = json.dumps({**members, "form": "estafette-backup/9"}).encode()
    yield "form", packed({**parts, backup.MANIFEST: other}), "its form is"
    long = {**parts, backup.SIGNATURE: parts[backup.SIGNATURE] + b"\n" * backup.SIGNATURE_LIMIT}
    yield "long", packed(long), f"{backup.SIGNATURE} is too large"
    yield "deflated", packed(parts, zipfile.ZIP_DEFLATED), "nothing is compressed"


def test_a_backup_that_was_tampered_with_is_refused_before_anything_is_made(
    made: Made, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, damage, says in damages(made):
        place = made.folder / f"{name}.estafette"
        damage(place)
        assert main(["backup", "--check", str(place)]) == 1, name
        assert says in capsys.readouterr().out, name
        assert main(["restore", str(place)]) == 2, name
        assert says in capsys.readouterr().err, name
    assert [path.name for path in empty.iterdir()] == ["secrets"]


def evil(made: Made) -> Iterator[tuple[str, Callable[[Path], object]]]:
    """What somebody may lay in the place of a backup after it was checked."""
    with zipfile.ZipFile(made.file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    dump = parts[backup.DUMP]
    yield "last", packed({**parts, backup.DUMP: flipped(dump, len(dump) - 1)})
    yield "shorter", packed({**parts, backup.DUMP: dump[: len(dump) // 2 // 4096 * 4096]})
    yield "longer", packed({**parts, backup.DUMP: dump + b"--"})
    yield "bit", lambda place: place.write_bytes(flipped(made.file.read_bytes(), len(dump) - 10))


async def put_back(
    checked: backup.Checked, place: Path, data: Path, swap: Callable[[Path], object]
) -> tuple[int, bool]:
    """How many bytes PostgreSQL got of a backup that was swapped after its check, and whether nothing is there."""
    got = 0

    def told(done: int) -> None:
        nonlocal got
        got = done

    async with Cluster(data, unsafe_no_fsync=True) as cluster:
        pool = await connect(cluster)
        try:
            await migrate.roles(pool)
            swap(place)
            with pytest.raises(backup.Damaged, match=r"changed or swapped|no whole backup"):
                await backup.put_back(cluster, place, checked, told)
            return got, await dumping.is_empty(pool)
        finally:
            await pool.close()


def test_of_a_backup_that_was_swapped_after_its_check_nothing_else_is_run(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "CHUNK", 4096)  # many pieces: PostgreSQL has begun when the other bytes come
    place = made.folder / "swapped.estafette"
    for name, swap in evil(made):
        shutil.copy(made.file, place)
        checked = backup.check(place, lambda _: None)
        backup.believe(checked, [signer(made).verifier])
        got, nothing = asyncio.run(put_back(checked, place, made.folder / f"swapped-{name}", swap))
        assert 0 < got <= checked.manifest.size, name
        assert nothing, name


async def nothing_in(data: Path) -> bool:
    """Whether the database of a data folder was made and has nothing in it."""
    async with Cluster(data, unsafe_no_fsync=True) as cluster:
        pool = await connect(cluster)
        try:
            return await dumping.is_empty(pool)
        finally:
            await pool.close()


def test_another_backup_that_takes_the_place_of_the_one_that_was_checked_is_not_put_back(
    made: Made, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the command meets it: the file is another one by the time the database has started."""
    elder = made.folder / "elder"
    elder.mkdir()
    other = asyncio.run(outdated(made, made.folder / "other", elder))
    place = made.folder / "under.estafette"
    shutil.copy(made.file, place)
    ended = Event()

    def swap() -> None:
        while [path.name for path in empty.iterdir()] == ["secrets"] and not ended.wait(0.002):
            pass
        other.replace(place)

    swapping = Thread(target=swap)
    swapping.start()
    try:
        assert main(["restore", str(place)]) == 2
    finally:
        ended.set()
        swapping.join()
    assert "changed or swapped" in capsys.readouterr().err
    assert asyncio.run(nothing_in(empty)), "something was left of the other one"


@pytest.mark.parametrize("french", [True, False])
def test_from_which_day_on_the_files_of_a_folder_are_moved_back_is_told(french: bool) -> None:
    late = datetime(2026, 11, 25, 1, 30, tzinfo=timezone(timedelta(hours=2)))  # the folders are named by UTC
    [line] = [line for line in advice(late, backup.Known(), 0, french=french) if "ESTAFETTE_FOLDER_IN" in line]
    assert "done/2026-11-24" in line
    assert f"{folder.DONE}/" in line


def test_without_the_keys_nothing_is_made_and_each_is_named(
    made: Made, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(path for path in (empty / "secrets").rglob("*") if path.is_file()):
        aside = path.rename(made.folder / "aside")
        assert main(["restore", str(made.file)]) == 2, path
        assert str(path) in capsys.readouterr().err
        assert not path.exists()
        aside.rename(path)
    other = empty / "secrets" / "pepper"
    other.write_text("0" * 64)
    assert main(["restore", str(made.file)]) == 2
    assert "pepper" in capsys.readouterr().err
    shutil.rmtree(empty / "secrets")
    assert main(["restore", str(made.file)]) == 2
    said = capsys.readouterr().err
    assert [name for name in ("pepper", "checkpoint.pem", ".key") if name not in said] == []
    assert main(["backup", "--check", str(made.file)]) == 0  # offline, without any key: its hashes
    assert "signature was not checked" in capsys.readouterr().out
    assert list(empty.iterdir()) == []


def test_a_backup_of_a_later_release_is_refused(made: Made, empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def change(members: dict[str, Any]) -> None:
        members["migrations"]["9999_later"] = "0" * 64

    assert main(["restore", str(signed(made, made.folder / "later.estafette", change))]) == 2
    assert "9999_later" in capsys.readouterr().err
    assert [path.name for path in empty.iterdir()] == ["secrets"]


async def outdated(made: Made, data: Path, folder: Path) -> Path:
    """A backup that the release before the last migration made."""
    older = folder / "migrations"
    older.mkdir()
    for migration in sorted(migrate.FOLDER.glob("*.sql"))[:-1]:
        shutil.copy(migration, older)
    async with Cluster(data, unsafe_no_fsync=True) as cluster:
        pool = await connect(cluster)
        try:
            await migrate.apply(pool, older)
            notary = backup.Notary(signer(made), lambda: datetime.now(UTC))
            await backup.make(cluster, pool, folder / "old.estafette", notary, backup.Progress())
        finally:
            await pool.close()
    return folder / "old.estafette"


async def current() -> bool:
    async with database(settings.read(os.environ)) as pool:
        return await migrate.current(pool)


def test_a_backup_of_an_older_release_is_migrated_and_what_differs_is_named(
    made: Made, empty: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(members: dict[str, Any]) -> None:
        """Somebody with the key says that there was more than there is."""
        asked = members["questions"]
        asked["asked"] = [["events", str(made.document), "0" * 64]]
        asked["tables"] = [
            [kind, table, "9 rows, 9" if table == "event" else sum_] for kind, table, sum_ in asked["tables"]
        ]

    file = asyncio.run(outdated(made, made.folder / "older", tmp_path))
    file = signed(made, tmp_path / "changed.estafette", change, source=file)
    assert main(["restore", str(file), "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["differ"] == [
        f"events of document {made.document}",
        "table event: 9 rows, 9 then, 0 rows, 0 now",
    ]
    assert (told["sound"], told["documents"], told["audit"]["complaints"]) == (False, 0, [])
    assert asyncio.run(current())


def test_a_half_backup_is_none(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    code, says = made.full
    assert (code, "Traceback" in says, "database" in says) == (2, False, False), says
    assert not list(made.folder.glob("*full*"))
    assert made.killed.name.startswith(".")
    assert made.killed.name.endswith(".part")
    assert main(["backup", "--check", str(made.killed)]) == 1
    assert "no whole backup" in capsys.readouterr().out


def test_a_database_of_ones_own_has_its_own_tools(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("ESTAFETTE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("ESTAFETTE_LANGUAGE", "en")
    for command in ("backup", "restore"):
        assert main([command, str(tmp_path / "x")]) == 2
        assert "database of its own" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("pg_basebackup") > 0
