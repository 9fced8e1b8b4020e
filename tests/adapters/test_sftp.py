"""SFTP: whose server it is, what is written there and when, what is taken from there, and what is left."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import asyncssh
import pytest

from adapters import catalogue, sftp
from adapters.dropped import place_of
from adapters.port import Consignment, ElectronicAddress, Problem, Route, Unreachable
from adapters.sftp import Sftp
from tests.adapters.conftest import consignment, now
from tests.adapters.contract import brought, invoice_file
from tests.adapters.harnesses import SftpServer, message, sftp_server, written


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SftpServer]:
    """A running server."""
    async with sftp_server(tmp_path) as running:
        yield running


def sent(number: str = "F-1") -> Consignment:
    """A consignment for the server."""
    return replace(consignment(number=number), route=Route("sftp", ElectronicAddress("0225", "100000207"), "a test"))


def client(server: SftpServer, clock: timedelta = timedelta(0), **changes: object) -> Sftp:
    """The network, its clock ahead by so much."""

    def _now() -> datetime:
        return now() + clock

    return Sftp(replace(server.settings, **changes), _now)  # type: ignore[arg-type]


async def test_the_receipt_says_who_took_what(server: SftpServer) -> None:
    receipt = await client(server).send(sent())
    told = json.loads(receipt.evidence)
    assert told["file"] == place_of(sent())
    assert (told["sha256"], told["size"]) == (sent().sha256, len(sent().data))
    assert told["host_key"].startswith("SHA256:")
    assert [path.name for path in (server.root / "out").iterdir()] == [place_of(sent())]


@pytest.mark.parametrize("text", ["other", "nobody", ""])
async def test_a_server_with_another_key_gets_nothing(server: SftpServer, tmp_path: Path, text: str) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    lines = {"other": f"[127.0.0.1]:{server.settings.port} {other}", "nobody": f"example.org {other}", "": ""}
    network = client(server, known_hosts_file=written(tmp_path / "others", lines[text]))
    with pytest.raises(Unreachable) as caught:
        await network.send(sent())
    assert not caught.value.unknown
    assert "key" in caught.value.reason
    assert not list((server.root / "out").iterdir())


async def test_without_known_hosts_nothing_is_trusted(server: SftpServer, tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        await client(server, known_hosts_file=tmp_path / "gone").send(sent())
    assert not list((server.root / "out").iterdir())


async def test_private_addresses_are_not_dialled(server: SftpServer) -> None:
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(Unreachable) as caught:
            await client(server, host=host, allow=frozenset()).send(sent())
        assert "not public" in caught.value.reason


async def test_another_user_key_is_refused_for_now(server: SftpServer, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    with pytest.raises(Unreachable) as caught:
        await client(server, key_file=written(tmp_path / "other-key", other)).send(sent())
    assert (caught.value.reason, caught.value.unknown) == ("the SFTP server refuses the login", False)


async def test_a_draft_of_a_killed_attempt_is_written_anew(server: SftpServer) -> None:
    (server.root / "out" / f".{sent().id}.part").write_bytes(b"x" * 1_000_000)
    await client(server).send(replace(sent(), repeated=True))
    (path,) = (server.root / "out").iterdir()
    assert path.read_bytes() == sent().data


async def test_what_its_reader_took_away_is_put_there_again_and_not_claimed_to_be_known(server: SftpServer) -> None:
    await client(server).send(sent())
    (server.root / "out" / place_of(sent())).unlink()
    receipt = await client(server).send(replace(sent(), repeated=True))
    assert not receipt.already_there


async def test_a_server_that_renames_over_files_is_given_no_occasion(server: SftpServer) -> None:
    (server.root / "overwriting").touch()
    await client(server).send(sent())
    assert (await client(server).send(replace(sent(), repeated=True))).already_there
    with pytest.raises(sftp.Refused):
        await client(server).send(replace(sent(), data=b"other", sha256="0" * 64))
    assert (server.root / "out" / place_of(sent())).read_bytes() == sent().data


async def test_a_folder_of_the_name_is_other_content(server: SftpServer) -> None:
    (server.root / "out" / place_of(sent())).mkdir()
    with pytest.raises(sftp.Refused) as caught:
        await client(server).send(sent())
    assert caught.value.findings[0].rule == "SFTP-OTHER-CONTENT"


async def test_a_folder_that_is_gone_is_unreachable(server: SftpServer) -> None:
    for changes in ({"outgoing": "/gone"}, {"outgoing": ""}):
        with pytest.raises(Unreachable) as caught:
            await client(server, **changes).send(sent())
        assert not caught.value.unknown
    with pytest.raises(Unreachable):
        await client(server, incoming="/gone").collect(None)
    assert (await client(server, incoming="").collect("c")).cursor == "c"


async def test_half_written_files_are_left(server: SftpServer) -> None:
    place = server.root / "in"
    (place / "half.xml").write_bytes(invoice_file(1)[:40])
    (place / "half.pdf").write_bytes(b"%PDF-1.7\n")
    (place / "draft.xml.part").write_bytes(invoice_file(2))
    (place / ".hidden.xml").write_bytes(invoice_file(3))
    (place / "m.eml").write_bytes(bytes(message(("f.xml", "application/xml", invoice_file(4)))))
    clock = [now()]
    network = Sftp(server.settings, lambda: clock[0])
    assert (await brought(network))[0] == []
    clock[0] += sftp.QUIET
    found, cursor = await brought(network)
    assert [(one.name, one.data) for one in found] == [("f.xml", invoice_file(4))]
    clock[0] += sftp.PATIENCE
    found, _ = await brought(network, cursor)
    assert sorted(one.name for one in found) == ["half.pdf", "half.xml"]
    assert sorted(path.name for path in place.iterdir() if path.is_file()) == [".hidden.xml", "draft.xml.part"]


async def test_what_is_no_plain_file_is_left_and_what_is_too_big_is_put_aside(
    server: SftpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp, "FILE_LIMIT", 1_000)
    place = server.root / "in"
    (place / "link.xml").symlink_to("/out/elsewhere.xml")
    (server.root / "out" / "elsewhere.xml").write_bytes(invoice_file(1))
    (place / "inside").mkdir()
    (place / "inside" / "f.xml").write_bytes(invoice_file(2))
    (place / "big.xml").write_bytes(b"<a>" + b" " * 1_000 + b"</a>")
    (place / "good.xml").write_bytes(invoice_file(3))
    found, _ = await brought(client(server))
    assert [one.data for one in found] == [invoice_file(3)]
    assert (place / "refused" / "big.xml").exists()
    assert (place / "link.xml").is_symlink()


async def test_a_page_on_a_slow_line_ends_early(server: SftpServer) -> None:
    (server.root / "slow").touch()
    for number in range(4):
        (server.root / "in" / f"{number}.xml").write_bytes(invoice_file(number))
    network = client(server, patience=1.6)
    with pytest.raises(Unreachable):
        await network.collect(None)
    first = await network.collect(None)
    assert 0 < len(first.arrivals) < 4
    second = await network.collect(first.cursor)
    assert second.arrivals
    assert not {one.network_id for one in first.arrivals} & {one.network_id for one in second.arrivals}


async def test_what_cannot_be_moved_stays_and_is_fetched_once(server: SftpServer) -> None:
    (server.root / "read-only").touch()
    (server.root / "in" / "f.xml").write_bytes(invoice_file(1))
    network = client(server)
    found, cursor = await brought(network)
    assert len(found) == 1
    assert (server.root / "in" / "f.xml").exists()
    assert (await brought(network, cursor))[0] == []
    again, _ = await brought(client(server), cursor)
    assert [one.network_id for one in again] == [one.network_id for one in found]
    (server.root / "in" / "f.xml").write_bytes(invoice_file(1) + b"\n")
    assert len((await brought(network, cursor))[0]) == 1


async def test_too_many_files_that_cannot_be_moved_are_told(
    server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp, "SEEN_LIMIT", 2)
    (server.root / "read-only").touch()
    for number in range(3):
        (server.root / "in" / f"{number}.xml").write_bytes(invoice_file(number))
    network = client(server)
    page = await network.collect(None)
    assert len(page.arrivals) == 3
    for cursor in (page.cursor, None):
        with pytest.raises(Unreachable) as caught:
            await network.collect(cursor)
    assert "cannot be moved" in caught.value.reason
    (server.root / "in" / "0.xml").unlink()
    assert (await network.collect(None)).arrivals == ()


async def test_a_file_without_a_size_is_told(server: SftpServer, caplog: pytest.LogCaptureFixture) -> None:
    (server.root / "sizeless").touch()
    (server.root / "in" / "f.xml").write_bytes(invoice_file(1))
    assert (await brought(client(server)))[0] == []
    assert "does not tell its size" in caplog.text


async def test_what_is_too_big_stays_where_no_folder_may_be_made(
    server: SftpServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sftp, "FILE_LIMIT", 1_000)
    for state in ("read-only", "no-folders"):
        (server.root / state).touch()
    (server.root / "in" / "big.xml").write_bytes(b"<a>" + b" " * 1_000 + b"</a>")
    (server.root / "in" / "good.xml").write_bytes(invoice_file(3))
    network = client(server)
    found, cursor = await brought(network)
    assert [one.data for one in found] == [invoice_file(3)]
    assert (await brought(network, cursor))[0] == []
    assert (server.root / "in" / "big.xml").exists()
    assert caplog.text.count("more than 1000 bytes") == 1


async def test_the_same_name_again_is_moved_beside(server: SftpServer) -> None:
    network, cursor = client(server), None
    for number in range(3):
        (server.root / "in" / "f.xml").write_bytes(invoice_file(number))
        found, cursor = await brought(network, cursor)
        assert [one.data for one in found] == [invoice_file(number)]
    kept = [path.read_bytes() for path in (server.root / "in" / "done").rglob("*.xml")]
    assert sorted(kept) == [invoice_file(number) for number in range(3)]


@pytest.mark.parametrize("late", [False, True])
async def test_a_file_that_takes_the_place_of_another_is_not_lost(
    server: SftpServer, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    network, path, other = client(server), server.root / "in" / "f.xml", invoice_file(2) + b" "
    path.write_bytes(invoice_file(1))
    page = await network.collect(None)
    rename = asyncssh.SFTPClient.rename

    async def replaced(one: asyncssh.SFTPClient, place: str, target: str) -> None:
        if place == "/in/f.xml":  # after the last look, before it is moved
            path.write_bytes(other)
            monkeypatch.setattr(asyncssh.SFTPClient, "rename", rename)
        await rename(one, place, target)

    if late:
        monkeypatch.setattr(asyncssh.SFTPClient, "rename", replaced)
    else:
        path.write_bytes(other)
    found, _ = await brought(network, page.cursor)
    assert [one.data for one in found] == [other]
    assert not path.exists()


def test_settings_are_complained_of_all_at_once(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert sftp.from_environment({}, problems) is None
    wrong = {
        "ESTAFETTE_SFTP_PORT": "0",
        "ESTAFETTE_SFTP_OUT": "/out",
        "ESTAFETTE_SFTP_RECIPIENT": "12",
        "ESTAFETTE_SFTP_KEY_FILE": str(written(tmp_path / "key", "no key")),
        "ESTAFETTE_SFTP_KNOWN_HOSTS_FILE": str(written(tmp_path / "known", " ")),
    }
    assert sftp.from_environment(wrong, problems) is None
    assert {one.setting.removeprefix("ESTAFETTE_SFTP_") for one in problems} == {
        "HOST",
        "USER",
        "PORT",
        "SCHEMES",
        "RECIPIENT",
        "KEY_FILE",
        "KNOWN_HOSTS_FILE",
    }
    key = asyncssh.generate_private_key("ssh-ed25519")
    good = {
        "ESTAFETTE_SFTP_HOST": "sftp.example",
        "ESTAFETTE_SFTP_USER": "me",
        "ESTAFETTE_SFTP_OUT": "/out/",
        "ESTAFETTE_SFTP_SCHEMES": "0225, 0088",
        "ESTAFETTE_SFTP_KEY_FILE": str(written(tmp_path / "key", key.export_private_key().decode())),
        "ESTAFETTE_SFTP_KNOWN_HOSTS_FILE": str(
            written(tmp_path / "known", f"sftp.example {key.export_public_key().decode()}")
        ),
    }
    networks, complaints = catalogue.build(good, now)
    assert not complaints
    assert [one.name for one in networks.all] == ["sftp"]
