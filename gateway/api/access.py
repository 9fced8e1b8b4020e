"""The restricted archive over HTTP: after its active life a document is read with a reason, which is written down.

Two stores in one, with two rights: a document whose line ended long ago is opened by who holds the scope `archive` and
says why, as the law on personal data asks of an intermediate archive. One whose retention has ended is gone: what is
left is its tombstone.
"""

from __future__ import annotations

from aiohttp import web

from gateway.api.auth import CALLER
from gateway.api.keys import RESOURCES
from gateway.errors import Forbidden, Gone, Malformed
from gateway.periods import active_until
from gateway.store import retention
from gateway.store.accounts import Scope
from gateway.store.documents import Document
from gateway.store.holds import REFERENCE, REFERENCE_SAYS

REASONS = ("accounting", "tax_audit", "dispute", "court", "data_subject", "other")
"""Why somebody opens a document of the restricted archive."""
PARAMETERS = ("reason", "reference")


async def opened(request: web.Request, document: Document, what: str) -> None:
    """Let a caller open a document, or not; what is opened in the restricted archive becomes an event.

    Raises Gone with the tombstone, Forbidden without the scope or a reason, Malformed.
    """
    resources, caller = request.app[RESOURCES], request[CALLER]
    reason, reference = request.query.get("reason", ""), request.query.get("reference", "")
    if reason and reason not in REASONS:
        raise Malformed(f"the parameter reason must be one of {', '.join(REASONS)}")
    if not REFERENCE.fullmatch(reference):
        raise Malformed(f"a reference has {REFERENCE_SAYS}")
    now = resources.clock.now()
    async with resources.pool.account(caller.account.id) as connection:
        if document.purged_at is not None:
            left = await retention.tombstone(connection, document.id)
            raise Gone("the retention of this document has ended: its contents are destroyed, its events stay", left)
        policy = await retention.policy(connection)
        if now <= active_until(document.updated_at, policy) or not await retention.ended(connection, document.id):
            return
        if Scope.ARCHIVE not in caller.scopes:
            raise Forbidden(f"the document is in the restricted archive: the scope {Scope.ARCHIVE} opens it")
        if not reason:
            raise Forbidden(
                "the document is in the restricted archive: say why it is opened (reason: "
                f"{', '.join(REASONS)}; and reference, a case's number)"
            )
        facts = {"by": caller.public_id, "reason": reason, "reference": reference, "what": what}
        await retention.note_reading(connection, caller.account.id, document.id, facts, now)
