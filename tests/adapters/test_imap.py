"""The mailbox: messages are taken once, moved only after they are stored, and never lost or deleted."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from adapters import catalogue, imap
from adapters.imap import Mailbox, Settings
from adapters.port import Arrival, ArrivalKind, ElectronicAddress, Problem, Unreachable
from tests.adapters.conftest import consignment, now
from tests.adapters.contract import brought, invoice_file
from tests.adapters.harnesses import message, written
from tests.adapters.imap_server import Box, serve


@pytest.fixture
async def box() -> Box:
    """What the server has."""
    return Box()


@pytest.fixture
async def settings(box: Box, tmp_path: Path) -> AsyncIterator[Settings]:
    """A server without TLS, on this machine."""
    async with serve(box) as port:
        secret = written(tmp_path / "imap-password", box.password)
        yield Settings("127.0.0.1", port, "me", secret, tls="none", recipient="100000207", seconds=5.0)


def put(box: Box, number: int) -> int:
    """A message with one invoice comes."""
    return box.put(bytes(message((f"f-{number}.xml", "application/xml", invoice_file(number)))))


async def taken(settings: Settings, cursor: str | None = None) -> tuple[list[Arrival], str]:
    """What another process collects."""
    return await brought(Mailbox(settings, now), cursor)


async def test_a_mailbox_only_brings(settings: Settings) -> None:
    network = Mailbox(settings, now)
    assert await network.find(ElectronicAddress("EM", "a@example.org")) is None
    with pytest.raises(Unreachable) as caught:
        await network.send(consignment())
    assert not caught.value.unknown


async def test_what_is_brought(box: Box, settings: Settings) -> None:
    put(box, 1)
    (arrival,), cursor = await taken(settings)
    assert (arrival.kind, arrival.data, arrival.name) == (ArrivalKind.INVOICE, invoice_file(1), "f-1.xml")
    assert (arrival.recipient, arrival.media_type) == ("100000207", "application/xml")
    assert arrival.at.isoformat() == "2026-11-25T08:30:00+00:00" or arrival.at <= now()
    assert cursor == "7:1"
    assert not {"EXPUNGE", "STORE", "DELETE", "APPEND"} & set(box.commands)


async def test_a_restart_moves_what_was_stored_before(box: Box, settings: Settings) -> None:
    put(box, 1)
    page = await Mailbox(settings, now).collect(None)
    assert len(box.folders["INBOX"]) == 1
    put(box, 2)
    found, _ = await taken(settings, page.cursor)
    assert [one.data for one in found] == [invoice_file(2)]
    assert not box.folders["INBOX"]
    assert len(box.folders["Estafette"]) == 2


async def test_a_mailbox_that_was_rebuilt_brings_the_same_ids(box: Box, settings: Settings) -> None:
    put(box, 1)
    page = await Mailbox(settings, now).collect(None)
    box.validity, box.folders["INBOX"] = 8, {100 + uid: data for uid, data in box.folders["INBOX"].items()}
    found, cursor = await taken(settings, page.cursor)
    assert [one.network_id for one in found] == [one.network_id for one in page.arrivals]
    assert cursor == "8:101"
    box.folders["INBOX"][200] = next(iter(box.folders["Estafette"].values()))  # somebody moves it back
    again, _ = await taken(settings, cursor)
    assert [one.network_id for one in again] == [one.network_id for one in found]


@pytest.mark.parametrize("cursor", ["", "x", "7:", ":7", "7:x", "7:-1", "é", "old cursor of another kind"])
async def test_an_odd_cursor_is_the_beginning(box: Box, settings: Settings, cursor: str) -> None:
    put(box, 1)
    assert len((await taken(settings, cursor))[0]) == 1


async def test_without_move_messages_are_copied_and_single_ones_expunged(box: Box, settings: Settings) -> None:
    box.abilities = ("IMAP4rev1", "UIDPLUS")
    box.deleted.add(put(box, 1))
    put(box, 2)
    before = box.everything()
    found, _ = await taken(settings)
    assert len(found) == 2
    assert not box.folders["INBOX"]
    assert sorted(box.everything()) == sorted(before)


async def test_without_both_the_cursor_alone_goes_on(box: Box, settings: Settings) -> None:
    box.abilities = ("IMAP4rev1",)
    put(box, 1)
    found, cursor = await taken(settings)
    assert len(found) == 1
    put(box, 2)
    box.commands.clear()
    found, _ = await taken(settings, cursor)
    assert [one.data for one in found] == [invoice_file(2)]
    assert len(box.folders["INBOX"]) == 2
    assert box.commands.count("SEARCH") == 2  # one for each page: none for what cannot be moved


async def test_a_message_that_cannot_be_fetched_stops_no_other(box: Box, settings: Settings) -> None:
    for number in range(3):
        put(box, number)
    box.broken.add(2)
    found, _ = await taken(settings)
    assert sorted(one.data for one in found if one.media_type != "text/plain") == [invoice_file(0), invoice_file(2)]
    (told,) = [one for one in found if one.media_type == "text/plain"]
    assert b"UID 2" in told.data
    assert len(box.everything()) == 3


async def test_of_a_message_that_is_too_big_the_head_is_brought(
    box: Box, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "SIZE_LIMIT", 100_000)
    box.put(big := bytes(message(("big.pdf", "application/pdf", b"%PDF" + bytes(200_000)))))
    put(box, 1)
    found, _ = await taken(settings)
    assert sorted(one.name for one in found) == [f"[{len(big)} bytes] 1.eml", "f-1.xml"]
    (head,) = [one for one in found if one.media_type == "message/rfc822"]
    assert head.data == big[: imap.HEAD_BYTES]
    assert big in box.folders["Estafette"].values()


async def test_an_answer_that_is_too_long_is_not_read(
    box: Box, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap, "LITERAL_LIMIT", 1_000)
    box.put(bytes(message(("f.pdf", "application/pdf", b"%PDF" + bytes(2_000)))))
    with pytest.raises(Unreachable):
        await taken(settings)
    assert len(box.folders["INBOX"]) == 1


@pytest.mark.parametrize("whole", [False, True])
async def test_a_message_longer_than_told_blocks_no_other(
    box: Box, settings: Settings, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    monkeypatch.setattr(imap, "LITERAL_LIMIT", 100_000)
    monkeypatch.setattr(imap, "SIZE_LIMIT", 90_000)
    box.put(big := bytes(message(("big.pdf", "application/pdf", b"%PDF" + bytes(200_000)))))
    put(box, 1)
    box.sizes, box.whole = {1: 0}, whole
    network = Mailbox(settings, now)
    for _ in range(2 if whole else 1):
        with pytest.raises(Unreachable):
            await network.collect(None)
    found, _ = await brought(network)
    names = sorted(one.name for one in found)
    assert names == ["[cannot be fetched] 1.txt" if whole else "[more than 90000 bytes] 1.eml", "f-1.xml"]
    assert whole or big[: imap.HEAD_BYTES] in [one.data for one in found]
    assert big in box.everything()


async def test_a_page_has_a_size(box: Box, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "PAGE_BYTES", 100)
    for number in range(7):
        put(box, number)
    page = await Mailbox(settings, now).collect(None)
    assert 0 < len(page.arrivals) < 7
    assert {one.data for one in (await taken(settings))[0]} == {invoice_file(number) for number in range(7)}


async def test_a_page_on_a_slow_line_ends_early(box: Box, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "PATIENCE", 1.5)
    for number in range(3):
        put(box, number)
    box.slow = {1: 0.6, 2: 1.1}
    network = Mailbox(settings, now)
    with pytest.raises(Unreachable):
        await network.collect(None)
    first = await network.collect(None)
    assert [one.data for one in first.arrivals] == [invoice_file(0)]
    second = await network.collect(first.cursor)
    assert [one.data for one in second.arrivals] == [invoice_file(1)]
    third = await network.collect(second.cursor)
    assert [one.data for one in third.arrivals] == [invoice_file(2)]


@pytest.mark.parametrize("commands", range(12))
async def test_a_connection_cut_anywhere_loses_nothing(box: Box, settings: Settings, commands: int) -> None:
    put(box, 1)
    page = await Mailbox(settings, now).collect(None)
    put(box, 2)
    box.cut_after = commands
    cursor, ids = page.cursor, {one.network_id for one in page.arrivals}
    try:
        cut = await Mailbox(settings, now).collect(cursor)
        ids |= {one.network_id for one in cut.arrivals}
        cursor = cut.cursor
    except Unreachable:
        pass
    box.cut_after = None
    rest, _ = await taken(settings, cursor)
    assert len(ids | {one.network_id for one in rest}) == 2
    assert len(box.everything()) == 2


async def test_a_folder_that_is_not_there(settings: Settings) -> None:
    with pytest.raises(Unreachable) as caught:
        await taken(replace(settings, folder="Gone"))
    assert "Gone" in caught.value.reason


@pytest.mark.parametrize("abilities", [("IMAP4rev1", "AUTH=PLAIN"), ("IMAP4rev1",)])
async def test_a_wrong_password_is_told_by_nobody(
    box: Box, settings: Settings, tmp_path: Path, abilities: tuple[str, ...]
) -> None:
    box.abilities = abilities
    for password in ("not-the-word", "pas-le-mot-é"):
        with pytest.raises(Unreachable) as caught:
            await taken(replace(settings, password_file=written(tmp_path / "wrong", password)))
        chain = [caught.value, caught.value.__cause__]
        assert all(password not in repr(one) for one in chain)


async def test_a_password_may_be_any_text(box: Box, settings: Settings, tmp_path: Path) -> None:
    box.password = 'mot "de\\passe" é'
    put(box, 1)
    assert len((await taken(replace(settings, password_file=written(tmp_path / "p", box.password))))[0]) == 1


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_tls(box: Box, tmp_path: Path, certificate: Path, tls: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    secret = written(tmp_path / "imap-password", box.password)
    box.abilities += ("STARTTLS",)
    box.context = context
    put(box, 1)
    async with serve(box, context if tls == "tls" else None) as port:
        trusting = Settings("127.0.0.1", port, "me", secret, tls, certificate, seconds=5.0)
        with pytest.raises(Unreachable):
            await taken(replace(trusting, ca_file=None))
        assert not {"LOGIN", "AUTHENTICATE"} & set(box.commands)
        assert len((await taken(trusting))[0]) == 1


async def test_a_server_that_does_not_offer_tls_gets_no_password(box: Box, settings: Settings) -> None:
    for tls in ("starttls", "tls"):
        with pytest.raises(Unreachable):
            await taken(replace(settings, tls=tls, seconds=1.0))
    assert not {"LOGIN", "AUTHENTICATE"} & set(box.commands)


async def test_a_server_that_drips_is_left_in_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap, "PATIENCE", 0.5)
    ended = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while not reader.at_eof():
                writer.write(b"* OK still\r\n")
                await writer.drain()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await reader.read(100)
        writer.close()
        ended.set()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    with pytest.raises(Unreachable) as caught:
        async with asyncio.timeout(5):
            await taken(replace(settings, port=server.sockets[0].getsockname()[1], seconds=3.0))
    assert "took too long" in caught.value.reason
    async with asyncio.timeout(5):
        await ended.wait()
    server.close()
    await server.wait_closed()


def test_settings_are_complained_of_all_at_once(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert imap.from_environment({}, problems) is None
    wrong = {
        "ESTAFETTE_IMAP_PORT": "70000",
        "ESTAFETTE_IMAP_TLS": "maybe",
        "ESTAFETTE_IMAP_CA_FILE": str(tmp_path / "none"),
        "ESTAFETTE_IMAP_FOLDER": "Reçu",
        "ESTAFETTE_IMAP_DONE": "a\r\nb",
        "ESTAFETTE_IMAP_RECIPIENT": "12",
    }
    assert imap.from_environment(wrong, problems) is None
    assert {one.setting.removeprefix("ESTAFETTE_IMAP_") for one in problems} == {
        *("HOST", "USER", "PASSWORD_FILE", "PORT", "TLS", "CA_FILE", "FOLDER", "DONE", "RECIPIENT")
    }
    secret = written(tmp_path / "secret", "word")
    good = {
        "ESTAFETTE_IMAP_HOST": "imap.example",
        "ESTAFETTE_IMAP_USER": "factures@example.com",
        "ESTAFETTE_IMAP_PASSWORD_FILE": str(secret),
    }
    for more, names in (
        ({}, ["mail"]),
        ({"ESTAFETTE_MAIL_HOST": "m", "ESTAFETTE_MAIL_FROM": "a@example.com"}, ["mail"]),
    ):
        networks, complaints = catalogue.build(good | more, now)
        assert not complaints
        assert [one.name for one in networks.all] == names
    read = imap.from_environment(good | {"ESTAFETTE_MAIL_FROM": "a@example.com"}, problems)
    assert read is not None
    assert (read.port, read.tls, read.folder, read.done, read.domain) == (
        993,
        "tls",
        "INBOX",
        "Estafette",
        "example.com",
    )
    for host, fine in (("imap.example", False), ("127.0.0.1", True)):
        problems.clear()
        plain = good | {"ESTAFETTE_IMAP_HOST": host, "ESTAFETTE_IMAP_TLS": "none"}
        assert (imap.from_environment(plain, problems) is not None) == fine
