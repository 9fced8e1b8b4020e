"""THE LINE: the stages in their order, one line each. Read this first.

One line for every document. A stage that does not concern a document says so and is recorded as skipped; nothing
branches around it. What each stage does is in the file of its name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway.lifecycle import Outcome, Stage
from gateway.resources import Resources, Work
from gateway.stages import acknowledge, archive, build, deliver, parse, route, seal, settle, validate


@dataclass(frozen=True, slots=True)
class Station:
    """A stage and what the worker must know about it."""

    run: Callable[[Work, Resources], Awaitable[Outcome]]
    commit_before: bool = False
    """Everything earlier must be durable before it runs: it reads it back, or acts on the outside."""
    commit_after: bool = False
    """Its outcome must be durable at once: it acted on the outside."""


LINE: dict[Stage, Station] = {
    # RECEIVED is written by stages/receive.py when a submission is admitted.
    Stage.PARSED: Station(parse.run),
    Stage.VALIDATED: Station(validate.run),
    Stage.BUILT: Station(build.run),
    Stage.SEALED: Station(seal.run),
    Stage.ARCHIVED: Station(archive.run, commit_before=True),
    Stage.ROUTED: Station(route.run),
    Stage.DELIVERED: Station(deliver.run, commit_before=True, commit_after=True),
    Stage.ACKNOWLEDGED: Station(acknowledge.run),
    Stage.SETTLED: Station(settle.run),
}
