"""The folder as a network: only complete files, each once, nothing outside the folder, nothing ever opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from adapters import catalogue, folder
from adapters.folder import Folder, Settings
from adapters.message import NotTaken, open_message
from adapters.port import Arrival, ArrivalKind, ElectronicAddress, Problem, Refused, Route, Unreachable
from tests.adapters.conftest import consignment

XML = b"<?xml version='1.0'?>\n<a:Invoice xmlns:a='urn:a'><b/></a:Invoice>\n"
PDF = b"%PDF-1.7\n...\n%%EOF\n"


def later(seconds: float = 3.0) -> Callable[[], datetime]:
    """A clock that is ahead: what was written now is old."""
    return lambda: datetime.now(UTC) + timedelta(seconds=seconds)


def network(tmp_path: Path, seconds: float = 3.0, **changes: object) -> Folder:
    """The two folders of a test."""
    incoming, outgoing = tmp_path / "in", tmp_path / "out"
    for place in incoming, outgoing:
        place.mkdir(exist_ok=True)
    settings = Settings(incoming, outgoing, frozenset({"0225"}), recipient="100000207")
    return Folder(replace(settings, **changes), later(seconds))  # type: ignore[arg-type]


async def everything(one: Folder, cursor: str | None = None) -> list[Arrival]:
    """All that is collected until nothing more comes."""
    found: list[Arrival] = []
    for _ in range(200):
        page = await one.collect(cursor)
        found += page.arrivals
        cursor = page.cursor
        if not page.more:
            return found
    raise AssertionError("collecting did not end")


def kept(tmp_path: Path, under: str = "done") -> set[str]:
    """Names of the files that were moved."""
    return {path.name for path in (tmp_path / "in" / under).rglob("*") if not path.is_dir() or path.is_symlink()}


async def test_a_file_is_moved_only_after_it_is_stored(tmp_path: Path) -> None:
    one = network(tmp_path)
    (tmp_path / "in" / "f.xml").write_bytes(XML)
    page = await one.collect(None)
    assert [(a.kind, a.data, a.name, a.recipient) for a in page.arrivals] == [
        (ArrivalKind.INVOICE, XML, "f.xml", "100000207")
    ]
    again = await network(tmp_path).collect(None)  # the process died before it could store anything
    assert [a.network_id for a in again.arrivals] == [a.network_id for a in page.arrivals]
    assert kept(tmp_path) == set()
    other = await one.collect("another cursor")
    assert len(other.arrivals) == 1
    assert (await one.collect(other.cursor)).arrivals == ()
    assert kept(tmp_path) == {"f.xml"}


@pytest.mark.parametrize("late", [False, True])
async def test_a_file_that_takes_the_place_of_another_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    one, path, other = network(tmp_path), tmp_path / "in" / "f.xml", XML.replace(b"<b/>", b"<c/>")
    path.write_bytes(XML)
    page = await one.collect(None)
    rename = Path.rename

    def replaced(place: Path, target: Path) -> Path:
        if place == path:  # after the last look, before it is moved
            path.unlink()
            path.write_bytes(other)
            monkeypatch.setattr(Path, "rename", rename)
        return rename(place, target)

    if late:
        monkeypatch.setattr(Path, "rename", replaced)
    else:
        path.unlink()
        path.write_bytes(other)
    found = await everything(one, page.cursor)
    assert [a.data for a in found] == [other]
    assert kept(tmp_path) == {"f.xml"}
    assert list((tmp_path / "in").glob("*.xml")) == []


async def test_the_same_name_with_other_bytes_is_another_arrival(tmp_path: Path) -> None:
    one = network(tmp_path)
    (tmp_path / "in" / "f.xml").write_bytes(XML)
    first = await everything(one)
    (tmp_path / "in" / "f.xml").write_bytes(XML + b" ")
    second = await everything(one)
    assert first[0].network_id != second[0].network_id
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("half.xml", XML[:40]),
        ("half-with-an-end.xml", XML[: XML.index(b"<b/>") + 4]),
        ("half.pdf", PDF[:12]),
        ("empty.bin", b""),
        ("draft.xml.part", XML),
        ("draft.pdf.filepart", PDF),
        (".hidden.xml", XML),
        ("draft.xml~", XML),
    ],
)
async def test_half_written_files_are_left(tmp_path: Path, name: str, data: bytes) -> None:
    one = network(tmp_path)
    (tmp_path / "in" / name).write_bytes(data)
    assert await everything(one) == []
    assert (tmp_path / "in" / name).read_bytes() == data
    if name.startswith(("half", "empty")):
        patient = network(tmp_path, folder.PATIENCE.total_seconds() + 1)
        assert [a.data for a in await everything(patient)] == [data]


async def test_a_file_that_was_just_written_is_left(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f.xml").write_bytes(XML)
    assert await everything(network(tmp_path, seconds=0.5)) == []
    assert len(await everything(network(tmp_path))) == 1


async def test_what_is_no_plain_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "FILE_LIMIT", 1_000)
    one = network(tmp_path)
    secret, place = tmp_path / "secret.xml", tmp_path / "in"
    secret.write_bytes(XML)
    (place / "link.xml").symlink_to(secret)
    (place / "nowhere.xml").symlink_to("/nonexistent")
    (place / "hard.xml").hardlink_to(secret)
    os.mkfifo(place / "pipe.xml")
    (place / "big.xml").write_bytes(b"<a>" + b" " * 1_000 + b"</a>")
    (place / "inside").mkdir()
    (place / "inside" / "f.xml").write_bytes(XML)
    assert await everything(one) == []
    assert kept(tmp_path, "refused") == {"link.xml", "nowhere.xml", "hard.xml", "pipe.xml", "big.xml"}
    assert secret.read_bytes() == XML
    assert (place / "inside" / "f.xml").exists()


@pytest.mark.parametrize("name", ["a\nb.xml", "é ü.xml", "-rf.xml", "$(touch x).xml", "a;b|c.xml", "x" * 240 + ".xml"])
async def test_names_are_data(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(XML)
    (arrival,) = await everything(network(tmp_path))
    assert arrival.name.isprintable()
    assert arrival.network_id.isprintable()
    assert kept(tmp_path) == {name}


async def test_names_that_are_no_text_are_data_too(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / os.fsdecode(b"\xff\xfe.xml")).write_bytes(XML)
    (arrival,) = await everything(network(tmp_path))
    assert (arrival.network_id + arrival.name).encode()


async def test_many_files_come_in_pages_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "PAGE_FILES", 7)
    one = network(tmp_path)
    for number in range(50):
        (tmp_path / "in" / f"{number}.xml").write_bytes(XML + b" " * number)
    found = await everything(one)
    assert len({a.network_id for a in found}) == len(found) == 50
    assert len(kept(tmp_path)) == 50
    assert await everything(one) == []


def message(*files: tuple[str, str, bytes]) -> EmailMessage:
    """A message with attachments: name, media type, bytes."""
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = "Facture", "a@example.org", "b@example.org"
    made.set_content("Veuillez trouver ci-joint notre facture.")
    for name, media_type, data in files:
        main, _, sub = media_type.partition("/")
        made.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return made


async def test_a_message_brings_its_attachments(tmp_path: Path) -> None:
    one = network(tmp_path)
    inner = message(("inner.xml", "application/xml", XML))
    made = message(
        ("logo.png", "image/png", b"\x89PNG"),
        ("f.pdf", "application/pdf", PDF),
        ("f.xml", "application/octet-stream", XML + b" "),
        ("f-again.pdf", "application/pdf", PDF),
    )
    made.add_attachment(inner)
    (tmp_path / "in" / "m.eml").write_bytes(bytes(made))
    found = await everything(one)
    assert sorted((a.name, a.media_type, a.data) for a in found) == [
        ("f.pdf", "application/pdf", PDF),
        ("f.xml", "application/xml", XML + b" "),
        ("inner.xml", "application/xml", XML),
        ("m.eml", "message/rfc822", bytes(made)),  # the picture is said to be attached, and nobody looked at it
    ]
    assert len({a.network_id for a in found}) == 4
    assert kept(tmp_path) == {"m.eml"}


@pytest.mark.parametrize(
    "made",
    [
        bytes(message()),
        bytes(message(("f.zip", "application/zip", b"PK\x03\x04"))),
        b"\xff\x00 no message at all",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n\r\n" * 300,
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(2_000)),
        b'Content-Type: application/xml; charset="\r\nContent-Transfer-Encoding: base64\r\n\r\n====',
    ],
    ids=["no-file", "archive", "no-message", "many-parts", "deep", "odd-header"],
)
async def test_a_message_without_an_invoice_waits_as_a_whole(tmp_path: Path, made: bytes) -> None:
    one = network(tmp_path)
    (tmp_path / "in" / "m.eml").write_bytes(made)
    (arrival,) = await everything(one)
    assert arrival.data == made


def test_a_message_has_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.message.SIZE_LIMIT", 10)
    with pytest.raises(NotTaken):
        open_message(bytes(message()))


# Out -----------------------------------------------------------------------------------------------------------------


def put(number: str = "F-1"):  # type: ignore[no-untyped-def]
    """A consignment for the folder."""
    return replace(consignment(number=number), route=Route("drop", ElectronicAddress("0225", "100000207"), "a test"))


def there(tmp_path: Path) -> list[Path]:
    """The files that the reader sees."""
    return [path for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")]


async def test_what_is_sent_stands_there_once_whole_and_is_not_put_again(tmp_path: Path) -> None:
    sent = put()
    receipt = await network(tmp_path).send(sent)
    (path,) = there(tmp_path)
    assert path.read_bytes() == sent.data
    assert not receipt.already_there
    path.unlink()  # its reader took it
    again = await network(tmp_path).send(replace(sent, repeated=True))
    assert (again.already_there, again.network_id) == (True, receipt.network_id)
    assert there(tmp_path) == []


async def test_a_crash_before_the_note_makes_no_second_file(tmp_path: Path) -> None:
    sent = put()
    one = network(tmp_path)
    await one.send(sent)
    for note in (tmp_path / "out" / ".sent").iterdir():
        note.unlink()
    assert (await one.send(replace(sent, repeated=True))).already_there
    assert len(there(tmp_path)) == 1


async def test_other_bytes_are_never_written_over(tmp_path: Path) -> None:
    sent = put()
    one = network(tmp_path)
    await one.send(sent)
    for forget in (False, True):
        if forget:
            for note in (tmp_path / "out" / ".sent").iterdir():
                note.unlink()
        with pytest.raises(Refused) as caught:
            await one.send(replace(sent, data=b"other", sha256="0" * 64))
        assert caught.value.findings
    assert [path.read_bytes() for path in there(tmp_path)] == [sent.data]


async def test_a_folder_that_is_gone_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        await Folder(Settings(incoming=tmp_path / "gone"), later()).collect(None)


def test_settings_are_complained_of_all_at_once(tmp_path: Path) -> None:
    problems: list[Problem] = []
    wrong = {"ESTAFETTE_FOLDER_IN": str(tmp_path / "gone"), "ESTAFETTE_FOLDER_OUT": str(tmp_path),
             "ESTAFETTE_FOLDER_RECIPIENT": "12"}  # fmt: skip
    assert folder.from_environment(wrong, problems) is None
    assert {one.setting for one in problems} == {
        "ESTAFETTE_FOLDER_IN",
        "ESTAFETTE_FOLDER_SCHEMES",
        "ESTAFETTE_FOLDER_RECIPIENT",
    }
    assert folder.from_environment({}, problems) is None
    right = {"ESTAFETTE_FOLDER_IN": str(tmp_path), "ESTAFETTE_FOLDER_OUT": str(tmp_path),
             "ESTAFETTE_FOLDER_SCHEMES": "0225, EM"}  # fmt: skip
    networks, complaints = catalogue.build(right, later())
    assert not complaints
    assert [one.name for one in networks.all] == ["drop"]
