"""Acknowledge: what the other side's platform says, until the document lies before the buyer or comes back refused."""

from __future__ import annotations

from datetime import timedelta

from gateway.lifecycle import Done, Halted, Later, Outcome, Skipped, Stage
from gateway.resources import Resources, Work
from gateway.statuses import hear
from schemas.formats import cdar

LOOK_AGAIN = timedelta(days=1)
"""An arrival wakes the document at once; this is only how long silence lasts before it is looked at again."""

SILENT_NETWORKS = frozenset({"mail"})
"""Networks that bring no statuses."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Turn what arrived into status events; done when the invoice is made available (203) or further."""
    network = work.facts(Stage.DELIVERED)["network"]
    if network in SILENT_NETWORKS:
        return Skipped(f"{network} brings no statuses")
    heard = await hear(work, resources)
    if heard.ended:
        return Halted(heard.ended, heard.findings, news=heard.news)
    if heard.furthest is not None and cdar.reached_buyer(heard.furthest):
        return Done({"status": heard.furthest}, news=heard.news)
    return Later(LOOK_AGAIN, "the recipient's platform has not made it available yet", heard.news)
