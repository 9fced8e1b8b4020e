"""Acknowledge: what the other side's platform says, until the document lies before the buyer or comes back refused."""

from __future__ import annotations

from datetime import timedelta

from gateway import mandatory
from gateway.lifecycle import Done, Halted, Later, Outcome, Skipped, Stage
from gateway.resources import Resources, Work
from gateway.statuses import Heard, hear
from gateway.store.answers import SILENT
from schemas.formats import cdar

LOOK_AGAIN = timedelta(days=1)
"""An arrival wakes the document at once; this is only how long silence lasts before it is looked at again."""

DECIDED = cdar.status_of("206").rank
"""An inbound invoice that is partly approved, or further, is decided on; what is disputed or suspended is not."""


async def run(work: Work, resources: Resources) -> Outcome:
    """Turn what arrived into status events; done when the invoice is made available (203) or further."""
    inbound = work.document.inbound
    network = work.facts(Stage.DELIVERED).get("network")
    if not inbound and network in SILENT:
        return Skipped(f"{network} brings no statuses")
    heard = await hear(work, resources)
    if heard.ended:
        return Halted(heard.ended, heard.findings, news=heard.news)
    if work.document.about is not None:
        return _taken(heard)
    if inbound:
        return _answered(heard)
    paid = await mandatory.paid(work, resources)
    news = (*heard.news, *paid.news)
    if heard.furthest is not None and cdar.reached_buyer(heard.furthest):
        return Done({"status": heard.furthest}, news=news, emitted=paid.emitted)
    return Later(LOOK_AGAIN, "the recipient's platform has not made it available yet", news, paid.emitted)


def _taken(heard: Heard) -> Outcome:
    """Whether the network says that it took a status message; what the other side thinks of it is no affair of ours."""
    if any(item.facts.get("status") == "admitted" for item in heard.news):
        return Done({"status": "admitted"}, news=heard.news)
    return Later(LOOK_AGAIN, "the network has not said yet that it took the message", heard.news)


def _answered(heard: Heard) -> Outcome:
    """Whether the account, the buyer, has decided on an invoice that came: what it says are documents of its own."""
    said = cdar.named(heard.furthest) if heard.furthest else None
    if said is not None and said.rank >= DECIDED:
        return Done({"status": said.name}, news=heard.news)
    return Later(LOOK_AGAIN, "the account has not decided on it yet", heard.news)
