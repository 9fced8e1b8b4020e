"""Making rows of the archive's index anew from the documents' own bytes: after an upgrade, or when somebody asks.

The line indexes what it reads; this is for what was kept before there was an index, or under older rules of indexing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from gateway.compute import Interrupted
from gateway.errors import Corrupt, Gone, NotFound
from gateway.lifecycle import Role
from gateway.resources import Resources
from gateway.sought import Sought
from gateway.stages.parse import parse
from gateway.store import archive_index, documents
from gateway.store.archive_index import NOTHING
from schemas.xml import Unreadable

log = logging.getLogger(__name__)

PAGE = 200


@dataclass(slots=True)
class Indexed:
    """What a run did."""

    documents: int = 0
    troubles: list[str] = field(default_factory=list)
    """Documents whose bytes could not be read, each with its reason; their rows stay as they are."""


async def renew(
    resources: Resources, account_id: UUID, *, every: bool = False, tell: Callable[[int], None] = lambda done: None
) -> Indexed:
    """Make the rows of an account anew that an older edition made, or `every` one."""
    done, after = Indexed(), UUID(int=0)
    if every:
        async with resources.pool.account(account_id) as connection:
            await archive_index.forget_edition(connection)
    while True:
        async with resources.pool.account(account_id) as connection:
            page = await archive_index.outdated(connection, after, PAGE)
        for document_id in page:
            try:
                sought = await _read(resources, account_id, document_id)
            except (Corrupt, NotFound, Interrupted) as trouble:
                done.troubles.append(f"{document_id}: {trouble}")
                continue
            async with resources.pool.account(account_id) as connection:
                await archive_index.renew(connection, document_id, sought)
            done.documents += 1
            tell(done.documents)
        if len(page) < PAGE:
            return done
        after = page[-1]


async def _read(resources: Resources, account_id: UUID, document_id: UUID) -> Sought:
    """What a document is found by, read from what was submitted."""
    async with resources.pool.account(account_id) as connection:
        document = await documents.get(connection, document_id)
        reference = document.content(Role.DATA) or document.content(Role.SUBMISSION)
        if reference is None:
            return NOTHING
        try:
            data = await documents.read(connection, reference.sha256)
        except Gone:
            return NOTHING
    try:
        parsed = await resources.compute(parse, data)
    except Unreadable:
        return NOTHING
    return parsed.sought or NOTHING
