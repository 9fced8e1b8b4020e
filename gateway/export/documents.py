"""Exports of what a search finds: as a table, or as a ZIP of the originals with their index."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from gateway.errors import Corrupt, Gone, NotFound
from gateway.export import table
from gateway.export.packing import Packer, Seal, json_line, name_of, spare
from gateway.export.sealed import sealed
from gateway.export.table import COLUMNS, FILE_COLUMNS, Look
from gateway.lifecycle import Role
from gateway.periods import active_until
from gateway.resources import Resources
from gateway.store import archive, documents, retention
from gateway.store.archive import Found, Order, Wanted
from gateway.store.documents import ContentReference
from signing.chain import canonical, instant

PAGE = 350
"""Documents read at once: no more than the first look of a search finds."""

ZIP_LIMIT = 100_000
"""Documents of one ZIP: its directory is held in memory, and beyond this nobody opens it. Tables have no limit."""

ENDED = "its retention ended"
"""Why a document is left out as it must be."""

_ROLES = (Role.ORIGINAL, Role.SUBMISSION)
"""What stands for a document, the first that is kept."""


@dataclass(frozen=True, slots=True)
class What:
    """What is exported, of which account, as of when."""

    account_id: UUID
    wanted: Wanted
    order: Order
    at: datetime
    """Documents that are accepted later are not in it."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """The query as it was asked."""
    opened: Mapping[str, str] = field(default_factory=dict)
    """Who opens the documents, and why; becomes an event of those in the restricted archive."""


@dataclass(slots=True)
class Progress:
    """How far an export is, and what it could not give; true at the end only if all went well."""

    documents: int = 0
    left_out: int = 0
    """Documents that are named and not given: erased ones are expected, damaged ones are not."""
    damaged: int = 0
    """Those left out that should have been there."""
    ended: bool = False
    goes_on: str = ""
    """Why it is not all; empty: it is."""
    unsealed: str = ""
    """Why it has no seal, or one without a timestamp, though there is a sealing key."""
    manifest: str = ""

    @property
    def whole(self) -> bool:
        """Whether everything that is kept was given."""
        return self.ended and not self.damaged and not self.goes_on


class File(NamedTuple):
    """The file of a document in a ZIP; without a name: why there is none."""

    name: str
    role: str
    media_type: str
    size: int | None
    sha256: str
    left_out: str


async def every(resources: Resources, what: What) -> AsyncIterator[tuple[Found, ...]]:
    """What a search finds, page by page, to its end."""
    until, now = what.wanted.accepted_until, what.at + timedelta(microseconds=1)
    wanted = replace(what.wanted, accepted_until=now if until is None else min(until, now))
    cursor = None
    while True:
        async with resources.pool.account(what.account_id) as connection:
            page = await archive.search(connection, what.account_id, wanted, what.order, cursor, PAGE)
        if page.documents:
            yield tuple(one for one in page.documents if one.account_id == what.account_id)
        cursor = page.cursor
        if cursor is None:
            return


async def as_csv(resources: Resources, what: What, look: Look, progress: Progress) -> AsyncGenerator[bytes, None]:
    """The table of what is found."""
    yield table.header([column.name for column in COLUMNS], look)
    async for page in every(resources, what):
        progress.documents += len(page)
        yield b"".join(table.document_row(document, look) for document in page)
    progress.ended = True


async def as_zip(resources: Resources, what: What, look: Look, progress: Progress) -> AsyncGenerator[bytes, None]:
    """The originals of what is found, index.csv, index.json and a manifest."""
    packer = Packer(what.at)
    try:
        with spare() as rows, spare() as members:
            rows.write(table.header([*(column.name for column in COLUMNS), *FILE_COLUMNS], look))
            members.write(index_head(what))
            async for page in limited(every(resources, what), progress):
                for document in page:
                    file, data = await original(resources, what, document)
                    if data is not None:
                        yield await packer.add(file.name, data, file.media_type)
                    rows.write(table.document_row(document, look, *file))
                    members.write((b",\n" if progress.documents else b"") + json_line(indexed(document, file)))
                    counted(progress, file)
            members.write(b"\n]}\n")
            async for sent in packer.pour("index.csv", rows):
                yield sent
            async for sent in packer.pour("index.json", members):
                yield sent
        async for sent in packer.end(seal_of(resources, what, progress)):
            yield sent
        progress.manifest, progress.ended = packer.manifest, True
    finally:
        packer.close()


def seal_of(resources: Resources, what: What, progress: Progress) -> Seal:
    """The organisation's seal on an export; what it lacks is told with its progress."""

    async def seal(manifest: str) -> bytes | None:
        told = {
            "form": "estafette-export-seal/1",
            "archive": resources.notary.signer.verifier.name,
            "made_at": instant(what.at),
            "manifest": manifest,
            "documents": progress.documents,
            "left_out": progress.left_out,
            "whole": not (progress.damaged or progress.goes_on),
        }
        data, progress.unsealed = await sealed(resources, canonical(told))
        return data

    return seal


# Its parts -----------------------------------------------------------------------------------------------------------


async def limited(pages: AsyncIterator[tuple[Found, ...]], progress: Progress) -> AsyncIterator[tuple[Found, ...]]:
    """Pages until ZIP_LIMIT documents; what is beyond is told."""
    async for page in pages:
        room = ZIP_LIMIT - progress.documents
        if len(page) > room:
            if room:
                yield page[:room]
            progress.goes_on = f"a ZIP has at most {ZIP_LIMIT} documents, and there are more: ask for a shorter period"
            return
        yield page


async def original(resources: Resources, what: What, document: Found) -> tuple[File, bytes | None]:
    """What stands for a document, or why nothing does; that it was opened in the restricted archive is written down."""
    if document.erased_at is not None:
        return _none(f"{ENDED}; erased {instant(document.erased_at)}"), None
    try:
        async with resources.pool.account(document.account_id) as connection:
            whole = await documents.get(connection, document.id)
            chosen = _chosen(whole.contents)
            if chosen is None:
                return _none("nothing is kept of it"), None
            data = await documents.read(connection, chosen.sha256)
            active = active_until(whole.updated_at, await retention.policy(connection))
            if what.at > active and await retention.ended(connection, document.id):
                now = resources.clock.now()
                await retention.note_reading(connection, document.account_id, document.id, what.opened, now)
    except Gone:
        return _none(ENDED), None
    except (Corrupt, NotFound) as damaged:
        return _none(f"DAMAGED: {damaged.detail}"), None
    year = (document.issue_date or document.accepted_at.date()).year
    name = f"documents/{year}/{name_of(document.number, document.id, chosen.media_type)}"
    return File(name, str(chosen.role), chosen.media_type, len(data), chosen.sha256, ""), data


def index_head(what: What) -> bytes:
    """The beginning of index.json, up to its documents."""
    says = {column.name: column.says for column in COLUMNS} | FILE_COLUMNS
    head = {"form": "estafette-index/1", "made_at": instant(what.at), "query": dict(what.told), "columns": says}
    return json_line(head)[:-1] + b', "documents": [\n'


def indexed(document: Found, file: File) -> dict[str, Any]:
    """A document as index.json has it."""
    return {**table.values(document), **dict(zip(FILE_COLUMNS, file, strict=True))}


def counted(progress: Progress, file: File) -> None:
    """One more document."""
    progress.documents += 1
    progress.left_out += bool(file.left_out)
    progress.damaged += bool(file.left_out) and ENDED not in file.left_out


def _chosen(references: tuple[ContentReference, ...]) -> ContentReference | None:
    for role in _ROLES:
        for one in reversed(references):
            if one.role is role:
                return one
    return None


def _none(why: str) -> File:
    return File("", "", "", None, "", why)
