"""Archive: nothing leaves before what is kept of it can be read back and is what it was.

Everything a stage keeps becomes an archive entry in the transaction of its event; this stage runs after that commit,
reads the submission and the original back from the database and compares them with the hashes in the journal.
"""

from __future__ import annotations

from gateway.lifecycle import Done, Outcome, Role, Stage
from gateway.resources import Resources, Work, digest


async def run(work: Work, resources: Resources) -> Outcome:
    """Read the original back. Raises Corrupt when it is not what was built."""
    await work.read(Role.SUBMISSION, resources)
    original = await work.read(Role.ORIGINAL, resources)
    stored = digest(original)
    built = work.facts(Stage.BUILT)["sha256"]
    if stored != built:
        from gateway.errors import Corrupt

        raise Corrupt(f"the original of document {work.document.id} is not the one that was built")
    return Done({"sha256": stored, "size": len(original), "entries": len(work.document.contents)})
