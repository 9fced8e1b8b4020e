"""Archive: nothing leaves before what is kept of it can be read back, is what it was, and has its proof.

Everything a stage keeps becomes an archive entry in the transaction of its event, and each event a leaf of the hash
tree. This stage runs after that commit: it waits until a signed checkpoint covers every event so far (and a timestamp
that checkpoint, where the operator asks for it), then reads the submission and the original back from the database and
compares them with the hashes in the journal.
"""

from __future__ import annotations

from datetime import timedelta

from gateway.errors import Corrupt
from gateway.lifecycle import Done, Later, Outcome, Role
from gateway.resources import Resources, Work, digest
from gateway.store import custody, tree

PATIENCE = timedelta(seconds=5)
"""How long until a look without being woken; the publisher wakes who waits."""
SOON = timedelta(seconds=1)
"""The same, while only a stamp is missing."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Wait for the proof, read the original back. Raises Corrupt when it is not what was made."""
    async with resources.pool.account(work.account.id) as connection:
        place = await tree.place(connection, work.document.id)
        if len(place.places) != work.document.version:
            await tree.mend(connection, work.document.id)
        stamped = await custody.stamped_size(connection) if resources.notary.stamps_required else None
    if not place.published or len(place.places) != work.document.version:
        return Later(PATIENCE, "its proof is not published yet")
    if stamped is not None and stamped <= max(one for one in place.places if one is not None):
        return Later(SOON, "no authority has stamped its proof yet")
    await work.read(Role.SUBMISSION, resources)
    original = await work.read(Role.ORIGINAL, resources)
    stored = digest(original)
    if stored != work.original:
        raise Corrupt(f"the original of document {work.document.id} is not the one that was made")
    return Done(
        {
            "sha256": stored,
            "size": len(original),
            "entries": len(work.document.contents),
            "leaf": max(one for one in place.places if one is not None),
        }
    )
