"""What was delivered after a backup was taken is not delivered again when the database is put back to that backup."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from gateway import audit
from gateway.lifecycle import Stage
from gateway.store import branding, generations
from gateway.store.documents import Document
from gateway.worker import Worker
from schemas.formats.facturx.presentation import Presentation
from tests.conftest import Server
from tests.line.conftest import Line, open_line


@asynccontextmanager
async def on(server: Server, database: str, line: Line) -> AsyncIterator[Line]:
    """The same line on another database."""
    pool = await server.pool(database)
    resources = replace(line.resources, pool=pool)
    await generations.present(pool, datetime.now(UTC))
    try:
        yield Line(resources, Worker(resources, 4), line.account, line.platform_url)
    finally:
        await pool.close()


async def handed_over(line: Line, document_id: UUID) -> Document:
    """Work until it is handed over, or ends before that."""
    async with asyncio.timeout(60):
        while not (document := await line.until_tried(document_id)).stage.reaches(Stage.DELIVERED):
            assert document.halted is None, document.halted
    return document


async def attempts(line: Line, document_id: UUID) -> list[str]:
    """What is told of the attempts to hand it over."""
    return [str(event.facts["outcome"]) for event in await line.events(document_id) if event.outcome == "attempt"]


@asynccontextmanager
async def older(server: Server, database: str) -> AsyncIterator[str]:
    """A backup of the database as it is now; nobody is connected."""
    name = f"{database}_older"
    await server.command(f"create database {name} template {database}")
    try:
        yield name
    finally:
        await server.command(f"drop database {name} with (force)")


async def test_what_was_delivered_after_the_backup_is_not_delivered_again(
    server: Server, database: str, compute: Any, platform: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    pool = await server.pool(database)
    async with open_line(pool, compute, *platform, tmp_path / "secret") as line:
        under_way = [await line.invoice(f"P-{number}") for number in (1, 2)]
        await pool.close()
        async with older(server, database) as backup:  # both were accepted, and nothing more had happened
            async with on(server, database, line) as lost:
                for document_id in under_way:
                    assert (await handed_over(lost, document_id)).facts["delivered"]["already_there"] is False
            delivered = await line.delivered()
            assert len(delivered) == 2
            async with on(server, backup, line) as back:
                new = await back.invoice("P-3")
                for document_id in (*under_way, new):
                    document = await handed_over(back, document_id)
                    assert document.facts["delivered"]["already_there"] is (document_id != new)
                    assert await attempts(back, document_id) == ([] if document_id == new else ["unknown"])
                after = await line.delivered()
                assert len(after) == 3
                assert [one["trackingId"] for one in after[:2]] == [one["trackingId"] for one in delivered]
                assert [one["duplicates"] for one in after] == [0, 0, 0]
                assert (await audit.audit_account(back.pool, line.account.id)).clean


async def test_what_is_made_anew_with_other_bytes_is_not_delivered_either(
    server: Server, database: str, compute: Any, platform: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    """Another release, a new seal or a new logo: the platform has the document, and a person is told."""
    pool = await server.pool(database)
    async with open_line(pool, compute, *platform, tmp_path / "secret") as line:
        document_id = await line.invoice("P-1", syntax="json")
        await pool.close()
        async with older(server, database) as backup:
            async with on(server, database, line) as lost:
                await handed_over(lost, document_id)
            [delivered] = await line.delivered()
            async with on(server, backup, line) as back:
                now = datetime.now(UTC)
                await branding.write(back.pool, line.account.id, Presentation(accent="#7a0019"), now)
                document = await back.until_tried(document_id)
                assert document.facts["routed"]["sha256"] != delivered["sha256"]
                assert document.halted == "refused by the network: the platform has other content under this id"
                assert await line.delivered() == [delivered]
