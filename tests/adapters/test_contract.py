"""The contract suite of what delivers and of what brings, run against each network's real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapters import afnor, sftp
from tests.adapters.conftest import Running
from tests.adapters.contract import COLLECTING, SUITE, Harness, Source
from tests.adapters.harnesses import (
    FolderHarness,
    FolderSource,
    Mailbox,
    MailHarness,
    PlatformHarness,
    PlatformSource,
    SftpHarness,
    SftpSource,
    mail_source,
    mute,
    push_server,
    sftp_server,
)


@pytest.fixture(params=["afnor", "mail", "push", "sftp", "drop"])
async def harness(
    request: pytest.FixtureRequest, tmp_path: Path, start_platform: Callable[..., Awaitable[Running]]
) -> AsyncIterator[Harness]:
    """Each adapter with its server."""
    if request.param == "drop":
        (tmp_path / "drop").mkdir()
        yield FolderHarness(tmp_path / "drop")
        return
    async with mute() as mute_port:
        if request.param == "afnor":
            yield PlatformHarness(await start_platform(silence=0.1), mute_port)
        elif request.param == "push":
            async with push_server(tmp_path, mute_port) as pushed:
                yield pushed
        elif request.param == "sftp":
            async with sftp_server(tmp_path) as server:
                yield SftpHarness(server, mute_port)
        else:
            box = Mailbox()
            async with box.serving() as port:
                yield MailHarness(port, box, mute_port, tmp_path)


@pytest.mark.parametrize("rule", SUITE, ids=lambda rule: rule.__name__)
async def test_the_network_keeps_the_contract(harness: Harness, rule: Callable[[Harness], Awaitable[None]]) -> None:
    await rule(harness)


@pytest.fixture(params=["afnor", "drop", "mail", "sftp"])
async def source(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start_platform: Callable[..., Awaitable[Running]],
) -> AsyncIterator[Source]:
    """Each adapter that brings, with its server; pages are small where the server of the tests is slow."""
    if request.param == "drop":
        (tmp_path / "drop").mkdir()
        yield FolderSource(tmp_path / "drop")
        return
    monkeypatch.setattr(sftp, "PAGE_FILES", 20)
    monkeypatch.setattr(afnor, "PAGE", 20)
    async with mute() as mute_port:
        if request.param == "afnor":
            yield PlatformSource(await start_platform(companies=[PlatformSource.company]), mute_port)
        elif request.param == "mail":
            async with mail_source(tmp_path, mute_port) as mailbox:
                yield mailbox
        else:
            async with sftp_server(tmp_path) as server:
                yield SftpSource(server, mute_port)


@pytest.mark.parametrize("rule", COLLECTING, ids=lambda rule: rule.__name__)
async def test_the_source_keeps_the_contract(source: Source, rule: Callable[[Source], Awaitable[None]]) -> None:
    await rule(source)
